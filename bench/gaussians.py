"""Which modes does a GAN keep? The 5x5 grid of Gaussians (Metz et al. 2017, section 3.1), one cure at a time.

    python bench/gaussians.py [--only r1] [--out runs/cures/gaussians]
    python bench/gaussians.py --table runs/cures/gaussians
    python bench/gaussians.py --sheet runs/cures/gaussians

Two small networks play the game of `huabi.adversarial`, without Huabi's trainer, in fp32. The seeds of a case are
trained side by side, as layers of one stack that share nothing. A finished case is not trained again.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw
from torch import Tensor, nn

from huabi.adversarial import critic_loss, generator_loss, gradient_penalty, lipschitz_penalty
from huabi.pictures import grid, save_picture
from results import append

SIDE, SPACING, SIGMA = 5, 2.0, 0.05
SCALE = SPACING * math.sqrt((SIDE**2 - 1) / 12)  # the data's standard deviation on each axis, but for sigma
SAMPLES, DUE = 2500, 20  # a mode is covered by this many samples within three sigma; an even generator has 100
WIDTH, HIDDEN, BATCH, STEPS = 64, 3, 256, 8000
GROUP = 64  # points whose deviation a critic sees
OCTAVES = 5  # of sines and cosines of coordinates
SEEN = 2 + 4 * OCTAVES  # numbers that both networks see of a point

Record = dict[str, Any]


@dataclass(frozen=True)
class Settings:
    """One way of training; the defaults are the textbook's, DCGAN's (Radford et al. 2016)."""

    loss: str = "nonsaturating"
    r1: float = 0.0  # gamma of the gradient penalty on real points
    r2: float = 0.0  # the same on drawn ones
    lipschitz: float = 0.0  # weight of the gradient penalty between them
    lr: float = 2e-4  # of the generator (Adam)
    critic_lr: float = 2e-4
    critic_steps: int = 1  # turns of the critic for each of the generator's
    beta1: float = 0.5
    beta2: float = 0.999
    decay: bool = False  # whether both learning rates fall to nothing, over the last half
    ema: float = 0.0  # length of the generator's weight average, as a share of the steps so far
    deviation: bool = False  # whether the critic sees the deviation of points (Karras et al. 2018, section 3)
    spectral: bool = False  # whether the critic's weights have spectral norm 1 (Miyato et al. 2018)
    plain: bool = False  # whether both networks are plain perceptrons, which see no waves and add nothing to z


TEXTBOOK = Settings()
OURS = Settings("relativistic", r1=0.01, r2=0.01, lr=4e-3, critic_lr=4e-3, beta1=0.0, beta2=0.99, decay=True, ema=0.05)


def cases() -> dict[str, Settings]:
    """The textbook's settings, each cure added to them alone, ours without each of its parts, and ours."""
    added: dict[str, Mapping[str, Any]] = {
        "least squares": {"loss": "least-squares"},
        "hinge": {"loss": "hinge"},
        "wgan-gp": {"loss": "wgan-gp", "lipschitz": 10.0, "critic_steps": 5, "beta1": 0.0, "beta2": 0.9},
        "relativistic": {"loss": "relativistic"},
        "R1": {"r1": OURS.r1},
        "R1 and R2": {"r1": OURS.r1, "r2": OURS.r2},
        "two time scales": {"critic_lr": 4 * TEXTBOOK.critic_lr},
        "averaging": {"ema": OURS.ema},
        "batch deviation": {"deviation": True},
        "spectral norm": {"spectral": True},
        "our learning rate": {"lr": OURS.lr, "critic_lr": OURS.critic_lr},
    }
    taken: dict[str, Mapping[str, Any]] = {
        "relativistic": {"loss": TEXTBOOK.loss},
        "R2": {"r2": 0.0},
        "R1 and R2": {"r1": 0.0, "r2": 0.0},
        "decay": {"decay": False},
        "averaging": {"ema": 0.0},
        "our networks": {"plain": True},
    }
    return {
        "textbook on plain networks": replace(TEXTBOOK, plain=True),
        "textbook": TEXTBOOK,
        **{f"textbook with {name}": replace(TEXTBOOK, **change) for name, change in added.items()},
        **{f"ours without {name}": replace(OURS, **change) for name, change in taken.items()},
        "ours": OURS,
    }


