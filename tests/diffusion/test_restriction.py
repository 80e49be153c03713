"""Restricted laws against truncated moments, numerical integration and rejection sampling."""

import math

import pytest
import torch
from scipy.stats import ks_2samp, truncnorm

from skdiffusion.diffusion.denoiser import Posterior
from skdiffusion.diffusion.gaussians import EmpiricalDenoiser, GaussianDenoiser, MixtureDenoiser
from skdiffusion.diffusion.grid import karras
from skdiffusion.diffusion.guidance import Conditioned, Guided
from skdiffusion.diffusion.restriction import Interval, LevelSet, Restricted
from skdiffusion.diffusion.solvers import dpmpp_2m, run
from skdiffusion.diffusion.truncation import truncated_normal

INF = math.inf
SIGMA_MIN, SIGMA_MAX, N_STEPS, N_DRAWS = 0.005, 20.0, 24, 4000


def double(values):
    return torch.tensor(values, dtype=torch.float64)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


ROOT = double([[1.0, 0.0, 0.0], [0.8, 0.5, 0.0], [-0.6, 0.5, 0.4]])
MEAN = double([0.3, -0.5, 1.0])
GAUSSIAN = GaussianDenoiser(MEAN, ROOT @ ROOT.mT)

# A triangle and a number whose law depends on the level.
TRIANGLE = double([[1.0, 0.0], [-0.5, 0.75**0.5], [-0.5, -(0.75**0.5)]])
WEIGHTS, NUMBERS, SPREADS = (
    double([0.5, 0.3, 0.2]),
    double([-2.0, 0.0, 3.0]),
    double([0.4, 1.0, 0.6]),
)
CATEGORY = MixtureDenoiser(
    WEIGHTS,
    torch.cat([TRIANGLE, NUMBERS.unsqueeze(1)], 1),
    torch.cat([torch.zeros(3, 2, dtype=torch.float64), SPREADS.unsqueeze(1) ** 2], 1),
)
MODES = MixtureDenoiser(
    double([0.7, 0.3]), double([[-3.0, 2.0, 1.0], [3.0, -2.0, 0.0]]), 0.25 * torch.ones(2, 3)
)


def levels(*allowed):
    return LevelSet(torch.tensor([0, 1]), TRIANGLE, torch.tensor(allowed))


def level_of(x):
    return torch.cdist(x[:, :2], TRIANGLE).argmin(1)


def moments(mixture):
    """Mean and covariance of a mixture."""
    w, means = mixture.weights, mixture.means
    covs = torch.diag_embed(mixture.covs) if mixture.is_diagonal else mixture.covs
    mean = w @ means
    apart = means - mean
    return mean, torch.einsum("k,kij->ij", w, covs + apart.unsqueeze(2) * apart.unsqueeze(1))


def draw(denoiser, law, n=N_DRAWS, seed=0):
    """Draw as the sampler does: from noise around what is expected at the largest level."""
    mean, cov = moments(law)
    start = GaussianDenoiser(mean, cov).sample(n, seeded(seed), SIGMA_MAX)
    centre = mean.expand_as(start)
    start = start + denoiser(centre, double(SIGMA_MAX)).mean - centre
    return run(dpmpp_2m(denoiser, start, karras(SIGMA_MIN, SIGMA_MAX, N_STEPS)))


def inside(x, constraints):
    met = [(x[:, c.column] >= c.low) & (x[:, c.column] <= c.high) for c in constraints]
    return torch.stack(met).all(0)


def rejection(law, constraints, n=400_000):
    x = law.sample(n, seeded(99))
    return x[inside(x, constraints)]


def distance(x, y):
    """Largest Kolmogorov-Smirnov statistic of the columns."""
    return max(ks_2samp(a.numpy(), b.numpy()).statistic for a, b in zip(x.T, y.T, strict=True))


