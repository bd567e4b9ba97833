"""Finished pictures as files that say where they come from: marks in the pixels, recipe and label, signature last."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from .. import __version__
from ..pictures import (
    LONGEST_EXIF,
    Picture,
    PictureError,
    encode_picture,
    flatten,
    format_of,
    read_recipe,
    read_xmp,
    write_picture,
)
from . import label, signature, visible, watermark
from .filters import guard
from .settings import Settings

if TYPE_CHECKING:
    from ..requests import Request

__all__ = [
    "check_place",
    "check_recipe",
    "check_settings",
    "identity",
    "marked",
    "pixels",
    "preview",
    "publish",
    "published",
    "recast",
    "sealed",
]

LABELLED = ("PNG", "JPEG", "WEBP", "AVIF")  # formats that hold the label
SLACK = 4096  # bytes of a recipe beside its request, at most
GIVING_BACK = ("restore", "enhance")  # tasks whose pictures are the user's own, and get no watermark
WATERMARKED = 128  # pixels of the short side, below which a watermark would be seen, or lost
_ADDED = ("marks", "saved")  # to a recipe when its picture is published


def publish(image: Image.Image, path: str | Path, recipe: Mapping[str, Any], with_recipe: bool = True) -> None:
    """Writes `published` to `path`, whole or not at all; raises `HuabiError` where that cannot be."""
    write_picture(published(image, format_of(path), recipe, with_recipe, name=str(path)), path)


def published(
    image: Image.Image,
    kind: str,
    recipe: Mapping[str, Any],
    with_recipe: bool = True,
    *,
    settings: Settings | None = None,
    name: str | None = None,
) -> bytes:
    """The file of a picture that a model drew, with all that the settings ask for.

    Args:
        kind: PNG, JPEG, ...; see `huabi.pictures.format_of`.
        recipe: as `huabi.drawing.draw` gives it. One that was read from a file says which marks its picture has, and
            gets the same ones again, whatever the settings are.
        with_recipe: whether the file holds the recipe. The label does not hang on it.
        settings: the user's by default.
        name: of the file, for messages.

    Raises `PictureError` where the format has no place for recipe or label, `RequestError` where settings are wrong.
    """
    settings = settings or Settings.load()
    recipe = dict(recipe)
    if recipe.get("marks") is None:
        recipe["marks"] = _marks(image, recipe, settings, kind)
    image = marked(image, recipe)
    encode = partial(encode_picture, image, kind, name=name)
    return sealed(_shown(image, kind), encode, kind, recipe, with_recipe, settings)


def recast(data: bytes, kind: str, *, opaque: bool = False, quality: int = 95) -> bytes:
    """A published picture as a file of another format: the marks in its pixels stay, label and signature are its own.

    One without a recipe, as previews are, keeps its label alone.

    Args:
        opaque: on white, where it has transparency.
    """
    with Image.open(io.BytesIO(data)) as image:
        image.load()
    image.info.clear()
    whole = flatten(image) if opaque else image
    recipe = read_recipe(data)
    if recipe is None:
        xmp = read_xmp(data)
        return encode_picture(whole, kind, xmp=xmp.encode() if xmp else None, quality=quality)
    encode = partial(encode_picture, whole, kind, quality=quality)
    return sealed(_shown(whole, kind, quality), encode, kind, recipe, True, Settings.load())


def preview(image: Image.Image, task: str, trained: bool) -> bytes:
    """The PNG of a picture in the making, with its labels alone; raises `RefusedError` where a filter withholds it.

    Args:
        trained: whether a trained model draws it.
    """
    settings = Settings.load()
    guard().picture(image)
    recipe = {"task": task, "model": trained, "pixels": pixels(image)}
    unfinished = settings.model_copy(update={"watermark": False})
    image = marked(image, recipe | {"marks": _marks(image, recipe, unfinished, "PNG")})
    return encode_picture(image, "PNG", xmp=_packet(recipe, pixels(image), settings))


def sealed(
    shown: Image.Image,
    encode: Callable[[dict[str, Any] | None, bytes | None], bytes],
    kind: str,
    recipe: Mapping[str, Any],
    with_recipe: bool,
    settings: Settings,
) -> bytes:
    """A picture's file with recipe, label and signature.

    Args:
        shown: what the file shows, as Pillow reads it.
        encode: makes it of a recipe and an XMP packet, or of None.
    """
    recipe = {**recipe, "saved": pixels(shown)}
    data = encode(recipe if with_recipe else None, _packet(recipe, recipe["saved"], settings))
    if settings.certificate and settings.key:
        source = label.source_type(recipe)
        data = signature.signed(data, kind, source, __version__, settings.certificate, settings.key)
    return data


def _packet(recipe: Mapping[str, Any], saved: str, settings: Settings) -> bytes | None:
    china = label.aigc(settings.aigc, identity(recipe).hex(), saved) if settings.aigc else None
    source = label.source_type(recipe) if settings.label else None
    return label.packet(source, china) if source or china else None


def check_settings() -> Settings:
    """The user's settings; raises `RequestError` where they, their filters or their certificate cannot be used."""
    settings = Settings.load()
    guard()
    if settings.certificate and settings.key:
        signature.check(settings.certificate, settings.key)
    return settings


