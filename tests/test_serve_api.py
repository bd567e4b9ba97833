"""The server as programs meet it: OpenAI's own client, plain HTTP, and clients that mean no good."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import http.client
import io
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from PIL import Image
from pydantic import BaseModel
from sqlalchemy import Engine, event

from dye import Dye, Running, until
from huabi.pictures import Picture, read_xmp
from huabi.provenance.filters import Guard
from huabi.provenance.label import read_packet
from huabi.serve import answers, database
from huabi.serve import shelf as shelves
from huabi.serve.jobs import Job


@pytest.fixture(scope="module")
def dye() -> Dye:
    return Dye()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, dye: Dye) -> Iterator[Running]:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("server")
        patch.setitem(shelves.BUILT_IN, "dye", lambda: dye)
        patch.setenv("HUABI_HOME", str(folder))  # no runs of others are offered
        running = Running(folder)
        yield running
        dye.gate.set()
        running.stop()


@pytest.fixture(scope="module")
def client(server: Running) -> Iterator[Any]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="any") as client:
        yield client


def followed(server: Running, job: str, dye: Dye) -> list[dict[str, Any]]:
    """All events of a job whose model waits at its gate, which is opened as soon as somebody listens."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request("GET", f"/v1/jobs/{job}/events")
    with contextlib.closing(connection), connection.getresponse() as stream:
        lines = [stream.readline()]
        dye.gate.set()
        lines += stream.readlines()
    return [json.loads(line[6:]) for line in lines if line.startswith(b"data: ")]


def runs_next(server: Running) -> Callable[[], Job | None]:
    """Finds the first job that runs of those that are not there yet."""
    before = {job.id for job in server.service.store.recent(1000)}
    return lambda: next(
        (job for job in server.service.store.recent(9) if job.state == "running" and job.id not in before), None
    )


@pytest.fixture(autouse=True)
def _open(dye: Dye) -> Iterator[None]:
    yield
    dye.gate.set()


