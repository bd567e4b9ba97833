"""Scenes: the same from the same seed, as they say they are, and from people's own files."""

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from huabi.data import prepare
from huabi.data.world import compose, export, render
from huabi.data.world.compose import box, draw_scene
from huabi.data.world.kinds import KINDS
from huabi.data.world.palette import COLOURS
from huabi.data.world.scene import MOODS, RELATIONS, SEASONS, SETTINGS, SIZES, STYLES, TIMES, WEATHERS, Scene
from huabi.data.world.spec import Picture, choose, parse
from huabi.data.world.styles import draw
from huabi.data.world.written import read_scene
from huabi.errors import DataError, RequestError

seeds = st.integers(0, 2**40)
CAT = {"kind": "cat"}


def test_the_vocabulary_is_rich() -> None:
    assert len(KINDS) >= 24
    assert len(COLOURS) == 11
    assert (len(SETTINGS), len(TIMES), len(WEATHERS), len(MOODS), len(STYLES)) == (8, 4, 5, 6, 6)
    assert all(set(kind.colours) <= set(COLOURS) and kind.colours for kind in KINDS.values())


def test_combinations_can_be_kept_out_of_training() -> None:
    everything = [*parse("world:n=300").pictures()]
    kept = [*parse("world:n=300,without=cat-green+pagoda-pixel").pictures()]

    def shows(picture: Picture) -> bool:
        things = picture.scene().things
        green_cat = any((thing.kind, thing.colour) == ("cat", "green") for thing in things)
        return green_cat or (picture.style == "pixel" and any(thing.kind == "pagoda" for thing in things))

    assert len(kept) == 300
    assert any(map(shows, everything))
    assert not any(map(shows, kept))
    passed = [picture for picture in everything if not shows(picture)]
    assert kept[: len(passed)] == passed


@given(seeds)
@settings(max_examples=300)
def test_a_scene_is_as_it_says(seed: int) -> None:
    scene = draw_scene(seed)
    assert scene == draw_scene(seed)
    assert 1 <= len(scene.things) <= 15
    assert scene.weather != "snow" or scene.season == "winter"
    for thing in scene.things:
        assert thing.colour in KINDS[thing.kind].colours
        assert thing.size in SIZES
        frame = box(thing)
        shown = frame.common(compose.Box(0, 0, 1, 1)) / frame.area
        assert shown > 0.75, thing
    for relation in scene.relations:
        subject, target = scene.things[relation.subject], scene.things[relation.target]
        one, two = box(subject), box(target)
        middle = (one.left + one.right) / 2
        match relation.name:
            case "left of":
                assert middle < (two.left + two.right) / 2
            case "above":
                assert one.top + one.bottom < two.top + two.bottom
            case "behind":
                assert relation.subject < relation.target
                assert one.common(two) > 0
            case "on":
                assert relation.subject > relation.target
                assert two.left < middle < two.right
                assert two.top - 0.01 <= one.bottom < two.bottom
            case "inside":
                assert two.left < middle < two.right
                assert one.bottom <= two.bottom + 0.01


def test_everything_is_drawn_sooner_or_later() -> None:
    scenes = [draw_scene(seed) for seed in range(3000)]
    assert {thing.kind for scene in scenes for thing in scene.things} == set(KINDS)
    assert {thing.colour for scene in scenes for thing in scene.things} == set(COLOURS)
    assert {relation.name for scene in scenes for relation in scene.relations} == set(RELATIONS)
    for name, known in (("setting", SETTINGS), ("time", TIMES), ("weather", WEATHERS), ("season", SEASONS)):
        assert {getattr(scene, name) for scene in scenes} == set(known)
    counts = [sum(t.kind == k for t in scene.things) for scene in scenes for k in {t.kind for t in scene.things}]
    assert set(counts) >= {1, 2, 3, 4, 5}


def test_masks_show_what_is_there() -> None:
    for seed in range(40):
        scene = draw_scene(seed)
        found = render.masks(scene, (96, 96))
        assert set(np.unique(found)) <= set(range(len(scene.things) + 1))
        for index, thing in enumerate(scene.things):
            rows, columns = np.nonzero(found == index + 1)
            if len(rows) == 0:
                continue
            frame = box(thing)
            assert rows.min() >= math.floor(frame.top * 96) - 1
            assert rows.max() <= math.ceil(frame.bottom * 96) + 1
            assert columns.min() >= math.floor(frame.left * 96) - 1
            assert columns.max() <= math.ceil(frame.right * 96) + 1
        assert all(0 <= share <= 1 for share in render.hidden(scene))


