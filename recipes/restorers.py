"""The restorers that are to come with Huabi: a blind colour denoiser, a deblocker and a doubler of sides.

    python recipes/restorers.py PHOTOS --out runs                   # trains all three; goes on where it was stopped
    python recipes/restorers.py PHOTOS --only photo-denoiser --minutes 60
    python recipes/restorers.py --ship src/huabi/shipped            # writes what was trained, about 3 MB each

PHOTOS is any folder of pictures of 192 pixels a side or more. Expected: see docs/restore.md.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from recipe import ship, tell

import huabi

SIZE = 192
WIDTH = 32  # half as many weights as the default's, so that all three are small enough to come along
RESTORERS: dict[str, dict[str, Any]] = {
    "photo-denoiser": {"task": "denoise", "noise": "mixed", "crop": 96},
    "photo-deblocker": {"task": "dejpeg", "crop": 96},
    "photo-doubler": {"task": "upscale", "scale": 2, "crop": 96},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", help="a folder of pictures")
    parser.add_argument("--out", type=Path, default=Path("runs"))
    parser.add_argument("--only", choices=RESTORERS, help="one of them")
    parser.add_argument("--minutes", type=float, default=60, help="for each")
    parser.add_argument("--ship", type=Path, metavar="FOLDER", help="write the trained models here; train nothing")
    args = parser.parse_args()
    if not args.ship and not args.data:
        parser.error("say which pictures to train on")
    for name in [args.only] if args.only else RESTORERS:
        run = args.out / name
        if args.ship:
            ship(run, args.ship / name)
            continue
        resume = (run / "run.json").exists()
        shape = {"size": SIZE, "channels": 3, "settings": RESTORERS[name] | {"net.width": WIDTH}}
        huabi.train("restorer", args.data, run, budget=60 * args.minutes, resume=resume, on_report=tell, **shape)


if __name__ == "__main__":
    main()
