"""Columns of tables as numbers: times in units of time, categories as positions."""

from typing import NamedTuple

import numpy as np
from sklearn.utils import check_array

from skdiffusion._utils.gross import far_out
from skdiffusion.tables.clocks import TimeScale
from skdiffusion.tables.frames import as_frame, read_table
from skdiffusion.tables.options import position_of
from skdiffusion.tables.reading import NUMERIC, TEMPORAL
from skdiffusion.tables.vocabulary import as_objects, distinct, find_positions

# Levels that a picture has room for; others are put together
MAX_LEVELS = 12


class Coder:
    """How the cells of a column become numbers, learned from the column in one or more tables."""

    def __init__(self, name, columns, is_category):
        self.name, self.levels, self.scale = name, None, None
        columns = [column for column in columns if len(column.observed)]
        self.kinds = {column.kind for column in columns}
        self.kind = "continuous" if self.kinds == set(NUMERIC) else "categorical"
        if len(self.kinds) < 2:
            self.kind = columns[0].kind if columns else "empty"
        if self.kind in TEMPORAL:
            self.scale = TimeScale(columns[0].observed, columns[0].clock)
        if is_category or self.kind not in (*NUMERIC, *TEMPORAL):
            cells = [self._read(column).astype(object) for column in columns]
            found = distinct(np.concatenate([as_objects([]), *cells]), self.name).tolist()
            order = [level for column in columns for level in column.order or () if level in found]
            self.levels = as_objects([*dict.fromkeys([*order, *found])])
            self.kind = self.kind if self.kind in ("boolean", "empty") else "categorical"

    def encode(self, column):
        """Return cells as floats: NaN for missing ones, -1 for levels that are not known."""
        codes, levels = np.full(len(column.values), np.nan), self.levels
        if len(column.observed):
            cells = self._read(column)
            codes[~column.gaps] = cells if levels is None else find_positions(cells, levels)
        return codes

    def decode(self, codes):
        """Return the cells that codes stand for, durations in days."""
        cells = np.asarray(codes)
        if self.levels is not None:
            cells = self.levels[cells.astype(int)]
        if self.scale is None:
            return cells
        times = self.scale.decode(cells.astype(np.float64)).view(self.scale.clock.dtype)
        return times.astype("M8[s]") if times.dtype.kind == "M" else times / np.timedelta64(1, "D")

    def text(self, codes):
        """Return codes as a reader knows the cells."""
        form = "{:.6g}" if self.scale is None else "{:.6g} days"
        cells = self.decode(codes)
        cells = [form.format(c) if isinstance(c, float) else str(c) for c in cells]
        return [cell.removesuffix("T00:00:00") for cell in cells]

    def _read(self, column):
        """Return the cells that are not missing, as numbers where these are wanted."""
        wanted = self.kinds & set(TEMPORAL) or {column.kind} - set(TEMPORAL)
        if self.levels is None and self.kind in NUMERIC:
            wanted = {*NUMERIC, "boolean"}
        if column.kind not in wanted and self.kinds:
            raise ValueError(
                f"Column {self.name!r} holds {' and '.join(sorted({column.kind, *self.kinds}))} "
                "cells in different tables: convert it to one kind, text that stands for dates "
                "with pandas.to_datetime."
            )
        cells = column.observed
        return cells if self.scale is None else self.scale.encode(cells, column.clock)


class Alignment(NamedTuple):
    """The columns of several tables, and their cells as numbers."""

    coders: list[Coder]
    codes: list[np.ndarray]  # of each table, (n, n_columns)

    @property
    def is_category(self):
        return np.array([coder.levels is not None for coder in self.coders])

    def keep(self, is_kept):
        coders = [coder for coder, kept in zip(self.coders, is_kept, strict=True) if kept]
        return Alignment(coders, [codes[:, is_kept] for codes in self.codes])


def align(*tables, categorical=()):
    """Read tables of the same columns, of which some are told to hold categories."""
    frames = [*map(as_frame, tables)]
    names = next((frame.columns for frame in frames if frame is not None), None)
    columns = []
    for X, frame in zip(tables, frames, strict=True):
        # of frames scikit-learn judges the size alone
        cells = X if frame is None else np.broadcast_to(0, frame.shape)
        cells = check_array(cells, dtype=None, ensure_all_finite="allow-nan")
        own = [f"x{j}" for j in range(cells.shape[1])] if frame is None else frame.columns
        names = names or own
        if len(own) != len(names) or (frame is not None and set(own) != set(names)):
            raise ValueError(
                "All tables must have the same columns; they differ in their columns: "
                f"{names} against {own}."
            )
        # by position, since not all names are text
        order = [own.index(name) for name in names]
        columns.append(read_table(cells if frame is None else frame[:, order].to_native()))
    chosen = [position_of(key, columns[0], "categorical") for key in categorical]
    is_category = np.isin(np.arange(len(names)), chosen)
    columns = [*zip(*columns, strict=True)]
    coders = [*map(Coder, names, columns, is_category)]
    codes = [[*map(coder.encode, c)] for coder, c in zip(coders, columns, strict=True)]
    return Alignment(coders, [np.column_stack(c) for c in zip(*codes, strict=True)])


def single_precision(X):
    """Round to the 24 bits that generators in single precision return, but keep doubles."""
    mantissa, exponent = np.frexp(np.asarray(X, dtype=np.float64))
    return np.ldexp(np.rint(mantissa * 2**24), exponent - 24)


def robust_limits(codes):
    """Return the least and the greatest number that is not gross, 0 where there is none."""
    codes = codes[~np.isnan(codes)]
    codes = codes[~far_out(codes)]
    return (codes.min(), codes.max()) if len(codes) else (0.0, 0.0)


def histograms(coder, real, synthetic):
    """Return shares of both in bins of numbers or of levels, and the bins, or names of levels."""
    if coder.levels is None:
        low, high = robust_limits(real)
        reach = high - low or 1.0
        # what is further off than the range is wide goes to the outer bins
        real, synthetic = (
            np.clip(codes[~np.isnan(codes)], low - reach, high + reach)
            for codes in (real, synthetic)
        )
        values = np.unique(np.concatenate([real, synthetic]))
        if len(values) <= 24 and np.ptp(values) <= 48 and np.all(values == np.round(values)):
            bins = np.arange(values[0] - 0.5, values[-1] + 1.0)
        else:
            count = np.clip(len(np.histogram_bin_edges(real, "auto")) - 1, 12, 36)
            bins = np.histogram_bin_edges(values, count)
        return *(np.histogram(c, bins)[0] / max(len(c), 1) for c in (real, synthetic)), bins, None
    both = np.concatenate([real, synthetic])
    levels, counts = np.unique(both[~np.isnan(both)], return_counts=True)
    common = np.sort(levels[np.argsort(-counts, kind="stable")[:MAX_LEVELS]])
    labels, n = [*coder.text(common), "others", "missing"], len(common)
    shares = np.empty((2, n + 2))
    for share, codes in zip(shares, (real, synthetic), strict=True):
        at = np.where(np.isin(codes, common), np.searchsorted(common, codes), n + np.isnan(codes))
        share[:] = np.bincount(at, minlength=n + 2) / len(codes)
    is_used = shares.any(axis=0)
    return *shares[:, is_used], None, as_objects(labels)[is_used].tolist()
