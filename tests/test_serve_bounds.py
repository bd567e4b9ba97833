"""What a client can make a server keep is bounded, and nobody waits without a line."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dye import Dye, Running
from huabi.errors import RequestError
from huabi.pictures import Picture
from huabi.requests import Generate, Vary
from huabi.serve import app
from huabi.serve import shelf as shelves
from huabi.serve.crowd import _reached
from huabi.serve.desk import Call, drafted
from huabi.serve.errands import Errands, Train
from huabi.serve.hub import BEHIND, Hub
from huabi.serve.jobs import Job, Store
from huabi.serve.meters import Meters
from huabi.serve.place import Place
from test_serve_api import call, png

HEALTH = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(shelves.BUILT_IN, "dye", Dye)
        patch.setattr(app, "PATIENCE", 1.0)
        running = Running(tmp_path_factory.mktemp("bounds"))
        yield running
        running.stop()


def test_a_job_of_many_pictures_holds_its_request_once() -> None:
    start = Picture(png(size=(64, 64)))
    one, many = (drafted("vary", "m", [Vary(image=start, seed=5 + k) for k in range(n)], 2) for n in (1, 16))
    assert len(many.body) < len(one.body) + 100
    asked = Call.of(Job("vary", "m", many.body))
    assert [request.seed for request in asked.requests] == list(range(5, 21))
    assert {request.image.data for request in asked.requests} == {start.data}


def test_a_job_is_read_without_what_it_was_sent(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "jobs.db"))
    made = store.submit(drafted("generate", "m", [Generate(seed=1)], 0))
    for read in (store.get(made.id), store.recent(1)[0]):
        assert read is not None
        assert (read.id, read.body) == (made.id, "")
    assert store.queued(1, ["generate"])[0].body == made.body
    store.close()


def test_methods_that_nobody_knows_leave_no_figures_behind(server: Running) -> None:
    for k in range(3):
        assert call(server, f"ODD{k}", "/health")[0] == 405
    assert b"ODD" not in call(server, "GET", "/metrics")[1]


@pytest.mark.parametrize("said", [b"", b"GET /health HTTP/1.1\r\nHost: localh", HEALTH + b"GET /hea"])
def test_who_connects_and_does_not_call_is_let_go(server: Running, said: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as silent:
        silent.sendall(said)
        heard = b"".join(iter(lambda: silent.recv(1 << 16), b""))
    assert heard.count(b" 200 OK") == said.count(HEALTH)


@pytest.mark.parametrize("origin", ["http://[", "null", "://", "https://example.org"])
def test_odd_origins_are_refused(server: Running, origin: str) -> None:
    assert call(server, "GET", "/health", origin=origin)[0] == 403


def test_an_empty_choice_of_a_model_chooses_none(server: Running) -> None:
    for said in ("", None):
        told = call(server, "POST", "/sdapi/v1/options", {"sd_model_checkpoint": said}, content_type="application/json")
        assert told[0] == 200, told


def test_who_reads_slowly_misses_what_is_old() -> None:
    async def heard() -> list[Any]:
        hub = Hub()
        events = hub.follow("job", 0.01)
        assert await anext(events) is None
        for step in range(3 * BEHIND):
            hub.publish("job", {"type": "progress", "step": step})
        await asyncio.sleep(0.05)
        got = [await anext(events) for _ in range(BEHIND)]
        assert await anext(events) is None
        await events.aclose()
        return got

    assert [event["step"] for event in asyncio.run(heard())] == list(range(2 * BEHIND, 3 * BEHIND))


def test_a_name_is_taken_as_soon_as_its_job_waits(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "jobs.db"))
    (tmp_path / "runs").mkdir()
    errands = Errands(store, Place(tmp_path / "runs", None), Hub(), Meters())
    asked = Train(task="train", family="gan", data="digits", name="mine")
    job = store.submit(errands.draft(asked, "key"))
    with pytest.raises(RequestError, match="waits or runs already"):
        store.submit(errands.draft(asked, "other"))
    store.cancel(job.id)
    store.submit(errands.draft(asked, "other"))
    store.close()


def test_a_cluster_that_is_not_there_is_told_of_at_once() -> None:
    began = time.monotonic()
    for address in ("127.0.0.1:1", "ray://127.0.0.1:1", "127.0.0.1:99999"):
        with pytest.raises(RequestError, match="no Ray at RAY_ADDRESS"):
            _reached(address)
    assert time.monotonic() - began < 5
