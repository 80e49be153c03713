"""Conditions in the units of the table, read and held against the cells of encoded rows."""

import warnings
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skdiffusion._utils.checks import check_count
from skdiffusion.tables.conditions import Conditions, read_conditions
from skdiffusion.tables.encoder import TableEncoder

N = 300
RNG = np.random.default_rng(0)
SIZES = ["XS", "S", "M", "L", "XL"]
DAY = pd.Timestamp("2024-01-01")


def table():
    offsets = RNG.integers(0, 200, N)
    X = pd.DataFrame(
        {
            "normal": RNG.normal(10, 3, N),
            "float32": RNG.normal(size=N).astype("float32").round(1),
            "heavy": RNG.standard_t(1.5, N),
            "spiky": np.where(RNG.random(N) < 0.6, 0.0, RNG.lognormal(size=N)),
            "decimal": RNG.normal(size=N).round(1),
            "shifted": RNG.integers(0, 30, N) / 10 + np.pi,
            "count": RNG.poisson(2, N),
            "many": RNG.poisson(200, N),
            "gaps": RNG.choice([0, 10, 11, 50], N),
            "date": DAY + pd.to_timedelta(offsets, "D"),
            "time": DAY + pd.to_timedelta(RNG.uniform(0, 1e6, N), "s"),
            "zoned": (DAY + pd.to_timedelta(offsets, "h")).tz_localize("Europe/Rome"),
            "span": pd.to_timedelta(offsets, "min"),
            "size": pd.Categorical(RNG.choice(["S", "L", "XL"], N), SIZES, ordered=True),
            "day": pd.Series([date(2024, 1, 1) + timedelta(days=int(k)) for k in offsets]),
        }
    )
    return X.mask(RNG.random(X.shape) < 0.1).astype(
        {name: "Int64" for name in ("count", "many", "gaps")}
    )


X = table()
CITIES = pd.DataFrame(
    {
        "city": list("aaabbbbccdde") * 5,
        "flag": [True, False, None] * 20,
        "same": 7,
        "x": np.random.default_rng(1).normal(size=60),
    }
).astype({"flag": "boolean"})
OPTIONS = [
    {},
    {"numeric_transform": "standard", "clip": False},
    {"numeric_transform": "quantile", "missing_indicator": True},
]


@pytest.fixture(scope="module", params=OPTIONS, ids=str)
def encoder(request):
    return TableEncoder(**request.param).fit(X)


@pytest.fixture(scope="module")
def plain():
    return TableEncoder().fit(X)


@pytest.fixture(scope="module")
def cities():
    return TableEncoder(min_frequency=11, missing_indicator=True).fit(CITIES)


def proposals(encoder, n=400):
    """Encoded rows all over the place, none of whose cells is missing."""
    Z = 2 * np.random.default_rng(2).normal(size=(n, encoder.n_encoded_))
    for j, codec in encoder._indicators.items():
        Z[:, encoder.is_indicator_ & (encoder.groups_ == j)] = codec.vertices[0]
    return Z


def inside(cells, low, high):
    if isinstance(cells.dtype, pd.CategoricalDtype):
        low, high = (None if level is None else SIZES.index(level) for level in (low, high))
        cells = cells.cat.codes
    met = np.ones(len(cells), dtype=bool)
    if low is not None:
        met &= (cells >= low).to_numpy(dtype=bool)
    if high is not None:
        met &= (cells <= high).to_numpy(dtype=bool)
    return met


