"""Pictures from words and from pictures: imagine, edit, vary."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .. import text
from ..errors import DataError, RequestError
from .options import IMAGE_SUFFIXES, Device, NoRecipe, app, beside, check_file, check_kept, say_near, showing, size_of

if TYPE_CHECKING:
    from ..model import Model
    from ..pictures import Picture
    from ..prompt import Asked

SUBTLE, STRONG = 0.35, 0.75  # strengths
Source = Annotated[Path, typer.Argument(metavar="IMAGE", help="the picture to start from")]
ModelName = Annotated[str | None, typer.Option(help="a run, or a name; by default your last that answers, or Huabi's")]
Count = Annotated[int | None, typer.Option("--n", help="how many pictures: four of imagine and vary, one of edit")]
Seed = Annotated[int | None, typer.Option(help="of the first picture, the next have the next; by chance if left out")]
Steps = Annotated[int | None, typer.Option(help="solver steps")]
Guidance = Annotated[float | None, typer.Option(help="how strongly the prompt is obeyed; 1 is off")]
Negative = Annotated[str | None, typer.Option(help="what to keep out")]


@app.command()
def imagine(
    prompt: Annotated[str, typer.Argument(metavar="PROMPT", help="what to draw, as 'a red house --ar 3:2'")] = "",
    out: Annotated[Path | None, typer.Option(help="a folder, imagined by default, or with one picture a file")] = None,
    grid: Annotated[Path | None, typer.Option(help="also, or only, all of them in one picture")] = None,
    model: ModelName = None,
    n: Count = None,
    seed: Seed = None,
    negative: Negative = None,
    label: Annotated[str | None, typer.Option(help="which class to draw")] = None,
    style: Annotated[str | None, typer.Option(help="in whose hand, as ink")] = None,
    mood: Annotated[str | None, typer.Option(help="as calm or joyful")] = None,
    mood_of: Annotated[str | None, typer.Option(help="a text of any length, whose mood is taken")] = None,
    sound: Annotated[Path | None, typer.Option(help="what is heard there, or a tune of its mood")] = None,
    ar: Annotated[str | None, typer.Option(help="width to height, as 3:2, of the model's own area")] = None,
    size: Annotated[str | None, typer.Option(help="pixels: 64, or 96x64 for width x height")] = None,
    steps: Steps = None,
    guidance: Guidance = None,
    chaos: Annotated[float | None, typer.Option(help="how far candidates stray from the prompt, 0 to 100")] = None,
    stylize: Annotated[float | None, typer.Option(help="how much the model's taste counts, 0 to 1000")] = None,
    reference: Annotated[Path | None, typer.Option(help="a picture to resemble in meaning")] = None,
    image: Annotated[Path | None, typer.Option(help="a picture to start from")] = None,
    strength: Annotated[float | None, typer.Option(help="0 keeps that picture, 1 leaves nothing of it")] = None,
    text_weight: Annotated[float | None, typer.Option(help="how much the prompt counts, 0 to 2")] = None,
    sound_weight: Annotated[float | None, typer.Option(help="how much the sound counts, 0 to 2")] = None,
    mood_weight: Annotated[float | None, typer.Option(help="how much the mood counts, 0 to 2")] = None,
    between: Annotated[tuple[str, str] | None, typer.Option(help="walk between two prompts")] = None,
    frames: Annotated[int | None, typer.Option(help="pictures of the walk (default 8)")] = None,
    rank: Annotated[str | None, typer.Option(help="a contrast run, or clip:MODEL: what fits best comes first")] = None,
    of: Annotated[int | None, typer.Option(help="how many to draw, of which --rank keeps --n")] = None,
    device: Device = "auto",
    no_recipe: NoRecipe = False,
) -> None:
    """Draw what PROMPT says; options may stand inside it, as Midjourney writes them."""
    from ..mood import mood_name
    from ..prompt import read
    from ..sounds import Sound

    given: dict[str, Any] = {"n": n, "seed": seed, "negative": negative, "label": label, "style": style, "mood": mood}
    given |= {"ar": ar, "size": size_of(size), "steps": steps, "guidance": guidance, "chaos": chaos, "stylize": stylize}
    given |= {"text_weight": text_weight, "sound_weight": sound_weight, "mood_weight": mood_weight}
    given |= {"strength": strength}
    if sound:
        given["sound"] = Sound.of(sound)
        given["sound"].samples()  # what cannot be heard is told before a model is loaded
    if mood_of is not None:
        if mood is not None:
            raise RequestError("--mood and --mood-of exclude each other; say one of them")
        given["mood"] = mood_name(mood_of)
    given |= {"between": between, "frames": frames, "of": of}
    given |= {name: _read(path) for name, path in (("reference", reference), ("image", image)) if path}
    out = out or (None if grid else Path("imagined"))
    _make(read(prompt, given), model, device, out, grid, no_recipe, rank=rank)


@app.command()
def edit(
    image: Source,
    prompt: Annotated[str, typer.Argument(metavar="PROMPT", help="what shall be there")] = "",
    out: Annotated[Path | None, typer.Option(help="a file, or for several a folder; new beside it by default")] = None,
    mask: Annotated[Path | None, typer.Option(help="white where it is drawn anew; all of it by default")] = None,
    scribble: Annotated[Path | None, typer.Option(help="coloured strokes on it, which spread along its edges")] = None,
    expand: Annotated[str | None, typer.Option(help="pixels to add: 64, or left,top,right,bottom")] = None,
    model: ModelName = None,
    n: Count = None,
    seed: Seed = None,
    strength: Annotated[float | None, typer.Option(help="0 keeps what is there, 1 leaves nothing of it")] = None,
    negative: Negative = None,
    steps: Steps = None,
    guidance: Guidance = None,
    device: Device = "auto",
    no_recipe: NoRecipe = False,
) -> None:
    """Draw a part of IMAGE anew, or what lies around it."""
    from ..pictures import check_mask
    from ..prompt import read
    from ..requests import Edit

    whole, white = _read(image), _read(mask) if mask else None
    sides = None if expand is None else text.sides(expand)
    given: dict[str, Any] = {"image": whole, "mask": white, "expand": sides, "strength": strength}
    given |= {"n": n, "seed": seed, "negative": negative, "steps": steps, "guidance": guidance}
    notes = check_mask(white, whole, any(sides or ())) if white else []
    if scribble is None:
        asked = read(prompt, given, Edit)
        out = out or _beside(image, "edited", asked)
        _make(asked, model, device, out, None, no_recipe, notes)
        return
    from ..choice import model_for
    from ..classic.scribbles import SOFT, Scribbled

    coloured = Scribbled() if model is None else model_for(Edit, model, device)
    if strength is None and model is not None and Edit in coloured.requests:
        given["strength"] = SOFT
    asked = read(prompt, given | {"scribble": _read(scribble)}, Edit)
    if model is None:
        asked = replace(asked, notes=())  # no words are needed where nothing is drawn
    out = out or _beside(image, "edited", asked)
    _make(asked, coloured, device, out, None, no_recipe, notes)


@app.command()
def vary(
    image: Source,
    prompt: Annotated[str, typer.Argument(metavar="PROMPT", help="what it shows; by default what drew it")] = "",
    out: Annotated[Path | None, typer.Option(help="a folder, or a file; new beside IMAGE by default")] = None,
    grid: Annotated[Path | None, typer.Option(help="also, or only, all of them in one picture")] = None,
    model: ModelName = None,
    n: Count = None,
    seed: Seed = None,
    strength: Annotated[float | None, typer.Option(help="0 keeps the picture, 1 leaves little of it")] = None,
    subtle: Annotated[bool, typer.Option("--subtle", help=f"--strength {SUBTLE}")] = False,
    strong: Annotated[bool, typer.Option("--strong", help=f"--strength {STRONG}")] = False,
    device: Device = "auto",
    no_recipe: NoRecipe = False,
) -> None:
    """Draw pictures near IMAGE."""
    from ..prompt import read
    from ..requests import Vary

    if (strength is not None) + subtle + strong > 1:
        raise RequestError("--strength, --subtle and --strong exclude each other; say one of them")
    strength = SUBTLE if subtle else STRONG if strong else strength
    given = {"image": _read(image), "n": n, "seed": seed, "strength": strength}
    asked = read(prompt, given, Vary)
    out = out or (None if grid else _beside(image, "varied", asked))
    _make(asked, model, device, out, grid, no_recipe)


def _beside(source: Path, done: str, asked: Asked) -> Path:
    return beside(source, done, ".png" if asked.kept == 1 else "")


def _read(path: Path) -> Picture:
    """The picture of a file, which is read to its end, so that a broken one is told of at once."""
    from ..pictures import Picture

    picture = Picture.of(path)
    picture.image()
    return picture


def _make(
    asked: Asked,
    model: str | Model | None,
    device: str,
    out: Path | None,
    grid: Path | None,
    no_recipe: bool,
    notes: list[str] | None = None,
    rank: str | None = None,
) -> None:
    """Draws what was asked, saves each picture as it is done, and prints the files; seeds and seconds go to stderr.

    With `rank`, the best are saved when all are done, and printed in their order.
    """
    _check_out(out, grid, asked, no_recipe)
    from ..choice import editor_for, model_for
    from ..drawing import draw
    from ..filling import Filling, answering_edit
    from ..hearing import cut, fitted
    from ..pictures import grid as sheet
    from ..provenance.publish import publish
    from ..ranking import ranking_for
    from ..requests import Edit

    with showing() as display:
        ranking = ranking_for(asked, rank, device)
        if model is not None and not isinstance(model, str):
            chosen = model
        elif isinstance(asked.request, Edit):
            chosen = answering_edit(editor_for(asked.request, model, device))
        else:
            chosen = model_for(type(asked.request), model, device)
        if isinstance(chosen, Filling):
            asked = replace(asked, notes=())  # no words are needed where nothing new is drawn
        asked = fitted(asked, chosen.spec)
        notes = [*asked.notes, *(notes or []), *cut(asked.request, chosen), *_lost(asked.request, chosen)]
        for note in notes:
            display.say(f"note: {note}")
        requests = asked.requests(chosen.paper)
        pictures: dict[int, Any] = {}
        recipes: dict[int, Any] = {}
        files: dict[int, Path] = {}
        start = time.perf_counter()

        def tell(step: int = 0) -> None:
            display.count("drawing", len(pictures), len(requests), f"step {step}" if step else "")

        def save(position: int, recipe: dict[str, Any]) -> None:
            if out is not None:
                files[position] = _free(out, recipe, position if asked.walk else None)
                publish(pictures[position], files[position], recipe, not no_recipe)

        for position, picture, recipe in draw(chosen, requests, tell):
            pictures[position], recipes[position] = picture, recipe
            tell()
            say_near(display, recipe)
            if ranking is None:
                save(position, recipe)
        order = list(range(len(requests)))
        if ranking is not None:
            best = ranking.best([pictures[place] for place in order])
            order = [place for place, _ in best]
            for place, cosine in best:
                save(place, ranking.noted(recipes[place], cosine))
            fits = ", ".join(f"seed {requests[place].seed} {cosine:.3f}" for place, cosine in best)
            display.say(f"the best {len(best)} of {len(requests)}, by the cosine of picture and words: {fits}")
        seconds = time.perf_counter() - start
        if grid is not None:
            publish(sheet([pictures[place] for place in order]), grid, recipes[order[0]], with_recipe=False)
        first, last = requests[0].seed, requests[-1].seed
        seeds = f"seed {first}" if first == last else f"seeds {first} to {last}"
        display.say(f"{seeds}, {seconds:.1f} s")
    for path in [*(files[place] for place in order if place in files), *([grid] if grid else [])]:
        typer.echo(path)


def _lost(request: Any, model: Model) -> Iterator[str]:
    """What of a given picture an edit cannot keep."""
    from ..deep import is_deep
    from ..filling import Filling
    from ..requests import Edit

    if not isinstance(request, Edit):
        return
    if is_deep(request.image):
        yield "the picture has 16 bits, and what is made of it 8"
    drawn = request.mask is not None or any(request.expand)
    strokes = request.scribble is not None and model.identity is not None and model.identity.hash
    if not isinstance(model, Filling) and (drawn or strokes):
        if request.image.channels == 4 and model.spec.channels < 4:
            yield "this model knows no transparency: the picture is laid on white"
        if request.image.channels > 1 and model.spec.channels == 1:
            yield "this model knows no colours: the picture is edited in grey"


def _check_out(out: Path | None, grid: Path | None, asked: Asked, no_recipe: bool) -> None:
    from ..provenance.publish import check_place, check_recipe

    single = out is not None and out.suffix.lower() in IMAGE_SUFFIXES
    if out and not single and out.exists() and not out.is_dir():
        raise RequestError(f"--out {out} is a file; give a folder")
    if single and asked.kept > 1:
        raise RequestError(f"--out {out} is one file; give a folder, or --n 1")
    found = (getattr(asked.request, name, None) for name in ("image", "mask", "scribble", "reference"))
    given = [Path(picture.name) for picture in found if picture and picture.name]
    if grid:
        check_place(grid)
        check_kept(grid, *given)
    if out and single:
        check_file(out, no_recipe, *given)
        if not no_recipe:
            check_recipe(out, asked.request)


def _free(out: Path, recipe: dict[str, Any], frame: int | None) -> Path:
    """Where a picture goes: the file that was named, or one named by seed and frame that holds no other picture."""
    if out.suffix.lower() in IMAGE_SUFFIXES:
        return out
    name = f"{recipe['request']['seed']:05d}" + ("" if frame is None else f"-{frame:03d}")
    names = itertools.chain([name], (f"{name}-{k}" for k in itertools.count(2)))
    paths = (out / f"{one}.png" for one in names)
    return next(path for path in paths if not path.exists() or _same(path, recipe))


def _same(path: Path, recipe: dict[str, Any]) -> bool:
    from ..pictures import read_recipe

    try:
        return recipe.items() <= (read_recipe(path) or {}).items()
    except DataError:  # something else of that name
        return False
