"""Shortest paths along a neighbour graph, and rows that are far from all others.

A path between two rows along edges of a neighbour graph stays among the rows, as one along the
manifold that they lie on would. It is a start: it runs over the rows themselves, zigzags between
them, and takes up their noise. :func:`skdiffusion.diffusion.relax_path` makes a geodesic of it.

References
----------
Tenenbaum, J. B., de Silva, V., Langford, J. C. (2000). A global geometric framework for nonlinear
dimensionality reduction. Science 290, which measures geodesics along the graph.

Gonzalez, T. F. (1985). Clustering to minimize the maximum intercluster distance. Theoretical
Computer Science 38, the greedy choice of farthest points.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components, dijkstra
from sklearn.metrics import pairwise_distances_argmin_min
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import check_array

from skdiffusion.geometry.nearest_rows import neighbor_graph

__all__ = ["farthest_points", "geodesic_graph", "geodesic_path", "path_length", "resample_path"]

Floats = NDArray[np.float64]

# rows that are equal would have an edge of length zero, which a sparse graph leaves out
_TINY = 1e-12


def geodesic_graph(X: ArrayLike, n_neighbors: int = 10) -> csr_array:
    """Return a connected graph of nearest neighbours, with the lengths of its edges."""
    X = _rows(X, least=2)
    if n_neighbors < 1:
        raise ValueError(f"n_neighbors must be at least 1, got {n_neighbors!r}.")
    n = len(X)
    lengths, others = neighbor_graph(X, min(n_neighbors, n - 1))
    rows = np.repeat(np.arange(n), lengths.shape[1])
    graph = _symmetric(rows, others.ravel(), lengths.ravel(), n)
    while True:
        n_components, label = connected_components(graph, directed=False)
        if n_components == 1:
            return graph
        graph = graph.maximum(_bridges(X, label)).tocsr()


def _rows(X: ArrayLike, name: str = "X", least: int = 1) -> Floats:
    return np.asarray(check_array(X, dtype=np.float64, ensure_min_samples=least, input_name=name))


def _symmetric(
    rows: NDArray[np.intp], columns: NDArray[np.intp], lengths: Floats, n: int
) -> csr_array:
    graph = coo_array((np.maximum(lengths, _TINY), (rows, columns)), shape=(n, n)).tocsr()
    return graph.maximum(graph.T).tocsr()


def _bridges(X: Floats, label: NDArray[np.intp]) -> csr_array:
    """From every component but the largest, the shortest edge out: a round of Boruvka."""
    edges = []
    for component in np.delete(np.arange(label.max() + 1), np.bincount(label).argmax()):
        inside = np.flatnonzero(label == component)
        outside = np.flatnonzero(label != component)
        nearest, length = pairwise_distances_argmin_min(X[inside], X[outside])
        best = length.argmin()
        edges.append((inside[best], outside[nearest[best]], length[best]))
    rows, columns, lengths = map(np.array, zip(*edges, strict=True))
    return _symmetric(rows, columns, lengths, len(X))


def geodesic_path(
    X: ArrayLike,
    a: ArrayLike,
    b: ArrayLike,
    n_points: int = 50,
    *,
    n_neighbors: int = 10,
    graph: csr_array | None = None,
    smoothing: float = 0.5,
) -> Floats:
    """Return the shortest path from `a` to `b` along a neighbour graph, smoothed."""
    X = _rows(X, least=2)
    start, end = (_one_row(row, X.shape[1], name) for row, name in ((a, "a"), (b, "b")))
    if smoothing < 0:
        raise ValueError(f"smoothing must not be negative, got {smoothing!r}.")
    _check_n_points(n_points)
    graph = geodesic_graph(X, n_neighbors) if graph is None else graph
    if graph.shape != (len(X), len(X)):
        raise ValueError(f"graph is of {graph.shape[0]} rows, but X has {len(X)}.")
    corners = _shortest_path(X, start, end, graph, min(n_neighbors, len(X)))
    path = np.concatenate([[start], X[corners], [end]])
    if smoothing > 0 and len(corners):
        # fine enough to bend at every row
        path = resample_path(path, max(n_points, 8 * len(path)))
        path = _smooth(path, smoothing * len(path) / (len(corners) + 1))
    return resample_path(path, n_points)


def _one_row(row: ArrayLike, d: int, name: str) -> Floats:
    shape = np.shape(row)
    if shape != (d,):
        raise ValueError(f"{name} must be one row of {d} columns, got shape {shape}.")
    return _rows(np.atleast_2d(row), name)[0]


def _check_n_points(n_points: int) -> None:
    if n_points < 2:
        raise ValueError(f"n_points must be at least 2, both ends, got {n_points!r}.")


def _shortest_path(
    X: Floats, a: Floats, b: Floats, graph: csr_array, n_neighbors: int
) -> NDArray[np.intp]:
    """Rows between `a` and `b`, none where they are nearer to each other than to the rows."""
    near, who = NearestNeighbors(n_neighbors=n_neighbors).fit(X).kneighbors([a, b])
    direct = np.linalg.norm(b - a)
    if direct <= near[:, -1].min():
        return np.empty(0, dtype=np.intp)
    distance, before = dijkstra(graph, indices=who[0], return_predecessors=True)
    total = near[0][:, None] + distance[:, who[1]] + near[1]
    first, last = np.unravel_index(total.argmin(), total.shape)
    rows = [who[1][last]]
    while rows[-1] != who[0][first]:
        rows.append(before[first, rows[-1]])
    return np.array(rows[::-1], dtype=np.intp)


def _smooth(path: Floats, width: float) -> Floats:
    """Smooth a path with both ends held, by ``(I + width^2 L)^{-1}``, once and again."""
    n = len(path) - 2
    system = np.eye(n) * (1 + 2 * width**2)
    off = np.arange(n - 1)
    system[off, off + 1] = system[off + 1, off] = -(width**2)
    for _ in range(2):
        right = path[1:-1].copy()
        right[0] += width**2 * path[0]
        right[-1] += width**2 * path[-1]
        path = np.concatenate([path[:1], np.linalg.solve(system, right), path[-1:]])
    return path


def path_length(path: ArrayLike) -> float:
    """Length of a path of straight pieces."""
    return float(np.linalg.norm(np.diff(np.asarray(path, dtype=np.float64), axis=0), axis=1).sum())


def resample_path(path: ArrayLike, n_points: int) -> Floats:
    """Points at equal distances along a path of straight pieces."""
    path = _rows(path, "path", least=2)
    _check_n_points(n_points)
    along = np.concatenate([[0], np.linalg.norm(np.diff(path, axis=0), axis=1).cumsum()])
    at = np.linspace(0, along[-1], n_points)
    points = np.stack([np.interp(at, along, column) for column in path.T], axis=1)
    points[-1] = path[-1]
    return points


def farthest_points(
    candidates: ArrayLike,
    X: ArrayLike,
    n: int,
    *,
    log_density: ArrayLike | None = None,
    floor: float | None = None,
) -> NDArray[np.intp]:
    """Choose candidates that are far from the data and from one another."""
    candidates, X = _rows(candidates, "candidates"), _rows(X)
    if candidates.shape[1] != X.shape[1]:
        raise ValueError(f"candidates have {candidates.shape[1]} columns, but X has {X.shape[1]}.")
    allowed = _plausible(len(candidates), log_density, floor)
    if not 1 <= n <= allowed.sum():
        raise ValueError(
            f"n={n} must be at least 1 and at most {allowed.sum()}, the number of candidates "
            "that are plausible: draw more of them or lower the floor."
        )
    gap = np.where(allowed, pairwise_distances_argmin_min(candidates, X)[1], -np.inf)
    chosen = np.empty(n, dtype=np.intp)
    for i in range(n):
        chosen[i] = gap.argmax()
        np.minimum(gap, np.linalg.norm(candidates - candidates[chosen[i]], axis=1), out=gap)
        # not again, even where only copies of chosen rows are left
        gap[chosen[i]] = -np.inf
    return chosen


def _plausible(m: int, log_density: ArrayLike | None, floor: float | None) -> NDArray[np.bool_]:
    if floor is None:
        return np.ones(m, dtype=bool)
    if log_density is None:
        raise ValueError("floor needs the log_density of the candidates.")
    values = np.asarray(log_density, dtype=np.float64)
    if values.shape != (m,):
        raise ValueError(f"log_density must have one value per candidate, {m}: {values.shape}.")
    return values >= floor
