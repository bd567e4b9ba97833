"""The command line: thin; each command reads its options, calls the library and prints what came out."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import __version__, text
from .errors import HuabiError, RequestError

if TYPE_CHECKING:
    from PIL import Image

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

Data = Annotated[str, typer.Argument(metavar="DATA", help="a folder, .zip, .tar, `world`, `digits`, hf:owner/name")]
Run = Annotated[Path, typer.Argument(metavar="RUN", help="a run folder")]
Size = Annotated[str | None, typer.Option(help="pixels: 64, or 96x64 for width x height; advised by default")]
Channels = Annotated[int | None, typer.Option(help="1 grey, 3 colour, 4 with transparency")]
Pairs = Annotated[str | None, typer.Option(help="side-by-side: each picture holds a pair, left and right")]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps")]
NoRecipe = Annotated[bool, typer.Option("--no-recipe", help="leave the recipe out of the pictures")]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"huabi {__version__}")
        raise typer.Exit


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="show the traceback of an error")] = False,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True)] = False,
) -> None:
    """Options that stand before the command."""


@app.command()
def inspect(
    data: Data,
    size: Size = None,
    channels: Channels = None,
    pairs: Pairs = None,
    forecast: Annotated[bool, typer.Option("--forecast/--no-forecast", help="try each family here")] = True,
    json: AsJson = False,
) -> None:
    """What is in DATA, what is wrong with it, what will be done about it, and what training would take."""
    from .data import inspect as look
    from .report import families_forecast, print_preflight, to_json

    with _display() as display:
        found = look(data, size=_size(size), channels=channels or 3, pairs=pairs, progress=display.count)
        if forecast:
            found = families_forecast(found, channels or 3, _size(size), display.count)
    if json:
        typer.echo(to_json(found))
    else:
        print_preflight(found)
    if not found.usable:
        raise typer.Exit(1)


@app.command()
def train(
    family: Annotated[str, typer.Argument(metavar="FAMILY", help="diffusion, gan, vae, classifier")],
    data: Data,
    out: Annotated[Path, typer.Option(help="the run folder to make")],
    size: Size = None,
    budget: Annotated[str | None, typer.Option(help="wall time: 90s, 10m, 1h30m (default 10m)")] = None,
    steps: Annotated[int | None, typer.Option(help="training steps, instead of a budget")] = None,
    batch: Annotated[int | None, typer.Option(help="pictures in a step; the family's own by default")] = None,
    micro: Annotated[int | None, typer.Option(help="pictures held at once; fitted to memory by default")] = None,
    seed: Annotated[int | None, typer.Option(help="the run's seed (default 0)")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="go on with the run in --out")] = False,
    init: Annotated[Path | None, typer.Option(help="start from the weights of this run")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="a family's setting, as net.depth=4")] = None,
    channels: Channels = None,
    fit: Annotated[str | None, typer.Option(help="crop, pad or squash to the size (default crop)")] = None,
    flip: Annotated[bool | None, typer.Option("--flip/--no-flip", help="mirror pictures at random")] = None,
    pairs: Pairs = None,
    balance: Annotated[bool | None, typer.Option("--balance/--no-balance", help="draw all classes alike")] = None,
    device: Device = "auto",
    threads: Annotated[int | None, typer.Option(help="of the processor; all that are free by default")] = None,
    precision: Annotated[str | None, typer.Option(help="bf16 or fp32; by default what is fast here")] = None,
    save_every: Annotated[int | None, typer.Option(help="steps between saves; every 30 s by default")] = None,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="write curves for TensorBoard too")] = False,
) -> None:
    """Train FAMILY on DATA; the run folder holds all that resuming and drawing need."""
    from .job import Job, Options

    asked = Options(
        family=family,
        data=data,
        out=out,
        size=_size(size),
        channels=channels,
        fit=fit,
        flip=flip,
        pairs=pairs,
        balance=balance,
        steps=steps,
        budget=text.duration(budget) if budget is not None else None,
        batch=batch,
        micro=micro,
        seed=seed,
        resume=resume,
        init=init,
        settings=dict(text.setting(item) for item in set_ or []),
        device=device,
        threads=threads,
        precision=precision,
        save_every=save_every,
        tensorboard=tensorboard,
    )
    with _display() as display:
        job = Job(asked, display.count, display.say)
        for report in job.run():
            if job.ranks.main:
                display.train(report)
        job.ranks.leave()
    if job.ranks.main:
        typer.echo(out)


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
    device: Device = "auto",
    no_recipe: NoRecipe = False,
) -> None:
    """Draw new pictures with a trained RUN."""
    from . import index
    from .api import load
    from .drawing import draw
    from .pictures import grid as sheet
    from .pictures import save_picture

    if out is None and grid is None:
        raise RequestError("say where the pictures go: --out DIR, or --grid FILE for one sheet")
    if n < 1 or frames < 2:
        raise RequestError("--n is at least 1 and --frames at least 2")
    if out is not None and out.suffix.lower() in IMAGE_SUFFIXES and (n > 1 or between):
        raise RequestError(f"--out {out} is one file; give a folder, or --grid {out} for one sheet, or --n 1")
    requests = _requests(n, seed, label, steps, guidance, solver, between, frames)
    model = load(run, device)
    pictures: dict[int, Image.Image] = {}
    with _display() as display:
        for position, picture, recipe in draw(model, requests):
            pictures[position] = picture
            display.count("drawing", len(pictures), len(requests))
            if out is not None:
                target = out if out.suffix.lower() in IMAGE_SUFFIXES else out / _name(recipe, position, between)
                save_picture(picture, target, None if no_recipe else recipe)
    if model.identity is not None:
        index.add(model.identity.hash, index.place(run))
    if grid is not None:
        save_picture(sheet([pictures[i] for i in range(len(requests))]), grid, None)
    typer.echo(grid or out)


def _requests(
    n: int,
    seed: int,
    label: str | None,
    steps: int | None,
    guidance: float | None,
    solver: str | None,
    between: tuple[str, str] | None,
    frames: int,
) -> list[Any]:
    from .pictures import Picture
    from .requests import Generate

    ends = tuple(int(end) if end.isdigit() else Picture.of(Path(end)) for end in between) if between else None
    places = [i / (frames - 1) for i in range(frames)] if ends else [0.0] * n
    same = {"label": label, "steps": steps, "guidance": guidance, "solver": solver, "between": ends}
    with _valid():
        return [
            Generate(seed=seed if ends else seed + i, fraction=fraction, **same)  # type: ignore[arg-type]
            for i, fraction in enumerate(places)
        ]


@contextmanager
def _valid() -> Iterator[None]:
    """Turns pydantic's report of a bad option into one line."""
    from pydantic import ValidationError

    try:
        yield
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"][:1])
        raise RequestError(f"--{name} {first['input']}: {first['msg'].lower()}") from None


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
    out: Annotated[Path, typer.Option(help="the file to make")],
    brush: Annotated[str, typer.Option(help="oil, ink, watercolor, crayon or pencil")] = "oil",
    film: Annotated[Path | None, typer.Option(help="also the painting as it grows: .gif, .webp or .mp4")] = None,
    strokes: Annotated[int | None, typer.Option(help="the most strokes")] = None,
    detail: Annotated[float, typer.Option(help="0 is broad, 1 is fine")] = 0.5,
    seed: Annotated[int, typer.Option(help="another seed, other strokes")] = 0,
    svg: Annotated[Path | None, typer.Option(help="also the strokes as SVG")] = None,
    no_recipe: NoRecipe = False,
) -> None:
    """Paint IMAGE by strokes, coarse to fine."""
    from .classic.film import FRAMES, check_film, save_film, save_text
    from .classic.painter import Painter
    from .drawing import draw
    from .pictures import Picture, save_picture
    from .requests import Paint

    if out.suffix.lower() not in IMAGE_SUFFIXES:
        raise RequestError(f"--out {out}: one picture is made; give a file, such as {out.stem}.png")
    if film is not None:
        check_film(film)
    given = Picture.of(image)
    with _valid():
        request = Paint(image=given, brush=brush, detail=detail, strokes=strokes, seed=seed)  # type: ignore[arg-type]
    frames: list[Image.Image] = []
    with _display() as display:
        painter = Painter(FRAMES if film else 1, lambda frame: frames.append(frame) if film else None)
        for _, picture, recipe in draw(painter, [request], lambda n: display.count("painting", n, painter.frames)):
            save_picture(picture, out, None if no_recipe else recipe)
    if film is not None:
        save_film(frames, film)
    if svg is not None:
        save_text(painter.svg(request), svg)
    typer.echo(out)


