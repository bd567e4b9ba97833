"""Sounds come out mono at 16 kHz from any file, in bands of pitch, or are refused in one line."""

from __future__ import annotations

import builtins
import io
import json
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.signal
from pydantic import BaseModel, ValidationError

from huabi.mel import BANDS, FRAMES, RATE, log_mel, mel_filters
from huabi.requests import Imagine
from huabi.sounds import Sound, SoundError, resampled, wav


def tone(hertz: float, seconds: float = 1.0, rate: int = RATE, level: float = 0.5) -> np.ndarray:
    return (level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the package soundfile were missing."""
    there = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "soundfile":
            raise ImportError(name)
        return there(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)


def packed(samples: np.ndarray, kind: str, rate: int = RATE) -> bytes:
    soundfile = pytest.importorskip("soundfile")
    out = io.BytesIO()
    soundfile.write(out, samples, rate, format=kind)
    return out.getvalue()


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000])
def test_a_tone_is_the_same_tone_at_another_rate(rate: int) -> None:
    heard = Sound.of((np.stack([tone(440, rate=rate)] * 2, 1), rate)).samples()
    assert np.abs(heard - tone(440)).max() < 1e-3


def test_resampling_agrees_with_scipy_and_keeps_nothing_above_the_new_limit() -> None:
    x = np.random.default_rng(0).normal(size=4411).astype(np.float32)  # odd: neither has a bin at the limit itself
    np.testing.assert_allclose(resampled(x, 44100), scipy.signal.resample(x, 1600), atol=2e-2)
    np.testing.assert_allclose(resampled(x, 8000), scipy.signal.resample(x, 8822), atol=1e-5)
    assert np.abs(resampled(tone(9000, rate=48000), 48000)).max() < 1e-3


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3"])
def test_all_formats_hold_the_same_sound(kind: str) -> None:
    heard = Sound.of(packed(tone(440, 2, 44100), kind, 44100))
    power = np.abs(np.fft.rfft(heard.samples()))
    assert abs(len(heard.samples()) - 2 * RATE) < 0.2 * RATE
    assert abs(power.argmax() * RATE / len(heard.samples()) - 440) < 2


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_wav_is_read_without_a_package(width: int, bare: None) -> None:
    x = tone(440)
    whole = np.round(x.astype(np.float64) * (2 ** (8 * width - 1) - 1)).astype("<i4")
    raw = (whole + 128).astype(np.uint8) if width == 1 else whole.view(np.uint8).reshape(-1, 4)[:, :width]
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setparams((1, width, RATE, 0, "NONE", ""))
        file.writeframes(raw.tobytes())
    assert np.abs(Sound.of(out.getvalue()).samples() - x).max() < 1.5 / 2 ** (8 * width - 1) + 1e-4


@pytest.mark.parametrize("data", [b"fLaC....", b"OggS....", b"ID3....."])
def test_without_the_package_a_line_says_how_to_get_it(data: bytes, bare: None) -> None:
    with pytest.raises(SoundError, match=r"pip install 'huabi\[sound\]'"):
        Sound.of(data)


def test_the_loudest_ten_seconds_are_heard() -> None:
    x = np.concatenate([tone(300, 12, level=0.1), tone(600, 10, level=0.5), tone(300, 12, level=0.1)])
    heard = Sound.of(x).samples()
    assert len(heard) == 10 * RATE
    np.testing.assert_allclose(heard, tone(600, 10), atol=1e-3)


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def renamed(path: Path) -> Path:
    return write(path / "words.wav", b"The rain it raineth every day")


def long(path: Path) -> Path:
    return write(path / "long.wav", wav(np.ones(31 * 60 * 1000, np.int16), 1000))


def huge(path: Path) -> Path:
    with (path / "huge.wav").open("wb") as file:
        file.truncate(2 << 30)  # no bytes of it are on the disk
    return path / "huge.wav"


BAD = {
    "2.1 GB.*30 minutes.*ffmpeg": huge,
    "not a sound": renamed,
    "zero seconds": lambda path: np.zeros(0, np.float32),
    "31 minutes.*ffmpeg": long,
    "7 samples a second": lambda path: (tone(440), 7),
    "empty file": lambda path: write(path / "empty.wav", b""),
    "no such file": lambda path: path / "missing.wav",
    "folder, not a sound": lambda path: path,
    "-1 to 1": lambda path: np.full(100, 7.0),
    "no numbers": lambda path: np.full(100, np.nan),
    "int16 or floats": lambda path: np.zeros((2, 2, 2), np.int16),
    "expected a path": lambda path: 7,
}


@pytest.mark.parametrize("reason", BAD)
def test_what_is_no_sound_is_refused_in_one_line(reason: str, tmp_path: Path) -> None:
    with pytest.raises(SoundError, match=reason) as caught:
        Sound.of(BAD[reason](tmp_path))
    assert "\n" not in str(caught.value)


def test_silence_and_broken_values_are_refused_when_they_are_heard() -> None:
    Sound.of(tone(440, level=2e-3)).samples()  # -57 dBFS
    with pytest.raises(SoundError, match="silence.*-60 dBFS"):
        Sound.of(tone(440, level=5e-4)).samples()
    soundfile = pytest.importorskip("soundfile")
    out = io.BytesIO()
    soundfile.write(out, np.array([0.5, np.nan, 0.5]), RATE, format="WAV", subtype="FLOAT")
    with pytest.raises(SoundError, match="no numbers"):
        Sound.of(out.getvalue()).samples()


@pytest.mark.parametrize("without", [False, True])
def test_damaged_files_are_read_or_refused_in_one_line(without: bool, request: pytest.FixtureRequest) -> None:
    if without:
        request.getfixturevalue("bare")
    rng = np.random.default_rng(0)
    whole = np.frombuffer(wav(tone(440, 0.2)), np.uint8)
    refused = []
    for _ in range(150):
        data = whole.copy()
        data[rng.integers(0, 44, rng.integers(1, 5))] = rng.integers(0, 256)
        try:
            heard = Sound.of(data[: rng.integers(40, len(data)) if rng.random() < 0.3 else None].tobytes()).samples()
            assert np.isfinite(heard).all()
        except SoundError as error:
            refused.append(str(error))
    assert 30 < len(refused) < 150
    assert not any("\n" in line for line in refused)


class Asked(BaseModel):
    sound: Sound


def test_a_request_holds_a_sound_and_json_brings_it_back(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", wav(tone(440)))
    asked = Asked(sound=path)  # type: ignore[arg-type]
    assert asked == Asked(sound=path.read_bytes()) == Asked.model_validate_json(asked.model_dump_json())  # type: ignore[arg-type]
    text = json.loads(asked.model_dump_json())["sound"]
    assert Asked.model_validate({"sound": text}, context={"json": True}) == asked
    for bad in ({"sound": str(path)}, {"sound": "aGVsbG8="}):
        with pytest.raises(ValidationError):
            Asked.model_validate(bad, context={"json": True})
    assert Asked.model_json_schema()["properties"]["sound"]["contentMediaType"] == "audio/*"


def test_a_picture_can_be_asked_for_by_a_sound() -> None:
    asked = Imagine(sound=tone(440), sound_weight=0.5)  # type: ignore[arg-type]
    assert Imagine.model_validate_json(asked.model_dump_json()) == asked
    assert asked.sound is not None
    assert len(asked.sound.samples()) == RATE
    with pytest.raises(ValidationError, match="zero seconds"):
        Imagine(sound=np.zeros(0, np.float32))  # type: ignore[arg-type]


def test_filters_are_triangles_that_sum_to_one_between_the_peaks() -> None:
    filters = mel_filters()
    assert filters.shape == (BANDS, 257)
    hertz = np.linspace(0, 8000, 257)
    mel = 1127.01048 * np.log(1 + hertz / 700)  # HTK's formula with the other logarithm
    peaks = mel[-1] * np.arange(1, BANDS + 1) / (BANDS + 1)
    between = (mel >= peaks[0]) & (mel <= peaks[-1])
    np.testing.assert_allclose(filters.sum(0)[between], 1, atol=1e-5)
    for band in (20, 40, 63):
        assert abs(mel[filters[band].argmax()] - peaks[band]) < 40


def test_the_log_mel_agrees_with_the_formula_written_out() -> None:
    x = np.random.default_rng(1).normal(size=10 * RATE).astype(np.float32)
    n, k = np.arange(400), np.arange(257)
    basis = np.exp(-2j * np.pi * np.outer(k, n) / 512) * np.sin(np.pi * n / 400) ** 2
    frame = 37
    hops = [x[160 * h : 160 * h + 400] for h in range(10 * frame, 10 * frame + 10)]
    power = np.mean([mel_filters() @ np.abs(basis @ hop) ** 2 for hop in hops], 0)
    found = log_mel(x)
    assert found.shape == (BANDS, FRAMES)
    difference = (found[:, frame] - found[0, frame]) * 40  # dB
    np.testing.assert_allclose(difference, 10 * np.log10(power / power[0]), atol=1e-2)
    assert found.max() == 1


def test_the_log_mel_knows_neither_loudness_nor_how_often_a_sound_is_repeated() -> None:
    x = tone(1000, 1.015) * np.linspace(0, 1, round(1.015 * RATE), dtype=np.float32)  # 100 hops
    np.testing.assert_allclose(log_mel(x), log_mel(0.1 * x), atol=1e-5)
    np.testing.assert_allclose(log_mel(x)[:, :10], log_mel(x)[:, 30:40], atol=1e-6)
    assert log_mel(tone(1000, 0.01)).shape == (BANDS, FRAMES)
    assert (log_mel(np.zeros(10, np.float32)) == -1).all()
