"""Which way to stylise is how good, and how long does it take? The textbook first: 300 iterations of L-BFGS.

    OMP_NUM_THREADS=2 python bench/style.py [--size 512] [--method fast-style ...] [--pairs 6] [--sheet style.png]
    OMP_NUM_THREADS=2 python bench/style.py --pairs 0 --size 64 --world 400 --method fast-style

Contents are scikit-learn's and scikit-image's photographs; styles are paintings of scenes by two brushes and scenes of
the world in four hands, of which the recipe of `fast-style` leaves one brush and two hands out. Every method gets the
same pairs. `textbook` is Gatys et al. (2016): one scale, the content's own colours at the start, Gram matrices, 300
iterations, with the features that are named; `gatys` is always there, and both are what others are held against.
Style, content and both combined are measured in features that no method here is trained with, unless --features says
vgg19: those of a network of random weights are drawn by another seed than the ones that `gatys` may take. The first
three rows are no methods: the content as it is, with the colours of the style, and the style itself.

With --world N each --method also draws N scenes whose truth is known, the same scene in the asked style, by the look of
another scene: the error against it, and what `world-reader` reads of style, things and colours, beside what it reads of
the truth, of the truth in the other scene's colours, and of what was given. The reader learnt from scenes of 64 pixels:
of larger ones, whose strokes are finer, it does not know every hand.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from skimage import data
from sklearn.datasets import load_sample_images
from torch import Tensor

from huabi import api
from huabi.choice import model_for
from huabi.classic.brush import painted
from huabi.classic.gatys import Objective, descend
from huabi.data.world.compose import draw_scene
from huabi.data.world.export import picture
from huabi.data.world.render import hidden
from huabi.data.world.truth import record
from huabi.decoding import fit_picture
from huabi.machine import processor
from huabi.metrics.reading import Agreement
from huabi.metrics.style import content_distance, held_out, stylisation
from huabi.model import Reads
from huabi.pictures import grid, save_picture, to_image, to_tensor
from huabi.requests import Stylize
from huabi.style import Gram, seer_of, style_of
from huabi.stylizing import recoloured

TEXTBOOK = 300  # iterations
WORLD_STYLES = ("ink", "oil", "crayon", "pixel")
Method = Callable[[Image.Image, Image.Image], Image.Image]


def photographs(size: int) -> list[Image.Image]:
    arrays = [*load_sample_images().images, *(getattr(data, name)() for name in ("astronaut", "coffee", "chelsea"))]
    return [fit_picture(Image.fromarray(array), (size, size)) for array in arrays]


def style_pictures(size: int) -> dict[str, Image.Image]:
    by_brush = {name: painted(scene(30 + k, size, "flat"), name) for k, name in enumerate(("oil", "watercolor"))}
    return {f"brush {name}": picture for name, picture in by_brush.items()} | {
        f"world {name}": scene(20 + k, size, name) for k, name in enumerate(WORLD_STYLES)
    }


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


def coloured(image: Image.Image, like: Image.Image) -> Image.Image:
    return to_image(recoloured(unit(image), unit(like))[0])


def unit(image: Image.Image) -> Tensor:
    return to_tensor(image)[None]


def world_truth(methods: dict[str, Method], count: int, size: int) -> None:
    """Prints the error against the same scene in the asked style, and what the reader reads of both."""
    reader, seer = api.load("world-reader"), held_out()
    assert isinstance(reader, Reads)
    sides = reader.spec.size
    print(f"\n{count} flat scenes of {size} pixels, as many in each hand; what is read of them, in %")
    print("| method | hand | error | style | things | colours |\n|---|---|--:|--:|--:|--:|")
    floors: dict[str, Method | None] = {"(the truth)": None, "(the truth, recoloured)": None, "(the content)": None}
    for name, method in {**floors, **methods}.items():
        errors: dict[str, list[Tensor]] = {hand: [] for hand in WORLD_STYLES}
        readings = {hand: Agreement(reader.spec.facts, sides) for hand in WORLD_STYLES}
        for seed in range(count):
            hand, what = WORLD_STYLES[seed % len(WORLD_STYLES)], draw_scene(1000 + seed)
            truth = picture(what, (size, size), hand)
            content, style = scene(1000 + seed, size, "flat"), scene(2000 + seed, size, hand)
            if method is not None:
                found = method(content, style)
            else:
                found = {"(the truth)": truth, "(the content)": content}.get(name) or coloured(truth, style)
            errors[hand].append(content_distance(seer, unit(found), unit(truth)))
            facts = np.frombuffer(record(what, hand, sides), np.uint8)
            readings[hand].add(facts, reader.read(unit(fit_picture(found, sides)))[0], hidden(what))
        for hand, reading in readings.items():
            shares = (reading.shares().get(key, float("nan")) for key in ("style", "kind", "colour"))
            figures = " | ".join(f"{100 * share:.0f}" for share in shares)
            print(f"| {name} | {hand} | {torch.stack(errors[hand]).mean():.3f} | {figures} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--features", default="efficientnet-lite0", help="of the textbook's method and of gatys")
    parser.add_argument("--method", nargs="*", default=[], help="runs, and gatys with settings, beside the first two")
    parser.add_argument("--pairs", type=int, default=6)
    parser.add_argument("--world", type=int, default=0)
    parser.add_argument("--sheet", type=Path)
    args = parser.parse_args()
    contents, styles = photographs(args.size), style_pictures(args.size)
    places = [(k % len(contents), k % len(styles)) for k in range(args.pairs)]  # 5 and 6: no two pairs are alike
    pairs = [(contents[content], list(styles.values())[style]) for content, style in places]
    ours = {name: of_model(name) for name in args.method}
    methods: dict[str, Method] = {f"textbook, {args.features}": textbook(args.features)}
    methods |= {"gatys": of_model(f"gatys:features={args.features}")} | ours
    floors: dict[str, Method] = {
        "(the content)": lambda content, style: content,
        "(its colours changed)": coloured,
        "(the style)": lambda content, style: style,
    }
    columns = [[content for content, _ in pairs], [style for _, style in pairs]]
    seer = held_out()
    if pairs:
        print(f"{len(pairs)} pairs of {args.size} pixels; measured in {seer.name}; {processor()}\n")
        print("| method | style, sliced | style, Gram | content | combined | of gatys's | seconds | times gatys |")
        print("|---|--:|--:|--:|--:|--:|--:|--:|")
    rows: dict[str, tuple[list[float], float]] = {}
    for name, method in {**floors, **methods}.items() if pairs else ():
        method(*(picture.resize((64, 64)) for picture in pairs[0]))  # what is set up once counts for nobody
        made, taken = [], []
        for pair in pairs:
            start = time.perf_counter()
            made.append(method(*pair))
            taken.append(time.perf_counter() - start)
        seconds = statistics.median(taken)
        triples = ((unit(content), unit(style), unit(x)) for (content, style), x in zip(pairs, made))
        rows[name] = [score.value for score in stylisation(triples, seer)], seconds
        if name in methods:
            columns.append(made)
    for name, (scores, seconds) in rows.items():
        known, slow = rows["gatys"]
        figures = " | ".join(f"{score:.3f}" for score in scores)
        ratio = "" if name in floors else f"{slow / seconds:.1f}"
        print(f"| {name} | {figures} | {scores[-1] / known[-1]:.2f} | {seconds:.3g} | {ratio} |")
    if args.world:
        world_truth(ours, args.world, args.size)
    if args.sheet:
        save_picture(grid([column[k] for k in range(len(pairs)) for column in columns], len(columns)), args.sheet, None)
        print(args.sheet)


if __name__ == "__main__":
    main()
