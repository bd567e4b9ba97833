"""The pictures that an evaluation judges: drawn or translated by a run, or found in a folder."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from . import cost, index
from .checkpoint import Checkpoint
from .data import PictureData, check_size, rows_of, scan, to_unit
from .data.files import Progress, shown
from .data.pool import Pool
from .data.preflight import jobs_of
from .data.sources import Item
from .data.worker import Task
from .drawing import draw
from .errors import DataError, RequestError
from .machine import processor
from .metrics.restoration import Restoration
from .metrics.score import Score
from .model import Family
from .pictures import Picture, to_tensor
from .report import alarms_of, log_rows, losses_of
from .requests import Generate, Translate
from .verdict import ALL, HELD_OUT, TRAINING

__all__ = ["FolderSamples", "RunSamples", "is_run", "samples_of"]

Labelled = tuple[Image.Image, str | None]
WALKS, FRAMES = 4, 8  # walks between two pictures, and pictures of each
POINTS = 200  # of a curve
LEAST = 11  # pixels of a side that can be held against the truth, see `huabi.metrics.restoration.ssim`
SHAPE = ("size", "channels", "fit", "pairs")  # settings of the data that real pictures share with those of a run
NAMED = 8  # files that are named when they are left out


def is_run(source: Path) -> bool:
    """Whether `source` is a run, or what is left of one, rather than a folder of pictures."""
    path = index.place(source)
    return any((path / name).exists() for name in ("run.json", "model.safetensors", "state"))


def samples_of(source: Path, n: int, seed: int, device: torch.device) -> RunSamples:
    """The samples of a run; raises `RequestError` for one that draws nothing, `RunError` for a damaged one."""
    path = index.place(source)
    model = Checkpoint.load(path, device)
    if Generate in model.requests:
        return RunSamples(path, model, n, seed)
    if Translate in model.requests:
        return TranslatedSamples(path, model, n, seed)
    raise RequestError(
        f"{source} was trained as {model.name}, which draws no pictures; `huabi show {source}` says more"
    )


class RunSamples:
    """`n` pictures drawn by the model of a run in `path`, from `seed` on, and what its folder tells of the training."""

    doing = "drawing"

    def __init__(self, path: Path, model: Family, n: int, seed: int) -> None:
        self.model, self.n, self.seed = model, n, seed
        self.header = header = Checkpoint.open(path).header
        self.family: str | None = header["family"]
        self.fingerprint: str | None = header["fingerprint"]
        settings = header["data_settings"]
        self.shape = {name: settings[name] for name in SHAPE} | {"size": tuple(settings["size"])}
        self._log = log_rows(path / "log.jsonl")
        self._seconds = 0.0  # spent in drawing

    def seen(self, data: PictureData) -> PictureData:
        """`data` as this run's training would see it: what counts as a copy hangs on whether pictures are mirrored."""
        settings = self.header["data_settings"]
        return replace(data, settings=settings, flip=settings["flip"])

    def pictures(self, data: PictureData) -> Iterator[Labelled]:
        """The pictures and the labels that were asked for, in the proportions of `data`."""
        labels = self._labels(data)
        requests = [Generate(seed=self.seed + i, label=label) for i, label in enumerate(labels)]
        start = time.perf_counter()
        for position, picture, _ in draw(self.model, requests):
            self._seconds += time.perf_counter() - start
            yield picture, labels[position]
            start = time.perf_counter()

    def against_truth(self) -> list[tuple[str, Score]]:
        """How near the pictures are to what they should be, and which pictures these are: of new ones none is known."""
        return []

    def _labels(self, data: PictureData) -> Sequence[str | None]:
        spec = self.model.spec
        if not spec.labels:
            return [None] * self.n
        real = dict(zip(data.spec.labels, data.spec.weights))
        weights = np.array([real.get(label, 0.0) for label in spec.labels])
        if not weights.any():  # other labels, or none: those that it was trained on
            weights = np.array(spec.weights)
        quotas = self.n * weights / weights.sum()
        counts = np.floor(quotas).astype(int)
        counts[np.argsort(counts - quotas, kind="stable")[: self.n - counts.sum()]] += 1  # largest remainders
        numbers = np.repeat(np.arange(len(counts)), counts)
        return [spec.labels[k] for k in np.random.default_rng(self.seed).permutation(numbers)]

    def walks(self) -> list[Image.Image]:
        """Rows of `FRAMES` pictures that lead from one seed to another; none where the family has no such walks."""
        ends = [(self.seed + 2 * k, self.seed + 2 * k + 1) for k in range(WALKS)]
        places = [i / (FRAMES - 1) for i in range(FRAMES)]
        requests = [Generate(seed=pair[0], between=pair, fraction=place) for pair in ends for place in places]
        try:
            drawn = {position: picture for position, picture, _ in draw(self.model, requests)}
        except RequestError:
            return []
        return [drawn[position] for position in range(len(requests))]

    def alarms(self) -> list[str]:
        return alarms_of(self._log)

    def curves(self) -> dict[str, Any]:
        """Losses and held-out distance over the seconds of the run, each of at most `POINTS` points."""
        steps = [line for line in self._log if "seconds" in line]
        names = list(dict.fromkeys(name for line in steps for name in losses_of(line)))
        losses = {name: _thinned([(line["seconds"], line[name]) for line in steps if name in line]) for name in names}
        looks = [(line["at"], line["kernel_distance"]) for line in self._log if "kernel_distance" in line]
        return {"losses": losses, "distance": _thinned(looks)}

    def cost(self) -> dict[str, float | None]:
        """What training took and would need in memory, and what a picture takes here."""
        header, steps = self.header, [line for line in self._log if "seconds" in line]
        micro = min([header["micro"], *(event["micro"] for event in header["events"] if "micro" in event)])
        measured = cost.measure(type(self.model), self.model.config, self.model.spec)
        return {
            "parameters": measured.parameters,
            "train_seconds": steps[-1]["seconds"] if steps else None,
            "steps": steps[-1]["step"] if steps else None,
            "images_per_second": statistics.median(line["images_per_second"] for line in steps) if steps else None,
            "seconds_per_picture": self._seconds / self.n,
            "peak_memory_mb": round(measured.bytes(micro) / 2**20),
        }

    def machine(self) -> str:
        """Where the drawing was timed, in words."""
        identity = self.model.identity
        assert identity is not None
        name = torch.cuda.get_device_name() if identity.device == "cuda" else processor()
        threads = identity.threads or torch.get_num_threads()
        return f"{name} ({identity.device}, {threads} threads, {identity.precision}, torch {torch.__version__})"


