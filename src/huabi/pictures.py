"""Pictures: as they stand in a request, from PIL to tensors and back, and in files that carry their own recipe.

This module alone turns PIL images into tensors. It loads torch only when a tensor is asked for.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import ExifTags, Image, ImageOps
from PIL.PngImagePlugin import PngImageFile, PngInfo

from .decoding import MAX_PIXELS, MODES, Fit, PictureError, WriteError, fit_picture, flatten, open_picture, opened, why
from .durable import write_file
from .errors import RequestError
from .payload import Payload

if TYPE_CHECKING:
    import torch

__all__ = [
    "MAX_PIXELS",
    "Fit",
    "Picture",
    "PictureError",
    "check_mask",
    "encode_picture",
    "fit_picture",
    "flatten",
    "format_of",
    "grid",
    "mask_image",
    "open_picture",
    "read_recipe",
    "read_xmp",
    "save_picture",
    "text_chunks",
    "to_image",
    "to_tensor",
    "write_picture",
]

SAVED_AS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".avif": "AVIF"}
SAVED_AS |= {".tif": "TIFF", ".tiff": "TIFF", ".bmp": "BMP", ".gif": "GIF"}
TURNED = 5  # of EXIF's orientations, from which on a picture is seen on its side
LONGEST_EXIF = 65_533  # bytes of a JPEG's segment
_XMP = "XML:com.adobe.xmp"  # the keyword of its text chunk in a PNG
_COMMENT = b"ASCII\0\0\0"  # the character code before an EXIF UserComment (EXIF 2.3, 4.6.5)


class Picture(Payload):
    """A picture as it stands in a request: the bytes of its file, equal where the bytes are equal.

    As a pydantic field it takes a `Picture`, bytes, a path, a PIL image or a uint8 array (H, W[, C]) from Python, and
    from JSON base64 alone; see `Payload`.
    """

    media = "image/*"
    error = PictureError

    def image(self, channels: int = 3) -> Image.Image:
        """The decoded picture; see `open_picture`."""
        try:
            return open_picture(self.data, channels)
        except PictureError as error:
            raise PictureError(error.reason, self.name) from None

    def mask(self) -> Image.Image:
        """The decoded picture as a mask, in grey: what is transparent is black."""
        seen = self.image(4)
        return Image.alpha_composite(Image.new("RGBA", seen.size, "black"), seen).convert("RGB").convert("L")

    @property
    def channels(self) -> int:
        """What the file itself holds: 1 is grey, 3 colour, 4 colour with transparency."""
        with opened(self.data, MAX_PIXELS, self.name) as image:
            if image.has_transparency_data:
                return 4
            return 1 if image.mode in ("1", "L", "I", "F") or image.mode.startswith("I;") else 3

    def size(self) -> tuple[int, int]:
        """Rows and columns as it is seen, by its header; nothing is decoded."""
        with opened(io.BytesIO(self.data), MAX_PIXELS, self.name) as image:
            size, orientation = (image.height, image.width), 1
            if image.format != "PNG" or "exif" in image.info:  # of a PNG, Pillow would look behind the pixels
                with contextlib.suppress(Exception):  # broken EXIF turns nothing
                    orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
        return size[::-1] if orientation >= TURNED else size

    @classmethod
    def of(cls, source: Any) -> Picture:
        """A picture from a `Picture`, bytes, path, PIL image or uint8 array; raises `PictureError` where it is none.

        Only the header is read; a file that breaks off later is found by `image`.
        """
        if isinstance(source, Picture):
            return source
        if isinstance(source, (bytes, bytearray, memoryview)):
            return cls.checked(bytes(source))
        if isinstance(source, (str, os.PathLike)):
            return cls.checked(_read(Path(source)), str(source))
        if isinstance(source, Image.Image):
            return cls(_png(ImageOps.exif_transpose(source)))
        if hasattr(source, "__array_interface__"):
            return cls(_png(_from_array(source)))
        raise PictureError(f"expected a path, bytes, a PIL image or a uint8 array, got {type(source).__name__}")

    @classmethod
    def checked(cls, data: bytes, name: str | None = None) -> Picture:
        with opened(io.BytesIO(data), MAX_PIXELS, name):
            return cls(data, name)


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    known = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")
    (image if image.mode in known else flatten(image, 3)).save(buffer, "PNG", compress_level=0)
    return buffer.getvalue()


def _from_array(array: Any) -> Image.Image:
    import numpy as np

    array = np.asarray(array)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)):
        raise PictureError(f"expected a uint8 array (H, W) or (H, W, 1, 3 or 4), got {array.dtype} {array.shape}")
    return Image.fromarray(np.ascontiguousarray(array))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise PictureError(why(error), str(path)) from None


def to_tensor(image: Image.Image) -> torch.Tensor:
    """`image` as (C, H, W) float32 in [-1, 1]; C is 1 for L, 4 for RGBA, else 3."""
    import numpy as np
    import torch

    image = image if image.mode in MODES.values() else flatten(image)
    array = np.asarray(image)  # (H, W) or (H, W, C)
    tensor = torch.from_numpy(array.copy() if array.ndim == 3 else array[..., None].copy())
    return tensor.permute(2, 0, 1).to(torch.float32).div_(127.5).sub_(1).contiguous()  # (C, H, W)


def to_image(tensor: torch.Tensor) -> Image.Image:
    """The picture of a (C, H, W) tensor in [-1, 1]: L, RGB or RGBA by C; what lies outside is clipped, NaN is black.

    `to_image(to_tensor(image))` is `image` to the bit.
    """
    if tensor.ndim != 3 or tensor.shape[0] not in MODES:
        raise ValueError(f"expected (C, H, W) with C of 1, 3 or 4, got {tuple(tensor.shape)}")
    x = tensor.detach().float().cpu().nan_to_num(nan=-1.0)
    array = x.add(1).mul(127.5).round().clamp(0, 255).byte().permute(1, 2, 0).numpy()  # (H, W, C)
    return Image.fromarray(array[..., 0].copy() if array.shape[2] == 1 else array.copy())


def grid(images: Iterable[Image.Image], columns: int | None = None, gap: int = 2) -> Image.Image:
    """The pictures in rows on white, `gap` pixels apart, each in a cell of the largest size; near square by default."""
    shown = list(images)
    if not shown:
        raise ValueError("a grid needs at least one picture")
    columns = min(columns or math.ceil(math.sqrt(len(shown))), len(shown))
    width, height = max(i.width for i in shown), max(i.height for i in shown)
    rows = math.ceil(len(shown) / columns)
    size = columns * (width + gap) - gap, rows * (height + gap) - gap
    out = Image.new("L" if all(i.mode == "L" for i in shown) else "RGB", size, "white")
    for n, image in enumerate(shown):
        row, column = divmod(n, columns)
        out.paste(flatten(image, 1 if out.mode == "L" else 3), (column * (width + gap), row * (height + gap)))
    return out


def save_picture(image: Image.Image, path: str | Path, recipe: Mapping[str, Any] | None = None) -> None:
    """Writes `image` with its recipe inside, whole or not at all; the format follows the suffix.

    See `encode_picture` for where the recipe stands. Raises PictureError where the suffix is unknown, where a recipe
    is given that the format has no place for, or where it cannot be written.
    """
    write_picture(encode_picture(image, format_of(path), recipe, name=str(path)), path)


def format_of(path: str | Path) -> str:
    """The format of a file's suffix, as Pillow calls it; raises PictureError for an unknown one."""
    kind = SAVED_AS.get(Path(path).suffix.lower())
    if kind is None:
        raise PictureError(f"{Path(path).suffix or 'no suffix'}: save as .png, .jpg or .webp", str(path))
    return kind


