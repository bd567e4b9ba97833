"""Who may call, and what a call can do no harm with."""

from __future__ import annotations

import base64
import io
import json
import logging
import socket
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from PIL import Image
from starlette.datastructures import Headers

from conftest import refused
from dye import Dye, Running
from huabi.serve import guard
from huabi.serve import shelf as shelves
from huabi.serve.faults import Fault
from huabi.serve.guard import Access
from huabi.serve.service import Limits
from test_serve_api import call, png

KEY = "a key of some length"
GIVEN = {"Authorization": f"Bearer {KEY}"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("guarded")
        patch.setitem(shelves.BUILT_IN, "dye", Dye)
        patch.setenv("HUABI_HOME", str(folder))  # no runs of others are offered
        running = Running(folder, Access(KEY, body=100_000), Limits(pixels=64 * 64))
        yield running
        running.stop()


@pytest.mark.parametrize("said", ["", "Bearer", "Bearer x", f"Bearer {KEY}x", f"Basic {KEY}", "Basic ====", KEY])
def test_a_wrong_key_is_refused(server: Running, said: str) -> None:
    status, body, _ = call(server, "GET", "/v1/models", Authorization=said)
    assert (status, body["error"]["code"]) == (401, "invalid_api_key")


@pytest.mark.filterwarnings("ignore:deprecated")
def test_who_may_not_and_what_is_too_large_are_errors_of_the_client_s_own(server: Running) -> None:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="wrong") as client:
        with pytest.raises(openai.AuthenticationError) as error:
            client.models.list()
        assert error.value.code == "invalid_api_key"
        with pytest.raises(openai.PermissionDeniedError, match="host"):
            client.with_options(default_headers={"Host": "elsewhere.example"}, api_key=KEY).models.list()
        with pytest.raises(openai.APIStatusError) as large:
            client.with_options(api_key=KEY).images.create_variation(image=png() + bytes(100_000))
        assert large.value.status_code == 413


def test_the_key_as_token_or_as_password(server: Running) -> None:
    basic = base64.b64encode(f"anybody:{KEY}".encode()).decode()
    for said in (f"Bearer {KEY}", f"bearer {KEY}", f"Basic {basic}"):
        assert call(server, "GET", "/v1/models", Authorization=said)[0] == 200
    assert call(server, "GET", "/health")[0] == call(server, "GET", "/ready")[0] == 200
    for path in ("/metrics", "/openapi.json", "/v1/jobs", "/sdapi/v1/options", "/nothing"):
        assert call(server, "GET", path)[0] == 401


