"""What the figures of a comparison say: which family is best, how sure that is, and which one to take."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from .text import size_of, time_of

HELD_OUT, TRAINING, ALL = "held-out pictures", "training pictures", "pictures"  # the last where none can be told
ENOUGH = 50  # held-out pictures that a ranking can stand on
CLEAR = 1.2  # times faster, from which on it is worth a word
BARRED = {"memorisation": "its pictures repeat the training set", "collapse": "its pictures repeat each other"}
BLUR = "over-smoothing"

Family = Mapping[str, Any]  # of a comparison's facts: family, title, run, state, why, evaluation


class Mark(NamedTuple):
    """A family's distance, smaller being better, and its 95 % interval; None where that is unknown."""

    family: str
    value: float
    low: float | None
    high: float | None

    def ties(self, other: Mark) -> bool:
        """Whether the intervals overlap; an unknown one tells nothing apart."""
        if self.low is None or self.high is None or other.low is None or other.high is None:
            return True
        return self.low <= other.high and other.low <= self.high

    def __str__(self) -> str:
        known = "interval unknown" if self.low is None else f"95 % interval {self.low:.3g} to {self.high:.3g}"
        return f"{self.value:.3g} ({known})"


class Verdict(NamedTuple):
    measure: str  # the score that ranks
    on: str  # the pictures that it is against
    ranking: list[list[str]]  # best first; who cannot be told from a group's best stands in that group
    advice: str


def judge(families: Sequence[Family], scores: Sequence[str]) -> Verdict:
    """The verdict over the families of a comparison that are done, by the first of `scores` that they have."""
    measure, on, marks = _marks(families, scores)
    ranking = rank(marks.values())
    return Verdict(measure, on, ranking, " ".join(_sentences(families, marks, ranking, measure, on)))


def rank(marks: Iterable[Mark]) -> list[list[str]]:
    """Groups of families, the best first: in each, its best one and all that tie with it."""
    left = sorted(marks, key=lambda mark: (mark.value, mark.family))
    groups = []
    while left:
        best = left[0]
        groups.append([mark.family for mark in left if mark.ties(best)])
        left = [mark for mark in left if not mark.ties(best)]
    return groups


def recommended(families: Sequence[Family], ranking: Sequence[Sequence[str]]) -> str | None:
    """The family to take: of the first group that has one without a barring alarm, the quickest to draw."""
    known = {f["family"]: f["evaluation"] for f in families if f["state"] == "done"}
    for group in ranking:
        sound = [name for name in group if not active(known[name]["alarms"]).keys() & BARRED.keys()]
        if sound:
            return min(sound, key=lambda name: known[name]["cost"]["seconds_per_picture"] or math.inf)
    return None


def _marks(families: Sequence[Family], scores: Sequence[str]) -> tuple[str, str, dict[str, Mark]]:
    """The score's name, which pictures it is against, and each family's mark: all against the same pictures."""
    done = {f["family"]: f["evaluation"]["scores"] for f in families if f["state"] == "done"}
    measure = next((name for name in scores for found in done.values() for s in found if s["name"] == name), scores[-1])
    sides: dict[str, dict[str, Any]] = {HELD_OUT: {}, TRAINING: {}}
    for family, found in done.items():
        for score in found:
            if score["name"] == measure and score["value"] is not None and score["on"] in sides:
                sides[score["on"]][family] = score
    heldout = sides[HELD_OUT]
    enough = bool(heldout) and min(score["protocol"]["reference"] for score in heldout.values()) >= ENOUGH
    on = HELD_OUT if enough or not sides[TRAINING] else TRAINING
    marks = {name: Mark(name, score["value"], score["low"], score["high"]) for name, score in sides[on].items()}
    return measure, on, marks


def active(alarms: Iterable[str]) -> dict[str, str]:
    """The alarms that still hold, by name, of those that a run gave in their order: "name: over" ends one."""
    held: dict[str, str] = {}
    for alarm in alarms:
        name, _, rest = alarm.partition(": ")
        held.pop(name, None)
        if rest != "over":
            held[name] = alarm
    return held


