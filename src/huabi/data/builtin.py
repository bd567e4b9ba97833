"""Pictures that are no files of the user's: the picture world, scikit-learn's digits, data sets of the hub."""

from __future__ import annotations

import hashlib
import io
import json
import os
import uuid
from typing import Any

from PIL import Image

from ..durable import write_json
from ..errors import DataError
from .files import Progress, Where, cache_root

Row = tuple[str, Where, str, str | None, str | list[str] | None]  # name, where, stamp, label, what is said of it


def digits() -> list[Row]:
    """The 1,797 handwritten digits of 8x8 that come with scikit-learn, labels "0" to "9"."""
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise DataError("the digits come with scikit-learn: pip install 'huabi[digits]'") from None
    found = load_digits()
    rows: list[Row] = []
    for n, (image, label) in enumerate(zip(found.images, found.target, strict=True)):
        buffer = io.BytesIO()
        Image.fromarray((image * (255 / 16)).round().astype("uint8")).save(buffer, "PNG", compress_level=1)
        rows.append((f"{n:04d}.png", Where("bytes", data=buffer.getvalue()), "", str(label), None))
    return rows


def world(text: str, progress: Progress | None = None) -> list[Row]:
    """The pictures of a `world:...` that stand alone, as yet undrawn; what is said of them is kept in the cache."""
    from .world import spec as worlds

    spec = worlds.parse(text)
    key = hashlib.sha256(repr((worlds.FORMAT, spec)).encode()).hexdigest()[:20]
    index = cache_root() / "world" / f"{key}.json"
    try:
        said = json.loads(index.read_text("ascii"))
    except (OSError, ValueError):
        said = []
        for k, picture in enumerate(spec.pictures()):
            scene = picture.scene()
            said.append((picture.seed, picture.style, spec.label_of(picture, scene), spec.captions_of(picture, scene)))
            if progress is not None and k % 512 == 511:
                progress("composing", k + 1, spec.n)
        index.parent.mkdir(parents=True, exist_ok=True)
        write_json(index, said)
    return [
        _undrawn(worlds.Picture(seed, style, spec.fixed), spec.size, label, text) for seed, style, label, text in said
    ]


def world_sides(text: str) -> tuple[tuple[str, ...], list[list[Row]]]:
    """The two sides of a `world:pairs=...` or `world:unpaired=...`, and the pictures of each; none of other worlds.

    Where the second side may be any style, its style is the label.
    """
    from .world import spec as worlds

    spec = worlds.parse(text)
    told = spec.sides[1:] == ("any",)
    rows = [
        [_undrawn(one, spec.size, one.style if told else None) for one in spec.pictures(side)]
        for side in range(len(spec.sides))
    ]
    return spec.sides, rows


def _undrawn(picture: Any, size: int | None, label: str | None, text: str | None = None) -> Row:
    from .world.spec import FORMAT

    where = Where("world", picture.style, offset=picture.seed, size=size or 64, fixed=picture.fixed)
    return f"{picture.seed}-{picture.style}", where, str(FORMAT), label, text


def _column(features: Any, first: dict[str, Any], names: tuple[str, ...], test: Any) -> str | None:
    """The first of `names` that the data has, else the first column that passes `test`."""
    columns = list(features) if features else list(first)
    return next((n for n in names if n in columns), None) or next((c for c in columns if test(first.get(c))), None)


def _as_bytes(value: Any) -> bytes:
    if isinstance(value, dict) and value.get("bytes"):
        return bytes(value["bytes"])
    if not isinstance(value, Image.Image):
        return b""
    buffer = io.BytesIO()
    value.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def hub(name: str) -> list[Row]:
    """The train split of a data set on the hub, its pictures copied once into one file of the cache."""
    folder = cache_root() / "hub" / hashlib.sha256(name.encode()).hexdigest()[:20]
    index = folder.with_suffix(".json")
    if not index.exists():
        _download(name, folder.with_suffix(".bin"), folder.with_suffix(".json"))
    blob = str(folder.with_suffix(".bin"))
    rows = json.loads(index.read_text("utf-8"))
    return [(n, Where("slice", blob, offset=o, size=s), f"{o}:{s}", label, text) for n, o, s, label, text in rows]


def _download(name: str, blob: Any, index: Any) -> None:
    try:
        import datasets
    except ImportError:
        raise DataError("data sets of the hub need the datasets library: pip install 'huabi[hub]'") from None
    try:
        found = datasets.load_dataset(name, split="train")
    except Exception as error:
        reason = (str(error).strip().splitlines() or ["no reason given"])[0][:160]
        raise DataError(f"hf:{name} cannot be loaded ({reason}); check the name and the connection") from None
    blob.parent.mkdir(parents=True, exist_ok=True)
    temp = blob.with_name(f".{uuid.uuid4().hex}.tmp")
    rows: list[list[Any]] = []
    features = getattr(found, "features", None)
    is_image = lambda v: isinstance(v, (Image.Image, dict)) and bool(_as_bytes(v))
    try:
        with temp.open("wb") as out:
            for n, row in enumerate(found):
                image = _column(features, row, ("image", "img", "picture"), is_image)
                if image is None:
                    raise DataError(f"hf:{name} has no column of pictures; columns: {', '.join(row)}")
                data = _as_bytes(row[image])
                label, text = _texts(features, row)
                rows.append([f"{n:07d}", out.tell(), len(data), label, text])
                out.write(data)
            out.flush()
            os.fsync(out.fileno())
        temp.replace(blob)
        temp.write_text(json.dumps(rows), "utf-8")
        temp.replace(index)
    finally:
        temp.unlink(missing_ok=True)


def _texts(features: Any, row: dict[str, Any]) -> tuple[str | None, str | list[str] | None]:
    """The row's label, by name where the feature knows it, and its caption or captions."""
    column = _column(features, row, ("label", "labels", "fine_label"), lambda v: False)
    label = row.get(column) if column else None
    if label is not None and features and hasattr(features[column], "int2str") and not isinstance(label, str):
        label = features[column].int2str(label)
    text = next((row[c] for c in ("text", "caption", "prompt") if isinstance(row.get(c), str | list)), None)
    return None if label is None else str(label), text
