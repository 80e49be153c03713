"""Common scales and weights, folds of networks, and the columns' noise levels."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import kurtosis
from sklearn.metrics import roc_auc_score

from skdiffusion.detection.calibration import HeldOutScale, combine_weights
from skdiffusion.detection.conformal import conformal_pvalues
from skdiffusion.detection.ensemble import assign_folds, fit_nets, held_out, train_on
from skdiffusion.detection.methods import feature_levels
from skdiffusion.training.presets import judging_net


class TestHeldOutScale:
    def test_nats_of_conformal_p_values_and_a_share_of_the_z_score(self):
        held_out = np.random.default_rng(0).gamma(2.0, size=500)
        middle, upper = np.quantile(held_out, [0.5, 0.9])
        p = conformal_pvalues(held_out, held_out)
        expected = -np.log(p) + 0.2 * (held_out - middle) / (upper - middle)
        assert_allclose(HeldOutScale(held_out)(held_out), expected, atol=1e-6)

    def test_keeps_order_also_beyond_all_held_out_scores(self):
        rng = np.random.default_rng(0)
        scale, new = HeldOutScale(rng.normal(size=90)), 5 * rng.normal(size=40)
        assert_array_equal(np.argsort(scale(new)), np.argsort(new))
        assert_array_equal(scale(new[:3]), scale(new)[:3])

    def test_units_do_not_matter(self):
        rng = np.random.default_rng(0)
        scores, new = rng.normal(size=90), rng.normal(size=9)
        assert_allclose(HeldOutScale(3 * scores + 7)(3 * new + 7), HeldOutScale(scores)(new))

    def test_a_few_far_rows_hardly_matter(self):
        scores = np.random.default_rng(0).normal(size=200)
        wild = scores.copy()
        wild[:5] = 1e6
        middle = np.linspace(-2, 1, 9)
        assert_allclose(HeldOutScale(wild)(middle), HeldOutScale(scores)(middle), atol=0.25)

    def test_rounding_errors_stay_small(self):
        """Also where held-out rows have the very score of a new one, as copies do."""
        held_out = np.repeat(np.random.default_rng(0).normal(size=30), 3)
        scale, error = HeldOutScale(held_out), 1e-14 * np.array([-1.0, 0.0, 1.0])
        assert np.ptp(scale(held_out[0] + error)) < 1e-9

    @pytest.mark.parametrize("scores", [np.ones(20), np.r_[np.ones(95), 2 * np.ones(5)]])
    def test_scores_that_are_all_alike(self, scores):
        scaled = HeldOutScale(scores)(np.array([1.0, 3.0]))
        assert np.isfinite(scaled).all()
        assert scaled[0] == 0 < scaled[1]


class TestWeights:
    def test_equal_without_labels(self):
        assert_array_equal(combine_weights(np.zeros((9, 3)), np.zeros((0, 3))), [1, 1, 1])

    def test_by_the_area_under_the_curve(self):
        rng = np.random.default_rng(0)
        normal, odd = rng.normal(size=(200, 3)), rng.normal([2.0, 0.5, -1.0], size=(15, 3))
        is_odd = np.repeat([0, 1], [200, 15])
        both = np.concatenate([normal, odd])
        gini = [2 * roc_auc_score(is_odd, column) - 1 for column in both.T]
        skill = np.clip(gini, 0, None) ** 2
        expected = 0.25 + 0.75 * 3 * skill / skill.sum()
        weights = combine_weights(normal, odd)
        assert_allclose(weights, expected)
        assert weights.mean() == pytest.approx(1)
        # worse than chance does not count the other way round
        assert weights[2] == pytest.approx(0.25)

    def test_useless_labels_change_nothing(self):
        normal = np.random.default_rng(0).normal(size=(50, 2))
        assert_array_equal(combine_weights(normal, normal[:5] * 0 - 9), [1, 1])

    def test_ties_count_half(self):
        assert_allclose(combine_weights(np.zeros((9, 2)), np.zeros((4, 2))), [1, 1])


class TestFolds:
    def test_even_and_complete(self):
        fold = assign_folds(np.random.default_rng(0).normal(size=(100, 2)), 3,
                            np.random.RandomState(0))  # fmt: skip
        assert sorted(np.bincount(fold)) == [33, 33, 34]

    def test_copies_stay_together(self):
        """Or a network would have seen the row that it judges."""
        Z = np.random.default_rng(0).integers(0, 4, size=(200, 2)).astype(float)
        fold = assign_folds(Z, 3, np.random.RandomState(0))
        for row in np.unique(Z, axis=0):
            assert len(set(fold[(row == Z).all(1)])) == 1

    @pytest.mark.parametrize(("n", "expected"), [(1, {0}), (2, {0, 1}), (3, {0, 1, 2})])
    def test_few_rows(self, n, expected):
        assert set(assign_folds(np.arange(n)[:, None], 3, np.random.RandomState(0))) == expected

    def test_each_row_is_judged_by_the_model_that_has_not_seen_it(self):
        Z, fold = np.arange(6.0)[:, None], np.array([2, 0, 1, 1, 0, 2])
        values = held_out([10, 20, 30], lambda model, rows: model + rows, Z, fold)
        assert_array_equal(values[:, 0], [30, 11, 22, 23, 14, 35])


class TestNets:
    @pytest.fixture
    def seen(self, monkeypatch):
        """Record the rows that nets are fitted to."""
        rows = []
        net_class = type(judging_net())

        def remember(self, X, **options):
            rows.append(np.asarray(X)[:, 0])
            return self

        monkeypatch.setattr(net_class, "fit", remember)
        monkeypatch.setattr(net_class, "continue_fit", remember)
        return rows

    def test_see_the_other_folds(self, seen):
        Z, fold = np.arange(6.0)[:, None], np.array([2, 0, 1, 1, 0, 2])
        nets = fit_nets(judging_net(), Z, fold, np.random.RandomState(0))
        expected = [[0, 2, 3, 5], [0, 1, 4, 5], [1, 2, 3, 4]]
        assert [rows.tolist() for rows in seen] == expected
        assert len({net.random_state for net in nets}) == 3
        seen.clear()
        train_on(nets, Z, fold)
        assert [rows.tolist() for rows in seen] == expected

    def test_a_single_fold_sees_all(self, seen):
        fit_nets(judging_net(), np.ones((4, 1)), np.zeros(4, dtype=int), np.random.RandomState(0))
        assert len(seen) == 1
        assert len(seen[0]) == 4


class TestFeatureLevels:
    def test_grow_with_the_kurtosis_of_the_middle(self):
        rng = np.random.default_rng(0)
        Z = np.column_stack([rng.uniform(-1, 1, 2000), rng.normal(size=2000),
                             rng.standard_t(2, size=2000)])  # fmt: skip
        low, high = np.quantile(Z, [0.02, 0.98], axis=0)
        kappa = [kurtosis(z[(z >= a) & (z <= b)], fisher=False)
                 for z, a, b in zip(Z.T, low, high, strict=True)]  # fmt: skip
        expected = np.clip(0.5 * (1 + (np.array(kappa) - 3) / 3), 0.1, 3)
        assert_allclose(feature_levels(Z), expected, rtol=1e-6)
        assert (np.diff(feature_levels(Z)) > 0).all()

    @pytest.mark.filterwarnings("error")
    @pytest.mark.parametrize("n", [2, 3, 50])
    def test_constant_columns_and_few_rows(self, n):
        Z = np.column_stack([np.ones(n), np.arange(n) % 2])
        levels = feature_levels(Z)
        assert ((levels >= 0.1) & (levels <= 3)).all()
