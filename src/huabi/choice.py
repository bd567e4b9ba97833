"""Which model answers: the one that is named, else the one that comes with Huabi, else the user's last one."""

from __future__ import annotations

from pathlib import Path

from . import index, models
from .errors import HuabiError, RequestError
from .model import Model
from .requests import Edit, Imagine, Request, Vary

TEACHES: dict[type[Request], str] = {Edit: "text_to_image", Imagine: "text_to_image", Vary: "vae"}


def model_for(task: type[Request], name: str | Path | None = None, device: str = "auto") -> Model:
    """The model called `name`, or the first known one that answers `task`, which the index remembers from now on.

    Raises `HuabiError` where `name` is no model, `RequestError` where no model is known that answers.
    """
    path = models.located(name) if name is not None else _first(task)
    model = models.load(path, device)
    if model.identity is not None:
        index.add(model.identity.hash, path)
    return model


def _first(task: type[Request]) -> Path:
    for run in index.known():
        if _answers(run, task):
            return run
    raise RequestError(
        f"no model is known here that answers {task.__name__}; train one: huabi train {TEACHES[task]} DATA --out RUN"
    )


def _answers(run: Path, task: type[Request]) -> bool:
    try:
        return task in models.described(run)[0]
    except (HuabiError, ImportError):  # damaged, or of a family that is no longer installed: not the one that is sought
        return False
