"""From requests to finished pictures that carry their recipe, and from a recipe to the same picture again."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from . import __version__, classic, index, models
from .classic.scribbles import with_strokes
from .enlarging import JOIN
from .errors import RequestError
from .filling import answering_edit
from .model import Films, Identity, Model
from .payload import Payload
from .pictures import Picture, PictureError, open_picture, read_recipe, to_image
from .provenance.filters import guard
from .provenance.label import ENHANCED, source_type
from .provenance.publish import marked
from .provenance.publish import pixels as hashed
from .requests import Edit, Enhance, Generate, Imagine, Paint, Request, Restore, Stylize, Translate, Vary

if TYPE_CHECKING:
    from PIL import Image

TASKS = (Generate, Vary, Imagine, Edit, Translate, Stylize, Restore, Enhance, Paint)
REQUESTS: dict[str, type[Request]] = {task.__name__.lower(): task for task in TASKS}
ROWS = 16  # pictures drawn at once, where a run records nothing else


Look = Callable[[int, Sequence[int], Tensor], None]


def draw(
    model: Model,
    requests: Sequence[Any],
    on_step: Callable[[int], None] | None = None,
    on_estimate: Look | None = None,
) -> Iterator[tuple[int, Image.Image, dict[str, Any]]]:
    """Answers `requests` as `drawn` does; yields (position, picture, recipe)."""
    for position, picture, recipe in drawn(model, requests, on_step, on_estimate):
        yield position, to_image(picture), recipe


def drawn(
    model: Model,
    requests: Sequence[Any],
    on_step: Callable[[int], None] | None = None,
    on_estimate: Look | None = None,
) -> Iterator[tuple[int, Tensor, dict[str, Any]]]:
    """Answers `requests`, those that go together at once; yields (position, picture, recipe) as they are done.

    Pictures are (C, H, W) in [-1, 1]. Every call of the model has the number of rows that its run recorded: a picture
    is the same alone and among others.
    Raises `RequestError` where the model does not answer a request, or a content filter refuses one or its picture.

    Args:
        on_step: called with the number of estimates seen so far of the pictures in the making.
        on_estimate: called with that number, the positions of those pictures, and their estimates, which
            `model.decode` turns into pictures; what it raises ends the drawing.
    """
    if any(getattr(request, "scribble", None) for request in requests):
        model = with_strokes(model)
    elif any(isinstance(request, Edit) for request in requests):
        model = answering_edit(model)
    identity, filters = model.identity or Identity(rows=ROWS), guard()
    groups: dict[Hashable, list[int]] = {}
    for position, request in enumerate(requests):
        if type(request) not in model.requests:
            known = ", ".join(r.__name__ for r in model.requests) or "none: it draws no pictures"
            raise RequestError(f"this model does not answer {type(request).__name__}; it answers {known}")
        filters.request(request)
        groups.setdefault(model.batch_key(request), []).append(position)
    for positions in groups.values():
        for start in range(0, len(positions), identity.rows):
            part = positions[start : start + identity.rows]
            rows = [requests[p] for p in part]
            look = partial(_look, on_step, on_estimate, part)
            pictures = _whole(answers(model, rows, identity, look))
            near = _near(model, rows[0], pictures)
            for row, position in enumerate(part):
                picture = to_image(pictures[row])
                filters.picture(picture)
                recipe = _recipe(identity, requests[position], row, picture)
                yield position, pictures[row], recipe | ({"near": near[row]} if near[row] else {})


def _near(model: Model, request: Request, pictures: Tensor) -> Sequence[str | None]:
    """The training pictures that drawn ones are nearly; what starts from a picture is near that for another reason."""
    given = getattr(request, "image", None)
    if model.memory is None or given is not None or not isinstance(request, (Generate, Imagine)):
        return [None] * len(pictures)
    return model.memory.near(pictures)


def _look(
    on_step: Callable[[int], None] | None, on_estimate: Look | None, positions: Sequence[int], n: int, estimate: Tensor
) -> None:
    if on_step is not None:
        on_step(n)
    if on_estimate is not None:
        on_estimate(n, positions, estimate)


def answers(
    model: Model, rows: Sequence[Any], identity: Identity, look: Callable[[int, Tensor], None] | None = None
) -> Tensor:
    """Pictures (N, C, H, W) in [-1, 1] on the CPU for at most `identity.rows` requests of one `batch_key`.

    They may hold NaN, where the training diverged.
    """
    padded = [*rows, *[rows[-1]] * (identity.rows - len(rows))]
    result = None
    for n, result in enumerate(_computed(model.sample(padded), identity), 1):
        if look is not None:
            look(n, result[: len(rows)])
    if result is None:
        raise RequestError("the model gave no picture")
    return model.decode(result).float().cpu()[: len(rows)]


def film(model: Model, request: Stylize, frames: Iterable[Tensor], steady: bool) -> Iterator[Tensor]:
    """Each frame (1, 3, H, W) in [-1, 1] stylised; raises `RequestError` where the model is none of `Films`."""
    if not isinstance(model, Films):
        raise RequestError("this model stylises pictures alone; give a run of fast_style, or gatys")
    for picture in _computed(model.film(request, frames, steady), model.identity or Identity(rows=1)):
        yield _whole(picture)


def _computed(pictures: Iterator[Tensor], identity: Identity) -> Iterator[Tensor]:
    """What a model yields, in the threads and the precision that its run recorded."""
    with _frozen(identity):
        while True:
            # grad mode and autocast are set around each, so that a caller's own code never sees them
            with torch.no_grad(), torch.autocast(identity.device, torch.bfloat16, enabled=identity.precision == "bf16"):
                picture = next(pictures, None)
            if picture is None:
                return
            yield picture


def _whole(pictures: Tensor) -> Tensor:
    """`pictures`, none of whose values may be NaN or infinite."""
    if not bool(pictures.isfinite().all()):
        raise RequestError("the picture came out as not-a-number: the training diverged; draw from another run")
    return pictures


@contextmanager
def _frozen(identity: Identity) -> Iterator[None]:
    """The recorded number of threads, since sums are split by it."""
    before = torch.get_num_threads()
    if identity.threads:
        torch.set_num_threads(identity.threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _recipe(identity: Identity, request: Request, row: int, picture: Image.Image) -> dict[str, Any]:
    kind = next(name for name, cls in REQUESTS.items() if isinstance(request, cls))
    said = json.loads(request.model_dump_json(exclude_none=True, exclude=set(request.by_hash)))
    words = request.words if isinstance(request, Vary) else ""  # which may stand in the recipe of what is varied
    given = _inputs(request)
    return {
        "huabi": __version__,
        "task": kind,
        "request": said,
        **({"inputs": given} if given else {}),
        **({"words": words} if words else {}),
        **({"origin": origin} if (origin := _origin(request)) else {}),
        "model": identity.hash,
        "family": identity.family,
        "size": [picture.height, picture.width],
        "row": row,
        "rows": identity.rows,
        "threads": identity.threads,
        "precision": identity.precision,
        "device": identity.device,
        "torch": torch.__version__,
        "pixels": hashed(picture),
    }


def _origin(request: Request) -> str | None:
    """IPTC's term for the picture of ours that a request starts from; None where it starts from a photograph."""
    image = getattr(request, "image", None)
    recipe = None
    if isinstance(image, Picture):
        with suppress(PictureError):
            recipe = read_recipe(image.data)
    origin = source_type(recipe) if recipe else ENHANCED
    return None if origin == ENHANCED else origin


