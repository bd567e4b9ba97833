"""The invisible watermark: seven bytes spread over the middle frequencies of a picture's brightness.

One tile of 64 x 64 pixels is repeated over the picture, so that a crop only shifts it and large pictures carry it many
times (Cox et al., "Secure spread spectrum watermarking for multimedia", 1997; tiling: Honsinger et al., 1999).
Each byte is a codeword of the first-order Reed-Muller code RM(1, 7): 128 chips, any two words at least 64 apart,
decoded softly by correlation (Green 1966, for Mariner). The host is known when the mark is laid, so only what a
codeword lacks is added (Malvar and Florencio, "Improved spread spectrum", 2003).
"""

from __future__ import annotations

import binascii
import hashlib
import io
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["LEAST", "LONGEST", "PSNR", "VERSION", "found", "lay", "read"]

LEAST = 64  # pixels of the short side; the tile is as large
LONGEST = 8192  # pixels of the long side that is read
PSNR = (43.0, 41.0, 39.0, 37.0)  # dB that it may cost: the first at which it outlives JPEG at quality 75
VERSION = 1
_LOW, _HIGH = 3, 15  # frequencies of the tile in use; at half size all of them are still there
_CHIPS = 128  # for each byte
_SYMBOLS = 7  # version, four bytes of the mark, two of their CRC
_SCALES = (1.0, 2.0, 4 / 3, 0.5)  # by which a picture is enlarged before it is read, since it may have been reduced
_SHIFTS = 16  # likeliest places of the tile that are decoded
_ROUNDS = 3  # of laying, since clipping and rounding take some away
_FLOOR = 2.0  # levels of contrast that count as flat
_Floats = NDArray[np.floating[Any]]
_Waves = NDArray[np.complexfloating[Any, Any]]


def lay(picture: Image.Image, mark: bytes) -> Image.Image:
    """The picture, L, RGB or RGBA and at least 64 x 64, with the four bytes of `mark` in it.

    As weak as will do, see `PSNR`; mending what was clipped costs up to two dB more. Whether it holds `found` says: no
    mark does in a picture that is white all over. Raises ValueError where picture or mark do not fit.
    """
    if min(picture.size) < LEAST or len(mark) != 4:
        raise ValueError(f"four bytes in at least {LEAST} x {LEAST} pixels, not {len(mark)} in {picture.size}")
    marked = picture
    for decibels in PSNR:
        marked = _laid(picture, mark, LEAST**2 * 255**2 / 10 ** (decibels / 10))
        data = io.BytesIO()
        marked.convert("RGB").save(data, "JPEG", quality=75)
        with Image.open(data) as seen:
            if found(seen, mark):
                break
    return marked


def _laid(picture: Image.Image, mark: bytes, energy: float) -> Image.Image:
    """The picture with the mark, whose tile has at first this energy."""
    body = bytes([VERSION]) + mark
    wanted = _words()[list(body + binascii.crc_hqx(body, 0).to_bytes(2, "big"))]  # (7, 128)
    pixels = np.asarray(picture)
    rows, columns = (np.arange(side) % LEAST for side in pixels.shape[:2])
    marked = pixels.copy()
    added, target = np.zeros_like(wanted), 0.0
    for _ in range(_ROUNDS):
        seen, gain = _seen(_luma(marked))
        reached = (_real(seen) * wanted).mean(1) / gain
        target = target or _affordable(reached, energy)
        added += np.maximum(0, target - reached)[:, None] * wanted / _places()[1]
        tile = _tile(added)[rows[:, None], columns]
        if pixels.ndim == 3:
            marked[..., :3] = (pixels[..., :3] + tile[..., None]).round().clip(0, 255).astype(np.uint8)
        else:
            marked = (pixels + tile).round().clip(0, 255).astype(np.uint8)
    return Image.fromarray(marked)


def read(picture: Image.Image) -> bytes | None:
    """The four bytes in an L, RGB or RGBA picture, or None; also after JPEG, a crop, or at half size."""
    for scale in _SCALES:
        width, height = (round(side * scale) for side in picture.size)
        if not LEAST * 3 // 4 <= min(width, height) <= max(width, height) <= LONGEST:
            continue
        sized = picture if scale == 1 else picture.resize((width, height), Image.Resampling.BICUBIC)
        seen, _ = _seen(_luma(np.asarray(sized)))
        for y, x in [(0, 0), *_shifts(seen)]:
            for body in _bodies(seen * _turns()[y, :, :, 0] * _turns()[x, :, :, 1]):
                if _whole(body):
                    return body[1:5]
    return None


def found(picture: Image.Image, mark: bytes) -> bool:
    """Whether the four bytes stand in a picture that was neither cropped nor resized; quicker than `read`."""
    seen, _ = _seen(_luma(np.asarray(picture)))
    return any(_whole(body) and body[1:5] == mark for body in _bodies(seen))


def _whole(body: bytes) -> bool:
    return body[0] == VERSION and binascii.crc_hqx(body[:5], 0) == int.from_bytes(body[5:], "big")


def _affordable(reached: _Floats, energy: float) -> float:
    """How far every byte can be raised, from where it is, within the energy of a tile."""
    cost = (1 / _places()[1] ** 2).sum(1)  # (7,)
    low, high = 0.0, float(reached.max() + np.sqrt(energy / cost.min()))
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if (np.maximum(0, middle - reached) ** 2 * cost).sum() < energy else (low, middle)
    return low


