"""Pictures and words in one space (CLIP; Radford et al. 2021): how well a text fits a picture."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import RequestError
from ..model import Batch, DataSpec, Family, Update
from ..nets.convnets import ConvEncoder
from ..nets.text import TextEncoder, groups_of
from ..optim import Muon
from .classifier import NetConfig, shifted

SHARPEST = math.log(100)  # of the logits' scale, as in Radford et al. 2021, section 2.5


@dataclass(frozen=True)
class TextConfig:
    """The shape of the network that reads texts."""

    width: int = 128
    depth: int = 1  # blocks
    length: int = 48  # words that are read; the rest of a text is cut


@dataclass(frozen=True)
class ContrastConfig:
    """Settings of `contrast`."""

    batch: int = 128  # each picture is told from the texts of all the others
    lr: float = 4e-3  # of the hidden matrices (Muon) and of all else (AdamW)
    warmup: int = 50  # steps
    ema: float = 0.05  # length of the weight average, as a share of the run
    weight_decay: float = 0.05
    shift: float = 0.1  # pictures are moved by up to this share of their side
    features: int = 128  # numbers that a picture or a text becomes
    net: NetConfig = field(default_factory=NetConfig)
    text: TextConfig = field(default_factory=TextConfig)


class Contrast(Family):
    """Two encoders, of pictures and of texts, whose features are near where both mean the same. It draws nothing."""

    name = "contrast"
    title = "knows which words fit which picture"
    Config = ContrastConfig
    needs = ("image", "caption")
    whole_batch = True  # the other rows are what a row is told from

    config: ContrastConfig

    def __init__(self, config: ContrastConfig, spec: DataSpec) -> None:
        super().__init__(config, spec)
        net, text = config.net, config.text
        self.net = ConvEncoder(spec.channels, spec.size, config.features, width=net.width, depth=net.depth)
        self.reader = TextEncoder(text.width, depth=text.depth, length=text.length)
        self.leave = nn.Linear(text.width, config.features, bias=False)
        self.sharpness = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return {"net": Muon.of(self, lr=self.config.lr, weight_decay=self.config.weight_decay)}

    def losses(self, batch: Batch, step: int) -> Iterator[Update]:
        assert batch.caption is not None
        image = shifted(batch.image, self.config.shift, batch.rng.uniform(2))
        groups = groups_of(batch.caption, self.config.text.length).to(self.device)
        said = (groups >= 0) | (groups < 0).all()  # a picture of which nothing is said teaches nothing
        same = groups[said, None] == groups[said]
        pictures, texts = self._seen(image)[said], self._read(batch.caption)[said]
        loss, right = contrastive_loss(pictures, texts, same, self.sharpness.clamp(max=SHARPEST).exp())
        yield Update("net", loss, {"matched": right.float().mean()})

    def _seen(self, x: Tensor) -> Tensor:
        return F.normalize(self.net(x).float(), dim=1)

    def _read(self, texts: Sequence[str]) -> Tensor:
        return F.normalize(self.leave(self.reader(texts).pooled).float(), dim=1)

    @torch.no_grad()
    def embed(self, x: Tensor) -> Tensor:
        """Pictures (B, C, H, W) in [-1, 1] -> features (B, D) of length 1."""
        return self._seen(x)

    @torch.no_grad()
    def embed_text(self, texts: Sequence[str]) -> Tensor:
        """Texts -> features (B, D) of length 1; their products with those of pictures are cosines."""
        return self._read(texts)

    def sample(self, requests: Sequence[Any]) -> Iterator[Tensor]:
        """Draws nothing: raises `RequestError`."""
        raise RequestError("contrast compares pictures with words and draws none; `huabi find` searches with it")


def contrastive_loss(pictures: Tensor, texts: Tensor, same: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """The symmetric loss (scalar), and for each picture whether the nearest text is right (B,).

    Cross-entropy over the texts of the batch for each picture, and over its pictures for each text (Radford et al.
    2021, figure 3). Where texts are the same, each of them is as right as the others: the target is shared equally
    among them (Yang et al. 2022, "Unified contrastive learning", eq. 3), so that no pair is both asked for and refused.

    Args:
        pictures, texts: features (B, D) of length 1, of pairs.
        same: (B, B) bool, whether two of the texts are the same.
        scale: of the logits, 1 / temperature.
    """
    with torch.autocast(pictures.device.type, enabled=False):  # cosines near each other are one in bf16
        logits = scale.float() * pictures.float() @ texts.float().T  # (B, B)
    target = same / same.sum(1, keepdim=True)
    loss = (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2
    return loss, same.gather(1, logits.argmax(1, keepdim=True))[:, 0]
