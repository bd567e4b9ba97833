"""What keeps pictures from blurring where a decoder only lowers its error: texture that matches, and a patch critic.

A mean square error is lowest at the mean of all pictures that a code may stand for, which is soft. Both terms here
ask instead that detail look as it does in pictures, and leave it to the decoder where it lies.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..adversarial import critic_loss, gradient_penalty
from ..metrics.restoration import perceptual_distance
from ..model import DataSpec, Update
from ..nets.features import EfficientNetLite0, over_grey
from ..nets.patchgan import PatchCritic, halvings_for
from ..weights import efficientnet_lite0

LEVELS = 2  # finest ones of the Laplacian pyramid, as far as pictures are large enough
WINDOW = 4  # rows and columns over which a level's energy is compared
MARGIN = 2.0  # between scores, from which on the hinge loss asks for no more
FAINT = 0.02  # amplitude, in [-1, 1], below which texture is none


@dataclass(frozen=True)
class Detail:
    """What the decoder is asked for beside a small error."""

    adversarial: float = 0.5  # the critic's pull at a picture, in that of the likelihood; 0 leaves the critic out
    texture: float = 8.0  # weight of the local energy of detail, in that of the error
    perceptual: float = 0.0  # weight of the distance of a frozen network's features, in that of the error; 0 is without
    width: int = 32  # channels of the critic's first layer
    lr: float = 1e-3  # of the critic (Adam)
    r1: float = 0.1  # gamma of its gradient penalty
    r1_every: int = 16  # steps between two penalties; each then counts that many times

    def __post_init__(self) -> None:
        if min(self.adversarial, self.texture, self.perceptual, self.r1) < 0 or self.r1_every < 1:
            raise ValueError("detail.adversarial, texture, perceptual and r1 are at least 0, r1_every is at least 1")


def texture_error(x: Tensor, y: Tensor) -> Tensor:
    """How much the local energy of detail differs: squares, their mean over places, summed over levels (B,).

    Amplitudes are root mean squares over windows of each level of the Laplacian pyramid (Burt and Adelson 1983): the
    statistics of texture of Heeger and Bergen (1995), taken locally. Pictures are (B, C, H, W).
    """
    errors = []
    for level in range(LEVELS):
        if level and min(x.shape[-2:]) < 2 * WINDOW:
            break
        (x, fine), (y, known) = _split(x), _split(y)
        errors.append((_amplitude(fine) - _amplitude(known)).square().flatten(1).mean(1))
    return torch.stack(errors).sum(0)


def _split(x: Tensor) -> tuple[Tensor, Tensor]:
    """A picture at half its size, and what is lost by that (B, C, H, W)."""
    small = F.avg_pool2d(x, 2, ceil_mode=True)
    return small, x - F.interpolate(small, x.shape[-2:], mode="bilinear", align_corners=False)


def _amplitude(x: Tensor) -> Tensor:
    return (F.avg_pool2d(x.square(), WINDOW, WINDOW // 2) + FAINT**2).sqrt()


def towards_real(
    critic: PatchCritic, drawn: Tensor, image: Tensor, label: Tensor | None, where: Tensor | None = None
) -> Tensor:
    """The direction in which drawn pictures (B, C, H, W) come to look as real as `image` does, 0 outside of `where`.

    Its root mean square within is 1 where the critic tells the two apart with all the margin that it is asked for,
    and less where it is less sure: what a critic has not learnt is noise, and where it is beaten there is nothing to
    gain.
    """
    score = _mean(*_judged(critic, drawn, label, where))
    with torch.no_grad():
        sure = ((_mean(*_judged(critic, image, label, where)) - score) / MARGIN).clamp(0, 1)  # (B,)
    (gradient,) = torch.autograd.grad(score.sum(), drawn)
    gradient = gradient if where is None else gradient * where
    size = (gradient.square().mean((1, 2, 3)) / share_of(where)).sqrt().clamp(min=1e-12)
    pull: Tensor = gradient * (sure / size)[:, None, None, None]
    return pull


def _judged(critic: PatchCritic, x: Tensor, label: Tensor | None, where: Tensor | None) -> tuple[Tensor, Tensor]:
    """The scores of pictures (B, 1, H', W'), and which of them are of patches that `where` reaches into."""
    if where is None:
        scores: Tensor = critic(x, label)
        return scores, torch.ones_like(scores, dtype=torch.bool)
    scores = critic(torch.cat([x, where.to(x.dtype)], 1), label)
    return scores, F.adaptive_max_pool2d(where.float(), scores.shape[-2:]) > 0


def _mean(scores: Tensor, counted: Tensor) -> Tensor:
    """Each row's mean of those that count (B,)."""
    return (scores * counted).sum((1, 2, 3)) / counted.sum((1, 2, 3))


