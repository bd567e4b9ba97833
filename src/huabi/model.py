"""The contracts: Model, Family, Update, Batch and DataSpec.

Shapes in this project: B pictures, C channels, H rows, W columns.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from .errors import RequestError, nearest
from .requests import Paper
from .rng import BatchRng
from .truth import Facts, Reading

if TYPE_CHECKING:
    from .memory import Memory
    from .requests import Request


@dataclass(frozen=True)
class DataSpec:
    """What a family must know of the data; it stands in run.json, so that loading a run needs no data."""

    size: tuple[int, int]  # rows, columns
    channels: int = 3  # 1 grey, 3 RGB, 4 RGBA
    labels: tuple[str, ...] = ()  # class names, in the order of their numbers
    captions: bool = False
    pairing: Literal["none", "unpaired", "paired"] = "none"
    domains: tuple[str, ...] = ()  # what the two sides of pairs, or the two kinds of unpaired pictures, are called
    count: int = 0  # pictures to train on
    weights: tuple[float, ...] = ()  # share of each label, summing to 1
    facts: Facts = ()  # what is known of each picture, where it was drawn from a scene
    sized: bool = False  # whether the pictures were of different sizes before they were fitted

    @property
    def shape(self) -> tuple[int, int, int]:
        return (self.channels, *self.size)

    def has(self, need: str) -> bool:
        """Whether the data has this field of a Batch."""
        return {
            "image": True,
            "label": bool(self.labels),
            "caption": self.captions,
            "target": self.pairing == "paired",
            "other": self.pairing != "none",  # targets in an order of their own are a second domain, too
            "truth": bool(self.facts),
            "sides": self.sized,
            "sound": bool(self.facts),  # made from what is known of a scene
        }.get(need, False)

    def lacks(self, needs: Sequence[str]) -> list[str]:
        """Those of `needs`, fields of a Batch, that the data does not have."""
        return [need for need in needs if not self.has(need)]

    def label_index(self, label: str | None) -> int:
        """The number of `label`, or -1 for None; an unknown label raises `RequestError` and names the nearest."""
        if label is None:
            return -1
        if label in self.labels:
            return self.labels.index(label)
        if not self.labels:
            raise RequestError(f"this model knows no labels, so {label!r} cannot be asked of it; leave the label out")
        raise RequestError(f"no label {label!r}; {nearest(label, self.labels)}")

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> DataSpec:
        return cls(**{k: _tuples(v) for k, v in value.items()})


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list | tuple) else value


class Batch(NamedTuple):
    """What one step trains on; fields that the data does not have are None."""

    image: Tensor  # (B, C, H, W) in [-1, 1]
    rng: BatchRng  # the only source of randomness in `losses`
    index: Tensor  # type: ignore[assignment]  # (B,) which pictures these are; hides tuple.index
    label: Tensor | None = None  # (B,) int64
    caption: tuple[str, ...] | None = None
    target: Tensor | None = None  # (B, C, H, W) the paired picture
    other: Tensor | None = None  # (B, C, H, W) a picture of the other domain, which has nothing to do with the first
    mask: Tensor | None = None  # (B, 1, H, W) in {0, 1}
    sound: Tensor | None = None  # (B, bands, frames) in [-1, 1], see `huabi.mel`; where the family wants it
    truth: Tensor | None = None  # (B, T) uint8, see `huabi.truth.unpack`
    sides: Tensor | None = None  # (B, 2) int64, rows and columns of the pictures before they were fitted

    def rows(self, start: int, stop: int) -> Batch:
        """The part of this batch that lies in rows `start` to `stop`, randomness included."""
        cut: dict[str, Any] = {n: v[start:stop] for n, v in self._asdict().items() if isinstance(v, Tensor | tuple)}
        return self._replace(**cut, rng=self.rng.rows(start, stop))

    def to(self, device: torch.device) -> Batch:
        moved: dict[str, Any] = {n: v.to(device) for n, v in self._asdict().items() if isinstance(v, Tensor)}
        return self._replace(**moved, rng=self.rng.to(device))


class Update(NamedTuple):
    """One turn of training: which optimizer steps, on which loss."""

    optimizer: str
    loss: Tensor  # scalar, the mean over the batch's rows
    logs: Mapping[str, Tensor] = {}


@dataclass(frozen=True)
class Identity:
    """What a loaded model draws as, recorded so that a picture can be made again to the bit."""

    hash: str = ""  # of its weights
    family: str = ""
    rows: int = 16  # pictures in every call of `sample`
    threads: int = 0  # 0 leaves them as they are
    precision: str = "fp32"
    device: str = "cpu"


class Model(ABC):
    """All that the command line, the measures and the server ever see of a picture-maker."""

    requests: tuple[type[Request], ...] = ()
    spec: DataSpec
    identity: Identity | None = None  # None where it was not loaded from a run
    memory: Memory | None = None  # of what it was trained on, where its run has one

    @property
    def paper(self) -> Paper:
        return Paper(self.spec.size)

    @abstractmethod
    def sample(self, requests: Sequence[Any]) -> Iterator[Tensor]:
        """Estimates of the answers, the last of which is the result; row i answers request i.

        Every request must share one `batch_key`. Yields (B, ...) tensors that `decode` turns into pictures.
        """

    def decode(self, x: Tensor) -> Tensor:
        """Pictures (B, C, H, W) in [-1, 1] for estimates that `sample` yielded."""
        return x.clamp(-1, 1)

    def batch_key(self, request: Any) -> Hashable:
        """Requests with equal keys can be answered in one call of `sample`."""
        return str(type(request))

    def unread(self, text: str) -> str:
        """The end of a text that lies beyond what is read of one."""
        return ""


@runtime_checkable
class Classifies(Protocol):
    """A model that reads labels."""

    def classify(self, x: Tensor) -> Tensor:
        """Pictures (B, C, H, W) in [-1, 1] -> logits (B, labels), in the order of `spec.labels`."""


@runtime_checkable
class Mends(Protocol):
    """A family that undoes damage."""

    def mended(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """A batch's pictures, or parts of them, damaged, mended and whole: (B, C, H, W) each in [-1, 1]."""


