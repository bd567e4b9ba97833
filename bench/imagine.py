"""Does a text-to-image run draw what is said? Captions of unseen scenes, drawn and read by the world's reader.

    python bench/imagine.py RUN [--n 2000] [--steps 18] [--guidance 3] [--split tune] [--language zh] [--out DIR]
    python bench/imagine.py RUN --of prompts     # what is written by hand in prompts.txt, each with ten seeds
    python bench/imagine.py RUN --of kept-out    # what the run's pictures never showed together, beside what they did
    python bench/imagine.py RUN --of sounds      # nothing but unseen sounds of weather and mood
    python bench/imagine.py RUN --of seconds     # how long one picture takes, four, and all of `huabi imagine`

Half of the captions are English and half Chinese. Everything that a caption says is looked for in the picture: kinds,
colours, counts, relations, style, mood and what else there is, and all of it at once. Beside it stands what the
reader says of the world's own pictures of these scenes, which is as good as it gets. `--split tune` takes other
scenes, for choosing steps and guidance. The reader trains and guides nothing. KD is against 10,000 pictures of the
world that the run was trained on, in EfficientNet-Lite0's features.
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import cycle, islice, repeat
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image

import huabi
from huabi.checkpoint import Checkpoint
from huabi.cores import cores
from huabi.data import prepare
from huabi.data.loader import to_unit
from huabi.data.world.captions import WRITERS, written
from huabi.data.world.compose import draw_scene
from huabi.data.world.dice import Dice
from huabi.data.world.kinds import KINDS
from huabi.data.world.palette import COLOURS
from huabi.data.world.scene import STYLES
from huabi.data.world.sounds import MAKERS, sound
from huabi.data.world.spec import parse
from huabi.data.world.styles import draw as draw_world
from huabi.data.world.telling import Link, Mention, Told
from huabi.drawing import draw
from huabi.families.text_to_image import TextToImage
from huabi.mel import RATE
from huabi.model import Reads
from huabi.models import located
from huabi.pictures import grid, save_picture
from huabi.requests import Imagine
from huabi.sounds import Sound
from huabi.truth import Reading
from quality import Judge
from world import UNSEEN

SPLITS = {"test": UNSEEN + (1 << 40), "tune": UNSEEN + (1 << 41)}
LANGUAGES = ("en", "zh")
CHUNK, ROWS, TURN = 8, 50, 20


class Asked(NamedTuple):
    """What is asked, what that says, and the world's own picture of it, where there is one."""

    told: Told
    text: str
    picture: np.ndarray | None = None  # (H, W, 3) uint8
    sound: Sound | None = None
    group: str = "drawn"


