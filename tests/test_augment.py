"""Augmentation: each operation against a closed form, nothing at p = 0, gradients, and the probability's course."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from conftest import stream
from huabi.checkpoint import Checkpoint
from huabi.config import configure, leaves
from huabi.errors import RequestError
from huabi.model import Batch, DataSpec, Family, Update
from huabi.nets.augment import ADA, Augment, Auto, DiffAugment, Off, ada, diffaugment, recolour, resample
from huabi.plan import Plan
from huabi.ranks import Ranks
from huabi.rng import BatchRng, generator
from huabi.trainer import Trainer

GATES = ("flip", "turn", "whole", "scale", "first", "stretch", "second", "part")
GATES += ("brightness", "contrast", "luma", "hue", "saturation")
SHAPES = [(3, 3, 16, 16), (3, 1, 12, 12), (3, 4, 8, 16), (2, 3, 8, 100), (2, 4, 9, 7)]


def pictures(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=generator("pictures", seed)) * 2 - 1


class Scripted:
    """Draws for every row alike: the operations that are named and no others, with these values."""

    def __init__(self, rows: int, *gates: str, uniform: float = 0.5, normal: tuple[float, ...] = (0.0,) * 7) -> None:
        self.rows, self.normals = rows, torch.tensor(normal)
        self.uniforms = iter([torch.tensor([0.0 if g in gates else 1.0 for g in GATES]), torch.full((6,), uniform)])

    def uniform(self, count: int) -> Tensor:
        values = next(self.uniforms)
        assert len(values) == count
        return values.expand(self.rows, count)

    def normal(self, count: int) -> Tensor:
        assert len(self.normals) == count
        return self.normals.expand(self.rows, count)


def normals(**values: float) -> tuple[float, ...]:
    order = ("scale", "stretch", "right", "down", "brightness", "contrast", "saturation")
    return tuple(values.get(name, 0.0) for name in order)


def only(x: Tensor, gate: str, uniform: float = 0.5, **values: float) -> Tensor:
    return ada(x, 0.5, Scripted(len(x), gate, uniform=uniform, normal=normals(**values)))


def ramp(height: int = 9, width: int = 9) -> tuple[Tensor, Tensor]:
    """Columns and rows (H, W) from the centre: bilinear sampling of what is linear in them is exact."""
    columns = torch.arange(width) - (width - 1) / 2
    rows = torch.arange(height) - (height - 1) / 2
    return columns.expand(height, width), rows[:, None].expand(height, width)


@pytest.mark.parametrize("shape", SHAPES)
def test_with_probability_0_pictures_stay_as_they_are_to_the_bit(shape: tuple[int, ...]) -> None:
    x = pictures(*shape)
    assert torch.equal(ada(x, 0.0, BatchRng(0, 0, len(x))), x)
    assert torch.equal(Augment(ADA())(x, BatchRng(0, 0, len(x))), x)
    assert Augment(Off())(x, BatchRng(0, 0, len(x))) is x


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", ["ada", "diffaugment"])
def test_pictures_of_every_shape_keep_it_and_stay_finite(kind: str, shape: tuple[int, ...]) -> None:
    x = pictures(*shape)
    rng = BatchRng(0, 0, len(x))
    y = ada(x, 0.8, rng) if kind == "ada" else diffaugment(x, rng)
    assert y.shape == x.shape
    assert bool(y.isfinite().all())
    assert not torch.equal(y, x)


def test_mirror_images_are_exact() -> None:
    x = pictures(2, 3, 7, 12)
    torch.testing.assert_close(only(x, "flip"), x.flip(3), atol=1e-5, rtol=0)


@pytest.mark.parametrize("quarters", range(4))
def test_quarter_turns_of_squares_and_half_turns_of_others_are_exact(quarters: int) -> None:
    square, wide = pictures(2, 3, 8, 8), pictures(2, 3, 4, 10)
    uniform = (quarters + 0.5) / 4
    torch.testing.assert_close(only(square, "turn", uniform), square.rot90(quarters, (2, 3)), atol=1e-5, rtol=0)
    turned = wide.rot90(2 * (quarters // 2), (2, 3))
    torch.testing.assert_close(only(wide, "turn", uniform), turned, atol=1e-5, rtol=0)


def test_whole_pixels_are_moved_exactly_and_the_border_is_a_mirror() -> None:
    x = pictures(2, 1, 16, 32)
    moved = only(x, "whole", uniform=0.999)  # an eighth of each side: 2 rows and 4 columns
    mirrored = torch.cat([x, x.flip(3)], 3)
    mirrored = torch.cat([mirrored, mirrored.flip(2)], 2)
    torch.testing.assert_close(moved, mirrored[..., 2:18, 4:36], atol=1e-5, rtol=0)


@pytest.mark.parametrize("gate", ["scale", "stretch", "part", "first", "second"])
def test_what_moves_by_fractions_takes_a_linear_picture_to_the_linear_one_that_it_should(gate: str) -> None:
    columns, rows = ramp(17, 17)
    x = torch.stack([columns, rows, 0 * rows])[None]
    inner = slice(5, 12)  # nothing there comes from outside
    across, down = {
        "scale": (columns * 2**0.2, rows * 2**0.2),
        "stretch": (columns * 2**0.2, rows / 2**0.2),
        "part": (columns + 0.1 * 17 / 8, rows - 0.2 * 17 / 8),
        "first": (columns * math.cos(1) - rows * math.sin(1), columns * math.sin(1) + rows * math.cos(1)),
    }["first" if gate == "second" else gate]
    found = only(x, gate, uniform=0.5 + 0.5 / math.pi, scale=1, stretch=1, right=0.1, down=-0.2)
    expected = torch.stack([across, down, 0 * rows])[None]
    torch.testing.assert_close(found[..., inner, inner], expected[..., inner, inner], atol=1e-4, rtol=0)


def test_brightness_and_contrast() -> None:
    for channels in (1, 3):
        x = pictures(2, channels, 4, 4)
        torch.testing.assert_close(only(x, "brightness", brightness=1.5), x + 0.3)
        torch.testing.assert_close(only(x, "contrast", contrast=2.0), 2 * x)
        both = Scripted(2, "brightness", "contrast", normal=normals(brightness=1, contrast=2))
        torch.testing.assert_close(ada(x, 0.5, both), 2 * (x + 0.2))


def test_luma_inversion_mirrors_grey_and_keeps_colour() -> None:
    x = pictures(2, 3, 4, 4)
    torch.testing.assert_close(only(x, "luma"), x - 2 * x.mean(1, keepdim=True), atol=1e-6, rtol=1e-5)
    grey = pictures(2, 1, 4, 4)
    torch.testing.assert_close(only(grey, "luma"), -grey)


def test_hue_goes_round_the_grey_axis() -> None:
    x = pictures(2, 3, 4, 4)
    third = only(x, "hue", uniform=1 / 3)  # red to green to blue
    torch.testing.assert_close(third, x.roll(1, 1), atol=1e-6, rtol=1e-5)
    half = only(x, "hue", uniform=0.5)
    torch.testing.assert_close(half, 2 * x.mean(1, keepdim=True) - x, atol=1e-6, rtol=1e-5)


def test_saturation_scales_the_distance_from_grey() -> None:
    x = pictures(2, 3, 4, 4)
    grey = x.mean(1, keepdim=True)
    torch.testing.assert_close(only(x, "saturation", saturation=1), grey + 2 * (x - grey), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("gate", GATES)
def test_a_grey_picture_fares_as_its_rgb_twin(gate: str) -> None:
    grey = pictures(2, 1, 8, 8)
    draws = {"scale": 1, "stretch": -1, "right": 0.3, "down": 0.2, "brightness": 1, "contrast": -1, "saturation": 1}
    coloured = only(grey.expand(-1, 3, -1, -1), gate, 0.3, **draws)
    torch.testing.assert_close(coloured, only(grey, gate, 0.3, **draws).expand_as(coloured), atol=1e-5, rtol=1e-5)


def test_alpha_moves_with_its_picture_and_is_not_coloured() -> None:
    x = pictures(4, 4, 8, 8)
    all_gates = Scripted(4, *GATES, uniform=0.3, normal=(0.7,) * 7)
    moving = Scripted(4, *GATES[:8], uniform=0.3, normal=(0.7,) * 7)
    found, moved = ada(x, 0.5, all_gates), ada(x, 0.5, moving)
    assert torch.equal(found[:, 3], moved[:, 3])
    assert not torch.allclose(moved[:, 3], x[:, 3], atol=0.1)
    assert not torch.allclose(found[:, :3], moved[:, :3], atol=0.1)


def test_diffaugment_is_what_its_authors_composed() -> None:
    """Against the operations one after another, as the paper lists them."""
    x = pictures(6, 3, 16, 24)
    u = BatchRng(0, 0, 6).uniform(7)
    b, s, c = (u[:, k, None, None, None] for k in range(3))
    y = x + b - 0.5
    y = (y - y.mean(1, keepdim=True)) * 2 * s + y.mean(1, keepdim=True)
    y = (y - y.mean((1, 2, 3), keepdim=True)) * (c + 0.5) + y.mean((1, 2, 3), keepdim=True)
    found = diffaugment(x, BatchRng(0, 0, 6))
    assert torch.equal(found, Augment(DiffAugment())(x, BatchRng(0, 0, 6)))
    cut = 0
    for row, (picture, result) in enumerate(zip(y, found)):
        right, down = (round(float(u[row, k]) / 4 * side - side / 8) for k, side in ((3, 24), (4, 16)))
        assert abs(right) <= 3
        assert abs(down) <= 2
        moved = F.pad(picture, (3, 3, 2, 2))[:, 2 + down : 18 + down, 3 + right : 27 + right]
        hole = (result == 0).all(0)
        torch.testing.assert_close(result[:, ~hole], moved[:, ~hole], atol=1e-5, rtol=1e-5)
        rows, columns = hole.sum(0).max().item(), hole.sum(1).max().item()
        cut += rows >= 8 and columns >= 12
    assert cut >= 1  # wholly inside: half of each side


def test_diffaugment_reads_no_statistics_of_other_rows() -> None:
    x = pictures(4, 3, 8, 8)
    other = torch.cat([x[:1], 3 * x[1:]])
    assert torch.equal(diffaugment(x, BatchRng(0, 0, 4))[0], diffaugment(other, BatchRng(0, 0, 4))[0])


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("kind", ["ada", "diffaugment"])
def test_gradients_are_those_of_finite_differences(kind: str, channels: int) -> None:
    x = pictures(3, channels, 5, 4).double().requires_grad_()

    def augment(x: Tensor) -> Tensor:
        return ada(x, 0.8, BatchRng(1, 0, 3)) if kind == "ada" else diffaugment(x, BatchRng(1, 0, 3))

    assert torch.autograd.gradcheck(augment, x)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.8])
def test_the_share_of_pictures_that_an_operation_changes_is_its_probability(p: float) -> None:
    class Single:
        """True draws, but one operation's gate alone."""

        def __init__(self, gate: str) -> None:
            self.rng, self.gate = BatchRng(0, 0, 2000), gate

        def uniform(self, count: int) -> Tensor:
            u = self.rng.uniform(count)
            if count != len(GATES):
                return u
            keep = GATES.index(self.gate)
            return torch.where(torch.arange(count) == keep, u, torch.ones(()))

        def normal(self, count: int) -> Tensor:
            return self.rng.normal(count)

    x = pictures(1, 3, 16, 16).expand(2000, -1, -1, -1)
    either = 1 - math.sqrt(1 - p)
    shares = dict.fromkeys(GATES, p) | {"flip": p / 2, "luma": p / 2, "first": either, "second": either}
    shares |= {"turn": p * 3 / 4, "whole": p * (1 - 1 / 16)}  # no turn and no move are among them
    for gate, share in shares.items():
        changed = (ada(x, p, Single(gate)) != x).flatten(1).any(1).float().mean().item()
        assert changed == pytest.approx(share, abs=4 * math.sqrt(share * (1 - share) / 2000) + 0.01), gate


