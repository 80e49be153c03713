"""Kernels with covariances of their own, against mixtures, other libraries and theorems."""

import copy
import itertools
import math
import pickle

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from sklearn.neighbors import KernelDensity

from skdiffusion.diffusion import kernel_density as kernel_module
from skdiffusion.diffusion.denoiser import score
from skdiffusion.diffusion.gaussians import GaussianDenoiser, MixtureDenoiser
from skdiffusion.diffusion.grid import karras
from skdiffusion.diffusion.kernel_density import KernelDenoiser
from skdiffusion.diffusion.likelihood import log_density
from skdiffusion.diffusion.solvers import SOLVERS, heun, run
from skdiffusion.diffusion.woodbury import DenseForm, LowRankForm, noised_form

F64 = torch.float64
N, D, K = 12, 4, 7


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=seeded(seed), dtype=F64)


def kernels(rank, n=K, d=D, seed=1, points=()):
    """Kernels of any rank whose widths, floors and weights all differ; some columns are points."""
    means = 1.5 * normal(n, d, seed=seed)
    factors = 0.7 * normal(n, d, rank, seed=seed + 1)
    floors = 0.05 + torch.rand(n, generator=seeded(seed + 2), dtype=F64)
    if points:
        floors = floors[:, None] * torch.linspace(1.0, 2.0, d, dtype=F64)
        floors[:, points], factors[:, points] = 1e-3, 0.0
    weights = 0.1 + torch.rand(n, generator=seeded(seed + 3), dtype=F64)
    return KernelDenoiser(means, factors, floors, weights)


def covariances(denoiser):
    F = denoiser.factors
    floors = denoiser.floors.reshape(len(F), -1).expand(-1, denoiser.n_features)
    return F @ F.mT + torch.diag_embed(floors)


def energy_distance(a, b):
    """Twice the mean distance between the samples, less those within each."""
    n = len(a)
    within = (torch.cdist(a, a).sum() + torch.cdist(b, b).sum()) / (n * (n - 1))
    return (2 * torch.cdist(a, b).mean() - within).item()


def evaluate(denoiser, x, sigma):
    return denoiser(x, sigma).mean, denoiser.log_prob(x, sigma), denoiser.score(x, sigma)


def as_mixture(denoiser):
    return MixtureDenoiser(denoiser.weights, denoiser.means, covariances(denoiser))


RANKS = {"spheres": 0, "low rank": 1, "dense": 3, "full rank": 4}
KERNELS = {name: kernels(rank) for name, rank in RANKS.items()}
KERNELS["points"] = kernels(1, points=[1, 2])
KERNELS["dense points"] = kernels(3, points=[1])
every_kernel = pytest.mark.parametrize("denoiser", KERNELS.values(), ids=KERNELS)
X = 2 * normal(N, D, seed=5)

_entries = torch.rand(3, D, generator=seeded(6), dtype=F64) * 2 + 0.1
LEVELS = {
    "scalar": torch.tensor(0.6, dtype=F64),
    "small": torch.tensor(1e-4, dtype=F64),
    "large": torch.tensor(100.0, dtype=F64),
    "per row": torch.rand(N, 1, generator=seeded(7), dtype=F64) + 0.1,
    "per column": _entries[:1],
    "few patterns": _entries[torch.tensor([0, 1, 2, 0, 1, 1, 2, 2, 1, 0, 0, 0])],
    "per entry": torch.rand(N, D, generator=seeded(8), dtype=F64) * 3 + 0.1,
}
# each kernel with a third of the noise levels, and each noise level with a third of the kernels
CASES = {
    f"{name}-{level}": (KERNELS[name], LEVELS[level])
    for i, name in enumerate(KERNELS)
    for j, level in enumerate(LEVELS)
    if (i + j) % 3 == 0
}
every_case = pytest.mark.parametrize("denoiser, sigma", CASES.values(), ids=CASES)
# entries 0 and 2 known, 1 and 3 unknown
KNOWN, UNKNOWN = [0, 2], [1, 3]
CONDITIONED = torch.tensor([0.0, math.inf, 0.0, math.inf], dtype=F64)


