"""Factors and a noise floor: counted where they are, and fitted as probabilistic PCA fits them."""

import warnings

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from skdiffusion.closed_forms.baselines import fit_gaussian
from skdiffusion.closed_forms.noise_floor import fit_factor_mixture, fit_factors, n_factors
from skdiffusion.diffusion import GaussianDenoiser

D = 12


def low_rank(n=500, k=3, d=D, noise=0.1, seed=0):
    rng = np.random.RandomState(seed)
    basis = np.linalg.qr(rng.normal(size=(d, k)))[0]
    factors = rng.normal(size=(n, k)) * np.linspace(1, 2, k)
    return factors @ basis.T + noise * rng.normal(size=(n, d)) + rng.normal(size=d)


class TestCount:
    @pytest.mark.parametrize("k", [1, 2, 5, 9])
    @pytest.mark.parametrize("noise", [0.01, 0.05])
    def test_low_rank_and_noise(self, k, noise):
        assert n_factors(low_rank(k=k, noise=noise)) == k

    @pytest.mark.parametrize(("n", "d"), [(150, 300), (60, 61), (100, 1000)])
    def test_more_columns_than_rows(self, n, d):
        noise = 0.5 / d**0.5
        assert n_factors(low_rank(n=n, d=d, noise=noise)) == 3
        assert n_factors(np.random.RandomState(0).normal(size=(n, d))) == d

    def test_curved_factors(self):
        """A circle takes two directions, whatever its dimension."""
        rng = np.random.RandomState(0)
        angle = rng.uniform(0, 2 * np.pi, 400)
        X = np.zeros((400, 8))
        X[:, 2], X[:, 5] = np.cos(angle), np.sin(angle)
        assert n_factors(X + 0.05 * rng.normal(size=X.shape)) == 2

    def test_units_do_not_matter(self):
        Z = low_rank()
        assert [n_factors(1e-6 * Z), n_factors(1e6 * Z)] == [3, 3]

    def test_a_floor_of_two_directions_may_be_chance(self):
        assert n_factors(low_rank(k=D - 2)) == D

    @pytest.mark.parametrize("seed", range(5))
    def test_full_rank(self, seed):
        assert n_factors(np.random.RandomState(seed).normal(size=(300, D))) == D

    def test_noise_that_is_not_flat(self):
        scales = np.geomspace(1, 1e-3, D)
        assert n_factors(np.random.RandomState(0).normal(size=(500, D)) * scales) == D

    def test_noise_that_is_not_thin(self):
        assert n_factors(low_rank(noise=0.6)) == D

    def test_a_floor_that_is_not_gaussian(self):
        """What is heavy-tailed across the factors is no noise floor."""
        rng = np.random.RandomState(0)
        Z = low_rank(noise=0)
        heavy = rng.standard_t(3, size=Z.shape) / 3**0.5
        assert n_factors(Z + 0.1 * heavy) == D

    @pytest.mark.parametrize("n", [2, 5, D, D + 1])
    def test_too_few_rows(self, n):
        assert n_factors(low_rank(n)) == D

    def test_few_columns(self):
        assert n_factors(np.random.RandomState(0).normal(size=(100, 2)) * [1, 1e-3]) == 2

    def test_rows_without_any_noise(self):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert n_factors(low_rank(noise=0.0)) in (3, D)
            flat = np.column_stack([low_rank(d=3), np.zeros((500, 4))])
            assert n_factors(flat) in (3, 7)


