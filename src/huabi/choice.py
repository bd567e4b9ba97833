"""Which model answers: the one that is named, else the one that comes with Huabi, else the user's last one."""

from __future__ import annotations

from pathlib import Path

from . import classic, index, models
from .checkpoint import Checkpoint
from .errors import HuabiError, RequestError
from .families import find
from .model import Model
from .requests import Edit, Imagine, Request, Stylize, Vary

UNTRAINED: dict[type[Request], str] = {Stylize: "gatys"}  # what answers where no trained model is known
TEACHES: dict[type[Request], str] = {Edit: "text_to_image", Imagine: "text_to_image", Vary: "vae"}


def model_for(task: type[Request], name: str | Path | None = None, device: str = "auto") -> Model:
    """The model called `name`, or the first known one that answers `task`, which the index remembers from now on.

    A name may be that of a method that needs no training, one of `classic.MODELS`.

    Raises `HuabiError` where `name` is no model, `RequestError` where no model is known that answers.
    """
    chosen = name if name is not None else _first(task) or UNTRAINED.get(task)
    if chosen is None:
        raise RequestError(
            f"no model is known here that answers {task.__name__}; "
            f"train one: huabi train {TEACHES[task]} DATA --out RUN"
        )
    if chosen in classic.MODELS and not Path(chosen).exists():
        return classic.model(str(chosen))
    path = models.located(chosen)
    model = models.load(path, device)
    if model.identity is not None:
        index.add(model.identity.hash, path)
    return model


def _first(task: type[Request]) -> Path | None:
    return next((run for run in index.known() if _answers(run, task)), None)


def _answers(run: Path, task: type[Request]) -> bool:
    try:
        return task in find(Checkpoint.open(run).header["family"]).requests
    except (HuabiError, ImportError):  # damaged, or of a family that is no longer installed: not the one that is sought
        return False
