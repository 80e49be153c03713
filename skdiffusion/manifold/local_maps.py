"""Regression by weighted linear maps over the nearest rows.

A prediction is ``sum_j share_j y_j`` over the neighbours ``z_j`` of row ``z``. With weights ``w_j``
of unit sum, weighted mean ``m`` and covariance ``S`` of the neighbours and their mean variance
``v``, ``share_j = w_j (1 + (z - m)' (S + ridge v I)^{-1} (z_j - m))``.
"""

import numpy as np
from scipy.sparse import csr_array
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import gen_batches

# Of which the one of least leave-one-out error is taken, where none is given
RIDGES = (1e-9, 1e-4, 1e-2, 1e-1, 1.0)

# Radii of a neighbourhood beyond which its map is no longer followed: far out it leads anywhere
MAX_REACH = 2.0

# Numbers in memory at once, so that many rows are done in parts
MAX_ELEMENTS = 4_000_000


class LocalLinearRegressor:
    """Predict by a linear map over the nearest rows of each row, with tricube weights.

    `interpolate` divides these by squared distances: training rows keep their targets.
    """

    def __init__(self, n_neighbors=20, ridge=None, interpolate=False):
        self.n_neighbors = n_neighbors
        self.ridge = ridge
        self.interpolate = interpolate

    def fit(self, X, y):
        """Store two or more rows, and choose the penalty; keep leave-one-out predictions."""
        self._rows, self._targets = X, y
        n_neighbors = min(self.n_neighbors, len(X) - 1)
        self._search = NearestNeighbors(n_neighbors=n_neighbors).fit(X)
        # its own rows: of equal rows any may be left out for another, which changes nothing
        indices = self._search.kneighbors(return_distance=False)
        ridges = RIDGES if self.ridge is None else (self.ridge,)
        best = np.inf
        for ridge, shares in zip(ridges, self._shares(X, indices, ridges), strict=True):
            predicted = self._apply(shares, indices)
            error = np.mean((predicted - y) ** 2)
            if error < best or ridge == ridges[0]:
                # a share better, or else rounding would decide
                best = error * (1 - 1e-3)
                self.ridge_, self.loo_ = ridge, predicted
                self.leverage_ = (shares**2).sum(1)
        return self

    def predict(self, X, return_leverage=False):
        """Predict targets, with their variances where those of `fit` have errors of variance 1."""
        indices = self._search.kneighbors(X, return_distance=False)
        shares = self._shares(X, indices, (self.ridge_,))[0]
        predictions = self._apply(shares, indices)
        return (predictions, (shares**2).sum(1)) if return_leverage else predictions

    def _apply(self, shares, indices):
        """Return the weighted means of the training targets."""
        n, k = indices.shape
        starts = np.arange(0, n * k + 1, k)
        matrix = csr_array((shares.ravel(), indices.ravel(), starts), (n, len(self._targets)))
        return matrix @ self._targets

    def _shares(self, X, indices, ridges):
        """Return what predictions take from their neighbours, (n_ridges, n, k)."""
        (n, k), d = indices.shape, X.shape[1]
        size = max(1, MAX_ELEMENTS // (5 * k * d))
        parts = [
            _shares_of(X[part], self._rows[indices[part]], ridges, self.interpolate)
            for part in gen_batches(n, size)
        ]
        return np.concatenate(parts, axis=1)


def _shares_of(X, near, ridges, interpolate):
    """Return the shares of neighbours `near` (n, k, d) in the predictions of rows (n, d)."""
    weights = _weights(((near - X[:, None]) ** 2).sum(2), interpolate)
    mean = np.einsum("nk,nkd->nd", weights, near)
    near = near - mean[:, None]
    step = X - mean
    length = np.sqrt((step**2).sum(1, keepdims=True))
    spread = np.sqrt((near**2).sum(2).max(1))[:, None]
    step = step * np.minimum(1, MAX_REACH * spread / np.maximum(length, 1e-300))
    root = np.sqrt(weights)[:, :, None]
    left, singular, right = np.linalg.svd(root * near, full_matrices=False)
    # what rounding makes of directions in which neighbours do not differ
    singular = np.where(singular > 1e-10 * singular[:, :1], singular, 0.0)
    along = singular * np.einsum("nrd,nd->nr", right, step)
    variance = (singular**2).sum(1, keepdims=True) / near.shape[2]
    shares = []
    for ridge in ridges:
        floor = np.where(variance > 0, np.maximum(ridge, 1e-12) * variance, 1.0)
        tilt = left @ (along / (singular**2 + floor))[:, :, None]
        shares.append(weights + (root * tilt)[:, :, 0])
    return np.stack(shares)


def _weights(squares, interpolate):
    """Return tricube weights of unit sum, by squared distances (n, k)."""
    # a little beyond the last neighbour, which would else have no weight at all
    radius = np.sqrt(squares.max(1, keepdims=True)) * 1.05
    radius = np.where(radius > 0, radius, 1.0)
    weights = (1 - (np.sqrt(squares) / radius) ** 3).clip(0) ** 3 + 1e-6
    if interpolate:
        weights /= squares / radius**2 + 1e-12
    return weights / weights.sum(1, keepdims=True)
