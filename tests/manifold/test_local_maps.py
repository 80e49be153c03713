"""Local linear regression, against least squares and what it must do to linear functions."""

import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skdiffusion.manifold.local_maps import LocalLinearRegressor

RNG = np.random.RandomState(0)
Z = RNG.uniform(-1, 1, size=(200, 2))
MAP, SHIFT = RNG.normal(size=(2, 5)), RNG.normal(size=5)
INSIDE = RNG.uniform(-0.8, 0.8, size=(40, 2))


def shares_at(model, rows):
    """The neighbours of rows, and what their predictions take from them."""
    indices = model._search.kneighbors(rows, return_distance=False)
    return indices, model._shares(rows, indices, (model.ridge_,))[0]


class TestFormula:
    def test_linear_functions_are_met_exactly(self):
        model = LocalLinearRegressor().fit(Z, Z @ MAP + SHIFT)
        assert_allclose(model.predict(INSIDE), INSIDE @ MAP + SHIFT, atol=1e-6)
        assert_allclose(model.loo_, Z @ MAP + SHIFT, atol=1e-6)

    def test_is_weighted_least_squares_over_the_neighbours(self):
        y = np.sin(3 * Z[:, 0]) + Z[:, 1] ** 2
        predicted = LocalLinearRegressor(n_neighbors=12, ridge=0.0).fit(Z, y).predict(INSIDE)
        for row, value in zip(INSIDE, predicted, strict=True):
            distance = np.linalg.norm(Z - row, axis=1)
            near = np.argsort(distance)[:12]
            radius = 1.05 * distance[near].max()
            root = np.sqrt((1 - (distance[near] / radius) ** 3) ** 3 + 1e-6)
            design = np.column_stack([np.ones(12), Z[near] - row])
            best = np.linalg.lstsq(design * root[:, None], y[near] * root, rcond=None)[0]
            assert_allclose(value, best[0], atol=1e-8)

    def test_a_left_out_row_is_predicted_by_the_others(self):
        y = np.sin(3 * Z)
        model = LocalLinearRegressor(ridge=1e-2).fit(Z, y)
        for i in (0, 17, 101):
            others = np.arange(len(Z)) != i
            again = LocalLinearRegressor(ridge=1e-2).fit(Z[others], y[others])
            assert_allclose(model.loo_[i], again.predict(Z[[i]])[0], atol=1e-10)

    def test_a_heavy_penalty_leaves_a_weighted_mean(self):
        model = LocalLinearRegressor(ridge=1e12).fit(Z, Z @ MAP)
        assert (shares_at(model, INSIDE)[1] > 0).all()
        inside = np.concatenate([(Z @ MAP).min(0), (Z @ MAP).max(0)]).reshape(2, -1)
        assert (model.predict(INSIDE) >= inside[0]).all()
        assert (model.predict(INSIDE) <= inside[1]).all()

    def test_shares_sum_to_one_and_make_the_prediction(self):
        y = RNG.normal(size=(len(Z), 3))
        model = LocalLinearRegressor().fit(Z, y)
        indices, weights = shares_at(model, INSIDE)
        assert_allclose(weights.sum(1), 1)
        by_hand = [w @ y[i] for i, w in zip(indices, weights, strict=True)]
        assert_allclose(model.predict(INSIDE), by_hand)

    def test_one_target_comes_back_flat(self):
        assert LocalLinearRegressor().fit(Z, Z[:, 0]).predict(INSIDE).shape == (len(INSIDE),)

    def test_leverage_is_the_variance_of_a_prediction(self, global_random_seed):
        """Of independent errors of unit variance, held-out residuals have variance 1 + q."""
        errors = np.random.RandomState(global_random_seed).normal(size=(len(Z), 2000))
        model = LocalLinearRegressor(ridge=1e-4).fit(Z, errors)
        # a variance of 2,000 numbers has a relative standard error of .032, the largest of 200
        # such errors is about three of them
        assert_allclose(model.loo_.var(1), model.leverage_, rtol=0.16)
        assert_allclose((errors - model.loo_).var(1), 1 + model.leverage_, rtol=0.16)
        predictions, leverage = model.predict(INSIDE, return_leverage=True)
        assert_allclose(predictions.var(1), leverage, rtol=0.16)


