"""What `huabi evaluate` tells of a run and of a folder, and what it refuses."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import huabi
from conftest import TINY, write_pictures
from huabi import cli, evaluation
from huabi.checkpoint import Checkpoint
from huabi.data import PictureData, prepare, to_unit
from huabi.display import Display
from huabi.errors import DataError, HuabiError, RequestError
from huabi.evaluation import Evaluation, evaluate
from huabi.metrics.alarms import thumbnails
from huabi.metrics.features import Features
from huabi.metrics.measure import measure
from huabi.metrics.nearest import nearest, thumbnails_of
from huabi.metrics.reference import reference
from huabi.verdict import HELD_OUT, TRAINING

N = 42


def colours(x: torch.Tensor) -> torch.Tensor:
    """Mean colour, its square and how rough a picture is: features that cost nothing."""
    return torch.cat([x.mean((2, 3)), x.square().mean((2, 3)), x.diff(dim=3).abs().mean((2, 3))], 1)


NET = Features("colours", "c0" * 32, "not resized", colours, logits=lambda features: features)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "network", lambda name, device: NET)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two thirds cats, one third dogs; some of each held out."""
    folder = write_pictures(tmp_path_factory.mktemp("data") / "photos", 160, classes=("cat", "dog", "cat"))
    data = prepare(folder, size=8)
    assert len(data.heldout) >= 6
    data.close()
    return folder


@pytest.fixture(scope="module")
def run(photos: Path) -> Path:
    settings = TINY["vae"]
    huabi.train("vae", photos, photos.parent / "run", size=8, steps=2, threads=1, seed=3, settings=settings)
    return photos.parent / "run"


@pytest.fixture(scope="module")
def found(run: Path, photos: Path) -> Evaluation:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluation, "network", lambda name, device: NET)
        return evaluate(run, str(photos), n=N)


def strict(facts: dict[str, Any]) -> dict[str, Any]:
    """The facts as they are read back from JSON that every reader takes: without NaN."""
    read: dict[str, Any] = json.loads(json.dumps(facts, allow_nan=False))
    assert read == facts
    return read


def saved(pictures: list[Any], folder: Path) -> Path:
    for n, pixels in enumerate(pictures):
        target = folder / f"{n:04d}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.asarray(pixels)).save(target)
    return folder


def noise(count: int, size: int = 8, seed: int = 0) -> list[np.ndarray]:
    return list(np.random.default_rng(seed).integers(0, 256, (count, size, size, 3), dtype=np.uint8))


def test_a_run_is_measured_against_what_it_saw_and_what_it_did_not(found: Evaluation, run: Path, photos: Path) -> None:
    facts = strict(found.facts)
    assert (facts["kind"], facts["family"], facts["n"], facts["size"]) == ("evaluation", "vae", N, [8, 8])
    assert (facts["source"], facts["against"], facts["features"]) == (str(run), str(photos), "colours")
    data = prepare(photos, size=8)
    counts = {"held-out pictures": len(data.heldout), "training pictures": len(data.train)}
    distances = {s["on"]: s for s in facts["scores"] if s["name"] == "kernel distance x 1000"}
    assert list(distances) == list(counts)  # what the run never saw stands first
    for on, score in distances.items():
        assert score["protocol"]["reference"] == counts[on]
        assert score["low"] < score["value"] < score["high"]
        assert score["text"].startswith("kernel distance x 1000 ")
    [alone] = [s for s in facts["scores"] if s["name"] == "Inception Score"]
    assert (alone["on"], alone["protocol"]["reference"]) == ("pictures", 0)
    assert "trained on" in facts["notes"][0]
    assert "held-out" in facts["notes"][0]
    data.close()


def test_scores_are_those_of_the_pictures_that_the_run_draws(found: Evaluation, run: Path, photos: Path) -> None:
    labels = [row["label"] for row in found.facts["classes"] for _ in range(row["samples"])]
    order = np.random.default_rng(0).permutation(np.repeat([0, 1], [labels.count("cat"), labels.count("dog")]))
    requests = [huabi.Generate(seed=i, label=("cat", "dog")[k]) for i, k in enumerate(order)]
    drawn = [np.asarray(picture) for picture in huabi.draw(huabi.load(run), requests)]
    data = prepare(photos, size=8)
    expected = measure(colours(to_unit(np.stack(drawn))), reference(NET, data, data.heldout), NET)
    values = {s["name"]: s["value"] for s in found.facts["scores"] if s["on"] == "held-out pictures"}
    for score in expected[:-1]:
        assert values[score.name] == pytest.approx(score.value, rel=1e-6)
    data.close()


