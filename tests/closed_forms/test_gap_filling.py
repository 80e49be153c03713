"""Gaps filled with draws, against the conditional distributions they should come from."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skdiffusion.closed_forms.gap_filling import draw_completions

COV = np.array([[1.0, 0.8, 0.5], [0.8, 1.0, 0.3], [0.5, 0.3, 1.0]])


def gaussian_rows(n, seed=0):
    return np.random.RandomState(seed).multivariate_normal([1.0, -2.0, 0.0], COV, n)


def with_gaps(X, share=0.3, seed=1):
    Z = X.copy()
    Z[np.random.RandomState(seed).rand(*X.shape) < share] = np.nan
    return Z


class TestConditionalDistribution:
    def test_of_a_gaussian(self):
        """Mean and variance of what is drawn for one column, given each of the others."""
        X = gaussian_rows(3000)
        Z = X.copy()
        Z[:1000, 0] = np.nan
        filled = draw_completions(Z, n_completions=20, random_state=0)[:, :1000, 0]
        slope = np.linalg.solve(COV[1:, 1:], COV[1:, 0])
        mean = 1.0 + (X[:1000, 1:] - [-2.0, 0.0]) @ slope
        variance = 1.0 - COV[0, 1:] @ slope
        # the distribution itself is estimated from 2000 rows
        assert np.abs(filled.mean(0) - mean).mean() < 0.15
        assert_allclose((filled - mean).mean(), 0, atol=0.06)
        assert_allclose(filled.var(0).mean(), variance, rtol=0.15)

    def test_moments_of_the_whole_are_kept(self):
        """Conditional means in the gaps would leave variances of a tenth less and more."""
        Z = with_gaps(gaussian_rows(4000))
        for filled in draw_completions(Z, n_completions=2, random_state=0):
            assert_allclose(filled.mean(0), [1.0, -2.0, 0.0], atol=0.08)
            assert_allclose(np.cov(filled.T), COV, atol=0.08)

    def test_of_several_modes(self):
        """Which of two clusters a row is in decides what is drawn, and not their mean."""
        rng = np.random.RandomState(0)
        side = rng.choice([-1.0, 1.0], 1500)
        X = np.c_[3 * side, -2 * side] + 0.2 * rng.normal(size=(1500, 2))
        Z = X.copy()
        Z[:300, 1] = np.nan
        filled = draw_completions(Z, random_state=0)[:, :300, 1]
        assert np.mean(np.abs(filled + 2 * side[:300]) < 1) > 0.99
        assert_allclose(np.std(filled + 2 * side[:300]), 0.2, rtol=0.2)

    @pytest.mark.parametrize("d", [65, 70])
    def test_of_many_columns(self, d):
        """Beyond the mixture: a factor that all columns share, of which some show it."""
        rng = np.random.RandomState(0)
        factor = rng.normal(size=(600, 1))
        X = factor + 0.3 * rng.normal(size=(600, d))
        Z = with_gaps(X, 0.2)
        filled = draw_completions(Z, n_completions=2, random_state=0)
        gaps = np.isnan(Z)
        error = (filled - factor)[:, gaps]
        assert_allclose(error.std(), 0.3, rtol=0.15)
        assert_allclose(filled[:, gaps].std(), np.sqrt(1.09), rtol=0.1)

    def test_of_more_columns_than_a_covariance_is_estimated_for(self):
        rng = np.random.RandomState(0)
        X = rng.choice([0.0, 1.0, 5.0], (150, 300))
        Z = with_gaps(X, 0.1)
        filled = draw_completions(Z, random_state=0)
        # what occurs, and as often
        assert set(np.unique(filled)) == {0.0, 1.0, 5.0}
        assert_allclose(filled[:, np.isnan(Z)].mean(), X.mean(), atol=0.1)


class TestCompletions:
    @pytest.mark.parametrize("d", [1, 3, 70, 300])
    def test_what_is_there_stays(self, d):
        X = np.random.RandomState(0).normal(size=(24, d))
        Z = with_gaps(X)
        filled = draw_completions(Z, n_completions=3, random_state=0)
        assert filled.shape == (3, 24, d)
        assert np.isfinite(filled).all()
        there = ~np.isnan(Z)
        assert_array_equal(filled[:, there], np.broadcast_to(X[there], (3, there.sum())))
        assert np.mean(filled[0] != filled[1], where=~there) > 0.9
        assert np.mean(filled[1] != filled[2], where=~there) > 0.9
        assert np.isnan(Z).any()

    @pytest.mark.parametrize("d", [3, 70, 300])
    def test_is_reproducible(self, d):
        Z = with_gaps(np.random.RandomState(0).normal(size=(12, d)))
        first, second, other = (draw_completions(Z, 1, seed) for seed in (0, 0, 1))
        assert_array_equal(first, second)
        assert not np.array_equal(first, other)

    @pytest.mark.parametrize("d", [2, 70])
    def test_one_cell_in_a_column(self, d):
        Z = np.random.RandomState(0).normal(size=(14, d))
        Z[1:, 0] = np.nan
        filled = draw_completions(Z, random_state=0)
        assert np.isfinite(filled).all()
        assert np.abs(filled[:, :, 0] - Z[0, 0]).max() < 6

    def test_a_row_without_any(self):
        Z = gaussian_rows(300)
        Z[::4] = np.nan
        filled = draw_completions(Z, n_completions=10, random_state=0)[:, ::4].reshape(-1, 3)
        assert_allclose(filled.mean(0), [1.0, -2.0, 0.0], atol=0.25)
        assert_allclose(np.cov(filled.T), COV, atol=0.25)

    def test_columns_that_repeat_each_other(self):
        """Covariances without an inverse."""
        x = np.random.RandomState(0).normal(size=(300, 1))
        for d in (3, 70):
            Z = with_gaps(np.repeat(x, d, axis=1), 0.2)
            Z[:, 0] = x[:, 0]
            error = (draw_completions(Z, random_state=0) - x)[:, np.isnan(Z)]
            assert np.abs(error).mean() < 0.1
