"""A network that reads drawn scenes: what is seen at each place, which places are one thing, how things stand."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .convnets import Block, laid, patch_for

__all__ = ["SceneMaps", "SceneNet", "boxes_of"]


class SceneMaps(NamedTuple):
    """What the network says of B pictures, on a grid of h x w patches."""

    scene: tuple[Tensor, ...]  # logits (B, words) of each attribute of the scene
    kind: Tensor  # logits (B, 1 + kinds, h, w), the backdrop first
    colour: Tensor  # logits (B, colours, h, w)
    centre: Tensor  # (B, h, w): near 1 where the middle of a thing is
    offset: Tensor  # (B, 2, h, w): to the middle of the thing that is seen here, in cells, rows first
    features: Tensor  # (B, E, h, w), which `SceneNet.relations` reads


class SceneNet(nn.Module):
    """Pictures (B, C, H, W) -> `SceneMaps`: a residual encoder and decoder, free of batch statistics.

    Things are told apart as in Panoptic-DeepLab (Cheng et al. 2020): each place points at the middle of its thing, and
    middles are peaks of a heat map.

    Args:
        attributes: how many words each attribute of a scene has.
        kinds, colours, relations: how many there are.
    """

    def __init__(
        self,
        channels: int,
        size: tuple[int, int],
        attributes: Sequence[int],
        *,
        kinds: int,
        colours: int,
        relations: int,
        width: int = 32,
        depth: int = 1,
        features: int = 32,
    ) -> None:
        super().__init__()
        self.patch, self.attributes = patch_for(size), tuple(attributes)
        widths = [width, 3 * width, 5 * width]
        self.enter = nn.Conv2d(channels * self.patch**2, width, 3, padding=1)
        self.down = nn.ModuleList(_blocks(w, depth + (level > 0)) for level, w in enumerate(widths))
        self.shrink = nn.ModuleList(nn.Conv2d(a, b, 3, 2, 1) for a, b in pairwise(widths))
        self.grow = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in pairwise(widths))
        self.up = nn.ModuleList(_blocks(w, depth) for w in widths[:-1])
        self.splits = (1 + kinds, colours, 1, 2, features)
        self.leave = nn.Sequential(nn.GroupNorm(1, width), nn.SiLU(), nn.Conv2d(width, sum(self.splits), 1))
        self.overall = nn.Sequential(
            nn.LayerNorm(sum(widths)), nn.Linear(sum(widths), 4 * width), nn.SiLU(),
            nn.Linear(4 * width, sum(attributes)),
        )  # fmt: skip
        single = features + 7
        self.pair = nn.Sequential(
            nn.Linear(2 * single + features + 5, 4 * width), nn.SiLU(), nn.Linear(4 * width, 2 * width), nn.SiLU(),
            nn.Linear(2 * width, relations),
        )  # fmt: skip
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, x: Tensor) -> SceneMaps:
        h = self.enter(laid(F.pixel_unshuffle(x, self.patch)))
        kept: list[Tensor] = []
        for level, blocks in enumerate(self.down):
            h = blocks(self.shrink[level - 1](h) if level else h)
            kept.append(h)
        means = torch.cat([level.mean((2, 3)) for level in kept], 1)
        for level in (1, 0):
            h = F.interpolate(self.grow[level](h), kept[level].shape[-2:], mode="nearest")
            h = self.up[level](kept[level] + h)
        kind, colour, centre, offset, features = self.leave(h).float().split(self.splits, 1)
        scene = self.overall(means).float().split(self.attributes, 1)
        return SceneMaps(scene, kind, colour, centre[:, 0].sigmoid(), offset * 8, features)

    def relations(self, features: Tensor, masks: Tensor, pairs: Tensor) -> Tensor:
        """How things stand to each other.

        Args:
            features: (B, E, h, w), as `forward` gives them.
            masks: (B, S, h, w) of 0 and 1: where each thing is seen.
            pairs: (P, 3) int64: picture, subject, target.

        Returns: logits (P, relations).
        """
        rows, one, two = pairs.unbind(1)
        area = masks.sum((2, 3)).clamp(min=1)  # (B, S)
        mean = masks.flatten(2) @ features.flatten(2).mT / area[..., None]
        share = (area / masks[0, 0].numel()).sqrt()  # the side of a square as large, in sides of the picture
        box = boxes_of(masks)  # (B, S, 4)
        middle = (box[..., :2] + box[..., 2:]) / 2
        single = torch.cat([mean, box, middle, share[..., None]], 2)
        # where the two meet: places next to both, on a grid half as fine
        wide = F.max_pool2d(masks, 4, 2, 1).flatten(2)
        meet = wide[:, :, None] * wide[:, None]  # (B, S, S, places)
        sums = (meet.flatten(1, 2) @ F.avg_pool2d(features, 2).flatten(2).mT).unflatten(1, meet.shape[1:3])
        touching = meet.sum(3)[rows, one, two]
        at = sums[rows, one, two] / touching.clamp(min=1)[:, None]
        smaller = torch.minimum(area[rows, one], area[rows, two])
        extra = torch.cat([
            middle[rows, one] - middle[rows, two],
            (box[rows, one, 1] - box[rows, two, 1])[:, None],
            (box[rows, one, 3] - box[rows, two, 3])[:, None],
            (touching / smaller.sqrt())[:, None],
        ], 1)  # fmt: skip
        return cast(Tensor, self.pair(torch.cat([single[rows, one], single[rows, two], at, extra], 1)).float())


def _blocks(width: int, depth: int) -> nn.Sequential:
    return nn.Sequential(*(Block(width) for _ in range(depth)))


def boxes_of(masks: Tensor) -> Tensor:
    """(B, S, 4) left, top, right, bottom of masks (B, S, h, w), in shares of the picture's sides; 0 where empty."""
    found = []
    for dim in (2, 3):  # columns, then rows
        line = masks.amax(dim)  # (B, S, n)
        n = line.shape[-1]
        at = torch.arange(n, device=masks.device)
        low = torch.where(line > 0, at, n).amin(-1)
        high = torch.where(line > 0, at + 1, 0).amax(-1)
        found.append((low.clamp(max=n) * (high > 0) / n, high / n))
    (left, right), (top, bottom) = found
    return torch.stack([left, top, right, bottom], -1)
