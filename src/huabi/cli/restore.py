"""Pictures without their damage: restore."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from ..errors import valid
from .options import Device, NoRecipe, Sheet, app, beside, check_file, check_sheet, save_like, save_sheet, showing


@app.command()
def restore(
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="the picture to restore")],
    task: Annotated[str, typer.Option(help="denoise, deblur, dejpeg, inpaint, upscale, colourise or mend")],
    out: Annotated[Path | None, typer.Option(help="the file to make; by default a new one beside IMAGE")] = None,
    method: Annotated[
        str | None, typer.Option(help="a run, or a way without training; by default your last run")
    ] = None,
    mask: Annotated[Path | None, typer.Option(help="of inpaint: white where the picture is missing")] = None,
    scale: Annotated[int, typer.Option(help="of upscale: 2, 3 or 4 times the sides")] = 2,
    strength: Annotated[float, typer.Option(help="0 keeps the picture, 1 restores all of it")] = 1.0,
    sheet: Sheet = None,
    device: Device = "auto",
    no_recipe: NoRecipe = False,
) -> None:
    """Undo noise, blur, JPEG's blocks, holes, lost pixels or colours, or age in IMAGE."""
    from ..pictures import Picture, to_image
    from ..provenance.publish import check_recipe
    from ..requests import Restore

    given = Picture.of(image)
    with valid():
        request = Restore(
            image=given,
            task=task,  # type: ignore[arg-type]
            mask=Picture.of(mask) if mask else None,
            scale=scale,
            strength=strength,
        )
    out = out or beside(image, task)
    check_file(out, no_recipe, image, *([mask] if mask else []))
    check_sheet(sheet, image, out)
    if not no_recipe:
        check_recipe(out, request)
    from ..choice import restorer_for
    from ..drawing import drawn
    from ..restoring import hole_of

    hole_of(request)  # a mask that does not fit is told of before a model is looked for
    with showing() as display:
        model = restorer_for(request, method, device)
        start = time.perf_counter()
        for _, picture, recipe in drawn(model, [request]):
            save_like(given, picture, out, recipe, not no_recipe, display)
            if sheet is not None:
                save_sheet([(given.image(given.channels), to_image(picture))], sheet, recipe)
        display.say(f"{time.perf_counter() - start:.1f} s")
    typer.echo(out)
