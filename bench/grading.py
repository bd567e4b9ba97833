"""How good a run's pictures are, in the measures that the diseases of GANs and VAEs show up in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from digits import as_digit
from digits import judge as reader
from huabi import api
from huabi.data import prepare, to_unit
from huabi.errors import RequestError
from huabi.metrics.alarms import over_smoothing
from huabi.metrics.precision_recall import manifold
from huabi.model import Family
from huabi.pictures import Picture, to_image, to_tensor
from huabi.requests import Generate, Vary
from quality import Judge, labels_for

REBUILT = 64  # held-out pictures that are reconstructed
COVERED = 5  # a class is covered when it has a fifth of its even share, or more


class Grader:
    """Judges runs against one set of pictures; where these are handwriting, its digits are read too.

    Precision and recall are of as many training pictures as samples, in the features of `quality.Judge`.
    """

    def __init__(self, against: str, size: int, cache: Path) -> None:
        self.size, self.digits = size, against == "digits"
        self.data = prepare(against, size=size)
        self.judge = Judge(self.data, cache)

    def __enter__(self) -> Grader:
        return self

    def __exit__(self, *_: object) -> None:
        self.data.close()

    def grade(self, run: Path, n: int, seed: int) -> tuple[dict[str, Any], list[Image.Image]]:
        """The measures of `n` samples of a run, and the samples; nothing where they are not numbers."""
        model = api.load(run)
        labels = labels_for(self.data, model.spec.labels, n)
        requests = [Generate(seed=(seed << 32) + i, label=label) for i, label in enumerate(labels)]
        try:
            pictures = list(api.draw(model, requests))
        except RequestError as error:
            print(f"  {error}")
            return {}, []
        pixels = np.stack([np.asarray(p.convert("RGB")) for p in pictures])
        found = self.judge.features(pixels)
        reference = self.judge.reference  # class by class
        some = torch.randperm(len(reference), generator=torch.Generator().manual_seed(0))[:n]
        near = manifold(found[: len(some)], reference[some])
        grades = {**self.judge.grade(found), "precision": near.precision.value, "recall": near.recall.value}
        grades |= {"detail": self.detail(pictures)}
        if self.digits:
            grades |= self.reading(pictures, labels)
        if Vary in model.requests:
            grades |= {"reconstruction": self.reconstruction(model)}
        return grades, pictures

    def detail(self, pictures: list[Image.Image]) -> float:
        """The energy of the samples' Laplacian against that of as many training pictures; 1 is as sharp."""
        rows = np.sort(np.random.default_rng(0).permutation(self.data.train)[: len(pictures)])
        real = to_unit(np.asarray(self.data.images[rows]))
        return over_smoothing(torch.stack([to_tensor(p) for p in pictures]), real).value

    def reconstruction(self, model: Family) -> float:
        """The same of `REBUILT` held-out pictures, encoded and decoded, against themselves."""
        real = to_unit(np.asarray(self.data.images[self.data.heldout[:REBUILT]]))
        asked = [Vary(image=Picture.of(to_image(x)), strength=0) for x in real]
        return over_smoothing(torch.stack([to_tensor(p) for p in api.draw(model, asked)]), real).value

    def reading(self, pictures: list[Image.Image], labels: list[str | None]) -> dict[str, float]:
        """The share of digits that are read as asked, and how many classes are among what is read."""
        machine, _ = reader()
        read = machine.predict(np.stack([as_digit(p) for p in pictures]))
        counts = np.bincount(read, minlength=10)
        return {
            "accuracy": float(np.mean([str(digit) == label for digit, label in zip(read, labels)])),
            "classes": int((10 * COVERED * counts >= len(read)).sum()),
        }
