"""Closed forms against the brute-force formulas, other libraries and Tweedie's theorem."""

import math

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from scipy.stats import multivariate_normal
from sklearn.mixture import GaussianMixture

from skdiffusion.diffusion import gaussians
from skdiffusion.diffusion.denoiser import score
from skdiffusion.diffusion.gaussians import (
    EmpiricalDenoiser,
    GaussianDenoiser,
    MixtureDenoiser,
)

N, D, K = 12, 3, 4


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=seeded(seed), dtype=torch.float64)


def spd(*shape, seed=0):
    root = normal(*shape, D, D, seed=seed)
    return root @ root.mT / D + 0.05 * torch.eye(D, dtype=torch.float64)


WEIGHTS = torch.tensor([0.4, 0.3, 0.2, 0.1], dtype=torch.float64)
MEANS, COVS = 2 * normal(K, D, seed=1), spd(K, seed=2)
GAUSSIAN = GaussianDenoiser(MEANS[0], COVS[0])
MIXTURE = MixtureDenoiser(WEIGHTS, MEANS, COVS)
DIAGONAL = MixtureDenoiser(WEIGHTS, MEANS, normal(K, D, seed=3).abs())
EMPIRICAL = EmpiricalDenoiser(normal(20, D, seed=4))
X = 2 * normal(N, D, seed=5)

_entries = torch.rand(5, D, generator=seeded(6), dtype=torch.float64) * 2 + 0.1
LEVELS = {
    "scalar": torch.tensor(0.6, dtype=torch.float64),
    "per row": torch.rand(N, 1, generator=seeded(7), dtype=torch.float64) + 0.1,
    "per column": _entries[:1],
    "vector": _entries[0],
    "few patterns": _entries[torch.tensor([0, 1, 2, 3, 4, 4, 3, 2, 1, 0, 0, 0])],
    "equal shares": _entries[torch.tensor([3, 1, 2, 3, 1, 2, 1, 2, 3, 2, 3, 1])],
    "per entry": torch.rand(N, D, generator=seeded(8), dtype=torch.float64) * 3 + 0.1,
}
every_level = pytest.mark.parametrize("sigma", LEVELS.values(), ids=LEVELS)
DENOISERS = {
    "gaussian": GAUSSIAN,
    "mixture": MIXTURE,
    "diagonal": DIAGONAL,
    "empirical": EMPIRICAL,
}
# each denoiser with half of the noise levels
CASES = {
    f"{name}-{level}": (DENOISERS[name], LEVELS[level])
    for i, name in enumerate(DENOISERS)
    for j, level in enumerate(LEVELS)
    if (i + j) % 2 == 0
}
every_case = pytest.mark.parametrize("denoiser, sigma", CASES.values(), ids=CASES)
every_denoiser = pytest.mark.parametrize("denoiser", DENOISERS.values(), ids=DENOISERS)


def rows_of_noise(sigma):
    """The noise covariance of each row, as NumPy matrices."""
    return [np.diag(row**2) for row in sigma.expand(N, D).numpy()]


def brute_force(weights, means, covs, sigma):
    """Log-density and posterior mean of a mixture, row by row from joint Gaussians."""
    log_prob, mean = [], []
    for x, noise in zip(X.numpy(), rows_of_noise(sigma), strict=True):
        parts = []
        for w, mu, S in zip(weights, means, covs, strict=True):
            gain = S @ np.linalg.inv(S + noise)
            log_weight = math.log(w) + multivariate_normal(mu, S + noise).logpdf(x)
            parts.append((log_weight, mu + gain @ (x - mu)))
        logs, mus = (np.array(part) for part in zip(*parts, strict=True))
        total = logsumexp(logs)
        log_prob.append(total)
        mean.append(np.exp(logs - total) @ mus)
    return (torch.tensor(np.array(values)) for values in (log_prob, mean))


