"""Systematic draws: counts that are off their expectation by less than one."""

import numpy as np


def spread(weights, n, rng):
    """Draw `n` rows with replacement, each about as often as its weight says."""
    # in random order first: which rows get one more must not follow their places in the table
    order = rng.permutation(np.flatnonzero(weights > 0))
    bounds = np.cumsum(weights[order])
    positions = (rng.uniform() + np.arange(n)) / max(n, 1) * bounds[-1]
    drawn = np.minimum(np.searchsorted(bounds, positions, side="right"), len(order) - 1)
    return rng.permutation(order[drawn])
