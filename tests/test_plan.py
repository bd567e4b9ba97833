"""What text to image writes down before it draws: which things, of which colour, where."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import cast

import pytest
import torch
from torch import Tensor

from conftest import TINY, at_mean
from huabi.config import configure
from huabi.cost import example
from huabi.data.world.truth import FACTS
from huabi.families._edits import within
from huabi.families._plan import FIELDS, SIDE, PlanConfig, Planner, Sentences, signs
from huabi.families.text_to_image import TextToImage, TextToImageConfig
from huabi.model import Batch, DataSpec
from huabi.nets.plannet import PlanNet, Writing
from huabi.nets.textnet import TextNet
from huabi.nets.unet import Context
from huabi.plan import Plan
from huabi.ranks import Ranks
from huabi.requests import Edit, Imagine, Vary
from huabi.rng import BatchRng
from huabi.trainer import Trainer
from huabi.truth import NAMED, THINGS, record_size, unpack

SPEC = DataSpec((16, 16), 3, captions=True, count=32, facts=FACTS)
SETTINGS = TINY["text_to_image"] | {"autoencoder": "none", "plan.width": 32, "plan.depth": 2}
WORDS = dict(FACTS)


def build(spec: DataSpec = SPEC, **settings: object) -> TextToImage:
    torch.manual_seed(0)
    return TextToImage(configure(TextToImageConfig(), SETTINGS | settings), spec)


def records(*scenes: list[tuple[int, int, tuple[int, int, int, int]]]) -> Tensor:
    """Records of scenes of things: kind, colour, and left, top, right, bottom in pixels of 16, the last included."""
    out = torch.zeros(len(scenes), record_size(FACTS, SPEC.size), dtype=torch.uint8)
    truth = unpack(out, FACTS, SPEC.size)
    for row, things in enumerate(scenes):
        truth.scene[row] = row
        for n, (kind, colour, (left, top, right, bottom)) in enumerate(things):
            truth.kind[row, n], truth.colour[row, n] = kind, colour
            truth.map[row, top : bottom + 1, left : right + 1] = n + 1
    return out


SCENES = records(
    [(3, 2, (0, 0, 7, 7)), (5, 1, (8, 8, 15, 11))],
    [(29, 11, (4, 5, 6, 7))],
    [],
    [(1, 1, (2, 2, 3, 3)), (2, 2, (0, 0, 15, 15)), (4, 4, (9, 9, 9, 9))],  # the second hides the first
)
def tied() -> Tensor:
    """The scenes, the last of which has two ties that captions may name: 2 left of 4, and 4 on 2."""
    scenes = SCENES.clone()
    ties = unpack(scenes, FACTS, SPEC.size).relation
    ties[3, 2, 1] = NAMED | 1 << 1 | 1 << 3  # above, and more than that, on
    ties[3, 1, 2] = NAMED | 1  # left of
    ties[3, 0, 1] = NAMED | 1  # what is not seen
    ties[:3, 0, 1] = 1  # what no caption names
    return scenes


def test_things_that_captions_may_tie_stand_first_one_tie_at_a_time() -> None:
    language, scenes = Sentences(FACTS, SPEC.size), tied()
    known = language.seen(scenes)
    assert known.tied.tolist() == [[False, False]] * 3 + [[True, True]]
    assert known.ties.tolist() == [[[0, 0, 0]] * 2] * 3 + [[[1, 1, 2], [4, 2, 1]]]
    for number, (relation, kinds) in enumerate(((1, [2, 4]), (4, [4, 2]))):
        sentences = language.written(known, torch.tensor([0, 0, 0, number]))
        assert (sentences[:, 6] - language.starts[6]).tolist() == [0, 0, 0, relation]
        assert language.things(sentences)[3, :, 0].tolist() == kinds
        assert torch.equal(sentences[:3], language.of_truth(SCENES)[:3])


def test_of_two_true_ties_the_one_is_learnt_that_is_said() -> None:
    torch.manual_seed(0)
    planner = Planner(FACTS, SPEC.size, PlanConfig(width=32, depth=1), 64)
    scenes = tied()[[3, 3]]
    said = Context(torch.randn(2, 1, 64), torch.ones(2, 1), torch.randn(2, 64))
    optimizer = torch.optim.Adam(planner.net.parameters(), 0.01)
    known = planner.sentences.written(planner.sentences.seen(scenes), torch.tensor([0, 1]))
    for _ in range(80):  # what each of the two says is known before
        optimizer.zero_grad()
        planner._nats(known, said).sum().backward()
        optimizer.step()
    for _ in range(60):  # then both are learnt from where nothing tells which is meant
        optimizer.zero_grad()
        planner.loss(scenes, said, torch.rand(2)).backward()
        optimizer.step()
    nats, other = (planner._nats(sentences, said)[:, 6:9].sum(1) for sentences in (known, known.flip(0)))
    assert (nats < 0.2).all()
    assert (other > 3).all()


def test_a_sentence_tells_the_scene_and_the_things_that_are_seen() -> None:
    language = Sentences(FACTS, SPEC.size)
    sentences = language.of_truth(SCENES)
    assert [(row >= 0).sum().item() for row in sentences] == [7 + n * FIELDS + 1 for n in (2, 1, 0, 2)]
    assert sentences[1, :6].tolist() == [int(start) + 1 for start in language.starts[:6]]
    things = language.things(sentences)
    assert things[0].tolist() == [[3, 1, 0, 0, 7, 7], [5, 0, 8, 8, 15, 11]]
    assert things[1].tolist() == [[29, 10, 4, 5, 6, 7], [-1] * FIELDS]
    assert things[2].tolist() == [[-1] * FIELDS] * 2
    assert things[3][:, 0].tolist() == [2, 4]
    for place in range(sentences.shape[1]):
        words = sentences[:, place][sentences[:, place] >= 0]
        assert language.allowed[place, words].all()


def test_places_name_what_stands_there_the_small_before_the_large() -> None:
    planner = Planner(FACTS, SPEC.size, PlanConfig(width=32, depth=1), 64)
    places = planner.places(planner.sentences.of_truth(SCENES))
    assert places.shape == (4, Planner.channels, SIDE, SIDE)
    kinds, colours, within_box = places.split((10, 6, 2), 1)
    assert torch.equal(kinds[0, :, 3, 3], planner.kinds[3])
    assert torch.equal(colours[0, :, 9, 9], planner.colours[0])
    assert not places[0, :, 12:].any()
    assert not places[2].any()
    assert torch.equal(kinds[3, :, 9, 9], planner.kinds[4])
    assert torch.equal(kinds[3, :, 9, 10], planner.kinds[2])
    torch.testing.assert_close(within_box[1, 0, 5:8, 5], torch.tensor([-2 / 3, 0, 2 / 3]))


def test_places_are_those_of_the_picture_without_its_padding() -> None:
    net = TextNet(4, 64, strides=4, places=1, widths=(16, 16, 16))
    seen: list[Tensor] = []
    net.enter.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    said = Context(torch.zeros(1, 1, 64), torch.ones(1, 1), torch.zeros(1, 64), torch.ones(1, 1, SIDE, SIDE))
    net(torch.randn(1, 4, 14, 18), torch.zeros(1), said, torch.zeros(1, dtype=torch.int64))
    known = seen[0][0, -1]
    assert known.shape == (16, 20)
    assert bool(known[:14, :18].all())
    assert not known[14:].any()
    assert not known[:, 18:].any()


def test_a_sentence_in_the_making_is_seen_as_a_whole_one_is() -> None:
    torch.manual_seed(0)
    net = PlanNet(20, 9, 64, width=64, depth=2)
    torch.nn.init.normal_(net.leave.weight)
    weight = torch.tensor([[1.0, 2.0, 0.0, 1.0], [1.0, 1.0, 1.0, 0.5]])
    said, sentence = Context(torch.randn(2, 4, 64), weight, torch.randn(2, 64)), torch.randint(20, (2, 8))
    writing = Writing(net, said)
    logits = [writing.next(word) for word in (None, *sentence.T)]
    torch.testing.assert_close(torch.stack(logits, 1), net(sentence, said))


def test_each_picture_counts_alike_however_long_its_plan_is() -> None:
    planner = Planner(FACTS, SPEC.size, PlanConfig(width=32, depth=1), 64)
    torch.nn.init.normal_(planner.net.leave.weight)
    said = Context(torch.randn(4, 5, 64), torch.ones(4, 5), torch.randn(4, 64))
    scenes, u = tied(), torch.rand(4)
    alone = [planner.loss(scenes[[row]], said.rows(torch.tensor([row])), u[[row]]) for row in range(4)]
    torch.testing.assert_close(planner.loss(scenes, said, u), torch.stack(alone).mean())


def test_names_differ_in_several_signs() -> None:
    for count, length in ((30, 10), (11, 6)):
        names = signs(count, length)
        apart = (names[:, None] != names[None]).sum(2) + length * torch.eye(count, dtype=torch.int64)
        assert set(names.unique().tolist()) == {-1.0, 1.0}
        assert apart.min() >= 2


def test_a_plan_is_that_of_its_seed_alone_and_among_others() -> None:
    planner = Planner(FACTS, SPEC.size, PlanConfig(width=32, depth=1), 64)
    torch.nn.init.normal_(planner.net.leave.weight)
    said = Context(torch.randn(3, 5, 64), torch.ones(3, 5), torch.randn(3, 64))
    together = planner.write(said, said, [7, 8, 9], torch.zeros(3), torch.tensor([1.0, 2.0, 3.0]))
    language = planner.sentences
    for row in range(3):
        one = said.rows(torch.tensor([row]))
        alone = planner.write(one, one, [7 + row], torch.zeros(1), torch.tensor([1.0 + row]))
        assert torch.equal(language.things(alone), language.things(together[row : row + 1, : alone.shape[1]]))
    assert not torch.equal(together[0, :6], together[1, :6]) or not torch.equal(together[0, :6], together[2, :6])


def told(rows: int) -> Iterator[Batch]:
    """Scenes of one thing, whose caption names its kind, and whether it is at the left or at the right."""
    for step in itertools.count():
        chosen = [(step * rows + row) % 4 for row in range(rows)]
        made = records(*([(1 + k // 2, 1, (8 * (k % 2), 4, 8 * (k % 2) + 7, 11))] for k in chosen))
        unpack(made, FACTS, SPEC.size).scene[:] = 0
        image = torch.full((rows, 3, 16, 16), -1.0)
        for row, k in enumerate(chosen):
            image[row, k // 2, 4:12, 8 * (k % 2) : 8 * (k % 2) + 8] = 1
        caption = tuple(f"a {'cat' if k < 2 else 'dog'} at the {'right' if k % 2 else 'left'}" for k in chosen)
        sound = torch.zeros(rows, *example(SPEC, 1).sound.shape[1:])  # type: ignore[union-attr]
        rng = BatchRng(0, step, rows)
        yield Batch(image, rng, torch.arange(rows), caption=caption, truth=made, sound=sound)


@pytest.fixture(scope="module")
def drawer() -> TextToImage:
    family = build(**{"net.width": 32, "shortcut.share": 0, "plan.share": 0.4})
    trainer = Trainer(family, Plan.of_steps(240), ranks=Ranks.alone())
    reports = list(trainer.run(told(8)))
    assert [set(report.losses) for report in reports[94:98]] == [{"plan"}] * 2 + [{"net"}] * 2
    assert reports[95].losses["plan"] < 0.2
    return cast(TextToImage, at_mean(trainer))


@pytest.mark.parametrize("kind", ["cat", "dog"])
@pytest.mark.parametrize("side", ["left", "right"])
def test_what_is_said_is_planned_and_what_is_planned_is_drawn(drawer: TextToImage, kind: str, side: str) -> None:
    requests = [Imagine(prompt=f"a {kind} at the {side}", seed=seed) for seed in range(4)]
    for plan in drawer.plans(requests):
        assert [thing.kind for thing in plan.things] == [WORDS["kind"][int(kind == "dog")]]
        assert (plan.things[0].box[0] >= 0.5) == (side == "right")
        assert set(plan.scene) == {name for name, _ in FACTS} - set(THINGS)
    *_, last = drawer.sample(requests)
    halves = drawer.decode(last)[:, :, 4:12].unflatten(3, (2, 8)).mean((2, 4))  # (4, 3, 2)
    here, there = (halves[:, int(kind == "dog"), k] for k in ((0, 1) if side == "left" else (1, 0)))
    assert (here > there + 0.5).all()


def test_a_walk_fades_from_one_plan_into_the_other(drawer: TextToImage) -> None:
    ends = ("a cat at the left", "a dog at the right")
    frames = [Imagine(between=ends, fraction=place / 8, seed=1) for place in range(9)]
    *_, last = drawer.sample(frames)
    pictures = drawer.decode(last)
    for place, prompt in ((0, ends[0]), (8, ends[1])):
        *_, alone = drawer.sample([Imagine(prompt=prompt, seed=1)])
        torch.testing.assert_close(drawer.decode(alone)[0], pictures[place], atol=2e-3, rtol=0)
    steps = (pictures[1:] - pictures[:-1]).square().mean((1, 2, 3)).sqrt()
    whole = (pictures[8] - pictures[0]).square().mean().sqrt()
    assert whole > 0.3
    assert steps.max() < 0.75 * whole  # a plan that is written anew at each place jumps once by nearly all of it


def test_what_is_kept_out_is_not_planned(drawer: TextToImage) -> None:
    kinds = {
        negative: {
            thing.kind
            for plan in drawer.plans([Imagine(negative=negative, seed=seed) for seed in range(64)])
            for thing in plan.things
        }
        for negative in ("", "a cat at the left, a cat at the right", "a dog at the left, a dog at the right")
    }
    either = set(WORDS["kind"][:2])
    assert [either - found for found in kinds.values()] == [set(), {WORDS["kind"][0]}, {WORDS["kind"][1]}]


def test_pictures_that_are_given_need_no_plan(drawer: TextToImage) -> None:
    blank = torch.zeros(16, 16, 3, dtype=torch.uint8).numpy()
    mask = blank[..., 0].copy()
    mask[:, :8] = 255
    for request in (Vary(image=blank, strength=0.5), Edit(image=blank, mask=mask, prompt="a cat at the left")):
        *_, last = drawer.sample([request])
        assert last.shape[0] == 1
        assert bool(last.isfinite().all())


def test_what_is_planned_for_a_hole_stands_within_it() -> None:
    places = torch.ones(1, 2, SIDE, SIDE)
    hole = torch.zeros(1, 12, 10, dtype=torch.bool)
    hole[:, 2:6, 3:9] = True
    placed = within(places, hole)
    assert torch.equal(placed[0, 0] > 0, hole[0])
    assert not within(places, torch.zeros_like(hole)).any()


def test_what_knows_no_truth_plans_nothing() -> None:
    assert build(replace(SPEC, facts=())).planner is None
    assert build(**{"plan.depth": 0}).planner is None
