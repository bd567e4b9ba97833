"""Several processes train as one, and a lost one does not lose the run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from conftest import write_pictures
from test_resume import final, line

ENV = {"OMP_NUM_THREADS": "1"}


def start(args: list[object], processes: int = 1, restarts: int = 0) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "huabi", *map(str, args)]
    if processes > 1:
        run = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
        command = [sys.executable, *run, f"--max-restarts={restarts}", "-m", "huabi", *map(str, args)]
    return subprocess.Popen(command, env=os.environ | ENV, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)


def finish(process: subprocess.Popen[str]) -> str:
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors
    return errors


LEAVES = """
import os
import torch
from huabi.ranks import Ranks
ranks = Ranks()
weight = torch.nn.Parameter(torch.ones(2))
weight.grad = torch.full((2,), float(ranks.rank))
ranks.mean([weight.grad])
torch.optim.Adam([weight]).step()
ranks.leave()
tasks = f"/proc/{os.getpid()}/task"
left = [open(f"{tasks}/{task}/comm").read().strip() for task in os.listdir(tasks)]
assert not [name for name in left if "gloo" in name], left
"""


def test_nothing_of_the_backend_is_left_when_a_process_ends(tmp_path: Path) -> None:
    # a thread of it that still ran would abort the process, and with it the run, now and then
    (tmp_path / "leaves.py").write_text(LEAVES)
    run = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", tmp_path / "leaves.py"]
    done = subprocess.run(run, env=os.environ | ENV, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_pictures(tmp_path / "photos")


@pytest.mark.parametrize("family", ["vae", "gan"])
def test_two_processes_equal_one(family: str, data: Path, tmp_path: Path) -> None:
    steps = ["--steps", 4, "--precision", "fp32"]  # the rounding of bf16 would hide what this looks for
    finish(start(line(family, data, tmp_path / "one", *steps)))
    finish(start(line(family, data, tmp_path / "two", *steps), processes=2))
    one, two = final(tmp_path / "one"), final(tmp_path / "two")
    assert one.keys() == two.keys()
    for name, tensor in one.items():
        if name.startswith(("raw", "average")):
            torch.testing.assert_close(two[name].float(), tensor.float(), atol=2e-5, rtol=1e-3)


def test_a_killed_worker_is_restarted_and_resumes(data: Path, tmp_path: Path) -> None:
    more = ["--steps", 400]
    run = tmp_path / "two"
    process = start(line("vae", data, run, *more), processes=2, restarts=2)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not list((run / "state").glob("0*")):
        time.sleep(0.02)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(children[0]), signal.SIGKILL)
    errors = finish(process)
    assert "resuming" in errors
    assert final(run)
    states = sorted(int(p.name) for p in (run / "state").iterdir())
    assert states[-1] == 400
