"""Where a big model lies and what is in it, looked at before any of it is loaded.

Nothing here imports diffusers: what is refused is refused before code of the model's libraries runs. Only safetensors
are loaded, and only classes of diffusers and transformers themselves.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from textwrap import shorten
from typing import Any

from filelock import FileLock

from ..durable import explained, write_json
from ..errors import RequestError
from ..index import home

INDEX = "model_index.json"
PICKLES = {".bin", ".ckpt", ".pickle", ".pkl", ".pt", ".pth"}
SETTINGS = {".json", ".model", ".txt"}  # all that decides a picture, beside the weights
HUB = "hf:"
NEEDED = ("diffusers", "transformers", "accelerate")
_ID = re.compile(r"[\w.-]+/[\w.-]+")
_SIGNS = ("lora_A", "lora_B", "lora_down", "lora_up", "lora.down", "lora.up")  # in names of adapters' tensors
_WEIGHTLESS = ("FeatureExtractor", "Processor", "Scheduler", "Tokenizer")


def is_pipeline(name: str | Path) -> bool:
    """Whether `name` means a big model, and not a run: by its form and place alone, nothing is loaded."""
    path = Path(name)
    if path.is_dir():
        return (path / INDEX).is_file()
    if path.is_file():
        return path.suffix.lower() in PICKLES | {".safetensors"}
    return str(name).startswith(HUB) or (is_id(name) and cached(str(name)) is not None)


def is_id(name: str | Path) -> bool:
    """Whether `name` has the form of a hub's name, `owner/name`."""
    return _ID.fullmatch(str(name)) is not None


@dataclass(frozen=True)
class Source:
    """A big model on the disk that was found safe to load.

    Attributes:
        path: a folder with model_index.json, or one `.safetensors` file.
        components: of a folder, the class of each part by its name.
        variant: `fp16` where the weights lie in files of that name alone.
        settings: of one file, the folder with model_index.json that lies beside it, if one does.
    """

    path: Path
    components: dict[str, str]
    variant: str | None = None
    settings: Path | None = None

    @classmethod
    def of(cls, name: str | Path) -> Source:
        """The model called `name`; raises `RequestError` where it is missing, incomplete or not safe to load."""
        path = located(str(name))
        if path.is_file():
            if path.suffix.lower() in PICKLES:
                raise RequestError(f"{path.name} is a pickle, which can run code: get it as .safetensors instead")
            if holds_adapters(path):
                raise RequestError(f"{path.name} holds adapters alone: say BASE+{path.name}, with the model's name")
            require(*NEEDED)
            beside = next((f for f in (path.with_suffix(""), path.parent) if (f / INDEX).is_file()), None)
            return cls(path, {}, settings=settings_of(beside) if beside else None)
        found = cls(path, _components(path))
        half = [part for part in found.weighted if not _plain(_weights(path, part))]
        require(*NEEDED)
        return replace(found, variant="fp16") if half else found

    @property
    def single(self) -> bool:
        return self.path.is_file()

    @property
    def weighted(self) -> list[str]:
        """The parts that hold weights."""
        return [part for part, kind in self.components.items() if not kind.endswith(_WEIGHTLESS)]

    def files(self) -> list[Path]:
        """All that is loaded, in the order of their names."""
        if self.single:
            return [self.path]
        settings = [file for part in self.components for file in (self.path / part).rglob("*")]
        weights = [file for part in self.weighted for file in self._chosen(part)]
        kept = [file for file in settings if file.suffix.lower() in SETTINGS and file.is_file()]
        return sorted([self.path / INDEX, *kept, *weights])

    @cached_property
    def sizes(self) -> dict[str, int]:
        """How many numbers each part holds; a single file counts as one part."""
        if self.single:
            return {"": _numbers(self.path)}
        return {part: sum(_numbers(file) for file in self._chosen(part)) for part in self.weighted}

    def _chosen(self, part: str) -> list[Path]:
        files = _weights(self.path, part)
        half = [file for file in files if ".fp16" in file.name]
        return half if self.variant and half else _plain(files)

    def hash(self) -> str:
        """SHA-256 over the names and contents of all files that are loaded; each file's is kept until it changes."""
        digest = hashlib.sha256()
        root = self.path.parent if self.single else self.path
        for file in self.files():
            name = "" if self.single else file.relative_to(root).as_posix()  # a renamed file is the same model
            digest.update(f"{name}|{content(file)}\n".encode())
        return digest.hexdigest()


def require(*packages: str) -> None:
    """Raises `RequestError` that says what to install where one of `packages` is missing."""
    for package in packages:
        if find_spec(package) is None:
            extra = "lora" if package == "peft" else "diffusers"
            raise RequestError(f"this needs {package}: pip install 'huabi[{extra}]'")


def located(name: str) -> Path:
    """The folder or file of the model called `name`, downloaded where it begins with `hf:` and is not here yet."""
    if name.startswith(HUB):
        return _downloaded(name.removeprefix(HUB))
    path = Path(name)
    if path.exists():
        return path
    found = cached(name) if is_id(name) else None
    if found is None:
        raise RequestError(
            f"no model in {name}: it is no folder or file here, nor in the local hub cache; write hf:owner/name to "
            "download one"
        )
    return found


def cached(repository: str) -> Path | None:
    """The snapshot of a hub's repository in the local cache, or None; never asks the network."""
    if find_spec("huggingface_hub") is None:
        return None
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(repository, INDEX)
    return Path(found).parent if isinstance(found, str) else None


