"""Networks that give a damaged picture back: a gated U-Net, and DnCNN."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .convnets import Labels, laid
from .unet import padded

__all__ = ["DnCNN", "GatedUNet"]


class GatedUNet(nn.Module):
    """What is to be added to a picture (B, inputs, H, W): (B, outputs, scale H, scale W), 0 before training.

    On pixel-unshuffled pictures, after NAFNet (Chen et al. 2022): its blocks have no activation but the product of
    two halves. Widths double as sides halve. There is no attention over the whole picture's mean, so that a tile is
    restored as within the whole.

    Args:
        tasks: what it may be told to do, by number; 0 tells it nothing.
        patch: pixels of a patch's side that become channels.
        depth: blocks of each level on the way down, the first at the full resolution, and on the way up again.

    Attributes:
        multiple: of which sides are, inside.
        reach: pixels to each side that a pixel depends on, nearly.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        tasks: int = 0,
        scale: int = 1,
        patch: int = 2,
        width: int = 48,
        depth: Sequence[int] = (1, 2, 3),
    ) -> None:
        super().__init__()
        self.patch, self.grow = patch, patch * scale
        self.multiple = patch * 2 ** (len(depth) - 1)
        below = depth[-1] << (len(depth) - 1)
        self.reach = patch * (2 + below + sum(2 * blocks << level for level, blocks in enumerate(depth[:-1])))
        self.enter = nn.Conv2d(inputs * patch**2, width, 3, padding=1)
        self.told = Labels(tasks, width, std=0.1) if tasks else None
        self.level = Level(width, depth)
        self.leave = nn.Conv2d(width, outputs * self.grow**2, 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(cast(Tensor, self.leave.bias))
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, x: Tensor, task: Tensor | None = None) -> Tensor:
        """x (B, inputs, H, W), padded inside where its sides are no multiples of `multiple`; task (B,) int64."""
        height, width = (side * self.grow // self.patch for side in x.shape[-2:])
        x = padded(x, -x.shape[-2] % self.multiple, -x.shape[-1] % self.multiple)
        h = self.enter(laid(F.pixel_unshuffle(x, self.patch)))
        if self.told is not None and task is not None:
            h = h + self.told(task)[:, :, None, None].to(h.dtype)
        return F.pixel_shuffle(self.leave(self.level(h)), self.grow)[..., :height, :width].float()


class Level(nn.Module):
    """Blocks, then the levels below at half the resolution, added to what went down, then blocks again."""

    def __init__(self, width: int, depth: Sequence[int]) -> None:
        super().__init__()
        self.down = nn.Sequential(*(GatedBlock(width) for _ in range(depth[0])))
        self.below = None
        if len(depth) > 1:
            rise = nn.Conv2d(2 * width, 4 * width, 1, bias=False)
            self.below = nn.Sequential(
                nn.Conv2d(width, 2 * width, 2, stride=2), Level(2 * width, depth[1:]), rise, nn.PixelShuffle(2)
            )
            self.up = nn.Sequential(*(GatedBlock(width) for _ in range(depth[0])))

    def forward(self, x: Tensor) -> Tensor:
        x = self.down(x)
        return x if self.below is None else cast(Tensor, self.up(x + self.below(x)))


class GatedBlock(nn.Module):
    """x + conv1x1(gate(conv3x3(norm(x)))): a product of two halves in place of an activation (Chen et al. 2022).

    One dense convolution where NAFNet has a 1x1 and a depthwise one, which a CPU computes with less at once.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.enter = nn.Conv2d(width, 2 * width, 3, padding=1)
        self.leave = nn.Conv2d(width, width, 1)
        nn.init.zeros_(self.leave.weight)

    def forward(self, x: Tensor) -> Tensor:
        # in channels_last memory a place's channels lie side by side: the norm copies nothing
        h = self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        a, b = self.enter(h).chunk(2, 1)
        return cast(Tensor, x + self.leave(a * b))


class DnCNN(nn.Module):
    """What is to be added to a picture (B, inputs, H, W): (B, outputs, scale H, scale W) (Zhang et al. 2017).

    `depth` convolutions of 3x3, with BatchNorm and ReLU between them, all at the picture's resolution. Twenty of 64
    channels are the paper's blind one, seventeen the one for a known noise.
    """

    multiple = 1

    def __init__(
        self, inputs: int, outputs: int, *, tasks: int = 0, scale: int = 1, width: int = 64, depth: int = 20
    ) -> None:
        super().__init__()
        self.scale, self.reach = scale, depth
        self.enter = nn.Conv2d(inputs, width, 3, padding=1)
        self.told = Labels(tasks, width, std=0.1) if tasks else None
        layers: list[nn.Module] = [nn.ReLU()]
        for _ in range(depth - 2):
            layers += [nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
        self.body = nn.Sequential(*layers)
        self.leave = nn.Conv2d(width, outputs * scale**2, 3, padding=1)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, x: Tensor, task: Tensor | None = None) -> Tensor:
        """x (B, inputs, H, W), task (B,) int64."""
        h = self.enter(laid(x))
        if self.told is not None and task is not None:
            h = h + self.told(task)[:, :, None, None].to(h.dtype)
        return F.pixel_shuffle(self.leave(self.body(h)), self.scale).float()
