"""The discretisation of the range of noise levels.

A grid is a decreasing float64 tensor of ``n_steps + 1`` noise levels, what a solver walks down in
`n_steps` steps. The last is 0: the last step of a solver removes the remaining noise.
"""

import math

import torch
from torch import Tensor


def karras(sigma_min: float, sigma_max: float, n_steps: int, *, rho: float = 7.0) -> Tensor:
    """Return noise levels evenly spaced in their rho-th root, those of EDM.

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

    Returns
    -------
    Tensor of shape (n_steps + 1,)
        Decreasing noise levels, float64: `sigma_max` down to `sigma_min`, and 0.

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
    if n_steps < 1:
        raise ValueError(f"A grid needs n_steps >= 1, got {n_steps!r}.")
    if not (0.0 < sigma_min < sigma_max < math.inf and 0.0 < rho < math.inf):
        raise ValueError(
            "A grid needs 0 < sigma_min < sigma_max < inf and 0 < rho < inf, "
            f"got {sigma_min!r}, {sigma_max!r} and {rho!r}."
        )
    roots = sigma_max ** (1.0 / rho), sigma_min ** (1.0 / rho)
    sigmas = torch.linspace(*roots, n_steps, dtype=torch.float64) ** rho
    # powers of roots round
    sigmas[-1] = sigma_min
    sigmas[0] = sigma_max
    return torch.cat([sigmas, sigmas.new_zeros(1)])


def check_grid(sigmas: Tensor) -> list[float]:
    """Check a grid of noise levels and return it as numbers."""
    levels = torch.as_tensor(sigmas, dtype=torch.float64)
    falling = levels.ndim == 1 and len(levels) > 1 and bool((levels.diff() < 0).all())
    if not falling or not levels[0] < math.inf or levels[-1] < 0.0:
        raise ValueError(
            "sigmas must be a vector of two or more noise levels, finite, strictly decreasing and "
            f"not negative, got {sigmas}."
        )
    return levels.tolist()
