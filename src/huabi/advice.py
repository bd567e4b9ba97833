"""Which family to train on a folder, from a preflight alone: an estimate, for which nothing is trained."""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import torch

from . import cost
from .comparison import GENERATE, unfit
from .data import Preflight
from .data.preflight import MANY
from .data.split import SHARE
from .families import find, names
from .machine import pick_device, pick_precision, pick_threads
from .model import DataSpec, Family
from .text import clock
from .verdict import ENOUGH

SIDE = 128  # pixels at which a step is timed at most
SMALLEST = 32  # pixels that slow machines are sent to
STEPS = 5000  # of training, after which pictures can be judged
BUDGETS = (("10m", 600), ("30m", 1800), ("1h", 3600), ("3h", 10800), ("8h", 28800))
FEW = 1000  # pictures below which training sets are learnt by heart
UNEVEN = 3  # times that the largest class has the smallest's pictures
UNUSED = {"caption": "captions", "target": "pairs", "other": "two domains"}  # what no family may learn from yet


@dataclass(frozen=True)
class Advice:
    """What to train on a folder, why, and what to run."""

    family: str
    title: str
    size: int
    estimate: str  # what the advice stands on
    reasons: tuple[str, ...]
    commands: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def recommend(found: Preflight, step_seconds: float | None = None) -> Advice:
    """The advice for what a preflight found; the family is the preflight's.

    Args:
        step_seconds: what a training step of that family takes here at the preflight's size, see `time_step`.
    """
    size, budget = found.size, BUDGETS[0][0]
    reasons = [*_family(found), *_pictures(found), *_unused(found)]
    if step_seconds is not None:
        size, budget, reason = _time(size, step_seconds)
        reasons.append(reason)
    total = f"{found.looked:,} of {found.count:,}" if found.looked < found.count else f"all {found.count:,}"
    return Advice(
        family=found.family,
        title=find(found.family).title,
        size=size,
        estimate=f"an estimate: {total} pictures were looked at, and nothing was trained",
        reasons=tuple(reasons),
        commands=tuple(_commands(found, size, budget)),
    )


def time_step(found: Preflight) -> float | None:
    """Seconds that a training step of the advised family takes on this processor, roughly; None where there is a GPU.

    Its losses and their gradients are computed on ever more pictures, up to a batch, for about a second; the
    optimizer's part is left out.
    """
    if pick_device().type != "cpu":
        return None
    torch.set_num_threads(pick_threads())
    side, kind = min(found.size, SIDE), find(found.family)
    family = kind(kind.Config(), _spec(found, side))
    batch: int = family.config.batch
    rows, end = min(2, batch), time.perf_counter() + 1.0
    while True:
        start = time.perf_counter()
        _pass(family, rows)
        now = time.perf_counter()
        if rows == batch or now + 2 * (now - start) > end:
            return (now - start) * batch / rows * (found.size / side) ** 2
        rows = min(2 * rows, batch)


def _pass(family: Family, rows: int) -> None:
    bf16 = pick_precision(torch.device("cpu")) == "bf16"
    losses = family.losses(cost.example(family.spec, rows), 1)
    while True:
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            update = next(losses, None)
        if update is None:
            return
        update.loss.backward()


def _spec(found: Preflight, size: int) -> DataSpec:
    labels = tuple(found.classes) if len(found.classes) > 1 else ()
    pairing: Any = found.pairing
    return DataSpec((size, size), 3, labels, bool(found.captions), pairing, found.usable)


def _family(found: Preflight) -> Iterator[str]:
    about = "about " if found.looked < found.count else ""
    yield f"{about}{found.usable:,} pictures can be used: diffusion comes first from {MANY} on, a vae below"
    spec = _spec(found, found.size)
    others = [n for n in names() if n != found.family and not unfit(find(n), spec, GENERATE)]
    yield f"{' and '.join(others)} fit too; only a comparison can tell which of them is best here"
    if found.usable < FEW:
        yield (
            f"fewer than {FEW:,} pictures are easily learnt by heart: heed the alarm `memorisation`; training mirrors"
            " pictures, which helps (--no-flip where left and right matter)"
        )
    repeated = sum(len(group) - 1 for group in found.near_duplicates)
    if repeated * 20 > found.looked:
        yield f"{repeated:,} of {found.looked:,} pictures nearly repeat another: what repeats is learnt by heart first"
    held_out = found.usable * SHARE
    if held_out < ENOUGH:
        yield f"about {held_out:.0f} pictures are held out, too few to measure on: more pictures help most"


def _pictures(found: Preflight) -> Iterator[str]:
    rows, columns = found.sizes["median"]
    yield f"{found.size} pixels is the usual size that fits them (the median is {columns}x{rows})"
    if len(found.classes) > 1:
        first = next(iter(found.classes))
        yield f"{len(found.classes)} labels are learnt with them: --label {shlex.quote(first)} then draws one of those"
    if found.imbalance >= UNEVEN:
        yield f"the largest class has {found.imbalance:.0f} times the smallest's pictures: --balance evens it"
    if _grey(found):
        yield "all are grey: --channels 1 trains on one channel instead of three"


def _grey(found: Preflight) -> bool:
    return found.modes.keys() <= {"1", "L", "I;16"}


def _unused(found: Preflight) -> Iterator[str]:
    """What the data has and no family learns from."""
    spec = _spec(found, found.size)
    needed = {need for name in names() for need in find(name).needs}
    for need, what in UNUSED.items():
        if spec.has(need) and need not in needed:
            yield f"no family learns from {what} yet: only the pictures themselves are learnt"


def _time(size: int, seconds: float) -> tuple[int, str, str]:
    """The size and budget at which this machine comes to `STEPS` steps, and a reason."""
    smaller = size
    while seconds * STEPS > BUDGETS[-1][1] and smaller > SMALLEST:
        smaller, seconds = smaller // 2, seconds / 4
    budget, limit = next((b for b in BUDGETS if seconds * STEPS <= b[1]), BUDGETS[-1])
    pace = f"{STEPS:,} steps take about {clock(seconds * STEPS)} on this processor at {smaller} pixels"
    if smaller < size:
        return smaller, budget, f"{pace}, and more than {BUDGETS[-1][0]} at {size}: start small"
    return size, budget, f"{pace}; in {budget} about {int(limit / seconds):,} are made"


def _commands(found: Preflight, size: int, budget: str) -> Iterator[str]:
    data = shlex.quote(found.source)
    name = re.sub(r"\W+", "-", found.source.rstrip("/").rpartition("/")[2].partition(":")[0]).strip("-") or "pictures"
    if found.looked < found.count:
        yield f"huabi inspect {data}"
    more = " --channels 1" if _grey(found) else ""
    more += " --balance" if found.imbalance >= UNEVEN else ""
    yield f"huabi train {found.family} {data} --size {size} --budget {budget}{more} --out runs/{name}"
    yield f"huabi compare {data} --size {size} --budget {budget} --out runs/{name}-compared"
