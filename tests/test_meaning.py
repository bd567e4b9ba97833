"""Drawing by way of meaning: what is said becomes what a picture means, and that becomes a picture."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from conftest import TINY, contrast_run, write_pictures
from huabi import api, drawing
from huabi.checkpoint import Checkpoint
from huabi.config import configure, leaves
from huabi.errors import DataError, HuabiError, RequestError, RunError
from huabi.families._meaning import TURN, Walk
from huabi.families._reading import unit
from huabi.families._rows import slerp
from huabi.families.contrast import Contrast, ContrastConfig
from huabi.families.text_to_image import TextToImage, TextToImageConfig
from huabi.model import DataSpec, Identity
from huabi.nets.prior import PriorNet
from huabi.nets.unet import Context
from huabi.plan import Plan
from huabi.ranks import Ranks
from huabi.requests import Generate, Imagine, Vary
from huabi.trainer import Trainer
from test_text_to_image import COLOURS, PIXELS, PLAIN, coloured, drawn, picture

SPEC = DataSpec((8, 8), 3, ("cat", "dog"), captions=True, count=32, weights=(0.5, 0.5))
PRIOR = {"condition": "embedding", "condition.width": 32, "condition.depth": 1, "condition.steps": 4}


def build(spec: DataSpec = SPEC, run: str = "", **settings: Any) -> TextToImage:
    torch.manual_seed(0)
    given = PIXELS | PRIOR | {"contrast": run or contrast_run(spec.channels)} | settings
    return TextToImage(TextToImage.fit(configure(TextToImageConfig(), given)), spec)


@pytest.fixture(scope="module")
def rough() -> TextToImage:
    """A model in which what starts as zero is not, so that all that is said matters."""
    family = build().eval()
    assert family.meaning is not None
    family.meaning.adopt(contrast_run())
    rng = torch.Generator().manual_seed(0)
    for parameter in family.parameters():
        parameter.data.add_(torch.randn(parameter.shape, generator=rng), alpha=0.2)
    return family


def meant(family: TextToImage, *requests: Imagine) -> Tensor:
    """The features (B, D) of what is asked, each of which counts in full."""
    assert family.meaning is not None
    shown = family.meaning.of_requests(requests)
    assert shown.amount.tolist() == [1.0] * len(requests)
    return shown.x0


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"prompt": "a cat", "text_weight": 0.0}, {}),
        ({"prompt": "a cat::3"}, {"prompt": "a cat"}),
        ({"prompt": "a cat::1 dog::-2"}, {"prompt": "a cat", "negative": "dog"}),
        ({"between": ("a cat", "一只狗"), "fraction": 0.0}, {"prompt": "a cat"}),
        ({"between": ("a cat", "一只狗"), "fraction": 1.0}, {"prompt": "一只狗"}),
        ({"between": ("a cat", ""), "fraction": 0.25}, {"prompt": "a cat", "text_weight": 0.75}),
        ({"prompt": "a cat", "reference": picture(), "text_weight": 0.0}, {"reference": picture()}),
    ],
)
def test_two_ways_to_say_the_same(rough: TextToImage, one: dict[str, Any], other: dict[str, Any]) -> None:
    a, b = drawn(rough, Imagine(**PLAIN | one)), drawn(rough, Imagine(**PLAIN | other))
    torch.testing.assert_close(a, b, atol=2e-3, rtol=1e-3)


SAYINGS: list[dict[str, Any]] = [
    {"prompt": "a cat"},
    {"prompt": "一只狗"},
    {"prompt": "a cat::2 dog"},
    {"prompt": "a cat", "negative": "dog"},
    {"prompt": "a cat", "text_weight": 0.5},
    {"negative": "dog"},
    {"label": "dog"},
    {"reference": picture()},
    {"reference": picture(seed=1)},
    {"reference": picture(), "prompt": "a cat"},
    {"reference": picture(), "prompt": "a cat", "negative": "dog"},
    {"between": ("a cat", "一只狗"), "fraction": 0.5},
]


def test_whatever_is_said_makes_a_difference_alone_and_among_others(rough: TextToImage) -> None:
    rough.identity = Identity(rows=4)
    requests = [Imagine(**PLAIN | said) for said in [{}, *SAYINGS]]
    together = {place: made.tobytes() for place, made, _ in drawing.draw(rough, requests)}
    assert len(set(together.values())) == len(requests)
    for place in (0, 2, 4, 8, 10, 12):
        [(_, alone, _)] = drawing.draw(rough, [requests[place]])
        assert alone.tobytes() == together[place]


def test_a_walk_between_pictures_leads_from_what_one_means_to_what_the_other_does(rough: TextToImage) -> None:
    ends = picture(), picture(seed=1)
    walk = [Generate(seed=3, between=ends, fraction=f, steps=3, guidance=2.0) for f in (0.0, 0.5, 1.0)]
    first, middle, last = (drawn(rough, request) for request in walk)
    alone = [drawn(rough, Imagine(reference=end, seed=3, **PLAIN)) for end in ends]
    torch.testing.assert_close(first, alone[0], atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(last, alone[1], atol=1e-4, rtol=1e-3)
    assert not torch.allclose(middle, first, atol=1e-3)
    with pytest.raises(RequestError, match="cannot find the latent of a picture"):
        drawn(rough, Generate(between=(3, picture())))


def test_a_text_difference_turns_a_reference_by_its_weight(rough: TextToImage) -> None:
    sight = rough.meaning.sight  # type: ignore[union-attr]
    texts = sight.embed_text(["snow", "summer"])
    seen = meant(rough, Imagine(reference=picture()))[0]
    for weight in (0.5, 1.0, 2.0):
        asked = Imagine(reference=picture(), prompt="snow", negative="summer", text_weight=weight)
        expected = slerp(seen, unit(texts[0] - texts[1]), TURN * weight)
        torch.testing.assert_close(meant(rough, asked)[0], expected)


def test_features_have_a_mean_square_of_one_wherever_they_come_from(rough: TextToImage) -> None:
    asked = [Imagine(reference=picture()), Imagine(prompt="a cat"), Imagine(prompt="a cat", reference=picture())]
    asked += [Imagine(between=("a cat", "dog"), fraction=0.4), Walk(ends=(picture(), picture(seed=1)), fraction=0.3)]
    torch.testing.assert_close(meant(rough, *asked).square().mean(1), torch.ones(len(asked)), atol=1e-3, rtol=1e-3)


def test_the_prior_hears_how_much_a_vector_counts() -> None:
    torch.manual_seed(0)
    net = PriorNet(8, 16, width=32, depth=1)
    for layer in (net.leave, net.blocks[0].modulate, net.blocks[0].mlp[2]):
        torch.nn.init.normal_(layer.weight)
    vector = torch.randn(1, 16)
    made = [
        net(torch.ones(1, 8), torch.ones(1), Context(torch.zeros(1, 1, 16), torch.ones(1, 1), amount * vector))
        for amount in (0.5, 1.0)
    ]
    assert (made[0] - made[1]).abs().max() > 1e-2


def test_the_prior_attends_to_tokens_by_their_weight() -> None:
    torch.manual_seed(0)
    net = PriorNet(8, 16, width=32, depth=1)
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    x, t, states, vector = torch.randn(2, 8), torch.rand(2), torch.randn(2, 3, 16), torch.randn(2, 16)
    weighed = Context(states, torch.tensor([[1.0, 2.0, 0.0]] * 2), vector)
    said = Context(states[:, [0, 1, 1]], torch.ones(2, 3), vector)
    torch.testing.assert_close(net(x, t, weighed), net(x, t, said))
    assert not torch.allclose(net(x, t, weighed), net(x, t, weighed._replace(weight=torch.ones(2, 3))))


SQUARES = DataSpec((4, 4), 3, captions=True, count=16)


@pytest.fixture(scope="module")
def painter(tmp_path_factory: pytest.TempPathFactory) -> TextToImage:
    """A model that has learnt which colours words mean, and how to draw colours."""
    torch.manual_seed(0)
    sight = Contrast(configure(ContrastConfig(), TINY["contrast"]), SQUARES)
    trainer = Trainer(sight, Plan.of_steps(30), ranks=Ranks.alone())
    for _ in trainer.run(coloured(8)):
        pass
    run = tmp_path_factory.mktemp("sight") / "run"
    header = {"family": "contrast", "config": leaves(sight.config), "spec": SQUARES.to_json()}
    Checkpoint.create(run, header).save(trainer)
    settings = {"net.width": 32, "condition.depth": 2, "shortcut.share": 0.25, "shortcut.start": 0.4, "batch": 8}
    trainer = Trainer(build(SQUARES, str(run), **settings), Plan.of_steps(90), ranks=Ranks.alone())
    for _ in trainer.run(coloured(8)):
        pass
    with trainer.averaged() as family:
        state = {name: value.clone() for name, value in family.state_dict().items()}
    painter = build(SQUARES, str(run), **settings).eval()
    painter.load_state_dict(state)
    return painter


def square(name: str) -> np.ndarray:
    colour = (np.array(COLOURS[name]) + 1) * 127
    return np.broadcast_to(colour.astype(np.uint8), (4, 4, 3)).copy()


@pytest.mark.parametrize(("by", "steps"), [("prompt", 4), ("prompt", 12), ("reference", 4)])
def test_words_and_pictures_are_drawn_as_they_are_meant(painter: TextToImage, by: str, steps: int) -> None:
    said = [{"prompt": name} if by == "prompt" else {"reference": square(name)} for name in COLOURS]
    requests = [Imagine(**one, seed=seed, steps=steps) for one in said for seed in range(4)]
    colours = torch.cat([drawn(painter, *requests[k : k + 4]) for k in range(0, 16, 4)]).mean((2, 3))
    wanted = torch.tensor(list(COLOURS.values())).float().repeat_interleave(4, 0)
    right, wrong = ((colours - side).square().mean(1) for side in (wanted, wanted.flip(1)))  # the other one's colour
    assert (right < wrong).float().mean() > 0.9


def test_a_variation_keeps_what_its_picture_means(painter: TextToImage) -> None:
    reds, blues = (
        drawn(painter, *(Vary(image=square(name), strength=1.0, seed=seed) for seed in range(4))).mean((2, 3))
        for name in ("红", "蓝")
    )
    assert (reds[:, 0] - reds[:, 2]).min() > (blues[:, 0] - blues[:, 2]).max()


def test_a_contrast_run_is_copied_into_the_run_that_draws_by_it(tmp_path: Path) -> None:
    photos, sight = write_pictures(tmp_path / "photos"), tmp_path / "sight"
    shutil.copytree(contrast_run(), sight)
    same: dict[str, Any] = {"size": 8, "steps": 2, "threads": 1}
    settings = PIXELS | PRIOR | {"contrast": str(sight)}
    api.train("text_to_image", photos, tmp_path / "run", **same, settings=settings)
    given = Checkpoint.load(sight)
    shutil.rmtree(sight)
    loaded = api.load(tmp_path / "run", "cpu")
    assert isinstance(loaded, TextToImage)
    assert loaded.meaning is not None
    assert given.identity is not None
    assert Checkpoint.open(tmp_path / "run").header["config"]["condition.sha256"] == given.identity.hash
    x = torch.rand(2, 3, 8, 8) * 2 - 1
    torch.testing.assert_close(loaded.meaning.see(x), unit(given.embed(x)))
    assert {"prior", "net"} == set(loaded.optimizers())


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"condition": "embedding"}, "go together"),
        ({"contrast": "world-listener"}, "go together"),
        ({"condition": "embedding", "contrast": "world-listener"}, "is a run of listener; give one of contrast"),
        ({"condition": "embedding", "contrast": "GREY"}, "sees pictures of other channels"),
    ],
)
def test_what_is_no_sight_is_refused(settings: dict[str, Any], says: str, tmp_path: Path) -> None:
    photos = write_pictures(tmp_path / "photos", 8)
    given = PIXELS | {key: contrast_run(1) if value == "GREY" else value for key, value in settings.items()}
    with pytest.raises(HuabiError, match=says):
        api.train("text_to_image", photos, tmp_path / "run", size=8, steps=1, threads=1, settings=given)


def test_a_sight_that_learnt_more_is_refused() -> None:
    family = build()
    assert family.meaning is not None
    object.__setattr__(family.meaning.config, "sha256", "0" * 64)
    with pytest.raises(RunError, match="was trained on since this run began"):
        family.meaning.adopt(contrast_run())
    with pytest.raises(DataError, match="needs captions or labels"):
        build(DataSpec((8, 8), 3, count=8))
