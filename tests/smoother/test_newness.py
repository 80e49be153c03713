"""How far from rows the smoother draws, which its density does not say."""

import pickle
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from scipy.spatial.distance import cdist
from scipy.stats import ks_2samp
from sklearn.base import clone

from skdiffusion import RiemannianKernelSmoother
from skdiffusion.metrics import GowerScaler, dcr_ratio, exact_copies
from skdiffusion.model.starts import Starts
from skdiffusion.tables.conditions import Conditions

SEEDS = pytest.mark.parametrize("seed", range(5))


def rings(n, seed):
    """Two rings of two classes, one within the other, and three columns of noise."""
    rng = np.random.RandomState(seed)
    angle, y = rng.uniform(0, 2 * np.pi, n), np.arange(n) % 2
    ring = np.c_[np.cos(angle), np.sin(angle)] * (1 + 2 * y)[:, None] + 0.05 * rng.normal(
        size=(n, 2)
    )
    return np.c_[ring, 0.2 * rng.normal(size=(n, 3))], y


def fitted(smooth, *data, **options):
    """Wide kernels, whose draws are farther from rows than these from one another."""
    return smooth(**{"bandwidth": (2.0, 0.5), "dcr_ratio": 0.8} | options).fit(*data)


class TestRatio:
    @SEEDS
    @pytest.mark.parametrize("ratio", [0.4, 0.8, 1.2])
    def test_is_reached(self, smooth, ratio, seed):
        X, y = rings(400, seed)
        smoother = fitted(smooth, X, y, dcr_ratio=ratio, random_state=seed)
        assert smoother.dcr_ratio_ == pytest.approx(ratio, rel=0.1)
        drawn = np.column_stack(smoother.sample(400, return_y=True, random_state=seed))
        real, fresh = np.c_[X, y], np.column_stack(rings(400, seed + 100))
        points = map(GowerScaler([5]).fit(real).transform, (real, fresh, drawn))
        assert dcr_ratio(*points) == pytest.approx(ratio, rel=0.25)
        assert exact_copies(real, drawn) == 0

    def test_of_a_density_that_comes_nearer(self, smooth):
        smoother = fitted(smooth, *rings(200, 0), metric="euclidean", bandwidth=0.01)
        assert smoother.dcr_ratio_ > 0.5
        X, y = rings(200, 0)
        exact = smooth(metric="euclidean", bandwidth=0.01).fit(X, y)
        far, near = (
            np.median(cdist(s.sample(200, random_state=0), X).min(1)) for s in (smoother, exact)
        )
        assert far > 2 * near

    def test_none_is_not_measured(self, smooth):
        smoother = smooth().fit(*rings(100, 0))
        assert np.isnan(smoother.dcr_ratio_)
        assert smoother.model_.starts is None


