"""Putting columns together to a container like the one they came from."""

import narwhals as nw
import numpy as np

from skdiffusion.tables.reading import as_frame

EXACT = 2**53
"""Up to this integer float64 holds all of them."""


class TableFormat:
    """How to put columns together to a container like the one seen in `fit`."""

    def __init__(self, X, columns):
        frame = as_frame(X)
        self.template = X[:0] if frame is None else frame.head(0).to_native()
        self.names = [column.name for column in columns]
        self.stored = [column.stored for column in columns]
        self.clocks = [column.clock for column in columns]
        self.markers = [column.marker for column in columns]

    def assemble(self, columns, n_rows, gaps=None):
        """Put the columns together."""
        gaps = [np.zeros(n_rows, dtype=bool)] * len(columns) if gaps is None else gaps
        template = as_frame(self.template)
        if template is None:
            X = np.empty((n_rows, len(columns)), dtype=self.template.dtype)
            for j, (values, gap) in enumerate(zip(columns, gaps, strict=True)):
                self._refuse_gaps(j, X.dtype, gap)
                X[:, j] = self._cells(j, values, gap, X.dtype == object)
            return X
        data = {}
        for j, (values, gap) in enumerate(zip(columns, gaps, strict=True)):
            like = template.get_column(template.columns[j])
            self._refuse_gaps(j, like.to_native().dtype, gap)
            cells = self._cells(j, values, gap, like.to_native().dtype == object)
            is_nan = isinstance(self.markers[j], float) and cells.dtype.kind == "f"
            data[template.columns[j]] = as_series(cells, like, None if is_nan else gap)
        X = nw.get_native_namespace(self.template).DataFrame(data)
        if nw.dependencies.is_pandas_like_dataframe(X):
            X.columns = self.template.columns
        return X

    def _refuse_gaps(self, j, dtype, gap):
        """Raise for gaps where the data type has no room for them."""
        if isinstance(dtype, np.dtype) and dtype.kind in "iubUS" and gap.any():
            raise ValueError(
                f"{gap.sum()} decoded cells of column {self.names[j]!r} are missing, but fit has "
                f"seen it as {dtype}, which has no missing cells: complete the codes first, or "
                "fit on a data type that has them, such as float, object, or Int64 of pandas."
            )

    def _cells(self, j, values, gap, as_objects):
        """The cells of a column in the type that the container takes, with gaps marked."""
        clock, stored = self.clocks[j], self.stored[j]
        if clock is not None:
            values = clock.objects(values, gap) if clock.maker else clock.cells(values, gap)
        elif stored is not None:
            values = as_stored(np.where(gap, 0, values) if gap.any() else values, stored)
        if not gap.any():
            return values
        if as_objects:
            values = values.astype(object)
            values[gap] = self.markers[j]
        elif values.dtype.kind == "f":
            values[gap] = np.nan
        return values


class FloatFormat:
    """How to put floating-point columns into a container like the one seen in `fit`."""

    def __init__(self, X):
        frame = as_frame(X)
        self.template = None if frame is None else frame.head(0).to_native()

    def assemble(self, Z):
        """Put the columns together."""
        if self.template is None:
            return Z
        names = as_frame(self.template).columns
        X = nw.get_native_namespace(self.template).DataFrame(dict(zip(names, Z.T, strict=True)))
        if nw.dependencies.is_pandas_like_dataframe(X):
            X.columns = self.template.columns
        return X


def as_series(values, like, gaps=None):
    """Make a native series of the exact data type of another one."""
    native = like.to_native()
    gaps = None if gaps is None or not gaps.any() else gaps
    if nw.dependencies.is_pandas_like_series(native):
        return _as_pandas(values, native, gaps)
    if gaps is not None and gaps.all():
        return native.clear(len(gaps))
    if values.dtype.kind in "mM":
        ticks = np.where(np.isnat(values), 0, values.view(np.int64))
        series = type(native)(like.name, ticks).cast(native.dtype)
    else:
        if values.dtype == object:
            values = values.tolist()
        series = nw.new_series(
            like.name, values, dtype=like.dtype, backend=like.implementation
        ).to_native()
    return series if gaps is None else series.zip_with(type(native)(~gaps), native.clear(len(gaps)))


def _as_pandas(values, native, gaps):
    make = type(native)
    if native.dtype == object:
        return make(values, dtype=object)
    series = make(values)
    zone = getattr(native.dtype, "tz", None)
    if zone is not None:
        series = series.dt.tz_localize("UTC").dt.tz_convert(zone)
    series = series.astype(native.dtype)
    return series if gaps is None or values.dtype.kind in "mM" else series.mask(gaps)


def as_stored(values, stored):
    """Convert decoded numbers to the type they were stored in, within its bounds."""
    if stored.kind in "iu":
        bounds = np.iinfo(stored)
        values = np.clip(values, max(bounds.min, -EXACT), min(bounds.max, EXACT))
    return values.astype(stored)
