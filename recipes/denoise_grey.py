"""The blind grey denoiser of the papers: trained on Train400 alone, judged on Set12.

    python recipes/denoise_grey.py Train400 --out runs/denoise-grey --minutes 90     # goes on where it was stopped
    python bench/restore.py --set12 Set12 --run runs/denoise-grey

Train400 is a folder of 400 grey pictures of 180x180, Set12 one of the twelve that are tested on (Zhang et al. 2017).
Expected: see docs/restore.md.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from recipe import tell

import huabi

SETTINGS = {"task": "denoise", "sigma": 55, "crop": 96, "batch": 8, "lr": 2e-3}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="the folder Train400")
    parser.add_argument("--out", type=Path, default=Path("runs/denoise-grey"))
    parser.add_argument("--minutes", type=float, default=90)
    parser.add_argument("--dncnn", action="store_true", help="the paper's network instead of ours")
    args = parser.parse_args()
    settings = SETTINGS | ({"net": "dncnn", "lr": 1e-3} if args.dncnn else {})
    resume = (args.out / "run.json").exists()
    shape = {"size": 180, "channels": 1, "settings": settings}
    huabi.train("restorer", args.data, args.out, budget=60 * args.minutes, resume=resume, on_report=tell, **shape)


if __name__ == "__main__":
    main()
