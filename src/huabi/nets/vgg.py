"""VGG-19 up to its fifth level (Simonyan and Zisserman 2015): the network that style transfer was found with."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["VGG19"]

# level and place of each convolution, and its channels; the fifth level ends after its first
_CONVOLUTIONS = (
    ((1, 1), 64), ((1, 2), 64), ((2, 1), 128), ((2, 2), 128),
    ((3, 1), 256), ((3, 2), 256), ((3, 3), 256), ((3, 4), 256),
    ((4, 1), 512), ((4, 2), 512), ((4, 3), 512), ((4, 4), 512), ((5, 1), 512),
)
_TAPS = ((1, 1), (2, 1), (3, 1), (4, 1), (4, 2), (5, 1))
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of the pictures that it was trained on, in [0, 1]


class VGG19(nn.Module):
    """Its rectified convolutions 1_1, 2_1, 3_1, 4_1, 4_2 and 5_1; levels are averaged, not maximised.

    Gatys et al. (2016, section 2) pool by averages, which makes smoother pictures. Gradients flow to the pictures and
    never to the weights, which are frozen.

    Args:
        width: channels, as a share of those that were published.
    """

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        layers, inner = [], 3
        for _, channels in _CONVOLUTIONS:
            outer = max(1, round(channels * width))
            layers.append(nn.Conv2d(inner, outer, 3, padding=1))
            inner = outer
        self.convolutions = nn.ModuleList(layers)
        self.mean: Tensor
        self.deviation: Tensor
        self.register_buffer("mean", torch.tensor(_MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(_DEVIATION).view(3, 1, 1), persistent=False)
        self.requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @classmethod
    def random(cls, seed: int = 0, width: float = 1.0) -> VGG19:
        """One whose weights are drawn by `seed`: He, Wang and Hopcroft (2016) found that such see texture, too."""
        net = cls(width)
        rng = torch.Generator().manual_seed(seed)
        for layer in net.convolutions:
            assert isinstance(layer, nn.Conv2d)
            assert layer.bias is not None
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=rng)
            nn.init.zeros_(layer.bias)
        return net

    def layers(self, x: Tensor) -> list[Tensor]:
        """Maps (B, C, H / 2^k, W / 2^k) for k from 0 to 4 of pictures (B, 3, H, W) in [-1, 1], in their own size."""
        h = ((x + 1) / 2 - self.mean) / self.deviation
        h = h.contiguous(memory_format=torch.channels_last)
        maps = []
        for (place, _), layer in zip(_CONVOLUTIONS, self.convolutions):
            if place[1] == 1 and place[0] > 1:
                h = F.avg_pool2d(h, 2, ceil_mode=True)
            h = F.relu(layer(h))
            if place in _TAPS:
                maps.append(h)
        return maps
