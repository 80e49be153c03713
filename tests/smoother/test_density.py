"""Densities, scores and denoising of the smoother against other estimators and theorems."""

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose
from scipy.special import logsumexp
from scipy.stats import multivariate_normal
from sklearn.datasets import load_iris, load_wine
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.neighbors import KernelDensity

from skdiffusion import RiemannianKernelSmoother, TableEncoder

RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 3)) @ RNG.normal(size=(3, 3)) * [1.0, 20.0, 0.01] + [0.0, 5.0, -3.0]
FRESH = X[:20] + 0.1 * X.std(0) * RNG.normal(size=(20, 3))


def standardised(rows):
    return (rows - X.mean(0)) / X.std(0)


def kernels_one_by_one(covariances):
    """Log-densities of fresh rows under kernels with such covariances in standardised columns."""
    logs = [
        multivariate_normal(z, cov).logpdf(standardised(FRESH))
        for z, cov in zip(standardised(X), covariances, strict=True)
    ]
    return logsumexp(logs, axis=0) - np.log(len(X)) - np.log(X.std(0)).sum()


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
        expected = KernelDensity(bandwidth=0.4 * scale).fit(X).score_samples(FRESH)
        assert_allclose(smoother.fit(X).score_samples(FRESH), expected, rtol=1e-9)

    def test_local_kernels(self, smooth):
        smoother = smooth(bandwidth=(0.7, 0.2), n_neighbors=6, background=None).fit(X)
        Z, covs = standardised(X), []
        for z in Z:
            near = Z[np.argsort(((Z - z) ** 2).sum(1))[1:7]] - z
            covs.append(0.7 * near.T @ near / 6 + 0.04 * np.eye(3))
        assert_allclose(smoother.score_samples(FRESH), kernels_one_by_one(covs), rtol=1e-10)

    def test_background_is_a_mixture_beneath(self, smooth):
        """The density is linear in the share."""
        densities = [
            np.exp(smooth(background=share).fit(X).score_samples(FRESH))
            for share in (0.0, 0.4, 0.8)
        ]
        assert_allclose(densities[1], (densities[0] + densities[2]) / 2, rtol=1e-9)
        assert not np.allclose(densities[0], densities[2], rtol=1e-2)

    def test_weights_are_repetitions(self, smooth):
        weights = np.arange(80) % 4
        repeated = smooth().fit(np.repeat(X, weights, axis=0)).score_samples(FRESH)
        weighted = smooth().fit(X, sample_weight=weights).score_samples(FRESH)
        assert_allclose(weighted, repeated, rtol=1e-9)

    def test_densities_are_mixed_by_weights(self, smooth):
        """With spheres of one size, whatever the rows."""
        smoother = smooth(
            metric="euclidean",
            bandwidth=0.4,
            background=None,
            encoder=TableEncoder(numeric_transform=1.0, clip=False),
        )
        first = np.arange(80) < 40
        weights = first.astype(float), 3.0 * ~first, np.where(first, 1.0, 3.0)
        a, b, both = (
            smoother.fit(X, sample_weight=weight).score_samples(FRESH) for weight in weights
        )
        assert_allclose(np.exp(both), (np.exp(a) + 3 * np.exp(b)) / 4, rtol=1e-9)


