"""Closed forms fitted to codes, against scikit-learn and against the truth."""

import warnings

import numpy as np
import pytest
import torch
from sklearn.covariance import OAS
from sklearn.mixture import GaussianMixture
from sklearn.utils import check_random_state

from skdiffusion.closed_forms import baselines
from skdiffusion.closed_forms.baselines import fit_gaussian, fit_mixture

RNG = np.random.RandomState(0)
ROOT = RNG.normal(size=(3, 3))
Z = RNG.normal(size=(60, 3)) @ ROOT + [1.0, 2.0, 3.0]
CENTRES = np.array([[-4.0, 0.0], [4.0, 0.0], [0.0, 4.0], [0.0, -4.0]])
CLUSTERS = np.repeat(CENTRES, 60, axis=0) + 0.3 * RNG.normal(size=(240, 2))
CODES = np.array([[-0.5, 0.5], [0.5, -0.5], [1.5, 1.5]])


def is_positive_definite(denoiser, sigma=0.005):
    noise = sigma**2 * torch.eye(denoiser.n_features, dtype=torch.float64)
    return bool((torch.linalg.eigvalsh(denoiser.covs + noise) > 0).all())


def shares_by_code(mixture, n_target):
    codes, member = np.unique(mixture.means[:, -n_target:].numpy(), axis=0, return_inverse=True)
    return codes, np.bincount(member.ravel(), weights=mixture.weights.numpy())


class TestFitGaussian:
    def test_against_scikit_learn(self):
        gaussian, oracle = fit_gaussian(Z), OAS().fit(Z)
        np.testing.assert_allclose(gaussian.mean, oracle.location_)
        np.testing.assert_allclose(gaussian.cov, oracle.covariance_)

    def test_shrinks_towards_a_multiple_of_the_identity(self):
        """Same trace as the maximum-likelihood covariance, smaller correlations."""
        cov, empirical = fit_gaussian(Z[:8]).cov.numpy(), np.cov(Z[:8].T, bias=True)
        np.testing.assert_allclose(np.trace(cov), np.trace(empirical))
        ratio = cov[np.triu_indices(3, 1)] / empirical[np.triu_indices(3, 1)]
        np.testing.assert_allclose(ratio, ratio[0])
        assert 0 < ratio[0] < 1

    def test_many_columns_are_diagonal(self):
        wide = np.random.RandomState(0).normal(size=(5, baselines.MAX_FULL_COLUMNS + 1))
        gaussian = fit_gaussian(wide)
        assert gaussian.is_diagonal
        np.testing.assert_allclose(gaussian.mean, wide.mean(0))
        np.testing.assert_allclose(gaussian.cov, wide.var(0))

    def test_up_to_the_limit_it_is_full(self, monkeypatch):
        monkeypatch.setattr(baselines, "MAX_FULL_COLUMNS", 3)
        assert not fit_gaussian(Z).is_diagonal
        monkeypatch.setattr(baselines, "MAX_FULL_COLUMNS", 2)
        assert fit_gaussian(Z).is_diagonal

    def test_more_columns_than_rows(self):
        wide = np.random.RandomState(0).normal(size=(4, 20))
        assert (torch.linalg.eigvalsh(fit_gaussian(wide).cov) > 1e-3).all()


