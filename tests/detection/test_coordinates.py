"""Units that a gross cell does not set, and ranks."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import norm, rankdata

from skdiffusion.detection.coordinates import (
    FARTHEST,
    Coordinates,
    GaussianRanks,
    without_own_rank,
)


class TestCoordinates:
    def test_standard_deviations(self):
        Z = np.random.default_rng(0).normal(3, 2, size=(200, 2))
        linear, _ = Coordinates(Z, np.ones(2, dtype=bool))(Z)
        assert_allclose(linear, (Z - Z.mean(0)) / Z.std(0))

    @pytest.mark.parametrize("code", [1e3, 1e9, -1e9])
    def test_a_gross_cell_sets_no_unit(self, code):
        Z = np.random.default_rng(0).normal(size=(200, 1))
        with_code = np.concatenate([Z, [[code]]])
        plain, robust = (Coordinates(rows, np.ones(1, dtype=bool)) for rows in (Z, with_code))
        assert_allclose(robust(Z), plain(Z))
        far = robust(np.array([[code]]))[:, 0, 0]
        assert_array_equal(np.sign(far), np.sign(code))
        assert far[0] == np.sign(code) * FARTHEST
        assert abs(far[1]) > FARTHEST / 2

    def test_a_column_of_few_values_keeps_its_own(self):
        """Most cells are equal: the others are no gross ones."""
        Z = np.repeat([0.0, 5.0], [198, 2])[:, None]
        linear, _ = Coordinates(Z, np.ones(1, dtype=bool))(Z)
        assert_allclose(linear.std(), 1)

    def test_gaps_and_categories_stay(self):
        Z = np.random.default_rng(0).normal(size=(50, 2)) * 3
        Z[4, 0] = np.nan
        coordinates = Coordinates(Z, np.array([True, False]))
        X = coordinates(Z)
        assert_array_equal(X[:, :, 1], [Z[:, 1]] * 2)
        assert np.isnan(X).sum() == 2
        assert_allclose(coordinates.undo(X[0]), Z)


class TestRanks:
    def test_are_scores_of_middle_ranks(self):
        x = np.random.default_rng(0).integers(0, 9, 100).astype(float)
        scores = norm.ppf((rankdata(x) - 0.5) / 100)
        expected = (scores - scores.mean()) / scores.std()
        assert_allclose(GaussianRanks(x)(x), expected)

    def test_go_on_beyond_the_extremes(self):
        x = np.random.default_rng(0).normal(size=400)
        ranks = GaussianRanks(x)
        ends = ranks(np.array([x.min(), x.max()]))
        steps = ranks(np.array([x.min() - 2, x.max() + 2])) - ends
        assert_allclose(steps, np.array([-2, 2]) / ranks.spread)


class TestWithoutOwnRank:
    def test_nearest_distances_are_those_of_the_other_rows_ranks(self):
        """In one column, to ranks that the row has no part in."""
        x = np.random.default_rng(0).normal(size=200)
        ranked = GaussianRanks(x)(x)
        own = without_own_rank(x[:, None], ranked[:, None])[:, 0]
        found = np.abs(own[:, None] - ranked) + np.diag(np.full(200, np.inf))
        inner = np.argsort(x)[20:-20]
        for i in inner[::7]:
            others = GaussianRanks(np.delete(x, i))
            expected = np.abs(others(x[[i]]) - others(np.delete(x, i))).min()
            assert_allclose(found[i].min(), expected, atol=2e-3)

    def test_extremes_are_beyond_the_others(self):
        x = np.array([0.0, 1.0, 2.0, 3.0, 7.0])
        ranked = GaussianRanks(x)(x)
        own = without_own_rank(x[:, None], ranked[:, None])[:, 0]
        assert_allclose(own[[0, 4]], [ranked[1] - 1, ranked[3] + 4])

    def test_ties_keep_theirs(self):
        x = np.array([0.0, 1.0, 1.0, 2.0, 2.0, 2.0])[:, None]
        ranked = GaussianRanks(x[:, 0])(x[:, 0])[:, None]
        assert_array_equal(without_own_rank(x, ranked)[1:], ranked[1:])


@pytest.mark.parametrize("seed", range(5))
def test_rounding_does_not_decide_on_ranks_of_whole_numbers(seed):
    """Halfway between its neighbours a number is as near to one as to the other, shifted or not."""
    rng = np.random.default_rng(seed)
    linear = rng.permutation(40).astype(float)[:, np.newaxis]
    ranked = linear / 40
    found = without_own_rank(linear, ranked)
    assert_allclose(without_own_rank(linear + rng.normal(), ranked), found, atol=1e-12)
