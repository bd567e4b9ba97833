"""The text-to-image model that comes with Huabi: `huabi imagine "a red pagoda under a yellow moon, ink wash, calm"`.

    python recipes/world_autoencoder.py --out runs/world-autoencoder    # first what its pictures are drawn in
    python recipes/world_imagine.py --out runs/world-imagine            # trains it; goes on where it was stopped
    python recipes/world_imagine.py --out runs/world-imagine --ship src/huabi/shipped/world-imagine
    python bench/imagine.py world-imagine                               # how much of what is said it draws

The pictures take two cores a quarter of an hour before. Combinations that `WITHOUT` names are in none of them. Expected
figures: see docs/text_to_image.md.
"""

from __future__ import annotations

from recipe import command

WITHOUT = "green-cat+pagoda-pixel+blue-house+horse-crayon"
DATA = f"world:n=40000,size=64,seed=2,language=both,captions=4,prompts=4,without={WITHOUT}"

if __name__ == "__main__":
    small = {"net.attention": 1, "plan.width": 160}  # all weights that ship are to be small
    settings = {**small, "steps": 10, "plan.share": 0.33, "shortcut.share": 0.125, "shortcut.start": 0.6}
    known = {"size": 64, "save_every": 400, "settings": settings, "stands_on": ("autoencoder",)}
    command(__doc__, "world-imagine", "text_to_image", DATA, minutes=135, **known)
