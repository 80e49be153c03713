"""The one abstraction: a denoiser, and the identity that turns it into a score.

A denoiser is any callable ``D(x, sigma) -> Posterior`` that returns the expected clean row
``E[x0 | x]`` given the noisy row ``x = x0 + sigma * eps`` with ``eps ~ N(0, I)``. The noise level
``sigma`` broadcasts against ``x``, so *every entry of a table may carry its own*: an entry that is
known has ``sigma`` near zero, an entry that is unknown has a large one.
"""

from typing import NamedTuple, Protocol

from torch import Tensor


class Posterior(NamedTuple):
    """What is known of a clean row given its noisy version.

    Parameters
    ----------
    mean : Tensor of shape (n, d)
        The expected clean row, ``E[x0 | x]``.
    """

    mean: Tensor


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
    return (denoiser(x, sigma).mean - x) / sigma**2
