"""Films, such as a painting as it grows: GIF and WebP by Pillow, MP4 by PyAV."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from PIL import Image, ImageSequence

from ..decoding import MAX_PIXELS, PictureError, flatten, opened
from ..durable import write_file
from ..errors import RequestError

FRAMES = 32
RATE = 12  # frames a second
REST = 24  # frames for which the finished picture stays
SUFFIXES = (".gif", ".webp", ".mp4")


def check_film(path: Path, option: str = "--film") -> None:
    """Raises RequestError where a film cannot be written under this name, before anything is painted for it."""
    if path.suffix.lower() not in SUFFIXES:
        raise RequestError(f"{option} {path}: films are .gif, .webp or .mp4")
    if path.suffix.lower() == ".mp4" and importlib.util.find_spec("av") is None:
        raise RequestError(f"{option} {path}: .mp4 needs one more package: pip install 'huabi[film]'; .gif does not")


def is_film(path: Path) -> bool:
    """Whether a file holds moving pictures: an .mp4, or a .gif or .webp of several frames.

    Raises `PictureError` where a .gif or .webp cannot be read.
    """
    if path.suffix.lower() not in SUFFIXES or path.suffix.lower() == ".mp4":
        return path.suffix.lower() == ".mp4"
    with opened(path, MAX_PIXELS, str(path)) as image:
        return getattr(image, "n_frames", 1) > 1


def read_film(path: Path) -> tuple[list[Image.Image], list[int]]:
    """The RGB frames of a film, and for how many milliseconds each is shown; `PictureError` where it cannot be read."""
    if path.suffix.lower() == ".mp4":
        check_film(path, "IMAGE")
        return _read_mp4(path)
    with opened(path, MAX_PIXELS, str(path)) as image:
        frames, times = [], []
        for frame in ImageSequence.Iterator(image):
            frames.append(flatten(frame.copy(), 3))
            times.append(int(frame.info.get("duration", 0)) or 1000 // RATE)
    return frames, times


def save_film(frames: Sequence[Image.Image], path: Path, times: Sequence[int] | None = None) -> None:
    """Writes RGB frames of one size as a film, whole or not at all.

    Args:
        times: for how many milliseconds each frame is shown; by default the last one stays for two seconds.
    """
    check_film(path)
    kind = path.suffix.lower()
    path.parent.mkdir(parents=True, exist_ok=True)
    times = times or [1000 // RATE] * (len(frames) - 1) + [1000 * REST // RATE]
    if kind == ".mp4":
        write_file(path, _mp4(frames, times))
        return
    data = io.BytesIO()
    first, *rest = frames
    options = {"quality": 80, "method": 2} if kind == ".webp" else {}
    first.save(data, kind[1:].upper(), save_all=True, append_images=rest, duration=list(times), loop=0, **options)
    write_file(path, data.getvalue())


def save_text(text: str, path: Path) -> None:
    """Writes a text file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, text.encode())


def _read_mp4(path: Path) -> tuple[list[Image.Image], list[int]]:
    import av

    try:
        with av.open(str(path)) as film:
            rate = film.streams.video[0].average_rate or RATE
            frames = [frame.to_image() for frame in film.decode(video=0)]
    except (OSError, ValueError, IndexError):  # PyAV's errors are of these kinds
        raise PictureError("not a film that can be read", str(path)) from None
    return frames, [round(1000 / rate)] * len(frames)


def _mp4(frames: Sequence[Image.Image], times: Sequence[int]) -> bytes:
    import av

    # H.264 halves the colour channels: its pictures have even sides
    width, height = (side + side % 2 for side in frames[0].size)
    data = io.BytesIO()
    with av.open(data, "w", format="mp4") as film:
        beat = min(times)
        stream = film.add_stream("libx264", rate=Fraction(1000, beat))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"crf": "18"}
        for frame, time in zip(frames, times, strict=True):
            even = frame.crop((0, 0, width, height))
            for _ in range(max(1, round(time / beat))):
                film.mux(stream.encode(av.VideoFrame.from_image(even)))
        film.mux(stream.encode())
    return data.getvalue()
