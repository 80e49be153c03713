"""Constraints hold for whatever is decoded, and say what is wrong with them."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal

from skdiffusion import TableEncoder
from skdiffusion.tables import (
    FixedCombinations,
    FixedIncrement,
    FunctionalDependency,
    Inequality,
    LinearEquation,
    OneHot,
    Recoded,
)
from skdiffusion.tables.frames import read_table

N = 200


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def encoder_of(X, *constraints):
    return TableEncoder(constraints=list(constraints)).fit(X)


def decoded(encoder, seed=0):
    """Return rows of random codes, far beyond those of `fit`."""
    return encoder.inverse_transform(
        3 * np.random.RandomState(seed).normal(size=(500, encoder.n_encoded_))
    )


class TestInequality:
    @pytest.mark.parametrize("dtype", ["float64", "float32", "Int64", "int8"])
    def test_numbers(self, rng, dtype):
        low = rng.integers(0, 60, N)
        X = pd.DataFrame({"low": low, "high": low + rng.integers(0, 9, N)}).astype(dtype)
        encoder = encoder_of(X, Inequality("low", "high"))
        assert_frame_equal(encoder.inverse_transform(encoder.transform(X)), X)
        S = decoded(encoder)
        assert (S["low"] <= S["high"]).all()
        assert S["high"].between(X["high"].min(), X["high"].max()).all()

    def test_continuous_numbers(self, rng):
        X = rng.normal(size=(N, 3))
        X[:, 2] = np.maximum(X[:, 0], X[:, 1]) + rng.exponential(size=N)
        encoder = encoder_of(X, Inequality(0, 2), Inequality(1, 2))
        assert_allclose(encoder.inverse_transform(encoder.transform(X)), X, rtol=1e-12)
        S = decoded(encoder)
        assert np.all(S[:, :2].max(1) <= S[:, 2])

    @pytest.mark.parametrize("units", [("s", "s"), ("D", "s"), ("ns", "D"), ("M", "M")])
    def test_times(self, rng, units):
        start = np.datetime64("2021-03-01") + rng.integers(0, 900, N)
        end = start + rng.integers(40, 900, N)
        X = np.empty((N, 2), dtype=object)
        X[:, 0], X[:, 1] = start.astype("M8[D]").tolist(), end.astype("M8[D]").tolist()
        if "M" in units:
            X = np.stack([start, end], axis=1).astype("M8[M]")
        else:
            names = [u.replace("D", "s") for u in units]
            X = pd.DataFrame(
                {"a": start.astype(f"M8[{names[0]}]"), "b": end.astype(f"M8[{names[1]}]")}
            )
        encoder = encoder_of(X, Inequality(0, 1))
        S = decoded(encoder)
        low, high = (S[:, 0], S[:, 1]) if isinstance(S, np.ndarray) else (S["a"], S["b"])
        assert (low <= high).all()
        back = encoder.inverse_transform(encoder.transform(X))
        assert np.all(np.asarray(back) == np.asarray(X))

    def test_a_grid_that_is_coarser_than_the_other_column(self, rng):
        low = pd.Timestamp("2021-03-01") + pd.to_timedelta(rng.integers(0, 10**7, N), unit="s")
        X = pd.DataFrame({"moment": low, "day": low.ceil("D")})
        S = decoded(encoder_of(X, Inequality("moment", "day")))
        assert (S["moment"] <= S["day"]).all()
        assert (S["day"] == S["day"].dt.normalize()).all()

    def test_chain_of_polars(self, rng):
        a = rng.gamma(2, 10, N).round(2)
        b = (a + rng.exponential(3, N)).round(2)
        X = pl.DataFrame({"a": a, "c": (b + rng.exponential(3, N)).round(2), "b": b})
        S = decoded(encoder_of(X, Inequality("a", "b", "c")))
        assert (S["a"] <= S["b"]).all()
        assert (S["b"] <= S["c"]).all()


class TestEquations:
    def test_total_between_its_bounds(self, rng):
        X = pd.DataFrame(rng.integers(0, 20, (N, 3)), columns=list("abc"))
        X["total"] = X.sum(axis=1)
        encoder = encoder_of(X, LinearEquation({"a": 1, "b": 1, "c": 1, "total": -1}))
        assert encoder.transforms_[3] == "constant"
        S = decoded(encoder)
        assert_array_equal(S[["a", "b", "c"]].sum(axis=1), S["total"])
        assert S["total"].between(X["total"].min(), X["total"].max()).all()

    def test_parts_of_a_whole(self, rng):
        X = pd.DataFrame((100 * rng.dirichlet([1, 2, 3], N)).round(1), columns=list("abc"))
        X["c"] = (100 - X["a"] - X["b"]).round(1)
        S = decoded(encoder_of(X, LinearEquation({"a": 1, "b": 1, "c": 1}, 100)))
        assert_allclose(S.sum(axis=1), 100, atol=1e-9)
        assert S.min().min() >= 0

    def test_days_between_dates(self, rng):
        start = pd.Timestamp("2021-03-01") + pd.to_timedelta(rng.integers(0, 900, N), unit="D")
        nights = rng.integers(1, 9, N)
        X = pd.DataFrame({"a": start, "b": start + pd.to_timedelta(nights, unit="D"), "n": nights})
        encoder = encoder_of(X, LinearEquation({"a": 1, "n": 1, "b": -1}))
        assert_frame_equal(encoder.inverse_transform(encoder.transform(X)), X)
        S = decoded(encoder)
        assert ((S["b"] - S["a"]).dt.days == S["n"]).all()

    @pytest.mark.parametrize("unit", [1e-9, 1.0, 1e6])
    def test_halves_are_no_multiples(self, rng, unit):
        X = pd.DataFrame({"x": unit * rng.integers(10**5, 10**6, N)})
        assert FixedIncrement("x", unit).holds(X).all()
        assert not FixedIncrement("x", unit).holds(X + unit / 2).any()

    def test_multiples(self, rng):
        X = pd.DataFrame({"x": 2.5 * rng.integers(0, 9, N)})
        S = decoded(encoder_of(X, FixedIncrement("x", 2.5)))
        assert_array_equal(S["x"] % 2.5, 0)
        with pytest.raises(ValueError, match="x is a multiple of 2 does not hold"):
            encoder_of(X, FixedIncrement("x", 2))


class TestCategories:
    def test_lookup_of_what_is_between(self):
        X = pd.DataFrame({"age": [1.0, 10, 30, 50, 70, 90] * 5, "old": list("nnnyyy") * 5})
        encoder = encoder_of(X, FunctionalDependency("age", "old"))
        Z = encoder.transform(X.assign(age=[5.0, 29, 39, 41, 60, 90] * 5))
        assert encoder.inverse_transform(Z)["old"].tolist() == list("nnnyyy") * 5

    def test_lookup_by_two(self, rng):
        X = pd.DataFrame(rng.choice(list("xyz"), (N, 2)), columns=list("ab"))
        X["ab"] = X["a"] + X["b"]
        S = decoded(encoder_of(X, FunctionalDependency(["a", "b"], "ab")))
        assert (S["a"] + S["b"] == S["ab"]).all()

    def test_combinations(self, rng):
        X = pd.DataFrame({"a": rng.choice(list("xyz"), N), "n": rng.integers(0, 3, N), "k": True})
        X = X[X["a"].ne("x") | X["n"].eq(0)].reset_index(drop=True)
        X["k"] = X["n"].gt(0)
        encoder = encoder_of(X, FixedCombinations("a", "n", "k"))
        assert_frame_equal(encoder.inverse_transform(encoder.transform(X)), X)
        S = decoded(encoder)
        assert len(S.drop_duplicates().merge(X.drop_duplicates())) == len(S.drop_duplicates())

    @pytest.mark.parametrize("dtype", ["float64", "int64", "bool", "boolean", "Int8"])
    def test_one_of(self, rng, dtype):
        X = pd.DataFrame(np.eye(3)[rng.integers(0, 3, N)], columns=list("abc")).astype(dtype)
        encoder = encoder_of(X, OneHot("a", "b", "c"))
        assert encoder.n_encoded_ == 2
        assert_frame_equal(encoder.inverse_transform(encoder.transform(X)), X)
        assert (decoded(encoder).sum(axis=1) == 1).all()


def test_pair_of_functions(rng):
    X = np.exp(rng.normal(size=(N, 2)))
    order = Recoded(
        [0, 1],
        lambda a, b: (np.log(a + b), np.log(a / b)),
        lambda s, r: (np.exp(s) / (1 + np.exp(-r)), np.exp(s) / (1 + np.exp(r))),
    )
    encoder = encoder_of(X, order)
    assert_allclose(encoder.inverse_transform(encoder.transform(X)), X, rtol=1e-9)
    assert_allclose(encoder.transform(X).mean(0), 0, atol=1e-9)
    assert (decoded(encoder) > 0).all()


class TestOtherUnits:
    """Cells of another unit or data type than in `fit` are the same cells."""

    @pytest.mark.parametrize(
        "constraint",
        [
            FixedCombinations("a", "b"),
            FunctionalDependency("a", "b"),
            Inequality("a", "b"),
            LinearEquation({"a": 1, "n": 1, "b": -1}),
        ],
    )
    def test_times(self, rng, constraint):
        a = np.datetime64("2021-03-01", "s") + 86400 * rng.integers(0, 5, N)
        X = pd.DataFrame({"a": a, "b": a + 86400, "n": 1.0})
        fine = X.astype({"a": "M8[ns]", "b": "M8[ns]"})
        encoder = encoder_of(X, constraint)
        assert_allclose(encoder.transform(fine), encoder.transform(X))
        assert_allclose(encoder.log_volume(fine, 0.1), encoder.log_volume(X, 0.1))
        assert constraint.holds(fine, like=X).all()
        broken = fine.assign(b=fine["a"] - pd.Timedelta(9, "D"))
        assert not constraint.holds(broken, like=X).any()

    @pytest.mark.parametrize("constraint", [FixedCombinations, FunctionalDependency])
    def test_decimals_of_single_precision(self, rng, constraint):
        X = pd.DataFrame({"k": rng.choice(list("xyz"), N)})
        X["x"] = X["k"].map({"x": 0.1, "y": 0.7, "z": 2.3}).astype("float32")
        encoder = encoder_of(X, constraint("k", "x"))
        assert_frame_equal(encoder.inverse_transform(encoder.transform(X)), X)
        double = X.astype({"x": float}).round(1)
        assert_array_equal(encoder.transform(double), encoder.transform(X))
        assert_array_equal(encoder.log_volume(double, 0.1), encoder.log_volume(X, 0.1))


class TestGaps:
    @pytest.mark.parametrize("place", ["a", "b"])
    @pytest.mark.parametrize("missing_indicator", [True, False])
    def test_of_a_combination(self, rng, place, missing_indicator):
        X = pd.DataFrame({"a": rng.choice(list("xyz"), N)})
        X["b"] = X["a"].str.upper()
        X.loc[::7, place] = None
        encoder = TableEncoder(
            constraints=[FixedCombinations("a", "b")], missing_indicator=missing_indicator
        ).fit(X)
        back = encoder.inverse_transform(encoder.transform(X))
        assert back[::7].isna().all(axis=None)
        assert_frame_equal(back.dropna(), X.dropna())

    @pytest.mark.parametrize("constraint", [OneHot("a", "b"), FixedCombinations("a", "b")])
    def test_in_all_rows(self, rng, constraint):
        X = pd.DataFrame({"a": np.nan, "b": rng.integers(0, 2, N)})
        with pytest.raises(ValueError, match="No row has cells in all of the columns a and b"):
            encoder_of(X, constraint)

    @pytest.mark.parametrize("clip", [True, False])
    def test_where_the_others_are_greater(self, rng, clip):
        X = pd.DataFrame({"a": rng.normal(size=N)})
        X["b"] = X["a"] + rng.exponential(size=N)
        X.loc[:20, "a"] += 10
        X.loc[:20, "b"] = np.nan
        encoder = TableEncoder(constraints=[Inequality("a", "b")], clip=clip).fit(X)
        S = decoded(encoder).dropna()
        assert S["a"].max() > X["b"].max()
        assert (S["a"] <= S["b"]).all()

    def test_of_what_is_determined_stay(self, rng):
        X = pd.DataFrame({"a": rng.normal(size=N), "b": rng.normal(size=N)})
        X["b"] = X["a"] + X["b"].abs()
        X.loc[::5, "b"] = np.nan
        encoder = encoder_of(X, Inequality("a", "b"))
        assert_frame_equal(encoder.inverse_transform(encoder.transform(X)), X)

    def test_of_what_determines_are_gaps_of_the_other(self, rng):
        X = pd.DataFrame({"a": rng.choice(list("xy"), N)})
        X["b"] = X["a"].str.upper()
        encoder = encoder_of(X, FunctionalDependency("a", "b"))
        X.loc[0, "a"] = None
        assert encoder.inverse_transform(encoder.transform(X)).loc[0].isna().all()


def test_noise_of_numbers_beside_a_category(rng):
    X = pd.DataFrame(np.eye(3)[rng.integers(0, 3, N)], columns=list("abc"))
    X = X.assign(low=rng.normal(size=N), high=rng.exponential(size=N) + 9)
    encoder = TableEncoder(
        constraints=[OneHot("a", "b", "c"), Inequality("low", "high")], numeric_transform=1.0
    ).fit(X)
    noise = encoder.encoded_noise(read_table(X), 0.1)
    assert_allclose(noise[:, encoder.groups_ == 0], 0)
    assert_allclose(noise[:, encoder.groups_ == 3], 0.1)
    assert_allclose(noise[:, encoder.groups_ == 4], 0.2)


class TestDensity:
    def test_a_difference_keeps_volumes(self, rng):
        X = rng.normal(size=(N, 2))
        X[:, 1] += 9
        plain, coded = (
            TableEncoder(numeric_transform=1.0, constraints=c).fit(X)
            for c in (None, [Inequality(0, 1)])
        )
        assert_allclose(coded.log_volume(X, 0.1), plain.log_volume(X, 0.1))

    def test_broken_relations_are_unlikely(self, rng):
        X = pd.DataFrame({"a": rng.choice(list("xy"), N)})
        X["b"] = X["a"].str.upper()
        encoder = encoder_of(X, FunctionalDependency("a", "b"))
        broken = X.assign(b=X["b"].iloc[::-1].to_numpy())
        is_broken = (broken["b"] != X["b"]).to_numpy()
        off = encoder.log_volume(X, 0.1) - encoder.log_volume(broken, 0.1)
        assert_allclose(off, np.log(N + 2) * is_broken)


class TestErrors:
    X = pd.DataFrame({"a": [1.0, 2, 3, 4], "b": [2.0, 3, 1, 5], "t": list("xxyy")})

    @pytest.mark.parametrize(
        ("constraints", "error", "message"),
        [
            ([Inequality("a", "b")], ValueError, "a <= b does not hold in 1 of 4 rows.*position 2"),
            ([Inequality("a", "c")], ValueError, "Inequality names the column 'c'"),
            ([Inequality("a", "t")], TypeError, "column 't' is categorical"),
            ([Inequality("a", "a")], ValueError, "names a column twice"),
            ([LinearEquation({"a": 1, "b": -1})], ValueError, "does not hold in 4 of 4 rows"),
            ([LinearEquation({"a": 1, "b": 0})], ValueError, "other than 0"),
            ([FunctionalDependency("t", "a")], ValueError, "t determines a does not hold in 2"),
            ([OneHot("a", "b")], ValueError, "one of a, b does not hold"),
            ([OneHot("a", "t")], ValueError, "one of a, t does not hold in 4"),
            ([FixedIncrement("a", -1.0)], ValueError, "positive step, got -1"),
            (
                [FunctionalDependency("a", "t"), FixedCombinations("t", "b")],
                ValueError,
                "Two constraints determine column 't'",
            ),
            (
                [FunctionalDependency("a", "b"), FunctionalDependency("b", "a")],
                ValueError,
                "go round in a circle",
            ),
            (
                [Recoded(["a"], lambda a: (np.log(a - 1),), lambda a: (np.exp(a) + 1,))],
                ValueError,
                "makes finite numbers infinite",
            ),
            ([Recoded(["a"], lambda a: (a, a), lambda a: (a,))], ValueError, "as many arrays"),
            ([Recoded(["a"], lambda a: (a**2,), lambda a: (a,))], ValueError, "does not hold in 3"),
        ],
    )
    @pytest.mark.filterwarnings("ignore:divide by zero")
    def test_say_what_is_wrong(self, constraints, error, message):
        with pytest.raises(error, match=message):
            TableEncoder(constraints=constraints).fit(self.X)

    def test_too_few_columns(self):
        with pytest.raises(ValueError, match="two columns or more"):
            Inequality("a")
        with pytest.raises(ValueError, match="FixedCombinations needs two columns or more"):
            FixedCombinations("a")
        with pytest.raises(TypeError, match="takes a dict by column"):
            LinearEquation(["a", "b"])

    def test_columns_that_identify_rows(self):
        X = pd.DataFrame({"key": np.arange(50) + 100, "g": list("xy") * 25})
        encoder = TableEncoder(
            constraints=[FunctionalDependency("key", "g")], identifiers={"key": "pattern"}
        )
        with pytest.raises(ValueError, match="'key' identifies rows"):
            encoder.fit(X)

    def test_of_another_kind(self):
        with pytest.raises(ValueError, match="'constraints' parameter of TableEncoder"):
            TableEncoder(constraints="all").fit(self.X)
        with pytest.raises(TypeError, match="constraints"):
            TableEncoder(constraints=["a < b"]).fit(self.X)
