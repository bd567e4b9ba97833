"""The preflight names what is wrong, and bad files never stop a run."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter

from huabi.data import check_size, inspect, preflight, prepare
from huabi.data.near import near_groups
from huabi.data.split import split
from huabi.errors import DataError, RequestError

RNG = np.random.default_rng(2)


def scene(side: int = 32, rng: np.random.Generator = RNG) -> Image.Image:
    """Smooth noise: like a photograph, it survives re-compression."""
    small = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
    return small.resize((side, side), Image.Resampling.BICUBIC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "pictures"
    root.mkdir()
    for n in range(10):
        scene().save(root / f"{n}.png")
    return root


def test_everything_wrong_is_named(folder: Path) -> None:
    whole = (folder / "0.png").read_bytes()
    (folder / "empty.png").write_bytes(b"")
    (folder / "text.png").write_text("hello")
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    (folder / "same.png").write_bytes(whole)
    with Image.open(folder / "1.png") as image:
        ImageEnhance.Brightness(image.resize((48, 48))).enhance(1.02).save(folder / "near.jpg", quality=90)
    Image.new("RGB", (32, 32), "blue").save(folder / "blank.png")
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    found = inspect(folder)
    assert dict(found.unreadable) == {
        "cut.png": "cut off: the file ends too early",
        "empty.png": "an empty file",
        "text.png": "not a picture that can be read",
    }
    assert found.duplicates == (("0.png", "same.png"),)
    assert [set(g) for g in found.near_duplicates] == [{"1.png", "near.jpg"}]
    assert found.blank == ("blank.png",)
    assert (found.count, found.usable, found.size) == (16, 11, 32)
    assert found.formats == {"PNG": 11, "JPEG": 1}
    assert preflight.Preflight.from_json(json.loads(json.dumps(found.to_json()))).unreadable == found.unreadable
    data = prepare(folder, size=16)
    assert len(data.images) == 11
    assert data.findings.unreadable == found.unreadable
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before


def test_a_file_that_may_not_be_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huabi.data import pool, worker

    def refuse(where: worker.Where) -> bytes:
        if where.path.endswith("3.png"):
            raise PermissionError(13, "Permission denied")
        return Path(where.path).read_bytes()

    monkeypatch.setattr(worker, "read", refuse)
    monkeypatch.setattr(pool, "Worker", lambda task: (_ for _ in ()).throw(OSError()))  # decode in this process
    assert inspect(folder).unreadable == (("3.png", "may not be read (permission denied)"),)


def test_a_decoder_that_dies_is_noticed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huabi.data import pool

    code = (
        "import sys, os; sys.path[:] = {path!r}; from huabi.data import worker; e = worker.examine\n"
        "worker.examine = lambda job, task: os._exit(9) if job[0].path.endswith('5.png') else e(job, task)\n"
        "worker.main()"
    )
    monkeypatch.setattr(pool, "_CODE", code)
    data = prepare(folder, size=16)
    assert data.findings.unreadable == (("5.png", pool.CRASHED),)
    assert len(data.images) == 9


def test_few_and_broken_are_refused_in_one_line(tmp_path: Path) -> None:
    for n in range(3):
        scene().save(tmp_path / f"{n}.png")
    with pytest.raises(DataError, match="3 usable pictures: Huabi needs at least 4"):
        prepare(tmp_path, size=8)
    for n in range(6):
        (tmp_path / f"{n}.png").write_bytes(b"broken")
    with pytest.raises(DataError, match="0 usable pictures .*not a picture") as caught:
        prepare(tmp_path)
    assert "\n" not in str(caught.value)
    assert inspect(tmp_path).usable == 0


def test_a_set_of_plain_colours_is_kept(tmp_path: Path) -> None:
    for n in range(6):
        Image.new("RGB", (8, 8), (40 * n, 0, 0)).save(tmp_path / f"{n}.png")
    assert inspect(tmp_path).usable == 6


@pytest.mark.parametrize(("size", "near"), [(0, 8), (7, 8), (100_000, 1024), (33, 32), ((32, 6), 8)])
def test_sizes_that_are_none(size: int | tuple[int, int], near: int, folder: Path) -> None:
    with pytest.raises(RequestError, match=f"nearest is {near}"):
        prepare(folder, size=size)
    assert check_size(64) == (64, 64)


@pytest.mark.parametrize(("side", "advised"), [(8, 8), (28, 32), (60, 64), (100, 64), (500, 256)])
def test_advised_size(side: int, advised: int) -> None:
    assert preflight.advised_size([side] * 3) == advised


def test_classes_and_family(tmp_path: Path) -> None:
    for name, count in (("cat", 6), ("dog", 3)):
        (tmp_path / name).mkdir()
        for n in range(count):
            scene().save(tmp_path / name / f"{n}.png")
    found = inspect(tmp_path)
    assert found.classes == {"cat": 6, "dog": 3}
    assert found.imbalance == 2
    assert found.family == preflight.ADVISED
    assert prepare(tmp_path, size=8).spec.weights == pytest.approx((2 / 3, 1 / 3))


def examined(image: Image.Image) -> tuple[bytes, bytes]:
    box = Image.Resampling.BOX
    return image.convert("L").resize((9, 8), box).tobytes(), image.resize((8, 8), box).tobytes()


def test_near_duplicates_are_found_and_others_are_not() -> None:
    rng = np.random.default_rng(5)
    originals = [scene(64, rng) for _ in range(200)]
    changed = [o.resize((50, 50)).filter(ImageFilter.GaussianBlur(0.3)) for o in originals[:20]]
    facts = [examined(i) for i in originals + changed]
    groups = near_groups([o for o, _ in facts], [t for _, t in facts])
    assert len(groups) >= 17
    assert all(b == a + 200 for a, b in groups)


def test_many_equal_pictures_are_one_group() -> None:
    outline, thumb = examined(scene())
    assert [len(g) for g in near_groups([outline] * 5000, [thumb] * 5000)] == [5000]


def test_split_is_by_content_alone() -> None:
    keys = [os.urandom(32) for _ in range(2000)]
    groups = [[0, 1, 2], [10, 20]]
    train, out = split(keys, groups)
    assert sorted([*train, *out]) == list(range(2000))
    assert 60 <= len(out) <= 145
    for group in groups:
        assert len(set(group) & set(out.tolist())) in (0, len(group))
    order = RNG.permutation(2000).tolist()
    place = {n: p for p, n in enumerate(order)}
    shuffled = split([keys[n] for n in order], [[place[n] for n in g] for g in groups])
    assert [order[p] for p in shuffled[1]] == out.tolist()
    assert [order[p] for p in shuffled[0]] == train.tolist()
    more = split([*keys, *(os.urandom(32) for _ in range(500))], groups)
    assert set(out.tolist()) <= set(more[1].tolist())  # what was held out stays so


@pytest.mark.parametrize("count", [4, 19, 20, 21, 60])
def test_at_least_one_is_held_out_from_20_on(count: int) -> None:
    for _ in range(20):
        train, out = split([os.urandom(32) for _ in range(count)])
        assert (len(out) >= 1) == (count >= 20)
        assert len(train) + len(out) == count
        assert len(train) >= count // 2
