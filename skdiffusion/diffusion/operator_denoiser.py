"""Operator-informed score matching: a denoiser from means of eigenfunctions over the data.

Score matching in the span of a diffusion's eigenfunctions is a system of linear equations: see
``docs/theory/operator.md``. As the basis grows the denoiser tends to that of the data set itself,
memory of the rows included. Under noise that is large beside the box rows become uniform, the score
zero and the mean the noisy row itself: it is *not* the posterior mean under unbounded noise.
"""

import math

import torch
from torch import Tensor

from skdiffusion.diffusion.denoiser import Posterior
from skdiffusion.diffusion.eigenfunctions import index_set
from skdiffusion.diffusion.eigenseries import EigenSeries

MARGIN = 0.05  # of the box beyond the range of the data on either side, as a share of it


class UniformBox:
    """The uniform distribution on a box with reflecting walls, which noise does not change."""

    is_diagonal = True

    def __init__(self, low: Tensor, high: Tensor):
        self.low, self.high, self.n_features = low, high, len(low)

    @property
    def mean(self) -> Tensor:
        """The middle of the box, of shape (d,)."""
        return (self.low + self.high) / 2

    @property
    def cov(self) -> Tensor:
        """The variances of the columns, of shape (d,)."""
        return (self.high - self.low) ** 2 / 12

    def log_prob(self, x: Tensor, sigma: Tensor | None = None) -> Tensor:
        """Return the log-density, the same everywhere: rows outside stand for their reflections."""
        return -(self.high - self.low).log().sum().to(x).expand(len(x))

    def sample(
        self, n: int, generator: torch.Generator | None = None, sigma: float = 0.0
    ) -> Tensor:
        """Draw rows."""
        shares = self.low.new_empty(n, self.n_features).uniform_(generator=generator)
        return self.low + (self.high - self.low) * shares

    def fold(self, x: Tensor) -> Tensor:
        """Reflect rows into the box."""
        width = self.high - self.low
        share = torch.remainder((x - self.low) / width, 2.0)
        return self.low + width * torch.minimum(share, 2.0 - share)


class OperatorDenoiser:
    """Denoiser in the span of eigenfunctions, of all columns jointly or of each by itself."""

    def __init__(
        self, rows: Tensor, degree: int, *, is_joint: bool = False, ridge: float = 1e-3
    ) -> None:
        low, high = rows.amin(0), rows.amax(0)
        is_constant = high == low
        width = torch.where(is_constant, 1.0, high - low)
        low = low - MARGIN * width - torch.where(is_constant, 0.5, 0.0)
        # a row is low + scale * u in the coordinates u of the process, between 0 and pi
        self.scale = (1 + 2 * MARGIN) * width / math.pi
        self.prior = UniformBox(low, low + math.pi * self.scale)
        indices = index_set(degree, rows.shape[1] if is_joint else 1)
        self.series = EigenSeries(indices, self._coordinates(rows), ridge)

    def __call__(self, x: Tensor, sigma: Tensor) -> Posterior:
        """Return ``x + sigma ** 2 * score``; see :class:`Denoiser`."""
        rows, levels = x.to(torch.float64), sigma.to(torch.float64)
        return Posterior((rows + levels**2 * self.score(rows, levels)).to(x.dtype))

    def score(self, x: Tensor, sigma: Tensor) -> Tensor:
        """Return the gradient of the noised log-density, finite down to zero noise."""
        noise = sigma.to(torch.float64) / self.scale
        gradient = self.series.gradient(self._coordinates(x), noise)
        return (gradient / self.scale).to(x.dtype)

    def objective(self, x0: Tensor, sigma: Tensor) -> Tensor:
        """Return the score-matching loss on other rows; lower is better."""
        return self.series.objective(self._coordinates(x0), sigma / self.scale)

    def mean_log_density(self, x0: Tensor, sigmas: Tensor) -> Tensor:
        """Return the mean log-density of other rows at many noise levels, without a solver."""
        noise = sigmas.unsqueeze(1) / self.scale
        growth = self.series.growth(self._coordinates(x0), noise, self.scale**-2)
        gained = torch.diff(sigmas**2) / 2 * (growth[1:] + growth[:-1]) / 2
        after = torch.cat([gained.flip(0).cumsum(0).flip(0), gained.new_zeros(1)])
        return self.prior.log_prob(x0[:1]) - after

    def _coordinates(self, x: Tensor) -> Tensor:
        return (x.to(torch.float64) - self.prior.low) / self.scale
