"""What a family can do while it is still learning: pictures from fixed seeds, or how well it reads held-out ones."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from PIL import Image

from .data import PictureData
from .data.loader import rows_of, to_unit
from .drawing import ROWS, draw
from .errors import RequestError
from .metrics.agreement import agreement
from .metrics.confusion import accuracy, confusion, confusion_picture
from .metrics.reading import Agreement
from .metrics.restoration import psnr
from .metrics.retrieval import ranks, recall
from .model import Batch, Classifies, Family, Identity, Matches, Mends, Reads, Reconstructs
from .nets.text import groups_of
from .pictures import grid, to_image, to_tensor
from .requests import Generate, Imagine, Stylize, Translate
from .rng import BatchRng
from .trainer import Trainer

JUDGED = 1000  # held-out pictures that are read
REBUILT = 64  # held-out pictures that are reconstructed
PAIRS = 8  # pictures that are translated, or mended
STYLISED = 5  # held-out pictures, each in the style of each
SHOWN, CELL = 64, 6  # held-out pictures whose cosines are shown, and pixels of a cosine
Shown = tuple[Image.Image, dict[str, float]]  # a picture, and figures for the log


def preview(trainer: Trainer, data: PictureData | None, say: Callable[[str], None]) -> Shown | None:
    """What the averaged weights can do, or None where there is nothing to show."""
    with trainer.averaged() as family:
        if Translate in family.requests and data is not None:
            return _translated(family, trainer, data, say)
        if Stylize in family.requests and data is not None:
            return _stylised(family, trainer, data, say)
        if isinstance(family, Mends) and data is not None:
            return _mended(family, data)
        draws = bool({Generate, Imagine} & set(family.requests))
        drawn = _drawn(family, trainer, data, say) if draws else None
        if isinstance(family, Reconstructs) and data is not None and len(data.heldout):
            sheet, figures = _rebuilt(family, data)
            return (grid([drawn[0], sheet], 2, gap=8) if drawn else sheet), figures
        if draws:
            return drawn
        if isinstance(family, Classifies) and data is not None and data.labels is not None and len(data.heldout):
            return _read(family, trainer, data, say)
        if isinstance(family, Matches) and data is not None and data.captions is not None and len(data.heldout):
            return _matched(family, trainer, data, say)
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


def _rebuilt(family: Family, data: PictureData) -> Shown:
    """Held-out pictures, each with its reconstruction at its right, and the error of all in [-1, 1]."""
    assert isinstance(family, Reconstructs)
    rows = data.heldout[:REBUILT]
    label = None if data.labels is None else torch.from_numpy(data.labels[rows]).to(family.device)
    real = to_unit(rows_of(data.images)(rows))
    again = family.reconstruct(real.to(family.device), label).cpu()
    pairs = [to_image(x) for pair in zip(real[:ROWS], again[:ROWS]) for x in pair]
    error = float((again - real).square().mean().sqrt())
    return grid(pairs, 2 * math.isqrt(ROWS)), {"heldout_rmse": error, "heldout": len(rows)}


def _mended(family: Family, data: PictureData) -> Shown:
    """Held-out pictures in columns, or parts of them: damaged, mended, whole; damaged the same in every preview."""
    assert isinstance(family, Mends)
    rows = (data.heldout if len(data.heldout) else data.train)[:PAIRS]
    known, target = (
        None if pixels is None else to_unit(rows_of(pixels)(rows)).to(family.device)
        for pixels in (data.images, data.target)
    )
    assert known is not None
    batch = Batch(known, BatchRng(0, 0, len(rows)), torch.arange(len(rows)), target=target)
    damaged, mended, whole = (x.float().cpu() for x in family.mended(batch))
    shown = [to_image(x) for row in (damaged, mended, whole) for x in row]
    return grid(shown, len(rows)), {"heldout_psnr": float(psnr(mended, whole).mean()), "heldout": len(rows)}


def _translated(
    family: Family, trainer: Trainer, data: PictureData, say: Callable[[str], None]
) -> Shown | None:
    """Held-out pictures in columns: each, what it becomes, and its target; of two kinds each, and it as the other."""
    family.identity = Identity(rows=family.rows, precision=trainer.precision, device=family.device.type)
    rows = (data.heldout if len(data.heldout) else data.train)[:PAIRS]
    sources = [Image.fromarray(picture.squeeze()) for picture in rows_of(data.images)(rows)]
    labels: list[str | None] = [None] * len(rows)
    if data.labels is not None and family.spec.labels:
        labels = [family.spec.labels[k] for k in data.labels[rows]]
    asked = [Translate(image=picture, to=label) for picture, label in zip(sources, labels)]  # type: ignore[arg-type]
    shown, figures = [sources], {}
    others: list[Image.Image] = []
    if data.other is not None and family.spec.domains:
        rows = (data.other_heldout if len(data.other_heldout) else data.other_train)[: len(rows)]
        others = [Image.fromarray(picture.squeeze()) for picture in rows_of(data.other)(rows)]
        asked += [Translate(image=picture, to=family.spec.domains[0]) for picture in others]  # type: ignore[arg-type]
    try:
        drawn = {position: picture for position, picture, _ in draw(family, asked)}
    except RequestError as error:
        say(f"no preview at step {trainer.step}: {error}")
        return None
    made = [drawn[position] for position in range(len(asked))]
    shown.append(made[: len(sources)])
    if others:
        shown += [others, made[len(sources) :]]
    if data.target is not None:
        truth = to_unit(rows_of(data.target)(rows))
        shown.append([to_image(x) for x in truth])
        figures["heldout_psnr"] = float(psnr(torch.stack([to_tensor(picture) for picture in made]), truth).mean())
    return grid([picture for row in shown for picture in row], len(sources)), figures


def _stylised(
    family: Family, trainer: Trainer, data: PictureData, say: Callable[[str], None]
) -> Shown | None:
    """Held-out pictures as rows of contents; as columns those of the second kind, or the same: each in each's hand.

    Of pairs it measures each content by its own partner's look.
    """
    family.identity = Identity(rows=family.rows, precision=trainer.precision, device=family.device.type)
    rows = (data.heldout if len(data.heldout) else data.train)[:STYLISED]
    contents = styles = [to_image(x) for x in to_unit(rows_of(data.images)(rows))]
    if data.other is not None:
        others = (data.other_heldout if len(data.other_heldout) else data.other_train)[:STYLISED]
        styles = [to_image(x) for x in to_unit(rows_of(data.other)(others))]
    elif data.target is not None:
        styles = [to_image(x) for x in to_unit(rows_of(data.target)(rows))]
    asked = [Stylize(image=content, styles=(style,)) for content in contents for style in styles]  # type: ignore[arg-type]
    try:
        drawn = {position: picture for position, picture, _ in draw(family, asked)}
    except RequestError as error:
        say(f"no preview at step {trainer.step}: {error}")
        return None
    shown = [Image.new("RGB", contents[0].size, "white"), *styles]
    made = [[drawn[row * len(styles) + column] for column in range(len(styles))] for row in range(len(contents))]
    for content, row in zip(contents, made):
        shown += [content, *row]
    if data.target is None or not len(data.heldout):
        return grid(shown, len(styles) + 1), {}
    own, truth = (torch.stack([to_tensor(x) for x in side]) for side in ([r[k] for k, r in enumerate(made)], styles))
    return grid(shown, len(styles) + 1), {"heldout_psnr": float(psnr(own, truth).mean())}


def _asked(family: Family, data: PictureData | None) -> list[Generate] | list[Imagine]:
    """What previews show: the prompt that is trained, or else the first captions, or else each label in turn."""
    prompts = [getattr(family.config, "token", "")]
    if data is not None and data.captions is not None and not prompts[0]:
        prompts = [data.captions[n][0] for n in data.train[:ROWS].tolist()]
    if Imagine in family.requests and (prompts[0] or Generate not in family.requests):
        count = min(ROWS, 4 * family.rows)
        return [Imagine(seed=i, prompt=prompts[i % len(prompts)]) for i in range(count)]
    labels = family.spec.labels
    return [Generate(seed=i, label=labels[i % len(labels)] if labels else None) for i in range(ROWS)]


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


def _matched(family: Family, trainer: Trainer, data: PictureData, say: Callable[[str], None]) -> Shown:
    """The cosines of held-out pictures (rows) and their captions (columns), and how often the right one is found."""
    assert isinstance(family, Matches)
    assert data.captions is not None
    rows, read = data.heldout[:JUDGED], rows_of(data.images)
    captions = [data.captions[row][0] for row in rows.tolist()]
    parts = range(0, len(rows), ROWS)
    pictures = torch.cat([family.embed(to_unit(read(rows[k : k + ROWS])).to(family.device)).cpu() for k in parts])
    texts = torch.cat([family.embed_text(captions[k : k + ROWS]).cpu() for k in parts])
    found = ranks(pictures, texts, groups_of(captions))
    figures = {f"heldout_recall_at_{k}": recall(found, k) for k in (1, 5)}
    figures |= {"heldout_agreement": agreement(pictures, texts).value, "heldout": len(rows)}
    at_1, at_5 = (f"{recall(found, k):.1%}" for k in (1, 5))
    say(
        f"step {trainer.step}: among {len(rows)} held-out captions the right one is the nearest to {at_1} of the "
        f"pictures, and one of the five nearest to {at_5}"
    )
    cosines = (pictures[:SHOWN] @ texts[:SHOWN].T)[None]  # (1, K, K)
    return to_image(cosines.repeat_interleave(CELL, 1).repeat_interleave(CELL, 2)), figures
