"""Drawing jobs in one go, and telling what comes of it to whoever keeps them: this process or another."""

from __future__ import annotations

import base64
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, Protocol

import torch
from torch import Tensor

from ..drawing import ROWS, draw
from ..errors import HuabiError, RefusedError, RequestError
from ..model import Model
from ..pictures import to_image
from ..provenance.publish import preview, published
from .desk import Abandoned, Call, Kind
from .hub import Event
from .jobs import Blame, Drawn, Job
from .logs import log

STEPS = 18  # estimates of a picture, as long as the model has drawn none


class Outlet(Protocol):
    """Whoever keeps the jobs."""

    def tell(self, job: Job, event: Event) -> None:
        """Says how far a job is."""

    def finish(self, job: Job, drawn: Sequence[Drawn]) -> None:
        """Takes the pictures of a job."""

    def fail(self, job: Job, line: str, fault: Blame) -> None:
        """Takes one line for people on why a job has none."""

    def check(self, calls: Iterable[Call]) -> None:
        """Raises `Abandoned` where nobody waits for any of the calls."""

    def drew(self, seconds: float, rows: int) -> None:
        """Counts a batch."""


class Easel:
    """Draws for one outlet, one batch at a time."""

    def __init__(self, outlet: Outlet) -> None:
        self._outlet = outlet
        self._steps: dict[Kind, int] = {}  # estimates that such a request took

    def draw(self, model: Model, calls: list[Call]) -> None:
        """Draws calls in one go; where that fails, each that is not done by itself, so that one spoils no other."""
        try:
            self._batch(model, calls)
        except Abandoned:
            return
        except Exception as error:
            if len(calls) == 1:
                self.blame(calls[0].job, error, "request")
                return
            log.info("a batch of %d jobs is drawn one by one (%s)", len(calls), type(error).__name__)
            for call in calls:
                if not call.over:
                    call.made.clear()
                    self.draw(model, [call])

    def blame(self, job: Job, error: Exception, fault: Blame) -> None:
        """Ends a job with what people can put right, or as a fault of ours, of which the log says where it is."""
        line = str(error)
        if not isinstance(error, HuabiError):
            log.error("job %s: %s\n%s", job.id, type(error).__name__, "".join(traceback.format_tb(error.__traceback__)))
            line = f"a fault in the server ({type(error).__name__}); its log says where"
        if isinstance(error, RefusedError):
            fault = "refused"
        self._outlet.fail(job, line, fault if isinstance(error, HuabiError) else "server")

    def _batch(self, model: Model, calls: list[Call]) -> None:
        places = [(call, k) for call in calls for k in range(len(call.requests))]
        requests = [call.requests[k] for call, k in places]
        began = time.perf_counter()
        for position, image, recipe in draw(model, requests, on_estimate=self._watching(model, places)):
            call, k = places[position]
            call.made[k] = Drawn(recipe, published(image, "PNG", recipe))
            if len(call.made) == len(call.requests):
                call.over = True
                self._steps[call.kind] = call.step
                self._outlet.finish(call.job, [call.made[k] for k in range(len(call.requests))])
        self._outlet.drew(time.perf_counter() - began, len(places))

    def _watching(self, model: Model, places: list[tuple[Call, int]]) -> Callable[[int, Sequence[int], Tensor], None]:
        """Looks at each estimate: stops where nobody waits any more, and shows how far it is.

        A model draws no more rows at once than its run recorded: a job of many pictures is drawn in several groups,
        each of which has its estimates and previews.
        """
        everyone = list({id(call): call for call, _ in places}.values())
        size = model.identity.rows if model.identity else ROWS
        starts = {id(call): p for p, (call, k) in enumerate(places) if k == 0}

        def look(n: int, positions: Sequence[int], estimate: Tensor) -> None:
            self._outlet.check(everyone)
            for call in {id(places[p][0]): places[p][0] for p in positions}.values():
                if call.over or call.dropped:
                    continue
                rows = [row for row, p in enumerate(positions) if places[p][0] is call]
                call.step, call.seen = n, 0 if n == 1 else call.seen
                of = max(n, self._steps.get(call.kind) or call.kind[2] or STEPS)
                start = starts[id(call)]
                first, now, last_one = (p // size for p in (start, positions[0], start + len(call.requests) - 1))
                event: dict[str, Any] = {"type": "progress", "step": (now - first) * of + n}
                event["of"] = (last_one - first + 1) * of
                due = call.seen < call.previews and n >= 1 + call.seen * of // call.previews
                last = n == self._steps.get(call.kind)  # which is the picture itself
                if due and not last and (images := _shown(model, estimate[rows], call.job.task)):
                    event |= {"type": "preview", "index": call.seen, "images": images}
                    event["positions"] = [places[positions[row]][1] for row in rows]
                    call.seen += 1
                self._outlet.tell(call.job, event)

        return look


def _shown(model: Model, estimate: Tensor, task: str) -> list[str]:
    """Pictures of estimates as PNG in base64; none where a content filter withholds one."""
    with torch.no_grad():
        pictures = model.decode(estimate).float().cpu()
    trained = bool(model.identity and model.identity.hash)
    with suppress(RequestError):
        shown = [preview(to_image(picture), task, trained) for picture in pictures]
        return [base64.b64encode(data).decode("ascii") for data in shown]
    return []
