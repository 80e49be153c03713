"""Columns of any names can be named: tuples, times, floats, and text beside positions."""

from datetime import date

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_array_equal

from skdiffusion import RiemannianKernelSmoother, TableEncoder
from skdiffusion.tables.conditions import read_conditions

VALUES = np.random.default_rng(0).integers(0, 5, (60, 3)) + 0.5
NAMES = {
    "tuples": pd.MultiIndex.from_tuples([("g", "x"), ("g", "y"), ("h", "x")]),
    "times": pd.to_datetime(["2024-01", "2024-02", "2024-03"]),
    "floats": [0.5, 1.5, 2.5],
    "dates": [date(2024, 1, 1), date(2024, 1, 2), date(2024, 1, 3)],
    "periods": pd.period_range("2024", periods=3, freq="D"),
    "integers": [2, 0, 1],
    "text": list("abc"),
}
every_name = pytest.mark.parametrize("names", NAMES.values(), ids=NAMES)


def table(names):
    return pd.DataFrame(VALUES, columns=names)


@every_name
def test_in_parameters(names):
    X = table(names)
    first, second, third = X.columns
    encoder = TableEncoder(
        numeric_transform={first: "standard"},
        categorical_features=[second],
        ordinal_features={third: [0.5, 1.5, 2.5, 3.5, 4.5]},
    ).fit(X)
    assert encoder.kinds_ == ["continuous", "categorical", "ordinal"]
    assert encoder.transforms_ == ["standard", "simplex", "quantile"]
    assert encoder.inverse_transform(encoder.transform(X)).equals(X)
    for chosen in (X.columns[1:2], np.array([False, True, False]), [False, True, False]):
        assert TableEncoder(categorical_features=chosen).fit(X).kinds_[1] == "categorical"


@every_name
def test_in_conditions(names):
    X = table(names)
    encoder = TableEncoder().fit(X)
    for j, name in enumerate(X.columns):
        read = read_conditions(encoder, {name: 2.5})
        assert_array_equal(read.known[0], encoder.groups_ == j)
    rows = read_conditions(encoder, X.head(2))
    assert_array_equal(rows.values, encoder.transform(X.head(2)))
    model = RiemannianKernelSmoother(random_state=0).fit(X)
    assert model.sample(conditions=X.head(2), random_state=0).equals(X.head(2))
    assert (model.sample(3, conditions={X.columns[1]: 1.5}, random_state=0).iloc[:, 1] == 1.5).all()


@pytest.mark.parametrize("names", [NAMES["tuples"], NAMES["times"], NAMES["text"]])
def test_positions_where_no_column_has_that_name(names):
    encoder = TableEncoder().fit(table(names))
    for key in (1, -2, np.int64(1)):
        known = read_conditions(encoder, {key: 0.5}).known[0]
        assert_array_equal(known, encoder.groups_ == 1)


def test_a_name_comes_before_a_position():
    encoder = TableEncoder().fit(table(NAMES["integers"]))
    assert_array_equal(read_conditions(encoder, {2: 0.5}).known[0], encoder.groups_ == 0)


@pytest.mark.parametrize("key", ["z", ("g", "z"), pd.Timestamp("2025"), 9.5, 7, None, np.arange(2)])
@pytest.mark.parametrize("names", [NAMES["tuples"], NAMES["times"], NAMES["text"]])
def test_others_are_refused(names, key):
    with pytest.raises(ValueError, match=r"categorical_features names the column .* does not have"):
        TableEncoder(categorical_features=[key]).fit(table(names))


def test_in_polars():
    X = pl.DataFrame(VALUES, schema=["0", "x y", "é"])
    encoder = TableEncoder(categorical_features=pl.Series(["x y"])).fit(X)
    assert encoder.kinds_ == ["continuous", "categorical", "continuous"]
