"""Rows that are drawn under conditions: cells, ranges and categories that are settled."""

import copy
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal
from scipy.stats import norm

from skdiffusion import TableEncoder

CITIES = ["a", "b", "c", "d", "e"]


def mixed(n=300):
    """A column of every kind."""
    rng = np.random.default_rng(0)
    size = rng.choice(["S", "M", "L"], n)
    return pd.DataFrame(
        {
            "x": rng.normal(size=n),
            "price": rng.normal(20, 4, n).round(1),
            "count": rng.integers(0, 60, n),
            "city": rng.choice(CITIES, n, p=[0.5, 0.42, 0.03, 0.03, 0.02]),
            "flag": rng.random(n) < 0.4,
            "when": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 300, n), unit="D"),
            "same": 7,
            "size": pd.Categorical(size, categories=["S", "M", "L"], ordered=True),
            "spike": np.where(rng.random(n) < 0.4, 0.0, rng.gamma(2.0, size=n).round(1) + 0.1),
        }
    )


@pytest.fixture(scope="module")
def frame():
    return mixed()


@pytest.fixture(scope="module")
def sampler(quick, frame):
    return quick(encoder=TableEncoder(min_frequency=12)).fit(frame)


@pytest.fixture(scope="module")
def gappy(quick):
    rows = mixed()[["x", "city", "flag"]]
    rows["flag"] = rows["flag"].astype("boolean")
    hidden = np.random.default_rng(1).random(rows.shape) < 0.4
    return quick(encoder=TableEncoder(missing_indicator=True)).fit(rows.mask(hidden))