@every_case
class TestAgainstMixture:
    """The same components as a mixture of full covariances."""

    def test_log_prob(self, denoiser, sigma):
        expected = as_mixture(denoiser).log_prob(X, sigma)
        torch.testing.assert_close(denoiser.log_prob(X, sigma), expected, rtol=1e-11, atol=1e-11)

    def test_posterior(self, denoiser, sigma):
        expected, actual = as_mixture(denoiser)(X, sigma), denoiser(X, sigma)
        # the oracle subtracts numbers of the size of the squared noise
        atol = 1e-12 * max(1.0, float(sigma.max()) ** 2)
        torch.testing.assert_close(actual.mean, expected.mean, rtol=1e-11, atol=atol)


class TestPrepared:
    @pytest.mark.parametrize("rank", [1, 4])
    @pytest.mark.parametrize("sigma", [0.0, 0.3])
    def test_log_prob_at_one_level(self, rank, sigma):
        denoiser, x, level = kernels(rank), normal(N, D), torch.tensor(sigma, dtype=F64)
        parts = [terms.logsumexp(1) for terms in denoiser.log_terms_at(level)(x)]
        assert_allclose(torch.cat(parts), denoiser.log_prob(x, level), rtol=1e-12)

    def test_terms_are_weighted_normal_densities(self):
        denoiser, x, level = kernels(2), normal(N, D), torch.tensor(0.3, dtype=F64)
        terms = torch.cat(list(denoiser.log_terms_at(level)(x)))
        for k, cov in enumerate(covariances(denoiser)):
            normal_k = torch.distributions.MultivariateNormal(
                denoiser.means[k], cov + 0.09 * torch.eye(D, dtype=F64)
            )
            assert_allclose(terms[:, k], denoiser.log_weights[k] + normal_k.log_prob(x), rtol=1e-9)


@every_case
class TestDerivatives:
    def test_score_is_the_gradient(self, denoiser, sigma):
        x = X.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(denoiser.log_prob(x, sigma).sum(), x)
        torch.testing.assert_close(denoiser.score(X, sigma), gradient, rtol=1e-9, atol=1e-9)

    def test_score_is_tweedies(self, denoiser, sigma):
        expected = score(denoiser, X, sigma)
        atol = 1e-13 / float(sigma.min()) ** 2 + 1e-10
        torch.testing.assert_close(denoiser.score(X, sigma), expected, rtol=1e-9, atol=atol)


@every_kernel
class TestCleanDistribution:
    CLEAN = torch.zeros((), dtype=F64)

    def test_log_prob(self, denoiser):
        expected = as_mixture(denoiser).log_prob(X, self.CLEAN)
        torch.testing.assert_close(denoiser.log_prob(X, self.CLEAN), expected)

    def test_score_by_finite_differences(self, denoiser):
        step = 1e-5
        for j in range(D):
            shift = step * torch.eye(D, dtype=F64)[j]
            ahead, back = (denoiser.log_prob(X + s * shift, self.CLEAN) for s in (1, -1))
            slope = (ahead - back) / (2 * step)
            actual = denoiser.score(X, self.CLEAN)[:, j]
            torch.testing.assert_close(actual, slope, rtol=1e-5, atol=1e-5)

    def test_clean_rows_are_their_own_mean(self, denoiser):
        torch.testing.assert_close(denoiser(X, self.CLEAN).mean, X, rtol=1e-12, atol=1e-12)


