"""Many workers instead of one: replicas of a Ray Serve deployment draw what the front claims from the store.

Jobs wait in the store, not in Ray: a batch is made up when a replica is free for it, from what all fronts have
accepted until then, and what nobody has begun is lost with no process.
"""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Hashable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from ..drawing import ROWS
from ..errors import HuabiError, RequestError
from .database import StoreError
from .desk import PAUSE, Abandoned, Call, Desk, insist
from .easel import Easel
from .hub import Event, Hub
from .jobs import Blame, Drawn, Job, Store
from .logs import log
from .meters import Meters
from .shelf import Shelf

NAME = "huabi"  # of the application in Ray
PER_ROW = {"seed", "label", "prompt", "negative", "guidance"}  # fields in which the rows of a batch differ as a rule
WAITING = 64  # batches of one front that wait for a replica at most
LEAVING = 600.0  # seconds that a replica which is not needed any more has for what it draws
MANY = 1000  # replicas
REACHING = 10.0  # seconds in which a cluster is to answer

Stock = Callable[[], Shelf]
Message = tuple[Any, ...]  # what happened, and its arguments; those of `Desk` where a method of it is called so
OVER: Message = ("over",)


class Replicas(NamedTuple):
    """How many replicas there are at least and at most."""

    least: int
    most: int

    @classmethod
    def of(cls, said: str) -> Replicas:
        """From `2`, or `1:4`; raises `RequestError`."""
        try:
            numbers = [int(part) for part in said.split(":")]
            least, most = numbers[0], numbers[-1]
        except ValueError:
            least, most = 0, 0
        if said.count(":") > 1 or not 0 < least <= most <= MANY:
            raise RequestError(f"--replicas {said} is neither a number nor two, as 1:4; the first is at least 1")
        return cls(least, most)


class Replica:
    """Draws one batch at a time in a process of its own; it knows no store."""

    def __init__(self, stock: Stock) -> None:
        self._shelf = stock()
        self._relay = Relay()
        self._easel = Easel(self._relay)
        self._drawing = threading.Lock()  # a batch that was called off may take a moment to notice

    async def draw(self, jobs: Sequence[Job]) -> AsyncIterator[list[Message]]:
        """Draws jobs of one model; what becomes of them is told as it happens, as much at once as has come up."""
        loop, messages, halted = asyncio.get_running_loop(), asyncio.Queue[Message](), threading.Event()

        def put(message: Message) -> None:
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(messages.put_nowait, message)

        yield [("began",)]
        threading.Thread(target=self._work, args=(jobs, put, halted), daemon=True).start()
        try:
            told: list[Message] = [("began",)]
            while told[-1] != OVER:
                told = [await messages.get()]
                while not messages.empty():
                    told.append(messages.get_nowait())
                yield told
        finally:  # the front called it off, or is gone
            halted.set()

    def _work(self, jobs: Sequence[Job], put: Callable[[Message], None], halted: threading.Event) -> None:
        with self._drawing:
            self._relay.put, self._relay.halted = put, halted
            try:
                model = self._shelf.load(jobs[0].model)
                put(("rows", model.identity.rows if model.identity else ROWS))
                self._easel.draw(model, [Call.of(job) for job in jobs])
            except Exception as error:
                for job in jobs:
                    self._easel.blame(job, error, "model")
            finally:
                put(OVER)


class Relay:
    """Tells the front, as an outlet of the easel."""

    put: Callable[[Message], None]
    halted: threading.Event

    def tell(self, job: Job, event: Event) -> None:
        self.put(("tell", job.id, event))

    def finish(self, job: Job, drawn: Sequence[Drawn]) -> None:
        self.put(("finish", job.id, drawn))

    def fail(self, job: Job, line: str, fault: Blame) -> None:
        self.put(("fail", job.id, line, fault))

    def check(self, calls: Iterable[Call]) -> None:
        if self.halted.is_set():
            raise Abandoned

    def drew(self, seconds: float, rows: int) -> None:
        self.put(("drew", seconds, rows))


