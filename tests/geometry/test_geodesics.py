"""Paths along neighbour graphs against known geodesics, and greedy coverage against all choices."""

from itertools import combinations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree
from scipy.spatial.distance import cdist
from sklearn.neighbors import kneighbors_graph

from benchmarks.known_manifolds import Sphere, SwissRoll
from skdiffusion.geometry.geodesics import (
    _shortest_path,
    _smooth,
    farthest_points,
    geodesic_graph,
    geodesic_path,
    resample_path,
)


def path_length(path):
    return float(np.linalg.norm(np.diff(path, axis=0), axis=1).sum())


@pytest.fixture(scope="module")
def roll():
    return SwissRoll(), SwissRoll().sample(1500, random_state=0)


def steps(path):
    return np.linalg.norm(np.diff(path, axis=0), axis=1)


class TestGraph:
    def test_of_a_connected_set_it_is_that_of_neighbours(self, roll):
        _, X = roll
        graph = geodesic_graph(X, n_neighbors=8)
        expected = kneighbors_graph(X, 8, mode="distance").toarray()
        assert_allclose(graph.toarray(), np.maximum(expected, expected.T))

    @pytest.mark.parametrize("n_groups", [2, 7])
    def test_groups_are_joined_as_by_a_spanning_tree(self, n_groups):
        rng = np.random.default_rng(n_groups)
        centres = 20 * rng.normal(size=(n_groups, 3))
        X = (centres[:, None] + rng.normal(size=(n_groups, 15, 3))).reshape(-1, 3)
        graph = geodesic_graph(X, n_neighbors=4)
        apart = kneighbors_graph(X, 4, mode="distance")
        assert connected_components(apart, directed=False)[0] == n_groups
        assert connected_components(graph, directed=False)[0] == 1
        between = np.where(
            np.arange(len(X))[:, None] // 15 != np.arange(len(X)) // 15, graph.toarray(), 0
        )
        distances = cdist(X, X).reshape(n_groups, 15, n_groups, 15).min(axis=(1, 3))
        tree = np.sort(minimum_spanning_tree(distances).data)
        assert_allclose(
            np.sort(between[np.triu_indices(len(X))][between[np.triu_indices(len(X))] > 0]), tree
        )

    def test_equal_rows_are_connected(self):
        X = np.repeat([[0.0], [1.0], [5.0]], 4, axis=0)
        graph = geodesic_graph(X, n_neighbors=2)
        assert connected_components(graph, directed=False)[0] == 1
        assert_allclose(path_length(geodesic_path(X, X[0], X[-1])), 5)

    def test_more_neighbours_than_rows(self):
        X = np.array([[0.0], [1.0], [3.0]])
        assert_allclose(geodesic_graph(X, n_neighbors=9).toarray(), cdist(X, X))


