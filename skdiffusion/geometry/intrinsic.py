"""Intrinsic dimension and noise level of a data set, from its neighbours."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import check_array

from skdiffusion._utils.gross import column_spreads, have_one_unit, regular_rows
from skdiffusion.geometry.local_spectra import (
    Spectra,
    count_dimension,
    local_spectra,
    noise_variance,
    select_dimension,
)

Floats = NDArray[np.float64]

_N_ANCHORS = 300
_MAX_NEIGHBORS = 320
_N_POOLED = 20
_FIRST_WIDTH = 0.4
_POINT_WIDTH = 0.25
_MIN_ROWS = 5


def intrinsic_dimension(X: Any, *, per_point: bool = False) -> Any:
    """Return the dimension of the manifold near which rows lie, overall or at each row.

    Parameters
    ----------
    X : array-like of shape (n, d)
        Rows, in columns of comparable units: those whose standard deviations differ by more than a
        thousand times are divided by theirs. Isotropic noise around the manifold is allowed.
    per_point : bool, default=False
        Whether each row is given a dimension of its own, from the rows around it.

    Returns
    -------
    int or ndarray of int of shape (n,)
        Dimension. Zero if all rows are the same.

    Raises
    ------
    ValueError
        If the rows are fewer than five or not finite.

    Notes
    -----
    The growth of neighbour counts beyond the noise gives the dimension within a fifth or so; local
    spectra at several scales [1]_ then show which whole number near it is followed by a gap. Equal
    rows count once, and their order does not matter.

    It errs by one or two where a manifold of many dimensions bends so much that its neighbourhoods
    fill the space, and where rows of several dimensions lie in much noise.

    References
    ----------
    .. [1] Little, Maggioni and Rosasco, "Multiscale geometric methods for data sets I: multiscale
       SVD, noise and curvature", Applied and Computational Harmonic Analysis 43, 2017.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(500, 3))
    >>> X /= np.linalg.norm(X, axis=1, keepdims=True)
    >>> X = X @ rng.normal(size=(3, 20)) + 0.1 * rng.normal(size=(500, 20))
    >>> intrinsic_dimension(X)
    2
    """
    rows, inverse = _distinct(X)
    kept, varies = regular_rows(rows), np.ptp(rows, axis=0) > 0
    rows = rows[kept]
    if varies.any() and not have_one_unit(spreads := column_spreads(rows[:, varies])):
        rows = rows[:, varies] / spreads
    dimension, spectra, rows = _fit(rows)
    if not per_point:
        return dimension
    # a row with a gross cell has no neighbours of its own
    dimensions = np.full(inverse.max() + 1, dimension)
    dimensions[kept] = _per_point(dimension, spectra, rows)
    return dimensions[inverse]


def noise_level(X: Any, *, dimension: int | None = None) -> float:
    """Return the standard deviation, in each column, of isotropic noise around the manifold.

    Parameters
    ----------
    X : array-like of shape (n, d)
        Rows.
    dimension : int or None, default=None
        Dimension of the manifold; None estimates it.

    Returns
    -------
    float
        Standard deviation, in the units of `X`. It is the variance across the manifold that is
        left when the curvature is extrapolated away; zero where it cannot be told from curvature,
        or where the manifold fills the columns.

    Raises
    ------
    ValueError
        If the rows are fewer than five or not finite, or `dimension` is out of range.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(size=(500, 2)) @ rng.normal(size=(2, 10))
    >>> round(noise_level(X + 0.05 * rng.normal(size=X.shape)), 2)
    0.05
    """
    rows, _ = _distinct(X)
    rows = rows[regular_rows(rows)]
    if dimension is not None and not 0 <= dimension <= rows.shape[1]:
        raise ValueError(f"dimension={dimension} must lie between 0 and d={rows.shape[1]}.")
    found, spectra, _ = _fit(rows)
    if spectra is None:
        return 0.0
    return float(np.sqrt(noise_variance(spectra, found if dimension is None else dimension)))


def _fit(X: Floats) -> tuple[int, Spectra | None, Floats]:
    """Estimate the dimension of distinct rows, and their spectra in the directions they fill."""
    n = len(X)
    centred = X - X.mean(0)
    _, scales, axes = np.linalg.svd(centred, full_matrices=False)
    axes = axes[scales > 1e-9 * scales[0]] if scales[0] > 0 else axes[:0]
    rows = centred @ axes.T
    variances = rows.var(0)
    d = rows.shape[1]
    if d == 0:
        return 0, None, rows
    at = np.unique(np.linspace(0, n - 1, min(_N_ANCHORS, n)).astype(int))
    limit = _largest_size(n)
    spectra = local_spectra(rows, at, limit)
    counted = count_dimension(spectra, start=20)
    dimension = int(select_dimension(spectra, counted, 0.0, d, width=_FIRST_WIDTH)[0])
    kept, now = d, spectra
    for _ in range(2):
        noise = noise_variance(spectra, dimension)
        rank = max(int((variances > 1.5 * noise * (1 + np.sqrt(d / n)) ** 2).sum()), 1)
        if rank != kept:
            kept, now = rank, local_spectra(rows[:, :rank], at, limit)
        counted = count_dimension(now, noise, max(rank - dimension, 0))
        dimension = int(select_dimension(now, counted, noise, rank)[0])
    return dimension, spectra, rows[:, :kept]


def _per_point(dimension: int, spectra: Spectra | None, rows: Floats) -> NDArray[np.intp]:
    """Estimate the dimension at each row from its own neighbours and theirs."""
    n, rank = rows.shape
    if spectra is None:
        return np.zeros(n, dtype=np.intp)
    noise = noise_variance(spectra, dimension)
    spectra = local_spectra(rows, np.arange(n), _largest_size(n))
    search = NearestNeighbors(n_neighbors=min(_N_POOLED, n)).fit(rows)
    pool = search.kneighbors(rows, return_distance=False)
    counted = count_dimension(spectra, noise, max(rank - dimension, 0), pool=pool)
    return select_dimension(spectra, counted, noise, rank, width=_POINT_WIDTH, pool=pool)


def _largest_size(n: int) -> int:
    """Return the number of neighbours in the largest neighbourhoods."""
    return min(_MAX_NEIGHBORS, max(n // 4, min(24, n - 1)))


def _distinct(X: Any) -> tuple[Floats, NDArray[np.intp]]:
    """Return the distinct rows, in an order of their own, and where each row is among them."""
    X = check_array(X, dtype=np.float64)
    rows, inverse = np.unique(X, axis=0, return_inverse=True)
    if len(X) < _MIN_ROWS or 1 < len(rows) < _MIN_ROWS:
        raise ValueError(f"Need at least {_MIN_ROWS} distinct rows, got {len(rows)}.")
    return rows, inverse.ravel()
