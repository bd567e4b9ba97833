"""Settings by dotted name: variants, kinds of values, and what a person reads where one is wrong."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import pytest

from huabi.config import configure, leaves
from huabi.errors import RequestError


@dataclass(frozen=True)
class Small:
    kind: ClassVar[str] = "small"
    width: int = 1


@dataclass(frozen=True)
class Deep:
    kind: ClassVar[str] = "deep"
    width: int = 5
    depth: int = 2


@dataclass(frozen=True)
class Config:
    net: Small | Deep = field(default_factory=Small)
    rate: float = 0.5

    def __post_init__(self) -> None:
        if self.rate > 1:
            raise ValueError("rate is at most 1")


def test_a_variant_comes_with_its_own_defaults_and_settings() -> None:
    assert configure(Config(), {"net": "deep", "net.depth": "7"}) == Config(Deep(width=5, depth=7))


def test_naming_the_variant_that_stands_keeps_its_settings() -> None:
    config = Config(Deep(width=9))
    assert configure(config, {"net": "deep"}) == config


def test_a_whole_number_is_a_fraction_where_one_is_asked_for() -> None:
    assert isinstance(configure(Config(), {"rate": 0}).rate, float)


@pytest.mark.parametrize("config", [Config(), Config(Deep(3, 4), 0.25)])
def test_settings_written_down_give_the_same_config(config: Config) -> None:
    assert configure(Config(), leaves(config)) == config


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"net": "wide"}, "net=wide: known are small, deep"),
        ({"net.depth": 2}, "no setting 'net.depth'"),
        ({"net": "deep", "net.depth": "many"}, "expected int"),
        ({"rate": 2.0}, "rate is at most 1"),
    ],
)
def test_what_does_not_fit_is_named(settings: dict[str, object], line: str) -> None:
    with pytest.raises(RequestError, match=line):
        configure(Config(), settings)
