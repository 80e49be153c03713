"""Fits of the smoother: bad input, edges, seeds and scikit-learn's tools."""

import copy
import pickle
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

from skdiffusion import RiemannianKernelSmoother, _smoother, sample_from
from skdiffusion.diffusion import kernel_density

X = np.random.default_rng(0).normal(size=(60, 3))
Y = np.arange(60) % 2


def assert_works(smoother, X):
    """All that a fitted smoother does gives finite numbers."""
    fresh = X[:3] + 0.01
    assert np.isfinite(smoother.score_samples(np.concatenate([X, fresh]))).all()
    assert np.isfinite(smoother.sample(50, random_state=0)).all()
    assert np.isfinite(smoother.denoise(fresh)).all()
    assert np.isfinite(smoother.score_field(fresh)).all()
    rows = fresh.copy()
    rows[0, 0] = np.nan
    for strategy in ("mean", "draw"):
        assert np.isfinite(smoother.impute(rows, strategy=strategy, random_state=0)).all()


def assert_not_fitted(smoother):
    with pytest.raises(NotFittedError):
        check_is_fitted(smoother)
    assert [name for name in vars(smoother) if name.endswith("_")] == []
    for method in ("score_samples", "score_field", "transform", "denoise", "impute"):
        with pytest.raises(NotFittedError):
            getattr(smoother, method)(X)
    with pytest.raises(NotFittedError):
        smoother.sample()


class TestParameters:
    @pytest.mark.parametrize(
        "name, value, said",
        [
            ("metric", "knn", "'metric' parameter .* Got 'knn'"),
            ("metric", None, "'metric' parameter .* Got None"),
            ("target", "ordinal", "target must be one of .* got 'ordinal'"),
            ("n_neighbors", 0, "'n_neighbors' parameter .* Got 0"),
            ("n_neighbors", "all", "'n_neighbors' parameter .* Got 'all'"),
            ("n_steps", "auto", "'n_steps' parameter .* Got 'auto'"),
            ("background", 1.0, "'background' parameter .* Got 1.0"),
            ("background", np.nan, "'background' parameter .* Got nan"),
            ("standardize", "never", "'standardize' parameter .* Got 'never'"),
            ("dcr_ratio", 0.0, "'dcr_ratio' parameter .* Got 0.0"),
            ("known_noise", -0.5, "'known_noise' parameter .* Got -0.5"),
            ("known_noise", np.inf, "'known_noise' parameter .* Got inf"),
            ("bandwidth", 0.0, "'bandwidth' parameter .* Got 0.0"),
            ("bandwidth", np.nan, "'bandwidth' parameter .* Got nan"),
            ("bandwidth", "scott", "'bandwidth' parameter .* Got 'scott'"),
            ("bandwidth", (-1.0, 0.5), "bandwidth as a pair must be"),
            ("bandwidth", [0.5], "bandwidth as a pair must be"),
            ("bandwidth", ("a", "b"), "bandwidth as a pair must be"),
        ],
    )
    def test_out_of_range(self, smooth, name, value, said):
        smoother = smooth(**{name: value})
        with pytest.raises(ValueError, match=said):
            smoother.fit(X, Y)
        assert_not_fitted(smoother)

    @pytest.mark.parametrize("bandwidth", [1, np.float32(0.5), [1, 0.5], np.array([1.0, 0.5])])
    def test_bandwidths_of_any_number_type(self, smooth, bandwidth):
        assert smooth(bandwidth=bandwidth).fit(X).bandwidth_[0] == 1.0

    def test_more_neighbours_than_rows(self, smooth):
        with pytest.warns(UserWarning, match="n_neighbors=99 is not below .* 60: using 59") as said:
            smoother = smooth(n_neighbors=99).fit(X)
        assert smoother.n_neighbors_ == 59
        assert said[0].filename == __file__


