"""Relations that hold in all rows of a table, but for those that hold by chance."""

from contextlib import suppress
from fractions import Fraction
from itertools import combinations, permutations
from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import qr, solve_triangular
from scipy.ndimage import maximum_filter
from scipy.stats import norm

from skdiffusion.tables.amounts import Equation, as_amounts, choose_total, step_of
from skdiffusion.tables.coders import scatter
from skdiffusion.tables.constraints import (
    Constraint,
    FunctionalDependency,
    Inequality,
    LinearEquation,
    OneHot,
    read_and_code,
    some_rows,
)
from skdiffusion.tables.reading import AMOUNTS, NUMERIC, TEMPORAL
from skdiffusion.tables.relations import any_gaps, as_cells
from skdiffusion.tables.vocabulary import distinct, find_positions

# complete rows that a relation needs, columns in which it is looked for, rows that rule most out
MIN_ROWS, MAX_COLUMNS, N_FIRST = 50, 200, 200
# share of pairs of rows that break an inequality: fewer say that the ranges hardly meet
OVERLAP = 0.05
# rows that would break an inequality if a normal distribution had no end there: a chance of e^-25
# for numbers, any two of which can be compared, and e^-12 for times
EXPECTED, EXPECTED_OF_TIMES = 25.0, 12.0
# rows with other cells than the most frequent one that confirm what determines these
CONFIRMED = 20
# in standard deviations: what an equation leaves open, and the step of a column too coarse for one
EXACT, COARSE = 1e-7, 0.1
LARGEST_TERM = 12
# numbers of which a line is seen, and a correlation without which there is none
MIN_DISTINCT, LINE = 5, 0.99
# numbers on each side of a boundary, and how many times as far apart as these clusters are
NEARBY, APART = 10, 2.0


class Found(NamedTuple):
    """A constraint that holds in all rows, and how many complete rows say so."""

    constraint: Constraint
    n_rows: int


def discover_constraints(X: Any) -> list[Any]:
    """Return the relations that hold in all rows of a table and hardly do so by chance.

    Parameters
    ----------
    X : array-like or data frame of shape (n, n_features)
        A table of 50 rows or more.

    Returns
    -------
    found : list of (constraint, n_rows)
        What holds, and the number of complete rows that say so: :class:`OneHot` for columns beside
        each other; :class:`LinearEquation` for sums with coefficients up to 12, also of times with
        hours, minutes or seconds, and for lines;
        :class:`FunctionalDependency` where rows beside each other confirm at least 20 of the less
        frequent cells; :class:`Inequality` of columns of one unit whose ranges overlap, and many of
        whose rows would break it if their difference and quotient were normal. What follows from
        other relations is left out.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from skdiffusion.tables import discover_constraints
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame({"adults": rng.integers(1, 9, 200), "children": rng.integers(0, 5, 200)})
    >>> X["guests"] = X.adults + X.children
    >>> [(str(constraint), n_rows) for constraint, n_rows in discover_constraints(X)]
    [('+1 * adults +1 * children -1 * guests = 0', 200)]
    """
    return discover(*read_and_code(X))


def bind_constraints(given, coders, columns):
    """Return the constraints of a table, those that are safe by "auto", and their relations."""
    constraints, columns = given or [], list(map(as_cells, coders, columns))
    if isinstance(given, str):
        found = discover(coders, columns)
        constraints = [each for each, _ in found if _is_safe(each, coders, columns)]
    for each in constraints:
        if not isinstance(each, Constraint):
            raise TypeError(
                f"constraints are those of skdiffusion.tables, such as Inequality, got {each!r}."
            )
    bound = [relation for each in constraints for relation in each.bind(coders, columns)]
    return list(constraints), bound


def _is_safe(constraint, coders, columns):
    """Return whether coding by a constraint loses no cell, and no spike."""
    for relation in constraint.bind(coders, columns):
        *others, last = relation.coded
        gaps = any_gaps(columns, relation.columns)
        lost = gaps if others else gaps & ~columns[last].gaps
        if lost.any() or coders[last].codec.name == "spike":
            return False
        if coders[last].kind in TEMPORAL and isinstance(relation, Equation):
            # in days some ticks are too short for floating point
            cells = [column.values[~gaps] for column in columns]
            before = cells[last]
            relation.decode(cells, {})
            if np.any(cells[last] != before):
                return False
    return True