class TestForms:
    def test_the_cheaper_one_is_taken(self):
        levels = torch.ones(D, dtype=F64)
        chosen = {name: type(noised_form(k._kernels(), levels)) for name, k in KERNELS.items()}
        assert chosen == {
            "spheres": LowRankForm,
            "low rank": LowRankForm,
            "dense": DenseForm,
            "full rank": DenseForm,
            "points": LowRankForm,
            "dense points": DenseForm,
        }
        wide = kernels(40, n=3, d=40)
        form = noised_form(wide._kernels(), torch.ones(40, dtype=F64))
        assert isinstance(form, LowRankForm)

    @every_kernel
    @pytest.mark.parametrize(
        "levels",
        [
            torch.full((D,), 0.3, dtype=F64),
            _entries[0],
            CONDITIONED,
            torch.zeros(D, dtype=F64),
            torch.full((D,), math.inf, dtype=F64),
        ],
        ids=["scalar", "per column", "conditioned", "clean", "unknown"],
    )
    def test_are_alike(self, denoiser, levels):
        y = torch.where(torch.isfinite(levels), X - denoiser.origin, 0.0)
        share = torch.softmax(normal(N, K, seed=9), dim=1)
        close = {"rtol": 1e-11, "atol": 1e-11}
        for average in ("mean", "score"):
            dense, low_rank = (
                form(denoiser._kernels(), levels, average) for form in (DenseForm, LowRankForm)
            )
            torch.testing.assert_close(dense.log_weights(y), low_rank.log_weights(y), **close)
            torch.testing.assert_close(dense.average(share, y), low_rank.average(share, y), **close)

    def test_many_columns(self):
        """40 columns: every kernel is kept as factors, and none becomes a matrix."""
        wide = kernels(3, n=5, d=40)
        x = 2 * normal(6, 40, seed=3)
        sigma = 0.2 + torch.rand(6, 40, generator=seeded(4), dtype=F64)
        mixture = as_mixture(wide)
        torch.testing.assert_close(wide.log_prob(x, sigma), mixture.log_prob(x, sigma))
        torch.testing.assert_close(wide(x, sigma).mean, mixture(x, sigma).mean)


def gaussian_conditional(x, mean, cov):
    """Mean of the unknown entries of one Gaussian, by the block formula."""
    gain = cov[np.ix_(UNKNOWN, KNOWN)] @ np.linalg.inv(cov[np.ix_(KNOWN, KNOWN)])
    return mean[UNKNOWN] + (x[:, KNOWN] - mean[KNOWN]) @ gain.T


class TestKnownAndUnknownEntries:
    """Noise levels of zero and infinity give exact conditional and marginal distributions."""

    ONE = kernels(2, n=1)

    def test_conditional_of_one_kernel(self):
        mean = gaussian_conditional(
            X.numpy(), self.ONE.means[0].numpy(), covariances(self.ONE)[0].numpy()
        )
        found = self.ONE(X, CONDITIONED).mean
        assert_allclose(found[:, UNKNOWN], mean, rtol=1e-12, atol=1e-12)
        assert_allclose(found[:, KNOWN], X[:, KNOWN], rtol=1e-12, atol=1e-12)

    @every_kernel
    def test_conditional_of_many(self, denoiser):
        marginal = as_mixture(denoiser.marginal(torch.tensor([True, False, True, False])))
        clean, x = torch.zeros((), dtype=F64), X.numpy()
        means, covs = denoiser.means.numpy(), covariances(denoiser).numpy()
        means = [gaussian_conditional(x, *part) for part in zip(means, covs, strict=True)]
        alone = [
            GaussianDenoiser(mu, S).log_prob(X[:, KNOWN], clean)
            for mu, S in zip(marginal.means, marginal.covs, strict=True)
        ]
        share = torch.softmax(torch.stack(alone) + denoiser.weights.log()[:, None], 0).numpy()
        expected = np.einsum("kn,knj->nj", share, np.array(means))
        assert_allclose(denoiser(X, CONDITIONED).mean[:, UNKNOWN], expected, rtol=1e-10)
        torch.testing.assert_close(
            denoiser.log_prob(X, CONDITIONED), marginal.log_prob(X[:, KNOWN], clean)
        )

    @every_kernel
    def test_what_stands_in_unknown_entries_does_not_matter(self, denoiser):
        other = X.clone()
        other[:, UNKNOWN] = torch.tensor([math.nan, math.inf], dtype=F64)
        torch.testing.assert_close(denoiser(other, CONDITIONED).mean, denoiser(X, CONDITIONED).mean)
        torch.testing.assert_close(
            denoiser.log_prob(other, CONDITIONED), denoiser.log_prob(X, CONDITIONED)
        )

    @every_kernel
    def test_nothing_known(self, denoiser):
        everything = torch.tensor(math.inf, dtype=F64)
        expected = (denoiser.weights @ denoiser.means).expand(N, D)
        torch.testing.assert_close(denoiser(X, everything).mean, expected)
        torch.testing.assert_close(denoiser.log_prob(X, everything), X.new_zeros(N))

    @every_kernel
    def test_are_limits(self, denoiser):
        almost = torch.tensor([1e-7, 1e6, 1e-7, 1e6], dtype=F64)
        torch.testing.assert_close(
            denoiser(X, CONDITIONED).mean, denoiser(X, almost).mean, rtol=1e-5, atol=1e-5
        )

    @every_kernel
    def test_marginal(self, denoiser):
        kept = torch.tensor([False, True, True, False])
        marginal, sigma = denoiser.marginal(kept), torch.tensor(0.3, dtype=F64)
        mixture = MixtureDenoiser(
            denoiser.weights, denoiser.means[:, kept], covariances(denoiser)[:, kept][:, :, kept]
        )
        assert marginal.n_features == 2
        torch.testing.assert_close(
            marginal.log_prob(X[:, kept], sigma), mixture.log_prob(X[:, kept], sigma)
        )


