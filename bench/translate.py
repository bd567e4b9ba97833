"""Translators: how fast they learn beside the textbook's program, and whether the world's reader sees what they draw.

    python bench/translate.py --speed [pix2pix] [cyclegan] [--size 64] [--batch 8] [--seconds 30]
    python bench/translate.py --world [paired] [unpaired] [--minutes 20] [--n 20000] [--scenes 600] [--out DIR]

`--speed` trains the textbook's networks in turns in one process: by a plain program written as the textbook's,
in float32 and its own memory order, with its passes and its toggling of gradients; and by Huabi's trainer, with the
same layers, picture size, batch and optimizer. The last column is Huabi's default network in place of the textbook's.

`--world` trains pencil -> oil from pairs (pix2pix) and from unpaired scenes (cyclegan), then translates pencil drawings
of scenes that no training set holds, and asks the reader for style, objects and colours, in the translations and in the
true oil paintings of the same scenes. A run that was cut short goes on where it was, and a finished one is only read.
"""

from __future__ import annotations

import argparse
import itertools
import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torch.optim import Adam

import huabi
from huabi.config import configure
from huabi.cores import cores
from huabi.cost import example
from huabi.data.loader import to_unit
from huabi.data.world.compose import draw_scene
from huabi.data.world.render import hidden
from huabi.data.world.styles import draw as draw_world
from huabi.data.world.truth import record
from huabi.drawing import draw
from huabi.families import find
from huabi.machine import pick_device, pick_precision, pick_threads, processor
from huabi.metrics.reading import Agreement
from huabi.model import DataSpec, Reads
from huabi.nets.patchgan import halvings_for
from huabi.pictures import grid, save_picture
from huabi.plan import Plan
from huabi.ranks import Ranks
from huabi.requests import Translate
from huabi.trainer import Trainer
from world import CHUNK, UNSEEN

START = UNSEEN + (1 << 42)  # of the scenes that are translated
ROUNDS = 4  # turns that each program is timed in
READ = 50  # pictures that are read at once
KINDS = {"paired": ("pix2pix", "pairs"), "unpaired": ("cyclegan", "unpaired")}
LEARN = {"lr": 2e-4, "beta1": 0.5, "beta2": 0.999, "critic.lr": 2e-4, "critic.r1": 0.0}
TEXTBOOK: dict[str, dict[str, Any]] = {
    "pix2pix": LEARN | {"l1": 100.0, "net": "unet", "critic.loss": "nonsaturating"},
    "cyclegan": LEARN | {"cycle": 10.0, "net": "resnet", "critic.loss": "least-squares"},
}


def conv(
    inner: int, outer: int, kernel: int, stride: int, norm: type[nn.Module] | None, slope: float
) -> list[nn.Module]:
    layers: list[nn.Module] = [nn.Conv2d(inner, outer, kernel, stride, 1, bias=norm is None)]
    return [*layers, *([norm(outer)] if norm else []), nn.LeakyReLU(slope, True)]


class Skip(nn.Module):
    """One level of the U-Net, which holds those below (Isola et al. 2017)."""

    def __init__(self, outer: int, inner: int, below: nn.Module | None, given: int = 0, dropout: bool = False) -> None:
        super().__init__()
        down: list[nn.Module] = [nn.Conv2d(given or outer, inner, 4, 2, 1, bias=below is None or bool(given))]
        if not given:
            down.insert(0, nn.LeakyReLU(0.2))
        if below is not None and not given:
            down.append(nn.BatchNorm2d(inner))
        grow = nn.ConvTranspose2d(inner if below is None else 2 * inner, outer, 4, 2, 1, bias=bool(given))
        up: list[nn.Module] = [nn.ReLU(), grow, nn.Tanh() if given else nn.BatchNorm2d(outer)]
        self.body = nn.Sequential(*down, *([below] if below else []), *up, *([nn.Dropout(0.5)] if dropout else []))
        self.outermost = bool(given)

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x) if self.outermost else torch.cat([x, self.body(x)], 1)


def unet(size: int) -> nn.Module:
    times = next(n for n in range(1, 16) if size % 2 ** (n + 1))
    widths = [64 * min(2**i, 8) for i in range(times)]
    block: nn.Module | None = None
    for n in range(times - 1, 0, -1):
        block = Skip(widths[n - 1], widths[n], block, dropout=times - 1 - n < 3)
    return Skip(3, widths[0], block, given=3)


class Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        half = [nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3, bias=False), nn.InstanceNorm2d(width)]
        again = [nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3, bias=False), nn.InstanceNorm2d(width)]
        self.body = nn.Sequential(*half, nn.ReLU(True), *again)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


def resnet(size: int) -> nn.Module:
    layers: list[nn.Module] = [nn.ReflectionPad2d(3), nn.Conv2d(3, 64, 7, bias=False)]
    layers += [nn.InstanceNorm2d(64), nn.ReLU(True)]
    for width in (64, 128):
        layers += conv(width, 2 * width, 3, 2, nn.InstanceNorm2d, 0.0)
    layers += [Residual(256) for _ in range(9 if size >= 256 else 6)]
    for width in (128, 64):
        layers += [nn.ConvTranspose2d(2 * width, width, 3, 2, 1, 1, bias=False)]
        layers += [nn.InstanceNorm2d(width), nn.ReLU(True)]
    return nn.Sequential(*layers, nn.ReflectionPad2d(3), nn.Conv2d(64, 3, 7), nn.Tanh())


