"""Muon with AdamW: what is orthogonal, what is exact, what resumes."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from huabi.optim import Muon, hidden_matrices, orthogonalize


def net(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 32, 3, padding=1), nn.SiLU(), nn.Conv2d(32, 32, 3, padding=1), nn.SiLU(), nn.Flatten(),
        nn.Linear(32 * 16, 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU(), nn.Linear(64, 5),
    )  # fmt: skip


def train(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int, start: int = 0) -> list[float]:
    losses = []
    for step in range(start, start + steps):
        g = torch.Generator().manual_seed(step)
        x = torch.randn(16, 3, 4, 4, generator=g)
        loss = (model(x) - x.flatten(1)[:, :5]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("shape", [(3, 32, 288), (1, 64, 64), (2, 96, 32), (40, 40)])
def test_orthogonalize_keeps_directions_and_evens_lengths(shape: tuple[int, ...]) -> None:
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    u, s, v = torch.linalg.svd(x, full_matrices=False)
    values = torch.linalg.svdvals(y := orthogonalize(x, 5))
    usual = s > 0.05 * s.amax(-1, keepdim=True)  # the least singular values only grow towards 1
    assert values.max() < 1.3
    assert values[usual.sort(-1, descending=True).values].min() > 0.6
    inner = u.mT @ y @ v.mT  # diagonal in x's own bases
    assert (inner - torch.diag_embed(inner.diagonal(dim1=-2, dim2=-1))).abs().max() < 0.02


@pytest.mark.parametrize("rank", [4, 32, 64])
def test_orthogonalize_in_bfloat16_agrees_whatever_the_rank(rank: int) -> None:
    g = torch.Generator().manual_seed(2)
    x = torch.randn(2, 64, rank, generator=g) @ torch.randn(2, rank, 256, generator=g)
    y = orthogonalize(x, dtype=torch.bfloat16)
    assert y.dtype == torch.float32
    assert torch.linalg.svdvals(y).max() < 1.8  # what rounding makes of no gradient at all does not grow
    assert torch.nn.functional.cosine_similarity(y.flatten(), orthogonalize(x).flatten(), dim=0) > 0.85


def test_orthogonalize_in_bfloat16_stays_bounded_where_rounding_leads_beyond_its_polynomials() -> None:
    """The first polynomial takes 0.376 to the very end of what the second one takes: from there, all would explode."""
    g = torch.Generator().manual_seed(3)
    for lean in (0.0, 2.0):  # of one sign, the entries of a matrix are rounded alike
        u = torch.linalg.qr(torch.randn(24, 320, 320, generator=g) + lean)[0]
        v = torch.linalg.qr(torch.randn(24, 1440, 320, generator=g) + lean)[0]
        s = torch.logspace(-2, -4, 320).repeat(24, 1)
        s[:, 1] = torch.linspace(0.372, 0.38, 24)
        s[:, 0] = (1 - s[:, 1:].square().sum(1)).sqrt()
        values = torch.linalg.matrix_norm(orthogonalize(u * s[:, None] @ v.mT, dtype=torch.bfloat16), 2)
        assert values.max() < 1.8


def test_orthogonalize_ignores_scale_and_survives_zero() -> None:
    x = torch.randn(2, 32, 64, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(orthogonalize(x * 1e3), orthogonalize(x), rtol=1e-3, atol=1e-3)
    assert not orthogonalize(torch.zeros(2, 32, 64)).any()


def test_hidden_matrices_are_those_with_two_long_sides() -> None:
    model = net()
    assert {id(p) for p in hidden_matrices(model)} == {id(model[i].weight) for i in (2, 5, 7)}
    groups = {g["muon"]: g["params"] for g in Muon.of(model).param_groups}
    assert len(groups[True]) == 3
    assert len(groups[True]) + len(groups[False]) == len(list(model.parameters()))


def test_the_rest_is_torchs_adamw() -> None:
    mine, reference = net(), net()
    settings = {"lr": 3e-3, "betas": (0.9, 0.99), "weight_decay": 0.1}
    a = train(mine, Muon([], mine.parameters(), **settings), 8)
    b = train(reference, torch.optim.AdamW(reference.parameters(), **settings), 8)
    torch.testing.assert_close(torch.tensor(a), torch.tensor(b), rtol=1e-4, atol=1e-6)
    for p, q in zip(mine.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=1e-4, atol=1e-5)


def test_a_muon_step_has_adams_root_mean_square() -> None:
    weight = nn.Parameter(torch.zeros(64, 64, 3, 3))
    weight.grad = torch.randn(weight.shape, generator=torch.Generator().manual_seed(0))
    Muon([weight], [], lr=0.01).step()
    assert 0.15 < weight.detach().square().mean().sqrt() / 0.01 < 0.25


def test_batches_of_equal_shapes_change_nothing() -> None:
    g = torch.Generator().manual_seed(0)
    start, grad = torch.randn(3, 32, 48, generator=g), torch.randn(3, 32, 48, generator=g)

    def step(rows: slice) -> list[torch.Tensor]:
        params = [nn.Parameter(p.clone()) for p in start[rows]]
        for p, d in zip(params, grad[rows], strict=True):
            p.grad = d.clone()
        Muon(params, []).step()
        return params

    torch.testing.assert_close(step(slice(0, 3))[1], step(slice(1, 2))[0], rtol=1e-5, atol=1e-6)


def test_memory_format_changes_nothing() -> None:
    g = torch.Generator().manual_seed(0)
    start, grad = torch.randn(32, 40, 3, 3, generator=g), torch.randn(32, 40, 3, 3, generator=g)
    params = [nn.Parameter(start.clone(memory_format=f)) for f in (torch.contiguous_format, torch.channels_last)]
    for p in params:
        p.grad = grad.clone(memory_format=torch.preserve_format)
        Muon([p], []).step()
    torch.testing.assert_close(params[0], params[1], rtol=0, atol=1e-6)
    assert (params[0] - start).abs().max() > 1e-4


def test_it_learns() -> None:
    model = net()
    losses = train(model, Muon.of(model, lr=2e-3), 150)
    assert sum(losses[-10:]) < 0.75 * sum(losses[:10])


def test_resume_is_exact_to_the_bit() -> None:
    whole = net()
    train(whole, Muon.of(whole), 6)

    first = net()
    optimizer = Muon.of(first)
    train(first, optimizer, 3)
    weights, state = copy.deepcopy(first.state_dict()), copy.deepcopy(optimizer.state_dict())
    second = net(1)
    second.load_state_dict(weights)
    resumed = Muon.of(second, lr=1.0)  # the state brings its own settings
    resumed.load_state_dict(state)
    train(second, resumed, 3, start=3)
    for p, q in zip(whole.parameters(), second.parameters(), strict=True):
        assert torch.equal(p, q)
    for slot in resumed.state_dict()["state"].values():
        assert all(isinstance(value, torch.Tensor) for value in slot.values())
