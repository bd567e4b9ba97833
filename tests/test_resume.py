"""A run that is killed at any instant goes on, and ends as if nothing had happened, to the bit."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from conftest import TINY, write_pictures
from huabi.checkpoint import Checkpoint, unpack
from huabi.families import FAMILIES, find

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
KILLED = -9
STEPS = 5


class Killer:
    """A warm process that runs `huabi` commands and kills them (see killer.py)."""

    def __init__(self, home: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("killer.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"HUABI_HOME": str(home), "HUABI_CACHE": str(home / "cache")},
        )

    def __call__(self, *args: object, **how: float) -> dict[str, Any]:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps({"args": [str(a) for a in args], **how}) + "\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def close(self) -> None:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture(scope="module")
def killer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Killer]:
    killer = Killer(tmp_path_factory.mktemp("home"))
    yield killer
    killer.close()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_pictures(tmp_path_factory.mktemp("data") / "photos")
    for n, picture in enumerate(folder.rglob("*.png")):
        picture.with_suffix(".txt").write_text(f"a {picture.parent.name}, number {n}")
    return folder


def line(family: str, data: Path, run: Path, *more: object) -> list[object]:
    settings: list[object] = []
    for key, value in TINY[family].items():
        said = "+".join(map(str, value)) if isinstance(value, tuple) else value
        settings += ["--set", f"{key}={said}"]
    settings += ["--pairs", "side-by-side"] if {"target", "other"} & set(find(family).needs) else []
    return ["train", family, data, "--out", run, "--size", 8, "--threads", 1, "--save-every", 2, *settings, *more]


def final(run: Path) -> dict[str, torch.Tensor]:
    """Every tensor of a run's last state."""
    checkpoint = Checkpoint.open(run)
    state = checkpoint.states()[-1]
    found = {}
    for file in sorted(state.glob("*.safetensors")):
        found |= {f"{file.name}:{name}": tensor for name, tensor in unpack(file)[0].items()}
    assert unpack(run / "model.safetensors")[1] == unpack(state / "average.safetensors")[1]
    return found


def same(run: Path, expected: dict[str, torch.Tensor]) -> bool:
    found = final(run)
    return found.keys() == expected.keys() and all(torch.equal(found[k], expected[k]) for k in expected)


def steps_logged(run: Path) -> list[int]:
    rows = [json.loads(row) for row in (run / "log.jsonl").read_text().splitlines()]
    return [row["step"] for row in rows if "seconds" in row]  # beside them stands what was measured


@pytest.mark.parametrize("family", [name for name in FAMILIES if name not in ("listener", "lora")])  # want other data
def test_killed_at_any_write_flush_or_rename(family: str, killer: Killer, data: Path, tmp_path: Path) -> None:
    killer(*line(family, data, tmp_path / "first", "--steps", 1))  # the pictures are decoded once
    whole = killer(*line(family, data, tmp_path / "whole", "--steps", STEPS))
    assert whole["code"] == 0, whole["errors"]
    expected = final(tmp_path / "whole")
    operations = whole["operations"]
    assert operations > 20
    # every operation for one family; for the others, which share the code, every eighth
    for at in range(1, operations + 1, 1 if family == "vae" else 8):
        run = tmp_path / f"killed-{at}"
        killed = killer(*line(family, data, run, "--steps", STEPS), at=at)
        assert killed["code"] == KILLED, killed["errors"]
        if (run / "model.safetensors").exists():
            Checkpoint.load(run)  # what was trained so far is usable at every moment
        resumed = killer(*line(family, data, run, "--steps", STEPS, "--resume"))
        assert resumed["code"] == 0, resumed["errors"]
        assert same(run, expected), f"killed before operation {at}"
        assert not list(run.rglob("*.tmp"))
        assert steps_logged(run) == sorted(set(steps_logged(run)))
        shutil.rmtree(run)


def test_fifty_random_kills(killer: Killer, data: Path, tmp_path: Path) -> None:
    steps = 40
    whole = killer(*line("vae", data, tmp_path / "whole", "--steps", steps))
    assert whole["code"] == 0, whole["errors"]
    expected = final(tmp_path / "whole")
    rng = random.Random(0)
    kills = rounds = 0
    while kills < 50:
        run, rounds = tmp_path / f"run-{rounds}", rounds + 1
        home = Path(os.environ["HUABI_CACHE"])
        if rounds % 2:
            shutil.rmtree(home, ignore_errors=True)  # so that decoding is killed too
        while True:
            ended = killer(*line("vae", data, run, "--steps", steps, "--resume"), after=rng.uniform(0, 1.5))
            if ended["code"] == 0:
                break
            assert ended["code"] == KILLED, ended["errors"]
            kills += 1
        assert same(run, expected)


def test_kills_in_the_first_steps_of_a_budget(killer: Killer, data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    rng = random.Random(1)
    for _ in range(6):
        ended = killer(*line("vae", data, run, "--budget", "4s", "--resume"), after=rng.uniform(0.2, 1.2))
        assert ended["code"] in (KILLED, 0), ended["errors"]
    ended = killer(*line("vae", data, run, "--budget", "4s", "--resume"))
    assert ended["code"] == 0, ended["errors"]
    checkpoint = Checkpoint.open(run)
    plans = [event for event in checkpoint.header["events"] if "total" in event]
    assert [event["step"] for event in plans] == sorted({event["step"] for event in plans})
    assert int(checkpoint.states()[-1].name) == plans[-1]["total"]
    Checkpoint.load(run)


def test_resuming_a_finished_run_says_so(killer: Killer, data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert killer(*line("vae", data, run, "--steps", 2))["code"] == 0
    before = final(run)
    again = killer(*line("vae", data, run, "--resume"))
    assert again["code"] == 0
    assert "finished" in again["errors"]
    assert same(run, before)
    longer = killer(*line("vae", data, run, "--resume", "--steps", 4))
    assert longer["code"] == 0, longer["errors"]
    assert Checkpoint.open(run).states()[-1].name == "00000004"
