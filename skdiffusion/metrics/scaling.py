"""Coordinates in which the L1 distance of two rows is their Gower distance."""

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted, validate_data


class GowerScaler(TransformerMixin, BaseEstimator):
    """Map mixed rows to points whose L1 distance is the (summed) Gower distance.

    A numeric column is divided by its range; a categorical one becomes half a one-hot code, so that
    two different categories are at distance 1 and equal ones at distance 0. Each column therefore
    adds between 0 and 1 to the distance of two rows of the fitted table. Gower's coefficient
    (Biometrics, 1971) is this sum divided by the number of columns.

    Parameters
    ----------
    categorical : sequence of int, default=()
        Indices of the columns that hold category codes. All others are taken as numeric. A
        two-valued column gives the same distances either way.

    Attributes
    ----------
    min_ : ndarray of shape (n_numeric,)
        Smallest value of each numeric column, in its own unit.
    range_ : ndarray of shape (n_numeric,)
        Largest minus smallest value of each numeric column; 1 for a constant column.
    categories_ : list of ndarray
        The sorted codes seen in each categorical column.
    n_features_in_ : int
        Number of columns seen during `fit`.

    Notes
    -----
    Values outside the fitted range are not clipped: a generated row pays for leaving it. A code not
    seen in `fit` is at distance 1 from every code that was; two unseen codes of one column are not
    told apart.

    Examples
    --------
    >>> import numpy as np
    >>> from skdiffusion.metrics import GowerScaler
    >>> Z = np.array([[10.0, 0], [20.0, 1], [30.0, 2]])
    >>> P = GowerScaler(categorical=[1]).fit_transform(Z)
    >>> float(abs(P[0] - P[1]).sum())  # half of the numeric range, and another category
    1.5
    """

    def __init__(self, categorical=()):
        self.categorical = categorical

    def fit(self, X, y=None):
        """Learn the ranges and the categories.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_columns)
            Rows in original units, normally the real training rows.
        y : None
            Ignored.

        Returns
        -------
        self : GowerScaler
            The fitted scaler.
        """
        X = validate_data(self, X, dtype=np.float64)
        categorical = np.unique(np.asarray(self.categorical, dtype=int))
        if not np.isin(categorical, np.arange(X.shape[1])).all():
            raise ValueError(
                f"categorical={list(self.categorical)} must be column indices of a table with "
                f"{X.shape[1]} columns, from 0 to {X.shape[1] - 1}."
            )
        self._is_categorical = np.isin(np.arange(X.shape[1]), categorical)
        numeric = X[:, ~self._is_categorical]
        self.min_ = numeric.min(axis=0)
        spread = numeric.max(axis=0) - self.min_
        self.range_ = np.where(spread > 0, spread, 1.0)
        self.categories_ = [np.unique(X[:, j]) for j in categorical]
        return self

    def transform(self, X):
        """Return the coordinates of rows.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_columns)
            Rows in original units.

        Returns
        -------
        points : ndarray of shape (n_rows, n_coordinates)
            The numeric columns in units of the fitted range, followed for each categorical column
            by one coordinate per known code and one for unknown codes, each 0 or 1/2.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        blocks = [(X[:, ~self._is_categorical] - self.min_) / self.range_]
        for codes, known in zip(X[:, self._is_categorical].T, self.categories_, strict=True):
            one_hot = codes[:, None] == known
            blocks.append(np.column_stack([one_hot, ~one_hot.any(axis=1)]) / 2)
        return np.hstack(blocks)


def check_same_columns(*arrays):
    """Validate several numeric tables and make sure that they have the same columns."""
    arrays = [check_array(array, dtype=np.float64) for array in arrays]
    widths = {array.shape[1] for array in arrays}
    if len(widths) > 1:
        raise ValueError(
            "All tables must have the same columns, got tables with "
            f"{', '.join(map(str, sorted(widths)))} columns."
        )
    return arrays


def single_precision(X):
    """Round to what generators in single precision can return, but keep doubles."""
    return np.asarray(X, dtype=np.float32).astype(np.float64)


def subsample(X, n_rows, rng):
    """Return at most `n_rows` rows of X, drawn without replacement; all of X for None."""
    if n_rows is None or len(X) <= n_rows:
        return X
    return X[rng.choice(len(X), n_rows, replace=False)]
