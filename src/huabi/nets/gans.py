"""Generators and critics of adversarial training, for pictures of any size that is a multiple of 4.

A generator whose `mixes` is true may be given second noise for the finer half of its levels. Labels are either
numbers (B,) int64, or shares (B, classes) float, which fade from one class to another.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from .convnets import Labels, base_of, doublings, laid, patch_for

__all__ = ["DCGANCritic", "DCGANGenerator", "ResNetCritic", "ResNetGenerator"]

SLOPE = 0.2  # of every leaky ReLU


class BatchNorm(nn.Module):
    """BatchNorm whose scale and shift follow what each picture is told: its class (Dumoulin et al. 2017), its noise.

    Args:
        told: length of what is told; 0 is nothing.
        std: of the weights that hear it. 0 lets it come in from nothing: what is heard from the start delays training.
    """

    def __init__(self, width: int, told: int, *, std: float = 0.0) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(width)
        self.hear = nn.Linear(told, 2 * width, bias=False) if told else None
        if self.hear is not None:
            nn.init.normal_(self.hear.weight, std=std)

    def forward(self, x: Tensor, told: Tensor | None) -> Tensor:
        """x (B, width, H, W), told (B, told) -> (B, width, H, W)."""
        x = self.norm(x)
        if self.hear is None or told is None:
            return x
        scale, shift = self.hear(told).to(x.dtype)[:, :, None, None].chunk(2, 1)
        return torch.addcmul(shift, x, 1 + scale)


class DCGANGenerator(nn.Module):
    """DCGAN's generator (Radford et al. 2016, figure 1): noise z (B, latent) -> pictures (B, C, H, W) in [-1, 1].

    Transposed 4x4 convolutions double a base grid; BatchNorm and ReLU follow each but the last, which ends in tanh.
    The class enters after each norm. Joined to the noise instead, it soon outweighs it: the norm then divides by the
    spread of the classes, and every class is left with one picture.
    """

    mixes = False

    def __init__(
        self, channels: int, size: tuple[int, int], *, classes: int = 0, latent: int = 100, width: int = 64
    ) -> None:
        super().__init__()
        self.size, self.classes, times = size, classes, doublings(size)
        widths = [width * min(2**i, 8) for i in reversed(range(times))]
        self.base = (widths[0], *base_of(size, times))
        self.enter = nn.Linear(latent, math.prod(self.base), bias=False)
        self.grow = nn.ModuleList(nn.ConvTranspose2d(a, b, 4, 2, 1, bias=False) for a, b in pairwise(widths))
        self.norms = nn.ModuleList(BatchNorm(w, classes, std=0.5) for w in widths)
        self.leave = nn.ConvTranspose2d(widths[-1], channels, 4, 2, 1)
        _small_weights(self.enter, self.grow, self.leave)

    def forward(self, z: Tensor, label: Tensor | None = None, fine: Tensor | None = None) -> Tensor:
        """z (B, latent), label -> (B, C, H, W) in [-1, 1]."""
        if label is not None and not label.is_floating_point():
            label = F.one_hot(label, self.classes).to(z.dtype)  # (B, classes)
        h = laid(self.enter(z).unflatten(1, self.base))
        for level, norm in enumerate(self.norms):
            h = F.relu(norm(self.grow[level - 1](h) if level else h, label))
        x: Tensor = self.leave(h).tanh()
        return x[..., : self.size[0], : self.size[1]]


class DCGANCritic(nn.Module):
    """DCGAN's critic: pictures (B, C, H, W) -> scores (B,), float32; with labels a projection critic.

    Args:
        norm: BatchNorm after each convolution but the first, as the paper has it.
        spectral: divides every weight by its largest singular value.
        deviation: shows the last layer how much the pictures of a batch differ.
    """

    def __init__(
        self,
        channels: int,
        size: tuple[int, int],
        *,
        classes: int = 0,
        width: int = 64,
        norm: bool = True,
        spectral: bool = False,
        deviation: bool = False,
    ) -> None:
        super().__init__()
        times = doublings(size)
        widths = [channels, *(width * min(2**i, 8) for i in range(times))]
        layers: list[nn.Module] = []
        for level, (inner, outer) in enumerate(pairwise(widths)):
            layers += [nn.Conv2d(inner, outer, 4, 2, 1)]
            layers += [nn.BatchNorm2d(outer)] if norm and level else []
            layers += [nn.LeakyReLU(SLOPE)]
            size = (size[0] // 2, size[1] // 2)
        self.body = nn.Sequential(*layers)
        self.verdict = Verdict(widths[-1], size, classes, deviation)
        _small_weights(self.body, self.verdict)
        if spectral:
            _spectral(self)

    def forward(self, x: Tensor, label: Tensor | None = None) -> Tensor:
        score: Tensor = self.verdict(self.body(laid(x)), label)
        return score


class Verdict(nn.Module):
    """Features (B, width, h, w) -> scores (B,): w . phi + embedding(y) . phi (Miyato and Koyama 2018, eq. 3)."""

    def __init__(self, width: int, grid: tuple[int, int], classes: int, deviation: bool) -> None:
        super().__init__()
        self.deviation = deviation
        self.phi = nn.Linear((width + deviation) * grid[0] * grid[1], width)
        self.leave = nn.Linear(width, 1)
        self.label = Labels(classes, width, std=0.02) if classes else None

    def forward(self, h: Tensor, label: Tensor | None) -> Tensor:
        h = with_deviation(h) if self.deviation else h
        phi = F.leaky_relu(self.phi(h.flatten(1)), SLOPE)  # (B, width)
        score: Tensor = self.leave(phi)[:, 0].float()
        if self.label is not None and label is not None:
            score = score + (self.label(label) * phi.float()).sum(1)
        return score


def with_deviation(h: Tensor) -> Tensor:
    """h (B, C, H, W) with one more channel: the mean standard deviation over the batch (Karras et al. 2018, 3)."""
    deviation = h.float().var(0, unbiased=False).add(1e-8).sqrt().mean().to(h.dtype)
    return torch.cat([h, deviation.expand(len(h), 1, *h.shape[2:])], 1)


class ResNetGenerator(nn.Module):
    """Residual generator: noise z (B, latent) -> pictures (B, C, H, W) in [-1, 1].

    Blocks of two 3x3 convolutions (Miyato et al. 2018, figure 10b) double a base grid up to the patches, pixels of
    which leave as channels. Noise lays the base grid; noise and class, as one vector, enter after every norm
    (Brock et al. 2019, section 3: one embedding for all norms).

    Args:
        width: channels of the finest level; they double with every halving, up to 4 times.
        depth: blocks of a level.
    """

    mixes = True

    def __init__(
        self,
        channels: int,
        size: tuple[int, int],
        *,
        classes: int = 0,
        latent: int = 64,
        width: int = 32,
        depth: int = 1,
    ) -> None:
        super().__init__()
        self.size, self.patch = size, patch_for(size)
        grid = (size[0] // self.patch, size[1] // self.patch)
        times = doublings(grid)
        widths = [width * min(2**i, 4) for i in reversed(range(times + 1))]
        self.base = (widths[0], *base_of(grid, times))
        self.enter = nn.Linear(latent, math.prod(self.base))  # no class here: each would be left with one picture
        self.label = Labels(classes, latent) if classes else None
        told = latent * (2 if classes else 1)
        self.blocks = nn.ModuleList()
        for inner, outer in pairwise(widths):
            self.blocks.append(GrowBlock(inner, outer, told, up=True))
            self.blocks.extend(GrowBlock(outer, outer, told) for _ in range(depth - 1))
        self.norm = BatchNorm(widths[-1], told)
        self.leave = nn.Conv2d(widths[-1], channels * self.patch**2, 3, padding=1)
        for layer in _weights(self.blocks, self.leave):
            if isinstance(layer, nn.Conv2d):
                nn.init.orthogonal_(layer.weight)

    def forward(self, z: Tensor, label: Tensor | None = None, fine: Tensor | None = None) -> Tensor:
        """z (B, latent), label -> (B, C, H, W) in [-1, 1]; the finer half of the levels hears `fine`, where given."""
        h = laid(self.enter(z).unflatten(1, self.base))
        told = self._told(z, label)
        later = told if fine is None else self._told(fine, label)
        for level, block in enumerate(self.blocks):
            h = block(h, told if 2 * level < len(self.blocks) else later)
        h = self.leave(F.relu(self.norm(h, later)))
        x = F.pixel_shuffle(h, self.patch).tanh()
        return x[..., : self.size[0], : self.size[1]]

    def _told(self, z: Tensor, label: Tensor | None) -> Tensor:
        """What the norms hear (B, told): noise, and the class."""
        return z if self.label is None or label is None else torch.cat([z, self.label(label)], 1)


class GrowBlock(nn.Module):
    """skip(up(x)) + conv(relu(norm(conv(up(relu(norm(x))))))), up doubles both sides where asked for."""

    def __init__(self, inner: int, outer: int, told: int, up: bool = False) -> None:
        super().__init__()
        self.up = up
        self.first_norm = BatchNorm(inner, told)
        self.first = nn.Conv2d(inner, outer, 3, padding=1, bias=False)
        self.second_norm = BatchNorm(outer, told)
        self.second = nn.Conv2d(outer, outer, 3, padding=1)
        self.skip = nn.Conv2d(inner, outer, 1, bias=False) if inner != outer else nn.Identity()

    def forward(self, x: Tensor, told: Tensor) -> Tensor:
        h, x = F.relu(self.first_norm(x, told)), self.skip(x)
        if self.up:
            h, x = F.interpolate(h, scale_factor=2.0), F.interpolate(x, scale_factor=2.0)
        out: Tensor = x + self.second(F.relu(self.second_norm(self.first(h), told)))
        return out


class ResNetCritic(nn.Module):
    """Residual critic free of norms: pictures (B, C, H, W) -> scores (B,), float32; with labels a projection critic.

    Blocks of two convolutions halve patches of pixels down to 4 to 7. Options as for `DCGANCritic`.
    """

    def __init__(
        self,
        channels: int,
        size: tuple[int, int],
        *,
        classes: int = 0,
        width: int = 32,
        depth: int = 1,
        spectral: bool = False,
        deviation: bool = False,
    ) -> None:
        super().__init__()
        self.patch = patch_for(size)
        grid = (size[0] // self.patch, size[1] // self.patch)
        times = doublings(grid)
        widths = [width * min(2**i, 4) for i in range(times + 1)]
        layers: list[nn.Module] = [nn.Conv2d(channels * self.patch**2, widths[0], 3, padding=1)]
        for inner, outer in pairwise(widths):
            layers += [ShrinkBlock(inner, outer, down=True), *(ShrinkBlock(outer, outer) for _ in range(depth - 1))]
            grid = (grid[0] // 2, grid[1] // 2)
        self.body = nn.Sequential(*layers, nn.LeakyReLU(SLOPE))
        self.verdict = Verdict(widths[-1], grid, classes, deviation)
        if spectral:
            _spectral(self)

    def forward(self, x: Tensor, label: Tensor | None = None) -> Tensor:
        score: Tensor = self.verdict(self.body(laid(F.pixel_unshuffle(x, self.patch))), label)
        return score


class ShrinkBlock(nn.Module):
    """(skip(x) + conv(act(conv(act(x))))) / sqrt(2); where it halves both sides, the second convolution strides.

    Striding costs a third of averaging afterwards, and the pictures are better by as much as more steps make them.
    """

    def __init__(self, inner: int, outer: int, down: bool = False) -> None:
        super().__init__()
        self.down = down
        self.first = nn.Conv2d(inner, inner, 3, padding=1)
        self.second = nn.Conv2d(inner, outer, 4, 2, 1) if down else nn.Conv2d(inner, outer, 3, padding=1)
        self.skip = nn.Conv2d(inner, outer, 1) if inner != outer else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        h = self.second(F.leaky_relu(self.first(F.leaky_relu(x, SLOPE)), SLOPE))
        x = self.skip(F.avg_pool2d(x, 2) if self.down else x)
        out: Tensor = (h + x) * 0.5**0.5
        return out


def _weights(*modules: nn.Module) -> list[nn.Module]:
    kinds = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
    return [layer for module in modules for layer in module.modules() if isinstance(layer, kinds)]


def _small_weights(*nets: nn.Module) -> None:
    """Weights from N(0, 0.02^2), as DCGAN starts (Radford et al. 2016, section 4)."""
    for layer in _weights(*nets):
        nn.init.normal_(layer.weight, std=0.02)  # type: ignore[arg-type]


def _spectral(net: nn.Module) -> None:
    """Spectral normalisation of every weight (Miyato et al. 2018)."""
    for layer in _weights(net):
        spectral_norm(layer)
