"""The worker: it draws in batches what fits together, spoils nothing for others, and stops where nobody waits."""

from __future__ import annotations

import io
import shutil
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from conftest import TINY
from dye import Dye, until
from huabi import api
from huabi.errors import RequestError, RunError
from huabi.model import DataSpec, Model
from huabi.requests import Generate, Imagine
from huabi.serve import shelf as shelves
from huabi.serve.desk import drafted
from huabi.serve.hub import Hub
from huabi.serve.jobs import Draft, Job, Store
from huabi.serve.meters import Meters
from huabi.serve.shelf import Shelf, UnknownModel
from huabi.serve.worker import Worker


class Setting:
    """A worker with all that it needs, and a model that is in the test's hands."""

    def __init__(self, folder: Path, dye: Dye) -> None:
        self.dye = dye
        self.store = Store(str(folder / "jobs.db"))
        self.hub = Hub()
        self.worker = Worker(self.store, Shelf(folder=folder / "runs", budget=1 << 20), self.hub, Meters())

    def submit(self, *requests: Any, previews: int = 0, model: str = "dye") -> Job:
        return self.store.submit(drafted(type(requests[0]).__name__.lower(), model, requests, previews))

    def end(self, job: Job) -> Job:
        return until(lambda: (found := self.store.get(job.id)) and found.ended and found)


@pytest.fixture
def setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Setting]:
    dye = Dye()
    monkeypatch.setitem(shelves.BUILT_IN, "dye", lambda: dye)
    setting = Setting(tmp_path, dye)
    yield setting
    dye.gate.set()
    if setting.worker.alive:
        setting.worker.stop(10)
    setting.store.close()


def colour(data: bytes) -> int:
    return int(Image.open(io.BytesIO(data)).getpixel((0, 0))[0])  # type: ignore[index]


def colours(setting: Setting, job: Job) -> list[int]:
    kept = setting.store.drawn(job.id)
    return [colour(found.data) for one in kept if (found := setting.store.picture(one.id))]


def heard(setting: Setting) -> list[dict[str, Any]]:
    """The events that are told from now on."""
    seen: list[dict[str, Any]] = []
    publish = setting.hub.publish
    setting.hub.publish = lambda job, event: (seen.append(event), publish(job, event))  # type: ignore[method-assign, assignment, func-returns-value]
    return seen


def test_jobs_that_fit_are_drawn_in_one_batch_and_each_gets_its_own(setting: Setting) -> None:
    jobs = [setting.submit(Generate(seed=1), Generate(seed=2)), setting.submit(Generate(seed=3, steps=9))]
    jobs += [setting.submit(Generate(seed=4)), setting.submit(Generate(seed=5)), setting.submit(Generate(seed=6))]
    setting.worker.start()
    assert [setting.end(job).state for job in jobs] == ["done"] * 5
    assert setting.dye.batches == [[1, 2, 4, 5], [3] * 4, [6] * 4]  # four rows at once, filled up
    assert [colours(setting, job) for job in jobs] == [[1, 2], [3], [4], [5], [6]]
    assert [kept.recipe["request"]["seed"] for kept in setting.store.drawn(jobs[0].id)] == [1, 2]


def test_one_bad_request_spoils_no_other(setting: Setting) -> None:
    good, bad = setting.submit(Imagine(seed=7)), setting.submit(Imagine(seed=8, label="dog"))
    worst = setting.submit(Imagine(seed=9, prompt="broken secret"))
    setting.worker.start()
    assert setting.end(good).state == "done"
    assert colours(setting, good) == [7]
    told = setting.end(bad)
    assert (told.state, told.fault) == ("failed", "request")
    assert "no label 'dog'" in (told.error or "")
    told = setting.end(worst)
    assert (told.state, told.fault) == ("failed", "server")
    assert "secret" not in (told.error or "")


def test_what_cannot_be_read_or_loaded_fails_and_the_worker_goes_on(setting: Setting) -> None:
    bodies = "no json", '{"request": {"seed": -1}, "seeds": [], "previews": 0}'
    bad = [setting.store.submit(Draft("generate", "dye", body)) for body in bodies]
    bad.append(setting.submit(Generate(), model="gone"))
    good = setting.submit(Generate(seed=3))
    setting.worker.start()
    assert [setting.end(job).state for job in [*bad, good]] == ["failed"] * 3 + ["done"]


def test_cancelling_all_of_a_batch_stops_it_and_cancelling_one_does_not(setting: Setting) -> None:
    setting.dye.gate.clear()
    one, other = setting.submit(Generate(seed=1)), setting.submit(Generate(seed=2))
    setting.worker.start()
    until(lambda: setting.dye.estimates)
    for job, count in ((one, 1), (other, 2)):
        assert setting.store.cancel(job.id)
        setting.worker.cancel(job.id)
        if count == 1:
            assert setting.store.states([other.id]) == {other.id: "running"}
    setting.dye.gate.set()
    after = setting.submit(Generate(seed=3))
    setting.worker.wake()
    assert setting.end(after).state == "done"
    assert setting.dye.estimates < 8  # four of the last, and not all four of the first
    assert setting.store.drawn(one.id) == setting.store.drawn(other.id) == []