class TestFitMixture:
    def test_finds_the_clusters(self):
        mixture = fit_mixture(CLUSTERS, random_state=0)
        order = [int((mixture.means - torch.tensor(c)).norm(dim=1).argmin()) for c in CENTRES]
        assert sorted(order) == list(range(4))
        np.testing.assert_allclose(mixture.means[order], CENTRES, atol=0.2)
        np.testing.assert_allclose(mixture.weights, np.full(4, 0.25), atol=1e-6)
        np.testing.assert_allclose(mixture.covs, np.tile(0.09 * np.eye(2), (4, 1, 1)), atol=0.05)

    @pytest.mark.parametrize("n", [5, 9, 40, 240])
    def test_number_of_components_minimises_bic(self, n):
        """Among those of which each has rows enough for a covariance."""
        rows = CLUSTERS[np.random.RandomState(1).permutation(240)[:n]]
        mixture = fit_mixture(rows, random_state=0)
        every = [
            GaussianMixture(k, reg_covar=1e-4, random_state=0).fit(rows)
            for k in (1, 2, 3, 4, 6, 8, 12, 16)
            if k * 4 <= n
        ]
        best = min(every, key=lambda model: model.bic(rows))
        np.testing.assert_allclose(mixture.means, best.means_)
        np.testing.assert_allclose(mixture.weights, best.weights_)

    def test_gaussian_rows_are_one_component(self):
        mixture = fit_mixture(Z, random_state=0)
        assert len(mixture.weights) == 1
        np.testing.assert_allclose(mixture.means[0], Z.mean(0))
        # up to the small multiple of the identity that keeps covariances regular
        added = mixture.covs[0].numpy() - np.cov(Z.T, bias=True)
        np.testing.assert_allclose(added, added[0, 0] * np.eye(3), atol=1e-9)
        assert 0 < added[0, 0] < 0.01

    def test_classes_keep_their_shares(self):
        member = np.repeat([0, 1, 2], [100, 110, 30])
        mixture = fit_mixture(CLUSTERS, CODES[member], random_state=0)
        assert mixture.n_features == 4
        codes, shares = shares_by_code(mixture, 2)
        np.testing.assert_array_equal(codes, CODES)
        np.testing.assert_allclose(shares, np.array([100, 110, 30]) / 240)

    def test_each_class_is_a_mixture_of_its_own_rows(self):
        """Whatever the order of the rows, a class's components are those of its rows alone."""
        member = np.random.RandomState(2).permutation(np.repeat([0, 1], [150, 90]))
        mixture = fit_mixture(CLUSTERS, CODES[member], random_state=0)
        for k in (0, 1):
            own = fit_mixture(CLUSTERS[member == k], random_state=0)
            part = (mixture.means[:, 2:] == torch.tensor(CODES[k])).all(1)
            torch.testing.assert_close(mixture.means[part][:, :2], own.means)
            torch.testing.assert_close(mixture.covs[part][:, :2, :2], own.covs)
            share = mixture.weights[part] / mixture.weights[part].sum()
            torch.testing.assert_close(share, own.weights)

    def test_the_code_has_no_variance(self):
        mixture = fit_mixture(CLUSTERS, CODES[np.arange(240) % 3], random_state=0)
        assert not mixture.covs[:, 2:].any()
        assert not mixture.covs[:, :, 2:].any()

    def test_denoising_classifies(self):
        """The posterior mean of an unknown code is the code of the row's class."""
        member = np.repeat([0, 1, 2, 2], 60)
        mixture = fit_mixture(CLUSTERS, CODES[member], random_state=0)
        sigma = torch.tensor([0.005, 0.005, 20.0, 20.0], dtype=torch.float64)
        noisy = torch.from_numpy(np.column_stack([CLUSTERS, np.zeros((240, 2))]))
        predicted = mixture(noisy, sigma).mean[:, 2:].numpy()
        np.testing.assert_allclose(predicted, CODES[member], atol=1e-3)

    @pytest.mark.parametrize("n", [1, 2, 3, 4])
    def test_tiny_class(self, n):
        """Too few rows for a covariance: one component around them, as wide as the table."""
        member = np.repeat([0, 1], [240 - n, n])
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            mixture = fit_mixture(CLUSTERS, CODES[member], random_state=0)
        own = (mixture.means[:, 2:] == torch.tensor(CODES[1])).all(1)
        assert own.sum() == 1
        np.testing.assert_allclose(mixture.weights[own].item(), n / 240)
        np.testing.assert_allclose(mixture.means[own][0, :2], CLUSTERS[-n:].mean(0))
        assert all(part.isfinite().all() for part in mixture.buffers())
        assert (torch.linalg.eigvalsh(mixture.covs[own][0, :2, :2]) > 1e-3).all()
        assert is_positive_definite(mixture)

    def test_tiny_class_borrows_the_covariance_of_the_table(self):
        """By the share of rows that it lacks, continuous in their number."""
        table, rows = OAS().fit(CLUSTERS).covariance_, CLUSTERS[-3:]
        mixture = fit_mixture(CLUSTERS, CODES[np.repeat([0, 1], [237, 3])], random_state=0)
        expected = 0.75 * OAS().fit(rows).covariance_ + 0.25 * table
        np.testing.assert_allclose(mixture.covs[-1, :2, :2], expected)

    def test_repeated_rows(self):
        """Fewer distinct rows than components: no error, no warning, no empty matrix."""
        rows = np.repeat(CENTRES, 30, axis=0)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            mixture = fit_mixture(rows, random_state=0)
        assert all(part.isfinite().all() for part in mixture.buffers())
        assert is_positive_definite(mixture)

    def test_random_state(self):
        state = check_random_state(None).get_state()[1].copy()
        first, second = (fit_mixture(CLUSTERS, random_state=3) for _ in range(2))
        assert all(
            torch.equal(a, b) for a, b in zip(first.buffers(), second.buffers(), strict=True)
        )
        np.testing.assert_array_equal(check_random_state(None).get_state()[1], state)
