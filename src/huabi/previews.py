"""What a family can do while it is still learning: pictures from fixed seeds, or how well it reads held-out ones."""

from __future__ import annotations

from collections.abc import Callable

import torch
from PIL import Image

from .data import PictureData
from .data.loader import to_unit
from .drawing import ROWS, draw
from .errors import RequestError
from .metrics.confusion import accuracy, confusion, confusion_picture
from .metrics.reading import Agreement
from .model import Classifies, Family, Identity, Reads
from .pictures import grid
from .requests import Generate, Imagine
from .trainer import Trainer

JUDGED = 1000  # held-out pictures that are read
Shown = tuple[Image.Image, dict[str, float]]  # a picture, and figures for the log


def preview(trainer: Trainer, data: PictureData | None, say: Callable[[str], None]) -> Shown | None:
    """What the averaged weights can do, or None where there is nothing to show."""
    with trainer.averaged() as family:
        if {Generate, Imagine} & set(family.requests):
            return _drawn(family, trainer, data, say)
        if isinstance(family, Classifies) and data is not None and data.labels is not None and len(data.heldout):
            return _read(family, trainer, data, say)
    return None


def _drawn(
    family: Family, trainer: Trainer, data: PictureData | None, say: Callable[[str], None]
) -> Shown | None:
    """A grid of pictures, of the same seeds in every preview."""
    requests = _asked(family, data)
    family.identity = Identity(rows=family.rows, precision=trainer.precision, device=family.device.type)
    try:
        return grid([picture for _, picture, _ in draw(family, requests)]), {}
    except RequestError as error:
        say(f"no preview at step {trainer.step}: {error}")
        return None


def _asked(family: Family, data: PictureData | None) -> list[Generate] | list[Imagine]:
    """What previews show: of each label in turn, or else of the first captions, or of the prompt that is trained."""
    if Generate in family.requests:
        labels = family.spec.labels
        return [Generate(seed=i, label=labels[i % len(labels)] if labels else None) for i in range(ROWS)]
    prompts = [getattr(family.config, "token", "")]
    if data is not None and data.captions is not None and not prompts[0]:
        prompts = [data.captions[n] for n in data.train[:ROWS].tolist()]
    count = min(ROWS, 4 * family.rows)
    return [Imagine(seed=i, prompt=prompts[i % len(prompts)]) for i in range(count)]


def _read(family: Family, trainer: Trainer, data: PictureData, say: Callable[[str], None]) -> Shown:
    """The confusion of held-out pictures' labels, and the share that was read rightly."""
    assert isinstance(family, Classifies)
    assert data.labels is not None
    rows = data.heldout[:JUDGED]
    parts = (to_unit(data.images[rows[k : k + ROWS]]).to(family.device) for k in range(0, len(rows), ROWS))
    read = torch.cat([family.classify(part).argmax(1).cpu() for part in parts])
    counts = confusion(torch.from_numpy(data.labels[rows]), read, len(family.spec.labels))
    share = accuracy(counts)
    say(f"step {trainer.step}: {share:.1%} of {len(rows)} held-out pictures are read as they are labelled")
    figures = {"heldout_accuracy": share, "heldout": len(rows)}
    if isinstance(family, Reads) and data.truth is not None:
        agreement = Agreement(family.spec.facts, family.spec.size)
        for k in range(0, len(rows), ROWS):
            part = rows[k : k + ROWS]
            for record, reading in zip(data.truth[part], family.read(to_unit(data.images[part]).to(family.device))):
                agreement.add(record, reading)
        shares = agreement.shares()
        say(f"step {trainer.step}: read rightly " + ", ".join(f"{name} {share:.1%}" for name, share in shares.items()))
        figures |= {f"heldout_{name.replace(' ', '_')}": share for name, share in shares.items()}
    return confusion_picture(counts, family.spec.labels), figures
