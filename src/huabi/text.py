"""What people type and read: sizes, durations, numbers."""

from __future__ import annotations

import math
import re

from .errors import RequestError

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def duration(text: str) -> float:
    """Seconds of `90`, `90s`, `10m`, `1h30m`; anything else raises `RequestError`."""
    parts = re.findall(r"(\d+(?:\.\d+)?)([smhd])", text.strip().lower() + ("s" if text.strip()[-1:].isdigit() else ""))
    joined = "".join(number + unit for number, unit in parts)
    seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if not seconds or joined.rstrip("s") != text.strip().lower().rstrip("s"):
        raise RequestError(f"{text!r} is no duration; write it as 90s, 10m or 1h30m")
    return seconds


def size(text: str) -> tuple[int, int]:
    """(rows, columns) of `64` or of `96x64`, which is width x height; anything else raises `RequestError`."""
    match = re.fullmatch(r"(\d+)(?:[x×](\d+))?", text.strip().lower())
    if not match:
        raise RequestError(f"--size {text}: write it as 64, or as 96x64 for width x height")
    width, height = int(match[1]), int(match[2] or match[1])
    return height, width


def sides(text: str) -> tuple[int, int, int, int]:
    """Pixels at the left, top, right and bottom: `64` is each of them, `0,64,0,64` names them."""
    parts = [part.strip() for part in text.split(",")]
    if len(parts) not in (1, 4) or not all(part.isascii() and part.isdigit() for part in parts):
        raise RequestError(f"--expand {text}: write it as 64, or as left,top,right,bottom such as 0,64,0,64")
    left, top, right, bottom = map(int, parts * (4 // len(parts)))
    return left, top, right, bottom


def setting(text: str) -> tuple[str, str]:
    """The two sides of `net.depth=4`."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise RequestError(f"--set {text}: write it as name=value, such as --set net.depth=4")
    return key.strip(), value.strip()


def clock(seconds: float) -> str:
    """`1:02:03` or `2:03`."""
    whole = max(0, round(seconds))
    hours, minutes = whole // 3600, whole % 3600 // 60
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"


def time_of(seconds: float) -> str:
    """A duration for people: 0, 42 ms, 9.5 s, 12 min, 3.2 h."""
    if not seconds:
        return "0"
    units = ((1, 1e-3, "ms"), (120, 1, "s"), (7200, 60, "min"), (math.inf, 3600, "h"))
    unit, name = next((unit, name) for limit, unit, name in units if seconds < limit)
    return f"{seconds / unit:.3g} {name}"


def size_of(count: float) -> str:
    """Bytes for people: `3.2 MB`, whole numbers from 100 on."""
    for unit in ("bytes", "KB", "MB", "GB", "TB"):
        if count < 1024 or unit == "TB":
            break
        count /= 1024
    return f"{count:.0f} {unit}" if unit == "bytes" or count >= 99.95 else f"{count:.1f} {unit}"
