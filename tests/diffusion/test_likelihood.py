"""Log-densities, bounds and codes against closed forms and theorems."""

import itertools

import numpy as np
import pytest
import torch

from skdiffusion.diffusion import jacobian
from skdiffusion.diffusion.denoiser import Posterior
from skdiffusion.diffusion.gaussians import GaussianDenoiser, MixtureDenoiser
from skdiffusion.diffusion.grid import karras, log_linear, uniform
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
PRIORS = {GAUSSIAN: GAUSSIAN, MIXTURE: GaussianDenoiser(MIXTURE_MEAN, MIXTURE_COV)}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def fine(n_steps=16, sigma_max=10.0):
    return karras(0.01, sigma_max, n_steps, final_zero=False)


class Bent:
    """Not the denoiser of any distribution, but smooth."""

    def __call__(self, x, sigma):
        return Posterior(torch.tanh(x - 0.3) / (1.0 + sigma**2) + 0.2 * torch.sin(2.0 * x))


class TestLogDensity:
    @pytest.mark.parametrize("grid", [karras, log_linear, uniform])
    @pytest.mark.parametrize("sigma_max", [10.0, 80.0])
    @pytest.mark.parametrize("distribution", [GAUSSIAN, MIXTURE], ids=["gaussian", "mixture"])
    def test_matches_the_closed_form(self, distribution, sigma_max, grid):
        x = distribution.sample(300, generator=seeded(), sigma=0.002)
        sigmas = grid(0.002, sigma_max, 32, final_zero=False)
        # the mixture is not yet Gaussian at noise level 10
        prior = distribution if sigma_max == 10.0 else PRIORS[distribution]
        error = log_density(distribution, x, sigmas, prior) - distribution.log_prob(x, sigmas[-1])
        assert error.abs().mean() / x.shape[1] < 0.02
        assert error.mean().abs() / x.shape[1] < 0.01

    def test_outliers_of_a_gaussian(self):
        x = MEAN + torch.tensor([[5.0, -5.0, 3.0], [0.0, 0.0, 8.0]], dtype=F64)
        sigmas = fine(32)
        exact = GAUSSIAN.log_prob(x, sigmas[-1])
        assert (exact < -100).all()
        torch.testing.assert_close(
            log_density(GAUSSIAN, x, sigmas, GAUSSIAN), exact, rtol=1e-4, atol=0.0
        )

    def test_fourth_order(self):
        x = GAUSSIAN.sample(20, generator=seeded(), sigma=0.05)
        errors = []
        for n_steps in (16, 32, 64):
            sigmas = log_linear(0.05, 10.0, n_steps, final_zero=False)
            exact = GAUSSIAN.log_prob(x, sigmas[-1])
            error = log_density(GAUSSIAN, x, sigmas, GAUSSIAN) - exact
            errors.append(error.abs().max().item())
        np.testing.assert_allclose(np.log2(np.divide(errors[:-1], errors[1:])), 4.0, atol=0.25)

    def test_any_denoiser_gives_a_density(self):
        # The flow of a vector field preserves mass, whether the field is a score or not.
        x = torch.linspace(-40.0, 40.0, 8001, dtype=F64).unsqueeze(1)
        prior = GaussianDenoiser(torch.zeros(1), torch.ones(1))
        density = log_density(Bent(), x, log_linear(0.1, 4.0, 24, final_zero=False), prior).exp()
        assert torch.trapezoid(density, x[:, 0]).item() == pytest.approx(1.0, abs=1e-4)

    def test_all_sign_vectors_estimate_the_trace_exactly(self, monkeypatch):
        probes = torch.tensor(list(itertools.product([-1.0, 1.0], repeat=2)))
        x = MIXTURE.sample(10, generator=seeded())
        exact = log_density(MIXTURE, x, fine(), MIXTURE, probes=probes[:1])
        monkeypatch.setattr(jacobian, "_MAX_EXACT_COLUMNS", 0)
        estimate = log_density(MIXTURE, x, fine(), MIXTURE, probes=probes)
        torch.testing.assert_close(estimate, exact, rtol=0.0, atol=1e-9)
        single = log_density(MIXTURE, x, fine(), MIXTURE, probes=probes[:1])
        assert (single - exact).abs().max() > 1e-3

    @pytest.mark.parametrize("d", [32, 33])
    def test_exact_up_to_32_columns(self, d):
        distribution = GaussianDenoiser(torch.zeros(d), torch.eye(d) + 0.5)
        x = distribution.sample(3, generator=seeded())
        exact = log_density(distribution, x, fine(4), distribution)
        found = log_density(distribution, x, fine(4), distribution, probes=torch.ones(1, d))
        assert torch.equal(found, exact) == (d == 32)

    @pytest.mark.parametrize("limit", [0, 2])
    def test_a_rows_score_does_not_depend_on_the_batch(self, limit, monkeypatch):
        monkeypatch.setattr(jacobian, "_MAX_EXACT_COLUMNS", limit)
        options = {"probes": torch.tensor([[1.0, -1.0]])}
        x = MIXTURE.sample(30, generator=seeded())
        whole = log_density(MIXTURE, x, fine(), MIXTURE, **options)
        parts = [log_density(MIXTURE, part, fine(), MIXTURE, **options) for part in x.split(7)]
        torch.testing.assert_close(torch.cat(parts), whole, rtol=0.0, atol=1e-9)

    def test_of_a_marginal(self):
        kept = torch.tensor([True, False, True])
        exact = GaussianDenoiser(MEAN[kept], COV[kept][:, kept])
        x = exact.sample(50, generator=seeded(), sigma=0.01)
        marginal = Marginal(GAUSSIAN, kept, sigma_max=1e4)
        torch.testing.assert_close(
            log_density(marginal, x, fine(32), exact),
            exact.log_prob(x, torch.tensor(0.01, dtype=F64)),
            rtol=0.0,
            atol=5e-3,
        )

    def test_type_and_gradients(self):
        x = torch.ones(2, 3, requires_grad=True)
        with torch.no_grad():
            density = log_density(GAUSSIAN, x, fine(), GAUSSIAN)
        assert density.dtype == F64
        assert density.shape == (2,)
        outside = log_density(GAUSSIAN, x, fine(), GAUSSIAN)
        assert not outside.requires_grad
        assert torch.equal(density, outside)
        assert x.grad is None

    def test_errors(self):
        x = torch.zeros(2, 3)
        with pytest.raises(ValueError, match="strictly decreasing"):
            log_density(GAUSSIAN, x, fine().flip(0), GAUSSIAN)
        with pytest.raises(ValueError, match="final_zero=False"):
            log_density(GAUSSIAN, x, karras(0.01, 10.0, 5), GAUSSIAN)
        with pytest.raises(ValueError, match=r"shape \(n, d\)"):
            log_density(GAUSSIAN, x[0], fine(), GAUSSIAN)
        wide = GaussianDenoiser(torch.zeros(33), torch.ones(33))
        with pytest.raises(ValueError, match=r"probes must be of shape \(m, 33\)"):
            log_density(wide, torch.zeros(1, 33), fine(), wide, probes=torch.ones(33))