class TestPath:
    def test_length_on_a_roll(self, roll, global_random_seed):
        manifold, X = roll
        pairs = np.random.default_rng(global_random_seed).choice(len(X), size=(40, 2))
        true = manifold.geodesic_distance(X[pairs[:, 0]], X[pairs[:, 1]])
        far = np.flatnonzero(true > np.median(true))[:6]
        paths = [geodesic_path(X, X[i], X[j]) for i, j in pairs[far]]
        ratio = np.array([path_length(path) for path in paths]) / true[far]
        assert abs(ratio - 1).max() < 0.06
        assert np.mean([manifold.distance(path).mean() for path in paths]) < 0.03

    def test_length_on_a_sphere(self):
        sphere = Sphere()
        X = sphere.sample(1500, random_state=1)
        a, b = np.array([1.0, 0.0, 0.0]), np.array([-0.6, 0.8, 0.0])
        path = geodesic_path(X, a, b)
        assert_allclose(path_length(path), np.arccos(-0.6), rtol=0.03)

    @pytest.mark.parametrize("n_points", [2, 3, 40])
    def test_ends_and_spacing(self, roll, n_points):
        _, X = roll
        a, b = X[3] + 0.01, X[700] - 0.01
        path = geodesic_path(X, a, b, n_points)
        assert path.shape == (n_points, 3)
        assert_array_equal(path[[0, -1]], [a, b])
        # equal along the path; a chord across a bend is shorter
        assert steps(path).max() < 1.2 * np.median(steps(path))

    def test_back_and_forth(self, roll):
        _, X = roll
        there, back = geodesic_path(X, X[0], X[9]), geodesic_path(X, X[9], X[0])
        assert_allclose(there, back[::-1], atol=1e-9)

    def test_the_zigzag_over_rows_is_smoothed(self, global_random_seed):
        X = np.random.default_rng(global_random_seed).uniform(size=(800, 2)) * [10, 1]
        a, b = X[X[:, 0].argmin()], X[X[:, 0].argmax()]
        corners = np.concatenate([[a], X[_shortest_path(X, a, b)], [b]])
        turn = [
            np.linalg.norm(np.diff(path, n=2, axis=0), axis=1).mean()
            for path in (resample_path(corners, 50), geodesic_path(X, a, b))
        ]
        assert turn[1] < 0.7 * turn[0]

    def test_smoothing_keeps_straight_lines_and_ends(self):
        line = np.linspace(0, 1, 30)[:, None] * [1.0, 2.0]
        assert_allclose(_smooth(line, 3.0), line, atol=1e-12)
        rough = np.random.default_rng(0).normal(size=(9, 2))
        assert_array_equal(_smooth(rough, 5.0)[[0, -1]], rough[[0, -1]])

    def test_near_rows_are_joined_straight(self, roll):
        _, X = roll
        path = geodesic_path(X, X[0], X[0] + 1e-3, 5)
        assert_allclose(path - X[0], np.linspace(0, 1e-3, 5)[:, None] * np.ones(3), atol=1e-12)

    def test_from_a_row_to_itself(self, roll):
        _, X = roll
        assert_allclose(geodesic_path(X, X[0], X[0], 4), np.tile(X[0], (4, 1)))

    def test_two_rows(self):
        X = np.array([[0.0, 0.0], [1.0, 0.0]])
        path = geodesic_path(X, X[0], X[1], 3)
        assert_allclose(path, [[0, 0], [0.5, 0], [1, 0]], atol=1e-12)


class TestResample:
    def test_equal_steps_along_a_line(self):
        path = resample_path(np.array([[0.0], [0.1], [5.0], [8.0]]), 9)
        assert_allclose(path.ravel(), np.arange(9))

    def test_repeated_points(self):
        path = resample_path(np.array([[0.0], [0.0], [2.0], [2.0]]), 3)
        assert_allclose(path.ravel(), [0, 1, 2])

    def test_a_circle_keeps_its_length(self):
        angle = np.sort(np.random.default_rng(0).uniform(0, np.pi, 4000))
        path = resample_path(np.stack([np.cos(angle), np.sin(angle)], 1), 500)
        assert_allclose(path_length(path), np.ptp(angle), rtol=1e-4)
        assert_allclose(steps(path), steps(path)[0], rtol=1e-2)


def largest_gap(candidates, rows):
    """Largest distance of a candidate from its nearest row."""
    return cdist(candidates, rows).min(axis=1).max()


class TestFarthest:
    def test_at_most_twice_the_best_gap(self, global_random_seed):
        rng = np.random.default_rng(global_random_seed)
        candidates, X = rng.normal(size=(14, 2)), rng.normal(size=(3, 2))
        chosen = farthest_points(candidates, X, 3)
        best = min(
            largest_gap(candidates, np.concatenate([X, candidates[list(some)]]))
            for some in combinations(range(14), 3)
        )
        found = largest_gap(candidates, np.concatenate([X, candidates[chosen]]))
        assert best <= found <= 2 * best

    def test_each_choice_is_the_farthest_of_what_is_left(self):
        rng = np.random.default_rng(0)
        candidates, rows = rng.normal(size=(50, 3)), rng.normal(size=(20, 3))
        for index in farthest_points(candidates, rows, 10):
            gaps = cdist(candidates, rows).min(axis=1)
            assert_allclose(gaps[index], gaps.max())
            rows = np.concatenate([rows, candidates[[index]]])

    def test_empty_regions_come_first(self):
        """Rows in three corners of a square: the fourth is explored."""
        rng = np.random.default_rng(0)
        square = rng.uniform(-1, 1, size=(2000, 2))
        X = square[~((square > 0).all(axis=1))]
        candidates = rng.uniform(-1, 1, size=(500, 2))
        chosen = farthest_points(candidates, X, 12)
        assert (candidates[chosen] > -0.05).all()

    def test_copies_are_not_chosen_twice(self):
        chosen = farthest_points(np.ones((5, 2)), np.zeros((1, 2)), 5)
        assert_array_equal(np.sort(chosen), np.arange(5))
