"""The truth of drawn scenes travels beside the pictures, and a reader is held to it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import huabi
from huabi.data import batches, prepare
from huabi.data.world.compose import draw_scene
from huabi.data.world.render import hidden, masks
from huabi.data.world.scene import RELATIONS, STYLES
from huabi.data.world.styles import draw
from huabi.data.world.truth import FACTS, record
from huabi.errors import RequestError
from huabi.families._scene import _middles, masks_of, on_grid, pairs_of, readings
from huabi.metrics.reading import Agreement
from huabi.nets.scenenet import SceneMaps, SceneNet, boxes_of
from huabi.truth import NAMED, SLOTS, Reading, Seen, unpack

SIZE = (64, 64)
WORDS = dict(FACTS)


def records(seeds: range, style: str = "flat") -> np.ndarray:
    return np.stack([np.frombuffer(record(draw_scene(seed), style, SIZE), np.uint8) for seed in seeds])


def test_a_record_says_what_the_scene_graph_says() -> None:
    truth = unpack(records(range(40), "ink"), FACTS, SIZE)
    for k in range(40):
        scene = draw_scene(k)
        assert WORDS["style"][truth.scene[k, 0]] == "ink"
        assert WORDS["mood"][truth.scene[k, 5]] == scene.mood
        for n, thing in enumerate(scene.things):
            assert WORDS["kind"][truth.kind[k, n] - 1] == thing.kind
            assert WORDS["colour"][truth.colour[k, n] - 1] == thing.colour
        assert not truth.kind[k, len(scene.things) :].any()
        for tie in scene.relations:
            assert truth.relation[k, tie.subject, tie.target] >> RELATIONS.index(tie.name) & 1
        told = {(tie.subject, tie.target, RELATIONS.index(tie.name)) for tie in scene.relations}
        named = np.argwhere(truth.relation[k] & NAMED).tolist()
        highest = [int(truth.relation[k, a, b] & ~np.uint8(NAMED)).bit_length() - 1 for a, b in named]
        assert {(a, b, r) for (a, b), r in zip(named, highest, strict=True)} == told
        assert np.array_equal(truth.map[k], masks(scene, SIZE))


def test_batches_carry_the_truth_of_their_own_pictures() -> None:
    data = prepare("world:n=12,seed=3,styles=flat+ink", size=32)
    batch = next(batches(data, 6, seed=0))
    assert batch.truth is not None
    for row, truth in zip(batch.index.tolist(), batch.truth, strict=True):
        seed, style = data.names[row].split("-")
        assert bytes(truth.numpy()) == record(draw_scene(int(seed)), style, (32, 32))
    assert not data.flip  # captions and relations name left and right
    with pytest.raises(RequestError, match="left and right"):
        prepare("world:n=12,seed=3,styles=flat+ink", size=32, flip=True)


def oracle(truths: np.ndarray) -> tuple[SceneNet, SceneMaps]:
    """The maps that a network would give which sees all that is true, relations but for."""
    truth = unpack(torch.from_numpy(truths), FACTS, SIZE)
    words = {name: len(known) for name, known in FACTS}
    kinds, colours, relations = (words.pop(name) for name in ("kind", "colour", "relation"))
    net = SceneNet(3, SIZE, tuple(words.values()), kinds=kinds, colours=colours, relations=relations, width=16)
    numbers = on_grid(truth, net.patch)
    heat, offset = _middles(masks_of(numbers))

    def worn(values: torch.Tensor, count: int) -> torch.Tensor:
        each = torch.nn.functional.pad(values.long(), (1, 0)).gather(1, numbers.flatten(1)).view_as(numbers)
        return torch.nn.functional.one_hot(each, count + 1).permute(0, 3, 1, 2) * 20.0

    scene = tuple(torch.nn.functional.one_hot(truth.scene[:, k].long(), n) for k, n in enumerate(words.values()))
    features = torch.zeros(len(truths), 32, *numbers.shape[1:])
    colour = worn(truth.colour, colours)[:, 1:]
    return net, SceneMaps(scene, worn(truth.kind, kinds), colour, heat, offset, features)


@torch.no_grad()
def test_a_reading_of_perfect_maps_agrees_with_the_truth() -> None:
    truths = records(range(100, 220))
    agreement = Agreement(FACTS, SIZE)
    for k, reading in enumerate(readings(*oracle(truths), FACTS)):
        agreement.add(truths[k], reading, hidden(draw_scene(100 + k)))
    shares = agreement.shares()
    assert agreement.asked["count"] > 60
    assert shares["mood"] == shares["style"] == 1
    assert min(shares["kind"], shares["colour"]) >= 0.99
    assert shares["count"] >= 0.98  # two things of a kind that overlap may have one middle


def test_agreement_counts_what_is_wrong() -> None:
    for seed in range(1000):
        scene = draw_scene(seed)
        truths = np.frombuffer(record(scene, "flat", SIZE), np.uint8)
        seen = unpack(truths[None], FACTS, SIZE).map[0]
        areas = np.bincount(seen.ravel(), minlength=3)[1:] / seen.size
        if len(scene.things) == 2 and min(areas) > 0.06 and max(hidden(scene)) < 0.2 and scene.relations:
            break
    first, second = (Seen(thing.kind, thing.colour, (0, 0, 1, 1), 0.1) for thing in scene.things)
    attributes = {name: getattr(scene, name, "flat") for name, _ in FACTS[:6]}
    tie = (scene.relations[0].subject, scene.relations[0].name, scene.relations[0].target)
    right = Reading(attributes, (first, second), (tie,), seen)
    wrong = Reading(
        attributes | {"mood": "calm" if scene.mood != "calm" else "sad"},
        (first, Seen("kite" if second.kind != "kite" else "cat", second.colour, second.box, 0.1)),
        ((tie[2], tie[1], tie[0]),),
        seen,
    )
    good, bad = Agreement(FACTS, SIZE), Agreement(FACTS, SIZE)
    good.add(truths, right)
    bad.add(truths, wrong)
    best, worst = good.shares(), bad.shares()
    assert best["kind"] == best["count"] == best["mood"] == best["relations read"] == 1
    assert worst["kind"] == worst["count"] == 0.5
    assert worst["mood"] == worst["relations read"] == worst["relation"] == 0


def test_masks_boxes_and_pairs() -> None:
    numbers = torch.zeros(1, 8, 8, dtype=torch.int64)
    numbers[0, 2:4, 1:7], numbers[0, 6, 0] = 1, 3
    masks = masks_of(numbers)
    assert masks.shape == (1, SLOTS, 8, 8)
    assert boxes_of(masks)[0, 0].tolist() == [1 / 8, 2 / 8, 7 / 8, 4 / 8]
    assert boxes_of(masks)[0, 1].tolist() == [0, 0, 0, 0]
    assert pairs_of(masks).tolist() == [[0, 0, 2], [0, 2, 0]]


def test_the_reader_that_comes_with_huabi_reads_unseen_scenes_in_every_style() -> None:
    reader = huabi.load("world-reader")
    agreement = Agreement(FACTS, SIZE)
    for number, style in enumerate(STYLES):
        seeds = range((1 << 63) + 10_000 + 30 * number, (1 << 63) + 10_030 + 30 * number)
        pictures = np.stack([draw(draw_scene(seed), SIZE, style) for seed in seeds])
        x = torch.from_numpy(pictures).permute(0, 3, 1, 2) / 127.5 - 1
        for seed, truth, reading in zip(seeds, records(seeds, style), reader.read(x), strict=True):
            agreement.add(truth, reading, hidden(draw_scene(seed)))
    shares = agreement.shares()
    assert shares["style"] >= 0.98
    assert min(shares["colour"], shares["mood"]) >= 0.96
    assert min(shares["kind"], shares["count"]) >= 0.93
    assert shares["relation"] >= 0.88


def test_a_reader_of_labels_alone_says_so(photos: Path, tmp_path: Path) -> None:
    model = huabi.train("classifier", photos, tmp_path / "run", size=8, steps=1, settings={"net.width": 16})
    with pytest.raises(RequestError, match="labels alone"):
        model.read(torch.zeros(1, 3, 8, 8))  # type: ignore[attr-defined]
