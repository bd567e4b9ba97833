"""What happens to pictures, so that a network can learn to undo it: noise, blur, JPEG, fewer pixels, holes, age.

Every function takes pictures (B, C, H, W) in [-1, 1] and draws from a `BatchRng` alone, so that row i is damaged the
same alone and in a batch. A fourth channel, transparency, is left as it is. Levels called sigma are of 255.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw
from torch import Tensor

from .pictures import to_image, to_tensor
from .rng import BatchRng

__all__ = ["aged", "blurred", "camera_noise", "gaussian_noise", "grey", "holes", "jpeg", "noise", "shrunk"]

LEVEL = 2 / 255  # one of 255 steps, in [-1, 1]
REACH = 7  # pixels from the middle of a blur's kernel to its edge
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


def gaussian_noise(x: Tensor, rng: BatchRng, highest: float) -> Tensor:
    """White noise of a sigma that is uniform in 0..highest in each row; nothing is clipped."""
    sigma = _spread(rng.uniform() * highest * LEVEL)
    return _kept_alpha(x, x + sigma * rng.normal(*x.shape[1:]))


def camera_noise(x: Tensor, rng: BatchRng, highest: float) -> Tensor:
    """A sensor's noise, of variance a s + b^2 at brightness s (Foi et al. 2008, eq. 3), as demosaicking leaves it.

    Its sigma at full brightness is uniform in 0..highest; the share of the photons in its variance is uniform, too: 1
    is Poisson's variance, drawn as a normal. In half of the rows it is known at one colour's places of a Bayer mosaic
    alone, and interpolated between them, which makes grains of it.
    """
    u = rng.uniform(3)
    sigma, photons = _spread(u[:, 0] * highest * LEVEL), _spread(u[:, 1])
    brightness = (x.clamp(-1, 1) + 1) / 2
    grain = rng.normal(*x.shape[1:]) * sigma * (photons * brightness + 1 - photons).sqrt()
    grain = torch.where(_spread(u[:, 2]) < 0.5, _demosaicked(grain), grain)
    return _kept_alpha(x, x + grain)


def noise(x: Tensor, rng: BatchRng, highest: float) -> Tensor:
    """Gaussian noise in half of the rows, a camera's in the others, in 8 bits."""
    camera = _spread(rng.uniform()) < 0.5
    drawn = gaussian_noise(x, rng, highest), camera_noise(x, rng, highest)
    return _kept_alpha(x, _in_8_bits(torch.where(camera, drawn[1], drawn[0])))


def blurred(x: Tensor, rng: BatchRng) -> Tensor:
    """Out of focus, moved, or softened: by a disc, a line or a Gaussian of random extent, a third of the rows each."""
    u = rng.uniform(4)
    kernels = torch.stack([_gaussian(u), _line(u), _disc(u)], 1)  # (B, 3, K, K)
    kind = (u[:, 3] * 3).long()
    kernel = kernels[torch.arange(len(x), device=x.device), kind]
    return _kept_alpha(x, _convolved(x, kernel / kernel.sum((1, 2), keepdim=True)))


def jpeg(x: Tensor, rng: BatchRng, lowest: int = 10, highest: int = 90) -> Tensor:
    """Saved as JPEG by Pillow, of a quality uniform in lowest..highest, with colours halved in half of the rows.

    Its blocks begin anywhere, as they do in a picture that was cut.
    """
    rows = []
    settings = torch.stack([rng.integers(highest - lowest + 1) + lowest, rng.integers(2) * 2], 1).tolist()
    for row, (quality, subsampling), (top, left) in zip(x[:, :3].cpu(), settings, rng.integers(8, 2).tolist()):
        file = io.BytesIO()
        padded = np.pad(row.numpy(), ((0, 0), (top, 0), (left, 0)), "symmetric")
        to_image(torch.from_numpy(padded)).save(file, "JPEG", quality=quality, subsampling=subsampling)
        with Image.open(file) as image:
            rows.append(to_tensor(image)[:, top:, left:])
    return torch.cat([torch.stack(rows).to(x), x[:, 3:]], 1)


