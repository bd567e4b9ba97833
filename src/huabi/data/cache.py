"""Pictures decoded once, into files that training reads by row.

    pictures/<key>/     images.u8 (and target.u8, other.u8, truth.u8), table.json; the key is of content and settings
    index/<key>.json    which of those a folder, as it lies now, has become, and what was found in it
    unpacked/, hub/     what can only be read after decompressing or downloading it
    features/           statistics of prepared pictures, see `huabi.metrics.reference`

A folder of the cache is made under a temporary name, flushed and renamed last: it is whole or it is not there.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from ..decoding import Fit
from ..durable import sync_folder, write_json
from ..errors import DataError, RequestError
from ..truth import VERSION
from ..truth import Facts as Words
from .files import SPARE, Progress, cache_root, shown
from .pool import Pool
from .preflight import (
    Preflight,
    Survey,
    advised_size,
    check_channels,
    check_size,
    jobs_of,
    report,
    require_usable,
    survey,
)
from .rows import Rows, row_sizes
from .sources import Item, Listing, scan
from .split import split
from .worker import Facts, Task

if TYPE_CHECKING:
    from .loader import PictureData

SIDES = re.compile(r"\b(left|right)\b|[左右]", re.IGNORECASE)  # in captions that a mirror would belie
FORMAT = 2
PLACES = ("pictures", "unpacked", "hub", "world", "features")


@dataclass(frozen=True)
class CacheEntry:
    """One prepared set of pictures."""

    name: str
    source: str
    pictures: int
    bytes: int
    used: float  # seconds since 1970


def digest(*parts: object) -> str:
    """A hash of what JSON can write, and of other things as they print."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:32]


def identity_of(listing: Listing) -> tuple[str, str]:
    """Where a listing's pictures are, and a hash that changes when one does by name, size, time, label or caption."""
    return place_of(listing), _state(listing)


def place_of(listing: Listing) -> str:
    """Where a listing's pictures are."""
    built_in = listing.kind in ("world", "digits", "hub")
    return listing.source if built_in else str(Path(listing.source).expanduser().absolute())


def _state(listing: Listing) -> str:
    digest = hashlib.sha256()
    for item in (*listing.items, None, *listing.other):
        if item is None:
            digest.update(b"other")
            continue
        partner = (item.partner.name, item.partner.stamp) if item.partner else None
        inline = hashlib.sha256(item.where.data).hexdigest() if item.where.kind == "bytes" else ""
        derived = () if item.sources is None else (item.sources,)
        line = repr((item.name, item.stamp, item.label, item.caption, partner, inline, *derived))
        digest.update(line.encode("utf-8", "surrogatepass"))
    digest.update(repr((listing.left_out, listing.notes)).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text("ascii"))
    except (OSError, ValueError):
        return None


@contextlib.contextmanager
def _alone(key: str, progress: Progress | None) -> Iterator[None]:
    """Holds the lock of `key`; a second process waits here and then finds the work done."""
    path = cache_root() / "locks" / f"{key}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    wait = 0.0
    while not lock.is_locked:
        try:
            lock.acquire(timeout=wait)
        except Timeout:
            wait = 1.0
            if progress is not None:
                progress("waiting for another process", 0, 0)
    try:
        yield
    finally:
        lock.release()


def _check_disk(needed: int) -> None:
    root = cache_root()
    free = shutil.disk_usage(root).free
    if needed + SPARE > free:
        gb = 1e9
        raise DataError(
            f"the cache needs {needed / gb:.2f} GB in {root}, {free / gb:.2f} GB are free: free some, "
            "choose a smaller size, or set HUABI_CACHE to a folder on another disk"
        )


def _known(listing: Listing) -> Words:
    """What is known of each picture of a listing: of drawn scenes, all."""
    if listing.kind != "world" or listing.pairing != "none":
        return ()
    from .world.truth import FACTS

    return FACTS


