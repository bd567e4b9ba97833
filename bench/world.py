"""How fast the picture world is drawn: pictures a second in each style, on all cores and on one.

    python bench/world.py --size 64

Scenes are composed, drawn and turned into pixels; each core works in a process of its own, as it does when data is
prepared.
"""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat

from huabi.cores import cores
from huabi.data.world.compose import draw_scene
from huabi.data.world.scene import STYLES
from huabi.data.world.styles import draw
from huabi.machine import processor

CHUNK = 8


def some(style: str, size: int, start: int, count: int) -> int:
    for seed in range(start, start + count):
        draw(draw_scene(seed), (size, size), style)
    return count


def rate(style: str, size: int, workers: int, seconds: float) -> float:
    """Pictures a second by this many processes, for about this long."""
    with ProcessPoolExecutor(workers) as pool:
        list(pool.map(some, repeat(style, workers), repeat(size), repeat(0), repeat(4)))  # imports
        done, seed, start = 0, 0, time.perf_counter()
        while (gone := time.perf_counter() - start) < seconds:
            seeds = range(seed, seed + workers * CHUNK, CHUNK)
            done += sum(pool.map(some, repeat(style), repeat(size), seeds, repeat(CHUNK)))
            seed += workers * CHUNK
    return done / gone


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=4.0, help="for each style")
    args = parser.parse_args()
    print(f"{processor()}, {cores()} cores, {args.size}x{args.size}")
    print("| style | pictures/s | on one core |\n|---|--:|--:|")
    for style in STYLES:
        every, one = rate(style, args.size, cores(), args.seconds), rate(style, args.size, 1, args.seconds)
        print(f"| {style} | {every:.0f} | {one:.0f} |", flush=True)


if __name__ == "__main__":
    main()
