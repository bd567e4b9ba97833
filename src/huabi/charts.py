"""Where the lines, ticks and whiskers of a chart stand, in the units of its SVG; templates/charts.html draws them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .text import time_of

__all__ = ["Axis", "Chart", "Line", "chart", "number", "span"]

Ticks = tuple[tuple[float, str], ...]  # (place, text)
_WIDE = 20.0  # largest over smallest, from which on a logarithm shows more
_TICKS = 5  # steps of a linear axis, or one more
_LETTERS, _LINE = 62, 22  # width and height of a tick's text, with the space around it
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 24, 10, 26  # margins of a chart
_ROUND_SECONDS = (1, 2, 5, 10, 20, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 28800, 86400, 172800, 432000)


def number(value: float | None) -> str | None:
    """As scores are written: four digits; whole numbers with their thousands apart; None stays None."""
    if value is None:
        return None
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


@dataclass(frozen=True)
class Axis:
    """A scale from `low` to `high`; ticks as (share of the way, text)."""

    low: float
    high: float
    log: bool = False
    ticks: Ticks = ()

    def share(self, value: float) -> float:
        """How far along the axis a value stands, from 0 to 1; what lies outside stands at its end."""
        low, high, at = self.low, self.high, min(max(value, self.low), self.high)
        return math.log(at / low) / math.log(high / low) if self.log else (at - low) / (high - low)


def span(values: Sequence[float], *, seconds: bool = False, room: float = 6.0) -> Axis:
    """The axis that holds `values`, with round ticks: logarithmic where they are wide apart and all above 0.

    `room` is how many texts of ticks fit beside one another.
    """
    low, high = min(values), max(values)
    log = low > 0 and high / low >= _WIDE
    if log:
        marks: Sequence[float] = _ROUND_SECONDS if seconds and high >= 2 else _decades(low, high)
    else:
        low, high = (min(low, 0), max(high, 1)) if seconds else (low, high)
        low, high = (low - abs(low) / 2 - 1e-3, high + abs(high) / 2 + 1e-3) if low == high else (low, high)
        step = _step(high - low, seconds)
        first, last = math.floor(low / step), math.ceil(high / step)
        low, high, marks = first * step, last * step, [k * step for k in range(first, last + 1)]
    axis, write = Axis(low, high, log), time_of if seconds else number
    ticks: list[tuple[float, str]] = []
    for mark in marks:
        share = axis.share(mark)
        if low <= mark <= high and (not ticks or share - ticks[-1][0] >= 1 / room):
            ticks.append((share, str(write(float(mark)))))
    return Axis(low, high, log, tuple(ticks))


def _decades(low: float, high: float) -> list[float]:
    """Powers of ten; where they are few, twice and five times them as well."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    digits = (1, 2, 5) if len(powers) <= 3 else (1,)
    return [digit * 10.0**power for power in powers for digit in digits]


def _step(width: float, seconds: bool) -> float:
    """A round distance of which at most `_TICKS` fit into `width`."""
    if seconds:
        return next((float(s) for s in _ROUND_SECONDS if width <= s * _TICKS), _step(width, False))
    power = 10.0 ** math.floor(math.log10(width / _TICKS))
    return next(power * digit for digit in (1, 2, 5, 10) if width <= power * digit * _TICKS)


@dataclass(frozen=True)
class Line:
    """A named line: its points as SVG writes them, and where the last one stands."""

    name: str
    points: str
    end: tuple[float, float]


@dataclass(frozen=True)
class Chart:
    """Lines over time in a frame of `width` x `height`, whose corner is at (`left`, `bottom`)."""

    width: int
    height: int
    left: int
    right: int
    bottom: int
    x: Ticks
    y: Ticks
    logarithmic: str  # which of time and height, in words
    lines: tuple[Line, ...]


def chart(series: Mapping[str, Sequence[Sequence[float]]], width: int = 720, height: int = 300) -> Chart | None:
    """The chart of named curves, each of (seconds, value); None where there are no points."""
    points = [point for line in series.values() for point in line]
    if not points:
        return None
    wide, high = width - _LEFT - _RIGHT, height - _TOP - _BOTTOM
    xs = span([seconds for seconds, _ in points], seconds=True, room=wide / _LETTERS)
    ys = span([value for _, value in points], room=high / _LINE)

    def across(share: float) -> float:
        return round(_LEFT + share * wide, 1)

    def up(share: float) -> float:
        return round(height - _BOTTOM - share * high, 1)

    lines = []
    for name, line in series.items():
        if line:
            placed = [(across(xs.share(seconds)), up(ys.share(value))) for seconds, value in line]
            lines.append(Line(name, " ".join(f"{x},{y}" for x, y in placed), placed[-1]))
    return Chart(
        width,
        height,
        _LEFT,
        width - _RIGHT,
        height - _BOTTOM,
        tuple((across(share), text) for share, text in xs.ticks),
        tuple((up(share), text) for share, text in ys.ticks),
        " and ".join(name for name, axis in (("time", xs), ("height", ys)) if axis.log),
        tuple(lines),
    )
