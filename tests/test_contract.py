"""What every family promises; a new one is held to it by standing in FAMILIES."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import tiny_pipelines
from conftest import TINY, VARIANTS, contrast_run, stream
from huabi import families, optim
from huabi.checkpoint import Checkpoint
from huabi.config import configure, leaves
from huabi.cost import saved_bytes
from huabi.data.world.truth import FACTS
from huabi.drawing import draw
from huabi.errors import RequestError
from huabi.families.listener import Listener
from huabi.families.restorer import Restorer
from huabi.mel import BANDS, FRAMES
from huabi.model import DataSpec, Family, Identity, Matches
from huabi.plan import Plan
from huabi.ranks import Ranks
from huabi.requests import Generate, Request, Stylize, Translate, Vary
from huabi.trainer import Trainer

SPECS = {
    "labels": DataSpec((8, 8), 3, ("cat", "dog"), captions=True, count=32, weights=(0.5, 0.5)),
    "grey": DataSpec((16, 16), 1, captions=True, count=32),
    "sprites": DataSpec((8, 16), 4, ("a",), count=32, weights=(1.0,)),
    "pairs": DataSpec((16, 16), 3, ("cat", "dog"), pairing="paired", count=32, weights=(0.5, 0.5)),
    "kinds": DataSpec((8, 16), 4, pairing="unpaired", domains=("day", "night"), count=32),
    "scenes": DataSpec((16, 16), 3, ("day", "night"), count=32, weights=(0.5, 0.5), facts=FACTS),
}
NAMES = [*families.FAMILIES, *VARIANTS]


def kind_of(name: str) -> type[Family]:
    return families.find(name.partition("-")[0])


def role_of(name: str) -> tuple[tuple[type[Request], ...], tuple[str, ...]]:
    kind = kind_of(name)
    return kind.role(configure(kind.Config(), (TINY | VARIANTS)[name]))


def fits(name: str, spec: DataSpec) -> bool:
    """Whether a family learns from such data, and from what is peculiar to it."""
    needs = role_of(name)[1]
    scenes = ("classifier", "listener", "text_to_image-pixels")
    peculiar = name in scenes if spec.facts else {"target", "other"} & set(needs)
    return not spec.lacks(needs) and bool(peculiar or (spec.pairing == "none" and not spec.facts))


every_family = pytest.mark.parametrize("name", NAMES)
every_artist = pytest.mark.parametrize("name", [n for n in NAMES if Generate in role_of(n)[0]])
every_translator = pytest.mark.parametrize("name", [n for n in NAMES if Translate in role_of(n)[0]])
every_reader = pytest.mark.parametrize("name", [n for n in NAMES if hasattr(kind_of(n), "classify")])
PLAIN = {key: spec for key, spec in SPECS.items() if spec.pairing == "none"}
every_spec = pytest.mark.parametrize("spec", PLAIN.values(), ids=PLAIN.keys())
every_pair = pytest.mark.parametrize(
    ("name", "spec"),
    [
        pytest.param(name, spec, id=f"{name}-{key}")
        for name in NAMES
        for key, spec in SPECS.items()
        if fits(name, spec)
    ],
)


def spec_for(name: str) -> DataSpec:
    """The plainest that has what a family needs."""
    return next(SPECS[key] for key in ("labels", "scenes", "pairs") if not SPECS[key].lacks(role_of(name)[1]))


def build(name: str, spec: DataSpec) -> Family:
    kind, settings = kind_of(name), (TINY | VARIANTS)[name]
    if name == "lora":
        pytest.importorskip("diffusers", reason="needs huabi[lora]")
        settings = settings | {"base": tiny_pipelines.base()}
    if name == "text_to_image-embedding":
        settings = settings | {"contrast": contrast_run(spec.channels)}
    if name == "text_to_image-frozen":
        settings = settings | {"text": contrast_run()}
    torch.manual_seed(0)
    return kind(kind.fit(configure(kind.Config(), settings)), spec)


def trainer_of(name: str, spec: DataSpec, steps: int = 4, micro: int | None = None) -> Trainer:
    return Trainer(build(name, spec), Plan.of_steps(steps), micro=micro, ranks=Ranks.alone())


def train(trainer: Trainer, until: int | None = None) -> Trainer:
    for report in trainer.run(stream(trainer.family.spec, 4, trainer.step)):
        if report.step == until:
            break
    return trainer


def everything(trainer: Trainer) -> dict[str, torch.Tensor]:
    """All tensors that a run consists of, by name."""
    found = {f"raw.{k}": v for k, v in trainer.family.state_dict().items()}
    found |= {f"average.{k}": v for k, v in trainer.state.average.items()}
    for name, optimizer in trainer.optimizers.items():
        for index, entries in optimizer.state_dict()["state"].items():
            found |= {f"{name}.{index}.{k}": v for k, v in entries.items() if isinstance(v, torch.Tensor)}
    return found


def told(family: Family) -> str | None:
    """What a translator with labels must be told."""
    return "cat" if family.spec.labels else None


def answer(family: Family) -> torch.Tensor:
    """What a family makes of fixed requests or pictures."""
    if Generate in family.requests:
        *_, drawn = family.sample([Generate(seed=i, label="cat") for i in range(2)])
        return drawn
    if Vary in family.requests:
        *_, drawn = family.sample([Vary(image=np.full((8, 8, 3), 90 * i, np.uint8), seed=i) for i in range(2)])
        return drawn
    if Translate in family.requests:
        pictures = [np.full((16, 16, 3), shade, np.uint8) for shade in (0, 90)]
        *_, drawn = family.sample([Translate(image=picture, to=told(family)) for picture in pictures])
        return drawn
    if Stylize in family.requests:
        shades = np.linspace(0, 255, 768).astype(np.uint8).reshape(16, 16, 3)
        *_, drawn = family.sample([Stylize(image=shades, styles=(255 - shades,))])
        return drawn
    x = torch.linspace(-1, 1, 2 * 192).reshape(2, 3, 8, 8)
    if isinstance(family, Restorer):
        return family.restore(x)
    if isinstance(family, Matches):
        return torch.cat([family.embed(x), family.embed_text(["a cat", "一只狗"])])
    if isinstance(family, Listener):
        heard = family.hear(torch.linspace(-1, 1, 2 * BANDS * FRAMES).reshape(2, BANDS, FRAMES))
        return torch.tensor([[share for words in one.values() for share in words.values()] for one in heard])
    return family.classify(x)


@every_pair
def test_two_steps_move_the_weights_and_stay_finite(name: str, spec: DataSpec) -> None:
    trainer = trainer_of(name, spec, steps=2)
    before = {k: v.clone() for k, v in trainer.family.state_dict().items()}
    for report in trainer.run(stream(spec, 4)):
        assert not report.alarms
        assert all(torch.tensor(v).isfinite() for v in report.losses.values())
    assert trainer.step == 2
    assert any(not torch.equal(v, before[k]) for k, v in trainer.family.state_dict().items())


@every_pair
def test_a_resumed_run_equals_one_in_one_go_to_the_bit(name: str, spec: DataSpec, tmp_path: Path) -> None:
    straight = train(trainer_of(name, spec))
    checkpoint = Checkpoint.create(tmp_path / "run", {"family": name})
    checkpoint.save(train(trainer_of(name, spec), until=2))
    resumed = trainer_of(name, spec)
    torch.nn.init.normal_(next(resumed.family.parameters()))  # nothing may be left of the fresh start
    assert checkpoint.restore(resumed) == []
    assert resumed.step == 2
    train(resumed)
    expected, found = everything(straight), everything(resumed)
    assert expected.keys() == found.keys()
    different = [k for k in expected if not torch.equal(expected[k], found[k])]
    assert different == []


@every_family
def test_accumulation_equals_the_whole_batch_or_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optim, "product_type", lambda device: torch.float32)  # bf16 would round the two differently
    spec = spec_for(name)
    if build(name, spec).whole_batch:
        pytest.skip("its statistics are over the whole batch")
    whole, split = train(trainer_of(name, spec, 2)), train(trainer_of(name, spec, 2, micro=1))
    for key, value in everything(whole).items():
        if key.startswith("average."):
            torch.testing.assert_close(value, everything(split)[key], atol=1e-4, rtol=1e-3)


@every_family
def test_micro_batches_hold_the_memory_of_one(name: str) -> None:
    spec = replace(spec_for(name), size=(16, 16))
    if build(name, spec).whole_batch:
        pytest.skip("its batch is never split")
    assert saved_bytes(build(name, spec), 8, micro=2) <= 1.1 * saved_bytes(build(name, spec), 2)


@every_translator
@pytest.mark.parametrize("size", [(1, 1), (5, 21), (40, 16), (100, 33)])
def test_translations_have_the_size_of_their_picture(name: str, size: tuple[int, int]) -> None:
    family = train(trainer_of(name, spec_for(name), 2)).family.eval()
    picture = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    *_, made = family.sample([Translate(image=picture, to=told(family))])
    assert made.shape == (1, 3, *size)
    assert bool(made.isfinite().all())


@every_translator
def test_a_translation_is_the_same_alone_and_among_others(name: str) -> None:
    family = train(trainer_of(name, spec_for(name), 2)).family.eval()
    family.identity = Identity(rows=4)
    rng = np.random.default_rng(0)
    sizes = [(16, 16), (9, 30), (16, 16), (16, 16), (9, 30), (16, 16)]
    pictures = [rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in sizes]
    requests = [Translate(image=picture, to=told(family), seed=i) for i, picture in enumerate(pictures)]
    together = {position: picture.tobytes() for position, picture, _ in draw(family, requests)}
    assert len(set(together.values())) == len(sizes)
    for position, request in enumerate(requests):
        [(_, alone, _)] = draw(family, [request])
        assert alone.tobytes() == together[position]


@every_artist
@every_spec
def test_samples_have_the_datas_shape_and_range(name: str, spec: DataSpec) -> None:
    family = train(trainer_of(name, spec, 2)).family.eval()
    label = spec.labels[-1] if spec.labels else None
    for estimate in family.sample([Generate(seed=i, label=label) for i in range(3)]):
        shown = family.decode(estimate)
        assert shown.shape == (3, *spec.shape)
        assert bool(shown.isfinite().all())
        assert shown.abs().max() <= 1


@every_artist
def test_a_picture_is_the_same_alone_and_among_others(name: str) -> None:
    spec = SPECS["labels"]
    family = train(trainer_of(name, spec, 2)).family.eval()
    family.identity = Identity(rows=4)
    requests = [Generate(seed=i, label=spec.labels[i % 2] if i % 3 else None) for i in range(6)]
    together = {p: picture.tobytes() for p, picture, _ in draw(family, requests)}
    assert sorted(together) == list(range(6))
    assert len(set(together.values())) > 1
    for position, request in enumerate(requests):
        [(_, alone, _)] = draw(family, [request])
        assert alone.tobytes() == together[position]


@every_artist
@pytest.mark.filterwarnings("ignore:TF32")  # said by the switch itself
def test_other_kernels_draw_the_same_picture_within_two_levels(name: str) -> None:
    family = train(trainer_of(name, SPECS["grey"], 4)).family.eval()
    family.identity = Identity(rows=4, precision="fp32")
    for parameter in family.parameters():  # fresh nets draw little: let every part of them speak
        parameter.data.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0)), alpha=0.1)

    def drawn() -> np.ndarray:
        pictures = draw(family, [Generate(seed=seed) for seed in range(4)])
        return np.stack([np.asarray(picture, int) for _, picture, _ in sorted(pictures, key=lambda found: found[0])])

    here = drawn()
    assert here.std() > 5  # a picture, and not one grey
    with torch.backends.mkldnn.flags(enabled=False):
        elsewhere = drawn()
    assert np.abs(here - elsewhere).max() <= 2


@every_artist
def test_the_seed_and_nothing_else_decides_a_picture(name: str) -> None:
    family = train(trainer_of(name, SPECS["grey"], 2)).family.eval()
    first, other = Generate(seed=5), Generate(seed=6)
    torch.manual_seed(1)
    *_, a = family.sample([first, other])
    torch.manual_seed(2)
    *_, b = family.sample([first, other])
    assert torch.equal(a, b)
    assert not torch.equal(a[0], a[1])


@every_reader
def test_a_picture_is_read_the_same_alone_and_among_others(name: str) -> None:
    spec = SPECS["labels"]
    family = train(trainer_of(name, spec, 2)).family.eval()
    x = torch.rand(6, *spec.shape, generator=torch.Generator().manual_seed(0)) * 2 - 1
    logits = family.classify(x)
    assert logits.shape == (6, 2)
    for row in range(6):
        torch.testing.assert_close(family.classify(x[row : row + 1])[0], logits[row], atol=1e-4, rtol=1e-4)
    with pytest.raises(RequestError, match="draws none"):
        list(family.sample([Generate()]))


@every_artist
def test_walks_begin_and_end_at_their_seeds(name: str) -> None:
    spec = SPECS["grey"]
    family = train(trainer_of(name, spec, 2)).family.eval()
    walk = [Generate(seed=3, between=(3, 4), fraction=f) for f in (0.0, 0.5, 1.0)]
    *_, frames = family.sample([*walk, Generate(seed=3), Generate(seed=4)])
    torch.testing.assert_close(frames[0], frames[3], atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(frames[2], frames[4], atol=1e-4, rtol=1e-3)
    assert not torch.allclose(frames[1], frames[0], atol=1e-4)


@every_artist
def test_an_unknown_label_names_the_nearest(name: str) -> None:
    family = build(name, SPECS["labels"]).eval()
    with pytest.raises(RequestError, match="did you mean 'dog'"):
        list(family.sample([Generate(label="dogs")]))


@every_family
def test_settings_are_plain_and_unknown_ones_name_the_nearest(name: str) -> None:
    kind = kind_of(name)
    known = leaves(kind.Config())
    assert json.loads(json.dumps(known)) is not None
    assert configure(kind.Config(), known) == kind.Config()
    assert {"batch", "ema", "warmup"} <= known.keys()
    with pytest.raises(RequestError, match="did you mean 'batch'"):
        configure(kind.Config(), {"bach": 4})


@every_family
def test_requests_have_a_schema_and_survive_json(name: str) -> None:
    for request in kind_of(name).requests:
        schema = request.model_json_schema()
        assert schema["additionalProperties"] is False
        assert json.dumps(schema)
    asked = Generate(seed=3, label="cat", steps=4)
    assert Generate.model_validate_json(asked.model_dump_json()) == asked


@every_family
def test_a_saved_model_loads_from_its_folder_alone(name: str, tmp_path: Path) -> None:
    spec = spec_for(name)
    trainer = train(trainer_of(name, spec, 2))
    header = {
        "family": trainer.family.name,
        "config": leaves(trainer.family.config),
        "spec": spec.to_json(),
        "rows": 4,
        "threads": 0,
        "precision": "fp32",
    }
    Checkpoint.create(tmp_path / "run", header).save(trainer)
    loaded = Checkpoint.load(tmp_path / "run")
    fresh = answer(loaded)
    with trainer.averaged() as family:
        known = answer(family)
    torch.testing.assert_close(fresh, known, atol=1e-5, rtol=1e-4)  # memory formats differ
    assert loaded.identity is not None
    assert len(loaded.identity.hash) == 64


def test_the_table_lists_every_family_file() -> None:
    files = {p.stem for p in Path(families.__file__).parent.glob("[a-z]*.py")}
    assert files == {target.split(":")[0].rsplit(".", 1)[1] for target in families.FAMILIES.values()}
    for name in families.FAMILIES:
        assert families.find(name).name == name


def test_an_unknown_family_names_the_nearest() -> None:
    with pytest.raises(RequestError, match="did you mean 'diffusion'.*known: .*diffusion.*"):
        families.find("difusion")