@pytest.mark.parametrize("policy", [ADA(), DiffAugment()])
def test_draws_depend_on_the_key_alone(policy: ADA | DiffAugment) -> None:
    x = pictures(6, 3, 8, 8)
    augment = Augment(policy)
    augment.p.fill_(0.7)
    whole = BatchRng(3, 5, 6)
    result = augment(x, whole)
    assert torch.equal(result, augment(x, BatchRng(3, 5, 6)))
    assert not torch.equal(result, augment(x, BatchRng(3, 6, 6)))
    assert not torch.equal(result, augment(x, whole))  # the next call: draws of its own
    parts = [augment(x[i:j], BatchRng(3, 5, 6).rows(i, j)) for i, j in ((0, 2), (2, 6))]
    torch.testing.assert_close(torch.cat(parts), result, atol=1e-6, rtol=1e-5)
    first, other = BatchRng(3, 5, 6), BatchRng(3, 5, 6)
    augment(x, first)
    augment.p.fill_(0.0)
    augment(pictures(6, 1, 4, 9), other)
    assert torch.equal(first.normal(2), other.normal(2))  # whatever p and the pictures, as many draws are taken


def test_autocast_changes_nothing_and_half_precision_comes_out_whole() -> None:
    x = pictures(4, 3, 8, 8)
    plain = ada(x, 0.8, BatchRng(0, 0, 4))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(ada(x, 0.8, BatchRng(0, 0, 4)), plain)
        assert ada(x.bfloat16(), 0.8, BatchRng(0, 0, 4)).dtype == torch.float32


