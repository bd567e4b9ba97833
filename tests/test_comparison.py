"""A comparison treats all families alike, goes on where it was, and says no more than its figures do."""

from __future__ import annotations

import json
import math
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from conftest import TINY, write_pictures
from huabi import api, cli, comparison, families, verdict
from huabi.checkpoint import Checkpoint
from huabi.comparison import Row, compare
from huabi.config import configure
from huabi.display import COLUMNS, Standings, standing
from huabi.errors import DataError, HuabiError, RequestError, RunError, TrainingError
from huabi.evaluation import Evaluation
from huabi.job import Stopped
from huabi.trainer import Report
from huabi.verdict import HELD_OUT, TRAINING, Mark, judge, rank, recommended

ARTISTS = ("diffusion", "gan", "vae")
OTHERS = {*families.FAMILIES} - {*ARTISTS}
LEFT_OUT = dict.fromkeys(OTHERS, "left out")
HOW: dict[str, Any] = {"budget": 0.5, "size": (8, 8), "threads": 1}


def figures(
    value: float | None = 5.0,
    spread: float | None = 1.0,
    alarms: tuple[str, ...] = (),
    seconds: float | None = 0.01,
    memory: float | None = None,
    reference: int = 100,
    on: tuple[str, ...] = (HELD_OUT, TRAINING),
) -> dict[str, Any]:
    """The facts of an evaluation, as far as a comparison reads them."""
    known = value is not None and spread is not None
    score = {
        "name": "kernel distance x 1000",
        "value": value,
        "low": value - spread if known else None,
        "high": value + spread if known else None,
        "protocol": {"samples": 100, "reference": reference},
    }
    cost = {"seconds_per_picture": seconds, "peak_memory_mb": memory}
    return {"scores": [{**score, "on": side} for side in on], "alarms": list(alarms), "cost": cost}


def done(**evaluations: dict[str, Any] | str) -> list[dict[str, Any]]:
    """Families of a comparison's facts; a text is why one failed."""
    rows = []
    for name, found in evaluations.items():
        failed = isinstance(found, str)
        state, why = ("failed", found) if failed else ("done", "")
        rows.append({"family": name, "state": state, "why": why, "evaluation": None if failed else found})
    return rows


def advice(**evaluations: dict[str, Any] | str) -> str:
    return judge(done(**evaluations), comparison.GENERATE.scores).advice


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Families that are small by default."""
    for name in ARTISTS:
        kind = families.find(name)
        small = configure(kind.Config(), TINY[name])
        monkeypatch.setattr(kind, "Config", lambda small=small: small)


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Evaluations that cost nothing: (family, n) of each that was made."""
    made: list[tuple[str, int]] = []

    def evaluate(source: Path, against: str, *, n: int, **_: Any) -> Evaluation:
        made.append((source.name, n))
        facts = {"source": str(source), **figures(value=float(len(source.name)), spread=0.1)}
        return Evaluation(facts, {"sheet": Image.new("RGB", (8, 8), "white")})

    monkeypatch.setattr(comparison, "evaluate", evaluate)
    monkeypatch.setattr(comparison, "evaluation_page", lambda evaluation: "<p>one</p>")
    monkeypatch.setattr(comparison, "comparison_page", lambda facts, sheets: " ".join(sheets))
    return made


def weights(out: Path) -> dict[str, bytes]:
    return {path.parent.name: path.read_bytes() for path in out.glob("*/model.safetensors")}


def states(facts: dict[str, Any]) -> dict[str, str]:
    return {row["family"]: row["state"] for row in facts["families"]}


