"""Random Gaussian mixtures, with the exact density and score."""

import math
from numbers import Real

import numpy as np
from scipy.special import logsumexp
from sklearn.utils import Bunch, check_array, check_random_state, check_scalar

from benchmarks.known_manifolds.checks import check_count, check_noise


def make_gaussian_mixture(
    n_samples=100,
    n_features=2,
    *,
    n_components=3,
    spread=1.5,
    effective_rank=None,
    noise=0.1,
    random_state=None,
):
    """Draw a random Gaussian mixture, and rows from it."""
    rng = check_random_state(random_state)
    n, d = check_count(n_samples, "n_samples"), check_count(n_features, "n_features")
    k = check_count(n_components, "n_components")
    check_scalar(spread, "spread", Real, min_val=0)
    check_noise(noise, positive=True)
    rank = d if effective_rank is None else check_count(effective_rank, "effective_rank")
    if rank > d:
        raise ValueError(f"effective_rank={rank} must be at most n_features={d}.")
    means = spread * rng.standard_normal((k, d))
    axes = np.linalg.qr(rng.standard_normal((k, d, d)))[0]
    variances = np.full((k, d), float(noise) ** 2)
    variances[:, :rank] = np.exp(rng.uniform(math.log(0.5), math.log(1.5), size=(k, rank)))
    component = rng.randint(k, size=n)
    draws = np.sqrt(variances)[component] * rng.standard_normal((n, d))
    X = means[component] + np.einsum("nij,nj->ni", axes[component], draws)
    covariances = (axes * variances[:, None]) @ axes.transpose(0, 2, 1)
    return X, Bunch(weights=np.full(k, 1 / k), means=means, covariances=covariances)


def gaussian_mixture_log_density(X, weights, means, covariances):
    """Log-density of a Gaussian mixture."""
    return logsumexp(_log_terms(X, weights, means, covariances)[0], axis=1)


def gaussian_mixture_score(X, weights, means, covariances):
    """Gradient of the log-density of a Gaussian mixture."""
    terms, pulls = _log_terms(X, weights, means, covariances)
    shares = np.exp(terms - logsumexp(terms, axis=1, keepdims=True))
    return np.einsum("nk,nki->ni", shares, pulls)


def _log_terms(X, weights, means, covariances):
    """Logarithms of weight times density, and gradient of the latter, for each component."""
    means, covariances = np.asarray(means, dtype=float), np.asarray(covariances, dtype=float)
    X = check_array(X, dtype=np.float64)
    factors = np.linalg.cholesky(covariances)
    residuals = (X[:, None] - means).transpose(1, 2, 0)
    pulls = -np.linalg.solve(covariances, residuals)
    squares = -(residuals * pulls).sum(axis=1)
    log_volumes = np.log(np.diagonal(factors, axis1=1, axis2=2)).sum(axis=1)
    constants = np.log(weights) - log_volumes - means.shape[1] / 2 * math.log(2 * math.pi)
    return constants - squares.T / 2, pulls.transpose(2, 0, 1)
