"""The server: serve."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import RequestError
from .options import Device, app

Names = Annotated[list[str] | None, typer.Option(help="a run, or a name; may be said again; all known ones by default")]


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="elsewhere than on this machine alone it needs --api-key")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8700,
    api_key: Annotated[
        str, typer.Option(envvar="HUABI_API_KEY", help="what callers must say; the environment hides it from others")
    ] = "",
    allow_host: Annotated[list[str] | None, typer.Option(help="a name that callers may use for this server")] = None,
    model: Names = None,
    runs: Annotated[Path | None, typer.Option(help="a folder whose runs are offered as soon as they are there")] = None,
    data: Annotated[Path | None, typer.Option(help="a folder whose folders may be trained on")] = None,
    store: Annotated[str | None, typer.Option(help="the jobs: a file, or the URL of a PostgreSQL database")] = None,
    set_aside: Annotated[bool, typer.Option("--set-aside", help="move a damaged --store aside, begin anew")] = False,
    queue: Annotated[int, typer.Option(min=1, help="jobs that wait at most")] = 256,
    keep: Annotated[str, typer.Option(help="how long pictures can be fetched")] = "1h",
    memory: Annotated[float, typer.Option(min=0, help="GB of models kept loaded; 0 is half of what is free")] = 0,
    device: Device = "auto",
) -> None:
    """Serve models over HTTP: OpenAI's Images API, the web UIs' API, and jobs of every kind."""
    try:
        import fastapi  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError:
        raise RequestError("the server needs its extra: pip install 'huabi[serve]'") from None
    from .. import index, text
    from ..serve.app import Address, run
    from ..serve.errands import Place
    from ..serve.guard import Access
    from ..serve.jobs import Store
    from ..serve.service import Limits, Service
    from ..serve.shelf import Shelf

    address = Address(host, port)
    if not address.is_local and not api_key:
        raise RequestError(f"--host {host} lets others in; say --api-key, or set HUABI_API_KEY")
    for name, folder in (("runs", runs), ("data", data)):
        if folder is not None and not folder.is_dir():
            raise RequestError(f"--{name} {folder} is no folder")
    address.bind().close()  # before models are looked at
    shelf = Shelf(model or (), runs, device, int(memory * 2**30))
    jobs = Store(store or str(index.home() / "serve" / "jobs.db"), queue, set_aside)
    service = Service(jobs, shelf, Limits(keep=text.duration(keep)), Place(runs, data))
    typer.echo(f"http://{host}:{port} offers {', '.join(shelf.cards())}", err=True)
    run(service, Access(api_key, (host, *(allow_host or ()))), address)
