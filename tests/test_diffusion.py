"""Paths between pictures and noise, their loss, and that a family learns along each of them."""

from __future__ import annotations

import pytest
import torch

from conftest import TINY, stream
from huabi.config import configure
from huabi.diffusion import DDPM, EDM, Flow, Path, denoise, diffusion_loss
from huabi.families.diffusion import PATHS as FAMILY_PATHS
from huabi.families.diffusion import Diffusion, DiffusionConfig
from huabi.model import DataSpec
from huabi.plan import Plan
from huabi.ranks import Ranks
from huabi.requests import Generate
from huabi.trainer import Trainer

PATHS = [EDM(), Flow(), Flow(mean=-0.5, std=1.2, shift=2.0), Flow(clean=True), Flow(sigma_data=0.5), DDPM()]


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(n: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    g = rng(n)
    return torch.randn(n, 3, 8, 8, generator=g) / 2, torch.randn(n, 3, 8, 8, generator=g)


class Recorder:
    """A network that answers what it is told, and remembers what it was asked."""

    def __init__(self, answer: torch.Tensor | float = 0.0) -> None:
        self.answer = answer

    def __call__(self, x: torch.Tensor, c_noise: torch.Tensor) -> torch.Tensor:
        self.x, self.c_noise = x, c_noise
        return torch.zeros_like(x) + self.answer


@pytest.mark.parametrize("path", PATHS, ids=str)
def test_the_true_picture_makes_the_slope_of_the_path(path: Path) -> None:
    """With D = x0, (x - D) / t is the derivative of mix: what every solver relies on."""
    x0, eps = (a.double() for a in pictures())
    t, h = path.quantile(torch.tensor([0.1, 0.4, 0.6, 0.9], dtype=torch.float64)), 1e-5
    slope = (path.mix(x0, eps, t + h) - path.mix(x0, eps, t - h)) / (2 * h)
    torch.testing.assert_close(
        (path.mix(x0, eps, t) - x0) / t.reshape(-1, 1, 1, 1), slope, rtol=1e-6, atol=1e-6
    )


@pytest.mark.parametrize("path", PATHS, ids=str)
def test_loss_is_zero_exactly_where_the_denoiser_returns_the_picture(path: Path) -> None:
    x0, eps = pictures()
    t = path.quantile(torch.tensor([0.2, 0.4, 0.6, 0.8]))
    x, c = path.mix(x0, eps, t), path.precondition(t)
    column = [a.reshape(-1, 1, 1, 1) for a in c]
    oracle = Recorder((x0 - column[0] * x) / column[1])
    torch.testing.assert_close(denoise(oracle, path, x, t), x0, rtol=1e-4, atol=1e-4)
    assert diffusion_loss(oracle, path, x0, eps, t).max() < 1e-8
    assert (diffusion_loss(Recorder(oracle.answer + 1), path, x0, eps, t) - 1).abs().max() < 1e-4


def test_flow_target_is_the_velocity() -> None:
    x0, eps = pictures()
    t = torch.tensor([0.1, 0.3, 0.7, 1.0])
    assert diffusion_loss(Recorder(eps - x0), Flow(), x0, eps, t).max() < 1e-9


def test_edm_weighs_as_karras() -> None:
    """The denoiser's square error weighs (sigma^2 + sigma_data^2) / (sigma sigma_data)^2 (2022, table 1)."""
    x0, eps = pictures()
    sigma, path, net = torch.tensor([0.05, 0.3, 1.0, 20.0]), EDM(), Recorder(0.3)
    d = denoise(net, path, path.mix(x0, eps, sigma), sigma)
    weight = (sigma**2 + 0.5**2) / (sigma * 0.5) ** 2
    expected = weight * (d - x0).square().flatten(1).mean(1)
    torch.testing.assert_close(diffusion_loss(net, path, x0, eps, sigma), expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(net.c_noise, sigma.log() / 4)


@pytest.mark.parametrize(
    ("path", "std", "times"),
    [
        (EDM(), 0.5, (0.1, 1.0, 10.0)),
        (DDPM(), 1.0, (0.1, 1.0, 10.0)),
        (Flow(sigma_data=0.5), 0.5, (0.05, 0.5, 0.95)),
    ],
    ids=str,
)
def test_scaled_paths_feed_the_network_unit_variance(path: Path, std: float, times: tuple[float, ...]) -> None:
    g, net = rng(), Recorder()
    x0, eps = std * torch.randn(3, 3, 64, 64, generator=g), torch.randn(3, 3, 64, 64, generator=g)
    asked = diffusion_loss(net, path, x0, eps, torch.tensor(times))  # of an answer of 0: what is asked for, squared
    assert (net.x.flatten(1).std(1) - 1).abs().max() < 0.03
    if not isinstance(path, DDPM):
        assert (asked - 1).abs().max() < 0.05


def test_a_scaled_flow_asks_for_the_picture_in_noise_and_for_the_noise_in_the_picture() -> None:
    x0, eps = pictures(64)
    path = Flow(sigma_data=0.5)
    assert diffusion_loss(Recorder(2 * x0), path, x0, eps, torch.full((64,), 0.999)).mean() < 1e-4
    assert diffusion_loss(Recorder(-eps), path, x0, eps, torch.full((64,), 0.001)).mean() < 1e-4


@pytest.mark.parametrize("path", PATHS, ids=str)
def test_times_fall_to_zero_and_start_has_the_first_times_noise(path: Path) -> None:
    times = path.times(18)
    assert times.shape == (19,)
    assert times[-1] == 0
    assert (times.diff() < 0).all()
    eps = torch.randn(1, 3, 64, 64, generator=rng())
    mixed = path.mix(torch.zeros_like(eps), eps, times[:1])
    assert abs(path.start(eps).std() / mixed.std() - 1) < 0.01


@pytest.mark.parametrize("path", [EDM(), Flow(uniform=0.0), DDPM()], ids=str)
def test_draw_covers_the_distribution_and_depends_on_its_rng_alone(path: Path) -> None:
    draw = path.draw(64, rng(3))
    assert torch.equal(draw, path.draw(64, rng(3)))
    assert not torch.equal(draw, path.draw(64, rng(4)))
    edges = path.quantile(torch.linspace(0, 1, 65))
    assert (draw.sort().values >= edges[:-1]).all()
    assert (draw.sort().values <= edges[1:]).all()
    assert torch.isfinite(edges).all()
    assert (edges > 0).all()
    assert not torch.equal(draw, draw.sort().values)


def test_a_fifth_of_the_flows_times_is_uniform() -> None:
    times = Flow().draw(10_000, rng())
    normal = Flow(uniform=0.0).draw(10_000, rng())
    assert (normal > 0.95).float().mean() < 0.001
    assert abs((times > 0.95).float().mean() - 0.2 * 0.05) < 0.002
    assert abs(times.logit().median() - normal.logit().median()) < 0.15
    edges = Flow().quantile(torch.tensor([0.0, 0.2, 1.0]))
    assert ((edges > 0) & (edges < 1)).all()


@pytest.mark.parametrize("path", PATHS, ids=str)
def test_churn_lands_on_the_path(path: Path) -> None:
    """Re-noised x has the signal and the noise that the path has at the new time."""
    n = 200_000
    g, t = rng(), path.times(8)[3]
    x0, eps, fresh = torch.ones(1, n), torch.randn(1, n, generator=g), torch.randn(1, n, generator=g)
    x, t_hat = path.churn(path.mix(x0, eps, t.reshape(1)), t, 0.3, fresh)
    want = path.mix(x0, eps, t_hat.reshape(1))
    assert t_hat > t
    assert abs(x.mean() - want.mean()) < 0.02 * want.std()
    assert abs(x.std() / want.std() - 1) < 0.01


@pytest.mark.parametrize("name", list(FAMILY_PATHS))
@pytest.mark.parametrize("solver", ["dpmpp_2m", "heun_stochastic"])
def test_every_path_learns_to_draw_its_pictures(name: str, solver: str) -> None:
    spec = DataSpec((8, 8), 3, count=8)
    torch.manual_seed(0)
    family = Diffusion(configure(DiffusionConfig(), {**TINY["diffusion"], "path": name, "solver": solver}), spec)
    colour = torch.tensor([0.6, -0.3, 0.1]).reshape(1, 3, 1, 1)
    trainer = Trainer(family, Plan.of_steps(150), ranks=Ranks.alone())
    for _ in trainer.run(batch._replace(image=colour.expand(4, 3, 8, 8)) for batch in stream(spec, 4)):
        pass
    with trainer.averaged():
        *_, drawn = family.sample([Generate(seed=seed) for seed in range(4)])
    assert (drawn.mean((0, 2, 3), keepdim=True) - colour).abs().max() < 0.15
    assert (drawn - colour).abs().mean() < 0.2
