"""Huabi's own routes: any request as a job, its events, its pictures; health and figures."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal, Union

from fastapi import APIRouter, Path, Query, Response
from fastapi import Request as Call
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field, RootModel, create_model
from starlette.concurrency import run_in_threadpool

from .. import prompt
from ..drawing import REQUESTS
from ..hearing import never_said
from ..pictures import Picture
from ..requests import Imagine, Request
from . import answers
from .answers import giving
from .bodies import FAULTS, event, stream, taking
from .database import StoreError
from .errands import ERRANDS
from .faults import Fault
from .jobs import Job, Shown
from .service import Caller, Service, plain
from .shelf import Card

Id = Annotated[str, Path(max_length=100)]


class Drawing(BaseModel):
    """A job that draws."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str | None = Field(default=None, max_length=400, description="by default the first that answers the task")
    n: int = Field(default=1, ge=1, le=256, description="pictures; their seeds go up by one")
    previews: int = Field(default=0, ge=0, le=100, description="pictures in the making that the events show")


def _drawing(name: str, task: Any) -> type[Drawing]:
    about = f"A job that draws: {task.__doc__.splitlines()[0]}"
    kinds: dict[str, Any] = {"task": (Literal[name], ...), "request": (task, ...)}
    return create_model(f"{task.__name__}Job", __base__=Drawing, __doc__=about, **kinds)


DRAWINGS = tuple(_drawing(name, task) for name, task in REQUESTS.items())


_ANY: Any = Union[(*DRAWINGS, *ERRANDS.values())]


class JobBody(RootModel[Annotated[_ANY, Field(discriminator="task")]]):
    """A job of any kind, which its `task` says."""


class PictureBody(BaseModel):
    """A picture whose recipe is asked for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    image: Picture


class TypedBody(BaseModel):
    """A prompt as people type it, options inside it included, and options beside it, which win over those."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: str = Field(max_length=100_000)
    model: str | None = Field(default=None, max_length=400, description="by default the first that imagines")
    n: int | None = None
    ar: str | None = Field(default=None, max_length=100, description="width to height, as 3:2")
    label: str | None = None
    style: str | None = None
    mood: str | None = None
    negative: str | None = Field(default=None, max_length=100_000)
    seed: int | None = None
    steps: int | None = None
    guidance: float | None = None


def view(job: Job, service: Service) -> dict[str, Any]:
    """What a client is told of a job."""
    last = service.hub.last(job.id)
    error = {"message": job.error, "fault": job.fault} if job.error else None
    progress = {name: last[name] for name in ("step", "of", "line") if name in last} or None
    times = {"created": job.created, "started": job.started, "finished": job.finished}
    known = {"id": job.id, "task": job.task, "model": job.model, "state": job.state, "attempts": job.attempts}
    return known | times | {"progress": progress, "error": error}


def card_view(card: Card) -> dict[str, Any]:
    """What a client is told of a model."""
    tasks = [task.__name__.lower() for task in card.tasks]
    openai = {"id": card.name, "object": "model", "created": int(card.changed), "owned_by": "huabi"}
    known = {"tasks": tasks, "size": list(card.spec.size), "labels": list(card.spec.labels)}
    known |= {"domains": list(card.spec.domains), "undoes": list(card.undoes), "built_in": not card.places}
    known |= {"scale": card.scale, "came": card.came}  # with Huabi
    return openai | known


