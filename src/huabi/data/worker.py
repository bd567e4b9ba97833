"""A process that decodes pictures: it reads lists of jobs from its input and writes lists of results.

Run by `pool`; it loads no torch and no numpy unless a picture needs it, so that it starts in a blink.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import signal
import struct
import sys
from dataclasses import dataclass
from typing import IO, Any, NamedTuple

from PIL import Image

from ..decoding import MODES, Decoded, Fit, PictureError, decode, fit_picture, why
from .files import Where, read

_NEAR = 128  # sides that hashes are taken from at least, so that the size asked for hardly changes them


@dataclass(frozen=True)
class Task:
    """What is done to each picture."""

    size: tuple[int, int] | None = None  # None: looked at only
    channels: int = 3
    fit: Fit = "crop"
    halves: bool = False  # input left, result right, in one picture
    measure: bool = False  # sizes alone, from the headers


class Facts(NamedTuple):
    """What one picture, or one pair, turned out to be."""

    sha: bytes  # of the file's bytes; of both, for a pair
    rows: int
    columns: int
    mode: str
    format: str
    outline: bytes  # 8 rows of 9 grey values, for the difference hash
    thumb: bytes  # 8 x 8 x 3
    blank: bool
    pixels: bytes = b""  # H x W x C
    target: bytes = b""
    truth: bytes = b""  # of a drawn scene, see `huabi.truth`


Job = tuple[Where, Where | None]


def _decoded(data: bytes, task: Task, channels: int) -> Decoded:
    near = None
    if not task.halves:
        near = (max(_NEAR, *(task.size or (0,))), max(_NEAR, *(task.size or (0,))))
    return decode(data, channels, near=near)


def examine(job: Job, task: Task) -> Facts | str:
    """The facts of one job, or why it is left out; never raises for what a file holds."""
    try:
        return _examine(job, task)
    except (PictureError, OSError, MemoryError, ValueError) as error:
        return why(error)


def _examine(job: Job, task: Task) -> Facts | str:
    where, partner = job
    if where.kind == "world":
        return _drawn(where, partner, task)
    data = read(where)
    if task.measure:
        return _measure(data, task)
    if not data:
        return "an empty file"
    sha = hashlib.sha256(data).digest()
    picture = _decoded(data, task, task.channels)
    image, size, result = picture.image, picture.size, None
    if task.halves:
        if image.width < 2:
            return "too narrow to be two halves"
        half = image.width // 2
        image, result = image.crop((0, 0, half, image.height)), image.crop((image.width - half, 0, *image.size))
        size = (size[0], size[1] // 2)
    elif partner is not None:
        try:
            second = read(partner)
            result = _decoded(second, task, task.channels).image
        except (PictureError, OSError, MemoryError, ValueError) as error:
            return f"its partner: {why(error)}"
        sha = hashlib.sha256(sha + hashlib.sha256(second).digest()).digest()
    return _facts(sha, size, picture.mode, picture.format, image, result, task)


def _drawn(where: Where, partner: Where | None, task: Task) -> Facts:
    """A picture of the world, drawn at the size asked for, and its partner, if it has one."""
    from .world.scene import STYLES
    from .world.spec import FORMAT, Picture
    from .world.styles import draw
    from .world.truth import record

    size = task.size or (where.size, where.size)
    if task.measure:
        return Facts(b"", *size, "", "", b"", b"", False)

    what = [(one.offset, one.path, one.fixed) for one in (where, partner) if one is not None]
    sha = hashlib.sha256(repr((FORMAT, *(what if partner else what[0]))).encode()).digest()
    scenes = [Picture(*one).scene(size[1] / size[0]) for one in what]
    drawn = [Image.fromarray(draw(scene, size, style)) for scene, (_, style, _) in zip(scenes, what)]
    image, *other = (one.convert(MODES[task.channels]) for one in drawn)
    facts = _facts(sha, size, "RGB", "world", image, other[0] if other else None, task)
    if not task.size or other or where.path not in STYLES:
        return facts
    return facts._replace(truth=record(scenes[0], where.path, size))


def _facts(
    sha: bytes,
    size: tuple[int, int],
    mode: str,
    format: str,
    image: Image.Image,
    result: Image.Image | None,
    task: Task,
) -> Facts:
    colour = image if image.mode == "RGB" else image.convert("RGB")
    small = Image.Resampling.BOX
    outline = colour.convert("L").resize((9, 8), small, reducing_gap=2.0).tobytes()
    thumb = colour.resize((8, 8), small, reducing_gap=2.0).tobytes()
    blank = all(high - low <= 2 for low, high in _extremes(image))
    pixels = target = b""
    if task.size is not None:
        pixels = fit_picture(image, task.size, task.fit).tobytes()
        target = fit_picture(result, task.size, task.fit).tobytes() if result is not None else b""
    return Facts(sha, *size, mode, format, outline, thumb, blank, pixels, target)


def _extremes(image: Image.Image) -> tuple[Any, ...]:
    found: Any = image.getextrema()
    return found if isinstance(found[0], tuple) else (found,)


def _measure(data: bytes, task: Task) -> Facts:
    from ..decoding import MAX_PIXELS, opened

    with opened(data, MAX_PIXELS) as image:
        columns, rows = image.size
    return Facts(b"", rows, columns // 2 if task.halves else columns, "", "", b"", b"", False)


def send(stream: IO[bytes], value: Any) -> None:
    data = pickle.dumps(value, protocol=5)
    stream.write(struct.pack("<Q", len(data)) + data)
    stream.flush()


def receive(stream: IO[bytes]) -> Any:
    """The next value; raises EOFError where the other side is gone. Only our own processes are at the other end."""
    head = stream.read(8)
    if len(head) < 8:
        raise EOFError
    size = struct.unpack("<Q", head)[0]
    data = stream.read(size)
    if len(data) < size:
        raise EOFError
    return pickle.loads(data)


def main() -> None:
    """Answers lists of jobs until its input ends, as it does when the process that wants them dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole group; the parent decides
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a library that prints must not speak into the pipe
    task: Task = receive(sys.stdin.buffer)
    send(out, "ready")
    while True:
        try:
            jobs = receive(sys.stdin.buffer)
            send(out, [examine(job, task) for job in jobs])
        except (EOFError, BrokenPipeError):
            return
