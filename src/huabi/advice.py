"""Which family to train on a folder, from a preflight alone: an estimate, for which nothing is trained.

It loads no torch, so that it is there in about a second.
"""

from __future__ import annotations

import re
import shlex
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from .data.files import Progress
from .data.preflight import Preflight, glance, require_usable
from .data.split import SHARE
from .text import clock
from .verdict import ENOUGH

WORK = 1.7e10  # what a training step at 32 pixels costs, in operations of a product of float32 matrices, measured
WIDEST = 64  # pixels above which patches keep that cost as it is
STEPS = 5000  # of training, after which pictures can be judged
BUDGETS = (("10m", 600), ("30m", 1800), ("1h", 3600), ("3h", 10800), ("8h", 28800))
FEW = 1000  # pictures below which training sets are learnt by heart


@dataclass(frozen=True)
class Advice:
    """What to train on a folder, why, and what to run."""

    family: str
    size: int
    estimate: str  # what the advice stands on
    reasons: tuple[str, ...]
    commands: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def recommend(data: str | Path, pairs: str | None = None, progress: Progress | None = None) -> Advice:
    """Which family to train on a folder, and why: an estimate from a look at some of its pictures."""
    found = glance(data, pairs, progress)
    require_usable(found, [found.usable])
    return advise(found, None if shutil.which("nvidia-smi") else matrix_speed(), pairs)


def matrix_speed() -> float:
    """FLOP/s of this processor in a product of float32 matrices, tried for some hundredths of a second."""
    a, times = np.ones((1024, 1024), np.float32), [time.perf_counter()]
    for _ in range(3):
        a @ a
        times.append(time.perf_counter())
    return 2 * 1024**3 / min(after - before for before, after in pairwise(times))


def advise(found: Preflight, speed: float | None = None, pairs: str | None = None) -> Advice:
    """The advice for what a preflight found; the family and the size are the preflight's.

    Args:
        speed: of this processor, see `matrix_speed`; None where training will not be on it.
        pairs: as the preflight was asked for them.
    """
    budget = BUDGETS[0][0]
    reasons = [*_family(found), *_pictures(found)]
    if speed is not None:
        budget, reason = _time(found.size, speed)
        reasons.append(reason)
    total = f"{found.looked:,} of {found.count:,}" if found.looked < found.count else f"all {found.count:,}"
    return Advice(
        family=found.family,
        size=found.size,
        estimate=f"an estimate: {total} pictures were looked at, and nothing was trained",
        reasons=tuple(reasons),
        commands=tuple(_commands(found, budget, pairs)),
    )


def _family(found: Preflight) -> Iterator[str]:
    about = "about " if found.looked < found.count else ""
    yield f"{about}{found.usable:,} pictures can be used"
    if found.pairing == "paired":
        yield f"they are pairs: {found.family} learns how the one picture becomes the other"
    elif found.pairing == "unpaired":
        yield f"they are of two kinds, without pairs: {found.family} learns to turn either into the other"
    else:
        yield (
            f"{found.family} came first on 150 pictures and on 50,000; what is best on these only a comparison can tell"
        )
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
    if found.uneven:
        yield found.uneven
    if _grey(found):
        yield "all are grey: --channels 1 trains on one channel instead of three"


def _grey(found: Preflight) -> bool:
    return found.modes.keys() <= {"1", "L", "I;16"}


def _time(size: int, speed: float) -> tuple[str, str]:
    """The budget in which this machine comes to `STEPS` steps, and a reason."""
    seconds = WORK * (min(size, WIDEST) / 32) ** 2 / speed
    budget, limit = next((b for b in BUDGETS if seconds * STEPS <= b[1]), BUDGETS[-1])
    pace = f"{STEPS:,} steps at {size} pixels take very roughly {clock(seconds * STEPS)} on this processor"
    return budget, f"{pace}, by how fast it multiplies; in {budget} about {int(limit / seconds):,} are made"


def _commands(found: Preflight, budget: str, pairs: str | None) -> Iterator[str]:
    data = shlex.quote(found.source)
    name = re.sub(r"\W+", "-", found.source.rstrip("/").rpartition("/")[2].partition(":")[0]).strip("-") or "pictures"
    if found.looked < found.count:
        yield f"huabi inspect {data}"
    more = " --channels 1" if _grey(found) else ""
    more += " --balance" if found.uneven else ""
    more += f" --pairs {pairs}" if pairs else ""
    yield f"huabi train {found.family} {data} --size {found.size} --budget {budget}{more} --out runs/{name}"
    if not pairs:
        yield f"huabi compare {data} --size {found.size} --budget {budget} --out runs/{name}-compared"
