"""Every family that fits the data, trained alike and measured alike: which one is best on these pictures?

    compare.json            what the comparison is; a second start goes on with it
    <family>/               a run folder
    <family>/evaluation/    report.json, report.html, sheet.png, and made.json, which says of what they are
    report.json, report.html
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from . import __version__
from .checkpoint import Checkpoint, unpack
from .config import configure
from .data import prepare
from .data.files import Progress, shown
from .durable import explained, sha256, write_file, write_folder, write_json
from .errors import DataError, HuabiError, RequestError, RunError
from .evaluation import evaluate
from .families import find
from .families import names as all_families
from .job import DEFAULT_BUDGET, Job, Options, Stopped
from .machine import pick_device, pick_precision, pick_threads
from .metrics.features import features as features_of
from .model import DataSpec, Family
from .pages import comparison_page, encoded, evaluation_page
from .pictures import Picture, open_picture
from .report import run_summary
from .requests import Generate, Imagine, Request, Translate
from .signals import stop_signals
from .tables import preflight_lines
from .text import clock
from .trainer import Report
from .verdict import active, judge

RECORD = "compare.json"
LOOKS = 4  # at the held-out distance, in each training
SAMPLES = 1000


@dataclass(frozen=True)
class Task:
    """What families are compared at: the request that all of them answer, and the scores that may rank the answers."""

    name: str
    request: type[Request]
    scores: tuple[str, ...]  # the first that there is ranks; smaller is better
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # with which a family answers


GENERATE = Task("generate", Generate, ("KID x 1000", "kernel distance x 1000"))
TRANSLATE = Task(
    "translate", Translate, ("perceptual distance", *GENERATE.scores), {"diffusion": {"condition": "image"}}
)
TASKS = {task.name: task for task in (TRANSLATE, GENERATE)}  # the first that a family can learn from the data


@dataclass(frozen=True)
class Row:
    """How far one family of a comparison is."""

    family: str
    state: str = "waiting"  # then training, measuring, and done, failed or left out
    report: Report | None = None  # of the last training step
    distance: float | None = None  # the kernel distance that was measured last
    alarms: tuple[str, ...] = ()
    why: str = ""


def compare(
    data: str,
    out: Path,
    *,
    budget: float | None = None,
    families: Sequence[str] | None = None,
    size: tuple[int, int] | None = None,
    n: int = SAMPLES,
    features: str | None = None,
    seed: int | None = None,
    threads: int | None = None,
    device: str = "auto",
    progress: Progress | None = None,
    say: Callable[[str], None] = lambda line: None,
    on_row: Callable[[Row], object] = lambda row: None,
) -> dict[str, Any]:
    """Trains every family that fits `data` for the same time into `out`, measures them and ranks them; the facts.

    Started again it goes on where it was. None leaves a choice to Huabi, or to what the comparison in `out` has.

    Args:
        budget: seconds for each family; ten minutes by default.
        families: which to compare, all by default; on a second start they may become more.
        size: (rows, columns); by default what the preflight advises.
        n: pictures that are drawn from each family.
        features: the network that measures, see `huabi.metrics.features`.
        on_row: called with how far a family is.

    Raises DataError where no family fits, RunError where `out` holds another comparison, Stopped on SIGINT and SIGTERM.
    """
    if n < 2:
        raise RequestError(f"--n {n}: a distance needs at least 2 pictures; 1000 tell families apart")
    if budget is not None and budget <= 0:
        raise RequestError(f"--budget {budget:g}: it must be more than 0 seconds")
    asked: dict[str, Any] = {"budget": budget, "seed": seed, "threads": threads}
    asked["size"] = list(size) if size else None
    asked["device"] = None if device == "auto" else str(pick_device(device))
    with _alone(out), stop_signals() as stop:
        comparison = _Comparison(data, out, n, features, stop, progress, say, on_row)
        comparison.open(asked, families)
        return comparison.run()


@dataclass
class _Comparison:
    """One comparison in its folder, from its record to its report."""

    data: str
    out: Path
    n: int
    features: str | None
    stop: list[int]  # the signal that came, if one did
    progress: Progress | None
    say: Callable[[str], None]
    on_row: Callable[[Row], object]
    task: Task = GENERATE
    weights: str = ""  # of the network that measures
    preflight: Sequence[str] = ()  # lines that were said
    record: dict[str, Any] = field(default_factory=dict)  # compare.json
    rows: dict[str, Row] = field(default_factory=dict)

    def open(self, asked: Mapping[str, Any], chosen: Sequence[str] | None) -> None:
        """Looks at the data, and settles what the comparison is: as it began, or as asked."""
        known = _recorded(self.out)
        _agree(self.out, known, asked, chosen)
        names = list(dict.fromkeys(chosen or known.get("families") or all_families()))
        kinds = {name: find(name) for name in names}
        given = {name: value for name, value in asked.items() if value is not None}
        size = (known | given).get("size")
        data = prepare(self.data, size=tuple(size) if size else None, progress=self._watched)
        data.close()
        if known and known["fingerprint"] != data.fingerprint:
            raise RunError(
                f"{self.out} compares families on other pictures ({known['count']} of {known['data']}, as they were "
                f"then); bring those back, or choose another --out"
            )
        self.preflight = preflight_lines(data.findings)
        for line in self.preflight:
            self.say(line)
        fits = (name for name, task in TASKS.items() if not all(unfit(k, data.spec, task) for k in kinds.values()))
        self.task = TASKS[known.get("task", GENERATE.name) if known else next(fits, GENERATE.name)]
        whys = {name: unfit(kind, data.spec, self.task) for name, kind in kinds.items()}
        self.rows = {name: Row(name, "left out" if why else "waiting", why=why) for name, why in whys.items()}
        if all(whys.values()):
            reasons = "; ".join(f"{name} {why}" for name, why in whys.items())
            raise DataError(f"no family can be compared on {self.data}: {reasons}")
        device = pick_device((known | given).get("device", "auto"))
        settled = {
            "huabi": __version__,
            "data": self.data,
            "fingerprint": data.fingerprint,
            "count": data.findings.usable,
            "task": self.task.name,
            "size": list(data.spec.size),
            "budget": DEFAULT_BUDGET,
            "seed": 0,
            "threads": pick_threads(),
            "device": str(device),
            "precision": pick_precision(device),
        }
        self.record = settled | known | given | {"families": names}
        for name in names:
            self._options(name)  # what cannot be is refused now, and not by each family in turn
        net = features_of(self.features)
        self.features, self.weights = self.features or net.name, net.weights
        with explained(self.out):
            write_json(self.out / RECORD, self.record)

    def run(self) -> dict[str, Any]:
        """Trains and measures each family, and writes the report."""
        waiting = [row.family for row in self.rows.values() if row.state == "waiting"]
        each = clock(self.record["budget"])
        self.say(f"{len(waiting)} families, {each} of training each, and the measuring: {', '.join(waiting)}")
        for row in self.rows.values():
            self.on_row(row)
        evaluations: dict[str, dict[str, Any]] = {}
        for name in waiting:
            try:
                self._train(name)
                self._show(name, state="measuring")
                evaluations[name] = found = self._evaluation(name)
                distance = next((s["value"] for s in found["scores"] if s["name"] in GENERATE.scores), None)
                self._show(name, state="done", distance=distance, alarms=tuple(active(found["alarms"]).values()))
            except Stopped:
                raise
            except HuabiError as error:
                self._show(name, state="failed", why=str(error))
                self.say(f"{name} failed: {error}")
        return self._report(evaluations)

    def _train(self, name: str) -> None:
        options = self._options(name)
        if options.resume and Checkpoint.open(options.out).finished:
            return
        self._check()
        self._show(name, state="training")
        looked = 0.0
        for report in Job(options, self.progress, lambda line: self._told(name, line)).run():
            alarms = active((*self.rows[name].alarms, *report.alarms))
            self._show(name, report=report, alarms=tuple(alarms.values()))
            if report.seconds - looked > self.record["budget"] / (4 * LOOKS):
                looked = report.seconds
                self._show(name, distance=run_summary(options.out)["measured"].get("kernel_distance"))

    def _options(self, name: str) -> Options:
        out, record = self.out / name, self.record
        rows, columns = record["size"]
        return Options(
            family=name,
            data=self.data,
            out=out,
            size=(rows, columns),
            budget=record["budget"],
            seed=record["seed"],
            threads=record["threads"],
            device=record["device"],
            precision=record["precision"],
            resume=(out / "run.json").exists(),
            evaluate_every=record["budget"] / LOOKS if self.task is GENERATE else None,
            settings=self.task.settings.get(name, {}),
        )

    def _evaluation(self, name: str) -> dict[str, Any]:
        """The facts of a run's evaluation: those that are there, where they are of the same weights and protocol."""
        run = self.out / name
        folder = run / "evaluation"
        _, model = unpack(run / "model.safetensors")
        made: dict[str, Any] = {"huabi": __version__, "model": model, "n": self.n, "seed": self.record["seed"]}
        made |= {"features": self.features, "weights": self.weights}
        found = _read(folder / "report.json")
        if found is not None and _read(folder / "made.json") == made | {"report": sha256(_json(found))}:
            kept: dict[str, Any] = found
            return kept
        evaluation = evaluate(
            run,
            self.data,
            features=self.features,
            n=self.n,
            seed=self.record["seed"],
            device=self.record["device"],
            progress=self._watched,
            say=lambda line: self._told(name, line),
        )
        files = {f"{key}.png": Picture.of(picture).data for key, picture in evaluation.pictures.items()}
        report = _json(evaluation.facts)
        files |= {"report.json": report, "made.json": _json(made | {"report": sha256(report)})}
        files["report.html"] = encoded(evaluation_page(evaluation))
        Checkpoint.open(run).sweep()
        with explained(folder):
            write_folder(folder, files)
        return evaluation.facts

    def _report(self, evaluations: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
        rows = [
            {
                "family": row.family,
                "title": find(row.family).title,
                "run": shown(str(self.out / row.family)),
                "state": row.state,
                "why": row.why,
                "evaluation": evaluations.get(row.family),
            }
            for row in self.rows.values()
        ]
        verdict = judge(rows, self.task.scores)
        facts = {
            "kind": "comparison",
            "huabi": __version__,
            "data": shown(self.data),
            "task": self.task.name,
            "budget": self.record["budget"],
            "measure": verdict.measure,
            "on": verdict.on,
            "count": self.n,
            "size": self.record["size"],
            "families": rows,
            "ranking": verdict.ranking,
            "advice": verdict.advice,
        }
        sheets = {name: open_picture(self.out / name / "evaluation" / "sheet.png") for name in evaluations}
        with explained(self.out):
            write_file(self.out / "report.html", encoded(comparison_page(facts, sheets)))
            write_json(self.out / "report.json", facts)
        return facts

    def _show(self, name: str, **changes: Any) -> None:
        self.rows[name] = replace(self.rows[name], **changes)
        self.on_row(self.rows[name])

    def _told(self, name: str, line: str) -> None:
        if line not in self.preflight:  # which was said once
            self.say(f"{name}: {line}")

    def _check(self) -> None:
        if self.stop[0]:
            raise Stopped("stopped, and what was trained and measured so far is kept", self.stop[0])

    def _watched(self, what: str, done: int, total: int) -> None:
        self._check()
        if self.progress is not None:
            self.progress(what, done, total)


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Holds the folder of a comparison for this process; one that was made for it and got no record goes again."""
    if out.exists() and not out.is_dir():
        raise RunError(f"{out} is a file; choose a folder for --out")
    made, lock = not out.exists(), FileLock(out / "lock")
    with explained(out):
        out.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise RunError(f"another process compares in {out}; wait for it, or choose another --out") from None
    try:
        yield
    finally:
        lock.release()
        if made and not (out / RECORD).exists():
            with suppress(OSError):
                (out / "lock").unlink(missing_ok=True)
                out.rmdir()


def _recorded(out: Path) -> dict[str, Any]:
    """What the comparison in `out` is; nothing where none has begun there."""
    path = out / RECORD
    if not path.exists():
        if any(out.glob("run.json")) or any(out.glob("*/run.json")):
            raise RunError(f"{out} holds runs that no comparison made; choose another --out")
        return {}
    found = _read(path)
    if not isinstance(found, dict):
        raise RunError(f"{path} is damaged; restore it from a copy, or choose another --out")
    return found


def _agree(out: Path, known: Mapping[str, Any], asked: Mapping[str, Any], chosen: Sequence[str] | None) -> None:
    """Refuses what differs from what the comparison began with; more families are welcome."""
    if not known:
        return
    differs = [
        f"--{name} is {value}, the comparison has {known[name]}"
        for name, value in asked.items()
        if value is not None and value != known[name]
    ]
    if chosen and (missing := [name for name in known["families"] if name not in chosen]):
        differs.append(f"--families leaves out {', '.join(missing)}, which the comparison has")
    if differs:
        raise RunError(f"cannot go on with {out}: {'; '.join(differs)}; leave that out, or choose another --out")


def unfit(kind: type[Family], spec: DataSpec, task: Task) -> str:
    """Why a family takes no part, or nothing."""
    requests, needs = kind.role(configure(kind.Config(), task.settings.get(kind.name, {})))
    if task.request not in requests:
        return f"does not answer {task.request.__name__}"
    if Imagine in requests and not spec.captions:
        return "draws what captions say, and the data has none"
    missing = spec.lacks(needs)
    return f"needs {' and '.join(missing)}, which the data does not have" if missing else ""


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=1).encode("ascii")
