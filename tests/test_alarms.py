"""Alarms: figures with known values, what sets each of them off, and what does not."""

from __future__ import annotations

import math
import re

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from huabi import families
from huabi.config import leaves
from huabi.metrics.alarms import (
    Side,
    Sign,
    collapse,
    losses_lost,
    memorisation,
    over_smoothing,
    overconfidence,
    pictures_lost,
    remedy,
    thumbnails,
    variety,
)

NONE = torch.zeros(0, 3, 32, 32)


def pictures(count: int, seed: int, size: int = 32) -> torch.Tensor:
    """Pictures with a coarse layout and fine detail, each another."""
    rng = torch.Generator().manual_seed(seed)
    coarse, fine = torch.randn(count, 3, 5, 5, generator=rng), torch.randn(count, 3, size, size, generator=rng)
    return (0.6 * F.interpolate(coarse, (size, size), mode="bicubic") + 0.1 * fine).clamp(-1, 1)


def soft(x: torch.Tensor, times: int = 2) -> torch.Tensor:
    for _ in range(times):
        x = F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), 3, 1)
    return x


def side(x: torch.Tensor) -> Side:
    """With features that are worse at softness than thumbnails are, as those of a trained network."""
    detail = (x - soft(x)).abs()
    return Side(x, torch.cat([F.adaptive_avg_pool2d(x, 4).flatten(1), 10 * F.avg_pool2d(detail, 8).flatten(1)], 1))


def test_variety_counts_what_is_different() -> None:
    far = 100 * torch.eye(8, dtype=torch.float64)
    assert variety(far, 1.0) == pytest.approx(8)
    assert variety(far[[0] * 8], 1.0) == pytest.approx(1)
    assert variety(far[[0, 0, 0, 0, 1, 1, 1, 1]], 1.0) == pytest.approx(2)
    assert variety(far[[0, 1, 1, 1]], 1.0) == pytest.approx(4 / 3**0.75)  # the exponential of the shares' entropy


def test_collapse_is_few_different_pictures() -> None:
    data, other = side(pictures(96, 0)), pictures(96, 1)
    assert not collapse(side(other), data).fires
    assert collapse(side(other), data).value == pytest.approx(1, abs=0.2)
    for count in (1, 3, 10):
        few = other[torch.arange(96) % count] + 0.01 * pictures(96, 2)
        sign = collapse(side(few), data)
        assert sign.fires, sign
        assert sign.value < 0.3
    assert not collapse(side(soft(other, 6)), data).fires  # alike in what the features see, but not as pictures
    small = pictures(48, 3)
    drawn = torch.randint(48, (96,), generator=torch.Generator().manual_seed(0))
    assert not collapse(side(small[drawn]), side(small)).fires  # learnt by heart is something else
    assert math.isnan(collapse(side(other[:5]), data).value)


def test_a_sure_critic_is_told_of_late() -> None:
    assert overconfidence([0.6] * 40).value == 0.6
    assert not overconfidence([0.99] * 40 + [0.6] * 10).fires
    assert overconfidence([0.6] * 40 + [0.99] * 10).fires
    assert not overconfidence([0.99] * 3).fires


@pytest.mark.parametrize("count", [50, 2000])
def test_copies_are_found_and_honest_pictures_are_not(count: int) -> None:
    training, honest = pictures(count, 0), pictures(100, 1)
    bank = thumbnails(training)
    copies = 0.7 * soft(training[:40]) + 0.1 * pictures(40, 5)  # soft, faint and noisy ones
    assert memorisation(copies, bank, NONE).value == 1
    half = torch.cat([copies, honest[:40]])
    assert memorisation(half, bank, honest).value == pytest.approx(0.5)
    for drawn in (honest, soft(honest, 6), pictures(64, 2), torch.zeros(20, 3, 32, 32)):
        for heldout in (NONE, honest[:5], pictures(80, 3)):
            assert memorisation(drawn, bank, heldout).value == 0


def test_mirror_images_count_where_training_mirrors() -> None:
    training = pictures(60, 0)
    bank, mirrored = thumbnails(training), training.flip(3)
    assert not memorisation(mirrored, bank, NONE).fires
    assert memorisation(mirrored, bank, NONE, mirrored=True).value == 1
    assert memorisation(training, bank, NONE, mirrored=True).value == 1


def test_near_duplicates_on_both_sides_are_taken_off() -> None:
    training = pictures(300, 0)
    bank, heldout = thumbnails(training), pictures(100, 1)
    heldout[:30] = training[:30] + 0.05 * pictures(30, 2)  # the folder holds series of one scene
    drawn = pictures(100, 3)
    drawn[:30] = training[50:80]
    assert memorisation(drawn, bank, NONE).value == pytest.approx(0.3)
    assert not memorisation(drawn, bank, heldout).fires
    assert memorisation(training[:40], bank, training[:5]).fires  # five held-out pictures prove little


