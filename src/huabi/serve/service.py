"""What all routes share: jobs are accepted, followed and cancelled here."""

from __future__ import annotations

import asyncio
import hashlib
import math
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from fastapi import Request as Call
from pydantic import BaseModel, ValidationError
from starlette.concurrency import run_in_threadpool

from .. import index
from ..decoding import limited
from ..enlarging import JOIN
from ..errors import RequestError
from ..pictures import Picture, read_recipe
from ..requests import Request, Restore
from .database import StoreError
from .desk import drafted, estimates
from .easel import STEPS
from .errands import ERRANDS, Compare, Errands, Evaluate, Train
from .faults import Fault, of, raise_end
from .hub import Event, Hub
from .jobs import ENDS, LEASE, Draft, Job, Kept, Store
from .logs import log
from .meters import Meters
from .place import Place
from .shelf import Card, Shelf
from .worker import Engine, Worker

FORMATS = ("PNG", "JPEG", "WEBP")  # that clients may send
LONG = ("image", "mask", "masks", "reference", "scribble", "sound", "styles")  # fields of requests
SEEDS = 2**31  # from which a seed is drawn, where none is given
M = TypeVar("M", bound=BaseModel)
GRACE = 10.0  # seconds in which a client that calls again by itself finds its job; OpenAI's waits 8 at most
PATIENCE = 1.0  # seconds between two looks at the store for jobs that others work on
KEEPING = LEASE / 4  # seconds between two rounds of the housekeeping


@dataclass(frozen=True)
class Limits:
    """How much a client may ask for."""

    pixels: int = 1 << 24  # of a picture that is sent
    pictures: int = 16  # of one job
    work: int = 1 << 30  # pixels x steps x pictures of one job
    keep: float = 3600.0  # seconds in which pictures can be fetched


class ClientLeft(Exception):
    """Nobody is there any more to be answered."""


@dataclass(frozen=True)
class Caller:
    """Who calls, as far as it matters for knowing a call again."""

    who: str
    again: Literal["new", "retry", "same"]
    token: str  # the client's own name for the call
    returns: bool  # calls again by itself where the connection breaks

    @classmethod
    def of(cls, call: Call) -> Caller:
        """From the headers: `Idempotency-Key`, or the count that OpenAI's client sends with each try."""
        token = call.headers.get("idempotency-key", "")
        count = call.headers.get("x-stainless-retry-count")
        again: Literal["new", "retry", "same"] = "same" if token else "retry" if count not in (None, "0") else "new"
        host = call.client.host if call.client else ""
        who = f"{host}|{call.headers.get('authorization', '')}|{call.url.path}"
        return cls(who, again, token, bool(token) or count is not None)

    def key(self, what: str) -> str:
        """Equal for calls that may be one call: those of one token, else those that say the same."""
        return hashlib.sha256(f"{self.who}|{self.token or what}".encode("utf-8", "surrogatepass")).hexdigest()


