"""The user-level index: which run holds the model of a hash, so that a picture's recipe need not name a path."""

from __future__ import annotations

import json
import os
import sys
import warnings
from pathlib import Path

from filelock import FileLock
from safetensors import SafetensorError, safe_open

from .durable import write_json
from .errors import RunError, nearest

SHIPPED = Path(__file__).resolve().parent / "shipped"  # runs that come with Huabi
ENLARGERS = {"world-imagine": "world-enlarger"}  # of these, and which of them enlarges the pictures of which


def home() -> Path:
    """Where Huabi keeps what belongs to the user: HUABI_HOME, or the platform's place for it."""
    if "HUABI_HOME" in os.environ:
        return Path(os.environ["HUABI_HOME"])
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "huabi"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "huabi"
    return Path(os.environ.get("XDG_DATA_HOME", Path.home() / ".local" / "share")) / "huabi"


def _read(path: Path) -> dict[str, str]:
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def add(model_hash: str, run: Path) -> None:
    """Remembers that `run` holds the model `model_hash`, and that it was the last one used.

    Where that cannot be written, a warning says so: training and drawing need no index.
    """
    path = home() / "runs.json"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            others = {key: place for key, place in _read(path).items() if key != model_hash}
            write_json(path, others | {model_hash: str(run.resolve())})
    except OSError as error:
        line = f"{path} cannot be written ({error.strerror}), so {run} is found only where it is named"
        warnings.warn(line, stacklevel=2)


def place(run: str | Path) -> Path:
    """The folder of a run; a name that is no path here, as `world-reader`, means a model that comes with Huabi."""
    shipped = SHIPPED / str(run)
    return shipped if not Path(run).exists() and (shipped / "run.json").exists() else Path(run)


def find(model_hash: str) -> Path | None:
    """The run that was last seen to hold the model `model_hash`, or one that comes with Huabi and does; or None.

    Adapters have their weight behind their hash, and behind their place.
    """
    digest, sign, weight = model_hash.partition(":")
    run = _read(home() / "runs.json").get(digest)
    if run and Path(run).exists():
        return Path(f"{run}{sign}{weight}")
    return next((run for run in shipped() if _hash(run) == model_hash), None)


def _hash(run: Path) -> str | None:
    """What the weights of a run say that their hash is; None where they are missing or damaged."""
    try:
        with safe_open(run / "model.safetensors", framework="np") as file:
            return (file.metadata() or {}).get("sha256")
    except (OSError, SafetensorError):
        return None


def named(name: str | Path) -> Path:
    """The run that `name` means: a path, a model that comes with Huabi, or the last run whose folder is called so.

    Raises `RunError` where there is none.
    """
    path = place(name)
    if path.exists():
        return path
    folders = {run.name: run for run in reversed(known())}
    if str(name) not in folders:
        raise RunError(f"no run in {path}, and no model of that name; {nearest(str(name), folders)}")
    return folders[str(name)]


def shipped() -> list[Path]:
    """The runs that come with Huabi."""
    return sorted(run for run in SHIPPED.iterdir() if (run / "run.json").exists())


def comes(run: Path) -> bool:
    """Whether a run comes with Huabi."""
    return run.parent == SHIPPED


def enlarger(run: Path) -> Path | None:
    """What comes with Huabi to enlarge the pictures of a run that comes with it, where there is such a thing."""
    found = SHIPPED / ENLARGERS.get(run.name, "")
    return found if comes(run) and (found / "run.json").exists() else None


def enlarges(run: Path) -> bool:
    """Whether a run came along for the pictures of another one alone."""
    return comes(run) and run.name in ENLARGERS.values()


def known() -> list[Path]:
    """The user's runs, the last one first, then those that come with Huabi; those that are gone are left out."""
    mine = [Path(run) for run in reversed(_read(home() / "runs.json").values())]
    return [run for run in dict.fromkeys([*mine, *shipped()]) if (run / "run.json").exists()]
