"""The reader of the picture world that comes with Huabi: `huabi.load("world-reader")`.

    python recipes/world_reader.py --out runs/world-reader     # trains it; goes on where it was stopped
    python recipes/world_reader.py --out runs/world-reader --ship src/huabi/shipped/world-reader
    python bench/world.py --read 1200                          # how far it agrees with the truth

Expected: see docs/world.md.
"""

from __future__ import annotations

from recipe import command

DATA = "world:n=50000,size=64,seed=1"
STEPS = 5600
SETTINGS = {"lr": 4e-3, "smoothing": 0.02, "shift": 0.05}

if __name__ == "__main__":
    command(__doc__, "world-reader", "classifier", DATA, steps=STEPS, settings=SETTINGS)
