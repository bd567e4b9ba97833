"""Progress on a terminal as a live bar, elsewhere as a line every few seconds."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from .text import clock

if TYPE_CHECKING:
    from .trainer import Report

EVERY = 5.0  # seconds between lines


class Display:
    """Shows stages of counted work and a training's reports; writes to stderr, so that stdout stays for results."""

    def __init__(self) -> None:
        self.console = Console(stderr=True, soft_wrap=True)
        self.live = self.console.is_terminal and sys.stdout.isatty()
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            console=self.console,
            disable=not self.live,
        )
        self._tasks: dict[str, TaskID] = {}
        self._spoken = 0.0

    def __enter__(self) -> Display:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def say(self, line: str) -> None:
        self.console.print(line, highlight=False, markup=False)

    def count(self, what: str, done: int, total: int, note: str = "") -> None:
        """Progress of `what`: `done` of `total`."""
        if self.live:
            if what not in self._tasks:
                self._tasks[what] = self._bar.add_task(what, total=total, note=note)
            self._bar.update(self._tasks[what], completed=done, total=total, note=note)
        elif time.monotonic() - self._spoken > EVERY or done == total:
            self._spoken = time.monotonic()
            self.say(f"{what}: {done} of {total}{'  ' + note if note else ''}")

    def train(self, report: Report) -> None:
        """A training step: losses, rate and time left."""
        for alarm in report.alarms:
            self.say(alarm if alarm.endswith(": over") else f"warning: {alarm}")
        losses = " ".join(f"{name} {value:.4g}" for name, value in list(report.losses.items())[:3])
        note = f"{losses}  {report.images_per_second:.0f} images/s"
        if report.total and report.step:
            left = report.seconds / report.step * (report.total - report.step)
            note += f"  {clock(left)} left"
        self.count("training", report.step, report.total or report.step + 1, note)
