"""Frames in, frames of the same columns and data types out."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_array_equal

from skdiffusion import TableEncoder


@pytest.fixture(scope="module")
def fitted_pandas(quick, pandas_table):
    return quick().fit(pandas_table)


@pytest.fixture(scope="module")
def fitted_polars(quick, polars_table):
    return quick().fit(polars_table)


class TestPandas:
    def test_columns_and_types(self, fitted_pandas, pandas_table):
        rows = fitted_pandas.sample(50, random_state=0)
        assert isinstance(rows, pd.DataFrame)
        pd.testing.assert_series_equal(rows.dtypes, pandas_table.dtypes)
        assert rows.index.tolist() == list(range(50))
        assert rows["kind"].cat.categories.equals(pandas_table["kind"].cat.categories)
        assert not rows.isna().any(axis=None)

    def test_values_are_possible_ones(self, fitted_pandas, pandas_table):
        rows = fitted_pandas.sample(200, random_state=0)
        for name in ("city", "kind", "flag", "nullable"):
            assert set(rows[name]) <= set(pandas_table[name])
        for name in ("size", "weight", "count", "small"):
            assert rows[name].between(pandas_table[name].min(), pandas_table[name].max()).all()

    def test_frequencies_of_levels(self, fitted_pandas, pandas_table):
        rows = fitted_pandas.sample(1000, random_state=0)
        for name in ("city", "flag"):
            drawn, seen = (t[name].value_counts(normalize=True) for t in (rows, pandas_table))
            assert (drawn - seen).abs().max() < 0.12

    def test_names(self, fitted_pandas, pandas_table):
        assert_array_equal(fitted_pandas.feature_names_in_, pandas_table.columns)
        assert fitted_pandas.n_features_in_ == pandas_table.shape[1]

    def test_scores_take_any_index(self, fitted_pandas, pandas_table):
        rows = pandas_table[:6]
        expected = fitted_pandas.score_samples(rows)
        assert_array_equal(fitted_pandas.score_samples(rows.set_index([[9] * 6])), expected)


class TestPolars:
    def test_columns_and_types(self, fitted_polars, polars_table):
        rows = fitted_polars.sample(50, random_state=0)
        assert isinstance(rows, pl.DataFrame)
        assert rows.schema == polars_table.schema
        assert rows.null_count().sum_horizontal().item() == 0

    def test_values_are_possible_ones(self, fitted_polars, polars_table):
        rows = fitted_polars.sample(200, random_state=0)
        for name in ("city", "kind", "free", "flag"):
            assert set(rows[name]) <= set(polars_table[name])

    def test_names(self, fitted_polars, polars_table):
        assert_array_equal(fitted_polars.feature_names_in_, polars_table.columns)

    def test_scores_and_latents(self, fitted_polars, polars_table):
        rows = polars_table[:5]
        assert np.isfinite(fitted_polars.score_samples(rows)).all()
        back = fitted_polars.inverse_transform(fitted_polars.transform(rows))
        assert back.schema == polars_table.schema


class TestContainers:
    def test_make_no_difference(self, quick):
        """The same numbers give the same model in an array and in both frames."""
        X = np.random.default_rng(0).normal(size=(80, 3))
        containers = [X, pd.DataFrame(X, columns=list("abc")), pl.DataFrame(X, schema=list("abc"))]
        samplers = [quick().fit(table) for table in containers]
        scores = [s.score_samples(t[:9]) for s, t in zip(samplers, containers, strict=True)]
        rows = [np.asarray(s.sample(9, random_state=0)) for s in samplers]
        for k in (1, 2):
            assert_array_equal(scores[k], scores[0])
            assert_array_equal(rows[k], rows[0])

    def test_array_types(self, quick):
        X = np.random.default_rng(0).poisson(30, size=(80, 2))
        assert quick().fit(X).sample(4).dtype == X.dtype
        assert quick().fit(X.astype(np.float32)).sample(4).dtype == np.float32

    def test_an_array_of_objects(self, quick):
        rng = np.random.default_rng(0)
        X = np.empty((80, 2), dtype=object)
        X[:, 0], X[:, 1] = rng.normal(size=80), rng.choice(["a", "b"], 80)
        rows = quick().fit(X).sample(5)
        assert rows.dtype == object
        assert all(isinstance(cell, float) for cell in rows[:, 0])
        assert set(rows[:, 1]) <= {"a", "b"}

    def test_categories_by_name(self, quick, pandas_table):
        encoder = TableEncoder(categorical_features=["small", "city", "kind"])
        sampler = quick(encoder=encoder).fit(pandas_table)
        assert sampler.model_.encoder.kinds_[3] == "categorical"
        assert set(sampler.sample(50)["small"]) <= set(pandas_table["small"])

    def test_no_names_without_a_frame(self, gaussian):
        assert not hasattr(gaussian.sampler, "feature_names_in_")
        assert gaussian.sampler.n_features_in_ == 5


class TestMismatch:
    @pytest.mark.parametrize("method", ["score_samples", "transform"])
    def test_order_of_columns(self, fitted_pandas, pandas_table, method):
        with pytest.raises(ValueError, match="must be in the same order"):
            getattr(fitted_pandas, method)(pandas_table[pandas_table.columns[::-1]])

    def test_order_of_columns_in_polars(self, fitted_polars, polars_table):
        with pytest.raises(ValueError, match="must be in the same order"):
            fitted_polars.score_samples(polars_table[polars_table.columns[::-1]])

    def test_a_column_too_few(self, fitted_pandas, pandas_table):
        with pytest.raises(ValueError, match=r"(?s)now missing.*city"):
            fitted_pandas.score_samples(pandas_table.drop(columns="city"))

    def test_a_column_too_many(self, gaussian):
        with pytest.raises(ValueError, match=r"6 features.*expecting 5"):
            gaussian.sampler.score_samples(np.zeros((3, 6)))

    def test_unknown_category(self, fitted_pandas, pandas_table):
        rows = pandas_table[:3].assign(city=["Oslo", "Atlantis", "Rome"])
        with pytest.raises(ValueError, match=r"unknown categories 'Atlantis' in column 'city'"):
            fitted_pandas.score_samples(rows)

    def test_unknown_category_in_polars(self, fitted_polars, polars_table):
        rows = polars_table[:3].with_columns(city=pl.Series(["Oslo", "Atlantis", "Rome"]))
        with pytest.raises(ValueError, match=r"unknown categories 'Atlantis' in column 'city'"):
            fitted_polars.score_samples(rows)
