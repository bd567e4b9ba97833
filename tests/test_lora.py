"""LoRA: adapters train under our trainer, and are those that diffusers knows."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

import tiny_pipelines
from conftest import write_pictures
from huabi import api, drawing, models
from huabi.checkpoint import pack
from huabi.config import configure
from huabi.errors import DataError, HuabiError, RequestError, RunError
from huabi.external.training import Noise, draw_noise, predict, target
from huabi.external.words import encode
from huabi.families.lora import Lora, LoraConfig
from huabi.model import Batch, DataSpec
from huabi.provenance.publish import publish
from huabi.requests import Imagine
from huabi.rng import BatchRng
from huabi.serve.shelf import Shelf
from huabi.trainer import sampled_tensors

pytest.importorskip("diffusers", reason="needs huabi[lora]")
pytest.importorskip("peft", reason="needs huabi[lora]")
# said by numpy of torch's tensors within diffusers
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SPEC = DataSpec((16, 16), 3, count=8)
SETTINGS = {"batch": 2, "rank": 2, "weights": "fp32", "token": "a sks dog", "lr": 0.02, "checkpointing": False}


def lora(base: str = "sd", spec: DataSpec = SPEC, **settings: object) -> Lora:
    torch.manual_seed(0)
    return Lora(configure(LoraConfig(), SETTINGS | {"base": tiny_pipelines.base(base)} | settings), spec)


def batch(rows: int = 2, step: int = 0) -> Batch:
    rng = BatchRng(0, step, rows)
    return Batch(rng.normal(3, 16, 16).clamp(-1, 1), BatchRng(0, step, rows), torch.arange(rows))


def train(family: Lora, steps: int = 3) -> None:
    """Plain steps on one batch, without the trainer."""
    [optimizer] = family.optimizers().values()
    for _ in range(steps):
        [update] = family.losses(batch(), 0)
        optimizer.zero_grad()
        update.loss.backward()
        optimizer.step()


def test_a_run_holds_adapters_alone_and_diffusers_draws_the_same_with_them(tmp_path: Path) -> None:
    from diffusers import AutoPipelineForText2Image

    photos = write_pictures(tmp_path / "photos", count=8, size=16, classes=())
    base = tiny_pipelines.base()
    settings = SETTINGS | {"base": base, "text_encoder": True, "alpha": 4}
    api.train("lora", photos, tmp_path / "run", size=16, steps=2, threads=1, settings=settings)
    with safe_open(tmp_path / "run" / "model.safetensors", "pt") as file:
        names = list(file.keys())
    assert {name.split(".")[0] for name in names} == {"unet", "text_encoder"}
    assert {name.rsplit(".", 2)[1] for name in names} == {"lora_A", "lora_B"}
    assert [p.name for p in (tmp_path / "run" / "previews").glob("*.png")] == ["00000002.png"]
    config = json.loads((tmp_path / "run" / "run.json").read_text())["config"]
    assert config["base"] == base
    assert len(config["base_hash"]) == 64

    model = api.load(tmp_path / "run", "cpu")
    asked = Imagine(prompt="a sks dog", seed=3, steps=3, size=(16, 16))
    *_, ours = model.sample([asked])
    pipe = AutoPipelineForText2Image.from_pretrained(base)
    pipe.set_progress_bar_config(disable=True)
    plain = theirs(pipe)
    pipe.load_lora_weights(str(tmp_path / "run"), weight_name="model.safetensors")
    assert np.abs(theirs(pipe) - ours[0].numpy()).max() < 1e-4
    assert np.abs(plain - ours[0].numpy()).max() > 1e-3  # the adapters do something
    [(_, picture, recipe)] = drawing.draw(model, [asked])
    assert picture.size == (16, 16)
    assert recipe["family"] == "lora"


@pytest.mark.parametrize("name", ["sdxl", "sd3", "flux"])
def test_adapters_of_every_kind_of_base_are_those_that_diffusers_loads(name: str, tmp_path: Path) -> None:
    from diffusers import AutoPipelineForText2Image

    family = lora(name, text_encoder=True)
    rng = torch.Generator().manual_seed(0)
    for parameter in family.parameters():
        parameter.data.normal_(0, 0.2, generator=rng)
    *_, ours = family.sample([Imagine(prompt="a sks dog", seed=3, steps=3, size=(16, 16))])
    (tmp_path / "lora.safetensors").write_bytes(pack(sampled_tensors(family)))
    pipe = AutoPipelineForText2Image.from_pretrained(tiny_pipelines.base(name))
    pipe.set_progress_bar_config(disable=True)
    pipe.load_lora_weights(str(tmp_path), weight_name="lora.safetensors")
    assert np.abs(theirs(pipe) - ours[0].detach().numpy()).max() < 1e-4


def test_adapters_of_others_stand_behind_a_model_in_its_name(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUABI_HOME", str(tmp_path / "home"))
    base = tiny_pipelines.base()
    family = lora(text_encoder=True)
    for number, parameter in enumerate(family.parameters()):
        parameter.data.normal_(0, 0.2, generator=torch.Generator().manual_seed(number))
    file = tmp_path / "dog.safetensors"
    file.write_bytes(pack(sampled_tensors(family)))
    asked = Imagine(prompt="a sks dog", seed=3, steps=3, size=(16, 16))
    *_, ours = family.sample([asked])
    drawn = {}
    for name in (base, f"{base}+{file}", f"{base}+{file}:0.5", f"{base}+{file}:0"):
        model = models.load(name, "cpu")
        models.remember(model, name)
        [(_, picture, recipe)] = drawing.draw(model, [asked])
        drawn[name] = np.asarray(picture) / 127.5 - 1.0
        publish(picture, tmp_path / "a.png", recipe)
        assert drawing.again(tmp_path / "a.png")[2] == 0  # with the adapters' weight, from the recipe alone
    plain, whole, half, none = drawn.values()
    assert np.abs(whole - ours[0].permute(1, 2, 0).numpy()).max() < 0.05  # weights are bf16 here, fp32 there
    assert np.abs(none - plain).max() < 0.01
    assert np.abs(whole - plain).max() > np.abs(half - plain).max() > 0.05
    assert Shelf([f"{base}+{file}:0.5"]).load(f"{Path(base).name}+dog.safetensors:0.5") is not None


def test_what_is_no_adapter_or_fits_another_model_is_told_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "dog.safetensors"
    file.write_bytes(pack(sampled_tensors(lora("flux"))))
    (tmp_path / "other.safetensors").write_bytes(pack({"weight": torch.zeros(2)}))
    base = tiny_pipelines.base()
    for name, says in (
        (f"{base}+{file}", "dog.safetensors"),
        (f"{base}+{tmp_path}/other.safetensors", "no adapters in"),
        (f"{base}+{tmp_path}/missing.safetensors", "no adapters in"),
        (file, "holds adapters alone: say BASE"),
        (f"world-reader+{file}", "adapters of a big model"),
    ):
        with pytest.raises(HuabiError, match=says) as caught:
            models.load(name, "cpu")
        assert "\n" not in str(caught.value)


def theirs(pipe: object) -> np.ndarray:
    """What diffusers itself draws, from the noise that our seed gives."""
    from huabi.rng import generator

    options = {"num_inference_steps": 3, "height": 16, "width": 16, "output_type": "pt"}
    out = pipe("a sks dog", generator=generator("row", 3), **options).images  # type: ignore[operator]
    return (out[0] * 2 - 1).numpy()


@pytest.mark.parametrize("name", ["sdxl", "sd3", "flux"])
def test_every_kind_of_base_learns_and_keeps_its_own_weights(name: str) -> None:
    family = lora(name)
    before = {k: v.clone() for k, v in family._net.state_dict().items()}
    [first] = family.losses(batch(), 0)
    train(family)
    [last] = family.losses(batch(), 0)
    assert last.loss < first.loss
    moved = {k for k, v in family._net.state_dict().items() if not torch.equal(v, before[k])}
    assert moved
    assert all(".lora_" in k for k in moved)


@pytest.mark.parametrize("name", ["sd", "sdxl", "sd3", "flux"])
def test_training_asks_the_network_as_drawing_does(name: str) -> None:
    """The first step of the pipeline, without guidance, gets the prediction that training computes."""
    family = lora(name)
    pipe, seen = family._pipe, {}
    step = pipe.scheduler.step

    def spy(found: torch.Tensor, time: torch.Tensor, latents: torch.Tensor, **more: object) -> object:
        seen.setdefault("first", (found.clone(), time.clone(), latents.clone()))
        return step(found, time, latents, **more)

    pipe.scheduler.step = spy
    free = {"flux": 3.5}.get(name, 1.0)  # Flux is told its guidance
    pipe("a dog", num_inference_steps=2, height=16, width=16, guidance_scale=free)
    found, time, latents = seen["first"]
    if name == "sdxl":  # Euler's own scale, which the pipeline divides by
        sigma = pipe.scheduler.sigmas[0]
        latents = latents / (sigma**2 + 1).sqrt()
    if name == "flux":
        found, latents = (pipe._unpack_latents(x, 16, 16, pipe.vae_scale_factor) for x in (found, latents))
    with torch.no_grad():
        ours = predict(pipe, latents, time.reshape(1).float(), encode(pipe, "a dog"))
    torch.testing.assert_close(ours, found, atol=1e-4, rtol=1e-4)


def test_targets_are_what_their_schedulers_say() -> None:
    from diffusers import DDPMScheduler, FlowMatchEulerDiscreteScheduler

    x0, eps = torch.randn(2, 3, 4, 4), torch.randn(2, 3, 4, 4)
    rng = BatchRng(0, 0, 2)
    for kind in ("epsilon", "v_prediction", "sample"):
        scheduler = DDPMScheduler(prediction_type=kind)
        noise = draw_noise(scheduler, rng, 64)
        torch.testing.assert_close(noise.mix(x0, eps), scheduler.add_noise(x0, eps, noise.time))
        wanted = {"epsilon": eps, "sample": x0, "v_prediction": scheduler.get_velocity(x0, eps, noise.time)}[kind]
        torch.testing.assert_close(target(scheduler, x0, eps, noise), wanted)
    flow = FlowMatchEulerDiscreteScheduler()
    noise = Noise(torch.full((2,), 700.0), torch.full((2,), 0.3), torch.full((2,), 0.7))
    x = noise.mix(x0, eps)
    torch.testing.assert_close(x - 0.7 * target(flow, x0, eps, noise), x0)  # the velocity leads back to the picture
    with pytest.raises(RequestError, match="'flow_prediction'"):
        target(DDPMScheduler.from_config({"prediction_type": "flow_prediction"}), x0, eps, noise)


def test_a_shifted_flow_sees_more_noise() -> None:
    from diffusers import FlowMatchEulerDiscreteScheduler

    plain, shifted = (draw_noise(FlowMatchEulerDiscreteScheduler(shift=s), BatchRng(0, 0, 999), 64) for s in (1, 3))
    assert plain.sigma.median() == pytest.approx(0.5, abs=0.05)
    assert shifted.sigma.median() == pytest.approx(0.75, abs=0.05)  # 3 * 0.5 / (1 + 2 * 0.5)


def test_alpha_is_the_rate_of_the_second_matrices() -> None:
    """With Adam, training B at the rate lr * alpha / rank is training B' at lr where W + (alpha / rank) B' A."""
    [groups] = [o.param_groups for o in lora(alpha=8).optimizers().values()]
    assert [group["lr"] for group in groups] == [0.02, 0.02 * 8 / 2]


def test_pictures_and_prompts_are_encoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from huabi.families import lora as module

    counts = {"pictures": 0, "words": 0}
    encoded, encode_words = module.encoded, module.encode

    def count(name: str, function: object) -> object:
        def counted(*args: object) -> object:
            counts[name] += 1
            return function(*args)  # type: ignore[operator]

        return counted

    monkeypatch.setattr(module, "encoded", count("pictures", encoded))
    monkeypatch.setattr(module, "encode", count("words", encode_words))
    train(lora(), steps=3)
    assert counts == {"pictures": 2, "words": 1}


def test_prior_preservation_holds_what_the_base_drew() -> None:
    family = lora(prior="a dog", prior_pictures=2)
    [update] = family.losses(batch(), 0)
    assert update.loss.item() == pytest.approx(sum(v.item() for v in update.logs.values()), rel=1e-5)
    assert bool(family.prior.drawn)
    drawn = family.prior.latents.clone()
    assert not torch.equal(drawn[0], drawn[1])
    train(family, 1)
    assert torch.equal(family.prior.latents, drawn)


def test_what_cannot_be_trained_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="--base FOLDER"):
        Lora(LoraConfig(token="a dog"), SPEC)
    with pytest.raises(DataError, match="--set token="):
        lora(token="")
    with pytest.raises(RunError, match="not the model that this run adapts"):
        lora(base_hash="0" * 64)
    with pytest.raises(RequestError, match="cannot train a PixArtSigmaPipeline"):
        lora("pixart")
    with pytest.raises(RequestError, match="multiples of 4 pixels"):
        lora(spec=DataSpec((18, 16)))
    with pytest.raises(RequestError, match="at least 1"):
        configure(LoraConfig(), {"prior": "a dog", "prior_pictures": 0})
    with pytest.raises(HuabiError, match="no model in"):
        Lora(LoraConfig(base=str(tmp_path / "nothing"), token="a dog"), SPEC)