class TestWideTables:
    """More columns than neighbours."""

    @pytest.mark.parametrize("ridge", [0.0, 1e-4, 1e-2, 1.0])
    @pytest.mark.parametrize(("k", "d"), [(8, 7), (8, 8), (8, 9), (8, 40)])
    def test_shares_are_those_of_the_covariance(self, ridge, k, d):
        rng = np.random.RandomState(0)
        rows, fresh = rng.normal(size=(60, d)), 0.5 * rng.normal(size=(9, d))
        model = LocalLinearRegressor(n_neighbors=k, ridge=ridge).fit(rows, rows)
        for row, index, shares in zip(fresh, *shares_at(model, fresh), strict=True):
            distance = np.linalg.norm(rows[index] - row, axis=1)
            w = (1 - (distance / (1.05 * distance.max())) ** 3) ** 3 + 1e-6
            w /= w.sum()
            mean = w @ rows[index]
            near = rows[index] - mean
            cov = (w[:, None] * near).T @ near
            cov += ridge * np.trace(cov) / d * np.eye(d)
            # no row is so far off that its step is shortened
            assert np.linalg.norm(row - mean) < 2 * np.linalg.norm(near, axis=1).max()
            by_hand = w * (1 + near @ np.linalg.pinv(cov, 1e-10, hermitian=True) @ (row - mean))
            assert_allclose(shares, by_hand, atol=1e-10)

    @pytest.mark.parametrize("interpolate", [False, True])
    def test_columns_that_are_turned_and_padded_change_nothing(self, interpolate):
        rng = np.random.RandomState(0)
        turn = np.linalg.qr(rng.normal(size=(30, 30)))[0][:2]
        options = {"n_neighbors": 12, "interpolate": interpolate}
        plain = LocalLinearRegressor(ridge=1e-3, **options).fit(Z, Z @ MAP)
        # the penalty is a share of the variance in a column, which there are more of
        wide = LocalLinearRegressor(ridge=1e-3 * 15, **options).fit(Z @ turn, Z @ MAP)
        assert_allclose(wide.predict(INSIDE @ turn), plain.predict(INSIDE), atol=1e-9)
        assert_allclose(wide.loo_, plain.loo_, atol=1e-9)

    @pytest.mark.parametrize("ridge", [0.0, 1e-9])
    def test_shares_sum_to_one_without_a_penalty(self, ridge):
        rows = 1e3 * RNG.normal(size=(40, 50)) + 1e5
        model = LocalLinearRegressor(n_neighbors=10, ridge=ridge).fit(rows, rows)
        assert_allclose(shares_at(model, rows)[1].sum(1), 1, atol=1e-10)

    def test_equal_rows(self):
        model = LocalLinearRegressor(n_neighbors=3).fit(np.ones((9, 5)), np.arange(9.0))
        assert np.isfinite(model.predict(np.ones((1, 5)) * [[1.0], [7.0]])).all()

    def test_memory_does_not_grow_with_the_square_of_the_columns(self):
        rows = RNG.normal(size=(60, 800))
        tracemalloc.start()
        try:
            LocalLinearRegressor().fit(rows, rows[:, :3])
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        # one covariance for each row would take 307 MB
        assert peak < 60e6

    def test_memory_is_bounded_where_there_are_many_rows(self):
        rows = RNG.normal(size=(1000, 100))
        tracemalloc.start()
        try:
            LocalLinearRegressor(n_neighbors=100, ridge=1.0).fit(rows, rows[:, 0])
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        # the neighbours of all rows and as many covariances take 160 MB
        assert peak < 40e6


class TestPenalty:
    def test_is_small_for_a_smooth_function(self):
        assert LocalLinearRegressor().fit(Z, np.sin(Z @ MAP)).ridge_ <= 1e-4

    def test_is_large_where_there_is_nothing_but_noise(self):
        assert LocalLinearRegressor().fit(Z, RNG.normal(size=(len(Z), 20))).ridge_ == 1

    def test_makes_up_for_neighbours_fewer_than_columns(self):
        rows = RNG.normal(size=(300, 30))
        model = LocalLinearRegressor(n_neighbors=10).fit(rows[:250], rows[:250].sum(1))
        worst = np.abs(model.predict(rows[250:])).max()
        assert worst < 2 * np.abs(rows.sum(1)).max()


class TestInterpolation:
    def test_training_rows_keep_their_targets(self):
        y = RNG.normal(size=(len(Z), 2))
        model = LocalLinearRegressor(interpolate=True).fit(Z, y)
        assert_allclose(model.predict(Z), y, atol=1e-6)

    def test_is_continuous_there(self):
        y = np.sin(3 * Z)
        model = LocalLinearRegressor(interpolate=True).fit(Z, y)
        assert_allclose(model.predict(Z + 1e-4), y, atol=2e-3)

    def test_without_it_noise_is_averaged(self):
        y = RNG.normal(size=(len(Z), 2))
        assert LocalLinearRegressor().fit(Z, y).predict(Z).std() < 0.7 * y.std()


class TestEdges:
    def test_a_map_is_not_followed_far_out(self):
        model = LocalLinearRegressor().fit(Z, Z @ MAP)
        far, farther = model.predict(np.array([[9.0, 0.0], [1e6, 0.0]]))
        assert_allclose(far, farther, atol=0.5 * np.abs(Z @ MAP).max())
        assert np.abs(farther).max() < 3 * np.abs(Z @ MAP).max()

    def test_few_rows_are_all_taken(self):
        model = LocalLinearRegressor(n_neighbors=50).fit(Z[:5], Z[:5])
        assert shares_at(model, INSIDE)[0].shape == (len(INSIDE), 4)
        assert np.isfinite(model.predict(INSIDE)).all()

    def test_equal_rows(self):
        model = LocalLinearRegressor(n_neighbors=4).fit(np.ones((9, 2)), np.arange(9.0))
        assert 0 <= model.predict(np.ones((1, 2)))[0] <= 8
        assert np.isfinite(model.predict(np.array([[5.0, 1.0]]))).all()

    def test_no_rows_are_too_many(self, monkeypatch):
        whole = LocalLinearRegressor().fit(Z, Z @ MAP).predict(INSIDE)
        monkeypatch.setattr("skdiffusion.manifold.local_maps.MAX_ELEMENTS", 1000)
        assert_allclose(LocalLinearRegressor().fit(Z, Z @ MAP).predict(INSIDE), whole)
