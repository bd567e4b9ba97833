"""The families: one file each, and this table."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import entry_points

from ..errors import RequestError, nearest
from ..model import Family

FAMILIES = {
    "autoencoder": "huabi.families.vae:Autoencoder",
    "classifier": "huabi.families.classifier:Classifier",
    "contrast": "huabi.families.contrast:Contrast",
    "cyclegan": "huabi.families.cyclegan:CycleGAN",
    "diffusion": "huabi.families.diffusion:Diffusion",
    "fast_style": "huabi.families.fast_style:FastStyle",
    "gan": "huabi.families.gan:GAN",
    "listener": "huabi.families.listener:Listener",
    "lora": "huabi.families.lora:Lora",
    "pix2pix": "huabi.families.pix2pix:Pix2Pix",
    "restorer": "huabi.families.restorer:Restorer",
    "text_to_image": "huabi.families.text_to_image:TextToImage",
    "vae": "huabi.families.vae:VAE",
}


def names() -> list[str]:
    """Every family's name, installed extensions (entry points `huabi.families`) included."""
    return [*FAMILIES, *(e.name for e in entry_points(group="huabi.families") if e.name not in FAMILIES)]


def find(name: str) -> type[Family]:
    """The family called `name`; an unknown one raises `RequestError` and names the nearest."""
    table = FAMILIES | {e.name: e.value for e in entry_points(group="huabi.families") if e.name not in FAMILIES}
    if name not in table:
        raise RequestError(f"no family {name!r}; {nearest(name, table)}")
    module, _, attribute = table[name].partition(":")
    family: type[Family] = getattr(import_module(module), attribute)
    return family
