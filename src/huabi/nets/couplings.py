"""A small normalizing flow over codes: affine couplings (Dinh et al. 2017), conditioned on labels if there are any."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["Couplings"]


class Couplings(nn.Module):
    """An invertible map between normal noise u and codes z, both (B, latent); at the start it is the identity.

    Each of `depth` layers scales and shifts one half of the dimensions by what it reads in the other half and in the
    label; the halves take turns. `log_prob` makes it a density: it is a prior that can learn what codes look like.
    """

    def __init__(self, latent: int, depth: int, *, classes: int = 0, width: int = 128) -> None:
        super().__init__()
        self.classes = classes
        self.own = latent // 2  # dimensions that a layer reads; it changes the others
        self.layers = nn.ModuleList()
        for layer in range(depth):
            read = self.own if layer % 2 == 0 else latent - self.own
            last = nn.Linear(width, 2 * (latent - read))
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
            mlp = (nn.Linear(read + classes, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), last)
            self.layers.append(nn.Sequential(*mlp))

    def forward(self, u: Tensor, label: Tensor | None = None) -> Tensor:
        """Codes z (B, latent) of noise u (B, latent); label (B,) int64 or shares (B, classes)."""
        z = u.float()
        for index in range(len(self.layers)):
            kept, moved = self._split(z, index)
            log_scale, shift = self._affine(kept, label, index)
            z = self._join(kept, moved * log_scale.exp() + shift, index)
        return z

    def inverse(self, z: Tensor, label: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Noise u (B, latent) of codes z, and log |det du/dz| (B,)."""
        u, log_det = z.float(), torch.zeros(len(z), device=z.device)
        for index in reversed(range(len(self.layers))):
            kept, moved = self._split(u, index)
            log_scale, shift = self._affine(kept, label, index)
            u = self._join(kept, (moved - shift) * (-log_scale).exp(), index)
            log_det = log_det - log_scale.sum(1)
        return u, log_det

    def log_prob(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """log p(z | label) of each row (B,) in nats."""
        u, log_det = self.inverse(z, label)
        return log_det - 0.5 * (u.square() + torch.tensor(2 * torch.pi).log()).sum(1)

    def _affine(self, kept: Tensor, label: Tensor | None, index: int) -> tuple[Tensor, Tensor]:
        if self.classes and label is not None:
            shares = label if label.is_floating_point() else nn.functional.one_hot(label, self.classes)
            kept = torch.cat([kept, shares.to(kept.dtype)], 1)
        log_scale, shift = self.layers[index](kept).float().chunk(2, 1)
        return 2 * (log_scale / 2).tanh(), shift  # a factor within e^2, so that neither way overflows

    def _split(self, x: Tensor, index: int) -> tuple[Tensor, Tensor]:
        left, right = x[:, : self.own], x[:, self.own :]
        return (left, right) if index % 2 == 0 else (right, left)

    def _join(self, kept: Tensor, moved: Tensor, index: int) -> Tensor:
        return torch.cat([kept, moved] if index % 2 == 0 else [moved, kept], 1)
