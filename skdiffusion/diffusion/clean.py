"""Rows without the noise that all known rows have.

A denoiser of noisy rows, asked at the noise that is added to theirs, is by Tweedie's formula one of
clean rows at both together: see ``docs/theory/couplings.md``. Near the rows' own noise this would
magnify its errors, so that it is never asked below half of it; and below it nothing is known.
"""

import torch
from torch import Tensor, nn

from skdiffusion.diffusion.denoiser import Denoiser, Posterior

# of their own noise: the least that is added to rows
LEAST = 0.5
ROUNDING = 1e-6


class CleanDenoiser(nn.Module):
    """Denoiser of clean rows, from one of rows with noise of standard deviations (d,).

    Entries whose level is below their own noise, such as known ones, are taken as rows show them.
    """

    noise: Tensor

    def __init__(self, denoiser: Denoiser, noise: Tensor, sigma_min: float):
        super().__init__()
        self.denoiser = denoiser
        self.register_buffer("noise", noise)
        self.sigma_min = sigma_min

    def forward(self, x: Tensor, sigma: Tensor) -> Posterior:
        """Return the posterior mean; see :class:`~skdiffusion.diffusion.Denoiser`."""
        sigma, noise = sigma.to(x).expand_as(x), self.noise.to(x)
        # rounding must not tell a level that is their own noise from it
        is_noised = sigma >= noise * (1 - ROUNDING)
        least = torch.where(is_noised, (LEAST * noise).clamp_min(self.sigma_min), sigma)
        added = (sigma**2 - noise**2).maximum(least**2)
        mean = self.denoiser(x, added.sqrt()).mean
        factor = torch.where(is_noised, sigma**2 / added, 1.0)
        return Posterior(x + factor * (mean - x))

    @property
    def lowest(self) -> float:
        """The noise level down to which rows can be denoised without magnifying errors."""
        return max(self.sigma_min, float(self.noise.max()) * (1 + LEAST**2) ** 0.5)
