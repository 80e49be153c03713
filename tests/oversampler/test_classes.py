"""Oversampling of classes: how many rows, of which class, and from where."""

from collections import Counter

import numpy as np
import pytest
from imblearn.pipeline import make_pipeline
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors
from sklearn.preprocessing import StandardScaler

from skdiffusion import DenoiserNet, DiffusionManifoldSampler
from skdiffusion._oversampler import DiffusionOversampler
from skdiffusion._utils.systematic import spread
from skdiffusion.model.variation import vary


@pytest.fixture(scope="module")
def gaussians():
    """Two normal classes with the same covariance."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 1500)
    root = np.array([[1.0, 0.0], [0.6, 0.8]])
    X = rng.normal(size=(3000, 2)) @ root.T + 2.0 * y[:, None]
    net = DenoiserNet(max_epochs=4, module__width=64, module__depth=2)
    sampler = DiffusionManifoldSampler(denoiser=net, manifold=None, random_state=0)
    return X, y, sampler.fit(X, y), root @ root.T


class TestCounts:
    def test_auto_makes_all_classes_as_large_as_the_largest(self, quick, imbalanced):
        _, y = quick().fit_resample(imbalanced.X, imbalanced.y)
        assert Counter(y) == {0: 60, 1: 60, 2: 60}

    @pytest.mark.parametrize(
        ("strategy", "counts"),
        [
            ({1: 40, 2: 5}, {0: 60, 1: 40, 2: 5}),
            ("minority", {0: 60, 1: 25, 2: 60}),
            (lambda y: {1: 26}, {0: 60, 1: 26, 2: 2}),
            ({2: 2}, {0: 60, 1: 25, 2: 2}),
        ],
    )
    def test_strategies(self, quick, imbalanced, strategy, counts):
        oversampler = quick(sampling_strategy=strategy)
        _, y = oversampler.fit_resample(imbalanced.X, imbalanced.y)
        assert Counter(y) == counts
        assert oversampler.n_synthetic_ == len(y) - len(imbalanced.y)

    def test_ratio_of_two_classes(self, quick, imbalanced):
        two = imbalanced.y < 2
        oversampler = quick(sampling_strategy=0.8)
        _, y = oversampler.fit_resample(imbalanced.X[two], imbalanced.y[two])
        assert Counter(y) == {0: 60, 1: 48}

    def test_unknown_class(self, quick, imbalanced):
        with pytest.raises(ValueError, match="7"):
            quick(sampling_strategy={7: 90}).fit_resample(imbalanced.X, imbalanced.y)

    def test_names_of_classes(self, quick, imbalanced):
        names = np.array(["many", "some", "few"])[imbalanced.y]
        _, y = quick().fit_resample(imbalanced.X, names)
        assert Counter(y) == {"many": 60, "some": 60, "few": 60}

    @pytest.mark.parametrize("sigma", [0.5, None])
    def test_a_class_of_one_row(self, quick, imbalanced, sigma):
        rows = np.flatnonzero(imbalanced.y < 2)
        rows = np.append(rows, np.flatnonzero(imbalanced.y == 2)[0])
        oversampler = quick(sigma=sigma)
        X, y = oversampler.fit_resample(imbalanced.X[rows], imbalanced.y[rows])
        assert (y == 2).sum() == 60
        assert np.isfinite(X).all()


class TestProvenance:
    def test_real_rows_come_first_and_unchanged(self, quick, imbalanced):
        oversampler = quick()
        X, y = oversampler.fit_resample(imbalanced.X, imbalanced.y)
        real = ~oversampler.is_synthetic_
        np.testing.assert_array_equal(X[real], imbalanced.X)
        np.testing.assert_array_equal(y[real], imbalanced.y)
        np.testing.assert_array_equal(oversampler.sample_indices_[real], np.arange(real.sum()))
        assert not real[len(imbalanced.X) :].any()

    def test_synthetic_rows_start_from_rows_of_their_class(self, quick, imbalanced):
        oversampler = quick()
        _, y = oversampler.fit_resample(imbalanced.X, imbalanced.y)
        np.testing.assert_array_equal(imbalanced.y[oversampler.sample_indices_], y)

    def test_at_little_noise_each_is_next_to_its_start(self, quick, imbalanced):
        oversampler = quick(sigma=0.01)
        X, _ = oversampler.fit_resample(imbalanced.X, imbalanced.y)
        new = X[oversampler.is_synthetic_]
        starts = oversampler.sample_indices_[oversampler.is_synthetic_]
        found = NearestNeighbors(n_neighbors=1).fit(imbalanced.X).kneighbors(new)[1][:, 0]
        assert np.mean(found == starts) > 0.9
        assert not np.any(np.all(new == imbalanced.X[starts], axis=1))

    def test_the_rows_of_a_class_take_turns(self, quick, imbalanced):
        oversampler = quick(sampling_strategy={1: 75})
        oversampler.fit_resample(imbalanced.X, imbalanced.y)
        starts = oversampler.sample_indices_[oversampler.is_synthetic_]
        times = np.bincount(starts, minlength=len(imbalanced.y))[imbalanced.y == 1]
        np.testing.assert_array_equal(times, 2)

    def test_fresh_rows_start_from_none(self, quick, imbalanced):
        oversampler = quick(sigma=None)
        oversampler.fit_resample(imbalanced.X, imbalanced.y)
        assert set(oversampler.sample_indices_[oversampler.is_synthetic_]) == {-1}


class TestRows:
    @pytest.mark.parametrize("sigma", [0.3, 1.0, 3.0])
    def test_the_distribution_of_a_class_is_kept(self, gaussians, sigma):
        X, y, sampler, cov = gaussians
        rows = spread((y == 1).astype(float), 1500, np.random.RandomState(0))
        new = vary(sampler.model_, X[rows], y[rows], sigma, np.random.RandomState(1))
        np.testing.assert_allclose(new.mean(axis=0), [2.0, 2.0], atol=0.15)
        np.testing.assert_allclose(np.cov(new.T), cov, atol=0.2)

    @pytest.mark.parametrize("sigma", [0.3, 1.0, 3.0])
    def test_what_is_left_of_a_row(self, gaussians, sigma):
        """The flow scales each principal axis of a normal class by s / sqrt(s^2 + sigma^2)."""
        X, y, sampler, cov = gaussians
        rows = np.flatnonzero(y == 0)
        new = vary(sampler.model_, X[rows], y[rows], sigma, np.random.RandomState(1))
        scale = X.std(axis=0)
        s2, axes = np.linalg.eigh(cov / np.outer(scale, scale))
        before, after = ((Z - Z.mean(axis=0)) / scale @ axes for Z in (X[rows], new))
        left = [np.corrcoef(before[:, j], after[:, j])[0, 1] for j in range(2)]
        np.testing.assert_allclose(left, np.sqrt(s2 / (s2 + sigma**2)), atol=0.08)

    def test_rows_of_a_class_look_like_it(self, imbalanced):
        X = np.concatenate([imbalanced.X] * 5)
        y = np.concatenate([imbalanced.y] * 5)
        net = DenoiserNet(max_epochs=3, module__width=32, module__depth=1)
        sampler = DiffusionManifoldSampler(denoiser=net, baseline="gaussian", manifold=None)
        oversampler = DiffusionOversampler(sampler=sampler, random_state=0)
        X_new, y_new = oversampler.fit_resample(X, y)
        new = oversampler.is_synthetic_
        judge = KNeighborsClassifier(5).fit(X, y)
        assert judge.score(X_new[new], y_new[new]) > 0.9

    @pytest.mark.parametrize("sigma", [0.001, 30.0, -1.0, "much"])
    def test_sigma_out_of_range(self, quick, imbalanced, sigma):
        with pytest.raises(ValueError, match="sigma"):
            quick(sigma=sigma).fit_resample(imbalanced.X, imbalanced.y)

    def test_reproducible(self, quick, imbalanced):
        first, _ = quick().fit_resample(imbalanced.X, imbalanced.y)
        again, _ = quick().fit_resample(imbalanced.X, imbalanced.y)
        other, _ = quick(random_state=1).fit_resample(imbalanced.X, imbalanced.y)
        np.testing.assert_array_equal(first, again)
        assert not np.array_equal(first, other)

    def test_any_sampler_draws_fresh_rows(self, imbalanced):
        class Means(BaseEstimator):
            """A sampler that knows the mean of each class."""

            def fit(self, X, y):
                self.means_ = {label: X[y == label].mean(axis=0) for label in np.unique(y)}
                return self

            def sample(self, n_samples=1, *, y=None, random_state=None):
                return np.array([self.means_[label] for label in y])

        oversampler = DiffusionOversampler(sampler=Means(), sigma=None)
        X, y = oversampler.fit_resample(imbalanced.X, imbalanced.y)
        mean = imbalanced.X[imbalanced.y == 2].mean(axis=0)
        np.testing.assert_allclose(
            X[oversampler.is_synthetic_ & (y == 2)], mean[None].repeat(58, 0)
        )


class TestPipeline:
    def test_rows_are_added_in_fit_alone(self, quick, imbalanced):
        model = make_pipeline(StandardScaler(), quick(), KNeighborsClassifier(1))
        model.fit(imbalanced.X, imbalanced.y)
        assert model[-1].n_samples_fit_ == 180
        assert len(model.predict(imbalanced.X)) == len(imbalanced.X)

    def test_parameters_can_be_searched(self, quick, imbalanced):
        two = imbalanced.y < 2
        model = make_pipeline(quick(), LogisticRegression())
        grid = {
            "diffusionoversampler__sigma": [0.5, None],
            "diffusionoversampler__sampler__n_steps": [6],
        }
        search = GridSearchCV(model, grid, cv=2).fit(imbalanced.X[two], imbalanced.y[two])
        assert search.best_score_ > 0.9
