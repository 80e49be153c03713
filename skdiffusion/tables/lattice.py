"""The spacing at which a numeric column was recorded."""

from dataclasses import dataclass

import numpy as np

# Relative precision of float64
DOUBLE = float(np.finfo(np.float64).eps)

# Finest decimal place that is looked for; finer columns count as continuous
MAX_DECIMALS = 8

# Longest lattice considered: beyond it a rounding test says nothing in double precision
MAX_POINTS = 2.0**40

# Logarithm of the chance of numbers to be decimals from which on they are not
LOG_CHANCE = -14.0


@dataclass(frozen=True)
class Lattice:
    """Equally spaced points on which all recorded values of a column lie."""

    observed: np.ndarray
    step: float
    integral: bool
    decimals: int | None = None

    @property
    def is_open(self):
        """Whether other points may occur: whole numbers may, and others where most of them did."""
        n_points = (self.observed[-1] - self.observed[0]) / self.step + 1
        return self.integral or len(self.observed) >= n_points / 2

    def snap(self, x):
        """Move values to the nearest lattice point."""
        origin = self.observed[0]
        x = origin + np.rint((x - origin) / self.step) * self.step
        if self.integral:
            return np.rint(x)
        if self.decimals is not None:
            x = np.round(x, self.decimals)
        position = np.searchsorted(self.observed, x - self.step / 4)
        nearest = self.observed[np.minimum(position, len(self.observed) - 1)]
        return np.where(np.abs(nearest - x) < self.step / 4, nearest, x)


def find_lattice(values, resolution=DOUBLE):
    """Find the coarsest decimal lattice that holds all values."""
    if len(values) < 2:
        return None
    offsets = values - values[0]
    noise = 4 * resolution * np.abs(values[[0, -1]]).max()
    for decimals in range(MAX_DECIMALS + 1):
        unit = 10.0**decimals
        scaled = offsets * unit
        tolerance = 1e-6 + noise * unit
        if not scaled[-1] < MAX_POINTS or tolerance > 0.01:
            return None
        whole = np.rint(scaled)
        if np.abs(scaled - whole).max() <= tolerance and np.all(np.diff(whole) > 0):
            step = float(np.gcd.reduce(whole.astype(np.int64)))
            plain = np.abs(np.round(values, decimals) - values).max() <= noise
            integral = decimals == 0 and bool(np.all(values == np.rint(values)))
            return Lattice(values, step / unit, integral, decimals if plain else None)
    return None


def narrow_decimals(values, dtype):
    """Return to how many decimals floats of a narrow data type were recorded, None for no end."""
    if dtype.kind != "f" or dtype.itemsize >= 8:
        return None
    values = np.unique(values)
    whole = values == np.rint(values)
    for decimals in range(1, MAX_DECIMALS + 1):
        is_round = np.round(values, decimals).astype(dtype) == values
        if is_round.all():
            # of those that are no coarser: how wide numbers are that read as one decimal
            width = np.spacing(np.abs(values[~whole]).astype(dtype)).astype(float) * 10.0**decimals
            return decimals if np.log(np.minimum(width, 1.0)).sum() < LOG_CHANCE else None
        whole = is_round
    return None
