"""What a folder or an archive is taken for: labels, captions, pairs; odd names, links and hostile archives."""

import io
import json
import os
import sys
import tarfile
import types
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from huabi.data import prepare, scan
from huabi.errors import DataError, RequestError

RNG = np.random.default_rng(1)


def picture(path: Path, side: int = 8) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(RNG.integers(0, 256, (side, side, 3), dtype=np.uint8)).save(path, "PNG")
    return path


def fill(root: Path, *names: str) -> Path:
    for name in names:
        picture(root / name)
    return root


def labels(root: Path) -> dict[str, str | None]:
    return {i.name: i.label for i in scan(root).items}


def test_classes_are_the_first_level_that_divides(tmp_path: Path) -> None:
    fill(tmp_path, "set/train/cat/1.png", "set/train/cat/deep/2.png", "set/train/dog/1.png", "set/test/cat/9.png")
    found = scan(tmp_path)
    assert found.labels == ("cat", "dog")
    assert {i.name: i.label for i in found.items} == {
        "set/train/cat/1.png": "cat", "set/train/cat/deep/2.png": "cat", "set/train/dog/1.png": "dog",
    }  # fmt: skip
    assert "test/ is left aside: 1 pictures" in found.notes


def test_numbers_are_in_order_and_flat_folders_have_no_labels(tmp_path: Path) -> None:
    assert scan(fill(tmp_path / "n", "10/a.png", "9/a.png", "1/a.png")).labels == ("1", "9", "10")
    assert scan(fill(tmp_path / "f", "a.png", "b.png")).labels == ()
    assert scan(fill(tmp_path / "w", "one/a.png", "one/b.png")).labels == ()


def test_hidden_files_are_counted_and_odd_names_work(tmp_path: Path) -> None:
    names = ["with space.png", "画笔.png", "🐈.png", "new\nline.png"]
    fill(tmp_path, *names, "__MACOSX/x.png", ".DS_Store", ".hidden/y.png")
    if sys.platform == "linux":
        names.append(os.fsdecode(b"bad\xff.png"))
        picture(tmp_path / names[-1])
    found = scan(tmp_path)
    assert {i.name for i in found.items} == set(names)
    assert found.ignored["hidden"] == 3
    data = prepare(tmp_path, size=8)
    assert len(data.images) == len(names)
    json.dumps(data.findings.to_json()).encode()
    assert all(name.isprintable() for name in data.names)


def test_links_are_followed_but_never_in_circles(tmp_path: Path) -> None:
    outside = fill(tmp_path / "outside", "x/1.png")
    root = fill(tmp_path / "root", "a.png")
    (root / "far").symlink_to(outside)
    (root / "loop").symlink_to(root)
    (root / "self.png").symlink_to("self.png")
    (root / "gone.png").symlink_to("nowhere.png")
    found = scan(root)
    assert [i.name for i in found.items] == ["a.png", "far/x/1.png"]
    assert found.ignored["links in a circle"] == 1
    assert dict(found.left_out) == {"self.png": "a link in a circle", "gone.png": "a link to nothing"}
    (tmp_path / "round").symlink_to("round")
    with pytest.raises(DataError, match="links in a loop"):
        scan(tmp_path / "round")


def test_captions_from_metadata_and_from_texts(tmp_path: Path) -> None:
    root = fill(tmp_path / "j", "a.png", "sub/b.png", "c.png")
    lines = [{"file_name": "a.png", "text": "红"}, {"file_name": "sub/b.png", "text": "blue"}]
    text = (
        "\n".join(map(json.dumps, lines)) + "\nnot json\n" + json.dumps({"file_name": "../../etc/x.png", "text": "x"})
    )
    (root / "metadata.jsonl").write_text(text)
    found = scan(root)
    assert found.captions
    assert {i.name: i.caption for i in found.items} == {"a.png": "红", "sub/b.png": "blue", "c.png": ""}
    assert any("1 lines" in note for note in found.notes)

    root = fill(tmp_path / "c", "a.png", "b.png")
    (root / "metadata.csv").write_text("file_name,text,label\na.png,one,x\nb.png,two,y\n")
    found = scan(root)
    assert found.labels == ("x", "y")
    assert [(i.caption, i.label) for i in found.items] == [("one", "x"), ("two", "y")]

    root = fill(tmp_path / "t", "a.png", "b.png")
    for name in "ab":
        (root / f"{name}.txt").write_text(f" {name} \n")
    assert [i.caption for i in scan(root).items] == ["a", "b"]


