"""How good pictures are: evaluate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import RequestError
from .options import AsJson, Device, app, showing


@app.command()
def evaluate(
    source: Annotated[Path, typer.Argument(metavar="RUN_OR_DIR", help="a run folder, or a folder of pictures")],
    against: Annotated[str, typer.Option(metavar="DATA", help="the pictures to measure against, as train takes them")],
    features: Annotated[str | None, typer.Option(help="inception, efficientnet-lite0, classifier:RUN, ...")] = None,
    n: Annotated[int, typer.Option("--n", help="how many pictures; of a folder at most")] = 5000,
    seed: Annotated[int, typer.Option(help="of the first picture drawn; the next have the next seeds")] = 0,
    device: Device = "auto",
    out: Annotated[Path | None, typer.Option(help="folder for report.html (default RUN/evaluation)")] = None,
    json: AsJson = False,
) -> None:
    """Measure what a RUN draws, or the pictures in a DIR, against DATA; writes report.json and report.html."""
    from .. import index
    from ..evaluation import evaluate as judge
    from ..report import to_json
    from ..samples import is_run

    if out is None and is_run(source):
        out = index.place(source) / "evaluation"
    if out is None and not json:
        raise RequestError("say where the report goes: --out DIR, or --json to print the figures alone")
    if out is not None and out.exists() and not out.is_dir():
        raise RequestError(f"--out {out} is a file; give a folder")
    with showing() as display:
        found = judge(
            source, against, features=features, n=n, seed=seed, device=device, progress=display.count, say=display.say
        )
        page = found.save(out) if out is not None else None
        for line in found.facts["notes"]:
            display.say(f"note: {line}")
    if json:
        typer.echo(to_json(found.facts))
        return
    for score in found.facts["scores"]:
        typer.echo(f"against {score['on']}: {score['text']}")
    typer.echo(page)
