"""Judging: evaluate, compare, recommend."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .. import text
from ..errors import RequestError
from .options import AsJson, Data, Device, Pairs, Size, Threads, app, showing, size_of


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
    from ..samples import is_run
    from ..tables import to_json

    if out is None and is_run(source) and not index.comes(index.place(source)):
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


@app.command()
def compare(
    data: Data,
    out: Annotated[Path, typer.Option(help="the folder to make: a run for each family, and the report")],
    budget: Annotated[str | None, typer.Option(help="training of each family: 90s, 10m, 1h30m (default 10m)")] = None,
    families: Annotated[str | None, typer.Option(help="only these, as gan,vae; all that fit by default")] = None,
    size: Size = None,
    n: Annotated[int, typer.Option("--n", help="pictures to draw from each family and measure")] = 1000,
    features: Annotated[str | None, typer.Option(help="the network that measures, as inception or dinov2")] = None,
    seed: Annotated[int | None, typer.Option(help="of every run (default 0)")] = None,
    threads: Threads = None,
    device: Device = "auto",
    json: AsJson = False,
) -> None:
    """Train every family that fits DATA for the same time, measure them alike, and say which one to take."""
    from ..comparison import compare as run
    from ..display import Standings
    from ..tables import print_comparison, to_json

    with Standings() as standings:
        facts = run(
            data,
            out,
            budget=text.duration(budget) if budget is not None else None,
            families=[name.strip() for name in families.split(",")] if families else None,
            size=size_of(size),
            n=n,
            features=features,
            seed=seed,
            threads=threads,
            device=device,
            progress=standings.count,
            say=standings.say,
            on_row=standings.row,
        )
    if json:
        typer.echo(to_json(facts))
    else:
        print_comparison(facts)
        typer.echo(out / "report.html")
    if not facts["ranking"]:
        raise typer.Exit(1)


@app.command()
def recommend(data: Data, pairs: Pairs = None, json: AsJson = False) -> None:
    """Which family to train on DATA, from a look at some of its pictures: an estimate, within seconds."""
    from ..advice import recommend as advise
    from ..tables import print_advice, to_json

    with showing() as display:
        advice = advise(data, pairs, display.count)
    if json:
        typer.echo(to_json(advice))
    else:
        print_advice(advice)
