"""Densities and scores of the smoother against other estimators and theorems."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import logsumexp
from scipy.stats import multivariate_normal
from sklearn.datasets import load_iris, load_wine
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.neighbors import KernelDensity

RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 3)) @ RNG.normal(size=(3, 3)) * [1.0, 20.0, 0.01] + [0.0, 5.0, -3.0]
FRESH = X[:20] + 0.1 * X.std(0) * RNG.normal(size=(20, 3))


def standardised(rows):
    return (rows - X.mean(0)) / X.std(0)


class TestIdentities:
    @pytest.mark.parametrize("metric, bandwidth", [("euclidean", 0.4), ("local", (0.0, 0.4))])
    def test_no_time_is_the_kernel_density_estimate(self, smooth, metric, bandwidth):
        smoother = smooth(metric=metric, bandwidth=bandwidth, background=None).fit(X)
        oracle = KernelDensity(bandwidth=0.4).fit(standardised(X))
        expected = oracle.score_samples(standardised(FRESH)) - np.log(X.std(0)).sum()
        assert_allclose(smoother.score_samples(FRESH), expected, rtol=1e-10)
        assert smoother.bandwidth_ == (0.0, 0.4)
        assert smoother.background_ == 0.0

    def test_one_scale_for_all_columns(self, smooth):
        smoother = smooth(metric="euclidean", bandwidth=0.4, background=None, standardize=False)
        scale = np.sqrt(X.var(0).mean())
        oracle = KernelDensity(bandwidth=0.4 * scale).fit(X)
        expected = oracle.score_samples(FRESH)
        assert_allclose(smoother.fit(X).score_samples(FRESH), expected, rtol=1e-9)

    def test_one_covariance_is_a_whitened_estimate(self, smooth):
        """With a determinant for the whitening."""
        smoother = smooth(metric="covariance", bandwidth=(0.3, 0.05), background=None).fit(X)
        Z, Y = standardised(X), standardised(FRESH)
        S = 0.3 * np.cov(Z.T, bias=True) + 0.05**2 * np.eye(3)
        root = np.linalg.cholesky(np.linalg.inv(S))
        oracle = KernelDensity(bandwidth=1.0).fit(Z @ root).score_samples(Y @ root)
        expected = oracle + np.linalg.slogdet(root)[1] - np.log(X.std(0)).sum()
        assert_allclose(smoother.score_samples(FRESH), expected, rtol=1e-10)

    def test_local_kernels_one_by_one(self, smooth):
        smoother = smooth(bandwidth=(0.7, 0.2), n_neighbors=6, background=None).fit(X)
        Z, Y = standardised(X), standardised(FRESH)
        logs = []
        for z in Z:
            near = Z[np.argsort(((Z - z) ** 2).sum(1))[1:7]] - z
            logs.append(
                multivariate_normal(z, 0.7 * near.T @ near / 6 + 0.04 * np.eye(3)).logpdf(Y)
            )
        expected = logsumexp(logs, axis=0) - np.log(80) - np.log(X.std(0)).sum()
        assert_allclose(smoother.score_samples(FRESH), expected, rtol=1e-10)

    def test_knn_kernels_reach_the_last_neighbour(self, smooth):
        smoother = smooth(metric="knn", bandwidth=(0.5, 0.1), n_neighbors=4, background=None).fit(X)
        Z, Y = standardised(X), standardised(FRESH)
        reach = np.sort(np.linalg.norm(Z[:, None] - Z, axis=2), axis=1)[:, 4]
        logs = [
            multivariate_normal(z, (0.5 * r**2 / 3 + 0.01) * np.eye(3)).logpdf(Y)
            for z, r in zip(Z, reach, strict=True)
        ]
        expected = logsumexp(logs, axis=0) - np.log(80) - np.log(X.std(0)).sum()
        assert_allclose(smoother.score_samples(FRESH), expected, rtol=1e-10)

    def test_background_is_a_mixture_beneath(self, smooth):
        """The density is linear in the share."""
        densities = [
            np.exp(smooth(bandwidth=(1.0, 0.2), background=share).fit(X).score_samples(FRESH))
            for share in (0.0, 0.4, 0.8)
        ]
        assert_allclose(densities[1], (densities[0] + densities[2]) / 2, rtol=1e-9)
        assert not np.allclose(densities[0], densities[2], rtol=1e-2)

    def test_function_as_metric(self, smooth):
        def constant(Z):
            return np.tile(np.cov(Z.T, bias=True), (len(Z), 1, 1))

        options = {"bandwidth": (0.3, 0.1), "background": None}
        by_name = smooth(metric="covariance", **options).fit(X)
        by_function = smooth(metric=constant, **options).fit(X)
        assert_allclose(by_function.score_samples(FRESH), by_name.score_samples(FRESH), rtol=1e-10)

    def test_low_rank(self, smooth):
        options = {"bandwidth": (1.0, 0.2), "background": None}
        exact, full = smooth(**options).fit(X), smooth(rank=3, **options).fit(X)
        assert_allclose(full.score_samples(FRESH), exact.score_samples(FRESH), rtol=1e-12)
        low = smooth(rank=1, **options).fit(X)
        assert low.denoiser_.factors.shape[2] == 1
        difference = np.abs(low.score_samples(FRESH) - exact.score_samples(FRESH))
        assert 1e-3 < difference.mean() < 1.0


class TestDensity:
    @pytest.mark.parametrize("metric", ["local", "euclidean", "covariance", "knn"])
    def test_integrates_to_one(self, smooth, moons, metric):
        smoother = smooth(metric=metric).fit(moons.X)
        axes = np.linspace(-2.5, 3.5, 241), np.linspace(-2.0, 2.5, 181)
        grid = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2)
        area = (axes[0][1] - axes[0][0]) * (axes[1][1] - axes[1][0])
        assert np.exp(smoother.score_samples(grid)).sum() * area == pytest.approx(1.0, abs=5e-3)

    def test_units(self, smooth, moons):
        other = moons.X * [1e-3, 50.0] + [7.0, 0.0]
        smoother = smooth(standardize=True).fit(other)
        fresh = moons.fresh * [1e-3, 50.0] + [7.0, 0.0]
        expected = moons.smoother.score_samples(moons.fresh) - np.log(1e-3 * 50.0)
        assert_allclose(smoother.score_samples(fresh), expected, rtol=1e-6)

    def test_with_a_target_it_is_marginal(self, iris):
        """Over classes: the law of each, weighted by its frequency."""
        smoother = iris.smoother
        Z = smoother._codes(iris.X[::7])
        laws = [smoother.joint_.of_class(k) for k in range(3)]
        parts = np.array([law.log_prob(Z, Z.new_zeros(())).numpy() for law in laws])
        expected = logsumexp(parts - np.log(3), axis=0)
        expected -= smoother.columns_.log_volume
        assert_allclose(smoother.score_samples(iris.X[::7]), expected, rtol=1e-6)

    def test_with_a_numeric_target_it_is_marginal(self, diabetes):
        """The target integrated out of the joint law on a grid."""
        smoother, x = diabetes.smoother, diabetes.X[:3]
        values = np.linspace(-10, 10, 8001)
        for row in smoother._codes(x):
            many = np.column_stack([np.tile(row, (8001, 1)), values])
            law, zero = smoother.joint_.denoiser, row.new_zeros(())
            joint = law.log_prob(row.new_tensor(many), zero).numpy()
            expected = logsumexp(joint) + np.log(values[1] - values[0])
            actual = smoother.denoiser_.log_prob(row[None], zero).item()
            assert actual == pytest.approx(expected, abs=1e-3)

    def test_score_is_the_mean(self, moons):
        samples = moons.smoother.score_samples(moons.fresh)
        assert moons.smoother.score(moons.fresh) == pytest.approx(samples.mean())

    def test_constant_columns_count_for_nothing(self, smooth, moons):
        with pytest.warns(UserWarning, match="Constant columns"):
            smoother = smooth(standardize=True).fit(np.insert(moons.X, 1, 3.0, axis=1))
        rows = np.insert(moons.fresh, 1, 3.0, axis=1)
        expected = moons.smoother.score_samples(moons.fresh)
        assert_allclose(smoother.score_samples(rows), expected, rtol=1e-9)


class TestHeldOut:
    """Log-likelihood of rows that fit has not seen."""

    def test_follows_thin_data_better_than_spheres(self, smooth, moons):
        X = np.column_stack([moons.X, moons.X[:, 0] * moons.X[:, 1]])
        fresh = np.column_stack([moons.fresh, moons.fresh[:, 0] * moons.fresh[:, 1]])
        spheres = smooth(metric="euclidean", background=None).fit(X).score(fresh)
        assert smooth(background=None).fit(X).score(fresh) > spheres + 0.3

    @pytest.mark.parametrize("load", [load_iris, load_wine])
    def test_against_other_estimators(self, smooth, load):
        Y = load().data
        Y = (Y - Y.mean(0)) / Y.std(0)
        Y = Y + 0.01 * np.random.default_rng(0).normal(size=Y.shape)
        folds = KFold(3, shuffle=True, random_state=0)
        found = cross_val_score(smooth(), Y, cv=folds).mean()
        search = GridSearchCV(KernelDensity(), {"bandwidth": np.geomspace(0.1, 1, 8)})
        spheres = np.mean([
            search.fit(Y[kept]).best_estimator_.score_samples(Y[out]).mean()
            for kept, out in folds.split(Y)
        ])  # fmt: skip
        one = cross_val_score(GaussianMixture(1, reg_covar=1e-3), Y, cv=folds).mean()
        assert found > spheres
        assert found > one - 0.05

    def test_bandwidth_is_near_the_best(self, smooth, moons):
        chosen = smooth(metric="euclidean", background=None).fit(moons.X)
        others = [
            smooth(metric="euclidean", background=None, bandwidth=h).fit(moons.X).score(moons.fresh)
            for h in np.geomspace(0.02, 1, 15)
        ]
        assert chosen.score(moons.fresh) > max(others) - 0.05


class TestScoreField:
    def test_is_the_gradient(self, moons):
        step = 1e-6
        field = moons.smoother.score_field(moons.fresh[:30])
        for j in range(2):
            shift = step * np.eye(2)[j]
            ahead = moons.smoother.score_samples(moons.fresh[:30] + shift)
            back = moons.smoother.score_samples(moons.fresh[:30] - shift)
            assert_allclose(field[:, j], (ahead - back) / (2 * step), rtol=1e-5, atol=1e-4)

    @pytest.mark.parametrize("t", [0.01, 0.3, 1.5])
    def test_of_rows_that_have_diffused(self, moons, t):
        """In closed form: kernels shrunk towards the mean, and noise of ``1 - e^{-2 t}``."""
        law, columns = moons.smoother.denoiser_, moons.smoother.columns_
        alpha = np.exp(-t)
        F, eye = law.factors.numpy(), np.eye(2)
        S = F @ F.transpose(0, 2, 1) + law.floors.numpy()[:, None, None] * eye
        covs = alpha**2 * S + (1 - alpha**2) * eye
        codes = columns.encode(moons.fresh[:10])
        steps = codes[:, None] - alpha * law.means.numpy()
        pulls = np.linalg.solve(covs, steps[..., None])[..., 0]
        logs = (
            law.log_weights.numpy()
            - 0.5 * (steps * pulls).sum(2)
            - 0.5 * np.linalg.slogdet(covs)[1]
        )
        share = np.exp(logs - logsumexp(logs, axis=1, keepdims=True))
        expected = -np.einsum("mn,mnd->md", share, pulls) / columns.scale
        assert_allclose(moons.smoother.score_field(moons.fresh[:10], t), expected, rtol=1e-8)

    @pytest.mark.parametrize("t", [20.0, 1e3, np.inf])
    def test_in_the_end_it_is_that_of_a_normal_law(self, moons, t):
        X, columns = moons.fresh, moons.smoother.columns_
        expected = -(X - columns.centre) / columns.scale**2
        assert_allclose(moons.smoother.score_field(X, t), expected, atol=1e-6)

    @pytest.mark.parametrize("t", [-0.1, np.nan, "0", None])
    def test_bad_time(self, moons, t):
        with pytest.raises(ValueError, match="t must be a number that is not negative"):
            moons.smoother.score_field(moons.X, t)

    def test_constant_columns_have_none(self, smooth, moons):
        with pytest.warns(UserWarning, match="Constant columns"):
            smoother = smooth(standardize=True).fit(np.insert(moons.X, 1, 3.0, axis=1))
        field = smoother.score_field(np.insert(moons.fresh, 1, 9.0, axis=1))
        assert_allclose(field[:, 1], 0)
        assert_allclose(field[:, [0, 2]], moons.smoother.score_field(moons.fresh), rtol=1e-6)


class TestTransform:
    def test_moves_noisy_rows_towards_the_data(self, smooth, moons):
        rng = np.random.default_rng(3)
        circle = rng.uniform(0, 2 * np.pi, (400, 1))
        train = np.column_stack([np.cos(circle), np.sin(circle)])
        smoother = smooth(noise_level=0.2).fit(train + 0.01 * rng.normal(size=(400, 2)))
        clean = train[:100]
        noisy = clean + 0.2 * train.std(0) * rng.normal(size=(100, 2))
        denoised = smoother.transform(noisy)
        off = [np.abs(np.linalg.norm(rows, axis=1) - 1).mean() for rows in (noisy, denoised)]
        assert off[1] < 0.4 * off[0]
        assert (
            np.linalg.norm(denoised - clean, axis=1).mean()
            < np.linalg.norm(noisy - clean, axis=1).mean()
        )

    def test_is_tweedies_formula(self, moons):
        """``x + h^2 grad log p_h(x)`` in standardised columns."""
        smoother = moons.smoother
        h = smoother.bandwidth_[1]
        Z = smoother._codes(moons.fresh)
        scores = smoother.denoiser_.score(Z, Z.new_tensor(h)).numpy()
        expected = moons.fresh + h**2 * scores * smoother.columns_.scale
        assert_allclose(smoother.transform(moons.fresh), expected, rtol=1e-9)

    def test_no_noise_moves_nothing(self, smooth, moons):
        smoother = smooth(noise_level=0.0).fit(moons.X)
        assert_allclose(smoother.transform(moons.fresh), moons.fresh, rtol=1e-9)


class TestLatent:
    def test_round_trip(self, moons):
        codes = moons.smoother.to_latent(moons.fresh)
        assert_allclose(moons.smoother.from_latent(codes), moons.fresh, atol=2e-3)

    def test_codes_of_own_draws_are_about_standard_normal(self, moons):
        codes = moons.smoother.to_latent(moons.smoother.sample(2000, random_state=0))
        assert_allclose(codes.mean(0), 0, atol=0.1)
        assert_allclose(np.cov(codes.T), np.eye(2), atol=0.12)

    def test_noise_becomes_rows(self, moons):
        noise = np.random.default_rng(0).normal(size=(500, 2))
        drawn = moons.smoother.from_latent(noise)
        own = moons.smoother.sample(500, random_state=0)
        assert moons.smoother.score(drawn) == pytest.approx(moons.smoother.score(own), abs=0.15)

    def test_constant_columns_have_no_code(self, smooth, moons):
        with pytest.warns(UserWarning, match="Constant columns"):
            smoother = smooth(n_steps=60).fit(np.insert(moons.X, 1, 3.0, axis=1))
        codes = smoother.to_latent(np.insert(moons.fresh, 1, 3.0, axis=1))
        assert codes.shape == (200, 2)
        assert_allclose(smoother.from_latent(codes)[:, 1], 3.0)

    def test_wrong_number(self, moons):
        with pytest.raises(ValueError, match="U has 3 columns, but codes have 2"):
            moons.smoother.from_latent(np.zeros((1, 3)))
