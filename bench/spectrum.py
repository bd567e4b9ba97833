"""Where in the spectrum do a run's pictures lose energy? Radial power spectra of what a run draws and of what is real.

    python bench/spectrum.py DATA RUN [RUN ...] [--n 256] [--out spectrum.png]

For each run: draws, and for a run that answers `Vary` the reconstructions of held-out pictures. The table gives the
energy in each octave below the Nyquist frequency (half a cycle a pixel), over that of held-out pictures. Pictures are
windowed (Hann) first, since their borders do not meet.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from huabi import HuabiError, api
from huabi.data import prepare
from huabi.pictures import Picture, save_picture
from huabi.requests import Generate, Vary

OCTAVES = 4
COLOURS = ("black", "crimson", "royalblue", "darkorange", "seagreen", "purple", "saddlebrown", "deeppink")
WIDTH, HEIGHT, MARGIN = 720, 440, 48


def radial(pictures: Iterable[Image.Image]) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies (K,) in cycles a pixel and the mean power (K,) of pictures at them, over directions and channels."""
    x = np.stack([np.asarray(p.convert("RGB"), dtype=np.float64) for p in pictures]) / 127.5 - 1  # (N, H, W, 3)
    rows, columns = x.shape[1:3]
    window = np.hanning(rows + 2)[1:-1, None] * np.hanning(columns + 2)[None, 1:-1]
    x = (x - x.mean((1, 2), keepdims=True)) * window[None, :, :, None]
    power = (np.abs(np.fft.fft2(x, axes=(1, 2))) ** 2).mean((0, 3))
    radius = np.hypot(np.fft.fftfreq(rows)[:, None], np.fft.fftfreq(columns)[None])
    ring = np.rint(radius * min(rows, columns)).astype(int)
    known = np.arange(1, min(rows, columns) // 2 + 1)
    return known / min(rows, columns), np.array([power[ring == k].mean() for k in known])


def octaves(frequency: np.ndarray, power: np.ndarray) -> list[float]:
    """The energy in each octave up to half a cycle a pixel, the finest last."""
    edges = [0.5 / 2**k for k in range(OCTAVES, -1, -1)]
    energy = power * frequency  # a ring holds as many frequencies as it is long
    return [float(energy[(frequency > low) & (frequency <= high)].sum()) for low, high in pairwise(edges)]


def chart(curves: dict[str, tuple[np.ndarray, np.ndarray]]) -> Image.Image:
    """Both axes logarithmic; a line for each name."""
    image = Image.new("RGB", (WIDTH, HEIGHT), "white")
    pen = ImageDraw.Draw(image)
    lows, highs = zip(*((np.log10(p.min()), np.log10(p.max())) for _, p in curves.values()))
    frequency = next(iter(curves.values()))[0]
    left, right = np.log2(frequency[0]), np.log2(frequency[-1])

    def place(f: float, p: float) -> tuple[float, float]:
        across = (np.log2(f) - left) / (right - left)
        up = (np.log10(p) - min(lows)) / (max(highs) - min(lows))
        return MARGIN + across * (WIDTH - 2 * MARGIN), HEIGHT - MARGIN - up * (HEIGHT - 2 * MARGIN)

    for f in (frequency[0], *(0.5 / 2**k for k in range(OCTAVES, -1, -1) if 0.5 / 2**k > frequency[0])):
        x, _ = place(f, 10 ** min(lows))
        pen.line((x, MARGIN, x, HEIGHT - MARGIN), "lightgrey")
        pen.text((x - 12, HEIGHT - MARGIN + 6), f"{f:.3g}", "black")
    pen.text((WIDTH / 2 - 50, HEIGHT - 20), "cycles a pixel", "black")
    pen.text((8, MARGIN - 24), "power", "black")
    for k, (name, (f, p)) in enumerate(curves.items()):
        colour = COLOURS[k % len(COLOURS)]
        pen.line([place(a, b) for a, b in zip(f, p)], colour, 2)
        pen.text((WIDTH - MARGIN - 260, MARGIN + 14 * k), name, colour)
    return image


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--n", type=int, default=256)
    parser.add_argument("--out", type=Path, default=Path("spectrum.png"))
    args = parser.parse_args()
    spec = api.load(args.runs[0]).spec
    with contextlib.closing(prepare(args.data, size=spec.size)) as data:
        real = [Image.fromarray(np.asarray(data.images[row]).squeeze()) for row in data.heldout[: args.n]]
    curves = {"real, held out": radial(real)}
    for run in args.runs:
        model = api.load(run)
        if Vary in model.requests:
            asked = [Vary(image=Picture.of(picture), strength=0) for picture in real]
            curves[f"{run.name}: reconstructions"] = radial(api.draw(model, asked))
        if Generate in model.requests:
            curves[f"{run.name}: draws"] = radial(api.draw(model, [Generate(seed=i) for i in range(len(real))]))
    known = octaves(*curves["real, held out"])
    print("| energy over the data's | " + " | ".join(f"to {0.5 / 2**k:.3g}" for k in range(OCTAVES - 1, -1, -1)) + " |")
    print("|---|" + "--:|" * OCTAVES)
    for name, curve in list(curves.items())[1:]:
        print(f"| {name} | " + " | ".join(f"{a / b:.2f}" for a, b in zip(octaves(*curve), known)) + " |")
    save_picture(chart(curves), args.out)
    print(args.out)


if __name__ == "__main__":
    try:
        main()
    except HuabiError as error:
        sys.exit(f"error: {error}")
