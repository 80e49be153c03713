"""One scale for scores of different kinds, set by training rows that were held out."""

import numpy as np

__all__ = ["HeldOutScale", "combine_weights"]

MIN_SPREAD = 1e-3
"""Where held-out scores are all alike; a smaller one would blow up rounding errors."""

TAIL_SHARE = 0.2
"""Of the z-score. From 0.03 to 1 it ranks anomalies about alike."""

N_DIGITS = 9

N_BORROWED = 5.0
"""Labelled anomalies that the equal weights count for."""


class HeldOutScale:
    """Bring scores to nats: minus the logarithm of how often held-out rows score as high."""

    def __init__(self, held_out):
        self.centre, upper = np.quantile(held_out, [0.5, 0.9])
        spread = upper - self.centre
        # most rows may be copies of others, all with the same score
        self.spread = spread if spread > 1e-9 else max(held_out.std(), MIN_SPREAD)
        # a rounding error shall not tell equal scores apart
        scores = np.round((held_out - self.centre) / self.spread, N_DIGITS)
        self.steps, counts = np.unique(scores, return_counts=True)
        as_high = counts[::-1].cumsum()[::-1]
        self.nats = -np.log((1 + as_high) / (1 + len(held_out)))

    def __call__(self, scores):
        """Return scores on the common scale."""
        distances = (scores - self.centre) / self.spread
        # lines between the steps make it continuous
        return np.interp(distances, self.steps, self.nats) + TAIL_SHARE * distances


def combine_weights(normal, anomalous):
    """Weigh kinds of scores by how well they tell labelled anomalies from normal rows."""
    n_kinds = normal.shape[1]
    if not len(anomalous):
        return np.ones(n_kinds)
    below = (normal[None] < anomalous[:, None]).mean((0, 1))
    above = (normal[None] > anomalous[:, None]).mean((0, 1))
    skill = np.maximum(below - above, 0.0) ** 2
    if skill.sum() == 0:
        return np.ones(n_kinds)
    trust = len(anomalous) / (len(anomalous) + N_BORROWED)
    return (1 - trust) + trust * n_kinds * skill / skill.sum()
