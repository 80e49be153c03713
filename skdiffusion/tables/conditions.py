"""Conditions on the columns of a table: known cells, ranges, and sets of categories.

Known cells are encoded, and a model conditions on them. Ranges and sets of categories are met by
choosing among draws: `Conditions.are_met` decodes rows and looks at their cells.
"""

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, timedelta

import numpy as np

from skdiffusion.tables.coders import CategoryCoder, OrdinalCoder
from skdiffusion.tables.frames import as_frame, read_table
from skdiffusion.tables.linear_measurement import (
    LinearMeasurement,
    Measurement,
    encode_measurement,
    set_there,
)
from skdiffusion.tables.options import position_of
from skdiffusion.tables.reading import AMOUNTS, NUMERIC, TEMPORAL, Column, read_array, read_objects
from skdiffusion.tables.relations import broken_rows, on_grid
from skdiffusion.tables.vocabulary import as_objects, find_positions, known_positions, list_cells

# What to give for a column of each kind
GIVEN = {
    **dict.fromkeys(NUMERIC, "a number, or a range (low, high) of numbers"),
    "datetime": "a date or time, such as '2024-01-31', or a range (first, last)",
    "duration": "a timedelta, or a range (low, high)",
}


@dataclass(frozen=True)
class Conditions:
    """What is known about rows: encoded features, cells, ranges, and sets of categories."""

    values: np.ndarray
    cells: dict = field(default_factory=dict)  # and the rows that they are in
    ranges: dict = field(default_factory=dict)  # in the numbers of the coders
    categories: dict = field(default_factory=dict)
    opened: list = field(default_factory=list)  # relations whose cells have no feature alone
    measurement: Measurement | None = None  # sums of features

    @property
    def known(self):
        return ~np.isnan(self.values)

    @property
    def has_ranges(self):
        return bool(self.ranges or self.categories)

    def constrained(self, encoder):
        """Return which encoded features belong to columns with a range or a set of categories."""
        columns = {*self.ranges, *self.categories}
        for relation in encoder._recoding.relations:
            if columns & set(relation.columns):
                columns |= set(relation.columns)
        mask = np.zeros(self.values.shape[1], dtype=bool)
        mask[: encoder.n_encoded_] = np.isin(encoder.groups_, list(columns))
        return mask

    def take(self, rows):
        values = self.values if len(self.values) == 1 else self.values[rows]
        measurement = self.measurement and self.measurement.take(rows)
        return replace(self, values=values, measurement=measurement)

    def extended(self, values):
        """Return the conditions of rows that have further encoded features, the given ones."""
        n = max(len(self.values), len(values))
        both = [np.broadcast_to(part, (n, part.shape[1])) for part in (self.values, values)]
        measurement = self.measurement and self.measurement.extended(values.shape[1])
        return replace(self, values=np.concatenate(both, axis=1), measurement=measurement)

    def are_met(self, encoder, Z):
        """Return which encoded rows decode to cells in the ranges and the sets of categories."""
        met, cells = np.ones(len(Z), dtype=bool), encoder.decode_cells(Z)
        for j, (low, high) in self.ranges.items():
            x = encoder._coders[j].numbers_of(cells[j])
            met &= (low <= x) & (x <= high)
        for j, allowed in self.categories.items():
            met &= find_positions(cells[j], allowed) >= 0
        return met


def read_conditions(encoder, conditions):
    """Read conditions in the units of the table."""
    if isinstance(conditions, LinearMeasurement):
        values, measurement = encode_measurement(encoder, conditions)
        return Conditions(values, measurement=measurement)
    n, given = _columns_of(encoder, conditions)
    read = Conditions(np.full((n, encoder.n_encoded_), np.nan))
    for key, wanted in given:
        j = position_of(key, encoder._coders, "conditions")
        coder, is_column = encoder._coders[j], isinstance(wanted, Column)
        if isinstance(wanted, np.ndarray) and wanted.ndim == 0:
            wanted = wanted.item()
        set_there(read.values, encoder, j, ~wanted.gaps if is_column else np.ones(n, dtype=bool))
        if is_column:
            _add_cells(read, coder, j, wanted)
        elif isinstance(wanted, tuple):
            _add_range(read, coder, j, wanted)
        elif isinstance(wanted, Iterable) and not isinstance(wanted, str | bytes | Mapping):
            _add_categories(read, coder, j, list(wanted))
        else:
            cell = _read_cell(coder, wanted)
            _add_cells(read, coder, j, cell)
            is_amount = coder.kind in AMOUNTS
            if is_amount and np.any((x := coder.numbers(cell)[0]) != np.clip(x, *coder.extent)):
                warnings.warn(
                    f"The condition on column {coder.name!r} is beyond what fit has seen, "
                    f"{_reach(coder)}: the model extrapolates.",
                    stacklevel=5,
                )
    return _encoded(read, encoder)


