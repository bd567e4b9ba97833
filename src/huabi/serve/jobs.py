"""The store of jobs: queued, running, then done, failed, cancelled or parked, exactly once.

A job that runs belongs to one owner until its lease ends. One whose owner died runs again, `ATTEMPTS` times in all,
and is parked then: it may be what kills. The database is SQLite in a file, or PostgreSQL where several servers share
it.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection, delete, func, insert, select, update

from ..errors import HuabiError, RequestError
from . import database
from .database import callers, explained, fronts, jobs, pictures

State = Literal["queued", "running", "done", "failed", "cancelled", "parked"]
Blame = Literal["request", "refused", "model", "server"]  # whose fault it is; refused is a content filter's word
ENDS = ("done", "failed", "cancelled", "parked")
ALONE = ("train", "compare")  # tasks of which one at a time waits or runs for a name
ATTEMPTS = 2
LEASE = 60.0  # seconds
PAGES = 4096  # of a file that are given back to the disk at once, 4 KB each
QUEUE = 256  # jobs that wait at most
MEMORY = 3600.0  # seconds in which a call is known again: three tries of OpenAI's client, ten minutes each
_SUBMITTING = 0x48756162  # PostgreSQL's advisory lock: one job is accepted at a time, so that counts hold


class QueueFull(HuabiError):
    """More jobs wait than the server takes; `retry_after` is in seconds."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"the queue is full; try again in {retry_after} seconds")
        self.retry_after = retry_after


@dataclass(frozen=True)
class Draft:
    """A job to be: `body` is JSON; calls of one `key` may be one call, sent again."""

    task: str
    model: str
    body: str = ""
    key: str = ""


@dataclass(frozen=True)
class Job(Draft):
    """A job as it stood when it was read; times are in seconds since 1970.

    Its body, which may hold pictures, is read with those that wait alone.
    """

    id: str = ""
    client: str = "waiting"
    state: State = "queued"
    attempts: int = 0
    created: float = 0.0
    started: float | None = None
    finished: float | None = None
    fault: str | None = None
    error: str | None = None
    result: str | None = None

    @property
    def ended(self) -> bool:
        return self.state in ENDS


class Drawn(NamedTuple):
    """A picture as it is stored."""

    recipe: dict[str, Any]
    data: bytes  # PNG


class Kept(NamedTuple):
    """What is known of a stored picture without its bytes."""

    id: str
    recipe: dict[str, Any]


class Shown(NamedTuple):
    """A stored picture, and the job that drew it."""

    kept: Kept
    job: str
    task: str
    model: str


_COLUMNS = [jobs.c[name] for name in Job.__dataclass_fields__]
_STATUS = [column for column in _COLUMNS if column.name != "body"]