def patch_critic(channels: int, size: int) -> nn.Module:
    """Huabi's layers: as many, as wide, and without norms as well."""
    halvings = halvings_for((size, size))
    widths = [channels, *(64 * min(2**i, 8) for i in range(halvings + 1))]
    layers = [layer for a, b in itertools.pairwise(widths[:-1]) for layer in conv(a, b, 4, 2, None, 0.2)]
    return nn.Sequential(*layers, *conv(widths[-2], widths[-1], 3, 1, None, 0.2), nn.Conv2d(widths[-1], 1, 3, 1, 1))


def judged(scores: Tensor, real: bool, loss: str) -> Tensor:
    target = torch.ones_like(scores) if real else torch.zeros_like(scores)
    return F.mse_loss(scores, target) if loss == "least-squares" else F.binary_cross_entropy_with_logits(scores, target)


def learning(*nets: nn.Module) -> Adam:
    return Adam(itertools.chain(*(net.parameters() for net in nets)), 2e-4, (0.5, 0.999))


def toggle(nets: list[nn.Module], learn: bool) -> None:
    for parameter in itertools.chain(*(net.parameters() for net in nets)):
        parameter.requires_grad = learn


def textbook_pix2pix(size: int) -> Callable[[Tensor, Tensor], None]:
    """Isola et al. (2017), a step of the published program."""
    generator, critic = unet(size), patch_critic(6, size)
    of_generator, of_critic = learning(generator), learning(critic)

    def step(source: Tensor, target: Tensor) -> None:
        fake = generator(source)
        toggle([critic], True)
        of_critic.zero_grad()
        wrong = judged(critic(torch.cat([source, fake.detach()], 1)), False, "vanilla")
        right = judged(critic(torch.cat([source, target], 1)), True, "vanilla")
        ((wrong + right) * 0.5).backward()
        of_critic.step()
        toggle([critic], False)
        of_generator.zero_grad()
        believed = judged(critic(torch.cat([source, fake], 1)), True, "vanilla")
        (believed + 100 * F.l1_loss(fake, target)).backward()
        of_generator.step()

    return step


def textbook_cyclegan(size: int) -> Callable[[Tensor, Tensor], None]:
    """Zhu et al. (2017), a step of the published program, history pools included."""
    to_b, to_a, critic_a, critic_b = resnet(size), resnet(size), patch_critic(3, size), patch_critic(3, size)
    of_generators, of_critics = learning(to_a, to_b), learning(critic_a, critic_b)
    pools: dict[str, list[Tensor]] = {"a": [], "b": []}

    def pooled(fakes: Tensor, pool: list[Tensor]) -> Tensor:
        given = []
        for fake in fakes.detach():
            if len(pool) < 50:
                pool.append(fake)
            elif random.random() < 0.5:
                slot = random.randrange(50)
                pool[slot], fake = fake, pool[slot]
            given.append(fake)
        return torch.stack(given)

    def step(a: Tensor, b: Tensor) -> None:
        loss = "least-squares"
        fake_b, fake_a = to_b(a), to_a(b)
        back_a, back_b = to_a(fake_b), to_b(fake_a)
        toggle([critic_a, critic_b], False)
        of_generators.zero_grad()
        same = F.l1_loss(to_b(b), b) + F.l1_loss(to_a(a), a)
        cycle = F.l1_loss(back_a, a) + F.l1_loss(back_b, b)
        contest = judged(critic_b(fake_b), True, loss) + judged(critic_a(fake_a), True, loss)
        (contest + 10 * cycle + 5 * same).backward()
        of_generators.step()
        toggle([critic_a, critic_b], True)
        of_critics.zero_grad()
        for critic, real, fake, key in ((critic_a, a, fake_a, "a"), (critic_b, b, fake_b, "b")):
            wrong = judged(critic(pooled(fake, pools[key])), False, loss)
            ((judged(critic(real), True, loss) + wrong) * 0.5).backward()
        of_critics.step()

    return step


PROGRAMS = {"pix2pix": textbook_pix2pix, "cyclegan": textbook_cyclegan}


def trained(name: str, size: int, settings: dict[str, Any], batch: int) -> Iterator[object]:
    """Steps of Huabi's trainer, on noise."""
    kind, pairing = find(name), "paired" if name == "pix2pix" else "unpaired"
    spec = DataSpec((size, size), 3, pairing=pairing, count=1000)  # type: ignore[arg-type]
    torch.manual_seed(0)
    family = kind(configure(kind.Config(), settings | {"batch": batch}), spec)
    family.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    precision = pick_precision(pick_device("cpu"))
    trainer = Trainer(family, Plan.of_steps(1 << 30), precision=precision, ranks=Ranks.alone())
    return trainer.run(itertools.repeat(example(spec, batch)))