@dataclass
class Service:
    """The store, the models, the engines, and what a client may ask of them."""

    store: Store
    shelf: Shelf
    limits: Limits = field(default_factory=Limits)
    place: Place = field(default_factory=Place)
    engine: Callable[[Store, Shelf, Hub, Meters], Engine] = Worker  # that draws

    def __post_init__(self) -> None:
        self.hub, self.meters = Hub(), Meters()
        self.errands = Errands(self.store, self.place, self.hub, self.meters)
        self.artist = self.engine(self.store, self.shelf, self.hub, self.meters)
        self.engines: list[Engine] = [self.artist, self.errands]
        self.meters.watch(self._gauges)
        self.draining = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting: Counter[str] = Counter()  # callers for each job's answer
        self._unserved: set[str] = set()  # jobs whose callers were cut off
        self._leaving: set[asyncio.Task[None]] = set()  # callers who left, until the store knows of it

    def start(self) -> None:
        """Takes up what an earlier server left, and begins to work."""
        self.store.renew()
        self.store.recover(all_of_them=self.store.exclusive)
        for engine in self.engines:
            engine.start()
        self._spawn(self._keep_house())

    async def stop(self, patience: float) -> None:
        """Lets what is at work end, for `patience` seconds; the rest waits in the store for the next start."""
        self.draining = True
        await asyncio.gather(*(run_in_threadpool(engine.stop, patience) for engine in self.engines))
        for task in list(self._tasks):  # until now the jobs at work were said to be ours
            task.cancel()
        self.store.give_back()
        for job in self._unserved:
            self.store.client(job, "gone")
        self.store.close()

    def leave(self) -> None:
        """Takes no more jobs, and has trainings save at once: calls have some seconds yet."""
        self.draining = True
        self.errands.leave()

    def _spawn(self, work: Any) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _keep_house(self) -> None:
        trusted = 0.0  # from when on an owner whose lease has ended is dead: in an outage nobody could renew one
        while True:
            try:
                await run_in_threadpool(self.store.renew)
                if not self.store.exclusive and time.monotonic() > trusted:
                    await run_in_threadpool(self.store.recover)
                await run_in_threadpool(self.store.sweep, self.limits.keep)
            except StoreError as error:
                trusted = time.monotonic() + LEASE
                log.warning("housekeeping: %s", error)
            await asyncio.sleep(KEEPING)

    def _gauges(self) -> dict[str, float]:
        counts = self.store.counts()
        return {
            "jobs_queued": counts.get("queued", 0),
            "jobs_running": counts.get("running", 0),
            "models_loaded": len(self.shelf.loaded),
            "models_bytes": self.shelf.used,
        }

    async def read(self, kind: type[M], data: bytes | str | dict[str, Any]) -> M:
        """`data`, JSON or the fields of a form, as a `kind`; pictures in it are bounded before they are decoded."""

        def read() -> M:
            with limited(FORMATS, self.limits.pixels):
                if isinstance(data, dict):
                    return kind.model_validate(data, context={"json": True})
                return kind.model_validate_json(data)

        try:
            return await run_in_threadpool(read)
        except ValidationError as error:
            raise of(error) from None

    async def draw(
        self, request: Request, model: str | None, n: int, caller: Caller, previews: int = 0, choice: Card | None = None
    ) -> Job:
        """Accepts the drawing of `n` pictures, whose seeds go up from the one asked for, or from one by chance."""
        if model is None and choice is None and isinstance(request, Restore):
            choice = await run_in_threadpool(self.shelf.restorer, request.task, request.scale)
        card = choice or await self.choose(model, type(request))
        if type(request) not in card.tasks:
            known = ", ".join(task.__name__ for task in card.tasks)
            raise Fault(400, f"{card.name} does not answer {type(request).__name__}; it answers {known}", "wrong_model")
        if n > self.limits.pictures:
            raise Fault(400, f"at most {self.limits.pictures} pictures at once, not {n}", "too_many", "n")
        if work(request, card) * n > self.limits.work:
            line = "this is more work than one job may be: fewer or smaller pictures, or fewer steps"
            raise Fault(400, f"{line} (pixels x steps x pictures up to {self.limits.work:,})", "too_much_work")
        task = type(request).__name__.lower()
        said = f"{task}|{card.name}|{n}|{previews}|{request.model_dump_json(exclude_unset=True)}"
        draft = drafted(task, card.name, _seeded(request, n), previews, caller.key(said))
        return await self.accept(draft, caller)

    async def run(self, errand: Train | Evaluate | Compare, caller: Caller) -> Job:
        """Accepts training, evaluation or comparison."""
        key = caller.key(errand.model_dump_json())
        if caller.again != "new" and await run_in_threadpool(self.store.called, key, caller.again):
            body = errand.model_dump_json(exclude_unset=True)  # its own earlier call has taken the name
            return await self.accept(Draft(errand.task, errand.name, body, key), caller)
        return await self.accept(await run_in_threadpool(self.errands.draft, errand, key), caller)

    async def choose(self, model: str | None, *tasks: type[Request]) -> Card:
        """The model of that name, or the first that answers one of `tasks`.

        Of two that are one model, where what enlarges does not answer the first task, the other is taken alone.
        """
        if not model:
            return await run_in_threadpool(self.shelf.first, *tasks)
        card = await run_in_threadpool(self.shelf.card, model)
        if JOIN in card.name and tasks and tasks[0] not in card.tasks:
            alone = (await run_in_threadpool(self.shelf.cards)).get(card.name.partition(JOIN)[0])
            return alone if alone and tasks[0] in alone.tasks else card
        return card

    async def accept(self, draft: Draft, caller: Caller) -> Job:
        """Puts a job into the queue, or finds the one that this call had made before."""
        if self.draining:
            raise Fault(503, "the server is about to stop; try again", "stopping", headers={"retry-after": "5"})
        if caller.again == "retry" and self._leaving:  # its first try may be one of those
            await asyncio.wait(set(self._leaving), timeout=GRACE)
        job = await run_in_threadpool(self.store.submit, draft, caller.again, self._retry_after())
        (self.errands if draft.task in ERRANDS else self.artist).wake()
        return job

    def _retry_after(self) -> int:
        """Seconds in which a place in a full queue comes free, by what batches took so far."""
        seconds = sum(s.value for m in self.meters.drawing.collect() for s in m.samples if s.name.endswith("_sum"))
        count = sum(s.value for m in self.meters.drawing.collect() for s in m.samples if s.name.endswith("_count"))
        return min(60, max(1, math.ceil(seconds / count))) if count else 1

    async def get(self, job: str) -> Job:
        """A job by its id; raises a 404 `Fault` where there is none (any more)."""
        found = await run_in_threadpool(self.store.get, job)
        if found is None:
            raise Fault(404, f"no job {job!r:.60}; jobs are forgotten some time after their end", "job_not_found")
        return found

    async def cancel(self, job: str, only_if_gone: bool = False) -> bool:
        """Cancels a job and stops its computing; False where it had ended."""
        cancelled = await run_in_threadpool(self.store.cancel, job, only_if_gone)
        if cancelled:
            for engine in self.engines:
                engine.cancel(job)
            self.hub.publish(job, {"type": "state", "state": "cancelled"})
            self.meters.ended.labels((await self.get(job)).task, "cancelled").inc()
        return cancelled

    async def follow(self, job: Job, gone: asyncio.Future[Any] | None = None) -> AsyncIterator[Event | Job | None]:
        """Events of a job, None where nothing happens, and as the last the job itself when it has ended."""
        async for event in self.hub.follow(job.id, PATIENCE, gone):
            if event is None or event.get("state") in ENDS:
                found = None
                with suppress(StoreError):  # it is there again soon, and the job with it
                    found = await self.get(job.id)
                if found is not None and found.ended:
                    yield found
                    return
            yield event

    @asynccontextmanager
    async def answer(self, job: Job, call: Call, caller: Caller) -> AsyncIterator[list[Kept]]:
        """The pictures of a job, when it is done, for an answer that is made inside.

        The job is stopped where the client leaves and does not come back. Raises `Fault` where the job failed,
        `ClientLeft` where there is nobody to be told.
        """
        gone = asyncio.ensure_future(_left(call))
        with self.waiting(job):
            try:
                async for event in self.follow(job, gone):
                    if isinstance(event, Job):
                        yield await self.pictures(event)
                        break
                    if gone.done():
                        break
                if gone.done():
                    self.abandon(job, caller)
                    raise ClientLeft
                self._spawn(self._served(job))
            except asyncio.CancelledError:  # we stop: the call that is sent again, here or elsewhere, finds its job
                self._unserved.add(job.id)
                raise
            finally:
                gone.cancel()

    async def _served(self, job: Job) -> None:
        with suppress(StoreError):  # then a call that is sent again finds its job once more
            await run_in_threadpool(self.store.client, job.id, "served")

    @contextmanager
    def waiting(self, job: Job) -> Iterator[None]:
        """Counts who waits for a job."""
        self._waiting[job.id] += 1
        try:
            yield
        finally:
            self._waiting[job.id] -= 1
            self._waiting += Counter()  # forgets those at 0

    async def pictures(self, job: Job) -> list[Kept]:
        """What an ended job has drawn; raises `Fault` where it failed."""
        if job.state != "done":
            raise_end(job)
        return await run_in_threadpool(self.store.drawn, job.id)

    async def _lost(self, job: Job, caller: Caller) -> None:
        """Cancels a job whose client has left, after a while where the client may call again."""

        async def noted() -> None:
            await self._insist(lambda: run_in_threadpool(self.store.client, job.id, "gone"))

        if caller.returns:
            task = self._spawn(noted())
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)
            await task
            await asyncio.sleep(GRACE)
            if self._waiting[job.id]:
                return
        await self._insist(lambda: self.cancel(job.id, only_if_gone=caller.returns))

    async def _insist(self, write: Callable[[], Awaitable[Any]]) -> None:
        """Writes as soon as the store can be written again."""
        while True:
            try:
                await write()
                return
            except StoreError as error:
                log.warning("%s", error)
                await asyncio.sleep(PATIENCE)

    def abandon(self, job: Job, caller: Caller) -> None:
        """One of those who are `waiting` for a job has left; where nobody else is, it is stopped."""
        if self.draining:  # it is we who leave: the call that is sent again, here or elsewhere, finds its job
            self._unserved.add(job.id)
        elif self._waiting[job.id] == 1:
            self._spawn(self._lost(job, caller))

    def recipe(self, picture: Picture) -> dict[str, Any] | None:
        """The recipe inside a picture, if it is one of Huabi's."""
        with limited(FORMATS, self.limits.pixels):
            found = read_recipe(picture.data)
        return found if found and isinstance(found.get("request"), dict) else None

    async def drew(self, recipe: dict[str, Any]) -> str | None:
        """By which name the model of a recipe is offered here; None where it is not known."""
        cards = (await run_in_threadpool(self.shelf.cards)).values()
        found, family = [index.find(part) for part in str(recipe.get("model")).split(JOIN)], recipe.get("family")
        places = tuple(filter(None, found))
        known = (card.name for card in cards if card.places == places and (places or card.name == family))
        return next(known, None)

    async def data(self, picture: str) -> bytes:
        """The PNG of a stored picture; raises a 404 `Fault` where there is none (any more)."""
        found = await run_in_threadpool(self.store.picture, picture)
        if found is None:
            raise Fault(404, "no such picture; pictures are forgotten some time after they were drawn", "not_found")
        return found.data


