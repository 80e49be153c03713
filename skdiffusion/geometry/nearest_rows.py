"""The nearest other rows of every row, by an exact search or by one that is given."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.base import clone
from sklearn.neighbors import NearestNeighbors

Floats = NDArray[np.float64]


def neighbor_graph(
    X: Floats, n_neighbors: int, *, transformer: Any = None
) -> tuple[Floats, NDArray[np.intp]]:
    """Return distances and indices of the nearest other rows, each of shape (n, n_neighbors)."""
    if not 0 < n_neighbors < len(X):
        raise ValueError(f"n_neighbors={n_neighbors} must be positive and below n={len(X)} rows.")
    if transformer is None:
        return NearestNeighbors(n_neighbors=n_neighbors).fit(X).kneighbors()
    if not hasattr(transformer, "fit_transform"):
        raise TypeError(
            f"neighbors must be a transformer like KNeighborsTransformer, got {transformer!r}."
        )
    # one more than wanted: some transformers count a row as its own neighbour
    search = clone(transformer).set_params(n_neighbors=min(n_neighbors + 1, len(X) - 1))
    if (mode := getattr(search, "mode", "distance")) != "distance":
        raise ValueError(f"neighbors must return distances: set mode='distance', got {mode!r}.")
    return _from_sparse(search.fit_transform(X), n_neighbors, type(transformer).__name__)


def _from_sparse(graph: Any, n_neighbors: int, name: str) -> tuple[Floats, NDArray[np.intp]]:
    if not issparse(graph):
        raise TypeError(f"{name}.fit_transform must return a sparse graph, got {type(graph)}.")
    graph = graph.tocsr()
    n = graph.shape[0]
    distances, indices = np.empty((n, n_neighbors)), np.empty((n, n_neighbors), dtype=np.intp)
    for i in range(n):
        part = slice(graph.indptr[i], graph.indptr[i + 1])
        others = graph.indices[part] != i
        found, length = graph.indices[part][others], graph.data[part][others]
        if len(found) < n_neighbors:
            raise ValueError(
                f"{name} found {len(found)} of {n_neighbors} neighbours of row {i}: "
                "raise its accuracy or lower n_neighbors."
            )
        order = np.argsort(length, kind="stable")[:n_neighbors]
        distances[i], indices[i] = length[order], found[order]
    return distances, indices
