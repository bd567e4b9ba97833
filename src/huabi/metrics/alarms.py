"""Alarms: signs that a generator collapses, learns its pictures by heart, draws too smoothly, or diverges.

Each sign is one figure against one threshold; `bench/alarms.py` measures both on healthy and on suffering runs.
Pictures are (N, C, H, W) in [-1, 1].
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .precision_recall import manifold

__all__ = [
    "FEWEST",
    "Side",
    "Sign",
    "collapse",
    "copied",
    "losses_lost",
    "memorisation",
    "over_smoothing",
    "overconfidence",
    "pictures_lost",
    "remedy",
    "thumbnails",
    "variety",
]

FEWEST = 16  # pictures of a side, or rows of a log, below which a sign says nothing
_SMALL = 16  # rows and columns of a thumbnail
_FAINT = 0.05  # contrast, in [-1, 1], that thumbnails are not stretched beyond
_BLANK = 0.02  # contrast of a picture that shows nothing
_EXTREME = 254 / 255  # from which on a value is clipped
_ROWS = 8192  # thumbnails of the training set that are compared at once
_PROOF = 20  # held-out pictures below which one of them proves as little as one of 20

_VARIETY = 0.5  # of the data's
_SURE = 0.9  # that a real picture is the real one of two
_COPIES = 0.1  # of all samples
_DETAIL = 0.2  # of the data's
_LOST = 0.5  # of all samples
_UNDONE = 0.5  # of what a loss has gained

# what may help, by the setting that a family must have for it; the first that fits is said
_REMEDIES: dict[str, tuple[tuple[str, str], ...]] = {
    "collapse": (
        (
            "critic_lr",
            "raise --set r1 (now {r1:g}), lower --set lr (now {lr:g}) and critic_lr (now {critic_lr:g}), "
            "or try --set loss=wgan-gp; with few pictures --set augment=ada",
        ),
        ("beta", "lower --set beta (now {beta:g})"),
        ("guidance", "lower --set guidance (now {guidance:g}) or --set lr (now {lr:g})"),
        ("lr", "lower --set lr (now {lr:g})"),
        ("", "train with smaller steps"),
    ),
    "memorisation": (
        ("augment", "add pictures, --set augment=ada, or train less; --evaluate-every 5m keeps the best state"),
        ("", "add pictures or train for less time; --evaluate-every 5m keeps the best state"),
    ),
    "over-smoothing": (
        ("beta", "raise --set detail.texture, lower --set beta (now {beta:g}), or train diffusion or gan"),
        ("net.width", "train longer, or raise --set net.width"),
        ("", "train longer"),
    ),
    "divergence": (("lr", "start again with a lower --set lr (now {lr:g})"), ("", "start again with smaller steps")),
}


@dataclass(frozen=True)
class Sign:
    """One figure that an alarm goes by; nan where too little is known, which never fires."""

    alarm: str  # collapse, memorisation, over-smoothing or divergence
    value: float
    threshold: float
    seen: str  # what was measured, in words
    above: bool = True  # whether it fires above the threshold or below

    @property
    def fires(self) -> bool:
        return self.value > self.threshold if self.above else self.value < self.threshold

    def line(self, settings: Mapping[str, Any]) -> str:
        """The alarm for people: its name, the figure, the threshold, and what may help under a run's `settings`."""
        side = "above" if self.above else "below"
        figure = f"{self.value:.3g}, alarm {side} {self.threshold:g}"
        return f"{self.alarm}: {self.seen} ({figure}); {remedy(self.alarm, settings)}"


class Side(NamedTuple):
    """Pictures and their features."""

    pictures: Tensor  # (N, C, H, W) in [-1, 1]
    features: Tensor  # (N, D)


def remedy(alarm: str, settings: Mapping[str, Any]) -> str:
    """What may help against an alarm, for a family of these settings."""
    found = next(text for need, text in _REMEDIES[alarm] if not need or need in settings)
    return found.format(**{key: value for key, value in settings.items() if "." not in key})


def variety(x: Tensor, width: float) -> float:
    """How many different rows x (n, d) is worth, 1 to n: the Vendi score (Friedman and Dieng 2023, eq. 2).

    The exponential of the entropy of K / n's eigenvalues, with K = exp(-|x_i - x_j|^2 / (2 width^2)).
    """
    kernel = torch.exp(torch.cdist(x, x).square() / (-2 * width**2))
    shares = torch.linalg.eigvalsh(kernel / len(x)).clamp(min=1e-12)
    return float(torch.exp(-(shares * shares.log()).sum()))


