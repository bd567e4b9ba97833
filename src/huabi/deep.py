"""Pictures of 16 bits a channel: PNGs that are read and written without loss, where Pillow keeps 8 bits of colours."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngImageFile, putchunk
from torch import Tensor

from .decoding import MAX_PIXELS, opened
from .pictures import Picture, text_chunks, to_tensor, write_picture
from .provenance.publish import sealed
from .provenance.settings import Settings

__all__ = ["encode_deep", "is_deep", "publish_deep", "to_deep_tensor"]

TOP = 65535
GREY, ALPHA = ("1", "L", "I", "F", "I;16", "I;16B"), ("LA", "PA", "RGBA")
LOW = {"RGB;16B": "RGB;16L", "RGBA;16B": "RGBA;16L"}  # read as if the other byte were the high one
COLOUR_TYPES = {1: 0, 3: 2, 4: 6}  # by channels (PNG, table 11.1)


def is_deep(picture: Picture) -> bool:
    """Whether the picture is a PNG of 16 bits that `to_deep_tensor` reads whole."""
    with opened(picture.data, MAX_PIXELS, picture.name) as image:
        return _is_deep(image)


def to_deep_tensor(picture: Picture) -> Tensor:
    """(C, H, W) in [-1, 1] as the file has it: C is 1 for grey, 4 with transparency, else 3; 16 bits where it has them.

    Sixteen bits are read from PNGs that are upright and in sRGB; of all others, 8.
    """
    with opened(picture.data, MAX_PIXELS, picture.name) as image:
        clear = image.mode in ALPHA or "transparency" in image.info
        channels = 4 if clear else 1 if image.mode in GREY else 3
        if not _is_deep(image):
            return to_tensor(picture.image(channels))
        levels = np.asarray(image) if image.mode == "I;16" else _colours(image, picture.data)
    levels = levels.reshape(*levels.shape[:2], -1)  # (H, W, C)
    return torch.from_numpy(levels.astype(np.float32)).permute(2, 0, 1).div_(TOP / 2).sub_(1).contiguous()


def publish_deep(tensor: Tensor, path: Path, recipe: Mapping[str, Any], with_recipe: bool = True) -> None:
    """Writes (C, H, W) in [-1, 1] as a PNG of 16 bits as `publish` does, but without marks in the pixels."""
    levels = _levels(tensor)
    grey = len(levels) == 1
    shown = Image.fromarray(levels[0] if grey else (levels >> 8).astype(np.uint8).transpose(1, 2, 0))
    recipe = {**recipe, "marks": {}}
    write_picture(sealed(shown, partial(encode_deep, tensor), "PNG", recipe, with_recipe, Settings.load()), path)


def encode_deep(tensor: Tensor, recipe: Mapping[str, Any] | None = None, xmp: bytes | None = None) -> bytes:
    """(C, H, W) in [-1, 1] as a PNG of 16 bits with its recipe and XMP packet inside.

    That of what `to_deep_tensor` read has the same levels.
    """
    levels = _levels(tensor).astype(">u2")  # (C, H, W)
    channels, height, width = levels.shape
    lines = np.ascontiguousarray(levels.transpose(1, 2, 0)).view(np.uint8).reshape(height, -1)
    step = 2 * channels  # each byte less the one a pixel before it: filter 1 of PNG
    filtered = np.concatenate([np.ones((height, 1), np.uint8), lines], 1)
    filtered[:, 1 + step :] -= lines[:, :-step]
    file = io.BytesIO()
    file.write(b"\x89PNG\r\n\x1a\n")
    putchunk(file, b"IHDR", struct.pack(">2I5B", width, height, 16, COLOUR_TYPES[channels], 0, 0, 0))
    for name, data, *_ in text_chunks(recipe, xmp, (width, height)).chunks:
        putchunk(file, name, data)
    putchunk(file, b"IDAT", zlib.compress(filtered.tobytes(), 6))
    putchunk(file, b"IEND")
    return file.getvalue()


def _levels(tensor: Tensor) -> NDArray[np.uint16]:
    return tensor.clamp(-1, 1).add(1).mul(TOP / 2).round().cpu().numpy().astype(np.uint16)


def _is_deep(image: Image.Image) -> bool:
    if not isinstance(image, PngImageFile) or not (image.mode == "I;16" or _raw(image) in LOW):
        return False
    profile = image.info.get("icc_profile", b"sRGB")
    upright: bool = image.getexif().get(ExifTags.Base.Orientation, 1) == 1
    return upright and b"sRGB" in profile[:4096] and "transparency" not in image.info


def _raw(image: PngImageFile) -> Any:
    """Pillow's name of how a pixel lies in the file."""
    return image.tile[0].args if image.tile else None


def _colours(image: Image.Image, data: bytes) -> NDArray[np.uint16]:
    """The levels (H, W, C) of a picture of which Pillow decodes the higher bytes alone: it is read once for each."""
    assert isinstance(image, PngImageFile)
    with Image.open(io.BytesIO(data), formats=["PNG"]) as other:
        other.tile = [tile._replace(args=LOW[str(tile.args)]) for tile in other.tile]
        low = np.asarray(other).astype(np.uint16)
    return np.asarray(image).astype(np.uint16) * np.uint16(256) + low
