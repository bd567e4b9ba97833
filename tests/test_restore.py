"""Restoration: the damages are what they claim, what is learnt undoes them, and all else of a picture survives."""

from __future__ import annotations

import inspect
import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from conftest import TINY, at_mean, refused, write_pictures
from huabi import api, cli, damage, index
from huabi.config import configure
from huabi.cost import example
from huabi.deep import encode_deep, is_deep, to_deep_tensor
from huabi.diffusion import DDPM, EDM, Flow
from huabi.diffusion import Path as NoisePath
from huabi.errors import RequestError
from huabi.families import restorer
from huabi.families.diffusion import Diffusion
from huabi.families.restorer import Restorer
from huabi.metrics.restoration import psnr
from huabi.model import Batch, DataSpec
from huabi.pictures import Picture, open_picture, read_recipe, to_image
from huabi.plan import Plan
from huabi.ranks import Ranks
from huabi.requests import Edit, Restore
from huabi.restoring import restored
from huabi.rng import BatchRng
from huabi.sampling import repaint
from huabi.trainer import Trainer
from test_serve_security import forged

GREY = DataSpec((32, 32), 1, count=32)
DAMAGES: dict[str, Callable[[Tensor, BatchRng], Tensor]] = {
    "gaussian": lambda x, rng: damage.gaussian_noise(x, rng, 50),
    "camera": lambda x, rng: damage.camera_noise(x, rng, 50),
    "mixed": lambda x, rng: damage.noise(x, rng, 50),
    "blurred": damage.blurred,
    "jpeg": damage.jpeg,
    "aged": damage.aged,
    "holes": lambda x, rng: damage.holes(x, rng).float(),
}


def shapes(rows: int, seed: int, channels: int = 1, size: int = 32) -> Tensor:
    """Boxes of plain brightness on a slope (B, C, H, W) in [-1, 1]."""
    rng = np.random.default_rng(seed)
    x = np.empty((rows, channels, size, size), np.float32)
    for row in x:
        row[:] = np.linspace(*rng.uniform(-0.9, 0.9, 2), size)
        for _ in range(3):
            top, left, height, width = rng.integers(0, size, 4)
            row[:, top : top + height, left : left + width] = rng.uniform(-0.9, 0.9, (channels, 1, 1))
    return torch.from_numpy(x)


def built(spec: DataSpec = GREY, **settings: Any) -> Restorer:
    torch.manual_seed(0)
    family = Restorer(configure(restorer.RestorerConfig(), TINY["restorer"] | settings), spec).eval()
    for parameter in family.parameters():  # a fresh network adds nothing: let every part of it speak
        parameter.data.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0)), alpha=0.05)
    return family


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("name", DAMAGES)
def test_a_row_is_damaged_the_same_alone_and_among_others(name: str, channels: int) -> None:
    x, rng = shapes(4, 0, channels), BatchRng(0, 0, 4)
    whole, alone = DAMAGES[name](x, rng), DAMAGES[name](x[2:3], BatchRng(0, 0, 4).rows(2, 3))
    torch.testing.assert_close(whole[2:3], alone, atol=1e-6, rtol=0)
    assert not torch.equal(whole[2], whole[3])
    if channels == 4 and name != "holes":
        assert torch.equal(whole[:, 3], x[:, 3])


def test_gaussian_noise_has_the_deviation_it_drew() -> None:
    x = torch.zeros(8, 3, 64, 64)
    sigma = BatchRng(3, 0, 8).uniform() * 50 / 127.5
    found = damage.gaussian_noise(x, BatchRng(3, 0, 8), 50)
    torch.testing.assert_close(found.std((1, 2, 3)), sigma, rtol=0.03, atol=1e-4)
    assert found.mean((1, 2, 3)).abs().max() < 0.02


@pytest.mark.parametrize("brightness", [0.0, 0.25, 1.0])
def test_camera_noise_has_the_variance_of_photons_and_of_the_sensor(brightness: float) -> None:
    x = torch.full((16, 1, 96, 96), 2 * brightness - 1)
    u = BatchRng(1, 0, 16).uniform(3)
    grain = damage.camera_noise(x, BatchRng(1, 0, 16), 50) - x
    variance = (u[:, 0] * 50 / 127.5).square() * (u[:, 1] * brightness + 1 - u[:, 1])
    sites = grain[:, 0, ::2, 1::2]  # of green, where every row has its own noise
    torch.testing.assert_close(sites.var((1, 2)), variance, rtol=0.12, atol=1e-5)
    between = grain[:, 0, ::2, ::2].var((1, 2)) / variance  # the mean of four neighbours there
    expected = torch.where(u[:, 2] < 0.5, 0.25, 1.0)
    torch.testing.assert_close(between, expected, rtol=0.15, atol=0.01)