class Coverage(NamedTuple):
    """What samples are worth."""

    modes: int  # covered
    near: float  # share of samples within three sigma of a mode; 0.989 is perfect
    uneven: float  # KL of the modes' shares of these samples from even ones, in nats


def centres() -> Tensor:
    """The modes (25, 2)."""
    line = (torch.arange(SIDE) - (SIDE - 1) / 2) * SPACING
    return torch.cartesian_prod(line, line)


def points(n: int, rng: torch.Generator) -> Tensor:
    """Points of the grid of Gaussians (n, 2)."""
    mode = torch.randint(SIDE**2, (n,), generator=rng)
    return centres()[mode] + SIGMA * torch.randn(n, 2, generator=rng)


def coverage(samples: Tensor) -> Coverage:
    """The measures of samples (n, 2); those that are not finite are near no mode."""
    distance, mode = torch.cdist(samples.nan_to_num(math.inf), centres()).min(1)
    near = distance < 3 * SIGMA
    count = torch.bincount(mode[near], minlength=SIDE**2)
    share = count.double() / count.sum().clamp(min=1)
    covered = int((count * SAMPLES >= DUE * len(samples)).sum())
    return Coverage(covered, float(near.double().mean()), float(torch.xlogy(share, share * SIDE**2).sum()))


class Linear(nn.Module):
    """One linear layer for each seed, from (S, B, inputs) to (S, B, outputs)."""

    def __init__(
        self, inputs: int, outputs: int, rngs: Sequence[torch.Generator], spectral: bool = False, scale: float = 1.0
    ) -> None:
        super().__init__()
        weights = torch.stack([torch.randn(inputs, outputs, generator=rng) for rng in rngs])
        self.weight = nn.Parameter(scale * math.sqrt(2 / inputs) * weights)  # He et al. 2015
        self.bias = nn.Parameter(torch.zeros(len(rngs), 1, outputs))
        self.spectral = spectral
        self.register_buffer("u", F.normalize(torch.ones(len(rngs), outputs, 1), dim=1))

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight / self.norm() if self.spectral else self.weight
        return torch.baddbmm(self.bias, x, weight)

    def norm(self) -> Tensor:
        """The weights' spectral norm (S, 1, 1), by a step of the power iteration (Miyato et al. 2018, algorithm 1)."""
        with torch.no_grad():
            v = F.normalize(self.weight @ self.u, dim=1)
            self.u = F.normalize(self.weight.mT @ v, dim=1)
        norm: Tensor = v.mT @ self.weight @ self.u
        return norm


def waves(x: Tensor) -> Tensor:
    """Places (S, B, 2) as both networks see them (S, B, SEEN): with their sines (Tancik et al. 2020)."""
    angles = (x[..., None, :] * 2.0 ** torch.arange(OCTAVES)[:, None]).flatten(2)
    return torch.cat([x, angles.sin(), angles.cos()], 2)


class Generator(nn.Sequential):
    """Points z + f(z) (S, B, 2) of noise z (S, B, 2): with a small f they begin spread over the whole grid."""

    def __init__(self, rngs: Sequence[torch.Generator], plain: bool) -> None:
        layers: list[nn.Module] = [Linear(2 if plain else SEEN, WIDTH, rngs), nn.LeakyReLU(0.2)]
        for _ in range(HIDDEN - 1):
            layers += [Linear(WIDTH, WIDTH, rngs), nn.LeakyReLU(0.2)]
        super().__init__(*layers, Linear(WIDTH, 2, rngs, scale=1.0 if plain else 0.1))
        self.plain = plain

    def forward(self, z: Tensor) -> Tensor:
        points: Tensor = super().forward(z) if self.plain else z + super().forward(waves(z))
        return points


