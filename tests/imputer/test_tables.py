"""Containers and data types: what was there stays as it was, what was not fits in."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_array_equal
from pandas.testing import assert_frame_equal, assert_index_equal, assert_series_equal

from skdiffusion import TableEncoder

STRATEGIES = ["mean", "draw"]


def as_cell(cell):
    if pd.isna(cell):
        return None
    # polars 1.18 takes the durations of Python, not those of pandas
    return cell.to_pytimedelta() if isinstance(cell, pd.Timedelta) else cell


def to_polars(frame):
    names = frame.columns.drop("size")
    return pl.DataFrame(
        {
            name: pl.Series(name, map(as_cell, frame[name].astype(object)), strict=False)
            for name in names
        }
    ).with_columns(pl.col("kind").cast(pl.Enum(["w", "v", "u"])), pl.col("half").cast(pl.Float32))


@pytest.fixture(scope="module")
def fitted(quick, frame):
    return quick().fit(frame)


class TestPandas:
    @pytest.mark.parametrize(
        ("strategy", "generate_missing"), [("mean", False), ("mean", True), ("draw", True)]
    )
    def test_fills_all_and_changes_nothing(self, quick, frame, strategy, generate_missing):
        before = frame.copy()
        imputer = quick(strategy=strategy, encoder=TableEncoder(missing_indicator=generate_missing))
        filled = imputer.fit(frame).transform(frame)
        assert_frame_equal(frame, before)
        assert not filled.isna().any(axis=None)
        assert_series_equal(filled.dtypes, frame.dtypes)
        assert_index_equal(filled.index, frame.index)
        for name in frame:
            there = frame[name].notna()
            assert_series_equal(filled.loc[there, name], frame.loc[there, name])
            assert name in ("x", "half", "long", "count", "spike", "when") or set(
                filled[name]
            ) <= set(frame[name].dropna())
        assert filled["when"].between(frame["when"].min(), frame["when"].max()).all()

    def test_imputations(self, fitted, frame):
        tables = fitted.sample_imputations(frame, 3, random_state=0)
        there = frame.notna()
        for table in tables:
            assert_series_equal(table.dtypes, frame.dtypes)
            assert_index_equal(table.index, frame.index)
            assert not table.isna().any(axis=None)
            for name in frame:
                assert_series_equal(table.loc[there[name], name], frame.loc[there[name], name])
        assert not tables[0].equals(tables[1])

    def test_any_index(self, fitted, frame):
        expected = fitted.transform(frame)
        odd = frame.set_axis([7] * len(frame))
        filled = fitted.transform(odd)
        assert_index_equal(filled.index, odd.index)
        assert_frame_equal(filled.reset_index(drop=True), expected.reset_index(drop=True))

    def test_rows_without_gaps(self, fitted, frame):
        whole = fitted.transform(frame)
        assert_frame_equal(fitted.transform(whole), whole)
        assert all(whole.equals(table) for table in fitted.sample_imputations(whole, 2))


class TestPolars:
    @pytest.mark.parametrize("strategy", STRATEGIES)
    def test_fills_all_and_changes_nothing(self, quick, frame, strategy):
        table = to_polars(frame)
        imputer = quick(strategy=strategy).fit(table)
        filled = imputer.transform(table)
        assert isinstance(filled, pl.DataFrame)
        assert filled.schema == table.schema
        assert filled.null_count().sum_horizontal().item() == 0
        for name in table.columns:
            there = table[name].is_not_null()
            assert filled[name].filter(there).equals(table[name].filter(there))
        tables = imputer.sample_imputations(table, 2, random_state=0)
        assert all(t.schema == table.schema for t in tables)
        assert not tables[0].equals(tables[1])
        again = imputer.sample_imputations(filled, 2)
        assert all(t.equals(filled) for t in again)


class TestNumpy:
    @pytest.mark.parametrize(("dtype", "strategy"), [(np.float64, "mean"), (np.float32, "draw")])
    def test_numbers(self, quick, dtype, strategy):
        X = np.random.default_rng(0).normal(size=(60, 3)).astype(dtype)
        X[::4, 1] = X[1::5, 2] = np.nan
        X[7] = np.nan
        filled = quick(strategy=strategy).fit_transform(X)
        assert filled.dtype == dtype
        there = ~np.isnan(X)
        assert_array_equal(filled[there], X[there])
        assert np.isfinite(filled).all()

    @pytest.mark.parametrize("strategy", STRATEGIES)
    def test_objects(self, quick, strategy):
        rng = np.random.default_rng(0)
        X = np.empty((60, 3), dtype=object)
        X[:, 0], X[:, 1] = rng.normal(size=60), rng.choice(["a", "b"], 60)
        # categories that cannot be compared
        X[:, 2] = [1 if k % 3 else "one" for k in range(60)]
        X[::4, 0], X[1::4, 1], X[2::4, 2] = np.nan, None, None
        filled = quick(strategy=strategy).fit_transform(X)
        assert filled.dtype == object
        assert all(isinstance(cell, float) and np.isfinite(cell) for cell in filled[:, 0])
        assert set(filled[:, 1]) == {"a", "b"}
        assert set(filled[:, 2]) == {1, "one"}
        there = np.array([[cell == cell and cell is not None for cell in row] for row in X])
        assert (filled[there] == X[there]).all()

    def test_gaps_in_a_column_that_had_none(self, quick):
        X = np.random.default_rng(0).normal(size=(60, 2))
        X[::4, 1] = np.nan
        fresh = X[:8].copy()
        fresh[:, 0] = np.nan
        assert np.isfinite(quick().fit(X).transform(fresh)).all()

    def test_gaps_in_whole_numbers_that_had_none(self, quick):
        X = np.random.default_rng(0).integers(0, 40, size=(60, 2))
        fresh = X[:8].astype(float)
        fresh[:, 0] = np.nan
        filled = quick().fit(X).transform(fresh)
        assert_array_equal(filled, filled.round())
        assert_array_equal(filled[:, 1], X[:8, 1])

    @pytest.mark.parametrize("kind", ["int64", "bool", "str"])
    def test_gaps_in_a_column_of_a_frame_that_had_none(self, quick, kind):
        x = np.random.default_rng(0).normal(size=60)
        column = {"int64": np.arange(60), "bool": x > 0, "str": np.where(x > 0, "a", "b")}[kind]
        table = pd.DataFrame({"x": x, "other": column})
        fresh = table[:6].astype({"other": object})
        fresh.loc[:3, "other"] = None
        filled = quick().fit(table).transform(fresh)
        assert filled["other"].notna().all()
        assert filled["other"][4] == table["other"][4]


class TestEmptyColumns:
    @pytest.mark.parametrize("strategy", STRATEGIES)
    def test_stay_as_they_are(self, quick, strategy):
        X = np.random.default_rng(0).normal(size=(50, 3))
        X[:, 1] = np.nan
        X[::3, 0] = np.nan
        filled = quick(strategy=strategy).fit_transform(X)
        assert np.isnan(filled[:, 1]).all()
        assert np.isfinite(filled[:, [0, 2]]).all()

    @pytest.mark.parametrize("dtype", [object, "category", "Int64", "datetime64[ns]", "string"])
    def test_of_any_type(self, quick, frame, dtype):
        table = frame[["x", "city"]].assign(empty=pd.Series(None, frame.index, dtype=dtype))
        filled = quick().fit(table).transform(table)
        assert filled["empty"].isna().all()
        assert filled[["x", "city"]].notna().all(axis=None)
        assert filled["empty"].dtype == table["empty"].dtype
