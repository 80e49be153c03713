"""Encoded rows and targets: what the estimators fit their denoisers to."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np


@dataclass(frozen=True)
class EncodedRows:
    """Encoded rows of `fit` with their target behind them."""

    encoder: Any
    target_encoder: Any  # None without a target
    Z: np.ndarray  # (n, d), NaN where a cell is missing
    weights: np.ndarray | None = None  # (n,), of the rows
    measured: Any = None  # what was measured of the rows while their units were chosen

    def encoded_by(self, encoder):
        """Return the same rows as another encoder makes them of these."""
        own, target = self.Z[:, ~self.is_target], self.Z[:, self.is_target]
        return replace(self, encoder=encoder, Z=np.hstack([encoder.reencode(own), target]))

    @property
    def is_target(self):
        """Which features are the target's."""
        return np.arange(self.Z.shape[1]) >= self.encoder.n_encoded_

    @property
    def is_class(self):
        """Which features are those of classes."""
        has_classes = self.target_encoder is not None and self.target_encoder.is_categorical_
        return self.is_target & has_classes

    @property
    def groups(self):
        """The table column of each feature, (d,), numbered without gaps."""
        return np.unique(self.columns, return_inverse=True)[1]

    @property
    def columns(self):
        """The table column of each feature, (d,); indicators and the target count on from them."""
        encoder = self.encoder
        # an indicator may be known where its column is not
        own = encoder.groups_ + encoder.n_features_in_ * encoder.is_indicator_
        target = np.full(self.is_target.sum(), 2 * encoder.n_features_in_)
        return np.concatenate([own, target])

    @property
    def category_blocks(self):
        """Positions and vertices of each category, those of the target last."""
        blocks = list(self.encoder.category_blocks())
        if self.target_encoder is not None:
            start = self.encoder.n_encoded_
            own = self.target_encoder.encoder_.category_blocks()
            blocks += [(columns + start, vertices) for columns, vertices in own]
        return blocks

    @property
    def is_category(self):
        """Which features are those of categories, the classes of a target among them."""
        own = [column for columns, _ in self.category_blocks for column in columns]
        return np.isin(np.arange(self.Z.shape[1]), own)


def merge_copies(rows):
    """Return distinct rows with the sums of their weights, where numbers are continuous."""
    # a held-out set would share copies with its training set; discrete rows may well be equal
    if "continuous" not in rows.encoder.kinds_:
        return rows
    distinct, place = np.unique(rows.Z, axis=0, return_inverse=True)
    if rows.weights is None and len(distinct) == len(rows.Z):
        return rows
    return replace(rows, Z=distinct, weights=np.bincount(place.ravel(), rows.weights))


def encode_rows(encoder, columns, target_encoder, y, rng):
    """Return columns and their target as encoded features, rounded numbers spread."""
    Z = encoder.dequantize(encoder.encode_columns(columns), rng)
    if target_encoder is None:
        return Z
    own = target_encoder.encoder_.dequantize(target_encoder.transform(y), rng)
    return np.concatenate([Z, own], axis=1)
