"""Input that cannot be learned gets a clear error, input at the edge a sensible result."""

import copy
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.exceptions import NotFittedError
from sklearn.neighbors import KNeighborsTransformer
from sklearn.utils.validation import check_is_fitted

from skdiffusion import RiemannianKernelSmoother, _smoother

X = np.random.default_rng(0).normal(size=(60, 3))
Y = np.arange(60) % 2


def with_cell(value):
    rows = X.copy()
    rows[3, 1] = value
    return rows


def assert_works(smoother, X):
    """All that a fitted smoother does gives finite numbers."""
    fresh = X[:3] + 0.01
    assert np.isfinite(smoother.score_samples(np.concatenate([X, fresh]))).all()
    assert np.isfinite(smoother.sample(50, random_state=0)).all()
    assert np.isfinite(smoother.sample(5, method="ode", random_state=0)).all()
    assert np.isfinite(smoother.transform(fresh)).all()
    assert np.isfinite(smoother.score_field(fresh)).all()
    rows = fresh.copy()
    rows[0, 0] = np.nan
    for method in ("mean", "sample"):
        assert np.isfinite(smoother.impute(rows, method=method, random_state=0)).all()


def assert_not_fitted(smoother):
    with pytest.raises(NotFittedError):
        check_is_fitted(smoother)
    assert [name for name in vars(smoother) if name.endswith("_")] == []
    calls = [
        smoother.sample,
        lambda: smoother.impute(X),
        lambda: smoother.score_samples(X),
        lambda: smoother.score(X),
        lambda: smoother.score_field(X),
        lambda: smoother.transform(X),
        lambda: smoother.to_latent(X),
        lambda: smoother.from_latent(X),
    ]
    for call in calls:
        with pytest.raises(NotFittedError):
            call()


class TestParameters:
    @pytest.mark.parametrize(
        "name, value, said",
        [
            ("metric", "global", r"metric must be one of .* or a function, got 'global'"),
            ("metric", None, "metric must be one of"),
            ("weights", "tricube", "weights must be 'uniform' or 'kernel', got 'tricube'"),
            ("target", "ordinal", "target must be one of .* got 'ordinal'"),
            ("n_neighbors", 0, "n_neighbors must be a whole number from 1 on, got 0"),
            ("n_neighbors", 2.5, "n_neighbors must be a whole number"),
            ("n_neighbors", "all", "n_neighbors must be a whole number"),
            ("rank", 0, "rank must be a whole number from 1 on"),
            ("n_steps", 0, "n_steps must be a whole number from 1 on"),
            ("n_steps", "auto", "n_steps must be a whole number from 1 on"),
            ("n_folds", 1, "n_folds must be a whole number from 2 on"),
            ("background", 1.0, "background must be 'cv', None or a share below 1, got 1.0"),
            ("background", -0.1, "background must be"),
            ("background", "auto", "background must be"),
            ("background", np.nan, "background must be"),
            ("standardize", "never", "standardize must be 'auto' or a bool, got 'never'"),
            ("known_noise", -0.5, "known_noise must be 'cv' or not negative, got -0.5"),
            ("known_noise", np.inf, "known_noise must be"),
            ("noise_level", -1.0, "noise_level must be None or not negative, got -1.0"),
            ("noise_level", np.inf, "noise_level must be"),
            ("bandwidth", 0.0, r"bandwidth must be 'cv', 'scott', a positive blur or a pair"),
            ("bandwidth", -0.3, "bandwidth must be"),
            ("bandwidth", np.nan, "bandwidth must be"),
            ("bandwidth", None, "bandwidth must be"),
            ("bandwidth", "silverman", "bandwidth must be .* got 'silverman'"),
            ("bandwidth", (1.0, 0.0), "bandwidth must be"),
            ("bandwidth", (-1.0, 0.5), "bandwidth must be"),
            ("bandwidth", (np.inf, 0.5), "bandwidth must be"),
            ("bandwidth", [0.5], "bandwidth must be"),
            ("bandwidth", (0.1, 0.2, 0.3), "bandwidth must be"),
            ("bandwidth", ("a", "b"), "bandwidth must be"),
        ],
    )
    def test_out_of_range(self, smooth, name, value, said):
        smoother = smooth(**{name: value})
        with pytest.raises(ValueError, match=said):
            smoother.fit(X)
        assert_not_fitted(smoother)

    @pytest.mark.parametrize("bandwidth", [1, np.float32(0.5), [1, 0.5], np.array([1.0, 0.5])])
    def test_bandwidths_of_any_number_type(self, smooth, bandwidth):
        assert smooth(bandwidth=bandwidth).fit(X).bandwidth_[0] == 1.0

    def test_neighbours_that_are_no_transformer(self, smooth):
        with pytest.raises(TypeError, match="neighbors must be a transformer"):
            smooth(neighbors="annoy").fit(X)
        with pytest.raises(ValueError, match="set mode='distance'"):
            smooth(neighbors=KNeighborsTransformer(mode="connectivity")).fit(X)

    def test_metric_of_another_shape(self, smooth):
        with pytest.raises(ValueError, match=r"metric\(X\) must return finite tensors"):
            smooth(metric=lambda Z: Z).fit(X)

    def test_more_neighbours_than_rows(self, smooth):
        with pytest.warns(UserWarning, match="n_neighbors=99 is not below .* 60: using 59") as said:
            smoother = smooth(n_neighbors=99, standardize=True).fit(X)
        assert smoother.n_neighbors_ == 59
        assert said[0].filename == __file__


