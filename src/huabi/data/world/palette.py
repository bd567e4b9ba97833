"""The eleven basic colours (Berlin and Kay 1969) as paints: a body tone and its shades."""

from __future__ import annotations

from .dice import Dice
from .shapes import RGB, Shades, mixed

COLOURS: dict[str, RGB] = {
    "red": (205, 52, 48),
    "orange": (240, 138, 42),
    "yellow": (248, 208, 62),
    "green": (84, 156, 84),
    "blue": (62, 116, 196),
    "purple": (130, 84, 168),
    "pink": (243, 158, 182),
    "brown": (134, 88, 56),
    "black": (52, 48, 56),
    "white": (250, 247, 240),
    "grey": (150, 150, 154),
}
_SHADOW: RGB = (46, 40, 74)  # shadows lean to blue, lights to yellow
_GLOW: RGB = (255, 244, 214)


def shades(colour: str, dice: Dice) -> Shades:
    """The tones of a basic colour, each time a little different, never another colour."""
    body = mixed(COLOURS[colour], _GLOW if dice.chance(0.5) else _SHADOW, dice.uniform(0, 0.06))
    if colour == "white":
        return Shades(body, mixed(body, _SHADOW, 0.16), (255, 255, 252), mixed(body, _SHADOW, 0.62))
    if colour == "black":
        return Shades(body, mixed(body, (0, 0, 0), 0.4), mixed(body, (255, 255, 255), 0.14), (16, 14, 20))
    return Shades(body, mixed(body, _SHADOW, 0.28), mixed(body, _GLOW, 0.3), mixed(body, _SHADOW, 0.62))
