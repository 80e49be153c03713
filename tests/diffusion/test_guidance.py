"""Conditioning, marginals and guidance against the closed forms of a Gaussian."""

import math

import pytest
import torch

from skdiffusion.diffusion.gaussians import GaussianDenoiser, MixtureDenoiser
from skdiffusion.diffusion.grid import karras
from skdiffusion.diffusion.guidance import Conditioned, Guided, Marginal
from skdiffusion.diffusion.kernel_density import KernelDenoiser
from skdiffusion.diffusion.solvers import SOLVERS, run

N_DRAWS = 5_000
MEAN = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
COV = torch.tensor(
    [[1.0, 0.8, -0.4], [0.8, 0.89, -0.17], [-0.4, -0.17, 0.3125]], dtype=torch.float64
)
GAUSSIAN = GaussianDenoiser(MEAN, COV)
KNOWN = torch.tensor([False, True, False])
NEAR = torch.tensor([math.nan, -1.5, math.nan], dtype=torch.float64)
TINY = torch.full((1,), 1e-10, dtype=torch.float64)
FAR = torch.tensor([math.nan, 6.0, math.nan], dtype=torch.float64)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def scalar(value):
    return torch.tensor(value, dtype=torch.float64)


def conditional(known, values):
    """Mean and covariance of the unknown columns given the known ones."""
    a, b = ~known, known
    gain = torch.linalg.solve(COV[b][:, b], COV[b][:, a]).T
    return MEAN[a] + gain @ (values[b] - MEAN[b]), COV[a][:, a] - gain @ COV[b][:, a]


class Recorder:
    def __init__(self):
        self.levels = []

    def __call__(self, x, sigma):
        self.levels.append(sigma)
        return GAUSSIAN(x, sigma)


class TestConditioned:
    @pytest.mark.parametrize(
        ("name", "n_steps", "values"),
        [
            ("dpmpp_2m", 60, NEAR),
            ("dpmpp_2m", 60, FAR),
            ("heun", 60, FAR),
            ("ddim", 128, NEAR),
            ("ancestral", 500, FAR),
        ],
    )
    def test_draws_follow_the_conditional_distribution(
        self, name, n_steps, values, global_random_seed
    ):
        given = Conditioned(GAUSSIAN, KNOWN, values, sigma_min=1e-3)
        generator = seeded(global_random_seed)
        # Start around what is expected at the largest noise: the flow would remember another mean.
        expected = given(torch.zeros(1, 3, dtype=torch.float64), scalar(20.0)).mean
        noise = torch.randn(N_DRAWS, 3, generator=generator, dtype=torch.float64)
        sigmas = karras(0.01, 20.0, n_steps)
        x = run(SOLVERS[name](given, expected + 20.0 * noise, sigmas, generator=generator))

        assert (x[:, 1] == values[1]).all()
        x = x[:, ~KNOWN]
        mean, cov = conditional(KNOWN, values)
        variance = cov.diagonal()
        se_cov = ((variance[:, None] * variance + cov**2) / N_DRAWS).sqrt()
        assert ((x.mean(0) - mean).abs() < 4 * (variance / N_DRAWS).sqrt()).all()
        assert ((x.T.cov() - cov).abs() < 4.5 * se_cov).all()

    @pytest.mark.parametrize("sigma", [0.05, 0.5, 5.0])
    @pytest.mark.parametrize("values", [NEAR, FAR])
    def test_is_the_denoiser_of_the_conditional_distribution(self, sigma, values):
        mean, cov = conditional(KNOWN, values)
        x = 3.0 * torch.randn(20, 3, generator=seeded(), dtype=torch.float64)
        posterior = Conditioned(GAUSSIAN, KNOWN, values, sigma_min=1e-5)(x, scalar(sigma))
        expected = GaussianDenoiser(mean, cov)(x[:, ~KNOWN], scalar(sigma))
        torch.testing.assert_close(posterior.mean[:, ~KNOWN], expected.mean, rtol=0, atol=1e-6)

    def test_known_entries_come_back(self):
        x = torch.zeros(4, 3, dtype=torch.float64)
        posterior = Conditioned(GAUSSIAN, KNOWN, NEAR, sigma_min=1e-3)(x, scalar(2.0))
        assert (posterior.mean[:, 1] == -1.5).all()

    def test_known_entries_of_x_are_ignored(self):
        given = Conditioned(GAUSSIAN, KNOWN, NEAR, sigma_min=1e-3)
        x = torch.ones(1, 3, dtype=torch.float64)
        moved = x + 100.0 * KNOWN
        assert torch.equal(given(x, scalar(2.0)).mean, given(moved, scalar(2.0)).mean)

    @pytest.mark.parametrize("shape", [(), (1, 3), (4, 1), (4, 3)])
    def test_rows_may_differ(self, shape):
        generator = seeded()
        x, values = torch.randn(2, 4, 3, generator=generator, dtype=torch.float64)
        known = torch.rand(4, 3, generator=generator) < 0.5
        sigma = torch.rand(shape, generator=generator, dtype=torch.float64) + 0.5
        given = Conditioned(GAUSSIAN, known, values, sigma_min=1e-3)(x, sigma)
        for i in range(4):
            alone = Conditioned(GAUSSIAN, known[i], values[i], sigma_min=1e-3)
            row = alone(x[i : i + 1], sigma.expand(4, 3)[i : i + 1])
            torch.testing.assert_close(given.mean[i : i + 1], row.mean)

    def test_one_row_of_flags_for_many_rows_of_values(self):
        x, values = torch.randn(2, 4, 3, generator=seeded(), dtype=torch.float64)
        shared = Conditioned(GAUSSIAN, KNOWN, values, sigma_min=1e-3)
        each = Conditioned(GAUSSIAN, KNOWN.expand(4, 3), values, sigma_min=1e-3)
        assert torch.equal(shared(x, scalar(1.0)).mean, each(x, scalar(1.0)).mean)

    def test_dtype_is_the_rows(self):
        given = Conditioned(GAUSSIAN, KNOWN, NEAR, sigma_min=1e-3)
        assert given(torch.zeros(1, 3), torch.tensor(1.0)).mean.dtype == torch.float32

    @pytest.mark.parametrize(
        ("known", "values"),
        [
            (KNOWN.float(), NEAR),
            (KNOWN, NEAR[:2]),
            (KNOWN, NEAR[1:2]),
            (KNOWN.expand(2, 3), NEAR.expand(4, 3)),
        ],
    )
    def test_flags_that_do_not_fit(self, known, values):
        with pytest.raises(ValueError, match="known must be boolean"):
            Conditioned(GAUSSIAN, known, values, sigma_min=1e-3)

    def test_values_that_are_missing(self):
        with pytest.raises(ValueError, match="known value must be finite"):
            Conditioned(GAUSSIAN, ~KNOWN, NEAR, sigma_min=1e-3)


