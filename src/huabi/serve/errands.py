"""Long work as jobs: training, evaluation and comparison, one at a time, each in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import Annotated, Literal

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, Field

from ..comparison import RECORD
from ..errors import RequestError
from .database import StoreError
from .desk import insist
from .hub import Hub
from .jobs import Blame, Draft, Job, Store
from .logs import log
from .meters import Meters
from .place import NAME, Place

PAUSE = 1.0  # seconds between two looks at the queue
KILLING = 5.0  # seconds in which one that did not is gone
SAVING = 60.0  # seconds that a child has to save what it trained

Name = Annotated[str, Field(pattern=NAME)]
Value = Annotated[str, Field(pattern=r"^[A-Za-z0-9_+.-]{1,100}$")]
Data = Annotated[
    str,
    Field(
        pattern=r"^(digits|world(:[A-Za-z0-9_=,+-]{1,200})?|[A-Za-z0-9_][A-Za-z0-9_.-]{0,99})$",
        description="digits, world, or the name of a folder in the server's --data",
    ),
]
Budget = Annotated[str, Field(pattern=r"^[0-9]{1,6}[smh]?$", description="90s, 10m, 2h")]


class _Errand(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Train(_Errand):
    """Trains a model, which is offered by its `name` as soon as it draws."""

    task: Literal["train"]
    family: Name
    data: Data
    name: Name
    budget: Budget | None = None
    steps: int | None = Field(default=None, ge=1)
    size: int | None = Field(default=None, ge=8, le=1024)
    batch: int | None = Field(default=None, ge=1, le=4096)
    seed: int | None = Field(default=None, ge=0, lt=2**63)
    settings: dict[Name, Value] = Field(default_factory=dict, description="the family's own, by dotted name")
    resume: bool = Field(default=False, description="goes on with the run of that name, which was stopped")

    def words(self, place: Place) -> list[str]:
        out = place.run(self.name)
        words = ["train", self.family, place.source(self.data), "--out", str(out)]
        words += _options(self, "budget", "steps", "size", "batch", "seed")
        words += [word for name, value in self.settings.items() for word in ("--set", f"{name}={value}")]
        return [*words, "--resume"] if (out / "run.json").exists() else words


class Evaluate(_Errand):
    """Measures what a run of the server draws, against pictures."""

    task: Literal["evaluate"]
    name: Name
    against: Data
    n: int = Field(default=1000, ge=2, le=100_000)
    seed: int | None = Field(default=None, ge=0, lt=2**63)

    def words(self, place: Place) -> list[str]:
        options = ["--against", place.source(self.against), "--json", *_options(self, "n", "seed")]
        return ["evaluate", str(place.run(self.name)), *options]


class Compare(_Errand):
    """Trains every family that fits, or those named, for the same time, and ranks them."""

    task: Literal["compare"]
    data: Data
    name: Name
    families: list[Name] = Field(default_factory=list, max_length=20)
    budget: Budget | None = None
    size: int | None = Field(default=None, ge=8, le=1024)
    n: int | None = Field(default=None, ge=2, le=100_000)

    def words(self, place: Place) -> list[str]:
        words = ["compare", place.source(self.data), "--out", str(place.run(self.name)), "--json"]
        words += ["--families", ",".join(self.families)] if self.families else []
        return words + _options(self, "budget", "size", "n")


def _options(errand: BaseModel, *names: str) -> list[str]:
    said = ((name, getattr(errand, name)) for name in names)
    return [word for name, value in said if value is not None for word in (f"--{name}", str(value))]


ERRANDS: dict[str, type[Train] | type[Evaluate] | type[Compare]] = {
    "train": Train,
    "evaluate": Evaluate,
    "compare": Compare,
}


class Errands:
    """One thread that runs long work, a child at a time; an engine beside the `Worker`."""

    def __init__(self, store: Store, place: Place, hub: Hub, meters: Meters) -> None:
        self._store, self.place, self._hub, self._meters = store, place, hub, meters
        self._thread = threading.Thread(target=self._run, name="huabi-errands", daemon=True)
        self._wake, self._leaving = threading.Event(), threading.Event()
        self._look = threading.Event()  # whether the job at work is still wanted
        self._left = 0.0  # when we were told to stop

    def draft(self, errand: Train | Evaluate | Compare, key: str) -> Draft:
        """The job of an errand; raises `RequestError` where its data or its place is missing, or its name is taken."""
        errand.words(self.place)
        if isinstance(errand, Evaluate) or (isinstance(errand, Train) and errand.resume):
            self.place.known_run(errand.name)
        elif self.place.run(errand.name).exists() and not self._began(errand):
            raise RequestError(f"there is a run called {errand.name} already; give another name")
        return Draft(errand.task, errand.name, errand.model_dump_json(exclude_unset=True), key)

    def _began(self, errand: Train | Evaluate | Compare) -> bool:
        """Whether it is a comparison that was stopped: it goes on with what it began."""
        return isinstance(errand, Compare) and (self.place.run(errand.name) / RECORD).is_file()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        self._wake.set()

    def cancel(self, job: str) -> None:
        self._look.set()

    def leave(self) -> None:
        """Stops the child at work, whose job goes on with the next start, and begins no other."""
        self._left = self._left or time.monotonic()
        self._leaving.set()
        self._wake.set()
        self._look.set()

    def stop(self, patience: float) -> None:
        self.leave()
        self._thread.join(max(0.0, self._left + SAVING + KILLING - time.monotonic()))

    def _run(self) -> None:
        while not self._leaving.is_set():
            try:
                if job := self._store.oldest(list(ERRANDS)):
                    self._work(job)
                    continue
            except StoreError as error:
                log.warning("errands: %s", error)
            self._wake.wait(PAUSE)
            self._wake.clear()

    def _work(self, job: Job) -> None:
        self._hub.publish(job.id, {"type": "state", "state": "running"})
        try:
            words = ERRANDS[job.task].model_validate_json(job.body).words(self.place)
            status, out, last = self._child_of(job, words)
            result = _hidden(_result(job, out), self.place) if status in (0, 1) else None
        except (RequestError, ValueError, OSError) as error:
            status, result, last = 2, None, f"huabi: {self.place.hidden(str(error))}"
        if self._leaving.is_set() and status != 0:
            return  # it goes on with the next start
        if status in (0, 1):
            ended = insist(lambda: self._store.finish(job.id, result=result), self._leaving)
        else:
            line = last.removeprefix("huabi: ") or f"its process ended with {status}"
            fault: Blame = "request" if status == 2 else "server"
            ended = insist(lambda: self._store.fail(job.id, line, fault), self._leaving)
        if ended is None:
            return
        state = "cancelled" if not ended else "done" if status in (0, 1) else "failed"
        self._hub.publish(job.id, {"type": "state", "state": state})
        if ended:
            self._meters.ended.labels(job.task, state).inc()

    def _child_of(self, job: Job, words: list[str]) -> tuple[int, str, str]:
        """Runs a child to its end; its exit status, what it printed, and its last line to people."""
        command, pipe = [sys.executable, "-m", "huabi.serve.child", *words], subprocess.PIPE
        line, printed = "", list[str]()
        if (run := self.place.run(job.model)).is_dir():  # a child of a server that died may be saving there
            with suppress(Timeout), FileLock(run / "lock", timeout=SAVING):
                pass
        own = os.name == "posix"  # a session, so that Ctrl+C reaches it through us alone
        with subprocess.Popen(
            command, text=True, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=own
        ) as child:
            assert child.stdout is not None
            assert child.stderr is not None
            reading = threading.Thread(target=lambda: printed.extend(child.stdout or ()), daemon=True)
            reading.start()
            threading.Thread(target=self._mind, args=(job, child), daemon=True).start()
            for said in child.stderr:
                line = self.place.hidden(said.strip()) or line
                self._hub.publish(job.id, {"type": "progress", "line": line})
            reading.join()
            child.wait()
            self._look.set()
        return child.returncode, "".join(printed), line

    def _mind(self, job: Job, child: subprocess.Popen[str]) -> None:
        """Stops a child whose job was cancelled, here or at another server, or when we leave."""
        while child.poll() is None:
            with suppress(StoreError):
                if self._leaving.is_set() or self._store.states([job.id]) != {job.id: "running"}:
                    child.terminate()
                    break
            self._look.wait(PAUSE)
            self._look.clear()
        with suppress(subprocess.TimeoutExpired):
            child.wait(SAVING)
        if child.poll() is None:  # it saves no more: what it began before stays as it is
            with suppress(ProcessLookupError):
                if os.name == "posix":
                    os.killpg(child.pid, signal.SIGKILL)
                else:
                    child.kill()


def _hidden(value: object, place: Place) -> object:
    """JSON without our paths."""
    if isinstance(value, str):
        return place.hidden(value)
    if isinstance(value, list):
        return [_hidden(one, place) for one in value]
    return {key: _hidden(one, place) for key, one in value.items()} if isinstance(value, dict) else value


def _result(job: Job, out: str) -> object:
    """What a client is told of an errand that was done."""
    return {"model": job.model} if job.task == "train" else json.loads(out or "{}")
