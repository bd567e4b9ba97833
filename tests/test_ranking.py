"""Candidates are ordered by a contrast run, and the best are kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import huabi as face
from conftest import contrast_run, refused, write_pictures
from huabi import api, families
from huabi.checkpoint import Checkpoint
from huabi.pictures import open_picture, read_recipe
from huabi.search import cosines


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


WORDS = "a (red:1.4) house::2 fog::-1"


def test_the_best_of_many_come_first(huabi: Any, run: Path, tmp_path: Path) -> None:
    same = ["--model", run, "--seed", 7]
    huabi("imagine", WORDS, *same, "--n", 8, "--out", tmp_path / "all")
    done = huabi("imagine", WORDS, *same, "--n", 3, "--of", 8, "--rank", contrast_run(), "--out", tmp_path / "best")
    assert done.code == 0, done.err
    judge = Checkpoint.load(Path(contrast_run()))
    names = sorted(path.name for path in (tmp_path / "all").iterdir())
    fit = cosines(judge, [open_picture(tmp_path / "all" / name) for name in names], "a red house")
    order = fit.argsort(descending=True).tolist()
    best = [Path(line) for line in done.out.splitlines()]
    assert [path.name for path in best] == [names[k] for k in order[:3]]
    assert sorted((tmp_path / "best").iterdir()) == sorted(best)
    assert judge.identity is not None
    for path, place in zip(best, order):
        assert open_picture(path).tobytes() == open_picture(tmp_path / "all" / names[place]).tobytes()
        recipe = read_recipe(path)
        assert recipe is not None
        assert recipe["rank"] == {"model": judge.identity.hash, "cosine": round(float(fit[place]), 4)}
        assert f"seed {int(path.stem)} {float(fit[place]):.3f}" in done.err
    assert "the best 3 of 8" in done.err
    assert "to the bit" in huabi("again", best[0], "--out", tmp_path / "same.png").out


def test_all_are_ordered_where_no_more_are_drawn_and_python_agrees(huabi: Any, run: Path, tmp_path: Path) -> None:
    files = huabi("imagine", f"{WORDS} --seed 7", "--model", run, "--rank", contrast_run(), "--out", tmp_path).out
    drawn = face.imagine(f"{WORDS} --seed 7", run, rank=contrast_run())
    assert [picture.tobytes() for picture in drawn] == [open_picture(Path(f)).tobytes() for f in files.splitlines()]
    [best] = face.imagine(f"{WORDS} --seed 7", run, n=1, of=4, rank=contrast_run())
    assert best.tobytes() == drawn[0].tobytes()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["a cat", "--rank", "RUN"], "a scribe knows no words; `huabi train contrast"),
        (["a cat", "--rank", "NOWHERE"], "no run in"),
        (["a cat", "--of", "8"], "--rank RUN"),
        (["a cat", "--of", "2", "--rank", "SIGHT"], "4 to 256"),
        (["?!", "--rank", "SIGHT"], "holds no words"),
        (["--between", "a cat", "a dog", "--rank", "SIGHT"], "leave --rank out"),
    ],
)
def test_what_cannot_be_ranked_gets_one_line(
    words: list[str], says: str, huabi: Any, run: Path, tmp_path: Path
) -> None:
    named = {"RUN": run, "SIGHT": contrast_run(), "NOWHERE": tmp_path / "nowhere"}
    asked = [named.get(word, word) for word in words]
    refused(huabi("imagine", *asked, "--model", run, "--out", tmp_path / "out"), says)
    assert not (tmp_path / "out").exists()
