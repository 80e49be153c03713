"""Units in which the geometry of a table shows."""

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from skdiffusion.manifold.units import _common_unit, has_geometry, linear_does
from skdiffusion.tables.encoder import TableEncoder
from skdiffusion.tables.frames import read_table

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(200, 3))


class TestHasGeometry:
    def test_points(self):
        assert has_geometry(ROWS)

    def test_few_rows(self):
        assert has_geometry(ROWS[:100])
        assert not has_geometry(ROWS[:99])

    def test_one_column(self):
        assert not has_geometry(ROWS[:, :1])

    @pytest.mark.parametrize("gap", [np.nan, np.inf])
    def test_gaps(self, gap):
        X = ROWS.copy()
        X[0, 1] = gap
        assert not has_geometry(X)

    def test_ties(self):
        """One column of values that repeat is enough; a few ties are not."""
        X = ROWS.copy()
        X[:10, 1] = X[0, 1]
        assert has_geometry(X)
        X[:150, 1] = X[0, 1]
        assert not has_geometry(X)
        assert not has_geometry(np.column_stack([ROWS, ROWS[:, 0].round(1)]))

    def test_constant_column(self):
        assert not has_geometry(np.column_stack([ROWS, np.ones(200)]))


def common_unit(X):
    return _common_unit(X - X.mean(0))


class TestCommonUnit:
    def test_alike_columns(self):
        assert common_unit(5 * RNG.normal(size=(5000, 4))) == pytest.approx(5, rel=0.03)

    def test_columns_without_variance_do_not_count(self):
        X = 3 * RNG.normal(size=(1000, 2))
        padded = np.column_stack([X, np.zeros((1000, 50))])
        assert common_unit(padded) == pytest.approx(common_unit(X))

    def test_a_rotation_changes_nothing(self):
        X = RNG.normal(size=(300, 5)) * [3, 2, 1, 0.1, 0.1]
        turn = np.linalg.qr(RNG.normal(size=(5, 5)))[0]
        assert common_unit(X @ turn) == pytest.approx(common_unit(X))

    def test_formula(self):
        """Mean square over as many directions as the participation ratio says."""
        variances = np.array([9.0, 4.0, 1.0])
        X = np.linalg.qr(ROWS - ROWS.mean(0))[0] * np.sqrt(variances * len(ROWS))
        ratio = variances.sum() ** 2 / (variances**2).sum()
        assert common_unit(X) == pytest.approx(np.sqrt(variances.sum() / ratio))


def compare(X, seed=0):
    bent = TableEncoder(numeric_transform="quantile").fit(X)
    straight = TableEncoder(numeric_transform=float(common_unit(X))).fit(X)
    return linear_does(straight, bent, read_table(X), np.random.RandomState(seed))


class TestLinearUnits:
    def test_a_curved_sheet_keeps_its_shape(self):
        """Uniform columns on a saddle: their own quantiles would pull its edges far out."""
        flat = RNG.uniform(-1, 1, size=(800, 2))
        X = np.column_stack([flat, flat[:, 0] ** 2 - flat[:, 1] ** 2])
        assert compare(X + 0.01 * RNG.normal(size=X.shape))

    def test_skewed_columns_are_bent(self):
        """Heavy tails of independent columns are far from what a few Gaussians follow."""
        assert not compare(np.exp(2 * RNG.normal(size=(800, 3))))

    def test_the_same_for_the_same_seed(self):
        X = np.exp(RNG.normal(size=(150, 2)))
        assert compare(X, seed=1) == compare(X, seed=1)

    def test_fewer_rows_than_a_mixture_needs(self):
        """Then features are what they would be without a manifold."""
        X = np.random.default_rng(0).exponential(size=(100, 90))
        assert not compare(StandardScaler().fit_transform(X))
