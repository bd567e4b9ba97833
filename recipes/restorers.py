"""The restorers that come with Huabi: a blind colour denoiser, a deblocker and a doubler of sides.

    python recipes/restorers.py PHOTOS [PHOTOS ...] --out runs      # trains all three; goes on where it was stopped
    python recipes/restorers.py PHOTOS --only photo-denoiser --minutes 60
    python recipes/restorers.py --ship src/huabi/shipped            # writes what was trained, about 3 MB each

PHOTOS are folders of photographs, the larger the better. Each is averaged down to 500 to 1,000 rows, and to half of
them, which leaves next to nothing of its own noise, blocks and softness, and cut into parts. Expected: docs/restore.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from PIL import Image
from recipe import photographs, readable, ship, tell

import huabi
from huabi.data.cache import digest
from huabi.tiles import places

SIZE = 180  # pixels of a part's side
ROWS = 1000  # that photographs are averaged down to, or somewhat fewer
WIDTH = 32  # fewer weights than the default's, so that all three are small enough to come along
RESTORERS: dict[str, dict[str, Any]] = {
    "photo-denoiser": {"task": "denoise", "noise": "mixed", "crop": 96},
    "photo-deblocker": {"task": "dejpeg", "crop": 96},
    "photo-doubler": {"task": "upscale", "scale": 2, "crop": 96},
}


def parts(photo: Image.Image) -> Iterator[Image.Image]:
    """Squares of a photograph that was averaged down, at two sizes."""
    first = -(-min(photo.size) // ROWS)
    for picture in (photo.reduce(first), photo.reduce(2 * first)):
        if min(picture.size) >= SIZE:
            for left, top in product(*(places(side, SIZE, 0) for side in picture.size)):
                yield picture.crop((left, top, left + SIZE, top + SIZE))


def cut(folders: Sequence[Path], to: Path) -> Path:
    """Writes the parts of all photographs in some folders, once: the folder below `to` where they are."""
    photos = photographs(folders)
    done = to / digest(*map(str, photos))[:16]
    if done.exists():
        return done
    begun = done.with_suffix(".begun")
    begun.mkdir(parents=True, exist_ok=True)
    for number, photo in enumerate(readable(photos)):
        for part, picture in enumerate(parts(photo)):
            picture.save(begun / f"{number:04d}-{part:04d}.png")
    return begun.rename(done)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", nargs="*", type=Path, help="folders of photographs")
    parser.add_argument("--out", type=Path, default=Path("runs"))
    parser.add_argument("--only", choices=RESTORERS, help="one of them")
    parser.add_argument("--minutes", type=float, default=25, help="for each")
    parser.add_argument("--ship", type=Path, metavar="FOLDER", help="write the trained models here; train nothing")
    args = parser.parse_args()
    if not args.ship and not args.photos:
        parser.error("say which photographs to train on")
    data = cut(args.photos, args.out / "photo-parts") if args.photos else None
    for name in [args.only] if args.only else RESTORERS:
        run = args.out / name
        if args.ship:
            ship(run, args.ship / name)
            continue
        resume = (run / "run.json").exists()
        shape = {"size": SIZE, "channels": 3, "settings": RESTORERS[name] | {"net.width": WIDTH}}
        budget = 60 * args.minutes
        huabi.train("restorer", str(data), run, budget=budget, resume=resume, on_report=tell, **shape)


if __name__ == "__main__":
    main()