def _sentences(
    families: Sequence[Family], marks: Mapping[str, Mark], ranking: list[list[str]], measure: str, on: str
) -> list[str]:
    failed = [f"{f['family']} failed: {f['why'].rstrip('.')}." for f in families if f["state"] == "failed"]
    if not ranking:
        return ["Nothing could be measured.", *failed]
    known = {f["family"]: f["evaluation"] for f in families if f["family"] in marks}
    chosen = recommended(families, ranking)
    said = [_lead(marks, ranking, f"{measure} to {on}")]
    said += [*_barred(known, ranking, chosen), *_choice(known, ranking, chosen)]
    said += [f"{name} blurs (alarm: {BLUR})." for name, found in known.items() if BLUR in active(found["alarms"])]
    memory = {name: found["cost"]["peak_memory_mb"] for name, found in known.items()}
    if len(memory) > 1 and all(memory.values()):
        sizes = ", ".join(f"{name} {size_of(mb * 2**20)}" for name, mb in memory.items())
        said.append(f"Memory for training: {sizes}.")
    said += failed
    if on == TRAINING:
        said.append("Too few pictures are held out to measure on; against training pictures, learning by heart wins.")
    return [*said, "Behind this stands one training seed: another one may turn close results round."]


def _lead(marks: Mapping[str, Mark], ranking: list[list[str]], measured: str) -> str:
    """Who is first, by how much, and how sure that is."""
    first = [marks[name] for name in ranking[0]]
    if len(first) > 1:
        unknown = any(mark.low is None for mark in first)
        why = "not all intervals are known; draw more pictures (--n)" if unknown else "their 95 % intervals overlap"
        return f"A tie in {measured}: {', '.join(f'{mark.family} {mark}' for mark in first)}; {why}."
    lead = f"{first[0].family} is first in {measured}: {first[0]}"
    if len(ranking) == 1:
        return f"{lead}; no other family was measured."
    second = marks[ranking[1][0]]
    return f"{lead}; {second.family} follows with {second}, {second.value - first[0].value:.3g} more."


def _barred(known: Mapping[str, Mapping[str, Any]], ranking: list[list[str]], chosen: str | None) -> list[str]:
    """Which families may not be recommended, and why."""
    said = []
    for name in (name for group in ranking for name in group):
        found = sorted(active(known[name]["alarms"]).keys() & BARRED.keys())
        if found:
            why = " and ".join(f"{BARRED[alarm]} (alarm: {alarm})" for alarm in found)
            first = ", though it ranks first" if name in ranking[0] else ""
            said.append(f"{name} is not recommended{first}: {why}.")
    return said if chosen else [*said, "None of them can be recommended as it is."]


def _choice(known: Mapping[str, Mapping[str, Any]], ranking: list[list[str]], chosen: str | None) -> list[str]:
    """The recommendation, and what drawing costs: against the best of a tie, and the fastest against the chosen."""
    pace = {name: found["cost"]["seconds_per_picture"] for name, found in known.items()}
    pace = {name: seconds for name, seconds in pace.items() if seconds}
    held = chosen or ranking[0][0]
    said = [f"Take {chosen}."] if chosen else []
    if held not in pace:
        return said
    first = next(group[0] for group in ranking if held in group)
    fastest, slowest = min(pace, key=pace.__getitem__), max(pace, key=pace.__getitem__)
    pairs = [(held, first), (fastest, slowest if fastest == held else held)]
    for name, other in dict.fromkeys(pairs):
        times = pace.get(other, 0.0) / pace[name]
        if times >= CLEAR:
            ratio = f"{times:.0f}" if times >= 10 else f"{times:.1f}"
            paces = f"{time_of(pace[name])} a picture against {time_of(pace[other])}"
            said.append(f"{name} draws {ratio} times faster than {other} ({paces}).")
    return said
