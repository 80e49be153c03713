"""Operator-informed score matching as users meet it."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from scipy.integrate import trapezoid
from scipy.stats import norm
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.utils import check_random_state

from skdiffusion import OperatorScoreMatching


def two_modes(n, seed=0):
    rng = np.random.RandomState(seed)
    return 10 + 2 * rng.choice([-1.0, 1.0], size=(n, 1)) + 0.5 * rng.normal(size=(n, 1))


def two_modes_log_density(X):
    return np.log(0.5 * norm(8, 0.5).pdf(X) + 0.5 * norm(12, 0.5).pdf(X))[:, 0]


def bent(n, seed=0):
    """Two columns of unlike units, the second bent around the first."""
    rng = np.random.RandomState(seed)
    x = rng.normal(size=n)
    return np.column_stack([x, 100 * (x**2 + 0.3 * rng.normal(size=n))])


@pytest.fixture(scope="module")
def line():
    return OperatorScoreMatching(random_state=0).fit(two_modes(500))


@pytest.fixture(scope="module")
def plane():
    return OperatorScoreMatching(degree=12, random_state=0).fit(bent(400))


class TestDensity:
    def test_against_the_truth(self, line):
        X = two_modes(2000, seed=1)
        lost = two_modes_log_density(X).mean() - line.score(X)
        single = norm(*norm.fit(two_modes(500))).logpdf(X).mean()
        assert lost < 0.05
        assert line.score(X) > single + 0.4

    def test_integrates_to_one_with_what_is_outside(self, line):
        x = np.linspace(-30, 50, 8001)
        density = np.exp(line.score_samples(x[:, None]))
        assert trapezoid(density, x) == pytest.approx(1, abs=2e-3)
        codes, box = line.model_.encoder.transform(x[:, None])[:, 0], line.model_.prior
        outside = (codes < float(box.low)) | (codes > float(box.high))
        assert 0 < trapezoid(np.where(outside, density, 0), x) < 1 / 500

    def test_rows_outside_the_box_are_unlikely(self, line):
        far = line.score_samples([[1e3], [1e5]])
        assert np.isfinite(far).all()
        assert (far < line.score_samples(two_modes(500)).min() - 10).all()

    def test_sees_dependence(self, plane):
        X = bent(400, seed=1)
        columns = [
            OperatorScoreMatching(degree=12, random_state=0).fit(bent(400)[:, [j]]).score(X[:, [j]])
            for j in (0, 1)
        ]
        assert plane.score(X) > sum(columns) + 0.5

    def test_units(self, plane):
        scale, offset = np.array([1e-3, 50.0]), np.array([1e3, -4.0])
        moved = clone(plane).fit(offset + scale * bent(400))
        X = bent(50, seed=2)
        np.testing.assert_allclose(
            moved.score_samples(offset + scale * X),
            plane.score_samples(X) - np.log(scale).sum(),
            rtol=1e-6,
        )
        np.testing.assert_allclose(
            moved.sample(20, random_state=0),
            offset + scale * plane.sample(20, random_state=0),
            rtol=1e-6,
        )
        assert moved.smoothing_ == pytest.approx(plane.smoothing_)

    def test_rows_do_not_depend_on_each_other(self):
        options = {"degree": 4, "n_likelihood_steps": 4, "smoothing": 0.01}
        model = OperatorScoreMatching(**options).fit(bent(200))
        X = bent(5, seed=1)
        together = model.score_samples(X)
        alone = [model.score_samples(row[None])[0] for row in X]
        np.testing.assert_allclose(together, alone, rtol=1e-9)
        assert np.array_equal(together, model.score_samples(X))

    def test_more_steps_change_little(self, plane):
        X = bent(40, seed=1)
        fine = clone(plane).set_params(n_likelihood_steps=72).fit(bent(400))
        difference = np.abs(fine.score_samples(X) - plane.score_samples(X))
        assert difference.mean() < 2e-3


class TestSample:
    def test_moments_and_modes(self, line):
        draws = line.sample(4000, random_state=0)
        assert draws.mean() == pytest.approx(10, abs=0.15)
        assert draws.std() == pytest.approx(np.sqrt(4.25), rel=0.05)
        assert (draws < 10).mean() == pytest.approx(0.5, abs=0.04)
        assert (np.abs(draws - 10) < 0.5).mean() < 0.01

    def test_score_the_same_as_new_rows(self, plane):
        draws = plane.sample(600, random_state=0)
        assert plane.score(draws) == pytest.approx(plane.score(bent(600, seed=1)), abs=0.3)

    def test_rows_stay_in_the_box(self, plane):
        draws, box = plane.sample(5000, random_state=1), plane.model_.prior
        codes = plane.model_.encoder.transform(draws)
        assert ((codes >= box.low.numpy()) & (codes <= box.high.numpy())).all()

    def test_random_state(self, plane):
        before = torch.get_rng_state(), check_random_state(None).get_state()[1].copy()
        first = plane.sample(5, random_state=3)
        np.testing.assert_array_equal(first, plane.sample(5, random_state=3))
        assert not np.array_equal(first, plane.sample(5, random_state=4))
        assert torch.equal(before[0], torch.get_rng_state())
        assert np.array_equal(before[1], check_random_state(None).get_state()[1])
        assert not np.array_equal(plane.sample(5), plane.sample(5))

    @pytest.mark.parametrize("n_samples", [0, -1, 2.5])
    def test_number_of_rows(self, plane, n_samples):
        with pytest.raises(ValueError, match="n_samples must be at least 1"):
            plane.sample(n_samples)


class TestFrames:
    @pytest.mark.parametrize("library", [pd, pl])
    def test_come_back(self, library):
        frame = library.DataFrame({"a": bent(80)[:, 0], "count": np.arange(80) % 7})
        model = OperatorScoreMatching(degree=4, random_state=0).fit(frame)
        draws = model.sample(6, random_state=0)
        assert isinstance(draws, library.DataFrame)
        assert list(draws.columns) == ["a", "count"]
        assert draws["count"].dtype == frame["count"].dtype
        assert model.score_samples(frame).shape == (80,)
        assert list(model.feature_names_in_) == ["a", "count"]

    def test_same_as_an_array(self):
        frame = load_iris(as_frame=True).data.iloc[:, :2]
        options = {"degree": 4, "random_state": 0}
        model = OperatorScoreMatching(**options).fit(frame)
        array = OperatorScoreMatching(**options).fit(frame.to_numpy())
        np.testing.assert_array_equal(
            model.score_samples(frame), array.score_samples(frame.to_numpy())
        )
        np.testing.assert_array_equal(
            model.sample(3, random_state=0), array.sample(3, random_state=0)
        )


class TestScoreField:
    def test_is_the_gradient_of_the_log_density(self, line):
        x = np.linspace(7, 13, 40)[:, None]
        step = 1e-3
        slope = (line.score_samples(x + step) - line.score_samples(x - step)) / (2 * step)
        field = line.score_field(x, line.smoothing_)[:, 0]
        near = line.score_samples(x) > -3.5
        assert near.sum() > 20
        assert np.corrcoef(slope[near], field[near])[0, 1] > 0.99

    def test_vanishes_in_the_end(self, plane):
        assert np.abs(plane.score_field(bent(20), 50.0)).max() < 1e-6

    @pytest.mark.parametrize("t", [-1.0, np.nan, np.inf, "0"])
    def test_time(self, plane, t):
        with pytest.raises(ValueError, match="t must be a finite time"):
            plane.score_field(bent(5), t)


class TestLoss:
    def test_prefers_a_basis_that_fits(self):
        X, Y = two_modes(500), two_modes(500, seed=1)
        losses = [
            OperatorScoreMatching(degree=degree, smoothing=0.005).fit(X).loss(Y, 0.005)
            for degree in (1, 4, 8)
        ]
        assert losses[2] < losses[1] < losses[0]

    def test_shows_overfitting(self):
        """Too rich a basis is better on its own rows, and worse on others."""
        X, Y = two_modes(40), two_modes(2000, seed=1)
        small, large = (
            OperatorScoreMatching(degree=degree, smoothing=0.001).fit(X) for degree in (6, 40)
        )
        assert large.loss(X, 0.001) < small.loss(X, 0.001)
        assert large.loss(Y, 0.001) > small.loss(Y, 0.001)


class TestSettings:
    @pytest.mark.parametrize(
        ("n", "d", "degree"), [(600, 1, 24), (600, 2, 24), (600, 3, 9), (30, 2, 5), (60, 6, 24)]
    )
    def test_automatic_degree(self, n, d, degree):
        X = np.random.RandomState(0).normal(size=(n, d))
        model = OperatorScoreMatching(smoothing=0.01).fit(X)
        assert model.degree_ == degree

    def test_many_columns_are_independent(self):
        X = np.random.RandomState(0).normal(size=(200, 6))
        options = {"degree": 4, "smoothing": 0.05}
        together = OperatorScoreMatching(**options).fit(X).score_field(X, 0.1)
        alone = OperatorScoreMatching(**options).fit(X[:, [2]]).score_field(X[:, [2]], 0.1)
        np.testing.assert_allclose(together[:, [2]], alone)

    def test_smoothing_shrinks_with_more_rows(self):
        times = [
            OperatorScoreMatching(random_state=0).fit(two_modes(n)).smoothing_ for n in (50, 5000)
        ]
        assert times[1] < 0.7 * times[0]

    def test_smoothing_beats_its_neighbours_on_new_rows(self, line):
        X, Y = two_modes(500), two_modes(1500, seed=1)
        for factor in (0.02, 30):
            other = clone(line).set_params(smoothing=factor * line.smoothing_).fit(X)
            assert line.score(Y) > other.score(Y) + 0.003

    def test_smoothing_of_ones_own(self):
        assert OperatorScoreMatching(smoothing=0.02).fit(two_modes(50)).smoothing_ == 0.02

    def test_search(self):
        search = GridSearchCV(
            OperatorScoreMatching(smoothing=0.003), {"degree": [1, 6]}, cv=3, error_score="raise"
        ).fit(two_modes(150))
        assert search.best_params_ == {"degree": 6}

    @pytest.mark.parametrize(
        "options",
        [
            {"degree": 0},
            {"degree": 2.5},
            {"smoothing": -1.0},
            {"smoothing": 4.0},
            {"smoothing": "cv"},
            {"n_steps": 0},
            {"n_likelihood_steps": 1.5},
        ],
    )
    def test_out_of_range(self, options):
        (name,) = options
        with pytest.raises(ValueError, match=f"The '{name}' parameter"):
            OperatorScoreMatching(**options).fit(bent(50))

    def test_degree_that_is_too_large(self):
        X = np.random.RandomState(0).normal(size=(100, 5))
        with pytest.raises(ValueError, match="lower the degree"):
            OperatorScoreMatching(degree=10).fit(X)


class TestBadRows:
    def test_constant_column(self):
        X = np.column_stack([two_modes(100), np.full(100, 3.0)])
        model = OperatorScoreMatching(random_state=0).fit(X)
        alone = OperatorScoreMatching(random_state=0).fit(X[:, :1])
        np.testing.assert_allclose(model.score_samples(X), alone.score_samples(X[:, :1]))
        assert (model.sample(5, random_state=0)[:, 1] == 3.0).all()
        assert not model.score_field(X, 0.1)[:, 1].any()

    @pytest.mark.parametrize(
        ("X", "message"),
        [
            (np.ones((10, 2)), "Every column of X is constant"),
            (np.ones((1, 2)), "n_samples=1"),
            ([["a"], ["b"]], "columns of other kinds"),
            ([[np.nan], [1.0]], "NaN"),
        ],
    )
    def test_refused(self, X, message):
        with pytest.raises(ValueError, match=message):
            OperatorScoreMatching().fit(X)

    def test_two_rows(self):
        model = OperatorScoreMatching(random_state=0).fit([[0.0], [1.0]])
        assert np.isfinite(model.score_samples([[0.0], [0.5]])).all()

    def test_a_fit_that_fails_leaves_nothing(self):
        model = OperatorScoreMatching(degree=3).fit(bent(50))
        with pytest.raises(ValueError, match="NaN"):
            model.fit([[np.nan], [1.0]])
        with pytest.raises(NotFittedError):
            model.sample()


class TestPickle:
    def test_same_scores_and_small(self, plane):
        text = pickle.dumps(plane)
        X = bent(20, seed=1)
        np.testing.assert_array_equal(pickle.loads(text).score_samples(X), plane.score_samples(X))
        assert len(text) < 1e5
