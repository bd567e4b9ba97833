"""The benches of the cures: what they measure is right, and what they set exists."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))
import gaussians
from gaussians import OURS, SAMPLES, SIGMA, Game, Linear, centres, coverage, points


@pytest.fixture
def rng() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_perfect_samples_cover_every_mode(rng: torch.Generator) -> None:
    found = coverage(points(20_000, rng))
    assert found.modes == 25
    assert found.near == pytest.approx(1 - math.exp(-4.5), abs=0.003)  # the share of a normal within three sigma
    assert found.uneven == pytest.approx(0, abs=0.003)


def test_one_mode_is_one_mode(rng: torch.Generator) -> None:
    found = coverage(centres()[7] + SIGMA * torch.randn(SAMPLES, 2, generator=rng))
    assert found.modes == 1
    assert found.near == pytest.approx(0.989, abs=0.01)
    assert found.uneven == pytest.approx(math.log(25))


def test_a_mode_counts_from_twenty_samples_on() -> None:
    for count, modes in ((19, 1), (20, 2)):
        rest = centres()[:1].expand(SAMPLES - count, 2)
        assert coverage(torch.cat([centres()[1:2].expand(count, 2), rest])).modes == modes


@pytest.mark.parametrize("value", [math.nan, math.inf, 1e30])
def test_what_is_lost_is_near_no_mode(value: float) -> None:
    assert coverage(torch.full((SAMPLES, 2), value)) == (0, 0.0, 0.0)


@pytest.mark.parametrize("name", gaussians.cases())
def test_every_case_plays(name: str) -> None:
    records, samples = gaussians.run(name, gaussians.cases()[name], [0, 1], steps=2)
    assert samples.shape == (2, SAMPLES, 2)
    assert samples.isfinite().all()
    assert [record["seed"] for record in records] == [0, 1]


def test_seeds_share_nothing() -> None:
    """A seed's game is the same alone and beside others."""
    settings = replace(OURS, deviation=True, spectral=True)
    both, alone = Game(settings, [3, 4]), Game(settings, [4])
    for _ in range(3):
        both.play()
        alone.play()
    torch.testing.assert_close(both.samples()[1:], alone.samples(), rtol=1e-3, atol=1e-3)


def test_spectral_layers_stretch_nothing(rng: torch.Generator) -> None:
    layer = Linear(8, 6, [rng], spectral=True)
    for _ in range(50):
        layer(torch.zeros(1, 1, 8))
    weight = (layer.weight / layer.norm())[0]
    assert float(torch.linalg.matrix_norm(weight, 2)) == pytest.approx(1, abs=1e-3)


def test_the_penalty_is_the_mean_of_the_points_squared_slopes() -> None:
    game = Game(OURS, [0, 1])
    x = game.real()[:, :8]
    _, penalty = game.scored(x, gamma=3.0)
    slopes = []
    for column in x.split(1, 1):  # (S, 1, 2): each point alone
        point = column.requires_grad_()
        slopes.append(torch.autograd.grad(game.critic(point).sum(), point)[0].square().sum(2))
    assert float(penalty) == pytest.approx(1.5 * float(torch.cat(slopes, 1).mean()), rel=1e-4)