class TestCells:
    @pytest.mark.parametrize(
        "value, said", [(np.nan, "NaN"), (np.inf, "infinity"), (-np.inf, "infinity")]
    )
    def test_not_finite(self, smooth, moons, value, said):
        with pytest.raises(ValueError, match=said):
            smooth().fit(with_cell(value))
        rows = moons.X.copy()
        rows[0, 0] = value
        fitted = moons.smoother
        for method in (
            fitted.score_samples,
            fitted.transform,
            fitted.to_latent,
            fitted.score_field,
        ):
            with pytest.raises(ValueError, match=said):
                method(rows)

    def test_infinity_is_not_missing(self, moons):
        with pytest.raises(ValueError, match="infinity"):
            moons.smoother.impute([[np.inf, np.nan]])

    def test_other_columns(self, moons):
        for method in (moons.smoother.score_samples, moons.smoother.impute):
            with pytest.raises(ValueError, match="3 features, but RiemannianKernelSmoother"):
                method(X)

    def test_text(self, smooth):
        with pytest.raises(ValueError, match="could not convert"):
            smooth().fit([["a", 1.0], ["b", 2.0]])

    def test_not_a_table(self, smooth):
        with pytest.raises(ValueError, match="Expected 2D array, got 1D"):
            smooth().fit(X[:, 0])


class TestFewRows:
    def test_one(self, smooth):
        with pytest.raises(ValueError, match="minimum of 2"):
            smooth().fit(X[:1])

    @pytest.mark.filterwarnings("ignore")
    @pytest.mark.parametrize("n", range(2, 13))
    @pytest.mark.parametrize("metric", ["local", "euclidean", "covariance", "knn"])
    def test_very_few(self, smooth, n, metric):
        smoother = smooth(metric=metric).fit(X[:n], Y[:n])
        assert_works(smoother, X[:n])
        assert smoother.n_neighbors_ < n
        _, y = smoother.sample(20, return_y=True)
        assert set(y) <= {0, 1}

    @pytest.mark.filterwarnings("ignore")
    def test_fewer_than_columns(self, smooth):
        wide = np.random.default_rng(0).normal(size=(12, 40))
        smoother = smooth().fit(wide)
        assert smoother.joint_.denoiser.factors.shape[2] == 16
        assert_works(smoother, wide)

    def test_none_to_score(self, moons):
        with pytest.raises(ValueError, match=r"0 sample\(s\)"):
            moons.smoother.score_samples(moons.X[:0])


@pytest.mark.filterwarnings("ignore:The most likely blur")
class TestDegenerateRows:
    @pytest.mark.parametrize("metric", ["local", "euclidean", "covariance", "knn"])
    def test_repeated(self, smooth, metric):
        rows = np.repeat(X[:15], 4, axis=0)
        with pytest.warns(UserWarning, match=r"most likely blur.*a column repeats 45 of 60"):
            smoother = smooth(metric=metric, background=None).fit(rows)
        assert smoother.bandwidth_[1] == pytest.approx(1e-3, rel=0.02)
        assert_works(smoother, rows)

    def test_a_cluster_without_variance(self, smooth):
        rows = np.random.RandomState(0).normal(size=(60, 2))
        rows = np.concatenate([rows, np.full((20, 2), 5.0)])
        with pytest.warns(UserWarning, match="most likely blur is the smallest allowed"):
            smoother = smooth().fit(rows)
        assert_works(smoother, rows)

    def test_two_distinct(self, smooth):
        assert_works(smooth().fit(np.repeat(X[:2], 20, axis=0)), X[:2])

    def test_discrete_column(self, smooth):
        rows = np.column_stack([X[:, :2], Y])
        with pytest.warns(UserWarning, match="most likely blur is the smallest allowed"):
            smoother = smooth(background=None).fit(rows)
        assert_works(smoother, rows)
        drawn = smoother.sample(200, random_state=0)[:, 2]
        assert np.mean(np.minimum(abs(drawn), abs(drawn - 1)) < 0.05) > 0.95

    def test_rounded_columns_do_not_collapse(self, smooth):
        rounded = np.round(np.random.default_rng(0).normal(size=(300, 2)), 1)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            smoother = smooth().fit(rounded)
        assert smoother.bandwidth_[1] > 0.01

    def test_copies_of_a_column(self, smooth):
        rows = np.column_stack([X[:, 0], X[:, 0], -2 * X[:, 0], X[:, 1]])
        smoother = smooth().fit(rows)
        assert_works(smoother, rows)
        drawn = smoother.sample(200, random_state=0)
        assert np.corrcoef(drawn[:, 0], drawn[:, 2])[0, 1] < -0.99

    def test_given_bandwidths_bring_no_warning(self, smooth):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for bandwidth in (1e-3, (1.0, 1e-3), "scott"):
                smooth(bandwidth=bandwidth, metric="covariance").fit(np.repeat(X[:15], 4, axis=0))

    def test_the_warning_points_at_the_caller(self, smooth):
        with pytest.warns(UserWarning, match="most likely blur") as said:
            smooth(background=None).fit(np.repeat(X[:15], 4, axis=0))
        assert {record.filename for record in said} == {__file__}


