"""Numbers whose scale depends on a category are encoded given it."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import norm

from skdiffusion import TableEncoder

MIDDLE = {"USD": 50.0, "EUR": 45.0, "JPY": 7000.0, "KWD": 0.5}


def amounts(seed, n=1500):
    rng = np.random.default_rng(seed)
    X = pd.DataFrame({"currency": rng.choice(list(MIDDLE), n, p=[0.8, 0.12, 0.06, 0.02])})
    X["amount"] = (X["currency"].map(MIDDLE) * rng.lognormal(0, 0.35, n)).round(2)
    return X.assign(items=rng.poisson(3, n))


@pytest.fixture(scope="module", params=range(3))
def fitted(request):
    X = amounts(request.param)
    return X, TableEncoder().fit(X)


class TestCodes:
    def test_where(self, fitted):
        assert fitted[1].transforms_ == ["simplex", "by category", "quantile"]

    def test_come_back(self, fitted):
        X, encoder = fitted
        Z = encoder.transform(X)
        pd.testing.assert_frame_equal(encoder.inverse_transform(Z), X)
        spread = encoder.dequantize(Z, random_state=0)
        pd.testing.assert_frame_equal(encoder.inverse_transform(spread), X)

    def test_are_alike_in_all_categories(self, fitted):
        X, encoder = fitted
        z = encoder.transform(X)[:, encoder.groups_ == 1][:, 0]
        for _, part in pd.Series(z).groupby(X["currency"]):
            assert abs(part.mean()) < 0.1
            assert 0.8 < part.std() < 1.1

    def test_keep_to_the_numbers_of_the_category(self, fitted):
        X, encoder = fitted
        Z = encoder.transform(X)
        Z[:, encoder.groups_ == 1] = 3 * np.random.RandomState(0).normal(size=(len(Z), 1))
        S = encoder.inverse_transform(Z).groupby("currency")["amount"]
        real = X.groupby("currency")["amount"]
        assert (S.min() >= real.min()).all()
        assert (S.max() <= real.max()).all()

    def test_go_beyond_them_without_clip(self, fitted):
        X, _ = fitted
        encoder = TableEncoder(clip=False).fit(X)
        Z = encoder.transform(X)
        pd.testing.assert_frame_equal(encoder.inverse_transform(Z), X)
        Z[:, encoder.groups_ == 1] += 3
        S = encoder.inverse_transform(Z).groupby("currency")["amount"]
        assert (S.max() > X.groupby("currency")["amount"].max()).all()

    def test_a_known_number_and_an_unknown_category(self, fitted):
        X, encoder = fitted
        Z = encoder.transform(X.assign(currency=X["currency"].mask(X.index < 9)))
        assert np.isnan(Z[:9, encoder.groups_ <= 1]).all()
        assert not np.isnan(Z[9:]).any()


def test_density_is_that_given_the_category():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"g": np.repeat(["a", "b", "c"], [1000, 50, 50])})
    middle, width = X["g"].map({"a": 0, "b": 30, "c": -30}), X["g"].map({"a": 1, "b": 0.1, "c": 4})
    X["x"] = middle + width * rng.normal(size=len(X))
    encoder = TableEncoder().fit(X)
    Z = encoder.transform(X)
    assert encoder.transforms_[1] == "by category"
    own = encoder.groups_ == 1
    log_density = norm.logpdf(Z[:, own][:, 0]) + encoder.log_volume(X, 0.1)
    log_density -= np.log(2 * np.pi * 0.1**2)  # of the three vertices
    groups = X.groupby("g")["x"]
    expected = norm.logpdf(X["x"], groups.transform("mean"), groups.transform("std", ddof=0))
    assert_allclose(
        log_density.groupby(X["g"]).mean()
        if hasattr(log_density, "groupby")
        else [log_density[X["g"] == g].mean() for g in "abc"],
        [expected[X["g"] == g].mean() for g in "abc"],
        atol=0.1,
    )


class TestChoice:
    """Not where categories differ as heights of women and men do, nor by chance."""

    @pytest.mark.parametrize("seed", range(5))
    def test_moderate_differences(self, seed):
        rng = np.random.default_rng(seed)
        sex = rng.choice(["f", "m"], 500)
        X = pd.DataFrame({"sex": sex, "height": 165 + 13 * (sex == "m") + 7 * rng.normal(size=500)})
        assert TableEncoder().fit(X).transforms_ == ["simplex", "standard"]

    @pytest.mark.parametrize("seed", range(5))
    def test_chance(self, seed):
        rng = np.random.default_rng(seed)
        X = pd.DataFrame({"g": rng.integers(0, 40, 500).astype(str), "x": rng.normal(size=500)})
        assert TableEncoder().fit(X).transforms_ == ["simplex", "standard"]

    def test_categories_of_few_rows(self):
        X = amounts(0, 300)
        X = X[X["currency"].ne("JPY") & (X["currency"].ne("KWD") | X.index.isin(X.index[:100]))]
        counts = X["currency"].value_counts()
        assert counts.min() < 10
        assert TableEncoder().fit(X).transforms_[1] != "by category"

    def test_the_transform_decides(self):
        encoder = TableEncoder(numeric_transform={"amount": "quantile"}).fit(amounts(0))
        assert encoder.transforms_[1] == "quantile"

    def test_weights_are_repetitions(self):
        X = amounts(0)
        weights = np.random.RandomState(0).randint(1, 4, len(X))
        repeated = TableEncoder(constraints=None).fit(X.loc[X.index.repeat(weights)])
        from skdiffusion.tables.frames import read_table

        weighted = TableEncoder(constraints=None)
        weighted.fit_columns(X, read_table(X), weights.astype(float))
        assert_array_equal(weighted.transform(X), repeated.transform(X))
