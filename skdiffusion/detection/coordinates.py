"""Two ways to measure numbers: by their size, and by their rank among the training rows."""

import numpy as np
from scipy.special import ndtri

# Ranges between the 5 % and the 95 % quantile, beyond which a cell does not set the unit of its
# column: a code such as 999 for a missing one must not
GROSS = 10.0
# Standard deviations beyond which all is as far: squares would lose the digits of the others
FARTHEST = 100.0


class Coordinates:
    """Features in standard deviations, and Gaussian scores of their ranks."""

    def __init__(self, Z, is_number):
        low, high = np.nanquantile(Z, [0.05, 0.95], axis=0)
        reach = np.where(high > low, GROSS * (high - low), np.inf)
        inner = np.where(np.abs(Z - 0.5 * (low + high)) <= reach, Z, np.nan)
        self.mean, self.scale = np.nanmean(inner, axis=0), np.nanstd(inner, axis=0)
        self.mean[~is_number], self.scale[~is_number] = 0.0, 1.0
        self.scale[self.scale == 0] = 1.0
        inner = self._scale(inner)
        self.ranks = {j: GaussianRanks(inner[:, j]) for j in np.flatnonzero(is_number)}

    def __call__(self, Z):
        """Return rows in both coordinates, of shape (2, n, n_features)."""
        linear = self._scale(Z)
        ranked = linear.copy()
        for j, ranks in self.ranks.items():
            ranked[:, j] = ranks(linear[:, j])
        return np.stack([linear, ranked])

    def undo(self, linear):
        """Return encoded rows from their linear coordinates."""
        return self.mean + self.scale * linear

    def _scale(self, Z):
        return np.clip((Z - self.mean) / self.scale, -FARTHEST, FARTHEST)


class GaussianRanks:
    """Gaussian scores of the ranks of one feature, ties at the middle of theirs."""

    def __init__(self, x):
        self.values, counts = np.unique(x[~np.isnan(x)], return_counts=True)
        ranks = (np.cumsum(counts) - counts / 2) / counts.sum()
        scores, share = ndtri(ranks), counts / counts.sum()
        mean = share @ scores
        spread = np.sqrt(share @ (scores - mean) ** 2)
        self.spread = spread if spread > 0 else 1.0
        self.scores = (scores - mean) / self.spread

    def __call__(self, x):
        """Interpolate; beyond the extremes a standard deviation counts for one of the scores."""
        beyond = x - np.clip(x, self.values[0], self.values[-1])
        return np.interp(x, self.values, self.scores) + beyond / self.spread


def without_own_rank(linear, ranked):
    """Return ranked coordinates of training rows, each as if it had no rank of its own."""
    # else no training row could be closer to another one than a rank, and all new ones would be
    found = ranked.copy()
    for x, scores, out in zip(linear.T, ranked.T, found.T, strict=True):
        values, first, counts = np.unique(x, return_index=True, return_counts=True)
        if len(values) > 2:
            left = scores[first]
            ends = left[1] - (values[1] - values[0]), left[-2] + (values[-1] - values[-2])
            share = (values[1:-1] - values[:-2]) / (values[2:] - values[:-2])
            # from the nearer side, as without the row the ranks above it move down by one; halfway,
            # as whole numbers often are, rounding must not decide
            share = np.where(share < 0.5 - 1e-9, share / 2, (1 + share) / 2)
            inner = left[:-2] + share * (left[2:] - left[:-2])
            single = counts == 1
            out[first[single]] = np.r_[ends[0], inner, ends[1]][single]
    return found
