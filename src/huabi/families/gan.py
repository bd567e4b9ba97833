"""DCGAN (Radford et al. 2016) with a relativistic or non-saturating loss and lazy R1, conditioned on labels if any."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from ..model import Batch, DataSpec, Family, Update
from ..nets.convnets import ConvCritic, ConvGenerator
from ..requests import Generate
from ._rows import label_mix_of, latents_of, refuse


@dataclass(frozen=True)
class NetConfig:
    """The shape of both networks."""

    width: int = 32  # channels at half the full resolution; they double with every halving, up to 8 times
    latent: int = 64  # length of the noise


@dataclass(frozen=True)
class GANConfig:
    """Settings of `gan`."""

    batch: int = 64
    lr: float = 7e-4  # of both networks (Adam)
    beta1: float = 0.5
    beta2: float = 0.99
    warmup: int = 50  # steps
    ema: float = 0.05  # length of the weight average, as a share of the run
    loss: str = "nonsaturating"  # or relativistic
    r1: float = 1.0  # gamma of the gradient penalty
    r1_every: int = 16  # steps between two penalties; each then counts that many times
    net: NetConfig = field(default_factory=NetConfig)

    def __post_init__(self) -> None:
        if self.batch < 2:
            raise ValueError("batch must be at least 2: the generator normalises over the batch")
        if self.loss not in ("relativistic", "nonsaturating"):
            raise ValueError(f"loss={self.loss}: known are relativistic, nonsaturating")
        if self.r1 < 0 or self.r1_every < 1:
            raise ValueError("r1 is at least 0 and r1_every at least 1")


def generator_loss(fake: Tensor, real: Tensor | float = 0.0) -> Tensor:
    """-log sigmoid(fake - real) of scores (B,), meaned.

    With real = 0 it is the non-saturating loss (Goodfellow et al. 2014, section 3), with the scores of real pictures
    the relativistic one (Jolicoeur-Martineau 2018, eq. 6).
    """
    return F.softplus(real - fake).mean()


def critic_loss(real: Tensor, fake: Tensor, relativistic: bool = False) -> Tensor:
    """-log sigmoid(real) - log(1 - sigmoid(fake)) of scores (B,), meaned (Goodfellow et al. 2014, eq. 1).

    The relativistic one is -log sigmoid(real - fake): each fake is measured against a real picture. The generator
    cannot win by one good picture, since the reals that it leaves out stay above it (Sun et al. 2020).
    """
    return F.softplus(fake - real).mean() if relativistic else F.softplus(-real).mean() + F.softplus(fake).mean()


def gradient_penalty(scores: Tensor, images: Tensor) -> Tensor:
    """The squared norm of each score's gradient by its picture (B,), itself differentiable (R1; Mescheder 2018, eq. 9).

    scores (B,) must have been computed from images (B, C, H, W) that ask for gradients, row from row.
    """
    (gradient,) = torch.autograd.grad(scores.sum(), images, create_graph=True)
    return gradient.square().flatten(1).sum(1)


class GAN(Family):
    """Two networks in a contest: the generator draws, the critic tells its pictures from real ones."""

    name = "gan"
    title = "a draughtsman against a critic; sharp pictures in one step"
    Config = GANConfig
    requests = (Generate,)
    whole_batch = True  # BatchNorm
    training_only = ("critic",)
    max_grad_norm = 100.0  # a guard only: R1 comes with large gradients every few steps

    config: GANConfig

    def __init__(self, config: GANConfig, spec: DataSpec) -> None:
        super().__init__(config, spec)
        classes, net = len(spec.labels), config.net
        self.generator = ConvGenerator(spec.channels, spec.size, classes=classes, latent=net.latent, width=net.width)
        self.critic = ConvCritic(spec.channels, spec.size, classes=classes, width=net.width)

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        lr, betas = self.config.lr, (self.config.beta1, self.config.beta2)
        return {
            "generator": torch.optim.Adam(self.generator.parameters(), lr, betas),
            "critic": torch.optim.Adam(self.critic.parameters(), lr, betas),
        }

    def losses(self, batch: Batch, step: int) -> Iterator[Update]:
        # fakes take the labels of the real pictures, so that both follow one distribution
        label = batch.label if self.spec.labels else None
        fake = self.generator(batch.rng.normal(self.config.net.latent), label)  # (B, C, H, W)
        real: Tensor | float = 0.0
        if self.relativistic:
            with torch.no_grad():
                real = self.critic(batch.image, label)
        yield Update("generator", generator_loss(self.critic(fake, label), real))
        fake = fake.detach()
        yield self.critic_turn(batch.image, fake, label, step)

    @property
    def relativistic(self) -> bool:
        return self.config.loss == "relativistic"

    def critic_turn(self, image: Tensor, fake: Tensor, label: Tensor | None, step: int) -> Update:
        """The critic's turn, with R1 every `r1_every` steps (Karras et al. 2020, section 3.1).

        It logs `confidence`: how probable the critic finds it, on the mean, that of a real picture and a fake one the
        first is the real one (Jolicoeur-Martineau 2018).
        """
        if self.config.r1 == 0 or step % self.config.r1_every:
            return self._contest(self.critic(image, label), self.critic(fake, label))
        with torch.autocast(image.device.type, enabled=False):  # gradients of gradients want float32
            image = image.detach().float().requires_grad_()
            real = self.critic(image, label)
            penalty = gradient_penalty(real, image).mean()
            weight = self.config.r1 / 2 * self.config.r1_every
            update = self._contest(real, self.critic(fake.float(), label))
            return update._replace(loss=update.loss + weight * penalty)

    def _contest(self, real: Tensor, fake: Tensor) -> Update:
        """The critic's update on its scores (B,) of real pictures and of fake ones."""
        confidence = (real - fake).detach().sigmoid().mean()
        return Update("critic", critic_loss(real, fake, self.relativistic), {"confidence": confidence})

    @torch.no_grad()
    def sample(self, requests: Sequence[Generate]) -> Iterator[Tensor]:
        for request in requests:
            refuse(request, "steps", "guidance", "solver", why="a gan draws in one step")
        z = latents_of(requests, (self.config.net.latent,)).to(self.device)
        yield self.generator(z, label_mix_of(requests, self.spec, self.device)).float()
