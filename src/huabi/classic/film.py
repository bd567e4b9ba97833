"""Films, written and read: GIF and WebP by Pillow, MP4 by PyAV."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageSequence

from ..decoding import flatten, opened
from ..durable import write_file
from ..errors import DataError, RequestError
from ..pictures import MAX_PIXELS, SAVED_AS, open_picture

FRAMES = 32
RATE = 12  # frames a second
REST = 24  # frames for which the finished picture stays
SUFFIXES = (".gif", ".webp", ".mp4")


@dataclass(frozen=True)
class Film:
    """Frames of one size, which can be gone through once and again, and how many a second are shown."""

    path: Path
    count: int
    rate: float

    def __iter__(self) -> Iterator[Image.Image]:
        size = None
        for name, frame in _frames(self.path):
            if size is not None and frame.size != size:
                sizes = [f"{one[0]}x{one[1]}" for one in (frame.size, size)]
                raise DataError(f"{name} has {sizes[0]} pixels, the frames before {sizes[1]}: bring all to one size")
            size = frame.size
            yield frame


def read_film(path: Path) -> Film | None:
    """The film of a file, or of a folder whose pictures are its frames by name; None where it is one picture."""
    if path.is_dir():
        count = len(_pictures(path))
        if not count:
            raise DataError(f"{path} holds no pictures: a film is a folder of frames, .gif, .webp or .mp4")
        return Film(path, count, RATE)
    if path.suffix.lower() == ".mp4":
        check_film(path, "")
        return _read_mp4(path)
    if path.suffix.lower() not in SUFFIXES or not path.exists():
        return None
    with opened(path, MAX_PIXELS, str(path)) as image:
        count = getattr(image, "n_frames", 1)
        pause = image.info.get("duration") or 1000 / RATE
        return Film(path, count, 1000 / pause) if count > 1 else None


def _pictures(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in SAVED_AS)


def _frames(path: Path) -> Iterator[tuple[str, Image.Image]]:
    if path.is_dir():
        yield from ((str(one), open_picture(one)) for one in _pictures(path))
    elif path.suffix.lower() == ".mp4":
        import av

        with av.open(str(path)) as film:
            yield from ((str(path), frame.to_image()) for frame in film.decode(video=0))
    else:
        with opened(path, MAX_PIXELS, str(path)) as image:
            yield from ((str(path), flatten(frame.copy(), 3)) for frame in ImageSequence.Iterator(image))


def _read_mp4(path: Path) -> Film:
    import av

    try:
        with av.open(str(path)) as film:
            stream = film.streams.video[0]
            return Film(path, stream.frames or sum(1 for _ in film.decode(stream)), float(stream.average_rate or RATE))
    except (OSError, IndexError, ValueError) as error:
        raise DataError(f"{path} cannot be read as a film ({error})") from None


def check_film(path: Path, option: str = "--film ") -> None:
    """Raises RequestError where a film cannot be written under this name, before anything is painted for it."""
    if path.suffix.lower() not in SUFFIXES:
        raise RequestError(f"{option}{path}: films are .gif, .webp or .mp4")
    if path.suffix.lower() == ".mp4" and importlib.util.find_spec("av") is None:
        raise RequestError(f"{option}{path}: .mp4 needs one more package: pip install 'huabi[film]'; .gif does not")


def save_film(frames: Sequence[Image.Image], path: Path, rate: float = RATE, rest: int = REST) -> None:
    """Writes RGB frames of one size as a film, whole or not at all; the last one stays for `rest` frames more."""
    check_film(path)
    kind = path.suffix.lower()
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == ".mp4":
        write_file(path, _mp4([*frames, *[frames[-1]] * rest], rate))
        return
    pause = 1000 / rate
    times = [round(pause)] * (len(frames) - 1) + [round(pause * max(1, rest))]
    data = io.BytesIO()
    first, *others = frames
    options = {"quality": 80, "method": 2} if kind == ".webp" else {}
    first.save(data, kind[1:].upper(), save_all=True, append_images=others, duration=times, loop=0, **options)
    write_file(path, data.getvalue())


def save_text(text: str, path: Path) -> None:
    """Writes a text file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, text.encode())


def _mp4(frames: Sequence[Image.Image], rate: float) -> bytes:
    import av

    # H.264 halves the colour channels: its pictures have even sides
    width, height = (side + side % 2 for side in frames[0].size)
    data = io.BytesIO()
    with av.open(data, "w", format="mp4") as film:
        stream = film.add_stream("libx264", rate=round(rate))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"crf": "18"}
        for frame in frames:
            even = frame.crop((0, 0, width, height))
            film.mux(stream.encode(av.VideoFrame.from_image(even)))
        film.mux(stream.encode())
    return data.getvalue()
