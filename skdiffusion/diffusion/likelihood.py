"""Log-densities and latents of rows, from any denoiser.

The probability flow is integrated in coordinates `u` in which that of the prior stands still, so
that only what a denoiser knows beyond its prior takes steps: see ``docs/theory/likelihood.md``.
Derivatives are taken at the ends of steps alone. Steps are even in ``-a ** 0.85``,
``a = asinh(s / sigma)``, with ``s`` the largest standard deviation of the prior: nearly in
``log(sigma)`` below it, and wide above, where all is Gaussian. They do not adapt to the rows, so
that the score of a row does not depend on the rows beside it.
"""

import math
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from skdiffusion.diffusion.denoiser import Denoiser
from skdiffusion.diffusion.jacobian import check_probes, check_rows, mean_and_diagonal

N_STEPS = 20
# 1 takes twice the error on mixtures of narrow Gaussians, and 0.5 twice that on real tables
_POWER = 0.85
# Gregory's corrections of the trapezoidal rule at either end; with two steps they are Simpson's
_END_WEIGHTS = (-5 / 8, 1 / 6, -1 / 24)


def log_density(
    denoiser: Denoiser,
    x: Tensor,
    limits: tuple[float, float],
    prior: Any,
    n_steps: int = N_STEPS,
    *,
    probes: Tensor | None = None,
) -> Tensor:
    """Return the log-density of rows under the data noised at the lower limit.

    Parameters
    ----------
    denoiser : Denoiser
        The model. It is called with float64 rows.
    x : Tensor of shape (n, d)
        Rows.
    limits : tuple of two floats
        Smallest and largest noise level.
    prior : closed form with ``mean``, ``cov`` and ``log_prob(x, sigma)``
        Distribution whose noised density stands in for the data's at the largest noise level: a
        Gaussian with the data's mean and covariance. The nearer the data are to it, the smaller is
        the error of each step.
    n_steps : int, default=20
        Steps of four evaluations each, of which one is with its derivatives.
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
        Unless ``0 < sigma_min < sigma_max`` and ``n_steps >= 1``, or if `x` or `probes` have the
        wrong shape.

    Notes
    -----
    A row far from the data and between two of its modes passes a sharp turn of the flow and needs
    more steps than others; its log-density, large and negative, may be off by a few nats.

    References
    ----------
    Song, Y. et al. (2021). Score-based generative modeling through stochastic differential
    equations. arXiv:2011.13456, equations 39 and 40 (the trace); section 4.3 for latents.

    Examples
    --------
    >>> import torch
    >>> from skdiffusion.diffusion.gaussians import GaussianDenoiser
    >>> normal = GaussianDenoiser(torch.zeros(1), torch.ones(1))
    >>> log_density(normal, torch.zeros(1, 1), (1e-3, 10.0), normal).round(decimals=3)
    tensor([-0.9190], dtype=torch.float64)
    """
    flow = _Flow(denoiser, prior, limits, n_steps)
    x = check_rows(x).detach().double()
    signs, weights, total = check_probes(x, probes), flow.weights(), x.new_zeros(len(x))

    def slope_at_end(u: Tensor, time: float) -> Tensor:
        """Return the slope, and add to the integral of the trace on the way."""
        nonlocal total
        rows, level = flow.rows(u, time), x.new_tensor(flow.sigma(time))
        mean, diagonal = mean_and_diagonal(denoiser, rows, level, signs)
        rest = flow.shrinkage(time).sum() - diagonal.sum(1)
        total = total + next(weights) * flow.pace(time) * rest
        return flow.slope(u, time, mean)

    with torch.no_grad():
        start, end = flow.times[0], flow.times[-1]
        u = _integrate(flow.slope, flow.white(x, start), flow.times, slope_at_end)
        stretch = (flow.spread(end) / flow.spread(start)).log().sum()
        level = x.new_tensor(limits[1])
        return prior.log_prob(flow.rows(u, end), level) + stretch + total


def encode(
    denoiser: Denoiser, x: Tensor, limits: tuple[float, float], prior: Any, n_steps: int = N_STEPS
) -> Tensor:
    """Carry rows from the smallest noise level up to the largest along the probability flow.

    Parameters
    ----------
    denoiser : Denoiser
        The model. It is called with float64 rows.
    x : Tensor of shape (n, d)
        Rows at the smallest noise level.
    limits : tuple of two floats
        Smallest and largest noise level.
    prior : closed form with ``mean`` and ``cov``
        About what the data are, as for :func:`log_density`.
    n_steps : int, default=20
        Steps of four evaluations each.

    Returns
    -------
    Tensor of shape (n, d)
        Latents: rows at the largest noise level, divided by nothing. They are differentiable; wrap
        the call in ``torch.no_grad()`` where gradients are not needed.

    Raises
    ------
    ValueError
        Unless ``0 < sigma_min < sigma_max`` and ``n_steps >= 1``, or if `x` has the wrong shape.

    Examples
    --------
    >>> import torch
    >>> from skdiffusion.diffusion.gaussians import GaussianDenoiser
    >>> normal = GaussianDenoiser(torch.zeros(1), torch.ones(1))
    >>> encode(normal, torch.ones(1, 1), (1e-3, 3.0), normal).round(decimals=3)
    tensor([[3.1620]])
    """
    return _Flow(denoiser, prior, limits, n_steps).carry(x)


