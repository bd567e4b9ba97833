"""Low-rank adapters (Hu et al. 2022) of a big open model, trained on a folder of pictures."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from ..errors import DataError, RequestError, RunError
from ..external.latents import encoded, unpacked
from ..external.opening import open_pipeline
from ..external.pipelines import Pipeline
from ..external.source import Source, require
from ..external.training import draw_noise, network, predict, target
from ..external.words import encode
from ..machine import pick_device, pick_precision
from ..model import Batch, DataSpec, Family, Update
from ..requests import Edit, Imagine, Vary
from ..rng import generator

ENCODERS = ("text_encoder", "text_encoder_2")  # those of CLIP, which diffusers loads adapters of
DTYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}


@dataclass(frozen=True)
class LoraConfig:
    """Settings of `lora`."""

    base: str = ""  # a folder, file or hub's name of the model that is adapted
    base_hash: str = ""  # of its weights and settings, once the run is made
    weights: str = "auto"  # bf16 or fp32, of the base; by what computes here
    batch: int = 4
    lr: float = 1e-4  # of Adam
    warmup: int = 20  # steps
    ema: float = 0.02  # length of the weight average, as a share of the run
    rank: int = 16
    alpha: float = 16.0  # the adapters' strength over their rank: here how fast their second matrices learn
    modules: tuple[str, ...] = ("to_q", "to_k", "to_v", "to_out.0")
    text_encoder: bool = False  # whether CLIP's encoders are adapted too
    token: str = ""  # the prompt of every picture, such as "a photo of sks dog"; their captions by default
    prior: str = ""  # what else the base shall still draw as before, such as "a dog" (Ruiz et al. 2023)
    prior_pictures: int = 100  # of it, which the base draws before the first step
    prior_weight: float = 1.0  # of their loss beside that of your pictures
    checkpointing: bool = True  # compute the network twice rather than keep what lies between its blocks

    def __post_init__(self) -> None:
        if self.rank < 1 or self.alpha <= 0:
            raise ValueError("rank is at least 1, and alpha above 0")
        if self.weights not in ("auto", *DTYPES):
            raise ValueError(f"weights={self.weights}: known are auto, bf16, fp32")
        if self.prior_pictures < 1 or self.prior_weight <= 0:
            raise ValueError("prior_pictures is at least 1, prior_weight above 0; leave prior out to train without it")


class Prior(nn.Module):
    """Latents (N, C, h, w) of what the base draws of the prior, once they are drawn."""

    latents: Tensor
    drawn: Tensor

    def __init__(self, count: int, shape: Sequence[int]) -> None:
        super().__init__()
        self.register_buffer("latents", torch.zeros(count, *shape))
        self.register_buffer("drawn", torch.zeros((), dtype=torch.bool))


class Lora(Family):
    """Small matrices beside those of a big model's attention: `W + B A`, of which A and B alone are trained.

    The adapters' names and scale are diffusers' own, so that `pipe.load_lora_weights(RUN, weight_name=
    "model.safetensors")` loads them as they are. `alpha` is no factor in them: with Adam, whose steps do not grow with
    the gradient, the factor alpha / rank of B is the same as a learning rate of B that is as much larger.
    """

    name = "lora"
    title = "teaches a big open model what your pictures show; needs --base MODEL"
    Config = LoraConfig
    requests = (Imagine, Edit, Vary)
    training_only = ("prior",)
    micro = 1
    rows = 1

    config: LoraConfig

    def __init__(self, config: LoraConfig, spec: DataSpec) -> None:
        super().__init__(config, spec)
        if not config.base:
            raise RequestError("lora adapts a big model; say which: --base FOLDER, or hf:owner/name")
        if not config.token and not spec.captions:
            raise DataError('these pictures have no captions; say what they show: --set token="a photo of sks dog"')
        require("peft")
        source = Source.of(config.base)
        if config.base_hash and source.hash() != config.base_hash:
            raise RunError(f"{config.base} is not the model that this run adapts ({config.base_hash[:12]})")
        self._pipe = open_pipeline(source, DTYPES[_settled(config.weights)])
        self._model = Pipeline(self._pipe)
        self._model.spec = DataSpec(spec.size)
        self._check_size()
        self._adapt()
        self._latents: dict[bytes, tuple[Tensor, Tensor]] = {}  # mean and deviation, by the picture
        self._words: dict[str, list[Tensor]] = {}
        sides = (side // self._model.factor for side in spec.size)
        count = config.prior_pictures if config.prior else 0
        self.prior = Prior(count, (self._pipe.vae.config.latent_channels, *sides))

    @classmethod
    def fit(cls, config: LoraConfig, steps: Callable[[LoraConfig], float] | None = None) -> LoraConfig:
        path = Path(config.base)
        base = str(path.resolve()) if path.exists() else config.base
        return replace(config, base=base, base_hash=Source.of(base).hash(), weights=_settled(config.weights))

    @property
    def _net(self) -> Any:
        return network(self._pipe)[1]  # no attribute: modules that are would be saved

    def _check_size(self) -> None:
        step = 2 * self._model.factor
        if any(side % step for side in self.spec.size):
            raise RequestError(f"the base draws in multiples of {step} pixels; say --size {self._model.factor * 64}")

    def _adapt(self) -> None:
        """Freezes the base, puts adapters into it, and makes their parameters this family's own by their names."""
        from peft import LoraConfig as Adapters
        from peft import inject_adapter_in_model

        for part in self._pipe.components.values():
            if isinstance(part, nn.Module):
                part.requires_grad_(False)
        rank = self.config.rank
        options: dict[str, Any] = {"r": rank, "lora_alpha": rank, "init_lora_weights": True}
        self._net.add_adapter(Adapters(target_modules=list(self.config.modules), **options))
        if self.config.checkpointing:
            self._net.enable_gradient_checkpointing()
        adapted = {network(self._pipe)[0]: self._net}
        if self.config.text_encoder:
            projections = ["q_proj", "k_proj", "v_proj", "out_proj"]
            for name in ENCODERS:
                if type(part := getattr(self._pipe, name, None)).__name__.startswith("CLIP"):
                    adapted[name] = inject_adapter_in_model(Adapters(target_modules=projections, **options), part)
        for name, module in adapted.items():
            trained = {n.replace(".default", ""): p for n, p in module.named_parameters() if p.requires_grad}
            for parameter in trained.values():
                parameter.data = parameter.data.float()
            self.add_module(name, _tree(trained))

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        super()._apply(fn, recurse)
        for part in self._pipe.components.values():  # the base is no part of the state, but goes along
            if isinstance(part, nn.Module):
                part._apply(fn)
        return self

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        first = [p for name, p in self.named_parameters() if ".lora_A." in name]
        second = [p for name, p in self.named_parameters() if ".lora_B." in name]
        strength = self.config.alpha / self.config.rank
        groups: list[dict[str, Any]] = [{"params": first}, {"params": second, "lr": self.config.lr * strength}]
        return {"adapters": torch.optim.Adam(groups, self.config.lr)}

    def losses(self, batch: Batch, step: int) -> Iterator[Update]:
        count = len(batch.image)
        mean, deviation = self._encoded(batch.image)
        x0 = mean + deviation * batch.rng.normal(*mean.shape[1:])  # (B, C, h, w)
        told = [self.config.token or caption for caption in batch.caption or [""] * count]
        if self.config.prior:
            self._draw_prior()
            x0 = torch.cat([x0, self.prior.latents[batch.rng.integers(self.config.prior_pictures)]])
            told += [self.config.prior] * count
        scheduler = self._pipe.scheduler
        tokens = x0.shape[-2] * x0.shape[-1] // 4
        loss, logs = torch.zeros((), device=x0.device), {}
        for name, rows in (("pictures", slice(count)), ("prior", slice(count, None)))[: len(x0) // count]:
            eps = batch.rng.normal(*x0.shape[1:])
            noise = draw_noise(scheduler, batch.rng, tokens)
            x = noise.mix(x0[rows], eps)
            found = predict(self._pipe, x, noise.time, self._told(told[rows]))
            part = (found - target(scheduler, x0[rows], eps, noise)).square().mean()
            weight = self.config.prior_weight if name == "prior" else 1.0
            loss, logs[name] = loss + weight * part, part.detach()
        yield Update("adapters", loss, logs if self.config.prior else {})

    @torch.no_grad()
    def _encoded(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and deviation (B, C, h, w) of the latents of pictures (B, C, H, W); each picture is encoded once."""
        found = []
        for row in _colour(image):
            key = hashlib.blake2b(row.contiguous().cpu().numpy().tobytes(), digest_size=16).digest()
            if key not in self._latents:
                with torch.autocast(image.device.type, enabled=False):
                    mean, deviation = encoded(self._pipe.vae, row[None])  # alone: the same whatever its batch is
                self._latents[key] = mean.cpu(), deviation.cpu()
            found.append(self._latents[key])
        means, deviations = (torch.cat(part).to(image.device) for part in zip(*found))
        return means, deviations

    def _told(self, prompts: Sequence[str]) -> list[Tensor]:
        """The prompts as the network is told them; encoded once each, where the encoders are not trained."""
        if self.config.text_encoder:
            rows = [encode(self._pipe, prompt) for prompt in prompts]
            return [torch.cat(part) for part in zip(*rows)]
        with torch.no_grad(), torch.autocast(self.device.type, enabled=False):
            for prompt in set(prompts) - self._words.keys():
                self._words[prompt] = [part.cpu() for part in encode(self._pipe, prompt)]
        return [torch.cat(part).to(self.device) for part in zip(*(self._words[prompt] for prompt in prompts))]

    def _draw_prior(self) -> None:
        """Has the base alone draw the prior's pictures, as latents; once in a run."""
        if bool(self.prior.drawn):
            return
        sizes = dict(zip(("height", "width"), self.spec.size))
        self._net.disable_adapters()
        for row in range(self.config.prior_pictures):
            rng = generator("prior", row)
            out = self._pipe(self.config.prior, generator=rng, output_type="latent", **sizes).images
            self.prior.latents[row] = unpacked(self._pipe, out, self.spec.size)[0]
        self._net.enable_adapters()
        self.prior.drawn.fill_(True)

    def sample(self, requests: Sequence[Any]) -> Iterator[Tensor]:
        yield from self._model.sample(requests)

    def decode(self, x: Tensor) -> Tensor:
        return self._model.decode(x)

    def batch_key(self, request: Any) -> Hashable:
        return self._model.batch_key(request)


def _settled(weights: str) -> str:
    return pick_precision(pick_device()) if weights == "auto" else weights


def _colour(image: Tensor) -> Tensor:
    """Pictures (B, 1, 3 or 4, H, W) as colour (B, 3, H, W), what is transparent on white."""
    if image.shape[1] == 4:
        return image[:, :3].lerp(torch.ones_like(image[:, :3]), (1 - image[:, 3:]) / 2)
    return image.expand(-1, 3, -1, -1)


def _tree(parameters: Mapping[str, nn.Parameter]) -> nn.Module:
    """Modules that hold `parameters` by their dotted names, and do nothing."""
    root = nn.Module()
    for name, parameter in parameters.items():
        *path, last = name.split(".")
        place = root
        for step in path:
            if step not in place._modules:
                place.add_module(step, nn.Module())
            place = place.get_submodule(step)
        place.register_parameter(last, parameter)
    return root
