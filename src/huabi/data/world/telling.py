"""What a caption says of a scene, before it is put into words: some of it, and nothing that is not so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from .dice import Dice
from .scene import Relation, Scene, groups

T = TypeVar("T")

LENGTHS = {"phrase": 0.3, "sentence": 0.4, "story": 0.3}
SHARES: dict[str, dict[str, float]] = {  # how often a caption of each length names an attribute
    "setting": {"phrase": 0.35, "sentence": 0.5, "story": 0.65},
    "time": {"phrase": 0.25, "sentence": 0.4, "story": 0.55},
    "weather": {"phrase": 0.2, "sentence": 0.35, "story": 0.5},
    "season": {"phrase": 0.15, "sentence": 0.3, "story": 0.45},
    "mood": {"phrase": 0.3, "sentence": 0.45, "story": 0.6},
    "style": {"phrase": 0.35, "sentence": 0.5, "story": 0.65},
}
GROUPS: dict[str, dict[int, float]] = {
    "phrase": {1: 0.8, 2: 0.2},
    "sentence": {1: 0.4, 2: 0.4, 3: 0.2},
    "story": {2: 0.4, 3: 0.4, 4: 0.2},
}
COLOURED, COUNTED, RELATED, PEOPLED = 0.8, 0.85, 0.65, 0.97
SIZED = {"small": 0.45, "medium": 0.1, "large": 0.45}  # people seldom say that something is of middling size
FLYERS = ("bird", "butterfly", "kite", "balloon")
SKY = 0.42  # feet above this height are above every horizon


@dataclass(frozen=True)
class Mention:
    """Things that a caption counts together: all of one kind, or all of one kind and colour."""

    kind: str
    colour: str | None
    members: frozenset[int]
    size: str | None = None  # where all members share it, and it is told
    counted: bool = True  # else "some"
    only: bool = False  # the kind's things are all meant
    broadleaf: bool = False  # a tree, where there are pines as well
    aloft: bool = False  # in the air without doubt

    @property
    def count(self) -> int:
        return len(self.members)


@dataclass(frozen=True)
class Link:
    """A relation that holds from every member of the subject to every member of the target."""

    subject: Mention
    name: str
    target: Mention


@dataclass(frozen=True)
class Told:
    """All that a caption says. `frame` holds what is told of setting, time, weather, season and mood."""

    length: str
    mentions: tuple[Mention, ...]
    links: tuple[Link, ...]
    frame: dict[str, str]
    style: str | None
    clouds: bool  # there are some, so that the sky must not be called clear
    water: str | None  # "lake" or "seaside" where the setting is told to be one


def choose(scene: Scene, style: str | None, dice: Dice) -> Told:
    """What one caption says of the scene."""
    length = dice.weighted(LENGTHS)
    facts = {name: getattr(scene, name) for name in SHARES if name != "style"}
    frame = {name: fact for name, fact in facts.items() if dice.chance(SHARES[name][length])}
    if length == "phrase":  # short: two circumstances at most
        kept = set(dice.sample(list(frame), 2))
        frame = {name: fact for name, fact in frame.items() if name in kept}
    told_style = style if dice.chance(SHARES["style"][length]) else None
    links: list[Link] = []
    mentions: list[Mention] = []
    if scene.things and dice.chance(PEOPLED):
        chooser = _Chooser(scene, dice)
        number = dice.weighted(GROUPS[length])
        if scene.relations and dice.chance(RELATED):
            links = chooser.links(2 if length == "story" and dice.chance(0.3) else 1)
        room = number - 2 * len(links)
        mentions = chooser.mentions(min(room, 1) if length == "phrase" else room)
        if length == "phrase" and links:
            mentions = []
    elif "setting" not in frame:
        frame["setting"] = scene.setting
    clouds = any(thing.kind == "cloud" for thing in scene.things)
    water = frame.get("setting") if frame.get("setting") in ("lake", "seaside") else None
    return Told(length, tuple(mentions), tuple(links), frame, told_style, clouds, water)


class _Chooser:
    """Picks groups and relations of a scene, none of them twice."""

    def __init__(self, scene: Scene, dice: Dice) -> None:
        self.scene, self.dice = scene, dice
        self.kinds: dict[str, frozenset[int]] = {}
        self.groups = {(group.kind, group.colour): frozenset(group.members) for group in groups(scene)}
        for (kind, _), members in self.groups.items():
            self.kinds[kind] = self.kinds.get(kind, frozenset()) | members
        self.placed = {relation.subject for relation in scene.relations if relation.name in ("on", "inside")}
        self.used: set[int] = set()

    def mention(self, index: int, coloured: bool) -> Mention:
        """The group of a thing, by kind and colour, or by kind alone."""
        dice, things = self.dice, self.scene.things
        kind, colour = things[index].kind, things[index].colour
        all_of_kind = self.kinds[kind]
        members = self.groups[kind, colour] if coloured else all_of_kind
        sizes = {things[member].size for member in members}
        size = sizes.pop() if len(sizes) == 1 else None
        return Mention(
            kind,
            colour if coloured else None,
            members,
            size=size if size and dice.chance(SIZED[size]) else None,
            counted=dice.chance(COUNTED),
            only=len(members) == len(all_of_kind),
            broadleaf=kind == "tree" and "pine" in self.kinds,
            aloft=kind in FLYERS and not members & self.placed and all(things[member].y < SKY for member in members),
        )

    def mentions(self, number: int) -> list[Mention]:
        """Up to `number` groups that nothing has been said of yet."""
        found: list[Mention] = []
        for kind, colour in self.dice.shuffled(list(self.groups)):
            if len(found) >= number:
                break
            members = self.groups[kind, colour]
            coloured = self.dice.chance(COLOURED) or bool(self.kinds[kind] & self.used)
            if not members & self.used:
                mention = self.mention(min(members), coloured)
                self.used |= mention.members
                found.append(mention)
        return found

    def links(self, number: int) -> list[Link]:
        """Up to `number` relations that can be said without doubt, of different things."""
        known = {(r.subject, r.name, r.target) for r in self.scene.relations}
        found: list[Link] = []
        for relation in self.dice.shuffled(self.scene.relations):
            if len(found) >= number:
                break
            link = self._link(relation, known)
            if link:
                self.used |= link.subject.members | link.target.members
                found.append(link)
        return found

    def _link(self, relation: Relation, known: set[tuple[int, str, int]]) -> Link | None:
        """The relation in the fewest words that are true, or None where even colours leave a doubt."""
        wanted = (self.dice.chance(COLOURED), self.dice.chance(COLOURED))
        for first, second in dict.fromkeys((wanted, (True, wanted[1]), (wanted[0], True), (True, True))):
            subject, target = self.mention(relation.subject, first), self.mention(relation.target, second)
            both = subject.members | target.members
            apart = not subject.members & target.members and not both & self.used
            room = target.count == 1 or relation.name not in ("on", "inside")
            if apart and room and all((s, relation.name, t) in known for s in subject.members for t in target.members):
                return Link(subject, relation.name, target)
        return None


def pick(options: Sequence[T], dice: Dice) -> T:
    """One of the options, the first of them most often."""
    return options[0] if len(options) == 1 or dice.chance(0.4) else dice.choice(options)
