"""One kind of picture into another: translate."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from ..errors import DataError, RequestError
from .options import IMAGE_SUFFIXES, Device, NoRecipe, Run, Sheet, app, beside, check_sheet, save_sheet, showing

if TYPE_CHECKING:
    from ..model import Model


SHOWN, SIDE = 32, 512  # pictures on a sheet, and pixels of the longer side of each


class Work(NamedTuple):
    """A picture or a film, and where it goes."""

    source: Path
    target: Path
    named: bool  # by itself, and not found in a folder
    film: bool


@app.command()
def translate(
    run: Run,
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="pictures, folders of pictures, films")],
    out: Annotated[
        Path | None, typer.Option(help="a folder, or of one picture or film a file; by default a new one beside it")
    ] = None,
    to: Annotated[str | None, typer.Option(help="what they become: one of the run's two kinds, or a label")] = None,
    seed: Annotated[int, typer.Option(help="where the run draws with noise: another seed, another picture")] = 0,
    sheet: Sheet = None,
    device: Device = "auto",
    no_recipe: NoRecipe = False,
) -> None:
    """Turn pictures into another kind of picture, with a RUN that learnt how."""
    from .. import models
    from ..decoding import WriteError, open_picture
    from ..deep import is_deep
    from ..errors import valid
    from ..pictures import Picture
    from ..provenance.publish import publish

    out = out or _beside(images)
    work = list(_planned(images, out))
    check_sheet(sheet, *(place for one in work for place in (one.source, one.target)))
    if sheet is not None and all(one.film for one in work):
        raise RequestError("--sheet shows pictures, and these are films; leave it out")
    model = models.load(run, device)
    made, pairs, label = 0, list[tuple[Any, Any]](), dict[str, Any]()
    with showing() as display, valid():
        for done, one in enumerate(work):
            display.count("translating", done, len(work))
            asked = {"to": to, "seed": seed}
            try:
                if one.film:
                    _film(model, one, asked, lambda k, n: display.count(f"translating {one.source.name}", k, n))  # noqa: B023
                else:
                    given = Picture.of(one.source)
                    picture, recipe = _drawn(model, given, asked)
                    label = recipe
                    publish(picture, one.target, recipe, not no_recipe)
                    if is_deep(given):
                        display.say(f"note: {one.target} is saved in 8 bits, of the 16 that {one.source} has")
                    if sheet is not None and len(pairs) < SHOWN:
                        pairs.append((_small(open_picture(one.source)), _small(picture)))
            except WriteError:
                raise
            except DataError as error:
                if one.named:
                    raise
                display.say(f"left out: {error}")
                continue
            made += 1
            display.count("translating", done + 1, len(work))
    if not made:
        raise DataError(f"none of the {len(work)} pictures can be read")
    if sheet is not None and pairs:
        save_sheet(pairs, sheet, label)
    models.remember(model, run)
    typer.echo(out)


def _small(picture: Any) -> Any:
    """The picture as it stands on a sheet."""
    small = picture.copy()
    small.thumbnail((SIDE, SIDE))
    return small


def _drawn(model: Model, image: Any, asked: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    from ..drawing import draw
    from ..requests import Translate

    [(_, picture, recipe)] = draw(model, [Translate(image=image, **asked)])
    return picture, recipe


def _film(model: Model, one: Work, asked: dict[str, Any], told: Any) -> None:
    from ..classic.film import check_film, read_film, save_film

    try:
        check_film(one.source, "")
        check_film(one.target, "--out")
    except RequestError as error:  # what was found in a folder is left out
        raise DataError(str(error)) from None
    film = read_film(one.source)

    def frames() -> Iterator[Any]:
        for done, frame in enumerate(film):
            told(done, len(film))
            yield _drawn(model, frame, asked)[0]

    save_film(frames(), one.target, film.times)


def _beside(images: list[Path]) -> Path:
    """Where what is made of one picture, film or folder goes by default."""
    if len(images) > 1:
        raise RequestError(f"of {len(images)} pictures as many are made: say --out DIR")
    [image] = images
    suffix = "" if image.is_dir() else image.suffix.lower() if image.exists() and _is_film(image, True) else ".png"
    return beside(image, "translated", suffix)


def _planned(images: list[Path], out: Path) -> Iterator[Work]:
    """What is to be made of which file; raises `DataError` for a file that is none, before anything is made."""
    from ..classic.film import SUFFIXES, check_film
    from ..pictures import Picture

    single = out.suffix.lower() in IMAGE_SUFFIXES | set(SUFFIXES)
    if single and (len(images) > 1 or images[0].is_dir()):
        raise RequestError(f"--out {out} is one file; give a folder")
    if not single and out.exists() and not out.is_dir():
        raise RequestError(f"--out {out} is a file; give a folder")
    files = list(_files(images))
    sources, taken = {source.resolve() for source, _, _ in files}, set[Path]()
    for source, name, named in files:
        film = _is_film(source, named)
        if named and not film:
            Picture.of(source)
        suffix = source.suffix.lower() if film else ".png"
        names = itertools.chain([name.stem], (f"{name.stem}-{k}" for k in itertools.count(2)))
        free = (out / name.parent / f"{one}{suffix}" for one in names)
        target = out if single else next(path for path in free if path not in taken)
        taken.add(target)
        if target.resolve() in sources:
            raise RequestError(f"{target} would be overwritten; choose another --out")
        if film and named:
            check_film(source, "")
            check_film(target, "--out")
        yield Work(source, target, named, film)


def _is_film(source: Path, named: bool) -> bool:
    """Whether a file holds a film; one found in a folder that cannot be read is told of when its turn comes."""
    from ..classic.film import is_film
    from ..pictures import PictureError

    try:
        return is_film(source)
    except PictureError:
        if named:
            raise
        return False


def _files(images: list[Path]) -> Iterator[tuple[Path, Path, bool]]:
    """Each file, its name below what was named, and whether it was named itself."""
    from ..classic.film import SUFFIXES
    from ..data.files import is_picture, walk

    for image in images:
        if not image.is_dir():
            yield image, Path(image.name), True
            continue
        found = [Path(entry.name) for entry in walk(image).entries]
        known = [name for name in found if is_picture(name.name) or name.suffix.lower() in SUFFIXES]
        if not known:
            raise DataError(f"{image} holds no pictures")
        yield from ((image / name, name, False) for name in known)
