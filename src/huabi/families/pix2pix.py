"""Pairs of pictures teach how the one becomes the other (Isola et al. 2017)."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.optim import Adam, Optimizer

from ..metrics.restoration import perceptual_distance
from ..model import Batch, DataSpec, Family, Update
from ..nets.features import over_grey
from ..requests import Translate
from ..weights import efficientnet_lite0
from ._translation import (
    Contest,
    Dense,
    ResNet,
    UNet,
    critic_error,
    critic_for,
    pull,
    room_of,
    target_of,
    translations,
    translator_for,
    whole,
)


@dataclass(frozen=True)
class Pix2PixConfig:
    """Settings of `pix2pix`."""

    batch: int = 8
    lr: float = 5e-4  # of the generator (Adam)
    beta1: float = 0.5
    beta2: float = 0.99
    warmup: int = 50  # steps
    ema: float = 0.02  # length of the weight average, as a share of the run
    adversarial: float = 1.0  # weight of the contest with the critic
    l1: float = 10.0  # weight of the mean absolute error; 100 in the paper, whose critic's slopes nothing bounds
    perceptual: float = 0.0  # weight of the distance of a frozen network's features; 0 is without
    critic: Contest = field(default_factory=Contest)
    net: Dense | UNet | ResNet = field(default_factory=Dense)

    def __post_init__(self) -> None:
        if min(self.adversarial, self.l1, self.perceptual) < 0 or not self.l1 + self.perceptual + self.adversarial:
            raise ValueError("adversarial, l1 and perceptual are at least 0, and not all of them 0")


class Pix2Pix(Family):
    """A generator that draws what a picture becomes, and a critic that sees both.

    Where pairs have labels, such as the style of the second picture, one generator learns all of them, and is told
    which. The critic scores patches (a conditional PatchGAN). It draws without noise: the textbook's dropout is a cure
    for overfitting here, and is left out when it draws.
    """

    name = "pix2pix"
    title = "turns one picture into another; learns from pairs"
    Config = Pix2PixConfig
    requests = (Translate,)
    needs = ("image", "target")
    training_only = ("critic", "seer")
    max_grad_norm = 100.0  # a guard only: the weight of the error sets the gradients' scale
    rows = 1

    config: Pix2PixConfig

    def __init__(self, config: Pix2PixConfig, spec: DataSpec) -> None:
        super().__init__(config, spec)
        classes = len(spec.labels)
        self.generator = translator_for(config.net, spec, classes)
        self.critic = critic_for(config.critic, spec, 2 * spec.channels, classes)
        self.seer = efficientnet_lite0() if config.perceptual else None

    def optimizers(self) -> dict[str, Optimizer]:
        betas = (self.config.beta1, self.config.beta2)
        return {
            "generator": Adam(self.generator.parameters(), self.config.lr, betas, fused=True),
            "critic": Adam(self.critic.parameters(), self.config.critic.lr, betas, fused=True),
        }

    def losses(self, batch: Batch, step: int) -> Iterator[Update]:
        assert batch.target is not None
        config, source, target = self.config, batch.image, batch.target
        label = batch.label if self.spec.labels else None
        fake = self.generator(source, label)  # (B, C, H, W)
        real_pair, fake_pair = (torch.cat([source, x], 1) for x in (target, fake))
        error = (fake - target).abs().mean()
        found = {"l1": error}
        loss = config.l1 * error
        if config.adversarial:
            found["adversarial"] = pull(config.critic, self.critic, real_pair, fake_pair, label)
            loss = loss + config.adversarial * found["adversarial"]
        if self.seer is not None:
            found["perceptual"] = perceptual_distance(self.seer, over_grey(fake), over_grey(target)).mean()
            loss = loss + config.perceptual * found["perceptual"]
        yield Update("generator", loss, {name: value.detach() for name, value in found.items()})
        if config.adversarial:
            fake_pair = fake_pair.detach()
            yield Update("critic", critic_error(config.critic, self.critic, real_pair, fake_pair, step, label))

    @torch.no_grad()
    def sample(self, requests: Sequence[Translate]) -> Iterator[Tensor]:
        def apply(request: Translate, x: Tensor) -> Tensor:
            number = target_of(request, self.spec)
            label = torch.full((1,), number, device=x.device) if number >= 0 else None
            return whole(lambda part: self.generator(part, label), x, self.spec, self.generator.multiple)

        yield translations(requests, self.spec, self.device, apply)

    def batch_key(self, request: Translate) -> Hashable:
        return room_of(request, self.spec)
