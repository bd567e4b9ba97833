"""Where jobs are kept: tables, and an engine that is opened with care; every failure is one line for people."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from sqlalchemy import (
    Column,
    Engine,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    event,
    text,
)
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from ..errors import HuabiError
from .logs import log

PATIENCE = 10.0  # seconds that one connection waits for another's write
CHECKED = 64 << 20  # bytes of a file that is always looked through at the start
FULL = ("full", "disk i/o", "no space", "readonly")

metadata = MetaData()
jobs = Table(
    "jobs",
    metadata,
    Column("place", Integer, primary_key=True, autoincrement=True),  # in the queue
    Column("id", String(32), unique=True, nullable=False),
    Column("task", String(32), nullable=False),
    Column("model", String(400), nullable=False),
    Column("body", Text, nullable=False),  # JSON
    Column("key", String(64), nullable=False),  # equal for calls that may be one call, sent again
    Column("client", String(8), nullable=False),  # waiting, gone, served
    Column("state", String(10), nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("owner", String(32), nullable=False, default=""),
    Column("lease", Float, nullable=False, default=0.0),  # until when the owner is believed to be alive
    Column("created", Float, nullable=False),
    Column("started", Float),
    Column("finished", Float),
    Column("fault", String(16)),  # whose: request, model, server
    Column("error", Text),
    Column("result", Text),  # JSON, of jobs that draw nothing
    Index("jobs_by_state", "state", "place"),
    Index("jobs_by_key", "key"),
    sqlite_autoincrement=True,
)
pictures = Table(
    "pictures",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("job", String(32), ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("position", Integer, nullable=False),
    Column("recipe", Text, nullable=False),  # JSON
    Column("data", LargeBinary, nullable=False),  # PNG
)

# Of a database that several servers share: who is there, and which of them a caller waits at.
fronts = Table(
    "fronts",
    metadata,
    Column("owner", String(32), primary_key=True),
    Column("lease", Float, nullable=False),  # until when it is believed to be alive
)
callers = Table(
    "callers",
    metadata,
    Column("job", String(32), ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("front", String(32), nullable=False),
)


class StoreError(HuabiError):
    """The database of jobs cannot be used; what it holds is kept."""


@contextmanager
def explained() -> Iterator[None]:
    """Turns a database's failure into one line that says what to do."""
    try:
        yield
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or type(error).__name__).splitlines()[0]
        if any(word in reason.lower() for word in FULL):
            raise StoreError(f"the jobs cannot be written ({reason}); free some space on the disk") from error
        log.warning("the database of jobs: %s", reason)  # which may name a host, or a user
        raise StoreError("the database of jobs cannot be used now; try again, the server's log says more") from error


def is_file(where: str) -> bool:
    """Whether `where` is a path, and not the URL of a database."""
    return "://" not in where


def connect(where: str, set_aside: bool = False) -> tuple[Engine, FileLock | None]:
    """The engine of a file of SQLite (a path) or of the database at a URL, and the lock of a file.

    Args:
        set_aside: move a damaged file aside and begin a new one.

    Raises `StoreError` where it is damaged, in use by another server, or not to be reached.
    """
    lock = _locked(Path(where)) if is_file(where) else None
    try:
        engine = _opened(where)
        try:
            _prepare(engine, _doubtful(where))
        except DBAPIError as error:
            engine.dispose()
            if not (lock and set_aside and _damaged(error)):
                raise
            aside = Path(where).with_suffix(f".damaged-{int(time.time())}")
            for end in ("", "-wal", "-shm"):
                if (old := Path(where + end)).exists():
                    old.rename(f"{aside}{end}")
            engine = _opened(where)
            _prepare(engine, False)
        return engine, lock
    except (SQLAlchemyError, sqlite3.Error, ModuleNotFoundError) as error:
        if lock:
            lock.release()
        raise StoreError(_why(where, error)) from None


def _locked(path: Path) -> FileLock:
    lock = FileLock(f"{path}.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        raise StoreError(f"another server uses {path}; stop it, or give this one its own --store FILE") from None
    except OSError as error:
        raise StoreError(f"{path} cannot be written ({error.strerror}); give another --store FILE") from None
    return lock


def _opened(where: str) -> Engine:
    if not is_file(where):
        return create_engine(where, pool_pre_ping=True, hide_parameters=True)  # which may be prompts
    engine = create_engine(f"sqlite:///{where}", connect_args={"timeout": PATIENCE}, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, record: Any) -> None:
        connection.isolation_level = None  # the transactions are begun below
        for pragma in ("foreign_keys=ON", "synchronous=NORMAL"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        if not connection.get_execution_options().get("single"):
            connection.exec_driver_sql("BEGIN IMMEDIATE")  # a read that becomes a write could not wait for its turn

    return engine


def singly(engine: Engine) -> Engine:
    """The same engine for statements that stand alone, each a transaction of its own."""
    if engine.dialect.name == "sqlite":  # whose driver begins none: to switch it there and back would be slower
        return engine.execution_options(single=True)
    return engine.execution_options(isolation_level="AUTOCOMMIT")


def _doubtful(where: str) -> bool:
    """Whether a file is to be looked through: it was not closed in order, or is so small that it takes no time."""
    if not is_file(where) or not Path(where).exists():
        return False
    return Path(f"{where}-wal").exists() or Path(where).stat().st_size < CHECKED


def _prepare(engine: Engine, doubtful: bool) -> None:
    if engine.dialect.name == "sqlite":
        with singly(engine).connect() as connection:
            connection.execute(text("PRAGMA auto_vacuum=INCREMENTAL"))  # of a new file: it shrinks again
            connection.execute(text("PRAGMA journal_mode=WAL"))
            found = connection.execute(text("PRAGMA quick_check(1)")).scalar() if doubtful else "ok"
            if found != "ok":
                raise DBAPIError("PRAGMA quick_check", None, sqlite3.DatabaseError(f"malformed: {found}"))
    metadata.create_all(engine)


def _damaged(error: Exception) -> bool:
    return any(word in str(error).lower() for word in ("malformed", "not a database", "corrupt"))


def _why(where: str, error: Exception) -> str:
    if isinstance(error, (ArgumentError, NoSuchModuleError, ModuleNotFoundError)):
        return "--store is no database known here; give a file, or postgresql+psycopg://... with psycopg installed"
    reason = str(getattr(error, "orig", None) or error).splitlines()[0]
    if not is_file(where):
        return f"the database of --store cannot be reached ({reason}); check its URL and that it runs"
    if _damaged(error):
        return f"{where} is damaged ({reason}); restore it from a copy, or begin anew with --set-aside"
    return f"{where} cannot be opened ({reason}); close what else uses it, or give another --store FILE"
