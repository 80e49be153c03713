"""Do generated rows cover the real ones, column by column and pair by pair?"""

from itertools import combinations

import numpy as np
from scipy.stats import ks_2samp
from sklearn.metrics import pairwise_distances_chunked
from sklearn.neighbors import NearestNeighbors

from skdiffusion.metrics.scaling import _categorical_mask, _check_same_columns


def coverage_density(real, fake, *, k=5):
    """Share of the real neighbourhoods that are hit, and how densely they are filled.

    Around every real row lies the ball that reaches to its `k`-th nearest other real row (L1).
    Coverage is the share of the balls with at least one generated row in them: it sees modes that
    were dropped. Density counts in how many balls a generated row lies, divided by `k`: it sees
    rows where there should be none.

    Parameters
    ----------
    real : array-like of shape (n_real, n_columns)
        Points of real rows; more than `k` of them.
    fake : array-like of shape (n_fake, n_columns)
        Points of generated rows in the same coordinates.
    k : int, default=5
        Neighbours that define a ball; 5 is the choice of the paper.

    Returns
    -------
    coverage : float
        Between 0 and 1. A perfect generator is expected at one minus the product over
        i = 1 ... k of ``(n_real - i) / (n_real + n_fake - i)``: near ``1 - 2**-k`` (0.969 for 5)
        with as many generated as real rows.
    density : float
        About 1 for a perfect generator; not bounded by 1.

    Notes
    -----
    The balls include their boundary. With continuous columns that changes nothing; with categorical
    ones, where a radius may be 0, a generated row equal to the real one then counts as a hit.

    References
    ----------
    .. [1] M. F. Naeem, S. J. Oh, Y. Uh, Y. Choi and J. Yoo, "Reliable fidelity and diversity
       metrics for generative models", ICML 2020, equations 7 and 8.

    Examples
    --------
    >>> import numpy as np
    >>> from skdiffusion.metrics import coverage_density
    >>> real = np.arange(20.0)[:, None]
    >>> coverage_density(real, real[5:10], k=2)  # a quarter of the line, and the balls at its ends
    (0.35, 1.5)
    """
    real, fake = _check_same_columns(real, fake)
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
    """Mean error of the single columns, in percent.

    For a numeric column the largest gap of the two distribution functions (Kolmogorov-Smirnov), for
    a categorical one half the summed gaps of the category shares (total variation).

    Parameters
    ----------
    real : array-like of shape (n_real, n_columns)
        Real rows in original units.
    fake : array-like of shape (n_fake, n_columns)
        Generated rows in original units.
    categorical : sequence of int, default=()
        Columns that hold category codes.

    Returns
    -------
    error : float
        Between 0 (equal marginals) and 100 (disjoint ones). It is 100 times one minus the "Column
        Shapes" score of the SDMetrics quality report [1]_.

    References
    ----------
    .. [1] SDMetrics documentation, "Quality report": KSComplement and TVComplement.

    Examples
    --------
    >>> import numpy as np
    >>> from skdiffusion.metrics import shape_error
    >>> real = np.array([[0.0, 1], [1.0, 1], [2.0, 0], [3.0, 0]])
    >>> fake = np.array([[0.0, 1], [1.0, 1], [2.0, 1], [2.5, 1]])
    >>> shape_error(real, fake, categorical=[1])
    37.5
    """
    real, fake = _check_same_columns(real, fake)
    is_categorical = _categorical_mask(real.shape[1], categorical)
    errors = [
        _total_variation(r, f) if cat else ks_2samp(r, f, method="asymp").statistic
        for r, f, cat in zip(real.T, fake.T, is_categorical, strict=True)
    ]
    return 100 * float(np.mean(errors))


def trend_error(real, fake, *, categorical=(), n_bins=10):
    """Mean error of the pairs of columns, in percent.

    For two numeric columns half the difference of their Pearson correlations; for a pair with a
    categorical column the total variation between the two contingency tables, a numeric partner
    being cut into bins of equal width.

    Parameters
    ----------
    real : array-like of shape (n_real, n_columns)
        Real rows in original units, at least two columns.
    fake : array-like of shape (n_fake, n_columns)
        Generated rows in original units.
    categorical : sequence of int, default=()
        Columns that hold category codes.
    n_bins : int, default=10
        Bins of a numeric column that meets a categorical one, as SDMetrics has it.

    Returns
    -------
    error : float
        Between 0 and 100: 100 times one minus the mean over all pairs of the scores of SDMetrics
        [1]_. (Its recent quality reports leave out pairs that are weakly related in the real table;
        here a relation that the generator made up counts as well.)

    Notes
    -----
    Pairs with a numeric column that is constant in the real table have no correlation and are left
    out; where it is constant in the generated table only, its correlation counts as 0.

    References
    ----------
    .. [1] SDMetrics documentation, "Quality report": CorrelationSimilarity and
       ContingencySimilarity.

    Examples
    --------
    >>> import numpy as np
    >>> from skdiffusion.metrics import trend_error
    >>> x = np.arange(10.0)
    >>> round(trend_error(np.column_stack([x, x]), np.column_stack([x, -x])), 6)
    100.0
    """
    real, fake = _check_same_columns(real, fake)
    n_columns = real.shape[1]
    if n_columns < 2:
        raise ValueError("trend_error compares pairs of columns and needs at least two columns.")
    is_categorical = _categorical_mask(n_columns, categorical)
    correlation_gap = abs(_correlation(real) - np.nan_to_num(_correlation(fake))) / 2
    codes = [
        (r, f) if cat else _bin(r, f, n_bins)
        for r, f, cat in zip(real.T, fake.T, is_categorical, strict=True)
    ]
    errors = []
    for i, j in combinations(range(n_columns), 2):
        if is_categorical[i] or is_categorical[j]:
            pair = zip(codes[i], codes[j], strict=True)
            errors.append(_total_variation(*map(np.column_stack, pair)))
        else:
            errors.append(correlation_gap[i, j])
    errors = np.array(errors)
    defined = errors[~np.isnan(errors)]
    return 100 * float(defined.mean()) if defined.size else float("nan")


def _total_variation(real, fake):
    """Half the L1 distance of the shares of the distinct values (or rows)."""
    both = np.concatenate([real, fake])
    code = np.unique(both, axis=0, return_inverse=True)[1].ravel()
    is_real = np.arange(len(both)) < len(real)
    share_real = np.bincount(code[is_real], minlength=code.max() + 1) / len(real)
    share_fake = np.bincount(code[~is_real], minlength=code.max() + 1) / len(fake)
    return abs(share_real - share_fake).sum() / 2


def _correlation(X):
    """Correlation matrix with NaN, silently, for constant columns."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.corrcoef(X, rowvar=False)


def _bin(real, fake, n_bins):
    """Cut two samples of a column into equal-width bins of the real one, the outer ones open."""
    edges = np.histogram_bin_edges(real, bins=n_bins)[1:-1]
    return np.digitize(real, edges), np.digitize(fake, edges)
