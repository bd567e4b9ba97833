"""What people make: buildings, street furniture, vehicles, household goods."""

from __future__ import annotations

from .buildings import RIDGE, house, pagoda
from .goods import BASKET_RIM, POT_RIM, basket, kite, lantern, pot
from .palette import COLOURS
from .shapes import Kind
from .street import DECK, RAIL, SEAT, bench, bridge, fence, lamp
from .vehicles import GONDOLA, RIM, ROOF, balloon, boat, car

_ALL = tuple(COLOURS)
_BRIGHT = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "white")
_SOLID = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "white", "grey")

MADE: dict[str, Kind] = {
    "house": Kind(house, 1.0, "ground", _SOLID, scale=1.7, top=RIDGE - 0.02),
    "pagoda": Kind(pagoda, 0.72, "ground", _SOLID, scale=2.0),
    "bridge": Kind(bridge, 2.2, "ground", ("red", "brown", "grey", "white", "green", "yellow"), scale=0.9, top=DECK),
    "boat": Kind(boat, 1.15, "water", _SOLID, scale=1.5, vessel=(-0.26, RIM, 0.36)),
    "car": Kind(car, 1.9, "ground", _ALL, scale=0.8, top=ROOF),
    "lantern": Kind(lantern, 0.66, "sky", ("red", "orange", "yellow", "pink", "white", "green", "blue"), scale=0.5),
    "kite": Kind(kite, 0.86, "sky", (*_BRIGHT, "black"), scale=0.7),
    "lamp": Kind(lamp, 0.44, "ground", ("black", "grey", "green", "brown", "blue", "red", "white"), scale=1.5),
    "fence": Kind(
        fence, 2.2, "ground", ("white", "brown", "grey", "green", "blue", "red", "yellow"), scale=0.6, top=RAIL
    ),
    "balloon": Kind(balloon, 0.75, "sky", _BRIGHT, scale=1.2, vessel=(0.0, GONDOLA, 0.19)),
    "bench": Kind(
        bench, 1.6, "ground", ("brown", "green", "red", "blue", "white", "grey", "yellow"), scale=0.65, top=SEAT
    ),
    "basket": Kind(
        basket,
        1.05,
        "ground",
        ("brown", "yellow", "orange", "red", "white", "green", "pink"),
        scale=0.6,
        vessel=(0.0, BASKET_RIM, 0.8),
    ),
    "pot": Kind(pot, 0.96, "ground", _ALL, scale=0.6, vessel=(0.0, POT_RIM, 0.66)),
}
