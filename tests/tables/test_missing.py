"""Tables whose numbers may be missing, as the detector reads them."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator

from skdiffusion.tables.frames import read_columns, validate_table

GAPS = [1.0, None, 3.0]
CONTAINERS = {
    "array": np.array([[1.0], [np.nan], [3.0]]),
    "objects": np.array([[1.0], [None], [3.0]], dtype=object),
    "pandas": pd.DataFrame({"a": GAPS}),
    "pandas Int64": pd.DataFrame({"a": pd.array([1, None, 3], dtype="Int64")}),
    "pandas Float32": pd.DataFrame({"a": pd.array(GAPS, dtype="Float32")}),
    "pandas objects": pd.DataFrame({"a": pd.Series([1, None, 3], dtype=object)}),
    "polars": pl.DataFrame({"a": GAPS}),
    "polars integers": pl.DataFrame({"a": [1, None, 3]}),
    "polars NaN": pl.DataFrame({"a": [1.0, float("nan"), 3.0]}),
}
every_container = pytest.mark.parametrize("X", CONTAINERS.values(), ids=CONTAINERS)
EMPTY = {
    "pandas objects": pd.DataFrame({"a": [None, None]}),
    "pandas NA": pd.DataFrame({"a": [pd.NA, pd.NA]}),
    "polars": pl.DataFrame({"a": [None, None]}),
    "polars words": pl.DataFrame({"a": pl.Series([None, None], dtype=pl.String)}),
    "objects": np.array([[None], [None]], dtype=object),
}


class TestReadColumns:
    @every_container
    def test_missing_numbers_are_nan(self, X):
        (column,) = read_columns(X, allow_missing=True)
        assert column.kind in {"continuous", "integer"}
        assert column.missing == 1
        assert_array_equal(column.values, [1.0, np.nan, 3.0])

    @every_container
    def test_are_refused_unless_allowed(self, X):
        with pytest.raises(ValueError, match=r"NaN or other missing values in column .* \(1 cells"):
            read_columns(X)

    @pytest.mark.parametrize("X", EMPTY.values(), ids=EMPTY)
    def test_a_column_without_a_cell(self, X):
        """Of a type that tells nothing: it may be a number's."""
        (column,) = read_columns(X, allow_missing=True)
        assert column.kind == "continuous"
        assert np.isnan(column.values).all()
        assert column.missing == 2
        with pytest.raises(ValueError, match=r"missing values in column .* \(2 cells\)"):
            read_columns(X)

    @pytest.mark.parametrize(
        "X",
        [pd.DataFrame({"a": ["x", None]}), pl.DataFrame({"a": ["x", None]}),
         pl.DataFrame({"a": [True, None]}), np.array([["x"], [None]], dtype=object)],
    )  # fmt: skip
    def test_missing_categories_are_refused(self, X):
        with pytest.raises(ValueError, match=r"missing values in column .* \(1 cells\)"):
            read_columns(X, allow_missing=True)

    def test_infinity_is_refused(self):
        with pytest.raises(ValueError, match="infinity in column 'a'"):
            read_columns(pd.DataFrame({"a": [np.inf, np.nan]}), allow_missing=True)

    def test_integers_that_are_not_exact_are_refused(self):
        X = pd.DataFrame({"a": pd.array([2**53, None], dtype="Int64")})
        with pytest.raises(ValueError, match="2\\*\\*53 or more"):
            read_columns(X, allow_missing=True)


class TestValidateTable:
    def test_of_arrays(self):
        estimator, X = BaseEstimator(), CONTAINERS["array"]
        assert_array_equal(validate_table(estimator, X, reset=True, allow_missing=True), X)
        assert estimator.n_features_in_ == 1
        with pytest.raises(ValueError, match="contains NaN"):
            validate_table(BaseEstimator(), X, reset=True)
        with pytest.raises(ValueError, match="infinity"):
            validate_table(BaseEstimator(), np.array([[np.inf]]), reset=True, allow_missing=True)