def test_labels_are_drawn_and_measured_in_the_datas_proportions(found: Evaluation, photos: Path) -> None:
    cat, dog = found.facts["classes"]
    assert (cat["label"], dog["label"]) == ("cat", "dog")
    assert cat["samples"] + dog["samples"] == N
    data = prepare(photos, size=8)
    assert abs(cat["samples"] - N * data.spec.weights[0]) < 1
    assert cat["reference"] + dog["reference"] == len(data.train)
    for row in (cat, dog):
        assert row["scores"][0]["name"] == "kernel distance x 1000"
        assert row["scores"][0]["protocol"]["samples"] == row["samples"]
        assert row["scores"][0]["warnings"]
    data.close()


def test_the_report_shows_pictures_curves_and_cost(found: Evaluation) -> None:
    assert found.pictures["sheet"].width == 7 * 10 - 2  # 42 pictures
    assert set(found.pictures) == {"sheet", "nearest", "between"}
    assert found.pictures["between"].height == 4 * 10 - 2
    cost = found.facts["cost"]
    assert cost["parameters"] == sum(p.numel() for p in huabi.load(found.facts["source"]).parameters())
    assert cost["steps"] == 2
    assert all(cost[name] > 0 for name in ("train_seconds", "images_per_second", "seconds_per_picture"))
    assert cost["peak_memory_mb"] >= 0
    (points,) = [points for name, points in found.facts["curves"]["losses"].items() if name == "vae"]
    assert all(len(point) == 2 for point in points)
    near = found.facts["nearest"]
    assert near["count"] == N
    assert 0 <= near["nearer"] <= 1
    assert near["samples"] > 0


def test_what_the_log_tells_is_in_the_report(run: Path, photos: Path, tmp_path: Path) -> None:
    told = shutil.copytree(run, tmp_path / "run")
    lines = [{"step": k, "vae": k % 7 + 0.5, "images_per_second": 9.0, "seconds": k * 1.0} for k in range(1, 1000)]
    lines[500] |= {"vae": float("nan"), "alarms": ["collapse: all alike; lower the rate"]}
    looks = [{"step": k, "at": k * 10.0, "kernel_distance": 900 / k, "best": True, "pictures": 64} for k in (1, 2, 3)]
    text = "".join(json.dumps(line) + "\n" for line in [*lines, *looks])
    (told / "log.jsonl").write_text(text + '{"step": 4, "cut of')
    facts = strict(evaluate(told, str(photos), n=20).facts)
    assert facts["alarms"] == ["collapse: all alike; lower the rate"]
    assert facts["curves"]["distance"] == [[10.0, 900.0], [20.0, 450.0], [30.0, 300.0]]
    curve = np.array(facts["curves"]["losses"]["vae"])
    assert 100 < len(curve) <= 200
    assert (np.diff(curve[:, 0]) > 0).all()
    assert abs(curve[:, 1].mean() - 3.5) < 0.1
    assert facts["cost"]["images_per_second"] == 9.0


def test_other_data_is_measured_against_as_a_whole(run: Path, tmp_path: Path) -> None:
    other = write_pictures(tmp_path / "others", 30, classes=())
    facts = evaluate(run, str(other), n=20).facts
    assert {s["on"] for s in facts["scores"]} == {"pictures"}
    assert next(s for s in facts["scores"])["protocol"]["reference"] == 30
    assert "is not, as it stands now, what this run was trained on" in facts["notes"][0]
    assert facts["classes"] == []
    assert facts["nearest"]["heldout"] is None


def test_how_a_run_was_augmented_is_no_matter_for_what_it_is_measured_against(run: Path, photos: Path) -> None:
    assert Checkpoint.open(run).header["data_settings"]["flip"]
    facts = evaluate(run, "world:n=24", n=8).facts  # which may not be mirrored
    assert facts["scores"][0]["protocol"]["reference"] == 24
    unlike = photos.parent / "unlike"
    options: dict[str, Any] = {"size": 8, "steps": 1, "threads": 1, "flip": False, "balance": True}
    huabi.train("vae", photos, unlike, settings=TINY["vae"], **options)
    assert {s["on"] for s in evaluate(unlike, str(photos), n=8).facts["scores"]} >= {HELD_OUT, TRAINING}


