"""Differentiable augmentation of what a critic sees, real pictures and drawn ones alike, so that few pictures suffice.

A critic that sees the same few pictures again and again learns them by heart and then has nothing left to teach. One
that sees them turned, moved and recoloured cannot. The generator still learns to draw them as they are, since
gradients flow through the augmentation, and since no augmentation is certain: with probability 1 - p a picture is
left alone. What an augmentation makes of a distribution of pictures can then be undone, so that the distributions
agree before it where they agree after it (Karras et al. 2020, appendix C). With p = 1 they need not: where all turns
are alike, pictures on their heads fit as well. Towards 1 the undoing asks for ever more precision, and what is rare
after the augmentation begins to leak into the drawn pictures; p therefore stays at 0.8 and below.

Pictures are resampled once, bilinearly, whatever moves them; whole pixels, mirror images and quarter turns stay as
sharp as they are. Nothing else is done against aliasing: of the pictures that are scaled and stretched three in four
shrink by less than a fifth.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["ADA", "Augment", "Auto", "DiffAugment", "Off", "ada", "diffaugment"]

MEMORY = 1 / 16  # of one step in the running mean of r


class Draws(Protocol):
    """A source of randomness with a row of draws for each picture, as `huabi.rng.BatchRng` is."""

    def uniform(self, *shape: int) -> Tensor: ...

    def normal(self, *shape: int) -> Tensor: ...


@dataclass(frozen=True)
class ADA:
    """Every operation with a probability that follows how sure the critic is (Karras et al. 2020)."""

    kind: ClassVar[str] = "ada"
    target: float = 0.6  # how sure the critic may be: 0 cannot tell real from drawn, 1 always can
    limit: float = 0.8  # the highest probability; from there on pictures on their heads begin to be drawn
    ramp: float = 0.2  # share of the run in which the probability can rise from 0 to 1
    patience: float = 20.0  # times that each picture has been seen before the probability leaves 0

    def __post_init__(self) -> None:
        if not 0 < self.target < 1:
            raise ValueError("target lies between 0 and 1")
        if not 0 <= self.limit < 1:
            raise ValueError("limit is at least 0 and below 1: augmentation that is certain shows in drawn pictures")
        if not self.ramp > 0:
            raise ValueError("ramp is above 0")
        if self.patience < 0:
            raise ValueError("patience is at least 0")


@dataclass(frozen=True)
class DiffAugment:
    """Colour, translation and cutout, always and mildly (Zhao et al. 2020)."""

    kind: ClassVar[str] = "diffaugment"


@dataclass(frozen=True)
class Off:
    """No augmentation."""

    kind: ClassVar[str] = "none"


@dataclass(frozen=True)
class Auto:
    """`ada` where there are few pictures to train on, else `none`."""

    kind: ClassVar[str] = "auto"
    below: int = 20_000  # pictures


class Augment(nn.Module):
    """Augments pictures (B, C, H, W) in [-1, 1] of 1 (grey), 3 (RGB) or 4 (RGBA) channels, in float32.

    Alpha moves with its picture and keeps its values. Call it on real and on drawn pictures, with draws of their own
    each. What it gives can be differentiated once: take a critic's gradient penalty at the augmented pictures.

    The probability `p` and the heuristic `r` that it follows are buffers, so that a saved state carries them. r is a
    mean over the whole batch: a family that calls `adapt` cannot split its batch (`whole_batch`).

    Args:
        policy: which augmentation.
        pictures: how many there are to train on; only `Auto` reads it.
    """

    p: Tensor
    r: Tensor

    def __init__(self, policy: ADA | DiffAugment | Off | Auto, pictures: int = 0) -> None:
        super().__init__()
        if isinstance(policy, Auto):
            policy = ADA() if pictures < policy.below else Off()
        self.policy = policy
        self.register_buffer("p", torch.zeros(()))
        self.register_buffer("r", torch.zeros(()))

    def forward(self, x: Tensor, rng: Draws) -> Tensor:
        match self.policy:
            case ADA():
                return ada(x, self.p, rng)
            case DiffAugment():
                return diffaugment(x, rng)
        return x

    @torch.no_grad()
    def adapt(self, real: Tensor, fake: Tensor, epochs: float, steps: int) -> Mapping[str, Tensor]:
        """Moves p after a step by the critic's scores (B, ...) of augmented pictures; what is for the log.

        p rises where the critic puts real pictures above drawn ones more often than `target` says: where
        E[sign(D(x) - D(G(z)))] is above it, 0 by chance and 1 where it always does. Karras et al. 2020, eq. 1, read
        the sign of D(x) alone, which says nothing for losses that see differences only. There p needs 500,000
        pictures to rise from 0 to 1, here a share of the run's planned number of `steps`. And it waits until every
        picture has been seen some times, in as many `epochs`: a critic that is sure before has not learnt them by
        heart, it only is ahead, and what is learnt in a short run would be learnt later.
        """
        if not isinstance(self.policy, ADA):
            return {}
        self.r.lerp_((real - fake).float().sign().mean(), MEMORY)
        if epochs >= self.policy.patience:
            towards = (self.r - self.policy.target).sign()
            self.p.add_(towards / (self.policy.ramp * steps)).clamp_(0, self.policy.limit)
        return {"augment": self.p.clone(), "overfitting": self.r.clone()}


def ada(x: Tensor, p: Tensor | float, rng: Draws) -> Tensor:
    """Pictures (B, C, H, W), each operation applied to each with probability p (Karras et al. 2020, appendix B).

    Mirror image, quarter turns, whole pixels, scale, rotation, stretch, rotation again, fractions of pixels; then
    brightness, contrast, luma inversion, hue, saturation. Only the turns differ: pictures that are not square take
    half turns. What lies outside is a reflection. At p = 0 pictures come out as they went in, to the bit.
    """
    with torch.autocast(x.device.type, enabled=False):
        x = _float(x)
        height, width = x.shape[2:]
        p = torch.as_tensor(p, device=x.device)
        either = 1 - (1 - p).sqrt()  # of two rotations at least one, with probability p
        chance = torch.stack([p / 2, p, p, p, either, p, either, p, p, p, p / 2, p, p])
        on = (rng.uniform(13) < chance).to(x.dtype).unbind(1)
        u = rng.uniform(6).to(x.dtype).unbind(1)
        n = rng.normal(7).to(x.dtype).unbind(1)

        quarters = (4 * u[0]).floor() if height == width else 2 * (2 * u[0]).floor()
        mirror = torch.stack([1 - 2 * on[0], torch.ones_like(on[0])], 1)  # (B, 2)
        turn = _rotation(on[1] * quarters * math.pi / 2).round() * mirror[:, None]
        size = torch.tensor([width, height], device=x.device, dtype=x.dtype)
        whole = ((torch.stack(u[1:3], 1) / 4 - 1 / 8) * size).round() * on[2][:, None]
        scale, stretch = (0.2 * n[0] * on[3]).exp2(), (0.2 * n[1] * on[5]).exp2()
        grow = torch.stack([scale * stretch, scale / stretch], 1)  # (B, 2)
        first, second = (_rotation(on[k] * (2 * v - 1) * math.pi) for k, v in ((4, u[3]), (6, u[4])))
        shape = first * grow[:, None] @ second
        part = torch.stack(n[2:4], 1) / 8 * size * on[7][:, None]
        # from a pixel that is asked for back to where it comes from, as each step's inverse is as likely as the step
        linear = turn @ shape
        shift = turn @ (shape @ part[..., None] + whole[..., None])
        x = resample(x, torch.cat([linear, shift], 2), "reflection")

        brightness, contrast = 0.2 * n[4] * on[8], (0.5 * n[5] * on[9]).exp2()
        hue, saturation = on[11] * u[5] * 2 * math.pi, (n[6] * on[12]).exp2()
        luma, chroma = contrast * (1 - 2 * on[10]), contrast * saturation
        return recolour(x, luma, chroma * hue.cos(), chroma * hue.sin(), luma * brightness)


def diffaugment(x: Tensor, rng: Draws) -> Tensor:
    """Pictures (B, C, H, W) in other colours, moved by up to an eighth over nothing, with a quarter cut out.

    Brightness, saturation and contrast, translation, cutout: the "color,translation,cutout" of Zhao et al. 2020.
    """
    with torch.autocast(x.device.type, enabled=False):
        x = _float(x)
        u = rng.uniform(7).to(x.dtype)
        brightness, saturation, contrast = u[:, 0] - 0.5, 2 * u[:, 1], 0.5 + u[:, 2]
        mean = x[:, :3].mean((1, 2, 3))
        x = recolour(x, contrast, contrast * saturation, 0 * saturation, (1 - contrast) * mean + brightness)

        size = torch.tensor([x.shape[3], x.shape[2]], device=x.device, dtype=x.dtype)
        shift = ((u[:, 3:5] / 4 - 1 / 8) * size).round()
        x = resample(x, torch.cat([torch.eye(2).to(x).expand(len(x), 2, 2), shift[..., None]], 2), "zeros")

        centre = (u[:, 5:7] * (size + 1)).floor()
        columns, rows = (torch.arange(side).to(x) + 0.5 for side in (x.shape[3], x.shape[2]))
        across = (columns - centre[:, :1]).abs() < size[0] / 4  # (B, W)
        down = (rows - centre[:, 1:]).abs() < size[1] / 4  # (B, H)
        return x.masked_fill((down[:, :, None] & across[:, None])[:, None], 0)


def resample(x: Tensor, affine: Tensor, outside: str) -> Tensor:
    """Pictures (B, C, H, W) whose pixel at q = (column, row) is that of x at A q + t, for affine (B, 2, 3) = [A, t].

    In pixels from the picture's centre, bilinearly; `outside` is how `grid_sample` pads. Rows with the identity stay
    as they are, to the bit.
    """
    rows, columns = (torch.arange(side).to(x) - (side - 1) / 2 for side in x.shape[2:])
    theta = affine * 2 / torch.tensor(x.shape[:1:-1]).to(x)[:, None]  # the picture spans [-1, 1]
    across = columns[:, None] * theta[:, None, :, 0]  # (B, W, 2)
    down = rows[:, None] * theta[:, None, :, 1] + theta[:, None, :, 2]  # (B, H, 2)
    source = across[:, None] + down[:, :, None]  # (B, H, W, 2)
    moved = (affine != torch.eye(2, 3).to(affine)).any(2).any(1)
    taken = F.grid_sample(x, source, padding_mode=outside, align_corners=False)
    return torch.where(moved[:, None, None, None], taken, x)


def recolour(x: Tensor, luma: Tensor, chroma: Tensor, twist: Tensor, offset: Tensor) -> Tensor:
    """Pictures (B, C, H, W) whose grey axis v = (1, 1, 1) / sqrt(3) is scaled by luma and then moved by offset.

    What is off it is scaled and turned about it: M = luma v v^T + chroma (1 - v v^T) + twist [v]_x, all (B,). Grey
    pictures lie on the axis; alpha stays.
    """
    if x.shape[1] == 1:
        return x * luma[:, None, None, None] + offset[:, None, None, None]
    eye, mean = torch.eye(3).to(x), torch.full((3, 3), 1 / 3).to(x)
    cross = torch.tensor([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]).to(x) / math.sqrt(3)
    luma, chroma, twist = (value[:, None, None] for value in (luma, chroma, twist))
    matrix = chroma * eye + (luma - chroma) * mean + twist * cross  # (B, 3, 3)
    rgb = torch.baddbmm(offset[:, None, None], matrix, x[:, :3].flatten(2)).unflatten(2, x.shape[2:])
    return rgb if x.shape[1] == 3 else torch.cat([rgb, x[:, 3:]], 1)


def _rotation(angle: Tensor) -> Tensor:
    """Angles (B,) in radians -> matrices (B, 2, 2)."""
    cos, sin = angle.cos(), angle.sin()
    return torch.stack([cos, -sin, sin, cos], 1).view(-1, 2, 2)


def _float(x: Tensor) -> Tensor:
    return x.to(torch.promote_types(x.dtype, torch.float32))
