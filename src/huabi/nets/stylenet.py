"""The network that puts one picture's content into another's hand in one pass.

All of it is local but the moments of the features, which are handed in, and the grain, which hangs on the place: tiles
of a picture give what the whole gives.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .convnets import laid

__all__ = ["Look", "StyleNet", "moments", "transformed"]

FAINT = 1e-2  # added to the variances of features: what does not vary is not blown up
GRAIN, PERIOD = 4, 128  # channels of the grain, and places after which it comes again


class Look(NamedTuple):
    """A style as the network takes it; looks mix linearly."""

    mean: Tensor  # (B, C) of the encoder's features
    covariance: Tensor  # (B, C, C)
    seen: Tensor  # (B, S) what a frozen network's layers say

    def lerp(self, other: Look, share: float) -> Look:
        """The look at `share` of the way to another."""
        return Look(*(torch.lerp(a, b, share) for a, b in zip(self, other)))

    def detach(self) -> Look:
        return Look(*(part.detach() for part in self))


class StyleNet(nn.Module):
    """Encoder, linear transform of features and a decoder that the style modulates; sides are multiples of 8.

    Features of the content are whitened by their own covariance and coloured by the style's (Li et al. 2017), here
    with Cholesky factors, through which gradients flow (as Li et al. 2019 learn it).

    A grain, noise that stays at its place, is mixed in as the style asks for it: a convolution makes nothing but more
    of the same of an even sky, and a hand has strokes there, too.

    Args:
        seen: numbers that the frozen network says of a style.
        width: channels at half the sides; twice that at a quarter, four times at an eighth.
        depth: residual blocks at each place.
    """

    def __init__(self, seen: int, *, width: int = 32, depth: int = 2, code: int = 128) -> None:
        super().__init__()
        wide = self.channels = 2 * width
        last = nn.Conv2d(width, wide, 3, 2, 1)
        last.weight.data.mul_(4)  # so that features vary by more than what is added to their variances
        enter = [nn.PixelUnshuffle(2), nn.Conv2d(12, width, 3, padding=1), nn.SiLU(), last]
        self.encoder = nn.Sequential(*enter, *(Modulated(wide) for _ in range(depth)))
        noise = torch.randn(GRAIN, PERIOD, PERIOD, generator=torch.Generator().manual_seed(0))
        self.register_buffer("noise", noise)
        self.grain = nn.Conv2d(GRAIN, wide, 1, bias=False)
        self.grained = nn.Linear(code, wide)
        self.code = nn.Sequential(nn.Linear(seen, code), nn.SiLU(), nn.Linear(code, code), nn.SiLU())
        self.down = nn.Conv2d(wide, 2 * wide, 3, 2, 1)
        self.middle = nn.ModuleList(Modulated(2 * wide, code) for _ in range(depth))
        self.up = _growing(2 * wide, wide)
        self.keep = nn.Linear(code, 2 * wide)  # how much of what is finer goes around the middle
        self.decoder = nn.ModuleList(Modulated(wide, code) for _ in range(depth))
        self.grow = _growing(wide, width)
        self.fine = Modulated(width, code)
        self.last = nn.Linear(code, 2 * width)
        self.leave = nn.Conv2d(width, 12, 3, padding=1)
        for layer in (self.grained, self.keep, self.last):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def encode(self, x: Tensor) -> Tensor:
        """Pictures (B, 3, H, W) -> features (B, C, H / 4, W / 4)."""
        out: Tensor = self.encoder(laid(x))
        return out

    def noise_at(self, places: Tensor, height: int, width: int) -> Tensor:
        """The grain (B, GRAIN, height, width) whose first rows and columns are `places` (B, 2)."""
        rows, columns = (
            (places[:, k, None] + torch.arange(side, device=places.device)) % PERIOD
            for k, side in enumerate((height, width))
        )
        return self.get_buffer("noise")[:, rows[:, :, None], columns[:, None]].transpose(0, 1)

    def forward(self, h: Tensor, own: tuple[Tensor, Tensor], look: Look, places: Tensor) -> Tensor:
        """Features (B, C, H / 4, W / 4), their moments and a style -> pictures (B, 3, H, W), unbounded.

        Args:
            places: (B, 2) the row and the column of the first features in the grain.
        """
        h, code = transformed(h, own, (look.mean, look.covariance)), self.code(look.seen)
        noise = self.noise_at(places, h.shape[2], h.shape[3])
        h = h + self.grain(noise) * self.grained(code)[:, :, None, None]
        coarse = self.down(h)
        for block in self.middle:
            coarse = block(coarse, code)
        h = modulated(h, self.keep(code)) + self.up(coarse)
        for block in self.decoder:
            h = block(h, code)
        h = self.fine(self.grow(h), code)
        return F.pixel_shuffle(self.leave(F.silu(modulated(h, self.last(code)))), 2)


class Modulated(nn.Module):
    """A residual block whose norm is of each place alone; a style's code scales and shifts it (Perez et al. 2018)."""

    def __init__(self, width: int, code: int = 0) -> None:
        super().__init__()
        self.first, self.second = (nn.Conv2d(width, width, 3, padding=1) for _ in range(2))
        self.modulate = nn.Linear(code, 2 * width) if code else None
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor, code: Tensor | None = None) -> Tensor:
        h = self.first(x * x.square().mean(1, keepdim=True).add(1e-4).rsqrt())
        if self.modulate is not None and code is not None:
            h = modulated(h, self.modulate(code))
        out: Tensor = x + self.second(F.silu(h))
        return out


def _growing(inside: int, outside: int) -> nn.Sequential:
    """Features (B, inside, H, W) -> (B, outside, 2 H, 2 W); at first the four places of each are alike."""
    layer = nn.Conv2d(inside, 4 * outside, 3, padding=1)
    for part in (layer.weight, layer.bias):
        assert part is not None
        part.data.copy_(part.data[::4].repeat_interleave(4, 0))
    return nn.Sequential(layer, nn.PixelShuffle(2))


def modulated(h: Tensor, by: Tensor) -> Tensor:
    """Features (B, C, H, W), scaled by 1 + the first half of `by` (B, 2 C) and shifted by the second."""
    scale, shift = by[:, :, None, None].chunk(2, 1)
    return h * (1 + scale) + shift


def moments(h: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (B, C) and covariance (B, C, C) of features (B, C, H, W) over places."""
    with torch.autocast(h.device.type, enabled=False):  # in bf16 a covariance may have no root
        flat = h.float().flatten(2)
        mean = flat.mean(2)
        flat = flat - mean[:, :, None]
        return mean, flat @ flat.mT / flat.shape[2]


def transformed(
    h: Tensor, own: tuple[Tensor, Tensor], wanted: tuple[Tensor, Tensor], faint: float = FAINT
) -> Tensor:
    """Features (B, C, H, W) of the moments `own` with the moments `wanted`; as they are where both are equal."""
    with torch.autocast(h.device.type, enabled=False):
        eye = faint * torch.eye(h.shape[1], device=h.device)
        # unchecked, since what is not a number shall be told of by the trainer
        root, aim = (torch.linalg.cholesky_ex(covariance.float() + eye)[0] for _, covariance in (own, wanted))
        # turn root = aim: from the right, since the inverse itself is not needed
        turn = torch.linalg.solve_triangular(root, aim, upper=False, left=False)
        flat = turn @ (h.float().flatten(2) - own[0].float()[:, :, None]) + wanted[0].float()[:, :, None]
        return laid(flat.unflatten(2, h.shape[2:]).to(h.dtype))