def collapse(samples: Side, data: Side) -> Sign:
    """Whether samples are too much alike: their variety against that of as many pictures of the data.

    Variety counts what differs by more than half of what lies between neighbours in the data. It is taken in features
    and in thumbnails, and recall (Kynkäänniemi et al. 2019, eq. 2) beside it; the largest of the three shares is the
    figure: soft pictures are alike in features and differ as thumbnails, pictures learnt by heart reach the data.
    """
    n = min(len(samples.pictures), len(data.pictures))
    if n < FEWEST:
        return Sign("collapse", math.nan, _VARIETY, "", above=False)
    a, b = (Side(side.pictures[:n], side.features[:n].double()) for side in (samples, data))
    shares = []
    for x, y in ((a.features, b.features), (_even(thumbnails(a.pictures)), _even(thumbnails(b.pictures)))):
        width = max(_apart(y) / 2, 1e-6)
        shares.append(variety(x, width) / variety(y, width))
    recall = manifold(a.features, b.features).recall.value
    seen = f"samples have {max(shares):.0%} of the variety of data and reach {recall:.0%} of it"
    return Sign("collapse", max(*shares, recall), _VARIETY, seen, above=False)


def overconfidence(confidence: Sequence[float]) -> Sign:
    """Whether a critic has won: how sure it is lately which of two pictures is real, 0 to 1, from a run's whole log.

    A critic that is sure teaches a generator nothing (Arjovsky and Bottou 2017, section 2).
    """
    value = statistics.median(_windows(confidence)[-1]) if len(confidence) >= FEWEST else math.nan
    return Sign("collapse", value, _SURE, f"the critic is {value:.1%} sure which pictures are real")


def memorisation(samples: Tensor, training: Tensor, heldout: Tensor, *, mirrored: bool = False) -> Sign:
    """Whether samples are copies: the share that lies less than half as far from one training picture as from the next.

    The ratio of Yoon et al. 2023 (section 3, there a third), between thumbnails of even brightness and contrast. The
    share of held-out pictures that do likewise is taken off, as that is what honest pictures do here.

    Args:
        samples, heldout: pictures; there may be no held-out ones.
        training: `thumbnails` of the whole training set.
        mirrored: whether the mirror image of a training picture counts as that picture.
    """
    if len(training) < 2:
        return Sign("memorisation", math.nan, _COPIES, "")
    mine, theirs = (int((copied(x, training, mirrored) >= 0).sum()) for x in (samples, heldout))
    share, honest = mine / len(samples), theirs / max(len(heldout), _PROOF)
    seen = f"{share:.0%} of samples are near copies of a training picture"
    beside = f", {honest:.0%} of held-out pictures are" if len(heldout) else ""
    return Sign("memorisation", share - honest, _COPIES, seen + beside)


def over_smoothing(samples: Tensor, data: Tensor) -> Sign:
    """Whether samples lack fine detail: the energy of their Laplacian against that of data.

    It is a measure of focus (Subbarao et al. 1993).
    """
    energy = [float(_laplacian(x).square().mean()) for x in (samples, data)]
    value = energy[0] / energy[1] if energy[1] else math.nan
    seen = f"samples have {value:.0%} of the fine detail of data"
    return Sign("over-smoothing", value, _DETAIL, seen, above=False)


def pictures_lost(samples: Tensor, data: Tensor) -> Sign:
    """Whether pictures have gone: the share of samples that are not a number, blank, or clipped far more than data."""
    broken = ~samples.flatten(1).isfinite().all(1)
    blank = samples.flatten(1).std(1) < _BLANK
    usual = max(0.5, float(_clipped(data).quantile(0.95)))
    value = float((broken | blank | (_clipped(samples) > usual)).double().mean())
    return Sign("divergence", value, _LOST, f"{value:.0%} of samples are blank, clipped or not a number")


