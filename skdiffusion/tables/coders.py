"""Coders of single columns: what stands between the cells of a table and their codec.

A coder is fitted by its constructor, and knows the cells that the column may hold. Its codec works
on numbers: those of the column, units of time since the earliest cell, or positions of categories.
"""

import numpy as np

from skdiffusion.tables.clocks import EXACT, TimeScale
from skdiffusion.tables.codecs import ConstantCodec, SimplexCodec
from skdiffusion.tables.lattice import DOUBLE, narrow_decimals
from skdiffusion.tables.numeric_transforms import fit_numbers
from skdiffusion.tables.reading import NUMERIC, TEMPORAL
from skdiffusion.tables.vocabulary import (
    RareCategories,
    as_objects,
    check_number,
    distinct,
    find_positions,
    known_positions,
    list_cells,
)

UNKNOWN = ", or say by handle_unknown how to encode them"


class Coder:
    """What all coders share: cells to numbers by `numbers`, and back by `restore`."""

    levels = None
    beside = None  # bounds of the numbers beside a spike, where there are some

    def __init__(self, column):
        self.name, self.kind = column.name, column.kind
        self.is_empty = column.gaps.all()

    def settle(self, x):
        """Return the numbers that cells can hold, for those that the codec decodes."""
        if self.beside is not None:
            x = np.where(x == self.codec.spike, x, np.clip(x, *self.beside))
        x = np.clip(x, *self.extent)
        return x if self.kind == "continuous" else np.rint(x)

    def restore(self, x, rng=None):
        """Return the cells of the numbers that the codec decodes."""
        return self.cells_at(self.settle(x))

    def cells_of(self, column):
        """Return the cells of a column as they are decoded, with anything in place of gaps."""
        return column.values

    def numbers_of(self, cells):
        """Return the numbers that decoded cells stand for."""
        return cells

    def encode(self, column):
        """Return the encoded features of cells, NaN for missing ones, and which are missing."""
        x, gaps = self.numbers(column)
        return scatter(self.codec.encode(x), gaps, np.nan), gaps

    def log_volume(self, column, sigma):
        """Return the log-volumes of cells, 0 for missing ones."""
        x, gaps = self.numbers(column)
        return scatter(self.codec.log_volume(x, sigma), gaps, 0.0)

    def decode(self, Z, rng=None):
        """Return the cells of encoded rows, and which of them are missing."""
        gaps = np.isnan(Z).any(axis=1)
        # every row is decoded, so that draws depend on no gap
        Z = np.where(np.isnan(Z), 0.0, Z) if gaps.any() else Z
        return self.restore(self.codec.decode(Z), rng), gaps | self.is_empty


class NumberCoder(Coder):
    """Numbers as they are."""

    def __init__(self, column, transform, clip):
        super().__init__(column)
        self.stored = column.stored
        self.decimals = narrow_decimals(column.observed, self.stored)
        is_narrow = self.stored.kind == "f" and self.decimals is None
        self.resolution = np.finfo(self.stored).eps if is_narrow else DOUBLE
        x = self.numbers(column)[0]
        self.codec, self.extent = fit_numbers(x, column, self.resolution, transform)
        if clip:
            self.beside = getattr(self.codec, "bounds", None)
        else:
            limits = np.iinfo(self.stored) if self.stored.kind in "iu" else np.finfo(self.stored)
            most = EXACT - 1 if self.stored.kind in "iu" else np.inf
            self.extent = max(float(limits.min), -most), min(float(limits.max), most)

    def numbers(self, column):
        if column.kind in (*NUMERIC, "boolean"):
            x = column.observed.astype(np.float64, copy=False)
            return x if self.decimals is None else self.cells_at(x), column.gaps
        if not self.is_empty:
            raise ValueError(f"Column {self.name!r} held numbers in fit and does not now.")
        return np.zeros(len(column.observed)), column.gaps

    def cells_at(self, x):
        """Return the nearest numbers that the column's data type holds, as they read."""
        if self.stored.kind != "f":
            return x
        cells = x.astype(self.stored)
        near = cells.astype(np.float64)
        if self.decimals is None:
            return near
        decimal = np.round(x, self.decimals)
        return np.where(decimal.astype(self.stored) == cells, decimal, near)

    def cells_of(self, column):
        return scatter(*self.numbers(column), np.nan)


