"""How good are the pictures after so many minutes? Huabi's families and their peers under one protocol.

    python bench/quality.py DATA --family diffusion --size 32 --minutes 10 --seed 0
    python bench/quality.py DATA --family peer:ddpm --size 32 --minutes 10 --seed 0
    python bench/quality.py DATA --floor --size 32
    python bench/quality.py --table runs/quality/results.jsonl

The protocol stands in bench/README.md.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

import huabi
import peers
import results
from huabi import api, cost, drawing, weights
from huabi.data import PictureData, prepare
from huabi.machine import matrix_ceiling, pick_device, pick_precision, pick_threads, processor
from huabi.metrics.frechet import Moments, frechet_distance
from huabi.metrics.kernel import kernel_distance
from huabi.pictures import grid, save_picture, to_image

REFERENCE = 10_000  # training pictures that everything is compared with
CHUNK = 50  # pictures that go through a network at once
FLOOR, NOISE = "real, held out", "uniform noise"

Record = dict[str, Any]


def say(line: str) -> None:
    print(line, flush=True)


class Judge:
    """FD and KD of pictures against `REFERENCE` training pictures; their features are cached by the data's fingerprint.

    The network is EfficientNet-Lite0, which nothing here trains on or is guided by.
    """

    def __init__(self, data: PictureData, cache: Path) -> None:
        self.data, self.cache = data, cache
        self._net: torch.nn.Module | None = None
        count = min(REFERENCE, len(data.train))
        rows = np.sort(np.random.default_rng(0).choice(data.train, count, replace=False))
        self.key = f"lite0-{data.fingerprint[:16]}-{count}"
        self.reference = self._cached(f"{self.key}.npy", lambda: np.asarray(data.images[rows]))
        self._moments = Moments([self.reference])

    def score(self, pictures: np.ndarray) -> Record:
        """FD, KD and its standard error of pictures (N, H, W, C) uint8."""
        return self.grade(self.features(pictures))

    def floor(self, n: int) -> Record:
        """The score of `n` held-out pictures, or of as many as there are: what a perfect generator would get."""
        rows = np.sort(np.random.default_rng(1).permutation(self.data.heldout)[:n])
        features = self._cached(f"{self.key}-heldout-{len(rows)}.npy", lambda: np.asarray(self.data.images[rows]))
        return {"family": FLOOR, "samples": len(rows), **self.grade(features)}

    def noise(self, n: int) -> Record:
        """The score of `n` pictures of uniform noise: what no generator should get."""

        def draw() -> np.ndarray:
            return np.random.default_rng(0).integers(0, 256, (n, *self.data.images.shape[1:]), dtype=np.uint8)

        return {"family": NOISE, "samples": n, **self.grade(self._cached(f"{self.key}-noise-{n}.npy", draw))}

    def grade(self, features: Tensor) -> Record:
        """The same of their features (N, D)."""
        kernel = kernel_distance(features, self.reference, torch.Generator().manual_seed(0))
        error = None if math.isnan(kernel.error) else round(kernel.error, 3)
        fd = frechet_distance(Moments([features]), self._moments)
        return {"fd": round(fd, 3), "kd": round(kernel.value, 3), "kd_error": error}

    def features(self, pictures: np.ndarray) -> Tensor:
        """The network's features (N, D) of pictures (N, H, W, C) uint8."""
        if self._net is None:
            self._net = weights.efficientnet_lite0()
        rows = []
        for start in range(0, len(pictures), CHUNK):
            x = torch.from_numpy(pictures[start : start + CHUNK]).permute(0, 3, 1, 2)[:, :3].float()
            rows.append(self._net(x.div_(127.5).sub_(1)))
            if start % 1000 == 950 and len(pictures) > 1000:
                say(f"  features of {start + CHUNK:,} of {len(pictures):,} pictures")
        return torch.cat(rows)

    def _cached(self, name: str, pictures: Callable[[], np.ndarray]) -> Tensor:
        path = self.cache / name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            temp = path.with_suffix(f".{os.getpid()}.tmp")
            with temp.open("wb") as file:
                np.save(file, self.features(pictures()).numpy())
            temp.replace(path)
        return torch.from_numpy(np.load(path))


@dataclass(frozen=True)
class Outcome:
    """What a run has come to; `record` holds its figures."""

    pictures: list[Image.Image]
    record: Record


def labels_for(data: PictureData, labels: Sequence[str], n: int) -> list[str | None]:
    """`n` labels in the proportions of the training pictures, in a fixed mixed order."""
    if not labels:
        return [None] * n
    share = np.asarray(data.spec.weights) * n
    counts = np.floor(share).astype(int)
    for k in np.argsort(counts - share, kind="stable")[: n - counts.sum()]:
        counts[k] += 1
    row = np.repeat(np.arange(len(labels)), counts)
    return [labels[k] for k in np.random.default_rng(0).permutation(row)]