class TestGaussian:
    @pytest.mark.parametrize("k", [1, 3, 6])
    def test_covariance_of_probabilistic_pca(self, k):
        Z = low_rank()
        gaussian, oracle = fit_factors(Z, np.arange(D), k), PCA(k).fit(Z)
        np.testing.assert_allclose(gaussian.cov, oracle.get_covariance(), atol=1e-12)
        np.testing.assert_allclose(gaussian.mean, oracle.mean_)
        assert gaussian.floor == pytest.approx(oracle.noise_variance_)
        np.testing.assert_allclose(gaussian.factor_cov.diagonal()[:k], oracle.explained_variance_)

    def test_log_likelihood_of_probabilistic_pca(self):
        Z, rows = low_rank(), low_rank(50, seed=0)
        gaussian, oracle = fit_factors(Z, np.arange(D), 3), PCA(3).fit(Z)
        ours = GaussianDenoiser(gaussian.mean, gaussian.cov).log_prob(
            torch.from_numpy(rows), torch.tensor(0.0)
        )
        np.testing.assert_allclose(ours, oracle.score_samples(rows), rtol=1e-6)

    def test_other_columns_keep_their_covariances(self):
        rng = np.random.RandomState(1)
        numbers = np.array([1, 2, 3, 5, 6, 7, 8, 9])
        Z = rng.normal(size=(400, 10))
        Z[:, numbers] = low_rank(400, k=2, d=8)
        Z[:, 0] += Z[:, 3]
        gaussian, full = fit_factors(Z, numbers, 2), np.cov(Z.T)
        others = [0, 4]
        np.testing.assert_allclose(gaussian.cov[others][:, others], full[np.ix_(others, others)])
        cross = PCA(2).fit(Z[:, numbers]).components_
        np.testing.assert_allclose(
            gaussian.cov[0, numbers], full[0, numbers] @ cross.T @ cross, atol=1e-12
        )

    def test_orthonormal_loadings(self):
        loadings = fit_factors(low_rank(), np.arange(D), 3).loadings
        np.testing.assert_allclose(loadings.mT @ loadings, np.eye(3), atol=1e-12)


class TestMixture:
    def test_one_cluster_is_the_gaussian(self):
        """Rows of a Gaussian are denoised as the Gaussian denoises them."""
        Z = low_rank(2000)
        gaussian = fit_factors(Z, np.arange(D), 3)
        mixture = fit_factor_mixture(gaussian, Z, np.zeros(Z.shape[1], bool), 0)
        x, sigma = torch.from_numpy(low_rank(50, seed=0)), torch.tensor(0.5)
        exact = GaussianDenoiser(gaussian.mean, gaussian.cov)(x, sigma).mean
        torch.testing.assert_close(mixture(x, sigma).mean, exact, rtol=0, atol=0.05)

    def test_clusters(self):
        """A row far from all is denoised to the nearer cluster; the Gaussian sends it between."""
        Z = low_rank(600)
        shift = 10 * fit_factors(Z, np.arange(D), 3).loadings[:, 0].numpy()
        Z[:300] += shift
        gaussian = fit_factors(Z, np.arange(D), 3)
        mixture = fit_factor_mixture(gaussian, Z, np.zeros(Z.shape[1], bool), 0)
        x = torch.from_numpy(Z[300:].mean(0) + 0.3 * shift)[None]
        mean = mixture(x, torch.tensor(3.0)).mean.numpy()[0]
        assert np.linalg.norm(mean - Z[300:].mean(0)) < 0.4 * np.linalg.norm(shift)
        assert len(mixture.means) >= 2

    def test_classes(self):
        """Given the class a row is denoised by the rows of that class."""
        rng = np.random.RandomState(0)
        rows, label = low_rank(600), rng.randint(2, size=600)
        direction = np.linalg.svd(rows - rows.mean(0))[2][0]
        rows += 8 * label[:, None] * direction
        codes = np.array([[-1.0, 1.0], [1.0, -1.0]])[label]
        Z = np.column_stack([rows, codes])
        is_class = np.arange(D + 2) >= D
        gaussian = fit_factors(Z, np.arange(D), 3)
        mixture = fit_factor_mixture(gaussian, Z, is_class, rng)
        sigma = torch.full((D + 2,), 1e3, dtype=torch.float64)
        sigma[D:] = 0.01
        for k in (0, 1):
            x = torch.from_numpy(np.concatenate([Z.mean(0)[:D], codes[label == k][0]]))[None]
            mean = mixture(x, sigma).mean[0, :D]
            np.testing.assert_allclose(mean, rows[label == k].mean(0), atol=0.02)

    def test_the_same_for_the_same_seed(self):
        Z = low_rank(300)
        gaussian = fit_factors(Z, np.arange(D), 3)
        no_class = np.zeros(D, dtype=bool)
        first, second = (fit_factor_mixture(gaussian, Z, no_class, 1) for _ in range(2))
        torch.testing.assert_close(first.means, second.means, rtol=0, atol=0)


def test_full_covariance_where_all_directions_count():
    """Nearly as many factors as columns: nothing is lost against a full Gaussian."""
    Z = low_rank(5000)
    nearly = fit_factors(Z, np.arange(D), D - 1).cov
    np.testing.assert_allclose(nearly, np.cov(Z.T), atol=1e-12)
    np.testing.assert_allclose(nearly, fit_gaussian(Z).cov, atol=0.02)