class TestColumns:
    def test_a_constant_one_comes_back(self, smooth):
        rows = np.insert(X, 1, 7.5, axis=1)
        with pytest.warns(UserWarning, match="Constant columns count for nothing.*: 1") as said:
            smoother = smooth().fit(rows)
        assert said[0].filename == __file__
        assert_works(smoother, rows)
        assert_allclose(smoother.sample(30)[:, 1], 7.5)
        assert_allclose(smoother.transform(rows)[:, 1], 7.5)

    def test_all_constant(self, smooth):
        with pytest.raises(ValueError, match="Every column of X is constant"):
            smooth().fit(np.tile([1.0, 0.1], (30, 1)))

    @pytest.mark.parametrize("y", [None, Y, X[:, 1]], ids=["no target", "classes", "numbers"])
    def test_a_single_one(self, smooth, y):
        smoother = smooth().fit(X[:, :1], y)
        assert_works(smoother, X[:, :1])
        assert smoother.to_latent(X[:, :1]).shape == (60, 1)

    @pytest.mark.parametrize("factor", [1e-200, 1e-15, 1e200])
    def test_extreme_units(self, smooth, factor):
        smoother = smooth().fit(X * factor)
        ratio = (smoother.sample(300, random_state=0) / factor).std(0) / X.std(0)
        assert np.all((ratio > 0.7) & (ratio < 1.5))
        assert np.isfinite(smoother.score_samples(X * factor)).all()

    @pytest.mark.filterwarnings("ignore:The most likely blur")
    def test_an_outlier_among_ordinary_rows(self, smooth):
        rows = np.vstack([X, [1e8, 0, 0]])
        smoother = smooth().fit(rows)
        assert_works(smoother, rows)

    def test_a_row_far_from_all(self, moons):
        far = np.array([[1e6, -1e6]])
        assert moons.smoother.score_samples(far) < -1e9
        assert np.isfinite(moons.smoother.score_field(far)).all()
        assert np.isfinite(moons.smoother.transform(far)).all()

    def test_a_known_cell_far_from_all(self, moons):
        filled = moons.smoother.impute([[1e3, np.nan]])
        assert np.isfinite(filled).all()


class TestTarget:
    @pytest.mark.parametrize("n", [59, 61])
    def test_other_length(self, smooth, n):
        with pytest.raises(ValueError, match="inconsistent numbers of samples"):
            smooth().fit(X, np.arange(n) % 2)

    @pytest.mark.parametrize("value, said", [(np.nan, "NaN"), (np.inf, "infinity")])
    def test_not_finite(self, smooth, diabetes, value, said):
        with pytest.raises(ValueError, match=f"y contains {said}"):
            smooth().fit(X, np.where(Y, value, 1.0))
        with pytest.raises(ValueError, match=f"y contains {said}"):
            diabetes.smoother.sample(3, y=value)

    def test_missing_class(self, smooth):
        with pytest.raises(ValueError, match=r"y contains missing values.*drop|NaN"):
            smooth().fit(X, np.array(["a", None] * 30, dtype=object))

    def test_two_columns(self, smooth):
        with pytest.raises(ValueError, match="y should be a 1d array"):
            smooth().fit(X, X[:, :2])

    def test_text_as_number(self, smooth, diabetes):
        with pytest.raises(ValueError, match="could not convert"):
            smooth(target="continuous").fit(X, ["a"] * 59 + ["b"])
        with pytest.raises(ValueError, match="could not convert"):
            diabetes.smoother.sample(2, y="high")

    @pytest.mark.parametrize("y", [np.full(60, 0.1), np.zeros(60), ["only"] * 60])
    def test_that_never_changes(self, smooth, y):
        smoother = smooth().fit(X, y)
        assert_works(smoother, X)
        assert smoother.sample(3, y=y[0]).shape == (3, 3)

    @pytest.mark.parametrize("asked", [{"y": "red"}, {"return_y": True}])
    def test_without_target_in_fit(self, moons, asked):
        with pytest.raises(ValueError, match=r"no target.*fitted without y"):
            moons.smoother.sample(3, **asked)
        with pytest.raises(ValueError, match=r"no target.*fitted without y"):
            moons.smoother.impute(moons.X[:1], **asked | ({"y": ["red"]} if "y" in asked else {}))

    def test_unseen_class(self, iris):
        said = r"not seen: lily\. Known are setosa, versicolor, virginica"
        with pytest.raises(ValueError, match=said):
            iris.smoother.sample(3, y="lily")
        with pytest.raises(ValueError, match=said):
            iris.smoother.impute(iris.X[:2], y=["setosa", "lily"])


