"""Columns of any data type and content, made from a seed."""

from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

NUMBERS = (
    "normal", "lognormal", "counts", "decimals", "constant", "spike", "gross", "gross -1",
    "gross 1e9", "few", "halves", "magnitudes", "tiny", "huge", "too huge", "close", "far from 0",
    "distinct", "one other", "heavy", "zero and tiny",
)  # fmt: skip
TIMES = ("days", "seconds", "constant", "few", "fine", "years", "extreme", "last day")
TEXTS = ("few", "many", "distinct", "codes", "dates", "constant", "odd", "mails")

INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
FLOATS = ("float16", "float32", "float64")
PANDAS = (
    *INTEGERS, *FLOATS, "float64", "bool",
    "Int8", "Int64", "UInt16", "UInt64", "Float32", "Float64", "boolean",
    "int16[pyarrow]", "int64[pyarrow]", "double[pyarrow]", "float[pyarrow]", "bool[pyarrow]",
    "decimal128(20, 3)[pyarrow]", "string[pyarrow]", "dictionary[pyarrow]", "Sparse[float64]",
    "str", "string", "category", "category ordered", "category of numbers",
    "object text", "object int", "object float", "object Decimal", "object date", "object bool",
    "object mixed", "object zoned", "complex", "period", "object list",
    "M8[s]", "M8[ms]", "M8[us]", "M8[ns]", "M8[ns] zoned", "M8[us] zoned",
    "m8[s]", "m8[ms]", "m8[us]", "m8[ns]",
    "date32[pyarrow]", "timestamp[ms][pyarrow]", "timestamp[ns][pyarrow]",
    "timestamp[us, tz=Europe/Berlin][pyarrow]", "duration[us][pyarrow]", "duration[ns][pyarrow]",
    "time64[us][pyarrow]",
)  # fmt: skip
POLARS = (
    "Int8", "Int16", "Int32", "Int64", "Int128", "UInt8", "UInt16", "UInt32", "UInt64",
    "Float32", "Float64", "Float64", "Boolean", "String", "Categorical", "Enum", "Decimal", "Null",
    "Date", "Datetime ms", "Datetime us", "Datetime ns", "Datetime us zoned",
    "Duration ms", "Duration us", "Duration ns", "Time", "Binary", "List", "Object",
)  # fmt: skip
NUMPY = (
    "float16", "float32", "float64", "float64", "int8", "int32", "int64", "uint8", "uint64",
    "bool", "object", "object", "str", "M8[D]", "M8[ns]", "M8[M]", "M8[Y]", "m8[s]", "m8[ns]",
    "complex",
)  # fmt: skip
TEXTUAL = {
    "str", "string", "category", "category ordered", "String", "Categorical", "Enum", "Binary",
    "Object",
}  # fmt: skip
# numbers of all magnitudes, and those at the ends of floating point
NASTY = np.array([5e-324, 1e-320, 1e-300, 1e-150, 1e-30, 1e-8, 1.0, 1e8, 1e30, 1e149, -1.0, 0.0])


def family_of(dtype):
    """Return what a column of a data type holds: numbers, times, text or booleans."""
    if dtype.lower().removeprefix("object ").startswith("bool"):
        return "boolean"
    if dtype in TEXTUAL or dtype.split("[")[0] in ("string", "dictionary") or "text" in dtype:
        return "text"
    times = ("M8", "m8", "date", "time", "duration", "object date", "object zoned", "period")
    return "time" if dtype.startswith((*times, "Date", "Duration", "Time")) else "number"


