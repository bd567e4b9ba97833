"""Replicas on Ray draw what the front accepts: in batches, each job once, also where they are killed."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from dye import Running, until
from huabi.errors import RequestError
from huabi.requests import Generate
from huabi.serve.crowd import Offer, app
from huabi.serve.desk import drafted
from huabi.serve.jobs import ENDS, Store
from test_serve_api import call

pytest.importorskip("ray", reason="Ray is not installed here: make test-ray")
pytestmark = [pytest.mark.ray, pytest.mark.filterwarnings("ignore")]

import crowd  # noqa: E402


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("crowd")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Running]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))  # the replicas find `crowd`
        patch.delenv("RAY_ADDRESS", raising=False)
        crowd.stock(folder)
        running = Running(folder, engine=crowd.engine(folder, "2"))
        running.service.store.queue = 256
        yield running
        (folder / "hold").unlink(missing_ok=True)
        running.stop()


@pytest.fixture(autouse=True)
def _anew(folder: Path) -> Iterator[None]:
    (folder / "ledger").unlink(missing_ok=True)
    yield
    (folder / "hold").unlink(missing_ok=True)


def ask(server: Running, seed: int, **more: Any) -> str:
    body = {"task": "generate", "model": "dye", "request": {"seed": seed}} | more
    status, job, _ = call(server, "POST", "/v1/jobs", body)
    assert status == 202, job
    return str(job["id"])


def end(server: Running, job: str) -> dict[str, Any]:
    def ended() -> Any:
        told = call(server, "GET", f"/v1/jobs/{job}")[1]
        return told["state"] in ENDS and told

    return until(ended, 120)  # type: ignore[no-any-return]


def colours(server: Running, job: str) -> list[int]:
    drawn = [server.service.store.picture(kept.id) for kept in server.service.store.drawn(job)]
    return [int(Image.open(io.BytesIO(one.data)).getpixel((0, 0))[0]) for one in drawn if one]  # type: ignore[index]


def test_jobs_go_through_two_replicas_in_batches_and_each_gets_its_own(server: Running, folder: Path) -> None:
    (folder / "hold").touch()
    jobs = [ask(server, seed, request={"seed": seed, "steps": 2 + seed}) for seed in range(2)]  # no one batch
    until(lambda: len({drawing.process for drawing in crowd.read(folder)}) == 2, 120)  # both are at work
    jobs += [ask(server, seed) for seed in range(2, 24)]
    (folder / "hold").unlink()
    assert [end(server, job)["state"] for job in jobs] == ["done"] * 24
    assert [colours(server, job) for job in jobs] == [[seed] for seed in range(24)]
    drawings = crowd.read(folder)
    assert len(drawings) < len(jobs) / 2
    assert {len(drawing.seeds) for drawing in drawings} == {4}  # the rows of its batches


def test_what_does_not_join_is_not_drawn_together(server: Running, folder: Path) -> None:
    jobs = [ask(server, 1, request={"seed": seed, "steps": 2 + seed % 2}) for seed in range(6)]
    assert [end(server, job)["state"] for job in jobs] == ["done"] * 6
    assert all(len({seed % 2 for seed in drawing.seeds}) == 1 for drawing in crowd.read(folder))


def test_previews_come_from_the_replica(server: Running, folder: Path) -> None:
    seen: list[dict[str, Any]] = []
    publish = server.service.hub.publish
    server.service.hub.publish = lambda job, event: (seen.append(event), publish(job, event))  # type: ignore[method-assign, assignment, func-returns-value]
    try:
        end(server, ask(server, 9, previews=2, request={"seed": 9, "steps": 4}))  # it has four estimates
    finally:
        server.service.hub.publish = publish  # type: ignore[method-assign]
    assert len([event for event in seen if event["type"] == "preview"]) == 2


def test_a_bad_job_spoils_no_other(server: Running) -> None:
    jobs = [ask(server, 1, request={"seed": seed, "label": "dog" if seed == 2 else "cat"}) for seed in range(4)]
    ended = [end(server, job) for job in jobs]
    assert [told["state"] for told in ended] == ["done", "done", "failed", "done"]
    assert "no label 'dog'" in ended[2]["error"]["message"]


def test_a_cancelled_job_stops_its_replica(server: Running, folder: Path) -> None:
    (folder / "hold").touch()
    jobs = [ask(server, seed, request={"seed": seed, "steps": 2 + seed}) for seed in (1, 2)]  # no one batch
    until(lambda: len(crowd.read(folder)) == 2, 60)
    for job in jobs:
        assert call(server, "POST", f"/v1/jobs/{job}/cancel")[1]["state"] == "cancelled"
    # which find a replica free, though nothing is let go
    after = [ask(server, seed, request={"seed": seed, "steps": 2 + seed}) for seed in (3, 4)]
    until(lambda: {seed for drawing in crowd.read(folder) for seed in drawing.seeds} >= {3, 4}, 60)
    (folder / "hold").unlink()
    assert [end(server, job)["state"] for job in after] == ["done"] * 2
    assert [colours(server, job) for job in jobs] == [[], []]


def test_a_model_that_is_gone_fails_and_the_replica_goes_on(server: Running) -> None:
    assert call(server, "POST", "/v1/jobs", {"task": "generate", "model": "none", "request": {}})[0] == 404
    job = server.service.store.submit(drafted("generate", "gone", [Generate()], 0))
    told = end(server, job.id)
    assert (told["state"], told["error"]["fault"]) == ("failed", "model")
    assert end(server, ask(server, 5))["state"] == "done"


def test_replicas_killed_under_load_lose_no_job_and_double_none(server: Running, folder: Path) -> None:
    accepted: list[str] = []

    def clients() -> None:
        for seed in range(60):
            accepted.append(ask(server, seed))

    (folder / "hold").touch()
    asking = threading.Thread(target=clients)
    asking.start()
    first = until(lambda: crowd.read(folder), 60)[0].process
    os.kill(first, signal.SIGKILL)
    (folder / "hold").unlink()
    asking.join()
    ended = [end(server, job) for job in accepted]
    assert [told["state"] for told in ended] == ["done"] * 60
    assert [colours(server, job) for job in accepted] == [[seed] for seed in range(60)]
    assert Counter(told["attempts"] for told in ended)[2] >= 1  # those that the dead one had
    assert max(told["attempts"] for told in ended) == 2


def test_a_job_that_kills_twice_is_parked_and_takes_no_other_along(server: Running, folder: Path) -> None:
    (folder / "hold").touch()
    deadly = ask(server, 77)
    for count in (1, 2):
        found = until(lambda n=count: len(crowd.read(folder)) >= n and crowd.read(folder)[-1], 90)
        assert set(found.seeds) == {77}
        os.kill(found.process, signal.SIGKILL)
    told = end(server, deadly)
    assert (told["state"], told["attempts"], told["error"]["fault"]) == ("parked", 2, "server")
    (folder / "hold").unlink()
    assert end(server, ask(server, 5))["state"] == "done"


def test_on_sigterm_what_is_at_work_ends_and_the_rest_waits(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    environment.pop("RAY_ADDRESS", None)
    script = str(Path(__file__).with_name("crowd.py"))
    process = subprocess.Popen([sys.executable, script, str(tmp_path), str(port)], env=environment)
    other: Any = type("Other", (), {"port": port})()

    def ready() -> bool:
        assert process.poll() is None
        try:
            return call(other, "GET", "/ready")[0] == 200
        except OSError:
            return False

    until(ready, 400)  # Ray takes its time where others are at work
    (tmp_path / "hold").touch()
    begun = ask(other, 1)
    until(lambda: crowd.read(tmp_path), 60)
    waits = ask(other, 2, request={"seed": 2, "steps": 9})
    process.send_signal(signal.SIGTERM)
    threading.Timer(1, (tmp_path / "hold").unlink).start()
    assert process.wait(90) in (0, -signal.SIGTERM, 128 + signal.SIGTERM, signal.SIGTERM)
    store = Store(str(tmp_path / "jobs.db"))
    assert store.states([begun, waits]) == {begun: "done", waits: "queued"}
    store.close()


def test_a_serve_config_says_what_replicas_draw() -> None:
    assert app({"device": "cpu", "replicas": "1:2"}) is not None
    with pytest.raises(RequestError, match="neither a number"):
        app({"replicas": "none"})
    with pytest.raises(Exception, match="modle"):
        app({"modle": ["x"]})
    assert json.loads(Offer().model_dump_json())["replicas"] == "1"


