"""Tests of `TableEncoder` on tables with missing cells: the round trip, and the indicator."""

from datetime import date, datetime, timedelta
from inspect import signature

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal
from polars.testing import assert_frame_equal as assert_polars_equal
from scipy.special import logsumexp

from skdiffusion.tables.encoder import TableEncoder

N = 60
RNG = np.random.default_rng(0)
FLOATS, INTEGERS = RNG.normal(size=N), RNG.integers(0, 30, N)
LETTERS = RNG.choice(list("abc"), N)
DAYS = [date(2024, 1, 1) + timedelta(days=5 * int(k)) for k in INTEGERS]
TIMES = [datetime(2024, 1, 1, 8) + timedelta(seconds=float(x)) for x in 1e5 * FLOATS.round(4)]
SPANS = [timedelta(minutes=int(k)) for k in INTEGERS]
# the name that polars 1.32 gave it, and the one before
TOLERANCE = "rel_tol" if "rel_tol" in signature(assert_polars_equal).parameters else "rtol"
CLOSE = {TOLERANCE: 1e-9}
PATTERNS = {"none": [], "first": [0], "most": list(range(2, N - 4)), "some": [3, 4, 10, 59]}


def with_gaps(cells, rows, gap=None):
    cells = list(cells)
    for i in rows:
        cells[i] = gap
    return cells


def pandas_columns(rows):
    def gapped(cells, dtype):
        return pd.Series(with_gaps(cells, rows), dtype=dtype)

    zoned = pd.Series(pd.to_datetime(TIMES)).dt.tz_localize("Europe/Rome")
    return {
        "float64": gapped(FLOATS, "float64"),
        "float32": gapped(FLOATS.astype("float32"), "float32"),
        "whole": gapped(INTEGERS.astype(float), "float64"),
        "decimal": gapped(FLOATS.round(1), "float64"),
        "Float64": gapped(FLOATS, "Float64"),
        "Int64": gapped(INTEGERS, "Int64"),
        "UInt8": gapped(INTEGERS, "UInt8"),
        "boolean": gapped(LETTERS == "a", "boolean"),
        "str": gapped(LETTERS, "str"),
        "string": gapped(LETTERS, "string"),
        "object": gapped(LETTERS, object),
        "object NaN": pd.Series(with_gaps(LETTERS, rows, np.nan), dtype=object),
        "object NA": pd.Series(with_gaps(INTEGERS.tolist(), rows, pd.NA), dtype=object),
        "object bool": gapped((LETTERS == "a").tolist(), object),
        "category": gapped(LETTERS, pd.CategoricalDtype(list("dcba"))),
        "number category": gapped(INTEGERS, pd.CategoricalDtype(range(40))),
        "ordered": gapped(LETTERS, pd.CategoricalDtype(list("dcba"), ordered=True)),
        "M8[s]": gapped(TIMES, "datetime64[s]"),
        "M8[ms]": gapped(TIMES, "datetime64[ms]"),
        "M8[us]": gapped(TIMES, "datetime64[us]"),
        "M8[ns]": gapped(TIMES, "datetime64[ns]"),
        "zoned": zoned.mask(np.isin(np.arange(N), rows)),
        "m8[ns]": gapped(SPANS, "timedelta64[ns]"),
        "m8[s]": gapped(SPANS, "timedelta64[s]"),
        "dates": gapped(DAYS, object),
        "datetimes": gapped(TIMES, object),
        "timedeltas": gapped(SPANS, object),
    }