class Batch(NamedTuple):
    """Calls that a replica has, and its answer."""

    calls: list[Call]
    answer: Any

    def drop(self) -> None:
        """Stops the replica where nobody waits for any of the calls."""
        if all(call.over or call.dropped for call in self.calls):
            self.answer.cancel()


class Crowd:
    """Hands batches to replicas, as many at once as there may be replicas; an engine.

    Args:
        stock: makes the shelf of a replica, in its process.
        gpus: of each replica.

    Raises `RequestError` where Ray is not installed, or cannot be reached.
    """

    def __init__(
        self, store: Store, shelf: Shelf, hub: Hub, meters: Meters, *, replicas: Replicas, stock: Stock, gpus: int = 0
    ) -> None:
        self._desk = Desk(store, hub, meters)
        self._handle, self._disconnect = connected(replicas, stock, gpus)
        self._room = threading.Semaphore(replicas.most)  # one more would wait there, and grow no more while it does
        self._rows: dict[str, int] = {}  # of a batch, by model
        self._batches: dict[int, Batch] = {}
        self._hands: set[threading.Thread] = set()
        self._thread = threading.Thread(target=self._run, name="huabi-crowd", daemon=True)
        self._wake, self._leaving = threading.Event(), threading.Event()

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        self._wake.set()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def cancel(self, job: str) -> None:
        self._desk.drop(job)
        for batch in list(self._batches.values()):
            batch.drop()

    def stop(self, patience: float) -> None:
        end = time.monotonic() + patience
        self._leaving.set()
        self._wake.set()
        self._thread.join(patience)
        for hand in list(self._hands):
            hand.join(max(0.0, end - time.monotonic()))
        self._desk.halting.set()
        for batch in list(self._batches.values()):
            batch.answer.cancel()
        for hand in list(self._hands):
            hand.join(PAUSE)
        self._disconnect()

    def _run(self) -> None:
        while not self._leaving.is_set():
            if not self._room.acquire(timeout=PAUSE):
                continue
            try:
                calls = self._claimed()
            except StoreError as error:  # a full disk: the jobs stay where they are
                log.warning("worker: %s", error)
                calls = []
            if calls:
                hand = threading.Thread(target=self._carry, args=(calls,), name="huabi-hand", daemon=True)
                self._hands.add(hand)
                hand.start()
            else:
                self._room.release()
                self._wake.wait(PAUSE)
                self._wake.clear()

    def _claimed(self) -> list[Call]:
        """The oldest job and those that look as if they fitted to it; none where none waits."""
        while job := self._desk.oldest():
            try:
                call = Call.of(job)
                return [call, *self._desk.fitting(call, self._rows.get(job.model, ROWS), alike)]
            except Exception as error:
                Easel(self._desk).blame(job, error, "request")
        return []

    def _carry(self, calls: list[Call]) -> None:
        """Has a replica draw calls; those that die with it are queued again."""
        me = threading.get_ident()
        began = False
        try:
            with self._desk.working(calls):
                answer = self._handle.remote([call.job for call in calls])
                self._batches[me] = Batch(calls, answer)
                self._desk.check(calls)  # those that were cancelled before they could be found here
                for told in answer:
                    began = True
                    self._heard(calls, told)
                    if not all(call.over for call in calls):  # else the replica has only to say that it is done
                        self._desk.check(calls)
        except Abandoned:
            answer.cancel()
        except (Exception, asyncio.CancelledError) as error:
            self._lost(calls, began, error)
        finally:
            self._batches.pop(me, None)
            self._hands.discard(threading.current_thread())
            self._room.release()
            self._wake.set()

    def _heard(self, calls: list[Call], told: list[Message]) -> None:
        """Does with what a replica told what the local worker does with its own."""
        by_id = {call.job.id: call for call in calls}
        for what, *about in told:
            if what == "rows":
                self._rows[calls[0].job.model] = about[0]
            elif what == "drew":
                self._desk.drew(*about)
            elif what in ("tell", "finish", "fail"):
                call = by_id[about[0]]
                call.over |= what != "tell"
                getattr(self._desk, what)(call.job, *about[1:])

    def _lost(self, calls: list[Call], began: bool, error: BaseException) -> None:
        """Puts what a replica did not end back into the queue; a job that began counts as tried."""
        from ray.exceptions import ActorDiedError

        left = [call.job for call in calls if not call.over and not call.dropped]
        if not left or self._desk.halting.is_set():
            return
        log.warning("a replica was lost with %d jobs (%s)", len(left), type(error).__name__)
        if began or isinstance(error, ActorDiedError):
            self._desk.died(left)
        else:  # Ray is full, or away: nobody has seen them
            insist(lambda: self._desk.store.give_back([job.id for job in left]), self._desk.halting)
            self._desk.halting.wait(PAUSE)


