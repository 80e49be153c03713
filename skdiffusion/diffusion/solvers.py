"""Solvers: from noise to data along a decreasing grid of noise levels.

A solver is a generator that yields every state, the initial one first; :func:`run` returns the
last. The initial rows are the caller's: draws of the data noised at ``sigmas[0]``. Solvers never
write into the rows they are given, keep their dtype and device, and leave the gradient mode as it
is. A step to noise level 0 always ends on a posterior mean without fresh noise.
"""

import math
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor

from skdiffusion.diffusion.denoiser import Denoiser
from skdiffusion.diffusion.grid import check_grid
from skdiffusion.diffusion.jacobian import check_rows


def heun(
    denoiser: Denoiser, x: Tensor, sigmas: Tensor, *, generator: torch.Generator | None = None
) -> Iterator[Tensor]:
    """Walk down the probability flow by Heun's method: the deterministic sampler of EDM.

    Second order, two evaluations a step but for the step to noise level 0, which is Euler's.

    Parameters
    ----------
    denoiser : Denoiser
        The model.
    x : Tensor of shape (n, d)
        Rows at noise level ``sigmas[0]``.
    sigmas : Tensor of shape (n_steps + 1,)
        Decreasing noise levels.
    generator : torch.Generator or None, default=None
        Not used: the solver is deterministic.

    Yields
    ------
    Tensor of shape (n, d)
        The rows at each noise level.

    References
    ----------
    Karras, T. et al. (2022). Elucidating the design space of diffusion-based generative models.
    arXiv:2206.00364, algorithm 1.

    Examples
    --------
    >>> import torch
    >>> from skdiffusion.diffusion import GaussianDenoiser, karras
    >>> normal = GaussianDenoiser(torch.zeros(1), torch.ones(1))
    >>> run(heun(normal, torch.full((1, 1), 8.0), karras(0.01, 8.0, 50)))
    tensor([[0.9938]])
    """
    levels = _levels(x, sigmas)
    yield x
    for sigma, sigma_next in pairwise(levels):
        mean = _mean(denoiser, x, sigma)
        proposal = mean + (sigma_next / sigma) * (x - mean)
        if sigma_next > 0.0:
            slope_next = (proposal - _mean(denoiser, proposal, sigma_next)) / sigma_next
            proposal = x + (sigma_next - sigma) * 0.5 * ((x - mean) / sigma + slope_next)
        x = proposal
        yield x


def dpmpp_2m(
    denoiser: Denoiser, x: Tensor, sigmas: Tensor, *, generator: torch.Generator | None = None
) -> Iterator[Tensor]:
    """DPM-Solver++(2M): second order from one evaluation a step and the one before it.

    The posterior mean is extrapolated linearly in ``log sigma`` and the remaining linear equation
    solved exactly. The first step and the step to noise level 0 use the latest posterior mean
    alone, which keeps the order.

    Parameters
    ----------
    denoiser : Denoiser
        The model.
    x : Tensor of shape (n, d)
        Rows at noise level ``sigmas[0]``.
    sigmas : Tensor of shape (n_steps + 1,)
        Decreasing noise levels.
    generator : torch.Generator or None, default=None
        Not used: the solver is deterministic.

    Yields
    ------
    Tensor of shape (n, d)
        The rows at each noise level.

    References
    ----------
    Lu, C. et al. (2022). DPM-Solver++: fast solver for guided sampling of diffusion probabilistic
    models. arXiv:2211.01095, algorithm 2.

    Examples
    --------
    >>> import torch
    >>> from skdiffusion.diffusion import GaussianDenoiser, karras
    >>> normal = GaussianDenoiser(torch.zeros(1), torch.ones(1))
    >>> run(dpmpp_2m(normal, torch.full((1, 1), 8.0), karras(0.01, 8.0, 50)))
    tensor([[0.9938]])
    """
    levels = _levels(x, sigmas)
    previous, step_previous = None, math.nan
    yield x
    for sigma, sigma_next in pairwise(levels):
        mean = _mean(denoiser, x, sigma)
        step = math.log(sigma / sigma_next) if sigma_next > 0.0 else math.inf
        target = mean
        if previous is not None and sigma_next > 0.0:
            target = mean + step / (2.0 * step_previous) * (mean - previous)
        x = target + (sigma_next / sigma) * (x - target)
        previous, step_previous = mean, step
        yield x