def encode_picture(
    image: Image.Image,
    kind: str,
    recipe: Mapping[str, Any] | None = None,
    xmp: bytes | None = None,
    *,
    quality: int = 95,
    name: str | None = None,
) -> bytes:
    """The bytes of a file of format `kind`, with a recipe and an XMP packet inside where they are given.

    PNG carries the text chunks `parameters` (as the web UIs write them) and `huabi` (all of the recipe as JSON); JPEG
    and WebP carry the JSON as EXIF UserComment. Raises PictureError where the format has no place for them.
    """
    if recipe is not None and kind not in ("PNG", "JPEG", "WEBP"):
        raise PictureError(f"{kind} has no place for the recipe: save as .png, or without a recipe", name)
    options: dict[str, Any] = {"quality": quality} if kind in ("JPEG", "WEBP") else {}
    if kind == "JPEG":
        options["subsampling"] = 0
    if kind == "PNG":
        options = {"pnginfo": text_chunks(recipe, xmp, image.size)}
    elif xmp is not None:
        if kind not in ("JPEG", "WEBP", "AVIF"):
            raise PictureError(f"{kind} has no place for the AI-content label: save as .png, .jpg or .webp", name)
        options = options | {"xmp": xmp}
    if recipe is not None and kind != "PNG":
        exif = Image.Exif()
        exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment] = _COMMENT + json.dumps(recipe).encode("ascii")
        if kind == "JPEG" and len(exif.tobytes()) > LONGEST_EXIF:
            raise PictureError("the recipe holds pictures and is too long for JPEG: save as .png", name)
        options = options | {"exif": exif}
    if kind in ("JPEG", "BMP") or image.mode not in ("1", "L", "P", "RGB", "RGBA"):
        image = image if image.mode == "L" else flatten(image, 3)
    data = io.BytesIO()
    try:
        image.save(data, kind, **options)
    except (OSError, ValueError) as error:
        raise PictureError(f"cannot be written ({error})", name) from None
    return data.getvalue()


