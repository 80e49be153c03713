"""Schedules against the closed forms, recursions and equations of their papers."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from skdiffusion.diffusion.schedule import SCHEDULES

INSIDE = torch.linspace(0.01, 0.99, 99, dtype=torch.float64)


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
class TestEverySchedule:
    def test_time_inverts_level(self, schedule):
        # cos and atan lose digits near the vertical asymptote, hence 1e-9
        torch.testing.assert_close(
            schedule.time(schedule.level(INSIDE)), INSIDE, rtol=1e-9, atol=1e-12
        )

    def test_level_inverts_time(self, schedule):
        levels = torch.logspace(-3, 2, 50, dtype=torch.float64)
        torch.testing.assert_close(
            schedule.level(schedule.time(levels)), levels, rtol=1e-9, atol=0.0
        )

    def test_levels_grow_and_stay_finite(self, schedule):
        levels = schedule.level(INSIDE)
        assert torch.isfinite(levels).all()
        assert (levels.diff() > 0).all()

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_dtype_is_kept(self, schedule, dtype):
        t = torch.full((2, 1), 0.5, dtype=dtype)
        for value in (schedule.level(t), schedule.time(t)):
            assert value.dtype == dtype
            assert value.shape == t.shape


class TestPaperForms:
    @pytest.mark.parametrize(
        ("name", "diffusion"),
        [
            ("vp", lambda beta, integral: beta),
            ("subvp", lambda beta, integral: beta * (1 - math.exp(-2 * integral))),
        ],
    )
    def test_moments_solve_the_stochastic_equation(self, name, diffusion):
        # dz = -beta z / 2 dt + g dw: the mean and variance of a point mass at 1.
        def slope(t, state):
            mean, var, integral = state
            beta = 0.1 + t * 19.9
            return [-0.5 * beta * mean, -beta * var + diffusion(beta, integral), beta]

        t = np.linspace(0.1, 1.0, 10)
        mean, var, _ = solve_ivp(slope, (0, 1), [1, 0, 0], t_eval=t, rtol=1e-10, atol=1e-12).y
        level = SCHEDULES[name].level(torch.from_numpy(t))
        np.testing.assert_allclose(level, np.sqrt(var) / mean, rtol=1e-6)

    def test_discrete_ddpm_converges_to_vp(self):
        def error(n_steps):
            beta = np.linspace(0.1, 20.0, n_steps) / n_steps
            alpha_bar = np.cumprod(1 - beta)
            t = torch.arange(1, n_steps + 1, dtype=torch.float64) / n_steps
            return np.abs(alpha_bar - (1 / (1 + SCHEDULES["vp"].level(t) ** 2)).numpy()).max()

        errors = [error(n) for n in (1000, 2000, 4000)]
        assert errors[0] < 0.01
        np.testing.assert_allclose(np.divide(errors[:-1], errors[1:]), 2.0, rtol=0.05)

    def test_cosine_is_the_improved_ddpm_formula(self):
        f = torch.cos((INSIDE + 0.008) / 1.008 * math.pi / 2) ** 2
        alpha_bar = f / math.cos(0.008 / 1.008 * math.pi / 2) ** 2
        level = SCHEDULES["cosine"].level(INSIDE)
        torch.testing.assert_close(level**2, (1 - alpha_bar) / alpha_bar)

    def test_ve_is_a_geometric_sequence(self):
        ve = SCHEDULES["ve"]
        low, high = ve.time(torch.tensor([0.01, 50.0], dtype=torch.float64))
        torch.testing.assert_close(
            ve.level(torch.linspace(low, high, 10, dtype=torch.float64)),
            torch.from_numpy(np.geomspace(0.01, 50.0, 10)),
        )

    def test_flow_is_the_straight_line(self):
        torch.testing.assert_close(SCHEDULES["flow"].level(INSIDE), INSIDE / (1 - INSIDE))

    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("vp", math.sqrt(0.1 * 1e-13)),
            ("subvp", 0.1 * 1e-13),
            # -d cos^2(a) = 2 sin(a) cos(a) da at the first angle a
            (
                "cosine",
                math.sqrt(2 * math.tan(math.pi / 2 * 0.008 / 1.008) * math.pi / 2 / 1.008 * 1e-13),
            ),
        ],
    )
    def test_small_times_keep_their_digits(self, name, expected):
        t = torch.tensor(1e-13, dtype=torch.float64)
        assert SCHEDULES[name].level(t).item() == pytest.approx(expected, rel=1e-6)
