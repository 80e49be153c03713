"""Checks of what methods are given."""

from contextlib import contextmanager
from importlib.util import find_spec
from numbers import Integral, Real

import numpy as np
from sklearn.utils import _safe_indexing as take_rows  # noqa: F401
from sklearn.utils._param_validation import (  # noqa: F401
    Interval,
    Options,
    RealNotInt,
    StrOptions,
    validate_parameter_constraints,
)
from sklearn.utils.validation import _check_sample_weight

#: What a parameter that counts something may be.
COUNT = Interval(Integral, 1, None, closed="left")
#: What `random_state` may be.
Seed = int | np.random.RandomState | None


@contextmanager
def needs(extra, purpose):
    """Say which extra installs or upgrades a library, where the import in a block fails."""
    try:
        yield
    except ImportError as error:
        advice = "Install it with: pip install"
        # a part of something that is there: the versions do not fit, as pip may not know
        if error.name and find_spec(error.name.partition(".")[0]) is not None:
            advice = (
                f"It is installed, but does not fit the versions of its neighbours ({error}). "
                "Upgrade it with: pip install --upgrade --upgrade-strategy eager"
            )
        raise ImportError(f"{purpose}. {advice} 'skdiffusion[{extra}]'") from error


def check_count(value, name):
    """Raise unless a value is a positive whole number."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name} must be at least 1, a whole number, got {value!r}.")


def check_positive(value, name):
    """Raise unless a value is a positive, finite number."""
    if not isinstance(value, Real) or not 0 < value < np.inf:
        raise ValueError(f"{name} must be positive and finite, got {value!r}.")


def check_noise(noise, n, each="column"):
    """Return noise as an array, or raise unless it is one number or one for each column."""
    noise = np.asarray(noise, dtype=np.float64)
    if noise.shape not in ((), (n,)):
        raise ValueError(
            f"Noise is one number or one for each of {n} {each}s, got shape {noise.shape}."
        )
    if not (np.isfinite(noise).all() and (noise >= 0).all()):
        raise ValueError(f"Noise must be finite and not negative, got {noise}.")
    return noise


def check_weights(sample_weight, n):
    """Return the weights of rows as an array, None for none; raise for negative ones."""
    if sample_weight is None:
        return None
    rows = np.empty((n, 1))
    weights = _check_sample_weight(sample_weight, rows, ensure_non_negative=True, dtype=np.float64)
    if not weights.any():  # scikit-learn says so itself from 1.9 on
        raise ValueError("Sample weights must contain at least one non-zero number.")
    return weights