class TestDensity:
    @pytest.mark.parametrize("metric", ["local", "euclidean"])
    def test_integrates_to_one(self, smooth, moons, metric):
        smoother = smooth(metric=metric).fit(moons.X)
        axes = np.linspace(-2.5, 3.5, 161), np.linspace(-2.0, 2.5, 121)
        grid = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2)
        area = (axes[0][1] - axes[0][0]) * (axes[1][1] - axes[1][0])
        assert np.exp(smoother.score_samples(grid)).sum() * area == pytest.approx(1.0, abs=5e-3)

    def test_units_and_constant_columns(self, smooth, moons):
        def other(rows):
            return np.insert(rows * [1e-3, 50.0] + [7.0, 0.0], 1, 3.0, axis=1)

        smoother = smooth().fit(other(moons.X))
        expected = moons.smoother.score_samples(moons.fresh) - np.log(1e-3 * 50.0)
        assert_allclose(smoother.score_samples(other(moons.fresh)), expected, rtol=1e-6)
        assert_allclose(smoother.sample(30)[:, 1], 3.0)
        assert_allclose(smoother.score_field(other(moons.fresh))[:, 1], 0.0)
        assert smoother.transform(other(moons.fresh)).shape == (200, 2)

    def test_over_classes_it_is_marginal(self, smooth, iris):
        """The density of each class, weighted by its frequency."""
        # in units that do not depend on the class, and not rounded
        units = smooth(encoder=TableEncoder(numeric_transform=1.0, clip=False))
        rows = iris.X + 0.01 * np.random.default_rng(0).normal(size=iris.X.shape)
        parts = [units.fit(rows[iris.y == k]).score_samples(rows) for k in np.unique(iris.y)]
        expected = logsumexp(np.array(parts) - np.log(3), axis=0)
        assert_allclose(units.fit(rows, iris.y).score_samples(rows), expected, rtol=1e-6)

    def test_with_a_numeric_target_it_is_marginal(self, diabetes):
        """The target integrated out of the joint density on a grid."""
        model, values = diabetes.smoother.model_, np.linspace(-10, 10, 8001)
        Z = diabetes.smoother._encoded(diabetes.X[:3])
        for row, actual in zip(Z, model.log_prob(Z), strict=True):
            many = torch.from_numpy(np.column_stack([np.tile(row, (8001, 1)), values]))
            joint = model.denoiser.log_prob(many, many.new_zeros(())).numpy()
            expected = logsumexp(joint) + np.log(values[1] - values[0])
            assert actual == pytest.approx(expected, abs=1e-3)

    def test_of_rows_with_gaps_it_is_marginal(self, gaussian):
        rows = gaussian.X[:5].copy()
        rows[:, 1] = np.nan
        kept = gaussian.smoother.model_.denoiser.marginal(torch.tensor([True, False, True]))
        Z = torch.from_numpy(gaussian.smoother._encoded(rows)[:, [0, 2]])
        volume = np.log(gaussian.X.std(0)[[0, 2]]).sum()
        expected = kept.log_prob(Z, Z.new_zeros(())).numpy() - volume
        assert_allclose(gaussian.smoother.score_samples(rows), expected, rtol=1e-9)

    def test_of_categories_is_a_probability(self, smooth, mixed):
        """Numbers integrated out, and categories summed over."""
        rows = mixed.X.iloc[[0] * 6].copy().reset_index(drop=True)
        rows[["length", "width"]], rows["day"] = np.nan, pd.NaT
        rows["kind"] = list("abcabc")
        rows["large"] = [True] * 3 + [False] * 3
        total = np.exp(mixed.smoother.score_samples(rows)).sum()
        assert total == pytest.approx(1.0, abs=1e-4)

    def test_score_is_the_mean(self, moons):
        samples = moons.smoother.score_samples(moons.fresh)
        assert moons.smoother.score(moons.fresh) == pytest.approx(samples.mean())


class TestHeldOut:
    """Log-likelihood of rows that fit has not seen, with all choices made by it."""

    def test_follows_thin_data_better_than_spheres(self, moons):
        rows, fresh = (np.column_stack([part, part.prod(1)]) for part in (moons.X, moons.fresh))
        local, spheres = (
            RiemannianKernelSmoother(
                metric=metric, background=None, known_noise=0.0, random_state=0
            ).fit(rows)
            for metric in ("local", "euclidean")
        )
        assert local.score(fresh) > spheres.score(fresh) + 0.3

    @pytest.mark.parametrize("load", [load_iris, load_wine])
    def test_against_other_estimators(self, load):
        Y = load().data
        Y = (Y - Y.mean(0)) / Y.std(0)
        Y = Y + 0.01 * np.random.default_rng(0).normal(size=Y.shape)
        folds = KFold(3, shuffle=True, random_state=0)
        smoother = RiemannianKernelSmoother(known_noise=0.0, random_state=0)
        found = cross_val_score(smoother, Y, cv=folds).mean()
        search = GridSearchCV(KernelDensity(), {"bandwidth": np.geomspace(0.1, 1, 8)})
        spheres = [
            search.fit(Y[kept]).best_estimator_.score_samples(Y[out]).mean()
            for kept, out in folds.split(Y)
        ]
        one = cross_val_score(GaussianMixture(1, reg_covar=1e-3), Y, cv=folds).mean()
        assert found > np.mean(spheres)
        assert found > one - 0.05

    def test_scale_is_chosen(self, global_random_seed):
        """Columns of one unit, of which one hardly varies, are best left in it."""
        rng = np.random.default_rng(global_random_seed)
        angle = rng.uniform(0, 2 * np.pi, 300)
        rows = np.column_stack([3 * angle, np.sin(3 * angle), np.cos(3 * angle)])
        rows += 0.05 * rng.normal(size=rows.shape)
        scores = {
            scale: RiemannianKernelSmoother(
                standardize=scale, metric="euclidean", background=None, known_noise=0.0,
                random_state=0,
            ).fit(rows[:200]).score(rows[200:])
            for scale in (True, False, "auto")
        }  # fmt: skip
        assert scores["auto"] == pytest.approx(max(scores[True], scores[False]), abs=1e-9)


