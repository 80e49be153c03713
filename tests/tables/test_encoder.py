"""Tests of `TableEncoder` as a whole."""

import pickle
from datetime import UTC, date, datetime, time, timedelta
from itertools import product

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal
from polars.testing import assert_frame_equal as assert_polars_equal
from scipy.special import logsumexp
from scipy.stats import norm
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import parametrize_with_checks

from skdiffusion.tables.encoder import TableEncoder

TRANSFORMS = ["auto", "standard", "quantile"]


@parametrize_with_checks(
    [
        TableEncoder(),
        TableEncoder(numeric_transform="quantile"),
        TableEncoder(missing_indicator=True, min_frequency=2, handle_unknown="missing"),
    ]
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def pandas_table(seed=0, n=150):
    rng = np.random.default_rng(seed)
    spiky = np.where(rng.random(n) < 0.4, 0.0, rng.lognormal(size=n))
    return pd.DataFrame(
        {
            "float": rng.normal(3, 20, n),
            "float32": rng.normal(size=n).astype(np.float32),
            "tiny": rng.normal(0, 1e-9, n),
            "decimal": rng.integers(0, 60, n) / 10,
            "decimal32": (rng.integers(-30, 30, n) / 10).astype(np.float32),
            "whole": rng.integers(0, 60, n).astype(float),
            "spiky": spiky,
            "int": rng.integers(-40, 900, n),
            "uint8": rng.poisson(1.0, n).astype(np.uint8),
            "Int64": pd.array(rng.integers(0, 5, n), dtype="Int64"),
            "Float64": pd.array(rng.normal(size=n), dtype="Float64"),
            "bool": rng.random(n) < 0.3,
            "boolean": pd.array(rng.random(n) < 0.9, dtype="boolean"),
            "category": pd.Categorical(rng.choice(list("abc"), n), categories=list("dcba")),
            "number category": pd.Categorical(rng.choice([2.5, 7.0], n)),
            "string": rng.choice(["x", "y", "a longer one"], n),
            "object": pd.Series(rng.choice(["u", "v"], n)).astype(object),
            "object int": pd.Series(rng.integers(0, 9, n).tolist(), dtype=object),
            "constant": 1.25,
            "constant int": 7,
            "constant level": "only",
        }
    )


def polars_table(seed=0, n=150):
    rng = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "float": rng.normal(size=n),
            "float32": rng.normal(size=n).astype(np.float32),
            "int": rng.integers(-40, 900, n),
            "uint8": pl.Series(rng.integers(0, 3, n), dtype=pl.UInt8),
            "bool": rng.random(n) < 0.4,
            "category": pl.Series(rng.choice(list("abc"), n).tolist(), dtype=pl.Categorical),
            "enum": pl.Series(rng.choice(list("abc"), n).tolist(), dtype=pl.Enum(list("dcba"))),
            "string": rng.choice(["x", "y"], n),
            "constant": 4,
        }
    )