def test_a_blur_moves_light_and_neither_makes_nor_takes_any() -> None:
    point = torch.zeros(24, 1, 33, 33)
    point[..., 16, 16] = 1
    spread = damage.blurred(point, BatchRng(0, 0, 24))
    torch.testing.assert_close(spread.sum((1, 2, 3)), torch.ones(24))
    assert spread.min() >= 0
    assert len({round(peak, 4) for peak in spread.amax((1, 2, 3)).tolist()}) > 12
    plain = torch.full((4, 3, 20, 20), 0.3)
    torch.testing.assert_close(damage.blurred(plain, BatchRng(0, 0, 4)), plain)


def test_a_finer_jpeg_is_nearer() -> None:
    x = shapes(4, 1, 3)
    coarse, fine = (damage.jpeg(x, BatchRng(0, 0, 4), q, q) for q in (10, 95))
    assert (psnr(fine, x) > psnr(coarse, x) + 3).all()
    assert psnr(coarse, x).min() > 15


def test_shrunk_is_what_pillow_makes() -> None:
    x = shapes(1, 2, 3, 48)
    image = Image.fromarray(((x[0] + 1) * 127.5).round().byte().permute(1, 2, 0).numpy())
    known = np.asarray(image.resize((16, 16), Image.Resampling.BICUBIC))
    found = ((damage.shrunk(x, 3)[0] + 1) * 127.5).permute(1, 2, 0).numpy()
    assert np.abs(found - known).max() < 2


def test_grey_holes_and_age() -> None:
    x = shapes(32, 3, 3)
    flat = damage.grey(x)
    assert torch.equal(flat[:, 0], flat[:, 1])
    torch.testing.assert_close(damage.grey(flat), flat)
    share = damage.holes(x, BatchRng(0, 0, 32)).float().mean((1, 2, 3))
    assert share.min() > 0
    assert share.max() < 0.9
    old = damage.aged(x, BatchRng(0, 0, 32))
    assert old.abs().max() <= 1
    colour = (x[:, :3].amax(1) - x[:, :3].amin(1)).mean(), (old.amax(1) - old.amin(1)).mean()
    assert colour[1] < colour[0]


def batches(spec: DataSpec, rows: int) -> Iterator[Batch]:
    step = 0
    while True:
        yield Batch(shapes(rows, step, spec.channels), BatchRng(0, step, rows), torch.arange(rows))
        step += 1


def test_a_denoiser_beats_the_noisy_picture_after_seconds() -> None:
    torch.manual_seed(0)
    settings = {"crop": 16, "net.width": 16, "net.depth": (1,), "lr": 5e-3, "warmup": 5}
    trainer = Trainer(
        Restorer(configure(restorer.RestorerConfig(), settings), GREY), Plan.of_steps(50), ranks=Ranks.alone()
    )
    for _ in trainer.run(batches(GREY, 8)):
        pass
    x = shapes(16, 10_000)
    noisy = x + 25 / 127.5 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    with trainer.averaged() as family:
        assert isinstance(family, Restorer)
        assert psnr(family.restore(noisy, "denoise"), x).mean() > psnr(noisy, x).mean() + 3


PAIRED = DataSpec((32, 32), 1, count=32, pairing="paired")


def test_pairs_teach_their_own_damage() -> None:
    def dimmed() -> Iterator[Batch]:
        for step in itertools.count():
            x = shapes(8, step)
            yield Batch(x * 0.4 - 0.5, BatchRng(0, step, 8), torch.arange(8), target=x)

    torch.manual_seed(0)
    settings = {"task": ("mend",), "crop": 16, "net.width": 16, "net.depth": (1,), "lr": 5e-3, "warmup": 5}
    family = Restorer(configure(restorer.RestorerConfig(), settings), PAIRED)
    trainer = Trainer(family, Plan.of_steps(60), ranks=Ranks.alone())
    for _ in trainer.run(dimmed()):
        pass
    x = shapes(16, 10_000)
    dim = x * 0.4 - 0.5
    assert psnr(at_mean(trainer).restore(dim, "mend"), x).mean() > psnr(dim, x).mean() + 8  # type: ignore[operator]


