"""Constraints: relations between the columns of a table that hold in every row.

Every decoded row meets them: what they determine is not encoded, or as what they leave open.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np

from skdiffusion.tables.amounts import Difference, Equation
from skdiffusion.tables.coders import Coder, fit_coder
from skdiffusion.tables.frames import read_table
from skdiffusion.tables.options import position_of, set_kinds
from skdiffusion.tables.reading import AMOUNTS
from skdiffusion.tables.relations import Combination, Lookup, Transformed, as_cells, broken_rows

# rows that tell what columns hold, and in which relations are looked for
MAX_ROWS = 5000

PLAIN = SimpleNamespace(categorical_features="from_dtype", ordinal_features=None, clip=True)


def read_and_code(X, coders=None):
    """Read the columns of a table; return coders that know numbers and times, and the columns."""
    columns = read_table(X if hasattr(X, "columns") else np.asarray(X))
    set_kinds(PLAIN, columns)
    coders = coders or [
        fit_coder(column, "standard", PLAIN) if column.kind in AMOUNTS else Coder(column)
        for column in some_rows(columns)
    ]
    return coders, list(map(as_cells, coders, columns))


def some_rows(columns):
    """Return the columns of as many rows as it takes to find what is then seen in all."""
    n = len(columns[0].gaps)
    if n <= MAX_ROWS:
        return columns
    rows = np.sort(np.random.RandomState(0).permutation(n)[:MAX_ROWS])
    return [column.take(rows) for column in columns]


class Constraint:
    """Base of the constraints that :class:`~skdiffusion.TableEncoder` takes."""

    def bind(self, coders: Any, columns: Any) -> Any:
        """Return the relations between columns that have been read, or raise if one fails."""
        bound = self._relations(coders, columns)
        for relation in bound:
            broken = broken_rows(relation, columns)
            if broken.any():
                raise ValueError(
                    f"{self} does not hold in {broken.sum()} of {len(broken)} rows, the first of "
                    f"them at position {broken.argmax()}: mend those rows, or leave it out."
                )
        return bound

    def holds(self, X: Any, like: Any = None) -> Any:
        """Return in which rows of a table the constraint holds.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            A table with the columns that the constraint names.
        like : array-like, data frame or None, default=None
            The table that says what goes together, where this is not in the constraint itself,
            such as the real rows that others imitate; None is `X`.

        Returns
        -------
        holds : ndarray of bool of shape (n,)
            Whether it holds; rows with a missing cell among its columns count as if it did.
        """
        if hasattr(like, "columns"):
            X = X[list(like.columns)]
        coders, columns = read_and_code(X if like is None else like)
        bound = self._relations(coders, columns)
        if like is not None:
            _, columns = read_and_code(X, coders)
        return ~np.any([broken_rows(relation, columns) for relation in bound], axis=0)

    def _positions(self, keys, coders):
        positions = [position_of(key, coders, type(self).__name__) for key in keys]
        if len(set(positions)) < len(positions):
            raise ValueError(f"{self} names a column twice.")
        for j in positions:
            if coders[j].kind == "identifier":
                raise ValueError(
                    f"{self}: column {coders[j].name!r} identifies rows, so that its cells are "
                    "drawn anew. Leave it out, or set it to None in identifiers of TableEncoder."
                )
        return positions


@dataclass(frozen=True, init=False)
class _OfColumns(Constraint):
    """Of two columns or more alike."""

    columns: tuple

    def __init__(self, *columns: Any) -> None:
        if len(columns) < 2:
            raise ValueError(f"{type(self).__name__} needs two columns or more.")
        object.__setattr__(self, "columns", columns)


class Inequality(_OfColumns):
    """Columns of numbers, dates or durations that do not decrease from left to right.

    Each column but the first is encoded as its difference from the one before.

    Parameters
    ----------
    *columns : str or int
        Names or positions of two columns or more, the least first.

    Examples
    --------
    >>> import pandas as pd
    >>> from skdiffusion import TableEncoder
    >>> from skdiffusion.tables import Inequality
    >>> X = pd.DataFrame({"low": [1.0, 2.5, 4.0], "high": [1.5, 2.5, 9.0]})
    >>> encoder = TableEncoder(constraints=[Inequality("low", "high")]).fit(X)
    >>> Z = encoder.transform(X) - [0.0, 5.0]
    >>> bool((encoder.inverse_transform(Z).eval("high - low") >= 0).all())
    True
    """

    def __str__(self):
        return " <= ".join(map(str, self.columns))

    def _relations(self, coders, columns):
        places = self._positions(self.columns, coders)
        return [Difference(high, [low], coders) for low, high in pairwise(places)]


@dataclass(frozen=True)
class FixedIncrement(Constraint):
    """A column whose numbers are multiples of a step.

    Parameters
    ----------
    column : str or int
        Name or position of a column of numbers.
    step : float
        The step, in the unit of the column; positive.
    """

    column: object
    step: float

    def __str__(self):
        return f"{self.column} is a multiple of {self.step:g}"

    def _relations(self, coders, columns):
        if not self.step > 0:
            raise ValueError(f"FixedIncrement needs a positive step, got {self.step!r}.")
        places = self._positions([self.column], coders)
        return [Transformed(places, self._to_counts, self._from_counts, coders)]

    def _to_counts(self, x):
        return (np.rint(x / self.step),)

    def _from_counts(self, k):
        return (k * self.step,)


@dataclass(frozen=True)
class LinearEquation(Constraint):
    """Columns of numbers whose weighted sum is the same in every row, up to their rounding.

    One is not encoded, but computed: the total, where a single coefficient has another sign.

    Parameters
    ----------
    coefficients : dict
        Coefficient of each column, by name or position. Dates and durations count in days.
    constant : float, default=0.0
        What the products sum to.

    Examples
    --------
    >>> import numpy as np
    >>> from skdiffusion import TableEncoder
    >>> from skdiffusion.tables import LinearEquation
    >>> X = np.random.default_rng(0).integers(1, 9, (50, 3)).astype(float)
    >>> X[:, 2] = X[:, 0] + X[:, 1]
    >>> total = LinearEquation({0: 1, 1: 1, 2: -1})
    >>> TableEncoder(constraints=[total]).fit_transform(X).shape
    (50, 2)
    """

    coefficients: Mapping
    constant: float = 0.0

    def __post_init__(self):
        if not isinstance(self.coefficients, Mapping):
            raise TypeError(f"LinearEquation takes a dict by column, got {self.coefficients!r}.")

    def __str__(self):
        terms = [f"{value:+g} * {key}" for key, value in self.coefficients.items()]
        return f"{' '.join(terms)} = {self.constant:g}"

    def _relations(self, coders, columns):
        places = self._positions(self.coefficients, coders)
        values = [float(value) for value in self.coefficients.values()]
        if len(places) < 2 or not all(values):
            raise ValueError(f"{self}: give two columns or more, with coefficients other than 0.")
        return [Equation(places, values, float(self.constant), coders)]


@dataclass(frozen=True)
class FunctionalDependency(Constraint):
    """A column that others determine: it is not encoded, but looked up.

    Numbers and times that were not seen count as the nearest one that was; combinations of several
    columns that were not seen do not come up.

    Parameters
    ----------
    determinants : str, int or list of them
        Names or positions of the columns that determine.
    dependent : str or int
        Name or position of the column that is determined.
    """

    determinants: object
    dependent: object

    def __str__(self):
        return f"{', '.join(map(str, self._keys()))} determines {self.dependent}"

    def _keys(self):
        return self.determinants if isinstance(self.determinants, list) else [self.determinants]

    def _relations(self, coders, columns):
        *places, dependent = self._positions([*self._keys(), self.dependent], coders)
        if len(places) == 1:
            return [Lookup(places[0], dependent, coders, columns)]
        return [Combination([*places, dependent], coders, columns, len(places))]


class FixedCombinations(_OfColumns):
    """Columns of which no other combinations occur than those seen in `fit`.

    Together they are encoded as one category.

    Parameters
    ----------
    *columns : str or int
        Names or positions of two columns or more.
    """

    def __str__(self):
        return f"combinations of {', '.join(map(str, self.columns))}"

    def _relations(self, coders, columns):
        return [Combination(self._positions(self.columns, coders), coders, columns)]


class OneHot(FixedCombinations):
    """Columns of zeros and ones, or booleans, of which exactly one is 1 in every row.

    Together they are encoded as one category.

    Parameters
    ----------
    *columns : str or int
        Names or positions of two columns or more.
    """

    def __str__(self):
        return f"one of {', '.join(map(str, self.columns))}"

    def _relations(self, coders, columns):
        (relation,) = super()._relations(coders, columns)
        one = {0: len(self.columns) - 1, 1: 1}
        relation.seen = {row for row in relation.seen if Counter(row) == one}
        return [relation]


@dataclass(frozen=True)
class Recoded(Constraint):
    """Columns of numbers that a pair of functions turns into others, from which they come back.

    Parameters
    ----------
    columns : list of str or int
        Names or positions of the columns.
    forward : callable
        From one array for each column to as many arrays of numbers, which are encoded instead.
    backward : callable
        The way back. Whatever it returns meets what the user has in mind. What is to be pickled
        needs functions of a module.

    Examples
    --------
    >>> import numpy as np
    >>> from skdiffusion import TableEncoder
    >>> from skdiffusion.tables import Recoded
    >>> rng = np.random.default_rng(0)
    >>> X = np.exp(rng.normal(size=(50, 1)))
    >>> positive = Recoded([0], lambda x: (np.log(x),), lambda x: (np.exp(x),))
    >>> encoder = TableEncoder(constraints=[positive]).fit(X)
    >>> bool(np.all(encoder.inverse_transform(encoder.transform(X) - 99) > 0))
    True
    """

    columns: list
    forward: Callable
    backward: Callable

    def __str__(self):
        return f"recoding of {', '.join(map(str, self.columns))}"

    def _relations(self, coders, columns):
        places = self._positions(self.columns, coders)
        return [Transformed(places, self.forward, self.backward, coders)]
