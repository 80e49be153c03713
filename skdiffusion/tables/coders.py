"""Coders of single columns: what stands between the cells of a table and their codec.

A coder is fitted by its constructor, and knows the cells that the column may hold. Its codec works
on numbers: those of the column, units of time since the earliest cell, or positions of levels.
"""

from numbers import Real

import numpy as np

from skdiffusion.tables.choice import choose_transform
from skdiffusion.tables.columns import ConstantCodec, ScaledCodec, SimplexCodec, StandardCodec
from skdiffusion.tables.lattice import DOUBLE, find_lattice
from skdiffusion.tables.levels import (
    as_objects,
    distinct,
    find_positions,
    refuse_many,
    refuse_unknown,
)
from skdiffusion.tables.quantile import QuantileCodec
from skdiffusion.tables.rare import RareLevels
from skdiffusion.tables.reading import NUMERIC, TEMPORAL
from skdiffusion.tables.spike import SpikeCodec, find_spike
from skdiffusion.tables.time import TimeScale

SMALL, LARGE = -900, 1000
"""Between which powers of two the greatest number of a column needs no other unit."""

FARTHEST = 1e100
"""Largest code, of numbers that are beyond all measure."""

MERGE = "merge its rare levels by min_frequency"
UNKNOWN = ", or say by handle_unknown how to code them"


def fit_numbers(x, resolution, transform):
    """Fit the codec of numbers."""
    values, counts = np.unique(x, return_counts=True)
    if len(values) < 2:
        value = values[0] if len(values) else 0.0
        return ConstantCodec(value), (value, value)
    bounds = values[0], values[-1]
    exponent = unit_exponent(np.abs(bounds).max())
    spike = find_spike(values, counts) if transform == "auto" and not exponent else None
    if spike is not None:
        others = x[x != values[spike]]
        rest, _ = fit_numbers(others, resolution, "no spike")
        sizes = len(others), counts[spike]
        return SpikeCodec(values[spike], sizes, rest, others), bounds
    if transform in ("auto", "no spike"):
        transform = choose_transform(np.ldexp(values, -exponent), counts)
    codec = QuantileCodec if transform == "quantile" else StandardCodec
    if isinstance(transform, Real):
        return StandardCodec(values, counts, find_lattice(values, resolution), transform), bounds
    if exponent:
        return ScaledCodec(codec, values, counts, exponent), bounds
    return codec(values, counts, find_lattice(values, resolution)), bounds


def unit_exponent(greatest):
    """Power of two to divide numbers by, whose squares or inverses leave the floating range."""
    if greatest > 2.0**LARGE:
        # no further than needed: small numbers of the same column shall not vanish
        return 1024 - LARGE
    return int(np.frexp(greatest)[1]) if greatest < 2.0**SMALL else 0


class Coder:
    """What all coders share."""

    levels = None
    bounds = None

    def log_share(self, x):
        """What the log-probability of a cell has beyond that of its code."""
        return 0.0

    def to_codec(self, x):
        """What the codec takes for a number."""
        return x

    def encode(self, column):
        """Return the codes of cells, NaN for missing ones, and which are missing."""
        x, gaps = self.numbers(column)
        with np.errstate(over="ignore"):
            Z = np.clip(self.codec.encode(self.to_codec(x)), -FARTHEST, FARTHEST)
        if gaps is None:
            return Z, np.zeros(len(Z), dtype=bool)
        return _scatter(Z, gaps, np.nan), gaps

    def log_volume(self, column, sigma):
        """Return the log-volumes of cells, 0 for missing ones, of shape (n,)."""
        x, gaps = self.numbers(column)
        volume = self.codec.log_volume(self.to_codec(x), sigma) + self.log_share(x)
        return volume if gaps is None else _scatter(volume, gaps, 0.0)

    def decode(self, Z, rng=None):
        """Return the cells of codes, and which of them are missing."""
        gaps = np.isnan(Z).any(axis=1)
        if gaps.any():
            # every row is decoded, so that draws depend on no gap
            Z = np.where(np.isnan(Z), 0.0, Z)
        with np.errstate(over="ignore"):
            return self.restore(self.codec.decode(Z), rng), gaps | self.is_empty