def rate(step: Callable[[], object], seconds: float) -> float:
    """Steps a second."""
    step()
    count, begun = 0, time.perf_counter()
    while (gone := time.perf_counter() - begun) < seconds:
        step()
        count += 1
    return count / gone


def speed(names: list[str], size: int, batch: int, seconds: float) -> None:
    print(f"{processor()}, {pick_threads()} threads, {size}x{size}, batch {batch}: steps a second")
    print("| | textbook | Huabi, the same layers | ratio | Huabi's own network | ratio |\n|---|--:|--:|--:|--:|--:|")
    for name in names:
        torch.manual_seed(0)
        step, pictures = PROGRAMS[name](size), torch.rand(2, batch, 3, size, size) * 2 - 1
        same, own = (trained(name, size, settings, batch) for settings in (TEXTBOOK[name], {}))
        programs = {"plain": lambda: step(*pictures), "same": lambda: next(same), "own": lambda: next(own)}  # type: ignore[call-overload] # noqa: B023
        found: dict[str, list[float]] = {key: [] for key in programs}
        for _ in range(ROUNDS):  # in turns: what else the machine does falls on all alike
            for key, one in programs.items():
                found[key].append(rate(one, seconds / ROUNDS))
        plain, huabi_same, huabi_own = (float(np.median(found[key])) for key in programs)
        ratios = f"{huabi_same:.2f} | {huabi_same / plain:.2f} | {huabi_own:.2f} | {huabi_own / plain:.2f}"
        print(f"| {name} | {plain:.2f} | {ratios} |", flush=True)


Unseen = tuple[np.ndarray, np.ndarray, np.ndarray, list[float]]


def unseen(size: tuple[int, int], start: int, count: int) -> list[Unseen]:
    """Pencil drawing, oil painting, record and hidden shares of scenes that no training set holds."""
    found = []
    for seed in range(start, start + count):
        scene = draw_scene(seed)
        facts = np.frombuffer(record(scene, "oil", size), np.uint8)
        found.append((draw_world(scene, size, "pencil"), draw_world(scene, size, "oil"), facts, hidden(scene)))
    return found


def world(kinds: list[str], minutes: float, n: int, scenes: int, out: Path, settings: dict[str, str]) -> None:
    reader = huabi.load("world-reader")
    assert isinstance(reader, Reads)
    size = reader.spec.size
    with ProcessPoolExecutor(cores()) as pool:
        parts = pool.map(unseen, repeat(size), range(START, START + scenes, CHUNK), repeat(CHUNK))
        known = [one for part in parts for one in part][:scenes]
    sources, targets, records, covered = zip(*known)
    made: dict[str, list[np.ndarray]] = {"the pencil drawings": list(sources)}
    for kind in kinds:
        family, word = KINDS[kind]
        how = {"budget": minutes * 60, "resume": True, "settings": settings}
        model = huabi.train(family, f"world:{word}=pencil-oil,n={n}", out / kind, size=size[0], **how)
        requests = [Translate(image=picture) for picture in sources]
        drawn = {place: np.asarray(picture) for place, picture, _ in draw(model, requests)}
        made[f"{kind}, {minutes:g} min"] = pictures = [drawn[place] for place in range(len(requests))]
        shown = [Image.fromarray(row[k]) for k in range(0, 40, 4) for row in (sources, pictures, targets)]
        save_picture(grid(shown, 6), out / f"{kind}.png")
    made["the true oil paintings"] = list(targets)
    print(f"{scenes} unseen scenes, pencil -> oil, {n:,} training pictures of {size[0]} pixels, {processor()}")
    print("| read rightly, % | style | objects | colours |\n|---|--:|--:|--:|")
    for name, pictures in made.items():
        agreement = Agreement(reader.spec.facts, size)
        for start in range(0, scenes, READ):
            readings = reader.read(to_unit(np.stack(pictures[start : start + READ])))
            for facts, reading, shares in zip(records[start:], readings, covered[start:]):
                agreement.add(facts, reading, shares)
        shares = agreement.shares()
        print(f"| {name} | " + " | ".join(f"{100 * shares[key]:.1f}" for key in ("style", "kind", "colour")) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--speed", nargs="*", choices=list(PROGRAMS), metavar="FAMILY")
    parser.add_argument("--world", nargs="*", choices=list(KINDS), metavar="KIND")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=30.0, help="for each program")
    parser.add_argument("--minutes", type=float, default=20.0, help="of training")
    parser.add_argument("--n", type=int, default=20_000, help="training pictures")
    parser.add_argument("--scenes", type=int, default=600, help="that are read")
    parser.add_argument("--set", action="append", default=[], help="a setting of the family")
    parser.add_argument("--out", type=Path, default=Path("runs/translate"))
    args = parser.parse_args()
    if args.speed is not None:
        torch.set_num_threads(pick_threads())
        speed(args.speed or list(PROGRAMS), args.size, args.batch, args.seconds)
    if args.world is not None:
        settings = dict(item.split("=", 1) for item in args.set)
        world(args.world or list(KINDS), args.minutes, args.n, args.scenes, args.out, settings)


if __name__ == "__main__":
    main()
