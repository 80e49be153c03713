"""Dates and durations as whole numbers of ticks, and back."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property

import narwhals as nw
import numpy as np

KINDS = {"M": "datetime", "m": "duration"}

EXACT = 2**53
"""Below this whole number float64 holds all of them."""

FAMILIES = (np.datetime64, np.timedelta64, datetime, date, timedelta)

MAX_DAYS = 2**31 - 1
"""The greatest number of days since 1970 that frames hold."""

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
        """Return whether cells are instants or spans of time."""
        return KINDS[self.dtype.kind]

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
            objects[:] = [self.maker(cell) for cell in cells]
        if self.zone is None:
            return objects
        for i in np.flatnonzero(~gaps):
            if self.maker is datetime:
                objects[i] = objects[i].replace(tzinfo=UTC).astimezone(self.zone)
            else:
                objects[i] = objects[i].tz_localize("UTC").tz_convert(self.zone)
        return objects


class TimeScale:
    """Ticks as floats, in a unit of which all observed ones are multiples from the earliest."""

    def __init__(self, ticks, clock):
        self.clock = clock
        ticks = np.unique(ticks) if len(ticks) else np.zeros(1, dtype=np.int64)
        self.origin, span = int(ticks[0]), int(ticks[-1]) - int(ticks[0])
        # modulo 2**64, since differences may be wider than int64
        self.unit = max(int(np.gcd.reduce(np.diff(ticks.view(np.uint64)))), 1)
        if span // self.unit >= EXACT or self.unit > LAST:
            self.unit = 10 ** len(str(span // EXACT))

    @cached_property
    def limits(self):
        """The least and the greatest number that stands for a cell."""
        first = -((self.origin - self.clock.first) // self.unit)
        last = (self.clock.last - self.origin) // self.unit
        return max(first, -EXACT), min(last, EXACT)

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
        return (whole + first) * self.unit + offset


def read_time_array(values):
    """Read NumPy times."""
    gaps = np.isnat(values)
    native = values.dtype.newbyteorder("=")
    ticks = np.where(gaps, 0, values.astype(native).view(np.int64))
    return ticks, gaps, Clock(native)


def read_time_series(series):
    """Read times out of a frame."""
    dtype = series.dtype
    is_aware = getattr(dtype, "time_zone", None) is not None
    if is_aware:
        series = series.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    kind = "m8" if dtype == nw.Duration else "M8"
    unit = getattr(dtype, "time_unit", "D")
    ticks, gaps, clock = read_time_array(series.to_numpy().astype(f"{kind}[{unit}]"))
    last = MAX_DAYS if unit == "D" else LAST
    return ticks, gaps, Clock(clock.dtype, is_aware, first=-last, last=last)


def read_time_objects(name, cells, gaps):
    """Read times out of Python objects; return None if they are others."""
    maker = _common_class(name, cells)
    if maker is None:
        return None
    zone = None
    if issubclass(maker, datetime):
        zone, *others = {cell.tzinfo is None: cell.tzinfo for cell in cells}.values()
        if others:
            refuse(name, "mixes times with and without a time zone: give all of them one")
    values = np.array([_numpy_time(cell) for cell in cells])
    unit = {datetime: "M8[us]", date: "M8[D]", timedelta: "m8[us]"}.get(maker, values.dtype)
    ticks = np.zeros(len(gaps), dtype=np.int64)
    ticks[~gaps] = values.astype(unit).view(np.int64)
    limits = -LAST, LAST
    if maker in (datetime, date):
        limits = np.array([maker.min, maker.max], dtype=unit).view(np.int64).tolist()
    return ticks, Clock(np.dtype(unit), zone is not None, maker, zone, *limits)


def refuse(name, problem):
    """Raise for a column that cannot be encoded."""
    raise TypeError(f"TableEncoder cannot code column {name!r}: it {problem}.")


def _common_class(name, cells):
    """Return the class of times of which all cells are, None for other cells."""
    classes = set(map(type, cells))
    if {c.__name__ for c in classes} <= {"time", "Period"}:
        refuse(name, "holds times of day or periods: convert them to durations, or to dates")
    found = {next((f for f in FAMILIES if issubclass(c, f)), None) for c in classes}
    if None in found:
        return None
    if len(found) > 1:
        refuse(name, "mixes dates, times and durations: give all cells one type")
    # the class of pandas, which has finer ticks, before that of the standard library
    fine = [c for c in classes if hasattr(c, "to_datetime64") or hasattr(c, "to_timedelta64")]
    return (fine or [*found])[0]


def _numpy_time(cell):
    for method in ("to_datetime64", "to_timedelta64"):
        if hasattr(cell, method):
            return getattr(cell, method)()
    if isinstance(cell, np.datetime64 | np.timedelta64):
        return cell
    if isinstance(cell, timedelta):
        return np.timedelta64(cell, "us")
    if isinstance(cell, datetime):
        cell = cell if cell.tzinfo is None else cell.astimezone(UTC).replace(tzinfo=None)
        return np.datetime64(cell, "us")
    return np.datetime64(cell, "D")
