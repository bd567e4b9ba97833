"""What every engine does with the store: it takes jobs that fit together, and ends them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Iterable, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic_core import from_json

from ..classic.gatys import ITERATIONS
from ..drawing import REQUESTS
from ..requests import Request
from .database import StoreError
from .hub import Event, Hub
from .jobs import Blame, Draft, Drawn, Job, Store
from .logs import log
from .meters import Meters

PAUSE = 0.5  # seconds between two looks at the queue of a store that others fill as well
LINGER = 0.004  # seconds in which calls that arrive together find each other
AHEAD = 64  # jobs that are looked through for those that fit
PLAIN = 1 << 16  # characters of a job that may be one of a batch: those with pictures in them hardly ever fit
GLANCE = 1.0  # seconds between two looks at the store for jobs that were cancelled elsewhere

Kind = tuple[str, str, int | None]  # model, task and estimates, by which what was drawn tells of what will be
T = TypeVar("T")


class Abandoned(Exception):
    """Nobody waits for these pictures any more."""


def insist(write: Callable[[], T], halting: threading.Event) -> T | None:
    """Writes as soon as the store can be written again; None where we halt."""
    while True:
        try:
            return write()
        except StoreError as error:
            log.warning("%s", error)
            if halting.wait(PAUSE):
                return None


def drafted(task: str, model: str, requests: Sequence[Any], previews: int, key: str = "") -> Draft:
    """The job of drawing `requests`, which differ in their seeds alone, with `previews` of each on the way."""
    one = requests[0].model_dump_json(exclude_unset=True)
    seeds = [request.seed for request in requests if "seed" in request.model_fields_set]
    return Draft(task, model, f'{{"request": {one}, "seeds": {seeds}, "previews": {previews}}}', key)


def estimates(request: Request, model: str) -> int | None:
    """How many a picture takes, as far as that can be told beforehand."""
    said = getattr(request, "steps", None) or getattr(request, "iterations", None)
    return said or (ITERATIONS if model == "gatys" else None)


@dataclass
class Call:
    """A job in the making."""

    job: Job
    requests: list[Any]
    previews: int
    made: dict[int, Drawn] = field(default_factory=dict)
    step: int = 0  # estimates seen
    seen: int = 0  # previews shown of the pictures that are drawn now
    over: bool = False
    dropped: bool = False  # nobody waits for it

    @property
    def kind(self) -> Kind:
        return self.job.model, self.job.task, estimates(self.requests[0], self.job.model)

    @classmethod
    def of(cls, job: Job) -> Call:
        body = from_json(job.body)
        kind = REQUESTS[job.task]
        one = kind.model_validate(body["request"], context={"json": True})
        seeded = [one.model_copy(update={"seed": seed}) for seed in body["seeds"]]
        return cls(job, seeded or [one], body["previews"])


class Desk:
    """The jobs of an engine, which end here once each; its methods may be called from any thread."""

    def __init__(self, store: Store, hub: Hub, meters: Meters) -> None:
        self.store, self.meters, self._hub = store, meters, hub
        self.halting = threading.Event()  # what is at work is left
        self._calls: dict[str, Call] = {}
        self._looked = 0.0
        self._crowd = False  # whether jobs came that could be drawn together, the last time

    def oldest(self) -> Job | None:
        """The job that waits longest, claimed; None where none waits."""
        job = self.store.oldest(list(REQUESTS))
        if job is not None:
            self._begin(job)
        return job

    def fitting(self, first: Call, room: int, key: Callable[[Any], Hashable]) -> list[Call]:
        """Jobs that wait and can be drawn in one batch of `room` rows with `first`; they are claimed.

        A job that died once is drawn by itself: if it is what kills, it takes no other along.
        """
        room -= len(first.requests)
        keys = {key(request) for request in first.requests}
        if room < 1 or len(keys) > 1 or first.job.attempts:
            return []
        if self._crowd:
            time.sleep(LINGER)
        calls = []
        with suppress(StoreError):
            for job in self.store.queued(AHEAD, [first.job.task], first.job.model, PLAIN):
                if room < 1:
                    break
                with suppress(Exception):  # a job that cannot be read is told so when its turn comes
                    call = Call.of(job)
                    fits = not job.attempts and {key(request) for request in call.requests} == keys
                    if fits and len(call.requests) <= room:
                        calls.append(call)
                        room -= len(call.requests)
            claimed = set(self.store.claim([call.job.id for call in calls]))
            calls = [call for call in calls if call.job.id in claimed]
            for call in calls:
                self._begin(call.job)
            self._crowd = bool(calls)
            return calls
        return []

    @contextmanager
    def working(self, calls: Sequence[Call]) -> Any:
        """Lets `drop` find these calls."""
        mine = {call.job.id: call for call in calls}
        self._calls |= mine
        try:
            yield
        finally:
            for job in mine:
                self._calls.pop(job, None)
                self._hub.forget(job)

    def drop(self, job: str) -> None:
        """Remembers that a job was cancelled, if it is at work here."""
        if call := self._calls.get(job):
            call.dropped = True
        else:
            self._looked = 0.0  # it may have been claimed a moment ago: the next check asks the store

    def check(self, calls: Iterable[Call]) -> None:
        """Raises `Abandoned` where the engine halts, or where all the calls are over or cancelled."""
        calls = list(calls)
        if self.halting.is_set():
            raise Abandoned
        if time.monotonic() - self._looked > GLANCE:
            self._looked = time.monotonic()
            with suppress(StoreError):
                for job, state in self.store.states(list(self._calls)).items():
                    if state == "cancelled":
                        self.drop(job)
        if all(call.over or call.dropped for call in calls):
            raise Abandoned

    def finish(self, job: Job, drawn: Sequence[Drawn]) -> None:
        """Stores the pictures of a job."""
        if insist(lambda: self.store.finish(job.id, drawn), self.halting):
            self._tell_state(job, "done")

    def fail(self, job: Job, line: str, fault: Blame) -> None:
        """Ends a job with one line for people."""
        if insist(lambda: self.store.fail(job.id, line, fault), self.halting):
            self._tell_state(job, "failed")

    def drew(self, seconds: float, rows: int) -> None:
        """Counts a batch."""
        self.meters.drawing.observe(seconds)
        self.meters.rows.observe(rows)
        self.meters.pictures.inc(rows)

    def tell(self, job: Job, event: Event) -> None:
        """Says how far a job is, unless it was cancelled."""
        call = self._calls.get(job.id)
        if call is None or not call.dropped:
            self._hub.publish(job.id, event)

    def died(self, lost: Sequence[Job]) -> None:
        """Queues jobs again whose process died, or parks them."""
        parked = insist(lambda: self.store.retry([job.id for job in lost]), self.halting)
        for job in lost if parked is not None else ():
            if job.id in (parked or ()):
                self._tell_state(job, "parked")
            else:
                self._hub.publish(job.id, {"type": "state", "state": "queued"})

    def _begin(self, job: Job) -> None:
        self._hub.publish(job.id, {"type": "state", "state": "running"})
        self.meters.waited.observe(max(0.0, time.time() - job.created))

    def _tell_state(self, job: Job, state: str) -> None:
        self._hub.publish(job.id, {"type": "state", "state": state})
        self.meters.ended.labels(job.task, state).inc()
