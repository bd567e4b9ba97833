"""Films, written and read: GIF and WebP by Pillow, MP4 by PyAV, and folders of frames."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from PIL import Image, ImageSequence

from ..decoding import MAX_PIXELS, PictureError, flatten, opened
from ..durable import temporary, write_file
from ..errors import DataError, RequestError
from ..pictures import SAVED_AS, open_picture

FRAMES = 32
RATE = 12  # frames a second
REST = 24  # frames for which the finished picture stays
TICK = Fraction(1, 1000)  # of a second, in which the times of an .mp4 are told
SUFFIXES = (".gif", ".webp", ".mp4")


@dataclass(frozen=True)
class Film:
    """RGB frames of one size, which can be gone through once and again."""

    path: Path
    times: tuple[float, ...]  # for how many milliseconds each frame is shown

    def __len__(self) -> int:
        return len(self.times)

    def __iter__(self) -> Iterator[Image.Image]:
        for frame, _ in _frames(self.path):
            yield frame


def is_film(path: Path) -> bool:
    """Whether a path holds moving pictures: an .mp4, a .gif or .webp of several frames, or a folder of frames.

    Raises `PictureError` where a .gif or .webp cannot be read.
    """
    if path.is_dir() or path.suffix.lower() == ".mp4":
        return True
    if path.suffix.lower() not in SUFFIXES:
        return False
    with opened(path, MAX_PIXELS, str(path)) as image:
        return getattr(image, "n_frames", 1) > 1


def read_film(path: Path) -> Film:
    """The film of a file, or of a folder whose pictures are its frames by name.

    All of it is gone through first: raises `DataError` where a frame cannot be read or is of another size.
    """
    if not path.is_dir():
        check_film(path, "")
    times = tuple(time for _, time in _frames(path))
    if not times:
        raise DataError(f"{path} holds no pictures: a film is a folder of frames, .gif, .webp or .mp4")
    return Film(path, times)


def check_film(path: Path, option: str = "--film") -> None:
    """Raises RequestError where a film cannot be written under this name, before anything is painted for it."""
    name = f"{option} {path}".strip()
    if path.suffix.lower() not in SUFFIXES:
        raise RequestError(f"{name}: films are .gif, .webp or .mp4")
    if path.suffix.lower() == ".mp4" and importlib.util.find_spec("av") is None:
        raise RequestError(f"{name}: .mp4 needs one more package: pip install 'huabi[film]'; .gif does not")


def save_film(frames: Iterable[Image.Image], path: Path, times: Sequence[float]) -> None:
    """Writes RGB frames of one size as a film, whole or not at all.

    An .mp4 takes each frame as it comes; of .gif and .webp Pillow holds all of them.

    Args:
        times: for how many milliseconds each frame is shown.
    """
    check_film(path)
    kind = path.suffix.lower()
    path.parent.mkdir(parents=True, exist_ok=True)
    made = temporary(path)
    try:
        if kind == ".mp4":
            _write_mp4(frames, times, made)
        else:
            first, *others = frames
            options = {"quality": 80, "method": 2} if kind == ".webp" else {}
            shown = list(_ticks(times, 10 if kind == ".gif" else 1))
            first.save(made, kind[1:].upper(), save_all=True, append_images=others, duration=shown, loop=0, **options)
        made.replace(path)
    finally:
        made.unlink(missing_ok=True)


def painting_times(count: int) -> list[float]:
    """Milliseconds of each frame of a picture in the making: the last one, which is finished, stays for two seconds."""
    return [1000 / RATE] * (count - 1) + [1000 * REST / RATE]


def save_text(text: str, path: Path) -> None:
    """Writes a text file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, text.encode())


