"""A folder of pictures made larger by pictures derived from them, with a table of which came from which."""

from __future__ import annotations

import json
import math
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageEnhance

from .data.cache import SIDES
from .data.files import Progress, shown
from .data.sources import Item, Listing, scan
from .decoding import PictureError, fit_picture, open_picture, why
from .drawing import draw
from .errors import DataError, RequestError, nearest
from .model import Classifies, Model
from .pictures import Picture, save_picture, to_tensor
from .requests import Generate, Imagine
from .rng import key_seed

__all__ = ["WAYS", "Derived", "derive", "variant"]

LONGEST = 1024  # pixels of the short side: training takes no more
MOST = 64  # derivatives of each picture
TRIES = 3  # drawings of one picture, until a classifier reads its label
TURN = 12.0  # degrees either way
AREA = 0.7  # the least share of a picture that a crop keeps
BRIGHT, CONTRAST, SATURATION = 0.2, 0.2, 0.3  # factors from 1 - this to 1 + this


@dataclass
class Derived:
    """What a folder was made of."""

    counts: Counter[str] = field(default_factory=Counter)  # originals, derived, drawn, refused
    left_out: list[tuple[str, str]] = field(default_factory=list)  # (name, why)


@dataclass(frozen=True)
class _Source:
    """An original, decoded."""

    item: Item
    image: Image.Image
    partner: tuple[str, Image.Image] | None  # another one of the same label, and its name


def _flip(source: _Source, rng: random.Random) -> tuple[Image.Image, str]:
    return source.image.transpose(Image.Transpose.FLIP_LEFT_RIGHT), "flip"


def _crop(source: _Source, rng: random.Random) -> tuple[Image.Image, str]:
    """A part in the same proportions, at the picture's own size."""
    area = rng.uniform(AREA, 1)
    width, height = source.image.size
    wide, high = width * area**0.5, height * area**0.5
    left, top = rng.uniform(0, width - wide), rng.uniform(0, height - high)
    box = (left, top, left + wide, top + high)
    return source.image.resize((width, height), Image.Resampling.BICUBIC, box=box), f"crop {area:.2f}"


def _turn(source: _Source, rng: random.Random) -> tuple[Image.Image, str]:
    """The picture turned about its middle, what comes into sight mirroring the edge."""
    angle = rng.uniform(-TURN, TURN)
    array = np.asarray(source.image)
    reach = math.sin(math.radians(TURN)) / 2  # of the other side, by which a corner comes in from beyond the edge
    edge = [math.ceil(reach * side) + 1 for side in array.shape[1::-1]]
    wide = np.pad(array, [(part, part) for part in edge] + [(0, 0)] * (array.ndim - 2), "reflect")
    turned = Image.fromarray(wide).rotate(angle, Image.Resampling.BICUBIC)
    height, width = array.shape[:2]
    return turned.crop((edge[1], edge[0], edge[1] + width, edge[0] + height)), f"turn {angle:+.0f}"


def _colour(source: _Source, rng: random.Random) -> tuple[Image.Image, str]:
    image, factors = source.image, []
    kinds = (ImageEnhance.Brightness, BRIGHT), (ImageEnhance.Contrast, CONTRAST), (ImageEnhance.Color, SATURATION)
    for kind, most in kinds[: 2 if image.mode == "L" else 3]:
        factors.append(rng.uniform(1 - most, 1 + most))
        image = kind(image).enhance(factors[-1])
    return image, f"colour {' '.join(f'{factor:.2f}' for factor in factors)}"


def _mixup(source: _Source, rng: random.Random) -> tuple[Image.Image, str]:
    """The picture mixed with less than half of another one of its label (Zhang et al. 2018, within a class)."""
    assert source.partner is not None
    share = rng.uniform(0.1, 0.5)
    other = fit_picture(source.partner[1].convert(source.image.mode), source.image.size[::-1])
    return Image.blend(source.image, other, share), f"mixup {share:.2f} of {source.partner[0]}"


WAYS: Mapping[str, Callable[[_Source, random.Random], tuple[Image.Image, str]]] = {  # in the order in which they act
    "mixup": _mixup,
    "flip": _flip,
    "turn": _turn,
    "crop": _crop,
    "colour": _colour,
}


def variant(source: _Source, ways: Sequence[str], rng: random.Random) -> tuple[Image.Image, str]:
    """A picture derived from `source` by some of `ways`, at least one, and how."""
    chosen = [way for way in WAYS if way in ways and rng.random() < 0.5] or [rng.choice(list(ways))]
    how = []
    for way in chosen:
        image, told = WAYS[way](source, rng)
        source = _Source(source.item, image, source.partner)
        how.append(told)
    return source.image, ", ".join(how)