def posterior_given_interval(x, sigma, interval, n=4001):
    """Integrate the posterior of a Gaussian's row over one entry: E[x0 | x, x0_c inside]."""
    cov, c = GAUSSIAN.cov, interval.column
    noise = torch.diag(sigma.expand(3) ** 2)
    gain = cov @ torch.linalg.inv(cov + noise)
    mean, left = MEAN + gain @ (x - MEAN), cov - gain @ cov
    sd = left[c, c].sqrt()
    ends = mean[c] - 12 * sd, mean[c] + 12 * sd
    y = torch.linspace(max(interval.low, ends[0]), min(interval.high, ends[1]), n).double()
    density = torch.exp(-0.5 * ((y - mean[c]) / sd) ** 2)
    rows = mean + (y - mean[c]).unsqueeze(1) * left[:, c] / left[c, c]
    return torch.trapezoid(rows * density.unsqueeze(1), y, dim=0) / torch.trapezoid(density, y)


class TestTruncatedNormal:
    ENDS = (-INF, -30.0, -12.0, -6.0, -3.0, -0.4, 0.0, 0.3, 2.0, 5.0, 9.0, 30.0, INF)

    def test_agrees_with_scipy_far_into_the_tails(self):
        pairs = [(a, b) for a in self.ENDS for b in self.ENDS if a < b]
        low, high = double(pairs).unbind(1)
        mean, variance = truncated_normal(torch.zeros_like(low), torch.ones_like(low), low, high)
        expected = truncnorm.stats(low.numpy(), high.numpy(), moments="mv")
        torch.testing.assert_close(mean, torch.from_numpy(expected[0]), rtol=1e-6, atol=1e-9)
        torch.testing.assert_close(variance, torch.from_numpy(expected[1]), rtol=1e-6, atol=0.0)

    def test_location_and_scale(self):
        one = torch.ones(1, dtype=torch.float64)
        mean, variance = truncated_normal(5 * one, 4 * one, 6 * one, 9 * one)
        expected = truncnorm.stats(0.5, 2.0, loc=5, scale=2, moments="mv")
        assert mean.item() == pytest.approx(expected[0], rel=1e-9)
        assert variance.item() == pytest.approx(expected[1], rel=1e-9)

    def test_an_exponential_far_beyond_where_logarithms_help(self):
        zero = torch.zeros(1, dtype=torch.float64)
        mean, variance = truncated_normal(zero, zero + 1, zero + 1e6, zero + INF)
        assert (mean.item() - 1e6) * 1e6 == pytest.approx(1.0, abs=1e-3)
        assert variance.item() * 1e12 == pytest.approx(1.0, rel=1e-6)

    @pytest.mark.parametrize("width", [0.0, 1e-12, 1e-6])
    def test_a_short_interval_is_uniform(self, width):
        zero = torch.zeros(1, dtype=torch.float64)
        _, variance = truncated_normal(zero, zero + 1, zero, zero + width)
        assert variance.item() == pytest.approx(width**2 / 12, rel=1e-5)


