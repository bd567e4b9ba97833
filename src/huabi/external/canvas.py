"""Pictures on their way into a pipeline and out of it: sizes that it can draw, and masks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import RequestError
from ..model import DataSpec
from ..pictures import fit_picture, to_image, to_tensor
from ..requests import Edit, Imagine, Vary

ROOM = 2  # larger pictures than this multiple of a model's own area are drawn smaller


@dataclass(frozen=True)
class Canvas:
    """What is drawn for one request: `size` asked for, inside of `work` drawn, which the pipeline's steps divide.

    Attributes:
        size: rows and columns of the answer.
        scaled: rows and columns that it is drawn at; less than `size` where that is too large for the model.
        work: `scaled`, each side rounded up to what the pipeline can draw.
        image: (3, *size) in [-1, 1], where there is a picture to start from.
        mask: (1, *size) in [0, 1], 1 where it is drawn anew.
    """

    size: tuple[int, int]
    scaled: tuple[int, int]
    work: tuple[int, int]
    image: Tensor | None = None
    mask: Tensor | None = None

    @classmethod
    def of(cls, request: Imagine | Edit | Vary, spec: DataSpec, step: int) -> Canvas:
        """The canvas of `request` for a model whose own size `spec` says, in multiples of `step` pixels."""
        image = mask = None
        if request.image is not None:
            image = to_tensor(_fitted(request))  # (3, H, W)
        if isinstance(request, Edit) and image is not None:
            image, mask = _widened(request, image)
        asked = getattr(request, "size", None) or (spec.size if image is None else tuple(image.shape[-2:]))
        size = (int(asked[0]), int(asked[1]))
        most = ROOM * math.prod(spec.size)
        scale = 1.0 if image is None else min(1.0, math.sqrt(most / math.prod(size)))
        scaled = (max(1, round(size[0] * scale)), max(1, round(size[1] * scale)))
        work = (-(-scaled[0] // step) * step, -(-scaled[1] // step) * step)
        return cls(size, scaled, work, image, mask)

    def inputs(self) -> dict[str, Any]:
        """The picture and the mask at `work`'s size, as a pipeline takes them."""
        given: dict[str, Any] = {}
        if self.image is not None:
            given["image"] = to_image(self._laid(self.image))
        if self.mask is not None:
            given["mask_image"] = to_image(self._laid(self.mask) * 2 - 1)
        return given

    def _laid(self, x: Tensor) -> Tensor:
        x = _resized(x, self.scaled)
        rows, columns = (work - scaled for work, scaled in zip(self.work, self.scaled))
        return F.pad(x[None], (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2), mode="replicate")[0]

    def finished(self, drawn: Tensor) -> Tensor:
        """The answer (3, *size) for a picture (3, *work) in [-1, 1]: where the mask is black, the picture given."""
        top, left = ((work - scaled) // 2 for work, scaled in zip(self.work, self.scaled))
        cut = drawn[:, top : top + self.scaled[0], left : left + self.scaled[1]]
        answer = _resized(cut, self.size).clamp(-1, 1)
        return answer if self.mask is None or self.image is None else self.image.lerp(answer, self.mask)


def _fitted(request: Any) -> Any:
    picture = request.image.image(3)
    size = getattr(request, "size", None)
    return picture if size is None else fit_picture(picture, size, "crop")


def _widened(request: Edit, image: Tensor) -> tuple[Tensor, Tensor]:
    """The picture with its edges drawn out on every side, and what is to be drawn of it (1, H, W)."""
    mask = torch.full_like(image[:1], 1.0 if request.mask is None and not any(request.expand) else 0.0)
    if request.mask is not None:
        mask = (to_tensor(request.mask.mask()) + 1) / 2
        if mask.shape[-2:] != image.shape[-2:]:
            sizes = (f"{x.shape[-1]}x{x.shape[-2]}" for x in (mask, image))
            raise RequestError("the mask is {} and the picture {} pixels; give both in one size".format(*sizes))
    if any(request.expand):
        left, top, right, bottom = request.expand
        around = (left, right, top, bottom)
        image = F.pad(image[None], around, mode="replicate")[0]
        mask = F.pad(mask, around, value=1.0)
    return image, mask


def _resized(x: Tensor, size: tuple[int, int]) -> Tensor:
    if tuple(x.shape[-2:]) == size:
        return x
    return F.interpolate(x[None], size, mode="bicubic", antialias=True).clamp(-1, 1)[0]
