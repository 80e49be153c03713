"""Gaussian mixtures whose number of components the data choose."""

import warnings

import numpy as np
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from sklearn.utils import resample

MAX_ROWS = 20_000
COMPONENTS = (1, 2, 3, 4, 6, 8, 12, 16)
# larger mixtures that are worse, after which none was the best of all on 56 tables
PATIENCE = 3


def fit_bic_mixture(X, *, reg_covar, random_state=None):
    """Fit mixtures of up to 16 full Gaussians, to some rows, and keep the one of least BIC."""
    if len(X) > MAX_ROWS:
        X = resample(X, replace=False, n_samples=MAX_ROWS, random_state=random_state)
    n, d = X.shape
    best, least, n_worse = None, np.inf, 0
    for k in [k for k in COMPONENTS if k * (d + 2) <= n]:
        mixture = _fit(GaussianMixture(k, reg_covar=reg_covar, random_state=random_state), X)
        n_worse += 1
        if (bic := mixture.bic(X)) < least:
            best, least, n_worse = mixture, bic, 0
        if n_worse == PATIENCE:
            break
    return best


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
