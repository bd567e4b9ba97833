"""The command line: thin; each command reads its options, calls the library and prints what came out."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from typing import Annotated

import typer

from .. import __version__
from ..durable import FULL
from ..errors import HuabiError
from . import draw, enhance, imagine, judge, learn, restore, search, serve, stylize, translate, trust
from .options import app

__all__ = [
    "app",
    "draw",
    "enhance",
    "imagine",
    "judge",
    "learn",
    "main",
    "restore",
    "search",
    "serve",
    "stylize",
    "translate",
    "trust",
]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"huabi {__version__}")
        raise typer.Exit


@app.callback()
def common(
    debug: Annotated[bool, typer.Option("--debug", help="show the traceback of an error")] = False,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True)] = False,
) -> None:
    """Options that stand before the command."""


def main() -> None:
    """The program: exit codes 0 done, 1 the answer is no, 2 bad input, 130 and 143 stopped by a signal."""
    debug = "--debug" in sys.argv[1:]
    try:
        code = app(standalone_mode=False)
        status = code if isinstance(code, int) else 0
    except typer.Abort:
        status = 130
    except KeyboardInterrupt:
        status = _fail("stopped", 130)
    except Exception as error:
        if debug:
            raise
        status = _explain(error)
    sys.stdout.flush()
    if status and int(os.environ.get("WORLD_SIZE", 1)) > 1:
        sys.stderr.flush()
        os._exit(status)  # the other processes wait in a collective that will never come
    sys.exit(status)


def _explain(error: Exception) -> int:
    """The one line and the exit code for what went wrong."""
    if describe := getattr(error, "format_message", None):  # typer's usage errors, whose class has no public name
        return _fail(f"{describe()} (huabi --help lists the commands and options)", 2)
    if signum := getattr(error, "signum", 0):
        return _fail(f"{error}; go on with: {_resume_line()}", 128 + signum)
    if isinstance(error, HuabiError):
        return _fail(str(error), 2)
    if isinstance(error, BrokenPipeError):
        return 128 + getattr(signal, "SIGPIPE", 13)
    if isinstance(error, OSError) and error.errno in FULL:
        return _fail("the disk is full; free some space, then say the same again", 2)
    if isinstance(error, OSError):
        return _fail(f"{error.strerror or error}: {error.filename or ''}; check the path and its permissions", 2)
    if isinstance(error, MemoryError):
        return _fail("out of memory; use a smaller --size or --batch", 2)
    if int(os.environ.get("WORLD_SIZE", 1)) > 1 and any(word in str(error).lower() for word in ("gloo", "nccl")):
        return _fail("another process of this training was lost; torchrun --max-restarts 3 starts them again", 75)
    return _fail(f"a fault in Huabi: {type(error).__name__}: {error}; `huabi --debug ...` shows where", 70)


def _fail(line: str, code: int) -> int:
    print(f"huabi: {' '.join(line.split())}", file=sys.stderr)
    return code


def _resume_line() -> str:
    """The line that goes on with what was stopped; a comparison goes on by itself."""
    words = ["huabi", *sys.argv[1:]]
    command = next((word for word in words[1:] if not word.startswith("-")), "")
    return shlex.join(words if command != "train" or "--resume" in words else [*words, "--resume"])
