"""Shortest paths along a neighbour graph, and rows that are far from all others.

A path along edges zigzags between rows and takes up their noise: :mod:`skdiffusion.diffusion.paths`
makes a geodesic of it. Paths are those of Isomap (Tenenbaum, de Silva and Langford, 2000, Science
290), farthest points those of Gonzalez (1985, Theoretical Computer Science 38).
"""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components, dijkstra, minimum_spanning_tree
from sklearn.metrics import pairwise_distances, pairwise_distances_argmin_min
from sklearn.neighbors import NearestNeighbors

Floats = NDArray[np.float64]

_N_NEIGHBORS = 10
# rows that are equal would have an edge of length zero, which a sparse graph leaves out
_TINY = 1e-12


def geodesic_graph(X: Floats, n_neighbors: int = _N_NEIGHBORS) -> csr_array:
    """Return a connected graph of nearest neighbours, with the lengths of its edges."""
    search = NearestNeighbors(n_neighbors=min(n_neighbors, len(X) - 1)).fit(X)
    graph = csr_array(search.kneighbors_graph(mode="distance"))
    graph.data = np.maximum(graph.data, _TINY)
    n_components, label = connected_components(graph, directed=False)
    if n_components > 1:
        apart = np.maximum(pairwise_distances(X), _TINY)
        # an edge within a component is shorter than any between two
        lengths = np.where(label[:, None] == label, 1.0, 2.0 + apart / apart.max())
        first, second = minimum_spanning_tree(lengths).nonzero()
        between = label[first] != label[second]
        first, second = first[between], second[between]
        graph = graph.maximum(csr_array((apart[first, second], (first, second)), graph.shape))
    return graph.maximum(graph.T).tocsr()


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
