"""Progress on a terminal as a live bar, elsewhere as a line every few seconds."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from .text import clock

if TYPE_CHECKING:
    from .comparison import Row
    from .trainer import Report

EVERY = 5.0  # seconds between lines
COLUMNS = ("family", "state", "trained", "loss", "kernel distance", "alarms")


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


class Standings:
    """A comparison as it goes: on a terminal a live table, elsewhere lines where something changes or time goes by."""

    def __init__(self) -> None:
        self.console = Console(stderr=True)
        self.live = self.console.is_terminal and sys.stdout.isatty()
        self._rows: dict[str, Row] = {}
        self._note = ""
        self._table = Live(get_renderable=self._render, console=self.console, refresh_per_second=4, transient=True)
        self._spoken = 0.0

    def __enter__(self) -> Standings:
        if self.live:
            self._table.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.live:
            self._table.stop()

    def say(self, line: str) -> None:
        self.console.print(line, highlight=False, markup=False, soft_wrap=True)

    def count(self, what: str, done: int, total: int) -> None:
        """Progress of `what`, as of the pictures that are being read or drawn: `done` of `total`."""
        self._note = f"{what}: {done} of {total}" if done < total else ""
        if not self.live and (self._late() or done == total):
            self.say(f"{what}: {done} of {total}")

    def row(self, row: Row) -> None:
        """How far a family is."""
        before = self._rows.get(row.family)
        self._rows[row.family] = row
        changed = before is None or before.state != row.state
        if not self.live and row.state != "waiting" and (changed or self._late()):
            self.say("  ".join(filter(None, standing(row))))

    def _late(self) -> bool:
        late = time.monotonic() - self._spoken > EVERY
        self._spoken = time.monotonic() if late else self._spoken
        return late

    def _render(self) -> Group:
        table = Table(box=None, pad_edge=False)
        for name in COLUMNS:
            table.add_column(name, no_wrap=name != "alarms")
        for row in self._rows.values():
            table.add_row(*(Text(cell) for cell in standing(row)))
        return Group(table, Text(self._note))


def standing(row: Row) -> tuple[str, ...]:
    """A row's cells, under `COLUMNS`."""
    report = row.report
    trained = f"step {report.step} of {report.total or '?'}, {clock(report.seconds)}" if report else ""
    losses = " ".join(f"{name} {value:.3g}" for name, value in list(report.losses.items())[:2]) if report else ""
    distance = f"KD {row.distance:.3g}" if row.distance is not None else ""
    return row.family, row.state, trained, losses, distance, row.why or "; ".join(row.alarms[-2:])
