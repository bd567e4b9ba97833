"""One picture, or a film, in the hand of others: stylize."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import RequestError, valid
from .options import IMAGE_SUFFIXES, Device, NoRecipe, app, beside, check_file, check_kept, save_like, showing

if TYPE_CHECKING:
    from PIL import Image

    from ..classic.film import Film
    from ..model import Model
    from ..requests import Stylize

FRAMES = 4  # of a film, that are held at once at the least
NUMBERED = "{:05d}.png"  # of several pictures in a folder


@app.command()
def stylize(
    image: Annotated[Path, typer.Argument(metavar="CONTENT", help="a picture, a film, or a folder of frames")],
    styles: Annotated[list[Path] | None, typer.Argument(metavar="STYLE...", help="up to 8 pictures")] = None,
    out: Annotated[Path | None, typer.Option(help="a file, of several pictures a folder; by default a new one")] = None,
    weights: Annotated[str | None, typer.Option(help="how much each style counts, as .7,.3")] = None,
    masks: Annotated[list[Path] | None, typer.Option("--mask", help="white where a style goes; one for each")] = None,
    method: Annotated[str | None, typer.Option(help="gatys, or a run of fast_style, which is the default")] = None,
    strength: Annotated[float | None, typer.Option(help="0 keeps the picture, 1 takes all of the style")] = None,
    keep_colours: Annotated[bool, typer.Option("--keep-colours", help="the colours stay the picture's own")] = False,
    path: Annotated[int | None, typer.Option(help="so many pictures on the way from style to style")] = None,
    steady: Annotated[bool, typer.Option("--steady", help="of a film: without flicker")] = False,
    chaos: Annotated[float | None, typer.Option(help="how far pictures of other seeds stray, 0 to 100")] = None,
    seed: Annotated[int, typer.Option(help="of what strays")] = 0,
    size: Annotated[int | None, typer.Option(help="pixels of the long side; the picture's own by default")] = None,
    iterations: Annotated[int | None, typer.Option(help="of gatys: more is finer and slower")] = None,
    features: Annotated[str | None, typer.Option(help="of gatys: efficientnet-lite0, vgg19 or random-vgg")] = None,
    statistic: Annotated[str | None, typer.Option(help="of gatys: gram or sliced")] = None,
    smoothness: Annotated[float | None, typer.Option(help="of gatys: 1 is even, more leaves less grain")] = None,
    device: Device = "auto",
    no_recipe: NoRecipe = False,
) -> None:
    """Put the content of CONTENT into the hand of each STYLE; without one, into the hand that a run has learnt."""
    from ..choice import stylist_for
    from ..classic.film import SUFFIXES, check_film, is_film, read_film
    from ..pictures import Picture
    from ..provenance.publish import check_place, check_recipe
    from ..requests import Stylize

    film = read_film(image) if is_film(image) else None
    if film is not None and path is not None:
        raise RequestError("--path is for one picture, not for a film")
    if film is None and steady:
        raise RequestError("--steady is for films; leave it out")
    many = film is not None or path is not None
    if out is None:
        out = beside(image, styles[0].stem if styles else "styled", _suffix(image, film, path))
    if out.suffix.lower() in IMAGE_SUFFIXES - set(SUFFIXES) and many:
        raise RequestError(f"--out {out} is one picture; give a folder, or a film: .gif, .webp or .mp4")
    if not many:
        check_file(out, no_recipe, image, *(styles or ()), *(masks or ()))
    elif out.suffix:
        check_film(out, "--out")
        check_kept(out, image, *(styles or ()), *(masks or ()))
    elif next(out.glob("*.png"), None):
        raise RequestError(f"--out {out} holds pictures already; choose another folder")
    else:
        check_place(out / NUMBERED.format(0))
    given: dict[str, Any] = {"strength": strength, "chaos": chaos, "size": size, "iterations": iterations}
    given |= {"features": features, "statistic": statistic, "smoothness": smoothness}
    given |= {"weights": _numbers(weights) if weights is not None else None}
    pictures = [Picture.of(style) for style in styles or ()]
    whites = [Picture.of(mask) for mask in masks or ()]
    for picture in (*pictures, *whites):
        picture.image()  # to its end, so that a broken one is told of at once
    content = next(iter(film)) if film is not None else Picture.of(image)
    with valid():
        request = Stylize(
            image=content, styles=tuple(pictures), masks=tuple(whites), keep_colours=keep_colours, seed=seed,  # type: ignore[arg-type]
            **{name: value for name, value in given.items() if value is not None},
        )
    if not many and not no_recipe:
        check_recipe(out, request)
    chosen = stylist_for(request, method, device)
    if film is not None:
        _filmed(chosen, request, film, out, steady)
    else:
        _drawn(chosen, along(request, path) if path is not None else [request], out, no_recipe)
    typer.echo(out)


def _suffix(image: Path, film: Film | None, path: int | None) -> str:
    """Of what is made by default: of a film a film, of several pictures a folder."""
    if film is not None:
        return "" if image.is_dir() else image.suffix
    return ".png" if path is None else ""


def along(request: Stylize, frames: int) -> list[Stylize]:
    """Requests on the way from each style to the next; of one style from the picture itself to it."""
    if frames < 2:
        raise RequestError(f"--path {frames}: a path has 2 pictures at least")
    count = len(request.styles)
    if count < 2:
        shares = [request.strength * k / (frames - 1) for k in range(frames)]
        return [request.model_copy(update={"strength": share}) for share in shares]
    if request.weights or request.masks:
        raise RequestError("--path walks from style to style; leave --weights and --mask out")
    places = [k * (count - 1) / (frames - 1) for k in range(frames)]
    near = [tuple(max(0.0, 1 - abs(place - i)) for i in range(count)) for place in places]
    return [request.model_copy(update={"weights": weights}) for weights in near]


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise RequestError(f"--weights {text}: expected numbers with commas between, as .7,.3") from None


def _drawn(model: Model, requests: list[Stylize], out: Path, no_recipe: bool) -> None:
    """Draws pictures into a file, a film or a folder."""
    from ..classic.film import painting_times, save_film
    from ..drawing import drawn
    from ..pictures import flatten, to_image

    done = 0
    frames: dict[int, Image.Image] = {}
    single = out.suffix.lower() in IMAGE_SUFFIXES and len(requests) == 1
    with showing() as display:

        def tell(step: int) -> None:
            display.count("stylising", done, len(requests), f"step {step}")

        for position, picture, recipe in drawn(model, requests, tell):
            done += 1
            if out.suffix and not single:
                frames[position] = flatten(to_image(picture))
                continue
            to = out if single else out / NUMBERED.format(position)
            save_like(requests[position].image, picture, to, recipe, not no_recipe, display)
    if frames:
        save_film([frames[position] for position in sorted(frames)], out, painting_times(len(frames)))


def _filmed(model: Model, request: Stylize, film: Film, out: Path, steady: bool) -> None:
    """Stylises a film into a film or a folder of frames."""
    from ..classic.film import save_film
    from ..drawing import film as stylised
    from ..pictures import to_image, to_tensor
    from ..provenance.filters import guard
    from ..provenance.publish import publish
    from ..stylizing import check_room, resized, size_of

    def frames() -> Iterator[Any]:
        for frame in film:
            x = to_tensor(frame)[None]
            yield x if request.size is None else resized(x, request.size)

    check_room(size_of(request), FRAMES)
    filters = guard()
    filters.request(request)
    with showing() as display:

        def pictures() -> Iterator[Image.Image]:
            for n, x in enumerate(stylised(model, request, frames(), steady)):
                picture = to_image(x[0])
                filters.picture(picture)
                yield picture
                display.count("stylising", n + 1, len(film))

        if out.suffix:
            save_film(pictures(), out, film.times)
            return
        recipe = {"task": "stylize", "model": model.identity and model.identity.hash}  # for the label alone
        for n, picture in enumerate(pictures()):
            publish(picture, out / NUMBERED.format(n), recipe, with_recipe=False)
