"""The grid against its defining spacing."""

import math

import numpy as np
import pytest
import torch

from skdiffusion.diffusion.grid import check_grid, karras


class TestKarras:
    @pytest.mark.parametrize("n_steps", [1, 2, 3, 50])
    def test_shape_and_ends(self, n_steps):
        sigmas = karras(0.002, 80.0, n_steps)
        assert sigmas.dtype == torch.float64
        assert sigmas.shape == (n_steps + 1,)
        assert (sigmas.diff() < 0).all()
        assert sigmas[0] == 80.0
        assert sigmas[-1] == 0.0
        if n_steps > 1:
            assert sigmas[-2] == 0.002

    @pytest.mark.parametrize("levels", [(1.0, 1.0), (2.0, 1.0)])
    def test_bad_levels(self, levels):
        with pytest.raises(ValueError, match="0 < sigma_min < sigma_max"):
            karras(*levels, 5)

    def test_bad_number_of_steps(self):
        with pytest.raises(ValueError, match="n_steps >= 1"):
            karras(0.1, 1.0, 0)

    def test_is_the_papers_formula(self):
        n, rho = 18, 7
        i = np.arange(n)
        root_max, root_min = 80 ** (1 / rho), 0.002 ** (1 / rho)
        expected = (root_max + i / (n - 1) * (root_min - root_max)) ** rho
        np.testing.assert_allclose(karras(0.002, 80.0, n)[:-1], expected, rtol=1e-12)

    def test_with_rho_one_is_linear(self):
        np.testing.assert_allclose(karras(1.0, 5.0, 5, rho=1.0)[:-1], [5.0, 4.0, 3.0, 2.0, 1.0])

    def test_tends_to_a_geometric_sequence(self):
        np.testing.assert_allclose(
            karras(0.01, 10.0, 13, rho=1e5)[:-1],
            np.geomspace(10.0, 0.01, 13),
            rtol=1e-3,
        )

    def test_bad_rho(self):
        with pytest.raises(ValueError, match="rho"):
            karras(0.01, 1.0, 5, rho=-1.0)


class TestCheckGrid:
    def test_returns_numbers(self):
        assert check_grid(torch.tensor([2.0, 1.0, 0.0])) == [2.0, 1.0, 0.0]

    @pytest.mark.parametrize(
        ("sigmas", "match"),
        [
            (torch.tensor([1.0, 2.0]), "strictly decreasing"),
            (torch.tensor([1.0, 1.0]), "strictly decreasing"),
            (torch.tensor([math.inf, 1.0]), "finite"),
            (torch.tensor([math.nan, 1.0]), "finite"),
            (torch.tensor([1.0, -1.0]), "not negative"),
            (torch.tensor([1.0]), "two or more"),
            (torch.tensor(1.0), "vector"),
            (torch.ones(2, 2), "vector"),
        ],
    )
    def test_errors(self, sigmas, match):
        with pytest.raises(ValueError, match=match):
            check_grid(sigmas)
