"""New rows between a row and its neighbours, with their distribution column by column."""

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import ndtr
from sklearn.neighbors import kneighbors_graph

N_BALANCINGS = 100
# rows of whose neighbourhoods there is a copy at a time
CHUNK_ROWS = 2048
# how far rows of other groups are, in units of the largest distance
APART = 1e3

Rows = NDArray[np.float64]
Index = NDArray[np.intp]


def neighborhoods(X: Rows, groups: Index, k: int) -> sparse.csr_matrix:
    """Return weights (n, n) of each row's nearest rows of its group, as a sparse matrix.

    Rows and columns sum to one: every row takes part in draws as often as any other, so that these
    keep means and outliers.
    """
    n = len(X)
    graph = sparse.identity(n, format="csr")
    if k:
        apart = groups[:, None] * APART * max(np.ptp(X, axis=0).sum(), 1.0)
        nearest = kneighbors_graph(np.hstack([X, apart]), min(k, n - 1))
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

    A normal distribution with the neighbourhood's covariance gives each cell a rank, and this a
    value among those of the neighbours: ties and bounds stay.
    """
    chunks = np.split(chosen, range(CHUNK_ROWS, len(chosen), CHUNK_ROWS))
    return np.concatenate([_draw_chunk(X, weights, chunk, rng) for chunk in chunks])


def _draw_chunk(
    X: Rows, weights: sparse.csr_matrix, chosen: Index, rng: np.random.RandomState
) -> Rows:
    neighbors, share = _padded(weights, chosen)
    values = X[neighbors]
    share = share[:, :, None]
    centred = values - (share * values).sum(1, keepdims=True)
    std = np.sqrt((share * centred**2).sum(1))
    normal = (np.sqrt(share) * rng.normal(size=share.shape) * centred).sum(1)
    rank = ndtr(normal / np.where(std > 0, std, 1.0))
    order = np.where(share > 0, values, np.inf).argsort(1)
    reached = np.take_along_axis(np.broadcast_to(share, values.shape), order, 1).cumsum(1)
    # the last share may not reach a rank of one for rounding
    place = np.minimum(
        (reached < rank[:, None]).sum(1, keepdims=True), (share > 0).sum(1, keepdims=True) - 1
    )
    return np.take_along_axis(np.take_along_axis(values, order, 1), place, 1)[:, 0]


def _padded(weights: sparse.csr_matrix, chosen: Index) -> tuple[Index, Rows]:
    """Return the neighbours (m, p) of rows and their shares, zero beyond the last."""
    first, stop = weights.indptr[chosen], weights.indptr[chosen + 1]
    place = first[:, None] + np.arange((stop - first).max())
    there = place < stop[:, None]
    place = np.where(there, place, first[:, None])
    share = np.where(there, weights.data[place], 0.0)
    return weights.indices[place], share / share.sum(1, keepdims=True)
