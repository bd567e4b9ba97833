"""A picture made better by what it is found to need: noise, a cast, exposure, flat light, softness."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from ..deep import to_deep_tensor
from ..model import DataSpec, Identity, Model
from ..requests import Enhance
from ..restoring import check_memory, resampled
from .filters import gaussian, guided, noise_level, to_rgb, to_ycc

__all__ = ["Enhancer", "Needs", "enhanced", "needs"]

# All of it is in [0, 1], as the file has it (gamma-coded sRGB), unless it says linear.
DARKEST, LIGHTEST = 0.34, 0.62  # mean luminance between which a picture counts as well exposed
TAIL = 0.002  # share of the pixels that the stretch takes for the darkest and the lightest
BLACK, WHITE = 0.05, 0.92  # where those may lie in a picture that needs no stretch
NEUTRAL = 0.16  # log ratio of the light's colours below which no cast is seen: few scenes are grey on average
STRONGEST = 0.45  # log ratio that is taken back at most
GRAIN = 0.012  # standard deviation of noise below which it counts for texture
FLAT = 0.03  # standard deviation of detail below which light counts as flat
SOFT, CRISP = 0.25, 0.5  # share of the finest detail, see `_crispness`: of what is all blur, and of a sharp picture
SHARPEST = 3.0  # times that the finest detail is added to what is all blur


@dataclass(frozen=True)
class Needs:
    """What a picture is found to need; 0 and 1 as factors are nothing."""

    noise: float  # standard deviation that is smoothed away
    gains: tuple[float, float, float]  # of linear red, green and blue
    black: float  # luminance that becomes black,
    white: float  # and white
    gamma: float  # below 1 lightens
    detail: float  # factor of the light's local contrast
    sharpen: float  # share of the finest detail that is added once more


def needs(rgb: Tensor) -> Needs:
    """What is to be done to a picture (1 or 3, H, W) in [0, 1]; of one that is in order next to nothing."""
    noise = noise_level(rgb)
    gains = _cast(rgb) if len(rgb) == 3 else (1.0, 1.0, 1.0)
    light = _light(balanced(rgb, gains))
    low, high = (float(value) for value in torch.quantile(_sampled(light), torch.tensor([TAIL, 1 - TAIL])))
    black = max(0.0, low - BLACK) if high - low > 0.1 else 0.0
    white = min(1.0, high + 1 - WHITE) if high - low > 0.1 else 1.0
    mean = float(((light - black) / (white - black)).clamp(0, 1).mean())
    aim = min(max(mean, DARKEST), LIGHTEST)
    gamma = min(max(math.log(aim) / math.log(mean), 0.45), 1.8) if 0.005 < mean < 0.995 else 1.0
    shown = toned(light, black, white, gamma)
    detail = float((shown - _base(shown)).std(correction=0))
    soft = min(max((CRISP - _crispness(shown)) / (CRISP - SOFT), 0.0), 1.0)
    return Needs(
        noise=noise if noise > GRAIN else 0.0,
        gains=gains,
        black=black,
        white=white,
        gamma=gamma,
        detail=min(max(FLAT / max(detail, 1e-6), 1.0), 1.6),
        sharpen=SHARPEST * soft if noise <= GRAIN else 0.0,
    )


def enhanced(rgb: Tensor, found: Needs) -> Tensor:
    """The picture (1 or 3, H, W) in [0, 1] with all that was found done to it, in this order.

    Noise goes by a guided filter, of luminance and, wider, of colours; the cast by gains of linear light (von Kries);
    levels and gamma by one curve for all channels; detail is what a guided filter with wide windows leaves out (an
    edge-aware unsharp mask, so without halos); the finest of it is added once more, where it is above the noise.
    """
    x = balanced(_smoothed(rgb, found.noise), found.gains)
    x = toned(x, found.black, found.white, found.gamma)
    light = _light(x)
    more = light
    if found.detail != 1:
        base = _base(light)
        more = base + found.detail * (light - base)
    if found.sharpen:
        more = more + found.sharpen * (more - gaussian(more, 1.0))
    added = more - light
    room = torch.where(added > 0, 1 - x.amax(0, keepdim=True), x.amin(0, keepdim=True))
    return x + room * (added / room.clamp(min=1e-6)).tanh()  # nothing is clipped


def balanced(rgb: Tensor, gains: Sequence[float]) -> Tensor:
    """Colours of linear light times `gains`, made less where they would leave the range."""
    if len(rgb) == 1 or all(gain == 1 for gain in gains):
        return rgb
    linear = _linear(rgb) * rgb.new_tensor(gains)[:, None, None]
    linear = linear / linear.amax(0, keepdim=True).clamp(min=1)
    return torch.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear.clamp(min=1e-9) ** (1 / 2.4) - 0.055)


def toned(x: Tensor, black: float, white: float, gamma: float) -> Tensor:
    """x with its levels stretched and bent: one rising curve, the same for all channels."""
    return ((x - black) / (white - black)).clamp(0, 1) ** gamma


def _linear(rgb: Tensor) -> Tensor:
    return torch.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def _light(x: Tensor) -> Tensor:
    return x if len(x) == 1 else to_ycc(x)[:1]


def _base(light: Tensor) -> Tensor:
    """Luminance (1, H, W) without detail, its strong edges kept."""
    return guided(light, light, max(2, max(light.shape) // 24), 0.01)


def _crispness(light: Tensor) -> float:
    """The share of the finest detail: 1/4 is all blur, for there differences of Gaussians go as sigma squared."""
    coarse = float((light - gaussian(light, 2.0)).std(correction=0))
    return float((light - gaussian(light, 1.0)).std(correction=0)) / coarse if coarse > 1e-4 else 1.0


def _smoothed(x: Tensor, noise: float) -> Tensor:
    if not noise:
        return x
    light = _light(x)
    clean = guided(light, light, 2, noise**2)
    if len(x) == 1:
        return clean.clamp(0, 1)
    chroma = guided(to_ycc(x)[1:], clean, 4, 4 * noise**2)
    return to_rgb(torch.cat([clean, chroma])).clamp(0, 1)


def _cast(rgb: Tensor) -> tuple[float, float, float]:
    """Gains of linear red, green and blue that take back what the light's colour is beyond doubt.

    The light is estimated by shades of grey, the norm of order 6 (Finlayson and Trezzi 2004), over what is not clipped.
    """
    linear = _linear(rgb).flatten(1)
    seen = (rgb.amax(0) < 0.98).flatten() & (rgb.amax(0) > 0.04).flatten()
    if int(seen.sum()) < 0.02 * len(seen):
        return 1.0, 1.0, 1.0
    light = (linear[:, seen].double() ** 6).mean(1) ** (1 / 6)
    ratio = light.clamp(min=1e-4).log()
    ratio = ratio - ratio.mean()
    size = float(ratio.abs().max())
    share = max(0.0, min(size, STRONGEST) - NEUTRAL) / max(size, 1e-9)
    gains = torch.exp(-share * ratio)
    mean = linear.double().mean(1)
    gains = gains * (to_ycc(mean[:, None, None])[0] / to_ycc((gains * mean)[:, None, None])[0]).item()  # as light
    return tuple(gains.tolist())


def _sampled(x: Tensor, most: int = 1 << 20) -> Tensor:
    """At most about `most` of the values, evenly taken."""
    flat = x.flatten()
    return flat[:: max(1, len(flat) // most)]


class Enhancer(Model):
    """Answers `Enhance`; it is not trained and needs no run. Grey pictures stay grey, and transparency is kept."""

    requests = (Enhance,)
    spec = DataSpec((1024, 1024))  # in name: a picture keeps its size
    # one by one: pictures differ in size
    identity = Identity(family="enhance", rows=1)

    def sample(self, requests: Sequence[Enhance]) -> Iterator[Tensor]:
        yield torch.stack([_answer(request) for request in requests])

    def batch_key(self, request: Any) -> Hashable:
        return request.image, request.scale


def _answer(request: Enhance) -> Tensor:
    x = to_deep_tensor(request.image)
    check_memory((request.scale * x.shape[1], request.scale * x.shape[2]), "cpu")
    colours, alpha = (x[:3] + 1) / 2, x[3:]
    found = _weighed(needs(_seen(colours, alpha[0] > -1) if len(alpha) else colours), request)
    done = torch.cat([enhanced(colours, found) * 2 - 1, alpha])
    return done if request.scale == 1 else resampled(done, request.scale, Image.Resampling.LANCZOS)


def _seen(rgb: Tensor, visible: Tensor) -> Tensor:
    """What a picture (C, H, W) is judged by where some of it is transparent: the rest, and its mean in the gaps."""
    if not bool(visible.any()):
        return rgb
    filled = torch.where(visible, rgb, rgb[:, visible].mean(1)[:, None, None])
    rows, columns = (visible.any(other).nonzero()[:, 0] for other in (1, 0))
    return filled[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _weighed(found: Needs, asked: Enhance) -> Needs:
    """As much of what was found as is asked for."""
    red, green, blue = (gain**asked.white_balance for gain in found.gains)
    return Needs(
        noise=found.noise * asked.denoise,
        gains=(red, green, blue),
        black=found.black * asked.exposure,
        white=1 - (1 - found.white) * asked.exposure,
        gamma=found.gamma**asked.exposure,
        detail=1 + (found.detail - 1) * asked.contrast,
        sharpen=found.sharpen * asked.sharpness,
    )