def test_of_pairs_of_two_sizes_the_small_ones_are_seen_as_they_are() -> None:
    settings = {"task": ("upscale",), "scale": 4, "crop": 16, "net.width": 8, "net.depth": (1,)}
    family = Restorer(configure(restorer.RestorerConfig(), settings), PAIRED)
    small = torch.rand(6, 1, 8, 8) * 2 - 1
    wide = F.interpolate(small, scale_factor=4)
    image, given, hole, _ = family._shown(Batch(wide, BatchRng(0, 0, 6), torch.arange(6), target=wide))
    torch.testing.assert_close(F.interpolate(given, scale_factor=4), image)  # no pixel was cut through
    assert hole is None
    for task in (("denoise", "mend"), ("inpaint",)):
        with pytest.raises(RequestError, match="pairs show one damage"):
            Restorer(configure(restorer.RestorerConfig(), {"task": task}), PAIRED)


@pytest.mark.parametrize("settings", [{}, {"net": "dncnn", "net.depth": 4}, {"task": ("upscale",), "scale": 3}])
def test_tiles_are_as_the_whole(settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"net.depth": (1, 1), "net.width": 8} | settings
    family, x = built(**settings), shapes(1, 5, size=160)
    whole = family.restore(x)
    monkeypatch.setattr(restorer, "TILE", 96 * family.scale)
    monkeypatch.setattr(restorer, "OVERLAP", 64)  # a quarter of it is more than these networks look far
    torch.testing.assert_close(family.restore(x), whole, atol=1e-3, rtol=0)


def png(x: Tensor, path: Path) -> Picture:
    path.write_bytes(encode_deep(x))
    return Picture.of(path)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_sixteen_bits_survive_to_the_level(channels: int, tmp_path: Path) -> None:
    levels = np.random.default_rng(0).integers(0, 65536, (channels, 7, 9))
    x = torch.from_numpy(levels.astype(np.float32) / 32767.5 - 1)
    picture = png(x, tmp_path / "deep.png")
    assert is_deep(picture)
    found = to_deep_tensor(picture)
    assert np.array_equal(((found + 1) * 32767.5).round().numpy(), levels)
    shown = np.asarray(picture.image({1: 1, 3: 3, 4: 4}[channels])).reshape(7, 9, -1)
    assert np.abs(shown / 255 - levels.transpose(1, 2, 0) / 65535).max() < 0.005
    assert not is_deep(Picture.of(Image.new("RGB", (4, 4))))


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("trained", [1, 3, 4])
def test_what_is_known_stays_to_the_bit(channels: int, trained: int, tmp_path: Path) -> None:
    family = built(DataSpec((16, 16), trained), task=("inpaint",))
    x = torch.rand(channels, 21, 18, generator=torch.Generator().manual_seed(0)) * 2 - 1
    mask = np.zeros((21, 18), np.uint8)
    mask[5:12, 4:9] = 255
    picture = png(x, tmp_path / "deep.png")
    [out] = next(iter(family.sample([Restore(image=picture, task="inpaint", mask=mask)])))
    given, hole = to_deep_tensor(picture), torch.from_numpy(mask) > 0
    assert out.shape == given.shape
    assert torch.equal(out[:, ~hole], given[:, ~hole])
    assert not torch.equal(out[0][hole], given[0][hole])


def test_grey_stays_grey_and_transparency_stays() -> None:
    family = built(DataSpec((16, 16), 3))
    flat = (shapes(1, 1, size=20)[0, 0].numpy() * 100 + 128).astype(np.uint8)
    [out] = next(iter(family.sample([Restore(image=flat, task="denoise")])))
    assert out.shape == (1, 20, 20)
    rgba = np.stack([flat, flat, flat, flat.T], -1)
    [out] = next(iter(family.sample([Restore(image=rgba, task="denoise")])))
    assert torch.equal(out[0], out[2])
    assert np.array_equal(((out[3] + 1) * 127.5).round().numpy(), flat.T)


