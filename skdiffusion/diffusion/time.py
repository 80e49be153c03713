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
    """Log-posterior over noise levels of rows that are seen as noisy ones."""
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
    """Noise level from which a row seems to come: the posterior's geometric mean."""
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
    """Most likely noise variance of a row, given one training row."""
    _check_distances(m, d)
    return m / d


def inverse_gamma_mean(m: Tensor, d: int, *, prior: Prior = "log") -> Tensor:
    """Mean noise variance of a row, given one training row."""
    _check_distances(m, d)
    shape = _shape(d, prior)
    if shape <= 1.0:
        raise ValueError(
            f"The mean noise variance is infinite in {d} dimensions with a prior uniform in the "
            f"{prior}: use inverse_gamma_mode, which exists for every d."
        )
    return m / (2.0 * (shape - 1.0))


def inverse_gamma_log_pdf(sigma: Tensor, m: Tensor, d: int, *, prior: Prior = "log") -> Tensor:
    """Log-density over ``log(sigma)`` of a row's noise level, given one training row."""
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
    """Log-posterior over noise levels of rows, from the distances to their neighbours."""
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
    """Non-parametric diffusion time: the noise level that the neighbours suggest."""
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
