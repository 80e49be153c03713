"""Rows as the detector sees them: numbers, vertices of categories, and departures."""

import warnings

import numpy as np
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import column_or_1d

from skdiffusion.closed_forms.gap_filling import draw_completions
from skdiffusion.detection.column_patterns import canonical_columns
from skdiffusion.detection.coordinates import Coordinates
from skdiffusion.tables.coders import scatter
from skdiffusion.tables.encoder import TableEncoder
from skdiffusion.tables.frames import read_table
from skdiffusion.tables.vocabulary import find_positions

# A category that was never seen lies this many times as far out as the rarest that was
FURTHER_OUT = 1.5
# Standard deviations that a departure from a constant counts for
DEPARTURE = 3.0


class RowEncoder:
    """Encode tables with a feature for each constant column, and a place for new categories."""

    def __init__(self, X, categorical_features):
        columns = read_table(X)
        self.table = TableEncoder(
            categorical_features=categorical_features,
            numeric_transform="standard",
            handle_unknown="missing",
            constraints=None,
        ).fit_columns(X, columns)
        for hint in self.table._hints:
            warnings.warn(hint, UserWarning, stacklevel=4)
        coders = self.table._coders
        self.is_void = [coder.is_empty or coder.kind == "identifier" for coder in coders]
        if all(self.is_void):
            raise ValueError("Every column of X is constant: there is nothing to learn.")
        has_no_feature = [coder.codec.n_encoded == 0 for coder in coders]
        is_constant = np.array(has_no_feature) & ~np.array(self.is_void)
        self.constant = np.flatnonzero(is_constant)
        groups = np.append(self.table.groups_, self.constant)
        is_number = np.array([coder.levels is None for coder in coders])[groups]
        Z = self._encode(columns)
        self.coordinates = Coordinates(Z, is_number)
        # in which features and columns come must make no difference, not even by rounding
        order, places = canonical_columns(self.coordinates(Z)[0], groups)
        features = [np.flatnonzero(groups == column) for column in order]
        self.features = np.concatenate(features)
        self.groups = groups[self.features]
        self.places = np.repeat(places, list(map(len, features)))

    def encode(self, X):
        """Return rows in both coordinates, NaN where a cell is missing."""
        return self.coordinates(self._encode(read_table(X)))[:, :, self.features]

    def complete(self, Z, rng):
        """Return rows with their gaps filled by draws, given what is there."""
        if not np.isnan(Z).any():
            return Z
        drawn = self.coordinates.undo(self._in_order(draw_completions(Z[0], 1, rng)[0]))
        n_encoded = self.table.n_encoded_
        # numbers that occur, and categories that exist
        cells = self.table.encode_columns(read_table(self.table.decode_table(drawn[:, :n_encoded])))
        drawn = self.coordinates(np.column_stack([cells, drawn[:, n_encoded:]]))
        return np.where(np.isnan(Z), drawn[:, :, self.features], Z)

    def decode(self, linear, settled=None):
        """Return rows in the container of the training rows, their numbers in the same range."""
        Z = self.coordinates.undo(self._in_order(linear))
        Z, departures = np.split(Z, [self.table.n_encoded_], axis=1)
        gaps = dict(zip(self.constant, np.isnan(departures.T), strict=True))
        return self.table.decode_table(Z, settled=settled, gaps_of_constant=gaps)

    def _in_order(self, linear):
        Z = np.empty_like(linear)
        Z[:, self.features] = linear
        return Z

    def _encode(self, columns):
        Z, departures = self.table.encode_columns(columns), []
        for j, (coder, column) in enumerate(zip(self.table._coders, columns, strict=True)):
            is_constant = coder.codec.n_encoded == 0
            if self.is_void[j]:
                continue
            if coder.levels is not None:
                x = (find_positions(column.observed, coder.levels) < 0).astype(float)
            elif is_constant:
                x = np.sign(coder.numbers(column)[0] - coder.codec.value)
            else:
                continue
            departure = scatter(x, column.gaps, np.nan)
            if is_constant:
                departures.append(DEPARTURE * departure)
            else:
                places = coder.codec.encode(np.arange(len(coder.levels)))
                rarest = places[np.linalg.norm(places, axis=1).argmax()]
                Z[np.ix_(departure == 1, self.table.features_of_column(j))] = FURTHER_OUT * rarest
        return np.column_stack([Z, *departures])


def find_marked(X, y):
    """Return which rows are labelled anomalies."""
    if y is None:
        return np.zeros(len(X), dtype=bool)
    check_consistent_length(X, y)
    y = column_or_1d(y)
    marked = y == -1
    if not marked.any() and set(y.tolist()) == {0, 1}:
        warnings.warn(
            "y holds 0 and 1 and marks no anomaly: only the label -1 does, and all rows are "
            "taken for normal. Leave y out, or mark anomalies by -1.",
            UserWarning,
            stacklevel=3,
        )
    return marked
