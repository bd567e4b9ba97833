"""Enhancement: a good picture hardly changes, a bad one gets better; and folders of derived pictures."""

from __future__ import annotations

import inspect
import json
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from conftest import refused, write_pictures
from huabi import cli
from huabi.classic.enhance import Enhancer, enhanced, needs
from huabi.classic.filters import gaussian
from huabi.data import prepare, scan
from huabi.data.split import split
from huabi.deep import encode_deep, is_deep
from huabi.deriving import WAYS, _Source, derive
from huabi.drawing import draw
from huabi.errors import DataError, RequestError
from huabi.model import DataSpec, Model
from huabi.pictures import Picture, open_picture, read_recipe, to_image
from huabi.requests import Enhance, Generate
from huabi.rng import generator


def photograph(size: int = 96, leaves: int = 250) -> Tensor:
    """A picture in order, (3, H, W) in [0, 1]: dead leaves (Lee, Mumford and Huang 2001), grey on average."""
    rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    x = torch.full((3, size, size), 0.5)
    for row, column, radius, tone, *colour in torch.rand(leaves, 7, generator=generator("leaves")).tolist():
        inside = (rows - row * size) ** 2 + (columns - column * size) ** 2 < (2 / (radius + 0.07)) ** 2
        x[:, inside] = (0.02 + 0.9 * tone + 0.12 * (torch.tensor(colour) - 0.5))[:, None]
    return gaussian(x, 0.5)


@pytest.fixture(scope="module")
def good() -> Tensor:
    return photograph().clamp(0, 1)


def clipped(x: Tensor) -> float:
    return float(((x <= 0.002) | (x >= 0.998)).float().mean())


def psnr(x: Tensor, y: Tensor) -> float:
    return float(-10 * torch.log10((x - y).square().mean()))


def better(x: Tensor) -> Tensor:
    return enhanced(x, needs(x))


def test_a_picture_in_order_changes_little_and_clips_no_more(good: Tensor) -> None:
    out = better(good)
    assert (out - good).abs().mean() < 0.01
    assert clipped(out) <= clipped(good) + 0.001


def test_what_is_transparent_is_not_judged(good: Tensor) -> None:
    hidden = torch.zeros(3, 96, 96)
    alpha = torch.zeros(1, 96, 96)
    hidden[:, 10:80, 20:90], alpha[:, 10:80, 20:90] = good[:, 10:80, 20:90], 1
    given = to_image(torch.cat([hidden, alpha]) * 2 - 1)
    ((_, made, _),) = draw(Enhancer(), [Enhance(image=given)])
    before, after = (np.asarray(picture, int)[10:80, 20:90, :3] for picture in (given, made))
    assert np.abs(before - after).mean() < 0.02 * 255
    assert np.array_equal(np.asarray(given)[..., 3], np.asarray(made)[..., 3])


