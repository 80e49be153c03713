"""Log-densities and latents of rows, from any denoiser.

The probability flow ``dx / d log(sigma) = x - D(x, sigma)`` carries rows from noise level
`sigma_min` to `sigma_max` and back. Along it the log-density changes by the divergence
``d - tr(dD / dx)``, which gives :func:`log_density`; the map itself is :func:`encode` and
:func:`decode`.

All integrals take the fourth-order Runge-Kutta method in ``log(sigma)`` with the steps of the given
grid: on rows of Gaussians and of mixtures the error of its log-densities was smaller than that of
Heun's method, 3 to 40 times at 64 evaluations and 3 to 160 times at 128. Steps do not adapt to the
rows, so that the score of a row does not depend on the rows beside it.
"""

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from skdiffusion.diffusion.denoiser import Denoiser
from skdiffusion.diffusion.grid import check_grid
from skdiffusion.diffusion.jacobian import check_probes, check_rows, mean_and_diagonal


def log_density(
    denoiser: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    prior: Any,
    *,
    probes: Tensor | None = None,
) -> Tensor:
    """Return the log-density of rows under the data noised at ``sigmas[-1]``.

    Parameters
    ----------
    denoiser : Denoiser
        The model. It is called with float64 rows: put a network in double precision first.
    x : Tensor of shape (n, d)
        Rows.
    sigmas : Tensor of shape (n_steps + 1,)
        Decreasing, positive noise levels: a grid made with ``final_zero=False``. Each step costs
        four evaluations and their derivatives.
    prior : closed form with ``log_prob(x, sigma)``
        Distribution whose noised density stands in for the data's at ``sigmas[0]``: a Gaussian with
        the data's mean and covariance.
    probes : Tensor of shape (m, d) or None, default=None
        Random signs that estimate the trace of the denoiser's Jacobian (Hutchinson), with one
        derivative for each, above 32 columns. Up to 32, where that would save little, and without
        probes the trace is exact, with one derivative per column. All rows share the probes, so
        that a row's score depends neither on its neighbours nor on the call.

    Returns
    -------
    Tensor of shape (n,)
        Log-densities in nats, float64, without gradient.

    Raises
    ------
    ValueError
        If the grid is not strictly decreasing and positive, or `x` or `probes` have the wrong
        shape.

    Notes
    -----
    A row far from the data and between two of its modes passes a sharp turn of the flow and needs
    more steps than others; its log-density, large and negative, may be off by a few nats.

    References
    ----------
    Song, Y. et al. (2021). Score-based generative modeling through stochastic differential
    equations. arXiv:2011.13456, equation 39; the estimate of the trace is equation 40.

    Examples
    --------
    >>> import torch
    >>> from skdiffusion.diffusion.gaussians import GaussianDenoiser
    >>> from skdiffusion.diffusion.grid import karras
    >>> normal = GaussianDenoiser(torch.zeros(1), torch.ones(1))
    >>> sigmas = karras(1e-3, 10.0, 16, final_zero=False)
    >>> log_density(normal, torch.zeros(1, 1), sigmas, normal).round(decimals=3)
    tensor([-0.9190], dtype=torch.float64)
    """
    levels = check_grid(sigmas, final_zero=False)
    x = check_rows(x).detach().double()
    d, signs = x.shape[1], check_probes(x, probes)

    def slope(state: Tensor, sigma: float) -> Tensor:
        rows = state[:, :d]
        mean, diagonal = mean_and_diagonal(denoiser, rows, rows.new_full((), sigma), signs)
        return torch.cat([rows - mean, d - diagonal.sum(1, keepdim=True)], dim=1)

    with torch.no_grad():
        state = torch.cat([x, x.new_zeros(len(x), 1)], dim=1)
        state = _integrate(slope, state, levels[::-1])
        return prior.log_prob(state[:, :d], x.new_tensor(levels[0])) + state[:, d]


def encode(denoiser: Denoiser, x: Tensor, sigmas: Tensor) -> Tensor:
    """Carry rows from noise level ``sigmas[-1]`` up to ``sigmas[0]`` along the probability flow.

    Parameters
    ----------
    denoiser : Denoiser
        The model.
    x : Tensor of shape (n, d)
        Rows at the smallest noise level of the grid.
    sigmas : Tensor of shape (n_steps + 1,)
        Decreasing, positive noise levels: a grid made with ``final_zero=False``. Each step costs
        four evaluations.

    Returns
    -------
    Tensor of shape (n, d)
        Latents: rows noised at ``sigmas[0]``, divided by nothing. They are differentiable; wrap
        the call in ``torch.no_grad()`` where gradients are not needed.

    Raises
    ------
    ValueError
        If the grid is not strictly decreasing and positive or `x` has the wrong shape.

    References
    ----------
    Song, Y. et al. (2021). Score-based generative modeling through stochastic differential
    equations. arXiv:2011.13456, section 4.3.

    Examples
    --------
    >>> import torch
    >>> from skdiffusion.diffusion.gaussians import GaussianDenoiser
    >>> from skdiffusion.diffusion.grid import karras
    >>> normal = GaussianDenoiser(torch.zeros(1), torch.ones(1))
    >>> sigmas = karras(1e-3, 3.0, 16, final_zero=False)
    >>> encode(normal, torch.ones(1, 1), sigmas).round(decimals=3)
    tensor([[3.1620]])
    """
    return _flow(denoiser, x, check_grid(sigmas, final_zero=False)[::-1])


def decode(denoiser: Denoiser, z: Tensor, sigmas: Tensor) -> Tensor:
    """Carry latents back to rows: the inverse of `encode`.

    Parameters
    ----------
    denoiser : Denoiser
        The model.
    z : Tensor of shape (n, d)
        Latents: rows at the largest noise level of the grid.
    sigmas : Tensor of shape (n_steps + 1,)
        Decreasing, positive noise levels, the grid of `encode`.

    Returns
    -------
    Tensor of shape (n, d)
        Rows at the smallest noise level of the grid. They are differentiable; wrap the call in
        ``torch.no_grad()`` where gradients are not needed.

    Raises
    ------
    ValueError
        If the grid is not strictly decreasing and positive or `z` has the wrong shape.

    Examples
    --------
    >>> import torch
    >>> from skdiffusion.diffusion.gaussians import GaussianDenoiser
    >>> from skdiffusion.diffusion.grid import karras
    >>> normal = GaussianDenoiser(torch.zeros(1), torch.ones(1))
    >>> sigmas = karras(1e-3, 3.0, 16, final_zero=False)
    >>> decode(normal, encode(normal, torch.ones(1, 1), sigmas), sigmas).round(decimals=3)
    tensor([[1.]])
    """
    return _flow(denoiser, z, check_grid(sigmas, final_zero=False))


def _flow(denoiser: Denoiser, x: Tensor, levels: list[float]) -> Tensor:
    def slope(state: Tensor, sigma: float) -> Tensor:
        return state - denoiser(state, state.new_full((), sigma)).mean

    return _integrate(slope, check_rows(x), levels)


def _integrate(
    slope: Callable[[Tensor, float], Tensor], state: Tensor, levels: list[float]
) -> Tensor:
    """Classical Runge-Kutta method in ``log(sigma)``."""
    for sigma, sigma_next in pairwise(levels):
        step, middle = math.log(sigma_next / sigma), math.sqrt(sigma * sigma_next)
        k1 = slope(state, sigma)
        k2 = slope(state + 0.5 * step * k1, middle)
        k3 = slope(state + 0.5 * step * k2, middle)
        k4 = slope(state + step * k3, sigma_next)
        state = state + step / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4)
    return state
