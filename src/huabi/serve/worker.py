"""The worker that draws: it takes jobs that fit together, samples them in one batch and stores what comes out."""

from __future__ import annotations

import threading
from typing import Protocol

from ..drawing import ROWS
from .database import StoreError
from .desk import PAUSE, Call, Desk
from .easel import Easel
from .hub import Hub
from .jobs import Store
from .logs import log
from .meters import Meters
from .shelf import Shelf

HALTING = 10.0  # seconds in which an estimate at work ends


class Engine(Protocol):
    """Whatever takes jobs from the store and ends them; calls come from any thread."""

    @property
    def alive(self) -> bool:
        """Whether it takes jobs."""

    def start(self) -> None: ...

    def wake(self) -> None:
        """There is a new job."""

    def cancel(self, job: str) -> None:
        """Stops working on a job that the store has cancelled."""

    def stop(self, patience: float) -> None:
        """Takes no more jobs; after `patience` seconds leaves those at work, which go back into the queue."""


class Worker:
    """One thread that draws, of which a server has one: what it draws with is shared in its batches."""

    def __init__(self, store: Store, shelf: Shelf, hub: Hub, meters: Meters) -> None:
        self._desk, self._shelf = Desk(store, hub, meters), shelf
        self._easel = Easel(self._desk)
        self._thread = threading.Thread(target=self._run, name="huabi-worker", daemon=True)
        self._wake = threading.Event()
        self._leaving = threading.Event()  # takes no more jobs

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        self._wake.set()

    def cancel(self, job: str) -> None:
        self._desk.drop(job)

    def stop(self, patience: float) -> None:
        self._leaving.set()
        self._wake.set()
        self._thread.join(patience)
        self._desk.halting.set()
        self._thread.join(HALTING)

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
        job = self._desk.oldest()
        if job is None:
            return False
        try:
            model = self._shelf.load(job.model)
        except Exception as error:
            self._easel.blame(job, error, "model")
            return True
        try:
            call = Call.of(job)
            rows = model.identity.rows if model.identity else ROWS
            calls = [call, *self._desk.fitting(call, rows, model.batch_key)]
        except Exception as error:
            self._easel.blame(job, error, "request")
        else:
            with self._desk.working(calls):
                self._easel.draw(model, calls)
        return True
