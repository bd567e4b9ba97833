"""How near a restored picture is to the true one: PSNR, SSIM and a perceptual distance, one value for each picture."""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

from .. import weights
from ..errors import DataError
from ..nets.features import EfficientNetLite0
from .score import Protocol, Score, averaged

__all__ = ["Restoration", "perceptual_distance", "psnr", "restoration", "ssim"]

_WINDOW, _SIGMA = 11, 1.5  # pixels
_K1, _K2 = 0.01, 0.03


def psnr(x: Tensor, y: Tensor) -> Tensor:
    """10 log10(L^2 / MSE) in dB, (B,), of pictures (B, C, H, W) in [-1, 1], so L is 2; inf where both are equal."""
    _same(x, y)
    return 10 * torch.log10(4 / (x.double() - y.double()).square().mean((1, 2, 3)))


def ssim(x: Tensor, y: Tensor) -> Tensor:
    """Structural similarity, (B,), at most 1, of pictures (B, C, H, W) in [-1, 1] (Wang et al. 2004, eq. 13).

    Gaussian window of 11 x 11, sigma 1.5, K 0.01 and 0.03, no padding; the mean over places and channels, each
    channel by itself. Raises DataError below 11 pixels.
    """
    _same(x, y)
    if min(x.shape[-2:]) < _WINDOW:
        raise DataError(f"SSIM looks through a window of {_WINDOW} pixels: {_size(x)} is too small")
    a, b = (z.double().add(1).div(2) for z in (x, y))
    mean_a, mean_b = _blurred(a), _blurred(b)
    var_a, var_b = _blurred(a * a) - mean_a**2, _blurred(b * b) - mean_b**2
    covariance = _blurred(a * b) - mean_a * mean_b
    likeness = (2 * mean_a * mean_b + _K1**2) * (2 * covariance + _K2**2)
    likeness = likeness / ((mean_a**2 + mean_b**2 + _K1**2) * (var_a + var_b + _K2**2))
    return likeness.mean((1, 2, 3))


def perceptual_distance(net: EfficientNetLite0, x: Tensor, y: Tensor) -> Tensor:
    """Distance of unit-normalised features, (B,) from 0 to 4, of pictures (B, 1 or 3, H, W) in [-1, 1].

    The squared distance of the feature vectors at each place, the mean over places and over five layers of
    EfficientNet-Lite0. The form is that of Zhang et al. 2018, eq. 1, without their learnt weights: this is not
    LPIPS, and its numbers do not compare with those of LPIPS.
    """
    _same(x, y)
    layers = [
        (F.normalize(a, dim=1) - F.normalize(b, dim=1)).square().sum(1).mean((1, 2))
        for a, b in zip(net.layers(x), net.layers(y), strict=True)
    ]
    return torch.stack(layers).mean(0)


class Restoration:
    """PSNR, SSIM and perceptual distance of restored and true pictures, each the mean over all that were added."""

    def __init__(self) -> None:
        self._net = weights.efficientnet_lite0()
        self._found: dict[str, list[Tensor]] = {"PSNR": [], "SSIM": [], "perceptual distance": []}

    @torch.no_grad()
    def add(self, x: Tensor, y: Tensor) -> None:
        """Restored pictures and true ones, both (B, 1 or 3, H, W) in [-1, 1]."""
        self._found["PSNR"].append(psnr(x, y))
        self._found["SSIM"].append(ssim(x, y))
        self._found["perceptual distance"].append(perceptual_distance(self._net.to(x.device), x, y))

    def scores(self) -> list[Score]:
        """The means; a pair of equal pictures makes the PSNR infinite. Raises DataError below 2 pairs."""
        count = sum(map(len, self._found["PSNR"]))
        if count < 2:
            raise DataError(f"a mean needs at least 2 pairs of pictures, not {count}")
        pixels = Protocol("pixels", "", "not resized", count, count)
        deep = Protocol("efficientnet-lite0, 5 layers", weights.EFFICIENTNET_LITE0, "not resized", count, count)
        named = self._found.items()
        return [averaged(name, torch.cat(rows), deep if "perc" in name else pixels) for name, rows in named]


def restoration(pairs: Iterable[tuple[Tensor, Tensor]]) -> list[Score]:
    """The scores of a stream of restored and true pictures, see `Restoration`."""
    found = Restoration()
    for x, y in pairs:
        found.add(x, y)
    return found.scores()


def _blurred(x: Tensor) -> Tensor:
    places = torch.arange(_WINDOW, dtype=x.dtype, device=x.device) - _WINDOW // 2
    line = torch.exp(-(places**2) / (2 * _SIGMA**2))
    line = (line / line.sum()).expand(x.shape[1], 1, 1, -1)
    return F.conv2d(F.conv2d(x, line, groups=x.shape[1]), line.mT, groups=x.shape[1])


def _same(x: Tensor, y: Tensor) -> None:
    if x.shape != y.shape:
        shapes = " and ".join(f"{len(z)} of {_size(z)} with {z.shape[1]} channels" for z in (x, y))
        raise DataError(f"pictures differ in shape ({shapes}): bring each pair to one size first")


def _size(x: Tensor) -> str:
    return f"{x.shape[-1]}x{x.shape[-2]}"
