"""Huabi (画笔): a folder of pictures becomes a picture-maker.

model = huabi.train("diffusion", "photos", out="runs/photos", budget="10m")
for picture in huabi.draw(model, [huabi.Generate(seed=7)]): picture.save("new.png")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOME = {
    "DataSpec": "model",
    "Edit": "requests",
    "Enhance": "requests",
    "Family": "model",
    "Generate": "requests",
    "HuabiError": "errors",
    "Imagine": "requests",
    "Model": "model",
    "Paint": "requests",
    "Picture": "pictures",
    "Restore": "requests",
    "Stylize": "requests",
    "Translate": "requests",
    "Vary": "requests",
    "compare": "api",
    "draw": "api",
    "evaluate": "api",
    "imagine": "api",
    "inspect": "api",
    "load": "api",
    "recommend": "advice",
    "train": "api",
    "translate": "api",
}
__all__ = [
    "DataSpec",
    "Edit",
    "Enhance",
    "Family",
    "Generate",
    "HuabiError",
    "Imagine",
    "Model",
    "Paint",
    "Picture",
    "Restore",
    "Stylize",
    "Translate",
    "Vary",
    "__version__",
    "compare",
    "draw",
    "evaluate",
    "imagine",
    "inspect",
    "load",
    "recommend",
    "train",
    "translate",
]

if TYPE_CHECKING:
    from .advice import recommend
    from .api import compare, draw, evaluate, imagine, inspect, load, train, translate
    from .errors import HuabiError
    from .model import DataSpec, Family, Model
    from .pictures import Picture
    from .requests import Edit, Enhance, Generate, Imagine, Paint, Restore, Stylize, Translate, Vary


def __getattr__(name: str) -> Any:
    """Names are fetched when they are used: `import huabi` loads no torch."""
    if name not in _HOME:
        raise AttributeError(f"module 'huabi' has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    return __all__
