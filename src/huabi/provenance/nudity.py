"""The filter that sees nudity in pictures, offline: NudeNet's detector, whose weights lie in its package.

It was trained on photographs of people, and is less sure of paintings. It says nothing of other harm.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from ..errors import RequestError

__all__ = ["Nudity"]

SURE = 0.4  # score from which on a detection counts; the detector's own ends at 0.2
EXPOSED = {
    "FEMALE_GENITALIA_EXPOSED",
    "MALE_GENITALIA_EXPOSED",
    "FEMALE_BREAST_EXPOSED",
    "ANUS_EXPOSED",
    "BUTTOCKS_EXPOSED",
}


class Nudity:
    """Withholds pictures in which a body is seen bare; raises `RequestError` where its extra is not installed."""

    def __init__(self) -> None:
        try:
            from nudenet import NudeDetector
        except ImportError:
            raise RequestError("the filter 'nudity' needs its extra: pip install 'huabi[filter]'") from None
        self._detector = NudeDetector()

    def prompt(self, text: str) -> str | None:
        return None

    def picture(self, image: Image.Image) -> str | None:
        seen = {found["class"] for found in self.seen(image) if found["score"] >= SURE}
        return "nudity was seen in it" if seen & EXPOSED else None

    def seen(self, image: Image.Image) -> list[dict[str, Any]]:
        """What is detected: `class`, `score` from 0 to 1, and `box` (left, top, width, height)."""
        pixels = np.asarray(image.convert("RGB"))[..., ::-1]  # as OpenCV reads files
        found: list[dict[str, Any]] = self._detector.detect(np.ascontiguousarray(pixels))
        return found