class NumberCoder(Coder):
    """Numbers as they are."""

    def __init__(self, column, transform, clip):
        self.name, self.kind, self.stored = column.name, column.kind, column.stored
        observed, self.clip = column.observed, clip
        self.is_empty = not len(observed)
        self.codec, self.bounds = fit_numbers(observed, column.resolution, transform)

    def numbers(self, column):
        gaps = column.gaps if column.missing else None
        if column.kind in NUMERIC:
            return column.observed, gaps
        if column.kind == "boolean":
            return column.observed.astype(np.float64), gaps
        if column.missing < len(column.values) and not self.is_empty:
            raise ValueError(f"Column {self.name!r} held numbers in fit and does not now.")
        return np.zeros(len(column.values) - column.missing), gaps

    @property
    def extent(self):
        """The least and the greatest number that codes are decoded to."""
        if self.clip:
            return self.bounds
        if self.stored.kind in "iu":
            bounds = np.iinfo(self.stored)
            return float(bounds.min), float(bounds.max)
        greatest = float(np.finfo(self.stored).max)
        return -greatest, greatest

    def settle(self, x):
        """Return the numbers that cells can hold, for those that the codec decodes."""
        x = np.clip(x, *self.extent)
        if self.kind == "integer":
            x = np.rint(x)
        return x.astype(self.stored).astype(np.float64) if self.stored.kind == "f" else x

    def restore(self, x, rng=None):
        return self.settle(x)


class TimeCoder(Coder):
    """Dates and durations, as numbers of a unit since the earliest."""

    def __init__(self, column, transform, clip):
        self.name, self.kind = column.name, column.kind
        observed, self.clip = column.observed, clip
        self.is_empty = not len(observed)
        self.scale = TimeScale(observed, column.clock)
        x = np.rint(self.scale.encode(observed, column.clock))
        self.codec, self.bounds = fit_numbers(x, DOUBLE, transform)

    def numbers(self, column):
        gaps = column.gaps if column.missing else None
        if self.is_empty or column.missing == len(column.values):
            return np.zeros(len(column.values) - column.missing), gaps
        if column.kind != self.kind:
            raise ValueError(f"Column {self.name!r} held {self.kind}s in fit and does not now.")
        self.refuse_other_zone(column.clock)
        return self.scale.encode(column.observed, column.clock), gaps

    def refuse_other_zone(self, clock):
        """Raise where times with a time zone meet times without."""
        if clock.aware != self.scale.clock.aware:
            had, has = ("with", "without") if self.scale.clock.aware else ("without", "with")
            raise ValueError(
                f"Column {self.name!r} held times {had} a time zone in fit, and these are {has} "
                "one: convert them."
            )

    @property
    def extent(self):
        """The least and the greatest number that codes are decoded to."""
        return self.bounds if self.clip else self.scale.limits

    def settle(self, x):
        """Return the numbers that cells can hold, for those that the codec decodes."""
        return np.rint(np.clip(x, *self.extent))

    def restore(self, x, rng=None):
        return self.scale.decode(self.settle(x))


