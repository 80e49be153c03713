"""Choosing rows, and putting real and synthetic ones together."""

import narwhals as nw
import numpy as np

from skdiffusion.tables.frames import as_frame

__all__ = ["jitter", "stack"]


def jitter(y, rows, rng):
    """Move the targets of drawn rows at random within the gaps to their neighbours.

    Parameters
    ----------
    y : ndarray of shape (n_rows,)
        All targets.
    rows : ndarray of shape (n,)
        The drawn rows.
    rng : RandomState
        Source of randomness.

    Returns
    -------
    y_new : ndarray of shape (n,)
        Uniform between the midpoints to the next smaller and the next larger target, with the
        data type of `y`. Whole numbers and values that several rows share stay as they are, and
        nothing leaves the range of `y`.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.RandomState(0)
    >>> bool(1.5 < jitter(np.array([0.0, 1.0, 2.5, 7.5]), np.array([2]), rng)[0] < 5.0)
    True
    >>> jitter(np.array([0, 1, 2, 7]), np.array([2]), rng)
    array([2])
    """
    drawn = y[rows]
    if y.dtype.kind != "f" or np.all(y == np.rint(y)):
        return drawn
    values, inverse, counts = np.unique(y, return_inverse=True, return_counts=True)
    middles = (values[1:] + values[:-1]) / 2
    low = np.concatenate([values[:1], middles])[inverse[rows]]
    high = np.concatenate([middles, values[-1:]])[inverse[rows]]
    moved = rng.uniform(low, high).astype(y.dtype)
    return np.where(counts[inverse[rows]] > 1, drawn, moved)


def stack(above, below):
    """Put two tables of the same columns one above the other.

    Parameters
    ----------
    above, below : ndarray or data frame
        The tables, of the same kind.

    Returns
    -------
    X : ndarray or data frame
        All rows, those of `above` first; a pandas frame gets a new index.
    """
    frame = as_frame(above)
    if frame is None:
        return np.concatenate([above, below])
    frames = [nw.maybe_reset_index(f) for f in (frame, as_frame(below))]
    joined = nw.concat(frames, how="vertical")
    return nw.maybe_reset_index(joined).to_native()