class TestOneInterval:
    @pytest.mark.parametrize("refine", [True, False])
    @pytest.mark.parametrize("sigma", [0.01, 0.3, 2.0, 50.0])
    @pytest.mark.parametrize(
        "interval", [Interval(0, 1.0, INF), Interval(1, -0.4, 0.1), Interval(2, -INF, -1.5)]
    )
    def test_exact_for_a_gaussian(self, interval, sigma, refine):
        x = rejection(GAUSSIAN, [interval])[:20]
        x = x + sigma * torch.randn(x.shape, generator=seeded(), dtype=x.dtype)
        restricted = Restricted(GAUSSIAN, [interval], refine=refine)
        expected = [posterior_given_interval(row, double(sigma), interval) for row in x]
        got = restricted(x, double(sigma)).mean
        torch.testing.assert_close(got, torch.stack(expected), rtol=0, atol=1e-5)

    def test_exact_where_every_entry_has_its_own_noise(self):
        sigma, interval = double([[0.1, 3.0, 0.7]]), Interval(1, 0.0, 0.5)
        x = MEAN + sigma * torch.randn(10, 3, generator=seeded(), dtype=torch.float64)
        got = Restricted(GAUSSIAN, [interval])(x, sigma).mean
        expected = [posterior_given_interval(row, sigma[0], interval) for row in x]
        torch.testing.assert_close(got, torch.stack(expected), rtol=0, atol=1e-5)

    @pytest.mark.parametrize("sigma", [0.5, 1.0, 5.0])
    @pytest.mark.parametrize("interval", [Interval(0, 0.5, 0.6), Interval(1, -1.0, 0.2)])
    def test_exact_where_the_model_has_to_see_more_noise(self, interval, sigma):
        """What the second look must not be told, the factors that are found anew add."""
        x = GAUSSIAN.sample(20, seeded(), sigma)
        restricted = Restricted(GAUSSIAN, [interval], sigma_known=0.5)
        expected = [posterior_given_interval(row, double(sigma), interval) for row in x]
        got = restricted(x, double(sigma)).mean
        torch.testing.assert_close(got, torch.stack(expected), rtol=0, atol=1e-5)

    @pytest.mark.parametrize("interval", [Interval(0, 1.0, INF), Interval(1, -0.4, 0.1)])
    def test_draws_follow_the_law(self, interval):
        x = draw(Restricted(GAUSSIAN, [interval]), GAUSSIAN, n=12_000)
        exact = rejection(GAUSSIAN, [interval])
        sd = exact.std(0)
        assert inside(x, [interval]).all()
        assert ((x.mean(0) - exact.mean(0)).abs() < 0.04 * sd).all()
        # of this, the 24 steps of the solver account for about 0.04, as they do without a range
        assert ((x.T.cov() - exact.T.cov()).abs() < 0.1 * sd * sd.unsqueeze(1)).all()
        assert distance(x, exact) < 0.025

    def test_a_rare_range(self):
        tail = Interval(0, 3.3, INF)  # three standard deviations
        x = draw(Restricted(GAUSSIAN, [tail]), GAUSSIAN)
        exact = truncnorm.rvs(3.0, INF, size=20_000, random_state=0)
        others = MEAN[1:] + double(exact).unsqueeze(1) * ROOT[1:, 0]
        noise = torch.randn(20_000, 2, generator=seeded(1), dtype=torch.float64)
        others = others + noise @ ROOT[1:, 1:].mT
        assert inside(x, [tail]).all()
        assert ks_2samp(x[:, 0].numpy(), 0.3 + exact).statistic < 0.05
        assert distance(x[:, 1:], others) < 0.04

    @pytest.mark.parametrize(
        ("interval", "mode"), [(Interval(0, 0.0, INF), 1), (Interval(0, -INF, 0.0), 0)]
    )
    def test_other_columns_follow_to_the_mode(self, interval, mode):
        x, exact = draw(Restricted(MODES, [interval]), MODES), rejection(MODES, [interval])
        assert inside(x, [interval]).all()
        assert ((x[:, 1] - MODES.means[mode, 1]).abs() < 2.0).double().mean() > 0.99
        assert distance(x, exact) < 0.05

    def test_a_second_look_is_what_finds_the_mode(self):
        interval = Interval(0, 0.0, INF)
        x = draw(Restricted(MODES, [interval], refine=False), MODES)
        assert distance(x, rejection(MODES, [interval])) > 0.1

    def test_rows_of_a_data_set_come_from_the_range(self):
        data = GAUSSIAN.sample(60, seeded(5))
        interval = Interval(0, 0.5, INF)
        x = draw(Restricted(EmpiricalDenoiser(data), [interval]), GAUSSIAN, n=300)
        nearest = torch.cdist(x, data).min(1)
        assert inside(x, [interval]).all()
        assert (nearest.values < 0.02).double().mean() > 0.97
        assert len(nearest.indices.unique()) > 0.7 * inside(data, [interval]).sum()


