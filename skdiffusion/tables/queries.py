"""Where columns lie among the codes, and which codes stand for given cells."""

from collections.abc import Iterable
from dataclasses import replace
from numbers import Integral, Real

import numpy as np
from sklearn.base import OneToOneFeatureMixin
from sklearn.utils.validation import check_is_fitted

from skdiffusion.tables.coders import LevelCoder, OrdinalCoder, TimeCoder
from skdiffusion.tables.levels import as_objects, find_positions
from skdiffusion.tables.reading import NUMERIC, read_objects

__all__ = ["CodeQueries"]

SAME = 1e-9
"""Relative difference up to which the ends of a gap between decoded numbers are one number."""

FAR = 1e12
"""Code of the least and the greatest numbers that are looked for."""

ROUNDING = 1e-6
"""Of a step of the lattice: how far decoded numbers may be off it."""


class CodeQueries:
    """Questions that a fitted :class:`TableEncoder` answers about its codes."""

    def column_codes(self, j):
        """Tell which codes belong to a column.

        Parameters
        ----------
        j : int or str
            Position or name of the column.

        Returns
        -------
        codes : ndarray of int of shape (m,)
            Their positions, without that of the column's missing indicator.
        """
        j = self._column(j)
        return np.flatnonzero((self.groups_ == j) & ~self.is_indicator_)

    def noise_codes(self, columns, noise):
        """Tell what noise of the cells is in their codes.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            Rows.
        noise : ndarray of shape () or (n_features,)
            Standard deviations of the noise of numbers, in the units of the columns. Cells of other
            kinds have none.

        Returns
        -------
        ndarray of shape (n, `n_codes_`)
            Standard deviations of the codes, NaN where a cell is missing.
        """
        ends = []
        for side in (-0.5, 0.5):
            moved = [
                replace(column, values=column.values + side * step) if kind in NUMERIC else column
                for column, kind, step in zip(
                    columns, self.kinds_, np.broadcast_to(noise, len(columns)), strict=True
                )
            ]
            ends.append(self.encode_columns(moved))
        return np.abs(ends[1] - ends[0])

    def level_blocks(self):
        """Tell which codes belong to levels.

        Returns
        -------
        blocks : list of (ndarray of shape (m,), ndarray of shape (m + 1, m))
            For each boolean or categorical column with several levels the positions of its
            codes, and the code of each level; the same for the first code of each column with a
            spike, and then for each missing indicator.
        """
        check_is_fitted(self)
        codecs = [*self.codecs_, *self.indicators_.values()]
        edges = np.cumsum([0, *(codec.n_codes for codec in codecs)])
        return [
            (np.arange(start, start + codec.vertices.shape[1]), codec.vertices)
            for start, codec in zip(edges, codecs, strict=False)
            if codec.name in ("simplex", "spike")
        ]

    def void_codes(self, Z):
        """Tell which codes say nothing about their cell.

        Parameters
        ----------
        Z : ndarray of shape (n, `n_codes_`)
            Codes.

        Returns
        -------
        void : ndarray of bool of shape (n, `n_codes_`)
            True for the second code of a column whose first says that the cell is its spike.
        """
        *blocks, told = self._split(Z)
        void = [void_of(codec, z) for codec, z in zip(self.codecs_, blocks, strict=True)]
        return np.concatenate([*void, np.zeros(told.shape, dtype=bool)], axis=1)

    def level_mask(self, j, wanted):
        """Tell which vertices of a column stand for given levels.

        Parameters
        ----------
        j : int or str
            Position or name of a boolean or categorical column.
        wanted : list or scalar
            Levels. The vertex that rare levels share stands for each of them.

        Returns
        -------
        mask : ndarray of bool of shape (n_vertices,)
            In the order of the vertices in `level_blocks`.

        Raises
        ------
        ValueError
            If `fit` has not seen one of the levels.
        TypeError
            If the column holds no levels, or ordered ones.
        """
        coder = self.coders_[self._column(j)]
        if not isinstance(coder, LevelCoder):
            raise TypeError(
                f"Column {coder.name!r} is {coder.kind} and has no vertices: use encode_bounds."
            )
        if isinstance(wanted, str | bytes) or not isinstance(wanted, Iterable):
            wanted = [wanted]
        wanted = as_objects(list(wanted))
        positions = find_positions(wanted, coder.levels)
        if np.any(positions < 0):
            unknown = ", ".join(map(repr, wanted[positions < 0]))
            known = ", ".join(map(repr, coder.levels[:10].tolist()))
            more = ", ..." if len(coder.levels) > 10 else ""
            raise ValueError(
                f"Column {coder.name!r} has no level {unknown}. Its levels are {known}{more}."
            )
        mask = np.zeros(coder.rare.n_vertices, dtype=bool)
        mask[coder.vertex_of[positions]] = True
        return mask

    def encode_bounds(self, j, low=None, high=None):
        """Find the interval of codes that decode to cells between two bounds.

        Parameters
        ----------
        j : int or str
            Position or name of a column of numbers, dates, durations or ordered levels.
        low, high : object, default=None
            The bounds, which are inside, in the units of the table: numbers, times, or levels.
            None is no bound.

        Returns
        -------
        z_low, z_high : float
            Ends of the closed interval, infinite where nothing ends it. In a column of discrete
            numbers it holds the whole cell of codes of each number inside. In a column with a
            spike it is that of the second code, of the other numbers.

        Raises
        ------
        ValueError
            If no code decodes to a cell inside.
        TypeError
            If the column is categorical or boolean, or a bound is not what its cells are.

        Examples
        --------
        >>> import numpy as np
        >>> from skdiffusion.tables import TableEncoder
        >>> encoder = TableEncoder().fit(np.arange(10.0)[:, None])
        >>> low, high = encoder.encode_bounds(0, 3, 4)
        >>> encoder.inverse_transform([[low], [high]]).ravel()
        array([3., 4.])
        """
        coder = self.coders_[self._column(j)]
        interval = _interval(coder, *_ends(coder, low, high))
        if interval is None:
            self._refuse_bounds(coder, low, high)
        return interval

    def range_codes(self, j, low=None, high=None):
        """Find what the codes of a column have to be for its cells to lie between two bounds.

        Parameters
        ----------
        j : int or str
            Position or name of a column of numbers, dates, durations or ordered levels.
        low, high : object, default=None
            The bounds, as in `encode_bounds`.

        Returns
        -------
        interval : (float, float) or None
            Interval of the number's code; None where only the spike lies between the bounds.
        levels : (ndarray of shape (2, 1), ndarray of bool of shape (2,)) or None
            For a column with a spike the vertices of its first code, and which are allowed.

        Raises
        ------
        ValueError, TypeError
            As in `encode_bounds`.
        """
        j = self._column(j)
        coder = self.coders_[j]
        if coder.codec.name != "spike":
            return self.encode_bounds(j, low, high), None
        ends = _ends(coder, low, high)
        interval = _interval(coder, *ends)
        allowed = np.array([interval is not None, ends[0] <= coder.codec.spike <= ends[1]])
        if not allowed.any():
            self._refuse_bounds(coder, low, high)
        return interval, (coder.codec.vertices, allowed)

    def _refuse_bounds(self, coder, low, high):
        seen = "no cell was observed"
        if not coder.is_empty:
            first, last = self._show(coder, coder.bounds)
            seen = f"those observed range from {first} to {last}"
        raise ValueError(
            f"No code of column {coder.name!r} decodes to a cell from {low!r} to {high!r}: {seen}."
        )

    def get_feature_names_out(self, input_features=None):
        """Name the code columns.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the columns; by default those seen in `fit`, or "x0", "x1", ...

        Returns
        -------
        names : ndarray of str of shape (`n_codes_`,)
            The name of a column with one code, that name with the suffixes "_0", "_1", ... for
            one with several, and with the prefix "missing_" for its indicator.
        """
        check_is_fitted(self)
        inputs = OneToOneFeatureMixin.get_feature_names_out(self, input_features)
        names = []
        for name, codec in zip(inputs, self.codecs_, strict=True):
            several = [f"{name}_{k}" for k in range(codec.n_codes)]
            names.extend([name] if codec.n_codes == 1 else several)
        names.extend(f"missing_{inputs[j]}" for j in self.indicators_)
        return np.asarray(names, dtype=object)

    def _show(self, coder, x):
        """Cells for numbers of a coder, as text."""
        cells = coder.restore(np.array(x))
        if isinstance(coder, TimeCoder):
            cells = coder.scale.clock.cells(cells, np.zeros(len(cells), dtype=bool))
        return [str(cell) for cell in cells]

    def _column(self, j):
        """Position of a column."""
        check_is_fitted(self)
        names = self.format_.names
        if isinstance(j, str) and j in names:
            return names.index(j)
        if isinstance(j, Integral) and 0 <= j < len(names):
            return int(j)
        raise ValueError(f"There is no column {j!r}: give a name, or a position.")


