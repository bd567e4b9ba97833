"""What the invisible watermark outlives, what it costs, and how often it is seen where there is none.

    OMP_NUM_THREADS=1 python bench/watermark.py [--n 48] [--sides 64 256 512] [--out FILE.json]

Pictures of the built-in world in its six styles, and the same ones painted by the five brushes; each carries its own
four bytes. A picture counts where exactly these bytes are read back.
"""

from __future__ import annotations

import argparse
import io
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from huabi.classic.brush import BRUSHES, painted
from huabi.data.world.export import picture
from huabi.data.world.spec import parse
from huabi.provenance import watermark


def jpeg(image: Image.Image, quality: int = 75) -> Image.Image:
    data = io.BytesIO()
    image.save(data, "JPEG", quality=quality)
    return Image.open(data).convert("RGB")


def half(image: Image.Image) -> Image.Image:
    return image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS)


def crop(image: Image.Image, share: float = 0.05) -> Image.Image:
    """Cut by `share` of each side, more at the left and top than at the right and bottom."""
    cut = [max(1, round(side * share)) for side in image.size]
    left, top = (cut[0] * 2 // 3, cut[1] * 2 // 3)
    return image.crop((left, top, left + image.width - cut[0], top + image.height - cut[1]))


ATTACKS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "unchanged": lambda image: image,
    "JPEG 75": jpeg,
    "half size": half,
    "5 % crop": crop,
    "crop, then JPEG 75": lambda image: jpeg(crop(image)),
    "half size, then JPEG 75": lambda image: jpeg(half(image)),
}


def world(side: int, n: int) -> Iterator[Image.Image]:
    for one in parse(f"world:n={n}").pictures():
        yield picture(one.scene(1.0), (side, side), one.style)


def paintings(side: int, n: int) -> Iterator[Image.Image]:
    for number, scene in enumerate(world(side, n)):
        yield painted(scene, list(BRUSHES)[number % len(BRUSHES)])


def psnr(before: Image.Image, after: Image.Image) -> float:
    error = np.asarray(before, float) - np.asarray(after, float)
    return float(10 * np.log10(255**2 / (error**2).mean()))


def measured(pictures: Iterator[Image.Image]) -> dict[str, float]:
    """The share of pictures whose bytes come back after each attack; PSNR, its worst, false finds and seconds."""
    rng = np.random.default_rng(0)
    found: dict[str, list[bool]] = {name: [] for name in ATTACKS}
    ratios, false, lay, read = [], [], [], []
    for image in pictures:
        mark = rng.bytes(4)
        start = time.perf_counter()
        marked = watermark.lay(image, mark)
        lay.append(time.perf_counter() - start)
        ratios.append(psnr(image, marked))
        for name, attack in ATTACKS.items():
            found[name].append(watermark.read(attack(marked)) == mark)
        start = time.perf_counter()
        false += [watermark.read(image) is not None, watermark.read(jpeg(crop(image))) is not None]
        read.append((time.perf_counter() - start) / 2)
    shares = {name: float(np.mean(hits)) for name, hits in found.items()}
    costs = {"PSNR": float(np.mean(ratios)), "least PSNR": min(ratios), "n": len(ratios)}
    return shares | costs | {"false": sum(false), "seconds to lay": min(lay), "seconds to read none": min(read)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--n", type=int, default=48, help="pictures of each kind and side")
    parser.add_argument("--sides", type=int, nargs="+", default=[64, 256, 512])
    parser.add_argument("--out", type=Path, help="also the figures as JSON")
    asked = parser.parse_args()
    results = {}
    names = [*ATTACKS, "PSNR", "least PSNR", "false"]
    print("| pictures | " + " | ".join(names) + " |\n|---|" + "--:|" * len(names), flush=True)
    for side in asked.sides:
        for kind, source in (("world", world), ("brush", paintings)):
            found = results[f"{kind} {side}"] = measured(source(side, asked.n))
            cells = [f"{100 * found[name]:.0f} %" for name in ATTACKS]
            cells += [f"{found[name]:.1f} dB" for name in ("PSNR", "least PSNR")]
            cells.append(f"{found['false']:.0f} of {2 * asked.n}")
            print(f"| {kind}, {side} px | " + " | ".join(cells) + " |", flush=True)
    if asked.out:
        asked.out.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
