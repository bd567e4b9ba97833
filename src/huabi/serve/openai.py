"""The Images API of OpenAI, so that programs that speak it draw here; Huabi's own names are taken too."""

from __future__ import annotations

import base64
import io
import math
import time
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Response
from fastapi import Request as Call
from fastapi.responses import JSONResponse
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from ..errors import RequestError
from ..pictures import Picture, check_mask
from ..prompt import size_for
from ..provenance.publish import recast
from ..requests import Edit, Generate, Imagine, Request, Vary
from . import answers
from .answers import giving
from .bodies import FAULTS, event, read_form, stream, taking
from .faults import Fault, of
from .jobs import Job, Kept
from .routes import picture_url
from .service import Caller, Service, plain
from .shelf import Card

KINDS = {"png": "PNG", "jpeg": "JPEG", "webp": "WEBP"}
QUALITY = 95  # of JPEG and WebP, where none is said
SIZE = r"^(auto|[0-9]{1,5}x[0-9]{1,5})$"
OTHERS = ("quality", "moderation", "user", "safety_identifier", "input_fidelity", "complexity")  # without effect
STYLES = ("vivid", "natural")  # theirs; any other style is a model's own
SIZES = ("256x256", "512x512", "1024x1024", "1536x1024", "1024x1536", "1792x1024", "1024x1792")  # theirs
NO_TOKENS = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}
USAGE = NO_TOKENS | {"input_tokens_details": {"image_tokens": 0, "text_tokens": 0}}


class Asked(BaseModel):
    """What the three calls share; what is not listed goes to the request: seed, steps, negative_prompt, ..."""

    model_config = ConfigDict(frozen=True, extra="allow")

    model: str | None = Field(default=None, max_length=400, description="by default the first that answers")
    n: int | None = Field(default=None, ge=1, le=256, description="pictures; 1 by default")
    size: Annotated[str, Field(pattern=SIZE, description="auto or WIDTHxHEIGHT")] | None = None
    response_format: Literal["b64_json", "url"] | None = None
    output_format: Literal["png", "jpeg", "webp"] | None = None
    output_compression: int | None = Field(default=None, ge=0, le=100, description="quality of JPEG and WebP")
    background: Literal["transparent", "opaque", "auto"] | None = None
    stream: bool | None = None
    partial_images: int | None = Field(default=None, ge=0, le=3)

    @property
    def kind(self) -> str:
        return self.output_format or "png"

    def fields(self) -> dict[str, Any]:
        """What Huabi's own requests know, by its names."""
        said = {name: value for name, value in (self.model_extra or {}).items() if value is not None}
        for name in OTHERS:
            said.pop(name, None)
        if said.get("style") in STYLES:
            del said["style"]
        if "negative_prompt" in said:
            said["negative"] = said.pop("negative_prompt")
        return said

    def rows_and_columns(self) -> tuple[int, int] | None:
        if self.size in (None, "auto"):
            return None
        width, height = map(int, str(self.size).split("x"))
        return height, width


class ImageGeneration(Asked):
    """The body of `POST /v1/images/generations`."""

    prompt: str = Field(max_length=100_000)


class ImageEdit(Asked):
    """The form of `POST /v1/images/edits`; the mask is transparent where the picture is drawn anew."""

    image: Picture
    mask: Picture | None = None
    prompt: str = Field(default="", max_length=100_000)


class ImageVariation(Asked):
    """The form of `POST /v1/images/variations`."""

    image: Picture


BODIES = (ImageGeneration, ImageEdit, ImageVariation)


