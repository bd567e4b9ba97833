"""Big open models: tiny pipelines of each class go the way that the real ones go."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import tiny_pipelines
from huabi import api, cli, index
from huabi.drawing import again, draw
from huabi.errors import HuabiError, RequestError
from huabi.external import is_pipeline, load
from huabi.external.canvas import Canvas
from huabi.external.latents import Colours
from huabi.external.memory import Placement, needs, place
from huabi.external.opening import open_pipeline
from huabi.external.pipelines import Pipeline
from huabi.external.source import Source
from huabi.external.steps import stepwise
from huabi.external.words import encode, prompts
from huabi.hearing import cut
from huabi.model import DataSpec
from huabi.pictures import Picture, save_picture, to_image
from huabi.requests import Edit, Generate, Imagine, Vary

pytest.importorskip("diffusers", reason="needs huabi[diffusers]")
# said by numpy of torch's tensors within diffusers
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

KINDS = tuple(tiny_pipelines.MADE)
PIXELS = np.random.default_rng(0).integers(0, 256, (20, 24, 3), dtype=np.uint8)
GB = 1 << 30


def opened(kind: str = "sd", dtype: torch.dtype = torch.float32) -> Pipeline:
    return Pipeline(open_pipeline(Source.of(tiny_pipelines.base(kind)), dtype))


def drawn(model: Pipeline, *requests: Imagine | Edit | Vary) -> torch.Tensor:
    *_, x = model.sample(list(requests))
    return model.decode(x)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_draws_what_is_asked_the_same_alone_and_in_a_batch(kind: str) -> None:
    model = opened(kind)
    asked = [Imagine(prompt=f"a {word}", seed=seed, steps=2, size=(20, 28)) for seed, word in enumerate(("cat", "dog"))]
    both = drawn(model, *asked)
    assert both.shape == (2, 3, 20, 28)
    assert bool(both.isfinite().all())
    assert both.abs().max() <= 1
    for row, request in enumerate(asked):
        torch.testing.assert_close(drawn(model, request)[0], both[row], atol=1e-4, rtol=1e-4)
    assert not torch.allclose(drawn(model, asked[0].model_copy(update={"seed": 7}))[0], both[0], atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_each_step_is_shown_as_a_sketch(kind: str) -> None:
    model = opened(kind)
    estimates = list(model.sample([Imagine(prompt="a cat", steps=3, size=(16, 32))]))
    assert len(estimates) == 4
    assert all(model.decode(x).shape == (1, 3, 16, 32) for x in estimates)
    assert all(bool(model.decode(x).isfinite().all()) for x in estimates)


@pytest.mark.parametrize("kind", ["sd", "sdxl"])
def test_where_the_reading_of_a_long_prompt_ends_is_told(kind: str) -> None:
    model = opened(kind)
    assert model.unread("a cat") == ""
    long = "x" * tiny_pipelines.LENGTH + " the end"  # a letter is a token there
    assert model.unread(long).replace(" ", "").endswith("theend")
    assert len(cut(Imagine(prompt=long), model)) == 1


@pytest.mark.parametrize("kind", ["sd", "flux", "pixart"])
def test_closing_the_generator_ends_the_pipeline_within_a_step(kind: str) -> None:
    model, calls = opened(kind), []
    net = getattr(model.pipe, "unet", None) or model.pipe.transformer
    net.register_forward_hook(lambda *_: calls.append(1))
    estimates = model.sample([Imagine(prompt="a cat", steps=9, size=(16, 16))])
    next(estimates)
    next(estimates)
    estimates.close()
    assert len(calls) <= 3


def test_stepwise_hands_over_one_side_at_a_time_and_passes_errors_on() -> None:
    seen = []

    def run(show: object) -> int:
        for i in range(3):
            seen.append(f"made {i}")
            show(i)  # type: ignore[operator]
        return 9

    values = []
    for value in stepwise(run):
        seen.append(f"looked {value}")
        values.append(value)
    assert values == [0, 1, 2, 9]
    assert seen[:4] == ["made 0", "looked 0", "made 1", "looked 1"]

    def fail(show: object) -> int:
        raise RequestError("no")

    with pytest.raises(RequestError, match="no"):
        list(stepwise(fail))


def test_a_picture_is_saved_with_its_recipe_and_made_again(tmp_path: Path) -> None:
    folder = tiny_pipelines.base()
    model = api.load(folder, "cpu")
    asked = [Imagine(prompt="a cat", seed=seed, steps=2, size=(16, 16)) for seed in range(2)]
    for position, picture, recipe in draw(model, asked):
        save_picture(picture, tmp_path / f"{position}.png", recipe)
    assert recipe["family"] == "StableDiffusionPipeline"
    assert recipe["rows"] == 1
    same, _, difference = again(tmp_path / "1.png", folder)
    assert difference == 0
    assert same.size == (16, 16)
    index.add(recipe["model"], Path(folder))
    assert again(tmp_path / "1.png")[2] == 0
    with pytest.raises(RequestError, match="no longer holds"):
        again(tmp_path / "1.png", tiny_pipelines.base("sdxl"))
    with pytest.raises(RequestError, match="does not answer Generate"):
        list(draw(model, [Generate()]))


def test_the_command_line_imagines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: object) -> None:
    out = tmp_path / "out"
    words = ["imagine", "a cat --steps 2", "--model", tiny_pipelines.base(), "--n", "2", "--size", "16"]
    monkeypatch.setattr(sys, "argv", ["huabi", *words, "--out", str(out), "--seed", "3"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 0
    assert len(list(out.glob("*.png"))) == 2
    pickle = tmp_path / "old.ckpt"
    pickle.write_bytes(b"cos\nsystem\n")
    monkeypatch.setattr(sys, "argv", ["huabi", "imagine", "a cat", "--model", str(pickle), "--out", str(out)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    line = capsys.readouterr().err.strip().splitlines()[-1]  # type: ignore[attr-defined]
    assert line.endswith("old.ckpt is a pickle, which can run code: get it as .safetensors instead")


# words


@pytest.mark.parametrize("kind", ["sd", "sdxl", "sd3", "flux"])
def test_parts_are_told_as_the_mean_of_their_encodings(kind: str) -> None:
    model = opened(kind)
    same = {"steps": 2, "size": (16, 16)}
    one = drawn(model, Imagine(prompt="cat", **same))
    torch.testing.assert_close(drawn(model, Imagine(prompt="cat::3 dog::0", **same)), one)
    torch.testing.assert_close(drawn(model, Imagine(prompt="cat::1 cat::1", **same)), one, atol=1e-4, rtol=1e-4)
    cat, dog = (encode(model.pipe, word) for word in ("cat", "dog"))
    mean = [0.75 * a + 0.25 * b for a, b in zip(cat, dog)]
    assert not torch.allclose(mean[0], cat[0])
    told = prompts(model.pipe, [([("cat", 3.0), ("dog", 1.0)], [])])
    assert list(told) == ["prompt_embeds", "pooled_prompt_embeds"][: len(cat)]
    for found, wanted in zip(told.values(), mean):
        torch.testing.assert_close(found, wanted)
    assert not torch.allclose(drawn(model, Imagine(prompt="cat::3 dog::1", **same)), one, atol=1e-4)


def test_walks_begin_and_end_at_their_prompts() -> None:
    model = opened()
    same = {"steps": 2, "size": (16, 16), "seed": 4}
    ends = [drawn(model, Imagine(prompt=prompt, **same)) for prompt in ("cat", "dog")]
    walk = [drawn(model, Imagine(between=("cat", "dog"), fraction=f, **same)) for f in (0.0, 0.5, 1.0)]
    torch.testing.assert_close(walk[0], ends[0])
    torch.testing.assert_close(walk[2], ends[1])
    assert not torch.allclose(walk[1], ends[0], atol=1e-4)


@pytest.mark.parametrize("kind", ["sd", "flux"])
def test_what_is_kept_out_changes_the_picture(kind: str) -> None:
    model = opened(kind)
    plain, without = (
        drawn(model, Imagine(prompt="cat", negative=words, steps=2, size=(16, 16))) for words in ("", "dog")
    )
    assert not torch.allclose(plain, without, atol=1e-4)


@pytest.mark.parametrize(
    ("kind", "request_", "line"),
    [
        ("pixart", Imagine(prompt="cat::2 dog"), "cannot weigh the parts of a prompt"),
        ("pixart", Vary(image=PIXELS), "no form of PixArtSigmaPipeline that starts from a picture"),
        ("sd", Imagine(prompt="cat", mood="calm"), "knows no mood; leave it out, or say it in the prompt"),
        ("sd", Imagine(prompt="cat", chaos=5.0), "knows no chaos"),
        ("sd", Edit(image=PIXELS, mask=PIXELS[:8, :8, 0].copy()), "mask is 8x8 and the picture 24x20"),
    ],
)
def test_what_a_pipeline_does_not_know_is_refused_in_one_line(kind: str, request_: object, line: str) -> None:
    with pytest.raises(RequestError, match=line):
        list(opened(kind).sample([request_]))


# pictures


@pytest.mark.parametrize("kind", ["sd", "sdxl", "sd3", "flux"])
def test_an_edit_keeps_what_the_mask_leaves(kind: str) -> None:
    mask = np.zeros((20, 24), np.uint8)
    mask[4:12, 6:14] = 255
    whole = torch.from_numpy(PIXELS).permute(2, 0, 1) / 127.5 - 1
    model = opened(kind)
    [edited] = drawn(model, Edit(image=PIXELS, mask=mask, prompt="cat", steps=2))
    white = torch.from_numpy(mask) > 0
    torch.testing.assert_close(edited[:, ~white], whole[:, ~white])
    assert (edited[:, white] - whole[:, white]).abs().mean() > 0.05
    [wide] = drawn(model, Edit(image=PIXELS, expand=3, steps=2))
    assert wide.shape == (3, 26, 30)
    torch.testing.assert_close(wide[:, 3:-3, 3:-3], whole)


def test_strength_0_keeps_the_picture_and_more_leaves_less_of_it() -> None:
    model = opened()
    whole = torch.from_numpy(PIXELS).permute(2, 0, 1) / 127.5 - 1
    torch.testing.assert_close(drawn(model, Vary(image=PIXELS, strength=0))[0], whole)
    torch.testing.assert_close(drawn(model, Imagine(image=PIXELS, strength=0))[0], whole)
    near, far = (drawn(model, Vary(image=PIXELS, strength=s, seed=2))[0] for s in (0.05, 1.0))
    assert near.shape == far.shape == whole.shape
    assert not torch.allclose(near, far, atol=0.05)


def test_a_canvas_is_drawn_no_larger_than_the_model_can_and_answered_as_asked() -> None:
    large = Picture.of(to_image(torch.rand(3, 90, 120) * 2 - 1))
    canvas = Canvas.of(Edit(image=large), DataSpec((32, 32)), 16)
    assert canvas.size == (90, 120)
    assert canvas.work[0] * canvas.work[1] <= 1.7 * 2 * 32 * 32
    assert all(side % 16 == 0 for side in canvas.work)
    assert canvas.finished(torch.zeros(3, *canvas.work)).shape == (3, 90, 120)
    small = Canvas.of(Imagine(size=(20, 28)), DataSpec((32, 32)), 16)
    assert (small.scaled, small.work) == ((20, 28), (32, 32))


def test_sketches_are_exact_where_the_vae_is_linear() -> None:
    matrix = torch.randn(4, 3)

    class Linear:
        config = {"scaling_factor": 0.5, "shift_factor": 0.1}
        device, dtype = torch.device("cpu"), torch.float32

        def encode(self, image: torch.Tensor) -> SimpleNamespace:
            small = torch.nn.functional.avg_pool2d(image, 8)
            mean = torch.einsum("lc,bchw->blhw", matrix, small) + 0.3
            return SimpleNamespace(latent_dist=SimpleNamespace(mean=mean, std=torch.ones_like(mean)))

    vae = Linear()
    vae.config = type("Config", (dict,), {"__getattr__": dict.__getitem__})(vae.config)
    colours = Colours(vae, 8)
    flat = torch.tensor([0.2, -0.5, 0.7])[None, :, None, None].expand(1, 3, 32, 32)
    latents = (vae.encode(flat).latent_dist.mean - 0.1) * 0.5
    torch.testing.assert_close(colours(latents), flat, atol=1e-4, rtol=1e-4)


# what comes out broken


def test_an_empty_picture_is_decoded_once_more_in_fp32(monkeypatch: pytest.MonkeyPatch) -> None:
    model = opened(dtype=torch.bfloat16)
    decode = model.pipe.vae.decode

    def overflowing(z: torch.Tensor, *args: object, **options: object) -> object:
        out = decode(z, *args, **options)
        if z.dtype == torch.bfloat16:
            (out[0] if isinstance(out, tuple) else out.sample).fill_(torch.nan)
        return out

    monkeypatch.setattr(model.pipe.vae, "decode", overflowing)
    asked = Imagine(prompt="cat", steps=2, size=(16, 16))
    assert bool(drawn(model, asked).isfinite().all())
    assert model.pipe.vae.dtype == torch.bfloat16
    model.pipe.to(torch.float32)  # nothing is left to try
    monkeypatch.setattr(model.pipe.vae, "decode", lambda z, **options: (torch.full((1, 3, 16, 16), torch.nan),))
    with pytest.raises(RequestError, match="came out empty"):
        drawn(model, asked)


def test_what_the_models_own_checker_withholds_is_told() -> None:
    model = opened()

    def checker(image: torch.Tensor, device: object, dtype: object) -> tuple[torch.Tensor, list[bool]]:
        return torch.zeros_like(image), [True] * len(image)

    model.pipe.run_safety_checker = checker
    with pytest.warns(UserWarning, match="safety checker withheld"):
        drawn(model, Imagine(prompt="cat", steps=2, size=(16, 16)))


# memory


def test_placements_are_the_fastest_that_fit() -> None:
    sizes = {"unet": 2_600_000_000, "text": 800_000_000, "vae": 84_000_000}  # SDXL's
    pixels = 1024 * 1024

    def chosen(free: float, host: float = 64, gpu: bool = True, bf16: bool = True) -> tuple[str, str, bool]:
        found = place(sizes, pixels, int(free * GB), int(host * GB), gpu, bf16)
        return found.precision, found.offload, found.tiled

    assert chosen(24) == ("bf16", "none", False)
    assert chosen(8) == ("bf16", "none", True)
    assert chosen(6.5) == ("bf16", "model", True)
    assert chosen(2) == ("bf16", "sequential", True)
    assert chosen(24, bf16=False) == ("fp32", "none", False)
    assert chosen(64, 64, gpu=False, bf16=False) == ("fp32", "none", False)
    assert chosen(10, 10, gpu=False, bf16=False) == ("bf16", "none", False)
    with pytest.raises(RequestError, match="6.5 GB of weights at the least, and 4.0 GB are free"):
        chosen(4, 4, gpu=False)
    wanted = needs(sizes, pixels, torch.bfloat16)
    assert wanted["none"] == 3_484_000_000 * 2 + 3 * 256 * pixels * 2
    assert list(wanted.values()) == sorted(wanted.values(), reverse=True)


@pytest.mark.parametrize("kind", ["sd", "flux"])
def test_parts_that_are_brought_one_by_one_draw_the_same(kind: str) -> None:
    asked = [Imagine(prompt="cat::2 dog", steps=2, size=(16, 16)), Vary(image=PIXELS), Imagine(steps=2, size=(16, 16))]
    placement = Placement(torch.float32, "model")
    pipe = open_pipeline(Source.of(tiny_pipelines.base(kind)), torch.float32)
    model, plain = Pipeline(pipe, placement, torch.device("cpu")), opened(kind)
    for request in asked:
        torch.testing.assert_close(drawn(model, request), drawn(plain, request), atol=1e-4, rtol=1e-4)


def test_numbers_are_counted_from_the_headers() -> None:
    source = Source.of(tiny_pipelines.base())
    pipe = open_pipeline(source, torch.float32)
    for part, count in source.sizes.items():
        assert count == sum(p.numel() for p in getattr(pipe, part).state_dict().values())
    assert set(source.sizes) == {"unet", "vae", "text_encoder"}


# safety


def copied(folder: Path, kind: str = "sd") -> Path:
    return Path(shutil.copytree(tiny_pipelines.base(kind), folder / kind))


def change(path: Path, **entries: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))


def as_pickle(folder: Path) -> None:
    (folder / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    (folder / "unet" / "diffusion_pytorch_model.bin").write_bytes(b"cos\nsystem\n")


SPOILED = {
    "unet is a pickle": as_pickle,
    "has no VAE: vae": lambda folder: shutil.rmtree(folder / "vae"),
    "has no text encoder": lambda folder: (folder / "text_encoder" / "model.safetensors").unlink(),
    "its unet wants code from 'evil'": lambda folder: change(folder / "model_index.json", unet=["evil", "Net"]),
    "wants code of its own for its pipeline": lambda f: change(f / "model_index.json", _class_name=["evil", "Pipe"]),
    "wants code of its own .auto_map": lambda f: change(f / "text_encoder/config.json", auto_map={"AutoModel": "e.E"}),
    "is an adapter of another model": lambda folder: (folder / "text_encoder" / "adapter_config.json").write_text("{}"),
    "cannot be read as JSON": lambda folder: (folder / "model_index.json").write_text("{"),
    "no whole safetensors file": lambda f: (f / "unet/diffusion_pytorch_model.safetensors").write_bytes(b"\0" * 64),
    "cannot be loaded as a text-to-image": lambda f: change(f / "model_index.json", _class_name="DDPMPipeline"),
}


@pytest.mark.parametrize("line", SPOILED)
def test_what_is_unsafe_or_broken_is_refused_before_it_runs(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copied(tmp_path)
    (tmp_path / "evil.py").write_text("raise SystemExit('ran')")
    (folder / "evil.py").write_text("raise SystemExit('ran')")
    monkeypatch.syspath_prepend(tmp_path)
    SPOILED[line](folder)
    assert is_pipeline(folder)
    with pytest.raises(RequestError, match=line) as error:
        load(folder, "cpu")
    assert "\n" not in str(error.value)
    assert "evil" not in sys.modules


def test_pickles_beside_safetensors_are_never_read(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    (folder / "unet" / "diffusion_pytorch_model.bin").write_bytes(b"cos\nsystem\n")
    assert load(folder, "cpu").identity is not None


def test_half_precision_variants_load_where_they_are_all_there_is(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    for file in folder.glob("*/*.safetensors"):
        file.rename(file.with_suffix(".fp16.safetensors"))
    assert load(folder, "cpu").identity is not None


def test_names_that_are_not_here_are_told_so_and_never_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants as hub

    monkeypatch.setattr(hub, "HF_HUB_OFFLINE", True)
    assert not is_pipeline("nobody/nothing")
    with pytest.raises(HuabiError, match="write hf:nobody/nothing to download it"):
        api.load("nobody/nothing")
    assert is_pipeline("hf:nobody/nothing")
    with pytest.raises(HuabiError, match="cannot get nobody/nothing from the hub"):
        api.load("hf:nobody/nothing")
    with pytest.raises(HuabiError, match="write it as hf:owner/name"):
        api.load("hf:nothing")


def test_a_model_in_the_hubs_cache_is_found_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants as hub
    from huggingface_hub import file_download

    monkeypatch.setattr(hub, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(hub, "HF_HUB_CACHE", str(tmp_path))
    repository = tmp_path / "models--someone--tiny"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("0" * 40)
    shutil.copytree(tiny_pipelines.base(), repository / "snapshots" / ("0" * 40))
    assert file_download.try_to_load_from_cache("someone/tiny", "model_index.json") is not None
    for name in ("someone/tiny", "hf:someone/tiny"):
        assert is_pipeline(name)
        assert api.load(name, "cpu").identity == api.load(tiny_pipelines.base(), "cpu").identity
    shutil.rmtree(repository / "snapshots" / ("0" * 40) / "vae")  # as after a download that broke off
    for name in ("someone/tiny", "hf:someone/tiny"):
        with pytest.raises(HuabiError, match="has no VAE"):
            api.load(name, "cpu")


def test_the_hash_is_of_the_contents_and_not_of_the_place(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    known = Source.of(folder).hash()
    assert known == Source.of(tiny_pipelines.base()).hash()
    file = folder / "unet" / "diffusion_pytorch_model.safetensors"
    weights = load_file(file)
    weights["conv_in.bias"] = weights["conv_in.bias"] + 1
    save_file(weights, file, {"format": "pt"})
    assert Source.of(folder).hash() != known


# one file


def test_a_checkpoint_in_one_file_draws_as_its_folder_does(tmp_path: Path) -> None:
    pipe = opened().pipe
    settings = copied(tmp_path)
    for weights in settings.glob("*/*.safetensors"):
        weights.unlink()
    save_file(tiny_pipelines.single_file(pipe), tmp_path / "sd.safetensors")
    asked = Imagine(prompt="cat", steps=2, size=(16, 16))
    found = Pipeline(open_pipeline(Source.of(tmp_path / "sd.safetensors"), torch.float32))
    torch.testing.assert_close(drawn(found, asked), drawn(opened(), asked), atol=1e-4, rtol=1e-4)

    save_file(tiny_pipelines.single_file(pipe, ("unet", "vae")), tmp_path / "sd.safetensors")
    with pytest.raises(RequestError, match="sd.safetensors lacks its text encoder"):
        load(tmp_path / "sd.safetensors", "cpu")
    shutil.rmtree(settings)
    with pytest.raises(RequestError, match="settings are not in the local hub cache: put its folder"):
        load(tmp_path / "sd.safetensors", "cpu")