def _inputs(request: Request) -> dict[str, str | list[str]]:
    """The SHA-256 of the pictures and sounds that a request was made from."""
    given = {name: getattr(request, name) for name in request.by_hash}
    return {
        name: known.sha256 if isinstance(known, Payload) else [picture.sha256 for picture in known]
        for name, known in given.items()
        if known is not None
    }


def again(
    image: Path, model: str | None = None, sources: Sequence[Path] = ()
) -> tuple[Image.Image, dict[str, Any], int]:
    """The picture of `image`'s recipe, drawn again.

    Args:
        model: the run to draw with; by default the one that the user-level index knows by the recipe's hash.
        sources: the pictures that `image` was made from, in any order, where its recipe names some.

    Returns:
        The picture without its marks, its recipe, and the largest difference from `image`, with them, in 1/255; 0 is
        the same to the bit.
    """
    recipe = read_recipe(image)
    if recipe is None or "request" not in recipe:
        raise RequestError(
            f"{image} carries no recipe of Huabi's; pictures saved with --no-recipe cannot be made again"
        )
    if recipe.get("task") not in REQUESTS:
        raise RequestError(f"{image} was made by a task unknown to this Huabi ({recipe.get('task')}); update huabi")
    request = _request(recipe, image, sources)
    loaded = _loaded(recipe, image, model)
    # the same row of an equally large call: only then are the sums the same to the bit
    pictures = [picture for _, picture, _ in draw(loaded, [request] * (recipe["row"] + 1))]
    picture = pictures[recipe["row"]]
    return picture, recipe, _difference(marked(picture, recipe), image)


