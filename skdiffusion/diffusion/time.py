"""Diffusion time: the noise level from which a row seems to come.

Seen as a clean row plus noise of an unknown level, a row has a posterior over noise levels,
``p(sigma | x)`` proportional to ``p_sigma(x) p(sigma)``: normal rows pass for hardly noisy ones,
and anomalies for very noisy ones. The law ``p_sigma`` comes from any denoiser
(:func:`time_log_posterior`), or from the nearest training rows in closed form
(:func:`knn_time_log_posterior`).

With one training row at squared distance ``m`` in ``d`` dimensions,
``p_sigma(x)`` is proportional to ``sigma ** -d * exp(-m / (2 sigma ** 2))``, and the posterior of
the variance is an inverse-gamma law of scale ``m / 2``. Its shape is ``d / 2`` with the prior of
this module, uniform in ``log(sigma)``, and ``d / 2 - 1`` with one that is uniform in
``sigma ** 2``. With the first prior the law does not change when the units do.
"""

import math
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor

from skdiffusion.diffusion.denoiser import Denoiser
from skdiffusion.diffusion.functionals import Contributions, contraction
from skdiffusion.diffusion.jacobian import Divergence, check_rows

__all__ = [
    "diffusion_time",
    "diffusion_time_np",
    "inverse_gamma_log_pdf",
    "inverse_gamma_mean",
    "inverse_gamma_mode",
    "knn_time_log_posterior",
    "time_log_posterior",
]

Prior = Literal["log", "variance"]


def time_log_posterior(
    denoiser: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    *,
    divergence: Divergence = "auto",
    probes: Tensor | None = None,
    log_prior: Tensor | None = None,
) -> Tensor:
    """Log-posterior over noise levels of rows that are seen as noisy ones.

    The log-density of a row is integrated over the noise levels from its slope,

        ``d log p_sigma(x) / d log sigma = tr(dD / dx) - d + |x - D(x, sigma)| ** 2 / sigma ** 2``,

    by Simpson's rule, with a level between every two of the grid. The row itself stays where it is,
    so no equation has to be solved.

    Parameters
    ----------
    denoiser : Denoiser
        The model. It is called with float64 rows: put a network in double precision first.
    x : Tensor of shape (n, d)
        Rows.
    sigmas : Tensor of shape (n_levels,)
        Positive noise levels, increasing or decreasing. The denoiser is called
        ``2 * n_levels - 1`` times, each with its derivatives.
    divergence : {"auto", "exact", "hutchinson"}, default="auto"
        As in :func:`~skdiffusion.diffusion.log_density`.
    probes : Tensor of shape (m, d) or None, default=None
        As in :func:`~skdiffusion.diffusion.log_density`.
    log_prior : Tensor of shape (n_levels,) or None, default=None
        Log-density of the prior in ``log(sigma)`` at each level, up to a constant; None is uniform.
        ``2 * sigmas.log()`` is uniform in the variance.

    Returns
    -------
    Tensor of shape (n, n_levels)
        Log-probabilities in nats, float64, whose exponentials sum to one in each row. A level
        stands for the cell around it in ``log(sigma)``; on a geometric grid all cells are alike.

    Raises
    ------
    ValueError
        If the levels are fewer than two, not positive or not strictly monotone, `x`, `probes` or
        `log_prior` has the wrong shape, or probes are needed and missing.

    Notes
    -----
    The heat equation ``dp / d(sigma ** 2) = 1/2 lap p`` gives
    ``d log p / d log sigma = sigma ** 2 (div s + |s| ** 2)``, and Tweedie's formula
    ``s = (D - x) / sigma ** 2`` the slope above. It is that of
    :func:`~skdiffusion.diffusion.contraction`.

    References
    ----------
    Livernoche, V. et al. (2024). On diffusion modeling for anomaly detection. arXiv:2305.18593,
    which learns this posterior with a network of its own.

    Examples
    --------
    >>> import torch
    >>> from skdiffusion.diffusion import GaussianDenoiser
    >>> normal = GaussianDenoiser(torch.zeros(1), torch.ones(1))
    >>> sigmas = torch.tensor([0.1, 1.0, 10.0])
    >>> posterior = time_log_posterior(normal, torch.tensor([[0.0], [9.0]]), sigmas).exp()
    >>> posterior.argmax(1)
    tensor([0, 2])
    """
    levels = _monotone(sigmas)
    x = check_rows(x).detach().double()
    priors = _level_weights(levels, log_prior).to(x)

    def slope(sigma: float) -> Tensor:
        return contraction(denoiser, x, sigma, divergence=divergence, probes=probes).rows

    start = slope(levels[0])
    log_p = [torch.zeros_like(start)]
    for sigma, sigma_next in pairwise(levels):
        middle, end = slope(math.sqrt(sigma * sigma_next)), slope(sigma_next)
        step = math.log(sigma_next / sigma)
        log_p.append(log_p[-1] + step / 6.0 * (start + 4.0 * middle + end))
        start = end
    return torch.log_softmax(torch.stack(log_p, dim=1) + priors, dim=1)


