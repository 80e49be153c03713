"""New rows between a row and its neighbours, with their distribution column by column."""

import numpy as np
from scipy import sparse
from scipy.special import ndtr
from sklearn.neighbors import kneighbors_graph

N_BALANCINGS = 100
# rows of whose neighbourhoods there is a copy at a time
CHUNK_ROWS = 2048
# how far rows of other groups are, in units of the largest distance
APART = 1e3


def neighborhoods(X, groups, k):
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


def draw_between(X, weights, chosen, rng):
    """Draw a row from the neighbourhood of each chosen one.

    A normal distribution with the neighbourhood's covariance gives each cell a rank, and this a
    value among those of the neighbours: ties and bounds stay.
    """
    drawn = [
        _draw_chunk(X, weights, chosen[start : start + CHUNK_ROWS], rng)
        for start in range(0, len(chosen), CHUNK_ROWS)
    ]
    return np.concatenate(drawn)


def _draw_chunk(X, weights, chosen, rng):
    neighbors, share = _padded(weights, chosen)
    values = X[neighbors]
    share = share[:, :, None]
    centred = values - (share * values).sum(1, keepdims=True)
    std = np.sqrt((share * centred**2).sum(1))
    normal = (np.sqrt(share) * rng.normal(size=share.shape) * centred).sum(1)
    rank = ndtr(normal / np.where(std > 0, std, 1.0))
    order = np.where(share > 0, values, np.inf).argsort(1)
    values = np.take_along_axis(values, order, 1)
    share = np.take_along_axis(np.broadcast_to(share, values.shape), order, 1)
    # each value stands in the middle of its share, and between two of them lies a straight line
    middle = share.cumsum(1) - share / 2
    last = (share > 0).sum(1, keepdims=True) - 1
    ends = middle[:, :1], np.take_along_axis(middle, last, 1)
    wanted = ends[0] + (ends[1] - ends[0]) * rank[:, None]
    above = np.clip(
        ((middle < wanted) & (share > 0)).sum(1, keepdims=True), np.minimum(1, last), last
    )
    below = np.maximum(above - 1, 0)
    (x0, x1), (c0, c1) = (
        [np.take_along_axis(part, place, 1)[:, 0] for place in (below, above)]
        for part in (values, middle)
    )
    part = np.clip((wanted[:, 0] - c0) / np.where(c1 > c0, c1 - c0, 1.0), 0, 1)
    return x0 + part * (x1 - x0)


def _padded(weights, chosen):
    """Return the neighbours (m, p) of rows and their shares, zero beyond the last."""
    first, stop = weights.indptr[chosen], weights.indptr[chosen + 1]
    place = first[:, None] + np.arange((stop - first).max())
    there = place < stop[:, None]
    place = np.where(there, place, first[:, None])
    share = np.where(there, weights.data[place], 0.0)
    return weights.indices[place], share / share.sum(1, keepdims=True)
