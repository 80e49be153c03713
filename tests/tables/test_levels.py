"""Tests of `TableEncoder` on levels: ordered, rare, unknown and odd ones."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from pandas.testing import assert_frame_equal
from polars.testing import assert_frame_equal as assert_polars_equal
from scipy.special import logsumexp

from skdiffusion.tables.encoder import TableEncoder
from skdiffusion.tables.quantile import QuantileCodec

SIZES = ["S", "M", "L", "XL"]
RNG = np.random.default_rng(0)


def probabilities(encoder, X, levels, sigma=0.02):
    """What the blurred codes of the training rows say about each level."""
    Z = encoder.transform(X)
    at = encoder.transform(levels)
    squares = ((at[:, None] - Z) ** 2).sum(axis=2)
    log_q = logsumexp(-squares / (2 * sigma**2), axis=1) - np.log(len(Z))
    log_q -= Z.shape[1] / 2 * np.log(2 * np.pi * sigma**2)
    return np.exp(log_q + encoder.log_volume(levels, sigma))


class TestOrdinal:
    CELLS = RNG.choice(SIZES, 200, p=[0.5, 0.1, 0.3, 0.1])
    X = pd.DataFrame({"a": pd.Categorical(CELLS, categories=["XS", *SIZES, "XXL"], ordered=True)})

    def test_by_data_type(self):
        encoder = TableEncoder().fit(self.X)
        assert encoder.kinds_ == ["ordinal"]
        assert encoder.transforms_ == ["quantile"]
        assert isinstance(encoder.codecs_[0], QuantileCodec)
        assert encoder.n_encoded_ == 1
        assert encoder.categories_[0].tolist() == SIZES
        assert encoder.category_blocks() == []

    def test_codes_follow_the_order(self):
        Z = TableEncoder().fit_transform(self.X)[:, 0]
        mean = [Z[size == self.CELLS].mean() for size in SIZES]
        assert np.all(np.diff(mean) > 0)
        assert len(np.unique(Z)) == 4

    def test_codes_are_those_of_positions(self):
        positions = np.array([SIZES.index(cell) for cell in self.CELLS])[:, None]
        other = TableEncoder(numeric_transform="quantile").fit(positions)
        assert_array_equal(TableEncoder().fit_transform(self.X), other.transform(positions))

    def test_generated_ones_occur(self):
        encoder = TableEncoder().fit(self.X)
        back = encoder.inverse_transform(5 * RNG.normal(size=(300, 1)))
        assert back["a"].dtype == self.X["a"].dtype
        assert set(back["a"]) == set(SIZES)

    def test_probabilities_sum_to_one(self):
        encoder = TableEncoder().fit(self.X)
        levels = self.X.drop_duplicates()
        share = [np.mean(level == self.CELLS) for level in levels["a"]]
        assert_allclose(probabilities(encoder, self.X, levels), share, rtol=1e-6)

    @pytest.mark.parametrize("key", ["a", 0, -1])
    @pytest.mark.parametrize("dtype", ["str", object, "category"])
    def test_by_parameter(self, key, dtype):
        X = pd.DataFrame({"a": self.CELLS}, dtype=dtype)
        encoder = TableEncoder(ordinal_features={key: SIZES}).fit(X)
        assert encoder.kinds_ == ["ordinal"]
        Z = encoder.transform(X)
        assert_array_equal(Z, TableEncoder().fit_transform(self.X))
        assert_frame_equal(encoder.inverse_transform(Z), X)

    def test_numbers_and_booleans(self):
        X = pd.DataFrame({"a": [30, 10, 20, 10], "b": [True, False, None, True]})
        X["b"] = X["b"].astype("boolean")
        order = {"a": [20, 30, 10], "b": [True, False]}
        encoder = TableEncoder(ordinal_features=order).fit(X)
        assert encoder.kinds_ == ["ordinal", "ordinal"]
        Z = encoder.transform(X)
        assert Z[2, 0] < Z[0, 0] < Z[1, 0]
        assert Z[0, 1] < Z[1, 1]
        assert_frame_equal(encoder.inverse_transform(Z), X)

    @pytest.mark.parametrize("dtype", [pl.String, pl.Categorical, pl.Enum(SIZES)])
    def test_polars(self, dtype):
        X = pl.DataFrame({"a": pl.Series(self.CELLS.tolist(), dtype=dtype)})
        assert TableEncoder().fit(X).kinds_ == ["categorical"]
        encoder = TableEncoder(ordinal_features={"a": SIZES}).fit(X)
        Z = encoder.transform(X)
        assert Z.shape[1] == 1
        assert_polars_equal(encoder.inverse_transform(Z), X)

    def test_can_be_made_categorical(self):
        encoder = TableEncoder(categorical_features=["a"]).fit(self.X)
        assert encoder.kinds_ == ["categorical"]
        assert_frame_equal(encoder.inverse_transform(encoder.transform(self.X)), self.X)

    def test_intervals(self):
        X = pd.DataFrame({"a": pd.cut(RNG.normal(size=50), 4)})
        encoder = TableEncoder().fit(X)
        assert encoder.kinds_ == ["ordinal"]
        assert_frame_equal(encoder.inverse_transform(encoder.transform(X)), X)

    def test_unknown_ones(self):
        encoder = TableEncoder().fit(self.X)
        X = self.X.head(3).copy()
        X.loc[0, "a"] = "XXL"
        with pytest.raises(ValueError, match="unknown categories 'XXL' in column 'a'"):
            encoder.transform(X)
        for policy in ("rare", "missing"):
            Z = TableEncoder(handle_unknown=policy).fit(self.X).transform(X)
            assert_array_equal(np.isnan(Z[:, 0]), [True, False, False])

    @pytest.mark.parametrize(
        "given, said",
        [
            (["a"], "'ordinal_features' parameter of TableEncoder"),
            ({"b": SIZES}, "ordinal_features names the column 'b', which X does not have"),
            ({"a": ["S", "M", "L"]}, "leaves out the categories 'XL' of column 'a'"),
            ({"a": [*SIZES, "S"]}, "name each category of column 'a' once"),
            ({"a": []}, "name each category of column 'a' once"),
        ],
    )
    def test_bad_parameter(self, given, said):
        with pytest.raises(ValueError, match=said):
            TableEncoder(ordinal_features=given).fit(self.X)

    def test_in_two_parameters(self):
        encoder = TableEncoder(ordinal_features={"a": SIZES}, categorical_features=["a"])
        with pytest.raises(ValueError, match="both name column 'a'"):
            encoder.fit(pd.DataFrame({"a": self.CELLS}))


class TestRare:
    CELLS = np.repeat(["a", "b", "c", "d", "e"], [50, 30, 9, 8, 3])
    X = pd.DataFrame({"x": CELLS})

    @pytest.mark.parametrize("least, n_own", [(None, 5), (9, 3), (10, 2), (0.09, 3), (0.1, 2)])
    def test_levels_below_share_a_vertex(self, least, n_own):
        encoder = TableEncoder(min_frequency=least).fit(self.X)
        vertices = encoder.category_blocks()[0][1]
        assert len(vertices) == n_own + (n_own < 5)
        Z = encoder.transform(self.X)
        assert len(np.unique(Z, axis=0)) == len(vertices)
        rare = np.isin(self.CELLS, list("abcde")[n_own:])
        if rare.any():
            assert len(np.unique(Z[rare], axis=0)) == 1
            assert_allclose(Z[rare][0], vertices[-1])
        assert encoder.categories_[0].tolist() == list("abcde")
        # the codes are those of the merged column
        merged = self.X.where(~rare[:, None], "~")
        assert_allclose(TableEncoder().fit_transform(merged), Z)

    def test_become_the_most_frequent(self):
        encoder = TableEncoder(min_frequency=10).fit(self.X)
        back = encoder.inverse_transform(encoder.transform(self.X))
        assert_frame_equal(back, self.X.replace({"d": "c", "e": "c"}))

    def test_are_drawn_by_their_frequencies(self):
        encoder = TableEncoder(min_frequency=10).fit(self.X)
        Z = encoder.transform(pd.DataFrame({"x": ["c"] * 20000 + ["a"] * 50}))
        back = encoder.inverse_transform(Z, random_state=0)["x"]
        share = back[:20000].value_counts(normalize=True)
        assert set(share.index) == {"c", "d", "e"}
        assert_allclose(share[["c", "d", "e"]], np.array([9, 8, 3]) / 20, atol=0.015)
        assert set(back[20000:]) == {"a"}
        again = encoder.inverse_transform(Z, random_state=0)["x"]
        assert back.equals(again)
        assert not back.equals(encoder.inverse_transform(Z, random_state=1)["x"])

    def test_all_rare(self):
        encoder = TableEncoder(min_frequency=51).fit(self.X)
        assert encoder.n_encoded_ == 0
        assert encoder.transforms_ == ["constant"]
        Z = encoder.transform(pd.concat([self.X] * 100))
        assert set(encoder.inverse_transform(Z)["x"]) == {"a"}
        share = encoder.inverse_transform(Z, random_state=0)["x"].value_counts(normalize=True)
        assert_allclose(share[list("abcde")], [0.5, 0.3, 0.09, 0.08, 0.03], atol=0.02)
        volume = encoder.log_volume(pd.DataFrame({"x": list("abcde")}), 0.1)
        assert_allclose(np.exp(volume), [0.5, 0.3, 0.09, 0.08, 0.03])

    @pytest.mark.parametrize("least", [None, 4, 9, 10, 0.2])
    def test_probabilities_sum_to_one(self, least):
        encoder = TableEncoder(min_frequency=least).fit(self.X)
        levels = self.X.drop_duplicates()
        got = probabilities(encoder, self.X, levels)
        assert_allclose(got, [0.5, 0.3, 0.09, 0.08, 0.03], rtol=1e-6)

    def test_share_is_one_of_the_observed_cells(self):
        X = pd.DataFrame({"x": ["a"] * 6 + ["b"] * 3 + [None] * 91})
        assert TableEncoder(min_frequency=0.3).fit(X).codecs_[0].n_encoded == 1
        assert TableEncoder(min_frequency=0.35).fit(X).category_blocks()[0][1].shape == (2, 1)
        assert TableEncoder(min_frequency=4).fit(X)._coders[0].rare.members.tolist() == [1]

    def test_other_kinds_are_left_alone(self):
        X = pd.DataFrame({"b": [True] + [False] * 9, "o": pd.Categorical([1] + [2] * 9)})
        X["o"] = X["o"].cat.as_ordered()
        encoder = TableEncoder(min_frequency=5).fit(X)
        assert_frame_equal(encoder.inverse_transform(encoder.transform(X)), X)

    def test_limit_counts_after_merging(self):
        X = pd.DataFrame({"id": [f"row {i}" for i in range(3000)] + ["often"] * 9})
        with pytest.raises(ValueError, match=r"3001 categories.*min_frequency"):
            TableEncoder(identifiers=None).fit(X)
        encoder = TableEncoder(identifiers=None, min_frequency=2).fit(X)
        assert encoder.n_encoded_ == 1
        back = encoder.inverse_transform(encoder.transform(X), random_state=0)
        assert set(back["id"]) <= set(X["id"])
        assert back["id"].nunique() > 1000

    @pytest.mark.parametrize("bad", [0, -1, 0.0, 1.0, 1.5, "often", np.nan])
    def test_bad_parameter(self, bad):
        with pytest.raises(ValueError, match="'min_frequency' parameter of TableEncoder"):
            TableEncoder(min_frequency=bad).fit(self.X)


class TestUnknown:
    X = pd.DataFrame({"x": np.repeat(["a", "b", "c"], [6, 5, 1]), "n": np.arange(12.0)})
    NEW = pd.DataFrame({"x": ["a", "?", None], "n": [1.0, 2.0, 3.0]})

    def test_error(self):
        with pytest.raises(ValueError, match=r"unknown categories '\?' in column 'x'.*handle_unk"):
            TableEncoder().fit(self.X).transform(self.NEW)

    @pytest.mark.parametrize("least", [None, 2])
    def test_missing(self, least):
        encoder = TableEncoder(handle_unknown="missing", min_frequency=least).fit(self.X)
        Z = encoder.transform(self.NEW)
        assert_array_equal(
            np.isnan(Z[:, encoder.features_of_column(0)]).all(axis=1), [False, True, True]
        )
        assert not np.isnan(Z[:, encoder.features_of_column(1)]).any()
        assert_array_equal(encoder.inverse_transform(Z)["x"].isna(), [False, True, True])

    def test_missing_has_the_indicator(self):
        X = self.X.copy()
        X.loc[0, "x"] = None
        encoder = TableEncoder(handle_unknown="missing", missing_indicator=True).fit(X)
        told = encoder.transform(self.NEW)[:, encoder.is_indicator_][:, 0]
        assert told[0] != told[1] == told[2]

    def test_rare(self):
        encoder = TableEncoder(handle_unknown="rare", min_frequency=2).fit(self.X)
        Z = encoder.transform(self.NEW)
        rare = encoder.transform(self.X)[-1]
        assert_array_equal(Z[1, encoder.features_of_column(0)], rare[encoder.features_of_column(0)])
        assert encoder.inverse_transform(Z)["x"].tolist()[:2] == ["a", "c"]
        assert np.isfinite(encoder.log_volume(self.NEW, 0.1)).all()

    def test_rare_where_there_is_none(self):
        encoder = TableEncoder(handle_unknown="rare").fit(self.X)
        assert np.isnan(encoder.transform(self.NEW)[1, encoder.features_of_column(0)]).all()

    @pytest.mark.parametrize("bad", ["ignore", None, 1])
    def test_bad_parameter(self, bad):
        with pytest.raises(
            ValueError, match="'handle_unknown' parameter of TableEncoder must be a str"
        ):
            TableEncoder(handle_unknown=bad).fit(self.X)


class TestOddLevels:
    @pytest.mark.parametrize(
        "cells",
        [
            ["", "a", "", " "],
            [True, "a", None, False],
            [1, "1", 1.5, None],
            [("a", 1), ("b", 2), None, ("a", 1)],
            [b"x", "x", b"x", None],
            ["nan", "None", None, "NaN"],
            [np.True_, "a", np.False_, None],
        ],
    )
    def test_come_back(self, cells):
        X = np.empty((4, 1), dtype=object)
        X[:, 0] = pd.Series(cells, dtype=object)
        encoder = TableEncoder().fit(X)
        assert encoder.kinds_ == ["categorical"]
        back = encoder.inverse_transform(encoder.transform(X))
        assert [type(cell) for cell in back[:, 0]] == [type(cell) for cell in cells]
        assert back[:, 0].tolist() == cells
        frame = pd.DataFrame({0: pd.Series(X[:, 0], dtype=object)})
        encoder = TableEncoder().fit(frame)
        assert encoder.inverse_transform(encoder.transform(frame))[0].tolist() == cells

    def test_integer_names(self):
        X = pd.DataFrame({20: [1, 2, 3], 10: list("uvw")})
        encoder = TableEncoder(
            categorical_features=[20, 10], ordinal_features=None, numeric_transform={20: "quantile"}
        ).fit(X)
        assert encoder.kinds_ == ["categorical", "categorical"]
        assert_frame_equal(encoder.inverse_transform(encoder.transform(X)), X)
        # names before positions
        X = pd.DataFrame({1: [1.0, 2.5, 3.5], 0: [4.0, 5.5, 9.5]})
        encoder = TableEncoder(numeric_transform={1: "quantile"}).fit(X)
        assert encoder.transforms_ == ["quantile", "standard"]

    def test_mixed_names(self):
        X = pd.DataFrame({"a": [1, 2], 0: [1, 2]})
        with pytest.raises(TypeError, match="string names"):
            TableEncoder().fit(X)
