"""The one abstraction: a denoiser, and the identities that turn it into everything else.

A denoiser is any callable ``D(x, sigma) -> Posterior`` that returns the expected clean row
``E[x0 | x]`` given the noisy row ``x = x0 + sigma * eps`` with ``eps ~ N(0, I)``. The noise level
``sigma`` broadcasts against ``x``, so *every entry of a table may carry its own*: an entry that is
known has ``sigma`` near zero, an entry that is unknown has a large one.

All functions of this package work in this variance-exploding currency. A process with a signal
scale ``alpha`` (DDPM, flow matching) enters it by ``x = z / alpha``; see
:mod:`skdiffusion.diffusion.schedule`.
"""

from typing import NamedTuple, Protocol

import torch
from torch import Tensor

__all__ = [
    "Denoiser",
    "Posterior",
    "eps_from_mean",
    "mean_from_eps",
    "mean_from_score",
    "mean_from_v",
    "score",
    "score_from_mean",
    "v_from_mean",
]


class Posterior(NamedTuple):
    """What is known about a clean row once its noisy version has been seen.

    Parameters
    ----------
    mean : Tensor of shape (n, d)
        The expected clean row, ``E[x0 | x]``.
    var : Tensor of shape (n, d) or None, default=None
        The variance of each clean entry, ``Var[x0_j | x]``; None where a denoiser has none.
    """

    mean: Tensor
    var: Tensor | None = None


class Denoiser(Protocol):
    """Anything that maps noisy rows and their noise levels to a :class:`Posterior`."""

    def __call__(self, x: Tensor, sigma: Tensor) -> Posterior:
        """Return the posterior of the clean rows."""
        ...


def score(denoiser: Denoiser, x: Tensor, sigma: Tensor) -> Tensor:
    """Return the gradient of the noised log-density, by Tweedie's formula.

    Parameters
    ----------
    denoiser : Denoiser
        The model.
    x : Tensor of shape (n, d)
        Noisy rows.
    sigma : Tensor that broadcasts to ``x``
        Noise levels.

    Returns
    -------
    Tensor of shape (n, d)
        ``(D(x, sigma).mean - x) / sigma ** 2``.

    References
    ----------
    Efron, B. (2011). Tweedie's formula and selection bias. JASA 106, equation 1.4.

    Examples
    --------
    >>> import torch
    >>> from skdiffusion.diffusion import GaussianDenoiser, score
    >>> standard_normal = GaussianDenoiser(torch.zeros(1), torch.ones(1))
    >>> score(standard_normal, torch.tensor([[3.0]]), torch.tensor(1.0))
    tensor([[-1.5000]])
    """
    return score_from_mean(denoiser(x, sigma).mean, x, sigma)


def score_from_mean(mean: Tensor, x: Tensor, sigma: Tensor) -> Tensor:
    """Convert a posterior mean into a score: ``(mean - x) / sigma ** 2``."""
    return (mean - x) / sigma**2


def mean_from_score(score: Tensor, x: Tensor, sigma: Tensor) -> Tensor:
    """Convert a score into a posterior mean: ``x + sigma ** 2 * score``."""
    return x + sigma**2 * score


def eps_from_mean(mean: Tensor, x: Tensor, sigma: Tensor) -> Tensor:
    """Convert a posterior mean into the noise estimate of DDPM: ``(x - mean) / sigma``."""
    return (x - mean) / sigma


def mean_from_eps(eps: Tensor, x: Tensor, sigma: Tensor) -> Tensor:
    """Convert a noise estimate into a posterior mean: ``x - sigma * eps``."""
    return x - sigma * eps


def v_from_mean(mean: Tensor, x: Tensor, sigma: Tensor) -> Tensor:
    """Convert a posterior mean into the velocity of Salimans & Ho."""
    alpha = torch.rsqrt(1 + sigma**2)
    return alpha * (eps_from_mean(mean, x, sigma) - sigma * mean)


def mean_from_v(v: Tensor, x: Tensor, sigma: Tensor) -> Tensor:
    """Convert a velocity into a posterior mean, the inverse of :func:`v_from_mean`."""
    alpha = torch.rsqrt(1 + sigma**2)
    return alpha**2 * (x - sigma * v / alpha)
