"""Ctrl-C and SIGTERM as something to be looked at between two steps."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


@contextmanager
def stop_signals() -> Iterator[list[int]]:
    """Turns the first SIGINT or SIGTERM into a number to be looked at; a second one acts as usual."""
    caught = [0]
    if threading.current_thread() is not threading.main_thread():
        yield caught
        return
    before: dict[int, Any] = {}

    def handle(signum: int, frame: FrameType | None) -> None:
        caught[0] = signum
        for number, old in before.items():
            signal.signal(number, old)

    for stopping in (signal.SIGINT, signal.SIGTERM):
        before[stopping] = signal.signal(stopping, handle)
    try:
        yield caught
    finally:
        for number, old in before.items():
            signal.signal(number, old)
