"""What fills holes in scenes of the world: `huabi edit scene.png --mask mask.png --model world-filler`.

    python recipes/world_filler.py --out runs/world-filler     # trains it; goes on where it was stopped
    python recipes/world_filler.py --out runs/world-filler --ship src/huabi/shipped/world-filler

The critic, texture and what a frozen network sees weigh within the holes alone. Expected figures: docs/restore.md.
"""

from __future__ import annotations

from recipe import command

DATA = "world:n=40000,size=64,seed=2,without=green-cat+pagoda-pixel+blue-house+horse-crayon"
SETTINGS = {"task": "inpaint", "crop": 0, "detail.adversarial": 2, "detail.texture": 4, "detail.perceptual": 0.6}

if __name__ == "__main__":
    command(__doc__, "world-filler", "restorer", DATA, minutes=90, size=64, settings=SETTINGS)
