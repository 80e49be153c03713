"""A common scale of scores: how rare they are among those of held-out rows."""

import numpy as np

# Where held-out scores are all alike; a smaller one would blow up rounding errors
MIN_SPREAD = 1e-3

# Of the order of scores beyond all held-out ones. From 0.05 to 1 it ranks anomalies alike.
TAIL_SHARE = 0.2

N_DIGITS = 9


class HeldOutScale:
    """Bring scores to nats: minus the logarithm of how often held-out rows score as high."""

    def __init__(self, held_out, verdict=False):
        self.centre, upper = np.quantile(held_out, [0.5, 0.9])
        spread = upper - self.centre
        # most rows may be copies of others, all with the same score
        self.spread = spread if spread > 1e-9 else max(held_out.std(), MIN_SPREAD)
        # a rounding error shall not tell equal scores apart
        scores = np.round((held_out - self.centre) / self.spread, N_DIGITS)
        self.steps, counts = np.unique(scores, return_counts=True)
        as_high = counts[::-1].cumsum()[::-1]
        self.nats = -np.log((as_high + (not verdict)) / (1 + len(held_out)))
        # a verdict has nats of p-values alone within the range of held-out scores, so that rows
        # whose scores are of different models can be judged by one threshold
        self.inner = self.steps[[0, -1]] if verdict else (0.0, 0.0)

    def __call__(self, scores):
        distances = (scores - self.centre) / self.spread
        # lines between the steps make it continuous; by the logarithm none drowns the others
        tail = np.arcsinh(distances) - np.arcsinh(np.clip(distances, *self.inner))
        return np.interp(distances, self.steps, self.nats) + TAIL_SHARE * tail


def on_scales(scales, columns):
    """Return columns of scores, each on a scale of its own."""
    return np.column_stack([scale(x) for scale, x in zip(scales, columns, strict=True)])
