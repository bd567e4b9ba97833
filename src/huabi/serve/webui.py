"""The `/sdapi/v1` routes, which programs for Stable Diffusion's web UIs call; what Huabi has no use for is ignored."""

from __future__ import annotations

import base64
import io
import json
import math
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter
from fastapi import Request as Call
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, model_validator
from starlette.concurrency import run_in_threadpool

from ..external import is_pipeline
from ..pictures import Picture, encode_picture, parameters, read_xmp
from ..prompt import size_for
from ..requests import Edit, Generate, Imagine, Request, Vary
from . import answers
from .answers import giving
from .bodies import FAULTS, taking
from .faults import Fault
from .service import Caller, Service
from .shelf import SCRIBBLE, Card

PREVIEWS = 8
LARGEST = 8  # times, of enlarging
UPSCALERS = {"None": None, "Lanczos": Image.Resampling.LANCZOS, "Nearest": Image.Resampling.NEAREST}
TASKS = ("imagine", "edit", "vary", "generate")


class Text2Image(BaseModel):
    """The body of `txt2img`, as far as it has an effect; a seed of -1 is drawn by chance."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    prompt: str = Field(default="", max_length=100_000)
    negative_prompt: str = Field(default="", max_length=100_000)
    seed: int = Field(default=-1, ge=-1, lt=2**63)
    steps: int | None = Field(default=None, ge=1, le=1000)
    cfg_scale: float | None = Field(default=None, ge=0, le=30, description="how strongly the prompt is obeyed")
    width: int | None = Field(default=None, ge=1, le=8192)
    height: int | None = Field(default=None, ge=1, le=8192)
    batch_size: int = Field(default=1, ge=1, le=256)
    n_iter: int = Field(default=1, ge=1, le=256)
    override_settings: dict[str, Any] = Field(default_factory=dict, description="sd_model_checkpoint chooses the model")

    @model_validator(mode="before")
    @classmethod
    def _without_null(cls, said: Any) -> Any:
        """Programs write null for what they leave open."""
        return {name: value for name, value in said.items() if value is not None} if isinstance(said, dict) else said

    def fields(self, card: Card, *names: str) -> dict[str, Any]:
        """What a request to a model knows of it, by our names; all of it, or what has these names."""
        said: dict[str, Any] = {"steps": self.steps, "guidance": self.cfg_scale}
        if not any(is_pipeline(place) for place in card.places):
            said = {name: value for name, value in said.items() if value != UNSAID[name]}
        said |= {"negative": self.negative_prompt or None, "seed": self.seed if self.seed >= 0 else None}
        return {name: value for name, value in said.items() if value is not None and (not names or name in names)}


class Image2Image(Text2Image):
    """The body of `img2img`; the mask is white where the picture is drawn anew."""

    init_images: list[Picture] = Field(min_length=1, max_length=1)
    mask: Picture | None = None
    inpainting_mask_invert: int = Field(default=0, ge=0, le=1)
    denoising_strength: float = Field(default=0.75, ge=0, le=1)


class Enlarge(BaseModel):
    """The body of `extra-single-image`: resampling alone, no network draws anything in."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    image: Picture
    resize_mode: int = Field(default=0, ge=0, le=1, description="0: by upscaling_resize, 1: to the size that is given")
    upscaling_resize: float = Field(default=2, gt=0, le=LARGEST)
    upscaling_resize_w: int = Field(default=512, ge=1, le=8192)
    upscaling_resize_h: int = Field(default=512, ge=1, le=8192)
    upscaler_1: str = "None"


