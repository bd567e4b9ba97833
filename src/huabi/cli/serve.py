"""The server: serve, and studio, which is the same with pages for a browser."""

from __future__ import annotations

import os
import sys
import threading
import webbrowser
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

from ..errors import RequestError
from .options import Device, app

Host = Annotated[str, typer.Option(help="elsewhere than on this machine alone it needs --api-key")]
Port = Annotated[int, typer.Option(min=1, max=65535)]
Key = Annotated[
    str, typer.Option(envvar="HUABI_API_KEY", help="what callers must say; the environment hides it from others")
]
Hosts = Annotated[list[str] | None, typer.Option(help="a name that callers may use for this server")]
Names = Annotated[list[str] | None, typer.Option(help="a run, or a name; may be said again; all known ones by default")]
Runs = Annotated[Path | None, typer.Option(help="a folder whose runs are offered as soon as they are there")]
Folder = Annotated[Path | None, typer.Option(help="a folder whose folders may be trained on, and that takes new ones")]
Where = Annotated[str | None, typer.Option(help="the jobs: a file, or the URL of a PostgreSQL database")]
Aside = Annotated[bool, typer.Option("--set-aside", help="move a damaged --store aside, begin anew")]
Queue = Annotated[int, typer.Option(min=1, help="jobs that wait at most")]
Keep = Annotated[str, typer.Option(help="how long pictures can be fetched")]
Memory = Annotated[float, typer.Option(min=0, help="GB of models kept loaded; 0 is half of what is free")]
Engine = Annotated[
    Literal["local", "ray"], typer.Option(help="ray: replicas on Ray Serve draw, at RAY_ADDRESS or on this machine")
]
Replicas = Annotated[str, typer.Option(help="of --engine ray: how many, or the least and the most, as 1:4")]


@app.command()
def serve(
    host: Host = "127.0.0.1",
    port: Port = 8700,
    api_key: Key = "",
    allow_host: Hosts = None,
    model: Names = None,
    runs: Runs = None,
    data: Folder = None,
    store: Where = None,
    set_aside: Aside = False,
    queue: Queue = 256,
    keep: Keep = "1h",
    memory: Memory = 0,
    device: Device = "auto",
    engine: Engine = "local",
    replicas: Replicas = "1",
) -> None:
    """Serve models over HTTP: OpenAI's Images API, the web UIs' API, and jobs of every kind."""
    said = dict(locals())
    del said["engine"], said["replicas"]
    if engine == "local" and replicas != "1":
        raise RequestError("--replicas needs --engine ray")
    _serve(**said, crowd=replicas if engine == "ray" else "")


@app.command()
def studio(
    host: Host = "127.0.0.1",
    port: Port = 8700,
    api_key: Key = "",
    allow_host: Hosts = None,
    model: Names = None,
    runs: Runs = None,
    data: Folder = None,
    store: Where = None,
    set_aside: Aside = False,
    queue: Queue = 256,
    keep: Keep = "7d",
    memory: Memory = 0,
    device: Device = "auto",
    no_open: Annotated[bool, typer.Option("--no-open", help="leave the browser alone")] = False,
) -> None:
    """Open the studio in the browser: draw, edit, transform, train and compare; the server of `serve` is in it."""
    said = dict(locals())
    del said["no_open"]
    _serve(**said, pages="closed" if no_open or not _has_display() else "opened")


def _serve(
    *,
    host: str,
    port: int,
    api_key: str,
    allow_host: list[str] | None,
    model: list[str] | None,
    runs: Path | None,
    data: Path | None,
    store: str | None,
    set_aside: bool,
    queue: int,
    keep: str,
    memory: float,
    device: str,
    pages: str = "",
    crowd: str = "",
) -> None:
    """Serves.

    Args:
        pages: whether those of the studio are served, and whether a browser is opened.
        crowd: how many replicas draw on Ray; this process does where it is empty.
    """
    try:
        import fastapi  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError:
        raise RequestError("the server needs its extra: pip install 'huabi[serve]'") from None
    from .. import index, text
    from ..machine import pick_device
    from ..provenance.publish import check_settings
    from ..serve.app import Address, run
    from ..serve.crowd import Crowd, Replicas
    from ..serve.guard import Access
    from ..serve.jobs import Store
    from ..serve.place import Place
    from ..serve.service import Limits, Service
    from ..serve.shelf import Shelf
    from ..serve.worker import Worker

    address, blank = Address(host, port), bool(api_key)
    api_key = api_key.strip()
    if (blank and not api_key) or not api_key.isascii():
        raise RequestError("--api-key is empty, or has letters beyond ASCII, which no header can hold; choose another")
    if not address.is_local and not api_key:
        raise RequestError(f"--host {host} lets others in; say --api-key, or set HUABI_API_KEY")
    for name, folder in (("runs", runs), ("data", data)):
        if folder is not None and not folder.is_dir():
            raise RequestError(f"--{name} {folder} is no folder")
    for name in allow_host or ():
        if "/" in name or (":" in name and not name.startswith("[")):
            raise RequestError(f"--allow-host {name}: give the name alone, without a port or https://")
    kept = text.duration(keep)
    address.bind().close()  # before models are looked at
    check_settings()  # nor does a server start whose every picture would be refused
    known = bool(pages) and not model and runs is None
    if pages:
        runs, data = runs or _own("runs"), data or _own("data")
    stock = partial(Shelf, tuple(model or ()), runs, device, int(memory * 2**30), known)
    shelf = stock()
    gpus = int(pick_device(device).type == "cuda")
    draws = partial(Crowd, replicas=Replicas.of(crowd), stock=stock, gpus=gpus) if crowd else Worker
    jobs = Store(store or str(index.home() / "serve" / "jobs.db"), queue, set_aside)
    service = Service(jobs, shelf, Limits(keep=kept), Place(runs, data), draws)
    typer.echo(f"{address.url} offers {', '.join(shelf.cards())}", err=True)
    access = Access(api_key, (host, *(allow_host or ())), studio=bool(pages))
    run(service, access, address, lambda: _open(address.url) if pages == "opened" else None)


def _own(name: str) -> Path:
    """A folder of the studio's own, where none is said."""
    from .. import index

    folder = index.home() / "studio" / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _has_display() -> bool:
    return sys.platform in ("win32", "darwin") or bool({"DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys())


def _open(url: str) -> None:
    """Opens the studio in the browser, which may take its time and may fail: the server does not wait for it."""
    threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
