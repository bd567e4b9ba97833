"""A function that calls back becomes a generator: it runs in a thread, and waits while its caller looks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from queue import SimpleQueue
from threading import Semaphore, Thread
from typing import TypeVar

T = TypeVar("T")


class _Closed(Exception):
    """The generator was closed: unwinds the function from within its callback."""


def stepwise(run: Callable[[Callable[[T], None]], T]) -> Iterator[T]:
    """What `run(show)` gives to `show`, as it comes, then what it returns; its exceptions are raised here.

    One of the two sides works at a time. When the generator is closed, the next call of `show` ends `run`.
    """
    said: SimpleQueue[tuple[str, T | BaseException]] = SimpleQueue()
    going = Semaphore(0)
    closed = False

    def show(value: T) -> None:
        if not closed:
            said.put(("shown", value))
            going.acquire()
        if closed:
            raise _Closed

    def work() -> None:
        try:
            said.put(("done", run(show)))
        except BaseException as error:
            said.put(("failed", error))

    thread = Thread(target=work, name="pipeline", daemon=True)
    thread.start()
    try:
        while True:
            kind, value = said.get()
            if isinstance(value, BaseException) and kind == "failed":
                raise value
            yield value  # type: ignore[misc]
            if kind == "done":
                return
            going.release()
    finally:
        closed = True
        going.release()
        thread.join()
