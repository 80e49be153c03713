"""Neighbour graphs against sorted distances."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.neighbors import KNeighborsTransformer, RadiusNeighborsTransformer
from sklearn.preprocessing import StandardScaler

from skdiffusion.geometry.neighbors import neighbor_graph, restrict_graph

X = np.random.default_rng(0).normal(size=(60, 3))


def by_sorting(X, k):
    """Distances and indices of the nearest others, from all distances."""
    distances = np.linalg.norm(X[:, None] - X, axis=2)
    np.fill_diagonal(distances, np.inf)
    order = np.argsort(distances, axis=1)[:, :k]
    return np.take_along_axis(distances, order, axis=1), order


class TestNeighborGraph:
    @pytest.mark.parametrize("k", [1, 7, 59])
    @pytest.mark.parametrize(
        "transformer", [None, KNeighborsTransformer(), KNeighborsTransformer(algorithm="brute")]
    )
    def test_against_sorting(self, k, transformer):
        distances, indices = neighbor_graph(X, k, transformer=transformer)
        expected = by_sorting(X, k)
        assert_allclose(distances, expected[0])
        assert_array_equal(indices, expected[1])

    @pytest.mark.parametrize("transformer", [None, KNeighborsTransformer()])
    def test_equal_rows_are_neighbours_but_none_of_itself(self, transformer):
        rows = np.repeat(X[:6], 5, axis=0)
        distances, indices = neighbor_graph(rows, 4, transformer=transformer)
        assert_allclose(distances, 0, atol=1e-7)
        assert (indices != np.arange(30)[:, None]).all()
        assert_array_equal(indices // 5, np.tile(np.arange(30)[:, None] // 5, 4))

    def test_the_transformer_given_stays_as_it_is(self):
        given = KNeighborsTransformer(n_neighbors=3)
        neighbor_graph(X, 9, transformer=given)
        assert given.n_neighbors == 3
        assert not hasattr(given, "n_features_in_")

    @pytest.mark.parametrize("k", [0, 60, -1])
    def test_number(self, k):
        with pytest.raises(ValueError, match="must be positive and below n=60"):
            neighbor_graph(X, k)

    def test_not_a_transformer(self):
        with pytest.raises(TypeError, match="like KNeighborsTransformer"):
            neighbor_graph(X, 3, transformer="brute")

    def test_no_distances(self):
        with pytest.raises(ValueError, match="set mode='distance', got 'connectivity'"):
            neighbor_graph(X, 3, transformer=KNeighborsTransformer(mode="connectivity"))

    def test_not_a_sparse_graph(self):
        class Dense(StandardScaler):
            def set_params(self, **params):
                return self

        with pytest.raises(TypeError, match=r"Dense\.fit_transform must return a sparse graph"):
            neighbor_graph(X, 3, transformer=Dense())

    def test_too_few_found(self):
        class Near(RadiusNeighborsTransformer):
            def set_params(self, **params):
                return self

        with pytest.raises(ValueError, match=r"Near found \d of 9 neighbours of row \d+"):
            neighbor_graph(X, 9, transformer=Near(radius=0.5))


class TestRestrictGraph:
    @pytest.mark.parametrize("depth", [9, 15, 59])
    @pytest.mark.parametrize("share", [0.2, 0.8])
    def test_is_the_graph_of_the_rows_kept(self, depth, share):
        """Also of rows most of whose listed neighbours were taken out, or all of them."""
        kept = np.flatnonzero(np.random.default_rng(1).random(60) < share)
        distances, indices = restrict_graph(X, *neighbor_graph(X, depth), kept, 8)
        expected = neighbor_graph(X[kept], 8)
        assert_allclose(distances, expected[0])
        assert_array_equal(indices, expected[1])

    def test_a_graph_that_lists_too_few(self):
        kept = np.arange(0, 60, 2)
        distances, indices = restrict_graph(X, *neighbor_graph(X, 3), kept, 8)
        expected = neighbor_graph(X[kept], 8)
        assert_allclose(distances, expected[0])
        assert_array_equal(indices, expected[1])

    def test_equal_rows(self):
        rows = np.repeat(X[:4], 10, axis=0)
        kept = np.flatnonzero(np.arange(40) % 10 > 2)
        distances, indices = restrict_graph(rows, *neighbor_graph(rows, 9), kept, 6)
        assert_allclose(distances, 0, atol=1e-7)
        assert_array_equal(indices // 7, np.tile(np.arange(28)[:, None] // 7, 6))

    def test_a_row_that_does_not_find_itself(self):
        """Among more equal rows than are searched for."""
        rows = np.repeat(X[:2], 30, axis=0)
        kept = np.flatnonzero(np.arange(60) % 30 > 2)
        distances, indices = restrict_graph(rows, *neighbor_graph(rows, 2), kept, 4)
        assert indices.shape == (54, 4)
        assert_allclose(distances, 0, atol=1e-7)
        assert (indices != np.arange(54)[:, None]).all()
        assert_array_equal(indices // 27, np.tile(np.arange(54)[:, None] // 27, 4))
