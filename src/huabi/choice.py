"""Which model answers: the one that is named, else the one that comes with Huabi, else the user's last one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import classic, index, models
from .checkpoint import Checkpoint
from .errors import HuabiError, RequestError
from .model import Model
from .requests import Edit, Imagine, Request, Restore, Translate, Vary

TEACHES: dict[type[Request], str] = {
    Edit: "text_to_image",
    Imagine: "text_to_image",
    Restore: "restorer",
    Translate: "pix2pix",
    Vary: "vae",
}


def model_for(task: type[Request], name: str | Path | None = None, device: str = "auto") -> Model:
    """The model called `name`, or the first known one that answers `task`, which the index remembers from now on.

    Raises `HuabiError` where `name` is no model, `RequestError` where no model is known that answers.
    """
    return _opened(models.located(name) if name is not None else _first(task), device)


def restorer_for(request: Restore, name: str | Path | None = None, device: str = "auto") -> Model:
    """The method or the model called `name`, or the first known model that was trained for what `request` asks."""
    if name is not None and str(name) in classic.METHODS:
        return classic.model(str(name))
    settings: dict[str, Any] = {"scale": request.scale} if request.task == "upscale" else {}

    def fits(config: dict[str, Any]) -> bool:
        return request.task in config["task"] and all(config[key] == value for key, value in settings.items())

    more = "".join(f" --set {key}={value}" for key, value in {"task": request.task, **settings}.items())
    return _opened(models.located(name) if name is not None else _first(Restore, fits, more), device)


def _opened(path: Path, device: str) -> Model:
    model = models.load(path, device)
    if model.identity is not None:
        index.add(model.identity.hash, path)
    return model


def _first(task: type[Request], fits: Callable[[dict[str, Any]], bool] = lambda config: True, more: str = "") -> Path:
    """The first known run that answers `task`; those of the family that is made for it come before others."""
    answering = [found for run in index.known() if (found := _answering(run, task)) and fits(found[1]["config"])]
    for run, _ in sorted(answering, key=lambda found: found[1]["family"] != TEACHES[task]):
        return run
    raise RequestError(
        f"no model is known here that answers {task.__name__}{more and ' with'}{more}; "
        f"train one: huabi train {TEACHES[task]} DATA --out RUN{more}"
    )


def _answering(run: Path, task: type[Request]) -> tuple[Path, dict[str, Any]] | None:
    """A run and its header where it answers `task`."""
    try:
        return (run, Checkpoint.open(run).header) if task in models.described(run)[0] else None
    except (HuabiError, ImportError):  # damaged, or of a family that is no longer installed: not the one that is sought
        return None
