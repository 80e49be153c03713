"""The target as one more column of the table."""

import narwhals as nw
import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_array, column_or_1d

from skdiffusion.tables.encoder import TableEncoder
from skdiffusion.tables.frames import as_series, read_table
from skdiffusion.tables.reading import NUMERIC, TEMPORAL, read_array
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
        values = read_values(y)
        series = nw.from_native(y, series_only=True, pass_through=True)
        self.template_ = series.head(0).to_native() if isinstance(series, nw.Series) else None
        self.is_categorical_ = is_categorical(values, self.target)
        if self.is_categorical_:
            self.classes_, labels = np.unique(values, return_inverse=True)
            counts = np.bincount(labels, sample_weight)
            self.class_prior_ = counts / counts.sum()
        chosen = [0] if self.is_categorical_ else None
        self.encoder_ = TableEncoder(
            categorical_features=chosen, numeric_transform=self.numeric_transform, identifiers=None
        )
        X = values.reshape(-1, 1)
        self.encoder_.fit_columns(X, read_table(X), sample_weight)
        return self

    def transform(self, y):
        return self.encoder_.transform(self.known(y).reshape(-1, 1))

    def known(self, y):
        """Return the values of a target, or raise for classes that `fit` has not seen."""
        values = read_values(y)
        if self.is_categorical_:
            known_positions(values, self.classes_, "y")
        elif values.dtype.kind not in "iufb":
            raise ValueError(f"The target was numbers in fit and y is not now, but {values[0]!r}.")
        return values

    def inverse_transform(self, codes, settled=None):
        """Decode to a target like that of `fit`, but for cells that are settled."""
        return self.as_target(self.encoder_.decode_table(codes, settled=settled)[:, 0])

    def as_target(self, values):
        """Put values into a container like that of `fit`."""
        if self.template_ is None:
            return values
        template = nw.from_native(self.template_, series_only=True)
        if template.dtype.is_integer():
            # which scikit-learn reads as floats where its data type has missing cells
            values = np.rint(values.astype(np.float64)).astype(np.int64)
        return as_series(values, template)


def read_values(y, *, warn=True):
    """Return a target as an array of classes or numbers, or raise where it is neither."""
    y = column_or_1d(check_array(y, ensure_2d=False, dtype=None, input_name="y"), warn=warn)
    column = read_array("y", y)
    if column.kind in TEMPORAL:
        raise TypeError(
            "A target of dates or durations cannot be learned: convert it to numbers, or make it a "
            "column of X and draw given it by conditions."
        )
    if column.missing:
        raise ValueError("Input y contains missing values: drop those rows, or fill them.")
    if y.dtype == object and column.kind in NUMERIC:
        return column.values.astype(column.stored)
    if y.dtype == object and column.kind != "boolean" and not all(isinstance(v, str) for v in y):
        held = sorted({type(value).__name__ for value in y})
        raise TypeError(
            f"The target y holds {' and '.join(held)} objects: convert it to numbers, or all of it "
            "to strings."
        )
    return y


def is_categorical(values, target="auto"):
    """Decide whether a target consists of classes."""
    if target != "auto" or values.dtype.kind not in "iuf":
        return target != "continuous"
    n_distinct = len(np.unique(values))
    whole = bool(np.all(values == np.rint(values)))
    return whole and n_distinct <= min(MAX_CLASSES, max(2, len(values) // 2))