class TestRanges:
    @pytest.mark.parametrize("name", X)
    def test_are_met_by_the_cells_inside(self, encoder, name):
        values = X[name].dropna().sort_values().tolist()
        Z = proposals(encoder)
        cells = encoder.inverse_transform(Z)[name]
        ranges = [(None, values[60]), (values[60], None), (values[60], values[200])]
        for low, high in [*ranges, (values[-3], values[-1])]:
            if low == high:
                continue
            read = read_conditions(encoder, {name: (low, high)})
            # where but one number lies inside, it is a value
            assert read.has_ranges != bool(read.cells)
            if read.has_ranges:
                assert_array_equal(read.are_met(encoder, Z), inside(cells, low, high))

    def test_no_end_at_all_is_no_range(self, plain):
        read = read_conditions(plain, {"normal": (None, None)})
        assert not read.has_ranges
        assert not read.known.any()

    @pytest.mark.parametrize(
        ("name", "low", "high", "cell"),
        [
            ("normal", 9.5, 9.5, 9.5),
            ("decimal", 0.25, 0.35, 0.3),
            ("count", 2.5, 3.5, 3),
            ("count", None, 0, 0),
            ("size", "S", "M", "S"),
            ("size", "XL", None, "XL"),
            ("date", DAY + pd.Timedelta("5h"), DAY + pd.Timedelta("29h"), DAY + pd.Timedelta("1D")),
            ("spiky", -1, 0, 0.0),
        ],
    )
    def test_of_one_number_are_the_number(self, plain, name, low, high, cell):
        read = read_conditions(plain, {name: (low, high)})
        assert not read.has_ranges
        known = read.known[0]
        assert_array_equal(np.flatnonzero(known), plain.features_of_column(X.columns.get_loc(name)))
        Z = np.where(known, read.values, 0.0)
        back = plain.decode_table(Z, settled=read.cells)[name]
        assert back.tolist() == [cell]
        same = read_conditions(plain, {name: cell})
        assert_allclose(same.values, read.values)

    @pytest.mark.parametrize("bound", [0.1, 0.7])
    def test_float32_takes_its_own_rounding(self, bound):
        """The nearest float32 lies above the double 0.1, and below the double 0.7."""
        cells = RNG.choice([0.1, 1 / 3, 0.7, np.pi], (200, 1)).astype("float32")
        encoder = TableEncoder(numeric_transform="quantile").fit(cells)
        Z = encoder.transform(cells)
        at_most = read_conditions(encoder, {0: (None, bound)}).are_met(encoder, Z)
        assert at_most[cells[:, 0] == np.float32(bound)].all()

    @pytest.mark.parametrize("k", range(2, 28, 5))
    def test_values_that_did_not_occur(self, k):
        """Decoded, numbers of a shifted lattice that fit has not seen are off by a rounding."""
        steps = np.delete(np.arange(30), k)
        encoder = TableEncoder(numeric_transform="standard").fit(np.pi + steps[:, None] / 10)
        at = np.pi + k / 10
        Z = encoder.transform([[at]])
        for wanted in [(at, at + 0.1), (at - 0.1, at)]:
            assert read_conditions(encoder, {0: wanted}).are_met(encoder, Z).all()

    def test_spike_and_numbers_beside_it(self, plain):
        j = X.columns.get_loc("spiky")
        Z = proposals(plain)
        on = plain.void_features(Z)[:, plain.features_of_column(j)[1]]
        assert on.any()
        with_it = read_conditions(plain, {"spiky": (0, 100)}).are_met(plain, Z)
        without = read_conditions(plain, {"spiky": (1e-6, None)}).are_met(plain, Z)
        assert with_it[on].all()
        assert not without[on].any()

    @pytest.mark.parametrize(
        ("name", "low", "high"),
        [
            ("normal", 5, 4),
            ("normal", 99, None),
            ("count", 0.2, 0.8),
            ("decimal", 0.01, 0.09),
            ("date", DAY + pd.Timedelta("1h"), DAY + pd.Timedelta("5h")),
            ("date", None, DAY - pd.Timedelta("1D")),
            ("span", pd.Timedelta("10s"), pd.Timedelta("20s")),
            ("size", "L", "S"),
            ("size", "M", "M"),
            ("spiky", -2, -1),
        ],
    )
    def test_nothing_inside(self, plain, name, low, high):
        with pytest.raises(ValueError, match=f"No cell of column '{name}' is from .* to "):
            read_conditions(plain, {name: (low, high)})

    def test_beyond_the_observed_range_without_clipping(self):
        encoder = TableEncoder(clip=False, numeric_transform="standard").fit(X)
        read = read_conditions(encoder, {"normal": (X["normal"].max() + 1, None)})
        Z = proposals(encoder, 1)
        Z[:, encoder.features_of_column(X.columns.get_loc("normal"))] = [[9.0]]
        assert read.are_met(encoder, Z).all()

    def test_between_whole_numbers_of_a_long_range(self):
        encoder = TableEncoder().fit(np.r_[0, RNG.integers(0, 2**50, 50), 2**50][:, None])
        with pytest.raises(ValueError, match="No cell"):
            read_conditions(encoder, {0: (12345.2, 12345.8)})
        read = read_conditions(encoder, {0: (12345.2, 12346.8)})
        assert read.cells[0][0] == [12346.0]

    def test_times_in_other_forms(self, plain):
        low = pd.Timestamp("2024-02-01")
        wanted = read_conditions(plain, {"date": (low, None)}).ranges
        others = [low.to_pydatetime(), low.to_datetime64(), "2024-02-01", low.as_unit("s")]
        for same in (*others, date(2024, 2, 1)):
            assert read_conditions(plain, {"date": (same, None)}).ranges == wanted
        rome = pd.Timestamp("2024-01-02 00:00", tz="Europe/Rome")
        here, there = (
            read_conditions(plain, {"zoned": (None, bound)}).ranges
            for bound in (rome, rome.tz_convert("Asia/Tokyo"))
        )
        assert here == there

    def test_in_polars(self):
        frame = pl.DataFrame({"a": [date(2024, 1, k + 1) for k in range(20)]})
        encoder = TableEncoder(numeric_transform="standard").fit(frame)
        met = read_conditions(encoder, {"a": (date(2024, 1, 4), date(2024, 1, 5))}).are_met(
            encoder, encoder.transform(frame)
        )
        assert np.flatnonzero(met).tolist() == [3, 4]

    def test_constants(self):
        encoder = TableEncoder().fit(np.array([[5.0, np.nan, 1.0], [5.0, np.nan, 2.0]]))
        assert read_conditions(encoder, {0: (4, 6)}).cells[0][0] == [5.0]
        with pytest.raises(ValueError, match="is from 6 to 7: give a wider range"):
            read_conditions(encoder, {0: (6, 7)})
        with pytest.raises(ValueError, match="No cell of column 1"):
            read_conditions(encoder, {1: (6, 7)})

    @pytest.mark.parametrize(
        ("name", "bound", "error", "said"),
        [
            ("normal", "a", ValueError, "'normal' is 'a', but .* continuous: give a number"),
            ("normal", np.nan, ValueError, "is missing"),
            ("date", 3, ValueError, "'date' is 3, but the column is datetime: give a date"),
            ("date", pd.NaT, ValueError, "is missing"),
            ("span", DAY, ValueError, "but the column is duration: give a timedelta"),
            ("size", "XXL", ValueError, "unknown categories 'XXL' in column 'size'"),
            ("zoned", DAY, ValueError, "time zone"),
            ("nothing", 1, ValueError, "'nothing', which X does not have"),
            (99, 1, ValueError, "99, which X does not have"),
        ],
    )
    def test_bad_bounds(self, plain, name, bound, error, said):
        with pytest.raises(error, match=said):
            read_conditions(plain, {name: (bound, None)})


