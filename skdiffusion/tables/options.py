"""The parameters of `TableEncoder` that name columns, resolved for a table."""

from collections.abc import Mapping
from numbers import Integral

import numpy as np

TRANSFORMS = ("auto", "standard", "quantile")


def position_of(key, columns, parameter):
    """Find the column that a parameter names.

    Parameters
    ----------
    key : str or int
        A name, or a position, negative ones from the end.
    columns : list of Column
    parameter : str
        The parameter's name, for the error message.

    Returns
    -------
    position : int
    """
    names = [column.name for column in columns]
    if isinstance(key, Integral) and -len(names) <= key < len(names):
        return int(key)
    if isinstance(key, str) and key in names:
        return names.index(key)
    raise ValueError(f"{parameter} names the column {key!r}, which X does not have.")


def categorical_mask(wanted, columns):
    """Resolve `categorical_features`.

    Parameters
    ----------
    wanted : "from_dtype", None or array-like
        The parameter.
    columns : list of Column

    Returns
    -------
    mask : ndarray of bool of shape (n_features,)
        The columns that it makes categorical.

    Raises
    ------
    ValueError
        If it names absent columns, or leaves out some that hold no numbers.
    """
    textual = np.array([column.kind == "categorical" for column in columns])
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
    """Resolve `numeric_transform`.

    Parameters
    ----------
    given : str or dict
        The parameter.
    columns : list of Column

    Returns
    -------
    transforms : list of {"auto", "standard", "quantile"}
        The entry for each column.

    Raises
    ------
    ValueError
        If it names absent columns or unknown transforms.
    """
    transforms = [given] * len(columns)
    if isinstance(given, Mapping):
        transforms = ["auto"] * len(columns)
        for key, transform in given.items():
            transforms[position_of(key, columns, "numeric_transform")] = transform
    for transform in transforms:
        if transform not in TRANSFORMS:
            raise ValueError(
                f"numeric_transform must be one of {TRANSFORMS} or a dict of them by column, "
                f"got {transform!r}."
            )
    return transforms
