"""The run folder: whole or absent, and honest about damage."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest
import torch

from conftest import TINY, stream
from huabi import durable
from huabi.checkpoint import Checkpoint, pack, unpack
from huabi.config import configure, leaves
from huabi.errors import RunError
from huabi.families import find
from huabi.model import DataSpec
from huabi.plan import Plan
from huabi.ranks import Ranks
from huabi.trainer import Trainer

SPEC = DataSpec((8, 8), 1, count=8)


def trainer(steps: int = 6) -> Trainer:
    kind = find("vae")
    torch.manual_seed(0)
    return Trainer(kind(configure(kind.Config(), TINY["vae"]), SPEC), Plan.of_steps(steps), ranks=Ranks.alone())


def saved(path: Path, at: tuple[int, ...] = (2, 4)) -> tuple[Checkpoint, Trainer]:
    """A run with states at the steps `at`."""
    training = trainer()
    header = {"family": "vae", "config": leaves(training.family.config), "spec": SPEC.to_json()}
    checkpoint = Checkpoint.create(path, header | {"rows": 4, "threads": 0, "precision": "fp32"})
    for report in training.run(stream(SPEC, 4)):
        if report.step in at:
            checkpoint.save(training)
        if report.step == at[-1]:
            break
    checkpoint.unlock()
    return checkpoint, training


@pytest.mark.parametrize("here", ["bf16", "fp32"])
def test_a_model_draws_in_bf16_only_where_the_processor_computes_in_it(
    here: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint, _ = saved(tmp_path / "run")
    checkpoint.header |= {"precision": "bf16"}
    checkpoint.write_header()
    monkeypatch.setattr("huabi.checkpoint.pick_precision", lambda device: here)
    identity = Checkpoint.load(tmp_path / "run").identity
    assert identity is not None
    assert identity.precision == here
    assert identity.threads >= 1  # 0, as what comes with Huabi has it, is as many as there are


def flip(path: Path, place: float = 0.6) -> None:
    data = bytearray(path.read_bytes())
    data[int(len(data) * place)] ^= 1
    path.write_bytes(bytes(data))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def test_tensors_round_trip_to_the_bit_with_one_metadata_key(tmp_path: Path) -> None:
    tensors = {
        "a": torch.randn(3, 4, 5, 6).to(memory_format=torch.channels_last),
        "b": torch.randn(4, 6).T,
        "c": torch.tensor(3),
        "d": torch.randn(5).bfloat16(),
        "e": torch.empty(0),
    }
    (tmp_path / "x").write_bytes(pack(tensors))
    found, digest = unpack(tmp_path / "x")
    assert all(torch.equal(found[k], tensors[k]) and found[k].dtype == tensors[k].dtype for k in tensors)
    assert pack(tensors) == pack(found)
    header = (tmp_path / "x").read_bytes()[8:]
    assert json.loads(header[: header.index(b"}", header.index(b"__metadata__")) + 1] + b"}")["__metadata__"] == {
        "sha256": digest
    }


@pytest.mark.parametrize("damage", [flip, cut, Path.unlink])
@pytest.mark.parametrize("name", ["raw.safetensors", "average.safetensors", "state.json", "manifest.json"])
def test_a_damaged_state_is_passed_over_by_name(name: str, damage: object, tmp_path: Path) -> None:
    checkpoint, _ = saved(tmp_path / "run")
    damage(checkpoint.states()[-1] / name)  # type: ignore[operator]
    fresh = trainer()
    notes = checkpoint.restore(fresh)
    assert len(notes) == 1
    assert "state 4 is damaged" in notes[0]
    assert fresh.step == 2


def test_when_every_state_is_damaged_the_weights_still_load(tmp_path: Path) -> None:
    checkpoint, training = saved(tmp_path / "run")
    for state in checkpoint.states():
        flip(state / "raw.safetensors")
    with pytest.raises(RunError, match="--init"):
        checkpoint.restore(trainer())
    loaded = Checkpoint.load(tmp_path / "run")
    assert torch.equal(next(iter(loaded.parameters())), next(iter(training.state.average.values())))


@pytest.mark.parametrize("damage", [flip, cut, Path.unlink])
def test_a_damaged_model_falls_back_on_the_last_state(damage: object, tmp_path: Path) -> None:
    checkpoint, training = saved(tmp_path / "run")
    damage(tmp_path / "run" / "model.safetensors")  # type: ignore[operator]
    with pytest.warns(UserWarning, match="using the saved state 4"):
        loaded = Checkpoint.load(tmp_path / "run")
    assert torch.equal(next(iter(loaded.parameters())), next(iter(training.state.average.values())))
    for state in checkpoint.states():
        flip(state / "average.safetensors")
    with pytest.raises(RunError, match=r"damaged|missing"):
        Checkpoint.load(tmp_path / "run")


def test_only_the_last_two_states_are_kept(tmp_path: Path) -> None:
    checkpoint, _ = saved(tmp_path / "run", at=(1, 2, 3, 4))
    assert [int(state.name) for state in checkpoint.states()] == [3, 4]


def edit(path: Path, **changes: object) -> None:
    header = json.loads((path / "run.json").read_text())
    (path / "run.json").write_text(json.dumps(header | changes))


def test_headers_of_the_future_damaged_ones_and_missing_ones(tmp_path: Path) -> None:
    saved(tmp_path / "run")
    edit(tmp_path / "run", format=99)
    with pytest.raises(RunError, match="update huabi"):
        Checkpoint.open(tmp_path / "run")
    edit(tmp_path / "run", format=1, seed=8)
    with pytest.raises(RunError, match="does not match its hash"):
        Checkpoint.open(tmp_path / "run")
    for junk in ("", "[]", "{", '{"format": 1}', '{"format": "x"}'):
        (tmp_path / "run" / "run.json").write_text(junk)
        with pytest.raises(RunError):
            Checkpoint.open(tmp_path / "run")
    with pytest.raises(RunError, match="no run in"):
        Checkpoint.open(tmp_path / "nowhere")


def test_a_run_is_held_by_one_process(tmp_path: Path) -> None:
    checkpoint, _ = saved(tmp_path / "run")
    checkpoint.lock()
    with pytest.raises(RunError, match="another process"):
        Checkpoint.open(tmp_path / "run").lock()
    checkpoint.unlock()
    other = Checkpoint.open(tmp_path / "run")
    other.lock()
    other.unlock()


@pytest.mark.parametrize("fails", ["_write", "_rename", "sync_folder"])
def test_a_full_disk_loses_nothing(fails: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint, training = saved(tmp_path / "run")
    before = {p: p.read_bytes() for p in (tmp_path / "run").rglob("*") if p.is_file()}
    next(iter(training.run(stream(SPEC, 4, training.step))))

    def full(*args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(durable, fails, full)
    with pytest.raises(RunError, match="disk is full.*--resume"):
        checkpoint.save(training)
    monkeypatch.undo()
    assert all(path.read_bytes() == data for path, data in before.items())
    Checkpoint.load(tmp_path / "run")
    assert checkpoint.restore(trainer()) == []


def test_the_log_is_cut_back_to_the_state(tmp_path: Path) -> None:
    checkpoint, _ = saved(tmp_path / "run")
    for step in (1, 2, 3, 4, 5):
        checkpoint.log({"step": step})
    with (tmp_path / "run" / "log.jsonl").open("a") as file:
        file.write('{"step": 6, "lo')  # a kill in the middle of a line
    checkpoint.forget_after(3)
    assert (tmp_path / "run" / "log.jsonl").read_text() == '{"step": 1}\n{"step": 2}\n{"step": 3}\n'
    assert [int(state.name) for state in checkpoint.states()] == [2]


def test_no_pickle_is_written(tmp_path: Path) -> None:
    saved(tmp_path / "run")
    suffixes = {p.suffix for p in (tmp_path / "run").rglob("*") if p.is_file() and p.name != "lock"}
    assert suffixes == {".json", ".safetensors"}
