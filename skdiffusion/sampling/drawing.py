"""Rows of codes drawn from noise, under conditions."""

import warnings
from typing import NamedTuple

import numpy as np
import torch
from torch.quasirandom import SobolEngine

from skdiffusion.diffusion import Guided, run
from skdiffusion.sampling.marginal import marginal_law
from skdiffusion.tables.conditions import Conditions

__all__ = [
    "CodeModel",
    "Integration",
    "draw",
    "draw_coarse_first",
    "draw_known",
    "even_noise",
    "redraw",
]

CHUNK_ROWS = 4096

MIN_ACCEPTANCE = 0.02
"""Share of draws that meet ranges, below which a warning says so."""

MIN_PROPOSALS = 256
"""Fewest draws from which that share is judged."""

MAX_ROUNDS = 100
"""Rounds of draws after which rows that meet the ranges are given up."""


class CodeModel(NamedTuple):
    """A fitted model of the codes of rows and target."""

    denoiser: torch.nn.Module
    gaussian: torch.nn.Module
    is_target: torch.Tensor
    sigma_min: float
    sigma_max: float


class Integration(NamedTuple):
    """How noise becomes rows."""

    solver: object
    sigmas: torch.Tensor
    guidance_scale: float = 1.0


def draw(model, integration, n, conditions, generator, encoder=None):
    """Draw encoded rows that meet conditions; return them and the share of draws that did."""
    if not conditions.has_ranges:
        return draw_known(model, integration, n, conditions, generator), 1.0
    codes = np.empty((n, len(model.is_target)))
    pending, n_met, n_drawn = np.arange(n), 0, 0
    for _ in range(MAX_ROUNDS):
        proposals = np.repeat(pending, -(-MIN_PROPOSALS // len(pending)))
        drawn = draw_known(
            model, integration, len(proposals), conditions.take(proposals), generator
        )
        met = conditions.are_met(encoder, drawn)
        n_met, n_drawn = n_met + int(met.sum()), n_drawn + len(drawn)
        served, first = np.unique(proposals[met], return_index=True)
        codes[served] = drawn[met][first]
        pending = np.setdiff1d(pending, served)
        if not len(pending):
            break
    if len(pending):
        raise ValueError(
            f"Only {n_met} of {n_drawn} draws met the ranges, too few for {n} rows: "
            "widen the ranges, or ask for fewer rows."
        )
    if n_met < MIN_ACCEPTANCE * n_drawn:
        warnings.warn(
            f"Only {n_met} of {n_drawn} draws met the ranges: draws take long.",
            UserWarning,
            stacklevel=4,
        )
    return codes, n_met / n_drawn


def draw_known(model, integration, n, conditions, generator, start=None):
    """Draw rows of codes, some of which are known."""
    if start is None:
        start = even_noise(n, len(model.is_target), generator)
    chunks = []
    for first in range(0, n, CHUNK_ROWS):
        rows = np.arange(first, min(first + CHUNK_ROWS, n))
        part = conditions.take(rows)
        chunks.append(_integrate(model, integration, part, generator, start[rows]))
    return np.concatenate(chunks)


def draw_coarse_first(model, integration, n, conditions, generator, encoder, coarse):
    """Draw some codes with nothing but the settled ones beside them, and the rest given those."""
    if conditions.has_ranges:
        # a range may be about any code: all are drawn together
        return draw(model, integration, n, conditions, generator, encoder)
    kept = coarse | conditions.known.any(0)
    mask = torch.from_numpy(kept).to(model.is_target.device)
    gaussian, denoiser = marginal_law(model, mask)
    first = model._replace(denoiser=denoiser, gaussian=gaussian, is_target=model.is_target[mask])
    codes, _ = draw(first, integration, n, Conditions(conditions.values[:, kept]), generator)
    settled = np.broadcast_to(conditions.values, (n, len(coarse))).copy()
    settled[:, coarse] = codes[:, coarse[kept]]
    return draw(model, integration, n, Conditions(settled), generator)


def redraw(model, integration, conditions, noisy, generator):
    """Draw rows of codes again from noisy ones, some of which are known."""
    device, chunks = model.gaussian.mean.device, []
    for rows in np.array_split(np.arange(len(noisy)), -(-len(noisy) // CHUNK_ROWS)):
        denoiser = _conditioned(model, integration, conditions.take(rows))
        chunks.append(_solve(integration, denoiser, noisy[rows].to(device), generator))
    return np.concatenate(chunks)


def even_noise(n, d, generator):
    """Draw standard normal rows that cover the space evenly."""
    device = generator.device
    seed = int(torch.randint(2**31 - 1, (), generator=generator, device=device))
    points = SobolEngine(d, scramble=True, seed=seed).draw(n, dtype=torch.float64)
    order = torch.randperm(n, generator=generator, device=device)
    # the grid of points has its corner at zero, whose normal score is infinite
    noise = torch.special.ndtri(points.clamp(2.0**-31, 1 - 2.0**-31)).to(device)
    return noise[order]


def _integrate(model, integration, conditions, generator, noise):
    known = torch.from_numpy(conditions.known).to(noise.device)
    denoiser = _conditioned(model, integration, conditions)
    # at the largest noise level the law is all but normal
    start = model.gaussian.mean + _noised(model.gaussian, model.sigma_max, noise)
    if known.any():
        # a deterministic solver remembers the mean it starts from
        centre = model.gaussian.mean.to(start).expand_as(start)
        with torch.no_grad():
            shift = denoiser(centre, start.new_tensor(model.sigma_max)).mean - centre
        # where nothing is known a row starts as it would by itself
        start = start + shift * known.any(1, keepdim=True)
    return _solve(integration, denoiser, start, generator)


def _conditioned(model, integration, conditions):
    """Return the denoiser given the known codes."""
    if not conditions.known.any():
        return model.denoiser
    device = model.gaussian.mean.device
    known, values = (
        torch.from_numpy(part).to(device) for part in (conditions.known, conditions.values)
    )
    limits = model.sigma_min, model.sigma_max
    return Guided(model.denoiser, known, values, integration.guidance_scale, *limits)


def _solve(integration, denoiser, start, generator):
    with torch.no_grad():
        states = integration.solver(denoiser, start, integration.sigmas, generator=generator)
        return run(states).cpu().numpy()


def _noised(gaussian, sigma, noise):
    """Turn standard normal rows into such of the noised Gaussian, about zero."""
    if gaussian.is_diagonal:
        return noise * (gaussian.cov + sigma**2).sqrt()
    noised = gaussian.cov + sigma**2 * torch.eye(noise.shape[1]).to(noise)
    # of all roots the symmetric one leaves each column nearest to its own noise
    values, vectors = torch.linalg.eigh(noised)
    return noise @ (vectors * values.sqrt()) @ vectors.mT
