"""Whatever draws, by its name: a run, a model that comes with Huabi, a big open model, or one enlarged by another."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from . import external, index
from .checkpoint import Checkpoint
from .config import configure
from .enlarging import JOIN, Enlarged
from .errors import RequestError, RunError
from .external.adapters import Adapter, adapt
from .families import find
from .machine import pick_device
from .model import DataSpec, Model
from .requests import Paper, Request


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


def parts(name: str | Path) -> list[Path]:
    """Where the model called `name` lies; of one called `A+B` where A lies, and where B, which enlarges its pictures.

    Or where adapters of the big model A lie, which may be several: see `external.adapters`. Raises `HuabiError` where
    there is none.
    """
    whole, _, last = str(name).rpartition(JOIN)
    if whole and not Path(str(name)).exists() and last.partition(":")[0].endswith(".safetensors"):
        if Adapter.of(last) is None:
            raise RunError(f"no adapters in {last}: a file is missing, or holds something else")
        return [*parts(whole), Path(last)]
    if JOIN not in (whole := str(name)) or Path(whole).exists():
        return [located(name)]
    splits = [(whole[:at], whole[at + 1 :]) for at, sign in enumerate(whole) if sign == JOIN]
    there = (pair for pair in splits if all(index.place(part).exists() for part in pair))  # folders may have it, too
    return [located(part) for part in next(there, splits[-1])]


def load(name: str | Path, device: str = "auto") -> Model:
    """The model called `name`, on `device`; no code from its folder runs.

    Raises `HuabiError` where it is missing, damaged, or not safe to load.
    """
    return joined(parts(name), device)


def remember(model: Model, name: str | Path) -> None:
    """Has the user-level index know where the model called `name` lies, as the last one used; but what comes along."""
    if model.identity is not None:
        for digest, path in zip(model.identity.hash.split(JOIN), parts(name)):
            adapter = Adapter.of(path) if ":" in digest else None
            if not index.comes(path):
                index.add(digest.partition(":")[0], adapter.file if adapter else path)


def joined(places: Sequence[Path], device: str = "auto") -> Model:
    """The model in the first of these places; with the adapters in others, its pictures enlarged by what is there."""
    found = {place: Adapter.of(place) for place in places[1:]}
    adapters = [adapter for adapter in found.values() if adapter]
    enlargers = [place for place, adapter in found.items() if adapter is None]
    if adapters and not external.is_pipeline(places[0]):
        raise RequestError(f"{adapters[0].file.name} holds adapters of a big model, and {places[0].name} is none")
    model = _loaded(places[0], device)
    if adapters:
        adapt(model, adapters)
    return Enlarged(model, _loaded(enlargers[0], device)) if enlargers else model


def _loaded(path: Path, device: str) -> Model:
    if external.is_pipeline(path):
        return external.load(path, device)
    return Checkpoint.load(path, pick_device(device))


def described(path: Path) -> tuple[tuple[type[Request], ...], DataSpec, Paper]:
    """The requests that the model in `path` answers, what it was trained on, and its paper; no weights are read.

    Raises `HuabiError` where it is damaged, `ImportError` where its family is not installed.
    """
    if external.is_pipeline(path):
        from .external.opening import SIDE
        from .external.pipelines import Pipeline

        return Pipeline.requests, DataSpec((SIDE, SIDE), captions=True), Paper((SIDE, SIDE))
    header = Checkpoint.open(path).header
    family = find(header["family"])
    config, spec = configure(family.Config(), header["config"]), DataSpec.from_json(header["spec"])
    return family.role(config)[0], spec, family.paper_of(config, spec)


def undoes(path: Path) -> tuple[tuple[str, ...], int]:
    """Which damage the restorer in `path` was trained to undo, and how many times it enlarges."""
    config = Checkpoint.open(path).header["config"]
    return tuple(config["task"]), config["scale"]
