"""Making pictures: sample, paint, again, world."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import RequestError, nearest, valid
from .options import (
    IMAGE_SUFFIXES,
    Device,
    NoRecipe,
    Run,
    Size,
    app,
    beside,
    check_file,
    check_kept,
    say_near,
    showing,
    size_of,
)

if TYPE_CHECKING:
    from PIL import Image


@app.command()
def sample(
    run: Run,
    n: Annotated[int, typer.Option("--n", help="how many pictures")] = 16,
    out: Annotated[Path | None, typer.Option(help="a folder, or with one picture a file")] = None,
    grid: Annotated[Path | None, typer.Option(help="also, or only, all of them in one picture")] = None,
    seed: Annotated[int, typer.Option(help="of the first picture; the next have the next seeds")] = 0,
    label: Annotated[str | None, typer.Option(help="which class to draw")] = None,
    steps: Annotated[int | None, typer.Option(help="solver steps")] = None,
    guidance: Annotated[float | None, typer.Option(help="how strongly the label is obeyed; 1 is off")] = None,
    solver: Annotated[str | None, typer.Option(help="euler, heun, dpmpp_2m or heun_stochastic")] = None,
    between: Annotated[tuple[str, str] | None, typer.Option(help="walk between two seeds or pictures")] = None,
    frames: Annotated[int, typer.Option(help="pictures of the walk")] = 8,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="what some families know, as truncation=0.7 or mix=8")
    ] = None,
    device: Device = "auto",
    no_recipe: NoRecipe = False,
) -> None:
    """Draw new pictures with a trained RUN."""
    from .. import models
    from ..drawing import draw
    from ..pictures import grid as sheet
    from ..provenance.publish import check_place, publish

    if out is None and grid is None:
        raise RequestError("say where the pictures go: --out DIR, or --grid FILE for one sheet")
    if n < 1 or frames < 2:
        raise RequestError("--n is at least 1 and --frames at least 2")
    if out is not None and out.suffix.lower() in IMAGE_SUFFIXES and (n > 1 or between):
        raise RequestError(f"--out {out} is one file; give a folder, or --grid {out} for one sheet, or --n 1")
    for target in filter(None, (grid, out if out is None or out.suffix.lower() in IMAGE_SUFFIXES else None)):
        check_place(target)
    same = {"label": label, "steps": steps, "guidance": guidance, "solver": solver}
    requests = _requests(n, seed, same | _settings(set_ or []), between, frames)
    model = models.load(run, device)
    pictures: dict[int, Image.Image] = {}
    recipe: dict[str, Any] = {}
    with showing() as display:
        for position, picture, recipe in draw(model, requests):
            pictures[position] = picture
            display.count("drawing", len(pictures), len(requests))
            say_near(display, recipe)
            if out is not None:
                target = out if out.suffix.lower() in IMAGE_SUFFIXES else out / _name(recipe, position, between)
                publish(picture, target, recipe, not no_recipe)
    models.remember(model, run)
    if grid is not None:
        publish(sheet([pictures[i] for i in range(len(requests))]), grid, recipe, with_recipe=False)
    typer.echo(grid or out)


def by_setting() -> list[str]:
    """The fields of a request that some families alone know; they have `--set` instead of options of their own."""
    from ..requests import Generate

    options = {"seed", "label", "steps", "guidance", "solver", "between", "fraction"}
    return [name for name in Generate.model_fields if name not in options]


def _settings(items: list[str]) -> dict[str, str]:
    from .. import text

    settings = dict(text.setting(item) for item in items)
    for key in settings:
        if key not in by_setting():
            raise RequestError(f"--set {key}: {nearest(key, by_setting())}")
    return settings


def _requests(n: int, seed: int, same: dict[str, Any], between: tuple[str, str] | None, frames: int) -> list[Any]:
    from ..pictures import Picture
    from ..requests import Generate

    ends = tuple(int(end) if end.isdigit() else Picture.of(Path(end)) for end in between) if between else None
    same = same | {"between": ends}
    places = [i / (frames - 1) for i in range(frames)] if ends else [0.0] * n
    with valid():
        return [
            Generate(seed=seed if ends else seed + i, fraction=fraction, **same)
            for i, fraction in enumerate(places)
        ]


def _name(recipe: dict[str, Any], position: int, between: tuple[str, str] | None) -> str:
    """A file name that says what the picture is: model, label, seed."""
    request = recipe["request"]
    parts = [recipe["model"][:8] or recipe["family"]]
    if "label" in request:
        parts.append("".join(c if c.isalnum() else "_" for c in request["label"]))
    parts.append(f"{position:05d}" if between else f"{request.get('seed', 0):05d}")
    return "-".join(parts) + ".png"


@app.command()
def paint(
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="the picture to paint")],
    out: Annotated[Path | None, typer.Option(help="the file to make; by default a new one beside IMAGE")] = None,
    brush: Annotated[str, typer.Option(help="oil, ink, watercolor, crayon or pencil")] = "oil",
    film: Annotated[Path | None, typer.Option(help="also the painting as it grows: .gif, .webp or .mp4")] = None,
    strokes: Annotated[int | None, typer.Option(help="the most strokes")] = None,
    detail: Annotated[float, typer.Option(help="0 is broad, 1 is fine")] = 0.5,
    seed: Annotated[int, typer.Option(help="another seed, other strokes")] = 0,
    svg: Annotated[Path | None, typer.Option(help="also the strokes as SVG")] = None,
    no_recipe: NoRecipe = False,
) -> None:
    """Paint IMAGE by strokes, coarse to fine."""
    from ..classic.film import FRAMES, check_film, painting_times, save_film, save_text
    from ..classic.painter import Painter
    from ..drawing import draw
    from ..pictures import Picture
    from ..provenance.publish import publish
    from ..requests import Paint

    if film is not None:
        check_film(film)
    given = Picture.of(image)
    with valid():
        request = Paint(image=given, brush=brush, detail=detail, strokes=strokes, seed=seed)  # type: ignore[arg-type]
    out = out or beside(image, brush)
    check_file(out, no_recipe, image)
    frames: list[Image.Image] = []
    with showing() as display:
        painter = Painter(FRAMES if film else 1, lambda frame: frames.append(frame) if film else None)
        for _, picture, recipe in draw(painter, [request], lambda n: display.count("painting", n, painter.frames)):
            publish(picture, out, recipe, not no_recipe)
    if film is not None:
        save_film(frames, film, painting_times(len(frames)))
    if svg is not None:
        save_text(painter.svg(request), svg)
    typer.echo(out)


@app.command()
def again(
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="a picture that Huabi made")],
    out: Annotated[Path, typer.Option(help="the file to make")],
    model: Annotated[Path | None, typer.Option(help="the run that made it, where Huabi does not know it")] = None,
    source: Annotated[
        list[Path] | None, typer.Option("--input", help="a picture that it was made from; repeat it for several")
    ] = None,
) -> None:
    """Make the same picture again from the recipe inside it."""
    from ..drawing import again as redraw
    from ..provenance.publish import check_place, publish

    check_place(out)
    check_kept(out, *(source or ()))
    picture, recipe, difference = redraw(image, str(model) if model else None, source or ())
    publish(picture, out, recipe)
    same = "the same to the bit" if difference == 0 else f"differs by at most {difference}/255"
    typer.echo(f"{out}: {same}")


@app.command()
def world(
    n: Annotated[int | None, typer.Option("--n", help="how many pictures (default 64)")] = None,
    out: Annotated[Path | None, typer.Option(help="a folder; of one scene a file")] = None,
    spec: Annotated[str, typer.Option(help="which pictures, as world:styles=ink+flat,mood=calm")] = "world",
    style: Annotated[str | None, typer.Option(help="one of the six, or several, as ink+oil")] = None,
    size: Size = None,
    seed: Annotated[int | None, typer.Option(help="of the pictures")] = None,
    scene: Annotated[Path | None, typer.Option(help="draw this scene, a JSON file, instead")] = None,
    sheet: Annotated[Path | None, typer.Option(help="also, or only, a contact sheet: a row for each style")] = None,
    sounds: Annotated[bool, typer.Option("--sounds", help="also what each scene sounds like, as WAV")] = False,
) -> None:
    """Draw the picture world: scenes with captions and masks, in six styles."""
    from ..data.world import export
    from ..data.world.spec import choose
    from ..data.world.written import read_scene

    if out is None and sheet is None:
        raise RequestError("say where the pictures go: --out DIR, or --sheet FILE for one sheet")
    if sounds and (out is None or scene is not None):
        raise RequestError("--sounds goes with --out DIR, and without --scene")
    chosen, shape = choose(spec, n, style, seed), size_of(size)
    with showing() as display:
        if scene is not None:
            export.one_scene(read_scene(scene), chosen.styles, shape or (256, 256), out, sheet)
        else:
            if sheet is not None:
                export.sheet(chosen, shape or (160, 160), sheet)
            if out is not None:
                export.export(chosen, out, shape or (256, 256), display.count, sounds)
    typer.echo(out or sheet)
