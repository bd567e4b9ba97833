"""What the command line prints: tables and JSON of what was found; it loads no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from .text import clock, size_of, time_of
from .verdict import active

if TYPE_CHECKING:
    from .advice import Advice
    from .data import CacheEntry, Preflight

SHOWN = 8  # names of a list that are printed; --json has them all


def to_json(value: Any) -> str:
    return json.dumps(value.to_json() if hasattr(value, "to_json") else value, indent=1, ensure_ascii=False)


def print_table(facts: Mapping[str, Any]) -> None:
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for key, value in facts.items():
        table.add_row(key, str(value))
    Console(soft_wrap=False).print(table, markup=False)


def preflight_lines(found: Preflight) -> list[str]:
    """What a person must know of the data before it is trained on, a line each."""
    lines = [f"{found.usable} of {found.count} pictures in {found.source} are used"]
    if found.unreadable:
        names = _some([f"{name} ({why})" for name, why in found.unreadable])
        lines.append(f"{len(found.unreadable)} left out: {names}")
    if found.blank:
        lines.append(f"{len(found.blank)} blank ones left out: {_some(found.blank)}")
    if found.duplicates:
        lines.append(f"{sum(len(g) - 1 for g in found.duplicates)} exact duplicates left out, one of each kept")
    if found.near_duplicates:
        lines.append(f"{len(found.near_duplicates)} groups of near duplicates {found.actions['near_duplicates']}")
    if found.uneven:
        lines.append(found.uneven)
    return [*lines, *found.notes]


def print_preflight(found: Preflight) -> None:
    facts: dict[str, Any] = {"pictures": preflight_lines(found)[0]}
    if found.usable:
        low, middle, high = (f"{w}x{h}" for h, w in (found.sizes[k] for k in ("min", "median", "max")))
        facts |= {
            "sizes": f"{low} to {high}, median {middle}",
            "modes": ", ".join(f"{mode} {n}" for mode, n in found.modes.items()),
            "formats": ", ".join(f"{name} {n}" for name, n in found.formats.items()),
            "labels": _some([f"{name} {n}" for name, n in found.classes.items()]) or "none",
            "captions": str(found.captions) if found.captions else "none",
            "pairs": found.pairing,
        }
    facts["to know"] = "\n".join(preflight_lines(found)[1:]) or "nothing amiss"
    if found.usable:
        facts["advice"] = f"train {found.family} at size {found.size}"
    print_table(facts)
    if found.families:
        _print_forecast(found)


def _print_forecast(found: Preflight) -> None:
    table = Table(box=None, pad_edge=False)
    for name in ("family", "memory", "1,000 steps", "parameters", "what it is"):
        table.add_column(name, no_wrap=name != "what it is")
    for row in found.families:
        if "refused" in row:
            table.add_row(row["family"], "-", "-", "-", row["refused"])
            continue
        minutes = clock(row["minutes_per_1000_steps"] * 60)
        memory = size_of(row["memory_mb"] * 2**20)
        table.add_row(row["family"], memory, minutes, f"{row['parameters'] / 1e6:.1f} M", row["title"])
    Console().print("")
    Console().print(table)


def print_advice(advice: Advice) -> None:
    facts = {"train": f"{advice.family} at size {advice.size}", "this is": advice.estimate}
    print_table(facts | {"because": "\n".join(advice.reasons)})
    print("", *advice.commands, sep="\n")  # unwrapped, to be copied


def print_run(summary: Mapping[str, Any]) -> None:
    rows, columns = summary["size"]
    planned = summary["planned"] or "?"
    state = "finished" if summary["finished"] else "not finished: --resume goes on"
    losses = ", ".join(f"{name} {value:.4g}" for name, value in summary["losses"].items())
    best = summary["best"]
    facts = {
        "family": summary["family"],
        "data": f"{summary['data']}, {summary['pictures']['train']} pictures to train on, "
        f"{summary['pictures']['heldout']} held out",
        "pictures": f"{columns}x{rows}, {summary['channels']} channels",
        "labels": _some(summary["labels"]) or "none",
        "progress": f"step {summary['step']} of {planned} in {clock(summary['seconds'])}, {state}",
        "losses": losses or "none yet",
        "measured": ", ".join(f"{name} {value:.4g}" for name, value in summary["measured"].items()),
        "curve": summary["curve"],
        "best": f"step {best['step']}, kernel distance {best['kernel_distance']:.4g}" if best else "",
        "alarms": "\n".join(summary["alarms"][-SHOWN:]) or "none",
        "settings": ", ".join(f"{key}={value}" for key, value in summary["config"].items()),
        "frozen": f"seed {summary['seed']}, {summary['precision']}, {summary['threads']} threads, {summary['device']}, "
        f"torch {summary['versions']['torch']}",
        "preview": summary["preview"] or "none yet",
    }
    print_table({key: value for key, value in facts.items() if value})


def print_comparison(facts: Mapping[str, Any]) -> None:
    """A comparison's families, the best first, and what to make of them."""
    place = {name: n for n, group in enumerate(facts["ranking"], 1) for name in group}
    table = Table(box=None, pad_edge=False)
    for name in ("place", "family", facts["measure"], "a picture", "to know"):
        table.add_column(name, no_wrap=name != "to know")
    for row in sorted(facts["families"], key=lambda row: place.get(row["family"], len(place) + 1)):
        found, cells = row["evaluation"], [str(place.get(row["family"], "-")), row["family"]]
        if found is None:
            table.add_row(*cells, "-", "-", Text(f"{row['state']}: {row['why']}"))
            continue
        values = [s for s in found["scores"] if s["name"] == facts["measure"] and s["value"] is not None]
        seconds = found["cost"]["seconds_per_picture"]
        pace = time_of(seconds) if seconds else "-"
        distances = "\n".join(f"{score['value']:.3g} to {score['on']}" for score in values)
        table.add_row(*cells, distances, pace, Text("\n".join(active(found["alarms"]).values()) or "no alarm"))
    console = Console()
    console.print(table)
    console.print(f"\n{facts['advice']}", highlight=False, markup=False)


def print_found(matches: Sequence[Mapping[str, Any]]) -> None:
    """Pictures and their cosines, the best first; paths are unwrapped, to be copied."""
    for match in matches:
        print(f"{match['cosine']:6.3f}  {match['path']}")


def print_caches(entries: Sequence[CacheEntry], cleared: bool) -> None:
    """The sets of decoded pictures that there are, or that were there."""
    total = size_of(sum(entry.bytes for entry in entries))
    if cleared:
        print(f"removed {len(entries)} sets of decoded pictures, {total}")
    elif not entries:
        print("nothing is cached")
    else:
        for entry in entries:
            print(f"{entry.name}  {entry.pictures} pictures  {size_of(entry.bytes)}  {entry.source}")
        print(f"{total} in all; `huabi cache --clear` removes them, your files stay")


def _some(names: Any) -> str:
    shown = ", ".join(str(name) for name in names[:SHOWN])
    return shown + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
