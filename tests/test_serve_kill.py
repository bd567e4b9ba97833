"""A server that is killed at any moment under load, and calls that nobody would make by hand."""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.generation import GenerationMode

from dye import Dye, Running, until
from huabi.serve import shelf as shelves
from huabi.serve.jobs import ENDS
from test_serve_api import call

BODY = json.dumps({"task": "generate", "model": "dye", "request": {}}).encode()


class Killable:
    """A server in a process of its own, which comes back on the same port with the same store."""

    def __init__(self, folder: Path, seconds: float = 0.01) -> None:
        self.seconds = seconds  # of an estimate
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.folder = folder
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(self.words(), stderr=subprocess.DEVNULL)
        until(lambda: self.call("GET", "/ready")[0] == 200, 60)

    def words(self) -> list[str]:
        dye = Path(__file__).with_name("dye.py")
        return [sys.executable, *map(str, (dye, self.folder, self.port, self.seconds))]

    def call(self, method: str, path: str, body: bytes | None = None) -> tuple[int, Any]:
        try:
            return call(self, method, path, body)[:2]  # type: ignore[arg-type]
        except (OSError, http.client.HTTPException, ValueError):
            return 0, None

    def end(self, signum: int) -> int:
        self.process.send_signal(signum)
        return self.process.wait(60)


@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
@pytest.mark.parametrize("kills", [1, pytest.param(100, marks=pytest.mark.slow)])
def test_killed_under_load_every_accepted_job_ends_once(tmp_path: Path, kills: int) -> None:
    dice = random.Random(kills)
    server, accepted, killed, enough = Killable(tmp_path), list[str](), list[int](), threading.Event()

    def ask() -> None:
        while not enough.is_set():
            if len(accepted) > 20 * (1 + len(killed)):  # no more than is drawn in good time
                time.sleep(0.05)
                continue
            status, job = server.call("POST", "/v1/jobs", BODY)
            if status == 202:
                accepted.append(job["id"])
            else:
                time.sleep(0.05)

    clients = [threading.Thread(target=ask) for _ in range(3)]
    for client in clients:
        client.start()
    for _ in range(kills):
        time.sleep(dice.uniform(0.1, 0.8))
        killed.append(server.end(signal.SIGKILL))
        server.start()
    enough.set()
    for client in clients:
        client.join()
    states = []
    for job in accepted:
        found = until(lambda job=job: (told := server.call("GET", f"/v1/jobs/{job}")[1])["state"] in ENDS and told, 60)
        states.append(found["state"])
        if found["state"] == "done":
            assert len(server.call("GET", f"/v1/jobs/{job}/result")[1]["pictures"]) == 1
    assert len(accepted) == len(set(accepted)) > kills
    assert set(states) <= {"done", "parked"}
    assert states.count("done") > len(states) / 2
    assert server.end(signal.SIGTERM) in (0, -signal.SIGTERM, 128 + signal.SIGTERM)


def test_on_sigterm_who_waits_is_answered_and_what_waits_is_kept(tmp_path: Path) -> None:
    server = Killable(tmp_path, 0.3)
    answers: list[tuple[int, Any]] = []
    body = json.dumps({"prompt": "x", "model": "dye"}).encode()
    waiting = threading.Thread(target=lambda: answers.append(server.call("POST", "/v1/images/generations", body)))
    waiting.start()
    until(lambda: [job["state"] for job in server.call("GET", "/v1/jobs")[1]["jobs"]] == ["running"])
    kept = [server.call("POST", "/v1/jobs", BODY)[1]["id"] for _ in range(3)]
    assert server.end(signal.SIGTERM) in (0, -signal.SIGTERM, 128 + signal.SIGTERM)
    waiting.join(20)
    assert answers[0][0] == 200
    assert len(answers[0][1]["data"]) == 1
    server.start()
    for job in kept:
        until(lambda job=job: server.call("GET", f"/v1/jobs/{job}")[1]["state"] == "done")
    server.end(signal.SIGTERM)


@pytest.mark.parametrize("examples", [2, pytest.param(100, marks=pytest.mark.slow)])
def test_calls_made_up_from_the_schema_break_nothing(
    examples: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(shelves.BUILT_IN, "dye", Dye)
    server = Running(tmp_path)
    base = f"http://127.0.0.1:{server.port}"
    settled = settings(max_examples=examples, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    try:
        schema = schemathesis.openapi.from_dict(call(server, "GET", "/openapi.json")[1])
        operations = [operation.ok() for operation in schema.get_all_operations()]
        assert len(operations) > 30

        for operation in operations:
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

                @settled
                @given(case=operation.as_strategy(generation_mode=mode))
                def tried(case: schemathesis.Case) -> None:
                    answer = case.call(base_url=base, timeout=30)
                    told = answer.content.decode("utf-8", "replace")
                    assert answer.status_code < 500 or "queue_full" in told, (case.as_curl_command(), told)
                    assert "Traceback" not in told

                with suppress(Unsatisfiable):  # of what takes nothing, nothing can be wrong
                    tried()
        assert call(server, "GET", "/ready")[0] == 200
    finally:
        server.stop()


@pytest.mark.slow
def test_no_body_that_is_damaged_breaks_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(shelves.BUILT_IN, "dye", Dye)
    server = Running(tmp_path)
    try:
        schema = schemathesis.openapi.from_dict(call(server, "GET", "/openapi.json")[1])
        dice, count = random.Random(0), 0
        seeds = [BODY, b'{"prompt": "x", "n": 1}', b'{"init_images": [], "steps": 3}']
        found = [operation.ok() for operation in schema.get_all_operations()]
        posts = [one.path for one in found if one.method.upper() == "POST" and "{" not in one.path]
        assert "/v1/jobs" in posts
        while count < 5000:
            body = bytearray(dice.choice(seeds))
            for _ in range(dice.randrange(1, 6)):
                place = dice.randrange(len(body) + 1)
                body[place : place + dice.randrange(3)] = dice.randbytes(dice.randrange(4))
            status, told, _ = call(server, "POST", dice.choice(posts), bytes(body))
            assert status < 500 or told["error"]["code"] == "queue_full", (status, told, bytes(body))
            count += 1
        assert call(server, "GET", "/ready")[0] == 200
    finally:
        server.stop()
