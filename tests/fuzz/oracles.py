"""What has to hold of any table: how it is refused, and what comes back."""

import re

import numpy as np
import pandas as pd
import polars as pl
from hypothesis import event

# what libraries say of their own insides
INTERNAL = re.compile(
    r"broadcast|shapes? (mismatch|\(|not)|did not converge|out of bounds|NoneType' object|"
    r"object is not|"
    r"positive-definite|singular|has no attribute|ufunc|dtype\('|could not convert|"
    r"cannot convert|cannot cast|not supported between|unexpected keyword|reduction operation|"
    r"zero-size|attempt to get arg|index \d+ is|NaN to integer|overflow",
    re.IGNORECASE,
)


def attempt(call):
    """Return what a call returns, None if it refuses a table in words that help."""
    try:
        return call()
    except (ValueError, TypeError) as error:
        assert_helps(error)
        event(f"refused: {str(error)[:40]}")
        return None


def assert_helps(error):
    message = str(error)
    assert type(error).__module__ in ("builtins", "narwhals.exceptions"), repr(error)
    assert len(message) >= 30, f"too short: {message}"
    assert not INTERNAL.search(message), f"internal: {message}"


def cells_of(X):
    """Return the columns of a table as lists of Python objects, None for missing cells."""
    if isinstance(X, pl.DataFrame):
        columns = [_polars_cells(X.to_series(j)) for j in range(X.width)]
    elif isinstance(X, pd.DataFrame):
        columns = [_pandas_cells(X.iloc[:, j]) for j in range(X.shape[1])]
    else:
        columns = [_ticks(X[:, j]) for j in range(X.shape[1])]
    return [[None if is_gap(cell) else cell for cell in column] for column in columns]


def _ticks(column):
    if column.dtype.kind in "mM":
        none = np.isnat(column)
        return [None if gap else t for gap, t in zip(none, column.view("i8").tolist(), strict=True)]
    return column.tolist()


def _polars_cells(column):
    if column.dtype.is_temporal():
        return column.to_physical().to_list()
    return column.to_list()


def _pandas_cells(column):
    dtype = column.dtype
    if str(dtype).startswith("date32"):
        return column.tolist()
    if getattr(dtype, "pyarrow_dtype", None) is not None and dtype.kind in "mM":
        return [None if is_gap(t) else t for t in column.astype("int64[pyarrow]").tolist()]
    if dtype.kind in "mM":
        zone = getattr(column.dtype, "tz", None)
        column = column if zone is None else column.dt.tz_convert("UTC").dt.tz_localize(None)
        return _ticks(column.to_numpy())
    return [None if is_gap(cell) else cell for cell in column.tolist()]


def is_gap(cell):
    return cell is None or cell is pd.NA or cell is pd.NaT or (not _is_text(cell) and cell != cell)


def _is_text(cell):
    return isinstance(cell, str | bytes | list)


def assert_same_format(X, other):
    """The container, the names and the data types of two tables are the same."""
    assert type(X) is type(other)
    if isinstance(X, pl.DataFrame):
        assert X.columns == other.columns
        assert [*map(_levelless, X.dtypes)] == [*map(_levelless, other.dtypes)]
    elif isinstance(X, pd.DataFrame):
        assert [*map(_levelless, X.dtypes)] == [*map(_levelless, other.dtypes)]
        assert X.columns.equals(other.columns)
        assert type(X.columns) is type(other.columns)
    else:
        assert X.dtype == other.dtype
        assert X.shape[1] == other.shape[1]


def _levelless(dtype):
    """Return a data type without its categories, which identities have of their own."""
    if isinstance(dtype, pd.CategoricalDtype):
        return pd.CategoricalDtype(ordered=dtype.ordered)
    return pl.Enum([]) if isinstance(dtype, pl.Enum) else dtype


def assert_same_cells(X, back, inexact=(), filled=(), skipped=()):
    """Cells come back, numbers of inexact columns but for rounding.

    Missing cells of the columns `filled` may come back as others.
    """
    assert_same_format(X, back)
    for j, (column, other) in enumerate(zip(cells_of(X), cells_of(back), strict=True)):
        assert len(column) == len(other)
        if j in skipped:
            continue
        pairs = [
            (a, b)
            for a, b in zip(column, other, strict=True)
            if not (a is None and (b is None or j in filled))
        ]
        if not pairs:
            continue
        assert all(a is not None and b is not None for a, b in pairs), f"gaps of column {j}"
        if j in inexact:
            a, b = (np.array(part, dtype=float) for part in zip(*pairs, strict=True))
            unit = np.median(np.abs(a - np.median(a))) or np.abs(a).max()
            rounding = max(1e-9 * unit, 1e-15 * np.abs(a).max())
            np.testing.assert_allclose(b, a, rtol=1e-9, atol=rounding, err_msg=f"column {j}")
        else:
            wrong = [(a, b) for a, b in pairs if a != b or type(a) is not type(b)]
            assert not wrong, f"column {j}: {wrong[:3]}"


def assert_like(rows, X, encoder, gaps_allowed=False, clipped=True):
    """Rows have the format of a table, and cells that its columns could hold."""
    assert_same_format(X, rows)
    for j, (seen, drawn) in enumerate(zip(cells_of(X), cells_of(rows), strict=True)):
        kind = encoder.kinds_[j]
        observed = [cell for cell in seen if cell is not None]
        cells = [cell for cell in drawn if cell is not None]
        if not (gaps_allowed and len(observed) < len(seen)) and observed:
            assert len(cells) == len(drawn), f"column {j} has new gaps"
        if not observed or not cells:
            assert not cells, f"column {j} was empty"
        elif kind == "identifier":
            assert not set(cells) & set(observed), f"column {j} repeats identities"
        elif kind in ("continuous", "integer", "datetime", "duration"):
            if kind in ("continuous", "integer"):
                assert np.isfinite(np.array(cells, dtype=float)).all(), f"column {j}"
            if kind == "integer":
                assert all(cell == round(cell) for cell in cells), f"column {j}"
            if clipped:
                low, high = min(observed), max(observed)
                beyond = [cell for cell in cells if not low <= cell <= high]
                assert not beyond, f"column {j}: {beyond[:3]} beyond {low} to {high}"
        else:
            assert set(cells) <= set(observed), f"column {j}: {set(cells) - set(observed)}"
    for constraint in encoder.constraints_ if clipped else ():
        assert np.all(constraint.holds(rows, like=X)), f"{constraint} is broken"


def take(X, rows):
    """Return some rows of a table."""
    if isinstance(X, pd.DataFrame):
        return X.iloc[list(rows)]
    return X[list(rows)]


def has_gaps(X, but=()):
    """Return which rows have missing cells, but for some columns."""
    columns = [column for j, column in enumerate(cells_of(X)) if j not in but]
    gaps = [[cell is None for cell in column] for column in columns]
    return np.array(gaps, dtype=bool).reshape(len(columns), len(X)).any(0)
