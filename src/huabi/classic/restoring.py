"""Restoration without training: the methods of the textbooks, each a Model that answers `Restore`."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Iterator, Sequence
from importlib import import_module
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ..deep import to_deep_tensor
from ..errors import RequestError
from ..model import DataSpec, Identity, Model
from ..requests import Restore
from ..restoring import bled, check_memory, hole_of, resampled
from .filters import noise_level

__all__ = ["Bicubic", "Biharmonic", "Lanczos", "NonLocalMeans", "RichardsonLucy", "Telea", "TotalVariation", "Wiener"]

Array = NDArray[np.float32]  # (H, W, C) in [0, 1], without alpha
Missing = NDArray[np.bool_]  # (H, W), what inpaint fills

BLUR = 1.5  # standard deviation, in pixels, of the blur that is undone
FLOOR = 1 / 255  # the least noise that is assumed, of a range of 1
NEAR = 5  # pixels around a hole's rim that it is filled from
PATCH = 5  # pixels of a side that non-local means compare
LEAST = {"dejpeg": 6 / 255}  # of JPEG's artefacts the estimate sees little


def _library(part: str) -> Any:
    """`skimage.<part>`; raises `RequestError` with the remedy where it is not installed."""
    try:
        return import_module(f"skimage.{part}")
    except ImportError:
        raise RequestError("this method is scikit-image's; install it: pip install 'huabi[classic]'") from None


class _Method(Model):
    """One method. Grey pictures stay grey, and transparency is kept."""

    requests = (Restore,)
    spec = DataSpec((1024, 1024))  # in name: a picture keeps its size
    name: ClassVar[str]
    tasks: ClassVar[tuple[str, ...]]

    def __init__(self) -> None:
        # one by one: pictures differ in size
        self.identity = Identity(family=self.name, rows=1)

    @abstractmethod
    def restored(self, x: Tensor, request: Restore) -> Tensor:
        """The picture (C, H, W) in [-1, 1] without its damage."""

    def sample(self, requests: Sequence[Restore]) -> Iterator[Tensor]:
        yield torch.stack([self._answer(request) for request in requests])

    def batch_key(self, request: Any) -> Hashable:
        return request.image, request.scale

    def _answer(self, request: Restore) -> Tensor:
        if request.task not in self.tasks:
            raise RequestError(f"{self.name} does not {request.task}; it does {' and '.join(self.tasks)}")
        x = to_deep_tensor(request.image)
        scale = request.scale if request.task == "upscale" else 1
        check_memory((scale * x.shape[1], scale * x.shape[2]), "cpu")
        restored = self.restored(x, request)
        return restored if restored.shape != x.shape else x.lerp(restored, request.strength)


class _Filter(_Method):
    """A method that works on the colours alone, as an array."""

    def restored(self, x: Tensor, request: Restore) -> Tensor:
        colours, alpha = x[:3], x[3:]
        noise = max(LEAST.get(request.task, FLOOR), noise_level(colours, alpha > -1) / 2)
        if len(alpha):
            colours = bled(colours[None], alpha[None] > -1)[0]
        array = colours.add(1).div(2).permute(1, 2, 0).numpy()
        hole = hole_of(request)
        missing = np.zeros(array.shape[:2], np.bool_) if hole is None else hole[0, 0].numpy()
        done = torch.from_numpy(np.ascontiguousarray(self.filtered(array, noise, missing), np.float32))
        alpha = torch.where(torch.from_numpy(missing), 1.0, alpha)  # what was missing is there
        return torch.cat([done.permute(2, 0, 1) * 2 - 1, alpha]).clamp(-1, 1)

    @abstractmethod
    def filtered(self, array: Array, noise: float, missing: Missing) -> Any:
        """The array without its damage; `noise` is the estimated standard deviation of white noise."""


class NonLocalMeans(_Filter):
    """Pixels averaged with those whose surroundings look alike (Buades, Coll and Morel 2005)."""

    name = "nl-means"
    tasks = ("denoise", "dejpeg")

    def filtered(self, array: Array, noise: float, missing: Missing) -> Any:
        means = _library("restoration").denoise_nl_means
        rows, columns = array.shape[:2]
        room = [(0, max(0, PATCH - side)) for side in (rows, columns)]  # for the patch of a picture that has less
        padded = np.pad(array, [*room, (0, 0)], "edge")
        done = means(padded, patch_size=PATCH, patch_distance=6, h=0.8 * noise, sigma=noise, channel_axis=2)
        return done[:rows, :columns]


class TotalVariation(_Filter):
    """The picture of least total variation near the one given (Rudin, Osher and Fatemi 1992; Chambolle 2004)."""

    name = "tv"
    tasks = ("denoise", "dejpeg")

    def filtered(self, array: Array, noise: float, missing: Missing) -> Any:
        return _library("restoration").denoise_tv_chambolle(array, weight=0.7 * noise, channel_axis=2)


class _Deconvolution(_Filter):
    """A method that undoes a Gaussian blur of `BLUR` pixels; borders are mirrored, so that they do not ring."""

    tasks = ("deblur",)

    def filtered(self, array: Array, noise: float, missing: Missing) -> Any:
        edge = max(1, min(int(8 * BLUR), *(side - 1 for side in array.shape[:2])))
        place = np.arange(-edge, edge + 1)
        line = np.exp(-(place**2) / (2 * BLUR**2))
        kernel = np.outer(line, line) / line.sum() ** 2
        wide = np.pad(array, ((edge, edge), (edge, edge), (0, 0)), "reflect").astype(np.float64)
        planes = [self.deconvolved(plane, kernel, noise) for plane in np.moveaxis(wide, 2, 0)]
        return np.stack(planes, 2)[edge:-edge, edge:-edge]

    @abstractmethod
    def deconvolved(self, plane: NDArray[np.float64], kernel: NDArray[np.float64], noise: float) -> Any:
        """The plane (H, W) in [0, 1] whose blur by the kernel is the one given."""


class Wiener(_Deconvolution):
    """The linear estimate of least squared error, a smooth picture expected (Wiener 1949; Hunt 1973)."""

    name = "wiener"

    def deconvolved(self, plane: NDArray[np.float64], kernel: NDArray[np.float64], noise: float) -> Any:
        return _library("restoration").wiener(plane, kernel, balance=25 * noise**2)


class RichardsonLucy(_Deconvolution):
    """The most likely picture where light is counted, by iteration (Richardson 1972; Lucy 1974)."""

    name = "richardson-lucy"

    def deconvolved(self, plane: NDArray[np.float64], kernel: NDArray[np.float64], noise: float) -> Any:
        return _library("restoration").richardson_lucy(plane, kernel, num_iter=15, filter_epsilon=1e-6)


class Biharmonic(_Filter):
    """Holes filled by the smoothest surface that joins their rims (Damelin and Hoang 2018)."""

    name = "biharmonic"
    tasks = ("inpaint",)

    def filtered(self, array: Array, noise: float, missing: Missing) -> Any:
        fill = _library("restoration").inpaint_biharmonic
        return fill(array, missing, split_into_regions=True, channel_axis=2)


class Telea(_Filter):
    """Holes filled from their rims inwards, each pixel from those nearby along the level lines (Telea 2004)."""

    name = "telea"
    tasks = ("inpaint",)

    def filtered(self, array: Array, noise: float, missing: Missing) -> Any:
        try:
            cv2 = import_module("cv2")
        except ImportError:
            raise RequestError("this method is OpenCV's; install it: pip install 'huabi[telea]'") from None
        planes = [np.ascontiguousarray(plane) for plane in (array * 255).round().astype(np.uint8).transpose(2, 0, 1)]
        done = [cv2.inpaint(plane, missing.astype(np.uint8), NEAR, cv2.INPAINT_TELEA) for plane in planes]
        return np.where(missing[..., None], np.stack(done, 2).astype(np.float32) / 255, array)


class _Resize(_Method):
    tasks = ("upscale",)
    filter: ClassVar[Image.Resampling]

    def restored(self, x: Tensor, request: Restore) -> Tensor:
        return resampled(x, request.scale, self.filter)


class Bicubic(_Resize):
    """Interpolation by piecewise cubics (Keys 1981)."""

    name = "bicubic"
    filter = Image.Resampling.BICUBIC


class Lanczos(_Resize):
    """Interpolation by a windowed sinc (Duchon 1979)."""

    name = "lanczos"
    filter = Image.Resampling.LANCZOS
