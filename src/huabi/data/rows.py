"""The files of a cache folder: a row of bytes for each picture."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from ..truth import Facts as Words
from ..truth import record_size
from .worker import Facts


def row_sizes(size: Sequence[int], channels: int, pairing: str, facts: Words) -> dict[str, int]:
    """The files of a cache folder, by name, and the bytes of a row of each."""
    row = size[0] * size[1] * channels
    sizes = {"images": row}
    if pairing != "none":
        sizes["target" if pairing == "paired" else "other"] = row
    if facts:
        sizes["truth"] = record_size(facts, (size[0], size[1]))
    return sizes


class Rows:
    """Writes what a listing's items hold to files, a row each, and drops afterwards what is not kept."""

    def __init__(self, folder: Path, sizes: Mapping[str, int]) -> None:
        self.sizes = sizes  # bytes of a row, by the file's name
        self.files: dict[str, IO[bytes]] = {name: (folder / f"{name}.u8").open("wb+") for name in sizes}
        self.row_of: dict[int, int] = {}

    def add(self, n: int, facts: Facts) -> None:
        self.row_of[n] = len(self.row_of)
        parts = {"images": facts.pixels, "other": facts.pixels, "target": facts.target, "truth": facts.truth}
        for name, file in self.files.items():
            file.write(parts[name])

    def finish(self, kept: Sequence[int]) -> None:
        """Moves the rows of `kept` to the front, in their order, cuts the rest and flushes to the disk."""
        for name, file in self.files.items():
            row = self.sizes[name]
            for to, n in enumerate(kept):
                if self.row_of[n] != to:
                    file.seek(self.row_of[n] * row)
                    pixels = file.read(row)
                    file.seek(to * row)
                    file.write(pixels)
            file.truncate(len(kept) * row)
            file.flush()
            os.fsync(file.fileno())
            file.close()

    def close(self) -> None:
        for file in self.files.values():
            file.close()
