"""Reading the columns of arrays and frames, and putting them back together."""

import numbers
from dataclasses import dataclass

import narwhals as nw
import numpy as np
from sklearn.utils.validation import validate_data

from skdiffusion.tables.lattice import DOUBLE

NUMERIC = ("continuous", "integer")

LEVELLED = (nw.Boolean, nw.Categorical, nw.Enum, nw.String, nw.Object)

EXACT = 2**53
"""Up to this integer float64 holds all of them."""


@dataclass
class Column:
    """One column taken out of its container.

    Parameters
    ----------
    name : object
        The column's name, or its position in an array.
    kind : {"continuous", "integer", "boolean", "categorical"}
        What the column's data type says about it.
    values : ndarray of shape (n,)
        The cells: float64 for numeric columns, else as the container holds them.
    stored : dtype or None, default=None
        NumPy data type in which numbers are stored, None for other cells.
    missing : int, default=0
        Number of missing cells.
    problem : str, default=""
        Why the column cannot be coded, empty where it can.
    """

    name: object
    kind: str
    values: np.ndarray
    stored: np.dtype | None = None
    missing: int = 0
    problem: str = ""

    @property
    def resolution(self):
        """Relative precision of the stored numbers."""
        floating = self.stored is not None and self.stored.kind == "f"
        return float(np.finfo(self.stored).eps) if floating else DOUBLE


def as_frame(X):
    """Wrap a pandas or polars frame.

    Parameters
    ----------
    X : object

    Returns
    -------
    frame : narwhals.DataFrame or None
        None for everything else.
    """
    frame = nw.from_native(X, pass_through=True)
    if isinstance(frame, nw.LazyFrame):
        raise TypeError("A lazy frame has no cells yet: pass X.collect() instead.")
    known = isinstance(frame, nw.DataFrame) and (
        nw.dependencies.is_pandas_like_dataframe(X) or nw.dependencies.is_polars_dataframe(X)
    )
    return frame if known else None


def validate_table(estimator, X, *, reset, allow_missing=False):
    """Validate a container on behalf of an estimator, and note or check its columns.

    Parameters
    ----------
    estimator : estimator
        Gets, or has, `n_features_in_` and `feature_names_in_`.
    X : array-like or data frame of shape (n, n_features)
    reset : bool
        Whether to note the columns; they are checked otherwise.
    allow_missing : bool, default=False
        Whether cells of an array may be NaN.

    Returns
    -------
    X : ndarray or data frame of shape (n, n_features)

    Raises
    ------
    ValueError
        If there are no rows or no columns, or not those of `fit`.
    """
    frame = as_frame(X)
    if frame is None:
        finite = "allow-nan" if allow_missing else True
        return validate_data(estimator, X, dtype=None, reset=reset, ensure_all_finite=finite)
    validate_data(estimator, X, skip_check_array=True, reset=reset)
    if 0 in frame.shape:
        what = "sample" if frame.shape[0] == 0 else "feature"
        raise ValueError(
            f"Found array with 0 {what}(s) (shape={frame.shape}) while a minimum of 1 is "
            f"required by {type(estimator).__name__}."
        )
    return X


def read_columns(X, *, allow_missing=False):
    """Take the columns out of a container.

    Parameters
    ----------
    X : ndarray or data frame of shape (n, n_features)
    allow_missing : bool, default=False
        Whether cells of numeric columns may be missing; they are NaN then.

    Returns
    -------
    columns : list of Column

    Raises
    ------
    TypeError, ValueError
        If there are cells that cannot be coded, naming their columns.
    """
    frame = as_frame(X)
    if frame is None:
        columns = [read_array(j, X[:, j]) for j in range(X.shape[1])]
    else:
        columns = [read_series(name, frame.get_column(name)) for name in frame.columns]
    refuse(columns, allow_missing)
    return columns


def read_array(name, values):
    """Read one column of a NumPy array."""
    kind = values.dtype.kind
    if kind == "O":
        return read_objects(name, values)
    if kind in "iuf":
        kind = "continuous" if kind == "f" else "integer"
        missing = int(np.isnan(values).sum())
        return Column(name, kind, values.astype(np.float64), values.dtype, missing=missing)
    if kind in "bUS":
        return Column(name, "boolean" if kind == "b" else "categorical", values)
    return Column(name, "other", values, problem=f"holds {values.dtype} values")


def read_objects(name, values):
    """Read a column of Python objects by what they are."""
    missing = np.fromiter((v is None or bool(v != v) for v in values), bool, len(values))
    present = values[~missing].tolist()
    column = Column(name, "categorical", values, missing=int(missing.sum()))
    if not present:
        return _unknown(name, len(values))
    if all(isinstance(v, bool | np.bool_) for v in present):
        column.kind = "boolean"
    elif all(isinstance(v, numbers.Real) and not isinstance(v, bool) for v in present):
        whole = all(isinstance(v, numbers.Integral) for v in present)
        column.kind = "integer" if whole else "continuous"
        column.stored = np.dtype(np.int64 if whole else np.float64)
        column.values = np.full(len(values), np.nan)
        column.values[~missing] = present
    return column


