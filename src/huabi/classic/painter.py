"""The brushes as a Model: it answers `Paint`, and its estimates are the canvas as it grows."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from ..model import DataSpec, Identity, Model
from ..pictures import to_tensor
from ..requests import Paint
from .brush import LONGEST, fitted, paint, strokes, to_svg


class Painter(Model):
    """Paints pictures by strokes; it is not trained and needs no run.

    Args:
        frames: estimates of each picture; the last is the result.
        watch: called with every frame of every picture.
    """

    requests = (Paint,)
    spec = DataSpec((LONGEST, LONGEST))  # at most: a painting has the size of its picture
    # one by one: a painting is the same alone and among others, and pictures differ in size
    identity = Identity(family="brush", rows=1)

    def __init__(self, frames: int = 1, watch: Callable[[Image.Image], object] | None = None) -> None:
        self.frames = frames
        self.watch = watch

    def sample(self, requests: Sequence[Paint]) -> Iterator[Tensor]:
        """Canvases (B, 3, H, W) in [-1, 1]; all pictures must be of one size, as `batch_key` sees to."""
        paintings = [
            paint(r.image.image(), r.brush, detail=r.detail, limit=r.strokes, seed=r.seed, frames=self.frames)
            for r in requests
        ]
        for canvases in zip(*paintings):
            if self.watch is not None:
                for canvas in canvases:
                    self.watch(canvas)
            yield torch.stack([to_tensor(canvas) for canvas in canvases])

    def batch_key(self, request: Any) -> Hashable:
        return fitted(request.image.image()).size

    def svg(self, request: Paint) -> str:
        """The strokes of the painting as SVG."""
        picture = fitted(request.image.image())
        found = strokes(picture, request.brush, detail=request.detail, limit=request.strokes, seed=request.seed)
        return to_svg(found, picture.size, request.brush)
