"""Oversampling of the rare values of a numeric target."""

import numpy as np
import pytest

from skdiffusion._utils.systematic import spread
from skdiffusion.augmentation.relevance import boxplot_relevance
from skdiffusion.augmentation.rows import jitter


class TestRelevance:
    def test_boxplot_against_the_cubic(self):
        y = np.concatenate([np.linspace(0.0, 8.0, 9), [30.0]])
        # the box is from 2.25 to 6.75 with its median at 4.5, and 8 the end of the upper whisker
        t = np.clip((y - 4.5) / (8.0 - 4.5), 0.0, 1.0)
        np.testing.assert_allclose(boxplot_relevance(y), 3 * t**2 - 2 * t**3, atol=1e-12)

    def test_only_sides_with_outliers_matter(self):
        y = np.concatenate([[-40.0], np.linspace(0.0, 8.0, 9)])
        relevance = boxplot_relevance(y)
        assert relevance[0] == 1.0
        assert relevance[-1] == 0.0
        assert boxplot_relevance(-y)[0] == 1.0
        assert not boxplot_relevance(y[1:]).any()

    def test_boxplot_without_a_box(self):
        y = np.array([0.0] * 20 + [3.0])
        np.testing.assert_array_equal(boxplot_relevance(y), [0.0] * 20 + [1.0])


class TestJitter:
    def test_within_the_gaps(self):
        y = np.array([0.3, 1.0, 2.0, 10.0])
        rows = np.repeat(np.arange(4), 500)
        moved = jitter(y, rows, np.random.RandomState(0)).reshape(4, 500)
        bounds = [(0.3, 0.65), (0.65, 1.5), (1.5, 6.0), (6.0, 10.0)]
        for values, (low, high) in zip(moved, bounds, strict=True):
            assert low <= values.min() < low + 0.05 * (high - low)
            assert high - 0.05 * (high - low) < values.max() <= high

    def test_shared_and_whole_values_stay(self):
        rng = np.random.RandomState(0)
        y = np.array([0.5, 0.5, 1.7])
        np.testing.assert_array_equal(jitter(y, np.array([0, 1]), rng), [0.5, 0.5])
        np.testing.assert_array_equal(jitter(np.array([3.0, 9.0]), np.array([1]), rng), [9.0])
        assert jitter(np.array([3, 9]), np.array([1]), rng).dtype.kind == "i"


def test_spread_is_off_by_less_than_one():
    rng = np.random.RandomState(0)
    weights = rng.uniform(size=50)
    weights[7] = 0.0
    times = np.bincount(spread(weights, 137, rng), minlength=50)
    assert times[7] == 0
    assert np.all(np.abs(times - 137 * weights / weights.sum()) < 1)


class TestResample:
    def test_auto_balances_rare_and_common(self, quick, skewed):
        oversampler = quick()
        oversampler.fit_resample(skewed.X, skewed.y)
        rare = (oversampler.relevance_ >= 0.5).sum()
        assert 0 < rare < 150
        assert rare + oversampler.n_synthetic_ == 300 - rare

    def test_a_share_of_the_rows(self, quick, skewed):
        oversampler = quick(sampling_strategy=0.25)
        X, _ = oversampler.fit_resample(skewed.X, skewed.y)
        assert oversampler.n_synthetic_ == len(X) - len(skewed.X) == 75

    def test_synthetic_targets_lie_next_to_those_of_rare_rows(self, quick, skewed):
        oversampler = quick(sampling_strategy=1.0)
        _, y = oversampler.fit_resample(skewed.X, skewed.y)
        new = oversampler.is_synthetic_
        starts = oversampler.sample_indices_[new]
        assert (oversampler.relevance_[starts] >= 0.5).all()
        values = np.sort(skewed.y)
        place = np.searchsorted(values, skewed.y[starts])
        assert np.all(y[new] >= values[place - 1])
        assert np.all(y[new] <= values[np.minimum(place + 1, len(values) - 1)])
        assert len(np.unique(y[new])) == new.sum()

    def test_rows_follow_their_targets(self, quick, skewed):
        oversampler = quick(sampling_strategy=1.0)
        X, y = oversampler.fit_resample(skewed.X, skewed.y)
        new = oversampler.is_synthetic_
        assert np.corrcoef(X[new, 0], np.log(y[new]))[0, 1] > 0.8

    def test_relevance_by_a_function(self, quick, skewed):
        oversampler = quick(relevance=lambda y: (y < 0.5).astype(float), sampling_strategy=0.5)
        _, y = oversampler.fit_resample(skewed.X, skewed.y)
        assert y[oversampler.is_synthetic_].max() < 0.51

    def test_numbers_may_be_classes(self, quick, skewed):
        grades = np.where(skewed.y > 2, 9, 1)
        _, y = quick().fit_resample(skewed.X, grades)
        assert (y == 9).sum() == (y == 1).sum()
        numbers = quick(target="continuous", relevance=lambda y: (y > 5) * 1.0)
        _, y = numbers.fit_resample(skewed.X, grades)
        assert (y == 9).sum() == (y == 1).sum()
        assert not isinstance(numbers.sampling_strategy_, dict)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"sampling_strategy": {1: 3}}, "numeric target"),
            ({"sampling_strategy": -0.5}, "numeric target"),
            ({"sampling_strategy": "minority"}, "numeric target"),
            ({"relevance": lambda y: y * 10}, "between 0 and 1"),
            ({"relevance": "rare"}, "relevance"),
            ({"target": "ordinal"}, "target"),
        ],
    )
    def test_bad_parameters(self, quick, skewed, options, message):
        oversampler = quick(**options)
        with pytest.raises(ValueError, match=message):
            oversampler.fit_resample(skewed.X, skewed.y)
        assert not hasattr(oversampler, "sampler_")

    def test_nothing_is_rare(self, quick, skewed):
        with pytest.raises(ValueError, match="No value of y is rare"):
            quick().fit_resample(skewed.X, np.linspace(0.0, 1.0, 300))
