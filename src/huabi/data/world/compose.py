"""Scenes from seeds: what meets what, and where it stands."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...errors import RequestError
from .backdrop import horizon, water
from .dice import Dice
from .kinds import KINDS
from .scene import MOODS, SEASONS, SETTINGS, SIZES, TIMES, Relation, Scene, Thing

Wish = Mapping[str, Any]

HEIGHTS = dict(zip(SIZES, (0.19, 0.3, 0.43)))  # of a thing of scale 1
COUNTS = {1: 0.56, 2: 0.2, 3: 0.12, 4: 0.07, 5: 0.05}
GROUPS = {1: 0.12, 2: 0.33, 3: 0.35, 4: 0.2}
ALONE = ("sun", "moon", "pagoda", "bridge")  # more than one would be a riddle
FAR = ("sun", "moon", "mountain", "cloud")  # behind all others, in this order
TRIES = 24  # arrangements of a written scene
MOST_HIDDEN = 0.12  # share of a thing's box that others may cover by chance
SITTERS = ("cat", "bird", "butterfly", "lantern", "person", "dog")  # seen on things
TIES = ("on", "inside", "behind")  # the relations that decide what is drawn over what
GUESTS = {  # seen inside things
    "boat": ("person", "cat", "dog"),
    "basket": ("cat", "dog", "mushroom", "flower", "bird", "fish"),
    "pot": ("flower", "bamboo", "mushroom", "tree"),
    "balloon": ("person", "cat", "dog"),
}
WEATHER = {
    "spring": {"clear": 4, "cloudy": 3, "rain": 3, "fog": 2},
    "summer": {"clear": 5, "cloudy": 3, "rain": 3, "fog": 1},
    "autumn": {"clear": 3, "cloudy": 3, "rain": 3, "fog": 3},
    "winter": {"clear": 3, "cloudy": 2, "snow": 5, "fog": 2},
}


@dataclass(frozen=True)
class Box:
    """A thing's frame in the picture."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def area(self) -> float:
        return max(0.0, self.right - self.left) * max(0.0, self.bottom - self.top)

    def common(self, other: Box) -> float:
        """The area that both cover."""
        wide = min(self.right, other.right) - max(self.left, other.left)
        high = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(0.0, wide) * max(0.0, high)


def box(thing: Thing) -> Box:
    """The frame that a thing's shapes lie in."""
    half = thing.height * KINDS[thing.kind].aspect / 2
    return Box(thing.x - half, thing.y - thing.height, thing.x + half, thing.y)


def _apart(mine: Box, others: Iterable[Box]) -> bool:
    """Whether a frame and each of the others hide next to nothing of one another."""
    return all(mine.common(other) <= MOST_HIDDEN * min(mine.area, other.area) for other in others)


def height_of(kind: str, size: str) -> float:
    """How high things of a kind and size are, in shares of the picture: storybook proportions."""
    return min(0.6, HEIGHTS[size] * float(KINDS[kind].scale**0.45))


def draw_scene(seed: int, aspect: float = 1.0, **fixed: str) -> Scene:
    """The scene of a seed; `fixed` names some of setting, time, weather, season and mood."""
    dice = Dice("scene", seed)
    setting = dice.choice(SETTINGS)
    time = dice.weighted(dict(zip(TIMES, (2, 5, 2, 3))))
    season = dice.choice(SEASONS)
    weather = dice.weighted(WEATHER[season])
    mood = dice.choice(MOODS)
    frame: dict[str, Any] = {
        "setting": setting, "time": time, "weather": weather, "season": season, "mood": mood, **fixed
    }  # fmt: skip
    if "season" not in fixed and frame["weather"] == "snow":
        frame["season"] = "winter"
    scene = Scene(**frame, seed=seed, aspect=aspect)
    layout = Layout(scene, dice)
    layout.fill()
    return layout.finished()


def at_time(scene: Scene, time: str) -> Scene:
    """The same scene at another time of day: where the sun stood by day, the moon stands at night."""
    gone, come = ("sun", "moon") if time == "night" else ("moon", "sun")
    moved = [
        replace(thing, kind=come, colour=KINDS[come].colours[0]) if thing.kind == gone else thing
        for thing in scene.things
    ]
    return replace(scene, time=time, things=tuple(moved) if "night" in (time, scene.time) else scene.things)


