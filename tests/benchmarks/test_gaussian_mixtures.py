"""Random mixtures with exact densities: against scipy, differences and scikit-learn."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.mixture import GaussianMixture

from benchmarks._gaussian_mixtures import (
    gaussian_mixture_log_density,
    gaussian_mixture_score,
    make_gaussian_mixture,
)

FULL = make_gaussian_mixture(400, 3, random_state=0)
THIN = make_gaussian_mixture(400, 5, effective_rank=2, random_state=0)


class TestGaussianMixture:
    @pytest.mark.parametrize("case", [FULL, THIN], ids=["full", "thin"])
    def test_density_agrees_with_scipy(self, case):
        X, mixture = case
        components = zip(mixture.weights, mixture.means, mixture.covariances, strict=True)
        density = sum(w * multivariate_normal(m, c).pdf(X) for w, m, c in components)
        np.testing.assert_allclose(gaussian_mixture_log_density(X, **mixture), np.log(density))

    @pytest.mark.parametrize("case", [FULL, THIN], ids=["full", "thin"])
    def test_score_is_the_gradient(self, case):
        X, mixture = case
        step = 1e-5
        for j, axis in enumerate(np.eye(X.shape[1])):
            up, down = (
                gaussian_mixture_log_density(X + sign * step * axis, **mixture) for sign in (1, -1)
            )
            score = gaussian_mixture_score(X, **mixture)[:, j]
            np.testing.assert_allclose((up - down) / (2 * step), score, atol=1e-4)

    def test_weights_count(self):
        X, mixture = FULL
        mixture = mixture | {"weights": [1.0, 0.0, 0.0]}
        with np.errstate(divide="ignore"):
            log_density = gaussian_mixture_log_density(X, **mixture)
            score = gaussian_mixture_score(X, **mixture)
        mean, covariance = mixture["means"][0], mixture["covariances"][0]
        first = multivariate_normal(mean, covariance)
        np.testing.assert_allclose(log_density, first.logpdf(X))
        np.testing.assert_allclose(score, -(X - mean) @ np.linalg.inv(covariance))

    def test_rows_have_the_moments_of_the_mixture(self):
        X, mixture = make_gaussian_mixture(40_000, 4, n_components=2, random_state=1)
        mean = mixture.weights @ mixture.means
        centred = mixture.means - mean
        within = np.einsum("k,kij->ij", mixture.weights, mixture.covariances)
        covariance = within + np.einsum("k,ki,kj->ij", mixture.weights, centred, centred)
        np.testing.assert_allclose(X.mean(axis=0), mean, atol=0.05)
        np.testing.assert_allclose(np.cov(X.T), covariance, atol=0.1)

    def test_rows_follow_the_mixture(self):
        """No estimate can fit the rows much better than the parameters they were drawn with."""
        X, mixture = make_gaussian_mixture(5000, 2, random_state=2)
        estimate = GaussianMixture(
            3,
            weights_init=mixture.weights,
            means_init=mixture.means,
            precisions_init=np.linalg.inv(mixture.covariances),
        ).fit(X)
        truth = gaussian_mixture_log_density(X, **mixture).mean()
        assert 0 < estimate.score(X) - truth < 20 / len(X)

    @pytest.mark.parametrize("noise", [0.1, 0.3])
    def test_thin_components(self, noise):
        mixture = make_gaussian_mixture(5, 6, effective_rank=2, noise=noise, random_state=0)[1]
        variances = np.linalg.eigvalsh(mixture.covariances)
        np.testing.assert_allclose(variances[:, :4], noise**2)
        assert (variances[:, 4:] >= 0.5).all()
        assert (variances[:, 4:] <= 1.5).all()

    def test_mixture_does_not_depend_on_the_number_of_rows(self):
        few, many = (make_gaussian_mixture(n, 3, random_state=5)[1] for n in (10, 1000))
        for key in few:
            np.testing.assert_array_equal(few[key], many[key])

    @pytest.mark.parametrize(
        "options",
        [
            {"n_features": 0},
            {"n_components": 0},
            {"effective_rank": 3},
            {"effective_rank": 0},
            {"noise": 0.0},
            {"spread": -1.0},
        ],
    )
    def test_bad_parameters(self, options):
        with pytest.raises(ValueError, match=next(iter(options))):
            make_gaussian_mixture(10, **{"n_features": 2, **options})
