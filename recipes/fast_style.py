"""The style network that is to come with Huabi: `huabi stylize photo.jpg painting.jpg --out new.png` in seconds.

    python recipes/fast_style.py PHOTOS [PHOTOS ...] --data styles    # draws what it is trained on; goes on, too
    python recipes/fast_style.py --data styles --out runs/fast-style  # trains it; goes on where it was stopped
    python recipes/fast_style.py --out runs/fast-style --ship src/huabi/shipped/fast-style
    python bench/style.py --method fast-style                         # quality and seconds, beside the textbook

Pairs: a part of a photograph or a scene of the world, and the same by a hand: one of the brushes, each a little
different from the last, one of the simple hands of `hands.py`, or one of the world's. The world's crayon and its
pixels, and the brush for watercolours, are left out: on these it is judged. Expected: docs/style.md. Fine-tuned to one
artist, with photographs in `trainA` and paintings in `trainB`:
`huabi train fast_style FOLDER --init fast-style --out runs/mine --set school=0.5 --set lr=2e-4`.
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

from hands import HANDS
from PIL import Image, ImageEnhance
from recipe import photographs, readable, ship, tell

import huabi
from huabi.classic.brush import BRUSHES, painted
from huabi.cores import cores
from huabi.data.world.compose import draw_scene
from huabi.data.world.styles import draw as draw_world
from huabi.decoding import fit_picture, open_picture
from huabi.pictures import save_picture

SIZE = 256
FIRST = 6 << 32  # the first of the scenes, which no other recipe learns from
PAIRS = 6400
WORLD = ("pencil", "ink", "oil")
UNSEEN = ("watercolor",)  # of the brushes
Pair = tuple[Image.Image, Image.Image]  # a content, and it by a hand


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


def content(photos: Sequence[Path], dice: random.Random, number: int) -> Image.Image:
    """A part of a photograph, or in one of four a scene."""
    if dice.random() < 0.25:
        return Image.fromarray(draw_world(draw_scene(FIRST + number), (SIZE, SIZE), "flat"))
    return open_picture(dice.choice(photos))


def by_brush(given: Image.Image, dice: random.Random, number: int) -> Image.Image:
    """By one of the brushes, whose colours, tone and touch are drawn by chance."""
    brush = BRUSHES[dice.choice([name for name in BRUSHES if name not in UNSEEN])]
    brush = replace(brush, vivid=round(brush.vivid * dice.uniform(0.6, 1.4)), relief=dice.choice([brush.relief, 60]))
    picture = ImageEnhance.Brightness(given).enhance(dice.uniform(0.7, 1.3))
    return painted(picture, brush, detail=dice.uniform(0.2, 0.9), seed=number)


def of_the_world(dice: random.Random, number: int) -> Pair:
    """A scene, flat and by one of the world's hands; some of them a part of a larger picture."""
    side = 2 * SIZE if dice.random() < 0.3 else SIZE
    scene, corner = draw_scene(FIRST + number), [dice.randrange(0, side - SIZE + 1, 8) for _ in range(2)]
    box = (*corner, corner[0] + SIZE, corner[1] + SIZE)
    flat, drawn = (Image.fromarray(draw_world(scene, (side, side), hand)) for hand in ("flat", dice.choice(WORLD)))
    return flat.crop(box), drawn.crop(box)


def shuffled(picture: Image.Image, dice: random.Random) -> Image.Image:
    """In another palette."""
    bands = list(picture.split())
    dice.shuffle(bands)
    return Image.merge("RGB", bands)


def pair(photos: Sequence[Path], to: Path, number: int) -> None:
    """Writes one pair, where it is not there yet: the content to `A`, it by a hand to `B`."""
    name, dice = f"{number:05d}.png", random.Random(number)
    if (to / "B" / name).exists():
        return
    kind = dice.random()
    if kind < 0.35:
        found = of_the_world(dice, number)
    else:
        given = content(photos, dice, number)
        drawn = by_brush(given, dice, number) if kind < 0.75 else dice.choice(HANDS)(given, dice)
        found = given, shuffled(drawn, dice) if dice.random() < 0.3 else drawn
    for side, picture in zip("AB", found):
        save_picture(picture, to / side / name, None)


def write(folders: Sequence[Path], to: Path) -> None:
    """Writes the parts of the photographs to `parts` beside `to`, and the pairs to `to`."""
    kept = to.with_name(f"{to.name}-parts")
    for folder in (kept, to / "A", to / "B"):
        folder.mkdir(parents=True, exist_ok=True)
    photos: list[Path] = []
    for photo in readable(photographs(folders)):
        for picture in islice(parts(photo), 40):
            photos.append(kept / f"{len(photos):05d}.png")
            if not photos[-1].exists():
                picture.save(photos[-1])
    with ProcessPoolExecutor(cores()) as pool:
        list(pool.map(partial(pair, photos, to), range(PAIRS), chunksize=8))


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
        options = {"size": SIZE, "threads": args.threads, "resume": (args.out / "run.json").exists(), "flip": False}
        huabi.train("fast_style", str(args.data), args.out, budget=60 * args.minutes, on_report=tell, **options)


if __name__ == "__main__":
    main()
