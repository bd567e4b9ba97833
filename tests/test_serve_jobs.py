"""The store of jobs: what was accepted ends exactly once, whatever is killed, full or damaged."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from huabi.errors import RequestError
from huabi.serve import database
from huabi.serve.database import StoreError
from huabi.serve.jobs import ATTEMPTS, LEASE, Draft, Drawn, QueueFull, Store

DRAW = Draft("generate", "flowers", "{}")


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "jobs.db")


@pytest.fixture
def store(path: str) -> Iterator[Store]:
    store = Store(path, queue=4)
    yield store
    store.close()


def test_what_is_forgotten_leaves_the_disk(store: Store, path: str) -> None:
    job = store.submit(DRAW)
    store.claim([job.id])
    assert store.finish(job.id, [Drawn({}, os.urandom(1 << 20)) for _ in range(4)])

    def used() -> int:
        with sqlite3.connect(path) as connection:
            return int(connection.execute("PRAGMA page_count").fetchone()[0])

    full = used()
    time.sleep(0.02)
    assert store.sweep(0.01) == 1
    assert used() < full / 4


def test_one_training_of_a_name_at_a_time(store: Store) -> None:
    first = store.submit(Draft("train", "mine", "{}"))
    with pytest.raises(RequestError, match="mine waits or runs already"):
        store.submit(Draft("compare", "mine", "{}"))
    store.submit(Draft("train", "other", "{}"))
    assert store.cancel(first.id)
    store.submit(Draft("train", "mine", "{}"))


def test_a_job_is_claimed_once_and_ends_once(store: Store) -> None:
    job = store.submit(DRAW)
    assert store.claim([job.id]) == [job.id]
    assert store.claim([job.id]) == []
    assert store.finish(job.id, [Drawn({"seed": 1}, b"png"), Drawn({"seed": 2}, b"gnp")])
    assert not store.finish(job.id)
    assert not store.fail(job.id, "late", "model")
    assert not store.cancel(job.id)
    ended = store.get(job.id)
    assert ended is not None
    assert ended.state == "done"
    assert [kept.recipe["seed"] for kept in store.drawn(job.id)] == [1, 2]
    found = store.picture(store.drawn(job.id)[1].id)
    assert found is not None
    assert found.data == b"gnp"


def test_of_many_threads_one_gets_each_job(path: str) -> None:
    store = Store(path)
    ids = [store.submit(DRAW).id for _ in range(20)]
    got: list[str] = []
    threads = [threading.Thread(target=lambda: [got.extend(store.claim([i])) for i in ids]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store.close()
    assert sorted(got) == sorted(ids)


def test_what_has_not_ended_is_listed_before_what_has(store: Store) -> None:
    training = store.submit(Draft("train", "mine", "{}"))
    for _ in range(5):
        ended = store.submit(DRAW)
        store.cancel(ended.id)
    waiting = store.submit(DRAW)
    assert [job.id for job in store.recent(3)] == [waiting.id, training.id, ended.id]
    assert len(store.recent(50)) == 7


def test_the_oldest_is_taken_as_it_stood(store: Store) -> None:
    first, second, other = (store.submit(Draft(task, "a", "{}")) for task in ("generate", "edit", "train"))
    assert store.oldest(["generate", "edit"]) == first
    taken = store.get(first.id)
    assert taken is not None
    assert (taken.state, taken.attempts) == ("running", 1)
    assert store.claim([first.id]) == []
    assert store.oldest(["generate", "edit"]) == second
    assert store.oldest(["generate", "edit"]) is None
    assert store.claim([other.id]) == [other.id]
    store.retry([first.id])
    again = store.oldest(["generate"])
    assert again is not None
    assert again.attempts == 1  # it died once


def test_the_queue_is_bounded(store: Store) -> None:
    for _ in range(4):
        store.submit(DRAW)
    with pytest.raises(QueueFull) as full:
        store.submit(DRAW, retry_after=7)
    assert full.value.retry_after == 7


def test_a_cancelled_job_takes_no_result(store: Store) -> None:
    job = store.submit(DRAW)
    store.claim([job.id])
    assert store.cancel(job.id)
    assert not store.finish(job.id, [Drawn({}, b"png")])
    assert store.drawn(job.id) == []


def test_a_call_sent_again_finds_its_job_and_takes_nobody_elses(store: Store) -> None:
    call = Draft("generate", "flowers", "{}", key="k")
    first, second = store.submit(call), store.submit(call)
    assert first.id != second.id  # two calls that happen to say the same
    assert store.submit(call, "retry").id not in (first.id, second.id)  # both still wait for their answers
    store.client(first.id, "gone")
    assert store.submit(call, "retry").id == first.id
    assert store.submit(call, "retry").id != first.id  # which is waited for again


def test_a_client_that_came_back_keeps_its_job(store: Store) -> None:
    call = Draft("generate", "flowers", "{}", key="k")
    job = store.submit(call)
    store.client(job.id, "gone")
    store.submit(call, "retry")
    assert not store.cancel(job.id, only_if_gone=True)
    store.client(job.id, "gone")
    assert store.cancel(job.id, only_if_gone=True)


def test_what_ran_when_the_server_died_runs_again_and_is_parked_then(path: str) -> None:
    store = Store(path)
    waits, runs = store.submit(DRAW), store.submit(DRAW)
    store.close()
    for _ in range(ATTEMPTS):
        store = Store(path)
        store.recover(all_of_them=True)
        assert store.claim([runs.id]) == [runs.id]
        store.close()
    store = Store(path)
    store.recover(all_of_them=True)
    assert store.states([waits.id, runs.id]) == {waits.id: "queued", runs.id: "parked"}
    store.close()


def test_what_is_given_back_has_not_begun(path: str) -> None:
    store = Store(path)
    job = store.submit(DRAW)
    for _ in range(2 * ATTEMPTS):
        assert store.claim([job.id])
        store.give_back()
    store.recover(all_of_them=True)
    assert store.states([job.id]) == {job.id: "queued"}
    store.close()


def test_a_lease_that_lasts_keeps_the_job_from_others(store: Store) -> None:
    job = store.submit(DRAW)
    store.claim([job.id])
    assert store.recover() == 0
    store.renew()
    assert store.states([job.id]) == {job.id: "running"}


def test_what_was_waited_for_at_a_server_that_died_is_taken_up_at_another(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.exclusive = False  # as where several share a database
    store.renew()
    draft = Draft("generate", "a", "{}", "one call")
    job = store.submit(draft)
    assert store.claim([job.id])
    other = store.submit(draft)
    assert store.submit(draft, "retry").id not in (job.id, other.id)  # both wait here: they are others' calls
    store.owner = "another"
    store.renew()
    store.recover()
    assert store.submit(Draft("generate", "a", "{}", "another call"), "retry").id not in (job.id, other.id)
    taken = store.submit(draft, "retry")  # nobody calls again who has not lost the first connection
    assert taken.id != other.id
    later = time.time() + LEASE + 1
    monkeypatch.setattr("huabi.serve.jobs.time.time", lambda: later)
    store.renew()
    assert store.recover() == 1
    again = store.get(job.id)
    assert again is not None
    assert (again.client, again.state) == ("gone", "queued")
    assert store.claim([job.id])
    assert store.recover() == 0
    later += LEASE + 1
    store.owner = "a third"
    assert store.recover() == 1
    found = store.get(job.id)
    assert found is not None
    assert found.state == "parked"


def test_old_pictures_are_forgotten_and_open_jobs_are_not(store: Store) -> None:
    done, waits = store.submit(DRAW), store.submit(DRAW)
    store.claim([done.id])
    store.finish(done.id, [Drawn({}, b"x" * 100_000)])
    picture = store.drawn(done.id)[0].id
    assert store.sweep(3600) == 0
    time.sleep(0.02)
    assert store.sweep(0.01) == 1
    assert store.get(done.id) is None
    assert store.picture(picture) is None
    assert store.get(waits.id) is not None


def test_a_damaged_file_is_told_of_and_moved_only_when_asked(path: str) -> None:
    Path(path).write_bytes(b"this is no database" * 100)
    with pytest.raises(StoreError, match="damaged.*--set-aside"):
        Store(path)
    assert Path(path).read_bytes().startswith(b"this is no")
    store = Store(path, set_aside=True)
    store.submit(DRAW)
    store.close()
    assert len(list(Path(path).parent.glob("*.damaged-*"))) == 1


def test_one_server_at_a_time(store: Store, path: str) -> None:
    with pytest.raises(StoreError, match="another server"):
        Store(path)


@pytest.mark.parametrize("where", ["nothing://x", "postgresql+nothing://x/y", "://"])
def test_a_database_that_is_unknown_is_told_of(where: str) -> None:
    with pytest.raises(StoreError, match="--store"):
        Store(where)


def test_a_full_disk_loses_nothing(store: Store) -> None:
    kept = store.submit(DRAW)
    with store._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
    with pytest.raises(StoreError, match="free some space"):
        store.submit(Draft("generate", "flowers", "x" * 100_000))
    assert [job.id for job in store.queued(9, ["generate"])] == [kept.id]


def test_what_another_program_locks_is_told_of_and_kept(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "PATIENCE", 0.1)
    store = Store(path)
    kept = store.submit(DRAW)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreError, match="cannot be used now; try again"):
        store.submit(DRAW)
    store.close()
    with pytest.raises(StoreError, match="close what else uses it"):
        Store(path)
    other.close()
    store = Store(path)
    assert [job.id for job in store.queued(9, ["generate"])] == [kept.id]
    store.close()


KILLED = """
import sys, time
from huabi.serve.jobs import Draft, Drawn, Store
store = Store(sys.argv[1])
store.recover(all_of_them=True)
while True:
    for job in store.queued(3, ["generate"]):
        if store.claim([job.id]):
            store.finish(job.id, [Drawn({"of": job.id}, b"x" * 5000)])
    print(store.submit(Draft("generate", "flowers", "{}")).id, flush=True)
"""


@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
def test_killed_at_any_moment_every_accepted_job_is_there(path: str) -> None:
    accepted: list[str] = []
    for wait in (0.05, 0.11, 0.17):
        child = subprocess.Popen([sys.executable, "-c", KILLED, path], stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        accepted.append(child.stdout.readline().strip())
        time.sleep(wait)
        child.send_signal(signal.SIGKILL)
        accepted += [line.strip() for line in child.stdout if line.endswith("\n")]
        child.wait()
        child.stdout.close()
    store = Store(path)
    store.recover(all_of_them=True)
    for job in accepted:
        found = store.get(job)
        assert found is not None
        assert found.state in ("queued", "done", "parked")
        assert len(store.drawn(job)) == (found.state == "done")
    store.close()
