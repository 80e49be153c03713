"""Log-densities of rows of codes, of which some may be missing."""

import numpy as np
import torch

from skdiffusion.diffusion import log_density
from skdiffusion.diffusion.category_probabilities import level_log_prob
from skdiffusion.sampling.marginal import marginal_law

__all__ = ["log_density_of_codes"]


def log_density_of_codes(model, Z, blocks, probes, sigmas):
    """Log-density of codes: the flow for numbers, times the probability of the levels."""
    log_prob = Z.new_zeros(len(Z))
    patterns, index = torch.unique(~Z.isnan(), dim=0, return_inverse=True)
    for k, present in enumerate(patterns):
        rows = index == k
        if present.any():
            log_prob[rows] = _complete(model, Z[rows], present, blocks, probes, sigmas)
    return log_prob


def _complete(model, Z, present, blocks, probes, sigmas):
    """The same for rows in which the same codes are there."""
    kept = torch.zeros_like(model.is_target)
    kept[~model.is_target] = present
    here = [block for block in blocks if present[block[0]].all()]
    is_number = present.clone()
    for columns, _ in here:
        is_number[columns] = False
    log_prob = Z.new_zeros(len(Z))
    if is_number.any():
        numbers = torch.zeros_like(kept)
        numbers[~model.is_target] = is_number
        prior, denoiser = marginal_law(model, numbers)
        signs = probes[:, is_number].to(Z)
        log_prob += log_density(denoiser, Z[:, is_number], sigmas, prior, probes=signs)
    if here:
        _, denoiser = marginal_law(model, kept)
        position = torch.cumsum(present, 0) - 1
        inside = [(position[columns], vertices) for columns, vertices in here]
        limits = model.sigma_min, model.sigma_max
        with torch.no_grad():
            log_prob += level_log_prob(denoiser, Z[:, present], inside, *limits)
        # their codes have a probability and no density
        n_codes = sum(len(columns) for columns, _ in here)
        log_prob -= n_codes / 2 * np.log(2 * np.pi * model.sigma_min**2)
    return log_prob
