"""One model's pictures, enlarged by another: `A+B`."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from conftest import TINY
from huabi import api, models
from huabi.choice import model_for, restorer_for
from huabi.drawing import again, draw
from huabi.enlarging import Enlarged
from huabi.errors import HuabiError, RequestError
from huabi.pictures import to_tensor
from huabi.provenance.publish import publish
from huabi.requests import Generate, Imagine, Restore, Vary
from huabi.serve.shelf import Shelf

SAME = {"size": 16, "steps": 2, "threads": 1}


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("runs")
    upscale = TINY["restorer"] | {"task": "upscale", "crop": 16}
    wanted = {name: (name, TINY[name]) for name in ("gan", "vae")}
    wanted |= {"up": ("restorer", upscale), "denoise": ("restorer", TINY["restorer"])}
    for name, (family, settings) in wanted.items():
        api.train(family, "digits", folder / name, **SAME, settings=settings)
    return {name: folder / name for name in wanted}


def joined(runs: dict[str, Path], first: str = "gan", second: str = "up") -> str:
    return f"{runs[first]}+{runs[second]}"


def test_pictures_are_those_of_the_first_enlarged_by_the_second(runs):
    model, small, enlarger = api.load(joined(runs)), api.load(runs["gan"]), api.load(runs["up"])
    assert isinstance(model, Enlarged)
    assert model.spec.size == (32, 32)
    assert set(model.requests) == {Generate, Imagine, Vary} & set(small.requests)
    requests = [Generate(seed=seed, label="3") for seed in range(3)]
    for large, plain in zip(api.draw(model, requests), api.draw(small, requests)):
        assert large.size == (32, 32)
        expected = enlarger.restore(to_tensor(plain)[None])[0]
        torch.testing.assert_close(to_tensor(large), expected, atol=2.5 / 127.5, rtol=0)


def test_a_picture_is_the_same_alone_and_among_others(runs):
    model = api.load(joined(runs))
    [alone] = api.draw(model, [Generate(seed=5)])
    among = list(api.draw(model, [Generate(seed=seed) for seed in (1, 5, 2)]))[1]
    assert np.array_equal(np.asarray(alone), np.asarray(among))


def test_its_recipe_names_both_and_makes_it_again_to_the_bit(runs, tmp_path):
    name = joined(runs)
    model = models.load(name)
    models.remember(model, name)
    [(_, picture, recipe)] = draw(model, [Generate(seed=7)])
    publish(picture, tmp_path / "seven.png", recipe)
    assert recipe["family"] == "gan+restorer"
    assert again(tmp_path / "seven.png")[2] == 0
    assert again(tmp_path / "seven.png", model=name)[2] == 0


def test_a_size_is_that_of_the_result():
    class Draws(models.Model):
        requests = (Imagine,)
        spec = models.DataSpec((8, 8), 3)

        def sample(self, requests):
            rows, columns = requests[0].size or self.spec.size
            yield torch.zeros(len(requests), 3, rows, columns)

    class Doubles(models.Model):
        spec, scale = models.DataSpec((8, 8), 3), 2

        def sample(self, requests):
            yield from ()

        def restore(self, x):
            return x.repeat_interleave(2, 2).repeat_interleave(2, 3)

    model = Enlarged(Draws(), Doubles())
    *previews, last = model.sample([Imagine(size=(12, 20))])
    assert [model.decode(x).shape[2:] for x in previews] == [(6, 10)]
    assert model.decode(last).shape == (1, 3, 12, 20)
    with pytest.raises(RequestError, match="multiples of 2"):
        list(model.sample([Imagine(size=(13, 20))]))
    [only] = model.sample([Imagine(size=(8, 9))])  # nearer to the first one's own
    assert model.decode(only).shape == (1, 3, 8, 9)
    assert model.batch_key(Imagine(size=(8, 8))) != model.batch_key(Imagine())


def test_what_does_not_enlarge_and_what_is_missing_are_refused_in_one_line(runs):
    for second in ("denoise", "gan"):
        with pytest.raises(RequestError, match="--set task=upscale"):
            api.load(joined(runs, "gan", second))
    with pytest.raises(HuabiError, match="no run in"):
        api.load(f"{runs['gan']}+nowhere")


def test_a_run_may_have_the_sign_in_its_own_name(runs, tmp_path):
    place = tmp_path / "a+b"
    place.symlink_to(runs["gan"], target_is_directory=True)
    assert not isinstance(api.load(place), Enlarged)
    assert isinstance(api.load(f"{place}+{runs['up']}"), Enlarged)
    with pytest.raises(HuabiError, match="no run in"):
        api.load(f"{place}+{place}/nowhere")


@pytest.fixture
def shipped(runs, tmp_path, monkeypatch) -> Path:
    """The two as if they came with Huabi, one to enlarge the other's pictures."""
    folder = tmp_path / "shipped"
    folder.mkdir()
    for name in ("vae", "up"):
        shutil.copytree(runs[name], folder / name)
    monkeypatch.setattr("huabi.index.SHIPPED", folder)
    monkeypatch.setattr("huabi.index.ENLARGERS", {"vae": "up"})
    monkeypatch.setenv("HUABI_HOME", str(tmp_path / "home"))
    return folder


def test_what_comes_along_is_enlarged_by_default_and_never_taken_for_photographs(shipped):
    assert model_for(Vary).spec.size == (32, 32)
    with pytest.raises(RequestError, match="no model is known here that answers Restore"):
        restorer_for(Restore(image=Image.new("RGB", (8, 8)), task="upscale", scale=2))
    shutil.rmtree(shipped / "up")
    assert model_for(Vary).spec.size == (16, 16)


def test_a_server_offers_the_two_as_one_model(runs, shipped):
    shelf = Shelf()
    assert {"vae", "vae+up"} <= set(shelf.cards())
    assert "up" not in shelf.cards()
    assert shelf.card("vae+up").spec.size == (32, 32)
    assert shelf.first(Vary).name == "vae+up"
    assert isinstance(shelf.load("vae+up"), Enlarged)
    whole = shelf.used
    shelf.load("vae")
    assert shelf.used - whole < whole  # the two weigh more than the one
    both = Shelf([joined(runs, "vae")])
    assert both.card("vae+up").tasks == tuple(models.load(joined(runs, "vae")).requests)
    with pytest.raises(HuabiError, match="no run"):
        Shelf([f"{runs['vae']}+nothing"])