def _decode(listing: Listing, task: Task, folder: Path, progress: Progress | None) -> list[Survey]:
    """Decodes the listing into `folder` and surveys it; the other domain of unpaired data, too."""
    assert task.size is not None
    sizes = row_sizes(task.size, task.channels, listing.pairing, _known(listing))
    other = {"other": sizes.pop("other")} if "other" in sizes else {}
    _check_disk(len(listing.items) * sum(sizes.values()) + len(listing.other) * sum(other.values()))
    surveys = []
    for files, items in ((sizes, listing.items), (other, listing.other)):
        if not files:
            continue
        rows = Rows(folder, files)
        try:
            found = survey(items, task, progress, rows.add)
            rows.finish(found.kept)
        finally:
            rows.close()
        surveys.append(found)
    return surveys


def _split(items: Sequence[Item], found: Survey, numbers: list[int] | None) -> dict[str, list[int]]:
    """The split by row of the cache."""
    position = {n: row for row, n in enumerate(found.kept)}
    same_content: dict[bytes, list[int]] = {}
    for n in found.kept:
        same_content.setdefault(found.facts[n].sha, []).append(position[n])
    groups = [[position[n] for n in group] for group in found.near]
    near = {row for group in groups for row in group}
    groups += [rows for rows in same_content.values() if len(rows) > 1 and not near & set(rows)]
    keys = [_key(items[n], found.facts[n]) for n in found.kept]
    train, heldout = split(keys, groups, numbers, _sources(items, found, position))
    return {"train": train.tolist(), "heldout": heldout.tolist()}


def _sources(items: Sequence[Item], found: Survey, position: dict[int, int]) -> list[list[int] | None]:
    """The rows that each row's picture was derived from, None of an original; of twins, the one that was kept."""
    twin = {n: group[0] for group in found.duplicates for n in group}
    rows = {item.name: position[first] for n, item in enumerate(items) if (first := twin.get(n, n)) in position}
    origins = (items[n].sources for n in found.kept)
    return [None if names is None else [rows[name] for name in names if name in rows] for names in origins]


def _key(item: Item, facts: Facts) -> bytes:
    if item.label is None and item.caption is None:
        return facts.sha
    return facts.sha + repr((item.label, item.caption)).encode("utf-8", "surrogatepass")


def _table(listing: Listing, surveys: list[Survey], size: tuple[int, int], channels: int) -> dict[str, Any]:
    """All that is kept of the pictures besides their pixels."""
    found = surveys[0]
    items = [listing.items[n] for n in found.kept]
    used = {i.label for i in items}
    labels = [label for label in listing.labels if label in used]
    labels = labels if len(labels) > 1 else []
    numbers = [labels.index(i.label or "") for i in items] if labels else None
    content = sorted(_key(listing.items[n], found.facts[n]).hex() for n in found.kept)
    content += sorted(repr((i.name, i.sources)) for i in items if i.sources is not None)
    table: dict[str, Any] = {
        "format": FORMAT,
        "size": list(size),
        "channels": channels,
        "pairing": listing.pairing,
        "domains": listing.domains,
        "count": len(items),
        "labels": labels,
        "numbers": numbers,
        "captions": [i.caption or "" for i in items] if listing.captions else None,
        "facts": _known(listing),
        "names": [i.name for i in items],
        "sides": None if listing.kind == "world" else [found.facts[n][1:3] for n in found.kept],
        **_split(listing.items, found, numbers),
    }
    if len(surveys) > 1:
        second = surveys[1]
        table["others"] = len(second.kept)
        other = _split(listing.other, second, None)
        table |= {f"other_{k}": v for k, v in other.items()}
        content += ["other", *sorted(second.facts[n].sha.hex() for n in second.kept)]
    if table["facts"]:
        content.append(f"truth {VERSION}")
    table["content"] = digest(content)
    return table


def _advised(listing: Listing, halves: bool, progress: Progress | None) -> int:
    """The advised size, from the headers alone."""
    items = (*listing.items, *listing.other)
    sides: list[int] = []
    with Pool(Task(measure=True, halves=halves), len(items)) as pool:
        for n, facts in enumerate(pool.results(jobs_of(items))):
            if not isinstance(facts, str):
                sides.append(min(facts.rows, facts.columns))
            if progress is not None and n % 256 == 255:
                progress("measuring", n + 1, len(items))
    return advised_size(sides)


