"""A scene's truth as a record of bytes, beside its picture."""

from __future__ import annotations

import numpy as np

from ...truth import NAMED, SLOTS, Facts
from .compose import stands
from .kinds import KINDS
from .palette import COLOURS
from .render import masks
from .scene import MOODS, RELATIONS, SEASONS, SETTINGS, STYLES, TIMES, WEATHERS, Scene

FACTS: Facts = (
    ("style", STYLES),
    ("setting", SETTINGS),
    ("time", TIMES),
    ("weather", WEATHERS),
    ("season", SEASONS),
    ("mood", MOODS),
    ("kind", tuple(KINDS)),
    ("colour", tuple(COLOURS)),
    ("relation", RELATIONS),
)
_WORDS = dict(FACTS)


def record(scene: Scene, style: str, size: tuple[int, int]) -> bytes:
    """The record of a scene drawn at `size` (rows, columns); see `huabi.truth`.

    Left of and above are told of every pair of which they are true without doubt, the others as the scene has them.
    """
    own = {"style": style, "setting": scene.setting, "time": scene.time, "weather": scene.weather}
    own |= {"season": scene.season, "mood": scene.mood}
    head = [_WORDS[name].index(word) for name, word in own.items()]
    things = scene.things[:SLOTS]
    looks = np.zeros((2, SLOTS), np.uint8)
    ties = np.zeros((SLOTS, SLOTS), np.uint8)
    for k, thing in enumerate(things):
        looks[:, k] = _WORDS["kind"].index(thing.kind) + 1, _WORDS["colour"].index(thing.colour) + 1
        for other, target in enumerate(things):
            for name in ("left of", "above"):
                if k != other and stands(name, thing, target):
                    ties[k, other] |= 1 << RELATIONS.index(name)
    for relation in scene.relations:
        if max(relation.subject, relation.target) < SLOTS:
            ties[relation.subject, relation.target] |= NAMED | 1 << RELATIONS.index(relation.name)
    seen = masks(scene, size)
    return bytes(head) + looks.tobytes() + ties.tobytes() + np.where(seen <= SLOTS, seen, 0).astype(np.uint8).tobytes()
