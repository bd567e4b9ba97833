"""Pictures from words on the command line: imagine, edit, vary and again, with a model that draws what it is asked."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import huabi as face
from conftest import TINY, refused, write_pictures
from huabi import api, cli, families
from huabi.errors import RequestError
from huabi.pictures import open_picture, read_recipe
from huabi.requests import Edit, Imagine, Request, Vary


@pytest.fixture(autouse=True, scope="module")
def _scribe() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setitem(families.FAMILIES, "scribe", "scribe:Scribe")
        yield


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    api.train("scribe", write_pictures(folder / "photos", 8), folder / "poems", size=16, steps=1, threads=1)
    return folder / "poems"


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 24, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


@pytest.fixture
def mask(tmp_path: Path) -> Path:
    """White in the left third of `photo`."""
    white = np.zeros((20, 24), np.uint8)
    white[:, :8] = 255
    Image.fromarray(white).save(tmp_path / "mask.png")
    return tmp_path / "mask.png"


def recipe_of(path: Path) -> dict[str, Any]:
    recipe = read_recipe(path)
    assert recipe is not None
    return recipe


@pytest.mark.parametrize(("task", "command"), [(Imagine, "imagine"), (Edit, "edit"), (Vary, "vary")])
def test_every_field_of_a_request_has_its_option(task: type[Request], command: str) -> None:
    options = set(inspect.signature(getattr(cli.imagine, command)).parameters)
    renamed = {"fraction": "frames"}  # a walk's frames stand at equal fractions
    assert {renamed.get(name, name) for name in task.model_fields} <= options


def test_the_whole_way_from_words_to_pictures_and_again(huabi: Any, run: Path, tmp_path: Path) -> None:
    words = "a (red:1.4) house::2 —ar 2：1 --no fog, people --chaos 20"
    done = huabi("imagine", words, "--model", run, "--out", tmp_path / "new", "--seed", 7, "--chaos", 30)
    assert done.code == 0, done.err
    files = [Path(line) for line in done.out.splitlines()]
    assert [file.name for file in files] == ["00007.png", "00008.png", "00009.png", "00010.png"]
    assert "seeds 7 to 10" in done.err
    assert re.search(r"\d s$", done.err.strip())
    assert len({file.read_bytes() for file in files}) == 4
    asked = recipe_of(files[1])["request"]
    assert asked["prompt"] == "a (red:1.4) house::2"
    assert (asked["negative"], asked["seed"], asked["chaos"], asked["size"]) == ("fog, people", 8, 30, [8, 24])
    assert open_picture(files[1]).size == (24, 8)
    assert "to the bit" in huabi("again", files[1], "--out", tmp_path / "same.png").out
    assert open_picture(tmp_path / "same.png").tobytes() == open_picture(files[1]).tobytes()
    one = huabi("imagine", words, "--model", run, "--out", tmp_path / "one.png", "--n", 1, "--seed", 9, "--chaos", 30)
    assert one.out.split() == [str(tmp_path / "one.png")]
    assert open_picture(tmp_path / "one.png").tobytes() == open_picture(files[2]).tobytes()


def test_a_seed_by_chance_is_told_and_kept(huabi: Any, run: Path, tmp_path: Path) -> None:
    first = huabi("imagine", "猫", "--model", run, "--n", 1, "--out", tmp_path / "a.png")
    huabi("imagine", "猫", "--model", run, "--n", 1, "--out", tmp_path / "b.png")
    seed = recipe_of(tmp_path / "a.png")["request"]["seed"]
    assert f"seed {seed}," in first.err
    assert seed != recipe_of(tmp_path / "b.png")["request"]["seed"]


def test_no_picture_is_overwritten_by_another(huabi: Any, run: Path, tmp_path: Path) -> None:
    def drawn(prompt: str) -> list[str]:
        done = huabi("imagine", prompt, "--model", run, "--n", 1, "--seed", 7, "--out", tmp_path / "new")
        return [Path(line).name for line in done.out.splitlines()]

    assert drawn("a cat") == ["00007.png"]
    assert drawn("a dog") == ["00007-2.png"]
    assert drawn("a cat") == ["00007.png"]
    assert drawn("a dog") == ["00007-2.png"]


def test_walks_sheets_and_pictures_to_start_from(huabi: Any, run: Path, photo: Path, tmp_path: Path) -> None:
    walk = ["--between", "a cat", "a dog", "--frames", 3, "--seed", 5, "--out", tmp_path / "walk"]
    done = huabi("imagine", "--model", run, *walk)
    assert done.code == 0, done.err
    frames = [Path(line) for line in done.out.splitlines()]
    assert [frame.name for frame in frames] == ["00005-000.png", "00005-001.png", "00005-002.png"]
    assert "to the bit" in huabi("again", frames[1], "--out", tmp_path / "same.png").out
    sheet = tmp_path / "sheet.png"
    assert huabi("imagine", "a cat", "--model", run, "--grid", sheet).out.split() == [str(sheet)]
    assert open_picture(sheet).size == (34, 34)
    start = ["--image", photo, "--strength", 0, "--n", 1, "--model", run, "--out", tmp_path / "kept.png"]
    assert huabi("imagine", "a cat", *start).code == 0
    again = ["again", tmp_path / "kept.png", "--out", tmp_path / "same.png"]
    assert "to the bit" in huabi(*again, "--input", photo).out
    refused(huabi(*again), "--input FILE")
    refused(huabi(*again, "--input", tmp_path / "nothing.png"), "cannot be read")
    refused(huabi("imagine", "a cat", *start[:-1], photo), "would be lost")


def test_people_are_told_what_was_made_of_their_words(huabi: Any, run: Path, tmp_path: Path) -> None:
    for words, note in ((" ", "no words"), ("кот", "Cyrillic"), ("cat " * 600, "2,000"), ("a\x07cat", "control")):
        done = huabi("imagine", words, "--model", run, "--n", 1, "--out", tmp_path / "a.png")
        assert done.code == 0, done.err
        assert [note in line for line in done.err.splitlines() if line.startswith("note: ")] == [True]


def test_the_model_is_the_one_named_or_the_last_that_answers(
    huabi: Any, photos: Path, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUABI_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("huabi.index.SHIPPED", tmp_path / "shipped")
    (tmp_path / "shipped").mkdir()
    ask = ["imagine", "a cat", "--n", 1, "--seed", 1, "--out", tmp_path / "a.png"]
    refused(huabi(*ask), "answers Imagine", "huabi train text_to_image DATA --out RUN")
    for name, steps in (("old", 2), ("new", 4)):
        api.train("scribe", photos, tmp_path / name, size=8, steps=steps, threads=1)
    api.train("vae", photos, tmp_path / "codes", size=8, steps=1, threads=1, settings=TINY["vae"])
    assert huabi(*ask).code == 0
    by_default = recipe_of(tmp_path / "a.png")["model"]
    monkeypatch.chdir(tmp_path / "shipped")  # from where `old` and `new` are no paths
    for name, same in (("new", True), ("old", False)):
        assert huabi(*ask, "--model", name).code == 0
        assert (recipe_of(tmp_path / "a.png")["model"] == by_default) is same
    assert huabi(*ask).code == 0  # `old` was used last
    assert recipe_of(tmp_path / "a.png")["model"] != by_default
    refused(huabi(*ask, "--model", "nev"), "did you mean 'new'")
    cat = next((photos / "cat").iterdir())
    assert huabi("vary", cat, "--model", "codes", "--n", 1, "--out", tmp_path / "b.png").code == 0
    refused(huabi(*ask, "--model", "codes"), "does not answer Imagine", "Generate, Vary")
    refused(huabi(*ask, "--model", photos), "no run in")
    run.rename(tmp_path / "shipped" / "imagine")
    try:
        assert huabi(*ask).code == 0
        assert recipe_of(tmp_path / "a.png")["size"] == [8, 8]  # what the user trained comes before what came along
        (tmp_path / "home" / "runs.json").unlink()
        assert huabi(*ask).code == 0
        assert recipe_of(tmp_path / "a.png")["size"] == [16, 16]
        assert not (tmp_path / "home" / "runs.json").exists()  # what came along need not be remembered
        assert "to the bit" in huabi("again", tmp_path / "a.png", "--out", tmp_path / "b.png").out
    finally:
        (tmp_path / "shipped" / "imagine").rename(run)


def test_an_edit_leaves_the_rest_and_is_made_again_from_its_photo(
    huabi: Any, run: Path, photo: Path, mask: Path, tmp_path: Path
) -> None:
    words = ["edit", photo, "a hat --no fog", "--mask", mask, "--model", run, "--seed", 3]
    done = huabi(*words, "--out", tmp_path / "new.jpg")
    assert done.code == 0, done.err
    assert done.out.split() == [str(tmp_path / "new.jpg")]
    assert huabi(*words, "--out", tmp_path / "new.png").code == 0
    before, after = (np.asarray(open_picture(path)) for path in (photo, tmp_path / "new.png"))
    assert np.array_equal(before[:, 8:], after[:, 8:])
    assert not np.array_equal(before[:, :8], after[:, :8])
    recipe = recipe_of(tmp_path / "new.png")
    assert (recipe["request"]["prompt"], recipe["request"]["negative"]) == ("a hat", "fog")
    assert "image" not in recipe["request"]  # the photo stays with its owner
    refused(huabi("again", tmp_path / "new.png", "--out", tmp_path / "same.png"), "--input FILE")
    same = huabi("again", tmp_path / "new.png", "--input", photo, "--out", tmp_path / "same.png")
    assert "to the bit" in same.out
    assert huabi(*words, "--n", 3, "--out", tmp_path / "three").code == 0
    assert len(list((tmp_path / "three").iterdir())) == 3
    one = huabi("edit", photo, "--expand", "0,0,5,1", "--model", run, "--out", tmp_path / "one.png")
    assert one.code == 0, one.err
    assert open_picture(tmp_path / "one.png").size == (29, 21)
    wide = huabi("edit", photo, "--expand", 4, "--model", run, "--out", tmp_path / "wide.png")
    assert "no words" in wide.err
    assert open_picture(tmp_path / "wide.png").size == (32, 28)


def test_masks_that_do_not_fit_are_refused(huabi: Any, run: Path, photo: Path, tmp_path: Path) -> None:
    ask = ["edit", photo, "a hat", "--model", run, "--out", tmp_path / "new.png", "--mask", tmp_path / "m.png"]
    for size, level, says in (((9, 9), 255, "9x9 pixels, the picture 24x20"), ((24, 20), 0, "nothing would change")):
        Image.new("L", size, level).save(tmp_path / "m.png")
        refused(huabi(*ask), says)
    assert huabi(*ask, "--expand", 2).code == 0  # black keeps the picture, and its surroundings are drawn
    Image.new("L", (24, 20), 255).save(tmp_path / "m.png")
    assert "the whole picture is drawn anew" in huabi(*ask).err


def test_variations(huabi: Any, run: Path, photo: Path, tmp_path: Path) -> None:
    done = huabi("vary", photo, "--model", run, "--seed", 3, "--strength", 0.25, "--out", tmp_path / "new")
    assert done.code == 0, done.err
    files = [Path(line) for line in done.out.splitlines()]
    assert [file.name for file in files] == ["00003.png", "00004.png", "00005.png", "00006.png"]
    assert "to the bit" in huabi("again", files[3], "--input", photo, "--out", tmp_path / "same.png").out


def test_a_variation_without_words_is_made_again(huabi: Any, run: Path, photos: Path, tmp_path: Path) -> None:
    ask = ["--model", run, "--n", 1, "--seed", 1, "--out", tmp_path / "a.png"]
    assert huabi("imagine", "a cat", *ask).code == 0
    api.train("vae", photos, tmp_path / "codes", size=8, steps=1, threads=1, settings=TINY["vae"])
    near = huabi("vary", tmp_path / "a.png", "--model", tmp_path / "codes", "--n", 1, "--out", tmp_path / "b.png")
    assert near.code == 0, near.err
    again = huabi("again", tmp_path / "b.png", "--input", tmp_path / "a.png", "--out", tmp_path / "c.png")
    assert "to the bit" in again.out, again.err
    assert Vary(image=tmp_path / "b.png").words == "a cat"


def test_where_pictures_go_by_default(
    huabi: Any, run: Path, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    asks = {
        ("imagine", "a cat", "--seed", 1, "--n", 1): Path("imagined/00001.png"),
        ("edit", photo, "a hat"): photo.with_name(f"{photo.stem}-edited.png"),
        ("vary", photo, "--n", 1): photo.with_name(f"{photo.stem}-varied.png"),
        ("vary", photo, "--n", 2, "--seed", 4): photo.with_name(f"{photo.stem}-varied") / "00004.png",
    }
    for words, file in asks.items():
        done = huabi(*words, "--model", run)
        assert done.out.splitlines()[0] == str(file), done.err
        assert file.is_file()


def test_a_picture_is_varied_as_what_it_was_drawn_from(huabi: Any, run: Path, photo: Path, tmp_path: Path) -> None:
    ask = ["--model", run, "--n", 1, "--seed", 1, "--out", tmp_path / "a.png"]
    assert huabi("imagine", "a (red:1.2) cat --no fog", *ask).code == 0
    assert Vary(image=tmp_path / "a.png").words == "a (red:1.2) cat"
    assert Vary(image=tmp_path / "a.png", prompt="a dog").words == "a dog"
    assert Vary(image=photo).words == ""
    for strength in ("--subtle", "--strong"):
        again = huabi("vary", tmp_path / "a.png", "a dog", strength, *ask[:-1], tmp_path / f"{strength}.png")
        assert again.code == 0, again.err
    wanted = [recipe_of(tmp_path / f"{strength}.png")["request"] for strength in ("--subtle", "--strong")]
    assert [(said["prompt"], said["strength"]) for said in wanted] == [("a dog", 0.35), ("a dog", 0.75)]
    api.train("vae", tmp_path, tmp_path / "codes", size=8, steps=1, threads=1, settings=TINY["vae"])
    codes = ["--model", tmp_path / "codes", "--n", 1, "--out", tmp_path / "b.png"]
    refused(huabi("vary", photo, "a dog", *codes), "hears no words", "'prompt'")
    assert huabi("vary", tmp_path / "a.png", *codes).code == 0


def test_a_home_that_cannot_be_written_stops_nobody(
    huabi: Any, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home").write_text("a file")
    monkeypatch.setenv("HUABI_HOME", str(tmp_path / "home"))
    with pytest.warns(UserWarning, match="found only where it is named"):
        assert huabi("train", "scribe", photos, "--out", tmp_path / "run", "--size", 8, "--steps", 1).code == 0
    with pytest.warns(UserWarning, match="found only where it is named"):
        assert huabi("imagine", "a cat", "--model", tmp_path / "run", "--grid", tmp_path / "a.png").code == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["imagine", "a cat", "--out", "OUT.png"], ["one file", "--n 1"]),
        (["imagine", "a cat", "--out", "PHOTO.d"], ["is a file; give a folder"]),
        (["imagine", "a cat", "--out", "OUT.bmp", "--n", "1"], [".bmp", ".png"]),
        (["imagine", "a cat", "--out", "OUT", "--n", "0"], ["1 to 256"]),
        (["imagine", "a cat", "--out", "OUT", "--n", "1000"], ["1 to 256"]),
        (["imagine", "a cat --chaos 900", "--out", "OUT"], ["--chaos 900"]),
        (["imagine", "a cat", "--chaos", "900", "--out", "OUT"], ["--chaos 900"]),
        (["imagine", "a cat", "--text-weight", "3", "--out", "OUT"], ["--text-weight 3"]),
        (["imagine", "a cat", "--ar", "0:1", "--out", "OUT"], ["3:2"]),
        (["imagine", "a cat", "--ar", "3:2", "--size", "64", "--out", "OUT"], ["exclude"]),
        (["imagine", "a cat", "--size", "0", "--out", "OUT"], ["pixels"]),
        (["imagine", "a cat --styl ink", "--out", "OUT"], ["did you mean 'style'"]),
        (["imagine", "a cat", "--image", "NOWHERE.png", "--out", "OUT"], ["NOWHERE.png: no such file"]),
        (["imagine", "a cat", "--reference", "CUT.png", "--out", "OUT"], ["CUT.png: cut off"]),
        (["imagine", "a cat", "--model", "NOWHERE", "--out", "OUT"], ["no run in", "known: "]),
        (["edit", "NOWHERE.png", "a hat", "--out", "OUT.png"], ["NOWHERE.png: no such file"]),
        (["edit", "PHOTO", "a hat", "--mask", "NOWHERE.png", "--out", "OUT.png"], ["NOWHERE.png: no such file"]),
        (["edit", "PHOTO", "a hat", "--expand", "-1", "--out", "OUT.png"], ["--expand -1"]),
        (["edit", "PHOTO", "a hat", "--expand", "1,2", "--out", "OUT.png"], ["0,64,0,64"]),
        (["edit", "PHOTO", "a hat --ar 3:2", "--out", "OUT.png"], ["no option --ar"]),
        (["edit", "PHOTO", "a hat", "--n", "2", "--out", "OUT.png"], ["one file"]),
        (["vary", "PHOTO", "--strength", "2", "--out", "OUT"], ["--strength 2"]),
        (["vary", "PHOTO", "--subtle", "--strength", "0.4", "--out", "OUT"], ["exclude each other"]),
    ],
    ids=lambda value: " ".join(value) if value and value[0] in ("imagine", "edit", "vary") else None,
)
def test_mistakes_get_one_line(
    words: list[str], says: list[str], huabi: Any, run: Path, photo: Path, tmp_path: Path
) -> None:
    (tmp_path / "CUT.png").write_bytes(photo.read_bytes()[:200])
    (tmp_path / "PHOTO.d").write_bytes(b"")
    names = ("OUT", "OUT.png", "OUT.bmp", "NOWHERE", "NOWHERE.png", "CUT.png", "PHOTO.d")
    places = {"PHOTO": photo, **{name: tmp_path / name for name in names}}
    named = [] if "--model" in words else ["--model", run]
    refused(huabi(*[places.get(word, word) for word in words], *named), *says)
    assert not list(tmp_path.glob("OUT*"))


def test_python_reads_a_prompt_as_the_command_line_does(huabi: Any, run: Path, tmp_path: Path) -> None:
    words = "a cat --ar 2:1 --n 2 --seed 7"
    files = huabi("imagine", words, "--model", run, "--out", tmp_path).out.splitlines()
    for model in (run, face.load(run)):
        drawn = face.imagine(words, model)
        assert [picture.tobytes() for picture in drawn] == [open_picture(Path(file)).tobytes() for file in files]
    assert [picture.size for picture in face.imagine(words, run, n=1, size="32x16")] == [(32, 16)]
    with pytest.warns(UserWarning, match="no words"):
        assert len(face.imagine(model=run)) == 4
    with pytest.raises(RequestError, match="did you mean 'mood'"):
        face.imagine("a cat", run, moods="calm")
    with pytest.raises(RequestError, match="--image b'garbage': .*picture") as found:
        face.imagine("a cat", run, image=b"garbage")
    assert len(str(found.value)) < 200
    assert json.dumps(face.Imagine.model_json_schema())