class TestRoundTrip:
    @pytest.mark.parametrize("transform", TRANSFORMS)
    @pytest.mark.parametrize("seed", range(1))
    def test_pandas(self, transform, seed):
        X = pandas_table(seed)
        encoder = TableEncoder(numeric_transform=transform).fit(X)
        assert_frame_equal(
            encoder.inverse_transform(encoder.transform(X)), X, rtol=1e-9, atol=1e-15
        )

    @pytest.mark.parametrize("transform", TRANSFORMS)
    def test_discrete_columns_are_exact(self, transform):
        X = pandas_table().drop(columns=["float", "float32", "tiny", "spiky", "Float64"])
        encoder = TableEncoder(numeric_transform=transform).fit(X)
        assert_frame_equal(encoder.inverse_transform(encoder.transform(X)), X, check_exact=True)

    @pytest.mark.parametrize("transform", TRANSFORMS)
    def test_polars(self, transform):
        X = polars_table()
        encoder = TableEncoder(numeric_transform=transform).fit(X)
        back = encoder.inverse_transform(encoder.transform(X))
        assert isinstance(back, pl.DataFrame)
        assert back.schema == X.schema
        assert_polars_equal(back, X)

    def test_objects_keep_their_types(self):
        X = pandas_table()[["object int", "object"]]
        back = TableEncoder().fit(X).inverse_transform(TableEncoder().fit_transform(X))
        assert {type(v) for v in back["object int"]} == {int}

    @pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, np.int8, np.uint16, bool])
    def test_arrays(self, dtype):
        X = np.random.default_rng(0).integers(0, 9, size=(80, 3)).astype(dtype)
        encoder = TableEncoder().fit(X)
        back = encoder.inverse_transform(encoder.transform(X))
        assert back.dtype == dtype
        assert_array_equal(back, X)

    def test_array_of_strings(self):
        X = np.random.default_rng(0).choice(["low", "high"], size=(40, 2))
        encoder = TableEncoder().fit(X)
        back = encoder.inverse_transform(encoder.transform(X))
        assert back.dtype == X.dtype
        assert_array_equal(back, X)

    def test_array_of_objects(self):
        rng = np.random.default_rng(0)
        X = pd.DataFrame(
            {"f": rng.normal(size=40), "i": rng.integers(0, 9, 40), "s": rng.choice(["a", "b"], 40)}
        )
        X["b"] = X["i"] > 4
        X = X.to_numpy(dtype=object)
        encoder = TableEncoder().fit(X)
        assert encoder.kinds_ == ["continuous", "integer", "categorical", "boolean"]
        back = encoder.inverse_transform(encoder.transform(X))
        assert back.dtype == object
        assert [type(cell) for cell in back[0]] == [float, int, str, bool]
        assert_array_equal(back[:, 1:], X[:, 1:])
        assert_allclose(back[:, 0].astype(float), X[:, 0].astype(float))

    def test_index_starts_anew(self):
        X = pandas_table()[["float", "string"]].set_index(np.arange(150) + 1000)
        encoder = TableEncoder().fit(X)
        assert_frame_equal(
            encoder.inverse_transform(encoder.transform(X)), X.reset_index(drop=True)
        )

    @pytest.mark.parametrize("names", [[10, 20], pd.Index(["a", "b"], name="variable")])
    def test_columns_names(self, names):
        X = pandas_table()[["decimal", "string"]].set_axis(names, axis=1)
        encoder = TableEncoder().fit(X)
        assert_frame_equal(encoder.inverse_transform(encoder.transform(X)), X)

    @pytest.mark.parametrize("transform", TRANSFORMS)
    @pytest.mark.parametrize(("n_numbers", "n_levels"), list(product([0, 1, 6], repeat=2))[1:])
    def test_every_schema(self, transform, n_numbers, n_levels):
        rng = np.random.default_rng(1)
        X = pd.DataFrame(
            {f"n{j}": rng.normal(size=30) for j in range(n_numbers)}
            | {f"c{j}": rng.choice(list("abcd"), 30) for j in range(n_levels)}
        )
        encoder = TableEncoder(numeric_transform=transform).fit(X)
        assert encoder.n_encoded_ == n_numbers + 3 * n_levels
        assert_frame_equal(encoder.inverse_transform(encoder.transform(X)), X)

    @pytest.mark.parametrize("transform", TRANSFORMS)
    @pytest.mark.parametrize("n", [2, 3, 5])
    def test_few_rows(self, transform, n):
        X = pandas_table(n=n)
        encoder = TableEncoder(numeric_transform=transform).fit(X)
        Z = encoder.transform(X)
        assert np.isfinite(Z).all()
        assert_frame_equal(encoder.inverse_transform(Z), X, rtol=1e-9, atol=1e-15)

    @pytest.mark.parametrize("n", [1, 6])
    def test_one_distinct_row(self, n):
        X = pd.concat([pandas_table(n=1)] * n, ignore_index=True)
        encoder = TableEncoder().fit(X)
        Z = encoder.transform(X)
        assert encoder.n_encoded_ == 0
        assert Z.shape == (n, 0)
        assert set(encoder.transforms_) == {"constant"}
        assert_frame_equal(encoder.inverse_transform(Z), X)
        assert_array_equal(encoder.log_volume(X, 0.1), np.zeros(n))

    def test_no_codes_no_rows(self):
        encoder = TableEncoder().fit(pandas_table())
        back = encoder.inverse_transform(np.empty((0, encoder.n_encoded_)))
        assert len(back) == 0
        assert_array_equal(back.dtypes, pandas_table().dtypes)

    def test_hundreds_of_levels(self):
        X = pd.DataFrame({"c": [f"level {k}" for k in range(400)] * 2})
        encoder = TableEncoder().fit(X)
        assert encoder.n_encoded_ == 399
        assert_frame_equal(encoder.inverse_transform(encoder.transform(X)), X)

    @pytest.mark.parametrize("scale", [1e-120, 1e120])
    @pytest.mark.parametrize("transform", ["standard", "quantile"])
    def test_extreme_magnitudes(self, transform, scale):
        X = scale * np.random.default_rng(0).normal(size=(60, 1))
        encoder = TableEncoder(numeric_transform=transform).fit(X)
        Z = encoder.transform(X)
        assert 0.5 < Z.std() < 1.5
        assert_allclose(encoder.inverse_transform(Z), X, rtol=1e-9)

    def test_wide_range_of_integers(self):
        X = np.random.default_rng(0).lognormal(22, 8, size=(60, 1)).clip(0, 2.0**50).round()
        encoder = TableEncoder(clip=False).fit(X)
        Z = np.random.default_rng(1).normal(size=(60, 1))
        for codes in (Z, encoder.transform(X)):
            back = encoder.inverse_transform(codes)
            assert_array_equal(back, back.round())

    def test_large_offsets(self):
        X = 1e12 + np.random.default_rng(0).integers(0, 50, size=(6000, 1)) / 10
        encoder = TableEncoder(numeric_transform="standard").fit(X)
        Z = encoder.transform(X)
        assert_array_equal(encoder.inverse_transform(Z), X)
        assert_allclose([Z.mean(), Z.std()], [0, 1], atol=1e-5)


