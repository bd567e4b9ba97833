"""What looks at a run while it trains: previews, alarms, and the distance of its pictures to held-out ones.

All of it together takes at most `PREVIEWS + LOOKS` of the run's time, and none of it touches the training's numbers.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from torch import Tensor

from .checkpoint import Checkpoint
from .config import leaves
from .data import PictureData
from .drawing import ROWS
from .errors import HuabiError, RunError
from .metrics.alarms import Sign, losses_lost, overconfidence
from .metrics.kernel import kernel_estimate
from .metrics.nearest import thumbnails_of
from .model import Identity
from .pictures import save_picture
from .previews import preview
from .report import alarms_of, log_rows
from .requests import Generate
from .text import clock
from .trainer import Best, Report, Trainer
from .verdict import active
from .witness import PICTURES, Witness, drawn

PREVIEWS, LOOKS = 0.01, 0.04  # of the run's time, at most
FIRST = 10.0  # seconds until the first preview
EVERY = 30.0  # seconds between two looks at the losses, at least; at pictures too, where they can be afforded
SETTLED = 1 / 4  # of the plan: before it, pictures are too young for an alarm
FEWEST, MOST = 64, 1000  # pictures of an evaluation
LEAST = 32  # pictures of a run's only evaluation
TRIED = 1000  # thumbnails whose making is timed
STEADY = 0.1  # change of the pace that leaves the steps between evaluations as they are


def log_signs(rows: Sequence[Mapping[str, Any]], losses: Sequence[str], settled: bool) -> dict[str, Sign]:
    """What a run's log says; `losses` are those that its optimizers step on."""

    def course(name: str) -> list[float]:
        return [row[name] for row in rows if name in row]

    found = {"losses": losses_lost({name: course(name) for name in losses if name in rows[-1]} if rows else {})}
    return found | ({"critic": overconfidence(course("confidence"))} if settled else {})


def schedule(whole: float, spare: float, every: float, picture: float, judge: float) -> tuple[float, int] | None:
    """Seconds between evaluations and pictures of each, so that all of them fit into `spare` seconds.

    More pictures rather than more evaluations than asked for, and fewer evaluations rather than none: of `FEWEST`
    pictures, but for a single one at the end, which may be of `LEAST`. None where not even that fits. `ROWS` pictures
    are drawn at once, and cost what all of them do.

    Args:
        whole: seconds that the run takes.
        every: seconds between evaluations, as asked.
        picture: seconds to draw and embed a picture.
        judge: seconds to embed one that the drawn are held against: as many, and at most `PICTURES` for alarms.
    """

    def count(rounds: int) -> int:
        few, many = spare / (rounds * picture + 2 * judge), (spare - PICTURES * judge) / (rounds * picture + judge)
        return int(max(few, many) + 1e-6) // ROWS * ROWS

    rounds = max(1, math.ceil(whole / every))
    if count(rounds) >= FEWEST:
        return every, min(count(rounds), MOST)
    rounds = max(1, int((spare / FEWEST - 2 * judge) / picture))
    return (whole / rounds, min(count(rounds), MOST)) if count(rounds) >= LEAST else None


def seconds_of(do: Callable[[], object]) -> float:
    start = time.perf_counter()
    do()
    return time.perf_counter() - start


