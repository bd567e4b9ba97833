"""Solvers of dx/dt = (x - D(x, t)) / t: generators of the estimate of x0 at every step, the result last.

All take `denoise(x, t)`, x (B, ...) at times[0], and decreasing `times` that end in 0 (see
`huabi.diffusion.Path.times`). Rows never mix: a picture depends on its own row of x, of `denoise` and, where
noise is drawn, on its own rng.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Generator, Tensor

__all__ = ["dpmpp_2m", "euler", "guided", "heun", "heun_stochastic", "noise", "repaint"]

Denoiser = Callable[[Tensor, Tensor], Tensor]


def euler(denoise: Denoiser, x: Tensor, times: Tensor) -> Iterator[Tensor]:
    """Euler's method: one evaluation a step, error O(h). This is DDIM (Song et al. 2020)."""
    for t, t_next in itertools.pairwise(times):
        x0 = denoise(x, t)
        yield x0
        x = x + _slope(x, x0, t) * (t_next - t).item()
    yield x


def heun(denoise: Denoiser, x: Tensor, times: Tensor) -> Iterator[Tensor]:
    """Heun's method: two evaluations a step, one in the last; error O(h^2) (Karras et al. 2022, alg. 1)."""
    for t, t_next in itertools.pairwise(times):
        x0 = denoise(x, t)
        yield x0
        x = _heun_step(denoise, x, x0, t, t_next)
    yield x


def dpmpp_2m(denoise: Denoiser, x: Tensor, times: Tensor) -> Iterator[Tensor]:
    """DPM-Solver++(2M): one evaluation a step, error O(h^2) (Lu et al. 2022, alg. 2, lambda = -log t)."""
    previous, last = None, 0.0
    for t, t_next in zip(times[:-1].tolist(), times[1:].tolist(), strict=True):
        x0 = denoise(x, torch.tensor(t, dtype=torch.float64))
        yield x0
        h = -torch.tensor(t_next / t, dtype=torch.float64).log().item()  # infinite in the last step
        # the last step lands on the estimate itself: to extrapolate it would amplify its noise
        ahead = x0 if previous is None or t_next == 0 else x0.lerp(previous, -h / (2 * last))
        x = ahead.lerp(x, t_next / t)
        previous, last = x0, h
    yield x


def heun_stochastic(
    denoise: Denoiser,
    x: Tensor,
    times: Tensor,
    churn: Callable[[Tensor, Tensor, float, Tensor], tuple[Tensor, Tensor]],
    rng: Sequence[Generator],
    amount: float = 10.0,
) -> Iterator[Tensor]:
    """Heun's method with fresh noise before each step (Karras et al. 2022, alg. 2; `amount` is S_churn).

    `churn` is the path's own; `rng` holds one generator for each row, so a picture is the same alone and in a
    batch.
    """
    gamma = min(amount / (len(times) - 1), 2**0.5 - 1)
    for t, t_next in itertools.pairwise(times):
        x, t = churn(x, t.to(x), gamma, noise(x.shape[1:], rng).to(x))
        x0 = denoise(x, t)
        yield x0
        x = _heun_step(denoise, x, x0, t, t_next)
    yield x


def repaint(
    denoise: Denoiser, x: Tensor, times: Tensor, noised: Callable[[Tensor, Tensor, Tensor], Tensor], rounds: int
) -> Iterator[Tensor]:
    """Euler's method that goes each step `rounds` times, and in between back up by fresh noise.

    So what is drawn and what is known around it come to agree (RePaint; Lugmayr et al. 2022, section 4.2). The first
    step is gone once, since above it there is only noise.

    Args:
        noised: (x, t, t_higher) -> x at t_higher.
    """
    for n, (t, t_next) in enumerate(itertools.pairwise(times)):
        for left in reversed(range(rounds if n and t_next > 0 else 1)):
            x0 = denoise(x, t)
            yield x0
            x = x + _slope(x, x0, t) * (t_next - t).item()
            if left:
                x = noised(x, t_next, t)
    yield x


def guided(
    denoise: Callable[..., Tensor],
    cond: Mapping[str, Any],
    uncond: Mapping[str, Any],
    guidance: float | Tensor,
) -> Denoiser:
    """Classifier-free guidance (Ho and Salimans 2022), uncond.lerp(cond, guidance): 1 is off, 0 no condition.

    `guidance` is a number or one for each row (B,).
    """
    rows = torch.as_tensor(guidance)
    if bool((rows == 1).all()):
        return lambda x, t: denoise(x, t, **cond)

    def both(x: Tensor, t: Tensor) -> Tensor:
        weight = rows.to(x).reshape(rows.shape + (1,) * (x.ndim - 1) if rows.ndim else ())
        return denoise(x, t, **uncond).lerp(denoise(x, t, **cond), weight)

    return both


def noise(shape: Sequence[int], rng: Sequence[Generator]) -> Tensor:
    """Unit normal noise (len(rng), *shape), each row from its own generator."""
    return torch.stack([torch.randn(tuple(shape), generator=g, device=g.device) for g in rng])


def _slope(x: Tensor, x0: Tensor, t: Tensor) -> Tensor:
    return (x - x0) / t.item()


def _heun_step(denoise: Denoiser, x: Tensor, x0: Tensor, t: Tensor, t_next: Tensor) -> Tensor:
    slope, h = _slope(x, x0, t), (t_next - t.to(t_next)).item()
    ahead = x + h * slope
    if t_next == 0:
        return ahead
    return x + h / 2 * (slope + _slope(ahead, denoise(ahead, t_next), t_next))
