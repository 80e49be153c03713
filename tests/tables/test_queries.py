"""Tests of what a fitted `TableEncoder` answers about its codes."""

from datetime import date, timedelta

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal

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
OPTIONS = [
    {},
    {"numeric_transform": "standard"},
    {"numeric_transform": "quantile"},
    {"numeric_transform": "standard", "clip": False},
    {"numeric_transform": "quantile", "clip": False, "missing_indicator": True},
]


@pytest.fixture(scope="module", params=OPTIONS, ids=str)
def encoder(request):
    return TableEncoder(**request.param).fit(X)


def decoded(encoder, name, z):
    """The cells of one column for given codes."""
    Z = np.zeros((len(z), encoder.n_codes_))
    *flags, number = encoder.column_codes(name)
    Z[:, number] = z
    # a column with a spike says first that it is not the spike
    Z[:, flags] = encoder.codecs_[X.columns.get_loc(name)].vertices[0] if flags else 0.0
    # indicators say that nothing is missing
    for j, codec in encoder.indicators_.items():
        Z[:, encoder.is_indicator_ & (encoder.groups_ == j)] = codec.vertices[0]
    return encoder.inverse_transform(Z)[name]


def inside(cells, low, high):
    if isinstance(cells.dtype, pd.CategoricalDtype):
        low, high = (None if level is None else SIZES.index(level) for level in (low, high))
        cells = cells.cat.codes
    ok = np.ones(len(cells), dtype=bool)
    if low is not None:
        ok &= (cells >= low).to_numpy()
    if high is not None:
        ok &= (cells <= high).to_numpy()
    return ok


