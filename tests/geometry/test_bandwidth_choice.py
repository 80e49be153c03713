"""Held-out likelihoods and what maximises them, against brute force."""

from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import logsumexp
from scipy.stats import multivariate_normal
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import KFold

from skdiffusion.geometry import bandwidth_choice, row_kernels
from skdiffusion.geometry.bandwidth_choice import Fold, choose_bandwidth, held_out_log_density
from skdiffusion.geometry.diffusion_tensors import LowRank, low_rank_factors, tensor_local
from skdiffusion.geometry.nearest_rows import neighbor_graph
from skdiffusion.geometry.row_kernels import Group, KernelOptions, choose_kernels

H_MIN = 1e-3
ONES = np.ones(80)


def curve(seed, n=120, noise=0.05):
    """Rows near a bent curve."""
    rng = np.random.default_rng(seed)
    t = np.sort(rng.uniform(-2, 2, n))
    return np.column_stack([t, np.sin(2 * t)]) + noise * rng.normal(size=(n, 2))


X = curve(0)


def local(X, k, rank=2):
    return low_rank_factors(tensor_local(X, neighbor_graph(X, k)[1], np.arange(len(X))), rank)


def brute_density(X, tensors, Y, eps, h, weights=None):
    """The mixture, kernel by kernel."""
    F, floors = tensors.kernel(eps, h)
    logs = [
        multivariate_normal(x, f @ f.T + floor * np.eye(X.shape[1])).logpdf(Y)
        for x, f, floor in zip(X, F, floors, strict=True)
    ]
    weights = np.ones(len(X)) if weights is None else weights
    return logsumexp(logs, axis=0, b=weights[:, None] / weights.sum())


class TestHeldOutLogDensity:
    @pytest.mark.parametrize("rank", [0, 1, 2])
    def test_against_brute_force(self, rank):
        tensors = local(X[:80], 10, max(rank, 1))
        if rank == 0:
            tensors = LowRank(np.zeros((80, 2, 0)), np.zeros((80, 0)), tensors.residuals + 0.1)
        eps, h = np.array([0.0, 0.5, 2.0]), np.array([0.3, 0.1, 0.01])
        weights = np.linspace(0.1, 3, 80)
        actual = held_out_log_density(X[:80], weights, tensors, X[80:], eps, h)
        for g in range(3):
            expected = brute_density(X[:80], tensors, X[80:], eps[g], h[g], weights)
            assert_allclose(actual[:, g], expected, rtol=1e-9, atol=1e-9)

    def test_chunks(self, monkeypatch):
        tensors, eps, h = local(X[:80], 10), np.array([0.5, 1.0]), np.array([0.2, 0.1])
        density = partial(held_out_log_density, X[:80], ONES, tensors, X[80:], eps, h)
        whole = density()
        monkeypatch.setattr(bandwidth_choice, "_CHUNK_ELEMENTS", 1)
        assert_allclose(density(), whole, rtol=1e-12)

    def test_far_away(self):
        tensors, far = local(X[:80], 8), np.full((1, 2), 1e3)
        eps, h = np.array([1.0]), np.array([0.01])
        value = held_out_log_density(X[:80], ONES, tensors, far, eps, h)
        assert np.isfinite(value).all()
        assert value < -1e5


def folds(X, k=10, n_folds=4, background=None):
    made = []
    for kept, out in KFold(n_folds, shuffle=True, random_state=0).split(X):
        log_background = None
        if background is not None:
            log_background = background.fit(X[kept]).score_samples(X[out])
        weights = np.ones(len(kept)), np.ones(len(out))
        parts = X[kept], weights[0], X[out], weights[1], log_background, local(X[kept], k)
        made.append(Fold(*parts))
    return made


def total(folds, eps, h, share=0.0):
    """The mean log-density of all rows held out, for one bandwidth or several."""
    eps, h = np.broadcast_arrays(np.atleast_1d(eps), np.atleast_1d(h))
    logs = []
    for fold in folds:
        log_kernel = held_out_log_density(
            fold.X, fold.weights, fold.tensors, fold.held_out, eps, h
        ).T
        if share:
            wide = fold.log_background + np.log(share)
            log_kernel = np.logaddexp(log_kernel + np.log1p(-share), wide)
        logs.append(log_kernel)
    return np.concatenate(logs, axis=1).mean(1).squeeze()


