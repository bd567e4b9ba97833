"""What a person can ask for: one frozen model per task, and the type is the task.

The JSON schema of a request is the HTTP body and the web form. Pictures in it are of type
`Picture` and sounds of type `Sound`, never tensors.
"""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, Literal, NamedTuple, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from .errors import RequestError
from .pictures import Picture, read_recipe
from .sounds import Sound

Pixels = Annotated[int, Field(ge=0, le=4096)]


def _sides(given: object) -> object:
    """One number of pixels goes for all four sides."""
    if isinstance(given, int) or (isinstance(given, str) and given.isdecimal()):
        return (given,) * 4
    return given


Sides = Annotated[tuple[Pixels, Pixels, Pixels, Pixels], BeforeValidator(_sides, int | list[int])]
Seed = Annotated[int, Field(ge=0, lt=2**63, description="the same seed draws the same picture again")]
Anchor = Seed | Picture
Medium = Literal["oil", "ink", "watercolor", "crayon", "pencil"]
Damage = Literal["denoise", "deblur", "dejpeg", "inpaint", "upscale", "colourise", "mend"]
Solver = Literal["euler", "heun", "dpmpp_2m", "heun_stochastic"]
Seer = Literal["efficientnet-lite0", "vgg19", "random-vgg"]
Statistic = Literal["gram", "sliced"]


class Paper(NamedTuple):
    """What a model draws on where nobody says how large."""

    size: tuple[int, int]  # rows, columns
    unit: int = 1  # pixels that other sizes' sides are multiples of
    most: int = 0  # pixels of the largest size; 0 is any

    def enlarged(self, scale: int) -> Paper:
        return Paper((self.size[0] * scale, self.size[1] * scale), self.unit * scale, self.most * scale**2)

    def holds(self, size: tuple[int, int]) -> bool:
        """Whether a picture of so many rows and columns can be drawn."""
        try:
            self.check(size)
        except RequestError:
            return False
        return True

    def check(self, size: tuple[int, int]) -> None:
        """Raises `RequestError` where no picture of so many rows and columns can be drawn."""
        rows, columns = size
        if min(size) < 1 or rows % self.unit or columns % self.unit:
            raise RequestError(f"size {columns}x{rows}: both sides are to be multiples of {self.unit}")
        if 0 < self.most < rows * columns:
            square = math.isqrt(self.most)
            raise RequestError(f"size {columns}x{rows} is more than this model draws: {square}x{square} pixels in all")


class Request(BaseModel):
    """The base of all requests."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=False)
    by_hash: ClassVar[tuple[str, ...]] = ()  # pictures and sounds that a recipe names by their sha256, and holds not


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

    by_hash = ("image",)

    image: Picture
    prompt: str | None = Field(
        default=None, max_length=100_000, description="what it shows; by default what it was drawn from, if it says so"
    )
    seed: Seed = 0
    strength: float = Field(default=0.5, ge=0, le=1, description="0 keeps the picture, 1 leaves little of it")

    @property
    def words(self) -> str:
        """What the picture shows: as it is told, else the prompt in its recipe."""
        if self.prompt is not None:
            return self.prompt
        recipe = read_recipe(self.image.data) or {}
        request = recipe.get("request")
        said = request.get("prompt") if isinstance(request, dict) else None
        return next((words for words in (said, recipe.get("words")) if isinstance(words, str) and words), "")


class Imagine(Request):
    """A picture of what is said, in words or otherwise; whatever is left out is the model's own choice.

    `prompt` may weigh its parts: `a house::2 fog::0.5` and `(red:1.4) house`.
    """

    by_hash = ("image", "reference", "sound")

    prompt: str = Field(default="", max_length=100_000, description="what to draw, in English or Chinese")
    negative: str = Field(default="", max_length=100_000, description="what to keep out")
    seed: Seed = 0
    label: str | None = Field(default=None, description="which class to draw")
    style: str | None = Field(default=None, description="in whose hand, as ink or oil")
    mood: str | None = Field(default=None, description="calm, joyful, ...: the model's own words for it")
    sound: Sound | None = Field(default=None, description="a sound whose mood and weather the picture shall have")
    reference: Picture | None = Field(default=None, description="a picture that this one shall resemble in meaning")
    text_weight: float = Field(default=1.0, ge=0, le=2, description="how much the prompt counts")
    mood_weight: float = Field(default=1.0, ge=0, le=2, description="how much the mood counts")
    sound_weight: float = Field(default=1.0, ge=0, le=2, description="how much the sound counts")
    size: tuple[int, int] | None = Field(default=None, description="rows and columns; the model's own by default")
    steps: int | None = Field(default=None, ge=1, le=1000, description="solver steps; more is finer and slower")
    guidance: float | None = Field(default=None, ge=0, le=30, description="how strongly the prompt is obeyed")
    chaos: float = Field(default=0.0, ge=0, le=100, description="how far candidates of one prompt stray from it")
    stylize: float = Field(default=100.0, ge=0, le=1000, description="how much the model's taste counts; 100 is even")
    between: tuple[str, str] | None = Field(default=None, description="two prompts to walk between")
    fraction: float = Field(default=0.0, ge=0, le=1, description="where on the walk: 0 is the first, 1 is the second")
    image: Picture | None = Field(default=None, description="a picture to start from instead of noise")
    strength: float = Field(default=0.7, ge=0, le=1, description="0 keeps that picture, 1 leaves nothing of it")


class Edit(Request):
    """A picture of which a part is drawn anew: where the mask is white, or around it."""

    by_hash = ("image", "scribble")

    image: Picture
    mask: Picture | None = Field(default=None, description="white where it is drawn anew; all of it by default")
    scribble: Picture | None = Field(default=None, description="coloured strokes on it, which spread along its edges")
    prompt: str = Field(default="", max_length=100_000, description="what shall be there")
    negative: str = Field(default="", max_length=100_000, description="what to keep out")
    expand: Sides = Field(
        default=(0, 0, 0, 0),
        description="pixels that are added at the left, top, right and bottom, and drawn; one number is for each side",
    )
    strength: float = Field(default=1.0, ge=0, le=1, description="0 keeps the picture, 1 leaves nothing of the part")
    seed: Seed = 0
    steps: int | None = Field(default=None, ge=1, le=1000, description="solver steps; more is finer and slower")
    guidance: float | None = Field(default=None, ge=0, le=30, description="how strongly the prompt is obeyed")


class Translate(Request):
    """A picture of one kind as one of another kind, as large as it is."""

    by_hash = ("image",)

    image: Picture
    to: str | None = Field(default=None, description="what it becomes: a kind of picture, or a label, of the model's")
    seed: Seed = 0


class Paint(Request):
    """A picture painted again by the strokes of a brush."""

    by_hash = ("image",)

    image: Picture
    brush: Medium = Field(default="oil", description="oil, ink, watercolor, crayon or pencil")
    detail: float = Field(default=0.5, ge=0, le=1, description="0 is broad, 1 is fine")
    strokes: int | None = Field(default=None, ge=1, description="the most strokes; all that it takes by default")
    seed: Seed = 0


class Restore(Request):
    """A picture without its damage: noise, blur, JPEG's blocks, holes, too few pixels, no colour, or age."""

    by_hash = ("image",)

    image: Picture
    task: Damage = Field(description="what is to be undone")
    mask: Picture | None = Field(default=None, description="of inpaint: white where the picture is missing")
    scale: int = Field(default=2, ge=2, le=4, description="of upscale: how many times the sides")
    strength: float = Field(default=1.0, ge=0, le=1, description="0 keeps the picture, 1 restores all of it")


