"""Runs `huabi` commands in forked children and kills them: at the n-th write, flush or rename, or after a while.

Reads one JSON job a line from stdin, writes one JSON answer a line: forking a warm process makes a trial cheap.
A job is {"args": [...], "at": n} (SIGKILL before the n-th operation), {"args": [...], "after": seconds} or
{"args": [...]} (not killed); with "look" its runs look at themselves after each step. The answer is {"code": exit
status or -signal, "operations": how many there were}.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np  # noqa: F401 - warm before the fork
import torch

from conftest import TINY, look_at_every_step
from huabi import api, cli, durable, families, pictures  # noqa: F401 - warm too
from huabi.config import configure
from huabi.cost import saved_bytes
from huabi.model import DataSpec

torch.set_num_threads(1)
WATCHED = [(os, "fsync"), (os, "replace"), (os, "rename"), (durable, "_write")]


def watch(counter: Path, at: int | None) -> None:
    """Counts the operations into `counter`, and dies before the one numbered `at`."""
    seen = 0

    def counted(operation: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            nonlocal seen
            seen += 1
            if seen == at:
                os.kill(os.getpid(), signal.SIGKILL)
            with counter.open("w") as file:
                file.write(str(seen))
            return operation(*args, **kwargs)

        return wrapper

    for module, name in WATCHED:
        setattr(module, name, counted(getattr(module, name)))


def child(args: list[str], counter: Path, at: int | None, look: bool) -> None:
    os.setsid()
    quiet = os.open(os.devnull, os.O_WRONLY)
    errors = os.open(counter.with_suffix(".err"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(quiet, 1)
    os.dup2(errors, 2)
    watch(counter, at)
    if look:
        look_at_every_step()
    sys.argv = ["huabi", *args]
    try:
        cli.main()
    except SystemExit as end:
        os._exit(int(end.code or 0))
    finally:
        os._exit(99)


def main() -> None:
    for name in families.FAMILIES:  # a first step imports and sets up much: once here, not in every child
        kind, spec = families.find(name), DataSpec((8, 8), 3, ("a",), True, count=8, weights=(1.0,))
        if name != "lora" and not spec.lacks(kind.needs):
            saved_bytes(kind(configure(kind.Config(), TINY[name]), spec), 2)
    counter = Path(tempfile.mkdtemp()) / "count"
    for line in sys.stdin:
        job = json.loads(line)
        counter.write_text("0")
        pid = os.fork()
        if pid == 0:
            child(job["args"], counter, job.get("at"), job.get("look", False))
        end = time.monotonic() + job.get("after", 1e9)
        while True:
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                break
            if time.monotonic() > end:
                os.killpg(pid, signal.SIGKILL)
                end = float("inf")
            time.sleep(0.005)
        code = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        errors = counter.with_suffix(".err").read_text(errors="replace")
        answer = {"code": code, "operations": int(counter.read_text() or 0), "errors": errors[-2000:]}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
