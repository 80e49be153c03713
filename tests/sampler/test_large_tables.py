"""Tables with more rows than training visits: a random sample of them is fitted."""

import sys

import numpy as np
import pandas as pd
import polars as pl
import pyarrow.dataset
import pytest
from numpy.testing import assert_array_equal

from skdiffusion import DenoiserNet, DiffusionManifoldSampler
from skdiffusion import _sampler as module
from skdiffusion.tables import row_source

N, LIMIT = 3000, 1500


class Recorder(DiffusionManifoldSampler):
    """A sampler that keeps what it fits on."""

    def _encode(self, X, y, sample_weight, rng):
        self.fitted_on_ = X, y, sample_weight
        return super()._encode(X, y, sample_weight, rng)


@pytest.fixture
def fit(monkeypatch):
    """Fit a recorder that takes few rows."""
    monkeypatch.setattr(module, "MAX_FIT_ROWS", LIMIT)
    net = DenoiserNet(max_epochs=1, steps_per_epoch=2, module__width=16, module__depth=1)
    fast = {"denoiser": net, "baseline": "gaussian", "manifold": None, "dcr_ratio": None}

    def make(X, y=None, sample_weight=None, **options):
        sampler = Recorder(**fast | {"random_state": 0} | options)
        return sampler.fit(X, y, sample_weight)

    return make


@pytest.fixture(scope="module")
def table():
    """A table whose last rows have a category, and a class, of their own."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"place": np.arange(float(N)), "number": rng.exponential(size=N)})
    X["kind"] = np.where(X.number > 1, "up", "down")
    y = np.arange(N) % 3
    X.loc[N - 1, "kind"], y[N - 2] = "rare", 7
    return X, y


@pytest.fixture(scope="module")
def folder(table, tmp_path_factory):
    """The table as two files of several row groups, with target and weights."""
    X, y = table
    folder = tmp_path_factory.mktemp("rows")
    whole = X.assign(target=y, weight=1.0 + y)
    whole[:1000].to_parquet(folder / "part-0.parquet", row_group_size=300)
    whole[1000:].to_parquet(folder / "part-1.parquet", row_group_size=700)
    return folder


def check_sample(fitted, table):
    """Check that rows are a uniform sample with their targets, and one of each category."""
    rows, y, _ = fitted.fitted_on_
    places = np.asarray(rows["place"]).astype(int)
    assert LIMIT <= len(places) <= LIMIT + 7
    assert fitted.n_rows_used_ == len(np.unique(places)) == len(places)
    share = np.histogram(places, bins=5, range=(0, N))[0] / len(places)
    assert np.abs(share - 0.2).max() < 0.05
    X = table[0].iloc[places]
    assert_array_equal(np.asarray(rows["kind"]), X["kind"])
    assert_array_equal(y, table[1][places])
    assert {N - 1, N - 2} <= set(places)


def test_frames(fit, table):
    check_sample(fit(*table), table)
    X, y = table
    check_sample(fit(pl.from_pandas(X), y), table)


def test_parquet(fit, table, folder):
    for source in (folder, str(folder), pyarrow.dataset.dataset(folder)):
        fitted = fit(source, "target", "weight")
        check_sample(fitted, table)
        _, y, weights = fitted.fitted_on_
        assert_array_equal(weights, 1.0 + y)
        assert list(fitted.sample(2).columns) == ["place", "number", "kind"]
        fitted.score_samples(table[0].tail(2))


def test_a_folder_by_values_of_a_column(fit, table, tmp_path):
    X, y = table
    X.assign(target=y).to_parquet(tmp_path, partition_cols=["kind"])
    fitted = fit(tmp_path, "target")
    assert set(fitted.sample(2).columns) == {"place", "number", "kind"}
    assert {"up", "down", "rare"} == set(fitted.fitted_on_[0]["kind"])
    with pytest.raises(ValueError, match="'label' is no column of the file, which has"):
        fit(tmp_path, "label")


def test_categories_of_rows_that_have_weight(fit, table):
    X, y = table
    X = X.assign(kind=np.where(np.arange(N) % 2 == 0, "even", "odd"))
    X.loc[[0, N - 1], "kind"] = "rare"
    # the first row of the category has none
    weight = np.ones(N)
    weight[:10] = 0
    rows = fit(X, y, weight).fitted_on_[0]
    assert "rare" in set(rows["kind"]) and (rows["place"] >= 10).all()
    assert len(rows) <= LIMIT + 7


def test_parquet_with_arrays_beside_it(fit, table, folder):
    y = table[1]
    fitted = fit(folder, y, 1.0 + y)
    rows, _, weights = fitted.fitted_on_
    places = rows["place"].astype(int)
    assert_array_equal(weights, 1.0 + y[places])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        fit(folder, y[:-1])


def test_the_sample_depends_on_the_seed_alone(fit, table):
    places = [
        fit(*table, random_state=seed).fitted_on_[0]["place"].to_numpy() for seed in (0, 0, 1)
    ]
    assert_array_equal(places[0], places[1])
    assert len(np.intersect1d(places[0], places[2])) < 0.6 * LIMIT


def test_up_to_the_limit_all_rows_count(fit, table, monkeypatch):
    fits = []
    for limit in (N, 10 * N):
        monkeypatch.setattr(module, "MAX_FIT_ROWS", limit)
        fits.append(fit(*table))
        assert fits[-1].n_rows_used_ == N
    assert_array_equal(*[fit.score_samples(table[0][:9]) for fit in fits])


def test_more_rows_where_training_visits_more(fit, table):
    net = DenoiserNet(max_epochs=2, steps_per_epoch=4, batch_size=300, module__width=16)
    assert LIMIT < 2400 <= fit(*table, denoiser=net).n_rows_used_ <= 2407


def test_weights_of_rows(fit, table):
    X, y = table
    weights = np.where(np.arange(N) < 2000, 2.0 + np.arange(N) % 2, 0.0)
    rows, _, own = fit(X, y, weights).fitted_on_
    places = rows["place"].to_numpy().astype(int)
    assert places.max() < 2000
    assert_array_equal(own, weights[places])
    assert len(fit(X, y, np.where(np.arange(N) < 100, 1.0, 0.0)).fitted_on_[0]) == 100


def test_memory_maps(fit, tmp_path):
    X = np.arange(2.0 * N).reshape(N, 2) ** 2
    np.save(tmp_path / "rows.npy", X)
    rows = fit(np.load(tmp_path / "rows.npy", mmap_mode="r")).fitted_on_[0]
    assert_array_equal(rows, fit(X).fitted_on_[0])
    assert len(rows) == LIMIT


def test_infinite_cells_outside_the_sample_are_refused(fit):
    X = np.random.default_rng(0).normal(size=(N, 2))
    for row in range(0, N, 1000):
        bad = X.copy()
        bad[row, 1] = np.inf
        with pytest.raises(ValueError, match="infinity"):
            fit(bad)


def test_says_what_it_left_out(fit, table, capsys):
    fit(*table, verbose=1)
    assert "of 3,000 rows, drawn at random" in capsys.readouterr().out


def test_categories_are_looked_for_in_chunks(fit, table, folder, monkeypatch):
    monkeypatch.setattr(row_source, "CHUNK_ROWS", 400)
    check_sample(fit(*table), table)
    check_sample(fit(folder, "target"), table)


def test_without_pyarrow(fit, folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow.dataset", None)
    with pytest.raises(ImportError, match=r"skdiffusion\[parquet\]"):
        fit(folder)


def test_no_file(fit, tmp_path):
    with pytest.raises(FileNotFoundError):
        fit(tmp_path / "none.parquet")