def derive(
    data: str | Path,
    out: Path,
    *,
    n: int = 5,
    ways: Sequence[str] = tuple(WAYS),
    seed: int = 0,
    model: Model | None = None,
    classifier: Model | None = None,
    progress: Progress | None = None,
) -> Derived:
    """Writes the pictures of the folder `data` and `n` derived from each to the new folder `out`.

    Labels' folders stay as they are; `metadata.jsonl` has labels, captions, and of each new picture how it was made and
    from which (`derived_from`), by which the split knows them: what was derived from a held-out picture is not trained
    on. No picture is flipped whose caption tells left from right; those of one label are mixed where there are no
    captions.

    Args:
        model: also draws a picture for each one in `data`, of its label or caption.
        classifier: pictures that `model` drew are kept where it reads the label that was asked for.

    Raises `HuabiError` where `data` is no such folder, `out` is there, or an argument makes no sense.
    """
    listing = _listing(data, n, ways, model, classifier)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(f"{out} is there already; choose a new --out")
    done = Derived()
    folder = _Folder(out, {item.name for item in listing.items})
    sources = list(_copied(listing, folder, done, progress))
    if not sources:
        raise DataError(f"{shown(str(data))}: none of its {len(listing.items)} pictures can be read")
    groups: dict[str | None, list[Item]] = {}  # by label: what can be mixed
    if listing.labels and not listing.captions:
        for item in sources:
            groups.setdefault(item.label, []).append(item)
    places: Counter[str | None] = Counter()  # of each picture in its group
    for count, item in enumerate(sources, 1):
        group, own = groups.get(item.label, []), places[item.label]
        places[item.label] += 1
        rng = random.Random(key_seed("derive", seed, item.name))
        possible = [way for way in ways if _fits(way, item, group)]
        source = _opened(item)
        for _ in range(n if possible else 0):
            partner = None
            if "mixup" in possible:
                other = rng.randrange(len(group) - 1)
                partner = group[other + (other >= own)]
            pair = (partner.name, _opened(partner)) if partner is not None else None
            image, how = variant(_Source(item, source, pair), possible, rng)
            mixed = partner is not None and how.startswith("mixup")
            folder.add(image, item, {"derived_from": _origins(item, partner if mixed else None), "how": how})
            done.counts["derived"] += 1
        if progress is not None:
            progress("deriving", count, len(sources))
    if model is not None:
        for item, image, told in _drawn(model, classifier, sources, seed, done, progress):
            folder.add(image, item, {"derived_from": [], **told})
    folder.finish()
    return done


def _listing(
    data: str | Path, n: int, ways: Sequence[str], model: Model | None, classifier: Model | None
) -> Listing:
    """What is to be derived from, after all that was asked for was checked."""
    if not 0 <= n <= MOST or not (n or model):
        raise RequestError(f"--n {n}: 1 to {MOST} pictures from each")
    for way in ways:
        if way not in WAYS:
            raise RequestError(f"--ways {way}: {nearest(way, WAYS)}")
    if not ways:
        raise RequestError(f"--ways: say at least one of {', '.join(WAYS)}")
    listing = scan(Path(data))
    if listing.kind != "folder" or listing.pairing != "none":
        raise RequestError("give a folder of single pictures: archives and pairs cannot be added to")
    if classifier is not None and model is None:
        raise RequestError("--classifier judges what a model draws: add --model RUN")
    if classifier is not None and not isinstance(classifier, Classifies):
        raise RequestError("--classifier: this run reads no labels; train one: huabi train classifier DATA --out RUN")
    if classifier is not None and not (listing.labels and set(listing.labels) <= set(classifier.spec.labels)):
        raise RequestError("--classifier was not taught the labels of this folder; train it there")
    if model is not None and not {Generate, Imagine} & set(model.requests):
        raise RequestError("--model: this run draws nothing by itself; give one of diffusion, gan, vae, text_to_image")
    if model is not None:
        _check_drawing(listing, model, classifier)
    return listing


def _check_drawing(listing: Listing, model: Model, classifier: Model | None) -> None:
    """Raises `RequestError` where what `model` draws could not be filed under the label or caption of a picture."""
    told = Imagine in model.requests and all(item.caption for item in listing.items)
    if Generate not in model.requests and not told:
        raise RequestError(
            "--model follows captions, and not all of these pictures have one; give one of diffusion, gan or vae"
        )
    unknown = sorted(set(listing.labels) - set(model.spec.labels))
    if told or not unknown:
        return
    if model.spec.labels:
        raise RequestError(f"--model was not taught {unknown[0]!r}; train it on this folder")
    if classifier is None:
        raise RequestError("--model draws without labels: add --classifier RUN, which files what it draws, or refuses")


