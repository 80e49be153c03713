"""Kernels on rows with their background: what is placed, and how it is chosen."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_iris, make_moons

from skdiffusion.geometry import row_kernels
from skdiffusion.geometry.row_kernels import KernelOptions, fit_kernels

X = np.random.default_rng(0).normal(size=(90, 2)) * [1.0, 0.2]
METRICS = ["local", "euclidean"]


def options(metric="local", rank=2, **others):
    return KernelOptions(metric, rank=rank, **others)


def covariances(kernels):
    eye = np.eye(kernels.means.shape[1])
    F = kernels.factors
    return F @ F.transpose(0, 2, 1) + kernels.floors[:, None, None] * eye


class TestFitKernels:
    @pytest.mark.parametrize("metric", METRICS)
    def test_a_kernel_on_every_row_and_a_background_beneath(self, metric):
        kernels = fit_kernels(X, options(metric, background=0.3), 0)
        n, (mixture,) = len(X), kernels.mixtures
        assert_array_equal(kernels.means[:n], X)
        assert (kernels.owner == 0).all()
        assert_allclose(kernels.weights[:n], 0.7 / 90)
        assert_allclose(kernels.weights[n:].sum(), 0.3)
        assert_allclose(kernels.means[n:], mixture.means_)
        # the share and the covariances of the mixture are those of its own fit
        assert_allclose(covariances(kernels)[n:], mixture.covariances_, rtol=1e-9)
        assert_allclose(kernels.weights[n:], 0.3 * mixture.weights_)

    def test_euclidean(self):
        kernels = fit_kernels(X, options("euclidean", bandwidth=(0.0, 0.4), background=0.0), 0)
        assert_allclose(covariances(kernels), np.tile(0.16 * np.eye(2), (90, 1, 1)))
        assert_allclose(kernels.weights, 1 / 90)
        assert kernels.mixtures == [None]

    def test_local(self):
        given = options("local", bandwidth=(0.5, 0.1), n_neighbors=89, background=0.0)
        steps = X[None] - X[:, None]
        expected = 0.5 * np.einsum("ijk,ijl->ikl", steps, steps) / 89 + 0.01 * np.eye(2)
        assert_allclose(covariances(fit_kernels(X, given, 0)), expected)

    def test_no_background_on_very_few_rows(self):
        kernels = fit_kernels(X[:9], options(background=0.3), 0)
        assert kernels.mixtures == [None]
        assert kernels.bandwidth.share == 0
        assert len(kernels.weights) == 9

    def test_is_reproducible(self):
        first, second = (fit_kernels(X, options(), 3) for _ in range(2))
        assert first.bandwidth == second.bandwidth
        assert_array_equal(first.factors, second.factors)

    def test_background_helps_or_does_no_harm(self):
        """On held-out rows of two distributions: one thin, one that a few Gaussians describe."""
        for Y in (make_moons(200, noise=0.05, random_state=0)[0], load_iris().data):
            Y = (Y - Y.mean(0)) / Y.std(0)
            alone = fit_kernels(Y, options(rank=Y.shape[1], background=0.0), 0)
            both = fit_kernels(Y, options(rank=Y.shape[1]), 0)
            assert both.bandwidth.log_likelihood >= alone.bandwidth.log_likelihood - 0.5


class TestWeights:
    GIVEN = {"bandwidth": (0.5, 0.1), "n_neighbors": 7}  # noqa: RUF012

    def test_of_the_kernels(self):
        weights = np.arange(1.0, 91.0)
        kernels = fit_kernels(X, options(background=0.2, **self.GIVEN), 0, sample_weight=weights)
        assert_allclose(kernels.weights[:90], 0.8 * weights / weights.sum())
        assert_allclose(kernels.weights.sum(), 1.0)

    def test_of_held_out_rows(self):
        """Rows of nearly no weight have no say in the bandwidths, nor beneath the kernels."""
        wide = np.concatenate([X, 30 * X[:30]])
        weights = np.r_[np.ones(90), np.full(30, 1e-9)]
        given = options("euclidean", n_neighbors=7, background=0.0)
        alone = fit_kernels(X, given, 0).bandwidth
        weighted = fit_kernels(wide, given, 0, sample_weight=weights).bandwidth
        assert weighted.h == pytest.approx(alone.h, rel=0.35)
        assert fit_kernels(wide, given, 0).bandwidth.h > 2 * alone.h
        given = replace(given, background=None)
        [alone], [every] = (fit_kernels(rows, given, 0).mixtures for rows in (X, wide))
        [weighted] = fit_kernels(wide, given, 0, sample_weight=weights).mixtures
        assert_allclose(weighted.means_, alone.means_, atol=1e-9)
        assert every.n_components > alone.n_components


class TestClasses:
    LABEL = np.arange(90) % 3

    def test_share_nothing_but_the_bandwidths(self):
        """The kernels of each class are those of its rows alone."""
        given = {"bandwidth": (0.5, 0.1), "n_neighbors": 7, "background": 0.2}
        together = fit_kernels(X, options(**given), 0, label=self.LABEL)
        for k in range(3):
            alone = fit_kernels(X[k == self.LABEL], options(**given), 0)
            mine = together.owner == k
            assert_array_equal(together.means[mine], alone.means)
            part = together._replace(factors=together.factors[mine], floors=together.floors[mine])
            assert_allclose(covariances(part._replace(means=alone.means)), covariances(alone))
            assert_allclose(3 * together.weights[mine], alone.weights)

    def test_weigh_as_they_are_frequent(self):
        label = np.repeat([0, 1, 2], [60, 25, 5])
        kernels = fit_kernels(X, options(background=0.3), 0, label=label)
        weights = np.bincount(kernels.owner, kernels.weights)
        assert_allclose(weights, np.array([60, 25, 5]) / 90)
        # five rows are too few for Gaussians beneath them
        assert kernels.mixtures[2] is None

    @pytest.mark.parametrize("metric", METRICS)
    def test_of_one_row(self, metric):
        label = (np.arange(90) == 4).astype(int)
        kernels = fit_kernels(X, options(metric), 0, label=label)
        only = kernels.owner == 1
        assert only.sum() == 1
        assert_array_equal(kernels.means[only], X[[4]])
        assert np.isfinite(kernels.factors).all()
        assert (kernels.floors > 0).all()


class TestNeighbours:
    @pytest.mark.parametrize("n, d", [(2, 1), (3, 5), (12, 2), (17, 3), (31, 4), (90, 30)])
    def test_are_below_half_of_the_rows(self, n, d):
        Y = np.random.default_rng(0).normal(size=(n, d))
        k = fit_kernels(Y, options(background=0.0, rank=1), 0).n_neighbors
        assert k >= 1
        assert 2 * k < n or k == 1

    def test_too_many(self):
        with pytest.warns(UserWarning, match="n_neighbors=90 is not below .* 90: using 89"):
            kernels = fit_kernels(X, options(n_neighbors=90, bandwidth=(1.0, 0.1)), 0)
        assert kernels.n_neighbors == 89

    def test_that_do_not_matter_bring_no_warning(self, recwarn):
        fit_kernels(X, options("euclidean", n_neighbors=900, bandwidth=(0.0, 0.1)), 0)
        assert not recwarn


class TestScott:
    @pytest.mark.parametrize("metric, times", [("local", 0.25), ("euclidean", 1.0)])
    def test_blur_of_too_few_rows_to_choose_by(self, metric, times):
        bandwidth = fit_kernels(X[:9], options(metric), 0).bandwidth
        assert bandwidth.h == pytest.approx(times * 9 ** (-1 / 6))
        assert bandwidth.eps == (metric != "euclidean")


class TestManyRows:
    """The choice is made on some of the rows and carried over."""

    @pytest.fixture(autouse=True)
    def few(self, monkeypatch):
        monkeypatch.setattr(row_kernels, "MAX_SELECTION_ROWS", 300)

    Y = np.random.default_rng(1).normal(size=(4800, 1))

    def test_kernels_become_as_narrow_as_the_rate_says(self):
        """By ``16^{-1 / 5}`` from 300 rows on."""
        many = fit_kernels(self.Y, options("euclidean", rank=1, background=0.0), 0)
        rng = np.random.RandomState(0)
        rng.randint(2**31 - 1, size=2)
        few = self.Y[rng.permutation(4800)[:300]]
        some = fit_kernels(few, options("euclidean", rank=1, background=0.0), 0)
        ratio = covariances(many)[0] / covariances(some)[0]
        assert np.sqrt(ratio.item()) == pytest.approx(16 ** (-1 / 5), rel=0.35)

    def test_neighbours_become_more(self):
        many = fit_kernels(self.Y, options("local", rank=1, background=0.0), 0)
        assert many.n_neighbors in [round(k * 16 ** (4 / 5)) for k in (5, 8, 15, 30)]

    def test_a_given_number_of_neighbours_stays(self):
        many = fit_kernels(self.Y, options("local", rank=1, background=0.0, n_neighbors=100), 0)
        assert many.n_neighbors == 100

    def test_given_bandwidths_stay(self):
        many = fit_kernels(self.Y, options("euclidean", rank=1, bandwidth=(0.0, 0.123)), 0)
        assert many.bandwidth[:2] == (0.0, 0.123)
