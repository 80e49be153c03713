"""Reading single columns of arrays and frames."""

import numbers
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import narwhals as nw
import numpy as np

from skdiffusion.tables.clocks import Clock
from skdiffusion.tables.vocabulary import as_objects

NUMERIC = ("continuous", "integer")
TEMPORAL = ("datetime", "duration")
AMOUNTS = (*NUMERIC, *TEMPORAL)

CATEGORICAL = (nw.Boolean, nw.Categorical, nw.Enum, nw.String, nw.Object)

TIMES = (date, time, timedelta, np.datetime64, np.timedelta64)
# a datetime is a date, too
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
    places: int | None = None  # of decimals, None where they come back as other numbers
    weights: np.ndarray | None = None  # of the rows, None where they count alike
    levels: np.ndarray | None = None  # positions of the categories that its scale depends on

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
        weights = None if self.weights is None else self.weights[rows]
        return replace(self, values=self.values[rows], gaps=self.gaps[rows], weights=weights)


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
    try:
        differs = cell != cell
    except ArithmeticError:
        return True  # a decimal that signals
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
        present, is_aware = _read_time_objects(name, present)
        times = np.full(len(values), "NaT", dtype=present.dtype)
        times[~gaps] = present
        return replace(read_times(name, times, is_aware), marker=marker)
    column = Column(name, "categorical", values, gaps, marker=marker)
    if all(isinstance(v, bool | np.bool_) for v in present):
        column.kind = "boolean"
    elif all(isinstance(v, numbers.Real | Decimal) and not isinstance(v, bool) for v in present):
        whole = all(isinstance(v, numbers.Integral) for v in present)
        column.kind = "integer" if whole else "continuous"
        column.stored = np.dtype(np.int64 if whole else np.float64)
        column.values = np.full(len(values), np.nan)
        column.values[~gaps] = present
        if all(isinstance(v, Decimal) and v.is_finite() for v in present):
            column.places = max(0, *(-v.as_tuple().exponent for v in present))
    return column


def _read_time_objects(name, cells):
    """Return times as an array and whether they have a time zone, or raise where some differ."""
    classes = {next((c for c in DTYPE_OF if isinstance(cell, c)), None) for cell in cells}
    zoned = {getattr(cell, "tzinfo", None) is not None for cell in cells}
    # those of pandas are finer than what comes back
    is_fine = any(getattr(c, "nanosecond", getattr(c, "nanoseconds", 0)) for c in cells)
    if len(classes) > 1 or None in classes or len(zoned) > 1 or is_fine:
        refuse(
            name,
            "holds times as objects that are not all dates, datetimes, or timedeltas, all with a "
            "time zone or all without, and no finer than microseconds: convert it to a data type "
            "of times, or to strings",
        )
    is_aware = zoned.pop()
    if is_aware:
        cells = [cell.astimezone(UTC).replace(tzinfo=None) for cell in cells]
    return np.array(cells, dtype=DTYPE_OF[classes.pop()]), is_aware


def read_series(name, series):
    dtype, native = series.dtype, series.to_native()
    if hasattr(native, "sparse"):  # an accessor of pandas, there if it is
        return read_series(name, nw.from_native(native.sparse.to_dense(), series_only=True))
    if dtype == nw.Object or native.dtype == object:
        return read_objects(name, np.asarray(native, dtype=object))
    gaps = series.is_null().to_numpy()
    if dtype in (nw.Decimal, nw.Unknown):
        column = read_objects(name, as_objects(series.to_list()))
        if column.kind != "categorical":
            return column
    if dtype in (nw.Datetime, nw.Date, nw.Duration):
        return _read_time_series(name, series)
    if dtype.is_float() or dtype.is_integer():
        kind = "continuous" if dtype.is_float() else "integer"
        # NumPy has no integers of 128 bits
        has_none = gaps.any() or dtype in (nw.Int128, nw.UInt128)
        values = (series.cast(nw.Float64) if has_none else series).to_numpy().astype(np.float64)
        stored = getattr(np, str(dtype).lower(), np.int64)
        return Column(name, kind, values, np.isnan(values), np.dtype(stored))
    if dtype not in CATEGORICAL:
        if gaps.all():
            return unknown(name, len(series), None)
        refuse(name, f"holds {native.dtype} values: convert them to numbers, dates or strings")
    cells = as_objects(series.to_list())
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
    elif dtype == nw.Date:
        # a date of Arrow that is missing is no time of NumPy
        series = series.cast(nw.Datetime("ms"))
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
