"""From a picture's file to 8-bit PIL: upright, in sRGB, whatever it was saved as, or refused with a short reason.

It loads neither torch nor pydantic, so that the processes that decode start quickly.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

from PIL import (  # the plugins register what they open; Image.init() would load the rare and risky ones too
    AvifImagePlugin,  # noqa: F401
    BmpImagePlugin,  # noqa: F401
    ExifTags,
    GifImagePlugin,  # noqa: F401
    Image,
    Jpeg2KImagePlugin,  # noqa: F401
    JpegImagePlugin,  # noqa: F401
    MpoImagePlugin,  # noqa: F401
    PngImagePlugin,  # noqa: F401
    PpmImagePlugin,  # noqa: F401
    TiffImagePlugin,  # noqa: F401
    UnidentifiedImageError,
    WebPImagePlugin,  # noqa: F401
)

from .errors import DataError

Fit = Literal["crop", "pad", "squash"]
Source = str | Path | bytes | IO[bytes]

MAX_PIXELS = 89_478_485  # a quarter of a gigabyte as RGB; Pillow's own line for a bomb
FORMATS: tuple[str, ...] = ("PNG", "JPEG", "WEBP", "BMP", "DIB", "GIF", "TIFF", "AVIF", "PPM", "JPEG2000")
_LIMITS: ContextVar[tuple[tuple[str, ...], int]] = ContextVar("limits", default=(FORMATS, MAX_PIXELS))
MODES = {1: "L", 3: "RGB", 4: "RGBA"}  # by channels
_TURNS = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}  # EXIF orientation -> Image.Transpose

# Sizes are checked here, from the header, with a line that people understand.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


class PictureError(DataError):
    """A picture that cannot be read or written; `reason` is short and does not name the picture."""

    def __init__(self, reason: str, name: str | None = None) -> None:
        super().__init__(f"{name}: {reason}" if name else reason)
        self.reason = reason


class WriteError(PictureError):
    """A picture that cannot be written, whatever it shows."""


@dataclass(frozen=True)
class Decoded:
    """A picture and what its file said of it."""

    image: Image.Image
    size: tuple[int, int]  # rows, columns as seen, before any reduced decoding
    mode: str  # Pillow's name of the file's own mode, such as "RGB" or "I;16"
    format: str


def why(error: BaseException) -> str:
    """A short reason for people."""
    if isinstance(error, PictureError):
        return error.reason
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, IsADirectoryError):
        return "a folder, not a picture"
    if isinstance(error, PermissionError):
        return "may not be read (permission denied)"
    if isinstance(error, (Image.DecompressionBombError, Image.DecompressionBombWarning)):
        return "more pixels than can be decoded safely"
    if isinstance(error, UnidentifiedImageError):
        return "not a picture that can be read"
    if isinstance(error, MemoryError):
        return "does not fit into memory"
    if "truncated" in str(error).lower() or "eof" in str(error).lower() or isinstance(error, EOFError):
        return "cut off: the file ends too early"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return "damaged: it cannot be decoded"


@contextlib.contextmanager
def limited(formats: tuple[str, ...], max_pixels: int) -> Iterator[None]:
    """Inside it only pictures of these formats, with at most so many pixels, are opened."""
    before = _LIMITS.set((formats, max_pixels))
    try:
        yield
    finally:
        _LIMITS.reset(before)


@contextlib.contextmanager
def opened(source: Source, max_pixels: int, name: str | None = None) -> Iterator[Image.Image]:
    """The image with its header read and its size checked; every failure inside becomes a `PictureError`."""
    try:
        if isinstance(source, bytes):
            source = io.BytesIO(source)
        formats, most = _LIMITS.get()
        max_pixels = min(max_pixels, most)
        with Image.open(source, formats=formats) as image:
            width, height = image.size
            if width * height > max_pixels:
                raise PictureError(f"{width} x {height} pixels are more than the {max_pixels:,} that are decoded")
            yield image
    except Exception as error:
        if isinstance(error, UnidentifiedImageError) and _empty(source):
            raise PictureError("an empty file", name) from None
        raise PictureError(why(error), name) from None


def _empty(source: Any) -> bool:
    if isinstance(source, (str, Path)):
        return Path(source).stat().st_size == 0
    return bool(source.seek(0, io.SEEK_END) == 0)


def decode(
    source: Source, channels: int = 3, max_pixels: int = MAX_PIXELS, near: tuple[int, int] | None = None
) -> Decoded:
    """The picture in `source` with what its file said; see `open_picture`.

    Args:
        near: the size (rows, columns) that it will be fitted to; a large JPEG is then decoded at a reduced scale,
            never below twice that size.
    """
    if channels not in MODES:
        raise ValueError(f"channels must be 1, 3 or 4, not {channels}")
    name = str(source) if isinstance(source, (str, Path)) else None
    with opened(source, max_pixels, name) as image:
        columns, rows = image.size
        mode, kind = image.mode, image.format or ""
        if getattr(image, "n_frames", 1) > 1 and kind in ("GIF", "WEBP", "PNG", "AVIF", "TIFF"):
            image.seek(0)
        if near is not None:
            image.draft(None, (2 * max(near), 2 * max(near)))
        image.load()
        turn = None
        with contextlib.suppress(Exception):  # a broken EXIF block is no reason to refuse the picture
            turn = _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
        flat = flatten(image, channels)
    if turn is not None:
        flat = flat.transpose(Image.Transpose(turn))
        rows, columns = (columns, rows) if turn in (2, 4, 5, 6) else (rows, columns)
    flat.info = {}
    return Decoded(flat, (rows, columns), mode, kind)


def open_picture(source: Source, channels: int = 3, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """The picture as a person sees it: upright, in sRGB, its first frame, on white where it is transparent.

    Args:
        source: a path, a file's bytes, or an open binary file.
        channels: 1 grey, 3 RGB, 4 RGBA (which keeps transparency).
        max_pixels: what has more is refused from its header, before decoding.

    Raises PictureError where it cannot be read whole.
    """
    return decode(source, channels, max_pixels).image


def flatten(image: Image.Image, channels: int = 3) -> Image.Image:
    """`image` in any of Pillow's modes as L, RGB or RGBA of 8 bits; deeper ones are scaled, not clipped."""
    if channels not in MODES:
        raise ValueError(f"channels must be 1, 3 or 4, not {channels}")
    if "transparency" in image.info:
        image = _keyed(image)
    if image.mode.startswith(("I", "F")):
        image = _to_8_bits(image)
    image = _to_srgb(image)
    clear = image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info
    if not clear:
        return image if image.mode == MODES[channels] else image.convert("RGB").convert(MODES[channels])
    rgba = image.convert("RGBA")
    if channels == 4:
        return rgba
    white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, rgba).convert(MODES[channels])