def _columns_of(encoder, conditions):
    """Return the number of rows, and pairs of a key and what is wanted, columns of a table."""
    if isinstance(conditions, Mapping):
        return 1, conditions.items()
    frame = as_frame(conditions)
    if frame is not None:
        return len(conditions), zip(frame.columns, read_table(conditions), strict=True)
    table = np.asarray(conditions)
    if table.ndim != 2 or table.shape[1] != encoder.n_features_in_:
        raise ValueError(
            f"Conditions as an array need all {encoder.n_features_in_} columns, with NaN where "
            f"a cell is free, got shape {table.shape}. Give some columns as a data frame."
        )
    return len(table), enumerate(read_table(table))


def _encoded(read, encoder):
    """Set the features of known cells, and which cells have none by themselves."""
    n, columns = len(read.values), []
    for j in range(encoder.n_features_in_):
        anything = np.zeros(n, dtype=encoder._format.columns[j].values.dtype)
        cells, there = read.cells.get(j, (anything, np.zeros(n, dtype=bool)))
        columns.append(encoder.column_of(j, cells, ~there))
    for relation in encoder._recoding.relations:
        if broken_rows(relation, columns).any():
            names = ", ".join(repr(columns[j].name) for j in relation.columns)
            raise ValueError(
                f"The conditions on columns {names} break a relation between these that holds in "
                "all rows of fit: leave one out, or fit with other constraints of TableEncoder."
            )
    # the number behind a spike stays known: in training both features have the same noise
    own = ~encoder.is_indicator_
    read.values[:, own] = encoder.encode_known(columns, read.cells)[:, own]
    return replace(read, opened=encoder.open_cells(read.cells))


def _read_cell(coder, value):
    """Read one cell in the units of the table as a column."""
    is_time = coder.kind in TEMPORAL
    try:
        hash(value)
        cells = as_objects([value])
        cell = _read_time(coder, value) if is_time else read_objects(coder.name, cells)
        is_number = cell.kind in NUMERIC
        has_cells = coder.levels is not None or coder.kind == "identifier"
        fits = cell.kind == coder.kind if is_time else has_cells or is_number
    except (TypeError, ValueError):
        fits = False
    if fits and cell.missing:
        raise ValueError(
            f"The condition on column {coder.name!r} is missing: leave the column out where it is "
            "free, and give None for a range without an end."
        )
    if not fits:
        raise ValueError(
            f"The condition on column {coder.name!r} is {value!r}, but the column is {coder.kind}: "
            f"give {GIVEN.get(coder.kind, 'one of its categories, or a list of them')}."
        )
    return cell


def _reach(coder):
    """Say from where to where the cells of a column are."""
    if coder.is_empty:
        return "nothing: it was empty in fit"
    cells = coder.restore(np.array(coder.extent))
    if coder.kind in TEMPORAL:
        clock = np.dtype(coder.scale.clock.dtype)
        # Python has no times of nanoseconds, and would list numbers
        cells = cells.view(clock).astype(clock.str.replace("[ns]", "[us]"))
    return " to ".join(map(repr if coder.levels is not None else str, cells.tolist()))


def _read_time(coder, value):
    """Read a date or duration of NumPy, pandas or the standard library, or a date in words."""
    is_aware = getattr(value, "tzinfo", None) is not None
    if is_aware:
        value = value.astimezone(UTC).replace(tzinfo=None)
    if hasattr(value, "to_numpy"):
        value = value.to_numpy()
    elif isinstance(value, timedelta):
        value = np.timedelta64(value)
    elif isinstance(value, date) or (isinstance(value, str) and coder.kind == "datetime"):
        value = np.datetime64(value)
    cell = read_array(coder.name, np.array([value]))
    return replace(cell, clock=cell.clock._replace(aware=True)) if is_aware else cell


