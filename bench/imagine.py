"""Does a text-to-image run draw what is said? Captions of unseen scenes, drawn and read by the world's reader.

    python bench/imagine.py RUN [--n 2000] [--steps 18] [--guidance 3] [--split tune] [--language zh] [--out DIR]

Half of the captions are English and half Chinese. Everything that a caption says is looked for in the picture: kinds,
colours, counts, relations, style, mood and what else there is, and all of it at once. Beside it stands what the
reader says of the world's own pictures of these scenes, which is as good as it gets. `--split tune` takes other
scenes, for choosing steps and guidance. The reader trains and guides nothing. KD is against 10,000 pictures of the
world that the run was trained on, in EfficientNet-Lite0's features.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image

import huabi
from huabi.checkpoint import Checkpoint
from huabi.cores import cores
from huabi.data import prepare
from huabi.data.loader import to_unit
from huabi.data.world.captions import written
from huabi.data.world.compose import draw_scene
from huabi.data.world.scene import STYLES
from huabi.data.world.styles import draw as draw_world
from huabi.data.world.telling import Mention, Told
from huabi.drawing import draw
from huabi.model import Reads
from huabi.pictures import grid, save_picture
from huabi.requests import Imagine
from huabi.truth import Reading
from quality import Judge
from world import UNSEEN

SPLITS = {"test": UNSEEN + (1 << 40), "tune": UNSEEN + (1 << 41)}
LANGUAGES = ("en", "zh")
CHUNK, ROWS = 8, 50


class Asked(NamedTuple):
    """A caption of an unseen scene, what it says, and the world's own picture."""

    told: Told
    text: str
    picture: np.ndarray  # (H, W, 3) uint8


def scenes(start: int, count: int, size: tuple[int, int], languages: Sequence[str]) -> list[Asked]:
    found = []
    for seed in range(start, start + count):
        scene, style = draw_scene(seed), STYLES[seed % len(STYLES)]
        told, text = written(scene, style, languages[seed // len(STYLES) % len(languages)], seed)
        found.append(Asked(told, text, draw_world(scene, size, style)))
    return found


def claims(told: Told, reading: Reading) -> Iterator[tuple[str, bool]]:
    """Each thing that a caption says, and whether it is seen."""
    for mention in dict.fromkeys([*told.mentions, *(m for link in told.links for m in (link.subject, link.target))]):
        yield "kind", reading.count(mention.kind) > 0
        if mention.colour:
            yield "colour", reading.count(mention.kind, mention.colour) > 0
        if mention.counted:
            yield "count", reading.count(mention.kind, mention.colour) == mention.count
    for link in told.links:
        yield "relation", any(
            name == link.name and meant(link.subject, reading, a) and meant(link.target, reading, b)
            for a, name, b in reading.relations
        )
    for name, word in [*told.frame.items(), *([("style", told.style)] if told.style else [])]:
        yield name, reading.scene[name] == word


def meant(mention: Mention, reading: Reading, place: int) -> bool:
    thing = reading.things[place]
    return thing.kind == mention.kind and mention.colour in (None, thing.colour)


class Tally:
    """What was asked for and what was seen; a row of the table."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.asked: Counter[str] = Counter()
        self.right: Counter[str] = Counter()

    def add(self, told: Told, reading: Reading) -> None:
        found = list(claims(told, reading))
        for name, right in [*found, ("all", all(right for _, right in found))]:
            self.asked[name] += 1
            self.right[name] += right

    def row(self, names: Sequence[str]) -> str:
        return " | ".join([self.name, *(f"{100 * self.right[n] / max(1, self.asked[n]):.1f}" for n in names)])


def read(model: Reads, asked: Sequence[Asked], pictures: Sequence[np.ndarray], tallies: Sequence[Tally]) -> None:
    for start in range(0, len(asked), ROWS):
        x = to_unit(np.stack(pictures[start : start + ROWS]))
        for one, reading in zip(asked[start : start + ROWS], model.read(x)):
            for tally in tallies:
                tally.add(one.told, reading)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--n", type=int, default=2000)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--guidance", type=float)
    parser.add_argument("--split", choices=list(SPLITS), default="test")
    parser.add_argument("--language", choices=LANGUAGES, help="only captions in this language")
    parser.add_argument("--out", type=Path, default=Path("runs/imagine"), help="a sheet, and features")
    args = parser.parse_args()
    model, reader = huabi.load(args.run), huabi.load("world-reader")
    size = reader.spec.size
    languages = (args.language,) if args.language else LANGUAGES
    with ProcessPoolExecutor(cores()) as pool:
        starts = range(SPLITS[args.split], SPLITS[args.split] + args.n, CHUNK)
        parts = pool.map(scenes, starts, repeat(CHUNK), repeat(size), repeat(languages))
        asked = [one for part in parts for one in part][: args.n]
    said = {"steps": args.steps, "guidance": args.guidance, "size": size}
    requests = [Imagine(prompt=one.text, seed=seed, **said) for seed, one in enumerate(asked)]
    begun, made = time.perf_counter(), dict.fromkeys(range(len(asked)), np.zeros(0))
    for place, picture, _ in draw(model, requests):
        made[place] = np.asarray(picture.convert("RGB"))
    seconds = time.perf_counter() - begun
    drawn, world = Tally("drawn"), Tally("the world's own")
    read(reader, asked, list(made.values()), [drawn])
    read(reader, asked, [one.picture for one in asked], [world])
    names = [name for name, _ in world.asked.most_common() if name != "all"] + ["all"]
    print(f"{len(asked)} captions, {seconds / len(asked):.3f} s a picture")
    print("| | " + " | ".join(names) + " |\n|---" + "|--:" * len(names) + "|")
    print("| asked | " + " | ".join(f"{world.asked[name]:,}" for name in names) + " |")
    print(f"| {drawn.row(names)} |\n| {world.row(names)} |")
    data = prepare(Checkpoint.open(args.run).header["data"], size=size)
    score = Judge(data, args.out / "features").score(np.stack(list(made.values())))
    print(f"KD {score['kd']} (standard error {score['kd_error']}), FD {score['fd']}")
    args.out.mkdir(parents=True, exist_ok=True)
    save_picture(grid([Image.fromarray(made[place]) for place in range(min(64, len(made)))], 8), args.out / "sheet.png")
    for place in range(min(64, len(asked))):
        print(place, asked[place].text)


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main()
