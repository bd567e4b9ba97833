"""The reader of the picture world that comes with Huabi: `huabi.load("world-reader")`.

    python recipes/world_reader.py --out runs/world-reader     # trains it; goes on where it was stopped
    python recipes/world_reader.py --out runs/world-reader --ship src/huabi/shipped/world-reader
    python bench/world.py --read 1200                          # how far it agrees with the truth

Expected: see docs/world.md.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import huabi
from huabi.checkpoint import Checkpoint, pack, unpack
from huabi.durable import write_folder
from huabi.trainer import Report

FAMILY = "classifier"
DATA = "world:n=50000,size=64,seed=1"
STEPS = 5600
SETTINGS = {"lr": 4e-3, "smoothing": 0.02, "shift": 0.05}


def tell(report: Report) -> None:
    if report.step % 50 == 0:
        losses = "  ".join(f"{name} {loss:.3f}" for name, loss in report.losses.items())
        print(f"step {report.step}  {report.images_per_second:.0f}/s  {losses}", flush=True)


def ship(run: Path, to: Path) -> None:
    """Writes what loading needs of a run, weights in fp16."""
    header = Checkpoint.open(run).header | {"init": None}  # a folder of whoever trained it says nothing to others
    tensors, _ = unpack(run / "model.safetensors")
    half = pack({name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()})
    write_folder(to, {"model.safetensors": half})
    Checkpoint(to, header).write_header()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/world-reader"))
    parser.add_argument("--ship", type=Path, metavar="FOLDER", help="write the trained model here; train nothing")
    args = parser.parse_args()
    if args.ship:
        ship(args.out, args.ship)
        return
    resume = (args.out / "run.json").exists()
    huabi.train(FAMILY, DATA, args.out, steps=STEPS, settings=SETTINGS, resume=resume, on_report=tell)


if __name__ == "__main__":
    main()
