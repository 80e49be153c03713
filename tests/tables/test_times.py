"""Tests of `TableEncoder` on dates and durations."""

from datetime import datetime

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal
from scipy.special import logsumexp
from scipy.stats import norm

from skdiffusion.tables.clocks import TimeScale
from skdiffusion.tables.encoder import TableEncoder
from skdiffusion.tables.reading import read_times

TRANSFORMS = ["auto", "standard", "quantile"]


def days(n=80, seed=0, unit="ns"):
    offsets = np.random.default_rng(seed).integers(0, 4000, n)
    return pd.DataFrame({"a": pd.Timestamp("2019-03-30") + pd.to_timedelta(offsets, "D")}).astype(
        f"datetime64[{unit}]"
    )


class TestKinds:
    def test_of_columns(self):
        stamp = [datetime(2024, 1, 1), datetime(2024, 1, 3), datetime(2024, 2, 1)]
        X = pd.DataFrame(
            {
                "a": stamp,
                "b": pd.to_timedelta([1, 2, 4], "D"),
                "c": pd.Series(stamp, dtype=object),
                "d": [day.date() for day in stamp],
            }
        )
        encoder = TableEncoder().fit(X)
        assert encoder.kinds_ == ["datetime", "duration", "datetime", "datetime"]
        assert encoder.categories_ == [None] * 4
        assert encoder.n_encoded_ == 4

    def test_others_are_no_levels(self):
        with pytest.raises(ValueError, match="names column 'a', which holds datetimes: convert"):
            TableEncoder(categorical_features=["a"]).fit(days())
        with pytest.raises(ValueError, match="names column 'a', which holds datetimes: convert"):
            TableEncoder(ordinal_features={"a": [1, 2]}).fit(days())


class TestCodes:
    def test_are_those_of_numbers(self):
        """Days are coded as whole numbers of days."""
        X = days()
        numbers = (X["a"] - X["a"].min()).dt.days.to_numpy()[:, None]
        for transform in TRANSFORMS:
            encoder = TableEncoder(numeric_transform=transform).fit(X)
            other = TableEncoder(numeric_transform=transform).fit(numbers)
            Z = encoder.transform(X)
            assert_allclose(Z, other.transform(numbers), atol=1e-12)
            spread = other.dequantize(Z, random_state=0)
            assert_allclose(encoder.dequantize(Z, random_state=0), spread, atol=1e-12)
            assert_allclose(encoder.log_volume(X, 0.1), other.log_volume(numbers, 0.1))

    @pytest.mark.parametrize("transform", TRANSFORMS)
    @pytest.mark.parametrize("unit", ["s", "us", "ns"])
    def test_days_stay_days(self, transform, unit):
        X = days(unit=unit)
        encoder = TableEncoder(numeric_transform=transform).fit(X)
        back = encoder.inverse_transform(np.random.default_rng(1).normal(size=(500, 1)))
        assert back["a"].dtype == X["a"].dtype
        assert (back["a"] == back["a"].dt.normalize()).all()
        assert back["a"].nunique() > 30
        assert back["a"].min() >= X["a"].min()
        assert back["a"].max() <= X["a"].max()

    def test_no_clipping(self):
        X = days()
        encoder = TableEncoder(numeric_transform="standard", clip=False).fit(X)
        back = encoder.inverse_transform([[-5.0], [5.0]])
        assert back["a"][0] < X["a"].min()
        assert back["a"][1] > X["a"].max()
        for z in (-1e9, 1e9, -1e99, 1e99):
            assert encoder.inverse_transform([[z]])["a"].notna().all()

    @pytest.mark.parametrize("transform", ["standard", "quantile"])
    def test_probabilities_sum_to_one(self, transform):
        offsets = np.random.default_rng(0).normal(500, 40, 4000).round()
        X = (np.datetime64("2020-01-01", "ns") + offsets.astype("m8[D]"))[:, None]
        encoder = TableEncoder(numeric_transform=transform).fit(X)
        grid = np.arange(X.min(), X.max() + 1, np.timedelta64(1, "D"))[:, None]
        log_p = norm.logpdf(encoder.transform(grid)[:, 0]) + encoder.log_volume(grid, 0.1)
        assert_allclose(np.exp(logsumexp(log_p)), 1, atol=0.02)