def call(server: Running, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any, dict[str, str]]:
    """Status, JSON (or bytes) and headers of one plain call."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        data = json.dumps(body).encode() if isinstance(body, dict | list) else body
        connection.request(method, path, data, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        text, told = answer.read(), {name.lower(): value for name, value in answer.getheaders()}
        is_json = told.get("content-type", "").startswith("application/json")
        return answer.status, json.loads(text) if is_json else text, told
    finally:
        connection.close()


def png(colour: Any = "red", size: tuple[int, int] = (8, 8), mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size, colour).save(buffer, "PNG")
    return buffer.getvalue()


def opened(text: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(text)))


def _plain(request: dict[str, Any]) -> Any:
    return {name: value for name, value in request.items() if value is not None}.items()


def test_generate_with_the_unchanged_client(client: Any) -> None:
    made = client.images.generate(prompt="a red house", n=2, size="8x8", extra_body={"seed": 40, "steps": 3})
    assert [opened(one.b64_json).getpixel((0, 0)) for one in made.data] == [(40, 40, 40), (41, 41, 41)]
    assert [one.seed for one in made.data] == [40, 41]
    assert {"prompt": "a red house", "steps": 3, "seed": 40, "size": [8, 8]}.items() <= _plain(made.data[0].request)
    assert (made.size, made.output_format, made.model) == ("8x8", "png", "dye")
    assert json.loads(opened(made.data[0].b64_json).info["huabi"])["request"]["prompt"] == "a red house"


def test_without_a_seed_each_call_draws_anew_and_tells_which(client: Any) -> None:
    first, second = (client.images.generate(prompt="x", model="dye").data[0].seed for _ in range(2))
    assert first != second
    again = client.images.generate(prompt="x", extra_body={"seed": first}).data[0]
    assert again.seed == first


@pytest.mark.parametrize(("kind", "form"), [("png", "PNG"), ("jpeg", "JPEG"), ("webp", "WEBP")])
def test_formats(client: Any, kind: str, form: str) -> None:
    made = client.images.generate(prompt="x", output_format=kind, background="opaque", extra_body={"seed": 9})
    assert opened(made.data[0].b64_json).format == form


def test_a_url_can_be_fetched(client: Any, server: Running) -> None:
    made = client.images.generate(prompt="x", response_format="url")
    status, data, headers = call(server, "GET", made.data[0].url.removeprefix(server.url))
    assert (status, headers["content-type"]) == (200, "image/png")
    assert Image.open(io.BytesIO(data)).size == (8, 8)


def test_edit_takes_the_mask_from_what_is_transparent(client: Any, server: Running) -> None:
    mask = Image.new("RGBA", (8, 8), (0, 0, 0, 255))
    mask.putpixel((2, 1), (0, 0, 0, 0))
    buffer = io.BytesIO()
    mask.save(buffer, "PNG")
    made = client.images.edit(image=png(), mask=buffer.getvalue(), prompt="a hat", extra_body={"seed": 3})
    assert opened(made.data[0].b64_json).getpixel((0, 0)) == (3, 3, 3)
    [shown] = server.service.store.gallery(1)
    white = Picture.from_base64(shown.kept.recipe["request"]["mask"]).image(1)
    assert [xy for xy in ((x, y) for x in range(8) for y in range(8)) if white.getpixel(xy) == 255] == [(2, 1)]
    assert client.images.edit(image=[png()], prompt="a hat").data[0].seed is not None


def test_lists_go_through_a_form_and_one_number_is_all_sides(client: Any, server: Running) -> None:
    for expand in ([4, 0, 0, 2], 3):
        client.images.edit(image=png(), prompt="x", extra_body={"expand": expand})
        [shown] = server.service.store.gallery(1)
        assert shown.kept.recipe["request"]["expand"] == (expand if isinstance(expand, list) else [expand] * 4)
    with pytest.raises(openai.BadRequestError, match="one picture is drawn from"):
        client.images.edit(image=[png(), png()], prompt="x")


def test_sizes_that_programs_ask_any_model_for_are_no_wish(client: Any) -> None:
    made = client.images.edit(image=png(), prompt="x", size="1024x1024")
    assert (made.size, opened(made.data[0].b64_json).size) == ("8x8", (8, 8))
    with pytest.raises(openai.BadRequestError, match="will have 8x8 pixels"):
        client.images.edit(image=png(), prompt="x", size="9x9")


@pytest.mark.filterwarnings("ignore:deprecated")
def test_variation(client: Any) -> None:
    made = client.images.create_variation(image=png(), n=2, extra_body={"seed": 5, "strength": 0.2})
    assert [one.seed for one in made.data] == [5, 6]


@pytest.mark.parametrize("partial", [0, 2])
def test_streams(client: Any, partial: int) -> None:
    options = {"stream": True, "partial_images": partial, "extra_body": {"seed": 200}}
    events = list(client.images.generate(prompt="x", **options))
    kinds = [event.type for event in events]
    assert kinds[-1] == "image_generation.completed"
    assert kinds.count("image_generation.partial_image") == len(kinds) - 1 <= partial
    assert events[-1].seed == 200
    assert opened(events[-1].b64_json).getpixel((0, 0)) == (200, 200, 200)
    edits = list(client.images.edit(image=png(), prompt="x", **options))
    assert [event.type for event in edits][-1] == "image_edit.completed"
    if partial:
        assert events[0].partial_image_index == 0
        assert opened(events[0].b64_json).size == (8, 8)


def test_a_preview_is_labelled_and_never_the_picture(server: Running, dye: Dye) -> None:
    body = {"task": "imagine", "model": "dye", "request": {"prompt": "x", "seed": 200, "steps": 77}, "previews": 100}
    for again in range(2):  # the second time it is known how many estimates there are
        dye.gate.clear()
        job = call(server, "POST", "/v1/jobs", body)[1]["id"]
        images = [image for event in followed(server, job, dye) for image in event.get("images", [])]
        assert images
        for image in images:
            assert not again or opened(image).getpixel((0, 0)) != (200, 200, 200)
            label = read_packet(read_xmp(base64.b64decode(image)))
            assert label is not None
            assert label.source_type == "trainedAlgorithmicMedia"


@pytest.mark.filterwarnings("ignore:deprecated")
def test_recipes_hold_no_picture_that_was_given(client: Any, server: Running) -> None:
    client.images.create_variation(image=png(), extra_body={"prompt": "a red house"})
    [shown] = server.service.store.gallery(1)
    recipe = shown.kept.recipe
    assert recipe["inputs"] == {"image": Picture.of(png()).sha256}
    assert (recipe["words"], "image" in recipe["request"]) == ("a red house", False)


def test_a_form_of_no_known_charset_is_refused(server: Running) -> None:
    kind = "multipart/form-data; boundary=x; charset=undefined"
    body = b'--x\r\nContent-Disposition: form-data; name="prompt"\r\n\r\na\r\n--x--\r\n'
    status, told, _ = call(server, "POST", "/v1/images/edits", body, content_type=kind)
    assert (status, told["error"]["code"]) == (400, "invalid_form")


def test_a_stream_tells_of_a_failure(client: Any) -> None:
    with pytest.raises(openai.APIError, match="no label 'dog'"):
        list(client.images.generate(prompt="x", stream=True, extra_body={"label": "dog"}))


def test_models(client: Any) -> None:
    names = [model.id for model in client.models.list()]
    assert {"brush", "enhance", "gatys", "lanczos", "dye"} <= set(names)
    assert client.models.retrieve("dye").tasks == ["imagine", "edit", "vary", "generate"]
    with pytest.raises(openai.NotFoundError) as error:
        client.models.retrieve("dya")
    assert error.value.code == "model_not_found"
    assert "did you mean 'dye'" in str(error.value)


BAD: dict[str, tuple[dict[str, Any], str | None]] = {
    "n": ({"n": 0}, "n"),
    "many": ({"n": 17}, "n"),
    "size": ({"size": "big"}, "size"),
    "format": ({"output_format": "gif"}, "output_format"),
    "transparent": ({"background": "transparent"}, "background"),
    "compression": ({"output_compression": 5}, "output_compression"),
    "unknown": ({"extra_body": {"sead": 1}}, "sead"),
    "seed": ({"extra_body": {"seed": -1}}, "seed"),
    "last seed": ({"n": 2, "extra_body": {"seed": 2**63 - 1}}, None),
    "label": ({"extra_body": {"label": "dog"}}, None),
    "work": ({"size": "99999x99999"}, None),
    "picture": ({"extra_body": {"image": "../../etc/passwd"}}, "image"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_requests_name_what_is_wrong_and_are_not_tried_again(client: Any, server: Running, what: str) -> None:
    options, param = BAD[what]
    before = len(server.service.store.recent(1000))
    with pytest.raises(openai.BadRequestError) as error:
        client.images.generate(prompt="a secret", **options)
    assert error.value.param == param
    assert error.value.request_id is not None
    assert "secret" not in str(error.value)
    assert len(server.service.store.recent(1000)) - before == (what == "label")


@pytest.mark.filterwarnings("ignore:deprecated")
def test_other_errors_of_the_client(client: Any, server: Running) -> None:
    with pytest.raises(openai.NotFoundError):
        client.images.generate(prompt="x", model="gpt-image-1")
    with pytest.raises(openai.BadRequestError, match="does not answer"):
        client.images.generate(prompt="x", model="brush")
    with pytest.raises(openai.BadRequestError, match="PNG|picture"):
        client.images.create_variation(image=b"<html>not a picture</html>")
    with pytest.raises(openai.BadRequestError, match="mask"):
        client.images.edit(image=png(), mask=png(size=(4, 4), mode="RGBA", colour=(0, 0, 0, 0)), prompt="x")


def test_a_fault_of_ours_is_told_once_and_leaks_nothing(client: Any, server: Running) -> None:
    before = len(server.service.store.recent(1000))
    with pytest.raises(openai.InternalServerError) as error:
        client.images.generate(prompt="broken secret")
    assert "secret" not in str(error.value)
    assert len(server.service.store.recent(1000)) == before + 1  # the client was told not to try again


def test_a_call_that_times_out_and_comes_again_is_one_job(client: Any, server: Running, dye: Dye) -> None:
    before = len(server.service.store.recent(1000))
    dye.gate.clear()

    def watch() -> None:
        for client in ("waiting", "gone", "waiting"):
            until(lambda: server.service.store.recent(1)[0].client == client)  # noqa: B023 - called at once
        dye.gate.set()

    watching = threading.Timer(0.3, watch)
    watching.start()
    made = client.with_options(timeout=1.5, max_retries=5).images.generate(prompt="again and again")
    watching.join()
    assert made.data[0].seed is not None
    assert len(server.service.store.recent(1000)) == before + 1


def test_a_call_that_comes_again_before_the_store_knows_that_it_left_is_one_job(
    client: Any, server: Running, dye: Dye, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, told = len(server.service.store.recent(1000)), server.service.store.client
    dye.gate.clear()

    def slowly(job: str, what: Any) -> None:
        time.sleep(2 if what == "gone" else 0)
        told(job, what)
        if what == "gone":  # that it was served is told after its answer, while the next test begins
            dye.gate.set()

    monkeypatch.setattr(server.service.store, "client", slowly)
    patient = client.with_options(timeout=1.5, max_retries=5)
    assert patient.images.generate(prompt="once more").data[0].seed is not None
    assert len(server.service.store.recent(1000)) == before + 1


def test_what_is_cancelled_or_refused_for_now_is_an_error_of_the_client_s_own(
    client: Any, server: Running, dye: Dye, monkeypatch: pytest.MonkeyPatch
) -> None:
    dye.gate.clear()
    running = runs_next(server)
    asking = threading.Timer(0.1, lambda: call(server, "POST", f"/v1/jobs/{until(running).id}/cancel"))
    asking.start()
    with pytest.raises(openai.ConflictError, match="was cancelled"):
        client.images.generate(prompt="stop me")
    asking.join()
    dye.gate.set()
    monkeypatch.setattr(server.service, "draining", True)
    with pytest.raises(openai.InternalServerError) as error:
        client.with_options(max_retries=0).images.generate(prompt="x")
    assert (error.value.status_code, error.value.response.headers["retry-after"]) == (503, "5")


def test_what_a_filter_refuses_is_told_by_the_code_that_programs_know(
    client: Any, server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    class NoCats:
        def prompt(self, text: str) -> str | None:
            return "no cats here" if "cat" in text else None

        def picture(self, image: Image.Image) -> str | None:
            return None

    monkeypatch.setattr("huabi.drawing.guard", lambda: Guard([NoCats()]))
    with pytest.raises(openai.BadRequestError, match="the prompt is refused: no cats here") as error:
        client.images.generate(prompt="a cat")
    assert error.value.code == "content_policy_violation"
    assert server.service.store.recent(1)[0].fault == "refused"


def test_the_client_that_waits_for_nothing(server: Running) -> None:
    async def asked() -> Any:
        async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="any") as client:
            return await asyncio.gather(*(client.images.generate(prompt="x", extra_body={"seed": k}) for k in range(3)))

    assert [made.data[0].seed for made in asyncio.run(asked())] == [0, 1, 2]


def test_a_key_of_the_call_s_own_makes_it_one(client: Any) -> None:
    headers = {"Idempotency-Key": "this one"}
    seeds = {client.images.generate(prompt="x", extra_headers=headers).data[0].seed for _ in range(3)}
    assert len(seeds) == 1


def test_a_call_whose_job_was_cancelled_is_a_new_one(server: Running, dye: Dye) -> None:
    dye.gate.clear()
    headers = {"Idempotency-Key": "cancelled"}
    body = {"task": "generate", "model": "dye", "request": {}}
    first = call(server, "POST", "/v1/jobs", body, **headers)[1]["id"]
    assert call(server, "POST", "/v1/jobs", body, **headers)[1]["id"] == first
    call(server, "POST", f"/v1/jobs/{first}/cancel")
    second = call(server, "POST", "/v1/jobs", body, **headers)[1]["id"]
    dye.gate.set()
    assert second != first
    assert ended(server, second)["state"] == "done"


def test_a_key_opens_no_run_of_somebody_else(server: Running) -> None:
    train = {"task": "train", "family": "vae", "data": "nothing-here", "name": "mine"}
    status, told, _ = call(server, "POST", "/v1/jobs", train, **{"Idempotency-Key": "the first call"})
    assert (status, told["error"]["type"]) == (400, "invalid_request_error")


def test_a_full_queue_says_when_to_come_again(server: Running, dye: Dye) -> None:
    dye.gate.clear()
    begun = len(dye.batches)
    running = post(server)["id"]
    until(lambda: len(dye.batches) > begun)  # from then on none joins its batch
    waiting = [post(server)["id"] for _ in range(9)]
    status, body, headers = call(server, "POST", "/v1/jobs", {"task": "generate", "model": "dye", "request": {}})
    assert (status, body["error"]["code"], body["error"]["type"]) == (429, "queue_full", "rate_limit_error")
    assert 1 <= int(headers["retry-after"]) <= 60
    for job in (running, *waiting):
        assert call(server, "POST", f"/v1/jobs/{job}/cancel")[1]["state"] == "cancelled"
    dye.gate.set()


def test_a_full_disk_keeps_the_jobs_and_they_go_on_when_there_is_room(
    tmp_path: Path, dye: Dye, server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, full = database._opened, [False]

    def bound(connection: Any, record: Any) -> None:
        if full[0]:
            connection.execute(f"PRAGMA max_page_count={connection.execute('PRAGMA page_count').fetchone()[0]}")

    def bounded(where: str) -> Engine:
        engine = opened(where)
        event.listen(engine, "connect", bound)
        return engine

    monkeypatch.setattr(database, "_opened", bounded)
    running = Running(tmp_path)
    engine = running.service.store._engine
    dye.gate.clear()
    kept = post(running)["id"]
    until(lambda: call(running, "GET", f"/v1/jobs/{kept}")[1]["state"] == "running")
    full[0] = True
    engine.dispose()
    large = {"task": "imagine", "model": "dye", "request": {"prompt": "x" * 9_000}}
    status, told, headers = call(running, "POST", "/v1/jobs", large)
    assert (status, told["error"]["code"], headers["retry-after"]) == (503, "store_unavailable", "5")
    assert "free some space" in told["error"]["message"]
    dye.gate.set()
    time.sleep(0.5)
    full[0] = False
    engine.dispose()
    assert ended(running, kept)["state"] == "done"
    running.stop()


def post(server: Running, **body: Any) -> dict[str, Any]:
    status, told, _ = call(server, "POST", "/v1/jobs", {"task": "generate", "model": "dye", "request": {}} | body)
    assert status == 202, told
    return dict(told)


def ended(server: Running, job: str) -> dict[str, Any]:
    found = until(lambda: (told := call(server, "GET", f"/v1/jobs/{job}")[1])["finished"] and told)
    return dict(found)


def test_a_job_of_our_own_its_events_and_its_result(server: Running, dye: Dye) -> None:
    dye.gate.clear()
    job = post(server, n=2, previews=3, request={"seed": 70})
    *_, last = followed(server, job["id"], dye)
    assert last["job"]["state"] == "done"
    status, made, _ = call(server, "GET", f"/v1/jobs/{job['id']}/result")
    assert status == 200
    assert [one["recipe"]["request"]["seed"] for one in made["pictures"]] == [70, 71]


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"task": "nothing"}', b'{"task": "generate"}', b"[" * 100_000,
        b'{"task": "generate", "request": {"seed": 1e999}}', b'{"task": "generate", "request": {}, "n": 1e9}',
        b'{"task": "generate", "request": {"label": "\\ud800"}}', b'{"task":"vary","request":{"image":"/etc/passwd"}}',
        b'{"task": "generate", "request": {}, "model": "../../etc"}',
        b'{"task": "generate", "request": {}, "path": "/"}',
    ],
)  # fmt: skip
def test_malformed_bodies_are_refused_in_one_line(server: Running, body: bytes) -> None:
    status, told, headers = call(server, "POST", "/v1/jobs", body)
    assert status in (400, 404), told
    assert set(told["error"]) == {"message", "type", "param", "code"}
    assert "\n" not in told["error"]["message"]
    assert headers["x-request-id"].startswith("req_")


@pytest.mark.parametrize("path", ["/v1/jobs/../../etc/passwd", "/v1/jobs/%2e%2e%2f", "/v1/jobs/a%00b", "/v1/jobs/%ff"])
@pytest.mark.parametrize("end", ["", "/result", "/events"])
def test_ids_are_no_paths(server: Running, path: str, end: str) -> None:
    status, told, _ = call(server, "GET", path + end)
    assert status == 404
    assert "error" in told


def test_a_prompt_is_read_as_on_the_command_line(server: Running) -> None:
    body = {"prompt": "a house --ar 5:1 --seed 4 --no fog", "model": "dye", "seed": 5, "mood": "calm"}
    status, told, _ = call(server, "POST", "/v1/prompt", body)
    assert status == 200
    wanted = {"prompt": "a house", "negative": "fog", "seed": 5, "mood": "calm", "size": [8, 16]}
    assert told["request"] == wanted
    assert told["n"] == 4
    assert call(server, "POST", "/v1/prompt", {"prompt": "한국 --n 2"})[1]["notes"]
    for prompt in ("a --ar 0:1", "a --n 1000", "a --nothing 2", "a --seed x"):
        status, told, _ = call(server, "POST", "/v1/prompt", {"prompt": prompt})
        assert (status, told["error"]["type"]) == (400, "invalid_request_error")


def test_the_schema_is_complete_and_health_is_told(server: Running) -> None:
    schema = call(server, "GET", "/openapi.json")[1]
    parts = schema["components"]["schemas"]
    assert {"JobBody", "ImageGeneration", "ImageEdit", "GenerateJob", "Imagine", "Paint"} <= set(parts)
    used = set(json.dumps(schema).split("#/components/schemas/")[1:])
    assert {text.partition('"')[0] for text in used} <= set(parts)
    assert call(server, "GET", "/health")[0] == call(server, "GET", "/ready")[0] == 200
    assert call(server, "POST", "/v1/images/generations", {"prompt": "x"})[0] == 200
    figures = call(server, "GET", "/metrics")[1].decode()
    assert 'huabi_jobs_total{state="done",task="imagine"}' in figures
    assert "huabi_jobs_queued 0.0" in figures


def as_described(kind: type[BaseModel], told: dict[str, Any]) -> None:
    """Holds an answer to what the schema says of it."""
    assert set(told) <= set(kind.model_fields), kind
    kind.model_validate(told, strict=True)


def test_every_answer_is_described_and_is_as_it_is_described(server: Running) -> None:
    schema = call(server, "GET", "/openapi.json")[1]
    for path, methods in schema["paths"].items():
        for method, said in methods.items():
            [good] = [answer for status, answer in said["responses"].items() if status.startswith("2")]
            assert good["content"], (method, path)
            for content in good["content"].values():
                assert {"$ref", "type"} & set(content["schema"]), (method, path)
    assert schema["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    drawn = {"task": "imagine", "model": "dye", "request": {"prompt": "x"}}
    job = call(server, "POST", "/v1/jobs", drawn)[1]
    told = ended(server, job["id"])
    failed = call(server, "POST", "/v1/jobs", drawn | {"request": {"prompt": "broken"}})[1]["id"]
    image = base64.b64encode(png()).decode()
    known: dict[Any, list[Any]] = {
        answers.JobView: [job, told, ended(server, failed)],
        answers.Jobs: [call(server, "GET", "/v1/jobs")[1]],
        answers.Result: [call(server, "GET", f"/v1/jobs/{job['id']}/result")[1]],
        answers.Gallery: [call(server, "GET", "/v1/pictures")[1]],
        answers.Recipe: [call(server, "POST", "/v1/recipe", {"image": image})[1]],
        answers.Typed: [call(server, "POST", "/v1/prompt", {"prompt": "a cat --ar 1:1", "model": "dye"})[1]],
        answers.Models: [call(server, "GET", "/v1/models")[1]],
        answers.Model: [call(server, "GET", "/v1/models/dye")[1]],
        answers.Status: [call(server, "GET", path)[1] for path in ("/health", "/ready")],
        answers.Images: [
            call(server, "POST", "/v1/images/generations", {"prompt": "x", "response_format": form})[1]
            for form in ("b64_json", "url")
        ],
        answers.WebImages: [
            call(server, "POST", "/sdapi/v1/txt2img", {"prompt": "x"})[1],
            call(server, "POST", "/sdapi/v1/img2img", {"prompt": "x", "init_images": [image]})[1],
        ],
        answers.WebImage: [call(server, "POST", "/sdapi/v1/extra-single-image", {"image": image})[1]],
        answers.WebInfo: [call(server, "POST", "/sdapi/v1/png-info", {"image": image})[1]],
        answers.WebProgress: [call(server, "GET", "/sdapi/v1/progress")[1]],
        answers.WebOptions: [call(server, "GET", "/sdapi/v1/options")[1]],
        answers.WebModel: call(server, "GET", "/sdapi/v1/sd-models")[1],
        answers.WebSampler: call(server, "GET", "/sdapi/v1/samplers")[1],
        answers.WebScheduler: call(server, "GET", "/sdapi/v1/schedulers")[1],
        answers.WebUpscaler: call(server, "GET", "/sdapi/v1/upscalers")[1],
        answers.Data: [call(server, "GET", "/v1/data")[1]],
        answers.Runs: [call(server, "GET", "/v1/runs")[1]],
    }
    for kind, said in known.items():
        assert said
        for one in said:
            as_described(kind, one)


def test_a_client_that_leaves_stops_the_computing(server: Running, dye: Dye) -> None:
    for body in ({"prompt": "x"}, {"prompt": "x", "stream": True}):
        dye.gate.clear()
        running = runs_next(server)
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        connection.request("POST", "/v1/images/generations", json.dumps(body))
        job = until(running)
        if "stream" in body:
            connection.getresponse()
        connection.close()
        if connection.sock:
            connection.sock.close()
        until(lambda job=job: server.service.store.states([job.id]) == {job.id: "cancelled"})
        until(lambda: b'huabi_jobs_total{state="cancelled",task="imagine"}' in call(server, "GET", "/metrics")[1])
        dye.gate.set()
        assert ended(server, post(server)["id"])["state"] == "done"
