"""Generative adversarial networks: a generator and a critic, under the losses and with the cures of the field."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from ..adversarial import LOSSES, critic_loss, generator_loss, gradient_penalty, lipschitz_penalty
from ..errors import RequestError
from ..model import Batch, DataSpec, Family, Update
from ..nets.augment import ADA, Augment, Auto, DiffAugment, Off
from ..nets.gans import DCGANCritic, DCGANGenerator, ResNetCritic, ResNetGenerator
from ..nets.projected import ProjectedCritic
from ..requests import Generate
from ..rng import row_noise
from ..weights import efficientnet_lite0
from ._rows import label_mix_of, latents_of, refuse, truncation_of

WIDTH, STEPS = 32, 12_000  # a net of this width wants so many steps, a wider one is worth it where there are more
NARROWEST, WIDEST = 24, 128  # below, a step hardly gets faster on a CPU


@dataclass(frozen=True)
class ResNet:
    """Residual blocks that hear noise and class at every norm."""

    kind: ClassVar[str] = "resnet"

    width: int = 0  # channels at the finest level, doubled with every halving up to 4 times; 0: as the time allows
    depth: int = 1  # blocks of a level
    latent: int = 64  # length of the noise
    spectral: bool = False  # spectral normalisation of the critic
    deviation: bool = True  # the critic sees how much the pictures of a batch differ

    def __post_init__(self) -> None:
        if self.width < 0 or min(self.depth, self.latent) < 1:
            raise ValueError("net.width is at least 0, net.depth and net.latent are at least 1")


@dataclass(frozen=True)
class DCGAN:
    """The textbook's networks (Radford et al. 2016)."""

    kind: ClassVar[str] = "dcgan"

    width: int = 64  # channels at half the full resolution; they double with every halving, up to 8 times
    latent: int = 100  # length of the noise
    norm: bool = True  # BatchNorm in the critic, too
    spectral: bool = False  # spectral normalisation of the critic
    deviation: bool = False  # the critic sees how much the pictures of a batch differ

    def __post_init__(self) -> None:
        if min(self.width, self.latent) < 1:
            raise ValueError("net.width and net.latent are at least 1")


@dataclass(frozen=True)
class Projected:
    """Residual blocks that draw, and a critic of what a frozen network sees (Sauer et al. 2021)."""

    kind: ClassVar[str] = "projected"

    width: int = 0  # channels at the finest level, doubled with every halving up to 4 times; 0: as the time allows
    depth: int = 1  # blocks of a level
    latent: int = 64  # length of the noise
    judges: int = 64  # channels of each of the critics
    least: int = 64  # pixels of the short side that pictures are enlarged to before the network sees them

    def __post_init__(self) -> None:
        if self.width < 0 or min(self.depth, self.latent, self.judges) < 1 or self.least < 32:
            raise ValueError("net.width is at least 0, net.depth, latent and judges at least 1, net.least at least 32")


@dataclass(frozen=True)
class GANConfig:
    """Settings of `gan`."""

    batch: int = 16
    lr: float = 5e-4  # of the generator (Adam)
    critic_lr: float = 5e-4  # another one gives two time scales (Heusel et al. 2017)
    critic_steps: int = 1  # turns of the critic for each of the generator
    beta1: float = 0.0  # Adam's momentum; what it remembers is of other pictures than those drawn now
    beta2: float = 0.99
    warmup: int = 50  # steps
    ema: float = 0.05  # length of the weight average, as a share of the run
    loss: str = "relativistic"  # or hinge, least-squares, nonsaturating, wgan-gp
    r1: float = 0.05  # gamma of the penalty on the critic's slope at real pictures; wgan-gp has its own penalty instead
    r2: float = 0.05  # the same at drawn ones
    penalty_every: int = 16  # steps between two of these penalties; each then counts that many times
    gp: float = 10.0  # weight of wgan-gp's penalty
    augment: Auto | ADA | DiffAugment | Off = field(default_factory=Auto)  # of what the critic sees
    truncation: float = 1.0  # when a request names none: below 1, noise is drawn towards its mean (Brock et al. 2019)
    net: ResNet | DCGAN | Projected = field(default_factory=ResNet)

    def __post_init__(self) -> None:
        if self.batch < 2:
            raise ValueError("batch must be at least 2: the generator normalises over the batch")
        if self.loss not in LOSSES:
            raise ValueError(f"loss={self.loss}: known are {', '.join(LOSSES)}")
        if min(self.r1, self.r2, self.gp) < 0 or self.penalty_every < 1 or self.critic_steps < 1:
            raise ValueError("r1, r2 and gp are at least 0, penalty_every and critic_steps at least 1")
        if self.loss == "wgan-gp" and getattr(self.net, "norm", False):
            raise ValueError("loss=wgan-gp judges each picture by itself (Gulrajani et al. 2017): add net.norm=false")
        if not 0 <= self.truncation <= 1:
            raise ValueError("truncation lies in [0, 1]")


