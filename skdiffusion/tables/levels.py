"""Levels of categorical columns, and the positions of cells among them."""

import numpy as np

MAX_LEVELS = 1000
"""Most levels a column may have: each level but one costs a code column."""


def find_levels(column):
    """List the levels of a column.

    Parameters
    ----------
    column : Column

    Returns
    -------
    levels : ndarray of shape (n_levels,)
        Distinct cells, sorted where they can be compared.

    Raises
    ------
    ValueError
        If there are more than 1000 levels.
    TypeError
        If the cells cannot be hashed.
    """
    objects = column.values.dtype == object
    levels = sorted_objects(column) if objects else np.unique(column.values)
    if len(levels) > MAX_LEVELS:
        raise ValueError(
            f"Column {column.name!r} has {len(levels)} levels, more than {MAX_LEVELS}: drop it if "
            "it identifies rows, merge its rare levels, or convert it to a number if it is one."
        )
    return levels


def sorted_objects(column):
    """Sort the distinct Python objects of a column, mixed types by their names and text."""
    try:
        levels = set(column.values.tolist())
    except TypeError as error:
        raise TypeError(
            f"Column {column.name!r} holds objects that cannot be levels ({error}): use strings, "
            "numbers or booleans."
        ) from None
    try:
        levels = sorted(levels)
    except TypeError:
        levels = sorted(levels, key=lambda level: (type(level).__name__, str(level)))
    array = np.empty(len(levels), dtype=object)
    array[:] = levels
    return array


def level_positions(column, levels):
    """Find the positions of cells among the levels.

    Parameters
    ----------
    column : Column
    levels : ndarray of shape (n_levels,)

    Returns
    -------
    positions : ndarray of int of shape (n,)

    Raises
    ------
    ValueError
        If a cell is none of the levels.
    """
    index = {level: k for k, level in enumerate(levels.tolist())}
    cells = column.values.tolist()
    positions = np.fromiter((index.get(cell, -1) for cell in cells), np.intp, len(cells))
    if np.any(positions < 0):
        unknown = sorted({repr(cells[i]) for i in np.flatnonzero(positions < 0)})
        more = f" and {len(unknown) - 10} more" if len(unknown) > 10 else ""
        raise ValueError(
            f"Found unknown categories {', '.join(unknown[:10])}{more} in column {column.name!r}, "
            "which fit has not seen: drop those rows, or fit on data that has these levels."
        )
    return positions
