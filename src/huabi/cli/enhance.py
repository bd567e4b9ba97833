"""Making pictures, and folders of them, better: enhance."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import RequestError, valid
from .options import Device, NoRecipe, Sheet, app, beside, check_file, check_sheet, save_like, save_sheet, showing


@app.command()
def enhance(
    source: Annotated[Path, typer.Argument(metavar="IMAGE_OR_DATA", help="a picture, or with --augment a folder")],
    out: Annotated[Path | None, typer.Option(help="the file to make, or the folder; new and beside by default")] = None,
    sheet: Sheet = None,
    exposure: Annotated[float | None, typer.Option(help="how much of what is found to be needed: 0 to 1")] = None,
    white_balance: Annotated[float | None, typer.Option(help="so of a cast of colour")] = None,
    contrast: Annotated[float | None, typer.Option(help="so of flat light")] = None,
    sharpness: Annotated[float | None, typer.Option(help="so of soft edges")] = None,
    denoise: Annotated[float | None, typer.Option(help="so of noise")] = None,
    scale: Annotated[int | None, typer.Option(help="how much larger, 1 to 4")] = None,
    augment: Annotated[bool, typer.Option("--augment", help="derive more pictures from those of a folder")] = False,
    n: Annotated[int | None, typer.Option("--n", help="how many from each picture (default 5)")] = None,
    ways: Annotated[str | None, typer.Option(help="only these of flip,crop,turn,colour,mixup")] = None,
    seed: Annotated[int | None, typer.Option(help="another seed, other pictures")] = None,
    model: Annotated[str | None, typer.Option(help="a run that draws one more for each picture")] = None,
    classifier: Annotated[str | None, typer.Option(help="a run that must read the label in what is drawn")] = None,
    device: Device = "auto",
    no_recipe: NoRecipe = False,
) -> None:
    """Correct light, colours and noise of one picture; or enlarge a folder to train on by pictures derived from it."""
    amounts = {"exposure": exposure, "white_balance": white_balance, "contrast": contrast, "sharpness": sharpness}
    amounts |= {"denoise": denoise, "scale": scale}
    amounts = {name: value for name, value in amounts.items() if value is not None}
    more = {"n": n, "ways": ways, "seed": seed, "model": model, "classifier": classifier}
    more = {name: value for name, value in more.items() if value is not None}
    _check(source, augment, [*amounts, *(["sheet"] if sheet else [])], [*more])
    if augment:
        _enlarge(source, out or beside(source, "enhanced", ""), more, device)
    else:
        _correct(source, out or beside(source, "enhanced"), sheet, amounts, no_recipe)


def _check(source: Path, augment: bool, of_one: list[str], of_many: list[str]) -> None:
    """Raises `RequestError` where `source` is not what the options are for."""
    if not source.exists():
        raise RequestError(f"{source}: no such picture or folder; check the path")
    if source.is_dir() and not augment:
        raise RequestError(f"{source} is a folder; say --augment to derive more pictures from it, or give one picture")
    if augment and not source.is_dir():
        raise RequestError(f"{source} is no folder; --augment derives more pictures from those of a folder")
    if augment and of_one:
        raise RequestError(f"--{of_one[0].replace('_', '-')} is of one picture; leave it out with --augment")
    if not augment and of_many:
        raise RequestError(f"--{of_many[0]} is of a folder; leave it out, or say --augment")


def _correct(source: Path, out: Path, sheet: Path | None, amounts: dict[str, Any], no_recipe: bool) -> None:
    """One picture, made better."""
    check_file(out, no_recipe, source)
    check_sheet(sheet, source, out)
    from ..classic.enhance import Enhancer
    from ..drawing import drawn
    from ..pictures import Picture, to_image
    from ..requests import Enhance

    given = Picture.of(source)
    with valid():
        request = Enhance(image=given, **amounts)
    with showing() as display:
        for _, picture, recipe in drawn(Enhancer(), [request]):
            save_like(given, picture, out, recipe, not no_recipe, display)
            if sheet is not None:
                save_sheet([(given.image(given.channels), to_image(picture))], sheet, recipe)
    typer.echo(out)


def _enlarge(source: Path, out: Path, more: dict[str, Any], device: str) -> None:
    """A folder, and pictures derived from those in it."""
    from .. import models
    from ..deriving import derive

    for name in ("model", "classifier"):
        if name in more:
            more[name] = models.load(more[name], device)
    if "ways" in more:
        more["ways"] = [way.strip() for way in more["ways"].split(",") if way.strip()]
    with showing() as display:
        done = derive(source, out, progress=display.count, **more)
        for name, why in done.left_out:
            display.say(f"note: {name} is left out: {why}")
        display.say(", ".join(f"{count} {what}" for what, count in done.counts.items()))
    typer.echo(out)