class TestGaussianDenoiser:
    @every_level
    def test_against_the_joint_gaussian(self, sigma):
        """(x0, x) is jointly Gaussian; condition it by SciPy's density and the block formula."""
        log_prob, mean = brute_force([1.0], MEANS[:1].numpy(), COVS[:1].numpy(), sigma)
        posterior = GAUSSIAN(X, sigma)
        torch.testing.assert_close(posterior.mean, mean)
        torch.testing.assert_close(GAUSSIAN.log_prob(X, sigma), log_prob)

    def test_clean_log_prob(self):
        expected = multivariate_normal(MEANS[0].numpy(), COVS[0].numpy()).logpdf(X.numpy())
        actual = GAUSSIAN.log_prob(X, torch.tensor(0.0))
        torch.testing.assert_close(actual, torch.from_numpy(expected))

    def test_known_entries_condition_on_themselves(self):
        """Almost no noise on some entries, drowning noise on one: the Gaussian conditional."""
        mu, S = MEANS[0], COVS[0]
        sigma = torch.tensor([1e-6, 1e5, 1e-6], dtype=torch.float64)
        known, unknown = [0, 2], 1
        gain = S[unknown, known] @ torch.linalg.inv(S[known][:, known])
        posterior = GAUSSIAN(X, sigma)
        expected = mu[unknown] + (X[:, known] - mu[known]) @ gain
        torch.testing.assert_close(posterior.mean[:, unknown], expected, rtol=0, atol=1e-4)
        torch.testing.assert_close(posterior.mean[:, known], X[:, known], rtol=0, atol=1e-6)

    def test_attributes(self):
        assert GAUSSIAN.n_features == D
        assert torch.equal(GAUSSIAN.mean, MEANS[0])
        assert torch.equal(GAUSSIAN.cov, COVS[0])
        assert not GAUSSIAN.is_diagonal


class TestMixtureDenoiser:
    @every_level
    def test_against_brute_force(self, sigma):
        log_prob, mean = brute_force(WEIGHTS, MEANS.numpy(), COVS.numpy(), sigma)
        posterior = MIXTURE(X, sigma)
        torch.testing.assert_close(posterior.mean, mean)
        torch.testing.assert_close(MIXTURE.log_prob(X, sigma), log_prob)

    @pytest.mark.parametrize("name", ["scalar", "per column"])
    def test_against_scikit_learn(self, name):
        """GaussianMixture with the noised covariances."""
        noised = COVS.numpy() + rows_of_noise(LEVELS[name])[0]
        oracle = GaussianMixture(K)
        oracle.weights_, oracle.means_ = WEIGHTS.numpy(), MEANS.numpy()
        oracle.covariances_ = noised
        # scikit-learn's factor L satisfies L L' = inv(covariance)
        oracle.precisions_cholesky_ = np.linalg.cholesky(np.linalg.inv(noised))
        actual = MIXTURE.log_prob(X, LEVELS[name])
        torch.testing.assert_close(actual, torch.from_numpy(oracle.score_samples(X.numpy())))

    def test_weights_are_normalised(self):
        scaled = MixtureDenoiser(7 * WEIGHTS, MEANS, COVS)
        sigma = LEVELS["scalar"]
        torch.testing.assert_close(scaled.weights.sum().item(), 1.0)
        torch.testing.assert_close(scaled.log_prob(X, sigma), MIXTURE.log_prob(X, sigma))

    @every_level
    def test_equal_components_are_one_gaussian(self, sigma):
        """Splitting a component changes nothing; a variance between components would show."""
        copies = MixtureDenoiser(WEIGHTS, MEANS[:1].expand(K, D), COVS[:1].expand(K, D, D))
        torch.testing.assert_close(copies(X, sigma), GAUSSIAN(X, sigma))
        torch.testing.assert_close(copies.log_prob(X, sigma), GAUSSIAN.log_prob(X, sigma))

    @every_level
    def test_diagonal_equals_full(self, sigma):
        full = MixtureDenoiser(WEIGHTS, MEANS, torch.diag_embed(DIAGONAL.covs))
        assert DIAGONAL.is_diagonal
        assert not full.is_diagonal
        torch.testing.assert_close(DIAGONAL(X, sigma), full(X, sigma))
        torch.testing.assert_close(DIAGONAL.log_prob(X, sigma), full.log_prob(X, sigma))

    def test_far_row_belongs_to_the_nearest_component(self):
        """All densities underflow there; their ratios must not."""
        mixture = MixtureDenoiser(torch.ones(2), torch.tensor([[-5.0], [5.0]]), torch.ones(2, 1))
        x = torch.tensor([[1e4]], dtype=torch.float64)
        single = GaussianDenoiser(torch.tensor([5.0]), torch.ones(1))
        sigma = torch.tensor(1.0)
        torch.testing.assert_close(mixture(x, sigma), single(x, sigma))
        expected = single.log_prob(x, sigma) - math.log(2)
        torch.testing.assert_close(mixture.log_prob(x, sigma), expected)