class Enhance(Request):
    """A picture made better: each amount is how much is done of what the picture itself is found to need."""

    by_hash = ("image",)

    image: Picture
    exposure: float = Field(default=1.0, ge=0, le=1, description="dark or pale pictures, 0 to 1")
    white_balance: float = Field(default=1.0, ge=0, le=1, description="a cast of colour, 0 to 1")
    contrast: float = Field(default=1.0, ge=0, le=1, description="flat light, 0 to 1")
    sharpness: float = Field(default=1.0, ge=0, le=1, description="soft edges, 0 to 1")
    denoise: float = Field(default=1.0, ge=0, le=1, description="noise, 0 to 1")
    scale: int = Field(default=1, ge=1, le=4, description="how much larger")


class Stylize(Request):
    """The content of one picture in the hand of others."""

    by_hash = ("image", "styles")

    image: Picture
    styles: tuple[Picture, ...] = Field(default=(), max_length=8, description="up to 8; none is the model's own look")
    weights: tuple[float, ...] = Field(default=(), description="how much each style counts; all alike by default")
    masks: tuple[Picture, ...] = Field(default=(), description="white where each style goes; everywhere by default")
    strength: float = Field(default=1.0, ge=0, le=1, description="0 keeps the picture, 1 takes all of the style")
    keep_colours: bool = Field(default=False, description="the colours stay those of the picture")
    chaos: float = Field(default=0.0, ge=0, le=100, description="how far pictures of other seeds stray")
    seed: Seed = 0
    size: int | None = Field(default=None, ge=16, le=16384, description="pixels of the long side; by default its own")
    iterations: int | None = Field(default=None, ge=1, le=10_000, description="of gatys; more is finer and slower")
    features: Seer | None = Field(default=None, description="of gatys: the network that sees the style")
    statistic: Statistic | None = Field(default=None, description="of gatys: what of its features is compared")
    smoothness: float | None = Field(default=None, ge=0, le=100, description="of gatys: more leaves less grain")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        count = len(self.styles)
        if self.weights and len(self.weights) != count:
            raise ValueError(f"{len(self.weights)} weights for {count} styles: give one for each, or none")
        if self.weights and not (min(self.weights) >= 0 and 0 < sum(self.weights) < float("inf")):
            raise ValueError("weights are at least 0, finite, and not all 0")
        if self.weights and self.masks:
            raise ValueError("weights mix styles, masks keep them apart: give one of the two")
        if self.masks and len(self.masks) != count:
            raise ValueError(f"{len(self.masks)} masks for {count} styles: give one for each, or none")
        return self
