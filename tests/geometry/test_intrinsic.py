"""Dimension and noise level: closed forms and known manifolds."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import pdist
from scipy.stats import beta, kstest

from skdiffusion.geometry import intrinsic_dimension, local_spectra, noise_level


def seeded(seed=0):
    return np.random.default_rng(seed)


def turned(X, columns, rng):
    """The same rows in more columns."""
    return X @ np.linalg.qr(rng.normal(size=(columns, X.shape[1])))[0].T


def sphere(n, d, rng):
    X = rng.normal(size=(n, d + 1))
    return X / np.linalg.norm(X, axis=1, keepdims=True)


def swiss_roll(n, rng):
    t = 1.5 * np.pi * (1 + 2 * rng.uniform(size=n))
    return np.column_stack([t * np.cos(t), 21 * rng.uniform(size=n), t * np.sin(t)]) / 14


def helix(n, rng):
    t = 2 * np.pi * rng.uniform(size=n)
    return np.column_stack([np.cos(t), np.sin(t), np.sin(3 * t)])


def union(n, noise, rng):
    """Flat pieces of one, two and five dimensions that do not meet."""
    truth = np.repeat([1, 2, 5], n)
    X = np.zeros((3 * n, 10))
    for d in (1, 2, 5):
        X[truth == d] = turned(rng.uniform(-1, 1, size=(n, d)), 10, rng)
        X[truth == d, d] += 6
    return X + noise * rng.normal(size=X.shape), truth


MANIFOLDS = {
    "helix": (1, lambda n, rng: helix(n, rng)),
    "swiss roll": (2, lambda n, rng: swiss_roll(n, rng)),
    "swiss roll in 40": (2, lambda n, rng: turned(swiss_roll(n, rng), 40, rng)),
    "sphere 2 in 20": (2, lambda n, rng: turned(sphere(n, 2, rng), 20, rng)),
    "cube 3 in 5": (3, lambda n, rng: turned(rng.uniform(size=(n, 3)), 5, rng)),
    "sphere 6 in 7": (6, lambda n, rng: sphere(n, 6, rng)),
    "Gaussian 5 in 5": (5, lambda n, rng: 0.5 * rng.normal(size=(n, 5))),
    "cube 16 in 30": (16, lambda n, rng: turned(rng.uniform(size=(n, 16)), 30, rng)),
}


def draw(name, n=1500, noise=0.0, seed=0):
    rng = seeded(seed)
    X = MANIFOLDS[name][1](n, rng)
    return X + noise * rng.normal(size=X.shape)


class TestIntrinsicDimension:
    @pytest.mark.parametrize("noise", [0.0, 0.02])
    @pytest.mark.parametrize("name", MANIFOLDS)
    def test_known_manifolds(self, name, noise, global_random_seed):
        found = intrinsic_dimension(draw(name, noise=noise, seed=global_random_seed))
        assert isinstance(found, int)
        assert found == MANIFOLDS[name][0]

    @pytest.mark.parametrize("noise", [0.0, 0.02])
    def test_at_each_row(self, noise, global_random_seed):
        X, truth = union(400, noise, seeded(global_random_seed))
        assert np.abs(intrinsic_dimension(X, per_point=True) - truth).mean() < 0.1

    def test_at_each_row_of_one_manifold(self, global_random_seed):
        X = draw("swiss roll", noise=0.01, seed=global_random_seed)
        found = intrinsic_dimension(X, per_point=True)
        assert found.shape == (1500,)
        assert np.mean(found == 2) > 0.97

    @pytest.mark.parametrize("per_point", [False, True])
    def test_does_not_depend_on_the_order(self, per_point):
        X, _ = union(200, 0.02, seeded(1))
        order = seeded(2).permutation(len(X))
        found = intrinsic_dimension(X, per_point=per_point)
        expected = found[order] if per_point else found
        assert_array_equal(intrinsic_dimension(X[order], per_point=per_point), expected)

    def test_equal_rows_count_once(self):
        X = draw("sphere 2 in 20", 400, noise=0.01)
        twice = np.repeat(X, 2, axis=0)
        expected = intrinsic_dimension(X, per_point=True)
        found = intrinsic_dimension(twice, per_point=True)
        assert_array_equal(found, np.repeat(expected, 2))
        assert intrinsic_dimension(twice) == intrinsic_dimension(X)

    def test_does_not_depend_on_place_scale_and_constant_columns(self):
        X = draw("sphere 2 in 20", 600, noise=0.02)
        moved = np.pad(1e3 * turned(X, 20, seeded(1)), ((0, 0), (0, 3))) + 5e3
        assert intrinsic_dimension(moved) == intrinsic_dimension(X) == 2

    @pytest.mark.parametrize("per_point", [False, True])
    def test_one_point(self, per_point):
        assert_array_equal(intrinsic_dimension(np.ones((8, 3)), per_point=per_point), 0)

    @pytest.mark.parametrize("n", [5, 12, 40])
    def test_few_rows(self, n):
        found = intrinsic_dimension(seeded().normal(size=(n, 4)), per_point=True)
        assert ((found >= 1) & (found <= 4)).all()

    def test_one_column(self):
        assert intrinsic_dimension(seeded().normal(size=(100, 1))) == 1

    def test_unusable_rows(self):
        X = seeded().normal(size=(30, 2))
        with pytest.raises(ValueError, match="at least 5 distinct rows, got 4"):
            intrinsic_dimension(X[:4])
        with pytest.raises(ValueError, match="NaN"):
            intrinsic_dimension(np.full((9, 2), np.nan))


class TestNoiseLevel:
    @pytest.mark.parametrize("noise", [0.01, 0.03])
    @pytest.mark.parametrize("name", ["swiss roll in 40", "sphere 2 in 20", "cube 16 in 30"])
    def test_known_noise(self, name, noise, global_random_seed):
        X = draw(name, noise=noise, seed=global_random_seed)
        assert_allclose(noise_level(X), noise, rtol=0.08)

    @pytest.mark.parametrize("name", ["swiss roll", "helix"])
    def test_one_or_two_directions_across(self, name, global_random_seed):
        X = draw(name, noise=0.03, seed=global_random_seed)
        # of one direction it is up to a fourth too small, and differs by a tenth between draws
        assert_allclose(noise_level(X), 0.03, rtol=0.4)

    @pytest.mark.parametrize("name", MANIFOLDS)
    def test_none(self, name, global_random_seed):
        assert noise_level(draw(name, seed=global_random_seed)) < 0.003

    def test_scales_with_the_rows(self):
        X = draw("sphere 2 in 20", 500, noise=0.02)
        assert_allclose(noise_level(7 * X), 7 * noise_level(X))

    def test_given_dimension(self):
        X = draw("cube 3 in 5", 500, noise=0.03)
        assert_allclose(noise_level(X, dimension=3), 0.03, rtol=0.1)
        assert intrinsic_dimension(X) == 3
        assert noise_level(X, dimension=3) == noise_level(X)
        assert noise_level(X, dimension=5) == 0
        with pytest.raises(ValueError, match="dimension=6 must lie between 0 and d=5"):
            noise_level(X, dimension=6)

    def test_share_of_the_smallest_variances(self):
        """All of them make the trace; the smallest of few rows fall below Marchenko-Pastur's."""
        assert_allclose(local_spectra._tail_share(20, 100, 20), 1, rtol=0.02)
        edge = (1 - np.sqrt(0.2)) ** 2
        assert edge < local_spectra._tail_share(20, 100, 1) < 1.35 * edge


