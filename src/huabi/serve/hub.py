"""What happens to jobs, told from the threads that work on them to those who listen in the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import contextmanager, suppress
from typing import Any

Event = dict[str, Any]
Listener = tuple[asyncio.AbstractEventLoop, "asyncio.Queue[Event]"]


BEHIND = 64  # events that wait for a listener who reads slowly; older ones are left out


def _put(queue: asyncio.Queue[Event], event: Event) -> None:
    if queue.full():
        queue.get_nowait()
    queue.put_nowait(event)


class Hub:
    """Events of jobs by their id; the last one of a job that is at work is kept for those who come later."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: dict[str, list[Listener]] = {}
        self._last: dict[str, Event] = {}

    def publish(self, job: str, event: Event) -> None:
        """Tells everyone who listens; may be called from any thread."""
        with self._lock:
            if event["type"] == "state":
                self._last.pop(job, None)
            else:
                self._last[job] = self._last.get(job, {}) | event
            listeners = list(self._listeners.get(job, ()))
        for loop, queue in listeners:
            with suppress(RuntimeError):  # its loop has ended
                loop.call_soon_threadsafe(_put, queue, event)

    def forget(self, job: str) -> None:
        """Keeps no more of how far a job was."""
        with self._lock:
            self._last.pop(job, None)

    def last(self, job: str | None = None) -> Event:
        """How far a job is: the fields of its progress and its last preview; without one, of any job at work."""
        with self._lock:
            return dict(self._last.get(job, {}) if job else next(iter(self._last.values()), {}))

    @contextmanager
    def _listening(self, job: str) -> Any:
        queue: asyncio.Queue[Event] = asyncio.Queue(BEHIND)
        mine = (asyncio.get_running_loop(), queue)
        with self._lock:
            self._listeners.setdefault(job, []).append(mine)
        try:
            yield queue
        finally:
            with self._lock:
                self._listeners[job].remove(mine)
                if not self._listeners[job]:
                    del self._listeners[job]

    async def follow(
        self, job: str, patience: float, gone: asyncio.Future[Any] | None = None
    ) -> AsyncIterator[Event | None]:
        """Events of a job from now on; None first, and wherever `patience` seconds bring none.

        Args:
            gone: ends when the client leaves, of which an event of type `gone` tells.
        """
        with self._listening(job) as queue:
            if gone is not None:
                gone.add_done_callback(lambda _: _put(queue, {"type": "gone"}))
            yield None
            while True:
                try:
                    async with asyncio.timeout(patience):
                        event = await queue.get()
                except TimeoutError:
                    yield None
                else:
                    yield event
