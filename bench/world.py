"""How fast the picture world is drawn, and how far its reader agrees with the truth.

    python bench/world.py --size 64          # pictures a second in each style, on all cores and on one
    python bench/world.py --read 1200        # on scenes that it never saw: what is right

Scenes are composed, drawn and turned into pixels; each core works in a process of its own, as it does when data is
prepared.
"""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat

import numpy as np

import huabi
from huabi.cores import cores
from huabi.data.loader import to_unit
from huabi.data.world.compose import draw_scene
from huabi.data.world.render import hidden
from huabi.data.world.scene import STYLES
from huabi.data.world.styles import draw
from huabi.data.world.truth import record
from huabi.machine import processor
from huabi.metrics.reading import Agreement
from huabi.model import Reads

CHUNK = 8
UNSEEN = 1 << 63  # seeds from here on are in no data set


def drawn(style: str, size: int, start: int, seconds: float) -> float:
    """Pictures a second of one process, for about this long."""
    count, begun = 0, time.perf_counter()
    while (gone := time.perf_counter() - begun) < seconds:
        draw(draw_scene(start + count), (size, size), style)
        count += 1
    return count / gone


def rate(style: str, size: int, workers: int, seconds: float) -> float:
    """Pictures a second by this many processes at once, for about this long."""
    with ProcessPoolExecutor(workers) as pool:
        for length in (0.5, seconds):  # the first time for imports
            starts = range(0, workers * 10**6, 10**6)
            each = list(pool.map(drawn, repeat(style), repeat(size), starts, repeat(length)))
    return sum(each)


def unseen(style: str, size: int, start: int, count: int) -> list[tuple[np.ndarray, np.ndarray, list[float]]]:
    """Picture, record, and the share of each thing that is hidden, of scenes that no training set holds."""
    found = []
    for seed in range(UNSEEN + start, UNSEEN + start + count):
        scene = draw_scene(seed)
        facts = np.frombuffer(record(scene, style, (size, size)), np.uint8)
        found.append((draw(scene, (size, size), style), facts, hidden(scene)))
    return found


def read(run: str, count: int) -> None:
    """Prints how much of what it is asked the reader says rightly, in each style and in all."""
    model = huabi.load(run)
    assert isinstance(model, Reads)
    size = model.spec.size
    every = Agreement(model.spec.facts, size)
    shares = {}
    with ProcessPoolExecutor(cores()) as pool:
        for number, style in enumerate(STYLES):
            starts = range(number * count, number * count + count // len(STYLES), CHUNK)
            one = Agreement(model.spec.facts, size)
            for part in pool.map(unseen, repeat(style), repeat(size[0]), starts, repeat(CHUNK)):
                pictures, records, covered = zip(*part)
                x = to_unit(np.stack(pictures))
                for facts, reading, share in zip(records, model.read(x), covered):
                    one.add(facts, reading, share)
                    every.add(facts, reading, share)
            shares[style] = one.shares()
    print(f"| read rightly, {every.asked['style']:,} unseen scenes | asked | {' | '.join(STYLES)} | all |")
    print("|---" * (len(STYLES) + 3) + "|")
    for name, share in every.shares().items():
        row = " | ".join(f"{100 * shares[style][name]:.1f}" for style in STYLES)
        print(f"| {name} | {every.asked[name]:,} | {row} | {100 * share:.1f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=4.0, help="for each style")
    parser.add_argument("--read", type=int, metavar="N", help="judge the reader on N unseen scenes instead")
    parser.add_argument("--run", default="world-reader", help="which reader: a run's folder")
    args = parser.parse_args()
    if args.read:
        read(args.run, args.read)
        return
    print(f"{processor()}, {cores()} cores, {args.size}x{args.size}")
    print("| style | pictures/s | on one core |\n|---|--:|--:|")
    for style in STYLES:
        every, one = rate(style, args.size, cores(), args.seconds), rate(style, args.size, 1, args.seconds)
        print(f"| {style} | {every:.0f} | {one:.0f} |", flush=True)


if __name__ == "__main__":
    main()