class TestCodes:
    @pytest.mark.parametrize("transform", TRANSFORMS)
    def test_mean_and_variance(self, transform):
        X = pandas_table(n=2000)
        encoder = TableEncoder(numeric_transform=transform).fit(X)
        Z = encoder.dequantize(encoder.transform(X), random_state=0)
        assert_allclose(Z.mean(axis=0), 0, atol=0.1)
        few = ["uint8", "Int64", "object int"] + ["spiky"] * (transform == "quantile")
        few = [X.columns.get_loc(name) for name in few]
        has_points = np.isin(encoder.groups_, few) & (transform != "standard")
        assert_allclose(Z[:, ~has_points].var(axis=0), 1, atol=0.15)
        variances = Z[:, has_points].var(axis=0)
        assert np.all((variances > 0.6) & (variances < 1))

    def test_variance_of_points(self):
        X = np.repeat(np.arange(5), 40)[:, None]
        encoder = TableEncoder(numeric_transform="quantile").fit(X)
        Z = encoder.dequantize(encoder.transform(X), random_state=0)
        scores = norm.ppf([0.1, 0.3, 0.5, 0.7, 0.9])
        assert_allclose(np.unique(Z), scores, atol=1e-12)
        assert_allclose(Z.var(), np.mean(scores**2))

    def test_fit_transform(self):
        X = pandas_table()
        assert_array_equal(TableEncoder().fit_transform(X), TableEncoder().fit(X).transform(X))

    def test_groups(self):
        encoder = TableEncoder().fit(pandas_table())
        names = encoder.get_feature_names_out()
        assert len(encoder.groups_) == encoder.n_encoded_ == len(names)
        for name, group in zip(names, encoder.groups_, strict=True):
            assert name.startswith(encoder.feature_names_in_[group])
        assert list(names[-4:]) == ["string_0", "string_1", "object", "object int"]

    def test_feature_names_of_arrays(self):
        encoder = TableEncoder(categorical_features=[1]).fit([[0.5, 1], [0.7, 2], [0.1, 5]])
        assert list(encoder.get_feature_names_out()) == ["x0", "x1_0", "x1_1"]
        assert list(encoder.get_feature_names_out(["u", "v"])) == ["u", "v_0", "v_1"]
        with pytest.raises(ValueError, match="input_features should have length equal"):
            encoder.get_feature_names_out(["u"])

    def test_set_output(self):
        X = pandas_table()
        encoder = TableEncoder().set_output(transform="pandas").fit(X)
        Z = encoder.transform(X)
        assert list(Z.columns) == list(encoder.get_feature_names_out())
        assert_frame_equal(encoder.inverse_transform(Z), X, rtol=1e-9, atol=1e-15)

    def test_wrong_number_of_codes(self):
        encoder = TableEncoder().fit(pandas_table())
        with pytest.raises(ValueError, match="has 3 columns, but TableEncoder makes"):
            encoder.inverse_transform(np.zeros((2, 3)))

    def test_other_container(self):
        X = pandas_table()[["float", "string"]]
        encoder = TableEncoder().fit(X)
        assert_array_equal(encoder.transform(pl.DataFrame(X.to_dict("list"))), encoder.transform(X))