def test_what_is_inside_is_partly_seen() -> None:
    scenes = [draw_scene(seed) for seed in range(1500)]
    tied = [(s, r) for s in scenes for r in s.relations if r.name == "inside"]
    assert len(tied) > 20
    for scene, relation in tied[:40]:
        assert 0 < render.hidden(scene)[relation.subject] < 0.8


@pytest.mark.parametrize("style", STYLES)
def test_styles_draw_any_size(style: str) -> None:
    scene = draw_scene(7, aspect=1.5)
    for size in ((64, 96), (33, 21), (64, 64)):
        pixels = draw(scene, size, style)
        assert pixels.shape == (*size, 3)
        assert pixels.dtype == np.uint8
        assert pixels.std() > 8
        assert np.array_equal(pixels, draw(scene, size, style))


def test_the_same_seed_is_the_same_picture_in_another_process() -> None:
    code = (
        "from huabi.data.world.compose import draw_scene; from huabi.data.world.styles import draw; import hashlib;"
        "scene = draw_scene(5); print(repr(scene));"
        "[print(hashlib.sha256(draw(scene, (64, 64), s).tobytes()).hexdigest()) for s in ('flat', 'oil', 'pixel')]"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONPATH": ":".join(sys.path), "PYTHONHASHSEED": seed, "PATH": ""},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1


def test_a_scene_survives_its_file(tmp_path: Path) -> None:
    for seed in range(30):
        scene = draw_scene(seed)
        (tmp_path / "scene.json").write_text(json.dumps(scene.to_json()))
        again = read_scene(tmp_path / "scene.json")
        assert sorted(again.things, key=repr) == sorted(scene.things, key=repr)
        assert len(again.relations) == len(scene.relations)
        assert np.array_equal(render.rasterize(render.to_svg(scene, (48, 48))), draw_plain(again))


def draw_plain(scene: Scene) -> np.ndarray:
    return render.rasterize(render.to_svg(scene, (48, 48)))


def test_a_person_writes_as_little_as_they_like() -> None:
    scene = read_scene(
        {
            "setting": "lake",
            "mood": "festive",
            "things": [{"kind": "cat", "colour": "red"}, {"kind": "bench"}, {"kind": "moon"}, {"kind": "boat"}],
            "relations": [
                {"subject": "cat", "name": "on", "target": "bench"},
                {"subject": "moon", "name": "left of", "target": 3},
            ],
        }
    )
    assert sorted(thing.kind for thing in scene.things) == ["bench", "boat", "cat", "moon"]
    kinds = [(scene.things[r.subject].kind, r.name, scene.things[r.target].kind) for r in scene.relations]
    assert kinds == [("cat", "on", "bench"), ("moon", "left of", "boat")]
    assert read_scene({}).things == ()


@pytest.mark.parametrize(
    ("scene", "line"),
    [
        ({"things": [{"kind": "cta"}]}, "no kind 'cta'; did you mean 'cat'"),
        ({"things": [{"colour": "red"}]}, "thing 0 has no kind"),
        ({"things": [{"kind": "cat", "colour": "rde"}]}, "no colour 'rde'; did you mean 'red'"),
        ({"mood": "jolly"}, "no mood 'jolly'"),
        ({"moods": "calm"}, "no field of a scene 'moods'; did you mean 'mood'"),
        ({"things": [{"kind": "cat", "x": 0.5}]}, "only one of x and y"),
        ({"things": [{"kind": "cat", "x": "left", "y": 1}]}, "x of thing 0 'left'"),
        ({"things": "cat"}, "are lists"),
        ({"things": [CAT], "relations": [{"subject": 0, "name": "on", "target": "dog"}]}, "no object 'dog'"),
        ({"things": [CAT], "relations": [{"subject": 0, "name": "on", "target": 0}]}, "cannot be on itself"),
        (
            {"things": [{"kind": "cat"}] * 2, "relations": [{"subject": "cat", "name": "on", "target": 0}]},
            "there are 2 of 'cat'",
        ),
        (
            {
                "things": [{"kind": "cat", "x": 0.9, "y": 0.9}, {"kind": "dog", "x": 0.2, "y": 0.9}],
                "relations": [{"subject": 0, "name": "left of", "target": 1}],
            },
            "do not agree",
        ),
        (
            {"things": [{"kind": "house"}, {"kind": "sun"}], "relations": [{"subject": 0, "name": "on", "target": 1}]},
            "on the sun",
        ),
    ],
)
def test_a_scene_that_cannot_be_is_refused(scene: dict, line: str) -> None:
    with pytest.raises(RequestError, match=line) as caught:
        read_scene(scene)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("world:styles=inc", "no style 'inc'; did you mean 'ink'"),
        ("world:n=-1", "n=-1: expected 1 to"),
        ("world:n=many", "whole number"),
        ("world:mood=jolly", "no mood 'jolly'"),
        ("world:without=green", "join a thing's words"),
        ("world:without=calm-night", "join a thing's words"),
        ("world:without=green-cats", "no word of the world 'cats'"),
        ("world:colour=red", "no option of the world 'colour'"),
        ("world:label=size", "no label 'size'"),
    ],
)
def test_a_spec_that_cannot_be_is_refused(text: str, line: str) -> None:
    with pytest.raises(RequestError, match=line):
        parse(text)
    with pytest.raises(RequestError, match="at least 1"):
        choose("world", -1, None, None)


