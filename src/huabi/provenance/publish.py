"""Finished pictures as files that say where they come from: marks in the pixels, recipe and label, signature last."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from .. import __version__
from ..pictures import PictureError, encode_picture, format_of, write_picture
from . import label, signature, visible, watermark
from .settings import Settings

__all__ = ["check_place", "identity", "marked", "pixels", "publish", "published"]

LABELLED = ("PNG", "JPEG", "WEBP", "AVIF")  # formats that hold the label
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
    recipe["saved"] = pixels(_shown(image, kind))
    kind_of_source = label.source_type(recipe)
    china = label.aigc(settings.aigc, identity(recipe).hex(), recipe["saved"]) if settings.aigc else None
    xmp = label.packet(kind_of_source if settings.label else None, china) if settings.label or china else None
    data = encode_picture(image, kind, recipe if with_recipe else None, xmp, name=name)
    if settings.certificate and settings.key:
        data = signature.signed(data, kind, kind_of_source, __version__, settings.certificate, settings.key)
    return data


def check_place(path: str | Path) -> None:
    """Raises `HuabiError` where no published picture can be saved as `path`, before one is drawn for it."""
    settings = Settings.load()
    if settings.label and format_of(path) not in LABELLED:
        suffix = Path(path).suffix
        raise PictureError(f"{suffix} has no place for the AI-content label: save as .png, .jpg or .webp", str(path))
    if settings.certificate and settings.key:
        signature.check(settings.certificate, settings.key)


def identity(recipe: Mapping[str, Any]) -> bytes:
    """The 32 bytes that a recipe is known by; what was added when its picture was published does not count."""
    bare = {name: value for name, value in recipe.items() if name not in _ADDED}
    return hashlib.sha256(json.dumps(bare, sort_keys=True, separators=(",", ":")).encode("ascii")).digest()


def marked(image: Image.Image, recipe: Mapping[str, Any]) -> Image.Image:
    """The picture as it was drawn, with the marks in its pixels that the recipe names."""
    marks = recipe.get("marks") or {}
    if "visible" in marks:
        image = visible.write(image, marks["visible"])
    return watermark.lay(image, identity(recipe)[:4]) if "watermark" in marks else image


def pixels(image: Image.Image) -> str:
    """The SHA-256 of a picture's mode and pixels."""
    return hashlib.sha256(image.mode.encode() + image.tobytes()).hexdigest()


def _marks(image: Image.Image, recipe: Mapping[str, Any], settings: Settings, kind: str) -> dict[str, Any]:
    """Which marks the picture of a recipe gets: those that are asked for, and that it has room for."""
    marks: dict[str, Any] = {}
    if settings.visible != "off" and min(image.size) >= visible.LEAST:
        marks["visible"] = visible.language() if settings.visible == "auto" else settings.visible
    if settings.watermark and min(image.size) >= WATERMARKED:
        tried = marks | {"watermark": watermark.VERSION}
        shown = _shown(marked(image, {**recipe, "marks": tried}), kind)
        if watermark.found(shown, identity(recipe)[:4]):  # pictures that are all white, or very busy, keep none
            marks = tried
    return marks


def _shown(image: Image.Image, kind: str) -> Image.Image:
    """What a file of the picture shows: the picture, but for what the format loses."""
    if kind == "PNG":
        return image
    with Image.open(io.BytesIO(encode_picture(image, kind))) as shown:
        shown.load()
        return shown
