"""Pictures without training: classic algorithms, each a Model or a plain function."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..model import Model

METHODS = {  # that answer `Restore`
    "bicubic": "huabi.classic.restoring:Bicubic",
    "biharmonic": "huabi.classic.restoring:Biharmonic",
    "lanczos": "huabi.classic.restoring:Lanczos",
    "nl-means": "huabi.classic.restoring:NonLocalMeans",
    "richardson-lucy": "huabi.classic.restoring:RichardsonLucy",
    "telea": "huabi.classic.restoring:Telea",
    "tv": "huabi.classic.restoring:TotalVariation",
    "wiener": "huabi.classic.restoring:Wiener",
}
MODELS = METHODS | {  # by what a recipe calls them
    "brush": "huabi.classic.painter:Painter",
    "enhance": "huabi.classic.enhance:Enhancer",
    "gatys": "huabi.classic.gatys:Gatys",
    "scribble": "huabi.classic.scribbles:Scribbled",
}


def model(name: str) -> Model:
    """The model without training of this name, one of `MODELS`."""
    module, _, attribute = MODELS[name].partition(":")
    made: Model = getattr(import_module(module), attribute)()
    return made