def possible(scene: Scene) -> list[str]:
    """The kinds that may stand in a scene: no sun at night or in the rain, no boat without water."""
    bright = scene.time != "night" and scene.weather in ("clear", "cloudy")
    absent = set() if water(scene.setting) else {"boat", "fish"}
    absent |= {"moon"} if scene.time == "day" or scene.weather in ("rain", "snow", "fog") else set()
    absent |= set() if bright else {"sun"}
    return [kind for kind in KINDS if kind not in absent]


class _NoRoom(RequestError):
    """A thing found no place; another throw of the dice may find one."""


class Layout:
    """Puts things into a scene, one after the other, where there is room.

    A wish holds a thing's kind, and of its other fields those that are settled.
    """

    def __init__(self, scene: Scene, dice: Dice) -> None:
        self.scene, self.dice = scene, dice
        self.things: list[Thing] = []
        self.ties: list[tuple[Thing, str, Thing]] = []  # on, inside, behind: they decide where the subject is drawn

    def fill(self) -> None:
        """Some groups of things and pairs, as the dice fall."""
        dice, kinds = self.dice, possible(self.scene)
        for _ in range(dice.weighted(GROUPS)):
            if dice.chance(0.3) and self._pair(kinds):
                continue
            kind = dice.choice([k for k in kinds if not self._has(k)])
            count = 1 if kind in ALONE else dice.weighted(COUNTS)
            size = dice.choice(SIZES if count == 1 else SIZES[:2] if count == 2 else SIZES[:1])
            wish = {"kind": kind, "size": size, "colour": dice.choice(KINDS[kind].colours)}
            for _ in range(count):
                self._add(self._place(wish))
        while not self.things:
            self._add(self._place({"kind": dice.choice(kinds), "size": "medium"}))

    def arrange(self, wishes: Sequence[Wish], named: Sequence[tuple[int, str, int]]) -> Scene:
        """The scene of these wishes and relations; raises `RequestError` where they cannot be."""
        for _ in range(TRIES):
            try:
                return self._arranged(wishes, named)
            except _NoRoom as full:
                self.things, self.ties, refusal = [], [], full
        raise refusal

    def _arranged(self, wishes: Sequence[Wish], named: Sequence[tuple[int, str, int]]) -> Scene:
        made: dict[int, Thing] = {}
        told = {subject: (name, target) for subject, name, target in named if name in TIES}

        def make(k: int, waiting: tuple[int, ...] = ()) -> Thing:
            if k in made:
                return made[k]
            if k in waiting:
                raise RequestError(f"things {', '.join(map(str, waiting))} wait for each other; drop a relation")
            wish = wishes[k]
            name, target = told.get(k, ("", -1))
            other = make(target, (*waiting, k)) if name else None
            if "x" in wish:
                thing: Thing | None = self._at(wish)
            elif other is not None:
                thing = self._tied(name, wish, other)
            else:
                thing = self._place(wish, lambda thing: self._agrees(k, thing, named, made))
            if thing is None:
                where = f" {name} the {wishes[target]['kind']}" if name else ""
                raise _NoRoom(f"no room for the {wish['kind']}{where}; give x and y, or a smaller size")
            made[k] = thing
            self.things.append(thing)
            if other is not None:
                self.ties.append((thing, name, other))
            return thing

        for k in range(len(wishes)):
            make(k)
        for subject, name, target in named:
            if name not in TIES and not stands(name, made[subject], made[target]):
                kinds = wishes[subject]["kind"], name, wishes[target]["kind"]
                raise RequestError("the places given do not agree with: {} {} {}; move one of them".format(*kinds))
        scene = self.finished(0)
        at = {id(thing): index for index, thing in enumerate(scene.things)}
        ties = [Relation(at[id(made[s])], name, at[id(made[t])]) for s, name, t in named]
        return replace(scene, relations=tuple(ties))

    def _agrees(self, k: int, thing: Thing, named: Iterable[tuple[int, str, int]], made: Mapping[int, Thing]) -> bool:
        for subject, name, target in named:
            if name in TIES or k not in (subject, target):
                continue
            other = made.get(target if k == subject else subject)
            if other and not stands(name, *((thing, other) if k == subject else (other, thing))):
                return False
        return True

    def _has(self, kind: str) -> bool:
        return any(thing.kind == kind for thing in self.things)

    def _at(self, wish: Wish, x: float = 0.0, y: float = 0.0) -> Thing:
        """The thing of a wish, at (x, y) where it names no place."""
        dice, kind = self.dice, wish["kind"]
        flip = KINDS[kind].faces and dice.chance(0.5)
        found: dict[str, Any] = {"size": "medium", "x": x, "y": y, "colour": "", "flip": flip, **wish}
        found["colour"] = found["colour"] or dice.choice(KINDS[kind].colours)
        found.setdefault("height", dice.about(height_of(kind, found["size"]), 0.06))
        found.setdefault("seed", dice.integer(0, 1 << 30))
        return Thing(**found | {name: round(found[name], 4) for name in ("x", "y", "height")})

    def _add(self, thing: Thing | None) -> None:
        if thing is not None:
            self.things.append(thing)

    def _place(self, wish: Wish, agrees: Callable[[Thing], bool] = lambda thing: True) -> Thing | None:
        """A thing where it covers nothing of others, or None where there is no such place."""
        dice, thing = self.dice, self._at(wish)
        half = thing.height * KINDS[thing.kind].aspect / 2
        low, high = self._ground(thing.kind, thing.height)
        edge = min(half * 0.9, self.scene.aspect / 2)
        taken = [box(other) for other in self.things]
        for _ in range(60):
            x, y = dice.uniform(edge, self.scene.aspect - edge), dice.uniform(low, high)
            if not _apart(Box(x - half, y - thing.height, x + half, y), taken):
                continue
            placed = replace(thing, x=round(x, 4), y=round(y, 4))
            if agrees(placed):
                return placed
        return None

    def _ground(self, kind: str, height: float) -> tuple[float, float]:
        """Where the foot of a thing may be, from far to near."""
        line = horizon(self.scene.setting)
        place = KINDS[kind].place
        band = water(self.scene.setting)
        if place == "sky":
            return height + 0.02, max(height + 0.06, line - 0.02)
        if place == "water" and band:
            low, high = max(band[0] + 0.05, height + 0.02), max(band[1], height + 0.05)
            return min(low, high), min(high, 0.97)
        if kind == "mountain":
            low = max(line + 0.02, 0.8 * height)  # the peak of a tall one stays in the picture
            return low, low + 0.06
        low = max(line + 0.1, height + 0.02)
        if band and band[1] < 0.9:
            low = max(low, band[1] + 0.03)  # on land, in front of the water
        return min(low, 0.95), 0.97

    def _free(self, thing: Thing, partner: Thing | None = None) -> bool:
        return _apart(box(thing), (box(other) for other in self.things if other is not partner))

    def _pair(self, kinds: Sequence[str]) -> bool:
        """Two new things of which one is on, inside or behind the other."""
        dice = self.dice
        name = dice.choice(TIES)
        free = [k for k in kinds if not self._has(k)]
        if name == "on":
            guests: Mapping[str, Sequence[str]] = {k: SITTERS for k in free if KINDS[k].top is not None}
        elif name == "inside":
            guests = {k: GUESTS[k] for k in free if KINDS[k].vessel and k in GUESTS}
        else:
            grounded = [k for k in free if KINDS[k].place == "ground" and k != "mountain"]
            guests = dict.fromkeys(grounded, grounded)
        if not guests:
            return False
        kind = dice.choice(sorted(guests))
        others = [k for k in guests[kind] if k != kind and not self._has(k)]
        target = self._place({"kind": kind, "size": dice.choice(("medium", "large"))}) if others else None
        if target is None:
            return False
        subject = self._tied(name, {"kind": dice.choice(others)}, target)
        self.things.append(target)
        if subject is not None:
            self.things.append(subject)
            self.ties.append((subject, name, target))
        return True

    def _tied(self, name: str, wish: Wish, target: Thing) -> Thing | None:
        """A thing that is on, inside or behind another, or None where it cannot be."""
        kind = KINDS[target.kind]
        if name == "on" and kind.top is not None:
            return self._on(wish, target, kind.top)
        if name == "inside" and kind.vessel is not None:
            return self._inside(wish, target, kind.vessel)
        return self._behind(wish, target) if name == "behind" else None

    def _fitting(self, wish: Wish, width: float, room: float) -> Wish | None:
        """The wish at the largest size that is at most this wide and high."""
        kind = wish["kind"]
        for size in [wish["size"]] if "size" in wish and "height" in wish else reversed(SIZES):
            height = wish.get("height") or self.dice.about(height_of(kind, size), 0.06)
            if height * KINDS[kind].aspect <= width and height <= room:
                return {**wish, "size": size, "height": height}
        return None

    def _on(self, wish: Wish, target: Thing, top: float) -> Thing | None:
        """A thing that stands on the target's top."""
        y = target.y - top * target.height
        width = target.height * KINDS[target.kind].aspect
        fits = self._fitting(wish, max(width * 0.9, 0.16), y - 0.02)
        if fits is None:
            return None
        slack = max(0.0, (width - fits["height"] * KINDS[fits["kind"]].aspect) / 2) * 0.7
        thing = self._at(fits, target.x + self.dice.uniform(-slack, slack), y)
        return thing if self._free(thing, target) else None

    def _inside(self, wish: Wish, target: Thing, vessel: tuple[float, float, float]) -> Thing | None:
        """A thing that looks out of the target's opening."""
        x, y, width = vessel
        rim = target.y - abs(y) * target.height
        fits = self._fitting(wish, width * target.height * 1.15, rim)
        if fits is None:
            return None
        middle = target.x + (-x if target.flip else x) * target.height
        thing = self._at(fits, middle, rim + 0.22 * fits["height"])
        return thing if self._free(thing, target) else None

    def _behind(self, wish: Wish, target: Thing) -> Thing | None:
        """A thing of which the target hides a part, at the side."""
        front = box(target)
        for _ in range(12):
            thing = self._at({"size": self.dice.choice(("medium", "large")), **wish})
            half = thing.height * KINDS[thing.kind].aspect / 2
            side = self.dice.choice((-1, 1))
            hidden = self.dice.uniform(0.3, 0.5) * half
            x = front.left - half + hidden if side < 0 else front.right + half - hidden
            y = target.y - self.dice.uniform(0.03, 0.07)
            thing = replace(thing, x=round(x, 4), y=round(y, 4))
            within = half * 0.8 <= x <= self.scene.aspect - half * 0.8 and y - thing.height > 0
            deep = box(thing).common(front) >= 0.08 * box(thing).area
            if within and deep and y > horizon(self.scene.setting) and self._free(thing, target):
                return thing
        return None

    def finished(self, most: int = 2) -> Scene:
        """The scene with its things from back to front, and what may be said of their places, at most `most` of it."""
        order = sorted(self.things, key=self._depth)
        at = {id(thing): index for index, thing in enumerate(order)}
        ties = [Relation(at[id(s)], name, at[id(t)]) for s, name, t in self.ties]
        told = {(r.subject, r.target) for r in ties} | {(r.target, r.subject) for r in ties}
        seen = [r for r in geometric(order) if (r.subject, r.target) not in told]
        return replace(self.scene, things=tuple(order), relations=(*ties, *self.dice.sample(seen, most)))

    def _depth(self, thing: Thing) -> tuple[int, float, float]:
        if thing.kind in FAR:
            return FAR.index(thing.kind), thing.y, thing.x
        for subject, name, target in self.ties:
            if thing is subject and name in ("on", "inside"):
                return self._depth(target)[0], target.y + 1e-4, thing.x
        sky = KINDS[thing.kind].place == "sky"
        return len(FAR) + (not sky), thing.y, thing.x


def stands(name: str, subject: Thing, target: Thing) -> bool:
    """Whether the subject is left of, or above, the target without doubt."""
    one, two = box(subject), box(target)
    dx = (two.left + two.right - one.left - one.right) / 2
    dy = (two.top + two.bottom - one.top - one.bottom) / 2
    if name == "left of":
        return dx > abs(dy) and one.right < two.left + 0.25 * min(one.right - one.left, two.right - two.left)
    return dy > abs(dx) and one.bottom < two.top + 0.25 * min(one.bottom - one.top, two.bottom - two.top)


def geometric(things: Sequence[Thing]) -> list[Relation]:
    """Which of the things that are single of their kind and colour stand left of or above which others."""
    look = [(thing.kind, thing.colour) for thing in things]
    single = [k for k, pair in enumerate(look) if look.count(pair) == 1]
    pairs = ((a, name, b) for a in single for b in single if a != b for name in ("left of", "above"))
    return [Relation(a, name, b) for a, name, b in pairs if stands(name, things[a], things[b])]
