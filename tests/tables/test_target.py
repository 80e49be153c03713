"""Tests of `TargetEncoder`: which targets are classes, and that they come back as they were."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_series_equal
from polars.testing import assert_series_equal as assert_polars_equal
from scipy.spatial.distance import pdist
from sklearn.exceptions import DataConversionWarning

from skdiffusion.tables.target import TargetEncoder, is_categorical

RNG = np.random.default_rng(0)
TEXT = RNG.choice(["no", "perhaps", "yes"], 50)
NUMBERS = RNG.normal(size=50)


def codes_of(y, **options):
    encoder = TargetEncoder(**options).fit(y)
    return encoder, encoder.transform(y)


class TestKind:
    @pytest.mark.parametrize(
        "y, expected",
        [
            (TEXT, True),
            (TEXT.astype(object), True),
            (TEXT == "yes", True),
            (np.arange(50) % 20, True),
            (np.arange(50) % 21, False),
            ((np.arange(50) % 3).astype(float), True),
            ((np.arange(50) % 3) + 0.5, False),
            (NUMBERS, False),
            # every value once: a measurement rather than a class
            (np.arange(10), False),
            (np.arange(10) % 5, True),
            (np.array([0, 1, 1]), True),
        ],
    )
    def test_is_guessed(self, y, expected):
        assert is_categorical(y) is expected
        assert TargetEncoder().fit(y).is_categorical_ is expected

    def test_can_be_told(self):
        y = np.arange(50) % 3
        encoder, codes = codes_of(y, target="continuous")
        assert not encoder.is_categorical_
        assert codes.shape == (50, 1)
        encoder, codes = codes_of(NUMBERS.round(1), target="categorical")
        assert encoder.is_categorical_
        assert codes.shape == (50, len(np.unique(NUMBERS.round(1))) - 1)

    def test_wrong_name(self):
        with pytest.raises(ValueError, match=r"auto.*categorical.*continuous.*got 'classes'"):
            TargetEncoder(target="classes").fit(TEXT)


class TestClasses:
    def test_and_their_frequencies(self):
        encoder = TargetEncoder().fit(TEXT)
        assert_array_equal(encoder.classes_, ["no", "perhaps", "yes"])
        expected = [TEXT.tolist().count(name) / 50 for name in encoder.classes_]
        assert_allclose(encoder.class_prior_, expected)

    def test_are_equally_far_apart(self):
        encoder, codes = codes_of(np.arange(40) % 4)
        assert codes.shape == (40, 3)
        distances = pdist(encoder.transform(encoder.classes_))
        assert_allclose(distances, distances[0])

    def test_nearest_one_is_decoded(self):
        encoder, codes = codes_of(TEXT)
        radius = pdist(encoder.transform(encoder.classes_)).min() / 2
        step = RNG.normal(size=codes.shape)
        step *= 0.99 * radius / np.linalg.norm(step, axis=1, keepdims=True)
        assert_array_equal(encoder.inverse_transform(codes + step), TEXT)

    @pytest.mark.parametrize(
        "seen, asked, said",
        [
            (TEXT, ["yes", "never", "ever"], r"unknown categories 'ever', 'never' in column 'y'"),
            (np.arange(9) % 3, [3], r"unknown categories 3 in column 'y'"),
            (TEXT, [1], "unknown categories 1 in column"),
        ],
    )
    def test_unseen(self, seen, asked, said):
        with pytest.raises(ValueError, match=said):
            TargetEncoder().fit(seen).transform(asked)

    def test_one_alone_has_no_code(self):
        encoder, codes = codes_of(["only"] * 5)
        assert codes.shape == (5, 0)
        assert_array_equal(encoder.inverse_transform(codes), ["only"] * 5)

    def test_too_many(self):
        with pytest.raises(ValueError, match="1001 categories"):
            TargetEncoder().fit(np.arange(1001).astype(str))


class TestNumbers:
    def test_codes_are_standardised(self):
        _, codes = codes_of(100 + 20 * NUMBERS)
        assert_allclose(codes[:, 0], (NUMBERS - NUMBERS.mean()) / NUMBERS.std())

    def test_whole_ones_stay_whole(self):
        y = RNG.integers(0, 500, 60)
        encoder, codes = codes_of(y)
        back = encoder.inverse_transform(codes + 1e-4)
        assert back.dtype == y.dtype
        assert_array_equal(back, y)

    def test_those_not_seen_have_codes_too(self):
        encoder = TargetEncoder().fit(NUMBERS)
        codes = encoder.transform([-9.0, 0.0, 9.0])[:, 0]
        assert np.all(np.diff(codes) > 5)

    def test_text_instead(self):
        with pytest.raises(ValueError, match="numbers"):
            TargetEncoder().fit(NUMBERS).transform(["high"])


class TestContainers:
    @pytest.mark.parametrize(
        "y",
        [
            TEXT,
            TEXT.astype(object),
            TEXT == "yes",
            np.arange(50) % 3,
            (np.arange(50) % 3).astype(np.uint8),
            (np.arange(50) % 3).astype(float),
            NUMBERS,
            NUMBERS.astype(np.float32),
        ],
        ids=lambda y: str(y.dtype),
    )
    def test_arrays(self, y):
        encoder, codes = codes_of(y)
        back = encoder.inverse_transform(codes)
        assert back.dtype == y.dtype
        assert_allclose(back, y) if y.dtype.kind == "f" else assert_array_equal(back, y)

    @pytest.mark.parametrize(
        "y",
        [
            pd.Series(TEXT),
            pd.Series(TEXT, dtype=object),
            pd.Series(pd.Categorical(TEXT, categories=["yes", "no", "perhaps", "else"])),
            pd.Series(TEXT == "yes"),
            pd.Series(TEXT == "yes", dtype="boolean"),
            pd.Series(np.arange(50) % 3, dtype="Int64"),
            pd.Series(np.arange(50), dtype=np.int16),
            pd.Series(NUMBERS, dtype=np.float32),
            pd.Series(NUMBERS, dtype="Float64"),
        ],
        ids=lambda y: str(y.dtype),
    )
    def test_pandas(self, y):
        y = y.rename("answer")
        encoder, codes = codes_of(y.set_axis(np.arange(50) + 9))
        assert_series_equal(encoder.inverse_transform(codes), y)

    @pytest.mark.parametrize(
        "y",
        [
            pl.Series("answer", TEXT.tolist()),
            pl.Series("answer", TEXT.tolist(), dtype=pl.Categorical),
            pl.Series("answer", TEXT.tolist(), dtype=pl.Enum(["yes", "no", "perhaps", "else"])),
            pl.Series("answer", TEXT == "yes"),
            pl.Series("answer", np.arange(50) % 3, dtype=pl.Int8),
            pl.Series("answer", NUMBERS),
            pl.Series("answer", NUMBERS, dtype=pl.Float32),
        ],
        ids=lambda y: str(y.dtype),
    )
    def test_polars(self, y):
        encoder, codes = codes_of(y)
        assert_polars_equal(encoder.inverse_transform(codes), y)

    def test_list(self):
        encoder, codes = codes_of(TEXT.tolist())
        assert_array_equal(encoder.inverse_transform(codes), TEXT)

    def test_another_container_than_in_fit(self):
        encoder = TargetEncoder().fit(pd.Series(TEXT))
        expected = encoder.transform(TEXT)
        assert_array_equal(encoder.transform(TEXT.tolist()), expected)
        assert_array_equal(encoder.transform(pl.Series(TEXT.tolist())), expected)

    def test_holds_no_data(self):
        """The series of fit serves as a pattern alone."""
        assert len(TargetEncoder().fit(pd.Series(TEXT)).template_) == 0

    def test_one_column_of_a_table(self):
        with pytest.warns(DataConversionWarning):
            _, codes = codes_of(TEXT[:, None])
        assert_array_equal(codes, codes_of(TEXT)[1])


class TestBadInput:
    @pytest.mark.parametrize(
        "y, said",
        [
            (np.r_[np.nan, NUMBERS], "y contains NaN"),
            (np.r_[np.inf, NUMBERS], "y contains infinity"),
            (pd.Series(["a", None, "b"]), "contains NaN|y contains missing"),
            (pd.Series([1, None, 2], dtype="Int64"), "y contains NaN"),
            (["a", None, "b"], "y contains .*missing|y contains NaN"),
            (np.zeros((4, 2)), "1d array"),
        ],
    )
    def test_values(self, y, said):
        with pytest.raises(ValueError, match=said):
            TargetEncoder().fit(y)

    def test_dates(self):
        days = pd.Series(pd.date_range("2020", periods=5))
        aware = days.dt.tz_localize("UTC")
        for y in (days, days.dt.date, days.to_list(), aware, aware.astype(object), days - days[0]):
            with pytest.raises(TypeError, match=r"dates or durations .* numbers, or make it a col"):
                TargetEncoder().fit(y)

    def test_missing_one_to_transform(self):
        encoder = TargetEncoder().fit(NUMBERS)
        with pytest.raises(ValueError, match="y contains NaN"):
            encoder.transform([0.0, np.nan])

    @pytest.mark.parametrize("cells", [[0, "one"], [True, "a"], [1.5, True], [(1,), (2,)], [{}, 1]])
    def test_of_mixed_types(self, cells):
        y = np.empty(20, dtype=object)
        y[:] = 10 * cells
        with pytest.raises(TypeError, match=r"y holds .* objects: convert it to numbers, or all"):
            TargetEncoder().fit(y)


class TestObjects:
    """Numbers in arrays of objects are numbers, as they are in arrays of floats."""

    @pytest.mark.parametrize("as_cell", [float, np.float64, lambda x: Decimal(str(x)), Fraction])
    @pytest.mark.parametrize("make", [list, pd.Series, lambda y: pd.DataFrame({"y": y})])
    @pytest.mark.filterwarnings("ignore::sklearn.exceptions.DataConversionWarning")
    def test_numbers(self, as_cell, make):
        x = NUMBERS.round(2)
        y = np.empty(len(x), dtype=object)
        y[:] = [as_cell(cell) for cell in x.tolist()]
        for target in (y, make(y)):
            encoder = TargetEncoder().fit(target)
            assert not encoder.is_categorical_
            assert_array_equal(encoder.transform(target), codes_of(x)[1])
            back = np.asarray(encoder.inverse_transform(encoder.transform(target)))
            assert_array_equal(back.astype(float), x)

    def test_whole_numbers(self):
        classes, numbers = np.arange(300) % 3, np.arange(300) * 7
        for y, is_class in ((classes, True), (numbers, False)):
            encoder = TargetEncoder().fit(y.astype(object))
            assert encoder.is_categorical_ == is_class
            back = encoder.inverse_transform(encoder.transform(y.astype(object)))
            assert_array_equal(back, y)
            assert back.dtype == np.int64

    @pytest.mark.parametrize("dtype", ["Int64", "int32", "Int8"])
    @pytest.mark.parametrize("n_values", [3, 90])
    def test_means_fit_in_whole_numbers(self, dtype, n_values):
        y = pd.Series(np.arange(270) % n_values, dtype=dtype)
        encoder = TargetEncoder().fit(y)
        means = y.to_numpy(float) if n_values == 3 else y.to_numpy(float) + 0.3
        assert_series_equal(encoder.as_target(means), y)
        for cells in (y, pl.Series(y.to_list())):
            encoder = TargetEncoder().fit(cells)
            assert encoder.inverse_transform(encoder.transform(cells)).equals(cells)

    def test_decimals_of_polars(self):
        y = pl.Series("price", [Decimal(k).scaleb(-2) for k in range(300)], pl.Decimal(38, 2))
        encoder = TargetEncoder().fit(y)
        assert not encoder.is_categorical_
        assert encoder.inverse_transform(encoder.transform(y)).equals(y)
        means = encoder.as_target(np.array([2 / 3, 1e-7, 1e16]))
        assert means.dtype == y.dtype
        assert means.to_list() == [Decimal("0.67"), Decimal(0), Decimal(10**16)]

    def test_classes_stay_classes(self):
        for cells in (list("abc"), [True, False, True]):
            y = np.array(cells * 9, dtype=object)
            encoder = TargetEncoder().fit(y)
            assert encoder.is_categorical_
            assert_array_equal(encoder.inverse_transform(encoder.transform(y)), y)

    def test_text_where_numbers_were(self):
        with pytest.raises(ValueError, match="target was numbers in fit"):
            TargetEncoder().fit(NUMBERS).transform(["a", "b"])
