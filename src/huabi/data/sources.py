"""What DATA is: a folder, an archive, a built-in set; and its pictures with labels, captions, pairs."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import posixpath
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from ..errors import DataError, RequestError
from . import builtin
from .files import ARCHIVES, Entry, Found, Progress, Where, is_picture, list_archive, read, shown, walk

Pairing = Literal["none", "unpaired", "paired"]
PAIRS = (None, "side-by-side", "none")
_BREAKS = re.compile(r"\s*[\r\n]\s*")
ALONE = "no picture of the same name on the other side"
NAMED = 8  # pictures without a partner that are named
_TRAIN = ("train", "training")
_SPLITS = (*_TRAIN, "test", "testing", "val", "valid", "validation", "eval")


@dataclass(frozen=True, slots=True)
class Item:
    """One picture to be: its name below the root, where its bytes lie, and what is known of it."""

    name: str
    where: Where
    stamp: str
    label: str | None = None
    caption: str | None = None  # where there are several, a line each
    partner: Item | None = None  # the picture that this one shall become
    sources: tuple[str, ...] | None = None  # names of the pictures that it was derived from; an original has None

    def read(self) -> bytes:
        """The file's bytes; raises `PictureError` or OSError."""
        return read(self.where)


@dataclass(frozen=True)
class Listing:
    """What DATA holds, by names alone: no picture was opened."""

    source: str
    kind: Literal["folder", "archive", "world", "digits", "hub"]
    items: tuple[Item, ...]
    other: tuple[Item, ...] = ()  # the second domain of unpaired data
    labels: tuple[str, ...] = ()
    captions: bool = False
    pairing: Pairing = "none"
    domains: tuple[str, ...] = ()  # what the two sides of pairs, or the two kinds, are called
    pairs: str | None = None  # as asked for
    left_out: tuple[tuple[str, str], ...] = ()  # (name, why)
    notes: tuple[str, ...] = ()
    ignored: Mapping[str, int] = field(default_factory=dict)


def scan(data: str | Path, pairs: str | None = None, progress: Progress | None = None) -> Listing:
    """What `data` holds: pictures with labels, captions and partners, by their names.

    Args:
        data: a folder, a .zip or .tar, `world` or `world:key=value,...`, `digits`, or `hf:owner/name`. A folder of
            such a name is `./digits`.
        pairs: "side-by-side" where each picture holds input and result as its left and right half; "none" to take
            folders A and B for classes.
        progress: called with what is being done, how much is done, and of how much.

    Raises DataError where there is nothing to train on.
    """
    if pairs not in PAIRS:
        raise RequestError(f"pairs={pairs!r}: known are side-by-side and none")
    if isinstance(data, str) and data.partition(":")[0] == "world":
        return _world(data, pairs, progress)
    if isinstance(data, str) and data == "digits":
        return _built_in(data, "digits", builtin.digits(), pairs)
    if isinstance(data, str) and data.startswith("hf:"):
        return _built_in(data, "hub", builtin.hub(data.removeprefix("hf:")), pairs)
    path = Path(data).expanduser()
    try:
        path.stat()
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise DataError(f"{shown(str(data))}: links in a loop; give the folder itself") from None
        raise DataError(f"{shown(str(data))}: no such folder; check the path") from None
    except ValueError:
        raise DataError(f"{shown(str(data))}: no such folder; check the path") from None
    if path.is_dir():
        return _listing(str(data), "folder", walk(path.absolute()), pairs)
    if path.name.lower().endswith(ARCHIVES):
        return _listing(str(data), "archive", list_archive(path.absolute()), pairs)
    raise DataError(f"{shown(str(data))} is a file; give a folder of pictures, a .zip or a .tar")


def _lines(texts: Any) -> str:
    """Captions, a line each: of a list the texts in it, else the text itself; empty ones are none."""
    texts = texts if isinstance(texts, list) else [texts]
    found = [_BREAKS.sub(" ", str(text)) for text in texts if text is not None]
    return "\n".join(text for text in found if text.strip())


