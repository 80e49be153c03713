"""Anomaly scores and their shares against closed forms, symmetries and exact frequencies."""

import itertools
import math

import pytest
import torch
from torch.testing import assert_close

from skdiffusion.diffusion import (
    EmpiricalDenoiser,
    GaussianDenoiser,
    MixtureDenoiser,
    Posterior,
    denoising_error,
    log_density,
    log_linear,
)
from skdiffusion.diffusion.category_probabilities import level_log_prob
from skdiffusion.diffusion.functionals import (
    Contributions,
    contraction,
    flow_log_density,
    reconstruction,
    score_norm,
)
from skdiffusion.diffusion.surprise import masked_surprise
from skdiffusion.diffusion.time import diffusion_time

F64 = torch.float64
MEAN = torch.tensor([1.0, -2.0, 0.5], dtype=F64)
COV = torch.tensor([[1.0, 0.8, -0.4], [0.8, 0.89, -0.17], [-0.4, -0.17, 0.3125]], dtype=F64)
GAUSSIAN = GaussianDenoiser(MEAN, COV)
WEIGHTS = torch.tensor([0.3, 0.7], dtype=F64)
MEANS = torch.tensor([[-3.0, 0.0, 1.0], [3.0, 1.0, 0.0]], dtype=F64)
MIXTURE = MixtureDenoiser(WEIGHTS, MEANS, torch.stack([0.3 * COV, 0.5 * torch.eye(3, dtype=F64)]))
GRID = log_linear(0.05, 50.0, 24, final_zero=False)
LEVELS = torch.tensor([0.7, 0.1, 2.0], dtype=F64)
SIGNS = torch.tensor(list(itertools.product([-1.0, 1.0], repeat=3)))
FLAG = torch.tensor([[-1.0], [1.0]], dtype=F64)
TRIANGLE = torch.tensor([[2.0, 0.0], [-1.0, 1.7], [-1.0, -1.7]], dtype=F64)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def rows_of(law, n=20, sigma=0.5):
    return law.sample(n, generator=seeded(), sigma=sigma)


def noised(sigma):
    return COV + sigma**2 * torch.eye(3, dtype=F64)


def power(matrix, exponent):
    values, vectors = torch.linalg.eigh(matrix)
    return vectors * values**exponent @ vectors.mT


def quadrature(d=3):
    """Draws with the first two moments of a standard normal."""
    return math.sqrt(d) * torch.cat([torch.eye(d, dtype=F64), -torch.eye(d, dtype=F64)])


def moments(law):
    """The Gaussian with the mean and covariance of a mixture."""
    mean = law.weights @ law.means
    centred = law.means - mean
    cov = torch.einsum("k,kij->ij", law.weights, law.covs)
    return GaussianDenoiser(mean, cov + torch.einsum("k,ki,kj->ij", law.weights, centred, centred))


def transformed(law, matrix):
    """The law of ``matrix @ x``."""
    return MixtureDenoiser(law.weights, law.means @ matrix.mT, matrix @ law.covs @ matrix.mT)


# each as a function of the law, the rows and the unit of length, and the power of the unit
FUNCTIONALS = {
    "denoising_error": (lambda law, x, c=1.0: denoising_error(law, x, c * LEVELS), 2),
    "noisy_error": (
        lambda law, x, c=1.0: denoising_error(law, x, c * LEVELS, quadrature(x.shape[1])),
        2,
    ),
    "score_norm": (lambda law, x, c=1.0: score_norm(law, x, c * 0.5), 0),
    "contraction": (lambda law, x, c=1.0: contraction(law, x, c * 0.5), 0),
    "reconstruction": (lambda law, x, c=1.0: reconstruction(law, x, c * 0.5), 2),
    "diffusion_time": (lambda law, x, c=1.0: diffusion_time(law, x, c * GRID), 1),
    "flow": (lambda law, x, c=1.0: flow_log_density(law, x, c * GRID, moments(law)), None),
    "masked_surprise": (
        lambda law, x, c=1.0: masked_surprise(law, x, torch.tensor([0, 1, 0]), c * 0.1, c * 1e3),
        None,
    ),
}


