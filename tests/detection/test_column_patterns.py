"""Halves of the columns, and orders that depend on cells alone."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skdiffusion.detection.column_patterns import (
    N_PATTERNS,
    balanced_patterns,
    canonical_columns,
    canonical_rows,
)


class TestPatterns:
    @pytest.mark.parametrize("d", [3, 7, 15])
    def test_are_balanced(self, d):
        """Each column is in half of them, any two together in a quarter."""
        masks = balanced_patterns(d).astype(float)
        together = masks.T @ masks / len(masks)
        assert_allclose(np.diag(together), 0.5, atol=0.05)
        assert_allclose(together[~np.eye(d, dtype=bool)], 0.25, atol=0.1)

    @pytest.mark.parametrize("d", [1, 2, 4, 8, 16, 31, 32, 100])
    def test_are_few_and_leave_something_out(self, d):
        masks = balanced_patterns(d)
        assert 1 <= len(masks) <= N_PATTERNS
        assert len(np.unique(masks, axis=0)) == len(masks)
        assert masks.any(0).all()
        assert masks.any(1).all()
        assert d == 1 or not masks.all(1).any()
        # no two columns always come together
        assert len(np.unique(masks, axis=1).T) == d


class TestOrders:
    def test_columns(self, global_random_seed):
        rng = np.random.default_rng(global_random_seed)
        Z = rng.normal(size=(200, 6)) + rng.exponential(size=(200, 1))
        order = rng.permutation(6)
        first, places = canonical_columns(Z, np.arange(6))
        second, _ = canonical_columns(Z[rng.permutation(200)][:, order], np.arange(6))
        assert_array_equal(first, order[second])
        assert_array_equal(places, np.arange(6))

    def test_binary_columns_of_one_share(self):
        """Whose cells beside those of the others tell them apart."""
        rng = np.random.default_rng(0)
        Z = np.stack([rng.permutation(np.repeat([-1.0, 1.0], 50)) for _ in range(5)], axis=1)
        Z = np.column_stack([Z, rng.exponential(size=100) + Z[:, 0] - Z[:, 3]])
        assert_array_equal(canonical_columns(Z, np.arange(6))[1], np.arange(6))

    def test_copies_share_a_place(self):
        Z = np.random.default_rng(0).normal(size=(50, 3))[:, [0, 1, 0, 2, 1]]
        order, places = canonical_columns(Z, np.arange(5))
        assert_array_equal(np.sort(np.bincount(places)), [1, 2, 2])
        of_column = dict(zip(order.tolist(), places.tolist(), strict=True))
        assert of_column[0] == of_column[2] != of_column[1] == of_column[4]

    def test_features_of_a_column_stay_together(self):
        Z = np.random.default_rng(0).normal(size=(50, 5))
        order, places = canonical_columns(Z, np.array([0, 1, 1, 2, 2]))
        assert_array_equal(np.sort(order), [0, 1, 2])
        assert_array_equal(places, [0, 1, 2])

    def test_rows(self):
        rng = np.random.default_rng(0)
        Z = rng.integers(0, 3, size=(60, 3)).astype(float)
        other = Z[rng.permutation(60)]
        assert_array_equal(Z[canonical_rows(Z)], other[canonical_rows(other)])
