"""Pixel diffusion along EDM's path, rectified flow or DDPM's, with classifier-free guidance or from a picture."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ..diffusion import DDPM, EDM, Flow, Path, denoise, diffusion_loss
from ..errors import RequestError
from ..model import Batch, DataSpec, Family, Update
from ..nets.unet import UNet, shape_for
from ..optim import Muon
from ..requests import Edit, Generate, Request, Translate
from ..rng import generator, row_noise
from ..sampling import Denoiser, dpmpp_2m, euler, guided, heun, heun_stochastic, noise, repaint
from ._edits import around, canvas_of, redrawn, resized, working_size
from ._rows import labels_of, latents_of, refuse
from ._translation import room_of, target_of, translations, whole

ROUNDS = 4  # how often each step is gone where a part of a picture is drawn anew
PATHS: dict[str, type[Path]] = {"flow": Flow, "edm": EDM, "ddpm": DDPM}
CONDITIONS = ("none", "image")


@dataclass(frozen=True)
class NetConfig:
    """The network's shape; patches and levels follow from the pictures' size."""

    width: int = 64  # channels of the first level
    depth: int = 1  # blocks of a level, on the way down and again on the way up
    attention: int = 1  # how many of the lowest levels attend


@dataclass(frozen=True)
class DiffusionConfig:
    """Settings of `diffusion`."""

    path: str = "flow"  # flow, edm or ddpm
    condition: str = "none"  # image: pairs teach it to draw what a picture becomes
    batch: int = 16
    lr: float = 5e-3  # of the hidden matrices (Muon) and of all else (AdamW)
    warmup: int = 100  # steps
    ema: float = 0.05  # length of the weight average, as a share of the run
    drop_label: float = 0.1  # share of pictures trained without their label, for guidance
    guidance: float = 2.0  # when a request names none; 1 is off
    steps: int = 18  # when a request names none
    solver: str = "dpmpp_2m"  # when a request names none
    net: NetConfig = field(default_factory=NetConfig)

    def __post_init__(self) -> None:
        if self.path not in PATHS:
            raise ValueError(f"path={self.path}: known are {', '.join(PATHS)}")
        if self.condition not in CONDITIONS:
            raise ValueError(f"condition={self.condition}: known are {', '.join(CONDITIONS)}")
        if not 0 <= self.drop_label < 1:
            raise ValueError("drop_label lies in [0, 1)")


class Diffusion(Family):
    """A network that removes noise, and a solver that follows it from noise to a picture.

    Trains on the loss of `huabi.diffusion.diffusion_loss`; labels are dropped now and then, so that one network
    answers with and without them (Ho and Salimans 2022). With `condition=image` it sees the picture that is to be
    translated beside the noise (Saharia et al. 2022, Palette, section 3), and answers `Translate` alone.
    """

    name = "diffusion"
    title = "learns to remove noise; the best pictures, drawn in some steps"
    Config = DiffusionConfig
    requests = (Generate, Edit)

    config: DiffusionConfig

    def __init__(self, config: DiffusionConfig, spec: DataSpec) -> None:
        super().__init__(config, spec)
        self.net = UNet(
            spec.channels,
            given=spec.channels if config.condition == "image" else 0,
            classes=len(spec.labels),
            depth=config.net.depth,
            attention=config.net.attention,
            **shape_for(max(spec.size), config.net.width),
        )
        self.path = PATHS[config.path]()

    @classmethod
    def role(cls, config: Any) -> tuple[tuple[type[Request], ...], tuple[str, ...]]:
        return ((Translate,), ("image", "target")) if config.condition == "image" else (cls.requests, cls.needs)

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return {"net": Muon.of(self.net, lr=self.config.lr)}

    def losses(self, batch: Batch, step: int) -> Iterator[Update]:
        t = batch.rng.apply(self.path.draw)  # (B,)
        eps = batch.rng.normal(*self.spec.shape)  # (B, C, H, W)
        dropped = batch.rng.uniform() < self.config.drop_label  # (B,)
        label = None if batch.label is None else batch.label.masked_fill(dropped, -1)
        x0, given = (batch.image, None) if self.config.condition == "none" else (batch.target, batch.image)
        assert x0 is not None
        yield Update("net", diffusion_loss(self.net, self.path, x0, eps, t, label=label, given=given).mean())

    @torch.no_grad()
    def sample(self, requests: Sequence[Any]) -> Iterator[Tensor]:
        match requests[0]:
            case Translate():
                yield translations(requests, self.spec, self.device, self._translated)
            case Edit():
                yield from redrawn(requests, self._edit)
            case _:
                yield from self._draw(requests)

    def _draw(self, requests: Sequence[Generate]) -> Iterator[Tensor]:
        for request in requests:
            refuse(request, "truncation", "mix", why="diffusion needs all of its noise")
        first = requests[0]
        label = labels_of(requests, self.spec, self.device)
        eps = latents_of(requests, self.spec.shape).to(self.device)
        guidance = torch.tensor([self._guidance(request) for request in requests], device=self.device)
        net = partial(denoise, self.net, self.path)
        denoiser = guided(net, {"label": label}, {"label": None}, guidance)
        yield from self._solve(denoiser, eps, requests, first.solver, first.steps)

    def _translated(self, request: Translate, x: Tensor) -> Tensor:
        """What a picture (1, C, H, W) becomes; each estimate of a large one is made in tiles (Bar-Tal et al. 2023)."""
        number = target_of(request, self.spec)
        label = torch.full((1,), number, device=x.device) if number >= 0 else None
        channels = self.spec.channels

        def estimate(noisy: Tensor, t: Tensor, label: Tensor | None) -> Tensor:
            def apply(part: Tensor) -> Tensor:
                seen, given = part.split(channels, 1)
                return denoise(self.net, self.path, seen, t, label=label, given=given)

            return whole(apply, torch.cat([noisy, x], 1), self.spec, self.net.multiple)

        denoiser = guided(estimate, {"label": label}, {"label": None}, self.config.guidance if number >= 0 else 1.0)
        eps = row_noise([request.seed], x.shape[1:]).to(x.device)
        *_, drawn = self._solve(denoiser, eps, [request])
        return drawn

    def _solve(
        self,
        denoiser: Denoiser,
        eps: Tensor,
        requests: Sequence[Any],
        solver: str | None = None,
        steps: int | None = None,
    ) -> Iterator[Tensor]:
        """Estimates from noise (B, C, H, W) to pictures; each request's seed draws what noise is added on the way."""
        times, x = self.path.times(steps or self.config.steps), self.path.start(eps)
        match solver or self.config.solver:
            case "euler":
                yield from euler(denoiser, x, times)
            case "heun":
                yield from heun(denoiser, x, times)
            case "dpmpp_2m":
                yield from dpmpp_2m(denoiser, x, times)
            case "heun_stochastic":
                rng = [generator("churn", request.seed) for request in requests]
                yield from heun_stochastic(denoiser, x, times, self.path.churn, rng)
            case other:
                raise RequestError(f"no solver {other!r}; known: euler, heun, dpmpp_2m, heun_stochastic")

    def _edit(self, request: Edit) -> Iterator[Tensor]:
        """Estimates (C, H, W) of a canvas, whose part outside the mask is what is given, to the bit."""
        refuse(request, "guidance", why="diffusion draws a part of a picture by what lies around it")
        if request.prompt or request.negative:
            raise RequestError("diffusion knows no words: leave the prompt out, or take a model of text_to_image")
        canvas = canvas_of(request, self.spec, self.device)
        if not request.strength:
            yield canvas.whole
            return
        full = (canvas.part.shape[1], canvas.part.shape[2])
        size = working_size(full, self.spec.size, self.net.multiple)
        known = resized(canvas.part[None], size)
        hole = torch.nn.functional.adaptive_max_pool2d(canvas.mask.float(), size) > 0
        rng = [generator("repaint", request.seed)]

        def noised(x: Tensor, t: Tensor, higher: Tensor) -> Tensor:
            return self.path.noised(x, t, higher, noise(x.shape[1:], rng).to(x))

        denoiser = around(partial(denoise, self.net, self.path), known, hole)
        times = self.path.times(request.steps or self.config.steps) * request.strength
        x = self.path.mix(known, row_noise([request.seed], known.shape[1:]).to(self.device), times[0])
        for estimate in repaint(denoiser, x, times, noised, ROUNDS):
            yield canvas.joined(resized(estimate, full)[0])

    def batch_key(self, request: Any) -> Hashable:
        if isinstance(request, Translate):
            return room_of(request, self.spec)
        if isinstance(request, Edit):
            return request.model_copy(update={"seed": 0})
        # with guidance every row costs two evaluations: rows without it are not made to pay
        return (request.steps, request.solver, self._guidance(request) == 1)

    def _guidance(self, request: Generate) -> float:
        if not self.spec.labels:
            return 1.0
        return self.config.guidance if request.guidance is None else request.guidance
