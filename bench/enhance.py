"""Whether derived pictures raise a classifier's accuracy: handwriting, few pictures a class, with and without.

    python bench/enhance.py [--each 10] [--n 5] [--seeds 5] [--steps 400]

Each seed draws other training pictures from scikit-learn's digits, other derivatives, and another network; both runs
train for equally many steps. Judged on all digits that were not drawn. The difference is paired by seed; its standard
error is over seeds.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_digits

from huabi import api
from huabi.deriving import derive
from huabi.model import Classifies

WAYS = ("mixup", "turn", "crop", "colour")  # a mirrored digit is no digit


def write(folder: Path, images: np.ndarray, labels: np.ndarray) -> None:
    for n, (image, label) in enumerate(zip(images, labels)):
        (folder / str(label)).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / str(label) / f"{n:04d}.png")


def accuracy(data: Path, run: Path, images: np.ndarray, labels: np.ndarray, steps: int, seed: int) -> float:
    """The share of `images` whose label a classifier reads that was trained on the folder `data`."""
    model = api.train("classifier", data, run, size=8, channels=1, flip=False, steps=steps, seed=seed)
    assert isinstance(model, Classifies)
    x = torch.from_numpy(images).float()[:, None] / 127.5 - 1  # (N, 1, 8, 8)
    numbers = np.array([int(label) for label in model.spec.labels])
    return float((numbers[model.classify(x).argmax(1).numpy()] == labels).mean())


def compared(seed: int, each: int, n: int, steps: int) -> tuple[float, float]:
    """Accuracy of a classifier trained on `each` digits of a class, and of one trained on those and `n` from each."""
    digits = load_digits()
    images = (digits.images * (255 / 16)).round().astype(np.uint8)
    order = np.random.default_rng(seed).permutation(len(images))
    seen = np.concatenate([order[digits.target[order] == k][:each] for k in range(10)])
    unseen = np.setdiff1d(order, seen)
    judged = images[unseen], digits.target[unseen], steps, seed
    with tempfile.TemporaryDirectory() as place:
        plain, more = Path(place) / "plain", Path(place) / "more"
        write(plain, images[seen], digits.target[seen])
        derive(plain, more, n=n, ways=WAYS, seed=seed)
        return accuracy(plain, Path(place) / "a", *judged), accuracy(more, Path(place) / "b", *judged)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--each", type=int, default=10, help="training pictures of each class")
    parser.add_argument("--n", type=int, default=5, help="derived from each")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=400)
    options = parser.parse_args()
    found = []
    for seed in range(options.seeds):
        found.append(compared(seed, options.each, options.n, options.steps))
        print(f"seed {seed}: {found[-1][0]:.1%} plain, {found[-1][1]:.1%} with derived pictures", flush=True)
    gains = [after - before for before, after in found]
    error = statistics.stdev(gains) / len(gains) ** 0.5 if len(gains) > 1 else float("nan")
    means = [statistics.fmean(values) for values in zip(*found)]
    print(f"{means[0]:.1%} plain, {means[1]:.1%} with: {100 * statistics.fmean(gains):+.1f} ± {100 * error:.1f} points")


if __name__ == "__main__":
    main()
