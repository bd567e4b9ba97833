"""The codes that `world-imagine` is drawn in: pictures of 64 x 64 as 16 x 16 codes of 8 numbers, and back.

    python recipes/world_autoencoder.py --out runs/world-autoencoder     # trains it; goes on where it was stopped

`world_imagine.py` copies its weights into the run that ships. Expected figures: see docs/text_to_image.md.
"""

from __future__ import annotations

from recipe import command
from world_imagine import DATA

if __name__ == "__main__":
    command(__doc__, "world-autoencoder", "autoencoder", DATA, minutes=15, size=64, settings={"length": 8})