def _frames(path: Path) -> Iterator[tuple[Image.Image, float]]:
    """Each frame, and for how many milliseconds it is shown."""
    if path.is_dir():
        yield from _pictures(path)
    elif path.suffix.lower() == ".mp4":
        yield from _video(path)
    else:
        with opened(path, MAX_PIXELS, str(path)) as image:
            for frame in ImageSequence.Iterator(image):
                picture = flatten(frame.copy(), 3)  # before its time is asked for, which WebP knows once it is decoded
                yield picture, frame.info.get("duration") or 1000 / RATE


def _pictures(folder: Path) -> Iterator[tuple[Image.Image, float]]:
    size = None
    found = (path for path in folder.iterdir() if path.suffix.lower() in SAVED_AS and path.name[0] != ".")
    for path in sorted(found, key=_numbered):
        frame = open_picture(path)
        if size is not None and frame.size != size:
            sizes = [f"{width}x{height}" for width, height in (frame.size, size)]
            raise DataError(f"{path} has {sizes[0]} pixels, the frames before {sizes[1]}: bring all to one size")
        size = frame.size
        yield frame, 1000 / RATE


def _numbered(path: Path) -> list[tuple[int, str]]:
    """What files are sorted by, numbers in their names as such: frame2 before frame10."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"([0-9]+)", path.name)]


def _ticks(times: Iterable[float], tick: int) -> Iterator[int]:
    """Each frame's time in milliseconds, in whole ticks of so many: none is 0, and their sums stay with the film's."""
    total, shown = 0.0, 0
    for time in times:
        total += time
        ticks = max(1, round(total / tick) - shown)
        shown += ticks
        yield ticks * tick


def _video(path: Path) -> Iterator[tuple[Image.Image, float]]:
    import av

    try:
        with av.open(str(path)) as film:
            usual = 1000 / float(film.streams.video[0].average_rate or RATE)
            last = None
            for frame in film.decode(video=0):
                if last is not None:  # how long a frame is shown is known when the next one comes
                    times = (last.time, frame.time)
                    yield _upright(last), usual if None in times else 1000 * max(0.001, times[1] - times[0])
                last = frame
            if last is not None:
                duration = last.duration * last.time_base if last.duration and last.time_base else None
                yield _upright(last), 1000 * float(duration) if duration else usual
    except FileNotFoundError:
        raise PictureError("no such file", str(path)) from None
    except (OSError, ValueError, IndexError):  # PyAV's errors are of these kinds
        raise PictureError("not a film that can be read", str(path)) from None


def _upright(frame: Any) -> Image.Image:
    """A frame as it is to be seen: telephones write films that lie on their side, and by how much."""
    image: Image.Image = frame.to_image()
    return image.rotate(frame.rotation, expand=True) if frame.rotation else image


def _write_mp4(frames: Iterable[Image.Image], times: Sequence[float], path: Path) -> None:
    import av

    with av.open(str(path), "w", format="mp4") as film:
        stream, start, lengths = None, 0, dict[int, int]()

        def write(packets: Iterable[Any]) -> None:
            for packet in packets:
                packet.duration = lengths.pop(packet.pts)  # which the encoder forgets
                film.mux(packet)

        for frame, time in zip(frames, _ticks(times, 1), strict=True):
            # H.264 halves the colour channels: its pictures have even sides, here by drawing on their last lines
            even = Image.new("RGB", (frame.width + frame.width % 2, frame.height + frame.height % 2))
            for corner in ((1, 1), (0, 1), (1, 0), (0, 0)):
                even.paste(frame, corner)
            if stream is None:
                stream = film.add_stream("libx264", rate=Fraction(1000 / min(times)).limit_denominator(1001))
                stream.width, stream.height, stream.pix_fmt = *even.size, "yuv420p"
                stream.options = {"crf": "18", "bf": "0"}  # frames in their order, so that the last one's time is kept
                stream.codec_context.time_base = TICK
            shown = av.VideoFrame.from_image(even)
            shown.pts, shown.time_base = start, TICK
            lengths[start] = time
            start += lengths[start]
            write(stream.encode(shown))
        if stream is not None:
            write(stream.encode())