def routes(service: Service) -> APIRouter:
    """The routes to a service."""
    router = APIRouter(tags=["huabi"], responses=FAULTS)

    @router.post(
        "/v1/jobs", status_code=202, openapi_extra=taking(JobBody), summary="Ask for any kind of job",
        **giving(answers.JobView, 202),
    )
    async def submit(call: Call) -> JSONResponse:
        asked = (await service.read(JobBody, await call.body())).root
        caller = Caller.of(call)
        if isinstance(asked, Drawing):
            request: Request = asked.request  # type: ignore[attr-defined]
            job = await service.draw(request, asked.model, asked.n, caller, asked.previews)
        else:
            job = await service.run(asked, caller)
        return JSONResponse(view(job, service), 202, {"location": f"/v1/jobs/{job.id}"})

    @router.post(
        "/v1/prompt", openapi_extra=taking(TypedBody), summary="What a prompt with options in it asks for",
        **giving(answers.Typed),
    )
    async def typed(call: Call) -> dict[str, Any]:
        said = await service.read(TypedBody, await call.body())
        card = await service.choose(said.model, Imagine)
        asked = prompt.read(said.prompt, said.model_dump(exclude={"prompt", "model"}))
        request = asked.request.model_dump(mode="json", exclude_unset=True)
        sized = {"size": prompt.size_for(asked.ratio, card.paper)} if asked.ratio else {}
        notes = [*asked.notes, *never_said(asked.request, card.spec)]
        return {"n": asked.n, "request": request | sized, "notes": notes}

    @router.get("/v1/jobs", summary="The last jobs, the newest first", **giving(answers.Jobs))
    async def recent(limit: Annotated[int, Query(ge=1, le=1000)] = 50) -> dict[str, Any]:
        return {"jobs": [view(job, service) for job in await run_in_threadpool(service.store.recent, limit)]}

    @router.get("/v1/jobs/{job}", summary="How a job stands", **giving(answers.JobView))
    async def status(job: Id) -> dict[str, Any]:
        return view(await service.get(job), service)

    @router.post("/v1/jobs/{job}/cancel", summary="Stop a job", **giving(answers.JobView))
    async def cancel(job: Id) -> dict[str, Any]:
        await service.get(job)
        await service.cancel(job)
        return view(await service.get(job), service)

    @router.get("/v1/jobs/{job}/result", summary="What a job has made", **giving(answers.Result))
    async def result(job: Id, call: Call) -> dict[str, Any]:
        found = await service.get(job)
        if not found.ended:
            raise Fault(404, f"the job is {found.state}; its events tell when it is done", "not_done")
        pictures = await service.pictures(found)
        if found.result is not None:
            return {"result": json.loads(found.result)}
        shown = [{"id": kept.id, "url": picture_url(call, kept.id), "recipe": kept.recipe} for kept in pictures]
        return {"pictures": shown}

    @router.get(
        "/v1/jobs/{job}/events", response_class=StreamingResponse, summary="What happens to a job, as it does",
        **giving(stream=True),
    )
    async def events(job: Id) -> StreamingResponse:
        found = await service.get(job)

        async def told() -> AsyncIterator[str]:
            listening = False
            async for happened in service.follow(found):
                if not listening and (last := service.hub.last(found.id)):
                    kind = "preview" if "images" in last else last["type"]
                    yield event(kind, last | {"type": kind})  # what came before anybody listened
                listening = True
                if isinstance(happened, Job):
                    yield event("end", {"job": view(happened, service)})
                elif happened is None and service.draining:
                    return  # who listens comes again to the next server
                elif happened is None:
                    yield ": waiting\n\n"
                else:
                    yield event(happened["type"], happened)

        return stream(told())

    @router.get(
        "/v1/pictures", summary="The last pictures, the newest first, and what they were drawn from",
        **giving(answers.Gallery),
    )
    async def gallery(call: Call, limit: Annotated[int, Query(ge=1, le=500)] = 60) -> dict[str, Any]:
        found = await run_in_threadpool(service.store.gallery, limit)
        return {"pictures": [_shown(call, shown) for shown in found]}

    @router.post(
        "/v1/recipe", openapi_extra=taking(PictureBody), summary="What a picture was drawn from",
        **giving(answers.Recipe),
    )
    async def recipe(call: Call) -> dict[str, Any]:
        asked = await service.read(PictureBody, await call.body())
        found = await run_in_threadpool(service.recipe, asked.image)
        return {"recipe": plain(found) if found else None, "model": found and await service.drew(found)}

    @router.get(
        "/v1/pictures/{picture}", response_class=Response, summary="A picture, as PNG with its recipe inside",
        **giving(media="image/png"),
    )
    async def picture(picture: Id) -> Response:
        return Response(await service.data(picture), media_type="image/png")

    @router.get("/v1/models", summary="The models that are offered", **giving(answers.Models))
    async def models() -> dict[str, Any]:
        cards = await run_in_threadpool(service.shelf.cards)
        return {"object": "list", "data": [card_view(card) for card in cards.values()]}

    @router.get("/v1/models/{name:path}", summary="A model", **giving(answers.Model))
    async def model(name: Annotated[str, Path(max_length=400)]) -> dict[str, Any]:
        return card_view(await run_in_threadpool(service.shelf.card, name))

    @router.get("/health", summary="Whether the server runs", **giving(answers.Status))
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @router.get("/ready", summary="Whether the server takes jobs", **giving(answers.Status))
    async def ready() -> dict[str, str]:
        try:
            await run_in_threadpool(service.store.counts)
        except StoreError as error:
            raise Fault(503, str(error), "not_ready") from None
        if service.draining or not all(engine.alive for engine in service.engines):
            raise Fault(503, "the server takes no jobs now", "not_ready")
        return {"status": "ready"}

    @router.get("/metrics", response_class=Response, summary="Figures for Prometheus", **giving(media="text/plain"))
    async def metrics() -> Response:
        text = await run_in_threadpool(service.meters.text)
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")

    return router


def _shown(call: Call, shown: Shown) -> dict[str, Any]:
    """A picture of the gallery."""
    known = {"id": shown.kept.id, "url": picture_url(call, shown.kept.id)}
    return known | {"job": shown.job, "task": shown.task, "model": shown.model, "recipe": plain(shown.kept.recipe)}


def picture_url(call: Call, picture: str) -> str:
    """Where a stored picture is fetched, without a key: its id is one that nobody guesses."""
    return str(call.url_for("picture", picture=picture))