class Store:
    """The jobs at `where`: a file, or the URL of a database.

    Args:
        queue: jobs that wait at most; one more raises `QueueFull`.
        set_aside: move a damaged file aside and begin a new one.

    Every method raises `StoreError` where the database cannot be used.
    """

    def __init__(self, where: str, queue: int = QUEUE, set_aside: bool = False) -> None:
        self._engine, self._lock = database.connect(where, set_aside)
        self._singly = database.singly(self._engine)
        self.owner = secrets.token_hex(8)
        self.queue = queue
        self.exclusive = self._lock is not None  # no other server is at work in it

    def close(self) -> None:
        self._engine.dispose()
        if self._lock is not None:
            self._lock.release()

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with explained(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with explained(), self._singly.connect() as connection:
            yield connection

    def submit(self, draft: Draft, again: Literal["new", "retry", "same"] = "new", retry_after: int = 1) -> Job:
        """Accepts a job, or finds the one that this call had made before.

        Args:
            again: `retry` takes up a job of this key whose client is gone, or waits at another server; `same` any job
                of this key; none that was cancelled.
            retry_after: what `QueueFull` says.
        """
        now = time.time()
        with self._writing() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(select(func.pg_advisory_xact_lock(_SUBMITTING)))
            if again != "new" and (found := self._before(connection, draft.key, again, now)):
                connection.execute(update(jobs).where(jobs.c.id == found.id).values(client="waiting"))
                self._attend(connection, found.id)
                return found
            if draft.task in ALONE and self._unfinished(connection, draft.model):
                line = f"a job called {draft.model} waits or runs already; give another name, or wait for it"
                raise RequestError(line)
            waiting = connection.execute(select(func.count()).where(jobs.c.state == "queued")).scalar_one()
            if waiting >= self.queue:
                raise QueueFull(retry_after)
            job = Job(draft.task, draft.model, draft.body, draft.key, secrets.token_hex(12), created=now)
            connection.execute(insert(jobs).values({c.name: getattr(job, c.name) for c in _COLUMNS}))
            self._attend(connection, job.id)
        return job

    def _attend(self, connection: Connection, job: str) -> None:
        """Remembers that the caller of a job waits here, where it could be elsewhere."""
        if not self.exclusive:
            connection.execute(delete(callers).where(callers.c.job == job))
            connection.execute(insert(callers).values(job=job, front=self.owner))

    def _before(self, connection: Connection, key: str, again: str, now: float) -> Job | None:
        fresh = (jobs.c.created > now - MEMORY) & (jobs.c.state != "cancelled")
        found = select(*_STATUS).where(jobs.c.key == key, fresh)
        gone = jobs.c.client == "gone"
        if again == "retry" and self.exclusive:
            found = found.where(gone)
        elif again == "retry":  # whoever waits elsewhere may be this call, whose server died
            elsewhere = jobs.c.id.in_(select(callers.c.job).where(callers.c.front != self.owner))
            found = found.where(gone | ((jobs.c.client == "waiting") & elsewhere))
        row = connection.execute(found.order_by(gone.desc(), jobs.c.place.desc()).limit(1)).first()
        return Job(**row._mapping) if row else None

    def called(self, key: str, again: str) -> bool:
        """Whether `submit` would find the job of an earlier call."""
        with self._reading() as connection:
            return self._before(connection, key, again, time.time()) is not None

    def get(self, job: str) -> Job | None:
        if not job.isalnum():  # no id; PostgreSQL's driver refuses to look for some of these
            return None
        with self._reading() as connection:
            row = connection.execute(select(*_STATUS).where(jobs.c.id == job)).first()
        return Job(**row._mapping) if row else None

    def recent(self, limit: int) -> list[Job]:
        """Jobs that have not ended, then the others, each the newest first."""
        newest = select(*_STATUS).order_by(jobs.c.place.desc()).limit(limit)
        open_ = self._jobs(newest.where(jobs.c.state.in_(("queued", "running"))))
        return list({job.id: job for job in [*open_, *self._jobs(newest)]}.values())[:limit]

    def queued(
        self, limit: int, tasks: Sequence[str], model: str | None = None, largest: int | None = None
    ) -> list[Job]:
        """Jobs that wait, the oldest first; with `largest`, those alone whose body is no longer than that."""
        waiting = select(*_COLUMNS).where(jobs.c.state == "queued", jobs.c.task.in_(tasks))
        if model is not None:
            waiting = waiting.where(jobs.c.model == model)
        if largest is not None:
            waiting = waiting.where(func.length(jobs.c.body) <= largest)
        return self._jobs(waiting.order_by(jobs.c.place).limit(limit))

    def _unfinished(self, connection: Connection, model: str) -> bool:
        """Whether a job that trains `model` waits or runs."""
        open_ = jobs.c.state.in_(("queued", "running")) & jobs.c.task.in_(ALONE) & (jobs.c.model == model)
        return connection.execute(select(jobs.c.id).where(open_).limit(1)).first() is not None

    def _jobs(self, statement: Any) -> list[Job]:
        with self._reading() as connection:
            return [Job(**row._mapping) for row in connection.execute(statement)]

    def counts(self) -> dict[str, int]:
        """How many jobs are in each state."""
        with self._reading() as connection:
            rows = connection.execute(select(jobs.c.state, func.count()).group_by(jobs.c.state)).all()
        return {str(state): int(count) for state, count in rows}

    def states(self, ids: Sequence[str]) -> dict[str, str]:
        with self._reading() as connection:
            rows = connection.execute(select(jobs.c.id, jobs.c.state).where(jobs.c.id.in_(ids))).all()
        return {str(job): str(state) for job, state in rows}

    def oldest(self, tasks: Sequence[str]) -> Job | None:
        """Takes the job that waits longest, as it stood; None where none waits, or another owner was quicker."""
        waiting = select(jobs.c.place).where(jobs.c.state == "queued", jobs.c.task.in_(tasks))
        first = waiting.order_by(jobs.c.place).limit(1).with_for_update(skip_locked=True).scalar_subquery()
        taken = self._taking(jobs.c.place == first).returning(*_COLUMNS)
        with self._reading() as connection:  # one statement, which is a transaction of its own
            row = connection.execute(taken).first()
        return replace(Job(**row._mapping), state="queued", attempts=row.attempts - 1, started=None) if row else None

    def claim(self, ids: Sequence[str]) -> list[str]:
        """Takes those of the queued jobs `ids` that nobody else took, all at once; they belong to this owner now."""
        if not ids:
            return []
        with self._writing() as connection:
            return [job for job in ids if connection.execute(self._taking(jobs.c.id == job)).rowcount]

    def _taking(self, which: Any) -> Any:
        """The statement that makes queued jobs this owner's."""
        now = time.time()
        mine = {"state": "running", "owner": self.owner, "lease": now + LEASE, "started": now}
        return update(jobs).where(which, jobs.c.state == "queued").values(mine | {"attempts": jobs.c.attempts + 1})

    def renew(self) -> None:
        """Says that this owner is alive."""
        lease = time.time() + LEASE
        with self._writing() as connection:
            mine = (jobs.c.state == "running") & (jobs.c.owner == self.owner)
            connection.execute(update(jobs).where(mine).values(lease=lease))
            if not self.exclusive:
                known = update(fronts).where(fronts.c.owner == self.owner).values(lease=lease)
                if not connection.execute(known).rowcount:
                    connection.execute(insert(fronts).values(owner=self.owner, lease=lease))

    def finish(self, job: str, drawn: Sequence[Drawn] = (), result: Any = None) -> bool:
        """Puts the pictures and the end of a job into the store at once; False where it is no longer this owner's."""
        done = {"state": "done", "finished": time.time(), "result": None if result is None else json.dumps(result)}
        with self._writing() as connection:
            if not self._end(connection, job, done):
                return False
            for position, (recipe, data) in enumerate(drawn):
                row = {"id": secrets.token_hex(16), "job": job, "position": position}
                connection.execute(insert(pictures).values(row | {"recipe": json.dumps(recipe), "data": data}))
        return True

    def fail(self, job: str, error: str, fault: Blame) -> bool:
        """Ends a job with one line for people; False where it is no longer this owner's."""
        with self._writing() as connection:
            failed = {"state": "failed", "finished": time.time(), "error": error, "fault": fault}
            return self._end(connection, job, failed)

    def _end(self, connection: Connection, job: str, values: dict[str, Any]) -> bool:
        mine = update(jobs).where(jobs.c.id == job, jobs.c.state == "running", jobs.c.owner == self.owner)
        return bool(connection.execute(mine.values(values)).rowcount)

    def cancel(self, job: str, only_if_gone: bool = False) -> bool:
        """Cancels a job that has not ended; False where it has, or where its client came back."""
        open_ = update(jobs).where(jobs.c.id == job, jobs.c.state.in_(("queued", "running")))
        if only_if_gone:
            open_ = open_.where(jobs.c.client == "gone")
        with self._writing() as connection:
            return bool(connection.execute(open_.values(state="cancelled", finished=time.time())).rowcount)

    def client(self, job: str, what: Literal["gone", "served"]) -> None:
        """Remembers that the client of a job left, or has its answer."""
        with self._writing() as connection:
            connection.execute(update(jobs).where(jobs.c.id == job).values(client=what))

    def give_back(self, ids: Sequence[str] | None = None) -> None:
        """Puts what this owner could not end back into the queue, or those of it in `ids`, as if it had not begun."""
        mine = update(jobs).where(jobs.c.state == "running", jobs.c.owner == self.owner)
        if ids is not None:
            mine = mine.where(jobs.c.id.in_(ids))
        with self._writing() as connection:
            connection.execute(mine.values(state="queued", attempts=jobs.c.attempts - 1, owner=""))

    def retry(self, ids: Sequence[str]) -> list[str]:
        """Queues again what died elsewhere while this owner had it, or parks it; returns which are parked."""
        mine = (jobs.c.state == "running") & (jobs.c.owner == self.owner) & jobs.c.id.in_(ids)
        with self._writing() as connection:
            parked = connection.execute(select(jobs.c.id).where(mine, jobs.c.attempts >= ATTEMPTS)).scalars().all()
            self._requeue(connection, mine)
        return [str(job) for job in parked]

    def recover(self, all_of_them: bool = False) -> int:
        """Queues again, or parks, jobs whose owner died; returns how many.

        Who waited for an answer at a server that died lost it: a call that comes again takes its job up.

        Args:
            all_of_them: whether every running job is a dead owner's, as where a server starts on a file of its own.
        """
        now, dead, lost = time.time(), jobs.c.state == "running", jobs.c.client == "waiting"
        if not all_of_them:
            dead &= jobs.c.lease < now
            alive = select(fronts.c.owner).where(fronts.c.lease >= now)
            lost &= jobs.c.id.in_(select(callers.c.job).where(callers.c.front.not_in(alive)))
        with self._writing() as connection:
            connection.execute(update(jobs).where(lost).values(client="gone"))
            connection.execute(delete(fronts).where(fronts.c.lease < now))
            return self._requeue(connection, dead)

    def _requeue(self, connection: Connection, dead: Any) -> int:
        """Parks jobs that died too often, and queues the others."""
        parked = {"state": "parked", "finished": time.time(), "fault": "server"}
        parked["error"] = f"the server died {ATTEMPTS} times while this job ran; it is not tried again"
        ended = connection.execute(update(jobs).where(dead, jobs.c.attempts >= ATTEMPTS).values(parked)).rowcount
        again = connection.execute(update(jobs).where(dead).values(state="queued", owner="")).rowcount
        return int(ended + again)

    def sweep(self, older: float) -> int:
        """Forgets jobs that ended more than `older` seconds ago, with their pictures; returns how many."""
        old = jobs.c.state.in_(ENDS) & (jobs.c.finished < time.time() - older)
        with self._writing() as connection:
            connection.execute(delete(pictures).where(pictures.c.job.in_(select(jobs.c.id).where(old))))
            gone = int(connection.execute(delete(jobs).where(old)).rowcount)
        if gone and self.exclusive:
            with self._reading() as connection:  # a row comes for each page: the driver is to ask for all of them
                file: Any = connection.connection.driver_connection
                file.executescript(f"PRAGMA incremental_vacuum({PAGES})")
        return gone

    def drawn(self, job: str) -> list[Kept]:
        """The pictures of a job, in the order of its requests."""
        mine = select(pictures.c.id, pictures.c.recipe).where(pictures.c.job == job).order_by(pictures.c.position)
        with self._reading() as connection:
            return [Kept(str(row.id), json.loads(row.recipe)) for row in connection.execute(mine)]

    def gallery(self, limit: int) -> list[Shown]:
        """The last pictures that were drawn, the newest first."""
        last = (
            select(pictures.c.id, pictures.c.recipe, jobs.c.id.label("job"), jobs.c.task, jobs.c.model)
            .join(jobs, pictures.c.job == jobs.c.id)
            .order_by(jobs.c.place.desc(), pictures.c.position)
            .limit(limit)
        )
        with self._reading() as connection:
            rows = connection.execute(last)
            return [Shown(Kept(str(r.id), json.loads(r.recipe)), str(r.job), str(r.task), str(r.model)) for r in rows]

    def picture(self, picture: str) -> Drawn | None:
        """A stored picture, by its id."""
        if not picture.isalnum():
            return None
        with self._reading() as connection:
            row = connection.execute(select(pictures).where(pictures.c.id == picture)).first()
        return Drawn(json.loads(row.recipe), bytes(row.data)) if row else None
