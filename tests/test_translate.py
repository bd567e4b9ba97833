"""Turning pictures into other pictures: the pairs, the losses, what is answered, and the command."""

from __future__ import annotations

import errno
import inspect
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import huabi as face
from conftest import TINY, refused, stream
from huabi import api, cli, comparison
from huabi.classic import film
from huabi.classic.film import read_film, save_film
from huabi.config import configure
from huabi.cost import example
from huabi.data import batches, prepare, scan
from huabi.data.world.compose import at_time, draw_scene
from huabi.data.world.render import masks
from huabi.data.world.spec import parse
from huabi.data.world.styles import draw as draw_world
from huabi.data.world.styles import legend
from huabi.drawing import draw
from huabi.errors import RequestError
from huabi.evaluation import evaluate
from huabi.families import find
from huabi.families.cyclegan import CycleGAN, History
from huabi.families.pix2pix import Pix2Pix
from huabi.model import DataSpec, Family
from huabi.pictures import open_picture, read_recipe, read_xmp
from huabi.plan import Plan
from huabi.provenance.label import read_packet
from huabi.ranks import Ranks
from huabi.requests import Translate
from huabi.rng import BatchRng
from huabi.trainer import Trainer

PAIRS = DataSpec((16, 16), 3, pairing="paired", domains=("pencil", "oil"), count=32)
KINDS = DataSpec((16, 16), 3, pairing="unpaired", domains=("horse", "zebra"), count=32)
STYLES = DataSpec((16, 16), 3, ("ink", "oil"), pairing="paired", count=32, weights=(0.5, 0.5))
STILL = {"lr": 1e-12}  # a network that adds nothing yet goes on to add nothing


def build(name: str, spec: DataSpec, **settings: Any) -> Family:
    torch.manual_seed(0)
    kind = find(name)
    return kind(configure(kind.Config(), TINY[name] | settings), spec).eval()


def noise(*size: int, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (*size, channels), dtype=np.uint8)


def fill(folder: Path, names: list[str], size: tuple[int, int] = (16, 16)) -> Path:
    rng = np.random.default_rng(len(names))
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)).save(path)
    return folder


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill(tmp_path_factory.mktemp("pairs"), [f"{side}/{n}.png" for side in "AB" for n in range(12)])


@pytest.fixture(scope="module")
def run(pairs: Path) -> Path:
    """A run that gives every picture back as it is."""
    out = pairs.parent / "still"
    api.train("pix2pix", pairs, out, size=16, steps=2, threads=1, settings=TINY["pix2pix"] | STILL)
    return out


# The picture world in pairs and in two kinds


def test_pairs_of_the_world_are_one_scene_in_two_styles() -> None:
    data = prepare("world:pairs=pencil-flat,n=4", size=16)
    assert data.spec.domains == ("pencil", "flat")
    assert data.spec.labels == ()
    assert data.target is not None
    drawn = {draw_world(draw_scene(seed), (16, 16), "flat").tobytes() for seed in range(4)}
    assert {picture.tobytes() for picture in data.target} == drawn
    assert {p.tobytes() for p in data.images} == {
        draw_world(draw_scene(seed), (16, 16), "pencil").tobytes() for seed in range(4)
    }


def test_any_style_as_a_target_is_the_label() -> None:
    listing = scan("world:pairs=any-any,styles=ink+flat+oil,n=60")
    assert listing.labels == ("flat", "ink", "oil")
    styles = [(item.where.path, item.partner.where.path) for item in listing.items if item.partner]
    assert [item.label for item in listing.items] == [target for _, target in styles]
    assert len(set(styles)) == 9


def test_two_kinds_share_no_scene() -> None:
    listing = scan("world:unpaired=pencil-oil,n=9")
    first, second = ({item.where.offset for item in side} for side in (listing.items, listing.other))
    assert (len(first), len(second), len(first & second)) == (9, 9, 0)
    assert {item.where.path for item in listing.other} == {"oil"}