@app.command()
def again(
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="a picture that Huabi made")],
    out: Annotated[Path, typer.Option(help="the file to make")],
    model: Annotated[Path | None, typer.Option(help="the run that made it, where Huabi does not know it")] = None,
    source: Annotated[Path | None, typer.Option("--input", help="the picture that it was made from")] = None,
) -> None:
    """Make the same picture again from the recipe inside it."""
    from .drawing import again as redraw
    from .pictures import save_picture

    picture, recipe, difference = redraw(image, str(model) if model else None, source)
    save_picture(picture, out, recipe)
    same = "the same to the bit" if difference == 0 else f"differs by at most {difference}/255"
    typer.echo(f"{out}: {same}")


@app.command()
def show(run: Run, json: AsJson = False) -> None:
    """What a RUN is, how far it is, and what it has learnt."""
    from .report import print_run, run_summary, to_json

    summary = run_summary(run)
    if json:
        typer.echo(to_json(summary))
    else:
        print_run(summary)


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
) -> None:
    """Draw the picture world: scenes with captions and masks, in six styles."""
    from .data.world import export
    from .data.world.spec import choose
    from .data.world.written import read_scene

    if out is None and sheet is None:
        raise RequestError("say where the pictures go: --out DIR, or --sheet FILE for one sheet")
    chosen, shape = choose(spec, n, style, seed), _size(size)
    with _display() as display:
        if scene is not None:
            export.one_scene(read_scene(scene), chosen.styles, shape or (256, 256), out, sheet)
        else:
            if sheet is not None:
                export.sheet(chosen, shape or (160, 160), sheet)
            if out is not None:
                export.export(chosen, out, shape or (256, 256), display.count)
    typer.echo(out or sheet)


@app.command()
def cache(
    clear: Annotated[bool, typer.Option("--clear", help="remove all decoded pictures; your own files stay")] = False,
    json: AsJson = False,
) -> None:
    """List the decoded pictures that Huabi keeps, or clear them."""
    from .report import print_caches

    print_caches(clear, json)


@app.command()
def doctor(json: AsJson = False) -> None:
    """What this machine offers to Huabi, and what is missing."""
    from .report import examine, print_table, to_json

    facts = examine()
    if json:
        typer.echo(to_json(facts))
    else:
        print_table(facts)


def _size(value: str | None) -> tuple[int, int] | None:
    return text.size(value) if value is not None else None


def _display() -> Any:
    from .display import Display

    return Display()


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
    words = ["huabi", *sys.argv[1:]]
    return shlex.join(words if "--resume" in words else [*words, "--resume"])


if __name__ == "__main__":
    main()