class TestCategories:
    @pytest.mark.parametrize("wanted", [["a", "b"], {"b", "a"}, ["c", "d", "e"], ["a", *"cde"]])
    def test_are_met_by_the_cells_among_them(self, cities, wanted):
        read = read_conditions(cities, {"city": wanted})
        Z = proposals(cities)
        cells = cities.inverse_transform(Z, random_state=0)["city"]
        met = read.are_met(cities, Z)
        assert_array_equal(met, cells.isin(wanted))
        assert 0 < met.mean() < 1

    def test_one_alone_is_the_value(self, cities):
        for name, cell in [("city", "a"), ("city", "e"), ("flag", True), ("same", 7)]:
            listed, given = (
                read_conditions(cities, {name: wanted})
                for wanted in ([cell] if name != "same" else cell, cell)
            )
            assert not listed.has_ranges
            assert_array_equal(listed.values, given.values)
            assert listed.cells.keys() == given.cells.keys()

    def test_of_an_order_are_met_by_the_cells_among_them(self, plain):
        read = read_conditions(plain, {"size": ["S", "XL"]})
        Z = proposals(plain)
        cells = plain.inverse_transform(Z, random_state=0)["size"]
        met = read.are_met(plain, Z)[cells.notna()]
        assert_array_equal(met, cells.dropna().isin(["S", "XL"]))
        assert 0 < met.mean() < 1
        alone = read_conditions(plain, {"size": ["S"]})
        assert_array_equal(alone.values, read_conditions(plain, {"size": "S"}).values)

    def test_some_of_the_rare_ones_are_refused(self, cities):
        for wanted in (["a", "e"], ["c", "d"]):
            with pytest.raises(ValueError, match="rare categories 'c', 'd', 'e' apart"):
                read_conditions(cities, {"city": wanted})


