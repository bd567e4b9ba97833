"""Randomness is a function of its key, and splitting a batch changes no draw."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from huabi.rng import BatchRng, generator, key_seed, row_noise


@given(st.integers(2, 9), st.integers(0, 2**40), st.integers(0, 10**6), st.data())
def test_rows_of_a_split_batch_are_the_whole_batchs_rows(rows: int, seed: int, step: int, data: st.DataObject) -> None:
    cut = data.draw(st.integers(1, rows - 1))
    whole = BatchRng(seed, step, rows)
    parts = [BatchRng(seed, step, rows).rows(0, cut), BatchRng(seed, step, rows).rows(cut, rows)]
    for draw in (
        lambda r: r.normal(2, 3),
        lambda r: r.uniform(),
        lambda r: r.integers(7, 2),
        lambda r: r.apply(lambda n, g: torch.randperm(n, generator=g)),
    ):
        assert torch.equal(draw(whole), torch.cat([draw(part) for part in parts]))


def test_draws_steps_and_seeds_differ() -> None:
    rng = BatchRng(0, 0, 4)
    draws = [rng.normal(5), rng.normal(5), BatchRng(0, 1, 4).normal(5), BatchRng(1, 0, 4).normal(5)]
    assert len({tuple(d.flatten().tolist()) for d in draws}) == 4


def test_a_row_of_noise_is_its_seeds_alone() -> None:
    torch.manual_seed(9)
    alone, among = row_noise([7], (3, 4)), row_noise([5, 7], (3, 4))
    assert torch.equal(alone[0], among[1])
    assert not torch.equal(among[0], among[1])


def test_keys_are_the_same_on_every_machine() -> None:
    assert key_seed("batch", 0, 1, 2) == key_seed("batch", "0", "1", "2")
    assert key_seed("a", "bc") != key_seed("ab", "c")
    assert key_seed("row", 7) == 8610885878551770839
    first = torch.randn(1, generator=generator("row", 7)).item()
    assert first == torch.randn(1, generator=generator("row", 7)).item()