def polars_columns(rows):
    def gapped(cells, dtype):
        return pl.Series(with_gaps(np.asarray(cells).tolist(), rows), dtype=dtype)

    def timed(cells, dtype):
        return pl.Series(with_gaps(cells, rows), dtype=dtype)

    return {
        "Float64": gapped(FLOATS, pl.Float64),
        "Float32": gapped(FLOATS, pl.Float32),
        "Int64": gapped(INTEGERS, pl.Int64),
        "UInt8": gapped(INTEGERS, pl.UInt8),
        "Boolean": gapped(LETTERS == "a", pl.Boolean),
        "String": gapped(LETTERS, pl.String),
        "Categorical": gapped(LETTERS, pl.Categorical),
        "Enum": gapped(LETTERS, pl.Enum(list("dcba"))),
        "Date": timed(DAYS, pl.Date),
        "ms": timed(TIMES, pl.Datetime("ms")),
        "us": timed(TIMES, pl.Datetime("us")),
        "ns": timed(TIMES, pl.Datetime("ns")),
        "zoned": timed(TIMES, pl.Datetime("us")).dt.replace_time_zone("Asia/Tokyo"),
        "Duration": timed(SPANS, pl.Duration("us")),
        "Duration ms": timed(SPANS, pl.Duration("ms")),
    }


def object_columns(rows):
    return {
        "float": with_gaps(FLOATS.tolist(), rows, np.nan),
        "int": with_gaps(INTEGERS.tolist(), rows),
        "bool": with_gaps((LETTERS == "a").tolist(), rows),
        "str": with_gaps(LETTERS.tolist(), rows),
        "date": with_gaps(DAYS, rows),
        "datetime": with_gaps(TIMES, rows),
        "timedelta": with_gaps(SPANS, rows),
    }


def numpy_columns(rows):
    return {
        "float64": np.array(with_gaps(FLOATS, rows, np.nan)),
        "float32": np.array(with_gaps(FLOATS, rows, np.nan), dtype="float32"),
        "whole": np.array(with_gaps(INTEGERS, rows, np.nan), dtype=float),
        "M8[D]": np.array(with_gaps(DAYS, rows), dtype="M8[D]"),
        "M8[M]": np.array(with_gaps(DAYS, rows), dtype="M8[M]"),
        "M8[ns]": np.array(with_gaps(TIMES, rows), dtype="M8[ns]"),
        "m8[s]": np.array(with_gaps(SPANS, rows), dtype="m8[s]"),
    }


def gap_mask(rows):
    return np.isin(np.arange(N), rows)


def assert_nan_pattern(encoder, Z, rows):
    """Codes are NaN in the missing cells, all of them, and nowhere else."""
    missing = np.tile(gap_mask(rows)[:, None], encoder.n_encoded_)
    missing[:, encoder.is_indicator_] = False
    assert_array_equal(np.isnan(Z), missing)


ENCODERS = [
    {},
    {"numeric_transform": "standard"},
    {"numeric_transform": "quantile", "clip": False},
    {"missing_indicator": True},
]
WAYS = list(zip(PATTERNS.values(), ENCODERS, strict=True))


@pytest.mark.parametrize(("rows", "options"), WAYS, ids=PATTERNS)
class TestRoundTrip:
    @pytest.mark.parametrize("kind", pandas_columns([]))
    def test_pandas(self, kind, rows, options):
        X = pandas_columns(rows)[kind].to_frame("a")
        encoder = TableEncoder(**options).fit(X)
        Z = encoder.transform(X)
        assert_nan_pattern(encoder, Z, rows)
        back = encoder.inverse_transform(Z)
        assert_frame_equal(back, X, rtol=1e-9)
        if X["a"].dtype == object:
            got, wanted = list(back["a"]), list(X["a"])
            assert [type(cell) for cell in got] == [type(cell) for cell in wanted]

    @pytest.mark.parametrize("kind", polars_columns([]))
    def test_polars(self, kind, rows, options):
        X = pl.DataFrame({"a": polars_columns(rows)[kind]})
        encoder = TableEncoder(**options).fit(X)
        Z = encoder.transform(X)
        assert_nan_pattern(encoder, Z, rows)
        back = encoder.inverse_transform(Z)
        assert back.schema == X.schema
        assert_polars_equal(back, X, **CLOSE)

    @pytest.mark.parametrize("kind", numpy_columns([]))
    def test_arrays(self, kind, rows, options):
        X = numpy_columns(rows)[kind][:, None]
        encoder = TableEncoder(**options).fit(X)
        Z = encoder.transform(X)
        assert_nan_pattern(encoder, Z, rows)
        back = encoder.inverse_transform(Z)
        assert back.dtype == X.dtype
        if X.dtype.kind == "f":
            assert_allclose(back, X, rtol=1e-6 if X.dtype == "f4" else 1e-9)
        else:
            assert_array_equal(back, X)

    @pytest.mark.parametrize("kind", object_columns([]))
    def test_arrays_of_objects(self, kind, rows, options):
        X = np.empty((N, 1), dtype=object)
        X[:, 0] = object_columns(rows)[kind]
        encoder = TableEncoder(**options).fit(X)
        Z = encoder.transform(X)
        assert_nan_pattern(encoder, Z, rows)
        back = encoder.inverse_transform(Z)
        assert [type(cell) for cell in back[:, 0]] == [type(cell) for cell in X[:, 0]]
        if kind == "float":
            assert_allclose(back.astype(float), X.astype(float))
        else:
            assert back[:, 0].tolist() == X[:, 0].tolist()