def test_several_captions_are_lines_or_lists(tmp_path: Path) -> None:
    root = fill(tmp_path / "t", *(f"{n}.png" for n in range(4)))
    for n, text in enumerate(["\ufeffone\r\n\r\n two, left \r\n", "one\n\n", "\n \n", "猫\n狗"]):
        (root / f"{n}.txt").write_bytes(text.encode())
    found = scan(root)
    assert [i.caption for i in found.items] == ["one\ntwo, left", "one", "", "猫\n狗"]
    assert found.notes == ("1 pictures have no caption; theirs is empty",)
    data = prepare(root, size=8)
    assert data.captions == (("one", "two, left"), ("one",), ("",), ("猫", "狗"))
    assert not data.flip  # not the first caption, but one of them, tells left from right

    root = fill(tmp_path / "j", *"abcde")
    texts: dict[str, object] = {"a": ["x", "", None, "y"], "b": "line\nbreak", "c": [], "d": " x", "e": ["z"]}
    rows = [{"file_name": name, "text": text, "prompt": "p"} for name, text in texts.items()]
    (root / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert prepare(root, size=8).captions == (("x", "y"), ("line break",), ("p",), (" x",), ("z",))


def test_unpaired_and_paired(tmp_path: Path) -> None:
    found = scan(fill(tmp_path / "u", "trainA/1.png", "trainA/2.png", "trainB/x.png", "testA/3.png"))
    assert (found.pairing, len(found.items), len(found.other)) == ("unpaired", 2, 1)
    found = scan(fill(tmp_path / "p", "A/1.png", "A/2.png", "A/3.png", "B/1.png", "B/2.png"))
    assert found.pairing == "paired"
    assert [(i.name, i.partner.name) for i in found.items if i.partner] == [
        ("A/1.png", "B/1.png"),
        ("A/2.png", "B/2.png"),
    ]
    assert [name for name, _ in found.left_out] == ["A/3.png"]
    assert scan(tmp_path / "p", pairs="none").labels == ("A", "B")
    with pytest.raises(RequestError):
        scan(tmp_path / "p", pairs="diagonal")


def archives(root: Path, folder: Path) -> list[Path]:
    made = []
    with zipfile.ZipFile(root / "a.zip", "w") as z:
        for p in sorted(folder.rglob("*.png")):
            z.write(p, p.relative_to(folder))
        z.writestr("../evil.png", b"x")
        made.append(root / "a.zip")
    for name, mode in (("a.tar", "w"), ("a.tar.gz", "w:gz"), ("a.tar.xz", "w:xz")):
        with tarfile.open(root / name, mode) as t:
            t.add(folder, ".")
            member = tarfile.TarInfo("/abs/evil.png")
            member.size = 1
            t.addfile(member, io.BytesIO(b"x"))
        made.append(root / name)
    return made


def test_archives_equal_their_folder(tmp_path: Path) -> None:
    folder = fill(tmp_path / "in", *(f"{c}/{n}.png" for c in ("cat", "dog") for n in range(4)))
    whole = prepare(folder, size=8)
    for path in archives(tmp_path, folder):
        found = scan(path)
        assert found.labels == ("cat", "dog")
        assert [why for _, why in found.left_out] == ["a name that leads out of the archive"]
        data = prepare(path, size=8)
        assert data.fingerprint == whole.fingerprint
        assert np.array_equal(data.images[data.train], whole.images[whole.train])
    assert not (tmp_path / "evil.png").exists()
    (tmp_path / "bad.zip").write_bytes(b"no archive")
    with pytest.raises(DataError, match="no archive"):
        scan(tmp_path / "bad.zip")


def test_digits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    data = prepare("digits", channels=1)
    assert data.images.shape == (1797, 8, 8, 1)
    assert data.spec.labels == tuple("0123456789")
    assert not data.flip
    monkeypatch.chdir(fill(tmp_path, "digits/a.png"))
    assert [i.name for i in scan("./digits").items] == ["a.png"]
    assert scan(Path("digits")).kind == "folder"
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(DataError, match=r"huabi\[digits\]"):
        scan("digits")


def test_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    class Names:
        def int2str(self, n: int) -> str:
            return ("cat", "dog")[n]

    class Fake(list):
        features = {"img": None, "label": Names(), "text": None}

    pictures = [Image.new("RGB", (8, 8), (n, 0, 0)) for n in range(6)]
    rows = Fake({"img": p, "label": n % 2, "text": ["no 1", "nr 1"] if n else "no 0"} for n, p in enumerate(pictures))
    module = types.ModuleType("datasets")
    module.load_dataset = lambda name, split: rows  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "datasets", module)
    found = scan("hf:some/set")
    assert found.labels == ("cat", "dog")
    assert [(i.label, i.caption) for i in found.items][:2] == [("cat", "no 0"), ("dog", "no 1\nnr 1")]

    def offline(name: str, split: str) -> None:
        raise ConnectionError("no route\nto host")

    module.load_dataset = offline  # type: ignore[attr-defined]
    assert len(scan("hf:some/set").items) == 6  # from the cache
    with pytest.raises(DataError, match="check the name and the connection"):
        scan("hf:other/set")
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DataError, match=r"huabi\[hub\]"):
        scan("hf:third/set")


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is empty"):
        scan(tmp_path)
    (tmp_path / "a.doc").write_text("x")
    with pytest.raises(DataError, match="no pictures"):
        scan(tmp_path)
    with pytest.raises(DataError, match="no such folder"):
        scan(tmp_path / "none")
    with pytest.raises(DataError, match="is a file"):
        scan(picture(tmp_path / "a.png"))
