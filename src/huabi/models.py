"""Whatever draws, by its name: a run, a model that comes with Huabi, or a big open model."""

from __future__ import annotations

from pathlib import Path

import torch

from . import external, index
from .checkpoint import Checkpoint
from .errors import RunError
from .external.source import is_id
from .machine import pick_device
from .model import Model


def load(name: str | Path, device: str | torch.device = "auto") -> Model:
    """The model of a run folder or of Huabi's own, or a pipeline of diffusers; no code from its folder runs.

    Raises `HuabiError` where it is missing, damaged, or not safe to load.
    """
    place = index.place(name)
    if not (place / "run.json").is_file() and external.is_pipeline(name):
        return external.load(str(name), str(device))
    if not place.exists() and is_id(name):
        raise RunError(f"no run in {name}, and no model of that name in the local hub cache; hf:{name} downloads it")
    return Checkpoint.load(place, pick_device(str(device)))
