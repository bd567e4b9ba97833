"""Pictures as a pipeline's own latents, and back: in full through its VAE, or at once through a linear fit."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..rng import generator

PATCHES = 16  # squares of one colour along a side of the picture that the fit is made on


def has_grid(pipe: Any) -> bool:
    """Whether a pipeline's latents are a grid that its VAE scales, shifts and no more."""
    config = getattr(getattr(pipe, "vae", None), "config", {})
    return type(getattr(pipe, "vae", None)).__name__ == "AutoencoderKL" and bool(config.get("scaling_factor"))


def unpacked(pipe: Any, latents: Tensor, size: tuple[int, int]) -> Tensor:
    """Latents as a grid (B, C, h, w), of which some pipelines make a row of tokens (B, N, C'); `size` in pixels."""
    if latents.ndim == 4:
        return latents
    grid: Tensor = pipe._unpack_latents(latents, *size, pipe.vae_scale_factor)
    return grid


def _scale(vae: Any) -> tuple[float, float]:
    return float(vae.config.scaling_factor), float(vae.config.get("shift_factor") or 0.0)


def _device(vae: Any) -> Any:
    """Where it computes: an offloaded one lies elsewhere until it is called."""
    return getattr(getattr(vae, "_hf_hook", None), "execution_device", None) or vae.device


def encoded(vae: Any, image: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation (B, C, h, w) of the latents of pictures (B, 3, H, W) in [-1, 1], as the denoiser sees them."""
    scale, shift = _scale(vae)
    posterior = vae.encode(image.to(_device(vae), vae.dtype)).latent_dist
    return (posterior.mean.float() - shift) * scale, posterior.std.float() * scale


def decoded(vae: Any, latents: Tensor) -> Tensor:
    """Pictures (B, 3, H, W) in about [-1, 1] of latents (B, C, h, w), in the VAE's own numbers."""
    scale, shift = _scale(vae)
    picture: Tensor = vae.decode((latents / scale + shift).to(_device(vae), vae.dtype)).sample
    return picture.float()


class Colours:
    """A linear map from a place's latents to its colour, fitted to squares of random colours: a preview for nothing.

    Args:
        vae: asked once for the latents of one small picture.
        factor: pixels of a latent's side.
    """

    def __init__(self, vae: Any, factor: int) -> None:
        self.factor = factor
        rng = generator("colours")
        colours = torch.rand(1, 3, PATCHES, PATCHES, generator=rng) * 2 - 1
        latents, _ = encoded(vae, F.interpolate(colours, scale_factor=4 * factor))  # four latents to a square
        middle = F.avg_pool2d(latents.cpu(), 4)  # (1, C, PATCHES, PATCHES)
        self.matrix = torch.linalg.lstsq(_places(middle), colours.flatten(2)[0].T).solution  # (C + 1, 3)

    def __call__(self, latents: Tensor) -> Tensor:
        """Pictures (B, 3, H, W) in [-1, 1] of latents (B, C, h, w)."""
        x = latents.float().cpu()
        rows, columns = x.shape[-2:]
        small = (_places(x) @ self.matrix).reshape(len(x), rows, columns, 3).permute(0, 3, 1, 2)
        return F.interpolate(small, scale_factor=self.factor, mode="bilinear").clamp(-1, 1)


def _places(latents: Tensor) -> Tensor:
    """Latents (B, C, h, w) as rows (B h w, C + 1), the last column of ones."""
    rows = latents.permute(0, 2, 3, 1).flatten(0, 2)
    return torch.cat([rows, torch.ones(len(rows), 1)], dim=1)
