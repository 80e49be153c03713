"""Linear measurements of a row against the closed forms of Gaussians and mixtures."""

import pytest
import torch

from skdiffusion.diffusion.clean import CleanDenoiser
from skdiffusion.diffusion.denoiser import Posterior
from skdiffusion.diffusion.gaussians import GaussianDenoiser, MixtureDenoiser
from skdiffusion.diffusion.grid import karras
from skdiffusion.diffusion.guidance import Conditioned, Guided
from skdiffusion.diffusion.measurement import Measured
from skdiffusion.diffusion.solvers import SOLVERS, run

N_DRAWS = 5_000


def tensor(values):
    return torch.tensor(values, dtype=torch.float64)


MEAN = tensor([1.0, -2.0, 0.5])
COV = tensor([[1.0, 0.8, -0.4], [0.8, 0.89, -0.17], [-0.4, -0.17, 0.3125]])
GAUSSIAN = GaussianDenoiser(MEAN, COV)
MATRIX = tensor([[1.0, 1.0, 0.0], [0.0, 2.0, -1.0]])
VALUES = tensor([0.3, -3.0])
NOISE = tensor([0.2, 0.5])
EXACT = tensor([0.0, 0.0])


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def noisy_rows(n=20, d=3):
    return 3.0 * torch.randn(n, d, generator=seeded(), dtype=torch.float64)


def given(mean, cov, matrix=MATRIX, values=VALUES, noise=NOISE):
    """Mean and covariance of a Gaussian row given its measurement."""
    gain = cov @ matrix.mT @ torch.linalg.pinv(matrix @ cov @ matrix.mT + torch.diag(noise**2))
    return mean + gain @ (values - matrix @ mean), cov - gain @ matrix @ cov


def posterior_denoiser(*options):
    """The exact denoiser of a Gaussian row given its measurement."""
    return GaussianDenoiser(*given(MEAN, COV, *options))


class TestGaussian:
    @pytest.mark.parametrize("sigma", [0.01, 0.5, 50.0, [0.1, 1.0, 7.0], "by row"])
    @pytest.mark.parametrize("noise", [NOISE, EXACT], ids=["noisy", "exact"])
    def test_is_the_denoiser_of_rows_given_the_measurement(self, sigma, noise):
        x = noisy_rows()
        levels = 0.1 + 5 * torch.rand(20, 3, generator=seeded(), dtype=torch.float64)
        levels = levels if sigma == "by row" else tensor(sigma)
        expected = posterior_denoiser(MATRIX, VALUES, noise)(x, levels).mean
        found = Measured(GAUSSIAN, MATRIX, VALUES, noise)(x, levels).mean
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-7)

    @pytest.mark.parametrize(("name", "n_steps"), [("dpmpp_2m", 60), ("heun", 60)])
    @pytest.mark.parametrize("noise", [NOISE, 0.1 * NOISE], ids=["noisy", "precise"])
    def test_draws_follow_the_posterior(self, name, n_steps, noise, global_random_seed):
        measured = Measured(GAUSSIAN, MATRIX, VALUES, noise)
        # start around what is expected at the largest noise: the flow would remember another mean
        expected = measured(MEAN.unsqueeze(0), tensor(40.0)).mean
        white = torch.randn(N_DRAWS, 3, generator=seeded(global_random_seed), dtype=torch.float64)
        sigmas = karras(0.001, 40.0, n_steps)
        x = run(SOLVERS[name](measured, expected + 40.0 * white, sigmas))
        mean, cov = given(MEAN, COV, MATRIX, VALUES, noise)
        variance = cov.diagonal()
        se_cov = ((variance[:, None] * variance + cov**2) / N_DRAWS).sqrt()
        assert ((x.mean(0) - mean).abs() < 4 * (variance / N_DRAWS).sqrt()).all()
        assert ((x.T.cov() - cov).abs() < 4.5 * se_cov).all()

    @pytest.mark.parametrize("sigma", [0.05, 0.5, 5.0])
    def test_selected_entries_are_known_entries(self, sigma):
        known, values = torch.tensor([False, True, True]), tensor([0.0, -1.5, 0.7])
        x = noisy_rows()
        # what is known already of these entries is told by their noise level there
        conditioned = Conditioned(GAUSSIAN, known, values, sigma_min=1e-6)(x, tensor(sigma)).mean
        measured = Measured(GAUSSIAN, torch.eye(3).double()[known], values[known])
        found = measured(x, tensor(sigma)).mean
        torch.testing.assert_close(found, conditioned, rtol=0, atol=1e-7)