class TranslatedSamples(RunSamples):
    """At most `n` pictures that a run has made of held-out ones, or where there are too few of those it trained on.

    They are judged against the pictures of the second kind, which `seen` gives.
    """

    doing = "translating"

    def seen(self, data: PictureData) -> PictureData:
        data = super().seen(data)
        own = data.fingerprint == self.fingerprint
        spare = len(data.heldout) >= 2 and own
        self._on = (HELD_OUT if spare else TRAINING) if own else ALL
        rows = data.heldout if spare else np.concatenate([data.train, data.heldout])
        self._rows = np.sort(np.random.default_rng(self.seed).permutation(rows)[: self.n])
        self.n = len(self._rows)
        self._data, self._truth = data, Restoration()
        sides: dict[str, Any] = {"images": data.target, "target": data.images}
        if data.target is None:
            if data.other is None:
                raise DataError(f"{data.findings.source} holds neither pairs nor two kinds of pictures")
            sides = {"images": data.other, "other": data.images, "labels": None}
            sides |= {"train": data.other_train, "heldout": data.other_heldout}
        second = replace(data, content=f"{data.content}, second kind", **sides)
        if own:
            self.fingerprint = second.fingerprint
        return second

    def pictures(self, data: PictureData) -> Iterator[Labelled]:
        """What the pictures become, and the labels that were asked for."""
        sources = rows_of(self._data.images)
        targets = None if self._data.target is None else rows_of(self._data.target)
        for row in self._rows:
            at = np.array([row])
            label = None
            if self._data.labels is not None and self.model.spec.labels:
                label = self._data.spec.labels[self._data.labels[row]]
            start = time.perf_counter()
            source = Picture.of(Image.fromarray(sources(at)[0].squeeze()))
            [(_, picture, _)] = draw(self.model, [Translate(image=source, to=label, seed=self.seed)])
            self._seconds += time.perf_counter() - start
            if targets is not None and min(self._data.spec.size) >= LEAST:
                self._truth.add(to_tensor(picture)[None, :3], to_unit(targets(at))[:, :3])
            yield picture, label

    def against_truth(self) -> list[tuple[str, Score]]:
        if self._data.target is None or min(self._data.spec.size) < LEAST:
            return []
        return [(self._on, score) for score in self._truth.scores()]


