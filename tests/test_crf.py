"""The dense CRF against sums over all pairs, and strokes that spread along edges."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from conftest import refused
from huabi.classic import crf as field
from huabi.classic.crf import DenseCRF, infer
from huabi.classic.filters import to_rgb, to_ycc
from huabi.classic.lattice import Lattice
from huabi.classic.scribbles import STEP, Scribbled, colourised, geodesic, read_strokes
from huabi.drawing import draw
from huabi.errors import RequestError
from huabi.model import DataSpec, Model
from huabi.pictures import Picture, open_picture, read_recipe, to_image, to_tensor
from huabi.requests import Edit, Generate, Request, Translate
from huabi.rng import generator


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=generator("crf", seed))


def by_pairs(unary: np.ndarray, picture: np.ndarray, crf: DenseCRF) -> np.ndarray:
    """Mean field as the paper writes it: for each pixel and label, a sum over all other pixels."""
    labels, height, width = unary.shape
    places = [(y, x) for y in range(height) for x in range(width)]
    kernels = np.zeros((2, len(places), len(places)))
    for i, (y, x) in enumerate(places):
        for j, (v, u) in enumerate(places):
            away, tone = (y - v) ** 2 + (x - u) ** 2, ((picture[:, y, x] - picture[:, v, u]) ** 2).sum()
            kernels[0, i, j] = np.exp(-away / (2 * crf.near**2))
            kernels[1, i, j] = np.exp(-away / (2 * crf.far**2) - tone / (2 * crf.colour**2))
    total = kernels.sum(2)
    kernels[:, range(len(places)), range(len(places))] = 0
    kernels /= np.sqrt(total[:, :, None] * total[:, None, :])
    flat = unary.reshape(labels, -1)
    q = np.exp(-flat) / np.exp(-flat).sum(0)
    for _ in range(crf.steps):
        energy = flat.copy()
        for label in range(labels):
            others = q.sum(0) - q[label]  # Potts: each other label costs 1
            energy[label] += crf.smooth * kernels[0] @ others + crf.alike * kernels[1] @ others
        q = np.exp(-energy + energy.min(0))
        q /= q.sum(0)
    return q.reshape(unary.shape)


@pytest.mark.parametrize("channels", [1, 3])
def test_small_pictures_are_solved_exactly(channels: int) -> None:
    unary, picture = 2 * noise(3, 16, 16), 2 * noise(channels, 16, 16, seed=1) - 1
    crf = DenseCRF(steps=5, far=6.0, colour=0.4)
    expected = by_pairs(unary.double().numpy(), picture.double().numpy(), crf)
    assert np.abs(infer(unary, picture, crf).numpy() - expected).max() < 1e-4


def stained() -> tuple[Tensor, Tensor, Tensor]:
    """A picture of three tones, which tone each pixel has, and a unary that is wrong for a quarter of them."""
    rows, columns = torch.meshgrid(torch.arange(48), torch.arange(48), indexing="ij")
    truth = (columns > 15).long() + ((rows - 24) ** 2 + (columns - 32) ** 2 < 100).long()
    picture = (truth[None] * 0.8 - 0.8).float() + 0.05 * noise(1, 48, 48)
    seen = torch.where(noise(48, 48, seed=2) < 0.25, torch.randint(3, (48, 48), generator=generator("seen")), truth)
    unary = -(0.6 * torch.nn.functional.one_hot(seen, 3).permute(2, 0, 1) + 0.2).log()
    return unary, picture.expand(3, -1, -1).contiguous(), truth


def test_labels_follow_edges_and_the_fast_way_agrees_with_the_exact_one(monkeypatch: pytest.MonkeyPatch) -> None:
    unary, picture, truth = stained()
    crf = DenseCRF(far=12.0)
    exact = infer(unary, picture, crf)
    assert (unary.argmin(0) != truth).float().mean() > 0.1
    assert (exact.argmax(0) == truth).float().mean() > 0.995
    monkeypatch.setattr(field, "EXACT", 0)
    fast = infer(unary, picture, crf)
    assert (fast - exact).abs().mean() < 0.01
    assert (fast.argmax(0) == truth).float().mean() > 0.995


def test_the_lattice_is_a_gaussian_filter() -> None:
    points = 3 * noise(2000, 5)
    values = noise(2000, 2, seed=1)
    kernel = torch.exp(-torch.cdist(points, points).square() / 2)
    lattice = Lattice(points)
    weights = lattice(torch.ones(2000, 1))
    means = lattice(values) / weights, kernel @ values / kernel.sum(1, keepdim=True)
    assert (means[0] - means[1]).abs().mean() < 0.02
    assert torch.allclose(lattice(2 * values + 1), 2 * lattice(values) + weights, atol=1e-3)
    assert Lattice(torch.zeros(1, 5))(torch.ones(1, 1)).item() == pytest.approx(1, abs=0.02)
    apart = Lattice(torch.tensor([[0.0, 0.0], [40.0, 0.0]]))(torch.tensor([[1.0], [0.0]]))
    assert apart[1].item() == 0


def test_features_beyond_the_lattice_are_refused() -> None:
    with pytest.raises(ValueError, match="standard deviations"):
        Lattice(torch.tensor([[0.0] * 5, [1e5] * 5]))


def test_geodesic_distance_is_the_cheapest_way() -> None:
    light, seeds = noise(9, 11).numpy(), np.zeros((2, 9, 11), bool)
    seeds[0, 0, 0] = seeds[1, 4, 5] = seeds[1, 8, 10] = True
    found = geodesic(light, seeds)
    for label in range(2):
        away = np.full((9, 11), np.inf)
        queue = [(0.0, y, x) for y, x in np.argwhere(seeds[label])]
        while queue:  # Dijkstra
            cost, y, x = heapq.heappop(queue)
            if cost >= away[y, x]:
                continue
            away[y, x] = cost
            for v, u in ((y + j, x + i) for j in (-1, 0, 1) for i in (-1, 0, 1) if i or j):
                if 0 <= v < 9 and 0 <= u < 11:
                    step = STEP * np.hypot(v - y, u - x) + abs(light[y, x] - light[v, u])
                    heapq.heappush(queue, (cost + step, v, u))
        assert np.allclose(found[label], away, atol=1e-5)


def test_colours_and_differences_are_each_others_inverse() -> None:
    colours = noise(2, 3, 4, 5)
    assert torch.allclose(to_rgb(to_ycc(colours)), colours, atol=1e-6)
    assert torch.equal(to_ycc(torch.ones(3, 1, 1))[1:], torch.zeros(2, 1, 1))


def halves(size: int = 40) -> Image.Image:
    """A grey picture, dark on the left and light on the right."""
    image = Image.new("RGB", (size, size), (90, 90, 90))
    image.paste((170, 170, 170), (size // 2, 0, size, size))
    return image


def strokes_on(image: Image.Image, clear: bool = True) -> Image.Image:
    layer = Image.new("RGBA", image.size, (0, 0, 0, 0))
    pen = ImageDraw.Draw(layer)
    pen.line((4, 8, 10, 8), fill=(200, 60, 40, 255), width=2)
    pen.line((image.width - 10, 30, image.width - 5, 30), fill=(60, 90, 220, 255), width=2)
    return layer if clear else Image.alpha_composite(image.convert("RGBA"), layer).convert("RGB")


@pytest.mark.parametrize("clear", [True, False], ids=["transparent", "on a copy"])
def test_strokes_colour_their_side_of_an_edge_and_luminance_stays(clear: bool) -> None:
    image = halves()
    out = colourised(Picture.of(image), Picture.of(strokes_on(image, clear)))
    assert torch.allclose(to_ycc(out)[0], to_tensor(image)[0], atol=2 / 255)
    red, blue = out[0] - out[2], out[2] - out[0]
    assert (red[:, :19] > 0.5).all()
    assert (blue[:, 21:] > 0.5).all()


def test_a_drawing_on_paper_is_filled_between_its_lines_with_the_strokes_own_colours() -> None:
    image = Image.new("RGB", (400, 400), "white")  # larger than what is worked at
    pen = ImageDraw.Draw(image)
    pen.ellipse((120, 120, 280, 280), outline="black", width=4)
    layer = Image.new("RGBA", image.size, (0, 0, 0, 0))
    ImageDraw.Draw(layer).line((180, 200, 220, 200), fill=(250, 200, 20, 255), width=1)
    ImageDraw.Draw(layer).line((10, 20, 300, 20), fill=(90, 160, 230, 255), width=3)
    out = to_image(colourised(Picture.of(image), Picture.of(layer)))
    for place, colour in (((200, 140), (250, 200, 20)), ((20, 380), (90, 160, 230)), ((200, 122), (0, 0, 0))):
        assert np.abs(np.subtract(out.getpixel(place), colour)).max() <= 12


def test_strokes_that_say_nothing_are_refused() -> None:
    image = halves()
    given = Picture.of(image)
    with pytest.raises(RequestError, match="20x20 pixels, the picture 40x40"):
        read_strokes(Picture.of(strokes_on(image).resize((20, 20))), given)
    with pytest.raises(RequestError, match="empty"):
        read_strokes(given, given)
    with pytest.raises(RequestError, match="cover all"):
        read_strokes(Picture.of(Image.new("RGB", (40, 40), "red")), given)


class Listens(Model):
    """Answers with the picture that it is given."""

    spec = DataSpec((40, 40))

    def __init__(self, *requests: type[Request]) -> None:
        self.requests = requests  # type: ignore[misc]
        self.heard: list[Any] = []

    def sample(self, requests: Sequence[Any]) -> Iterator[Tensor]:
        self.heard += requests
        yield torch.stack([to_tensor(request.image.image()) for request in requests])


@pytest.mark.parametrize("kind", [Edit, Translate])
def test_a_model_gets_the_dense_colouring(kind: type[Request]) -> None:
    image = halves()
    strength = 0.5 if kind is Edit else 1.0
    request = Edit(image=Picture.of(image), scribble=Picture.of(strokes_on(image)), prompt="a wall", strength=strength)
    dense = to_image(colourised(request.image, request.scribble))
    model = Listens(kind)
    ((_, picture, recipe),) = draw(model, [request])
    assert np.array_equal(picture, dense)
    assert type(model.heard[0]) is kind
    if kind is Edit:
        assert (model.heard[0].prompt, model.heard[0].strength, model.heard[0].scribble) == ("a wall", 0.5, None)
    assert recipe["inputs"] == {"image": request.image.sha256, "scribble": request.scribble.sha256}
    mask = Image.new("L", image.size, 0)
    mask.paste(255, (0, 0, 20, 40))
    ((_, picture, _),) = draw(model, [request.model_copy(update={"mask": Picture.of(mask)})])
    assert np.array_equal(np.asarray(picture)[:, 20:], np.asarray(image)[:, 20:])
    assert np.array_equal(np.asarray(picture)[:, :20], np.asarray(dense)[:, :20])
    with pytest.raises(RequestError, match="answers Generate"):
        Scribbled(Listens(Generate))


class Darkens(Listens):
    """Translates into darkness."""

    def sample(self, requests: Sequence[Any]) -> Iterator[Tensor]:
        for pictures in super().sample(requests):
            yield pictures - 1


def test_what_is_translated_from_strokes_stays_within_the_mask() -> None:
    image = halves()
    mask = Image.new("L", image.size, 0)
    mask.paste(255, (0, 0, 20, 40))
    request = Edit(image=image, scribble=Picture.of(strokes_on(image)), mask=mask, prompt="night")
    model = Darkens(Translate)
    ((_, picture, _),) = draw(model, [request])
    assert model.heard[0].to == "night"
    assert np.array_equal(np.asarray(picture)[:, 20:], np.asarray(image)[:, 20:])
    assert np.asarray(picture)[:, :20].max() < np.asarray(image)[:, :20].max()
    for more in ({"steps": 4}, {"strength": 0.5}):
        with pytest.raises(RequestError, match="leave negative, expand"):
            list(draw(model, [request.model_copy(update=more)]))


def test_what_learnt_from_label_maps_gets_one() -> None:
    image = halves()
    request = Edit(image=image, scribble=strokes_on(image))
    model = Listens(Translate)
    model.spec = DataSpec((40, 40), pairing="paired", domains=("labels", "flat"))
    ((_, picture, _),) = draw(model, [request])
    seen = {tuple(colour) for colour in np.asarray(picture).reshape(-1, 3)}
    strokes = read_strokes(request.scribble, request.image)
    assert seen == {tuple(((colour + 1) * 127.5).round().int().tolist()) for colour in strokes.colours}


def test_transparency_stays_and_a_copy_of_a_clear_picture_is_no_layer() -> None:
    whole = halves().convert("RGBA")
    whole.putalpha(Image.fromarray(np.linspace(0, 255, 40).astype(np.uint8)[None].repeat(40, 0)))
    drawn = whole.copy()
    drawn.paste((255, 0, 0, 255), (30, 5, 36, 9))
    request = Edit(image=whole, scribble=drawn)
    assert int((read_strokes(request.scribble, request.image).labels >= 0).sum()) == 24
    ((_, picture, _),) = draw(Scribbled(), [request])
    assert np.array_equal(picture.getchannel("A"), whole.getchannel("A"))


def test_what_fills_holes_takes_no_strokes(huabi: Any, tmp_path: Path) -> None:
    image = halves()
    image.save(tmp_path / "grey.png")
    strokes_on(image).save(tmp_path / "strokes.png")
    Image.new("L", image.size, 255).save(tmp_path / "mask.png")
    words = ["edit", tmp_path / "grey.png", "--scribble", tmp_path / "strokes.png", "--mask", tmp_path / "mask.png"]
    refused(huabi(*words, "--model", "telea"), "--scribble needs a model that answers Edit or Translate")


def test_edit_colours_by_strokes_alone(huabi: Any, tmp_path: Path) -> None:
    image = halves()
    image.save(tmp_path / "grey.png")
    strokes_on(image).save(tmp_path / "strokes.png")
    words = ["edit", tmp_path / "grey.png", "--scribble", tmp_path / "strokes.png", "--out", tmp_path / "out.png"]
    done = huabi(*words)
    assert done.code == 0, done.err
    assert "note" not in done.err
    expected = to_image(colourised(Picture.of(image), Picture.of(strokes_on(image))))
    assert np.array_equal(open_picture(tmp_path / "out.png"), expected)
    recipe = read_recipe(tmp_path / "out.png")
    assert recipe is not None
    assert recipe["family"] == "scribble"
    given = ["--input", tmp_path / "grey.png", "--input", tmp_path / "strokes.png"]
    again = huabi("again", tmp_path / "out.png", *given, "--out", tmp_path / "same.png")
    assert "the same to the bit" in again.out
    mask = Image.new("L", image.size, 0)
    mask.paste(255, (0, 0, 20, 40))
    mask.save(tmp_path / "mask.png")
    assert huabi(*words, "--mask", tmp_path / "mask.png").code == 0
    half = np.asarray(open_picture(tmp_path / "out.png"))
    assert np.array_equal(half[:, 20:], np.asarray(image)[:, 20:])
    assert np.array_equal(half[:, :20], np.asarray(expected)[:, :20])
    refused(huabi(*words[:2], "a red wall", *words[2:]), "--model RUN")
    words[3] = tmp_path / "nowhere.png"
    refused(huabi(*words), "nowhere.png")
