"""Rows drawn column by column from the leaves of trees."""

import numpy as np
import pytest

from skdiffusion.geometry.sequential_trees import draw_by_trees


@pytest.mark.parametrize("seed", range(5))
class TestDraws:
    def test_a_function_of_the_columns_before(self, seed):
        """What leaves decide holds in every row."""
        rng = np.random.RandomState(seed)
        first = rng.randint(4, size=400)
        Z = np.c_[first, rng.randint(3, size=400), first % 2, first % 2]
        drawn = draw_by_trees(Z.astype(float), np.array([0, 1, 2, 2]), rng)
        np.testing.assert_array_equal(drawn[:, 2], drawn[:, 0] % 2)
        np.testing.assert_array_equal(drawn[:, 3], drawn[:, 2])

    def test_the_distribution_given_the_columns_before(self, seed):
        """A normal one whose spread is another in each half; features of a column stay together."""
        rng = np.random.RandomState(seed)
        side = rng.randint(2, size=4000)
        value = rng.normal(size=4000) * np.where(side, 3.0, 0.5)
        drawn = draw_by_trees(np.c_[side, value, -value], np.array([0, 1, 1]), rng)
        np.testing.assert_array_equal(drawn[:, 1], -drawn[:, 2])
        for half, std in enumerate((0.5, 3.0)):
            part = drawn[drawn[:, 0] == half, 1]
            assert len(part) == np.sum(side == half)
            assert part.std() == pytest.approx(std, rel=0.15)

    def test_rows_are_mixed(self, seed):
        """Independent columns are drawn independently."""
        rng = np.random.RandomState(seed)
        Z = rng.normal(size=(1000, 2))
        drawn = draw_by_trees(Z, np.arange(2), rng)
        np.testing.assert_array_equal(np.sort(drawn[:, 0]), np.sort(Z[:, 0]))
        assert np.isin(drawn[:, 1], Z[:, 1]).all()
        copied = np.isin(drawn @ [1.0, 1j], Z @ [1.0, 1j])
        assert copied.mean() < 0.3