def test_a_map_of_labels_has_the_colour_of_each_kind_where_it_is_seen() -> None:
    known = legend()
    apart = torch.cdist(torch.tensor(list(known.values())).float(), torch.tensor(list(known.values())).float())
    assert (apart + 1000 * torch.eye(len(known))).min() > 30
    scene = draw_scene(5)
    drawn, seen = draw_world(scene, (48, 48), "labels"), masks(scene, (48, 48))
    for number, thing in enumerate(scene.things, 1):
        assert (drawn[seen == number] == known[thing.kind]).all()
    assert (drawn[seen == 0] == 255).all()
    assert prepare("world:pairs=labels-flat,n=4", size=16).spec.domains == ("labels", "flat")


def test_the_page_tells_the_colour_of_each_kind() -> None:
    page = (Path(__file__).parents[1] / "docs" / "crf.md").read_text()
    assert [kind for kind, colour in legend().items() if f"{kind} `#{bytes(colour).hex()}`" not in page] == []


def test_night_falls_on_the_same_scene() -> None:
    day, night = (next(parse("world:pairs=day-night,styles=flat").pictures(side)).scene() for side in (0, 1))
    assert (day.time, night.time) == ("day", "night")
    assert [(t.x, t.y, t.seed) for t in day.things] == [(t.x, t.y, t.seed) for t in night.things]
    scenes = [draw_scene(seed, time="day") for seed in range(60)]
    assert any(thing.kind == "sun" for scene in scenes for thing in scene.things)
    assert not any(thing.kind == "sun" for scene in scenes for thing in at_time(scene, "night").things)


@pytest.mark.parametrize(
    "sides",
    [
        "pairs=pencil",
        "pairs=pencil-pensil",
        "pairs=oil-oil",
        "pairs=day-oil",
        "unpaired=any-any",
        "pairs=ink-oil,label=time",
        "pairs=day-night,time=dusk",
        "pairs=ink-oil,unpaired=ink-oil",
    ],
)
def test_what_is_no_pair_is_refused(sides: str) -> None:
    with pytest.raises(RequestError):
        parse(f"world:{sides}")


def test_pairs_are_a_second_domain_in_an_order_of_its_own() -> None:
    data = prepare("world:pairs=pencil-flat,n=40", size=16)
    batch = next(batches(data, 16, seed=0))
    assert batch.target is not None
    assert batch.other is not None
    assert not torch.equal(batch.other, batch.target)
    known = {row.numpy().tobytes() for row in next(batches(data, len(data.train), seed=0)).target}  # type: ignore[union-attr]
    assert all(row.numpy().tobytes() in known for row in batch.other)


# What is lowered


def test_a_fresh_cyclegan_changes_nothing_and_so_errs_nowhere_there_and_back() -> None:
    family = build("cyclegan", KINDS)
    assert isinstance(family, CycleGAN)
    update = next(family.losses(example(KINDS, 4), 1))
    assert float(update.logs["cycle"]) == float(update.logs["identity"]) == 0
    assert torch.equal(update.loss, update.logs["contest"])


def test_pix2pix_lowers_the_weighed_error_and_contest() -> None:
    family = build("pix2pix", PAIRS, l1=7.0, adversarial=3.0)
    assert isinstance(family, Pix2Pix)
    batch = example(PAIRS, 4)
    update = next(family.losses(batch, 1))
    assert batch.target is not None
    torch.testing.assert_close(update.logs["l1"], (batch.image - batch.target).abs().mean())
    scores = family.critic(torch.cat([batch.image, batch.image], 1))
    torch.testing.assert_close(update.logs["adversarial"], (scores - 1).square().mean() / 2)
    torch.testing.assert_close(update.loss, 7 * update.logs["l1"] + 3 * update.logs["adversarial"])


def test_a_history_gives_back_half_of_what_it_was_given() -> None:
    history, length = History(4, (1, 2, 2)), 4
    seen: list[float] = []
    old = 0
    for step in range(100):
        fake = torch.arange(4.0).add(4 * step)[:, None, None, None].expand(4, 1, 2, 2)
        given = history(fake, BatchRng(0, step, 4))[:, 0, 0, 0].tolist()
        if not step:
            assert given == fake[:, 0, 0, 0].tolist()
            assert int(history.count) == length
        seen += fake[:, 0, 0, 0].tolist()
        assert set(given) <= set(seen)
        old += sum(value != own for value, own in zip(given, fake[:, 0, 0, 0].tolist()))
    assert 150 < old < 250


