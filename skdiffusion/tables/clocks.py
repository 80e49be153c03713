"""Dates and durations as whole numbers of ticks, and back."""

from typing import NamedTuple

import numpy as np

from skdiffusion.tables.lattice import MAX_POINTS

# Below this whole number float64 holds all of them
EXACT = 2**53

# The first and the last day of the years 1 to 9999, since 1970: those that print
DAYS = -719162, 2932896

# The greatest number of ticks; the least of int64 stands for a missing one
LAST = 2**63 - 1

# Error of the way through floats, as a share of the range
ROUNDING = 2.0**-48


class Clock(NamedTuple):
    """What one tick of a column is, and whether it has a time zone."""

    dtype: np.dtype
    aware: bool = False


class TimeScale:
    """Ticks as floats, in a unit of which all observed ones are multiples from the earliest."""

    def __init__(self, ticks, clock):
        self.clock = clock
        ticks = np.unique(ticks) if len(ticks) else np.zeros(1, dtype=np.int64)
        self.origin, span = int(ticks[0]), int(ticks[-1]) - int(ticks[0])
        # modulo 2**64, since differences may be wider than int64
        self.unit = max(int(np.gcd.reduce(np.diff(ticks.view(np.uint64)))), 1)
        self.is_coarse = span // self.unit >= EXACT or self.unit > LAST
        if self.is_coarse:
            self.unit = 10 ** len(str(span // EXACT))
        # which a way through floats may miss
        self.seen = ticks if span // self.unit >= MAX_POINTS else None
        self.numbers = self.encode(ticks, clock)

    @property
    def limits(self):
        """The least and the greatest number that stands for a cell."""
        first, last = DAYS if self.clock.dtype == "M8[D]" else (-LAST, LAST)
        first, last = -((self.origin - first) // self.unit), (last - self.origin) // self.unit
        return min(max(first, -EXACT), 0), max(min(last, EXACT), self.numbers[-1])

    def encode(self, ticks, clock):
        """Return numbers of units since the origin."""
        part = 0.0
        if clock.dtype != self.clock.dtype:
            ticks, part = self._convert(ticks.view(clock.dtype))
        # divided first, since the difference may be wider than int64
        whole, rest = np.divmod(ticks, self.unit)
        first, offset = divmod(self.origin, self.unit)
        return (whole - first) + ((rest - offset) + part) / self.unit

    def _convert(self, values):
        """Return the ticks of times of another unit, and the parts of a tick beside them."""
        dtype = self.clock.dtype
        whole = values.astype(dtype)
        units = {np.datetime_data(each)[0] for each in (dtype, values.dtype)}
        # months and years have no fixed length, and no parts
        part = np.zeros(len(values))
        if not units & {"Y", "M"}:
            tick = np.ones(1, dtype=np.int64).view(dtype.str.replace("M8", "m8"))
            part = (values - whole.astype(values.dtype)) / tick
        if np.any(np.abs(part) >= 1):
            raise ValueError(f"Times are too far from 1970 for {dtype}, which fit has seen.")
        return whole.view(np.int64), part

    def decode(self, x):
        """Return the ticks of the nearest whole numbers of units."""
        whole = np.rint(np.clip(x, *self.limits)).astype(np.int64)
        first, offset = divmod(self.origin, self.unit)
        ticks = (whole + first) * self.unit + offset
        if self.seen is None:
            return ticks
        nearest = np.searchsorted((self.numbers[1:] + self.numbers[:-1]) / 2, x)
        is_near = np.abs(self.numbers[nearest] - x) <= ROUNDING * self.numbers[-1]
        return np.where(is_near, self.seen[nearest], ticks)
