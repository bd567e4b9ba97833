"""Pictures of the world as files: PNG, masks, sounds, and what is true of them in metadata.jsonl."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from ...durable import write_json
from ...errors import DataError, RequestError
from ...pictures import SAVED_AS, grid, save_picture
from ...sounds import wav
from .dice import Dice
from .render import edges, hidden, masks
from .scene import SETTINGS, Scene
from .sounds import sound
from .spec import Picture, WorldSpec
from .styles import draw

LARGEST = 2048  # pixels of a side
WIDEST = 64  # pictures in a row of a contact sheet


def check_sides(size: tuple[int, int]) -> None:
    """Raises `RequestError` for a picture that is too small to show anything, or too large to be drawn in one go."""
    for side in size:
        if not 16 <= side <= LARGEST:
            raise RequestError(f"size {side}: scenes are drawn at 16 to {LARGEST} pixels a side")


def picture(scene: Scene, size: tuple[int, int], style: str = "flat") -> Image.Image:
    """The scene as a picture of `size` (rows, columns)."""
    return Image.fromarray(draw(scene, size, style))


def export(
    spec: WorldSpec,
    out: Path,
    size: tuple[int, int],
    progress: Callable[[str, int, int], None] | None = None,
    sounds: bool = False,
) -> int:
    """Writes the spec's pictures, one after the other, into the new folder `out` (one alone: into a file); how many.

    metadata.jsonl is as the Hugging Face ImageFolder reads it: file_name, text (English), text_zh (lists, where the
    spec wants several captions), label, mask_file_name, and the truth: style, scene, and the share of each thing that
    is hidden. A mask is a grey PNG: 0 the backdrop, k + 1 thing k of the scene. With `sounds`, sound_file_name is a
    WAV of the scene. Raises `DataError` where `out` holds something already.
    """
    check_sides(size)
    if out.suffix.lower() in SAVED_AS:
        if spec.n > 1:
            raise RequestError(f"--out {out} is one file; give a folder, or --sheet {out} for one sheet, or --n 1")
        if sounds:
            raise RequestError(f"--out {out} is one file; give a folder for pictures and their sounds")
        one = next(spec.pictures())
        save_picture(picture(one.scene(size[1] / size[0]), size, one.style), out, None)
        return 1
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(f"{out} is there already; choose a new --out")
    (out / "masks").mkdir(parents=True)
    with (out / "metadata.jsonl").open("w", encoding="utf-8") as lines:
        for done, one in enumerate(spec.pictures(), 1):
            entry = _write(spec, one, out, size) | (_sound(one, out) if sounds else {})
            lines.write(json.dumps(entry, ensure_ascii=False) + "\n")
            if progress is not None and (done % 16 == 0 or done == spec.n):
                progress("drawing", done, spec.n)
    return spec.n


def _write(spec: WorldSpec, one: Picture, out: Path, size: tuple[int, int]) -> dict[str, Any]:
    scene = one.scene(size[1] / size[0])
    name = f"{one.seed:010d}-{one.style}.png"
    picture(scene, size, one.style).save(out / name)
    Image.fromarray(masks(scene, size)).save(out / "masks" / name)
    english, chinese = (spec.captions_of(one, scene, language) for language in ("en", "zh"))
    return {
        "file_name": name,
        "text": english if spec.captions > 1 else english[0],
        "text_zh": chinese if spec.captions > 1 else chinese[0],
        "label": spec.label_of(one, scene),
        "mask_file_name": f"masks/{name}",
        "style": one.style,
        "hidden": [round(share, 3) for share in hidden(scene)],
        "scene": scene.to_json(),
    }


def _sound(one: Picture, out: Path) -> dict[str, str]:
    name = f"sounds/{one.seed:010d}-{one.style}.wav"
    (out / "sounds").mkdir(exist_ok=True)
    (out / name).write_bytes(wav(sound(vars(one.scene()), Dice("sound", one.seed), parts="all")))
    return {"sound_file_name": name}


def sheet(spec: WorldSpec, size: tuple[int, int], file: Path) -> None:
    """A contact sheet: one row for each style, the same scenes in every row."""
    check_sides(size)
    columns = max(1, -(-spec.n // len(spec.styles)))
    if columns > WIDEST:
        raise RequestError(f"a sheet of {spec.n} pictures; at most {WIDEST * len(spec.styles)} can be seen on one")
    scenes = [one.scene(size[1] / size[0]) for one in _first(columns, spec)]
    drawn = (picture(scene, size, style) for style in spec.styles for scene in scenes)
    save_picture(grid(drawn, columns, gap=4), file, None)


def one_scene(scene: Scene, styles: Sequence[str], size: tuple[int, int], out: Path | None, sheet: Path | None) -> None:
    """Draws one scene: into the file `out` in the first style, into the folder `out` in all, or onto one sheet."""
    check_sides(size)
    if out is not None and out.suffix:
        save_picture(picture(scene, size, styles[0]), out, None)
    elif out is not None:
        for style in styles:
            save_picture(picture(scene, size, style), out / f"{style}.png", None)
        write_json(out / "scene.json", scene.to_json())
        save_picture(Image.fromarray(masks(scene, size)), out / "masks.png", None)
        save_picture(Image.fromarray(edges(scene, size)), out / "edges.png", None)
    if sheet is not None:
        save_picture(grid((picture(scene, size, style) for style in styles), gap=4), sheet, None)


def _first(n: int, spec: WorldSpec) -> Iterator[Picture]:
    """The spec's first n pictures; without a setting of its own, each is of the next setting."""
    for k in range(n):
        fixed = dict(spec.fixed)
        fixed.setdefault("setting", SETTINGS[k % len(SETTINGS)])
        yield Picture((spec.seed << 32) + k, "", tuple(sorted(fixed.items())))
