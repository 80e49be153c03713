"""Tables: their validation, their columns, and putting columns together again."""

from datetime import UTC
from decimal import MAX_PREC, Context, Decimal

import narwhals as nw
import numpy as np
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

from skdiffusion._utils.checks import take_rows
from skdiffusion._utils.default_parts import Parts
from skdiffusion._utils.gross import LARGEST
from skdiffusion.tables.clocks import EXACT
from skdiffusion.tables.reading import NUMERIC, as_frame, read_array, read_series, refuse
from skdiffusion.tables.vocabulary import as_objects

# The first and the last time that Python has objects of
PYTHON_TIMES = "0001-01-01T00:00:00", "9999-12-31T23:59:59"


class TableInput(Parts):
    """Mixin of estimators whose input is a table of mixed columns, beside their parts."""

    _allow_missing = True

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        tags.input_tags.allow_nan = self._allow_missing
        return tags


class TableFormat:
    """How to put columns together to a container like the one seen in `fit`."""

    def __init__(self, X, columns):
        frame = as_frame(X)
        self.template = X[:0] if frame is None else frame.head(0).to_native()
        self.columns = [column.take([]) for column in columns]

    def assemble(self, columns, n_rows, gaps):
        template = as_frame(self.template)
        if template is None:
            X = np.empty((n_rows, len(columns)), dtype=self.template.dtype)
            for j, (values, gap) in enumerate(zip(columns, gaps, strict=True)):
                X[:, j] = self._cells(j, values, gap, X.dtype)
            return X
        series = []
        for j, (values, gap) in enumerate(zip(columns, gaps, strict=True)):
            like = template.get_column(template.columns[j])
            cells = self._cells(j, values, gap, like.to_native().dtype)
            if self.columns[j].kind == "identifier":
                like = with_levels(like, cells[~gap])
            series.append(as_series(cells, like, gap))
        return _as_container(series, self.template)

    def assemble_floats(self, Z):
        return Z if as_frame(self.template) is None else _as_container(Z.T, self.template)

    def _cells(self, j, values, gap, dtype):
        """Return the cells of a column as the container takes them, with gaps marked."""
        column = self.columns[j]
        if isinstance(dtype, np.dtype) and dtype.kind in "iubUS" and gap.any():
            raise ValueError(
                f"{gap.sum()} decoded cells of column {column.name!r} are missing, but fit has "
                f"seen it as {dtype}, which has no missing cells: fill the encoded rows first, or "
                "fit on a data type that has them, such as float, object, or Int64 of pandas."
            )
        if column.clock is not None:
            values = np.array(values, dtype=np.int64).view(column.clock.dtype)
            if isinstance(dtype, np.dtype) and dtype.kind == "O" and values.dtype.kind == "M":
                values = np.clip(values, *np.array(PYTHON_TIMES, dtype=values.dtype))
            values[gap] = np.array("NaT", dtype=values.dtype)
        elif column.places is not None:
            context, unit = Context(prec=MAX_PREC), Decimal(1).scaleb(-column.places)
            cells = map(Decimal, map(repr, np.where(gap, 0.0, values).tolist()))
            values = as_objects([cell.quantize(unit, context=context) for cell in cells])
        elif column.stored is not None:
            values = np.where(gap, 0, values).astype(column.stored)
        if isinstance(dtype, np.dtype) and dtype.kind == "O":
            values = values.astype(object)
            if column.clock is not None and column.clock.aware:
                values[~gap] = [cell.replace(tzinfo=UTC) for cell in values[~gap]]
            values[gap] = column.marker
        elif values.dtype.kind == "f":
            values[gap] = np.nan
        return values


def _as_container(columns, template):
    """Return a frame of the names and the kind of another."""
    data = dict(zip(as_frame(template).columns, columns, strict=True))
    X = nw.get_native_namespace(template).DataFrame(data)
    if nw.dependencies.is_pandas_like_dataframe(X):
        X.columns = template.columns
    return X