def _whole(folder: Path) -> dict[str, Any] | None:
    """The table of a cache folder, or None where it is not there or its files are not of the size they must be."""
    table = _read_json(folder / "table.json")
    if not isinstance(table, dict) or table.get("format") != FORMAT:
        return None
    sizes = row_sizes(table["size"], table["channels"], table["pairing"], table["facts"])
    counts = {name: table["others" if name == "other" else "count"] for name in sizes}
    try:
        whole = all((folder / f"{name}.u8").stat().st_size == counts[name] * row for name, row in sizes.items())
    except OSError:
        return None
    return table if whole else None


def _build(
    listing: Listing, size: tuple[int, int] | None, task: Task, key: str, progress: Progress | None
) -> tuple[Preflight, str, tuple[int, int]]:
    """Makes the cache of a listing; the preflight, the name of the folder that holds it, and the pictures' size."""
    pictures = cache_root() / "pictures"
    pictures.mkdir(parents=True, exist_ok=True)
    for left in pictures.glob(f".{key}.*.tmp"):  # of a process that was killed: this one holds the lock
        shutil.rmtree(left, ignore_errors=True)
    size = size or check_size(_advised(listing, task.halves, progress))
    task = Task(size, task.channels, task.fit, task.halves)
    temp = pictures / f".{key}.{uuid.uuid4().hex[:8]}.tmp"
    temp.mkdir()
    try:
        surveys = _decode(listing, task, temp, progress)
        findings = report(listing, surveys)
        require_usable(findings, [len(s.kept) for s in surveys])
        table = _table(listing, surveys, size, task.channels)
        write_json(temp / "table.json", table)
        sync_folder(temp)
        name = digest(FORMAT, table["content"], size, task.channels, task.fit, listing.pairs)
        with _alone(name, None):  # another folder may hold the same pictures
            if _whole(pictures / name) is None:
                shutil.rmtree(pictures / name, ignore_errors=True)
                temp.rename(pictures / name)
                sync_folder(pictures)
    except OSError as error:
        raise DataError(f"the cache in {pictures} cannot be written ({error.strerror}); set HUABI_CACHE") from None
    finally:
        shutil.rmtree(temp, ignore_errors=True)
    return findings, name, size


def prepare(
    data: str | Path,
    *,
    size: tuple[int, int] | int | None = None,
    channels: int = 3,
    fit: Fit = "crop",
    flip: bool | None = None,
    pairs: str | None = None,
    progress: Progress | None = None,
    balance: bool = False,
) -> PictureData:
    """Pictures ready to train on: decoded once by all cores into a cache, which is found again next time.

    Args:
        data: see `scan`.
        size: (rows, columns) or both at once; the advised one by default.
        fit: how pictures of other proportions are brought to it; see `fit_picture`.
        flip: whether training mirrors pictures; by default yes, but for the digits, the picture world, and where a
            caption tells left from right.
        balance: whether training takes as many pictures of each class.
        progress: called with what is being done, how many are done, and of how many.

    Raises DataError where there are fewer than 4 usable pictures or no room; RequestError for a size that is none.
    """
    checked = None if size is None else check_size(size)
    check_channels(channels)
    if fit not in ("crop", "pad", "squash"):
        raise RequestError(f"fit {fit!r}: crop, pad and squash are possible")
    listing = scan(data, pairs, progress)
    if flip and listing.kind == "world":
        raise RequestError("what is said of the picture world names left and right: leave --flip out")
    task = Task(None, channels, fit, pairs == "side-by-side")
    place, state = identity_of(listing)

    def key(size: Sequence[int] | None) -> str:
        told = [VERSION] if _known(listing) else []
        return digest(FORMAT, place, size, channels, fit, pairs, *told)

    def index(size: Sequence[int] | None) -> Path:
        return cache_root() / "index" / f"{key(size)}.json"

    try:
        with _alone(key(checked), progress):
            known = _read_json(index(checked))
            folder = cache_root() / "pictures" / str(known.get("cache")) if isinstance(known, dict) else None
            if known is None or known.get("state") != state or folder is None or _whole(folder) is None:
                findings, name, size_made = _build(listing, checked, task, key(checked), progress)
                known = {"state": state, "cache": name, "source": place, "findings": findings.to_json()}
                index(checked).parent.mkdir(parents=True, exist_ok=True)
                for asked_size in (size_made, checked):  # who resumes a run asks for the size that was advised
                    write_json(index(asked_size), known)
    except OSError as error:
        raise DataError(f"the cache in {cache_root()} cannot be used ({error.strerror}); set HUABI_CACHE") from None
    if flip is None:
        told = any(item.caption and SIDES.search(item.caption) for item in listing.items)
        flip = listing.kind not in ("digits", "world") and not told
    asked = {"channels": channels, "fit": fit, "flip": flip, "pairs": pairs, "balance": balance}
    return _opened(cache_root() / "pictures" / known["cache"], Preflight.from_json(known["findings"]), asked)


