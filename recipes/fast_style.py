"""The style network that is to come with Huabi: `huabi stylize photo.jpg painting.jpg --out new.png` in seconds.

    python recipes/fast_style.py --data styles --pictures photos      # draws what it is trained on
    python recipes/fast_style.py --data styles --out runs/fast-style  # trains it; goes on where it was stopped
    python recipes/fast_style.py --out runs/fast-style --ship src/huabi/shipped/fast-style
    python bench/style.py --method fast-style                         # quality and seconds, beside the textbook

The data are scenes of the world in all six styles, the photographs and paintings of any folders that are given, and
each of those again by every brush. Two cores take some hours; weights in fp16 are about 2 MB. Fine-tuned to one artist:
`huabi train fast_style PAINTINGS --init fast-style --out runs/mine --set school=0.5`.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from recipe import ship, tell

import huabi
from huabi.classic.brush import BRUSHES, painted
from huabi.data.world.export import export
from huabi.data.world.spec import parse
from huabi.decoding import fit_picture, open_picture
from huabi.pictures import SAVED_AS, save_picture

SIZE = 256
SCENES = "world:n=6000,size=256,seed=11"
STEPS = 20_000


def draw(to: Path, folders: list[Path]) -> None:
    """Writes the pictures to train on: scenes, the pictures of `folders`, and all of those by every brush."""
    if not (to / "world").exists():
        export(parse(SCENES), to / "world", (SIZE, SIZE))
        shutil.rmtree(to / "world" / "masks")  # they are no paintings
        (to / "world" / "metadata.jsonl").unlink()  # nor shall labels be asked of all the others
    for folder in folders:
        for file in sorted(path for path in folder.rglob("*") if path.suffix.lower() in SAVED_AS):
            picture = fit_picture(open_picture(file), (SIZE, SIZE))
            name = "-".join([folder.name, *file.relative_to(folder).with_suffix(".png").parts])
            save_picture(picture, to / "pictures" / name, None)
            for brush in BRUSHES:
                save_picture(painted(picture, brush), to / brush / name, None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("styles"))
    parser.add_argument("--pictures", type=Path, nargs="+", metavar="FOLDER", help="draw the data; train nothing")
    parser.add_argument("--out", type=Path, default=Path("runs/fast-style"))
    parser.add_argument("--threads", type=int)
    parser.add_argument("--ship", type=Path, metavar="FOLDER", help="write the trained model here; train nothing")
    args = parser.parse_args()
    if args.ship:
        ship(args.out, args.ship)
    elif args.pictures:
        draw(args.data, args.pictures)
    else:
        options = {"size": SIZE, "threads": args.threads, "resume": (args.out / "run.json").exists()}
        huabi.train("fast_style", args.data, args.out, steps=STEPS, on_report=tell, **options)


if __name__ == "__main__":
    main()
