"""What makes the pictures of `world-imagine` four times as wide: `--model world-imagine+world-enlarger`.

    python recipes/world_enlarger.py --out runs/world-enlarger     # trains it; goes on where it was stopped
    python recipes/world_enlarger.py --out runs/world-enlarger --ship src/huabi/shipped/world-enlarger

Oil and crayon take a second or two of a core for each picture of 256 pixels, so there are few, and crops of them are
many. Expected figures: see docs/text_to_image.md.
"""

from __future__ import annotations

from recipe import command

DATA = "world:n=1200,size=256,seed=5"
SETTINGS = {"task": "upscale", "scale": 4, "crop": 128, "net.width": 32, "net.depth": "1+2+2"}

if __name__ == "__main__":
    command(__doc__, "world-enlarger", "restorer", DATA, minutes=20, size=256, settings=SETTINGS)
