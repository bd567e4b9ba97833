"""How long the brushes take: seconds for a photograph at 512x512, pictures a second at 64x64.

    OMP_NUM_THREADS=1 python bench/brush.py [--picture FILE] [--repeat 3]

One thread paints. Without a picture, scikit-learn's china.jpg is painted where it is installed (`huabi[digits]`).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from huabi.classic.brush import BRUSHES, painted, strokes
from huabi.decoding import fit_picture, open_picture


def best(work: Callable[[], object], repeat: int) -> float:
    """The least wall time in seconds: what the machine does besides only ever adds to it."""
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def photograph(path: Path | None) -> Image.Image:
    if path is not None:
        return open_picture(path)
    from sklearn.datasets import load_sample_image

    return Image.fromarray(load_sample_image("china.jpg"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--repeat", type=int, default=3)
    asked = parser.parse_args()
    picture = photograph(asked.picture)
    large, small = (fit_picture(picture, (side, side)) for side in (512, 64))
    print("| brush | strokes at 512x512 | seconds | strokes at 64x64 | pictures/s |\n|---|--:|--:|--:|--:|")
    for brush in BRUSHES:
        painted(small, brush)  # the first one loads the rasteriser
        seconds = best(lambda brush=brush: painted(large, brush), asked.repeat)
        quick = best(lambda brush=brush: painted(small, brush), 10 * asked.repeat)
        counts = len(strokes(large, brush)), len(strokes(small, brush))
        print(f"| {brush} | {counts[0]:,} | {seconds:.2f} | {counts[1]:,} | {1 / quick:.1f} |", flush=True)


if __name__ == "__main__":
    main()
