"""Trusting: verify."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import AsJson, app


@app.command()
def verify(
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="a picture, of Huabi or not")],
    json: AsJson = False,
) -> None:
    """Who made IMAGE, with what, and is it unchanged? Exit 1 where nothing vouches for that, or something denies it."""
    from ..provenance.verify import told
    from ..provenance.verify import verify as check
    from ..tables import to_json

    facts = check(image)
    typer.echo(to_json(facts) if json else "\n".join(told(facts)))
    if not facts["holds"]:
        raise typer.Exit(1)
