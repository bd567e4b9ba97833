"""A pipeline's network as training sees it: noise levels and targets by its scheduler, words and latents in.

Mixing is `x_t = alpha x0 + sigma eps`. What the network predicts is read from the scheduler: the noise, the clean
latents, `v = alpha eps - sigma x0` (Salimans and Ho 2022), or a flow's velocity `eps - x0` (Liu et al. 2023).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..errors import RequestError
from ..rng import BatchRng
from .latents import unpacked

GUIDANCE = 3.5  # what a distilled network is told that it is guided by, as its pipeline tells it by default


class Noise(NamedTuple):
    """How much of a row is noise; each (B,)."""

    time: Tensor  # as the network is told it
    alpha: Tensor
    sigma: Tensor

    def mix(self, x0: Tensor, eps: Tensor) -> Tensor:
        """Noisy latents (B, C, h, w)."""
        return _wide(self.alpha) * x0 + _wide(self.sigma) * eps


def _wide(x: Tensor) -> Tensor:
    return x[:, None, None, None]


def is_flow(scheduler: Any) -> bool:
    return type(scheduler).__name__.startswith("FlowMatch")


def draw_noise(scheduler: Any, rng: BatchRng, tokens: int) -> Noise:
    """Noise levels of a batch's rows.

    Of a flow they are logit-normal (Esser et al. 2024, equation 19) and shifted as the scheduler shifts its own
    (equation 23), by the number of `tokens` where it says so; else every time is as likely.
    """
    config = scheduler.config
    if is_flow(scheduler):
        shift = math.exp(_mu(config, tokens)) if config.get("use_dynamic_shifting") else config.get("shift", 1.0)
        sigma = rng.normal().sigmoid()
        sigma = shift * sigma / (1 + (shift - 1) * sigma)
        return Noise(sigma * config.num_train_timesteps, 1 - sigma, sigma)
    time = rng.integers(config.num_train_timesteps)
    kept = scheduler.alphas_cumprod.to(time.device)[time].float()
    return Noise(time, kept.sqrt(), (1 - kept).sqrt())


def _mu(config: Any, tokens: int) -> float:
    """The logarithm of the shift: linear in the number of tokens."""
    small, large = config.get("base_image_seq_len", 256), config.get("max_image_seq_len", 4096)
    low, high = config.get("base_shift", 0.5), config.get("max_shift", 1.15)
    return float(low + (high - low) * (tokens - small) / (large - small))


def target(scheduler: Any, x0: Tensor, eps: Tensor, noise: Noise) -> Tensor:
    """What the network shall predict (B, C, h, w)."""
    if is_flow(scheduler):
        return eps - x0
    match scheduler.config.prediction_type:
        case "epsilon":
            return eps
        case "sample":
            return x0
        case "v_prediction":
            return _wide(noise.alpha) * eps - _wide(noise.sigma) * x0
        case other:
            raise RequestError(f"lora does not know what a scheduler calls {other!r}; choose another base")


def network(pipe: Any) -> tuple[str, Any]:
    """The name and the module of what removes the noise; one that training does not know raises `RequestError`."""
    name = "unet" if getattr(pipe, "unet", None) is not None else "transformer"
    net = getattr(pipe, name, None)
    if type(net).__name__ not in _CALLS or not hasattr(pipe, "load_lora_weights"):
        raise RequestError(
            f"lora cannot train a {type(pipe).__name__}; it knows Stable Diffusion 1 to 3, SDXL and Flux"
        )
    return name, net


def predict(pipe: Any, x: Tensor, time: Tensor, words: list[Tensor]) -> Tensor:
    """The network's prediction (B, C, h, w) in fp32.

    Args:
        x: noisy latents (B, C, h, w).
        time: (B,) as `Noise` has it.
        words: of the words (B, L, D), and of the whole (B, D), where the pipeline has one.
    """
    _, net = network(pipe)
    call = _CALLS[type(net).__name__]
    return call(pipe, net, x.to(net.dtype), time, [w.to(net.dtype) for w in words]).float()


def _unet(pipe: Any, net: Any, x: Tensor, time: Tensor, words: list[Tensor]) -> Tensor:
    added = None
    if net.config.addition_embed_type == "text_time":  # SDXL: the size, the corner of the crop, the size again
        rows, columns = (side * pipe.vae_scale_factor for side in x.shape[-2:])
        sides = torch.tensor([rows, columns, 0, 0, rows, columns], device=x.device, dtype=x.dtype)
        added = {"text_embeds": words[1], "time_ids": sides.expand(len(x), 6)}
    out: Tensor = net(x, time, encoder_hidden_states=words[0], added_cond_kwargs=added).sample
    return out


def _sd3(pipe: Any, net: Any, x: Tensor, time: Tensor, words: list[Tensor]) -> Tensor:
    out: Tensor = net(x, encoder_hidden_states=words[0], pooled_projections=words[1], timestep=time).sample
    return out


def _flux(pipe: Any, net: Any, x: Tensor, time: Tensor, words: list[Tensor]) -> Tensor:
    count, channels, rows, columns = x.shape
    told = torch.full((count,), GUIDANCE, device=x.device) if net.config.guidance_embeds else None
    out = net(
        hidden_states=pipe._pack_latents(x, count, channels, rows, columns),
        timestep=time / 1000,
        guidance=told,
        pooled_projections=words[1],
        encoder_hidden_states=words[0],
        txt_ids=torch.zeros(words[0].shape[1], 3, device=x.device, dtype=x.dtype),
        img_ids=pipe._prepare_latent_image_ids(count, rows // 2, columns // 2, x.device, x.dtype),
    ).sample
    return unpacked(pipe, out, (rows * pipe.vae_scale_factor, columns * pipe.vae_scale_factor))


_CALLS: dict[str, Callable[[Any, Any, Tensor, Tensor, list[Tensor]], Tensor]] = {
    "UNet2DConditionModel": _unet,
    "SD3Transformer2DModel": _sd3,
    "FluxTransformer2DModel": _flux,
}
