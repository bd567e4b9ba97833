"""Coloured strokes on a picture, spread over all of it along its edges; and models that start from such a colouring."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ..errors import RequestError
from ..model import DataSpec, Identity, Model
from ..pictures import Picture, check_mask, to_image, to_tensor
from ..requests import Edit, Translate
from .crf import DenseCRF, infer
from .filters import guided, to_rgb, to_ycc

__all__ = ["Scribbled", "Strokes", "colourised", "geodesic", "labelled", "read_strokes", "spread", "with_strokes"]

Floats = NDArray[np.float32]

WORK = 320  # pixels of the long side at which strokes are spread; the result follows the picture's own edges
COLOURS = 16  # of all strokes together
SEEN = 24 / 255  # a channel differs by more than this where something was drawn: JPEG's own changes are smaller
FULL = 0.95  # share of the picture that is drawn, from which on strokes are taken for a picture
PAPER = 0.9  # of the range [-1, 1]: where half of a picture is lighter, it is a drawing on paper
STEP = 0.004  # cost of a pixel's way beside that of what changes on it
CRF = DenseCRF(steps=5, smooth=1.0, alike=3.0)  # softer than for labels: `far` is a share of the picture's long side
SOFT = 0.6  # strength by which a model draws on from a colouring, where none is asked for
BLEND = 4.0  # colours count by the inverse of this power of their distance (Yatziv and Sapiro 2006, eq. 4: 1 to 6)


class Strokes(NamedTuple):
    """What was drawn on a picture."""

    colours: Tensor  # (L, 3) in [-1, 1]
    labels: Tensor  # (H, W) which colour was drawn, -1 where none was


def read_strokes(scribble: Picture, picture: Picture) -> Strokes:
    """The strokes of a picture that is transparent, or the same as `picture`, where nothing was drawn.

    Up to `COLOURS` colours are told apart. Raises `RequestError` where the sizes differ, nothing is drawn, or nothing
    is left to be coloured.
    """
    drawn, under = (to_tensor(given.image(4)) for given in (scribble, picture))  # (4, H, W)
    if drawn.shape[1:] != under.shape[1:]:
        sizes = [f"{x.shape[2]}x{x.shape[1]}" for x in (drawn, under)]
        raise RequestError(f"the strokes have {sizes[0]} pixels, the picture {sizes[1]}; draw them at its size")
    # a layer of strokes is clearer than the picture in most places, a copy of it as clear
    clear = bool((drawn[3] < under[3] - 2 * SEEN).float().mean() > 1 - FULL)
    hidden = (drawn[3] == -1) & (under[3] == -1)
    inked = drawn[3] > 0 if clear else ((drawn - under).abs() > 2 * SEEN).any(0) & ~hidden  # (H, W)
    if not inked.any():
        raise RequestError("the strokes are empty: draw on a transparent picture, or on a copy of the picture itself")
    if inked.float().mean() > FULL:
        raise RequestError("the strokes cover all: leave transparent, or as the picture is, where nothing was drawn")
    pixels = to_image(drawn[:3, inked][:, None])  # 1 x n
    few = pixels.quantize(COLOURS, Image.Quantize.MAXCOVERAGE)
    used, numbers = np.unique(np.asarray(few)[0], return_inverse=True)
    palette = np.asarray(few.getpalette(), np.float32).reshape(-1, 3)[used]
    labels = torch.full(inked.shape, -1)
    labels[inked] = torch.from_numpy(numbers)
    return Strokes(torch.from_numpy(palette / 127.5 - 1), labels)


def geodesic(light: Floats, seeds: NDArray[np.bool_]) -> Floats:
    """How far each pixel is from each set of seeds, on ways of which each step costs `STEP` and what changes on it.

    Exact for steps to the eight neighbours: the picture is swept in four directions until nothing gets nearer
    (Yatziv and Sapiro 2006, eq. 2; chamfer sweeps as in Borgefors 1986).

    Args:
        light: (H, W) luminance.
        seeds: (L, H, W).

    Returns:
        (L, H, W), infinite where there are no seeds.
    """
    away = np.where(seeds, np.float32(0), np.float32(np.inf))
    before = None
    while before is None or not np.array_equal(before, away):
        before = away.copy()
        for turn in range(2):  # down and up; then, with the picture turned, right and left
            far, near = (away, light) if turn == 0 else (away.transpose(0, 2, 1), light.T)
            _swept(far, near)
            _swept(far[:, ::-1], near[::-1])
    return away


def _swept(away: Floats, light: Floats) -> None:
    """Brings each row nearer by ways over the one before it, in place."""
    diagonal = np.float32(STEP * np.sqrt(2))
    for row in range(1, light.shape[0]):
        here, there = light[row], light[row - 1]
        to, way = away[:, row], away[:, row - 1]
        np.minimum(to, way + (np.abs(here - there) + np.float32(STEP)), out=to)
        np.minimum(to[:, 1:], way[:, :-1] + (np.abs(here[1:] - there[:-1]) + diagonal), out=to[:, 1:])
        np.minimum(to[:, :-1], way[:, 1:] + (np.abs(here[:-1] - there[1:]) + diagonal), out=to[:, :-1])


def spread(strokes: Strokes, picture: Tensor, crf: DenseCRF = CRF) -> Tensor:
    """How likely each colour is at each pixel (L, H, W): labels that reach along what is even, and end at edges.

    A colour's first chance falls with its geodesic distance (Yatziv and Sapiro 2006); the dense CRF then makes what
    looks alike, near and far, agree. What was drawn stays.

    Args:
        picture: (C, H, W) in [-1, 1].
    """
    count = len(strokes.colours)
    seeds = F.one_hot(strokes.labels + 1, count + 1)[..., 1:].permute(2, 0, 1) > 0
    away = torch.from_numpy(geodesic(picture.mean(0).numpy(), seeds.numpy()))
    chance = (-BLEND * (away + STEP).log()).log_softmax(0)  # (L, H, W)
    fixed = torch.where(seeds, 0.0, -50.0)  # log-odds that no pairwise term overcomes
    return infer(-torch.where(seeds.any(0), fixed, chance), picture, crf)


def colourised(picture: Picture, scribble: Picture) -> Tensor:
    """The picture (3, H, W) in [-1, 1] in the colours of its strokes, its luminance kept (as Levin et al. 2004).

    White paper has no room for colour at its own luminance: on a drawing, the strokes' colours are multiplied with it.
    Raises `RequestError` as `read_strokes` does.
    """
    light = to_ycc(to_tensor(picture.image(3)))[:1]  # (1, H, W)
    strokes = read_strokes(scribble, picture)
    small, q = _spread_small(strokes, light)
    drawing = bool(light.median() > PAPER)
    palette = strokes.colours if drawing else to_ycc(strokes.colours[..., None, None])[:, 1:, 0, 0]
    colour = torch.einsum("lhw,lc->chw", q, palette)
    if small.shape != light.shape:
        colour = guided(colour, small, 2, 1e-3, light)
    if drawing:
        return ((colour + 1).clamp(0, 2) * (light + 1) / 2 - 1).clamp(max=1)
    return _in_gamut(light, colour)


def labelled(picture: Picture, scribble: Picture) -> Tensor:
    """The map (3, H, W) in [-1, 1] on which each pixel has the colour of the strokes that it belongs to.

    Raises `RequestError` as `read_strokes` does.
    """
    light = to_ycc(to_tensor(picture.image(3)))[:1]
    strokes = read_strokes(scribble, picture)
    _, q = _spread_small(strokes, light)
    most = F.interpolate(q[None], light.shape[1:], mode="bilinear")[0].argmax(0)  # (H, W)
    return strokes.colours[torch.where(strokes.labels < 0, most, strokes.labels)].permute(2, 0, 1)


def _spread_small(strokes: Strokes, light: Tensor) -> tuple[Tensor, Tensor]:
    """Luminance (1, h, w) with a long side of at most `WORK`, and how likely each colour is there (L, h, w)."""
    small, labels = _reduced(light, strokes.labels)
    return small, spread(strokes._replace(labels=labels), small, replace(CRF, far=max(small.shape) / 6))


def _reduced(light: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Luminance and labels with a long side of at most `WORK`; no stroke is lost, however thin."""
    height, width = labels.shape
    if max(height, width) <= WORK:
        return light, labels
    rows, columns = (max(1, round(side * WORK / max(height, width))) for side in (height, width))
    small = F.interpolate(light[None], (rows, columns), mode="bilinear", antialias=True)[0]
    y, x = (labels >= 0).nonzero(as_tuple=True)
    reduced = labels.new_full((rows, columns), -1)
    reduced[y * rows // height, x * columns // width] = labels[y, x]
    return small, reduced


def _in_gamut(light: Tensor, chroma: Tensor) -> Tensor:
    """Colours of this luminance (1, H, W), and of these differences to it (2, H, W) or as near as there are any."""
    away = to_rgb(torch.cat([torch.zeros_like(light), chroma]))  # (3, H, W)
    room = torch.where(away > 0, 1 - light, 1 + light)
    share = (room / away.abs().clamp(min=1e-6)).amin(0, keepdim=True).clamp(max=1)
    return light + share * away


class Scribbled(Model):
    """Answers `Edit` with coloured strokes: `model` gets their dense colouring in place of the picture.

    What answers `Edit` draws on from it. What answers `Translate` takes it for its input (where it learnt from maps of
    labels, such a map), and the prompt for the kind or the label that it becomes; the picture is kept where the mask is
    black. Without a model the colouring itself is the answer, where the mask is white.
    """

    requests = (Edit,)
    spec = DataSpec((WORK, WORK))  # of its own; a picture keeps its size

    def __init__(self, model: Model | None = None) -> None:
        if model is not None and not {Edit, Translate} & set(model.requests):
            known = ", ".join(request.__name__ for request in model.requests) or "none"
            raise RequestError(f"--scribble needs a model that answers Edit or Translate; this one answers {known}")
        self.model = model
        # one by one: pictures differ in size
        self.identity = Identity(family="scribble", rows=1) if model is None else model.identity
        if model is not None:
            self.spec = model.spec

    def sample(self, requests: Sequence[Edit]) -> Iterator[Tensor]:
        if self.model is None:
            yield torch.stack([_coloured(request) for request in requests])
        elif Edit in self.model.requests:
            yield from self.model.sample([self._given(request) for request in requests])
        else:
            for made in self.model.sample([self._given(request) for request in requests]):
                pictures = self.model.decode(made).float().cpu()
                yield torch.stack([_kept(request, x) for request, x in zip(requests, pictures)])

    def decode(self, x: Tensor) -> Tensor:
        return self.model.decode(x) if self.model is not None and Edit in self.model.requests else x

    def batch_key(self, request: Any) -> Hashable:
        return request.image if self.model is None else self.model.batch_key(self._given(request))

    def _given(self, request: Edit) -> Edit | Translate:
        """What the model is asked."""
        assert self.model is not None
        if request.mask is not None:
            check_mask(request.mask, request.image)
        dense = request.image
        if request.scribble is not None and self.spec.domains[:1] == ("labels",):
            dense = _map(request.image, request.scribble)
        elif request.scribble is not None:
            dense = Picture.of(to_image(_dense(request.image, request.scribble, request.mask)))
        if Edit in self.model.requests:
            return request.model_copy(update={"image": dense, "scribble": None})
        if request.negative or any(request.expand) or request.steps or request.guidance or request.strength < 1:
            raise RequestError("this model translates: leave negative, expand, steps, guidance and strength out")
        return Translate(image=dense, to=request.prompt or None, seed=request.seed)


@lru_cache(maxsize=4)
def _dense(image: Picture, scribble: Picture, mask: Picture | None) -> Tensor:
    """The colouring (3, H, W) where the mask is white; every row of a call asks for the same one."""
    dense = colourised(image, scribble)
    if mask is None:
        return dense
    check_mask(mask, image)
    return torch.where(to_tensor(mask.mask()) > 0, dense, to_tensor(image.image(3)))


@lru_cache(maxsize=4)
def _map(image: Picture, scribble: Picture) -> Picture:
    """The map of labels, which every row of a call asks for, too."""
    return Picture.of(to_image(labelled(image, scribble)))


def _kept(request: Edit, made: Tensor) -> Tensor:
    """What was made (C, H, W), and the picture itself where the mask is black."""
    if request.mask is None:
        return made
    return torch.where(to_tensor(request.mask.mask()) > 0, made, to_tensor(request.image.image(len(made))))


def _coloured(request: Edit) -> Tensor:
    """The colouring (3, H, W) itself, with its alpha where some of it is transparent."""
    if request.scribble is None:
        raise RequestError("without a model only strokes colour a picture: add --scribble FILE, or --model RUN")
    if request.prompt or request.negative or any(request.expand) or request.steps or request.guidance:
        raise RequestError("strokes alone follow no words and draw nothing new: leave them out, or add --model RUN")
    whole = to_tensor(request.image.image(max(3, request.image.channels)))
    dense = _dense(request.image, request.scribble, request.mask)
    coloured = whole[:3].lerp(dense, request.strength)
    return torch.cat([coloured, whole[3:]]) if bool((whole[3:] < 1).any()) else coloured


def with_strokes(model: Model) -> Model:
    """`model`, which gets the dense colouring of strokes in place of a picture."""
    return model if isinstance(model, Scribbled) else Scribbled(model)
