"""The worker that draws: it takes jobs that fit together, samples them in one batch and stores what comes out."""

from __future__ import annotations

import base64
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import torch
from pydantic_core import from_json
from torch import Tensor

from ..drawing import REQUESTS, ROWS, draw
from ..errors import HuabiError
from ..model import Model
from ..pictures import encode_picture, to_image
from ..provenance.publish import published
from .database import StoreError
from .hub import Hub
from .jobs import Draft, Drawn, Job, Store
from .logs import log
from .meters import Meters
from .shelf import Shelf

PAUSE = 0.5  # seconds between two looks at the queue of a store that others fill as well
LINGER = 0.004  # seconds in which calls that arrive together find each other
AHEAD = 64  # jobs that are looked through for those that fit
GLANCE = 1.0  # seconds between two looks at the store for jobs that were cancelled elsewhere
STEPS = 18  # estimates of a picture, as long as the model has drawn none

Kind = tuple[str, str, int | None]  # model, task and steps, which say how many estimates there are


class Engine(Protocol):
    """Whatever takes jobs from the store and ends them; calls come from any thread."""

    def start(self) -> None: ...

    def wake(self) -> None:
        """There is a new job."""

    def cancel(self, job: str) -> None:
        """Stops working on a job that the store has cancelled."""

    def stop(self, patience: float) -> None:
        """Takes no more jobs; after `patience` seconds puts those at work back into the queue."""


class Abandoned(Exception):
    """Nobody waits for these pictures any more."""


def drafted(task: str, model: str, requests: Sequence[Any], previews: int, key: str = "") -> Draft:
    """The job of drawing `requests`, all of one task, with `previews` of each picture on the way."""
    rows = ", ".join(request.model_dump_json(exclude_unset=True) for request in requests)
    return Draft(task, model, f'{{"requests": [{rows}], "previews": {previews}}}', key)


@dataclass
class Call:
    """A job in the making."""

    job: Job
    requests: list[Any]
    previews: int
    made: dict[int, Drawn] = field(default_factory=dict)
    step: int = 0  # estimates seen
    seen: int = 0  # previews shown
    over: bool = False

    @property
    def kind(self) -> Kind:
        return self.job.model, self.job.task, getattr(self.requests[0], "steps", None)

    @classmethod
    def of(cls, job: Job) -> Call:
        body = from_json(job.body)
        kind = REQUESTS[job.task]
        requests = [kind.model_validate(fields, context={"json": True}) for fields in body["requests"]]
        return cls(job, requests, body["previews"])


