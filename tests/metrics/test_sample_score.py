"""A score of pipelines by what they draw."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import energy_distance
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline

from skdiffusion.metrics import sample_score


class Shift(BaseEstimator):
    """Draws of a normal distribution, moved."""

    def __init__(self, by=0.0):
        self.by = by

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def sample(self, n_samples=1, random_state=None):
        return random_state.normal(self.by, 1, size=(n_samples, 1))


def surface(seed, n=300, d=10):
    """Rows near a plane of three dimensions among ten."""
    rng = np.random.RandomState(seed)
    return rng.normal(size=(n, 3)) @ np.eye(3, d) + 0.05 * rng.normal(size=(n, d))


def test_of_one_column_is_that_of_scipy():
    X = np.random.RandomState(1).normal(size=(1000, 1))
    score = sample_score(Shift(1.0).fit(X), X, random_state=3)
    drawn = np.random.RandomState(3).normal(1, 1, size=(1000, 1))
    # the square of scipy's, whose means count the distance of a row to itself
    expected = energy_distance(X[:, 0], drawn[:, 0]) ** 2 / np.ptp(X)
    within = sum(np.abs(rows - rows.T).sum() / 1e6 / 999 for rows in (X, drawn)) / np.ptp(X)
    assert score == pytest.approx(within - expected, rel=1e-9)


def test_a_single_row_is_refused():
    X = np.zeros((1, 1))
    with pytest.raises(ValueError, match="at least two held-out ones"):
        sample_score(Shift().fit(X), X)


def test_the_nearer_the_better(global_random_seed):
    X = np.random.RandomState(global_random_seed).normal(size=(300, 1))
    scores = [sample_score(Shift(by).fit(X), X, random_state=0) for by in (0.0, 0.5, 1.0, 3.0)]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > -0.02


@pytest.mark.parametrize("last", [GaussianMixture(random_state=0), KernelDensity(bandwidth=0.05)])
def test_it_finds_the_number_of_components(last, global_random_seed):
    pipeline = make_pipeline(PCA(random_state=0), last)
    grid = {"pca__n_components": [1, 2, 3]}
    search = GridSearchCV(pipeline, grid, scoring=sample_score, cv=3)
    search.fit(surface(global_random_seed))
    assert search.best_params_ == {"pca__n_components": 3}
    again = GridSearchCV(pipeline, grid, scoring=sample_score, cv=3)
    again.fit(surface(global_random_seed))
    found, repeated = (each.cv_results_["mean_test_score"] for each in (search, again))
    np.testing.assert_array_equal(found, repeated)


class Repeat(BaseEstimator):
    """Rows of a frame, as they are."""

    def fit(self, X, y=None):
        self.rows_ = X
        return self

    def sample(self, n_samples=1, random_state=None):
        return self.rows_.sample(n_samples, replace=True, random_state=random_state)


def test_of_mixed_frames():
    rng = np.random.RandomState(0)
    town = np.array(["a", "b"])[rng.randint(2, size=200)]
    frame = pd.DataFrame({"x": rng.normal(size=200), "town": town})
    right = sample_score(Repeat().fit(frame), frame)
    wrong = sample_score(Repeat().fit(frame[frame.town == "a"]), frame)
    assert wrong < right - 0.05
