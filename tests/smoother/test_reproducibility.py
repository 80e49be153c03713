"""The same seed gives the same rows, and a row's result is its own."""

import pickle
import random

import joblib
import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from skdiffusion.diffusion import kernel_density as kernel_module

X = np.random.default_rng(0).normal(size=(90, 3)) * [1.0, 0.2, 4.0]
Y = np.arange(90) % 3


def state_of_global_generators():
    return joblib.hash([np.random.get_state(), torch.get_rng_state().numpy(), random.getstate()])  # noqa: NPY002


class TestSeeds:
    @pytest.mark.parametrize("y", [None, Y, X[:, 0]], ids=["no target", "classes", "numbers"])
    def test_of_fit(self, smooth, y):
        rounded = np.round(X, 1)
        first, second, other = (smooth(random_state=seed).fit(rounded, y) for seed in (0, 0, 1))
        assert_array_equal(first.score_samples(X), second.score_samples(X))
        assert (first.score_samples(X) != other.score_samples(X)).any()

    @pytest.mark.parametrize("method", ["exact", "ode", "sde"])
    def test_of_sample(self, moons, method):
        draws = [moons.smoother.sample(9, method=method, random_state=seed) for seed in (3, 3, 4)]
        assert_array_equal(draws[0], draws[1])
        assert (draws[0] != draws[2]).all()
        free = [moons.smoother.sample(9, method=method) for _ in range(2)]
        assert (free[0] != free[1]).all()

    def test_of_impute(self, moons):
        rows = np.array([[0.5, np.nan]] * 5)
        draws = [
            moons.smoother.impute(rows, method="sample", random_state=seed) for seed in (3, 3, 4)
        ]
        assert_array_equal(draws[0], draws[1])
        assert (draws[0][:, 1] != draws[2][:, 1]).all()

    def test_a_random_state_goes_on(self, moons):
        rng = np.random.RandomState(0)
        first, second = (moons.smoother.sample(3, random_state=rng) for _ in range(2))
        assert (first != second).all()

    def test_global_generators_are_left_alone(self, smooth):
        before = state_of_global_generators()
        smoother = smooth().fit(X, Y)
        smoother.sample(5, return_y=True, random_state=0)
        smoother.sample(5, method="sde", random_state=0)
        smoother.impute(np.full((2, 3), np.nan), method="sample", random_state=0)
        smoother.score_samples(X)
        assert state_of_global_generators() == before


class TestState:
    def test_nothing_but_fit_changes_the_smoother(self, iris):
        smoother = iris.smoother
        before = joblib.hash(pickle.dumps(smoother))
        smoother.score_samples(iris.X[:5])
        smoother.score_field(iris.X[:5], 0.3)
        smoother.from_latent(smoother.to_latent(iris.X[:5]))
        smoother.transform(iris.X[:5])
        smoother.impute(np.full((2, 4), np.nan), return_y=True)
        smoother.sample(3, y="setosa", given={0: 5.0})
        assert joblib.hash(pickle.dumps(smoother)) == before

    def test_fit_leaves_parameters_and_data_alone(self, smooth):
        smoother, rows = smooth(), np.round(X, 1)
        before = joblib.hash([smoother.get_params(), rows, Y])
        smoother.fit(rows, Y)
        assert joblib.hash([smoother.get_params(), rows, Y]) == before

    def test_a_pickle_holds_the_whole_smoother(self, iris):
        loaded = pickle.loads(pickle.dumps(iris.smoother))
        for draw in ({}, {"y": "setosa"}, {"given": {0: 5.0}}, {"method": "ode"}):
            assert_array_equal(
                loaded.sample(5, random_state=0, **draw),
                iris.smoother.sample(5, random_state=0, **draw),
            )

    def test_a_clone_is_not_fitted_and_fits_the_same(self, smooth):
        fitted = smooth().fit(X, Y)
        copied = clone(fitted)
        assert not [name for name in vars(copied) if name.endswith("_")]
        assert_array_equal(copied.fit(X, Y).score_samples(X), fitted.score_samples(X))

    def test_fitting_again_is_fitting_afresh(self, smooth):
        again = smooth().fit(X**2, Y).fit(X)
        assert_array_equal(again.score_samples(X), smooth().fit(X).score_samples(X))

    def test_order_of_rows_hardly_matters(self, smooth):
        """Given bandwidths, not at all."""
        order = np.random.default_rng(0).permutation(90)
        options = {"bandwidth": (1.0, 0.2), "background": None}
        first, second = (smooth(**options).fit(rows) for rows in (X, X[order]))
        assert_allclose(second.score_samples(X), first.score_samples(X), rtol=1e-10)


@pytest.fixture(scope="module")
def many(smooth):
    """A smoother that leaves far kernels out."""
    rows = np.random.default_rng(0).normal(size=(9000, 2))
    options = {"bandwidth": (1.0, 0.05), "n_neighbors": 10, "background": None}
    assert len(rows) >= kernel_module._MIN_TRUNCATED
    return smooth(**options, known_noise=0.0).fit(rows), rows[:40]


class TestRowsByThemselves:
    """What a row gets depends neither on the other rows nor on their order."""

    @pytest.fixture(params=["moons", "classes", "numbers", "many"])
    def case(self, request, moons, iris, diabetes, many):
        return {
            "moons": (moons.smoother, moons.fresh[:40]),
            "classes": (iris.smoother, iris.X[::4]),
            "numbers": (diabetes.smoother, diabetes.fresh[0][:40]),
            "many": many,
        }[request.param]

    @pytest.mark.parametrize("method", ["score_samples", "transform", "score_field"])
    def test_batch(self, case, method):
        smoother, rows = case
        call = getattr(smoother, method)
        whole = call(rows)
        single = np.concatenate([call(rows[i : i + 1]) for i in range(4)])
        assert_allclose(single, whole[:4], rtol=1e-9, atol=1e-9)

    def test_codes(self, moons):
        """Differences of nearly equal rows, at the smallest noise levels, lose some digits."""
        call, rows = moons.smoother.to_latent, moons.fresh[:40]
        single = np.concatenate([call(rows[i : i + 1]) for i in range(4)])
        assert_allclose(single, call(rows)[:4], rtol=0, atol=1e-7)

    def test_order(self, case):
        smoother, rows = case
        order = np.random.default_rng(0).permutation(len(rows))
        assert_allclose(
            smoother.score_samples(rows[order]),
            smoother.score_samples(rows)[order],
            rtol=0,
            atol=1e-9,
        )

    def test_repetition(self, case):
        smoother, rows = case
        assert_array_equal(smoother.score_samples(rows), smoother.score_samples(rows))

    def test_chunks(self, case, monkeypatch):
        smoother, rows = case
        whole = smoother.score_samples(rows), smoother.transform(rows)
        monkeypatch.setattr(kernel_module, "_MAX_ELEMENTS", 10_000)
        parts = smoother.score_samples(rows), smoother.transform(rows)
        for part, all_rows in zip(parts, whole, strict=True):
            assert_allclose(part, all_rows, rtol=1e-9, atol=1e-9)
