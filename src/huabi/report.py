"""What the command line prints of data, runs, caches and the machine."""

from __future__ import annotations

import importlib.util
import json
import platform
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from rich.console import Console
from rich.table import Table
from rich.text import Text

from . import __version__, cost, families, index
from .checkpoint import Checkpoint
from .data import Preflight, caches, clear_caches
from .errors import HuabiError
from .machine import free_memory, matrix_ceiling, pick_device, pick_precision, pick_threads, processor
from .model import DataSpec
from .text import clock, size_of
from .verdict import active

if TYPE_CHECKING:
    from .advice import Advice

SHOWN = 8  # names of a list that are printed; --json has them all
EXTRAS = {"digits": "sklearn", "hub": "datasets", "board": "tensorboard"}
BARS = "▁▂▃▄▅▆▇█"


def to_json(value: Any) -> str:
    return json.dumps(value.to_json() if hasattr(value, "to_json") else value, indent=1, ensure_ascii=False)


def families_forecast(
    found: Preflight, channels: int, size: tuple[int, int] | None, progress: Callable[[str, int, int], None]
) -> Preflight:
    """The preflight with what each family would take here: memory, and minutes per 1,000 steps."""
    if not found.usable:
        return found
    spec = DataSpec(size or (found.size, found.size), channels, tuple(found.classes), count=found.usable)
    torch.set_num_threads(pick_threads())
    rows = []
    names = [name for name in families.names() if not spec.lacks(families.find(name).needs)]
    for i, name in enumerate(names):
        progress("measuring families", i, len(names))
        kind = families.find(name)
        try:
            rows.append({"family": name, "title": kind.title, **cost.forecast(kind, kind.Config(), spec)})
        except HuabiError as error:
            rows.append({"family": name, "title": kind.title, "refused": str(error)})
    progress("measuring families", len(names), len(names))
    return replace(found, families=tuple(rows))


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
    if found.imbalance >= 3:
        lines.append(f"the largest class has {found.imbalance:.0f} times the smallest's pictures; --balance evens it")
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


def run_summary(path: Path) -> dict[str, Any]:
    """What a run is and how far it is, as plain values."""
    path = index.place(path)
    checkpoint = Checkpoint.open(path)
    header = checkpoint.header
    states = [int(state.name) for state in checkpoint.states()]
    totals = [event["total"] for event in header["events"] if "total" in event]
    lines = log_rows(path / "log.jsonl")
    rows = [line for line in lines if "seconds" in line]
    measured = [line for line in lines if "seconds" not in line]
    previews = sorted((path / "previews").glob("*.png"))
    return {
        "run": str(path),
        "family": header["family"],
        "data": header["data"],
        "size": header["spec"]["size"],
        "channels": header["spec"]["channels"],
        "labels": header["spec"]["labels"],
        "pictures": header["split"],
        "step": states[-1] if states else 0,
        "planned": totals[-1] if totals else None,
        "finished": checkpoint.finished,
        "seconds": rows[-1]["seconds"] if rows else 0.0,
        "images_per_second": rows[-1]["images_per_second"] if rows else None,
        "losses": losses_of(rows[-1]) if rows else {},
        "measured": measured[-1] if measured else {},
        "best": checkpoint.best(),
        "curve": _curve(rows),
        "alarms": alarms_of(rows),
        "config": header["config"],
        "seed": header["seed"],
        "precision": header["precision"],
        "threads": header["threads"],
        "device": header["device"],
        "versions": header["versions"],
        "states": states,
        "preview": str(previews[-1]) if previews else None,
    }


_NO_LOSS = ("step", "seconds", "images_per_second", "alarms")


def losses_of(row: Mapping[str, Any]) -> dict[str, float]:
    """The losses of a line of the log, by name."""
    return {name: value for name, value in row.items() if name not in _NO_LOSS}


def alarms_of(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The alarms of a log's lines, in their order."""
    return [alarm for row in rows for alarm in row.get("alarms", [])]


def log_rows(path: Path) -> list[dict[str, Any]]:
    """The lines of a run's log: those of steps have "seconds", the others are measured figures."""
    rows = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    for line in lines:
        try:
            rows.append(json.loads(line))
        except ValueError:
            continue  # a run that trains right now may be in the middle of a line
    return rows


def _curve(rows: list[dict[str, Any]], width: int = 48) -> str:
    """The first loss over the run as a line of bars."""
    names = list(losses_of(rows[0])) if rows else []
    values = [row[names[0]] for row in rows if names and names[0] in row]
    if len(values) < 2:
        return ""
    chunk = -(-len(values) // width)
    means = [sum(values[i : i + chunk]) / len(values[i : i + chunk]) for i in range(0, len(values), chunk)]
    low, high = min(means), max(means)
    scale = (len(BARS) - 1) / (high - low) if high > low else 0
    return "".join(BARS[round((mean - low) * scale)] for mean in means)


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


def _some(names: Any) -> str:
    shown = ", ".join(str(name) for name in names[:SHOWN])
    return shown + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def print_table(facts: Mapping[str, Any]) -> None:
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for key, value in facts.items():
        table.add_row(key, str(value))
    Console(soft_wrap=False).print(table, markup=False)


def print_advice(advice: Advice) -> None:
    facts = {"train": f"{advice.family} at size {advice.size}: {advice.title}", "this is": advice.estimate}
    print_table(facts | {"because": "\n".join(advice.reasons)})
    print("", *advice.commands, sep="\n")  # unwrapped, to be copied


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
        pace = f"{1000 * seconds:.3g} ms" if seconds else "-"
        distances = "\n".join(f"{score['value']:.3g} to {score['on']}" for score in values)
        table.add_row(*cells, distances, pace, Text("\n".join(active(found["alarms"]).values()) or "no alarm"))
    console = Console()
    console.print(table)
    console.print(f"\n{facts['advice']}", highlight=False, markup=False)


def print_caches(clear: bool, as_json: bool) -> None:
    entries = caches()
    if clear:
        clear_caches()
        print(f"removed {len(entries)} sets of decoded pictures, {size_of(sum(e.bytes for e in entries))}")
    elif as_json:
        print(to_json([asdict(entry) for entry in entries]))
    elif not entries:
        print("nothing is cached")
    else:
        for entry in entries:
            print(f"{entry.name}  {entry.pictures} pictures  {size_of(entry.bytes)}  {entry.source}")
        print(f"{size_of(sum(e.bytes for e in entries))} in all; `huabi cache --clear` removes them, your files stay")


def examine() -> dict[str, Any]:
    """This machine as Huabi sees it."""
    device = pick_device()
    precision = pick_precision(device)
    torch.set_num_threads(pick_threads())
    missing = [extra for extra, module in EXTRAS.items() if importlib.util.find_spec(module) is None]
    home = index.home()
    home.mkdir(parents=True, exist_ok=True)
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {
        "huabi": __version__,
        "python": f"{platform.python_version()} on {sys.platform}",
        "torch": torch.__version__,
        "processor": processor(),
        "threads": pick_threads(),
        "gpu": ", ".join(gpus) or "none: training runs on the processor",
        "device": str(device),
        "precision": f"{precision}" + ("" if precision == "bf16" else " (no native bf16 here)"),
        "matrix ceiling": f"{matrix_ceiling(device, precision) / 1e9:.0f} GFLOP/s in {precision}",
        "free memory": size_of(free_memory(device)),
        "free disk": size_of(shutil.disk_usage(home).free),
        "cached pictures": size_of(sum(entry.bytes for entry in caches())),
        "extras missing": ", ".join(f"pip install 'huabi[{extra}]'" for extra in missing) or "none",
    }
