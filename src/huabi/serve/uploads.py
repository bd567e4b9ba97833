"""Data that a client sends to train on: pictures and captions under safe names, in a new folder, and bounded."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import BinaryIO, NamedTuple

from ..data.files import PICTURES, SPARE, list_archive, read
from ..decoding import PictureError
from ..durable import FULL
from ..errors import DataError, RequestError

FILES = 256  # of one call
LARGEST = 64 << 20  # bytes of a file
MOST = 50_000  # files of a folder
ROOM = 4 << 30  # bytes of a folder
DEEP = 4  # folders in folders
LONGEST = 120  # bytes of a part of a name
NAMES = (".txt", ".json", ".jsonl", ".csv")  # captions and metadata
COMING = ".coming-"  # begins the names of what is not whole yet
STALE = 86_400.0  # seconds after which nobody works on that any more
MARK = ".sent"  # in a folder that was made here: no other is ever added to
_BAD = frozenset('<>:"|?*')
_DEVICES = frozenset(("con", "prn", "aux", "nul", *(f"{d}{n}" for d in ("com", "lpt") for n in range(1, 10))))


class Sent(NamedTuple):
    """A file as it came: its name, which is not believed, and what is in it."""

    name: str
    file: BinaryIO


class Kept(NamedTuple):
    """How many files were taken, and how many left out."""

    taken: int
    left_out: int


def safe(name: str) -> PurePosixPath | None:
    """The name that a file gets below its folder; None where it is no picture, no caption, or leads elsewhere."""
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
    if not 1 <= len(parts) <= DEEP or not all(map(_plain, parts)):
        return None
    path = PurePosixPath(*parts)
    return path if path.suffix.lower() in (*PICTURES, *NAMES) else None


def _plain(part: str) -> bool:
    """Whether a part of a name can be one on any system, and hides nothing."""
    if len(part.encode("utf-8", "replace")) > LONGEST or not part.isprintable() or _BAD & {*part}:
        return False
    ends = part.startswith((".", " ")) or part.endswith((".", " "))
    return not ends and part.split(".")[0].lower() not in _DEVICES


def take(folder: Path, sent: Sequence[Sent], more: bool) -> Kept:
    """Puts files into a new folder, or with `more` to those that were sent there before; zips are unpacked.

    Raises `RequestError` where the folder is another's, where nothing can be used, or where it is too much.
    """
    if more:
        if not (folder / MARK).is_file():
            raise RequestError(f"{folder.name} was not sent here; nothing is added to it")
        return _written(folder, sent)
    if folder.exists():
        raise RequestError(f"there are data called {folder.name} already; give another name")
    with _coming(folder) as place:
        kept = _written(place, sent)
        if not kept.taken:
            raise RequestError("none of these files is a picture; send pictures, or a .zip of them")
        try:
            place.rename(folder)
        except OSError:
            raise RequestError(f"there are data called {folder.name} already; give another name") from None
    return kept


@contextmanager
def _coming(folder: Path) -> Iterator[Path]:
    """A hidden folder beside `folder`, which is gone afterwards; those of servers that were killed go with it."""
    for old in folder.parent.glob(f"{COMING}*"):
        with suppress(OSError):
            if time.time() - old.stat().st_mtime > STALE:
                shutil.rmtree(old, ignore_errors=True)
    place = folder.with_name(f"{COMING}{secrets.token_hex(8)}")
    try:
        place.mkdir(parents=True)
        (place / MARK).touch()
    except OSError as error:
        if error.errno in FULL:
            raise
        raise RequestError(f"the data cannot be kept ({error.strerror}); ask whoever runs the server") from None
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _written(folder: Path, sent: Sequence[Sent]) -> Kept:
    try:
        return _put(folder, sent)
    except OSError as error:
        if error.errno in FULL:
            raise
        raise RequestError(f"the data cannot be written ({error.strerror}); ask whoever runs the server") from None


def _put(folder: Path, sent: Sequence[Sent]) -> Kept:
    there = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    count, room, taken, left_out = len(there), ROOM - sum(there), 0, 0
    for name, data in _files(folder, sent):
        place = safe(name)
        if place is None or data is None or (folder / place).exists():
            left_out += 1
            continue
        count, room, taken = count + 1, room - len(data), taken + 1
        if count > MOST or room < 0:
            raise RequestError(f"a folder holds at most {MOST:,} files and {ROOM >> 30} GB; send fewer")
        if shutil.disk_usage(folder).free < SPARE:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        with (folder / place).open("xb") as file:
            file.write(data)
    return Kept(taken, left_out)


def _files(folder: Path, sent: Sequence[Sent]) -> Iterator[tuple[str, bytes | None]]:
    """Names and bytes, those in archives as well; None where a file is too large or cannot be read."""
    for name, file in sent:
        if name.lower().endswith(".zip"):
            yield from _unpacked(folder, file)
        else:
            data = file.read(LARGEST + 1)
            yield name, data if len(data) <= LARGEST else None


def _unpacked(folder: Path, file: BinaryIO) -> Iterator[tuple[str, bytes | None]]:
    """What a zip holds; a folder that holds all of it is no label and is left out of the names."""
    with TemporaryDirectory(dir=folder.parent, prefix=COMING, ignore_cleanup_errors=True) as temporary:
        archive = Path(temporary) / "sent.zip"
        with archive.open("wb") as copy:
            shutil.copyfileobj(file, copy)
        try:
            entries = list_archive(archive).entries[: MOST + 1]
        except DataError:
            raise RequestError("this .zip cannot be read; pack it again, or send the pictures themselves") from None
        tops = {entry.name.partition("/")[0] for entry in entries}
        cut = len(next(iter(tops))) + 1 if len(tops) == 1 and all("/" in entry.name for entry in entries) else 0
        for entry in entries:
            if safe(entry.name[cut:]) is None or entry.where.size > LARGEST:
                yield entry.name[cut:], None
                continue
            try:
                yield entry.name[cut:], read(entry.where)
            except PictureError:
                yield entry.name[cut:], None
