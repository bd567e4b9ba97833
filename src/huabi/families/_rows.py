"""What families read from requests: labels, latent noise, walks between two pictures, and what they do not answer.

Row i of everything here depends on `requests[i]` alone, so a picture is the same alone and in a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import RequestError
from ..model import DataSpec
from ..rng import generator, row_noise

if TYPE_CHECKING:
    from ..pictures import Picture

__all__ = ["label_mix_of", "labels_of", "latents_of", "pixels_of", "refuse", "slerp", "truncation_of"]


def refuse(request: Any, *fields: str, why: str) -> None:
    """Raise `RequestError` where one of `fields` of `request` is set: `why`, and the remedy."""
    for field in fields:
        if getattr(request, field) is not None:
            raise RequestError(f"{why}; leave {field.replace('_', ' ')!r} out")


def draw_label(seed: int, spec: DataSpec) -> int:
    """A label's number, drawn from `spec.weights` (all alike where there are none) by `seed`."""
    share = torch.tensor(spec.weights or [1.0] * len(spec.labels), dtype=torch.float64).cumsum(0)
    u = torch.rand((), generator=generator("label", seed), dtype=torch.float64) * share[-1]
    return min(int((share <= u).sum()), len(spec.labels) - 1)


def labels_of(requests: Sequence[Any], spec: DataSpec, device: torch.device | str = "cpu") -> Tensor | None:
    """The labels' numbers (B,) int64, or None where the data has no labels.

    A request without a label draws one by its own seed; a walk keeps that one from end to end (see `label_mix_of`).
    A label that the data does not know raises `RequestError`.
    """
    asked = [spec.label_index(request.label) for request in requests]
    if not spec.labels:
        return None
    drawn = [draw_label(request.seed, spec) if i < 0 else i for i, request in zip(asked, requests, strict=True)]
    return torch.tensor(drawn, device=device)  # (B,)


def label_mix_of(
    requests: Sequence[Any],
    spec: DataSpec,
    device: torch.device | str = "cpu",
    read: Callable[[Picture], int] | None = None,
) -> Tensor | None:
    """The share of each label in a row (B, labels), or None where the data has no labels.

    As `labels_of`, but a walk without a label fades from the label of its first end to that of its second, so that
    its ends are the pictures that their seeds alone would give. `read` names the label of an end that is a picture.
    """
    labels = labels_of(requests, spec, device)
    if labels is None:
        return None
    mix = F.one_hot(labels, len(spec.labels)).float()  # (B, labels)
    for row, request in enumerate(requests):
        if request.between is not None and request.label is None:
            a, b = (_end_label(anchor, request, spec, read) for anchor in request.between)
            mix[row] = 0
            mix[row, a] += 1 - request.fraction
            mix[row, b] += request.fraction
    return mix


def _end_label(anchor: int | Picture, request: Any, spec: DataSpec, read: Callable[[Picture], int] | None) -> int:
    if isinstance(anchor, int):
        return draw_label(anchor, spec)
    return draw_label(request.seed, spec) if read is None else read(anchor)


def latents_of(
    requests: Sequence[Any], shape: Sequence[int], encode: Callable[[Picture], Tensor] | None = None
) -> Tensor:
    """Normal noise (B, *shape) on the CPU by each request's seed; a walk is a slerp between its ends at `fraction`.

    `encode` maps a picture to its latent of `shape`; without it a walk between pictures raises `RequestError`.
    """
    rows = []
    for request in requests:
        if request.between is None:
            rows.append(_latent(request.seed, shape, encode))
        else:
            a, b = (_latent(anchor, shape, encode) for anchor in request.between)
            rows.append(slerp(a, b, request.fraction))
    return torch.stack(rows)  # (B, *shape)


def _latent(anchor: int | Picture, shape: Sequence[int], encode: Callable[[Picture], Tensor] | None) -> Tensor:
    if isinstance(anchor, int):
        return row_noise([anchor], shape)[0]
    if encode is None:
        raise RequestError("this model cannot find the latent of a picture; walk between two seeds instead")
    return encode(anchor).float().cpu().reshape(tuple(shape))


def truncation_of(requests: Sequence[Any], default: float = 1.0) -> Tensor:
    """How much of each row's noise is kept (B, 1): less variety, and fewer slips (Brock et al. 2019, section 3.1)."""
    return torch.tensor([[default if r.truncation is None else r.truncation] for r in requests])


def slerp(a: Tensor, b: Tensor, fraction: float) -> Tensor:
    """The point at `fraction` of the arc from a to b, of one shape; a straight line where they are nearly parallel.

    Normal noise lies near a sphere; a straight line would leave it and give washed-out pictures (White 2016).
    """
    cosine = torch.cosine_similarity(a.flatten().double(), b.flatten().double(), dim=0).clamp(-1, 1)
    angle = cosine.acos()
    if angle.sin() < 1e-4:
        return a.lerp(b, fraction)
    left, right = ((1 - fraction) * angle).sin() / angle.sin(), (fraction * angle).sin() / angle.sin()
    return a * left.float() + b * right.float()


def pixels_of(picture: Picture, spec: DataSpec) -> Tensor:
    """A picture as the data's pictures are, cropped to their shape: (C, H, W) in [-1, 1]."""
    from ..pictures import fit_picture, to_tensor  # here, since it brings Pillow

    return to_tensor(fit_picture(picture.image(spec.channels), spec.size, "crop"))
