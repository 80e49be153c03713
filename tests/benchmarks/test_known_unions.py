"""Unions, moons and rare modes: pieces, shares and the modes of rows."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from benchmarks.known_manifolds import Cube, Moons, RareModes, Sphere, Union

MIXED = Union([Sphere(1), Sphere(2), Cube(5)])


class TestMoons:
    def test_nearest_points(self):
        # Below the left end of the upper moon, and above the right end of the lower one.
        nearest = Moons().project([[-1.5, -1.0], [2.5, 1.0]])
        np.testing.assert_allclose(nearest, [[-1.0, 0.0], [2.0, 0.5]], atol=1e-12)
        assert Moons().coordinates([[0.0, 3.0], [1.0, -3.0]])[:, 0].tolist() == [0, 1]


class TestRareModes:
    def test_weights(self):
        modes = RareModes(4, 0.04, 6, random_state=1)
        np.testing.assert_allclose(modes.weights, [0.32, 0.32, 0.32, 0.04])
        X, U = modes.sample(20_000, noise=0.03, return_coordinates=True, random_state=0)
        np.testing.assert_allclose(
            np.bincount(U[:, 0].astype(int)) / 20_000, modes.weights, atol=0.01
        )
        assert np.mean(modes.mode(X) == U[:, 0]) > 0.999

    def test_mode_is_the_most_likely_one(self):
        modes = RareModes(spread=0.3, random_state=2)
        X = modes.sample(500, noise=0.2, random_state=0)
        likelihood = [
            multivariate_normal(center, 0.4**2 * axes @ axes.T + 0.2**2 * np.eye(10)).logpdf(X)
            for center, axes in zip(modes.centers, modes.axes, strict=True)
        ]
        np.testing.assert_array_equal(modes.mode(X, noise=0.2), np.argmax(likelihood, axis=0))

    def test_spread_in_the_planes(self):
        _, U = RareModes().sample(20_000, return_coordinates=True, random_state=0)
        np.testing.assert_allclose(U[:, 1:].std(axis=0), 0.4, rtol=0.02)
        assert np.linalg.norm(U[:, 1:], axis=1).max() <= 1.6

    def test_density_integrates_to_one(self):
        modes = RareModes(2, 0.5, 4, reach=1.5)
        ticks = (np.arange(400) + 0.5) / 200 - 1
        U = np.stack(np.meshgrid([0.0, 1.0], ticks, ticks), axis=-1).reshape(-1, 3)
        U = U[np.linalg.norm(U[:, 1:], axis=1) < 0.6]
        total = np.exp(modes.log_density(modes.points(U))).sum() / 200**2
        assert total == pytest.approx(1, abs=2e-3)

    @pytest.mark.parametrize(
        "options", [{"n_modes": 1}, {"rare_weight": 2.0}, {"n_features": 1}, {"scale": 0.0}]
    )
    def test_wrong_parameters(self, options):
        with pytest.raises(ValueError, match=next(iter(options))):
            RareModes(**options)


class TestUnion:
    def test_local_dimension_is_that_of_the_piece(self):
        union = MIXED
        X, U = union.sample(300, noise=0.02, return_coordinates=True, random_state=0)
        expected = np.array([1, 2, 5])[U[:, 0].astype(int)]
        np.testing.assert_array_equal(union.local_dimension(X), expected)
        assert union.n_features == union.dimension == 5

    def test_pieces_are_apart(self):
        X, U = MIXED.sample(3000, return_coordinates=True, random_state=0)
        for k in (0, 1):
            ahead, behind = X[U[:, 0] == k, 0], X[U[:, 0] == k + 1, 0]
            assert behind.min() - ahead.max() == pytest.approx(1, abs=0.1)

    def test_weights_and_offsets(self):
        union = Union([Cube(1), Cube(1)], weights=[3, 1], offsets=[[0.0], [10.0]])
        X = union.sample(4000, random_state=0)
        assert np.mean(X > 5) == pytest.approx(0.25, abs=0.03)
        np.testing.assert_allclose(np.exp(union.log_density([[0.0], [10.0]])), [0.75 / 2, 0.25 / 2])

    def test_unions_of_unions(self):
        nested = Union([Moons(), Sphere(1)])
        X = nested.sample(300, random_state=0)
        assert np.isinf(nested.geodesic_distance(X[:-1], X[1:])).any()
        assert len(np.unique(nested._piece(nested.coordinates(X)))) == 3

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"manifolds": []}, "at least one"),
            ({"weights": [1.0]}, "2 numbers"),
            ({"weights": [1.0, -1.0]}, "at least 0"),
            ({"offsets": [[0.0], [1.0]]}, r"must have \(2, 3\)"),
        ],
    )
    def test_wrong_parameters(self, options, message):
        with pytest.raises(ValueError, match=message):
            Union(**{"manifolds": [Sphere(1), Sphere(2)], **options})