def void_of(codec, z):
    """Tell which codes of a column say nothing about its cells."""
    return codec.void(z) if codec.name == "spike" else np.zeros(z.shape, dtype=bool)


def _ends(coder, low, high):
    """Bounds in the numbers of a coder."""
    if isinstance(coder, LevelCoder):
        raise TypeError(f"Column {coder.name!r} is {coder.kind} and has no bounds: use levels.")
    return (
        -np.inf if low is None else bound_of(coder, low, "low"),
        np.inf if high is None else bound_of(coder, high, "high"),
    )


def _interval(coder, low, high):
    return None if coder.is_empty else code_interval(coder, low, high)


def bound_of(coder, value, side):
    """Return the number of a coder that a bound in the table's units stands for."""
    if isinstance(coder, OrdinalCoder):
        position = find_positions(as_objects([value]), coder.order)[0]
        if position < 0:
            levels = ", ".join(map(repr, coder.order.tolist()))
            raise ValueError(
                f"Column {coder.name!r} has no level {value!r}. Its levels are {levels}."
            )
        if side == "low":
            return float(np.searchsorted(coder.occurs, position))
        return np.searchsorted(coder.occurs, position, side="right") - 1.0
    if isinstance(coder, TimeCoder):
        return _time_bound(coder, value)
    if not isinstance(value, Real) or np.isnan(value):
        raise TypeError(f"A bound of column {coder.name!r} must be a number, got {value!r}.")
    # a float32 that reads 0.1 is not below the double 0.1
    return float(coder.stored.type(value)) if coder.stored.kind == "f" else float(value)


