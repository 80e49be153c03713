"""Means are among the cells that their columns can hold, and draws as they were."""

from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skdiffusion import RiemannianKernelSmoother, TableEncoder
from skdiffusion.tables.gaps import mean_cells

N = 120
END = np.datetime64("9999-12-31", "s")


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)

    def days(width):
        return np.datetime64("2024-01-01", "s") + width * rng.integers(0, 60, N)

    day = np.timedelta64(86400, "s")
    return pd.DataFrame(
        {
            "day": days(day),
            "week": days(7 * day),
            "open": np.where(rng.random(N) < 0.4, END, days(day)),
            "span": pd.to_timedelta(rng.integers(0, 90, N) * 15, "min"),
            "count": rng.integers(0, 9, N).astype(float),
            "nullable": pd.array(rng.integers(0, 9, N), dtype="Int64"),
            "price": rng.gamma(2, 10, N).round(2),
            "narrow": rng.gamma(2, 300, N).round(2).astype("float32"),
            "decimal": [Decimal(int(c)).scaleb(-2) for c in rng.integers(100, 9999, N)],
            "score": np.where(rng.random(N) < 0.3, -1.0, rng.uniform(40, 80, N).round(1)),
            "x": rng.normal(size=N),
        }
    )


def is_cell(name, cells, observed):
    """Which cells are like those observed: as fine, and within their range."""
    if name == "decimal":
        return np.array([cell.as_tuple().exponent == -2 for cell in cells])
    steps = {"day": 86400, "week": 7 * 86400, "open": 86400, "span": 900}
    if name in steps:
        # by NumPy, as pandas 2 turns the divisor and so the years to 9999 to nanoseconds
        rest = (cells - observed.min()).to_numpy() % np.timedelta64(steps[name], "s")
        return rest == np.timedelta64(0, "s")
    decimals = {"count": 0, "nullable": 0, "score": 1}.get(name, 2)
    return cells.astype(float).round(decimals).astype(cells.dtype) == cells


@pytest.fixture(scope="module")
def gaps(table):
    return np.random.default_rng(1).random(table.shape) < 0.2


@pytest.mark.parametrize("strategy", ["mean", "draw"])
def test_of_an_imputer(quick, table, gaps, strategy):
    filled = quick(strategy=strategy, n_models=1).fit_transform(table.mask(gaps))
    for j, name in enumerate(table.columns[:-1]):
        cells, observed = filled[name][gaps[:, j]], table[name][~gaps[:, j]]
        assert filled[name].dtype == table[name].dtype
        assert np.all(is_cell(name, cells, observed))
        assert cells.between(observed.min(), observed.max()).all()
    assert filled["x"].nunique() > N / 2


@pytest.mark.parametrize("seed", range(5))
def test_beside_a_spike(quick, table, gaps, seed):
    """No mean lies between the spike and the others."""
    spiky = table.mask(gaps)[["score", "open", "x"]]
    filled = quick(random_state=seed, n_models=1).fit_transform(spiky)
    assert ((filled["score"] == -1) | filled["score"].between(40, 80)).all()
    assert ((filled["open"] == END) | (filled["open"] < pd.Timestamp("2025"))).all()


def test_of_a_closed_form(table, gaps):
    names = ["day", "count", "price"]
    model = RiemannianKernelSmoother(random_state=0).fit(table[names])
    filled = model.impute(table[names].mask(gaps[:, :3]))
    for name in names:
        assert np.all(is_cell(name, filled[name], table[name]))


def test_in_polars_and_arrays(quick):
    rng = np.random.default_rng(0)
    counts = np.where(rng.random((N, 2)) < 0.2, np.nan, rng.integers(0, 9, (N, 2)))
    filled = quick().fit_transform(counts)
    assert_array_equal(filled, filled.round())
    frame = pl.DataFrame(counts, schema=["a", "b"]).fill_nan(None)
    filled = quick().fit_transform(frame).to_numpy()
    assert_array_equal(filled, filled.round())


class TestMeanCells:
    """Against means by hand."""

    def means(self, cells, draws, **options):
        X = pd.DataFrame({"a": cells})
        encoder = TableEncoder(**options).fit(X)
        Zs = [encoder.transform(pd.DataFrame({"a": draw})) for draw in draws]
        return mean_cells(encoder, [encoder.decode_cells(Z) for Z in Zs])[0]

    def test_are_rounded_to_what_was_recorded(self):
        rng = np.random.default_rng(0)
        cells = rng.normal(size=N).round(1)
        draws = rng.choice(cells, (5, 30))
        assert_allclose(self.means(cells, draws), draws.mean(0).round(1), atol=0.1)
        assert_array_equal(self.means(cells, draws), self.means(cells, draws).round(1))
        whole = rng.integers(0, 50, N).astype(float)
        draws = rng.choice(whole, (5, 30))
        assert_array_equal(self.means(whole, draws), np.rint(draws.mean(0)))

    def test_of_numbers_without_a_lattice_are_means(self):
        rng = np.random.default_rng(0)
        cells = rng.normal(size=N)
        draws = rng.choice(cells, (5, 30))
        assert_allclose(self.means(cells, draws), draws.mean(0))

    def test_of_one_draw_are_the_draw(self):
        rng = np.random.default_rng(0)
        for cells in (rng.normal(size=N).round(2), np.where(rng.random(N) < 0.4, 0, rng.random(N))):
            assert_allclose(self.means(cells, [cells]), cells, rtol=1e-12)

    def test_of_a_spike_apart_go_with_most_of_the_draws(self):
        rng = np.random.default_rng(0)
        cells = np.where(rng.random(N) < 0.4, -9.0, rng.uniform(40, 80, N).round(1))
        draws = [[-9.0, 50.0, 50.0], [-9.0, -9.0, 60.0], [50.0, -9.0, 61.2]]
        assert_allclose(self.means(cells, draws), [-9.0, -9.0, np.mean([50, 60, 61.2]).round(1)])

    def test_of_a_spike_among_the_others_are_means(self):
        rng = np.random.default_rng(0)
        cells = np.where(rng.random(N) < 0.4, 0.0, rng.normal(size=N))
        some = cells[cells != 0][:3]
        assert_allclose(self.means(cells, [some, np.zeros(3)]), some / 2)