class TestGenerated:
    """Codes that no row has, as a generator makes them."""

    @pytest.fixture(params=TRANSFORMS)
    def encoder(self, request):
        return TableEncoder(numeric_transform=request.param).fit(pandas_table())

    @pytest.fixture
    def Z(self, encoder):
        return 3 * np.random.default_rng(5).normal(size=(500, encoder.n_encoded_))

    def test_data_types(self, encoder, Z):
        assert_array_equal(encoder.inverse_transform(Z).dtypes, pandas_table().dtypes)

    def test_bounds(self, encoder, Z):
        X, back = pandas_table(), encoder.inverse_transform(100 * Z)
        numeric = X.select_dtypes("number").columns
        assert_array_equal(back[numeric].min(), X[numeric].min())
        assert_array_equal(back[numeric].max(), X[numeric].max())

    def test_recorded_precision(self, encoder, Z):
        back = encoder.inverse_transform(Z)
        assert_array_equal(back["decimal"], back["decimal"].round(1))
        assert_array_equal(back["decimal32"], back["decimal32"].round(1))
        assert_array_equal(back["whole"], back["whole"].round())

    def test_no_clipping(self):
        X = pandas_table()
        encoder = TableEncoder(numeric_transform="standard", clip=False).fit(X)
        back = encoder.inverse_transform(np.full((1, encoder.n_encoded_), 9.0))
        assert back["float"][0] > X["float"].max()
        assert back["decimal"][0] > X["decimal"].max()
        assert back["uint8"][0] > X["uint8"].max()
        low = encoder.inverse_transform(np.full((1, encoder.n_encoded_), -900.0))
        assert low["uint8"][0] == 0  # as low as the type goes

    def test_dequantize_theorem(self, encoder, Z):
        spread = encoder.dequantize(Z, random_state=0)
        assert_frame_equal(
            encoder.inverse_transform(spread), encoder.inverse_transform(Z), check_exact=True
        )
        X = pandas_table()
        Z = encoder.transform(X)
        for seed in range(3):
            spread = encoder.dequantize(Z, random_state=seed)
            assert_frame_equal(
                encoder.inverse_transform(spread), encoder.inverse_transform(Z), check_exact=True
            )

    def test_dequantize_touches_discrete_numbers_only(self, encoder):
        X = pandas_table()
        Z = encoder.transform(X)
        moved = np.mean(encoder.dequantize(Z, random_state=0) != Z, axis=0)
        share = dict(zip(encoder.get_feature_names_out(), moved, strict=True))
        many = {"decimal", "decimal32", "whole", "int"}
        few = {"uint8", "Int64", "object int"}
        # Few values are points of the "quantile" code, which keep their codes.
        is_standard = encoder.numeric_transform == "standard"
        moving = many | few if is_standard else many
        if encoder.numeric_transform == "auto":
            # behind a spike the number is anything
            moving = moving | {"spiky_1"}
            # but now and then what it was
            assert share["spiky_1"] == pytest.approx(np.mean(X["spiky"] == 0), abs=0.03)
        assert {name for name in share if share[name]} == moving
        assert all(share[name] == 1 if is_standard else share[name] > 0.5 for name in many)

    def test_dequantize_splits_a_column(self):
        X = np.random.default_rng(0).poisson(30, size=(5000, 1))
        encoder = TableEncoder(numeric_transform="quantile").fit(X)
        Z = encoder.transform(X)
        moved = encoder.dequantize(Z, random_state=0) != Z
        _, position, counts = np.unique(X, return_inverse=True, return_counts=True)
        width = counts[position.ravel()] / len(X) / norm.pdf(Z[:, 0])
        assert 0.5 < moved.mean() < 1
        assert_array_equal(moved[:, 0], width < 0.2)

    def test_dequantize_repeats(self, encoder):
        Z = encoder.transform(pandas_table())
        once, again = (encoder.dequantize(Z, random_state=3) for _ in range(2))
        assert_array_equal(once, again)
        assert np.any(once != encoder.dequantize(Z, random_state=4))


