"""The networks that measures compare pictures in, by name, and the stream of pictures that goes through them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from .. import index, weights
from ..checkpoint import Checkpoint
from ..decoding import Fit
from ..errors import DataError, RequestError, nearest
from ..model import DataSpec, Embeds, Family, Matches
from ..pictures import to_tensor

__all__ = ["FEATURES", "Features", "embed", "features", "of_model"]


@dataclass(frozen=True)
class Features:
    """A network that turns pictures into features, and what must be known of it to repeat a number."""

    name: str
    weights: str  # sha256
    resize: str
    embed: Callable[[Tensor], Tensor]  # pictures (B, 1 or 3, H, W) in [-1, 1] -> (B, D)
    logits: Callable[[Tensor], Tensor] | None = None  # features (N, D) -> (N, K), for the Inception Score
    text: Callable[[Sequence[str]], Tensor] | None = None  # texts -> (N, D), for the CLIP score
    device: torch.device | str = "cpu"
    size: tuple[int, int] | None = None  # rows and columns that pictures are best decoded at
    channels: int = 3  # and their channels
    fit: Fit = "crop"  # how they are brought to that size


def features(name: str | None = None, device: torch.device | str = "cpu") -> Features:
    """The features of a name in `FEATURES`; what follows a colon says which: a file, a run or a hub's model.

    By default `inception` where its weights are at hand, else `efficientnet-lite0`. As in `inception:weights.pth`,
    `classifier:runs/reader`, `clip:openai/clip-vit-large-patch14`. Raises RequestError for an unknown name,
    HuabiError where weights or a package are missing.
    """
    if name is None:
        name = "inception" if weights.inception_file() else "efficientnet-lite0"
    kind, _, which = name.partition(":")
    if kind not in FEATURES:
        raise RequestError(f"no features {kind!r}; {nearest(kind, FEATURES)}")
    return FEATURES[kind](which, torch.device(device))


def embed(net: Features, pictures: Iterable[Any]) -> Iterator[Tensor]:
    """Features (b, D), float32 on the CPU, of a stream of pictures, a few at a time.

    Pictures are PIL images, tensors (C, H, W) or batches (B, C, H, W) in [-1, 1]; alpha is left out. Raises
    DataError where they are not all of one size.
    """
    for batch in _batches(pictures):
        yield net.embed(batch[:, :3].to(net.device)).float().cpu()


def _batches(pictures: Iterable[Any], rows: int = 50) -> Iterator[Tensor]:
    shape, waiting = None, []
    for n, picture in enumerate(pictures):
        x: Tensor = to_tensor(picture) if isinstance(picture, Image.Image) else picture
        if shape is not None and x.shape[-3:] != shape:
            sizes = " and ".join(f"{w}x{h} with {c} channels" for c, h, w in (shape, x.shape[-3:]))
            raise DataError(f"pictures of different sizes ({sizes}, at {n}): bring them to one size first")
        shape = x.shape[-3:]
        if x.ndim == 4:
            yield x
            continue
        waiting.append(x)
        if len(waiting) == rows:
            yield torch.stack(waiting)
            waiting = []
    if waiting:
        yield torch.stack(waiting)


def _inception(file: str, device: torch.device) -> Features:
    net = weights.inception(Path(file) if file else None).to(device)
    resize = "8 bits, TensorFlow 1's bilinear to 299x299"
    return Features("inception", weights.INCEPTION, resize, net, net.logits, device=device)


def _lite0(which: str, device: torch.device) -> Features:
    net = weights.efficientnet_lite0().to(device)
    resize = "antialiased bicubic to 224x224"
    return Features("efficientnet-lite0", weights.EFFICIENTNET_LITE0, resize, net, device=device)


def _run(kind: str, run: str, device: torch.device) -> Features:
    if not run:
        raise RequestError(f"which {kind}? name its run, as in {kind}:runs/reader")
    model = Checkpoint.load(index.place(run), device)
    if not isinstance(model, Embeds):
        raise RequestError(f"{run} is a {model.name}, which gives no features; train a classifier")
    return of_model(model)


def of_model(model: Family) -> Features:
    """The features of a model that `Embeds`, and of texts where it `Matches`, for pictures of any size."""
    assert isinstance(model, Embeds)
    rows, columns = model.spec.size

    def of(x: Tensor) -> Tensor:
        return model.embed(_with_channels(_resized(x, (rows, columns)), model.spec))

    resize = f"antialiased bicubic to {columns}x{rows}"
    text = model.embed_text if isinstance(model, Matches) else None
    weights_hash = model.identity.hash if model.identity else ""
    size, channels = model.spec.size, model.spec.channels
    return Features(model.name, weights_hash, resize, of, None, text, model.device, size, channels)


def _with_channels(x: Tensor, spec: DataSpec) -> Tensor:
    """Pictures (B, C, H, W) with the channels that `spec` has; alpha that they lack is opaque."""
    if x.shape[1] == spec.channels:
        return x
    if spec.channels == 1:
        return x.mean(1, keepdim=True)
    x = x.expand(-1, 3, -1, -1)
    return x if spec.channels == 3 else torch.cat([x, torch.ones_like(x[:, :1])], 1)


def _clip(which: str, device: torch.device) -> Features:
    net = weights.clip(which or "openai/clip-vit-base-patch32", device)
    size, resize = (net.size, net.size), _square(net.size)
    return Features("clip", net.weights, resize, _normalised(net), None, net.text, device, size, fit="squash")


def _dinov2(which: str, device: torch.device) -> Features:
    net = weights.dinov2(which or "facebook/dinov2-base", device)
    return Features("dinov2", net.weights, _square(net.size), _normalised(net), device=device)


FEATURES: dict[str, Callable[[str, torch.device], Features]] = {
    "inception": _inception,
    "efficientnet-lite0": _lite0,
    "classifier": partial(_run, "classifier"),
    "clip": _clip,
    "contrast": partial(_run, "contrast"),
    "dinov2": _dinov2,
}


def _normalised(net: weights.Transformer) -> Callable[[Tensor], Tensor]:
    """Brings pictures to the size, mean and deviation that a vision transformer was trained with."""
    mean, deviation = (torch.tensor(values)[:, None, None] for values in (net.mean, net.deviation))

    @torch.no_grad()
    def of(x: Tensor) -> Tensor:
        x = _resized(x.expand(-1, 3, -1, -1), (net.size, net.size)).add(1).div(2)
        return net.image((x - mean.to(x)) / deviation.to(x))

    return of


def _resized(x: Tensor, size: tuple[int, int]) -> Tensor:
    if x.shape[-2:] == size:
        return x
    return F.interpolate(x, size, mode="bicubic", antialias=True).clamp(-1, 1)


def _square(size: int) -> str:
    return f"antialiased bicubic to {size}x{size}, uncropped"
