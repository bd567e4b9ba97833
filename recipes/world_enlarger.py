"""What makes the pictures of `world-imagine` four times as wide: `--model world-imagine+world-enlarger`.

    python recipes/world_enlarger.py --out runs/world-enlarger     # trains it; goes on where it was stopped
    python recipes/world_enlarger.py --out runs/world-enlarger --ship src/huabi/shipped/world-enlarger

Oil and crayon take a second or two of a core for each picture of 256 pixels, so there are few, and crops of them are
many. Expected figures: see docs/text_to_image.md.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from world_reader import ship, tell

import huabi

DATA = "world:n=1200,size=256,seed=5"
SETTINGS = {"task": "upscale", "scale": 4, "crop": 128, "net.width": 32, "net.depth": "1+2+2"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/world-enlarger"))
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--ship", type=Path, metavar="FOLDER", help="write the trained model here; train nothing")
    args = parser.parse_args()
    if args.ship:
        ship(args.out, args.ship)
        return
    resume = (args.out / "run.json").exists()
    options = {"size": 256, "settings": SETTINGS, "threads": args.threads, "resume": resume}
    huabi.train("restorer", DATA, args.out, budget=60 * args.minutes, on_report=tell, **options)


if __name__ == "__main__":
    main()
