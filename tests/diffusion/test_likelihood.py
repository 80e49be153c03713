"""Log-densities, bounds and codes against closed forms and theorems."""

import itertools

import numpy as np
import pytest
import torch

from skdiffusion.diffusion import jacobian
from skdiffusion.diffusion.denoiser import Posterior
from skdiffusion.diffusion.gaussians import GaussianDenoiser, MixtureDenoiser
from skdiffusion.diffusion.guidance import Marginal
from skdiffusion.diffusion.likelihood import decode, encode, log_density

F64 = torch.float64
MEAN = torch.tensor([1.0, -2.0, 0.5], dtype=F64)
COV = torch.tensor([[1.0, 0.8, -0.4], [0.8, 0.89, -0.17], [-0.4, -0.17, 0.3125]], dtype=F64)
GAUSSIAN = GaussianDenoiser(MEAN, COV)
MIXTURE = MixtureDenoiser(
    torch.tensor([0.3, 0.7]),
    torch.tensor([[-3.0, 0.0], [3.0, 1.0]]),
    torch.tensor([[[0.04, 0.0], [0.0, 0.25]], [[0.25, 0.2], [0.2, 0.25]]]),
)
MIXTURE_MEAN = MIXTURE.weights @ MIXTURE.means
MIXTURE_COV = (
    torch.einsum("k,kij->ij", MIXTURE.weights, MIXTURE.covs)
    + torch.einsum("k,ki,kj->ij", MIXTURE.weights, MIXTURE.means, MIXTURE.means)
    - torch.outer(MIXTURE_MEAN, MIXTURE_MEAN)
)
MOMENTS = GaussianDenoiser(MIXTURE_MEAN, MIXTURE_COV)
LIMITS = 0.01, 80.0


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def random_mixture(seed, k=5, d=10):
    """Return a mixture of narrow Gaussians, and the Gaussian of its moments."""
    means = 1.5 * torch.randn(k, d, generator=seeded(seed), dtype=F64)
    roots = torch.randn(k, d, d, generator=seeded(seed + 100), dtype=F64) / (2 * d**0.5)
    covs = roots @ roots.mT + 0.01 * torch.eye(d)
    cov = covs.mean(0) + means.T.cov(correction=0)
    return MixtureDenoiser(torch.ones(k), means, covs), GaussianDenoiser(means.mean(0), cov)


class Bent:
    """Not the denoiser of any distribution, but smooth."""

    def __call__(self, x, sigma):
        return Posterior(torch.tanh(x - 0.3) / (1.0 + sigma**2) + 0.2 * torch.sin(2.0 * x))


