"""The solvers, against a Gaussian whose denoiser and whose solution are known in closed form."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor

from huabi.diffusion import DDPM, EDM, Flow, Path
from huabi.sampling import dpmpp_2m, euler, guided, heun, heun_stochastic, noise

MEAN, STD = 0.3, 0.6


class Gaussian:
    """The best denoiser of normal pictures, E[x0 | x_t], in float64, and the end of the path through x_t."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def signal(self, t: Tensor) -> Tensor:
        one = torch.ones(1, 1, dtype=torch.float64)
        return self.path.mix(one, 0 * one, t.reshape(1).double()).squeeze()

    def __call__(self, x: Tensor, t: Tensor) -> Tensor:
        a, t = self.signal(t), t.double()
        return MEAN + a * STD**2 / ((a * STD) ** 2 + t**2) * (x - a * MEAN)

    def solution(self, x: Tensor, t: Tensor) -> Tensor:
        a = self.signal(t)
        return MEAN + STD * (x - a * MEAN) / ((a * STD) ** 2 + t**2).sqrt()


def last(steps: Iterator[Tensor]) -> Tensor:
    *_, x = steps
    return x


def rngs(n: int, seed: int = 0) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed + i) for i in range(n)]


def error(solver: Callable[..., Iterator[Tensor]], steps: int) -> float:
    """Of the flow from t = 0.9 to 0.1: the ends, where grids are singular, would hide the order."""
    gaussian = Gaussian(Flow())
    times = torch.linspace(0.9, 0.1, steps + 1, dtype=torch.float64)
    x = torch.linspace(-2, 2, 9, dtype=torch.float64)[:, None]
    exact = gaussian.solution(x, times[0])
    got = gaussian.solution(last(solver(gaussian, x, times)), times[-1])
    return (got - exact).abs().max().item()


@pytest.mark.parametrize(("solver", "order"), [(euler, 1), (heun, 2), (dpmpp_2m, 2)])
def test_error_falls_at_the_solvers_order(solver: Callable[..., Iterator[Tensor]], order: int) -> None:
    measured = math.log2(error(solver, 32) / error(solver, 64))
    assert abs(measured - order) < 0.25


@pytest.mark.parametrize("path", [EDM(), Flow(), DDPM()], ids=str)
@pytest.mark.parametrize("solver", [heun, dpmpp_2m])
def test_every_path_ends_in_the_pictures(path: Path, solver: Callable[..., Iterator[Tensor]]) -> None:
    eps = torch.linspace(-2, 2, 9, dtype=torch.float64)[:, None]
    x = last(solver(Gaussian(path), path.start(eps), path.times(60)))
    torch.testing.assert_close(x, MEAN + STD * eps, rtol=0, atol=0.03)


@pytest.mark.parametrize("path", [EDM(), Flow(), DDPM()], ids=str)
def test_stochastic_heun_draws_from_the_pictures(path: Path) -> None:
    x = path.start(noise((5_000,), rngs(1)).double().T)
    shared = rngs(1)[0]
    got = last(heun_stochastic(Gaussian(path), x, path.times(60), path.churn, [shared] * len(x), amount=9.0))
    assert abs(got.mean() - MEAN) < 0.02
    assert abs(got.std() / STD - 1) < 0.025


def test_what_is_yielded() -> None:
    """An estimate of x0 at every step, then the result; Heun asks twice a step but once in the last."""
    gaussian, asked = Gaussian(Flow()), []

    def count(x: Tensor, t: Tensor) -> Tensor:
        asked.append(float(t))
        return gaussian(x, t)

    x = torch.ones(2, 1, dtype=torch.float64)
    for solver, calls in ((euler, 5), (heun, 9), (dpmpp_2m, 5)):
        asked.clear()
        frames = list(solver(count, x, Flow().times(5)))
        assert len(frames) == 6
        assert len(asked) == calls
        assert 0.0 not in asked
        torch.testing.assert_close(frames[0], gaussian(x, torch.tensor(1.0)))


def test_a_row_is_the_same_alone_and_in_a_batch() -> None:
    path, shape = Flow(), (3, 4, 4)
    for row in range(3):
        together = heun_stochastic(
            Gaussian(path), path.start(noise(shape, rngs(3))), path.times(6), path.churn, rngs(3, 7)
        )
        alone = heun_stochastic(
            Gaussian(path),
            path.start(noise(shape, rngs(3)[row:][:1])),
            path.times(6),
            path.churn,
            rngs(3, 7)[row:][:1],
        )
        assert torch.equal(last(together)[row], last(alone)[0])


def test_guidance_extrapolates_by_row_and_one_asks_only_once() -> None:
    calls = []

    def model(x: Tensor, t: Tensor, label: float) -> Tensor:
        calls.append(label)
        return torch.full_like(x, label)

    x, t = torch.zeros(3, 2, 2), torch.tensor(0.5)
    weights = torch.tensor([0.0, 1.0, 3.0])
    assert guided(model, {"label": 2.0}, {"label": 1.0}, weights)(x, t)[:, 0, 0].tolist() == [1.0, 2.0, 4.0]
    calls.clear()
    assert guided(model, {"label": 2.0}, {"label": 1.0}, 1.0)(x, t).eq(2).all()
    assert calls == [2.0]
