"""Numbers, times and text in other clothes: they are what they are, and come back as they were."""

import warnings
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_array_equal
from pandas.testing import assert_frame_equal

from skdiffusion import TableEncoder
from skdiffusion.tables.lattice import narrow_decimals

N = 60
RNG = np.random.default_rng(0)
X = RNG.normal(size=N).round(3)
CENTS = [Decimal(int(c)).scaleb(-2) for c in RNG.integers(100, 99_999, N)]
DAYS = [date(2024, 1, 1) + timedelta(days=int(k)) for k in RNG.integers(0, 90, N)]
TIMES = [datetime(2024, 1, 1) + timedelta(seconds=int(k)) for k in RNG.integers(0, 10**6, N)]
SPANS = [timedelta(minutes=int(k)) for k in RNG.integers(0, 900, N)]


def gappy(cells):
    return [None if k % 7 == 3 else cell for k, cell in enumerate(cells)]


def there_and_back(table, **options):
    encoder = TableEncoder(**options).fit(table)
    return encoder, encoder.inverse_transform(encoder.transform(table))


def drawn(encoder, n=300, scale=1.5):
    """Decode encoded rows that are all over the place."""
    return encoder.inverse_transform(scale * RNG.normal(size=(n, encoder.n_encoded_)))


def assert_same(back, cells):
    for there, cell in zip(back, cells, strict=True):
        if cell is None:
            assert pd.isna(there)
        else:
            assert there == cell and isinstance(there, type(cell))


class TestDecimals:
    @pytest.mark.parametrize("cells", [CENTS, gappy(CENTS)], ids=["whole", "gaps"])
    def test_are_numbers(self, cells):
        encoder, back = there_and_back(pd.DataFrame({"price": cells, "x": X}))
        assert encoder.kinds_[0] == "continuous" and encoder.transforms_[0] != "simplex"
        assert_same(back["price"], cells)

    def test_are_coded_as_the_same_floats(self):
        frame = pd.DataFrame({"price": CENTS, "x": X})
        codes = [TableEncoder().fit_transform(t) for t in (frame, frame.astype({"price": float}))]
        assert_array_equal(*codes)

    @pytest.mark.parametrize("places", [0, 1, 3, 7, 20])
    def test_keep_their_places(self, places):
        cells = [Decimal(k * 7).scaleb(-min(places, 5)) for k in range(40)]
        cells = [cell.quantize(Decimal(1).scaleb(-places)) for cell in cells]
        encoder, back = there_and_back(pd.DataFrame({"price": gappy(cells)}))
        assert_same(back["price"], gappy(cells))
        assert {cell.as_tuple().exponent for cell in drawn(encoder)["price"]} == {-places}

    def test_more_than_levels_may_be(self):
        cells = [Decimal(k).scaleb(-2) for k in range(1500)]
        encoder, back = there_and_back(pd.DataFrame({"price": cells}))
        assert_same(back["price"], cells)
        assert encoder.n_encoded_ == 1

    def test_in_arrays(self):
        table = np.array([gappy(CENTS), X], dtype=object).T
        encoder, back = there_and_back(table)
        assert encoder.kinds_ == ["continuous", "continuous"]
        assert_same(back[:, 0], gappy(CENTS))

    def test_in_polars(self):
        table = pl.DataFrame({"price": pl.Series(gappy(CENTS), dtype=pl.Decimal(10, 2)), "x": X})
        encoder, back = there_and_back(table)
        assert encoder.kinds_[0] == "continuous"
        assert back.schema == table.schema
        assert back["price"].to_list() == gappy(CENTS)
        assert drawn(encoder).schema == table.schema

    def test_beside_other_numbers_are_floats(self):
        _, back = there_and_back(pd.DataFrame({"a": [Decimal("0.5"), 2, 3.25, Fraction(1, 3)]}))
        assert back["a"].tolist() == [0.5, 2.0, 3.25, 1 / 3]
        assert all(type(cell) is float for cell in back["a"])

    def test_that_are_no_numbers(self):
        cells = [Decimal("NaN"), Decimal("sNaN"), *CENTS]
        encoder, back = there_and_back(pd.DataFrame({"a": cells}))
        assert encoder.kinds_ == ["continuous"]
        assert back["a"].isna().tolist() == [True, True] + N * [False]
        with pytest.raises(ValueError, match="infinity in column 'a'"):
            TableEncoder().fit(pd.DataFrame({"a": [Decimal("Infinity"), *CENTS]}))

    @pytest.mark.parametrize("cell", [10**400, Fraction(10**400), Decimal("1e400")])
    def test_beyond_floats(self, cell):
        with pytest.raises((TypeError, ValueError), match="column 'a'"):
            TableEncoder().fit(pd.DataFrame({"a": pd.Series([cell, *CENTS[:9]], dtype=object)}))


