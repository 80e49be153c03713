"""Which transform a numeric column gets under ``numeric_transform="auto"``.

The quantile transform turns every marginal into a Gaussian exactly, ties included, at the price
of bending the relations between columns. That pays where a column has spikes, few values, heavy
tails or sharp ends, which a model of standardised codes smears so visibly that a classifier tells
real from generated rows by them; it costs distance on smooth columns of small tables.
"""

import numpy as np

SPIKE = 0.1
"""Share of the rows from which on a single value is a spike."""

TIES = 5.0
"""Mean number of rows per distinct value from which on a column is discrete."""

TAIL = 0.05
EDGE = 0.2
"""Distance from an extreme, in standard deviations, within which the outermost twentieth of the
rows lies where a column ends sharply. A model of standardised codes leaks past such an end."""

SKEWNESS = 1.0
EXCESS_KURTOSIS = 3.0


def choose_transform(values, counts):
    """Choose the transform of a numeric column."""
    n_rows = counts.sum()
    share = counts / n_rows
    # A few rows prove neither ties nor spikes: two of five alike are no tenth of a table.
    spiky = share.max() >= SPIKE and counts.max() >= TIES
    if spiky or n_rows >= TIES * len(values):
        return "quantile"
    unit = (values - values[0]) / (values[-1] - values[0])
    unit -= share @ unit
    unit /= np.sqrt(share @ unit**2)
    cumulative = np.cumsum(share)
    low, high = unit[np.searchsorted(cumulative, [TAIL, 1 - TAIL])]
    sharp = min(low - unit[0], unit[-1] - high) < EDGE
    # nor is a twentieth of a few rows more than the extreme itself
    if sharp and TAIL * n_rows >= TIES:
        return "quantile"
    if abs(share @ unit**3) > SKEWNESS or share @ unit**4 - 3 > EXCESS_KURTOSIS:
        return "quantile"
    return "standard"