@pytest.mark.parametrize(
    ("headers", "passes"),
    [
        ({"host": "localhost:8700"}, True),
        ({"host": "127.0.0.1"}, True),
        ({"host": "[::1]:8700"}, True),
        ({"host": "192.168.7.7:80"}, True),
        ({"host": "draw.example:80"}, True),
        ({"host": "evil.example"}, False),  # whose name may have been pointed at this machine
        ({"host": "localhost.evil.example"}, False),
        ({"host": "[:"}, False),
        ({}, False),
        ({"host": "localhost", "origin": "http://localhost"}, True),
        ({"host": "localhost", "origin": "http://localhost:81"}, False),
        ({"host": "localhost", "origin": "https://evil.example"}, False),
        ({"host": "localhost", "origin": "null"}, False),
        ({"host": "localhost", "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}, False),
        ({"host": "localhost", "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}, True),
    ],
)
def test_other_names_and_other_sites_are_refused(headers: dict[str, str], passes: bool) -> None:
    access = Access(hosts=("draw.example",))
    if passes:
        access.check("/v1/jobs", Headers(headers))
    else:
        with pytest.raises(Fault) as fault:
            access.check("/v1/jobs", Headers(headers))
        assert fault.value.status == 403


def test_every_answer_tells_browsers_to_keep_off(server: Running) -> None:
    for path, given in (("/v1/models", GIVEN), ("/v1/models", {}), ("/v1/nothing", GIVEN), ("/health", {})):
        headers = call(server, "GET", path, **given)[2]
        assert {name: headers[name] for name in guard.HEADERS} == guard.HEADERS
        assert "server" not in headers


def raw(server: Running, *parts: bytes) -> bytes:
    """What comes back where bytes are sent as they are, until the server closes or answers."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        try:
            for part in parts:
                connection.sendall(part)
        except OSError:
            pass  # it has had enough
        return connection.recv(4096)


HEAD = f"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {KEY}\r\n".encode()
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def test_bodies_are_capped_by_what_they_say_and_by_what_comes(server: Running) -> None:
    assert b" 413 " in raw(server, HEAD + b"Content-Length: 100001\r\n\r\n")
    assert b" 413 " in raw(server, CHUNKED, *[b"4000\r\n" + b"x" * 0x4000 + b"\r\n"] * 10)
    assert b" 400 " in raw(server, HEAD + b"Content-Length: -1\r\n\r\n")
    assert b" 400 " in raw(server, HEAD + b"Content-Length: 5\r\nTransfer-Encoding: nonsense\r\n\r\n").split(b"\r\n")[0]


def test_headers_are_capped(server: Running) -> None:
    answer = raw(server, HEAD + b"X-Large: " + b"x" * (64 << 10) + b"\r\n\r\n")
    assert answer.split()[1] in (b"400", b"431")


def test_a_body_that_never_ends_is_given_up(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "SECONDS", 0.1)
    assert b" 408 " in raw(server, CHUNKED + b"1\r\n{\r\n")


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def forged(width: int, height: int, *extra: bytes) -> bytes:
    """A PNG that says that it has this size, and holds next to nothing."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(bytes(100)))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(extra) + pixels + chunk(b"IEND", b"")


def saved(kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, kind)
    return buffer.getvalue()


PICTURES = {
    "50,000 x 50,000": forged(50_000, 50_000),
    "65 x 64, where 64 x 64 may be": png(size=(65, 64)),
    "zip bomb": forged(8, 8, chunk(b"iTXt", b"huabi\0\x01\0\0\0" + zlib.compress(bytes(60 << 20), 9))),
    "cut off": png()[:60],
    "html": b"<html><script>alert(1)</script></html>",
    "svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "tiff": saved("TIFF"),
    "bmp": saved("BMP"),
    "gif": saved("GIF"),
    "url": b"http://127.0.0.1:1/x.png",
    "path": b"/etc/passwd",
    "nothing": b"",
}


@pytest.mark.parametrize("what", PICTURES)
def test_only_small_png_jpeg_and_webp_are_decoded(server: Running, what: str) -> None:
    image = base64.b64encode(PICTURES[what]).decode()
    status, body, _ = call(server, "POST", "/v1/jobs", {"task": "vary", "request": {"image": image}}, **GIVEN)
    if what == "cut off":  # its header is well: it is found out when it is decoded
        assert status == 202
        return
    assert status == 400, what
    assert "request" in body["error"]["param"]


def test_the_same_pictures_sent_as_files(server: Running) -> None:
    for what, data in PICTURES.items():
        form = b'--x\r\nContent-Disposition: form-data; name="image"; filename="../../a\0b.png"\r\n\r\n'
        form += data + b"\r\n--x--\r\n"
        kind = {"Content-Type": "multipart/form-data; boundary=x"}
        status, body, _ = call(server, "POST", "/v1/images/variations", form, **GIVEN, **kind)
        assert (status, "error" in body) in ((400, True), (200, False)), what
        assert status == 400 or what == "cut off"
        assert "../.." not in json.dumps(body)
    for form in (b"", b"--x", b"--x\r\n\r\n", b"x" * 1000, b"--x\r\nContent-Disposition: form-data\r\n\r\na\r\n--x--"):
        assert call(server, "POST", "/v1/images/edits", form, **GIVEN, **kind)[0] == 400


def test_no_prompt_is_logged(server: Running, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        for prompt in ("my secret wish", "broken, my secret"):
            call(server, "POST", "/v1/images/generations", {"prompt": prompt, "negative_prompt": "my secret"}, **GIVEN)
        call(server, "GET", "/v1/jobs/my-secret", **GIVEN)
        call(server, "GET", "/v1/nothing?q=my-secret", **GIVEN)
    assert "/v1/images/generations 200" in caplog.text
    assert "ValueError" in caplog.text  # a fault of ours is told, without what it says
    assert "secret" not in caplog.text


def test_a_link_among_the_runs_is_no_way_out(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "out").symlink_to("/etc")
    shelf = shelves.Shelf(folder=tmp_path / "runs")
    assert "out" not in shelf.cards()


def test_elsewhere_than_on_this_machine_a_key_is_demanded(huabi: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HUABI_API_KEY", raising=False)
    refused(huabi("serve", "--host", "0.0.0.0"), "--api-key", "0.0.0.0")
    for blank in (" ", "\n", "schlüssel"):
        refused(huabi("serve", "--host", "0.0.0.0", "--api-key", blank), "--api-key", "ASCII")


def test_a_server_whose_pictures_would_all_be_refused_does_not_start(huabi: Any, tmp_path: Path) -> None:
    (tmp_path / "provenance.toml").write_text('filters = ["nothing-of-that-name"]')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HUABI_HOME", str(tmp_path))
        refused(huabi("serve", "--port", 18999), "no content filter")


def test_a_port_that_is_taken_and_options_that_cannot_be(huabi: Any, server: Running, tmp_path: Path) -> None:
    refused(huabi("serve", "--port", server.port), str(server.port), "another --port")
    refused(huabi("serve", "--host", "no.such.host.invalid", "--api-key", "x"), "cannot listen")
    refused(huabi("serve", "--runs", tmp_path / "nothing", "--port", 18999), "no folder")
    refused(huabi("serve", "--allow-host", "draw.example.org:80", "--port", 18999), "the name alone")
    refused(huabi("serve", "--model", tmp_path / "nothing", "--port", 18999), "no run")
    (tmp_path / "jobs.db").write_bytes(b"no database at all" * 99)
    refused(huabi("serve", "--store", tmp_path / "jobs.db", "--port", 18999), "damaged", "--set-aside")