def shrunk(x: Tensor, scale: int) -> Tensor:
    """Pictures of 1 / scale of the sides, which are multiples of it, by bicubic interpolation that smooths first."""
    sides = [side // scale for side in x.shape[-2:]]
    return F.interpolate(x, sides, mode="bicubic", antialias=True, align_corners=False)


def grey(x: Tensor) -> Tensor:
    """Pictures in which every colour is their luma (BT.601); grey ones as they are."""
    if x.shape[1] < 3:
        return x
    luma = (x[:, :3] * x.new_tensor(LUMA)[:, None, None]).sum(1, keepdim=True)
    return torch.cat([luma.expand(-1, 3, -1, -1), x[:, 3:]], 1)


def holes(x: Tensor, rng: BatchRng) -> Tensor:
    """Where something is missing (B, 1, H, W) bool: strokes of a brush, and in half of the rows a box."""
    return _drawn(x, rng, _hole) > 0


def aged(x: Tensor, rng: BatchRng) -> Tensor:
    """As an old print looks: soft, faded, brownish, grained, with scratches and dust, in 8 bits; each to some degree.

    A picture in colour may have kept some of it.
    """
    u = rng.uniform(6)
    x = x.lerp(blurred(x, rng), _spread(u[:, 0]))
    x = x.lerp(grey(x), _spread((u[:, 1] * 2).clamp(max=1)))
    black, white = _spread(u[:, 2] * 0.7 - 1), _spread(1 - u[:, 3] * 0.5)
    faded = black + (x + 1) / 2 * (white - black)
    tint = x.new_tensor([0.0, -0.08, -0.35])[: x.shape[1], None, None]
    if x.shape[1] >= 3:
        faded = torch.cat([faded[:, :3] + tint * _spread(u[:, 4]), x[:, 3:]], 1)
    grained = camera_noise(faded, rng, 20.0)
    marks = _drawn(x, rng, _marks)  # 0 is none, below is dark, above is light
    return _kept_alpha(x, _in_8_bits(grained.lerp(marks.sign(), marks.abs() * _spread(u[:, 5]))))


def _spread(value: Tensor) -> Tensor:
    """(B,) -> (B, 1, 1, 1)."""
    return value[:, None, None, None]


def _kept_alpha(x: Tensor, changed: Tensor) -> Tensor:
    return changed if x.shape[1] < 4 else torch.cat([changed[:, :3], x[:, 3:]], 1)


def _in_8_bits(x: Tensor) -> Tensor:
    return (x.clamp(-1, 1) / LEVEL + 127.5).round() * LEVEL - 1


def _demosaicked(grain: Tensor) -> Tensor:
    """Noise (B, C, H, W) known at its colour's places of the mosaic, bilinear between them; grey's is as green's."""
    channels, (rows, columns) = grain.shape[1], grain.shape[-2:]
    even = [torch.arange(side, device=grain.device) % 2 == 0 for side in (rows, columns)]
    red = even[0][:, None] & even[1]
    blue = ~even[0][:, None] & ~even[1]
    green = ~(red | blue)
    places = torch.stack([red, green, blue, green][:channels] if channels > 1 else [green])
    far = grain.new_tensor([[1, 2, 1], [2, 4, 2], [1, 2, 1]]) / 4
    near = grain.new_tensor([[0, 1, 0], [1, 4, 1], [0, 1, 0]]) / 4
    kernels = torch.stack([far, near, far, near][:channels] if channels > 1 else [near])
    return F.conv2d(grain * places, kernels[:, None], padding=1, groups=channels)


def _grid(angle: Tensor) -> tuple[Tensor, Tensor]:
    """Places of a kernel along and across the direction `angle` (B,): (B, K, K) each."""
    place = torch.arange(-REACH, REACH + 1, device=angle.device, dtype=angle.dtype)
    along, across = angle.cos()[:, None, None], angle.sin()[:, None, None]
    return along * place + across * place[:, None], along * place[:, None] - across * place


def _gaussian(u: Tensor) -> Tensor:
    along, across = _grid(u[:, 0] * math.pi)
    wide, narrow = (0.4 + (REACH / 2.5 - 0.4) * u[:, k, None, None] for k in (1, 2))
    return torch.exp(-((along / wide).square() + (across / narrow).square()) / 2)


def _line(u: Tensor) -> Tensor:
    along, across = _grid(u[:, 0] * math.pi)
    half = u[:, 1, None, None] * REACH
    return (half + 0.5 - along.abs()).clamp(0, 1) * (1 - across.abs()).clamp(min=0)


def _disc(u: Tensor) -> Tensor:
    along, across = _grid(u[:, 0])
    radius = u[:, 1, None, None] * (REACH - 1)
    return (radius + 0.5 - (along.square() + across.square()).sqrt()).clamp(0, 1)


def _convolved(x: Tensor, kernel: Tensor) -> Tensor:
    """Pictures (B, C, H, W), each under its own kernel (B, K, K); the border is repeated."""
    rows, channels = x.shape[:2]
    padded = F.pad(x, (REACH,) * 4, mode="replicate").flatten(0, 1)[None]
    weight = kernel[:, None].repeat_interleave(channels, 0)  # (B C, 1, K, K)
    return F.conv2d(padded, weight, groups=rows * channels).view_as(x)


Brush = Callable[[ImageDraw.ImageDraw, np.random.Generator, int, int], None]


def _drawn(x: Tensor, rng: BatchRng, brush: Brush) -> Tensor:
    """(B, 1, H, W) in [-1, 1] of what `brush` draws on a canvas of 0, by a seed for each row."""
    height, width = x.shape[-2:]
    rows = []
    for seed in rng.integers(2**62).tolist():
        canvas = Image.new("L", (width, height), 127)
        brush(ImageDraw.Draw(canvas), np.random.default_rng(seed), width, height)
        rows.append(torch.from_numpy(np.asarray(canvas, np.float32)[None] - 127) / 128)
    return torch.stack(rows).to(x)


def _hole(draw: ImageDraw.ImageDraw, rng: np.random.Generator, width: int, height: int) -> None:
    for _ in range(rng.integers(1, 4)):
        thick = int(rng.integers(1, 2 + max(width, height) // 8))
        angle, step = rng.uniform(0, 2 * math.pi), max(width, height) / 6
        points = [rng.uniform(0, (width, height))]
        for _ in range(rng.integers(2, 8)):
            angle += rng.normal(0, 0.7)
            points.append(points[-1] + step * np.array([math.cos(angle), math.sin(angle)]))
        draw.line([tuple(point) for point in points], 255, thick, "curve")
    if rng.random() < 0.5:
        sides = np.array([width, height]) * rng.uniform(0.1, 0.5, 2)
        corner = rng.uniform(0, np.array([width, height]) - sides)
        draw.rectangle([*corner, *(corner + sides)], 255)


def _marks(draw: ImageDraw.ImageDraw, rng: np.random.Generator, width: int, height: int) -> None:
    for _ in range(rng.integers(0, 5)):  # scratches, mostly upright
        x, y, length = rng.uniform(0, width), rng.uniform(0, height), rng.uniform(0.2, 1) * height
        end = x + rng.normal(0, 0.15) * length, y + length
        draw.line([x, y, *end], int(rng.choice([20, 255])), int(rng.integers(1, 3)))
    for _ in range(rng.poisson(width * height / 1500)):  # dust
        x, y, radius = rng.uniform(0, width), rng.uniform(0, height), rng.uniform(0.3, 1.8)
        draw.ellipse([x - radius, y - radius, x + radius, y + radius], int(rng.choice([20, 255])))