class TestConditions:
    def test_constrained_features(self, cities):
        """Those of the columns and of their indicators, and nothing of a target behind them."""
        read = read_conditions(cities, {"city": ["a", "b"], "flag": [True, False], "x": 0.3})
        assert list(cities.get_feature_names_out()) == ["city_0", "city_1", "flag", "x",
                                                        "missing_flag"]  # fmt: skip
        assert_array_equal(read.constrained(cities), [True, True, True, False, True])
        assert_array_equal(read.known[0], [False, False, False, True, True])
        longer = read.extended(np.zeros((1, 2)))
        assert_array_equal(longer.constrained(cities)[5:], [False, False])
        assert longer.ranges == read.ranges
        Z = proposals(cities)
        beside = np.c_[Z, np.ones((len(Z), 2))]
        assert_array_equal(longer.are_met(cities, beside), read.are_met(cities, Z))

    def test_all_have_to_be_met(self, cities):
        Z = proposals(cities)
        wanted = {"city": ["a", "b"], "x": (0, None)}
        each = [read_conditions(cities, {k: v}).are_met(cities, Z) for k, v in wanted.items()]
        assert_array_equal(read_conditions(cities, wanted).are_met(cities, Z), each[0] & each[1])

    def test_of_some_rows(self):
        conditions = Conditions(np.arange(6.0).reshape(3, 2))
        assert_array_equal(conditions.take([2, 0]).values, [[4, 5], [0, 1]])
        assert_array_equal(Conditions(np.ones((1, 2))).take([2, 0]).values, [[1, 1]])
        assert_array_equal(
            Conditions(np.ones((1, 2))).extended(np.array([[1], [2]])).values[:, 2], [1, 2]
        )

    def test_cells_of_a_table(self, cities):
        wanted = CITIES[["x", "flag"]][:6].copy()
        wanted.loc[0, "x"] = np.nan
        read = read_conditions(cities, wanted)
        names = cities.get_feature_names_out().tolist()
        there = read.known[:, [names.index("x"), names.index("missing_flag")]]
        assert_array_equal(there, wanted.notna())
        assert_array_equal(read.cells[3][1], wanted["x"].notna())


