"""Held-out likelihoods and what maximises them, against brute force."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import logsumexp
from scipy.stats import multivariate_normal
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import KFold

from skdiffusion.geometry import cross_validation
from skdiffusion.geometry import selection as selection_module
from skdiffusion.geometry.cross_validation import TensorOptions, choose_kernels
from skdiffusion.geometry.low_rank import LowRank, low_rank_factors
from skdiffusion.geometry.neighbors import neighbor_graph
from skdiffusion.geometry.selection import Fold, choose_bandwidth, held_out_log_density
from skdiffusion.geometry.tensor import tensor_local

RNG = np.random.default_rng(0)
CURVE = np.sort(RNG.uniform(-2, 2, 120))
X = np.column_stack([CURVE, np.sin(2 * CURVE)]) + 0.05 * RNG.normal(size=(120, 2))
H_MIN = 1e-3


def local(X, k, rank=2):
    return low_rank_factors(tensor_local(X, *neighbor_graph(X, k)), rank)


def brute_density(X, tensors, Y, eps, h):
    """The mixture, kernel by kernel."""
    F, floors = tensors.kernel(eps, h)
    logs = [
        multivariate_normal(x, f @ f.T + floor * np.eye(X.shape[1])).logpdf(Y)
        for x, f, floor in zip(X, F, floors, strict=True)
    ]
    return logsumexp(logs, axis=0) - np.log(len(X))


class TestHeldOutLogDensity:
    @pytest.mark.parametrize("rank", [0, 1, 2])
    def test_against_brute_force(self, rank):
        tensors = local(X[:80], 10, max(rank, 1))
        if rank == 0:
            tensors = LowRank(np.zeros((80, 2, 0)), np.zeros((80, 0)), tensors.residuals + 0.1)
        eps, h = np.array([0.0, 0.5, 2.0]), np.array([0.3, 0.1, 0.01])
        actual = held_out_log_density(X[:80], tensors, X[80:], eps, h)
        for g in range(3):
            expected = brute_density(X[:80], tensors, X[80:], eps[g], h[g])
            assert_allclose(actual[:, g], expected, rtol=1e-9, atol=1e-9)

    def test_chunks(self, monkeypatch):
        tensors, eps, h = local(X[:80], 10), np.array([0.5, 1.0]), np.array([0.2, 0.1])
        whole = held_out_log_density(X[:80], tensors, X[80:], eps, h)
        monkeypatch.setattr(selection_module, "_CHUNK_ELEMENTS", 1)
        assert_allclose(held_out_log_density(X[:80], tensors, X[80:], eps, h), whole, rtol=1e-12)

    def test_far_away(self):
        far = np.full((1, 2), 1e3)
        value = held_out_log_density(X, local(X, 8), far, np.array([1.0]), np.array([0.01]))
        assert np.isfinite(value).all()
        assert value < -1e5


def folds(X, k=10, n_folds=4, background=None):
    made = []
    for kept, out in KFold(n_folds, shuffle=True, random_state=0).split(X):
        log_background = None
        if background is not None:
            log_background = background.fit(X[kept]).score_samples(X[out])
        made.append(Fold(X[kept], local(X[kept], k), X[out], log_background))
    return made


def total(folds, eps, h, share=0.0):
    """The mean log-density of all rows held out."""
    value, n = 0.0, 0
    for fold in folds:
        log_kernel = held_out_log_density(
            fold.X, fold.tensors, fold.held_out, np.array([eps]), np.array([h])
        )[:, 0]
        if share:
            log_kernel = np.logaddexp(
                log_kernel + np.log1p(-share), fold.log_background + np.log(share)
            )
        value, n = value + log_kernel.sum(), n + len(log_kernel)
    return value / n


class TestChooseBandwidth:
    def test_near_the_best_of_a_fine_grid(self):
        found = choose_bandwidth(folds(X), h_min=H_MIN)
        grid = [
            total(folds(X), eps, h)
            for eps in [0, *np.geomspace(0.01, 5, 25)]
            for h in np.geomspace(H_MIN, 1, 40)
        ]
        assert found.log_likelihood == pytest.approx(total(folds(X), found.eps, found.h))
        assert found.log_likelihood > max(grid) - 0.01

    def test_follows_the_data_where_they_are_thin(self):
        found = choose_bandwidth(folds(X), h_min=H_MIN)
        spheres = choose_bandwidth(folds(X), h_min=H_MIN, isotropic=True)
        assert found.eps > 0
        assert spheres.eps == 0
        assert found.log_likelihood > spheres.log_likelihood + 0.1

    @pytest.mark.parametrize("share", [None, 0.25, 0.0])
    def test_share(self, share):
        """The best one, against a fine grid, or the one given."""
        wide = np.concatenate([X, RNG.normal(size=(40, 2)) * 1.5])
        made = folds(wide, background=GaussianMixture(1))
        found = choose_bandwidth(made, h_min=H_MIN, share=share)
        assert found.log_likelihood == pytest.approx(total(made, found.eps, found.h, found.share))
        if share is not None:
            assert found.share == share
            return
        grid = [total(made, found.eps, found.h, s) for s in np.linspace(0, 0.95, 96)]
        assert found.log_likelihood >= max(grid) - 1e-5
        assert 0.05 < found.share < 0.6

    def test_background_wins_or_ties(self):
        alone = choose_bandwidth(folds(X), h_min=H_MIN)
        with_it = choose_bandwidth(folds(X, background=GaussianMixture(3)), h_min=H_MIN)
        assert with_it.log_likelihood >= alone.log_likelihood - 1e-9
        useless = choose_bandwidth(
            [fold._replace(log_background=np.full(len(fold.held_out), -99.0)) for fold in folds(X)],
            h_min=H_MIN,
        )
        assert useless.share < 1e-3
        assert useless.log_likelihood == pytest.approx(alone.log_likelihood, abs=1e-3)

    def test_fixed(self):
        made = folds(X, background=GaussianMixture(2))
        found = choose_bandwidth(made, h_min=H_MIN, fixed=(0.4, 0.07))
        assert (found.eps, found.h) == (0.4, 0.07)
        grid = [total(made, 0.4, 0.07, s) for s in np.linspace(0, 0.95, 96)]
        assert found.log_likelihood >= max(grid) - 1e-5

    def test_equal_rows_stop_at_the_smallest_blur(self):
        rows = RNG.normal(size=(30, 2))
        thrice = np.repeat(rows, 3, axis=0)
        tensors = LowRank(np.zeros((90, 2, 0)), np.zeros((90, 0)), np.zeros(90))
        fold = Fold(thrice, tensors, rows, None)
        assert choose_bandwidth([fold], h_min=H_MIN, isotropic=True).h == pytest.approx(H_MIN)


class TestChooseKernels:
    OPTIONS = {"h_min": H_MIN, "n_folds": 5, "mixtures": [None], "random_state": 0}  # noqa: RUF012

    def test_held_out_rows_are_unknown_to_the_tensors(self):
        """The likelihood is that of tensors fitted to the other rows alone: brute force."""
        k, found = choose_kernels([X], TensorOptions(rank=2), [6, 12], **self.OPTIONS)
        expected = 0.0
        for kept, out in KFold(5, shuffle=True, random_state=0).split(X):
            tensors = local(X[kept], k)
            expected += brute_density(X[kept], tensors, X[out], found.eps, found.h).sum()
        assert found.log_likelihood == pytest.approx(expected / len(X), rel=1e-9)

    def test_a_leak_would_show(self):
        """Tensors that have seen a held-out row make it more likely than it is."""
        k, found = choose_kernels([X], TensorOptions(rank=2), [6], **self.OPTIONS)
        seen = local(X, k)
        leaking = 0.0
        for kept, out in KFold(5, shuffle=True, random_state=0).split(X):
            part = LowRank(*(array[kept] for array in seen))
            leaking += brute_density(X[kept], part, X[out], found.eps, found.h).sum()
        assert leaking / len(X) > found.log_likelihood + 0.01

    def test_the_background_does_not_know_them_either(self, monkeypatch):
        seen = []
        refit = cross_validation.refit

        def watch(mixture, rows):
            seen.append(rows)
            return refit(mixture, rows)

        monkeypatch.setattr(cross_validation, "refit", watch)
        options = self.OPTIONS | {"mixtures": [GaussianMixture(2, random_state=0)]}
        choose_kernels([X], TensorOptions(rank=2), [8], **options)
        splits = KFold(5, shuffle=True, random_state=0).split(X)
        for rows, (kept, _) in zip(seen, splits, strict=True):
            assert_allclose(rows, X[kept])

    def test_classes_are_held_out_one_by_one(self):
        """Rows are made likely given their class: by kernels of that class alone."""
        groups = [X[::3], X[1::3] + 2, X[2::3] * 2]
        options = self.OPTIONS | {"mixtures": [None] * 3}
        k, found = choose_kernels(groups, TensorOptions(rank=2), [6], **options)
        expected = 0.0
        for rows in groups:
            for kept, out in KFold(5, shuffle=True, random_state=0).split(rows):
                tensors = local(rows[kept], k)
                expected += brute_density(rows[kept], tensors, rows[out], found.eps, found.h).sum()
        assert found.log_likelihood == pytest.approx(expected / len(X), rel=1e-9)

    def test_neighbours(self):
        """The best number of those given."""
        found = {
            k: choose_kernels([X], TensorOptions(rank=2), [k], **self.OPTIONS)[1] for k in (3, 9)
        }
        best = max(found, key=lambda k: found[k].log_likelihood)
        chosen = choose_kernels([X], TensorOptions(rank=2), [3, 9], **self.OPTIONS)
        assert chosen[0] == best
        assert chosen[1].log_likelihood == pytest.approx(found[best].log_likelihood)

    @pytest.mark.parametrize(
        "metric", ["euclidean", "covariance", lambda X: np.ones((len(X), 1, 1))]
    )
    def test_neighbours_that_do_not_matter_are_not_searched(self, metric, monkeypatch):
        def search(*args, **options):
            raise AssertionError("searched")

        monkeypatch.setattr(cross_validation, "neighbor_graph", search)
        k, _ = choose_kernels([X[:, :1]], TensorOptions(metric, rank=1), [5, 9], **self.OPTIONS)
        assert k == 5
