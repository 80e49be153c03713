"""The spacing at which a numeric column was recorded."""

from dataclasses import dataclass

import numpy as np

DOUBLE = float(np.finfo(np.float64).eps)
"""Relative precision of float64."""

MAX_DECIMALS = 8
"""Finest decimal place that is looked for; finer columns count as continuous."""

MAX_POINTS = 2.0**40
"""Longest lattice considered: beyond it a rounding test says nothing in double precision."""


@dataclass(frozen=True)
class Lattice:
    """Equally spaced points on which all recorded values of a column lie.

    Parameters
    ----------
    observed : ndarray of shape (n_values,)
        The distinct recorded values, increasing.
    step : float
        Distance between neighbouring points, in the column's units.
    integral : bool
        Whether every point is an integer.
    decimals : int or None, default=None
        Number of decimal places of every point, None where the lattice is shifted.
    """

    observed: np.ndarray
    step: float
    integral: bool
    decimals: int | None = None

    def snap(self, x):
        """Move values to the nearest lattice point.

        Points that were recorded come back bit for bit, so that 0.3 stays 0.3 and does not
        turn into 0.30000000000000004.

        Parameters
        ----------
        x : ndarray of shape (n,)
            Values in the column's units.

        Returns
        -------
        snapped : ndarray of shape (n,)
            The nearest lattice points.
        """
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
    """Find the coarsest decimal lattice that holds all values.

    Parameters
    ----------
    values : ndarray of shape (n_values,)
        Distinct values of a column, increasing.
    resolution : float, default=2.2e-16
        Relative precision at which the column is stored (larger for ``float32``).

    Returns
    -------
    lattice : Lattice or None
        None where the values fit no lattice of at most 8 decimal places.

    Examples
    --------
    >>> import numpy as np
    >>> find_lattice(np.array([10.0, 35.0, 60.0])).step
    25.0
    >>> find_lattice(np.array([0.1, 0.15, 0.4])).step
    0.05
    >>> find_lattice(np.array([0.0, 1 / 3, np.pi])) is None
    True
    """
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