def routes(service: Service) -> APIRouter:
    """The routes to a service."""
    router = APIRouter(tags=["openai"], responses=FAULTS)
    form = "multipart/form-data"

    @router.post(
        "/v1/images/generations", openapi_extra=taking(ImageGeneration), summary="Pictures of a prompt",
        **giving(answers.Images, stream=True),
    )
    async def generations(call: Call) -> Response:
        asked = await service.read(ImageGeneration, await call.body())
        card = await _card(service, asked, Imagine, Generate)
        fields = asked.fields()
        if Imagine in card.tasks:
            request: Request = await service.read(Imagine, fields | {"prompt": asked.prompt} | _sized(asked, card))
        else:
            _check_size(asked, card.spec.size)
            request = await service.read(Generate, {"label": asked.prompt.strip() or None} | fields)
        return await _answer(service, call, asked, card, request, "image_generation")

    @router.post(
        "/v1/images/edits", openapi_extra=taking(ImageEdit, form), summary="A picture with a part drawn anew",
        **giving(answers.Images, stream=True),
    )
    async def edits(call: Call) -> Response:
        asked = await service.read(ImageEdit, await _form(call))
        card = await _card(service, asked, Edit)
        _check_size(asked, asked.image.size())
        mask = await run_in_threadpool(_white, asked.image, asked.mask)
        given: dict[str, Any] = {"image": asked.image} | ({"mask": mask} if mask else {})
        if Imagine in card.tasks:  # this API wants a prompt in each call; others would refuse it
            given["prompt"] = asked.prompt
        request = await service.read(Edit, asked.fields() | given)
        return await _answer(service, call, asked, card, request, "image_edit")

    @router.post(
        "/v1/images/variations", openapi_extra=taking(ImageVariation, form), summary="Pictures near another one",
        **giving(answers.Images, stream=True),
    )
    async def variations(call: Call) -> Response:
        asked = await service.read(ImageVariation, await _form(call))
        card = await _card(service, asked, Vary)
        _check_size(asked, card.spec.size)
        request = await service.read(Vary, asked.fields() | {"image": asked.image})
        return await _answer(service, call, asked, card, request, "image_variation")

    return router


async def _card(service: Service, asked: Asked, *tasks: type[Request]) -> Card:
    """The model that is meant, once it is known that it can do what is asked."""
    card = await service.choose(asked.model, *tasks)
    if not set(tasks) & set(card.tasks):
        line = f"{card.name} does not answer {tasks[0].__name__}; GET /v1/models tells which do"
        raise Fault(400, line, "wrong_model", "model")
    if asked.background == "transparent" and (card.spec.channels != 4 or asked.kind == "jpeg"):
        line = f"{card.name} draws no transparent {asked.kind}; leave background out"
        raise Fault(400, line, "invalid_value", "background")
    if asked.kind == "png" and asked.output_compression not in (None, 100):
        line = "PNG loses nothing; take jpeg or webp, or leave output_compression out"
        raise Fault(400, line, "invalid_value", "output_compression")
    if asked.response_format == "url" and asked.kind != "png":
        raise Fault(400, "at a URL there are PNG files; take b64_json, or png", "invalid_value", "response_format")
    return card


def _sized(asked: Asked, card: Card) -> dict[str, Any]:
    """The size that is drawn: what was asked, or where that is more than the model is made for, its shape.

    Programs ask any model for the sizes that OpenAI's have.
    """
    size = asked.rows_and_columns()
    if size is None or not card.paper.most:
        return {"size": size} if size else {}
    larger = math.prod(size) > math.prod(card.paper.size) or not card.paper.holds(size)
    return {"size": size_for(size[::-1], card.paper) if larger else size}


def _check_size(asked: Asked, size: tuple[int, int]) -> None:
    """Raises `Fault` for a size that the picture will not have; one that programs ask any model for is no wish."""
    if asked.size not in SIZES and asked.rows_and_columns() not in (None, size):
        line = f"the picture will have {size[1]}x{size[0]} pixels; leave size out, or say auto"
        raise Fault(400, line, "invalid_value", "size")


async def _form(call: Call) -> dict[str, Any]:
    """The fields of a form; files by their bytes, of which the names that they came with are left unread.

    Fields called `name[]` are the parts of a list; of files one is taken, however it is called.
    """
    found: dict[str, Any] = {}
    async with read_form(call, max_files=16, max_fields=64) as form:
        for field, value in form.multi_items():
            name = field.removesuffix("[]")
            part = await value.read() if isinstance(value, UploadFile) else value
            if name != field and isinstance(part, str) and isinstance(found.setdefault(name, []), list):
                found[name].append(part)
                continue
            if name in found:
                line = f"{name[:100]} is taken once" + ("; one picture is drawn from" if name == "image" else "")
                raise Fault(400, line, "invalid_value", name[:100])
            found[name] = part
    return found