def test_a_history_forgets_what_is_no_number() -> None:
    history = History(2, (1, 1, 1))
    history(torch.full((2, 1, 1, 1), torch.nan), BatchRng(0, 0, 2))
    assert bool(history.pictures.isfinite().all())


# What is answered


@pytest.mark.parametrize("size", [(1, 1), (7, 40), (33, 65), (100, 16)])
def test_what_adds_nothing_gives_every_size_back(size: tuple[int, int]) -> None:
    picture = Image.fromarray(noise(*size))
    [made] = face.draw(build("pix2pix", PAIRS), [Translate(image=picture)])
    assert made.size == picture.size
    assert np.array_equal(np.asarray(made), np.asarray(picture))


def test_alpha_grey_depth_and_turns_survive(tmp_path: Path) -> None:
    family = build("pix2pix", PAIRS)

    def made(image: Any) -> Image.Image:
        [picture] = face.draw(family, [Translate(image=image)])
        return picture

    clear = Image.fromarray(noise(9, 12, channels=4))
    assert made(clear).mode == "RGBA"
    assert np.array_equal(np.asarray(made(clear))[..., 3], np.asarray(clear)[..., 3])
    assert made(Image.fromarray(noise(9, 12, channels=1)[..., 0])).mode == "RGB"
    deep = Image.fromarray(np.arange(0, 65536, 256, dtype=np.uint16).reshape(16, 16))
    assert np.ptp(np.asarray(made(deep))) > 250
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(noise(9, 12)).save(tmp_path / "turned.jpg", exif=exif)
    assert made(tmp_path / "turned.jpg").size == (9, 12)


def test_a_grey_model_answers_clear_pictures_in_grey_with_their_alpha() -> None:
    spec = DataSpec((16, 16), 1, pairing="paired", count=32)
    [made] = face.draw(build("pix2pix", spec), [Translate(image=Image.fromarray(noise(9, 12, channels=4)))])
    assert made.mode == "RGBA"
    red, green, _, _ = made.split()
    assert red.tobytes() == green.tobytes()


def test_who_is_told_what() -> None:
    trained = Trainer(build("cyclegan", KINDS), Plan.of_steps(3), ranks=Ranks.alone())
    list(trained.run(stream(KINDS, 4)))
    picture, family = noise(16, 16), trained.family.eval()
    zebra, horse, plain = (
        next(face.draw(family, [Translate(image=picture, to=to)])).tobytes() for to in ("zebra", "horse", None)
    )
    assert zebra == plain != horse
    for model, to, says in (
        (family, "zebro", "did you mean 'zebra'"),
        (build("pix2pix", PAIRS), "pencil", "one way, from pencil to oil"),
        (build("pix2pix", STYLES), None, "ink, oil"),
        (build("pix2pix", STYLES), "oli", "did you mean 'oil'"),
    ):
        with pytest.raises(RequestError, match=says):
            list(face.draw(model, [Translate(image=picture, to=to)]))


def test_diffusion_draws_from_the_picture_and_the_seed() -> None:
    trained = Trainer(build("diffusion", PAIRS, condition="image", steps=3), Plan.of_steps(20), ranks=Ranks.alone())
    list(trained.run(stream(PAIRS, 4)))
    asked = [Translate(image=noise(16, 16), seed=1), Translate(image=255 - noise(16, 16), seed=1)]
    asked += [Translate(image=noise(16, 16), seed=2), Translate(image=noise(40, 50), seed=2)]
    made = [picture.tobytes() for picture in face.draw(trained.family.eval(), asked)]
    assert len(set(made)) == 4
    with pytest.raises(RequestError, match="it answers Translate"):
        list(face.draw(trained.family, [face.Generate()]))


# Folders, the command, the measures


