"""Log-densities of encoded rows, of which some features may be missing."""

import math

import numpy as np
import torch

from skdiffusion.diffusion import log_density
from skdiffusion.diffusion.categories import category_log_prob


def log_prob(model, Z):
    """Return log-densities (n,) of encoded rows (n, d) without their target, NaN for unknown.

    To that of numbers each category adds its log-probability given all before it.
    """
    # whether a cell is there comes before what it is: so the probabilities sum to one
    blocks = model.encoder.category_blocks()
    n_cells = len(blocks) - len(model.encoder._indicators)
    blocks = [
        (torch.from_numpy(columns).to(Z.device), torch.from_numpy(vertices).to(Z))
        for columns, vertices in blocks[n_cells:] + blocks[:n_cells]
    ]
    found = Z.new_zeros(len(Z))
    patterns, index = torch.unique(~Z.isnan(), dim=0, return_inverse=True)
    for k, present in enumerate(patterns):
        rows = index == k
        if present.any():
            found[rows] = _complete(model, Z[rows], present, blocks)
    return found


def _complete(model, Z, present, blocks):
    """Return log-densities of rows that have the same features."""
    here = [block for block in blocks if present[block[0]].all()]
    is_number = present.clone()
    for columns, _ in here:
        is_number[columns] = False
    found = Z.new_zeros(len(Z))
    if is_number.any():
        found += _numbers(model, Z, is_number)
    if here:
        position = torch.cumsum(present, 0) - 1
        inside = [(position[columns], vertices) for columns, vertices in here]
        part = model.marginal(_among_all(model, present))
        limits = (0.0, math.inf) if model.sampling.solver is None else part.limits
        with torch.no_grad():
            found += category_log_prob(part.denoiser, Z[:, present], inside, *limits)
        # the encoder's volume counts a density of categories noised by sigma_min
        n_encoded = sum(len(columns) for columns, _ in here)
        found -= n_encoded / 2 * np.log(2 * np.pi * model.sigma_min**2)
    return found


def _numbers(model, Z, is_number):
    """Return log-densities of the numbers, by a closed form or by the probability flow."""
    if model.sampling.solver is None:
        unknown = ~_among_all(model, is_number)
        x = Z.new_zeros(len(Z), model.n_features)
        x[:, ~unknown] = Z[:, is_number]
        return model.denoiser.log_prob(x, torch.where(unknown, math.inf, 0.0).to(Z))
    part = model.marginal(_among_all(model, is_number))
    probes = None if model.probes is None else model.probes[:, is_number.cpu()].to(Z)
    return log_density(
        part.denoiser,
        Z[:, is_number],
        model.limits,
        part.prior,
        model.n_likelihood_steps,
        probes=probes,
    )


def _among_all(model, features):
    """Place flags of the row's features among those of row and target."""
    flags = torch.zeros(model.n_features, dtype=torch.bool, device=features.device)
    flags[torch.from_numpy(~model.is_target).to(features.device)] = features
    return flags
