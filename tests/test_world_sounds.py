"""The world's scenes sound as they are: the same each time, unlike each other, and so that a listener hears it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import huabi
from huabi import hearing
from huabi.cost import example
from huabi.data import batches, prepare
from huabi.data.world.compose import draw_scene
from huabi.data.world.dice import Dice
from huabi.data.world.export import export
from huabi.data.world.scene import MOODS, SETTINGS, TIMES, WEATHERS
from huabi.data.world.sounds import MAKERS, heard, made, sound
from huabi.data.world.spec import parse
from huabi.data.world.stock import mixed
from huabi.data.world.synth import Note, hiss, moments, struck, timbre, voice
from huabi.data.world.truth import FACTS
from huabi.errors import DataError, RequestError
from huabi.mel import BANDS, FRAMES, RATE, log_mel
from huabi.model import DataSpec
from huabi.nets.sound import SoundEncoder
from huabi.sounds import Sound

RAIN = {"setting": "city", "time": "night", "weather": "rain", "mood": "sad"}
N = 2 * RATE


def spectrum(x: np.ndarray) -> np.ndarray:
    return np.abs(np.fft.rfft(x.astype(np.float64))) ** 2


def test_every_word_of_the_scenes_has_its_sound_or_is_silent_by_intent() -> None:
    words = {"setting": SETTINGS, "time": TIMES, "weather": WEATHERS, "mood": MOODS}
    assert set(MAKERS) == set(words)
    silent = {(name, word) for name, known in words.items() for word in known if word not in MAKERS[name]}
    assert silent == {("weather", "clear"), ("time", "day")}
    for name, makers in MAKERS.items():
        assert set(makers) <= set(words[name])
        for word in makers:
            for n in (RATE // 10, 3 * RATE):
                x = made(name, word, Dice("made", n), n)
                assert x.shape == (n,), word
                assert x.dtype == np.float32
                assert np.isfinite(x).all(), word


def test_a_seed_decides_a_sound_and_its_length() -> None:
    first, again, other = (sound(RAIN, Dice("a", seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert len(first) != len(other) or not np.allclose(first, other)
    for x in (first, other):
        assert 3 * RATE <= len(x) <= 10 * RATE
        assert 0.01 < np.abs(x).max() <= 1
    assert len(sound(RAIN, Dice("a"), 4.0)) == 4 * RATE


def test_a_part_alone_tells_nothing_of_the_rest() -> None:
    sunny = RAIN | {"setting": "lake", "time": "dawn", "weather": "fog"}
    assert np.array_equal(sound(RAIN, Dice(1), parts="tune"), sound(sunny, Dice(1), parts="tune"))
    happy = RAIN | {"mood": "joyful"}
    assert np.array_equal(sound(RAIN, Dice(1), parts="place"), sound(happy, Dice(1), parts="place"))
    assert [name for name, _ in heard(RAIN | {"weather": "clear"}, "all")] == ["setting", "time", "mood"]


def test_a_voice_sings_its_notes_and_nothing_between() -> None:
    notes = [Note(0.1, 0.3, 440), Note(1.0, 0.5, 880)]
    x = voice(N, notes, timbre(1.0))
    for note in notes:
        part = x[int(note.start * RATE) : int((note.start + note.length) * RATE)]
        assert abs(spectrum(part).argmax() * RATE / len(part) - note.pitch) < RATE / len(part)
    assert not x[int(0.41 * RATE) : RATE].any()
    assert not x[: int(0.1 * RATE)].any()
    assert not voice(N, [], timbre(1.0)).any()
    up = voice(N, [Note(0, 2, 300, 1, 2.0)], timbre(1.0))
    ends = [spectrum(up[k : k + 1600]).argmax() * 10 for k in (0, N - 2400)]
    assert ends[0] == pytest.approx(308, abs=10)
    assert ends[1] == pytest.approx(570, abs=20)


def test_noise_lies_in_its_band_and_a_stroke_dies_away() -> None:
    power = spectrum(hiss(Dice(1), N, 1000, 2000))
    hertz = np.arange(len(power)) * RATE / N
    inside = power[(hertz > 500) & (hertz < 4000)].sum() / power.sum()
    assert inside > 0.85
    stroke = struck(500, (1, 2), 0.2)
    assert np.abs(stroke[-800:]).max() < 0.05 * np.abs(stroke).max()
    times = moments(Dice(1), 10 * RATE, 0.5)
    assert len(times) == pytest.approx(20, abs=6)
    assert times == sorted(times)


def test_mixtures_for_training_are_like_the_sounds_themselves() -> None:
    """The mean log-mel over pitch of many mixtures is that of many sounds: the same levels, bands and parts."""
    means = [
        np.mean([make(k).mean(1) for k in range(24)], 0)
        for make in (
            lambda k: mixed(RAIN, Dice("one", k)),
            lambda k: log_mel(sound(RAIN, Dice("two", k), 3.0)),
        )
    ]
    assert np.abs(means[0] - means[1]).mean() < 0.15
    assert np.corrcoef(means)[0, 1] > 0.8


def test_batches_carry_sounds_only_where_they_are_asked_for() -> None:
    data = prepare("world:n=12,seed=3,styles=flat", size=16)
    assert data.spec.has("sound")
    assert next(batches(data, 4, seed=0)).sound is None
    first = next(batches(data, 4, seed=0, sound=True))
    assert first.sound is not None
    assert first.sound.shape == (4, BANDS, FRAMES)
    assert first.sound.abs().max() <= 1
    assert torch.equal(first.sound, next(batches(data, 4, seed=0, sound=True)).sound)
    halves = [next(batches(data, 4, seed=0, sound=True, rank=rank, world=2)).sound for rank in range(2)]
    assert torch.equal(torch.cat(halves), first.sound)  # type: ignore[arg-type]
    later = next(batches(data, 4, seed=0, sound=True, step=3))
    assert not torch.equal(later.sound, first.sound)  # type: ignore[arg-type]


def test_photos_have_no_sound(photos: Path) -> None:
    data = prepare(str(photos), size=8)
    assert not data.spec.has("sound")
    with pytest.raises(DataError, match="drawn scenes"):
        next(batches(data, 4, seed=0, sound=True))
    with pytest.raises(DataError, match="listener needs sound and truth"):
        huabi.train("listener", photos, photos / "run", steps=1)


def test_the_world_writes_sounds_beside_its_pictures(tmp_path: Path) -> None:
    export(parse("world:n=2,styles=flat"), tmp_path / "out", (16, 16), sounds=True)
    for line in (tmp_path / "out" / "metadata.jsonl").read_text("utf-8").splitlines():
        entry = json.loads(line)
        assert Sound.of(tmp_path / "out" / entry["sound_file_name"]).log_mel().shape == (BANDS, FRAMES)
        assert Path(entry["sound_file_name"]).stem == Path(entry["file_name"]).stem
    with pytest.raises(RequestError, match="give a folder"):
        export(parse("world:n=1"), tmp_path / "a.png", (16, 16), sounds=True)


def test_the_encoder_gives_a_token_for_eight_frames_whatever_is_beside() -> None:
    net = SoundEncoder(24, channels=4).eval()
    x = torch.rand(3, BANDS, FRAMES) * 2 - 1
    states, pooled = net(x)
    assert states.shape == (3, net.length, 24)
    assert pooled.shape == (3, 24)
    alone = net(x[1:2])
    torch.testing.assert_close(alone.states[0], states[1], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(alone.pooled[0], pooled[1], atol=1e-5, rtol=1e-4)


def test_the_listener_that_comes_along_hears_nine_of_ten_unseen_scenes_rightly() -> None:
    model = huabi.load("world-listener")
    facts = [vars(draw_scene((9 << 32) + seed)) for seed in range(40)]
    sounds = [sound(scene, Dice("unseen here", k), parts="all") for k, scene in enumerate(facts)]
    shares = model.hear(torch.from_numpy(np.stack([log_mel(x) for x in sounds])))
    for name in ("mood", "weather", "setting", "time"):
        right = [max(s[name], key=s[name].__getitem__) == scene[name] for s, scene in zip(shares, facts)]
        assert np.mean(right) > 0.75, name  # of 40: an error of 5 %
    assert all(sum(s["mood"].values()) == pytest.approx(1, abs=1e-4) for s in shares)
    with pytest.raises(RequestError, match="draws none"):
        list(model.sample([]))


def test_what_is_not_heard_is_not_claimed() -> None:
    model = huabi.load("world-listener")
    place, music = (
        model.hear(torch.from_numpy(np.stack([log_mel(sound(RAIN, Dice(part, k), 4.0, part)) for k in range(8)])))
        for part in ("place", "tune")
    )
    assert np.mean([max(s["mood"].values()) for s in place]) < np.mean([max(s["mood"].values()) for s in music]) - 0.2
    assert np.mean([max(s["setting"].values()) for s in music]) < 0.6


def test_a_sound_says_in_words_what_is_surely_heard_in_it() -> None:
    loud = sound(RAIN, Dice("words", 1), 6.0, "place")
    told = hearing.heard(Sound.of(loud))
    assert told["weather"] == "rain"
    assert set(told.items()) <= set(RAIN.items())


def test_an_example_for_measuring_has_a_sound_where_scenes_are_drawn() -> None:
    spec = DataSpec((8, 8), 3, facts=FACTS)
    batch = example(spec, 3)
    assert batch.sound is not None
    assert batch.sound.shape == (3, BANDS, FRAMES)
    assert batch.rows(0, 1).sound.shape == (1, BANDS, FRAMES)  # type: ignore[union-attr]
