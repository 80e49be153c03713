"""Rows as the detector sees them: numbers in standard deviations, levels as simplices."""

import numpy as np
from sklearn.preprocessing import StandardScaler

from skdiffusion.tables.codecs import SimplexCodec
from skdiffusion.tables.frames import NUMERIC, TableFormat, read_columns
from skdiffusion.tables.options import categorical_mask
from skdiffusion.tables.vocabulary import find_levels, level_positions

__all__ = ["DetectorCodes"]

FURTHER_OUT = 1.5
"""A level that was never seen lies this many times as far out as the rarest that was."""


class DetectorCodes:
    """Code a table for distances and densities, and decode what was to be expected."""

    def __init__(self, X, categorical_features):
        columns = read_columns(X, allow_missing=True)
        chosen = categorical_mask(categorical_features, columns)
        self.format = TableFormat(X, columns)
        self.levels, self.codecs, groups = [], [], []
        for j, (column, is_chosen) in enumerate(zip(columns, chosen, strict=True)):
            numeric = column.kind in NUMERIC and not is_chosen
            if not numeric:
                _refuse_missing(column)
            levels = None if numeric else find_levels(column)
            codec = _Number(column) if numeric else _Level(column, levels)
            self.levels.append(levels)
            self.codecs.append(codec)
            groups += [j] * codec.n_codes
        self.names = [column.name for column in columns]
        self.groups = np.array(groups, dtype=np.intp)

    @property
    def n_codes(self):
        """Number of codes of a row."""
        return len(self.groups)

    @property
    def level_blocks(self):
        """Positions of the codes of each categorical column, and the codes of its levels."""
        return [
            (np.flatnonzero(self.groups == j), codec.simplex.vertices)
            for j, codec in enumerate(self.codecs)
            if isinstance(codec, _Level) and codec.simplex is not None
        ]

    def encode(self, X):
        """Return codes, NaN where a cell is missing."""
        columns = read_columns(X, allow_missing=True)
        blocks = [codec.encode(c) for codec, c in zip(self.codecs, columns, strict=True)]
        return np.concatenate(blocks, axis=1)

    def decode(self, Z):
        """Return rows in the container of the training rows, their numbers in the same range."""
        edges = np.searchsorted(self.groups, np.arange(1, len(self.codecs)))
        blocks = np.split(Z, edges, axis=1)
        values = [codec.decode(block) for codec, block in zip(self.codecs, blocks, strict=True)]
        return self.format.assemble(values, len(Z))


class _Number:
    """Standard deviations from the mean; a column without variance is centred alone."""

    n_codes = 1

    def __init__(self, column):
        present = column.values[~np.isnan(column.values)]
        if not len(present):
            raise ValueError(
                f"Input X contains NaN alone in column {column.name!r}: drop the column."
            )
        self.name, self.is_integer = column.name, column.kind == "integer"
        self.scaler = StandardScaler().fit(present[:, None])
        self.bounds = present.min(), present.max()

    def encode(self, column):
        if column.kind not in NUMERIC and column.kind != "boolean":
            raise ValueError(f"Column {self.name!r} held numbers in fit and does not now.")
        return self.scaler.transform(column.values.astype(np.float64)[:, None])

    def decode(self, z):
        x = np.clip(self.scaler.inverse_transform(z)[:, 0], *self.bounds)
        return np.rint(x) if self.is_integer else x


class _Level:
    """The vertex of the level; further out than all of them for levels never seen."""

    def __init__(self, column, levels):
        self.levels = levels
        counts = np.bincount(level_positions(column, levels), minlength=len(levels))
        self.simplex = SimplexCodec(counts) if len(levels) > 1 else None
        self.n_codes = 1 if self.simplex is None else self.simplex.n_codes
        # a constant level has one code, which departs from zero for any other level
        self.rare = np.ones(1)
        if self.simplex is not None:
            self.rare = FURTHER_OUT * self.simplex.vertices[counts.argmin()]

    def encode(self, column):
        _refuse_missing(column)
        seen = np.isin(column.values, self.levels)
        Z = np.tile(self.rare, (len(column.values), 1))
        if self.simplex is None:
            Z[seen] = 0.0
        elif seen.any():
            column.values = column.values[seen]
            Z[seen] = self.simplex.encode(level_positions(column, self.levels))
        return Z

    def decode(self, z):
        if self.simplex is None:
            return np.repeat(self.levels, len(z))
        return self.levels[self.simplex.decode(z)]


def _refuse_missing(column):
    if column.missing:
        raise ValueError(
            f"Input X contains NaN or other missing values in column {column.name!r}, which is "
            "categorical: give missing cells a level of their own."
        )
