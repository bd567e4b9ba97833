"""What pictures carry besides their recipe: one small file of the user's, `provenance.toml`, beside the index."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from ..errors import RequestError, nearest
from ..index import home

__all__ = ["Settings"]


class Settings(BaseModel):
    """The settings of `provenance.toml`; paths in it are relative to its folder, and what is left out is as here."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: bool = True  # the IPTC term for what machines made, in XMP
    visible: Literal["off", "auto", "en", "zh"] = "off"  # words in the corner; auto takes the user's language
    aigc: str = ""  # the producer's name or code in China's implicit label; none without it
    watermark: bool = True  # invisible; pictures of less than 128 pixels are left alone
    certificate: Path | None = None  # PEM: the operator's certificate first, then those that vouch for it
    key: Path | None = None  # PEM: its private key, not encrypted
    anchors: Path | None = None  # PEM: the certificates that `verify` trusts
    filters: tuple[str, ...] = ()  # content filters by name, as words

    @model_validator(mode="after")
    def _both(self) -> Settings:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key go together; name both")
        return self

    @classmethod
    def load(cls) -> Settings:
        """The user's settings; those above where there is no file. Raises `RequestError` where one is wrong."""
        path = home() / "provenance.toml"
        try:
            found: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return cls()
        except (OSError, ValueError) as error:
            raise RequestError(f"{path}: it cannot be read ({error}); mend it, or move it away") from None
        for name in set(found) - set(cls.model_fields):
            raise RequestError(f"{path}: no setting {name!r}; {nearest(name, cls.model_fields)}")
        try:
            settings = cls.model_validate(found)
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(str(part) for part in first["loc"][:1])
            raise RequestError(f"{path}: {name or 'settings'}: {first['msg'].removeprefix('Value error, ')}") from None
        places = {name: getattr(settings, name) for name in ("certificate", "key", "anchors")}
        return settings.model_copy(update={name: path.parent / place for name, place in places.items() if place})
