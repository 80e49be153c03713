"""New rows between a row and its neighbours, with their distribution column by column."""

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import ndtr
from sklearn.neighbors import NearestNeighbors

N_BALANCINGS = 100
# of copies of neighbourhoods that there are at a time
CHUNK_ELEMENTS = 2**21
# with more columns a tree costs more than all distances
MAX_TREE_COLUMNS = 6
# how far rows of other groups are, in units of the largest distance: more would cost digits
APART = 2.0

Rows = NDArray[np.float64]
Index = NDArray[np.intp]


def neighborhoods(X: Rows, groups: Index, k: int) -> sparse.csr_matrix:
    """Return weights (n, n) of each row's nearest rows of its group, as a sparse matrix.

    Rows and columns sum to one: all take part in draws as often, so that these keep means.
    """
    n = len(X)
    graph = sparse.identity(n, format="csr")
    if k:
        apart = groups[:, None] * APART * max(np.ptp(X, axis=0).sum(), 1.0)
        search = "brute" if X.shape[1] > MAX_TREE_COLUMNS else "auto"
        points = NearestNeighbors(n_neighbors=min(k, n - 1), algorithm=search)
        nearest = points.fit(np.hstack([X, apart])).kneighbors_graph()
        nearest = nearest.maximum(nearest.T).tocoo()
        own = groups[nearest.row] == groups[nearest.col]
        edges = nearest.data[own], (nearest.row[own], nearest.col[own])
        graph = (graph + sparse.coo_matrix(edges, shape=(n, n))).tocsr()
    scale = np.ones(n)
    for _ in range(N_BALANCINGS):
        scale = np.sqrt(scale / (graph @ scale))
    return sparse.csr_matrix(sparse.diags(scale) @ graph @ sparse.diags(scale))


def draw_between(
    X: Rows, weights: sparse.csr_matrix, chosen: Index, rng: np.random.RandomState
) -> Rows:
    """Draw a row from the neighbourhood of each chosen one.

    A normal draw with its covariance gives ranks, which quantiles turn to values: bounds stay.
    """
    drawn, sizes = X[chosen], np.diff(weights.indptr)[chosen]
    for size in np.unique(sizes[sizes > 1]):
        alike = np.flatnonzero(sizes == size)
        for part in np.array_split(alike, 1 + len(alike) * size * X.shape[1] // CHUNK_ELEMENTS):
            place = weights.indptr[chosen[part], None] + np.arange(size)
            share = weights.data[place] / weights.data[place].sum(1, keepdims=True)
            drawn[part] = _draw_among(X[weights.indices[place]], share[:, :, None], rng)
    return drawn


def _draw_among(values: Rows, share: Rows, rng: np.random.RandomState) -> Rows:
    """Draw a row among each set of values (m, k, d) with shares (m, k, 1)."""
    centred = values - (share * values).sum(1, keepdims=True)
    std = np.sqrt((share * centred**2).sum(1))
    normal = (np.sqrt(share) * rng.normal(size=share.shape) * centred).sum(1)
    return quantiles(values, share, ndtr(normal / np.where(std > 0, std, 1.0)))


def quantiles(values: Rows, share: Rows, ranks: Rows) -> Rows:
    """Return quantiles (m, d) of weighted values, linear between them, ends at ranks 0 and 1."""
    order = values.argsort(1)
    values = np.take_along_axis(values, order, 1)
    share = np.take_along_axis(np.broadcast_to(share, values.shape), order, 1)
    place = share.cumsum(1) - share / 2
    place = (place - place[:, :1]) / (place[:, -1:] - place[:, :1])
    low = (place[:, 1:-1] < ranks[:, None]).sum(1, keepdims=True)
    ends = [np.take_along_axis(a, low + k, 1)[:, 0] for a in (values, place) for k in (0, 1)]
    below, above, first, last = ends
    return below + (ranks - first) / (last - first) * (above - below)
