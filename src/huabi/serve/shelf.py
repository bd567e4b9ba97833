"""The models that a server offers: by name alone, loaded when they are asked for, put away when memory runs short."""

from __future__ import annotations

import gc
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from .. import classic, index, models
from ..classic.painter import Painter
from ..comparison import RECORD
from ..enlarging import ENLARGED, JOIN
from ..errors import HuabiError, RequestError, RunError, nearest
from ..external import is_pipeline
from ..external.adapters import Adapter
from ..machine import free_memory, pick_device
from ..model import DataSpec, Model
from ..requests import Paper, Request, Restore
from .logs import log

SCRIBBLE = "scribble"  # answers an `Edit` with strokes alone, so that it is never chosen for others
FRAMES = 8  # of a painting, between which it can be stopped
BUILT_IN: dict[str, Callable[[], Model]] = {"brush": lambda: Painter(FRAMES)}
BUILT_IN |= {name: partial(classic.model, name) for name in ("enhance", "gatys", SCRIBBLE, *classic.METHODS)}
SHARE = 0.5  # of the memory that is free at the start, for models


class Card(NamedTuple):
    """What is known of a model that is offered; `places` are never shown to a client."""

    name: str
    places: tuple[Path, ...]  # a run, and what enlarges its pictures; none of what is built in
    tasks: tuple[type[Request], ...]
    spec: DataSpec
    paper: Paper
    changed: float  # seconds since 1970
    undoes: tuple[str, ...] = ()  # which damage, where it answers `Restore`
    scale: int = 0  # of upscale, where it knows one alone

    @property
    def came(self) -> bool:
        """Whether it comes with Huabi."""
        return not self.places or index.comes(self.places[0])


class UnknownModel(RequestError):
    """No model of that name is offered here."""


class Shelf:
    """Models by name.

    Args:
        names: runs, models that come with Huabi, pipelines; without any, all that the user-level index knows.
        folder: whose runs appear by themselves.
        budget: bytes of weights that are kept loaded; half of what is free by default. The one at work always is.
        known: whether the index's are offered beside those in `folder`.

    Raises `HuabiError` where a name is no model.
    """

    def __init__(
        self,
        names: Sequence[str] = (),
        folder: Path | None = None,
        device: str = "auto",
        budget: int = 0,
        known: bool = False,
    ) -> None:
        self.device, self._folder = device, folder
        self.budget = budget or int(SHARE * free_memory(pick_device(device)))
        self._known = known or not (names or folder)
        self._places: dict[str, tuple[Path, ...]] = {}
        for name in names:
            places = tuple(models.parts(name))
            called = JOIN.join(place.name for place in places) if Path(name).exists() or len(places) > 1 else name
            if called in self._places:
                raise RequestError(f"two models are called {called}; rename one of their folders")
            self._places[called] = places
        self._cards: dict[Path, Card] = {}
        self._built: dict[str, tuple[Callable[[], Model], Card]] = {}  # what is built in, as it was made once
        self._loaded: OrderedDict[str, tuple[float, int, Model]] = OrderedDict()
        self._lock = threading.Lock()
        for called, places in self._places.items():
            if self._card(called, places) is None:
                run = places[0]
                raise RequestError(f"--model {called} draws no pictures, or is damaged; `huabi show {run}` says more")

    def cards(self) -> dict[str, Card]:
        """What is offered now, by name."""
        places = _offered() if self._known else {}
        if self._folder is not None and self._folder.is_dir():
            for run in sorted(self._folder.iterdir()):
                compared = sorted(run.iterdir()) if (run / RECORD).is_file() else []
                places |= {run.name: (run,)} | {f"{run.name}/{family.name}": (family,) for family in compared}
        places |= self._places
        found = {name: card for name, parts in places.items() if (card := self._card(name, parts))}
        for name, make in BUILT_IN.items():
            if name not in self._built or self._built[name][0] is not make:
                self._built[name] = make, _built_in(name, make())
            found.setdefault(name, self._built[name][1])
        return found

    def card(self, name: str) -> Card:
        """The model of this name; another one raises `UnknownModel`, which names the nearest."""
        cards = self.cards()
        if name not in cards:
            raise UnknownModel(f"no model {name!r:.100}; {nearest(name[:100], cards)}")
        return cards[name]

    def restorer(self, damage: str, scale: int) -> Card:
        """The first model that undoes this damage, a trained one before the textbook's."""
        for card in self.cards().values():
            if damage in card.undoes and (damage != "upscale" or card.scale in (0, scale)):
                return card
        raise UnknownModel(f"no model here undoes {damage}; train one: huabi train restorer, with task={damage}")

    def first(self, *tasks: type[Request]) -> Card:
        """The first that answers one of `tasks`, the first task before the next; last what comes along unnamed."""
        cards = [card for card in self.cards().values() if card.name != SCRIBBLE]
        for came in (False, True):
            for task in tasks:
                for card in cards:
                    if task in card.tasks and (card.came and card.name not in self._places) is came:
                        return card
        raise UnknownModel(f"no model here answers {tasks[0].__name__}; start the server with --model NAME")

    def _card(self, name: str, places: tuple[Path, ...]) -> Card | None:
        """What folders hold; None where the first is no run that draws."""
        found = [self._read(place) for place in places if place == places[0] or Adapter.of(place) is None]
        if None in found:
            return None
        card, *larger = (one for one in found if one)
        if larger:
            rows, columns = card.spec.size
            scale = larger[0].scale
            spec = replace(card.spec, size=(rows * scale, columns * scale))
            tasks = tuple(task for task in card.tasks if task in ENLARGED)
            paper = card.paper.enlarged(scale)
            card = Card(name, places, tasks, spec, paper, max(card.changed, larger[0].changed))
        return card._replace(name=name, places=places) if card.tasks else None

    def _read(self, path: Path) -> Card | None:
        """What one folder holds; None where it is no run."""
        weights = path if is_pipeline(path) else path / "model.safetensors"
        try:
            changed = weights.stat().st_mtime
        except OSError:
            return None
        old = self._cards.get(path)
        if old is None or old.changed != changed:
            try:
                tasks, spec, paper = models.described(path)
                undoes = models.undoes(path) if Restore in tasks else ((), 0)
            except (HuabiError, ImportError, KeyError, TypeError):  # damaged, or of a family that is not installed
                return None
            old = self._cards[path] = Card(path.name, (path,), tasks, spec, paper, changed, *undoes)
        return old

    def load(self, name: str) -> Model:
        """The model of this name, ready to draw; the ones that were not used for longest leave for it."""
        with self._lock:
            card = self.card(name)
            changed, _, model = self._loaded.get(name, (None, 0, None))
            if model is None or changed != card.changed:
                self._loaded.pop(name, None)
                self._make_room(_expected(card))
                model = _load(card, self.device) if card.places else BUILT_IN[name]()
                self._loaded[name] = (card.changed, weight(model), model)
            self._loaded.move_to_end(name)
            self._make_room(0, but=name)
            return model

    def _make_room(self, coming: int, but: str = "") -> None:
        """Lets go of what was not used for longest, until so many more bytes fit into the budget."""
        for name in self.loaded:
            if self.used + coming <= self.budget:
                return
            if name != but:
                del self._loaded[name]
                gc.collect()

    @property
    def used(self) -> int:
        """Bytes of the weights that are loaded."""
        return sum(size for _, size, _ in list(self._loaded.values()))

    @property
    def loaded(self) -> tuple[str, ...]:
        return tuple(self._loaded)


