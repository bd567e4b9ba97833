"""How long a run is: in steps, or in minutes that become steps at fixed points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

FRACTIONS = (1 / 8, 1 / 4, 1 / 2, 3 / 4, 0.9, 0.96)
DECAY = 0.5  # the share of a run over which the learning rate falls to nothing


class Plan:
    """The planned number of steps, as a list of events that a resumed run replays.

    An event `{"step": s, "total": n}` says that from step s on the run has n steps. From the written plan on
    everything goes by step, so a resumed run repeats it to the bit.

    Args:
        events: what was decided so far; a run of fixed length has one event, at step 0.
        budget: seconds of wall time, or None where the length is fixed.
    """

    def __init__(self, events: Sequence[dict[str, Any]] = (), budget: float | None = None) -> None:
        self.events = [dict(e) for e in events]
        self.budget = budget

    @classmethod
    def of_steps(cls, steps: int) -> Plan:
        return cls([{"step": 0, "total": steps}])

    def total(self, step: int) -> int | None:
        """The planned length, as known at `step`; None before the first estimate."""
        known = [e["total"] for e in self.events if e["step"] <= step]
        return known[-1] if known else None

    def done(self, step: int) -> bool:
        total = self.total(step)
        return total is not None and step >= total

    def due(self, step: int, begin: int = 0) -> bool:
        """Whether the length is to be estimated anew at `step`: a fixed point that no event has decided yet.

        Args:
            begin: the step from which on the pace may be another.
        """
        if self.budget is None or step <= begin + 1 or any(e["step"] >= step for e in self.events):
            return False
        return self.total(step) is None or self.fixed(step, begin)

    def fixed(self, step: int, begin: int = 0) -> bool:
        """Whether what hangs on the time is decided at `step`: 2, 4 ... 64 from `begin` on, and at `FRACTIONS`."""
        total, since = self.total(step), step - begin
        early = 1 < since <= 64 and since & (since - 1) == 0
        return early or (total is not None and any(step == round(f * total) for f in FRACTIONS))

    @property
    def restarted(self) -> int:
        """The step in which the run was given another budget, 0 where it was not: such an event names that."""
        return max((e["step"] for e in self.events if "budget" in e), default=0)

    def estimate(self, step: int, elapsed: float, step_seconds: float, reserve: float) -> dict[str, Any]:
        """The event for `step`: the steps that fit into what is left of the budget.

        Args:
            elapsed: seconds of the run so far, previews and saves included.
            step_seconds: seconds that a step takes, previews and saves included.
            reserve: seconds to keep for the last save and preview.
        """
        if self.budget is None:
            raise ValueError("a run of fixed length has nothing to estimate")
        left = self.budget - elapsed - reserve
        return {"step": step, "total": step + max(0, int(left / max(step_seconds, 1e-6)))}

    def add(self, event: dict[str, Any]) -> None:
        self.events.append(event)


def rate(step: int, total: int | None, warmup: int) -> float:
    """The learning rate's factor in step `step` of `total`: warm-up, constant, then linear decay over the last half."""
    rise = (step + 1) / max(1, min(warmup, (total or 10 * warmup) // 10) + 1)
    fall = (total - step) / max(1.0, DECAY * total) if total else 1.0
    return max(0.0, min(1.0, rise, fall))
