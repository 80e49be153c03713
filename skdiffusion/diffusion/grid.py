"""Discretisations of the range of noise levels.

A grid is a decreasing float64 tensor of ``n_steps + 1`` noise levels in variance-exploding
currency: what a solver walks down in `n_steps` steps. By default the last level is 0, because the
last step of a solver removes the remaining noise; ``final_zero=False`` spends all levels on the
range from `sigma_max` to `sigma_min`.
"""

import math

import torch
from torch import Tensor

from skdiffusion.diffusion.schedule import EDM, VE, Schedule, get_schedule


def karras(
    sigma_min: float,
    sigma_max: float,
    n_steps: int,
    *,
    rho: float = 7.0,
    final_zero: bool = True,
) -> Tensor:
    """Return noise levels evenly spaced in their rho-th root.

    Parameters
    ----------
    sigma_min : float
        Smallest positive noise level, in units of the data.
    sigma_max : float
        Largest noise level, in units of the data.
    n_steps : int
        Number of steps of the solver, at least 1.
    rho : float, default=7.0
        Exponent; 1 is evenly spaced, infinity log-linear. The paper's value.
    final_zero : bool, default=True
        Whether the last level is 0 rather than `sigma_min`.

    Returns
    -------
    Tensor of shape (n_steps + 1,)
        Decreasing noise levels, float64.

    Raises
    ------
    ValueError
        Unless ``0 < sigma_min < sigma_max``, ``n_steps >= 1`` and ``rho > 0``.

    References
    ----------
    Karras, T. et al. (2022). Elucidating the design space of diffusion-based generative models.
    arXiv:2206.00364, equation 5.

    Examples
    --------
    >>> karras(0.01, 1.0, 3, rho=2.0)
    tensor([1.0000, 0.3025, 0.0100, 0.0000], dtype=torch.float64)
    """
    schedule = EDM(sigma_min=sigma_min, sigma_max=sigma_max, rho=rho)
    return uniform(sigma_min, sigma_max, n_steps, schedule=schedule, final_zero=final_zero)


def log_linear(
    sigma_min: float, sigma_max: float, n_steps: int, *, final_zero: bool = True
) -> Tensor:
    """Return noise levels evenly spaced in their logarithm: a geometric sequence.

    Parameters
    ----------
    sigma_min : float
        Smallest positive noise level, in units of the data.
    sigma_max : float
        Largest noise level, in units of the data.
    n_steps : int
        Number of steps of the solver, at least 1.
    final_zero : bool, default=True
        Whether the last level is 0 rather than `sigma_min`.

    Returns
    -------
    Tensor of shape (n_steps + 1,)
        Decreasing noise levels, float64.

    Raises
    ------
    ValueError
        Unless ``0 < sigma_min < sigma_max`` and ``n_steps >= 1``.

    Examples
    --------
    >>> log_linear(0.01, 1.0, 2, final_zero=False)
    tensor([1.0000, 0.1000, 0.0100], dtype=torch.float64)
    """
    schedule = VE(sigma_min=sigma_min, sigma_max=sigma_max)
    return uniform(sigma_min, sigma_max, n_steps, schedule=schedule, final_zero=final_zero)


def uniform(
    sigma_min: float,
    sigma_max: float,
    n_steps: int,
    *,
    schedule: str | Schedule = "vp",
    final_zero: bool = True,
) -> Tensor:
    """Return noise levels evenly spaced in the time of a schedule.

    Parameters
    ----------
    sigma_min : float
        Smallest positive noise level, in units of the data.
    sigma_max : float
        Largest noise level, in units of the data.
    n_steps : int
        Number of steps of the solver, at least 1.
    schedule : str or Schedule, default="vp"
        Schedule whose time is cut evenly; with the default, the steps of DDPM and DDIM.
    final_zero : bool, default=True
        Whether the last level is 0 rather than `sigma_min`.

    Returns
    -------
    Tensor of shape (n_steps + 1,)
        Decreasing noise levels, float64.

    Raises
    ------
    ValueError
        Unless ``0 < sigma_min < sigma_max`` and ``n_steps >= 1``, or if the schedule ends below
        `sigma_max`.

    Examples
    --------
    >>> uniform(0.25, 4.0, 2, schedule="flow", final_zero=False)
    tensor([4.0000, 1.0000, 0.2500], dtype=torch.float64)
    """
    if not 0.0 < sigma_min < sigma_max < math.inf or n_steps < 1:
        raise ValueError(
            "A grid needs 0 < sigma_min < sigma_max < inf and n_steps >= 1, got "
            f"sigma_min={sigma_min!r}, sigma_max={sigma_max!r} and n_steps={n_steps!r}."
        )
    schedule = get_schedule(schedule)
    ends = torch.tensor([sigma_max, sigma_min], dtype=torch.float64)
    times = schedule.time(ends)
    reached = schedule.noise_to_signal(times)
    if not torch.allclose(reached, ends, rtol=1e-6, atol=0.0):
        raise ValueError(
            f"{schedule} does not reach noise levels {sigma_min!r} to {sigma_max!r}, its own are "
            f"{reached[1].item():.4g} to {reached[0].item():.4g}: narrow the range."
        )
    n_levels = n_steps if final_zero else n_steps + 1
    share = torch.linspace(0.0, 1.0, n_levels, dtype=torch.float64)
    sigmas = schedule.noise_to_signal(torch.lerp(times[0], times[1], share))
    sigmas[-1] = sigma_min
    sigmas[0] = sigma_max
    return torch.cat([sigmas, sigmas.new_zeros(1)]) if final_zero else sigmas


def check_grid(sigmas: Tensor) -> list[float]:
    """Check a grid of noise levels and return it as numbers."""
    levels = torch.as_tensor(sigmas, dtype=torch.float64)
    falling = levels.ndim == 1 and len(levels) > 1 and bool((levels.diff() < 0).all())
    if not falling or not levels[0] < math.inf or levels[-1] < 0.0:
        raise ValueError(
            "sigmas must be a vector of two or more noise levels, finite, strictly decreasing and "
            f"not negative, got {sigmas}."
        )
    numbers: list[float] = levels.tolist()
    return numbers