class TestMeasurement:
    """What measurements may be."""

    SIGMA = tensor(0.7)

    def mean(self, matrix, values, noise, denoiser=GAUSSIAN, **options):
        return Measured(denoiser, matrix, values, noise, **options)(noisy_rows(), self.SIGMA).mean

    def test_rows_that_depend_on_each_other(self):
        doubled = torch.cat([MATRIX, MATRIX.sum(0, keepdim=True), torch.zeros(1, 3)])
        values = torch.cat([VALUES, VALUES.sum(0, keepdim=True), tensor([9.0])])
        found = self.mean(doubled, values, 0.0)
        torch.testing.assert_close(found, self.mean(MATRIX, VALUES, 0.0), rtol=0, atol=1e-7)

    def test_contradictions_are_met_in_the_middle(self):
        twice = MATRIX[[0, 0]]
        found = self.mean(twice, tensor([1.0, 3.0]), 0.0)
        torch.testing.assert_close(found, self.mean(MATRIX[:1], tensor([2.0]), 0.0))

    def test_units_make_no_difference(self):
        unit = tensor([1e8, 1e-8])
        found = self.mean(MATRIX * unit[:, None], VALUES * unit, NOISE * unit)
        torch.testing.assert_close(found, self.mean(MATRIX, VALUES, NOISE))

    def test_one_of_large_noise_says_nothing(self):
        found = self.mean(MATRIX, VALUES, tensor([0.0, 1e9]))
        torch.testing.assert_close(found, self.mean(MATRIX[:1], VALUES[:1], 0.0))

    def test_each_row_may_have_its_own(self):
        values = torch.randn(20, 2, generator=seeded(), dtype=torch.float64)
        found = self.mean(MATRIX, values, NOISE)
        for i in (0, 7):
            torch.testing.assert_close(found[i], self.mean(MATRIX, values[i], NOISE)[i])

    def test_dtype_is_the_rows(self):
        measured = Measured(GAUSSIAN, MATRIX.float(), VALUES.float())
        assert measured(torch.zeros(2, 3), torch.tensor(1.0)).mean.dtype == torch.float32

    def test_gradients_are_not_needed_around_it(self):
        with torch.no_grad():
            found = self.mean(MATRIX, VALUES, NOISE)
        assert not found.requires_grad
        torch.testing.assert_close(found, self.mean(MATRIX, VALUES, NOISE))

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ((MATRIX[0], VALUES), "Shapes disagree"),
            ((MATRIX, VALUES[:1]), "Shapes disagree"),
            ((MATRIX, VALUES, NOISE[:1]), "Shapes disagree"),
            ((MATRIX, VALUES / 0), "must be finite"),
            ((MATRIX, VALUES, -NOISE), "noise not negative"),
        ],
    )
    def test_wrong(self, options, message):
        with pytest.raises(ValueError, match=message):
            Measured(GAUSSIAN, *options)


class TestOnOthers:
    """A measurement of what other wrappers make."""

    def test_of_a_known_class(self):
        # two classes, told by the last entry, each a Gaussian of its own
        covs = torch.zeros(2, 4, 4, dtype=torch.float64)
        covs[0, :3, :3], covs[1, :3, :3] = COV, torch.eye(3)
        means = torch.stack([torch.cat([MEAN, tensor([-5.0])]), tensor([0.0, 0.0, 0.0, 5.0])])
        classes = MixtureDenoiser(torch.ones(2), means, covs)
        known = torch.tensor([False, False, False, True])
        of_first = Guided(classes, known, means[0], 1.0, sigma_min=1e-3, sigma_max=50.0)
        matrix, x = torch.nn.functional.pad(MATRIX, (0, 1)), noisy_rows(d=4)
        found = Measured(of_first, matrix, VALUES, NOISE)(x, tensor(0.7)).mean
        assert (found[:, 3] == -5.0).all()
        expected = posterior_denoiser()(x[:, :3], tensor(0.7)).mean
        torch.testing.assert_close(found[:, :3], expected, rtol=0, atol=1e-7)

    @pytest.mark.parametrize("sigma", [0.5, 3.0])
    def test_of_rows_without_their_noise(self, sigma):
        noise = tensor([0.3, 0.1, 0.2])
        noisy = GaussianDenoiser(MEAN, COV + torch.diag(noise**2))
        clean = CleanDenoiser(noisy, noise, sigma_min=1e-3)
        found = Measured(clean, MATRIX, VALUES, NOISE)(noisy_rows(), tensor(sigma)).mean
        expected = posterior_denoiser()(noisy_rows(), tensor(sigma)).mean
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-7)


