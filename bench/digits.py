"""How often an independent classifier reads the label that was asked for, in handwriting drawn by a run.

    python bench/digits.py RUN [RUN ...] [--n 500]

The judge is a support vector machine on scikit-learn's own 8x8 digits; it never trains or guides a family. Its
accuracy on real digits that it has not seen is printed beside each run's.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC

from huabi import api
from huabi.drawing import draw
from huabi.requests import Generate


def judge() -> tuple[SVC, float]:
    """The classifier, and its accuracy on a fifth of the digits that it was not trained on."""
    digits = load_digits()
    parts = train_test_split(digits.data, digits.target, test_size=0.2, random_state=0)
    seen, unseen, seen_labels, unseen_labels = parts
    machine = SVC(gamma=0.001, C=10).fit(seen, seen_labels)
    return machine, float(machine.score(unseen, unseen_labels))


def as_digit(picture: Image.Image) -> np.ndarray:
    """A picture as scikit-learn has its digits: 64 numbers from 0 (paper) to 16 (ink)."""
    small = picture.convert("L").resize((8, 8), Image.Resampling.BOX)
    return np.asarray(small, dtype=np.float64).reshape(64) / 255 * 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--n", type=int, default=500)
    options = parser.parse_args()
    machine, real = judge()
    print(f"real digits, held out: {real:.1%}")
    for run in options.runs:
        model = api.load(run)
        labels = model.spec.labels
        requests = [Generate(seed=i, label=labels[i % len(labels)]) for i in range(options.n)]
        right = 0
        for position, picture, _ in draw(model, requests):
            right += str(machine.predict(as_digit(picture)[None])[0]) == requests[position].label
        print(f"{run} ({model.spec.size[0]} pixels): {right / options.n:.1%} of {options.n} read as asked")


if __name__ == "__main__":
    main()
