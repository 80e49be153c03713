"""Rows as the detector sees them: standard deviations, vertices of categories, and no gaps."""

import numpy as np
import torch
from sklearn.preprocessing import StandardScaler

from skdiffusion.closed_forms.baselines import fit_gaussian
from skdiffusion.tables.codecs import SimplexCodec
from skdiffusion.tables.frames import NUMERIC, TableFormat, read_columns
from skdiffusion.tables.options import categorical_mask
from skdiffusion.tables.vocabulary import find_levels, level_positions

__all__ = ["FURTHER_OUT", "GapFiller", "RowEncoder"]

FURTHER_OUT = 1.5
"""A category that was never seen lies this many times as far out as the rarest that was."""

UNKNOWN, KNOWN = 1e3, 1e-3
"""Noise levels of missing and of present cells, in standard deviations."""

N_ROUNDS = 20


class RowEncoder:
    """Encode a table for distances and densities, and decode what was to be expected."""

    def __init__(self, X, categorical_features):
        columns = read_columns(X, allow_missing=True)
        chosen = categorical_mask(categorical_features, columns)
        self.format = TableFormat(X, columns)
        self.codecs = [
            _Number(column) if column.kind in NUMERIC and not is_chosen else _Category(column)
            for column, is_chosen in zip(columns, chosen, strict=True)
        ]
        widths = [codec.n_features for codec in self.codecs]
        self.groups = np.repeat(np.arange(len(columns)), widths)

    def encode(self, X):
        """Return encoded rows, NaN where a cell is missing."""
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

    n_features = 1

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


class _Category:
    """The vertex of the category; further out than all of them for categories never seen."""

    def __init__(self, column):
        _refuse_missing(column)
        self.categories = find_levels(column)
        n_categories = len(self.categories)
        counts = np.bincount(level_positions(column, self.categories), minlength=n_categories)
        self.simplex = SimplexCodec(counts) if n_categories > 1 else None
        # a constant column has one feature, which departs from zero for any other category
        self.rare = np.ones(1)
        if self.simplex is not None:
            self.rare = FURTHER_OUT * self.simplex.vertices[counts.argmin()]
        self.n_features = len(self.rare)

    def encode(self, column):
        _refuse_missing(column)
        seen = np.isin(column.values, self.categories)
        Z = np.tile(self.rare, (len(column.values), 1))
        if self.simplex is None:
            Z[seen] = 0.0
        elif seen.any():
            column.values = column.values[seen]
            Z[seen] = self.simplex.encode(level_positions(column, self.categories))
        return Z

    def decode(self, z):
        if self.simplex is None:
            return np.repeat(self.categories, len(z))
        return self.categories[self.simplex.decode(z)]


def _refuse_missing(column):
    if column.missing:
        raise ValueError(
            f"Input X contains NaN or other missing values in column {column.name!r}, which is "
            "categorical: give missing cells a category of their own."
        )


class GapFiller:
    """Fill missing cells by their mean given the others, which is neither usual nor unusual."""

    def __init__(self, Z):
        filled = np.where(np.isnan(Z), np.nanmean(Z, axis=0), Z)
        # new rows may have gaps where training rows have none
        for _ in range(N_ROUNDS if np.isnan(Z).any() else 1):
            self.gaussian = fit_gaussian(filled)
            filled = self(Z)

    def __call__(self, Z):
        """Return rows without gaps."""
        missing = np.isnan(Z)
        gappy = missing.any(1)
        if not gappy.any():
            return Z
        filled = Z.copy()
        x, sigma = np.where(missing, 0.0, Z)[gappy], np.where(missing, UNKNOWN, KNOWN)[gappy]
        with torch.no_grad():
            mean = self.gaussian(torch.from_numpy(x), torch.from_numpy(sigma)).mean.numpy()
        filled[missing] = mean[missing[gappy]]
        return filled