def _built_in(source: str, kind: Any, rows: list[builtin.Row], pairs: str | None) -> Listing:
    items = tuple(Item(name, where, stamp, label, _lines(said)) for name, where, stamp, label, said in rows)
    captioned = any(i.caption for i in items)
    if not captioned:
        items = tuple(replace(i, caption=None) for i in items)
    labels = _in_order({i.label for i in items if i.label is not None})
    pairing: Pairing = "paired" if pairs == "side-by-side" else "none"
    return Listing(source, kind, items, (), labels, captioned, pairing, pairs=pairs)


def _world(source: str, pairs: str | None, progress: Progress | None) -> Listing:
    """The picture world; its pictures stand alone, in pairs, or are of two kinds."""
    domains, sides = builtin.world_sides(source)
    if not sides:
        return _built_in(source, "world", builtin.world(source, progress), pairs)
    first, second = (_built_in(source, "world", rows, None) for rows in sides)
    if "pairs=" not in source:
        return replace(first, other=second.items, labels=(), pairing="unpaired", domains=domains)
    joined = tuple(replace(a, label=b.label, partner=b) for a, b in zip(first.items, second.items, strict=True))
    return replace(first, items=joined, labels=second.labels, pairing="paired", domains=domains)


def _in_order(labels: Iterable[str]) -> tuple[str, ...]:
    """Numbers by value, words by letter."""
    labels = list(labels)
    numbers = all(label.isascii() and label.isdigit() for label in labels)
    return tuple(sorted(labels, key=(lambda s: (int(s), s)) if numbers else None))


class _Scan:
    """The pictures below a root while labels, captions and pairs are being found."""

    def __init__(self, found: Found) -> None:
        self.others: dict[str, Entry] = {}
        self.pictures: list[Item] = []
        self.left_out = [(n, w) for n, w in found.broken if is_picture(n) or "folder" in w or "archive" in w]
        self.notes: list[str] = []
        for entry in found.entries:
            head = (lambda e=entry: read(e.where)[:16]) if entry.where.kind == "file" else None
            if is_picture(entry.name, head):
                self.pictures.append(Item(entry.name, entry.where, entry.stamp))
            else:
                self.others[entry.name] = entry

    def text(self, name: str) -> str:
        try:
            return read(self.others[name].where).decode("utf-8-sig", "replace")
        except (OSError, DataError):
            self.notes.append(f"{shown(name)} cannot be read")
            return ""


def _listing(source: str, kind: Any, found: Found, pairs: str | None) -> Listing:
    state = _Scan(found)
    if not found.entries and not state.left_out:
        links = "; its links lead in a circle" if found.circles else ""
        raise DataError(f"{shown(source)} is empty{links}: put pictures there")
    if not state.pictures and not state.left_out:
        raise DataError(f"{shown(source)} holds no pictures, only {len(found.entries)} other files: choose another")
    placed = _without_wrappers(state)
    items = [i for _, i in placed]
    ignored = {"hidden": found.hidden, "not pictures": len(state.others), "links in a circle": found.circles}
    result = Listing(source, kind, (), ignored={k: v for k, v in ignored.items() if v}, pairs=pairs)
    first = _by_folder(placed)
    other: list[Item] = []
    labels: tuple[str, ...] = ()
    pairing: Pairing = "none"
    domains: tuple[str, ...] = ()
    captioned = False
    if pairs == "side-by-side":
        pairing, domains = "paired", ("left", "right")
        labels, items = _labels(placed, first, state)
    elif pairs is None and {"trainA", "trainB"} <= first.keys():
        pairing, domains, items, other = "unpaired", ("A", "B"), first["trainA"], first["trainB"]
        _aside(state, {k: v for k, v in first.items() if k not in ("trainA", "trainB")})
    elif pairs is None and first.keys() == {"A", "B"} and (joined := _partners(first["A"], first["B"], state)):
        pairing, domains, items = "paired", ("A", "B"), joined
    else:
        labels, items = _labels(placed, first, state)
        items, captioned, own = _captions(items, state)
        labels = own or labels
    for group in (items, other):
        group.sort(key=lambda i: os.fsencode(i.name))
    left_out = tuple(sorted(state.left_out))
    return replace(
        result, items=tuple(items), other=tuple(other), labels=labels, captions=captioned, pairing=pairing,
        domains=domains, left_out=left_out, notes=tuple(state.notes),
    )  # fmt: skip


