"""Checks of what methods are given."""

from numbers import Integral, Real

import numpy as np

__all__ = ["check_count", "check_positive"]


def check_count(value, name):
    """Raise unless a value is a positive whole number."""
    if not isinstance(value, Integral) or value < 1:
        raise ValueError(f"{name} must be at least 1, a whole number, got {value!r}.")


def check_positive(value, name):
    """Raise unless a value is a positive, finite number."""
    if not isinstance(value, Real) or not 0 < value < np.inf:
        raise ValueError(f"{name} must be positive and finite, got {value!r}.")
