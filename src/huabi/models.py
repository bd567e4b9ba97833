"""Whatever draws, by its name: a run, a model that comes with Huabi, or a big open model."""

from __future__ import annotations

from pathlib import Path

from . import external, index
from .checkpoint import Checkpoint
from .config import configure
from .errors import RunError
from .families import find
from .machine import pick_device
from .model import DataSpec, Model
from .requests import Request


def located(name: str | Path) -> Path:
    """Where the model called `name` lies; one of the hub (`hf:owner/name`) is downloaded where it is not here yet.

    Raises `HuabiError` where there is none.
    """
    if external.is_pipeline(name):
        return external.located(str(name))
    try:
        return index.named(name)
    except RunError as error:
        if external.is_id(name):
            raise RunError(f"{error}; nor is it in the hub's local cache: write hf:{name} to download it") from None
        raise


def load(name: str | Path, device: str = "auto") -> Model:
    """The model called `name`, on `device`; no code from its folder runs.

    Raises `HuabiError` where it is missing, damaged, or not safe to load.
    """
    path = located(name)
    if external.is_pipeline(path):
        return external.load(path, device)
    return Checkpoint.load(path, pick_device(device))


def described(path: Path) -> tuple[tuple[type[Request], ...], DataSpec]:
    """The requests that the model in `path` answers, and what it was trained on; its weights are not read.

    Raises `HuabiError` where it is damaged, `ImportError` where its family is not installed.
    """
    if external.is_pipeline(path):
        from .external.opening import SIDE
        from .external.pipelines import Pipeline

        return Pipeline.requests, DataSpec((SIDE, SIDE), captions=True)
    header = Checkpoint.open(path).header
    family = find(header["family"])
    requests, _ = family.role(configure(family.Config(), header["config"]))
    return requests, DataSpec.from_json(header["spec"])


def undoes(path: Path) -> tuple[tuple[str, ...], int]:
    """Which damage the restorer in `path` was trained to undo, and how many times it enlarges."""
    config = Checkpoint.open(path).header["config"]
    return tuple(config["task"]), config["scale"]