Placed = list[tuple[tuple[str, ...], Item]]  # the folders below the wrappers, and the item


def _without_wrappers(state: _Scan) -> Placed:
    """The items with their folders, less the folders that all share; of train and test folders only train is taken."""
    placed = [(tuple(i.name.split("/")[:-1]), i) for i in state.pictures]
    while placed:
        first = {folders[:1] for folders, _ in placed}
        names = {f[0].lower() for f in first if f}
        if len(first) > 1 and () not in first and names <= set(_SPLITS) and names & set(_TRAIN):
            rest = Counter(f[0] for f, _ in placed if f[0].lower() not in _TRAIN)
            placed = [(f, i) for f, i in placed if f[0].lower() in _TRAIN]
            state.notes += [f"{shown(name)}/ is left aside: {n} pictures" for name, n in sorted(rest.items())]
        elif len(first) > 1 or () in first:
            break
        placed = [(folders[1:], item) for folders, item in placed]
    return placed


def _by_folder(placed: Placed) -> dict[str, list[Item]]:
    groups: dict[str, list[Item]] = {}
    for folders, item in placed:
        groups.setdefault(folders[0] if folders else "", []).append(item)
    return groups


def _aside(state: _Scan, groups: Mapping[str, list[Item]]) -> None:
    state.notes += [f"{shown(name) or '.'}/ is left aside: {len(v)} pictures" for name, v in sorted(groups.items())]


def _partners(a: list[Item], b: list[Item], state: _Scan) -> list[Item]:
    """The pictures of A, each with that of B of the same name; none where fewer than half have one."""

    def stem(item: Item, folder: str) -> str:
        parts = item.name.split("/")
        return "/".join([*parts[parts.index(folder) + 1 : -1], PurePosixPath(parts[-1]).stem])

    def by_stem(items: list[Item], folder: str) -> dict[str, Item]:
        found: dict[str, Item] = {}
        for item in items:
            first = found.setdefault(stem(item, folder), item)
            if first is not item:
                state.left_out.append((item.name, f"{shown(first.name)} has the same name"))
        return found

    left, right = by_stem(a, "A"), by_stem(b, "B")
    joined = [replace(i, partner=right[key]) for key, i in left.items() if key in right]
    alone = [i.name for key, i in left.items() if key not in right] + [
        i.name for key, i in right.items() if key not in left
    ]
    if 2 * len(joined) < max(len(a), len(b)):
        named = ", ".join(map(shown, alone[:NAMED])) + (f" and {len(alone) - NAMED} more" if alone[NAMED:] else "")
        state.notes.append(f"A and B are taken for classes, since {ALONE} is there for {named}")
        return []
    state.left_out += [(name, ALONE) for name in alone]
    return joined


def _labels(placed: Placed, groups: Mapping[str, list[Item]], state: _Scan) -> tuple[tuple[str, ...], list[Item]]:
    """Labels from the first level of folders that divides the pictures; a few strays beside them are left out."""
    strays = groups.get("", [])
    folders = [name for name in groups if name]
    if len(folders) < 2 or len(strays) * 20 > len(placed):
        return (), [i for _, i in placed]
    state.left_out += [(i.name, "beside the class folders, in none of them") for i in strays]
    return _in_order(shown(f) for f in folders), [Item(i.name, i.where, i.stamp, shown(f[0])) for f, i in placed if f]


