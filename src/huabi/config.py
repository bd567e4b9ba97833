"""Settings: a family's frozen dataclass with dotted `--set` keys applied.

A field annotated with several dataclasses (`net: ResNet | DCGAN`) is a choice between variants, each of which has its
own settings and a class attribute `kind`: `net=dcgan` picks one, `net.width=32` sets what belongs to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, get_args, get_type_hints

from .errors import RequestError, nearest

_WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def leaves(config: Any, prefix: str = "") -> dict[str, Any]:
    """The settings of `config` by dotted name: `{"batch": 32, "net": "dcgan", "net.width": 64}`."""
    out: dict[str, Any] = {}
    for f in fields(config):
        value, name = getattr(config, f.name), prefix + f.name
        if not is_dataclass(value):
            out[name] = value
            continue
        if (kind := getattr(value, "kind", None)) is not None:
            out[name] = kind
        out |= leaves(value, f"{name}.")
    return out


def _variants(config: Any, name: str) -> dict[str, Any]:
    """The dataclasses that field `name` may hold, by their kind; empty where there is no choice."""
    return {kind.kind: kind for kind in get_args(get_type_hints(type(config))[name]) if hasattr(kind, "kind")}


def _parse(value: Any, like: Any, key: str) -> Any:
    """`value`, a string where it comes from a command line, as the kind of `like`."""
    if isinstance(value, list):
        return tuple(value)
    if not isinstance(value, str) or isinstance(like, str):
        return float(value) if type(value) is int and isinstance(like, float) else value
    try:
        if isinstance(like, bool):
            return _WORDS[value.lower()]
        if isinstance(like, tuple):
            kind = type(like[0]) if like else str
            return tuple(kind(part) for part in value.replace("+", ",").split(",") if part)
        return type(like)(value)
    except (KeyError, ValueError):
        raise RequestError(f"--set {key}={value}: expected {type(like).__name__}, such as {like}") from None


def _chosen(config: Any, settings: Mapping[str, Any]) -> Any:
    """`config` with the variants that `settings` name, at their defaults where they are others than before."""
    changes: dict[str, Any] = {}
    for f in fields(config):
        asked = settings.get(f.name)
        if (variants := _variants(config, f.name)) and asked not in (None, getattr(config, f.name).kind):
            if asked not in variants:
                raise ValueError(f"{f.name}={asked}: known are {', '.join(variants)}")
            changes[f.name] = variants[asked]()
    return replace(config, **changes)


def configure(config: Any, settings: Mapping[str, Any]) -> Any:
    """`config` with dotted `settings` applied; values may be strings.

    An unknown key or a value of the wrong kind raises `RequestError`; a config refuses values that make no sense
    by raising ValueError in its `__post_init__`.
    """
    try:
        config = _chosen(config, settings)
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
        return replace(config, **changes)
    except ValueError as error:
        raise RequestError(f"--set: {error}") from None