class TestDraws:
    @SEEDS
    def test_of_a_class_are_between_its_rows(self, smooth, seed):
        X, y = rings(400, seed)
        smoother = fitted(smooth, X, y)
        for k in (0, 1):
            drawn = smoother.sample(300, y=k, random_state=seed)
            radius = np.linalg.norm(drawn[:, :2], axis=1)
            assert np.mean(np.abs(radius - (1 + 2 * k)) < 1) > 0.97

    @SEEDS
    def test_keep_means(self, smooth, seed):
        X, y = rings(300, seed)
        X = np.exp(X / 2)
        smoother = fitted(smooth, X, y)
        drawn, label = smoother.sample(30_000, return_y=True, random_state=seed)
        for k in (0, 1):
            own = X[y == k]
            error = np.abs(drawn[label == k].mean(0) - own.mean(0)) / own.std(0)
            assert error.max() < 0.05

    def test_follow_weights(self, smooth):
        X = rings(400, 0)[0]
        X[:100, 4] += 50
        weights = np.where(np.arange(400) < 100, 3.0, 1.0)
        drawn = fitted(smooth, X).fit(X, sample_weight=weights).sample(1000, random_state=0)
        assert np.mean(drawn[:, 4] > 25) == pytest.approx(0.5, abs=0.002)

    @pytest.mark.filterwarnings("error")
    def test_have_seen_combinations_of_categories(self, smooth):
        X, y = rings(300, 0)
        table = pd.DataFrame(X).add_prefix("x")
        table["kind"] = pd.Categorical(np.array(list("abc"))[np.arange(300) % 3])
        table["like"] = table["kind"].astype(str) + np.where(y, "in", "out")
        smoother = fitted(smooth, table, y)
        assert smoother.model_.starts is not None
        drawn, label = smoother.sample(500, return_y=True, random_state=0)
        seen = drawn["kind"].astype(str) + np.where(label, "in", "out")
        assert (drawn["like"] == seen).all()
        given = smoother.sample(50, conditions={"kind": "b"}, y=1, random_state=0)
        assert set(given["like"]) == {"bin"}

    def test_categories_have_no_noise(self):
        """At a noise level that would turn each into any other."""
        kinds = np.arange(5000) % 2 * [[1.0], [-1.0]]
        rows = np.c_[np.zeros(5000), kinds.T]
        is_category = np.array([False, True, True])
        starts = Starts(rows, 3.0, is_category).between(0)
        sampling = SimpleNamespace(solver=None, guidance_scale=1.0)
        model = SimpleNamespace(sampling=sampling, noise=None, is_target=np.zeros(3, dtype=bool))
        free = Conditions(np.full((1, 3), np.nan))
        drawn = starts.draw(model, free, 5000, np.random.RandomState(0))
        assert_array_equal(np.unique(drawn[:, 1:], axis=0), np.unique(rows[:, 1:], axis=0))
        assert drawn[:, 0].std() == pytest.approx(3.0, rel=0.05)


@pytest.fixture(scope="module")
def pair():
    X, y = rings(150, 0)
    table = pd.DataFrame(X).add_prefix("x").assign(kind=np.where(X[:, 0] > 0, "r", "l"))
    options = {"bandwidth": (2.0, 0.5), "background": 0.1, "random_state": 0}
    return table, [
        RiemannianKernelSmoother(dcr_ratio=ratio, **options).fit(table, y) for ratio in (0.8, None)
    ]


class TestTheRest:
    """All but draws is of the density, whatever the ratio."""

    def test_densities_and_latents(self, pair):
        table, smoothers = pair
        assert smoothers[0].model_.starts is not None
        for method in ("score_samples", "transform"):
            assert_array_equal(*(getattr(s, method)(table) for s in smoothers))
        assert_array_equal(*(s.known_noise_ for s in smoothers))

    @pytest.mark.parametrize("known", [["x0"], ["kind"], []])
    def test_imputations(self, pair, known):
        table, smoothers = pair
        gaps = table.head(20).reindex(columns=known).reindex(columns=table.columns)
        for strategy in ("mean", "draw"):
            options = {"strategy": strategy, "return_y": True, "random_state": 0}
            filled = [s.impute(gaps, **options) for s in smoothers]
            pd.testing.assert_frame_equal(filled[0][0], filled[1][0])
            assert_array_equal(filled[0][1], filled[1][1])

    def test_draws_given_numbers(self, pair):
        _, smoothers = pair
        options = {"y": 1, "random_state": 0}
        given = [s.sample(2000, conditions={"x0": 0.3}, **options)["x1"] for s in smoothers]
        assert ks_2samp(*given).pvalue > 1e-3
        free = [s.sample(2000, **options)["x1"] for s in smoothers]
        assert ks_2samp(*free).pvalue < 1e-6

    def test_copies_of_the_estimator(self, pair):
        smoother = pair[1][0]
        assert clone(smoother).dcr_ratio == 0.8
        loaded = pickle.loads(pickle.dumps(smoother))
        for given in ({}, {"y": 1}, {"conditions": {"kind": "r"}}):
            draws = [s.sample(9, random_state=0, **given) for s in (smoother, loaded)]
            pd.testing.assert_frame_equal(*draws)