def check_place(path: str | Path) -> None:
    """Raises `HuabiError` where no published picture can be saved as `path`, before one is drawn for it."""
    if check_settings().label and format_of(path) not in LABELLED:
        suffix = Path(path).suffix
        raise PictureError(f"{suffix} has no place for the AI-content label: save as .png, .jpg or .webp", str(path))


def check_recipe(path: str | Path, request: Request) -> None:
    """Raises `PictureError` where the file's format has no room for what a recipe holds of this request."""
    held = len(request.model_dump_json(exclude=set(request.by_hash)))
    if format_of(path) == "JPEG" and held > LONGEST_EXIF - SLACK:
        raise PictureError("the recipe holds the mask, and is too long for JPEG: save as .png", str(path))


def identity(recipe: Mapping[str, Any]) -> bytes:
    """The 32 bytes that a recipe is known by; what was added when its picture was published does not count."""
    bare = {name: value for name, value in recipe.items() if name not in _ADDED}
    return hashlib.sha256(json.dumps(bare, sort_keys=True, separators=(",", ":")).encode("ascii")).digest()


def marked(image: Image.Image, recipe: Mapping[str, Any]) -> Image.Image:
    """The picture as it was drawn, with the marks in its pixels that the recipe names."""
    marks = recipe.get("marks") or {}
    if "visible" in marks:
        image = visible.write(image, marks["visible"])
    if "watermark" not in marks:
        return image
    laid = watermark.lay(image, identity(recipe)[:4])
    return Image.composite(laid, image, _drawn(recipe, image.size)) if marks.get("within") == "mask" else laid


def _drawn(recipe: Mapping[str, Any], size: tuple[int, int]) -> Image.Image:
    """Where a picture was drawn anew, by its request's mask and what it was expanded by: white there, else black."""
    request = recipe["request"]
    left, top, right, bottom = request.get("expand") or (0, 0, 0, 0)
    drawn = Image.new("L", size, 255)
    if request.get("mask"):
        mask = Picture.of(base64.b64decode(request["mask"])).mask()
        drawn.paste(mask.point(lambda level: 255 if level > 127 else 0), (left, top))
    else:
        drawn.paste(0, (left, top, size[0] - right, size[1] - bottom))
    return drawn


def pixels(image: Image.Image) -> str:
    """The SHA-256 of a picture's mode and pixels."""
    return hashlib.sha256(image.mode.encode() + image.tobytes()).hexdigest()


def _marks(image: Image.Image, recipe: Mapping[str, Any], settings: Settings, kind: str) -> dict[str, Any]:
    """Which marks the picture of a recipe gets: those that are asked for, and that it has room for."""
    marks: dict[str, Any] = {}
    if settings.visible != "off" and min(image.size) >= visible.LEAST:
        marks["visible"] = visible.language() if settings.visible == "auto" else settings.visible
    request = recipe.get("request", {})
    masked = bool(request.get("mask") or any(request.get("expand") or ()))
    gives_back = recipe.get("task") in GIVING_BACK and not masked
    if settings.watermark and min(image.size) >= WATERMARKED and not gives_back:
        tried = marks | {"watermark": watermark.VERSION} | ({"within": "mask"} if masked else {})
        shown = _shown(marked(image, {**recipe, "marks": tried}), kind)
        if watermark.found(shown, identity(recipe)[:4]):  # pictures that are all white, or very busy, keep none
            marks = tried
    return marks


def _shown(image: Image.Image, kind: str, quality: int = 95) -> Image.Image:
    """What a file of the picture shows: the picture, but for what the format loses."""
    if kind == "PNG":
        return image
    with Image.open(io.BytesIO(encode_picture(image, kind, quality=quality))) as shown:
        shown.load()
        return shown
