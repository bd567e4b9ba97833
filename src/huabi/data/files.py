"""Files in folders and archives, listed without being opened, and read later by any process."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import os
import posixpath
import shutil
import stat
import sys
import tarfile
import uuid
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from ..decoding import PictureError
from ..errors import DataError

Progress = Callable[[str, int, int], None]  # what is being done, how much of it is done, and of how much

PICTURES = frozenset(
    (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".dib", ".gif", ".tif", ".tiff", ".avif")
) | {".ppm", ".pgm", ".pnm", ".jp2"}
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.bz2", ".tbz2")
_JUNK = frozenset(("__macosx", "thumbs.db", "desktop.ini", "@eadir", "$recycle.bin"))
_MAGIC = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM", b"RIFF", b"II*\0", b"MM\0*")
LARGEST = 1 << 29  # bytes of one picture's file; a larger one is an accident or an attack
SPARE = 1 << 28  # bytes of the disk that stay free


@dataclass(frozen=True, slots=True)
class Where:
    """Where the bytes of a file lie; small, and can be sent to another process."""

    kind: Literal["file", "zip", "slice", "bytes", "world"]
    path: str = ""  # of the file; of a picture of the world, its style
    member: str = ""
    offset: int = 0  # in the file; of a picture of the world, its seed
    size: int = 0  # in bytes; of a picture of the world, its side in pixels
    data: bytes = b""
    fixed: tuple[tuple[str, str], ...] = ()  # what is settled of a scene of the world


@dataclass(frozen=True, slots=True)
class Entry:
    name: str  # below the root, with forward slashes
    where: Where
    stamp: str  # changes when the file does


@dataclass
class Found:
    """What lies below a root."""

    entries: list[Entry] = field(default_factory=list)
    broken: list[tuple[str, str]] = field(default_factory=list)
    hidden: int = 0
    circles: int = 0  # links that lead back to where one is


def cache_root() -> Path:
    """The folder of everything cached: HUABI_CACHE, or the platform's own place for it."""
    if os.environ.get("HUABI_CACHE"):
        return Path(os.environ["HUABI_CACHE"]).expanduser().absolute()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "huabi" / "cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "huabi"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "huabi"


def shown(name: str) -> str:
    """`name` as it can be printed on one line: what is no UTF-8 and what is no character is escaped."""
    if name.isascii() and name.isprintable():  # as nearly all of 100,000 names are
        return name
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


@lru_cache(maxsize=4)
def _zip(path: str, mtime: int) -> zipfile.ZipFile:
    return zipfile.ZipFile(path)


def read(where: Where) -> bytes:
    """The bytes of a file; raises `PictureError` where they cannot be read or are absurdly many."""
    if where.kind == "bytes":
        return where.data
    if where.kind == "file":
        with Path(where.path).open("rb") as file:
            if os.fstat(file.fileno()).st_size > LARGEST:
                raise PictureError("a file of more than 512 MB")
            return file.read()
    if where.size > LARGEST:
        raise PictureError("a file of more than 512 MB")
    if where.kind == "slice":
        with Path(where.path).open("rb") as file:
            file.seek(where.offset)
            return file.read(where.size)
    archive = _zip(where.path, Path(where.path).stat().st_mtime_ns)
    try:
        with archive.open(where.member) as member:
            data = member.read(LARGEST + 1)
    except RuntimeError:
        raise PictureError("locked with a password") from None
    except (zipfile.BadZipFile, NotImplementedError, KeyError, EOFError, ValueError, OSError, lzma.LZMAError):
        raise PictureError("damaged within the archive") from None
    if len(data) > LARGEST:
        raise PictureError("a file of more than 512 MB")
    return data


def is_picture(name: str, head: Callable[[], bytes] | None = None) -> bool:
    """By its suffix; a name without one is judged by its first bytes, where `head` gives them."""
    suffix = posixpath.splitext(name)[1].lower()
    if suffix.strip(".") or head is None:
        return suffix in PICTURES
    try:
        return head().startswith(_MAGIC)
    except OSError:
        return False


def _is_junk(name: str) -> bool:
    return name.startswith(".") or name.lower() in _JUNK


