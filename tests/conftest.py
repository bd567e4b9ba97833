"""What the tests share: tiny data, tiny families, a home of their own."""

from __future__ import annotations

import atexit
import shutil
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import settings
from PIL import Image

from huabi import cli, families, watch, witness
from huabi.checkpoint import Checkpoint
from huabi.config import configure, leaves
from huabi.cost import example
from huabi.metrics.features import Features
from huabi.model import Batch, DataSpec, Family
from huabi.plan import Plan
from huabi.ranks import Ranks
from huabi.rng import BatchRng
from huabi.trainer import Trainer

settings.register_profile("huabi", deadline=None)  # a busy machine is no fault of the code
settings.load_profile("huabi")

TINY = {
    "autoencoder": {"batch": 4, "net.width": 8},
    "classifier": {"batch": 4, "net.width": 16},
    "contrast": {"batch": 4, "net.width": 8, "text.width": 16, "text.depth": 1, "features": 8},
    "cyclegan": {"batch": 4, "net.width": 16, "critic.width": 8, "pool": 3},
    "diffusion": {"batch": 4, "net.width": 16, "net.depth": 1},
    "fast_style": {"batch": 4, "net.width": 8, "net.depth": 1},
    "gan": {"batch": 4, "net.width": 8},
    "listener": {"batch": 4, "net.width": 16, "net.channels": 4},
    "lora": {"batch": 4, "rank": 2, "lr": 1e-3, "weights": "fp32", "token": "a cat"},  # and base=tiny_pipelines.base()
    "pix2pix": {"batch": 4, "net.width": 16, "critic.width": 8},
    "restorer": {"batch": 4, "crop": 8, "net.width": 8, "net.depth": (1, 1)},
    "text_to_image": {"batch": 4, "autoencoder": "train", "coding": 0.5, "codec.net.width": 8, "net.width": 16}
    | {"net.depth": 1, "context.width": 64, "context.depth": 1, "shortcut.share": 0.5, "shortcut.start": 0}
    | {"plan.width": 32, "plan.depth": 1},
    "vae": {"batch": 4, "net.width": 8},
}
VARIANTS = {  # of a family: its name, a dash, and what to call it
    "cyclegan-resnet": {"batch": 4, "net": "resnet", "net.width": 8, "net.depth": 1, "critic.width": 8}
    | {"pool": 0, "identity": 0, "critic.loss": "relativistic"},
    "diffusion-image": {"batch": 4, "net.width": 16, "condition": "image", "steps": 4},
    "gan-dcgan": {"batch": 4, "net": "dcgan", "net.width": 8, "loss": "nonsaturating", "r1": 0, "r2": 0},
    "gan-wgan-gp": TINY["gan"] | {"loss": "wgan-gp", "critic_steps": 2, "augment": "none"},
    "gan-hinge": TINY["gan"] | {"loss": "hinge", "net.spectral": True, "augment": "diffaugment"},
    "gan-least-squares": TINY["gan"]
    | {"loss": "least-squares", "augment": "ada", "augment.target": 0.01}
    | {"augment.patience": 0},
    "gan-projected": {"batch": 4, "net": "projected", "net.width": 8, "net.judges": 8, "net.least": 32},
    "pix2pix-perceptual": {"batch": 4, "net.width": 16, "perceptual": 1, "adversarial": 0},
    "pix2pix-unet": {"batch": 4, "net": "unet", "net.width": 8, "net.dropout": 0, "critic.width": 8}
    | {"critic.loss": "nonsaturating"},
    "restorer-dncnn": {"batch": 4, "net": "dncnn", "net.width": 8, "net.depth": 3, "task": ("dejpeg", "mend")},
    "restorer-inpaint": {"batch": 4, "net.width": 8, "net.depth": (1, 1), "task": ("inpaint",)}
    | {"detail.adversarial": 0.1, "detail.texture": 1.0},
    "restorer-mixed": {"batch": 4, "net.width": 8, "net.depth": (1, 1), "task": ("denoise", "deblur")}
    | {"noise": "mixed"},
    "restorer-upscale": {"batch": 4, "net.width": 8, "net.depth": (1,), "task": ("upscale",)},
    "text_to_image-embedding": TINY["text_to_image"]  # and contrast=contrast_run()
    | {"condition": "embedding", "condition.width": 32, "condition.depth": 1, "condition.steps": 3},
    "text_to_image-frozen": TINY["text_to_image"] | {"autoencoder": "none"},  # and text=contrast_run()
    "text_to_image-pixels": TINY["text_to_image"] | {"autoencoder": "none", "shortcut.start": 0.5},
    "vae-perceptual": TINY["vae"] | {"detail.perceptual": 0.1},
    "vae-plain": TINY["vae"] | {"detail.adversarial": 0, "detail.texture": 0},
    "vae-vq": TINY["vae"]
    | {"latent": "vq", "latent.codes": 16, "latent.rounds": 3, "latent.width": 32, "latent.depth": 1},
}


