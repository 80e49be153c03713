"""Rows that count more or less than others."""

import numpy as np
from numpy.typing import NDArray

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