def test_a_stop_lets_the_batch_end_or_gives_it_back(setting: Setting) -> None:
    setting.dye.gate.clear()
    begun, waits = setting.submit(Generate(seed=1)), setting.submit(Generate(seed=2, steps=5))
    setting.worker.start()
    until(lambda: setting.dye.estimates)
    threading.Timer(0.2, setting.dye.gate.set).start()
    setting.worker.stop(0.05)
    setting.store.give_back()
    assert set(setting.store.states([begun.id, waits.id]).values()) == {"queued"}
    found = setting.store.get(begun.id)
    assert found is not None
    assert found.attempts == 0


def test_previews_come_from_the_first_estimate_on_as_many_as_asked(setting: Setting) -> None:
    seen = heard(setting)
    for _ in range(2):  # the second time it is known how many estimates there will be
        seen.clear()
        job = setting.submit(Generate(seed=100), Generate(seed=200), previews=2)
        if not setting.worker.alive:
            setting.worker.start()
        setting.worker.wake()
        setting.end(job)
    until(lambda: seen[-1].get("state") == "done")
    previews = [event for event in seen if event["type"] == "preview"]
    assert [event["step"] for event in previews] == [1, 3]
    assert [event["index"] for event in previews] == [0, 1]
    assert all(len(event["images"]) == 2 for event in previews)
    assert setting.hub.last(job.id) == {}


def test_previews_come_of_each_picture_where_they_are_drawn_one_after_another(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = Dye(rows=1)
    monkeypatch.setitem(shelves.BUILT_IN, "dye", lambda: alone)
    seen = heard(setting)
    job = setting.submit(*(Generate(seed=seed) for seed in (1, 2, 3)), previews=1)
    setting.worker.start()
    setting.end(job)
    previews = [event for event in seen if event["type"] == "preview"]
    assert [(event["positions"], event["index"]) for event in previews] == [([0], 0), ([1], 0), ([2], 0)]
    told = [event for event in seen if "step" in event]
    assert [event["step"] / event["of"] for event in told] == sorted(event["step"] / event["of"] for event in told)
    assert {event["of"] for event in told} == {3 * 18}  # as long as nobody knows how many estimates there are


class Heavy(torch.nn.Module, Model):
    requests = (Generate,)
    spec = DataSpec((8, 8))

    def __init__(self) -> None:
        super().__init__()
        self.net = torch.nn.Linear(100, 100)  # 40,400 bytes

    def sample(self, requests: Sequence[Any]) -> Iterator[Tensor]:
        yield torch.zeros(len(requests), 3, 8, 8)


def test_models_leave_by_the_memory_that_they_take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "abc":
        monkeypatch.setitem(shelves.BUILT_IN, name, Heavy)
    shelf = Shelf(folder=tmp_path, budget=90_000)
    first = shelf.load("a")
    shelf.load("b")
    assert shelf.load("a") is first
    shelf.load("c")
    assert shelf.loaded == ("a", "c")  # b was not used for longest
    assert shelf.used == 2 * 40_400


def test_room_is_made_before_a_model_is_loaded(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    api.train("vae", photos, tmp_path / "a", size=8, steps=1, settings=TINY["vae"])
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    shelf = Shelf(folder=tmp_path)
    shelf.load("a")
    shelf.budget, load = round(1.5 * shelf.used), shelves._load
    held: list[tuple[str, ...]] = []
    monkeypatch.setattr(shelves, "_load", lambda card, device: (held.append(shelf.loaded), load(card, device))[1])
    shelf.load("b")
    shelf.budget = round(2.5 * shelf.used)  # room for both, though the states of a run are larger than its weights
    shelf.load("a")
    assert held == [(), ("b",)]


@pytest.mark.parametrize("name", ["../a", "a\0", "%2e%2e", "/etc/passwd", "", "x" * 9000])
def test_a_model_is_a_name_and_never_a_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnknownModel, match="no model"):
        Shelf(folder=tmp_path).load(name)


def test_a_damaged_model_is_told_of_by_its_name_alone(photos: Path, tmp_path: Path) -> None:
    api.train("vae", photos, tmp_path / "runs" / "mine", size=8, steps=1, settings=TINY["vae"])
    shutil.rmtree(tmp_path / "runs" / "mine" / "state")
    (tmp_path / "runs" / "mine" / "model.safetensors").write_bytes(b"torn")
    with pytest.raises(RunError, match=r"^mine/model.safetensors is damaged"):
        Shelf(folder=tmp_path / "runs").load("mine")


def test_a_model_that_is_missing_or_named_twice_is_told_of_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no run"):
        Shelf([str(tmp_path / "nothing")])
    with pytest.raises(RequestError, match="draws no pictures"):
        Shelf(["world-reader"])