class FolderSamples:
    """The pictures in `path`, or `n` of them that `seed` draws; what cannot be read is told and left out.

    Raises `DataError` where fewer than 2 can be read, or where they are not of one size.
    """

    doing = "reading"
    family: str | None = None
    fingerprint: str | None = None

    def __init__(self, path: Path, n: int, seed: int, progress: Progress | None, say: Callable[[str], None]) -> None:
        self.seed = seed
        listing = scan(path, "none")
        bad = list(listing.left_out)
        sizes: dict[tuple[int, int], str] = {}
        good: list[Item] = []
        with Pool(Task(), len(listing.items)) as pool:
            for item, facts in zip(listing.items, pool.results(jobs_of(listing.items))):
                if isinstance(facts, str):
                    bad.append((item.name, facts))
                else:
                    sizes.setdefault((facts.rows, facts.columns), item.name)
                    good.append(item)
                if progress is not None:
                    progress("looking at pictures", len(good) + len(bad), len(listing.items) + len(listing.left_out))
        for name, why in bad[:NAMED]:
            say(f"left out: {shown(name)}: {why}")
        if len(bad) > NAMED:
            say(f"left out: {len(bad) - NAMED} more")
        if len(good) < 2:
            raise DataError(f"{path}: a distance needs at least 2 pictures that can be read, and here are {len(good)}")
        if len(sizes) > 1:
            unlike = " and ".join(f"{w}x{h} in {shown(name)}" for (h, w), name in list(sizes.items())[:2])
            raise DataError(f"{path}: pictures of different sizes ({unlike}): bring them to one size first")
        (size,) = sizes
        try:
            self.size = check_size(size)
        except RequestError as error:
            raise DataError(f"the pictures in {path}: {error}") from None
        chosen = np.sort(np.random.default_rng(seed).choice(len(good), min(n, len(good)), replace=False))
        self._items = [good[k] for k in chosen]
        self.n = len(self._items)
        self.shape: dict[str, Any] = {"size": self.size}

    def seen(self, data: PictureData) -> PictureData:
        """`data` as it is: nothing is known of a training."""
        return data

    def pictures(self, data: PictureData) -> Iterator[Labelled]:
        """The pictures and the names of the folders that they lie in, where there are several."""
        rows, columns = self.size
        with Pool(Task(self.size), self.n) as pool:
            for item, facts in zip(self._items, pool.results(jobs_of(self._items))):
                if isinstance(facts, str):
                    raise DataError(f"{shown(item.name)} changed while it was being read ({facts}): run again")
                yield Image.frombytes("RGB", (columns, rows), facts.pixels), item.label


def _thinned(points: Sequence[tuple[float, float]]) -> list[list[float]]:
    """At most `POINTS` points, each the mean of its neighbours; what is no number is left out."""
    finite = [point for point in points if all(map(math.isfinite, point))]
    chunk = -(-len(finite) // POINTS) or 1
    parts = (finite[start : start + chunk] for start in range(0, len(finite), chunk))
    return [[statistics.fmean(values) for values in zip(*part)] for part in parts]
