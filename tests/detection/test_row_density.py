"""Kernels on rows and distances to rows, against brute force, and the robust Gaussian."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import logsumexp
from scipy.stats import multivariate_normal, spearmanr
from sklearn.covariance import OAS

from skdiffusion.detection import row_density
from skdiffusion.detection.anomaly_scores import HAIR, TrainingRows
from skdiffusion.detection.row_density import RowKernels, fit_robust_gaussian


def fit(Z, seed=0):
    return RowKernels(Z, np.random.RandomState(seed))


def rows(n, d, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 2)) @ rng.normal(size=(2, d)) + 0.1 * rng.normal(size=(n, d))


def covariances(kernels):
    F, floors = kernels.denoiser.factors.numpy(), kernels.denoiser.floors.numpy()
    return F @ F.transpose(0, 2, 1) + floors[:, None, None] * np.eye(F.shape[1])


class TestRowKernels:
    def test_kernels_follow_their_neighbours(self):
        Z = rows(120, 3)
        kernels = fit(Z)
        k = kernels.n_neighbors
        assert k == 40
        order = np.argsort(np.linalg.norm(Z[:, None] - Z, axis=2), axis=1)[:, 1 : k + 1]
        away = Z[order] - Z[:, None]
        local = np.einsum("nki,nkj->nij", away, away) / k
        expected = row_density.SHARE * local + row_density.BLUR**2 * np.eye(3)
        centre = kernels.denoiser.means.numpy()
        assert_allclose(centre, Z)
        assert_allclose(covariances(kernels), expected, rtol=1e-6, atol=1e-4)

    def test_log_prob(self):
        Z = rows(60, 3)
        kernels, new = fit(Z), rows(10, 3, seed=1)
        for level in (0.01, 0.3):
            cov = covariances(kernels) + level**2 * np.eye(3)
            terms = [multivariate_normal(m, c).logpdf(new) for m, c in zip(Z, cov, strict=True)]
            expected = logsumexp(terms, axis=0) - np.log(60)
            assert_allclose(kernels.log_prob(new, level), expected, rtol=1e-6)

    @pytest.mark.parametrize("n_kernels", [90, 50], ids=["all", "some"])
    @pytest.mark.parametrize("level", [0.01, 0.2])
    def test_leave_one_out(self, monkeypatch, n_kernels, level):
        """Without the row's kernel, and without its part in the kernels of others."""
        monkeypatch.setattr(row_density, "MAX_KERNELS", n_kernels)
        Z = rows(90, 3)
        kernels = fit(Z)
        centres = np.flatnonzero(kernels.owner >= 0)
        assert len(centres) == n_kernels
        order = np.argsort(np.linalg.norm(Z[:, None] - Z, axis=2), axis=1)[:, 1:]
        cov = covariances(kernels) + level**2 * np.eye(3)
        found = kernels.leave_one_out(level)
        for row in range(0, 90, 9):
            terms = []
            for kernel, centre in enumerate(centres):
                if centre == row:
                    continue
                S = cov[kernel].copy()
                if row in order[centre, : kernels.n_neighbors]:
                    away = Z[row] - Z[centre]
                    S -= row_density.SHARE / kernels.n_neighbors * np.outer(away, away)
                terms.append(multivariate_normal(Z[centre], S).logpdf(Z[row]))
            assert found[row] == pytest.approx(logsumexp(terms) - np.log(len(terms)), abs=1e-3)

    def test_new_rows_are_like_rows_left_out(self):
        Z = np.random.default_rng(0).normal(size=(3000, 3))
        kernels = fit(Z[:400])
        new, held_out = kernels.log_prob(Z[400:], 0.05), kernels.leave_one_out(0.05)
        assert abs(np.median(new) - np.median(held_out)) < 0.2
        assert np.median(kernels.log_prob(Z[:400], 0.05)) > np.median(new) + 0.4

    @pytest.mark.parametrize(("n", "d"), [(2, 1), (3, 5), (4, 40), (30, 33)])
    def test_few_rows_and_many_columns(self, n, d):
        kernels = fit(np.random.default_rng(0).normal(size=(n, d)))
        assert np.isfinite(kernels.leave_one_out(0.05)).all()
        assert np.isfinite(kernels.log_prob(np.zeros((1, d)), 0.05)).all()

    def test_no_columns_are_too_many(self, monkeypatch):
        """Numbers that describe a kernel are bounded, but two kernels are needed."""
        monkeypatch.setattr(row_density, "MAX_ELEMENTS", 10)
        kernels = fit(rows(20, 6))
        assert (kernels.owner >= 0).sum() == 2
        assert np.isfinite(kernels.leave_one_out(0.05)).all()

    def test_copies(self):
        """Kernels of rows that are all alike have the blur alone."""
        kernels = fit(np.ones((50, 2)))
        expected = multivariate_normal(np.ones(2), 2 * 0.01**2).logpdf(np.ones(2))
        assert_allclose(kernels.log_prob(np.ones((1, 2)), 0.01), expected, rtol=1e-3)
        assert_allclose(kernels.leave_one_out(0.01), expected, rtol=1e-3)


