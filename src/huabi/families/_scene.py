"""Reading drawn scenes: the losses of a `SceneNet`, and readings from what it says."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from ..nets.scenenet import SceneMaps, SceneNet, boxes_of
from ..truth import SLOTS, THINGS, Facts, Reading, Seen, Truth

SPREAD = 1.5  # of a middle's peak, in cells
PEAK = 0.2  # of the heat map, from which on it is a thing's
LEAST = 4  # cells of a thing
FOREIGN = 6.0  # cells that a place of another kind counts as farther away
APART = 8  # cells of another kind, and
SHARE = 0.2  # of the places that point at one middle, from which on they are a thing of their own
TIED = 0.4  # likelihood from which on a relation is read
GROWN, SHRUNK = 0.4, 0.1  # of the sides of masks in training


def on_grid(truth: Truth, patch: int) -> Tensor:
    """The map of things (B, h, w) of the truth, at the patches' grid."""
    numbers: Tensor = truth.map[:, patch // 2 :: patch, patch // 2 :: patch]
    return numbers.long()


def worn(words: Tensor, numbers: Tensor) -> Tensor:
    """(B, h, w): the word, of those of each thing (B, SLOTS), of what is seen at each place; 0 where nothing is."""
    return F.pad(words.long(), (1, 0)).gather(1, numbers.flatten(1)).view_as(numbers)


def masks_of(numbers: Tensor) -> Tensor:
    """(B, SLOTS, h, w) of 0 and 1, from a map of things that are numbered from 1."""
    return (numbers[:, None] == torch.arange(1, SLOTS + 1, device=numbers.device)[:, None, None]).float()


def scene_losses(net: SceneNet, maps: SceneMaps, truth: Truth, smoothing: float, u: Tensor) -> dict[str, Tensor]:
    """The losses of `maps` under the truth, each the mean over pictures; u (B, 4 SLOTS) in [0, 1) is chance."""
    numbers = on_grid(truth, net.patch)  # (B, h, w)
    masks, some = masks_of(numbers), (numbers > 0).float()
    seen = some.mean((1, 2)).clamp(min=1e-3)  # share of each picture

    def where_seen(loss: Tensor) -> Tensor:
        """The mean over pictures of a loss (B, h, w) at the places where things are."""
        return ((loss * some).mean((1, 2)) / seen).mean()

    kinds = F.cross_entropy(maps.kind, worn(truth.kind, numbers), reduction="none")
    colours = F.cross_entropy(maps.colour, (worn(truth.colour, numbers) - 1).clamp(min=0), reduction="none")
    heat, offset = _middles(masks)
    scene = [
        F.cross_entropy(maps.scene[k], words.long(), label_smoothing=smoothing) for k, words in enumerate(truth.scene.T)
    ]
    return {
        "scene": torch.stack(scene).sum(),
        "kind": where_seen(kinds) + 0.5 * (kinds * (1 - some)).mean(),
        "colour": where_seen(colours),
        "centre": 100 * ((maps.centre - heat) ** 2).mean(),
        "offset": 0.1 * where_seen((maps.offset - offset).abs().sum(1)),
        "relation": _relation_loss(net, maps.features, masks, truth, u),
    }


def _relation_loss(net: SceneNet, features: Tensor, masks: Tensor, truth: Truth, u: Tensor) -> Tensor:
    pairs = pairs_of(masks)
    rows, one, two = pairs.unbind(1)
    logits = net.relations(features, unsteady(masks, u), pairs)
    bits = truth.relation[rows, one, two].long()[:, None] >> torch.arange(logits.shape[1], device=logits.device)
    each = F.binary_cross_entropy_with_logits(logits, (bits & 1).float(), reduction="none").sum(1)
    count = torch.bincount(rows, minlength=len(masks))
    return (each / count[rows]).sum() / len(masks)


def unsteady(masks: Tensor, u: Tensor) -> Tensor:
    """Masks (B, S, h, w) as a reader sees them: some sides are a cell farther out or in, by u (B, 4 S) in [0, 1)."""
    chance = u.view(len(masks), 4, -1, 1, 1)
    for side, (dim, step) in enumerate(((2, 1), (2, -1), (3, 1), (3, -1))):
        moved = masks.roll(step, dim)
        moved.select(dim, min(0, step)).zero_()  # what came in from the other end
        masks = torch.where(chance[:, side] < GROWN, torch.maximum(masks, moved), masks)
        masks = torch.where(chance[:, side] > 1 - SHRUNK, torch.minimum(masks, moved), masks)
    return masks


def pairs_of(masks: Tensor) -> Tensor:
    """(P, 3) int64: picture, one thing, another, of all that are seen."""
    there = masks.flatten(2).any(2)  # (B, S)
    both = there[:, :, None] & there[:, None]
    return (both & ~torch.eye(there.shape[1], dtype=torch.bool, device=masks.device)).nonzero()


def _middles(masks: Tensor) -> tuple[Tensor, Tensor]:
    """The heat map (B, h, w) of the middles of what is seen, and offsets (B, 2, h, w) to them, 0 in the backdrop."""
    height, width = masks.shape[-2:]
    rows = torch.arange(height, device=masks.device).float()[:, None]
    columns = torch.arange(width, device=masks.device).float()[None]
    area = masks.sum((2, 3))
    middle = [(masks * axis).sum((2, 3)) / area.clamp(min=1) for axis in (rows, columns)]  # (B, S) each
    away = [m[..., None, None] - axis for m, axis in zip(middle, (rows, columns), strict=True)]
    heat = torch.exp((away[0] ** 2 + away[1] ** 2) / (-2 * SPREAD**2)) * (area > 0)[..., None, None]
    return heat.amax(1), torch.stack([(masks * a).sum(1) for a in away], 1)


def readings(net: SceneNet, maps: SceneMaps, facts: Facts) -> Iterator[Reading]:
    """What each picture shows."""
    words = dict(facts)
    names = [name for name, _ in facts if name not in THINGS]
    numbers = torch.stack([_things(*row) for row in zip(maps.kind, maps.centre, maps.offset, strict=True)])
    masks = masks_of(numbers)
    pairs = pairs_of(masks)
    found = net.relations(maps.features, masks, pairs).sigmoid()
    boxes = boxes_of(masks).tolist()
    colour = maps.colour.log_softmax(1)
    kind = maps.kind[:, 1:].log_softmax(1)
    for row, number in enumerate(numbers):
        things = []
        for k in range(int(number.max())):
            here = masks[row, k] > 0
            things.append(
                Seen(
                    words["kind"][int(kind[row][:, here].sum(1).argmax())],
                    words["colour"][int(colour[row][:, here].sum(1).argmax())],
                    tuple(boxes[row][k]),
                    float(here.float().mean()),
                )
            )
        ties = [
            (one, words["relation"][r], two)
            for (_, one, two), shares in zip(pairs[pairs[:, 0] == row].tolist(), found[pairs[:, 0] == row].tolist())
            for r, share in enumerate(shares)
            if share > TIED
        ]
        scene = {name: words[name][int(logits[row].argmax())] for name, logits in zip(names, maps.scene)}
        yield Reading(scene, tuple(things), tuple(ties), number)


def _things(kind: Tensor, centre: Tensor, offset: Tensor) -> Tensor:
    """A map (h, w) of things numbered from 1, of kinds (K, h, w), a heat map (h, w) and offsets (2, h, w)."""
    word = kind.argmax(0)
    numbers = torch.zeros_like(word)
    some = word > 0
    peaks = ((centre == F.max_pool2d(centre[None], 5, 1, 2)[0]) & (centre > PEAK)).nonzero()
    best = centre[peaks[:, 0], peaks[:, 1]].argsort(descending=True, stable=True)[:SLOTS]
    peaks = peaks[best].float()  # (n, 2)
    if not len(peaks) or not some.any():
        return numbers
    at = some.nonzero()
    toward = at.float() + offset[:, some].T
    far = torch.cdist(toward, peaks)  # (places, n)
    words = word[some]
    for _ in range(2):  # the second time, a place keeps to things of its own kind
        mine = far.argmin(1)
        votes = torch.zeros(len(peaks), kind.shape[0], device=kind.device)
        votes.index_put_((mine, words), torch.ones(len(mine), device=kind.device), accumulate=True)
        far = far + FOREIGN * (votes.argmax(1)[None] != words[:, None])
    # one thing before another may have lost its middle: two kinds are two things
    own = (votes >= APART) & (votes >= SHARE * votes.sum(1, keepdim=True))
    top = torch.arange(len(peaks), device=kind.device), votes.argmax(1)
    own[top] = True
    thing = own.flatten().cumsum(0).view_as(votes) - 1  # (n, kinds)
    mine = torch.where(own[mine, words], thing[mine, words], thing[top][mine])
    sizes = torch.bincount(mine, minlength=int(own.sum()))
    kept = torch.where(sizes >= LEAST, (sizes >= LEAST).cumsum(0), 0)
    numbers[some] = kept[mine] * (kept[mine] <= SLOTS)
    return numbers