class Worker:
    """One thread that draws, of which a server has one: what it draws with is shared in its batches."""

    def __init__(self, store: Store, shelf: Shelf, hub: Hub, meters: Meters) -> None:
        self._store, self._shelf, self._hub, self._meters = store, shelf, hub, meters
        self._thread = threading.Thread(target=self._run, name="huabi-worker", daemon=True)
        self._wake = threading.Event()
        self._leaving = threading.Event()  # takes no more jobs
        self._halting = threading.Event()  # and leaves those that it has
        self._cancelled: set[str] = set()
        self._looked = 0.0
        self._steps: dict[Kind, int] = {}  # estimates that such a request took

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        self._wake.set()

    def cancel(self, job: str) -> None:
        self._cancelled.add(job)

    def stop(self, patience: float) -> None:
        self._leaving.set()
        self._wake.set()
        self._thread.join(patience)
        self._halting.set()
        self._thread.join(patience)

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def _run(self) -> None:
        while not self._leaving.is_set():
            try:
                worked = self._turn()
            except StoreError as error:  # a full disk: the jobs stay where they are
                log.warning("worker: %s", error)
                worked = False
            if not worked:
                self._wake.wait(PAUSE)
                self._wake.clear()

    def _turn(self) -> bool:
        """Draws the oldest job and those that fit to it; False where none waits."""
        waiting = self._store.queued(1, list(REQUESTS))
        if not waiting or not self._store.claim([waiting[0].id]):
            return bool(waiting)
        job = waiting[0]
        self._begin(job)
        try:
            model = self._shelf.load(job.model)
        except Exception as error:
            self._blame(job, error, "model")
            return True
        try:
            call = Call.of(job)
            calls = [call, *self._fitting(model, call)]
        except Exception as error:
            self._blame(job, error, "request")
        else:
            self._draw(model, calls)
        self._cancelled.clear()
        return True

    def _fitting(self, model: Model, first: Call) -> list[Call]:
        """Jobs that wait and can be drawn in one batch with `first`, as far as there is room; they are claimed."""
        room = (model.identity.rows if model.identity else ROWS) - len(first.requests)
        keys = {model.batch_key(request) for request in first.requests}
        if room < 1 or len(keys) > 1:
            return []
        time.sleep(LINGER)
        calls = []
        with suppress(StoreError):
            for job in self._store.queued(AHEAD, [first.job.task], first.job.model):
                if room < 1:
                    break
                with suppress(Exception):  # a job that cannot be read is told so when its turn comes
                    call = Call.of(job)
                    if len(call.requests) <= room and {model.batch_key(request) for request in call.requests} == keys:
                        calls.append(call)
                        room -= len(call.requests)
            claimed = set(self._store.claim([call.job.id for call in calls]))
            calls = [call for call in calls if call.job.id in claimed]
            for call in calls:
                self._begin(call.job)
            return calls
        return []

    def _draw(self, model: Model, calls: list[Call]) -> None:
        """Draws calls in one go; where that fails, each that is not done by itself, so that one spoils no other."""
        try:
            self._batch(model, calls)
        except Abandoned:
            return
        except Exception as error:
            if len(calls) == 1:
                self._blame(calls[0].job, error, "request")
                return
            log.info("a batch of %d jobs is drawn one by one (%s)", len(calls), type(error).__name__)
            for call in calls:
                if not call.over:
                    call.made.clear()
                    self._draw(model, [call])

    def _batch(self, model: Model, calls: list[Call]) -> None:
        places = [(call, k) for call in calls for k in range(len(call.requests))]
        requests = [call.requests[k] for call, k in places]
        began = time.perf_counter()
        for position, image, recipe in draw(model, requests, on_estimate=self._watching(model, places)):
            call, k = places[position]
            call.made[k] = Drawn(recipe, published(image, "PNG", recipe))
            if len(call.made) == len(call.requests):
                self._finish(call)
        self._meters.drawing.observe(time.perf_counter() - began)
        self._meters.rows.observe(len(places))
        self._meters.pictures.inc(len(places))

    def _finish(self, call: Call) -> None:
        call.over = True
        self._steps[call.kind] = call.step
        drawn = [call.made[k] for k in range(len(call.requests))]
        if self._insist(lambda: self._store.finish(call.job.id, drawn)):
            self._tell_state(call.job, "done")

    def _watching(self, model: Model, places: list[tuple[Call, int]]) -> Callable[[int, Sequence[int], Tensor], None]:
        """Looks at each estimate: stops where nobody waits any more, and shows how far it is."""

        def look(n: int, positions: Sequence[int], estimate: Tensor) -> None:
            calls = {id(places[p][0]): places[p][0] for p in positions}.values()
            self._check(list({id(call): call for call, _ in places}.values()))
            for call in calls:
                rows = [row for row, p in enumerate(positions) if places[p][0] is call]
                call.step = n
                of = max(n, self._steps.get(call.kind) or call.kind[2] or STEPS)
                event: dict[str, Any] = {"type": "progress", "step": n, "of": of}
                if call.seen < call.previews and n >= 1 + call.seen * of // call.previews:
                    event |= {"type": "preview", "index": call.seen, "images": _shown(model, estimate[rows])}
                    event["positions"] = [places[positions[row]][1] for row in rows]
                    call.seen += 1
                self._hub.publish(call.job.id, event)

        return look

    def _check(self, calls: list[Call]) -> None:
        """Raises `Abandoned` where the server halts, or where all the calls are over or cancelled."""
        if self._halting.is_set():
            raise Abandoned
        if time.monotonic() - self._looked > GLANCE:
            self._looked = time.monotonic()
            states: dict[str, str] = {}
            with suppress(StoreError):
                states = self._store.states([call.job.id for call in calls])
            self._cancelled |= {job for job, state in states.items() if state == "cancelled"}
        if all(call.over or call.job.id in self._cancelled for call in calls):
            raise Abandoned

    def _blame(self, job: Job, error: Exception, fault: Literal["request", "model"]) -> None:
        """Ends a job with what people can put right, or as a fault of ours, of which the log says where it is."""
        line = str(error)
        if not isinstance(error, HuabiError):
            log.error("job %s: %s\n%s", job.id, type(error).__name__, "".join(traceback.format_tb(error.__traceback__)))
            line = f"a fault in the server ({type(error).__name__}); its log says where"
        whose = fault if isinstance(error, HuabiError) else "server"
        if self._insist(lambda: self._store.fail(job.id, line, whose)):
            self._tell_state(job, "failed")

    def _insist(self, write: Callable[[], bool]) -> bool:
        """Writes as soon as the store can be written again; False where the job was no longer ours, or we halt."""
        while True:
            try:
                return write()
            except StoreError as error:
                log.warning("worker: %s", error)
                if self._halting.wait(PAUSE):
                    return False

    def _begin(self, job: Job) -> None:
        self._tell_state(job, "running")
        self._meters.waited.observe(max(0.0, time.time() - job.created))

    def _tell_state(self, job: Job, state: str) -> None:
        self._hub.publish(job.id, {"type": "state", "state": state})
        if state != "running":
            self._meters.ended.labels(job.task, state).inc()


def _shown(model: Model, estimate: Tensor) -> list[str]:
    """Pictures of estimates as PNG in base64."""
    with torch.no_grad():
        pictures = model.decode(estimate).float().cpu()
    return [base64.b64encode(encode_picture(to_image(picture), "PNG")).decode("ascii") for picture in pictures]