@pytest.mark.parametrize("options", [{}, {"missing_indicator": True}])
class TestWholeTables:
    """Columns next to each other, each with gaps of its own."""

    def table(self, columns, make):
        return make(
            {
                name: columns(sorted({k % 7, 20 + k, 59 - k % 11}))[name]
                for k, name in enumerate(columns([]))
            }
        )

    def test_pandas(self, options):
        X = self.table(pandas_columns, pd.DataFrame)
        encoder = TableEncoder(**options).fit(X)
        Z = encoder.transform(X)
        for j, name in enumerate(X):
            block = Z[:, encoder.features_of_column(j)]
            assert_array_equal(np.isnan(block).all(axis=1), X[name].isna())
            assert_array_equal(np.isnan(block).any(axis=1), X[name].isna())
        assert_frame_equal(encoder.inverse_transform(Z), X, rtol=1e-9)

    def test_polars(self, options):
        X = self.table(polars_columns, pl.DataFrame)
        encoder = TableEncoder(**options).fit(X)
        back = encoder.inverse_transform(encoder.transform(X))
        assert back.schema == X.schema
        assert_polars_equal(back, X, **CLOSE)

    def test_any_order_of_columns(self, options):
        X = self.table(pandas_columns, pd.DataFrame)
        shuffled = X[np.random.default_rng(0).permutation(X.columns)]
        encoder = TableEncoder(**options).fit(shuffled)
        back = encoder.inverse_transform(encoder.transform(shuffled))
        assert_frame_equal(back, shuffled, rtol=1e-9)

    def test_dequantize_keeps_cells_and_gaps(self, options):
        X = self.table(pandas_columns, pd.DataFrame)
        encoder = TableEncoder(**options).fit(X)
        Z = encoder.transform(X)
        spread = encoder.dequantize(Z, random_state=0)
        assert_array_equal(np.isnan(spread), np.isnan(Z))
        assert np.any(spread[~np.isnan(Z)] != Z[~np.isnan(Z)])
        back = encoder.inverse_transform(spread)
        assert_frame_equal(back, encoder.inverse_transform(Z), check_exact=True)

    def test_log_volume_skips_gaps(self, options):
        X = self.table(pandas_columns, pd.DataFrame)
        encoder = TableEncoder(**options).fit(X)
        parts = np.zeros(N)
        for name in X:
            part = TableEncoder(**options).fit(X[[name]])
            got = part.log_volume(X[[name]], 0.1)
            told = part.is_indicator_.sum() * np.log(2 * np.pi * 0.01) / 2
            assert_allclose(got[X[name].isna()], told)
            seen = X[[name]][X[name].notna()]
            assert_allclose(got[X[name].notna()], part.log_volume(seen, 0.1))
            parts += got
        assert_allclose(encoder.log_volume(X, 0.1), parts)


