"""Relations hold in draws, under conditions, in imputed and in oversampled rows."""

import numpy as np
import pandas as pd
import pytest

from skdiffusion import DiffusionImputer, DiffusionOversampler, RiemannianKernelSmoother
from skdiffusion.tables import Inequality, LinearEquation, discover_constraints
from skdiffusion.tables.encoder import TableEncoder
from tests.tables.invented_tables import TABLES, chain, cities, flags, hotel, parts, shares, units

RELATED = [make for make in TABLES if make(np.random.default_rng(0), 60)[1]]


def holds(X, real):
    return [bool(each.holds(X, like=real).all()) for each, _ in discover_constraints(real)]


@pytest.fixture(scope="module")
def fitted(quick):
    """Return tables with samplers fitted to them."""
    tables = {make.__name__: make(np.random.default_rng(1), 300)[0] for make in RELATED}
    return {name: (X, quick().fit(X)) for name, X in tables.items()}


@pytest.mark.parametrize("name", [make.__name__ for make in RELATED])
class TestEverywhere:
    def test_draws(self, fitted, name):
        X, sampler = fitted[name]
        assert all(holds(sampler.sample(500, random_state=0), X))

    @pytest.mark.parametrize("strategy", ["mean", "draw"])
    def test_gaps(self, fitted, name, strategy):
        X, sampler = fitted[name]
        gaps = np.random.default_rng(2).random((40, X.shape[1])) < 0.3
        missing = X.head(40).astype({c: float for c in X if X[c].dtype == int}).mask(gaps)
        filled = sampler.impute(missing, strategy=strategy, n_draws=4, random_state=0)
        assert not filled.isna().any().any()
        assert all(holds(filled, X))
        # each row by itself
        alone = sampler.impute(missing.iloc[[7]], strategy="mean", n_draws=4)
        both = sampler.impute(missing.head(9), strategy="mean", n_draws=4)
        pd.testing.assert_frame_equal(alone, both.iloc[[7]])


CONDITIONS = [
    (hotel, {"leave": pd.Timestamp("2022-06-01")}),
    (hotel, {"leave": ("2022-06-01", "2022-06-10")}),
    (chain, {"high": 90.0}),
    (chain, {"low": 100.0, "high": 103.0}),
    (chain, {"middle": 100.0, "high": 100.0}),
    (parts, {"all": 60}),
    (parts, {"all": 5}),
    (parts, {"all": 60, "a": 10}),
    (parts, {"all": 60, "a": 10, "b": 12}),
    (parts, {"all": (0, 20)}),
    (cities, {"country": "IT"}),
    (cities, {"country": ["AT", "IT"]}),
    (flags, {"a": 1.0}),
    (flags, {"a": 0.0, "b": 0.0}),
    (shares, {"c": 80.0}),
    (units, {"fahrenheit": 50.0}),
]


@pytest.mark.parametrize(("make", "wanted"), CONDITIONS)
def test_conditions(fitted, make, wanted):
    X, sampler = fitted[make.__name__]
    S = sampler.sample(200, conditions=wanted, random_state=0)
    assert all(holds(S, X))
    for name, cell in wanted.items():
        if isinstance(cell, tuple):
            assert S[name].between(*cell).all()
        else:
            assert S[name].isin(cell if isinstance(cell, list) else [cell]).all()


def test_a_row_for_each(fitted):
    X, sampler = fitted["chain"]
    S = sampler.sample(conditions=X.head(30)[["high"]], random_state=0)
    assert all(holds(S, X))
    assert (S["high"] == X["high"].head(30)).all()


def test_what_breaks_a_relation(fitted):
    _, sampler = fitted["cities"]
    with pytest.raises(ValueError, match="break a relation between these"):
        sampler.sample(3, conditions={"city": "Wien", "country": "IT"}, random_state=0)
    _, sampler = fitted["chain"]
    with pytest.raises(ValueError, match="No row has the given cells of columns 'low', 'high'"):
        sampler.sample(3, conditions={"low": 100.0, "high": 90.0}, random_state=0)


