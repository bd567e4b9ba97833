"""What families that turn pictures into other pictures share: their networks, their contest, and how they answer."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ..adversarial import LOSSES, critic_loss, generator_loss, gradient_penalty
from ..errors import RequestError, nearest
from ..model import DataSpec
from ..nets import translators
from ..nets.patchgan import PatchCritic, halvings_for
from ..requests import Translate
from ..restoring import check_memory
from ..tiles import tiled

LARGE = 256  # pixels from which on a ResNet has nine blocks instead of six (Zhu et al. 2017, section 7.1)
TILE = 2  # times the trained side: what is larger is translated in tiles
LOSSES_OF_TWO = tuple(loss for loss in LOSSES if loss != "wgan-gp")


@dataclass(frozen=True)
class Dense:
    """The diffusion's U-Net, whose output is added to the picture."""

    kind: ClassVar[str] = "dense"

    width: int = 64  # channels of the first level
    depth: int = 1  # blocks of a level, on the way down and again on the way up
    attention: int = 1  # how many of the lowest levels attend


@dataclass(frozen=True)
class UNet:
    """The textbook's U-Net (Isola et al. 2017)."""

    kind: ClassVar[str] = "unet"

    width: int = 64  # channels of the first layer; they double with every halving, up to 8 times
    dropout: float = 0.5  # of the innermost layers, while it learns


@dataclass(frozen=True)
class ResNet:
    """The textbook's residual net (Johnson et al. 2016, Zhu et al. 2017)."""

    kind: ClassVar[str] = "resnet"

    width: int = 64  # channels at the full resolution
    depth: int = 0  # residual blocks; 0: as many as the textbook has for pictures of this size


@dataclass(frozen=True)
class Contest:
    """The critic, and what it is trained on."""

    loss: str = "least-squares"  # or relativistic, hinge, nonsaturating
    width: int = 64  # channels of its first layer
    lr: float = 5e-4  # (Adam)
    r1: float = 0.05  # gamma of the penalty on its slope at real pictures; 0 is without
    r1_every: int = 16  # steps between two penalties; each then counts that many times

    def __post_init__(self) -> None:
        if self.loss not in LOSSES_OF_TWO:
            raise ValueError(f"critic.loss={self.loss}: known are {', '.join(LOSSES_OF_TWO)}")
        if self.r1 < 0 or self.r1_every < 1:
            raise ValueError("critic.r1 is at least 0, critic.r1_every at least 1")


Net = Dense | UNet | ResNet
Translator = translators.Dense | translators.SkipNet | translators.ResNet


def translator_for(net: Net, spec: DataSpec, classes: int = 0) -> Translator:
    """The network that these settings describe, for pictures of this shape."""
    match net:
        case Dense():
            shape: dict[str, Any] = {"width": net.width, "depth": net.depth, "attention": net.attention}
            return translators.Dense(spec.channels, spec.size, classes=classes, **shape)
        case UNet():
            shape = {"width": net.width, "dropout": net.dropout}
            return translators.SkipNet(spec.channels, spec.size, classes=classes, **shape)
    depth = net.depth or (9 if max(spec.size) >= LARGE else 6)
    return translators.ResNet(spec.channels, classes=classes, width=net.width, depth=depth)


def critic_for(contest: Contest, spec: DataSpec, channels: int, classes: int = 0) -> PatchCritic:
    """A critic of patches of pictures of `channels`."""
    return PatchCritic(channels, classes=classes, width=contest.width, halvings=halvings_for(spec.size))


def pull(contest: Contest, critic: nn.Module, real: Tensor, fake: Tensor, label: Tensor | None = None) -> Tensor:
    """What the generator lowers: how easily the critic tells its pictures from real ones."""
    scores = None
    if contest.loss == "relativistic":
        with torch.no_grad():
            scores = critic(real, label)
    return generator_loss(contest.loss, critic(fake, label), scores)


def critic_error(
    contest: Contest, critic: nn.Module, real: Tensor, fake: Tensor, step: int, label: Tensor | None = None
) -> Tensor:
    """What the critic lowers on real and drawn pictures, with R1 where it is due (Karras et al. 2020b, section 3.1)."""
    labels = None if label is None else torch.cat([label, label])
    if not contest.r1 or step % contest.r1_every:
        scores = critic(torch.cat([real, fake]), labels).chunk(2)
        return critic_loss(contest.loss, *scores)
    with torch.autocast(real.device.type, enabled=False):  # gradients of gradients want float32
        real = real.detach().float().requires_grad_()
        known, drawn = critic(torch.cat([real, fake.float()]), labels).chunk(2)
        penalty = gradient_penalty(known.mean((1, 2, 3)), real).mean()
        return critic_loss(contest.loss, known, drawn) + contest.r1 / 2 * contest.r1_every * penalty


def source_of(request: Translate, spec: DataSpec) -> tuple[Tensor, Tensor | None]:
    """The picture to translate, on white (C, H, W) in [-1, 1], and its alpha (1, H, W) where that says something.

    Pictures of four channels carry their alpha themselves.
    """
    from ..pictures import flatten, to_tensor  # here, since it brings Pillow

    whole = request.image.image(4)
    alpha = whole.getchannel("A")
    clear = spec.channels < 4 and alpha.getextrema() != (255, 255)
    return to_tensor(flatten(whole, spec.channels)), to_tensor(alpha) if clear else None


def room_of(request: Translate, spec: DataSpec) -> Hashable:
    """What answers must share so that they can stand in one tensor."""
    x, alpha = source_of(request, spec)
    return type(request), tuple(x.shape), alpha is None


def side_of(request: Translate, spec: DataSpec) -> int:
    """Which of the two kinds of pictures is asked for, the second one by default; `RequestError` where it is none."""
    names = spec.domains or ("A", "B")
    if request.to is None:
        return 1
    if request.to not in names:
        raise RequestError(f"this model knows no {request.to!r}; {nearest(request.to, names)}")
    return names.index(request.to)


def target_of(request: Translate, spec: DataSpec) -> int:
    """The label that is asked for, or -1 where the data has none; raises `RequestError` where it cannot be given."""
    if spec.labels:
        if request.to is None:
            raise RequestError(f"say what the picture shall become: to is one of {', '.join(spec.labels)}")
        return spec.label_index(request.to)
    if side_of(request, spec) == 0:
        first, second = spec.domains or ("A", "B")
        raise RequestError(f"this model goes one way, from {first} to {second}; leave {request.to!r} out")
    return -1


def translations(
    requests: Sequence[Translate], spec: DataSpec, device: torch.device, apply: Callable[[Translate, Tensor], Tensor]
) -> Tensor:
    """Each request's picture made by `apply` from (1, C, H, W), with the alpha that it came with: (B, 3 or 4, H, W).

    One by one, so that a picture is the same alone and among others; what is asked twice, as padding is, once.
    """
    done: dict[Translate, Tensor] = {}
    for request in dict.fromkeys(requests):
        check_memory(request.image.size(), device)
        x, alpha = source_of(request, spec)
        drawn = apply(request, x[None].to(device))[0].float()
        done[request] = drawn if alpha is None else torch.cat([drawn.expand(3, -1, -1), alpha.to(device)])
    return torch.stack([done[request] for request in requests])


def whole(net: Callable[[Tensor], Tensor], x: Tensor, spec: DataSpec, multiple: int) -> Tensor:
    """`net` of a picture (1, C, H, W) of any size: in one piece up to `TILE` times the trained side, else in tiles."""
    tile = TILE * max(spec.size)
    return tiled(net, x, tile=tile, overlap=tile // 4, multiple=multiple)
