"""Pictures come out upright, in sRGB and 8 bits from any file, and carry their recipe."""

import io
import json
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image, ImageCms
from pydantic import BaseModel, ValidationError

from huabi.pictures import (
    Picture,
    PictureError,
    fit_picture,
    grid,
    open_picture,
    read_recipe,
    save_picture,
    to_image,
    to_tensor,
)

RNG = np.random.default_rng(0)
RECIPE = {
    "request": {"prompt": "画一只猫 🐈", "steps": 18, "solver": "heun", "guidance": 2.0, "seed": 7},
    "model": {"family": "diffusion", "hash": "abc"},
    "version": "0.1.0",
}


def noise(rows: int = 6, columns: int = 9, channels: int = 3) -> Image.Image:
    return Image.fromarray(RNG.integers(0, 256, (rows, columns, channels), dtype=np.uint8))


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def values(data: bytes, channels: int = 3) -> list:
    return np.asarray(open_picture(data, channels)).tolist()


def huge_png(width: int, height: int) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")


@given(arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=8).flatmap(
    lambda s: st.sampled_from([(*s, 1), (*s, 3), (*s, 4)]))))  # fmt: skip
@settings(max_examples=50)
def test_tensors_and_back_are_exact(array: np.ndarray) -> None:
    image = Image.fromarray(array[..., 0] if array.shape[2] == 1 else array)
    tensor = to_tensor(image)
    assert tensor.shape == (array.shape[2], *array.shape[:2])
    assert tensor.dtype == torch.float32
    assert tensor.abs().max() <= 1
    again = to_image(tensor)
    assert again.mode == image.mode
    assert again.tobytes() == image.tobytes()


def test_values_outside_are_clipped() -> None:
    x = torch.tensor([[[-9.0, 9.0, float("nan")]]])
    assert np.asarray(to_image(x)).tolist() == [[0, 255, 0]]


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "GIF", "WEBP", "AVIF", "JPEG"])
def test_formats(kind: str) -> None:
    image = Image.new("RGB", (9, 6), (200, 40, 90))
    seen = np.asarray(open_picture(encoded(image, kind)), int)
    assert seen.shape == (6, 9, 3)
    assert np.abs(seen - (200, 40, 90)).max() <= 6


def test_16_bit_grey_is_scaled_not_clipped() -> None:
    deep = Image.fromarray(np.array([[0, 257, 32896, 65535]], np.uint16))
    for kind in ("PNG", "TIFF"):
        assert values(encoded(deep, kind), 1) == [[0, 1, 128, 255]]
    assert values(encoded(Image.fromarray(np.array([[0, 65535]], np.int32)), "TIFF"), 1) == [[0, 255]]
    assert values(encoded(Image.fromarray(np.array([[0, 0.5, 1.0]], np.float32)), "TIFF"), 1) == [[0, 128, 255]]
    assert values(encoded(Image.fromarray(np.array([[0, 500, 1000]], np.float32)), "TIFF"), 1) == [[0, 2, 4]]


def test_transparency_is_white_or_kept() -> None:
    rgba = Image.fromarray(np.array([[[10, 20, 30, 255], [10, 20, 30, 0]]], np.uint8))
    assert values(encoded(rgba)) == [[[10, 20, 30], [255, 255, 255]]]
    assert values(encoded(rgba), 4)[0][1][3] == 0
    la = Image.fromarray(np.array([[[50, 255], [50, 0]]], np.uint8), "LA")
    assert values(encoded(la), 1) == [[50, 255]]
    palette = Image.new("P", (2, 1))
    palette.putpalette([255, 0, 0, 0, 255, 0])
    palette.putpixel((1, 0), 1)
    assert values(encoded(palette)) == [[[255, 0, 0], [0, 255, 0]]]
    assert values(encoded(palette, transparency=1)) == [[[255, 0, 0], [255, 255, 255]]]
    assert values(encoded(Image.new("1", (1, 1), 1)), 1) == [[255]]


@pytest.mark.parametrize("mode", ["L", "RGB", "I;16"])
def test_a_colour_that_stands_for_transparency_is_kept(mode: str) -> None:
    grey = np.array([[0, 77]], np.uint16 if mode == "I;16" else np.uint8)
    image = Image.fromarray(np.stack([grey] * 3, 2) if mode == "RGB" else grey)
    assert image.mode == mode
    key = (77, 77, 77) if mode == "RGB" else 77
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes().replace(b"sRGB", b"mine")
    found = values(encoded(image, transparency=key, icc_profile=profile), 4)
    assert [pixel[3] for pixel in found[0]] == [255, 0]


