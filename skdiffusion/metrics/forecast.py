"""How good are forecasts that are draws?"""

import numpy as np
from sklearn.utils import check_array, check_consistent_length, column_or_1d


def crps(y, draws):
    """Return the continuous ranked probability score of forecasts given as draws.

    ``E|Y - y| - E|Y - Y'| / 2`` with independent draws `Y` and `Y'`: smallest, in the mean, for the
    true conditional distribution (Gneiting and Raftery, JASA 2007, equation 21).

    Parameters
    ----------
    y : array-like of shape (n,)
        What came.
    draws : array-like of shape (n, n_draws)
        Draws of the forecast of each row, at least two.

    Returns
    -------
    score : ndarray of shape (n,)
        In units of `y`; smaller is better. Its mean does not depend on the number of draws.

    Examples
    --------
    >>> from skdiffusion.metrics import crps
    >>> crps([0.0, 3.0], [[-1.0, 1.0], [3.0, 3.0]])
    array([0., 0.])
    """
    y = column_or_1d(y)
    draws = np.sort(check_array(draws, ensure_min_features=2, input_name="draws"), axis=1)
    check_consistent_length(y, draws)
    m = draws.shape[1]
    error = np.abs(draws - np.asarray(y, dtype=np.float64)[:, None]).mean(axis=1)
    # sums over pairs of sorted draws need no pairs
    ranks = 2 * np.arange(m) - m + 1
    return error - draws @ ranks / (m * (m - 1))
