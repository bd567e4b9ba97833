"""The run folder: what a training run leaves on the disk, and how it goes on from there.

    run.json            what the run is: family, settings, data, plan and every later change of it
    model.safetensors   averaged weights, all that loading needs besides run.json; the best ones where they are judged
    state/<step>/       raw weights, optimizers and step; the last two are kept
    log.jsonl, previews/

Nothing here is a pickle, and each file carries a hash of what it holds.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor

from .config import configure
from .durable import explained, sha256, write_file, write_folder, write_json
from .errors import RunError
from .machine import pick_precision, pick_threads
from .model import DataSpec, Family, Identity
from .trainer import Best, Trainer, sampled_tensors

FORMAT = 1
STATES_KEPT = 2


def tensors_hash(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, types, shapes and values: the identity of a set of weights."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name}|{tensor.dtype}|{tuple(tensor.shape)}|".encode())
        digest.update(tensor.contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def pack(tensors: Mapping[str, Tensor]) -> bytes:
    """The tensors as a safetensors file that carries their hash."""
    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    return to_bytes(whole, metadata={"sha256": tensors_hash(whole)})


def unpack(path: Path) -> tuple[dict[str, Tensor], str]:
    """The tensors of a file that `pack` made and their hash; a damaged file raises `RunError`."""
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
            expected = (file.metadata() or {}).get("sha256")
    except FileNotFoundError:
        raise RunError(f"{path} is missing; train the run to its first save, or copy the file back") from None
    except (SafetensorError, OSError) as error:
        raise RunError(f"{path} is damaged ({error}); restore it from a copy, or go on with --resume") from None
    if tensors_hash(tensors) != expected:
        raise RunError(f"{path} is damaged (its content does not match its hash); restore it, or go on with --resume")
    return tensors, expected


class Checkpoint:
    """A run folder. `create` and `open` make one; `Checkpoint.load(path)` returns the model alone."""

    def __init__(self, path: Path, header: dict[str, Any]) -> None:
        self.path, self.header = path, header
        self._lock = FileLock(path / "lock")

    @classmethod
    def create(cls, path: Path, header: dict[str, Any]) -> Checkpoint:
        """A new run folder; one that holds a run already raises `RunError`."""
        if (path / "run.json").exists():
            raise RunError(f"{path} holds a run already: add --resume to go on with it, or choose another --out")
        if path.exists() and not path.is_dir():
            raise RunError(f"{path} is a file; choose a folder for --out")
        try:
            (path / "previews").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(f"cannot make {path}: {error.strerror}; choose a folder that can be written to") from None
        checkpoint = cls(path, {"format": FORMAT, **header})
        checkpoint.lock()
        if (path / "run.json").exists():  # another process was faster
            raise RunError(f"{path} holds a run already: add --resume to go on with it, or choose another --out")
        checkpoint.write_header()
        return checkpoint

    @classmethod
    def open(cls, path: Path) -> Checkpoint:
        """An existing run; a missing, damaged or future one raises `RunError`."""
        try:
            header = json.loads((path / "run.json").read_text(encoding="utf-8"))
            version = int(header["format"])
            digest = header.pop("sha256", None)
        except (FileNotFoundError, NotADirectoryError):
            raise RunError(f"no run in {path} (it has no run.json); `huabi train ... --out {path}` makes one") from None
        except (ValueError, KeyError, TypeError):
            raise RunError(f"{path / 'run.json'} is damaged; restore it from a copy") from None
        if version > FORMAT:
            raise RunError(f"{path} is of run format {version}, this Huabi reads up to {FORMAT}; update huabi")
        if digest != _header_hash(header):
            raise RunError(f"{path / 'run.json'} is damaged (it does not match its hash); restore it from a copy")
        return cls(path, header)

    @property
    def finished(self) -> bool:
        """Whether the run came to the end of its plan."""
        return any(event.get("finished") for event in self.header.get("events", [])[-1:])

    def lock(self) -> None:
        """Holds the run for this process; raises `RunError` where another one holds it."""
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise RunError(
                f"another process is training in {self.path}; wait for it to end, or choose another --out"
            ) from None

    def unlock(self) -> None:
        self._lock.release()

    def write_header(self) -> None:
        path = self.path / "run.json"
        with explained(path):
            write_json(path, self.header | {"sha256": _header_hash(self.header)})

    def add_event(self, event: dict[str, Any]) -> None:
        """Writes a change of plan to the disk; the caller acts on it afterwards."""
        self.header["events"] = [*self.header.get("events", []), event]
        self.write_header()

    def save(self, trainer: Trainer) -> None:
        """Puts the trainer's whole state and the averaged weights on the disk, and drops states before the last two."""
        files = {"raw.safetensors": pack(trainer.family.state_dict())}
        files["average.safetensors"] = chosen = pack(trainer.state.average)
        numbers: dict[str, Any] = {}
        for name, optimizer in trainer.optimizers.items():
            tensors, numbers[name] = _split_optimizer(optimizer.state_dict())
            files[f"optimizer-{name}.safetensors"] = pack(tensors)
        state = {"step": trainer.step, "seconds": trainer.seconds, "bad": trainer.state.bad, "optimizers": numbers}
        state["judged"] = trainer.state.judged
        if best := trainer.state.best:
            files["best.safetensors"] = chosen = pack(best.average)
            state["best"] = {"step": best.step, "kernel_distance": best.distance}
        files["state.json"] = json.dumps(state).encode()
        manifest = {name: sha256(data) for name, data in files.items()}
        files["manifest.json"] = json.dumps(manifest, indent=1).encode()
        folder = self.path / "state" / f"{trainer.step:08d}"
        with explained(folder):
            write_folder(folder, files)
        self.write_model(chosen)
        for old in self.states()[:-STATES_KEPT]:
            shutil.rmtree(old, ignore_errors=True)

    def write_model(self, chosen: bytes) -> None:
        """Puts packed averaged weights where loading looks for them."""
        path = self.path / "model.safetensors"
        with explained(path):
            write_file(path, chosen)

    def best(self) -> dict[str, Any] | None:
        """Which step the model is of and its distance to held-out pictures, where the run is judged by it."""
        for folder in reversed(self.states()):
            try:
                found: dict[str, Any] | None = json.loads((folder / "state.json").read_bytes()).get("best")
            except (OSError, ValueError):
                continue  # damaged: the one before stands in, as in `restore`
            return found
        return None

    def states(self) -> list[Path]:
        """The saved states, oldest first."""
        folder = self.path / "state"
        return sorted(p for p in folder.iterdir() if p.name.isdigit()) if folder.is_dir() else []

    def restore(self, trainer: Trainer) -> list[str]:
        """Brings the trainer to the latest whole state; returns a line for each damaged one that it passed over.

        A run without a state is left at step 0; one whose states are all damaged raises `RunError`.
        """
        notes: list[str] = []
        for folder in reversed(self.states()):
            damage = _damage(folder)
            if damage is None:
                _restore_state(folder, trainer)
                return notes
            notes.append(f"state {int(folder.name)} is damaged ({damage}); going on from an earlier one")
        if notes:
            raise RunError(
                f"every state of {self.path} is damaged; train a new run from its weights with --init {self.path}"
            )
        return []

    def sweep(self) -> None:
        """Removes what a killed process left half written."""
        for folder in (self.path, self.path / "state", self.path / "previews"):
            for left in folder.glob(".*.tmp"):
                if left.is_dir():
                    shutil.rmtree(left, ignore_errors=True)
                else:
                    left.unlink(missing_ok=True)

    def log(self, entry: dict[str, Any]) -> None:
        path = self.path / "log.jsonl"
        with explained(path), path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry, ensure_ascii=False) + "\n")

    def settle(self, trainer: Trainer) -> None:
        """Makes the whole folder say what the restored trainer says: a kill may have fallen between two files."""
        if trainer.step:
            chosen = pack(trainer.state.chosen)
            model = self.path / "model.safetensors"
            if not model.exists() or model.read_bytes() != chosen:
                self.write_model(chosen)
        self.forget_after(trainer.step)

    def forget_after(self, step: int) -> None:
        """Drops what the folder holds of steps after `step`: they will be trained again."""
        for folder in self.states():
            if int(folder.name) > step:
                shutil.rmtree(folder, ignore_errors=True)
        path = self.path / "log.jsonl"
        if not path.exists():
            return
        kept = []
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                if json.loads(line)["step"] <= step:
                    kept.append(line)
            except (ValueError, KeyError):
                continue  # the line that a kill cut short
        with explained(path):
            write_file(path, "".join(line + "\n" for line in kept).encode())

    def load_weights(self, family: Family) -> str:
        """Copies the averaged weights into `family`; returns their hash.

        Where model.safetensors is damaged or missing, those of the latest whole state stand in, with a warning.
        """
        try:
            tensors, digest = unpack(self.path / "model.safetensors")
        except RunError as error:
            whole = [folder for folder in self.states() if _damage(folder) is None]
            if not whole:
                raise
            warnings.warn(f"{error}; using the saved state {int(whole[-1].name)}", stacklevel=2)
            best = whole[-1] / "best.safetensors"
            tensors, digest = unpack(best if best.exists() else whole[-1] / "average.safetensors")
        _copy_in(sampled_tensors(family), tensors, self.path)
        return digest

    @classmethod
    def load(cls, path: Path | str, device: torch.device | str = "cpu") -> Family:
        """The trained model of a run folder, on `device`, ready to sample. Runs no code from the folder."""
        from .families import find
        from .memory import Memory

        checkpoint = cls.open(Path(path))
        header = checkpoint.header
        kind = find(header["family"])
        config = configure(kind.Config(), header["config"])
        family = kind(config, DataSpec.from_json(header["spec"]))
        digest = checkpoint.load_weights(family)
        family = family.to(device).eval()
        here = pick_precision(family.device)  # bf16 is worth it where the processor computes in it
        family.identity = Identity(
            hash=digest,
            family=header["family"],
            rows=header["rows"],
            threads=header["threads"] or pick_threads(),
            precision=header["precision"] if here == "bf16" else here,
            device=family.device.type,
        )
        family.memory = Memory.open(checkpoint.path)
        return family


