"""The models that come along: small enough, found by default, and true to what they are asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data
import torch
import torch.nn.functional as F
from PIL import Image

import huabi
from huabi import index
from huabi.data.loader import to_unit
from huabi.data.world.compose import draw_scene
from huabi.data.world.export import picture as scene_of
from huabi.drawing import again
from huabi.enlarging import JOIN
from huabi.families import fast_style
from huabi.metrics.restoration import psnr
from huabi.metrics.style import content_distance, held_out, style_distance
from huabi.pictures import Picture, open_picture, read_recipe, to_image, to_tensor
from huabi.requests import Stylize
from huabi.style import Gram, seer_of
from huabi.stylizing import recoloured

DRAWING = ("world-imagine", "world-enlarger")  # what words become pictures by
THINGS = ("house", "cat", "boat", "tree", "car", "horse")
STYLES = {"flat vector illustration": "flat", "ink wash": "ink", "pixel art": "pixel", "pencil drawing": "pencil"}


@pytest.fixture(scope="module")
def reader() -> Any:
    return huabi.load("world-reader")


def read(reader: Any, pictures: list[Any]) -> list[Any]:
    with torch.no_grad():
        return list(reader.read(to_unit(np.stack([np.asarray(picture.convert("RGB")) for picture in pictures]))))


def test_they_are_small_and_hold_numbers_alone() -> None:
    sizes = {run.name: (run / "model.safetensors").stat().st_size for run in index.shipped()}
    assert sum(sizes.values()) < 60e6
    assert sum(size for name, size in sizes.items() if name in DRAWING) < 30e6
    assert sum(sizes[name] for name in RESTORERS.values()) < 12e6
    kinds = {path.suffix for run in index.shipped() for path in run.iterdir()}
    assert kinds == {".safetensors", ".json"}


@pytest.mark.parametrize("few", [True, False], ids=["four steps", "all steps"])
def test_what_is_said_is_seen(reader: Any, few: bool) -> None:
    model = huabi.load("world-imagine")
    said = [(thing, style) for thing in THINGS for style in STYLES]
    asked = [huabi.Imagine(prompt=f"a {thing}, {style}", seed=7, steps=4 if few else None) for thing, style in said]
    readings = read(reader, list(huabi.draw(model, asked)))
    kinds = sum(reading.count(thing) > 0 for reading, (thing, _) in zip(readings, said))
    styles = sum(reading.scene["style"] == STYLES[style] for reading, (_, style) in zip(readings, said))
    assert kinds >= 0.6 * len(said)
    assert styles >= 0.8 * len(said)


def test_chinese_is_understood_as_english_is(reader: Any) -> None:
    model = huabi.load("world-imagine")
    words = {"一只猫，像素画": ("cat", "pixel"), "一座房子，水墨画": ("house", "ink")}
    words["一条船，铅笔画"] = ("boat", "pencil")
    asked = [huabi.Imagine(prompt=text, seed=seed, steps=4) for text in words for seed in range(4)]
    readings = read(reader, list(huabi.draw(model, asked)))
    truth = [truth for truth in words.values() for _ in range(4)]
    assert sum(reading.scene["style"] == style for reading, (_, style) in zip(readings, truth)) >= 9
    assert sum(reading.count(kind) > 0 for reading, (kind, _) in zip(readings, truth)) >= 7


def test_it_draws_by_default_and_what_it_drew_can_be_made_again(
    huabi: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUABI_HOME", str(tmp_path / "home"))
    done = huabi("imagine", "two boats at night --ar 3:2 --seed 3", "--n", 1, "--steps", 4, "--out", tmp_path / "a.png")
    assert done.code == 0, done.err
    assert again(tmp_path / "a.png")[2] == 0
    assert not (tmp_path / "home" / "runs.json").exists()
    recipe = read_recipe(tmp_path / "a.png")
    assert recipe is not None
    found = [index.find(part) for part in recipe["model"].split(JOIN)]
    assert found == [index.SHIPPED / name for name in DRAWING]
    assert recipe["size"] == [208, 320]


@pytest.mark.parametrize("hand", ["crayon", "pixel"])
def test_a_photograph_takes_on_a_hand_that_was_never_seen(
    hand: str, huabi: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUABI_HOME", str(tmp_path / "home"))
    photo = Image.fromarray(skimage.data.chelsea()[60:252, 120:312])
    photo.save(tmp_path / "photo.png")
    scene_of(draw_scene(900), (192, 192), hand).save(tmp_path / "style.png")
    done = huabi("stylize", tmp_path / "photo.png", tmp_path / "style.png", "--out", tmp_path / "new.png")
    assert done.code == 0, done.err
    recipe = read_recipe(tmp_path / "new.png")
    assert recipe is not None
    assert index.find(recipe["model"]) == index.SHIPPED / "fast-style"
    seer = seer_of("efficientnet-lite0")
    seen = (tmp_path / f"{name}.png" for name in ("photo", "style", "new"))
    content, style, made = (to_tensor(open_picture(path))[None] for path in seen)
    before, after = (style_distance(seer, Gram(), x, style) for x in (recoloured(content, style), made))
    assert after < 0.8 * before  # so it has more of the style than its colours
    assert content_distance(held_out(), made, content) < 0.3 * content_distance(held_out(), style, content)


def test_strokes_grow_with_a_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    sky = np.linspace(110, 210, 1024, dtype=np.uint8)[:, None, None].repeat(1024, 1).repeat(3, 2)
    style = scene_of(draw_scene(900), (512, 512), "crayon")
    model, strokes = huabi.load(index.SHIPPED / "fast-style"), []
    for coarsest in (fast_style.COARSEST, 1024):
        monkeypatch.setattr(fast_style, "COARSEST", coarsest)
        [made] = huabi.draw(model, [Stylize(image=Picture.of(sky), styles=(Picture.of(style),))])
        small = F.avg_pool2d(to_tensor(made), 4)  # as it is seen on a small screen
        strokes.append((small - F.avg_pool2d(small, 3, 1, 1))[:, 4:-4, 4:-4].std())
    assert strokes[0] > 2 * strokes[1] > 0


RESTORERS = {"denoise": "photo-denoiser", "dejpeg": "photo-deblocker", "upscale": "photo-doubler"}


@pytest.mark.parametrize("task", RESTORERS)
def test_a_photograph_is_restored_at_once_and_better_than_without_training(
    task: str, huabi: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUABI_HOME", str(tmp_path / "home"))
    whole = Image.fromarray(skimage.data.chelsea()[60:252, 120:312])
    if task == "denoise":
        x = to_tensor(whole)
        to_image(x + torch.randn(x.shape, generator=torch.Generator().manual_seed(0)) * 0.2).save(tmp_path / "a.png")
    elif task == "dejpeg":
        whole.save(tmp_path / "a.jpg", quality=15)
    else:
        whole.resize((96, 96), Image.Resampling.BICUBIC).save(tmp_path / "a.png")
    given = next(tmp_path.glob("a.*"))
    found = {}
    for method in (None, {"denoise": "nl-means", "dejpeg": "tv", "upscale": "lanczos"}[task]):
        more = ("--method", method) if method else ()
        done = huabi("restore", given, "--task", task, *more)
        assert done.code == 0, done.err
        made = to_tensor(open_picture(done.out.strip()))
        found[method] = psnr(made[None], to_tensor(whole)[None]).item()
        if method is None:
            recipe = read_recipe(done.out.strip())
            assert recipe is not None
            assert index.find(recipe["model"]) == index.SHIPPED / RESTORERS[task]
    assert found[None] > max(value for name, value in found.items() if name) + 0.2


def test_what_it_never_heard_is_told(huabi: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUABI_HOME", str(tmp_path / "home"))
    done = huabi("imagine", "a dragon --style cubist", "--n", 1, "--steps", 2, "--out", tmp_path / "a.png")
    assert "no style 'cubist'" in done.err
    done = huabi("imagine", "a dragon --style ink", "--n", 1, "--steps", 2, "--out", tmp_path / "a.png")
    assert done.code == 0, done.err
    assert "never heard of: dragon" in done.err


def test_what_is_kept_out_is_not_seen(reader: Any) -> None:
    model = huabi.load("world-imagine")
    said = [("snow" if seed >= 8 else "", seed % 8) for seed in range(16)]
    asked = [huabi.Imagine(prompt="a village in winter", negative=no, seed=seed) for no, seed in said]
    snow = [reading.scene["weather"] == "snow" for reading in read(reader, list(huabi.draw(model, asked)))]
    assert sum(snow[8:]) < sum(snow[:8])
