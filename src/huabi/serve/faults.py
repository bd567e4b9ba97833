"""What goes wrong, as clients of OpenAI's API expect to be told: one line, its kind, and where it is."""

from __future__ import annotations

from typing import Any, NoReturn

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from ..durable import FULL
from ..errors import HuabiError, RefusedError
from .database import StoreError
from .jobs import Job, QueueFull
from .shelf import UnknownModel

KINDS = {400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 404: "not_found_error"}
KINDS |= {429: "rate_limit_error"}
FINAL = {"x-should-retry": "false"}  # the client's own retries would only do the same again
LONGEST = 500  # characters of a message


class Fault(Exception):
    """An answer that is no result."""

    def __init__(
        self, status: int, message: str, code: str, param: str | None = None, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.param, self.headers = status, code, param, headers or {}

    def body(self) -> dict[str, Any]:
        kind = KINDS.get(self.status, "server_error" if self.status >= 500 else "invalid_request_error")
        line = " ".join(str(self).split()).encode("utf-8", "replace").decode()
        return {"error": {"message": line[:LONGEST], "type": kind, "param": self.param, "code": self.code}}

    def response(self) -> JSONResponse:
        return JSONResponse(self.body(), self.status, self.headers)


def of(error: Exception) -> Fault:
    """The fault that an exception means to a client."""
    if isinstance(error, Fault):
        return error
    if isinstance(error, (ValidationError, RequestValidationError)):
        return _invalid(list(error.errors()))
    if isinstance(error, QueueFull):
        return Fault(429, str(error), "queue_full", headers={"retry-after": str(error.retry_after)})
    if isinstance(error, StoreError):
        return Fault(503, str(error), "store_unavailable", headers={"retry-after": "5"})
    if isinstance(error, OSError) and error.errno in FULL:
        line = "the server's disk is full; try again when there is room"
        return Fault(503, line, "disk_full", headers={"retry-after": "60"})
    if isinstance(error, UnknownModel):
        return Fault(404, str(error), "model_not_found", "model")
    if isinstance(error, RefusedError):
        return Fault(400, str(error), "content_policy_violation")
    if isinstance(error, HuabiError):
        return Fault(400, str(error), "invalid_value")
    if isinstance(error, HTTPException):
        code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "invalid_request")
        return Fault(error.status_code, str(error.detail), code, headers=dict(error.headers or {}))
    return Fault(500, "a fault in the server; its log says where", "internal_error", headers=dict(FINAL))


def _invalid(errors: list[Any]) -> Fault:
    """The first thing that is wrong with a body, without what was said in it."""
    first = errors[0]
    names = [str(part) for part in first["loc"] if part != "body"]
    reason = str(first["msg"]).removeprefix("Value error, ")
    param = ".".join(names)[:100] or None
    code = {"missing": "missing_required_parameter", "extra_forbidden": "unknown_parameter"}.get(first["type"])
    return Fault(400, f"{param}: {reason}" if param else reason, code or "invalid_value", param)


def raise_end(job: Job) -> NoReturn:
    """Raises what a job that is not done means to the client who waits for it."""
    if job.state == "failed" and job.fault == "refused":
        raise Fault(400, job.error or "", "content_policy_violation")
    if job.state == "failed" and job.fault == "request":
        raise Fault(400, job.error or "", "invalid_value")
    if job.state == "cancelled":
        raise Fault(409, f"the job {job.id} was cancelled", "cancelled", headers=dict(FINAL))
    raise Fault(500, job.error or "", "job_failed", headers=dict(FINAL))


def install(app: FastAPI) -> None:
    """Makes every answer that is no result look alike."""

    async def answer(request: Request, error: Exception) -> JSONResponse:
        return of(error).response()

    for kind in (Fault, RequestValidationError, ValidationError, HuabiError, HTTPException):
        app.add_exception_handler(kind, answer)