def _header_hash(header: dict[str, Any]) -> str:
    return sha256(json.dumps(header, sort_keys=True).encode())


def _damage(folder: Path) -> str | None:
    """What is wrong with a saved state, or None."""
    try:
        manifest = json.loads((folder / "manifest.json").read_bytes())
        for name, expected in manifest.items():
            if sha256((folder / name).read_bytes()) != expected:
                return f"{name} does not match its hash"
    except FileNotFoundError as error:
        return f"{Path(error.filename).name} is missing"
    except (OSError, ValueError, AttributeError):
        return "its manifest cannot be read"
    return None


def _copy_in(targets: Mapping[str, Tensor], tensors: Mapping[str, Tensor], path: Path) -> None:
    """Copies by name; the file's tensors are misaligned for fast kernels, so they are never used themselves."""
    if targets.keys() != tensors.keys() or any(targets[n].shape != tensors[n].shape for n in targets):
        raise RunError(f"the weights in {path} do not fit this family and its settings; use the Huabi that wrote them")
    with torch.no_grad():
        for name, target in targets.items():
            target.copy_(tensors[name])


def _restore_state(folder: Path, trainer: Trainer) -> None:
    _copy_in(trainer.family.state_dict(keep_vars=True), unpack(folder / "raw.safetensors")[0], folder)
    _copy_in(trainer.state.average, unpack(folder / "average.safetensors")[0], folder)
    state = json.loads((folder / "state.json").read_bytes())
    for name, optimizer in trainer.optimizers.items():
        tensors = unpack(folder / f"optimizer-{name}.safetensors")[0]
        _join_optimizer(optimizer, tensors, state["optimizers"][name])
    trainer.state.step, trainer.state.seconds, trainer.state.bad = state["step"], state["seconds"], state["bad"]
    trainer.state.judged = state.get("judged", 0)
    if best := state.get("best"):
        tensors = {name: torch.empty_like(value) for name, value in trainer.state.average.items()}
        _copy_in(tensors, unpack(folder / "best.safetensors")[0], folder)
        trainer.state.best = Best(best["step"], best["kernel_distance"], tensors)


def _split_optimizer(state: dict[str, Any]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """An optimizer's state_dict as tensors by name and the rest as JSON."""
    tensors: dict[str, Tensor] = {}
    rest: dict[str, Any] = {}
    for index, entries in state["state"].items():
        for key, value in entries.items():
            if isinstance(value, Tensor):
                tensors[f"{index}.{key}"] = value
            else:
                rest[f"{index}.{key}"] = value
    return tensors, {"groups": state["param_groups"], "rest": rest}


def _join_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor], saved: dict[str, Any]) -> None:
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state: dict[int, dict[str, Any]] = {}
    for name, tensor in tensors.items():
        index, key = name.split(".", 1)
        like = parameters[int(index)]
        fresh = torch.empty_like(like, dtype=tensor.dtype) if like.shape == tensor.shape else torch.empty_like(tensor)
        state.setdefault(int(index), {})[key] = fresh.detach().copy_(tensor)
    for name, value in saved["rest"].items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = value
    groups = [{k: tuple(v) if k == "betas" else v for k, v in group.items()} for group in saved["groups"]]
    optimizer.load_state_dict({"state": state, "param_groups": groups})
