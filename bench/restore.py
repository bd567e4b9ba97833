"""How well noise is removed and how fast, beside DnCNN and NL-means; how well holes are filled, beside Telea's method.

    python bench/restore.py --set12 Set12 --run RUN [RUN ...]     # PSNR at three noise levels, and speed beside DnCNN
    python bench/restore.py --inpaint RUN [RUN ...] --n 400       # KD of filled holes in world scenes never seen
    python bench/restore.py --photos RUN [RUN ...]                # photographs with noise, JPEG's blocks, fewer pixels
    python bench/restore.py --large RUN                           # seconds and memory for one of 1024x1024

NL-means is scikit-image's and Telea's method OpenCV's: `pip install 'huabi[classic,telea]'`.
"""

from __future__ import annotations

import argparse
import io
import itertools
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import skimage.data
import torch
from PIL import Image
from skimage.restoration import denoise_nl_means
from sklearn.datasets import load_sample_image
from torch import Tensor

import huabi
from huabi import classic
from huabi.config import configure
from huabi.cores import cores
from huabi.damage import holes
from huabi.data.loader import to_unit
from huabi.data.world.compose import draw_scene
from huabi.data.world.scene import STYLES
from huabi.data.world.styles import draw
from huabi.families.restorer import Restorer
from huabi.machine import processor
from huabi.metrics.features import embed, features
from huabi.metrics.kernel import kernel_estimate
from huabi.metrics.restoration import psnr
from huabi.model import DataSpec, Model
from huabi.pictures import open_picture, to_image, to_tensor
from huabi.requests import Edit, Restore
from huabi.rng import BatchRng, generator

SIGMAS = (15, 25, 50)
PUBLISHED = {  # mean PSNR on Set12 (Zhang et al. 2017, table III)
    "BM3D": (32.37, 29.97, 26.72),
    "WNNM": (32.70, 30.26, 27.05),
    "DnCNN-S": (32.86, 30.44, 27.18),
    "DnCNN-B, blind": (32.68, 30.36, 27.21),
}
UNSEEN = 1 << 63  # seeds of scenes from here on are in no data set
SIDE = 256  # pixels of the grey pictures whose rate is told
Way = Callable[[Tensor, int], Tensor]  # a noisy picture (C, H, W) and its sigma -> the picture without noise


def with_precision(model: Restorer, x: Tensor, task: str) -> Tensor:
    """Pictures (B, C, H, W) restored in the precision that the run was trained in."""
    precision = model.identity.precision if model.identity else "fp32"
    with torch.autocast(model.device.type, torch.bfloat16, enabled=precision == "bf16"):
        return model.restore(x.to(model.device), task).float().cpu()


def nl_means(noisy: Tensor, sigma: int) -> Tensor:
    """Told the sigma, which the blind ones are not."""
    known = {"sigma": sigma / 127.5, "h": 0.8 * sigma / 127.5, "patch_size": 5, "patch_distance": 6}
    return torch.from_numpy(denoise_nl_means(noisy[0].numpy(), **known))[None].float()


def denoising(folder: Path, runs: Sequence[str]) -> None:
    """Prints the PSNR of every way at every noise level: the same noise for all, not clipped, the result in 0..255."""
    pictures = [to_tensor(open_picture(path, 1)) for path in sorted(folder.iterdir())]
    models = {run: huabi.load(run, "cpu") for run in runs}
    ways: dict[str, Way] = {"the noisy picture": lambda noisy, sigma: noisy, "NL-means (scikit-image)": nl_means}
    for run, model in models.items():
        assert isinstance(model, Restorer)
        ways[Path(run).name] = lambda noisy, _, model=model: with_precision(model, noisy[None], "denoise")[0]
    levels = " | ".join(f"sigma {sigma}" for sigma in SIGMAS)
    print(f"| {len(pictures)} pictures of {folder.name} | {levels} |")
    print("|---|" + "--:|" * len(SIGMAS))
    for name, way in ways.items():
        row = []
        for sigma in SIGMAS:
            noise = [torch.randn(x.shape, generator=generator("bench", sigma, n)) for n, x in enumerate(pictures)]
            found = [way(x + eps * sigma / 127.5, sigma).clamp(-1, 1) for x, eps in zip(pictures, noise)]
            row.append(np.mean([psnr(y[None], x[None]).item() for x, y in zip(pictures, found)]))
        print(f"| {name} | " + " | ".join(f"{value:.2f}" for value in row) + " |", flush=True)
    for name, values in PUBLISHED.items():
        print(f"| {name}, published | " + " | ".join(f"{value:.2f}" for value in values) + " |")
    speed({Path(run).name: model for run, model in models.items() if isinstance(model, Restorer)})