def as_series(values, like, gaps=None):
    """Return a native series of the name and the exact data type of another one."""
    native = like.to_native()
    gaps = None if gaps is None or not gaps.any() else gaps
    if nw.dependencies.is_pandas_like_series(native):
        return _as_pandas(values, native, gaps).rename(native.name)
    dtype = None if values.dtype.kind in "mM" else like.dtype
    if dtype == nw.Decimal:  # as text, since polars before 1.34 truncates floats
        dtype, values = nw.String, np.array([f"{x:.{native.dtype.scale}f}" for x in values])
    cells = (values.view(np.int64) if dtype is None else values).astype(object)
    if gaps is not None:
        cells[gaps] = None
    series = nw.new_series(like.name, cells.tolist(), dtype, backend=like.implementation)
    return series.to_native().cast(native.dtype)


def with_levels(series, levels):
    """Return a series with other categories, if it has some."""
    levels, native = list(dict.fromkeys(levels)), series.to_native()
    if not nw.dependencies.is_pandas_like_series(native):
        return series.cast(nw.String).cast(nw.Enum(levels)) if series.dtype == nw.Enum else series
    if not hasattr(native, "cat"):
        return series
    return nw.from_native(native.cat.set_categories(levels), series_only=True)


def with_common_levels(one, other):
    """Return two series with the categories of both, where these differ."""
    types = [part.to_native().dtype for part in (one, other)]
    if types[0] == types[1]:
        return one, other
    levels = [level for each in types for level in getattr(each, "categories", ())]
    return with_levels(one, levels), with_levels(other, levels)


def _as_pandas(values, native, gaps):
    make, dtype = type(native), native.dtype
    if native.dtype == object:
        return make(values, dtype=object)
    # dictionaries of Arrow are made of their values
    inner = getattr(getattr(dtype, "pyarrow_dtype", None), "value_type", None)
    plain = dtype if inner is None else type(dtype)(inner)
    if gaps is not None and gaps.all() and not isinstance(dtype, np.dtype):
        return make([None] * len(gaps), dtype=plain).astype(dtype)
    series = make(values)
    zone = getattr(dtype, "tz", None)
    if zone is not None:
        series = series.dt.tz_localize("UTC").dt.tz_convert(zone)
    series = series.astype(plain)
    if gaps is not None and values.dtype.kind not in "mM":
        series = series.mask(gaps)
    return series.astype(dtype)


def validate_table(estimator, X, *, reset, allow_missing=False):
    """Validate a container on behalf of an estimator, and note or check its columns."""
    if hasattr(X, "cpu"):
        # a tensor of PyTorch, on whatever device; one with a gradient is refused in its words
        X = X.cpu().numpy()
    frame = as_frame(X)
    if frame is None:
        finite = "allow-nan" if allow_missing else True
        return validate_data(estimator, X, dtype=None, reset=reset, ensure_all_finite=finite)
    validate_data(estimator, X, skip_check_array=True, reset=reset)
    # no cells and no columns are refused in the words of scikit-learn
    check_array(np.broadcast_to(0, frame.shape), estimator=estimator)
    return X


def read_table(X):
    """Take all columns out of a container, with their gaps, times and orders."""
    frame = as_frame(X)
    if frame is None:
        columns = [_read(read_array, j, X[:, j]) for j in range(X.shape[1])]
    else:
        columns = [_read(read_series, name, frame.get_column(name)) for name in frame.columns]
    for column in columns:
        if column.kind not in NUMERIC:
            continue
        greatest = np.fmax.reduce(np.abs(column.values), initial=0)  # past what is missing
        if greatest > LARGEST:
            raise ValueError(
                f"Input X contains infinity in column {column.name!r}, or numbers beyond "
                f"{LARGEST:g}, whose squares floating point does not hold: give it a larger unit, "
                "or drop those rows."
            )
        if column.kind == "integer" and greatest >= EXACT:
            raise ValueError(
                f"Column {column.name!r} holds integers of 2**53 or more, which are not exact in "
                "floating point: subtract a constant, or convert to float."
            )
    return columns


def _read(reader, name, cells):
    """Read a column, or raise whatever is wrong with it in words of its own."""
    try:
        return reader(name, cells)
    except TypeError:
        raise
    except Exception as error:
        refuse(name, f"cannot be read ({error}): convert it to numbers, dates or strings")


def take(rows, *parts):
    """Return some rows of a table, of its target and of its weights, where there are any."""
    # of what is an array by its protocol alone, too
    parts = [np.asarray(p) if hasattr(p, "__array_function__") else p for p in parts]
    return [part if part is None else take_rows(part, rows) for part in parts]
