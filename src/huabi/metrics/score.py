"""A number with the protocol that it was measured under and the interval that it is known to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ..errors import DataError

__all__ = ["BLOCKS", "Estimate", "Protocol", "Score", "averaged", "jackknife", "two_sides"]

BLOCKS = 10  # that a jackknife leaves out, one after another
_REACH = 2.262  # standard errors of a 95 % interval: Student's t with BLOCKS - 1 degrees of freedom


class Estimate(NamedTuple):
    """A value and its standard error; nan where there are too few pictures to tell."""

    value: float
    error: float


@dataclass(frozen=True)
class Protocol:
    """All that a number depends on besides the pictures; two scores compare only where theirs are equal."""

    features: str  # name of the network, or "pixels"
    weights: str  # sha256 of its weights, "" without a network
    resize: str
    samples: int
    reference: int  # pictures on the other side; 0 where there is none
    seed: int = 0  # of all that the measure draws: which reference pictures, which blocks

    def __str__(self) -> str:
        network = f"{self.features} {self.weights[:8]}".strip()
        sides = f"{self.samples:,} pictures" + (f" against {self.reference:,}" if self.reference else "")
        return f"{network}, {self.resize}; {sides}; seed {self.seed}"


@dataclass(frozen=True)
class Score:
    """One measured number; its text is one line that says how it came about and what it leaves out."""

    name: str
    value: float
    error: float  # standard error
    protocol: Protocol
    warnings: tuple[str, ...] = ()
    bounds: tuple[float, float] = (-math.inf, math.inf)  # that the measure cannot leave

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval over the pictures that were drawn, within `bounds`; (nan, nan) where it is not known."""
        if math.isnan(self.error):
            return math.nan, math.nan
        reach = _REACH * self.error
        return max(self.value - reach, self.bounds[0]), min(self.value + reach, self.bounds[1])

    def __str__(self) -> str:
        low, high = self.interval
        known = "interval unknown" if math.isnan(low) else f"95 % interval {low:.4g} to {high:.4g}"
        line = f"{self.name} {self.value:.4g} ({known}; {self.protocol}; the luck of one training seed is left out)"
        return "; warning: ".join((line, *self.warnings))


def jackknife(left_out: Sequence[float]) -> float:
    """The standard error from values that were each measured with one block left out (Tukey 1958)."""
    values = torch.tensor(left_out, dtype=torch.float64)
    count = len(values)
    return float(((count - 1) / count * (values - values.mean()).square().sum()).sqrt()) if count > 1 else math.nan


def averaged(name: str, values: Tensor, protocol: Protocol) -> Score:
    """The score of a measure that is a mean over pictures: values (N,), one of each."""
    x = values.double()
    if x.isnan().any():
        raise DataError(f"{name} is not a number for {int(x.isnan().sum())} of {len(x):,} pictures: do they hold NaN?")
    error = float(x.std() / len(x) ** 0.5) if len(x) > 1 and x.isfinite().all() else math.nan
    warnings = (f"{len(x)} pictures are too few to mean anything",) if len(x) < BLOCKS else ()
    return Score(name, float(x.mean()), error, protocol, warnings)


def two_sides(samples: Tensor, reference: Tensor) -> None:
    """Raises DataError unless both are features (N, D) of at least 2 pictures, of one network, and finite."""
    if min(len(samples), len(reference)) < 2:
        counts = f"{len(samples)} and {len(reference)}"
        raise DataError(f"a distance needs at least 2 pictures on both sides, not {counts}: draw or give more")
    if samples.shape[1:] != reference.shape[1:]:
        shapes = f"{samples.shape[1]} and {reference.shape[1]}"
        raise DataError(f"features of {shapes} numbers are not of one network: measure both sides with the same")
    for side, x in (("samples", samples), ("reference", reference)):
        if not (fine := x.isfinite().all(1)).all():
            wrong = f"{int((~fine).sum()):,} of {len(x):,}"
            raise DataError(f"features of the {side} hold NaN or infinity ({wrong} pictures): they are broken")
