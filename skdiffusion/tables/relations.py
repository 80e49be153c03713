"""Relations between columns of a table: how they are coded, so that decoded rows meet them.

A relation has `parents`, columns that stay as they are, and `coded` ones, of which `encode` makes
others, and `decode` puts the cells back in place. Cells are lists or dicts by column.
"""

from dataclasses import replace

import numpy as np

from skdiffusion.tables.coders import scatter
from skdiffusion.tables.reading import AMOUNTS, NUMERIC, TEMPORAL, Column
from skdiffusion.tables.vocabulary import as_objects, distinct, find_positions

# of a step of a grid, and of a number, by which computed ones may be off
ROUNDING, RELATIVE = 1e-6, 1e-9
FLOAT = np.dtype(np.float64)


class Relation:
    """What relations have in common."""

    parents: tuple = ()
    coded: tuple = ()

    @property
    def columns(self):
        """Return the positions of all columns that take part."""
        return (*self.parents, *self.coded)

    def holds(self, cells):
        """Return in which rows the relation holds."""
        return np.ones(len(cells[self.columns[0]]), dtype=bool)

    def is_open(self, known):
        """Return whether known columns, but not all, say what has no feature by itself."""
        return not known.isdisjoint(self.coded) and not known.issuperset(self.columns)

    def solved(self, given):
        """Return the columns whose features follow from given cells and what is drawn."""
        return self.coded

    def complete(self, cells, given):
        """Put given cells among drawn ones; return in which rows both go together."""
        for j, values in given.items():
            cells[j] = values
        return self.holds(cells)

    def decode(self, cells, settled):
        """Put cells of the coded columns in place; settled ones, and where they are, must stay."""


class Lookup(Relation):
    """A column that another one determines; of numbers the nearest that was seen."""

    def __init__(self, parent, dependent, coders, columns):
        self.parent, self.dependent = parent, dependent
        self.parents, self.coded = (parent,), (dependent,)
        rows = ~any_gaps(columns, self.columns)
        keys, values = columns[parent].values[rows], columns[dependent].values[rows]
        if not len(keys):
            raise ValueError(f"Column {coders[parent].name!r} determines nothing: it is empty.")
        self.is_amount = coders[parent].kind in AMOUNTS
        self.keys = distinct(keys, coders[parent].name)
        # of several the first
        self.values = values[::-1][find_positions(self.keys, keys[::-1])]

    def _find(self, keys):
        if self.is_amount:
            middles = self.keys[:-1] + np.diff(self.keys) / 2
            return self.values[np.searchsorted(middles, keys)]
        return self.values[np.maximum(find_positions(keys, self.keys), 0)]

    def encode(self, columns):
        return {self.dependent: dropped(columns[self.dependent])}

    def decode(self, cells, settled):
        cells[self.dependent] = self._find(cells[self.parent])

    def holds(self, cells):
        return np.asarray(self._find(cells[self.parent]) == cells[self.dependent], dtype=bool)


class Combination(Relation):
    """Columns of which only combinations that were seen occur, as one category."""

    def __init__(self, places, coders, columns, n_keys=None):
        self.coded = tuple(places)
        self.name = " and ".join(str(coders[j].name) for j in places)
        self.dtypes = [columns[j].values.dtype for j in places]
        rows = self._rows([column.values[~any_gaps(columns, places)] for column in columns])
        if not rows:
            raise ValueError(f"No row has cells in all of the columns {self.name}.")
        first = {}
        # of rows with the same keys the first
        self.seen = {row for row in rows if first.setdefault(row[:n_keys], row) == row}

    def _rows(self, cells):
        return list(zip(*(cells[j].tolist() for j in self.coded), strict=True))

    def encode(self, columns):
        first, *others = self.coded
        values = as_objects(self._rows([column.values for column in columns]))
        gaps, weights = any_gaps(columns, self.coded), columns[first].weights
        joint = Column(self.name, "categorical", values, gaps, weights=weights)
        return {first: joint, **{j: dropped(columns[j]) for j in others}}

    def decode(self, cells, settled):
        rows = cells[self.coded[0]].tolist()
        for k, j in enumerate(self.coded):
            cells[j] = np.fromiter((row[k] for row in rows), self.dtypes[k], len(rows))

    def complete(self, cells, given):
        # rows of what was drawn that are as given
        return np.all([cells[j] == values for j, values in given.items()], axis=0)

    def holds(self, cells):
        return np.array([row in self.seen for row in self._rows(cells)], dtype=bool)


