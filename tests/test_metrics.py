"""The measures of sets of features, against closed forms, scipy and plain loops."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from huabi.errors import DataError
from huabi.metrics import precision_recall
from huabi.metrics.frechet import Moments, frechet_distance, frechet_estimate
from huabi.metrics.inception_score import inception_score
from huabi.metrics.kernel import kernel_distance, kernel_estimate
from huabi.metrics.precision_recall import manifold
from huabi.metrics.score import BLOCKS, jackknife


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(n: int, d: int, seed: int, scale: float = 1.0, shift: float = 0.0) -> torch.Tensor:
    return torch.randn(n, d, generator=rng(seed)) * scale + shift


@settings(max_examples=20)
@given(cuts=st.lists(st.integers(1, 60), max_size=6))
def test_moments_do_not_depend_on_the_batches(cuts: list[int]) -> None:
    x = normal(80, 5, 0, shift=100.0)
    streamed = Moments(x.tensor_split(sorted(cuts)))
    torch.testing.assert_close(streamed.mean, x.double().mean(0))
    torch.testing.assert_close(streamed.covariance, x.double().T.cov())


@pytest.mark.parametrize(("n", "d"), [(400, 12), (30, 64)])
def test_frechet_agrees_with_scipy(n: int, d: int) -> None:
    """The second case has singular covariances, as 1,000 pictures in 1,280 features have."""
    linalg = pytest.importorskip("scipy.linalg")
    mix = torch.randn(d, d, generator=rng(9)) / d**0.5
    a, b = Moments([normal(n, d, 1) @ mix]), Moments([normal(n, d, 2, scale=1.5, shift=0.2)])
    ca, cb = a.covariance.numpy(), b.covariance.numpy()
    root = linalg.sqrtm(ca @ cb)
    expected = ((a.mean - b.mean) ** 2).sum().item() + (ca + cb - 2 * root.real).trace()
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-4)
    assert frechet_distance(b, a) == pytest.approx(frechet_distance(a, b), rel=1e-6)


def test_frechet_of_shift_and_scale() -> None:
    x = normal(500, 8, 0)
    a = Moments([x])
    trace = a.covariance.trace().item()
    assert frechet_distance(a, a) < 1e-6
    assert frechet_distance(a, Moments([x + 3])) == pytest.approx(8 * 9, rel=1e-5)
    assert frechet_distance(a, Moments([2 * x])) == pytest.approx(
        a.mean.square().sum().item() + trace, rel=1e-5
    )


def test_moments_forget_a_part() -> None:
    x = normal(50, 5, 0, shift=10.0)
    rest = Moments([x]).without(Moments([x[::7]]))
    kept = x[torch.arange(50) % 7 != 0]
    assert rest.count == len(kept)
    torch.testing.assert_close(rest.mean, kept.double().mean(0))
    torch.testing.assert_close(rest.covariance, kept.double().T.cov())


def left_out(x: torch.Tensor) -> list[torch.Tensor]:
    """The rows that remain as each block of a jackknife is left out."""
    return [x[torch.arange(len(x)) % BLOCKS != k] for k in range(BLOCKS)]


def test_the_interval_of_a_frechet_distance_is_its_jackknife() -> None:
    x, reference = normal(60, 4, 0), Moments([normal(90, 4, 1, shift=0.3)])
    found = frechet_estimate(x, reference)
    assert found.value == pytest.approx(frechet_distance(Moments([x]), reference))
    assert found.error == pytest.approx(jackknife([frechet_distance(Moments([p]), reference) for p in left_out(x)]))
    assert math.isnan(frechet_estimate(x[:19], reference).error)


def test_frechet_needs_two_pictures() -> None:
    with pytest.raises(DataError, match="at least 2"):
        frechet_distance(Moments([normal(1, 4, 0)]), Moments([normal(9, 4, 0)]))


def test_kernel_distance_is_the_definition() -> None:
    x, y = normal(6, 4, 0), normal(5, 4, 1, shift=0.5)

    def k(a: torch.Tensor, b: torch.Tensor) -> float:
        return (a.double().dot(b.double()).item() / 4 + 1) ** 3

    def within(z: torch.Tensor) -> float:
        pairs = [(i, j) for i in range(len(z)) for j in range(len(z)) if i != j]
        return sum(k(z[i], z[j]) for i, j in pairs) / len(pairs)

    between = sum(k(a, b) for a in x for b in y) / (len(x) * len(y))
    found = kernel_distance(x, y, rng())
    assert found.value == pytest.approx(1000 * (within(x) + within(y) - 2 * between), rel=1e-9)
    assert math.isnan(found.error)


def test_kernel_distance_is_unbiased_and_its_error_honest() -> None:
    """Equal distributions: around 0, as often below as above, within the error that it states."""
    scores = []
    for seed in range(40):
        found = kernel_distance(normal(400, 6, 2 * seed), normal(400, 6, 2 * seed + 1), rng(seed), block=100)
        assert found.error > 0
        scores.append(found.value / found.error)
    assert abs(sum(scores) / 40) < 0.6
    assert sum(abs(score) < 4 for score in scores) >= 36
    far = kernel_distance(normal(400, 6, 0), normal(400, 6, 1, shift=1.0), rng(), block=100)
    assert far.value > 5 * far.error


def test_kernel_distance_over_all_pairs_and_its_jackknife() -> None:
    """One block of equal counts holds all pairs: there both ways of counting are one."""
    x, y = normal(30, 4, 0), normal(30, 4, 1, shift=0.5)
    found = kernel_estimate(x, y)
    assert found.value == pytest.approx(kernel_distance(x, y, rng()).value, rel=1e-5)
    values = [kernel_distance(part, y.double(), rng(), block=30).value for part in left_out(x.double())]
    assert len(left_out(x)[0]) == 27
    assert kernel_estimate(x[:19], y).value == pytest.approx(kernel_estimate(x[:19].flip(0), y).value, rel=1e-4)
    assert found.error == pytest.approx(jackknife(values), rel=1e-4)


def test_jackknife_of_a_mean_is_its_standard_error() -> None:
    x = torch.randn(200, generator=rng(), dtype=torch.float64)
    blocks = torch.stack([x[k::BLOCKS].mean() for k in range(BLOCKS)])
    expected = float(blocks.std()) / BLOCKS**0.5
    assert jackknife([float(part.mean()) for part in left_out(x)]) == pytest.approx(expected)


@settings(max_examples=10)
@given(cuts=st.lists(st.integers(1, 60), max_size=6))
def test_inception_score_is_the_definition_however_it_streams(cuts: list[int]) -> None:
    logits = normal(61, 5, 0, scale=3.0)
    scores = []
    for k in range(3):
        p = logits[k::3].double().softmax(1)
        scores.append((p * (p / p.mean(0)).log()).sum(1).mean().exp().item())
    found = inception_score(logits.tensor_split(sorted(cuts)), splits=3)
    assert found.value == pytest.approx(sum(scores) / 3)
    assert found.error == pytest.approx(torch.tensor(scores).std().item() / 3**0.5, rel=1e-4)


def test_inception_score_reaches_from_one_to_the_number_of_classes() -> None:
    assert inception_score([normal(1, 7, 0).expand(40, 7)]).value == pytest.approx(1)
    sure = torch.eye(4).repeat_interleave(20, 0) * math.inf
    assert inception_score([sure.nan_to_num(nan=-math.inf)]).value == pytest.approx(4)
    with pytest.raises(DataError, match="at least 20 pictures"):
        inception_score([normal(19, 4, 0)])


def brute_force(x: torch.Tensor, y: torch.Tensor) -> list[float]:
    """Precision, recall, density and coverage by the words of their papers, one pair at a time."""

    def radius(z: torch.Tensor, i: int, k: int) -> float:
        return sorted(float((z[i] - z[j]).norm()) for j in range(len(z)) if j != i)[k - 1]

    def inside(p: torch.Tensor, z: torch.Tensor, k: int) -> list[bool]:
        return [float((p - z[i]).norm()) <= radius(z, i, k) for i in range(len(z))]

    precision = sum(any(inside(p, y, 3)) for p in x) / len(x)
    recall = sum(any(inside(p, x, 3)) for p in y) / len(y)
    balls = [inside(p, y, 5) for p in x]
    density = sum(map(sum, balls)) / (5 * len(x))
    coverage = sum(any(ball[i] for ball in balls) for i in range(len(y))) / len(y)
    return [precision, recall, density, coverage]


def test_precision_and_recall_are_their_definitions(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = normal(23, 3, 0, scale=1.4), normal(19, 3, 1, shift=0.6)
    expected = brute_force(x, y)
    assert [part.value for part in manifold(x, y)] == pytest.approx(expected)
    mixed = manifold(x[torch.randperm(23, generator=rng())], y[torch.randperm(19, generator=rng())])
    assert [part.value for part in mixed] == pytest.approx(expected)
    monkeypatch.setattr(precision_recall, "_ROWS", 4)
    assert [part.value for part in manifold(x, y)] == pytest.approx(expected)


def test_precision_and_recall_of_equal_and_of_distant_sets() -> None:
    x = normal(60, 4, 0)
    assert [part.value for part in manifold(x, x)[:2]] == [1, 1]
    assert manifold(x, x).coverage.value == 1
    assert [part.value for part in manifold(x, x + 100)] == [0, 0, 0, 0]
    narrow = manifold(normal(60, 4, 1, scale=0.2), x)  # good pictures of too few kinds
    assert narrow.precision.value > 0.9 > 0.5 > narrow.recall.value
    assert 0 < narrow.coverage.error < 0.3
    assert math.isnan(manifold(x, x).precision.error)


@pytest.mark.parametrize("measured", [kernel_estimate, manifold])
def test_bad_features_are_named(measured: object) -> None:
    assert callable(measured)
    fine, broken = normal(9, 4, 0), normal(9, 4, 1)
    broken[3, 2] = math.nan
    with pytest.raises(DataError, match=r"samples hold NaN or infinity \(1 of 9"):
        measured(broken, fine)
    with pytest.raises(DataError, match="not of one network"):
        measured(fine, normal(9, 5, 0))
    with pytest.raises(DataError, match="at least 2 pictures"):
        measured(fine[:1], fine)
    with pytest.raises(DataError, match="NaN"):
        Moments([broken])
