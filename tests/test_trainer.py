"""The trainer's promises, each held by a small family that would break it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import torch
from torch import nn

from conftest import stream
from huabi.cost import saved_bytes
from huabi.errors import TrainingError
from huabi.model import Batch, DataSpec, Family, Update
from huabi.plan import Plan, rate
from huabi.ranks import Ranks
from huabi.trainer import PATIENCE, Trainer


@dataclass(frozen=True)
class Config:
    batch: int = 8
    ema: float = 0.5
    warmup: int = 0


class Probe(Family):
    """Two small nets, trained in two turns as an adversarial pair is."""

    name, title, Config = "probe", "for tests", Config
    training_only = ("critic",)

    def __init__(self, config: Config, spec: DataSpec) -> None:
        super().__init__(config, spec)
        width = spec.channels * spec.size[0] * spec.size[1]
        self.generator = nn.Sequential(nn.Linear(4, 64), nn.Tanh(), nn.Linear(64, width))
        self.critic = nn.Sequential(nn.Linear(width, 64), nn.Tanh(), nn.Linear(64, 1))

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return {
            "generator": torch.optim.Adam(self.generator.parameters(), lr=1e-2),
            "critic": torch.optim.Adam(self.critic.parameters(), lr=1e-2),
        }

    def losses(self, batch: Batch, step: int) -> Iterator[Update]:
        fake = self.generator(batch.rng.normal(4))
        yield Update("generator", -self.critic(fake).mean())
        yield Update("critic", self.critic(fake.detach()).mean() - self.critic(batch.image.flatten(1)).mean())

    def sample(self, requests: object) -> Iterator[torch.Tensor]:
        yield self.generator(torch.zeros(1, 4))


def build(kind: type[Family], spec: DataSpec, steps: int = 4, **options: object) -> Trainer:
    torch.manual_seed(0)
    return Trainer(kind(Config(), spec), Plan.of_steps(steps), ranks=Ranks.alone(), **options)  # type: ignore[arg-type]


def finish(trainer: Trainer, rows: int = 8) -> list[float]:
    return [r.losses["generator"] for r in trainer.run(stream(trainer.family.spec, rows, trainer.step))]


def weights(trainer: Trainer) -> list[torch.Tensor]:
    return [p.detach().clone() for p in trainer.family.parameters()]


def test_accumulating_micro_batches_equals_one_batch(spec: DataSpec) -> None:
    whole, split = build(Probe, spec), build(Probe, spec, micro=3)
    assert finish(whole) == pytest.approx(finish(split), abs=1e-6)
    for a, b in zip(weights(whole), weights(split), strict=True):
        torch.testing.assert_close(a, b, atol=2e-6, rtol=1e-4)


def test_a_turn_moves_its_own_parameters_only(spec: DataSpec) -> None:
    trainer = build(Probe, spec)
    trainer.optimizers["critic"].step = lambda: None  # type: ignore[method-assign,assignment]
    before = [p.clone() for p in trainer.family.critic.parameters()]  # type: ignore[union-attr]
    finish(trainer)
    assert all(torch.equal(a, b) for a, b in zip(before, trainer.family.critic.parameters()))  # type: ignore[union-attr]


def test_one_turn_trains_as_plain_pytorch_does(spec: DataSpec) -> None:
    trainer = build(Probe, spec, steps=1)
    torch.manual_seed(0)
    plain = Probe(Config(), spec)
    batch = next(stream(spec, 8))
    optimizers = plain.optimizers()
    for update in plain.losses(batch, 0):
        owned = [p for g in optimizers[update.optimizer].param_groups for p in g["params"]]
        update.loss.backward(inputs=owned)
        nn.utils.clip_grad_norm_(owned, plain.max_grad_norm)
        optimizers[update.optimizer].param_groups[0]["lr"] *= rate(0, 1, 0)
        optimizers[update.optimizer].step()
    finish(trainer)
    for a, b in zip(weights(trainer), plain.parameters(), strict=True):
        torch.testing.assert_close(a, b)


def test_micro_batches_hold_one_graph_at_a_time(spec: DataSpec) -> None:
    small = DataSpec((32, 32), 3)
    one = saved_bytes(Probe(Config(), small), 8)
    four = saved_bytes(Probe(Config(), small), 32, micro=8)
    assert four <= 1.1 * one


def test_a_yield_inside_no_grad_is_refused(spec: DataSpec) -> None:
    class Leaky(Probe):
        def losses(self, batch: Batch, step: int) -> Iterator[Update]:
            loss = self.critic(batch.image.flatten(1)).mean()
            with torch.no_grad():
                yield Update("critic", loss)

    with pytest.raises(RuntimeError, match="no_grad"):
        list(build(Leaky, spec).run(stream(spec, 8)))
    assert torch.is_grad_enabled()


def test_a_turn_that_leaves_no_gradient_is_refused(spec: DataSpec) -> None:
    class Lost(Probe):
        def losses(self, batch: Batch, step: int) -> Iterator[Update]:
            yield Update("generator", self.critic(batch.image.flatten(1)).mean())

    with pytest.raises(RuntimeError, match="no gradient"):
        list(build(Lost, spec).run(stream(spec, 8)))


def test_turns_that_depend_on_data_are_refused(spec: DataSpec) -> None:
    class Moody(Probe):
        def losses(self, batch: Batch, step: int) -> Iterator[Update]:
            name = "critic" if batch.rng.start == 0 else "generator"
            net = self.critic(self.generator(batch.rng.normal(4))).mean()
            yield Update(name, net)

    with pytest.raises(RuntimeError, match="disagree"):
        list(build(Moody, spec, micro=4).run(stream(spec, 8)))


class Sick(Probe):
    """Gives a loss that is not a number from step 2 on, as long as `ill` says."""

    ill = 1

    def __init__(self, config: Config, spec: DataSpec) -> None:
        super().__init__(config, spec)
        self.register_buffer("running", torch.zeros(1))

    def losses(self, batch: Batch, step: int) -> Iterator[Update]:
        sick = 2 <= step < 2 + self.ill
        self.running += float("nan") if sick else 1.0
        for update in super().losses(batch, step):
            yield update._replace(loss=update.loss * float("nan")) if sick else update


def test_a_step_without_a_finite_gradient_is_skipped_and_told(spec: DataSpec) -> None:
    trainer = build(Sick, spec)
    before: list[torch.Tensor] = []
    for report in trainer.run(stream(spec, 8)):
        if report.step == 2:
            before = weights(trainer)
        if report.step == 3:
            assert any("not finite" in alarm for alarm in report.alarms)
            assert all(torch.equal(a, b) for a, b in zip(before, weights(trainer)))
    assert report.step == 4
    assert trainer.family.running.item() == 3  # the sick step left no trace in the buffers


def test_training_stops_when_nothing_finite_comes(spec: DataSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Sick, "ill", 100)
    trainer = build(Sick, spec, steps=50)
    with pytest.raises(TrainingError, match="learning rate"):
        list(trainer.run(stream(spec, 8)))
    assert trainer.step == 2 + PATIENCE - 1
    assert all(p.isfinite().all() for p in trainer.family.parameters())


def test_the_average_is_of_parameters_and_leaves_the_critic_out(spec: DataSpec) -> None:
    trainer = build(Probe, spec, steps=6)
    assert not any(name.startswith("critic") for name in trainer.state.average)
    expected = {k: v.clone() for k, v in trainer.state.average.items()}
    for report in trainer.run(stream(spec, 8)):
        weight = max(1 / (0.5 * 6), 9 / (10 + report.step))
        for name, value in trainer.family.generator.named_parameters(prefix="generator"):  # type: ignore[union-attr]
            expected[name] = expected[name].lerp(value.detach(), weight)
    for name, value in expected.items():
        torch.testing.assert_close(trainer.state.average[name], value)


def test_averaged_weights_are_lent_for_sampling_only(spec: DataSpec) -> None:
    trainer = build(Probe, spec)
    finish(trainer)
    raw = weights(trainer)
    with trainer.averaged() as family:
        assert not family.training
        lent = family.generator[0].weight.clone()  # type: ignore[union-attr,index]
        assert torch.equal(lent, trainer.state.average["generator.0.weight"])
    assert trainer.family.training
    assert all(torch.equal(a, b) for a, b in zip(raw, weights(trainer)))


def test_the_learning_rate_warms_up_holds_and_decays_over_the_last_half() -> None:
    rates = [rate(step, 1000, 50) for step in range(1000)]
    assert rates[0] < 0.05
    assert rates[50:500] == [1.0] * 450
    assert all(a > b for a, b in itertools.pairwise(rates[500:]))
    assert 0 < rates[-1] <= 0.006


class Staged(Probe):
    """Learns one thing in its first eight steps and another in all further ones."""

    def stage(self, total: int | None) -> tuple[int, int | None]:
        return (0, 8) if self.step < 8 else (8, total)

    def losses(self, batch: Batch, step: int) -> Iterator[Update]:
        self.step = step
        return super().losses(batch, step)

    step = 0


def test_each_stage_has_a_learning_rate_course_of_its_own(spec: DataSpec) -> None:
    trainer = build(Staged, spec, steps=40)
    optimizer = trainer.optimizers["critic"]
    rates = [optimizer.param_groups[0]["lr"] / 1e-2 for _ in trainer.run(stream(spec, 8))]
    assert rates == pytest.approx([rate(step, 8, 0) for step in range(8)] + [rate(step, 32, 0) for step in range(32)])


def test_the_length_is_estimated_anew_where_a_stage_of_another_pace_begins() -> None:
    plan = Plan([{"step": 64, "total": 4000}], budget=1000.0)
    assert [step for step in range(101, 300) if plan.due(step, begin=100)] == [102, 104, 108, 116, 132, 164]
    assert not any(plan.due(step) for step in range(101, 300))


def test_the_first_step_after_a_resume_is_no_measure_of_the_pace(spec: DataSpec) -> None:
    plan = Plan([{"step": 64, "total": 200}], budget=1000.0)
    trainer = Trainer(Probe(Config(), spec), plan, ranks=Ranks.alone())
    trainer.state.step, trainer.state.seconds = 99, 500.0
    for report in trainer.run(stream(spec, 8, 99)):
        if report.step == 151:
            break
        trainer.state.seconds += 400.0 if report.step == 99 + 1 else 0.0  # kernels are set up, files are read
    assert [event["step"] for event in trainer.plan.events] == [64, 150]
    assert trainer.plan.events[1]["total"] > 200


def test_a_budget_becomes_steps_at_fixed_points_and_replays() -> None:
    plan = Plan(budget=100.0)
    step = 0
    while not plan.done(step):
        if plan.due(step):
            pace = 0.1 if step < 300 else 0.2
            plan.add(plan.estimate(step, min(step, 300) * 0.1 + max(0, step - 300) * 0.2, pace, reserve=1.0))
        step += 1
    spent = 30 + (step - 300) * 0.2
    assert 95 <= spent <= 100
    replay = Plan(plan.events, budget=100.0)
    assert [replay.total(s) for s in range(step)] == [plan.total(s) for s in range(step)]
    assert not any(replay.due(s) for s in range(plan.events[-1]["step"] + 1))