class TestFit:
    @pytest.mark.parametrize("kind", pandas_columns([]))
    def test_uses_the_observed_cells_only(self, kind):
        """Whether gaps are there or left out makes no difference to any code."""
        rows = PATTERNS["some"]
        X = pandas_columns(rows)[kind].to_frame("a")
        kept = X[~gap_mask(rows)]
        encoder, other = TableEncoder().fit(X), TableEncoder().fit(kept)
        assert encoder.kinds_ == other.kinds_
        assert_array_equal(encoder.transform(X)[~gap_mask(rows)], other.transform(kept))

    def test_kind_of_whole_numbers_with_gaps(self):
        encoder = TableEncoder().fit(np.array([[1.0, 1.5], [np.nan, 2.5], [3.0, np.nan]]))
        assert encoder.kinds_ == ["integer", "continuous"]

    def test_allows_nan(self):
        assert TableEncoder().__sklearn_tags__().input_tags.allow_nan

    @pytest.mark.parametrize("bad", [np.inf, -np.inf])
    def test_infinity_stays_refused(self, bad):
        for X in (np.array([[bad], [np.nan], [0]]), pd.DataFrame({"a": [bad, np.nan, 0]})):
            with pytest.raises(ValueError, match="infinity"):
                TableEncoder().fit(X)


EMPTY = {
    "array": np.full((4, 1), np.nan),
    "objects": np.full((4, 1), None),
    "times": np.full((4, 1), "NaT", dtype="M8[s]"),
    "float": pd.DataFrame({"a": [np.nan] * 4}),
    "object": pd.DataFrame({"a": pd.Series([None] * 4, dtype=object)}),
    "Int64": pd.DataFrame({"a": pd.Series([None] * 4, dtype="Int64")}),
    "boolean": pd.DataFrame({"a": pd.Series([None] * 4, dtype="boolean")}),
    "str": pd.DataFrame({"a": pd.Series([None] * 4, dtype="str")}),
    "category": pd.DataFrame({"a": pd.Categorical([None] * 4, categories=["u", "v"])}),
    "ordered": pd.DataFrame({"a": pd.Categorical([None] * 4, ["u", "v"], ordered=True)}),
    "datetime": pd.DataFrame({"a": pd.Series([None] * 4, dtype="datetime64[ns, UTC]")}),
    "duration": pd.DataFrame({"a": pd.Series([None] * 4, dtype="timedelta64[s]")}),
    **{
        f"polars {dtype}": pl.DataFrame({"a": pl.Series([None] * 4, dtype=dtype)})
        for dtype in (pl.Null, pl.Int8, pl.Float32, pl.String, pl.Boolean, pl.Categorical,
                      pl.Enum(["u"]), pl.Date, pl.Datetime("ns", "UTC"), pl.Duration("ms"))
    },
}  # fmt: skip


class TestConstants:
    @pytest.mark.parametrize("indicator", [False, True])
    @pytest.mark.parametrize("X", EMPTY.values(), ids=EMPTY)
    def test_no_observed_cell(self, X, indicator):
        encoder = TableEncoder(missing_indicator=indicator).fit(X)
        assert encoder.n_encoded_ == 0
        assert encoder.transforms_ == ["constant"]
        Z = encoder.transform(X)
        assert_array_equal(encoder.log_volume(X, 0.1), 0)
        back = encoder.inverse_transform(encoder.dequantize(Z))
        if isinstance(X, pd.DataFrame):
            assert_frame_equal(back, X)
        elif isinstance(X, pl.DataFrame):
            assert_polars_equal(back, X)
        else:
            assert back.dtype == X.dtype
            assert pd.isna(back).all()

    def test_comes_back_complete(self):
        X = pd.DataFrame({"a": [7.5, np.nan, 7.5], "b": ["u", "u", None], "c": [1, 2, 4]})
        encoder = TableEncoder().fit(X)
        assert encoder.transforms_[:2] == ["constant", "constant"]
        assert encoder.n_encoded_ == 1
        back = encoder.inverse_transform(encoder.transform(X))
        assert_frame_equal(back, X.assign(a=7.5, b=pd.Series(["u"] * 3, dtype=X["b"].dtype)))

    def test_comes_back_with_its_gaps(self):
        X = pd.DataFrame({"a": [7.5, np.nan, 7.5], "b": ["u", "u", None], "c": [1, 2, 4]})
        encoder = TableEncoder(missing_indicator=True).fit(X)
        assert list(encoder.get_feature_names_out()) == ["c", "missing_a", "missing_b"]
        assert_frame_equal(encoder.inverse_transform(encoder.transform(X)), X)


