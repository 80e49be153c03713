"""Which codec a numeric column gets.

The quantile transform turns every marginal into a Gaussian exactly, ties included, at the price
of bending the relations between columns. That pays where a column has spikes, few values, heavy
tails or sharp ends, which a model of standardised numbers smears so visibly that a classifier
tells real from generated rows by them; it costs distance on smooth columns of small tables.
"""

from numbers import Real

import numpy as np

from skdiffusion._utils.gross import far_out
from skdiffusion.tables.codecs import ConstantCodec, SpikeCodec, StandardCodec
from skdiffusion.tables.lattice import find_lattice
from skdiffusion.tables.quantile import QuantileCodec, repeats

# Share of the rows from which on a single value is a spike
SPIKE = 0.1

# How many times as often as any other value a spike of its own feature occurs
PROMINENCE = 3.0

# Fewest rows beside the spike from which the distribution of their numbers can be learned
MIN_REST = 10

# Mean number of rows per distinct value from which on a column is discrete
TIES = 5.0

TAIL = 0.05
# Distance from an extreme, in standard deviations, within which the outermost twentieth of the
# rows lies where a column ends sharply. A model of standardised numbers leaks past such an end.
EDGE = 0.2

SKEWNESS = 1.0
EXCESS_KURTOSIS = 3.0

# Least range of a column, and least difference of its numbers: below, squares and slopes leave
# floating point
SMALLEST, CLOSEST = 1e-150, 1e-300


def fit_numbers(x, column, resolution, transform):
    """Fit the codec of the numbers of a column's observed cells; return it and their bounds."""
    values, positions = np.unique(x, return_inverse=True)
    return fit_counted(values, column.count(positions), column.name, resolution, transform)


def fit_counted(values, counts, name, resolution, transform):
    """Fit the codec of numbers that occur so often; return it and their bounds."""
    if len(values) < 2:
        value = values[0] if len(values) else 0.0
        return ConstantCodec(value), (value, value)
    bounds = values[0], values[-1]
    if bounds[1] - bounds[0] < SMALLEST or np.diff(values).min() < CLOSEST:
        raise ValueError(
            f"Column {name!r} holds numbers too close to each other for floating point, in the "
            f"range from {bounds[0]} to {bounds[1]}: give it a smaller unit, or round it."
        )
    spike = find_spike(values, counts) if transform == "auto" else None
    if spike is not None:
        others, sizes = np.delete(values, spike), np.delete(counts, spike)
        rest, _ = fit_counted(others, sizes, name, resolution, "no spike")
        return SpikeCodec(values[spike], counts[spike], rest, others, sizes), bounds
    lattice = find_lattice(values, resolution)
    if transform in ("auto", "no spike"):
        transform = choose_transform(values, counts, lattice)
    if transform == "quantile":
        return fit_quantiles(values, counts, lattice), bounds
    scale = transform if isinstance(transform, Real) else None
    return StandardCodec(values, counts, lattice, scale), bounds


def fit_quantiles(values, counts, lattice):
    """Return the codec of the ranks; cells far off all others have none if it returns them."""
    far = far_out(values, counts)
    if far.any():
        codec = QuantileCodec(values[~far], counts[~far], lattice)
        if np.allclose(codec.decode(codec.encode(values[far])), values[far], rtol=1e-9, atol=0):
            return codec
    return QuantileCodec(values, counts, lattice)


def find_spike(values, counts):
    """Return the position of the value that stands out of the others, None if there is none."""
    if len(values) < 3:
        return None
    first = int(np.argmax(counts))
    rest = np.delete(counts, first)
    prominent = counts[first] >= max(SPIKE * counts.sum(), PROMINENCE * rest.max())
    return first if prominent and rest.sum() >= MIN_REST else None


def choose_transform(values, counts, lattice=None):
    """Return the transform of a numeric column."""
    kept = ~far_out(values, counts)
    values, counts = values[kept], counts[kept]
    n_rows = counts.sum()
    share = counts / n_rows
    # A few rows prove neither ties nor spikes: two of five alike are no tenth of a table.
    spiky = share.max() >= SPIKE and counts.max() >= TIES
    range_ = values[-1] - values[0]
    tied = counts.max() >= TIES and repeats(counts, lattice)
    if spiky or tied or n_rows >= TIES * len(values):
        return "quantile"
    unit = (values - values[0]) / range_
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
