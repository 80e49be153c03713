"""Eigenfunctions against closed forms and kernels."""

import itertools
import math

import pytest
import torch
from numpy.polynomial.hermite_e import hermegauss

from skdiffusion.diffusion.eigenfunctions import CosineFunctions, index_set

Z = torch.linspace(-2.5, 4.0, 14, dtype=torch.float64)


def tensor(*values):
    return torch.tensor(values, dtype=torch.float64)


def normal_expectation(function, n_nodes=60):
    """Mean of a function of a standard normal number, on the last axis."""
    nodes, weights = hermegauss(n_nodes)
    return function(torch.from_numpy(nodes)) @ torch.from_numpy(weights / weights.sum())


class TestFunctions:
    def test_cosines(self):
        values, _ = CosineFunctions(5).evaluate(Z)
        for n in range(6):
            torch.testing.assert_close(values[:, n], torch.cos(n * Z) * (2**0.5 if n else 1.0))

    def test_derivatives(self):
        z = Z.clone().requires_grad_()
        values, derivatives = CosineFunctions(6).evaluate(z)
        for n in range(7):
            (expected,) = torch.autograd.grad(values[:, n].sum(), z, retain_graph=True)
            torch.testing.assert_close(derivatives[:, n], expected)

    @pytest.mark.parametrize("shape", [(), (3,), (2, 4)])
    def test_shapes(self, shape):
        for part in CosineFunctions(3).evaluate(torch.ones(shape)):
            assert part.shape == (*shape, 4)
            assert part.dtype == torch.float32

    def test_orthogonal_under_the_stationary_distribution(self):
        functions = CosineFunctions(8)
        # the midpoint rule is exact for cosines
        points = (torch.arange(40, dtype=torch.float64) + 0.5) * torch.pi / 40
        for part, expected in zip(
            functions.evaluate(points),
            (torch.ones(9, dtype=torch.float64), -functions.eigenvalues),
            strict=True,
        ):
            gram = part.T @ part / len(points)
            torch.testing.assert_close(gram, torch.diag(expected), rtol=0, atol=1e-11)

    @pytest.mark.parametrize("t", [0.01, 0.1])
    def test_expectation_under_brownian_motion(self, t):
        functions = CosineFunctions(8)

        def after(normal):
            return functions.evaluate(Z[:, None] + math.sqrt(2 * t) * normal)[0].movedim(-1, 0)

        expected = functions.decay(tensor(t))[0] * functions.evaluate(Z)[0]
        torch.testing.assert_close(normal_expectation(after).T, expected, rtol=0, atol=1e-12)

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

    def test_linearisation(self):
        functions = CosineFunctions(5)
        doubled = functions.doubled().evaluate(Z)[0]
        for part, coefficients in zip(
            functions.evaluate(Z), functions.linearisation(), strict=True
        ):
            expected = part[:, :, None] * part[:, None]
            product = torch.einsum("abl,zl->zab", coefficients, doubled)
            assert (product - expected).abs().max() < 1e-12 * expected.abs().max()

    def test_time_of_a_noise_level(self):
        """Brownian motion has the variance of the noise by then."""
        noise = tensor(0.0, 1e-3, 0.5, 30.0)
        torch.testing.assert_close((2 * CosineFunctions(1).time(noise)).sqrt(), noise)

    def test_degree_must_be_positive(self):
        with pytest.raises(ValueError, match="degree must be at least 1"):
            CosineFunctions(0)


class TestIndexSet:
    @pytest.mark.parametrize(("degree", "d"), [(1, 1), (5, 3), (2, 6)])
    def test_largest_frequency(self, degree, d):
        expected = {
            n
            for n in itertools.product(range(degree + 1), repeat=d)
            if 0 < sum(k**2 for k in n) <= degree**2
        }
        indices = index_set(degree, d).tolist()
        assert set(map(tuple, indices)) == expected
        assert len(indices) == len(expected)

    def test_too_many(self):
        """Refused while growing: the full set would not fit into memory."""
        with pytest.raises(ValueError, match="more than 1500 functions: lower the degree"):
            index_set(10, 30)
