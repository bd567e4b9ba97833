"""The visible label: words in the lower right corner, at least 5 % of the short side high (GB 45438-2025)."""

from __future__ import annotations

import locale
import math

from PIL import Image, ImageDraw, ImageFont

__all__ = ["LEAST", "language", "write"]

LEAST = 48  # pixels of the short side, below which no words can be read
SHARE = 0.05  # of the short side
LEGIBLE = 9  # pixels, where there is room for them
_FINE = 4  # drawn so many times larger, then reduced
# Pillow's own font has no Chinese, so these four are drawn here: lines in a square that is one high, and their advance
_LINES = {
    "A": (0.95, (((0.02, 0.97), (0.4, 0.03), (0.78, 0.97)), ((0.17, 0.64), (0.63, 0.64)))),
    "I": (0.4, (((0.12, 0.03), (0.12, 0.97)),)),
    "生": (
        1.12,
        (
            ((0.27, 0.05), (0.2, 0.25), (0.07, 0.43)),
            ((0.2, 0.27), (0.92, 0.27)),
            ((0.18, 0.58), (0.88, 0.58)),
            ((0.03, 0.94), (0.97, 0.94)),
            ((0.53, 0.03), (0.53, 0.94)),
        ),
    ),
    "成": (
        1.0,
        (
            ((0.13, 0.25), (0.96, 0.25)),
            ((0.15, 0.25), (0.14, 0.62), (0.03, 0.96)),
            ((0.15, 0.5), (0.43, 0.5), (0.41, 0.83), (0.29, 0.78)),
            ((0.56, 0.03), (0.61, 0.42), (0.73, 0.75), (0.92, 0.96), (0.97, 0.74)),
            ((0.84, 0.42), (0.7, 0.7), (0.44, 0.94)),
            ((0.72, 0.04), (0.85, 0.15)),
        ),
    ),
}
_WORDS = {"en": "AI-generated", "zh": "AI生成"}


def language() -> str:
    """The user's language where the label knows it, else English."""
    return "zh" if (locale.getlocale()[0] or "").lower().startswith(("zh", "chinese")) else "en"


def write(picture: Image.Image, tongue: str) -> Image.Image:
    """The picture, L, RGB or RGBA and at least 48 x 48, with the label in `tongue`, en or zh, over its corner."""
    least = math.ceil(SHARE * min(picture.size))
    room = 0.9 * picture.width / (3.5 if tongue == "zh" else 9)
    height = max(least, min(LEGIBLE, int(room)))
    words = _drawn(height) if tongue == "zh" else _set(_WORDS[tongue], height)
    margin = max(1, height // 3)
    plate = Image.new("L", (words.width + 2 * margin, words.height + 2 * margin), 0)
    plate.paste(words.point(lambda ink: round(ink * 0.92)), (margin, margin))
    out = picture.copy()
    corner = (picture.width - plate.width, picture.height - plate.height)
    dark, light = (Image.new("RGB", plate.size, name).convert(picture.mode) for name in ("black", "white"))
    out.paste(dark, corner, Image.new("L", plate.size, 150))
    out.paste(light, corner, plate)
    return out


def _set(words: str, height: int) -> Image.Image:
    """Latin words as a mask, their capitals `height` pixels high."""
    size = next(size for size in range(height, 4 * height) if _capital(size) >= height)
    font = ImageFont.load_default(size)
    left, top, right, bottom = font.getbbox(words)
    mask = Image.new("L", (math.ceil(right - left), math.ceil(bottom - top)))
    ImageDraw.Draw(mask).text((-left, -top), words, 255, font)
    return mask


def _capital(size: int) -> float:
    _, top, _, bottom = ImageFont.load_default(size).getbbox("A")
    return bottom - top


def _drawn(height: int) -> Image.Image:
    """The Chinese label as a mask, `height` pixels high."""
    high = height * _FINE
    glyphs = [_LINES[letter] for letter in _WORDS["zh"]]
    mask = Image.new("L", (math.ceil(sum(advance for advance, _ in glyphs) * height) * _FINE, high))
    draw = ImageDraw.Draw(mask)
    left = 0.0
    for advance, lines in glyphs:
        for line in lines:
            draw.line([((left + x) * high, y * high) for x, y in line], 255, max(1, round(0.1 * high)), "curve")
        left += advance
    return mask.resize((mask.width // _FINE, height), Image.Resampling.BOX)