@runtime_checkable
class Reads(Protocol):
    """A model that reads scenes; one that learnt labels alone raises `RequestError`."""

    def read(self, x: Tensor) -> list[Reading]:
        """What is seen in pictures (B, C, H, W) in [-1, 1]."""


@runtime_checkable
class Embeds(Protocol):
    """A model whose features the measures can compare pictures in."""

    def embed(self, x: Tensor) -> Tensor:
        """Pictures (B, C, H, W) in [-1, 1] -> features (B, D)."""


@runtime_checkable
class Reconstructs(Protocol):
    """A model that codes pictures and draws them again from their codes."""

    def reconstruct(self, x: Tensor, label: Tensor | None) -> Tensor:
        """Pictures (B, C, H, W) in [-1, 1], and their labels (B,) where there are labels -> the same, drawn again."""


@runtime_checkable
class Films(Protocol):
    """A model that stylises what moves."""

    def film(self, request: Any, frames: Iterable[Tensor], steady: bool = True) -> Iterator[Tensor]:
        """Each frame (1, 3, H, W) in [-1, 1] as `request` asks of its own picture; without flicker where `steady`."""


@runtime_checkable
class Matches(Protocol):
    """A model that knows which words fit which picture: products of its features, of length 1, are cosines."""

    spec: DataSpec

    def embed(self, x: Tensor) -> Tensor:
        """Pictures (B, C, H, W) in [-1, 1] -> features (B, D)."""

    def embed_text(self, texts: Sequence[str]) -> Tensor:
        """Texts -> features (B, D)."""


@runtime_checkable
class Enlarges(Protocol):
    """A model that makes pictures larger, by `scale` times their sides; 1 is not at all."""

    spec: DataSpec
    scale: int

    def restore(self, x: Tensor) -> Tensor:
        """Pictures (B, C, H, W) in [-1, 1] -> (B, C, scale H, scale W)."""


class Finished(Tensor):
    """Pictures (B, C, H, W) in [-1, 1] in place of estimates: they need no decoding."""


class Family(Model, nn.Module):
    """A trainable model: `Family(config, spec)`. A family is final; there is no third level."""

    name: ClassVar[str]
    title: ClassVar[str]  # one line for people
    Config: ClassVar[type]  # frozen dataclass of hyperparameters; `batch`, `ema` and `warmup` are required fields
    needs: tuple[str, ...] = ("image",)  # fields of a Batch
    wants: tuple[str, ...] = ()  # fields that take time to make, and that it takes where the data has them: sound
    whole_batch: bool = False  # statistics over the batch: it can be neither split nor accumulated
    training_only: ClassVar[tuple[str, ...]] = ()  # sub-modules that sampling does not need
    max_grad_norm: ClassVar[float] = 1.0
    labelled: ClassVar[bool] = True  # whether the labels of its data mean anything to it
    micro: ClassVar[int | None] = None  # rows of a micro-batch, where a trial step to measure them costs too much
    rows: ClassVar[int] = 16  # pictures drawn at once
    planned: int = 10_000  # steps of the whole run as far as it is known; the trainer keeps it true

    def __init__(self, config: Any, spec: DataSpec) -> None:
        nn.Module.__init__(self)
        self.config = config
        self.spec = spec
        self.requests, self.needs = self.role(config)

    @classmethod
    def role(cls, config: Any) -> tuple[tuple[type[Request], ...], tuple[str, ...]]:
        """The requests that a model with these settings answers, and the fields of a Batch that it trains on."""
        return cls.requests, cls.needs

    @classmethod
    def paper_of(cls, config: Any, spec: DataSpec) -> Paper:
        """What a model with these settings draws on, which was trained on such data."""
        return Paper(spec.size)

    @property
    def paper(self) -> Paper:
        return self.paper_of(self.config, self.spec)

    @classmethod
    def fit(cls, config: Any, steps: Callable[[Any], float] | None = None) -> Any:
        """`config` with what it leaves open settled; `steps` tells how many steps of a config the time allows."""
        return config

    def stage(self, total: int | None) -> tuple[int, int | None]:
        """The first step of what is being learnt in a run of `total` steps, and the one after its last, where known.

        The learning rate rises and falls over these.
        """
        return 0, total

    @abstractmethod
    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """Fresh optimizers by name; each owns its parameters alone, their learning rates are the peak ones."""

    @abstractmethod
    def losses(self, batch: Batch, step: int) -> Iterator[Update]:
        """One training step as a generator of updates; between two yields the trainer steps that optimizer.

        Carries only detached tensors across a yield, branches on `step` and never on data, and draws all
        randomness from `batch.rng`.
        """

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device
