"""Cells far off all others, and columns without a unit in common."""

import numpy as np
import pytest

from skdiffusion._utils.gross import check_magnitudes, column_spreads, far_out, regular_rows

SEEDS = range(5)


def normal(seed, n=300):
    return np.random.default_rng(seed).normal(size=n)


class TestFarOut:
    @pytest.mark.parametrize("code", [999.0, 1e5, 1e9, -1e6, 1e150])
    @pytest.mark.parametrize("seed", SEEDS)
    def test_a_code_for_missing(self, seed, code):
        x = normal(seed)
        x[7] = code
        assert np.flatnonzero(far_out(x)).tolist() == [7]

    def test_several_codes(self):
        x = normal(0)
        x[[3, 5, 8]] = [999, 999, -1e7]
        assert np.flatnonzero(far_out(x)).tolist() == [3, 5, 8]

    @pytest.mark.parametrize("seed", SEEDS)
    def test_not_the_ends_of_common_distributions(self, seed):
        rng = np.random.default_rng(seed)
        for x in (
            rng.normal(size=300),
            rng.lognormal(size=300),
            rng.standard_t(4, size=300),
            rng.uniform(size=300),
            rng.poisson(0.1, 300).astype(float),
        ):
            assert not far_out(x).any()

    def test_a_flag_is_no_scale(self):
        assert not far_out(np.r_[np.zeros(299), 1.0]).any()
        assert not far_out(np.full(300, 7.0)).any()

    def test_a_small_group_is_a_group(self):
        assert not far_out(np.r_[normal(0, 95), 1000 + normal(1, 5)]).any()

    def test_few_rows_prove_nothing(self):
        assert not far_out(np.r_[normal(0, 10), 999.0]).any()

    def test_values_with_counts_are_cells(self):
        x = np.r_[np.random.default_rng(0).integers(0, 9, 300), 999].astype(float)
        values, counts = np.unique(x, return_counts=True)
        assert values[far_out(values, counts)].tolist() == [999]

    def test_gaps_do_not_count(self):
        x = normal(0)
        x[::3], x[7] = np.nan, 999.0
        assert np.flatnonzero(far_out(x)).tolist() == [7]

    def test_units_and_signs_change_nothing(self):
        x = normal(0)
        x[7] = 40.0
        for y in (1e-120 * x, 1e120 * x, 5 - x):
            np.testing.assert_array_equal(far_out(y), far_out(x))


def test_regular_rows():
    X = np.column_stack([normal(0), normal(1)])
    X[3, 0], X[9, 1] = 999.0, -1e9
    assert np.setdiff1d(np.arange(300), regular_rows(X)).tolist() == [3, 9]
    assert len(regular_rows(np.empty((0, 2)))) == 0


def test_spreads_of_any_unit():
    X = np.column_stack([normal(0), normal(1), normal(2)])
    units = np.array([1e149, 1e-149, 1.0])
    np.testing.assert_allclose(column_spreads(X * units), X.std(0) * units)


@pytest.mark.parametrize("unit", [1e-323, 1e-200, 1e151, 1e300])
def test_magnitudes_without_squares(unit):
    X = np.column_stack([normal(0), unit * normal(1)])
    with pytest.raises(ValueError, match="Column 1"):
        check_magnitudes(X)
    check_magnitudes(X[:, :1])
