"""What the studio asks of the server beside drawing: its own files, recipes, data that are sent, runs as they learn."""

from __future__ import annotations

import base64
import io
import json
import webbrowser
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from conftest import TINY, refused, write_pictures
from dye import Dye, Running, until
from huabi import api
from huabi.cli import serve as command
from huabi.serve import answers
from huabi.serve import shelf as shelves
from huabi.serve.app import Address
from huabi.serve.guard import Access
from huabi.serve.place import Place
from huabi.serve.uploads import safe
from test_serve_api import as_described, call, png

KEY = "a key of some length"
GIVEN = {"Authorization": f"Bearer {KEY}"}
FORM = {"Content-Type": "multipart/form-data; boundary=x"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("studio")
    write_pictures(folder / "data" / "flowers")
    (folder / "data" / "away").symlink_to("/etc")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(shelves.BUILT_IN, "dye", Dye)
        patch.setenv("HUABI_HOME", str(folder))  # no runs of others are offered
        running = Running(folder, Access(KEY, studio=True))
        yield running
        running.stop()


def form(*files: tuple[str, bytes]) -> bytes:
    parts = [
        f'--x\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'.encode() + data + b"\r\n"
        for name, data in files
    ]
    return b"".join(parts) + b"--x--\r\n"


def zipped(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def data_folder(server: Running, name: str) -> Path:
    return server.service.place.incoming(name)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html"), ("/studio/app.js", "text/javascript"), ("/studio/style.css", "text/css"),
        ("/studio/icon.svg", "image/svg+xml"),
    ],
)  # fmt: skip
def test_the_pages_need_no_key_and_are_sent_once(server: Running, path: str, kind: str) -> None:
    status, body, headers = call(server, "GET", path)
    assert status == 200
    assert body
    assert headers["content-type"].startswith(kind)
    assert "script-src 'self'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert (headers["x-frame-options"], headers["x-content-type-options"]) == ("DENY", "nosniff")
    status, body, again = call(server, "GET", path, If_None_Match=headers["etag"])
    assert (status, body, again["etag"]) == (304, b"", headers["etag"])


def test_the_pages_are_a_table_and_no_folder(server: Running) -> None:
    for path in ("/studio/nothing.js", "/studio/..%2Fpages.py", "/studio/../pages.py", "/studio/"):
        assert call(server, "GET", path)[0] == 404
    assert call(server, "GET", "/v1/models")[0] == 401


def test_serve_offers_no_pages(tmp_path: Path) -> None:
    running = Running(tmp_path)
    try:
        assert call(running, "GET", "/")[0] == call(running, "GET", "/studio/app.js")[0] == 404
    finally:
        running.stop()


def test_a_picture_tells_its_recipe_and_the_gallery_shows_it(server: Running) -> None:
    ask = {"task": "imagine", "model": "dye", "request": {"prompt": "a red house", "seed": 7}}
    job = call(server, "POST", "/v1/jobs", ask, **GIVEN)[1]
    until(lambda: call(server, "GET", f"/v1/jobs/{job['id']}", **GIVEN)[1]["state"] == "done")
    newest = call(server, "GET", "/v1/pictures?limit=1", **GIVEN)[1]["pictures"][0]
    assert (newest["job"], newest["task"], newest["model"]) == (job["id"], "imagine", "dye")
    data = call(server, "GET", f"/v1/pictures/{newest['id']}")[1]
    told = call(server, "POST", "/v1/recipe", {"image": base64.b64encode(data).decode()}, **GIVEN)[1]
    assert told["recipe"]["request"]["prompt"] == newest["recipe"]["request"]["prompt"] == "a red house"
    plain = call(server, "POST", "/v1/recipe", {"image": base64.b64encode(png()).decode()}, **GIVEN)[1]
    assert plain == {"recipe": None, "model": None}
    assert call(server, "POST", "/v1/recipe", {"image": "aGVsbG8="}, **GIVEN)[0] == 400


