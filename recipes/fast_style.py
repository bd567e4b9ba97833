"""The style network that is to come with Huabi: `huabi stylize photo.jpg painting.jpg --out new.png` in seconds.

    python recipes/fast_style.py PHOTOS [PHOTOS ...] --data styles    # draws what it is trained on
    python recipes/fast_style.py --data styles --out runs/fast-style  # trains it; goes on where it was stopped
    python recipes/fast_style.py --out runs/fast-style --ship src/huabi/shipped/fast-style
    python bench/style.py --method fast-style                         # quality and seconds, beside the textbook

Contents are parts of photographs at several scales, and scenes of the world. Styles are those parts painted by brushes,
each a little different from the last, and scenes of the world; its crayon and its pixels, and the brush for
watercolours, are left out: on these it is judged. Expected: docs/style.md. Fine-tuned to one artist:
`huabi train fast_style PAINTINGS --init fast-style --out runs/mine --set school=0.5`.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path

from PIL import Image, ImageEnhance
from recipe import photographs, readable, ship, tell

import huabi
from huabi.classic.brush import BRUSHES, painted
from huabi.cores import cores
from huabi.data.world.compose import draw_scene
from huabi.data.world.styles import draw as draw_world
from huabi.decoding import fit_picture, open_picture

SIZE = 256
FIRST = 6 << 32  # the first of the scenes, which no other recipe learns from
SCENES = 1500  # as contents, flat, and as many others as styles
PAINTINGS = 3000
STYLES = ("flat", "pencil", "ink", "oil")
UNSEEN = ("watercolor",)  # of the brushes


def parts(photo: Image.Image) -> Iterator[Image.Image]:
    """The photograph, and squares of it in which there is less and less to be seen."""
    yield fit_picture(photo, (SIZE, SIZE))
    for across in (2, 4):
        side = min(photo.size) // across
        if side < SIZE:
            return
        for row in range(photo.height // side):
            for column in range(photo.width // side):
                box = (column * side, row * side, (column + 1) * side, (row + 1) * side)
                yield photo.crop(box).resize((SIZE, SIZE), Image.Resampling.BOX)


def painting(contents: Sequence[Path], to: Path, number: int) -> None:
    """A part of a photograph by one of the brushes, whose colours, tone and touch are drawn by chance."""
    dice = random.Random(number)
    brush = BRUSHES[dice.choice([name for name in BRUSHES if name not in UNSEEN])]
    brush = replace(brush, vivid=round(brush.vivid * dice.uniform(0.6, 1.4)), relief=dice.choice([brush.relief, 60]))
    picture = open_picture(dice.choice(contents))
    picture = ImageEnhance.Brightness(picture).enhance(dice.uniform(0.7, 1.3))
    done = painted(picture, brush, detail=dice.uniform(0.2, 0.9), seed=number)
    bands = list(done.split())
    if dice.random() < 0.3:  # another palette
        dice.shuffle(bands)
    Image.merge("RGB", bands).save(to / f"painting-{number:05d}.png")


def scene(content: Path, style: Path, number: int) -> None:
    """A scene as a content, and another one as a style."""
    hands = (("flat", content), (STYLES[number % len(STYLES)], style))
    for k, (hand, folder) in enumerate(hands):
        drawn = draw_world(draw_scene(FIRST + 2 * number + k), (SIZE, SIZE), hand)
        Image.fromarray(drawn).save(folder / f"scene-{number:05d}.png")


def write(folders: Sequence[Path], to: Path) -> None:
    """Writes contents to `trainA` and styles to `trainB`."""
    content, style = to / "trainA", to / "trainB"
    for folder in (content, style):
        folder.mkdir(parents=True, exist_ok=True)
    photos: list[Path] = []
    for photo in readable(photographs(folders)):
        for picture in islice(parts(photo), 40):
            photos.append(content / f"photo-{len(photos):05d}.png")
            picture.save(photos[-1])
    with ProcessPoolExecutor(cores()) as pool:
        list(pool.map(partial(scene, content, style), range(SCENES), chunksize=8))
        list(pool.map(partial(painting, photos, style), range(PAINTINGS), chunksize=8))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", nargs="*", type=Path, help="folders of photographs: draws the data, trains nothing")
    parser.add_argument("--data", type=Path, default=Path("styles"))
    parser.add_argument("--out", type=Path, default=Path("runs/fast-style"))
    parser.add_argument("--minutes", type=float, default=150)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--ship", type=Path, metavar="FOLDER", help="write the trained model here; train nothing")
    args = parser.parse_args()
    if args.ship:
        ship(args.out, args.ship)
    elif args.photos:
        write(args.photos, args.data)
    else:
        options = {"size": SIZE, "threads": args.threads, "resume": (args.out / "run.json").exists()}
        huabi.train("fast_style", str(args.data), args.out, budget=60 * args.minutes, on_report=tell, **options)


if __name__ == "__main__":
    main()
