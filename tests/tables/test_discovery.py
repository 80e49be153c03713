"""Relations of invented tables are found, and no others."""

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine

from skdiffusion import TableEncoder
from skdiffusion.tables import discover_constraints
from tests.tables.invented_tables import TABLES, cities, hotel, name_of


def found_in(X):
    return sorted(name_of(constraint) for constraint, _ in discover_constraints(X))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("make", TABLES)
def test_what_was_put_in_is_found(make, seed):
    X, names = make(np.random.default_rng(seed), 600)
    assert found_in(X) == sorted(names)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("make", TABLES)
def test_rows_of_the_default_encoder_meet_it(make, seed):
    rng = np.random.default_rng(seed)
    X, _ = make(rng, 600)
    encoder = TableEncoder().fit(X)
    Z = encoder.transform(X)
    assert_frame_equal(encoder.inverse_transform(Z), X)
    # far beyond the encoded rows, too
    S = encoder.inverse_transform(3 * rng.normal(size=Z.shape))
    for constraint, n_rows in discover_constraints(X):
        assert n_rows > 0.5 * len(X)
        assert constraint.holds(S, like=X).all(), str(constraint)


@pytest.mark.parametrize("make", TABLES)
def test_one_row_refutes_it(make):
    rng = np.random.default_rng(0)
    X, _ = make(rng, 600)
    for constraint, _ in discover_constraints(X):
        own = [name for name in X if name in name_of(constraint).replace(",", "").split()]
        others = X.drop(columns=own)
        shuffled = X[own[-1]].sample(frac=1, random_state=0).to_numpy()
        broken = pd.concat([others, X[own].assign(**{own[-1]: shuffled})], axis=1)
        holds = constraint.holds(broken, like=X)
        assert not holds.all()
        # put a single one of them among the others
        place = int(np.argmin(holds))
        X_broken = X.copy()
        X_broken.loc[place, own[-1]] = broken.loc[place, own[-1]]
        assert name_of(constraint) not in found_in(X_broken)


class TestChance:
    def test_copies_confirm_nothing(self):
        rng = np.random.default_rng(0)
        X = pd.DataFrame({"x": rng.normal(size=60), "y": rng.choice(list("abc"), 60)})
        assert found_in(pd.concat([X] * 20)) == []

    @pytest.mark.filterwarnings("error")
    def test_a_constant_among_complete_rows(self):
        X = pd.DataFrame(np.random.default_rng(0).normal(size=(200, 3)), columns=list("abc"))
        X.loc[:99, "a"], X.loc[100:, "b"] = np.nan, 3.0
        assert found_in(X) == []

    def test_few_rows_say_nothing(self):
        X, _ = hotel(np.random.default_rng(0), 40)
        assert found_in(X) == []

    @pytest.mark.parametrize("seed", range(5))
    def test_columns_that_never_meet(self, seed):
        rng = np.random.default_rng(seed)
        X = pd.DataFrame({"age": rng.integers(18, 90, 500), "income": rng.integers(2e4, 9e4, 500)})
        assert found_in(X) == []

    @pytest.mark.parametrize("seed", range(5))
    def test_a_bound_that_is_not_touched(self, seed):
        rng = np.random.default_rng(seed)
        low = rng.normal(size=500)
        X = pd.DataFrame({"low": low, "high": low + 4 + 0.5 * rng.normal(size=500)})
        assert (X["low"] < X["high"]).all()
        assert found_in(X) == []

    @pytest.mark.parametrize("seed", range(5))
    @pytest.mark.parametrize("unit", ["cents", "days"])
    def test_scales_far_apart_are_no_rule(self, unit, seed):
        rng = np.random.default_rng(seed)
        group = rng.choice(list("abc"), 1200)
        x = pd.Series(group).map({"a": 10, "b": 1000, "c": 0.2}) * rng.lognormal(0, 0.2, 1200)
        if unit == "cents":
            x = x.round(2)
        else:
            # too far ahead for the nanoseconds of older pandas
            days = (99 * x.round()).to_numpy().astype("m8[D]")
            x = np.datetime64("2022-01-01", "s") + days
        assert pd.Series(x).duplicated().any()
        # without numbers that tell rows apart equal ones would be copies, and confirm nothing
        X = pd.DataFrame({"group": group, "x": x, "z": rng.normal(size=1200)})
        assert found_in(X) == []

    def test_a_flag_of_what_is_not_zero_is_one(self):
        rng = np.random.default_rng(0)
        x = np.where(rng.random(600) < 0.3, 0.0, rng.lognormal(6, 0.3, 600).round(2))
        X = pd.DataFrame({"x": x, "flag": np.where(x > 0, "yes", "no"), "z": rng.normal(size=600)})
        assert found_in(X) == ["x determines flag"]

    def test_equal_tuples(self):
        cells = pd.Series([(1, 2)] * 60, dtype=object)
        assert found_in(pd.DataFrame({"pair": cells, "x": np.arange(60.0)})) == []

    def test_a_rare_flag_of_single_rows(self):
        rng = np.random.default_rng(0)
        X = pd.DataFrame({"shop": rng.integers(0, 60, 600).astype(str), "flag": "no"})
        X.loc[:2, "flag"], X.loc[:2, "shop"] = "yes", ["x", "y", "z"]
        assert found_in(X) == []

    @pytest.mark.parametrize("load", [load_iris, load_wine, load_diabetes])
    def test_measurements(self, load):
        assert found_in(load(as_frame=True).data) == []

    def test_worst_cells_are_worse_than_mean_ones(self):
        for name in found_in(load_breast_cancer(as_frame=True).data):
            part, bound = name.split(" <= ")
            assert part.removeprefix("mean ") == bound.removeprefix("worst ")


class TestSafe:
    """By default nothing is coded that would lose cells."""

    def test_gaps_beside_cells(self):
        X, _ = cities(np.random.default_rng(0), 600)
        X.loc[::7, "city"] = None
        assert found_in(X) == ["city determines country"]
        encoder = TableEncoder().fit(X)
        assert encoder.constraints_ == []
        assert_frame_equal(encoder.inverse_transform(encoder.transform(X)), X)

    def test_the_same_gaps(self):
        X, _ = hotel(np.random.default_rng(0), 600)
        X.loc[::7, ["arrive", "leave"]] = pd.NaT
        encoder = TableEncoder().fit(X)
        assert [str(each) for each in encoder.constraints_] == ["arrive <= leave"]
        assert_frame_equal(encoder.inverse_transform(encoder.transform(X)), X)

    def test_open_ends(self):
        X, _ = hotel(np.random.default_rng(0), 600)
        X["leave"] = X["leave"].astype("datetime64[s]")
        X.loc[::3, "leave"] = pd.Timestamp("9999-12-31").as_unit("s")
        with pytest.warns(UserWarning, match="9999-12-31"):
            encoder = TableEncoder().fit(X)
        assert encoder.transforms_[1] == "spike"

    def test_none(self):
        X, _ = hotel(np.random.default_rng(0), 600)
        assert TableEncoder(constraints=None).fit(X).constraints_ == []
