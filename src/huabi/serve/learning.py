"""Routes to data and runs: what can be trained on, what is sent for it, and how a training goes."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path as FilePath
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from fastapi import Request as Call
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from ..checkpoint import Checkpoint
from ..data import glance
from ..errors import HuabiError, RunError
from ..report import alarms_of, log_rows, losses_of, run_summary, suitable
from ..tables import preflight_lines
from . import answers
from .answers import giving
from .bodies import FAULTS, read_form
from .errands import Data
from .faults import Fault
from .place import NAME
from .service import Service
from .uploads import FILES, Kept, Sent, take

ROWS = 600  # of a log, in one answer
NAMED = 8  # pictures that are named in a preflight
FORM = {"type": "object", "properties": {"files": {"type": "array", "items": {"type": "string", "format": "binary"}}}}
FILES_BODY = {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": FORM}}}}
RunName = Annotated[str, Path(pattern=NAME)]


def routes(service: Service) -> APIRouter:
    """The routes to a service."""
    router = APIRouter(tags=["training"], responses=FAULTS)
    place, one = service.place, asyncio.Lock()

    @router.get("/v1/data", summary="What can be trained on, by name", **giving(answers.Data))
    async def data() -> dict[str, Any]:
        names = await run_in_threadpool(place.sources)
        return {"data": names, "trains": place.trains, "takes_data": place.takes_data}

    @router.post(
        "/v1/data/{name}", openapi_extra=FILES_BODY, summary="Send pictures to train on, or a .zip of them",
        **giving(answers.Taken),
    )
    async def send(name: RunName, call: Call, more: bool = False) -> dict[str, Any]:
        folder = place.incoming(name)
        async with read_form(call, max_files=FILES, max_fields=8) as form:
            files = [value for _, value in form.multi_items() if isinstance(value, UploadFile)]
            sent = [Sent(file.filename or "", file.file) for file in files]
            kept: Kept = await run_in_threadpool(take, folder, sent, more)
        return {"name": name, "taken": kept.taken, "left_out": kept.left_out}

    @router.get(
        "/v1/data/{name}/preflight", summary="What is in the data, and which families can learn it",
        **giving(answers.Preflight),
    )
    async def preflight(name: Data) -> dict[str, Any]:
        source = place.source(name)
        async with one:  # it decodes by all cores
            try:
                return await run_in_threadpool(_preflight, source, name)
            except HuabiError as error:
                raise Fault(400, place.hidden(str(error)), "invalid_value") from None

    @router.get("/v1/runs", summary="The runs that have begun, the last changed first", **giving(answers.Runs))
    async def runs() -> dict[str, Any]:
        found = await run_in_threadpool(lambda: [_run(run, service) for run in place.runs()])
        return {"runs": [run for run in found if run]}

    @router.get("/v1/runs/{name}/log", summary="How a run has gone so far", **giving(answers.RunLog))
    async def log(name: RunName, after: Annotated[int, Query(ge=0)] = 0) -> dict[str, Any]:
        run = place.known_run(name)
        try:
            return await run_in_threadpool(_log, run, after)
        except RunError as error:
            raise Fault(400, place.hidden(str(error)), "invalid_value") from None

    @router.get(
        "/v1/runs/{name}/previews/{step}", response_class=Response, summary="What a run drew at a step",
        **giving(media="image/png"),
    )
    async def preview(name: RunName, step: Annotated[int, Path(ge=0, lt=10**12)]) -> Response:
        path = place.known_run(name) / "previews" / f"{step:08d}.png"
        try:
            return Response(await run_in_threadpool(path.read_bytes), media_type="image/png")
        except OSError:
            raise Fault(404, f"no preview of step {step}", "not_found") from None

    return router


def _preflight(source: str, name: str) -> dict[str, Any]:
    """What a client is told of data; pictures are named by a few."""
    found = replace(glance(source), source=name)
    few: dict[str, Any] = {key: list(getattr(found, key))[:NAMED] for key in ("unreadable", "blank")}
    counts = {"unreadable": len(found.unreadable), "duplicates": len(found.duplicates), "blank": len(found.blank)}
    counts["near_duplicates"] = len(found.near_duplicates)
    known = {key: getattr(found, key) for key in ("kind", "count", "usable", "looked", "sizes", "classes", "captions")}
    known |= {"pairing": found.pairing, "size": found.size, "family": found.family, "lines": preflight_lines(found)}
    return {"name": name} | known | {"left_out": few, "counts": counts, "families": suitable(found)}


def _run(run: FilePath, service: Service) -> dict[str, Any] | None:
    """A run in a list of runs; None where it is damaged."""
    try:
        checkpoint = Checkpoint.open(run)
    except RunError:
        return None
    header, states = checkpoint.header, checkpoint.states()
    planned = [event["total"] for event in header["events"] if "total" in event]
    known = {"name": run.name, "family": header["family"], "data": service.place.called(str(header["data"]))}
    known |= {"size": header["spec"]["size"], "step": int(states[-1].name) if states else 0}
    return known | {"planned": planned[-1] if planned else None, "finished": checkpoint.finished}


def _log(run: FilePath, after: int) -> dict[str, Any]:
    """The log of a run after a step: losses, alarms, and of which steps there are previews."""
    summary = run_summary(run)
    rows = [row for row in log_rows(run / "log.jsonl") if "seconds" in row]
    new = [row for row in rows if row["step"] > after]
    thin = new[:: -(-len(new) // ROWS) or 1]
    if new and thin[-1] is not new[-1]:
        thin.append(new[-1])
    known = {name: summary[name] for name in ("family", "planned", "finished", "seconds", "images_per_second")}
    known |= {"step": rows[-1]["step"] if rows else 0, "alarms": alarms_of(rows)}
    known["previews"] = [int(path.stem) for path in sorted((run / "previews").glob("*.png")) if path.stem.isdigit()]
    known["rows"] = [{"step": row["step"], "seconds": row["seconds"], "losses": losses_of(row)} for row in thin]
    return {"name": run.name} | known
