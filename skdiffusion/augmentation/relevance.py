"""How much a numeric target is worth: 0 where values are common, 1 where they are rare."""

import numpy as np
from scipy.stats import gaussian_kde

WHISKER = 1.5
GRID = 512


def boxplot_relevance(y):
    """Relevance by the boxplot: 0 at the median, 1 from the ends of the whiskers on.

    Parameters
    ----------
    y : ndarray of shape (n,)
        Target.

    Returns
    -------
    relevance : ndarray of shape (n,)
        Between 0 and 1. On a side without outliers it is 0.

    Notes
    -----
    The control points, the median and the adjacent values (the outermost ones within 1.5
    interquartile ranges of the box), are joined by piecewise cubic Hermite polynomials of slope 0
    at each of them.

    References
    ----------
    Ribeiro, R. P. and Moniz, N. (2020). Imbalanced regression and extreme value prediction.
    Machine Learning 109, 1803-1835, section 3.

    Examples
    --------
    >>> import numpy as np
    >>> boxplot_relevance(np.array([1.0, 2.0, 3.0, 4.0, 50.0])).round(2)
    array([0., 0., 0., 1., 1.])
    """
    y = np.asarray(y, dtype=np.float64)
    first, median, third = np.quantile(y, [0.25, 0.5, 0.75])
    reach = WHISKER * (third - first)
    within = y[(y >= first - reach) & (y <= third + reach)]
    relevance = np.zeros(len(y))
    for sign, adjacent in ((-1.0, within.min()), (1.0, within.max())):
        distance, far = sign * (y - median), sign * (adjacent - median)
        if np.any(distance > far):
            # without a whisker the curve has no room to rise in
            share = np.clip(distance / far, 0, 1) if far > 0 else np.heaviside(distance, 0)
            relevance += share**2 * (3 - 2 * share)
    return relevance


def density_relevance(y):
    """Relevance by how thinly the values lie: one minus the density, in units of its maximum.

    Parameters
    ----------
    y : ndarray of shape (n,)
        Target.

    Returns
    -------
    relevance : ndarray of shape (n,)
        Between 0 at the mode and 1.

    Notes
    -----
    The density is a Gaussian kernel estimate with Scott's bandwidth.

    Examples
    --------
    >>> import numpy as np
    >>> density_relevance(np.array([0.0, 0.0, 0.1, 0.0, 5.0])).argmax()
    np.int64(4)
    """
    y = np.asarray(y, dtype=np.float64)
    if np.ptp(y) == 0:
        return np.zeros(len(y))
    grid = np.linspace(y.min(), y.max(), GRID)
    density = np.interp(y, grid, gaussian_kde(y)(grid))
    return 1.0 - density / density.max()