@pytest.mark.parametrize("functional", FUNCTIONALS.values(), ids=FUNCTIONALS)
class TestAll:
    def test_entries_sum_to_rows(self, functional):
        x = rows_of(MIXTURE)
        rows, entries, expected = functional[0](MIXTURE, x)
        assert_close(entries.sum(-1), rows, rtol=1e-12, atol=1e-12)
        assert entries.shape[:-1] == rows.shape
        assert len(rows) == len(x) and expected.shape == x.shape

    def test_a_row_does_not_depend_on_the_batch(self, functional):
        x = rows_of(MIXTURE)
        whole = functional[0](MIXTURE, x)
        parts = [functional[0](MIXTURE, part) for part in x.split(7)]
        for found, wanted in zip(zip(*parts, strict=True), whole, strict=True):
            assert_close(torch.cat(found), wanted, rtol=1e-9, atol=1e-9)

    def test_no_gradient_and_nothing_written(self, functional):
        x = rows_of(MIXTURE).requires_grad_()
        before = x.detach().clone()
        found = functional[0](MIXTURE, x)
        assert isinstance(found, Contributions)
        assert not any(part.requires_grad for part in found)
        assert x.grad is None and torch.equal(x, before)

    def test_an_outlier_scores_higher(self, functional):
        x = torch.stack([MEANS[1], MEANS[1] + torch.tensor([0.0, 0.0, 6.0], dtype=F64)])
        rows, entries, _ = functional[0](MIXTURE, x)
        assert (rows[1] > rows[0]).all()
        if entries.shape[-1] == 3:
            assert (entries[1].argmax(-1) == 2).all()

    def test_units(self, functional):
        score, exponent = functional
        x, c = rows_of(MIXTURE), 3.0
        scaled = score(transformed(MIXTURE, c * torch.eye(3, dtype=F64)), c * x, c)
        rows, entries, expected = score(MIXTURE, x)
        assert_close(scaled.expected, c * expected, rtol=1e-6, atol=1e-6)
        if exponent is None:  # a log-density: every entry loses log(c)
            shift = math.log(c) * entries.new_tensor([2.0, 1.0] if entries.shape[1] == 2 else 1.0)
            assert_close(scaled.entries, entries + shift, rtol=1e-6, atol=1e-6)
        else:
            assert_close(scaled.rows, c**exponent * rows, rtol=1e-6, atol=1e-8)
            assert_close(scaled.entries, c**exponent * entries, rtol=1e-6, atol=1e-8)

    def test_columns_in_another_order(self, functional):
        order = torch.tensor([2, 1, 0])  # keeps the groups of masked_surprise as they are
        x = rows_of(MIXTURE)
        turned = functional[0](transformed(MIXTURE, torch.eye(3, dtype=F64)[order]), x[:, order])
        rows, entries, expected = functional[0](MIXTURE, x)
        assert_close(turned.rows, rows, rtol=1e-7, atol=1e-7)
        assert_close(turned.expected, expected[:, order], rtol=1e-7, atol=1e-7)
        if entries.shape[-1] == 3:
            assert_close(turned.entries, entries[..., order], rtol=1e-8, atol=1e-8)


# the draws of the noisy error and the groups of the surprise belong to the columns
@pytest.mark.parametrize(
    "name", [name for name in FUNCTIONALS if name not in {"noisy_error", "masked_surprise"}]
)
def test_rows_survive_rotation(name):
    rotation, _ = torch.linalg.qr(torch.randn(3, 3, generator=seeded(), dtype=F64))
    score, x = FUNCTIONALS[name][0], rows_of(MIXTURE)
    turned = score(transformed(MIXTURE, rotation), x @ rotation.mT)
    assert_close(turned.rows, score(MIXTURE, x).rows, rtol=1e-8, atol=1e-8)