def test_of_what_a_known_total_leaves_open(quick):
    """The parts of a total of 4 dice are distributed as the dice given their sum."""
    rng = np.random.default_rng(0)
    dice = rng.integers(1, 7, (5000, 2))
    X = pd.DataFrame(dice, columns=["a", "b"]).assign(total=dice.sum(1))
    sampler = quick().fit(X)
    S = sampler.sample(4000, conditions={"total": 4}, random_state=0)
    assert set(S["a"]) == {1, 2, 3}
    shares = S["a"].value_counts(normalize=True)
    assert np.abs(shares - 1 / 3).max() < 0.12


def test_oversampled_rows(quick):
    X, _ = hotel(np.random.default_rng(0), 300)
    y = np.repeat([0, 1], [260, 40])
    more, _ = DiffusionOversampler(sampler=quick(), random_state=0).fit_resample(X, y)
    assert len(more) > len(X)
    assert (more["arrive"] < more["leave"]).all()


def test_imputer(quick):
    X, _ = chain(np.random.default_rng(0), 300)
    encoder = TableEncoder(constraints=[Inequality("low", "middle", "high")])
    gaps = np.random.default_rng(1).random(X.shape) < 0.2
    imputer = DiffusionImputer(
        sampler=quick(encoder=encoder), n_models=2, n_draws=4, random_state=0
    )
    for filled in (
        imputer.fit_transform(X.mask(gaps)),
        *imputer.sample_imputations(X.mask(gaps), 2),
    ):
        assert (filled["low"] <= filled["middle"]).all()
        assert (filled["middle"] <= filled["high"]).all()


def test_a_kernel_density_draws_them_too():
    X, _ = parts(np.random.default_rng(0), 200)
    total = LinearEquation({"a": 1, "b": 1, "c": 1, "all": -1})
    encoder = TableEncoder(numeric_transform="standard", constraints=[total])
    smoother = RiemannianKernelSmoother(encoder=encoder, random_state=0).fit(X)
    S = smoother.sample(300, random_state=0)
    assert (S[["a", "b", "c"]].sum(axis=1) == S["all"]).all()
    S = smoother.sample(300, conditions={"all": 50}, random_state=0)
    assert (S[["a", "b", "c"]].sum(axis=1) == 50).all()


class TestScaleByCategory:
    @pytest.fixture(scope="class")
    def sampler(self, quick):
        rng = np.random.default_rng(0)
        X = pd.DataFrame({"g": rng.choice(list("abc"), 1000, p=[0.9, 0.06, 0.04])})
        X["x"] = X["g"].map({"a": 50.0, "b": 7000.0, "c": 0.5}) * rng.lognormal(0, 0.3, 1000)
        return quick().fit(X)

    @pytest.mark.parametrize(("x", "g"), [(50.0, "a"), (7000.0, "b"), (0.5, "c")])
    def test_a_number_tells_its_category(self, sampler, x, g):
        S = sampler.sample(200, conditions={"x": x}, random_state=0)
        assert (S["x"] == x).all()
        assert (S["g"] == g).mean() > 0.9

    def test_imputed_categories(self, sampler):
        X = pd.DataFrame({"g": [None] * 3, "x": [50.0, 7000.0, 0.5]})
        assert sampler.impute(X, random_state=0)["g"].tolist() == list("abc")


def test_ranges_that_rare_rows_alone_meet(trained):
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"g": rng.choice(list("abc"), 1500, p=[0.8, 0.185, 0.015])})
    X["x"] = X["g"].map({"a": 0, "b": 1, "c": 4}) + rng.normal(size=1500)
    X["u"] = 0.7 * X["x"] + 0.5 * rng.normal(size=1500)
    sampler = trained().fit(X)
    S = sampler.sample(300, conditions={"x": (3.9, None)}, random_state=0)
    real = X[X["x"] >= 3.9]
    assert (S["x"] >= 3.9).all()
    assert abs((S["g"] == "c").mean() - (real["g"] == "c").mean()) < 0.1