class TestLogDensity:
    @pytest.mark.parametrize("n_steps", [1, 2, 7])
    def test_a_gaussian_takes_no_steps(self, n_steps):
        """What its own flow is not asked for is zero, also for outliers."""
        x = GAUSSIAN.sample(50, generator=seeded(), sigma=0.01)
        x = torch.cat([x, MEAN + torch.tensor([[5.0, -5.0, 3.0], [0.0, 0.0, 8.0]], dtype=F64)])
        exact = GAUSSIAN.log_prob(x, torch.tensor(LIMITS[0], dtype=F64))
        assert (exact[-2:] < -100).all()
        found = log_density(GAUSSIAN, x, LIMITS, GAUSSIAN, n_steps)
        torch.testing.assert_close(found, exact, rtol=1e-9, atol=1e-9)

    @pytest.mark.parametrize("seed", range(5))
    def test_default_steps_on_a_mixture(self, seed):
        x = MIXTURE.sample(200, generator=seeded(seed), sigma=0.002)
        exact = MIXTURE.log_prob(x, torch.tensor(0.002, dtype=F64))
        error = log_density(MIXTURE, x, (0.002, 80.0), MOMENTS) - exact
        assert error.abs().mean() < 0.01
        assert error.mean().abs() < 0.01

    @pytest.mark.parametrize("seed", range(5))
    def test_default_steps_on_ten_columns(self, seed):
        mixture, moments = random_mixture(seed)
        x = mixture.sample(200, generator=seeded(seed), sigma=0.005)
        # a finer integral, not the density: at noise level 20 the mixture is not quite Gaussian
        fine = log_density(mixture, x, (0.005, 20.0), moments, 160)
        error = log_density(mixture, x, (0.005, 20.0), moments) - fine
        assert error.abs().mean() < 0.015
        assert error.mean().abs() < 0.01

    def test_converges_to_the_density(self):
        x = MIXTURE.sample(100, generator=seeded(), sigma=0.01)
        found = log_density(MIXTURE, x, (0.01, 300.0), MOMENTS, 200)
        exact = MIXTURE.log_prob(x, torch.tensor(0.01, dtype=F64))
        torch.testing.assert_close(found, exact, rtol=0.0, atol=1e-4)

    def test_fourth_order(self):
        """About another Gaussian than its own."""
        x = GAUSSIAN.sample(20, generator=seeded(), sigma=0.05)
        other = GaussianDenoiser(MEAN + 1.0, torch.diag(COV.diagonal()) + 1.0)
        paths = [log_density(GAUSSIAN, x, (0.05, 10.0), other, n) for n in (16, 32, 64, 512)]
        errors = [(path - paths[-1]).abs().max().item() for path in paths[:-1]]
        assert (np.log2(np.divide(errors[:-1], errors[1:])) > 3.5).all()

    def test_any_denoiser_gives_a_density(self):
        # The flow of a vector field preserves mass, whether the field is a score or not.
        x = torch.linspace(-40.0, 40.0, 8001, dtype=F64).unsqueeze(1)
        prior = GaussianDenoiser(torch.zeros(1), torch.ones(1))
        density = log_density(Bent(), x, (0.1, 4.0), prior, 48).exp()
        assert torch.trapezoid(density, x[:, 0]).item() == pytest.approx(1.0, abs=1e-4)

    def test_all_sign_vectors_estimate_the_trace_exactly(self, monkeypatch):
        probes = torch.tensor(list(itertools.product([-1.0, 1.0], repeat=2)))
        x = MIXTURE.sample(10, generator=seeded())
        exact = log_density(MIXTURE, x, LIMITS, MOMENTS, probes=probes[:1])
        monkeypatch.setattr(jacobian, "_MAX_EXACT_COLUMNS", 0)
        estimate = log_density(MIXTURE, x, LIMITS, MOMENTS, probes=probes)
        torch.testing.assert_close(estimate, exact, rtol=0.0, atol=1e-9)
        single = log_density(MIXTURE, x, LIMITS, MOMENTS, probes=probes[:1])
        assert (single - exact).abs().max() > 1e-3

    @pytest.mark.parametrize("d", [32, 33])
    def test_exact_up_to_32_columns(self, d):
        distribution = GaussianDenoiser(torch.zeros(d), torch.eye(d) + 0.5)
        prior = GaussianDenoiser(torch.zeros(d), torch.eye(d))
        x = distribution.sample(3, generator=seeded())
        exact = log_density(distribution, x, LIMITS, prior, 4)
        found = log_density(distribution, x, LIMITS, prior, 4, probes=torch.ones(1, d))
        assert torch.equal(found, exact) == (d == 32)

    @pytest.mark.parametrize("limit", [0, 2])
    def test_a_rows_score_does_not_depend_on_the_batch(self, limit, monkeypatch):
        monkeypatch.setattr(jacobian, "_MAX_EXACT_COLUMNS", limit)
        options = {"probes": torch.tensor([[1.0, -1.0]])}
        x = MIXTURE.sample(30, generator=seeded())
        whole = log_density(MIXTURE, x, LIMITS, MOMENTS, **options)
        parts = [log_density(MIXTURE, part, LIMITS, MOMENTS, **options) for part in x.split(7)]
        torch.testing.assert_close(torch.cat(parts), whole, rtol=0.0, atol=1e-9)

    def test_of_a_marginal(self):
        kept = torch.tensor([True, False, True])
        exact = GaussianDenoiser(MEAN[kept], COV[kept][:, kept])
        x = exact.sample(50, generator=seeded(), sigma=0.01)
        marginal = Marginal(GAUSSIAN, kept, sigma_max=1e4)
        torch.testing.assert_close(
            log_density(marginal, x, LIMITS, exact),
            exact.log_prob(x, torch.tensor(0.01, dtype=F64)),
            rtol=0.0,
            atol=5e-3,
        )

    def test_type_and_gradients(self):
        x = torch.ones(2, 3, requires_grad=True)
        with torch.no_grad():
            density = log_density(GAUSSIAN, x, LIMITS, GAUSSIAN)
        assert density.dtype == F64
        assert density.shape == (2,)
        outside = log_density(GAUSSIAN, x, LIMITS, GAUSSIAN)
        assert not outside.requires_grad
        assert torch.equal(density, outside)
        assert x.grad is None

    def test_errors(self):
        x = torch.zeros(2, 3)
        for limits, n_steps in (((10.0, 0.01), 5), ((0.0, 10.0), 5), (LIMITS, 0)):
            with pytest.raises(ValueError, match="0 < sigma_min < sigma_max < inf and n_steps"):
                log_density(GAUSSIAN, x, limits, GAUSSIAN, n_steps)
        with pytest.raises(ValueError, match=r"shape \(n, d\)"):
            log_density(GAUSSIAN, x[0], LIMITS, GAUSSIAN)
        wide = GaussianDenoiser(torch.zeros(33), torch.ones(33))
        with pytest.raises(ValueError, match=r"probes must be of shape \(m, 33\)"):
            log_density(wide, torch.zeros(1, 33), LIMITS, wide, probes=torch.ones(33))