def test_the_world_is_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUABI_CACHE", str(tmp_path))
    data = prepare("world:styles=flat,n=24,seed=3", size=16)
    assert len(data.images) == 24
    assert set(data.spec.labels) <= set(SETTINGS)
    assert data.captions is not None
    scene = draw_scene((3 << 32) + int(data.names[0].split("-")[0]) % (1 << 32))
    row = draw(scene, (16, 16), "flat")
    assert np.array_equal(data.images[0], row)
    assert prepare("world:styles=flat,n=24,seed=3", size=16).fingerprint == data.fingerprint
    assert prepare("world:styles=flat,n=24,seed=4", size=16).fingerprint != data.fingerprint


def test_captions_of_a_picture_are_told_by_dice_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUABI_CACHE", str(tmp_path))
    one, four = (prepare(f"world:n=24,language=both{more}", size=16) for more in ("", ",captions=4"))
    assert one.captions is not None
    assert four.captions is not None
    assert {len(said) for said in four.captions} == {4}
    assert [said[0] for said in four.captions] == [said[0] for said in one.captions]
    chinese = [any(letter > "一" for letter in caption) for said in four.captions for caption in said]
    assert 24 < sum(chinese) < 72  # each in a language of its own
    assert len({caption for said in four.captions for caption in said}) > 80
    export.export(choose("world:captions=2", 4, None, None), tmp_path / "out", (16, 16))
    assert {len(said) for said in prepare(tmp_path / "out", size=16).captions or ()} == {2}


def test_an_exported_world_is_a_folder_of_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUABI_CACHE", str(tmp_path / "cache"))
    out = tmp_path / "world"
    export.export(choose("world:label=style", 12, "flat+pixel", 1), out, (32, 32))
    rows = [json.loads(line) for line in (out / "metadata.jsonl").read_text("utf-8").splitlines()]
    assert len(rows) == 12
    for row in rows:
        with Image.open(out / row["mask_file_name"]) as image:
            mask = np.array(image)
        assert mask.shape == (32, 32)
        assert mask.max() <= len(row["scene"]["things"])
        drawn = draw(read_scene(row["scene"]), (32, 32), row["style"])
        with Image.open(out / row["file_name"]) as image:
            assert np.array_equal(np.asarray(image), drawn)
    data = prepare(out, size=16)
    assert len(data.images) == 12
    assert data.spec.labels == ("flat", "pixel")
    assert data.captions is not None
    export.export(choose("world", 1, "flat", 1), tmp_path / "one.png", (32, 32))
    with Image.open(tmp_path / "one.png") as image:
        assert image.size == (32, 32)
    with pytest.raises(RequestError, match="one file"):
        export.export(choose("world", 2, None, None), tmp_path / "two.png", (32, 32))
    for size in ((7, 32), (32, 100_000)):
        with pytest.raises(RequestError, match="16 to 2048"):
            export.export(choose("world", 1, None, None), tmp_path / "new", size)
    with pytest.raises(DataError, match="choose a new --out"):
        export.export(choose("world", 1, None, None), out, (32, 32))
