"""Convolutions at few positions, which are computed as products of matrices."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from huabi.nets import convnets

LAYERS = {
    "halves": lambda bias: nn.Conv2d(6, 5, 4, 2, 1, bias=bias),
    "keeps": lambda bias: nn.Conv2d(6, 5, 3, padding=1, bias=bias),
    "doubles": lambda bias: nn.ConvTranspose2d(6, 5, 4, 2, 1, bias=bias),
    "triples": lambda bias: nn.ConvTranspose2d(6, 5, 3, 3, bias=bias),
}


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("name", LAYERS)
def test_a_product_is_its_convolution(name: str, order: torch.memory_format, bias: bool) -> None:
    torch.manual_seed(0)
    layer = LAYERS[name](bias).double().to(memory_format=order)  # type: ignore[call-overload]
    x = torch.randn(3, 6, 4, 2, dtype=torch.float64).to(memory_format=order).requires_grad_()
    calls = []
    layer.register_forward_hook(lambda *_: calls.append(1))
    ways = [layer(x), convnets.convolved(layer, x)]
    assert calls == [1]  # the second went another way
    pull = torch.randn_like(ways[0])
    found = [torch.autograd.grad((way * pull).sum(), [x, *layer.parameters()]) for way in ways]
    torch.testing.assert_close(ways[1], ways[0])
    for product, convolution in zip(found[1], found[0], strict=True):
        torch.testing.assert_close(product, convolution)


def test_many_positions_stay_a_convolution() -> None:
    layer, calls = nn.Conv2d(2, 3, 3, padding=1), []
    layer.register_forward_hook(lambda *_: calls.append(1))
    x = torch.randn(1, 2, 5, 5)
    assert torch.equal(convnets.convolved(layer, x), layer(x))
    assert calls == [1, 1]
