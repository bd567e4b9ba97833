"""What a training step costs here: memory, time and arithmetic, measured on a few pictures beforehand."""

from __future__ import annotations

import itertools
import statistics
import time
from dataclasses import dataclass
from typing import Any

import torch
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from .errors import TrainingError
from .machine import free_memory, pick_precision
from .mel import BANDS, FRAMES
from .model import Batch, DataSpec, Family
from .plan import Plan
from .ranks import Ranks
from .rng import BatchRng
from .trainer import Trainer
from .truth import NAMED, record_size, unpack

SPARE = 0.6  # the share of free memory that a run may plan to take
SMALL = 32 * 32  # pixels of pictures of which a whole batch is quick to time
LAZY = 16  # steps of which one may do more than the others
LOOK = 1.5  # seconds in which steps are timed
SLACK = 2.0  # working memory of kernels and gradients in flight, over what autograd saves


@dataclass(frozen=True)
class Cost:
    """Bytes that a run needs whatever the micro-batch, bytes for each row of it, and the parameters' number."""

    fixed: int
    per_row: int
    parameters: int

    def bytes(self, rows: int) -> int:
        return self.fixed + rows * self.per_row


def example(spec: DataSpec, rows: int, seed: int = 0) -> Batch:
    """A batch of noise of the data's shape, for measuring and for tests."""
    rng = BatchRng(seed, 0, rows)
    picture = rng.normal(*spec.shape).clamp(-1, 1)
    paired = -picture if spec.pairing == "paired" else None
    other = picture.flip(3) if spec.has("other") else None
    label = rng.integers(len(spec.labels)) if spec.labels else None
    caption = tuple(f"picture {n}" for n in range(rows)) if spec.captions else None
    truth = _truth(spec, rows) if spec.facts else None
    sound = rng.uniform(BANDS, FRAMES) * 2 - 1 if spec.has("sound") else None
    sides = torch.tensor(spec.size).expand(rows, -1) // (1 + torch.arange(rows) % 2)[:, None] if spec.sized else None
    rng, index = BatchRng(seed, 0, rows), torch.arange(rows)
    told = {"target": paired, "other": other, "sound": sound, "truth": truth, "sides": sides}
    return Batch(picture, rng, index, label, caption, **told)


def _truth(spec: DataSpec, count: int) -> torch.Tensor:
    """Records of a scene of four things, one in each quarter, of which two pairs may be named."""
    records = torch.zeros(count, record_size(spec.facts, spec.size), dtype=torch.uint8)
    truth = unpack(records, spec.facts, spec.size)
    truth.kind[:, :4] = truth.colour[:, :4] = 1
    truth.relation[:, 0, 1] = truth.relation[:, 2, 3] = NAMED | 1
    rows, columns = (side // 2 for side in spec.size)
    for k, (top, left) in enumerate(itertools.product((0, rows), (0, columns))):
        truth.map[:, top:, left:] = k + 1
    return records


def _train(family: Family, rows: int, steps: int = 1, micro: int | None = None, precision: str = "fp32") -> list[float]:
    """Trains a throw-away `family` on noise; the seconds of each step, no more than three of which outlast `LOOK`."""
    trainer = Trainer(family, Plan.of_steps(steps), micro=micro, precision=precision, ranks=Ranks.alone())
    times = [time.perf_counter()]
    for _ in trainer.run([example(family.spec, rows)] * steps):
        times.append(time.perf_counter())
        if len(times) > 3 and times[-1] - times[0] > LOOK:
            break
    return [after - before for before, after in itertools.pairwise(times)]


def saved_bytes(family: Family, rows: int, micro: int | None = None) -> int:
    """The most bytes that autograd holds for the backward pass at any moment of a training step on `rows` pictures."""
    now = most = 0

    class Held:
        def __init__(self, tensor: torch.Tensor) -> None:
            nonlocal now, most
            self.tensor, self.size = tensor, tensor.nbytes
            now += self.size
            most = max(most, now)

        def __del__(self) -> None:
            nonlocal now
            now -= self.size

    with saved_tensors_hooks(Held, lambda held: held.tensor):
        _train(family, rows, micro=micro)
    return most


def measure(kind: type[Family], config: Any, spec: DataSpec) -> Cost:
    """The memory that training `kind` takes, from steps of a throw-away net on two and on four pictures."""
    family = kind(config, spec)
    parameters = sum(p.numel() for p in family.parameters())
    two, four = saved_bytes(family, 2), saved_bytes(family, 4)
    per_row = max(1, int(SLACK * (four - two) / 2))
    # weights, their average, gradients, two moments
    return Cost(fixed=parameters * 4 * 5, per_row=per_row, parameters=parameters)


def fit_micro(cost: Cost, whole_batch: bool, rows: int, device: torch.device) -> int:
    """The largest equal split of `rows` that fits into memory; raises `TrainingError` where one picture does not."""
    free = int(free_memory(device) * SPARE)
    micro = rows
    while cost.bytes(micro) > free and micro > 1 and not whole_batch:
        micro = -(-micro // 2)
    if cost.bytes(micro) > free:
        raise TrainingError(
            f"training needs {cost.bytes(micro) >> 20} MB at {micro} pictures a step, {free >> 20} MB are free; "
            "use a smaller --size, --batch or net"
        )
    return micro


def step_seconds(kind: type[Family], config: Any, spec: DataSpec, device: torch.device, steps: int = 3) -> float:
    """Seconds of a training step on `device`: of a whole one where the pictures are small, else from a few.

    What a step takes whatever its rows, such as the optimizer's part, is told from what each row adds. The first of the
    steps does not count; the mean of `LAZY` others has its share of what a family does in every 16th one alone.
    """
    precision = pick_precision(device)
    batch: int = config.batch
    rows = min(batch, max(4, batch * SMALL // (spec.size[0] * spec.size[1])))

    def mean(rows: int) -> float:
        return statistics.fmean(_train(kind(config, spec).to(device), rows, steps, precision=precision)[1:])

    seconds = mean(rows)
    if rows == batch:
        return seconds
    return seconds + max(0.0, seconds - mean(2)) / (rows - 2) * (batch - rows)


def forecast(kind: type[Family], config: Any, spec: DataSpec) -> dict[str, float]:
    """What a person wants to know before training: memory in MB and minutes per 1,000 steps, on this machine's CPU."""
    cost = measure(kind, config, spec)
    return {
        "parameters": cost.parameters,
        "memory_mb": round(cost.bytes(config.batch) / 2**20),
        "minutes_per_1000_steps": round(step_seconds(kind, config, spec, torch.device("cpu")) * 1000 / 60, 1),
    }


class Flops(TorchDispatchMode):
    """Counts the floating-point operations of matrix products and convolutions, a multiply-add as two.

    Unlike `FlopCounterMode` it lays no hooks on modules, which would refuse a penalty on the gradient of their inputs.
    """

    def __init__(self) -> None:
        super().__init__()
        self.total: int = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if count := flop_registry.get(func._overloadpacket):
            self.total += int(count(*args, **(kwargs or {}), out_val=out))
        return out


def step_flops(family: Family, rows: int) -> int:
    """Floating-point operations of one training step on `rows` pictures: the first, with all that is due there."""
    with Flops() as counter:
        _train(family, rows)
    total: int = counter.total
    return total
