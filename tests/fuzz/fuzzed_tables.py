"""Strategies of tables of any kind, as small recipes that `build` makes a table of.

A recipe has a short `repr` and is shrunk part by part; it makes the same table every time.
"""

import os
from typing import NamedTuple

import numpy as np
import pandas as pd
import polars as pl
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from tests.fuzz.fuzzed_columns import (
    NUMBERS,
    NUMPY,
    PANDAS,
    POLARS,
    TEXTS,
    TIMES,
    array_of,
    family_of,
    numpy_column,
    pandas_column,
    polars_column,
)

N_CASES = os.environ.get("SKDIFFUSION_FUZZ")
SEEDS = st.integers(0, 2**16)
RELATIONS = ("total", "low and high", "copy", "conversion", "determined", "flags", "rows twice")
NAMES = {
    "plain": ["a", "b", "c", "d", "e", "f", "g", "h"],
    "words": ["customerId", "account no", "x1", "missing_x1", "x1_0", "code", "y", "index"],
    "odd": ["", " ", "ü\n", "0", "a'b\"", "{x}", "%s", "None"],
    "integers": [3, 2, 1, 0, -1, -2, 10, 20],
    "floats": [0.5, 1.5, 2.0, -1.0, 1e30, 3.0, 4.0, 5.0],
    "pairs": [("a", 1), ("a", 2), ("b", 1), ("b", 2), ("c", 1), ("c", 2), ("d", 1), ("d", 2)],
    "dates": list(pd.date_range("2024-01-01", periods=8)),
    "mixed": ["a", 1, None, 2.5, "b", ("c", 1), True, "d"],
    "repeated": ["a", "a", "b", "b", "c", "c", "d", "d"],
}
# what cannot be encoded, or not always
ODD = (
    "complex", "period", "category of numbers", "object mixed", "object list", "object zoned",
    "time64[us][pyarrow]", "Time", "Binary", "List", "Null",
)  # fmt: skip
REFUSED = ("too huge", "tiny", "magnitudes", "zero and tiny", "close")
TEXT_NAMES = ("plain", "words", "odd")


class Column(NamedTuple):
    """Recipe of a column: its data type, what is in it, and the share of missing cells."""

    dtype: str
    content: str
    gaps: float
    seed: int


class Table(NamedTuple):
    """Recipe of a table."""

    container: str
    n: int
    columns: tuple
    names: str = "plain"
    relation: str = "none"


def cases(default):
    """Settings of a test: the cases of every run, or as many as the environment wants."""
    return settings(
        max_examples=int(N_CASES or default),
        derandomize=True,
        deadline=None,
        database=None,
        # recipes are short as they are, and fits take their time
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )


def columns_of_types(dtypes, gaps=True, numbers=NUMBERS):
    """A strategy of columns with some of the data types."""
    contents = {"number": numbers, "time": TIMES, "text": TEXTS, "boolean": ("few",)}
    shares = st.sampled_from([0.0, 0.0, 0.0, 0.1, 0.5, 1.0]) if gaps else st.just(0.0)

    def column(dtype):
        content = st.sampled_from(contents[family_of(dtype)])
        return st.builds(Column, st.just(dtype), content, shares, SEEDS)

    return st.sampled_from(dtypes).flatmap(column)


@st.composite
def tables(draw, containers=("pandas", "polars", "numpy"), gaps=True, only_numbers=False, least=1):
    """A strategy of tables, of which one in five has what estimators may refuse."""
    container, is_hard = draw(st.sampled_from(containers)), draw(st.sampled_from([0, 0, 0, 0, 1]))
    dtypes = {"pandas": PANDAS, "polars": POLARS, "numpy": NUMPY}[container]
    if only_numbers:
        dtypes = [dtype for dtype in dtypes if family_of(dtype) == "number"]
    numbers, styles = NUMBERS, TEXT_NAMES if container == "polars" else (*NAMES,)
    if not is_hard:
        dtypes = [dtype for dtype in dtypes if dtype not in ODD]
        numbers = [content for content in NUMBERS if content not in REFUSED]
        styles = [style for style in styles if style not in ("mixed", "repeated")]
    n = draw(st.one_of(st.integers(least, least + 7), st.integers(least, 60), st.integers(50, 60)))
    names, relation = draw(st.sampled_from(styles)), draw(st.sampled_from(("none", *RELATIONS)))
    if container == "numpy":
        names, relation, dtypes = "plain", "none", [draw(st.sampled_from(dtypes))]
        if dtypes == ["object"]:
            dtypes = [f"object {kind}" for kind in ("int", "float", "Decimal")]
            dtypes += [] if only_numbers else ["object text", "object bool", "object date"]
    columns = draw(st.lists(columns_of_types(dtypes, gaps, numbers), min_size=1, max_size=6))
    return Table(container, n, tuple(columns), names, relation)


def build(table):
    """Make the table of a recipe."""
    if table.container == "numpy":
        columns = [numpy_column(column, table.n) for column in table.columns]
        dtype = table.columns[0].dtype.split(" ")[0]
        X = np.empty((table.n, len(columns)), dtype=array_of(dtype))
        for j, column in enumerate(columns):
            X[:, j] = column
        return X
    names = NAMES[table.names]
    if table.container == "polars":
        columns = [polars_column(column, table.n) for column in table.columns]
        X = pl.DataFrame([c.alias(name) for c, name in zip(columns, names, strict=False)])
        return _related_polars(X, table, names)
    columns = [pandas_column(column, table.n) for column in table.columns]
    columns = _related(columns, table)
    X = pd.concat(columns, axis=1) if columns else pd.DataFrame()
    X.columns = pd.Index(names[: len(columns)])
    X.index = np.arange(len(X)) * 3 - 5
    return X


def _related(columns, table):
    """Add columns that hang together."""
    n, first = table.n, columns[0]
    rng = np.random.default_rng(table.columns[0].seed)
    a, b = pd.Series(rng.integers(0, 20, n)), pd.Series(rng.poisson(5, n))
    size = pd.Series(rng.normal(10, 3, n).round(2))
    if table.relation == "total":
        return [*columns[:4], a, b, a + b]
    if table.relation == "low and high":
        return [*columns[:4], size, size + b]
    if table.relation == "copy":
        return [*columns, first.copy()]
    if table.relation == "conversion":
        return [*columns[:4], size, size * 2.54 + 32]
    if table.relation == "determined":
        return [*columns[:4], a, pd.Series(np.where(a < 10, "low", "high"))]
    if table.relation == "flags":
        return [*columns[:4], a < 10, a >= 10]
    if table.relation == "rows twice":
        half = np.arange(n) // 2
        return [column.iloc[half].reset_index(drop=True) for column in columns]
    return columns


def _related_polars(X, table, names):
    if table.relation == "none" or X.width > 5:
        return X
    parts = _related([pd.Series(np.zeros(table.n))], table)[1:]
    new = {names[X.width + k]: part.tolist() for k, part in enumerate(parts)}
    return X.with_columns(**{"": pl.lit(0)}).drop("") if not new else X.hstack(pl.DataFrame(new))
