r"""Rows without the noise that all known rows have.

Rows :math:`y = x_0 + n` with noise of known standard deviations :math:`\nu` teach a denoiser
:math:`D_y` of noisy rows. Noise of levels :math:`\tau` added to them makes clean rows with noise of
:math:`\sigma^2 = \nu^2 + \tau^2`, so that by Tweedie's formula both have the same score there:

.. math:: D_x(x, \sigma) = x + \frac{\sigma^2}{\tau^2} (D_y(x, \tau) - x)

is the denoiser of rows that no one has seen clean, at every level from their own noise on. No other
training is needed. Near that noise the factor would multiply the errors of :math:`D_y`, so that it
is never asked below half of it; and below it nothing is known.

References
----------
Daras, G., Dimakis, A. G. and Daskalakis, C. (2024). Consistent diffusion meets Tweedie: training
exact ambient diffusion models with noisy data. arXiv:2404.10177, section 3: the same identity,
there for training.
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
