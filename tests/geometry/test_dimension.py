"""Dimension, noise level and tangent spaces: closed forms, other libraries, known manifolds."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial import cKDTree
from scipy.spatial.distance import pdist
from scipy.stats import beta, kstest
from sklearn.decomposition import PCA

from skdiffusion.geometry import intrinsic_dimension, local_spectra, noise_level
from skdiffusion.geometry.dimension import dimension_mle, dimension_pca, dimension_two_nn
from skdiffusion.geometry.tangents import tangent_basis


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
    def test_known_manifolds(self, name, noise):
        assert intrinsic_dimension(draw(name, noise=noise)) == MANIFOLDS[name][0]

    def test_where_the_estimators_of_the_literature_fail(self):
        noisy = draw("swiss roll in 40", noise=0.02)
        assert dimension_two_nn(noisy) > 6
        assert dimension_mle(noisy) > 3
        assert dimension_mle(draw("cube 16 in 30")) < 13
        assert dimension_pca(draw("sphere 6 in 7")) > 6.5

    @pytest.mark.parametrize("noise", [0.0, 0.02])
    def test_at_each_row(self, noise):
        X, truth = union(500, noise, seeded(3))
        assert np.abs(intrinsic_dimension(X, per_point=True) - truth).mean() < 0.1

    def test_at_each_row_of_one_manifold(self):
        found = intrinsic_dimension(draw("swiss roll", noise=0.01), per_point=True)
        assert found.shape == (1500,)
        assert np.mean(found == 2) > 0.97

    @pytest.mark.parametrize("per_point", [False, True])
    def test_does_not_depend_on_the_order(self, per_point):
        X, _ = union(200, 0.02, seeded(1))
        order = seeded(2).permutation(len(X))
        found = intrinsic_dimension(X, per_point=per_point)
        expected = found[order] if per_point else found
        assert_array_equal(intrinsic_dimension(X[order], per_point=per_point), expected)

    @pytest.mark.parametrize("method", ["auto", "mle", "pca"])
    def test_equal_rows_count_once(self, method):
        X = draw("sphere 2 in 20", 400, noise=0.01)
        twice = np.repeat(X, 2, axis=0)
        expected = intrinsic_dimension(X, method, per_point=True)
        found = intrinsic_dimension(twice, method, per_point=True)
        assert_array_equal(found, np.repeat(expected, 2))
        assert intrinsic_dimension(twice, method) == intrinsic_dimension(X, method)

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

    def test_methods(self):
        X = draw("helix", 300)
        assert intrinsic_dimension(X, "two_nn") == dimension_two_nn(X)
        assert intrinsic_dimension(X, "mle", n_neighbors=7) == dimension_mle(X, n_neighbors=7)
        assert intrinsic_dimension(X, "pca", n_neighbors=7) == dimension_pca(X, n_neighbors=7)
        assert isinstance(intrinsic_dimension(X), int)

    def test_wrong_options(self):
        X = seeded().normal(size=(30, 2))
        with pytest.raises(ValueError, match="one of auto, mle, two_nn, pca, got 'tle'"):
            intrinsic_dimension(X, "tle")
        with pytest.raises(ValueError, match="two_nn' takes neither"):
            intrinsic_dimension(X, "two_nn", per_point=True)
        with pytest.raises(ValueError, match="n_neighbors=30 must be at least 2 and below the 30"):
            intrinsic_dimension(X, n_neighbors=30)
        with pytest.raises(ValueError, match="at least 5 distinct rows, got 4"):
            intrinsic_dimension(X[:4])
        with pytest.raises(ValueError, match="NaN"):
            intrinsic_dimension(np.full((9, 2), np.nan))


class TestNoiseLevel:
    @pytest.mark.parametrize("noise", [0.01, 0.03])
    @pytest.mark.parametrize("name", ["swiss roll in 40", "sphere 2 in 20", "cube 16 in 30"])
    def test_known_noise(self, name, noise):
        assert_allclose(noise_level(draw(name, noise=noise)), noise, rtol=0.08)

    @pytest.mark.parametrize("name", ["swiss roll", "helix"])
    def test_one_or_two_directions_across(self, name):
        assert_allclose(noise_level(draw(name, noise=0.03)), 0.03, rtol=0.25)

    @pytest.mark.parametrize("name", MANIFOLDS)
    def test_none(self, name):
        assert noise_level(draw(name)) < 0.003

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
    def test_distances_on_a_sphere_follow_the_beta_law(self):
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


class TestTwoNN:
    def test_against_the_formula(self):
        X = seeded().uniform(size=(300, 3))
        r = cKDTree(X).query(X, k=3)[0]
        ratios = np.sort(r[:, 2] / r[:, 1])[:270]
        levels = np.arange(1, 271) / 300
        expected = np.linalg.lstsq(np.log(ratios)[:, None], -np.log(1 - levels))[0][0]
        assert_allclose(dimension_two_nn(X), expected)

    def test_known(self):
        assert_allclose(dimension_two_nn(seeded().uniform(size=(4000, 3))), 3, rtol=0.06)

    def test_all_ratios(self):
        assert np.isfinite(dimension_two_nn(seeded().uniform(size=(100, 3)), discard=0.0))

    def test_wrong_share(self):
        with pytest.raises(ValueError, match=r"discard=1\.0 must be"):
            dimension_two_nn(np.eye(6), discard=1.0)


class TestMLE:
    def test_against_a_loop(self):
        X = seeded().uniform(size=(60, 3))
        r = cKDTree(X).query(X, k=9)[0][:, 1:]
        expected = [1 / np.mean(np.log(row[-1] / row[:-1])) for row in r]
        assert_allclose(dimension_mle(X, n_neighbors=8, per_point=True), expected)
        pooled = 1 / np.mean(1 / np.array(expected))
        assert_allclose(dimension_mle(X, n_neighbors=8), pooled)

    def test_known(self):
        X = sphere(4000, 2, seeded())
        assert_allclose(dimension_mle(X), 2, rtol=0.03)

    def test_distances_in_a_line(self):
        """Rows at 0, 1, 2 and so on: log(k / j) from the end of the line."""
        X = np.arange(50.0)[:, None]
        expected = 1 / np.mean(np.log(5 / np.arange(1, 5)))
        assert_allclose(dimension_mle(X, n_neighbors=5, per_point=True)[0], expected)


class TestPCA:
    @pytest.mark.parametrize("threshold", [0.05, 0.6])
    def test_against_scikit_learn(self, threshold):
        X = draw("swiss roll", 120)
        near = cKDTree(X).query(X, k=13)[1][:, 1:]
        variances = [PCA().fit(X[rows]).explained_variance_ for rows in near]
        expected = [np.sum(v > threshold * v[0]) for v in variances]
        options = {"n_neighbors": 12, "threshold": threshold}
        assert_array_equal(dimension_pca(X, per_point=True, **options), expected)
        assert_allclose(dimension_pca(X, **options), np.mean(expected))

    def test_wrong_threshold(self):
        with pytest.raises(ValueError, match="threshold=0 must lie"):
            dimension_pca(np.eye(6), threshold=0)


class TestTangentBasis:
    def test_sphere(self):
        X = sphere(3000, 2, seeded())
        basis = tangent_basis(turned(X, 10, seeded(1)), turned(X, 10, seeded(1))[:50], 2)
        normal = turned(X, 10, seeded(1))[:50]
        assert basis.shape == (50, 10, 2)
        assert_allclose(basis.transpose(0, 2, 1) @ basis, [np.eye(2)] * 50, atol=1e-12)
        assert np.abs(np.einsum("ni,nij->nj", normal, basis)).max() < 0.1

    def test_against_scikit_learn(self):
        X = seeded().normal(size=(40, 3))
        axes = PCA(2).fit(X).components_
        found = tangent_basis(X, X[:1], 2, n_neighbors=40)[0]
        assert_allclose(np.abs(axes @ found), np.eye(2), atol=1e-12)

    def test_off_the_rows(self):
        X = np.column_stack([np.linspace(-1, 1, 50), np.zeros(50)])
        assert_allclose(np.abs(tangent_basis(X, [[0.1, 0.5]], 1)), [[[1], [0]]], atol=1e-12)

    def test_wrong_options(self):
        X = seeded().normal(size=(30, 3))
        with pytest.raises(ValueError, match="queries have 2 columns, X has 3"):
            tangent_basis(X, X[:, :2], 1)
        with pytest.raises(ValueError, match="n_neighbors=31 must be"):
            tangent_basis(X, X, 1, n_neighbors=31)
        with pytest.raises(ValueError, match="dimension=4 must be"):
            tangent_basis(X, X, 4)
