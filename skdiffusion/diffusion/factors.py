r"""A Gaussian of few factors and a noise floor, and the coordinates in which it is white.

Rows that lie near a low-dimensional part of their space, and differ from it by noise alone, are

.. math:: x = \mu + L z + s (1 - L L') \epsilon, \qquad z \sim N(0, \Lambda)

with far fewer factors :math:`z` than columns and orthonormal :math:`L`. What a network has to see
and to correct are the factors, and all matrices are of their number, whichever entries are noised:
with noise levels :math:`\sigma`, :math:`M = \sigma^2 + s^2` and :math:`G = L' M^{-1} L` a noisy row
says of the factors :math:`h = (1 - s^2 G)^{-1} L' M^{-1} (x - \mu)`, with the precision
:math:`A = G (1 - s^2 G)^{-1}` (Woodbury's identity). Across them the Gaussian is exact.

References
----------
Tipping, M. E. and Bishop, C. M. (1999). Probabilistic principal component analysis. Journal of the
Royal Statistical Society B 61.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from skdiffusion.diffusion.closed_form import GaussianDenoiser
from skdiffusion.diffusion.denoiser import Posterior
from skdiffusion.diffusion.patterns import apply_by_pattern, noise_patterns
from skdiffusion.diffusion.white import WhiteCoordinates

__all__ = ["FactorFrame", "FactorGaussian", "FactorMixture"]

# relative, against directions without variance
_JITTER = 1e-12


class FactorGaussian(GaussianDenoiser):
    """Exact denoiser of a Gaussian that knows its factors.

    Parameters
    ----------
    mean : Tensor of shape (d,)
        Mean.
    loadings : Tensor of shape (d, k)
        What a factor is in the entries of a row; orthonormal columns.
    factor_cov : Tensor of shape (k, k)
        Covariance of the factors.
    floor : float
        Variance of the rows in every direction across the factors.

    Examples
    --------
    >>> import torch
    >>> loadings = torch.tensor([[1.0], [0.0]])
    >>> FactorGaussian(torch.zeros(2), loadings, 4 * torch.eye(1), 0.25).cov
    tensor([[4.0000, 0.0000],
            [0.0000, 0.2500]], dtype=torch.float64)
    """

    loadings: Tensor
    factor_cov: Tensor

    def __init__(self, mean: Tensor, loadings: Tensor, factor_cov: Tensor, floor: float):
        loadings, factor_cov = loadings.to(torch.float64), factor_cov.to(torch.float64)
        across = torch.eye(len(mean), dtype=torch.float64) - loadings @ loadings.mT
        super().__init__(mean, loadings @ factor_cov @ loadings.mT + floor * across)
        self.register_buffer("loadings", loadings)
        self.register_buffer("factor_cov", factor_cov)
        self.floor = floor


class Reading(NamedTuple):
    """What noisy rows say of their factors: ``exp(said' z - z' precision z / 2)``."""

    delta: Tensor  # (n, d), from the mean
    noised: Tensor  # (g, d), M of each noise pattern
    freed: Tensor  # (g, d, k), M^{-1} L (1 - s^2 G)^{-1}
    said: Tensor  # (n, k)
    precision: Tensor  # (g, k, k)
    pattern: Tensor  # (n,), the noise pattern of each row


class Factors(nn.Module):
    """Reads factors off noisy rows, and makes rows of factors.

    Parameters
    ----------
    gaussian : FactorGaussian
        Its mean, loadings and floor.
    """

    centre: Tensor
    loadings: Tensor

    def __init__(self, gaussian: FactorGaussian):
        super().__init__()
        self.register_buffer("centre", gaussian.mean.clone())
        self.register_buffer("loadings", gaussian.loadings.clone())
        self.floor = gaussian.floor

    def read(self, x: Tensor, sigma: Tensor) -> Reading:
        """Return what noisy rows (n, d) say of their factors, in float64."""
        patterns, index = noise_patterns(x, sigma)
        delta = x.to(torch.float64) - self.centre
        noised = patterns**2 + self.floor
        weighted = self.loadings / noised.unsqueeze(2)
        gram = _symmetric(weighted.mT @ self.loadings)
        eye = torch.eye(gram.shape[1], dtype=gram.dtype, device=gram.device)
        inverse = torch.linalg.inv(eye - self.floor * gram)
        freed = weighted @ inverse
        said = _apply(freed.mT, delta, index)
        return Reading(delta, noised, freed, said, _symmetric(gram @ inverse), index)

    def assemble(self, reading: Reading, factors: Tensor) -> Tensor:
        """Return the rows (n, d) of factors (n, k), with what they have across them."""
        along = factors @ self.loadings.mT
        rest = reading.delta - along
        said = rest / reading.noised[reading.pattern]
        said = said + self.floor * _apply(reading.freed, said @ self.loadings, reading.pattern)
        return self.centre + along + self.floor * self.across(said.mT).mT

    def are(self, other: "Factors") -> bool:
        """Tell whether other factors are the same."""
        same = torch.equal(self.loadings, other.loadings) and self.floor == other.floor
        return same and torch.equal(self.centre, other.centre)

    def across(self, columns: Tensor) -> Tensor:
        """Project columns (..., d, m) onto what lies across the factors."""
        return columns - self.loadings @ (self.loadings.mT @ columns)


class FactorFrame(nn.Module):
    """The coordinates in which the factors are white before and after denoising.

    Stands for :class:`~skdiffusion.diffusion.white.WhiteFrame` where the Gaussian has factors.

    Parameters
    ----------
    gaussian : FactorGaussian
        The Gaussian.
    numbers : Tensor of int of shape (m,) or None, default=None
        Entries that are corrected; None is all. Factors with no part in them get no correction,
        and those with a part in them have none in other entries.

    Attributes
    ----------
    n_white, n_outputs : int
        Number of white inputs, and of corrections.

    Examples
    --------
    >>> import torch
    >>> loadings = torch.tensor([[1.0], [0.0]])
    >>> gaussian = FactorGaussian(torch.zeros(2), loadings, 3 * torch.eye(1), 0.0)
    >>> FactorFrame(gaussian)(torch.tensor([[4.0, 0.0]]), torch.tensor(1.0)).white.round(decimals=3)
    tensor([[2.]], dtype=torch.float64)
    """

    factor_cov: Tensor
    numbers: Tensor | None
    corrected: Tensor

    def __init__(self, gaussian: FactorGaussian, numbers: Tensor | None = None):
        super().__init__()
        self.factors = Factors(gaussian)
        loadings = gaussian.loadings
        own = loadings if numbers is None else loadings[numbers]
        self.register_buffer("factor_cov", gaussian.factor_cov.clone())
        self.register_buffer("numbers", numbers)
        self.register_buffer("corrected", torch.nonzero((own != 0).any(0)).squeeze(1))
        self.n_white, self.n_outputs = loadings.shape[1], len(self.corrected)

    def forward(self, x: Tensor, sigma: Tensor) -> WhiteCoordinates:
        """Return the coordinates of noisy rows, in float64."""
        reading = self.factors.read(x, sigma)
        eye = torch.eye(self.n_white, dtype=torch.float64, device=reading.said.device)
        # the covariance of the factors is what the row explains and what it leaves open
        inner = torch.linalg.solve(eye + reading.precision @ self.factor_cov, reading.precision)
        explained = _symmetric(self.factor_cov @ inner @ self.factor_cov)
        left = self.factor_cov - explained
        jitter = _JITTER * torch.diag(self.factor_cov.diagonal().clamp_min(_JITTER))
        factors = _apply(left, reading.said, reading.pattern)
        whiten = _lower_inverse(torch.linalg.cholesky(explained + jitter))
        white = _apply(whiten, factors, reading.pattern)
        root, inverse = self._roots(left + jitter, reading)
        mean = self.factors.assemble(reading, factors)
        levels = -reading.precision.diagonal(dim1=1, dim2=2).log() / 2
        log_noise = levels[reading.pattern]
        return WhiteCoordinates(white, mean, root, reading.pattern, inverse, log_noise, reading)

    def _roots(self, left: Tensor, reading: Reading) -> tuple[Tensor, Tensor]:
        """Return the map from white outputs to entries, and its inverse on their span."""
        own = self.factors.loadings[:, self.corrected]
        # a correction of the factors also tells how much of the row lies across them
        across = self.factors.floor * self.factors.across(reading.freed[:, :, self.corrected])
        loadings = own - across
        if self.numbers is not None:
            own, loadings = own[self.numbers], loadings[:, self.numbers]
        root = torch.linalg.cholesky(left[:, self.corrected][:, :, self.corrected])
        return loadings @ root, _lower_inverse(root) @ own.mT


class FactorMixture(nn.Module):
    """Exact denoiser of rows whose factors are a Gaussian mixture.

    Parameters
    ----------
    gaussian : FactorGaussian
        Its mean, loadings and floor; the mixture takes the place of its covariance.
    weights : Tensor of shape (c,)
        Positive component weights; they are normalised to sum to one.
    means : Tensor of shape (c, k)
        Component means of the factors, counted from the mean of the rows.
    covs : Tensor of shape (c, k, k)
        Component covariances of the factors; they may be singular.

    Examples
    --------
    >>> import torch
    >>> loadings = torch.tensor([[1.0], [0.0]])
    >>> gaussian = FactorGaussian(torch.zeros(2), loadings, torch.eye(1), 0.0)
    >>> points = FactorMixture(
    ...     gaussian, torch.ones(2), torch.tensor([[-1.0], [1.0]]), torch.zeros(2, 1, 1)
    ... )
    >>> points(torch.tensor([[5.0, 1.0]]), torch.tensor(1.0)).mean.round(decimals=2)
    tensor([[1., 0.]])
    """

    log_weights: Tensor
    means: Tensor
    roots: Tensor

    def __init__(self, gaussian: FactorGaussian, weights: Tensor, means: Tensor, covs: Tensor):
        super().__init__()
        self.factors = Factors(gaussian)
        weights = weights.to(torch.float64)
        self.register_buffer("log_weights", (weights / weights.sum()).log())
        self.register_buffer("means", means.to(torch.float64))
        # eigh, not Cholesky: the covariances may be singular
        values, vectors = torch.linalg.eigh(covs.to(torch.float64))
        self.register_buffer("roots", vectors * values.clamp_min(0).sqrt().unsqueeze(1))

    def forward(self, x: Tensor, sigma: Tensor, reading: Reading | None = None) -> Posterior:
        """Return the exact posterior mean; see :class:`~skdiffusion.diffusion.Denoiser`.

        Parameters
        ----------
        x : Tensor of shape (n, d)
            Noisy rows.
        sigma : Tensor that broadcasts to ``x``
            Noise levels.
        reading : Reading or None, default=None
            What the rows say of their factors, where that is known already.

        Returns
        -------
        Posterior
            The posterior means.
        """
        reading = self.factors.read(x, sigma) if reading is None else reading
        left, log_det = self._open(reading.precision)
        expected = self.means @ reading.precision  # (g, c, k)
        surprise = reading.said.unsqueeze(1) - expected[reading.pattern]
        shift = apply_by_pattern(left, surprise, reading.pattern)
        # the integral of each component against what the row says
        constant = -((self.means * expected).sum(2) + log_det) / 2
        evidence = reading.said @ self.means.mT + (surprise * shift).sum(2) / 2
        weights = torch.softmax(self.log_weights + constant[reading.pattern] + evidence, dim=1)
        factors = (weights.unsqueeze(2) * (self.means + shift)).sum(1)
        return Posterior(self.factors.assemble(reading, factors).to(x.dtype))

    def _open(self, precision: Tensor) -> tuple[Tensor, Tensor]:
        """Return the covariance that rows leave open, and what it does to volumes.

        With ``S = U U'`` it is ``(S^{-1} + A)^{-1} = U (1 + U' A U)^{-1} U'``, which asks for no
        inverse of ``S``.
        """
        (g, k, _), c = precision.shape, len(self.means)
        # few products of wide matrices take half the time of many small ones
        wide = precision @ self.roots.permute(1, 0, 2).reshape(k, c * k)
        wide = wide.reshape(g, k, c, k).permute(2, 1, 0, 3).reshape(c, k, g * k)
        inner = (self.roots.mT @ wide).reshape(c, k, g, k).permute(2, 0, 1, 3)
        eye = torch.eye(k, dtype=torch.float64, device=precision.device)
        factor = torch.linalg.cholesky(eye + inner)
        root = torch.linalg.solve_triangular(factor, self.roots.mT.expand_as(factor), upper=False)
        return root.mT @ root, 2 * factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)


def _lower_inverse(matrices: Tensor) -> Tensor:
    eye = torch.eye(matrices.shape[-1], dtype=matrices.dtype, device=matrices.device)
    return torch.linalg.solve_triangular(matrices, eye.expand_as(matrices), upper=False)


def _symmetric(matrices: Tensor) -> Tensor:
    return (matrices + matrices.mT) / 2


def _apply(matrices: Tensor, vectors: Tensor, index: Tensor) -> Tensor:
    return apply_by_pattern(matrices.unsqueeze(1), vectors.unsqueeze(1), index).squeeze(1)