class TestLogVolume:
    def test_standard_gives_the_density(self):
        X = np.random.default_rng(0).normal(5, 3, size=(200, 2))
        encoder = TableEncoder(numeric_transform="standard").fit(X)
        got = norm.logpdf(encoder.transform(X)).sum(axis=1) + encoder.log_volume(X, 0.1)
        assert_allclose(got, norm.logpdf(X, X.mean(axis=0), X.std(axis=0)).sum(axis=1))

    @pytest.mark.parametrize("transform", ["standard", "quantile"])
    def test_integers_give_probabilities(self, transform):
        X = np.random.default_rng(0).normal(100, 12, size=(20000, 1)).round()
        encoder = TableEncoder(numeric_transform=transform).fit(X)
        grid = np.arange(X.min(), X.max() + 1)[:, None]
        log_p = norm.logpdf(encoder.transform(grid)[:, 0]) + encoder.log_volume(grid, 0.1)
        assert_allclose(np.exp(logsumexp(log_p)), 1, atol=0.02)
        exact = norm.cdf(grid + 0.5, 100, 12) - norm.cdf(grid - 0.5, 100, 12)
        common = exact[:, 0] > 0.01
        assert_allclose(np.exp(log_p[common]), exact[common, 0], rtol=0.25)

    def test_coarse_integers_give_probabilities(self):
        X = 250 * np.random.default_rng(0).normal(100, 12, size=(4000, 1)).round()
        encoder = TableEncoder(numeric_transform="standard").fit(X)
        grid = np.arange(X.min(), X.max() + 1, 250)[:, None]
        log_p = norm.logpdf(encoder.transform(grid)[:, 0]) + encoder.log_volume(grid, 0.1)
        assert_allclose(np.exp(logsumexp(log_p)), 1, atol=0.01)

    def test_blurred_levels(self):
        X = pd.DataFrame({"c": list("a" * 50 + "b" * 30 + "c" * 15 + "d" * 5)})
        encoder = TableEncoder().fit(X)
        levels = X.drop_duplicates()
        vertices, share, sigma = encoder.transform(levels), [0.5, 0.3, 0.15, 0.05], 0.2
        squares = ((vertices[:, None] - vertices) ** 2).sum(axis=2)
        log_normal = -squares / (2 * sigma**2) - 1.5 * np.log(2 * np.pi * sigma**2)
        log_q = logsumexp(log_normal + np.log(share), axis=1)
        assert_allclose(np.exp(log_q + encoder.log_volume(levels, sigma)), share, rtol=1e-6)

    def test_points_count_as_levels(self):
        X = np.repeat([0, 1, 2, 7], [50, 30, 15, 5])[:, None]
        as_numbers = TableEncoder(numeric_transform="quantile").fit(X)
        got = [as_numbers.log_volume(X, sigma)[0] for sigma in (0.005, 0.1, 1.0)]
        boolean = TableEncoder().fit(X > 0)
        assert_allclose(got, [boolean.log_volume(X > 0, sigma)[0] for sigma in (0.005, 0.1, 1.0)])

    def test_sum_over_columns(self):
        X = pandas_table()
        whole = TableEncoder().fit(X).log_volume(X, 0.3)
        parts = [TableEncoder().fit(X[[c]]).log_volume(X[[c]], 0.3) for c in X]
        assert_allclose(whole, np.sum(parts, axis=0))

    @pytest.mark.parametrize("sigma", [0, -1.0, np.nan])
    def test_sigma_must_be_positive(self, sigma):
        X = pandas_table()
        with pytest.raises(ValueError, match="sigma must be positive"):
            TableEncoder().fit(X).log_volume(X, sigma)


