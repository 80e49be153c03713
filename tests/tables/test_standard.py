"""Columns in standard deviations, and back."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.preprocessing import StandardScaler

from skdiffusion.tables.standard import StandardColumns

X = np.random.default_rng(0).normal(size=(50, 3)) * [0.01, 1.0, 300.0] + [5.0, 0.0, -1e4]
NAMES = ["a", "b", "c"]


class TestScaling:
    def test_against_scikit_learn(self):
        columns, scaler = StandardColumns(X, NAMES), StandardScaler().fit(X)
        assert_allclose(columns.encode(X), scaler.transform(X), rtol=1e-10)
        assert_allclose(columns.scale, scaler.scale_)
        assert_allclose(columns.log_volume, np.log(scaler.scale_).sum())

    def test_one_scale_for_all(self):
        columns = StandardColumns(X, NAMES, common=True)
        expected = (X - X.mean(0)) / np.sqrt(X.var(0).mean())
        assert_allclose(columns.encode(X), expected, rtol=1e-10, atol=1e-12)
        assert columns.log_volume == pytest.approx(1.5 * np.log(X.var(0).mean()))

    @pytest.mark.parametrize("common", [False, True])
    def test_round_trip(self, common):
        columns = StandardColumns(X, NAMES, common=common)
        assert_allclose(columns.decode(columns.encode(X)), X, rtol=1e-12)

    @pytest.mark.parametrize("factor", [1e-200, 1e-15, 1e15, 1e200])
    def test_units_do_not_matter(self, factor):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            columns = StandardColumns(X * factor, NAMES)
        assert_allclose(columns.encode(X * factor), StandardColumns(X, NAMES).encode(X), rtol=1e-9)

    def test_missing_cells_stay_missing(self):
        rows = X[:2].copy()
        rows[0, 1] = np.nan
        codes = StandardColumns(X, NAMES).encode(rows)
        assert_array_equal(np.isnan(codes), np.isnan(rows))

    @pytest.mark.filterwarnings("ignore:Constant")
    def test_gradients_obey_the_chain_rule(self):
        columns, step = StandardColumns(np.insert(X, 1, 7.0, axis=1), [*NAMES, "d"]), 1e-6
        slopes = np.array([[1.0, -2.0, 0.5]])
        gradients = columns.gradients(slopes)
        row = np.insert(X[:1], 1, 7.0, axis=1)
        for j in range(4):
            ahead = columns.encode(row + step * np.eye(4)[j]) - columns.encode(row)
            assert gradients[0, j] == pytest.approx((slopes * ahead).sum() / step, rel=1e-4)


class TestConstantColumns:
    ROWS = np.column_stack([X[:, 0], np.full(50, 0.1), X[:, 1], np.full(50, -1e9)])

    def test_are_left_out_and_put_back(self):
        with pytest.warns(UserWarning, match="Constant columns count for nothing.*: b, 3"):
            columns = StandardColumns(self.ROWS, ["a", "b", "c", 3])
        codes = columns.encode(self.ROWS)
        assert codes.shape == (50, columns.n_codes) == (50, 2)
        decoded = columns.decode(codes + 1)
        assert_allclose(decoded[:, [1, 3]], self.ROWS[:, [1, 3]], rtol=1e-15)
        assert_allclose(decoded[:, [0, 2]], (self.ROWS + self.ROWS.std(0))[:, [0, 2]])
        assert columns.log_volume == pytest.approx(np.log(self.ROWS[:, [0, 2]].std(0)).sum())
        assert_allclose(columns.gradients(np.ones((1, 2)))[0, [1, 3]], 0)

    @pytest.mark.filterwarnings("ignore:Constant")
    def test_do_not_count_in_a_common_scale(self):
        columns = StandardColumns(self.ROWS, "abcd", common=True)
        assert columns.scale[0] == pytest.approx(np.sqrt(self.ROWS[:, [0, 2]].var(0).mean()))

    def test_all(self):
        with pytest.raises(ValueError, match="Every column of X is constant"):
            StandardColumns(np.tile([0.1, 0.0], (30, 1)), ["a", "b"])


class TestSpread:
    def spread(self, X, seed=0, **options):
        columns = StandardColumns(X, [str(j) for j in range(X.shape[1])], **options)
        return columns.spread(X, np.random.RandomState(seed))

    def test_rounded_numbers_fill_their_cells(self):
        rounded = np.round(np.random.default_rng(0).normal(size=(4000, 1)), 1)
        spread = self.spread(rounded)
        offsets = (spread - rounded) / 0.1
        assert np.abs(offsets).max() <= 0.5
        assert offsets.std() == pytest.approx(12**-0.5, rel=0.05)
        assert_allclose(np.round(spread, 1), rounded, atol=1e-12)
        assert len(np.unique(spread)) == 4000

    def test_rounded_numbers_that_were_scaled_since(self):
        rng = np.random.RandomState(0)
        scaled = (rng.normal(size=(400, 1)).round(1) - 0.123) / np.pi
        spread = StandardColumns(scaled, ["a"]).spread(scaled, rng)
        moved = np.abs(spread - scaled) * np.pi
        assert 0.045 < moved.max() <= 0.05

    def test_repeated_numbers_on_no_lattice_stay(self):
        values = np.random.RandomState(0).normal(size=(40, 1)).repeat(5, axis=0)
        spread = StandardColumns(values, ["a"]).spread(values, np.random.RandomState(0))
        np.testing.assert_array_equal(spread, values)

    def test_continuous_numbers_stay(self):
        assert_array_equal(self.spread(X), X)

    def test_levels_stay(self):
        levels = np.random.default_rng(0).integers(0, 3, size=(100, 1)).astype(float)
        assert_array_equal(self.spread(levels), levels)

    def test_whole_numbers_without_repetition_stay(self):
        rows = np.arange(30.0)[:, None]
        assert_array_equal(self.spread(rows), rows)

    def test_leaves_the_rows_alone(self):
        rounded = np.round(X[:, 1:], 1)
        before = rounded.copy()
        self.spread(rounded)
        assert_array_equal(rounded, before)

    def test_source_of_randomness(self):
        rounded = np.round(X[:, 1:2], 1)
        assert_array_equal(self.spread(rounded, 1), self.spread(rounded, 1))
        assert (self.spread(rounded, 1) != self.spread(rounded, 2)).any()