class TestDenoisingError:
    def test_of_a_gaussian(self):
        x = rows_of(GAUSSIAN)
        found = denoising_error(GAUSSIAN, x, LEVELS)
        for index, sigma in enumerate(LEVELS.tolist()):
            change = sigma**2 * torch.linalg.solve(noised(sigma), (x - MEAN).mT).mT
            assert_close(found.entries[:, index], change**2, rtol=1e-6, atol=1e-9)

    def test_added_noise(self):
        """Bias and variance of a linear map, whose mean square the draws integrate exactly."""
        x, sigma = rows_of(GAUSSIAN), 0.7
        found = denoising_error(GAUSSIAN, x, torch.tensor([sigma], dtype=F64), quadrature())
        gain = COV @ torch.linalg.inv(noised(sigma))
        bias = (x - MEAN) @ (torch.eye(3, dtype=F64) - gain).mT
        wanted = bias**2 + sigma**2 * (gain @ gain.mT).diagonal()
        assert_close(found.entries[:, 0], wanted)
        assert_close(found.expected, x - bias)

    def test_expects_the_mean_over_levels(self):
        x = rows_of(MIXTURE)
        means = [MIXTURE(x, level).mean for level in LEVELS]
        found = denoising_error(MIXTURE, x, LEVELS).expected
        assert_close(found, torch.stack(means).mean(0))

    def test_errors(self):
        x = rows_of(MIXTURE)
        for sigmas in (torch.tensor([1.0, 0.0]), torch.tensor(1.0), torch.tensor([])):
            with pytest.raises(ValueError, match="sigmas must be a vector"):
                denoising_error(MIXTURE, x, sigmas)
        with pytest.raises(ValueError, match=r"noise must be of shape \(m, 3\)"):
            denoising_error(MIXTURE, x, LEVELS, torch.zeros(3))


class TestScoreNorm:
    @pytest.mark.parametrize("sigma", [0.5, torch.tensor([0.3, 1.0, 2.0], dtype=F64)])
    def test_is_the_gradient_of_the_log_density(self, sigma):
        x = rows_of(MIXTURE).requires_grad_()
        level = torch.as_tensor(sigma, dtype=F64).expand(1, 3)
        (gradient,) = torch.autograd.grad(MIXTURE.log_prob(x, level).sum(), x)
        found = score_norm(MIXTURE, x, sigma)
        assert_close(found.entries, (level * gradient) ** 2)
        assert_close(found.expected, MIXTURE(x.detach(), level).mean)

    def test_columns_may_have_units_of_their_own(self):
        scale = torch.tensor([10.0, 0.1, 3.0], dtype=F64)
        x = rows_of(MIXTURE)
        scaled = score_norm(transformed(MIXTURE, torch.diag(scale)), x * scale, 0.5 * scale)
        assert_close(scaled.entries, score_norm(MIXTURE, x, 0.5).entries)

    def test_errors(self):
        x = rows_of(MIXTURE)
        for sigma in (0.0, math.inf, torch.ones(2), torch.ones(20, 1)):
            with pytest.raises(ValueError, match="sigma must be a positive"):
                score_norm(MIXTURE, x, sigma)
        with pytest.raises(ValueError, match=r"shape \(n, d\)"):
            score_norm(MIXTURE, x[0], 1.0)