def test_a_folder_of_pictures_is_measured_as_it_is(photos: Path, tmp_path: Path) -> None:
    pixels = noise(24)
    said: list[str] = []
    folder = saved(pixels, tmp_path / "mine")
    (folder / "broken.png").write_text("no picture")
    found = evaluate(folder, str(photos), say=said.append)
    facts = strict(found.facts)
    assert [line for line in said if "broken.png" in line] == ["left out: broken.png: not a picture that can be read"]
    assert (facts["n"], facts["family"], facts["alarms"]) == (24, None, [])
    assert set(facts["cost"].values()) == {None}
    data = prepare(photos, size=8)
    [expected, *_] = measure(colours(to_unit(np.stack(pixels))), reference(NET, data, data.heldout), NET)
    assert facts["scores"][0]["value"] == pytest.approx(expected.value, rel=1e-5)
    data.close()
    few = evaluate(folder, str(photos), n=10, seed=1).facts
    assert few["n"] == 10


def test_classes_of_a_folder_and_those_too_small(tmp_path: Path) -> None:
    data = tmp_path / "data"
    for label, count, seed in (("cat", 30, 1), ("dog", 30, 2), ("owl", 3, 3), ("yak", 3, 4)):
        saved(noise(count, seed=seed), data / label)
        saved(noise(2 if label == "owl" else 1 if label == "yak" else 8, seed=seed + 9), tmp_path / "mine" / label)
    classes = {row["label"]: row for row in strict(evaluate(tmp_path / "mine", str(data)).facts)["classes"]}
    assert [s["name"] for s in classes["cat"]["scores"]][:2] == ["kernel distance x 1000", "precision"]
    [owl] = classes["owl"]["scores"]
    assert owl["value"] is not None
    assert owl["low"] is None
    assert owl["warnings"]
    assert (classes["yak"]["samples"], classes["yak"]["scores"]) == (1, [])


def test_pictures_that_are_the_data_itself_are_told(photos: Path, tmp_path: Path) -> None:
    evaluated = evaluate(photos, str(photos))
    assert any("those of real pictures, not of a model" in note for note in evaluated.facts["notes"])
    data = prepare(photos, size=8)
    real = [np.array(data.images[row]) for row in data.train[:3]]
    data.close()
    notes = evaluate(saved([*noise(9), *real], tmp_path / "some"), str(photos)).facts["notes"]
    assert any(note.startswith("3 of 12 are pictures of") for note in notes)
    [one] = noise(1)
    notes = evaluate(saved([one] * 10, tmp_path / "collapsed"), str(photos)).facts["notes"]
    assert "only 1 of 10 are different pictures" in notes


@pytest.mark.parametrize("channels", [1, 4])
def test_grey_and_clear_pictures_are_measured_too(channels: int, photos: Path, tmp_path: Path) -> None:
    run, settings = tmp_path / "run", TINY["vae"]
    huabi.train("vae", photos, run, size="16x8", channels=channels, steps=1, threads=1, settings=settings)
    found = evaluate(run, str(photos), n=20)
    assert strict(found.facts)["size"] == [8, 16]
    assert found.pictures["nearest"].mode == ("L" if channels == 1 else "RGB")


def test_data_without_held_out_pictures_says_so(tmp_path: Path) -> None:
    data = write_pictures(tmp_path / "few", 12)
    huabi.train("vae", data, tmp_path / "run", size=8, steps=1, threads=1, settings=TINY["vae"])
    facts = evaluate(tmp_path / "run", str(data), n=8).facts
    assert {s["on"] for s in facts["scores"]} == {"training pictures"}
    assert any("too small for pictures to be held out" in note for note in facts["notes"])


@pytest.fixture(scope="module")
def data(photos: Path) -> PictureData:
    return prepare(photos, size=8)


def test_the_nearest_picture_is_the_nearest_of_all(data: PictureData) -> None:
    thumbs = thumbnails(to_unit(np.stack(noise(7))))
    here = thumbnails_of(data, data.train).flatten(1).double()
    views = torch.stack([thumbs, thumbs.flip(3)]).flatten(2).double()  # (2, 7, pixels)
    gaps = (views[:, :, None] - here).square().mean(3).sqrt().amin(0)  # (7, train)
    assert data.flip
    found = nearest(thumbs, data, data.train)
    assert found.row.tolist() == data.train[gaps.argmin(1).numpy()].tolist()
    torch.testing.assert_close(found.distance.double(), gaps.amin(1), rtol=1e-4, atol=1e-2)


def test_a_mirrored_copy_is_found(data: PictureData) -> None:
    rows = data.train[[5, 17]]
    found = nearest(thumbnails_of(data, rows).flip(3), data, data.train)
    assert found.row.tolist() == rows.tolist()
    assert found.distance.max() < 0.1


