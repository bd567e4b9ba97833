"""What the routes answer, as the OpenAPI schema tells it; tests hold what they say to it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from .jobs import Blame, State

EVENTS = {"type": "string", "description": "server-sent events, `event: TYPE` and `data: JSON` of each"}


def giving(
    kind: Any = None, status: int = 200, media: str = "application/json", stream: bool = False
) -> dict[str, Any]:
    """What a route says of its answer: a `kind` as JSON or events, or bytes of another type."""
    told: dict[str, Any] = {"model": kind} if kind is not None else {}
    if stream:
        told["content"] = {"text/event-stream": {"schema": EVENTS}}
    elif kind is None:
        told["content"] = {media: {"schema": {"type": "string", "format": "binary"}}}
    return {"response_model": None, "responses": {status: told}}


class Progress(BaseModel):
    """How far a job is."""

    step: int | None = None
    of: int | None = None
    line: str | None = Field(default=None, description="of a training: what its last line said")


class JobError(BaseModel):
    """Why a job has no result."""

    message: str
    fault: Blame | None = Field(description="whose it is: refused is a content filter's word")


class JobView(BaseModel):
    """A job; times are in seconds since 1970."""

    id: str
    task: str
    model: str
    state: State
    attempts: int
    created: float
    started: float | None
    finished: float | None
    progress: Progress | None
    error: JobError | None


class Jobs(BaseModel):
    jobs: list[JobView]


class Made(BaseModel):
    """A picture that a job drew."""

    id: str
    url: str
    recipe: dict[str, Any]


class Result(BaseModel):
    """What a job has made: pictures, or what a training, an evaluation or a comparison found."""

    pictures: list[Made] | None = None
    result: Any = None


class Shown(Made):
    """A picture of the gallery, and the job that drew it."""

    job: str
    task: str
    model: str


class Gallery(BaseModel):
    pictures: list[Shown]


class Recipe(BaseModel):
    """What a picture was drawn from, and by which name its model is offered here."""

    recipe: dict[str, Any] | None
    model: str | None


class Typed(BaseModel):
    """What a prompt asks for."""

    n: int
    request: dict[str, Any]
    notes: list[str]


class Model(BaseModel):
    """A model that is offered."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    tasks: list[str]
    size: list[int] = Field(description="rows and columns of what it draws by itself")
    labels: list[str]
    domains: list[str]
    undoes: list[str] = Field(description="damages, where it restores")
    scale: int = Field(description="times that it makes the sides, where it upscales by one number alone; else 0")
    built_in: bool
    came: bool = Field(description="whether it comes with Huabi")


class Models(BaseModel):
    object: Literal["list"]
    data: list[Model]


class Status(BaseModel):
    status: Literal["ok", "ready"]


class Image(BaseModel):
    """A picture, as the Images API tells it."""

    b64_json: str | None = None
    url: str | None = None
    seed: int | None = None
    request: dict[str, Any] = Field(description="what it was drawn from")


class Usage(BaseModel):
    input_tokens: int
    output_tokens: int
    total_tokens: int
    input_tokens_details: dict[str, int]


class Images(BaseModel):
    """Pictures, as the Images API tells them."""

    created: int
    model: str
    data: list[Image]
    usage: Usage
    output_format: Literal["png", "jpeg", "webp"]
    background: Literal["transparent", "opaque"]
    size: str


class WebImages(BaseModel):
    """Pictures as the web UIs' API tells them; `info` is JSON."""

    images: list[str]
    parameters: dict[str, Any]
    info: str


class WebProgress(BaseModel):
    progress: float
    eta_relative: float
    state: dict[str, Any]
    current_image: str | None
    textinfo: str | None


class WebOptions(BaseModel):
    sd_model_checkpoint: str
    samples_format: str


class WebModel(BaseModel):
    title: str
    model_name: str
    hash: str | None
    sha256: str | None
    filename: str
    config: str | None


class WebSampler(BaseModel):
    name: str
    aliases: list[str]
    options: dict[str, str]


class WebScheduler(BaseModel):
    name: str
    label: str
    aliases: list[str] | None
    default_rho: float
    need_inner_model: bool


class WebUpscaler(BaseModel):
    name: str
    model_name: str | None
    model_path: str | None
    model_url: str | None
    scale: float


class WebInfo(BaseModel):
    info: str
    items: dict[str, str]
    parameters: dict[str, Any]


class WebImage(BaseModel):
    image: str
    html_info: str


class Nothing(BaseModel):
    """An empty object."""


class Data(BaseModel):
    """What can be trained on, by name, and what may be done with it."""

    data: list[str]
    trains: bool
    takes_data: bool


class Taken(BaseModel):
    """How many files were taken of those that were sent."""

    name: str
    taken: int
    left_out: int


class Suitable(BaseModel):
    """A family, and what the data lack for it."""

    family: str
    title: str
    lacks: list[str]
    compares: bool


class Preflight(BaseModel):
    """What is in a folder of data."""

    name: str
    kind: str
    count: int
    usable: int
    looked: int
    sizes: dict[str, Any]
    classes: dict[str, int]
    captions: int
    pairing: Literal["none", "paired", "unpaired"]
    size: int = Field(description="pixels that are advised")
    family: str = Field(description="that is advised")
    lines: list[str]
    left_out: dict[str, list[str | list[str]]] = Field(description="a few names, those that cannot be read with why")
    counts: dict[str, int]
    families: list[Suitable]


class Run(BaseModel):
    """A run that has begun."""

    name: str
    family: str
    data: str | None
    size: list[int]
    step: int
    planned: int | None
    finished: bool


class Runs(BaseModel):
    runs: list[Run]


class LogRow(BaseModel):
    step: int
    seconds: float
    losses: dict[str, float | None]


class RunLog(BaseModel):
    """How a run has gone: losses by step, alarms, and the steps of which there are previews."""

    name: str
    family: str
    planned: int | None
    finished: bool
    seconds: float | None
    images_per_second: float | None
    step: int
    alarms: list[Any]
    previews: list[int]
    rows: list[LogRow]
