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

    def test_cells_lie_between_those_of_neighbours(self):
        weights = neighborhoods(X, ONE, 5)
        drawn = draw_between(X, weights, np.arange(300), RNG)
        for row, near in zip(drawn, weights, strict=True):
            own = X[near.indices]
            assert (own.min(0) <= row).all() and (row <= own.max(0)).all()
        assert (drawn != X).any(1).mean() > 0.9

    def test_ties_stay(self):
        tied = np.c_[X, RNG.choice([0.0, 7.0], 300)]
        weights = neighborhoods(tied, (tied[:, 3] > 0).astype(int), 5)
        drawn = draw_between(tied, weights, np.arange(300), RNG)
        np.testing.assert_array_equal(drawn[:, 3], tied[:, 3])

    def test_nearest_rows_are_found_among_many_groups(self):
        """What keeps groups apart must not cost the digits that tell neighbours."""
        line = np.repeat(np.arange(200.0), 20)[:, None] * np.ones((1, 20))
        line = line + 0.01 * np.tile(np.arange(20.0), 200)[:, None]
        groups = np.repeat(np.arange(200), 20)
        row, column = neighborhoods(line, groups, 2).nonzero()
        assert (np.abs(row - column) <= 2).all()
