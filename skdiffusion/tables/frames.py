"""Tables: their validation, and their columns."""

import narwhals as nw
import numpy as np
from sklearn.utils.validation import validate_data

from skdiffusion.tables.assembly import FloatFormat, TableFormat, as_series
from skdiffusion.tables.reading import (
    NUMERIC,
    TEMPORAL,
    Column,
    as_frame,
    read_array,
    read_series,
    unknown,
)

__all__ = [
    "NUMERIC",
    "TEMPORAL",
    "Column",
    "FloatFormat",
    "TableFormat",
    "as_frame",
    "as_series",
    "read_columns",
    "read_table",
    "take_rows",
    "take_values",
    "validate_table",
]

EXACT = 2**53
"""Up to this integer float64 holds all of them."""

CONVERT = (
    "Drop them, or convert them first: dates and durations to numbers, ordered categories to "
    "unordered ones or to integers."
)


def validate_table(estimator, X, *, reset, allow_missing=False):
    """Validate a container on behalf of an estimator, and note or check its columns."""
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


def read_table(X):
    """Take all columns out of a container, with their gaps, times and orders."""
    columns = take_columns(X)
    refuse_problems(columns)
    refuse_numbers(columns)
    return columns


def read_columns(X, *, allow_missing=False):
    """Take columns of numbers and levels out of a container."""
    columns = take_columns(X)
    for j, column in enumerate(columns):
        if len(column.values) and column.missing == len(column.values):
            columns[j] = unknown(column.name, len(column.values), column.marker)
        elif column.kind in TEMPORAL:
            column.problem = "holds dates, times or durations"
        elif column.kind == "ordinal":
            column.problem = "is an ordered categorical"
    refuse_problems(columns, CONVERT)
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
    refuse_numbers(columns)
    return columns


def take_columns(X):
    """Read the columns, whatever they hold."""
    frame = as_frame(X)
    if frame is None:
        return [read_array(j, X[:, j]) for j in range(X.shape[1])]
    return [read_series(name, frame.get_column(name)) for name in frame.columns]


def refuse_problems(columns, advice="Drop them, or convert them first."):
    """Raise for columns that cannot be coded."""
    problems = [f"{column.name!r} {column.problem}" for column in columns if column.problem]
    if problems:
        raise TypeError(f"TableEncoder cannot code these columns: {'; '.join(problems)}. {advice}")


def refuse_numbers(columns):
    """Raise for numbers that are infinite, or integers that are not exact as floats."""
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


def take_rows(table, rows):
    """Take rows of a table."""
    frame, rows = as_frame(table), np.asarray(rows, dtype=int)
    return table[rows] if frame is None else frame[rows.tolist()].to_native()


def take_values(y, rows):
    """Take cells of a column."""
    series = nw.from_native(y, series_only=True, pass_through=True)
    return np.asarray(y)[rows] if series is y else series[rows.tolist()].to_native()
