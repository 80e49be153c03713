"""Checks of parameters."""

from numbers import Integral, Real

import numpy as np
from sklearn.utils import check_scalar


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
