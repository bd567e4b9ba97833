"""What every command shares: the program, its common options, the display."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .. import text
from ..errors import RequestError

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from ..display import Display
    from ..pictures import Picture

app = typer.Typer(
    name="huabi",
    help="Huabi (画笔): a folder of pictures becomes a picture-maker.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".avif", ".tif", ".tiff", ".bmp", ".gif"}
RECIPE_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp"}  # which hold the recipe too

Data = Annotated[str, typer.Argument(metavar="DATA", help="a folder, .zip, .tar, `world`, `digits`, hf:owner/name")]
Run = Annotated[Path, typer.Argument(metavar="RUN", help="a run folder")]
Size = Annotated[str | None, typer.Option(help="pixels: 64, or 96x64 for width x height; advised by default")]
Channels = Annotated[int | None, typer.Option(help="1 grey, 3 colour, 4 with transparency")]
Threads = Annotated[int | None, typer.Option(help="of the processor; all that are free by default")]
Pairs = Annotated[str | None, typer.Option(help="side-by-side: each picture holds a pair, left and right")]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps")]
Sheet = Annotated[Path | None, typer.Option(help="also before and after in one picture")]
NoRecipe = Annotated[bool, typer.Option("--no-recipe", help="leave the recipe out of the pictures")]


def size_of(value: str | None) -> tuple[int, int] | None:
    return text.size(value) if value is not None else None


def beside(source: Path, done: str, suffix: str = ".png") -> Path:
    """A file beside `source` that is named after it and after what was done, and does not exist yet."""
    source = source.resolve()
    stem = source.name if source.is_dir() else source.stem
    names = itertools.chain([done], (f"{done}-{k}" for k in itertools.count(2)))
    files = (source.parent / f"{stem}-{name}{suffix}" for name in names)
    return next(file for file in files if not file.exists())


def check_file(out: Path, no_recipe: bool, *given: Path) -> None:
    """Raises `HuabiError` where the one picture that is made of those given cannot be saved as `out`."""
    from ..provenance.publish import check_place

    suffix = out.suffix.lower()
    if suffix not in IMAGE_SUFFIXES:
        raise RequestError(f"--out {out}: one picture is made; give a file, such as {out.stem}.png")
    check_place(out)
    if suffix not in RECIPE_SUFFIXES and not no_recipe:
        raise RequestError(f"--out {out}: {suffix} has no place for the recipe; save as .png, or say --no-recipe")
    check_kept(out, *given)


def check_kept(out: Path | None, *given: Path) -> None:
    """Raises `RequestError` where `out` is a file that something is made of."""
    if out is not None and out.resolve() in {path.resolve() for path in given}:
        raise RequestError(f"{out} is what the picture is made of, and would be lost; choose another file")


def check_sheet(sheet: Path | None, *given: Path) -> None:
    """Raises `HuabiError` where no sheet can be saved there."""
    if sheet is not None:
        from ..provenance.publish import check_place

        check_place(sheet)
        check_kept(sheet, *given)


def save_like(
    given: Picture, picture: Tensor, out: Path, recipe: Mapping[str, Any], with_recipe: bool, display: Display
) -> None:
    """Publishes a picture (C, H, W) that was made of the one given, in 16 bits where that has them and `out` can."""
    from ..deep import is_deep, publish_deep
    from ..pictures import to_image
    from ..provenance.publish import publish
    from ..provenance.settings import Settings

    deep = is_deep(given)
    if deep and out.suffix.lower() != ".png":
        display.say(f"note: saved in 8 bits, of the 16 that {given.name} has; --out FILE.png keeps them")
    elif deep and Settings.load().visible != "off":
        display.say("note: saved in 8 bits, in which the visible label of provenance.toml is written")
    elif deep:
        publish_deep(picture, out, recipe, with_recipe)
        return
    publish(to_image(picture), out, recipe, with_recipe)


def save_sheet(pairs: Sequence[tuple[Image, Image]], sheet: Path, recipe: Mapping[str, Any]) -> None:
    """Saves pictures before and after, side by side, a pair in each row, as large as what it became.

    It is labelled as the last of them, whose recipe is given, and holds none itself.
    """
    from ..pictures import grid
    from ..provenance.publish import publish

    sides = [side for before, after in pairs for side in (before.resize(after.size), after)]
    publish(grid(sides, 2), sheet, recipe, with_recipe=False)


def say_near(display: Display, recipe: Mapping[str, Any]) -> None:
    """Tells of a picture that is nearly one of those that its model learnt from."""
    if near := recipe.get("near"):
        display.say(f"note: seed {recipe['request']['seed']} is nearly the training picture {near}: nothing new")


def showing() -> Any:
    from ..display import Display

    return Display()
