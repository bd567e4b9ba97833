"""The brushes: what comes out is a painting of the picture, the same for the same seed, whatever the picture is."""

from __future__ import annotations

import hashlib
import json
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from huabi import cli
from huabi.classic import film
from huabi.classic.brush import BRUSHES, LONGEST, fitted, paint, painted, strokes, to_svg
from huabi.classic.painter import Painter
from huabi.classic.raster import box, hashed, tangents
from huabi.drawing import draw
from huabi.errors import RequestError
from huabi.pictures import Picture, open_picture, read_recipe, to_tensor
from huabi.requests import Paint

every_brush = pytest.mark.parametrize("brush", BRUSHES)
DIGESTS = {
    "oil": "da1bfdb96f64314f",
    "ink": "546924bcffce4067",
    "watercolor": "b2f374fc1714cc93",
    "crayon": "e23e0cc4d25cd3d7",
    "pencil": "edc786ae38ed45a8",
}


def landscape(width: int = 96, height: int = 72) -> Image.Image:
    """A sun over a hill and water: gradients, plain areas, edges."""
    y = np.linspace(0, 1, height)[:, None, None]
    sky = np.array([90, 140, 220]) * (1 - y) + np.array([250, 210, 150]) * y
    image = Image.fromarray(np.broadcast_to(sky, (height, width, 3)).astype(np.uint8))
    pen = ImageDraw.Draw(image)
    pen.ellipse((width * 0.6, height * 0.1, width * 0.8, height * 0.37), fill=(240, 60, 40))
    pen.polygon([(0, height), (0, height * 0.6), (width * 0.4, height * 0.4), (width, height)], fill=(40, 90, 50))
    pen.rectangle((width * 0.15, height * 0.5, width * 0.3, height * 0.8), fill=(245, 240, 230))
    return image


def error(picture: Image.Image, other: Image.Image) -> float:
    return float(np.abs(np.asarray(picture, np.float64) - np.asarray(other)).mean())


@every_brush
def test_the_same_seed_paints_the_same_picture(brush: str) -> None:
    picture = landscape()
    first, second = (strokes(picture, brush, seed=3) for _ in range(2))
    assert first == second
    assert painted(picture, brush, seed=3).tobytes() == painted(picture, brush, seed=3).tobytes()
    assert strokes(picture, brush, seed=4) != first


def test_randomness_and_blur_are_of_whole_numbers() -> None:
    def murmur(salt: int, index: int) -> int:
        x = (index * 0x9E3779B1 + salt) % 2**32
        x = ((x ^ x >> 16) * 0x85EBCA6B) % 2**32
        x = ((x ^ x >> 13) * 0xC2B2AE35) % 2**32
        return x ^ x >> 16

    index = np.array([0, 1, 2, 77, 10**6])
    assert hashed(7, index).tolist() == [murmur(7, i) for i in index.tolist()]
    assert box(np.array([[0, 9, 0], [0, 0, 0]]), 1).tolist() == [[2, 2, 2], [1, 1, 1]]