def losses_lost(losses: Mapping[str, Sequence[float]]) -> Sign:
    """Whether what was learnt is lost again: how far the losses have risen from their best.

    Each loss is a run's whole log of it. The figure is the rise of its latest median over its lowest, in units of what
    it had gained since its first value, or of three times its scatter where that is more. Where it never gained, the
    figure is the rise over that first value, in units of it; so it is where there are several losses, since networks
    in a contest take turns in losing, and then the loss that has risen least counts.
    """
    rises = [_rise(values, contest=len(losses) > 1) for values in losses.values()]
    value = math.nan if any(map(math.isnan, rises)) else min(rises, default=math.nan)
    return Sign("divergence", value, _UNDONE, "the loss is rising: what was learnt is being lost")


def thumbnails(pictures: Tensor) -> Tensor:
    """Pictures averaged over areas to at most 16x16, as bytes (N, C, 16, 16): what copies are found by."""
    rows, columns = (min(_SMALL, side) for side in pictures.shape[-2:])
    small = F.adaptive_avg_pool2d(pictures.clamp(-1, 1), (rows, columns))
    return small.add(1).mul(127.5).round().to(torch.uint8)


def _even(small: Tensor) -> Tensor:
    """Thumbnails as rows (N, D), with the mean taken off and the contrast brought to 1; faint ones stay faint."""
    x = small.flatten(1).float() / 127.5
    x = x - x.mean(1, keepdim=True)
    return x / (x.square().mean(1, keepdim=True).sqrt() + _FAINT)


def _apart(x: Tensor) -> float:
    """The median distance of a row of x (n, d) from the nearest other one."""
    distance = torch.cdist(x, x)
    distance.fill_diagonal_(math.inf)
    return float(distance.amin(1).median())


def copied(pictures: Tensor, training: Tensor, mirrored: bool = False) -> Tensor:
    """(N,) which of the `thumbnails` each picture is nearly: it lies less than half as far from it as from the next.

    -1 where it is nearly none, as where it has fewer pixels than these. See `memorisation` for the measure.
    """
    small = thumbnails(pictures)
    if not len(pictures) or small.shape[1:] != training.shape[1:]:
        return torch.full((len(pictures),), -1)
    views = [_even(small)] + ([_even(thumbnails(pictures.flip(3)))] if mirrored else [])
    nearest = torch.full((len(pictures), 2), math.inf)
    rows = torch.full((len(pictures), 2), -1)
    for part in torch.arange(len(training)).split(_ROWS):
        known = _even(training[part])
        squared = torch.stack([_squared(view, known) for view in views]).amin(0)
        nearest, chosen = torch.cat([nearest, squared], 1).topk(2, largest=False)
        rows = torch.cat([rows, part.expand(len(pictures), -1)], 1).gather(1, chosen)
    return rows[:, 0].where(nearest[:, 0] < nearest[:, 1] / 4, -1)  # squares: half the distance is a quarter


def _squared(x: Tensor, y: Tensor) -> Tensor:
    """Squared distances (n, m) of rows."""
    return (x.square().sum(1)[:, None] + y.square().sum(1)).addmm_(x, y.T, alpha=-2).clamp_(min=0)


def _laplacian(x: Tensor) -> Tensor:
    """Each pixel's four neighbours minus four times itself (N, C, H - 2, W - 2)."""
    up, down, left, right = x[..., :-2, 1:-1], x[..., 2:, 1:-1], x[..., 1:-1, :-2], x[..., 1:-1, 2:]
    return up + down + left + right - 4 * x[..., 1:-1, 1:-1]


def _clipped(x: Tensor) -> Tensor:
    """The share of clipped values of each picture (N,)."""
    return (x.abs() >= _EXTREME).flatten(1).double().mean(1)


def _windows(values: Sequence[float]) -> list[Sequence[float]]:
    """The parts of a log, up to the last row: of equal length, at least 8 rows, and 16 or a few more of them."""
    size = max(8, len(values) // 16)
    return [values[end - size : end] for end in range(len(values), size - 1, -size)][::-1]


def _rise(values: Sequence[float], contest: bool) -> float:
    """How much of its gain a loss has lost again; nan below two windows of the log."""
    finite = [value if math.isfinite(value) else math.inf for value in values]
    if len(finite) < FEWEST:
        return math.nan
    windows = _windows(finite)
    best = min(windows, key=statistics.median)
    first, low, now = finite[0], statistics.median(best), statistics.median(windows[-1])
    if math.isinf(now):
        return math.inf
    if contest or low >= first:
        return (now - first) / abs(first) if first else 0.0
    quarter, _, three_quarters = statistics.quantiles(best, n=4)
    return (now - low) / max(first - low, 3 * (three_quarters - quarter))