class TestEmpiricalDenoiser:
    @every_level
    def test_is_a_softmax_over_the_rows(self, sigma):
        data = EMPIRICAL.means
        scaled = (X[:, None] - data) / sigma.expand(N, D)[:, None]
        share = torch.softmax(-0.5 * (scaled**2).sum(-1), dim=1)
        mean = share @ data
        posterior = EMPIRICAL(X, sigma)
        torch.testing.assert_close(posterior.mean, mean)

    def test_small_noise_returns_the_nearest_row(self):
        data = EMPIRICAL.means
        posterior = EMPIRICAL(X, torch.tensor(1e-3))
        torch.testing.assert_close(posterior.mean, data[torch.cdist(X, data).argmin(1)])

    def test_large_noise_returns_the_mean(self):
        posterior = EMPIRICAL(X, torch.tensor(1e5))
        data = EMPIRICAL.means
        torch.testing.assert_close(posterior.mean, data.mean(0).expand(N, D), rtol=0, atol=1e-6)


@every_case
class TestTweedie:
    """The posterior is told by the noised log-density alone."""

    def test_score_is_the_gradient(self, denoiser, sigma):
        x = X.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(denoiser.log_prob(x, sigma).sum(), x)
        torch.testing.assert_close(score(denoiser, X, sigma), gradient)


class TestBatches:
    """A row's result depends on nothing but the row and its noise levels."""

    @every_case
    def test_one_by_one(self, denoiser, sigma):
        together = denoiser(X, sigma)
        log_prob = denoiser.log_prob(X, sigma)
        for i, levels in enumerate(sigma.expand(N, D)):
            mean = denoiser(X[i : i + 1], levels).mean
            torch.testing.assert_close(together.mean[i], mean[0], rtol=1e-12, atol=1e-12)
            alone = denoiser.log_prob(X[i : i + 1], levels)[0]
            torch.testing.assert_close(log_prob[i], alone, rtol=1e-12, atol=1e-12)

    @every_case
    def test_row_order(self, denoiser, sigma):
        order = torch.randperm(N, generator=seeded())
        shuffled = denoiser(X[order], sigma.expand(N, D)[order])
        torch.testing.assert_close(shuffled.mean, denoiser(X, sigma).mean[order])

    @every_denoiser
    def test_column_order(self, denoiser):
        order = torch.tensor([2, 0, 1])
        covs = denoiser.covs[..., order]
        covs = covs if denoiser.is_diagonal else covs[:, order]
        permuted = MixtureDenoiser(denoiser.weights, denoiser.means[:, order], covs)
        sigma = LEVELS["per entry"]
        found = permuted(X[:, order], sigma[:, order]).mean
        torch.testing.assert_close(found, denoiser(X, sigma).mean[:, order])

    @every_denoiser
    def test_component_order(self, denoiser):
        order = torch.arange(len(denoiser.weights)).flip(0)
        shuffled = MixtureDenoiser(*(part[order] for part in denoiser.buffers()))
        sigma = LEVELS["per entry"]
        torch.testing.assert_close(shuffled(X, sigma), denoiser(X, sigma))

    @every_case
    @pytest.mark.parametrize("limit", [1, 20])
    def test_chunks(self, denoiser, sigma, limit, monkeypatch):
        whole, log_prob = denoiser(X, sigma), denoiser.log_prob(X, sigma)
        monkeypatch.setattr(gaussians, "_MAX_ELEMENTS", limit)
        assert len(denoiser._chunks(X, sigma)) > 1
        torch.testing.assert_close(denoiser(X, sigma), whole)
        torch.testing.assert_close(denoiser.log_prob(X, sigma), log_prob)

    @every_denoiser
    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_dtype_of_the_rows(self, denoiser, dtype):
        sigma = LEVELS["few patterns"].to(dtype)
        mean = denoiser(X.to(dtype), sigma).mean
        assert mean.dtype == denoiser.log_prob(X.to(dtype), sigma).dtype == dtype
        torch.testing.assert_close(
            mean.double(), denoiser(X.to(dtype).double(), sigma.double()).mean, rtol=1e-6, atol=1e-6
        )


