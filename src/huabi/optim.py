"""Muon for the hidden matrices and AdamW for all the rest, as one optimizer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from .machine import pick_precision

__all__ = ["Muon", "hidden_matrices", "orthogonalize"]

_MARGIN = 1.02  # what rounding to bfloat16 may add to a singular value: beyond its bound each next one grows tenfold
# (a, b, c) of each iteration of the quintic, the greedily best in turn (Amsel et al. 2025, "Polar Express")
_BEST = [
    (8.28721201814563, -23.595886519098837, 17.300387312530933),
    (4.107059111542203, -2.9478499167379106, 0.5448431082926601),
    (3.9486908534822946, -2.908902115962949, 0.5518191394370137),
    (3.3184196573706015, -2.488488024314874, 0.51004894012372),
    (2.300652019954817, -1.6689039845747493, 0.4188073119525673),
]
_POLAR = [(a / _MARGIN, b / _MARGIN**3, c / _MARGIN**5) for a, b, c in _BEST]


def orthogonalize(x: Tensor, iterations: int = 4, dtype: torch.dtype = torch.float32) -> Tensor:
    """The nearest matrices with orthonormal rows (or columns), approximately: x (..., m, n) of float32.

    Newton-Schulz iterations. In float32 on the Gram matrix, which for m << n cost a third of those on x itself: a
    polynomial of x x^T is built up in (m, m) and applied to x once. In bfloat16 on x: what rounding makes of the
    Gram matrix's small eigenvalues would grow without bound. The large singular values end within about 0.4..1.6.
    """
    if x.shape[-2] > x.shape[-1]:
        return orthogonalize(x.mT, iterations, dtype).mT
    size = x.square().sum((-2, -1), keepdim=True) * 1.02 + 1e-14  # above |x x^T|
    x = (x * size.rsqrt()).to(dtype)
    if dtype != torch.float32:
        for a, b, c in _POLAR[:iterations]:
            gram = x @ x.mT
            x = a * x + (b * gram + c * (gram @ gram)) @ x
        return x.float()
    gram = x @ x.mT
    total = eye = torch.eye(x.shape[-2], device=x.device)
    for k, (a, b, c) in enumerate(_POLAR[:iterations]):
        step = a * eye + b * gram + c * (gram @ gram)
        total = step @ total if k else step
        if k + 1 < iterations:
            gram = step @ gram @ step
    return total @ x


def product_type(device: torch.device) -> torch.dtype:
    """What matrix products are fastest in."""
    return torch.bfloat16 if pick_precision(device) == "bf16" else torch.float32


def hidden_matrices(net: nn.Module, least: int = 32) -> list[nn.Parameter]:
    """Weights of linear and convolution layers that, seen as matrices (out, rest), have sides >= `least`."""
    layers = (m for m in net.modules() if isinstance(m, nn.Linear | nn.Conv2d | nn.ConvTranspose2d))
    weights = [cast(nn.Parameter, m.weight) for m in layers]
    found = {id(p): p for p in weights if p.requires_grad and min(len(p), p[0].numel()) >= least}
    return list(found.values())


class Muon(Optimizer):
    """Muon (Jordan et al. 2024) on `matrices`, AdamW (Loshchilov and Hutter 2019) on `others`.

    An orthogonal update is scaled by 0.2 sqrt(max(m, n)), so that its root mean square is that of Adam's (Liu
    et al. 2025). Both groups carry `lr`; a schedule scales them alike. The state is tensors alone, and its
    round trip exact.
    """

    def __init__(
        self,
        matrices: Iterable[Tensor],
        others: Iterable[Tensor],
        *,
        lr: float = 2e-3,
        adam_lr: float | None = None,  # as lr where None
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.99),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        iterations: int = 4,
    ) -> None:
        groups: list[dict[str, Any]] = [
            {"params": list(matrices), "muon": True},
            {"params": list(others), "muon": False, "lr": lr if adam_lr is None else adam_lr},
        ]
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "iterations": iterations,
            "muon": False,
        }
        super().__init__([g for g in groups if g["params"]], defaults)

    @classmethod
    def of(cls, net: nn.Module, **settings: Any) -> Muon:
        """Muon for the hidden matrices of `net`, AdamW for its other parameters."""
        matrices = hidden_matrices(net)
        ids = {id(p) for p in matrices}
        return cls(
            matrices, [p for p in net.parameters() if p.requires_grad and id(p) not in ids], **settings
        )

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            (self._muon if group["muon"] else self._adamw)(
                group, [p for p in group["params"] if p.grad is not None]
            )
        return loss

    def _muon(self, group: dict[str, Any], params: list[Tensor]) -> None:
        shapes: dict[tuple[int, int], list[tuple[Tensor, Tensor]]] = defaultdict(list)
        for p in params:
            state, grad = self.state[p], cast(Tensor, p.grad)
            if not state:
                state["momentum"] = torch.zeros_like(p)
            momentum = state["momentum"].lerp_(grad, 1 - group["momentum"])
            update = grad.lerp(momentum, group["momentum"])  # Nesterov
            # a convolution's columns in the order of channels_last memory, which is how they lie: no copy
            matrix = update.movedim(1, -1).flatten(1)
            shapes[(matrix.shape[0], matrix.shape[1])].append((p, matrix))
        for (m, n), pairs in shapes.items():  # equal shapes in one batch
            stacked = torch.stack([u for _, u in pairs]).float()
            updates = orthogonalize(stacked, group["iterations"], product_type(stacked.device))
            for (p, _), update in zip(pairs, updates, strict=True):
                if group["weight_decay"]:
                    p.mul_(1 - group["lr"] * group["weight_decay"])
                update = update.view_as(p.movedim(1, -1)).movedim(-1, 1)
                p.add_(update, alpha=-group["lr"] * 0.2 * max(m, n) ** 0.5)

    def _adamw(self, group: dict[str, Any], params: list[Tensor]) -> None:
        (beta1, beta2), lr = group["betas"], group["lr"]
        for p in params:
            state, grad = self.state[p], cast(Tensor, p.grad)
            if not state:
                state |= {"step": torch.zeros(()), "mean": torch.zeros_like(p), "square": torch.zeros_like(p)}
            state["step"] += 1
            step = state["step"].item()
            mean = state["mean"].lerp_(grad, 1 - beta1)
            square = state["square"].mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
            scale = square.div(1 - beta2**step).sqrt_().add_(group["eps"])
            if group["weight_decay"]:
                p.mul_(1 - lr * group["weight_decay"])
            p.addcdiv_(mean, scale, value=-lr / (1 - beta1**step))
