"""Grids against their defining spacings."""

import math

import numpy as np
import pytest
import torch

from skdiffusion.diffusion.grid import (
    check_grid,
    karras,
    log_linear,
    uniform,
)
from skdiffusion.diffusion.schedule import EDM, SCHEDULES


@pytest.mark.parametrize("grid", [karras, log_linear, uniform])
class TestEveryGrid:
    @pytest.mark.parametrize("n_steps", [1, 2, 3, 50])
    def test_shape_and_ends(self, grid, n_steps):
        sigmas = grid(0.002, 80.0, n_steps)
        assert sigmas.dtype == torch.float64
        assert sigmas.shape == (n_steps + 1,)
        assert (sigmas.diff() < 0).all()
        assert sigmas[0] == 80.0
        assert sigmas[-1] == 0.0
        if n_steps > 1:
            assert sigmas[-2] == 0.002

    @pytest.mark.parametrize("n_steps", [1, 2, 50])
    def test_without_the_final_zero(self, grid, n_steps):
        sigmas = grid(0.002, 80.0, n_steps, final_zero=False)
        assert sigmas.shape == (n_steps + 1,)
        assert (sigmas.diff() < 0).all()
        assert sigmas[0] == 80.0
        assert sigmas[-1] == 0.002

    def test_final_zero_takes_one_step(self, grid):
        with_zero = grid(0.01, 10.0, 7)
        torch.testing.assert_close(with_zero[:-1], grid(0.01, 10.0, 6, final_zero=False))

    @pytest.mark.parametrize("levels", [(1.0, 1.0), (2.0, 1.0)])
    def test_bad_levels(self, grid, levels):
        with pytest.raises(ValueError, match="0 < sigma_min < sigma_max"):
            grid(*levels, 5)

    def test_bad_number_of_steps(self, grid):
        with pytest.raises(ValueError, match="n_steps >= 1"):
            grid(0.1, 1.0, 0)


class TestSpacing:
    def test_karras_is_the_papers_formula(self):
        n, rho = 18, 7
        i = np.arange(n)
        root_max, root_min = 80 ** (1 / rho), 0.002 ** (1 / rho)
        expected = (root_max + i / (n - 1) * (root_min - root_max)) ** rho
        np.testing.assert_allclose(karras(0.002, 80.0, n)[:-1], expected, rtol=1e-12)

    def test_karras_with_rho_one_is_linear(self):
        np.testing.assert_allclose(
            karras(1.0, 5.0, 4, rho=1.0, final_zero=False), [5.0, 4.0, 3.0, 2.0, 1.0]
        )

    def test_karras_tends_to_log_linear(self):
        torch.testing.assert_close(
            karras(0.01, 10.0, 20, rho=1e5), log_linear(0.01, 10.0, 20), rtol=1e-3, atol=0.0
        )

    def test_log_linear_is_geometric(self):
        np.testing.assert_allclose(
            log_linear(0.01, 10.0, 12, final_zero=False), np.geomspace(10.0, 0.01, 13)
        )

    @pytest.mark.parametrize("name", sorted(SCHEDULES))
    def test_uniform_is_even_in_time(self, name):
        sigmas = uniform(0.02, 40.0, 30, schedule=name, final_zero=False)
        steps = SCHEDULES[name]().time(sigmas).diff()
        torch.testing.assert_close(steps, steps.mean().expand_as(steps))

    def test_uniform_in_the_time_of_edm_is_karras(self):
        torch.testing.assert_close(
            uniform(0.01, 10.0, 9, schedule=EDM(0.002, 80.0, rho=5.0)),
            karras(0.01, 10.0, 9, rho=5.0),
        )

    def test_uniform_beyond_the_schedule(self):
        with pytest.raises(ValueError, match=r"RectifiedFlow.* does not reach .* to 999"):
            uniform(0.01, 2000.0, 9, schedule="flow")

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
