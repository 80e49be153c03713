"""Denoisers in closed form: a Gaussian, a Gaussian mixture and the data set itself.

They are the oracles of the test suite and the baselines that networks improve upon, exact for noise
levels that differ from entry to entry. Matrices are factorised once per *distinct* pattern of noise
levels in the batch, in float64 whatever the dtype of the rows, because noised covariances are
badly conditioned at small noise.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn

from skdiffusion.diffusion.cholesky import stable_cholesky
from skdiffusion.diffusion.denoiser import Posterior
from skdiffusion.diffusion.patterns import apply_by_pattern, keep_last, noise_patterns

_LOG_2PI = math.log(2 * math.pi)
_MAX_ELEMENTS = 2**24  # of a temporary: 128 MiB in float64


class MixtureDenoiser(nn.Module):
    """Exact denoiser of a Gaussian mixture with full covariances.

    ``D(x, sigma) = sum_k w_k(x) (mu_k + S_k (S_k + N)^{-1} (x - mu_k))`` with ``w`` the posterior
    weights of the noised mixture and ``N = diag(sigma ** 2)``.

    Parameters
    ----------
    weights : Tensor of shape (k,)
        Positive component weights; they are normalised to sum to one.
    means : Tensor of shape (k, d)
        Component means.
    covs : Tensor of shape (k, d, d) or (k, d)
        Component covariances, full or diagonal. They may be singular.

    Raises
    ------
    ValueError
        If the shapes disagree or a weight is not positive.

    Examples
    --------
    >>> import torch
    >>> denoiser = MixtureDenoiser(
    ...     torch.ones(2), torch.tensor([[-1.0], [1.0]]), torch.zeros(2, 1)
    ... )
    >>> denoiser(torch.tensor([[0.0], [5.0]]), torch.tensor(1.0)).mean.round(decimals=2)
    tensor([[0.],
            [1.]])
    """

    weights: Tensor
    means: Tensor
    covs: Tensor

    def __init__(self, weights: Tensor, means: Tensor, covs: Tensor):
        super().__init__()
        k, d = means.shape
        if weights.shape != (k,) or covs.shape not in {(k, d, d), (k, d)}:
            raise ValueError("Shapes disagree: expected (k,), (k, d) and (k, d, d) or (k, d).")
        if not bool((weights > 0).all()):
            raise ValueError("Every component weight must be positive.")
        weights = weights.to(torch.float64)
        self.register_buffer("weights", weights / weights.sum())
        self.register_buffer("means", means.to(torch.float64))
        self.register_buffer("covs", covs.to(torch.float64))

    @property
    def n_features(self) -> int:
        """Number of columns."""
        return self.means.shape[1]

    @property
    def is_diagonal(self) -> bool:
        """Whether the component covariances are diagonal."""
        return self.covs.dim() == 2

    def forward(self, x: Tensor, sigma: Tensor) -> Posterior:
        """Return the exact posterior mean; see :class:`Denoiser`."""
        means = [self._mean(*chunk) for chunk in self._chunks(x, sigma)]
        return Posterior(torch.cat(means).to(x.dtype))

    def log_prob(self, x: Tensor, sigma: Tensor) -> Tensor:
        """Return the log-density of the noised mixture, in nats."""
        parts = [self._innovations(*chunk)[0].logsumexp(1) for chunk in self._chunks(x, sigma)]
        return torch.cat(parts).to(x.dtype)

    def sample(
        self, n: int, generator: torch.Generator | None = None, sigma: float = 0.0
    ) -> Tensor:
        """Draw rows of the mixture noised at one level."""
        k = torch.multinomial(self.weights, n, replacement=True, generator=generator)
        size, device = (n, self.n_features), self.means.device
        white = torch.randn(size, generator=generator, dtype=torch.float64, device=device)
        if self.is_diagonal:
            return self.means[k] + (self.covs[k] + sigma**2).sqrt() * white
        # eigh, not Cholesky: the clean covariances may be singular
        values, vectors = torch.linalg.eigh(self.covs)
        root = vectors * (values.clamp_min(0) + sigma**2).sqrt().unsqueeze(1)
        for component in k.unique():
            rows = k == component
            white[rows] = self.means[component] + white[rows] @ root[component].mT
        return white

    def _chunks(self, x: Tensor, sigma: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Split the rows so that no temporary grows beyond a fixed memory."""
        k, d = self.means.shape
        shared = sigma.dim() < 2 or sigma.shape[0] == 1
        per_row = k * d if shared or self.is_diagonal else k * d * d
        size = max(1, _MAX_ELEMENTS // per_row)
        rows = x.to(torch.float64).split(size)
        levels = [sigma] * len(rows) if shared else list(sigma.split(size))
        return list(zip(rows, levels, strict=True))

    def _innovations(self, x: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return log weights (n, k), ``(S_k + N)^{-1} (x - mu_k)``, and ``N``."""
        patterns, index = noise_patterns(x, sigma)
        noise, delta = patterns**2, x.unsqueeze(1) - self.means
        if self.is_diagonal:
            noised = (self.covs + noise.unsqueeze(1))[index]
            solved = delta / noised
            log_det = noised.log().sum(-1)
        else:
            solved, log_det = self._solve(delta, noise, index)
        mahalanobis = (delta * solved).sum(-1)
        log_normal = -0.5 * (mahalanobis + log_det + self.n_features * _LOG_2PI)
        return self.weights.log() + log_normal, solved, noise[index].unsqueeze(1)

    def _solve(self, delta: Tensor, noise: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
        """Return ``(S_k + N)^{-1} delta``, and the log determinant of ``S_k + N``."""
        own, precision, log_det = self._invert(noise)
        solved = delta / noise[index].unsqueeze(1)
        solved[..., own] = apply_by_pattern(precision, delta[..., own], index)
        return solved, log_det[index]

    @keep_last
    def _invert(self, noise: Tensor) -> tuple[Any, Tensor, Tensor]:
        """Return which columns vary, ``(S_k + N)^{-1}`` of these, and the log determinants."""
        # columns in which every component is a point, such as classes, need no factorising
        varies = (self.covs.diagonal(dim1=-2, dim2=-1) > 0).any(0)
        # a slice, where all columns vary, is a view
        own = slice(None) if varies.all() else varies
        noised = self.covs[:, own][:, :, own] + noise[:, None, own].diag_embed()
        factor = stable_cholesky(noised)
        log_det = 2 * factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        log_det = log_det + noise[:, ~varies].log().sum(-1, keepdim=True)
        return own, torch.cholesky_inverse(factor), log_det

    def _mean(self, x: Tensor, sigma: Tensor) -> Tensor:
        log_weights, solved, noise = self._innovations(x, sigma)
        share = torch.softmax(log_weights, dim=1).unsqueeze(-1)
        return (share * (x.unsqueeze(1) - noise * solved)).sum(1)


class GaussianDenoiser(MixtureDenoiser):
    """Exact denoiser of one Gaussian.

    Parameters
    ----------
    mean : Tensor of shape (d,)
        Mean.
    cov : Tensor of shape (d, d) or (d,)
        Covariance, full or diagonal. It may be singular.

    Raises
    ------
    ValueError
        If the shapes disagree.

    Examples
    --------
    >>> import torch
    >>> denoiser = GaussianDenoiser(torch.zeros(2), torch.tensor([4.0, 0.0]))
    >>> denoiser(torch.tensor([[5.0, 5.0]]), torch.tensor(1.0))
    Posterior(mean=tensor([[4., 0.]]))
    """

    def __init__(self, mean: Tensor, cov: Tensor):
        super().__init__(torch.ones(1), mean.unsqueeze(0), cov.unsqueeze(0))

    @property
    def mean(self) -> Tensor:
        """The mean, of shape (d,)."""
        return self.means[0]

    @property
    def cov(self) -> Tensor:
        """The covariance, of shape (d, d) or (d,)."""
        return self.covs[0]


class EmpiricalDenoiser(MixtureDenoiser):
    """Exact denoiser of a finite data set: the posterior over its rows.

    The optimum of denoising score matching on those rows: with it every sampler reproduces the
    training rows, which makes it the oracle of memorisation.

    Parameters
    ----------
    data : Tensor of shape (n, d)
        The rows; all weigh the same.

    References
    ----------
    Karras, T. et al. (2022). Elucidating the design space of diffusion-based generative models.
    arXiv:2206.00364, appendix B.3.

    Examples
    --------
    >>> import torch
    >>> denoiser = EmpiricalDenoiser(torch.tensor([[0.0], [1.0]]))
    >>> denoiser(torch.tensor([[0.9]]), torch.tensor(0.1)).mean
    tensor([[1.]])
    """

    def __init__(self, data: Tensor):
        super().__init__(torch.ones(len(data)), data, torch.zeros_like(data))
