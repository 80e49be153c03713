"""Rows drawn from the smoother: their law, with and without conditions, by every method."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import ks_2samp
from sklearn.metrics import balanced_accuracy_score
from sklearn.neighbors import KernelDensity, NearestCentroid, NearestNeighbors

METHODS = ["exact", "ode", "sde"]


class TestRows:
    @pytest.mark.parametrize("method", METHODS)
    def test_follow_the_law(self, moons, method):
        """By their log-densities, whose law that of exact draws is."""
        rows = moons.smoother.sample(1000, method=method, random_state=1)
        exact = moons.smoother.sample(4000, random_state=2)
        for column in range(2):
            assert ks_2samp(rows[:, column], exact[:, column]).pvalue > 1e-3
        scores = [moons.smoother.score_samples(part) for part in (rows, exact)]
        assert ks_2samp(*scores).pvalue > 1e-3

    def test_are_those_of_the_kernel_density_estimate(self, smooth, moons):
        smoother = smooth(metric="euclidean", bandwidth=0.3, background=None).fit(moons.X)
        drawn = smoother.sample(4000, random_state=0)
        Z = moons.X / moons.X.std(0)
        oracle = KernelDensity(bandwidth=0.3).fit(Z).sample(4000, random_state=0) * moons.X.std(0)
        for column in range(2):
            assert ks_2samp(drawn[:, column], oracle[:, column]).pvalue > 1e-3

    def test_are_new_but_near_the_data(self, moons):
        rows = moons.smoother.sample(200, random_state=0)
        assert len(np.unique(rows, axis=0)) == 200
        near = NearestNeighbors(n_neighbors=1)
        to_data, held_out = (
            near.fit(moons.X).kneighbors(part)[0].mean() for part in (rows, moons.fresh)
        )
        assert 0.7 * held_out < to_data < 2.0 * held_out

    def test_one_by_default(self, moons):
        assert moons.smoother.sample().shape == (1, 2)

    @pytest.mark.parametrize("metric", ["local", "covariance", "knn"])
    def test_have_the_moments_of_the_law(self, smooth, moons, metric):
        smoother = smooth(metric=metric).fit(moons.X)
        rows = smoother.sample(20_000, random_state=0)
        mean, _ = smoother._noised()
        law = smoother.denoiser_
        within = (law.factors**2).sum(2) + law.floors[:, None]
        variance = law.weights @ (within + (law.means - mean) ** 2)
        scale = smoother.columns_.scale
        expected = smoother.columns_.centre + scale * mean.numpy()
        assert_allclose(rows.mean(0), expected, atol=5 * (rows.std(0) / 20_000**0.5).max())
        assert_allclose(rows.std(0), scale * np.sqrt(variance.numpy()), rtol=0.03)


class TestClasses:
    @pytest.mark.parametrize("method", METHODS)
    def test_one_for_each(self, iris, method):
        y = np.repeat(["virginica", "setosa", "versicolor"], [120, 60, 90])
        rows = iris.smoother.sample(y=y, method=method, random_state=0)
        assert rows.shape == (270, 4)
        predicted = NearestCentroid().fit(iris.X, iris.y).predict(rows)
        assert balanced_accuracy_score(y, predicted) > 0.85
        for name in np.unique(y):
            mine, data = rows[y == name], iris.X[iris.y == name]
            assert_allclose(mine.mean(0), data.mean(0), atol=0.25)
            assert_allclose(mine.std(0), data.std(0), rtol=0.7)

    def test_one_for_all(self, iris):
        _, y = iris.smoother.sample(5, y="setosa", return_y=True)
        assert_array_equal(y, ["setosa"] * 5)

    def test_without_y_they_have_the_frequencies_of_fit(self, smooth, iris):
        part = np.r_[0:50, 50:70, 100:110]
        smoother = smooth().fit(iris.X[part], iris.y[part])
        rows, y = smoother.sample(4000, return_y=True, random_state=0)
        shares = [np.mean(y == name) for name in smoother.classes_]
        assert_allclose(shares, np.array([50, 20, 10]) / 80, atol=0.03)
        predicted = NearestCentroid().fit(iris.X, iris.y).predict(rows)
        assert np.mean(predicted == y) > 0.85

    def test_returning_them_changes_no_row(self, iris):
        rows, _ = iris.smoother.sample(20, return_y=True, random_state=0)
        assert_array_equal(iris.smoother.sample(20, random_state=0), rows)

    def test_given_cells_speak_for_a_class(self, iris):
        """A petal of 1.4 cm is a setosa's, whatever the frequencies are."""
        _, y = iris.smoother.sample(200, given={2: 1.4}, return_y=True, random_state=0)
        assert np.mean(y == "setosa") > 0.99

    def test_law_of_the_class_given_cells_is_bayes_rule(self, iris):
        given = {2: 4.9}
        _, y = iris.smoother.sample(4000, given=given, return_y=True, random_state=0)
        cell = np.full((1, 4), np.nan)
        cell[0, 2] = 4.9
        drawn = [
            iris.smoother.impute(np.repeat(cell, 4000, 0), return_y=True, method="sample",
                                 random_state=1)[1] == name
            for name in iris.smoother.classes_
        ]  # fmt: skip
        expected = np.mean(drawn, axis=1)
        shares = [np.mean(y == name) for name in iris.smoother.classes_]
        assert_allclose(shares, expected, atol=0.04)
        assert 0.1 < shares[1] < 0.9

    @pytest.mark.parametrize("y", [np.arange(150) // 50, np.arange(150) < 50, list("abc") * 50])
    def test_kinds(self, smooth, iris, y):
        smoother = smooth().fit(iris.X, y)
        _, drawn = smoother.sample(30, return_y=True, random_state=0)
        assert set(drawn) <= set(y)
        _, drawn = smoother.sample(2, y=y[0], return_y=True, random_state=0)
        assert_array_equal(drawn, [y[0]] * 2)

    def test_a_class_of_one_row(self, smooth, iris):
        y = np.where(np.arange(150) == 7, "rare", "common")
        rows = smooth(background=None).fit(iris.X, y).sample(50, y="rare", random_state=0)
        assert_allclose(rows.mean(0), iris.X[7], atol=0.4)

    def test_a_target_that_never_changes_is_one_class(self, smooth, iris):
        smoother = smooth().fit(iris.X, np.full(150, 0.1))
        alone = smooth().fit(iris.X)
        assert smoother.bandwidth_ == alone.bandwidth_
        assert_array_equal(smoother.sample(2, return_y=True)[1], [0.1, 0.1])

    @pytest.mark.filterwarnings("ignore:The most likely blur")
    def test_target_can_be_told(self, smooth, iris):
        y = np.arange(150) % 3
        assert hasattr(smooth(target="categorical").fit(iris.X, y + 0.5), "classes_")
        assert not hasattr(smooth(target="continuous").fit(iris.X, y), "classes_")


class TestNumericTarget:
    def test_conditional_law(self, diabetes):
        low, high = (diabetes.smoother.sample(400, y=y, random_state=0) for y in (70.0, 300.0))
        data = diabetes.smoother
        assert (high.mean(0) > low.mean(0)).all()
        for y, rows in ((70.0, low), (300.0, high)):
            near = (
                np.abs(diabetes.smoother.sample(20_000, return_y=True, random_state=1)[1] - y) < 8
            )
            both = data.sample(20_000, random_state=1)[near]
            assert_allclose(rows.mean(0), both.mean(0), atol=0.012)

    def test_is_drawn_together_with_the_rows(self, diabetes):
        rows, y = diabetes.smoother.sample(4000, return_y=True, random_state=0)
        assert ks_2samp(y, diabetes.smoother.sample(4000, return_y=True)[1]).pvalue > 1e-3
        actual = np.corrcoef(rows.T, y)[-1]
        data = np.corrcoef(
            diabetes.X.T, np.r_[diabetes.smoother.joint_.denoiser.means.numpy()[:300, -1]]
        )[-1]
        assert_allclose(actual, data, atol=0.1)

    def test_is_returned_as_given(self, diabetes):
        y = np.array([100.0, 200.0])
        _, drawn = diabetes.smoother.sample(y=y, return_y=True)
        assert_allclose(drawn, y, rtol=1e-12)

    def test_regression_beats_the_mean(self, diabetes):
        X, y = diabetes.fresh
        _, predicted = diabetes.smoother.impute(X, return_y=True)
        assert np.mean((predicted - y) ** 2) < 0.75 * y.var()

    def test_by_the_flow(self, diabetes):
        _, exact = diabetes.smoother.sample(1000, return_y=True, random_state=0)
        _, drawn = diabetes.smoother.sample(1000, return_y=True, method="ode", random_state=1)
        assert ks_2samp(exact, drawn).pvalue > 1e-3


def conditional(mean, cov, known, values):
    """Mean and covariance of a Gaussian's other entries, by the precision matrix."""
    other = np.setdiff1d(np.arange(len(mean)), known)
    precision = np.linalg.inv(cov)
    left = np.linalg.inv(precision[np.ix_(other, other)])
    shift = left @ precision[np.ix_(other, known)] @ (values - mean[known])
    return mean[other] - shift, left


class TestGiven:
    def law(self, gaussian):
        smoother = gaussian.smoother
        scale = smoother.columns_.scale
        mixture_mean = smoother.joint_.denoiser.means[500:].numpy()[0]
        F, floor = (
            smoother.joint_.denoiser.factors[500].numpy(),
            smoother.joint_.denoiser.floors[500].item(),
        )
        cov = F @ F.T + floor * np.eye(3)
        return smoother.columns_.centre + scale * mixture_mean, cov * np.outer(scale, scale)

    def test_exact_conditional_of_a_gaussian(self, gaussian):
        assert len(gaussian.smoother.joint_.denoiser.means) == 501
        mean, left = conditional(*self.law(gaussian), [1], np.array([0.5]))
        rows = gaussian.smoother.sample(20_000, given={1: 0.5}, random_state=0)
        assert_array_equal(rows[:, 1], 0.5)
        error = np.sqrt(np.diag(left) / 20_000)
        assert_allclose((rows[:, [0, 2]].mean(0) - mean) / error, 0, atol=5)
        assert_allclose(np.cov(rows[:, [0, 2]].T), left, atol=0.03)

    def test_row_and_dict_are_alike(self, gaussian):
        by_dict = gaussian.smoother.sample(9, given={0: 0.3, 2: 9.9}, random_state=0)
        row = [0.3, np.nan, 9.9]
        assert_array_equal(gaussian.smoother.sample(9, given=row, random_state=0), by_dict)
        assert_array_equal(
            gaussian.smoother.sample(9, given=[0.3, None, 9.9], random_state=0), by_dict
        )
        assert_array_equal(by_dict[:, [0, 2]], [[0.3, 9.9]] * 9)

    @pytest.mark.parametrize("given", [None, {}, [np.nan] * 3])
    def test_nothing(self, gaussian, given):
        rows = gaussian.smoother.sample(9, given=given, random_state=0)
        assert_array_equal(rows, gaussian.smoother.sample(9, random_state=0))

    def test_everything(self, iris):
        rows = iris.smoother.sample(3, given=iris.X[0], random_state=0)
        assert_array_equal(rows, np.tile(iris.X[0], (3, 1)))

    def test_with_a_class(self, iris):
        """Long petals of versicolor are not those of virginica."""
        options = {"given": {2: 4.8}, "random_state": 0}
        width = {
            name: iris.smoother.sample(300, y=name, **options)[:, 3].mean()
            for name in ("versicolor", "virginica")
        }
        assert width["versicolor"] < width["virginica"] - 0.1

    def test_with_a_number(self, diabetes):
        bmi = diabetes.X[:, 0].mean()
        rows, y = diabetes.smoother.sample(5, y=150.0, given={0: bmi}, return_y=True)
        assert_array_equal(rows[:, 0], bmi)
        assert_allclose(y, 150.0)
        assert len(np.unique(rows[:, 1])) == 5


class TestKnownNoise:
    """Means of cells may average over more kernels than the density asks for."""

    def test_lowers_the_error_of_held_out_cells(self, smooth, diabetes):
        X, y = diabetes.fresh
        exact = smooth(known_noise=0.0).fit(diabetes.X, diabetes.y)
        errors = [
            np.mean((smoother.impute(X, return_y=True)[1] - y) ** 2)
            for smoother in (diabetes.smoother, exact)
        ]
        assert errors[0] < errors[1]

    def test_is_a_kernel_regression(self, smooth):
        """With spheres: the estimate of Nadaraya and Watson, of blur and noise together."""
        rng = np.random.default_rng(0)
        X = np.column_stack([rng.normal(size=200), rng.normal(size=200)])
        X = (X - X.mean(0)) / X.std(0)
        options = {"metric": "euclidean", "bandwidth": 0.3, "background": None}
        smoother = smooth(**options, known_noise=0.4).fit(X)
        x = np.linspace(-2, 2, 9)
        weights = np.exp(-0.5 * (x[:, None] - X[:, 0]) ** 2 / (0.3**2 + 0.4**2))
        expected = weights @ X[:, 1] / weights.sum(1)
        filled = smoother.impute(np.column_stack([x, np.full(9, np.nan)]))
        assert_allclose(filled[:, 1], expected, rtol=1e-9)
        assert_array_equal(filled[:, 0], x)

    def test_draws_do_not_have_it(self, smooth, moons):
        noisy = smooth(standardize=True, known_noise=0.8).fit(moons.X)
        rows = [[0.5, np.nan]] * 50
        assert_array_equal(
            noisy.impute(rows, method="sample", random_state=0),
            moons.smoother.impute(rows, method="sample", random_state=0),
        )

    def test_one_level_for_each_column(self, diabetes):
        assert diabetes.smoother.known_noise_.shape == (5,)
        assert (diabetes.smoother.known_noise_ >= 0).all()


class TestImpute:
    def test_correlated_gaussian_is_the_exact_conditional(self, gaussian):
        law = TestGiven().law(gaussian)
        rows = gaussian.X[:20].copy()
        rows[::2, 0] = rows[1::2, 1] = rows[1::2, 2] = np.nan
        filled = gaussian.smoother.impute(rows)
        for row, actual in zip(rows, filled, strict=True):
            known = np.flatnonzero(~np.isnan(row))
            mean, _ = conditional(*law, known, row[known])
            assert_allclose(actual[np.isnan(row)], mean, rtol=1e-4, atol=1e-4)
            assert_array_equal(actual[known], row[known])

    def test_draws_average_to_the_mean(self, moons):
        row = [[0.5, np.nan]]
        draws = moons.smoother.impute(row * 20_000, method="sample", random_state=0)
        mean = moons.smoother.impute(row)
        error = draws[:, 1].std() / 20_000**0.5
        assert abs(draws[:, 1].mean() - mean[0, 1]) < 5 * error

    def test_draws_keep_both_moons(self, moons):
        """Above zero there are two branches, which a mean would miss."""
        draws = moons.smoother.impute([[0.5, np.nan]] * 300, method="sample", random_state=0)
        assert 0.2 < np.mean(draws[:, 1] > 0.3) < 0.8
        assert np.mean(np.abs(draws[:, 1] - 0.3) < 0.3) < 0.2

    def test_nothing_missing(self, moons):
        for method in ("mean", "sample"):
            assert_array_equal(moons.smoother.impute(moons.fresh, method=method), moons.fresh)

    def test_everything_missing(self, iris):
        filled, y = iris.smoother.impute(np.full((3, 4), np.nan), return_y=True)
        law = iris.smoother.joint_.denoiser
        codes = (law.weights @ law.means).numpy()
        expected = iris.smoother.columns_.decode(codes[None])
        assert_allclose(filled, np.repeat(expected, 3, 0), rtol=1e-9)
        assert set(y) <= set(iris.y)
        drawn = iris.smoother.impute(np.full((300, 4), np.nan), method="sample", random_state=0)
        assert_allclose(drawn.std(0), iris.X.std(0), rtol=0.2)

    def test_leaves_the_rows_alone(self, iris):
        rows = iris.X[:3].copy()
        rows[0, 0] = np.nan
        before = rows.copy()
        iris.smoother.impute(rows)
        assert_array_equal(rows, before)

    @pytest.mark.parametrize("method", ["mean", "sample"])
    def test_of_each_row_by_itself(self, iris, method):
        rows = iris.X[::15].copy()
        rows[np.random.default_rng(0).random(rows.shape) < 0.4] = np.nan
        if method == "sample":
            draws = [
                iris.smoother.impute(rows, method=method, random_state=seed) for seed in range(200)
            ]
            mean, error = np.mean(draws, 0), np.std(draws, 0) / 200**0.5
            assert (np.abs(mean - iris.smoother.impute(rows)) <= 5 * error + 1e-12).all()
            return
        single = np.concatenate([iris.smoother.impute(rows[i : i + 1]) for i in range(len(rows))])
        assert_allclose(single, iris.smoother.impute(rows), rtol=1e-9)

    def test_classifies(self, smooth, iris):
        smoother = smooth().fit(iris.X[::2], iris.y[::2])
        _, y = smoother.impute(iris.X[1::2], return_y=True)
        assert balanced_accuracy_score(iris.y[1::2], y) > 0.9

    def test_returning_a_class_changes_no_mean(self, iris):
        rows = iris.X[::10].copy()
        rows[:, 3] = np.nan
        filled, _ = iris.smoother.impute(rows, return_y=True)
        assert_array_equal(filled, iris.smoother.impute(rows))

    def test_a_known_class_counts(self, iris):
        row = np.full((1, 4), np.nan)
        for name in iris.smoother.classes_:
            filled, y = iris.smoother.impute(row, y=[name], return_y=True)
            assert_allclose(filled[0], iris.X[iris.y == name].mean(0), atol=0.15)
            assert_array_equal(y, [name])

    def test_a_known_number_counts(self, diabetes):
        rows = np.full((2, 4), np.nan)
        filled, y = diabetes.smoother.impute(rows, y=[60.0, 300.0], return_y=True)
        assert (filled[1] > filled[0]).all()
        assert_allclose(y, [60.0, 300.0])

    def test_constant_column_gets_its_constant(self, smooth, moons):
        with pytest.warns(UserWarning, match="Constant columns"):
            smoother = smooth().fit(np.insert(moons.X, 1, 3.0, axis=1))
        filled = smoother.impute([[0.5, np.nan, 0.5], [0.5, 4.0, np.nan]])
        assert_allclose(filled[:, 1], [3.0, 4.0])
        assert np.isfinite(filled).all()