def test_features_that_are_not_numbers_stop_it_with_one_line(
    run: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(x: torch.Tensor) -> torch.Tensor:
        return colours(x) / (x.mean((1, 2, 3), keepdim=True).flatten(1) > -0.5)

    net = Features("broken", "d0" * 32, "not resized", lambda x: broken(x) * float("nan"))
    monkeypatch.setattr(evaluation, "network", lambda name, device: net)
    with pytest.raises(DataError, match="NaN or infinity"):
        evaluate(run, str(photos), n=8)


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Any:
    """Runs `huabi evaluate` with these words in this process; exit code, what it printed, what it told."""

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["huabi", "evaluate", *map(str, words)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as end:
            cli.main()
        return (int(end.value.code or 0), *capfd.readouterr())

    return run


def refused(result: tuple[int, str, str]) -> str:
    """The one line that it complains with."""
    code, _, told = result
    [line] = [line for line in told.splitlines() if line.startswith("huabi: ")]
    assert code == 2, told
    return line


def test_mistakes_get_one_line(command: Any, run: Path, photos: Path, tmp_path: Path) -> None:
    to = ("--against", photos)
    saved(noise(3), tmp_path / "mixed")
    saved(noise(1, 16), tmp_path / "mixed" / "b")
    saved(noise(1), tmp_path / "one")
    saved(noise(2, 10), tmp_path / "odd")
    (tmp_path / "none").mkdir()
    file = tmp_path / "file"
    file.write_text("")
    half = shutil.copytree(run, tmp_path / "half")
    (half / "run.json").unlink()  # its previews are no samples to judge
    says = {
        (run,): "--against",
        (run, *to, "--n", 1): "at least 2",
        (run, *to, "--seed", -1): "--seed -1",
        (run, "--against", tmp_path / "nowhere"): "no such folder",
        (run, "--against", tmp_path / "none"): "is empty",
        (run, "--against", tmp_path / "one"): "needs at least 4; add more",
        (run, "--against", file): "is a file; give a folder",
        (run, *to, "--out", file): "is a file",
        (half, *to): "no run in",
        (tmp_path / "nowhere", *to, "--json"): "no such folder",
        (photos, *to): "--out DIR",
        (tmp_path / "mixed", *to, "--json"): "8x8 in 0000.png and 16x16 in b/0000.png",
        (tmp_path / "one", *to, "--json"): "at least 2 pictures",
        (tmp_path / "odd", *to, "--json"): "multiple of 4",
    }
    for words, line in says.items():
        assert line in refused(command(*words)), words
    assert not (run / "evaluation").exists()


def test_a_reader_draws_nothing_and_says_what_to_do(photos: Path, tmp_path: Path, command: Any) -> None:
    huabi.train("classifier", photos, tmp_path / "reader", size=8, steps=1, settings=TINY["classifier"])
    line = refused(command(tmp_path / "reader", "--against", photos))
    assert "was trained as classifier, which draws no pictures; `huabi show" in line


def test_unknown_features_and_damaged_weights_are_refused(
    run: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    with pytest.raises(RequestError, match="did you mean 'inception'"):
        evaluate(run, str(photos), features="incepton")
    (tmp_path / "weights.pth").write_bytes(b"other")
    with pytest.raises(HuabiError, match="not the expected file"):
        evaluate(run, str(photos), features=f"inception:{tmp_path / 'weights.pth'}")


def test_the_command_writes_a_report_and_prints_it(command: Any, run: Path, photos: Path, tmp_path: Path) -> None:
    mine = shutil.copytree(run, tmp_path / "run")
    code, printed, told = command(mine, "--against", photos, "--n", 24)
    assert code == 0, told
    *lines, last = printed.splitlines()
    assert last == str(mine / "evaluation" / "report.html")
    facts = json.loads((mine / "evaluation" / "report.json").read_text())
    assert lines == [f"against {s['on']}: {s['text']}" for s in facts["scores"]]
    assert all(f"note: {note}" in told.splitlines() for note in facts["notes"])
    code, printed, _ = command(saved(noise(8), tmp_path / "dir"), "--against", photos, "--json")
    assert (code, json.loads(printed)["n"]) == (0, 8)
    again = huabi.evaluate(mine, photos, n=24)
    assert again.facts["scores"] == facts["scores"]
    assert again.save(tmp_path / "again").read_text("utf-8").startswith("<!doctype html>")


def test_stopped_while_drawing_it_leaves_nothing(
    command: Any, run: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def stop(self: Display, what: str, done: int, total: int) -> None:
        seen.append(what)
        if what == "drawing" and done == 5:
            raise KeyboardInterrupt

    monkeypatch.setattr(Display, "count", stop)
    code, printed, told = command(run, "--against", photos, "--out", tmp_path / "report")
    assert (code, printed, seen[-1]) == (130, "", "drawing")
    assert "Traceback" not in told
    assert not (tmp_path / "report").exists()
