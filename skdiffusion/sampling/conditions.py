"""Conditions on the columns of a table, as known codes, intervals of codes and sets of levels."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from skdiffusion.tables.coders import LevelCoder
from skdiffusion.tables.frames import as_frame, read_table
from skdiffusion.tables.levels import as_objects, find_positions, refuse_unknown
from skdiffusion.tables.options import position_of
from skdiffusion.tables.reading import NUMERIC, TEMPORAL, read_objects

__all__ = ["Conditions", "read_conditions"]


@dataclass
class Conditions:
    """What is settled about the codes of rows before they are drawn."""

    values: np.ndarray
    intervals: list = field(default_factory=list)
    level_sets: list = field(default_factory=list)
    cells: dict = field(default_factory=dict)
    exempt: dict = field(default_factory=dict)

    @property
    def known(self):
        """Which codes are known."""
        return ~np.isnan(self.values)

    @property
    def has_ranges(self):
        """Whether there is more than known codes."""
        return bool(self.intervals or self.level_sets)

    def take(self, rows):
        """Return the conditions of some rows."""
        values = self.values if len(self.values) == 1 else self.values[rows]
        return replace(self, values=values)

    def extended(self, values):
        """Return the conditions of rows that have further codes, the given ones."""
        n = max(len(self.values), len(values))
        both = [np.broadcast_to(part, (n, part.shape[1])) for part in (self.values, values)]
        codes = np.concatenate(both, axis=1)
        return replace(self, values=codes)

    def are_met(self, Z):
        """Tell which rows of codes lie within the intervals and the sets of levels."""
        met = np.ones(len(Z), dtype=bool)
        for column, low, high in self.intervals:
            inside = (Z[:, column] >= low) & (Z[:, column] <= high)
            if column in self.exempt:
                flag, vertices = self.exempt[column]
                inside |= _nearest(Z[:, [flag]], vertices) == 1
            met &= inside
        for columns, vertices, allowed in self.level_sets:
            met &= allowed[_nearest(Z[:, columns], vertices)]
        return met


def _nearest(Z, vertices):
    return ((Z[:, None] - vertices) ** 2).sum(2).argmin(1)


def read_conditions(encoder, conditions):
    """Read conditions in the units of the table."""
    if isinstance(conditions, Mapping):
        return _from_mapping(encoder, conditions)
    return _from_table(encoder, conditions)


def _from_mapping(encoder, conditions):
    read = Conditions(np.full((1, encoder.n_codes_), np.nan))
    for key, wanted in conditions.items():
        j = position_of(key, encoder.coders_, "conditions") % len(encoder.coders_)
        _set_present(read, encoder, j, np.array([True]))
        if isinstance(wanted, tuple):
            _add_range(read, encoder, j, wanted)
        elif isinstance(wanted, list | set | frozenset | np.ndarray):
            _add_levels(read, encoder, j, list(wanted))
        else:
            coder = encoder.coders_[j]
            if isinstance(wanted, str) and coder.kind == "datetime":
                wanted = np.datetime64(wanted)
            cell = read_objects(coder.name, as_objects([wanted]))
            if cell.missing:
                raise ValueError(
                    f"The condition on column {coder.name!r} is missing: leave the column out "
                    "where it is free."
                )
            _add_cells(read, encoder, j, cell)
    return read


def _add_levels(read, encoder, j, wanted):
    coder = encoder.coders_[j]
    if not isinstance(coder, LevelCoder):
        raise TypeError(
            f"Column {coder.name!r} is {coder.kind}: give a value or a range (low, high), and no "
            "list of levels."
        )
    if not wanted:
        raise ValueError(f"The list of levels of column {coder.name!r} is empty.")
    mask = encoder.level_mask(j, wanted)
    chosen = np.isin(coder.rare.members, find_positions(as_objects(wanted), coder.levels))
    if chosen.any() and not chosen.all():
        rare = ", ".join(map(repr, coder.levels[coder.rare.members].tolist()))
        raise ValueError(
            f"Column {coder.name!r} tells its rare levels {rare} not apart: list all of them or "
            "none, or give one level by itself, without a list."
        )
    columns = encoder.column_codes(j)
    # a column of one level has no code, and no choice
    if len(columns):
        read.level_sets.append((columns, encoder.codecs_[j].vertices, mask))


def _add_range(read, encoder, j, wanted):
    if len(wanted) != 2:
        raise ValueError(f"A range is a tuple (low, high), got {wanted!r}.")
    interval, levels = encoder.range_codes(j, *wanted)
    columns = encoder.column_codes(j)
    if levels is not None:
        vertices, allowed = levels
        if not allowed.all():
            read.level_sets.append((columns[:1], vertices, allowed))
        flag, columns = columns[0], columns[1:]
        if len(columns) and allowed[1]:
            read.exempt[int(columns[0])] = int(flag), vertices
    if interval is not None and len(columns) and np.isfinite(interval).any():
        read.intervals.append((int(columns[0]), *interval))


def _from_table(encoder, conditions):
    frame = as_frame(conditions)
    if frame is None:
        table = np.asarray(conditions)
        if table.ndim != 2 or table.shape[1] != encoder.n_features_in_:
            raise ValueError(
                f"Conditions as an array need all {encoder.n_features_in_} columns, with NaN where "
                f"a cell is free, got shape {table.shape}. Give some columns as a data frame."
            )
        keys, columns = range(table.shape[1]), read_table(table)
    else:
        keys, columns = frame.columns, read_table(conditions)
    read = Conditions(np.full((len(conditions), encoder.n_codes_), np.nan))
    for key, column in zip(keys, columns, strict=True):
        j = position_of(key, encoder.coders_, "conditions") % len(encoder.coders_)
        settled = _add_cells(read, encoder, j, column)
        _set_present(read, encoder, j, settled)
    return read


def _set_present(read, encoder, j, settled):
    """Say that the cells of a column are not missing, where that is a code of its own."""
    if j in encoder.indicators_:
        indicator = np.flatnonzero((encoder.groups_ == j) & encoder.is_indicator_)
        read.values[np.ix_(settled, indicator)] = encoder.indicators_[j].vertices[0]


def _add_cells(read, encoder, j, column):
    """Settle cells and their codes, which stay NaN where they are free; tell which are not."""
    coder = encoder.coders_[j]
    settled = np.ones(len(column.values), dtype=bool)
    if column.missing:
        settled &= ~column.gaps
    if coder.is_empty and settled.any():
        raise ValueError(f"Column {coder.name!r} was empty in fit: nothing can be wanted of it.")
    if not settled.any():
        return settled
    if coder.kind in TEMPORAL and column.kind != coder.kind:
        raise TypeError(f"Column {coder.name!r} holds times: give times as conditions.")
    cells = _settle(coder, column)
    # the number behind a spike stays known: in training both codes have the same noise
    read.values[:, encoder.column_codes(j)] = coder.encode(column)[0]
    whole = np.zeros(len(settled), dtype=cells.dtype)
    whole[settled] = cells
    read.cells[j] = whole, settled
    return settled


def _settle(coder, column):
    """Return wanted cells as the coder decodes them, or raise where the column has no such."""
    if coder.kind in NUMERIC:
        x = coder.numbers(column)[0]
        if not np.isfinite(x).all():
            raise ValueError(f"The condition on column {coder.name!r} is infinite.")
        if coder.stored.kind in "iu" and np.any(x != np.rint(x)):
            fraction = x[x != np.rint(x)][0]
            raise ValueError(f"Column {coder.name!r} holds whole numbers, and {fraction} is none.")
        return x
    if coder.kind in TEMPORAL:
        x = coder.numbers(column)[0]
        if np.any(x != np.rint(x)):
            raise ValueError(
                f"Column {coder.name!r} holds no times as fine as the condition: round it."
            )
        return coder.scale.decode(x)
    positions = find_positions(column.observed, coder.levels)
    refuse_unknown(column.observed, positions, coder.name)
    return coder.levels[positions]
