"""What every command shares: the program, its common options, the display."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .. import text

if TYPE_CHECKING:
    from ..display import Display

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
NoRecipe = Annotated[bool, typer.Option("--no-recipe", help="leave the recipe out of the pictures")]


def size_of(value: str | None) -> tuple[int, int] | None:
    return text.size(value) if value is not None else None


def say_near(display: Display, recipe: Mapping[str, Any]) -> None:
    """Tells of a picture that is nearly one of those that its model learnt from."""
    if near := recipe.get("near"):
        display.say(f"note: seed {recipe['request']['seed']} is nearly the training picture {near}: nothing new")


def showing() -> Any:
    from ..display import Display

    return Display()