def walk(root: Path) -> Found:
    """All files below `root`, links followed but each folder entered once; hidden ones are only counted."""
    found = Found()
    top = root.stat()
    seen = {(top.st_dev, top.st_ino)}
    stack = [(str(root), "")]
    while stack:
        folder, prefix = stack.pop()
        try:
            with os.scandir(folder) as scan:
                inside = sorted(scan, key=lambda e: (e.is_symlink(), e.name))
        except OSError as error:
            found.broken.append((prefix.rstrip("/") or ".", f"folder cannot be read ({error.strerror})"))
            continue
        for entry in inside:
            if _is_junk(entry.name):
                found.hidden += 1
                continue
            name = prefix + entry.name
            try:
                info = os.stat(entry.path)  # noqa: PTH116 - a Path for each of 100,000 files is slow
            except OSError as error:
                reason = "a link in a circle" if error.errno == 40 or "ymbolic" in str(error) else "a link to nothing"
                reason = reason if entry.is_symlink() else f"cannot be read ({error.strerror})"
                found.broken.append((name, reason))
                continue
            if stat.S_ISDIR(info.st_mode):
                key = (info.st_dev, info.st_ino)
                if key in seen and info.st_ino:
                    found.circles += 1
                else:
                    seen.add(key)
                    stack.append((entry.path, name + "/"))
            elif stat.S_ISREG(info.st_mode):
                where = Where("file", entry.path, size=info.st_size)
                found.entries.append(Entry(name, where, f"{info.st_size}:{info.st_mtime_ns}"))
    found.entries.sort(key=lambda e: os.fsencode(e.name))
    return found


def _unsafe(name: str) -> bool:
    parts = name.replace("\\", "/").split("/")
    return name.startswith(("/", "\\")) or ".." in parts or ":" in parts[0] or "\0" in name


def list_archive(path: Path) -> Found:
    """All files in a .zip or .tar; nothing is unpacked, so that no member can write anywhere."""
    info = path.stat()
    stamp = f"{info.st_size}:{info.st_mtime_ns}"
    try:
        return _list_zip(path, stamp) if zipfile.is_zipfile(path) else _list_tar(path, stamp)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, lzma.LZMAError, ValueError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise DataError(f"{shown(str(path))}: {error.strerror}; free some disk or check the file") from None
        raise DataError(f"{shown(str(path))} is no archive that can be read; download it again") from None


def _add(found: Found, name: str, where: Where, stamp: str) -> None:
    name = name.replace("\\", "/").removeprefix("./")
    if _unsafe(name):
        found.broken.append((name, "a name that leads out of the archive"))
    elif any(_is_junk(part) for part in name.split("/")):
        found.hidden += 1
    else:
        found.entries.append(Entry(name, where, stamp))


def _list_zip(path: Path, stamp: str) -> Found:
    found = Found()
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if not member.is_dir():
                where = Where("zip", str(path), member.filename, size=member.file_size)
                _add(found, member.filename, where, f"{stamp}:{member.CRC}")
    found.entries.sort(key=lambda e: os.fsencode(e.name))
    return found


def _list_tar(path: Path, stamp: str) -> Found:
    found = Found()
    plain = _plain_tar(path, stamp)
    with tarfile.open(plain, "r:") as archive:
        for member in archive:
            if member.isreg() and not member.issparse():
                where = Where("slice", str(plain), offset=member.offset_data, size=member.size)
                _add(found, member.name, where, f"{stamp}:{member.size}")
            elif not member.isdir():
                found.broken.append((member.name, "a link or device within an archive"))
    found.entries.sort(key=lambda e: os.fsencode(e.name))
    return found


def _plain_tar(path: Path, stamp: str) -> Path:
    """`path` itself, or its decompressed copy in the cache: only a plain .tar can be read at any place."""
    with path.open("rb") as file:
        head = file.read(6)
    openers: tuple[tuple[bytes, Any], ...] = ((b"\x1f\x8b", gzip.open), (b"\xfd7zXZ", lzma.open), (b"BZh", bz2.open))
    opener = next((o for magic, o in openers if head.startswith(magic)), None)
    if opener is None:
        return path
    key = hashlib.sha256(os.fsencode(f"{path.absolute()}:{stamp}")).hexdigest()[:20]
    target = cache_root() / "unpacked" / f"{key}.tar"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        temp = target.with_name(f".{key}.{uuid.uuid4().hex[:8]}.tmp")
        try:
            with opener(path, "rb") as packed, temp.open("wb") as out:
                while block := packed.read(1 << 22):
                    if shutil.disk_usage(target.parent).free < SPARE:
                        raise DataError(f"no room to unpack {path.name} in {target.parent}: set HUABI_CACHE elsewhere")
                    out.write(block)
                out.flush()
                os.fsync(out.fileno())
            temp.replace(target)
        finally:
            temp.unlink(missing_ok=True)
    return target
