"""The app: routes to one service behind one guard, and the server that runs it."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import FrameType

import uvicorn
from fastapi import FastAPI, Request, Response
from uvicorn.protocols.http.h11_impl import H11Protocol

from .. import __version__
from ..errors import RequestError
from . import faults, learning, openai, pages, routes, webui
from .bodies import describe
from .guard import LEFT, Access, Guard
from .logs import log
from .service import ClientLeft, Service

DRAIN = 30.0  # seconds that calls have to end in when the server stops
HEADERS = 32 << 10  # bytes of a call's headers at most
PATIENCE = 20.0  # seconds in which they are to come, so that silent connections do not keep others out
CONNECTIONS = 1000


def create_app(service: Service, access: Access) -> FastAPI:
    """The app of a service, which runs as long as the app does; `access` says who may call."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service.start()
        yield
        await service.stop(DRAIN)

    app = FastAPI(
        title="Huabi",
        version=__version__,
        description="Pictures from models of your own, as jobs; the Images API of OpenAI and the web UIs' API beside.",
        lifespan=lifespan,
        docs_url=None,  # the pages of both would fetch their scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
    )
    faults.install(app)

    @app.exception_handler(ClientLeft)
    async def left(request: Request, error: Exception) -> Response:
        return Response(status_code=LEFT)

    for part in (routes, learning, openai, webui):
        app.include_router(part.routes(service))
    if access.studio:
        app.include_router(pages.routes())
    describe(app, [routes.JobBody, routes.PictureBody, routes.TypedBody, *openai.BODIES, *webui.BODIES])
    app.add_middleware(Guard, access=access, meters=service.meters)
    return app


@dataclass(frozen=True)
class Address:
    """Where the server listens."""

    host: str = "127.0.0.1"
    port: int = 8700

    @property
    def is_local(self) -> bool:
        return self.host in ("localhost", "::1") or self.host.startswith("127.")

    @property
    def url(self) -> str:
        """For a browser on this machine."""
        host = "localhost" if self.host in ("0.0.0.0", "::") else f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}/"

    def bind(self) -> socket.socket:
        """A socket there; one that is taken, or no address of this machine, raises `RequestError`."""
        try:
            family, kind, proto, _, place = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)[0]
            found = socket.socket(family, kind, proto)
            try:
                found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                found.bind(place)
            except OSError:
                found.close()
                raise
        except OSError as error:
            line = f"cannot listen on {self.host}:{self.port} ({error.strerror or error}); choose another --port"
            raise RequestError(line) from None
        return found


def configured(service: Service, access: Access) -> uvicorn.Config:
    """How uvicorn is to run the app of a service."""
    logging.getLogger("uvicorn.access").disabled = True  # ours tells no path
    return uvicorn.Config(
        create_app(service, access),
        http=Impatient,
        h11_max_incomplete_event_size=HEADERS,
        limit_concurrency=CONNECTIONS,
        timeout_graceful_shutdown=int(DRAIN),
        server_header=False,
        access_log=False,
        log_config=None,
    )


class Impatient(H11Protocol):
    """Closes a connection on which no call comes, or not the whole of its headers, within `PATIENCE`."""

    _limit: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._came()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if not self._limit and not self._busy():
            self._wait()
        super().data_received(data)
        if self._busy():
            self._came()

    def _busy(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _wait(self) -> None:
        self._limit = self.loop.call_later(PATIENCE, self.transport.close)

    def _came(self) -> None:
        if self._limit:
            self._limit.cancel()
            self._limit = None


class _Server(uvicorn.Server):
    """Says that it stops, and takes no more calls from then on."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        log.info("stopping: calls have %g seconds to end, trainings are saved", DRAIN)
        self._service.leave()
        super().handle_exit(sig, frame)


def run(
    service: Service, access: Access, address: Address, on_listening: Callable[[], object] = lambda: None
) -> None:
    """Serves until SIGINT or SIGTERM; open calls then have `DRAIN` seconds to end.

    Args:
        on_listening: called as soon as callers can connect; they are answered a moment later.
    """
    with address.bind() as listening:
        listening.listen()
        on_listening()
        logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
        logging.getLogger("huabi.serve").setLevel(logging.INFO)
        _Server(configured(service, access), service).run(sockets=[listening])
