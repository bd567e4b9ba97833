"""What stands before every route: who may call, how large and slow a call may be, and what a browser is told."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import ipaddress
import secrets
import time
import traceback
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from . import pages
from .faults import FINAL, Fault, of
from .logs import log
from .meters import Meters

OPEN = ("/health", "/ready")  # which tell nothing and need no key
BY_ID = "/v1/pictures/"  # whose ids nobody can guess, so that links to them work in a browser
LEFT = 499  # what a call whose client has left is counted as
METHODS = ("GET", "HEAD", "OPTIONS", "POST")  # that figures are kept of
SILENCE, SECONDS = 30.0, 900.0  # between two parts of a body, and in which all of it must have come
HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
}


@dataclass(frozen=True)
class Access:
    """Who may call: whoever says the key, if there is one, by an address that is meant."""

    key: str = ""
    hosts: tuple[str, ...] = ()  # names beside localhost and plain addresses, which no foreign page can take over
    body: int = 64 << 20  # bytes of a call at most
    studio: bool = False  # whether its pages are served, which need no key

    def check(self, path: str, headers: Headers) -> None:
        """Raises `Fault` where a call is refused."""
        host = _name(f"//{headers.get('host', '')}")
        if not (host == "localhost" or host in map(str.lower, self.hosts) or _is_address(host)):
            raise Fault(403, "this host name is not served; start the server with --allow-host NAME", "host_refused")
        origin = headers.get("origin")
        if origin is not None and origin.partition("://")[2] != headers.get("host"):
            raise Fault(403, "calls from another site's pages are refused", "origin_refused")
        if headers.get("sec-fetch-site") == "cross-site" and headers.get("sec-fetch-mode") != "navigate":
            raise Fault(403, "calls from another site's pages are refused", "origin_refused")
        if self.key and not self._is_open(path) and not self._has_key(headers):
            asks = {"www-authenticate": 'Bearer realm="huabi"'}
            raise Fault(401, "the API key is missing or wrong; send it as Bearer token", "invalid_api_key", None, asks)

    def _is_open(self, path: str) -> bool:
        return path in OPEN or path.startswith(BY_ID) or (self.studio and pages.is_open(path))

    def _has_key(self, headers: Headers) -> bool:
        """Whether the key is said, as Bearer token or as password; the time tells nothing of how much is right."""
        scheme, _, said = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            try:
                said = base64.b64decode(said, validate=True).decode("utf-8", "replace").partition(":")[2]
            except (binascii.Error, ValueError):
                said = ""
        return hmac.compare_digest(_digest(said.strip()), _digest(self.key))


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _name(netloc: str) -> str:
    try:
        return (urlsplit(netloc).hostname or "").lower()
    except ValueError:
        return ""


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


class Guard:
    """The outermost layer of the app: checks, bounds, counts, and answers where all else failed."""

    def __init__(self, app: ASGIApp, access: Access, meters: Meters) -> None:
        self.app, self.access, self.meters = app, access, meters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, name, status = time.perf_counter(), f"req_{secrets.token_hex(12)}", 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["x-request-id"] = name
                for key, value in HEADERS.items():
                    headers.setdefault(key, value)
            await send(message)

        try:
            headers = Headers(scope=scope)
            self.access.check(scope["path"], headers)
            length = headers.get("content-length", "0")
            if not length.isdecimal() or int(length[:20]) > self.access.body:
                raise _too_large(self.access.body)
            await self.app(scope, _bounded(receive, self.access.body), sending)
        except ClientDisconnect:
            status = status or LEFT  # in the middle of its body: nobody is there to be answered
        except Exception as error:
            if not isinstance(error, Fault):
                where = "".join(traceback.format_tb(error.__traceback__))
                log.error("%s %s\n%s", name, type(error).__name__, where)  # its words may be the client's
            if status:
                raise ConnectionError("the answer broke off") from None
            await of(error).response()(scope, receive, sending)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            seconds = time.perf_counter() - began
            method = scope["method"] if route != "other" and scope["method"] in METHODS else ""
            self.meters.calls.labels(method, route, str(status)).observe(seconds)
            log.info("%s %s %s %d %.0f ms", name, method or "other", route, status, 1000 * seconds)


def _too_large(most: int) -> Fault:
    closing = {"connection": "close", **FINAL}
    return Fault(413, f"the body is larger than the {most:,} bytes that are taken", "body_too_large", None, closing)


def _bounded(receive: Receive, most: int) -> Receive:
    """`receive` of a body that is neither larger than `most` bytes nor slower than `SECONDS` and `SILENCE` say."""
    seen, more = 0, True
    end = asyncio.get_running_loop().time() + SECONDS

    async def receiving() -> Message:
        nonlocal seen, more
        if not more:
            return await receive()
        try:
            async with asyncio.timeout_at(min(end, asyncio.get_running_loop().time() + SILENCE)):
                message = await receive()
        except TimeoutError:
            closing = {"connection": "close", **FINAL}
            line = f"nothing more of the body came for {SILENCE:g} seconds, or not all of it within {SECONDS:g}"
            raise Fault(408, line, "timeout", None, closing) from None
        seen += len(message.get("body", b""))
        more = message.get("more_body", False)
        if seen > most:
            raise _too_large(most)
        return message

    return receiving
