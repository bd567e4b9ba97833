"""Advice from a glance: quick, in agreement with the preflight, and of families and options that there are."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import huabi
from conftest import write_pictures
from huabi import cli, families
from huabi.advice import WORK, Advice, advise
from huabi.data import Preflight, glance, inspect, preflight
from huabi.errors import DataError
from huabi.requests import Generate


def found(**facts: Any) -> Preflight:
    """A preflight of 5,000 colour photographs, or of what else is said."""
    usable = facts.get("usable", 5000)
    plain = Preflight(
        source="photos", kind="folder", count=usable, usable=usable, sizes={"median": [70, 90]}, modes={"RGB": usable},
        formats={"JPEG": usable}, classes={}, imbalance=1.0, captions=0, pairing="none", unreadable=(), duplicates=(),
        near_duplicates=(), blank=(), ignored={}, notes=(), size=64, family=preflight.ADVISED,
        looked=usable,
    )  # fmt: skip
    return replace(plain, **facts)


def reasons(**facts: Any) -> str:
    return "\n".join(advise(found(**facts)).reasons)


def options_of(line: str) -> dict[str, Any]:
    """What the command line makes of a `huabi ...`; what it does not know raises."""
    words = shlex.split(line)
    group = typer.main.get_command(cli.app)
    params: dict[str, Any] = group.commands[words[1]].make_context(words[1], words[2:]).params  # type: ignore[attr-defined]
    return params


@settings(max_examples=25)
@given(
    usable=st.integers(4, 100_000),
    size=st.sampled_from(preflight.SIZES),
    classes=st.sampled_from([{}, {"cat": 9}, {"cat's own": 90, "dog": 3}]),
    captions=st.sampled_from([0, 4]),
    pairing=st.sampled_from(["none", "paired", "unpaired"]),
    modes=st.sampled_from([{"L": 9}, {"RGB": 8, "L": 1}]),
    source=st.sampled_from(["photos", "/a b/it's/", "world:styles=ink,n=40", "hf:owner/name", "日本"]),
    speed=st.none() | st.floats(1e7, 1e15),
)
def test_advice_holds_for_any_preflight(speed: float | None, **facts: Any) -> None:
    sizes = {"median": [facts["size"], facts["size"]]}
    given = found(sizes=sizes, imbalance=30.0 if len(facts["classes"]) > 1 else 1.0, **facts)
    advice = advise(given, speed)
    assert advice.family == given.family
    assert advice.family in families.names()
    assert Generate in families.find(advice.family).requests
    assert advice.size == given.size
    assert all("\n" not in line for line in (*advice.reasons, *advice.commands))
    assert json.loads(json.dumps(advice.to_json()))["family"] == advice.family
    asked = [options_of(line) for line in advice.commands]
    assert all(options["data"] == given.source for options in asked)
    assert [options["size"] for options in asked if "size" in options] == [str(advice.size)] * 2


def test_reasons_name_what_matters() -> None:
    assert "learnt by heart" in reasons(usable=300)
    assert "learnt by heart" not in reasons(usable=5000)
    assert "too few to measure on" in reasons(usable=300)
    assert "60 of 300 pictures nearly repeat another" in reasons(
        usable=300, near_duplicates=tuple((f"{n}a.png", f"{n}b.png") for n in range(60))
    )
    labelled = reasons(classes={"cat": 900, "dog": 90}, imbalance=10.0)
    assert "2 labels" in labelled
    assert "--label cat" in labelled
    assert "10 times the smallest's" in labelled
    assert "--channels 1" in reasons(modes={"L": 5000})
    assert "pix2pix learns how the one picture becomes the other" in reasons(pairing="paired", family="pix2pix")
    assert "cyclegan learns to turn either into the other" in reasons(pairing="unpaired", family="cyclegan")
    assert "all 5,000 pictures were looked at, and nothing was trained" in advise(found()).estimate


def test_pairs_and_kinds_are_advised_what_learns_from_them() -> None:
    needs = {pairing: families.find(name).needs for pairing, name in preflight.TRANSLATORS.items()}
    assert needs == {"paired": ("image", "target"), "unpaired": ("image", "other")}
    [train] = advise(found(pairing="paired", family="pix2pix"), pairs="side-by-side").commands[-1:]
    assert options_of(train)["pairs"] == "side-by-side"


@pytest.mark.parametrize(
    ("seconds", "size", "budget"),
    [(0.1, 32, "10m"), (0.1, 64, "1h"), (0.1, 256, "1h"), (0.15, 32, "30m"), (9.0, 32, "8h")],
)
def test_the_machines_speed_sets_the_budget(seconds: float, size: int, budget: str) -> None:
    advice = advise(found(size=size), WORK / seconds)  # seconds of a step at 32 pixels
    assert [options_of(line)["budget"] for line in advice.commands] == [budget, budget]
    assert "on this processor" in advice.reasons[-1]


def test_it_loads_no_torch(photos: Path) -> None:
    code = "import sys, huabi.cli; huabi.cli.main()"
    check = f"import atexit, sys; atexit.register(lambda: print('torch' in sys.modules, file=sys.stderr)); {code}"
    words = [sys.executable, "-c", check, "recommend", str(photos), "--json"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == "False"
    assert json.loads(done.stdout)["commands"]


def test_a_graphics_card_gets_no_time_of_this_processor(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert "on this processor" in huabi.recommend(photos).reasons[-1]
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    assert not any("processor" in reason for reason in huabi.recommend(photos).reasons)


def test_a_glance_at_all_is_the_preflight(photos: Path) -> None:
    assert glance(photos) == inspect(photos)


def test_a_glance_at_some_estimates_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "GLANCE", 40)
    photos = write_pictures(tmp_path / "photos", count=200)
    for n, path in enumerate(sorted(photos.rglob("*.png"))):
        if n % 10 == 0:
            path.write_bytes(b"broken")
    looked = glance(photos)
    assert (looked.looked, looked.count) == (40, 200)
    assert 140 <= looked.usable <= 200
    assert sum(looked.classes.values()) == pytest.approx(looked.usable, abs=1)
    assert looked.imbalance == pytest.approx(1.0, abs=0.1)
    assert looked.size == inspect(photos).size
    assert "40 of 200 pictures were looked at" in advise(looked).estimate


def test_a_glance_sees_near_duplicates_side_by_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "GLANCE", 40)
    rng = np.random.default_rng(0)
    for n in range(150):  # a film: frames in twos that are nearly the same
        coarse = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
        frame = coarse.resize((32, 32), Image.Resampling.BICUBIC)
        for k, quality in enumerate((95, 80)):
            frame.save(tmp_path / f"{n:03d}-{k}.jpg", quality=quality)
    assert len(inspect(tmp_path).near_duplicates) == 150
    looked = glance(tmp_path)
    assert 5 <= len(looked.near_duplicates) <= 15  # half of the twos that are drawn are such frames


def test_recommend_from_python_and_the_command_line(
    photos: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    advice = huabi.recommend(photos)
    assert isinstance(advice, Advice)
    assert advice.family == inspect(photos).family
    for more in ([], ["--json"]):
        monkeypatch.setattr("sys.argv", ["huabi", "recommend", str(photos), *more])
        with pytest.raises(SystemExit) as end:
            cli.main()
        assert end.value.code == 0
        printed = capfd.readouterr().out
        assert advice.family in printed
    assert json.loads(printed)["size"] == advice.size


def test_what_is_no_data_gets_one_line(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    few = write_pictures(tmp_path / "few", count=3)
    says = {few: "needs at least 4", "empty": "is empty", "file": "is a file; give a folder", "gone": "no such folder"}
    for data, line in says.items():
        with pytest.raises(DataError, match=line) as refused:
            huabi.recommend(tmp_path / data)
        assert "\n" not in str(refused.value)
