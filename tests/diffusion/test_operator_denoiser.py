"""The operator denoiser against quadrature and the data's own denoiser."""

import copy
import itertools
import math
import pickle

import pytest
import torch
from numpy.polynomial.hermite_e import hermegauss

from skdiffusion.diffusion import eigenseries, operator_denoiser
from skdiffusion.diffusion.denoiser import score
from skdiffusion.diffusion.eigenfunctions import cosines, index_set
from skdiffusion.diffusion.eigenseries import EigenSeries
from skdiffusion.diffusion.gaussians import EmpiricalDenoiser
from skdiffusion.diffusion.likelihood import log_density
from skdiffusion.diffusion.operator_denoiser import OperatorDenoiser, UniformBox

every_basis = pytest.mark.parametrize("is_joint", [False, True], ids=["product", "joint"])


def normal(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def skewed(n=60, d=2, seed=0):
    """Rows with correlated columns of several scales, of no simple distribution."""
    rows = normal(n, d, seed=seed) @ normal(d, d, seed=seed + 1)
    return (rows + 0.3 * rows**2) * torch.arange(1, d + 1) + 2.0


def bimodal(n=120, seed=0):
    sides = torch.arange(n, dtype=torch.float64).remainder(2).mul(2).sub(1)
    return (sides + 0.3 * normal(n, seed=seed)).unsqueeze(1)


def number(value):
    return torch.tensor(value, dtype=torch.float64)


X = 3 * normal(12, 2, seed=5) + 2.0
LEVELS = {
    "scalar": number(0.6),
    "per row": torch.rand(12, 1, generator=torch.Generator().manual_seed(7)).double() + 0.1,
    "per column": number([[0.3, 2.0]]),
    "known column": number([[0.0, 2.0]]),
    "per entry": torch.rand(12, 2, generator=torch.Generator().manual_seed(8)).double() * 3,
}
every_level = pytest.mark.parametrize("sigma", LEVELS.values(), ids=LEVELS)


class TestEquations:
    NOISE = number([0.4, 0.8])
    WEIGHTS = number([0.3, 1.0])

    def quadrature(self, indices, rows):
        """A and b as expectations over rows noised on Gauss-Hermite nodes."""
        nodes, weights = (torch.from_numpy(part) for part in hermegauss(64))
        grid = torch.cartesian_prod(nodes, nodes)
        weight = torch.cartesian_prod(weights, weights).prod(1).repeat(len(rows))
        z = (rows[:, None] + self.NOISE * grid).reshape(-1, 2)
        values, slopes = cosines(z, int(indices.max()))
        parts = [
            [part[:, j, indices[:, j]] for part in (values, slopes)] for j in range(2)
        ]  # column, value or slope
        gradients = [parts[0][1] * parts[1][0], parts[0][0] * parts[1][1]]
        weight = weight / weight.sum()
        A = sum(
            w * g.T @ (weight[:, None] * g) for w, g in zip(self.WEIGHTS, gradients, strict=True)
        )
        rates = (indices**2).double() @ self.WEIGHTS
        return A, rates * (weight @ (parts[0][0] * parts[1][0]))

    def test_equal_quadrature(self):
        indices = index_set(4, 2)
        rows = normal(7, 2) + 1.5
        series = EigenSeries(indices, rows, 1e-3)
        A, b, _ = series._system(self.NOISE[None], self.WEIGHTS[None], series.means)
        A_expected, b_expected = self.quadrature(indices, rows)
        assert (A[0, 0] - A_expected).abs().max() < 1e-10 * A_expected.abs().max()
        assert (b[0, 0] - b_expected).abs().max() < 1e-10 * b_expected.abs().max()
        assert torch.linalg.eigvalsh(A).min() > -1e-12 * A.abs().max()

    def test_stationary_diagonal(self):
        """Under endless noise A is its stationary diagonal, which the ridge multiplies."""
        indices = index_set(3, 2)
        series = EigenSeries(indices, normal(9, 2), 1e-3)
        endless = number([[1e9, 1e9]])
        A, b, energies = series._system(endless, self.WEIGHTS[None], series.means)
        torch.testing.assert_close(A[0, 0], torch.diag(energies[0, 0]), rtol=1e-6, atol=1e-6)
        assert b.abs().max() < 1e-6

    def test_columns_do_not_mix_in_a_product_basis(self):
        """One series of both columns without products has the equations of each column."""
        rows = (0.4 * normal(300, 2)).remainder(torch.pi)
        powers = torch.arange(1, 6)
        indices = torch.kron(torch.eye(2, dtype=torch.long), powers.unsqueeze(1))
        joint = EigenSeries(indices, rows, 1e-3)
        product = EigenSeries(powers.unsqueeze(1), rows, 1e-3)
        for noise in (0.02, 0.3, 1.0):
            pattern = torch.full((1, 2), noise, dtype=torch.float64)
            A, _, _ = joint._system(pattern, pattern, joint.means)
            assert not A[0, 0, :5, 5:].any()
            solved = product._solved(pattern).flatten(1)
            torch.testing.assert_close(
                solved, joint.coefficients(pattern)[:, 0], rtol=1e-6, atol=1e-9
            )
            # the table over noise levels is interpolated
            expected = joint.gradient(rows, pattern)
            error = (product.gradient(rows, pattern) - expected).norm() / expected.norm()
            assert error < 5e-3


class TestProjection:
    """The fit is the best approximation of the score of the noised rows, in mean square."""

    NOISE = 0.35

    def error(self, denoiser, rows):
        """Mean squared difference from the score of the noised rows, on quadrature nodes.

        Walls reflect the noise, as if there were mirrored rows behind them.
        """
        low, width = denoiser.prior.low, denoiser.prior.high - denoiser.prior.low
        images = torch.cat(
            [low + sign * (rows - low) + 2 * k * width for sign in (-1, 1) for k in range(-2, 3)]
        )
        nodes, weights = (torch.from_numpy(part) for part in hermegauss(80))
        noisy, sigma = (rows + self.NOISE * nodes).reshape(-1, 1), number(self.NOISE)
        exact = score(EmpiricalDenoiser(images), noisy, sigma)
        squares = ((denoiser.score(noisy, sigma) - exact) ** 2).reshape(len(rows), -1)
        return (squares @ (weights / weights.sum())).mean()

    def test_error_falls_with_the_degree(self):
        rows = bimodal()
        errors = [
            self.error(OperatorDenoiser(rows, degree=k, ridge=1e-9), rows)
            for k in (2, 4, 6, 8, 12, 16)
        ]
        assert all(b < a for a, b in itertools.pairwise(errors))
        assert errors[-1] < 0.05 * errors[0]

    @every_basis
    def test_objective_is_the_error(self, is_joint):
        """On rows of the fit and on others, up to a constant of the rows."""
        rows, others = bimodal(), bimodal(seed=3) + 0.2
        fits = [
            OperatorDenoiser(rows, is_joint=is_joint, degree=2, ridge=ridge) for ridge in (0.0, 0.3)
        ]
        noise = number(self.NOISE)
        in_process = fits[0].scale.square().squeeze()  # of squared scores
        for held_out in (rows, others):
            errors = [self.error(fit, held_out) for fit in fits]
            losses = [fit.objective(held_out, noise) for fit in fits]
            expected = in_process * (errors[0] - errors[1])
            torch.testing.assert_close(losses[0] - losses[1], expected, rtol=1e-3, atol=1e-6)

    @every_basis
    def test_nothing_beats_the_fit_on_its_rows(self, is_joint):
        rows, noise = skewed(), number([0.5, 1.0])
        fit = OperatorDenoiser(rows, is_joint=is_joint, degree=3, ridge=0)
        least = fit.objective(rows, noise)
        assert least < 0
        for seed in range(1, 6):
            other = OperatorDenoiser(
                rows + 0.1 * normal(60, 2, seed=seed),
                is_joint=is_joint,
                degree=3,
                ridge=0,
            )
            for name in ("prior", "scale"):
                setattr(other, name, getattr(fit, name))
            assert other.objective(rows, noise) > least - 1e-9

    def test_score_is_a_gradient(self):
        fit = OperatorDenoiser(skewed(), is_joint=True, degree=4)
        jacobian = torch.autograd.functional.jacobian(
            lambda x: fit.score(x, number(0.8)).sum(0), skewed()
        ).movedim(1, 0)
        torch.testing.assert_close(jacobian, jacobian.mT)
        assert jacobian[:, 0, 1].abs().max() > 1e-3

    def test_ridge_damps(self):
        rows = bimodal()
        sizes = [
            OperatorDenoiser(rows, degree=8, ridge=ridge).score(rows, number(0.2)).norm()
            for ridge in (1e-6, 1e-2, 1.0, 1e4)
        ]
        assert all(b < a for a, b in itertools.pairwise(sizes))
        assert sizes[-1] < 1e-2


class TestNoise:
    @every_basis
    @pytest.mark.parametrize("sigma", [0.0, 1e-8, 1e-3])
    def test_no_noise_is_finite(self, is_joint, sigma):
        fit = OperatorDenoiser(skewed(), is_joint=is_joint, degree=4)
        assert torch.isfinite(fit.score(X, number(sigma))).all()
        torch.testing.assert_close(fit(X, number(0.0)).mean, X)

    @every_basis
    def test_much_noise_in_a_box_is_uniform(self, is_joint):
        fit = OperatorDenoiser(skewed(), is_joint=is_joint, degree=4)
        assert fit.score(X, number(1e3)).abs().max() < 1e-9

    @every_basis
    @every_level
    def test_one_by_one(self, is_joint, sigma):
        fit = OperatorDenoiser(skewed(), is_joint=is_joint, degree=3)
        together = fit(X, sigma).mean
        for i, levels in enumerate(sigma.expand(12, 2)):
            alone = fit(X[i : i + 1], levels).mean[0]
            torch.testing.assert_close(together[i], alone, rtol=1e-10, atol=1e-10)

    def test_known_column_does_not_spend_the_basis(self, monkeypatch):
        """The noised column has a better score than with equal weights of both columns."""
        rows = torch.cat([bimodal(), bimodal(seed=1)], dim=1)
        rows[:, 1] += rows[:, 0]
        fit = OperatorDenoiser(rows, is_joint=True, degree=4)
        series, noise = fit.series, number([[1e-3, 0.5]]) / fit.scale

        A, b, _ = series._system(noise, number([[0.0, 1.0]]), series.means)
        weighted = series.coefficients(noise)
        monkeypatch.setattr(eigenseries, "_column_weights", torch.ones_like)
        losses = [
            eigenseries._quadratic(A, 2 * b, alpha) for alpha in (weighted, series._solved(noise))
        ]
        assert losses[0] < losses[1] - 1e-3 < 0

    def test_single_precision(self):
        fit = OperatorDenoiser(skewed(), is_joint=True, degree=3)
        mean = fit(X.float(), number(0.5)).mean
        assert mean.dtype == fit.score(X.float(), number(0.5)).dtype == torch.float32
        torch.testing.assert_close(mean.double(), fit(X, number(0.5)).mean, rtol=1e-5, atol=1e-5)


class TestBox:
    def fit(self, is_joint=True):
        return OperatorDenoiser(skewed(), 4, is_joint=is_joint)

    def test_margin(self, monkeypatch):
        monkeypatch.setattr(operator_denoiser, "MARGIN", 0.2)
        rows = skewed()
        box = self.fit().prior
        width = rows.amax(0) - rows.amin(0)
        torch.testing.assert_close(box.low, rows.amin(0) - 0.2 * width)
        torch.testing.assert_close(box.high, rows.amax(0) + 0.2 * width)

    @every_basis
    def test_scores_are_reflected(self, is_joint):
        fit = self.fit(is_joint)
        inside, outside = fit.prior.fold(X), X + 2 * (fit.prior.high - X)
        sigma = number(0.7)
        torch.testing.assert_close(fit.score(outside, sigma), -fit.score(X, sigma))
        folded = fit.score(inside, sigma).abs()
        torch.testing.assert_close(folded, fit.score(X, sigma).abs())

    def test_no_flow_through_the_walls(self):
        fit = self.fit()
        wall = fit.prior.fold(X)
        wall[:, 0] = fit.prior.high[0]
        assert fit.score(wall, number(0.5))[:, 0].abs().max() < 1e-12

    def test_fold(self):
        box = UniformBox(number([-1.0]), number([1.0]))
        x = number([[-1.0], [0.3], [1.2], [-3.5], [5.0]])
        torch.testing.assert_close(box.fold(x), number([[-1.0], [0.3], [0.8], [0.5], [1.0]]))

    def test_moments_of_the_box(self):
        box = UniformBox(number([0.0, -1.0]), number([1.0, 5.0]))
        rows = box.sample(20_000, torch.Generator().manual_seed(0))
        torch.testing.assert_close(rows.mean(0), box.mean, rtol=0, atol=0.05)
        torch.testing.assert_close(rows.var(0), box.cov, rtol=0.03, atol=0)

    def test_uniform_distribution(self):
        box = UniformBox(number([0.0, 1.0]), number([2.0, 5.0]))
        draws = box.sample(20_000, torch.Generator().manual_seed(0), sigma=3.0)
        assert ((draws > box.low) & (draws < box.high)).all()
        torch.testing.assert_close(draws.mean(0), number([1.0, 3.0]), rtol=0, atol=0.05)
        expected = torch.full((3,), -math.log(8.0), dtype=torch.float64)
        torch.testing.assert_close(box.log_prob(draws[:3], number(1.0)), expected)

    def test_density_integrates_to_one(self):
        fit = OperatorDenoiser(bimodal(), is_joint=True, degree=10)
        low, high = fit.prior.low, fit.prior.high
        x = low + (high - low) * torch.linspace(0, 1, 400, dtype=torch.float64).unsqueeze(1)
        density = log_density(fit, x, (1e-3, 5.0), fit.prior, 80).exp()
        torch.testing.assert_close(
            torch.trapezoid(density, x[:, 0]), number(1.0), rtol=0, atol=1e-3
        )

    @every_basis
    def test_mean_log_density(self, is_joint, monkeypatch):
        """Rows of density ``(1 + cos(u) / 2) / pi``, which heat carries to the uniform one.

        Scaled threefold, to be no unit of the process.
        """
        u = torch.linspace(0, torch.pi, 20_001, dtype=torch.float64)
        share = (u + 0.5 * u.sin()) / torch.pi
        wanted = (torch.arange(4000, dtype=torch.float64) + 0.5) / 4000
        rows = u[torch.searchsorted(share, wanted)].unsqueeze(1)
        monkeypatch.setattr(operator_denoiser, "MARGIN", 0.0)
        options = {"is_joint": is_joint, "degree": 6}
        sigmas = torch.logspace(-2, 0.5, 60, dtype=torch.float64)
        fit = OperatorDenoiser(3 * rows, **options)
        actual = fit.mean_log_density(3 * rows, 3 * sigmas) + math.log(3)
        heat = 0.5 * torch.exp(-(sigmas**2) / 2) * rows.cos()
        expected = ((1 + heat) / torch.pi).log().mean(0)
        torch.testing.assert_close(actual, expected, rtol=0, atol=3e-3)

    def test_mean_log_density_of_columns_of_other_scales(self):
        """Columns by themselves: their log-densities add up."""
        rows, sigmas = skewed(), torch.logspace(-1, 2, 50, dtype=torch.float64)
        options = {"degree": 5}
        both = OperatorDenoiser(rows, **options).mean_log_density(rows, sigmas)
        alone = [
            OperatorDenoiser(column, **options).mean_log_density(column, sigmas)
            for column in rows.split(1, dim=1)
        ]
        torch.testing.assert_close(both, sum(alone))


class TestModule:
    @every_basis
    def test_rows_are_not_kept(self, is_joint):
        fits = (OperatorDenoiser(skewed(n), 4, is_joint=is_joint) for n in (50, 500))
        sizes = {len(pickle.dumps(fit)) for fit in fits}
        assert len(sizes) == 1

    @every_basis
    @pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
    def test_copies(self, is_joint, duplicate):
        fit = OperatorDenoiser(skewed(), 4, is_joint=is_joint)
        expected = fit(X, number(0.5)).mean
        twin = duplicate(fit)
        torch.testing.assert_close(twin(X, number(0.5)).mean, expected, rtol=0, atol=0)
        torch.testing.assert_close(twin(X, number(0.7)).mean, fit(X, number(0.7)).mean)

    def test_copies_do_not_carry_the_equations(self):
        fit = OperatorDenoiser(skewed(), is_joint=True, degree=12)
        assert len(pickle.dumps(fit)) < 1e5

    def test_cache(self, monkeypatch):
        """Known patterns are not solved again, and the store does not grow without bound."""
        fit = OperatorDenoiser(skewed(), is_joint=True, degree=2)
        sigma = LEVELS["per entry"]
        expected = fit(X, sigma).mean
        solved = []
        monkeypatch.setattr(eigenseries, "_MAX_CACHED", 4)
        system = fit.series._system
        monkeypatch.setattr(
            fit.series, "_system", lambda *args: solved.append(len(args[0])) or system(*args)
        )
        assert torch.equal(fit(X, sigma).mean, expected)
        assert solved == []
        for part in range(12):
            fit(X[part : part + 1], 2 * sigma[part])
            torch.testing.assert_close(fit(X, sigma).mean, expected)
        assert sum(solved) >= 12
        assert len(fit.series._cache) <= 4

    def test_constant_column(self):
        rows = skewed()
        rows[:, 1] = 4.0
        fit = OperatorDenoiser(rows, is_joint=True, degree=4)
        assert torch.isfinite(fit(X, number(0.5)).mean).all()