class Critic(nn.Module):
    """Scores (S, B) of points (S, B, 2)."""

    def __init__(self, rngs: Sequence[torch.Generator], settings: Settings) -> None:
        super().__init__()
        spectral, self.deviation, self.plain = settings.spectral, settings.deviation, settings.plain
        self.body = nn.Sequential(Linear(2 if self.plain else SEEN, WIDTH, rngs, spectral), nn.LeakyReLU(0.2))
        for _ in range(HIDDEN - 2):
            self.body.extend([Linear(WIDTH, WIDTH, rngs, spectral), nn.LeakyReLU(0.2)])
        first = Linear(WIDTH + self.deviation, WIDTH, rngs, spectral)
        self.head = nn.Sequential(first, nn.LeakyReLU(0.2), Linear(WIDTH, 1, rngs, spectral))

    def forward(self, x: Tensor) -> Tensor:
        features = self.body(x if self.plain else waves(x))
        if self.deviation:
            groups = features.unflatten(1, (-1, GROUP))
            spread = groups.var(2).add(1e-8).sqrt().mean(2).repeat_interleave(GROUP, 1)
            features = torch.cat([features, spread[..., None]], 2)
        return self.head(features)[..., 0]


class Game:
    """Both networks of all seeds, and what trains them; points are in units of the data's deviation."""

    def __init__(self, settings: Settings, seeds: Sequence[int], steps: int = STEPS) -> None:
        self.settings, self.steps, self.step = settings, steps, 0
        self.rngs = [torch.Generator().manual_seed(seed) for seed in seeds]
        self.generator, self.critic = Generator(self.rngs, settings.plain), Critic(self.rngs, settings)
        self.average = copy.deepcopy(self.generator).requires_grad_(False)
        rates, betas = (settings.lr, settings.critic_lr), (settings.beta1, settings.beta2)
        nets = (self.generator, self.critic)
        self.optimizers = [torch.optim.Adam(net.parameters(), lr, betas, fused=True) for net, lr in zip(nets, rates)]
        flat = [torch.optim.lr_scheduler.LambdaLR(optimizer, self.rate) for optimizer in self.optimizers]
        self.schedules = flat if settings.decay else []

    def rate(self, step: int) -> float:
        """The learning rates' factor: 1, then linear to nothing over the last half."""
        return min(1.0, 2 * (1 - step / self.steps))

    def real(self) -> Tensor:
        return torch.stack([points(BATCH, rng) for rng in self.rngs]) / SCALE

    def noise(self, n: int) -> Tensor:
        return torch.stack([torch.randn(n, 2, generator=rng) for rng in self.rngs])

    def play(self) -> None:
        """The critic's turns, then the generator's."""
        generator, critic = self.optimizers
        for _ in range(self.settings.critic_steps):
            critic.zero_grad()
            self.critic_loss().backward()
            critic.step()
        generator.zero_grad()
        self.generator_loss().backward(inputs=list(self.generator.parameters()))
        generator.step()
        for schedule in self.schedules:
            schedule.step()
        self.step += 1
        for mean, weight in zip(self.average.parameters(), self.generator.parameters()):
            mean.lerp_(weight.detach(), 1 / (1 + self.settings.ema * self.step))

    def generator_loss(self) -> Tensor:
        with torch.no_grad():
            real = self.critic(self.real())
        return generator_loss(self.settings.loss, self.critic(self.generator(self.noise(BATCH))), real)

    def critic_loss(self) -> Tensor:
        settings, seeds = self.settings, len(self.rngs)
        with torch.no_grad():
            halves = self.real(), self.generator(self.noise(BATCH))  # (S, B, 2) each
        x = torch.cat(halves, 1).flatten(0, 1).requires_grad_()
        scores = self.critic(x.unflatten(0, (seeds, -1)))  # (S, 2 B)
        loss = critic_loss(settings.loss, *scores.chunk(2, 1))
        if settings.r1 or settings.r2:
            real, fake = gradient_penalty(scores, x).view_as(scores).chunk(2, 1)
            loss = loss + (settings.r1 * real.mean() + settings.r2 * fake.mean()) / 2
        if settings.lipschitz:
            u = torch.cat([torch.rand(BATCH, generator=rng) for rng in self.rngs])
            real, fake = (half.flatten(0, 1) for half in halves)
            slope = lipschitz_penalty(lambda x: self.critic(x.unflatten(0, (seeds, -1))), real, fake, u)
            loss = loss + settings.lipschitz * slope.mean()
        return loss

    @torch.no_grad()
    def samples(self) -> Tensor:
        """`SAMPLES` points of each seed (S, n, 2), drawn by the averaged generator: the last one, where ema is 0."""
        return SCALE * self.average(self.noise(SAMPLES))


