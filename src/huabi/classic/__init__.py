"""Pictures without training: classic algorithms, each a Model or a plain function."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..model import Model

MODELS = {  # by what a recipe calls them
    "brush": "huabi.classic.painter:Painter",
    "gatys": "huabi.classic.gatys:Gatys",
}


def model(name: str) -> Model:
    """The model without training of this name, one of `MODELS`."""
    module, _, attribute = MODELS[name].partition(":")
    made: Model = getattr(import_module(module), attribute)()
    return made
