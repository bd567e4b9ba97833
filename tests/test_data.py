"""The cache is whole or absent, is found again, and its batches are a function of seed and step."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from huabi.data import batches, cache, caches, clear_caches, prepare
from huabi.errors import DataError
from huabi.pictures import fit_picture, open_picture, to_tensor

COUNT = 40


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(3)
    root = tmp_path_factory.mktemp("pictures")
    for n in range(COUNT):
        path = root / ("cat" if n < 30 else "dog") / f"{n:02d}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (16, 20, 3), dtype=np.uint8)).save(path)
    return root


def take(stream, count: int) -> list:
    return [next(stream) for _ in range(count)]


def test_pixels_are_those_of_the_pictures(folder: Path) -> None:
    data = prepare(folder, size=8)
    assert data.images.shape == (COUNT, 8, 8, 3)
    for row in (0, 7, 39):
        path = folder / data.spec.labels[data.labels[row]] / data.names[row].rpartition("/")[2]
        expected = np.asarray(fit_picture(open_picture(path), (8, 8)))
        assert np.array_equal(data.images[row], expected)
    first = next(batches(data, 4, seed=0, flip=False))
    picture = Image.fromarray(np.array(data.images[int(first.index[0])]))
    assert torch.equal(first.image[0], to_tensor(picture))
    assert sorted([*data.train, *data.heldout]) == list(range(COUNT))
    assert len(data.heldout) >= 1
    assert data.spec.count == len(data.train)
    assert data.settings == {
        "size": [8, 8], "channels": 3, "fit": "crop", "flip": True, "pairs": None, "balance": False,
    }  # fmt: skip
    data.close()


def test_the_second_start_decodes_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    advised = prepare(folder)
    first = prepare(folder, size=8)
    monkeypatch.setattr(cache, "survey", None)
    for size, before in ((8, first), (None, advised), (advised.spec.size, advised)):
        again = prepare(folder, size=size)
        assert again.fingerprint == before.fingerprint
        assert again.findings.usable == COUNT


def test_a_changed_file_is_read_again_and_a_renamed_folder_is_the_same(folder: Path, tmp_path: Path) -> None:
    root = tmp_path / "other"
    shutil.copytree(folder, root)
    data, copy = prepare(folder, size=8), prepare(root, size=8)
    assert copy.fingerprint == data.fingerprint
    (root / "cat" / "00.png").rename(root / "cat" / "zz.png")
    renamed = prepare(root, size=8)
    assert renamed.fingerprint == data.fingerprint
    assert np.array_equal(renamed.heldout, data.heldout)
    Image.new("RGB", (16, 20), "red").save(root / "cat" / "01.png")
    assert prepare(root, size=8).fingerprint != data.fingerprint
    assert prepare(folder, size=8, flip=False).fingerprint != data.fingerprint


def test_a_damaged_cache_is_made_again(folder: Path) -> None:
    data = prepare(folder, size=12)
    pixels = np.array(data.images)
    path = Path(str(data.images.filename))
    data.close()
    os.truncate(path, path.stat().st_size // 2)
    assert np.array_equal(prepare(folder, size=12).images, pixels)
    (path.parent / "table.json").write_text("{")
    assert np.array_equal(prepare(folder, size=12).images, pixels)


SCRIPT = """
import os, signal, sys
from huabi.data import cache, prepare
def die(*_, **__): os.kill(os.getpid(), signal.SIGKILL)
point = sys.argv[2]
if point == "table": cache.write_json = die
if point == "rename": cache.sync_folder = die
if point == "moved": real = cache.sync_folder; cache.sync_folder = lambda f: die() if f.name == "pictures" else real(f)
if point == "index": w = cache.write_json; cache.write_json = lambda p, v: (die if "index" in str(p) else w)(p, v)
if point == "rows": cache.Rows.finish = die
prepare(sys.argv[1], size=8, progress=lambda stage, done, total: die() if point == "reading" else None)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
@pytest.mark.parametrize("point", ["reading", "rows", "table", "rename", "moved", "index"])
def test_killed_at_any_moment(point: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = prepare(folder, size=8)
    monkeypatch.setenv("HUABI_CACHE", str(tmp_path))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", SCRIPT, str(folder), point], env=environment, check=False)
    assert done.returncode == -signal.SIGKILL
    after = prepare(folder, size=8)
    assert after.fingerprint == whole.fingerprint
    assert np.array_equal(after.images, whole.images)
    assert not list((tmp_path / "pictures").glob(".*"))


def test_two_processes_at_once_share_the_work(folder: Path, tmp_path: Path) -> None:
    code = "import sys; from huabi.data import prepare; d = prepare(sys.argv[1], size=8); print(d.fingerprint)"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "HUABI_CACHE": str(tmp_path)}
    command = [sys.executable, "-c", code, str(folder)]
    both = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=300)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert said[0] == said[1] != ""
    assert len(list((tmp_path / "pictures").iterdir())) == 1


