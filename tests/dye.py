"""A model of one colour, whose gate tests hold, and a server of it: alone, or in a thread of the test."""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
import uvicorn
from torch import Tensor

from huabi.model import DataSpec, Identity, Model
from huabi.requests import Edit, Generate, Imagine, Vary
from huabi.serve import shelf as shelves
from huabi.serve.app import Address, configured, run
from huabi.serve.guard import Access
from huabi.serve.jobs import Store
from huabi.serve.place import Place
from huabi.serve.service import Limits, Service
from huabi.serve.shelf import Shelf
from huabi.serve.worker import Worker


class Dye(Model):
    """Pictures of one colour, which the seed says; `gate` holds it back, so that tests need no clock."""

    requests = (Imagine, Edit, Vary, Generate)
    spec = DataSpec((8, 8), labels=("cat",))

    def __init__(self, rows: int = 4, seconds: float = 0.0) -> None:
        self.seconds = seconds  # of an estimate
        self.identity = Identity(hash="0" * 64, family="dye", rows=rows)
        self.gate = threading.Event()
        self.gate.set()
        self.batches: list[list[int]] = []
        self.estimates = 0

    def sample(self, requests: Sequence[Any]) -> Iterator[Tensor]:
        seeds = [request.seed for request in requests]
        self.batches.append(seeds)
        for request in requests:
            self.spec.label_index(getattr(request, "label", None))
            if (getattr(request, "prompt", None) or "").startswith("broken"):
                raise ValueError(request.prompt)
        for step in range(1, 5):
            self.estimates += 1
            yield torch.stack([torch.full((3, 8, 8), seed % 256 / 127.5 - 1) * step / 4 for seed in seeds])
            self.gate.wait(20)
            time.sleep(self.seconds)

    def batch_key(self, request: Any) -> Hashable:
        return type(request), getattr(request, "steps", None)


def until(true: Callable[[], Any], patience: float = 20.0) -> Any:
    end = time.monotonic() + patience
    while time.monotonic() < end:
        if found := true():
            return found
        time.sleep(0.005)
    raise AssertionError("it did not come to pass")


class Running:
    """A server in a thread of this process, on a free port."""

    def __init__(
        self, folder: Path, access: Access | None = None, limits: Limits | None = None, engine: Any = Worker
    ) -> None:
        store, shelf = Store(str(folder / "jobs.db"), 9), Shelf(folder=folder / "runs", budget=1 << 20)
        place = Place(folder / "runs", folder / "data")
        self.service = Service(store, shelf, limits or Limits(), place, engine)
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.server = uvicorn.Server(configured(self.service, access or Access()))
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.socket]}, daemon=True)
        self.thread.start()
        until(lambda: self.server.started)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(30)
        self.socket.close()


if __name__ == "__main__":  # a server that can be killed: FOLDER PORT SECONDS [STORE]
    folder, port, seconds = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    where = sys.argv[4] if len(sys.argv) > 4 else str(folder / "jobs.db")
    shelves.BUILT_IN["dye"] = lambda: Dye(seconds=seconds)
    torch.set_num_threads(1)
    run(Service(Store(where), Shelf(folder=folder)), Access(), Address(port=port))