class TestErrors:
    @pytest.mark.parametrize(
        ("wanted", "error", "said"),
        [
            ({"nope": 1}, ValueError, "'nope', which X does not have"),
            ({"city": "Nowhere"}, ValueError, "'Nowhere' in column 'city'"),
            ({"city": ["a", "Nowhere"]}, ValueError, "'Nowhere' in column 'city'"),
            ({"city": []}, ValueError, "'city' is empty"),
            ({"flag": "yes"}, ValueError, "'yes' in column 'flag'"),
            ({"x": (0, 1, 2)}, ValueError, r"A range is a tuple \(low, high\)"),
            ({"city": ("a", "b")}, TypeError, "'city' is categorical and has no bounds"),
            ({"flag": (0, 1)}, TypeError, "'flag' is boolean and has no bounds"),
            ({"x": [1, 2]}, TypeError, "'x' is continuous: give a value or a range"),
            ({"x": "high"}, ValueError, "'x' is 'high', but the column is continuous: give a num"),
            ({"x": np.inf}, ValueError, "infinity|infinite"),
            ({"x": None}, ValueError, "'x' is missing: leave the column out"),
            ({"city": np.nan}, ValueError, "'city' is missing"),
        ],
    )
    def test_say_what_is_wrong(self, cities, wanted, error, said):
        with pytest.raises(error, match=said):
            read_conditions(cities, wanted)

    @pytest.mark.parametrize(
        ("wanted", "error", "said"),
        [
            ({"size": "XXL"}, ValueError, "'XXL' in column 'size'"),
            ({"date": 3.5}, ValueError, "'date' is 3.5, but the column is datetime"),
            ({"date": DAY + pd.Timedelta("12h")}, ValueError, "no cells as fine"),
        ],
    )
    def test_of_other_kinds(self, plain, wanted, error, said):
        with pytest.raises(error, match=said):
            read_conditions(plain, wanted)

    def test_whole_numbers_stay_whole(self):
        encoder = TableEncoder().fit(np.arange(9)[:, None])
        with pytest.raises(ValueError, match="no cells as fine"):
            read_conditions(encoder, {0: 3.5})

    @pytest.mark.parametrize("handle_unknown", ["rare", "missing"])
    def test_an_unknown_category_is_never_free(self, handle_unknown):
        """Whatever it counts as among rows that are encoded."""
        encoder = TableEncoder(min_frequency=11, handle_unknown=handle_unknown).fit(CITIES)
        for wanted in ({"city": "Nowhere"}, pd.DataFrame({"city": ["a", "Nowhere"]})):
            with pytest.raises(ValueError, match="unknown categories 'Nowhere'"):
                read_conditions(encoder, wanted)

    @pytest.mark.parametrize("shape", [(4, 2), (4, 6), (4,)])
    def test_arrays_have_all_columns(self, cities, shape):
        with pytest.raises(ValueError, match="need all 4 columns"):
            read_conditions(cities, np.zeros(shape))

    def test_a_column_that_was_empty(self):
        encoder = TableEncoder().fit(CITIES[["x"]].assign(empty=np.nan))
        with pytest.raises(ValueError, match="'empty' was empty in fit"):
            read_conditions(encoder, {"empty": 1.0})