@pytest.fixture(autouse=True, scope="session")
def _own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test and no fixture touches the user's cache or index."""
    home = tmp_path_factory.getbasetemp() / "home"
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("HUABI_HOME", str(home))
        monkeypatch.setenv("HUABI_CACHE", str(home / "cache"))
        yield


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Tiny nets gain nothing by more threads, which wait for each other; a training leaves its own number behind."""
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(1)


@pytest.fixture
def spec() -> DataSpec:
    return DataSpec((8, 8), 3, ("cat", "dog"), count=32, weights=(0.5, 0.5))


def stream(spec: DataSpec, rows: int, start: int = 0, seed: int = 0) -> Iterator[Batch]:
    """Endless batches of noise, each a function of its step alone."""
    step = start
    while True:
        yield example(spec, rows, seed=1000 + step)._replace(rng=BatchRng(seed, step, rows))
        step += 1


def at_mean(trainer: Trainer) -> Family:
    """The trained family at the mean of its weights, ready to draw."""
    with trainer.averaged() as mean:
        state = {name: value.clone() for name, value in mean.state_dict().items()}
    trainer.family.load_state_dict(state)
    return trainer.family.eval()


def write_pictures(folder: Path, count: int = 24, size: int = 12, classes: tuple[str, ...] = ("cat", "dog")) -> Path:
    """A folder of small distinct pictures, a sub-folder for each class."""
    rng = np.random.default_rng(0)
    for i in range(count):
        target = folder / classes[i % len(classes)] if classes else folder
        target.mkdir(parents=True, exist_ok=True)
        coarse = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC).save(target / f"{i:04d}.png")
    return folder


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return write_pictures(tmp_path / "photos")


@cache
def contrast_run(channels: int = 3) -> str:
    """A run of `contrast` on pictures of 8 x 8, with its first weights; made at the first call."""
    kind, spec = families.find("contrast"), DataSpec((8, 8), channels, captions=True)
    torch.manual_seed(1)
    family = kind(configure(kind.Config(), TINY["contrast"]), spec)
    header = {"family": "contrast", "config": leaves(family.config), "spec": spec.to_json()}
    header |= {"rows": 4, "threads": 0, "precision": "fp32"}
    folder = Path(tempfile.mkdtemp(prefix="huabi-contrast-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    run = folder / "run"
    Checkpoint.create(run, header).save(Trainer(family, Plan.of_steps(1), ranks=Ranks.alone()))
    return str(run)


class Result:
    """What a command printed, and its exit code."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


@pytest.fixture
def huabi(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Any:
    """Runs `huabi` with these words in this process."""

    def run(*words: object) -> Result:
        monkeypatch.setattr(sys, "argv", ["huabi", *map(str, words)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as end:
            cli.main()
        out, err = capfd.readouterr()
        return Result(int(end.value.code or 0), out, err)

    return run


def refused(result: Result, *says: str) -> None:
    """Exit 2 and one clear line on stderr, no traceback."""
    assert result.code == 2, result.err
    complaint = [line for line in result.err.splitlines() if line.startswith("huabi: ")]
    assert len(complaint) == 1, result.err
    assert "Traceback" not in result.err
    assert "fault in Huabi" not in result.err
    for word in says:
        assert word in complaint[0]


def look_at_every_step() -> None:
    """Makes runs look at their pictures, and judge them where it is asked, after each step, in cheap features."""

    def cheap(x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.adaptive_avg_pool2d(x, 4).flatten(1)

    witness.features = lambda name, device: Features("cheap", "", "not resized", cheap)
    watch.FIRST = watch.EVERY = 0.0
    watch.LOOKS = 1e9
    watch.FEWEST = watch.MOST = 16


torch.set_num_threads(1)