class TestKernelDensity:
    """Spheres of one width are the ordinary estimate."""

    DATA = normal(60, D, seed=11)

    def spheres(self, h):
        return KernelDenoiser(
            self.DATA, self.DATA.new_zeros(60, D, 0), self.DATA.new_full((60,), h**2)
        )

    def test_clean(self):
        oracle = KernelDensity(bandwidth=0.4).fit(self.DATA).score_samples(X)
        assert_allclose(self.spheres(0.4).log_prob(X, torch.tensor(0.0)), oracle, rtol=1e-10)

    @pytest.mark.parametrize("t", [0.05, 0.5])
    def test_diffused(self, t):
        """Noise adds to the blur in squares; the process also shrinks rows by ``e^{-t}``."""
        h, alpha = 0.1, math.exp(-t)
        sigma = math.sqrt(math.expm1(2 * t))
        oracle = KernelDensity(bandwidth=math.hypot(h, sigma)).fit(self.DATA)
        expected = oracle.score_samples(X / alpha) - D * math.log(alpha)
        shrunk = KernelDenoiser(
            alpha * self.DATA,
            self.DATA.new_zeros(60, D, 0),
            self.DATA.new_full((60,), (alpha * h) ** 2),
        )
        actual = shrunk.log_prob(X, torch.tensor(math.sqrt(-math.expm1(-2 * t)), dtype=F64))
        assert_allclose(actual, expected, rtol=1e-10)

    def test_one_covariance_is_a_whitened_estimate(self):
        """``|det S|^{-1/2}`` times the density of whitened rows under spheres of width one."""
        S = covariances(kernels(4, n=1))[0]
        floor = 0.5 * torch.linalg.eigvalsh(S)[0]
        root = torch.linalg.cholesky(S - floor * torch.eye(D, dtype=F64))
        denoiser = KernelDenoiser(self.DATA, root.expand(60, D, D), floor.expand(60))
        white = torch.linalg.cholesky(torch.linalg.inv(S))
        oracle = KernelDensity(bandwidth=1.0).fit(self.DATA @ white).score_samples(X @ white)
        expected = oracle - 0.5 * torch.logdet(S).item()
        assert_allclose(denoiser.log_prob(X, torch.tensor(0.0)), expected, rtol=1e-10)

    def test_integrates_to_one(self):
        denoiser = kernels(1, n=5, d=2)
        axis = torch.linspace(-15, 15, 601, dtype=F64)
        grid = torch.cartesian_prod(axis, axis)
        density = denoiser.log_prob(grid, torch.tensor(0.2, dtype=F64)).exp()
        assert density.sum().item() * 0.05**2 == pytest.approx(1.0, abs=1e-4)

    def test_long_diffusion_leaves_a_normal_distribution(self):
        """In the shrinking process the score tends to ``-x``."""
        t = 16.0
        alpha, sigma = math.exp(-t), math.sqrt(math.expm1(2 * t))
        scores = KERNELS["dense"].score(X / alpha, torch.tensor(sigma, dtype=F64)) / alpha
        torch.testing.assert_close(scores, -X, rtol=0, atol=1e-6)

    def test_error_of_the_score_on_a_torus(self):
        """Of raw data noised by tau: ``|torus| d / (2 n tau^2 (4 pi tau^2)^{d / 2})``."""
        n, tau, edge = 4000, 0.05, 0.3
        copies = torch.cartesian_prod(*[torch.tensor([-1.0, 0.0, 1.0], dtype=F64)] * 2)
        errors = []
        for seed in range(8):
            data = torch.rand(n, 2, generator=seeded(seed), dtype=F64)
            wrapped = (data + copies[:, None]).reshape(-1, 2)
            near = wrapped[((wrapped > -edge) & (wrapped < 1 + edge)).all(1)]
            floors = torch.full((len(near),), 1e-12, dtype=F64)
            parts = near, near.new_zeros(len(near), 2, 0), floors
            denoiser = KernelDenoiser(*parts, tolerance=0.0)
            x = torch.rand(400, 2, generator=seeded(100 + seed), dtype=F64)
            # the true score is zero
            scores = denoiser.score(x, torch.tensor(tau, dtype=F64))
            errors.append((scores**2).sum(1).mean().item())
        expected = 2 / (2 * n * tau**2 * (4 * math.pi * tau**2))
        assert np.mean(errors) == pytest.approx(expected, rel=0.15)


