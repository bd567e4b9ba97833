"""Files that are either whole or absent: written to a temporary name, flushed to the disk, renamed last."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

from .errors import RunError


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    """Makes renames in `path` durable; a system that cannot open folders (Windows) does so by itself."""
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _rename(source: Path, target: Path) -> None:
    os.replace(source, target)  # noqa: PTH105 - one name to watch in tests


def explain(error: OSError, path: Path) -> RunError:
    """The one line for a write that failed."""
    if error.errno in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT):
        return RunError(f"the disk is full: {path.name} was not written; free some space, then go on with --resume")
    return RunError(f"cannot write {path}: {error.strerror or error}; choose a folder that can be written to")


def write_file(path: Path, data: bytes) -> None:
    """Puts `data` at `path`, or leaves what was there. A full disk raises `RunError`."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        _write(temporary, data)
        _rename(temporary, path)
        _sync_folder(path.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise explain(error, path) from error


def write_json(path: Path, value: Any) -> None:
    write_file(path, (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode())


def write_folder(path: Path, files: dict[str, bytes]) -> None:
    """Puts a folder with `files` at `path`, whole or not at all; an older one of that name is replaced."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir(parents=True)
        for name, data in files.items():
            _write(temporary / name, data)
        _sync_folder(temporary)
        if path.exists():
            shutil.rmtree(path)
        _rename(temporary, path)
        _sync_folder(path.parent)
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise explain(error, path) from error


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