class TestCounts:
    def test_distances_on_a_sphere_are_beta_distributed(self):
        squares = pdist(sphere(300, 7, seeded())) ** 2 / 4
        assert kstest(squares[::37], beta(3.5, 3.5).cdf).pvalue > 0.01

    @pytest.mark.parametrize("d", [2, 8, 15])
    def test_sphere(self, d):
        X = sphere(2000, d, seeded())
        spectra = local_spectra.local_spectra(X, np.arange(400), 80)
        assert_allclose(local_spectra.count_dimension(spectra), d, rtol=0.05)

    def test_noise_is_taken_off(self):
        X = draw("sphere 2 in 20", 2000, noise=0.02)
        spectra = local_spectra.local_spectra(X, np.arange(400), 160)
        assert local_spectra.count_dimension(spectra) > 3.5
        assert_allclose(local_spectra.count_dimension(spectra, 0.02**2, 18), 2, rtol=0.15)

    def test_noise_along_the_manifold_changes_nothing(self):
        """Five columns filled by the rows: noise in them moves rows, and the counts stay."""
        X = seeded().uniform(size=(2000, 5))
        noisy = X + 0.02 * seeded(1).normal(size=X.shape)
        clean, found = (
            local_spectra.count_dimension(local_spectra.local_spectra(rows, np.arange(400), 80))
            for rows in (X, noisy)
        )
        assert_allclose(found, clean, rtol=0.02)


class TestGaps:
    def test_above_the_noise(self):
        variances = np.array([[2.0, 0.06, 0.01]])
        spectra = local_spectra.Spectra(np.ones((1, 1)), [10**6], [variances], 10**6)
        found = local_spectra._largest_gaps(spectra, 0.01, None)[0]
        assert_allclose(found[0], np.log(1.99 / 0.05), rtol=0.02)
        assert_allclose(found[1], np.log(0.05 / (0.01 * local_spectra._MARGIN)), rtol=0.25)

    def test_are_averaged_over_the_pool(self):
        variances = np.array([[4.0, 1.0], [8.0, 1.0]])
        spectra = local_spectra.Spectra(np.ones((2, 1)), [100], [variances], 200)
        pool = np.array([[0, 1], [0, 0]])
        found = local_spectra._largest_gaps(spectra, 0.0, pool)[:, 0]
        assert_allclose(found, np.log([np.sqrt(32), 4.0]), rtol=0.01)
