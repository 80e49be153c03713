"""Gaussians with factors: the full covariance, in coordinates of the factors."""

import pytest
import torch

from skdiffusion.diffusion import GaussianDenoiser, MixtureDenoiser
from skdiffusion.diffusion.factor_gaussian import FactorFrame, FactorGaussian, FactorMixture
from skdiffusion.diffusion.preconditioning import Preconditioned
from skdiffusion.nets import ResidualMLP

D, K, N, FLOOR = 7, 3, 50, 0.04


def normal(*shape, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


LOADINGS = torch.linalg.qr(normal(D, K, seed=0))[0]
COV = torch.diag(torch.tensor([4.0, 1.0, 0.3], dtype=torch.float64))
GAUSSIAN = FactorGaussian(normal(D, seed=1), LOADINGS, COV, FLOOR)
X = 2 * normal(N, D, seed=2)
LEVELS = {
    "scalar": torch.tensor(0.3),
    "rows": torch.linspace(0.01, 3, N).unsqueeze(1).double(),
    "entries": torch.tensor([20.0, 0.005, 0.1, 20.0, 20.0, 3.0, 0.005]).double(),
    "all": normal(N, D, seed=3).abs() + 0.01,
}


@pytest.fixture(params=LEVELS)
def sigma(request):
    return LEVELS[request.param]


class TestFactorFrame:
    def test_the_mean_is_that_of_the_full_covariance(self, sigma):
        full = GaussianDenoiser(GAUSSIAN.mean, GAUSSIAN.cov)(X, sigma).mean
        torch.testing.assert_close(FactorFrame(GAUSSIAN)(X, sigma).mean, full, rtol=0, atol=1e-9)

    def test_the_root_is_that_of_the_posterior_covariance(self, sigma):
        coordinates = FactorFrame(GAUSSIAN)(X, sigma)
        noise = torch.diag_embed(sigma.expand(N, D) ** 2)
        cov = GAUSSIAN.cov
        posterior = cov - cov @ torch.linalg.solve(cov + noise, cov.expand_as(noise))
        root = LOADINGS.mT @ coordinates.root[coordinates.pattern]
        own = LOADINGS.mT @ posterior @ LOADINGS
        torch.testing.assert_close(root @ root.mT, own, rtol=0, atol=1e-7)

    def test_colour_and_back(self, sigma):
        coordinates, vectors = FactorFrame(GAUSSIAN)(X, sigma), normal(N, K, seed=4)
        back = coordinates.uncolour(coordinates.colour(vectors))
        torch.testing.assert_close(back, vectors)

    def test_noised_rows_are_white(self):
        sigma = torch.linspace(0.1, 2, D).double()
        noised = GAUSSIAN.cov + torch.diag(sigma**2)
        rows = GAUSSIAN.mean + normal(100_000, D, seed=5) @ torch.linalg.cholesky(noised).mT
        white = FactorFrame(GAUSSIAN)(rows, sigma).white
        torch.testing.assert_close(torch.cov(white.mT), torch.eye(K).double(), rtol=0, atol=0.02)

    def test_entries_that_are_not_corrected(self):
        loadings = torch.zeros(4, 2, dtype=torch.float64)
        loadings[:3, 0], loadings[3, 1] = 3**-0.5, 1.0
        gaussian = FactorGaussian(torch.zeros(4), loadings, torch.eye(2), FLOOR)
        frame = FactorFrame(gaussian, torch.arange(3))
        assert (frame.n_white, frame.n_outputs) == (2, 1)
        colour = frame(X[:, :4], torch.tensor(1.0)).colour(torch.ones(N, 1).double())
        assert colour.shape == (N, 3)

    def test_noise_of_the_factors(self):
        """With the same noise everywhere the factors have it too."""
        log_noise = FactorFrame(GAUSSIAN)(X, torch.tensor(0.3)).log_noise
        torch.testing.assert_close(log_noise.exp(), torch.full((N, K), 0.3).double())


class TestFactorMixture:
    def test_equals_the_full_mixture(self, sigma):
        weights, means = torch.tensor([0.3, 0.7]), normal(2, K, seed=6)
        covs = torch.stack([0.2 * COV, 0.5 * COV])
        across = torch.eye(D) - LOADINGS @ LOADINGS.mT
        full = MixtureDenoiser(
            weights,
            GAUSSIAN.mean + means @ LOADINGS.mT,
            LOADINGS @ covs @ LOADINGS.mT + FLOOR * across,
        )
        ours = FactorMixture(GAUSSIAN, weights, means, covs)(X, sigma).mean
        torch.testing.assert_close(ours, full(X, sigma).mean, rtol=0, atol=1e-8)

    def test_what_rows_say_can_be_given(self, sigma):
        mixture = FactorMixture(
            GAUSSIAN, torch.ones(2), normal(2, K, seed=6), torch.stack([COV] * 2)
        )
        reading = FactorFrame(GAUSSIAN)(X, sigma).reading
        assert torch.equal(mixture.mean(reading), mixture(X, sigma).mean)

    @pytest.mark.parametrize("is_same", [True, False])
    def test_a_baseline_of_other_factors_reads_rows_by_itself(self, sigma, is_same):
        loadings = torch.linalg.qr(normal(D, K, seed=7))[0]
        own = GAUSSIAN if is_same else FactorGaussian(GAUSSIAN.mean, loadings, COV, FLOOR)
        mixture = FactorMixture(own, torch.ones(2), normal(2, K, seed=6), torch.stack([COV] * 2))
        denoiser = Preconditioned(ResidualMLP(2 * K, K), GAUSSIAN, mixture)
        prepared = denoiser.prepare(X, sigma)
        direction = mixture(X, sigma).mean - prepared.coordinates.mean
        expected = prepared.coordinates.uncolour(direction)
        torch.testing.assert_close(prepared.inputs[:, K:], expected)
