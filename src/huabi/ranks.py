"""Several processes as one: what torchrun started, seen from inside a trainer.

Works over any backend of torch.distributed; with one process every call is free.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from .errors import HuabiError

T = TypeVar("T")
BUCKET = 1 << 24  # elements averaged in one message


def _join() -> None:
    """Joins the processes that torchrun started.

    After a restart torchrun's store still holds the addresses of the processes that are gone, under the same names:
    each start looks under names of its own.
    """
    import torch.distributed.nn  # imported later, defaults of its functions would hold the group

    backend = "nccl" if torch.cuda.is_available() else "gloo"
    wait = timedelta(minutes=30)
    if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True":
        dist.init_process_group(backend, timeout=wait)
        return
    address, start = os.environ["MASTER_ADDR"], os.environ["TORCHELASTIC_RESTART_COUNT"]
    shared = dist.TCPStore(address, int(os.environ["MASTER_PORT"]), is_master=False, timeout=wait)  # type: ignore[attr-defined]
    store = dist.PrefixStore(f"huabi/start-{start}", shared)  # type: ignore[attr-defined]
    rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    dist.init_process_group(backend, store=store, rank=rank, world_size=world, timeout=wait)


class Ranks:
    """This process's place among `world` equal ones."""

    def __init__(self) -> None:
        self.world = int(os.environ.get("WORLD_SIZE", 1))
        self.rank = int(os.environ.get("RANK", 0))
        if self.world > 1 and not dist.is_initialized():
            _join()
        if self.world > 1 and dist.get_world_size() != self.world:
            raise RuntimeError(f"{dist.get_world_size()} processes joined, {self.world} were started")

    @classmethod
    def alone(cls) -> Ranks:
        """One process by itself, whatever else was started."""
        ranks = cls.__new__(cls)
        ranks.world, ranks.rank = 1, 0
        return ranks

    @property
    def main(self) -> bool:
        """Whether this process writes files and speaks."""
        return self.rank == 0

    def mean(self, tensors: Iterable[Tensor]) -> None:
        """Averages each tensor over the processes, in place, in flat buckets of one type."""
        if self.world == 1:
            return
        bucket: list[Tensor] = []
        for tensor in tensors:
            if bucket and (bucket[0].dtype != tensor.dtype or sum(t.numel() for t in bucket) > BUCKET):
                self._mean_bucket(bucket)
                bucket = []
            bucket.append(tensor)
        if bucket:
            self._mean_bucket(bucket)

    def _mean_bucket(self, bucket: list[Tensor]) -> None:
        flat = torch.cat([t.reshape(-1) for t in bucket])
        dist.all_reduce(flat)
        flat /= self.world
        for tensor, part in zip(bucket, flat.split([t.numel() for t in bucket])):
            tensor.copy_(part.view_as(tensor))

    def any(self, flag: bool, device: torch.device) -> bool:
        """Whether any process says so: what one must do, all do."""
        return self.most(int(flag), device) > 0

    def most(self, number: int, device: torch.device) -> int:
        """The largest of the processes' numbers."""
        if self.world == 1:
            return number
        tensor = torch.tensor(number, dtype=torch.int64, device=device if device.type == "cuda" else "cpu")
        dist.all_reduce(tensor, op=dist.ReduceOp.MAX)
        return int(tensor)

    def share(self, value: Any) -> Any:
        """The first process's value, in every process."""
        if self.world == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0)
        return box[0]

    def first(self, action: Callable[[], T]) -> T:
        """What `action` returns or raises in the first process, in every process."""
        if self.world == 1:
            return action()
        box: list[Any] = [None, None]
        if self.main:
            try:
                box[0] = action()
            except HuabiError as error:
                box[1] = error
        dist.broadcast_object_list(box, src=0)
        if box[1] is not None:
            raise box[1]
        result: T = box[0]
        return result

    def leave(self) -> None:
        if self.world > 1 and dist.is_initialized():
            dist.destroy_process_group()