class TestCodes:
    def test_gaussian_codes_are_the_exact_flow(self):
        x = GAUSSIAN.sample(20, generator=seeded(), sigma=0.01)
        values, vectors = torch.linalg.eigh(COV)
        stretch = ((values + 10.0**2) / (values + 0.01**2)).sqrt()
        exact = MEAN + ((x - MEAN) @ vectors * stretch) @ vectors.T
        torch.testing.assert_close(encode(GAUSSIAN, x, fine(64)), exact, rtol=1e-4, atol=1e-3)

    @pytest.mark.parametrize(
        ("distribution", "atol"), [(GAUSSIAN, 1e-5), (MIXTURE, 1e-3)], ids=["gaussian", "mixture"]
    )
    def test_round_trip(self, distribution, atol):
        x = distribution.sample(200, generator=seeded(), sigma=0.01)
        back = decode(distribution, encode(distribution, x, fine(64)), fine(64))
        torch.testing.assert_close(back, x, rtol=0.0, atol=atol)

    def test_decoded_noise_follows_the_mixture(self):
        z = MIXTURE.sample(2000, generator=seeded(), sigma=10.0)
        x = decode(MIXTURE, z, fine(32))
        share = (x[:, 0] > 0).double().mean().item()
        assert abs(share - 0.7) < 3 * (0.3 * 0.7 / 2000) ** 0.5
        right = x[x[:, 0] > 0]
        torch.testing.assert_close(right.T.cov(), MIXTURE.covs[1], rtol=0.0, atol=0.03)

    @pytest.mark.parametrize("function", [encode, decode])
    def test_dtype_and_gradients(self, function):
        x = torch.ones(2, 3, requires_grad=True)
        out = function(GAUSSIAN, x, fine())
        assert out.dtype == torch.float32
        (gradient,) = torch.autograd.grad(out.sum(), x)
        assert gradient.abs().max() > 0

    @pytest.mark.parametrize("function", [encode, decode])
    def test_errors(self, function):
        with pytest.raises(ValueError, match="final_zero=False"):
            function(GAUSSIAN, torch.zeros(2, 3), karras(0.01, 10.0, 5))
        with pytest.raises(ValueError, match=r"shape \(n, d\)"):
            function(GAUSSIAN, torch.zeros(3), fine())
