"""The style network that is to come with Huabi: `huabi stylize photo.jpg painting.jpg --out new.png` in seconds.

    python recipes/fast_style.py PHOTOS [PHOTOS ...] --data styles    # draws what it is trained on; goes on, too
    python recipes/fast_style.py --data styles --out runs/fast-style  # trains it; goes on where it was stopped
    python recipes/fast_style.py --out runs/fast-style --ship src/huabi/shipped/fast-style
    python bench/style.py --method fast-style                         # quality and seconds, beside the textbook

Pairs: two parts of photographs or scenes of the world side by side, and the same by one hand: one of the brushes, each
a little different from the last, one of the simple hands of `hands.py`, or one of the world's. So what is drawn is
learnt from the look of another picture. The world's crayon and its pixels, and the brush for watercolours, are left
out: on these it is judged. Relatives of both are in it: the brush for crayons, of which the world's is a variation, and
mosaics. Expected: docs/style.md. Fine-tuned to one artist, with photographs in `trainA` and paintings in `trainB`:
`huabi train fast_style FOLDER --init fast-style --out runs/mine --set school=0.5 --set lr=2e-4`.
"""

from __future__ import annotations

import argparse
import math
import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
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
PAIRS = 3200
MOST = 16  # scenes on a sheet
LEAST = 4.0  # levels from pixel to pixel, along both sides, below which a part shows nothing
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


def shows(picture: Image.Image) -> bool:
    """Whether there is anything to be seen in it."""
    light = np.asarray(picture.convert("L"), np.float32)
    return float(np.abs(np.diff(light)).mean() + np.abs(np.diff(light, axis=0)).mean()) > LEAST


def content(photos: Sequence[Path], chance: float, dice: random.Random, number: int) -> Image.Image:
    """A part of a photograph, or with a chance scenes."""
    if dice.random() < chance:
        return scenes(number, dice.choice((1, 2, 4)), "flat")
    return open_picture(dice.choice(photos))


def by_brush(given: Image.Image, dice: random.Random, number: int) -> Image.Image:
    """By one of the brushes, whose colours, tone, touch and paper are drawn by chance."""
    brush = BRUSHES[dice.choice([name for name in BRUSHES if name not in UNSEEN])]
    wide, apart, turn = dice.uniform(0.7, 1.8), dice.uniform(0.85, 1.2), dice.uniform(0, math.pi)
    passes = tuple(
        replace(
            one,
            radius=one.radius * (1 if one.start == "edge" else wide),
            gap=one.gap * apart,
            slant=turned(one.slant, turn),
            jitter=round(one.jitter * dice.uniform(0.5, 2)),
        )
        for one in brush.passes
    )
    vivid, relief = round(brush.vivid * dice.uniform(0.6, 1.4)), dice.choice([brush.relief, 60])
    red, green, blue = (max(0, min(255, tone + dice.randint(-25, 8))) for tone in brush.ground)
    brush = replace(brush, passes=passes, vivid=vivid, relief=relief, ground=(red, green, blue))
    picture = ImageEnhance.Brightness(given).enhance(dice.uniform(0.7, 1.3))
    return painted(picture, brush, detail=dice.uniform(0.2, 0.9), seed=number)


def turned(slant: tuple[float, float], angle: float) -> tuple[float, float]:
    x, y = slant
    return x * math.cos(angle) - y * math.sin(angle), x * math.sin(angle) + y * math.cos(angle)


def by_hand(given: Image.Image, dice: random.Random, number: int) -> Image.Image:
    """By one of the simple hands."""
    return dice.choice(HANDS)(given, dice)


def of_the_world(dice: random.Random, number: int) -> Pair:
    """Scenes, flat and by one of the world's hands, or a part of a large one."""
    hand, across = dice.choice(WORLD), dice.choice((0, 1, 2, 4, 4))
    if across:
        return scenes(number, across, "flat"), scenes(number, across, hand)
    left, top = (dice.randrange(0, SIZE + 1, 8) for _ in range(2))
    flat, drawn = (one_scene(MOST * number, 2 * SIZE, to) for to in ("flat", hand))
    box = (left, top, left + SIZE, top + SIZE)
    return flat.crop(box), drawn.crop(box)


def scenes(number: int, across: int, hand: str) -> Image.Image:
    """A sheet of so many scenes in a row and a column: a hand draws small pictures otherwise than large ones."""
    side, sheet = SIZE // across, Image.new("RGB", (SIZE, SIZE))
    for place in range(across**2):
        sheet.paste(one_scene(MOST * number + place, side, hand), (place % across * side, place // across * side))
    return sheet


def one_scene(number: int, side: int, hand: str) -> Image.Image:
    return Image.fromarray(draw_world(draw_scene(FIRST + number), (side, side), hand))


def shuffled(picture: Image.Image, dice: random.Random) -> Image.Image:
    """In another palette."""
    bands = list(picture.split())
    dice.shuffle(bands)
    return Image.merge("RGB", bands)


def beside(pictures: Sequence[Image.Image]) -> Image.Image:
    both = Image.new("RGB", (2 * SIZE, SIZE))
    for place, picture in enumerate(pictures):
        both.paste(picture, (place * SIZE, 0))
    return both


def pair(photos: Sequence[Path], to: Path, number: int) -> None:
    """Writes one pair, where it is not there yet: two contents to `A`, them by one hand to `B`."""
    name, dice = f"{number:05d}.png", random.Random(number)
    if (to / "B" / name).exists():
        return
    kind, mixed = dice.random(), dice.random() < 0.3
    hand, share = (by_hand, 0.5) if kind < 0.4 else (by_brush, 0.25)
    found: list[Pair] = []
    for which in (2 * number, 2 * number + 1):
        chance = random.Random(f"hand {number}")  # the same for both
        if kind > 0.7:
            found.append(of_the_world(chance, which))
        else:
            given = content(photos, share, dice, which)
            drawn = hand(given, chance, which)
            found.append((given, shuffled(drawn, chance) if mixed else drawn))
    for side, pictures in zip("AB", zip(*found)):
        save_picture(beside(pictures), to / side / name, None)


def write(folders: Sequence[Path], to: Path) -> None:
    """Writes the parts of the photographs to `parts` beside `to`, and the pairs to `to`."""
    kept = to.with_name(f"{to.name}-parts")
    for folder in (kept, to / "A", to / "B"):
        folder.mkdir(parents=True, exist_ok=True)
    photos: list[Path] = []
    for photo in readable(photographs(folders)):
        for picture in islice(filter(shows, parts(photo)), 40):
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
        ship(args.out, args.ship, (SIZE, SIZE))
    elif args.photos:
        write(args.photos, args.data)
    else:
        options = {"size": f"{2 * SIZE}x{SIZE}", "flip": False, "threads": args.threads}
        options |= {"budget": 60 * args.minutes, "resume": (args.out / "run.json").exists()}
        huabi.train("fast_style", str(args.data), args.out, on_report=tell, **options)


if __name__ == "__main__":
    main()
