"""Tables in files: their separator, encoding and cells found out, and written the same way."""

import csv
import io
import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from skdiffusion._utils.whole_file import whole_file

PARQUET = (".parquet", ".pq")
# the first one also where there is a single column, whose cells may hold commas
SEPARATORS = ";,\t|"
# encodings to try, and what files in them start with
ENCODINGS = {
    "utf-8-sig": b"\xef\xbb\xbf",
    "utf-16": (b"\xff\xfe", b"\xfe\xff"),
    **dict.fromkeys(("utf-8", "cp1252", "latin-1"), b""),
}
NUMBER = r"-?(?:\d+[.]?\d*|[.]\d+)(?:[eE][+-]?\d+)?"
# digits that are no number: leading zeros, telephone numbers, more than floating point holds
CODE = r"-?0\d.*|[+].*|-?\d{16,}"
# what stands for a missing cell in a column of numbers or times
BLANK = r"\W+"
# other orders of dates, where no cell can be read in two of them
DATES = ("%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%Y/%m/%d")
HOURS = ("", " %H:%M", " %H:%M:%S")
ISO_TIME = r"^(\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.]\d{1,6})?)?)?)(Z|[+-]\d\d:?\d\d)?$"


@dataclass(frozen=True)
class Format:
    """How a column writes its cells: levels, which stay text, numbers or times."""

    kind: str = "levels"
    mark: str = "."  # of decimals, between date and hour, or the pattern of dates
    least: int = 0  # decimals of all numbers, or length of times but for their zone
    most: int = 0  # decimals of any number, or zones

    def read(self, cells):
        """Return cells of text as what they stand for, times of several zones in UTC."""
        import pandas as pd

        if self.kind != "levels":
            cells = cells.mask(cells.str.strip().str.fullmatch(BLANK).eq(True))
        if self.kind == "dates":
            return pd.to_datetime(cells, format=self.mark)
        if self.kind == "times":
            return pd.to_datetime(cells, format="ISO8601", utc=self.most > 1)
        if self.kind == "numbers":
            numbers = pd.to_numeric(cells.str.replace(self.mark, "."))
            return numbers.astype("float64" if self.most else "Int64")
        return cells

    def write(self, values):
        """Return values as text, but for gaps and levels."""
        if self.kind == "levels":
            return values.astype(object)
        return values.astype(object).map(self._write, na_action="ignore")

    def _write(self, cell):
        if self.kind == "dates":
            return cell.strftime(self.mark)
        if self.kind == "times":
            text = cell.isoformat(self.mark, "microseconds")
            return text[: self.least] + text[26:]
        x = round(float(cell), self.most) + 0.0  # no minus before a zero
        is_short = round(x, self.least) == x and abs(x) < 1e15
        return (f"{x:.{self.least}f}" if is_short else repr(x)).replace(".", self.mark)


def format_of(cells, mark):
    """Return the format of a column of text, with a mark of decimals other than the point."""
    cells = cells.dropna().str.strip()
    cells = cells[~cells.str.fullmatch(BLANK)]
    dates = [Format("dates", day + hour) for day in DATES for hour in HOURS]
    fits = [each for each in dates if len(cells) and _is_written(cells, each)]
    if len(fits) == 1:
        return fits[0]
    if not len(cells) or cells.str.fullmatch(CODE).any():
        return Format()
    mark = mark if cells.str.contains(mark, regex=False).any() else "."
    numbers = cells.str.replace(mark, ".", regex=False)
    if numbers.str.fullmatch(NUMBER).all():
        decimals = numbers.str.partition(".")[2].str.len()
        has_power = numbers.str.contains("e", case=False).any()
        return Format("numbers", mark, int(decimals.min()), 999 if has_power else decimals.max())
    parts = cells.str.extract(ISO_TIME)
    if parts[0].notna().all():
        longest, n_zones = max(parts[0], key=len), parts[1].nunique(dropna=False)
        times = Format("times", longest[10:11] or " ", len(longest), n_zones)
        with suppress(ValueError):  # such as 30 February
            times.read(cells)
            return times
    return Format()


def _is_written(cells, style):
    """Return whether a format gives the cells back as they are."""
    with suppress(ValueError):
        style.read(cells[:1])
        return bool((style.write(style.read(cells)) == cells).all())
    return False


@dataclass(frozen=True)
class Table:
    """A table of a file, and how the file writes it."""

    path: Path
    frame: Any
    text: Any = None  # the cells as they are written
    formats: dict[str, Format] = field(default_factory=dict)
    separator: str = ","
    encoding: str = "utf-8"


def read_table(path, like=None, drop=()):
    """Read a CSV or Parquet file, in the columns and formats of another table if one is given."""
    import pandas as pd

    separator, encoding = ",", "utf-8"
    if path.suffix in PARQUET:
        frame = pd.read_parquet(path).rename(columns=str).reset_index(drop=True)
    else:
        lines, encoding = _decode(path)
        separator = _separator([line for line in lines.splitlines()[:200] if line.strip()])
        options = {"sep": separator, "dtype": object, "skipinitialspace": True}
        try:
            frame = pd.read_csv(io.StringIO(lines), **options).rename(columns=str.strip)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
        if frame.empty or not isinstance(frame.index, pd.RangeIndex):
            raise ValueError(f"{path} has no rows, or longer ones than its header")
    names = [name for name in frame if name not in drop] if like is None else list(like.frame)
    if missing := [name for name in (*names, *drop) if name not in frame]:
        raise ValueError(f"{path} has no column {missing[0]!r}, only {list(frame)}")
    frame = frame[names].copy()
    text = frame.astype(str).astype(object).where(frame.notna(), None)
    mark = "." if separator == "," else ","
    formats = like.formats if like else {name: format_of(text[name], mark) for name in names}
    for name in names if like or path.suffix not in PARQUET else ():
        try:
            frame[name] = formats[name].read(text[name])
        except (ValueError, TypeError) as error:
            raise ValueError(f"{path}: column {name!r}: {error}") from error
        if formats[name].kind != "levels":
            text[name] = text[name].where(frame[name].notna(), None)
    return Table(path, frame, text, formats, separator, encoding)


def _decode(path):
    raw = path.read_bytes()
    for encoding, start in ENCODINGS.items():
        with suppress(UnicodeDecodeError):
            if raw.startswith(start) and "\0" not in (text := raw.decode(encoding)):
                return text, encoding
    raise ValueError(f"{path} is no table of text, and no model of this version")


def _separator(lines):
    """Return the separator that makes as many fields of most lines as of the header."""
    found = {}
    for separator in SEPARATORS:
        header, *rest = [len(row) for row in csv.reader(lines, delimiter=separator)] or [0]
        found[separator] = (1 + rest.count(header)) * (header > 1), header
    return max(found, key=found.get)


def check_output(path, force):
    """Raise where a file cannot be written, or is there and shall stay."""
    if path.is_dir() or (path.exists() and not force):
        raise ValueError(f"{path} exists: give another name, or --force to replace a file")
    if not os.access(path.parent, os.W_OK):
        raise ValueError(f"{path.parent} is no folder that {path.name} can be written into")


def write_table(path, frame, like, text=None):
    """Write a frame as another table was; cells that are in the text stay as they are there."""
    with whole_file(path) as temporary:
        if path.suffix in PARQUET:
            return frame.to_parquet(temporary, index=False)
        cells = frame.apply(lambda column: like.formats.get(column.name, Format()).write(column))
        if text is not None:
            cells.update(text)
        cells.to_csv(temporary, sep=like.separator, encoding=like.encoding, index=False)