def test_what_is_hidden_does_not_darken_edges_and_filled_holes_are_seen() -> None:
    clear = np.zeros((16, 16, 4), np.uint8)
    clear[:, 8:] = 200, 180, 160, 255
    enlarged = restored(Restore(image=clear, task="upscale"), 3, lambda x, hole: F.interpolate(x, scale_factor=2.0))
    seen = enlarged[:3, enlarged[3] > -1]
    assert (seen - seen[:, :1]).abs().max() < 0.01
    hole = np.zeros((16, 16), np.uint8)
    hole[4:8, 2:10] = 255
    filled = restored(Restore(image=clear, task="inpaint", mask=hole), 3, lambda x, hole: x)
    assert bool((filled[3] == 1)[torch.from_numpy(hole > 0)].all())
    kept = torch.from_numpy(hole == 0) & (filled[3] == 1)
    assert ((filled[:3, kept] + 1) * 127.5).round().unique().tolist() == [160, 180, 200]


def test_one_pixel_and_odd_sides() -> None:
    for settings in ({}, {"task": ("upscale",)}, {"net": "dncnn", "net.depth": 3}):
        family = built(**settings)
        for size in ((1, 1), (1, 7), (13, 5)):
            out = family.restore(torch.zeros(2, 1, *size))
            assert out.shape == (2, 1, size[0] * family.scale, size[1] * family.scale)


def test_strength_zero_is_the_picture_and_memory_is_asked_first(monkeypatch: pytest.MonkeyPatch) -> None:
    image = np.random.default_rng(0).integers(0, 256, (9, 11, 3), dtype=np.uint8)
    family = built(DataSpec((16, 16), 3))
    [out] = next(iter(family.sample([Restore(image=image, task="denoise", strength=0)])))
    assert np.array_equal(((out + 1) * 127.5).round().permute(1, 2, 0).numpy(), image)
    monkeypatch.setattr("huabi.restoring.free_memory", lambda device: 1000)
    with pytest.raises(RequestError, match=r"result of 22x18 pixels takes .* smaller"):
        restored(Restore(image=image, task="upscale"), 3, lambda x, hole: x)


