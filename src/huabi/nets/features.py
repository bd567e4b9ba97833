"""EfficientNet-Lite0, the network whose pooled features the measures compare pictures in."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["EfficientNetLite0", "over_grey"]

# kernel, stride, expansion, channels, repeats of each stage (Tan and Le 2019, table 1; no squeeze-excitation)
_STAGES = [
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
]
_LAYERS = (0, 2, 4, 7, 10)  # the last blocks of the stages of 16, 24, 40, 80 and 112 channels


def over_grey(x: Tensor) -> Tensor:
    """Pictures (B, 4, H, W) in [-1, 1] laid over grey (B, 3, H, W); those without alpha as they are."""
    return x[:, :3] * (x[:, 3:] + 1) / 2 if x.shape[1] == 4 else x


class EfficientNetLite0(nn.Module):
    """Pictures (B, 3, H, W) in [-1, 1] -> features (B, 1280), the mean over positions of the last ReLU6.

    Preprocessing, which every published figure depends on: bicubic resize to 224 x 224, antialiased where it
    shrinks, then clamped to [-1, 1]; the network was trained on just that range. Grey pictures are repeated
    to three channels. Only for inference: each convolution carries the batch norm that followed it in
    training (`huabi.weights` folds it).
    """

    size = 224
    width = 1280

    def __init__(self) -> None:
        super().__init__()
        self.conv_stem = Same(3, 32, 3, 2)
        blocks, inner = [], 32
        for kernel, stride, expansion, out, repeats in _STAGES:
            for i in range(repeats):
                blocks.append(MBConv(inner, out, kernel, stride if i == 0 else 1, expansion))
                inner = out
        self.blocks = nn.ModuleList(blocks)
        self.conv_head = Same(inner, self.width, 1)
        self.requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        # on the CPU few pictures at a time stay in the cache, which is twice as fast
        return torch.cat([self._features(part) for part in x.split(8 if x.device.type == "cpu" else 256)])

    def _features(self, x: Tensor) -> Tensor:
        x = x.expand(-1, 3, -1, -1) if x.shape[1] == 1 else x
        x = F.interpolate(x, (self.size, self.size), mode="bicubic", antialias=True).clamp(-1, 1)
        for h in self._maps(x):
            last = h
        pooled: Tensor = self.conv_head(last).clamp_(0, 6).mean((2, 3))
        return pooled

    def layers(self, x: Tensor) -> list[Tensor]:
        """Maps of growing depth, (B, 16, H / 2, W / 2) to (B, 112, H / 16, W / 16), of pictures in their own size.

        Gradients flow through them to the pictures, where they are asked for.
        """
        x = x.expand(-1, 3, -1, -1) if x.shape[1] == 1 else x
        return [h for i, h in zip(range(_LAYERS[-1] + 1), self._maps(x), strict=False) if i in _LAYERS]

    def hidden(self, x: Tensor) -> list[Tensor]:
        """The rectified maps inside the blocks that `layers` ends, (B, 32, H / 2, W / 2) to (B, 672, H / 16, W / 16).

        They are wide, and bounded by 0 and 6. Gradients flow through them to the pictures.
        """
        return self.within(x)[1]

    def within(self, x: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """`layers` and `hidden` of pictures (B, 3, H, W), in one pass."""
        h = self.conv_stem(x.contiguous(memory_format=torch.channels_last)).clamp(0, 6)
        layers, hidden = [], []
        for i, block in enumerate(self.blocks[: _LAYERS[-1] + 1]):
            assert isinstance(block, MBConv)
            inner = block.hidden(h)
            h = block.leave(h, inner)
            if i in _LAYERS:
                layers.append(h)
                hidden.append(inner)
        return layers, hidden

    def _maps(self, x: Tensor) -> Iterator[Tensor]:
        """What each block gives."""
        h = self.conv_stem(x.contiguous(memory_format=torch.channels_last)).clamp_(0, 6)
        for block in self.blocks:
            h = block(h)
            yield h


class MBConv(nn.Module):
    """Inverted residual: expand 1x1, depthwise k x k, project 1x1 (Sandler et al. 2018)."""

    def __init__(self, inner: int, out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = inner * expansion
        self.residual = stride == 1 and inner == out
        self.expand_conv = Same(inner, wide, 1) if expansion > 1 else None
        self.depthwise_conv = Same(wide, wide, kernel, stride, groups=wide)
        self.project_conv = Same(wide, out, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.leave(x, self.hidden(x))

    def hidden(self, x: Tensor) -> Tensor:
        """What is projected: rectified maps (B, inner * expansion, H', W')."""
        h: Tensor = x if self.expand_conv is None else self.expand_conv(x).clamp_(0, 6)
        h = self.depthwise_conv(h)
        return h.clamp_(0, 6)

    def leave(self, x: Tensor, hidden: Tensor) -> Tensor:
        """What the block makes of x and its own `hidden` maps."""
        h: Tensor = self.project_conv(hidden)
        return x + h if self.residual else h


class Same(nn.Conv2d):
    """A convolution padded as TensorFlow's SAME: an odd padding has one more at the bottom and right."""

    def __init__(self, inner: int, out: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(inner, out, kernel, stride, groups=groups)

    def forward(self, x: Tensor) -> Tensor:
        k, s = self.kernel_size[0], self.stride[0]
        down, right = (max((-(-n // s) - 1) * s + k - n, 0) for n in x.shape[-2:])
        if down % 2 == 0 and right % 2 == 0:
            return F.conv2d(x, self.weight, self.bias, self.stride, (down // 2, right // 2), groups=self.groups)
        return super().forward(F.pad(x, (right // 2, right - right // 2, down // 2, down - down // 2)))
