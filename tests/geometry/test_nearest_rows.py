"""Neighbour graphs against sorted distances."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skdiffusion.geometry.nearest_rows import neighbor_graph

X = np.random.default_rng(0).normal(size=(60, 3))


@pytest.mark.parametrize("k", [1, 7, 59])
def test_against_sorting(k):
    distances, indices = neighbor_graph(X, k)
    expected = np.linalg.norm(X[:, None] - X, axis=2)
    np.fill_diagonal(expected, np.inf)
    assert_allclose(distances, np.sort(expected, axis=1)[:, :k])
    assert_array_equal(indices, np.argsort(expected, axis=1)[:, :k])


def test_equal_rows_are_neighbours_but_none_of_itself():
    rows = np.repeat(X[:6], 5, axis=0)
    distances, indices = neighbor_graph(rows, 4)
    assert_allclose(distances, 0, atol=1e-7)
    assert (indices != np.arange(30)[:, None]).all()
    assert_array_equal(indices // 5, np.tile(np.arange(30)[:, None] // 5, 4))