class TestMarginal:
    KEPT = torch.tensor([True, False, True])
    EXACT = GaussianDenoiser(MEAN[KEPT], COV[KEPT][:, KEPT])

    @pytest.mark.parametrize("shape", [(), (1, 2), (6, 1), (6, 2)])
    def test_is_the_denoiser_of_the_marginal_distribution(self, shape):
        generator = seeded()
        x = 3.0 * torch.randn(6, 2, generator=generator, dtype=torch.float64)
        sigma = torch.rand(shape, generator=generator, dtype=torch.float64) + 0.1
        posterior = Marginal(GAUSSIAN, self.KEPT, sigma_max=1e4)(x, sigma)
        torch.testing.assert_close(posterior.mean, self.EXACT(x, sigma).mean, rtol=0, atol=1e-6)

    def test_one_level_for_all_rows_stays_one_pattern(self):
        recorder = Recorder()
        marginal = Marginal(recorder, self.KEPT, sigma_max=80.0)
        marginal(torch.zeros(6, 2), torch.tensor(1.0))
        torch.testing.assert_close(recorder.levels[0], torch.tensor([[1.0, 80.0, 1.0]]))

    def test_can_be_conditioned(self):
        kept = torch.tensor([True, True, False])
        given = Conditioned(
            Marginal(GAUSSIAN, kept, sigma_max=1e4),
            torch.tensor([False, True]),
            torch.tensor([0.0, -1.5], dtype=torch.float64),
            sigma_min=1e-5,
        )
        mean = given(torch.zeros(1, 2, dtype=torch.float64), scalar(1e4)).mean
        assert mean[0, 0].item() == pytest.approx(1.0 + 0.8 / 0.89 * 0.5, abs=1e-5)

    def test_dtype_is_the_rows(self):
        posterior = Marginal(GAUSSIAN, self.KEPT, 80.0)(torch.zeros(2, 2), torch.tensor(1.0))
        assert posterior.mean.dtype == torch.float32

    @pytest.mark.parametrize("kept", [torch.tensor([0, 2]), KEPT.expand(2, 3)])
    def test_flags_that_do_not_fit(self, kept):
        with pytest.raises(ValueError, match="kept must be boolean"):
            Marginal(GAUSSIAN, kept, sigma_max=80.0)

    def test_known_and_unknown_without_end(self):
        kernels = KernelDenoiser(MEAN.unsqueeze(0), torch.linalg.cholesky(COV).unsqueeze(0), TINY)
        marginal = Marginal(kernels, self.KEPT, sigma_max=math.inf)
        x = torch.ones(1, 2, dtype=torch.float64)
        torch.testing.assert_close(marginal(x, scalar(0.5)).mean, self.EXACT(x, scalar(0.5)).mean)
        given = Conditioned(kernels, KNOWN, NEAR, sigma_min=0.0)
        mean = given(torch.zeros(1, 3, dtype=torch.float64), scalar(math.inf)).mean[0, ~KNOWN]
        torch.testing.assert_close(mean, conditional(KNOWN, NEAR)[0])


