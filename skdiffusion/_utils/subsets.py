"""Parts of a table that stand for the whole."""

import numpy as np

__all__ = ["some_rows"]


def some_rows(n_rows, most):
    """Return positions of at most so many rows, in random order, the same at every call.

    Tables are often sorted: their first rows are of a kind.

    Parameters
    ----------
    n_rows : int
        Number of rows.
    most : int
        How many positions to return at most.

    Returns
    -------
    ndarray of int of shape (min(n_rows, most),)
        Positions, all different.

    Examples
    --------
    >>> sorted(some_rows(3, 5).tolist())
    [0, 1, 2]
    """
    return np.random.RandomState(0).permutation(n_rows)[:most]