def decode(
    denoiser: Denoiser, z: Tensor, limits: tuple[float, float], prior: Any, n_steps: int = N_STEPS
) -> Tensor:
    """Carry latents back to rows: the inverse of `encode`.

    Parameters
    ----------
    denoiser : Denoiser
        The model. It is called with float64 rows.
    z : Tensor of shape (n, d)
        Latents: rows at the largest noise level.
    limits : tuple of two floats
        Smallest and largest noise level, those of `encode`.
    prior : closed form with ``mean`` and ``cov``
        That of `encode`.
    n_steps : int, default=20
        Steps of four evaluations each.

    Returns
    -------
    Tensor of shape (n, d)
        Rows at the smallest noise level. They are differentiable; wrap the call in
        ``torch.no_grad()`` where gradients are not needed.

    Raises
    ------
    ValueError
        Unless ``0 < sigma_min < sigma_max`` and ``n_steps >= 1``, or if `z` has the wrong shape.

    Examples
    --------
    >>> import torch
    >>> from skdiffusion.diffusion.gaussians import GaussianDenoiser
    >>> normal = GaussianDenoiser(torch.zeros(1), torch.ones(1))
    >>> z = encode(normal, torch.ones(1, 1), (1e-3, 3.0), normal)
    >>> decode(normal, z, (1e-3, 3.0), normal).round(decimals=3)
    tensor([[1.]])
    """
    return _Flow(denoiser, prior, limits, n_steps).carry(z, back=True)


class _Flow:
    """The probability flow in coordinates in which that of a Gaussian stands still."""

    def __init__(self, denoiser: Denoiser, prior: Any, limits: tuple[float, float], n_steps: int):
        low, high = limits
        if not 0.0 < low < high < math.inf or n_steps < 1:
            raise ValueError(
                "The probability flow needs 0 < sigma_min < sigma_max < inf and n_steps >= 1, "
                f"got limits={limits!r} and n_steps={n_steps!r}."
            )
        self.denoiser, self.centre = denoiser, prior.mean.double()
        cov = prior.cov.double()
        values, self.vectors = torch.linalg.eigh(cov if cov.dim() == 2 else cov.diag())
        self.values = values.clamp_min(0.0)
        self.scale = max(low, float(self.values.max()) ** 0.5)
        start, end = (-(math.asinh(self.scale / level) ** _POWER) for level in (low, high))
        self.step = (end - start) / n_steps
        self.times = [start + k * self.step for k in range(n_steps)] + [end]

    def weights(self) -> Iterator[float]:
        """Return what each end of a step counts in an integral over time."""
        ends = _END_WEIGHTS if len(self.times) > 2 else (-0.5,)
        weights = [1.0] * len(self.times)
        for k, weight in enumerate(ends):
            weights[k] += weight
            weights[-1 - k] += weight
        return iter(weight * self.step for weight in weights)

    def sigma(self, time: float) -> float:
        """Return the noise level at a time."""
        return self.scale / math.sinh((-time) ** (1 / _POWER))

    def pace(self, time: float) -> float:
        """Return the derivative of ``log(sigma)``."""
        a = (-time) ** (1 / _POWER)
        return a ** (1 - _POWER) / (_POWER * math.tanh(a))

    def spread(self, time: float) -> Tensor:
        """Return the standard deviations of the noised prior along its principal directions."""
        return (self.values + self.sigma(time) ** 2).sqrt()

    def shrinkage(self, time: float) -> Tensor:
        """Return the Jacobian of the prior's mean, a diagonal."""
        return self.values / self.spread(time) ** 2

    def white(self, x: Tensor, time: float) -> Tensor:
        """Return the coordinates `u` of rows."""
        return (x - self.centre) @ self.vectors / self.spread(time)

    def rows(self, u: Tensor, time: float) -> Tensor:
        """Return the rows of coordinates."""
        return self.centre + (u * self.spread(time)) @ self.vectors.mT

    def slope(self, u: Tensor, time: float, mean: Tensor | None = None) -> Tensor:
        """Return ``du / dtime``, from the denoiser's mean where that is known."""
        if mean is None:
            mean = self.denoiser(self.rows(u, time), u.new_tensor(self.sigma(time))).mean
        return self.pace(time) * (self.shrinkage(time) * u - self.white(mean, time))

    def carry(self, x: Tensor, *, back: bool = False) -> Tensor:
        """Carry rows from one limit to the other."""
        times = self.times[::-1] if back else self.times
        u = _integrate(self.slope, self.white(check_rows(x).double(), times[0]), times, self.slope)
        return self.rows(u, times[-1]).to(x.dtype)


def _integrate(
    slope: Callable[[Tensor, float], Tensor],
    u: Tensor,
    times: list[float],
    slope_at_end: Callable[[Tensor, float], Tensor],
) -> Tensor:
    """Classical Runge-Kutta method; the ends of steps, the first one's start too, are visited."""
    k1 = slope_at_end(u, times[0])
    for time, after in pairwise(times):
        step, middle = after - time, (time + after) / 2
        k2 = slope(u + 0.5 * step * k1, middle)
        k3 = slope(u + 0.5 * step * k2, middle)
        k4 = slope(u + step * k3, after)
        u = u + step / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4)
        k1 = slope_at_end(u, after)
    return u
