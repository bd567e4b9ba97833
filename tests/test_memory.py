"""A run remembers what it learnt from, so that a drawn picture that is nearly one of those is told of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from conftest import TINY, refused
from huabi import api, memory
from huabi.checkpoint import Checkpoint
from huabi.drawing import drawn
from huabi.memory import FILE, Memory
from huabi.metrics.alarms import copied, thumbnails
from huabi.model import Model
from huabi.requests import Generate, Imagine, Request


class Copier(Model):
    """Draws the pictures that it is given."""

    requests = (Generate, Imagine)

    def __init__(self, pictures: torch.Tensor) -> None:
        self.pictures = pictures

    def sample(self, requests: Any) -> Any:
        yield self.pictures[[request.seed for request in requests]]

    def batch_key(self, request: Request) -> Any:
        return type(request), getattr(request, "image", None) is None


def pictures(count: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_what_is_nearly_a_training_picture_is_found_among_thousands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huabi.metrics.alarms._ROWS", 7)  # so that it looks at several parts
    known = pictures(40)
    noisy = (known[[3, 39]] + 0.05 * torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))).clamp(-1, 1)
    asked = torch.cat([noisy, known[[8]].flip(3), pictures(3, seed=2)])
    assert copied(asked, thumbnails(known)).tolist() == [3, 39, -1, -1, -1, -1]
    assert copied(asked, thumbnails(known), mirrored=True).tolist() == [3, 39, 8, -1, -1, -1]


def test_recipes_name_the_picture_unless_one_was_given(tmp_path: Path) -> None:
    known = pictures(5)
    model = Copier(torch.cat([known[[2]], pictures(1, seed=3)]))
    model.memory = Memory(thumbnails(known), tuple("abcde"), mirrored=False)
    asked = [Generate(seed=0), Generate(seed=1), Imagine(seed=0, image=Image.new("RGB", (8, 8)))]
    recipes = {position: recipe for position, _, recipe in drawn(model, asked)}
    assert [recipes[position].get("near") for position in range(3)] == ["c", None, None]
    assert model.memory.near(pictures(2)[..., :8, :8]) == [None, None]  # fewer pixels than a thumbnail has
    model.memory.save(tmp_path)
    kept = Memory.open(tmp_path)
    assert kept is not None
    assert (kept.names, kept.mirrored, kept.near(known[[4]])) == (("a", "b", "c", "d", "e"), False, ["e"])


def test_a_run_remembers_a_small_set_and_says_so(huabi: Any, photos: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    api.train("vae", photos, run, size=12, steps=1, threads=1, settings=TINY["vae"])
    family = api.load(run)
    assert family.memory is not None
    assert all((photos / name).is_file() for name in family.memory.names)
    made = torch.cat([picture[None] for _, picture, _ in drawn(family, [Generate(seed=seed) for seed in range(3)])])
    Memory(thumbnails(made), ("cat/1.png", "cat/2.png", "dog/3.png"), mirrored=False).save(run)
    done = huabi("sample", run, "--n", 2, "--out", tmp_path / "new")
    assert "seed 1 is nearly the training picture cat/2.png" in done.err
    told = huabi("verify", min((tmp_path / "new").iterdir()))
    assert "nearly the training picture cat/1.png" in told.out
    (run / FILE).write_bytes(b"torn")
    refused(huabi("sample", run, "--n", 1, "--out", tmp_path / "more"), "is damaged", "delete it")
    (run / FILE).unlink()
    assert huabi("sample", run, "--n", 1, "--out", tmp_path / "more").code == 0


def test_what_draws_nothing_anew_and_large_sets_are_not_remembered(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.train("classifier", photos, tmp_path / "reader", size=8, steps=1, threads=1, settings=TINY["classifier"])
    assert not (tmp_path / "reader" / FILE).exists()
    monkeypatch.setattr(memory, "MOST", 3)
    api.train("vae", photos, tmp_path / "run", size=8, steps=1, threads=1, settings=TINY["vae"])
    assert Checkpoint.load(tmp_path / "run").memory is None
