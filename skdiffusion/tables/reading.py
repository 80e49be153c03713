"""Reading single columns of arrays and frames."""

import numbers
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta

import narwhals as nw
import numpy as np

from skdiffusion.tables.clocks import Clock

NUMERIC = ("continuous", "integer")
TEMPORAL = ("datetime", "duration")

CATEGORICAL = (nw.Boolean, nw.Categorical, nw.Enum, nw.String, nw.Object)

TIMES = (date, time, timedelta, np.datetime64, np.timedelta64)
DTYPE_OF = {datetime: "M8[us]", date: "M8[D]", timedelta: "m8[us]"}


@dataclass
class Column:
    """One column taken out of its container."""

    name: object
    kind: str
    values: np.ndarray
    gaps: np.ndarray
    stored: np.dtype | None = None
    order: list | None = None
    clock: Clock | None = None
    marker: object = None
    weights: np.ndarray | None = None  # of the rows, None where they count alike

    @property
    def missing(self):
        """Return the number of missing cells."""
        return int(self.gaps.sum())

    @property
    def observed(self):
        """Return the cells that are not missing."""
        return self.values[~self.gaps] if self.missing else self.values

    def count(self, positions):
        """Return how often each position occurs that observed cells have, by their weights."""
        return np.bincount(positions, None if self.weights is None else self.weights[~self.gaps])

    def take(self, rows):
        """Return the column of some rows."""
        names = ("values", "gaps", "weights")
        parts = {name: getattr(self, name) for name in names}
        return replace(
            self, **{k: None if part is None else part[rows] for k, part in parts.items()}
        )


def as_frame(X):
    """Wrap a pandas or polars frame; return None for other containers."""
    frame = nw.from_native(X, pass_through=True)
    if isinstance(frame, nw.LazyFrame):
        raise TypeError("A lazy frame has no cells yet: pass X.collect() instead.")
    known = isinstance(frame, nw.DataFrame) and (
        nw.dependencies.is_pandas_like_dataframe(X) or nw.dependencies.is_polars_dataframe(X)
    )
    return frame if known else None


def read_array(name, values):
    """Read one column of a NumPy array."""
    kind = values.dtype.kind
    if kind == "O":
        return read_objects(name, values)
    if kind in "iuf":
        kind = "continuous" if kind == "f" else "integer"
        return Column(name, kind, values.astype(np.float64), np.isnan(values), values.dtype)
    if kind in "mM":
        return read_times(name, values)
    if kind in "bUS":
        gaps = np.zeros(len(values), dtype=bool)
        return Column(name, "boolean" if kind == "b" else "categorical", values, gaps)
    return refuse(name, f"holds {values.dtype} values: convert them to numbers")


def read_times(name, values, is_aware=False):
    """Read NumPy times, which are those of UTC where a column has a time zone."""
    gaps = np.isnat(values)
    clock = Clock(values.dtype.newbyteorder("="), is_aware)
    ticks = np.where(gaps, 0, values.astype(clock.dtype).view(np.int64))
    kind = "datetime" if clock.dtype.kind == "M" else "duration"
    return Column(name, kind, ticks, gaps, clock=clock)


def is_missing(cell):
    """Return whether an object stands for a missing cell: None, or what differs from itself."""
    if cell is None:
        return True
    if isinstance(cell, str | bool | np.bool_):
        return False
    differs = cell != cell
    # the missing value of pandas answers every comparison with itself
    return differs is True or differs is np.True_ or differs is cell


def read_objects(name, values):
    """Read a column of Python objects by what they are."""
    cells = values.tolist()
    gaps = np.fromiter(map(is_missing, cells), bool, len(cells))
    marker = cells[gaps.argmax()] if gaps.any() else None
    present = [cell for cell, gap in zip(cells, gaps, strict=True) if not gap]
    if not present:
        return unknown(name, len(values), marker)
    if any(isinstance(cell, TIMES) for cell in present):
        times = np.full(len(values), "NaT", dtype=_dtype_of_times(name, present))
        times[~gaps] = present
        return replace(read_times(name, times), marker=marker)
    column = Column(name, "categorical", values, gaps, marker=marker)
    if all(isinstance(v, bool | np.bool_) for v in present):
        column.kind = "boolean"
    elif all(isinstance(v, numbers.Real) and not isinstance(v, bool) for v in present):
        whole = all(isinstance(v, numbers.Integral) for v in present)
        column.kind = "integer" if whole else "continuous"
        column.stored = np.dtype(np.int64 if whole else np.float64)
        column.values = np.full(len(values), np.nan)
        column.values[~gaps] = present
    return column


def _dtype_of_times(name, cells):
    """Return the data type of objects some of which are times, or raise where they have none."""
    classes = set(map(type, cells))
    dtype = DTYPE_OF.get(classes.pop())
    if classes or dtype is None or any(getattr(cell, "tzinfo", None) for cell in cells):
        refuse(
            name,
            "holds times as objects that are not all dates, datetimes without a time zone, or "
            "timedeltas: convert it to a data type of times, or to strings",
        )
    return dtype


def read_series(name, series):
    """Read one column of a frame."""
    dtype, native = series.dtype, series.to_native()
    if dtype == nw.Object or native.dtype == object:
        return read_objects(name, np.asarray(native, dtype=object))
    gaps = series.is_null().to_numpy()
    if dtype in (nw.Datetime, nw.Date, nw.Duration):
        return _read_time_series(name, series)
    if dtype.is_float() or dtype.is_integer():
        kind = "continuous" if dtype.is_float() else "integer"
        values = (series.cast(nw.Float64) if gaps.any() else series).to_numpy().astype(np.float64)
        stored = getattr(np, str(dtype).lower(), np.int64)
        return Column(name, kind, values, np.isnan(values), np.dtype(stored))
    if dtype not in CATEGORICAL:
        if gaps.all():
            return unknown(name, len(series), None)
        refuse(name, f"holds {native.dtype} values: convert them to numbers, dates or strings")
    cells = np.empty(len(series), dtype=object)
    cells[:] = series.to_list()
    if dtype == nw.Boolean:
        cells = cells if gaps.any() else cells.astype(bool)
        return Column(name, "boolean", cells, gaps)
    if getattr(native.dtype, "ordered", False):
        order = native.dtype.categories.tolist()
        return Column(name, "ordinal", cells, gaps, order=order)
    return Column(name, "categorical", cells, gaps)


def _read_time_series(name, series):
    dtype = series.dtype
    is_aware = getattr(dtype, "time_zone", None) is not None
    if is_aware:
        series = series.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    kind = "m8" if dtype == nw.Duration else "M8"
    unit = getattr(dtype, "time_unit", "D")
    return read_times(name, series.to_numpy().astype(f"{kind}[{unit}]"), is_aware)


def unknown(name, n, marker):
    """Return a column without a cell, whose type does not tell what it holds."""
    gaps, stored = np.ones(n, dtype=bool), np.dtype(np.float64)
    return Column(name, "continuous", np.full(n, np.nan), gaps, stored, marker=marker)


def refuse(name, problem):
    """Raise for a column that cannot be encoded."""
    raise TypeError(f"TableEncoder cannot code column {name!r}: it {problem}.")