def speed(models: dict[str, Restorer]) -> None:
    """Prints grey pictures a second, and how many times DnCNN's that is: medians of rounds in which all take turns."""
    paper = configure(Restorer.Config(), {"net": "dncnn"})
    nets = {"DnCNN of 20 layers": Restorer(paper, DataSpec((SIDE, SIDE), 1)).eval()} | models
    for net in nets.values():
        net.identity = next(iter(models.values())).identity
    x = torch.rand(1, 1, SIDE, SIDE, generator=generator("speed")) * 2 - 1
    seconds: dict[str, list[float]] = {name: [] for name in nets}
    for turn, (name, net) in itertools.product(range(8), nets.items()):
        start = time.perf_counter()
        with_precision(net, x, "denoise")
        if turn:  # the first one sets up kernels
            seconds[name].append(time.perf_counter() - start)
    slow = float(np.median(seconds["DnCNN of 20 layers"]))
    print(f"\n{processor()}, {torch.get_num_threads()} threads, {SIDE}x{SIDE} grey")
    print("| network | parameters | pictures/s | times DnCNN |\n|---|--:|--:|--:|")
    for name, net in nets.items():
        middle = float(np.median(seconds[name]))
        parameters = sum(p.numel() for p in net.net.parameters())
        print(f"| {name} | {parameters:,} | {1 / middle:.1f} | {slow / middle:.1f} |")


def filler(model: Model) -> Callable[[Tensor, Tensor, int], Tensor]:
    """Fills a hole (1, H, W) of a picture (C, H, W), by whichever request the model answers."""

    def fill(x: Tensor, hole: Tensor, seed: int) -> Tensor:
        given = {"image": to_image(x.masked_fill(hole, 0)), "mask": hole[0].byte().numpy() * 255}
        request = Restore(task="inpaint", **given) if Restore in model.requests else Edit(seed=seed, **given)
        [picture] = huabi.draw(model, [request])
        return to_tensor(picture)

    return fill


def inpainting(runs: Sequence[str], count: int, size: int) -> None:
    """Prints the kernel distance between filled pictures and other real ones, and the PSNR within the holes."""
    scenes = [
        to_unit(draw(draw_scene(UNSEEN + n), (size, size), STYLES[n % len(STYLES)])[None])[0] for n in range(2 * count)
    ]
    whole = torch.stack(scenes[:count])
    missing = holes(whole, BatchRng(0, 0, count))
    net = features("efficientnet-lite0")
    reference = torch.cat(list(embed(net, scenes[count:])))
    ways = {"nothing missing": lambda x, hole, seed: x, "left grey": lambda x, hole, seed: x.masked_fill(hole, 0)}
    ways |= {"Telea (OpenCV)": filler(classic.model("telea"))}
    ways |= {Path(run).name: filler(huabi.load(run)) for run in runs}
    print(f"{count} unseen scenes of {size}x{size}, {missing.float().mean():.0%} missing; KD x1000 in {net.name}")
    print("| filled by | KD | PSNR in the hole | pictures/s |\n|---|--:|--:|--:|")
    for name, fill in ways.items():
        start = time.perf_counter()
        filled = torch.stack([fill(x, hole, n) for n, (x, hole) in enumerate(zip(whole, missing))])
        rate = count / (time.perf_counter() - start)
        found = kernel_estimate(torch.cat(list(embed(net, filled))), reference)
        error = ((filled - whole).square() * missing).sum((1, 2, 3)) / (whole.shape[1] * missing.sum((1, 2, 3)))
        level = 10 * (4 / error.clamp(min=1e-9)).log10().mean().item()
        shown = "" if name == "nothing missing" else f"{level:.2f}"
        print(f"| {name} | {found.value:.2f} ± {found.error:.2f} | {shown} | {rate:.1f} |", flush=True)


