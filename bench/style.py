"""Which way to stylise is how good, and how long does it take? The textbook first: 300 iterations of L-BFGS.

    OMP_NUM_THREADS=2 python bench/style.py [--size 256] [--method fast-style ...] [--sheet style.png] [--world 12]

Contents are scikit-learn's photographs (and scikit-image's, where it is installed) and scenes of the world; styles are
photographs by two brushes and scenes of the world. Every method gets the same pairs. `textbook` is Gatys et al. (2016):
one scale, the content's own colours at the start, Gram matrices, 300 iterations, with the features that are named.
Style, content and both combined are measured in features that no method was trained with, or takes by default.

With --world N it also takes N scenes whose truth is known, the same scene in the asked style: the error against it, and
how often `world-reader` reads the asked style.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from huabi import api
from huabi.choice import model_for
from huabi.classic.brush import painted
from huabi.classic.gatys import Objective, descend
from huabi.data.world.compose import draw_scene
from huabi.data.world.export import picture
from huabi.decoding import fit_picture
from huabi.metrics.restoration import psnr
from huabi.metrics.style import content_distance, held_out, stylisation
from huabi.pictures import grid, save_picture, to_image, to_tensor
from huabi.requests import Stylize
from huabi.style import Gram, seer_of, style_of

TEXTBOOK = 300  # iterations
WORLD_STYLES = ("ink", "oil", "crayon", "pixel")
Method = Callable[[Image.Image, Image.Image], Image.Image]


def photographs(size: int) -> Iterator[Image.Image]:
    from sklearn.datasets import load_sample_images

    for array in load_sample_images().images:
        yield fit_picture(Image.fromarray(array), (size, size))
    try:
        from skimage import data
    except ImportError:
        return
    for array in (data.astronaut(), data.coffee(), data.chelsea()):
        yield fit_picture(Image.fromarray(array), (size, size))


def scene(seed: int, size: int, style: str) -> Image.Image:
    return picture(draw_scene(seed), (size, size), style)


def textbook(features: str) -> Method:
    """One scale, from the content, as the paper has it."""
    seer = seer_of(features)

    def stylised(content: Image.Image, style: Image.Image) -> Image.Image:
        x, wanted = to_tensor(content)[None], style_of(seer, Gram(), to_tensor(style)[None])
        objective = Objective(seer, Gram(), x, [torch.ones(x.shape[-2:])], [wanted])
        *_, last = descend(objective, x, TEXTBOOK)
        return to_image(last[0])

    return stylised


def of_model(name: str) -> Method:
    """A run, or `gatys`, with what stands behind a colon: gatys:features=vgg19,statistic=sliced."""
    model_name, _, settings = name.partition(":")
    options = dict(part.split("=") for part in settings.split(",") if part)
    model = model_for(Stylize, model_name)

    def stylised(content: Image.Image, style: Image.Image) -> Image.Image:
        [found] = api.draw(model, [Stylize(image=content, styles=(style,), **options)])
        return found

    return stylised


def unit(image: Image.Image) -> Tensor:
    return to_tensor(image)[None]


def world_truth(method: Method, count: int, size: int) -> str:
    """Error against the same scene in the asked style, and the share whose style is read as asked."""
    reader, seer = api.load("world-reader"), held_out()
    errors, noises, read = [], [], 0
    for seed in range(count):
        style = WORLD_STYLES[seed % len(WORLD_STYLES)]
        found = method(scene(1000 + seed, size, "flat"), scene(2000 + seed, size, style))
        truth = scene(1000 + seed, size, style)
        errors.append(content_distance(seer, unit(found), unit(truth)))
        noises.append(psnr(unit(found), unit(truth))[0])
        small = unit(fit_picture(found, reader.spec.size))
        read += reader.read(small)[0].scene["style"] == style  # type: ignore[attr-defined]
    return f"{torch.stack(errors).mean():.3f} | {torch.stack(noises).mean():.1f} | {read / count:.0%}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--features", default="efficientnet-lite0", help="of the textbook's method")
    parser.add_argument("--method", nargs="*", default=["gatys", "gatys:statistic=sliced"])
    parser.add_argument("--pairs", type=int, default=6)
    parser.add_argument("--world", type=int, default=0)
    parser.add_argument("--sheet", type=Path)
    args = parser.parse_args()
    photos = list(photographs(args.size))
    contents = [*photos, *(scene(seed, args.size, "flat") for seed in (3, 5, 8))]
    styles = [*(painted(photos[1], brush) for brush in ("oil", "ink"))]
    styles += [scene(20 + k, args.size, style) for k, style in enumerate(WORLD_STYLES)]
    pairs = [(contents[k % len(contents)], styles[k % len(styles)]) for k in range(args.pairs)]
    methods = {f"textbook, {args.features}": textbook(args.features)} | {name: of_model(name) for name in args.method}
    columns = [[content for content, _ in pairs], [style for _, style in pairs]]
    seer = held_out()
    print(f"features of the measures: {seer.name}\n")
    more, lines = (" truth | PSNR | read |", "--:|--:|--:|") if args.world else ("", "")
    print(f"| method | style, sliced | style, Gram | content | combined | seconds |{more}")
    print(f"|---|--:|--:|--:|--:|--:|{lines}")
    for name, method in methods.items():
        start = time.perf_counter()
        made = [method(content, style) for content, style in pairs]
        seconds = (time.perf_counter() - start) / len(pairs)
        columns.append(made)
        triples = ((unit(content), unit(style), unit(x)) for (content, style), x in zip(pairs, made))
        scores = " | ".join(f"{score.value:.3f}" for score in stylisation(triples, seer))
        truth = f" {world_truth(method, args.world, args.size)} |" if args.world else ""
        print(f"| {name} | {scores} | {seconds:.1f} |{truth}", flush=True)
    if args.sheet:
        save_picture(grid([column[k] for k in range(len(pairs)) for column in columns], len(columns)), args.sheet, None)
        print(args.sheet)


if __name__ == "__main__":
    main()
