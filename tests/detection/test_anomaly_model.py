"""Common scales, and what is compared to what."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skdiffusion.detection.anomaly_model import HAIR, AnomalyModel, AnomalyOptions
from skdiffusion.detection.anomaly_scores import KernelScore, PatternScore
from skdiffusion.detection.calibration import HeldOutScale
from skdiffusion.detection.conformal import conformal_pvalues


class TestHeldOutScale:
    def test_nats_of_conformal_p_values_and_a_share_of_a_bent_z_score(self):
        held_out = np.random.default_rng(0).gamma(2.0, size=500)
        middle, upper = np.quantile(held_out, [0.5, 0.9])
        p = conformal_pvalues(held_out, held_out)
        expected = -np.log(p) + 0.2 * np.arcsinh((held_out - middle) / (upper - middle))
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


def model_of(Z, observed=None, methods=("neighbors", "patterns", "kernel")):
    observed = np.ones(Z.shape, dtype=bool) if observed is None else observed
    d = Z.shape[1]
    options = AnomalyOptions(methods, 0.0, np.arange(d), np.arange(d))
    return AnomalyModel(np.stack([Z, Z]), observed, options)


class TestBlend:
    def test_fades_within_a_hair(self):
        """From a training row towards another: linearly from its held-out score."""
        Z = np.random.default_rng(0).normal(size=(80, 3))
        model = model_of(Z)
        apart = np.sort(np.linalg.norm(Z[:, None] - Z, axis=2), axis=1)[:, 1]
        away = np.random.default_rng(1).normal(size=Z.shape)
        away /= np.linalg.norm(away, axis=1, keepdims=True)
        for share, likeness in [(0, 1), (0.25, 0.75), (1, 0), (3, 0)]:
            new = Z + share * HAIR * apart[:, None] * away
            near = model.nearest.find(new)
            assert_array_equal(near[1][:, 0], np.arange(80))
            blended = model._blend(np.full(80, 7.0), np.arange(80.0), near)
            assert_allclose(blended, likeness * np.arange(80) + (1 - likeness) * 7, atol=1e-6)

    def test_copies_have_no_hair(self):
        Z = np.random.default_rng(0).normal(size=(40, 2))
        assert_array_equal(model_of(np.concatenate([Z, Z])).hair, 0)


class TestEffects:
    def test_are_of_the_columns_that_are_far(self):
        """Means over patterns with a column less means over those without it, by hand."""
        Z = np.random.default_rng(0).normal(size=(150, 5))
        score = model_of(Z).scores_of(PatternScore)[0]
        row = np.zeros((2, 1, 5))
        row[:, 0, 2] = 6.0
        nats, masks = score._by_pattern(row)[0], score.nearest.masks
        expected = [nats[mask].mean() - nats[~mask].mean() for mask in masks.T]
        assert_allclose(score.effects(row)[0], expected)
        assert np.argmax(expected) == 2

    def test_of_a_single_column(self):
        score = model_of(np.random.default_rng(0).normal(size=(50, 1))).scores_of(PatternScore)[0]
        row = np.full((2, 1, 1), 4.0)
        assert_allclose(score.effects(row), score._by_pattern(row))


class TestGaps:
    def test_rows_are_judged_by_their_other_columns(self):
        """By a model that has seen those alone."""
        Z = np.random.default_rng(0).normal(size=(200, 4))
        rows = np.random.default_rng(1).normal(size=(2, 30, 4))
        rows[:, :, 1] = np.nan
        alone = model_of(Z[:, [0, 2, 3]])
        assert_allclose(model_of(Z).score(rows), alone.score(rows[:, :, [0, 2, 3]]), rtol=1e-9)

    def test_rows_that_were_there_calibrate(self):
        rng = np.random.default_rng(0)
        Z, observed = rng.normal(size=(300, 3)), rng.random((300, 3)) > 0.4
        model = model_of(Z, observed)
        assert_array_equal(model.calibrating, observed.all(1))
        assert model_of(Z[:60], observed[:60]).calibrating.all()
        _, seen, known = next(iter(model.by_gaps(np.array([[[0.0, np.nan, 1.0]]] * 2))))
        assert seen.observed.all()
        assert seen.X.shape[2] == known.shape[2] == 2

    def test_a_row_of_nothing(self):
        model = model_of(np.random.default_rng(0).normal(size=(50, 2)))
        assert_array_equal(model.score(np.full((2, 3, 2), np.nan)), 0)

    def test_normal_rows_are_reported_as_often(self, global_random_seed):
        rng = np.random.default_rng(global_random_seed)
        Z = rng.normal(size=(2000, 1)) + rng.normal(size=(2000, 4))
        model, new = model_of(Z[:500]), np.stack([Z[500:]] * 2)
        new[:, rng.random((1500, 4)) < 0.3] = np.nan
        alarms = model.score(new) > np.quantile(model.held_out, 0.9)
        counts = np.isnan(new[0]).sum(1)
        for k in range(3):
            some = counts == k
            # binomial, of the rows and of those that calibrate
            spread = np.sqrt(0.09 * (1 / some.sum() + 1 / 256))
            assert abs(alarms[some].mean() - 0.1) < 4 * spread


def test_kernels_look_at_both_coordinates():
    Z = np.random.default_rng(0).normal(size=(60, 2))
    options = AnomalyOptions(("kernel",), 0.0, np.arange(2), np.arange(2))
    model = AnomalyModel(np.stack([Z, 2 * Z]), np.ones((60, 2), dtype=bool), options)
    linear, ranked = model.scores_of(KernelScore)
    assert_allclose(ranked.kernels.Z, 2 * linear.kernels.Z)
