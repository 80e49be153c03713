"""Which codec a numeric column gets, and which of its cells seem to be codes for missing ones.

Quantiles make every marginal Gaussian and bend the relations between columns. That pays where a
model of standardised numbers smears spikes and ends, and costs distance on smooth small tables.
"""

from numbers import Real

import numpy as np

from skdiffusion._utils.gross import far_out
from skdiffusion.tables.codecs import ConstantCodec, SpikeCodec, StandardCodec
from skdiffusion.tables.lattice import find_lattice
from skdiffusion.tables.quantile import QuantileCodec, repeats
from skdiffusion.tables.reading import AMOUNTS

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

# Least range and difference of numbers: below, squares and slopes leave floating point
SMALLEST, CLOSEST = 1e-150, 1e-300

# rows and distinct cells among which one seems to be a code for missing ones
MIN_CODED = 20, 10
LAST_DAY = np.datetime64("9999-12-31", "D")


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


def hint_at_codes(columns):
    """Return what to tell the user about columns that seem to have codes for missing cells."""
    found = [f"{code} in column {column.name!r}" for column in columns for code in _codes(column)]
    hint = (
        f"{', '.join(found)}: far from the other cells, as codes for missing ones are. If it is "
        "one, replace it before fit, by NaN or None."
    )
    return [hint] if found else []


def _codes(column):
    """Return the extreme cells of a column that seem to be codes."""
    if column.kind not in AMOUNTS:
        return []
    values, counts = np.unique(column.observed, return_counts=True)
    if counts.sum() < MIN_CODED[0] or len(values) < MIN_CODED[1]:
        return []
    cells = values if column.clock is None else values.view(column.clock.dtype)
    far = far_out(values.astype(np.float64), counts)
    codes = []
    for place, others in ((0, values[1:]), (-1, values[:-1])):
        gap = abs(float(values[place]) - float(others[place]))
        is_apart = gap > 0.5 * (float(others[-1]) - float(others[0]))
        # below counts and amounts there is nothing
        is_apart |= values[place] == -1 and others[0] >= 0 and counts[place] > 1
        is_repeated = far[place] and counts[place] > 1
        if is_repeated or (is_apart and _is_known(cells[place])):
            codes.append(f"{cells[place]:g}" if column.clock is None else str(cells[place]))
    return codes


def _is_known(cell):
    """Return whether a cell is all nines, -1, or the last day of year 9999."""
    if isinstance(cell, np.datetime64):
        return cell.astype("M8[D]") >= LAST_DAY or cell.astype("M8[D]").astype(int) == 0
    if isinstance(cell, np.timedelta64):
        return False
    digits = f"{abs(cell):g}".replace(".", "")
    return cell == -1 or (len(digits) > 1 and set(digits) == {"9"})