@every_brush
def test_strokes_are_those_of_every_machine(brush: str) -> None:
    """Another digest means other strokes for everybody: change it on purpose only."""
    y, x = np.mgrid[:40, :56]
    pixels = np.stack([4 * x + y, 255 - 5 * y, (x // 9 + y // 7) % 2 * 160 + 40], 2).clip(0, 255)
    found = strokes(Image.fromarray(pixels.astype(np.uint8)), brush, seed=11)
    lines = [f"{s.points} {s.width} {s.colour} {s.opacity}" for s in found]
    assert hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16] == DIGESTS[brush]


def test_tangents_follow_edges() -> None:
    stripes = np.tile(np.repeat(np.array([20, 220]), 8), (32, 2)).astype(np.int32)
    x, y = tangents(stripes, 2, 1)
    inner = (slice(4, -4), slice(4, -4))
    assert np.allclose(x * x + y * y, 1)
    assert (np.abs(y[inner]) > 0.95).mean() > 0.9


@every_brush
def test_the_svg_holds_every_stroke(brush: str) -> None:
    picture = landscape()
    found = strokes(picture, brush)
    root = ET.fromstring(to_svg(found, picture.size, brush))
    space = "{http://www.w3.org/2000/svg}"
    assert root.get("viewBox") == "0 0 96 72"
    assert root[0].tag == space + "rect"
    layers = [layer for layer in root if layer.tag == space + "g"]
    assert sum(len(layer) for layer in layers) == len(found)
    assert {layer.get("class") for layer in layers} <= {"wash", "paint", "line"}


@every_brush
def test_a_film_has_the_frames_asked_and_ends_in_the_result(brush: str) -> None:
    picture = landscape(48, 40)
    frames = list(paint(picture, brush, frames=5))
    assert len(frames) == 5
    assert all(frame.size == picture.size and frame.mode == "RGB" for frame in frames)
    assert frames[-1].tobytes() == painted(picture, brush).tobytes()
    missing = [error(frame, frames[-1]) for frame in frames]
    assert missing[0] > missing[-2] > missing[-1]


def test_the_error_falls_with_detail_and_with_strokes() -> None:
    picture = landscape(192, 144)
    by_detail = [error(picture, painted(picture, "oil", detail=d)) for d in (0.0, 0.5, 1.0)]
    assert by_detail[0] > by_detail[1] > by_detail[2]
    by_limit = [error(picture, painted(picture, "oil", limit=n)) for n in (10, 100, 1000)]
    assert by_limit[0] > by_limit[1] > by_limit[2]


@every_brush
@pytest.mark.parametrize("limit", [1, 7, 60])
def test_the_limit_holds(brush: str, limit: int) -> None:
    found = strokes(landscape(), brush, limit=limit)
    assert 1 <= len(found) <= limit


def test_each_brush_leaves_its_mark() -> None:
    picture = landscape(256, 192)
    done = {name: np.asarray(painted(picture, name), np.int32) for name in BRUSHES}
    left = {name: (np.abs(done[name] - BRUSHES[name].ground).max(2) <= 8).mean() for name in BRUSHES}
    assert left["oil"] < 0.01
    assert left["ink"] > 0.05
    assert left["pencil"] > 0.2
    colour = {name: (pixels.max(2) - pixels.min(2)).mean() for name, pixels in done.items()}
    assert colour["pencil"] < colour["ink"] < colour["watercolor"]
    assert colour["ink"] < colour["crayon"]


@every_brush
def test_a_small_picture_stays_recognisable(brush: str) -> None:
    """The painting is nearer to its own picture than to the mirrored one, in its brightness."""
    picture = landscape(64, 64)
    grey = np.asarray(picture.convert("L"), np.float64)
    drawn = np.asarray(painted(picture, brush).convert("L"), np.float64)
    own, mirrored = (np.corrcoef(drawn.ravel(), g.ravel())[0, 1] for g in (grey, grey[:, ::-1]))
    assert own > 0.3  # ink lifts dark areas on purpose
    assert own > mirrored + 0.1


ODD = {
    "one pixel": Image.new("RGB", (1, 1), (200, 30, 60)),
    "a column": landscape(1, 400),
    "a strip": landscape(600, 5),
    "white": Image.new("RGB", (40, 30), "white"),
    "black": Image.new("RGB", (40, 30)),
    "grey": landscape(40, 30).convert("L"),
    "bitmap": landscape(40, 30).convert("1"),
    "palette": landscape(40, 30).quantize(8),
    "cmyk": landscape(40, 30).convert("CMYK"),
    "16 bits": Image.fromarray((np.arange(1200).reshape(30, 40) * 54).astype(np.uint16)),
    "clear": Image.new("RGBA", (40, 30), (255, 0, 0, 0)),
}


@every_brush
@pytest.mark.parametrize("kind", ODD)
def test_odd_pictures_are_painted(brush: str, kind: str) -> None:
    picture = ODD[kind]
    done = painted(picture, brush)
    assert done.size == picture.size
    assert done.mode == "RGB"
    if kind == "clear":  # over white: there is nothing to see
        assert np.asarray(done).min() > 200


def test_large_pictures_are_made_smaller() -> None:
    assert fitted(Image.new("RGB", (8192, 16))).size == (LONGEST, 4)
    assert painted(Image.new("RGB", (4000, 1), "red"), "oil").size == (LONGEST, 1)


def test_what_cannot_be_painted_is_said_in_one_line() -> None:
    picture = landscape(8, 8)
    with pytest.raises(RequestError, match="did you mean 'watercolor'"):
        strokes(picture, "watercolour")
    with pytest.raises(RequestError, match="between 0"):
        strokes(picture, "oil", detail=2)
    with pytest.raises(RequestError, match="at least 1"):
        strokes(picture, "oil", limit=0)
    with pytest.raises(RequestError, match="at least 1"):
        list(paint(picture, "oil", frames=0))


def test_a_brush_of_ones_own() -> None:
    coloured = replace(BRUSHES["ink"], vivid=400)
    spread = [np.ptp(np.asarray(painted(landscape(), b), np.int32), 2).mean() for b in (coloured, "ink")]
    assert spread[0] > spread[1]


def test_the_painter_answers_requests() -> None:
    one, other = landscape(24, 16), landscape(16, 24)
    requests = [Paint(image=one, brush="ink"), Paint(image=other), Paint(image=one, brush="ink", seed=1)]
    drawn = {position: (picture, recipe) for position, picture, recipe in draw(Painter(), requests)}
    assert [drawn[i][0].size for i in range(3)] == [(24, 16), (16, 24), (24, 16)]
    assert drawn[0][0].tobytes() == painted(one, "ink").tobytes()
    assert drawn[0][0].tobytes() != drawn[2][0].tobytes()
    assert drawn[0][1]["inputs"] == {"image": requests[0].image.sha256}
    assert "image" not in drawn[0][1]["request"]
    estimates = list(Painter(frames=3).sample([requests[0], requests[2]]))
    assert [x.shape for x in estimates] == [(2, 3, 16, 24)] * 3
    assert all(bool((x.abs() <= 1).all()) for x in estimates)
    assert torch.equal(estimates[-1][0], to_tensor(painted(one, "ink")))
    assert "image" in Paint.model_json_schema()["required"]


@pytest.fixture
def huabi(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Any:
    """Runs `huabi` with these words in this process: exit code, stdout and stderr."""

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["huabi", *map(str, words)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as end:
            cli.main()
        out, err = capfd.readouterr()
        return int(end.value.code or 0), out, err

    return run


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    landscape(40, 30).save(path)
    return path


def test_paint_from_the_command_line(huabi: Any, photo: Path, tmp_path: Path) -> None:
    out, moving, lines = tmp_path / "ink.png", tmp_path / "ink.gif", tmp_path / "ink.svg"
    words = ["--brush", "ink", "--seed", 5, "--detail", 0.8, "--strokes", 90, "--film", moving, "--svg", lines]
    code, said, err = huabi("paint", photo, *words, "--out", out)
    assert code == 0, err
    assert said.strip() == str(out)
    wanted = painted(landscape(40, 30), "ink", seed=5, detail=0.8, limit=90)
    assert open_picture(out).tobytes() == wanted.tobytes()
    recipe = read_recipe(out)
    assert recipe is not None
    assert recipe["request"] == {"brush": "ink", "detail": 0.8, "strokes": 90, "seed": 5}
    assert recipe["inputs"] == {"image": Picture.of(photo).sha256}
    assert str(tmp_path) not in json.dumps(recipe)
    with Image.open(moving) as frames:
        assert 8 <= frames.n_frames <= film.FRAMES  # equal frames in a row are one
    assert sum(len(layer) for layer in ET.parse(lines).getroot()) <= 90


def test_again_needs_the_picture_that_was_painted(huabi: Any, photo: Path, tmp_path: Path) -> None:
    out, same = tmp_path / "oil.png", tmp_path / "same.png"
    assert huabi("paint", photo, "--out", out)[0] == 0
    code, said, err = huabi("again", out, "--out", same, "--input", photo)
    assert code == 0, err
    assert "the same to the bit" in said
    code, _, err = huabi("again", out, "--out", same)
    assert code == 2
    assert "--input FILE" in err
    code, _, err = huabi("again", out, "--out", same, "--input", out)
    assert code == 2
    assert "is not the file" in err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--brush", "oyl"], "'oil'"),
        (["--detail", 3], "detail"),
        (["--strokes", 0], "strokes"),
        (["--seed", -1], "seed"),
        (["--film", "film.avi"], ".gif, .webp or .mp4"),
        (["--out", "folder"], "folder.png"),
    ],
)
def test_mistakes_get_one_line(huabi: Any, photo: Path, tmp_path: Path, words: list[Any], says: str) -> None:
    code, _, err = huabi("paint", photo, "--out", tmp_path / "x.png", *words)
    assert code == 2, err
    (line,) = [line for line in err.splitlines() if line.startswith("huabi: ")]
    assert says in line
    assert "Traceback" not in err


def test_what_is_no_picture_gets_one_line(huabi: Any, tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no picture")
    for name, says in (("text.png", "not a picture"), ("gone.png", "no such file")):
        code, _, err = huabi("paint", tmp_path / name, "--out", tmp_path / "x.png")
        assert code == 2
        assert says in err


def test_a_picture_that_breaks_off_is_named(huabi: Any, photo: Path, tmp_path: Path) -> None:
    whole = photo.read_bytes()
    (tmp_path / "broken.png").write_bytes(whole[: len(whole) // 2])
    code, _, err = huabi("paint", tmp_path / "broken.png", "--out", tmp_path / "x.png")
    assert code == 2
    assert "broken.png: " in err
    assert not (tmp_path / "x.png").exists()


def test_mp4_without_its_package_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(film.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RequestError, match=r"huabi\[film\]"):
        film.check_film(Path("a.mp4"))


def test_mp4_has_every_frame(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    frames = list(paint(landscape(41, 31), "ink", frames=4))
    film.save_film(frames, tmp_path / "film.mp4", film.painting_times(len(frames)))
    with av.open(tmp_path / "film.mp4") as video:
        frames = list(video.decode(video=0))
    assert len(frames) == 4
    assert film.read_film(tmp_path / "film.mp4").times == pytest.approx([83, 83, 83, 2000])
    assert (frames[0].width, frames[0].height) == (42, 32)
