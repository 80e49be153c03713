"""The nearest other rows of every row."""

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

Floats = NDArray[np.float64]


def neighbor_graph(X: Floats, n_neighbors: int) -> tuple[Floats, NDArray[np.intp]]:
    """Return distances and indices of the nearest other rows, each of shape (n, n_neighbors)."""
    return NearestNeighbors(n_neighbors=n_neighbors).fit(X).kneighbors()