async def _left(call: Call) -> None:
    """Ends when the client closes its connection; the body must have been read."""
    while (await call.receive())["type"] != "http.disconnect":
        pass


def plain(recipe: dict[str, Any]) -> dict[str, Any]:
    """A recipe without the pictures and sounds in its request, which are long."""
    request = recipe.get("request")
    kept = {name: value for name, value in request.items() if name not in LONG} if isinstance(request, dict) else {}
    return recipe | {"request": kept}


def work(request: Request, card: Card) -> int:
    """Pixels x steps of one picture, as far as they can be told beforehand."""
    asked = getattr(request, "size", None) or card.spec.size
    sizes = [asked if isinstance(asked, tuple) else (asked, asked)]  # Stylize says the long side alone
    for value in (getattr(request, name) for name in type(request).model_fields):
        for picture in value if isinstance(value, tuple | list) else (value,):
            if isinstance(picture, Picture):
                sizes.append(picture.size())
    left, top, right, bottom = getattr(request, "expand", (0, 0, 0, 0))
    scale = getattr(request, "scale", 1)
    pixels: int = max(scale**2 * (rows + top + bottom) * (columns + left + right) for rows, columns in sizes)
    return pixels * (estimates(request, card.name) or STEPS)


def _seeded(request: Request, n: int) -> list[Request]:
    if "seed" not in type(request).model_fields:
        if n > 1:
            raise RequestError(f"{type(request).__name__} draws one picture; leave n out")
        return [request]
    given = "seed" in request.model_fields_set
    first: int = request.seed if given else secrets.randbelow(SEEDS)  # type: ignore[attr-defined]
    if first + n > 2**63:
        raise RequestError("seed: with n pictures it would go beyond 2^63 - 1")
    return [request.model_copy(update={"seed": first + i}) for i in range(n)]