class Transformed(Relation):
    """Numbers by a user's pair of functions."""

    def __init__(self, places, forward, backward, coders):
        self.coded, self.coders = tuple(places), coders
        self.forward, self.backward = forward, backward
        for j in places:
            if coders[j].kind not in NUMERIC:
                raise TypeError(f"Column {coders[j].name!r} is {coders[j].kind}: recode numbers.")

    def _apply(self, function, parts):
        made = [np.asarray(part, dtype=np.float64) for part in function(*parts)]
        if [part.shape for part in made] != [part.shape for part in parts]:
            raise ValueError("A recoding returns as many arrays as it gets, of the same length.")
        if not all(np.isfinite(part).all() for part in made):
            raise ValueError("A recoding makes finite numbers infinite or NaN.")
        return made

    def encode(self, columns):
        gaps = any_gaps(columns, self.coded)
        parts = self._apply(self.forward, [columns[j].values[~gaps] for j in self.coded])
        made = {"kind": "continuous", "gaps": gaps, "stored": FLOAT, "places": None, "marker": None}
        return {
            j: replace(columns[j], values=scatter(part, gaps, np.nan), **made)
            for j, part in zip(self.coded, parts, strict=True)
        }

    def decode(self, cells, settled):
        parts = self._apply(self.backward, [cells[j] for j in self.coded])
        for j, part in zip(self.coded, parts, strict=True):
            cells[j] = on_grid(self.coders[j], part)

    def holds(self, cells):
        parts = [cells[j].astype(np.float64) for j in self.coded]
        back = self._apply(self.backward, self._apply(self.forward, parts))
        allowed = max(precision(self.coders[j]) for j in self.coded) * np.abs(parts).max(axis=0)
        return np.all(np.abs(np.subtract(parts, back)) <= allowed, axis=0)


def any_gaps(columns, places):
    """Return which rows have a missing cell in some of the columns."""
    return np.any([columns[j].gaps for j in places], axis=0)


def broken_rows(relation, columns):
    """Return which rows without gaps in the columns of a relation break it."""
    broken = ~any_gaps(columns, relation.columns)
    cells = {j: columns[j].values[broken] for j in relation.columns}
    broken[broken] = ~relation.holds(cells)
    return broken


def dropped(column):
    """Return a column that takes no feature, in place of one that others determine."""
    zeros = np.zeros(len(column.gaps))
    return Column(column.name, "continuous", zeros, zeros > 0, FLOAT, weights=column.weights)


def as_cells(coder, column):
    """Return a column with its cells as they are decoded, whatever their unit or data type."""
    clock = coder.scale.clock if coder.kind in TEMPORAL else None
    return replace(column, values=coder.cells_of(column), clock=clock)


def precision(coder):
    """Return by which share of their size a column's numbers may be off."""
    stored = getattr(coder, "stored", FLOAT)
    return max(RELATIVE, 4 * np.finfo(stored).eps if stored.kind == "f" else 0.0)


def lattice_of(coder):
    return getattr(coder.codec, "lattice", None)


def on_grid(coder, x, rounding=np.rint):
    """Move numbers of a coder to those that cells can have, by `np.ceil` or `np.floor` at least."""
    slack = {np.ceil: ROUNDING, np.floor: -ROUNDING}.get(rounding, 0.0)
    lattice = lattice_of(coder)
    if lattice is not None:
        steps = rounding((x - lattice.observed[0]) / lattice.step - slack)
        return lattice.snap(lattice.observed[0] + lattice.step * steps)
    return x if coder.kind == "continuous" else rounding(x - slack)
