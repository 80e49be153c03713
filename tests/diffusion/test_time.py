"""Posteriors over noise levels against closed forms, and the inverse-gamma law against SciPy."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy import integrate, optimize, special, stats
from torch.testing import assert_close

from skdiffusion.diffusion import (
    EmpiricalDenoiser,
    GaussianDenoiser,
    MixtureDenoiser,
    karras,
    log_linear,
)
from skdiffusion.diffusion.time import (
    diffusion_time,
    diffusion_time_np,
    inverse_gamma_log_pdf,
    inverse_gamma_mean,
    inverse_gamma_mode,
    knn_time_log_posterior,
    time_log_posterior,
)

F64 = torch.float64
COV = torch.tensor([[1.0, 0.8], [0.8, 0.7]], dtype=F64)
GAUSSIAN = GaussianDenoiser(torch.tensor([1.0, -2.0], dtype=F64), COV)
MIXTURE = MixtureDenoiser(
    torch.tensor([0.3, 0.7]), torch.tensor([[-3.0, 0.0], [3.0, 1.0]]), 0.3 * torch.ones(2, 2)
)
DATA = torch.randn(30, 2, generator=torch.Generator().manual_seed(1), dtype=F64)
EMPIRICAL = EmpiricalDenoiser(DATA)
LAWS = {"gaussian": GAUSSIAN, "mixture": MIXTURE, "empirical": EMPIRICAL}
GRID = log_linear(0.05, 20.0, 60, final_zero=False)
X = torch.tensor([[0.0, 0.0], [1.2, -1.7], [3.0, 4.0], [-8.0, 5.0]], dtype=F64)


def exact_posterior(law, x, sigmas):
    log_p = torch.stack([law.log_prob(x, sigma) for sigma in sigmas], dim=1)
    return torch.log_softmax(log_p, dim=1)


def squared_distances(x, data):
    return (torch.cdist(x, data) ** 2).sort(1).values


class TestTimeLogPosterior:
    @pytest.mark.parametrize("up", [False, True], ids=["decreasing", "increasing"])
    @pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
    def test_is_the_density_normalised_over_levels(self, law, up):
        sigmas = GRID.flip(0) if up else GRID
        found = time_log_posterior(law, X, sigmas)
        assert_close(found.exp().sum(1), torch.ones(4, dtype=F64))
        assert_close(found.exp(), exact_posterior(law, X, sigmas).exp(), rtol=0.0, atol=2e-4)

    def test_fourth_order(self):
        errors = []
        for n_steps in (10, 20, 40):
            sigmas = log_linear(0.2, 5.0, n_steps, final_zero=False)
            error = time_log_posterior(GAUSSIAN, X[:2], sigmas).exp()
            error = (error / exact_posterior(GAUSSIAN, X[:2], sigmas).exp()).log()
            errors.append((error.max() - error.min()).item())
        np.testing.assert_allclose(np.log2(np.divide(errors[:-1], errors[1:])), 4.0, atol=0.3)

    def test_a_level_weighs_as_much_as_its_cell(self):
        """On a grid that is not geometric the prior is uniform in the logarithm all the same."""
        sigmas = karras(0.05, 20.0, 150, final_zero=False)
        found = time_log_posterior(GAUSSIAN, X, sigmas).exp() @ sigmas.log()
        fine = log_linear(0.05, 20.0, 400, final_zero=False)
        wanted = exact_posterior(GAUSSIAN, X, fine).exp() @ fine.log()
        assert_close(found, wanted, rtol=0.0, atol=0.02)
        naive = exact_posterior(GAUSSIAN, X, sigmas).exp() @ sigmas.log()
        assert (naive - wanted).abs().max() > 0.1
        flat = time_log_posterior(GAUSSIAN, X, sigmas, log_prior=torch.ones(151)).exp()
        assert_close(flat @ sigmas.log(), found)

    def test_prior(self):
        log_prior = 2 * GRID.log()
        found = time_log_posterior(MIXTURE, X, GRID, log_prior=log_prior)
        wanted = torch.log_softmax(exact_posterior(MIXTURE, X, GRID) + log_prior, dim=1)
        assert_close(found.exp(), wanted.exp(), rtol=0.0, atol=2e-4)

    def test_all_sign_vectors_estimate_it_exactly(self):
        probes = torch.tensor(list(itertools.product([-1.0, 1.0], repeat=2)))
        exact = time_log_posterior(GAUSSIAN, X, GRID)
        options = {"divergence": "hutchinson", "probes": probes}
        assert_close(time_log_posterior(GAUSSIAN, X, GRID, **options), exact)
        options["probes"] = probes[:1]
        single = time_log_posterior(GAUSSIAN, X, GRID, **options)
        assert (single - exact).exp().max() > 1.01

    def test_rows_are_independent_and_without_gradient(self):
        x = X.clone().requires_grad_()
        whole = time_log_posterior(MIXTURE, x, GRID)
        assert not whole.requires_grad and x.grad is None
        parts = [time_log_posterior(MIXTURE, row, GRID) for row in x.split(1)]
        assert_close(torch.cat(parts), whole, rtol=1e-9, atol=1e-9)

    def test_errors(self):
        wrong = torch.tensor([1.0, 1.0]), torch.tensor([0.0, 1.0]), torch.tensor([1.0, 3.0, 2.0])
        for sigmas in wrong:
            with pytest.raises(ValueError, match="strictly increasing or decreasing"):
                time_log_posterior(GAUSSIAN, X, sigmas)
        with pytest.raises(ValueError, match="two or more"):
            time_log_posterior(GAUSSIAN, X, torch.ones(1))
        with pytest.raises(ValueError, match="log_prior must be of shape"):
            time_log_posterior(GAUSSIAN, X, GRID, log_prior=torch.zeros(3))
        with pytest.raises(ValueError, match="needs probes"):
            time_log_posterior(GAUSSIAN, X, GRID, divergence="hutchinson")


class TestDiffusionTime:
    @pytest.mark.parametrize("d", [1, 2, 5])
    def test_of_one_training_row(self, d):
        """The mean logarithm of an inverse-gamma variable is known."""
        x = torch.linspace(1.0, 2.0, d, dtype=F64).unsqueeze(0)
        sigmas = log_linear(1e-3, 1e5, 300, final_zero=False)
        found = diffusion_time(EmpiricalDenoiser(torch.zeros(1, d)), x, sigmas)
        m = (x**2).sum()
        wanted = (m / 2).sqrt() * math.exp(-special.digamma(d / 2) / 2)
        assert_close(found.rows, wanted.unsqueeze(0), rtol=1e-3, atol=0.0)
        assert_close(found.entries, found.rows * x**2 / m)
        assert_close(found.expected, torch.zeros(1, d, dtype=F64))

    def test_finds_the_level_of_noisy_rows(self):
        law = GaussianDenoiser(torch.zeros(30), torch.full((30,), 1e-4))
        found = [
            diffusion_time(law, law.sample(200, torch.Generator().manual_seed(0), sigma), GRID).rows
            for sigma in (0.2, 1.0, 5.0)
        ]
        means = torch.stack([rows.log().mean().exp() for rows in found])
        assert_close(means, torch.tensor([0.2, 1.0, 5.0], dtype=F64), rtol=0.05, atol=0.0)

    def test_shares_are_those_of_the_changes(self):
        found = diffusion_time(MIXTURE, X, GRID)
        squares = (X - found.expected) ** 2
        wanted = squares / squares.sum(1, keepdim=True) * found.rows.unsqueeze(1)
        assert_close(found.entries, wanted)
        for row in range(4):
            nearest = GRID[(GRID / found.rows[row]).log().abs().argmin()]
            mean = MIXTURE(X[row : row + 1], nearest).mean[0]
            assert_close(found.expected[row], mean)

    def test_a_row_that_nothing_changes_is_split_evenly(self):
        found = diffusion_time(GAUSSIAN, GAUSSIAN.mean.unsqueeze(0), GRID)
        assert_close(found.entries, found.rows.unsqueeze(1).expand(1, 2) / 2)


@pytest.mark.parametrize(("prior", "offset"), [("log", 0.0), ("variance", 1.0)])
class TestInverseGamma:
    @pytest.mark.parametrize("d", [3, 8])
    def test_density(self, d, prior, offset):
        sigma, m = torch.tensor([0.3, 1.0, 4.0], dtype=F64), torch.tensor(2.5, dtype=F64)
        found = inverse_gamma_log_pdf(sigma, m, d, prior=prior)
        law = stats.invgamma(d / 2 - offset, scale=m.item() / 2)
        wanted = law.logpdf(sigma**2) + np.log(2 * sigma.numpy() ** 2)
        np.testing.assert_allclose(found, wanted, rtol=1e-12)

    def test_mean(self, prior, offset):
        law = stats.invgamma(9 / 2 - offset, scale=2.5 / 2)
        found = inverse_gamma_mean(torch.tensor(2.5, dtype=F64), 9, prior=prior)
        assert found.item() == pytest.approx(law.mean())

    def test_mode(self, prior, offset):
        """Of the density in what the prior is uniform in."""
        m, d = torch.tensor(2.5, dtype=F64), 9
        found = inverse_gamma_mode(m, d).item()

        def loss(log_variance):
            sigma = torch.tensor(math.exp(0.5 * log_variance), dtype=F64)
            jacobian = log_variance if prior == "variance" else 0.0
            return jacobian - inverse_gamma_log_pdf(sigma, m, d, prior=prior).item()

        best = optimize.minimize_scalar(loss, bracket=(-3.0, 0.0), tol=1e-10).x
        assert math.exp(best) == pytest.approx(found, rel=1e-6)

    def test_small_dimensions(self, prior, offset):
        m = torch.tensor(2.0, dtype=F64)
        smallest = 3 if prior == "log" else 5
        with pytest.raises(ValueError, match="is infinite"):
            inverse_gamma_mean(m, smallest - 1, prior=prior)
        assert inverse_gamma_mean(m, smallest, prior=prior) > 0
        if prior == "variance":
            with pytest.raises(ValueError, match="no finite mass"):
                inverse_gamma_log_pdf(m, m, 2, prior=prior)
        else:
            mass, _ = integrate.quad(
                lambda u: inverse_gamma_log_pdf(torch.tensor(u, dtype=F64).exp(), m, 1).exp(),
                -5.0,
                30.0,
            )
            assert mass == pytest.approx(1.0, abs=1e-6)

    def test_errors(self, prior, offset):
        with pytest.raises(ValueError, match="prior must be"):
            inverse_gamma_mean(torch.ones(1), 9, prior=prior + "s")
        with pytest.raises(ValueError, match="must not be negative"):
            inverse_gamma_mode(-torch.ones(1), 9)
        with pytest.raises(ValueError, match="at least 1"):
            inverse_gamma_mode(torch.ones(1), 0)


class TestKnnTimeLogPosterior:
    @pytest.mark.parametrize("prior", ["log", "variance"])
    def test_one_neighbour_is_the_inverse_gamma_law(self, prior):
        m, sigmas = torch.tensor([[0.5], [9.0]], dtype=F64), GRID.flip(0)
        log_prior = None if prior == "log" else 2 * sigmas.log()
        found = knn_time_log_posterior(m, 5, sigmas, log_prior=log_prior)
        density = inverse_gamma_log_pdf(sigmas, m, 5, prior=prior)
        assert_close(found, torch.log_softmax(density, dim=1))
        # the law of a fine grid's cells is the continuous one
        step = math.log(sigmas[1] / sigmas[0])
        wide = density.exp().sum(1) * step
        assert_close(found.exp(), density.exp() * step / wide.unsqueeze(1))
        assert wide[0].item() == pytest.approx(1.0, abs=0.01)

    def test_all_neighbours_are_the_empirical_law(self):
        found = knn_time_log_posterior(squared_distances(X, DATA), 2, GRID)
        assert_close(found, exact_posterior(EMPIRICAL, X, GRID))
        learned = time_log_posterior(EMPIRICAL, X, GRID)
        assert_close(found.exp(), learned.exp(), rtol=0.0, atol=2e-4)

    def test_far_neighbours_do_not_matter_to_small_levels(self):
        few = knn_time_log_posterior(squared_distances(X, DATA)[:, :5], 2, GRID)
        all_of_them = knn_time_log_posterior(squared_distances(X, DATA), 2, GRID)
        step = few[:2].diff(dim=1) - all_of_them[:2].diff(dim=1)
        assert step[:, GRID[1:] < 0.1].abs().max() < 0.01 < step.abs().max()

    def test_a_copy_of_a_training_row(self):
        found = knn_time_log_posterior(torch.zeros(1, 1), 3, GRID)
        assert torch.isfinite(found).all() and found.argmax() == len(GRID) - 1

    def test_errors(self):
        with pytest.raises(ValueError, match=r"shape \(n, k\)"):
            knn_time_log_posterior(torch.ones(3), 2, GRID)
        with pytest.raises(ValueError, match="must not be negative"):
            knn_time_log_posterior(-torch.ones(3, 1), 2, GRID)
        with pytest.raises(ValueError, match="strictly increasing or decreasing"):
            knn_time_log_posterior(torch.ones(3, 1), 2, torch.tensor([1.0, -1.0]))


class TestDiffusionTimeNP:
    def test_one_neighbour_gives_the_mode(self):
        m = torch.tensor([[2.0], [5.0]], dtype=F64)
        assert_close(diffusion_time_np(m, 4), inverse_gamma_mode(m, 4).sqrt().squeeze(1))

    def test_ranks_as_the_mean_distance(self):
        squares = squared_distances(X, DATA)[:, :5]
        assert_close(diffusion_time_np(squares, 2) * math.sqrt(2), squares.sqrt().mean(1))

    def test_is_the_noise_level_of_a_noisy_copy(self):
        generator = torch.Generator().manual_seed(0)
        noise = torch.randn(50, 4000, generator=generator, dtype=F64)
        squares = (0.3 * noise).square().sum(1, keepdim=True)
        found = diffusion_time_np(squares, 4000)
        assert_close(found, torch.full_like(found, 0.3), rtol=0.05, atol=0.0)

    def test_errors(self):
        with pytest.raises(ValueError, match=r"shape \(n, k\)"):
            diffusion_time_np(torch.ones(3, 0), 2)
        with pytest.raises(ValueError, match="must not be negative"):
            diffusion_time_np(-torch.ones(3, 1), 2)
