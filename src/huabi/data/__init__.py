"""From a folder of pictures to batches: `scan`, `inspect`, `prepare`, `batches`.

Names are loaded when they are asked for: the processes that decode need no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .cache import CacheEntry, caches, clear_caches, prepare
    from .loader import PictureData, batches, rows_of, to_unit
    from .preflight import Preflight, check_size, glance, inspect
    from .sources import Item, Listing, scan

__all__ = [
    "CacheEntry",
    "Item",
    "Listing",
    "PictureData",
    "Preflight",
    "batches",
    "caches",
    "check_size",
    "clear_caches",
    "glance",
    "inspect",
    "prepare",
    "rows_of",
    "scan",
    "to_unit",
]

_MODULES = {
    "cache": ("CacheEntry", "caches", "clear_caches", "prepare"),
    "loader": ("PictureData", "batches", "rows_of", "to_unit"),
    "preflight": ("Preflight", "check_size", "glance", "inspect"),
    "sources": ("Item", "Listing", "scan"),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)
