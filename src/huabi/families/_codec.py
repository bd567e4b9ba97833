"""What a latent model draws in: the pixels themselves, or the standardised codes of an autoencoder that is frozen."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from ..errors import RunError
from ..model import DataSpec
from ..weights import weights_of
from ._detail import Detail
from ._latents import NetConfig
from .vae import Autoencoder, AutoencoderConfig

M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True)
class CodecConfig:
    """The autoencoder that is trained first; where one is given, its own settings."""

    length: int = 4  # numbers of a code
    factor: int = 4  # pixels of a code's side: 2, 4, 8 or 16
    net: NetConfig = field(default_factory=NetConfig)
    detail: Detail = field(default_factory=Detail)

    def __post_init__(self) -> None:
        self.whole()

    def of(self, settings: dict[str, Any]) -> CodecConfig:
        """With the shape that the settings of a trained one name."""
        net = replace(self.net, width=settings["net.width"], depth=settings["net.depth"])
        return replace(self, length=settings["length"], factor=settings["factor"], net=net)

    def whole(self) -> AutoencoderConfig:
        return AutoencoderConfig(length=self.length, factor=self.factor, net=self.net, detail=self.detail)


def codes_of(run: str) -> tuple[dict[str, Any], dict[str, Tensor], str]:
    """Settings and weights of the autoencoder in a run of one, or of text to image; and the hash of the run's weights.

    Raises `RunError` for a run that has none.
    """
    header, tensors, digest = weights_of(run, "autoencoder", "text_to_image")
    config: dict[str, Any] = header["config"]
    if header["family"] == "autoencoder":
        return config, tensors, digest
    own, settings = (
        {name.removeprefix("codec."): value for name, value in every.items() if name.startswith("codec.")}
        for every in (tensors, config)
    )
    if "mean" not in own:
        raise RunError(f"{run} draws in pixels; give a run that has an autoencoder, or leave it out")
    return settings, {name: x.float() for name, x in own.items()}, digest


class Pixels(nn.Module):
    """Pictures as they are."""

    factor = 1

    def __init__(self, spec: DataSpec) -> None:
        super().__init__()
        self.shape = spec.shape

    def encode(self, image: Tensor) -> Tensor:
        return image

    def decode(self, x: Tensor) -> Tensor:
        return x.clamp(-1, 1)


class Codec(nn.Module):
    """Encoder and decoder whose weights are buffers: no optimizer moves them, and weight averages copy them.

    Codes are standardised for each of their numbers, as a path from unit noise wants them.
    """

    mean: Tensor
    std: Tensor
    followed: Tensor

    def __init__(self, autoencoder: Autoencoder) -> None:
        super().__init__()
        length = autoencoder.config.length
        self.factor = autoencoder.config.factor
        self.shape = (length, *autoencoder.grid)
        self.encoder, self.decoder = frozen(autoencoder.encoder), frozen(autoencoder.decoder)
        self.register_buffer("mean", torch.zeros(length, 1, 1))
        self.register_buffer("std", torch.ones(length, 1, 1))
        self.register_buffer("followed", torch.tensor(-1))  # the last step after which `follow` was called

    def codes(self, image: Tensor) -> Tensor:
        """Codes (B, length, h, w) of pictures (B, C, H, W), not yet standardised."""
        mean: Tensor = self.encoder(image).float().chunk(2, 1)[0]
        return mean

    def encode(self, image: Tensor) -> Tensor:
        """Latents (B, length, h, w) of pictures (B, C, H, W)."""
        return (self.codes(image) - self.mean) / self.std

    def decode(self, x: Tensor) -> Tensor:
        """Pictures (B, C, H, W) in [-1, 1] of latents (B, length, h, w)."""
        out: Tensor = self.decoder(x * self.std + self.mean).float()
        return out.clamp(-1, 1)

    @torch.no_grad()
    def follow(self, autoencoder: Autoencoder | None, standard: Standard, step: int) -> None:
        """Moves towards what is in training, to its mean over about the last ninth of its steps.

        Of the calls for one step, as micro-batches make them, the first one counts.
        """
        if step == self.followed:
            return
        self.followed.fill_(step)
        weight = 9 / (10 + step)
        if autoencoder is not None:
            for mine, source in ((self.encoder, autoencoder.encoder), (self.decoder, autoencoder.decoder)):
                moving = dict(source.named_parameters())
                for name, buffer in mine.named_buffers():
                    buffer.lerp_(moving[name], weight)
        self.mean.lerp_(standard.mean[:, None, None], weight)
        self.std.lerp_(standard.log_std.exp()[:, None, None], weight)

    @torch.no_grad()
    def adopt(self, run: str, sha256: str) -> None:
        """Takes the weights of a run; raises `RunError` where they are others than those of the hash."""
        _, tensors, digest = codes_of(run)
        if sha256 and digest != sha256:
            raise RunError(f"{run} was trained on since this run began; train it in another folder")
        for part in ("encoder", "decoder"):
            for name, buffer in getattr(self, part).named_buffers():
                weights = tensors[f"{part}.{name}"]
                if weights.shape != buffer.shape:
                    raise RunError(f"{run} codes pictures of other channels than these; train an autoencoder on these")
                buffer.copy_(weights)

    def agrees(self, run: str) -> bool:
        """Whether its weights are those of another run."""
        _, tensors, _ = codes_of(run)
        own = {f"{p}.{name}": x for p in ("encoder", "decoder") for name, x in getattr(self, p).named_buffers()}
        return all(torch.equal(buffer.cpu(), tensors[name]) for name, buffer in own.items())


class Standard(nn.Module):
    """Mean and logarithm of the scale of codes, learnt by likelihood: so they are the same in all processes."""

    def __init__(self, length: int) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.zeros(length))
        self.log_std = nn.Parameter(torch.zeros(length))

    def nll(self, codes: Tensor) -> Tensor:
        """() nats for each number of codes (B, length, h, w), up to a constant."""
        z = (codes - self.mean[:, None, None]) * (-self.log_std).exp()[:, None, None]
        return z.square().mean() / 2 + self.log_std.mean()


def frozen(module: M) -> M:
    """A copy whose parameters are buffers."""
    module = copy.deepcopy(module)
    for part in module.modules():
        for name, parameter in list(part.named_parameters(recurse=False)):
            delattr(part, name)
            part.register_buffer(name, parameter.detach().clone())
    return module