def _luma(pixels: NDArray[np.uint8]) -> _Floats:
    return pixels[..., :3] @ np.array([0.299, 0.587, 0.114]) if pixels.ndim == 3 else pixels.astype(np.float64)


def _seen(luma: _Floats) -> tuple[_Waves, float]:
    """The weighted amplitudes (7, 128) at the chips' frequencies, and what one level of the tile counts there."""
    detail = luma - _blurred(luma)
    share = 1 / (np.sqrt(_blurred(detail**2)) + _FLOOR)  # what is busy drowns the mark, so it counts less
    weighed = detail * share
    total, count = np.zeros((LEAST, LEAST)), np.zeros((LEAST, LEAST))
    for top in range(0, luma.shape[0], LEAST):
        for left in range(0, luma.shape[1], LEAST):
            part = weighed[top : top + LEAST, left : left + LEAST]
            total[: part.shape[0], : part.shape[1]] += part
            count[: part.shape[0], : part.shape[1]] += 1
    places, weights = _places()
    spectrum = np.fft.fft2(total / np.maximum(count, 1))
    return spectrum[places[..., 0], places[..., 1]] * (np.sqrt(2) / LEAST) * weights, float(share.mean())


@cache
def _words() -> _Floats:
    """The codewords (256, 128) of +1 and -1: the rows of a Hadamard matrix and their opposites."""
    rows = np.ones((1, 1))
    while len(rows) < _CHIPS:
        rows = np.block([[rows, rows], [rows, -rows]])
    return np.concatenate([rows, -rows])


@cache
def _places() -> tuple[NDArray[np.int64], _Floats]:
    """Of each chip its frequency (y, x) and part, cosine 0 or sine 1, (7, 128, 3), and its weight (7, 128)."""
    half = [(y, x) for y in range(-_HIGH, _HIGH + 1) for x in range(_HIGH + 1) if x or y > 0]
    places = [(y, x, part) for y, x in half if np.hypot(y, x) >= _LOW for part in (0, 1)]
    places.sort(key=lambda place: hashlib.sha256(f"huabi:{VERSION}:{place}".encode()).digest())  # for all time the same
    chosen = np.array(places[: _SYMBOLS * _CHIPS]).reshape(_SYMBOLS, _CHIPS, 3)
    return chosen, np.hypot(chosen[..., 0], chosen[..., 1])


def _tile(chips: _Floats) -> _Floats:
    """The tile (64, 64) of unweighted chips (7, 128)."""
    places, _ = _places()
    spectrum = np.zeros((LEAST, LEAST), np.complex128)
    np.add.at(spectrum, (places[..., 0], places[..., 1]), np.where(places[..., 2], -1j, 1) * chips)
    tile: _Floats = np.fft.ifft2(spectrum).real * (np.sqrt(2) * LEAST)
    return tile


@cache
def _turns() -> _Waves:
    """What a shift of 0 to 63 pixels down, and across, does to each chip's frequency: (64, 7, 128, 2)."""
    angle = 2 * np.pi / LEAST * np.arange(LEAST)[:, None, None, None] * _places()[0][..., :2]
    turns: _Waves = np.exp(1j * angle)
    return turns


def _shifts(seen: _Waves) -> list[tuple[int, int]]:
    """The likeliest places of the tile, down and across, of all 4,096: where the words fit best, taken together."""
    turns = _turns().astype(np.complex64)
    scores = [
        np.abs(_correlations(_real(turns[..., 1] * (seen * turn).astype(np.complex64)))).max(2).sum(1)
        for turn in turns[..., 0]
    ]
    return [divmod(int(place), LEAST) for place in np.argsort(scores, axis=None)[::-1][:_SHIFTS]]


def _bodies(seen: _Waves) -> Iterator[bytes]:
    """The seven likeliest bytes, then also with one of them replaced by the next likely."""
    half = _correlations(_real(seen))
    order = np.argsort(np.concatenate([half, -half], axis=1), axis=1)[:, ::-1]  # (7, 256)
    best = order[:, 0].tolist()
    yield bytes(best)
    for n in range(_SYMBOLS):
        yield bytes([*best[:n], int(order[n, 1]), *best[n + 1 :]])


def _real(seen: _Waves) -> _Floats:
    """The chips (..., 7, 128) of complex amplitudes at their frequencies."""
    return np.where(_places()[0][..., 2], -seen.imag, seen.real)


def _correlations(chips: _Floats) -> _Floats:
    """How well the first 128 words fit each byte's chips (..., 7, 128); the others fit by minus as much."""
    return chips @ _words()[:_CHIPS].T.astype(chips.dtype)


def _blurred(x: _Floats, radius: int = 8) -> _Floats:
    """The mean over squares of 2 radius + 1, the picture reflected at its edges."""
    width = 2 * radius + 1
    for axis in (0, 1):
        padded = np.pad(x, [(radius + 1, radius) if k == axis else (0, 0) for k in (0, 1)], mode="reflect")
        sums = np.cumsum(padded, axis=axis)
        starts = np.arange(x.shape[axis])
        x = (np.take(sums, starts + width, axis) - np.take(sums, starts, axis)) / width
    return x
