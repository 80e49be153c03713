"""Gaps in the cells of a table, filled from draws of its rows."""

import narwhals as nw
import numpy as np
import torch

from skdiffusion.tables.frames import as_frame, read_table
from skdiffusion.tables.reading import NUMERIC, TEMPORAL
from skdiffusion.tables.vocabulary import find_positions

__all__ = ["RowNoise", "RowUniforms", "average_rows", "fill_gaps", "gaps_of"]


def gaps_of(X):
    """Return which cells of a table are missing."""
    return np.stack([column.gaps for column in read_table(X)], axis=1)


def average_rows(encoder, draws):
    """Return the means of numbers and times and the most frequent categories of several draws."""
    n_draws, n, _ = draws.shape
    columns = []
    for j, coder in enumerate(encoder.coders_):
        Z = draws[:, :, encoder.column_codes(j)].reshape(n_draws * n, -1)
        cells = coder.decode(Z)[0].reshape(n_draws, n)
        if coder.is_empty:
            columns.append(cells[0])
        elif coder.kind in NUMERIC:
            mean = cells.mean(0)
            whole = coder.stored is not None and coder.stored.kind in "iu"
            columns.append(np.rint(mean) if whole else mean)
        elif coder.kind in TEMPORAL:
            first = cells.min(0)
            columns.append(first + np.rint((cells - first).astype(np.float64).mean(0)).astype(int))
        else:
            columns.append(_most_frequent(cells, coder.levels))
    return encoder.format_.assemble(columns, n)


def _most_frequent(cells, levels):
    index = find_positions(cells.ravel(), levels).reshape(cells.shape)
    counts = np.zeros((len(levels), cells.shape[1]), dtype=int)
    for row in index:
        counts[row, np.arange(cells.shape[1])] += 1
    return levels[counts.argmax(0)]


class RowNoise:
    """Standard normal noise for each row, which depends on the row and on a seed alone."""

    def __init__(self, codes, seed):
        self.d = codes.shape[1]
        # the same numbers to the last bits but one, whatever they were computed with
        keys = (np.frombuffer((row.round(9) + 0.0).tobytes(), np.uint32) for row in codes)
        self.sources = [np.random.default_rng([seed, *key]) for key in keys]

    def normals(self):
        """Draw one row of noise for each row."""
        return torch.from_numpy(np.stack([s.standard_normal(self.d) for s in self.sources]))


class RowUniforms(np.random.RandomState):
    """What an encoder draws rare levels with, from a source for each row."""

    def __init__(self, sources):
        super().__init__(0)
        self.sources = sources

    def uniform(self, low=0.0, high=1.0, size=None):
        """Return one uniform number for each row."""
        return np.array([source.uniform(low, high) for source in self.sources])


def fill_gaps(X, gaps, filled):
    """Put cells of one table into the gaps of another."""
    rows = np.flatnonzero(gaps.any(1))
    frame, other = as_frame(X), as_frame(filled)
    if frame is None:
        filled = filled if other is None else other.to_numpy()
        whole = X.copy()
        whole[gaps] = filled[gaps[rows]]
        return whole
    # the filled rows at their places, others at any place
    place = np.zeros(len(gaps), dtype=int)
    place[rows] = np.arange(len(rows))
    columns = []
    for j, name in enumerate(frame.columns):
        column = frame.get_column(name)
        if gaps[:, j].any():
            cells = _spread(other.get_column(name), place, column)
            there = nw.new_series("there", ~gaps[:, j], backend=frame.implementation)
            column = column.zip_with(_aligned(there, column), cells)
        columns.append(column)
    return frame.with_columns(*columns).to_native()


def _spread(cells, place, like):
    return _aligned(cells[place.tolist()], like)


def _aligned(series, like):
    """Give a series the index of another, where there is one."""
    native = series.to_native()
    if nw.dependencies.is_pandas_like_series(native):
        native = native.set_axis(like.to_native().index)
    return nw.from_native(native, series_only=True)