def test_memory_formats_give_the_same() -> None:
    x = pictures(4, 3, 8, 8)
    for augment in (lambda x: ada(x, 0.8, BatchRng(0, 0, 4)), lambda x: diffaugment(x, BatchRng(0, 0, 4))):
        torch.testing.assert_close(augment(x.to(memory_format=torch.channels_last)), augment(x), atol=1e-6, rtol=1e-5)


def test_resampling_and_recolouring_leave_the_identity_and_compose() -> None:
    x = pictures(2, 3, 8, 8)
    assert torch.equal(resample(x, torch.eye(2, 3).expand(2, 2, 3), "zeros"), x)
    one, zero = torch.ones(2), torch.zeros(2)
    assert torch.equal(recolour(x, one, one, zero, zero), x)
    there = recolour(x, 2 * one, one / 2, zero, 2 * one)
    torch.testing.assert_close(recolour(there, one / 2, 2 * one, zero, -one), x, atol=1e-5, rtol=1e-5)


REAL = torch.linspace(1, 2, 10)


def course(policy: ADA, scores: list[tuple[Tensor, Tensor]], steps: int) -> list[float]:
    augment = Augment(policy)
    return [float(augment.adapt(real, fake, 20, steps)["augment"]) for real, fake in scores]


def test_p_rises_while_the_critic_always_wins_and_stops_at_its_limit() -> None:
    policy = ADA(ramp=0.2)
    course_of_p = course(policy, [(REAL, REAL - 1)] * 400, 1000)
    assert course_of_p[0] == 0
    rises = torch.tensor(course_of_p).diff()
    assert bool((rises >= 0).all())
    assert rises.max().item() == pytest.approx(1 / 200, rel=1e-3)  # a fifth of 1,000 steps from 0 to 1
    assert max(course_of_p) == course_of_p[-1] == pytest.approx(policy.limit)
    assert course_of_p.index(max(course_of_p)) == pytest.approx(0.8 * 200, abs=20)


