"""What is in the data, what is wrong with it and what will be done about it; nothing of the user's is changed."""

from __future__ import annotations

import random
import statistics
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ..errors import DataError, RequestError
from .files import Progress, shown
from .near import near_groups
from .pool import Pool
from .sources import Item, Listing, scan
from .worker import Facts, Job, Task

SIZES = (8, 16, 32, 64, 128, 256)
FEWEST = 4  # usable pictures
ADVISED = "diffusion"  # the family that came first wherever they were compared, see docs/compare.md
TRANSLATORS = {"paired": "pix2pix", "unpaired": "cyclegan"}  # the families for pairs, and for two kinds of pictures
UNEVEN = 3  # times that the largest class has the smallest's pictures
GLANCE = 512  # pictures that stand for all of a folder
ACTIONS = {
    "unreadable": "left out",
    "duplicates": "kept once",
    "near_duplicates": "kept together, in training or held out",
    "blank": "left out",
}


@dataclass(frozen=True)
class Preflight:
    """What `inspect` found; names are as they can be printed."""

    source: str
    kind: str
    count: int  # pictures by name
    usable: int  # pictures that can be trained on
    sizes: Mapping[str, Any]  # min, median, max as [rows, columns]; histogram of short sides
    modes: Mapping[str, int]
    formats: Mapping[str, int]
    classes: Mapping[str, int]  # usable pictures of each label
    imbalance: float  # the largest class by the smallest; 1.0 without labels
    captions: int  # usable pictures with a caption
    pairing: str
    unreadable: tuple[tuple[str, str], ...]  # (name, why), also what has no label or partner
    duplicates: tuple[tuple[str, ...], ...]  # the first of each is kept
    near_duplicates: tuple[tuple[str, ...], ...]
    blank: tuple[str, ...]
    ignored: Mapping[str, int]  # hidden files, files that are no pictures, links in a circle
    notes: tuple[str, ...]
    size: int  # advised rows and columns
    family: str  # advised
    actions: Mapping[str, str] = field(default_factory=lambda: dict(ACTIONS))
    families: tuple[dict[str, Any], ...] = ()  # memory and time of each
    looked: int = 0  # pictures that were opened; where there are more of them, the counts are estimates

    @property
    def uneven(self) -> str:
        """What is to be said of classes that are far from even; nothing of others."""
        if self.imbalance < UNEVEN:
            return ""
        return f"the largest class has {self.imbalance:.0f} times the smallest's pictures: --balance evens it"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Preflight:
        known = {k: v for k, v in value.items() if k in cls.__dataclass_fields__}
        for name in ("unreadable", "duplicates", "near_duplicates", "blank", "notes", "families"):
            known[name] = tuple(tuple(v) if isinstance(v, list) else v for v in known[name])
        return cls(**known)


@dataclass(frozen=True)
class Survey:
    """The results of decoding a listing, and which of its items are kept."""

    kept: list[int]  # positions in the items
    facts: dict[int, Facts]  # of what could be decoded, without pixels
    unreadable: list[tuple[str, str]]
    duplicates: list[list[int]]
    near: list[list[int]]
    blank: list[int]


def check_size(size: int | Sequence[int]) -> tuple[int, int]:
    """`size` as (rows, columns), each a multiple of 4 from 8 to 1024; else `RequestError` with the nearest."""
    sides = (size, size) if isinstance(size, int) else tuple(size)
    if len(sides) != 2 or not all(isinstance(s, int) and not isinstance(s, bool) for s in sides):
        raise RequestError(f"size {size}: expected a number or (rows, columns)")
    for side in sides:
        if side % 4 or not 8 <= side <= 1024:
            near = min(max(round(side / 4) * 4, 8), 1024)
            raise RequestError(f"size {side}: a multiple of 4 from 8 to 1024 is needed; the nearest is {near}")
    return sides[0], sides[1]


def check_channels(channels: int) -> None:
    if channels not in (1, 3, 4):
        raise RequestError(f"channels {channels}: 1 (grey), 3 (RGB) or 4 (RGBA) are possible")


def jobs_of(items: Sequence[Item]) -> list[Job]:
    return [(item.where, item.partner.where if item.partner else None) for item in items]


def survey(
    items: Sequence[Item],
    task: Task,
    progress: Progress | None = None,
    keep: Callable[[int, Facts], None] | None = None,
) -> Survey:
    """Decodes all `items` and judges them; `keep` gets each decoded picture once, pixels included, in order."""
    facts: dict[int, Facts] = {}
    unreadable: list[tuple[str, str]] = []
    same: dict[tuple[Any, ...], list[int]] = {}
    with Pool(task, len(items)) as pool:
        for n, result in enumerate(pool.results(jobs_of(items))):
            if progress is not None and (n % 64 == 63 or n + 1 == len(items)):
                progress("reading", n + 1, len(items))
            if isinstance(result, str):
                unreadable.append((items[n].name, result))
                continue
            group = same.setdefault((result.sha, items[n].label, items[n].caption), [])
            group.append(n)
            if len(group) == 1:
                if keep is not None:
                    keep(n, result)
                facts[n] = result._replace(pixels=b"", target=b"", truth=b"")
    paired = task.halves or any(item.partner for item in items)
    blank = [] if paired else [n for n, f in facts.items() if f.blank]
    if 2 * len(blank) > len(facts):
        blank = []  # a set of plain colours is what it is meant to be
    empty = set(blank)
    kept = [n for n in facts if n not in empty]
    found = near_groups([facts[n].outline for n in kept], [facts[n].thumb for n in kept])
    near = [[kept[p] for p in group] for group in found]
    return Survey(kept, facts, unreadable, [g for g in same.values() if len(g) > 1], near, blank)