def diffusion_time(
    denoiser: Denoiser,
    x: Tensor,
    sigmas: Tensor,
    *,
    divergence: Divergence = "auto",
    probes: Tensor | None = None,
    log_prior: Tensor | None = None,
) -> Contributions:
    """Noise level from which a row seems to come: the posterior's geometric mean.

    Parameters
    ----------
    denoiser : Denoiser
        The model. It is called with float64 rows: put a network in double precision first.
    x : Tensor of shape (n, d)
        Rows.
    sigmas : Tensor of shape (n_levels,)
        Positive noise levels, increasing or decreasing, as in :func:`time_log_posterior`.
    divergence : {"auto", "exact", "hutchinson"}, default="auto"
        As in :func:`~skdiffusion.diffusion.log_density`.
    probes : Tensor of shape (m, d) or None, default=None
        As in :func:`~skdiffusion.diffusion.log_density`.
    log_prior : Tensor of shape (n_levels,) or None, default=None
        As in :func:`time_log_posterior`.

    Returns
    -------
    Contributions
        `rows` of shape (n,), ``exp(E log sigma)``, a noise level in the units of the rows, hence
        positive and between the ends of the grid; `expected`, the rows denoised at the level of the
        grid nearest to it; `entries` of shape (n, d), the row's value split as the squared changes
        ``(x - expected) ** 2`` are, or evenly where nothing changes. All are float64.

    Raises
    ------
    ValueError
        As :func:`time_log_posterior`.

    Examples
    --------
    >>> import torch
    >>> from skdiffusion.diffusion import EmpiricalDenoiser, log_linear
    >>> origin = EmpiricalDenoiser(torch.zeros(1, 2))
    >>> sigmas = log_linear(0.01, 100.0, 40, final_zero=False)
    >>> diffusion_time(origin, torch.tensor([[3.0, 4.0]]), sigmas).entries.round(decimals=1)
    tensor([[1.7000, 3.0000]], dtype=torch.float64)
    """
    log_posterior = time_log_posterior(
        denoiser, x, sigmas, divergence=divergence, probes=probes, log_prior=log_prior
    )
    x = x.detach().double()
    logs = torch.as_tensor(sigmas).to(x).log()
    time = log_posterior.exp() @ logs
    nearest = (time.unsqueeze(1) - logs).abs().argmin(1)
    expected = torch.empty_like(x)
    # one call per level in use: closed forms factorise their matrices once in each
    with torch.no_grad():
        for level in nearest.unique():
            chosen = nearest == level
            expected[chosen] = denoiser(x[chosen], logs[level].exp()).mean
    squares = (x - expected) ** 2
    total = squares.sum(1, keepdim=True)
    share = torch.where(total > 0, squares / total, 1.0 / x.shape[1])
    rows = time.exp()
    return Contributions(rows, rows.unsqueeze(1) * share, expected)


def inverse_gamma_mode(m: Tensor, d: int) -> Tensor:
    """Most likely noise variance of a row, given one training row.

    Parameters
    ----------
    m : Tensor
        Squared distances to the training row.
    d : int
        Number of columns.

    Returns
    -------
    Tensor
        ``m / d``, of the shape of `m`: the mode of the posterior density of the variance with a
        prior uniform in the variance, and of that of its logarithm with one uniform there.

    Raises
    ------
    ValueError
        If `d` is below 1 or a squared distance is negative.

    References
    ----------
    Livernoche, V. et al. (2024). On diffusion modeling for anomaly detection. arXiv:2305.18593,
    section 4.

    Examples
    --------
    >>> import torch
    >>> inverse_gamma_mode(torch.tensor([8.0]), 4)
    tensor([2.])
    """
    _check_distances(m, d)
    return m / d