class TestEncodeBounds:
    @pytest.mark.parametrize("name", X)
    def test_interval_holds_the_codes_inside_and_no_others(self, encoder, name):
        column = X[name].dropna()
        values = column.sort_values().tolist()
        pairs = [
            (None, values[60]),
            (values[60], None),
            (values[60], values[200]),
            (values[0], values[-1]),
            (None, None),
            (values[-3], values[-1]),
            (values[150], values[150]),
        ]
        Z = encoder.transform(X)[column.index]
        number = encoder.column_codes(name)[-1]
        codes = Z[~encoder.void_codes(Z)[:, number], number]
        grid = np.r_[np.linspace(-6, 6, 1001), codes]
        cells = decoded(encoder, name, grid)
        for low, high in pairs:
            z_low, z_high = encoder.encode_bounds(name, low, high)
            assert z_low <= z_high
            ends = [z for z in (z_low, z_high) if np.isfinite(z)]
            if low != high or encoder.kinds_[X.columns.get_loc(name)] != "continuous":
                assert inside(decoded(encoder, name, ends), low, high).all()
            near = np.abs(grid[:, None] - np.r_[ends, 99]).min(axis=1) < 1e-9
            got = (grid >= z_low) & (grid <= z_high)
            wanted = inside(cells, low, high)
            assert_array_equal(got[~near], wanted[~near])

    @pytest.mark.parametrize("name", ["decimal", "shifted", "count", "gaps", "date", "size"])
    def test_whole_cells(self, encoder, name):
        """The interval of one value is its cell: a little beyond, codes decode to others."""
        value = X[name].dropna().sort_values().tolist()[100]
        z_low, z_high = encoder.encode_bounds(name, value, value)
        assert z_low < z_high
        for z, step in [(z_low, -1e-6), (z_high, 1e-6)]:
            if np.isfinite(z):
                assert decoded(encoder, name, [z]).tolist() == [value]
                assert decoded(encoder, name, [z + step]).tolist() != [value]

    def test_open_ends(self, encoder):
        for name in X:
            assert encoder.encode_bounds(name) == (-np.inf, np.inf)
            assert encoder.encode_bounds(name, low=X[name].dropna().tolist()[0])[1] == np.inf

    def test_one_number_of_a_continuous_column(self, encoder):
        value = float(X["normal"].median())
        z_low, z_high = encoder.encode_bounds("normal", value, value)
        assert abs(z_high - z_low) < 1e-9
        assert np.allclose(decoded(encoder, "normal", [z_low, z_high]), value)

    @pytest.mark.parametrize("bound", [0.1, 0.7])
    def test_float32_takes_its_own_rounding(self, bound):
        """The nearest float32 lies above the double 0.1, and below the double 0.7."""
        cells = RNG.choice([0.1, 1 / 3, 0.7, np.pi], (200, 1)).astype("float32")
        encoder = TableEncoder(numeric_transform="quantile").fit(cells)
        z = np.clip(encoder.encode_bounds(0, bound, bound), -9, 9)
        assert_array_equal(encoder.inverse_transform(z[:, None]), np.float32(bound))

    def test_between_whole_numbers_of_a_long_range(self):
        for top in (2**36, 2**50):
            encoder = TableEncoder().fit(np.r_[0, RNG.integers(0, top, 50), top][:, None])
            with pytest.raises(ValueError, match="No code"):
                encoder.encode_bounds(0, 12345.2, 12345.8)
            low, high = encoder.encode_bounds(0, 12345.2, 12346.8)
            assert_array_equal(encoder.inverse_transform([[low], [high]]), 12346)

    @pytest.mark.parametrize("k", range(1, 29))
    def test_values_that_did_not_occur(self, k):
        """Decoded, numbers of a shifted lattice that fit has not seen are off by a rounding."""
        steps = np.delete(np.arange(30), k)
        encoder = TableEncoder(numeric_transform="standard").fit(np.pi + steps[:, None] / 10)
        value = np.pi + k / 10
        low, high = encoder.encode_bounds(0, value, value)
        assert low < high
        assert_allclose(encoder.inverse_transform([[low], [high]]), value, atol=1e-12)

    @pytest.mark.parametrize("name, low, high", [
        ("normal", 5, 4), ("gaps", 12, 40), ("count", 0.2, 0.8), ("decimal", 0.01, 0.09),
        ("date", DAY + pd.Timedelta("1h"), DAY + pd.Timedelta("5h")), ("size", "L", "S"),
        ("span", pd.Timedelta("10s"), pd.Timedelta("20s")), ("size", "M", "M"),
    ])  # fmt: skip
    def test_nothing_inside(self, name, low, high):
        encoder = TableEncoder(numeric_transform={"gaps": "quantile"}).fit(X)
        with pytest.raises(ValueError, match=rf"No code of column '{name}' .*range from .* to "):
            encoder.encode_bounds(name, low, high)

    def test_beyond_the_observed_range(self):
        low = X["normal"].max() + 1
        with pytest.raises(ValueError, match="observed range from"):
            TableEncoder().fit(X).encode_bounds("normal", low=low)
        with pytest.raises(ValueError, match=r"range from 2024-01-0.* to 2024"):
            TableEncoder().fit(X).encode_bounds("date", high=DAY - pd.Timedelta("1D"))
        encoder = TableEncoder(clip=False, numeric_transform="standard").fit(X)
        z, _ = encoder.encode_bounds("normal", low=low)
        assert z > np.nanmax(encoder.transform(X)[:, 0])

    def test_atoms_end_the_reach_without_clipping(self):
        """An outermost atom takes all codes beyond."""
        cells = np.r_[np.zeros(50), np.linspace(0.01, 1, 50) ** np.pi, np.full(50, 1.0)][:, None]
        encoder = TableEncoder(clip=False, numeric_transform="quantile").fit(cells)
        with pytest.raises(ValueError, match=r"range from 0\.0 to 1\.0"):
            encoder.encode_bounds(0, low=1.5)

    def test_levels_that_do_not_occur(self):
        """They bound as well as others."""
        encoder = TableEncoder().fit(X)
        assert encoder.encode_bounds("size", "M", "XL") == encoder.encode_bounds("size", "L", "XL")
        assert encoder.encode_bounds("size", "XS", "M") == encoder.encode_bounds("size", "S", "S")

    def test_times_in_other_forms(self):
        encoder = TableEncoder().fit(X)
        low = pd.Timestamp("2024-02-01")
        wanted = encoder.encode_bounds("date", low)
        for same in (low.to_pydatetime(), low.to_datetime64(), "2024-02-01", low.as_unit("s")):
            assert encoder.encode_bounds("date", same) == wanted
        assert encoder.encode_bounds("date", date(2024, 2, 1)) == wanted
        rome = low.tz_localize("Europe/Rome")
        assert encoder.encode_bounds("zoned", high=rome) == encoder.encode_bounds(
            "zoned", high=rome.tz_convert("Asia/Tokyo")
        )

    def test_arrays_and_polars(self):
        cells = np.arange(20.0)[:, None]
        encoder = TableEncoder(numeric_transform="standard").fit(cells)
        low, high = encoder.encode_bounds(0, 3, 4)
        assert_array_equal(encoder.inverse_transform([[low], [high]])[:, 0], [3, 4])
        frame = pl.DataFrame({"a": [date(2024, 1, k + 1) for k in range(20)]})
        encoder = TableEncoder(numeric_transform="standard").fit(frame)
        low, high = encoder.encode_bounds("a", date(2024, 1, 4), date(2024, 1, 5))
        back = encoder.inverse_transform([[low], [high]])
        assert back["a"].to_list() == [date(2024, 1, 4), date(2024, 1, 5)]

    def test_constants(self):
        encoder = TableEncoder().fit(np.array([[5.0, np.nan], [5.0, np.nan]]))
        assert encoder.encode_bounds(0, 4, 6) == (-np.inf, np.inf)
        with pytest.raises(ValueError, match=r"range from 5\.0 to 5\.0"):
            encoder.encode_bounds(0, 6, 7)
        with pytest.raises(ValueError, match="no cell was observed"):
            encoder.encode_bounds(1, 6, 7)

    @pytest.mark.parametrize("name, bound, error, said", [
        ("normal", "a", TypeError, "must be a number"), ("normal", np.nan, TypeError, "a number"),
        ("date", 3, TypeError, "must be a datetime"), ("date", pd.NaT, TypeError, "a datetime"),
        ("span", DAY, TypeError, "must be a duration"), ("size", "XXL", ValueError, "no level"),
        ("zoned", DAY, ValueError, "time zone"), ("nothing", 1, ValueError, "no column 'nothing'"),
        (99, 1, ValueError, "no column 99"),
    ])  # fmt: skip
    def test_bad_bounds(self, name, bound, error, said):
        with pytest.raises(error, match=said):
            TableEncoder().fit(X).encode_bounds(name, bound)

    def test_levels_have_none(self):
        encoder = TableEncoder().fit(pd.DataFrame({"a": list("uv"), "b": [True, False]}))
        for name, kind in [("a", "categorical"), ("b", "boolean")]:
            with pytest.raises(TypeError, match=f"'{name}' is {kind} and has no bounds"):
                encoder.encode_bounds(name, "u")

    @pytest.mark.parametrize("scale", [1e-300, 1e300])
    def test_extreme_numbers(self, scale):
        cells = scale * RNG.normal(size=(100, 1))
        encoder = TableEncoder(numeric_transform="standard").fit(cells)
        low, high = encoder.encode_bounds(0, cells.min() / 2, cells.max() / 2)
        assert encoder.transform(cells).min() < low < high < encoder.transform(cells).max()


