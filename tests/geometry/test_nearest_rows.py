"""Neighbour graphs against sorted distances."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.neighbors import KNeighborsTransformer, RadiusNeighborsTransformer
from sklearn.preprocessing import StandardScaler

from skdiffusion.geometry.nearest_rows import neighbor_graph

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