class TestCells:
    @pytest.mark.parametrize(
        ("column", "wanted"),
        [
            ("x", 0.123456789),
            ("x", 50.0),
            ("price", 0.123),
            ("count", 400),
            ("city", "a"),
            ("city", "e"),
            ("flag", False),
            ("when", pd.Timestamp("2031-05-01")),
            ("when", "2024-05-01"),
            ("same", 8),
            ("size", "M"),
            ("spike", 0.0),
            ("spike", 1.7),
        ],
    )
    def test_come_back_exactly(self, sampler, frame, column, wanted):
        """Also rare categories, which share a vertex, and numbers beyond those seen."""
        rows = sampler.sample(20, conditions={column: wanted}, random_state=0)
        pd.testing.assert_series_equal(rows.dtypes, frame.dtypes)
        value = pd.Timestamp(wanted) if column == "when" else wanted
        assert (rows[column] == value).all()
        if np.isin(value, frame[column]):
            assert rows["price" if column == "x" else "x"].nunique() > 10

    def test_several_at_once(self, sampler):
        wanted = {"city": "c", "count": 3, "flag": True, "spike": 0.0}
        rows = sampler.sample(30, conditions=wanted, random_state=0)
        for name, value in wanted.items():
            assert (rows[name] == value).all()

    def test_by_position(self, sampler):
        by_name = sampler.sample(5, conditions={"city": "a"}, random_state=0)
        assert_frame_equal(sampler.sample(5, conditions={3: "a"}, random_state=0), by_name)
        assert_frame_equal(sampler.sample(5, conditions={-6: "a"}, random_state=0), by_name)

    def test_for_each_row_in_a_frame(self, sampler, frame):
        wanted = frame[["city", "x", "when", "spike", "size", "price"]][:60]
        rows = sampler.sample(conditions=wanted.set_index(np.arange(60) + 5), random_state=0)
        assert_frame_equal(rows[wanted.columns], wanted)
        assert rows["count"].nunique() > 10
        assert_frame_equal(sampler.sample(60, conditions=wanted, random_state=0), rows)

    def test_in_a_frame_of_another_library(self, sampler, frame):
        wanted = frame[["city", "x", "count"]][:9]
        rows = sampler.sample(conditions=pl.DataFrame(wanted.to_dict("list")), random_state=0)
        assert isinstance(rows, pd.DataFrame)
        assert_frame_equal(rows[wanted.columns], wanted)

    def test_missing_ones_are_free(self, sampler, frame):
        wanted = frame[["city", "x"]][:40].copy()
        wanted.loc[::2, "x"] = np.nan
        wanted.loc[1::4, "city"] = None
        rows = sampler.sample(conditions=wanted, random_state=0)
        there = wanted.notna()
        assert (rows[wanted.columns] == wanted)[there].eq(True)[
            there
        ].sum().sum() == there.sum().sum()
        assert rows.loc[::2, "x"].nunique() == 20
        assert not rows.isna().any(axis=None)

    def test_in_an_array_of_all_columns(self, gaussian):
        wanted = np.full((50, 5), np.nan)
        wanted[:, 1] = np.linspace(-2, 2, 50)
        wanted[::2, 4] = 480.0
        rows = gaussian.sampler.sample(conditions=wanted, random_state=0)
        known = ~np.isnan(wanted)
        assert_array_equal(rows[known], wanted[known])
        assert len(np.unique(rows[~known])) == (~known).sum()

    def test_a_table_of_gaps_alone_settles_nothing(self, gaussian):
        rows = gaussian.sampler.sample(conditions=np.full((6, 5), np.nan), random_state=0)
        assert_array_equal(rows, gaussian.sampler.sample(6, random_state=0))
        assert_array_equal(gaussian.sampler.sample(6, conditions={}, random_state=0), rows)

    def test_conditional_distribution_of_a_gaussian(self, gaussian):
        known, value = np.array([0, 3]), np.array([3.05, 8.0])
        free = np.setdiff1d(np.arange(5), known)
        cov = gaussian.truth.cov
        gain = cov[np.ix_(free, known)] @ np.linalg.inv(cov[np.ix_(known, known)])
        mean = gaussian.truth.mean[free] + gain @ (value - gaussian.truth.mean[known])
        spread = cov[np.ix_(free, free)] - gain @ cov[np.ix_(known, free)]
        std = np.sqrt(np.diag(spread))
        rows = gaussian.sampler.sample(
            1000, conditions=dict(zip(known, value, strict=True)), random_state=0
        )[:, free]
        assert_allclose((rows.mean(axis=0) - mean) / std, 0, atol=0.15)
        assert_allclose(rows.std(axis=0) / std, 1, atol=0.12)
        correlation = spread / np.outer(std, std)
        assert_allclose(np.corrcoef(rows.T), correlation, atol=0.12)

    def test_make_classes_follow(self, blobs):
        """Class given numbers: none are drawn in advance."""
        at = {0: 4.0, 1: 0.0}
        _, y = blobs.sampler.sample(200, conditions=at, return_y=True, random_state=0)
        assert np.mean(y == "green") > 0.97
        either = {0: 0.0}
        _, y = blobs.sampler.sample(600, conditions=either, return_y=True, random_state=0)
        share = np.array([np.mean(blobs.y == name) for name in ("blue", "red")])
        assert abs(np.mean(y == "blue") - share[0] / share.sum()) < 0.1

    def test_guidance_scale_exaggerates(self, gaussian):
        """Conditioned on a high column, one correlated with it rises further."""
        cov = gaussian.truth.cov
        scale = np.sqrt(np.diag(cov))
        correlation = (cov / np.outer(scale, scale))[0]
        other = 1 + np.abs(correlation[1:]).argmax()
        wanted = {0: gaussian.truth.mean[0] + scale[0]}
        shifts = []
        for strength in (0.0, 1.0, 2.0):
            model = copy.copy(gaussian.sampler).set_params(guidance_scale=strength)
            rows = model.sample(300, conditions=wanted, random_state=0)
            assert (rows[:, 0] == wanted[0]).all()
            shift = (rows[:, other].mean() - gaussian.truth.mean[other]) / scale[other]
            shifts.append(shift * np.sign(correlation[other]))
        assert abs(shifts[0]) < 0.15
        assert shifts[2] - shifts[1] > 0.5 * (shifts[1] - shifts[0]) > 0.1