class TestArrow:
    """Data types of Arrow, with gaps, without, and of gaps alone."""

    arrow = staticmethod(lambda: pytest.importorskip("pyarrow"))

    def series(self, cells, dtype):
        pa = self.arrow()
        values = pa.array(cells, getattr(dtype, "value_type", dtype))
        if values.type != dtype:
            values = values.dictionary_encode().cast(dtype)
        return pd.Series(pd.array(values, dtype=pd.ArrowDtype(dtype)))

    @pytest.mark.parametrize("gaps", ["none", "some", "all"])
    @pytest.mark.parametrize(
        ("cells", "name", "kind"),
        [
            (DAYS, "date32", "datetime"),
            (DAYS, "date64", "datetime"),
            (TIMES, "timestamp", "datetime"),
            (SPANS, "duration", "duration"),
            (CENTS, "decimal128", "continuous"),
            (CENTS, "decimal256", "continuous"),
            (list(range(N)), "int8", "integer"),
            ([k % 3 == 0 for k in range(N)], "bool_", "boolean"),
            (list("abc") * 20, "string", "categorical"),
            (list("abc") * 20, "dictionary", "categorical"),
            (DAYS, "dictionary", "categorical"),
        ],
    )
    def test_come_back(self, cells, name, kind, gaps):
        pa = self.arrow()
        of_dates = name == "dictionary" and cells is DAYS
        arguments = {
            "timestamp": ("ns",),
            "duration": ("ms",),
            "decimal128": (10, 2),
            "decimal256": (50, 2),
            "dictionary": (pa.int32(), pa.date32() if of_dates else pa.string()),
        }
        dtype = getattr(pa, name)(*arguments.get(name, ()))
        cells = {"none": cells, "some": gappy(cells), "all": [None] * N}[gaps]
        table = pd.DataFrame({"a": self.series(cells, dtype), "x": X})
        for has_indicator in (False, True):
            encoder, back = there_and_back(table, missing_indicator=has_indicator)
            assert gaps == "all" or encoder.kinds_[0] == kind
            assert_frame_equal(back, table)

    @pytest.mark.parametrize("is_dictionary", [False, True])
    def test_of_no_type(self, is_dictionary):
        pa = self.arrow()
        dtype = pa.dictionary(pa.int32(), pa.null()) if is_dictionary else pa.null()
        table = pd.DataFrame({"a": self.series([None] * N, dtype), "x": X})
        _, back = there_and_back(table)
        assert back["a"].isna().all()
        assert back["a"].dtype == table["a"].dtype

    @pytest.mark.parametrize("name", ["time32", "time64", "binary"])
    def test_refused(self, name):
        pa = self.arrow()
        dtype = {"time32": pa.time32("s"), "time64": pa.time64("us"), "binary": pa.binary()}[name]
        cells = [b"a", None] if name == "binary" else [timedelta(0), None]
        cells = pd.array(pa.array([0, None], "int32" if name == "time32" else "int64").cast(dtype),
                         dtype=pd.ArrowDtype(dtype)) if name != "binary" else self.series(
                             cells, dtype)  # fmt: skip
        with pytest.raises(TypeError, match=r"column 'a': it holds .* values: convert them to"):
            TableEncoder().fit(pd.DataFrame({"a": cells, "x": [1.0, 2.0]}))


# polars 1.18 brought integers of 128 bits
INT128 = [pl.Int128] if hasattr(pl, "Int128") else []


class TestPolars:
    @pytest.mark.parametrize("dtype", [*INT128, pl.UInt64, pl.Int8, pl.Float32])
    @pytest.mark.parametrize("cells", [list(range(N)), gappy(range(N)), [None] * N])
    def test_numbers_of_any_width(self, dtype, cells):
        table = pl.DataFrame({"a": pl.Series(cells, dtype=dtype), "x": X})
        _, back = there_and_back(table)
        assert back.equals(table) and back.schema == table.schema

    @pytest.mark.parametrize("dtype", INT128)
    def test_integers_that_floats_cannot_hold(self, dtype):
        table = pl.DataFrame({"a": pl.Series([1, 2**100, 7], dtype=dtype)})
        with pytest.raises(ValueError, match=r"'a' holds integers of 2\*\*53 or more"):
            TableEncoder().fit(table)

    @pytest.mark.parametrize("cells", [DAYS, TIMES, SPANS])
    def test_times(self, cells):
        table = pl.DataFrame({"a": gappy(cells)})
        _, back = there_and_back(table)
        assert back.equals(table) and back.schema == table.schema


class TestTimeZones:
    def offsets(self, cells=TIMES):
        zones = [UTC, timezone(timedelta(hours=5, minutes=30)), timezone(-timedelta(hours=3))]
        return [t.replace(tzinfo=zones[k % 3]) for k, t in enumerate(cells)]

    @pytest.mark.parametrize("as_cell", [lambda t: t, pd.Timestamp])
    def test_several_in_one_column_are_the_same_instants_in_utc(self, as_cell):
        cells = gappy([as_cell(t) for t in self.offsets()])
        table = pd.DataFrame({"a": pd.Series(cells, dtype=object)})
        encoder, back = there_and_back(table)
        assert encoder.kinds_ == ["datetime"]
        assert_same(back["a"], [t and t.astimezone(UTC).replace(tzinfo=UTC) and
                                datetime.fromisoformat(t.astimezone(UTC).isoformat())
                                for t in cells])  # fmt: skip
        assert all(t.tzinfo == UTC for t in back["a"].dropna())
        same = pd.DataFrame({"a": pd.to_datetime(pd.Series(cells), utc=True)})
        assert_array_equal(encoder.transform(same), encoder.transform(table))

    def test_some_without_one_are_refused(self):
        cells = [*self.offsets()[:5], *TIMES[:5]]
        with pytest.raises(TypeError, match=r"column 'a': it holds times .* all with a time zone"):
            TableEncoder().fit(pd.DataFrame({"a": pd.Series(cells, dtype=object)}))

    def test_objects_finer_than_what_comes_back_are_refused(self):
        cells = [pd.Timestamp("2024-01-01") + pd.Timedelta(k, "ns") for k in range(9)]
        with pytest.raises(TypeError, match="no finer than microseconds"):
            TableEncoder().fit(pd.DataFrame({"a": pd.Series(cells, dtype=object)}))