def run(name: str, settings: Settings, seeds: Sequence[int], steps: int = STEPS) -> tuple[list[Record], Tensor]:
    """Trains a case with all seeds; a record of each, and its samples (S, n, 2)."""
    game, start = Game(settings, seeds, steps), time.process_time()
    for _ in range(steps):
        game.play()
    return graded(name, game, seeds, time.process_time() - start)


def graded(name: str, game: Game, seeds: Sequence[int], seconds: float) -> tuple[list[Record], Tensor]:
    """The records and samples of a game that took so many seconds for all of its seeds."""
    samples, records = game.samples(), []
    for seed, mine in zip(seeds, samples):
        far = torch.cdist(mine.nan_to_num(math.inf), centres()).amin(1) > SPACING
        record = {"case": name, "seed": seed, **coverage(mine)._asdict(), "diverged": bool(far.double().mean() > 0.5)}
        records.append(record | {"steps": game.step, "seconds": round(seconds / len(seeds), 1)})
    return records, samples


def panel(samples: np.ndarray, title: str, side: int = 160) -> Image.Image:
    """Samples (n, 2) as dots, under their title."""
    picture = Image.new("L", (side, side + 14), "white")
    edge = SPACING * (SIDE + 1) / 2
    inside = samples[(np.abs(samples) < edge).all(1)]
    columns, rows = ((inside / edge + 1) / 2 * side).astype(int).T
    for column, row in zip(columns, rows):
        picture.putpixel((int(column), int(row) + 14), 0)
    ImageDraw.Draw(picture).text((0, 0), title, "black")
    return picture


def records(out: Path) -> list[Record]:
    path = out / "results.jsonl"
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


def table(out: Path) -> str:
    """Markdown: a row for each case; each seed's modes, and means of the rest."""
    heads = ["settings", "modes of 25, each seed", "within three sigma", "uneven", "diverged", "CPU s a seed"]
    lines = ["| " + " | ".join(heads) + " |", "|---" + "|--:" * (len(heads) - 1) + "|"]
    for name in cases():
        runs = [record for record in records(out) if record["case"] == name]
        if runs:
            near, seconds = ([r[key] for r in runs] for key in ("near", "seconds"))
            cells = [name, ", ".join(str(r["modes"]) for r in runs)]
            cells += [f"{statistics.fmean(near):.1%} ({min(near):.1%} to {max(near):.1%})"]
            cells += [f"{statistics.fmean(r['uneven'] for r in runs):.3f}"]
            cells += [f"{sum(r['diverged'] for r in runs)} of {len(runs)}", f"{statistics.fmean(seconds):.0f}"]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def sheet(out: Path) -> Path:
    """Writes a picture with the first seed's samples of each case."""
    found = [(name, out / f"{slug(name)}.npy") for name in cases()]
    save_picture(grid([panel(np.load(path)[0], name) for name, path in found if path.exists()], 6), out / "sheet.png")
    return out / "sheet.png"


def slug(name: str) -> str:
    return name.replace(" ", "-").lower()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="cases whose name holds this")
    parser.add_argument("--out", type=Path, default=Path("runs/cures/gaussians"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--table", type=Path, metavar="DIR", help="only the table of what lies in this folder")
    parser.add_argument("--sheet", type=Path, metavar="DIR", help="only the picture of what lies in this folder")
    args = parser.parse_args()
    if args.sheet:
        print(sheet(args.sheet))
        return
    if not args.table:
        torch.set_num_threads(args.threads)
        args.out.mkdir(parents=True, exist_ok=True)
        done = {record["case"] for record in records(args.out)}
        for name, settings in cases().items():
            if args.only in name and name not in done:
                print(name, flush=True)
                found, samples = run(name, settings, range(args.seeds))
                np.save(args.out / f"{slug(name)}.npy", samples.numpy())
                for record in found:
                    append(record, args.out / "results.jsonl")
    print(table(args.table or args.out))


if __name__ == "__main__":
    main()
