"""Frozen readers of texts in text to image: a contrast run's, and encoders of the transformers library."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

import tiny_pipelines
from conftest import contrast_run, write_pictures
from huabi import api, weights
from huabi.checkpoint import Checkpoint
from huabi.errors import HuabiError, RunError
from huabi.families.text_to_image import TextToImage
from huabi.requests import Imagine
from test_text_to_image import PIXELS, PLAIN, drawn

ONE_STEP: dict[str, Any] = {"size": 8, "steps": 1, "threads": 1}


@pytest.fixture(scope="module", params=["clip", "t5"])
def encoder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of a tiny random text encoder, as transformers saves one."""
    pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp(request.param)
    made = {"clip": tiny_pipelines.clip_text, "t5": tiny_pipelines.t5_text}[request.param]()
    made.save_pretrained(folder)
    tokens = tiny_pipelines.t5_tokenizer() if request.param == "t5" else tiny_pipelines.clip_tokenizer(folder)
    tokens.save_pretrained(folder)
    return folder


def trained(tmp_path: Path, text: str, **settings: Any) -> TextToImage:
    photos = write_pictures(tmp_path / "photos")
    api.train("text_to_image", photos, tmp_path / "run", **ONE_STEP, settings=PIXELS | settings | {"text": text})
    return load(tmp_path)


def load(tmp_path: Path) -> TextToImage:
    family = api.load(tmp_path / "run", "cpu")
    assert isinstance(family, TextToImage)
    return family


def test_a_contrast_run_that_reads_is_copied_into_the_run_and_stays_as_it_is(tmp_path: Path) -> None:
    sight = tmp_path / "sight"
    shutil.copytree(contrast_run(), sight)
    given = Checkpoint.load(sight)
    trained(tmp_path, str(sight))
    shutil.rmtree(sight)
    family = load(tmp_path)
    assert given.identity is not None
    assert Checkpoint.open(tmp_path / "run").header["config"]["reading.sha256"] == given.identity.hash
    kept = family.conditions.reader.sight.state_dict()  # type: ignore[union-attr]
    assert kept.keys() < given.state_dict().keys()
    for name, tensor in kept.items():
        assert torch.equal(tensor, given.state_dict()[name])


def test_an_encoder_of_transformers_reads_and_stays_out_of_the_run(encoder: Path, tmp_path: Path) -> None:
    family = trained(tmp_path, f"hf:{encoder}")
    assert not any("model" in name for name in family.state_dict())
    rng = torch.Generator().manual_seed(0)
    for parameter in family.parameters():  # what starts as zero is not, so that what is said matters
        parameter.data.add_(torch.randn(parameter.shape, generator=rng), alpha=0.2)
    cat, dog = (drawn(family, Imagine(prompt=word, **PLAIN)) for word in ("a cat", "a dog"))
    assert not torch.equal(cat, dog)
    long = drawn(family, Imagine(prompt="cat " * 500, **PLAIN))
    assert bool(long.isfinite().all())


def test_what_reads_is_the_one_it_was_trained_with(encoder: Path, tmp_path: Path) -> None:
    trained(tmp_path, f"hf:{encoder}")
    other = tiny_pipelines.clip_text() if "clip" in encoder.name else tiny_pipelines.t5_text()
    torch.nn.init.ones_(next(other.parameters()))
    other.save_pretrained(encoder)
    weights.text_model.cache_clear()
    with pytest.raises(RunError, match="is not the encoder that this run was trained with"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"text": "world-listener"}, "is a run of listener; give one of contrast"),
        ({"text": "hf:NOWHERE"}, "no text encoder"),
        ({"text": "SIGHT", "condition": "embedding", "contrast": "SIGHT"}, "leave --set text out"),
    ],
)
def test_what_cannot_read_is_refused(settings: dict[str, str], says: str, tmp_path: Path) -> None:
    photos = write_pictures(tmp_path / "photos")
    named = {"SIGHT": contrast_run(), "hf:NOWHERE": f"hf:{tmp_path}"}
    given = PIXELS | {key: named.get(value, value) for key, value in settings.items()}
    with pytest.raises(HuabiError, match=says):
        api.train("text_to_image", photos, tmp_path / "run", **ONE_STEP, settings=given)


def test_data_without_words_needs_no_reader(tmp_path: Path) -> None:
    photos = write_pictures(tmp_path / "photos", classes=())
    with pytest.raises(HuabiError, match="nothing to read"):
        api.train("text_to_image", photos, tmp_path / "run", **ONE_STEP, settings=PIXELS | {"text": contrast_run()})
