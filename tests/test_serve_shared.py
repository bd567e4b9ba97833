"""Two fronts that share a PostgreSQL: no job is lost or doubled, whichever of them is killed."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from dye import until
from huabi.serve.jobs import ENDS, Draft, Store
from test_serve_kill import BODY, Killable

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL of its own, which nobody but this test reaches."""
    found = [*Path("/usr/lib/postgresql").glob("*/bin/initdb"), *map(Path, filter(None, [shutil.which("initdb")]))]
    if not found:
        pytest.fail("PostgreSQL is not installed; `make test-postgres` says how it is")
    programs, folder = found[0].parent, tmp_path_factory.mktemp("postgres")
    user = "postgres" if os.geteuid() == 0 else None  # which refuses to run as root
    if user:
        for place in (folder, *folder.parents):
            if place.owner() == "root" and place.name.startswith("pytest-"):
                place.chmod(0o755)
        shutil.chown(folder, user)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    data, quiet = folder / "data", {"stdout": subprocess.DEVNULL, "user": user, "cwd": folder}
    subprocess.run([programs / "initdb", "-D", data, "-A", "trust", "-U", "huabi"], check=True, **quiet)  # type: ignore[call-overload]
    words = [programs / "postgres", "-D", data, "-p", str(port), "-k", folder, "-h", "127.0.0.1"]
    server = subprocess.Popen(words, stderr=subprocess.DEVNULL, **quiet)  # type: ignore[call-overload]
    try:
        ready = [programs / "pg_isready", "-h", "127.0.0.1", "-p", str(port)]
        until(lambda: subprocess.run(ready, stdout=subprocess.DEVNULL, check=False).returncode == 0, 60)
        yield f"postgresql+psycopg://huabi@127.0.0.1:{port}/postgres"
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(30)


class Front(Killable):
    """One of several servers of one store."""

    def __init__(self, folder: Path, store: str, seconds: str = "0.01") -> None:
        self.store, self.seconds = store, seconds
        super().__init__(folder)

    def words(self) -> list[str]:
        dye = str(Path(__file__).with_name("dye.py"))
        return [sys.executable, dye, str(self.folder), str(self.port), self.seconds, self.store]


@pytest.fixture
def fronts(tmp_path: Path, url: str) -> Iterator[list[Front]]:
    found = [Front(tmp_path, url) for _ in range(2)]
    yield found
    for front in found:
        front.end(signal.SIGKILL)


def test_of_two_stores_one_gets_each_job(url: str) -> None:
    stores = [Store(url), Store(url)]
    jobs = [stores[0].submit(Draft("generate", "a", "{}")) for _ in range(40)]
    got: list[list[str]] = [[], []]

    def take(k: int) -> None:
        for job in jobs:
            got[k] += stores[k].claim([job.id])

    threads = [threading.Thread(target=take, args=(k,)) for k in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got[0] + got[1]) == sorted(job.id for job in jobs)
    for store, mine in zip(stores, got):
        assert all(store.finish(job) for job in mine)
        store.close()


def test_a_call_whose_front_is_killed_is_one_job_at_the_other(fronts: list[Front], url: str) -> None:
    first, second = fronts
    store = Store(url)
    for front in fronts:
        front.end(signal.SIGKILL)
        front.seconds = "2"  # of an estimate: time to be killed in
        front.start()
    before = len(store.recent(1000))
    made: list[Any] = []

    def client(front: Front) -> openai.OpenAI:
        return openai.OpenAI(base_url=f"http://127.0.0.1:{front.port}/v1", api_key="any", max_retries=0, timeout=300)

    def ask() -> None:
        with client(first) as asked, pytest.raises(openai.APIConnectionError):
            asked.images.generate(prompt="x", model="dye")
        again = {"x-stainless-retry-count": "1"}  # as the client says it, where both fronts have one address
        with client(second) as asked:
            made.append(asked.images.generate(prompt="x", model="dye", extra_headers=again))

    asking = threading.Thread(target=ask)
    asking.start()
    until(lambda: len(store.recent(1000)) > before and store.recent(1)[0].state == "running", 30)
    first.end(signal.SIGKILL)
    asking.join()
    assert made[0].data[0].seed is not None
    assert len(store.recent(1000)) == before + 1
    store.close()
    first.start()


def test_fronts_killed_under_load_lose_no_job(fronts: list[Front], url: str) -> None:
    accepted, enough = list[str](), threading.Event()

    def ask(k: int) -> None:
        while not enough.is_set() and len(accepted) < 200:
            status, job = fronts[k].call("POST", "/v1/jobs", BODY)
            if status == 202:
                accepted.append(job["id"])
            else:
                time.sleep(0.05)

    clients = [threading.Thread(target=ask, args=(k % 2,)) for k in range(4)]
    for client in clients:
        client.start()
    for turn in range(6):
        time.sleep(0.4)
        fronts[turn % 2].end(signal.SIGKILL)
        fronts[turn % 2].start()
    enough.set()
    for client in clients:
        client.join()
    assert accepted
    store = Store(url)

    def end(job: str) -> str:
        return str(until(lambda: (found := store.get(job)) and found.state in ENDS and found.state, 150))

    states = [end(job) for job in accepted]
    assert set(states) <= {"done", "parked"}
    assert states.count("done") > 0.8 * len(states)
    store.close()