class TestChooseBandwidth:
    def test_near_the_best_of_a_fine_grid(self, global_random_seed):
        made = folds(curve(global_random_seed))
        found = choose_bandwidth(made, h_min=H_MIN)
        eps, h = np.meshgrid([0, *np.geomspace(0.01, 5, 12)], np.geomspace(H_MIN, 1, 20))
        assert found.log_likelihood == pytest.approx(total(made, found.eps, found.h))
        assert found.log_likelihood > total(made, eps.ravel(), h.ravel()).max() - 0.01

    def test_follows_the_data_where_they_are_thin(self, global_random_seed):
        made = folds(curve(global_random_seed, noise=0.02))
        found = choose_bandwidth(made, h_min=H_MIN)
        spheres = choose_bandwidth(made, h_min=H_MIN, isotropic=True)
        assert found.eps > 0
        assert spheres.eps == 0
        assert found.log_likelihood > spheres.log_likelihood + 0.05

    @pytest.mark.parametrize("share", [None, 0.25, 0.0])
    def test_share(self, share, global_random_seed):
        """The best of those that are tried, hardly worse than others; or the one given."""
        far = np.random.default_rng(global_random_seed).normal(size=(40, 2)) * 1.5
        rows = np.concatenate([curve(global_random_seed), far])
        made = folds(rows, background=GaussianMixture(1))
        found = choose_bandwidth(made, h_min=H_MIN, share=share)
        assert found.log_likelihood == pytest.approx(total(made, found.eps, found.h, found.share))
        if share is not None:
            assert found.share == share
            return
        tried, grid = (
            [float(total(made, found.eps, found.h, s)) for s in shares]
            for shares in (bandwidth_choice._SHARES, np.linspace(0, 0.95, 96))
        )
        assert found.log_likelihood == pytest.approx(max(tried), abs=1e-12)
        assert found.log_likelihood > max(grid) - 0.002
        assert 0.02 < found.share < 0.8

    def test_background_wins_or_ties(self):
        alone = choose_bandwidth(folds(X), h_min=H_MIN)
        with_it = choose_bandwidth(folds(X, background=GaussianMixture(3)), h_min=H_MIN)
        assert with_it.log_likelihood >= alone.log_likelihood - 1e-9
        useless = [
            fold._replace(log_background=np.full(len(fold.held_out), -99.0)) for fold in folds(X)
        ]
        found = choose_bandwidth(useless, h_min=H_MIN)
        assert found.share < 1e-3
        assert found.log_likelihood == pytest.approx(alone.log_likelihood, abs=1e-3)

    def test_fixed(self):
        made = folds(X, background=GaussianMixture(2))
        found = choose_bandwidth(made, h_min=H_MIN, fixed=(0.4, 0.07))
        assert (found.eps, found.h) == (0.4, 0.07)
        grid = [total(made, 0.4, 0.07, s) for s in np.linspace(0, 0.95, 96)]
        assert found.log_likelihood >= max(grid) - 1e-5

    def test_weights_count_held_out_rows(self):
        made = folds(X)
        twice = [
            fold._replace(
                held_out=np.concatenate([fold.held_out, fold.held_out[:9]]),
                held_out_weights=np.ones(len(fold.held_out) + 9),
            )
            for fold in made
        ]
        weighted = [
            fold._replace(held_out_weights=1.0 + (np.arange(len(fold.held_out)) < 9))
            for fold in made
        ]
        choose = partial(choose_bandwidth, h_min=H_MIN)
        assert_allclose(choose(weighted), choose(twice), rtol=1e-9)

    def test_equal_rows_stop_at_the_smallest_blur(self):
        rows = np.random.default_rng(0).normal(size=(30, 2))
        thrice = np.repeat(rows, 3, axis=0)
        tensors = LowRank(np.zeros((90, 2, 0)), np.zeros((90, 0)), np.zeros(90))
        fold = Fold(thrice, np.ones(90), rows, np.ones(30), None, tensors)
        assert choose_bandwidth([fold], h_min=H_MIN, isotropic=True).h == pytest.approx(H_MIN)


def group(X, mixture=None):
    return Group(X, np.ones(len(X)), mixture)


class TestChooseKernels:
    OPTIONS = KernelOptions(rank=2)
    choose = staticmethod(partial(choose_kernels, options=OPTIONS, random_state=0))

    def test_held_out_rows_are_unknown_to_the_tensors(self):
        """The likelihood is that of tensors fitted to the other rows alone: brute force."""
        k, found = self.choose([group(X)], candidates=[6, 12])
        expected, leaking = 0.0, 0.0
        seen = local(X, k)
        for kept, out in KFold(5, shuffle=True, random_state=0).split(X):
            density = partial(brute_density, X[kept], Y=X[out], eps=found.eps, h=found.h)
            expected += density(local(X[kept], k)).sum()
            leaking += density(LowRank(*(array[kept] for array in seen))).sum()
        assert found.log_likelihood == pytest.approx(expected / len(X), rel=1e-9)
        # tensors that have seen a held-out row would make it more likely than it is
        assert leaking / len(X) > found.log_likelihood + 0.01

    def test_the_background_does_not_know_them_either(self, monkeypatch):
        seen = []
        refit = row_kernels.refit

        def watch(mixture, rows):
            seen.append(rows)
            return refit(mixture, rows)

        monkeypatch.setattr(row_kernels, "refit", watch)
        self.choose([group(X, GaussianMixture(2, random_state=0))], candidates=[8])
        splits = KFold(5, shuffle=True, random_state=0).split(X)
        for rows, (kept, _) in zip(seen, splits, strict=True):
            assert_allclose(rows, X[kept])

    def test_classes_are_held_out_one_by_one(self):
        """Rows are made likely given their class: by kernels of that class alone."""
        classes = [X[::3], X[1::3] + 2, X[2::3] * 2]
        k, found = self.choose([group(rows) for rows in classes], candidates=[6])
        expected = 0.0
        for rows in classes:
            for kept, out in KFold(5, shuffle=True, random_state=0).split(rows):
                tensors = local(rows[kept], k)
                expected += brute_density(rows[kept], tensors, rows[out], found.eps, found.h).sum()
        assert found.log_likelihood == pytest.approx(expected / len(X), rel=1e-9)

    def test_neighbours(self):
        """The best number of those given."""
        found = {k: self.choose([group(X)], candidates=[k])[1] for k in (3, 9)}
        best = max(found, key=lambda k: found[k].log_likelihood)
        k, bandwidth = self.choose([group(X)], candidates=[3, 9])
        assert k == best
        assert bandwidth.log_likelihood == pytest.approx(found[best].log_likelihood)

    def test_neighbours_that_do_not_matter_are_not_searched(self, monkeypatch):
        def search(*args, **options):
            raise AssertionError("searched")

        monkeypatch.setattr(row_kernels, "neighbor_graph", search)
        options = KernelOptions("euclidean", rank=1)
        k, _ = choose_kernels([group(X[:, :1])], options, [5, 9], random_state=0)
        assert k == 5
