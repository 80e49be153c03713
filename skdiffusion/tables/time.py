"""Dates and durations as whole numbers of ticks, and back."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property

import numpy as np

__all__ = ["Clock", "TimeScale", "read_time_array", "read_time_objects", "read_time_series"]

KINDS = {"M": "datetime", "m": "duration"}

ATTOSECONDS = {
    "W": 604_800 * 10**18,
    "D": 86_400 * 10**18,
    "h": 3_600 * 10**18,
    "m": 60 * 10**18,
    "s": 10**18,
    "ms": 10**15,
    "us": 10**12,
    "ns": 10**9,
    "ps": 10**6,
    "fs": 10**3,
    "as": 1,
}

EXACT = 2**53
"""Below this whole number float64 holds all of them."""

LAST = 2**63 - 1
"""The greatest number of ticks; the least of int64 stands for a missing one."""


@dataclass(frozen=True)
class Clock:
    """What one tick of a column is, and how its cells are made."""

    dtype: np.dtype
    aware: bool = False
    maker: type | None = None
    zone: object = None
    first: int = -LAST
    last: int = LAST

    @property
    def kind(self):
        """Whether cells are instants or spans of time."""
        return KINDS[self.dtype.kind]

    @property
    def length(self):
        """Length of a tick in attoseconds, None where it is no fixed one."""
        unit, count = np.datetime_data(self.dtype)
        return ATTOSECONDS[unit] * count if unit in ATTOSECONDS else None

    def cells(self, ticks, gaps):
        """Return ticks as NumPy values, those that are missing as NaT."""
        cells = np.array(ticks, dtype=np.int64).view(self.dtype)
        cells[gaps] = np.array("NaT", dtype=self.dtype)
        return cells

    def objects(self, ticks, gaps):
        """Return an array of Python objects of the class seen in `fit`."""
        cells = self.cells(ticks, gaps)
        objects = np.empty(len(cells), dtype=object)
        if self.maker in (datetime, date, timedelta):
            objects[:] = cells.astype(object)
        else:
            for i, cell in enumerate(cells):
                objects[i] = self.maker(cell)
        if self.zone is None:
            return objects
        for i in np.flatnonzero(~gaps):
            if self.maker is datetime:
                objects[i] = objects[i].replace(tzinfo=UTC).astimezone(self.zone)
            else:
                objects[i] = objects[i].tz_localize("UTC").tz_convert(self.zone)
        return objects


class TimeScale:
    """Ticks as floats, counted from the earliest observed one."""

    def __init__(self, ticks, clock):
        self.clock = clock
        self.origin, self.unit = int(ticks.min(initial=LAST)), 1
        if not len(ticks):
            self.origin = 0
            return
        offsets = np.unique(_difference(ticks, self.origin))
        self.unit = max(int(np.gcd.reduce(offsets)), 1)
        if int(offsets[-1]) // self.unit >= EXACT:
            self.unit = 1
            while int(offsets[-1]) // self.unit >= EXACT:
                self.unit *= 10

    @cached_property
    def limits(self):
        """The least and the greatest number that stands for a cell."""
        first = -((self.origin - self.clock.first) // self.unit)
        last = (self.clock.last - self.origin) // self.unit
        return max(first, -EXACT), min(last, EXACT)

    def encode(self, ticks, clock):
        """Return numbers of units since the origin."""
        origin, unit = self.origin, self.unit
        if clock.dtype != self.clock.dtype:
            ticks, origin, unit = self._in_one_unit(ticks, clock)
            if ticks.dtype != np.int64:
                return (ticks - float(origin)) / unit
        before = ticks < origin
        offsets = np.where(before, _difference(origin, ticks), _difference(ticks, origin))
        whole, rest = np.divmod(offsets, np.uint64(unit))
        x = whole.astype(np.float64) + rest.astype(np.float64) / unit
        return np.where(before, -x, x)

    def _in_one_unit(self, ticks, clock):
        """Return ticks, origin and unit in the finer of two clocks, as floats where too large."""
        if clock.length is None or self.clock.length is None:
            ticks = ticks.view(clock.dtype).astype(self.clock.dtype).view(np.int64)
            return ticks, self.origin, self.unit
        factor = max(clock.length // self.clock.length, 1)
        divisor = max(self.clock.length // clock.length, 1)
        origin, unit = self.origin * divisor, self.unit * divisor
        greatest = max(abs(int(ticks.max(initial=0))), abs(int(ticks.min(initial=0))))
        if greatest * factor <= LAST and abs(origin) <= LAST and unit <= LAST:
            return ticks * np.int64(factor), origin, unit
        return ticks.astype(np.float64) * factor, origin, unit

    def decode(self, x):
        """Return the ticks of the nearest whole numbers of units."""
        whole = np.rint(np.clip(x, *self.limits)).astype(np.int64)
        # modulo 2**64, since the range of a column may be wider than that of int64
        steps = whole.view(np.uint64) * np.uint64(self.unit)
        return (np.array(self.origin, dtype=np.int64).view(np.uint64) + steps).view(np.int64)


def _difference(later, earlier):
    """Subtract int64, exactly, where the difference is at least zero."""
    later, earlier = np.asarray(later, np.int64), np.asarray(earlier, np.int64)
    return later.view(np.uint64) - earlier.view(np.uint64)


def read_time_array(values):
    """Read NumPy times."""
    gaps = np.isnat(values)
    native = values.dtype.newbyteorder("=")
    ticks = np.where(gaps, 0, values.astype(native).view(np.int64))
    return ticks, gaps, Clock(native)


def read_time_series(series):
    """Read times out of a frame."""
    dtype, native = series.dtype, series.to_native()
    zone = getattr(dtype, "time_zone", None)
    kind = "m8" if type(dtype).__name__ == "Duration" else "M8"
    unit = getattr(dtype, "time_unit", "D")
    if hasattr(native, "to_physical"):
        gaps = series.is_null().to_numpy()
        ticks = native.to_physical().fill_null(0).to_numpy().astype(np.int64)
        last = 2**31 - 1 if unit == "D" else LAST
        return ticks, gaps, Clock(np.dtype(f"{kind}[{unit}]"), zone is not None, None, None, -last)
    if zone is not None:
        native = native.dt.tz_convert("UTC").dt.tz_localize(None)
    ticks, gaps, clock = read_time_array(native.to_numpy(dtype=f"{kind}[{unit}]"))
    return ticks, gaps, Clock(clock.dtype, zone is not None)


def read_time_objects(cells, gaps):
    """Read times out of Python objects, if they are nothing else."""
    maker, problem = _common_class(cells)
    if maker is None:
        return None, problem
    zone = None
    if issubclass(maker, datetime):
        zone, *others = {cell.tzinfo is None: cell.tzinfo for cell in cells}.values()
        if others:
            return None, "mixes times with and without a time zone: give all of them one"
    values = np.array([_numpy_time(cell) for cell in cells])
    unit = {datetime: "M8[us]", date: "M8[D]", timedelta: "m8[us]"}.get(maker, values.dtype)
    ticks = np.zeros(len(gaps), dtype=np.int64)
    ticks[~gaps] = values.astype(unit).view(np.int64)
    limits = -LAST, LAST
    if maker in (datetime, date):
        limits = np.array([maker.min, maker.max], dtype=unit).view(np.int64).tolist()
    return ticks, Clock(np.dtype(unit), zone is not None, maker, zone, *limits)


def _common_class(cells):
    """Class of which all cells are, None with the problem if there is one."""
    classes = set(map(type, cells))
    names = {c.__name__ for c in classes}
    families = (np.datetime64, np.timedelta64, datetime, date, timedelta)
    found = {next((f for f in families if issubclass(c, f)), None) for c in classes}
    if names == {"time"}:
        return None, "holds times of day: convert them to durations or to numbers"
    if names == {"Period"}:
        return None, "holds periods: convert them to dates"
    if None in found:
        return None, ""
    if len(found) > 1:
        return None, "mixes dates, times and durations: give all cells one type"
    # the class of pandas, which has finer ticks, before that of the standard library
    fine = [c for c in classes if hasattr(c, "to_datetime64") or hasattr(c, "to_timedelta64")]
    return (fine or [*found])[0], ""


def _numpy_time(cell):
    if isinstance(cell, np.datetime64 | np.timedelta64):
        return cell
    for method in ("to_datetime64", "to_timedelta64"):
        if hasattr(cell, method):
            return getattr(cell, method)()
    if isinstance(cell, timedelta):
        return np.timedelta64(cell, "us")
    if isinstance(cell, datetime):
        if cell.tzinfo is not None:
            cell = cell.astimezone(UTC).replace(tzinfo=None)
        return np.datetime64(cell, "us")
    return np.datetime64(cell, "D")
