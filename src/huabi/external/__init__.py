"""Big open models: any text-to-image pipeline of diffusers, or a checkpoint in one file, as a Model of ours."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .source import is_id, is_pipeline, located

if TYPE_CHECKING:
    from .pipelines import Pipeline

__all__ = ["is_id", "is_pipeline", "load", "located"]


def load(name: str | Path, device: str = "auto") -> Pipeline:
    """The pipeline of a folder, a `.safetensors` file, the hub's cache (`owner/name`) or the hub (`hf:owner/name`).

    Raises `HuabiError` where it is missing, incomplete, too large for this machine, or not safe to load.
    """
    from .pipelines import Pipeline

    return Pipeline.load(str(name), device)
