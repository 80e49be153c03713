"""The parameters of `TableEncoder`, checked and resolved for the columns of a table."""

from collections.abc import Mapping
from numbers import Integral, Real

import numpy as np

from skdiffusion.tables.reading import TEMPORAL

TRANSFORMS = ("auto", "standard", "quantile")
UNKNOWN = ("error", "rare", "missing")


def position_of(key, columns, parameter):
    """Return the position of the column that a parameter names."""
    names = [column.name for column in columns]
    # a name before a position: those of pandas may be integers
    if isinstance(key, str | Integral) and key in names:
        return names.index(key)
    if isinstance(key, Integral) and -len(names) <= key < len(names):
        return int(key) % len(names)
    raise ValueError(f"{parameter} names the column {key!r}, which X does not have.")


def categorical_mask(wanted, columns):
    """Return which columns `categorical_features` makes categorical."""
    textual = np.array([column.kind == "categorical" for column in columns], dtype=bool)
    if isinstance(wanted, str) and wanted == "from_dtype":
        return textual
    if isinstance(wanted, str | Integral):
        raise ValueError(
            'categorical_features must be "from_dtype", None or an array of column names, '
            f"positions or a mask, got {wanted!r}."
        )
    wanted = np.asarray([] if wanted is None else wanted)
    mask = np.zeros(len(columns), dtype=bool)
    if wanted.dtype != bool:
        for key in wanted.tolist():
            mask[position_of(key, columns, "categorical_features")] = True
    elif wanted.shape == mask.shape:
        mask = wanted
    else:
        raise ValueError(
            f"categorical_features is a mask of shape {wanted.shape}, "
            f"but X has {len(columns)} columns."
        )
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


def check_options(encoder):
    """Raise unless `handle_unknown` and `min_frequency` have values that they can have."""
    if encoder.handle_unknown not in UNKNOWN:
        raise ValueError(
            f"handle_unknown must be one of {UNKNOWN}, got {encoder.handle_unknown!r}."
        )
    least = encoder.min_frequency
    if least is None:
        return
    whole = isinstance(least, Integral) and not isinstance(least, bool) and least >= 1
    share = isinstance(least, Real) and not isinstance(least, Integral) and 0 < least < 1
    if not (whole or share):
        raise ValueError(
            "min_frequency must be None, a whole number from 1 on, or a share between 0 and 1, "
            f"got {least!r}."
        )


def set_kinds(encoder, columns):
    """Set the kinds of columns: ordinal, categorical, or integer where all numbers are whole."""
    ordinal = _set_orders(encoder.ordinal_features, columns)
    for j in np.flatnonzero(categorical_mask(encoder.categorical_features, columns)):
        column = columns[j]
        if j in ordinal:
            raise ValueError(
                f"categorical_features and ordinal_features both name column {column.name!r}."
            )
        if column.kind in TEMPORAL and column.objects is None:
            raise ValueError(
                f"categorical_features names column {column.name!r}, which holds {column.kind}s: "
                "convert them to strings."
            )
        if column.kind != "boolean":
            column.kind = "categorical"
        times_as_objects(column)
    for column in columns:
        observed = column.observed
        if column.kind == "continuous" and len(observed) and np.all(observed == np.rint(observed)):
            column.kind = "integer"


def _set_orders(wanted, columns):
    """Make columns ordinal by `ordinal_features`; return their positions."""
    if not isinstance(wanted, Mapping | None):
        raise ValueError(
            "ordinal_features must be None or a dict with the categories of each ordinal column "
            f"in increasing order, got {wanted!r}."
        )
    positions = set()
    for key, order in (wanted or {}).items():
        j = position_of(key, columns, "ordinal_features")
        column, order = columns[j], list(order)
        if column.kind in TEMPORAL:
            raise ValueError(
                f"ordinal_features names column {column.name!r}, which holds {column.kind}s: these "
                "have an order already."
            )
        if len(order) != len(set(order)) or not order:
            raise ValueError(
                f"ordinal_features must name each category of column {column.name!r} once, "
                f"got {order!r}."
            )
        column.kind, column.order = "ordinal", order
        positions.add(j)
    return positions


def times_as_objects(column):
    """Take times that are Python objects as such, where they are categories."""
    if column.objects is not None:
        column.values, column.clock = column.objects, None
