"""Random Gaussian mixtures, with the exact density and score."""

import math
from numbers import Real

import numpy as np
from scipy.special import logsumexp
from sklearn.utils import Bunch, check_random_state, check_scalar

from skdiffusion.datasets._checks import check_count, check_noise, check_rows


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
    """Draw a random Gaussian mixture, and rows from it.

    Parameters
    ----------
    n_samples : int, default=100
        Number of rows.
    n_features : int, default=2
        Number of columns.
    n_components : int, default=3
        Number of Gaussians, all of the same weight.
    spread : float, default=1.5
        Standard deviation of the centres, which are normal. Around 1.5 the components overlap in
        few columns and are apart in many.
    effective_rank : int, default=None
        Number of directions in which a component has a variance between 0.5 and 1.5; in all others
        there is only the noise. The directions are random and differ between the components, so
        that each is thin around a plane of its own. None stands for all directions: no component
        is thin.
    noise : float, default=0.1
        Standard deviation in the other directions, above 0. Has no effect without
        `effective_rank`.
    random_state : int, RandomState instance or None, default=None
        Source of the mixture and then of the rows. The same int gives the same mixture whatever
        `n_samples` is. For training and test rows of one mixture, draw both at once.

    Returns
    -------
    X : ndarray of shape (n_samples, n_features)
        The rows, independent and in random order.
    mixture : Bunch
        The parameters, for `gaussian_mixture_log_density` and `gaussian_mixture_score`:
        ``weights`` of shape (n_components,), ``means`` of shape (n_components, n_features) and
        ``covariances`` of shape (n_components, n_features, n_features).

    See Also
    --------
    gaussian_mixture_log_density : The exact log-density.
    gaussian_mixture_score : The exact gradient of the log-density.

    Examples
    --------
    >>> from skdiffusion.datasets import make_gaussian_mixture
    >>> X, mixture = make_gaussian_mixture(200, 5, effective_rank=2, random_state=0)
    >>> X.shape, mixture.covariances.shape
    ((200, 5), (3, 5, 5))
    """
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
    """Log-density of a Gaussian mixture.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Rows to evaluate.
    weights : array-like of shape (n_components,)
        Shares of the components, of sum 1.
    means : array-like of shape (n_components, n_features)
        Their means.
    covariances : array-like of shape (n_components, n_features, n_features)
        Their covariance matrices, positive definite.

    Returns
    -------
    log_density : ndarray of shape (n_samples,)
        Exact natural logarithms of the density.

    Examples
    --------
    >>> from skdiffusion.datasets import gaussian_mixture_log_density, make_gaussian_mixture
    >>> X, mixture = make_gaussian_mixture(100, 3, random_state=0)
    >>> gaussian_mixture_log_density(X, **mixture).shape
    (100,)
    """
    return logsumexp(_log_terms(X, weights, means, covariances)[0], axis=1)


def gaussian_mixture_score(X, weights, means, covariances):
    """Gradient of the log-density of a Gaussian mixture.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Rows to evaluate.
    weights : array-like of shape (n_components,)
        Shares of the components, of sum 1.
    means : array-like of shape (n_components, n_features)
        Their means.
    covariances : array-like of shape (n_components, n_features, n_features)
        Their covariance matrices, positive definite.

    Returns
    -------
    score : ndarray of shape (n_samples, n_features)
        Exact derivatives of the log-density by each column.

    Examples
    --------
    >>> import numpy as np
    >>> from skdiffusion.datasets import gaussian_mixture_score
    >>> gaussian_mixture_score([[2.0]], [1.0], [[0.0]], [[[4.0]]])
    array([[-0.5]])
    """
    terms, pulls = _log_terms(X, weights, means, covariances)
    shares = np.exp(terms - logsumexp(terms, axis=1, keepdims=True))
    return np.einsum("nk,nki->ni", shares, pulls)


def _log_terms(X, weights, means, covariances):
    """Logarithms of weight times density, and gradient of the latter, for each component."""
    means, covariances = np.asarray(means, dtype=float), np.asarray(covariances, dtype=float)
    X = check_rows(X, means.shape[1])
    factors = np.linalg.cholesky(covariances)
    residuals = (X[:, None] - means).transpose(1, 2, 0)
    pulls = -np.linalg.solve(covariances, residuals)
    squares = -(residuals * pulls).sum(axis=1)
    log_volumes = np.log(np.diagonal(factors, axis1=1, axis2=2)).sum(axis=1)
    constants = np.log(weights) - log_volumes - means.shape[1] / 2 * math.log(2 * math.pi)
    return constants - squares.T / 2, pulls.transpose(2, 0, 1)
