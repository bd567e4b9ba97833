"""Low-rank adapters of others: what stands behind a big model in its name, as `sdxl+dog.safetensors:0.8`.

They are read from safetensors alone, in the forms that diffusers reads: its own, peft's and kohya's.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from ..enlarging import JOIN
from ..errors import RequestError
from .source import content, holds_adapters, require

_NAME = re.compile(r"(?P<file>.+\.safetensors)(?::(?P<weight>[0-9]*\.?[0-9]+))?")


class Adapter(NamedTuple):
    """A file of adapters, and how strongly they count: 1 is as they were trained."""

    file: Path
    weight: float

    @classmethod
    def of(cls, place: str | Path) -> Adapter | None:
        """Those in `FILE.safetensors` or `FILE.safetensors:WEIGHT`, or None where that is no such file."""
        match = _NAME.fullmatch(str(place))
        if match is None or not Path(match["file"]).is_file() or not holds_adapters(Path(match["file"])):
            return None
        return cls(Path(match["file"]), float(match["weight"] or 1))

    @property
    def hash(self) -> str:
        """SHA-256 of the file, and the weight: they draw otherwise at another one."""
        return f"{content(self.file)}:{self.weight:g}"


def adapt(model: Any, adapters: list[Adapter]) -> None:
    """Has a `Pipeline` draw with these adapters; raises `RequestError` where they are of another kind of model."""
    require("peft")
    pipe = model.pipe
    names = [f"adapter{number}" for number in range(len(adapters))]
    for name, adapter in zip(names, adapters):
        try:
            folder, file = str(adapter.file.parent), adapter.file.name
            pipe.load_lora_weights(folder, weight_name=file, adapter_name=name, local_files_only=True)
        except Exception as error:  # each class of pipelines has reasons of its own
            why = str(error).strip().split("\n")[0][:200]
            raise RequestError(f"{adapter.file.name} does not fit this {type(pipe).__name__}: {why}") from None
        if name not in {found for part in pipe.get_list_adapters().values() for found in part}:
            raise RequestError(f"{adapter.file.name} holds nothing for this {type(pipe).__name__}; give its own base")
    pipe.set_adapters(names, [adapter.weight for adapter in adapters])
    if model.identity is not None:
        model.identity = replace(model.identity, hash=JOIN.join([model.identity.hash, *(one.hash for one in adapters)]))
