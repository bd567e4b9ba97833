"""A painting as it grows, written as a film: GIF and WebP by Pillow, MP4 by PyAV."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from ..durable import write_file
from ..errors import RequestError

FRAMES = 32
RATE = 12  # frames a second
REST = 24  # frames for which the finished picture stays
SUFFIXES = (".gif", ".webp", ".mp4")


def check_film(path: Path) -> None:
    """Raises RequestError where a film cannot be written under this name, before anything is painted for it."""
    if path.suffix.lower() not in SUFFIXES:
        raise RequestError(f"--film {path}: films are .gif, .webp or .mp4")
    if path.suffix.lower() == ".mp4" and importlib.util.find_spec("av") is None:
        raise RequestError(f"--film {path}: .mp4 needs one more package: pip install 'huabi[film]'; .gif does not")


def save_film(frames: Sequence[Image.Image], path: Path) -> None:
    """Writes RGB frames of one size as a film, whole or not at all; the last one stays for two seconds."""
    check_film(path)
    kind = path.suffix.lower()
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == ".mp4":
        write_file(path, _mp4(frames))
        return
    times = [1000 // RATE] * (len(frames) - 1) + [1000 * REST // RATE]
    data = io.BytesIO()
    first, *rest = frames
    options = {"quality": 80, "method": 2} if kind == ".webp" else {}
    first.save(data, kind[1:].upper(), save_all=True, append_images=rest, duration=times, loop=0, **options)
    write_file(path, data.getvalue())


def save_text(text: str, path: Path) -> None:
    """Writes a text file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, text.encode())


def _mp4(frames: Sequence[Image.Image]) -> bytes:
    import av

    # H.264 halves the colour channels: its pictures have even sides
    width, height = (side + side % 2 for side in frames[0].size)
    data = io.BytesIO()
    with av.open(data, "w", format="mp4") as film:
        stream = film.add_stream("libx264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"crf": "18"}
        for frame in [*frames, *[frames[-1]] * REST]:
            even = frame.crop((0, 0, width, height))
            film.mux(stream.encode(av.VideoFrame.from_image(even)))
        film.mux(stream.encode())
    return data.getvalue()
