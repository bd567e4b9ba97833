"""The U-Net takes every size and channel count, obeys its conditions, and treats rows alone."""

from __future__ import annotations

import pytest
import torch

from huabi.nets.unet import UNet, shape_for


def rough(channels: int = 3, **keywords: object) -> UNet:
    """A small net whose zero-initialised layers are not zero, so that everything in it matters."""
    g = torch.Generator().manual_seed(0)
    net = UNet(channels, **({"widths": (16, 32), "depth": 1, "head": 16} | keywords))
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(torch.randn(p.shape, generator=g) * (0.5 / max(1, p[0].numel()) ** 0.5))
    return net.eval()


def data(n: int, channels: int, height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(n)
    return torch.randn(n, channels, height, width, generator=g), torch.rand(n, generator=g)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize(("height", "width"), [(8, 8), (12, 20), (30, 18), (64, 32), (9, 5), (1, 2)])
def test_any_size_keeps_its_shape(channels: int, height: int, width: int) -> None:
    x, t = data(2, channels, height, width)
    net = rough(channels)
    assert net.multiple == 4
    assert net(x, t).shape == x.shape


@pytest.mark.parametrize("size", [8, 16, 20, 28, 32, 64, 96, 128, 256])
def test_every_size_has_a_shape_of_net(size: int) -> None:
    keywords = shape_for(size, width=16)
    net = UNet(3, depth=1, head=16, **keywords)
    inside = -(-size // net.multiple) * net.multiple
    lowest = inside // net.multiple
    assert 4 <= lowest <= 16
    x, t = data(1, 3, size, size)
    assert net(x, t).shape == x.shape


def test_it_starts_as_zero() -> None:
    x, t = data(2, 3, 8, 8)
    assert not UNet(3, widths=(16, 32))(x, t).any()


def test_padding_does_not_reach_what_fits() -> None:
    x, t = data(1, 3, 16, 16)
    net = rough()
    assert net(x, t).isfinite().all()
    assert net(x[..., :15, :13], t).shape == (1, 3, 15, 13)


def test_rows_do_not_mix() -> None:
    net = rough(classes=3)
    x, t = data(4, 3, 16, 16)
    label = torch.tensor([0, 1, 2, -1])
    together = net(x, t, label)
    for i in range(4):
        torch.testing.assert_close(
            together[i : i + 1], net(x[i : i + 1], t[i : i + 1], label[i : i + 1]), rtol=1e-4, atol=1e-5
        )


def test_time_and_label_matter_and_no_label_is_one_of_them() -> None:
    net = rough(classes=3)
    x, t = data(1, 3, 8, 8)
    out = [net(x, t, torch.tensor([k])) for k in (0, 1, 2, -1)]
    assert all((out[i] - out[j]).abs().max() > 1e-4 for i in range(4) for j in range(i))
    assert torch.equal(net(x, t), out[3])
    assert (net(x, t + 0.3) - net(x, t)).abs().max() > 1e-4


def test_every_parameter_learns() -> None:
    net = rough(classes=3)
    x, t = data(4, 3, 16, 16)
    net(x, t, torch.tensor([0, 1, 2, -1])).square().sum().backward()
    idle = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.any()]
    assert not idle


def test_the_same_in_bfloat16() -> None:
    net = rough()
    x, t = data(2, 3, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        low = net(x, t)
    torch.testing.assert_close(low.float(), net(x, t), rtol=0.1, atol=0.1)
