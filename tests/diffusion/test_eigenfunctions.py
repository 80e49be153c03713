"""Eigenfunctions against SciPy and closed-form kernels."""

import itertools
import math

import numpy as np
import pytest
import torch
from numpy.polynomial.hermite_e import hermegauss
from scipy.special import eval_hermitenorm

from skdiffusion.diffusion.eigenfunctions import (
    FAMILIES,
    CosineFunctions,
    HermiteFunctions,
    index_set,
)

Z = torch.linspace(-2.5, 4.0, 14, dtype=torch.float64)
every_family = pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)


def tensor(*values):
    return torch.tensor(values, dtype=torch.float64)


def normal_expectation(function, n_nodes=60):
    """Mean of a function of a standard normal number, on the last axis."""
    nodes, weights = hermegauss(n_nodes)
    return function(torch.from_numpy(nodes)) @ torch.from_numpy(weights / weights.sum())


class TestFunctions:
    def test_hermite_polynomials(self):
        values, _ = HermiteFunctions(9).evaluate(Z)
        for n in range(10):
            expected = eval_hermitenorm(n, Z.numpy()) / math.sqrt(math.factorial(n))
            np.testing.assert_allclose(values[:, n], expected, rtol=1e-12, atol=1e-12)

    def test_cosines(self):
        values, _ = CosineFunctions(5).evaluate(Z)
        for n in range(6):
            torch.testing.assert_close(values[:, n], torch.cos(n * Z) * (2**0.5 if n else 1.0))

    @every_family
    def test_derivatives(self, family):
        z = Z.clone().requires_grad_()
        values, derivatives = family(6).evaluate(z)
        for n in range(7):
            (expected,) = torch.autograd.grad(values[:, n].sum(), z, retain_graph=True)
            torch.testing.assert_close(derivatives[:, n], expected)

    @every_family
    @pytest.mark.parametrize("shape", [(), (3,), (2, 4)])
    def test_shapes(self, family, shape):
        for part in family(3).evaluate(torch.ones(shape)):
            assert part.shape == (*shape, 4)
            assert part.dtype == torch.float32

    @pytest.mark.parametrize(
        ("functions", "points", "weights"),
        [
            (HermiteFunctions(8), *map(torch.from_numpy, hermegauss(20))),
            # the midpoint rule is exact for cosines
            (
                CosineFunctions(8),
                (torch.arange(40, dtype=torch.float64) + 0.5) * torch.pi / 40,
                torch.ones(40, dtype=torch.float64),
            ),
        ],
        ids=FAMILIES,
    )
    def test_orthogonal_under_the_stationary_distribution(self, functions, points, weights):
        weights = weights / weights.sum()
        for part, expected in zip(
            functions.evaluate(points),
            (torch.ones(9, dtype=torch.float64), -functions.eigenvalues),
            strict=True,
        ):
            gram = part.T @ (weights[:, None] * part)
            torch.testing.assert_close(gram, torch.diag(expected), rtol=0, atol=1e-11)

    @pytest.mark.parametrize("t", [0.05, 0.4, 1.5])
    def test_expectation_under_the_ornstein_uhlenbeck_process(self, t):
        functions = HermiteFunctions(12)
        shrink, spread = math.exp(-t), math.sqrt(-math.expm1(-2 * t))

        def after(normal):
            return functions.evaluate(shrink * Z[:, None] + spread * normal)[0].movedim(-1, 0)

        expected = functions.decay(tensor(t))[0] * functions.evaluate(Z)[0]
        scale = expected.abs().max()
        assert (normal_expectation(after, 40).T - expected).abs().max() < 1e-12 * scale

    @pytest.mark.parametrize("t", [0.01, 0.1])
    def test_expectation_under_brownian_motion(self, t):
        functions = CosineFunctions(8)

        def after(normal):
            return functions.evaluate(Z[:, None] + math.sqrt(2 * t) * normal)[0].movedim(-1, 0)

        expected = functions.decay(tensor(t))[0] * functions.evaluate(Z)[0]
        torch.testing.assert_close(normal_expectation(after).T, expected, rtol=0, atol=1e-12)

    @pytest.mark.parametrize("t", [0.3, 1.0])
    def test_mehler_kernel(self, t):
        """The series of the transition density of the Ornstein-Uhlenbeck process."""
        functions = HermiteFunctions(150)
        x, rho = Z[3:9], math.exp(-t)
        values = functions.evaluate(x)[0]
        kernel = (values * functions.decay(tensor(t))) @ values.T
        stationary = torch.distributions.Normal(0.0, 1.0).log_prob(x)
        moved = torch.distributions.Normal(rho * x[:, None], math.sqrt(1 - rho**2)).log_prob(x)
        torch.testing.assert_close(kernel, (moved - stationary).exp(), rtol=1e-12, atol=1e-12)

    @pytest.mark.parametrize("t", [0.05, 0.5])
    def test_heat_kernel_of_the_interval(self, t):
        """The series of the transition density is the sum over mirrored starting points."""
        functions = CosineFunctions(60)
        u = torch.linspace(0.1, 3.0, 7, dtype=torch.float64)
        values = functions.evaluate(u)[0]
        kernel = (values * functions.decay(tensor(t))) @ values.T / torch.pi
        mirrored = [sign * u + 2 * k * torch.pi for sign in (-1, 1) for k in range(-4, 5)]
        density = sum(
            torch.distributions.Normal(start[:, None], math.sqrt(2 * t)).log_prob(u).exp()
            for start in mirrored
        )
        torch.testing.assert_close(kernel, density, rtol=1e-10, atol=1e-12)

    @every_family
    def test_linearisation(self, family):
        functions = family(5)
        doubled = functions.doubled().evaluate(Z)[0]
        for part, coefficients in zip(
            functions.evaluate(Z), functions.linearisation(), strict=True
        ):
            expected = part[:, :, None] * part[:, None]
            product = torch.einsum("abl,zl->zab", coefficients, doubled)
            assert (product - expected).abs().max() < 1e-12 * expected.abs().max()

    def test_time_of_a_noise_level(self):
        """Rows at time t, divided by their shrinkage, carry the noise level."""
        noise = tensor(0.0, 1e-3, 0.5, 30.0)
        t = HermiteFunctions(1).time(noise)
        torch.testing.assert_close(torch.expm1(2 * t), noise**2)
        torch.testing.assert_close(HermiteFunctions(1).shrink(t), (1 + noise**2).rsqrt())
        t = CosineFunctions(1).time(noise)
        torch.testing.assert_close((2 * t).sqrt(), noise)
        assert (CosineFunctions(1).shrink(t) == 1).all()

    def test_stationary_scores(self):
        assert torch.equal(HermiteFunctions(1).stationary_score(Z), -Z)
        assert not CosineFunctions(1).stationary_score(Z).any()

    @every_family
    def test_degree_must_be_positive(self, family):
        with pytest.raises(ValueError, match="degree must be at least 1"):
            family(0)


class TestIndexSet:
    @pytest.mark.parametrize(("degree", "d"), [(1, 1), (3, 2), (4, 3), (2, 6)])
    def test_counts(self, degree, d):
        assert len(index_set(degree, d)) == math.comb(d + degree, d) - 1

    @pytest.mark.parametrize("power", [1, 2])
    def test_total_degree(self, power):
        expected = {
            n
            for n in itertools.product(range(6), repeat=3)
            if 0 < sum(k**power for k in n) <= 5**power
        }
        indices = index_set(5, 3, power=power).tolist()
        assert set(map(tuple, indices)) == expected
        assert len(indices) == len(expected)

    def test_too_many(self):
        """Refused while growing: the full set would not fit into memory."""
        with pytest.raises(ValueError, match="more than 1500 functions: lower the degree"):
            index_set(10, 30)
