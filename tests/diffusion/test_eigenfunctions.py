"""Eigenfunctions against closed forms and kernels."""

import itertools
import math

import pytest
import torch
from numpy.polynomial.hermite_e import hermegauss

from skdiffusion.diffusion import eigenfunctions
from skdiffusion.diffusion.eigenfunctions import cosines, decay, index_set, linearise

Z = torch.linspace(-2.5, 4.0, 14, dtype=torch.float64)


def tensor(*values):
    return torch.tensor(values, dtype=torch.float64)


def normal_expectation(function, n_nodes=60):
    """Mean of a function of a standard normal number, on the last axis."""
    nodes, weights = hermegauss(n_nodes)
    return function(torch.from_numpy(nodes)) @ torch.from_numpy(weights / weights.sum())


class TestFunctions:
    def test_cosines(self):
        values, _ = cosines(Z, 5)
        for n in range(6):
            torch.testing.assert_close(values[:, n], torch.cos(n * Z) * (2**0.5 if n else 1.0))

    def test_derivatives(self):
        z = Z.clone().requires_grad_()
        values, derivatives = cosines(z, 6)
        for n in range(7):
            (expected,) = torch.autograd.grad(values[:, n].sum(), z, retain_graph=True)
            torch.testing.assert_close(derivatives[:, n], expected)

    @pytest.mark.parametrize("shape", [(), (3,), (2, 4)])
    def test_shapes(self, shape):
        for part in cosines(torch.ones(shape), 3):
            assert part.shape == (*shape, 4)
            assert part.dtype == torch.float32

    def test_orthogonal_under_the_stationary_distribution(self):
        # the midpoint rule is exact for cosines
        points = (torch.arange(40, dtype=torch.float64) + 0.5) * torch.pi / 40
        for part, expected in zip(
            cosines(points, 8),
            (torch.ones(9, dtype=torch.float64), torch.arange(9).double() ** 2),
            strict=True,
        ):
            gram = part.T @ part / len(points)
            torch.testing.assert_close(gram, torch.diag(expected), rtol=0, atol=1e-11)

    @pytest.mark.parametrize("noise", [0.1, 0.5])
    def test_expectation_under_brownian_motion(self, noise):
        def after(normal):
            return cosines(Z[:, None] + noise * normal, 8)[0].movedim(-1, 0)

        expected = decay(tensor(noise), 8)[0] * cosines(Z, 8)[0]
        torch.testing.assert_close(normal_expectation(after).T, expected, rtol=0, atol=1e-12)

    @pytest.mark.parametrize("noise", [0.3, 1.0])
    def test_heat_kernel_of_the_interval(self, noise):
        """The series of the transition density is the sum over mirrored starting points."""
        u = torch.linspace(0.1, 3.0, 7, dtype=torch.float64)
        values = cosines(u, 60)[0]
        kernel = (values * decay(tensor(noise), 60)) @ values.T / torch.pi
        mirrored = [sign * u + 2 * k * torch.pi for sign in (-1, 1) for k in range(-4, 5)]
        density = sum(
            torch.distributions.Normal(start[:, None], noise).log_prob(u).exp()
            for start in mirrored
        )
        torch.testing.assert_close(kernel, density, rtol=1e-10, atol=1e-12)

    @pytest.mark.parametrize(("degree", "d"), [(6, 1), (4, 2), (2, 3)])
    def test_linearise(self, degree, d):
        """Products of derivatives are the sums of functions that they are written as."""
        indices = index_set(degree, d)
        (entry, term, coefficients), products = linearise(indices)
        z = 2 * torch.randn(5, d, generator=torch.Generator().manual_seed(0)).double()
        values, slopes = cosines(z, 2 * degree)

        def functions(chosen, steep=None):
            parts = [slopes if j == steep else values for j in range(d)]
            return math.prod(part[:, j, chosen[:, j]] for j, part in enumerate(parts))

        sums = functions(products)
        for j in range(d):
            steep = functions(indices, steep=j)
            expected = (steep[:, :, None] * steep[:, None]).triu().flatten(1)
            actual = torch.zeros_like(expected)
            actual.index_add_(1, entry, coefficients[:, j] * sums[:, term])
            assert (actual - expected).abs().max() < 1e-12 * expected.abs().max()

    def test_linearise_too_many(self, monkeypatch):
        monkeypatch.setattr(eigenfunctions, "MAX_TERMS", 100)
        with pytest.raises(ValueError, match="too many products: lower the degree"):
            linearise(index_set(4, 2))


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