def test_the_whole_way(
    tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    photos, out, judge = write_pictures(tmp_path / "photos", count=40), tmp_path / "out", tmp_path / "judge"
    api.train("classifier", photos, judge, size=8, steps=1, threads=1, settings=TINY["classifier"])
    words = ["compare", photos, "--out", out, "--budget", "1s", "--size", 8, "--n", 20, "--threads", 1]
    monkeypatch.setattr("sys.argv", ["huabi", *map(str, words), "--features", f"classifier:{judge}"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    printed, errors = capfd.readouterr()
    assert end.value.code == 0, errors
    facts = json.loads((out / "report.json").read_text(), parse_constant=lambda name: pytest.fail(name))
    assert states(facts) == LEFT_OUT | dict.fromkeys(ARTISTS, "done")
    assert (facts["budget"], facts["size"], facts["count"]) == (1.0, [8, 8], 20)
    assert sorted(name for group in facts["ranking"] for name in group) == sorted(ARTISTS)
    assert facts["measure"] in comparison.GENERATE.scores
    assert "one training seed" in facts["advice"]
    assert " ".join(printed.split()[-1:]) == str(out / "report.html")
    assert all(name in printed for name in ARTISTS)
    assert (out / "report.html").read_text().lower().startswith("<!doctype html")
    headers = [Checkpoint.open(out / name).header for name in ARTISTS]
    for same in ("data_settings", "seed", "threads", "precision", "budget", "fingerprint"):
        assert all(header[same] == headers[0][same] for header in headers)
    for name in ARTISTS:
        kept = {path.name for path in (out / name / "evaluation").iterdir()}
        assert {"report.json", "report.html", "sheet.png", "made.json"} <= kept


def test_a_second_start_trains_and_measures_nothing_again(
    tiny: None, measured: list[tuple[str, int]], photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    first = compare(str(photos), out, n=20, **HOW)
    trained = weights(out)
    assert compare(str(photos), out, n=20) == first
    assert [name for name, _ in measured] == list(ARTISTS)
    compare(str(photos), out, n=30, **HOW)  # more pictures are another measurement of the same runs
    assert measured[len(ARTISTS) :] == [(name, 30) for name in ARTISTS]
    assert weights(out) == trained
    for name, left in (("gan", "{"), ("vae", '{"of": "another evaluation"}')):
        (out / name / "evaluation" / "report.json").write_text(left)
    compare(str(photos), out, n=30)
    assert measured[2 * len(ARTISTS) :] == [("gan", 30), ("vae", 30)]


def test_it_goes_on_in_the_middle_of_a_family(
    tiny: None, measured: list[tuple[str, int]], photos: Path, tmp_path: Path
) -> None:
    out, said, steps = tmp_path / "out", list[str](), list[tuple[str, int]]()

    def stop(row: Row) -> None:
        if row.family == "gan" and row.report and row.report.step == 1:
            os.kill(os.getpid(), signal.SIGINT)

    def watch(row: Row) -> None:
        if row.report is not None:
            steps.append((row.family, row.report.step))

    how = {**HOW, "budget": 3.0, "families": ["diffusion", "gan"]}
    with pytest.raises(Stopped, match="saved") as stopped:
        compare(str(photos), out, n=20, on_row=stop, **how)
    assert stopped.value.signum == signal.SIGINT
    assert [name for name, _ in measured] == ["diffusion"]
    assert not (out / "report.json").exists()
    saved = int(Checkpoint.open(out / "gan").states()[-1].name)
    first = weights(out)["diffusion"]
    facts = compare(str(photos), out, n=20, on_row=watch, say=said.append)
    assert f"gan: resuming {out / 'gan'} at step {saved}" in said
    assert steps[0] == ("gan", saved + 1)
    assert weights(out)["diffusion"] == first
    assert states(facts) == {"diffusion": "done", "gan": "done"}


class Killed(BaseException):
    """What no handler catches, as a kill."""


def test_it_goes_on_after_a_kill_between_training_and_measuring(
    tiny: None, measured: list[tuple[str, int]], photos: Path, tmp_path: Path
) -> None:
    def kill(row: Row) -> None:
        if row.state == "measuring":
            raise Killed

    with pytest.raises(Killed):
        compare(str(photos), tmp_path / "out", families=["vae"], n=20, on_row=kill, **HOW)
    before = weights(tmp_path / "out")
    assert measured == []
    facts = compare(str(photos), tmp_path / "out", n=20)
    assert weights(tmp_path / "out") == before
    assert states(facts) == {"vae": "done"}


def test_a_stop_while_it_measures_keeps_what_is_there(
    tiny: None, measured: list[tuple[str, int]], photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(source: Path, against: str, *, progress: Callable[[str, int, int], None], **_: Any) -> Evaluation:
        os.kill(os.getpid(), signal.SIGTERM)
        progress("drawing", 1, 20)
        raise AssertionError("it went on")

    with monkeypatch.context() as patch:
        patch.setattr(comparison, "evaluate", slow)
        with pytest.raises(Stopped, match="kept") as stopped:
            compare(str(photos), tmp_path / "out", families=["vae"], n=20, **HOW)
    assert stopped.value.signum == signal.SIGTERM
    assert states(compare(str(photos), tmp_path / "out", n=20)) == {"vae": "done"}


def test_the_line_that_goes_on_is_the_same_command(monkeypatch: pytest.MonkeyPatch) -> None:
    for words, line in (
        (["compare", "train", "--out", "o"], "huabi compare train --out o"),
        (["--debug", "train", "vae", "p"], "huabi --debug train vae p --resume"),
        (["train", "vae", "p", "--resume"], "huabi train vae p --resume"),
    ):
        monkeypatch.setattr("sys.argv", ["huabi", *words])
        assert cli._resume_line() == line


def test_one_that_fails_leaves_the_others(
    tiny: None, measured: list[tuple[str, int]], photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def diverge(*_: Any) -> Any:
        raise TrainingError("the gradient is not finite; lower the learning rate")

    with monkeypatch.context() as patch:
        patch.setattr(families.find("gan"), "losses", diverge)
        facts = compare(str(photos), tmp_path / "out", n=20, **HOW)
    assert states(facts) == LEFT_OUT | dict.fromkeys(ARTISTS, "done") | {"gan": "failed"}
    assert "gan failed: the gradient is not finite; lower the learning rate." in facts["advice"]
    assert facts["ranking"] == [["vae"], ["diffusion"]]
    assert states(compare(str(photos), tmp_path / "out", n=20))["gan"] == "done"  # it has another chance


def test_families_may_be_added_and_none_dropped(
    tiny: None, measured: list[tuple[str, int]], photos: Path, tmp_path: Path
) -> None:
    compare(str(photos), tmp_path / "out", families=["vae"], n=20, **HOW)
    with pytest.raises(RunError, match="leaves out vae"):
        compare(str(photos), tmp_path / "out", families=["gan"], n=20)
    facts = compare(str(photos), tmp_path / "out", families=["gan", "vae"], n=20)
    assert states(facts) == {"gan": "done", "vae": "done"}
    assert [name for name, _ in measured] == ["vae", "gan"]


def test_what_differs_is_named(tiny: None, measured: list[tuple[str, int]], photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    compare(str(photos), out, families=["vae"], n=20, **HOW)
    differing = {"budget": 9.0, "size": (16, 16), "seed": 3, "threads": 2}
    for name, value in differing.items():
        with pytest.raises(RunError, match=f"--{name} is .*the comparison has") as refused:
            compare(str(photos), out, n=20, **{name: value})
        assert "\n" not in str(refused.value)
    with pytest.raises(RunError, match="on other pictures"):
        compare(str(write_pictures(tmp_path / "more", count=30)), out, n=20)
    photos.rename(tmp_path / "moved")
    compare(str(tmp_path / "moved"), out, n=20)  # the same pictures elsewhere
    with FileLock(out / "lock"), pytest.raises(RunError, match="another process"):
        compare(str(tmp_path / "moved"), out)
    (out / "compare.json").write_text("{")
    with pytest.raises(RunError, match="damaged"):
        compare(str(tmp_path / "moved"), out)
    (out / "compare.json").unlink()
    with pytest.raises(RunError, match="no comparison made"):
        compare(str(tmp_path / "moved"), out)


@pytest.mark.parametrize(
    ("how", "error", "says"),
    [
        ({"n": 1}, RequestError, "at least 2"),
        ({"budget": 0.0}, RequestError, "more than 0"),
        ({"families": ["vea"]}, RequestError, "did you mean 'vae'"),
        ({"families": ["classifier"]}, DataError, "classifier does not answer Generate"),
        ({"features": "inceptoin"}, RequestError, "did you mean 'inception'"),
        ({"seed": -1}, RequestError, "--seed -1"),
        ({"threads": 0}, RequestError, "--threads 0"),
        ({"size": (7, 7)}, RequestError, "nearest is 8"),
        ({"device": "warp"}, RequestError, "--device cpu"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_mistakes_get_one_line_and_train_nothing(
    how: dict[str, Any], error: type[HuabiError], says: str, photos: Path, tmp_path: Path
) -> None:
    with pytest.raises(error, match=says) as refused:
        compare(str(photos), tmp_path / "out", **{"budget": 0.5, **how})
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "out").exists()
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="is empty: put pictures there"):
        compare(str(tmp_path / "empty"), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(RunError, match="is a file"):
        compare(str(photos), tmp_path / "file")


numbers = st.floats(-50, 500).map(lambda value: round(value, 3))


@st.composite
def marks(draw: st.DrawFn) -> list[Mark]:
    found = []
    for k in range(draw(st.integers(1, 7))):
        value, reach = draw(numbers), draw(st.none() | st.floats(0, 60))
        ends = (None, None) if reach is None else (value - reach, value + reach)
        found.append(Mark(f"f{k}", value, *ends))
    return found


@given(marks(), st.randoms())
def test_a_ranking_is_a_partition_led_by_its_best(found: list[Mark], random: Any) -> None:
    groups = rank(found)
    known = {mark.family: mark for mark in found}
    assert sorted(name for group in groups for name in group) == sorted(known)
    left = dict(known)
    for group in groups:
        best = known[group[0]]
        assert best.value == min(mark.value for mark in left.values())
        assert {name for name in left if left[name].ties(best)} == set(group)  # all that tie, and nobody else
        left = {name: mark for name, mark in left.items() if name not in group}
    shuffled = random.sample(found, len(found))
    assert rank(shuffled) == groups


@given(marks())
def test_narrower_intervals_never_join_groups(found: list[Mark]) -> None:
    exact = [Mark(m.family, m.value, m.value, m.value) for m in found]
    assert len(rank(exact)) == len({m.value for m in found})
    assert len(rank(exact)) >= len(rank(found))
    assert rank([Mark(m.family, m.value, None, None) for m in found]) == [
        [m.family for m in sorted(found, key=lambda m: (m.value, m.family))]
    ]


def test_advice_names_the_first_by_how_much_and_how_sure() -> None:
    said = advice(vae=figures(40.0, 2.0, seconds=0.001), diffusion=figures(10.0, 1.0, seconds=0.04))
    assert "diffusion is first in kernel distance x 1000 to held-out pictures: 10 (95 % interval 9 to 11)" in said
    assert "vae follows with 40 (95 % interval 38 to 42), 30 more." in said
    assert "Take diffusion." in said
    assert "vae draws 40 times faster than diffusion (1 ms a picture against 40 ms)." in said
    assert "one training seed" in said
    assert "training pictures" not in said


def test_advice_says_tie_and_takes_the_faster() -> None:
    said = advice(vae=figures(11.0, 2.0, seconds=0.001), diffusion=figures(10.0, 1.0, seconds=0.04))
    assert said.startswith("A tie in kernel distance x 1000 to held-out pictures: diffusion 10")
    assert "their 95 % intervals overlap" in said
    assert "Take vae. vae draws 40 times faster than diffusion" in said
    unknown = advice(vae=figures(90.0, None), diffusion=figures(10.0, None))
    assert "not all intervals are known; draw more pictures (--n)" in unknown


@pytest.mark.parametrize("alarm", list(verdict.BARRED))
def test_alarms_bar_a_family_though_it_ranks_first(alarm: str) -> None:
    learnt = figures(1.0, 0.1, alarms=(f"{alarm}: 0.4 is above 0.1; give more pictures",))
    said = advice(gan=learnt, vae=figures(40.0))
    assert "gan is first" in said
    assert "gan is not recommended, though it ranks first" in said
    assert f"(alarm: {alarm})" in said
    assert "Take vae." in said
    assert recommended(done(gan=learnt, vae=figures(2.0)), [["gan"], ["vae"]]) == "vae"
    passed = figures(1.0, 0.1, alarms=(*learnt["alarms"], f"{alarm}: over"))
    assert recommended(done(gan=passed, vae=figures(40.0)), [["gan"], ["vae"]]) == "gan"
    alone = advice(gan=learnt)
    assert "None of them can be recommended" in alone
    assert "Take" not in alone


def test_other_alarms_are_named_and_bar_nothing() -> None:
    said = advice(vae=figures(1.0, 0.1, alarms=("over-smoothing: 0.4 is below 0.6", "step 9: the gradient is odd")))
    assert "vae blurs (alarm: over-smoothing)." in said
    assert "Take vae." in said
    assert "no other family was measured" in said


def test_advice_says_what_it_stands_on() -> None:
    few = {"vae": figures(9.0, reference=verdict.ENOUGH - 1), "gan": figures(30.0, reference=9)}
    assert "Too few pictures are held out" in advice(**few)
    assert "x 1000 to training pictures: 9" in advice(**few)
    heldout_alone = advice(vae=figures(9.0, reference=4, on=(HELD_OUT,)))
    assert "x 1000 to held-out pictures: 9" in heldout_alone
    assert "training pictures" not in heldout_alone
    assert "Memory for training: vae 100 MB, gan 1.0 GB." in advice(vae=figures(memory=100), gan=figures(memory=1024))
    assert "Memory" not in advice(vae=figures(memory=100), gan=figures())
    assert advice(vae="the disk is full.") == "Nothing could be measured. vae failed: the disk is full."
    assert judge(done(vae=figures(None)), ["kernel distance x 1000"]).ranking == []


def test_inceptions_name_of_the_measure_is_known() -> None:
    found = figures(3.0)
    for score in found["scores"]:
        score["name"] = "KID x 1000"
    assert judge(done(gan=found), comparison.GENERATE.scores).measure == "KID x 1000"


def test_standings_say_each_change_once(capfd: pytest.CaptureFixture[str]) -> None:
    report = Report(7, None, {"net": 0.25}, 10.0, 61.0)
    with Standings() as standings:
        standings.row(Row("vae"))
        standings.row(Row("vae", "training"))
        for _ in range(100):
            standings.row(Row("vae", "training", report))
        standings.row(Row("vae", "failed", report, why="the disk is full"))
    lines = capfd.readouterr().err.splitlines()
    assert lines[0] == "vae  training"
    assert lines[-1] == "vae  failed  step 7 of ?, 1:01  net 0.25  the disk is full"
    assert len(lines) <= 3
    assert len(standing(Row("vae", distance=math.pi))) == len(COLUMNS)
    assert "KD 3.14" in standing(Row("vae", distance=math.pi))
    assert standings._render().renderables