def alike(request: Any) -> Hashable:
    """Requests that are equal in this may be drawn at once: what `batch_key` says, which only a replica's model can.

    Where they may not after all, the replica draws them in one call one after the other.
    """
    return type(request), *(getattr(request, name) for name in type(request).model_fields if name not in PER_ROW)


def connected(replicas: Replicas, stock: Stock, gpus: int = 0) -> tuple[Any, Callable[[], None]]:
    """A handle to `Replica.draw`, and what lets go of it.

    In the cluster at RAY_ADDRESS, where the application may be running already; else in one of this process's own.

    Args:
        gpus: of each replica.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Huabi tells nobody anything
    try:
        import ray
        from ray import serve
    except ImportError:
        raise RequestError("--engine ray needs its extra: pip install 'huabi[scale]'") from None
    address = os.environ.get("RAY_ADDRESS", "")
    _reached(address)
    own: dict[str, Any] = {"include_dashboard": False, "num_cpus": max(os.cpu_count() or 1, replicas.most)}
    try:
        ray.init(address or "local", logging_level="warning", **({} if address else own))
        if NAME in serve.status().applications:
            handle = serve.get_app_handle(NAME)
        else:
            serve.start(proxy_location="Disabled")  # callers come to the front
            handle = serve.run(deployment(replicas, stock, gpus), name=NAME, route_prefix=None)
    except (ConnectionError, RuntimeError, ValueError, TimeoutError, ray.exceptions.RayError) as error:
        ray.shutdown()
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        where = f"at RAY_ADDRESS {address}" if address else "on this machine"
        raise RequestError(f"no replicas on Ray {where} ({reason}); `ray status` says more") from error

    def leave() -> None:
        if not address:
            serve.shutdown()
        ray.shutdown()

    return handle.options(method_name="draw", stream=True), leave


def _reached(address: str) -> None:
    """Raises `RequestError` where nothing listens at HOST:PORT: Ray itself would try again for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not (host and port.isdecimal()):
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), REACHING).close()
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise RequestError(f"no Ray at RAY_ADDRESS {address} ({reason}); is it running?") from None


def deployment(replicas: Replicas, stock: Stock, gpus: int = 0) -> Any:
    """The application that Ray Serve runs."""
    from ray import serve

    return serve.deployment(
        Replica,
        name=NAME,
        max_ongoing_requests=1,
        max_queued_requests=WAITING,
        autoscaling_config={
            "min_replicas": replicas.least,
            "max_replicas": replicas.most,
            "target_ongoing_requests": 1,
        },
        ray_actor_options={"num_cpus": 1, "num_gpus": gpus},
        graceful_shutdown_timeout_s=LEAVING,
        logging_config={"log_level": "WARNING", "enable_access_log": False},
    ).bind(stock)


class Offer(BaseModel):
    """What a Serve config file says of the replicas: the options of `huabi serve`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: tuple[str, ...] = ()
    runs: Path | None = None
    device: str = "cpu"
    memory: float = 0
    replicas: str = "1"


def app(args: dict[str, Any]) -> Any:
    """The application for a Serve config file: `import_path: huabi.serve.crowd:app`."""
    try:
        offer = Offer.model_validate(args)
    except ValidationError as error:
        raise HuabiError(f"args of {NAME}: {error.errors()[0]['loc']}: {error.errors()[0]['msg']}") from None
    stock = partial(Shelf, offer.model, offer.runs, offer.device, int(offer.memory * 2**30))
    return deployment(Replicas.of(offer.replicas), stock, int(offer.device.startswith("cuda")))
