"""The parameters of `TableEncoder` that name columns, resolved for a table."""

from collections.abc import Mapping
from numbers import Integral, Real

import numpy as np

from skdiffusion.tables.reading import TEMPORAL

TRANSFORMS = ("auto", "standard", "quantile")
UNKNOWN = ("error", "rare", "missing")


def position_of(key, columns, parameter):
    """Find the column that a parameter names."""
    names = [column.name for column in columns]
    # a name before a position: those of pandas may be integers
    if isinstance(key, str | Integral) and key in names:
        return names.index(key)
    if isinstance(key, Integral) and -len(names) <= key < len(names):
        return int(key)
    raise ValueError(f"{parameter} names the column {key!r}, which X does not have.")


def categorical_mask(wanted, columns):
    """Resolve `categorical_features`."""
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
    """Resolve `numeric_transform`."""
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


def check_handle_unknown(value):
    """Raise unless `handle_unknown` is one of its values."""
    if value not in UNKNOWN:
        raise ValueError(f"handle_unknown must be one of {UNKNOWN}, got {value!r}.")


def set_orders(wanted, columns):
    """Resolve `ordinal_features`: make the columns that it names ordinal."""
    if wanted is None:
        return set()
    if not isinstance(wanted, Mapping):
        raise ValueError(
            "ordinal_features must be None or a dict with the levels of each ordinal column in "
            f"increasing order, got {wanted!r}."
        )
    positions = set()
    for key, levels in wanted.items():
        j = position_of(key, columns, "ordinal_features")
        column, levels = columns[j], list(levels)
        if column.kind in TEMPORAL:
            raise ValueError(
                f"ordinal_features names column {column.name!r}, which holds {column.kind}s: these "
                "have an order already."
            )
        if len(levels) != len(set(levels)) or not levels:
            raise ValueError(
                f"ordinal_features must name each level of column {column.name!r} once, "
                f"got {levels!r}."
            )
        column.kind, column.order = "ordinal", levels
        positions.add(j)
    return positions


def set_categorical(wanted, columns, ordinal):
    """Apply `categorical_features` to columns."""
    for j in np.flatnonzero(categorical_mask(wanted, columns)):
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
        times_as_levels(column)


def times_as_levels(column):
    """Take times that are Python objects as such, where they are levels."""
    if column.objects is not None:
        column.values, column.clock = column.objects, None
