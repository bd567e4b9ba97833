"""What lives: the animals, people and plants of the picture world."""

from __future__ import annotations

from . import animals, creatures, horse, plants
from .palette import COLOURS
from .shapes import Kind

_ANY = tuple(COLOURS)
_PETALS = ("red", "orange", "yellow", "blue", "purple", "pink", "white")
_CAPS = ("red", "orange", "yellow", "blue", "purple", "pink", "brown", "white", "grey")

LIVING: dict[str, Kind] = {
    "cat": Kind(animals.cat, animals.CAT_ASPECT, "ground", _ANY, scale=0.7),
    "dog": Kind(animals.dog, animals.DOG_ASPECT, "ground", _ANY, scale=0.75),
    "horse": Kind(horse.horse, horse.HORSE_ASPECT, "ground", _ANY, scale=1.1),
    "bird": Kind(creatures.bird, creatures.BIRD_ASPECT, "sky", _ANY, scale=0.5),
    "fish": Kind(creatures.fish, creatures.FISH_ASPECT, "water", _ANY, scale=0.5),
    "butterfly": Kind(creatures.butterfly, creatures.BUTTERFLY_ASPECT, "sky", _ANY, scale=0.45),
    "person": Kind(creatures.person, creatures.PERSON_ASPECT, "ground", _ANY, scale=1.0),
    "flower": Kind(plants.flower, plants.FLOWER_ASPECT, "ground", _PETALS, scale=0.6),
    "tree": Kind(plants.tree, plants.TREE_ASPECT, "ground", ("green", "orange", "yellow", "red", "pink", "brown"), 1.6),
    "pine": Kind(plants.pine, plants.PINE_ASPECT, "ground", ("green", "blue", "white", "yellow"), scale=1.6),
    "bamboo": Kind(plants.bamboo, plants.BAMBOO_ASPECT, "ground", ("green", "yellow", "black"), scale=1.4),
    "mushroom": Kind(plants.mushroom, plants.MUSHROOM_ASPECT, "ground", _CAPS, scale=0.55),
}
