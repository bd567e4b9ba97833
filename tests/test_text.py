"""What people type."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from huabi import text
from huabi.config import configure, leaves
from huabi.errors import RequestError, nearest


@pytest.mark.parametrize(
    ("typed", "seconds"), [("90", 90), ("90s", 90), ("10m", 600), ("1h30m", 5400), ("0.5h", 1800), ("2d", 172800)]
)
def test_durations(typed: str, seconds: float) -> None:
    assert text.duration(typed) == seconds


@pytest.mark.parametrize("typed", ["", "m", "10 minutes", "-5m", "10x", "0", "0s", "1h 30"])
def test_bad_durations_are_refused_with_an_example(typed: str) -> None:
    with pytest.raises(RequestError, match="1h30m"):
        text.duration(typed)


def test_sizes_are_width_by_height() -> None:
    assert text.size("64") == (64, 64)
    assert text.size("96x64") == (64, 96)
    for typed in ("", "64x", "x", "-3", "64.5", "big"):
        with pytest.raises(RequestError, match="width x height"):
            text.size(typed)


def test_clocks_and_sizes_for_people() -> None:
    assert [text.clock(s) for s in (0, 61, 3723)] == ["0:00", "1:01", "1:02:03"]
    sizes = (12, 2048, 3.5 * 2**20, 140 * 2**20, 99.97 * 2**20, 2**50)
    assert [text.size_of(n) for n in sizes] == ["12 bytes", "2.0 KB", "3.5 MB", "140 MB", "100 MB", "1024 TB"]
    times = (0, 0.0422, 9.5, 750, 11520)
    assert [text.time_of(seconds) for seconds in times] == ["0", "42.2 ms", "9.5 s", "12.5 min", "3.2 h"]


@dataclass(frozen=True)
class Net:
    width: int = 8
    kinds: tuple[int, ...] = (1, 2)


@dataclass(frozen=True)
class Config:
    lr: float = 1e-3
    loss: str = "l2"
    flip: bool = True
    net: Net = field(default_factory=Net)

    def __post_init__(self) -> None:
        if self.loss not in ("l1", "l2"):
            raise ValueError(f"loss={self.loss}: known are l1, l2")


def test_settings_reach_nested_fields_and_keep_their_kind() -> None:
    typed = {"net.width": "16", "lr": "2e-4", "flip": "no", "net.kinds": "3,4"}
    assert configure(Config(), typed) == Config(2e-4, "l2", False, Net(16, (3, 4)))
    assert configure(Config(), leaves(Config(net=Net(4)))) == Config(net=Net(4))


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ({"net.widht": "4"}, "did you mean 'net.width'"),
        ({"net.width": "wide"}, "expected int"),
        ({"flip": "maybe"}, "expected bool"),
        ({"loss": "l3"}, "known are l1, l2"),
    ],
)
def test_settings_that_make_no_sense_are_refused(typed: dict[str, str], says: str) -> None:
    with pytest.raises(RequestError, match=says):
        configure(Config(), typed)


def test_the_nearest_name() -> None:
    assert nearest("difusion", ["gan", "diffusion"]).startswith("did you mean 'diffusion'")
    assert nearest("zzz", ["gan", "vae"]) == "known: gan, vae"
    many = [f"run-{n:03}" for n in range(500)]
    assert nearest("runs-217", many).startswith("did you mean 'run-217'? known: ")
    assert nearest("runs-217", many).endswith(" and 488 more")
    assert "run-217" in nearest("runs-217", many).partition("known")[2]