def photographs() -> dict[str, Image.Image]:
    """Those that scikit-image and scikit-learn bring; their sides are even."""
    found = {name: getattr(skimage.data, name)() for name in ("astronaut", "chelsea", "coffee")}
    found |= {name: load_sample_image(f"{name}.jpg") for name in ("china", "flower")}
    return {name: Image.fromarray(x[: len(x) // 2 * 2, : x.shape[1] // 2 * 2]) for name, x in found.items()}


def noisy(picture: Image.Image, sigma: int) -> Image.Image:
    x = to_tensor(picture)
    return to_image(x + torch.randn(x.shape, generator=generator("photo", sigma)) * sigma / 127.5)


def saved(picture: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


def on_photographs(runs: Sequence[str]) -> None:
    """Prints the PSNR of what each run is for, in 8 bits, beside what needs no training and the damaged picture."""
    pictures = photographs()
    damages: dict[str, tuple[str, tuple[int, ...], Callable[[Image.Image, int], Image.Image]]] = {
        "denoise": ("sigma", (15, 25, 50), noisy),
        "dejpeg": ("quality", (10, 20, 40), saved),
        "upscale": ("times", (2,), lambda picture, scale: picture.resize([side // scale for side in picture.size], 3)),
    }
    print(f"{', '.join(pictures)}: mean PSNR in dB")
    print("| damage | by | damaged | best without training | run |\n|---|---|--:|--:|--:|")
    for run in runs:
        model = huabi.load(run, "cpu")
        assert isinstance(model, Restorer)
        for task in model.config.task:
            ways = [method for name in classic.METHODS if task in (method := classic.model(name)).tasks]  # type: ignore[attr-defined]
            name, levels, damage = damages[task]
            for level in levels:
                damaged = {picture: damage(whole, level) for picture, whole in pictures.items()}
                asked = [Restore(image=picture, task=task) for picture in damaged.values()]  # type: ignore[arg-type]
                made = [zip(huabi.draw(way, asked), pictures.values()) for way in (*ways, model)]
                means = [float(np.mean([score(x, whole) for x, whole in row])) for row in made]
                plain = np.mean([score(x, pictures[key]) for key, x in damaged.items()]) if task != "upscale" else None
                best = max(range(len(ways)), key=means.__getitem__)
                shown = "" if plain is None else f"{plain:.2f}"
                method = f"{means[best]:.2f} ({ways[best].name})"  # type: ignore[attr-defined]
                print(f"| {task} | {name} {level} | {shown} | {method} | {means[-1]:.2f} |", flush=True)


def score(made: Image.Image, whole: Image.Image) -> float:
    return psnr(to_tensor(made)[None], to_tensor(whole)[None]).item()


def on_a_large_one(run: str) -> None:
    """Prints the seconds and the memory of the whole command for a photograph of 1024x1024."""
    with tempfile.TemporaryDirectory() as folder:
        given = Path(folder, "photo.png")
        noisy(photographs()["astronaut"].resize((1024, 1024)), 25).save(given)
        words = [sys.executable, "-m", "huabi", "restore", str(given), "--task", "denoise", "--method", run]
        start = time.perf_counter()
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - start
    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10
    print(f"{processor()}, {cores()} cores: {seconds:.1f} s from start to file, at most {most} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set12", type=Path, metavar="FOLDER", help="the twelve grey test pictures")
    parser.add_argument("--run", nargs="+", default=[], help="restorers that learnt to denoise")
    parser.add_argument("--inpaint", nargs="+", metavar="RUN", help="what fills holes: restorer or diffusion")
    parser.add_argument("--photos", nargs="+", metavar="RUN", help="restorers, on photographs")
    parser.add_argument("--large", metavar="RUN", help="a denoiser")
    parser.add_argument("--n", type=int, default=400)
    parser.add_argument("--size", type=int, default=64)
    args = parser.parse_args()
    if args.set12 and args.run:
        denoising(args.set12, args.run)
    elif args.inpaint:
        inpainting(args.inpaint, args.n, args.size)
    elif args.photos:
        on_photographs(args.photos)
    elif args.large:
        on_a_large_one(args.large)
    else:
        parser.error("say --set12 FOLDER --run RUN, --inpaint RUN, --photos RUN, or --large RUN")


if __name__ == "__main__":
    main()
