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
    read = [column.kind for column in columns]
    orders = {
        position_of(key, columns, "ordinal_features"): list(order)
        for key, order in (encoder.ordinal_features or {}).items()
    }
    for j, order in orders.items():
        if len(order) != len(set(order)) or not order:
            raise ValueError(
                f"ordinal_features must name each category of column {columns[j].name!r} once, "
                f"got {order!r}."
            )
        columns[j].kind, columns[j].order = "ordinal", order
    chosen = np.flatnonzero(_categorical_mask(encoder.categorical_features, columns))
    for j in [*orders, *chosen]:
        name = columns[j].name
        parameter = "ordinal_features" if j in orders else "categorical_features"
        if read[j] in TEMPORAL:
            raise ValueError(
                f"{parameter} names column {name!r}, which holds {read[j]}s: convert them to "
                "strings."
            )
        if j in orders and j in chosen:
            raise ValueError(
                f"categorical_features and ordinal_features both name column {name!r}."
            )
        if j not in orders and read[j] != "boolean":
            columns[j].kind = "categorical"
    for column in columns:
        observed = column.observed
        if column.kind == "continuous" and len(observed) and np.all(observed == np.rint(observed)):
            column.kind = "integer"
