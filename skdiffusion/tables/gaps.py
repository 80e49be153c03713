"""Missing cells of a table: where they are, and other cells put in their place."""

import narwhals as nw
import numpy as np
from scipy.stats import mode

from skdiffusion.tables.frames import as_frame, with_common_levels
from skdiffusion.tables.reading import AMOUNTS, NUMERIC
from skdiffusion.tables.vocabulary import find_positions


def gaps_of(columns):
    """Return which cells of columns that have been read are missing, (n, n_columns)."""
    return np.stack([column.gaps for column in columns], axis=1)


def mean_cells(encoder, draws, as_cells=True):
    """Return by column the mean of draws, by `as_cells` a possible cell, or the commonest one."""
    means = []
    for coder, *cells in zip(encoder._coded, *draws, strict=True):
        cells = np.stack(cells)
        if coder.is_empty or coder.kind == "identifier":
            means.append(cells[0])
        elif coder.kind in NUMERIC and not as_cells:
            means.append(np.rint(cells.mean(0)) if coder.stored.kind in "iu" else cells.mean(0))
        elif coder.kind in AMOUNTS:
            means.append(coder.restore(_mean_number(coder.codec, coder.numbers_of(cells))))
        else:
            index = find_positions(cells.ravel(), coder.levels).reshape(cells.shape)
            means.append(coder.levels[mode(index).mode])
    return means


def _mean_number(codec, x):
    """Return the mean of draws (n_draws, n) as a number on the lattice of a codec."""
    mean, is_spike = x.mean(0), np.zeros(x.shape[1], dtype=bool)
    if codec.name == "spike":
        on = x == codec.spike
        others = np.where(on, 0.0, x).sum(0) / np.maximum((~on).sum(0), 1)
        # between a spike and the others there is no cell
        beyond = (mean < codec.bounds[0]) | (mean > codec.bounds[1])
        is_spike = beyond & (on.mean(0) > 0.5)
        mean = np.where(is_spike, codec.spike, np.where(beyond, others, mean))
        codec = codec.rest
    lattice = getattr(codec, "lattice", None)
    return mean if lattice is None else np.where(is_spike, mean, lattice.snap(mean))


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
            # identities are of categories of their own
            column, cells = with_common_levels(column, cells)
            column = column.zip_with(_aligned(there, column), cells)
        columns.append(column)
    return frame.with_columns(*columns).to_native()


def _aligned(series, like):
    """Give a series the index of another, where there is one."""
    native = series.to_native()
    if nw.dependencies.is_pandas_like_series(native):
        native = native.set_axis(like.to_native().index)
    return nw.from_native(native, series_only=True)
