"""A minimal stand-in for the evaluation of a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from . import __version__
from .checkpoint import Checkpoint
from .data import prepare
from .data.files import Progress
from .drawing import draw
from .machine import pick_device
from .metrics.features import embed, features
from .metrics.measure import measure
from .metrics.reference import Reference, reference
from .pictures import grid
from .requests import Generate

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True)
class Evaluation:
    facts: dict[str, Any]
    pictures: dict[str, Image.Image]


def evaluate(
    source: Path, against: str, *, features: str | None = None, n: int = 5000, seed: int = 0, device: str = "auto",
    progress: Progress | None = None, say: Callable[[str], None] = lambda line: None,
) -> Evaluation:  # fmt: skip
    net, model = _net(features), Checkpoint.load(source, pick_device(device))
    data = prepare(against, size=model.spec.size)
    start, drawn = perf_counter(), {}
    for place, picture, _ in draw(model, [Generate(seed=seed + k) for k in range(n)]):
        drawn[place] = picture
        if progress is not None:
            progress("drawing", len(drawn), n)
    pace = (perf_counter() - start) / n
    real = reference(net, data)
    sides = [("training pictures", real)]
    if len(data.heldout) > 1:
        held = reference(net, _Heldout(data), count=len(data.heldout))  # type: ignore[arg-type]
        sides.insert(0, ("held-out pictures", Reference(held.features, held.moments)))
    found = _embedded(net, drawn.values())
    scores = [{"on": on, **_plain(s)} for on, side in sides for s in measure(found, side, net)]
    facts = {"kind": "evaluation", "huabi": __version__, "source": str(source), "family": model.name,
             "against": against, "features": net.name, "n": n, "scores": scores,
             "classes": [], "alarms": [], "notes": [], "curves": {"losses": {}, "distance": []},
             "cost": {"parameters": None, "train_seconds": None, "steps": None, "images_per_second": None,
                      "seconds_per_picture": pace, "peak_memory_mb": None}}  # fmt: skip
    return Evaluation(facts, {"sheet": grid(list(drawn.values())[:64])})


_net = features


def _embedded(net: Any, pictures: Any) -> Any:
    import torch

    return torch.cat(list(embed(net, pictures)))


def _plain(score: Any) -> dict[str, Any]:
    values = {"value": score.value, "error": score.error, "low": score.interval[0], "high": score.interval[1]}
    known = {name: None if np.isnan(value) else value for name, value in values.items()}
    return {"name": score.name, **known, "protocol": asdict(score.protocol), "warnings": list(score.warnings)}


class _Heldout:
    def __init__(self, data: Any) -> None:
        self.train, self.images, self.fingerprint = data.heldout, data.images, f"{data.fingerprint}-heldout"