def _time_bound(coder, value):
    if isinstance(value, str) and coder.kind == "datetime":
        value = np.datetime64(value)
    column = read_objects(coder.name, as_objects([value]))
    if column.kind != coder.kind or column.missing:
        raise TypeError(f"A bound of column {coder.name!r} must be a {coder.kind}, got {value!r}.")
    coder.refuse_other_zone(column.clock)
    return float(coder.scale.encode(column.values, column.clock)[0])


def code_interval(coder, low, high):
    """Find the codes that decode to numbers from `low` to `high`."""
    codec = getattr(coder.codec, "rest", coder.codec)
    lattice = getattr(codec, "lattice", None)
    if lattice is not None and not lattice.integral:
        low, high = low - ROUNDING * lattice.step, high + ROUNDING * lattice.step
    if not codec.n_codes:
        return (-np.inf, np.inf) if low <= coder.bounds[0] <= high else None

    def number(z):
        with np.errstate(over="ignore"):
            return coder.settle(codec.decode(np.array([[z]])))[0]

    least, greatest = number(-FAR), number(FAR)
    if low > high or low > greatest or high < least:
        return None
    start = codec.encode(np.array(coder.bounds))[:, 0]
    z_low, z_high = -np.inf, np.inf
    if low > least:
        z_low = _bisect(lambda z: number(z) >= low, *start)[1]
    if high < greatest:
        z_high = _bisect(lambda z: number(z) > high, *start)[0]
    if z_low <= z_high:
        return float(z_low), float(z_high)
    # neighbouring codes decode to either side of a single number, or of a gap between numbers
    whole = coder.kind != "continuous"
    if lattice is not None or (whole and np.ceil(low) > np.floor(high)):
        return None
    gap = abs(number(z_low) - number(z_high))
    if gap <= SAME * max(abs(low), coder.bounds[1] - coder.bounds[0]):
        return float(z_high), float(z_high)
    return None


def _bisect(holds, below, above):
    """Return neighbouring floats at the first of which a rising condition fails."""
    width = 1.0
    while holds(below):
        below, width = below - width, 2 * width
    width = 1.0
    while not holds(above):
        above, width = above + width, 2 * width
    while True:
        middle = below + (above - below) / 2
        if middle in (below, above):
            return below, above
        if holds(middle):
            above = middle
        else:
            below = middle
