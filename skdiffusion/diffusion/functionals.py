"""How anomalous a row is, and which of its entries are to blame, from any denoiser.

Each function turns a denoiser ``D(x, sigma)`` into a score of rows, larger for more anomalous ones,
that is the sum of a share for each entry:

- :func:`denoising_error`: what the denoiser would change, at several noise levels;
- :func:`score_norm`: the same at one level, in units of the noise;
- :func:`contraction`: that score against what is to be expected there, which is how fast the
  log-density rises as the row is blurred;
- :func:`reconstruction`: what the whole flow down to the clean data changes;
- :func:`flow_log_density`: the negative log-density.

:mod:`skdiffusion.diffusion.surprise` adds how improbable each value is given the others, and
:mod:`skdiffusion.diffusion.time` the noise level from which a row seems to come.

No function draws random numbers, and the score of a row does not depend on the rows beside it.
Networks are called as they are: put them in evaluation mode first, and in double precision where
scores have to be reproducible to the last digits.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from skdiffusion.diffusion.denoiser import Denoiser
from skdiffusion.diffusion.gaussians import GaussianDenoiser
from skdiffusion.diffusion.grid import karras
from skdiffusion.diffusion.jacobian import (
    Divergence,
    check_probes,
    check_rows,
    mean_and_diagonal,
)
from skdiffusion.diffusion.likelihood import flow_with_divergence
from skdiffusion.diffusion.solvers import heun, run

__all__ = [
    "Contributions",
    "contraction",
    "denoising_error",
    "flow_log_density",
    "reconstruction",
    "score_norm",
]

_LOG_2PI = math.log(2.0 * math.pi)


class Contributions(NamedTuple):
    """Scores of rows and the share that each entry has in them."""

    rows: Tensor
    entries: Tensor
    expected: Tensor


def denoising_error(
    denoiser: Denoiser, x: Tensor, sigmas: Tensor, noise: Tensor | None = None
) -> Contributions:
    """Squared error of one denoising step, at each of several noise levels.

    Parameters
    ----------
    denoiser : Denoiser
        The model.
    x : Tensor of shape (n, d)
        Rows.
    sigmas : Tensor of shape (n_levels,)
        Positive noise levels, in any order.
    noise : Tensor of shape (m, d) or None, default=None
        Standard normal draws to add to the rows before they are denoised; all rows share them, and
        the errors are averaged over them. None denoises the rows as they are, which asks what the
        denoiser would change.

    Returns
    -------
    Contributions
        `rows` of shape (n, n_levels), the squared distances; `entries` of shape (n, n_levels, d);
        `expected`, the mean of the denoised rows over levels and draws.

    Raises
    ------
    ValueError
        If `sigmas` is not a vector of positive levels, or `x` or `noise` have the wrong shape.

    References
    ----------
    Sattarov, T., Schreyer, M., Borth, D. (2025). Diffusion-scheduled denoising autoencoders for
    anomaly detection in tabular data. arXiv:2508.00758, which averages over the levels.

    Examples
    --------
    >>> import torch
    >>> from skdiffusion.diffusion import GaussianDenoiser
    >>> normal = GaussianDenoiser(torch.zeros(2), torch.ones(2))
    >>> denoising_error(normal, torch.tensor([[2.0, 0.0]]), torch.tensor([1.0])).entries
    tensor([[[1., 0.]]])
    """
    x = check_rows(x).detach()
    levels = _check_levels(sigmas)
    draws = x.new_zeros(1, x.shape[1]) if noise is None else noise.to(x)
    if draws.ndim != 2 or draws.shape[1] != x.shape[1] or len(draws) == 0:
        raise ValueError(f"noise must be of shape (m, {x.shape[1]}), got {tuple(draws.shape)}.")
    entries = x.new_zeros(len(x), len(levels), x.shape[1])
    expected = torch.zeros_like(x)
    with torch.no_grad():
        for index, sigma in enumerate(levels):
            for draw in draws:
                mean = denoiser(x + sigma * draw, x.new_tensor(sigma)).mean
                entries[:, index] += (x - mean) ** 2 / len(draws)
                expected += mean / (len(draws) * len(levels))
    return Contributions(entries.sum(-1), entries, expected)


def score_norm(denoiser: Denoiser, x: Tensor, sigma: float | Tensor) -> Contributions:
    """Squared norm of the score in units of the noise, ``sum_j (sigma_j s_j(x)) ** 2``."""
    x = check_rows(x).detach()
    level = _check_level(sigma, x)
    with torch.no_grad():
        mean = denoiser(x, level).mean
        entries = ((x - mean) / level) ** 2
    return Contributions(entries.sum(1), entries, mean)


def contraction(
    denoiser: Denoiser,
    x: Tensor,
    sigma: float | Tensor,
    *,
    divergence: Divergence = "auto",
    probes: Tensor | None = None,
) -> Contributions:
    """How far one step of the flow moves a row, less what is usual: the growth of its density."""
    x = check_rows(x).detach()
    level = _check_level(sigma, x)
    mean, diagonal = mean_and_diagonal(denoiser, x, level, check_probes(x, divergence, probes))
    entries = ((x - mean) / level) ** 2 + diagonal - 1.0
    return Contributions(entries.sum(1), entries, mean)


def reconstruction(
    denoiser: Denoiser,
    x: Tensor,
    sigma: float,
    n_steps: int = 8,
    sigma_min: float | None = None,
) -> Contributions:
    """Squared distance to what the probability flow makes of a row."""
    x = check_rows(x).detach()
    grid = karras(sigma / 100.0 if sigma_min is None else sigma_min, sigma, n_steps)
    with torch.no_grad():
        rebuilt = run(heun(denoiser, x, grid))
        entries = (x - rebuilt) ** 2
    return Contributions(entries.sum(1), entries, rebuilt)


def flow_log_density(
    denoiser: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    prior: GaussianDenoiser,
    *,
    divergence: Divergence = "auto",
    probes: Tensor | None = None,
    shift: float = 0.0,
) -> Contributions:
    """Negative log-density of rows by the probability flow, and the share of each entry."""
    codes, change = flow_with_divergence(
        denoiser, x, sigmas, divergence=divergence, probes=probes, shift=shift
    )
    with torch.no_grad():
        cov = torch.diag_embed(prior.cov) if prior.is_diagonal else prior.cov
        values, vectors = torch.linalg.eigh(cov)
        values = values.clamp_min(0.0) + float(sigmas[0]) ** 2
        white = (codes - prior.mean) @ vectors / values.sqrt() @ vectors.mT
        log_diagonal = (vectors**2 * values.log()).sum(1)
        entries = 0.5 * (white**2 + log_diagonal + _LOG_2PI) - change
    expected = denoising_error(denoiser, x.double(), sigmas).expected
    return Contributions(entries.sum(1), entries, expected)


def _check_levels(sigmas: Tensor) -> list[float]:
    levels = torch.as_tensor(sigmas, dtype=torch.float64)
    if levels.ndim != 1 or len(levels) == 0 or not _positive(levels):
        raise ValueError(f"sigmas must be a vector of positive noise levels, got {sigmas}.")
    return [float(level) for level in levels.tolist()]


def _check_level(sigma: float | Tensor, x: Tensor) -> Tensor:
    level = torch.as_tensor(sigma).to(x)
    if level.shape not in {(), x.shape[1:]} or not _positive(level):
        raise ValueError(
            f"sigma must be a positive noise level or one for each of the {x.shape[1]} columns, "
            f"got {sigma}."
        )
    return level if level.ndim == 0 else level.unsqueeze(0)


def _positive(levels: Tensor) -> bool:
    return bool((torch.isfinite(levels) & (levels > 0)).all())
