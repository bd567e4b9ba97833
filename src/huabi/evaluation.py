"""How good a run, or a folder of pictures, is: drawn, measured, and set down with all that the numbers depend on."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from . import __version__
from .data import PictureData, prepare, rows_of, to_unit
from .data.files import Progress
from .durable import explained, write_file, write_json
from .errors import RequestError
from .machine import pick_device
from .metrics.alarms import thumbnails
from .metrics.features import Features, embed
from .metrics.features import features as network
from .metrics.frechet import Moments
from .metrics.measure import measure, measure_few
from .metrics.nearest import Nearest, copies, digest, nearest, thumbnails_of
from .metrics.reference import Reference, reference
from .metrics.score import Score
from .pages import encoded, evaluation_page
from .pictures import grid, to_image, to_tensor
from .samples import FRAMES, FolderSamples, Labelled, RunSamples, is_run, samples_of
from .tables import preflight_lines
from .verdict import ALL, HELD_OUT, TRAINING

__all__ = ["Evaluation", "evaluate"]

SHOWN = 64  # pictures that are kept whole
SHEET = 1 << 20  # pixels of a sheet, at most
PAIRS = 16  # samples that are shown beside their nearest real picture
JUDGED = 1000  # pictures whose nearest real picture is looked for
COST = ("parameters", "train_seconds", "steps", "images_per_second", "seconds_per_picture", "peak_memory_mb")


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation found: `facts` as they stand in report.json, and the pictures of the page."""

    facts: dict[str, Any]
    pictures: dict[str, Image.Image]  # "sheet" and "nearest"; "between" where the family walks between two pictures

    def save(self, folder: Path) -> Path:
        """Writes report.json and report.html into `folder`; returns the latter's path."""
        page = folder / "report.html"
        with explained(page):
            folder.mkdir(parents=True, exist_ok=True)
            write_json(folder / "report.json", self.facts)
            write_file(page, encoded(evaluation_page(self)))
        return page


def evaluate(
    source: Path,
    against: str,
    *,
    features: str | None = None,
    n: int = 5000,
    seed: int = 0,
    device: str = "auto",
    progress: Progress = lambda what, done, total: None,
    say: Callable[[str], None] = lambda line: None,
) -> Evaluation:
    """Scores `n` pictures of `source`, drawn by a run or found in a folder, against those of `against`.

    Args:
        source: a run folder, or a folder of pictures of one size.
        against: the pictures to measure against, as `train` takes them; they are brought to the size of the others.
        features: see `huabi.metrics.features.features`.
        seed: of the first picture drawn; the next have the next seeds.
        progress: called with what is being done, how much is done, and of how much.
        say: called with a line for people.

    Raises HuabiError where there is nothing to measure: a run that draws nothing, fewer than 2 pictures on a side,
    pictures of different sizes, features that hold NaN, weights that are not the known ones.
    """
    if n < 2:
        raise RequestError(f"--n {n}: a distance needs at least 2 pictures")
    if not 0 <= seed < 2**63 - max(n, SHOWN):
        raise RequestError(f"--seed {seed}: it lies between 0 and 2^63 - 1, with room for as many more as are drawn")
    where = pick_device(device)
    samples = samples_of(source, n, seed, where) if is_run(source) else FolderSamples(source, n, seed, progress, say)
    net = network(features, where)
    data = samples.seen(prepare(against, progress=progress, **samples.shape))
    try:
        for line in preflight_lines(data.findings):
            say(line)
        return _judge(samples, source, against, data, net, progress)
    finally:
        data.close()