def inverse_gamma_mean(m: Tensor, d: int, *, prior: Prior = "log") -> Tensor:
    """Mean noise variance of a row, given one training row.

    Parameters
    ----------
    m : Tensor
        Squared distances to the training row.
    d : int
        Number of columns.
    prior : {"log", "variance"}, default="log"
        What the prior is uniform in: the logarithm of the noise level, as in the other functions
        of this module, or the variance, as in the paper.

    Returns
    -------
    Tensor
        ``m / (d - 2)`` or, with the paper's prior, ``m / (d - 4)``; of the shape of `m`.

    Raises
    ------
    ValueError
        If the mean is infinite: for `d` up to 2 or, with the paper's prior, up to 4. If a squared
        distance is negative.

    References
    ----------
    Livernoche, V. et al. (2024). On diffusion modeling for anomaly detection. arXiv:2305.18593,
    section 4.

    Examples
    --------
    >>> import torch
    >>> inverse_gamma_mean(torch.tensor([8.0]), 6)
    tensor([2.])
    """
    _check_distances(m, d)
    shape = _shape(d, prior)
    if shape <= 1.0:
        raise ValueError(
            f"The mean noise variance is infinite in {d} dimensions with a prior uniform in the "
            f"{prior}: use inverse_gamma_mode, which exists for every d."
        )
    return m / (2.0 * (shape - 1.0))


def inverse_gamma_log_pdf(sigma: Tensor, m: Tensor, d: int, *, prior: Prior = "log") -> Tensor:
    """Log-density over ``log(sigma)`` of a row's noise level, given one training row.

    It is the inverse-gamma law of the variance, with shape ``d / 2`` and scale ``m / 2``, in the
    variable ``log(sigma)``.

    Parameters
    ----------
    sigma : Tensor
        Noise levels, positive.
    m : Tensor that broadcasts with `sigma`
        Squared distances to the training row, positive.
    d : int
        Number of columns.
    prior : {"log", "variance"}, default="log"
        As in :func:`inverse_gamma_mean`; with "variance" the shape is ``d / 2 - 1``.

    Returns
    -------
    Tensor
        Log-densities, whose exponentials integrate to one over ``log(sigma)``.

    Raises
    ------
    ValueError
        If the law cannot be normalised, for `d` below 1 or, with the paper's prior, up to 2.

    References
    ----------
    Livernoche, V. et al. (2024). On diffusion modeling for anomaly detection. arXiv:2305.18593,
    section 4.

    Examples
    --------
    >>> import torch
    >>> inverse_gamma_log_pdf(torch.tensor([1.0]), torch.tensor([2.0]), 2).exp()
    tensor([0.7358])
    """
    _check_distances(m, d)
    shape = _shape(d, prior)
    if shape <= 0.0:
        raise ValueError(
            f"With a prior uniform in the {prior} the law has no finite mass in {d} dimensions: "
            "use prior='log'."
        )
    half = 0.5 * m
    # the variance's density, times d(sigma^2) / d(log sigma) = 2 sigma^2
    constant = shape * half.log() - math.lgamma(shape) + math.log(2.0)
    return constant - 2.0 * shape * sigma.log() - half / sigma**2


def knn_time_log_posterior(
    squared_distances: Tensor, d: int, sigmas: Tensor, *, log_prior: Tensor | None = None
) -> Tensor:
    """Log-posterior over noise levels of rows, from the distances to their neighbours.

    The noised law of the training rows is a mixture of Gaussians around them, of which the nearest
    suffice: ``log p_sigma(x) = logsumexp_i(-m_i / (2 sigma ** 2)) - d log(sigma)`` up to a
    constant.

    Parameters
    ----------
    squared_distances : Tensor of shape (n, k)
        Squared distances of each row to its `k` nearest training rows, or to all of them.
    d : int
        Number of columns.
    sigmas : Tensor of shape (n_levels,)
        Positive noise levels, increasing or decreasing.
    log_prior : Tensor of shape (n_levels,) or None, default=None
        As in :func:`time_log_posterior`.

    Returns
    -------
    Tensor of shape (n, n_levels)
        Log-probabilities as those of :func:`time_log_posterior`, which this equals for
        :class:`~skdiffusion.diffusion.EmpiricalDenoiser` when all training rows are neighbours.

    Raises
    ------
    ValueError
        If the levels are fewer than two, not positive or not strictly monotone, or the distances
        are negative or not a matrix.

    References
    ----------
    Livernoche, V. et al. (2024). On diffusion modeling for anomaly detection. arXiv:2305.18593,
    section 4, with the sum over neighbours in place of their mean.

    Examples
    --------
    >>> import torch
    >>> sigmas = torch.tensor([0.1, 1.0, 10.0])
    >>> squares = torch.tensor([[0.02, 0.03], [2.0, 5.0]])
    >>> knn_time_log_posterior(squares, 2, sigmas).argmax(1)
    tensor([0, 1])
    """
    levels = _monotone(sigmas)
    _check_matrix(squared_distances)
    _check_distances(squared_distances, d)
    priors = _level_weights(levels, log_prior).to(squared_distances)
    log_p = [
        torch.logsumexp(squared_distances / (-2.0 * sigma**2), dim=1) - d * math.log(sigma)
        for sigma in levels
    ]
    return torch.log_softmax(torch.stack(log_p, dim=1) + priors, dim=1)


