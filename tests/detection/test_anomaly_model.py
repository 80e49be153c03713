"""Common scales and weights, folds, and what networks see of them."""

from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import roc_auc_score

from skdiffusion.detection.anomaly_model import (
    AnomalyModel,
    AnomalyOptions,
    HeldOutScale,
    assign_folds,
    combine_weights,
)
from skdiffusion.detection.anomaly_scores import DenoisingScore
from skdiffusion.detection.conformal import conformal_pvalues
from skdiffusion.diffusion.denoiser import Posterior
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

        def net(shift):
            # a denoiser that is off by as much, whatever the noise
            denoiser = lambda x, sigma: Posterior(x + shift * (1 + x))  # noqa: E731
            return SimpleNamespace(sigma_min=0.02, sigma_max=0.2, denoiser=lambda: denoiser)

        score = DenoisingScore([net(1), net(10), net(100)], Z, fold)
        assert_allclose(np.exp(score.held_out[:, 0]), [100, 2, 30, 40, 5, 600])
        assert_allclose(np.exp(score.evaluate(Z[:1], None)[:, 0, 1]), [1, 10, 100])

    def test_rows_that_follow(self):
        """Copies go to the fold of the first; the others even out the sizes."""
        Z, rng = np.arange(12.0)[:, None], np.random.RandomState(0)
        fold = assign_folds(Z[:7], 3, rng)
        more = assign_folds(np.concatenate([Z[:7], Z[5:]]), 3, rng, fold)
        assert_array_equal(more[:9], [*fold, *fold[5:]])
        assert_array_equal(np.bincount([*fold, *more[9:]]), [4, 4, 4])


class TestNets:
    @pytest.fixture
    def seen(self, monkeypatch):
        """Record the rows that nets are fitted to, and train them on a pair of rows alone."""
        rows, net_class = [], type(judging_net())
        fit, continue_fit = net_class.fit, net_class.continue_fit

        def remember(train):
            def wrapped(self, X, **options):
                rows.append(np.asarray(X)[:, 0])
                return train(self, X, **options)

            return wrapped

        monkeypatch.setattr(net_class, "fit", remember(fit))
        monkeypatch.setattr(net_class, "continue_fit", remember(continue_fit))
        return rows

    @staticmethod
    def model(Z):
        net = judging_net().set_params(max_epochs=1, steps_per_epoch=1, module__width=4)
        options = AnomalyOptions(("denoise",), 0.0, net, 0, np.zeros(Z.shape[1], dtype=int))
        return AnomalyModel(Z, Z[:0], options, np.random.RandomState(0))

    def test_see_the_other_folds(self, seen):
        Z = np.random.default_rng(0).normal(size=(30, 2))
        model = self.model(Z)
        assert [len(rows) for rows in seen] == [20, 20, 20]
        for k, rows in enumerate(seen):
            assert_array_equal(rows, Z[model.fold != k, 0])
        assert len({net.random_state for net in model.nets}) == 3
        seen.clear()
        model = model.extended(Z + 9, Z[:0], np.random.RandomState(0))
        for k, rows in enumerate(seen):
            assert_array_equal(rows, model.Z[model.fold != k, 0])

    def test_a_single_fold_sees_all(self, seen):
        self.model(np.ones((4, 1)))
        assert [len(rows) for rows in seen] == [4]
