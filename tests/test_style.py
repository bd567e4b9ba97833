"""Style: statistics, pixels by optimisation, the network for any style, films, measures, and the command."""

from __future__ import annotations

import inspect
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError
from torch import nn

from conftest import TINY, refused, write_pictures
from huabi import api, choice, cli, index, weights
from huabi.classic import gatys
from huabi.classic.film import is_film, read_film, save_film
from huabi.classic.gatys import Gatys, Objective, descend, schedule
from huabi.config import configure
from huabi.deep import is_deep
from huabi.drawing import draw
from huabi.errors import DataError, HuabiError, RequestError
from huabi.families import fast_style
from huabi.families.fast_style import FastStyle, FastStyleConfig
from huabi.metrics.style import content_distance, style_distance, stylisation
from huabi.model import Batch, DataSpec
from huabi.nets.stylenet import Look, moments, transformed
from huabi.nets.vgg import VGG19
from huabi.pictures import Picture, open_picture, read_recipe, to_image, to_tensor
from huabi.requests import Stylize
from huabi.rng import BatchRng
from huabi.style import Gram, Seer, Sliced, mixed, seer_of, style_of
from huabi.stylizing import coloured_like, laid_over, recoloured, steadied

RNG = torch.Generator().manual_seed(0)


def stripes(size: int, period: int, colour: tuple[int, int, int] = (255, 120, 0), width: int | None = None) -> Any:
    """Slanting stripes: a style that a few iterations can see; (H, W, 3) uint8."""
    rows, columns = np.mgrid[:size, : width or size]
    on = ((rows + columns) // period % 2)[..., None]
    return (on * np.array(colour)).astype(np.uint8)


def scene(size: int = 32, width: int | None = None) -> Any:
    rows, columns = np.mgrid[:size, : width or size]
    disc = (rows - size / 2) ** 2 + (columns - size / 2) ** 2 < (size / 3) ** 2
    return np.stack([disc * 200, rows * 255 // size, 255 - columns * 255 // (width or size)], -1).astype(np.uint8)


def small_seer() -> Seer:
    return Seer("small", "seed 0", VGG19.random(width=0.06).layers, 2, (0, 1, 2), stride=16)


@pytest.fixture(scope="module")
def family() -> FastStyle:
    """A tiny net that does something, since fresh residual blocks do nothing."""
    torch.manual_seed(0)
    net = FastStyle(configure(FastStyleConfig(), TINY["fast_style"]), DataSpec((16, 16), 3, count=8)).eval()
    for parameter in net.net.parameters():
        parameter.data.add_(torch.randn(parameter.shape), alpha=0.05)
    return net


def answer(model: Any, **fields: Any) -> torch.Tensor:
    *_, last = model.sample([Stylize(**fields)])
    assert isinstance(last, torch.Tensor)
    return last


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"weights": (1.0,)}, "1 weights for 2 styles"),
        ({"weights": (1.0, -0.5)}, "at least 0"),
        ({"weights": (0.0, 0.0)}, "not all 0"),
        ({"weights": (1.0, float("nan"))}, "at least 0"),
        ({"masks": (scene(),)}, "1 masks for 2 styles"),
        ({"masks": (scene(),) * 2, "weights": (1.0, 2.0)}, "one of the two"),
        ({"styles": (scene(),) * 9}, "at most 8"),
        ({"strength": 1.5}, "less than or equal to 1"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(fields: dict[str, Any], word: str) -> None:
    with pytest.raises(ValidationError, match=word):
        Stylize(**({"image": scene(), "styles": (scene(), scene())} | fields))


def test_the_gram_matrix_by_hand() -> None:
    h = torch.tensor([[1.0, 2.0], [0.0, 3.0]])  # two channels, two places
    assert torch.equal(Gram().whole([Gram().part(h, 0)], 2), torch.tensor([[2.5, 3.0], [3.0, 4.5]]))


@pytest.mark.parametrize("statistics", [Gram(), Sliced()])
def test_a_style_is_what_is_there_and_not_where(statistics: Any) -> None:
    h = torch.randn(5, 60, generator=RNG)
    moved = h[:, torch.randperm(60, generator=RNG)]
    a, b = (statistics.whole([statistics.part(z, 0)], 60) for z in (h, moved))
    halves = statistics.whole([statistics.part(h[:, :20], 0), statistics.part(h[:, 20:], 0)], 60)
    assert statistics.distance(a, b) < 1e-9
    torch.testing.assert_close(halves, a)
    assert statistics.distance(a, statistics.whole([statistics.part(h * 2, 0)], 60)) > 0.1


def test_styles_mix_along_the_shortest_way() -> None:
    slices = Sliced()
    a, b = (slices.whole([slices.part(torch.full((4, 10), value), 0)], 10) for value in (1.0, 3.0))
    middle = slices.whole([slices.part(torch.full((4, 10), 2.0), 0)], 10)
    torch.testing.assert_close(mixed([[a], [b]], (0.5, 0.5))[0], middle)
    assert mixed([[a], [b[:, :5]]], (1, 0))[0].shape == a.shape  # of styles of different sizes


def test_vgg_computes_what_its_published_form_does() -> None:
    layers: list[nn.Module] = []
    inner = 3
    for item in (8, 8, 0, 16, 16, 0, 32, 32, 32, 32, 0, 64, 64, 64, 64, 0, 64):  # torchvision's order of layers
        layers += [nn.Conv2d(inner, item, 3, padding=1), nn.ReLU()] if item else [nn.AvgPool2d(2)]
        inner = item or inner
    published = nn.Sequential(*layers)
    net = VGG19(1 / 8)
    for mine, theirs in zip(net.convolutions, (layer for layer in layers if isinstance(layer, nn.Conv2d))):
        mine.load_state_dict(theirs.state_dict())
    x = torch.rand(1, 3, 32, 32, generator=RNG)
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    known = published((x - mean[:, None, None]) / deviation[:, None, None])
    torch.testing.assert_close(net.layers(x * 2 - 1)[-1], known, atol=1e-4, rtol=1e-4)


def test_missing_or_foreign_vgg_weights_are_told_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(HuabiError, match=r"vgg19-dcbb9e9d.pth to there \(548 MB\), name your copy in HUABI_VGG19,"):
        seer_of("vgg19")
    monkeypatch.setenv("HUABI_VGG19", str(tmp_path / "other.pth"))
    with pytest.raises(HuabiError, match="no VGG-19 weights at .*other.pth"):
        weights.vgg19()
    (tmp_path / "other.pth").write_bytes(b"no weights")
    with pytest.raises(HuabiError, match="not the expected file"):
        weights.vgg19()


def test_tiles_give_the_loss_and_the_gradient_of_the_whole() -> None:
    seer, size = small_seer(), (64, 128)
    content, style, start = (torch.rand(1, 3, *size, generator=RNG) * 2 - 1 for _ in range(3))
    wanted, everywhere = [style_of(seer, Gram(), style)], [torch.ones(size)]
    found = []
    for tile in (64, 512):
        x = start.clone().requires_grad_()
        loss = Objective(seer, Gram(), content, everywhere, wanted, tile=tile)(x)
        loss.backward()
        assert x.grad is not None
        found.append((loss.detach(), x.grad))
    torch.testing.assert_close(found[0][0], found[1][0], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(found[0][1], found[1][1], atol=1e-5, rtol=1e-2)


@pytest.mark.parametrize("statistics", [Gram(), Sliced()])
def test_descent_brings_the_style_nearer(statistics: Any) -> None:
    seer = small_seer()
    content, style = (to_tensor(Image.fromarray(x))[None] for x in (scene(), stripes(32, 4)))
    objective = Objective(
        seer, statistics, content, [torch.ones(32, 32)], [style_of(seer, statistics, style)], smoothness=0
    )
    *_, x = descend(objective, content, 30)
    assert objective(x) < 0.5 * objective(content)
    assert style_distance(seer, statistics, x, style) < 0.5 * style_distance(seer, statistics, content, style)


def test_masks_lie_where_they_were_painted_though_the_network_wants_more_pixels() -> None:
    left = np.zeros((40, 50), np.uint8)
    left[:, :25] = 255
    styles = (stripes(32, 4), stripes(32, 2))
    request = Stylize(image=scene(40, 50), styles=styles, masks=(left, 255 - left))
    content = to_tensor(Image.fromarray(scene(40, 50)))[None]
    regions, _ = gatys._wanted(request, small_seer(), Gram(), content, 50)
    assert {tuple(region.shape) for region in regions} == {(48, 64)}
    assert bool((regions[0][:40, :25] == 1).all())
    assert not regions[0][:40, 25:].any()


def test_masks_that_are_too_thin_to_be_seen_change_nothing() -> None:
    line = np.zeros((64, 64), np.uint8)
    line[:, 30] = 255
    x = answer(Gatys(), image=scene(64), styles=(stripes(32, 4),), masks=(line,), iterations=2)
    assert bool(x.isfinite().all())


def test_a_region_alone_takes_the_style() -> None:
    seer = small_seer()
    content, style = (to_tensor(Image.fromarray(x))[None] for x in (scene(32, 64), stripes(32, 4)))
    left = torch.zeros(32, 64)
    left[:, :24] = 1
    objective = Objective(seer, Gram(), content, [left], [style_of(seer, Gram(), style)], smoothness=0)
    *_, x = descend(objective, content, 10)
    change = (x - content).abs().mean((0, 1))
    assert change[:, :24].mean() > 20 * change[:, 48:].mean()


def test_scales_go_from_coarse_to_fine_and_share_the_iterations() -> None:
    assert schedule(512, 150) == [(64, 80), (128, 40), (256, 20), (512, 10)]
    assert schedule(40, 7) == [(40, 7)]
    assert [side for side, _ in schedule(2048, 2)] == [1024, 2048]


def test_every_iterate_is_an_estimate_of_the_whole_picture() -> None:
    request = Stylize(image=scene(40, 130), styles=(stripes(32, 4),), iterations=6)
    estimates = list(Gatys().sample([request]))
    assert len(estimates) == 6
    assert {tuple(x.shape) for x in estimates} == {(1, 3, 40, 130)}
    assert estimates[-1].abs().max() <= 1


@pytest.mark.parametrize("statistic", ["gram", "sliced"])
def test_without_strength_the_optimiser_keeps_the_picture(statistic: Any) -> None:
    content = scene(32, 48)
    x = answer(Gatys(), image=content, styles=(stripes(32, 4),), strength=0, iterations=3, statistic=statistic)
    assert np.abs(np.asarray(to_image(x[0]), int) - content).max() <= 1


def test_too_large_a_picture_is_refused_with_the_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gatys, "free_memory", lambda device: (1 << 30) + (1 << 20))
    with pytest.raises(RequestError, match=r"about 10\d\d MB for 512x256 pixels, 1025 MB are free; say --size \d"):
        answer(Gatys(), image=scene(256, 512), styles=(scene(),))


def test_colours_are_those_of_the_other() -> None:
    x, like = (torch.randn(1, 3, 40, 40, generator=RNG) * a + b for a, b in ((0.05, 0.2), (0.1, -0.1)))
    flat, known = (z[0].flatten(1) for z in (recoloured(x, like), like))
    torch.testing.assert_close(flat.mean(1), known.mean(1))
    torch.testing.assert_close(flat.cov(), known.cov(), atol=1e-4, rtol=0.05)
    turned = coloured_like(x, like)
    grey = torch.tensor([0.299, 0.587, 0.114])
    light, wanted, other = (torch.einsum("c,bchw->bhw", grey, z)[:, None] for z in (turned, x, like))
    torch.testing.assert_close(light, wanted, atol=1e-3, rtol=0)
    torch.testing.assert_close(turned - light, like - other, atol=1e-3, rtol=0)


def test_features_are_brought_to_the_moments_that_are_asked() -> None:
    h, other = (torch.randn(2, 6, 20, 20, generator=RNG) * a + b for a, b in ((2.0, 1.0), (3.0, -1.0)))
    own, wanted = moments(h), moments(other)
    torch.testing.assert_close(transformed(h, own, own), h, atol=1e-4, rtol=1e-4)
    mean, covariance = moments(transformed(h, own, wanted))
    torch.testing.assert_close(mean, wanted[0], atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(covariance, wanted[1], atol=0.05, rtol=0.02)


def test_without_strength_the_network_keeps_the_picture(family: FastStyle) -> None:
    content = scene(24, 40)
    x = answer(family, image=content, styles=(stripes(32, 4),), strength=0)
    assert np.abs(np.asarray(to_image(x[0]), int) - content).max() <= 1
    assert (answer(family, image=content, styles=(stripes(32, 4),)) - x).abs().max() > 0.05


def test_blends_lie_between_their_styles(family: FastStyle) -> None:
    a, b = stripes(32, 4), scene(32)[::-1].copy()
    ends = [answer(family, image=scene(), styles=(one,)) for one in (a, b)]
    first, half = (answer(family, image=scene(), styles=(a, b), weights=w) for w in ((1.0, 0.0), (0.5, 0.5)))
    torch.testing.assert_close(first, ends[0], atol=1e-4, rtol=1e-3)
    assert 0 < (half - ends[0]).abs().mean() < (ends[1] - ends[0]).abs().mean()


def test_chaos_strays_by_seed_alone(family: FastStyle) -> None:
    same = {"image": scene(), "styles": (stripes(32, 4),), "chaos": 60}
    a, b, other = (answer(family, **same, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(a, b)
    assert not torch.allclose(a, other, atol=1e-3)


def test_without_a_style_the_look_of_the_data_is_taken(family: FastStyle) -> None:
    pictures = [to_tensor(Image.fromarray(stripes(32, period)))[None] for period in (3, 5)]
    for step, x in enumerate(pictures):
        family._learn_school(family.look(x), step)
    torch.testing.assert_close(family.school.seen, torch.cat([family.look(x).seen for x in pictures]).mean(0)[None])
    assert not torch.allclose(answer(family, image=scene()), answer(family, image=scene(), styles=(scene(),)))
    with pytest.raises(RequestError, match="give one or more"):
        answer(Gatys(), image=scene())


def test_large_pictures_are_stylised_in_tiles_without_seams(family: FastStyle, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {"image": scene(44, 330), "styles": (stripes(32, 4),)}
    whole = answer(family, **asked)
    monkeypatch.setattr(fast_style, "TILE", 64)
    torch.testing.assert_close(answer(family, **asked), whole, atol=1e-4, rtol=1e-3)


def test_a_large_picture_is_drawn_from_coarse_to_fine(family: FastStyle, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [fast_style.scales(long) for long in (16, 512, 700, 800)] == [[16], [512], [700], [400, 800]]
    assert fast_style.scales(6000) == [375, 750, 1500, 3000, 6000]
    monkeypatch.setattr(fast_style, "COARSEST", 64)
    once, sizes = family._once, []

    def seen(content: fast_style.Content, look: Look) -> torch.Tensor:
        sizes.append(tuple(content.small.shape[2:]))
        return once(content, look)

    monkeypatch.setattr(family, "_once", seen)
    asked = {"image": scene(64, 256), "styles": (stripes(32, 4),)}
    whole = answer(family, **asked)
    assert sizes == [(16, 64), (32, 128), (64, 256)]
    monkeypatch.setattr(fast_style, "TILE", 64)
    torch.testing.assert_close(answer(family, **asked), whole, atol=1e-3, rtol=1e-2)


def test_each_style_stays_within_its_mask(family: FastStyle) -> None:
    mask = np.zeros((32, 32), np.uint8)
    mask[:, :16] = 255
    content = scene()
    found = np.asarray(to_image(answer(family, image=content, styles=(stripes(32, 4),), masks=(mask,))[0]), int)
    assert np.array_equal(found[:, 16:], content[:, 16:])
    assert np.abs(found[:, :16] - content[:, :16]).max() > 10
    pictures = [torch.full((1, 3, 2, 2), value) for value in (1.0, 0.5)]
    both = laid_over(torch.zeros(1, 3, 2, 2), pictures, [torch.ones(2, 2), torch.ones(2, 2)])
    torch.testing.assert_close(both, torch.full((1, 3, 2, 2), 0.75))


def test_the_colours_stay_where_that_is_asked(family: FastStyle) -> None:
    grey = np.repeat(scene()[..., :1] // 2 + 60, 3, 2)
    found = answer(family, image=grey, styles=(stripes(32, 4),), keep_colours=True)
    assert (found.amax(1) - found.amin(1)).max() < 0.02


def test_what_is_still_does_not_flicker() -> None:
    content = torch.zeros(1, 3, 8, 8)
    moved = content.clone()
    moved[..., 4:] = 1
    noise = [torch.rand(1, 3, 8, 8, generator=RNG) for _ in range(3)]
    first, second, third = steadied(zip((content, content + 0.005, moved), noise))
    assert torch.equal(first, second)
    assert torch.equal(third[..., :2], first[..., :2])
    assert torch.equal(third[..., 6:], noise[2][..., 6:])


def test_after_a_cut_nothing_of_the_scene_before_is_left(family: FastStyle) -> None:
    first, second = (to_tensor(Image.fromarray(x))[None] for x in (scene(32), 255 - scene(32)))
    request = Stylize(image=scene(32), styles=(stripes(32, 4),))
    cut = list(family.film(request, [first, first, second], steady=True))
    alone = next(iter(family.film(request, [second], steady=True)))
    torch.testing.assert_close(cut[2], alone)


def test_what_is_too_large_is_refused_with_a_size(family: FastStyle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huabi.stylizing.free_memory", lambda device: 1 << 24)
    with pytest.raises(RequestError, match=r"8192x8192 pixels take .* say --size \d+"):
        answer(family, image=scene(), styles=(stripes(32, 4),), size=8192)
    with pytest.raises(RequestError, match=r"16384x16384 pixels are more than can be opened .* --size 9459"):
        answer(family, image=scene(), styles=(stripes(32, 4),), size=16384)


def test_what_is_seen_is_standardised_over_all_that_was_learnt_from() -> None:
    net = FastStyle(configure(FastStyleConfig(), TINY["fast_style"]), DataSpec((16, 16), 3, count=8))
    seen = torch.randn(5, 4, fast_style.SEEN, generator=RNG) * 3 + torch.arange(5.0)[:, None, None]
    for part in seen:
        net._learn_spread(part)
    found = net._standard(seen.flatten(0, 1))
    torch.testing.assert_close(found.mean(0), torch.zeros(fast_style.SEEN), atol=1e-4, rtol=0)
    torch.testing.assert_close(found.std(0, correction=0), torch.ones(fast_style.SEEN), atol=1e-4, rtol=0)


def test_a_look_is_no_key_to_what_is_to_be_drawn(family: FastStyle) -> None:
    image = torch.rand(2, 3, 32, 64, generator=RNG) * 2 - 1
    batch = Batch(image, BatchRng(0, 1, 2), torch.arange(2), target=-image, other=image.flip(0))
    crop = replace(family.config, crop=32)
    net = FastStyle(crop, DataSpec((32, 64), 3, pairing="paired", count=2))
    content, style, target = net._parts(batch, told=True)
    assert target is not None
    torch.testing.assert_close(target, -content)
    assert not torch.equal(style, target)  # another part of the partner, whose colours are those that are asked for
    for a, b in zip(moments(style), moments(target)):
        torch.testing.assert_close(a, b, atol=0.05, rtol=0)
    assert net._parts(batch, told=False)[2] is None
    same, other = (float(net._untruth(x, fast_style._heard(x, net.eye.hidden(x)), target)) for x in (target, style))
    assert 0 == same < other


def test_style_is_compared_alike_by_channels_and_by_places() -> None:
    x, y = (torch.rand(3, 40, 5, 6, generator=RNG) * (1 + k) for k in range(2))
    by_places, by_channels = (fast_style._style_error(x.repeat(1, 1, n, n), y.repeat(1, 1, n, n), 0) for n in (1, 2))
    torch.testing.assert_close(by_places, by_channels)
    torch.testing.assert_close(by_places, fast_style._style_error(x, y, 1e-9))
    assert float(fast_style._style_error(y, y, 0)) < 1e-6 < float(by_places)


def test_what_is_fine_is_heard_in_every_place_of_the_networks_grid() -> None:
    flat = torch.zeros(1, 3, 24, 24)
    for place in range(8):
        marked = flat.clone()
        marked[..., place::8, place::8] = 1
        colours, fine, deep = fast_style._heard(marked, [torch.ones(1, 2, 3, 3)])
        assert colours is marked
        assert float(deep.max()) == pytest.approx(math.tanh(1))
        assert fine.shape == (1, 27, 8, 8)
        assert float(fine.abs().max()) == 1


def test_of_large_styles_parts_are_seen_as_large_as_those_of_the_training(family: FastStyle) -> None:
    net = FastStyle(replace(family.config, crop=32), DataSpec((32, 32), 3, count=8))
    part = torch.rand(1, 3, 32, 32, generator=RNG) * 2 - 1
    torch.testing.assert_close(net._seen(part.repeat(1, 1, 5, 5)), net._seen(part), atol=1e-4, rtol=1e-4)


def test_pairs_teach_what_a_picture_becomes(tmp_path: Path) -> None:
    for n, period in enumerate((3, 4, 5, 6)):
        picture = scene(32)[:, :: (-1) ** n]
        hand = np.where(stripes(32, period)[..., :1] > 0, picture, 255 - picture)  # the same content, striped
        for side, pixels in (("A", picture), ("B", hand.astype(np.uint8))):
            (tmp_path / "pairs" / side).mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.ascontiguousarray(pixels)).save(tmp_path / "pairs" / side / f"{n}.png")
    settings = TINY["fast_style"] | {"net.width": 16, "lr": 4e-3, "warmup": 5}
    shape = {"size": 32, "threads": 1, "settings": settings, "flip": False}
    told: list[float] = []
    api.train(
        "fast_style", tmp_path / "pairs", tmp_path / "run", steps=80, **shape,
        on_report=lambda report: told.append(report.losses["truth"]),
    )
    assert set(told[::2]) == {0}
    assert told[-1] < 0.7 * told[1]


def test_a_run_of_many_hands_goes_on_with_one(photos: Path, tmp_path: Path) -> None:
    settings = {"size": 16, "threads": 1, "settings": TINY["fast_style"]}
    api.train("fast_style", photos, tmp_path / "many", steps=2, **settings)
    mine = api.train("fast_style", photos / "cat", tmp_path / "mine", steps=1, init=tmp_path / "many", **settings)
    assert answer(mine, image=scene()).shape == (1, 3, 32, 32)


@pytest.mark.parametrize("steady", [False, True])
def test_a_film_of_one_picture_stays_that_picture(family: FastStyle, steady: bool) -> None:
    x = to_tensor(Image.fromarray(scene()))[None]
    request = Stylize(image=scene(), styles=(stripes(32, 4),))
    frames = list(family.film(request, [x, x, x], steady))
    assert len(frames) == 3
    for frame in frames:
        torch.testing.assert_close(frame, answer(family, image=scene(), styles=(stripes(32, 4),)), atol=1e-4, rtol=1e-3)


def test_films_are_read_as_they_were_written(tmp_path: Path) -> None:
    pictures = [Image.fromarray(np.full((16, 24, 3), 80 * k, np.uint8)) for k in range(3)]
    save_film(pictures, tmp_path / "a.gif", [100, 50, 100])
    film = read_film(tmp_path / "a.gif")
    assert film.times == (100, 50, 100)
    for _ in range(2):
        assert [frame.getpixel((3, 3)) for frame in film] == [(80 * k,) * 3 for k in range(3)]
    (tmp_path / "frames").mkdir()
    with pytest.raises(DataError, match="holds no pictures"):
        read_film(tmp_path / "frames")
    for k, size in enumerate(((16, 16), (16, 18))):
        Image.new("RGB", size).save(tmp_path / "frames" / f"{k}.png")
    with pytest.raises(DataError, match="1.png has 16x18 pixels, the frames before 16x16"):
        read_film(tmp_path / "frames")
    assert is_film(tmp_path / "frames")
    assert not is_film(tmp_path / "frames" / "0.png")


def test_measures_know_what_is_alike() -> None:
    a, b = (to_tensor(Image.fromarray(x))[None] for x in (scene(), stripes(32, 4)))
    seer = small_seer()
    for statistics in (Gram(), Sliced()):
        assert style_distance(seer, statistics, a, a) < 1e-6
        assert style_distance(seer, statistics, a, b) > 0.05
    assert content_distance(seer, a, a) < 1e-6
    assert content_distance(seer, a, a.mean(1, keepdim=True).expand_as(a) / 2 + 0.3) < content_distance(seer, a, b)
    grey = a[:, 1:2].expand_as(a)
    assert content_distance(seer, grey, grey / 2 + 0.3) < 1e-6  # brightness and contrast are no content
    scores = {score.name: score.value for score in stylisation([(a, b, a)], seer)}
    assert scores["content"] < 1e-6
    assert scores["combined"] == pytest.approx((1 + scores["content"]) * (1 + scores["style (sliced)"]))
    with pytest.raises(DataError, match="no stylised pictures"):
        stylisation([], seer)
    with pytest.raises(DataError, match="32x32 and 32x16"):
        content_distance(seer, a, a[..., :16, :])


def test_every_field_of_a_request_has_its_option() -> None:
    assert set(Stylize.model_fields) <= set(inspect.signature(cli.stylize.stylize).parameters)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    Image.fromarray(scene(24, 32)).save(tmp_path / "photo.png")
    for name, period in (("a", 3), ("b", 6)):
        Image.fromarray(stripes(24, period)).save(tmp_path / f"{name}.png")
    Image.new("RGB", (1, 1)).save(tmp_path / "dot.png")
    Image.new("L", (24, 24), 90).save(tmp_path / "grey.png")
    Image.new("RGBA", (24, 24), (200, 40, 40, 128)).save(tmp_path / "glass.png")
    Image.new("L", (32, 24)).save(tmp_path / "black.png")
    save_film([Image.fromarray(scene(24, 32) // k) for k in (1, 2)], tmp_path / "film.gif", [80, 80])
    return tmp_path


FEW = ("--method", "gatys", "--iterations", 2)


def test_the_whole_way_and_again(huabi: Any, files: Path) -> None:
    out = files / "new.png"
    given = (files / "photo.png", files / "a.png", files / "b.png")
    done = huabi("stylize", *given, "--weights", ".7,.3", *FEW, "--out", out)
    assert done.code == 0, done.err
    recipe = read_recipe(out)
    assert recipe is not None
    assert open_picture(out).size == (32, 24)
    assert recipe["request"]["weights"] == [0.7, 0.3]
    assert "styles" not in recipe["request"]
    refused(huabi("again", out, "--out", files / "same.png", "--input", files / "photo.png"), "is not the file")
    inputs = [part for name in ("b", "photo", "a") for part in ("--input", files / f"{name}.png")]
    again = huabi("again", out, "--out", files / "same.png", *inputs)
    assert again.code == 0, again.err
    assert "to the bit" in again.out


@pytest.fixture(scope="module")
def fast(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("fast") / "run"
    photos = write_pictures(run.parent / "photos")
    api.train("fast_style", photos, run, steps=1, size=16, threads=1, settings=TINY["fast_style"])
    return run


def test_a_run_does_all_that_the_command_offers(huabi: Any, files: Path, fast: Path) -> None:
    styles = (files / "a.png", files / "b.png")
    mask = np.zeros((24, 32), np.uint8)
    mask[:, :16] = 255
    for name, white in (("left", mask), ("right", 255 - mask)):
        Image.fromarray(white).save(files / f"{name}.png")
    more = ("--size", 40, "--strength", 0.5, "--keep-colours", "--chaos", 10, "--seed", 3)
    done = huabi("stylize", files / "photo.png", styles[0], *more, "--method", fast, "--out", files / "new.png")
    assert done.code == 0, done.err
    assert open_picture(files / "new.png").size == (40, 30)
    given = [part for path in (files / "photo.png", styles[0]) for part in ("--input", path)]
    assert "to the bit" in huabi("again", files / "new.png", "--out", files / "same.png", *given).out
    parts = ("--mask", files / "left.png", "--mask", files / "right.png", "--method", fast)
    assert huabi("stylize", files / "photo.png", *styles, *parts, "--out", files / "parts.png").code == 0
    walk = ("stylize", files / "photo.png", *styles, "--path", 3, "--method", fast, "--out", files / "walk")
    assert huabi(*walk).code == 0
    refused(huabi(*walk), "holds pictures already")
    film = ("stylize", files / "film.gif", styles[0], "--steady", "--method", fast, "--out")
    assert huabi(*film, files / "new.gif").code == 0
    save_film([Image.fromarray(stripes(24, k)) for k in (2, 3)], files / "style.webp", [80, 80])
    taken = ("stylize", files / "film.gif", files / "style.webp", "--method", fast, "--out", files / "style.webp")
    refused(huabi(*taken), "would be lost")
    refused(huabi(*film, files / "huge.gif", "--size", 16384), "--size")


@pytest.mark.parametrize("method", ["gatys", "fast"])
def test_transparency_and_sixteen_bits_survive(huabi: Any, files: Path, fast: Path, method: str) -> None:
    words = (*FEW,) if method == "gatys" else ("--method", fast)
    clear = Image.fromarray(scene(24, 32)).convert("RGBA")
    clear.putalpha(Image.fromarray(np.linspace(0, 255, 32).astype(np.uint8)[None].repeat(24, 0)))
    clear.save(files / "clear.png")
    Image.fromarray(np.arange(24 * 32, dtype=np.uint16).reshape(24, 32) * 80).save(files / "deep.png")
    for name in ("clear", "deep"):
        done = huabi("stylize", files / f"{name}.png", files / "a.png", *words, "--out", files / f"{name}-new.png")
        assert done.code == 0, done.err
    made = open_picture(files / "clear-new.png", 4)
    assert np.array_equal(made.getchannel("A"), clear.getchannel("A"))
    assert is_deep(Picture.of(files / "deep-new.png"))


def test_frames_come_in_the_order_of_their_numbers_and_times_keep_their_sum(tmp_path: Path) -> None:
    (tmp_path / "frames").mkdir()
    for name, level in (("frame10", 30), ("frame2", 20), ("frame1", 10), ("._frame1", 99)):
        Image.new("RGB", (16, 16), (level,) * 3).save(tmp_path / "frames" / f"{name}.png")
    assert [frame.getpixel((0, 0))[0] for frame in read_film(tmp_path / "frames")] == [10, 20, 30]
    pictures = [Image.new("RGB", (16, 16), (2 * k,) * 3) for k in range(60)]
    for rate in (24, 30, 60):
        save_film(pictures, tmp_path / "a.gif", [1000 / rate] * 60)
        assert sum(read_film(tmp_path / "a.gif").times) == pytest.approx(60_000 / rate, abs=10)


def test_paths_and_films(huabi: Any, files: Path) -> None:
    styles = (files / "a.png", files / "b.png")
    done = huabi("stylize", files / "photo.png", *styles, "--path", 3, *FEW, "--out", files / "walk")
    assert done.code == 0, done.err
    recipes = [read_recipe(path) for path in sorted((files / "walk").glob("*.png"))]
    assert [recipe and recipe["request"]["weights"] for recipe in recipes] == [[1, 0], [0.5, 0.5], [0, 1]]
    done = huabi("stylize", files / "film.gif", styles[0], "--steady", *FEW, "--out", files / "new.gif")
    assert done.code == 0, done.err
    assert read_film(files / "new.gif").times == read_film(files / "film.gif").times


@pytest.mark.parametrize("style", ["grey.png", "glass.png"])
def test_grey_and_transparent_styles_are_styles_too(huabi: Any, files: Path, style: str) -> None:
    assert huabi("stylize", files / style, files / style, *FEW, "--out", files / "new.png").code == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("photo.png", "dot.png"), ("dot.png", "1x1", "16 a side")),
        (("dot.png", "a.png"), ("dot.png", "1x1")),
        (("photo.png", *["a.png"] * 9), ("at most 8",)),
        (("photo.png", "a.png", "--weights", "1,2"), ("2 weights for 1 styles",)),
        (("photo.png", "a.png", "--weights=-1"), ("at least 0",)),
        (("photo.png", "a.png", "--weights", "0"), ("not all 0",)),
        (("photo.png", "a.png", "--weights", "much"), ("as .7,.3",)),
        (("photo.png", "a.png", "--mask", "b.png"), ("24x24", "32x24", "as large")),
        (("photo.png", "a.png", "--mask", "black.png"), ("all black",)),
        (("photo.png", "a.png", "--strength", 2), ("--strength",)),
        (("photo.png", "a.png", "--features", "vgg16"), ("--features", "vgg19")),
        (("photo.png", "a.png", "--path", 1, "--out", "walk"), ("2 pictures at least",)),
        (("photo.png", "a.png", "--path", 3), ("new.png is one picture",)),
        (("film.gif", "a.png"), ("new.png is one picture",)),
        (("photo.png", "a.png", "--out", "folder"), ("one picture is made",)),
        (("photo.png",), ("give one or more",)),
        (("photo.png", "missing.png"), ("missing.png",)),
        (("photo.png", "a.png", "--method", "nothing"), ("nothing",)),
    ],
)
def test_bad_input_gets_one_line(huabi: Any, files: Path, words: tuple[Any, ...], says: tuple[str, ...]) -> None:
    out = () if "--out" in words else ("--out", files / "new.png")
    method = () if "--method" in words else FEW
    named = (".png", ".gif", "walk", "folder")
    given = [files / word if str(word).endswith(named) else word for word in words]
    refused(huabi("stylize", *given, *method, *out), *says)


def test_any_style_is_for_what_learnt_many_and_none_for_who_learnt_one(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUABI_HOME", str(tmp_path / "home"))
    (tmp_path / "shipped").mkdir()
    monkeypatch.setattr(index, "SHIPPED", tmp_path / "shipped")
    styled, bare = Stylize(image=scene(), styles=(scene(),)), Stylize(image=scene())
    assert isinstance(choice.stylist_for(styled), Gatys)
    with pytest.raises(RequestError, match="give one or more styles"):
        choice.stylist_for(bare)
    runs = {}
    for name, school in (("shipped/any", 0.0), ("mine", 0.5)):
        settings = TINY["fast_style"] | {"school": school}
        api.train("fast_style", photos, tmp_path / name, steps=1, size=16, threads=1, settings=settings)
        runs[name] = api.load(tmp_path / name).identity
    assert choice.stylist_for(styled).identity == runs["shipped/any"]
    assert choice.stylist_for(bare).identity == runs["mine"]
    assert isinstance(choice.stylist_for(styled.model_copy(update={"iterations": 2})), Gatys)
    with pytest.raises(RequestError, match="--iterations is of gatys"):
        choice.stylist_for(styled.model_copy(update={"iterations": 2}), tmp_path / "mine")


def test_gatys_answers_what_it_can() -> None:
    with pytest.raises(RequestError, match="does not answer Stylize"):
        list(draw(choice.model_for(Stylize, "brush"), [Stylize(image=scene(), styles=(scene(),))]))

