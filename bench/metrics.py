"""Do Huabi's measures agree with torch-fidelity's, and are they as fast? Prints a table for docs/metrics.md.

    python bench/metrics.py [--pictures 64] [--rows 10000] [--threads 2]

The weights of both Inception networks are the same random numbers, the feature matrices are drawn once and shared.
Differences of features and logits are the largest of all, in units of their standard deviation; those of distances are
relative, those of shares absolute. The exit code is 1 where something disagrees. Each is timed once, in one process.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

import peers
from huabi import weights
from huabi.machine import pick_threads, processor
from huabi.metrics.frechet import Moments, frechet_distance
from huabi.metrics.inception_score import inception_score
from huabi.metrics.kernel import kernel_estimate
from huabi.metrics.precision_recall import manifold
from huabi.nets.inception import Inception

WIDTH, CLASSES, SPLITS = 2048, 1008, 10


class Row(NamedTuple):
    """One line of the table; `theirs` and `ours` are seconds."""

    what: str
    values: str
    difference: float
    allowed: float
    theirs: float
    ours: float

    def __str__(self) -> str:
        times = f"{self.theirs:.1f} | {self.ours:.1f} | {self.theirs / self.ours:.2f}"
        return f"| {self.what} | {self.values} | {self.difference:.1e} | {self.allowed:.0e} | {times} |"


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    found = work()
    return found, time.perf_counter() - start


def random_weights() -> dict[str, Tensor]:
    """Weights by the names of the published file that keep the size of the signal from layer to layer."""
    rng = torch.Generator().manual_seed(0)

    def normal(*shape: int, mean: float = 0.0, deviation: float = 0.1) -> Tensor:
        return mean + deviation * torch.randn(*shape, generator=rng)

    state = {"fc.weight": normal(CLASSES, WIDTH), "fc.bias": normal(CLASSES)}
    for name, module in Inception().named_modules():
        if isinstance(module, nn.Conv2d):
            out = len(module.weight)
            fan = module.weight[0].numel()
            state[f"{name}.conv.weight"] = normal(*module.weight.shape, deviation=(2 / fan) ** 0.5)
            state[f"{name}.bn.weight"] = normal(out, mean=1.0)
            state[f"{name}.bn.bias"] = normal(out)
            state[f"{name}.bn.running_mean"] = normal(out)
            state[f"{name}.bn.running_var"] = 0.5 + torch.rand(out, generator=rng)
    return state


def networks(pictures: int) -> list[Row]:
    """Features and logits of random pictures by both networks."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    state = random_weights()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "inception.pth"
        torch.save(state, file)
        peer = FeatureExtractorInceptionV3("inception", ["2048", "logits_unbiased"], str(file))
    net = weights.inception_of(state)
    x = torch.randint(0, 256, (pictures, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    unit = x.float() / 127.5 - 1
    peer(x[:2]), net(unit[:2])
    (theirs, their_logits), their_time = timed(lambda: peer(x))
    ours, our_time = timed(lambda: net(unit))
    rows = []
    for what, a, b in (("features", theirs, ours), ("logits", their_logits, net.logits(ours))):
        spread = f"{b.mean():.2f} ± {b.std():.2f}"
        difference = float((a - b).abs().max() / a.std())  # in 32 bits the error goes with the size
        rows.append(Row(f"Inception {what} of {pictures} pictures", spread, difference, 1e-5, their_time, our_time))
    return rows


def matrices(rows: int) -> tuple[Tensor, Tensor]:
    """Two sets of features (rows, WIDTH) that lie on a surface of 24 dimensions, as those of pictures nearly do."""
    rng = torch.Generator().manual_seed(2)
    surface = torch.randn(24, WIDTH, generator=rng) / 24**0.5
    sides = []
    for scale, shift in ((0.9, 0.1), (1.0, 0.0)):
        z = torch.randn(rows, 24, generator=rng) * scale + shift
        sides.append((z @ surface + 0.1 * torch.randn(rows, WIDTH, generator=rng)).relu())
    return sides[0], sides[1]


def distances(rows: int) -> list[Row]:
    """Every measure on shared matrices."""
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
    from torch_fidelity.metric_isc import isc_features_to_metric
    from torch_fidelity.metric_kid import kid_features_to_metric
    from torch_fidelity.metric_prc import prc_features_to_metric

    x, y = matrices(rows)
    logits = x @ torch.randn(WIDTH, CLASSES, generator=torch.Generator().manual_seed(3)) / 20
    # parts of ours are dealt in turn, theirs are cut: the same rows in each
    dealt = torch.cat([logits[k::SPLITS] for k in range(SPLITS)])
    one = {"kid_subsets": 1, "kid_subset_size": rows, "verbose": False}

    def fid() -> float:
        statistics = [fid_features_to_statistics(side) for side in (x, y)]
        return fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]

    pairs: dict[str, tuple[Callable[[], float], Callable[[], float]]] = {
        "FID": (fid, lambda: frechet_distance(Moments([x]), Moments([y]))),
        "KID x 1000, one block": (
            lambda: 1000 * kid_features_to_metric(x, y, **one)["kernel_inception_distance_mean"],
            lambda: kernel_estimate(x, y).value,
        ),
        f"Inception Score, {SPLITS} parts": (
            lambda: isc_features_to_metric(dealt, SPLITS, shuffle=False)["inception_score_mean"],
            lambda: inception_score([logits], SPLITS).value,
        ),
    }
    found = []
    for what, (peer, own) in pairs.items():
        (theirs, their_time), (ours, our_time) = timed(peer), timed(own)
        difference = abs(theirs - ours) / abs(theirs)
        found.append(Row(what, f"{theirs:.6g}, {ours:.6g}", difference, 1e-4, their_time, our_time))
    prc, their_time = timed(lambda: prc_features_to_metric(x, y, verbose=False))
    balls, our_time = timed(lambda: manifold(x, y))
    for what in ("precision", "recall"):
        theirs, ours = prc[what], getattr(balls, what).value
        found.append(Row(what, f"{theirs:.4f}, {ours:.4f}", abs(theirs - ours), 1e-4, their_time, our_time))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=64)
    parser.add_argument("--rows", type=int, default=10_000, help="of each feature matrix; a multiple of 10")
    parser.add_argument("--threads", type=int, default=pick_threads())
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    peers.let_torchvision_import()
    print(
        f"torch-fidelity {version('torch-fidelity')}, torch {torch.__version__}, {processor()}, "
        f"{asked.threads} threads; matrices of {asked.rows:,} x {WIDTH:,}\n\n"
        "| what | torch-fidelity's, ours | difference | allowed | its seconds | ours | ratio |\n"
        "|---|---|--:|--:|--:|--:|--:|"
    )
    rows = []
    for part in (lambda: networks(asked.pictures), lambda: distances(asked.rows)):
        for row in part():
            print(row, flush=True)
            rows.append(row)
    if wrong := [row.what for row in rows if not row.difference <= row.allowed]:
        sys.exit(f"disagreement: {', '.join(wrong)}")


if __name__ == "__main__":
    main()