class TestParameters:
    X = pd.DataFrame({"a": [1, 2, 5, 1], "b": [0.5, 2.25, 3.1, 4.3], "c": list("uvuv")})

    @pytest.mark.parametrize("wanted", [["a", "c"], [0, 2], [0, -1], [True, False, True]])
    def test_categorical_features(self, wanted):
        encoder = TableEncoder(categorical_features=wanted).fit(self.X)
        assert encoder.kinds_ == ["categorical", "continuous", "categorical"]
        assert_frame_equal(encoder.inverse_transform(encoder.transform(self.X)), self.X)

    def test_booleans_stay_boolean(self):
        X = pandas_table()[["bool"]]
        assert TableEncoder(categorical_features=["bool"]).fit(X).kinds_ == ["boolean"]

    def test_numpy_mask_is_not_changed(self):
        mask = np.array([True, False, True])
        TableEncoder(categorical_features=mask).fit(self.X)
        assert_array_equal(mask, [True, False, True])

    def test_no_categorical_features(self):
        encoder = TableEncoder(categorical_features=None).fit(self.X[["a", "b"]])
        assert encoder.kinds_ == ["integer", "continuous"]

    @pytest.mark.parametrize("wanted", [None, ["a"], [False, True, False]])
    def test_text_must_be_categorical(self, wanted):
        with pytest.raises(ValueError, match=r"leaves out the columns \['c'\]"):
            TableEncoder(categorical_features=wanted).fit(self.X)

    @pytest.mark.parametrize("wanted", [["z"], [7], [-4], [0.5]])
    def test_absent_columns(self, wanted):
        with pytest.raises(ValueError, match="which X does not have"):
            TableEncoder(categorical_features=wanted).fit(self.X)

    @pytest.mark.parametrize("wanted", ["c", "from_type", 2])
    def test_not_an_array(self, wanted):
        with pytest.raises(ValueError, match='must be "from_dtype", None or an array'):
            TableEncoder(categorical_features=wanted).fit(self.X)

    def test_mask_of_wrong_length(self):
        with pytest.raises(ValueError, match="a mask of 3 columns, got"):
            TableEncoder(categorical_features=[True, False]).fit(self.X)

    @pytest.mark.parametrize("key", ["b", 1, -2])
    def test_transform_per_column(self, key):
        encoder = TableEncoder(numeric_transform={key: "quantile"}).fit(self.X)
        assert encoder.transforms_ == ["standard", "quantile", "simplex"]

    @pytest.mark.parametrize("transform", ["rank", None, {"b": "rank"}])
    def test_unknown_transform(self, transform):
        with pytest.raises(ValueError, match="numeric_transform must be one of"):
            TableEncoder(numeric_transform=transform).fit(self.X)

    def test_clone_and_pickle(self):
        encoder = TableEncoder(categorical_features=["c"], numeric_transform={"a": "quantile"})
        assert clone(encoder).get_params() == encoder.get_params()
        encoder = pickle.loads(pickle.dumps(encoder.fit(self.X)))
        assert_frame_equal(encoder.inverse_transform(encoder.transform(self.X)), self.X)

    @pytest.mark.parametrize(
        "call",
        [
            lambda e: e.transform([[1.0]]),
            lambda e: e.inverse_transform([[1.0]]),
            lambda e: e.dequantize([[1.0]]),
            lambda e: e.log_volume([[1.0]], 1.0),
            lambda e: e.get_feature_names_out(),
        ],
    )
    def test_not_fitted(self, call):
        with pytest.raises(NotFittedError):
            call(TableEncoder())


