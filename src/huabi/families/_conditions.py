"""All that a picture can be asked to be: words, a few names, sounds, sizes and other pictures, in one list."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from ..errors import RequestError, nearest
from ..mel import BANDS, FRAMES
from ..model import Batch, DataSpec
from ..nets.convnets import ConvClassifier
from ..nets.sound import SoundEncoder
from ..nets.unet import Context
from ..requests import Imagine
from ..rng import row_noise
from ._condition import Condition, ContextConfig, See, joined
from ._texts import Encoder, Text, unsaid

SEEN = 4  # tokens of a reference picture
CALM, WILD = 0.6, 0.9  # times between which chaos grows from none to all
FIELDS = {  # of a request, and the condition that answers each
    "prompt": "text",
    "negative": "text",
    "between": "text",
    "label": "label",
    "style": "style",
    "mood": "mood",
    "sound": "sound",
    "reference": "reference",
}

MEANT = ("prompt", "negative", "between")  # what is said by the reference, where that is what a picture means


class Word(Condition):
    """One of a few words: the label, or a fact of the scene."""

    def __init__(self, name: str, words: Sequence[str], config: ContextConfig, column: int = -1) -> None:
        super().__init__(config.width, config.drop_rest)
        self.name, self.words = name, tuple(words)
        self.column = column  # of the scene's facts; -1 is the label
        self.rows = nn.Embedding(len(words), config.width)

    def of_batch(self, batch: Batch, x0: Tensor, kept: Tensor) -> tuple[Context, Tensor]:
        told = batch.label if self.column < 0 or batch.truth is None else batch.truth[:, self.column]
        assert told is not None
        return self._context(told.long()), x0.new_ones(len(x0))

    def of_requests(self, requests: Sequence[Imagine], see: See) -> tuple[Context, Tensor]:
        asked = [getattr(request, self.name) for request in requests]
        for word in asked:
            if word is not None and word not in self.words:
                raise RequestError(f"no {self.name} {word!r}; {nearest(word, self.words)}")
        index = torch.tensor([0 if word is None else self.words.index(word) for word in asked])
        weights = [request.mood_weight if self.name == "mood" else 1.0 for request in requests]
        amount = torch.tensor([0.0 if word is None else weight for word, weight in zip(asked, weights)])
        return self._context(index.to(self.nothing.device)), amount.to(self.nothing.device)

    def _context(self, index: Tensor) -> Context:
        rows = self.rows(index)  # (B, width)
        return Context(rows[:, None], rows.new_ones(len(rows), 1), rows)


class Heard(Condition):
    """What is heard in the place, as a log-mel spectrogram."""

    def __init__(self, config: ContextConfig) -> None:
        super().__init__(config.width, config.drop_rest)
        self.encoder = SoundEncoder(config.width, bands=BANDS, frames=FRAMES)

    def of_batch(self, batch: Batch, x0: Tensor, kept: Tensor) -> tuple[Context, Tensor]:
        assert batch.sound is not None
        return _where(kept, self._context, batch.sound), x0.new_ones(len(x0))

    def of_requests(self, requests: Sequence[Imagine], see: See) -> tuple[Context, Tensor]:
        weights = [0.0 if request.sound is None else request.sound_weight for request in requests]
        amount = torch.tensor(weights, device=self.nothing.device)
        if all(request.sound is None for request in requests):
            return self.silence(len(requests))
        blank = torch.zeros(BANDS, FRAMES)
        sounds = {request.sound for request in requests if request.sound is not None}
        heard = {sound: torch.from_numpy(sound.log_mel()) for sound in sounds}
        mels = [blank if request.sound is None else heard[request.sound] for request in requests]
        return self._context(torch.stack(mels).to(self.nothing.device)), amount

    def _context(self, mel: Tensor) -> Context:
        heard = self.encoder(mel)
        return Context(heard.states, heard.states.new_ones(heard.states.shape[:2]), heard.pooled)


class Size(Condition):
    """How large a picture was before it was fitted: small ones are blurred by that, long ones were cut (SDXL; Podell et
    al. 2023, section 2.2).

    Told are log2 of its short side in those of the trained pictures, 0 where it is no smaller, and log2 of rows by
    columns. A request that names no size asks for a picture as sharp as it is drawn.
    """

    guides = False  # so that guidance leads to what is said, not to sharpness

    def __init__(self, spec: DataSpec, config: ContextConfig) -> None:
        super().__init__(config.width, config.drop_text)
        self.trained = spec.size
        self.net = nn.Sequential(nn.Linear(2, config.width), nn.SiLU(), nn.Linear(config.width, config.width))

    def of_batch(self, batch: Batch, x0: Tensor, kept: Tensor) -> tuple[Context, Tensor]:
        assert batch.sides is not None
        return self._context(batch.sides), x0.new_ones(len(x0))

    def of_requests(self, requests: Sequence[Imagine], see: See) -> tuple[Context, Tensor]:
        sides = torch.tensor([request.size or self.trained for request in requests], device=self.nothing.device)
        return self._context(sides), self.nothing.new_ones(len(requests))

    def unwanted(self, requests: Sequence[Imagine]) -> tuple[Context, Tensor]:
        return self.of_requests(requests, lambda _: None)

    def _context(self, sides: Tensor) -> Context:
        logs = sides.log2()
        short = logs.min(1).values - math.log2(min(self.trained))
        said = torch.stack([short.clamp(-4, 0), (logs[:, 0] - logs[:, 1]).clamp(-2, 2)], 1)
        token = self.net(said)  # (B, width)
        return Context(token[:, None], token.new_ones(len(token), 1), token)


class Reference(Condition):
    """What a picture shows, wherever it shows it: the mean over all places of a few features of its latents.

    Where features (D,) stand for pictures, they are projected (Ramesh et al. 2022, section 2.1).
    """

    net: ConvClassifier | nn.Linear

    def __init__(self, shape: tuple[int, ...], config: ContextConfig) -> None:
        channels, *grid = shape
        super().__init__(config.width, config.drop_rest if grid else config.drop_text)
        if grid:
            self.net = ConvClassifier(channels, cast(tuple[int, int], tuple(grid)), SEEN * config.width, width=16)
        else:
            self.net = nn.Linear(channels, SEEN * config.width)

    def of_batch(self, batch: Batch, x0: Tensor, kept: Tensor) -> tuple[Context, Tensor]:
        return _where(kept, self._context, x0), x0.new_ones(len(x0))

    def of_requests(self, requests: Sequence[Imagine], see: See) -> tuple[Context, Tensor]:
        shown = see(requests)
        return self.silence(len(requests)) if shown is None else (self._context(shown.x0), shown.amount)

    def _context(self, x0: Tensor) -> Context:
        tokens = self.net(x0).unflatten(1, (SEEN, -1))  # (B, SEEN, width)
        return Context(tokens, tokens.new_ones(tokens.shape[:2]), tokens.mean(1))


class Conditions(nn.Module):
    """All that a model can be told: the one list that a further condition is added to.

    Args:
        shape: of latents (C, h, w); or (D,) where features stand for pictures and texts alike.
        reader: of texts; None is one that is trained with the rest.
    """

    def __init__(
        self, spec: DataSpec, config: ContextConfig, shape: tuple[int, ...], reader: Encoder | None = None
    ) -> None:
        super().__init__()
        self.drop = config.drop
        found: dict[str, Condition] = {"reference": Reference(shape, config)}
        meant = len(shape) == 1
        self.fields = FIELDS | dict.fromkeys(MEANT if meant else (), "reference")
        if not meant and (spec.captions or spec.labels):
            found["text"] = Text(spec, config, reader)
        if spec.labels:
            found["label"] = Word("label", spec.labels, config)
        for column, (name, words) in enumerate(spec.facts):
            if name in ("style", "mood"):
                found[name] = Word(name, words, config, column)
        if spec.has("sound"):
            found["sound"] = Heard(config)
        if spec.sized:
            found["size"] = Size(spec, config)
        self.each = nn.ModuleDict(found)

    def of_batch(self, batch: Batch, x0: Tensor) -> tuple[Context, Context, Tensor]:
        """What is true of training pictures of latents (or features) x0, parts of which stay unsaid by chance.

        And that without what guidance leads to; and of which pictures anything may be said at all (B,) bool.
        """
        u = batch.rng.uniform(len(self.each) + 1)
        some = u[:, -1] >= self.drop
        told, rest = [], []
        for chance, condition in zip(u.T, self._each()):
            kept = (chance >= condition.drop) & some
            context, amount = condition.of_batch(batch, x0, kept)
            told.append(condition.told(context, amount * kept))
            rest.append(condition.told(*condition.silence(len(x0))) if condition.guides else told[-1])
        return joined(told), joined(rest), some

    def of_requests(self, requests: Sequence[Imagine], see: See) -> Context:
        """What is asked; raises `RequestError` for what this model was not trained with."""
        for request in requests:
            for field, name in self.fields.items():
                if name not in self.each and getattr(request, field):
                    raise RequestError(f"this model knows no {name}, since its data has none; leave {field!r} out")
        return joined([condition.told(*condition.of_requests(requests, see)) for condition in self._each()])

    def unwanted(self, requests: Sequence[Imagine]) -> Context:
        """What shall not be; nothing where nothing is said of it."""
        return joined([condition.told(*condition.unwanted(requests)) for condition in self._each()])

    def rooms(self, request: Imagine) -> tuple[int, ...]:
        """Places for what a request says: requests of equal ones can be told to the network at once."""
        given = request.reference is not None, request.sound is not None
        if "text" not in self.each:
            return given
        text = cast(Text, self.each["text"])
        return *given, text.room(text.said(request)), text.room(unsaid(request))

    def denies(self, request: Imagine) -> bool:
        """Whether something is kept out."""
        return "text" in self.each and bool(unsaid(request))

    def says(self, request: Imagine) -> bool:
        """Whether anything is asked for, or kept out."""
        return self.denies(request) or any(getattr(request, field) for field in FIELDS)

    @property
    def reader(self) -> Encoder | None:
        """Of texts, where they can be told."""
        return cast(Text, self.each["text"]).encoder if "text" in self.each else None

    def _each(self) -> list[Condition]:
        return [cast(Condition, condition) for condition in self.each.values()]


def _where(kept: Tensor, tell: Callable[[Tensor], Context], x: Tensor) -> Context:
    """`tell` of the rows of x that are kept, zero elsewhere; of one row at least, so that there is a gradient."""
    rows = kept.nonzero()[:, 0] if bool(kept.any()) else kept.new_zeros(1, dtype=torch.int64)
    told = tell(x[rows])
    return Context(*(part.new_zeros(len(x), *part.shape[1:]).index_copy(0, rows, part) for part in told[:3]))


def chaotic(context: Context, requests: Sequence[Imagine]) -> Callable[[float], Context]:
    """The context as it is heard at each time: as said, where no request asks for chaos."""
    if not any(request.chaos for request in requests):
        return lambda t: context
    rows, width = context.states.shape[1:]
    noise = row_noise([request.seed for request in requests], (rows + 1, width), "chaos").to(context.states)
    chaos = torch.tensor([request.chaos / 100 for request in requests], device=noise.device)
    return lambda t: stirred(context, noise, chaos, t)


def stirred(context: Context, noise: Tensor, chaos: Tensor, t: float) -> Context:
    """The context as it is heard at time t by rows of that much chaos (B,) in [0, 1].

    While a picture's layout is being found, part of what is said is noise of the row's own; from `CALM` on all is said
    as it is (condition-annealed sampling; Sadat et al. 2024, eq. 3, with noise that stays the same).

    Args:
        noise: normal (B, L + 1, width), for the tokens and the vector.
    """
    share = chaos * min(1.0, max(0.0, (t - CALM) / (WILD - CALM)))  # (B,)
    share = share[:, None, None]

    def mixed(said: Tensor, noise: Tensor) -> Tensor:
        size = said.square().mean(-1, keepdim=True).sqrt()
        return (1 - share).sqrt() * said + share.sqrt() * size * noise

    states, vector = mixed(context.states, noise[:, 1:]), mixed(context.pooled[:, None], noise[:, :1])
    return context._replace(states=states, pooled=vector[:, 0])
