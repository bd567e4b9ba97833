"""Other people's image generators behind one small interface, so that `quality.py` can train them like Huabi.

Each is trained as its own source trains it: its network, loss, optimizer, batch and weight average. What they share
with Huabi is given to them: the pictures (uint8, decoded once), wall time, threads and seed. All are unconditional.
The packages are imported only when they are asked for.
"""

from __future__ import annotations

import copy
import itertools
import math
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from huabi.config import configure

__all__ = ["PEERS", "Trained", "build", "let_torchvision_import", "train"]


class Peer(ABC):
    """One peer: `step` trains on one batch, `sample` draws; both in [-1, 1], (B, C, H, W)."""

    Config: ClassVar[type]
    package: ClassVar[str | None] = None  # what was installed for it, for the record

    def __init__(self, config: Any, channels: int, size: int, device: torch.device) -> None:
        self.config, self.channels, self.size, self.device = config, channels, size, device
        self.steps = 0

    @abstractmethod
    def modules(self) -> list[nn.Module]:
        """The networks that are trained."""

    @abstractmethod
    def step(self, x: Tensor, progress: float) -> float:
        """One training step on pictures `x`, `progress` of the time gone (0 to 1); returns the loss."""

    @abstractmethod
    def sample(self, n: int) -> Tensor:
        """`n` new pictures from the global random state."""

    @property
    def parameters(self) -> int:
        return sum(p.numel() for m in self.modules() for p in m.parameters())


@dataclass(frozen=True)
class DcganConfig:
    """Radford et al. 2016, section 4: batch, rate, momentum, slope; 0.02 is the initial weights' deviation."""

    batch: int = 64
    lr: float = 2e-4
    beta1: float = 0.5
    noise: int = 100
    width: int = 128  # channels next to the picture; they double towards 4x4
    flip: bool = False  # the paper augments nothing


class Dcgan(Peer):
    """DCGAN (Radford et al. 2016) with one layer fewer than its 64x64 net at 32x32: 4x4x512, 8x8x256, 16x16x128.

    Draws with batch statistics, as the textbook programs do.
    """

    Config = DcganConfig

    def __init__(self, config: DcganConfig, channels: int, size: int, device: torch.device) -> None:
        super().__init__(config, channels, size, device)
        levels = int(math.log2(size)) - 2
        if 4 << levels != size or levels < 1:
            raise SystemExit(f"peer:dcgan doubles from 4x4, so --size is 8, 16, 32 or 64, not {size}")
        widths = [config.width << i for i in range(levels)]
        self.generator = _initialised(_dcgan_generator(config.noise, widths, channels)).to(device)
        self.critic = _initialised(_dcgan_critic(widths, channels)).to(device)
        adam = {"lr": config.lr, "betas": (config.beta1, 0.999)}
        self.generator_optimizer = torch.optim.Adam(self.generator.parameters(), **adam)
        self.critic_optimizer = torch.optim.Adam(self.critic.parameters(), **adam)

    def modules(self) -> list[nn.Module]:
        return [self.generator, self.critic]

    def step(self, x: Tensor, progress: float) -> float:
        real, fake = torch.ones(len(x), device=self.device), torch.zeros(len(x), device=self.device)
        drawn = self.generator(self._noise(len(x)))
        self.critic_optimizer.zero_grad()
        loss = F.binary_cross_entropy_with_logits(self.critic(x), real)
        loss = loss + F.binary_cross_entropy_with_logits(self.critic(drawn.detach()), fake)
        loss.backward()
        self.critic_optimizer.step()
        self.generator_optimizer.zero_grad()
        F.binary_cross_entropy_with_logits(self.critic(drawn), real).backward()
        self.generator_optimizer.step()
        return loss.item()

    @torch.no_grad()
    def sample(self, n: int) -> Tensor:
        return self.generator(self._noise(n))

    def _noise(self, n: int) -> Tensor:
        return torch.randn(n, self.config.noise, 1, 1, device=self.device)


def _dcgan_generator(noise: int, widths: list[int], channels: int) -> nn.Sequential:
    wide = widths[-1]
    layers: list[nn.Module] = [nn.ConvTranspose2d(noise, wide, 4, bias=False), nn.BatchNorm2d(wide), nn.ReLU(True)]
    for inner, out in itertools.pairwise(widths[::-1]):
        layers += [nn.ConvTranspose2d(inner, out, 4, 2, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU(True)]
    return nn.Sequential(*layers, nn.ConvTranspose2d(widths[0], channels, 4, 2, 1), nn.Tanh())


def _dcgan_critic(widths: list[int], channels: int) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Conv2d(channels, widths[0], 4, 2, 1), nn.LeakyReLU(0.2, True)]
    for inner, out in itertools.pairwise(widths):
        layers += [nn.Conv2d(inner, out, 4, 2, 1, bias=False), nn.BatchNorm2d(out), nn.LeakyReLU(0.2, True)]
    return nn.Sequential(*layers, nn.Conv2d(widths[-1], 1, 4), nn.Flatten(0))


