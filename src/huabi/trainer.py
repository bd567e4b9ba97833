"""The trainer: turns a family's generator of updates into training steps."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor

from .errors import TrainingError
from .model import Batch, Family, Update
from .plan import Plan, rate
from .ranks import Ranks
from .rng import key_seed

PATIENCE = 8  # steps in a row without a finite gradient before training stops
KEPT = 1 << 20  # bytes: buffers up to this size are restored after a step that was not finite


@dataclass(frozen=True)
class Report:
    """One finished training step.

    `step` counts finished steps; `seconds` is the run's age; `alarms` are for people.
    """

    step: int
    total: int | None
    losses: dict[str, float]
    images_per_second: float
    seconds: float
    alarms: tuple[str, ...] = ()


@dataclass(frozen=True)
class Best:
    """The averaged weights whose pictures were nearest to the held-out ones so far."""

    step: int
    distance: float
    average: dict[str, Tensor]


@dataclass
class TrainerState:
    """What a trainer must remember, beside the family's own tensors, to go on to the bit."""

    step: int = 0
    seconds: float = 0.0
    bad: int = 0  # steps in a row without a finite gradient
    average: dict[str, Tensor] = field(default_factory=dict)
    judged: int = 0  # the last step whose pictures were held against held-out ones
    best: Best | None = None  # where that was asked for

    @property
    def chosen(self) -> dict[str, Tensor]:
        """The averaged weights that the run gives: the best ones where they are judged, else the latest."""
        return self.best.average if self.best else self.average


