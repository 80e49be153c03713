"""Solvers against the exact flow and the exact distribution of a Gaussian."""

from itertools import count, pairwise

import numpy as np
import pytest
import torch

from skdiffusion.diffusion import solvers
from skdiffusion.diffusion.denoiser import Posterior
from skdiffusion.diffusion.gaussians import GaussianDenoiser, MixtureDenoiser
from skdiffusion.diffusion.grid import karras
from skdiffusion.diffusion.solvers import N_STEPS, SOLVERS, run

N_DRAWS = 4_000
MEAN = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
COV = torch.tensor(
    [[1.0, 0.8, -0.4], [0.8, 0.89, -0.17], [-0.4, -0.17, 0.3125]], dtype=torch.float64
)
GAUSSIAN = GaussianDenoiser(MEAN, COV)

# Enough steps that the discretisation is below the standard error of 4,000 draws: the exact
# recursion of the moments in TestDistribution says so for each.
CASES = {
    "heun": ("heun", 45, {}),
    "dpmpp_2m": ("dpmpp_2m", 45, {}),
    "ddim": ("ddim", 300, {}),
    "ddim with noise": ("ddim", 400, {"eta": 0.5}),
    "ancestral": ("ancestral", 450, {}),
}
every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)
STOCHASTIC = {"ancestral"}
every_solver = pytest.mark.parametrize("name", sorted(SOLVERS))


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


class MatrixGaussian:
    """The same Gaussian as one matrix product a call: quick on many rows."""

    def __call__(self, x, sigma):
        noise = sigma.double() ** 2
        gain = noise * torch.linalg.inv(COV + noise * torch.eye(3, dtype=torch.float64))
        return Posterior(x - (x - MEAN.to(x)) @ gain.to(x))


def standard_errors(cov):
    """Standard errors of the mean and the covariance of normal draws."""
    variance = cov.diagonal()
    return (variance / N_DRAWS).sqrt(), ((variance[:, None] * variance + cov**2) / N_DRAWS).sqrt()


def sample_moments(x):
    x = x.double()
    return x.mean(0), (x - x.mean(0)).T @ (x - x.mean(0)) / len(x)


def matched_noise(x, generator):
    """Draws with mean 0 and covariance 1 exactly, exactly uncorrelated with the rows of ``x``.

    With them the sample moments of an affine recursion follow its population moments.
    """
    z = torch.randn(x.shape, generator=generator, dtype=x.dtype)
    basis, _ = torch.linalg.qr(torch.cat([torch.ones_like(x[:, :1]), x], dim=1))
    for _ in range(2):
        z = z - basis @ (basis.T @ z)
    factor = torch.linalg.cholesky(z.T @ z / len(z))
    return torch.linalg.solve_triangular(factor, z.T, upper=False).T


@pytest.fixture
def exact_moments(monkeypatch):
    """Mean and covariance of a solver's last state, without Monte Carlo error."""
    monkeypatch.setattr(solvers, "_noise", matched_noise)

    def moments(name, sigmas, **options):
        generator = seeded()
        noised = COV + sigmas[0] ** 2 * torch.eye(3, dtype=torch.float64)
        white = matched_noise(torch.zeros(16, 3, dtype=torch.float64), generator)
        x = MEAN + white @ torch.linalg.cholesky(noised).T
        return sample_moments(
            run(SOLVERS[name](GAUSSIAN, x, sigmas, generator=generator, **options))
        )

    return moments


class TestDistribution:
    @every_case
    def test_draws_follow_the_distribution(self, case, global_random_seed):
        name, n_steps, options = case
        generator = seeded(global_random_seed)
        x = GAUSSIAN.sample(N_DRAWS, generator=generator, sigma=5.0).float()
        states = SOLVERS[name](
            MatrixGaussian(), x, karras(0.01, 5.0, n_steps), generator=generator, **options
        )
        mean, cov = sample_moments(run(states))
        se_mean, se_cov = standard_errors(COV)
        assert ((mean - MEAN).abs() < 4 * se_mean).all()
        assert ((cov - COV).abs() < 5 * se_cov).all()

    @every_case
    def test_discretisation_is_below_the_standard_error(self, case, exact_moments):
        name, n_steps, options = case
        mean, cov = exact_moments(name, karras(0.01, 5.0, n_steps), **options)
        se_mean, se_cov = standard_errors(COV)
        assert ((mean - MEAN).abs() < 1e-6 * se_mean).all()
        assert ((cov - COV).abs() < 0.7 * se_cov).all()

    def test_matrix_form_is_the_gaussian(self):
        x = GAUSSIAN.sample(10, generator=seeded(), sigma=2.0)
        sigma = torch.tensor(2.0, dtype=torch.float64)
        torch.testing.assert_close(MatrixGaussian()(x, sigma).mean, GAUSSIAN(x, sigma).mean)

    @pytest.mark.parametrize("name", sorted(STOCHASTIC | {"dpmpp_2m"}))
    def test_mixture_keeps_its_weights(self, name, global_random_seed):
        weights = torch.tensor([0.3, 0.7])
        means = torch.tensor([[-3.0, 0.0], [3.0, 1.0]])
        mixture = MixtureDenoiser(weights, means, torch.full((2, 2), 0.25))
        generator = seeded(global_random_seed)
        x = mixture.sample(1000, generator=generator, sigma=5.0)
        x = run(SOLVERS[name](mixture, x, karras(0.01, 5.0, 60), generator=generator))
        share = (x[:, 0] > 0).double().mean().item()
        assert abs(share - 0.7) < 4 * (0.3 * 0.7 / 1000) ** 0.5


