"""Relations between numbers and times, and the order in which all relations are decoded."""

from dataclasses import replace
from graphlib import CycleError, TopologicalSorter

import numpy as np

from skdiffusion.tables.reading import AMOUNTS, TEMPORAL
from skdiffusion.tables.relations import (
    FLOAT,
    RELATIVE,
    Relation,
    any_gaps,
    as_cells,
    dropped,
    lattice_of,
    on_grid,
    precision,
)

NOWHERE = 0, np.zeros(1, dtype=bool)
# of units without a fixed length
MEAN_DAYS = {"M": 30.436875, "Y": 365.2425}


class Difference(Relation):
    """A number or time that is at least as great as others: how much greater it is."""

    def __init__(self, high, lows, coders):
        self.high, self.coders = high, coders
        self.parents, self.coded = tuple(lows), (high,)
        own = [coders[j] for j in self.columns]
        for coder in own:
            _need_amounts(coder, "An inequality")
        kinds = {coder.kind if coder.kind in TEMPORAL else "number" for coder in own}
        zones = {coder.kind in TEMPORAL and coder.scale.clock.aware for coder in own}
        if len(kinds) > 1 or len(zones) > 1:
            names = [coder.name for coder in own]
            raise TypeError(f"Columns {names} hold {sorted(kinds)}, which cannot be compared.")
        places = [getattr(lattice_of(coder), "decimals", None) for coder in own]
        self.decimals = max(places) if "number" in kinds and None not in places else None

    def _numbers(self, j, cells):
        """Return cells of any of the columns as numbers of the coder of the greatest."""
        scale = getattr(self.coders[self.high], "scale", None)
        return cells if scale is None else scale.encode(cells, self.coders[j].scale.clock)

    def _floor(self, cells):
        return np.max([self._numbers(j, cells[j]) for j in self.parents], axis=0)

    def encode(self, columns):
        cells, gaps = [column.values for column in columns], any_gaps(columns, self.columns)
        rest = self._numbers(self.high, cells[self.high]) - self._floor(cells)
        if self.decimals is not None:
            rest = np.round(rest, self.decimals)
        is_whole = all(self.coders[j].kind != "continuous" for j in self.columns)
        is_whole = is_whole and np.all(rest[~gaps] == np.rint(rest[~gaps]))
        column = replace(columns[self.high], values=rest, gaps=gaps, clock=None, places=None)
        kind = "integer" if is_whole else "continuous"
        return {self.high: replace(column, kind=kind, stored=FLOAT, marker=None)}

    def decode(self, cells, settled):
        coder, floor = self.coders[self.high], self._floor(cells)
        least, x = (on_grid(coder, end, np.ceil) for end in (floor, floor + cells[self.high]))
        # where the others exceed its own range it does so, too
        cells[self.high] = coder.cells_at(np.maximum(np.clip(x, *coder.extent), least))

    def holds(self, cells):
        return self._numbers(self.high, cells[self.high]) >= self._floor(cells)


class Equation(Relation):
    """Numbers, and times in days, of constant weighted sum: one is what the others leave."""

    def __init__(self, places, coefficients, constant, coders):
        for j in places:
            _need_amounts(coders[j], "A linear equation")
        self.coefficients = dict(zip(places, coefficients, strict=True))
        self.total = choose_total(self.coefficients)
        self.parents, self.coded = tuple(j for j in places if j != self.total), (self.total,)
        self.coders, self.constant = coders, constant

    def _left(self, cells, but):
        """Return what the equation leaves for a column, in its unit."""
        rest = self.constant - sum(
            c * as_amounts(self.coders[j], cells[j])
            for j, c in self.coefficients.items()
            if j != but
        )
        return rest / self.coefficients[but]

    def _solve(self, cells, j):
        return self.coders[j].cells_at(_number_of(self.coders[j], self._left(cells, j)))

    def solved(self, given):
        return [j for j in self.columns if j not in given][:1]

    def encode(self, columns):
        return {self.total: dropped(columns[self.total])}

    def decode(self, cells, settled):
        coder = self.coders[self.total]
        ends = as_amounts(coder, coder.cells_at(np.array(coder.extent)))
        left = self._left(cells, self.total)
        beyond, least = left - np.clip(left, *ends), max(step_of(coder) / 2, RELATIVE)
        # what is beyond the column's own range is taken off the others, as far as theirs go
        for j in self.parents if np.any(np.abs(beyond) > least) else ():
            own, ratio = self.coders[j], self.coefficients[self.total] / self.coefficients[j]
            before = as_amounts(own, cells[j])
            moved = own.restore(_number_of(own, before + ratio * beyond))
            stays = settled.get(j, NOWHERE)[1] | (np.abs(beyond) <= least)
            cells[j] = np.where(stays, cells[j], moved)
            beyond = beyond - (as_amounts(own, cells[j]) - before) / ratio
        cells[self.total] = settled.get(self.total, NOWHERE)[0]
        is_open = np.ones(len(left), dtype=bool)
        for j in (self.total, *self.parents[::-1]):
            if not is_open.any():
                break
            # the last column that is free is what the others leave
            free = is_open & ~settled.get(j, NOWHERE)[1]
            cells[j] = np.where(free, self._solve(cells, j), cells[j])
            is_open = is_open & ~free

    def complete(self, cells, given):
        for j, values in given.items():
            cells[j] = values
        for j in self.solved(given):
            cells[j] = self._solve(cells, j)
        return self.holds(cells)

    def holds(self, cells):
        own = {j: as_amounts(self.coders[j], cells[j]) for j in self.columns}
        off = np.abs(self._left(cells, self.total) - own[self.total])
        size, coder = np.max(np.abs([*own.values()]), axis=0), self.coders[self.total]
        return off <= 0.501 * step_of(coder) + precision(coder) * size


