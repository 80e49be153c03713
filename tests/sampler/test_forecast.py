"""Targets that are drawn given rows, as forecasts are."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal


@pytest.fixture(scope="module")
def fresh(regression):
    """Rows, their targets, and the exact conditional mean and spread of these."""
    rng = np.random.default_rng(7)
    y = rng.normal(size=200)
    X = np.column_stack([y + regression.noise * rng.normal(size=200), rng.normal(size=200)])
    shrink = 1 / (1 + regression.noise**2)
    return X, y, shrink * X[:, 0], np.sqrt(shrink) * regression.noise


class TestNumbers:
    def test_follow_the_exact_conditional_distribution(self, regression, fresh):
        X, _, mean, std = fresh
        inner = np.abs(X[:, 0]) < 2
        Y = regression.sampler.sample_y(X[inner][:50], 100, random_state=0)
        assert Y.shape == (50, 100)
        errors = Y.mean(axis=1) - mean[inner][:50]
        assert abs(errors.mean()) < 0.05
        assert np.sqrt(np.mean(errors**2)) < 0.1
        assert_allclose(Y.std(axis=1).mean(), std, rtol=0.15)

    def test_intervals_are_calibrated(self, regression, fresh, global_random_seed):
        X, y, _, _ = fresh
        Y = regression.sampler.sample_y(X, 50, random_state=global_random_seed)
        for share in (0.5, 0.8, 0.95):
            low, high = np.quantile(Y, [(1 - share) / 2, (1 + share) / 2], axis=1)
            covered = np.mean((low <= y) & (y <= high))
            # three standard errors of the share, and what the model may be off
            assert abs(covered - share) < 3 * np.sqrt(share * (1 - share) / len(y)) + 0.03

    def test_missing_cells_are_unknown(self, regression, fresh):
        X, _, mean, std = fresh
        blind = X[:60].copy()
        blind[:30, 0] = np.nan
        blind[30:, 1] = np.nan
        Y = regression.sampler.sample_y(blind, 100, random_state=0)
        assert_allclose(Y[:30].mean(axis=1), 0, atol=0.4)
        assert_allclose(Y[:30].std(axis=1).mean(), 1, rtol=0.15)
        inner = np.abs(X[30:60, 0]) < 2
        assert_allclose(Y[30:].mean(axis=1)[inner], mean[30:60][inner], atol=0.25)
        assert_allclose(Y[30:].std(axis=1)[inner].mean(), std, rtol=0.2)

    def test_an_empty_row_gets_the_marginal_distribution(self, regression):
        Y = regression.sampler.sample_y(np.full((1, 2), np.nan), 1000, random_state=0)
        assert abs(Y.mean() - regression.y.mean()) < 0.12
        assert_allclose(Y.std(), regression.y.std(), rtol=0.12)

    def test_each_row_has_its_draws_in_its_line(self, regression):
        X = np.array([[-1.5, 0.0], [1.5, 0.0]])
        Y = regression.sampler.sample_y(X, 50, random_state=0)
        assert (Y[0] < 0).all()
        assert (Y[1] > 0).all()

    def test_one_by_default(self, regression):
        assert regression.sampler.sample_y(regression.X[:4]).shape == (4, 1)

    def test_whole_numbers_stay_whole(self, quick):
        X = np.random.default_rng(0).normal(size=(80, 2))
        Y = quick().fit(X, np.arange(80)).sample_y(X[:3], 5, random_state=0)
        assert Y.dtype.kind == "i"


class TestClasses:
    def test_follow_the_exact_probabilities(self, blobs):
        at = {name: centre for name, centre in blobs.centres.items()}
        Y = blobs.sampler.sample_y(np.array([*at.values()]), 100, random_state=0)
        for row, name in zip(Y, at, strict=True):
            assert np.mean(row == name) > 0.9

    def test_missing_cells_leave_them_open(self, blobs):
        """The first column tells green from the others, and the share of these is all there is."""
        Y = blobs.sampler.sample_y(np.array([[0.0, np.nan], [4.0, np.nan]]), 500, random_state=0)
        share = np.mean(blobs.y == "blue") / np.mean(blobs.y != "green")
        assert abs(np.mean(Y[0] == "blue") - share) < 0.1
        assert np.mean(Y[1] == "green") > 0.97

    def test_of_a_series_in_a_frame(self, quick, pandas_table):
        y = pandas_table["city"].astype("category")
        X = pandas_table.drop(columns="city").copy()
        X.loc[X.index[::3], "size"] = np.nan
        sampler = quick().fit(X, y)
        Y = sampler.sample_y(X[:7], 4, random_state=0)
        assert Y.shape == (7, 4)
        assert set(Y.ravel()) <= set(y)

    def test_booleans(self, quick):
        X = np.random.default_rng(0).normal(size=(80, 2))
        Y = quick().fit(X, X[:, 0] > 0).sample_y(X[:5], 3, random_state=0)
        assert Y.dtype == bool


class TestContract:
    def test_reproducible(self, regression):
        X = regression.X[:6]
        first, second, third = (
            regression.sampler.sample_y(X, 3, random_state=seed) for seed in (0, 0, 1)
        )
        assert_array_equal(first, second)
        assert not np.intersect1d(first, third).size

    def test_draws_differ(self, regression):
        Y = regression.sampler.sample_y(np.repeat(regression.X[:1], 5, axis=0), 4, random_state=0)
        assert len(np.unique(Y)) == 20

    def test_without_a_target(self, gaussian):
        with pytest.raises(ValueError, match="There is no target"):
            gaussian.sampler.sample_y(gaussian.X[:3])

    @pytest.mark.parametrize("n_samples", [0, -2, 1.5])
    def test_number_of_draws(self, regression, n_samples):
        with pytest.raises(ValueError, match="n_samples must be at least 1"):
            regression.sampler.sample_y(regression.X[:3], n_samples)

    def test_other_columns(self, quick):
        frame = pd.DataFrame(np.random.default_rng(0).normal(size=(40, 2)), columns=["a", "b"])
        sampler = quick().fit(frame, frame["a"])
        with pytest.raises(ValueError, match="feature names"):
            sampler.sample_y(frame.rename(columns={"b": "c"}))
