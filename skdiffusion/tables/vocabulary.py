"""Categories of a column: those that occur, positions of cells among them, and the rare ones."""

import re
import warnings
from numbers import Integral

import numpy as np

# Most categories a column may have: each but one costs an encoded feature
MAX_CATEGORIES = 1000

# Categories from which on text that looks like dates is to be read as such
MANY = 20

# Numbers or the name of a month, in the orders of dates
MONTH = "(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*"
DATE = re.compile(
    r"(\d{4}([-/.])\d\d?\2\d\d?|\d\d?([-/.])\d\d?\3\d{2,4})(?![\d.-])"
    rf"|(\d\d?[- .]+)?{MONTH}[-,. ]+\d{{1,4}}\b"
)


class RareCategories:
    """Which category has which vertex: the rare ones share the last."""

    def __init__(self, counts, min_frequency):
        least = 0 if min_frequency is None else min_frequency
        if not isinstance(least, Integral):
            least = least * counts.sum()
        is_rare = counts < least
        self.members = np.flatnonzero(is_rare)
        self.share = counts[is_rare] / (counts[is_rare].sum() or 1)
        frequent = np.flatnonzero(~is_rare)
        self.n_vertices = len(frequent) + is_rare.any()
        # an unknown category comes after all others, and counts as the rarest
        self.vertex_of = np.full(len(counts) + 1, self.n_vertices - 1)
        self.vertex_of[frequent] = np.arange(len(frequent))
        shares = np.ones(len(counts) + 1)
        shares[self.members] = self.share
        shares[-1] = self.share.min(initial=1.0)
        self.log_share = np.log(shares)
        # the category that a vertex is decoded to without a draw
        common = self.members[[self.share.argmax()]] if is_rare.any() else self.members
        self.category_of = np.concatenate([frequent, common])

    def decode(self, vertices, rng):
        """Return positions of categories: of the rare ones the most frequent, or a draw."""
        categories = self.category_of[vertices]
        if rng is None or not len(self.members):
            return categories
        # one draw per row, used or not: so the draws of later columns depend on no cell
        edges = np.cumsum(self.share)[:-1]
        drawn = self.members[np.searchsorted(edges, rng.uniform(size=len(vertices)), "right")]
        return np.where(vertices == self.n_vertices - 1, drawn, categories)


def distinct(cells, name):
    """Sort the distinct cells of a column, Python objects of mixed types by type and text."""
    if cells.dtype != object:
        return np.unique(cells)
    try:
        levels = list(dict.fromkeys(cells.tolist()))
    except TypeError as error:
        raise TypeError(
            f"Column {name!r} holds objects that cannot be categories ({error}): use strings, "
            "numbers or booleans."
        ) from None
    try:
        levels = sorted(levels)
    except TypeError:
        levels = sorted(levels, key=lambda level: (type(level).__name__, str(level)))
    return as_objects(levels)


def look_like_dates(levels):
    """Return whether all of many categories are text in the form of dates."""
    return len(levels) > MANY and all(
        isinstance(level, str) and DATE.match(level.strip()) for level in levels
    )


def check_number(levels, n_vertices, name):
    """Raise for a column of too many categories, and warn of many that look like dates."""
    is_dated = look_like_dates(levels)
    advice = "drop it if it identifies rows, merge its rare categories by min_frequency, or "
    advice += "convert it to a number if it is one"
    if is_dated:
        advice = f"read it as dates, by parse_dates=[{name!r}] of pandas.read_csv or by to_datetime"
    if n_vertices > MAX_CATEGORIES:
        raise ValueError(
            f"Column {name!r} has {n_vertices} categories, more than {MAX_CATEGORIES}: {advice}."
        )
    if is_dated:
        warnings.warn(f"Column {name!r} has dates as categories: {advice}.", stacklevel=2)


def as_objects(cells):
    """Put a list into an array of Python objects, whatever it holds."""
    return np.fromiter(cells, dtype=object, count=len(cells))


def find_positions(cells, levels):
    """Return the positions of cells among the categories, -1 for those that are none."""
    index = {level: k for k, level in enumerate(levels.tolist())}
    return np.fromiter((index.get(cell, -1) for cell in cells.tolist()), np.intp, len(cells))


def known_positions(cells, levels, name, advice=""):
    """Return the positions of cells among the categories, or raise for those that are none."""
    positions = find_positions(cells, levels)
    if np.any(positions < 0):
        raise ValueError(
            f"Found unknown categories {list_cells(cells[positions < 0])} in column {name!r}, "
            "which fit has not seen: drop those rows, or fit on data that has these categories"
            f"{advice}."
        )
    return positions


def list_cells(cells):
    """Return the distinct cells as text, at most ten of them."""
    cells = sorted({repr(cell) for cell in cells.tolist()})
    more = f" and {len(cells) - 10} more" if len(cells) > 10 else ""
    return ", ".join(cells[:10]) + more