@settings(max_examples=10)
@given(st.integers(0, 2**31), st.integers(8, 20), st.booleans())
def test_order_does_not_matter(seed: int, count: int, alpha: bool) -> None:
    rng = torch.Generator().manual_seed(seed)
    x, y, training = (pictures(16 + count, seed + k, 16)[:, : 3 - alpha] for k in range(3))
    x[:4] = training[:4]
    a, b, c = (torch.randperm(len(x), generator=rng) for _ in range(3))
    pairs = [
        (memorisation(x, thumbnails(training), y), memorisation(x[a], thumbnails(training)[b], y[c])),
        (over_smoothing(x, y), over_smoothing(x[a], y[b])),
        (pictures_lost(x, y), pictures_lost(x[a], y[b])),
        (collapse(Side(x, x.flatten(1)), Side(y, y.flatten(1))),) * 2,
    ]
    shuffled = Side(x[a], x[a].flatten(1)), Side(y[b], y[b].flatten(1))
    pairs[-1] = (pairs[-1][0], collapse(*shuffled))
    for one, other in pairs:
        assert one.value == pytest.approx(other.value, rel=1e-5)


def test_fine_detail_is_measured_in_energy() -> None:
    data, other = pictures(64, 0), pictures(64, 1)
    assert over_smoothing(data, data).value == 1
    assert over_smoothing(data / 2, data).value == pytest.approx(0.25)
    assert not over_smoothing(other, data).fires
    assert over_smoothing(soft(other), data).fires
    assert not over_smoothing(other + 0.1 * torch.randn(other.shape), data).fires
    assert not over_smoothing(other, torch.zeros(4, 3, 32, 32)).fires  # flat data have no detail to lack


def test_lost_pictures_are_blank_clipped_or_no_numbers() -> None:
    data, drawn = pictures(64, 0), pictures(64, 1)
    drawings = torch.where(pictures(64, 2) > 0.5, 1.0, -1.0)  # ink on paper: clipped everywhere
    assert pictures_lost(drawn, data).value == 0
    assert pictures_lost(drawings, drawings).value == 0
    assert pictures_lost(drawings, data).value == 1
    for spoilt in (torch.zeros_like(data), -torch.ones_like(data), data * math.nan, data + math.inf):
        assert pictures_lost(spoilt, data).value == 1
        assert pictures_lost(spoilt, drawings).fires
    drawn[:16] = 0.3
    assert pictures_lost(drawn, data).value == 0.25


def course(*parts: tuple[float, float], rows: int = 60, seed: int = 0) -> list[float]:
    """A noisy loss that goes from one value to the next in each part."""
    rng = torch.Generator().manual_seed(seed)
    line = torch.cat([torch.linspace(a, b, rows) for a, b in parts])
    return (line + 0.05 * torch.randn(len(line), generator=rng)).tolist()


def test_losses_that_lose_their_gain_are_told_from_those_that_scatter() -> None:
    falling, flat = course((1.2, 0.3), (0.3, 0.25)), course((0.3, 0.3), (0.3, 0.3))
    below_zero = course((0.4, -2.0), (-2.0, -2.5))
    for healthy in (falling, flat, below_zero, falling[:30]):
        assert losses_lost({"net": healthy}).value < 0.3
    for sick in (course((1.2, 0.3), (0.3, 1.0)), course((0.4, -2.0), (-2.0, 3.0)), course((1.0, 1e4), (1e4, 1e6))):
        assert losses_lost({"net": sick}).fires
    assert losses_lost({"net": [*falling, *[math.nan] * 20]}).value == math.inf
    assert math.isnan(losses_lost({"net": [1.0, 1e9, 1e12]}).value)
    assert losses_lost({"net": [7 * v for v in falling]}).value == pytest.approx(losses_lost({"net": falling}).value)


def test_networks_in_a_contest_may_take_turns_in_losing() -> None:
    winning, losing = course((1.4, 0.2), (0.2, 0.1)), course((0.7, 3.0), (3.0, 6.0))
    assert not losses_lost({"generator": losing, "critic": winning}).fires
    assert losses_lost({"generator": losing, "critic": course((1.4, 50.0), (50.0, 90.0))}).fires


@pytest.mark.parametrize("alarm", ["collapse", "memorisation", "over-smoothing", "divergence"])
@pytest.mark.parametrize("name", list(families.FAMILIES))
def test_an_alarm_names_figure_threshold_and_a_remedy_that_the_family_has(name: str, alarm: str) -> None:
    config = leaves(families.find(name).Config())
    line = Sign(alarm, 0.0379, 0.25, "samples look odd", above=False).line(config)
    assert line.startswith(f"{alarm}: samples look odd (0.0379, alarm below 0.25); ")
    assert set(re.findall(r"--set ([\w.]+)", line)) <= config.keys()
    assert remedy(alarm, {})
