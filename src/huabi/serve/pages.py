"""The studio: files of the package that a browser is given, with no way to any other file."""

from __future__ import annotations

import hashlib
from pathlib import Path

from fastapi import APIRouter, Response
from fastapi import Request as Call

from .faults import Fault

FOLDER = Path(__file__).parent / "studio"
UNDER = "/studio/"
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def is_open(path: str) -> bool:
    """Whether a path is of the studio itself, which asks for the key and so needs none."""
    return path == "/" or path.startswith(UNDER)


def routes() -> APIRouter:
    """The routes to the studio's files, which are read once."""
    router = APIRouter(include_in_schema=False)
    files = {path.name: path for path in FOLDER.iterdir() if path.suffix in TYPES}
    contents = {name: path.read_bytes() for name, path in files.items()}
    tags = {name: f'"{hashlib.sha256(data).hexdigest()[:20]}"' for name, data in contents.items()}

    def answer(call: Call, name: str) -> Response:
        if name not in contents:
            raise Fault(404, "no such page", "not_found")
        headers = {"etag": tags[name], "cache-control": "no-cache", "content-security-policy": POLICY}
        if tags[name] in call.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(contents[name], media_type=TYPES[files[name].suffix], headers=headers)

    @router.get("/")
    async def page(call: Call) -> Response:
        return answer(call, "index.html")

    @router.get(UNDER + "{name}")
    async def file(call: Call, name: str) -> Response:
        return answer(call, name)

    return router
