"""The command line: what people type, and what they get for a mistake."""

from __future__ import annotations

import inspect
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from conftest import TINY, Result, refused, write_pictures
from huabi import api, cli
from huabi.pictures import open_picture, read_recipe
from huabi.requests import Generate

SETTINGS = [part for key, value in TINY["vae"].items() for part in ("--set", f"{key}={value}")]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two classes, trained for two steps."""
    folder = tmp_path_factory.mktemp("trained")
    api.train(
        "vae", write_pictures(folder / "photos"), folder / "run", size=8, steps=2, threads=1, settings=TINY["vae"]
    )
    return folder / "run"


def test_every_field_of_a_request_has_its_option() -> None:
    options = set(inspect.signature(cli.draw.sample).parameters)
    renamed = {"fraction": "frames"}  # a walk's frames stand at equal fractions
    rest = {name for name in Generate.model_fields if renamed.get(name, name) not in options}
    assert rest == set(cli.draw.by_setting())


def test_what_a_family_alone_knows_is_set_by_name(huabi: Any, photos: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    settings = ("--set", "batch=4", "--set", "net.width=8")
    assert huabi("train", "gan", photos, "--out", folder, "--size", 8, "--steps", 2, *settings).code == 0
    more = ("--set", "truncation=0.5", "--set", "mix=8", "--out", tmp_path / "a.png")
    assert huabi("sample", folder, "--n", 1, *more).code == 0
    recipe = read_recipe(tmp_path / "a.png")
    assert recipe is not None
    assert (recipe["request"]["truncation"], recipe["request"]["mix"]) == (0.5, 8)
    assert "to the bit" in huabi("again", tmp_path / "a.png", "--out", tmp_path / "b.png").out
    for setting, word in (("truncation=2", "truncation"), ("psi=0.5", "known: mix, truncation"), ("mix", "name=value")):
        refused(huabi("sample", folder, "--set", setting, "--out", tmp_path / "c"), word)


def test_the_whole_way(huabi: Any, photos: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    trained = huabi("train", "vae", photos, "--out", folder, "--size", 8, "--steps", 3, *SETTINGS)
    assert trained.code == 0, trained.err
    assert trained.out.strip() == str(folder)
    drawn = huabi("sample", folder, "--n", 3, "--seed", 5, "--label", "dog", "--out", tmp_path / "new")
    assert drawn.code == 0, drawn.err
    pictures = sorted((tmp_path / "new").glob("*.png"))
    assert len(pictures) == 3
    assert all("dog" in p.name for p in pictures)
    recipe = read_recipe(pictures[0])
    assert recipe is not None
    assert recipe["request"] == {"seed": 5, "label": "dog", "fraction": 0.0}
    assert str(tmp_path) not in json.dumps(recipe)
    again = huabi("again", pictures[1], "--out", tmp_path / "same.png")
    assert again.code == 0, again.err
    assert "the same to the bit" in again.out
    assert open_picture(tmp_path / "same.png").tobytes() == open_picture(pictures[1]).tobytes()
    shown = huabi("show", folder, "--json")
    assert json.loads(shown.out)["step"] == 3
    assert huabi("show", folder).code == 0


def test_walks_grids_and_pictures_without_recipe(huabi: Any, run: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    assert huabi("sample", run, "--between", 1, 2, "--frames", 4, "--grid", sheet).code == 0
    assert open_picture(sheet).width >= 2 * 8
    assert huabi("sample", run, "--n", 1, "--out", tmp_path / "one.png", "--no-recipe").code == 0
    assert read_recipe(tmp_path / "one.png") is None
    refused(huabi("again", tmp_path / "one.png", "--out", tmp_path / "x.png"), "no recipe")


def test_again_tells_when_the_model_is_gone(huabi: Any, run: Path, tmp_path: Path) -> None:
    assert huabi("sample", run, "--n", 1, "--out", tmp_path / "one.png").code == 0
    home = Path(os.environ["HUABI_HOME"])
    (home / "runs.json").unlink()
    refused(huabi("again", tmp_path / "one.png", "--out", tmp_path / "x.png"), "--model RUN")
    assert huabi("again", tmp_path / "one.png", "--out", tmp_path / "x.png", "--model", run).code == 0
    other = tmp_path / "other"
    photos = write_pictures(tmp_path / "p")
    api.train("vae", photos, other, size=8, steps=1, threads=1, seed=3, settings=TINY["vae"])
    refused(huabi("again", tmp_path / "one.png", "--out", tmp_path / "y.png", "--model", other), "trained on")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["train", "difusion", "PHOTOS", "--out", "OUT"], ["did you mean 'diffusion'", "known: autoencoder"]),
        (["train", "vae", "PHOTOS", "--out", "OUT", "--size", "0"], ["size"]),
        (["train", "vae", "PHOTOS", "--out", "OUT", "--size", "7"], ["size"]),
        (["train", "vae", "PHOTOS", "--out", "OUT", "--size", "100000"], ["size"]),
        (["train", "vae", "PHOTOS", "--out", "OUT", "--size", "big"], ["width x height"]),
        (["train", "vae", "PHOTOS", "--out", "OUT", "--steps", "0"], ["at least 1"]),
        (["train", "vae", "PHOTOS", "--out", "OUT", "--budget", "soon"], ["10m"]),
        (["train", "vae", "PHOTOS", "--out", "OUT", "--steps", "9", "--budget", "9s"], ["exclude"]),
        (["train", "vae", "PHOTOS", "--out", "OUT", "--set", "bach=4"], ["did you mean 'batch'"]),
        (["train", "vae", "PHOTOS", "--out", "OUT", "--set", "batch"], ["name=value"]),
        (["train", "vae", "PHOTOS", "--out", "OUT", "--device", "warp"], ["--device cpu"]),
        (["train", "vae", "PHOTOS", "--out", "OUT", "--channels", "2"], ["channels"]),
        (["train", "vae", "PHOTOS", "--out", "OUT", "--fit", "tear"], ["crop"]),
        (["train", "vae", "PHOTOS", "--out", "OUT", "--seed", "-1"], ["seed"]),
        (["train", "vae", "PHOTOS", "--out", "OUT", "--init", "NOWHERE"], ["no run in"]),
        (["train", "vae", "NOWHERE", "--out", "OUT"], ["no such folder"]),
        (["train", "vae", "PHOTOS"], ["--out"]),
        (["train", "vae", "PHOTOS", "--out", "RUN"], ["--resume"]),
        (["sample", "NOWHERE", "--grid", "OUT.png"], ["no run in"]),
        (["sample", "RUN"], ["--out DIR"]),
        (["sample", "RUN", "--n", "0", "--grid", "OUT.png"], ["at least 1"]),
        (["sample", "RUN", "--label", "dgo", "--grid", "OUT.png"], ["did you mean 'dog'"]),
        (["sample", "RUN", "--steps", "0", "--grid", "OUT.png"], ["steps"]),
        (["sample", "RUN", "--between", "1", "NOWHERE.png", "--grid", "OUT.png"], ["NOWHERE.png"]),
        (["again", "NOWHERE.png", "--out", "OUT.png"], ["NOWHERE.png"]),
        (["show", "NOWHERE"], ["no run in"]),
        (["inspect", "NOWHERE"], ["no such folder"]),
        (["inspect", "world:styles=oli"], ["did you mean 'oil'"]),
        (["recommend", "NOWHERE"], ["no such folder"]),
        (["compare", "NOWHERE", "--out", "OUT"], ["no such folder"]),
        (["compare", "PHOTOS"], ["--out"]),
        (["compare", "PHOTOS", "--out", "OUT", "--budget", "soon"], ["10m"]),
        (["compare", "PHOTOS", "--out", "OUT", "--families", "gan,vea"], ["did you mean 'vae'"]),
        (["compare", "PHOTOS", "--out", "RUN"], ["no comparison made"]),
        (["world", "--n", "4"], ["--out DIR"]),
        (["world", "--n", "-1", "--out", "OUT"], ["at least 1"]),
        (["world", "--size", "7", "--out", "OUT"], ["16 to 2048"]),
        (["world", "--style", "inc", "--out", "OUT"], ["did you mean 'ink'"]),
        (["world", "--scene", "NOWHERE", "--out", "OUT"], ["NOWHERE"]),
        (["world", "--n", "2", "--out", "OUT.png"], ["one file"]),
        (["dream"], ["dream"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_mistakes_get_one_line(
    words: list[str], says: list[str], huabi: Any, photos: Path, run: Path, tmp_path: Path
) -> None:
    places = {"PHOTOS": photos, "OUT": tmp_path / "out", "OUT.png": tmp_path / "out.png", "RUN": run}
    places |= {"NOWHERE": tmp_path / "NOWHERE", "NOWHERE.png": tmp_path / "NOWHERE.png"}
    refused(huabi(*[places.get(word, word) for word in words]), *says)
    assert not (tmp_path / "out" / "run.json").exists()


def test_resume_says_what_differs(huabi: Any, photos: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    words = ["train", "vae", photos, "--out", folder, "--size", 8, "--steps", 2, *SETTINGS]
    assert huabi(*words).code == 0
    longer = ["--resume", "--steps", 4]
    refused(huabi("train", "vae", photos, "--out", folder, "--size", 16, *longer), "[16, 16], the run has [8, 8]")
    refused(huabi("train", "gan", photos, "--out", folder, *longer), "family is gan, the run has vae")
    refused(huabi("train", "vae", photos, "--out", folder, "--set", "lr=1", *longer), "--set lr is 1.0")
    refused(huabi("train", "vae", photos, "--out", folder, "--seed", 9, *longer), "--seed is 9")
    kept = next((photos / "cat").iterdir())
    kept.rename(photos / "gone.txt")
    refused(huabi("train", "vae", photos, "--out", folder, *longer), "have changed")
    (photos / "gone.txt").rename(kept)
    assert huabi("train", "vae", photos, "--out", folder, *longer).code == 0


def test_data_that_cannot_be_trained_on(huabi: Any, tmp_path: Path) -> None:
    def attempt(name: str) -> Result:
        return huabi("train", "vae", tmp_path / name, "--out", tmp_path / "out", "--size", 8)

    (tmp_path / "empty").mkdir()
    refused(attempt("empty"), "empty")
    (tmp_path / "words").mkdir()
    (tmp_path / "words" / "a.txt").write_text("hello")
    refused(attempt("words"), "no pictures")
    write_pictures(tmp_path / "few", count=3)
    refused(attempt("few"), "3")
    (tmp_path / "corrupt").mkdir()
    for i in range(8):
        (tmp_path / "corrupt" / f"{i}.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(20 + i))
    refused(attempt("corrupt"))
    assert huabi("inspect", tmp_path / "corrupt").code in (1, 2)


def test_a_few_bad_files_never_stop_a_run(huabi: Any, photos: Path, tmp_path: Path) -> None:
    (photos / "cat" / "zero.png").write_bytes(b"")
    (photos / "cat" / "text.png").write_text("not a picture")
    good = next((photos / "dog").iterdir()).read_bytes()
    (photos / "dog" / "with space 猫 🐱\n.png").write_bytes(good[:60])
    before = {p: p.read_bytes() for p in photos.rglob("*") if p.is_file()}
    told = huabi("train", "vae", photos, "--out", tmp_path / "run", "--size", 8, "--steps", 2, *SETTINGS)
    assert told.code == 0, told.err
    assert "zero.png" in told.err
    found = json.loads(huabi("inspect", photos, "--size", 8, "--json").out)
    assert len(found["unreadable"]) == 3
    assert {p: p.read_bytes() for p in photos.rglob("*") if p.is_file()} == before


def test_a_full_disk_ends_in_one_line_and_loses_nothing(photos: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    words = ["train", "vae", str(photos), "--out", str(folder), "--size", "8", "--threads", "1", *map(str, SETTINGS)]
    command = [sys.executable, "-m", "huabi", *words]
    subprocess.run([*command, "--steps", "2"], check=True, capture_output=True)
    before = (folder / "model.safetensors").read_bytes()

    def small() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    ended = subprocess.run(
        [*command, "--resume", "--steps", "4"], capture_output=True, text=True, preexec_fn=small, check=False
    )
    assert ended.returncode == 2, ended.stderr
    assert "disk is full" in ended.stderr
    assert (folder / "model.safetensors").read_bytes() == before
    subprocess.run([*command, "--resume", "--steps", "4"], check=True, capture_output=True)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_and_prints_the_line_that_resumes(number: int, code: int, photos: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    words = ["train", "vae", str(photos), "--out", str(folder), "--size", "8", "--budget", "5m", *map(str, SETTINGS)]
    process = subprocess.Popen([sys.executable, "-m", "huabi", *words], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not (folder / "log.jsonl").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == code, errors
    assert f"huabi train vae {photos}" in errors
    assert "--resume" in errors
    saved = [int(p.name) for p in (folder / "state").iterdir()]
    assert saved
    assert json.loads((folder / "log.jsonl").read_text().splitlines()[-1])["step"] <= saved[-1]


def test_a_signal_ends_the_reading_of_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUABI_CACHE", str(tmp_path / "cache"))
    words = ["vae", "world:n=5000,styles=oil", "--out", str(tmp_path / "run"), "--size", "64", "--steps", "1"]
    process = subprocess.Popen([sys.executable, "-m", "huabi", "train", *words], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("cache/pictures/.*.tmp/images.u8")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=45)
    assert process.returncode == 130, errors
    assert "before the first step; go on with: huabi train vae" in errors
    assert not (tmp_path / "run" / "run.json").exists()
    assert not list(tmp_path.glob("cache/pictures/.*"))


def test_two_trainings_at_once_and_two_in_one_run(photos: Path, tmp_path: Path) -> None:
    def start(name: str) -> subprocess.Popen[str]:
        words = ["vae", str(photos), "--out", str(tmp_path / name), "--size", "8", "--steps", "150", "--threads", "1"]
        command = [sys.executable, "-m", "huabi", "train", *words, *map(str, SETTINGS)]
        return subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)

    first, second = start("a"), start("b")
    deadline = time.monotonic() + 60
    while not (tmp_path / "a" / "run.json").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    third = start("a")
    errors = {p: p.communicate(timeout=120)[1] for p in (first, second, third)}
    assert [p.returncode for p in (first, second)] == [0, 0], errors
    assert third.returncode == 2
    assert errors[third].count("huabi: ") == 1


def test_caches_are_listed_and_cleared(huabi: Any, run: Path) -> None:
    assert "pictures" in huabi("cache").out
    assert huabi("cache", "--clear").code == 0
    assert "nothing is cached" in huabi("cache").out


def test_the_doctor_names_what_is_there(huabi: Any) -> None:
    facts = json.loads(huabi("doctor", "--json").out)
    assert facts["device"] in ("cpu", "cuda:0", "mps")
    assert {"torch", "precision", "threads", "free memory"} <= facts.keys()
    assert huabi("doctor").code == 0


def test_init_starts_from_the_weights_of_another_run(huabi: Any, photos: Path, run: Path, tmp_path: Path) -> None:
    words = ["train", "vae", photos, "--out", tmp_path / "tuned", "--steps", 1, "--init", run]
    assert huabi(*words).code == 0
    assert api.load(tmp_path / "tuned").spec.size == (8, 8)
    shutil.rmtree(tmp_path / "tuned")
    refused(huabi(*words[:1], "gan", *words[2:]), "is a vae, not a gan")