def discover(coders, columns):
    """Return what holds of columns that have been read."""
    everything, columns = columns, _distinct_rows(some_rows(columns))
    apt = [
        j
        for j, column in enumerate(columns)
        if column.kind != "identifier"
        and np.sum(~column.gaps) >= MIN_ROWS
        and _codes(column).max() > 0
    ][:MAX_COLUMNS]
    names = [column.name for column in columns]
    runs = _one_hots(columns, apt)
    rest = [j for j in apt if not any(j in run for run in runs)]
    sums = _equations(coders, columns, [j for j in rest if columns[j].kind in AMOUNTS])
    rest = [j for j in rest if j not in {choose_total(terms) for terms, _ in sums}]
    lookups = _lookups(coders, columns, rest)
    free = set(rest) - {b for _, b in lookups}
    numbers = [j for j in rest if columns[j].kind in AMOUNTS and j in free]
    pairs = _inequalities(coders, columns, numbers, [set(terms) for terms, _ in sums])
    found = [
        *(OneHot(*(names[j] for j in run)) for run in runs),
        *(LinearEquation({names[j]: c for j, c in terms.items()}, x) for terms, x in sums),
        *(FunctionalDependency(names[a], names[b]) for a, b in lookups),
        *(Inequality(names[a], names[b]) for a, b in pairs),
    ]
    supported = []
    for constraint in found:
        # those that one of the other rows breaks are left out
        with suppress(TypeError, ValueError):
            relations = constraint.bind(coders, everything)
            places = {j for relation in relations for j in relation.columns}
            supported.append(Found(constraint, int(np.sum(~any_gaps(everything, places)))))
    return supported


def _codes(column):
    """Return the positions of cells among those that occur, -1 for missing ones."""
    cells = column.observed
    if cells.dtype == object:
        cells = find_positions(cells, distinct(cells, column.name))
    return scatter(np.unique(cells, return_inverse=True)[1], column.gaps, -1)


def _distinct_rows(columns):
    """Return the columns of rows that are no copies: these would confirm anything."""
    codes = np.column_stack([*map(_codes, columns)])
    rows = np.unique(codes, axis=0, return_index=True)[1]
    # equal rows of a table without numbers that tell rows apart are no copies
    if len(rows) == len(codes) or np.all(codes.max(axis=0) < len(rows) / 2):
        return columns
    return [column.take(np.sort(rows)) for column in columns]


def _one_hots(columns, apt):
    """Return runs of columns of which exactly one is 1 in each row."""
    ones = {
        j: columns[j].values.astype(int)
        for j in apt
        if columns[j].kind in ("integer", "boolean")
        and not columns[j].missing
        and set(columns[j].values.tolist()) == {0, 1}
    }
    found = []
    for start in ones:
        total, stop = 0, start
        while stop in ones and np.max(total) <= 1 and not any(stop in run for run in found):
            total, stop = total + ones[stop], stop + 1
            if stop - start > 1 and np.all(total == 1):
                found.append(range(start, stop))
    return found


def _equations(coders, columns, numbers):
    """Return sums of columns that are constant: coefficients, that of the total last."""
    found, free = [], list(numbers)
    amounts = {j: as_amounts(coders[j], columns[j].values) for j in numbers}
    for j, k in combinations(numbers, 2):
        rows = ~any_gaps(columns, [j, k])
        if {j, k} <= set(free) and _may_be_line(amounts[j][rows], amounts[k][rows]):
            line = _sum_of(amounts, rows, [j], k, step_of(coders[k]))
            found += [line] if line else []
            free = [each for each in free if not line or each != k]
    rows = ~any_gaps(columns, free) if free else np.zeros(0, dtype=bool)
    if rows.sum() < max(MIN_ROWS, 2 * len(free)):
        return found
    free = [j for j in free if np.ptp(amounts[j][rows]) > 0]
    if len(free) < 3:
        return found
    A = np.column_stack([amounts[j][rows] for j in free])
    A = (A - A.mean(0)) / A.std(0)
    if np.linalg.svd(A, compute_uv=False)[-1] > 10 * EXACT * np.sqrt(len(A)):
        return found
    totals = set()
    # the last columns that the ones before them determine are the totals
    for total in free[:0:-1]:
        others = [j for j in free if j != total and j not in totals]
        line = None if total in totals else _sum_of(amounts, rows, others, total)
        if line and len(line[0]) > 2:
            found.append(line)
            totals.add(choose_total(line[0]))
    return found


def _may_be_line(x, y):
    """Return whether the first rows of two columns are nearly on a line, which rules most out."""
    first = x[:N_FIRST], y[:N_FIRST]
    if len(x) < MIN_ROWS or len(np.unique(x)) < MIN_DISTINCT or not np.ptp(first, axis=1).all():
        return False
    return abs(np.corrcoef(first)[0, 1]) >= LINE


def _sum_of(amounts, rows, parts, total, step=0.0):
    """Return coefficients and a constant of what sums to a total up to its `step`, or None."""
    Z, y = np.column_stack([amounts[j][rows] for j in parts]), amounts[total][rows]
    scale, spread = Z.std(0), np.std(y)
    Q, R, order = qr((Z - Z.mean(0)) / scale, mode="economic", pivoting=True)
    diagonal = np.abs(np.diag(R))
    rank = int(np.sum(diagonal > EXACT * diagonal[0]))
    terms = np.zeros(len(parts))
    terms[order[:rank]] = solve_triangular(R[:rank, :rank], Q[:, :rank].T @ (y - y.mean()))
    terms = np.where(np.abs(terms) < 1e-6 * spread, 0.0, terms) / scale
    simple = [_nice(c) for c in terms]
    if len(parts) == 1 or None not in simple:
        terms = terms if None in simple else np.array(simple)
        rest = y - Z @ terms
        constant = np.median(rest)
        constant = float(round(constant) if abs(constant - round(constant)) < 1e-6 else constant)
        bound = 0.501 * step if step <= COARSE * spread else 0.0
        if np.abs(rest - constant).max() <= max(bound, 10 * EXACT * spread):
            used = {j: float(c) for j, c in zip(parts, terms, strict=True) if c}
            return {**used, total: -1.0}, 0.0 - constant
    return None


