"""Which model answers: the one that is named, else the user's last one, else the one that comes with Huabi."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from . import classic, index, models
from .checkpoint import Checkpoint
from .enlarging import ENLARGED, JOIN
from .errors import HuabiError, RequestError
from .model import Model
from .requests import Edit, Imagine, Request, Restore, Stylize, Translate, Vary

UNTRAINED: dict[type[Request], str] = {Stylize: "gatys"}  # what answers where no trained model is known
FILLERS = {"telea": "cv2", "biharmonic": "skimage"}  # what fills a hole without training, and what it needs
TEACHES: dict[type[Request], str] = {
    Edit: "text_to_image",
    Imagine: "text_to_image",
    Restore: "restorer",
    Stylize: "fast_style",
    Translate: "pix2pix",
    Vary: "vae",
}


def model_for(task: type[Request], name: str | Path | None = None, device: str = "auto") -> Model:
    """The model called `name`, or the first known one that answers `task`, which the index remembers from now on.

    A name may be that of a method that needs no training, one of `classic.MODELS`, or `A+B`: see `models.parts`.

    Raises `HuabiError` where `name` is no model, `RequestError` where no model is known that answers.
    """
    return _opened(name if name is not None else _first(task), device)


def editor_for(request: Edit, name: str | Path | None = None, device: str = "auto") -> Model:
    """The model called `name`, or the first known one that edits as `request` asks.

    Without words a part is filled by what lies around it, where what comes with Huabi would draw a thing of its own:
    before it come the user's runs, those that edit before those that learnt to fill holes, and then a method.
    """
    wordy = request.prompt or request.negative or request.scribble or any(request.expand)
    fills = request.mask is not None and not wordy
    return model_for(Edit, _filling(Edit, Restore) if name is None and fills else name, device)


def _filling(*tasks: type[Request]) -> Path | str | None:
    """The user's first run that answers one of `tasks` by filling a hole, else a method that needs no training."""
    mine = [run for run in index.known() if not index.comes(run) and not index.enlarges(run)]
    for task in tasks:
        for run in mine:
            found = _answering(run, task)
            if found and (task is Edit or "inpaint" in found[1]["config"]["task"]):
                return run
    return next((method for method, library in FILLERS.items() if find_spec(library)), None)


def stylist_for(request: Stylize, name: str | Path | None = None, device: str = "auto") -> Model:
    """The model called `name`, or the first known one that stylises as `request` asks.

    What learnt any style comes before what leans to one artist's, which answers where no style is given. Raises
    `RequestError` where none is and no such run is known, or where something is said that only gatys knows.
    """
    settings = ("iterations", "features", "statistic", "smoothness")
    own = [setting for setting in settings if getattr(request, setting) is not None]
    if name is None:
        name = "gatys" if own else _stylist(bool(request.styles))
    elif own and str(name) != "gatys":
        raise RequestError(f"--{own[0]} is of gatys: leave it out, or say --method gatys")
    return model_for(Stylize, name, device)


def _stylist(styled: bool) -> Path | str:
    runs = [found for run in index.known() if (found := _answering(run, Stylize))]
    order = [(index.comes(run), run) for run, header in runs if not header["config"].get("school")]
    order = sorted(order, key=lambda one: one[0]) if styled else []
    order += [(False, run) for run, _ in runs if not index.comes(run) and (False, run) not in order]
    if not order and not styled:
        raise RequestError("give one or more styles, or train a run on an artist's: see docs/style.md")
    return order[0][1] if order else UNTRAINED[Stylize]


def restorer_for(request: Restore, name: str | Path | None = None, device: str = "auto") -> Model:
    """The method or the model called `name`, or the first known model that was trained for what `request` asks."""
    settings: dict[str, Any] = {"scale": request.scale} if request.task == "upscale" else {}
    if name is None and request.task == "inpaint":
        name = _filling(Restore)

    def fits(config: dict[str, Any]) -> bool:
        return request.task in config["task"] and all(config[key] == value for key, value in settings.items())

    more = "".join(f" --set {key}={value}" for key, value in {"task": request.task, **settings}.items())
    return _opened(name if name is not None else _first(Restore, fits, more), device)


def _opened(name: str | Path, device: str) -> Model:
    if str(name) in classic.MODELS and not Path(name).exists():
        return classic.model(str(name))
    model = models.load(name, device)
    models.remember(model, name)
    return model


def _first(
    task: type[Request], fits: Callable[[dict[str, Any]], bool] = lambda config: True, more: str = ""
) -> str | Path:
    """The first known run that answers `task`, or else what needs no training.

    The user's come before what comes with Huabi, and the family that is made for the task before others.
    """
    runs = [run for run in index.known() if not index.enlarges(run)]
    answering = [found for run in runs if (found := _answering(run, task)) and fits(found[1]["config"])]
    for run, _ in sorted(answering, key=lambda found: (index.comes(found[0]), found[1]["family"] != TEACHES[task])):
        larger = index.enlarger(run) if task in ENLARGED else None
        return f"{run}{JOIN}{larger}" if larger else run
    if task in UNTRAINED:
        return UNTRAINED[task]
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
