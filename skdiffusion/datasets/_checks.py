"""Checks shared by the data sets."""

from numbers import Integral, Real

import numpy as np
from sklearn.utils import check_array, check_scalar


def check_count(value, name):
    """Return a positive integer, or say what is wrong with it."""
    return check_scalar(value, name, Integral, min_val=1)


def check_noise(noise, *, positive=False):
    """Return a finite standard deviation of at least 0, or above 0 where a density needs it."""
    boundaries = "neither" if positive else "left"
    return check_scalar(
        noise, "noise", Real, min_val=0, max_val=np.inf, include_boundaries=boundaries
    )


def check_positive(value, name):
    """Return a finite number above 0, or say what is wrong with it."""
    return check_scalar(value, name, Real, min_val=0, max_val=np.inf, include_boundaries="neither")


def check_rows(X, n_features):
    """Return float64 rows with as many columns as the law has."""
    X = check_array(X, dtype=np.float64)
    if X.shape[1] != n_features:
        raise ValueError(f"X has {X.shape[1]} columns, but the density is one of {n_features}.")
    return X
