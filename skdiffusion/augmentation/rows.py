"""Choosing rows, and putting real and synthetic ones together."""

import narwhals as nw
import numpy as np
from sklearn.utils import check_consistent_length

from skdiffusion._utils.gross import far_out
from skdiffusion.tables.frames import as_frame, read_table, with_common_levels
from skdiffusion.tables.reading import AMOUNTS
from skdiffusion.tables.target import read_values


def read_target(estimator, X, y):
    """Return a target as an array of one column, without missing values."""
    if y is None:
        raise ValueError(
            f"{type(estimator).__name__} requires y to be passed, but the target y is None."
        )
    y = read_values(y, warn=False)
    check_consistent_length(X, y)
    return y


def jitter(y, rows, rng):
    """Move the targets of drawn rows at random within the gaps to their neighbours."""
    drawn = y[rows]
    if y.dtype.kind != "f" or np.all(y == np.rint(y)):
        return drawn
    values, inverse, counts = np.unique(y, return_inverse=True, return_counts=True)
    middles = (values[1:] + values[:-1]) / 2
    low = np.concatenate([values[:1], middles])[inverse[rows]]
    high = np.concatenate([middles, values[-1:]])[inverse[rows]]
    moved = rng.uniform(low, high).astype(y.dtype)
    return np.where(counts[inverse[rows]] > 1, drawn, moved)


def regular(X, weights):
    """Return weights of rows, 0 for those with a cell far off all others if there are some left."""
    gross = np.zeros(len(weights), dtype=bool)
    for column in read_table(X):
        if column.kind in AMOUNTS:
            x = column.values.view("i8") if column.values.dtype.kind in "mM" else column.values
            gross |= far_out(np.where(column.gaps, np.nan, x))
    left = np.where(gross, 0.0, weights)
    return left if left.any() else weights


def stack(above, below):
    """Put two tables of the same columns one above the other."""
    frame = as_frame(above)
    if frame is None:
        return np.concatenate([above, below])
    frames = [nw.maybe_reset_index(f) for f in (frame, as_frame(below))]
    # identities are of categories of their own
    pairs = [with_common_levels(*(f.get_column(name) for f in frames)) for name in frame.columns]
    frames = [
        f.with_columns(*parts) for f, parts in zip(frames, zip(*pairs, strict=True), strict=True)
    ]
    return nw.maybe_reset_index(nw.concat(frames, how="vertical")).to_native()
