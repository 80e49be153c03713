"""Schedules against the closed forms, recursions and equations of their papers."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from skdiffusion.diffusion.schedule import (
    EDM,
    SCHEDULES,
    VE,
    VP,
    CosineVP,
    RectifiedFlow,
    SubVP,
    get_schedule,
)

ALL = [cls() for cls in SCHEDULES.values()]
ALL += [VP(beta_min=0.3, beta_max=0.3), EDM(rho=1.0), VE(0.1, 5.0)]
INSIDE = torch.linspace(0.01, 0.99, 99, dtype=torch.float64)


@pytest.mark.parametrize("schedule", ALL, ids=repr)
class TestEverySchedule:
    def test_time_inverts_noise_to_signal(self, schedule):
        # cos and atan lose digits near the vertical asymptote, hence 1e-9
        torch.testing.assert_close(
            schedule.time(schedule.noise_to_signal(INSIDE)), INSIDE, rtol=1e-9, atol=1e-12
        )

    def test_noise_to_signal_inverts_time(self, schedule):
        low, high = schedule.noise_to_signal(INSIDE)[[0, -1]]
        levels = torch.logspace(math.log10(low), math.log10(high), 50, dtype=torch.float64)
        torch.testing.assert_close(
            schedule.noise_to_signal(schedule.time(levels)), levels, rtol=1e-9, atol=0.0
        )

    def test_noise_to_signal_grows_and_stays_finite(self, schedule):
        levels = schedule.noise_to_signal(torch.linspace(0.0, 1.0, 101, dtype=torch.float64))
        assert torch.isfinite(levels).all()
        assert (levels.diff()[:-1] > 0).all()
        assert levels[-1] >= levels[-2]

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_dtype_is_kept(self, schedule, dtype):
        t = torch.full((2, 1), 0.5, dtype=dtype)
        for value in (
            schedule.alpha(t),
            schedule.sigma(t),
            schedule.noise_to_signal(t),
            schedule.time(t),
        ):
            assert value.dtype == dtype
            assert value.shape == t.shape

    def test_has_no_state(self, schedule):
        assert hash(schedule) == hash(dataclasses.replace(schedule))
        with pytest.raises(dataclasses.FrozenInstanceError):
            schedule.rate = 1.0


class TestPaperForms:
    @pytest.mark.parametrize(
        ("schedule", "diffusion"),
        [
            (VP(), lambda beta, integral: beta),
            (SubVP(), lambda beta, integral: beta * (1 - math.exp(-2 * integral))),
        ],
    )
    def test_moments_solve_the_stochastic_equation(self, schedule, diffusion):
        # dz = -beta z / 2 dt + g dw: the mean and variance of a point mass at 1.
        def slope(t, state):
            mean, var, integral = state
            beta = 0.1 + t * 19.9
            return [-0.5 * beta * mean, -beta * var + diffusion(beta, integral), beta]

        t = np.linspace(0.1, 1.0, 10)
        mean, var, _ = solve_ivp(slope, (0, 1), [1, 0, 0], t_eval=t, rtol=1e-10, atol=1e-12).y
        t = torch.from_numpy(t)
        np.testing.assert_allclose(schedule.alpha(t), mean, rtol=1e-6)
        np.testing.assert_allclose(schedule.sigma(t) ** 2, var, rtol=1e-6)

    def test_discrete_ddpm_converges_to_vp(self):
        def error(n_steps):
            beta = np.linspace(0.1, 20.0, n_steps) / n_steps
            alpha_bar = np.cumprod(1 - beta)
            t = torch.arange(1, n_steps + 1, dtype=torch.float64) / n_steps
            return np.abs(alpha_bar - (VP().alpha(t) ** 2).numpy()).max()

        errors = [error(n) for n in (1000, 2000, 4000)]
        assert errors[0] < 0.01
        np.testing.assert_allclose(np.divide(errors[:-1], errors[1:]), 2.0, rtol=0.05)

    def test_cosine_is_the_improved_ddpm_formula(self):
        f = torch.cos((INSIDE + 0.008) / 1.008 * math.pi / 2) ** 2
        alpha_bar = f / math.cos(0.008 / 1.008 * math.pi / 2) ** 2
        torch.testing.assert_close(CosineVP().alpha(INSIDE) ** 2, alpha_bar)
        torch.testing.assert_close(CosineVP().sigma(INSIDE) ** 2, 1 - alpha_bar)

    @pytest.mark.parametrize("schedule", [VP(), CosineVP()])
    def test_variance_is_preserved(self, schedule):
        total = schedule.alpha(INSIDE) ** 2 + schedule.sigma(INSIDE) ** 2
        torch.testing.assert_close(total, torch.ones_like(total))

    def test_edm_is_the_karras_formula(self):
        n = 18
        i = np.arange(n)
        steps = (80 ** (1 / 7) + i / (n - 1) * (0.002 ** (1 / 7) - 80 ** (1 / 7))) ** 7
        np.testing.assert_allclose(EDM().sigma(torch.from_numpy(1 - i / (n - 1))), steps)

    def test_ve_is_the_geometric_sequence(self):
        torch.testing.assert_close(
            VE().sigma(torch.linspace(0, 1, 10, dtype=torch.float64)),
            torch.from_numpy(np.geomspace(0.01, 50.0, 10)),
        )

    def test_flow_is_the_straight_line(self):
        torch.testing.assert_close(RectifiedFlow().sigma(INSIDE), INSIDE)
        torch.testing.assert_close(RectifiedFlow().alpha(INSIDE), 1 - INSIDE)

    @pytest.mark.parametrize("schedule", [VE(), EDM()])
    def test_variance_exploding_ones_keep_the_signal(self, schedule):
        torch.testing.assert_close(schedule.alpha(INSIDE), torch.ones_like(INSIDE))

    @pytest.mark.parametrize("schedule", [CosineVP(), RectifiedFlow()])
    def test_the_clock_stops(self, schedule):
        t = torch.tensor([0.999, 0.9995, 1.0], dtype=torch.float64)
        assert schedule.noise_to_signal(t).unique().numel() == 1

    def test_small_times_keep_their_digits(self):
        t = torch.tensor(1e-13, dtype=torch.float64)
        expected = {
            VP(): math.sqrt(0.1 * 1e-13),
            SubVP(): 0.1 * 1e-13,
            # -d cos^2(a) = 2 sin(a) cos(a) da at the first angle a
            CosineVP(): math.sqrt(
                2 * math.tan(math.pi / 2 * 0.008 / 1.008) * math.pi / 2 / 1.008 * 1e-13
            ),
        }
        for schedule, sigma in expected.items():
            assert schedule.sigma(t).item() == pytest.approx(sigma, rel=1e-6)


class TestErrors:
    @pytest.mark.parametrize("cls", [VE, EDM])
    @pytest.mark.parametrize("levels", [(0.0, 1.0), (-1.0, 1.0), (2.0, 1.0), (1.0, math.inf)])
    def test_noise_levels(self, cls, levels):
        with pytest.raises(ValueError, match="0 < sigma_min < sigma_max"):
            cls(*levels)

    @pytest.mark.parametrize("cls", [VP, SubVP])
    @pytest.mark.parametrize("rates", [(0.0, 1.0), (2.0, 1.0), (1.0, math.nan)])
    def test_rates(self, cls, rates):
        with pytest.raises(ValueError, match="0 < beta_min <= beta_max"):
            cls(*rates)

    def test_others(self):
        with pytest.raises(ValueError, match="0 < rho < inf"):
            EDM(rho=0.0)


class TestGetSchedule:
    @pytest.mark.parametrize("name", sorted(SCHEDULES))
    def test_names(self, name):
        assert get_schedule(name) == SCHEDULES[name]()

    def test_instances_pass(self):
        schedule = VE(0.1, 2.0)
        assert get_schedule(schedule) is schedule

    def test_unknown(self):
        for unknown in ("ddpm", VE):
            with pytest.raises(ValueError, match="must be a Schedule or one of"):
                get_schedule(unknown)