def run_huabi(data: PictureData, args: argparse.Namespace, settings: dict[str, str], folder: Path) -> Outcome:
    """Trains and draws as a user would: `huabi.train`, then requests to the model that comes back."""
    source = flattened(data, args) if args.unconditional and data.spec.labels else args.data
    prepare(source, size=args.size)  # decoded beforehand, so that no one's time counts it
    last: list[Any] = []
    options: Record = {"seed": args.seed, "threads": args.threads, "device": args.device}
    if args.precision:
        options["precision"] = args.precision

    def on_report(report: Any) -> None:
        if not last or report.seconds - told[0] > 10:
            told[0] = report.seconds
            say(f"  step {report.step}  {report.losses}  {report.images_per_second:.1f} images/s")
        last[:] = [report]

    told = [0.0]
    options |= {"budget": args.minutes * 60, "size": args.size, "settings": settings, "on_report": on_report}
    model = api.train(args.family, source, folder, **options)
    header = json.loads((folder / "run.json").read_text())
    report, batch = last[0], header["batch"]
    names = labels_for(data, model.spec.labels, args.samples)
    requests = [huabi.Generate(seed=(args.seed << 32) + i, label=label) for i, label in enumerate(names)]
    say(f"  drawing {len(requests):,} samples")
    start = time.perf_counter()
    drawn = {position: picture for position, picture, _ in drawing.draw(model, requests)}
    took = time.perf_counter() - start
    fresh = type(model)(model.config, model.spec)
    four, eight = (cost.step_flops(fresh, rows) for rows in (4, 8))  # linear in the rows, and small
    record = {
        "conditional": bool(model.spec.labels),
        "precision": header["precision"],
        "steps": report.step,
        "batch": batch,
        "seconds": report.seconds,
        "step_flops": four + (eight - four) * (batch - 4) // 4,
        "parameters": sum(p.numel() for p in model.parameters()),
        "samples_per_second": len(requests) / took,
        "version": f"huabi {huabi.__version__}",
    }
    return Outcome([drawn[i] for i in range(len(requests))], record)


def run_peer(data: PictureData, args: argparse.Namespace, settings: dict[str, str], folder: Path) -> Outcome:
    """Trains and draws with a peer, on the same decoded pictures."""
    device = pick_device(args.device)
    peer = peers.build(args.family.removeprefix("peer:"), settings, data.spec.shape, device, args.seed)
    trained = peers.train(peer, data.images, data.train, args.minutes * 60, args.seed, data.flip, say)
    say(f"  drawing {args.samples:,} samples")
    torch.manual_seed(args.seed + 1)
    pictures: list[Image.Image] = []
    start = time.perf_counter()
    while len(pictures) < args.samples:
        # whole chunks: a net with batch statistics draws a small rest badly
        pictures += [to_image(x) for x in peer.sample(CHUNK if args.samples >= CHUNK else args.samples)]
    took = time.perf_counter() - start
    record = {
        "conditional": False,
        "precision": "fp32",
        "steps": peer.steps,
        "batch": peer.config.batch,
        "seconds": trained.seconds,
        "step_flops": trained.step_flops,
        "parameters": peer.parameters,
        "samples_per_second": len(pictures) / took,
        "version": f"{peer.package} {version(peer.package)}" if peer.package else "textbook",
    }
    return Outcome(pictures[: args.samples], record)


def flattened(data: PictureData, args: argparse.Namespace) -> Path:
    """A folder of links to the training pictures without their class folders, so that Huabi sees no labels.

    The held-out pictures are left out: Huabi splits by content and label, and would train on some of them here.
    """
    root, target = Path(args.data).expanduser(), args.out / "flat" / data.fingerprint[:16]
    if not root.is_dir():
        raise SystemExit("--unconditional needs a folder of pictures on the disk, unpacked")
    if not target.exists():
        temp = target.with_name(f"{target.name}.{os.getpid()}.tmp")
        temp.mkdir(parents=True)
        for name in (data.names[row] for row in data.train):
            if not (root / name).is_file():
                raise SystemExit(f"--unconditional cannot find {name} in {root}")
            (temp / name.replace("/", "__")).symlink_to((root / name).resolve())
        temp.rename(target)
    return target


def new_folder(args: argparse.Namespace) -> Path:
    """A run folder that is not there yet."""
    name = f"{args.family}-{args.size}-{args.minutes:g}m-seed{args.seed}".replace(":", "-")
    name += "-unconditional" if args.unconditional else ""
    args.out.mkdir(parents=True, exist_ok=True)
    tried = (args.out / (name if n == 1 else f"{name}-{n}") for n in range(1, 10_000))
    return next(folder for folder in tried if not folder.exists() and not picture_of(folder).exists())


def picture_of(folder: Path) -> Path:
    """Where the grid of a run stands: beside its folder, under the same name."""
    return folder.parent / f"{folder.name}.png"