WARM = torch.tensor([1.0, 0.8, 0.55])[:, None, None]
DAMAGES = {
    "dark": lambda x: x**2.5,
    "bright": lambda x: x**0.35,
    "pale": lambda x: 0.35 + 0.4 * x,
    "warm": lambda x: x * WARM,
    "noisy": lambda x: (x + 0.06 * torch.randn(x.shape, generator=generator("grain"))).clamp(0, 1),
    "soft": lambda x: gaussian(x, 1.2),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_bad_picture_gets_nearer_to_the_good_one(damage: str, good: Tensor) -> None:
    bad = DAMAGES[damage](good)
    assert psnr(better(bad), good) > psnr(bad, good) + 1
    assert clipped(better(bad)) <= max(clipped(bad), clipped(good)) + 0.02


def test_what_is_needed_is_what_was_done(good: Tensor) -> None:
    fine = needs(good)
    found = {damage: needs(change(good)) for damage, change in DAMAGES.items()}
    assert found["noisy"].noise == pytest.approx(0.06, abs=0.015)
    assert fine.noise == 0
    assert found["warm"].gains[0] < 0.95 < 1.2 < found["warm"].gains[2]
    assert all(abs(gain - 1) < 0.05 for gain in fine.gains)
    assert found["dark"].gamma < 0.9 < 1.05 < found["bright"].gamma
    assert found["pale"].black > 0.2
    assert found["soft"].sharpen > 1 > fine.sharpen


@pytest.mark.parametrize("value", [0.0, 0.4, 1.0])
def test_plain_pictures_come_out_whole(value: float) -> None:
    plain = torch.full((3, 20, 16), value)
    assert better(plain).isfinite().all()
    assert (better(plain) - plain).abs().max() < 0.05
    assert better(torch.rand(1, 1, 1)).shape == (1, 1, 1)


def answer(image: Image.Image | Path, **amounts: Any) -> Image.Image:
    ((_, picture, _),) = draw(Enhancer(), [Enhance(image=image, **amounts)])
    return picture


NOTHING = {"exposure": 0, "white_balance": 0, "contrast": 0, "sharpness": 0, "denoise": 0}


def test_amounts_of_0_change_nothing_and_each_does_its_own(good: Tensor) -> None:
    bad = to_image(DAMAGES["warm"](DAMAGES["dark"](good)) * 2 - 1)
    assert np.array_equal(answer(bad, **NOTHING), bad)
    grey = answer(bad, **NOTHING | {"white_balance": 1})
    light = answer(bad, **NOTHING | {"exposure": 1})
    half = answer(bad, **NOTHING | {"exposure": 0.5})
    means = [np.asarray(image, np.float64).mean((0, 1)) for image in (bad, grey, light, half)]
    assert means[1][2] / means[1][0] > 1.2 * means[0][2] / means[0][0]
    assert means[0].mean() < means[3].mean() < means[2].mean()


def test_every_kind_of_picture_keeps_its_kind(tmp_path: Path, good: Tensor) -> None:
    dark = to_image(DAMAGES["dark"](good) * 2 - 1)
    assert answer(dark.convert("L")).mode == "L"
    clear = dark.copy()
    alpha = Image.linear_gradient("L").resize(dark.size)
    clear.putalpha(alpha)
    out = answer(clear)
    assert (out.mode, out.getchannel("A").tobytes()) == ("RGBA", alpha.tobytes())
    deep = Image.fromarray(np.asarray(dark.convert("L"), np.uint16) * 257)
    deep.save(tmp_path / "deep.png")
    assert np.array_equal(answer(tmp_path / "deep.png"), answer(dark.convert("L")))
    turned = Image.Exif()
    turned[0x0112] = 6
    dark.crop((0, 0, 96, 60)).save(tmp_path / "turned.jpg", exif=turned)
    assert answer(tmp_path / "turned.jpg", scale=2).size == (120, 192)


def test_the_command_and_its_sheet(huabi: Any, tmp_path: Path, good: Tensor) -> None:
    to_image(DAMAGES["dark"](good) * 2 - 1).save(tmp_path / "dark.png")
    out, sheet = tmp_path / "out.png", tmp_path / "sheet.png"
    done = huabi("enhance", tmp_path / "dark.png", "--out", out, "--sheet", sheet, "--scale", 2)
    assert (done.code, done.out.strip()) == (0, str(out)), done.err
    assert open_picture(out).size == (192, 192)
    assert open_picture(sheet).size == (2 * 192 + 2, 192)
    recipe = read_recipe(out)
    assert recipe is not None
    assert (recipe["task"], recipe["request"]["scale"]) == ("enhance", 2)
    again = huabi("again", out, "--input", tmp_path / "dark.png", "--out", tmp_path / "same.png")
    assert "the same to the bit" in again.out
    deep = torch.rand(3, 20, 20) * 2 - 1
    (tmp_path / "deep.png").write_bytes(encode_deep(deep))
    done = huabi("enhance", tmp_path / "deep.png")
    assert done.out.strip() == str(tmp_path / "deep-enhanced.png"), done.err
    assert is_deep(Picture.of(tmp_path / "deep-enhanced.png"))
    options = set(inspect.signature(cli.enhance.enhance).parameters) | {"image"}
    assert set(Enhance.model_fields) <= options


def test_a_folder_is_enlarged_beside_itself(
    huabi: Any, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(photos)
    for name in ("photos-enhanced", "photos-enhanced-2"):
        done = huabi("enhance", ".", "--augment", "--n", 1)
        assert done.out.strip() == str(photos.parent / name), done.err
    picture = next((photos / "cat").iterdir())
    refused(huabi("enhance", picture, "--out", photos / "a.png", "--sheet", picture), "would be lost")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["NOWHERE", "--out", "OUT.png"], ["no such picture or folder"]),
        (["PHOTOS", "--out", "OUT.png"], ["--augment"]),
        (["PHOTO", "--augment", "--out", "OUT"], ["is no folder"]),
        (["PHOTO", "--out", "OUT"], ["give a file"]),
        (["PHOTO", "--out", "OUT.png", "--n", "3"], ["--n is of a folder"]),
        (["PHOTO", "--out", "OUT.png", "--exposure", "2"], ["--exposure 2"]),
        (["PHOTOS", "--augment", "--out", "OUT", "--white-balance", "1"], ["--white-balance is of one picture"]),
        (["PHOTOS", "--augment", "--out", "OUT", "--n", "0"], ["1 to 64"]),
        (["PHOTOS", "--augment", "--out", "OUT", "--ways", "flop"], ["did you mean 'flip'"]),
        (["PHOTOS", "--augment", "--out", "PHOTOS"], ["is there already"]),
        (["PHOTOS", "--augment", "--out", "OUT", "--model", "NOWHERE"], ["no run in"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_mistakes_get_one_line(words: list[str], says: list[str], huabi: Any, photos: Path, tmp_path: Path) -> None:
    places = {"PHOTOS": photos, "PHOTO": next((photos / "cat").iterdir()), "NOWHERE": tmp_path / "NOWHERE"}
    places |= {"OUT": tmp_path / "out", "OUT.png": tmp_path / "out.png"}
    refused(huabi("enhance", *[places.get(word, word) for word in words]), *says)
    assert not (tmp_path / "out").exists()


def table(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metadata.jsonl").read_text("utf-8").splitlines()]


def test_a_folder_grows_and_no_derivative_of_a_held_out_picture_is_trained_on(huabi: Any, tmp_path: Path) -> None:
    photos, out = write_pictures(tmp_path / "photos", count=40), tmp_path / "more"
    done = huabi("enhance", photos, "--augment", "--n", 3, "--out", out)
    assert done.code == 0, done.err
    assert "40 originals, 120 derived" in done.err
    rows = table(out)
    assert len(rows) == 160
    for path in photos.rglob("*.png"):
        assert (out / path.relative_to(photos)).read_bytes() == path.read_bytes()
    for row in rows:
        assert row["label"] == row["file_name"].split("/")[0]
        assert all(source.startswith(row["label"]) for source in row.get("derived_from", []))
    used = {way for row in rows if "how" in row for way in WAYS if way in row["how"]}
    assert used == set(WAYS)
    before, after = (prepare(folder, size=8) for folder in (photos, out))
    assert after.spec.labels == before.spec.labels
    held = [{data.names[row] for row in data.heldout} for data in (before, after)]
    assert held[0] == held[1] != set()
    sources = {row["file_name"]: set(row.get("derived_from", ())) for row in rows}
    trained = {after.names[row] for row in after.train}
    assert not held[1] & trained
    assert not any(held[1] & sources[name] for name in trained)
    left = set(after.names) - trained - held[1]
    assert left == {name for name in after.names if held[1] & sources[name]} != set()
    before.close(), after.close()


def test_the_same_seed_derives_the_same_pictures_and_of_a_derived_folder_the_originals_are_told(tmp_path: Path) -> None:
    photos = write_pictures(tmp_path / "photos", count=4)
    for name in ("a", "b"):
        derive(photos, tmp_path / name, n=2, seed=7)
    derive(photos, tmp_path / "c", n=2, seed=8)
    contents = [[p.read_bytes() for p in sorted((tmp_path / n).rglob("*.png"))] for n in ("a", "b", "c")]
    assert contents[0] == contents[1] != contents[2]
    derive(tmp_path / "a", tmp_path / "d", n=1)
    originals = {row["file_name"] for row in table(tmp_path / "a") if "derived_from" not in row}
    assert {source for row in table(tmp_path / "d") for source in row.get("derived_from", ())} <= originals


def test_captions_stay_true(tmp_path: Path) -> None:
    photos = write_pictures(tmp_path / "photos", count=6, classes=())
    for path in photos.glob("*.png"):
        path.with_suffix(".txt").write_text("a house on the left" if path.stem < "0003" else "a house")
    (photos / "broken.png").write_bytes(b"\x89PNG nothing")
    done = derive(photos, tmp_path / "out", n=8)
    assert [name for name, _ in done.left_out] == ["broken.png"]
    rows = [row for row in table(tmp_path / "out") if "how" in row]
    flipped = {row["text"] for row in rows if "flip" in row["how"]}
    assert flipped == {"a house"}
    assert not any("mixup" in row["how"] for row in rows)
    assert {item.caption for item in scan(tmp_path / "out").items} == {"a house", "a house on the left"}
    with pytest.raises(DataError, match="is there already"):
        derive(photos, tmp_path / "out")


class Paints(Model):
    """Draws a cat dark and a dog light, and every other time the other one."""

    requests = (Generate,)
    spec = DataSpec((12, 12), labels=("cat", "dog"))

    def sample(self, requests: Sequence[Generate]) -> Iterator[Tensor]:
        tones = [(r.label == "dog") ^ (r.seed % 2 == 1) for r in requests]
        yield torch.tensor(tones)[:, None, None, None].expand(-1, 3, 12, 12) * 1.0 - 0.5


class Looks(Model):
    """Takes what is light for a dog."""

    spec = DataSpec((8, 8), labels=("cat", "dog"))

    def sample(self, requests: Sequence[Any]) -> Iterator[Tensor]:
        raise NotImplementedError

    def classify(self, x: Tensor) -> Tensor:
        assert x.shape[1:] == (3, 8, 8)
        return torch.stack([-x.mean((1, 2, 3)), x.mean((1, 2, 3))], 1)


def test_a_model_draws_more_and_a_classifier_lets_only_the_right_ones_in(photos: Path, tmp_path: Path) -> None:
    done = derive(photos, tmp_path / "out", n=0, model=Paints(), classifier=Looks())
    drawn = [row for row in table(tmp_path / "out") if row.get("how") == "drawn"]
    assert len(drawn) == done.counts["drawn"] == 24 - done.counts["refused"] > 12
    for row in drawn:
        light = np.asarray(open_picture(tmp_path / "out" / row["file_name"])).mean() > 127
        assert (row["label"] == "dog") == light
    held = prepare(tmp_path / "out", size=8)
    assert not {row["file_name"] for row in drawn} & {held.names[row] for row in held.heldout}
    held.close()
    with pytest.raises(RequestError, match="add --model RUN"):
        derive(photos, tmp_path / "x", classifier=Looks())
    with pytest.raises(RequestError, match="reads no labels"):
        derive(photos, tmp_path / "x", model=Paints(), classifier=Paints())
    foreign, blind = Paints(), Paints()
    foreign.spec, blind.spec = DataSpec((12, 12), labels=("fox",)), DataSpec((12, 12))
    for model, says in ((foreign, "not taught 'cat'"), (blind, "add --classifier")):
        with pytest.raises(RequestError, match=says):
            derive(photos, tmp_path / "x", model=model)
    assert not (tmp_path / "x").exists()


def test_the_split_leaves_aside_what_was_derived_from_what_is_held_out() -> None:
    keys = [bytes([k]) * 4 for k in range(60)]
    train, heldout = split(keys)
    sources = [None] * 60 + [[k] for k in range(60)] + [[0, int(heldout[0])], []]
    more = [b"derived" + bytes([k]) for k in range(62)]
    train_more, same = split([*keys, *more], sources=sources)
    assert same.tolist() == heldout.tolist()
    assert set(train_more.tolist()) == {*train.tolist(), *(60 + k for k in train.tolist()), 121}


@pytest.mark.parametrize("size", [(600, 150), (31, 90), (3, 40)])
def test_a_turned_picture_shows_nothing_but_itself(size: tuple[int, int]) -> None:
    white = _Source(cast(Any, None), Image.new("RGB", size, "white"), None)
    for seed in range(6):
        turned, how = WAYS["turn"](white, random.Random(seed))
        assert turned.size == size
        assert np.asarray(turned).min() == 255, how