def test_restoring_finds_the_way_by_the_damage(server: Running) -> None:
    image = base64.b64encode(png(size=(16, 12))).decode()
    ask = {"task": "restore", "request": {"image": image, "task": "upscale", "scale": 3}}
    job = call(server, "POST", "/v1/jobs", ask, **GIVEN)[1]
    assert job["model"] in ("lanczos", "bicubic")
    made = until(lambda: (told := call(server, "GET", f"/v1/jobs/{job['id']}/result", **GIVEN))[0] == 200 and told[1])
    assert made["pictures"][0]["recipe"]["size"] == [36, 48]
    none = call(server, "POST", "/v1/jobs", {"task": "restore", "request": {"image": image, "task": "mend"}}, **GIVEN)
    assert (none[0], none[1]["error"]["code"]) == (404, "model_not_found")


def test_stylizing_at_a_size_is_weighed_by_it(server: Running) -> None:
    image = base64.b64encode(png()).decode()
    ask = {"task": "stylize", "request": {"image": image, "styles": [image], "size": 16000, "iterations": 9000}}
    assert call(server, "POST", "/v1/jobs", ask, **GIVEN)[1]["error"]["code"] == "too_much_work"


def test_what_can_be_trained_on_and_what_is_in_it(server: Running) -> None:
    told = call(server, "GET", "/v1/data", **GIVEN)[1]
    assert {"digits", "world", "flowers"} <= set(told["data"])
    assert "away" not in told["data"]
    found = call(server, "GET", "/v1/data/flowers/preflight", **GIVEN)[1]
    assert (found["usable"], found["classes"], found["family"]) == (24, {"cat": 12, "dog": 12}, "diffusion")
    as_described(answers.Preflight, found)
    families = {row["family"]: row for row in found["families"]}
    assert families["diffusion"]["lacks"] == []
    assert families["pix2pix"]["lacks"] == ["target"]
    assert str(data_folder(server, "x").parent) not in json.dumps(found)
    for name in ("away", "gone", "..%2Fflowers", "-x"):
        assert call(server, "GET", f"/v1/data/{name}/preflight", **GIVEN)[0] in (400, 404)


def test_pictures_are_sent_in_parts_under_safe_names(server: Running) -> None:
    first = form(("cat/1.png", png()), ("../../out.png", png()), ("cat/evil.exe", b"MZ"), ("猫/2.png", png("blue")))
    status, told, _ = call(server, "POST", "/v1/data/mine", first, **GIVEN, **FORM)
    assert (status, told) == (200, {"name": "mine", "taken": 2, "left_out": 2}), told
    assert call(server, "POST", "/v1/data/mine", first, **GIVEN, **FORM)[0] == 400  # it is there already
    second = form(("cat/1.png", png("green")), ("dog/3.png", png()))
    assert call(server, "POST", "/v1/data/mine?more=true", second, **GIVEN, **FORM)[1]["taken"] == 1
    folder = data_folder(server, "mine")
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*.*") if path.suffix}
    assert names == {"cat/1.png", "dog/3.png", "猫/2.png"}
    assert not list(folder.parent.parent.rglob("out.png"))


def test_a_folder_of_the_owner_is_never_added_to(server: Running) -> None:
    for words in ("", "?more=true"):
        told = call(server, "POST", f"/v1/data/flowers{words}", form(("9.png", png())), **GIVEN, **FORM)
        assert told[0] == 400
    assert not (data_folder(server, "flowers") / "9.png").exists()
    for name in ("digits", "world", "..", "a%2Fb", "-x"):
        assert call(server, "POST", f"/v1/data/{name}", form(("9.png", png())), **GIVEN, **FORM)[0] in (400, 404)


