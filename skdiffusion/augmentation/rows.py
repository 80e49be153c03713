"""Choosing rows, and putting real and synthetic ones together."""

import narwhals as nw
import numpy as np

from skdiffusion.tables.frames import as_frame

__all__ = ["jitter", "stack"]


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


def stack(above, below):
    """Put two tables of the same columns one above the other."""
    frame = as_frame(above)
    if frame is None:
        return np.concatenate([above, below])
    frames = [nw.maybe_reset_index(f) for f in (frame, as_frame(below))]
    joined = nw.concat(frames, how="vertical")
    return nw.maybe_reset_index(joined).to_native()
