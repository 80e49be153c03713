"""Which cells of a row are improbable given the others."""

import math

import numpy as np
import torch

__all__ = ["explain_rows"]

LEVEL = 0.05
"""Noise on the cells that are taken for given, in standard deviations."""


def explain_rows(law, Z, groups, missing):
    """Judge each column of rows by the others, in closed form.

    Parameters
    ----------
    law : KernelDenoiser
        The law of normal rows, exact with a noise level for each entry, infinite ones included.
    Z : ndarray of shape (n, d)
        Codes, without gaps.
    groups : ndarray of int of shape (d,)
        The column that each code belongs to, from zero on.
    missing : ndarray of bool of shape (n, d)
        Codes that were filled.

    Returns
    -------
    surprise : ndarray of shape (n, n_groups)
        ``-log p(column | other columns)`` in nats, under the law noised by a little; zero where
        the cell is missing.
    expected : ndarray of shape (n, d)
        The mean of each column's codes given the others.

    References
    ----------
    Chain rule: ``log p(x) - log p(x without column j)``.
    """
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
