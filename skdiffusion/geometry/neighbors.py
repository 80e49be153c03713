"""Neighbour graphs."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.base import clone
from sklearn.neighbors import NearestNeighbors

__all__ = ["neighbor_graph", "restrict_graph"]

Floats = NDArray[np.float64]


def neighbor_graph(
    X: Floats, n_neighbors: int, *, transformer: Any = None, n_jobs: int | None = None
) -> tuple[Floats, NDArray[np.intp]]:
    """Return the nearest other rows of every row."""
    if not 0 < n_neighbors < len(X):
        raise ValueError(f"n_neighbors={n_neighbors} must be positive and below n={len(X)} rows.")
    if transformer is None:
        search = NearestNeighbors(n_neighbors=n_neighbors, n_jobs=n_jobs).fit(X)
        return search.kneighbors()
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


def restrict_graph(
    X: Floats,
    distances: Floats,
    indices: NDArray[np.intp],
    kept: NDArray[np.intp],
    n_neighbors: int,
) -> tuple[Floats, NDArray[np.intp]]:
    """Return the neighbours that rows have among some of the rows, from a graph of all."""
    position = np.full(len(X), -1)
    position[kept] = np.arange(len(kept))
    among = position[indices[kept]]
    # stable: those that are kept come first, nearest first
    order = np.argsort(among < 0, axis=1, kind="stable")[:, :n_neighbors]
    found = np.take_along_axis(among, order, axis=1)
    length = np.take_along_axis(distances[kept], order, axis=1)
    short = found.shape[1] < n_neighbors or (found < 0).any(axis=1)
    if np.any(short):
        again = np.arange(len(kept)) if found.shape[1] < n_neighbors else np.flatnonzero(short)
        search = NearestNeighbors(n_neighbors=n_neighbors + 1).fit(X[kept])
        far, who = search.kneighbors(X[kept[again]])
        mine = who == again[:, None]
        # among many equal rows a row may not find itself: then the last one goes
        mine[~mine.any(axis=1), -1] = True
        if found.shape[1] < n_neighbors:
            shape = (len(kept), n_neighbors)
            length, found = np.empty(shape), np.empty(shape, dtype=np.intp)
        length[again] = far[~mine].reshape(len(again), n_neighbors)
        found[again] = who[~mine].reshape(len(again), n_neighbors)
    return length, found
