"""A training run from start to end: data, family, run folder, trainer, log, previews, saves, signals."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from . import __version__, cost, index
from .checkpoint import Checkpoint, unpack
from .config import configure, leaves
from .data import PictureData, batches, prepare
from .data.files import Progress
from .data.sources import ALONE
from .errors import DataError, HuabiError, RequestError, RunError
from .families import find
from .machine import pick_device, pick_precision, pick_threads
from .memory import FILE, Memory
from .model import DataSpec, Family
from .plan import Plan
from .ranks import Ranks
from .requests import Generate, Imagine
from .signals import stop_signals
from .tables import preflight_lines
from .trainer import Report, Trainer
from .watch import Watch
from .witness import Witness

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

SAVE_SECONDS = 30.0
LOG_SECONDS = 1.0
DEFAULT_BUDGET = 600.0  # seconds


class Stopped(HuabiError):
    """A signal ended the run; its state is saved."""

    def __init__(self, message: str, signum: int) -> None:
        super().__init__(message)
        self.signum = signum


@dataclass(frozen=True)
class Options:
    """What a person may say of a run; None leaves it to Huabi, or, on resume, to what the run says.

    `budget` and `evaluate_every` are in seconds; `settings` are the family's own, by dotted name; `save_every` is in
    steps.
    """

    family: str
    data: str
    out: Path
    size: tuple[int, int] | None = None
    channels: int | None = None
    fit: str | None = None
    flip: bool | None = None
    pairs: str | None = None
    balance: bool | None = None
    steps: int | None = None
    budget: float | None = None
    batch: int | None = None
    micro: int | None = None
    seed: int | None = None
    resume: bool = False
    init: Path | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    device: str = "auto"
    threads: int | None = None
    precision: str | None = None
    save_every: int | None = None
    evaluate_every: float | None = None
    tensorboard: bool = False

    def __post_init__(self) -> None:
        if self.steps is not None and self.budget is not None:
            raise RequestError("--steps and --budget exclude each other; say one of them")
        for name in ("steps", "batch", "micro", "threads", "save_every"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise RequestError(f"--{name.replace('_', '-')} {value}: it must be at least 1")
        if self.evaluate_every is not None and self.evaluate_every <= 0:
            raise RequestError(f"--evaluate-every {self.evaluate_every}: it must be more than no time, such as 5m")
        if self.seed is not None and not 0 <= self.seed < 2**63:
            raise RequestError(f"--seed {self.seed}: it lies between 0 and 2^63 - 1")
        if self.precision not in (None, "bf16", "fp32"):
            raise RequestError(f"--precision {self.precision}: known are bf16 and fp32")


class Job:
    """One training run. `run()` yields a report after each step and has saved everything when it ends.

    Args:
        options: what was asked.
        progress: called with (what, done, total) while pictures are decoded.
        say: called with a line for people.
    """

    def __init__(
        self, options: Options, progress: Progress | None = None, say: Callable[[str], None] = lambda line: None
    ) -> None:
        self.options, self.say = options, say
        self.ranks = Ranks()
        self.progress = progress if self.ranks.main else None
        self.data: PictureData | None = None
        self.trainer: Trainer | None = None
        self.checkpoint: Checkpoint | None = None
        self.watch: Watch | None = None  # where this process writes files
        self._stop = [0]  # the signal that came, if one did
        self._saved_step, self._saved_at = -1, 0.0
        self._logged = 0.0
        self._board: SummaryWriter | None = None

    def run(self) -> Iterator[Report]:
        """Trains to the end of the plan. Raises `Stopped` on SIGINT and SIGTERM, after saving."""
        try:
            with stop_signals() as self._stop:
                yield from self._run()
        finally:
            if self._board is not None:
                self._board.close()
            if self.checkpoint is not None and self.ranks.main:
                self.checkpoint.unlock()
            if self.data is not None:
                self.data.close()

    def _run(self) -> Iterator[Report]:
        header = self.ranks.first(self._open)
        self.checkpoint = self.checkpoint or Checkpoint(self.options.out, header)
        trainer = self.trainer = self._trainer(header)
        if trainer.plan.done(trainer.step):
            self._tell(f"{self.options.out} is finished at step {trainer.step}; --resume --steps N trains it longer")
            self._finish()
            return
        data = self.data = self.data or self._prepare(header["data_settings"])
        if data.fingerprint != header["fingerprint"]:
            raise RunError(
                f"cannot resume {self.options.out}: the pictures in {header['data']} have changed since it began "
                f"({data.spec.count} to train on now, {header['split']['train']} then); bring the old ones back, or "
                f"start a new run on the new ones with --init {self.options.out}"
            )
        if trainer.step:
            self._tell(f"resuming {self.options.out} at step {trainer.step}")
        whole = trainer.family.whole_batch  # every process computes it all
        rank, world = (0, 1) if whole else (self.ranks.rank, self.ranks.world)
        family = trainer.family
        source = batches(
            data,
            header["batch"],
            seed=header["seed"],
            step=trainer.step,
            rank=rank,
            world=world,
            balance=bool(header["data_settings"].get("balance")),
            sound=data.spec.has("sound") and "sound" in (*family.needs, *family.wants),
        )
        if self.options.tensorboard and self.ranks.main:
            self._board = _board(self.options.out)
        self._saved_step, self._saved_at = trainer.step, time.perf_counter()
        if self.ranks.main:
            self.watch = Watch(trainer, data, self.checkpoint, header.get("evaluate_every"), self.say)
        for report in trainer.run(source):
            yield self._keep(report)
            signum = self.ranks.most(self._stop[0], trainer.family.device)
            if signum and not trainer.plan.done(trainer.step):
                self._save()
                raise Stopped(f"stopped at step {trainer.step}, saved", signum)
        if self.watch is not None:
            self.watch.finish()
        self._save()
        if self.watch is not None:
            self.watch.preview()
        self._finish()

    def _finish(self) -> None:
        last = self._checkpoint.header["events"][-1:]
        if self.ranks.main and self.trainer and not any(event.get("finished") for event in last):
            best = self.trainer.state.best
            judged = {"best": best.step, "kernel_distance": best.distance} if best else {}
            index.add(unpack(self.options.out / "model.safetensors")[1], self.options.out)
            self._checkpoint.add_event({"step": self.trainer.step, "finished": True, **judged})

    def _tell(self, line: str) -> None:
        if self.ranks.main:
            self.say(line)

    def _keep(self, report: Report) -> Report:
        """Looks, logs and saves as it is due, none of which touches the training's numbers; the report with alarms."""
        if self.watch is None or self.trainer is None:
            return report
        report = self.watch.step(report)
        ends = report.step in (1, report.total)
        if ends or report.alarms or report.seconds - self._logged > LOG_SECONDS:
            self._log(report)
            self._logged = report.seconds
        every = self.options.save_every
        late = time.perf_counter() - self._saved_at > SAVE_SECONDS if every is None else report.step % every == 0
        if late and not self.trainer.plan.done(report.step):  # the end has its own save, after it is judged
            self._save()
        return report

    def _open(self) -> dict[str, Any]:
        """The run's header: a new one, or on resume the old one, once it agrees with what was asked."""
        options = self.options
        find(options.family)
        resume = options.resume or int(os.environ.get("TORCHELASTIC_RESTART_COUNT", 0)) > 0
        if (options.out / "run.json").exists():
            checkpoint = Checkpoint.open(options.out)
            checkpoint.lock()
            if not resume:
                raise RunError(f"{options.out} holds a run: add --resume to go on with it, or choose another --out")
            self._agree(checkpoint.header)
        else:
            if options.resume:
                self.say(f"{options.out} holds no run yet: starting at step 0")
            checkpoint = self._create()
        self.checkpoint = checkpoint
        checkpoint.sweep()
        return checkpoint.header

    def _create(self) -> Checkpoint:
        options = self.options
        kind = find(options.family)
        source = Checkpoint.open(index.place(options.init)) if options.init else None
        if source is not None and source.header["family"] != options.family:
            raise RunError(f"--init {options.init} is a {source.header['family']}, not a {options.family}")
        config = configure(kind.Config(), source.header["config"] if source else {})
        config = configure(config, {"batch": options.batch} if options.batch else {})
        config = configure(config, options.settings)
        data = self.data = self._prepare(self._data_settings(source))
        missing = data.spec.lacks(kind.role(config)[1])
        if missing:
            raise DataError(_lacking(options.family, missing, data))
        if source and kind.labelled and DataSpec.from_json(source.header["spec"]).labels != data.spec.labels:
            raise RunError(f"--init {options.init} was trained with other labels than those of {options.data}")
        device = pick_device(options.device)
        config = kind.fit(config, None if options.steps else partial(self._affordable, kind, data.spec, device))
        whole = kind(config, data.spec).whole_batch
        rows = config.batch if whole else config.batch // self.ranks.world
        if rows * self.ranks.world != config.batch and not whole:
            raise RequestError(f"--batch {config.batch} cannot be shared by {self.ranks.world} processes equally")
        if options.micro is not None and whole and options.micro < rows:
            raise RequestError(f"{options.family} needs its batch whole; leave --micro out")
        micro = options.micro or kind.micro
        micro = micro or cost.fit_micro(cost.measure(kind, config, data.spec), whole, rows, device)
        return Checkpoint.create(options.out, self._header(config, data, device, micro))

    def _affordable(self, kind: type[Family], spec: DataSpec, device: torch.device, config: Any) -> float:
        """How many training steps fit into the budget, as a few tell."""
        torch.set_num_threads(self.options.threads or pick_threads())
        return (self.options.budget or DEFAULT_BUDGET) / cost.step_seconds(kind, config, spec, device, cost.LAZY + 1)

    def _header(self, config: Any, data: PictureData, device: torch.device, micro: int) -> dict[str, Any]:
        options = self.options
        budget = options.budget or (None if options.steps else DEFAULT_BUDGET)
        return {
            "huabi": __version__,
            "family": options.family,
            "config": leaves(config),
            "spec": data.spec.to_json(),
            "data": options.data,
            "data_settings": data.settings,
            "fingerprint": data.fingerprint,
            "split": {"train": len(data.train), "heldout": len(data.heldout)},
            "seed": options.seed or 0,
            "batch": config.batch,
            "micro": micro,
            "rows": find(options.family).rows,
            "world": self.ranks.world,
            "threads": options.threads or pick_threads(),
            "precision": options.precision or pick_precision(device),
            "device": device.type,
            "versions": {"torch": torch.__version__, "numpy": np.__version__, "python": platform.python_version()},
            "init": str(options.init) if options.init else None,
            "budget": budget,
            "evaluate_every": options.evaluate_every,
            "events": [{"step": 0, "total": options.steps}] if options.steps else [],
        }

    def _data_settings(self, source: Checkpoint | None) -> dict[str, Any]:
        """How the pictures are prepared, as asked; a run that starts from another one's weights takes its shape."""
        options = self.options
        asked = {name: getattr(options, name) for name in ("size", "channels", "fit", "flip", "pairs", "balance")}
        if source is not None:
            old = source.header["data_settings"]
            asked |= {name: old[name] for name in ("size", "channels") if asked[name] is None}
        return {name: value for name, value in asked.items() if value is not None}

    def _prepare(self, settings: Mapping[str, Any]) -> PictureData:
        settings = dict(settings)
        if isinstance(settings.get("size"), list):
            settings["size"] = tuple(settings["size"])
        data = prepare(self.options.data, progress=self._reading, **settings)
        for line in preflight_lines(data.findings):
            self._tell(line)
        return data

    def _reading(self, what: str, done: int, total: int) -> None:
        """Shows how far the pictures are; ends here where a signal came, since decoding may take long."""
        if self._stop[0]:
            raise Stopped("stopped while the pictures were being read, before the first step", self._stop[0])
        if self.progress is not None:
            self.progress(what, done, total)

    def _agree(self, header: dict[str, Any]) -> None:
        """Refuses to go on where what was asked differs from what the run is; more steps or time are welcome."""
        options, differs = self.options, []
        old = header["data_settings"]
        config = header["config"]
        pairs: list[tuple[str, Any, Any]] = [("family", options.family, header["family"])]
        pairs += [("--seed", options.seed, header["seed"])]
        pairs += [("--batch", options.batch, header["batch"]), ("--micro", options.micro, header["micro"])]
        pairs += [("--threads", options.threads, header["threads"])]
        pairs += [("--precision", options.precision, header["precision"])]
        pairs += [("--evaluate-every", options.evaluate_every, header.get("evaluate_every"))]
        for name in ("channels", "fit", "flip", "pairs", "balance"):
            pairs.append((f"--{name}", getattr(options, name), old.get(name)))
        pairs.append(("--size", list(options.size) if options.size else None, list(old["size"])))
        kind = find(header["family"])
        asked = leaves(configure(configure(kind.Config(), config), options.settings))
        pairs += [(f"--set {key}", asked[key], _tupled(config[key])) for key in options.settings]
        for name, new, was in pairs:
            if new is not None and new != was:
                differs.append(f"{name} is {new}, the run has {was}")
        family = kind(configure(kind.Config(), config), DataSpec.from_json(header["spec"]))
        if self.ranks.world != header["world"] and not family.whole_batch and header["batch"] % self.ranks.world:
            differs.append(f"{self.ranks.world} processes cannot share a batch of {header['batch']}")
        if differs:
            raise RunError(
                f"cannot resume {options.out}: {'; '.join(differs)}; leave them out, or choose another --out"
            )

    def _trainer(self, header: dict[str, Any]) -> Trainer:
        """The trainer of the run, at its latest saved state."""
        device = pick_device(self.options.device)
        torch.set_num_threads(header["threads"])
        kind = find(header["family"])
        torch.manual_seed(header["seed"])  # initial weights
        family = kind(configure(kind.Config(), header["config"]), DataSpec.from_json(header["spec"]))
        family.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if header["init"] and not self._checkpoint.states():
            Checkpoint.open(index.place(header["init"])).load_weights(family)
        events = header["events"]
        plan = Plan([e for e in events if "total" in e], header["budget"])
        micro = min([header["micro"], *(e["micro"] for e in events if "micro" in e)])
        trainer = Trainer(
            family, plan, seed=header["seed"], micro=micro, precision=header["precision"], ranks=self.ranks
        )
        for note in self._checkpoint.restore(trainer):
            self._tell(note)
        if self.ranks.main:
            self._checkpoint.settle(trainer)
        trainer.on_plan = lambda event: self._change_plan(plan, event)
        trainer.on_micro = lambda rows: self._write({"step": trainer.step, "micro": rows})
        self._prolong(trainer, header)
        return trainer

    def _prolong(self, trainer: Trainer, header: dict[str, Any]) -> None:
        """Takes a new length, where one was asked for with --resume."""
        options, plan, step = self.options, trainer.plan, trainer.step
        if options.steps is not None and options.steps != plan.total(step):
            if options.steps < step:
                raise RunError(f"--steps {options.steps}: {options.out} is at step {step} already; ask for more")
            plan.budget = None
            self._change_plan(plan, {"step": step, "total": options.steps})
        elif options.budget is not None and options.budget != plan.budget:
            plan.budget = options.budget
            if step:
                pace = trainer.seconds / step
                event = plan.estimate(step, trainer.seconds, pace, trainer.reserve) | {"budget": plan.budget}
                self._change_plan(plan, self.ranks.share(event))
        if plan.budget != header["budget"]:
            header["budget"] = plan.budget
            if self.ranks.main:
                self._checkpoint.write_header()

    @property
    def _checkpoint(self) -> Checkpoint:
        if self.checkpoint is None:
            raise RuntimeError("the run is not open yet")
        return self.checkpoint

    def _write(self, event: dict[str, Any]) -> None:
        if self.ranks.main:
            self._checkpoint.add_event(event)

    def _change_plan(self, plan: Plan, event: dict[str, Any]) -> None:
        """A change of plan: on the disk first, then in force."""
        self._write(event)
        plan.add(event)

    def _log(self, report: Report) -> None:
        entry: dict[str, Any] = {"step": report.step, **report.losses}
        entry |= {"images_per_second": round(report.images_per_second, 2), "seconds": round(report.seconds, 3)}
        if report.alarms:
            entry["alarms"] = list(report.alarms)
        self._checkpoint.log(entry)
        if self._board is not None:
            for key, value in report.losses.items():
                self._board.add_scalar(key, value, report.step)

    def _save(self) -> None:
        trainer = self.trainer
        if not self.ranks.main or trainer is None:
            return
        start = time.perf_counter()
        if self._saved_step != trainer.step or not self._checkpoint.states():
            self._checkpoint.save(trainer)
        if self.watch is not None and {Generate, Imagine} & set(trainer.family.requests):
            self._remember(self.watch.witness)
        self._saved_step, self._saved_at = trainer.step, time.perf_counter()
        trainer.reserve = max(0.2, 2 * (self._saved_at - start)) + (self.watch.reserve if self.watch else 0.0)

    def _remember(self, witness: Witness) -> None:
        if not (self.options.out / FILE).exists() and (memory := Memory.of(witness)):
            memory.save(self.options.out)


def _lacking(family: str, missing: Sequence[str], data: PictureData) -> str:
    """What a family misses in the data, and what to do about it."""
    line = f"{family} needs {' and '.join(missing)}, which {data.findings.source} does not have"
    if "target" in missing and data.spec.pairing == "unpaired":
        return f"{line}: its two kinds of pictures are no pairs; `huabi train cyclegan` learns from them"
    if "target" in missing:
        why = "".join(f" ({note})" for note in data.findings.notes if ALONE in note)
        return f"{line}{why}: put pairs of one name into folders A and B, or say --pairs side-by-side"
    if "other" in missing:
        return f"{line}: put the two kinds of pictures into folders trainA and trainB"
    return line


def _tupled(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _board(out: Path) -> SummaryWriter:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise RequestError("--tensorboard needs a package: pip install 'huabi[board]'") from None
    return SummaryWriter(str(out / "tensorboard"))
