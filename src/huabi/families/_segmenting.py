"""An auxiliary task for networks that draw scenes: to say, in training, what a noisy picture shows and where.

Near pure noise that can be told from what is said alone. So words get the gradient of a classifier, which the mean
square error of pixels, most of which belong to no word, hardly gives them. It is as REPA (Yu et al. 2025), with the
truth in the place of another network's features.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..nets.textnet import TextNet
from ..nets.unet import norm_of
from ..truth import THINGS, Facts, unpack
from ._scene import worn


class Noticed:
    """A `TextNet` as a loss calls it, whose last features are kept."""

    features: Tensor

    def __init__(self, net: TextNet) -> None:
        self.net = net

    def __call__(self, x: Tensor, c_noise: Tensor, **cond: Any) -> Tensor:
        out, self.features = self.net.both(x, c_noise, **cond)
        return out


class Segmenter(nn.Module):
    """Features of places -> the kind and the colour of what is seen there, and the scene's attributes.

    Args:
        size: of the pictures that the truth is of.
        width: channels of the features.
    """

    def __init__(self, facts: Facts, size: tuple[int, int], width: int) -> None:
        super().__init__()
        self.facts, self.size = facts, size
        words = dict(facts)
        self.things = [1 + len(words["kind"]), len(words["colour"])]
        self.scene = [len(known) for name, known in facts if name not in THINGS]
        self.norm = norm_of(width)
        self.places = nn.Conv2d(width, sum(self.things), 1)
        self.whole = nn.Linear(width, sum(self.scene))

    def loss(self, features: Tensor, records: Tensor) -> Tensor:
        """(B,) nats for features (B, width, h, w) of the pictures of `records` (B, T).

        The mean of kind and colour at the places where something is, half of the mean of the rest, and the
        mean of the scene's attributes.
        """
        truth = unpack(records, self.facts, self.size)
        h = F.silu(self.norm(features))
        rows, columns = (
            ((torch.arange(n, device=h.device) + 0.5) * side / n).long() for n, side in zip(h.shape[-2:], self.size)
        )
        numbers: Tensor = truth.map[:, rows][:, :, columns].long()  # (B, h, w)
        kind, colour = self.places(h).float().split(self.things, 1)
        some = (numbers > 0).float()
        seen = some.mean((1, 2)).clamp(min=1e-3)
        kinds = F.cross_entropy(kind, worn(truth.kind, numbers), reduction="none")
        colours = F.cross_entropy(colour, (worn(truth.colour, numbers) - 1).clamp(min=0), reduction="none")
        places = ((kinds + colours) * some).mean((1, 2)) / seen + (kinds * (1 - some)).mean((1, 2)) / 2
        whole = self.whole(h.mean((2, 3))).float().split(self.scene, 1)
        scene = [F.cross_entropy(logits, words.long(), reduction="none") for logits, words in zip(whole, truth.scene.T)]
        return places + torch.stack(scene).mean(0)
