"""Scenes that people write: JSON with what they care about, the rest filled in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import RequestError
from .compose import Layout
from .dice import Dice
from .kinds import KINDS
from .palette import COLOURS
from .scene import RELATIONS, SIZES, Scene
from .spec import ATTRIBUTES, one_of

DEFAULTS = {"setting": "meadow", "time": "day", "weather": "clear", "season": "summer", "mood": "calm"}
_FRAME = (*DEFAULTS, "things", "relations", "seed", "aspect")
_THING = ("kind", "colour", "size", "x", "y", "height", "flip", "seed")


def read_scene(source: str | Path | Mapping[str, Any]) -> Scene:
    """A scene from a JSON file, or from what such a file holds.

    All may be left out but the kind of each thing: `{"things": [{"kind": "cat"}, {"kind": "bench"}], "relations":
    [{"subject": "cat", "name": "on", "target": "bench"}]}`. Things are named in relations by number, from 0, or by
    their kind. Raises `RequestError` for what is unknown, or cannot be drawn.
    """
    if isinstance(source, Mapping):
        return _scene(source)
    path = Path(source)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RequestError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    except (ValueError, RecursionError) as error:
        raise RequestError(f"{path}: no JSON ({error}); mend it") from None
    if not isinstance(found, dict):
        raise RequestError(f'{path}: a scene is a JSON object, such as {{"things": [{{"kind": "cat"}}]}}')
    return _scene(found)


def _known(value: Any, what: str, names: tuple[str, ...]) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise RequestError(f"{what}: expected an object, such as {{{names[0]!r}: ...}}")
    for name in value:
        one_of(f"field of {what}", str(name), names)
    return value


def _real(value: Any, name: str, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise RequestError(f"{name} {value!r}: expected a number from {low:g} to {high:g}")
    return float(value)


def _scene(found: Mapping[str, Any]) -> Scene:
    _known(found, "a scene", _FRAME)
    frame: dict[str, Any] = {
        name: one_of(name, str(found.get(name, default)), ATTRIBUTES[name]) for name, default in DEFAULTS.items()
    }
    seed = int(_real(found.get("seed", 0), "seed", 0, 2**62))
    scene = Scene(**frame, seed=seed, aspect=_real(found.get("aspect", 1.0), "aspect", 0.25, 4.0))
    things, ties = found.get("things", []), found.get("relations", [])
    if not isinstance(things, list) or not isinstance(ties, list):
        raise RequestError("a scene's things and relations are lists")
    wanted = [_thing(_known(thing, f"thing {k}", _THING), k, scene) for k, thing in enumerate(things)]
    if len(wanted) > 60:
        raise RequestError(f"a scene of {len(wanted)} things; at most 60 can be told apart")
    named = [_relation(tie, k, wanted) for k, tie in enumerate(ties)]
    layout = Layout(scene, Dice("written", seed))
    return layout.arrange(wanted, named)


def _thing(found: Mapping[str, Any], k: int, scene: Scene) -> dict[str, Any]:
    if "kind" not in found:
        raise RequestError(f"thing {k} has no kind; known: {', '.join(KINDS)}")
    kind = one_of("kind", str(found["kind"]), list(KINDS))
    out: dict[str, Any] = {"kind": kind, "size": one_of("size", str(found.get("size", "medium")), SIZES)}
    if "colour" in found:
        out["colour"] = one_of("colour", str(found["colour"]), list(COLOURS))
    for name, low, high in (("x", -1.0, scene.aspect + 1), ("y", 0.0, 2.0), ("height", 0.01, 2.0)):
        if name in found:
            out[name] = _real(found[name], f"{name} of thing {k}", low, high)
    if ("x" in out) != ("y" in out):
        raise RequestError(f"thing {k} has only one of x and y; give both, or none to have it placed")
    if "flip" in found:
        out["flip"] = bool(found["flip"])
    if "seed" in found:
        out["seed"] = int(_real(found["seed"], f"seed of thing {k}", 0, 2**62))
    return out


def _relation(found: Any, k: int, wanted: list[dict[str, Any]]) -> tuple[int, str, int]:
    tie = _known(found, f"relation {k}", ("subject", "name", "target"))
    name = one_of("relation", str(tie.get("name")), RELATIONS)
    subject, target = (_member(tie.get(end), k, wanted) for end in ("subject", "target"))
    if subject == target:
        raise RequestError(f"relation {k}: a thing cannot be {name} itself")
    return subject, name, target


def _member(value: Any, k: int, wanted: list[dict[str, Any]]) -> int:
    """The number of the thing that a relation names."""
    kinds = [thing["kind"] for thing in wanted]
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(wanted):
        return value
    if isinstance(value, str) and kinds.count(value) == 1:
        return kinds.index(value)
    if isinstance(value, str) and kinds.count(value) > 1:
        raise RequestError(f"relation {k}: there are {kinds.count(value)} of {value!r}; name it by its number, from 0")
    listed = ", ".join(f"{n} ({kind})" for n, kind in enumerate(kinds)) or "none"
    raise RequestError(f"relation {k}: no object {value!r} in the scene; there are: {listed}")