def test_cmyk() -> None:
    cyan = Image.new("CMYK", (8, 8), (255, 0, 0, 0))
    assert values(encoded(cyan, "TIFF"))[0][0] == [0, 255, 255]
    assert np.abs(np.array(values(encoded(cyan, "JPEG"))[4][4]) - [0, 255, 255]).max() <= 3


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_orientation_6_is_turned(kind: str) -> None:
    image = Image.new("RGB", (16, 8), "black")
    image.paste((255, 255, 255), (0, 0, 8, 8))  # left half white
    exif = Image.Exif()
    exif[0x0112] = 6
    seen = np.asarray(open_picture(encoded(image, kind, exif=exif)).convert("L"))
    assert seen.shape == (16, 8)  # rotated by 90 degrees clockwise: the left is now on top
    assert seen[:6].min() > 200
    assert seen[-6:].max() < 50


def linear_profile(primaries: Sequence[tuple[float, float, float]]) -> bytes:
    """An ICC profile (version 2) of a display with these primaries in XYZ under D50 and a straight tone curve."""

    def xyz(values: Sequence[float]) -> bytes:
        return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(v * 65536) for v in values))

    text = b"text\0\0\0\0none\0\0\0\0"
    name = b"desc\0\0\0\0" + struct.pack(">I", 5) + b"test\0" + bytes(79)
    tags = {b"desc": name, b"cprt": text, b"wtpt": xyz((0.9642, 1.0, 0.8249))}
    for letter, primary in zip("rgb", primaries, strict=True):
        tags[f"{letter}XYZ".encode()] = xyz(primary)
        tags[f"{letter}TRC".encode()] = b"curv\0\0\0\0" + struct.pack(">I", 0)
    table, data, start = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for tag, value in tags.items():
        value += bytes(-len(value) % 4)
        table += tag + struct.pack(">2I", start + len(data), len(value))
        data += value
    header = struct.pack(">I4sI4s4s4s", start + len(data), bytes(4), 0x02400000, b"mntr", b"RGB ", b"XYZ ")
    header += bytes(12) + b"acsp" + bytes(24) + b"\0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061)
    return header.ljust(128, b"\0") + table + data


def test_profile_is_converted_to_srgb() -> None:
    red, green, blue = (0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141)  # sRGB's own
    grey = Image.new("RGB", (1, 1), (55, 55, 55))
    seen = values(encoded(grey, icc_profile=linear_profile((red, green, blue))))[0][0]
    assert np.abs(np.array(seen) - 127).max() <= 2  # 55/255 in linear light is 127/255 in sRGB
    swapped = linear_profile((green, red, blue))
    pure = values(encoded(Image.new("RGB", (1, 1), (255, 0, 0)), icc_profile=swapped))[0][0]
    assert np.abs(np.array(pure) - [0, 255, 0]).max() <= 3
    clear = values(encoded(Image.new("RGBA", (1, 1), (55, 55, 55, 0)), icc_profile=swapped), 4)[0][0]
    assert clear[3] == 0


def test_profile_that_says_nothing_changes_nothing() -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    assert values(encoded(Image.new("RGB", (1, 1), (9, 8, 7)), icc_profile=lab)) == [[[9, 8, 7]]]  # of another kind
    assert values(encoded(Image.new("RGB", (1, 1), (9, 8, 7)), icc_profile=b"rubbish")) == [[[9, 8, 7]]]


