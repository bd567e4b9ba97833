"""Loading with diffusers: from a folder or one file, never from the network, never a pickle."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from ..errors import RequestError
from .source import Source, cached, settings_of

SIDE = 512  # pixels of a side, where a pipeline does not say what it was trained on


@contextmanager
def hushed() -> Iterator[None]:
    """Keeps the bars and notices of diffusers and transformers from people who did not ask for them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import transformers.utils.logging as below
        from diffusers.utils import logging as above

        for library in (above, below):
            library.set_verbosity_error()
            library.disable_progress_bar()
        yield


def open_pipeline(source: Source, dtype: torch.dtype) -> Any:
    """The text-to-image pipeline of `source`, in main memory and in `dtype`."""
    with hushed():
        from diffusers import AutoPipelineForText2Image

        try:
            if source.single:
                pipe = _from_file(source, dtype)
            else:
                options = {"use_safetensors": True, "local_files_only": True, "variant": source.variant}
                pipe = AutoPipelineForText2Image.from_pretrained(source.path, dtype=dtype, **options)
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RuntimeError) as error:
            line = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).strip().partition("\n")[0]
            raise RequestError(f"{source.path} cannot be loaded as a text-to-image pipeline: {line}") from None
        pipe.set_progress_bar_config(disable=True)
        return pipe


def _from_file(source: Source, dtype: torch.dtype) -> Any:
    """The pipeline of a checkpoint in one file; its settings lie beside it, or in the hub's cache."""
    import diffusers
    from diffusers import AutoPipelineForText2Image
    from diffusers.loaders.single_file_utils import SingleFileComponentError, fetch_diffusers_config
    from safetensors.torch import load_file

    settings = source.settings
    if settings is None:
        name = fetch_diffusers_config(load_file(source.path))["pretrained_model_name_or_path"]
        found = cached(name)
        if found is None:
            raise RequestError(
                f"{source.path.name} is made like {name}, whose settings are not in the local hub cache: "
                f"put its folder without the weights beside it as {source.path.with_suffix('').name}/"
            )
        settings = settings_of(found)
    kind = getattr(diffusers, diffusers.DiffusionPipeline.load_config(settings)["_class_name"])
    try:
        pipe = kind.from_single_file(str(source.path), config=str(settings), local_files_only=True, torch_dtype=dtype)
    except SingleFileComponentError as error:
        lines = str(error).strip().splitlines()
        part = next((line.split(" = ")[0] for line in lines if " = " in line), "a part")
        raise RequestError(f"{source.path.name} lacks its {part.replace('_', ' ')}; get the whole checkpoint") from None
    return AutoPipelineForText2Image.from_pipe(pipe)


def connected(pipe: Any, task: str) -> Any:
    """The pipeline of the same parts that starts from a picture (`image`), or from one and a mask (`mask`)."""
    with hushed():
        import diffusers

        name = {"image": "AutoPipelineForImage2Image", "mask": "AutoPipelineForInpainting"}[task]
        try:
            found = getattr(diffusers, name).from_pipe(pipe)
        except ValueError:
            what = "starts from a picture" if task == "image" else "draws a part of a picture anew"
            line = f"diffusers has no form of {type(pipe).__name__} that {what}; ask by words alone"
            raise RequestError(line) from None
        found.set_progress_bar_config(disable=True)
        return found


def native_size(pipe: Any) -> tuple[int, int]:
    """Rows and columns of the pictures that a pipeline was trained on, as far as it says."""
    net = getattr(pipe, "unet", None) or getattr(pipe, "transformer", None)
    sides = getattr(pipe, "default_sample_size", None) or (net.config.get("sample_size") if net is not None else None)
    if not sides:
        return SIDE, SIDE
    rows, columns = (sides, sides) if isinstance(sides, int) else sides
    factor = int(getattr(pipe, "vae_scale_factor", 8))
    return rows * factor, columns * factor