class Watch:
    """Looks at a run after its steps, as often as the time allows.

    Args:
        every: seconds between evaluations, where the state nearest to held-out pictures is to be kept.
        say: called with a line for people.
    """

    def __init__(
        self,
        trainer: Trainer,
        data: PictureData,
        checkpoint: Checkpoint,
        every: float | None = None,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.trainer, self.data, self.checkpoint, self.say = trainer, data, checkpoint, say
        self.witness = Witness(data, trainer.family.device)
        self.draws = Generate in trainer.family.requests
        self.every = every if self.draws else None
        if every and not self.draws:
            say(f"--evaluate-every does not apply: {trainer.family.name} draws no pictures of its own")
        self._began, self._first = time.perf_counter(), trainer.step
        self._spent = self._previews = 0.0  # seconds of looks, and of previews
        self._cost: float | None = None  # seconds of the next look at pictures
        self._shown: float | None = None  # seconds of a preview
        self._preview_at, self._look_at = FIRST, EVERY
        self.signs: dict[str, Sign] = {}
        self._active = set(active(alarms_of(log_rows(checkpoint.path / "log.jsonl"))))
        self._unseen = set(self._active)  # told of before, and not looked at since

    @property
    def age(self) -> float:
        """Seconds since the training began or was resumed."""
        return time.perf_counter() - self._began

    @property
    def reserve(self) -> float:
        """Seconds that the look and the preview at the end take."""
        look = self._cost or 0.0
        if self.every is None and self._spent + look > self._share:
            look = 0.0  # there will be none
        return look + (self._shown or 0.0)

    def step(self, report: Report) -> Report:
        """Does what is due after a step; returns `report` with the alarms that begin or end there."""
        step, plan = report.step, self.trainer.plan
        last = plan.done(step) and not self.trainer.due
        names = {alarm.partition(":")[0] for alarm in report.alarms}
        self._active |= names
        self._unseen |= names
        alarms: list[str] = []
        with self._working():
            try:
                self._decide(step)
                count = self._due(step, last)
                if count or last or self.age >= self._look_at:
                    start = self.age
                    alarms = self._look(count or (PICTURES if self._affordable(last) else 0), judge=bool(count))
                    self._look_at = self.age + max(EVERY, (self.age - start) / LOOKS)
            except RunError:
                raise  # what cannot be written ends a run; what cannot be looked at does not
            except HuabiError as error:
                self.say(f"the pictures of this run are not looked at any more: {error}")
                self.draws, self.every = False, None
        if self.age >= self._preview_at and not last:
            self.preview()
        return replace(report, alarms=(*report.alarms, *alarms))

    def finish(self) -> None:
        """Judges the last state, where it is not yet: the plan may have ended by a change of itself."""
        if count := self._due(self.trainer.step, last=True):
            for alarm in self._look(count, judge=True):
                self.say(alarm)

    def preview(self) -> None:
        """What the averaged weights can do by now, as a picture and, where it can be measured, as figures."""
        start, trainer = time.perf_counter(), self.trainer
        shown = preview(trainer, self.data, self.say)
        if shown is not None:
            picture, figures = shown
            save_picture(picture, self.checkpoint.path / "previews" / f"{trainer.step:08d}.png", None)
            if figures:
                self.checkpoint.log({"step": trainer.step, **figures})
        self._shown = time.perf_counter() - start
        self._previews += self._shown
        left = int((PREVIEWS * self._whole - self._previews) / self._shown)  # the last one among them
        self._preview_at = self.age + (self._whole - self.age) / left if left > 1 else math.inf

    @contextmanager
    def _working(self) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self._spent += time.perf_counter() - start

    @property
    def _whole(self) -> float:
        """Seconds that the training takes from its start or resume to the end of the plan, as far as is known."""
        step = self.trainer.step
        total = self.trainer.plan.total(step) or step
        return min(self.age * (total - self._first) / max(1, step - self._first), self.trainer.plan.budget or math.inf)

    @property
    def _share(self) -> float:
        """Seconds that looks may take in all: less where the first and the last preview take more than their share."""
        previews = self._previews + (self._shown or 0.0)
        return min(LOOKS * self._whole, (PREVIEWS + LOOKS) * self._whole - previews)

    @property
    def _settled(self) -> bool:
        step, begin = self.trainer.step, self.trainer.begin
        total = self.trainer.plan.total(step)
        return total is not None and step - begin >= SETTLED * (total - begin)

    def _affordable(self, last: bool) -> bool:
        """Whether there is time for a look at pictures; before the last step, for one more at the end too."""
        if self.every is not None or not self.draws or not self._settled:
            return False
        share = self._share
        if self._cost is None:
            if self._shown is None or self._spent + self._shown * PICTURES / ROWS > share:
                return False
            picture, judge, once = self._measure()
            self._cost = PICTURES * (picture + judge) + once
        ahead = 0.0 if last else self._cost
        return self._spent + self._cost <= LOOKS * self.age and self._spent + self._cost + ahead <= share

    def _measure(self) -> tuple[float, float, float]:
        """Seconds to draw and embed a picture, to embed one, and to make thumbnails of all: tried on a few."""
        rows = self.data.train
        some = self.witness.some(rows, ROWS)
        self.witness.embed(some)  # once before it counts: weights are read, kernels chosen
        draw = self._shown or seconds_of(lambda: self._draw(ROWS))
        judge = seconds_of(lambda: self.witness.embed(some)) / len(some)
        few = rows[:TRIED]
        small = seconds_of(lambda: thumbnails_of(self.data, few)) / len(few)
        return draw / ROWS + judge, judge, small * len(rows)

    def _decide(self, step: int) -> None:
        """At fixed points of the plan, turns the time between evaluations into steps: on the disk before it acts."""
        plan, header = self.trainer.plan, self.checkpoint.header
        total = plan.total(step)
        known = [event for event in header["events"] if "evaluate" in event]
        early = step < 64 and total is not None and 8 * step < total
        if self.every is None or total is None or early or not plan.fixed(step, self.trainer.begin):
            return
        if any(event["step"] >= step or not event["pictures"] for event in known):
            return
        if known:
            seconds, count = max(known[-1]["seconds"], self._gap()), known[-1]["pictures"]
        else:
            seconds, count = self._schedule(self.every)
        steps = max(1, round(min(seconds / max(self.trainer.pace, 1e-6), total)))
        if known and abs(steps / known[-1]["evaluate"] - 1) < STEADY:
            steps = known[-1]["evaluate"]
        self.checkpoint.add_event({"step": step, "evaluate": steps, "seconds": seconds, "pictures": count})

    def _schedule(self, every: float) -> tuple[float, int]:
        """Seconds between evaluations and pictures of each, told to people; 0 pictures where none can be afforded."""
        start = self.age
        picture, judge, once = self._measure()
        whole, spare = self._whole, self._share - self._spent - (self.age - start) - once
        found = schedule(whole, spare, every, picture, judge)
        share = f"{LOOKS:.0%} of the run"
        if found is None:
            self.say(f"--evaluate-every: judging {LEAST} pictures takes more than {share}; its last state is kept")
            return every, 0
        seconds, count = found
        self._cost = count * (picture + judge) + once
        when = f"every {clock(seconds)}" if seconds < whole else "at the end"
        why = f", not every {clock(every)}, as more would take over {share}" if seconds > every else ""
        stand = "" if self.witness.judging == "held-out" else f", since only {len(self.data.heldout)} are held out"
        self.say(
            f"{when}{why}, {count} pictures are held against {self.witness.judging} ones{stand}; the best state is kept"
        )
        return seconds, count

    def _gap(self) -> float:
        """The least seconds between evaluations that what is left of their share pays for, as the last one cost."""
        if self._cost is None:
            return 0.0
        rounds = int((self._share - self._spent) / self._cost)
        return (self._whole - self.age) / max(1, rounds)

    def _due(self, step: int, last: bool) -> int:
        """How many pictures are to be judged now; 0 for none."""
        known = [e for e in self.checkpoint.header["events"] if "evaluate" in e and e["step"] <= step]
        if self.every is None or not known or self.trainer.state.judged == step:
            return 0
        every, ahead = known[-1]["evaluate"], (self.trainer.plan.total(step) or step) - step
        due = last or (step - self.trainer.state.judged >= every and 2 * ahead >= every)  # the end is judged anyway
        return int(known[-1]["pictures"]) if due else 0

    def _draw(self, count: int) -> Tensor:
        with self.trainer.averaged() as family:
            family.identity = Identity(rows=ROWS, precision=self.trainer.precision, device=family.device.type)
            return drawn(family, count)

    def _look(self, count: int, judge: bool) -> list[str]:
        """Looks at the log and at `count` pictures; returns the alarms that begin or end."""
        start = time.perf_counter()
        rows = [row for row in log_rows(self.checkpoint.path / "log.jsonl") if "seconds" in row]
        self.signs |= log_signs(rows, list(self.trainer.optimizers), self._settled)
        complete = not self.draws
        if count:
            pictures = self._draw(count)
            found = self.witness.embed(pictures) if bool(pictures.isfinite().all()) else None
            if self._settled:
                self.signs |= self.witness.signs(pictures, found)
                complete = True
            if judge:
                self._judge(found, count)
            self._cost = time.perf_counter() - start
        return self._news(complete)

    def _judge(self, found: Tensor | None, count: int) -> None:
        """Keeps the averaged weights where their pictures' features are the nearest so far; None is of broken ones."""
        state, step = self.trainer.state, self.trainer.step
        state.judged = step
        if found is None:
            self.say(f"step {step}: the pictures are not a number, so they are not judged")
            return
        distance = kernel_estimate(found, self.witness.judges(count)).value
        best = state.best is None or distance < state.best.distance
        if best:
            state.best = Best(step, distance, {name: value.clone() for name, value in state.average.items()})
        figures = {"kernel_distance": distance, "best": best, "pictures": count}
        self.checkpoint.log({"step": step, "at": round(self.trainer.seconds, 3), **figures})
        than = "the best so far" if best or state.best is None else f"step {state.best.step} stays the best"
        self.say(f"step {step}: kernel distance x 1000 to {self.witness.judging} pictures {distance:.4g}, {than}")

    def _news(self, complete: bool) -> list[str]:
        """The alarms that begin, and the ends of those that were told of before."""
        if complete:
            self._unseen = set()
        firing = {sign.alarm: sign for sign in self.signs.values() if sign.fires}
        settings = leaves(self.trainer.family.config)
        begun = [sign.line(settings) for name, sign in firing.items() if name not in self._active]
        over = [f"{name}: over" for name in sorted(self._active - firing.keys() - self._unseen)]
        self._active = set(firing) | (self._active & self._unseen)
        return begun + over