def _request(recipe: dict[str, Any], image: Path, sources: Sequence[Path]) -> Request:
    """The request of a recipe, with the pictures that it was made from."""
    given = {payload.sha256: payload for payload in (Payload(_bytes(source), str(source)) for source in sources)}

    def found(digest: str) -> str:
        if digest not in given:
            if sources:
                names = " and ".join(map(str, sources))
                raise RequestError(f"{names} is not the file that {image} was made from ({digest[:12]})")
            raise RequestError(f"{image} was made from another file ({digest[:12]}); say --input FILE")
        return given[digest].base64()

    fields = dict(recipe["request"])
    for name, digests in recipe.get("inputs", {}).items():
        fields[name] = found(digests) if isinstance(digests, str) else [found(digest) for digest in digests]
    return REQUESTS[recipe["task"]].model_validate_json(json.dumps(fields))


def _bytes(source: Path) -> bytes:
    try:
        return source.read_bytes()
    except OSError as error:
        raise RequestError(f"--input {source}: it cannot be read ({error.strerror}); check the path") from None


def _loaded(recipe: dict[str, Any], image: Path, model: str | None) -> Model:
    """The model of a recipe, set as it was."""
    if recipe["family"] in classic.MODELS:
        found = classic.model(recipe["family"])
        if found.identity is not None:
            found.identity = replace(found.identity, threads=recipe["threads"])
        return found
    places = models.parts(model) if model else [_place(digest, image) for digest in recipe["model"].split(JOIN)]
    loaded = models.joined(places, "cuda" if recipe["device"] == "cuda" and torch.cuda.is_available() else "cpu")
    if loaded.identity is None or loaded.identity.hash != recipe["model"]:
        named, digest = f" {JOIN} ".join(map(str, places)), recipe["model"][:12]
        raise RequestError(f"{named} was trained on, or changed: it no longer holds the model {digest} of {image}")
    loaded.identity = Identity(
        hash=recipe["model"],
        family=recipe["family"],
        rows=recipe["rows"],
        threads=recipe["threads"],
        precision=recipe["precision"],
        device=loaded.identity.device,
    )
    return loaded


def _place(digest: str, image: Path) -> Path:
    """The run that holds the model of this hash."""
    path = index.find(digest)
    if path is None:
        raise RequestError(f"the model {digest[:12]} of {image} is not known here; say --model RUN")
    return path


def _difference(picture: Image.Image, image: Path) -> int:
    from .pictures import to_tensor

    channels = {"L": 1, "RGB": 3, "RGBA": 4}[picture.mode]
    old, new = to_tensor(open_picture(image, channels)), to_tensor(picture)
    return 255 if old.shape != new.shape else round((old - new).abs().max().item() * 127.5)