class TestOfTheWrongKind:
    """What was wrong with the condition, on which column, and what to give instead."""

    @pytest.mark.parametrize(
        ("wanted", "error", "said"),
        [
            (
                {"count": "25"},
                ValueError,
                "'count' is '25', but .* integer: give a number, or a ra",
            ),
            ({"count": {"a": 1}}, ValueError, "'count' is {'a': 1}, but the column is integer"),
            (
                {"count": range(3)},
                TypeError,
                r"'count' is integer: .* range, a tuple \(low, high\)",
            ),
            ({"count": pd.Series([1, 2])}, TypeError, "'count' is integer"),
            ({"count": DAY}, ValueError, "'count' is Timestamp.*, but the column is integer"),
            ({"count": ("2", 5)}, ValueError, "'count' is '2', but the column is integer"),
            (
                {"count": np.array(["a"])[0]},
                ValueError,
                "'count' is .*'a'.*, but the column is int",
            ),
            ({"normal": 1j}, ValueError, "'normal' is 1j, but the column is continuous"),
            ({"normal": object}, ValueError, "'normal' is <class 'object'>, but"),
            ({"date": "soon"}, ValueError, "'date' is 'soon', but .* datetime: give a date"),
            ({"date": pd.Timedelta("1D")}, ValueError, "'date' is Timedelta.*, but .* datetime"),
            ({"date": ["2024-02-01"]}, TypeError, "'date' is datetime: give a value or a range"),
            ({"span": "1h"}, ValueError, "'span' is '1h', but .* duration: give a timedelta"),
            ({"span": 60}, ValueError, "'span' is 60, but the column is duration"),
            ({"count": True}, ValueError, "'count' is True, but the column is integer"),
            ({"normal": (False, None)}, ValueError, "'normal' is False, but the column is cont"),
            ({"size": {"S": 1}}, ValueError, "'size' is {'S': 1}, but .* ordinal: give one of its"),
            ({"size": 3}, ValueError, "categories 3.0 in column 'size'.* are 'L', 'S', 'XL'"),
            (
                {"many": (10_000, None)},
                ValueError,
                "'many' is from 10000 to None: .* within 1.* to 2",
            ),
            ({"date": (None, "1999-01-01")}, ValueError, "within 2024-01-.* to 2024-07-"),
        ],
    )
    def test_say_what_to_give(self, plain, wanted, error, said):
        with pytest.raises(error, match=said):
            read_conditions(plain, wanted)

    @pytest.mark.parametrize("unit", ["s", "us", "ns"])
    @pytest.mark.parametrize(
        ("start", "said"),
        [("2024-01-01", "2024-01-01 .* to 2024-03-.* 08"), (0, "0:00:00 to 66 days")],
    )
    def test_say_times_as_times(self, unit, start, said):
        letter = "M8" if start else "m8"
        cells = np.array(start, f"{letter}[h]") + np.arange(200) * np.timedelta64(8, "h")
        encoder = TableEncoder().fit(pd.DataFrame({"t": cells.astype(f"{letter}[{unit}]")}))
        outside = cells[-1] + np.timedelta64(99, "D")
        with pytest.raises(ValueError, match=f"within {said}"):
            read_conditions(encoder, {"t": (outside, None)})

    @pytest.mark.parametrize(
        ("wanted", "said"),
        [
            ({"city": {"a": 0.5}}, "'city' is {'a': 0.5}, but .* categorical: give one of its cat"),
            ({"city": [{"a": 0.5}]}, "'city' are no categories"),
            ({"city": range(3)}, "unknown categories '?0'?, .* in column 'city'.* are 'a', 'b'"),
            ({"flag": "maybe"}, "'maybe' in column 'flag'.* are False, True"),
        ],
    )
    def test_of_categories(self, cities, wanted, said):
        with pytest.raises(ValueError, match=said):
            read_conditions(cities, wanted)

    @pytest.mark.parametrize("cell", [Decimal("9.5"), Fraction(19, 2), np.float32(9.5)])
    def test_numbers_of_any_class(self, plain, cell):
        read, same = (read_conditions(plain, {"normal": x}) for x in (cell, 9.5))
        assert_array_equal(read.values, same.values)
        bounds = [read_conditions(plain, {"normal": (x, None)}).ranges for x in (cell, 9.5)]
        assert bounds[0] == bounds[1]

    @pytest.mark.parametrize(
        "make",
        [tuple, set, frozenset, np.array, pd.Series, pl.Series, lambda c: dict.fromkeys(c).keys()],
    )
    def test_lists_of_any_class(self, cities, make):
        wanted = make(["a", "b"])
        if isinstance(wanted, tuple):
            with pytest.raises(TypeError, match="list its categories"):
                read_conditions(cities, {"city": wanted})
        else:
            read = read_conditions(cities, {"city": wanted})
            assert read.categories[0].tolist() == ["a", "b"]

    def test_ranges_of_python_list_whole_categories(self):
        X = pd.DataFrame({"group": np.arange(60) % 6, "x": np.arange(60.0)})
        encoder = TableEncoder(categorical_features=["group"]).fit(X)
        assert read_conditions(encoder, {"group": range(2, 4)}).categories[0].tolist() == [2, 3]

    @pytest.mark.parametrize(
        ("name", "cell"), [("normal", 50.0), ("many", 999), ("date", "2031-05-01")]
    )
    def test_beyond_what_was_seen_warns(self, plain, name, cell):
        with pytest.warns(UserWarning, match=f"'{name}' is beyond what fit has seen, .* to "):
            read = read_conditions(plain, {name: cell})
        assert read.cells
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            read_conditions(plain, {name: X[name].dropna().iloc[0]})


@pytest.mark.parametrize("count", [True, False, np.True_, 0, 2.0, "3", None])
def test_a_number_of_rows_is_a_whole_number(count):
    with pytest.raises(ValueError, match=r"n_samples must be at least 1, a whole number, got "):
        check_count(count, "n_samples")