class CategoryCoder(Coder):
    """Levels as vertices, of which rare ones share the last."""

    def __init__(self, column, min_frequency=None, handle_unknown="error"):
        self.name, self.kind, self.handle_unknown = column.name, column.kind, handle_unknown
        observed = column.observed
        self.is_empty = not len(observed)
        self.levels = distinct(observed, column.name)
        counts = np.bincount(find_positions(observed, self.levels), minlength=len(self.levels))
        self.rare = RareLevels(counts, min_frequency)
        refuse_many(self.rare.n_vertices, column.name, MERGE)
        self.codec = ConstantCodec(0)
        if self.rare.n_vertices > 1:
            self.codec = SimplexCodec(np.bincount(self.rare.vertex_of, weights=counts))
        # an unknown level is numbered after all others
        self.vertex_of = np.append(self.rare.vertex_of, self.rare.n_vertices - 1)

    def numbers(self, column):
        gaps = column.gaps if column.missing else None
        positions = find_positions(column.observed, self.levels)
        known = positions >= 0
        if known.all():
            return positions, gaps
        if self.handle_unknown == "error":
            refuse_unknown(column.observed, positions, self.name, UNKNOWN)
        if self.handle_unknown == "rare" and len(self.rare.members):
            return np.where(known, positions, len(self.levels)), gaps
        return _without(positions, known, gaps)

    def to_codec(self, x):
        return self.vertex_of[x]

    def restore(self, x, rng=None):
        return _fillers(self.levels, x) if self.is_empty else self.levels[self.rare.decode(x, rng)]

    def log_share(self, x):
        return self.rare.log_share(x)


class OrdinalCoder(Coder):
    """Ordered levels, as their positions among those that occur."""

    kind = "ordinal"

    def __init__(self, column, handle_unknown="error"):
        self.name, self.handle_unknown = column.name, handle_unknown
        observed = column.observed
        self.is_empty = not len(observed)
        numeric = observed.dtype.kind == "f"
        self.order = np.array(column.order, dtype=float) if numeric else as_objects(column.order)
        declared = find_positions(observed, self.order)
        if np.any(declared < 0):
            unknown = sorted({repr(cell) for cell in observed[declared < 0].tolist()})
            raise ValueError(
                f"ordinal_features leaves out the levels {', '.join(unknown[:10])} of column "
                f"{column.name!r}: name all of them, in increasing order."
            )
        self.occurs = np.unique(declared)
        self.levels = self.order[self.occurs]
        x = np.searchsorted(self.occurs, declared).astype(np.float64)
        self.codec, self.bounds = fit_numbers(x, DOUBLE, "quantile")

    def numbers(self, column):
        gaps = column.gaps if column.missing else None
        positions = find_positions(column.observed, self.levels)
        known = positions >= 0
        if not known.all():
            if self.handle_unknown == "error":
                refuse_unknown(column.observed, positions, self.name, UNKNOWN)
            positions, gaps = _without(positions, known, gaps)
        return positions.astype(np.float64), gaps

    @property
    def extent(self):
        """The first and the last position."""
        return self.bounds

    def settle(self, x):
        """Return positions, for what the codec decodes."""
        return np.rint(np.clip(x, *self.bounds))

    def restore(self, x, rng=None):
        if self.is_empty:
            return _fillers(self.levels, x)
        return self.levels[self.settle(x).astype(np.intp)]


def fit_coder(column, transform, options):
    """Fit the coder of a column."""
    if column.kind in NUMERIC:
        return NumberCoder(column, transform, options.clip)
    if column.kind in TEMPORAL:
        return TimeCoder(column, transform, options.clip)
    if column.kind == "ordinal":
        return OrdinalCoder(column, options.handle_unknown)
    rare = options.min_frequency if column.kind == "categorical" else None
    return CategoryCoder(column, rare, options.handle_unknown)


def _without(positions, known, gaps):
    """Leave out unknown levels, as missing cells."""
    if gaps is None:
        return positions[known], ~known
    gaps = gaps.copy()
    gaps[~gaps] = ~known
    return positions[known], gaps


def _fillers(levels, x):
    """Cells to stand where all are missing."""
    return np.full(len(x), None if levels.dtype == object else 0, dtype=levels.dtype)


def _scatter(part, gaps, filler):
    """Put rows back between those that are missing."""
    whole = np.full((len(gaps), *part.shape[1:]), filler)
    whole[~gaps] = part
    return whole