class TestRanges:
    @pytest.mark.parametrize(
        ("column", "low", "high"),
        [
            ("x", -0.5, 0.25),
            ("price", None, 21.7),
            ("count", 10.5, 25.5),
            ("when", pd.Timestamp("2024-03-01"), pd.Timestamp("2024-06-30")),
            ("when", "2024-03-01", None),
            ("size", "M", "L"),
            ("size", None, "S"),
            ("spike", 0.5, 2.0),
            ("spike", 0, 0),
            ("same", 0, 9),
        ],
    )
    def test_hold_every_row(self, sampler, frame, column, low, high):
        wanted = {column: (low, high)}
        rows = sampler.sample(40, conditions=wanted, random_state=0)
        pd.testing.assert_series_equal(rows.dtypes, frame.dtypes)
        cells = rows[column]
        assert low is None or (cells >= low).all()
        assert high is None or (cells <= high).all()

    @pytest.mark.parametrize(
        ("column", "low", "high"),
        [("x", -0.5, 0.5), ("spike", 0, 1), ("spike", 1, 3)],
    )
    def test_acceptance_is_the_share_of_free_rows_inside(
        self, sampler, column, low, high, global_random_seed
    ):
        share = sampler.acceptance_rate({column: (low, high)}, random_state=global_random_seed)
        free = sampler.sample(2000, random_state=global_random_seed + 100)
        # four standard errors of a difference of shares
        assert abs(share - free[column].between(low, high).mean()) < 4 * np.sqrt(
            0.25 * (1 / 1000 + 1 / 2000)
        )

    def test_keep_the_share_of_a_spike_inside(self, sampler):
        """The numbers beside a spike must not decide on it."""
        free = sampler.sample(2000, random_state=1)["spike"]
        rows = sampler.sample(1000, conditions={"spike": (0, 1)}, random_state=0)["spike"]
        expected = (free == 0).mean() / (free <= 1).mean()
        assert abs((rows == 0).mean() - expected) < 0.06

    def test_acceptance_is_the_probability(self, gaussian, global_random_seed):
        std, seed = np.sqrt(gaussian.truth.cov[1, 1]), global_random_seed
        wanted = {1: (gaussian.truth.mean[1] + std, None)}
        share = gaussian.sampler.acceptance_rate(wanted, n_samples=2000, random_state=seed)
        truth = norm.sf(1)
        # the model is off by some hundredths itself
        assert abs(share - truth) < 3 * np.sqrt(truth * (1 - truth) / 2000) + 0.01
        rows = gaussian.sampler.sample(1000, conditions=wanted, random_state=seed)
        mean = gaussian.truth.mean[1] + std * norm.pdf(1) / norm.sf(1)
        assert abs(rows[:, 1].mean() - mean) < 0.1 * std

    def test_acceptance_is_one_without(self, sampler):
        for wanted in ({"x": 1.0}, {"city": "a"}):
            assert sampler.acceptance_rate(wanted, n_samples=3) == 1.0

    def test_a_rare_one_is_told_and_held(self, gaussian, monkeypatch, global_random_seed):
        monkeypatch.setattr("skdiffusion.model.drawing.MAX_PROPOSALS", 3000)
        monkeypatch.setattr("skdiffusion.model.drawing.MIN_ACCEPTANCE", 0.1)
        std = np.sqrt(np.diag(gaussian.truth.cov))
        low = gaussian.truth.mean[1] + 2.4 * std[1]
        wanted, seed = {1: (low, None)}, global_random_seed
        with pytest.warns(UserWarning, match=r"Only \d+ of \d+ draws met the ranges"):
            rows = gaussian.sampler.sample(200, conditions=wanted, random_state=seed)
        assert (rows[:, 1] >= low).all()
        # the others follow: their means given the column's, which is linear in it
        gain = gaussian.truth.cov[:, 1] / gaussian.truth.cov[1, 1]
        expected = gain * (rows[:, 1].mean() - gaussian.truth.mean[1])
        assert_allclose((rows.mean(axis=0) - gaussian.truth.mean - expected) / std, 0, atol=0.25)

    def test_several_hold(self, sampler):
        wanted = {"x": (0, None), "count": (3, 40), "spike": (0.0, 3.0), "city": ["a", "b"]}
        rows = sampler.sample(60, conditions=wanted, random_state=0)
        assert (rows["x"] >= 0).all()
        assert rows["count"].between(3, 40).all()
        assert rows["spike"].between(0, 3).all()
        assert rows["city"].isin(["a", "b"]).all()

    def test_impossible_ones_end(self, sampler, monkeypatch):
        monkeypatch.setattr("skdiffusion.model.drawing.MAX_PROPOSALS", 500)
        wanted = {"x": (2.9, None), "price": (None, 9)}
        with pytest.raises(ValueError, match=r"None of \d+ draws meets the conditions.* widen"):
            sampler.sample(20, conditions=wanted, random_state=0)

    def test_common_ones_do_not_warn(self, sampler):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            sampler.sample(50, conditions={"x": (0, None), "flag": [True]}, random_state=0)

    def test_with_cells_and_a_target(self, blobs):
        rows, y = blobs.sampler.sample(
            100, y="green", conditions={1: (0.0, None)}, return_y=True, random_state=0
        )
        assert set(y) == {"green"}
        assert (rows[:, 1] >= 0).all()
        assert np.mean(blobs.class_of(rows) == "green") > 0.95
        y = np.repeat(["red", "blue"], 40)
        rows = blobs.sampler.sample(
            y=y, conditions={0: (None, 0.0), 1: (None, 4.0)}, random_state=0
        )
        assert (rows <= [0, 4]).all()
        assert np.mean(blobs.class_of(rows) != y) < 0.05
        rows = blobs.sampler.sample(40, conditions={0: 4.0, 1: (0.2, None)}, random_state=0)
        assert (rows[:, 0] == 4.0).all()
        assert (rows[:, 1] >= 0.2).all()

    def test_given_numbers_change_the_classes(self, blobs):
        _, y = blobs.sampler.sample(200, conditions={0: (2.5, None)}, return_y=True, random_state=0)
        assert np.mean(y == "green") > 0.95