def _nice(c):
    """Return a coefficient as a simple fraction, also of a day's hours, minutes or seconds."""
    for a_day in (1, 24, 24 * 60, 24 * 60 * 60):
        near = Fraction(float(c) * a_day).limit_denominator(LARGEST_TERM)
        is_near = abs(float(near) / a_day - c) <= 1e-5 * abs(c)
        if is_near and abs(near.numerator) <= LARGEST_TERM:
            return float(near) / a_day
    return None


def _lookups(coders, columns, apt):
    """Return pairs of a column and one that it determines, of several the nearest."""
    codes = {j: _codes(columns[j]) for j in apt}
    levels = {j: len(np.unique(codes[j])) for j in apt}
    found, determined = [], set()
    # numbers without a step are only told apart by themselves
    told = [j for j in apt if columns[j].kind != "continuous" or step_of(coders[j])]
    for b in sorted(told, key=levels.get):
        # of columns that determine each other the first
        finer = [a for a in apt if (levels[a], -a) > (levels[b], -b) and a not in determined]
        for a in sorted(finer, key=lambda j: (levels[j], j)):
            if _determines(coders, columns, codes, a, b):
                found.append((a, b))
                determined.add(b)
                break
    return found


def _determines(coders, columns, codes, a, b):
    """Return whether equal or neighbouring cells of one column have equal cells of another."""
    rows = ~any_gaps(columns, [a, b])
    x, y = codes[a][rows], codes[b][rows]
    pairs = np.column_stack([x, y])[:N_FIRST]
    if len(np.unique(pairs, axis=0)) > len(np.unique(pairs[:, 0])):
        return False
    order = np.lexsort((y, x))
    x, y = x[order], y[order]
    same, agrees = np.diff(x) == 0, np.diff(y) == 0
    if np.any(same & ~agrees) or len(x) < MIN_ROWS:
        return False
    if columns[a].kind in AMOUNTS and columns[b].kind not in AMOUNTS:
        # an interval for each category
        is_run = np.count_nonzero(~agrees) == len(np.unique(y)) - 1
        if is_run:
            met, sizes = _meet(as_amounts(coders[a], columns[a].values[rows])[order], y)
            # intervals far apart, of more than one number, are the scales of the categories
            if np.any(~met & (sizes[:-1] > 1) & (sizes[1:] > 1)):
                return False
            same = same | agrees if met.all() else same
    rare = y != np.bincount(y).argmax()
    return np.count_nonzero(same & rare[1:]) >= CONFIRMED


def _meet(x, y):
    """Return which intervals are as close to the next as numbers nearby are, and their sizes."""
    x, first = np.unique(x, return_index=True)
    gaps, around = np.diff(x), np.arange(-NEARBY, NEARBY + 1) != 0
    nearby = maximum_filter(gaps, footprint=around, mode="constant")
    borders = np.flatnonzero(np.diff(y[first]))
    sizes = np.diff(borders, prepend=-1, append=len(gaps))
    return (gaps <= APART * nearby)[borders], sizes


def _inequalities(coders, columns, numbers, together):
    """Return pairs of columns of which the second is never less, without those that follow."""
    pairs = {
        (a, b)
        for a, b in permutations(numbers, 2)
        if not any({a, b} <= terms for terms in together)
        and _same_unit(coders[a], coders[b])
        and _bounds(coders, columns, a, b)
    }
    pairs -= {pair[::-1] for pair in pairs}
    return sorted(
        (a, b) for a, b in pairs if not any((a, c) in pairs and (c, b) in pairs for c in numbers)
    )


def _same_unit(one, other):
    if one.kind in TEMPORAL:
        return one.kind == other.kind and one.scale.clock.aware == other.scale.clock.aware
    return other.kind in NUMERIC and (step_of(one) > 0) == (step_of(other) > 0)


def _bounds(coders, columns, a, b):
    """Return whether one column bounds another from below, and not by chance."""
    rows = ~any_gaps(columns, [a, b])
    low, high = (as_amounts(coders[j], columns[j].values[rows]) for j in (a, b))
    if rows.sum() < MIN_ROWS or np.any(low > high):
        return False
    overlap = np.searchsorted(np.sort(high), low, "left").mean() / len(high)
    if overlap < OVERLAP:
        return False
    gaps = [high - low]
    if coders[a].kind in NUMERIC and low.min() >= 0:
        gaps.append(np.log(high[low > 0] / low[low > 0]))
    least = EXPECTED_OF_TIMES if coders[a].kind in TEMPORAL else EXPECTED
    return all(_n_expected(gap) >= least for gap in gaps if len(gap) >= MIN_ROWS)


def _n_expected(gap):
    """Return how many numbers would be negative if they were normal."""
    spread = np.std(gap)
    return len(gap) * norm.cdf(-np.mean(gap) / spread) if spread > 0 else 0.0