def test_every_field_of_the_request_has_its_option() -> None:
    options = set(inspect.signature(cli.translate.translate).parameters)
    assert {"images" if name == "image" else name for name in Translate.model_fields} <= options


def test_folders_that_fail_to_pair_are_named(huabi: Any, tmp_path: Path) -> None:
    lost = fill(tmp_path / "lost", [f"A/a{n}.png" for n in range(4)] + [f"B/b{n}.png" for n in range(4)])
    refused(huabi("train", "pix2pix", lost, "--out", tmp_path / "r", "--size", 16), "A/a0.png", "same name")
    kinds = fill(tmp_path / "kinds", [f"train{side}/{n}.png" for side in "AB" for n in range(4)])
    refused(huabi("train", "pix2pix", kinds, "--out", tmp_path / "r", "--size", 16), "huabi train cyclegan")
    flat = fill(tmp_path / "flat", [f"{n}.png" for n in range(8)])
    refused(huabi("train", "cyclegan", flat, "--out", tmp_path / "r", "--size", 16), "trainA and trainB")
    refused(
        huabi("train", "diffusion", flat, "--out", tmp_path / "r", "--size", 16, "--set", "condition=image"), "target"
    )


def test_two_of_one_name_are_told_of(tmp_path: Path) -> None:
    fill(tmp_path, [f"{side}/{n}.png" for side in "AB" for n in range(6)])
    Image.new("RGB", (16, 16)).save(tmp_path / "A" / "3.bmp")
    listing = scan(tmp_path)
    assert len(listing.items) == 6
    [(name, why)] = listing.left_out
    assert {name, why.split()[0]} == {"A/3.png", "A/3.bmp"}
    assert why.endswith("has the same name")


