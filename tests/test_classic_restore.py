"""Restoration without training: nearer to the truth than what was damaged, and nothing else touched."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from huabi import classic
from huabi.classic.filters import box, gaussian, guided, noise_level
from huabi.deep import encode_deep, to_deep_tensor
from huabi.drawing import draw
from huabi.errors import RequestError
from huabi.pictures import Picture, to_image, to_tensor
from huabi.requests import Restore
from huabi.rng import generator

TASKS = [(name, task) for name in classic.METHODS for task in classic.model(name).tasks]  # type: ignore[attr-defined]


def scene(size: int = 64, channels: int = 3) -> Tensor:
    """Discs of plain colours on a slope, smoothed to a pixel as a lens does, (C, H, W) in [-1, 1]."""
    rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    x = (rows / size - 0.5).expand(channels, -1, -1).clone()
    for n in range(6):
        middle = torch.rand(3, generator=generator("disc", n))
        colour = torch.rand(channels, generator=generator("colour", n))[:, None, None] * 1.6 - 0.8
        inside = (rows / size - middle[0]) ** 2 + (columns / size - middle[1]) ** 2 < (0.1 + 0.15 * middle[2]) ** 2
        x = torch.where(inside, colour, x)
    return gaussian(x, 0.6)


def damaged(x: Tensor, task: str) -> tuple[Tensor, dict[str, Any]]:
    """A picture that the task is for, and what else it is told."""
    noise = torch.randn(x.shape, generator=generator("noise"))
    if task == "denoise":
        return (x + 0.2 * noise).clamp(-1, 1), {}
    if task == "deblur":
        return gaussian(x, 1.5) + 0.004 * noise, {}
    if task == "dejpeg":
        file = io.BytesIO()
        to_image(x).save(file, "JPEG", quality=15)
        return to_tensor(Image.open(file)), {}
    if task == "inpaint":
        mask = Image.new("L", (64, 64), 0)
        mask.paste(255, (10, 20, 50, 23))
        return torch.where(to_tensor(mask) > 0, 1.0, x), {"mask": mask}
    return to_tensor(to_image(x).resize((32, 32), Image.Resampling.BOX)), {"scale": 2}


def psnr(x: Tensor, y: Tensor) -> float:
    return float(10 * torch.log10(4 / (x - y).square().mean()))


def restored(name: str, image: Tensor, task: str, **told: Any) -> Tensor:
    ((_, picture, _),) = draw(classic.model(name), [Restore(image=to_image(image), task=task, **told)])
    return to_tensor(picture)


@pytest.mark.parametrize(("name", "task"), TASKS)
def test_it_is_nearer_to_the_truth(name: str, task: str) -> None:
    truth = scene()
    bad, told = damaged(truth, task)
    good = restored(name, bad, task, **told)
    if task == "upscale":
        assert good.shape == (3, 64, 64)
        bad = torch.nn.functional.interpolate(bad[None], scale_factor=2)[0]
    gain = {"denoise": 3, "deblur": 2, "dejpeg": 0.3, "inpaint": 8, "upscale": 1.5}[task]
    assert psnr(good, truth) > psnr(bad, truth) + gain
    if task == "inpaint":
        known = (to_tensor(told["mask"]) < 0).expand(3, -1, -1)
        assert torch.equal(good[known], to_tensor(to_image(bad))[known])


@pytest.mark.parametrize(("name", "task"), [("tv", "denoise"), ("wiener", "deblur")])
def test_grey_stays_grey_transparency_stays_and_no_strength_changes_nothing(name: str, task: str) -> None:
    grey, _ = damaged(scene(32, 1), task)
    out = restored(name, grey, task)
    assert out.shape == (1, 32, 32)
    assert psnr(out, scene(32, 1)) > psnr(grey, scene(32, 1))
    clear = torch.cat([scene(32), torch.rand(1, 32, 32, generator=generator("alpha")) * 2 - 1])
    assert torch.equal(restored(name, clear, task)[3], to_tensor(to_image(clear))[3])
    assert torch.equal(restored(name, clear, task, strength=0), to_tensor(to_image(clear)))


@pytest.mark.parametrize("size", [(1, 20), (20, 1), (1, 1)])
@pytest.mark.parametrize("name", ["wiener", "richardson-lucy"])
def test_a_picture_of_one_row_is_deblurred(name: str, size: tuple[int, int]) -> None:
    assert restored(name, torch.rand(3, *size) * 2 - 1, "deblur").shape == (3, *size)


def test_a_mask_that_leaves_nothing_is_told_of() -> None:
    with pytest.raises(RequestError, match="all white"):
        restored("biharmonic", scene(16), "inpaint", mask=Image.new("L", (16, 16), 255))


def test_what_a_method_cannot_do_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RequestError, match="tv does not deblur; it does denoise and dejpeg"):
        restored("tv", scene(16), "deblur")
    with pytest.raises(RequestError, match="--mask"):
        restored("biharmonic", scene(16), "inpaint")
    monkeypatch.setitem(sys.modules, "skimage.restoration", None)
    with pytest.raises(RequestError, match=r"pip install 'huabi\[classic\]'"):
        restored("tv", scene(16), "denoise")
    assert restored("lanczos", scene(16), "upscale", scale=3).shape == (3, 48, 48)  # needs no library


def test_a_recipe_names_its_method_and_tiny_pictures_are_no_fault() -> None:
    for name in classic.METHODS:
        model = classic.model(name)
        task = model.tasks[0]  # type: ignore[attr-defined]
        mask = Image.fromarray(np.array([[0, 255], [0, 0]], np.uint8))
        request = Restore(image=Picture.of(to_image(scene(2))), task=task, mask=mask if task == "inpaint" else None)
        ((_, _, recipe),) = draw(model, [request])
        assert recipe["family"] == name
        assert type(classic.model(recipe["family"])) is type(model)


def test_noise_is_estimated_in_its_own_units_and_slopes_are_none() -> None:
    noise = torch.randn(3, 128, 128, generator=generator("level"))
    slope = torch.linspace(0, 1, 128).expand(3, 128, 128)
    assert noise_level(slope + 0.05 * noise) == pytest.approx(0.05, rel=0.03)
    assert noise_level(slope) < 1e-6
    assert noise_level(torch.zeros(1, 2, 2)) == 0


def test_filters_agree_with_their_definitions() -> None:
    x = torch.rand(2, 9, 7, generator=generator("box"))
    means = box(x, 2)
    for row, column in ((0, 0), (4, 3), (8, 6)):
        window = x[:, max(0, row - 2) : row + 3, max(0, column - 2) : column + 3]
        assert torch.allclose(means[:, row, column], window.mean((1, 2)), atol=1e-6)
    assert torch.allclose(gaussian(torch.ones(1, 5, 5), 2.0), torch.ones(1, 5, 5))
    guide = torch.rand(1, 20, 20, generator=generator("guide"))
    assert torch.allclose(guided(3 * guide - 1, guide, 3, 1e-9), 3 * guide - 1, atol=1e-3)  # linear in the guide
    assert torch.allclose(guided(x[:1], torch.ones(1, 9, 7), 2, 1e-3), box(box(x[:1], 2), 2), atol=1e-5)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_sixteen_bits_survive(channels: int, tmp_path: Path) -> None:
    x = torch.rand(channels, 24, 20, generator=generator("deep")) * 0.01 - 1  # dark: 8 bits would know two levels
    (tmp_path / "deep.png").write_bytes(encode_deep(x))
    known = to_deep_tensor(Picture((tmp_path / "deep.png").read_bytes()))
    asked = Restore(image=tmp_path / "deep.png", task="denoise", strength=0)
    *_, kept = classic.model("tv").sample([asked])
    assert torch.equal(kept[0], known)
    *_, large = classic.model("bicubic").sample([Restore(image=tmp_path / "deep.png", task="upscale", scale=2)])
    assert large.shape == (1, channels, 48, 40)
    assert len(large[0, 0].unique()) > 200
