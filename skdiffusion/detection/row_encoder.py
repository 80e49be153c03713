"""Rows as the detector sees them: standard deviations, vertices of categories, and no gaps."""

import warnings

import numpy as np
import torch
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import column_or_1d

from skdiffusion.closed_forms.baselines import fit_gaussian
from skdiffusion.tables.coders import scatter
from skdiffusion.tables.encoder import TableEncoder
from skdiffusion.tables.frames import read_table
from skdiffusion.tables.vocabulary import find_positions

# A category that was never seen lies this many times as far out as the rarest that was
FURTHER_OUT = 1.5

# Noise levels of missing and of present cells, in standard deviations
UNKNOWN, KNOWN = 1e3, 1e-3

N_ROUNDS = 20


class RowEncoder:
    """Encode tables with a feature for each constant column, and a place for new categories."""

    def __init__(self, X, categorical_features):
        columns = read_table(X)
        for column in columns:
            if column.missing == len(column.values):
                raise ValueError(
                    f"Input X contains NaN alone in column {column.name!r}: drop the column."
                )
        self.table = TableEncoder(
            categorical_features=categorical_features,
            numeric_transform="standard",
            handle_unknown="missing",
        ).fit_columns(X, columns)
        is_constant = [codec.n_encoded == 0 for codec in self.table.codecs_]
        self.groups = np.append(self.table.groups_, np.flatnonzero(is_constant))

    def encode(self, X):
        """Return encoded rows, NaN where a cell is missing."""
        columns = read_table(X)
        Z, departures = self.table.encode_columns(columns), []
        for j, (coder, column) in enumerate(zip(self.table._coders, columns, strict=True)):
            is_constant = coder.codec.n_encoded == 0
            if coder.levels is not None:
                x = (find_positions(column.observed, coder.levels) < 0).astype(float)
            elif is_constant:
                x = coder.numbers(column)[0] - coder.codec.value
            else:
                continue
            departure = scatter(x, column.gaps, np.nan)
            if is_constant:
                departures.append(departure)
            else:
                places = coder.codec.encode(np.arange(len(coder.levels)))
                rarest = places[np.linalg.norm(places, axis=1).argmax()]
                Z[np.ix_(departure == 1, self.table.features_of_column(j))] = FURTHER_OUT * rarest
        return np.column_stack([Z, *departures])

    def decode(self, Z):
        """Return rows in the container of the training rows, their numbers in the same range."""
        return self.table.decode_table(Z[:, : self.table.n_encoded_])


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
        gappy, filled = missing.any(1), Z.copy()
        x = np.where(missing, 0.0, Z)[gappy]
        sigma = np.where(missing, UNKNOWN, KNOWN)[gappy]
        with torch.no_grad():
            mean = self.gaussian(torch.from_numpy(x), torch.from_numpy(sigma)).mean.numpy()
        filled[missing] = mean[missing[gappy]]
        return filled


def find_marked(X, y):
    """Return which rows are labelled anomalies."""
    if y is None:
        return np.zeros(len(X), dtype=bool)
    check_consistent_length(X, y)
    y = column_or_1d(y)
    marked = y == -1
    if not marked.any() and set(np.unique(y)) == {0, 1}:
        warnings.warn(
            "y holds 0 and 1 and marks no anomaly: only the label -1 does, and all rows are "
            "taken for normal. Leave y out, or mark anomalies by -1.",
            UserWarning,
            stacklevel=3,
        )
    return marked
