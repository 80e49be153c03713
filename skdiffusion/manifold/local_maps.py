"""Regression by weighted linear maps over the nearest rows."""

from numbers import Real

import numpy as np
from scipy.sparse import csr_array
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import gen_batches
from sklearn.utils.validation import check_is_fitted, validate_data

from skdiffusion._utils.checks import check_count
from skdiffusion._utils.fitting import all_or_nothing

# Of which "auto" takes the one of least leave-one-out error
RIDGES = (1e-9, 1e-4, 1e-2, 1e-1, 1.0)

# Radii of a neighbourhood beyond which its map is no longer followed
MAX_REACH = 2.0

# Numbers in memory at once, so that many rows are done in parts
MAX_ELEMENTS = 4_000_000


class LocalLinearRegressor(MultiOutputMixin, RegressorMixin, BaseEstimator):
    """Predict by a weighted linear map over the nearest rows, one for each row.

    Local linear regression with a bandwidth that reaches the `n_neighbors`-th neighbour and
    tricube weights. It needs no training, has any number of outputs at little extra cost, and its
    leave-one-out error is known at once.

    Parameters
    ----------
    n_neighbors : int, default=20
        Neighbours of a row; the farthest has almost no weight. Fewer rows than that are all taken.
    ridge : "auto" or float, default="auto"
        Penalty of the slopes, as a share of the mean variance of the neighbours in a column.
        "auto" takes what makes the least leave-one-out error of 1e-9, 1e-4, 1e-2, 1e-1 and 1.
        Where there are no more neighbours than columns it keeps the map from being arbitrary.
    interpolate : bool, default=False
        Whether to divide the weights by the squared distance, so that a training row is mapped to
        its own target and rows close by almost so. It suits targets without noise.

    Attributes
    ----------
    ridge_ : float
        The penalty.
    loo_ : ndarray of shape (n,) or (n, n_outputs)
        Leave-one-out predictions of the training rows.
    leverage_ : ndarray of shape (n,)
        Their variances, where targets are off their mean by independent errors of unit variance.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : ndarray of str
        Names of the columns, where they all have one.

    Notes
    -----
    A prediction is ``sum_j share_j y_j`` over the neighbours ``z_j`` of row ``z``. With weights
    ``w_j`` of unit sum, weighted mean ``m`` and covariance ``S`` of the neighbours and their mean
    variance ``v``,

        ``share_j = w_j (1 + (z - m)' (S + ridge v I)^{-1} (z_j - m))``

    Without a penalty linear functions are met exactly. Rows farther than two radii of their
    neighbourhood from its mean are taken for the point at that distance on the way to them: a
    linear map followed far out leads anywhere.

    References
    ----------
    Cleveland, W. S. (1979). Robust locally weighted regression and smoothing scatterplots. Journal
    of the American Statistical Association 74, 829-836.

    Examples
    --------
    >>> import numpy as np
    >>> from skdiffusion.manifold import LocalLinearRegressor
    >>> Z = np.random.RandomState(0).uniform(size=(50, 2))
    >>> model = LocalLinearRegressor().fit(Z, Z @ [[1.0, 2.0], [3.0, 4.0]])
    >>> model.predict([[0.5, 0.5]]).round(6)
    array([[2., 3.]])
    """

    def __init__(self, *, n_neighbors=20, ridge="auto", interpolate=False):
        self.n_neighbors = n_neighbors
        self.ridge = ridge
        self.interpolate = interpolate

    def fit(self, X, y):
        """Store the rows, and choose the penalty.

        Parameters
        ----------
        X : array-like of shape (n, n_features)
            Rows, two or more.
        y : array-like of shape (n,) or (n, n_outputs)
            Targets.

        Returns
        -------
        self : LocalLinearRegressor
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter is out of range, cells are missing or infinite, or there are fewer than
            two rows.
        """
        with all_or_nothing(self):
            check_count(self.n_neighbors, "n_neighbors")
            if self.ridge != "auto" and not (isinstance(self.ridge, Real) and self.ridge >= 0):
                raise ValueError(f"ridge must be 'auto' or a number >= 0, got {self.ridge!r}.")
            options = {"multi_output": True, "y_numeric": True, "ensure_min_samples": 2}
            X, y = validate_data(self, X, y, dtype=np.float64, **options)
            self._rows, self._targets = X, np.asarray(y, dtype=np.float64)
            n_neighbors = min(self.n_neighbors, len(X) - 1)
            self._search = NearestNeighbors(n_neighbors=n_neighbors).fit(X)
            self._fit_ridge()
        return self

    def predict(self, X, return_leverage=False):
        """Predict the targets of rows.

        Parameters
        ----------
        X : array-like of shape (n, n_features)
            Rows.
        return_leverage : bool, default=False
            Whether to return the variances too that predictions have where targets are off their
            mean by independent errors of unit variance.

        Returns
        -------
        predictions : ndarray of shape (n,) or (n, n_outputs)
            Predictions.
        leverage : ndarray of shape (n,)
            Variances; only with ``return_leverage=True``.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        indices = self._search.kneighbors(X, return_distance=False)
        shares = self._shares(X, indices, (self.ridge_,))[0]
        predictions = self._apply(shares, indices)
        return (predictions, (shares**2).sum(1)) if return_leverage else predictions

    def _fit_ridge(self):
        """Choose the penalty, and keep what it predicts of rows that are left out."""
        # its own rows: of equal rows any may be left out for another, which changes nothing
        indices = self._search.kneighbors(return_distance=False)
        ridges = RIDGES if self.ridge == "auto" else (self.ridge,)
        best = np.inf
        for ridge, shares in zip(ridges, self._shares(self._rows, indices, ridges), strict=True):
            predicted = self._apply(shares, indices)
            error = np.mean((predicted - self._targets) ** 2)
            if error < best or not hasattr(self, "ridge_"):
                # a share better, or else rounding would decide
                best = error * (1 - 1e-3)
                self.ridge_, self.loo_ = float(ridge), predicted
                self.leverage_ = (shares**2).sum(1)

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
