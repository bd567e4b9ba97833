"""Searching: find."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import RequestError
from .options import IMAGE_SUFFIXES, AsJson, Data, Device, app, showing


@app.command()
def find(
    data: Data,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="what the pictures show, in English or Chinese")],
    model: Annotated[str | None, typer.Option(help="a contrast run, or clip:MODEL; by default your last run")] = None,
    n: Annotated[int, typer.Option("--n", help="how many pictures, at most")] = 12,
    out: Annotated[Path | None, typer.Option(help="also copy them into this folder")] = None,
    grid: Annotated[Path | None, typer.Option(help="also all of them in one picture")] = None,
    device: Device = "auto",
    json: AsJson = False,
) -> None:
    """Pictures of DATA that fit TEXT, the best first, with the cosines of their features and the text's."""
    from ..pictures import grid as sheet
    from ..pictures import save_picture
    from ..search import Search, check_words, matcher
    from ..tables import print_found, to_json

    check_words(text)
    if n < 1:
        raise RequestError(f"--n {n}: it must be at least 1")
    if out is not None and out.suffix.lower() in IMAGE_SUFFIXES:
        raise RequestError(f"--out {out} is one file; give a folder, or --grid {out} for one sheet")
    with showing() as display:
        search = Search(data, matcher(model, device), display.count)
        found = search.find(text, n)
        if search.unreadable:
            display.say(f"{search.unreadable} pictures cannot be read, and are left out")
    if out is not None:
        for place, match in enumerate(found, 1):
            match.copy(out, place)
    if grid is not None:
        save_picture(sheet([match.picture() for match in found]), grid, None)
    matches = [{"path": match.path, "cosine": round(match.cosine, 6)} for match in found]
    if json:
        typer.echo(to_json({"text": text, "model": search.identity, "matches": matches}))
    else:
        print_found(matches)
