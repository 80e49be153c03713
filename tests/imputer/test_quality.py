"""What is filled in, against the exact conditional distribution of a Gaussian."""

import copy

import numpy as np
import pytest
from numpy.testing import assert_allclose


def with_method(imputer, **options):
    return copy.copy(imputer).set_params(**options)


@pytest.fixture(scope="module")
def pair(gaussian):
    """Rows without their second cell, and its exact conditional mean and spread."""
    whole, _ = gaussian.rows(150, 5)
    X = whole.copy()
    X[:, 1] = np.nan
    known = [0, 2]
    gain = np.linalg.solve(gaussian.cov[np.ix_(known, known)], gaussian.cov[known, 1])
    mean = gaussian.mean[1] + (whole[:, known] - gaussian.mean[known]) @ gain
    return X, mean, np.sqrt(gaussian.cov[1, 1] - gaussian.cov[known, 1] @ gain)


class TestMean:
    def test_is_the_conditional_one(self, gaussian, pair):
        X, mean, std = pair
        error = (gaussian.imputer.transform(X)[:, 1] - mean) / std
        assert abs(error.mean()) < 0.1
        assert np.sqrt(np.mean(error**2)) < 0.25

    def test_whatever_is_missing(self, gaussian):
        X = gaussian.rows(120, 6)[1]
        expected = X.copy()
        for row in expected:
            gap = np.isnan(row)
            if gap.all():
                row[:] = gaussian.mean
            elif gap.any():
                cov = gaussian.cov
                gain = np.linalg.solve(cov[np.ix_(~gap, ~gap)], cov[np.ix_(~gap, gap)])
                row[gap] = gaussian.mean[gap] + (row[~gap] - gaussian.mean[~gap]) @ gain
        filled = gaussian.imputer.transform(X)
        error = ((filled - expected) / gaussian.scale)[np.isnan(X)]
        assert np.sqrt(np.mean(error**2)) < 0.2

    def test_several_gaps_of_a_row_agree(self, gaussian):
        """Drawn together, two correlated columns stay so."""
        X = np.full((400, 3), np.nan)
        X[:, 2] = gaussian.rows(400, 7)[0][:, 2]
        filled = with_method(gaussian.imputer, strategy="draw").transform(X)
        assert np.corrcoef(filled.T)[0, 1] > 0.7


class TestDraws:
    def test_have_the_conditional_spread(self, gaussian, pair):
        X, mean, std = pair
        filled = with_method(gaussian.imputer, strategy="draw").transform(X)[:, 1]
        error = (filled - mean) / std
        assert abs(error.mean()) < 0.25
        assert_allclose(error.std(), 1, atol=0.2)

    def test_of_several_tables_do_too(self, gaussian, pair):
        X, mean, std = pair
        tables = gaussian.imputer.sample_imputations(X[:50], 30, random_state=0)
        error = (np.array([table[:, 1] for table in tables]) - mean[:50]) / std
        assert abs(error.mean()) < 0.1
        assert_allclose(error.std(axis=0).mean(), 1, atol=0.1)
        assert np.sqrt(np.mean(error.mean(axis=0) ** 2)) < 0.35