class Trainer:
    """Trains a family by its updates: turns, accumulation, averaging over processes, weight average, plan.

    Between two updates that `losses` yields it zeroes, back-propagates into that optimizer's parameters only, averages
    the gradients over micro-batches and processes, clips and steps.

    Args:
        family: on its device already.
        plan: how long, and so the learning rate's course and the weight average's length.
        seed: of the dropout masks.
        micro: rows of a micro-batch; None takes the whole batch at once.
        precision: "bf16" computes losses under autocast, "fp32" does not.
        ranks: the processes that train together; by default what torchrun started.
    """

    def __init__(
        self,
        family: Family,
        plan: Plan,
        *,
        seed: int = 0,
        micro: int | None = None,
        precision: str = "fp32",
        ranks: Ranks | None = None,
    ) -> None:
        self.family, self.plan, self.seed, self.micro, self.precision = family, plan, seed, micro, precision
        self.ranks = ranks or Ranks()
        self.optimizers = family.optimizers()
        self._peak = {name: [g["lr"] for g in opt.param_groups] for name, opt in self.optimizers.items()}
        self._owned = {n: [p for g in o.param_groups for p in g["params"]] for n, o in self.optimizers.items()}
        self.state = TrainerState(average={k: v.detach().clone() for k, v in sampled_tensors(family).items()})
        self.on_plan: Callable[[dict[str, object]], None] = self.plan.add
        self.on_micro: Callable[[int], None] = lambda rows: None
        self.reserve = 1.0  # seconds that the last save and preview take
        self._started = time.perf_counter()
        self._first = (-1, 0.0)  # the step and the time from which the pace is taken

    @property
    def step(self) -> int:
        return self.state.step

    @property
    def seconds(self) -> float:
        """The run's age in seconds, what came before a resume included."""
        return self.state.seconds + time.perf_counter() - self._started

    @property
    def planned(self) -> int:
        """Steps of the whole run; before its first estimate as many as `Family.planned` says."""
        return self.plan.total(self.step) or Family.planned

    def run(self, batches: Iterable[Batch]) -> Iterator[Report]:
        """Trains to the plan's end; yields a report after each step. `batches` starts at this trainer's step.

        Each batch is this process's share of the global one. Raises `TrainingError` when gradients stay infinite.
        """
        self._started = time.perf_counter()
        device = self.family.device
        self._first = (-1, 0.0)
        self.family.train()
        source = iter(batches)
        while not self.plan.done(self.step):
            start = time.perf_counter()
            batch = next(source).to(device)
            self.family.planned = self.planned
            losses, alarms = self._train_step(batch)
            self.state.step += 1
            self._average()
            processes = 1 if self.family.whole_batch else self.ranks.world
            rate = len(batch.image) * processes / (time.perf_counter() - start)
            yield Report(self.step, self.plan.total(self.step), losses, rate, self.seconds, tuple(alarms))
            self.family.train()
            self._replan()

    @property
    def pace(self) -> float:
        """Seconds of a step, as they have been of late; what comes between steps is in it."""
        step, seconds = self._first
        return (self.seconds - seconds) / max(1, self.step - max(0, step))

    @property
    def due(self) -> bool:
        """Whether the run's length is to be estimated anew."""
        return self.plan.due(self.step, self.begin)

    @property
    def begin(self) -> int:
        """The step from which on the run has its pace: where its stage began, or where its length was changed."""
        return max(self.family.stage(self.plan.total(self.step))[0], self.plan.restarted)

    def _replan(self) -> None:
        if self._first[0] <= self.begin:  # a first step also sets up kernels: not the pace to come
            self._first = (self.step, self.seconds)
        if not self.due or self._first[0] == self.step:
            return
        event = self.plan.estimate(self.step, self.seconds, self.pace, self.reserve)
        event = self.ranks.share(event)
        self.on_plan(event)  # on the disk before it acts

    def _train_step(self, batch: Batch) -> tuple[dict[str, float], list[str]]:
        rows = len(batch.image)
        while True:
            micro = min(self.micro or rows, rows)
            try:
                return self._turns([batch.rows(i, i + micro) for i in range(0, rows, micro)], rows)
            except torch.OutOfMemoryError:
                smaller = -(-micro // 2)
                if self.family.whole_batch or micro == 1 or self._stepped or self.ranks.world > 1:
                    raise TrainingError(
                        f"out of memory at {micro} pictures at once; use a smaller --batch, --size or net"
                    ) from None
            self.micro = smaller
            self.on_micro(smaller)

    def _turns(self, parts: list[Batch], rows: int) -> tuple[dict[str, float], list[str]]:
        """One step over micro-batches in lockstep: turn by turn, each micro-batch's loss is freed before the next."""
        self._stepped = False
        buffers = {k: b.clone() for k, b in self.family.named_buffers() if b.nbytes <= KEPT}
        generators = [self.family.losses(part, self.step) for part in parts]
        logs: dict[str, Tensor] = {}
        finite = True
        turn = 0
        while True:
            name = ""
            for k, (generator, part) in enumerate(zip(generators, parts)):
                share = len(part.image) / rows
                torch.manual_seed(key_seed("dropout", self.seed, self.step, self.ranks.rank, k, turn))
                update = self._next(generator)
                if (update.optimizer if update else "") != name and k > 0:
                    raise RuntimeError("micro-batches disagree on the turns: losses() must branch on step only")
                if update is None:
                    continue
                if k == 0:
                    name = update.optimizer
                    self.optimizers[name].zero_grad(set_to_none=True)
                self._backward(update, share)
                for key, value in {name: update.loss, **update.logs}.items():
                    logs[key] = logs.get(key, torch.zeros((), device=value.device)) + value.detach().float() * share
                del update
            if not name:
                break
            finite &= self._optimize(name)
            turn += 1
        return self._finish(finite, buffers, logs)

    def _next(self, generator: Iterator[Update]) -> Update | None:
        bf16 = self.precision == "bf16"
        with torch.autocast(self.family.device.type, torch.bfloat16, enabled=bf16):
            update = next(generator, None)
        if not torch.is_grad_enabled():
            torch.set_grad_enabled(True)
            raise RuntimeError("losses() yielded inside no_grad: close the context before the yield")
        return update

    def _backward(self, update: Update, share: float) -> None:
        loss = update.loss * share
        if len(self.optimizers) == 1:
            loss.backward()
        else:
            loss.backward(inputs=self._owned[update.optimizer])

    def _optimize(self, name: str) -> bool:
        """Averages, clips and steps one optimizer; False where the gradient is not finite, and nothing moved."""
        owned = [p for p in self._owned[name] if p.grad is not None]
        if not owned:
            raise RuntimeError(f"no gradient reached the parameters of optimizer {name!r}")
        gradients = [p.grad for p in owned if p.grad is not None]
        self.ranks.mean(gradients)
        norm = torch.nn.utils.get_total_norm(gradients)
        finite = not self.ranks.any(not bool(norm.isfinite()), self.family.device)
        if finite:
            torch.nn.utils.clip_grads_with_norm_(owned, self.family.max_grad_norm, norm)
            begin, end = self.family.stage(self.plan.total(self.step))
            length = None if end is None else end - begin
            factor = rate(self.step - begin, length, self.family.config.warmup)
            optimizer = self.optimizers[name]
            for group, peak in zip(optimizer.param_groups, self._peak[name]):
                group["lr"] = peak * factor
            optimizer.step()
            self._stepped = True
        for parameter in owned:
            parameter.grad = None  # freed at once: the next turn's peak does not hold them
        return finite

    def _finish(
        self, finite: bool, buffers: dict[str, Tensor], logs: dict[str, Tensor]
    ) -> tuple[dict[str, float], list[str]]:
        self.ranks.mean(logs.values())
        losses = {key: value.item() for key, value in logs.items()}
        if finite:
            self.state.bad = 0
            return losses, []
        with torch.no_grad():
            for key, buffer in self.family.named_buffers():
                if key in buffers:
                    buffer.copy_(buffers[key])
        self.state.bad += 1
        if self.state.bad >= PATIENCE:
            raise TrainingError(
                f"{PATIENCE} steps in a row gave no finite gradient (step {self.step}); the last saved state is good: "
                "start again with a lower learning rate, such as --set lr=0.0003"
            )
        bad = f"{self.state.bad} in a row, {PATIENCE} end the run"
        return losses, [
            f"divergence: the gradient of step {self.step} is not finite, step skipped ({bad}); lower --set lr"
        ]

    @torch.no_grad()
    def _average(self) -> None:
        """Moves the averaged weights towards the raw ones; its length is a fraction of the plan."""
        length = max(1.0, self.family.config.ema * self.planned)
        weight = max(1 / length, 9 / (10 + self.step))  # a young average forgets its start sooner
        raw = sampled_tensors(self.family)
        parameters = {name for name, _ in self.family.named_parameters()}
        moving = [name for name in raw if name in parameters]
        averages = [self.state.average[name] for name in moving]
        torch._foreach_lerp_(averages, [raw[name].detach() for name in moving], min(1.0, weight))
        for name, value in raw.items():
            if name not in parameters:
                self.state.average[name].copy_(value)

    @contextmanager
    def averaged(self) -> Iterator[Family]:
        """The family with its averaged weights, for sampling; the raw ones come back afterwards."""
        raw = sampled_tensors(self.family)
        kept = {name: value.data for name, value in raw.items()}
        training = self.family.training
        try:
            for name, value in raw.items():
                value.data = self.state.average[name]
            self.family.eval()
            yield self.family
        finally:
            for name, value in raw.items():
                value.data = kept[name]
            self.family.train(training)


def sampled_tensors(family: Family) -> dict[str, Tensor]:
    """Parameters and persistent buffers that sampling needs, by name: all but the `training_only` sub-modules."""
    skipped = tuple(f"{name}." for name in family.training_only)
    state = family.state_dict(keep_vars=True)
    return {name: value for name, value in state.items() if not name.startswith(skipped)}