class TestCodes:
    @pytest.mark.parametrize("prior", [GAUSSIAN, GaussianDenoiser(MEAN, torch.ones(3))])
    def test_gaussian_codes_are_the_exact_flow(self, prior):
        x = GAUSSIAN.sample(20, generator=seeded(), sigma=0.01)
        values, vectors = torch.linalg.eigh(COV)
        stretch = ((values + 10.0**2) / (values + 0.01**2)).sqrt()
        exact = MEAN + ((x - MEAN) @ vectors * stretch) @ vectors.T
        found = encode(GAUSSIAN, x, (0.01, 10.0), prior, 64)
        torch.testing.assert_close(found, exact, rtol=1e-4, atol=1e-3)

    @pytest.mark.parametrize(
        ("distribution", "prior", "atol"),
        [(GAUSSIAN, GAUSSIAN, 1e-12), (MIXTURE, MOMENTS, 1e-3)],
        ids=["gaussian", "mixture"],
    )
    def test_round_trip(self, distribution, prior, atol):
        x = distribution.sample(200, generator=seeded(), sigma=0.01)
        z = encode(distribution, x, (0.01, 10.0), prior, 64)
        back = decode(distribution, z, (0.01, 10.0), prior, 64)
        torch.testing.assert_close(back, x, rtol=0.0, atol=atol)

    def test_decoded_noise_follows_the_mixture(self):
        z = MIXTURE.sample(2000, generator=seeded(), sigma=10.0)
        x = decode(MIXTURE, z, (0.01, 10.0), MOMENTS)
        share = (x[:, 0] > 0).double().mean().item()
        assert abs(share - 0.7) < 3 * (0.3 * 0.7 / 2000) ** 0.5
        right = x[x[:, 0] > 0]
        torch.testing.assert_close(right.T.cov(), MIXTURE.covs[1], rtol=0.0, atol=0.03)

    @pytest.mark.parametrize("function", [encode, decode])
    def test_dtype_and_gradients(self, function):
        x = torch.ones(2, 3, requires_grad=True)
        out = function(GAUSSIAN, x, LIMITS, GAUSSIAN)
        assert out.dtype == torch.float32
        (gradient,) = torch.autograd.grad(out.sum(), x)
        assert gradient.abs().max() > 0

    @pytest.mark.parametrize("function", [encode, decode])
    def test_errors(self, function):
        with pytest.raises(ValueError, match="0 < sigma_min"):
            function(GAUSSIAN, torch.zeros(2, 3), (0.0, 1.0), GAUSSIAN)
        with pytest.raises(ValueError, match=r"shape \(n, d\)"):
            function(GAUSSIAN, torch.zeros(3), LIMITS, GAUSSIAN)