def _initialised(net: nn.Sequential) -> nn.Sequential:
    for module in net:
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.normal_(module.weight, 0.0, 0.02)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.02)
    return net


@dataclass(frozen=True)
class DdpmConfig:
    """The defaults of its `Trainer`, but for the batch; the schedule and objective are those of `GaussianDiffusion`."""

    batch: int = 32
    lr: float = 1e-4
    dim: int = 64
    mults: tuple[int, ...] = (1, 2, 4)
    timesteps: int = 1000
    sampling_timesteps: int = 50  # DDIM
    ema: bool = True  # False draws with the raw weights
    flip: bool = True


class Ddpm(Peer):
    """`denoising-diffusion-pytorch`: its Unet and GaussianDiffusion, trained as its `Trainer` does."""

    Config = DdpmConfig
    package = "denoising-diffusion-pytorch"

    def __init__(self, config: DdpmConfig, channels: int, size: int, device: torch.device) -> None:
        super().__init__(config, channels, size, device)
        let_torchvision_import()
        import denoising_diffusion_pytorch.denoising_diffusion_pytorch as package
        from ema_pytorch import EMA

        package.tqdm = partial(package.tqdm, disable=True)  # it draws a bar for each call of `sample`

        net = package.Unet(dim=config.dim, dim_mults=tuple(config.mults), channels=channels)
        self.diffusion = package.GaussianDiffusion(
            net, image_size=size, timesteps=config.timesteps, sampling_timesteps=config.sampling_timesteps
        ).to(device)
        self.optimizer = torch.optim.Adam(self.diffusion.parameters(), lr=config.lr, betas=(0.9, 0.99))
        self.ema = EMA(self.diffusion, beta=0.995, update_every=10).to(device)

    def modules(self) -> list[nn.Module]:
        return [self.diffusion]

    def step(self, x: Tensor, progress: float) -> float:
        loss = self.diffusion((x + 1) / 2)  # it takes [0, 1] and normalises itself
        loss.backward()
        nn.utils.clip_grad_norm_(self.diffusion.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.ema.update()
        return loss.item()

    def sample(self, n: int) -> Tensor:
        model = self.ema.ema_model if self.config.ema else self.diffusion
        model.eval()
        return model.sample(batch_size=n) * 2 - 1


def let_torchvision_import() -> None:
    """Lets torchvision be imported beside a torch that it was not compiled for.

    Its transforms alone are used; its compiled operators are missing there, and naming two of them is all that its
    import asks for.
    """
    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        # kept alive: a library that is collected takes its operators with it
        let_torchvision_import.library = library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[attr-defined]
        for name in ("nms", "qnms"):
            if not hasattr(torch.ops.torchvision, name):
                library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


@dataclass(frozen=True)
class DiffusersConfig:
    """The defaults of its example `train_unconditional.py`, run with `--use_ema --random_flip`."""

    batch: int = 16
    lr: float = 1e-4
    warmup: int = 500  # steps, and at most a tenth of the time
    channels: tuple[int, ...] = (64, 128, 128, 128)
    attention: int = 1  # the level that attends, counted from 0
    layers: int = 2
    timesteps: int = 1000
    sampling_timesteps: int = 50  # DDIM
    ema: bool = True  # False draws with the raw weights
    flip: bool = True


class Diffusers(Peer):
    """diffusers' `UNet2DModel` with the recipe of its example for unconditional DDPM.

    The example's own channels (128, 128, 256, 256, 512, 512) are for 64x64 and more. At 32x32 this is the CIFAR-10 net
    of Ho et al. 2020 as published for diffusers (128, 256, 256, 256, attention at 16x16), at half its width.
    """

    Config = DiffusersConfig
    package = "diffusers"

    def __init__(self, config: DiffusersConfig, channels: int, size: int, device: torch.device) -> None:
        super().__init__(config, channels, size, device)
        let_torchvision_import()
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        from diffusers import DDPMScheduler, UNet2DModel
        from diffusers.training_utils import EMAModel

        count = len(config.channels)
        attends = [i == config.attention for i in range(count)]
        self.net = UNet2DModel(
            sample_size=size,
            in_channels=channels,
            out_channels=channels,
            layers_per_block=config.layers,
            block_out_channels=tuple(config.channels),
            down_block_types=tuple("AttnDownBlock2D" if a else "DownBlock2D" for a in attends),
            up_block_types=tuple("AttnUpBlock2D" if a else "UpBlock2D" for a in attends[::-1]),
        ).to(device)
        self.schedule = DDPMScheduler(num_train_timesteps=config.timesteps)
        self.optimizer = torch.optim.AdamW(
            self.net.parameters(), lr=config.lr, betas=(0.95, 0.999), weight_decay=1e-6, eps=1e-8
        )
        self.ema = EMAModel(self.net.parameters(), decay=0.9999, use_ema_warmup=True, inv_gamma=1.0, power=0.75)

    def modules(self) -> list[nn.Module]:
        return [self.net]

    def step(self, x: Tensor, progress: float) -> float:
        # the example's cosine with warm-up knows its number of steps; here the time stands for it
        rise = max((self.steps + 1) / self.config.warmup, progress / 0.1)
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.lr * min(1.0, rise) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
        eps = torch.randn_like(x)
        t = torch.randint(self.config.timesteps, (len(x),), device=self.device)
        loss = F.mse_loss(self.net(self.schedule.add_noise(x, eps, t), t).sample, eps)
        loss.backward()
        nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self.optimizer.step()
        self.ema.step(self.net.parameters())
        self.optimizer.zero_grad()
        return loss.item()

    @torch.no_grad()
    def sample(self, n: int) -> Tensor:
        from diffusers import DDIMScheduler

        net = copy.deepcopy(self.net)
        if self.config.ema:
            self.ema.copy_to(net.parameters())
        net.eval()
        ddim = DDIMScheduler.from_config(self.schedule.config)
        ddim.set_timesteps(self.config.sampling_timesteps)
        x = torch.randn(n, self.channels, self.size, self.size, device=self.device)
        for t in ddim.timesteps:
            x = ddim.step(net(x, t).sample, t, x).prev_sample
        return x


PEERS: dict[str, type[Peer]] = {"dcgan": Dcgan, "ddpm": Ddpm, "diffusers": Diffusers}


class Trained(NamedTuple):
    """What the training took."""

    seconds: float
    step_flops: int


def build(
    name: str, settings: Mapping[str, Any], shape: tuple[int, int, int], device: torch.device, seed: int = 0
) -> Peer:
    """A fresh peer for pictures of `shape` (C, H, W), its weights drawn from `seed`."""
    if name not in PEERS:
        raise SystemExit(f"no peer {name!r}; known: {', '.join(PEERS)}")
    channels, rows, columns = shape
    if rows != columns:
        raise SystemExit(f"the peers draw squares, not {columns}x{rows}")
    kind = PEERS[name]
    torch.manual_seed(seed)
    return kind(configure(kind.Config(), settings), channels, rows, device)


def train(
    peer: Peer,
    images: np.ndarray,
    index: np.ndarray,
    seconds: float,
    seed: int,
    flip: bool = True,
    say: Callable[[str], object] = print,
) -> Trained:
    """Trains `peer` for `seconds` on rows `index` of `images` (N, H, W, C) uint8, in a new order each epoch.

    Making the batches counts as training time, as it does for Huabi. `flip` False forbids mirroring (digits).
    """
    flops = _step_flops(peer, images.shape[1:])
    batches = _batches(images, index, peer.config.batch, flip and peer.config.flip, seed)
    torch.manual_seed(seed)
    for module in peer.modules():
        module.train()
    start = told = time.perf_counter()
    now = start
    while now - start < seconds:
        loss = peer.step(next(batches).to(peer.device), (now - start) / seconds)
        peer.steps += 1
        now = time.perf_counter()
        if now - told > 10:
            say(f"  step {peer.steps}  loss {loss:.4f}  {peer.steps * peer.config.batch / (now - start):.1f} images/s")
            told = now
    return Trained(now - start, flops)


def _batches(images: np.ndarray, index: np.ndarray, batch: int, flip: bool, seed: int) -> Iterator[Tensor]:
    rng = np.random.default_rng(seed)
    order = np.empty(0, dtype=np.int64)
    while True:
        while len(order) < batch:
            order = np.concatenate([order, rng.permutation(index)])
        now, order = order[:batch], order[batch:]
        x = torch.from_numpy(images[now]).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)  # (B, C, H, W)
        if flip:
            mirrored = torch.from_numpy(rng.random(batch) < 0.5)
            x[mirrored] = x[mirrored].flip(-1)
        yield x


def _step_flops(peer: Peer, shape: tuple[int, ...]) -> int:
    """Floating-point operations of one step, counted on a peer of its kind that is thrown away."""
    rows, columns, channels = shape
    fresh = type(peer)(peer.config, peer.channels, peer.size, peer.device)
    with FlopCounterMode(display=False) as counter:
        fresh.step(torch.zeros(peer.config.batch, channels, rows, columns, device=peer.device), 0.5)
    return int(counter.get_total_flops())