def scenes(start: int, count: int, size: tuple[int, int], languages: Sequence[str]) -> list[Asked]:
    found = []
    for seed in range(start, start + count):
        scene, style = draw_scene(seed), STYLES[seed % len(STYLES)]
        told, text = written(scene, style, languages[seed // len(STYLES) % len(languages)], seed)
        found.append(Asked(told, text, draw_world(scene, size, style)))
    return found


def captions(split: str, count: int, size: tuple[int, int], languages: Sequence[str]) -> list[Asked]:
    with ProcessPoolExecutor(cores()) as pool:
        starts = range(SPLITS[split], SPLITS[split] + count, CHUNK)
        parts = pool.map(scenes, starts, repeat(CHUNK), repeat(size), repeat(languages))
        return [one for part in parts for one in part][:count]


def by_hand(count: int) -> list[Asked]:
    """The prompts of prompts.txt, 20 English and 20 Chinese ones in turn, again and again, and what each says."""
    lines = Path(__file__).with_name("prompts.txt").read_text("utf-8").splitlines()
    parts = [line.rpartition(" | ") for line in lines if line and not line.startswith("#")]
    chinese = [bool(re.search("[\u4e00-\u9fff]", text)) for text, *_ in parts]
    sides = ([part for part, own in zip(parts, chinese) if own is side] for side in (False, True))
    turns = zip(*(batched(side, TURN) for side in sides))
    asked = [Asked(understood(said.split()), text) for turn in turns for part in turn for text, _, said in part]
    return list(islice(cycle(asked), count))


def batched(items: Sequence[Any], length: int) -> Iterator[Sequence[Any]]:
    return (items[start : start + length] for start in range(0, len(items), length))


def clock(name: str) -> None:
    """Prints how long a warm process takes for one picture and for four, and a fresh one for all of its work."""
    model = huabi.load(name)
    print(f"{name}, {model.spec.size[1]}x{model.spec.size[0]}, {cores()} cores\n| | seconds |\n|---|--:|")
    for count in (1, 4):
        for steps in (None, 4):
            requests = [Imagine(prompt="two boats at night, ink", seed=seed, steps=steps) for seed in range(count)]
            times = []
            for _ in range(6):
                start = time.perf_counter()
                list(draw(model, requests))
                times.append(time.perf_counter() - start)
            print(f"| {count} of {steps or 'its own'} steps, warm | {statistics.median(times[1:]):.2f} |", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        words = ["imagine", "two boats at night, ink", "--model", name, "--out", folder]
        subprocess.run([sys.executable, "-m", "huabi", *words], check=True, capture_output=True)
        print(f"| `huabi imagine`, four, from a cold start | {time.perf_counter() - start:.1f} |")


def understood(said: Sequence[str]) -> Told:
    """What `cat:black*2 cat<on>bench mood=calm` claims."""
    mentions: list[Mention] = []
    links: list[Link] = []
    frame: dict[str, str] = {}
    for word in said:
        if link := re.fullmatch(r"([^<]+)<(\w+)>([^>]+)", word):
            first, name, second = _mention(link[1]), link[2], _mention(link[3])
            subject, target = (second, first) if name == "front" else (first, second)
            links.append(Link(subject, {"front": "behind", "left": "left of"}.get(name, name), target))
        elif "=" in word:
            name, _, value = word.partition("=")
            frame[name] = value
        else:
            mentions.append(_mention(word))
    style = frame.pop("style", None)
    return Told("phrase", tuple(mentions), tuple(links), frame, style, clouds=False, water=None)


def _mention(text: str) -> Mention:
    """`cat:black*2`; what has no number is not counted."""
    name, _, number = text.partition("*")
    kind, _, colour = name.partition(":")
    if kind not in KINDS or colour not in ("", *COLOURS):
        raise SystemExit(f"prompts: no {text!r} in the world")
    return Mention(kind, colour or None, frozenset(range(int(number or 1))), counted=bool(number))


def kept_out(data: str, count: int, languages: Sequence[str]) -> list[Asked]:
    """Phrases of one thing and one style: half name a combination that no picture showed, half one that some did.

    The seen ones are of the same kinds, in other colours or styles.
    """
    found = []
    without = parse(data).without
    for k in range(count):
        words, dice = without[k // 2 % len(without)], Dice("kept out", k)
        kind = next(word for word in words if word in KINDS)
        colour = next((word for word in words if word in COLOURS), None)
        style = next((word for word in words if word in STYLES), None)
        if seen := bool(k % 2):
            if colour:
                colour = dice.choice([other for other in COLOURS if other != colour])
            else:
                style = dice.choice([other for other in STYLES if other != style])
        told = Told("phrase", (Mention(kind, colour, frozenset({0})),), (), {}, style, clouds=False, water=None)
        text = WRITERS[languages[k // 2 // len(without) % len(languages)]](told, dice).caption()
        found.append(Asked(told, text, group="seen" if seen else "kept out"))
    return found


def sounds(count: int) -> list[Asked]:
    """Sounds of a place, an hour, a weather and a mood by unseen dice, and no word; the last two are asked for."""
    found = []
    for k in range(count):
        dice = Dice("unseen sound", k)
        facts = {name: dice.choice(list(words)) for name, words in MAKERS.items()}
        told = Told("phrase", (), (), {name: facts[name] for name in ("weather", "mood")}, None, False, None)
        found.append(Asked(told, "", sound=Sound.of((sound(facts, dice, 6.0, "all"), RATE))))
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


def read(model: Reads, asked: Sequence[Asked], pictures: Sequence[np.ndarray], tallies: Mapping[str, Tally]) -> None:
    for start in range(0, len(asked), ROWS):
        x = to_unit(np.stack(pictures[start : start + ROWS]))
        for one, reading in zip(asked[start : start + ROWS], model.read(x)):
            tallies[one.group].add(one.told, reading)


def planned(model: TextToImage, requests: Sequence[Imagine], asked: Sequence[Asked]) -> Tally:
    """What the model's plans say of what is asked; they hold no relations."""
    found = Tally("its plans")
    groups: dict[Hashable, list[int]] = {}
    for place, request in enumerate(requests):
        groups.setdefault(model.batch_key(request), []).append(place)
    for places in groups.values():
        for start in range(0, len(places), ROWS):
            part = places[start : start + ROWS]
            with torch.autocast("cpu", torch.bfloat16, enabled=model.identity.precision == "bf16"):
                plans = model.plans([requests[place] for place in part])
            for place, plan in zip(part, plans):
                found.add(asked[place].told, plan)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a run, or the name of a model that comes along")
    choices = ("captions", "prompts", "kept-out", "sounds", "seconds")
    parser.add_argument("--of", choices=choices, default="captions")
    parser.add_argument("--n", type=int, default=2000)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--guidance", type=float)
    parser.add_argument("--split", choices=list(SPLITS), default="test")
    parser.add_argument("--language", choices=LANGUAGES, help="only captions in this language")
    parser.add_argument("--out", type=Path, default=Path("runs/imagine"), help="a sheet, and features")
    args = parser.parse_args()
    if args.of == "seconds":
        clock(str(args.run))
        return
    model, reader = huabi.load(args.run), huabi.load("world-reader")
    data: str = Checkpoint.open(located(args.run)).header["data"]
    size = reader.spec.size
    languages = (args.language,) if args.language else LANGUAGES
    sources = {
        "captions": partial(captions, args.split, size=size, languages=languages),
        "prompts": by_hand,
        "kept-out": partial(kept_out, data, languages=languages),
        "sounds": sounds,
    }
    asked = sources[args.of](count=args.n)
    said = {"steps": args.steps, "guidance": args.guidance, "size": size}
    requests = [Imagine(prompt=one.text, sound=one.sound, seed=seed, **said) for seed, one in enumerate(asked)]
    begun, made = time.perf_counter(), dict.fromkeys(range(len(asked)), np.zeros(0))
    for place, picture, _ in draw(model, requests):
        made[place] = np.asarray(picture.convert("RGB"))
    seconds = time.perf_counter() - begun
    tallies = {one.group: Tally(one.group) for one in asked}
    if isinstance(model, TextToImage) and model.planner is not None:
        tallies["planned"] = planned(model, requests, asked)
    read(reader, asked, list(made.values()), tallies)
    own = [one.picture for one in asked if one.picture is not None]
    if own:
        world = Tally("the world's own")
        read(reader, asked, own, {one.group: world for one in asked})
        tallies["world"] = world
    counts = Counter(name for tally in tallies.values() for name in tally.asked.elements() if name != "all")
    names = [*(name for name, _ in counts.most_common()), "all"]
    print(f"{len(asked)} {args.of}, {seconds / len(asked):.3f} s a picture")
    print("| | " + " | ".join(names) + " | asked |\n|---" + "|--:" * len(names) + "|---|")
    for tally in tallies.values():
        print(f"| {tally.row(names)} | " + ", ".join(f"{tally.asked[name]:,}" for name in names) + " |")
    if args.of == "captions":
        pictures = prepare(data, size=size)
        score = Judge(pictures, args.out / "features").score(np.stack(list(made.values())))
        print(f"KD {score['kd']} (standard error {score['kd_error']}), FD {score['fd']}")
    args.out.mkdir(parents=True, exist_ok=True)
    save_picture(grid([Image.fromarray(made[place]) for place in range(min(64, len(made)))], 8), args.out / "sheet.png")
    (args.out / "sheet.txt").write_text("\n".join(one.text for one in asked[:64]), "utf-8")


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main()
