"""The text-to-image model that comes with Huabi: `huabi imagine "a red pagoda under a yellow moon, ink wash"`.

    python recipes/world_imagine.py --out runs/world-imagine      # trains it; goes on where it was stopped
    python recipes/world_imagine.py --out runs/world-imagine --ship src/huabi/shipped/world-imagine
    python bench/imagine.py world-imagine                         # how much of what is said it draws

The pictures take two cores a quarter of an hour before. Combinations that `WITHOUT` names are in none of them. Expected
figures: see docs/text_to_image.md.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from world_reader import ship, tell

import huabi

WITHOUT = "green-cat+pagoda-pixel+blue-house+horse-crayon"
DATA = f"world:n=40000,size=64,seed=2,language=both,captions=4,prompts=4,without={WITHOUT}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/world-imagine"))
    parser.add_argument("--minutes", type=float, default=90)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--ship", type=Path, metavar="FOLDER", help="write the trained model here; train nothing")
    args = parser.parse_args()
    if args.ship:
        ship(args.out, args.ship)
        return
    resume = (args.out / "run.json").exists()
    options = {"size": 64, "threads": args.threads, "save_every": 200, "resume": resume}
    huabi.train("text_to_image", DATA, args.out, budget=60 * args.minutes, on_report=tell, **options)


if __name__ == "__main__":
    main()
