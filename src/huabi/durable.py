"""Files that are either whole or absent: written to a temporary name, flushed to the disk, renamed last."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .errors import RunError

FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)  # errors of a disk that has no room


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """Makes renames in `path` durable; Windows keeps its own order and lets no folder be opened."""
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _rename(source: Path, target: Path) -> None:
    os.replace(source, target)  # noqa: PTH105 - one name to watch in tests


def temporary(path: Path) -> Path:
    """A name beside `path` that nobody else takes, hidden and easily swept up."""
    return path.with_name(f".{path.name[:100]}.{uuid.uuid4().hex[:8]}.tmp")


def write_file(path: Path, data: bytes) -> None:
    """Puts `data` at `path`, or leaves what was there; raises OSError, such as for a full disk."""
    temp = temporary(path)
    try:
        _write(temp, data)
        _rename(temp, path)
        sync_folder(path.parent)
    finally:
        temp.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """As `write_file`; names that are no UTF-8 survive as escapes."""
    write_file(path, (json.dumps(value, indent=1) + "\n").encode("ascii"))


def write_folder(path: Path, files: dict[str, bytes]) -> None:
    """Puts a folder with `files` at `path`, whole or not at all; an older one of that name is replaced."""
    temp = temporary(path)
    try:
        temp.mkdir(parents=True)
        for name, data in files.items():
            _write(temp / name, data)
        sync_folder(temp)
        if path.exists():
            shutil.rmtree(path)
        _rename(temp, path)
        sync_folder(path.parent)
    finally:
        shutil.rmtree(temp, ignore_errors=True)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turns the OSError of a failed write in a run into one line that says what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            line = f"the disk is full: {path.name} was not written; free some space, then go on with --resume"
        else:
            line = f"cannot write {path}: {error.strerror or error}; choose a folder that can be written to"
        raise RunError(line) from error


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