def test_p_waits_until_the_pictures_have_been_seen_often() -> None:
    augment = Augment(ADA(patience=3))
    for epochs in (0, 1, 2.9):
        assert augment.adapt(REAL, REAL - 1, epochs, 10)["augment"] == 0
    for _ in range(16):
        augment.adapt(REAL, REAL - 1, 3, 10)
    assert augment.p > 0


def test_p_falls_where_the_critic_cannot_tell_and_stays_at_0() -> None:
    augment = Augment(ADA())
    augment.p.fill_(0.5)
    for _ in range(300):
        augment.adapt(REAL, REAL.flip(0), 20, 1000)  # as often above as below
    assert augment.p == 0
    for _ in range(50):
        augment.adapt(REAL - 1, REAL, 20, 1000)  # always wrong
    assert augment.p == 0
    assert augment.r < 0


@pytest.mark.parametrize("target", [0.4, 0.6])
def test_p_holds_the_critic_at_its_target(target: float) -> None:
    """A critic whose scores part by less the more is augmented."""
    augment, rng = Augment(ADA(target=target)), generator("critic")
    for _ in range(2000):
        gap = 2.0 * (1 - augment.p)
        fake, real = torch.randn(2, 64, generator=rng)
        heard = augment.adapt(real + gap, fake, 20, 2000)
    assert float(heard["overfitting"]) == pytest.approx(target, abs=0.1)
    # E[sign(N(gap, 2))] = erf(gap / 2)
    assert math.erf(1 - float(heard["augment"])) == pytest.approx(target, abs=0.05)