def test_a_full_disk_ends_it(huabi: Any, run: Path, photos: Path, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("huabi.pictures.write_file", full)
        done = huabi("translate", run, photos, "--out", tmp_path / "out")
    assert done.code != 0
    assert "no space left" in done.err.lower()
    assert "left out" not in done.err


def test_no_picture_of_a_folder_is_overwritten_by_another(huabi: Any, run: Path, tmp_path: Path) -> None:
    folder = fill(tmp_path / "photos", ["a.jpg", "a.png"])
    before = (folder / "a.png").read_bytes()
    refused(huabi("translate", run, folder, "--out", folder), "a.png would be overwritten")
    assert (folder / "a.png").read_bytes() == before


def test_a_sheet_is_labelled_as_what_it_shows_and_a_run_is_known_by_its_name(
    huabi: Any, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = fill(tmp_path, ["a.png"]) / "a.png"
    huabi("translate", run, photo, "--out", tmp_path / "b.png", "--sheet", tmp_path / "sheet.png")
    assert read_xmp(tmp_path / "sheet.png") is not None
    assert read_packet(read_xmp(tmp_path / "sheet.png")).source_type == (
        read_packet(read_xmp(tmp_path / "b.png")).source_type
    )
    monkeypatch.chdir(tmp_path)  # from where the bare name is none of a folder
    again = huabi("translate", run.name, photo, "--out", tmp_path / "c.png")
    assert again.code == 0, again.err
    assert huabi("again", tmp_path / "c.png", "--input", photo, "--out", tmp_path / "d.png").code == 0


def test_sixteen_bits_that_are_lost_are_told_of(huabi: Any, run: Path, tmp_path: Path) -> None:
    Image.fromarray(np.full((12, 12), 40_000, np.uint16)).save(tmp_path / "deep.png")
    assert "8 bits, of the 16" in huabi("translate", run, tmp_path / "deep.png", "--out", tmp_path / "b.png").err


def test_a_film_that_nothing_here_reads_stops_no_folder(
    huabi: Any, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = fill(tmp_path / "photos", ["a.png"])
    (folder / "film.mp4").write_bytes(b"\0\0\0\x18ftypmp42")
    monkeypatch.setitem(sys.modules, "av", None)
    done = huabi("translate", run, folder, "--out", tmp_path / "new")
    assert done.code == 0, done.err
    assert "left out" in done.err
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.png"]
    refused(huabi("translate", run, folder / "film.mp4", "--out", tmp_path / "new"), "huabi[film]")


def test_what_does_not_fit_into_memory_is_told_of_first(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huabi.restoring.free_memory", lambda device: 1000)
    with pytest.raises(RequestError, match=r"20x10 pixels takes .* smaller"):
        list(draw(api.load(run), [Translate(image=Image.new("RGB", (20, 10)))]))


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_pictures_and_folders_are_translated_by_name(huabi: Any, run: Path, tmp_path: Path) -> None:
    photos = fill(tmp_path / "photos", ["a.png", "deep/a.png"], (20, 30))
    (photos / "notes.txt").write_text("no picture")
    (photos / "torn.png").write_bytes((photos / "a.png").read_bytes()[:90])
    alone = fill(tmp_path, ["a.jpg"], (5, 9)) / "a.jpg"
    told = huabi("translate", run, photos, alone, "--out", tmp_path / "new")
    assert told.code == 0, told.err
    assert "torn.png" in told.err
    made = {p.relative_to(tmp_path / "new").as_posix(): open_picture(p).size for p in (tmp_path / "new").rglob("*.png")}
    assert made == {"a.png": (30, 20), "deep/a.png": (30, 20), "a-2.png": (9, 5)}
    recipe = read_recipe(tmp_path / "new" / "a-2.png")
    assert recipe is not None
    assert recipe["task"] == "translate"
    again = huabi("again", tmp_path / "new" / "a-2.png", "--input", alone, "--out", tmp_path / "same.png")
    assert "the same to the bit" in again.out


def test_what_is_made_of_one_lies_beside_it_by_default(huabi: Any, run: Path, tmp_path: Path) -> None:
    folder = fill(tmp_path / "photos", ["a.jpg", "b.png"])
    save_film([Image.new("RGB", (8, 8), shade) for shade in ("red", "blue")], tmp_path / "walk.gif", [40, 40])
    for given, made in ((folder / "a.jpg", "photos/a-translated.png"), (tmp_path / "walk.gif", "walk-translated.gif")):
        assert Path(huabi("translate", run, given).out.strip()) == tmp_path / made
        assert (tmp_path / made).is_file()
    assert Path(huabi("translate", run, folder).out.strip()) == tmp_path / "photos-translated"
    assert {path.name for path in (tmp_path / "photos-translated").iterdir()} == {"a.png", "a-translated.png", "b.png"}


def test_films_keep_their_frames_and_times(huabi: Any, run: Path, tmp_path: Path) -> None:
    frames = [Image.fromarray(np.full((12, 18, 3), 60 * n, np.uint8)) for n in range(4)]
    for suffix in ("gif", "webp"):
        save_film(frames, tmp_path / f"film.{suffix}", [40, 120, 40, 200])
        told = huabi("translate", run, tmp_path / f"film.{suffix}", "--out", tmp_path / "new")
        assert told.code == 0, told.err
        made = read_film(tmp_path / "new" / f"film.{suffix}")
        assert made.times == (40, 120, 40, 200)
        shades = [float(np.asarray(frame, float).mean()) for frame in made]
        assert np.allclose(shades, [0, 60, 120, 180], atol=6)


def test_films_of_the_mp4_kind(huabi: Any, run: Path, tmp_path: Path) -> None:
    pytest.importorskip("av")
    times = [40, 120, 30, 200]
    save_film((Image.fromarray(np.full((16, 16, 3), 60 * n, np.uint8)) for n in range(4)), tmp_path / "a.mp4", times)
    assert huabi("translate", run, tmp_path / "a.mp4", "--out", tmp_path / "b.mp4").code == 0
    assert read_film(tmp_path / "b.mp4").times == pytest.approx(times)


def test_films_that_lie_on_their_side_are_turned(monkeypatch: pytest.MonkeyPatch) -> None:
    class Frame:
        rotation = -90  # what telephones write that were held upright

        def to_image(self) -> Image.Image:
            return Image.fromarray(np.repeat(np.array([[10, 200]], np.uint8), 3).reshape(1, 2, 3))

    upright = film._upright(Frame())
    assert upright.size == (1, 2)
    assert [upright.getpixel((0, y))[0] for y in (0, 1)] == [10, 200]  # type: ignore[index]


def test_a_broken_film_in_a_folder_is_left_out_and_the_rest_is_made(huabi: Any, run: Path, tmp_path: Path) -> None:
    folder = fill(tmp_path / "in", ["good.png"])
    (folder / "torn.webp").write_bytes(b"RIFF")
    told = huabi("translate", run, folder, "--out", tmp_path / "new")
    assert told.code == 0, told.err
    assert "torn.webp" in told.err
    assert [path.name for path in (tmp_path / "new").rglob("*.png")] == ["good.png"]


def test_what_cannot_be_translated_is_told_in_one_line(huabi: Any, run: Path, photos: Path, tmp_path: Path) -> None:
    good = fill(tmp_path, ["good.png"]) / "good.png"
    (tmp_path / "text.png").write_text("not a picture")
    (tmp_path / "empty").mkdir()
    vae = tmp_path / "vae"
    api.train("vae", photos, vae, size=8, steps=1, threads=1, settings=TINY["vae"])
    out = ("--out", tmp_path / "new")
    refused(huabi("translate", vae, good, *out), "does not answer Translate", "Generate, Vary")
    refused(huabi("translate", run, tmp_path / "gone.png", *out), "no such file")
    refused(huabi("translate", run, tmp_path / "text.png", *out), "text.png: not a picture")
    refused(huabi("translate", run, tmp_path / "empty", *out), "holds no pictures")
    refused(huabi("translate", run, good, "--out", tmp_path), "would be overwritten")
    refused(huabi("translate", run, good, good, "--out", tmp_path / "one.png"), "is one file")
    refused(huabi("translate", run, good, tmp_path / "text.png"), "say --out DIR")
    refused(huabi("translate", run, tmp_path / "gone.png"), "no such file")
    refused(huabi("translate", run, good, "--to", "C", *out), "knows no 'C'")
    refused(huabi("translate", tmp_path / "nowhere", good, *out), "no run in")
    refused(huabi("translate", run, good, "--seed", "-1", *out), "seed")
    assert not (tmp_path / "new").exists()


def test_python_translates_as_the_command_does(run: Path, tmp_path: Path) -> None:
    picture = Image.fromarray(noise(9, 12))
    assert api.translate(picture, run).tobytes() == picture.tobytes()


def test_previews_show_source_result_and_target(run: Path) -> None:
    with Image.open(sorted((run / "previews").glob("*.png"))[-1]) as shown:
        assert shown.height == 3 * 16 + 2 * 2


def test_a_translator_is_judged_by_the_truth_and_compared_by_it(
    pairs: Path, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = evaluate(run, str(pairs), n=12).facts
    scores = {score["name"]: score for score in found["scores"]}
    data = prepare(pairs, size=16)
    assert data.target is not None
    rows = data.heldout if len(data.heldout) >= 2 else np.concatenate([data.train, data.heldout])
    error = (data.images[rows] / 127.5 - data.target[rows] / 127.5) ** 2
    expected = (10 * np.log10(4 / error.mean((1, 2, 3)))).mean()
    assert scores["PSNR"]["value"] == pytest.approx(expected, abs=0.05)
    assert scores["perceptual distance"]["low"] < scores["perceptual distance"]["value"]
    for name in ("pix2pix", "cyclegan", "diffusion"):
        small = configure(find(name).Config(), TINY[name])
        monkeypatch.setattr(find(name), "Config", lambda small=small: small)
    facts = comparison.compare(
        str(pairs), tmp_path / "out", budget=0.5, size=(16, 16), threads=1, n=12, seed=0,
        families=["pix2pix", "cyclegan", "diffusion", "vae"],
    )  # fmt: skip
    assert (facts["task"], facts["measure"]) == ("translate", "perceptual distance")
    assert {name for group in facts["ranking"] for name in group} == {"pix2pix", "cyclegan", "diffusion"}
    assert next(row for row in facts["families"] if row["family"] == "vae")["why"] == "does not answer Translate"
