"""Which cells of a row are improbable given the others."""

import math

import numpy as np
import torch

__all__ = ["explain_rows"]

LEVEL = 0.05
"""Noise on the cells that are taken for given, in standard deviations."""


def explain_rows(law, Z, groups, missing):
    """Judge each column of rows by the others, in closed form."""
    x = torch.from_numpy(Z)
    n_groups = int(groups.max()) + 1
    surprise, expected = np.zeros((len(Z), n_groups)), np.empty_like(Z)
    whole = law.log_prob(x, x.new_tensor(LEVEL))
    for group in range(n_groups):
        own = groups == group
        sigma = torch.full((Z.shape[1],), LEVEL, dtype=x.dtype)
        sigma[own] = math.inf
        surprise[:, group] = (law.log_prob(x, sigma) - whole).numpy()
        expected[:, own] = law(x, sigma).mean[:, own].numpy()
        surprise[missing[:, own].any(1), group] = 0.0
    return surprise, expected
