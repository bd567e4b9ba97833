"""Pictures without their damage: restore."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from ..errors import RequestError, valid
from .options import IMAGE_SUFFIXES, RECIPE_SUFFIXES, Device, NoRecipe, app, showing


@app.command()
def restore(
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="the picture to restore")],
    task: Annotated[str, typer.Option(help="denoise, deblur, dejpeg, inpaint, upscale, colourise or mend")],
    out: Annotated[Path, typer.Option(help="the file to make")],
    method: Annotated[
        str | None, typer.Option(help="a run, or a way without training; by default your last run")
    ] = None,
    mask: Annotated[Path | None, typer.Option(help="of inpaint: white where the picture is missing")] = None,
    scale: Annotated[int, typer.Option(help="of upscale: 2, 3 or 4 times the sides")] = 2,
    strength: Annotated[float, typer.Option(help="0 keeps the picture, 1 restores all of it")] = 1.0,
    device: Device = "auto",
    no_recipe: NoRecipe = False,
) -> None:
    """Undo noise, blur, JPEG's blocks, holes, lost pixels or colours, or age in IMAGE."""
    from ..pictures import Picture, to_image
    from ..provenance.publish import check_place, publish
    from ..provenance.settings import Settings
    from ..requests import Restore

    suffix = out.suffix.lower()
    if suffix not in IMAGE_SUFFIXES:
        raise RequestError(f"--out {out}: one picture is made; give a file, such as {out.stem}.png")
    if suffix not in RECIPE_SUFFIXES and not no_recipe:
        raise RequestError(f"--out {out}: {suffix} has no place for the recipe; save as .png, or say --no-recipe")
    check_place(out)
    given = Picture.of(image)
    with valid():
        request = Restore(
            image=given,
            task=task,  # type: ignore[arg-type]
            mask=Picture.of(mask) if mask else None,
            scale=scale,
            strength=strength,
        )
    from ..choice import restorer_for
    from ..deep import is_deep, publish_deep
    from ..drawing import drawn
    from ..restoring import hole_of

    hole_of(request)  # a mask that does not fit is told of before a model is looked for
    with showing() as display:
        model = restorer_for(request, method, device)
        start = time.perf_counter()
        for _, picture, recipe in drawn(model, [request]):
            deep = is_deep(given) and suffix == ".png"
            if deep and Settings.load().visible != "off":
                display.say("note: saved in 8 bits, in which the visible label of provenance.toml is written")
                deep = False
            if deep:
                publish_deep(picture, out, recipe, not no_recipe)
            else:
                publish(to_image(picture), out, recipe, not no_recipe)
        display.say(f"{time.perf_counter() - start:.1f} s")
    typer.echo(out)
