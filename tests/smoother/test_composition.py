"""The smoother among scikit-learn's tools, and in the containers of its input."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.neighbors import KernelDensity, KNeighborsTransformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdiffusion import RiemannianKernelSmoother, sample_from


class TestSearch:
    def test_over_bandwidth_metric_and_neighbours(self, smooth, moons):
        grid = {
            "bandwidth": ["scott", 0.1, (0.5, 0.05)],
            "metric": ["local", "euclidean"],
            "n_neighbors": [8, 15],
        }
        search = GridSearchCV(
            smooth(known_noise=0.0), grid, cv=KFold(3, shuffle=True, random_state=0)
        )
        search.fit(moons.X)
        assert len(search.cv_results_["params"]) == 12
        assert np.isfinite(search.cv_results_["mean_test_score"]).all()
        assert search.best_params_["metric"] == "local"
        assert search.best_estimator_.sample(3).shape == (3, 2)

    def test_finds_the_blur_of_the_kernel_density_estimate(self, moons):
        """By mean log-likelihoods, which rank as the sums of the other estimator do."""
        Z = moons.X / moons.X.std(0)
        blurs, cv = np.geomspace(0.03, 1, 12), KFold(4)
        smoother = RiemannianKernelSmoother(metric="euclidean", background=None, standardize=False)
        # divided by the root mean square deviation, which is one here
        mine = GridSearchCV(smoother, {"bandwidth": blurs}, cv=cv).fit(Z)
        theirs = GridSearchCV(KernelDensity(), {"bandwidth": blurs}, cv=cv).fit(Z)
        assert mine.best_params_ == theirs.best_params_

    def test_cross_validation_prefers_what_fits(self, smooth, moons):
        good, bad = (cross_val_score(smooth(bandwidth=h), moons.X, cv=3).mean() for h in (0.1, 3.0))
        assert good > bad


class TestPipeline:
    def test_rows_come_back_through_pca(self, iris):
        pipeline = make_pipeline(
            StandardScaler(), PCA(2), RiemannianKernelSmoother(random_state=0)
        ).fit(iris.X)
        rows = sample_from(pipeline, 500, random_state=0)
        assert rows.shape == (500, 4)
        assert_allclose(rows.mean(0), iris.X.mean(0), atol=0.2)
        flat = PCA(2).fit(StandardScaler().fit_transform(iris.X))
        white = StandardScaler().fit(iris.X).transform(rows)
        assert_allclose(flat.inverse_transform(flat.transform(white)), white, atol=1e-8)

    @pytest.mark.filterwarnings("ignore:The most likely blur")
    def test_with_targets(self, iris):
        pipeline = make_pipeline(StandardScaler(), RiemannianKernelSmoother(random_state=0))
        pipeline.fit(iris.X, iris.y)
        rows, y = sample_from(pipeline, 30, return_y=True, random_state=0)
        assert rows.shape == (30, 4)
        assert set(y) <= set(iris.y)
        setosa = sample_from(pipeline, 100, y="setosa", random_state=0)
        assert_allclose(setosa.mean(0), iris.X[:50].mean(0), atol=0.25)

    def test_as_a_transformer(self, moons, smooth):
        pipeline = make_pipeline(smooth(standardize=True), KernelDensity(bandwidth=0.1)).fit(
            moons.X
        )
        assert_allclose(pipeline[:-1].transform(moons.fresh), moons.smoother.transform(moons.fresh))


class TestNeighbors:
    @pytest.mark.parametrize("algorithm", ["auto", "brute"])
    def test_of_a_transformer(self, smooth, moons, algorithm):
        given = KNeighborsTransformer(algorithm=algorithm)
        smoother = smooth(standardize=True, neighbors=given).fit(moons.X)
        assert smoother.bandwidth_ == pytest.approx(moons.smoother.bandwidth_)
        assert_allclose(
            smoother.score_samples(moons.fresh),
            moons.smoother.score_samples(moons.fresh),
            rtol=1e-6,
        )

    def test_is_a_parameter(self, smooth):
        smoother = smooth(neighbors=KNeighborsTransformer(algorithm="brute"))
        assert smoother.get_params()["neighbors__algorithm"] == "brute"
        copied = clone(smoother.set_params(neighbors__algorithm="kd_tree"))
        assert copied.neighbors.algorithm == "kd_tree"
        assert copied.neighbors is not smoother.neighbors


NAMES = ["sepal length", "sepal width", "petal length", "petal width"]


@pytest.fixture(params=[pd.DataFrame, pl.DataFrame], ids=["pandas", "polars"])
def frame(request, iris):
    if request.param is pd.DataFrame:
        return pd.DataFrame(iris.X, columns=NAMES, index=np.arange(150) + 1000)
    return pl.DataFrame(iris.X, schema=NAMES)


class TestFrames:
    @pytest.fixture
    def fitted(self, smooth, frame, iris):
        return smooth(known_noise=0.0).fit(frame, iris.y)

    def test_rows_come_out_as_they_went_in(self, frame, fitted, iris):
        rows, y = fitted.sample(7, return_y=True, random_state=0)
        assert type(rows) is type(frame)
        assert list(rows.columns) == NAMES
        expected = iris.smoother.sample(7, return_y=True, random_state=0)
        assert_allclose(rows.to_numpy(), expected[0])
        assert_array_equal(y, expected[1])
        assert list(fitted.feature_names_in_) == NAMES

    def test_codes_come_back_as_rows(self, frame, fitted):
        rows = fitted.from_latent(fitted.to_latent(frame[:5]))
        assert type(rows) is type(frame)
        assert_allclose(rows.to_numpy(), frame[:5].to_numpy(), atol=1e-2)

    def test_given_by_name(self, fitted):
        by_name = fitted.sample(5, given={"petal length": 1.4}, random_state=0)
        by_position = fitted.sample(5, given={2: 1.4}, random_state=0)
        assert_array_equal(by_name.to_numpy(), by_position.to_numpy())
        assert_array_equal(by_name.to_numpy()[:, 2], 1.4)
        with pytest.raises(ValueError, match="column 'petal', which fit has not seen"):
            fitted.sample(5, given={"petal": 1.4})

    def test_impute(self, frame, fitted, iris):
        rows = iris.X[:4].copy()
        rows[:, 3] = np.nan
        missing = pd.DataFrame(rows, columns=NAMES)
        if isinstance(frame, pl.DataFrame):
            missing = pl.DataFrame(rows, schema=NAMES).fill_nan(None)
        filled, y = fitted.impute(missing, return_y=True)
        assert type(filled) is type(frame)
        assert_allclose(filled.to_numpy(), iris.smoother.impute(rows))
        assert_array_equal(y, ["setosa"] * 4)

    def test_scores(self, frame, fitted, iris):
        assert_allclose(fitted.score_samples(frame), iris.smoother.score_samples(iris.X))
        assert_allclose(fitted.score_field(frame), iris.smoother.score_field(iris.X))

    def test_other_names(self, frame, fitted):
        other = frame[:2].rename(columns={"petal width": "x"}) if hasattr(frame, "iloc") else (
            frame[:2].rename({"petal width": "x"})
        )  # fmt: skip
        with pytest.raises(ValueError, match="feature names should match"):
            fitted.score_samples(other)

    def test_series_as_target(self, smooth, frame, iris):
        series = pd.Series if isinstance(frame, pd.DataFrame) else pl.Series
        smoother = smooth(known_noise=0.0).fit(frame, series(iris.y.tolist()))
        _, y = smoother.sample(y=series(["virginica", "setosa"]), return_y=True)
        assert_array_equal(y, ["virginica", "setosa"])

    @pytest.mark.parametrize("dtype", ["category", "Int64", "boolean", "Float32"])
    def test_targets_of_pandas(self, smooth, iris, dtype):
        values = iris.y if dtype == "category" else np.arange(150) // 75
        values = iris.X[:, 0] if dtype == "Float32" else values
        y = pd.Series(values).astype(dtype)
        _, drawn = smooth(known_noise=0.0).fit(iris.X, y).sample(20, return_y=True, random_state=0)
        if dtype != "Float32":
            assert set(drawn) <= set(y)

    def test_columns_of_integers(self, smooth):
        rng = np.random.default_rng(0)
        table = pd.DataFrame({"a": rng.integers(0, 90, 80), "b": rng.normal(size=80)})
        rows = smooth().fit(table).sample(5, random_state=0)
        assert rows.dtypes.astype(str).tolist() == ["float64"] * 2

    def test_columns_without_names(self, smooth, iris):
        rows = smooth(known_noise=0.0).fit(pd.DataFrame(iris.X)).sample(5, random_state=0)
        assert list(rows.columns) == [0, 1, 2, 3]

    def test_set_output(self, fitted, frame):
        denoised = fitted.set_output(transform="pandas").transform(frame[:3])
        assert isinstance(denoised, pd.DataFrame)
        assert list(denoised.columns) == list(fitted.get_feature_names_out()) == NAMES
