"""Settings: a family's frozen dataclass with dotted `--set` keys applied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

from .errors import RequestError, nearest

_WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def leaves(config: Any, prefix: str = "") -> dict[str, Any]:
    """The settings of `config` by dotted name: `{"batch": 32, "net.depth": 2}`."""
    out: dict[str, Any] = {}
    for f in fields(config):
        value = getattr(config, f.name)
        out |= leaves(value, f"{prefix}{f.name}.") if is_dataclass(value) else {prefix + f.name: value}
    return out


def _parse(value: Any, like: Any, key: str) -> Any:
    """`value`, a string where it comes from a command line, as the kind of `like`."""
    if isinstance(value, list):
        return tuple(value)
    if not isinstance(value, str) or isinstance(like, str):
        return value
    try:
        if isinstance(like, bool):
            return _WORDS[value.lower()]
        if isinstance(like, tuple):
            kind = type(like[0]) if like else str
            return tuple(kind(part) for part in value.replace("+", ",").split(",") if part)
        return type(like)(value)
    except (KeyError, ValueError):
        raise RequestError(f"--set {key}={value}: expected {type(like).__name__}, such as {like}") from None


def configure(config: Any, settings: Mapping[str, Any]) -> Any:
    """`config` with dotted `settings` applied; values may be strings.

    An unknown key or a value of the wrong kind raises `RequestError`; a config refuses values that make no sense
    by raising ValueError in its `__post_init__`.
    """
    known = leaves(config)
    for key in settings:
        if key not in known:
            raise RequestError(f"no setting {key!r}; {nearest(key, known)}")
    changes: dict[str, Any] = {}
    for f in fields(config):
        value = getattr(config, f.name)
        if is_dataclass(value):
            inner = {k.removeprefix(f.name + "."): v for k, v in settings.items() if k.startswith(f.name + ".")}
            if inner:
                changes[f.name] = configure(value, inner)
        elif f.name in settings:
            changes[f.name] = _parse(settings[f.name], value, f.name)
    try:
        return replace(config, **changes)
    except ValueError as error:
        raise RequestError(f"--set: {error}") from None
