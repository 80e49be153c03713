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

from skdiffusion.diffusion.closed_form import GaussianDenoiser
from skdiffusion.diffusion.denoiser import Denoiser
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
    """Scores of rows and the share that each entry has in them.

    Parameters
    ----------
    rows : Tensor of shape (n,) or (n, n_levels)
        How anomalous each row is, larger for more.
    entries : Tensor of shape (n, d), (n, n_levels, d) or (n, n_groups)
        Share of each entry, or group of entries; the last axis sums to `rows`.
    expected : Tensor of shape (n, d)
        What the denoiser expects in each entry.
    """

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
    """Squared norm of the score in units of the noise, ``sum_j (sigma_j s_j(x)) ** 2``.

    By Tweedie's formula entry ``j`` is ``((D(x, sigma) - x)_j / sigma_j) ** 2``.

    Parameters
    ----------
    denoiser : Denoiser
        The model.
    x : Tensor of shape (n, d)
        Rows.
    sigma : float or Tensor of shape () or (d,)
        Noise level, of all entries or of each.

    Returns
    -------
    Contributions
        `rows` of shape (n,), `entries` and `expected` of shape (n, d).

    Raises
    ------
    ValueError
        If a level is not positive or `x` or `sigma` has the wrong shape.

    References
    ----------
    Livernoche, V., Zan, J., Rabbany, R. (2026). Kurtosis-guided denoising score matching for
    tabular anomaly detection. arXiv:2605.06955, which gives each column a level of its own.

    Examples
    --------
    >>> import torch
    >>> from skdiffusion.diffusion import GaussianDenoiser
    >>> normal = GaussianDenoiser(torch.zeros(2), torch.ones(2))
    >>> score_norm(normal, torch.tensor([[2.0, 2.0]]), torch.tensor([1.0, 3.0])).entries
    tensor([[1.0000, 0.3600]])
    """
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
    """How far one step of the flow moves a row, less what is usual: the growth of its density.

    Of a row and the step ``x - D(x, sigma)`` that would take it to the clean data, entry ``j`` is

        ``(x - D)_j ** 2 / sigma_j ** 2 - (1 - dD_j / dx_j) = d log p_sigma(x) / d log sigma_j``,

    the rate at which the log-density at the row rises as that entry is blurred. The first term is
    that of :func:`score_norm`. The second is the share of a small displacement of the entry that
    the step takes back, which is also the mean of the first term over rows of the law noised at
    `sigma`. The difference is thus centred for each entry, whatever its spread. It sees what
    `score_norm` cannot: midway between two modes the score vanishes, but there the step pulls
    neighbours apart, ``dD_j / dx_j > 1``.

    Parameters
    ----------
    denoiser : Denoiser
        The model.
    x : Tensor of shape (n, d)
        Rows.
    sigma : float or Tensor of shape () or (d,)
        Noise level, of all entries or of each.
    divergence : {"auto", "exact", "hutchinson"}, default="auto"
        As in :func:`~skdiffusion.diffusion.log_density`: one derivative per column, or one per
        probe.
    probes : Tensor of shape (m, d) or None, default=None
        Random signs for the estimate, shared by all rows.

    Returns
    -------
    Contributions
        `rows` of shape (n,), positive or negative and at least ``-d`` for an exact denoiser;
        `entries` and `expected` of shape (n, d).

    Raises
    ------
    ValueError
        If a level is not positive, `x`, `sigma` or `probes` has the wrong shape, or probes are
        needed and missing.

    Notes
    -----
    The heat equation ``dp / d(sigma_j ** 2) = 1/2 d^2 p / dx_j^2`` gives
    ``d log p / d log sigma_j = sigma_j ** 2 (ds_j / dx_j + s_j ** 2)`` with the score
    ``s = (D - x) / sigma ** 2``.

    References
    ----------
    Li, Z. et al. (2025). Scalable, explainable and provably robust anomaly detection with one-step
    flow matching. arXiv:2510.18328, scores a row by how far one step of a contracting flow misses
    its target; for a denoiser the usual miss at a level is known and subtracted.

    Examples
    --------
    >>> import torch
    >>> from skdiffusion.diffusion import EmpiricalDenoiser
    >>> modes = EmpiricalDenoiser(torch.tensor([[-1.0], [1.0]]))
    >>> x = torch.tensor([[-1.0], [0.0]])
    >>> contraction(modes, x, 0.5).rows.round(decimals=1)
    tensor([-1.,  3.])
    >>> score_norm(modes, x, 0.5).rows.round(decimals=1)
    tensor([0., 0.])
    """
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
    """Squared distance to what the probability flow makes of a row.

    The row is taken for one at noise level `sigma`, without noise being added, and carried down to
    no noise.

    Parameters
    ----------
    denoiser : Denoiser
        The model.
    x : Tensor of shape (n, d)
        Rows.
    sigma : float
        Noise level from which the flow starts.
    n_steps : int, default=8
        Steps of Heun's method; ``2 * n_steps - 1`` evaluations.
    sigma_min : float or None, default=None
        Smallest positive level of the grid; None for a hundredth of `sigma`, below which little is
        left to remove.

    Returns
    -------
    Contributions
        `rows` of shape (n,), the squared distances; `entries` of shape (n, d); `expected`, the
        reconstructed rows.

    Raises
    ------
    ValueError
        Unless ``0 < sigma_min < sigma`` and ``n_steps >= 1``, or if `x` has the wrong shape.

    References
    ----------
    Livernoche, V. et al. (2024). On diffusion modeling for anomaly detection. arXiv:2305.18593,
    the DDPM baseline.

    Examples
    --------
    >>> import torch
    >>> from skdiffusion.diffusion import GaussianDenoiser
    >>> point = GaussianDenoiser(torch.ones(2), torch.zeros(2))
    >>> reconstruction(point, torch.tensor([[1.0, 3.0]]), 0.5).entries
    tensor([[0., 4.]])
    """
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
    """Negative log-density of rows by the probability flow, and the share of each entry.

    Entry ``j`` collects what the flow changes in it, the integral of ``dD_j / dx_j - 1``, and of
    the prior ``N(mu, A)`` at the code ``z`` the terms ``w_j ** 2 / 2``, with the whitened code
    ``w = A^{-1/2} (z - mu)``, and ``(log A)_jj / 2 + log(2 pi) / 2``, since
    ``log det A = tr log A``. For a Gaussian law this is
    ``w_j ** 2 / 2 + (log S)_jj / 2 + log(2 pi) / 2`` with ``w`` the row whitened by its covariance
    ``S``, wherever the grid ends; for independent columns it is the negative log-density of each.

    Parameters
    ----------
    denoiser : Denoiser
        The model. It is called with float64 rows: put a network in double precision first.
    x : Tensor of shape (n, d)
        Rows.
    sigmas : Tensor of shape (n_steps + 1,)
        Decreasing, positive noise levels: a grid made with ``final_zero=False``.
    prior : GaussianDenoiser
        Gaussian that, noised at ``sigmas[0]``, stands in for the data's law there.
    divergence : {"auto", "exact", "hutchinson"}, default="auto"
        As in :func:`~skdiffusion.diffusion.log_density`.
    probes : Tensor of shape (m, d) or None, default=None
        As in :func:`~skdiffusion.diffusion.log_density`.
    shift : float, default=0.0
        As in :func:`~skdiffusion.diffusion.log_density`.

    Returns
    -------
    Contributions
        `rows` of shape (n,), the negative of :func:`~skdiffusion.diffusion.log_density` in nats;
        `entries` of shape (n, d); `expected`, the mean over the grid of the denoised rows. All
        are float64.

    Raises
    ------
    ValueError
        As :func:`~skdiffusion.diffusion.log_density`.

    References
    ----------
    Kessy, A., Lewin, A., Strimmer, K. (2018). Optimal whitening and decorrelation. The American
    Statistician 72: of all whitenings, ``A^{-1/2}`` stays closest to the original columns.

    Examples
    --------
    >>> import torch
    >>> from skdiffusion.diffusion import GaussianDenoiser, karras
    >>> normal = GaussianDenoiser(torch.zeros(2), torch.ones(2))
    >>> sigmas = karras(1e-3, 10.0, 16, final_zero=False)
    >>> x = torch.tensor([[0.0, 2.0]])
    >>> flow_log_density(normal, x, sigmas, normal).entries.round(decimals=2)
    tensor([[0.9200, 2.9200]], dtype=torch.float64)
    """
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
