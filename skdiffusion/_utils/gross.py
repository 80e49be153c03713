"""Gross cells (a code for missing, a slip of the decimal point), and columns of unlike units."""

import numpy as np

# how many times as far from the median as any other number: rare in heavy tails, and less than
# a code such as 999 is
GAP = 5.0
# of the numbers: how many may be gross, or one from so many on
SHARE, MIN_ROWS = 0.01, 20
# columns whose standard deviations differ by more than this have no unit in common
MAX_UNIT_RATIO = 1e3
# beyond, squares leave floating point
LARGEST, SMALLEST = 1e150, 1e-150


def far_out(x, counts=None):
    """Return which of the numbers (n,), that may occur several times, are far off all others."""
    counts = (~np.isnan(x)).astype(float) if counts is None else counts
    gross, total = np.zeros(len(x), dtype=bool), counts.sum()
    if total < MIN_ROWS:
        return gross
    order = np.argsort(x)
    median = x[order[np.searchsorted(np.cumsum(counts[order]), total / 2)]]
    far = np.nan_to_num(np.abs(x - median))
    order = np.argsort(-far, kind="stable")
    n_few = np.searchsorted(np.cumsum(counts[order]), max(1.0, SHARE * total), side="right")
    # what is left is a flag, not a scale, where all others are equal
    sizes = far[order[: n_few + 1]]
    apart = np.flatnonzero((sizes[:-1] / GAP > sizes[1:]) & (sizes[1:] > 0))
    if len(apart):
        gross[order[: apart[-1] + 1]] = True
    return gross


def gross_cells(X):
    """Return which cells (n, d) are far off all others of their column."""
    return np.stack([far_out(column) for column in X.T], axis=1) if X.size else X != X


def regular_rows(X):
    """Return the positions of the rows (n, d) without a gross cell."""
    return np.flatnonzero(~gross_cells(X).any(1))


def check_magnitudes(X):
    """Raise if numbers (n, d), or differences within a column, have no squares."""
    spans = np.ptp(X, axis=0)
    bad = np.flatnonzero((np.abs(X).max(0) > LARGEST) | ((spans > 0) & (spans < SMALLEST)))
    if len(bad):
        raise ValueError(
            f"Column {bad[0]} of X holds numbers beyond {LARGEST:g}, or within {SMALLEST:g} of one "
            "another, whose squares floating point does not hold: give it another unit."
        )


def column_spreads(X):
    """Return the standard deviations (d,) of columns that vary, of whatever units."""
    spans = np.ptp(X, axis=0)
    return spans * ((X - X[0]) / spans).std(0)


def have_one_unit(spreads):
    """Whether columns of these standard deviations may have a unit in common."""
    return spreads.max() <= MAX_UNIT_RATIO * spreads.min()