class TestSeveralIntervals:
    @pytest.mark.parametrize(
        "constraints",
        [
            [Interval(0, 0.5, INF), Interval(1, -INF, -0.2)],
            [Interval(0, 0.5, 1.0), Interval(1, -0.5, 0.3)],
            [Interval(0, 0.5, INF), Interval(1, -INF, -0.2), Interval(2, 0.8, INF)],
        ],
    )
    def test_draws_are_close_to_the_law(self, constraints):
        x, exact = (
            draw(Restricted(GAUSSIAN, constraints), GAUSSIAN),
            rejection(GAUSSIAN, constraints),
        )
        assert inside(x, constraints).all()
        assert ((x.mean(0) - exact.mean(0)).abs() < 0.07 * exact.std(0)).all()
        assert distance(x, exact) < 0.045

    def test_independent_entries_do_not_meet(self):
        normal = GaussianDenoiser(torch.zeros(3, dtype=torch.float64), torch.ones(3))
        both = [Interval(0, 1.0, INF), Interval(2, -0.5, 0.2)]
        x, sigma = double([[0.3, -1.0, 2.0]]), double(0.8)
        got = Restricted(normal, both)(x, sigma).mean
        apart = sum(Restricted(normal, [c])(x, sigma).mean - normal(x, sigma).mean for c in both)
        torch.testing.assert_close(got, normal(x, sigma).mean + apart)

    def test_the_order_of_constraints_says_nothing(self):
        constraints = [Interval(0, 0.5, INF), Interval(1, -INF, -0.2)]
        x = GAUSSIAN.sample(50, seeded(), 1.0)
        one, other = (
            Restricted(GAUSSIAN, c)(x, double(1.0)).mean for c in (constraints, constraints[::-1])
        )
        torch.testing.assert_close(one, other, rtol=0, atol=0.02)


class TestLevelSet:
    @pytest.mark.parametrize("sigma", [0.2, 1.0, 20.0])
    @pytest.mark.parametrize("allowed", [(True, False, False), (False, True, True)])
    def test_exact_for_a_mixture(self, allowed, sigma):
        kept = torch.tensor(allowed)
        part = MixtureDenoiser(WEIGHTS[kept], CATEGORY.means[kept], CATEGORY.covs[kept])
        # rows that leave the levels some probability
        x = part.sample(50, seeded(), sigma)
        got = Restricted(CATEGORY, [levels(*allowed)])(x, double(sigma)).mean
        torch.testing.assert_close(got, part(x, double(sigma)).mean, rtol=0, atol=1e-3)

    @pytest.mark.parametrize("allowed", [(False, True, True), (True, False, True)])
    def test_draws_have_the_levels_their_shares_and_their_numbers(self, allowed):
        kept = torch.tensor(allowed)
        x = draw(Restricted(CATEGORY, [levels(*allowed)]), CATEGORY)
        level = level_of(x)
        shares = torch.bincount(level, minlength=3) / len(x)
        expected = WEIGHTS * kept / (WEIGHTS * kept).sum()
        assert torch.cdist(x[:, :2], TRIANGLE).min(1).values.max() < 1e-3
        assert ((shares - expected).abs() < 0.03).all() and (shares[~kept] == 0).all()
        for k in torch.nonzero(kept).flatten():
            normal = (x[level == k, 2] - NUMBERS[k]) / SPREADS[k]
            assert ks_2samp(normal, torch.randn(20_000, generator=seeded(2))).statistic < 0.06

    @pytest.mark.parametrize("sigma", [0.5, 1.0, 2.0, 5.0])
    def test_a_copy_says_nothing_new(self, sigma):
        """Given the first flag the second is settled, and moves the number no further."""
        flag = double([[-1.0], [1.0]])
        both = [LevelSet(torch.tensor([k]), flag, torch.tensor([False, True])) for k in range(2)]
        means, covs = double([[-1, -1, -2], [1, 1, 2]]), double([[0, 0, 0.25], [0, 0, 0.25]])
        law = MixtureDenoiser(double([0.7, 0.3]), means, covs)
        part = MixtureDenoiser(double([1.0]), means[1:], covs[1:])
        x = part.sample(50, seeded(), sigma)
        likely = part.log_prob(x, double(sigma)) - law.log_prob(x, double(sigma)) > -3
        got = Restricted(law, both)(x[likely], double(sigma)).mean
        expected = part(x[likely], double(sigma)).mean
        torch.testing.assert_close(got, expected, rtol=0, atol=1e-3)

    def test_an_impossible_set_shares_evenly(self):
        flags = EmpiricalDenoiser(torch.cat([TRIANGLE[:1], double([[4.0]])], 1))
        mean = Restricted(flags, [levels(False, True, True)])(double([[1, 0, 4]]), double(0.1)).mean
        torch.testing.assert_close(mean, double([[-0.5, 0.0, 4.0]]))

    def test_with_an_interval(self):
        interval, kept = Interval(2, 0.5, INF), torch.tensor([True, True, False])
        both = [interval, levels(True, True, False)]
        x = draw(Restricted(CATEGORY, both), CATEGORY)
        part = MixtureDenoiser(WEIGHTS[kept], CATEGORY.means[kept], CATEGORY.covs[kept])
        exact = rejection(part, [interval])
        assert inside(x, [interval]).all() and kept[level_of(x)].all()
        assert ks_2samp(x[:, 2].numpy(), exact[:, 2].numpy()).statistic < 0.06
        assert (
            abs((level_of(x) == 0).double().mean() - (level_of(exact) == 0).double().mean()) < 0.03
        )

    def test_an_interval_moves_the_shares(self):
        interval = Interval(2, 1.0, INF)
        x, exact = draw(Restricted(CATEGORY, [interval]), CATEGORY), rejection(CATEGORY, [interval])
        shares = [torch.bincount(level_of(rows), minlength=3) / len(rows) for rows in (x, exact)]
        assert ((shares[0] - shares[1]).abs() < 0.06).all()


