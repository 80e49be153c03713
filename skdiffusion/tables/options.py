"""The parameters of `TableEncoder`, checked and resolved for the columns of a table."""

from collections.abc import Hashable, Mapping
from numbers import Integral, Real

import numpy as np

from skdiffusion.tables.reading import TEMPORAL

TRANSFORMS = ("auto", "standard", "quantile")


def position_of(key, columns, parameter):
    """Return the position of the column that a parameter names."""
    names = [column.name for column in columns]
    # numbers of NumPy are held against tuples cell by cell
    key = key.item() if isinstance(key, np.number) else key
    # a name before a position: those of pandas may be integers, or anything that has a hash
    if isinstance(key, Hashable) and key in names:
        return names.index(key)
    if isinstance(key, Integral) and -len(names) <= key < len(names):
        return int(key) % len(names)
    raise ValueError(f"{parameter} names the column {key!r}, which X does not have.")


def _categorical_mask(wanted, columns):
    """Return which columns `categorical_features` makes categorical."""
    textual = np.array([column.kind == "categorical" for column in columns], dtype=bool)
    if isinstance(wanted, str) and wanted == "from_dtype":
        return textual
    is_list = np.iterable(wanted) and not isinstance(wanted, str)
    keys = list(wanted) if is_list else []
    is_mask = bool(keys) and all(isinstance(key, bool | np.bool_) for key in keys)
    if not (is_list or wanted is None) or (is_mask and len(keys) != len(columns)):
        raise ValueError(
            'categorical_features must be "from_dtype", None or an array of column names, '
            f"positions or a mask of {len(columns)} columns, got {wanted!r}."
        )
    mask = np.array(keys if is_mask else [False] * len(columns), dtype=bool)
    for key in [] if is_mask else keys:
        mask[position_of(key, columns, "categorical_features")] = True
    if np.any(textual & ~mask):
        names = [columns[j].name for j in np.flatnonzero(textual & ~mask)]
        raise ValueError(
            f"categorical_features leaves out the columns {names}, which do not hold numbers: "
            'name them there, or use categorical_features="from_dtype".'
        )
    return mask


def transform_per_column(given, columns):
    """Return the transform of each column by `numeric_transform`."""
    transforms = [given] * len(columns)
    if isinstance(given, Mapping):
        transforms = ["auto"] * len(columns)
        for key, transform in given.items():
            transforms[position_of(key, columns, "numeric_transform")] = transform
    for transform in transforms:
        is_number = isinstance(transform, Real) and not isinstance(transform, bool)
        is_unit = is_number and 0 < transform < np.inf
        if not is_unit and transform not in TRANSFORMS:
            raise ValueError(
                f"numeric_transform must be one of {TRANSFORMS}, a positive number or a dict of "
                f"them by column, got {transform!r}."
            )
    return transforms


def set_kinds(encoder, columns):
    """Set the kinds of columns: ordinal, categorical, or integer where all numbers are whole."""
    ordinal = _set_orders(encoder.ordinal_features, columns)
    for j in np.flatnonzero(_categorical_mask(encoder.categorical_features, columns)):
        column = columns[j]
        if j in ordinal:
            raise ValueError(
                f"categorical_features and ordinal_features both name column {column.name!r}."
            )
        _refuse_times(column, "categorical_features")
        if column.kind != "boolean":
            column.kind = "categorical"
    for column in columns:
        observed = column.observed
        if column.kind == "continuous" and len(observed) and np.all(observed == np.rint(observed)):
            column.kind = "integer"


def _set_orders(wanted, columns):
    """Make columns ordinal by `ordinal_features`; return their positions."""
    positions = set()
    for key, order in (wanted or {}).items():
        j = position_of(key, columns, "ordinal_features")
        column, order = columns[j], list(order)
        _refuse_times(column, "ordinal_features")
        if len(order) != len(set(order)) or not order:
            raise ValueError(
                f"ordinal_features must name each category of column {column.name!r} once, "
                f"got {order!r}."
            )
        column.kind, column.order = "ordinal", order
        positions.add(j)
    return positions


def _refuse_times(column, parameter):
    """Raise where a parameter makes times categories."""
    if column.kind in TEMPORAL:
        raise ValueError(
            f"{parameter} names column {column.name!r}, which holds {column.kind}s: convert them "
            "to strings."
        )