def test_animation_gives_its_first_frame() -> None:
    red, blue = Image.new("RGB", (4, 4), (255, 0, 0)), Image.new("RGB", (4, 4), (0, 0, 255))
    data = encoded(red, "GIF", save_all=True, append_images=[blue])
    assert values(data)[0][0] == [255, 0, 0]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"just some text", "not a picture"),
        (encoded(noise(64, 64), "JPEG")[:900], "cut off"),
        (encoded(noise(64, 64))[:3000], "cut off"),
        (huge_png(50_000, 50_000), "pixels"),
        (b"GIF89a", "damaged|cut off|not a picture"),
    ],
)
def test_bad_files_are_refused_with_a_short_reason(data: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.png"
    path.write_bytes(data)
    with pytest.raises(PictureError, match=reason) as caught:
        open_picture(path)
    assert "bad.png" in str(caught.value)
    assert len(caught.value.reason) < 90
    with pytest.raises(PictureError):
        open_picture(data)


def test_missing_and_folder(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="no such file"):
        open_picture(tmp_path / "none.png")
    with pytest.raises(PictureError):
        open_picture(tmp_path)


@pytest.mark.parametrize("how", ["crop", "pad", "squash"])
@given(rows=st.integers(1, 40), columns=st.integers(1, 40), high=st.integers(1, 20), wide=st.integers(1, 20))
@settings(max_examples=25)
def test_fit_gives_the_size(how: str, rows: int, columns: int, high: int, wide: int) -> None:
    assert fit_picture(Image.new("RGB", (columns, rows)), (high, wide), how).size == (wide, high)


def test_fit_crops_the_middle_and_pads_with_white() -> None:
    image = Image.new("L", (12, 4), 0)
    image.paste(100, (4, 0, 8, 4))
    assert np.unique(np.asarray(fit_picture(image, (4, 4)))).tolist() == [100]
    padded = np.asarray(fit_picture(image, (12, 12), "pad"))
    assert padded[0].min() == 255
    assert padded[5, 0] == 0


def test_grid() -> None:
    sheet = grid([Image.new("RGB", (4, 3), "red")] * 5, columns=3, gap=1)
    assert sheet.size == (3 * 5 - 1, 2 * 4 - 1)
    with pytest.raises(ValueError):
        grid([])


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
def test_recipe_stays_in_the_file(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"画 a.{suffix}"
    save_picture(noise(), path, RECIPE)
    assert read_recipe(path) == RECIPE
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    save_picture(noise(), path)
    assert read_recipe(path) is None


def test_parameters_as_the_web_uis_write_them(tmp_path: Path) -> None:
    image = noise(32, 32)
    save_picture(image, tmp_path / "a.png", RECIPE)
    with Image.open(tmp_path / "a.png") as saved:
        prompt, line = saved.info["parameters"].splitlines()
        assert saved.tobytes() == image.tobytes()
    assert prompt == "画一只猫 🐈"
    assert line == (
        "Steps: 18, Sampler: heun, CFG scale: 2.0, Seed: 7, Size: 32x32, "
        "Model hash: abc, Model: diffusion, Version: huabi 0.1.0"
    )


def test_foreign_recipes_do_not_raise(tmp_path: Path) -> None:
    from PIL.PngImagePlugin import PngInfo

    for text in ("not json", "[1]", "[" * 100_000):
        chunks = PngInfo()
        chunks.add_text("huabi", text)
        noise().save(tmp_path / "a.png", pnginfo=chunks)
        assert read_recipe(tmp_path / "a.png") is None
    (tmp_path / "b.png").write_bytes(b"text")
    with pytest.raises(PictureError):
        read_recipe(tmp_path / "b.png")


def test_a_failed_save_leaves_the_old_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    save_picture(noise(), path, RECIPE)
    before = path.read_bytes()

    def fails(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fails)
    with pytest.raises(PictureError, match="no space left"):
        save_picture(noise(), path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize(("name", "recipe"), [("a.xyz", None), ("a", None), ("a.bmp", RECIPE)])
def test_what_cannot_be_saved(name: str, recipe: dict | None, tmp_path: Path) -> None:
    with pytest.raises(PictureError, match=r"save as \.png"):
        save_picture(noise(), tmp_path / name, recipe)


class Ask(BaseModel):
    image: Picture


def test_picture_takes_what_python_has(tmp_path: Path) -> None:
    image = noise()
    path = tmp_path / "a.png"
    path.write_bytes(encoded(image))
    for source in (image, np.asarray(image), path, str(path), path.read_bytes(), Picture(path.read_bytes())):
        asked = Ask(image=source)
        assert asked.image.image().tobytes() == image.tobytes()
        assert Ask.model_validate_json(asked.model_dump_json()) == asked
    assert len({Ask(image=path).image, Ask(image=str(path)).image}) == 1
    assert Ask.model_json_schema()["properties"]["image"]["format"] == "base64"


def test_json_never_reads_a_path(tmp_path: Path) -> None:
    path = tmp_path / "abcd"
    path.write_bytes(encoded(noise()))
    for value in (str(path), 3, None, "!", "aGVsbG8="):
        with pytest.raises(ValidationError):
            Ask.model_validate_json(json.dumps({"image": value}))
    with pytest.raises(ValidationError):
        Ask.model_validate({"image": str(path)}, context={"json": True})
    for value in (tmp_path / "none.png", 3.5, b"no picture", np.zeros((3, 3))):
        with pytest.raises(ValidationError):
            Ask(image=value)