class TestRequests:
    @pytest.mark.parametrize("n_samples", [0, -1, 1.5, "3", None])
    def test_number_of_rows(self, moons, n_samples):
        with pytest.raises(ValueError, match="n_samples must be at least 1, a whole number"):
            moons.smoother.sample(n_samples)

    def test_numbers_of_rows_disagree(self, iris):
        with pytest.raises(ValueError, match="y has 2 entries, but n_samples=3"):
            iris.smoother.sample(3, y=["setosa", "virginica"])
        with pytest.raises(ValueError, match="inconsistent numbers of samples"):
            iris.smoother.impute(iris.X[:3], y=["setosa", "virginica"])

    def test_method(self, moons):
        with pytest.raises(ValueError, match="method must be 'exact', 'ode' or 'sde', got 'heun'"):
            moons.smoother.sample(3, method="heun")
        with pytest.raises(ValueError, match="method must be 'mean' or 'sample', got 'median'"):
            moons.smoother.impute(moons.X, method="median")

    def test_cells_with_another_method(self, moons, diabetes):
        with pytest.raises(ValueError, match="method='ode' draws whole rows: use 'exact'"):
            moons.smoother.sample(3, given={0: 0.5}, method="ode")
        with pytest.raises(ValueError, match="method='sde' draws whole rows: use 'exact'"):
            diabetes.smoother.sample(3, y=150.0, method="sde")

    @pytest.mark.parametrize(
        "given, said",
        [
            ({2: 1.0}, "given names column 2, which fit has not seen"),
            ({-1: 1.0}, "given names column -1"),
            ({"x": 1.0}, "given names column 'x'"),
            ({0: np.inf}, "given must hold finite numbers, got 0: inf"),
            ({0: [1.0]}, "given must hold finite numbers"),
            ([1.0, np.nan, np.nan], r"given must be a row of 2 cells, got shape \(3,\)"),
            ([[1.0, np.nan]], r"given must be a row of 2 cells, got shape \(1, 2\)"),
            ([np.inf, np.nan], "infinity"),
            (["a", np.nan], "could not convert"),
            ({0: "a"}, "could not convert"),
        ],
    )
    def test_given(self, moons, given, said):
        with pytest.raises(ValueError, match=said):
            moons.smoother.sample(3, given=given)

    def test_codes(self, moons):
        with pytest.raises(ValueError, match="U contains NaN"):
            moons.smoother.from_latent([[np.nan, 0.0]])


class TestUnfitted:
    def test_before_fit(self):
        assert_not_fitted(RiemannianKernelSmoother())

    @pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
    def test_after_a_stopped_second_fit(self, smooth, monkeypatch, error):
        smoother = smooth(bandwidth="scott").fit(X, Y)

        def stop(*args, **options):
            raise error

        monkeypatch.setattr(_smoother, "fit_kernels", stop)
        with pytest.raises(error):
            smoother.fit(X)
        assert_not_fitted(smoother)

    @pytest.mark.parametrize(
        "bad", [{"X": with_cell(np.nan)}, {"X": X, "y": Y[:5]}, {"X": X[:1]}, {"X": 0 * X}]
    )
    def test_after_a_second_fit_on_bad_data(self, moons, bad):
        smoother = copy.deepcopy(moons.smoother)
        with pytest.raises(ValueError):
            smoother.fit(**bad)
        assert_not_fitted(smoother)

    def test_nothing_of_an_earlier_target_is_left(self, smooth):
        smoother = smooth(bandwidth="scott").fit(X, Y).fit(X, X[:, 0])
        assert not hasattr(smoother, "classes_")
        with pytest.raises(ValueError, match="no target"):
            smoother.fit(X).sample(return_y=True)