def _opened(folder: Path, findings: Preflight, asked: Mapping[str, Any]) -> PictureData:
    from ..model import DataSpec
    from .loader import PictureData

    table = _whole(folder)
    if table is None:
        raise DataError(f"the cache {folder} was removed while it was being opened: run again")
    os.utime(folder / "table.json")
    shape = (*table["size"], table["channels"])
    sizes = row_sizes(table["size"], table["channels"], table["pairing"], table["facts"])

    def mapped(name: str) -> np.memmap | None:
        if name not in sizes:
            return None
        count = table["others" if name == "other" else "count"]
        row = (sizes[name],) if name == "truth" else shape
        return np.memmap(folder / f"{name}.u8", np.uint8, "r", shape=(count, *row))

    def rows(name: str) -> NDArray[np.int64]:
        return np.array(table.get(name, []), np.int64)

    train = rows("train")
    numbers = None if table["numbers"] is None else np.array(table["numbers"], np.int64)
    counts = np.bincount(numbers[train], minlength=len(table["labels"])) if numbers is not None else np.zeros(0)
    captions, images, sides = table["captions"], mapped("images"), table.get("sides") or None
    assert images is not None
    return PictureData(
        spec=DataSpec(
            size=(table["size"][0], table["size"][1]),
            channels=table["channels"],
            labels=tuple(table["labels"]),
            captions=captions is not None,
            pairing=table["pairing"],
            domains=tuple(table.get("domains", ())),
            count=len(train),
            weights=tuple((counts / max(counts.sum(), 1)).tolist()) if numbers is not None else (),
            facts=tuple((name, tuple(words)) for name, words in table["facts"]),
            sized=len(set(map(tuple, sides or ()))) > 1,
        ),
        content=table["content"],
        images=images,
        labels=numbers,
        captions=None if captions is None else tuple(tuple(said.split("\n")) for said in captions),
        target=mapped("target"),
        other=mapped("other"),
        truth=mapped("truth"),
        sides=None if sides is None else np.array(sides, np.int64),
        train=train,
        heldout=rows("heldout"),
        flip=asked["flip"],
        findings=findings,
        settings={"size": table["size"], **asked},
        other_train=rows("other_train"),
        other_heldout=rows("other_heldout"),
        names=tuple(shown(name) for name in table["names"]),
    )


def caches() -> list[CacheEntry]:
    """What is cached, the last used first."""
    root = cache_root()
    sources = {}
    for index in (root / "index").glob("*.json"):
        known = _read_json(index)
        if isinstance(known, dict):
            sources[known.get("cache")] = str(known.get("source"))
    found = []
    for folder in (root / "pictures").glob("[!.]*"):
        table = _whole(folder)
        size = sum(f.stat().st_size for f in folder.iterdir())
        used = max((f.stat().st_mtime for f in folder.iterdir()), default=time.time())
        pictures = table["count"] + table.get("others", 0) if table else 0
        found.append(CacheEntry(folder.name, shown(sources.get(folder.name, "unknown")), pictures, size, used))
    return sorted(found, key=lambda e: -e.used)


def clear_caches(*names: str) -> int:
    """Removes the prepared sets of these names, or everything cached; returns the bytes that were freed."""
    root = cache_root()
    freed = 0
    places = [root / "pictures" / n for n in names] or [root / n for n in PLACES]
    for place in places:
        if place.resolve().parent not in (root.resolve(), (root / "pictures").resolve()):
            raise RequestError(f"no cache {place.name!r}")
        freed += sum(f.stat().st_size for f in place.rglob("*") if f.is_file())
        shutil.rmtree(place, ignore_errors=True)
    for index in (root / "index").glob("*.json"):
        known = _read_json(index)
        if not names or (isinstance(known, dict) and known.get("cache") in names):
            index.unlink(missing_ok=True)
    return freed