class TestNanoseconds:
    @pytest.mark.parametrize("seed", range(5))
    @pytest.mark.parametrize("dtype", ["m8[ns]", "M8[ns]"])
    @pytest.mark.parametrize("transform", ["standard", "quantile"])
    def test_come_back_exactly(self, seed, dtype, transform):
        """Also where a range has more of them than floats have numbers."""
        rng = np.random.default_rng(seed)
        for digits in range(3, 19):
            span = 10**digits
            ticks = rng.integers(-span, span, rng.integers(2, 200))
            table = pd.DataFrame({"a": ticks.astype(dtype)})
            for clip in (True, False):
                _, back = there_and_back(table, numeric_transform=transform, clip=clip)
                assert_frame_equal(back, table)


class TestNarrowFloats:
    @pytest.mark.parametrize("decimals", [1, 2, 3])
    @pytest.mark.parametrize("scale", [1, 100, 5000])
    @pytest.mark.parametrize("transform", ["standard", "quantile", "auto"])
    def test_are_drawn_as_recorded(self, decimals, scale, transform):
        cells = RNG.gamma(2.0, scale, 400).round(decimals).astype("float32")
        encoder, back = there_and_back(cells[:, None], numeric_transform=transform)
        assert_array_equal(back[:, 0], cells)
        new = drawn(encoder)[:, 0]
        assert new.dtype == np.float32
        assert_array_equal(new, new.astype(float).round(decimals).astype("float32"))

    @pytest.mark.parametrize("pandas_type", ["float32", "Float32"])
    def test_in_frames(self, pandas_type):
        cells = RNG.gamma(2.0, 300, 400).round(2)
        table = pd.DataFrame({"a": cells}).astype(pandas_type)
        encoder, back = there_and_back(table)
        assert_frame_equal(back, table)
        new = drawn(encoder)["a"].to_numpy("float32")
        assert_array_equal(new, new.astype(float).round(2).astype("float32"))

    @pytest.mark.parametrize("seed", range(5))
    def test_of_no_end_of_decimals(self, seed):
        x = np.random.default_rng(seed).normal(size=500)
        mixed = np.where(x > 0, np.rint(x), x)
        for cells in (x, 1e4 * x, 1e-3 * x, mixed, np.arange(50.0), np.zeros(0)):
            for dtype in (np.dtype("float32"), np.dtype("float16")):
                values = cells.astype(dtype).astype(float)
                assert narrow_decimals(values[np.isfinite(values)], dtype) is None
        assert narrow_decimals(x.round(2), np.dtype(float)) is None


class TestText:
    @pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame])
    def test_codes_keep_their_zeros(self, make):
        codes = [f"{k % 20:05d}" for k in range(N)]
        table = make({"zip": codes, "x": X})
        encoder, back = there_and_back(table)
        assert encoder.kinds_[0] == "categorical"
        assert back["zip"].to_list() == codes
        assert set(drawn(encoder)["zip"]) <= set(codes)

    @pytest.mark.parametrize("form", ["%Y-%m-%d", "%d/%m/%Y", "%d.%m.%y", "%b %d, %Y", "%d %B %Y"])
    def test_many_dates_say_how_to_read_them(self, form):
        cells = pd.date_range("2019-01-01", periods=1235).strftime(form)
        with pytest.raises(ValueError, match=r"'sold' has .* parse_dates=\['sold'\]"):
            TableEncoder().fit(pd.DataFrame({"sold": cells}))

    def test_fewer_dates_warn(self):
        days = pd.date_range("2019-01-01", periods=40).strftime("%Y-%m-%d")
        with pytest.warns(UserWarning, match=r"'sold' has dates as categories.*parse_dates=\["):
            TableEncoder().fit(pd.DataFrame({"sold": days}))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            TableEncoder().fit(pd.DataFrame({"sold": days[[0, 1, 2] * 9]}))

    @pytest.mark.parametrize("prefix", ["", "no. ", "May"])
    def test_many_others_are_no_dates(self, prefix):
        cells = 2 * [f"{prefix}{k}" for k in range(1235)]
        with pytest.raises(ValueError, match=r"'name' has 1235 categories.* identifies") as caught:
            TableEncoder().fit(pd.DataFrame({"name": cells}))
        assert "dates" not in str(caught.value)
