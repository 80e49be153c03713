"""Distances to the nearest rows under masks, against brute force."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skdiffusion.detection.nearest import RESOLUTION, Nearest, log_distance

MASKS = np.array(
    [[True, True, False, False], [True, False, True, True], [False, True, True, False]]
)


def rows(n, seed):
    return np.random.default_rng(seed).normal(size=(n, 4))


def brute(Z, new, mask):
    return np.sqrt((((new[:, None] - Z) ** 2) @ mask) / mask.sum())


class TestNearest:
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_new_rows(self, dtype):
        Z, new = rows(80, 0), rows(30, 1)
        distances, nearest = Nearest(Z, MASKS, 100, dtype=dtype).find(new)
        for k, mask in enumerate(MASKS):
            every = brute(Z, new, mask)
            assert_allclose(distances[:, k], every.min(1))
            assert_array_equal(nearest[:, k], every.argmin(1))

    def test_training_rows_are_not_their_own(self):
        Z = rows(80, 0)
        found = Nearest(Z, MASKS, 100).held_out(Z)
        for k, mask in enumerate(MASKS):
            others = brute(Z, Z, mask) + np.diag(np.full(80, np.inf))
            assert_allclose(found[:, k], others.min(1))

    def test_each_mask_has_rows_of_its_own(self):
        """Where not all are remembered; a row that is not is no neighbour of others either."""
        Z = rows(90, 0)
        nearest = Nearest(Z, MASKS, 30)
        assert_array_equal(np.bincount(nearest.rows.ravel()), np.ones(90))
        found = nearest.held_out(Z)
        for k, mask in enumerate(MASKS):
            others = brute(Z[nearest.rows[k]], Z, mask)
            others[nearest.rows[k], np.arange(30)] = np.inf
            assert_allclose(found[:, k], others.min(1))

    def test_more_neighbours_count_by_their_mean(self):
        Z, new = rows(80, 0), rows(30, 1)
        nearest = Nearest(Z, MASKS, 100, n_neighbors=7)
        for k, mask in enumerate(MASKS):
            expected = np.sort(brute(Z, new, mask), axis=1)[:, :7].mean(1)
            assert_allclose(nearest.find(new)[0][:, k], expected, rtol=1e-5)

    @pytest.mark.parametrize(("wanted", "expected"), [(99, 79), (10, 10), (0, 1)])
    def test_number_of_neighbours(self, wanted, expected):
        assert Nearest(rows(80, 0), MASKS, 100, wanted).n_neighbors == expected

    def test_neighbours_are_a_share_of_those_remembered(self):
        assert Nearest(rows(80, 0), MASKS, 40, 20).n_neighbors == 10

    def test_copies_are_at_distance_zero(self):
        """Exactly, far from the origin too, where squares lose their digits."""
        Z = 1e3 + rows(40, 0)
        whole = Nearest(np.concatenate([Z, Z[:1]]), np.ones((1, 4), dtype=bool), 100)
        assert_array_equal(whole.held_out(np.concatenate([Z, Z[:1]]))[[0, 40], 0], 0)
        assert whole.find(Z)[0].max() < 1e-9

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_batches(self, dtype):
        Z, new = rows(500, 0), rows(60, 1)
        nearest = Nearest(Z, MASKS, 100, dtype=dtype)
        single = np.concatenate([nearest.find(row[None])[0] for row in new])
        assert_array_equal(single, nearest.find(new)[0])


def test_log_distance():
    """Minus infinity is nowhere: distances below the resolution count alike."""
    assert_allclose(log_distance(np.array([0.0, 3.0])), [np.log(RESOLUTION), np.log(3)], rtol=1e-5)
