"""Data and training: inspect, train, show, cache, doctor."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from .. import text
from .options import AsJson, Channels, Data, Device, Pairs, Run, Size, Threads, app, showing, size_of


@app.command()
def inspect(
    data: Data,
    size: Size = None,
    channels: Channels = None,
    pairs: Pairs = None,
    forecast: Annotated[bool, typer.Option("--forecast/--no-forecast", help="try each family here")] = True,
    json: AsJson = False,
) -> None:
    """What is in DATA, what is wrong with it, what will be done about it, and what training would take."""
    from ..data import inspect as look
    from ..tables import print_preflight, to_json

    with showing() as display:
        found = look(data, size=size_of(size), channels=channels or 3, pairs=pairs, progress=display.count)
        if forecast:
            from ..report import families_forecast

            found = families_forecast(found, channels or 3, size_of(size), display.count)
    if json:
        typer.echo(to_json(found))
    else:
        print_preflight(found)
    if not found.usable:
        raise typer.Exit(1)


@app.command()
def train(
    family: Annotated[str, typer.Argument(metavar="FAMILY", help="diffusion, gan, vae, pix2pix, cyclegan, ...")],
    data: Data,
    out: Annotated[Path, typer.Option(help="the run folder to make")],
    size: Size = None,
    budget: Annotated[str | None, typer.Option(help="wall time: 90s, 10m, 1h30m (default 10m)")] = None,
    steps: Annotated[int | None, typer.Option(help="training steps, instead of a budget")] = None,
    batch: Annotated[int | None, typer.Option(help="pictures in a step; the family's own by default")] = None,
    micro: Annotated[int | None, typer.Option(help="pictures held at once; fitted to memory by default")] = None,
    seed: Annotated[int | None, typer.Option(help="the run's seed (default 0)")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="go on with the run in --out")] = False,
    init: Annotated[Path | None, typer.Option(help="start from the weights of this run")] = None,
    base: Annotated[str | None, typer.Option(help="of lora: the big model that is adapted")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="a family's setting, as net.depth=4")] = None,
    channels: Channels = None,
    fit: Annotated[str | None, typer.Option(help="crop, pad or squash to the size (default crop)")] = None,
    flip: Annotated[bool | None, typer.Option("--flip/--no-flip", help="mirror pictures at random")] = None,
    pairs: Pairs = None,
    balance: Annotated[bool | None, typer.Option("--balance/--no-balance", help="draw all classes alike")] = None,
    device: Device = "auto",
    threads: Threads = None,
    precision: Annotated[str | None, typer.Option(help="bf16 or fp32; by default what is fast here")] = None,
    save_every: Annotated[int | None, typer.Option(help="steps between saves; every 30 s by default")] = None,
    evaluate_every: Annotated[
        str | None, typer.Option(help="time between evaluations, as 5m: the state nearest to held-out pictures is kept")
    ] = None,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="write curves for TensorBoard too")] = False,
) -> None:
    """Train FAMILY on DATA; the run folder holds all that resuming and drawing need."""
    from ..job import Job, Options

    settings = dict(text.setting(item) for item in set_ or [])
    asked = Options(
        family=family,
        data=data,
        out=out,
        size=size_of(size),
        channels=channels,
        fit=fit,
        flip=flip,
        pairs=pairs,
        balance=balance,
        steps=steps,
        budget=text.duration(budget) if budget is not None else None,
        batch=batch,
        micro=micro,
        seed=seed,
        resume=resume,
        init=init,
        settings=settings if base is None else settings | {"base": base},
        device=device,
        threads=threads,
        precision=precision,
        save_every=save_every,
        evaluate_every=text.duration(evaluate_every) if evaluate_every is not None else None,
        tensorboard=tensorboard,
    )
    with showing() as display:
        job = Job(asked, display.count, display.say)
        for report in job.run():
            if job.ranks.main:
                display.train(report)
        job.ranks.leave()
    if job.ranks.main:
        typer.echo(out)


@app.command()
def show(run: Run, json: AsJson = False) -> None:
    """What a RUN is, how far it is, and what it has learnt."""
    from ..report import run_summary
    from ..tables import print_run, to_json

    summary = run_summary(run)
    if json:
        typer.echo(to_json(summary))
    else:
        print_run(summary)


@app.command()
def cache(
    clear: Annotated[bool, typer.Option("--clear", help="remove all decoded pictures; your own files stay")] = False,
    json: AsJson = False,
) -> None:
    """List the decoded pictures that Huabi keeps, or clear them."""
    from ..data import caches, clear_caches
    from ..tables import print_caches, to_json

    entries = caches()
    if clear:
        clear_caches()
    if json:
        typer.echo(to_json([asdict(entry) for entry in entries]))
    else:
        print_caches(entries, clear)


@app.command()
def doctor(json: AsJson = False) -> None:
    """What this machine offers to Huabi, and what is missing."""
    from ..report import examine
    from ..tables import print_table, to_json

    facts = examine()
    if json:
        typer.echo(to_json(facts))
    else:
        print_table(facts)