class TestReference:
    def test_changes_no_gaussian(self):
        for sigma in (0.01, 0.7, 50.0):
            plain, helped = (
                Measured(GAUSSIAN, MATRIX, VALUES, NOISE, reference)(noisy_rows(), tensor(sigma))
                for reference in (None, GAUSSIAN)
            )
            torch.testing.assert_close(helped.mean, plain.mean, rtol=0, atol=1e-8)

    @pytest.mark.parametrize("slope", [-0.3, 0.0, 1e-4])
    def test_makes_up_for_derivatives_that_are_wrong(self, slope):
        """A network may have any: the measurement is met all the same, near the mean."""
        skew = tensor([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.5], [0.0, -0.5, 0.0]])

        def wrong(x, sigma):
            turned = slope * x @ (torch.eye(3) + skew).double()
            return Posterior(GAUSSIAN(x.detach(), sigma).mean + turned)

        x, sigma = noisy_rows(), tensor(0.7)
        helped = Measured(wrong, MATRIX, VALUES, 0.0, GAUSSIAN)(x, sigma).mean
        torch.testing.assert_close(helped @ MATRIX.mT, VALUES.expand(20, 2))
        # within some standard deviations of the way that a Gaussian would take
        mean = wrong(x, sigma).mean
        expected = Measured(GAUSSIAN, MATRIX, VALUES)(x, sigma).mean - GAUSSIAN(x, sigma).mean
        error = (mean - GAUSSIAN(x, sigma).mean).norm()
        assert (helped - mean).norm() < 5 * (expected.norm() + error)


class TestMixture:
    """Not exact: shares of modes are off while the noise is large, and modes are right."""

    MEANS = tensor([[1.0, 0.0], [-1.0, 0.5], [0.0, -1.0]])
    COVS = 0.25 * tensor(
        [[[1.0, 0.5], [0.5, 1.0]], [[1.0, -0.5], [-0.5, 1.0]], [[0.5, 0.0], [0.0, 2.0]]]
    )
    WEIGHTS = tensor([0.5, 0.3, 0.2])

    def exact(self, matrix, value, noise):
        """Mean and covariance of the mixture given a single measurement."""
        parts = [
            given(m, c, matrix, value, noise) for m, c in zip(self.MEANS, self.COVS, strict=True)
        ]
        means, covs = (torch.stack(part) for part in zip(*parts, strict=True))
        variance = (matrix @ self.COVS @ matrix.mT).flatten() + noise**2
        residual = value - self.MEANS @ matrix[0]
        log_share = self.WEIGHTS.log() - (residual**2 / variance + variance.log()) / 2
        share = log_share.softmax(0)
        mean = share @ means
        spread = (means - mean).unsqueeze(2)
        return mean, (share[:, None, None] * (covs + spread @ spread.mT)).sum(0)

    @pytest.mark.parametrize(("value", "noise"), [(0.5, 0.3), (-1.0, 0.3), (1.5, 1.0)])
    @pytest.mark.parametrize("has_reference", [False, True])
    def test_size_of_the_error(self, value, noise, has_reference, global_random_seed):
        """In means within a fifth of a standard deviation, and in these within a tenth."""
        matrix, value, noise = tensor([[1.0, 1.0]]), tensor([value]), tensor([noise])
        mixture = MixtureDenoiser(self.WEIGHTS, self.MEANS, self.COVS)
        mean = self.WEIGHTS @ self.MEANS
        spread = (self.MEANS - mean).unsqueeze(2)
        cov = (self.WEIGHTS[:, None, None] * (self.COVS + spread @ spread.mT)).sum(0)
        reference = GaussianDenoiser(mean, cov) if has_reference else None
        measured = Measured(mixture, matrix, value, noise, reference)
        start = measured(mean.unsqueeze(0), tensor(40.0)).mean + 40.0 * torch.randn(
            2000, 2, generator=seeded(global_random_seed), dtype=torch.float64
        )
        x = run(SOLVERS["dpmpp_2m"](measured, start, karras(0.005, 40.0, 40)))
        mean, cov = self.exact(matrix, value, noise)
        std = cov.diagonal().sqrt()
        assert ((x.mean(0) - mean).abs() < (0.2 + 0.07) * std).all()
        torch.testing.assert_close(x.std(0), std, rtol=0.1 + 0.05, atol=0)