class TestRefused:
    def test_numbers_that_floats_do_not_square(self):
        rows = np.array([[0.0], [1e160], [2.0]])
        with pytest.raises(ValueError, match=r"in column 0, or numbers beyond 1e\+150"):
            TableEncoder().fit(rows)
        with pytest.raises(ValueError, match=r"in column 0, or numbers beyond 1e\+150"):
            TableEncoder().fit(np.arange(9.0)[:, None]).transform(rows)

    @pytest.mark.parametrize("cells", [[1e-200, 2e-200, 3e-200], [0.0, 1e-310, 1.0]])
    def test_numbers_too_close_to_each_other(self, cells):
        with pytest.raises(ValueError, match="Column 0 holds numbers too close to each other"):
            TableEncoder().fit(np.array(cells)[:, None])

    def test_infinity(self):
        with pytest.raises(ValueError, match="infinity in column 'b'"):
            TableEncoder().fit(pd.DataFrame({"a": [1.0, 2], "b": [np.inf, 2]}))
        with pytest.raises(ValueError, match="infinity"):
            TableEncoder().fit(np.array([[np.inf], [1.0]]))

    @pytest.mark.parametrize(
        ("cells", "what"),
        [
            (pd.period_range("2024", periods=3, freq="D"), r"holds period\[D\] values: convert"),
            ([time(8), time(9), time(10)], "holds times as objects that are not all dates, dat"),
            ([date(2024, 1, 1), timedelta(1), None], "holds times as objects"),
            ([date(2024, 1, 1), "never", None], "holds times as objects"),
            ([datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 1), None], "holds times as obj"),
            (pd.Series([np.datetime64(0, "s")] * 3, dtype=object), "holds times as objects"),
            (np.array([1j, 2, 3]), "holds complex128 values"),
        ],
    )
    def test_cells_without_code(self, cells, what):
        with pytest.raises(TypeError, match=f"cannot code column 'odd': it {what}"):
            TableEncoder().fit(pd.DataFrame({"fine": [1, 2, 3], "odd": cells}))

    def test_times_of_day_in_polars(self):
        with pytest.raises(TypeError, match="'odd': it holds Time values: convert"):
            TableEncoder().fit(pl.DataFrame({"odd": [time(8), time(9)]}))

    @pytest.mark.parametrize("cells", [[[1], [2, 3]], [{"a": 1}, {"a": 2}]])
    def test_nested_cells(self, cells):
        with pytest.raises(TypeError, match="'odd'"):
            TableEncoder().fit(pd.DataFrame({"odd": cells}))
        with pytest.raises(TypeError, match="'odd'"):
            TableEncoder().fit(pl.DataFrame({"odd": cells}))

    def test_lazy_frame(self):
        with pytest.raises(TypeError, match="collect"):
            TableEncoder().fit(polars_table().lazy())

    def test_repeated_names(self):
        with pytest.raises(ValueError, match="unique column names"):
            TableEncoder().fit(pd.DataFrame([[1, 2]], columns=["a", "a"]))

    @pytest.mark.parametrize("rows", [pandas_table()[:0], polars_table()[:0]])
    def test_no_rows(self, rows):
        with pytest.raises(ValueError, match="0 sample"):
            TableEncoder().fit(rows)

    def test_no_columns(self):
        with pytest.raises(ValueError, match="0 feature"):
            TableEncoder().fit(pandas_table()[[]])

    @pytest.mark.parametrize("frame", [pandas_table, polars_table])
    def test_unknown_level(self, frame):
        X = frame()[["string"]]
        encoder = TableEncoder().fit(X)
        new = type(X)({"string": ["x", "new", "other"]})
        with pytest.raises(
            ValueError, match="unknown categories 'new', 'other' in column 'string'"
        ):
            encoder.transform(new)

    def test_declared_level_without_rows(self):
        X = pandas_table()[["category"]]
        encoder = TableEncoder().fit(X)
        X.loc[0, "category"] = "d"
        with pytest.raises(ValueError, match="unknown categories 'd' in column 'category'"):
            encoder.transform(X)

    def test_too_many_levels(self):
        X = pd.DataFrame({"id": [f"row {i}" for i in range(1001)]})
        with pytest.raises(ValueError, match=r"Column 'id' has 1001 categories.*min_frequency"):
            TableEncoder(identifiers=None).fit(X)

    def test_inexact_integers(self):
        with pytest.raises(ValueError, match="Column 'id' holds integers of"):
            TableEncoder().fit(pd.DataFrame({"id": [2**53 + 1, 5]}))

    def test_column_order(self):
        X = pandas_table()
        encoder = TableEncoder().fit(X)
        with pytest.raises(ValueError, match="must be in the same order"):
            encoder.transform(X[X.columns[::-1]])
        with pytest.raises(ValueError, match="Feature names unseen at fit time"):
            encoder.transform(X.rename(columns={"int": "integer"}))

    def test_kind_changed(self):
        encoder = TableEncoder().fit(pd.DataFrame({"a": [1.0, 2.0, 3.5]}))
        with pytest.raises(ValueError, match="Column 'a' held numbers in fit"):
            encoder.transform(pd.DataFrame({"a": ["x", "y"]}))
