"""The number of Gaussians that data ask for."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.mixture import GaussianMixture

from skdiffusion._utils import mixture
from skdiffusion._utils.mixture import fit_bic_mixture, refit


class TestFitBicMixture:
    @pytest.mark.parametrize("n_clusters", [1, 2, 4])
    def test_counts_clusters(self, n_clusters):
        centres = 12 * np.array([[0, 0], [1, 0], [0, 1], [1, 1]])
        rows = np.random.RandomState(0).normal(size=(300, 2))
        rows += centres[np.arange(300) % n_clusters]
        assert fit_bic_mixture(rows, reg_covar=1e-6, random_state=0).n_components == n_clusters

    def test_is_the_least_criterion(self):
        rows = np.random.RandomState(0).standard_t(3, size=(200, 2))
        found = fit_bic_mixture(rows, reg_covar=1e-6, random_state=0)
        others = [
            GaussianMixture(k, reg_covar=1e-6, random_state=0).fit(rows).bic(rows)
            for k in range(1, 4)
        ]
        assert found.bic(rows) <= min(others) + 1e-9

    def test_goes_no_further_than_it_has_to(self, monkeypatch):
        """Three larger mixtures that are worse than a Gaussian are enough."""
        sizes = []

        def note(k, **options):
            sizes.append(k)
            return GaussianMixture(k, **options)

        monkeypatch.setattr(mixture, "GaussianMixture", note)
        rows = np.random.RandomState(0).normal(size=(300, 2))
        assert fit_bic_mixture(rows, reg_covar=1e-6, random_state=0).n_components == 1
        assert sizes == [1, 2, 3, 4]

    @pytest.mark.parametrize("seed", range(5))
    def test_of_many_rows_some_of_all_are_taken(self, seed, monkeypatch):
        monkeypatch.setattr(mixture, "MAX_ROWS", 100)
        rows = np.random.RandomState(seed).normal(size=(2000, 2))
        rows[1490:] += 12
        found = fit_bic_mixture(rows, reg_covar=1e-6, random_state=seed)
        assert found.n_components == 2
        shares = 100 * found.weights_
        assert_allclose(shares, shares.round(), atol=1e-3)
        assert_allclose(found.weights_.min(), 0.25, atol=0.15)

    def test_each_component_gets_rows(self):
        """Eight columns need ten rows for each, and there are twelve."""
        rows = 9 * np.random.RandomState(0).normal(size=(12, 8))
        assert fit_bic_mixture(rows, reg_covar=1e-6, random_state=0).n_components == 1


class TestRefit:
    ROWS = np.random.RandomState(0).normal(size=(40, 2))

    def test_leaves_the_mixture_alone(self):
        mixture = GaussianMixture(2, random_state=0).fit(self.ROWS)
        means = mixture.means_.copy()
        other = refit(mixture, self.ROWS + 5)
        assert other is not mixture
        assert_allclose(mixture.means_, means)
        assert_allclose(other.means_.mean(0), means.mean(0) + 5, atol=0.3)

    def test_fewer_rows_than_components(self):
        assert refit(GaussianMixture(8, random_state=0), self.ROWS[:3]).n_components == 3

    def test_does_not_warn(self, recwarn):
        refit(GaussianMixture(6, max_iter=1, random_state=0), self.ROWS)
        assert not recwarn
