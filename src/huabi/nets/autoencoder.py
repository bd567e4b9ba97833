"""Networks between pictures and grids of codes: what vector quantisers and latent models stand on."""

from __future__ import annotations

from torch import Tensor, nn

from .convnets import Block

__all__ = ["GridDecoder", "GridEncoder"]


class GridEncoder(nn.Module):
    """Residual encoder free of batch statistics: pictures (B, C, H, W) -> (B, outputs, H / factor, W / factor).

    Patches of half the factor become channels at once, and a convolution halves the sides once more: all the work is
    done on few places with many channels. H and W are multiples of `factor`, which is even.
    """

    def __init__(self, channels: int, outputs: int, *, factor: int = 4, width: int = 32, depth: int = 1) -> None:
        super().__init__()
        patch, wide = factor // 2, 4 * width
        layers: list[nn.Module] = [nn.PixelUnshuffle(patch), nn.Conv2d(channels * patch**2, width, 3, padding=1)]
        layers += [Block(width) for _ in range(depth)] + [nn.Conv2d(width, wide, 3, 2, 1)]
        layers += [Block(wide) for _ in range(depth)] + [nn.GroupNorm(4, wide), nn.SiLU(), nn.Conv2d(wide, outputs, 1)]
        self.body = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.body(x)
        return out


class GridDecoder(nn.Module):
    """Residual decoder: codes (B, inputs, h, w) -> pictures (B, C, factor h, factor w), unbounded."""

    def __init__(self, channels: int, inputs: int, *, factor: int = 4, width: int = 32, depth: int = 1) -> None:
        super().__init__()
        patch, wide = factor // 2, 4 * width
        layers: list[nn.Module] = [nn.Conv2d(inputs, wide, 3, padding=1)]
        layers += [Block(wide) for _ in range(depth + 1)] + [nn.Conv2d(wide, 4 * width, 3, padding=1)]
        layers += [nn.PixelShuffle(2)] + [Block(width) for _ in range(depth)] + [nn.GroupNorm(1, width), nn.SiLU()]
        layers += [nn.Conv2d(width, channels * patch**2, 3, padding=1), nn.PixelShuffle(patch)]
        self.body = nn.Sequential(*layers)

    def forward(self, z: Tensor) -> Tensor:
        out: Tensor = self.body(z)
        return out
