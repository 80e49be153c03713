"""Do generated rows cover the real ones, column by column and pair by pair?"""

from itertools import combinations

import numpy as np
from scipy.stats import ks_2samp
from sklearn.metrics import pairwise_distances_chunked
from sklearn.neighbors import NearestNeighbors

from skdiffusion.metrics.scaling import check_same_columns


def coverage_density(real, fake, *, k=5):
    """Return the share of real neighbourhoods that are hit, and how densely they are filled.

    Around every real row lies the ball that reaches to its `k`-th nearest other real row (L1),
    boundary included. Coverage is the share of the balls with a generated row in them: it sees
    modes that were dropped. Density counts in how many balls a generated row lies, divided by `k`:
    it sees rows where there should be none.

    Parameters
    ----------
    real : array-like of shape (n_real, n_columns)
        Points of real rows; more than `k` of them.
    fake : array-like of shape (n_fake, n_columns)
        Points of generated rows in the same coordinates.
    k : int, default=5
        Neighbours that define a ball; 5 is the choice of Naeem et al. (ICML 2020).

    Returns
    -------
    coverage : float
        Between 0 and 1; near ``1 - 2**-k`` for a perfect generator of as many rows as there are
        real ones.
    density : float
        About 1 for a perfect generator; not bounded by 1.

    Examples
    --------
    >>> import numpy as np
    >>> from skdiffusion.metrics import coverage_density
    >>> real = np.arange(20.0)[:, None]
    >>> coverage_density(real, real[5:10], k=2)  # a quarter of the line, and the balls at its ends
    (0.35, 1.5)
    """
    real, fake = check_same_columns(real, fake)
    if not 1 <= k < len(real):
        raise ValueError(f"k={k} must be at least 1 and less than the {len(real)} real rows.")
    neighbours = NearestNeighbors(n_neighbors=k, metric="manhattan", algorithm="brute").fit(real)
    radii = neighbours.kneighbors()[0][:, -1]

    def count_inside(distances, start):
        return (distances <= radii[start : start + len(distances), None]).sum(axis=1)

    chunks = pairwise_distances_chunked(
        real, fake, reduce_func=count_inside, metric="manhattan", n_jobs=1
    )
    hits = np.concatenate(list(chunks))
    return float((hits > 0).mean()), float(hits.sum() / (k * len(fake)))


def shape_error(real, fake, *, categorical=()):
    """Return the mean error of single columns, in percent.

    For a numeric column the Kolmogorov-Smirnov distance of the two samples, for a categorical one
    the total variation of the category shares: 100 times one minus the "Column Shapes" score of
    SDMetrics.

    Parameters
    ----------
    real : array-like of shape (n_real, n_columns)
        Real rows in original units.
    fake : array-like of shape (n_fake, n_columns)
        Generated rows in original units.
    categorical : sequence of int, default=()
        Columns that hold numbers of categories.

    Returns
    -------
    error : float
        Between 0 (equal marginals) and 100 (disjoint ones).

    Examples
    --------
    >>> import numpy as np
    >>> from skdiffusion.metrics import shape_error
    >>> real = np.array([[0.0, 1], [1.0, 1], [2.0, 0], [3.0, 0]])
    >>> fake = np.array([[0.0, 1], [1.0, 1], [2.0, 1], [2.5, 1]])
    >>> shape_error(real, fake, categorical=[1])
    37.5
    """
    real, fake = check_same_columns(real, fake)
    is_categorical = np.isin(np.arange(real.shape[1]), categorical)
    errors = [
        _total_variation(r, f) if cat else ks_2samp(r, f, method="asymp").statistic
        for r, f, cat in zip(real.T, fake.T, is_categorical, strict=True)
    ]
    return 100 * float(np.mean(errors))


def trend_error(real, fake, *, categorical=(), n_bins=10):
    """Return the mean error of pairs of columns, in percent.

    For two numeric columns half the difference of their Pearson correlations; for a pair with a
    categorical column the total variation between the two contingency tables, a numeric partner
    being cut into bins of equal width. Pairs with a numeric column that is constant in the real
    table are left out.

    Parameters
    ----------
    real : array-like of shape (n_real, n_columns)
        Real rows in original units, at least two columns.
    fake : array-like of shape (n_fake, n_columns)
        Generated rows in original units.
    categorical : sequence of int, default=()
        Columns that hold numbers of categories.
    n_bins : int, default=10
        Bins of a numeric column that meets a categorical one, as SDMetrics has it.

    Returns
    -------
    error : float
        Between 0 and 100: 100 times one minus the mean over all pairs of the scores of SDMetrics.

    Examples
    --------
    >>> import numpy as np
    >>> from skdiffusion.metrics import trend_error
    >>> x = np.arange(10.0)
    >>> round(trend_error(np.column_stack([x, x]), np.column_stack([x, -x])), 6)
    100.0
    """
    real, fake = check_same_columns(real, fake)
    n_columns = real.shape[1]
    if n_columns < 2:
        raise ValueError("trend_error compares pairs of columns and needs at least two columns.")
    is_categorical = np.isin(np.arange(n_columns), categorical)
    correlation_gap = abs(_correlation(real) - np.nan_to_num(_correlation(fake))) / 2
    binned = [
        (r, f) if cat else _bin(r, f, n_bins)
        for r, f, cat in zip(real.T, fake.T, is_categorical, strict=True)
    ]
    errors = []
    for i, j in combinations(range(n_columns), 2):
        if is_categorical[i] or is_categorical[j]:
            pair = zip(binned[i], binned[j], strict=True)
            errors.append(_total_variation(*map(np.column_stack, pair)))
        elif not np.isnan(correlation_gap[i, j]):
            errors.append(correlation_gap[i, j])
    return 100 * float(np.mean(errors)) if errors else float("nan")


def _total_variation(real, fake):
    """Half the L1 distance of the shares of the distinct values (or rows)."""
    _, code = np.unique(np.concatenate([real, fake]), axis=0, return_inverse=True)
    n_values = code.max() + 1
    share_real = np.bincount(code[: len(real)], minlength=n_values) / len(real)
    share_fake = np.bincount(code[len(real) :], minlength=n_values) / len(fake)
    return abs(share_real - share_fake).sum() / 2


def _correlation(X):
    """Correlation matrix with NaN, silently, for constant columns."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.corrcoef(X, rowvar=False)


def _bin(real, fake, n_bins):
    """Cut two samples of a column into equal-width bins of the real one, the outer ones open."""
    edges = np.histogram_bin_edges(real, bins=n_bins)[1:-1]
    return np.digitize(real, edges), np.digitize(fake, edges)