class TestFlow:
    """The probability flow and the reverse diffusion of the kernels end where they should."""

    SIGMA_MAX = math.sqrt(math.expm1(8.0))
    ROWS, ROOTS = 1.5 * normal(40, 2, seed=21), 0.4 * normal(40, 2, 1, seed=22)
    LAW = KernelDenoiser(ROWS, ROOTS, torch.full((40,), 0.3**2, dtype=F64))
    COV = ROWS.T.cov(correction=0) + (ROOTS @ ROOTS.mT).mean(0) + 0.3**2 * torch.eye(2)

    @pytest.mark.parametrize("n_steps, bound", [(40, 1.1e-3), (80, 9e-5)])
    def test_log_density(self, n_steps, bound):
        x = self.LAW.sample(30, seeded())
        prior = GaussianDenoiser(self.ROWS.mean(0), self.COV)
        actual = log_density(self.LAW, x, (1e-4, self.SIGMA_MAX), prior, n_steps)
        assert (actual - self.LAW.log_prob(x, torch.tensor(0.0))).abs().max() < bound

    @pytest.mark.parametrize("solver, n_steps", [(heun, 20), (SOLVERS["ancestral"], 160)])
    def test_draws(self, solver, n_steps):
        """Not farther from exact draws than other exact draws are."""
        n = 1500
        sigmas = karras(1e-4, self.SIGMA_MAX, n_steps)
        start = self.LAW.sample(n, seeded(1), self.SIGMA_MAX)
        drawn = run(solver(self.LAW, start, sigmas, generator=seeded(2)))
        exact = [self.LAW.sample(n, seeded(seed)) for seed in range(10, 16)]
        noise = [abs(energy_distance(*pair)) for pair in itertools.combinations(exact, 2)]
        assert energy_distance(exact[0], drawn) < 1.5 * max(noise)
        # what a visible error would look like
        assert energy_distance(exact[0], 1.15 * drawn) > 1.5 * max(noise)


