"""A compute-dense U-Net for diffusion: residual blocks of 3x3 convolutions on pixel-unshuffled input."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .convnets import laid

__all__ = ["Context", "Level", "UNet", "norm_of", "padded", "shape_for"]

SHORT = 256  # positions whose attention fits into a processor's caches as plain matrix products


class Context(NamedTuple):
    """What a picture shall be, as tokens to be attended to and as one vector."""

    states: Tensor  # (B, L, width)
    weight: Tensor  # (B, L) how many tokens each counts as; 0 is none
    pooled: Tensor  # (B, width)
    places: Tensor | None = None  # (B, channels, h, w) what shall be where, at any grid

    def counting(self) -> Context:
        """The same without what counts for nothing: each row's other tokens first, and as many as any row has."""
        some = self.weight > 0
        order = (~some).long().argsort(dim=1, stable=True)[:, : max(1, int(some.sum(1).max()))]
        states = self.states.gather(1, order[..., None].expand(-1, -1, self.states.shape[2]))
        return self._replace(states=states, weight=self.weight.gather(1, order))

    def rows(self, index: Tensor) -> Context:
        """Those rows of it, in that order."""
        places = None if self.places is None else self.places[index]
        return Context(self.states[index], self.weight[index], self.pooled[index], places)


def shape_for(size: int, width: int = 64) -> dict[str, Any]:
    """Keywords of a UNet for pictures of `size` pixels: its levels work at 32 to 4 pixels.

    Patches of 4 above 64 pixels and of 8 above 128 keep the cost of a picture nearly that of one of 32 to 64
    pixels.
    """
    patch = 1 if size < 16 else 2 if size <= 64 else 4 if size <= 128 else 8
    levels = 2 if size // patch <= 16 else 3
    return {"patch": patch, "widths": [width, width * 5 // 2, width * 4][:levels]}


class UNet(nn.Module):
    """F(x, c_noise, label) of x's shape, for any `channels` and any height and width.

    Heights and widths that are no multiple of `self.multiple` = patch * 2^(levels - 1) are padded inside by
    reflection. The network is conditioned by scale and shift after each block's norm (AdaGN; Dhariwal and
    Nichol 2021), and starts as zero. It is in channels_last memory, which the CPU's convolutions are fastest
    in.
    """

    def __init__(
        self,
        channels: int = 3,
        *,
        given: int = 0,  # channels of a picture that is seen beside x
        classes: int = 0,  # labels are 0..classes-1; any negative one, and None, mean "no label"
        patch: int = 2,  # pixels of a patch's side that become channels
        widths: Sequence[int] = (64, 160),  # channels of each level, the first at the full resolution
        depth: int = 1,  # blocks of each level, on the way down and again on the way up
        attention: int = 1,  # how many of the lowest levels attend
        head: int = 32,  # channels of an attention head
    ) -> None:
        super().__init__()
        self.patch, self.classes = patch, classes
        self.multiple = patch * 2 ** (len(widths) - 1)
        self.embed = Embedding(classes, emb := 2 * widths[0])
        inner = channels * patch**2
        self.enter = nn.Conv2d(inner + given * patch**2, widths[0], 3, padding=1)
        self.level = levels(widths, emb, [depth] * len(widths), attention, head)
        self.norm = norm_of(widths[0])
        self.leave = nn.Conv2d(widths[0], inner, 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(cast(Tensor, self.leave.bias))
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(
        self, x: Tensor, c_noise: Tensor, label: Tensor | None = None, given: Tensor | None = None
    ) -> Tensor:
        """x (B, C, H, W), c_noise (B,), label (B,) int64 or None, given (B, `given`, H, W) -> (B, C, H, W)."""
        height, width = x.shape[-2:]
        x = x if given is None else torch.cat([x, given], 1)
        x = padded(x, -height % self.multiple, -width % self.multiple)
        emb = self.embed(c_noise, label)  # (B, emb)
        h = self.enter(laid(F.pixel_unshuffle(x, self.patch)))
        h = self.leave(F.silu(self.norm(self.level(h, emb))))
        return F.pixel_shuffle(h, self.patch)[..., :height, :width]


def levels(
    widths: Sequence[int], emb: int, depths: Sequence[int], attention: int, head: int, context: int = 0
) -> Level:
    """The level at the full resolution, which holds all those below; the lowest `attention` ones attend."""
    level: Level | None = None
    for i in reversed(range(len(widths))):
        attends = i >= len(widths) - attention
        level = Level(widths[i], level, emb, depths[i], head if attends else 0, context if attends else 0)
    return cast(Level, level)


class Level(nn.Module):
    """Blocks, then the level `below` at half the resolution, joined to what went down, then blocks again."""

    def __init__(self, width: int, below: Level | None, emb: int, depth: int, head: int, context: int = 0) -> None:
        super().__init__()
        self.width, self.below = width, below
        self.down = nn.ModuleList(Block(width, emb, head, context) for _ in range(depth))
        if below is not None:
            self.shrink = nn.Conv2d(width, below.width, 2, stride=2)
            self.grow = nn.Sequential(nn.Conv2d(below.width, 4 * width, 1), nn.PixelShuffle(2))
            self.join = nn.Conv2d(2 * width, width, 1)
        self.up = nn.ModuleList(Block(width, emb, head, context) for _ in range(depth))

    def forward(self, x: Tensor, emb: Tensor, context: Context | None = None) -> Tensor:
        for block in self.down:
            x = block(x, emb, context)
        if self.below is not None:
            x = self.join(torch.cat([self.grow(self.below(self.shrink(x), emb, context)), x], 1))
        for block in self.up:
            x = block(x, emb, context)
        return x


class Embedding(nn.Module):
    """c_noise (B,), label (B,) -> (B, width): Fourier features through a perceptron, plus a row per class."""

    frequencies: Tensor

    def __init__(self, classes: int, width: int, features: int = 32) -> None:
        super().__init__()
        # c_noise spans about 1 to 3: periods from 4 down to 1/32 of it
        self.register_buffer("frequencies", 2 * math.pi * torch.logspace(-2, 5, features, base=2), persistent=False)
        self.noise = nn.Sequential(nn.Linear(2 * features, width), nn.SiLU(), nn.Linear(width, width))
        self.label = nn.Embedding(classes + 1, width) if classes else None

    def forward(self, c_noise: Tensor, label: Tensor | None) -> Tensor:
        angle = c_noise[:, None].float() * self.frequencies
        emb: Tensor = self.noise(torch.cat([angle.cos(), angle.sin()], 1))
        if self.label is not None:
            null = self.label.num_embeddings - 1
            label = torch.full_like(c_noise, null, dtype=torch.int64) if label is None else label
            emb = emb + self.label(torch.where(label < 0, null, label))
        return F.silu(emb)


class Block(nn.Module):
    """x + conv1x1(silu(conv3x3(silu(adagn(x))))), twice as wide within; where head > 0, attention follows."""

    def __init__(self, width: int, emb: int, head: int, context: int = 0) -> None:
        super().__init__()
        self.norm = norm_of(width, affine=False)
        self.modulate = nn.Linear(emb, 2 * width)
        self.first = nn.Conv2d(width, 2 * width, 3, padding=1)
        self.second = nn.Conv2d(2 * width, width, 1)
        self.attention = Attention(width, head, context) if head else None
        nn.init.zeros_(self.modulate.weight)
        nn.init.zeros_(self.modulate.bias)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor, emb: Tensor, context: Context | None = None) -> Tensor:
        scale, shift = self.modulate(emb)[:, :, None, None].chunk(2, 1)
        h = F.silu(torch.addcmul(shift, self.norm(x), 1 + scale))
        x = x + self.second(F.silu(self.first(h)))
        return x if self.attention is None else x + self.attention(x, context)


class Attention(nn.Module):
    """Attention to all positions, with unit-length queries and keys (Henry et al. 2020).

    Where there is a context of that width, its tokens are attended to beside the positions (Nichol et al. 2022, GLIDE).
    """

    def __init__(self, width: int, head: int, context: int = 0) -> None:
        super().__init__()
        self.heads = _divisor(width, head)
        self.norm = norm_of(width)
        self.qkv = nn.Conv2d(width, 3 * width, 1)
        self.out = nn.Conv2d(width, width, 1)
        self.sharpness = nn.Parameter(torch.full((self.heads, 1, 1), 8.0))
        self.told = nn.Linear(context, 2 * width) if context else None
        nn.init.zeros_(self.out.weight)

    def forward(self, x: Tensor, context: Context | None = None) -> Tensor:
        b, c, h, w = x.shape
        qkv = self.qkv(self.norm(x)).permute(0, 2, 3, 1).reshape(b, h * w, 3, self.heads, c // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # (B, heads, HW, C / heads) each
        bias = None
        if self.told is not None and context is not None:
            told = self.told(context.states).unflatten(2, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)
            k, v = torch.cat([k, told[0]], 2), torch.cat([v, told[1]], 2)  # (B, heads, HW + L, C / heads)
            bias = F.pad(context.weight.log(), (h * w, 0))[:, None, None].to(q.dtype)
        q = F.normalize(q, dim=-1) * self.sharpness.to(q.dtype)
        y = _attend(q, F.normalize(k, dim=-1), v, bias)
        return cast(Tensor, self.out(y.transpose(1, 2).reshape(b, h, w, c).permute(0, 3, 1, 2)))


def _attend(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None) -> Tensor:
    """softmax(q k^T + bias) v for (B, heads, positions, channels)."""
    if q.is_cpu and q.shape[-2] <= SHORT:  # the fused kernel's backward pass takes several times as long in bf16
        logits = q @ k.mT
        return (logits if bias is None else logits + bias).softmax(-1) @ v
    return F.scaled_dot_product_attention(q, k, v, attn_mask=bias, scale=1.0)


def norm_of(width: int, affine: bool = True) -> nn.GroupNorm:
    return nn.GroupNorm(_divisor(width, 16), width, affine=affine)


def _divisor(width: int, share: int) -> int:
    """How many equal parts of at least `share` channels `width` falls into."""
    return next(n for n in range(max(1, width // share), 0, -1) if width % n == 0)


def padded(x: Tensor, bottom: int, right: int) -> Tensor:
    """x padded at the bottom and right by reflection, or by its edge where it is too small to reflect."""
    if not bottom and not right:
        return x
    mode = "reflect" if bottom < x.shape[-2] and right < x.shape[-1] else "replicate"
    return F.pad(x, (0, right, 0, bottom), mode=mode)