class TestExactness:
    """Times are too long for float64, and come back to the last tick."""

    @pytest.mark.parametrize("transform", TRANSFORMS)
    @pytest.mark.parametrize("span", [10**3, 10**9, 10**12, 10**15])
    def test_nanoseconds(self, span, transform):
        ticks = 1_700_000_000_000_000_000 + np.random.default_rng(0).integers(0, span, 200)
        X = pd.DataFrame({"a": ticks.astype("M8[ns]")})
        encoder = TableEncoder(numeric_transform=transform).fit(X)
        Z = encoder.transform(X)
        got = encoder.inverse_transform(Z)["a"].to_numpy().view(np.int64)
        # float64 codes of size 4 are exact to about 1e-15 of the span
        assert np.abs(got - ticks).max() <= 1e-15 * span

    @pytest.mark.parametrize("transform", TRANSFORMS)
    def test_long_spans_of_fine_ticks(self, transform):
        """More nanoseconds than float64 counts exactly, but whole seconds."""
        seconds = np.random.default_rng(0).integers(-(2**33), 2**33, 100)
        X = pd.DataFrame({"a": seconds.astype("M8[s]").astype("M8[ns]")})
        assert np.ptp(seconds) * 1e9 > 2**53
        encoder = TableEncoder(numeric_transform=transform).fit(X)
        assert_frame_equal(encoder.inverse_transform(encoder.transform(X)), X)

    def test_more_ticks_than_floats_hold(self):
        """No coarser unit holds all of them: they are rounded, to better than a part in 10**15."""
        ticks = np.array([-(2**62) - 1, 0, 1, 12345678901234567, 2**62 + 7])
        scale = TimeScale(ticks, read_times("a", ticks.view("M8[ns]")).clock)
        x = scale.encode(ticks, scale.clock)
        assert np.abs(x).max() < 2**53
        got = scale.decode(np.rint(x))
        error = [abs(int(a) - int(b)) for a, b in zip(got, ticks, strict=True)]
        assert 0 < max(error) <= 10 * 2**63 / 2**53

    def test_spans_wider_than_int64(self):
        """The difference of two ticks need not fit int64."""
        X = np.array(["1680-01-01", "2000-06-01", "2250-01-01"], dtype="M8[ns]")[:, None]
        for rows in (X, X[[0, 2]]):
            encoder = TableEncoder().fit(rows)
            assert_array_equal(encoder.inverse_transform(encoder.transform(rows)), rows)

    def test_unit_is_the_greatest_common_one(self):
        ticks = np.array([10, 70, 190]) * 10**9
        clock = read_times("a", ticks.view("M8[ns]")).clock
        scale = TimeScale(ticks, clock)
        assert scale.unit == 60 * 10**9
        assert_array_equal(scale.encode(ticks, clock), [0, 1, 3])
        assert_array_equal(scale.encode(ticks - 15 * 10**9, clock), [-0.25, 0.75, 2.75])
        assert_array_equal(scale.decode(np.array([0.0, 1.2, -2.0])), [10e9, 70e9, -110e9])

    def test_one_tick(self):
        X = np.array([["2024-01-01"]] * 3, dtype="M8[s]")
        encoder = TableEncoder().fit(X)
        assert encoder.transforms_ == ["constant"]
        assert_array_equal(encoder.inverse_transform(encoder.transform(X)), X)


class TestOtherClocks:
    """Rows whose ticks are not those of the training rows."""

    @pytest.mark.parametrize("fitted", ["s", "ms", "us", "ns"])
    @pytest.mark.parametrize("given", ["D", "h", "s", "ms", "us", "ns"])
    def test_units(self, fitted, given):
        X = days(unit=fitted)
        encoder = TableEncoder(numeric_transform="standard").fit(X)
        rows = pd.DataFrame({"a": X["a"].to_numpy()}).to_numpy().astype(f"M8[{given}]")
        other = TableEncoder(numeric_transform="standard").fit(X.to_numpy())
        assert_array_equal(other.transform(rows), encoder.transform(X))

    def test_finer_ticks_fall_between(self):
        X = np.array([["2024-01-01"], ["2024-01-03"], ["2024-01-09"]], dtype="M8[D]")
        encoder = TableEncoder(numeric_transform="standard").fit(X)
        z = encoder.transform(np.array([["2024-01-01T00"], ["2024-01-01T12"]], dtype="M8[h]"))
        day = np.diff(encoder.transform(X)[:2, 0])[0] / 2
        assert_allclose(np.diff(z[:, 0]), day / 2)

    def test_far_dates_in_coarse_ticks(self):
        """They overflow the finer ticks of the training rows."""
        encoder = TableEncoder(numeric_transform="standard").fit(days())
        near, far = (
            pd.DataFrame({"a": np.array([t], "M8[s]")}) for t in ("2200-01-01", "3000-01-01")
        )
        assert encoder.transform(near)[0, 0] > 9
        with pytest.raises(ValueError, match="too far from 1970"):
            encoder.transform(far)

    def test_months(self):
        X = np.arange("2020-01", "2022-01", dtype="M8[M]")[:, None]
        encoder = TableEncoder().fit(X)
        rows = X.astype("M8[D]") + np.timedelta64(5, "D")
        assert_array_equal(encoder.transform(rows), encoder.transform(X))

    def test_zones_name_the_same_instants(self):
        rome = days()["a"].dt.tz_localize("Europe/Rome").to_frame()
        tokyo = rome["a"].dt.tz_convert("Asia/Tokyo").to_frame()
        encoder = TableEncoder().fit(rome)
        Z = encoder.transform(tokyo)
        assert_array_equal(Z, encoder.transform(rome))
        assert_frame_equal(encoder.inverse_transform(Z), rome)

    def test_with_and_without_zone(self):
        naive, aware = days(), days()["a"].dt.tz_localize("UTC").to_frame()
        for first, second, said in [(naive, aware, "without"), (aware, naive, "with")]:
            encoder = TableEncoder().fit(first)
            with pytest.raises(
                ValueError, match=f"Column 'a' held times {said} a time zone in fit"
            ):
                encoder.transform(second)

    def test_summer_time(self):
        """The hour that occurs twice comes back as the right one of both."""
        hours = pd.date_range("2024-10-26 22:00", periods=8, freq="h", tz="UTC")
        X = pd.DataFrame({"a": hours.tz_convert("Europe/Rome")})
        encoder = TableEncoder().fit(X)
        assert_frame_equal(encoder.inverse_transform(encoder.transform(X)), X)

    def test_numbers_instead(self):
        encoder = TableEncoder().fit(days())
        with pytest.raises(ValueError, match="Column 'a' held datetimes in fit and does not now"):
            encoder.transform(pd.DataFrame({"a": [1.0, 2.0]}))
        encoder = TableEncoder().fit(pd.DataFrame({"a": [1.0, 2.5]}))
        with pytest.raises(ValueError, match="Column 'a' held numbers in fit and does not now"):
            encoder.transform(days())

    def test_polars_after_pandas(self):
        X = days(unit="us")
        encoder = TableEncoder().fit(X)
        assert_array_equal(encoder.transform(pl.DataFrame({"a": X["a"].dt.to_pydatetime().tolist()
                                                          })), encoder.transform(X))  # fmt: skip