class TestLevelMask:
    X = pd.DataFrame(
        {"a": list("uvwuvuuux"), "b": [True, False, None] * 3, "c": ["only"] * 9, "n": range(9)}
    ).astype({"b": "boolean"})

    @pytest.mark.parametrize("wanted", [["u"], ["w", "u"], list("uvwx"), "v", {"x"}, ("x", "u")])
    def test_of_vertices(self, wanted):
        encoder = TableEncoder().fit(self.X)
        mask = encoder.level_mask("a", wanted)
        vertices = encoder.level_blocks()[0][1]
        assert mask.shape == (len(vertices),)
        Z = np.zeros((len(vertices), encoder.n_codes_))
        Z[:, encoder.column_codes("a")] = vertices
        levels = encoder.inverse_transform(Z)["a"]
        assert set(levels[mask]) == set(wanted)

    def test_booleans_and_constants(self):
        encoder = TableEncoder().fit(self.X)
        assert_array_equal(encoder.level_mask("b", [True]), [False, True])
        assert_array_equal(encoder.level_mask("b", False), [True, False])
        assert_array_equal(encoder.level_mask("c", ["only"]), [True])

    def test_rare_ones_share_a_vertex(self):
        encoder = TableEncoder(min_frequency=2).fit(self.X)
        assert_array_equal(encoder.level_mask("a", ["x"]), [False, False, True])
        assert_array_equal(encoder.level_mask("a", ["x", "u"]), [True, False, True])

    def test_never_seen(self):
        encoder = TableEncoder().fit(self.X)
        with pytest.raises(ValueError, match=r"'a' has no level 'z'\. Its levels are 'u', 'v'"):
            encoder.level_mask("a", ["u", "z"])
        with pytest.raises(ValueError, match="no level 'else'"):
            encoder.level_mask("c", "else")

    def test_no_levels(self):
        with pytest.raises(TypeError, match="'n' is integer and has no vertices: use encode_b"):
            TableEncoder().fit(self.X).level_mask("n", [1])


class TestColumnCodes:
    def test_by_name_and_position(self):
        encoder = TableEncoder(missing_indicator=True).fit(TestLevelMask.X)
        assert list(encoder.get_feature_names_out()) == ["a_0", "a_1", "a_2", "b", "n", "missing_b"]
        for j, (name, codes) in enumerate(zip("abcn", [[0, 1, 2], [3], [], [4]], strict=True)):
            assert encoder.column_codes(j).tolist() == codes
            assert encoder.column_codes(name).tolist() == codes
        with pytest.raises(ValueError, match="no column -1"):
            encoder.column_codes(-1)