def _add_cells(read, coder, j, column):
    """Set wanted cells as the coder decodes them, or raise where the column has no such."""
    settled = ~column.gaps
    if not settled.any():
        return
    if coder.is_empty:
        raise ValueError(f"Column {coder.name!r} was empty in fit: nothing can be wanted of it.")
    cells = coder.cells_of(column)[settled]
    if coder.levels is not None:
        cells = coder.levels[_known(coder, column.observed)]
    elif coder.kind in AMOUNTS:
        x = coder.numbers(column)[0]
        if not np.isfinite(x).all():
            raise ValueError(f"The condition on column {coder.name!r} is infinite.")
        is_time = coder.kind in TEMPORAL
        is_whole = not coder.scale.is_coarse if is_time else coder.stored.kind in "iu"
        if is_whole and np.any(x != np.rint(x)):
            raise ValueError(
                f"Column {coder.name!r} has no cells as fine as the condition: round it."
            )
    whole = np.zeros(len(settled), dtype=cells.dtype)
    whole[settled] = cells
    read.cells[j] = whole, settled


def _known(coder, cells):
    """Return the positions of wanted categories, or raise for those that are none."""
    advice = f". Its categories are {list_cells(coder.levels)}"
    try:
        return known_positions(cells, coder.levels, coder.name, advice)
    except TypeError:
        problem = f"Conditions on column {coder.name!r} are no categories{advice}."
        raise ValueError(problem) from None


def _add_categories(read, coder, j, wanted):
    if coder.levels is None:
        raise TypeError(
            f"Column {coder.name!r} is {coder.kind}: give a value or a range, a tuple (low, high), "
            "and no list of categories."
        )
    if not wanted:
        raise ValueError(f"The list of categories of column {coder.name!r} is empty.")
    positions = _known(coder, as_objects(wanted))
    if len(set(positions)) == 1:
        _add_cells(read, coder, j, _read_cell(coder, wanted[0]))
        return
    members = coder.rare.members if isinstance(coder, CategoryCoder) else []
    chosen = np.isin(members, positions)
    if chosen.any() and not chosen.all():
        rare = ", ".join(map(repr, coder.levels[members].tolist()))
        raise ValueError(
            f"Column {coder.name!r} does not tell its rare categories {rare} apart: list all of "
            "them or none, or give one category by itself."
        )
    read.categories[j] = coder.levels[np.unique(positions)]


def _add_range(read, coder, j, wanted):
    if len(wanted) != 2:
        raise ValueError(
            f"A range is a tuple (low, high), got {wanted!r} for column {coder.name!r}."
        )
    if isinstance(coder, CategoryCoder):
        raise TypeError(
            f"Column {coder.name!r} is {coder.kind} and has no bounds: list its categories."
        )
    if wanted == (None, None):
        return
    low, high = (
        end if value is None else _bound_of(coder, value, side)
        for value, end, side in zip(wanted, coder.extent, ("left", "right"), strict=True)
    )
    low, high = _within_reach(coder, low, high)
    if coder.is_empty or low > high:
        raise ValueError(
            f"No cell of column {coder.name!r} is from {wanted[0]!r} to {wanted[1]!r}: "
            f"give a wider range, within {_reach(coder)}."
        )
    if low < high:
        read.ranges[j] = low, high
    else:
        # a range of one number is the number itself
        read.cells[j] = coder.restore(np.array([low])), np.array([True])


def _bound_of(coder, value, side):
    """Return the number of a coder that a bound in the table's units stands for."""
    if isinstance(coder, OrdinalCoder):
        position = known_positions(as_objects([value]), coder.order, coder.name)[0]
        # a category without rows bounds as well: inwards to the next that has some
        return float(np.searchsorted(coder.occurs, position, side) - (side == "right"))
    x = coder.numbers(_read_cell(coder, value))[0][0]
    # a float32 that reads 0.1 is not below the double 0.1
    return float(coder.cells_at(x) if coder.kind in NUMERIC else x)


def _within_reach(coder, low, high):
    """Narrow a range to numbers that cells can hold; it may become empty."""
    low, high = max(low, coder.extent[0]), min(high, coder.extent[1])
    if coder.beside is not None and not low <= coder.codec.spike <= high:
        low, high = max(low, coder.beside[0]), min(high, coder.beside[1])
    if coder.kind != "continuous":
        low, high = np.ceil(low), np.floor(high)
    with np.errstate(over="ignore"):
        ends = np.array([on_grid(coder, low, np.ceil), on_grid(coder, high, np.floor)])
    return coder.cells_at(ends) if coder.kind in NUMERIC else ends
