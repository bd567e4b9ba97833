"""What a picture shows, written down before it is drawn: the scene's attributes, then its things, each with its box.

What words say of a picture is a few dozen nats of it, which the square error of thousands of pixels hardly counts. In a
sentence of numbered words it is all that there is to learn. So, where data knows what is seen where, a picture is drawn
in two parts: p(plan | what is said) p(picture | plan, what is said). That is a prior, as DALL-E 2 has one (Ramesh et
al. 2022), for layouts (Hong et al. 2018).

How two things stand to each other is a word of its own, and these two are then the first: from boxes alone it would
take many times as many captions to learn which words tell it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..nets.plannet import PlanNet, Writing
from ..nets.scenenet import boxes_of
from ..nets.unet import Context
from ..rng import generator
from ..truth import NAMED, SLOTS, THINGS, Facts, Reading, Seen, unpack
from ._scene import masks_of

SIDE = 16  # parts of a picture's side that boxes are told in
FIELDS = 6  # of a thing: kind, colour, left, top, right, bottom
GROUP = 32  # sentences that are learnt from at once
KIND, COLOUR, WITHIN = 10, 6, 2  # channels of places: of a kind's name, of a colour's, and of the place within its box


@dataclass(frozen=True)
class PlanConfig:
    """How plans are written."""

    width: int = 192  # of the network
    depth: int = 4  # its blocks; 0 draws without plans
    share: float = 0.3  # of the run, in which they are learnt before pictures are
    drop: float = 0.1  # share of pictures that are drawn without one, for edits and variations of pictures
    guidance: float = 2.0  # how far what is said leads away from what is unwanted
    temperature: float = 0.5  # of each word's choice

    def __post_init__(self) -> None:
        if self.width < 32 or self.width % 32 or self.depth < 0:
            raise ValueError("plan.width is a multiple of 32, plan.depth at least 0")
        if not 0 < self.share < 1 or not 0 <= self.drop < 1 or self.temperature <= 0:
            raise ValueError("plan.share lies in (0, 1), plan.drop in [0, 1), plan.temperature is above 0")


class Scenes(NamedTuple):
    """What is known of B scenes, for sentences."""

    scene: Tensor  # (B, A) the attributes
    things: Tensor  # (B, SLOTS, FIELDS)
    there: Tensor  # (B, SLOTS) bool: which of them are seen
    ties: Tensor  # (B, n, 3) what captions may name: a relation, from 1, and two things, from 0; all 0 where none is
    tied: Tensor  # (B, n) bool: which of the n there are

    def rows(self, rows: Tensor) -> Scenes:
        return Scenes(*(part[rows] for part in self))


class Sentences:
    """The language of plans: a word for each attribute; one for how the first two things stand; kind, colour and box of
    each thing; and an end.

    Args:
        size: of the pictures that the truth is of.
    """

    def __init__(self, facts: Facts, size: tuple[int, int]) -> None:
        self.facts, self.size = facts, size
        words = dict(facts)
        attributes = [len(known) for name, known in facts if name not in THINGS]
        self.attributes = len(attributes)
        self.first = self.attributes + 1  # places before those of things
        counts = [*attributes, 1 + len(words["relation"])]  # the first is none
        counts += [1 + len(words["kind"]), len(words["colour"]), *[SIDE] * 4]  # the first kind is the end
        self.starts = torch.tensor([0, *counts]).cumsum(0)  # (fields + 1,)
        self.words = int(self.starts[-1])
        self.length = self.first + FIELDS * SLOTS + 1
        place = torch.arange(self.length)
        field = torch.where(place < self.first, place, self.first + (place - self.first) % FIELDS)
        word = torch.arange(self.words)
        starts = self.starts[:, None]
        self.allowed = ((word >= starts[:-1]) & (word < starts[1:]))[field]  # (length, words)

    def seen(self, records: Tensor) -> Scenes:
        """What records (B, T) tell."""
        truth = unpack(records, self.facts, self.size)
        shares = boxes_of(masks_of(truth.map.long())) * SIDE  # (B, SLOTS, 4)
        boxes = torch.cat([shares[..., :2].floor(), shares[..., 2:].ceil() - 1], 2).long()
        things = torch.cat([truth.kind.long()[..., None], truth.colour.long()[..., None] - 1, boxes], 2)
        there = boxes[..., 2] >= 0
        bits = (truth.relation.long() * there[:, :, None] * there[:, None]).flatten(1)  # (B, SLOTS^2)
        named = (bits & NAMED) > 0
        at = (~named).long().argsort(dim=1, stable=True)[:, : max(1, int(named.sum(1).max()))]  # (B, n)
        tied = named.gather(1, at)
        relation = 1 + (bits.gather(1, at) & ~NAMED).clamp(min=1).float().log2().long()  # the highest
        ties = torch.stack([relation, at // SLOTS, at % SLOTS], 2) * tied[..., None]
        return Scenes(truth.scene.long(), things, there, ties, tied)

    def written(self, scenes: Scenes, tie: Tensor | None = None) -> Tensor:
        """Sentences (B, N) of scenes, with -1 after their ends; things that are not seen are left out.

        Args:
            tie: (B,) which of the ties is written; the first by default.
        """
        rows = torch.arange(len(scenes.scene), device=scenes.scene.device)
        tie = torch.zeros_like(rows) if tie is None else tie
        relation, *two = scenes.ties[rows, tie].unbind(1)
        turn = (~scenes.there).long()  # those that are seen come first, and of these
        for before, thing in zip((-2, -1), two):
            turn[rows, thing] = torch.where(scenes.tied[rows, tie], before, turn[rows, thing])
        order = turn.argsort(dim=1, stable=True)[..., None].expand(-1, -1, FIELDS)
        count = scenes.there.sum(1)  # (B,)
        starts = self.starts.to(rows.device)
        present = torch.arange(SLOTS, device=rows.device) < count[:, None]
        things = scenes.things.gather(1, order) + starts[self.first : -1]
        things = F.pad(torch.where(present[..., None], things, -1).flatten(1), (0, 1), value=-1)
        things.scatter_(1, (FIELDS * count)[:, None], starts[self.first].expand(len(rows), 1))
        head = torch.cat([scenes.scene, relation[:, None]], 1) + starts[: self.first]
        return torch.cat([head, things], 1)[:, : self.first + FIELDS * int(count.max()) + 1]

    def of_truth(self, records: Tensor) -> Tensor:
        """Sentences (B, N) of records (B, T)."""
        return self.written(self.seen(records))

    def things(self, sentences: Tensor) -> Tensor:
        """(B, n, FIELDS) the things of sentences (B, N), each word by its number in its field; -1 after the last."""
        count = max(1, (sentences.shape[1] - self.first) // FIELDS)
        starts = self.starts.to(sentences.device)[self.first : -1]
        rest = F.pad(sentences, (0, FIELDS), value=int(starts[0]))[:, self.first : self.first + count * FIELDS]
        things = rest.unflatten(1, (count, FIELDS)) - starts
        ended = (things[..., 0] <= 0).cumsum(1) > 0
        return torch.where(ended[..., None], -1, things)


    def readings(self, sentences: Tensor) -> list[Reading]:
        """What sentences (B, N) say, as a reader would tell it of the picture; relations and maps are left to that."""
        words = dict(self.facts)
        attributes = [(name, known) for name, known in self.facts if name not in THINGS]
        scenes = (sentences[:, : self.attributes].cpu() - self.starts[: self.attributes]).tolist()
        found = []
        for scene, things in zip(scenes, self.things(sentences).tolist()):
            said = {name: known[number] for (name, known), number in zip(attributes, scene)}
            seen = []
            for kind, colour, left, top, right, bottom in (thing for thing in things if thing[0] > 0):
                box = (left / SIDE, top / SIDE, (max(left, right) + 1) / SIDE, (max(top, bottom) + 1) / SIDE)
                area = (box[2] - box[0]) * (box[3] - box[1])
                seen.append(Seen(words["kind"][kind - 1], words["colour"][colour], box, area))
            found.append(Reading(said, tuple(seen), (), None))
        return found


class Planner(nn.Module):
    """Writes plans for what is said, and tells them as what draws is told.

    Args:
        context: width of what is said.
    """

    channels: ClassVar[int] = KIND + COLOUR + WITHIN  # of places
    kinds: Tensor  # (kinds + 1, KIND)
    colours: Tensor  # (colours, COLOUR)

    def __init__(self, facts: Facts, size: tuple[int, int], config: PlanConfig, context: int) -> None:
        super().__init__()
        self.config, self.sentences = config, Sentences(facts, size)
        words = self.sentences.words
        shape = {"width": config.width, "depth": config.depth}
        self.net = PlanNet(words, self.sentences.length, context, **shape)
        self.telling = nn.ModuleDict({"names": nn.Embedding(words, context), "norm": nn.LayerNorm(context)})
        known = dict(facts)
        self.register_buffer("kinds", signs(1 + len(known["kind"]), KIND))
        self.register_buffer("colours", signs(len(known["colour"]), COLOUR))

    def loss(self, records: Tensor, context: Context, u: Tensor) -> Tensor:
        """() nats of a word, the mean over the sentences of records (B, T) for what the context's rows say.

        Rows of like lengths are seen together, so that little of what is computed is padding.

        Args:
            u: (B,) in [0, 1), chance.
        """
        scenes = self.sentences.seen(records)
        sentences = self.sentences.written(scenes, self._named(scenes, context, u))
        length = (sentences >= 0).sum(1)  # (B,)
        order = (length + (context.weight > 0).sum(1)).argsort()
        parts = [self._nats(sentences[part], context.rows(part)).sum(1) for part in order.split(GROUP)]
        return (torch.cat(parts) / length[order]).mean()

    @torch.no_grad()
    def _named(self, scenes: Scenes, context: Context, u: Tensor) -> Tensor:
        """(B,) which tie of each row is named by what is said, as far as is known: drawn from the posterior.

        So ties are learnt by expectation and maximization (Dempster et al. 1977): of several that are true, words name
        one as a rule.
        """
        language = self.sentences
        rows, number = (scenes.tied & (scenes.tied.sum(1, keepdim=True) > 1)).nonzero().unbind(1)
        likely = torch.where(scenes.tied, 0.0, -torch.inf)
        likely[:, 0] = 0
        names = torch.tensor([0, 1, 2, FIELDS + 1, FIELDS + 2], device=u.device)  # the relation, kinds and colours
        for row, tie in zip(rows.split(GROUP), number.split(GROUP)) if len(rows) else ():
            sentences = language.written(scenes.rows(row), tie)[:, : language.first + FIELDS + 2]
            nats = self._nats(sentences, context.rows(row))
            likely[row, tie] = -nats[:, language.attributes + names].sum(1)
        return (likely.softmax(1).cumsum(1) <= u[:, None]).sum(1).clamp(max=likely.shape[1] - 1)

    def _nats(self, sentences: Tensor, context: Context) -> Tensor:
        """(B, N) of each word, 0 after the end."""
        sentences = sentences[:, : int((sentences >= 0).sum(1).max())]
        logits = self.net(sentences[:, :-1].clamp(min=0), context.counting())
        logits = logits.masked_fill(~self.sentences.allowed[: sentences.shape[1]].to(logits.device), -1e4)
        return F.cross_entropy(logits.permute(0, 2, 1), sentences, ignore_index=-1, reduction="none")

    @torch.no_grad()
    def write(
        self, context: Context, unwanted: Context, seeds: Sequence[int], stray: Tensor, guidance: Tensor
    ) -> Tensor:
        """Sentences (B, N) for a context of B rows, row i by the chance of `seeds[i]` alone.

        Args:
            unwanted: what guidance leads away from.
            stray: (B,) what is added to the temperature.
            guidance: (B,) how far; where it is 1 nothing is led away from.
        """
        language, led = self.sentences, bool((guidance != 1).any())
        device = context.pooled.device
        u = torch.stack([torch.rand(language.length, language.words, generator=generator("plan", s)) for s in seeds])
        chance = -(-u.clamp(1e-9, 1 - 1e-7).log()).log().to(device)  # Gumbel's
        heat = self.config.temperature + stray[:, None]
        end = int(language.starts[language.first])
        out = torch.zeros(len(seeds), 0, dtype=torch.int64, device=device)
        done = torch.zeros(len(seeds), dtype=torch.bool, device=device)
        wanted, other, word = Writing(self.net, context), Writing(self.net, unwanted), None
        for place, allowed in enumerate(language.allowed.to(device)):
            logits = wanted.next(word)
            if led:
                logits = other.next(word).lerp(logits, guidance[:, None])
            word = (logits / heat + chance[:, place]).masked_fill(~allowed, -torch.inf).argmax(1)
            out = torch.cat([out, word[:, None]], 1)
            done |= (word == end) & (place >= language.first)
            if bool(done.all()):
                break
        return out

    def plan(self, sentences: Tensor, amount: Tensor | None = None) -> Context:
        """What sentences (B, N) say, the attributes and what is where; each row by its `amount` (B,), 1 as a rule."""
        names: Tensor = self.telling["names"](sentences[:, : self.sentences.attributes])  # (B, A, width)
        amount = names.new_ones(len(names)) if amount is None else amount
        return Context(
            names,
            amount[:, None].expand(-1, names.shape[1]),
            self.telling["norm"](names.sum(1)) * amount[:, None],
            self.places(sentences) * amount[:, None, None, None],
        )

    def places(self, sentences: Tensor) -> Tensor:
        """(B, `channels`, SIDE, SIDE) of the things in sentences (B, N): the smaller ones stand before the larger."""
        things = self.sentences.things(sentences)  # (B, n, FIELDS)
        kind, colour, left, top, right, bottom = things.unbind(2)
        right, bottom = torch.maximum(left, right), torch.maximum(top, bottom)
        part = torch.arange(SIDE, device=things.device)
        across = (part >= left[..., None]) & (part <= right[..., None])  # (B, n, SIDE)
        down = (part >= top[..., None]) & (part <= bottom[..., None])
        there = down[..., None] & across[:, :, None] & (kind >= 0)[..., None, None]  # (B, n, SIDE, SIDE)
        area = ((right - left + 1) * (bottom - top + 1)).where(kind >= 0, SIDE**2 + 1)
        nearest = torch.where(there, area[..., None, None], SIDE**2 + 1).min(1)  # (B, SIDE, SIDE)
        some = nearest.values <= SIDE**2
        names = [
            table[torch.where(some, _at(number, nearest.indices), 0)].permute(0, 3, 1, 2)
            for table, number in ((self.kinds, kind), (self.colours, colour))
        ]
        spans = ((top, bottom, part[:, None]), (left, right, part[None]))
        within = [
            (place - (_at(first, nearest.indices) + _at(last, nearest.indices)) / 2)
            / ((_at(last, nearest.indices) - _at(first, nearest.indices) + 1) / 2)
            for first, last, place in spans
        ]
        return torch.cat([*names, torch.stack(within, 1)], 1) * some[:, None]


def _at(values: Tensor, index: Tensor) -> Tensor:
    """values (B, n) of the things of index (B, h, w)."""
    return values.gather(1, index.flatten(1)).view_as(index)


def signs(count: int, length: int) -> Tensor:
    """`count` rows of -1 and 1, each of which differs from those before it in as many places as can be found."""
    every = (torch.arange(2**length)[:, None] >> torch.arange(length)) & 1  # (2^length, length)
    every = every[torch.randperm(len(every), generator=generator("signs", length))] * 2.0 - 1
    apart = torch.full((len(every),), float(length))
    chosen = []
    for _ in range(count):
        chosen.append(every[int(apart.argmax())])
        apart = torch.minimum(apart, (every != chosen[-1]).sum(1).float())
    return torch.stack(chosen)
