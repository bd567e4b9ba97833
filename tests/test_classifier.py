"""The classifier learns to read, and says how well it does."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import huabi
from huabi.errors import DataError
from huabi.families.classifier import shifted
from huabi.metrics.confusion import accuracy, confusion, confusion_picture


def shapes(folder: Path, count: int = 120) -> Path:
    """Pictures of bars that lie or stand, of any colour."""
    rng = np.random.default_rng(0)
    for n in range(count):
        pixels = np.full((16, 16, 3), rng.integers(0, 100), np.uint8)
        at = int(rng.integers(4, 11))
        bar = np.s_[at : at + 2, 2:14] if n % 2 else np.s_[2:14, at : at + 2]
        pixels[bar] = rng.integers(150, 256, 3)
        target = folder / ("lying" if n % 2 else "standing") / f"{n}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(target)
    return folder


def test_it_learns_to_read_and_says_how_well(tmp_path: Path) -> None:
    settings = {"net.width": 16, "batch": 16}
    model = huabi.train(
        "classifier", shapes(tmp_path / "data"), tmp_path / "run", size=16, steps=80, settings=settings, threads=1
    )
    rows = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text("utf-8").splitlines()]
    assert [row["heldout_accuracy"] for row in rows if "heldout_accuracy" in row][-1] >= 0.8
    x = torch.full((1, 3, 16, 16), -0.8)
    x[..., 7:9, 2:14] = 0.7
    assert model.spec.labels[int(model.classify(x).argmax())] == "lying"
    with Image.open(sorted((tmp_path / "run" / "previews").glob("*.png"))[-1]) as shown:
        assert min(shown.size) > 100


def test_it_needs_labels(tmp_path: Path) -> None:
    folder = shapes(tmp_path / "data", 20) / "lying"
    with pytest.raises(DataError, match="classifier needs label"):
        huabi.train("classifier", folder, tmp_path / "run", size=16, steps=1)


def test_confusion_counts_what_was_taken_for_what() -> None:
    counts = confusion(torch.tensor([0, 0, 1, 2, 2, 2]), torch.tensor([0, 1, 1, 2, 2, 0]), 3)
    assert counts.tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 2]]
    assert accuracy(counts) == pytest.approx(4 / 6)
    assert confusion_picture(counts, ["cat", "dog", "a very long name of a class"]).width > 150


def test_pictures_move_by_their_own_share_and_mirror_the_edge() -> None:
    x = torch.arange(2 * 8 * 8, dtype=torch.float32).reshape(2, 1, 8, 8)
    same = shifted(x, 0.25, torch.full((2, 2), 0.5))
    assert torch.equal(same, x)
    up = shifted(x, 0.25, torch.tensor([[0.99, 0.5], [0.5, 0.5]]))
    assert torch.equal(up[0, 0, :6], x[0, 0, 2:])
    assert torch.equal(up[0, 0, 6], x[0, 0, 6])
    assert torch.equal(up[1], x[1])
    assert torch.equal(shifted(x, 0.0, torch.rand(2, 2)), x)