def _white(image: Picture, mask: Picture | None) -> Picture | None:
    """The mask that is white where `mask`, or else the picture itself, is wholly transparent; None is everywhere."""
    with Image.open(io.BytesIO((mask or image).data)) as opened:
        clear = "A" in opened.getbands() or "transparency" in opened.info
    if mask is None and not clear:
        return None
    if not clear:
        line = "the mask has no transparent pixels; make them where the picture is drawn anew"
        raise Fault(400, line, "invalid_value", "mask")
    alpha = (mask or image).image(4).getchannel("A")
    if mask is None and alpha.getextrema()[0] > 0:  # type: ignore[operator]
        return None
    white = Picture.of(alpha.point([255] + 255 * [0]))
    try:
        check_mask(white, image)
    except RequestError as error:
        raise Fault(400, str(error), "invalid_value", "mask") from None
    return white


async def _answer(
    service: Service, call: Call, asked: Asked, card: Card, request: Request, kind: str
) -> Response:
    """Draws what was asked and tells it in one answer, or in events."""
    caller = Caller.of(call)
    previews = (asked.partial_images or 0) if asked.stream else 0
    job = await service.draw(request, None, asked.n or 1, caller, previews, card)
    if asked.stream:
        return stream(_events(service, job, asked, kind, caller))
    async with service.answer(job, call, caller) as pictures:
        data = []
        for kept in pictures:
            if asked.response_format == "url":
                data.append({"url": picture_url(call, kept.id)} | _echo(kept))
            else:
                data.append({"b64_json": await _file(service, kept, asked)} | _echo(kept))
        facts = {"created": int(time.time()), "model": card.name, "data": data, "usage": USAGE}
        return JSONResponse(facts | _facts(asked, pictures))


async def _events(service: Service, job: Job, asked: Asked, kind: str, caller: Caller) -> AsyncIterator[str]:
    ended = False
    with service.waiting(job):
        try:
            async for happened in service.follow(job):
                if isinstance(happened, Job):
                    ended = True
                    pictures = await service.pictures(happened)
                    for place, kept in enumerate(pictures):
                        whole = {"b64_json": await _file(service, kept, asked), "usage": USAGE, "picture": place}
                        yield event(f"{kind}.completed", whole | _stamp(asked, [kept]) | _echo(kept))
                elif happened is None:
                    yield ": waiting\n\n"
                elif happened["type"] == "preview":
                    for place, image in zip(happened["positions"], happened["images"]):
                        data = await run_in_threadpool(_converted, base64.b64decode(image), asked)
                        part = {"b64_json": data, "partial_image_index": happened["index"], "picture": place}
                        yield event(f"{kind}.partial_image", part | _stamp(asked, []))
        except Exception as error:
            ended = True
            yield event("error", of(error).body())
        finally:
            if not ended:  # the client has left
                service.abandon(job, caller)


def _facts(asked: Asked, pictures: Sequence[Kept]) -> dict[str, Any]:
    size = pictures[0].recipe["size"] if pictures else None
    background = "transparent" if asked.background == "transparent" else "opaque"
    known = {"output_format": asked.kind, "background": background}
    return known | {"size": f"{size[1]}x{size[0]}" if size else asked.size or "auto"}


def _stamp(asked: Asked, pictures: Sequence[Kept]) -> dict[str, Any]:
    return _facts(asked, pictures) | {"created_at": int(time.time()), "quality": "auto"}


def _echo(kept: Kept) -> dict[str, Any]:
    """What the picture was drawn from: its seed, and the request without the pictures in it."""
    request = plain(kept.recipe)["request"]
    return {"seed": request.get("seed"), "request": request}


async def _file(service: Service, kept: Kept, asked: Asked) -> str:
    data = await service.data(kept.id)
    return await run_in_threadpool(_converted, data, asked)


def _converted(data: bytes, asked: Asked) -> str:
    """A stored PNG in the form that is asked for, in base64."""
    if asked.kind != "png" or asked.background == "opaque":
        quality = QUALITY if asked.output_compression is None else asked.output_compression
        data = recast(data, KINDS[asked.kind], opaque=asked.background == "opaque", quality=quality)
    return base64.b64encode(data).decode("ascii")
