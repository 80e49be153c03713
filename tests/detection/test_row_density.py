"""Kernels on rows, against brute force."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from skdiffusion.detection import row_density
from skdiffusion.detection.row_density import MARGINAL_NOISE, NOISE, RowKernels


def rows(n, d, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 2)) @ rng.normal(size=(2, d)) + 0.1 * rng.normal(size=(n, d))


def covariances(kernels):
    F, floors = kernels.denoiser.factors.numpy(), kernels.denoiser.floors.numpy()
    return F @ F.transpose(0, 2, 1) + floors[:, None, None] * np.eye(F.shape[1])


class TestRowKernels:
    def test_kernels_follow_their_neighbours(self):
        Z = rows(120, 3)
        kernels = RowKernels(Z)
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
        kernels, new = RowKernels(Z), rows(10, 3, seed=1)
        cov = covariances(kernels) + NOISE**2 * np.eye(3)
        terms = [multivariate_normal(m, c).logpdf(new) for m, c in zip(Z, cov, strict=True)]
        expected = logsumexp(terms, axis=0) - np.log(60)
        assert_allclose(kernels.log_prob(new), expected, rtol=1e-6)

    @pytest.mark.parametrize("n_kernels", [90, 50], ids=["all", "some"])
    def test_leave_one_out(self, monkeypatch, n_kernels):
        """Without the row's kernel, and without its part in the kernels of others."""
        monkeypatch.setattr(row_density, "MAX_KERNELS", n_kernels)
        Z = rows(90, 3)
        kernels = RowKernels(Z)
        centres = np.flatnonzero(kernels.owner >= 0)
        assert len(centres) == n_kernels
        order = np.argsort(np.linalg.norm(Z[:, None] - Z, axis=2), axis=1)[:, 1:]
        cov = covariances(kernels) + NOISE**2 * np.eye(3)
        found = kernels.leave_one_out()
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
        kernels = RowKernels(Z[:400])
        new, held_out = kernels.log_prob(Z[400:]), kernels.leave_one_out()
        assert abs(np.median(new) - np.median(held_out)) < 0.2
        assert np.median(kernels.log_prob(Z[:400])) > np.median(new) + 0.4

    @pytest.mark.parametrize(("n", "d"), [(2, 1), (3, 5), (4, 40), (30, 33)])
    def test_few_rows_and_many_columns(self, n, d):
        kernels = RowKernels(np.random.default_rng(0).normal(size=(n, d)))
        assert np.isfinite(kernels.leave_one_out()).all()
        assert np.isfinite(kernels.log_prob(np.zeros((1, d)))).all()

    def test_no_columns_are_too_many(self, monkeypatch):
        """Numbers that describe a kernel are bounded, but two kernels are needed."""
        monkeypatch.setattr(row_density, "MAX_ELEMENTS", 10)
        kernels = RowKernels(rows(20, 6))
        assert (kernels.owner >= 0).sum() == 2
        assert np.isfinite(kernels.leave_one_out()).all()

    def test_copies(self):
        """Kernels of rows that are all alike have the blur alone."""
        kernels = RowKernels(np.ones((50, 2)))
        expected = multivariate_normal(np.ones(2), 0.01**2 + NOISE**2).logpdf(np.ones(2))
        assert_allclose(kernels.log_prob(np.ones((1, 2))), expected, rtol=1e-3)
        assert_allclose(kernels.leave_one_out(), expected, rtol=1e-3)

    def test_surprise_is_a_difference_of_marginals(self):
        """Of a column given the others, and by itself, with what is missing left out."""
        Z, new = rows(60, 3), rows(8, 3, seed=1)
        new[2:5, 1] = np.nan
        kernels = RowKernels(Z)
        given = kernels.given_others(new, np.arange(3))
        cov = covariances(kernels)

        def log_density(row, kept, noise):
            part = np.ix_(kept, kept)
            terms = [
                multivariate_normal(m[kept], c[part] + noise**2 * np.eye(len(kept))).logpdf(
                    row[kept]
                )
                for m, c in zip(Z, cov, strict=True)
            ]
            return logsumexp(terms) - np.log(60)

        alone = kernels.by_themselves(new, np.arange(3))
        for row, by_column, by_itself in zip(new, given, alone, strict=True):
            here = np.flatnonzero(~np.isnan(row))
            for j in here:
                others = log_density(row, here[here != j], NOISE)
                assert_allclose(by_column[j], others - log_density(row, here, NOISE), atol=1e-6)
                assert_allclose(by_itself[j], -log_density(row, np.array([j]), MARGINAL_NOISE))
        assert_allclose(given[2:5, 1], 0, atol=1e-12)
        assert_array_equal(alone[2:5, 1], 0)

    def test_some_kernels_have_the_neighbours_among_all_rows(self, monkeypatch):
        Z = rows(90, 3)
        whole = RowKernels(Z)
        monkeypatch.setattr(row_density, "MAX_KERNELS", 20)
        some = RowKernels(Z)
        centres = np.flatnonzero(some.owner >= 0)
        assert_allclose(covariances(some), covariances(whole)[centres], rtol=1e-6, atol=1e-9)