def advised_size(sides: Sequence[int]) -> int:
    """The largest of the usual sizes that the median short side reaches, or nearly."""
    if not sides:
        return 64
    median = statistics.median(sides)
    return max((s for s in SIZES if s <= 1.15 * median), default=SIZES[0])


def _sizes(facts: Sequence[Facts]) -> dict[str, Any]:
    if not facts:
        return {}
    rows, columns = [f.rows for f in facts], [f.columns for f in facts]
    short = Counter(max(s for s in (1, *SIZES, 512, 1024) if s <= min(f.rows, f.columns)) for f in facts)
    return {
        "min": [min(rows), min(columns)],
        "median": [int(statistics.median(rows)), int(statistics.median(columns))],
        "max": [max(rows), max(columns)],
        "histogram": {f"{side}+": short[side] for side in sorted(short)},
    }


def report(listing: Listing, surveys: Sequence[Survey]) -> Preflight:
    """The preflight of a listing whose items (and other items, if unpaired) were surveyed."""
    groups = (listing.items, listing.other)
    facts = [f for s in surveys for f in s.facts.values()]
    kept = [items[n] for items, s in zip(groups, surveys) for n in s.kept]
    classes = Counter(i.label for i in kept if i.label is not None)
    in_order = {label: classes[label] for label in listing.labels if classes[label]}

    def names(part: str) -> tuple[tuple[str, ...], ...]:
        found = ((items, group) for items, s in zip(groups, surveys) for group in getattr(s, part))
        return tuple(tuple(shown(items[n].name) for n in group) for items, group in found)

    bad = [*listing.left_out, *(u for s in surveys for u in s.unreadable)]
    return Preflight(
        source=shown(listing.source),
        kind=listing.kind,
        count=len(listing.items) + len(listing.other) + len(listing.left_out),
        usable=len(kept),
        sizes=_sizes(facts),
        modes=dict(Counter(f.mode for f in facts).most_common()),
        formats=dict(Counter(f.format for f in facts).most_common()),
        classes=in_order,
        imbalance=max(in_order.values()) / min(in_order.values()) if in_order else 1.0,
        captions=sum(bool(i.caption) for i in kept),
        pairing=listing.pairing,
        unreadable=tuple((shown(name), why) for name, why in sorted(bad)),
        duplicates=names("duplicates"),
        near_duplicates=names("near"),
        blank=tuple(shown(items[n].name) for items, s in zip(groups, surveys) for n in s.blank),
        ignored=dict(listing.ignored),
        notes=listing.notes,
        size=advised_size([min(f.rows, f.columns) for f in facts]),
        family=TRANSLATORS.get(listing.pairing, ADVISED),
        looked=len(listing.items) + len(listing.other),
    )


def inspect(
    data: str | Path,
    size: int | tuple[int, int] | None = None,
    channels: int = 3,
    pairs: str | None = None,
    progress: Progress | None = None,
) -> Preflight:
    """What `data` holds, what is wrong with it and what will be done about it; each picture is decoded once.

    Data of which nothing is usable gives a preflight that says so; DataError where there is nothing at all.
    """
    if size is not None:
        check_size(size)
    check_channels(channels)
    listing = scan(data, pairs, progress)
    task = Task(channels=channels, halves=pairs == "side-by-side")
    surveys = [survey(listing.items, task, progress)]
    if listing.other:
        surveys.append(survey(listing.other, task, progress))
    return report(listing, surveys)


def glance(data: str | Path, pairs: str | None = None, progress: Progress | None = None) -> Preflight:
    """As `inspect`, of at most `GLANCE` pictures that stand for all; with more than that, its counts are estimates.

    Neighbours by name are drawn two by two, since near duplicates mostly are such neighbours.
    """
    listing = scan(data, pairs, progress)
    most = GLANCE if listing.kind != "world" else 16  # those are yet to be drawn
    few = replace(listing, items=_drawn(listing.items, most), other=_drawn(listing.other, most))
    task = Task(halves=pairs == "side-by-side")
    found = report(few, [survey(items, task, progress) for items in (few.items, few.other) if items])
    everything = (*listing.items, *listing.other)
    if found.looked == len(everything):
        return found
    share = found.usable / found.looked
    labels = Counter(i.label for i in everything)
    classes = {label: round(share * labels[label]) for label in listing.labels}
    return replace(
        found,
        count=len(everything) + len(listing.left_out),
        usable=round(share * len(everything)),
        classes=classes,
        imbalance=max(classes.values()) / max(1, min(classes.values())) if classes else 1.0,
        captions=round(share * sum(bool(i.caption) for i in everything)),
    )


def _drawn(items: Sequence[Item], most: int) -> tuple[Item, ...]:
    if len(items) <= most:
        return tuple(items)
    first = sorted(random.Random(0).sample(range(len(items) - most // 2), most // 2))
    return tuple(items[k + n + one] for k, n in enumerate(first) for one in (0, 1))


def require_usable(findings: Preflight, counts: Sequence[int]) -> None:
    """Refuses data with fewer than 4 usable pictures (of each side, if unpaired), and says what is wrong with it."""
    fewest = min(counts)
    if fewest >= FEWEST:
        return
    examples = "; ".join(f"{name}: {why}" for name, why in findings.unreadable[:3])
    rest = f" ({len(findings.unreadable)} left out, such as {examples})" if examples else ""
    what = "picture" if fewest == 1 else "pictures"
    raise DataError(f"{findings.source}: {fewest} usable {what}{rest}: Huabi needs at least {FEWEST}; add more")
