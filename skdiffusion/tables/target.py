"""The target as one more column of the table."""

import narwhals as nw
import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_array, column_or_1d

from skdiffusion.tables.encoder import TableEncoder
from skdiffusion.tables.frames import as_series, read_table
from skdiffusion.tables.vocabulary import known_positions

TARGETS = ("auto", "categorical", "continuous")
MAX_CLASSES = 20


class TargetEncoder(BaseEstimator):
    """Code a target invertibly: classes as a simplex, numbers as :class:`TableEncoder` does."""

    def __init__(self, *, target="auto", numeric_transform="auto"):
        self.target = target
        self.numeric_transform = numeric_transform

    def fit(self, y, sample_weight=None):
        """Learn the coding of a target, whose rows count by their weights."""
        if self.target not in TARGETS:
            raise ValueError(f"target must be one of {TARGETS}, got {self.target!r}.")
        values = self._values(y)
        series = nw.from_native(y, series_only=True, pass_through=True)
        self.template_ = series.head(0) if isinstance(series, nw.Series) else None
        self.is_categorical_ = self.target == "categorical" or (
            self.target == "auto" and is_categorical(values)
        )
        if self.is_categorical_:
            self.classes_, labels = np.unique(values, return_inverse=True)
            counts = np.bincount(labels, sample_weight)
            self.class_prior_ = counts / counts.sum()
        chosen = [0] if self.is_categorical_ else None
        self.encoder_ = TableEncoder(
            categorical_features=chosen, numeric_transform=self.numeric_transform
        )
        X = values.reshape(-1, 1)
        self.encoder_.fit_columns(X, read_table(X), sample_weight)
        return self

    def transform(self, y):
        """Code a target."""
        return self.encoder_.transform(self.known(y).reshape(-1, 1))

    def known(self, y):
        """Return the values of a target, or raise for classes that `fit` has not seen."""
        values = self._values(y)
        if self.is_categorical_:
            known_positions(values, self.classes_, "y")
        return values

    def inverse_transform(self, codes, settled=None):
        """Decode to a target like that of `fit`, but for cells that are settled."""
        return self.as_target(self.encoder_.decode_table(codes, settled=settled)[:, 0])

    def as_target(self, values):
        """Put values into a container like that of `fit`."""
        if self.template_ is None:
            return values
        series = as_series(values, self.template_)
        return nw.from_native(series, series_only=True).alias(self.template_.name).to_native()

    @staticmethod
    def _values(y):
        y = check_array(y, ensure_2d=False, dtype=None, input_name="y")
        y = column_or_1d(y, warn=True)
        if y.dtype.kind in "mM":
            raise TypeError(
                f"TargetEncoder cannot code a target of {y.dtype} values: convert it to numbers."
            )
        if y.dtype == object and any(value is None or value != value for value in y):
            raise ValueError("Input y contains missing values: drop those rows, or fill them.")
        return y


def is_categorical(values):
    """Decide whether a target consists of classes."""
    if values.dtype.kind not in "iuf":
        return True
    n_distinct = len(np.unique(values))
    whole = bool(np.all(values == np.rint(values)))
    return whole and n_distinct <= min(MAX_CLASSES, max(2, len(values) // 2))
