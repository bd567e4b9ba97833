"""Who made a picture, with what, and is it unchanged? All that it carries is read and held against the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PIL import Image

from ..decoding import MAX_PIXELS, flatten, opened
from ..pictures import read_recipe, read_xmp
from . import label, signature, watermark
from .publish import identity, pixels
from .settings import Settings

__all__ = ["told", "verify"]


def verify(path: str | Path, settings: Settings | None = None) -> dict[str, Any]:
    """What a picture says of itself, and what of it holds.

    Returns `recipe`, `label`, `aigc`, `signature` and `watermark`, each with its `state`, the `problems` in words, and
    `holds`: Huabi's recipe or a signature vouches for the pixels as they are, and nothing contradicts.
    Raises `PictureError` where it cannot be read.
    """
    path, settings = Path(path), settings or Settings.load()
    with opened(path, MAX_PIXELS, str(path)) as image:
        kind, shown = str(image.format), image.copy()
    recipe, found = read_recipe(path), label.read_packet(read_xmp(path))
    facts: dict[str, Any] = {
        "recipe": _recipe(recipe, shown),
        "label": {"state": "present" if found.source_type else "absent", "source_type": found.source_type},
        "aigc": _aigc(found.aigc, recipe),
        "signature": signature.read_signature(path.read_bytes(), kind, settings),
        "watermark": _watermark(shown, recipe),
    }
    problems = [f"{name}: {part['problem']}" for name, part in facts.items() if "problem" in part]
    if facts["signature"]["state"] == "invalid":
        problems.append("signature: the file was changed after it was signed, or the signature is wrong")
    vouched = facts["recipe"]["state"] == "unchanged" or facts["signature"]["state"] in ("trusted", "valid")
    return {**facts, "problems": problems, "holds": vouched and not problems}


def _recipe(recipe: dict[str, Any] | None, shown: Image.Image) -> dict[str, Any]:
    if recipe is None or "pixels" not in recipe:
        return {"state": "absent"}
    facts = {name: recipe.get(name) for name in ("huabi", "task", "family", "model")}
    facts |= {"id": identity(recipe).hex()} | ({"near": recipe["near"]} if "near" in recipe else {})
    if pixels(shown) == recipe.get("saved", recipe["pixels"]):
        return {"state": "unchanged", **facts}
    return {"state": "changed", **facts, "problem": "the pixels are not those that it was written for"}


def _aigc(found: dict[str, Any] | None, recipe: dict[str, Any] | None) -> dict[str, Any]:
    if found is None:
        return {"state": "absent"}
    missing = [name for name in label.AIGC_FIELDS if name not in found]
    if missing:
        return {"state": "broken", "problem": f"it lacks {', '.join(missing)}"}
    facts = {"state": "present", "producer": found["ContentProducer"], "id": found["ProduceID"]}
    if recipe is not None and found["ProduceID"] != identity(recipe).hex():
        return {**facts, "state": "differs", "problem": "it names another recipe than the one in the file"}
    return facts


def _watermark(shown: Image.Image, recipe: dict[str, Any] | None) -> dict[str, Any]:
    upright = shown if shown.mode in ("L", "RGB", "RGBA") else flatten(shown, 3)
    mark = watermark.read(upright)
    expected = recipe is not None and "watermark" in (recipe.get("marks") or {})
    if mark is None:
        problem = {"problem": "the recipe says that there is one, and none can be read"} if expected else {}
        return {"state": "absent", **problem}
    if recipe is None or "pixels" not in recipe:
        return {"state": "present", "id": mark.hex()}
    if identity(recipe)[:4] == mark:
        return {"state": "matches", "id": mark.hex()}
    marked_whole = expected and "within" not in recipe["marks"]
    if recipe.get("inputs") and not marked_whole:
        return {"state": "present", "id": mark.hex()}  # that of the picture that it was made of, which it keeps
    return {"state": "differs", "id": mark.hex(), "problem": "it names another recipe than the one in the file"}


def told(facts: dict[str, Any]) -> list[str]:
    """The facts of `verify` in lines for people."""
    recipe, signed, mark, china = (facts[name] for name in ("recipe", "signature", "watermark", "aigc"))
    made = f": {recipe['task']} by {recipe['family']} {(recipe['model'] or '')[:12]}" if "id" in recipe else ""
    signer = f" by {signed['signer']}" if signed.get("signer") else ""
    remark = {
        "trusted": ", who is trusted",
        "valid": ", for whom none of the trusted certificates vouches",
        "unread": ": to read it, pip install 'huabi[provenance]'",
    }
    lines = [
        f"recipe     {recipe['state']}{made}".rstrip(),
        f"label      {facts['label']['source_type'] or 'absent'}",
        f"AIGC       {china['state']}{': ' + str(china['producer']) if 'producer' in china else ''}",
        f"signature  {signed['state']}{signer}{remark.get(signed['state'], '')}",
        f"watermark  {mark['state']}{': ' + mark['id'] if 'id' in mark else ''}",
    ]
    if "near" in recipe:
        lines.append(f"near       it is nearly the training picture {recipe['near']}")
    unsure = "nothing vouches that it is as it was made"
    verdict = "it is as it was made" if facts["holds"] else "it is not as it was made" if facts["problems"] else unsure
    return [*lines, *facts["problems"], verdict]
