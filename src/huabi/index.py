"""The user-level index: which run holds the model of a hash, so that a picture's recipe need not name a path."""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from filelock import FileLock

from .durable import explained, write_json

SHIPPED = Path(__file__).parent / "shipped"  # runs that come with Huabi


def home() -> Path:
    """Where Huabi keeps what belongs to the user: HUABI_HOME, or the platform's place for it."""
    if "HUABI_HOME" in os.environ:
        return Path(os.environ["HUABI_HOME"])
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "huabi"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "huabi"
    return Path(os.environ.get("XDG_DATA_HOME", Path.home() / ".local" / "share")) / "huabi"


def _read(path: Path) -> dict[str, Any]:
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def add(model_hash: str, run: Path) -> None:
    """Remembers that `run` holds the model `model_hash`."""
    folder = home()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "runs.json"
    with FileLock(folder / "runs.lock"), explained(path):
        write_json(path, _read(path) | {model_hash: str(run.resolve())})


def place(run: str | Path) -> Path:
    """The folder of a run; a name that is no path here, as `world-reader`, means a model that comes with Huabi."""
    shipped = SHIPPED / str(run)
    return shipped if not Path(run).exists() and (shipped / "run.json").exists() else Path(run)


def newest(family: str) -> Path | None:
    """Of the known runs of `family` the one whose model was written last, or None."""
    found = []
    for run in map(Path, _read(home() / "runs.json").values()):
        if _read(run / "run.json").get("family") == family:
            with suppress(OSError):  # moved meanwhile
                found.append(((run / "model.safetensors").stat().st_mtime, run))
    return max(found)[1] if found else None


def find(model_hash: str) -> Path | None:
    """The run that was last seen to hold the model `model_hash`, or None."""
    run = _read(home() / "runs.json").get(model_hash)
    return Path(run) if run and Path(run).exists() else None
