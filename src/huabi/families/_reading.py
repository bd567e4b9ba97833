"""Frozen readers of texts: that of a contrast run, and encoders of the transformers library.

Both give `Words` of any width: what they read is frozen, and lines that are learnt lead from it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..config import configure
from ..errors import RunError
from ..nets.text import TextEncoder, Words
from ..weights import TextModel, text_model, weights_of
from ._codec import frozen
from .contrast import ContrastConfig, TextConfig

HUB = "hf:"  # begins the name of an encoder of the transformers library


@dataclass(frozen=True)
class Reading:
    """What is found out of a frozen reader of texts."""

    sha256: str = ""  # of its weights
    net: TextConfig = field(default_factory=TextConfig)  # a contrast run's
    features: int = 0  # a contrast run's

    def of(self, source: str) -> Reading:
        """That of a contrast run, or of `hf:NAME`; raises `RunError` or `HuabiError` where there is none."""
        if source.startswith(HUB):
            return replace(self, sha256=text_model(source.removeprefix(HUB)).sha256)
        header, _, sha256 = weights_of(source, "contrast")
        sight = configure(ContrastConfig(), header["config"])
        return Reading(sha256, sight.text, sight.features)


class Half(nn.Module):
    """The half of a contrast run that reads; by the names that its tensors have there."""

    def __init__(self, config: TextConfig, features: int) -> None:
        super().__init__()
        self.reader = TextEncoder(config.width, depth=config.depth, length=config.length)
        self.leave = nn.Linear(config.width, features, bias=False)


class ContrastReader(nn.Module):
    """Texts as a frozen contrast run reads them; their vector is of its features.

    Args:
        sight: `Half`, or a whole contrast run, whose parameters are buffers.
    """

    def __init__(self, sight: nn.Module, width: int) -> None:
        super().__init__()
        self.sight = sight
        leave = cast(nn.Linear, sight.leave)
        self.states, self.vector = nn.Linear(leave.in_features, width), nn.Linear(leave.out_features, width)

    @property
    def reader(self) -> TextEncoder:
        return cast(TextEncoder, self.sight.reader)

    def count(self, text: str) -> int:
        return self.reader.count(text)

    def forward(self, texts: Sequence[str]) -> Words:
        with torch.no_grad():
            words = self.reader(texts)
            features = unit(cast(nn.Linear, self.sight.leave)(words.pooled))
        return Words(self.states(words.states), words.mask, self.vector(features))

    def adopt(self, run: str, sha256: str) -> None:
        """Takes the weights of a contrast run; raises `RunError` where they are others than those of the hash."""
        _, tensors, found = weights_of(run, "contrast")
        if sha256 and found != sha256:
            raise RunError(f"{run} was trained on since this run began; train it in another folder")
        own = self.sight.state_dict()
        if any(name not in tensors or tensors[name].shape != own[name].shape for name in own):
            raise RunError(f"{run} was trained by another version of Huabi; train it again")
        self.sight.load_state_dict({name: tensors[name] for name in own})


class HubReader(nn.Module):
    """Texts as an encoder of the transformers library reads them; their vector is of the mean of its states.

    Its weights stay where they are and out of the run's file, which holds their hash.
    """

    def __init__(self, name: str, sha256: str, width: int) -> None:
        super().__init__()
        model = text_model(name)
        if sha256 and model.sha256 != sha256:
            raise RunError(f"{HUB}{name} is not the encoder that this run was trained with; get that one again")
        self._model = (model,)  # in a tuple, which hides it from the run's file
        self.states = nn.Linear(model.width, width)
        self.vector = nn.Linear(model.width, width)

    @property
    def model(self) -> TextModel:
        return self._model[0]

    def count(self, text: str) -> int:
        return self.model.count(text)

    def forward(self, texts: Sequence[str]) -> Words:
        states, mask = self.model.read(texts, self.states.weight.device)
        states = F.layer_norm(states, states.shape[-1:])  # encoders have scales of their own
        pooled = (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)
        out: Tensor = self.states(states)
        return Words(out.masked_fill(~mask[..., None], 0), mask, self.vector(pooled))


def unit(features: Tensor) -> Tensor:
    """Features (..., D) in their direction, of mean square 1, as a path from unit noise wants them."""
    return F.normalize(features.float(), dim=-1) * math.sqrt(features.shape[-1])


def reader_of(source: str, reading: Reading, width: int) -> ContrastReader | HubReader | None:
    """The frozen reader called so; None where texts are learnt to be read with the rest."""
    if not source:
        return None
    if source.startswith(HUB):
        return HubReader(source.removeprefix(HUB), reading.sha256, width)
    return ContrastReader(frozen(Half(reading.net, reading.features)), width)