def _judge(
    samples: RunSamples | FolderSamples,
    source: Path,
    against: str,
    data: PictureData,
    net: Features,
    progress: Progress,
) -> Evaluation:
    parts = _parts(samples, data)
    references = _references(net, data, parts, progress)
    seen = _Seen(data.spec.labels)
    stream = seen.through(samples.pictures(data), lambda done: progress(samples.doing, done, samples.n))
    x = torch.cat(list(embed(net, stream)))
    run = samples if isinstance(samples, RunSamples) else None
    scores = [_plain(score, on) for on, score in run.against_truth()] if run else []
    scores += _scores(x, references, net, progress)
    notes = [*_setting(samples, data, against, net), *_copies(seen, data, against)]
    found, closeness = _nearest(seen, data, parts, progress)
    pictures = {"sheet": _sheet(seen.shown), "nearest": _pairs(seen.shown, data, found)}
    if run is not None and (walks := run.walks()):
        pictures["between"] = grid(walks, FRAMES)
    facts = {
        "kind": "evaluation",
        "huabi": __version__,
        "source": str(source),
        "family": samples.family,
        "against": against,
        "features": net.name,
        "n": len(x),
        "seed": samples.seed,
        "size": list(data.spec.size),
        "scores": scores,
        "classes": _classes(x, seen, data, references, net),
        "nearest": closeness,
        "alarms": run.alarms() if run else [],
        "notes": notes,
        "curves": run.curves() if run else {"losses": {}, "distance": []},
        "cost": run.cost() if run else dict.fromkeys(COST),
        "machine": run.machine() if run else None,
    }
    return Evaluation(facts, pictures)


class _Seen:
    """What is kept of pictures that stream by: the first of them whole, thumbnails of more, hashes of all."""

    def __init__(self, labels: tuple[str, ...]) -> None:
        self.known = {label: number for number, label in enumerate(labels)}
        self.shown: list[Image.Image] = []
        self.thumbs: list[Tensor] = []
        self.digests: list[bytes] = []
        self.numbers: list[int] = []  # of their labels, -1 where the data has no such

    def through(self, pictures: Iterable[Labelled], told: Callable[[int], None]) -> Iterator[Image.Image]:
        for picture, label in pictures:
            if len(self.shown) < SHOWN:
                self.shown.append(picture)
            if len(self.thumbs) < JUDGED:
                self.thumbs.extend(thumbnails(to_tensor(picture)[None]))
            self.digests.append(digest(np.asarray(picture)))
            self.numbers.append(self.known.get(label or "", -1))
            told(len(self.digests))
            yield picture


Parts = Mapping[str, NDArray[np.int64]]


def _parts(samples: RunSamples | FolderSamples, data: PictureData) -> Parts:
    """The pictures to measure against by what they are, those that say most of all first, the most of them last."""
    if samples.fingerprint in (None, data.fingerprint):
        return {HELD_OUT: data.heldout, TRAINING: data.train}
    return {ALL: np.concatenate([data.train, data.heldout])}  # the run was not trained by this split


def _references(net: Features, data: PictureData, parts: Parts, progress: Progress) -> dict[str, Reference]:
    found = {}
    for on, rows in parts.items():
        if len(rows) >= 2:
            found[on] = reference(net, data, rows, progress=lambda k, n, on=on: progress(f"reading {on}", k, n))  # type: ignore[misc]
    return found


def _scores(x: Tensor, references: Mapping[str, Reference], net: Features, progress: Progress) -> list[dict[str, Any]]:
    """All scores against each reference, and once those that need none."""
    found: dict[tuple[str, str], Score] = {}
    for done, (on, real) in enumerate(references.items()):
        progress("measuring", done, len(references))
        found |= {(on if s.protocol.reference else ALL, s.name): s for s in measure(x, real, net)}
    progress("measuring", len(references), len(references))
    return [_plain(score, on) for (on, _), score in found.items()]


def _plain(score: Score, on: str) -> dict[str, Any]:
    """A score as JSON; what is not known is None."""
    low, high = score.interval
    numbers = {"value": score.value, "error": score.error, "low": low, "high": high}
    return {
        "name": score.name,
        **{name: number if math.isfinite(number) else None for name, number in numbers.items()},
        "on": on,
        "protocol": asdict(score.protocol),
        "warnings": list(score.warnings),
        "text": str(score),
    }


