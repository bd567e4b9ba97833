"""Paths between pictures and noise, and the one loss that trains a network along any of them.

Every path obeys the same ordinary differential equation, dx/dt = (x - D(x, t)) / t, where D is the denoiser's
estimate of x0. So the solvers in `huabi.sampling` need to know nothing about a path.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import torch
from torch import Generator, Tensor

__all__ = ["DDPM", "EDM", "Flow", "Path", "Precondition", "denoise", "diffusion_loss"]


class Net(Protocol):
    """A network F(x, c_noise, **cond) that returns a tensor of x's shape; c_noise is (B,)."""

    def __call__(self, x: Tensor, c_noise: Tensor, **cond: Any) -> Tensor: ...


class Precondition(NamedTuple):
    """D(x, t) = c_skip x + c_out F(c_in x, c_noise) (Karras et al. 2022, eq. 7); all are shaped like t."""

    c_skip: Tensor
    c_out: Tensor
    c_in: Tensor
    c_noise: Tensor


class Path(ABC):
    """How clean and noise mix at time t > 0: t = 0 is the picture. Times are tensors of shape (B,) or ()."""

    @abstractmethod
    def mix(self, x0: Tensor, eps: Tensor, t: Tensor) -> Tensor:
        """x_t of shape (B, ...) from pictures, unit normal noise and times."""

    @abstractmethod
    def precondition(self, t: Tensor) -> Precondition:
        """The scalings around the network at time t."""

    @abstractmethod
    def quantile(self, u: Tensor) -> Tensor:
        """Training times of u's shape: distributed as they should be where u is uniform in (0, 1)."""

    def draw(self, n: int, rng: Generator) -> Tensor:
        """Training times (n,), one from each n-th of u's range, in random order."""
        strata = torch.randperm(n, generator=rng, device=rng.device)
        return self.quantile((strata + torch.rand(n, generator=rng, device=rng.device)) / n)

    @abstractmethod
    def times(self, steps: int) -> Tensor:
        """The solver's default grid (steps + 1,): float64, decreasing, ends in 0."""

    @abstractmethod
    def start(self, eps: Tensor) -> Tensor:
        """x at times(...)[0] from unit normal noise."""

    @abstractmethod
    def churn(self, x: Tensor, t: Tensor, gamma: float, eps: Tensor) -> tuple[Tensor, Tensor]:
        """x with fresh noise mixed in and its new time: the noise-to-picture ratio grows by 1 + gamma."""


    def noised(self, x: Tensor, t: Tensor, higher: Tensor, eps: Tensor) -> Tensor:
        """x_t with as much fresh noise as makes it one of the time `higher`."""
        ratio, wanted = (self._ratio(time.to(x)) for time in (t, higher))
        return self.churn(x, t.to(x), (wanted / ratio).item() - 1, eps)[0]

    def _ratio(self, t: Tensor) -> Tensor:
        """Noise to picture at time t."""
        one, none = torch.ones_like(t), torch.zeros_like(t)
        return self.mix(none, one, t) / self.mix(one, none, t)


class _VarianceExploding(Path):
    """x_t = x0 + t eps: t is the noise's standard deviation in units of the picture's range [-1, 1]."""

    def mix(self, x0: Tensor, eps: Tensor, t: Tensor) -> Tensor:
        return x0 + _like(t, x0) * eps

    def churn(self, x: Tensor, t: Tensor, gamma: float, eps: Tensor) -> tuple[Tensor, Tensor]:
        return x + eps * t * math.sqrt((1 + gamma) ** 2 - 1), t * (1 + gamma)


@dataclass(frozen=True)
class EDM(_VarianceExploding):
    """Karras et al. 2022, Table 1, right column; the loss is eq. 8 with its weight 1 / c_out^2."""

    sigma_data: float = 0.5  # the pictures' standard deviation
    mean: float = -1.2  # of ln(sigma) in training
    std: float = 1.2
    sigma_min: float = 0.002
    sigma_max: float = 80.0
    rho: float = 7.0  # how much the grid crowds towards small sigma

    def precondition(self, t: Tensor) -> Precondition:
        total = (t**2 + self.sigma_data**2).sqrt()
        return Precondition(
            (self.sigma_data / total) ** 2, t * self.sigma_data / total, 1 / total, t.log() / 4
        )

    def quantile(self, u: Tensor) -> Tensor:
        return (_normal(u) * self.std + self.mean).exp()

    def times(self, steps: int) -> Tensor:
        ramp = torch.linspace(0, 1, steps, dtype=torch.float64)
        low, high = self.sigma_min ** (1 / self.rho), self.sigma_max ** (1 / self.rho)
        return torch.cat([(high + ramp * (low - high)) ** self.rho, ramp.new_zeros(1)])

    def start(self, eps: Tensor) -> Tensor:
        return eps * self.sigma_max


