"""Restoration: a network that is shown damaged pictures and learns to give back what they were."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from .. import damage
from ..errors import RequestError, nearest
from ..model import Batch, DataSpec, Family, Update
from ..nets.restoration import DnCNN, GatedUNet
from ..optim import Muon
from ..requests import Damage, Restore
from ..restoring import restored
from ..rng import BatchRng
from ..tiles import tiled
from ._detail import Detail, critic_for, critic_turn, detail_loss, seer_for, share_of

TASKS: tuple[str, ...] = get_args(Damage)
LOCAL = {"denoise", "deblur", "dejpeg", "upscale"}  # which do not care where up is: pictures are turned, too
TILE, OVERLAP = 512, 64  # pixels of what is restored at once
FAINT = 1e-6  # of a mean square error in [-1, 1]: a picture that is nearer than that is as good as equal


@dataclass(frozen=True)
class Gated:
    """A gated U-Net, after NAFNet."""

    kind: ClassVar[str] = "gated"

    width: int = 48  # channels of the first level, doubled with every halving
    depth: tuple[int, ...] = (1, 2, 3)  # blocks of each level, the first at the full resolution
    patch: int = 2  # pixels of a patch's side that become channels

    def __post_init__(self) -> None:
        if min(self.width, self.patch, *self.depth) < 1 or not self.depth:
            raise ValueError("net.width, net.patch and each of net.depth are at least 1")


@dataclass(frozen=True)
class Deep:
    """DnCNN: convolutions at the full resolution (Zhang et al. 2017)."""

    kind: ClassVar[str] = "dncnn"

    width: int = 64  # channels
    depth: int = 20  # convolutions

    def __post_init__(self) -> None:
        if self.width < 1 or self.depth < 3:
            raise ValueError("net.width is at least 1, net.depth at least 3")


@dataclass(frozen=True)
class RestorerConfig:
    """Settings of `restorer`."""

    task: tuple[str, ...] = ("denoise",)  # denoise, deblur, dejpeg, inpaint, upscale, colourise, mend; several by +
    noise: str = "gaussian"  # that denoise learns to remove; mixed is a camera's, too
    sigma: float = 55.0  # of 255, the strongest noise
    scale: int = 2  # of upscale
    crop: int = 64  # pixels of the parts that are trained on, of the result; 0 takes whole pictures
    batch: int = 16
    lr: float = 2e-3  # of the hidden matrices (Muon) and of all else (AdamW)
    warmup: int = 50  # steps
    ema: float = 0.05  # length of the weight average, as a share of the run
    net: Gated | Deep = field(default_factory=Gated)
    detail: Detail = field(default_factory=lambda: Detail(adversarial=0.0, texture=0.0))

    def __post_init__(self) -> None:
        for task in self.task:
            if task not in TASKS:
                raise ValueError(f"task={task}: {nearest(task, TASKS)}")
        if not self.task or len(set(self.task)) < len(self.task):
            raise ValueError("task names one damage, or several different ones")
        if "upscale" in self.task and len(self.task) > 1:
            raise ValueError("task=upscale stands alone: its pictures have fewer pixels")
        if self.noise not in ("gaussian", "mixed"):
            raise ValueError(f"noise={self.noise}: known are gaussian, mixed")
        if not 2 <= self.scale <= 4 or self.crop < 0 or self.sigma <= 0:
            raise ValueError("scale is 2, 3 or 4, crop is at least 0, sigma is above 0")


class Restorer(Family):
    """Learns from pictures that it damages itself; one network for one task, or for several that it is told of.

    From pairs it learns their own damage instead: the first of each is damaged, the second whole. To upscale, both have
    the size of the second, and the first is averaged down.

    The loss is half the logarithm of each picture's mean square error, as NAFNet's (Chen et al. 2022): a decibel
    counts the same at every level of noise, and with `detail` it is the likelihood whose sigma is the error's own.
    Where something is missing, all of it counts within the hole alone.
    """

    name = "restorer"
    title = "learns to undo damage: noise, blur, JPEG, holes, lost pixels or colours, age"
    Config = RestorerConfig
    requests = (Restore,)
    training_only = ("critic", "seer")
    rows = 1

    config: RestorerConfig

    def __init__(self, config: RestorerConfig, spec: DataSpec) -> None:
        super().__init__(config, spec)
        if "colourise" in config.task and spec.channels < 3:
            raise RequestError("colourise learns from pictures in colour: say --channels 3")
        self.paired = spec.pairing == "paired"
        if self.paired and (len(config.task) > 1 or "inpaint" in config.task):
            raise RequestError("pairs show one damage, and no holes: name one task for them, and not inpaint")
        self.scale = config.scale if "upscale" in config.task else 1
        shape: dict[str, Any] = {"tasks": len(config.task) if len(config.task) > 1 else 0, "scale": self.scale}
        inputs, net = spec.channels + ("inpaint" in config.task), config.net
        self.net: GatedUNet | DnCNN
        if isinstance(net, Gated):
            patch = -(-net.patch // self.scale)
            shape |= {"patch": patch, "width": net.width, "depth": net.depth}
            self.net = GatedUNet(inputs, spec.channels, **shape)
        else:
            self.net = DnCNN(inputs, spec.channels, width=net.width, depth=net.depth, **shape)
            self.whole_batch = True  # BatchNorm
        self.critic, self.seer = critic_for(config.detail, spec, "inpaint" in config.task), seer_for(config.detail)

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        found: dict[str, torch.optim.Optimizer] = {"net": Muon.of(self.net, lr=self.config.lr)}
        if self.critic is not None:
            found["critic"] = torch.optim.Adam(self.critic.parameters(), self.config.detail.lr, (0.5, 0.99))
        return found

    def losses(self, batch: Batch, step: int) -> Iterator[Update]:
        detail = self.config.detail
        with torch.no_grad(), torch.autocast(self.device.type, enabled=False):
            image, given, hole, task = self._shown(batch)
        drawn = self._drawn(given, hole, task)
        where = None if hole is None else _asked(hole)
        error = (drawn - image).square().mean((1, 2, 3)) / share_of(where)  # (B,)
        sigma = (error.detach() + FAINT).sqrt()
        loss = (error + FAINT).log().mean() / 2
        logs = {"psnr": 20 * (2 / sigma).log10().mean()}
        if detail.adversarial or detail.texture or detail.perceptual:
            more, found = detail_loss(self.critic, self.seer, detail, image, drawn, batch.label, sigma, where)
            loss, logs = loss + more, logs | found
        yield Update("net", loss, logs)
        if self.critic is not None:
            yield critic_turn(self.critic, detail, image, drawn.detach(), batch.label, step, where)

    @torch.no_grad()
    def mended(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        image, given, hole, task = self._shown(batch)
        mended = self._drawn(given, hole, task).clamp(-1, 1)
        damaged = given if hole is None else given.masked_fill(hole, 0)
        return F.interpolate(damaged, scale_factor=self.scale), mended, image

    def _shown(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor | None, Tensor]:
        """A part of each picture, and that damaged: what the network is given, see `_damaged`."""
        if not self.paired:
            image = self._cropped(batch.image, batch.rng)
            return image, *self._damaged(image, batch.rng)
        assert batch.target is not None
        image, given = self._cropped(torch.cat([batch.target, batch.image], 1), batch.rng).chunk(2, 1)
        none = torch.zeros(len(image), dtype=torch.int64, device=image.device)
        return image, F.avg_pool2d(given, self.scale), None, none

    def _cropped(self, x: Tensor, rng: BatchRng) -> Tensor:
        """A random part of each picture, turned and mirrored where up and down are alike."""
        sides = [min(self.config.crop or side, side) // self.scale * self.scale for side in x.shape[-2:]]
        step = self.scale if self.paired else 1  # of pairs, the damaged ones' own pixels are not cut through
        room = [(whole - side) // step + 1 for whole, side in zip(x.shape[-2:], sides)]
        starts = ((rng.uniform(2).cpu() * torch.tensor(room)).long() * step).tolist()
        turns = rng.integers(8).tolist() if LOCAL.issuperset(self.config.task) and sides[0] == sides[1] else []
        parts = [row[:, y : y + sides[0], left : left + sides[1]] for row, (y, left) in zip(x, starts)]
        for n, turn in enumerate(turns):
            part = parts[n].rot90(turn % 4, (1, 2))
            parts[n] = part.flip(2) if turn > 3 else part
        return torch.stack(parts)

    def _damaged(self, image: Tensor, rng: BatchRng) -> tuple[Tensor, Tensor | None, Tensor]:
        """What the network is given, where something is missing (B, 1, H, W) bool, and each row's task (B,)."""
        tasks = self.config.task
        chosen = rng.integers(len(tasks))
        given, hole = image, None
        for number, task in enumerate(tasks):
            here = (chosen == number)[:, None, None, None]
            if task == "inpaint":
                hole = damage.holes(image, rng) & here
            elif task == "upscale":
                given = damage.shrunk(image, self.scale)
            else:
                given = torch.where(here, self._damage(task, image, rng), given)
        return given, hole, chosen

    def _damage(self, task: str, image: Tensor, rng: BatchRng) -> Tensor:
        match task:
            case "denoise":
                kind = damage.gaussian_noise if self.config.noise == "gaussian" else damage.noise
                return kind(image, rng, self.config.sigma)
            case "deblur":
                return damage.noise(damage.blurred(image, rng), rng, 2.0)
            case "dejpeg":
                return damage.jpeg(image, rng)
            case "colourise":
                return damage.grey(image)
        return damage.aged(image, rng)

    def _drawn(self, given: Tensor, hole: Tensor | None, task: Tensor) -> Tensor:
        """The network's pictures (B, C, scale H, scale W); outside of a hole, where there is one, what was given."""
        known = given
        if "inpaint" in self.config.task:
            hole = torch.zeros_like(given[:, :1], dtype=torch.bool) if hole is None else hole
            known = given.masked_fill(hole, 0)
            out = known + self.net(torch.cat([known, hole.to(given.dtype)], 1), task)
            return torch.where(_asked(hole), out, given)
        if self.scale > 1:
            known = F.interpolate(given, scale_factor=self.scale, mode="bicubic")
        drawn: Tensor = known + self.net(given, task)
        return drawn

    @torch.no_grad()
    def restore(self, x: Tensor, task: str = "", hole: Tensor | None = None) -> Tensor:
        """Pictures (B, C, H, W) in [-1, 1] of any size without their damage, (B, C, scale H, scale W).

        Large ones are restored in tiles, and of one with a hole only what surrounds it. The middle of a hole that is
        too wide for the network to see across is filled at half the size first. A task that was not trained raises
        `RequestError`.

        Args:
            task: one of those that were trained, and the first of them by default.
            hole: (B, 1, H, W) bool, where pictures are missing.
        """
        if hole is None:
            return self._restored(x, task, None)
        out = x.clone()
        rows, columns = (self._around(hole.flatten(0, 1).any(0).any(other)) for other in (1, 0))
        out[..., rows, columns] = self._filled(x[..., rows, columns], task, hole[..., rows, columns])
        return out

    def _around(self, along: Tensor) -> slice:
        """The part of a side where something is, and what the network sees beside it; it begins as patches do."""
        places, margin = along.nonzero(), 2 * self.net.reach
        first, last = (int(places[0]), int(places[-1])) if len(places) else (0, 0)
        return slice(max(0, first - margin) // self.net.multiple * self.net.multiple, last + margin + 1)

    def _filled(self, x: Tensor, task: str, hole: Tensor) -> Tensor:
        """Pictures (B, C, H, W) with what is missing; the rest is as it was, to the bit."""
        inner = hole & ~_grown(~hole, max(1, 2 * self.net.reach // 3))
        known = x
        if bool(inner.any()) and min(x.shape[-2:]) > 2 * self.net.multiple:
            share = F.avg_pool2d((~hole).float(), 2, ceil_mode=True)
            half = F.avg_pool2d(x * ~hole, 2, ceil_mode=True) / share.clamp(min=0.25)
            half = self._filled(half, task, share < 0.5)
            known = torch.where(inner, F.interpolate(half, x.shape[-2:], mode="bilinear"), x)
        edge = hole & ~inner if known is not x else hole
        return torch.where(edge, self._restored(known, task, edge), known)

    def _restored(self, x: Tensor, task: str, hole: Tensor | None) -> Tensor:
        number = self._number(task or self.config.task[0])

        def apply(part: Tensor) -> Tensor:
            told = torch.full((len(part),), number, device=part.device)
            missing = part[:, x.shape[1] :] > 0.5 if hole is not None else None
            return self._drawn(part[:, : x.shape[1]], missing, told)

        given = x if hole is None else torch.cat([x, hole.to(x.dtype)], 1)
        shape = {"tile": TILE // self.scale, "overlap": OVERLAP, "multiple": self.net.multiple, "scale": self.scale}
        return tiled(apply, given, **shape).clamp(-1, 1)

    @torch.no_grad()
    def sample(self, requests: Sequence[Restore]) -> Iterator[Tensor]:
        first = requests[0]
        self._number(first.task)
        if first.task == "upscale" and first.scale != self.scale:
            raise RequestError(f"this model was trained to upscale {self.scale} times; say --scale {self.scale}")
        picture = restored(first, self.spec.channels, lambda x, hole: self.restore(x, first.task, hole), self.device)
        yield picture.expand(len(requests), -1, -1, -1)

    def batch_key(self, request: Any) -> Hashable:
        return type(request), request  # pictures differ in size: only the same one is answered at once

    def _number(self, task: str) -> int:
        """The number that the network knows `task` by; raises `RequestError` where it was not trained."""
        if task not in self.config.task:
            raise RequestError(f"this model was not trained to {task}; it was to {', '.join(self.config.task)}")
        return self.config.task.index(task)


def _asked(hole: Tensor) -> Tensor:
    """Where pictures are drawn (B, 1, H, W): within the hole, and everywhere in rows that have none."""
    return hole | ~hole.flatten(1).any(1)[:, None, None, None]


def _grown(inside: Tensor, reach: int) -> Tensor:
    """Where something inside (B, 1, H, W) is at most `reach` away, in rows and in columns."""
    grown = F.max_pool2d(inside.float(), (2 * reach + 1, 1), 1, (reach, 0))
    return F.max_pool2d(grown, (1, 2 * reach + 1), 1, (0, reach)) > 0
