"""The listener: what a sound tells of a scene, read from its log-mel spectrogram by a small convolutional net."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import RequestError
from ..model import Batch, DataSpec, Family, Update
from ..nets.sound import SoundEncoder
from ..optim import Muon
from ..truth import unpack

UNHEARD = ("style", "season", "kind", "colour", "relation")  # what makes no sound of its own


@dataclass(frozen=True)
class NetConfig:
    """The network's shape."""

    width: int = 96  # of what is read from
    channels: int = 16  # of the first level
    depth: int = 1  # blocks of a level


@dataclass(frozen=True)
class ListenerConfig:
    """Settings of `listener`."""

    batch: int = 64
    lr: float = 4e-3  # of the hidden matrices (Muon) and of all else (AdamW)
    warmup: int = 20  # steps
    ema: float = 0.05  # length of the weight average, as a share of the run
    weight_decay: float = 0.05
    net: NetConfig = field(default_factory=NetConfig)


class Listener(Family):
    """Hears setting, hour, weather and mood in a sound; it draws nothing.

    Some of its training sounds are the tune alone, or the place alone: of what cannot be heard it says what is true
    as often as not, which is nearly an even share.
    """

    name = "listener"
    title = "hears which mood, weather, place and hour a sound has"
    Config = ListenerConfig
    needs = ("sound", "truth")

    config: ListenerConfig

    def __init__(self, config: ListenerConfig, spec: DataSpec) -> None:
        super().__init__(config, spec)
        self.words = {name: words for name, words in spec.facts if name not in UNHEARD}
        self.places = [k for k, (name, _) in enumerate(spec.facts) if name in self.words]
        net = config.net
        self.net = SoundEncoder(net.width, channels=net.channels, depth=net.depth)
        self.leave = nn.Linear(net.width, sum(map(len, self.words.values())))

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return {"net": Muon.of(self, lr=self.config.lr, weight_decay=self.config.weight_decay)}

    def _logits(self, sound: Tensor) -> dict[str, Tensor]:
        parts = self.leave(F.silu(self.net(sound).pooled)).float().split([len(w) for w in self.words.values()], 1)
        return dict(zip(self.words, parts))

    def losses(self, batch: Batch, step: int) -> Iterator[Update]:
        assert batch.sound is not None
        assert batch.truth is not None
        scene = unpack(batch.truth, self.spec.facts, self.spec.size).scene[:, self.places].long()
        logits = self._logits(batch.sound)
        parts = {name: F.cross_entropy(logits[name], scene[:, k]) for k, name in enumerate(logits)}
        yield Update("net", torch.stack([*parts.values()]).sum(), parts)

    @torch.no_grad()
    def hear(self, sound: Tensor) -> list[dict[str, dict[str, float]]]:
        """Log-mel spectrograms (B, bands, frames) -> for each the shares of every attribute's words, summing to 1."""
        shares = {name: logits.softmax(1).tolist() for name, logits in self._logits(sound.to(self.device)).items()}
        return [
            {name: dict(zip(self.words[name], rows[k])) for name, rows in shares.items()} for k in range(len(sound))
        ]

    def sample(self, requests: Sequence[Any]) -> Iterator[Tensor]:
        """Draws nothing: raises `RequestError`."""
        raise RequestError("a listener hears sounds and draws none; train diffusion, gan or vae to draw")