def _downloaded(repository: str) -> Path:
    """The snapshot of a hub's repository, from the cache or else from the hub: its safetensors and settings alone."""
    if not is_id(repository):
        raise RequestError(f"hf:{repository}: write it as hf:owner/name")
    if (found := cached(repository)) is not None and _whole(found):
        return found
    from diffusers import DiffusionPipeline
    from diffusers.utils import logging as above
    from huggingface_hub.utils import logging as below

    for library in (above, below):  # their notices would stand beside the one line that says what is wrong
        library.set_verbosity_error()
    try:
        return Path(DiffusionPipeline.download(repository, use_safetensors=True))
    except Exception as error:  # its libraries raise a score of kinds: offline, unknown, gated, broken off
        why = shorten(str(error).partition("\n")[0], 160, placeholder=" ...")
        raise RequestError(f"cannot get {repository} from the hub ({why}); or give a folder that holds it") from None


def _whole(folder: Path) -> bool:
    """Whether a folder has all that it names; a download may have broken off."""
    try:
        Source.of(folder)
    except RequestError:
        return False
    return True


def settings_of(folder: Path) -> Path:
    """`folder`, by whose settings a checkpoint in one file is loaded, once they were found safe."""
    _components(folder)
    pickles = sorted(found.name for found in folder.glob("*/*") if found.suffix in PICKLES)
    if pickles:
        raise RequestError(f"{folder} holds a pickle ({pickles[0]}), which can run code: remove it")
    return folder


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RequestError(f"{path} is missing; get the whole model again") from None
    except (OSError, ValueError):
        raise RequestError(f"{path} cannot be read as JSON; get the whole model again") from None


def _components(folder: Path) -> dict[str, str]:
    """The class of each part that model_index.json names; code or models from elsewhere raise `RequestError`."""
    index = _json(folder / INDEX)
    if not isinstance(index, dict) or not isinstance(index.get("_class_name"), str):
        raise RequestError(f"{folder} wants code of its own for its pipeline; only diffusers' own classes are loaded")
    found = {}
    for part, value in index.items():
        if part.startswith("_") or not isinstance(value, list) or value[:1] == [None]:
            continue
        if len(value) != 2 or not all(isinstance(v, str) and v.isidentifier() for v in value) or not _known(value[0]):
            raise RequestError(
                f"{folder}: its {part} wants code from {value[0]!r}; only diffusers' and transformers' own classes "
                "are loaded"
            )
        _check_settings(folder, part)
        found[part] = value[1].removesuffix("Fast")
    return found


def _known(library: str) -> bool:
    """Whether a part's library is transformers, diffusers, or one of diffusers' own pipeline modules."""
    spec = find_spec("diffusers")
    if library in ("diffusers", "transformers") or spec is None or spec.origin is None:
        return library in ("diffusers", "transformers")
    return (Path(spec.origin).parent / "pipelines" / library).is_dir()


def _check_settings(folder: Path, part: str) -> None:
    """Refuses a part whose settings name code or another model to fetch."""
    for file in sorted((folder / part).rglob("*.json")):
        if file.name == "adapter_config.json":
            raise RequestError(f"{folder}: its {part} is an adapter of another model; merge them first")
        if "config" in file.name and _names_code(_json(file)):
            raise RequestError(f"{folder}: {part}/{file.name} wants code of its own (auto_map); it is never run")


def _names_code(settings: Any) -> bool:
    if isinstance(settings, dict):
        return "auto_map" in settings or any(map(_names_code, settings.values()))
    return isinstance(settings, list) and any(map(_names_code, settings))


def _weights(folder: Path, part: str) -> list[Path]:
    """The safetensors of a part; raises `RequestError` where there are none."""
    place = folder / part
    found = sorted(place.glob("*.safetensors"))
    if found:
        return found
    name = "VAE" if part == "vae" else part.replace("_", " ")
    pickles = sorted(file.name for file in place.glob("*") if file.suffix in PICKLES)
    if pickles:
        raise RequestError(f"{folder}: its {name} is a pickle ({pickles[0]}), which can run code: get safetensors")
    raise RequestError(f"{folder} has no {name}: {part}/*.safetensors is missing; get the whole model")


def _plain(files: list[Path]) -> list[Path]:
    """Those of `files` that are no variant: `model.safetensors`, and not `model.fp16.safetensors`."""
    return [file for file in files if "." not in file.stem]


def keys(file: Path) -> list[str]:
    """The names of a safetensors file's tensors, from its header alone; a damaged one raises `RequestError`."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="np") as opened:
            return list(opened.keys())
    except (OSError, SafetensorError):
        raise RequestError(f"{file} is no whole safetensors file; get it again") from None


def holds_adapters(file: Path) -> bool:
    """Whether a safetensors file holds adapters of a model; a damaged one raises `RequestError`."""
    return any(sign in key for key in keys(file) for sign in _SIGNS)


def shapes(file: Path) -> Iterator[tuple[int, ...]]:
    """The shapes of a safetensors file's tensors, from its header alone; a damaged one raises `RequestError`."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="np") as opened:
            return iter([tuple(opened.get_slice(key).get_shape()) for key in opened.keys()])  # noqa: SIM118
    except (OSError, SafetensorError):
        raise RequestError(f"{file} is no whole safetensors file; get it again") from None


def _numbers(file: Path) -> int:
    total = 0
    for shape in shapes(file):
        count = 1
        for side in shape:
            count *= side
        total += count
    return total


def content(file: Path) -> str:
    """A file's SHA-256, kept by its place, size and time: tens of gigabytes are read once."""
    stat = file.stat()
    key = f"{file.resolve()}|{stat.st_size}|{stat.st_mtime_ns}"
    folder = home()
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / "hashes.json"
    with FileLock(folder / "hashes.lock"), explained(kept):
        try:
            known = json.loads(kept.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            known = {}
        if key not in known:
            with file.open("rb") as opened:
                known[key] = hashlib.file_digest(opened, "sha256").hexdigest()
            write_json(kept, known)
    return str(known[key])
