"""Gaussian mixtures whose number of components the data choose."""

import warnings

from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from sklearn.utils import resample

MAX_ROWS = 20_000
COMPONENTS = (1, 2, 3, 4, 6, 8, 12, 16)


def fit_bic_mixture(X, *, reg_covar, random_state=None):
    """Fit mixtures of up to 16 full Gaussians, to some rows, and keep the one of least BIC."""
    if len(X) > MAX_ROWS:
        X = resample(X, replace=False, n_samples=MAX_ROWS, random_state=random_state)
    n, d = X.shape
    mixtures = [
        GaussianMixture(k, reg_covar=reg_covar, random_state=random_state)
        for k in COMPONENTS
        if k * (d + 2) <= n
    ]
    return min(mixtures, key=lambda mixture: _fit(mixture, X).bic(X))


def refit(mixture, X):
    """Fit a copy of a mixture to other rows, with as many components as they allow."""
    n_components = min(mixture.n_components, len(X))
    return _fit(clone(mixture).set_params(n_components=n_components), X)


def _fit(mixture, X):
    # the start by k-means is for NumPy alone
    with warnings.catch_warnings(), config_context(array_api_dispatch=False):
        # a mixture that has not fully converged still serves
        warnings.simplefilter("ignore", ConvergenceWarning)
        return mixture.fit(X)
