"""Training as a job: in a process of its own, by names alone; what was trained is offered."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import write_pictures
from dye import Running, until
from test_serve_api import call


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("errands")
    (folder / "runs").mkdir()
    write_pictures(folder / "data" / "flowers")
    (folder / "data" / "away").symlink_to("/etc")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HUABI_HOME", str(folder))  # no runs of others are offered
        running = Running(folder)
        yield running
        running.stop()


TRAIN: dict[str, Any] = {"task": "train", "family": "gan", "data": "flowers", "name": "mine", "steps": 2, "size": 8}
TRAIN |= {"batch": 4, "settings": {"net.width": "8"}}


@pytest.mark.slow
def test_a_trained_model_is_offered_and_draws(server: Running) -> None:
    status, job, _ = call(server, "POST", "/v1/jobs", TRAIN)
    assert status == 202, job
    assert call(server, "POST", "/v1/jobs", TRAIN)[0] == 400  # the name is taken while the job waits or runs
    status, again, _ = call(server, "POST", "/v1/jobs", TRAIN | {"family": "no-such", "name": "odd"})
    assert status == 202, again
    ended = until(lambda: (told := call(server, "GET", f"/v1/jobs/{job['id']}")[1])["finished"] and told, 120)
    assert ended["state"] == "done", ended["error"]
    assert call(server, "GET", f"/v1/jobs/{job['id']}/result")[1] == {"result": {"model": "mine"}}
    drawing = call(server, "POST", "/v1/jobs", {"task": "generate", "model": "mine", "request": {"seed": 1}})[1]
    until(lambda: call(server, "GET", f"/v1/jobs/{drawing['id']}")[1]["state"] == "done", 60)
    failed = until(lambda: (told := call(server, "GET", f"/v1/jobs/{again['id']}")[1])["finished"] and told, 60)
    assert (failed["state"], failed["error"]["fault"]) == ("failed", "request")
    assert "/tmp" not in failed["error"]["message"].replace("--", "")


@pytest.mark.slow
def test_a_comparison_goes_on_by_its_name_and_what_it_trained_is_offered_and_evaluated(server: Running) -> None:
    ask = {"task": "compare", "data": "flowers", "name": "which", "families": ["vae", "gan"], "budget": "4s", "size": 8}
    for _ in range(2):
        status, job, _ = call(server, "POST", "/v1/jobs", ask | {"n": 12})
        assert status == 202, job
        ended = until(lambda: (told := call(server, "GET", f"/v1/jobs/{job['id']}")[1])["finished"] and told, 240)  # noqa: B023
        assert ended["state"] == "done", ended["error"]
    assert {"which/vae", "which/gan"} <= {card["id"] for card in call(server, "GET", "/v1/models")[1]["data"]}
    drawing = call(server, "POST", "/v1/jobs", {"task": "generate", "model": "which/vae", "request": {"seed": 1}})[1]
    until(lambda: call(server, "GET", f"/v1/jobs/{drawing['id']}")[1]["state"] == "done", 60)
    assert call(server, "GET", "/v1/models/which/gan")[1]["id"] == "which/gan"


@pytest.mark.slow
def test_an_evaluation_is_a_job(server: Running) -> None:
    trained = call(server, "POST", "/v1/jobs", TRAIN | {"name": "judged"})[1]
    until(lambda: call(server, "GET", f"/v1/jobs/{trained['id']}")[1]["state"] == "done", 120)
    job = call(server, "POST", "/v1/jobs", {"task": "evaluate", "name": "judged", "against": "flowers", "n": 12})[1]
    ended = until(lambda: (told := call(server, "GET", f"/v1/jobs/{job['id']}")[1])["finished"] and told, 120)
    assert ended["state"] == "done", ended["error"]
    scores = call(server, "GET", f"/v1/jobs/{job['id']}/result")[1]["result"]["scores"]
    assert {"name", "value"} <= set(scores[0])


@pytest.mark.parametrize(
    "change",
    [
        {"data": "../flowers"}, {"data": "/etc"}, {"data": "away"}, {"data": "gone"}, {"data": "hf:a/b"},
        {"data": "world:file=/etc"}, {"name": ".."}, {"name": "-rf"}, {"name": "a/b"}, {"name": "a\0"},
        {"settings": {"autoencoder": "/etc/passwd"}}, {"settings": {"--out": "x"}}, {"family": "--help"},
        {"budget": "1m; ls"},
    ],
)  # fmt: skip
def test_names_are_no_paths_and_no_options(server: Running, change: dict[str, Any]) -> None:
    status, told, _ = call(server, "POST", "/v1/jobs", TRAIN | {"name": "other"} | change)
    assert status == 400, told
    assert str(Path(server.service.place.run("x")).parent) not in told["error"]["message"]