def _classes(
    x: Tensor, seen: _Seen, data: PictureData, references: Mapping[str, Reference], net: Features
) -> list[dict[str, Any]]:
    """Each class by itself, against the most pictures; without scores where it has fewer than 2 on a side."""
    numbers = torch.tensor(seen.numbers)
    if data.labels is None or not bool((numbers >= 0).any()):
        return []
    on, real = list(references.items())[-1]
    truth, classes = torch.from_numpy(data.labels[real.rows]), []
    for number, label in enumerate(data.spec.labels):
        mine, theirs = x[numbers == number], real.features[truth == number]
        enough = min(len(mine), len(theirs)) >= 2
        scores = measure_few(mine, Reference(theirs, Moments(), real.seed), net) if enough else []
        plain = [_plain(score, on) for score in scores]
        classes.append({"label": label, "samples": len(mine), "reference": len(theirs), "scores": plain})
    return classes


def _nearest(seen: _Seen, data: PictureData, parts: Parts, progress: Progress) -> tuple[Nearest, dict[str, Any]]:
    """The samples' nearest real pictures, and how near they are, beside how near held-out pictures are."""
    rows, heldout = list(parts.values())[-1], parts.get(HELD_OUT, data.heldout[:0])[:JUDGED]
    thumbs = torch.cat([torch.stack(seen.thumbs), thumbnails_of(data, heldout)])
    found = nearest(thumbs, data, rows, lambda done, total: progress("looking for the nearest", done, total))
    mine, unseen = found.distance.split([len(seen.thumbs), len(heldout)])
    return found, {
        "samples": float(mine.median()),
        "heldout": float(unseen.median()) if len(unseen) else None,
        "nearer": float((mine[:, None] < unseen).double().mean()) if len(unseen) else None,  # share of all pairs
        "count": len(mine),
        "among": len(rows),
    }


def _setting(samples: RunSamples | FolderSamples, data: PictureData, against: str, net: Features) -> list[str]:
    """What must be known of the two sides before a number is believed."""
    own = samples.fingerprint == data.fingerprint
    notes = []
    if isinstance(samples, FolderSamples):
        notes.append("whether the maker of these pictures has seen those that they are measured against is not known")
    elif own:
        notes.append(
            f"{against} is what this run was trained on: numbers against the training pictures reward learning by "
            "heart; those against the held-out pictures, which it never saw, are the honest ones"
        )
    else:
        notes.append(
            f"{against} is not, as it stands now, what this run was trained on ({samples.header['data']}): which of "
            "its pictures the run has seen is not known"
        )
    if own and len(data.heldout) < 2:
        notes.append(f"{against} is too small for pictures to be held out: nothing here tells learning from copying")
    if net.name in ("classifier", "contrast"):
        notes.append(f"a {net.name} knows the pictures it was trained on: where they are these, it is no judge")
    return notes


def _copies(seen: _Seen, data: PictureData, against: str) -> list[str]:
    """Samples that are the same as one another, or as real pictures, to the pixel."""
    count, different = len(seen.digests), set(seen.digests)
    real = copies(different, data)
    same, notes = sum(own in real for own in seen.digests), []
    if same == count:
        notes.append(f"all of these are pictures of {against}: the numbers are those of real pictures, not of a model")
    elif same:
        notes.append(f"{same:,} of {count:,} are pictures of {against}, pixel for pixel: learnt by heart, or copied")
    if len(different) < count:
        notes.append(f"only {len(different):,} of {count:,} are different pictures")
    return notes


def _sheet(shown: list[Image.Image]) -> Image.Image:
    width, height = shown[0].size
    return grid(shown[: max(4, SHEET // (width * height))])


def _pairs(shown: list[Image.Image], data: PictureData, found: Nearest) -> Image.Image:
    """Of the samples that are shown those that come nearest to a real picture, each beside it."""
    width, height = shown[0].size
    count = max(4, min(PAIRS, SHEET // (2 * width * height)))
    order = found.distance[: len(shown)].argsort()[:count]
    real = to_unit(rows_of(data.images)(found.row[order].numpy()))
    pairs = [grid([shown[k], to_image(x)], 2, gap=0) for k, x in zip(order.tolist(), real)]
    return grid(pairs, 4, gap=max(4, width // 8))
