"""The sampler among scikit-learn's tools: pipelines, searches, clones."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline, make_union
from sklearn.preprocessing import StandardScaler

from skdiffusion import DenoiserNet, DiffusionManifoldSampler, sample_from


class TestParameters:
    def test_reach_into_the_net(self):
        sampler = DiffusionManifoldSampler(denoiser=DenoiserNet(lr=0.01, module__width=32))
        parameters = sampler.get_params()
        assert parameters["denoiser__lr"] == 0.01
        assert parameters["denoiser__module__width"] == 32
        sampler.set_params(denoiser__lr=0.002, denoiser__module__width=24, n_steps=5)
        assert sampler.denoiser.lr == 0.002
        assert sampler.get_params()["denoiser__module__width"] == 24
        assert sampler.n_steps == 5

    def test_take_effect(self, quick):
        X = np.random.default_rng(0).normal(size=(60, 2))
        sampler = quick().set_params(
            denoiser__module__width=24, denoiser__max_epochs=3, denoiser__lr=0.002
        )
        sampler.fit(X)
        assert len(sampler.history_) == 3
        assert any(24 in weight.shape for weight in sampler.model_.denoiser.parameters())

    def test_unknown(self, quick):
        with pytest.raises(ValueError, match="n_step"):
            quick().set_params(n_step=3)

    def test_survive_a_clone(self, quick):
        sampler = quick(n_steps=7, denoiser=DenoiserNet(lr=0.02, module__width=8))
        copied = clone(sampler)
        assert copied.denoiser is not sampler.denoiser
        assert copied.n_steps == 7
        assert copied.get_params()["denoiser__lr"] == 0.02
        assert copied.get_params()["denoiser__module__width"] == 8

    def test_the_net_given_stays_as_it_is(self, quick):
        """A copy of it is seeded and trained."""
        net = DenoiserNet(max_epochs=1, steps_per_epoch=2, module__width=8, module__depth=1)
        quick(denoiser=net, verbose=1).fit(np.random.default_rng(0).normal(size=(30, 2)))
        assert (net.random_state, net.verbose) == (None, 0)
        assert not net.initialized_


@pytest.fixture(scope="module")
def plane():
    """Rows of four columns that lie on a plane."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(400, 2)) @ rng.normal(size=(2, 4)) * [1, 10, 1, 1] + [0, 50, 0, 3]


@pytest.fixture(scope="module")
def pipeline(quick, plane):
    return make_pipeline(StandardScaler(), PCA(n_components=2), quick()).fit(plane)


class TestPipeline:
    def test_samples_in_the_units_of_its_input(self, pipeline, plane):
        rows = sample_from(pipeline, 1000, random_state=0)
        scale = plane.std(axis=0)
        assert_allclose((rows.mean(axis=0) - plane.mean(axis=0)) / scale, 0, atol=0.2)
        assert_allclose(rows.std(axis=0) / scale, 1, atol=0.15)
        assert_allclose(np.corrcoef(rows.T), np.corrcoef(plane.T), atol=0.15)
        off_plane = np.linalg.svd((rows - plane.mean(axis=0)) / scale, compute_uv=False)[2:]
        assert_allclose(off_plane, 0, atol=1e-8)

    def test_scores_like_its_last_step(self, pipeline, plane):
        codes = pipeline[:-1].transform(plane[:9])
        assert_array_equal(pipeline.score_samples(plane[:9]), pipeline[-1].score_samples(codes))
        assert_array_equal(pipeline.transform(plane[:9]), pipeline[-1].transform(codes))

    def test_the_target_reaches_the_sampler(self, quick, plane):
        y = np.where(plane[:, 0] > 0, "high", "low")
        pipeline = make_pipeline(StandardScaler(), quick()).fit(plane, y)
        rows, y = sample_from(pipeline, 90, y="high", return_y=True, random_state=0)
        assert rows[:, 0].mean() > 0.2
        assert_array_equal(y, "high")

    def test_in_a_union(self, quick, plane):
        union = make_union(StandardScaler(), quick(n_likelihood_steps=2))
        frame = union.set_output(transform="pandas").fit_transform(plane)
        assert frame.shape == (400, 8)


class TestSearch:
    def test_of_nested_parameters(self, quick):
        rng = np.random.default_rng(0)
        X = rng.normal(size=(60, 4)) @ rng.normal(size=(4, 4))
        pipeline = Pipeline([("pca", PCA(2)), ("sampler", quick(n_likelihood_steps=2))])
        grid = {"sampler__n_steps": [5, 9], "sampler__denoiser__lr": [1e-5, 3e-2]}
        search = GridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(X)
        scores = search.cv_results_["mean_test_score"]
        assert np.isfinite(scores).all()
        assert len(np.unique(scores.round(9))) == 2, (
            "n_steps must not change a score, the rest must"
        )
        assert sample_from(search.best_estimator_, 3, random_state=0).shape == (3, 4)

    def test_cross_validation_is_the_mean_log_density_of_held_out_rows(self, quick, gaussian):
        X, folds = gaussian.X[:80, :2], KFold(2)
        scores = cross_val_score(quick(), X, cv=folds, error_score="raise")
        expected = [
            quick().fit(X[train]).score_samples(X[test]).mean() for train, test in folds.split(X)
        ]
        assert_allclose(scores, expected)

    def test_cross_validation_prefers_the_right_model(self, quick, gaussian):
        """Columns that depend on each other cannot be modelled one by one."""
        X = gaussian.X[:300]
        shuffled = np.column_stack(
            [np.random.default_rng(k).permutation(x) for k, x in enumerate(X.T)]
        )
        joint = quick().fit(X[:200]).score(X[200:])
        independent = quick().fit(shuffled[:200]).score(X[200:])
        assert joint > independent + 0.2
