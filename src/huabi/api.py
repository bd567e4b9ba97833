"""The functions of the public face: load, train, compare, draw, imagine, translate, evaluate, inspect."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import models, text
from .checkpoint import Checkpoint
from .choice import model_for
from .comparison import compare as compare_families
from .data import Preflight
from .data import inspect as inspect_data
from .drawing import draw as draw_requests
from .errors import RequestError
from .job import Job, Options
from .machine import pick_device
from .model import Family, Model
from .pictures import Picture
from .prompt import read
from .requests import Imagine, Translate
from .trainer import Report

if TYPE_CHECKING:
    from PIL import Image

    from .evaluation import Evaluation


def load(path: str | Path, device: str = "auto") -> Model:
    """The trained model of a run folder, or one that comes with Huabi, by its name; no code from the folder runs.

    So are text-to-image pipelines of diffusers: a folder with model_index.json, a checkpoint in one `.safetensors`
    file, `owner/name` in the hub's local cache, or `hf:owner/name`, which is downloaded.

    Raises `HuabiError` where there is none, or where it is damaged or not safe to load.
    """
    return models.load(path, device)


def train(
    family: str,
    data: str | Path,
    out: str | Path,
    *,
    budget: str | float | None = None,
    evaluate_every: str | float | None = None,
    size: str | int | None = None,
    on_report: Callable[[Report], object] | None = None,
    settings: Mapping[str, Any] | None = None,
    **options: Any,
) -> Family:
    """Trains `family` on `data` into the run folder `out` and returns the trained model.

    Args:
        family: diffusion, gan, vae and so on (`huabi --help` names them all), or an installed one.
        data: a folder, an archive, `world`, `digits` or `hf:owner/name`.
        budget: wall time, in seconds or as "10m"; or give `steps`. Ten minutes by default.
        size: pixels, as 64 or "96x64" (width x height); by default what the preflight advises.
        evaluate_every: time between evaluations, in seconds or as "5m"; the state whose pictures are nearest to
            held-out ones is kept, and not the last.
        on_report: called after each step.
        settings: the family's own settings by dotted name, as `--set` takes them.
        options: the other fields of `huabi.job.Options`, such as steps, seed, resume, init, device.
    """
    seconds, every = (text.duration(t) if isinstance(t, str) else t for t in (budget, evaluate_every))
    shape = text.size(str(size)) if size is not None else None
    known = Options.__dataclass_fields__
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise RequestError(f"train() has no option {unknown[0]!r}; known: {', '.join(known)}")
    if options.get("init") is not None:
        options["init"] = Path(options["init"])
    asked = Options(
        family,
        str(data),
        Path(out),
        size=shape,
        budget=seconds,
        evaluate_every=every,
        settings=dict(settings or {}),
        **options,
    )
    for report in Job(asked).run():
        if on_report is not None:
            on_report(report)
    return Checkpoint.load(out, pick_device(asked.device))


def compare(
    data: str | Path,
    out: str | Path,
    *,
    budget: str | float | None = None,
    size: str | int | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Trains and measures every family that fits `data` in the folder `out`, and ranks them; the facts of the report.

    Args:
        budget: wall time for each family, in seconds or as "10m". Ten minutes by default.
        size: pixels, as 64 or "96x64" (width x height); by default what the preflight advises.
        options: the other arguments of `huabi.comparison.compare`, such as families, n, seed.
    """
    seconds = text.duration(budget) if isinstance(budget, str) else budget
    shape = text.size(str(size)) if size is not None else None
    return compare_families(str(data), Path(out), budget=seconds, size=shape, **options)


def draw(model: Model, requests: Sequence[Any]) -> Iterator[Image.Image]:
    """The pictures that `requests` ask of `model`, in their order."""
    done: dict[int, Image.Image] = {}
    for position, picture, _ in draw_requests(model, requests):
        done[position] = picture
    for position in range(len(requests)):
        yield done[position]


def imagine(
    prompt: str = "",
    model: Model | str | Path | None = None,
    n: int | None = None,
    *,
    size: str | int | None = None,
    rank: str | Path | None = None,
    device: str = "auto",
    **options: Any,
) -> list[Image.Image]:
    """Pictures of what `prompt` says, with the options inside it, as `huabi imagine` draws them; four by default.

    Args:
        model: a loaded one, a run or a name; by default the user's last that fits, or what comes with Huabi.
        size: pixels, as 64 or "96x64" (width x height); by default the model's own.
        rank: a contrast run, or `clip:MODEL`, that orders them by how well they fit; of=16 draws more to choose from.
        options: other fields of `huabi.Imagine`, ar="3:2" and, of a walk, frames=8; they win over those in the prompt.
    """
    from .hearing import cut, fitted
    from .ranking import ranking_for

    shape = text.size(str(size)) if size is not None else None
    asked = read(prompt, {**options, "n": n, "size": shape})
    ranking = ranking_for(asked, rank, device)
    chosen = model if isinstance(model, Model) else model_for(Imagine, model, device)
    asked = fitted(asked, chosen.spec)
    for note in [*asked.notes, *cut(asked.request, chosen)]:
        warnings.warn(note, stacklevel=2)
    pictures = list(draw(chosen, asked.requests(chosen.paper)))
    return pictures if ranking is None else [pictures[place] for place, _ in ranking.best(pictures)]


def translate(
    image: Any, model: Model | str | Path | None = None, to: str | None = None, *, seed: int = 0, device: str = "auto"
) -> Image.Image:
    """What a picture becomes, as `huabi translate` draws it.

    Args:
        image: a path, bytes, a PIL image or a uint8 array, of any size.
        model: a loaded one, a run or a name; by default the user's last that translates.
        to: which kind of picture, where the model knows several, or which label.
        seed: where the model draws with noise.
    """
    chosen = model if isinstance(model, Model) else model_for(Translate, model, device)
    [picture] = draw(chosen, [Translate(image=Picture.of(image), to=to, seed=seed)])
    return picture


def evaluate(source: str | Path, against: str | Path, **options: Any) -> Evaluation:
    """How good a run, or a folder of pictures, is against the pictures of `against`; `save` writes its report.

    `options` are those of `huabi.evaluation.evaluate`, such as features, n, seed and device.
    """
    from .evaluation import evaluate as judge

    return judge(Path(source), str(against), **options)


def inspect(data: str | Path, **options: Any) -> Preflight:
    """What is in a folder, what is wrong with it, and what Huabi will do about it; changes nothing."""
    return inspect_data(str(data), **options)
