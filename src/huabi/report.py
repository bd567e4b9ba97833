"""What is known of runs and of this machine, as plain values."""

from __future__ import annotations

import importlib.util
import json
import platform
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from . import __version__, cost, families, index
from .checkpoint import Checkpoint
from .data import Preflight, caches
from .errors import HuabiError
from .machine import free_memory, matrix_ceiling, pick_device, pick_precision, pick_threads, processor
from .model import DataSpec
from .requests import Generate, Imagine, Translate
from .text import size_of

EXTRAS = {"digits": "sklearn", "hub": "datasets", "board": "tensorboard"}
BARS = "▁▂▃▄▅▆▇█"


def families_forecast(
    found: Preflight, channels: int, size: tuple[int, int] | None, progress: Callable[[str, int, int], None]
) -> Preflight:
    """The preflight with what each family would take here: memory, and minutes per 1,000 steps."""
    if not found.usable:
        return found
    spec = DataSpec(size or (found.size, found.size), channels, tuple(found.classes), count=found.usable)
    spec = replace(spec, pairing=found.pairing)  # type: ignore[arg-type]
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


def suitable(found: Preflight) -> list[dict[str, Any]]:
    """Each family: its name and title, what it needs that the data does not have, and whether it can be compared."""
    facts = (("scene", ()),) if found.kind == "world" else ()
    spec = DataSpec((found.size, found.size), 3, tuple(found.classes), bool(found.captions), count=found.usable)
    spec = replace(spec, pairing=found.pairing, facts=facts)  # type: ignore[arg-type]
    spoken = {Imagine} if not spec.captions else set()  # who draws what captions say is compared where there are some
    return [
        {
            "family": name,
            "title": kind.title,
            "lacks": spec.lacks(kind.needs),
            "compares": bool({Generate, Translate} & set(kind.requests)) and not spoken & set(kind.requests),
        }
        for name, kind in ((name, families.find(name)) for name in families.names())
    ]


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