class TestComposition:
    KNOWN, VALUES = torch.tensor([False, True, False]), double([0.0, -1.2, 0.0])

    @pytest.mark.parametrize("scale", [1.0, 1.5])
    def test_around_known_entries(self, scale):
        given = Guided(GAUSSIAN, self.KNOWN, self.VALUES, scale, SIGMA_MIN, SIGMA_MAX)
        constraints = [Interval(0, 0.0, INF), Interval(1, 0.0, 1.0)]  # the second cannot be met
        mean = Restricted(given, constraints)(MEAN + torch.zeros(5, 3), double(1.0)).mean
        alone = Restricted(given, constraints[:1])(MEAN + torch.zeros(5, 3), double(1.0)).mean
        assert (mean[:, 1] == -1.2).all()
        torch.testing.assert_close(mean, alone)

    @pytest.mark.parametrize("outside", [True, False])
    def test_draws_given_a_value(self, outside):
        interval = Interval(0, -0.2, INF)
        if outside:
            denoiser = Conditioned(
                Restricted(GAUSSIAN, [interval]), self.KNOWN, self.VALUES, SIGMA_MIN
            )
        else:
            given = Conditioned(GAUSSIAN, self.KNOWN, self.VALUES, SIGMA_MIN)
            denoiser = Restricted(given, [interval], sigma_known=SIGMA_MIN)
        x = draw(denoiser, GAUSSIAN)
        cov, a, b = GAUSSIAN.cov, [0, 2], [1]
        gain = cov[a][:, b] / cov[1, 1]
        mean = MEAN[a] + gain.squeeze(1) * (self.VALUES[1] - MEAN[1])
        conditional = GaussianDenoiser(mean, cov[a][:, a] - gain @ cov[b][:, a])
        exact = rejection(conditional, [interval])
        assert (x[:, 1] == -1.2).all() and inside(x, [interval]).all()
        assert distance(x[:, a], exact) < 0.05

    @pytest.mark.parametrize("refine", [True, False])
    def test_equal_ends_are_a_known_value(self, refine):
        x, sigma = GAUSSIAN.sample(20, seeded(), 2.0), double(2.0)
        point = Restricted(GAUSSIAN, [Interval(1, -1.2, -1.2)], sigma_known=1e-4, refine=refine)
        known = Conditioned(GAUSSIAN, self.KNOWN, self.VALUES, 1e-4)
        torch.testing.assert_close(point(x, sigma).mean, known(x, sigma).mean, rtol=0, atol=1e-6)

    def test_the_model_sees_no_less_noise_than_it_was_made_for(self):
        seen = []

        def recorder(x, sigma):
            seen.append(sigma.min().item())
            return GAUSSIAN(x, sigma)

        point = Interval(1, -1.2, -1.2)
        Restricted(recorder, [point], sigma_known=0.03)(MEAN + torch.zeros(2, 3), double(5.0))
        assert seen == pytest.approx([5.0, 0.03])

    def test_can_be_differentiated(self):
        restricted = Restricted(GAUSSIAN, [Interval(0, 0.5, INF), Interval(1, -1.0, 1.0)])
        x = GAUSSIAN.sample(3, seeded(), 1.0).requires_grad_()
        assert torch.autograd.gradcheck(lambda x: restricted(x, double(1.0)).mean, x, atol=1e-4)