class TestContraction:
    @pytest.mark.parametrize("sigma", [0.5, torch.tensor([0.3, 1.0, 2.0], dtype=F64)])
    def test_is_the_growth_of_the_log_density_with_each_level(self, sigma):
        x, step = rows_of(MIXTURE), 1e-4
        level = torch.as_tensor(sigma, dtype=F64).expand(3)
        found = contraction(MIXTURE, x, sigma).entries
        for j in range(3):
            factor = torch.ones(3, dtype=F64)
            factor[j] = math.exp(step)
            up = MIXTURE.log_prob(x, (level * factor).unsqueeze(0))
            down = MIXTURE.log_prob(x, (level / factor).unsqueeze(0))
            assert_close(found[:, j], (up - down) / (2 * step), rtol=1e-5, atol=1e-6)

    def test_is_centred_on_rows_of_its_level(self):
        x = MEAN + quadrature() @ power(noised(0.7), 0.5)
        found = contraction(GAUSSIAN, x, 0.7).entries
        assert_close(found.mean(0), torch.zeros(3, dtype=F64))
        assert found.abs().max() > 0.1

    def test_sees_the_saddle_between_two_modes(self):
        modes = EmpiricalDenoiser(torch.tensor([[-1.0, 0.0], [1.0, 0.0]], dtype=F64))
        x = torch.tensor([[0.0, 0.0], [1.0, 0.0]], dtype=F64)
        assert_close(score_norm(modes, x, 0.5).rows, torch.zeros(2, dtype=F64), atol=2e-5, rtol=0)
        saddle, mode = contraction(modes, x, 0.5).rows
        # at the saddle the clean row has variance 1, which is 4 in units of the noise
        assert saddle.item() == pytest.approx(2.0, abs=1e-6)
        assert mode.item() == pytest.approx(-2.0, abs=0.02)

    def test_all_sign_vectors_estimate_it_exactly(self):
        x = rows_of(MIXTURE)
        exact = contraction(MIXTURE, x, 0.5).entries
        options = {"divergence": "hutchinson", "probes": SIGNS}
        assert_close(contraction(MIXTURE, x, 0.5, **options).entries, exact)
        options["probes"] = SIGNS[:1]
        single = contraction(MIXTURE, x, 0.5, **options).entries
        assert (single - exact).abs().max() > 1e-3

    def test_errors(self):
        with pytest.raises(ValueError, match="needs probes"):
            contraction(MIXTURE, rows_of(MIXTURE), 0.5, divergence="hutchinson")
        with pytest.raises(ValueError, match="sigma must be a positive"):
            contraction(MIXTURE, rows_of(MIXTURE), -0.5)


class TestReconstruction:
    def test_of_a_gaussian(self):
        """The flow from noise level s down to none shrinks by ``(S / (S + s^2))^{1/2}``."""
        x, sigma = rows_of(GAUSSIAN), 0.5
        wanted = MEAN + (x - MEAN) @ power(COV, 0.5) @ power(noised(sigma), -0.5)
        for n_steps, tolerance in ((8, 0.05), (64, 5e-4)):
            found = reconstruction(GAUSSIAN, x, sigma, n_steps, sigma_min=1e-5)
            assert_close(found.expected, wanted, rtol=0.0, atol=tolerance)
            assert_close(found.entries, (x - found.expected) ** 2)

    def test_smallest_level(self):
        levels = []

        def recorded(x, sigma):
            levels.append(sigma.item())
            return GAUSSIAN(x, sigma)

        reconstruction(recorded, rows_of(GAUSSIAN), 0.5, 4)
        assert len(levels) == 7
        assert (max(levels), min(levels)) == pytest.approx((0.5, 0.005))

    def test_errors(self):
        with pytest.raises(ValueError, match="sigma_min < sigma_max"):
            reconstruction(GAUSSIAN, rows_of(GAUSSIAN), 0.5, sigma_min=1.0)


class TestFlowLogDensity:
    @pytest.mark.parametrize("options", [{}, {"divergence": "hutchinson", "probes": SIGNS[:2]}])
    def test_rows_are_negative_log_densities(self, options):
        x, prior = rows_of(MIXTURE), moments(MIXTURE)
        found = flow_log_density(MIXTURE, x, GRID, prior, **options).rows
        assert_close(found, -log_density(MIXTURE, x, GRID, prior, **options))

    @pytest.mark.parametrize("sigma_max", [0.5, 100.0])
    def test_entries_of_a_gaussian(self, sigma_max):
        x = rows_of(GAUSSIAN)
        sigmas = log_linear(0.05, sigma_max, 64, final_zero=False)
        found = flow_log_density(GAUSSIAN, x, sigmas, GAUSSIAN)
        cov = noised(0.05)
        white = (x - MEAN) @ power(cov, -0.5)
        values, vectors = torch.linalg.eigh(cov)
        log_cov = vectors * values.log() @ vectors.mT
        wanted = 0.5 * (white**2 + log_cov.diagonal() + math.log(2 * math.pi))
        assert_close(found.entries, wanted, rtol=1e-3, atol=1e-3)

    def test_independent_columns(self):
        """Each entry is the log-density of its column, though the prior is a bad fit."""
        weights, places = torch.tensor([0.4, 0.6]), torch.tensor([-1.5, 1.0])
        column = MixtureDenoiser(weights, places.unsqueeze(1), torch.full((2, 1), 0.2))
        flat = GaussianDenoiser(torch.tensor([5.0]), torch.tensor([2.0]))
        pairs = torch.stack([places, torch.full((2,), 5.0)], dim=1)
        both = MixtureDenoiser(weights, pairs, torch.tensor([[0.2, 2.0], [0.2, 2.0]]))
        mean, var = torch.tensor([0.0, 5.0]), torch.tensor([1.7, 2.0])
        x = rows_of(both)
        sigmas = log_linear(0.05, 50.0, 96, final_zero=False)
        found = flow_log_density(both, x, sigmas, GaussianDenoiser(mean, var)).entries
        for j, law in enumerate((column, flat)):
            wanted = -law.log_prob(x[:, j : j + 1], sigmas[-1])
            assert_close(found[:, j], wanted, rtol=0.0, atol=0.02)

    def test_shift_reaches_the_flow(self):
        x = rows_of(GAUSSIAN)
        plain, shifted = (
            flow_log_density(GAUSSIAN, x, GRID, GAUSSIAN, shift=shift).rows for shift in (0.0, 0.3)
        )
        assert_close(shifted, -log_density(GAUSSIAN, x, GRID, GAUSSIAN, shift=0.3))
        assert not torch.equal(plain, shifted)