def share_of(where: Tensor | None) -> Tensor | float:
    """The share of each picture that is asked about (B,)."""
    return 1.0 if where is None else where.float().mean((1, 2, 3))


def critic_for(detail: Detail, spec: DataSpec, holes: bool = False) -> PatchCritic | None:
    """The critic of pictures of this shape, and of their labels; None where it is left out.

    Args:
        holes: it is shown where pictures may be drawn, as one more channel.
    """
    if not detail.adversarial:
        return None
    halvings = halvings_for(spec.size)
    return PatchCritic(spec.channels + holes, classes=len(spec.labels), width=detail.width, halvings=halvings)


def seer_for(detail: Detail) -> EfficientNetLite0 | None:
    """The frozen network whose features are compared; None where it is left out."""
    return efficientnet_lite0() if detail.perceptual else None


def detail_loss(
    critic: PatchCritic | None,
    seer: EfficientNetLite0 | None,
    detail: Detail,
    image: Tensor,
    drawn: Tensor,
    label: Tensor | None,
    sigma: Tensor,
    where: Tensor | None = None,
) -> tuple[Tensor, dict[str, Tensor]]:
    """What detail adds to the loss, in nats for each value that is asked about, and figures for the log.

    The critic pulls at each picture with a root mean square of up to `adversarial` / sigma, as the likelihood does
    with 1 / sigma: so neither outgrows the other, whatever the critic's scale. (Esser et al. 2021, eq. 7, compare the
    two at the decoder's last layer, which takes the whole batch and a second pass.)

    Args:
        seer: compares what it sees in both (Johnson et al. 2016; `perceptual_distance`).
        image, drawn: pictures (B, C, H, W) and what the decoder made of their codes.
        sigma: () the decoder's noise level, or (B,) that of each picture.
        where: (B, 1, H, W) bool, the only places where the two may differ, some in each row; None are all.
    """
    share = share_of(where)
    error = texture_error(drawn, image) / share  # (B,)
    loss = detail.texture / 2 * (error / sigma**2).mean()
    if critic is not None:
        pull = towards_real(critic, drawn, image, label, where)
        loss = loss - detail.adversarial * ((drawn * pull).mean((1, 2, 3)) / share / sigma).mean()
    found = {"texture": error.detach().mean().sqrt()}
    if seer is not None:
        distance = perceptual_distance(seer, over_grey(drawn), over_grey(image)) / share  # (B,)
        loss = loss + detail.perceptual / 2 * (distance / sigma**2).mean()
        found["perceptual"] = distance.detach().mean()
    return loss, found


def critic_turn(
    critic: PatchCritic,
    settings: Detail,
    image: Tensor,
    fake: Tensor,
    label: Tensor | None,
    step: int,
    where: Tensor | None = None,
) -> Update:
    """The critic's turn: hinge loss, with R1 every `r1_every` steps (Karras et al. 2020, section 3.1).

    image, fake: pictures (B, C, H, W) and what the decoder made of their codes, without its graph; where: as above.
    """

    def contest(real: Tensor, near: Tensor) -> Tensor:
        drawn, _ = _judged(critic, fake, label, where)
        return critic_loss("hinge", real[near], drawn[near])

    if settings.r1 == 0 or step % settings.r1_every:
        return Update("critic", contest(*_judged(critic, image, label, where)))
    with torch.autocast(image.device.type, enabled=False):  # gradients of gradients want float32
        image = image.detach().float().requires_grad_()
        real, near = _judged(critic, image, label, where)
        penalty = gradient_penalty(_mean(real, near), image).mean()
        return Update("critic", contest(real, near) + settings.r1 / 2 * settings.r1_every * penalty)
