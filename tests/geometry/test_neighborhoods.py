"""Rows drawn between a row and its neighbours."""

import numpy as np
import pytest

from skdiffusion.geometry.neighborhoods import draw_between, neighborhoods

RNG = np.random.RandomState(0)
X = RNG.normal(size=(300, 3)) @ RNG.normal(size=(3, 3))
ONE = np.zeros(300, dtype=int)


class TestNeighborhoods:
    def test_every_row_takes_part_equally(self):
        weights = neighborhoods(X, ONE, 5)
        np.testing.assert_allclose(weights.sum(0), 1, atol=1e-6)
        np.testing.assert_allclose(weights.sum(1), 1, atol=1e-6)

    def test_groups_do_not_mix(self):
        groups = np.arange(300) % 7
        row, column = neighborhoods(X, groups, 5).nonzero()
        assert (groups[row] == groups[column]).all()
        assert (np.bincount(row) > 5).all()

    def test_without_neighbours_rows_stay(self):
        drawn = draw_between(X, neighborhoods(X, ONE, 0), np.arange(300), RNG)
        np.testing.assert_allclose(drawn, X)

    def test_a_row_alone_in_its_group(self):
        groups = np.r_[1, np.zeros(299, dtype=int)]
        drawn = draw_between(X, neighborhoods(X, groups, 5), np.zeros(4, dtype=int), RNG)
        np.testing.assert_allclose(drawn, np.tile(X[0], (4, 1)))


class TestDrawBetween:
    @pytest.mark.parametrize("seed", range(5))
    def test_the_distribution_is_that_of_the_rows(self, seed):
        weights, rng = neighborhoods(X, ONE, 5), np.random.RandomState(seed)
        drawn = draw_between(X, weights, np.tile(np.arange(300), 10), rng)
        np.testing.assert_allclose(drawn.mean(0), X.mean(0), atol=0.1)
        np.testing.assert_allclose(np.cov(drawn.T), np.cov(X.T), rtol=0.25, atol=0.15)

    def test_cells_are_those_of_neighbours(self):
        drawn = draw_between(X, neighborhoods(X, ONE, 5), np.arange(300), RNG)
        for column, values in zip(drawn.T, X.T, strict=True):
            assert np.isin(column, values).all()
        assert (drawn != X).any(1).mean() > 0.9
