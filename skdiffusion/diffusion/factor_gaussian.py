r"""A Gaussian of few factors and a noise floor, and the coordinates in which it is white.

Rows :math:`x = \mu + L z + s (1 - L L') \epsilon` have far fewer factors :math:`z` than columns.
What a network has to see and to correct are these: see ``docs/theory/couplings.md``. With
:math:`M = \sigma^2 + s^2` and :math:`G = L' M^{-1} L` a noisy row says of the factors
:math:`h = (1 - s^2 G)^{-1} L' M^{-1} (x - \mu)`, with the precision
:math:`A = G (1 - s^2 G)^{-1}` (Woodbury's identity). Across them the Gaussian is exact.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from skdiffusion.diffusion.cholesky import stable_cholesky, symmetric
from skdiffusion.diffusion.denoiser import Posterior
from skdiffusion.diffusion.gaussians import GaussianDenoiser
from skdiffusion.diffusion.patterns import apply_by_pattern, keep_last, noise_patterns
from skdiffusion.diffusion.white import WhiteCoordinates, roots, whiten

# relative, against directions without variance
_JITTER = 1e-12


class Reading(NamedTuple):
    """What noisy rows say of their factors: ``exp(said' z - z' precision z / 2)``."""

    delta: Tensor  # (n, d), from the mean
    noised: Tensor  # (g, d), M of each noise pattern
    freed: Tensor  # (g, d, k), M^{-1} L (1 - s^2 G)^{-1}
    said: Tensor  # (n, k)
    precision: Tensor  # (g, k, k)
    pattern: Tensor  # (n,), the noise pattern of each row


class FactorGaussian(GaussianDenoiser):
    """Exact denoiser of a Gaussian that knows its factors."""

    loadings: Tensor
    factor_cov: Tensor

    def __init__(self, mean: Tensor, loadings: Tensor, factor_cov: Tensor, floor: float):
        loadings, factor_cov = loadings.to(torch.float64), factor_cov.to(torch.float64)
        across = torch.eye(len(mean), dtype=torch.float64) - loadings @ loadings.mT
        super().__init__(mean, loadings @ factor_cov @ loadings.mT + floor * across)
        self.register_buffer("loadings", loadings)
        self.register_buffer("factor_cov", factor_cov)
        self.floor = floor

    def read(self, x: Tensor, sigma: Tensor) -> Reading:
        """Return what noisy rows (n, d) say of their factors, in float64."""
        patterns, index = noise_patterns(x, sigma)
        delta = x.to(torch.float64) - self.mean
        noised = patterns**2 + self.floor
        weighted = self.loadings / noised.unsqueeze(2)
        gram = symmetric(weighted.mT @ self.loadings)
        inverse = torch.linalg.inv(_eye(gram) - self.floor * gram)
        freed = weighted @ inverse
        said = apply_by_pattern(freed.mT, delta, index)
        return Reading(delta, noised, freed, said, symmetric(gram @ inverse), index)

    def assemble(self, reading: Reading, factors: Tensor) -> Tensor:
        """Return the rows (n, d) of factors (n, k), with what they have across them."""
        along = factors @ self.loadings.mT
        rest = reading.delta - along
        said = rest / reading.noised[reading.pattern]
        shared = apply_by_pattern(reading.freed, said @ self.loadings, reading.pattern)
        return self.mean + along + self.floor * self.across((said + self.floor * shared).mT).mT

    def across(self, columns: Tensor) -> Tensor:
        """Project columns (..., d, m) onto what lies across the factors."""
        return columns - self.loadings @ (self.loadings.mT @ columns)


class FactorFrame(nn.Module):
    """The coordinates in which the factors are white before and after denoising."""

    numbers: Tensor | None
    corrected: Tensor

    def __init__(self, gaussian: FactorGaussian, numbers: Tensor | None = None):
        super().__init__()
        self.gaussian = gaussian
        loadings = gaussian.loadings
        own = loadings if numbers is None else loadings[numbers]
        self.register_buffer("numbers", numbers)
        self.register_buffer("corrected", torch.nonzero((own != 0).any(0)).squeeze(1))
        self.n_white, self.n_outputs = loadings.shape[1], len(self.corrected)

    def forward(self, x: Tensor, sigma: Tensor) -> WhiteCoordinates:
        """Return the coordinates of noisy rows, in float64."""
        reading, cov = self.gaussian.read(x, sigma), self.gaussian.factor_cov
        # the covariance of the factors is what the row explains and what it leaves open
        eye, precision = _eye(cov), reading.precision
        explained = symmetric(cov @ torch.linalg.solve(eye + precision @ cov, precision) @ cov)
        left = cov - explained
        jitter = _JITTER * torch.diag(cov.diagonal().clamp_min(_JITTER))
        factors = apply_by_pattern(left, reading.said, reading.pattern)
        to_white = whiten(stable_cholesky(explained + jitter), eye)
        white = apply_by_pattern(to_white, factors, reading.pattern)
        root, inverse = self._roots(left + jitter, reading)
        mean = self.gaussian.assemble(reading, factors)
        log_noise = (-precision.diagonal(dim1=1, dim2=2).log() / 2)[reading.pattern]
        return WhiteCoordinates(white, mean, root, reading.pattern, inverse, log_noise, reading)

    def _roots(self, left: Tensor, reading: Reading) -> tuple[Tensor, Tensor]:
        """Return the map from white outputs to entries, and its inverse on their span."""
        own = self.gaussian.loadings[:, self.corrected]
        # a correction of the factors also tells how much of the row lies across them
        freed = self.gaussian.across(reading.freed[:, :, self.corrected])
        loadings = own - self.gaussian.floor * freed
        if self.numbers is not None:
            own, loadings = own[self.numbers], loadings[:, self.numbers]
        return roots(left[:, self.corrected][:, :, self.corrected], loadings, own)


class FactorMixture(nn.Module):
    """Exact denoiser of rows whose factors are a Gaussian mixture."""

    log_weights: Tensor
    means: Tensor
    roots: Tensor

    def __init__(self, gaussian: FactorGaussian, weights: Tensor, means: Tensor, covs: Tensor):
        super().__init__()
        self.gaussian = gaussian
        weights = weights.to(torch.float64)
        self.register_buffer("log_weights", (weights / weights.sum()).log())
        self.register_buffer("means", means.to(torch.float64))
        # eigh, not Cholesky: the covariances may be singular
        values, vectors = torch.linalg.eigh(covs.to(torch.float64))
        self.register_buffer("roots", vectors * values.clamp_min(0).sqrt().unsqueeze(1))

    def forward(self, x: Tensor, sigma: Tensor) -> Posterior:
        """Return the exact posterior mean; see :class:`~skdiffusion.diffusion.Denoiser`."""
        return Posterior(self.mean(self.gaussian.read(x, sigma)).to(x.dtype))

    def mean(self, reading: Reading) -> Tensor:
        """Return the posterior mean of rows that have been read, in float64."""
        left, log_det = self._open(reading.precision)
        expected = self.means @ reading.precision  # (g, c, k)
        surprise = reading.said.unsqueeze(1) - expected[reading.pattern]
        shift = apply_by_pattern(left, surprise, reading.pattern)
        # the integral of each component against what the row says
        constant = -((self.means * expected).sum(2) + log_det) / 2
        evidence = reading.said @ self.means.mT + (surprise * shift).sum(2) / 2
        weights = torch.softmax(self.log_weights + constant[reading.pattern] + evidence, dim=1)
        factors = (weights.unsqueeze(2) * (self.means + shift)).sum(1)
        return self.gaussian.assemble(reading, factors)

    @keep_last
    def _open(self, precision: Tensor) -> tuple[Tensor, Tensor]:
        """Return the covariance that rows leave open, and what it does to volumes."""
        (g, k, _), c = precision.shape, len(self.means)
        # few products of wide matrices take half the time of many small ones
        wide = precision @ self.roots.permute(1, 0, 2).reshape(k, c * k)
        wide = wide.reshape(g, k, c, k).permute(2, 1, 0, 3).reshape(c, k, g * k)
        inner = (self.roots.mT @ wide).reshape(c, k, g, k).permute(2, 0, 1, 3)
        factor = stable_cholesky(_eye(precision) + inner)
        root = torch.linalg.solve_triangular(factor, self.roots.mT.expand_as(factor), upper=False)
        return root.mT @ root, 2 * factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)


def _eye(matrices: Tensor) -> Tensor:
    return torch.eye(matrices.shape[-1], dtype=matrices.dtype, device=matrices.device)