class GAN(Family):
    """Two networks in a contest: the generator draws, the critic tells its pictures from real ones.

    By default the relativistic loss with R1 and R2, both lazy (Huang et al. 2024 on why these two suffice; Karras et
    al. 2020b, section 3.1, on why every 16 steps do).
    """

    name = "gan"
    title = "a draughtsman against a critic; sharp pictures in one step"
    Config = GANConfig
    requests = (Generate,)
    whole_batch = True  # BatchNorm
    training_only = ("critic", "augment")
    max_grad_norm = 100.0  # a guard only: penalties come with large gradients every few steps

    config: GANConfig

    def __init__(self, config: GANConfig, spec: DataSpec) -> None:
        super().__init__(config := self.fit(config), spec)
        net, (channels, size) = config.net, (spec.channels, spec.size)
        classes = len(spec.labels)
        seen: dict[str, Any] = {"classes": classes, "width": net.width}
        self.augment = Augment(config.augment, spec.count)
        self.generator: ResNetGenerator | DCGANGenerator
        self.critic: ResNetCritic | DCGANCritic | ProjectedCritic
        if isinstance(net, DCGAN):
            self.generator = DCGANGenerator(channels, size, latent=net.latent, **seen)
        else:
            self.generator = ResNetGenerator(channels, size, latent=net.latent, depth=net.depth, **seen)
        if isinstance(net, Projected):
            frozen = efficientnet_lite0()
            self.critic = ProjectedCritic(frozen, size, classes=classes, width=net.judges, least=net.least)
            return
        judged = seen | {"spectral": net.spectral, "deviation": net.deviation}
        if isinstance(net, DCGAN):
            self.critic = DCGANCritic(channels, size, norm=net.norm, **judged)
        else:
            self.critic = ResNetCritic(channels, size, depth=net.depth, **judged)

    @classmethod
    def fit(cls, config: Any, steps: Callable[[Any], float] | None = None) -> Any:
        if config.net.width:
            return config
        base = replace(config, net=replace(config.net, width=WIDTH))
        if steps is None:
            return base
        # the arithmetic of a step grows with the width's square
        width = 8 * round(WIDTH * math.sqrt(steps(base) / STEPS) / 8)
        return replace(config, net=replace(config.net, width=max(NARROWEST, min(WIDEST, width))))

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        betas = (self.config.beta1, self.config.beta2)
        learns = [p for p in self.critic.parameters() if p.requires_grad]
        return {
            "generator": torch.optim.Adam(self.generator.parameters(), self.config.lr, betas),
            "critic": torch.optim.Adam(learns, self.config.critic_lr, betas),
        }

    def losses(self, batch: Batch, step: int) -> Iterator[Update]:
        # fakes take the labels of the real pictures, so that both follow one distribution
        label = batch.label if self.spec.labels else None
        learns = step % self.config.critic_steps == 0
        with torch.set_grad_enabled(learns):
            fake = self.generator(batch.rng.normal(self.config.net.latent), label)  # (B, C, H, W)
        if learns:
            real = None
            if self.config.loss == "relativistic":
                with torch.no_grad():
                    real = self.critic(self.augment(batch.image, batch.rng), label)
            drawn = self.critic(self.augment(fake, batch.rng), label)
            yield Update("generator", generator_loss(self.config.loss, drawn, real))
        image, fake = (self.augment(x.detach(), batch.rng) for x in (batch.image, fake))
        yield self.critic_turn(batch, image, fake, label, step)

    def critic_turn(self, batch: Batch, image: Tensor, fake: Tensor, label: Tensor | None, step: int) -> Update:
        """The critic's turn on real pictures and drawn ones (B, C, H, W), with what penalties are due at `step`."""
        config = self.config
        wasserstein = config.loss == "wgan-gp"
        due = not wasserstein and (config.r1 or config.r2) and step % config.penalty_every == 0
        if not due and not wasserstein:
            return self._contest(self.critic(image, label), self.critic(fake, label), step)
        with torch.autocast(fake.device.type, enabled=False):  # gradients of gradients want float32
            image, fake = (x.float().requires_grad_(bool(due)) for x in (image, fake))
            real, drawn = self.critic(image, label), self.critic(fake, label)
            update = self._contest(real, drawn, step)
            if wasserstein:
                u = batch.rng.uniform()
                penalty = config.gp * lipschitz_penalty(lambda x: self.critic(x, label), image, fake, u).mean()
            else:
                slopes = zip((config.r1, config.r2), (real, drawn), (image, fake))
                weighed = [gamma / 2 * gradient_penalty(scores, x).mean() for gamma, scores, x in slopes if gamma]
                penalty = config.penalty_every * torch.stack(weighed).sum()
            return update._replace(loss=update.loss + penalty)

    def _contest(self, real: Tensor, fake: Tensor, step: int) -> Update:
        """The critic's update on its scores (B,) of real pictures and of drawn ones.

        It logs `confidence`: how probable the critic finds it, on the mean, that of a real picture and a drawn one
        the first is the real one (Jolicoeur-Martineau 2018). The augmentation follows the same scores.
        """
        confidence = (real - fake).detach().sigmoid().mean()
        epochs = step * self.config.batch / max(1, self.spec.count)
        logs = {"confidence": confidence, **self.augment.adapt(real, fake, epochs, self.planned)}
        return Update("critic", critic_loss(self.config.loss, real, fake), logs)

    @torch.no_grad()
    def sample(self, requests: Sequence[Generate]) -> Iterator[Tensor]:
        for request in requests:
            refuse(request, "steps", "guidance", "solver", why="a gan draws in one step")
            if request.mix is not None and not self.generator.mixes:
                raise RequestError("this net hears noise at one place, so it cannot mix; train one with net=resnet")
        label = label_mix_of(requests, self.spec, self.device)
        shape = (self.config.net.latent,)
        psi = truncation_of(requests, self.config.truncation)
        z, fine = (psi * latents_of(requests, shape)).to(self.device), None
        if any(request.mix is not None for request in requests):
            seeds = [request.seed if request.mix is None else request.mix for request in requests]
            fine = (psi * row_noise(seeds, shape)).to(self.device)
        yield self.generator(z, label, fine).float()

    def batch_key(self, request: Any) -> Hashable:
        return request.mix is None
