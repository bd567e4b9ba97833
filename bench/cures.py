"""What does each cure against the diseases of GANs and VAEs do? One case a line, all of them trained and measured.

    python bench/cures.py [PHOTOS] [--only digits-gan] [--minutes 10] [--seeds 3] [--out runs/cures]
    python bench/cures.py --table runs/cures        # Markdown of what is there
    python bench/cures.py --sheet runs/cures        # a sheet of samples for each part

Parts: `digits` (handwriting, a minute a run), `world` (the picture world, three minutes, one seed), `photos` (ten
minutes) and `small` (ten minutes on 500 pictures of the first class). PHOTOS is a folder with a folder for each class,
such as CIFAR-10. `--minutes` is what a run on photographs takes; the others take their share of it. A finished run is
not made again, and one that was cut short is. The grid of Gaussians is `gaussians.py`; methods: docs/cures.md.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageDraw

from grading import Grader
from huabi import HuabiError
from huabi.config import configure
from huabi.errors import TrainingError
from huabi.families import find
from huabi.job import Job, Options
from huabi.machine import pick_threads
from huabi.pictures import grid, save_picture
from huabi.report import alarms_of, log_rows
from results import append

Settings = Mapping[str, Any]
Record = dict[str, Any]

# Everything that this bench knows of the families' settings. The textbook's are those of DCGAN (Radford et al. 2016)
# and of the beta-VAE (Higgins et al. 2017); ours are the defaults.
TEXTBOOK: dict[str, Settings] = {
    "gan": {
        "batch": 64,
        "net": "dcgan",
        "loss": "nonsaturating",
        "r1": 0.0,
        "r2": 0.0,
        "lr": 2e-4,
        "critic_lr": 2e-4,
        "critic_steps": 1,
        "beta1": 0.5,
        "beta2": 0.999,
        "ema": 0.0,
        "augment": "none",
    },
    "vae": {
        "batch": 64,
        "beta": 1.0,
        "beta_warmup": 0,
        "latent.flow": 0,
        "latent.free_bits": 0.0,
        "detail.adversarial": 0.0,
        "detail.texture": 0.0,
    },
}
# Added to the textbook's, one at a time. What looks at the critic's slope or norm wants a critic without BatchNorm.
ADDED: dict[str, dict[str, Settings]] = {
    "gan": {
        "least squares": {"loss": "least-squares"},
        "hinge": {"loss": "hinge"},
        "wgan-gp": {"loss": "wgan-gp", "critic_steps": 5, "beta1": 0.0, "beta2": 0.9, "net.norm": False},
        "relativistic": {"loss": "relativistic"},
        "no BatchNorm in the critic": {"net.norm": False},
        "R1": {"r1": 0.05, "net.norm": False},
        "R1 and R2": {"r1": 0.05, "r2": 0.05, "net.norm": False},
        "two time scales": {"critic_lr": 8e-4},
        "no momentum": {"beta1": 0.0},
        "batches of 16": {"batch": 16},
        "averaging": {"ema": 0.05},
        "batch deviation": {"net.deviation": True},
        "spectral norm": {"net.spectral": True, "net.norm": False},
        "residual networks": {"net": "resnet"},
    },
    "vae": {
        "free bits": {"latent.free_bits": 4.0},
        "learnt prior": {"latent.flow": 4},
        "texture": {"detail.texture": 2.0},
        "critic": {"detail.adversarial": 0.5},
    },
}
# Ours, with one thing changed.
CHANGED: dict[str, dict[str, Settings]] = {
    "gan": {
        "ours without relativistic": {"loss": "nonsaturating"},
        "ours without R2": {"r2": 0.0},
        "ours without R1 and R2": {"r1": 0.0, "r2": 0.0},
        "ours without averaging": {"ema": 0.0},
        "ours without augmentation": {"augment": "none"},
        "ours without batch deviation": {"net.deviation": False},
        "ours without residual networks": {"net": "dcgan"},
    },
    "vae": {
        "ours without free bits": {"latent.free_bits": 0.0},
        "ours without learnt prior": {"latent.flow": 0},
        "ours without texture": {"detail.texture": 0.0},
        "ours without critic": {"detail.adversarial": 0.0},
        "ours with a codebook": {"latent": "vq"},
    },
}
ADAPTIVE: dict[str, Settings] = {"without ada": {"augment": "none"}, "with ada": {"augment": "ada"}}

WORLD = "world:styles=flat,n=4000,size=32"
SMALL = 500  # pictures of one class
HEADS = {
    "classes": "classes",
    "accuracy": "read as asked",
    "precision": "precision",
    "recall": "recall",
    "fd": "FD",
    "kd": "KD x1000",
    "detail": "fine detail",
    "reconstruction": "of reconstructions",
}


@dataclass(frozen=True)
class Case:
    """One way of training, in one part of the bench; `share` is of the minutes, `seeds` the most that it takes."""

    part: str
    family: str
    what: str
    settings: Settings = field(default_factory=dict)
    share: float = 1.0
    seeds: int = 3

    @property
    def name(self) -> str:
        return f"{self.part}-{self.family}-{self.what.replace(' ', '-').lower()}"


def cases() -> list[Case]:
    """All of them, in the order of the tables."""
    found = []
    for family, plain in TEXTBOOK.items():
        digits = {
            "textbook": plain,
            **{f"textbook with {name}": {**plain, **cure} for name, cure in ADDED[family].items()},
            **CHANGED[family],
            "ours": {},
        }
        found += [Case("digits", family, what, settings, share=0.1) for what, settings in digits.items()]
    for part, share, seeds in (("world", 0.3, 1), ("photos", 1.0, 3)):
        for family, plain in TEXTBOOK.items():
            found += [Case(part, family, "textbook", plain, share, seeds), Case(part, family, "ours", {}, share, seeds)]
    return found + [Case("small", "gan", what, settings) for what, settings in ADAPTIVE.items()]


def source(part: str, photos: Path | None, out: Path) -> tuple[str, str, int]:
    """What a part trains on, what it is held against, and the size of a side."""
    if part == "digits":
        return "digits", "digits", 16
    if part == "world":
        return WORLD, WORLD, 32
    if photos is None:
        raise SystemExit(f"error: {part} needs PHOTOS, a folder with a folder of pictures for each class")
    if part == "photos":
        return str(photos), str(photos), 32
    seen, unseen = divided(photos, out)
    return str(seen), str(unseen), 32


def divided(photos: Path, out: Path) -> tuple[Path, Path]:
    """Two folders of links: `SMALL` pictures of the first class, evenly chosen, and all others of that class."""
    folders = sorted(path for path in photos.expanduser().resolve().iterdir() if path.is_dir())
    files = sorted(path for path in folders[0].iterdir() if path.is_file()) if folders else []
    if len(files) < 2 * SMALL:
        raise SystemExit(f"error: {photos} has no folders of classes with {2 * SMALL:,} pictures; small needs them")
    chosen = {files[k * len(files) // SMALL] for k in range(SMALL)}
    for name, part in (("seen", sorted(chosen)), ("unseen", [path for path in files if path not in chosen])):
        folder = out / "small" / name
        folder.mkdir(parents=True, exist_ok=True)
        for path in part:
            if not (folder / path.name).is_symlink():
                (folder / path.name).symlink_to(path)
    return out / "small" / "seen", out / "small" / "unseen"


def run(case: Case, seed: int, args: argparse.Namespace, grader: Grader, data: str) -> Record:
    """Trains a case with a seed, draws, and measures; what it has come to."""
    folder = args.out / "runs" / f"{case.name}-{seed}"
    shutil.rmtree(folder, ignore_errors=True)
    options = Options(
        case.family,
        data,
        folder,
        size=(grader.size, grader.size),
        budget=60 * args.minutes * case.share,
        seed=seed,
        settings=case.settings,
        threads=args.threads,
    )
    steps, broken = 0, ""
    try:
        for report in Job(options, say=print).run():
            steps = report.step
    except TrainingError as error:
        broken = str(error)
        print(f"  {broken}")
    alarms = [alarm.partition(":")[0] for alarm in alarms_of(log_rows(folder / "log.jsonl")) if ": over" not in alarm]
    grades, shown = ({}, []) if broken else grader.grade(folder, args.samples, seed)
    if shown:
        save_picture(grid(shown[:64], 16), sheet_of(args.out, case, seed))
    return {
        "case": case.name,
        "seed": seed,
        "minutes": args.minutes * case.share,
        "threads": args.threads,
        "samples": args.samples,
        "steps": steps,
        "diverged": not grades or "divergence" in alarms,
        "alarms": list(dict.fromkeys(alarms)),
        **grades,
    }


def sheet_of(out: Path, case: Case, seed: int) -> Path:
    return out / "samples" / f"{case.name}-{seed}.png"


def train(args: argparse.Namespace) -> None:
    """All runs that are asked for and not yet there, part by part."""
    chosen = [case for case in cases() if args.only in case.name]
    for case in chosen:
        configure(find(case.family).Config(), case.settings)  # says at once what would fail in an hour
    (args.out / "samples").mkdir(parents=True, exist_ok=True)
    done = {(r["case"], r["seed"], r["minutes"]) for r in records(args.out)}
    for part in dict.fromkeys(case.part for case in chosen):
        todo = [
            (case, seed)
            for case in chosen
            for seed in range(min(args.seeds, case.seeds))
            if case.part == part and (case.name, seed, args.minutes * case.share) not in done
        ]
        if not todo:
            continue
        data, against, size = source(part, args.photos, args.out)
        with Grader(against, size, args.out / "features") as grader:
            for case, seed in todo:
                print(f"{case.name}, seed {seed}", flush=True)
                append(run(case, seed, args, grader, data), args.out / "results.jsonl")


def records(out: Path) -> list[Record]:
    """The lines of the results file; there may be none."""
    path = out / "results.jsonl"
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


def table(out: Path) -> str:
    """Markdown: a table for each part and length, a row for each case, means and deviations over seeds."""
    known = {case.name: case for case in cases()}
    groups: dict[tuple[str, float], dict[str, list[Record]]] = {}
    for record in records(out):
        if case := known.get(record["case"]):
            key = case.part, record["minutes"]
            groups.setdefault(key, {}).setdefault(case.name, []).append(record)
    return "\n\n".join(section(*key, members, known) for key, members in groups.items())


def section(part: str, minutes: float, members: Mapping[str, list[Record]], known: Mapping[str, Case]) -> str:
    every = [record for runs in members.values() for record in runs]
    shown = {name: head for name, head in HEADS.items() if any(name in record for record in every)}
    heads = ["family", "settings", "seeds", "steps", *shown.values(), "diverged", "alarms"]
    if part == "small":
        heads.insert(-2, "KD of each seed, 95 %")
    lines = [f"### {part}, {minutes:g} minutes, {every[0]['threads']} threads", "", "| " + " | ".join(heads) + " |"]
    lines.append("|---|---|" + "--:|" * (len(heads) - 3) + "---|")
    for name in (name for name in known if name in members):
        case, runs = known[name], sorted(members[name], key=lambda record: record["seed"])
        cells = [case.family, case.what, str(len(runs)), f"{statistics.fmean(r['steps'] for r in runs):,.0f}"]
        cells += [spread([r[measure] for r in runs if measure in r]) for measure in shown]
        if part == "small":
            each = [
                f"{r['kd'] - 1.96 * r['kd_error']:.1f} to {r['kd'] + 1.96 * r['kd_error']:.1f}"
                for r in runs
                if "kd" in r
            ]
            cells.append(", ".join(each))
        alarms = sorted({alarm for r in runs for alarm in r["alarms"]})
        told = [f"{alarm} {sum(alarm in r['alarms'] for r in runs)}" for alarm in alarms]
        cells += [f"{sum(r['diverged'] for r in runs)} of {len(runs)}", ", ".join(told) or "none"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def spread(values: Sequence[float]) -> str:
    """The mean, and the standard deviation over seeds where there are several."""
    if not values:
        return ""
    return f"{statistics.fmean(values):.3g}" + (f" ± {statistics.stdev(values):.2g}" if len(values) > 1 else "")


def sheets(out: Path) -> Iterator[Path]:
    """Writes a sheet of each part: a row of samples of the first seed for each case, its name above it."""
    for part in dict.fromkeys(case.part for case in cases()):
        rows = []
        for case in (case for case in cases() if case.part == part and sheet_of(out, case, 0).exists()):
            with Image.open(sheet_of(out, case, 0)) as picture:
                rows.append(titled(picture.convert("RGB"), f"{case.family}: {case.what}"))
        if rows:
            save_picture(grid(rows, 1, gap=8), out / f"{part}.png")
            yield out / f"{part}.png"


def titled(picture: Image.Image, title: str) -> Image.Image:
    """A picture with a line of text above it."""
    out = Image.new("RGB", (picture.width, picture.height + 14), "white")
    out.paste(picture, (0, 14))
    ImageDraw.Draw(out).text((0, 0), title, "black")
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", nargs="?", type=Path)
    parser.add_argument("--only", default="", help="cases whose name holds this, such as digits-gan or photos")
    parser.add_argument("--out", type=Path, default=Path("runs/cures"))
    parser.add_argument("--minutes", type=float, default=10, help="of a run on photographs")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--samples", type=int, default=1000, help="pictures drawn and judged")
    parser.add_argument("--threads", type=int, default=pick_threads())
    parser.add_argument("--table", type=Path, metavar="DIR", help="only the tables of what lies in this folder")
    parser.add_argument("--sheet", type=Path, metavar="DIR", help="only the sheets of what lies in this folder")
    args = parser.parse_args()
    if args.sheet:
        print(*sheets(args.sheet), sep="\n")
        return
    if not args.table:
        torch.set_num_threads(args.threads)
        train(args)
    print(table(args.table or args.out))


if __name__ == "__main__":
    try:
        main()
    except HuabiError as error:
        sys.exit(f"error: {error}")
