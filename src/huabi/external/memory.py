"""Where the parts of a big model go, and in which numbers, by the memory that is free."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch

from ..errors import RequestError
from ..machine import free_memory, pick_precision
from ..text import size_of

SPARE = 0.9  # the share of free memory that a model may plan to take
PIXELS = 1024 * 1024  # of the largest picture that is planned for
TILE = 512  # pixels of a side that a tiled decoder draws at once
DECODER = 3 * 256  # numbers per pixel that a decoder holds at its widest: three maps of 256 channels
LAYER = 1 / 8  # the share of the largest part that one block of it holds, at most, in the models of today


@dataclass(frozen=True)
class Placement:
    """In which numbers a model is loaded, and what of it lies on the device.

    Attributes:
        offload: `none` keeps all parts on the device; `model` brings each there while it works; `sequential` block by
            block, with attention in slices.
        tiled: the decoder draws in tiles.
    """

    dtype: torch.dtype
    offload: Literal["none", "model", "sequential"] = "none"
    tiled: bool = False

    @property
    def precision(self) -> str:
        return "bf16" if self.dtype == torch.bfloat16 else "fp32"


def needs(sizes: Mapping[str, int], pixels: int, dtype: torch.dtype) -> dict[str, int]:
    """Bytes that each placement takes on the device, from how many numbers each part has; bf16 halves them all.

    Args:
        sizes: numbers of each part.
        pixels: of the largest picture that is drawn.
    """
    width = dtype.itemsize
    decoder, tile = DECODER * pixels * width, DECODER * min(pixels, TILE**2) * width
    largest = max(sizes.values()) * width
    return {
        "none": sum(sizes.values()) * width + decoder,
        "none, tiled": sum(sizes.values()) * width + tile,
        "model": largest + tile,
        "sequential": int(largest * LAYER) + tile,
    }


def place(sizes: Mapping[str, int], pixels: int, free: int, host: int, gpu: bool, bf16: bool) -> Placement:
    """The fastest placement that fits; raises `RequestError` where none does.

    Args:
        free, host: free bytes on the device and of the machine; without a GPU they are the same memory.
        gpu: whether the device has memory of its own.
        bf16: whether it computes in bf16 by itself.
    """
    dtypes = [torch.bfloat16] if bf16 else [torch.float32, torch.bfloat16]
    for dtype in dtypes:
        wanted = needs(sizes, pixels, dtype)
        if wanted["none"] <= SPARE * free:
            return Placement(dtype)
        if wanted["none, tiled"] <= SPARE * free:
            return Placement(dtype, tiled=True)
    weights = sum(sizes.values()) * 2
    if gpu and weights <= SPARE * host:
        wanted = needs(sizes, pixels, dtypes[-1])
        if wanted["model"] <= SPARE * free:
            return Placement(dtypes[-1], "model", tiled=True)
        if wanted["sequential"] <= SPARE * free:
            return Placement(dtypes[-1], "sequential", tiled=True)
    raise RequestError(
        f"this model holds {size_of(weights)} of weights at the least, and {size_of(host)} are free; close other "
        "programs, or choose a smaller model"
    )


def placed(sizes: Mapping[str, int], device: torch.device) -> Placement:
    """The placement on this machine, by what is free now."""
    host = free_memory(torch.device("cpu"))
    gpu = device.type == "cuda"
    free = free_memory(device) if gpu else host
    return place(sizes, PIXELS, free, host, gpu, pick_precision(device) == "bf16")
