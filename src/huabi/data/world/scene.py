"""The scene graph: what is in a picture, before it is drawn, and what may be said of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

SETTINGS = ("meadow", "forest", "mountains", "lake", "seaside", "village", "city", "garden")
TIMES = ("dawn", "day", "dusk", "night")
WEATHERS = ("clear", "cloudy", "rain", "snow", "fog")
SEASONS = ("spring", "summer", "autumn", "winter")
MOODS = ("calm", "joyful", "sad", "angry", "mysterious", "festive")
STYLES = ("flat", "pencil", "ink", "oil", "pixel", "crayon")
SIZES = ("small", "medium", "large")
RELATIONS = ("left of", "above", "behind", "on", "inside")


@dataclass(frozen=True)
class Thing:
    """One object. The picture's frame is 1 high and `aspect` wide; y grows downwards."""

    kind: str
    colour: str
    size: str  # small, medium or large
    x: float  # of the foot's middle
    y: float  # of the foot: lower in the picture is nearer to the viewer
    height: float  # in the frame's units
    flip: bool = False  # mirrored
    seed: int = 0  # of its variation of shape


@dataclass(frozen=True)
class Relation:
    """`subject` stands in the relation `name` to `target`; both are indices into `Scene.things`."""

    subject: int
    name: str
    target: int


@dataclass(frozen=True)
class Scene:
    """A picture's content. `things` are in the order in which they are drawn: from back to front."""

    setting: str
    time: str
    weather: str
    season: str
    mood: str
    things: tuple[Thing, ...] = ()
    relations: tuple[Relation, ...] = ()
    seed: int = 0  # of the backdrop's variation and of the caption's words
    aspect: float = 1.0  # width for a height of 1

    def to_json(self) -> dict[str, Any]:
        """Plain data; `huabi.data.world.read_scene` takes it back."""
        return asdict(self)


@dataclass(frozen=True)
class Group:
    """Things of one kind and colour, which a caption counts together."""

    kind: str
    colour: str
    members: tuple[int, ...] = field(default=())

    @property
    def count(self) -> int:
        return len(self.members)


def groups(scene: Scene) -> list[Group]:
    """The scene's things by kind and colour, in the order of their first members."""
    found: dict[tuple[str, str], list[int]] = {}
    for index, thing in enumerate(scene.things):
        found.setdefault((thing.kind, thing.colour), []).append(index)
    return [Group(kind, colour, tuple(members)) for (kind, colour), members in found.items()]