class TestGuided:
    def guided(self, scale, denoiser=GAUSSIAN, **options):
        return Guided(denoiser, KNOWN, NEAR, scale=scale, sigma_min=1e-3, sigma_max=1e4, **options)

    @pytest.fixture
    def x(self):
        return torch.randn(6, 3, generator=seeded(), dtype=torch.float64)

    def test_scale_one_is_conditioned(self, x):
        guided = self.guided(1.0)(x, scalar(0.7))
        given = Conditioned(GAUSSIAN, KNOWN, NEAR, sigma_min=1e-3)(x, scalar(0.7))
        assert torch.equal(guided.mean, given.mean)

    def test_scale_zero_ignores_the_known(self, x):
        guided = self.guided(0.0)(x, scalar(0.7))
        marginal = GaussianDenoiser(MEAN[~KNOWN], COV[~KNOWN][:, ~KNOWN])
        expected = marginal(x[:, ~KNOWN], scalar(0.7)).mean
        torch.testing.assert_close(guided.mean[:, ~KNOWN], expected, rtol=0, atol=1e-6)

    @pytest.mark.parametrize("scale", [-1.0, 0.5, 2.0, 7.0])
    def test_other_scales_extrapolate(self, x, scale):
        none, full = (self.guided(end)(x, scalar(0.7)).mean for end in (0.0, 1.0))
        posterior = self.guided(scale)(x, scalar(0.7))
        torch.testing.assert_close(posterior.mean, none + scale * (full - none))

    @pytest.mark.parametrize("scale", [0.0, 1.0, 3.0])
    def test_known_entries_come_back(self, x, scale):
        assert (self.guided(scale)(x, scalar(0.7)).mean[:, 1] == -1.5).all()

    @pytest.mark.parametrize(("scale", "evaluations"), [(0.0, 1), (1.0, 1), (2.0, 2)])
    def test_evaluations(self, x, scale, evaluations):
        recorder = Recorder()
        self.guided(scale, recorder)(x, scalar(0.7))
        assert len(recorder.levels) == evaluations

    def test_guidance_sharpens_a_label(self):
        # Two clusters that overlap, told apart by a label in the last column.
        means = torch.tensor([[-1.0, -5.0], [1.0, 5.0]], dtype=torch.float64)
        mixture = MixtureDenoiser(torch.ones(2), means, torch.tensor([[1.0, 0.01]]).expand(2, 2))
        known, values = torch.tensor([False, True]), torch.tensor([0.0, 5.0])
        centres = []
        for scale in (0.0, 1.0, 3.0):
            guided = Guided(mixture, known, values, scale, sigma_min=1e-2, sigma_max=1e3)
            x = 20.0 * torch.randn(500, 2, generator=seeded(), dtype=torch.float64)
            x = run(SOLVERS["dpmpp_2m"](guided, x, karras(0.01, 20.0, 30)))
            centres.append(x[:, 0].mean().item())
        assert centres[0] == pytest.approx(0.0, abs=3 * (2 / 500) ** 0.5)
        assert centres[1] == pytest.approx(1.0, abs=3 * (1 / 500) ** 0.5)
        assert centres[2] > centres[1] + 0.2
