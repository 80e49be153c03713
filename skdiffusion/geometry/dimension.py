"""Intrinsic dimension and noise level of a data set, from its neighbours.

:func:`intrinsic_dimension` is the one to call. The others are the estimators of the literature,
each with its own weakness: neighbour distances (:func:`dimension_two_nn`, :func:`dimension_mle`)
see noise of any size in all columns, and too few dimensions where there are many; local principal
components (:func:`dimension_pca`) take curvature for further dimensions.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import check_array

from skdiffusion.geometry.local_spectra import (
    Spectra,
    count_dimension,
    local_spectra,
    noise_variance,
    select_dimension,
)
from skdiffusion.geometry.nearest_rows import neighbor_graph

__all__ = [
    "dimension_mle",
    "dimension_pca",
    "dimension_two_nn",
    "intrinsic_dimension",
    "noise_level",
]

Floats = NDArray[np.float64]

_N_ANCHORS = 300
_MAX_NEIGHBORS = 320
_N_POOLED = 20
_FIRST_WIDTH = 0.4
_POINT_WIDTH = 0.25
_MIN_ROWS = 5


def intrinsic_dimension(
    X: Any, method: str = "auto", *, n_neighbors: int | None = None, per_point: bool = False
) -> Any:
    """Return the dimension of the manifold near which rows lie, overall or at each row.

    Parameters
    ----------
    X : array-like of shape (n, d)
        Rows, in columns of comparable units. Isotropic noise around the manifold is allowed.
    method : {"auto", "mle", "two_nn", "pca"}, default="auto"
        "auto" joins the gaps of local spectra at several scales, above an estimated noise floor,
        with the growth of neighbour counts beyond the noise. The others are
        :func:`dimension_mle`, :func:`dimension_two_nn` and :func:`dimension_pca`.
    n_neighbors : int or None, default=None
        Size of the neighbourhoods; for "auto" that of the largest. None is a quarter of the rows,
        at most 320, for "auto", and the default of the method for others.
    per_point : bool, default=False
        Whether each row is given a dimension of its own, from the rows around it. Not for
        "two_nn".

    Returns
    -------
    int, float or ndarray of shape (n,)
        Dimension; a whole number from "auto". Zero if all rows are the same.

    Raises
    ------
    ValueError
        If the rows are too few or not finite, or an option is out of range.

    Notes
    -----
    "auto" first looks at 300 rows, guesses the dimension and the noise, drops the directions of
    the data as a whole that are all noise, and looks again. Neighbour counts give the dimension
    within a fifth or so; the spectra then show which whole number near it is followed by a gap.
    Equal rows count once. The result does not depend on the order of the rows.

    Its few constants were chosen on fourteen manifolds of dimension 1 to 15 (spirals, tori,
    waves, spheres, cubes, Gaussians) with 1,000 to 2,000 rows and noise of up to 0.08 of their
    radius. None of them is in `benchmarks/dimension.py`, though some families are, in other
    dimensions. It errs by one or two where a manifold of many dimensions bends so much that its
    neighbourhoods fill the space, and where rows of several dimensions lie in much noise.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(500, 3))
    >>> X /= np.linalg.norm(X, axis=1, keepdims=True)
    >>> X = X @ rng.normal(size=(3, 20)) + 0.1 * rng.normal(size=(500, 20))
    >>> intrinsic_dimension(X)
    2
    >>> dimension_two_nn(X) > 5
    True
    """
    if method not in _METHODS:
        raise ValueError(f"method must be one of {', '.join(_METHODS)}, got {method!r}.")
    if method == "two_nn":
        if per_point or n_neighbors is not None:
            raise ValueError("method='two_nn' takes neither per_point nor n_neighbors.")
        return dimension_two_nn(X)
    if method != "auto":
        function = dimension_mle if method == "mle" else dimension_pca
        options = {} if n_neighbors is None else {"n_neighbors": n_neighbors}
        return function(X, per_point=per_point, **options)
    rows, inverse = _distinct(X)
    fit = _fit(rows, n_neighbors)
    if not per_point:
        return fit.dimension
    return _per_point(fit, rows)[inverse]


_METHODS = ("auto", "mle", "two_nn", "pca")


def noise_level(X: Any, *, dimension: int | None = None, n_neighbors: int | None = None) -> float:
    """Return the standard deviation, in each column, of isotropic noise around the manifold.

    Parameters
    ----------
    X : array-like of shape (n, d)
        Rows.
    dimension : int or None, default=None
        Dimension of the manifold; None estimates it.
    n_neighbors : int or None, default=None
        Size of the largest neighbourhood; None is a quarter of the rows, at most 320.

    Returns
    -------
    float
        Standard deviation, in the units of `X`. It is the variance across the manifold that is
        left when the curvature is extrapolated away; zero where it cannot be told from curvature,
        or where the manifold fills the columns.

    Raises
    ------
    ValueError
        If the rows are too few or not finite, or an option is out of range.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(size=(500, 2)) @ rng.normal(size=(2, 10))
    >>> round(noise_level(X + 0.05 * rng.normal(size=X.shape)), 2)
    0.05
    """
    rows, _ = _distinct(X)
    fit = _fit(rows, n_neighbors)
    if dimension is None:
        return float(np.sqrt(fit.noise))
    if not 0 <= dimension <= rows.shape[1]:
        raise ValueError(f"dimension={dimension} must lie between 0 and d={rows.shape[1]}.")
    return float(np.sqrt(0.0 if fit.spectra is None else noise_variance(fit.spectra, dimension)))


class _Fit(NamedTuple):
    dimension: int
    noise: float
    spectra: Spectra | None
    rows: Floats
    n_neighbors: int


def _fit(X: Floats, n_neighbors: int | None) -> _Fit:
    """Estimate dimension and noise of distinct rows together."""
    n = len(X)
    limit = _largest_size(n, n_neighbors)
    rows, variances = _principal(X)
    d = rows.shape[1]
    if d == 0:
        return _Fit(0, 0.0, None, rows, limit)
    at = np.unique(np.linspace(0, n - 1, min(_N_ANCHORS, n)).astype(int))
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
    return _Fit(dimension, noise_variance(spectra, dimension), spectra, rows[:, :kept], limit)


def _per_point(fit: _Fit, X: Floats) -> NDArray[np.intp]:
    """Estimate the dimension at each row from its own neighbours and theirs."""
    n, rank = len(X), fit.rows.shape[1]
    if rank == 0:
        return np.zeros(n, dtype=np.intp)
    spectra = local_spectra(fit.rows, np.arange(n), fit.n_neighbors)
    search = NearestNeighbors(n_neighbors=min(_N_POOLED, n)).fit(fit.rows)
    pool = search.kneighbors(fit.rows, return_distance=False)
    across = max(rank - fit.dimension, 0)
    counted = count_dimension(spectra, fit.noise, across, pool=pool)
    return select_dimension(spectra, counted, fit.noise, rank, width=_POINT_WIDTH, pool=pool)


def _principal(X: Floats) -> tuple[Floats, Floats]:
    """Return rows in the frame of their principal components, and the variance along each."""
    centred = X - X.mean(0)
    _, scales, axes = np.linalg.svd(centred, full_matrices=False)
    axes = axes[scales > 1e-9 * scales[0]] if scales[0] > 0 else axes[:0]
    rows = centred @ axes.T
    return rows, rows.var(0)


def _largest_size(n: int, n_neighbors: int | None) -> int:
    if n_neighbors is None:
        return min(_MAX_NEIGHBORS, max(n // 4, min(24, n - 1)))
    return _checked(n, n_neighbors)


def _checked(n: int, n_neighbors: int) -> int:
    if not 2 <= n_neighbors < n:
        raise ValueError(
            f"n_neighbors={n_neighbors} must be at least 2 and below the {n} distinct rows."
        )
    return n_neighbors


def _distinct(X: Any) -> tuple[Floats, NDArray[np.intp]]:
    """Return the distinct rows, in an order of their own, and where each row is among them."""
    X = check_array(X, dtype=np.float64)
    rows, inverse = np.unique(X, axis=0, return_inverse=True)
    if len(X) < _MIN_ROWS or 1 < len(rows) < _MIN_ROWS:
        raise ValueError(f"Need at least {_MIN_ROWS} distinct rows, got {len(rows)}.")
    return rows, inverse.ravel()


def dimension_two_nn(X: Any, *, discard: float = 0.1) -> float:
    """Return the dimension by the ratio of the distances to the two nearest rows."""
    if not 0 <= discard < 1:
        raise ValueError(f"discard={discard} must be at least 0 and below 1.")
    rows, _ = _distinct(X)
    if len(rows) == 1:
        return 0.0
    distances, _ = neighbor_graph(rows, 2)
    logs = np.sort(np.log(distances[:, 1] / distances[:, 0]))
    n = len(logs)
    kept = logs[: max(int(n * (1 - discard)), 1)]
    # the i-th of n ratios has i / n of them below it or level; the last would be infinite
    levels = -np.log1p(-np.arange(1, len(kept) + 1) / n) if len(kept) < n else _open_levels(n)
    return float(kept @ levels / max(kept @ kept, np.finfo(float).tiny))


def _open_levels(n: int) -> Floats:
    return -np.log1p(-np.arange(1, n + 1) / (n + 1))


def dimension_mle(X: Any, *, n_neighbors: int = 20, per_point: bool = False) -> Any:
    """Return the dimension of largest likelihood given the distances to the nearest rows."""
    rows, inverse = _distinct(X)
    if len(rows) == 1:
        return np.zeros(len(inverse)) if per_point else 0.0
    distances, _ = neighbor_graph(rows, _checked(len(rows), n_neighbors))
    logs = np.log(distances[:, -1:] / distances[:, :-1]).mean(1)
    logs = np.maximum(logs, np.finfo(float).tiny)
    return (1 / logs)[inverse] if per_point else float(1 / logs.mean())


def dimension_pca(
    X: Any, *, n_neighbors: int | None = None, threshold: float = 0.05, per_point: bool = False
) -> Any:
    """Return the number of large principal components of the neighbourhoods."""
    if not 0 < threshold < 1:
        raise ValueError(f"threshold={threshold} must lie between 0 and 1.")
    rows, inverse = _distinct(X)
    if len(rows) == 1:
        return np.zeros(len(inverse)) if per_point else 0.0
    size = min(100, len(rows) - 1) if n_neighbors is None else _checked(len(rows), n_neighbors)
    variances = local_spectra(rows, np.arange(len(rows)), size, smallest=size).variances[0]
    counts = (variances > threshold * variances[:, :1]).sum(1).astype(float)
    return counts[inverse] if per_point else float(counts.mean())
