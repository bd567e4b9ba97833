"""What makes the pictures of `world-imagine` four times as wide: `--model world-imagine+world-enlarger`.

    python recipes/world_enlarger.py --out runs/world-enlarger     # trains it; goes on where it was stopped
    python recipes/world_enlarger.py --out runs/world-enlarger --ship src/huabi/shipped/world-enlarger

It learns from pairs: scenes drawn in 256 pixels, and the same in 64, as the autoencoder of `world-imagine` gives them
back. Brushes lay other strokes where they draw a scene in 64, so from such pairs only blur would be learnt: scenes are
averaged down, or, since lines that are drawn in few pixels have steps, every fourth pixel is taken, half of them each.
Oil and crayon take a second or two of a core for a scene, so there are few, and crops of them are many. Expected
figures: docs/text_to_image.md.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from recipe import command

import huabi
from huabi.cores import cores
from huabi.data.loader import to_unit
from huabi.data.world.compose import draw_scene
from huabi.data.world.scene import STYLES
from huabi.data.world.styles import draw
from huabi.families.text_to_image import TextToImage
from huabi.pictures import to_image

FIRST, COUNT, SMALL, SCALE = 5 << 32, 800, 64, 4  # scenes that no other recipe learns from, and none is judged by
PAIRS = Path("runs/world-pairs")
SETTINGS = {"task": "upscale", "scale": SCALE, "crop": 128, "net.width": 56, "net.depth": "4+1"}
SETTINGS |= {"detail.texture": 0, "detail.adversarial": 0.2}


def scene(number: int) -> Image.Image:
    """A scene in many pixels."""
    side = SMALL * SCALE
    return Image.fromarray(draw(draw_scene(FIRST + number), (side, side), STYLES[number % len(STYLES)]))


@torch.no_grad()
def write_pairs() -> None:
    """The pairs as folders A and B; those in few pixels are squares of equal ones, so that nothing resizes them."""
    if (PAIRS / "B" / f"{COUNT - 1:04d}.png").exists():
        return
    for name in "AB":
        (PAIRS / name).mkdir(parents=True, exist_ok=True)
    model = huabi.load("world-imagine")
    assert isinstance(model, TextToImage)
    with ProcessPoolExecutor(cores()) as pool:
        for number, large in enumerate(pool.map(scene, range(COUNT), chunksize=8)):
            pixels = np.array(large)[1::SCALE, 1::SCALE].copy()
            small = pixels if number % 2 else np.array(large.reduce(SCALE))
            seen = to_image(model.decode(model.codec.encode(to_unit(small[None])))[0])
            seen.resize(large.size, Image.Resampling.NEAREST).save(PAIRS / "A" / f"{number:04d}.png")
            large.save(PAIRS / "B" / f"{number:04d}.png")


if __name__ == "__main__":
    write_pairs()
    command(__doc__, "world-enlarger", "restorer", str(PAIRS), minutes=20, size=SMALL * SCALE, settings=SETTINGS)