class _Folder:
    """The folder in the making: its files, and the table of them."""

    def __init__(self, root: Path, names: set[str]) -> None:
        self.root, self.names = root, names
        self.rows: list[dict[str, Any]] = []

    def keep(self, item: Item, data: bytes) -> None:
        """An original, its bytes as they are, so that the split knows it again."""
        path = self.root / item.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        self._tell(item.name, item, {} if item.sources is None else {"derived_from": item.sources})

    def add(self, image: Image.Image, item: Item, told: dict[str, Any]) -> None:
        """A picture beside the original that it has label and caption of."""
        stem = PurePosixPath(item.name).with_suffix("")
        free = (f"{stem}~{k}.png" for k in range(1, len(self.names) + 2))
        name = next(one for one in free if one not in self.names)
        self.names.add(name)
        save_picture(image, self.root / name)
        self._tell(name, item, told)

    def _tell(self, name: str, item: Item, told: dict[str, Any]) -> None:
        known = {"label": item.label, "text": item.caption}
        self.rows.append({"file_name": name, **{k: v for k, v in known.items() if v is not None}, **told})

    def finish(self) -> None:
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in self.rows)
        (self.root / "metadata.jsonl").write_text(lines, "utf-8")


def _copied(listing: Listing, folder: _Folder, done: Derived, progress: Progress | None) -> Iterator[Item]:
    """The pictures that can be read, each copied."""
    for count, item in enumerate(listing.items, 1):
        try:
            data = item.read()
            open_picture(data)
        except (PictureError, OSError) as error:
            done.left_out.append((shown(item.name), why(error)))
            continue
        folder.keep(item, data)
        done.counts["originals"] += 1
        yield item
        if progress is not None:
            progress("reading", count, len(listing.items))


def _opened(item: Item) -> Image.Image:
    picture = Picture.of(item.read())
    image = picture.image(picture.channels)
    scale = min(1.0, LONGEST / min(image.size))
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image if scale == 1 else image.resize(size, Image.Resampling.LANCZOS)


def _origins(*items: Item | None) -> list[str]:
    """The originals that a picture made of `items` comes from."""
    names = [[item.name] if item.sources is None else item.sources for item in items if item is not None]
    return sorted({name for part in names for name in part})


def _fits(way: str, item: Item, group: Sequence[Item]) -> bool:
    if way == "flip":
        return not (item.caption and SIDES.search(item.caption))
    return way != "mixup" or len(group) > 1


def _drawn(
    model: Model,
    classifier: Model | None,
    sources: Sequence[Item],
    seed: int,
    done: Derived,
    progress: Progress | None,
) -> Iterator[tuple[Item, Image.Image, dict[str, Any]]]:
    """A picture for each of `sources`; where the classifier reads another label three times, none."""
    wanted = list(range(len(sources)))
    drawn = 0
    for turn in range(TRIES if classifier is not None else 1):
        requests = [_request(model, sources[k], key_seed("drawn", seed, turn, sources[k].name)) for k in wanted]
        refused = []
        for position, picture, recipe in draw(model, requests):
            item = sources[wanted[position]]
            if classifier is not None and _read(classifier, picture) != item.label:
                refused.append(wanted[position])
                continue
            drawn += 1
            done.counts["drawn"] += 1
            told = {"how": "drawn", "model": recipe["model"], "seed": requests[position].seed}
            yield item, picture, told
            if progress is not None:
                progress("drawing", drawn, len(sources))
        wanted = sorted(refused)
        if not wanted:
            return
    done.counts["refused"] += len(wanted)


def _request(model: Model, item: Item, seed: int) -> Generate | Imagine:
    if item.caption and Imagine in model.requests:
        return Imagine(prompt=item.caption, seed=seed)
    return Generate(label=item.label if model.spec.labels else None, seed=seed)


def _read(classifier: Model, picture: Image.Image) -> str:
    """The label that a classifier reads."""
    assert isinstance(classifier, Classifies)
    spec = classifier.spec
    small = fit_picture(open_picture(Picture.of(picture).data, spec.channels), spec.size)
    device = getattr(classifier, "device", torch.device("cpu"))
    return spec.labels[int(classifier.classify(to_tensor(small)[None].to(device)).argmax())]