def orders(errors):
    return np.log2(np.divide(errors[:-1], errors[1:]))


def geometric(sigma_min, sigma_max, n_steps):
    """Noise levels evenly spaced in their logarithm, down to the least."""
    return torch.from_numpy(np.geomspace(sigma_max, sigma_min, n_steps + 1))


def to_the_least(sigma_min, sigma_max, n_steps):
    """Noise levels of Karras, down to the least."""
    return karras(sigma_min, sigma_max, n_steps + 1)[:-1]


class TestOrder:
    @pytest.mark.parametrize(("name", "order"), [("ddim", 1), ("heun", 2), ("dpmpp_2m", 2)])
    @pytest.mark.parametrize("grid", [to_the_least, geometric])
    def test_path(self, name, order, grid):
        start, stop = 10.0, 0.05
        x = torch.tensor([[10.0, -5.0, 3.0], [-4.0, 8.0, -12.0]], dtype=torch.float64)
        values, vectors = torch.linalg.eigh(COV)
        stretch = ((values + stop**2) / (values + start**2)).sqrt()
        exact = MEAN + ((x - MEAN) @ vectors * stretch) @ vectors.T
        errors = [
            (run(SOLVERS[name](GAUSSIAN, x, grid(stop, start, n))) - exact).abs().max().item()
            for n in (32, 64)
        ]
        np.testing.assert_allclose(orders(errors), order, atol=0.1)

    @pytest.mark.parametrize(
        ("name", "options", "order"),
        [
            ("ancestral", {}, 1),
            ("ddim", {"eta": 0.5}, 1),
        ],
    )
    def test_covariance(self, name, options, order, exact_moments):
        noised = COV + 0.05**2 * torch.eye(3, dtype=torch.float64)
        errors = []
        for n_steps in (64, 128):
            sigmas = geometric(0.05, 10.0, n_steps)
            _, cov = exact_moments(name, sigmas, **options)
            errors.append((cov - noised).abs().max().item())
        np.testing.assert_allclose(orders(errors), order, atol=0.1)


class TestSteps:
    """A solver is linear for a normal: its output is a sum of independent draws with weights."""

    @staticmethod
    def unit_noise(sources):
        """Noise with which row k holds the weight of draw k in the solver's state."""

        def noise(x, generator):
            draw = torch.zeros_like(x)
            draw[next(sources)] = 1.0
            return draw

        return noise

    @pytest.mark.parametrize("name", SOLVERS)
    @pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
    def test_spread_of_a_normal(self, name, scale, monkeypatch):
        n_steps, sigmas = N_STEPS[name], karras(0.005, 20.0, N_STEPS[name])
        monkeypatch.setattr(solvers, "_noise", self.unit_noise(count(1)))
        weights = torch.zeros(1 + 5 * n_steps, 1, dtype=torch.float64)
        weights[0] = (scale**2 + 20.0**2) ** 0.5
        normal = GaussianDenoiser(
            torch.zeros(1, dtype=torch.float64), torch.full((1,), scale**2, dtype=torch.float64)
        )
        spread = run(SOLVERS[name](normal, weights, sigmas)).norm().item()
        assert spread == pytest.approx(scale, rel=0.02)

    def test_every_solver_has_its_steps(self):
        assert N_STEPS.keys() == SOLVERS.keys()


