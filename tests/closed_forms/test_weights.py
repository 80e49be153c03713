"""Weighted rows, against rows that are repeated or left out."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from sklearn.covariance import oas

from skdiffusion.closed_forms.baselines import MAX_FULL_COLUMNS, fit_gaussian, fit_mixture
from skdiffusion.closed_forms.fitted_prior import fit_levels, fit_prior
from skdiffusion.closed_forms.noise_floor import fit_factor_mixture, fit_factors
from skdiffusion.closed_forms.weights import centre, effective_size

RNG = np.random.RandomState(0)
Z = RNG.normal(size=(60, 3)) @ RNG.normal(size=(3, 3)) + 5
WEIGHTS = RNG.uniform(0, 3, 60)
KEPT = (np.arange(60) % 3 > 0).astype(float)
CLUSTERS = np.repeat([[-4.0, 0.0], [4.0, 0.0]], 100, axis=0) + 0.3 * RNG.normal(size=(200, 2))
LOW_RANK = RNG.normal(size=(400, 2)) @ RNG.normal(size=(2, 12)) + 0.1 * RNG.normal(size=(400, 12))


class TestCentre:
    def test_moments_are_weighted_ones(self):
        mean, centred = centre(Z, WEIGHTS)
        assert_allclose(mean, np.average(Z, axis=0, weights=WEIGHTS))
        assert_allclose(centred.T @ centred / 60, np.cov(Z.T, aweights=WEIGHTS, ddof=0))

    @pytest.mark.parametrize(("weights", "size"), [(np.full(60, 7.0), 60), (KEPT, 40)])
    def test_effective_size(self, weights, size):
        assert effective_size(weights) == size


class TestGaussian:
    def test_no_weight_is_no_row(self):
        weighted, left = fit_gaussian(Z, KEPT), fit_gaussian(Z[KEPT > 0])
        assert_allclose(weighted.mean, left.mean)
        assert_allclose(weighted.cov, left.cov)

    def test_is_the_shrunk_weighted_covariance(self):
        cov = np.cov(Z.T, aweights=WEIGHTS, ddof=0)
        found = fit_gaussian(Z, WEIGHTS).cov.numpy()
        share = 1 - found[0, 1] / cov[0, 1]
        assert 0 < share < 0.1
        assert_allclose(found, (1 - share) * cov + share * np.trace(cov) / 3 * np.eye(3))
        assert_allclose(fit_gaussian(Z, np.ones(60)).cov, oas(Z)[0])

    def test_many_columns(self):
        wide = np.random.RandomState(0).normal(size=(6, MAX_FULL_COLUMNS + 1))
        weights = np.arange(6.0)
        found = fit_gaussian(wide, weights)
        assert_allclose(found.cov, np.average((wide - found.mean.numpy()) ** 2, 0, weights))


class TestMixture:
    def test_shares_are_those_of_the_weights(self):
        weights = np.r_[np.full(100, 3.0), np.ones(100)]
        mixture = fit_mixture(CLUSTERS, random_state=0, sample_weight=weights)
        left = mixture.means[:, 0] < 0
        assert_allclose(mixture.weights[left].sum(), 0.75, atol=0.02)
        assert_allclose(mixture.weights[left] @ mixture.means[left] / 0.75, [-4, 0], atol=0.2)

    def test_shares_of_classes_are_exact(self):
        weights, label = RNG.uniform(0.1, 1, 200), np.repeat([[0.0], [1.0]], 100, axis=0)
        mixture = fit_mixture(CLUSTERS, label, 0, weights)
        of_first = mixture.means[:, 2] == 0
        assert_allclose(mixture.weights[of_first].sum(), weights[:100].sum() / weights.sum())

    def test_a_class_without_weight_has_no_component(self):
        label = np.repeat([[0.0], [1.0]], 100, axis=0)
        mixture = fit_mixture(CLUSTERS, label, 0, np.r_[np.ones(100), np.zeros(100)])
        assert not mixture.means[:, 2].any()


class TestNoiseFloor:
    def test_no_weight_is_no_row(self):
        weights = (np.arange(400) % 2).astype(float)
        found = fit_factors(LOW_RANK, np.arange(12), 2, weights)
        left = fit_factors(LOW_RANK[1::2], np.arange(12), 2)
        assert_allclose(found.floor, left.floor)
        assert_allclose(found.cov, left.cov)
        x, sigma = torch.from_numpy(LOW_RANK[:5]), torch.tensor(0.1)
        no_class = np.zeros(12, dtype=bool)
        weighted = fit_factor_mixture(found, LOW_RANK, no_class, 0, weights)(x, sigma).mean
        without = fit_factor_mixture(left, LOW_RANK[1::2], no_class, 0)(x, sigma).mean
        assert_allclose(weighted, without, atol=0.02)


class TestPrior:
    def test_weights_reach_the_gaussian_and_the_baseline(self):
        weights = np.r_[np.full(100, 9.0), np.ones(100)]
        options = {"is_class": np.zeros(2, dtype=bool), "random_state": 0}
        gaussian, baseline = fit_prior(CLUSTERS, np.arange(2), 2, sample_weight=weights, **options)
        assert_allclose(gaussian.mean, np.average(CLUSTERS, axis=0, weights=weights))
        assert_allclose(baseline.weights[baseline.means[:, 0] < 0].sum(), 0.9, atol=0.02)

    def test_shares_of_categories(self):
        rows, block = np.array([[0.0], [0.0], [1.0]]), (np.array([0]), np.array([[0.0], [1.0]]))
        shares = fit_levels(rows, [block], np.array([0.5, 0.5, 3.0])).log_shares.exp()
        assert_allclose(shares, [1.5 / 5, 3.5 / 5])
        assert_allclose(fit_levels(rows, [block]).log_shares.exp(), [2.5 / 4, 1.5 / 4])
        assert fit_levels(rows, []) is None