def conditional(x, hidden, cov):
    """Mean and variance of each hidden entry of a Gaussian given the others."""
    known = [j for j in range(3) if j not in hidden]
    gain = torch.linalg.solve(cov[known][:, known], cov[known][:, hidden]).mT
    mean = MEAN[hidden] + (x - MEAN)[:, known] @ gain.mT
    return mean, (cov[hidden][:, hidden] - gain @ cov[known][:, hidden]).diagonal()


class TestMaskedSurprise:
    @pytest.mark.parametrize("groups", [[0, 1, 2], [1, 0, 1]])
    def test_of_a_gaussian(self, groups):
        x, low = rows_of(GAUSSIAN), 0.1
        found = masked_surprise(GAUSSIAN, x, torch.tensor(groups), low, 1e4)
        for group in set(groups):
            hidden = [j for j in range(3) if groups[j] == group]
            mean, var = conditional(x, hidden, noised(low))
            wanted = -torch.distributions.Normal(mean, var.sqrt()).log_prob(x[:, hidden]).sum(1)
            assert_close(found.entries[:, group], wanted, rtol=1e-5, atol=1e-5)
            assert_close(found.expected[:, hidden], mean, rtol=1e-5, atol=1e-5)

    def test_the_hidden_value_is_not_seen(self):
        x = rows_of(GAUSSIAN)
        other = x.clone()
        other[:, 1] += 100.0
        found = [
            masked_surprise(GAUSSIAN, z, torch.tensor([0, 1, 2]), 0.1, 30.0) for z in (x, other)
        ]
        assert torch.equal(found[0].expected[:, 1], found[1].expected[:, 1])

    def test_fill_is_what_a_hidden_entry_holds(self):
        far = GaussianDenoiser(MEAN + 100.0, COV)
        x, groups = rows_of(far), torch.tensor([0, 1, 2])
        filled = masked_surprise(far, x, groups, 0.1, 10.0, fill=far.mean)
        wanted = masked_surprise(GAUSSIAN, x - 100.0, groups, 0.1, 10.0, fill=MEAN)
        assert_close(filled.entries, wanted.entries, rtol=1e-8, atol=1e-8)
        assert (masked_surprise(far, x, groups, 0.1, 10.0).entries - filled.entries).max() > 0.1

    def test_spread_stands_in_for_a_missing_variance(self):
        x, groups = rows_of(GAUSSIAN), torch.tensor([0, 1, 2])
        spread = torch.tensor([0.5, 1.0, 2.0], dtype=F64)

        def no_variance(x, sigma):
            return Posterior(GAUSSIAN(x, sigma).mean)

        found = masked_surprise(no_variance, x, groups, 0.1, 1e4, spread=spread)
        wanted = -torch.distributions.Normal(found.expected, spread.sqrt()).log_prob(x)
        assert_close(found.entries, wanted)
        own = masked_surprise(GAUSSIAN, x, groups, 0.1, 1e4)
        with_both = masked_surprise(GAUSSIAN, x, groups, 0.1, 1e4, spread=spread)
        assert torch.equal(own.entries, with_both.entries)
        with pytest.raises(ValueError, match="pass spread"):
            masked_surprise(no_variance, x, groups, 0.1, 1e4)

    def test_categories_have_their_conditional_frequencies(self):
        cells = list(itertools.product(range(3), range(2)))
        codes = torch.stack([torch.cat([TRIANGLE[a], FLAG[b]]) for a, b in cells])
        counts = torch.tensor([30, 10, 5, 25, 20, 10])
        data = EmpiricalDenoiser(codes.repeat_interleave(counts, dim=0))
        blocks = [(torch.tensor([2]), FLAG), (torch.tensor([0, 1]), TRIANGLE)]
        groups = torch.tensor([0, 0, 1])
        found = masked_surprise(data, codes, groups, 0.01, 1e4, blocks=blocks)
        table = counts.reshape(3, 2).double()
        given_flag = (table / table.sum(0)).flatten()
        given_corner = (table / table.sum(1, keepdim=True)).flatten()
        wanted = torch.stack([given_flag, given_corner], dim=1)
        assert_close((-found.entries).exp(), wanted, atol=1e-3, rtol=0)
        shares = (table / table.sum(0)).mT @ TRIANGLE
        assert_close(found.expected[:, :2], shares.repeat(3, 1), atol=1e-2, rtol=0)

    def test_a_number_beside_a_category(self):
        """Bayes' rule for a flag whose classes are Gaussians in another column."""
        means = torch.tensor([[0.0, -1.0], [2.0, 1.0]])
        covs = torch.diag_embed(torch.tensor([[1.0, 0.0], [1.0, 0.0]]))
        denoiser = MixtureDenoiser(torch.tensor([0.3, 0.7]), means, covs)
        x = torch.tensor([[1.5, 1.0], [-0.5, 1.0], [0.2, -1.0]], dtype=F64)
        block = (torch.tensor([1]), FLAG)
        found = masked_surprise(denoiser, x, torch.tensor([0, 1]), 1e-3, 1e4, blocks=[block])
        wanted = -level_log_prob(denoiser, x, [block], 1e-3, 1e4)
        assert_close(found.entries[:, 1], wanted, atol=1e-6, rtol=0)
        residual = x[:, 0] - torch.tensor([2.0, 2.0, 0.0], dtype=F64)
        wanted = 0.5 * residual**2 + 0.5 * math.log(2 * math.pi)
        assert_close(found.entries[:, 0], wanted, atol=1e-3, rtol=0)

    def test_one_group_may_hold_both(self):
        means = torch.tensor([[0.0, -1.0], [2.0, 1.0]], dtype=F64)
        data = EmpiricalDenoiser(means)
        block = (torch.tensor([1]), FLAG)
        found = masked_surprise(data, means, torch.tensor([0, 0]), 1e-3, 1e4, blocks=[block])
        number = -torch.distributions.Normal(1.0, math.sqrt(1.0 + 1e-6)).log_prob(means[:, 0])
        assert_close(found.entries[:, 0], number + math.log(2.0), atol=1e-3, rtol=0)

    def test_errors(self):
        x, groups = rows_of(GAUSSIAN), torch.tensor([0, 1, 2])
        for wrong in (groups[:2], groups.double(), groups + 1, groups.unsqueeze(0)):
            with pytest.raises(ValueError, match="groups must"):
                masked_surprise(GAUSSIAN, x, wrong, 0.1, 10.0)
        with pytest.raises(ValueError, match="in one group"):
            blocks = [(torch.tensor([0, 1]), TRIANGLE)]
            masked_surprise(GAUSSIAN, x, groups, 0.1, 10.0, blocks=blocks)
        with pytest.raises(ValueError, match="sigma_min < sigma_max"):
            masked_surprise(GAUSSIAN, x, groups, 10.0, 0.1)
        with pytest.raises(ValueError, match="spread must hold 3 positive"):
            masked_surprise(GAUSSIAN, x, groups, 0.1, 10.0, spread=torch.zeros(3))