class TimeCoder(Coder):
    """Dates and durations, as numbers of a unit since the earliest."""

    def __init__(self, column, transform, clip):
        super().__init__(column)
        self.scale = TimeScale(column.observed, column.clock)
        x = np.rint(self.scale.encode(column.observed, column.clock))
        self.codec, extent = fit_numbers(x, column, DOUBLE, transform)
        self.extent = extent if clip else self.scale.limits
        self.beside = getattr(self.codec, "bounds", None) if clip else None

    def numbers(self, column):
        if self.is_empty or column.gaps.all():
            return np.zeros(len(column.observed)), column.gaps
        if column.kind != self.kind:
            raise ValueError(f"Column {self.name!r} held {self.kind}s in fit and does not now.")
        if column.clock.aware != self.scale.clock.aware:
            had, has = ("without", "with") if column.clock.aware else ("with", "without")
            raise ValueError(
                f"Column {self.name!r} held times {had} a time zone in fit, and these are {has} "
                "one: convert them."
            )
        return self.scale.encode(column.observed, column.clock), column.gaps

    def cells_at(self, x):
        return self.scale.decode(x)

    def cells_of(self, column):
        x, gaps = self.numbers(column)
        if column.clock in (None, self.scale.clock):
            return column.values
        return self.scale.decode(scatter(x, gaps, 0.0))

    def numbers_of(self, cells):
        return self.scale.encode(cells, self.scale.clock)


class CategoricalCoder(Coder):
    """What categories with and without an order share."""

    def __init__(self, column, handle_unknown):
        super().__init__(column)
        self.handle_unknown = handle_unknown

    def positions_of(self, column, substitute=None):
        """Return positions of cells, and gaps; unknown cells are substituted, or become gaps."""
        if self.handle_unknown == "error":
            return known_positions(column.observed, self.levels, self.name, UNKNOWN), column.gaps
        positions = find_positions(column.observed, self.levels)
        known = positions >= 0
        if substitute is not None or known.all():
            return np.where(known, positions, substitute or 0), column.gaps
        gaps = column.gaps.copy()
        gaps[~gaps] = ~known
        return positions[known], gaps

    def cells_at(self, positions):
        """Return categories by their positions; anything where all cells were missing."""
        if self.is_empty:
            return np.full(len(positions), None)
        return self.levels[np.asarray(positions, dtype=np.intp)]


class CategoryCoder(CategoricalCoder):
    """Categories as vertices, of which rare ones share the last."""

    def __init__(self, column, min_frequency, handle_unknown):
        super().__init__(column, handle_unknown)
        self.levels = distinct(column.observed, self.name)
        positions = find_positions(column.observed, self.levels)
        counts = column.count(positions)
        self.rare = RareCategories(counts, min_frequency)
        check_number(self.levels, self.rare.n_vertices, self.name)
        self.codec = ConstantCodec(0)
        if self.rare.n_vertices > 1:
            self.codec = SimplexCodec(np.bincount(self.rare.vertex_of[:-1], weights=counts))

    def numbers(self, column):
        positions, gaps = self._places(column)
        return self.rare.vertex_of[positions], gaps

    def _places(self, column):
        has_rare = self.handle_unknown == "rare" and len(self.rare.members)
        return self.positions_of(column, len(self.levels) if has_rare else None)

    def log_volume(self, column, sigma):
        positions, gaps = self._places(column)
        share = scatter(self.rare.log_share[positions], gaps, 0.0)
        return super().log_volume(column, sigma) + share

    def restore(self, x, rng=None):
        return self.cells_at(x if self.is_empty else self.rare.decode(x, rng))


class OrdinalCoder(CategoricalCoder):
    """Ordered categories, as their positions among those that occur."""

    def __init__(self, column, handle_unknown):
        super().__init__(column, handle_unknown)
        numeric = column.observed.dtype.kind == "f"
        self.order = np.array(column.order, dtype=float) if numeric else as_objects(column.order)
        declared = find_positions(column.observed, self.order)
        if np.any(declared < 0):
            raise ValueError(
                f"ordinal_features leaves out the categories "
                f"{list_cells(column.observed[declared < 0])} of column {self.name!r}: name all "
                "of them, in increasing order."
            )
        self.occurs, x = np.unique(declared, return_inverse=True)
        self.levels = self.order[self.occurs]
        self.codec, self.extent = fit_numbers(x.astype(np.float64), column, DOUBLE, "quantile")

    def numbers(self, column):
        positions, gaps = self.positions_of(column)
        return positions.astype(np.float64), gaps

    def numbers_of(self, cells):
        return find_positions(cells, self.levels)


def fit_coder(column, transform, options):
    if column.kind in NUMERIC:
        return NumberCoder(column, transform, options.clip)
    if column.kind in TEMPORAL:
        return TimeCoder(column, transform, options.clip)
    if column.kind == "ordinal":
        return OrdinalCoder(column, options.handle_unknown)
    min_frequency = options.min_frequency if column.kind == "categorical" else None
    return CategoryCoder(column, min_frequency, options.handle_unknown)


def scatter(part, gaps, filler):
    """Put rows back between those that are missing."""
    if len(part) == len(gaps):
        return part
    whole = np.full((len(gaps), *part.shape[1:]), filler)
    whole[~gaps] = part
    return whole