def run(data: PictureData, judge: Judge, args: argparse.Namespace) -> Record:
    """Trains, draws and judges one family; the record of it."""
    settings = dict(pair.split("=", 1) for pair in args.set)
    device = pick_device(args.device)
    precision = pick_precision(device)
    ceiling = matrix_ceiling(device, precision, seconds=3.0)
    say(f"{args.family}: {args.minutes:g} minutes on {len(data.train):,} pictures, {args.threads} threads")
    folder = new_folder(args)
    outcome = (run_peer if args.family.startswith("peer:") else run_huabi)(data, args, settings, folder)
    record = outcome.record
    image = args.grid or picture_of(folder)
    save_picture(grid(outcome.pictures[:64]), image)
    pixels = np.stack([np.asarray(p) for p in outcome.pictures])
    score = judge.score(pixels if pixels.ndim == 4 else pixels[..., None])
    rate = record["step_flops"] * record["steps"] / record["seconds"]
    return {
        **head(data, args),
        "family": args.family,
        "settings": settings,
        "minutes": args.minutes,
        "seed": args.seed,
        "samples": args.samples,
        **record,
        "images_per_second": record["steps"] * record["batch"] / record["seconds"],
        "gflops": rate / 1e9,
        "ceiling_gflops": ceiling / 1e9,
        "ceiling_precision": precision,
        "of_ceiling": rate / ceiling,
        **score,
        "grid": str(image),
    }


def head(data: PictureData, args: argparse.Namespace) -> Record:
    """What all records of one comparison share."""
    return {
        "when": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "data": Path(args.data).name or str(args.data),
        "fingerprint": data.fingerprint,
        "pictures": len(data.train),
        "size": args.size,
        "threads": args.threads,
        "machine": processor(),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def show(record: Record) -> None:
    """The record for people, one figure a line."""
    if "steps" in record:
        conditional = "conditional on the class folders" if record["conditional"] else "unconditional"
        say(f"{record['family']} ({record['version']}), {conditional}, {record['precision']}")
        say(f"  steps              {record['steps']:,} of {record['batch']} pictures in {record['seconds']:.1f} s")
        say(f"  images/s           {record['images_per_second']:.1f}")
        share = f"{record['of_ceiling']:.0%} of {record['ceiling_gflops']:.0f} ({record['ceiling_precision']})"
        say(f"  GFLOP/s            {record['gflops']:.1f}, {share}")
        say(f"  parameters         {record['parameters']:,}")
        say(f"  samples/s          {record['samples_per_second']:.2f}")
        say(f"  grid               {record['grid']}")
    error = "" if record["kd_error"] is None else f" +- {record['kd_error']:.2f}"
    say(f"  {record['family']:<18} FD {record['fd']:.2f}   KD {record['kd']:.2f}{error}   N = {record['samples']:,}")


def parsed(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", help="a folder of pictures, as `huabi train` takes it")
    parser.add_argument("--family", help="a family of Huabi's, or peer:dcgan, peer:ddpm, peer:diffusers")
    parser.add_argument("--size", type=int, default=32, help="pixels of a side")
    parser.add_argument("--minutes", type=float, default=10.0, help="wall time of training")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--samples", type=int, default=1000, help="pictures drawn and judged; at least 2")
    parser.add_argument("--set", action="append", default=[], metavar="K=V", help="a setting of the family or peer")
    parser.add_argument("--unconditional", action="store_true", help="hide the class folders from Huabi")
    parser.add_argument("--floor", action="store_true", help="judge held-out pictures and noise; train nothing")
    parser.add_argument("--out", type=Path, default=Path("runs/quality"), help="run folders and grids")
    parser.add_argument("--grid", type=Path, help="where the grid of 64 samples goes; by default in --out")
    parser.add_argument("--json", type=Path, help="the results file; by default results.jsonl in --out")
    parser.add_argument("--cache", type=Path, help="features of the reference; by default features/ in --out")
    parser.add_argument("--threads", type=int, default=pick_threads())
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", choices=("bf16", "fp32"), help="Huabi's; by default what it picks")
    parser.add_argument("--table", type=Path, metavar="FILE", help="print the results in FILE as Markdown")
    args = parser.parse_args(argv)
    if args.table is None and (args.data is None or not (args.family or args.floor)):
        parser.error("say DATA and --family NAME, or DATA and --floor, or --table FILE")
    if any("=" not in pair for pair in args.set):
        parser.error("--set takes KEY=VALUE")
    args.json = args.json or args.out / "results.jsonl"
    args.cache = args.cache or args.out / "features"
    return args


def main(argv: Sequence[str] | None = None) -> None:
    args = parsed(argv)
    if args.table is not None:
        say(results.table(args.table))
        return
    torch.set_num_threads(args.threads)
    data = prepare(args.data, size=args.size)
    say(f"{args.data}: {len(data.train):,} pictures to train on, {len(data.heldout):,} held out")
    records: Iterable[Record]
    if args.floor:
        judge = Judge(data, args.cache)
        records = [head(data, args) | judge.floor(args.samples), head(data, args) | judge.noise(args.samples)]
        for record in records:
            results.append(record, args.json)
            show(record)
        return
    judge = Judge(data, args.cache)
    record = run(data, judge, args)
    results.append(record, args.json)
    show(record)
    show(judge.floor(args.samples))
    show(judge.noise(args.samples))


if __name__ == "__main__":
    try:
        main()
    except huabi.HuabiError as error:
        sys.exit(f"error: {error}")