class TestEdges:
    @pytest.mark.filterwarnings("ignore")
    @pytest.mark.parametrize(
        "n, metric",
        [
            (2, "local"),
            (2, "euclidean"),
            (3, "local"),
            (5, "euclidean"),
            (8, "local"),
            (12, "local"),
        ],
    )
    def test_very_few_rows(self, n, metric):
        smoother = RiemannianKernelSmoother(metric=metric, random_state=0).fit(X[:n], Y[:n])
        assert_works(smoother, X[:n])
        assert smoother.n_neighbors_ < n

    def test_more_columns_than_rows(self, smooth):
        wide = np.random.default_rng(0).normal(size=(12, 40))
        smoother = smooth().fit(wide)
        assert smoother.model_.denoiser.factors.shape[2] == 16
        assert_works(smoother, wide)

    def test_a_line_collapses(self):
        # of distances that no decimal step divides, or they would count as rounded
        rows = X[:, :1] * [1.0, 2.0, -1.0]
        smoother = RiemannianKernelSmoother(background=None, known_noise=0.0, random_state=0)
        with pytest.warns(UserWarning, match="most likely blur is the smallest allowed") as said:
            smoother.fit(rows)
        assert {record.filename for record in said} == {__file__}
        assert smoother.bandwidth_[1] == pytest.approx(1e-3, rel=0.02)
        assert_works(smoother, rows)

    @pytest.mark.parametrize("kind", ["repeated", "rounded"])
    def test_no_collapse_and_no_warning(self, kind, global_random_seed):
        rng = np.random.default_rng(global_random_seed)
        drawn = rng.normal(size=(100, 2))
        rows = np.repeat(drawn[:15], 4, axis=0) if kind == "repeated" else np.round(drawn, 1)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            smoother = RiemannianKernelSmoother(
                metric="euclidean", background=None, known_noise=0.0, random_state=0
            ).fit(rows)
        assert smoother.bandwidth_[1] > 0.1
        assert_works(smoother, rows)

    def test_given_bandwidths_bring_no_warning(self, smooth):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for bandwidth in (1e-3, (1.0, 1e-3)):
                smooth(bandwidth=bandwidth, background=None).fit(np.repeat(X[:15], 4, axis=0))

    @pytest.mark.filterwarnings("ignore:The most likely blur")
    def test_degenerate_columns(self, smooth):
        copies = np.column_stack([X[:, 0], X[:, 0], -2 * X[:, 0], X[:, 1]])
        smoother = smooth(background=None).fit(copies)
        assert_works(smoother, copies)
        drawn = smoother.sample(200, random_state=0)
        assert np.corrcoef(drawn[:, 0], drawn[:, 2])[0, 1] < -0.95
        outlier = np.vstack([X, [1e8, 0, 0]])
        assert_works(smooth().fit(outlier), outlier)

    def test_all_constant(self, smooth):
        with pytest.raises(ValueError, match="Every column of X is constant"):
            smooth().fit(np.tile([1.0, 0.1], (30, 1)))

    @pytest.mark.parametrize("y", [None, Y, X[:, 1]], ids=["no target", "classes", "numbers"])
    def test_a_single_column(self, y):
        smoother = RiemannianKernelSmoother(random_state=0).fit(X[:, :1], y)
        assert_works(smoother, X[:, :1])
        assert smoother.transform(X[:, :1]).shape == (60, 1)

    @pytest.mark.parametrize("factor", [1e-15, 1e15])
    def test_extreme_units(self, smooth, factor):
        smoother = smooth(bandwidth=0.3).fit(X * factor)
        ratio = (smoother.sample(300, random_state=0) / factor).std(0) / X.std(0)
        assert np.all((ratio > 0.7) & (ratio < 1.5))
        assert np.isfinite(smoother.score_samples(X * factor)).all()

    def test_rows_and_cells_far_from_all(self, moons):
        far = np.array([[1e6, -1e6]])
        assert moons.smoother.score_samples(far) < -1e9
        assert np.isfinite(moons.smoother.score_field(far)).all()
        assert np.isfinite(moons.smoother.denoise(far)).all()
        assert np.isfinite(moons.smoother.impute([[1e3, np.nan]])).all()

    def test_gaps_in_fit(self, smooth, gaussian):
        """Rows with gaps tell what they can: correlations are those of complete rows."""
        rows = gaussian.X.copy()
        rows[::3, 0] = np.nan
        drawn = smooth(bandwidth=(0.0, 0.1), background=None).fit(rows).sample(4000, random_state=0)
        assert_allclose(np.corrcoef(drawn.T), np.corrcoef(gaussian.X.T), atol=0.1)