def write_picture(data: bytes, path: str | Path) -> None:
    """Puts a picture's file at `path`, whole or not at all; raises PictureError where it cannot be written."""
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, data)
    except OSError as error:
        raise WriteError(f"cannot be written ({(error.strerror or str(error)).lower()})", str(path)) from None


def mask_image(mask: Picture, image: Picture) -> Image.Image:
    """A mask of `image` in grey; raises `RequestError` where their sizes differ."""
    seen, known = mask.mask(), image.size()[::-1]
    if seen.size != known:
        sizes = [f"{one[0]}x{one[1]}" for one in (seen.size, known)]
        raise RequestError(f"the mask has {sizes[0]} pixels, the picture {sizes[1]}; make the mask as large")
    return seen


def check_mask(mask: Picture, image: Picture, expanded: bool = False) -> list[str]:
    """What to tell people of a mask, white where `image` is drawn anew.

    Raises `RequestError` where their sizes differ, or where it is black and nothing is added around the picture.
    """
    levels = mask_image(mask, image).histogram()
    if not any(levels[128:]) and not expanded:
        raise RequestError("the mask is all black, so nothing would change; paint white what shall be drawn anew")
    return ["the mask is all white, so the whole picture is drawn anew"] if not any(levels[:128]) else []


def text_chunks(recipe: Mapping[str, Any] | None, xmp: bytes | None, size: tuple[int, int]) -> PngInfo:
    """PNG's text chunks: of the recipe `parameters` and `huabi`, and the XMP packet."""
    chunks = PngInfo()
    if recipe is not None:
        chunks.add_text("parameters", parameters(recipe, size).replace("\0", " "))  # iTXt where it is not Latin-1
        chunks.add_itxt("huabi", json.dumps(recipe, ensure_ascii=False).encode("utf-8", "replace").decode("utf-8"))
    if xmp is not None:
        chunks.add_itxt(_XMP, xmp.decode("utf-8"))
    return chunks


def parameters(recipe: Mapping[str, Any], size: tuple[int, int]) -> str:
    """The recipe as the web UIs write it: the prompt or label, then `Steps: 18, Sampler: heun, ...`.

    Looks for each entry in the recipe itself, then in its "request" and its "model"; leaves out what is not there.
    """
    request = recipe.get("request") if isinstance(recipe.get("request"), Mapping) else {}
    model = recipe.get("model") if isinstance(recipe.get("model"), Mapping) else {"name": recipe.get("model")}

    def find(*names: str, within: Iterable[Mapping[str, Any]] = (recipe, request or {})) -> Any:
        found = (part[n] for n in names for part in within if part.get(n) is not None and n in part)
        return next((value for value in found if not isinstance(value, Mapping)), None)

    named = (model or {},)
    entries = {
        "Steps": find("steps"),
        "Sampler": find("solver", "sampler"),
        "CFG scale": find("guidance"),
        "Seed": find("seed"),
        "Size": f"{size[0]}x{size[1]}",
        "Denoising strength": find("strength"),
        "Model hash": find("hash", "sha256", within=named) or find("model_hash"),
        "Model": find("family", "name", within=named) or find("family"),
        "Version": f"huabi {find('version', 'huabi')}" if find("version", "huabi") else None,
    }
    lines = [str(find("prompt", "label") or "")]
    if find("negative"):
        lines.append(f"Negative prompt: {find('negative')}")
    lines.append(", ".join(f"{name}: {value}" for name, value in entries.items() if value is not None))
    return "\n".join(lines)


def read_recipe(source: str | Path | bytes) -> dict[str, Any] | None:
    """The recipe inside a picture, or None where there is none; an unreadable picture raises `PictureError`."""
    with opened(source, MAX_PIXELS, None if isinstance(source, bytes) else str(source)) as image:
        text: Any = _chunk(image, "huabi")
        if text is None:
            with contextlib.suppress(Exception):  # a foreign file's broken EXIF is no recipe
                comment = image.getexif().get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.UserComment, b"")
                text = comment.removeprefix(_COMMENT) if comment.startswith(_COMMENT) else None
    try:
        recipe = json.loads(text) if text else None
    except (ValueError, RecursionError):
        return None
    return recipe if isinstance(recipe, dict) else None


def read_xmp(source: str | Path | bytes) -> str | None:
    """The XMP packet inside a picture, or None where there is none; an unreadable picture raises `PictureError`."""
    with opened(source, MAX_PIXELS, None if isinstance(source, bytes) else str(source)) as image:
        packet: str | bytes | None = _chunk(image, _XMP) or image.info.get("xmp")
    return packet.decode("utf-8", "replace") if isinstance(packet, bytes) else packet


def _chunk(image: Image.Image, name: str) -> str | None:
    """A text chunk of a PNG; other programs write them after the pixels, so it reads to the end where it must."""
    text: str | None = image.info.get(name)
    return image.text.get(name) if text is None and isinstance(image, PngImageFile) else text
