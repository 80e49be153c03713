"""Tables whose numbers may be missing, as they are read."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator

from skdiffusion.tables.frames import read_table, validate_table

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


class TestReadTable:
    @every_container
    def test_missing_numbers_are_nan(self, X):
        (column,) = read_table(X)
        assert column.kind in {"continuous", "integer"}
        assert column.missing == 1
        assert_array_equal(column.values, [1.0, np.nan, 3.0])

    def test_infinity_is_refused(self):
        with pytest.raises(ValueError, match="infinity in column 'a'"):
            read_table(pd.DataFrame({"a": [np.inf, np.nan]}))

    def test_integers_that_are_not_exact_are_refused(self):
        X = pd.DataFrame({"a": pd.array([2**53, None], dtype="Int64")})
        with pytest.raises(ValueError, match="2\\*\\*53 or more"):
            read_table(X)


class TestValidateTable:
    def test_of_arrays(self):
        estimator, X = BaseEstimator(), CONTAINERS["array"]
        assert_array_equal(validate_table(estimator, X, reset=True, allow_missing=True), X)
        assert estimator.n_features_in_ == 1
        with pytest.raises(ValueError, match="contains NaN"):
            validate_table(BaseEstimator(), X, reset=True)
        with pytest.raises(ValueError, match="infinity"):
            validate_table(BaseEstimator(), np.array([[np.inf]]), reset=True, allow_missing=True)