def _captions(items: list[Item], state: _Scan) -> tuple[list[Item], bool, tuple[str, ...]]:
    """Captions from metadata files or texts beside the pictures, and labels where the metadata has them."""
    if not state.others:
        return items, False, ()
    rows: dict[str, Mapping[str, Any]] = {}
    masks: set[str] = set()
    for name in state.others:
        base, _, last = name.rpartition("/")
        if last.lower() in ("metadata.jsonl", "metadata.csv"):
            for row in _rows(name, state):
                rows[_below(base, row["file_name"])] = {**row, **_origin(base, row)}
                if row.get("mask_file_name"):
                    masks.add(_below(base, row["mask_file_name"]))
    items = [item for item in items if item.name not in masks]
    if rows:
        return _from_metadata(items, rows, state)
    beside = {i.name: posixpath.splitext(i.name)[0] + ".txt" for i in items}
    if 2 * sum(name in state.others for name in beside.values()) < max(len(items), 1):
        return items, False, ()
    said = {n: state.text(name) if name in state.others else "" for n, name in beside.items()}
    texts = {n: _lines([line.strip() for line in re.split(r"[\r\n]", text)]) for n, text in said.items()}
    _count_missing(texts, state)
    return [replace(i, caption=texts[i.name]) for i in items], True, ()


def _below(folder: str, name: Any) -> str:
    return "/".join(part for part in (folder, str(name).replace("\\", "/")) if part)


def _origin(folder: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """What a row says its picture was derived from, by the names of those pictures."""
    if not isinstance(row.get("derived_from"), list):
        return {}
    return {"derived_from": tuple(_below(folder, name) for name in row["derived_from"])}


def _count_missing(texts: Mapping[str, str], state: _Scan) -> None:
    missing = sum(not text for text in texts.values())
    if missing:
        state.notes.append(f"{missing} pictures have no caption; theirs is empty")


def _rows(name: str, state: _Scan) -> Sequence[Mapping[str, Any]]:
    text = state.text(name)
    rows: list[Mapping[str, Any]] = []
    bad = 0
    if name.lower().endswith(".csv"):
        try:
            rows = list(csv.DictReader(io.StringIO(text)))
        except csv.Error:
            bad = 1
    else:
        for line in filter(str.strip, text.splitlines()):
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                row = None
            rows.append(row) if isinstance(row, dict) else None
            bad += not isinstance(row, dict)
    good = [row for row in rows if row.get("file_name")]
    if bad or len(good) < len(rows):
        state.notes.append(f"{shown(name)}: {bad + len(rows) - len(good)} lines without a file_name are skipped")
    return good


def _from_metadata(
    items: list[Item], rows: Mapping[str, Mapping[str, Any]], state: _Scan
) -> tuple[list[Item], bool, tuple[str, ...]]:
    def field_of(item: Item, *names: str) -> Any:
        row = rows.get(item.name, {})
        return next((row[n] for n in names if row.get(n) not in (None, "", [])), None)

    lost = rows.keys() - {i.name for i in items} - {n for n, _ in state.left_out}
    if lost:
        state.notes.append(f"{len(lost)} pictures named in the metadata are not there, such as {shown(min(lost))}")
    items = [replace(i, sources=rows.get(i.name, {}).get("derived_from")) for i in items]
    texts = {i.name: _lines(field_of(i, "text", "caption", "prompt")) for i in items}
    captioned = any(texts.values())
    if captioned:
        items = [replace(i, caption=texts[i.name]) for i in items]
        _count_missing(texts, state)
    found = {i.name: field_of(i, "label") for i in items}
    labels = {name: None if label is None else str(label) for name, label in found.items()}
    if not any(labels.values()):
        return items, captioned, ()
    state.left_out += [(n, "no label in the metadata") for n, label in labels.items() if label is None]
    items = [replace(i, label=labels[i.name]) for i in items if labels[i.name] is not None]
    return items, captioned, _in_order({i.label for i in items if i.label})
