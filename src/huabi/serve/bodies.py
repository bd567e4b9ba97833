"""Bodies that are read by our own requests, described in the OpenAPI schema, and answers that are streams of events."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.openapi.utils import get_openapi
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.datastructures import FormData

from .faults import Fault

REF = "#/components/schemas/{model}"
FAULT = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
            },
        }
    },
}
FAULTS: dict[int | str, dict[str, Any]] = {
    "4XX": {"description": "refused", "content": {"application/json": {"schema": {"$ref": REF.format(model="Fault")}}}},
    "5XX": {"description": "failed", "content": {"application/json": {"schema": {"$ref": REF.format(model="Fault")}}}},
}


def taking(kind: type[BaseModel], media: str = "application/json") -> dict[str, Any]:
    """What a route says of its body, which it reads by itself."""
    schema = {"$ref": REF.format(model=kind.__name__)}
    return {"requestBody": {"required": True, "content": {media: {"schema": schema}}}}


def describe(app: FastAPI, kinds: Sequence[type[BaseModel]]) -> None:
    """Completes the OpenAPI schema of `app` by bodies of these kinds."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
            _, bodies = models_json_schema([(kind, "validation") for kind in kinds], ref_template=REF)
            parts = schema.setdefault("components", {}).setdefault("schemas", {})
            parts |= bodies.get("$defs", {}) | {"Fault": FAULT}
            schema["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
            schema["security"] = [{"key": []}, {}]  # a server on this machine alone may have none
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


@asynccontextmanager
async def read_form(call: Request, max_files: int, max_fields: int) -> AsyncIterator[FormData]:
    """The form in a call; raises a 400 `Fault` for one whose headers name no encoding that there is."""
    try:
        form = await call.form(max_files=max_files, max_fields=max_fields)
    except (LookupError, UnicodeError):
        line = "the form cannot be read: its charset is unknown, or is not what it says"
        raise Fault(400, line, "invalid_form") from None
    try:
        yield form
    finally:
        await form.close()


def event(kind: str, data: dict[str, Any]) -> str:
    """One server-sent event."""
    return f"event: {kind}\ndata: {json.dumps({'type': kind} | data)}\n\n"


def stream(events: AsyncIterator[str]) -> StreamingResponse:
    """An answer of server-sent events."""
    return StreamingResponse(events, media_type="text/event-stream", headers={"x-accel-buffering": "no"})
