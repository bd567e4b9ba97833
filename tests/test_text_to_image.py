"""Text to image: what is said counts as it says, edits keep the rest, and a run has its two parts."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from conftest import TINY, at_mean, stream, write_pictures
from huabi import api, drawing
from huabi.checkpoint import Checkpoint
from huabi.config import configure
from huabi.cost import example
from huabi.data.world.truth import FACTS
from huabi.diffusion import Flow, denoise
from huabi.errors import RequestError, RunError
from huabi.families._codec import Codec, Standard
from huabi.families._conditions import stirred
from huabi.families._edits import canvas_of, working_size
from huabi.families._shortcut import FEW, STRIDES, consistent, length_of, stride_between, stride_times
from huabi.families._texts import unsaid
from huabi.families.text_to_image import TextToImage, TextToImageConfig
from huabi.families.vae import Autoencoder
from huabi.hearing import cut
from huabi.model import Batch, DataSpec, Identity
from huabi.nets.unet import Attention, Context
from huabi.pictures import save_picture, to_tensor
from huabi.plan import Plan
from huabi.prompt import read
from huabi.ranks import Ranks
from huabi.requests import Edit, Imagine, Vary
from huabi.rng import BatchRng
from huabi.trainer import Trainer

SPEC = DataSpec((8, 8), 3, ("cat", "dog"), captions=True, count=32, weights=(0.5, 0.5), facts=FACTS)
PIXELS = TINY["text_to_image"] | {"autoencoder": "none"}


def build(spec: DataSpec = SPEC, **settings: Any) -> TextToImage:
    torch.manual_seed(0)
    return TextToImage(configure(TextToImageConfig(), TINY["text_to_image"] | settings), spec)


def rough(spec: DataSpec = SPEC, **settings: Any) -> TextToImage:
    """A model in which what starts as zero is not, so that all that is said matters."""
    family = build(spec, **({"autoencoder": "none"} | settings)).eval()
    rng = torch.Generator().manual_seed(0)
    for parameter in family.parameters():
        parameter.data.add_(torch.randn(parameter.shape, generator=rng), alpha=0.2)
    return family


def drawn(family: TextToImage, *requests: Any) -> Tensor:
    *_, last = family.sample(requests)
    return family.decode(last)


def picture(size: tuple[int, int] = (8, 8), seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)


def trainer_of(family: TextToImage, steps: int) -> Trainer:
    return Trainer(family, Plan.of_steps(steps), ranks=Ranks.alone())


def test_a_token_of_weight_two_is_the_token_said_twice() -> None:
    torch.manual_seed(0)
    attention = Attention(32, 16, context=8)
    torch.nn.init.normal_(attention.out.weight)
    x, states = torch.randn(2, 32, 3, 3), torch.randn(2, 4, 8)
    vector = torch.zeros(2, 8)
    weighed = Context(states, torch.tensor([[1.0, 2.0, 0.0, 1.0]] * 2), vector)
    said = Context(states[:, [0, 1, 1, 3]], torch.ones(2, 4), vector)
    torch.testing.assert_close(attention(x, weighed), attention(x, said))
    assert not torch.allclose(attention(x, weighed), attention(x, weighed._replace(weight=torch.ones(2, 4))))


PLAIN = {"steps": 3, "guidance": 2.0}


def tone(pitch: float) -> np.ndarray:
    """A second of a note at 16 kHz."""
    return np.sin(2 * np.pi * pitch * np.arange(16_000) / 16_000).astype(np.float32)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"prompt": "a cat", "text_weight": 0.0}, {}),
        ({"mood": "calm", "mood_weight": 0.0}, {}),
        ({"sound": tone(440), "sound_weight": 0.0}, {}),
        ({"prompt": "a cat::3"}, {"prompt": "a cat"}),
        ({"prompt": "a (black:1) cat"}, {"prompt": "a black cat"}),
        ({"prompt": "a cat::1 dog::-2"}, {"prompt": "a cat", "negative": "dog"}),
        ({"between": ("a cat", "一只狗"), "fraction": 0.0}, {"prompt": "a cat"}),
        ({"between": ("a cat", "一只狗"), "fraction": 1.0}, {"prompt": "一只狗"}),
        ({"prompt": "a cat", "guidance": 5.0, "stylize": 0.0}, {"prompt": "a cat", "guidance": 1.0}),
        ({"prompt": "a cat", "guidance": 2.0, "stylize": 1000.0}, {"prompt": "a cat", "guidance": 1 + 10**0.25}),
    ],
)
def test_two_ways_to_say_the_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    family = rough()
    a, b = drawn(family, Imagine(**PLAIN | one)), drawn(family, Imagine(**PLAIN | other))
    torch.testing.assert_close(a, b, atol=2e-3, rtol=1e-3)


def test_a_walk_to_nothing_weakens_what_is_said() -> None:
    family = rough(**{"plan.depth": 0})
    walk, weak = {"between": ("a cat", ""), "fraction": 0.25}, {"prompt": "a cat", "text_weight": 0.75}
    a, b = drawn(family, Imagine(**PLAIN | walk)), drawn(family, Imagine(**PLAIN | weak))
    torch.testing.assert_close(a, b, atol=2e-3, rtol=1e-3)


def test_a_bracket_weighs_its_words_and_leaves_the_sentence_whole() -> None:
    text = rough().conditions.each["text"]
    plain, weighed = (
        text.of_requests([Imagine(prompt=prompt)], lambda _: None)[0]  # type: ignore[operator]
        for prompt in ("a red house and a blue car", "a (red:1.4) house and [a blue] car")
    )
    assert torch.equal(plain.states, weighed.states)
    assert plain.weight[0, :7].tolist() == [1.0] * 7
    expected = [1, 1.4, 1, 1, 1 / 1.1, 1 / 1.1, 1]
    assert weighed.weight[0, :7].tolist() == pytest.approx(expected)


def test_where_the_reading_of_a_long_prompt_ends_is_told() -> None:
    family = rough()
    long = " ".join(f"word{n}" for n in range(50))
    [note] = cut(Imagine(prompt=long), family)
    assert note.endswith("'word48 word49'")
    assert len(cut(Imagine(prompt=f"{long}::2 {long}"), family)) == 2
    assert cut(Imagine(prompt=f"{long[:200]}::2 {long[:200]}"), family) == []


SAYINGS: list[dict[str, Any]] = [
    {"prompt": "a cat"},
    {"prompt": "一只狗"},
    {"prompt": "a cat::2 dog"},
    {"prompt": "a cat", "negative": "dog"},
    {"prompt": "a cat", "text_weight": 0.5},
    {"prompt": "a cat", "chaos": 50.0},
    {"label": "dog"},
    {"style": "ink"},
    {"mood": "calm"},
    {"sound": tone(440)},
    {"sound": tone(1760)},
    {"reference": picture()},
    {"reference": picture(seed=1)},
    {"between": ("a cat", "一只狗"), "fraction": 0.5},
]


def test_whatever_is_said_makes_a_difference_alone_and_among_others() -> None:
    family = rough()
    family.identity = Identity(rows=4)
    requests = [Imagine(**PLAIN | said) for said in [{}, *SAYINGS]]
    together = {place: made.tobytes() for place, made, _ in drawing.draw(family, requests)}
    assert len(set(together.values())) == len(requests)
    for place in (2, 3, 10, 12):
        [(_, alone, _)] = drawing.draw(family, [requests[place]])
        assert alone.tobytes() == together[place]


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"style": "inc"}, "no style 'inc'; did you mean 'ink'"),
        ({"mood": "clam"}, "no mood 'clam'; did you mean 'calm'"),
        ({"label": "cats"}, "no label 'cats'; did you mean 'cat'"),
        ({"prompt": "a cat::1 " * 40}, "40 weighted parts; say it in at most 32"),
        ({"size": (24, 16)}, "size 16x24 is more than this model draws: 16x16 pixels"),
    ],
)
def test_what_is_unknown_is_refused(asked: dict[str, Any], says: str) -> None:
    with pytest.raises(RequestError, match=says):
        drawn(build(autoencoder="none"), Imagine(**asked))


@pytest.mark.parametrize("asked", [{"prompt": "a cat"}, {"negative": "fog"}, {"style": "ink"}, {"label": "cat"}])
def test_a_model_without_words_says_so(asked: dict[str, Any]) -> None:
    family = build(DataSpec((8, 8), 3, count=8), autoencoder="none")
    with pytest.raises(RequestError, match=f"leave '{next(iter(asked))}' out"):
        drawn(family, Imagine(**asked))
    assert drawn(family, Imagine(reference=picture())).shape == (1, 3, 8, 8)


def test_sizes_that_codes_do_not_fill_are_refused_and_others_drawn() -> None:
    family = build()
    with pytest.raises(RequestError, match="multiples of 4"):
        drawn(family, Imagine(size=(10, 8)))
    assert drawn(family, Imagine(size=(16, 12))).shape == (1, 3, 16, 12)


def grown(family: TextToImage, batches: Iterator[Batch], steps: int) -> TextToImage:
    """The family after that many steps, at the mean of its weights."""
    trainer = trainer_of(family, steps)
    for _ in trainer.run(batches):
        pass
    return cast(TextToImage, at_mean(trainer))


def test_pictures_that_were_small_do_not_make_all_look_small() -> None:
    """What small pictures look like is learnt apart: here, those of a quarter of the side are dark, others light."""

    def pictures(rows: int) -> Iterator[Batch]:
        for step in itertools.count():
            small = torch.arange(rows) % 4 > 0
            tone = torch.where(small, -1.0, 1.0)[:, None, None, None].expand(-1, 3, 4, 4).contiguous()
            sides = torch.where(small, 1, 16)[:, None].expand(-1, 2)
            yield Batch(tone, BatchRng(0, step, rows), torch.arange(rows), caption=("it",) * rows, sides=sides)

    spec = DataSpec((4, 4), 3, captions=True, count=16, sized=True)
    settings = {"autoencoder": "none", "net.width": 32, "shortcut.share": 0, "context.drop_text": 0.0}
    family = grown(build(spec, **settings), pictures(8), 120)
    assert drawn(family, *(Imagine(seed=seed) for seed in range(8))).mean() > 0.5
    assert drawn(family, *(Imagine(seed=seed, size=(8, 8)) for seed in range(8))).mean() > 0.5
    assert "size" not in build(SPEC).conditions.each


def test_guidance_of_few_steps_leads_to_what_is_said_and_not_to_the_size() -> None:
    spec = DataSpec((4, 4), 3, captions=True, count=16, sized=True)
    family = build(spec, **{"autoencoder": "none", "context.drop_text": 0.0, "context.drop": 0.0})

    def rest(caption: str, side: int) -> Tensor:
        sides = torch.full((2, 2), side)
        batch = Batch(torch.zeros(2, 3, 4, 4), BatchRng(0, 0, 2), torch.arange(2), caption=(caption,) * 2, sides=sides)
        return family.conditions.of_batch(batch, batch.image)[1].pooled

    assert torch.equal(rest("a cat", 2), rest("a dog", 2))
    assert not torch.equal(rest("a cat", 2), rest("a cat", 1))


@pytest.mark.parametrize("ratio", ["3:2", "2:3", "16:9", "4:3", "1:2", "21:9", "1:1"])
def test_any_ratio_is_drawn_by_codes_coarse_runs_and_enlarged(ratio: str) -> None:
    spec = DataSpec((64, 64), 3, captions=True, count=16)
    for settings in ({}, {"autoencoder": "none", "coarse": 2}, {"codec.factor": 16}):
        family = build(spec, **settings)
        for scale in (1, 3, 4):
            rows, columns = read(f"a cat --ar {ratio}").requests(family.paper.enlarged(scale))[0].size or (0, 0)
            assert (rows % scale, columns % scale) == (0, 0)
            family._size(Imagine(size=(rows // scale, columns // scale)))


def test_a_run_goes_on_in_the_codes_that_it_began_in(tmp_path: Path) -> None:
    source = write_pictures(tmp_path / "pictures", 12, size=16)
    common: dict[str, Any] = {"size": 16, "batch": 4, "steps": 2, "threads": 1}
    for seed, name in enumerate(("one", "two")):
        api.train("autoencoder", source, tmp_path / name, settings=TINY["autoencoder"], seed=seed, **common)
    tiny = TINY["text_to_image"]
    for name in ("one", "two"):
        settings = tiny | {"autoencoder": str(tmp_path / name)}
        words = {"settings": settings, **common}
        if name == "one":
            api.train("text_to_image", source, tmp_path / "first", **words)
            api.train("text_to_image", source, tmp_path / "next", init=tmp_path / "first", **words)
        else:
            with pytest.raises(RunError, match="other codes"):
                api.train("text_to_image", source, tmp_path / "other", init=tmp_path / "first", **words)


def test_an_edit_of_no_strength_is_the_picture() -> None:
    family = build(**{"autoencoder": "none"}).eval()
    given = picture((20, 30))
    mask = np.full((20, 30), 255, np.uint8)
    made = drawn(family, Edit(image=given, mask=mask, strength=0))
    assert torch.equal(made[0], to_tensor(Image.fromarray(given)))


def test_a_walk_keeps_out_what_its_ends_keep_out() -> None:
    walk = Imagine(between=("a house:: fog::-1", "a cat"), fraction=0.25)
    assert [part.text for part in unsaid(walk)] == ["fog"]
    assert unsaid(walk.model_copy(update={"fraction": 1.0})) == []
    both = unsaid(walk.model_copy(update={"negative": "rain"}))
    assert [(part.text, round(part.share, 3)) for part in both] == [("rain", 0.571), ("fog", 0.429)]


def test_a_coarse_run_draws_at_its_part_of_the_size_and_another_goes_on_from_it(tmp_path: Path) -> None:
    source = write_pictures(tmp_path / "pictures", 12, size=16)
    common: dict[str, Any] = {"size": 16, "steps": 2, "batch": 4, "threads": 1}
    api.train("text_to_image", source, tmp_path / "coarse", settings=PIXELS | {"coarse": 2}, **common)
    coarse = api.load(tmp_path / "coarse")
    assert [made.size for made in api.draw(coarse, [Imagine(), Imagine(size=(16, 8))])] == [(8, 8), (8, 16)]
    onward = {"coarse": 1, "lr": 1e-9}
    whole = api.train(
        "text_to_image", source, tmp_path / "whole", settings=onward, init=tmp_path / "coarse", **common
    )
    assert [made.size for made in api.draw(whole, [Imagine()])] == [(16, 16)]
    weights = [family.net.state_dict() for family in (coarse, whole)]
    assert all(torch.allclose(weights[0][name], weights[1][name], atol=1e-4) for name in weights[0])
    with pytest.raises(RequestError, match="choose a smaller one"):
        build(coarse=4)


def test_chaos_is_loud_early_and_silent_late() -> None:
    rng = torch.Generator().manual_seed(0)
    said = Context(torch.randn(2, 5, 512, generator=rng), torch.ones(2, 5), torch.randn(2, 512, generator=rng))
    noise, chaos = torch.randn(2, 6, 512, generator=rng), torch.tensor([0.0, 1.0])
    late, early = (stirred(said, noise, chaos, t) for t in (0.6, 0.95))
    assert torch.equal(late.states, said.states)
    assert torch.equal(early.states[0], said.states[0])
    assert torch.cosine_similarity(early.states[1], said.states[1]).abs().max() < 0.2
    torch.testing.assert_close(early.states[1].square().mean(), said.states[1].square().mean(), atol=0.1, rtol=0.1)


@pytest.mark.parametrize("steps", range(1, FEW + 1))
def test_few_steps_are_whole_strides(steps: int) -> None:
    times = stride_times(steps).tolist()
    assert len(times) == steps + 1
    assert (times[0], times[-1]) == (1, 0)
    for t, t_next in itertools.pairwise(times):
        stride = stride_between(t, t_next)
        assert 1 <= stride <= STRIDES
        assert length_of(torch.tensor(stride)) == t - t_next
        assert t % (t - t_next) == 0  # where such strides were trained


@pytest.mark.parametrize("path", [Flow(), Flow(sigma_data=0.5)], ids=["plain", "scaled"])
def test_a_stride_leads_where_two_of_half_its_length_do(path: Flow) -> None:
    def net(x: Tensor, t: Tensor, context: Context, stride: Tensor) -> Tensor:
        return x * (1 + t + 0.1 * stride).view(-1, 1, 1, 1) + context.pooled.view(-1, 1, 1, 1)

    rng = torch.Generator().manual_seed(0)
    x0, eps = torch.randn(STRIDES, 3, 2, 2, generator=rng), torch.randn(STRIDES, 3, 2, 2, generator=rng)
    stride, u = torch.arange(1, STRIDES + 1), torch.rand(STRIDES, generator=rng)
    silent = torch.zeros(STRIDES, 0)
    told, nothing = (Context(silent, silent, torch.full((STRIDES, 1), v)) for v in (1.0, 0.0))

    def velocity(x: Tensor, t: Tensor, context: Context, stride: Tensor) -> Tensor:
        estimate = denoise(net, path, x, t, context=context, stride=stride)
        return (x - estimate) / t.view(-1, 1, 1, 1)

    start, noise, t = consistent(net, path, x0, eps, stride, u, told, nothing, guidance=3.0)
    length, said = length_of(stride).view(-1, 1, 1, 1), torch.ones(STRIDES, 1)
    said[0] = 3.0  # guided: 0 + 3 (1 - 0), in the shortest alone
    context = told._replace(pooled=said)
    x = Flow().mix(x0, eps, t)
    half = x - length / 2 * velocity(x, t, context, stride - 1)
    end = half - length / 2 * velocity(half, t - length.flatten() / 2, context, stride - 1)
    torch.testing.assert_close(Flow().mix(start, noise, t), x)
    torch.testing.assert_close(x - length * (noise - start), end)


def evaluations(family: TextToImage, request: Any) -> int:
    count = 0

    def counted(*_: Any) -> None:
        nonlocal count
        count += 1

    hook = family.net.register_forward_hook(counted)
    drawn(family, request)
    hook.remove()
    return count


def test_few_steps_take_one_evaluation_each_and_guidance_two() -> None:
    family = build(autoencoder="none")
    assert evaluations(family, Imagine(prompt="a cat", steps=4)) == 4
    assert evaluations(family, Imagine(prompt="a cat", steps=4, guidance=2)) == 8
    assert evaluations(family, Imagine(prompt="a cat", steps=4, negative="dog")) == 8
    assert evaluations(family, Imagine(prompt="a cat")) == 2 * family.config.steps
    assert evaluations(family, Imagine()) == 2 * family.config.steps  # to what is planned, where nothing is said
    plain = build(autoencoder="none", **{"plan.depth": 0})
    assert evaluations(plain, Imagine()) == plain.config.steps


def test_a_picture_goes_on_at_the_sides_that_are_asked_for() -> None:
    given = picture((8, 8))
    edit = Edit(image=given, expand=(3, 0, 0, 5), steps=2)
    whole = to_tensor(Image.fromarray(given))
    canvas = canvas_of(edit, SPEC, torch.device("cpu"))
    assert canvas.whole.shape == (3, 13, 11)
    assert torch.equal(canvas.whole[:, :8, 3:], whole)
    assert Edit(image=given, expand=3) == Edit(image=given, expand=(3, 3, 3, 3))


@pytest.mark.parametrize("autoencoder", ["none", "train"])
@pytest.mark.parametrize(("size", "expand"), [((8, 8), 0), ((13, 30), 0), ((5, 9), 7)])
def test_an_edit_keeps_what_is_not_masked_to_the_bit(autoencoder: str, size: tuple[int, int], expand: int) -> None:
    family = rough(autoencoder=autoencoder)
    given, mask = picture(size), np.zeros(size, np.uint8)
    mask[:3, 2:] = 255
    requests = [Edit(image=given, mask=mask, prompt="a cat", expand=expand, seed=seed, steps=3) for seed in range(2)]
    made = [np.asarray(image) for _, image, _ in drawing.draw(family, requests)]
    whole = (size[0] + 2 * expand, size[1] + 2 * expand)
    assert made[0].shape == (*whole, 3)
    inside = made[0][expand : whole[0] - expand, expand : whole[1] - expand]
    assert np.array_equal(inside[mask == 0], given[mask == 0])
    assert (inside[mask > 0] != given[mask > 0]).mean() > 0.5
    assert not np.array_equal(made[0], made[1])


def test_an_edit_draws_in_the_light_of_what_is_kept() -> None:
    family = rough(**{"net.depth": 2})
    mask = np.zeros((8, 8), np.uint8)
    mask[:, 4:] = 255
    one, other = (picture(seed=seed) for seed in (1, 2))
    other[:, 4:] = one[:, 4:]  # differ in what is kept alone
    right = [drawn(family, Edit(image=image, mask=mask, steps=4, guidance=1.0))[..., 4:] for image in (one, other)]
    assert not torch.allclose(right[0], right[1], atol=1e-3)


def test_pictures_are_worked_on_at_about_the_trained_area() -> None:
    assert working_size((64, 64), (64, 64), 4) == (64, 64)
    assert working_size((480, 640), (64, 64), 4) == (56, 72)
    assert working_size((2, 4000), (64, 64), 4) == (4, 256)


@pytest.mark.parametrize("autoencoder", ["none", "train"])
def test_a_variation_leaves_its_picture_with_its_strength(autoencoder: str) -> None:
    family = build(autoencoder=autoencoder).eval()
    image = picture()
    known = family.decode(family.codec.encode(to_tensor(Image.fromarray(image))[None]))
    far = [
        (drawn(family, Vary(image=image, strength=strength)) - known).square().mean().item()
        for strength in (0, 0.3, 0.9)
    ]
    assert far[0] < 1e-10
    assert 0 < far[1] < far[2]


def test_codes_are_standardised_and_frozen() -> None:
    family = build()
    codec, standard, optimizer = family.codec, family.standard, family.optimizers()["standard"]
    assert isinstance(codec, Codec)
    assert standard is not None
    image = example(SPEC, 16).image * 0.2 + 0.5
    codes = codec.codes(image).detach() * 3 + 1
    for step in range(150):
        optimizer.zero_grad()
        standard.nll(codes).backward()
        optimizer.step()
        codec.follow(None, standard, step)
    mean, std = codes.mean((0, 2, 3)), codes.std((0, 2, 3))
    torch.testing.assert_close(codec.mean.flatten(), mean, atol=0.05, rtol=0.1)
    torch.testing.assert_close(codec.std.flatten(), std, atol=0.05, rtol=0.1)
    torch.testing.assert_close(codec.encode(image) * codec.std + codec.mean, codec.codes(image))
    assert not list(codec.parameters())
    codec.follow(None, Standard(4), 149)  # a second micro-batch of the same step
    torch.testing.assert_close(codec.mean.flatten(), mean, atol=0.05, rtol=0.1)


def turns(family: TextToImage, step: int) -> set[str]:
    """Which optimizers a step takes."""
    batch = example(SPEC, 4)._replace(rng=BatchRng(0, step, 4))
    return {update.optimizer for update in family.losses(batch, step)}


def test_the_first_part_does_not_come_back_when_the_plan_grows() -> None:
    family = build(coding=0.5, **{"plan.depth": 0})
    first = {"autoencoder", "critic", "standard"}
    family.planned = 8
    assert turns(family, 0) == first
    assert turns(family, 3) == first
    assert turns(family, 4) == {"net"}
    family.planned = 100
    assert turns(family, 5) == {"net"}


def test_a_run_of_one_step_does_both_parts() -> None:
    family = build()
    family.planned = 1
    assert turns(family, 0) == {"autoencoder", "critic", "standard", "plan", "net"}


def test_a_run_from_the_weights_of_another_keeps_its_codec_and_goes_on_with_its_plans() -> None:
    for depth, first in ((0, {"net"}), (1, {"plan"})):
        family = build(coding=0.5, **{"plan.depth": depth})
        family.began.fill_(7)
        family.codec.followed.fill_(7)  # type: ignore[operator, union-attr]
        family.planned = 20
        assert [turns(family, step) for step in (0, 1, 9)] == [first] * 3
        assert [turns(family, step) for step in (10, 11)] == [{"net"}] * 2


@pytest.mark.parametrize("until", [1, 3, 5])
def test_a_run_resumes_to_the_bit_in_both_its_parts(until: int, tmp_path: Path) -> None:
    def go(trainer: Trainer, stop: int) -> Trainer:
        for report in trainer.run(stream(SPEC, 4, trainer.step)):
            if report.step == stop:
                break
        return trainer

    whole = go(trainer_of(build(coding=0.4), 6), 6)
    checkpoint = Checkpoint.create(tmp_path / "run", {"family": "text_to_image"})
    checkpoint.save(go(trainer_of(build(coding=0.4), 6), until))
    resumed = trainer_of(build(coding=0.4), 6)
    for tensor in resumed.family.state_dict().values():
        tensor.zero_()
    checkpoint.restore(resumed)
    go(resumed, 6)
    expected, found = whole.family.state_dict(), resumed.family.state_dict()
    assert [name for name in expected if not torch.equal(expected[name], found[name])] == []


def test_an_autoencoder_is_copied_into_the_run_that_draws_in_its_codes(tmp_path: Path) -> None:
    photos = write_pictures(tmp_path / "photos")
    codes = tmp_path / "codes"
    same: dict[str, Any] = {"size": 8, "steps": 4, "threads": 1, "seed": 1}
    given = api.train("autoencoder", photos, codes, **same, settings={"batch": 4, "net.width": 16, "factor": 2})
    assert isinstance(given, Autoencoder)
    settings = PIXELS | {"autoencoder": str(codes)}
    api.train("text_to_image", photos, tmp_path / "run", **same, settings=settings)
    shutil.rmtree(codes)
    loaded = api.load(tmp_path / "run", "cpu")
    assert isinstance(loaded, TextToImage)
    assert given.identity is not None
    assert Checkpoint.open(tmp_path / "run").header["config"]["sha256"] == given.identity.hash
    x = torch.rand(2, 3, 8, 8) * 2 - 1
    torch.testing.assert_close(loaded.decode(loaded.codec.encode(x)), given.decode(given.encode(x)))
    settings = PIXELS | {"autoencoder": str(tmp_path / "run")}
    again = api.train("text_to_image", photos, tmp_path / "b", **same, settings=settings)
    assert isinstance(again, TextToImage)
    torch.testing.assert_close(again.codec.codes(x), loaded.codec.codes(x))  # those of another run that draws in them
    api.train("text_to_image", photos, tmp_path / "pixels", **same, settings=PIXELS)
    api.train("vae", photos, tmp_path / "vae", **same, settings=TINY["vae"])
    for source, told in (("pixels", "draws in pixels; give a run that has an autoencoder"), ("vae", "is a run of vae")):
        wrong = PIXELS | {"autoencoder": str(tmp_path / source)}
        with pytest.raises(RunError, match=told):
            api.train("text_to_image", photos, tmp_path / "c", **same, settings=wrong)


COLOURS = {"a red square": (1, -1, -1), "a blue square": (-1, -1, 1), "红": (1, -1, -1), "蓝": (-1, -1, 1)}


def coloured(rows: int) -> Iterator[Batch]:
    """Squares of one colour, captioned in two languages."""
    step = 0
    while True:
        chosen = [(step * rows + row) % len(COLOURS) for row in range(rows)]
        colours = torch.tensor(list(COLOURS.values())).float()[chosen]
        image = colours[:, :, None, None].expand(-1, -1, 4, 4).contiguous()
        captions = tuple(list(COLOURS)[k] for k in chosen)
        yield Batch(image, BatchRng(0, step, rows), torch.arange(rows), caption=captions)
        step += 1


@pytest.fixture(scope="module")
def painter() -> TextToImage:
    """A model that has learnt the colours of words."""
    spec = DataSpec((4, 4), 3, captions=True, count=16)
    settings = {"autoencoder": "none", "net.width": 32, "shortcut.share": 0.25, "shortcut.start": 0.4}
    return grown(build(spec, **settings), coloured(8), 130)


@pytest.mark.parametrize("steps", [1, 2, 4, 18])
def test_words_of_both_languages_are_obeyed_in_few_steps_and_in_many(painter: TextToImage, steps: int) -> None:
    requests = [Imagine(prompt=prompt, seed=seed, steps=steps) for prompt in COLOURS for seed in range(4)]
    colours = drawn(painter, *requests).mean((2, 3))  # (16, 3)
    wanted = torch.tensor(list(COLOURS.values())).float().repeat_interleave(4, 0)
    right, wrong = ((colours - side).square().mean(1) for side in (wanted, wanted.flip(1)))  # the other one's colour
    assert (right < wrong).float().mean() > 0.9


def test_a_negative_prompt_turns_away(painter: TextToImage) -> None:
    requests = [Imagine(negative=word, seed=seed) for word in ("红", "蓝") for seed in (0, 1)]
    colours = drawn(painter, *requests).mean((2, 3))  # (4, 3)
    reds = colours[:, 0] - colours[:, 2]
    assert reds[:2].max() < reds[2:].min()


def test_pictures_from_a_run_can_be_made_again_from_their_recipes(tmp_path: Path) -> None:
    run = tmp_path / "run"
    same: dict[str, Any] = {"size": 8, "steps": 2, "threads": 1}
    api.train("text_to_image", write_pictures(tmp_path / "photos"), run, **same, settings=PIXELS)
    given = tmp_path / "given.png"
    Image.fromarray(picture()).save(given)
    requests = [
        Imagine(prompt="cat::2 dog", reference=given),
        Imagine(prompt="dog", image=given, strength=0.5),
        Vary(image=given, strength=0.6),
        Edit(image=given, expand=2, prompt="cat"),
    ]
    model = api.load(run, "cpu")
    for place, made, recipe in drawing.draw(model, requests):
        file = tmp_path / f"{place}.png"
        save_picture(made, file, recipe)
        _, _, difference = drawing.again(file, str(run), [given] if requests[place].by_hash else ())
        assert difference == 0
