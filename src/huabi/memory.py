"""What a run remembers of the pictures it learnt from, so that a drawn one that is nearly one of them is flagged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .checkpoint import pack, unpack
from .durable import explained, write_file
from .errors import RunError
from .metrics.alarms import copied

if TYPE_CHECKING:
    from .witness import Witness

FILE = "memory.safetensors"  # in the run folder; without it nothing is flagged
MOST = 10_000  # training pictures: of more, few are learnt by heart


class Memory:
    """Thumbnails of training pictures, and what these were called.

    Args:
        small: (N, C, h, w) `thumbnails`, two at least.
        names: of each.
        mirrored: whether the mirror image of a picture counts as that picture.
    """

    def __init__(self, small: Tensor, names: tuple[str, ...], mirrored: bool) -> None:
        self.small, self.names, self.mirrored = small, names, mirrored

    @classmethod
    def of(cls, witness: Witness) -> Memory | None:
        """That of a training set; None of one that is too large, or of one picture."""
        data = witness.data
        if not 2 <= len(data.train) <= MOST:
            return None
        names = tuple(data.names[row] if data.names else str(row) for row in data.train)
        return cls(witness.thumbnails, names, data.flip)

    def save(self, run: Path) -> None:
        """Writes it into a run's folder, whole or not at all."""
        told = json.dumps({"names": self.names, "mirrored": self.mirrored}).encode()
        tensors = {"thumbnails": self.small, "told": torch.frombuffer(bytearray(told), dtype=torch.uint8)}
        with explained(run / FILE):
            write_file(run / FILE, pack(tensors))

    @classmethod
    def open(cls, run: Path) -> Memory | None:
        """That of a run; None where it has none. Raises `RunError` where it is damaged."""
        if not (run / FILE).exists():
            return None
        try:
            tensors, _ = unpack(run / FILE)
        except RunError:
            raise RunError(f"{run / FILE} is damaged; restore it, or delete it: copies are not flagged then") from None
        told = json.loads(bytes(tensors["told"].tolist()))
        return cls(tensors["thumbnails"], tuple(told["names"]), bool(told["mirrored"]))

    def near(self, pictures: Tensor) -> list[str | None]:
        """For each of pictures (B, C, H, W) in [-1, 1] the training picture that it is nearly, or None.

        As the alarm `memorisation` has it: it lies less than half as far from that one as from the next.
        """
        rows = copied(pictures, self.small, self.mirrored).tolist()
        return [None if row < 0 else self.names[row] for row in rows]