class TestRestricted:
    X = MEAN + torch.randn(30, 3, generator=seeded(), dtype=torch.float64)

    @pytest.mark.parametrize("constraints", [[], [Interval(0, -INF, INF)], [Interval(1, -90, 90)]])
    def test_what_holds_anyway_changes_nothing(self, constraints):
        mean = Restricted(GAUSSIAN, constraints)(self.X, double(1.0)).mean
        torch.testing.assert_close(mean, GAUSSIAN(self.X, double(1.0)).mean, rtol=0, atol=1e-12)

    def test_all_levels_change_nothing(self):
        x = CATEGORY.sample(30, seeded(), 1.0)
        mean = Restricted(CATEGORY, [levels(True, True, True)])(x, double(1.0)).mean
        torch.testing.assert_close(mean, CATEGORY(x, double(1.0)).mean)

    def test_the_jacobian_stands_in_for_a_variance(self):
        def without(x, sigma):
            return Posterior(GAUSSIAN(x, sigma).mean)

        constraints = [Interval(0, 1.0, 2.0), Interval(2, 1.0, INF)]
        one, other = (Restricted(d, constraints)(self.X, double(0.7)) for d in (GAUSSIAN, without))
        torch.testing.assert_close(one.mean, other.mean)
        assert other.var is None

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_keeps_type_rows_and_gradient_mode(self, dtype):
        x = self.X.to(dtype)
        before = x.clone()
        restricted = Restricted(GAUSSIAN, [Interval(0, 1.0, INF)])
        with torch.no_grad():
            mean = restricted(x, torch.tensor(1.0, dtype=dtype)).mean
        assert mean.dtype == dtype and not mean.requires_grad
        assert torch.equal(x, before) and (mean[:, 0] >= 1.0).all()
        torch.testing.assert_close(mean, restricted(x, torch.tensor(1.0, dtype=dtype)).mean)

    def test_a_determined_entry_is_clamped_and_moves_no_other(self):
        law = GaussianDenoiser(MEAN, double([1.0, 0.0, 1.0]))
        mean = Restricted(law, [Interval(1, 0.0, 1.0)])(self.X, double(1.0)).mean
        expected = law(self.X, double(1.0)).mean
        expected[:, 1] = 0.0
        torch.testing.assert_close(mean, expected)

    def test_rows_do_not_interact(self):
        restricted = Restricted(GAUSSIAN, [Interval(0, 0.5, INF), Interval(1, -1.0, 0.0)])
        apart = torch.cat([restricted(row, double(1.0)).mean for row in self.X.split(1)])
        torch.testing.assert_close(restricted(self.X, double(1.0)).mean, apart)

    @pytest.mark.parametrize(
        ("make", "error", "match"),
        [
            (lambda: Interval(-1, 0.0, 1.0), ValueError, "column"),
            (lambda: Interval(0, 1.0, 0.0), ValueError, "low <= high"),
            (lambda: Interval(0, math.nan, 0.0), ValueError, "low <= high"),
            (lambda: Interval(0, INF, INF), ValueError, "finite"),
            (lambda: levels(False, False, False), ValueError, "At least one"),
            (lambda: levels(True, False), ValueError, "shapes"),
            (lambda: levels(1, 0, 0), TypeError, "boolean"),
            (lambda: Restricted(GAUSSIAN, [Interval(0, 0, 1)] * 2), ValueError, "one constraint"),
            (lambda: Restricted(GAUSSIAN, [], sigma_known=0.0), ValueError, "sigma_known"),
            (
                lambda: Restricted(GAUSSIAN, [Interval(3, 0, 1)])(MEAN.unsqueeze(0), double(1.0)),
                ValueError,
                "d > 3",
            ),
        ],
    )
    def test_refuses(self, make, error, match):
        with pytest.raises(error, match=match):
            make()
