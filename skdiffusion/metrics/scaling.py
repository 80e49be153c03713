"""Coordinates in which the L1 distance of two rows is their Gower distance."""

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from skdiffusion.metrics.alignment import align, robust_limits
from skdiffusion.tables.frames import TableInput, as_frame, read_table, validate_table


class GowerScaler(TableInput, TransformerMixin, BaseEstimator):
    """Map mixed rows to points whose L1 distance is the (summed) Gower distance.

    A column of numbers, dates or durations is divided by its range; a categorical one becomes half
    a one-hot code. So each column adds between 0 and 1 to the distance of two rows of the fitted
    table. Gower's coefficient (Biometrics, 1971) is this sum divided by the number of columns.

    Parameters
    ----------
    categorical : sequence of int or str, default=()
        Positions or names of columns of numbers that are codes of categories.

    Attributes
    ----------
    min_ : ndarray of shape (n_numeric,)
        Smallest value of each numeric column, in its own unit, gross cells left out.
    range_ : ndarray of shape (n_numeric,)
        Largest minus smallest value of each, 1 for a constant column. Gross are cells, 1 % at
        most, more than five times as far from the median as all others, such as a code for gaps.
    categories_ : list of ndarray
        The sorted categories seen in each categorical column.
    n_features_in_ : int
        Number of columns seen during `fit`.

    Notes
    -----
    A row pays for leaving the fitted range, up to one range beyond either end. An unseen category
    is at distance 1 from the others, as a missing cell is; where `fit` has seen none, it lies one
    range beyond the largest number, or is an unseen category.

    Examples
    --------
    >>> from skdiffusion.metrics import GowerScaler
    >>> P = GowerScaler(categorical=[1]).fit_transform([[10, 0], [20, 1], [30, 2]])
    >>> float(abs(P[0] - P[1]).sum())  # half of the numeric range, and another category
    1.5
    """

    def __init__(self, categorical: Any = ()) -> None:
        self.categorical = categorical

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the ranges and the categories.

        Parameters
        ----------
        X : array-like or data frame of shape (n_rows, n_columns)
            Rows in original units, normally the real training rows.
        y : None
            Ignored.

        Returns
        -------
        self : GowerScaler
            The fitted scaler.
        """
        X = validate_table(self, X, reset=True, allow_missing=True)
        self._coders, (codes,) = align(X, categorical=self.categorical)
        self._has_gaps = np.isnan(codes).any(axis=0)
        columns = zip(self._coders, codes.T, strict=True)
        limits = [robust_limits(column) for coder, column in columns if coder.levels is None]
        self.min_, highest = np.reshape(limits, (-1, 2)).T
        self.range_ = np.where(highest > self.min_, highest - self.min_, 1.0)
        self.categories_ = [coder.levels for coder in self._coders if coder.levels is not None]
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Return the coordinates of rows.

        Parameters
        ----------
        X : array-like or data frame of shape (n_rows, n_columns)
            Rows in original units.

        Returns
        -------
        points : ndarray of shape (n_rows, n_coordinates)
            Numbers in units of the range, in two coordinates where `fit` has seen gaps, and then
            for each category, and for others, one of 0 or 1/2.
        """
        check_is_fitted(self)
        columns = read_table(validate_table(self, X, reset=False, allow_missing=True))
        numbers, categories = [], []
        units = zip(self.min_, self.range_, strict=True)
        for coder, column, has_gaps in zip(self._coders, columns, self._has_gaps, strict=True):
            codes = coder.encode(column)
            if coder.levels is None:
                numbers.append(place(codes, *next(units), has_gaps))
                continue
            # a missing cell is a category if fit has seen one
            known = [-2] * int(has_gaps) + [*range(len(coder.levels))]
            one_hot = np.nan_to_num(codes, nan=-2)[:, None] == known
            categories.append(np.column_stack([one_hot, ~one_hot.any(axis=1)]) / 2)
        return np.hstack([*numbers, *categories])


def place(codes, least, unit, has_gaps=False):
    """Return numbers in units of a range; in two coordinates, gaps are as far from all of it."""
    points = np.clip((codes - least) / unit, -1.0, 2.0)[:, None]
    if not has_gaps:
        return np.nan_to_num(points, nan=2.0)
    return np.nan_to_num(np.hstack([points, -points]) / 2, nan=0.5)


def as_points(*tables):
    """Return arrays of numbers as they are, tables in Gower coordinates of the first of them."""
    aligned = align(*tables)
    is_frame = any(as_frame(X) is not None for X in tables)
    if not (is_frame or aligned.is_category.any() or np.isnan(np.vstack(aligned.codes)).any()):
        return aligned.codes
    return gower_points(aligned)


def gower_points(aligned):
    """Return aligned tables in Gower coordinates of the first of them."""
    scaler = GowerScaler(np.flatnonzero(aligned.is_category)).fit(aligned.codes[0])
    return [scaler.transform(codes) for codes in aligned.codes]


def subsample(X, n_rows, rng):
    """Return at most `n_rows` rows of X, drawn without replacement; all of X for None."""
    if n_rows is None or len(X) <= n_rows:
        return X
    return X[rng.choice(len(X), n_rows, replace=False)]
