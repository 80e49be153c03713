"""Rows that count more or less than others."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["centre", "check_weights", "effective_size"]

Rows = NDArray[np.float64]


def centre(Z: Rows, sample_weight: Rows | None = None) -> tuple[Rows, Rows]:
    """Return the mean, and deviations from it whose plain second moments are weighted ones."""
    if sample_weight is None:
        return Z.mean(0), Z - Z.mean(0)
    seen = sample_weight > 0
    share = sample_weight[seen, None] / sample_weight[seen].mean()
    mean = (share * Z[seen]).mean(0)
    return mean, np.sqrt(share) * (Z[seen] - mean)


def effective_size(sample_weight: Rows) -> int:
    """Return the number of equally weighted rows that tell as much: all where weights are equal."""
    return max(1, round(sample_weight.sum() ** 2 / (sample_weight**2).sum()))


def check_weights(sample_weight: ArrayLike, n: int) -> Rows:
    """Return weights of mean one; raise unless there is one for each row."""
    weights = np.asarray(sample_weight, dtype=np.float64)
    if weights.shape != (n,):
        raise ValueError(f"sample_weight has shape {weights.shape}, but there are {n} rows.")
    if not (np.isfinite(weights).all() and weights.min() >= 0 and weights.any()):
        raise ValueError("sample_weight must be finite and not negative, and not zero everywhere.")
    return weights / weights.mean()