class Inspect(BaseModel):
    """The body of `png-info`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    image: Picture


BODIES = (Text2Image, Image2Image, Enlarge, Inspect)


USUAL = (512, 512)  # what such programs ask for of any model, when nobody chose a size
UNSAID = {"steps": 20, "guidance": 7.0}  # nor steps and guidance, which suit big models alone


class Choice:
    """The model that calls draw with that name none; one for all clients, as those programs expect it."""

    def __init__(self) -> None:
        self.model: str | None = None
        self.job: str | None = None  # the last one, which `progress` and `interrupt` mean


def routes(service: Service) -> APIRouter:
    """The routes to a service."""
    router = APIRouter(prefix="/sdapi/v1", tags=["web UIs"], responses=FAULTS)
    choice = Choice()

    async def made(call: Call, asked: Text2Image, request: Request, card: Card) -> dict[str, Any]:
        caller = Caller.of(call)
        job = await service.draw(request, None, asked.batch_size * asked.n_iter, caller, PREVIEWS, card)
        choice.job = job.id
        said = asked.model_dump(exclude={"init_images", "mask"}, exclude_unset=True)
        try:
            async with service.answer(job, call, caller) as pictures:
                images = [base64.b64encode(await service.data(kept.id)).decode("ascii") for kept in pictures]
                info = _info(asked, [kept.recipe for kept in pictures])
        except Fault as fault:
            if fault.code != "cancelled":
                raise
            images, info = [], {"prompt": asked.prompt, "all_seeds": [], "infotexts": []}  # as after an interrupt there
        return {"images": images, "parameters": said, "info": json.dumps(info)}

    @router.post(
        "/txt2img", openapi_extra=taking(Text2Image), summary="Pictures of a prompt",
        **giving(answers.WebImages),
    )
    async def txt2img(call: Call) -> dict[str, Any]:
        asked = await service.read(Text2Image, await call.body())
        card = await service.choose(_model(asked, choice), Imagine, Generate)
        if Imagine in card.tasks:
            own = card.paper.size
            size = asked.height or own[0], asked.width or own[1]
            if not card.paper.holds(size) or (size == USUAL and math.prod(size) > math.prod(own)):
                size = size_for(size[::-1], card.paper)
            fields = {"prompt": asked.prompt, "size": list(size)}
            return await made(call, asked, await service.read(Imagine, asked.fields(card) | fields), card)
        fields = {"label": asked.prompt.strip() or None} | asked.fields(card, "seed")
        return await made(call, asked, await service.read(Generate, fields), card)

    @router.post(
        "/img2img", openapi_extra=taking(Image2Image), summary="Pictures from a picture, or of a part of it",
        **giving(answers.WebImages),
    )
    async def img2img(call: Call) -> dict[str, Any]:
        asked = await service.read(Image2Image, await call.body())
        given: dict[str, Any] = {"image": asked.init_images[0], "strength": asked.denoising_strength}
        card = await service.choose(_model(asked, choice), Edit, Imagine, Vary)
        if Edit not in card.tasks:
            return await made(call, asked, await service.read(Vary, given | asked.fields(card, "seed")), card)
        if mask := await run_in_threadpool(_mask, asked):
            given["mask"] = mask
        worded = Imagine in card.tasks
        words = asked.fields(card) | {"prompt": asked.prompt} if worded else asked.fields(card, "seed", "steps")
        return await made(call, asked, await service.read(Edit, given | words), card)

    @router.get("/progress", summary="How far the last call is", **giving(answers.WebProgress))
    async def progress() -> dict[str, Any]:
        last = service.hub.last(choice.job) if choice.job else {}
        step, of = last.get("step", 0), last.get("of", 0)
        state = {"sampling_step": step, "sampling_steps": of, "job_count": int(bool(last)), "job_no": 0}
        state |= {"job": choice.job or "", "interrupted": False, "skipped": False, "job_timestamp": ""}
        image = (last.get("images") or [None])[0]
        part = step / of if of else 0.0
        return {"progress": part, "eta_relative": 0.0, "state": state, "current_image": image, "textinfo": None}

    @router.post("/interrupt", summary="Stop the last call", **giving(answers.Nothing))
    async def interrupt() -> dict[str, Any]:
        if choice.job:
            await service.cancel(choice.job)
        return {}

    @router.get("/options", summary="The model in use", **giving(answers.WebOptions))
    async def options() -> dict[str, Any]:
        card = await service.choose(choice.model, Imagine, Generate, Edit, Vary)
        return {"sd_model_checkpoint": card.name, "samples_format": "png"}

    @router.post("/options", summary="Choose the model", **giving(answers.Nothing))
    async def choose(settings: dict[str, Any]) -> dict[str, Any]:
        if name := settings.get("sd_model_checkpoint"):
            choice.model = (await service.choose(str(name))).name
        return {}

    @router.get("/sd-models", summary="The models that are offered", **giving(list[answers.WebModel]))
    async def models() -> list[dict[str, Any]]:
        cards = (await run_in_threadpool(service.shelf.cards)).values()
        drawing = (card for card in cards if card.name != SCRIBBLE)
        usable = [card for card in drawing if any(task.__name__.lower() in TASKS for task in card.tasks)]
        return [
            {"title": c.name, "model_name": c.name, "hash": None, "sha256": None, "filename": c.name, "config": None}
            for c in usable
        ]

    @router.get("/samplers", summary="The solvers: each model has its own", **giving(list[answers.WebSampler]))
    async def samplers() -> list[dict[str, Any]]:
        return [{"name": "Automatic", "aliases": [], "options": {}}]

    @router.get("/schedulers", summary="The schedules: each model has its own", **giving(list[answers.WebScheduler]))
    async def schedulers() -> list[dict[str, Any]]:
        known = {"aliases": None, "default_rho": -1, "need_inner_model": False}
        return [{"name": "automatic", "label": "Automatic"} | known]

    @router.get("/upscalers", summary="What enlarges", **giving(list[answers.WebUpscaler]))
    async def upscalers() -> list[dict[str, Any]]:
        same = {"model_name": None, "model_path": None, "model_url": None, "scale": 4}
        return [{"name": name} | same for name in UPSCALERS]

    @router.post(
        "/png-info", openapi_extra=taking(Inspect), summary="What a picture was drawn from",
        **giving(answers.WebInfo),
    )
    async def png_info(call: Call) -> dict[str, Any]:
        asked = await service.read(Inspect, await call.body())
        return await run_in_threadpool(_told, asked.image)

    @router.post(
        "/extra-single-image", openapi_extra=taking(Enlarge), summary="A picture in another size",
        **giving(answers.WebImage),
    )
    async def enlarge(call: Call) -> dict[str, Any]:
        asked = await service.read(Enlarge, await call.body())
        image = await run_in_threadpool(_enlarged, asked, service.limits.pixels)
        return {"image": image, "html_info": ""}

    return router


def _model(asked: Text2Image, choice: Choice) -> str | None:
    said = asked.override_settings.get("sd_model_checkpoint", choice.model)
    return str(said) if said else None


def _info(asked: Text2Image, recipes: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What those programs read of a call's pictures."""
    seeds = [recipe["request"].get("seed") for recipe in recipes]
    rows, columns = recipes[0]["size"]
    texts = [parameters(recipe, (recipe["size"][1], recipe["size"][0])) for recipe in recipes]
    known = {"prompt": asked.prompt, "negative_prompt": asked.negative_prompt, "seed": seeds[0], "all_seeds": seeds}
    return known | {"width": columns, "height": rows, "infotexts": texts, "sd_model_hash": recipes[0]["model"][:10]}


