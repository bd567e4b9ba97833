"""The listener that comes with Huabi: `huabi.load("world-listener")`.

    python recipes/world_listener.py --out runs/world-listener     # trains it; goes on where it was stopped
    python recipes/world_listener.py --out runs/world-listener --ship src/huabi/shipped/world-listener
    python recipes/world_listener.py --hear 400                    # how often unseen sounds are heard rightly

Expected: see docs/sound.md.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

import torch
from recipe import ship, tell

import huabi
from huabi.data.world.compose import draw_scene
from huabi.data.world.dice import Dice
from huabi.data.world.sounds import heard, sound
from huabi.mel import log_mel

DATA = "world:n=2000,size=16,seed=1,styles=flat"  # only the scenes count
STEPS = 1000


def hear(run: str, count: int) -> None:
    """Prints the share of sounds of scenes and seeds apart from training that are heard rightly, by attribute."""
    model, right, asked = huabi.load(run), Counter[str](), Counter[str]()
    for seed in range(count):
        facts = vars(draw_scene((7 << 32) + seed))
        for parts in ("all", "place", "tune"):
            samples = sound(facts, Dice("unseen", seed, parts), parts=parts)
            [shares] = model.hear(torch.from_numpy(log_mel(samples))[None])
            told = {name for name, _ in heard(facts, parts)} | ({"time", "weather"} if parts != "tune" else set())
            for name in told:
                asked[f"{parts} {name}"] += 1
                right[f"{parts} {name}"] += max(shares[name], key=shares[name].__getitem__) == facts[name]
    for name in sorted(asked):
        print(f"{name:15s} {right[name] / asked[name]:.1%} of {asked[name]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/world-listener"))
    parser.add_argument("--ship", type=Path, metavar="FOLDER", help="write the trained model here; train nothing")
    parser.add_argument("--hear", type=int, metavar="N", help="hear N unseen scenes; train nothing")
    parser.add_argument("--model", default="world-listener", help="what hears them")
    args = parser.parse_args()
    if args.hear:
        hear(args.model, args.hear)
    elif args.ship:
        ship(args.out, args.ship)
    else:
        resume = (args.out / "run.json").exists()
        huabi.train("listener", DATA, args.out, steps=STEPS, resume=resume, on_report=tell)


if __name__ == "__main__":
    main()
