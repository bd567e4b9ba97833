"""The results file of `quality.py` as a Markdown table."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

__all__ = ["append", "table"]

Record = dict[str, Any]


def append(record: Record, path: Path) -> None:
    """Adds one line to the results file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(record, ensure_ascii=False) + "\n")


def table(path: Path) -> str:
    """Markdown of all results in a file: one table for each data set, size, machine and number of threads."""
    records = [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]
    groups: dict[tuple[Any, ...], list[Record]] = {}
    for record in records:
        key = tuple(record[name] for name in ("data", "fingerprint", "size", "machine", "threads"))
        groups.setdefault(key, []).append(record)
    return "\n\n".join(_section(members) for members in groups.values())


def _section(records: list[Record]) -> str:
    first = records[0]
    heading = (
        f"### {first['data']} at {first['size']}x{first['size']}: {first['pictures']:,} training pictures, "
        f"{first['machine']}, {first['threads']} threads, torch {first['torch']}"
    )
    names = ["", "labels", "minutes", "steps x batch", "images/s", "GFLOP/s (of ceiling)", "parameters", "samples/s"]
    names += ["N", "seeds", "FD", "KD x1000"]
    lines = [heading, "", "| " + " | ".join(names) + " |", "|---|---|" + "--:|" * (len(names) - 2)]
    same: dict[str, list[Record]] = {}
    keys = ("family", "settings", "minutes", "samples", "conditional", "precision", "version")
    for record in records:
        same.setdefault(json.dumps([record.get(k) for k in keys], sort_keys=True), []).append(record)
    rows = sorted(same.values(), key=lambda runs: statistics.fmean(r["kd"] for r in runs))
    note = "± is the standard deviation over seeds where there are several, else KD's own standard error."
    return "\n".join([*lines, *(_row(_latest(runs)) for runs in rows), "", note])


def _latest(runs: list[Record]) -> list[Record]:
    """One run a seed, the latest: a repeated run replaces the one before."""
    return list({run.get("seed", 0): run for run in runs}.values())


def _row(runs: list[Record]) -> str:
    first = runs[0]

    def mean(name: str) -> float:
        return statistics.fmean(run[name] for run in runs)

    def spread(name: str, error: float | None = None) -> str:
        if len(runs) > 1:
            error = statistics.stdev(run[name] for run in runs)
        return f"{mean(name):.2f}" + ("" if error is None else f" ± {error:.2f}")

    scores = [f"{first['samples']:,}", str(len(runs)) if "steps" in first else ""]
    scores += [spread("fd"), spread("kd", first["kd_error"])]
    if "steps" not in first:
        return "| " + " | ".join([f"*{first['family']}*", *[""] * 7, *scores]) + " |"
    settings = " ".join(f"{k}={v}" for k, v in first["settings"].items())
    cells = [
        f"**{first['family']}**" + (f" `{settings}`" if settings else "") + f" ({first['version']})",
        "conditional" if first["conditional"] else "unconditional",
        f"{first['minutes']:g}",
        f"{mean('steps'):,.0f} x {first['batch']}",
        f"{mean('images_per_second'):.1f}",
        f"{mean('gflops'):.0f} ({mean('of_ceiling'):.0%})",
        f"{first['parameters'] / 1e6:.2f} M",
        f"{mean('samples_per_second'):.2f}",
    ]
    return "| " + " | ".join([*cells, *scores]) + " |"