def test_a_full_disk_is_refused_beforehand(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(folder)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    with pytest.raises(DataError, match="HUABI_CACHE"):
        prepare(folder, size=20)


def test_caches_are_listed_and_cleared(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUABI_CACHE", str(tmp_path))
    prepare(folder, size=8).close()
    (entry,) = caches()
    assert (entry.source, entry.pictures) == (str(folder), COUNT)
    assert entry.bytes > COUNT * 8 * 8 * 3
    assert clear_caches(entry.name) == entry.bytes
    assert caches() == []
    with pytest.raises(DataError):
        prepare(folder / "none", size=8)


def test_paired_halves_and_unpaired(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    for n in range(24):
        left, right = rng.integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
        for name, array in (("both", np.concatenate([left, right], 1)), ("A", left), ("B", right)):
            for root in ("halves",) if name == "both" else ("pair", "un"):
                place = tmp_path / root / {"un": f"train{name}", "pair": name}.get(root, "")
                place.mkdir(parents=True, exist_ok=True)
                Image.fromarray(array).save(place / f"{n}.png")
    halves = prepare(tmp_path / "halves", size=8, pairs="side-by-side")
    pair = prepare(tmp_path / "pair", size=8)
    assert halves.spec.pairing == pair.spec.pairing == "paired"
    order = [halves.names.index(name.removeprefix("A/")) for name in pair.names]
    for part in ("images", "target"):
        assert np.array_equal(getattr(halves, part)[order], getattr(pair, part))
    un = prepare(tmp_path / "un", size=8)
    batch = next(batches(un, 6, seed=0))
    assert un.spec.pairing == "unpaired"
    assert batch.other is not None
    assert batch.other.shape == batch.image.shape == (6, 3, 8, 8)
    batch = next(batches(pair, 6, seed=0))  # image and target are mirrored alike
    plain = next(batches(pair, 6, seed=0, flip=False))
    for n in range(6):
        assert torch.equal(batch.image[n], plain.image[n]) == torch.equal(batch.target[n], plain.target[n])


@given(batch=st.integers(2, 90), world=st.integers(1, 4), step=st.integers(0, 30), balance=st.booleans())
@settings(max_examples=25)
def test_ranks_joined_are_one_and_resuming_is_skipping(batch: int, world: int, step: int, balance: bool) -> None:
    data = SHARED["data"]
    world = min(world, batch)
    stream = batches(data, batch, seed=5, balance=balance)
    skipped = take(stream, step + 1)[-1]
    parts = [next(batches(data, batch, seed=5, step=step, rank=r, world=world, balance=balance)) for r in range(world)]
    for name in ("image", "index", "label"):
        assert torch.equal(torch.cat([getattr(p, name) for p in parts]), getattr(skipped, name))
    noise = [p.rng.normal(3) for p in parts]
    assert torch.equal(torch.cat(noise), skipped.rng.normal(3))


SHARED: dict = {}


@pytest.fixture(autouse=True)
def _shared(folder: Path, _own_home: None) -> None:
    if not SHARED:
        SHARED["data"] = prepare(folder, size=8)


def test_an_epoch_covers_each_picture_once() -> None:
    data = SHARED["data"]
    count = len(data.train)
    seen = torch.cat([b.index for b in take(batches(data, 7, seed=1), count)])  # 7 epochs
    for epoch in range(7):
        part = seen[epoch * count : (epoch + 1) * count]
        assert sorted(part.tolist()) == sorted(data.train.tolist())
    assert not torch.equal(seen[:count], seen[count : 2 * count])
    other = torch.cat([b.index for b in take(batches(data, 7, seed=2), 5)])
    assert not torch.equal(other, seen[:35])


def test_balance_and_flips() -> None:
    data = SHARED["data"]
    drawn = torch.cat([b.label for b in take(batches(data, 20, seed=0, balance=True), 40)])
    assert abs(float(drawn.float().mean()) - 0.5) < 0.05
    batch = take(batches(data, 200, seed=0), 1)[0]
    plain = take(batches(data, 200, seed=0, flip=False), 1)[0]
    mirrored = [torch.equal(a, b.flip(2)) for a, b in zip(batch.image, plain.image)]
    assert 60 < sum(mirrored) < 140
    assert all(m or torch.equal(a, b) for m, a, b in zip(mirrored, batch.image, plain.image))


MEMORY = """
import json, resource, sys
import numpy as np
from pathlib import Path
from huabi.data import batches, loader
from huabi.model import DataSpec
count, path = int(sys.argv[1]), Path(sys.argv[2])
with path.open("wb") as file:
    file.truncate(count * 3072)
images = np.memmap(path, np.uint8, "r", shape=(count, 32, 32, 3))
data = loader.PictureData(DataSpec((32, 32), count=count), "", images, None, None, None, None, None, np.arange(count),
                          np.arange(0), True, None, {})
stream = batches(data, 500, seed=0)
for _ in range(count // 500):
    next(stream)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.parametrize(
    ("words", "mirrored"), [("a red ball", True), ("a ball, left of a box", False), ("球在左边", False)]
)
def test_pictures_whose_captions_tell_left_from_right_are_not_mirrored(
    words: str, mirrored: bool, tmp_path: Path
) -> None:
    for n in range(8):
        Image.new("RGB", (16, 16), (n * 30, 10, 10)).save(tmp_path / f"{n}.png")
        (tmp_path / f"{n}.txt").write_text(words if n == 5 else "a ball", "utf-8")
    assert prepare(tmp_path, size=8).flip is mirrored
    assert prepare(tmp_path, size=8, flip=True).flip


def captioned(root: Path, several: bool) -> Path:
    for n in range(8):
        root.mkdir(exist_ok=True)
        Image.new("RGB", (16, 16), (n * 30, 10, 10)).save(root / f"{n}.bmp")
        (root / f"{n}.txt").write_text("\n".join(f"{n} {k}" for k in range(3 if several else 1)), "utf-8")
    return root


def test_every_caption_of_a_picture_has_its_turn(tmp_path: Path) -> None:
    data = prepare(captioned(tmp_path / "several", True), size=8)
    steps = take(batches(data, 8, seed=1), 24)
    seen = [caption for batch in steps for caption in batch.caption or ()]
    assert set(seen) == {f"{n} {k}" for n in range(8) for k in range(3)}
    for batch in steps:
        assert [caption[0] for caption in batch.caption] == [str(int(n)) for n in batch.index]
    resumed = take(batches(data, 8, seed=1, step=20), 4)
    assert [b.caption for b in resumed] == [b.caption for b in steps[20:]]
    halves = [take(batches(data, 8, seed=1, rank=rank, world=2), 24) for rank in range(2)]
    assert [a.caption + b.caption for a, b in zip(*halves, strict=True)] == [b.caption for b in steps]


def test_what_size_a_picture_had_stands_beside_it(tmp_path: Path) -> None:
    for n in range(8):
        Image.new("RGB", (16 + n, 12), (n * 30, 10, 10)).save(tmp_path / f"{n}.png")
    data = prepare(tmp_path, size=8)
    assert data.spec.sized
    batch = next(batches(data, 8, seed=1))
    wanted = [[12, 16 + int(data.names[row][0])] for row in batch.index.tolist()]
    assert batch.sides is not None
    assert batch.sides.tolist() == wanted
    assert not prepare(captioned(tmp_path / "alike", False), size=8).spec.sized


def test_one_caption_a_picture_leaves_content_split_and_batches_as_they_were(tmp_path: Path) -> None:
    data = prepare(captioned(tmp_path / "one", False), size=8)
    assert data.content == "2612e2076a0a0f03d7455ab32fb7f93d"
    assert next(batches(data, 8, seed=1)).index.tolist() == [0, 5, 7, 1, 2, 4, 3, 6]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in kilobytes on Linux")
def test_memory_does_not_grow_with_the_data(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    used = [
        int(subprocess.check_output([sys.executable, "-c", MEMORY, str(n), str(tmp_path / "x")], env=environment))
        for n in (10_000, 100_000)
    ]
    assert used[1] <= used[0] + 200 * 1024
