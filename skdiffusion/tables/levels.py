"""Levels of categorical columns, and the positions of cells among them."""

import numpy as np

MAX_LEVELS = 1000
"""Most levels a column may have: each level but one costs a code column."""

BOOLEAN = {bool, np.bool_}


def find_levels(column):
    """List the levels of a column without gaps."""
    levels = distinct(column.values, column.name)
    refuse_many(len(levels), column.name, "merge its rare levels")
    return levels


def refuse_many(n_levels, name, advice):
    """Raise for a column of too many levels."""
    if n_levels > MAX_LEVELS:
        raise ValueError(
            f"Column {name!r} has {n_levels} levels, more than {MAX_LEVELS}: drop it if it "
            f"identifies rows, {advice}, or convert it to a number if it is one."
        )


def distinct(cells, name):
    """Sort the distinct cells of a column, Python objects of mixed types by type and text."""
    if cells.dtype != object:
        return np.unique(cells)
    cells = cells.tolist()
    try:
        levels = list(dict(zip(keys_of(cells, cells), cells, strict=True)).values())
    except TypeError as error:
        raise TypeError(
            f"Column {name!r} holds objects that cannot be levels ({error}): use strings, "
            "numbers or booleans."
        ) from None
    try:
        if mixes_booleans(levels):
            raise TypeError
        levels = sorted(levels)
    except TypeError:
        levels = sorted(levels, key=lambda level: (type(level).__name__, str(level)))
    return as_objects(levels)


def as_objects(cells):
    """Put a list into an array of Python objects, whatever it holds."""
    array = np.empty(len(cells), dtype=object)
    array[:] = cells
    return array


def mixes_booleans(cells):
    """Whether some cells are booleans and others are not."""
    types = set(map(type, cells))
    return bool(types & BOOLEAN) and bool(types - BOOLEAN)


def keys_of(cells, levels):
    """Return what to look cells up by: True and 1 are equal, and yet two levels of one column."""
    if not mixes_booleans(levels):
        return cells
    return [(type(cell) in BOOLEAN, cell) for cell in cells]


def find_positions(cells, levels):
    """Find the positions of cells among the levels, -1 for those that are none."""
    known = levels.tolist()
    index = {key: k for k, key in enumerate(keys_of(known, known))}
    keys = keys_of(cells.tolist(), known)
    return np.fromiter((index.get(key, -1) for key in keys), np.intp, len(keys))


def level_positions(column, levels):
    """Find the positions of cells among the levels."""
    positions = find_positions(column.values, levels)
    refuse_unknown(column.values, positions, column.name)
    return positions


def refuse_unknown(cells, positions, name, advice=""):
    """Raise for cells that are no level, whose positions are -1."""
    if np.any(positions < 0):
        unknown = sorted({repr(cell) for cell in cells[positions < 0].tolist()})
        more = f" and {len(unknown) - 10} more" if len(unknown) > 10 else ""
        raise ValueError(
            f"Found unknown categories {', '.join(unknown[:10])}{more} in column {name!r}, "
            "which fit has not seen: drop those rows, or fit on data that has these levels"
            f"{advice}."
        )
