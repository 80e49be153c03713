"""Do generated columns, and pairs of them, look like the real ones, and do rows repeat?"""

from itertools import combinations
from typing import Any

import numpy as np
from scipy.stats import ks_2samp

from skdiffusion._utils.gross import gross_cells
from skdiffusion.metrics.alignment import align, robust_limits

# Of numbers beside categories, as SDMetrics has it
N_BINS = 10


def shape_error(real: Any, fake: Any, *, categorical: Any = ()) -> float:
    """Return the mean error of single columns, in percent.

    The Kolmogorov-Smirnov distance of numbers, and the total variation of categories: 100 times one
    minus the "Column Shapes" score of SDMetrics. Missing cells are a category, or the last number.

    Parameters
    ----------
    real, fake : array-like or data frame of shape (n_rows, n_columns)
        Real and generated rows in original units.
    categorical : sequence of int or str, default=()
        Positions or names of columns of numbers that are codes of categories.

    Returns
    -------
    error : float
        Between 0 (equal marginals) and 100 (disjoint ones).

    Examples
    --------
    >>> from skdiffusion.metrics import shape_error
    >>> real, fake = [[0, 1], [1, 1], [2, 0], [3, 0]], [[0, 1], [1, 1], [2, 1], [2.5, 1]]
    >>> shape_error(real, fake, categorical=[1])
    37.5
    """
    aligned = align(real, fake, categorical=categorical)
    errors = column_errors(*aligned.codes, aligned.is_category)
    return 100 * float(np.mean([*errors.values()]))


def trend_error(real: Any, fake: Any, *, categorical: Any = ()) -> float:
    """Return the mean error of pairs of columns, in percent.

    For two numeric columns half the difference of their Pearson correlations, or, if that is more,
    the total variation of where cells are missing; for a pair with a categorical column that of the
    contingency tables, with ten bins of equal width for a numeric partner. Pairs with a column of
    numbers that is constant in the real table are left out, and so are gross cells.

    Parameters
    ----------
    real, fake : array-like or data frame of shape (n_rows, n_columns)
        Real and generated rows in original units.
    categorical : sequence of int or str, default=()
        As in `shape_error`.

    Returns
    -------
    error : float
        Between 0 and 100: 100 times one minus the mean of the scores of SDMetrics; 0 without pairs.

    Examples
    --------
    >>> from skdiffusion.metrics import trend_error
    >>> round(trend_error([[0, 0], [1, 1]], [[0, 1], [1, 0]]), 6)
    100.0
    """
    aligned = align(real, fake, categorical=categorical)
    errors = pair_errors(*aligned.codes, aligned.is_category)
    return 100 * float(np.mean([*errors.values()])) if errors else 0.0


def exact_copies(train: Any, fake: Any) -> float:
    """Return the share of the generated rows that equal a training row in every cell.

    Parameters
    ----------
    train, fake : array-like or data frame of shape (n_rows, n_columns)
        Training and generated rows in original units. A missing cell equals a missing cell.

    Returns
    -------
    share : float
        Between 0 and 1. Compare with ``exact_copies(train, test)``: fresh rows may be copies, too.

    Examples
    --------
    >>> from skdiffusion.metrics import exact_copies
    >>> exact_copies([[1, 2], [3, 4]], [[1, 2], [1, 4]])
    0.5
    """
    # no gap equals itself, but all stand for the same
    train, fake = (np.nan_to_num(codes, nan=np.inf) for codes in align(train, fake).codes)
    known = set(map(tuple, train.tolist()))
    return float(np.mean([row in known for row in map(tuple, fake.tolist())]))


def column_errors(real, fake, is_category):
    """Return by column its error in two tables of codes, between 0 and 1."""
    errors = {}
    for j in range(real.shape[1]):
        pair = [np.nan_to_num(codes[:, j], nan=np.inf) for codes in (real, fake)]
        ks = None if is_category[j] else ks_2samp(*pair, method="asymp")
        errors[j,] = _total_variation(*pair) if ks is None else float(ks.statistic)
    return errors


def pair_errors(real, fake, is_category):
    """Return by pair of columns its error in two tables of codes, between 0 and 1."""
    tables, limits = (real, fake), [robust_limits(column) for column in real.T]
    bins = [_bin_numbers(table, limits, is_category) for table in tables]
    gaps = [np.isnan(table).astype(np.int64) for table in tables]
    # gross cells have long levers
    numbers = [np.where(is_category | gross_cells(table), np.nan, table) for table in tables]
    errors = {}
    for i, j in combinations(range(len(limits)), 2):
        if is_category[i] or is_category[j]:
            errors[i, j] = _joint_variation(*bins, i, j)
            continue
        ours, theirs = (_correlation(table[:, [i, j]]) for table in numbers)
        if not np.isnan(ours):
            errors[i, j] = abs(ours - np.nan_to_num(theirs)) / 2
        if any(table[:, [i, j]].any() for table in gaps):
            errors[i, j] = max(errors.get((i, j), 0.0), _joint_variation(*gaps, i, j))
    return errors


def _total_variation(real, fake):
    """Half the L1 distance of the shares of the distinct values."""
    _, code = np.unique(np.concatenate([real, fake]), return_inverse=True)
    shares = [
        np.bincount(c, minlength=code.max() + 1) / len(c) for c in np.split(code, [len(real)])
    ]
    return abs(shares[0] - shares[1]).sum() / 2


def _joint_variation(real, fake, i, j):
    """Total variation of the combinations of whole numbers in two columns."""
    return _total_variation(*((table[:, i] << 32) + table[:, j] for table in (real, fake)))


def _correlation(pair):
    """Correlation of two columns where both are there, NaN, silently, for constant ones."""
    pair = pair[~np.isnan(pair).any(axis=1)]
    if len(pair) < 2 or np.any(np.ptp(pair, axis=0) == 0):
        return np.nan
    # squares of what is not in units of its range may leave floating point
    return np.corrcoef((pair - pair[0]) / np.ptp(pair, axis=0), rowvar=False)[0, 1]


def _bin_numbers(table, limits, is_category):
    """Number categories, and equal bins of numbers whose outer ones are open; 0 for gaps."""
    binned = table + 1
    for j in np.flatnonzero(~is_category):
        edges = np.histogram_bin_edges(limits[j], N_BINS)[1:-1]
        binned[:, j] = 1 + np.digitize(table[:, j], edges)
    return np.where(np.isnan(table), 0, binned).astype(np.int64)