def numbers(content, n, rng):
    """Return numbers as floats."""
    x = rng.normal(size=n)
    some = rng.random(n)
    made = {
        "normal": lambda: x,
        "lognormal": lambda: np.exp(3 * x),
        "counts": lambda: rng.poisson(4, n),
        "decimals": lambda: np.round(10 * x, 2),
        "constant": lambda: np.full(n, 7.25),
        "spike": lambda: np.where(some < 0.6, 0.0, np.abs(x) + 1),
        "gross": lambda: np.where(some < 0.05, 999.0, x),
        "gross -1": lambda: np.where(some < 0.2, -1.0, np.abs(np.round(30 * x))),
        "gross 1e9": lambda: np.where(np.arange(n) == n // 2, 1e9, x),
        "few": lambda: rng.integers(0, 3, n) * 1.5,
        "halves": lambda: np.round(4 * x) / 2,
        "magnitudes": lambda: np.sign(x) * 10 ** rng.uniform(-320, 149, n),
        "tiny": lambda: x * 1e-310,
        "huge": lambda: x * 1e148,
        "too huge": lambda: np.clip(x, -1, 1) * 1.7e308,
        "close": lambda: 1.0 + rng.integers(0, 3, n) * 2.0**-52,
        "far from 0": lambda: 1e12 + np.round(x, 3),
        "distinct": lambda: rng.permutation(n) + 1000,
        "one other": lambda: np.where(np.arange(n) == 0, 3.0, 1.0),
        "heavy": lambda: rng.standard_cauchy(n) ** 3,
        "zero and tiny": lambda: rng.choice(NASTY, n),
    }[content]()
    return np.asarray(made, dtype=np.float64)


def ticks(content, n, rng, unit):
    """Return times as whole numbers of a unit."""
    a_day = max(int(np.timedelta64(1, "D") / np.timedelta64(1, unit)), 1) if unit not in "MY" else 1
    days = rng.integers(0, 700, n)
    made = {
        "days": lambda: (days + 19000) * a_day,
        "seconds": lambda: 19000 * a_day + rng.integers(0, 10**7, n) * max(a_day // 86400, 1),
        "constant": lambda: np.full(n, 19000 * a_day),
        "few": lambda: (19000 + 30 * rng.integers(0, 3, n)) * a_day,
        "fine": lambda: 19000 * a_day + rng.integers(0, 2**62 // 10**6, n) % (400 * a_day),
        "years": lambda: rng.integers(-80000, 80000, n) * a_day,
        "extreme": lambda: rng.choice([-(2**62), 0, 2**20, 2**62], n),
        "last day": lambda: np.where(days < 60, 2932896, days + 19000) * a_day,
    }[content]()
    return np.asarray(made, dtype=np.int64)


def texts(content, n, rng):
    """Return text."""
    k = rng.integers(0, max(n // 4, 2), n)
    made = {
        "few": lambda: [("red", "green", "blue")[i % 3] for i in k],
        "many": lambda: [f"level {i}" for i in k],
        "distinct": lambda: [f"name{i}x" for i in rng.permutation(n)],
        "codes": lambda: [f"{i:05d}" for i in k],
        "dates": lambda: [str(np.datetime64(19000 + int(i), "D")) for i in k],
        "constant": lambda: ["same"] * n,
        "odd": lambda: [("", " ", "nan", "None", "ü", "a\nb", "0", "1e5")[i % 8] for i in k],
        "mails": lambda: [f"p{i}@example.org" for i in rng.integers(0, 10**6, n)],
    }[content]()
    return [str(cell) for cell in made]


def array_of(dtype):
    """Return the data type of an array of NumPy."""
    return {"str": "U24", "complex": "c16"}.get(dtype, dtype)


def _fitting(x, dtype):
    """Bring numbers into a data type, whole ones into its range."""
    info = np.dtype(dtype)
    if info.kind in "iu":
        ends = np.iinfo(info)
        x = np.clip(np.rint(x), max(float(ends.min), -(2.0**52)), min(float(ends.max), 2.0**52))
    elif info.kind == "f":
        x = np.clip(x, -float(np.finfo(info).max), float(np.finfo(info).max))
    return x.astype(info)


def _start(column, n):
    rng = np.random.default_rng(column.seed)
    gaps = np.ones(n, dtype=bool) if column.gaps == 1 else rng.random(n) < column.gaps
    return rng, gaps


def numpy_column(column, n):
    """Make a column of an array; data types without missing cells have none."""
    rng, gaps = _start(column, n)
    dtype, family = column.dtype, family_of(column.dtype)
    if dtype.startswith("object"):
        return _objects(column, n, rng, gaps)
    if family == "text":
        return np.array(texts(column.content, n, rng))
    if family == "boolean":
        return rng.random(n) < 0.4
    if family == "time":
        unit = np.datetime_data(dtype)[0]
        cells = ticks(column.content, n, rng, unit).view(dtype)
        return np.where(gaps, np.array("NaT", dtype=dtype), cells)
    x = numbers(column.content, n, rng)
    if dtype == "complex":
        return x + 1j
    x = _fitting(x, dtype)
    return np.where(gaps, np.array(np.nan, dtype=dtype), x) if x.dtype.kind == "f" else x


def _objects(column, n, rng, gaps):
    """Return Python objects, None or NaN where there are none."""
    kind, content = column.dtype.removeprefix("object "), column.content
    if kind == "text":
        cells = texts(content, n, rng)
    elif kind == "bool":
        cells = (rng.random(n) < 0.4).tolist()
    elif kind == "int":
        cells = [int(x) for x in np.clip(numbers(content, n, rng), -(2**52), 2**52)]
    elif kind == "float":
        cells = numbers(content, n, rng).tolist()
    elif kind == "Decimal":
        x = np.clip(numbers(content, n, rng), -1e9, 1e9)
        cells = [Decimal(str(round(value, 3))) for value in x.tolist()]
    elif kind == "mixed":
        both = zip(numbers(content, n, rng).tolist(), rng.random(n) < 0.5, strict=True)
        cells = [value if is_number else f"{value:.1f}" for value, is_number in both]
    elif kind == "list":
        cells = [[x] for x in range(n)]
    else:
        days = np.clip(ticks(content, n, rng, "D"), -700000, 2900000)
        cells = [date(1970, 1, 1) + timedelta(int(day)) for day in days]
        if kind == "zoned":
            zones = ["+02:00", "-05:00"]
            cells = [
                pd.Timestamp(f"2024-0{1 + d % 9}-01T00:00:00{zones[d % 2]}").to_pydatetime()
                for d in days.tolist()
            ]
    marker = (None, np.nan)[column.seed % 2]
    made = np.empty(n, dtype=object)
    made[:] = [marker if gap else cell for cell, gap in zip(cells, gaps, strict=True)]
    return made


def pandas_column(column, n):
    """Make a series of pandas."""
    rng, gaps = _start(column, n)
    dtype, family = column.dtype, family_of(column.dtype)
    if dtype.startswith("object"):
        return pd.Series(_objects(column, n, rng, gaps), dtype=object)
    if family == "time":
        return _pandas_times(column, n, rng, gaps)
    if family == "text":
        return _pandas_text(column, texts(column.content, n, rng), gaps)
    if family == "boolean":
        cells = pd.Series(rng.random(n) < 0.4)
        return cells if dtype == "bool" else cells.astype(dtype).mask(gaps)
    x = numbers(column.content, n, rng)
    if dtype == "complex":
        return pd.Series(x + 1j)
    if dtype == "category of numbers":
        return pd.Series(np.round(x, 1)).mask(gaps).astype("category")
    if dtype.startswith("decimal"):
        cells = [Decimal(str(round(value, 3))) for value in np.clip(x, -1e9, 1e9).tolist()]
        return pd.Series(cells, dtype=pd.ArrowDtype(pa.decimal128(20, 3))).mask(gaps)
    inner = dtype.removeprefix("Sparse[").removesuffix("]").removesuffix("[pyarrow").lower()
    x = pd.Series(_fitting(x, {"double": "float64", "float": "float32"}.get(inner, inner)))
    if dtype in INTEGERS:
        return x
    if dtype.startswith("Sparse"):
        return x.mask(gaps).astype(pd.SparseDtype("float64", (0.0, np.nan)[column.seed % 2]))
    return x.mask(gaps) if dtype in FLOATS else x.astype(dtype).mask(gaps)


def _pandas_times(column, n, rng, gaps):
    dtype = column.dtype
    if dtype == "period":
        return pd.Series(pd.period_range("2024-01", periods=n, freq="M"))
    if dtype.startswith("time64"):
        return pd.Series([pd.Timestamp(k, unit="s").time() for k in range(n)], dtype=dtype)
    unit = next((u for u in ("ns", "us", "ms") if u in dtype), "s")
    kind = "m8" if dtype.startswith(("m8", "duration")) else "M8"
    # frames print times, which have to be within the calendar
    cells = ticks(column.content, n, rng, unit)
    per_day = np.timedelta64(1, "D") / np.timedelta64(1, unit)
    if kind == "M8":
        cells = np.clip(cells, *(np.array([-700000, 2932896]) * min(per_day, 2**62 // 2932897)))
    series = pd.Series(cells.astype(np.int64).view(f"{kind}[{unit}]")).mask(gaps)
    if dtype.endswith("zoned"):
        return series.dt.tz_localize("UTC").dt.tz_convert("Europe/Berlin")
    if "tz=" in dtype:
        return series.dt.tz_localize("UTC").astype(dtype)
    if dtype == "date32[pyarrow]":
        return series.astype("timestamp[s][pyarrow]").astype(dtype)
    return series.astype(dtype) if dtype.endswith("[pyarrow]") else series


def _pandas_text(column, cells, gaps):
    dtype = column.dtype
    series = pd.Series(cells, dtype="str").mask(gaps)
    if dtype == "category ordered":
        levels = sorted(set(cells))[:: (-1, 1)[column.seed % 2]]
        return series.astype(pd.CategoricalDtype([*levels, "never"], ordered=True))
    if dtype == "dictionary[pyarrow]":
        return series.astype(pd.ArrowDtype(pa.dictionary(pa.int32(), pa.string())))
    return series.astype(dtype)


def polars_column(column, n):
    """Make a series of polars."""
    rng, gaps = _start(column, n)
    dtype, family = column.dtype.split(" ")[0], family_of(column.dtype)
    make, unit = getattr(pl, dtype), None
    if dtype == "Null":
        return pl.Series([None] * n, dtype=make)
    if dtype in ("List", "Time"):
        cells = (
            [[1]] * n if dtype == "List" else [pd.Timestamp(k, unit="h").time() for k in [1]] * n
        )
        return pl.Series(cells)
    if family == "time":
        unit = column.dtype.split(" ")[1] if dtype != "Date" else "D"
        cells = ticks(column.content, n, rng, unit)
        if dtype != "Duration":
            per_day = np.timedelta64(1, "D") / np.timedelta64(1, unit)
            cells = np.clip(cells, *(np.array([-700000, 2932896]) * min(per_day, 2**62 // 2932897)))
            cells = cells.astype(np.int64)
        make = pl.Date if dtype == "Date" else make(unit)
        series = pl.Series(cells.tolist(), dtype=pl.Int64)
        series = (series.cast(pl.Int32) if dtype == "Date" else series).cast(make)
        if column.dtype.endswith("zoned"):
            series = series.dt.replace_time_zone("UTC").dt.convert_time_zone("Asia/Tokyo")
        return _with_gaps(series, gaps)
    if family == "text":
        cells = texts(column.content, n, rng)
        if dtype == "Enum":
            make = pl.Enum([*sorted(set(cells)), "never"])
        if dtype == "Binary":
            cells = [cell.encode() for cell in cells]
        if dtype == "Object":
            cells = [None if gap else cell for cell, gap in zip(cells, gaps, strict=True)]
            return pl.Series(cells, dtype=make)
        return _with_gaps(pl.Series(cells, dtype=make), gaps)
    if family == "boolean":
        return _with_gaps(pl.Series((rng.random(n) < 0.4).tolist()), gaps)
    x = numbers(column.content, n, rng)
    if dtype == "Decimal":
        cells = [Decimal(str(round(value, 3))) for value in np.clip(x, -1e9, 1e9).tolist()]
        return _with_gaps(pl.Series(cells, dtype=pl.Decimal(20, 3)), gaps)
    x = _fitting(x, "int64" if dtype == "Int128" else dtype.lower())
    return _with_gaps(pl.Series(x).cast(make), gaps)


def _with_gaps(series, gaps):
    return series.to_frame("x").select(
        pl.when(pl.Series(gaps)).then(None).otherwise(pl.col("x")).alias("x")
    )["x"]
