"""Files as they stand in a request: their bytes, by path or value from Python, as base64 from JSON."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from .errors import DataError

__all__ = ["Payload"]


@dataclass(frozen=True, eq=False, repr=False)
class Payload:
    """The bytes of a file, equal where the bytes are equal; a kind of file says what it takes in `of`.

    As a pydantic field it takes what `of` takes from Python, and from JSON base64 alone. Whoever validates JSON that
    was parsed already (a server) passes `context={"json": True}`, so that no string is taken for a path.
    """

    media: ClassVar[str]  # its media type, as image/*
    error: ClassVar[type[DataError]]  # what is raised where it is no such file

    data: bytes
    name: str | None = None  # of the file that it came from, for messages
    sha256: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sha256", hashlib.sha256(self.data).hexdigest())

    def __eq__(self, other: object) -> bool:
        return self.sha256 == other.sha256 if isinstance(other, type(self)) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.sha256)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.sha256[:12]}, {len(self.data)} bytes)"

    @classmethod
    def of(cls, source: Any) -> Self:
        """The payload of `source`; raises `error` where it is none."""
        raise NotImplementedError

    @classmethod
    def checked(cls, data: bytes, name: str | None = None) -> Self:
        """The payload of a file's bytes; raises `error` where its header says that it is none."""
        raise NotImplementedError

    @classmethod
    def from_base64(cls, text: str) -> Self:
        """From base64, with or without a `data:image/...;base64,` before it."""
        if text.startswith("data:"):
            text = text.partition(",")[2]
        try:
            return cls.checked(base64.b64decode("".join(text.split()), validate=True))
        except (binascii.Error, ValueError):
            raise cls.error(f"expected a {cls.__name__.lower()}'s file in base64") from None

    def base64(self) -> str:
        return base64.b64encode(self.data).decode("ascii")

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema as cs

        def valid(value: Any, json: bool) -> Any:
            try:
                return cls.from_base64(value) if json else cls.of(value)
            except DataError as error:  # pydantic turns ValueError into a validation error, and nothing else
                raise ValueError(str(error)) from None

        def from_python(value: Any, info: Any) -> Any:
            return valid(value, isinstance(value, str) and bool((info.context or {}).get("json")))

        return cs.json_or_python_schema(
            json_schema=cs.no_info_after_validator_function(lambda value: valid(value, True), cs.str_schema()),
            python_schema=cs.with_info_plain_validator_function(from_python),
            serialization=cs.plain_serializer_function_ser_schema(
                lambda payload: payload.base64(), return_schema=cs.str_schema(), when_used="json"
            ),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any) -> dict[str, Any]:
        return {"type": "string", "format": "base64", "contentEncoding": "base64", "contentMediaType": cls.media}
