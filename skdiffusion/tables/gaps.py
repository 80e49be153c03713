"""Missing cells of a table: where they are, and other cells put in their place."""

import narwhals as nw
import numpy as np
from scipy.stats import mode

from skdiffusion.tables.frames import as_frame
from skdiffusion.tables.reading import NUMERIC, TEMPORAL
from skdiffusion.tables.vocabulary import find_positions


def gaps_of(columns):
    """Return which cells of columns that have been read are missing, (n, n_columns)."""
    return np.stack([column.gaps for column in columns], axis=1)


def mean_cells(encoder, draws):
    """Return by column the mean or most frequent cell of several draws of the same rows."""
    means = []
    for coder, *cells in zip(encoder._coders, *draws, strict=True):
        cells = np.stack(cells)
        if coder.is_empty:
            means.append(cells[0])
        elif coder.kind in NUMERIC:
            mean = cells.mean(0)
            means.append(np.rint(mean) if coder.stored.kind in "iu" else mean)
        elif coder.kind in TEMPORAL:
            first = cells.min(0)
            means.append(first + np.rint((cells - first).astype(np.float64).mean(0)).astype(int))
        else:
            index = find_positions(cells.ravel(), coder.levels).reshape(cells.shape)
            means.append(coder.levels[mode(index).mode])
    return means


def fill_gaps(X, gaps, filled, rows):
    """Put the cells of `filled`, which has some rows of a table, into its gaps."""
    frame, other = as_frame(X), as_frame(filled)
    # the filled rows at their places, others at any place
    place = np.cumsum(rows) - 1
    if frame is None:
        filled = filled if other is None else other.to_numpy()
        return np.where(gaps, filled[place], X)
    columns = []
    for j, name in enumerate(frame.columns):
        column = frame.get_column(name)
        if gaps[:, j].any():
            cells = _aligned(other.get_column(name)[place.tolist()], column)
            there = nw.new_series("there", ~gaps[:, j], backend=frame.implementation)
            column = column.zip_with(_aligned(there, column), cells)
        columns.append(column)
    return frame.with_columns(*columns).to_native()


def _aligned(series, like):
    """Give a series the index of another, where there is one."""
    native = series.to_native()
    if nw.dependencies.is_pandas_like_series(native):
        native = native.set_axis(like.to_native().index)
    return nw.from_native(native, series_only=True)