class TestIndicator:
    X = pd.DataFrame(
        {
            "a": [1.5, np.nan, 0.3, 2.2, np.nan],
            "b": list("uvuvw"),
            "c": ["x", "y", "z", None, "x"],
            "d": [np.nan] * 5,
        }
    )

    def test_codes(self):
        encoder = TableEncoder(missing_indicator=True).fit(self.X)
        names = ["a", "b_0", "b_1", "c_0", "c_1", "missing_a", "missing_c"]
        assert list(encoder.get_feature_names_out()) == names
        assert_array_equal(encoder.groups_, [0, 1, 1, 2, 2, 0, 2])
        assert_array_equal(encoder.is_indicator_, [False] * 5 + [True] * 2)
        plain = TableEncoder().fit(self.X)
        assert not plain.is_indicator_.any()
        Z = encoder.transform(self.X)
        assert_array_equal(Z[:, :5], plain.transform(self.X))
        told = Z[:, 5:]
        assert np.isfinite(told).all()
        assert_allclose(told.mean(axis=0), 0, atol=1e-12)
        assert_allclose(told.var(axis=0), 1)
        for k, name in enumerate(["a", "c"]):
            assert len(np.unique(told[:, k])) == 2
            assert len(np.unique(told[self.X[name].isna(), k])) == 1

    def test_blocks_of_levels(self):
        encoder = TableEncoder(missing_indicator=True).fit(self.X)
        blocks = encoder.category_blocks()
        assert [columns.tolist() for columns, _ in blocks] == [[1, 2], [3, 4], [5], [6]]
        Z = encoder.transform(self.X)
        for columns, vertices in blocks:
            codes = Z[:, columns]
            codes = codes[~np.isnan(codes).any(axis=1)]
            distance = np.abs(codes[:, None] - vertices).max(axis=2).min(axis=1)
            assert_allclose(distance, 0, atol=1e-12)

    def test_decides(self):
        """A cell is missing where the nearer vertex says so, whatever its value code."""
        encoder = TableEncoder(missing_indicator=True).fit(self.X)
        _, vertices = encoder.category_blocks()[2]
        Z = np.zeros((200, encoder.n_encoded_))
        Z[:, 5] = np.linspace(-4, 4, 200)
        back = encoder.inverse_transform(Z)
        observed, missing = vertices[:, 0]
        wanted = np.abs(Z[:, 5] - missing) < np.abs(Z[:, 5] - observed)
        assert 0 < wanted.sum() < 200
        assert_array_equal(back["a"].isna(), wanted)
        assert back["c"].notna().all() or back["c"].isna().all()

    def test_integers_in_gaps_are_no_bother(self):
        X = pd.DataFrame({"a": pd.array([4, None, 9], dtype="Int64")})
        encoder = TableEncoder(missing_indicator=True).fit(X)
        Z = encoder.transform(X)
        Z[1, 0] = 0.1
        assert_frame_equal(encoder.inverse_transform(Z), X)

    def test_probability_of_gaps(self):
        """With the volume the density of the blurred indicator is the share of gaps."""
        X = pd.DataFrame({"a": [np.nan] * 30 + [1.0] * 70})
        encoder = TableEncoder(missing_indicator=True).fit(X)
        Z, sigma = encoder.transform(X)[:, 0], 0.2
        at = Z[[0, -1]]
        squares = (at[:, None] - Z) ** 2
        log_q = logsumexp(-squares / (2 * sigma**2), axis=1) - np.log(100)
        log_q -= np.log(2 * np.pi * sigma**2) / 2
        log_p = log_q + encoder.log_volume(X, sigma)[[0, -1]]
        assert_allclose(np.exp(log_p), [0.3, 0.7], rtol=1e-6)

    def test_new_gaps_in_a_column_without(self):
        """It has no indicator, and its codes say it."""
        encoder = TableEncoder(missing_indicator=True).fit(self.X)
        X = self.X.assign(b=["u", None, "v", "w", "u"])
        Z = encoder.transform(X)
        assert_array_equal(np.isnan(Z[:, 1:3]).all(axis=1), X["b"].isna())
        assert_frame_equal(encoder.inverse_transform(Z), X)