@dataclass(frozen=True)
class Flow(Path):
    """Rectified flow (Liu et al. 2022): x_t = (1 - t) x0 + t eps, t in (0, 1]; the target is eps - x0, or x0 itself."""

    mean: float = -0.5  # of logit(t) in training (Esser et al. 2024, eq. 19); below 0 it favours little noise
    std: float = 1.0
    uniform: float = 0.2  # share of training times that are uniform: of the rest hardly any is near pure noise
    shift: float = 2.5  # above 1 the grid spends more steps near noise (Esser et al. 2024, eq. 23)
    clean: bool = False  # whether the network predicts x0
    sigma_data: float = 0.0  # the pictures' standard deviation, where the network is scaled as EDM's is; 0 is without

    def mix(self, x0: Tensor, eps: Tensor, t: Tensor) -> Tensor:
        return x0.lerp(eps, _like(t, x0))

    def precondition(self, t: Tensor) -> Precondition:
        one = torch.ones_like(t)
        if not self.sigma_data:
            return Precondition(0 * one, one, one, t) if self.clean else Precondition(one, -t, one, t)
        total = ((1 - t) ** 2 * self.sigma_data**2 + t**2).sqrt()  # x_t's standard deviation
        skip = (1 - t) * self.sigma_data**2 / total**2
        ratio = (t / (1 - t)).log().clamp(-6, 6)  # as EDM's: of t itself, the last hundredth decides the layout
        return Precondition(skip, t * self.sigma_data / total, 1 / total, ratio / 4)

    def quantile(self, u: Tensor) -> Tensor:
        rest = (_normal((u - self.uniform) / (1 - self.uniform)) * self.std + self.mean).sigmoid()
        return torch.where(u < self.uniform, (u / max(self.uniform, 1e-6)).clamp(1e-3, 1 - 1e-3), rest)

    def times(self, steps: int) -> Tensor:
        t = torch.linspace(1, 0, steps + 1, dtype=torch.float64)
        return self.shift * t / (1 + (self.shift - 1) * t)

    def start(self, eps: Tensor) -> Tensor:
        return eps

    def churn(self, x: Tensor, t: Tensor, gamma: float, eps: Tensor) -> tuple[Tensor, Tensor]:
        # t / (1 - t) grows by 1 + gamma; at t = 1 there is only noise, and nothing changes
        t_hat = t * (1 + gamma) / (1 + t * gamma)
        scale = 1 / (1 + t * gamma)  # = (1 - t_hat) / (1 - t)
        return x * scale + eps * (t_hat**2 - (scale * t) ** 2).clamp(min=0).sqrt() * (t < 1), t_hat


@dataclass(frozen=True)
class DDPM(_VarianceExploding):
    """DDPM with the cosine schedule (Nichol and Dhariwal 2021), scaled as in Karras et al. 2022, Table 1, VP.

    The network predicts the velocity (Salimans and Ho 2022, section 4) from the variance-preserving
    x_t / sqrt(1 + t^2): eps itself, as in the first paper, says nothing of x0 near pure noise, where a young network's
    errors would be multiplied by t. t = tan(pi u / 2), u uniform.
    """

    u_min: float = 0.002
    u_max: float = 0.992

    def precondition(self, t: Tensor) -> Precondition:
        scale = (1 + t**2).rsqrt()
        return Precondition(scale**2, -t * scale, scale, t.atan() * (2 / math.pi))

    def quantile(self, u: Tensor) -> Tensor:
        return ((u * (self.u_max - self.u_min) + self.u_min) * math.pi / 2).tan()

    def times(self, steps: int) -> Tensor:
        u = torch.linspace(self.u_max, self.u_min, steps, dtype=torch.float64)
        return torch.cat([(u * math.pi / 2).tan(), u.new_zeros(1)])

    def start(self, eps: Tensor) -> Tensor:
        return eps * math.hypot(1.0, math.tan(self.u_max * math.pi / 2))


def denoise(net: Net, path: Path, x: Tensor, t: Tensor, **cond: Any) -> Tensor:
    """D(x, t), the estimate of x0: x (B, ...), t (B,) or (); `cond` goes to the network."""
    t = t.to(x.device, torch.float32).expand(len(x))
    c = path.precondition(t)
    return _like(c.c_skip, x) * x + _like(c.c_out, x) * net(_like(c.c_in, x) * x, c.c_noise, **cond).to(
        x.dtype
    )


def diffusion_loss(net: Net, path: Path, x0: Tensor, eps: Tensor, t: Tensor, **cond: Any) -> Tensor:
    """The loss of each picture (B,): the mean square of F(c_in x_t, c_noise) - (x0 - c_skip x_t) / c_out.

    With EDM's constants this is EDM's weighted loss (Karras et al. 2022, eq. 8), with Flow's the target is
    eps - x0.
    """
    t = t.to(x0.device)
    x = path.mix(x0, eps, t)
    c = path.precondition(t)
    target = (x0 - _like(c.c_skip, x) * x) / _like(c.c_out, x)
    return (net(_like(c.c_in, x) * x, c.c_noise, **cond).to(x.dtype) - target).square().flatten(1).mean(1)


def _normal(u: Tensor) -> Tensor:
    """The standard normal's quantile; float32 rounds u to 0 or 1 now and then, where it would be infinite."""
    z: Tensor = torch.special.ndtri(u.clamp(1e-6, 1 - 1e-6))
    return z


def _like(t: Tensor, x: Tensor) -> Tensor:
    """t (B,) or () shaped to broadcast over x (B, ...)."""
    return t.to(x.dtype).reshape(t.shape + (1,) * (x.ndim - 1)) if t.ndim else t.to(x.dtype)
