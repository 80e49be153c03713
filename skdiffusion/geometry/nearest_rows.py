"""The nearest other rows of every row."""

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

Floats = NDArray[np.float64]


def neighbor_graph(
    X: Floats, n_neighbors: int, at: NDArray[np.intp] | None = None
) -> tuple[Floats, NDArray[np.intp]]:
    """Return distances and indices of the nearest other rows, for all rows or for those `at`."""
    search = NearestNeighbors(n_neighbors=n_neighbors).fit(X)
    if at is None or len(at) == len(X):
        return search.kneighbors()
    distances, indices = search.kneighbors(X[at], n_neighbors + 1)
    # a row that has copies may not be among the nearest to itself
    others = indices != at[:, None]
    others[others.all(1), -1] = False
    shape = len(at), n_neighbors
    return distances[others].reshape(shape), indices[others].reshape(shape)
