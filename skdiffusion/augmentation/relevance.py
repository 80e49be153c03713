"""How much a numeric target is worth: 0 where values are common, 1 where they are rare."""

import numpy as np

WHISKER = 1.5


def boxplot_relevance(y):
    """Return 0 at the median, 1 beyond the whiskers if outliers are there, and cubics between."""
    y = np.asarray(y, dtype=np.float64)
    first, median, third = np.quantile(y, [0.25, 0.5, 0.75])
    reach = WHISKER * (third - first)
    within = y[(y >= first - reach) & (y <= third + reach)]
    relevance = np.zeros(len(y))
    for sign, adjacent in ((-1.0, within.min()), (1.0, within.max())):
        distance, far = sign * (y - median), sign * (adjacent - median)
        if np.any(distance > far):
            # without a whisker the curve has no room to rise in
            share = np.clip(distance / far, 0, 1) if far > 0 else np.heaviside(distance, 0)
            relevance += share**2 * (3 - 2 * share)
    return relevance
