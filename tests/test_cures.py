"""The benches of the cures: what they measure is right, and what they set exists."""

from __future__ import annotations

import argparse
import json
import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))
import cures
import gaussians
from cures import Case
from gaussians import OURS, SAMPLES, SIGMA, Game, Linear, centres, coverage, points
from huabi.config import configure, leaves
from huabi.families import find


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
    """A seed draws and learns the same alone as beside others."""
    settings = replace(OURS, deviation=True, spectral=True)
    both, alone = Game(settings, [3, 4]), Game(settings, [4])
    torch.testing.assert_close(both.samples()[1:], alone.samples())
    both.critic_loss().backward()
    alone.critic_loss().backward()
    for mine, own in zip(both.critic.parameters(), alone.critic.parameters()):
        torch.testing.assert_close(2 * mine.grad[1:], own.grad, rtol=1e-3, atol=1e-5)  # losses are means over seeds


def test_spectral_layers_stretch_nothing(rng: torch.Generator) -> None:
    layer = Linear(8, 6, [rng], spectral=True)
    for _ in range(50):
        layer(torch.zeros(1, 1, 8))
    weight = (layer.weight / layer.norm()).detach()
    assert float(torch.linalg.matrix_norm(weight[0], 2)) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("half", ["r1", "r2"])
def test_the_penalty_is_the_mean_of_the_points_squared_slopes(half: str) -> None:
    plain = replace(OURS, r1=0.0, r2=0.0)
    with_it, without, other = (Game(s, [0, 1]) for s in (replace(plain, **{half: 3.0}), plain, plain))
    real, drawn = other.real(), other.generator(other.noise(gaussians.BATCH)).detach()
    slopes = []
    for point in (real if half == "r1" else drawn).split(1, 1):  # (S, 1, 2): each alone
        x = point.clone().requires_grad_()
        slopes.append(torch.autograd.grad(other.critic(x).sum(), x)[0].square().sum(2))
    penalty = with_it.critic_loss().detach() - without.critic_loss().detach()
    assert float(penalty) == pytest.approx(1.5 * float(torch.cat(slopes, 1).mean()), rel=1e-3)


@pytest.mark.parametrize("case", cures.cases(), ids=lambda case: case.name)
def test_every_case_is_of_settings_that_exist(case: Case) -> None:
    asked = leaves(configure(find(case.family).Config(), case.settings))
    assert {key: asked[key] for key in case.settings} == dict(case.settings)


def test_no_two_cases_share_a_name() -> None:
    names = [case.name for case in cures.cases()]
    assert len(set(names)) == len(names)


@pytest.fixture
def two_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A results file with two seeds of one case, of which the second diverged."""
    monkeypatch.setattr(cures, "cases", lambda: [Case("small", "gan", "with ada")])
    shared = {"case": "small-gan-with-ada", "minutes": 10.0, "threads": 1, "samples": 1000}
    first = {"seed": 0, "steps": 1000, "diverged": False, "alarms": ["collapse"], "kd": 40.0, "kd_error": 2.0}
    second = {"seed": 1, "steps": 2000, "diverged": True, "alarms": ["collapse", "divergence"]}
    (tmp_path / "results.jsonl").write_text("\n".join(json.dumps(shared | run) for run in (first, second)) + "\n")
    return tmp_path


def test_the_table_has_means_and_what_went_wrong(two_runs: Path) -> None:
    heads, _, row = cures.table(two_runs).splitlines()[2:]
    cells = dict(zip(heads.strip("| ").split(" | "), row.strip("| ").split(" | ")))
    assert cells["steps"] == "1,500"
    assert cells["KD x1000"] == "40"
    assert cells["KD of each seed, 95 %"] == "36.1 to 43.9"
    assert cells["diverged"] == "1 of 2"
    assert cells["alarms"] == "collapse 2, divergence 1"


def test_finished_runs_are_not_made_again(two_runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    def record(case: Case, seed: int, *_: Any) -> dict[str, Any]:
        made.append(seed)
        return {"case": case.name, "seed": seed, "minutes": 10.0}

    class NoGrader:
        def __init__(self, *_: Any) -> None: ...
        def __enter__(self) -> None: ...
        def __exit__(self, *_: Any) -> None: ...

    monkeypatch.setattr(cures, "run", record)
    monkeypatch.setattr(cures, "Grader", NoGrader)
    monkeypatch.setattr(cures, "source", lambda *_: ("", "", 8))
    for _ in range(2):
        cures.train(argparse.Namespace(only="", out=two_runs, seeds=3, minutes=10.0, photos=None))
    assert made == [2]


def test_the_small_set_and_what_it_is_held_against_share_no_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cures, "SMALL", 3)
    (tmp_path / "photos" / "cat").mkdir(parents=True)
    for n in range(8):
        (tmp_path / "photos" / "cat" / f"{n}.png").write_bytes(bytes([n]))
    seen, unseen = ({p.name for p in part.iterdir()} for part in cures.divided(tmp_path / "photos", tmp_path))
    assert len(seen) == 3
    assert seen.isdisjoint(unseen)
    assert len(seen | unseen) == 8
