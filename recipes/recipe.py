"""What recipes share: how a training tells of itself, what of a run ships, and the command line of the plain ones."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

import huabi
from huabi.checkpoint import Checkpoint, pack, unpack
from huabi.decoding import PictureError, open_picture
from huabi.durable import write_folder
from huabi.pictures import SAVED_AS
from huabi.trainer import Report


def tell(report: Report) -> None:
    if report.step % 51 == 0:  # odd: families take turns
        losses = "  ".join(f"{name} {loss:.3f}" for name, loss in report.losses.items())
        print(f"step {report.step}  {report.images_per_second:.0f}/s  {losses}", flush=True)


def photographs(folders: Sequence[Path]) -> list[Path]:
    """The files of pictures in some folders."""
    return sorted(file for folder in folders for file in folder.rglob("*") if file.suffix.lower() in SAVED_AS)


def readable(files: Sequence[Path]) -> Iterator[Image.Image]:
    """The pictures of files; those that cannot be read are told of and left out."""
    for file in files:
        try:
            yield open_picture(file)
        except PictureError as error:
            print(f"left out: {error}")


def ship(run: Path, to: Path, size: tuple[int, int] | None = None) -> None:
    """Writes what loading needs of a run, weights in fp16.

    Args:
        size: rows and columns that one which goes on from it fits its pictures to; those of the run by default.
    """
    header = Checkpoint.open(run).header | {"init": None, "threads": 0}  # as many as there are where it draws
    if size is not None:
        header["spec"]["size"] = header["data_settings"]["size"] = list(size)
    tensors, _ = unpack(run / "model.safetensors")
    if any(name.startswith("codec.") for name in tensors):
        header["config"]["autoencoder"] = to.name  # where it came from lies with whoever trained it
    half = pack({name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()})
    write_folder(to, {"model.safetensors": half})
    Checkpoint(to, header).write_header()


def command(
    doc: str | None,
    name: str,
    family: str,
    data: str,
    *,
    minutes: float | None = None,
    stands_on: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
    **options: Any,
) -> None:
    """Trains `family` on `data` into --out, goes on where that was stopped, or ships it, as the words typed ask.

    Args:
        minutes: of the training, where `options` tell no steps; --minutes overrules them.
        stands_on: settings that name a run of another recipe, in `runs/world-NAME` where its own option says no other.
        settings, options: of `huabi.train`.
    """
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs") / name)
    if minutes is not None:
        parser.add_argument("--minutes", type=float, default=minutes)
    for other in stands_on:
        parser.add_argument(f"--{other}", default=f"runs/world-{other}", metavar="RUN")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--ship", type=Path, metavar="FOLDER", help="write the trained model here; train nothing")
    args = parser.parse_args()
    if args.ship:
        ship(args.out, args.ship)
        return
    if minutes is not None:
        options["budget"] = 60 * args.minutes
    settings = {**(settings or {}), **{other: getattr(args, other) for other in stands_on}}
    resume = (args.out / "run.json").exists()
    options |= {"threads": args.threads, "resume": resume, "settings": settings, "on_report": tell}
    huabi.train(family, data, args.out, **options)