class TestSample:
    N_DRAWS = 40_000

    @pytest.mark.parametrize("sigma", [0.0, 0.7])
    @every_denoiser
    def test_moments(self, denoiser, sigma):
        """Mean and covariance within five standard errors of the mixture's own."""
        draws = denoiser.sample(self.N_DRAWS, seeded(), sigma=sigma)
        covs = torch.diag_embed(denoiser.covs) if denoiser.is_diagonal else denoiser.covs
        weights, means = denoiser.weights, denoiser.means
        mean = weights @ means
        centred = means - mean
        cov = torch.einsum("k,kij->ij", weights, covs) + centred.T @ (weights[:, None] * centred)
        cov = cov + sigma**2 * torch.eye(D, dtype=torch.float64)
        variance = cov.diagonal()
        deviation = draws - mean
        products = deviation[:, :, None] * deviation[:, None]
        assert draws.dtype == torch.float64
        assert ((draws.mean(0) - mean).abs() < 5 * (variance / self.N_DRAWS).sqrt()).all()
        error = products.std(0) / self.N_DRAWS**0.5
        assert ((products.mean(0) - cov).abs() < 5 * error).all()

    def test_component_shares(self):
        """Components far apart are counted."""
        apart = MixtureDenoiser(WEIGHTS, 1e3 * torch.arange(K)[:, None].double(), torch.ones(K, 1))
        draws = apart.sample(self.N_DRAWS, seeded())
        counts = torch.bincount((draws[:, 0] / 1e3).round().long(), minlength=K)
        error = (WEIGHTS * (1 - WEIGHTS) / self.N_DRAWS).sqrt()
        assert ((counts / self.N_DRAWS - WEIGHTS).abs() < 5 * error).all()

    def test_generator(self):
        state = torch.get_rng_state()
        first, second = (MIXTURE.sample(5, seeded(3), sigma=0.1) for _ in range(2))
        assert torch.equal(first, second)
        assert not torch.equal(first, MIXTURE.sample(5, seeded(4), sigma=0.1))
        assert torch.equal(torch.get_rng_state(), state)

    def test_draws_of_the_data_are_its_rows(self):
        draws = EMPIRICAL.sample(50, seeded())
        assert (draws[:, None] == EMPIRICAL.means).all(-1).any(1).all()


class TestSingular:
    """Covariances of lower rank, as one-hot codes have."""

    DIRECTION = torch.tensor([1.0, 2.0, -1.0], dtype=torch.float64)

    def line(self):
        return GaussianDenoiser(MEANS[0], torch.outer(self.DIRECTION, self.DIRECTION))

    def test_draws_lie_in_the_subspace(self):
        draws = self.line().sample(200, seeded()) - MEANS[0]
        along = draws @ self.DIRECTION / (self.DIRECTION @ self.DIRECTION)
        torch.testing.assert_close(draws, along[:, None] * self.DIRECTION, rtol=0, atol=1e-6)

    @every_level
    def test_posterior_mean_lies_in_the_subspace(self, sigma):
        """With one latent normal number the posterior is a weighted regression on it."""
        levels = sigma.expand(N, D)
        precision = 1 + (self.DIRECTION**2 / levels**2).sum(1, keepdim=True)
        latent = ((X - MEANS[0]) * self.DIRECTION / levels**2).sum(1, keepdim=True) / precision
        posterior = self.line()(X, sigma)
        torch.testing.assert_close(posterior.mean, MEANS[0] + latent * self.DIRECTION)

    @every_level
    def test_a_column_of_points(self, sigma):
        """As those of classes, which no component spreads."""
        covs = COVS.clone()
        covs[:, 1], covs[:, :, 1] = 0.0, 0.0
        log_prob, mean = brute_force(WEIGHTS, MEANS.numpy(), covs.numpy(), sigma)
        denoiser = MixtureDenoiser(WEIGHTS, MEANS, covs)
        torch.testing.assert_close(denoiser.log_prob(X, sigma), log_prob)
        torch.testing.assert_close(denoiser(X, sigma).mean, mean)

    def test_constant_column(self):
        denoiser = GaussianDenoiser(MEANS[0], torch.tensor([1.0, 0.0, 2.0]))
        mean = denoiser(X, torch.tensor(0.5)).mean
        torch.testing.assert_close(mean[:, 1], MEANS[0, 1].expand(N))


class TestErrors:
    @pytest.mark.parametrize(
        ("weights", "covs"),
        [((2,), (K, D, D)), ((K,), (K, D, 2)), ((K,), (D, D)), ((K,), (K,)), ((K, 1), (K, D))],
    )
    def test_shapes_that_disagree(self, weights, covs):
        with pytest.raises(ValueError, match=r"disagree: expected \(k,\)"):
            MixtureDenoiser(torch.ones(weights), torch.zeros(K, D), torch.ones(covs))

    def test_gaussian_shapes_that_disagree(self):
        with pytest.raises(ValueError, match="disagree"):
            GaussianDenoiser(torch.zeros(D), torch.eye(D + 1))

    @pytest.mark.parametrize("weight", [0.0, -1.0, math.nan])
    def test_weights_that_are_not_positive(self, weight):
        weights = torch.tensor([1.0, weight])
        with pytest.raises(ValueError, match="must be positive"):
            MixtureDenoiser(weights, torch.zeros(2, D), torch.ones(2, D))