def _keyed(image: Image.Image) -> Image.Image:
    """A picture of which one colour stands for transparency, with that as alpha; palettes keep theirs."""
    if image.mode in ("1", "L", "RGB"):
        return image.convert("RGBA" if image.mode == "RGB" else "LA")
    if not image.mode.startswith("I"):
        return image
    import numpy as np

    grey = _to_8_bits(image)
    grey.putalpha(Image.fromarray((np.asarray(image) != image.info["transparency"]).astype(np.uint8) * np.uint8(255)))
    return grey


def _to_8_bits(image: Image.Image) -> Image.Image:
    """Modes I, I;16 and F as L: by 65535 for 16 bits, by 1 for floats up to 1, else by the largest value."""
    import numpy as np

    values = np.nan_to_num(np.asarray(image).astype(np.float64), posinf=0.0, neginf=0.0)
    top = float(values.max(initial=0.0))
    if image.mode.startswith("I;16"):
        scale = 65535.0
    elif image.mode == "F" and top <= 1:
        scale = 1.0
    else:
        scale = next((s for s in (255.0, 65535.0) if top <= s), top)
    return Image.fromarray(np.round(values.clip(0) * (255.0 / scale)).astype(np.uint8))


def _to_srgb(image: Image.Image) -> Image.Image:
    """`image` in sRGB by its embedded profile; a profile that is sRGB, broken or of another kind changes nothing."""
    profile = image.info.get("icc_profile")
    if not profile or image.mode in ("1", "P", "PA", "I", "F") or b"sRGB" in profile[:4096]:
        return image
    from PIL import ImageCms

    alpha = image.getchannel("A") if image.mode in ("RGBA", "LA") else None
    colour = image.convert(image.mode[:-1]) if alpha is not None else image
    try:
        own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        seen = ImageCms.profileToProfile(colour, own, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image
    if seen is None:
        return image
    if alpha is not None:
        seen.putalpha(alpha)
    return seen


def fit_picture(image: Image.Image, size: tuple[int, int], how: Fit = "crop") -> Image.Image:
    """`image` at `size` (rows, columns), smoothed where it shrinks.

    Args:
        how: "crop" cuts what sticks out around the middle, "pad" adds white (or nothing, where there is an alpha
            channel), "squash" changes the proportions.
    """
    rows, columns = size
    width, height = image.size
    if (width, height) == (columns, rows):
        return image
    if how == "pad":
        scale = min(columns / width, rows / height)
        inner = max(1, round(width * scale)), max(1, round(height * scale))
        small = image.resize(inner, Image.Resampling.BICUBIC, reducing_gap=3.0)
        out = Image.new(image.mode, (columns, rows), (255, 255, 255, 0) if image.mode == "RGBA" else "white")
        out.paste(small, ((columns - inner[0]) // 2, (rows - inner[1]) // 2))
        return out
    box = (0.0, 0.0, float(width), float(height))
    if how == "crop":
        scale = min(width / columns, height / rows)
        left, top = (width - columns * scale) / 2, (height - rows * scale) / 2
        box = (max(left, 0.0), max(top, 0.0), min(left + columns * scale, width), min(top + rows * scale, height))
    elif how != "squash":
        raise ValueError(f"how must be crop, pad or squash, not {how!r}")
    return image.resize((columns, rows), Image.Resampling.BICUBIC, box=box, reducing_gap=3.0)