class TestDecoding:
    @pytest.mark.parametrize("code", [0, 1, 2])
    def test_any_missing_code_is_a_missing_cell(self, code):
        X = pd.DataFrame({"a": list("uvwx")})
        encoder = TableEncoder().fit(X)
        Z = encoder.transform(X)
        Z[2, code] = np.nan
        assert_array_equal(encoder.inverse_transform(Z)["a"].isna(), [False, False, True, False])

    @pytest.mark.parametrize(
        "X, dtype",
        [
            (np.array([[1], [2], [4]]), "int64"),
            (np.array([[True], [False], [True]]), "bool"),
            (np.array([["u"], ["v"], ["w"]]), "<U1"),
            (pd.DataFrame({0: np.array([1, 2, 4], dtype="uint8")}), "uint8"),
            (pd.DataFrame({0: [True, False, True]}), "bool"),
        ],
        ids=lambda x: x if isinstance(x, str) else type(x).__name__,
    )
    def test_data_types_without_gaps(self, X, dtype):
        encoder = TableEncoder().fit(X)
        Z = encoder.transform(X)
        Z[1] = np.nan
        with pytest.raises(ValueError, match=rf"1 decoded cells of column 0 .* as {dtype}, .* fit"):
            encoder.inverse_transform(Z)

    @pytest.mark.parametrize("marker", [None, np.nan, pd.NA, pd.NaT])
    def test_marker_of_objects(self, marker):
        X = pd.DataFrame({"a": pd.Series(["u", marker, "v"], dtype=object)})
        encoder = TableEncoder().fit(X)
        assert encoder.inverse_transform(encoder.transform(X))["a"][1] is marker

    def test_gaps_unseen_in_fit(self):
        complete = pd.DataFrame(pandas_columns([])).drop(columns=["object NaN", "object NA"])
        encoder = TableEncoder().fit(complete)
        gapped = pd.DataFrame(pandas_columns([5, 6])).drop(columns=["object NaN", "object NA"])
        back = encoder.inverse_transform(encoder.transform(gapped))
        assert_array_equal(back.isna(), gapped.isna())
        assert_array_equal(back.dtypes, gapped.dtypes)

    @pytest.mark.filterwarnings("error::RuntimeWarning")
    def test_rows_without_a_cell(self):
        """At transform the cells of a part of the table may all be missing."""
        X = pd.DataFrame(pandas_columns([5, 6]))
        encoder = TableEncoder().fit(X)
        part = X.iloc[[5, 6]].reset_index(drop=True)
        Z = encoder.transform(part)
        assert np.isnan(Z).all()
        assert_frame_equal(encoder.inverse_transform(Z), part)


class TestNumbersAsLevels:
    @pytest.mark.parametrize("indicator", [False, True])
    @pytest.mark.parametrize(
        "X",
        [
            pd.DataFrame({"a": pd.array([4, None, 9, 4], dtype="Int64")}),
            pd.DataFrame({"a": pd.array([4, None, 9, 4], dtype="float32")}),
            pl.DataFrame({"a": [4, None, 9, 4]}),
            pl.DataFrame({"a": [0.5, None, 9.5, 0.5]}),
            np.array([[4.5], [np.nan], [9.0], [4.5]]),
            np.array([[4], [None], [9], [4]], dtype=object),
        ],
        ids=["Int64", "float32", "polars", "polars floats", "array", "objects"],
    )
    def test_come_back(self, X, indicator):
        encoder = TableEncoder(categorical_features=[0], missing_indicator=indicator).fit(X)
        assert encoder.kinds_ == ["categorical"]
        assert len(encoder.categories_[0]) == 2
        Z = encoder.transform(X)
        assert_array_equal(np.isnan(Z[:, 0]), [False, True, False, False])
        back = encoder.inverse_transform(Z)
        assert type(back) is type(X)
        assert repr(back) == repr(X)
