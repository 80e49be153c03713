"""Shortest paths along a neighbour graph, and rows that are far from all others.

A path between two rows along edges of a neighbour graph stays among the rows, as one along the
manifold that they lie on would. It is a start: it runs over the rows themselves, zigzags between
them, and takes up their noise. :mod:`skdiffusion.diffusion.paths` makes a geodesic of it.

References
----------
Tenenbaum, J. B., de Silva, V., Langford, J. C. (2000). A global geometric framework for nonlinear
dimensionality reduction. Science 290, which measures geodesics along the graph.

Gonzalez, T. F. (1985). Clustering to minimize the maximum intercluster distance. Theoretical
Computer Science 38, the greedy choice of farthest points.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components, dijkstra
from sklearn.metrics import pairwise_distances_argmin_min
from sklearn.neighbors import NearestNeighbors

from skdiffusion.geometry.nearest_rows import neighbor_graph

Floats = NDArray[np.float64]

_N_NEIGHBORS = 10
# rows that are equal would have an edge of length zero, which a sparse graph leaves out
_TINY = 1e-12


def geodesic_graph(X: Floats, n_neighbors: int = _N_NEIGHBORS) -> csr_array:
    """Return a connected graph of nearest neighbours, with the lengths of its edges."""
    n = len(X)
    lengths, others = neighbor_graph(X, min(n_neighbors, n - 1))
    rows = np.repeat(np.arange(n), lengths.shape[1])
    graph = _symmetric(rows, others.ravel(), lengths.ravel(), n)
    while True:
        n_components, label = connected_components(graph, directed=False)
        if n_components == 1:
            return graph
        graph = graph.maximum(_bridges(X, label)).tocsr()


def _symmetric(
    rows: NDArray[np.intp], columns: NDArray[np.intp], lengths: Floats, n: int
) -> csr_array:
    graph = coo_array((np.maximum(lengths, _TINY), (rows, columns)), shape=(n, n)).tocsr()
    return graph.maximum(graph.T).tocsr()


def _bridges(X: Floats, label: NDArray[np.intp]) -> csr_array:
    """Return the shortest edge out of every component but the largest."""
    edges = []
    for component in np.delete(np.arange(label.max() + 1), np.bincount(label).argmax()):
        inside = np.flatnonzero(label == component)
        outside = np.flatnonzero(label != component)
        nearest, length = pairwise_distances_argmin_min(X[inside], X[outside])
        best = length.argmin()
        edges.append((inside[best], outside[nearest[best]], length[best]))
    rows, columns, lengths = map(np.array, zip(*edges, strict=True))
    return _symmetric(rows, columns, lengths, len(X))


def geodesic_path(X: Floats, a: Floats, b: Floats, n_points: int = 50) -> Floats:
    """Return the shortest path from `a` to `b` along a neighbour graph of rows, smoothed."""
    corners = _shortest_path(X, a, b)
    path = np.concatenate([[a], X[corners], [b]])
    # fine enough to bend at every row
    path = resample_path(path, max(n_points, 8 * len(path)))
    if len(corners):
        path = _smooth(path, len(path) / (len(corners) + 1))
    return resample_path(path, n_points)


def _shortest_path(X: Floats, a: Floats, b: Floats) -> NDArray[np.intp]:
    """Rows between `a` and `b`, none where they are nearer to each other than to the rows."""
    search = NearestNeighbors(n_neighbors=min(_N_NEIGHBORS, len(X))).fit(X)
    near, who = search.kneighbors([a, b])
    if np.linalg.norm(b - a) <= near[:, -1].min():
        return np.empty(0, dtype=np.intp)
    distance, before = dijkstra(geodesic_graph(X), indices=who[0], return_predecessors=True)
    total = near[0][:, None] + distance[:, who[1]] + near[1]
    first, last = np.unravel_index(total.argmin(), total.shape)
    rows = [who[1][last]]
    while rows[-1] != who[0][first]:
        rows.append(before[first, rows[-1]])
    return np.array(rows[::-1], dtype=np.intp)


def _smooth(path: Floats, width: float) -> Floats:
    """Smooth a path with both ends held: beyond them it goes on as its own mirror image."""
    margin = int(4 * width) + 1
    longer = np.pad(path, ((margin, margin), (0, 0)), mode="reflect", reflect_type="odd")
    smooth: Floats = gaussian_filter1d(longer, width, axis=0)[margin:-margin]
    smooth[[0, -1]] = path[[0, -1]]
    return smooth


def resample_path(path: Floats, n_points: int) -> Floats:
    """Return points at equal distances along a path of straight pieces."""
    along = np.concatenate([[0], np.linalg.norm(np.diff(path, axis=0), axis=1).cumsum()])
    at = np.linspace(0, along[-1], n_points)
    points = np.stack([np.interp(at, along, column) for column in path.T], axis=1)
    points[-1] = path[-1]
    return points


def farthest_points(candidates: Floats, X: Floats, n: int) -> NDArray[np.intp]:
    """Choose `n` candidates that are far from the rows and from one another."""
    gap = pairwise_distances_argmin_min(candidates, X)[1]
    chosen = np.empty(n, dtype=np.intp)
    for i in range(n):
        chosen[i] = gap.argmax()
        np.minimum(gap, np.linalg.norm(candidates - candidates[chosen[i]], axis=1), out=gap)
        # not again, even where only copies of chosen rows are left
        gap[chosen[i]] = -np.inf
    return chosen