class Recoding:
    """The relations of a table, in an order in which parents are decoded first."""

    def __init__(self, relations, coders):
        by_column = {}
        for relation in relations:
            for j in relation.coded:
                other = by_column.pop(j, None)
                if isinstance(other, Difference) and isinstance(relation, Difference):
                    lows = dict.fromkeys((*other.parents, *relation.parents))
                    relation = Difference(j, lows, coders)
                elif other is not None:
                    raise ValueError(
                        f"Two constraints determine column {coders[j].name!r}: leave one out."
                    )
                by_column[j] = relation
        order = TopologicalSorter()
        for relation in by_column.values():
            order.add(relation, *(by_column[j] for j in relation.parents if j in by_column))
        try:
            self.coders, self.relations = coders, list(order.static_order())
        except CycleError as error:
            names = sorted({str(coders[j].name) for each in error.args[1] for j in each.coded})
            raise ValueError(f"Constraints on columns {names} go round in a circle.") from None

    def as_cells(self, columns):
        """Return columns, those of relations with cells as they are decoded."""
        own = list(columns)
        for j in {j for relation in self.relations for j in relation.columns}:
            own[j] = as_cells(self.coders[j], columns[j])
        return own

    def encode(self, columns):
        """Return the columns to encode in place of those of the table."""
        coded, own = list(columns), self.as_cells(columns)
        for relation in self.relations:
            for j, column in relation.encode(own).items():
                coded[j] = column
        return coded

    def decode(self, cells, settled):
        """Return the cells of the table, some of them settled: cells, and in which rows."""
        cells = list(cells)

        def settle(places):
            for j in settled.keys() & places:
                cells[j] = np.where(settled[j][1], settled[j][0], cells[j])

        settle(set(range(len(cells))).difference(*(each.coded for each in self.relations)))
        for relation in self.relations:
            relation.decode(cells, settled)
            settle(set(relation.coded))
        return cells


def choose_total(coefficients):
    """Return the column whose coefficient has a sign of its own, else the last one."""
    signs = np.sign(list(coefficients.values()))
    alone = np.flatnonzero(signs != np.sign(signs.sum() or signs[0]))
    return list(coefficients)[alone[0] if len(alone) == 1 else -1]


def _need_amounts(coder, what):
    if coder.kind not in AMOUNTS or coder.is_empty:
        found = "empty" if coder.is_empty else coder.kind
        raise TypeError(f"{what} is of numbers or times: column {coder.name!r} is {found}.")


def _ticks_a_day(coder):
    unit, count = np.datetime_data(coder.scale.clock.dtype)
    if unit in MEAN_DAYS:
        return 1 / (MEAN_DAYS[unit] * count)
    return np.timedelta64(1, "D") / np.timedelta64(count, unit)


def as_amounts(coder, cells):
    """Return numbers as they are, and times in days."""
    return cells / _ticks_a_day(coder) if coder.kind in TEMPORAL else cells.astype(np.float64)


def _number_of(coder, amounts):
    """Return the numbers of a coder, on its grid, that have such amounts."""
    if coder.kind in TEMPORAL:
        amounts = (amounts * _ticks_a_day(coder) - coder.scale.origin) / coder.scale.unit
    return on_grid(coder, amounts)


def step_of(coder):
    """Return the step of a column's grid, 0 without one, in its own unit or in days."""
    lattice = lattice_of(coder)
    step = float(coder.kind != "continuous") if lattice is None else lattice.step
    return step * coder.scale.unit / _ticks_a_day(coder) if coder.kind in TEMPORAL else step