class TestState:
    @pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
    def test_after_a_stopped_second_fit(self, smooth, monkeypatch, error):
        smoother = smooth().fit(X, Y)

        def stop(*args, **options):
            raise error

        monkeypatch.setattr(_smoother, "choose_known_noise", stop)
        with pytest.raises(error):
            smoother.set_params(known_noise="cv").fit(X)
        assert_not_fitted(smoother)

    @pytest.mark.parametrize("bad", [{"X": X, "y": Y[:5]}, {"X": X[:1]}, {"X": 0 * X}])
    def test_after_a_second_fit_on_bad_data(self, moons, bad):
        smoother = copy.deepcopy(moons.smoother)
        with pytest.raises(ValueError):
            smoother.fit(**bad)
        assert_not_fitted(smoother)

    def test_seeds(self):
        rounded = np.round(X, 1)
        first, second, other = (
            RiemannianKernelSmoother(known_noise=0.0, random_state=seed).fit(rounded, Y)
            for seed in (0, 0, 1)
        )
        assert_array_equal(first.score_samples(X), second.score_samples(X))
        assert (first.score_samples(X) != other.score_samples(X)).any()
        draws = [first.sample(9, random_state=seed) for seed in (3, 3, 4)]
        assert_array_equal(draws[0], draws[1])
        assert (draws[0] != draws[2]).any()

    def test_nothing_but_fit_changes_the_smoother(self, iris):
        smoother = iris.smoother

        def state():
            tensors = smoother.model_.denoiser.state_dict().values()
            own = {k: v for k, v in vars(smoother).items() if k != "_model"}
            return joblib.hash([own, [tensor.numpy() for tensor in tensors]])

        before = state()
        smoother.score_samples(iris.X[:5])
        smoother.score_field(iris.X[:5], 0.3)
        smoother.inverse_transform(smoother.transform(iris.X[:5]))
        smoother.denoise(iris.X[:5])
        smoother.impute(np.full((2, 4), np.nan), return_y=True)
        smoother.sample(3, y="setosa", conditions={0: 5.0})
        assert state() == before

    def test_a_pickle_holds_the_whole_smoother(self, iris):
        loaded = pickle.loads(pickle.dumps(iris.smoother))
        for draw in ({}, {"y": "setosa"}, {"conditions": {0: 5.0}}):
            expected = iris.smoother.sample(5, random_state=0, **draw)
            assert_array_equal(loaded.sample(5, random_state=0, **draw), expected)

    def test_order_of_rows_does_not_matter(self, smooth):
        order = np.random.default_rng(0).permutation(60)
        first, second = (smooth(background=None).fit(rows) for rows in (X, X[order]))
        assert_allclose(second.score_samples(X), first.score_samples(X), rtol=1e-10)


class TestRowsByThemselves:
    """What a row gets depends neither on the other rows nor on their order."""

    @pytest.fixture(scope="class")
    def many(self, smooth):
        """A smoother that leaves far kernels out."""
        rows = np.random.default_rng(0).normal(size=(9000, 2))
        assert len(rows) >= kernel_density._MIN_TRUNCATED
        return smooth(bandwidth=(1.0, 0.05), background=None).fit(rows), rows[:40]

    @pytest.fixture(params=["moons", "classes", "many"])
    def case(self, request, moons, iris, many):
        return {
            "moons": (moons.smoother, moons.fresh[:40]),
            "classes": (iris.smoother, iris.X[::4]),
            "many": many,
        }[request.param]

    @pytest.mark.parametrize("method", ["score_samples", "denoise", "score_field"])
    def test_batch(self, case, method, monkeypatch):
        smoother, rows = case
        call = getattr(smoother, method)
        whole = call(rows)
        single = np.concatenate([call(rows[i : i + 1]) for i in range(4)])
        assert_allclose(single, whole[:4], rtol=1e-9, atol=1e-9)
        assert_allclose(call(rows[::-1]), whole[::-1], rtol=1e-9, atol=1e-9)
        monkeypatch.setattr(kernel_density, "_MAX_ELEMENTS", 10_000)
        assert_allclose(call(rows), whole, rtol=1e-9, atol=1e-9)


class TestTools:
    def test_search_finds_the_blur_of_the_kernel_density_estimate(self, moons):
        """By mean log-likelihoods, which rank as the sums of the other estimator do."""
        Z = moons.X / moons.X.std(0)
        grid, cv = {"bandwidth": np.geomspace(0.05, 1, 6)}, KFold(4)
        smoother = RiemannianKernelSmoother(
            metric="euclidean", background=None, standardize=False, known_noise=0.0
        )
        mine = GridSearchCV(smoother, grid, cv=cv).fit(Z)
        theirs = GridSearchCV(KernelDensity(), grid, cv=cv).fit(Z)
        assert mine.best_params_ == theirs.best_params_

    def test_rows_come_back_through_pca(self, smooth, iris):
        pipeline = make_pipeline(StandardScaler(), PCA(2), smooth()).fit(iris.X, iris.y)
        rows, y = sample_from(pipeline, 500, return_y=True, random_state=0)
        assert_allclose(rows.mean(0), iris.X.mean(0), atol=0.2)
        assert set(y) <= set(iris.y)
        flat = PCA(2).fit(StandardScaler().fit_transform(iris.X))
        white = StandardScaler().fit(iris.X).transform(rows)
        assert_allclose(flat.inverse_transform(flat.transform(white)), white, atol=1e-8)

    def test_names_of_latents(self, smooth, iris):
        names = ["a", "b", "c", "d"]
        fitted = smooth().fit(pd.DataFrame(iris.X, columns=names))
        latents = fitted.set_output(transform="pandas").transform(
            pd.DataFrame(iris.X[:3], columns=names)
        )
        assert list(latents.columns) == list(fitted.get_feature_names_out())
        assert latents.shape == (3, 4)