def diffusion_time_np(squared_distances: Tensor, d: int) -> Tensor:
    """Non-parametric diffusion time: the noise level that the neighbours suggest.

    Each neighbour at squared distance ``m`` suggests the level ``sqrt(m / d)``, the root of
    :func:`inverse_gamma_mode`; the time is their mean. It is continuous, unlike a maximum over a
    grid of levels, which ties rows and cannot pass the largest level.

    Parameters
    ----------
    squared_distances : Tensor of shape (n, k)
        Squared distances of each row to its `k` nearest training rows; of a training row, to the
        others.
    d : int
        Number of columns.

    Returns
    -------
    Tensor of shape (n,)
        Noise levels, in the units of the rows.

    Raises
    ------
    ValueError
        If the distances are negative or not a matrix with a neighbour, or `d` is below 1.

    Notes
    -----
    Levels are averaged rather than variances ``m / d``: a variance counts a neighbour by its
    squared distance, so that the farthest of them decides, and a row of a small group would be
    judged by the nearest row outside of it. The ranking of rows is that of the mean distance to the
    `k` neighbours; for one neighbour both averages agree.

    References
    ----------
    Livernoche, V. et al. (2024). On diffusion modeling for anomaly detection. arXiv:2305.18593,
    section 4.

    Examples
    --------
    >>> import torch
    >>> diffusion_time_np(torch.tensor([[4.0, 16.0]]), 4)
    tensor([1.5000])
    """
    _check_matrix(squared_distances)
    return inverse_gamma_mode(squared_distances, d).sqrt().mean(1)


def _monotone(sigmas: Tensor) -> list[float]:
    levels = torch.as_tensor(sigmas, dtype=torch.float64)
    if levels.ndim != 1 or len(levels) < 2:
        raise ValueError(
            f"sigmas must be a vector of two or more noise levels, got shape {tuple(levels.shape)}."
        )
    steps = levels.diff()
    one_way = bool((steps > 0).all() or (steps < 0).all())
    if not one_way or not bool(torch.isfinite(levels).all()) or not bool((levels > 0).all()):
        raise ValueError(
            f"sigmas must be positive, finite and strictly increasing or decreasing, got {sigmas}."
        )
    return [float(level) for level in levels.tolist()]


def _level_weights(levels: list[float], log_prior: Tensor | None) -> Tensor:
    """Log prior mass of each level, up to a constant: its density times its cell's width."""
    gaps = torch.tensor(levels, dtype=torch.float64).log().diff().abs()
    # the cells of the ends reach as far outwards as inwards
    log_widths = (torch.cat([gaps[:1], gaps]) + torch.cat([gaps, gaps[-1:]])).log()
    if log_prior is None:
        return log_widths
    if log_prior.shape != (len(levels),):
        raise ValueError(
            f"log_prior must be of shape ({len(levels)},), got {tuple(log_prior.shape)}."
        )
    return log_widths + log_prior.to(log_widths)


def _shape(d: int, prior: str) -> float:
    if prior not in {"log", "variance"}:
        raise ValueError(f"prior must be 'log' or 'variance', got {prior!r}.")
    return 0.5 * d if prior == "log" else 0.5 * d - 1.0


def _check_distances(m: Tensor, d: int) -> None:
    if d < 1:
        raise ValueError(f"d must be at least 1, got {d}.")
    if bool((m < 0).any()):
        raise ValueError("Squared distances must not be negative.")


def _check_matrix(squared_distances: Tensor) -> None:
    if squared_distances.ndim != 2 or squared_distances.shape[1] == 0:
        raise ValueError(
            "squared_distances must be of shape (n, k) with k at least 1, "
            f"got {tuple(squared_distances.shape)}."
        )