def read_series(name, series):
    """Read one column of a frame."""
    dtype, native = series.dtype, series.to_native()
    if len(series) and series.is_null().all():
        return _unknown(name, len(series))
    problem = ""
    if dtype.is_temporal():
        problem = "holds dates, times or durations"
    elif getattr(native.dtype, "ordered", False):
        problem = "is an ordered categorical"
    elif not (dtype.is_integer() or dtype.is_float() or dtype in LEVELLED):
        problem = f"holds {native.dtype} values"
    if problem:
        return Column(name, "other", np.empty(0), problem=problem)
    if dtype == nw.Object:
        return read_objects(name, np.asarray(native, dtype=object))
    missing = int(series.is_null().sum())
    if dtype.is_float() or dtype.is_integer():
        kind = "continuous" if dtype.is_float() else "integer"
        values = (series.cast(nw.Float64) if missing else series).to_numpy().astype(np.float64)
        stored = np.dtype(str(dtype).lower())
        return Column(name, kind, values, stored, missing=int(np.isnan(values).sum()))
    if missing:
        return Column(name, "categorical", np.empty(0), missing=missing)
    if dtype == nw.Boolean:
        return Column(name, "boolean", series.to_numpy().astype(bool))
    cells = np.empty(len(series), dtype=object)
    cells[:] = series.to_list()
    return Column(name, "categorical", cells)


def _unknown(name, n):
    """Return a column without a cell, whose type does not tell what it holds."""
    return Column(name, "continuous", np.full(n, np.nan), np.dtype(np.float64), missing=n)


def refuse(columns, allow_missing):
    """Raise for cells that cannot be coded; those of numbers may be missing if that is allowed."""
    problems = [f"{column.name!r} {column.problem}" for column in columns if column.problem]
    if problems:
        raise TypeError(
            f"TableEncoder cannot code these columns: {'; '.join(problems)}. Drop them, or convert "
            "them first: dates and durations to numbers, ordered categories to unordered ones "
            "or to integers."
        )
    gaps = [
        f"{column.name!r} ({column.missing} cells)"
        for column in columns
        if column.missing and not (allow_missing and column.kind in NUMERIC)
    ]
    if gaps:
        raise ValueError(
            f"Input X contains NaN or other missing values in column {', '.join(gaps)}. "
            "Impute them first, for example with sklearn.impute.SimpleImputer, or drop the rows."
        )
    for column in columns:
        if column.kind in NUMERIC and np.isinf(column.values).any():
            raise ValueError(
                f"Input X contains infinity in column {column.name!r}: replace or drop those cells."
            )
        if column.kind == "integer" and np.nanmax(np.abs(column.values), initial=0) >= EXACT:
            raise ValueError(
                f"Column {column.name!r} holds integers of 2**53 or more, which are not exact in "
                "floating point: subtract a constant, convert to float, or drop the column if it "
                "identifies rows."
            )


class TableFormat:
    """How to put columns together to a container like the one seen in `fit`.

    Parameters
    ----------
    X : ndarray or data frame
        The training data.
    columns : list of Column
        Its columns.
    """

    def __init__(self, X, columns):
        frame = as_frame(X)
        self.template = X[:0] if frame is None else frame.head(0).to_native()
        self.stored = [column.stored for column in columns]

    def assemble(self, columns, n_rows):
        """Put the columns together.

        Parameters
        ----------
        columns : list of ndarray of shape (n_rows,)
            The cells, numbers as floats (integers rounded already).
        n_rows : int

        Returns
        -------
        X : ndarray or data frame of shape (n_rows, n_features)
        """
        columns = [
            values if stored is None else as_stored(values, stored)
            for values, stored in zip(columns, self.stored, strict=True)
        ]
        template = as_frame(self.template)
        if template is None:
            X = np.empty((n_rows, len(columns)), dtype=self.template.dtype)
            for j, values in enumerate(columns):
                X[:, j] = values
            return X
        data = {
            name: as_series(values, template.get_column(name))
            for name, values in zip(template.columns, columns, strict=True)
        }
        X = nw.get_native_namespace(self.template).DataFrame(data)
        if nw.dependencies.is_pandas_like_dataframe(X):
            X.columns = self.template.columns
        return X


class FloatFormat:
    """How to put floating-point columns into a container like the one seen in `fit`.

    Parameters
    ----------
    X : ndarray or data frame
        The training data.
    """

    def __init__(self, X):
        frame = as_frame(X)
        self.template = None if frame is None else frame.head(0).to_native()

    def assemble(self, Z):
        """Put the columns together.

        Parameters
        ----------
        Z : ndarray of shape (n_rows, n_features)
            The cells.

        Returns
        -------
        X : ndarray or data frame of shape (n_rows, n_features)
        """
        if self.template is None:
            return Z
        names = as_frame(self.template).columns
        X = nw.get_native_namespace(self.template).DataFrame(dict(zip(names, Z.T, strict=True)))
        if nw.dependencies.is_pandas_like_dataframe(X):
            X.columns = self.template.columns
        return X


def as_series(values, like):
    """Make a native series of the exact data type of another one.

    Parameters
    ----------
    values : ndarray of shape (n,)
    like : narwhals.Series

    Returns
    -------
    series : native series
    """
    native = like.to_native()
    if nw.dependencies.is_pandas_like_series(native):
        return nw.get_native_namespace(native).Series(values).astype(native.dtype)
    if values.dtype == object:
        values = values.tolist()
    return nw.new_series(
        like.name, values, dtype=like.dtype, backend=like.implementation
    ).to_native()


def as_stored(values, stored):
    """Convert decoded numbers to the type they were stored in, within its bounds."""
    if stored.kind in "iu":
        bounds = np.iinfo(stored)
        values = np.clip(values, max(bounds.min, -EXACT), min(bounds.max, EXACT))
    return values.astype(stored)