def ddim(
    denoiser: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    *,
    generator: torch.Generator | None = None,
    eta: float = 0.0,
) -> Iterator[Tensor]:
    """DDIM: the family between Euler's method (``eta=0``) and ancestral sampling (``eta=1``).

    Parameters
    ----------
    denoiser : Denoiser
        The model.
    x : Tensor of shape (n, d)
        Rows at noise level ``sigmas[0]``.
    sigmas : Tensor of shape (n_steps + 1,)
        Decreasing noise levels.
    generator : torch.Generator or None, default=None
        Source of the fresh noise; used with a positive `eta` only.
    eta : float, default=0.0
        Fresh noise, as a fraction of that of DDPM. 0 is deterministic.

    Yields
    ------
    Tensor of shape (n, d)
        The rows at each noise level.

    Raises
    ------
    ValueError
        If `eta` is outside [0, 1].

    References
    ----------
    Song, J., Meng, C., Ermon, S. (2021). Denoising diffusion implicit models. arXiv:2010.02502,
    equations 12 and 16, divided by the signal's factor.

    Examples
    --------
    >>> import torch
    >>> from skdiffusion.diffusion import GaussianDenoiser, karras
    >>> normal = GaussianDenoiser(torch.zeros(1), torch.ones(1))
    >>> run(ddim(normal, torch.full((1, 1), 8.0), karras(0.01, 8.0, 500)))
    tensor([[0.9894]])
    """
    levels = _levels(x, sigmas)
    if not 0.0 <= eta <= 1.0:
        raise ValueError(f"eta must be between 0 and 1, got {eta!r}.")
    yield x
    for sigma, sigma_next in pairwise(levels):
        mean = _mean(denoiser, x, sigma)
        fresh = eta * sigma_next * math.sqrt(1.0 - (sigma_next / sigma) ** 2)
        x = mean + math.sqrt(sigma_next**2 - fresh**2) / sigma * (x - mean)
        if fresh > 0.0:
            x = x + fresh * _noise(x, generator)
        yield x


def run(states: Iterator[Tensor]) -> Tensor:
    """Exhaust a solver without recording gradients and return its last state.

    Parameters
    ----------
    states : iterator of Tensor
        A call of one of the solvers.

    Returns
    -------
    Tensor of shape (n, d)
        The last state.

    Examples
    --------
    >>> import torch
    >>> from skdiffusion.diffusion import GaussianDenoiser, karras
    >>> point = GaussianDenoiser(torch.ones(1), torch.zeros(1))
    >>> run(ddim(point, torch.zeros(1, 1), karras(0.01, 8.0, 5)))
    tensor([[1.]])
    """
    with torch.no_grad():
        state = next(states)
        for state in states:  # noqa: B007
            pass
    return state


SOLVERS: dict[str, Callable[..., Iterator[Tensor]]] = {
    "dpmpp_2m": dpmpp_2m,
    "heun": heun,
    "ddim": ddim,
    # the sampling of DDPM
    "ancestral": partial(ddim, eta=1.0),
}

# Steps with which a solver draws a normal distribution with its spread within 2 %. For standard
# deviations from one half to two, on the grid of Karras from noise level 20 to 0.005.
N_STEPS = {"dpmpp_2m": 24, "heun": 24, "ddim": 128, "ancestral": 240}


def _levels(x: Tensor, sigmas: Tensor) -> list[float]:
    check_rows(x)
    return check_grid(sigmas)


def _mean(denoiser: Denoiser, x: Tensor, sigma: float) -> Tensor:
    return denoiser(x, x.new_full((), sigma)).mean


def _noise(x: Tensor, generator: torch.Generator | None) -> Tensor:
    return torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device)