class TestSample:
    N_DRAWS = 40_000

    @pytest.mark.parametrize("sigma", [0.0, 0.7])
    @every_kernel
    def test_moments(self, denoiser, sigma):
        draws = denoiser.sample(self.N_DRAWS, seeded(), sigma)
        mixture = as_mixture(denoiser)
        mean = mixture.weights @ mixture.means
        centred = mixture.means - mean
        cov = torch.einsum("k,kij->ij", mixture.weights, mixture.covs)
        cov = cov + centred.T @ (mixture.weights[:, None] * centred)
        cov = cov + sigma**2 * torch.eye(D, dtype=F64)
        assert_moments(draws, mean, cov)

    @every_kernel
    def test_posterior_of_one_pattern(self, denoiser):
        """Mean and covariance of draws given one noisy row with three kinds of entries."""
        x = X[:1]
        sigma = torch.tensor([[0.0, math.inf, 0.5, 1.5]], dtype=F64)
        many, levels = x.expand(self.N_DRAWS, D), sigma.expand(self.N_DRAWS, D)
        draws = denoiser.sample_posterior(many, levels, seeded())
        assert draws.dtype == F64
        torch.testing.assert_close(draws[:, 0], many[:, 0], rtol=1e-12, atol=1e-12)
        mean, cov = brute_posterior(denoiser, x[0], sigma[0])
        assert_moments(draws[:, 1:], mean[1:], cov[1:, 1:])

    def test_posterior_of_many_patterns(self):
        """Each row gets draws of its own pattern, in its own place."""
        denoiser, n = KERNELS["dense"], 20_000
        sigma = torch.stack([CONDITIONED, CONDITIONED.flip(0), torch.full((D,), 0.4, dtype=F64)])
        index = torch.arange(3 * n) % 3
        draws = denoiser.sample_posterior(X[index], sigma[index], seeded())
        for k in range(3):
            mean, cov = brute_posterior(denoiser, X[k], sigma[k])
            free = sigma[k] > 0
            part = draws[index == k]
            assert_moments(part[:, free], mean[free], cov[free][:, free])
            torch.testing.assert_close(part[:, ~free], X[k, ~free].expand(n, -1))

    @every_kernel
    def test_posterior_keeps_what_is_known_in_its_row(self, denoiser):
        known = torch.rand(N, D, generator=seeded(30), dtype=F64) < 0.6
        known[:3] = known[0]
        draws = denoiser.sample_posterior(X, torch.where(known, 0.0, math.inf), seeded())
        torch.testing.assert_close(draws[known], X[known], rtol=1e-12, atol=1e-12)

    def test_draws_given_nothing_are_draws(self):
        denoiser = KERNELS["low rank"]
        unknown = torch.full((self.N_DRAWS, D), math.inf, dtype=F64)
        draws = denoiser.sample_posterior(torch.zeros_like(unknown), unknown, seeded())
        assert_moments(draws, *brute_posterior(denoiser, X[0], unknown[0]))

    def test_generator(self):
        denoiser, state = KERNELS["dense"], torch.get_rng_state()
        for draw in (
            lambda seed: denoiser.sample(5, seeded(seed), 0.1),
            lambda seed: denoiser.sample_posterior(X, CONDITIONED, seeded(seed)),
        ):
            assert torch.equal(draw(3), draw(3))
            assert not torch.equal(draw(3), draw(4))
        assert torch.equal(torch.get_rng_state(), state)


def brute_posterior(denoiser, x, sigma):
    """Mean and covariance of the clean row, with large and small numbers for infinity and zero."""
    noise = torch.where(torch.isfinite(sigma), sigma.clamp_min(1e-6), 1e5) ** 2
    logs, means, lefts = [], [], []
    for w, mu, S in zip(denoiser.weights, denoiser.means, covariances(denoiser), strict=True):
        noised = S + torch.diag(noise)
        gain = S @ torch.linalg.inv(noised)
        distribution = torch.distributions.MultivariateNormal(mu, noised)
        logs.append(w.log() + distribution.log_prob(torch.where(torch.isfinite(sigma), x, 0.0)))
        means.append(mu + gain @ (torch.where(torch.isfinite(sigma), x, 0.0) - mu))
        lefts.append(S - gain @ S)
    share, means = torch.softmax(torch.stack(logs), 0), torch.stack(means)
    mean = share @ means
    centred = means - mean
    return mean, torch.einsum("k,kij->ij", share, torch.stack(lefts)) + centred.T @ (
        share[:, None] * centred
    )


