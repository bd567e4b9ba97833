"""What a person can ask for: one frozen model per task, and the type is the task.

The JSON schema of a request is the HTTP body and the web form. Pictures in it are of type `Picture`, never tensors.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from .pictures import Picture

Seed = Annotated[int, Field(ge=0, lt=2**63, description="the same seed draws the same picture again")]
Anchor = Seed | Picture
Medium = Literal["oil", "ink", "watercolor", "crayon", "pencil"]
Solver = Literal["euler", "heun", "dpmpp_2m", "heun_stochastic"]


class Request(BaseModel):
    """The base of all requests."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=False)
    by_hash: ClassVar[tuple[str, ...]] = ()  # pictures that a recipe names by their sha256 and does not hold


class Generate(Request):
    """A new picture like those that the model was trained on."""

    seed: Seed = 0
    label: str | None = Field(default=None, description="which class to draw; none draws from all of them")
    steps: int | None = Field(default=None, ge=1, le=1000, description="solver steps; more is finer and slower")
    guidance: float | None = Field(default=None, ge=0, le=20, description="how strongly the label is obeyed; 1 is off")
    solver: Solver | None = Field(default=None, description="how noise is followed to a picture")
    truncation: float | None = Field(default=None, ge=0, le=1, description="below 1: less variety, fewer slips")
    mix: Seed | None = Field(default=None, description="a second seed, which gives the finer half of the picture")
    between: tuple[Anchor, Anchor] | None = Field(default=None, description="two seeds or pictures to walk between")
    fraction: float = Field(default=0.0, ge=0, le=1, description="where on the walk: 0 is the first, 1 is the second")


class Vary(Request):
    """A picture near the one given; strength 0 gives the model's reconstruction of it."""

    image: Picture
    seed: Seed = 0
    strength: float = Field(default=0.5, ge=0, le=1, description="0 keeps the picture, 1 leaves little of it")


class Paint(Request):
    """A picture painted again by the strokes of a brush."""

    by_hash = ("image",)

    image: Picture
    brush: Medium = Field(default="oil", description="oil, ink, watercolor, crayon or pencil")
    detail: float = Field(default=0.5, ge=0, le=1, description="0 is broad, 1 is fine")
    strokes: int | None = Field(default=None, ge=1, description="the most strokes; all that it takes by default")
    seed: Seed = 0