def test_a_zip_is_unpacked_without_the_folder_around_it(server: Running) -> None:
    good = zipped(**{"all/cat/1.png": png(), "all/dog/2.png": png("blue"), "all/cat/1.txt": b"a cat"})
    assert call(server, "POST", "/v1/data/zipped", form(("a.zip", good)), **GIVEN, **FORM)[1]["taken"] == 3
    assert (data_folder(server, "zipped") / "cat" / "1.txt").read_bytes() == b"a cat"
    bad = zipped(**{"../out.png": png(), "/out.png": png(), "C:/out.png": png()})
    status, told, _ = call(server, "POST", "/v1/data/bad", form(("a.zip", bad)), **GIVEN, **FORM)
    assert (status, "picture" in told["error"]["message"]) == (400, True)
    assert not data_folder(server, "bad").exists()
    status, told, _ = call(server, "POST", "/v1/data/bad", form(("a.zip", b"PK no zip")), **GIVEN, **FORM)
    assert (status, "/" in told["error"]["message"]) == (400, False)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.png", "a.png"), ("cat/a.JPG", "cat/a.JPG"), ("cat\\a.png", "cat/a.png"), ("./a.png", "a.png"),
        ("../a.png", None), ("/etc/passwd", None), (".hidden.png", None), ("a/.b/c.png", None), ("a.png ", None),
        ("con.png", None), ("a:b.png", None), ("a\0.png", None), ("a\n.png", None), ("a/b/c/d/e.png", None),
        ("x" * 200 + ".png", None), ("a.html", None), ("metadata.jsonl", "metadata.jsonl"), ("", None),
    ],
)  # fmt: skip
def test_names_of_what_is_sent(name: str, expected: str | None) -> None:
    found = safe(name)
    assert (found.as_posix() if found else None) == expected


def test_a_run_is_known_by_its_name_alone(server: Running) -> None:
    assert call(server, "GET", "/v1/runs", **GIVEN)[1] == {"runs": []}
    for path in ("gone/log", "..%2F/log", "gone/previews/1", "-x/log"):
        assert call(server, "GET", f"/v1/runs/{path}", **GIVEN)[0] in (400, 404)
    resume = {"task": "train", "family": "gan", "data": "flowers", "name": "gone", "resume": True}
    settings = TINY["vae"]
    data = data_folder(server, "flowers")
    api.train("vae", data, data.parents[1] / "runs" / "mine", size=8, steps=2, threads=1, settings=settings)
    [run] = call(server, "GET", "/v1/runs", **GIVEN)[1]["runs"]
    assert (run["name"], run["data"], run["step"]) == ("mine", "flowers", 2)
    as_described(answers.Run, run)
    log = call(server, "GET", "/v1/runs/mine/log", **GIVEN)[1]
    assert [row["step"] for row in log["rows"]] == [1, 2]
    as_described(answers.RunLog, log)
    assert "no run called gone" in call(server, "POST", "/v1/jobs", resume, **GIVEN)[1]["error"]["message"]


def test_paths_are_hidden_and_words_are_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    place = Place(Path("runs"), Path("data"))
    assert place.hidden("the data of all runs") == "the data of all runs"
    assert place.hidden(f"no pictures in {place.incoming('mine')}") == "no pictures in mine"
    (tmp_path / "data" / "mine").mkdir(parents=True)
    assert [place.called(name) for name in ("digits", "data/mine", "elsewhere/mine")] == ["digits", "mine", None]


def test_a_browser_is_opened_where_there_is_one(monkeypatch: pytest.MonkeyPatch, huabi: Any, tmp_path: Path) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    command._open(Address("0.0.0.0", 8123).url)
    until(lambda: opened)
    assert opened == ["http://localhost:8123/"]
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    assert not command._has_display()
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    assert command._has_display()
    refused(huabi("studio", "--runs", tmp_path / "nothing", "--port", 18998), "no folder")


def test_pictures_of_the_gallery_open(server: Running) -> None:
    for shown in call(server, "GET", "/v1/pictures", **GIVEN)[1]["pictures"]:
        assert Image.open(io.BytesIO(call(server, "GET", f"/v1/pictures/{shown['id']}")[1])).format == "PNG"
