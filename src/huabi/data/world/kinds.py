"""All kinds of object of the world, by name: the only table of them."""

from __future__ import annotations

from .heavens import HEAVENS
from .living import LIVING
from .made import MADE
from .shapes import Kind

KINDS: dict[str, Kind] = dict(sorted((HEAVENS | LIVING | MADE).items()))