def _offered() -> dict[str, tuple[Path, ...]]:
    """The known runs by name, and where something came along to enlarge the pictures of one, the two as well.

    What came along for that alone is not offered by itself.
    """
    found: dict[str, tuple[Path, ...]] = {}
    for run in index.known():
        if larger := index.enlarger(run):
            found.setdefault(f"{run.name}{JOIN}{larger.name}", (run, larger))
        if not index.enlarges(run):
            found.setdefault(run.name, (run,))
    return found


def _load(card: Card, device: str) -> Model:
    """The model of a card; what is wrong with it is told by its name, and by its place in the log alone."""
    try:
        return models.joined(card.places, device)
    except HuabiError as error:
        log.warning("model %s: %s", card.name, error)
        line = str(error)
        for place in card.places:
            line = line.replace(str(place), place.name)
        raise RunError(line) from None


def _built_in(name: str, model: Model) -> Card:
    return Card(name, (), model.requests, model.spec, model.paper, 0.0, getattr(model, "tasks", ()))


def _expected(card: Card) -> int:
    """Bytes that the weights of a card's models take, by their files; half-precision ones grow when they are loaded."""
    return sum(file.stat().st_size for place in card.places for file in _weights(place))


def _weights(place: Path) -> list[Path]:
    """The files of a pipeline, of adapters, or of a run the one that is drawn with: its saved states are not loaded."""
    if is_pipeline(place):
        return [*place.rglob("*.safetensors")]
    adapter = Adapter.of(place)
    return [adapter.file if adapter else place / "model.safetensors"]


def weight(model: object) -> int:
    """Bytes of a model's weights, those of its parts included."""
    from torch import nn

    parts = [model, *(getattr(model, name, None) for name in ("model", "enlarger"))]
    parts += [*getattr(getattr(model, "pipe", None), "components", {}).values()]
    nets = [part for part in parts if isinstance(part, nn.Module)]
    return sum(x.numel() * x.element_size() for net in nets for x in (*net.parameters(), *net.buffers()))