def assert_moments(draws, mean, cov):
    """Mean and covariance within five standard errors."""
    n = len(draws)
    deviation = draws - mean
    products = deviation[:, :, None] * deviation[:, None]
    error = (cov.diagonal() / n).sqrt()
    assert (deviation.mean(0).abs() < 5 * error + 1e-6).all()
    assert ((products.mean(0) - cov).abs() < 5 * products.std(0) / n**0.5 + 1e-6).all()


class TestMeasured:
    """Draws given weighted sums, against the mixture of the kernels' own conditionals."""

    MATRIX, NOISE = normal(2, D, seed=31), torch.tensor([0.0, 0.4], dtype=F64)

    def moments(self, denoiser, value):
        """Mean and covariance of rows given the measurement, by Bayes' rule for each kernel."""
        S, A = covariances(denoiser), self.MATRIX
        V = A @ S @ A.mT + torch.diag(self.NOISE**2)
        surprise = value - denoiser.means @ A.mT
        gain = S @ A.mT @ torch.linalg.inv(V)
        means = denoiser.means + (gain @ surprise.unsqueeze(2)).squeeze(2)
        normals = torch.distributions.MultivariateNormal(torch.zeros(2).to(F64), V)
        share = (denoiser.log_weights + normals.log_prob(surprise)).softmax(0)
        mean = share @ means
        spread = S - gain @ A @ S + (means - mean).unsqueeze(2) * (means - mean).unsqueeze(1)
        return mean, (share[:, None, None] * spread).sum(0)

    def test_moments(self, global_random_seed):
        denoiser, n = kernels(rank=2), 40_000
        value = torch.tensor([0.7, -0.4], dtype=F64)
        rows = denoiser.sample_measured(
            self.MATRIX, value.expand(n, 2), self.NOISE, seeded(global_random_seed)
        )
        mean, cov = self.moments(denoiser, value)
        error = (rows.mean(0) - mean) / (cov.diagonal() / n).sqrt().clamp_min(1e-6)
        assert error.abs().max() < 4.5
        scale = cov.diagonal().sqrt()
        assert ((rows.T.cov() - cov) / scale / scale[:, None]).abs().max() < 0.06

    def test_without_noise_the_sums_are_met(self):
        values = normal(50, 2, seed=5)
        rows = kernels(rank=3).sample_measured(self.MATRIX, values, 0 * self.NOISE, seeded())
        assert_allclose(rows @ self.MATRIX.mT, values, atol=1e-8)

    def test_selected_entries_are_those_known(self):
        """The same distribution as the posterior of entries without noise."""
        denoiser, n = kernels(rank=2), 4000
        known = torch.tensor([1, 3])
        values = torch.tensor([0.5, -1.0], dtype=F64).expand(n, 2)
        none = torch.zeros(2, dtype=F64)
        rows = denoiser.sample_measured(torch.eye(D).to(F64)[known], values, none, seeded(1))
        levels = torch.full((D,), math.inf, dtype=F64)
        levels[known] = 0.0
        x = torch.zeros(n, D, dtype=F64)
        x[:, known] = values
        other = denoiser.sample_posterior(x, levels, seeded(2))
        assert_allclose(rows[:, known], values, atol=1e-8)
        assert abs(energy_distance(rows, other)) < 0.02

    def test_each_row_has_its_own(self, monkeypatch):
        denoiser, values = kernels(rank=2), normal(30, 2, seed=6)
        whole = denoiser.sample_measured(self.MATRIX, values, 0 * self.NOISE, seeded())
        monkeypatch.setattr(kernel_module, "_MAX_ELEMENTS", 1)
        parts = denoiser.sample_measured(self.MATRIX, values, 0 * self.NOISE, seeded())
        assert_allclose(parts, whole, atol=1e-8)
        assert_allclose(whole @ self.MATRIX.mT, values, atol=1e-8)

    def test_sums_that_depend_on_one_another(self):
        """Those that contradict are met by least squares, and a sum of nothing says nothing."""
        once = torch.cat([self.MATRIX[:1]] * 2 + [0 * self.MATRIX[:1]])
        values = torch.tensor([[1.0, 2.0, 5.0]], dtype=F64).expand(40, 3)
        denoiser, none = kernels(rank=2), torch.zeros(3, dtype=F64)
        rows = denoiser.sample_measured(once, values, none, seeded())
        assert_allclose(rows @ self.MATRIX[0], 1.5, atol=1e-8)
        free = denoiser.sample_measured(once[2:], values[:, 2:], none[2:], seeded())
        assert torch.equal(free, denoiser.sample(40, seeded()))


