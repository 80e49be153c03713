"""Tangent spaces of a data set, by local principal components."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_array

from skdiffusion.geometry.planes import local_planes

__all__ = ["tangent_basis"]

Floats = NDArray[np.float64]


def tangent_basis(X: Any, queries: Any, dimension: int, n_neighbors: int | None = None) -> Floats:
    """Return orthonormal bases of the tangent spaces at some points, by local components."""
    X, queries = check_array(X, dtype=np.float64), check_array(queries, dtype=np.float64)
    if queries.shape[1] != X.shape[1]:
        raise ValueError(f"queries have {queries.shape[1]} columns, X has {X.shape[1]}.")
    size = min(max(20, 3 * dimension), len(X)) if n_neighbors is None else n_neighbors
    if not 2 <= size <= len(X):
        raise ValueError(f"n_neighbors={size} must be at least 2 and at most n={len(X)} rows.")
    if not 1 <= dimension <= min(size - 1, X.shape[1]):
        raise ValueError(
            f"dimension={dimension} must be at least 1, below n_neighbors={size} and at most "
            f"d={X.shape[1]}."
        )
    return local_planes(X, dimension, n_neighbors=size, queries=queries).bases
