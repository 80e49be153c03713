"""Systematic draws: counts that are off their expectation by less than one."""

import numpy as np

__all__ = ["spread"]


def spread(weights, n, rng):
    """Draw `n` rows with replacement, each about as often as its weight says.

    Parameters
    ----------
    weights : ndarray of shape (n_rows,)
        Nonnegative weights with a positive sum.
    n : int
        Number of draws.
    rng : RandomState
        Source of randomness.

    Returns
    -------
    rows : ndarray of shape (n,)
        Positions of the drawn rows, in random order. The draw is systematic: the number of
        times of each is off its expectation by less than one.

    Examples
    --------
    >>> import numpy as np
    >>> rows = spread(np.array([1.0, 0.0, 1.0]), 4, np.random.RandomState(0))
    >>> np.bincount(rows)
    array([2, 0, 2])
    """
    # in random order first: which rows get one more must not follow their places in the table
    order = rng.permutation(np.flatnonzero(weights > 0))
    bounds = np.cumsum(weights[order])
    positions = (rng.uniform() + np.arange(n)) / max(n, 1) * bounds[-1]
    drawn = np.minimum(np.searchsorted(bounds, positions, side="right"), len(order) - 1)
    return rng.permutation(order[drawn])