def test_only_ada_adapts_and_auto_goes_by_the_number_of_pictures() -> None:
    for policy in (Off(), DiffAugment()):
        augment = Augment(policy)
        assert augment.adapt(REAL, REAL - 1, 20, 10) == {}
        assert augment.p == 0
    assert Augment(Auto(), pictures=19_999).policy == ADA()
    assert Augment(Auto(), pictures=20_000).policy == Off()
    assert Augment(Auto(below=10), pictures=12).policy == Off()


@dataclass(frozen=True)
class Config:
    batch: int = 8
    ema: float = 0.5
    warmup: int = 0
    augment: Auto | ADA | DiffAugment | Off = field(default_factory=Auto)


def test_policies_are_chosen_by_name_and_refuse_what_makes_no_sense() -> None:
    assert leaves(Config())["augment"] == "auto"
    chosen = configure(Config(), {"augment": "ada", "augment.target": "0.5"})
    assert chosen.augment == ADA(target=0.5)
    assert configure(Config(), leaves(chosen)) == chosen
    assert configure(Config(), {"augment": "none"}).augment == Off()
    for name, value in (("limit", "1"), ("target", "1.5"), ("ramp", "0"), ("patience", "-1")):
        settings = {f"augment.{name}": value}
        with pytest.raises(RequestError, match=next(iter(settings)).removeprefix("augment.")):
            configure(Config(), {"augment": "ada"} | settings)


class Contest(Family):
    """The least family that augments."""

    name, title, Config = "contest", "for tests", Config
    whole_batch = True
    training_only = ("critic", "augment")

    def __init__(self, config: Config, spec: DataSpec) -> None:
        super().__init__(config, spec)
        self.generator = nn.Linear(4, 192)
        self.critic = nn.Sequential(nn.Flatten(), nn.Linear(192, 1))
        self.augment = Augment(config.augment, spec.count)

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        nets = {"generator": self.generator, "critic": self.critic}
        return {name: torch.optim.Adam(net.parameters(), lr=1e-2) for name, net in nets.items()}

    def losses(self, batch: Batch, step: int) -> Iterator[Update]:
        fake = self.generator(batch.rng.normal(4)).unflatten(1, self.spec.shape)
        yield Update("generator", -self.critic(self.augment(fake, batch.rng)).mean())
        real = self.critic(self.augment(batch.image, batch.rng))
        drawn = self.critic(self.augment(fake.detach(), batch.rng))
        logs = self.augment.adapt(real, drawn, step, self.planned)
        yield Update("critic", F.softplus(drawn - real).mean(), logs)

    def sample(self, requests: object) -> Iterator[Tensor]:
        yield self.generator(torch.zeros(1, 4))


def contest(spec: DataSpec) -> Trainer:
    torch.manual_seed(0)
    family = Contest(Config(augment=ADA(target=0.05, ramp=2.0, patience=0)), spec)
    return Trainer(family, Plan.of_steps(16), ranks=Ranks.alone())


def test_a_resumed_run_repeats_p_and_the_pictures_to_the_bit(spec: DataSpec, tmp_path: Path) -> None:
    straight = contest(spec)
    heard = [report.losses for report in straight.run(stream(spec, 8))]
    assert 0 < heard[-1]["augment"] < 0.8
    stopped = contest(spec)
    for report in stopped.run(stream(spec, 8)):
        if report.step == 9:
            break
    checkpoint = Checkpoint.create(tmp_path / "run", {"family": "contest"})
    checkpoint.save(stopped)
    resumed = contest(spec)
    assert checkpoint.restore(resumed) == []
    assert [r.losses for r in resumed.run(stream(spec, 8, 9))] == heard[9:]
    for name, value in straight.family.state_dict().items():
        assert torch.equal(value, resumed.family.state_dict()[name]), name
    assert not any(name.startswith("augment") for name in straight.state.average)


def test_p_goes_by_the_plan_as_it_stands(spec: DataSpec) -> None:
    trainer = contest(spec)
    trainer.plan = Plan([{"step": 4, "total": 20}, {"step": 8, "total": 12}])
    planned = [trainer.family.planned for _ in trainer.run(stream(spec, 8))]
    assert planned == [*[Family.planned] * 4, *[20] * 4, *[12] * 4]