class TestBatches:
    @every_case
    def test_one_by_one(self, denoiser, sigma):
        together = evaluate(denoiser, X, sigma)
        for i, levels in enumerate(sigma.expand(N, D)):
            alone = evaluate(denoiser, X[i : i + 1], levels)
            whole = [part[i : i + 1] for part in together]
            torch.testing.assert_close(alone, whole, rtol=1e-10, atol=1e-10)

    @every_kernel
    def test_chunks(self, denoiser, monkeypatch):
        whole = evaluate(denoiser, X, LEVELS["few patterns"])
        monkeypatch.setattr(kernel_module, "_MAX_ELEMENTS", 1)
        parts = evaluate(denoiser, X, LEVELS["few patterns"])
        torch.testing.assert_close(parts, whole, rtol=1e-12, atol=1e-12)

    @pytest.mark.parametrize("dtype", [torch.float32, F64])
    def test_dtype_of_the_rows(self, dtype):
        denoiser, x, sigma = KERNELS["dense"], X.to(dtype), LEVELS["per entry"].to(dtype)
        assert {part.dtype for part in evaluate(denoiser, x, sigma)} == {dtype}

    def test_far_from_the_origin(self):
        """Rows are centred before squares are expanded."""
        near = KERNELS["dense"]
        far = KernelDenoiser(near.means + 1e6, near.factors, near.floors, near.weights)
        sigma = LEVELS["scalar"]
        torch.testing.assert_close(
            far.log_prob(X + 1e6, sigma), near.log_prob(X, sigma), rtol=0, atol=1e-8
        )
        torch.testing.assert_close(
            far(X + 1e6, sigma).mean - 1e6, near(X, sigma).mean, rtol=0, atol=1e-8
        )

    def test_a_row_far_from_all(self):
        """All densities underflow there; their ratios must not."""
        denoiser, x = KERNELS["dense"], torch.full((1, D), 1e3, dtype=F64)
        sigma = torch.tensor(0.5, dtype=F64)
        mixture = as_mixture(denoiser)
        torch.testing.assert_close(denoiser.log_prob(x, sigma), mixture.log_prob(x, sigma))
        torch.testing.assert_close(denoiser(x, sigma).mean, mixture(x, sigma).mean)
        assert torch.isfinite(denoiser.score(x, sigma)).all()

    def test_copies(self):
        denoiser, sigma = KERNELS["dense"], LEVELS["scalar"]
        for copied in (copy.deepcopy(denoiser), pickle.loads(pickle.dumps(denoiser))):
            assert torch.equal(copied.log_prob(X, sigma), denoiser.log_prob(X, sigma))


class TestErrors:
    ARGUMENTS = (torch.zeros(3, 2), torch.zeros(3, 2, 1), torch.ones(3))

    @pytest.mark.parametrize("wrong", [0.0, -1.0, math.nan])
    def test_not_positive(self, wrong):
        bad = torch.tensor([1.0, wrong, 1.0])
        with pytest.raises(ValueError, match="must be positive"):
            KernelDenoiser(*self.ARGUMENTS, bad)
        with pytest.raises(ValueError, match="must be positive"):
            KernelDenoiser(*self.ARGUMENTS[:2], bad)

    def test_weights_are_normalised(self):
        even = KernelDenoiser(*self.ARGUMENTS)
        torch.testing.assert_close(even.weights, torch.full((3,), 1 / 3, dtype=F64))
        scaled = KernelDenoiser(*self.ARGUMENTS, torch.tensor([2.0, 4.0, 2.0]))
        torch.testing.assert_close(scaled.weights, torch.tensor([0.25, 0.5, 0.25], dtype=F64))