def _mask(asked: Image2Image) -> Picture | None:
    if asked.mask is None or not asked.inpainting_mask_invert:
        return asked.mask
    return Picture.of(asked.mask.mask().point([255 - level for level in range(256)]))


def _told(picture: Picture) -> dict[str, Any]:
    with Image.open(io.BytesIO(picture.data)) as image:
        text = str(image.info.get("parameters", ""))[:100_000]
        return {"info": text, "items": {"parameters": text} if text else {}, "parameters": {}}


def _enlarged(asked: Enlarge, most: int) -> str:
    if asked.upscaler_1 not in UPSCALERS:
        raise Fault(400, f"upscaler_1: known are {', '.join(UPSCALERS)}", "invalid_value", "upscaler_1")
    image = asked.image.image(4)
    columns, rows = image.size
    size = (asked.upscaling_resize_w, asked.upscaling_resize_h)
    if asked.resize_mode == 0:
        size = (max(1, round(columns * asked.upscaling_resize)), max(1, round(rows * asked.upscaling_resize)))
    if size[0] * size[1] > most:
        raise Fault(400, f"{size[0]} x {size[1]} pixels are more than the {most:,} that are made", "too_much_work")
    method = UPSCALERS[asked.upscaler_1]
    if method is not None:
        image = image.resize(size, method)
    label = read_xmp(asked.image.data)  # a picture that a machine made stays one
    return base64.b64encode(encode_picture(image, "PNG", xmp=label.encode() if label else None)).decode("ascii")