@pytest.fixture(scope="module")
def correlated():
    rng = np.random.default_rng(0)
    cov = np.array([[1.0, 0.8, 0.0], [0.8, 1.0, 0.2], [0.0, 0.2, 0.5]])
    return cov, rng.multivariate_normal(np.zeros(3), cov, size=1400)


class TestRobustGaussian:
    @staticmethod
    def shape(cov):
        return np.asarray(cov) / np.trace(cov)

    @pytest.mark.parametrize("kind", ["cluster", "scattered"])
    def test_withstands_thirty_per_cent(self, correlated, kind):
        cov, clean = correlated
        rng = np.random.default_rng(1)
        odd = rng.normal(size=(600, 3)) * (1.0 if kind == "cluster" else 30.0)
        X = np.concatenate([clean, odd + (20.0 if kind == "cluster" else 0.0)])
        robust, naive = fit_robust_gaussian(X), OAS().fit(X)
        assert abs(self.shape(robust.cov) - self.shape(cov)).max() < 0.06
        assert abs(self.shape(naive.covariance_) - self.shape(cov)).max() > 0.1
        assert np.abs(robust.mean.numpy()).max() < 0.15
        inside = robust.log_prob(torch.from_numpy(X), torch.tensor(0.01).double()).numpy()
        assert inside[1400:].max() < np.quantile(inside[:1400], 0.02)

    def test_ranks_clean_rows_as_their_covariance_does(self, correlated):
        cov, clean = correlated
        robust = fit_robust_gaussian(clean)
        scores = robust.log_prob(torch.from_numpy(clean), torch.tensor(0.01).double()).numpy()
        truth = multivariate_normal(np.zeros(3), cov).logpdf(clean)
        assert spearmanr(scores, truth).statistic > 0.98

    @pytest.mark.parametrize(("n", "d"), [(2, 3), (3, 1), (10, 40)])
    def test_few_rows(self, n, d):
        X = np.random.default_rng(0).normal(size=(n, d))
        scores = fit_robust_gaussian(X).log_prob(torch.from_numpy(X), torch.tensor(0.01).double())
        assert scores.isfinite().all()


class TestTrainingRows:
    @pytest.mark.parametrize("d", [2, 20])
    @pytest.mark.parametrize("k", [1, 5])
    def test_distances(self, d, k):
        Z, new = (np.random.default_rng(s).normal(size=(80, d)) for s in (0, 1))
        memory = TrainingRows(Z, k)
        every = np.linalg.norm(new[:, None] - Z, axis=2)
        assert_allclose(memory.near(new).distances, np.sort(every, axis=1)[:, :k])
        others = np.linalg.norm(Z[:, None] - Z, axis=2)
        assert_allclose(memory.held_out, np.sort(others, axis=1)[:, 1 : k + 1])
        assert_array_equal(memory.near(new).nearest, every.argmin(1))

    def test_at_most_all_others(self):
        memory = TrainingRows(np.arange(5.0)[:, None], 99)
        assert memory.n_neighbors == 4
        assert_array_equal(memory.held_out[0], [1, 2, 3, 4])

    def test_copies_are_at_distance_zero(self):
        """Exactly, in many columns far from the origin too, where squares lose their digits."""
        Z = 1e4 + np.random.default_rng(0).normal(size=(40, 20))
        memory = TrainingRows(np.concatenate([Z, Z[:1]]), 1)
        assert_array_equal(memory.held_out[[0, 40], 0], 0)
        assert_array_equal(memory.near(Z).distances[:, 0], 0)

    def test_batches(self):
        Z, new = (np.random.default_rng(s).normal(size=(80, 20)) for s in (0, 1))
        memory = TrainingRows(Z, 3)
        single = np.concatenate([memory.near(row[None]).distances for row in new])
        assert_array_equal(single, memory.near(new).distances)

    @pytest.mark.parametrize("k", [1, 7])
    def test_likeness_fades_within_a_hair(self, k):
        """From a training row towards another: linearly, whatever the number of neighbours."""
        Z = np.random.default_rng(0).normal(size=(80, 3))
        memory = TrainingRows(Z, k)
        apart = np.sort(np.linalg.norm(Z[:, None] - Z, axis=2), axis=1)[:, 1]
        away = np.random.default_rng(1).normal(size=Z.shape)
        away /= np.linalg.norm(away, axis=1, keepdims=True)
        for share, likeness in [(0, 1), (0.25, 0.75), (1, 0), (3, 0)]:
            near = memory.near(Z + share * HAIR * apart[:, None] * away)
            assert_array_equal(near.nearest, np.arange(80))
            assert_allclose(near.likeness, likeness, atol=1e-6)

    def test_copies_have_no_likeness(self):
        Z = np.random.default_rng(0).normal(size=(40, 2))
        near = TrainingRows(np.concatenate([Z, Z]), 1).near(Z)
        assert_array_equal(near.likeness, 0)
