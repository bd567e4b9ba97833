"""The web UIs' routes, as a client of theirs calls them."""

from __future__ import annotations

import base64
import io
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import torch
import webuiapi
from PIL import ExifTags, Image
from torch import Tensor

from dye import Dye, Running, until
from huabi.errors import RequestError
from huabi.model import DataSpec, Identity, Model
from huabi.pictures import Picture, encode_picture, read_xmp
from huabi.provenance.label import packet, read_packet
from huabi.requests import Edit, Generate, Imagine, Paper, Vary
from huabi.serve import shelf as shelves
from test_serve_api import call


class Strict(Model):
    """Knows seeds and labels alone, and refuses all else, as a gan does; its sides are multiples of 4."""

    requests = (Generate, Vary, Edit)
    spec = DataSpec((8, 8))

    def __init__(self) -> None:
        self.identity = Identity(family="strict", rows=1)

    def sample(self, requests: Sequence[Any]) -> Iterator[Tensor]:
        known = {"seed", "label", "image", "strength", "mask", "steps" if isinstance(requests[0], Edit) else "seed"}
        if more := requests[0].model_fields_set - known:
            raise RequestError(f"knows no {more}")
        yield torch.zeros(len(requests), 3, 8, 8)


class Small(Strict):
    """Draws no more than four times its own area."""

    requests = (Imagine,)  # type: ignore[assignment]
    paper = Paper((8, 8), 4, 256)  # type: ignore[assignment]

    def sample(self, requests: Sequence[Any]) -> Iterator[Tensor]:
        yield torch.zeros(len(requests), 3, *requests[0].size)


@pytest.fixture(scope="module")
def dye() -> Dye:
    return Dye()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, dye: Dye) -> Iterator[Running]:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("webui")
        patch.setitem(shelves.BUILT_IN, "dye", lambda: dye)
        patch.setitem(shelves.BUILT_IN, "strict", Strict)
        patch.setitem(shelves.BUILT_IN, "small", Small)
        patch.setenv("HUABI_HOME", str(folder))  # no runs of others are offered
        running = Running(folder)
        yield running
        running.stop()


@pytest.fixture(scope="module")
def api(server: Running) -> Any:
    return webuiapi.WebUIApi(host="127.0.0.1", port=server.port)


def test_sizes_that_openai_s_models_have_become_shapes_of_a_small_one(server: Running) -> None:
    for asked, made in (("1024x1024", "8x8"), ("4096x1024", "16x8"), ("4x8", "4x8")):
        body = {"prompt": "x", "model": "small", "size": asked}
        status, told, _ = call(server, "POST", "/v1/images/generations", body)
        assert (status, told.get("size")) == (200, made), told


def test_what_those_programs_always_send_is_no_wish(server: Running) -> None:
    usual = {"prompt": "x", "steps": 20, "cfg_scale": 7.0, "override_settings": {"sd_model_checkpoint": "dye"}}
    for more, said in (({}, {}), ({"steps": 12, "cfg_scale": 4.0}, {"steps": 12, "guidance": 4.0})):
        assert call(server, "POST", "/sdapi/v1/txt2img", usual | more)[0] == 200
        [shown] = server.service.store.gallery(1)
        assert {k: v for k, v in shown.kept.recipe["request"].items() if k in ("steps", "guidance")} == said


def test_pictures_of_a_prompt(api: Any) -> None:
    made = api.txt2img(prompt="a red house", negative_prompt="fog", seed=30, steps=4, width=8, height=8, batch_size=2)
    assert [image.getpixel((0, 0)) for image in made.images] == [(30, 30, 30), (31, 31, 31)]
    assert made.info["all_seeds"] == [30, 31]
    assert "Negative prompt: fog" in made.info["infotexts"][0]


def test_pictures_of_pictures(api: Any) -> None:
    image, mask = Image.new("RGB", (8, 8), "red"), Image.new("L", (8, 8), 255)
    made = api.img2img(images=[image], prompt="a hat", seed=40, mask_image=mask, inpainting_mask_invert=1)
    assert made.image.getpixel((0, 0)) == (40, 40, 40)


def test_what_a_model_does_not_know_is_left_out(api: Any) -> None:
    said = {"seed": 3, "steps": 20, "cfg_scale": 7.0, "negative_prompt": "fog"}
    image, mask = Image.new("RGB", (8, 8), "red"), Image.new("L", (8, 8), 255)
    api.util_set_model("strict")
    assert api.txt2img(**said, width=512, height=512).image.size == (8, 8)
    assert api.img2img(images=[image], prompt="a hat", mask_image=mask, **said).image.size == (8, 8)
    api.util_set_model("small")
    assert api.txt2img(prompt="a", **said, width=512, height=512).image.size == (8, 8)
    assert api.txt2img(prompt="a", **said, width=20, height=12).image.size == (20, 12)
    assert api.txt2img(prompt="a", **said, width=1024, height=256).image.size == (16, 8)
    api.util_set_model("dye")