def test_colour_comes_to_what_has_none() -> None:
    family = built(DataSpec((16, 16), 3), task=("colourise",))
    [out] = next(iter(family.sample([Restore(image=np.full((8, 8), 90, np.uint8), task="colourise")])))
    assert out.shape == (3, 8, 8)
    with pytest.raises(RequestError, match="--channels 3"):
        built(task=("colourise",))


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"task": ("denoize",)}, "did you mean 'denoise'"),
        ({"task": ("upscale", "mend")}, "stands alone"),
        ({"noise": "loud"}, "gaussian, mixed"),
        ({"scale": 5}, "2, 3 or 4"),
        ({"net": "unet"}, "known are gated, dncnn"),
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(RequestError, match=says):
        configure(restorer.RestorerConfig(), settings)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A denoiser and a filler of holes in one, a doubler, and a vae, trained for two steps."""
    folder = tmp_path_factory.mktemp("restorers")
    photos = write_pictures(folder / "photos")
    same = TINY["restorer"] | {"batch": 2}
    for name, settings in (("both", {"task": "denoise+inpaint"}), ("double", {"task": "upscale"})):
        api.train("restorer", photos, folder / name, size=12, steps=2, threads=1, settings=same | settings)
    api.train("vae", photos, folder / "vae", size=8, steps=1, threads=1, settings=TINY["vae"])
    return folder


@pytest.mark.parametrize(("task", "paired"), [("denoise+inpaint", False), ("upscale", False), ("mend", True)])
def test_previews_show_what_was_damaged_mended_and_whole(
    task: str, paired: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUABI_HOME", str(tmp_path / "home"))  # its runs are nobody else's last ones
    for name in "AB" if paired else ("photos",):
        write_pictures(tmp_path / "data" / name, classes=("",))
    for path in (tmp_path / "data" / "A").glob("*.png"):
        Image.open(path).point(lambda level: level // 2).save(path)
    settings = TINY["restorer"] | {"batch": 2, "task": task}
    api.train("restorer", tmp_path / "data", tmp_path / "run", size=12, steps=2, threads=1, settings=settings)
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    (told,) = [row for row in log if "heldout_psnr" in row]
    with Image.open(next((tmp_path / "run" / "previews").glob("*.png"))) as sheet:
        columns, rows = ((side + 2) // (8 + 2) for side in sheet.size)  # crops of 8 pixels
    assert (columns, rows) == (told["heldout"], 3)
    assert 0 < told["heldout_psnr"] < 60


def test_every_field_has_its_option() -> None:
    options = set(inspect.signature(cli.restore.restore).parameters)
    assert set(Restore.model_fields) <= options


def test_the_command(huabi: Any, runs: Path, tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    open_picture(next((runs / "photos" / "cat").iterdir())).save(photo)
    out = tmp_path / "clean.png"
    done = huabi("restore", photo, "--task", "denoise", "--out", out, "--method", runs / "both")
    assert done.code == 0, done.err
    recipe = read_recipe(out)
    assert recipe is not None
    assert recipe["request"]["task"] == "denoise"
    assert recipe["rows"] == 1
    again = huabi("again", out, "--out", tmp_path / "again.png", "--input", photo)
    assert "the same to the bit" in again.out, again.err
    sheet = tmp_path / "sheet.png"
    for name in ("photo-upscale.png", "photo-upscale-2.png"):  # beside the picture; by the last run that fits
        large = huabi("restore", photo, "--task", "upscale", "--sheet", sheet)
        assert large.out.strip() == str(tmp_path / name), large.err
        assert open_picture(tmp_path / name).size == (24, 24)
    assert open_picture(sheet).size == (2 * 24 + 2, 24)
    png(torch.rand(3, 8, 8) * 2 - 1, tmp_path / "deep.png")
    for suffix, deep in ((".png", True), (".jpg", False)):
        target = tmp_path / f"clean{suffix}"
        words = ("--task", "denoise", "--out", target, "--method", runs / "both")
        assert huabi("restore", tmp_path / "deep.png", *words).code == 0
        assert is_deep(Picture.of(target)) is deep
        assert read_recipe(target) is not None


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_sixteen_bits_are_vouched_for(huabi: Any, channels: int, tmp_path: Path) -> None:
    png(torch.rand(channels, 12, 10) * 2 - 1, tmp_path / "deep.png")
    words = ("restore", tmp_path / "deep.png", "--task", "denoise", "--method", "tv", "--out")
    assert huabi(*words, tmp_path / "clean.png").code == 0
    assert huabi("verify", tmp_path / "clean.png").code == 0
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "provenance.toml").write_text('visible = "en"')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HUABI_HOME", str(tmp_path / "home"))
        assert "in 8 bits" in huabi(*words, tmp_path / "marked.png").err
    assert not is_deep(Picture.of(tmp_path / "marked.png"))


def test_edit_fills_holes_by_what_restores(huabi: Any, runs: Path, tmp_path: Path) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (12, 12, 3), dtype=np.uint8)).save(tmp_path / "photo.png")
    hole = Image.new("L", (12, 12))
    hole.paste(255, (3, 3, 8, 9))
    hole.save(tmp_path / "hole.png")
    words = ("edit", tmp_path / "photo.png", "--mask", tmp_path / "hole.png", "--model")
    for name in ("telea", runs / "both"):
        done = huabi(*words, name, "--out", tmp_path / "filled.png")
        assert done.code == 0, done.err
        filled, photo = (np.asarray(open_picture(tmp_path / f"{n}.png")) for n in ("filled", "photo"))
        known = np.asarray(hole) == 0
        assert (filled[known] == photo[known]).all()
        assert (filled[~known] != photo[~known]).any()
        again = huabi("again", tmp_path / "filled.png", "--input", tmp_path / "photo.png", "--out", tmp_path / "a.png")
        assert "the same to the bit" in again.out, again.err
    refused(huabi(*words[:2], "a cat", *words[2:], "telea"), "draws nothing new")
    refused(huabi("edit", tmp_path / "photo.png", "--model", "telea"), "--mask FILE")


@pytest.mark.parametrize("words", [("edit",), ("restore", "--task", "inpaint")])
def test_without_words_a_hole_is_filled_by_the_users_own_or_by_a_method(
    words: tuple[str, ...], huabi: Any, runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUABI_HOME", str(tmp_path / "home"))
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (12, 12, 3), dtype=np.uint8)).save(tmp_path / "photo.png")
    hole = Image.new("RGBA", (12, 12))  # as it is drawn: white on nothing
    hole.paste((255, 255, 255, 255), (3, 3, 8, 9))
    hole.save(tmp_path / "hole.png")
    asked = (*words, tmp_path / "photo.png", "--mask", tmp_path / "hole.png", "--out", tmp_path / "filled.png")

    def filled_by() -> str:
        done = huabi(*asked)
        assert done.code == 0, done.err
        recipe = read_recipe(tmp_path / "filled.png")
        assert recipe is not None
        return str(recipe["family"])

    assert filled_by() == "telea"
    index.add("0" * 64, runs / "both")
    assert filled_by() == "restorer"


def test_known_pixels_stay_in_the_file_and_what_was_drawn_is_marked(huabi: Any, tmp_path: Path) -> None:
    x = shapes(1, 3, 3, 192)[0]
    x = x + 0.05 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    to_image(x).save(tmp_path / "photo.png")
    hole = Image.new("L", (192, 192))
    hole.paste(255, (10, 10, 180, 180))
    hole.save(tmp_path / "hole.png")
    photo = np.asarray(open_picture(tmp_path / "photo.png"))
    same = huabi("restore", tmp_path / "photo.png", "--task", "denoise", "--method", "tv", "--strength", 0)
    assert (np.asarray(open_picture(same.out.strip())) == photo).all()
    words = ("edit", tmp_path / "photo.png", "--mask", tmp_path / "hole.png", "--model", "telea")
    filled = huabi(*words, "--out", tmp_path / "filled.png")
    assert filled.code == 0, filled.err
    known = np.asarray(hole) == 0
    assert (np.asarray(open_picture(tmp_path / "filled.png"))[known] == photo[known]).all()
    recipe = read_recipe(tmp_path / "filled.png")
    assert recipe is not None
    if recipe["marks"]:
        assert recipe["marks"]["within"] == "mask"
        assert "watermark" in huabi("verify", tmp_path / "filled.png").out


def test_mistakes_get_one_line(huabi: Any, runs: Path, tmp_path: Path) -> None:
    for name, size, level in (("photo", 12, 90), ("small", 6, 255), ("black", 12, 0), ("white", 12, 255)):
        Image.new("L", (size, size), level).save(tmp_path / f"{name}.png")
    half = Image.new("L", (12, 12))
    half.paste(255, (0, 0, 5, 5))
    half.save(tmp_path / "half.png")

    def attempt(task: str, *words: object, out: str = "out.png") -> Any:
        return huabi("restore", tmp_path / "photo.png", "--task", task, "--out", tmp_path / out, *words)

    both = ("--method", runs / "both")
    refused(attempt("dream"), "--task", "denoise")
    refused(attempt("inpaint", *both), "--mask FILE")
    refused(attempt("inpaint", *both, "--mask", tmp_path / "small.png"), "6x6", "12x12")
    refused(attempt("inpaint", *both, "--mask", tmp_path / "black.png"), "all black")
    refused(attempt("inpaint", *both, "--mask", tmp_path / "white.png"), "all white")
    refused(attempt("denoise", *both, "--mask", tmp_path / "half.png"), "leave it out")
    refused(attempt("deblur", *both), "not trained to deblur", "denoise, inpaint")
    refused(attempt("upscale", "--method", runs / "double", "--scale", 4), "--scale 2")
    refused(attempt("upscale", "--scale", 7), "--scale 7")
    refused(attempt("denoise", "--strength", 2), "--strength 2")
    refused(attempt("denoise", "--method", runs / "vae"), "does not answer Restore", "Generate")
    refused(attempt("denoise", "--method", "nothing-like-it"), "no run in")
    refused(attempt("mend"), "train restorer DATA --out RUN --set task=mend")
    refused(attempt("upscale", "--scale", 3), "--set task=upscale --set scale=3")
    refused(attempt("denoise", *both, out="out"), "give a file")
    refused(attempt("denoise", *both, out="out.bmp"), ".png")
    refused(attempt("denoise", *both, out="photo.png"), "would be lost")
    noise = np.random.default_rng(0).integers(0, 2, (256, 256), dtype=np.uint8) * 255
    Image.fromarray(noise).save(tmp_path / "fine.png")
    Image.new("L", (256, 256), 90).save(tmp_path / "photo.png")
    words = ("--method", "biharmonic", "--mask", tmp_path / "fine.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("huabi.provenance.publish.LONGEST_EXIF", 5000)
        refused(attempt("inpaint", *words, out="out.jpg"), "too long for JPEG", ".png")


ONE_PICTURE = [
    ("restore", "--task", "denoise", "--method", "tv"),
    ("restore", "--task", "denoise", "--method", "nl-means"),
    ("restore", "--task", "deblur", "--method", "wiener"),
    ("restore", "--task", "upscale", "--method", "bicubic"),
    ("restore", "--task", "denoise"),  # by what comes along
    ("enhance",),
    ("edit", "--mask", "MASK", "--model", "telea"),
]


@pytest.mark.parametrize("words", ONE_PICTURE, ids=" ".join)
def test_the_smallest_picture_and_one_that_is_too_large(huabi: Any, words: tuple[str, ...], tmp_path: Path) -> None:
    Image.new("RGB", (1, 1), "red").save(tmp_path / "one.png")
    (tmp_path / "huge.png").write_bytes(forged(20_000, 20_000))
    command, *more = (tmp_path / "one.png" if word == "MASK" else word for word in words)
    refused(huabi(command, tmp_path / "huge.png", *more, "--out", tmp_path / "a.png"), "huge.png", "pixels")
    done = huabi(command, tmp_path / "one.png", *more, "--out", tmp_path / "b.png")
    if command == "edit":  # all of it is missing
        refused(done, "all black")
    else:
        assert done.code == 0, done.err
        assert max(open_picture(tmp_path / "b.png").size) <= 2


@pytest.mark.parametrize("path", [Flow(), EDM(), DDPM()], ids=lambda path: type(path).__name__)
def test_noise_leads_back_up_the_path(path: NoisePath) -> None:
    t, higher = path.times(10)[6], path.times(10)[4]
    x0, eps = torch.full((1, 200_000), 0.5), torch.randn(2, 1, 200_000, generator=torch.Generator().manual_seed(0))
    found, known = path.noised(path.mix(x0, eps[0], t), t, higher, eps[1]), path.mix(x0, eps[0], higher)
    torch.testing.assert_close(found.mean(), known.mean(), atol=0.02 * known.std().item(), rtol=0)
    torch.testing.assert_close(found.std(), known.std(), rtol=0.01, atol=0)


def test_repainting_draws_what_fits_to_what_is_known() -> None:
    """Two normal numbers of correlation 0.9, of which one is known: the other has mean 0.9 a and variance 0.19."""
    path, covariance, known = EDM(), torch.tensor([[1, 0.9], [0.9, 1]]), 1.5
    rng = torch.Generator().manual_seed(0)

    def denoiser(x: Tensor, t: Tensor) -> Tensor:
        estimate = x @ torch.linalg.solve(covariance + t.float() ** 2 * torch.eye(2), covariance)
        return torch.stack([torch.full((len(x),), known), estimate[:, 1]], 1)

    def noised(x: Tensor, t: Tensor, higher: Tensor) -> Tensor:
        return path.noised(x, t, higher, torch.randn(x.shape, generator=rng))

    start = path.start(torch.randn(4_000, 2, generator=rng))
    means = []
    for rounds in (1, 8):
        *_, x = repaint(denoiser, start, path.times(20), noised, rounds)
        means.append(x[:, 1].mean().item())
        assert (x[:, 0] - known).abs().max() < 1e-4
    assert abs(means[1] - 1.35) < 0.15
    assert abs(means[1] - 1.35) < abs(means[0] - 1.35) / 2
    assert abs(x[:, 1].var().item() - 0.19) < 0.08


@pytest.mark.parametrize("path", ["flow", "edm"])
def test_a_generator_fills_holes_and_draws_on_beyond_the_edge(path: str) -> None:
    torch.manual_seed(0)
    spec = DataSpec((8, 8), 3, ("cat", "dog"))
    family = Diffusion(configure(Diffusion.Config(), TINY["diffusion"] | {"path": path, "steps": 3}), spec).eval()
    image = np.random.default_rng(0).integers(0, 256, (10, 12, 3), dtype=np.uint8)
    mask = np.zeros((10, 12), np.uint8)
    mask[2:6, 3:9] = 255
    *_, out = family.sample([Edit(image=image, mask=mask, seed=seed) for seed in range(2)])
    given = torch.from_numpy(image).permute(2, 0, 1) / 127.5 - 1
    hole = torch.from_numpy(mask) > 0
    torch.testing.assert_close(out[0][:, ~hole], given[:, ~hole], rtol=0, atol=1e-6)
    assert not torch.equal(out[0][:, hole], out[1][:, hole])
    *_, wide = family.sample([Edit(image=image, expand=2)])
    assert wide.shape == (1, 3, 14, 16)
    *_, kept = family.sample([Edit(image=image, mask=mask, strength=0)])
    torch.testing.assert_close(kept[0][:, ~hole], given[:, ~hole], rtol=0, atol=1e-6)
    for words in ({"prompt": "a cat"}, {"guidance": 3}):
        with pytest.raises(RequestError, match="leave"):
            list(family.sample([Edit(image=image, mask=mask, **words)]))


@pytest.mark.parametrize(
    ("settings", "size"),
    [
        ({"task": "upscale", "scale": 3, "crop": 64}, (96, 64)),
        ({"task": "denoise", "crop": 20}, (28, 28)),
        ({"task": "inpaint", "crop": 0}, (10, 26)),
    ],
)
def test_crops_of_any_side_are_trained_on(settings: dict[str, Any], size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    config = configure(restorer.RestorerConfig(), {"batch": 2, "net.width": 8} | settings)
    spec = DataSpec(size, 3, count=8)
    trainer = Trainer(Restorer(config, spec), Plan.of_steps(1), ranks=Ranks.alone())
    [report] = trainer.run(iter([example(spec, 2)]))
    assert report.step == 1


def test_a_small_hole_in_a_large_picture_is_drawn_at_its_own_scale() -> None:
    """What is worked on is the hole and its surroundings: far from it nothing of the picture matters."""
    spec = DataSpec((16, 16), 3, count=8)
    torch.manual_seed(0)
    family = Diffusion(configure(Diffusion.Config(), {"net.width": 16}), spec).eval()
    for parameter in family.parameters():
        parameter.data.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0)), alpha=0.05)
    rng = np.random.default_rng(0)
    one = rng.integers(0, 256, (200, 300, 3), dtype=np.uint8)
    other = one.copy()
    other[:100] = 255  # far away
    mask = np.zeros((200, 300), np.uint8)
    mask[150:156, 200:207] = 255
    made = []
    for image in (one, other):
        *_, out = family.sample([Edit(image=image, mask=mask, seed=1, steps=2)] * 3)
        assert out.shape == (3, 3, 200, 300)
        assert torch.equal(out[0], out[2])
        made.append(out[0])
    hole = torch.from_numpy(mask > 0)
    assert torch.equal(made[0][:, hole], made[1][:, hole])
    assert not torch.equal(made[0][:, hole], torch.from_numpy(one).permute(2, 0, 1)[:, hole] / 127.5 - 1)
    assert made[0].diff(dim=2)[:, 150:156, 200:206].abs().mean() > 0.01  # no enlarged blur of three pixels


def test_what_lies_across_a_wide_hole_is_seen() -> None:
    family = built(DataSpec((16, 16), 3, count=8), task="inpaint")
    hole = torch.zeros(1, 1, 240, 260, dtype=torch.bool)
    hole[..., 30:210, 40:220] = True
    rng = torch.Generator().manual_seed(0)
    one = torch.rand(1, 3, 240, 260, generator=rng) * 2 - 1
    other = one.clone()
    other[..., :30, :] = other[..., :30, :].flip(3)
    a, b = (family.restore(x, hole=hole) for x in (one, other))
    assert not torch.equal(a[..., 118:122, 128:132], b[..., 118:122, 128:132])
    assert torch.equal(a[~hole.expand_as(a)], one[~hole.expand_as(one)])


def test_far_from_a_hole_nothing_matters_to_it() -> None:
    family = built(DataSpec((16, 16), 3, count=8), task="inpaint")
    hole = torch.zeros(1, 1, 300, 420, dtype=torch.bool)
    hole[..., 20:30, 30:44] = True
    x = torch.rand(1, 3, 300, 420, generator=torch.Generator().manual_seed(0)) * 2 - 1
    seen = []
    family.net.register_forward_pre_hook(lambda module, given: seen.append(given[0].shape[-2:].numel()))
    out = family.restore(x, hole=hole)
    assert sum(seen) < 0.5 * 300 * 420
    torch.testing.assert_close(out, family._restored(x, "", hole).where(hole, x), atol=1e-4, rtol=1e-4)