class TestIdentities:
    @pytest.fixture
    def start(self):
        return GAUSSIAN.sample(50, generator=seeded(3), sigma=5.0)

    def test_ddim_with_full_noise_is_ancestral(self, start):
        sigmas = karras(0.01, 5.0, 20)
        for left, right in zip(
            SOLVERS["ddim"](GAUSSIAN, start, sigmas, generator=seeded(), eta=1.0),
            SOLVERS["ancestral"](GAUSSIAN, start, sigmas, generator=seeded()),
            strict=True,
        ):
            torch.testing.assert_close(left, right, rtol=0.0, atol=1e-12)

    @pytest.mark.parametrize("name", sorted(set(SOLVERS) - STOCHASTIC))
    def test_point_mass_is_solved_exactly(self, name):
        # The flow towards a point is linear in sigma.
        point = GaussianDenoiser(MEAN, torch.zeros(3))
        start = torch.full((1, 3), 4.0, dtype=torch.float64)
        sigmas = geometric(0.1, 8.0, 3)
        for state, sigma in zip(SOLVERS[name](point, start, sigmas), sigmas, strict=True):
            torch.testing.assert_close(state, MEAN + sigma / 8.0 * (start - MEAN))


class Recorder:
    """A denoiser that remembers its calls."""

    def __init__(self):
        self.calls = []

    def __call__(self, x, sigma):
        posterior = GAUSSIAN(x, sigma)
        self.calls.append((x, sigma, posterior.mean))
        return posterior


class TestEverySolver:
    @every_solver
    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_states(self, name, dtype):
        recorder, x = Recorder(), torch.full((4, 3), 2.0, dtype=dtype)
        before = x.clone()
        states = list(SOLVERS[name](recorder, x, karras(0.01, 5.0, 6), generator=seeded()))
        assert len(states) == 7
        assert states[0] is x
        assert torch.equal(x, before)
        assert all(state.dtype == dtype and state.shape == x.shape for state in states)
        assert all(not torch.equal(left, right) for left, right in pairwise(states))
        assert all(sigma.shape == () and sigma.dtype == dtype for _, sigma, _ in recorder.calls)
        # the step to noise level 0 ends on the posterior mean
        seen, sigma, mean = recorder.calls[-1]
        assert torch.equal(seen, states[-2])
        assert sigma.item() == pytest.approx(0.01)
        assert torch.equal(states[-1], mean)

    @every_solver
    def test_earlier_states_stay(self, name):
        states, copies = [], []
        x = torch.full((2, 3), 2.0)
        for state in SOLVERS[name](GAUSSIAN, x, karras(0.01, 5.0, 4), generator=seeded()):
            states.append(state)
            copies.append(state.clone())
        assert all(torch.equal(state, copy) for state, copy in zip(states, copies, strict=True))

    @every_solver
    def test_evaluations(self, name):
        recorder, sigmas = Recorder(), [5.0, 2.0, 1.0, 0.0]
        x = torch.zeros(1, 3)
        run(SOLVERS[name](recorder, x, torch.tensor(sigmas), generator=seeded()))
        expected = {
            "heun": [5.0, 2.0, 2.0, 1.0, 1.0],
        }
        seen = [sigma.item() for _, sigma, _ in recorder.calls]
        assert seen == expected.get(name, sigmas[:-1])

    @every_solver
    def test_randomness_is_the_generators(self, name):
        x, sigmas = torch.full((2, 3), 2.0), karras(0.01, 5.0, 6)[:-1]
        state = torch.random.get_rng_state()
        first, again, other = (
            run(SOLVERS[name](GAUSSIAN, x, sigmas, generator=seeded(seed))) for seed in (0, 0, 1)
        )
        assert torch.equal(torch.random.get_rng_state(), state)
        assert torch.equal(first, again)
        assert torch.equal(first, other) == (name not in STOCHASTIC)

    @every_solver
    def test_gradients_are_the_callers_choice(self, name):
        x = torch.full((2, 3), 2.0, dtype=torch.float64, requires_grad=True)
        sigmas = karras(0.01, 5.0, 5)
        *_, last = SOLVERS[name](GAUSSIAN, x, sigmas, generator=seeded())
        (gradient,) = torch.autograd.grad(last.sum(), x)
        assert gradient.abs().max() > 0
        assert not run(SOLVERS[name](GAUSSIAN, x, sigmas, generator=seeded())).requires_grad
        assert torch.is_grad_enabled()

    @every_solver
    def test_wrong_input(self, name):
        sigmas = karras(0.01, 5.0, 5)
        with pytest.raises(ValueError, match=r"shape \(n, d\)"):
            run(SOLVERS[name](GAUSSIAN, torch.zeros(3), sigmas))
        with pytest.raises(ValueError, match="floating-point"):
            run(SOLVERS[name](GAUSSIAN, torch.zeros(2, 3, dtype=torch.long), sigmas))
        with pytest.raises(ValueError, match="strictly decreasing"):
            run(SOLVERS[name](GAUSSIAN, torch.zeros(2, 3), sigmas.flip(0)))

    def test_wrong_eta(self):
        with pytest.raises(ValueError, match="eta must be between 0 and 1"):
            run(SOLVERS["ddim"](GAUSSIAN, torch.zeros(2, 3), karras(0.01, 5.0, 5), eta=1.5))
