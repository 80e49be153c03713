"""Rows drawn from the smoother, gaps filled by it, and its latents."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import ks_2samp
from sklearn.metrics import balanced_accuracy_score
from sklearn.neighbors import KernelDensity, NearestCentroid

from skdiffusion import TableEncoder


class TestRows:
    def test_are_those_of_the_kernel_density_estimate(self, smooth, moons, global_random_seed):
        smoother = smooth(metric="euclidean", bandwidth=0.3, background=None).fit(moons.X)
        drawn = smoother.sample(4000, random_state=global_random_seed)
        scale = moons.X.std(0)
        oracle = KernelDensity(bandwidth=0.3).fit(moons.X / scale)
        oracle = oracle.sample(4000, random_state=global_random_seed) * scale
        for column in range(2):
            assert ks_2samp(drawn[:, column], oracle[:, column]).pvalue > 1e-4

    @pytest.mark.parametrize("metric", ["local", "euclidean"])
    def test_have_the_moments_of_the_density(self, smooth, moons, metric, global_random_seed):
        smoother = smooth(metric=metric).fit(moons.X)
        rows = smoother.sample(20_000, random_state=global_random_seed)
        Z = (rows - moons.X.mean(0)) / moons.X.std(0)
        kernels = smoother.model_.denoiser
        mean = kernels.weights @ kernels.means
        within = (kernels.factors**2).sum(2) + kernels.floors.reshape(len(kernels.means), -1)
        variance = kernels.weights @ (within + (kernels.means - mean) ** 2)
        assert_allclose(Z.mean(0), mean, atol=5 / 20_000**0.5)
        assert_allclose(Z.var(0), variance, rtol=5 * (2 / 20_000) ** 0.5)

    def test_one_by_default(self, moons):
        assert moons.smoother.sample().shape == (1, 2)


class TestClasses:
    def test_one_for_each(self, iris):
        y = np.repeat(["virginica", "setosa", "versicolor"], [120, 60, 90])
        rows = iris.smoother.sample(y=y, random_state=0)
        predicted = NearestCentroid().fit(iris.X, iris.y).predict(rows)
        assert balanced_accuracy_score(y, predicted) > 0.85
        for name in np.unique(y):
            mine, data = rows[y == name], iris.X[iris.y == name]
            assert_allclose(mine.mean(0), data.mean(0), atol=0.25)
            assert_allclose(mine.std(0), data.std(0), rtol=0.7)

    def test_without_y_they_have_the_frequencies_of_fit(self, smooth, iris):
        part = np.r_[0:50, 50:70, 100:110]
        smoother = smooth().fit(iris.X[part], iris.y[part])
        rows, y = smoother.sample(4000, return_y=True, random_state=0)
        shares = [np.mean(y == name) for name in np.unique(iris.y)]
        assert_allclose(shares, np.array([50, 20, 10]) / 80, atol=0.03)
        predicted = NearestCentroid().fit(iris.X, iris.y).predict(rows)
        assert np.mean(predicted == y) > 0.85

    def test_given_cells_speak_for_a_class(self, iris, global_random_seed):
        """By Bayes' rule: the joint draws that have about this cell have those classes."""
        options = {"return_y": True, "random_state": global_random_seed}
        rows, all_y = iris.smoother.sample(100_000, **options)
        for cell in (4.9, 1.4):
            _, y = iris.smoother.sample(2000, conditions={2: cell}, **options)
            near = np.abs(rows[:, 2] - cell) < 0.04
            for name in np.unique(iris.y):
                p = np.mean(all_y[near] == name)
                error = np.sqrt(p * (1 - p) * (1 / 2000 + 1 / near.sum())) + 1e-3
                assert np.mean(y == name) == pytest.approx(p, abs=5 * error)
        # nothing else has the petals of a setosa
        assert np.mean(y == "setosa") > 0.99

    @pytest.mark.parametrize("y", [np.arange(150) // 50, np.arange(150) < 50, list("abc") * 50])
    def test_kinds(self, smooth, iris, y):
        smoother = smooth().fit(iris.X, y)
        _, drawn = smoother.sample(30, return_y=True, random_state=0)
        assert set(drawn) <= set(y)
        assert_array_equal(smoother.sample(2, y=y[0], return_y=True)[1], [y[0]] * 2)
        _, told = smoother.impute(iris.X[:2], return_y=True)
        assert told.dtype.kind == np.asarray(y).dtype.kind

    def test_a_class_of_one_row(self, smooth, iris):
        y = np.where(np.arange(150) == 7, "rare", "common")
        rows = smooth().fit(iris.X, y).sample(50, y="rare", random_state=0)
        assert_allclose(rows.mean(0), iris.X[7], atol=0.4)

    def test_a_target_that_never_changes(self, smooth, iris):
        smoother = smooth(target="categorical").fit(iris.X, np.full(150, 0.1))
        assert_array_equal(smoother.sample(2, return_y=True)[1], [0.1, 0.1])


def conditional(mean, cov, known, values):
    """Mean and covariance of a Gaussian's other entries, by the precision matrix."""
    other = np.setdiff1d(np.arange(len(mean)), known)
    precision = np.linalg.inv(cov)
    left = np.linalg.inv(precision[np.ix_(other, other)])
    shift = left @ precision[np.ix_(other, known)] @ (values - mean[known])
    return mean[other] - shift, left


@pytest.fixture(scope="module")
def moments(gaussian):
    """Mean and covariance of the one Gaussian in the units of the table."""
    kernels = gaussian.smoother.model_.denoiser
    assert len(kernels.means) == 501
    F, floor = kernels.factors[500].numpy(), kernels.floors[500].item()
    scale = gaussian.X.std(0)
    cov = (F @ F.T + floor * np.eye(3)) * np.outer(scale, scale)
    return gaussian.X.mean(0) + scale * kernels.means[500].numpy(), cov


class TestConditions:
    def test_exact_conditional_of_a_gaussian(self, gaussian, moments, global_random_seed):
        mean, left = conditional(*moments, [1], np.array([0.5]))
        rows = gaussian.smoother.sample(
            20_000, conditions={1: 0.5}, random_state=global_random_seed
        )
        assert_array_equal(rows[:, 1], 0.5)
        error = np.sqrt(np.diag(left) / 20_000)
        assert_allclose((rows[:, [0, 2]].mean(0) - mean) / error, 0, atol=5)
        assert_allclose(np.cov(rows[:, [0, 2]].T), left, atol=0.04)

    def test_with_a_class(self, iris):
        """Long petals of versicolor are not those of virginica."""
        widths = [
            iris.smoother.sample(300, y=y, conditions={2: 4.8}, random_state=0)[:, 3].mean()
            for y in ("versicolor", "virginica")
        ]
        assert widths[0] < widths[1] - 0.1

    def test_ranges(self, moons):
        rows = moons.smoother.sample(50, conditions={0: (0.5, 1.0)}, random_state=0)
        assert ((rows[:, 0] >= 0.5) & (rows[:, 0] <= 1.0)).all()

    def test_unseen_class(self, iris):
        with pytest.raises(ValueError, match="unknown categories 'lily'"):
            iris.smoother.sample(3, y="lily")


class TestNumericTarget:
    def test_conditional_distribution(self, diabetes):
        low, high = (diabetes.smoother.sample(400, y=y, random_state=0) for y in (70.0, 300.0))
        assert (high.mean(0) > low.mean(0)).all()
        rows, y = diabetes.smoother.sample(20_000, return_y=True, random_state=1)
        for given, drawn in ((70.0, low), (300.0, high)):
            both = rows[np.abs(y - given) < 8]
            assert_allclose(drawn.mean(0), both.mean(0), atol=0.015)

    def test_is_returned_as_given(self, diabetes):
        _, drawn = diabetes.smoother.sample(y=[100.0, 200.0], return_y=True)
        assert_allclose(drawn, [100.0, 200.0], rtol=1e-12)

    def test_draws_are_a_forecast(self, diabetes, global_random_seed):
        """Intervals of draws hold the target about as often as they say."""
        X, y = diabetes.fresh
        draws = diabetes.smoother.sample_y(X, 200, random_state=global_random_seed)
        low, high = np.quantile(draws, [0.1, 0.9], axis=1)
        assert np.mean((low <= y) & (y <= high)) == pytest.approx(0.8, abs=0.12)

    def test_regression_beats_the_mean(self, smooth, diabetes):
        X, y = diabetes.fresh
        chosen = {
            "bandwidth": diabetes.smoother.bandwidth_,
            "n_neighbors": diabetes.smoother.n_neighbors_,
            "background": diabetes.smoother.background_,
        }

        def error(**options):
            smoother = smooth(**chosen, **options).fit(diabetes.X, diabetes.y)
            return np.mean((smoother.impute(X, return_y=True)[1] - y) ** 2)

        # chosen on folds, the noise is that of the exact mean now and then
        errors = [error(known_noise="cv", random_state=seed) for seed in range(4)]
        assert np.mean(errors) < min(0.75 * y.var(), error(known_noise=0.0))
        assert diabetes.smoother.known_noise_.shape == (5,)

    def test_of_skewed_targets_it_is_the_mean(self, smooth):
        """A target is standardised, so that its mean is that of its encoded values."""
        x = np.linspace(-1, 1, 200)
        y = np.exp(3 * x)
        smoother = smooth(metric="euclidean", bandwidth=0.1, background=None).fit(x[:, None], y)
        weights = np.exp(-0.5 * ((0.5 - x) / (0.1 * x.std())) ** 2)
        _, told = smoother.impute([[0.5]], return_y=True)
        assert told[0] == pytest.approx(weights @ y / weights.sum(), rel=1e-6)


class TestImpute:
    def test_is_the_exact_conditional_of_a_gaussian(self, gaussian, moments):
        rows = gaussian.X[:20].copy()
        rows[::2, 0] = rows[1::2, 1] = rows[1::2, 2] = np.nan
        filled = gaussian.smoother.impute(rows)
        for row, actual in zip(rows, filled, strict=True):
            known = np.flatnonzero(~np.isnan(row))
            mean, _ = conditional(*moments, known, row[known])
            assert_allclose(actual[np.isnan(row)], mean, rtol=1e-4, atol=1e-4)
            assert_array_equal(actual[known], row[known])

    def test_is_a_kernel_regression(self, smooth, global_random_seed):
        """With spheres: the estimate of Nadaraya and Watson, of blur and noise together."""
        X = np.random.default_rng(global_random_seed).normal(size=(200, 2))
        X = (X - X.mean(0)) / X.std(0)
        options = {"metric": "euclidean", "bandwidth": 0.3, "background": None}
        smoother = smooth(**options, known_noise=0.4).fit(X)
        x = np.linspace(-2, 2, 9)
        weights = np.exp(-0.5 * (x[:, None] - X[:, 0]) ** 2 / (0.3**2 + 0.4**2))
        filled = smoother.impute(np.column_stack([x, np.full(9, np.nan)]))
        assert_allclose(filled[:, 1], weights @ X[:, 1] / weights.sum(1), rtol=1e-8)
        assert_array_equal(filled[:, 0], x)

    def test_draws_average_to_the_mean(self, moons, global_random_seed):
        row = [[0.5, np.nan]]
        options = {"strategy": "draw", "random_state": global_random_seed}
        draws = moons.smoother.impute(row * 5000, **options)[:, 1]
        mean = moons.smoother.impute(row)[0, 1]
        assert abs(draws.mean() - mean) < 5 * draws.std() / 5000**0.5
        # above zero there are two branches, which a mean would miss
        assert 0.2 < np.mean(draws > 0.3) < 0.8
        assert np.mean(np.abs(draws - 0.3) < 0.3) < 0.2

    def test_everything_missing(self, iris):
        filled, y = iris.smoother.impute(np.full((3, 4), np.nan), return_y=True)
        assert_allclose(filled, np.tile(iris.X.mean(0), (3, 1)), atol=0.06)
        assert set(y) <= set(iris.y)

    def test_given_the_target(self, iris):
        rows = np.full((2, 4), np.nan)
        filled, y = iris.smoother.impute(rows, y=["setosa", "virginica"], return_y=True)
        assert_array_equal(y, ["setosa", "virginica"])
        assert_allclose(filled[0], iris.X[:50].mean(0), atol=0.1)
        assert_allclose(filled[1], iris.X[100:].mean(0), atol=0.1)

    def test_classifies(self, iris):
        _, y = iris.smoother.impute(iris.X, return_y=True)
        assert np.mean(y == iris.y) > 0.95


class TestMixedTables:
    """Categories, dates and gaps beside numbers."""

    def test_draws_are_like_the_table(self, mixed):
        rows = mixed.smoother.sample(500, random_state=0)
        assert (rows.dtypes == mixed.X.dtypes).all()
        assert not rows.isna().any().any()
        for kind, part in rows.groupby("kind", observed=True):
            data = mixed.X[mixed.X.kind == kind]
            assert len(part) / 500 == pytest.approx(len(data) / 150, abs=0.1)
            assert part.length.mean() == pytest.approx(data.length.mean(), abs=0.15)
            assert part.large.mean() == pytest.approx(data.large.mean(), abs=0.15)
        days = (rows.day - mixed.X.day.min()).dt.days
        assert days.mean() == pytest.approx((mixed.X.day - mixed.X.day.min()).dt.days.mean(), abs=8)

    def test_conditions(self, mixed):
        rows = mixed.smoother.sample(
            40, conditions={"kind": "b", "large": [True], "length": (4.0, 4.5)}, random_state=0
        )
        assert (rows.kind == "b").all()
        assert rows.large.all()
        assert rows.length.between(4.0, 4.5).all()

    def test_categories_are_told_from_numbers(self, mixed):
        rows = mixed.X.copy()
        rows["kind"] = pd.Categorical([None] * 150, categories=list("abc"))
        filled = mixed.smoother.impute(rows)
        assert np.mean(filled.kind == mixed.X.kind) > 0.95
        assert not filled.isna().any().any()

    def test_kernels_keep_the_categories_of_their_rows(self, mixed):
        kernels = mixed.smoother.model_.denoiser
        assert len(kernels.means) == 150
        assert mixed.smoother.background_ == 0.0

    def test_missing_cells_as_cells(self, smooth, mixed):
        encoder = TableEncoder(numeric_transform="standard", missing_indicator=True)
        rows = smooth(encoder=encoder).fit(mixed.X).sample(1000, random_state=0)
        assert rows.large.isna().mean() == pytest.approx(0.1, abs=0.05)

    def test_of_categories_alone(self, smooth, mixed):
        table = mixed.X[["kind", "large"]].dropna()
        smoother = smooth(bandwidth="cv").fit(table)
        shares = table.value_counts(normalize=True)
        for cells, share in shares.items():
            row = pd.DataFrame([cells], columns=table.columns).astype(table.dtypes)
            # combinations share the weight of points
            assert np.exp(smoother.score_samples(row)) == pytest.approx(share, abs=1e-4)

    def test_classes_beside_categories(self, smooth, mixed):
        y = np.where(mixed.X.length > 4.5, "long", "short")
        smoother = smooth().fit(mixed.X.drop(columns="length"), y)
        _, told = smoother.impute(mixed.X.drop(columns="length"), return_y=True)
        assert np.mean(told == y) > 0.9
        rows = smoother.sample(100, y="short", random_state=0)
        assert (rows.kind == "c").mean() < 0.1

    def test_polars(self, smooth, iris):
        table = pl.DataFrame({"a": iris.X[:, 0], "b": iris.y, "c": iris.X[:, 2]})
        smoother = smooth().fit(table)
        rows = smoother.sample(20, conditions={"b": "setosa"}, random_state=0)
        assert rows.schema == table.schema
        assert set(rows["b"]) == {"setosa"}
        assert rows["c"].mean() < 2.0


class TestLatents:
    def test_round_trip(self, moons):
        latents = moons.smoother.transform(moons.fresh)
        assert_allclose(moons.smoother.inverse_transform(latents), moons.fresh, atol=2e-3)

    def test_of_own_draws_are_about_standard_normal(self, moons):
        latents = moons.smoother.transform(moons.smoother.sample(1000, random_state=0))
        assert_allclose(latents.mean(0), 0, atol=0.12)
        assert_allclose(np.cov(latents.T), np.eye(2), atol=0.15)

    def test_noise_becomes_rows(self, moons):
        noise = np.random.default_rng(0).normal(size=(500, 2))
        drawn = moons.smoother.inverse_transform(noise)
        own = moons.smoother.sample(500, random_state=0)
        assert moons.smoother.score(drawn) == pytest.approx(moons.smoother.score(own), abs=0.2)

    def test_of_mixed_rows(self, mixed):
        rows = mixed.X.dropna().iloc[:5].reset_index(drop=True)
        back = mixed.smoother.inverse_transform(mixed.smoother.transform(rows))
        assert_array_equal(back[["kind", "large"]], rows[["kind", "large"]])
        assert_allclose(back.length, rows.length, atol=0.11)