class TestScoreField:
    def test_is_the_gradient(self, moons):
        step, rows = 1e-6, moons.fresh[:30]
        field = moons.smoother.score_field(rows)
        for j in range(2):
            shift = step * np.eye(2)[j]
            ahead, back = (moons.smoother.score_samples(rows + s * shift) for s in (1, -1))
            assert_allclose(field[:, j], (ahead - back) / (2 * step), rtol=1e-5, atol=1e-4)

    @pytest.mark.parametrize("t", [0.01, 1.5])
    def test_of_rows_that_have_diffused(self, moons, t):
        """In closed form: kernels shrunk towards the mean, and noise of ``1 - e^{-2 t}``."""
        kernels, alpha, eye = moons.smoother.model_.denoiser, np.exp(-t), np.eye(2)
        F = kernels.factors.numpy()
        S = F @ F.transpose(0, 2, 1) + kernels.floors.numpy()[:, None, None] * eye
        covs = alpha**2 * S + (1 - alpha**2) * eye
        mean, scale = moons.X.mean(0), moons.X.std(0)
        steps = ((moons.fresh[:10] - mean) / scale)[:, None] - alpha * kernels.means.numpy()
        pulls = np.linalg.solve(covs, steps[..., None])[..., 0]
        logs = kernels.log_weights.numpy() - 0.5 * (
            (steps * pulls).sum(2) + np.linalg.slogdet(covs)[1]
        )
        share = np.exp(logs - logsumexp(logs, axis=1, keepdims=True))
        expected = -np.einsum("mn,mnd->md", share, pulls) / scale
        assert_allclose(moons.smoother.score_field(moons.fresh[:10], t), expected, rtol=1e-8)

    @pytest.mark.parametrize("t", [20.0, np.inf])
    def test_in_the_end_it_is_that_of_a_normal_distribution(self, moons, t):
        expected = -(moons.fresh - moons.X.mean(0)) / moons.X.var(0)
        assert_allclose(moons.smoother.score_field(moons.fresh, t), expected, atol=1e-6)

    def test_of_rows_alone_where_there_is_a_target(self, diabetes):
        step, rows = 1e-6 * diabetes.X.std(0)[0] * np.eye(4)[0], diabetes.fresh[0][:5]
        ahead, back = (diabetes.smoother.score_samples(rows + s * step) for s in (1, -1))
        field = diabetes.smoother.score_field(rows)
        assert_allclose(field[:, 0], (ahead - back) / (2 * step[0]), rtol=1e-4)

    @pytest.mark.parametrize("t", [-0.1, np.nan, "0", None])
    def test_bad_time(self, moons, t):
        with pytest.raises(ValueError, match="t must be a number that is not negative"):
            moons.smoother.score_field(moons.X, t)

    def test_bad_rows(self, moons, mixed):
        for smoother, rows in ((moons.smoother, [[np.nan, 0.0]]), (mixed.smoother, mixed.X)):
            with pytest.raises(ValueError, match="complete rows of numbers"):
                smoother.score_field(rows)


class TestDenoise:
    def test_moves_noisy_rows_towards_the_data(self, smooth, global_random_seed):
        rng = np.random.default_rng(global_random_seed)
        angle = rng.uniform(0, 2 * np.pi, (400, 1))
        train = np.column_stack([np.cos(angle), np.sin(angle)])
        smoother = smooth().fit(train + 0.01 * rng.normal(size=(400, 2)))
        clean = train[:100]
        noisy = clean + 0.15 * rng.normal(size=(100, 2))
        denoised = smoother.denoise(noisy, noise=0.15)
        off = [np.abs(np.linalg.norm(rows, axis=1) - 1).mean() for rows in (noisy, denoised)]
        assert off[1] < 0.5 * off[0]
        error = [np.linalg.norm(rows - clean, axis=1).mean() for rows in (noisy, denoised)]
        assert error[1] < error[0]

    @pytest.mark.parametrize("standardize", [True, False])
    def test_is_tweedies_formula(self, smooth, moons, standardize):
        """``x + h^2 grad log p_h(x)`` with the blur as noise, in the scale of the kernels."""
        smoother = smooth(standardize=standardize).fit(moons.X)
        scale = moons.X.std(0) if standardize else np.sqrt(moons.X.var(0).mean())
        noise = np.broadcast_to(0.1 * scale, 2)
        Z = torch.from_numpy(smoother._encoded(moons.fresh))
        sigma = torch.from_numpy(noise / moons.X.std(0))
        scores = smoother.model_.denoiser.score(Z, sigma).numpy() / moons.X.std(0)
        expected = moons.fresh + noise**2 * scores
        assert_allclose(smoother.denoise(moons.fresh), expected, rtol=1e-9)
        assert_allclose(smoother.denoise(moons.fresh, noise=noise), expected, rtol=1e-9)

    def test_no_noise_moves_nothing(self, moons):
        assert_allclose(moons.smoother.denoise(moons.fresh, noise=0.0), moons.fresh, rtol=1e-9)