class TestCategories:
    @pytest.mark.parametrize("wanted", [{"a", "b"}, ["b", "c", "d", "e"]])
    def test_lists(self, sampler, wanted, global_random_seed):
        seed = global_random_seed
        rows = sampler.sample(200, conditions={"city": wanted}, random_state=seed)
        assert set(rows["city"]) == set(wanted)
        share = sampler.acceptance_rate({"city": wanted}, random_state=seed)
        free = sampler.sample(2000, random_state=seed + 100)["city"].isin(wanted)
        assert abs(share - free.mean()) < 4 * np.sqrt(0.25 * (1 / 1000 + 1 / 2000))

    def test_of_a_boolean(self, sampler):
        assert sampler.sample(30, conditions={"flag": [True]}, random_state=0)["flag"].all()


class TestGaps:
    @pytest.mark.parametrize(
        ("column", "wanted"), [("x", 0.3), ("x", (0, None)), ("city", "e"), ("city", ["a", "b"])]
    )
    def test_a_condition_is_about_a_cell_that_is_there(self, gappy, column, wanted):
        rows = gappy.sample(200, conditions={column: wanted}, random_state=0)
        assert rows[column].notna().all()
        others = rows.drop(columns=column)
        assert others.isna().mean().between(0.2, 0.6).all()

    def test_in_a_frame(self, gappy):
        wanted = pd.DataFrame({"x": [0.5, np.nan] * 100})
        rows = gappy.sample(conditions=wanted, random_state=0)
        assert (rows["x"][::2] == 0.5).all()
        assert 0.2 < rows["x"][1::2].isna().mean() < 0.6


class TestReproducibility:
    @pytest.mark.parametrize(
        "wanted", [{"city": "d"}, {"x": (0, 1)}, {"city": ["a"], "x": (1.0, None)}]
    )
    @pytest.mark.filterwarnings("ignore:Only")
    def test_same_seed_same_rows(self, sampler, wanted):
        first, second, third = (
            sampler.sample(20, conditions=wanted, random_state=seed) for seed in (0, 0, 1)
        )
        assert_frame_equal(first, second)
        assert not first["price"].equals(third["price"])

    def test_a_condition_leaves_the_sampler_as_it_was(self, sampler):
        before = sampler.sample(5, random_state=0)
        sampler.sample(5, conditions={"x": 9.0, "spike": (0, 1)}, random_state=0)
        assert_frame_equal(sampler.sample(5, random_state=0), before)


class TestErrors:
    def test_numbers_of_rows(self, sampler, frame, blobs):
        with pytest.raises(ValueError, match="conditions has 4 entries, but n_samples=3"):
            sampler.sample(3, conditions=frame[["x"]][:4])
        with pytest.raises(ValueError, match="conditions has 4 entries, but n_samples=2"):
            blobs.sampler.sample(y=["red", "blue"], conditions=np.zeros((4, 2)))


class TestTarget:
    @pytest.mark.parametrize("value", [0.123456789, 9.0, -7.5])
    def test_numbers_come_back_as_given(self, regression, value):
        """Beyond what was seen, too."""
        _, y = regression.sampler.sample(5, y=value, return_y=True, random_state=0)
        assert_array_equal(y, value)

    def test_fractions_of_a_whole_target(self, quick):
        X = np.random.default_rng(0).normal(size=(60, 2))
        model = quick().fit(X, np.arange(60))
        assert_array_equal(model.sample(3, y=[3, 90, 5], return_y=True)[1], [3, 90, 5])
        with pytest.raises(ValueError, match="no cells as fine"):
            model.sample(3, y=2.5)