def test_null_is_what_was_left_out(server: Running) -> None:
    body = {"prompt": "a house", "negative_prompt": None, "seed": None, "batch_size": None, "override_settings": None}
    status, told, _ = call(server, "POST", "/sdapi/v1/txt2img", body | {"width": 8, "height": 8})
    assert (status, len(told["images"])) == (200, 1)


def test_a_photograph_that_lies_on_its_side_is_enlarged_as_it_is_seen(server: Running) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    file = io.BytesIO()
    Image.new("RGB", (40, 20)).save(file, "JPEG", exif=exif)
    body = {"image": base64.b64encode(file.getvalue()).decode(), "upscaler_1": "Lanczos"}
    made = call(server, "POST", "/sdapi/v1/extra-single-image", body)[1]["image"]
    assert Image.open(io.BytesIO(base64.b64decode(made))).size == (40, 80)
    assert Picture.of(file.getvalue()).size() == (40, 20)


def test_what_such_programs_ask_beside(api: Any) -> None:
    assert [model["model_name"] for model in api.get_sd_models()] == ["dye", "strict", "small"]
    assert api.get_options()["sd_model_checkpoint"] == "dye"
    api.util_set_model("dye")
    assert api.util_get_current_model() == "dye"
    assert api.get_samplers()[0]["name"] == "Automatic"
    assert api.get_progress()["progress"] == 0.0
    api.interrupt()
    api.util_wait_for_ready(0.01)


def test_the_last_call_tells_how_far_it_is_and_is_interrupted(api: Any, server: Running, dye: Dye) -> None:
    dye.gate.clear()
    made: list[Any] = []
    drawing = threading.Thread(target=lambda: made.append(api.txt2img(prompt="x", steps=4)))
    drawing.start()
    far = until(lambda: (found := api.get_progress())["current_image"] and found)
    assert 0 < far["progress"] < 1
    assert (far["state"]["sampling_step"], far["state"]["job_count"]) == (1, 1)
    assert Image.open(io.BytesIO(base64.b64decode(far["current_image"]))).size == (8, 8)
    api.interrupt()
    dye.gate.set()
    drawing.join(20)
    assert made[0].images == []
    assert server.service.store.get(far["state"]["job"]).state == "cancelled"
    assert until(lambda: api.get_progress()["progress"] == 0.0)


def test_what_a_picture_was_drawn_from(api: Any) -> None:
    made = api.txt2img(prompt="a blue house", seed=3)
    assert "a blue house" in api.png_info(made.image).info
    assert api.png_info(Image.new("RGB", (8, 8))).info == ""


def test_enlarging(api: Any) -> None:
    image = Image.new("RGB", (8, 4), "red")
    assert api.extra_single_image(image, upscaler_1="Lanczos", upscaling_resize=2).image.size == (16, 8)
    with pytest.raises(RuntimeError, match="known are None, Lanczos, Nearest"):
        api.extra_single_image(image, upscaler_1="R-ESRGAN 4x+")


def test_what_a_machine_drew_is_labelled_when_it_is_enlarged(server: Running) -> None:
    image = encode_picture(Image.new("RGB", (8, 4), "red"), "PNG", xmp=packet("trainedAlgorithmicMedia"))
    body = {"image": base64.b64encode(image).decode(), "upscaler_1": "Nearest"}
    made = base64.b64decode(call(server, "POST", "/sdapi/v1/extra-single-image", body)[1]["image"])
    assert read_packet(read_xmp(made)).source_type == "trainedAlgorithmicMedia"


def test_bad_calls(server: Running) -> None:
    for path, body in (
        ("txt2img", {"steps": 0}),
        ("txt2img", {"override_settings": {"sd_model_checkpoint": "../gone"}}),
        ("img2img", {"init_images": []}),
        ("img2img", {"init_images": ["/etc/passwd"]}),
        ("png-info", {"image": ""}),
        ("options", {"sd_model_checkpoint": "gone"}),
    ):
        status, told, _ = call(server, "POST", f"/sdapi/v1/{path}", body)
        assert status in (400, 404), (path, body)
        assert told["error"]["message"]
