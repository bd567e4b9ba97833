"""Two kinds of pictures, and no pairs: what is translated there and back shall be as it was (Zhu et al. 2017)."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from ..model import Batch, DataSpec, Family, Update
from ..requests import Translate
from ..rng import BatchRng
from ._translation import (
    Contest,
    Dense,
    ResNet,
    UNet,
    critic_error,
    critic_for,
    pull,
    room_of,
    side_of,
    translations,
    translator_for,
    whole,
)


@dataclass(frozen=True)
class CycleGANConfig:
    """Settings of `cyclegan`."""

    batch: int = 4
    lr: float = 5e-4  # of the generators (Adam)
    beta1: float = 0.5
    beta2: float = 0.99
    warmup: int = 50  # steps
    ema: float = 0.02  # length of the weight average, as a share of the run
    cycle: float = 1.0  # weight of the error there and back; 10 in the paper, whose critics' slopes nothing bounds
    identity: float = 0.5  # weight, in that of the cycle, of changing what is of the right kind already
    pool: int = 50  # drawn pictures that a critic is shown again; 0 is without
    critic: Contest = field(default_factory=Contest)
    net: Dense | UNet | ResNet = field(default_factory=Dense)

    def __post_init__(self) -> None:
        if min(self.cycle, self.identity, self.pool) < 0:
            raise ValueError("cycle, identity and pool are at least 0")


class History(nn.Module):
    """Drawn pictures of earlier steps, so that a critic does not forget them (Shrivastava et al. 2017, section 2.3)."""

    pictures: Tensor
    count: Tensor

    def __init__(self, length: int, shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.register_buffer("pictures", torch.zeros(length, *shape))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))  # of those that are there

    def forward(self, fake: Tensor, rng: BatchRng) -> Tensor:
        """Pictures (B, C, H, W), about half of them changed for earlier ones, once there are enough of these."""
        length = len(self.pictures)
        if not length:
            return fake
        rows = []
        for row, chance, slot in zip(fake, rng.uniform().tolist(), rng.integers(length).tolist()):
            kept = row.nan_to_num()  # a step that goes wrong must not come back from here
            if (count := int(self.count)) < length:
                self.pictures[count] = kept
                self.count += 1
            elif chance < 0.5:
                row = self.pictures[slot].clone()
                self.pictures[slot] = kept
            rows.append(row)
        return torch.stack(rows)


class CycleGAN(Family):
    """Two generators, from the first kind to the second and back, and a critic of each kind.

    From pairs it learns as if they were none, and from labels nothing. It draws without noise.
    """

    name = "cyclegan"
    title = "turns one kind of picture into another; needs no pairs"
    Config = CycleGANConfig
    requests = (Translate,)
    needs = ("image", "other")
    training_only = ("first_critic", "second_critic", "first_history", "second_history")
    max_grad_norm = 100.0  # a guard only
    rows = 1

    config: CycleGANConfig

    def __init__(self, config: CycleGANConfig, spec: DataSpec) -> None:
        super().__init__(config, spec := replace(spec, labels=(), weights=()))
        self.whole_batch = config.pool > 0  # what a history gives hangs on the rows before
        self.to_first, self.to_second = (translator_for(config.net, spec) for _ in range(2))
        self.first_critic, self.second_critic = (critic_for(config.critic, spec, spec.channels) for _ in range(2))
        self.first_history, self.second_history = (History(config.pool, spec.shape) for _ in range(2))

    def optimizers(self) -> dict[str, Optimizer]:
        betas = (self.config.beta1, self.config.beta2)
        generators = [*self.to_first.parameters(), *self.to_second.parameters()]
        critics = [*self.first_critic.parameters(), *self.second_critic.parameters()]
        return {
            "generators": Adam(generators, self.config.lr, betas, fused=True),
            "critics": Adam(critics, self.config.critic.lr, betas, fused=True),
        }

    def losses(self, batch: Batch, step: int) -> Iterator[Update]:
        assert batch.other is not None
        config, first, second = self.config, batch.image, batch.other
        if config.identity:
            new_second, same_second = self.to_second(torch.cat([first, second])).chunk(2)
            new_first, same_first = self.to_first(torch.cat([second, first])).chunk(2)
            same = (same_first - first).abs().mean() + (same_second - second).abs().mean()
        else:
            new_second, new_first, same = self.to_second(first), self.to_first(second), first.new_zeros(())
        back = self.to_first(new_second) - first, self.to_second(new_first) - second
        cycle = back[0].abs().mean() + back[1].abs().mean()
        contest = pull(config.critic, self.first_critic, first, new_first)
        contest = contest + pull(config.critic, self.second_critic, second, new_second)
        logs = {"contest": contest.detach(), "cycle": cycle.detach(), "identity": same.detach()}
        yield Update("generators", contest + config.cycle * (cycle + config.identity * same), logs)
        old_first = self.first_history(new_first.detach(), batch.rng)
        old_second = self.second_history(new_second.detach(), batch.rng)
        error = critic_error(config.critic, self.first_critic, first, old_first, step)
        yield Update("critics", error + critic_error(config.critic, self.second_critic, second, old_second, step))

    @torch.no_grad()
    def sample(self, requests: Sequence[Translate]) -> Iterator[Tensor]:
        def apply(request: Translate, x: Tensor) -> Tensor:
            net = self.to_second if side_of(request, self.spec) else self.to_first
            return whole(net, x, self.spec, net.multiple)

        yield translations(requests, self.spec, self.device, apply)

    def batch_key(self, request: Translate) -> Hashable:
        return room_of(request, self.spec)
