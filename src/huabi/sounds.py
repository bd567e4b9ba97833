"""Sounds: as they stand in a request, and from any file to mono samples at 16 kHz.

It loads no torch. WAV is read by the standard library where the package soundfile is missing.
"""

from __future__ import annotations

import io
import os
import wave
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .decoding import why
from .errors import DataError
from .mel import RATE, SPAN, Floats, log_mel
from .payload import Payload

__all__ = ["LONGEST", "Sound", "SoundError", "resampled", "wav"]

LONGEST = 30 * 60  # seconds
MOST = 200_000_000  # values of all channels: half an hour of 48 kHz in stereo, and some
LARGEST = 1 << 30  # bytes of a file
CUT = ": cut out the part that matters, as with `ffmpeg -ss 60 -t 10 -i LONG OUT.wav`"
RATES = (1_000, 768_000)  # Hz; what says more or less than that is damaged
QUIETEST = -60.0  # dB below full scale
CHUNK = 300  # tenths of a second that are read at once
PACKED = (b"fLaC", b"OggS", b"ID3", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2", b"FORM")  # starts of files that are not WAV


class SoundError(DataError):
    """A sound that cannot be read; `reason` is short and does not name the sound."""

    def __init__(self, reason: str, name: str | None = None) -> None:
        super().__init__(f"{name}: {reason}" if name else reason)
        self.reason = reason


class Sound(Payload):
    """A sound as it stands in a request: the bytes of its file, equal where the bytes are equal.

    As a pydantic field it takes a `Sound`, bytes, a path, an array (n,) or (n, channels) at 16 kHz, or a pair of such
    an array and its rate from Python, and from JSON base64 alone; see `Payload`. Arrays are of int16, or of floats
    in [-1, 1].
    """

    media = "audio/*"
    error = SoundError

    @classmethod
    def of(cls, source: Any) -> Sound:
        """A sound from what stands above; raises `SoundError` where it is none.

        Only the header is read; silence, and a file that breaks off, are found by `samples`.
        """
        if isinstance(source, Sound):
            return source
        if isinstance(source, (bytes, bytearray, memoryview)):
            return cls.checked(bytes(source))
        if isinstance(source, (str, os.PathLike)):
            try:
                size = Path(source).stat().st_size
                data = Path(source).read_bytes() if size <= LARGEST else b""
            except (OSError, ValueError) as error:
                raise SoundError(why(error).replace("picture", "sound"), str(source)) from None
            if size > LARGEST:
                reason = f"it has {size / 1e9:.1f} GB, and at most {LONGEST // 60} minutes are read{CUT}"
                raise SoundError(reason, str(source))
            return cls.checked(data, str(source))
        array, rate = source if isinstance(source, tuple) and len(source) == 2 else (source, RATE)
        if hasattr(array, "__array_interface__"):
            return cls.checked(wav(np.asarray(array), rate))
        raise SoundError(f"expected a path, bytes, an array or (array, rate), got {type(source).__name__}")

    @classmethod
    def checked(cls, data: bytes, name: str | None = None) -> Sound:
        try:
            reader = _opened(data)
        except SoundError as error:
            raise SoundError(error.reason, name) from None
        if reader.frames < 1:
            raise SoundError("no sound in it: it lasts zero seconds", name)
        if not RATES[0] <= reader.rate <= RATES[1]:
            raise SoundError(f"damaged: it says that it has {reader.rate} samples a second", name)
        if reader.frames > LONGEST * reader.rate:
            minutes = reader.frames / reader.rate / 60
            raise SoundError(f"it lasts {minutes:.0f} minutes, and at most {LONGEST // 60} are read{CUT}", name)
        if (values := reader.frames * reader.channels) > MOST:
            raise SoundError(f"it has {values:,} values, and at most {MOST:,} are read{CUT}", name)
        return cls(data, name)

    def samples(self) -> Floats:
        """Its loudest ten seconds, or all of a shorter sound: mono samples (n,) in [-1, 1] at 16 kHz.

        Raises `SoundError` for silence (no tenth of a second above -60 dBFS), NaN, and a file that breaks off.
        """
        try:
            reader = _opened(self.data)
            start, count = _loudest(reader)
            return resampled(reader.read(start, count), reader.rate)
        except SoundError as error:
            raise SoundError(error.reason, self.name) from None

    def log_mel(self) -> Floats:
        """As nets see it: (bands, frames) in [-1, 1], see `huabi.mel.log_mel`."""
        return log_mel(self.samples())


class _Reader(Protocol):
    rate: int
    frames: int
    channels: int

    def read(self, start: int, count: int) -> Floats:
        """Mono samples from `start` on, fewer than `count` where the sound ends."""


class _Buffer(io.BytesIO):
    """A damaged file may send libsndfile before its beginning, and soundfile would print a traceback."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        try:
            return super().seek(offset, whence)
        except ValueError:
            return super().seek(0)


class _SoundFile:
    """Reads all that libsndfile knows."""

    def __init__(self, soundfile: Any, data: bytes) -> None:
        self.error = soundfile.SoundFileError
        try:
            self.file = soundfile.SoundFile(_Buffer(data))
        except self.error:
            raise SoundError("not a sound that can be read; WAV, FLAC, OGG and MP3 can") from None
        self.rate, self.frames = int(self.file.samplerate), int(self.file.frames)
        self.channels = int(self.file.channels)

    def read(self, start: int, count: int) -> Floats:
        try:
            self.file.seek(start)
            found: Floats = self.file.read(count, dtype="float32", always_2d=True).mean(1)
        except self.error:
            raise SoundError("damaged: it cannot be decoded to its end") from None
        return found


class _Wave:
    """Reads WAV of whole numbers by the standard library."""

    def __init__(self, data: bytes) -> None:
        try:
            self.file = wave.open(io.BytesIO(data))  # noqa: SIM115 - open for as long as samples are read
            self.width, self.channels = self.file.getsampwidth(), self.file.getnchannels()
        except (wave.Error, EOFError, RuntimeError):
            self.width = 0
        if not 1 <= self.width <= 4:
            raise SoundError("this WAV cannot be read without a package: pip install 'huabi[sound]'")
        self.rate, self.frames = self.file.getframerate(), self.file.getnframes()

    def read(self, start: int, count: int) -> Floats:
        width, channels = self.width, self.channels
        try:
            self.file.setpos(start)
            raw = np.frombuffer(self.file.readframes(count), np.uint8)
        except RuntimeError:  # sought beyond the end of a file that says it is longer
            raise SoundError("damaged: it cannot be decoded to its end") from None
        raw = raw[: len(raw) // (width * channels) * width * channels].reshape(-1, width)
        if width == 1:
            numbers = (raw[:, 0].astype(np.float32) - 128) / 128
        else:  # the sample's bytes become the upper ones of 32 bits
            whole = np.pad(raw, ((0, 0), (4 - width, 0))).view("<i4")[:, 0]
            numbers = whole.astype(np.float32) / 2**31
        mono: Floats = numbers.reshape(-1, channels).mean(1)
        return mono


def _opened(data: bytes) -> _Reader:
    if not data:
        raise SoundError("an empty file")
    try:
        import soundfile
    except (ImportError, OSError):  # the second where the package is there, and its library is not
        if data[:4] == b"RIFF":
            return _Wave(data)
        if data.startswith(PACKED):
            raise SoundError("all but WAV needs a package: pip install 'huabi[sound]'") from None
        raise SoundError("not a sound that can be read") from None
    return _SoundFile(soundfile, data)


def _loudest(reader: _Reader) -> tuple[int, int]:
    """Start and number of the samples of the loudest `SPAN` seconds, to the tenth; the first where several are."""
    tenth = max(1, round(reader.rate / 10))
    energies = []
    for start in range(0, reader.frames, CHUNK * tenth):
        chunk = reader.read(start, CHUNK * tenth)
        if not np.isfinite(chunk).all():
            raise SoundError("it holds values that are no numbers (NaN or infinity): save it again as 16-bit WAV")
        padded = np.pad(chunk, (0, -len(chunk) % tenth)).reshape(-1, tenth)
        energies.append((padded.astype(np.float64) ** 2).mean(1))
    each: NDArray[np.float64] = np.concatenate(energies)
    if not len(each):
        raise SoundError("cut off: the file ends before its sound begins")
    if each.max() < 10 ** (QUIETEST / 10):
        raise SoundError(f"silence: nothing in it is louder than {QUIETEST:.0f} dBFS; record it louder")
    tenths = int(SPAN * 10)
    if len(each) <= tenths:
        return 0, len(each) * tenth
    total = np.concatenate([[0.0], each.cumsum()])
    return int((total[tenths:] - total[:-tenths]).argmax()) * tenth, tenths * tenth


def resampled(samples: Floats, rate: int) -> Floats:
    """Samples at `rate` as samples at 16 kHz by the Fourier method: frequencies above 8 kHz are cut off.

    The sound is taken as periodic, as it must be: its two ends meet.
    """
    count = max(1, round(len(samples) * RATE / rate))
    if count == len(samples):
        return samples
    return (np.fft.irfft(np.fft.rfft(samples), count) * (count / len(samples))).astype(np.float32)


def wav(samples: NDArray[Any], rate: int = RATE) -> bytes:
    """A 16-bit WAV file of samples (n,) or (n, channels), of int16 or floats in [-1, 1]; else raises `SoundError`."""
    if samples.ndim not in (1, 2) or not (samples.dtype == np.int16 or np.issubdtype(samples.dtype, np.floating)):
        raise SoundError(f"expected (n,) or (n, channels) of int16 or floats, got {samples.dtype} {samples.shape}")
    if samples.dtype != np.int16:
        if not np.isfinite(samples).all():
            raise SoundError("the array holds values that are no numbers (NaN or infinity)")
        if samples.size and np.abs(samples).max() > 1:
            raise SoundError("floats of a sound lie in -1 to 1: divide the array by its largest value")
        samples = np.round(samples * 32767).astype(np.int16)
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1 if samples.ndim == 1 else samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())
    return out.getvalue()
