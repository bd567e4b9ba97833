"""A model that writes down what it draws, for replicas in processes of their own, and a server of them."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from dye import Dye
from huabi.serve import shelf as shelves
from huabi.serve.app import Address, run
from huabi.serve.crowd import Crowd, Replicas
from huabi.serve.guard import Access
from huabi.serve.jobs import Store
from huabi.serve.service import Service
from huabi.serve.shelf import Shelf


class Drawing(NamedTuple):
    """A call of the model."""

    process: int
    seeds: list[int]


class Ledger(Dye):
    """Writes each call into a file; waits before each estimate as long as there is another file."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def sample(self, requests: Sequence[Any]) -> Iterator[Tensor]:
        with (self.folder / "ledger").open("a") as file:
            file.write(" ".join(map(str, [os.getpid(), *(request.seed for request in requests)])) + "\n")
        for estimate in super().sample(requests):
            end = time.monotonic() + 60
            while (self.folder / "hold").exists() and time.monotonic() < end:
                yield estimate
                time.sleep(0.02)
            yield estimate


def read(folder: Path) -> list[Drawing]:
    """What was drawn so far."""
    path = folder / "ledger"
    lines = path.read_text().splitlines() if path.exists() else []
    return [Drawing(process, seeds) for process, *seeds in ([int(word) for word in line.split()] for line in lines)]


def stock(folder: Path) -> Shelf:
    shelves.BUILT_IN["dye"] = partial(Ledger, folder)
    return Shelf(folder=folder / "runs", budget=1 << 20)


def engine(folder: Path, replicas: str) -> Any:
    return partial(Crowd, replicas=Replicas.of(replicas), stock=partial(stock, folder))


if __name__ == "__main__":  # a server that gets signals: FOLDER PORT
    folder, port = Path(sys.argv[1]), int(sys.argv[2])
    service = Service(Store(str(folder / "jobs.db")), stock(folder), engine=engine(folder, "1"))
    run(service, Access(), Address(port=port))
