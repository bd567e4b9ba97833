"""The convolutional classifier (LeCun et al. 1998, with the residual blocks of He et al. 2016): a picture's label."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import RequestError
from ..model import Batch, DataSpec, Family, Update
from ..nets.convnets import ConvClassifier
from ..nets.scenenet import SceneNet
from ..optim import Muon
from ..truth import SLOTS, THINGS, Reading, unpack
from ._scene import readings, scene_losses


@dataclass(frozen=True)
class NetConfig:
    """The network's shape."""

    width: int = 32  # channels of the first level
    depth: int = 1  # blocks of a level


@dataclass(frozen=True)
class ClassifierConfig:
    """Settings of `classifier`."""

    batch: int = 64
    lr: float = 2e-3  # of the hidden matrices (Muon) and of all else (AdamW)
    warmup: int = 50  # steps
    ema: float = 0.05  # length of the weight average, as a share of the run
    weight_decay: float = 0.05
    smoothing: float = 0.1  # of the labels (Szegedy et al. 2016, section 7)
    shift: float = 0.1  # pictures are moved by up to this share of their side
    net: NetConfig = field(default_factory=NetConfig)


class Classifier(Family):
    """Reads the label of a picture; where it learnt from drawn scenes, all that they show. It draws nothing."""

    name = "classifier"
    title = "reads which class a picture is of"
    Config = ClassifierConfig
    needs = ("image", "label")

    config: ClassifierConfig

    def __init__(self, config: ClassifierConfig, spec: DataSpec) -> None:
        super().__init__(config, spec)
        shape: dict[str, Any] = {"width": config.net.width, "depth": config.net.depth}
        labels = max(1, len(spec.labels))
        self.net: ConvClassifier | SceneNet
        if spec.facts:
            words = {name: len(known) for name, known in spec.facts}
            things = {f"{name}s": words.pop(name) for name in THINGS}
            self.net = SceneNet(spec.channels, spec.size, (*words.values(), labels), **things, **shape)
        else:
            self.net = ConvClassifier(spec.channels, spec.size, labels, **shape)

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return {"net": Muon.of(self.net, lr=self.config.lr, weight_decay=self.config.weight_decay)}

    def losses(self, batch: Batch, step: int) -> Iterator[Update]:
        assert batch.label is not None
        u = batch.rng.uniform(2)
        image = shifted(batch.image, self.config.shift, u)
        parts: dict[str, Tensor] = {}
        if isinstance(self.net, SceneNet):
            assert batch.truth is not None
            truth = unpack(batch.truth, self.spec.facts, self.spec.size)
            truth = truth._replace(map=shifted(truth.map[:, None], self.config.shift, u)[:, 0])
            maps = self.net(image)
            chance = batch.rng.uniform(4 * SLOTS)
            logits, parts = maps.scene[-1], scene_losses(self.net, maps, truth, self.config.smoothing, chance)
        else:
            logits = self.net(image).float()
        loss = F.cross_entropy(logits, batch.label, label_smoothing=self.config.smoothing)
        accuracy = (logits.argmax(1) == batch.label).float().mean()
        yield Update("net", loss + sum(parts.values()), {"accuracy": accuracy, **parts})

    @torch.no_grad()
    def classify(self, x: Tensor) -> Tensor:
        """Pictures (B, C, H, W) in [-1, 1] -> logits (B, labels), in the order of `spec.labels`."""
        logits: Tensor = self.net(x).scene[-1] if isinstance(self.net, SceneNet) else self.net(x)
        return logits.float()

    @torch.no_grad()
    def embed(self, x: Tensor) -> Tensor:
        """Pictures (B, C, H, W) in [-1, 1] -> features (B, D): what the label is read from, or what a scene says."""
        if isinstance(self.net, SceneNet):
            maps = self.net(x)
            return torch.cat([maps.features.mean((2, 3)), *maps.scene], 1)
        return self.net.features(x).float()

    @torch.no_grad()
    def read(self, x: Tensor) -> list[Reading]:
        """What is seen in pictures (B, C, H, W) in [-1, 1]; raises `RequestError` where it learnt labels alone."""
        if not isinstance(self.net, SceneNet):
            raise RequestError("this classifier learnt labels alone; one that is trained on `world` reads scenes")
        return list(readings(self.net, self.net(x), self.spec.facts))

    def sample(self, requests: Sequence[Any]) -> Iterator[Tensor]:
        """Draws nothing: raises `RequestError`."""
        raise RequestError("a classifier reads pictures and draws none; train diffusion, gan or vae to draw")


def shifted(x: Tensor, share: float, u: Tensor) -> Tensor:
    """Pictures (B, C, H, W), each moved by up to `share` of its side both ways, by u (B, 2) in [0, 1).

    What moves in mirrors the edge.
    """
    pads = [int(side * share) for side in x.shape[-2:]]
    if not any(pads):
        return x
    padded = F.pad(x, (pads[1], pads[1], pads[0], pads[0]), mode="reflect")
    axes = []
    for k, (pad, side) in enumerate(zip(pads, x.shape[-2:], strict=True)):
        start = (u[:, k] * (2 * pad + 1)).long()  # (B,)
        axes.append(start[:, None] + torch.arange(side, device=x.device))  # (B, side)
    rows, columns = axes
    index = torch.arange(len(x), device=x.device)
    moved: Tensor = padded.permute(0, 2, 3, 1)[index[:, None, None], rows[:, :, None], columns[:, None, :]]
    return moved.permute(0, 3, 1, 2)
