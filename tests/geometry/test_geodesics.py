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
    farthest_points,
    geodesic_graph,
    geodesic_path,
    path_length,
    resample_path,
)


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

    def test_no_neighbours(self):
        with pytest.raises(ValueError, match="n_neighbors must be at least 1, got 0"):
            geodesic_graph(np.eye(3), n_neighbors=0)


class TestPath:
    def test_length_on_a_roll(self, roll):
        manifold, X = roll
        rng = np.random.default_rng(0)
        pairs = rng.choice(len(X), size=(200, 2))
        true = manifold.geodesic_distance(X[pairs[:, 0]], X[pairs[:, 1]])
        far = np.flatnonzero(true > np.median(true))[:15]
        graph = geodesic_graph(X)
        paths = [geodesic_path(X, X[i], X[j], graph=graph) for i, j in pairs[far]]
        ratio = np.array([path_length(path) for path in paths]) / true[far]
        assert abs(ratio - 1).max() < 0.06
        assert np.mean([manifold.distance(path).mean() for path in paths]) < 0.03

    def test_length_on_a_sphere(self):
        sphere = Sphere()
        X = sphere.sample(1500, random_state=1)
        a, b = np.array([1.0, 0.0, 0.0]), np.array([-0.6, 0.8, 0.0])
        path = geodesic_path(X, a, b)
        assert_allclose(path_length(path), np.arccos(-0.6), rtol=0.03)

    def test_over_the_rows_it_is_never_shorter_than_the_truth(self, roll):
        manifold, X = roll
        true = manifold.geodesic_distance(X[:10], X[10:20])
        for a, b, length in zip(X[:10], X[10:20], true, strict=True):
            fine = geodesic_path(X, a, b, 2000, smoothing=0)
            # an edge is a chord, shorter than the arc by the bend of a short piece
            assert path_length(fine) > 0.99 * length

    @pytest.mark.parametrize("smoothing", [0, 0.5, 2])
    @pytest.mark.parametrize("n_points", [2, 3, 40])
    def test_ends_and_spacing(self, roll, smoothing, n_points):
        _, X = roll
        a, b = X[3] + 0.01, X[700] - 0.01
        path = geodesic_path(X, a, b, n_points, smoothing=smoothing)
        assert path.shape == (n_points, 3)
        assert_array_equal(path[[0, -1]], [a, b])
        # equal along the path; a chord across a bend is shorter
        assert steps(path).max() < (1.6 if smoothing == 0 else 1.2) * np.median(steps(path))

    def test_back_and_forth(self, roll):
        _, X = roll
        there, back = geodesic_path(X, X[0], X[9]), geodesic_path(X, X[9], X[0])
        assert_allclose(there, back[::-1], atol=1e-9)

    def test_smoothing_takes_the_zigzag_away(self):
        X = np.random.default_rng(0).uniform(size=(800, 2)) * [10, 1]
        rough, smooth = (
            geodesic_path(X, X[X[:, 0].argmin()], X[X[:, 0].argmax()], smoothing=s)
            for s in (0, 0.5)
        )
        turn = [
            np.linalg.norm(np.diff(path, n=2, axis=0), axis=1).mean() for path in (rough, smooth)
        ]
        assert turn[1] < 0.7 * turn[0]

    def test_near_rows_are_joined_straight(self, roll):
        _, X = roll
        path = geodesic_path(X, X[0], X[0] + 1e-3, 5)
        assert_allclose(path - X[0], np.linspace(0, 1e-3, 5)[:, None] * np.ones(3), atol=1e-12)

    def test_from_a_row_to_itself(self, roll):
        _, X = roll
        assert_allclose(geodesic_path(X, X[0], X[0], 4), np.tile(X[0], (4, 1)))

    def test_two_rows(self):
        path = geodesic_path([[0.0, 0.0], [1.0, 0.0]], [0.0, 0.0], [1.0, 0.0], 3, n_neighbors=5)
        assert_allclose(path, [[0, 0], [0.5, 0], [1, 0]], atol=1e-12)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"a": np.zeros(2)}, r"a must be one row of 3 columns, got shape \(2,\)"),
            ({"b": np.zeros((1, 3))}, r"b must be one row of 3 columns, got shape \(1, 3\)"),
            ({"b": [0, np.nan, 0]}, "b contains NaN"),
            ({"n_points": 1}, "n_points must be at least 2"),
            ({"smoothing": -1}, "smoothing must not be negative"),
            ({"graph": geodesic_graph(np.eye(3))}, "graph is of 3 rows, but X has 20"),
        ],
    )
    def test_bad_input(self, roll, change, message):
        X = roll[1][:20]
        with pytest.raises(ValueError, match=message):
            geodesic_path(**{"X": X, "a": X[0], "b": X[1], **change})


class TestResample:
    def test_equal_steps_along_a_line(self):
        path = resample_path([[0.0], [0.1], [5.0], [8.0]], 9)
        assert_allclose(path.ravel(), np.arange(9))

    def test_repeated_points(self):
        path = resample_path([[0.0], [0.0], [2.0], [2.0]], 3)
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
    @pytest.mark.parametrize("seed", range(5))
    def test_at_most_twice_the_best_gap(self, seed):
        rng = np.random.default_rng(seed)
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

    def test_implausible_candidates_are_left_out(self):
        candidates = np.array([[1.0], [2.0], [50.0], [3.0]])
        log_density = np.array([0.0, -1.0, -900.0, -2.0])
        chosen = farthest_points(candidates, [[0.0]], 3, log_density=log_density, floor=-5)
        assert_array_equal(chosen, [3, 0, 1])
        assert farthest_points(candidates, [[0.0]], 1, log_density=log_density)[0] == 2

    def test_copies_are_not_chosen_twice(self):
        chosen = farthest_points(np.ones((5, 2)), [[0.0, 0.0]], 5)
        assert_array_equal(np.sort(chosen), np.arange(5))

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"n": 4}, "n=4 must be at least 1 and at most 3"),
            ({"n": 0}, "n=0 must be"),
            ({"X": np.zeros((2, 3))}, "candidates have 2 columns, but X has 3"),
            ({"floor": 0.0}, "floor needs the log_density"),
            ({"floor": 0.0, "log_density": [1.0]}, "one value per candidate, 3"),
            ({"floor": 0.0, "log_density": [1.0, np.nan, -1.0], "n": 2}, "at most 1"),
        ],
    )
    def test_bad_input(self, change, message):
        arguments = {"candidates": np.eye(3)[:, :2], "X": np.zeros((1, 2)), "n": 1, **change}
        with pytest.raises(ValueError, match=message):
            farthest_points(**arguments)
