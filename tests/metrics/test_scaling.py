import numpy as np
import pytest
from scipy.spatial.distance import cdist

from skdiffusion.metrics import GowerScaler


def gower_by_hand(a, b, spread, categorical):
    """Summed Gower distance of two rows, cell by cell."""
    return sum(
        float(x != y) if j in categorical else abs(x - y) / spread[j]
        for j, (x, y) in enumerate(zip(a, b, strict=True))
    )


class TestGowerScaler:
    @pytest.fixture
    def table(self):
        rng = np.random.default_rng(0)
        return np.column_stack(
            [rng.normal(5, 3, 30), rng.integers(0, 4, 30), rng.exponential(size=30)]
        )

    def test_l1_is_the_gower_distance(self, table):
        P = GowerScaler(categorical=[1]).fit_transform(table)
        spread = np.ptp(table, axis=0)
        expected = [[gower_by_hand(a, b, spread, {1}) for b in table] for a in table]
        np.testing.assert_allclose(cdist(P, P, "cityblock"), expected, atol=1e-12)

    def test_unknown_code_is_as_far_as_any_other_code(self, table):
        scaler = GowerScaler(categorical=[1]).fit(table)
        strange = table[:1].copy()
        strange[0, 1] = 99
        distance = cdist(scaler.transform(table[:1]), scaler.transform(strange), "cityblock")
        assert distance == 1

    def test_binary_column_may_be_numeric_or_category(self):
        Z = np.array([[3.0], [7.0], [7.0]])
        as_numeric = GowerScaler().fit_transform(Z)
        as_category = GowerScaler(categorical=[0]).fit_transform(Z)
        np.testing.assert_allclose(
            cdist(as_numeric, as_numeric, "cityblock"), cdist(as_category, as_category, "cityblock")
        )

    def test_leaving_the_range_costs(self):
        scaler = GowerScaler().fit([[0.0], [2.0]])
        np.testing.assert_allclose(scaler.transform([[3.0], [-1.0]]), [[1.5], [-0.5]])

    def test_no_cell_costs_more_than_one_range_beyond_the_end(self):
        scaler = GowerScaler().fit([[0.0], [2.0]])
        np.testing.assert_allclose(scaler.transform([[6.0], [1e9], [-1e9]]), [[2], [2], [-1]])

    def test_constant_column(self):
        P = GowerScaler().fit_transform(np.column_stack([np.full(3, 7.0), np.arange(3.0)]))
        np.testing.assert_allclose(P[:, 0], 0)

    @pytest.mark.parametrize("categorical", [[2], [-3], ["a"]])
    def test_rejects_a_column_that_is_not_there(self, categorical):
        with pytest.raises(ValueError, match=r"column .*, which X does not have"):
            GowerScaler(categorical=categorical).fit(np.zeros((3, 2)))
