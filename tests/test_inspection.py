"""What a fitted model has learned, on closed forms where the truth is known."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import norm
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.mixture import GaussianMixture

from skdiffusion import (
    DenoiserNet,
    DiffusionManifoldSampler,
    OperatorScoreMatching,
    RiemannianKernelSmoother,
    TableEncoder,
)
from skdiffusion.diffusion import GaussianDenoiser
from skdiffusion.inspection import cell_surprise, conditional_dependence

pd = pytest.importorskip("pandas")


def quick(**options):
    """Make a sampler that fits within a tenth of a second, where quality is no subject."""
    net = DenoiserNet(max_epochs=1, steps_per_epoch=5, module__width=16, module__depth=1)
    return DiffusionManifoldSampler(
        **{"denoiser": net, "baseline": "gaussian", "random_state": 0} | options
    )


@pytest.fixture
def chain(global_random_seed):
    """Rows of a Gaussian chain in units of their own, and their covariance."""
    rng = np.random.default_rng(global_random_seed)
    X = rng.normal(size=(400, 4)).cumsum(axis=1) * [1.0, 20.0, 0.3, 5.0]
    return X, np.cov(X.T, bias=True)


def gaussian_sampler(X, cov, unit="standard"):
    """Return a sampler of the numbers X whose denoiser is that of a Gaussian."""
    encoder = TableEncoder(numeric_transform=unit, clip=False, constraints=None)
    sampler = quick(encoder=encoder, manifold=None).fit(X)
    scale = X.std(axis=0) if unit == "standard" else np.full(len(cov), unit)
    exact = GaussianDenoiser(torch.zeros(len(cov)), torch.from_numpy(cov / np.outer(scale, scale)))
    sampler._model = replace(sampler._model, denoiser=exact.double(), prior=exact.double())
    return sampler


class TestConditionalDependence:
    @pytest.mark.parametrize(("sigma", "unit"), [(0.1, "standard"), (0.5, 3.0), (2.0, "standard")])
    def test_partial_correlations_of_a_gaussian_at_any_noise(self, chain, sigma, unit):
        X, cov = chain
        precision = np.linalg.inv(cov)
        size = np.sqrt(precision.diagonal())
        expected = np.abs(precision / size / size[:, None]) - np.eye(4)
        found = conditional_dependence(gaussian_sampler(X, cov, unit), X[:20], sigma=sigma)
        assert_allclose(found, expected, atol=1e-5)

    def test_what_correlations_do_not_see(self, global_random_seed):
        a, b, c = np.random.default_rng(global_random_seed).normal(size=(3, 300))
        X = np.column_stack([a, a**2 + 0.3 * b, c])
        for model in (RiemannianKernelSmoother(random_state=0), OperatorScoreMatching()):
            found = conditional_dependence(model.fit(X), X)
            assert found[0, 1] > 3 * max(found[0, 2], found[1, 2])

    @pytest.mark.parametrize("name", ["sampler", "smoother"])
    def test_a_category_depends_most_on_the_number_that_it_is_made_of(
        self, name, global_random_seed
    ):
        a, b, c = np.random.default_rng(global_random_seed).normal(size=(3, 500))
        noise = np.random.default_rng(global_random_seed + 1).normal(size=(2, 500)) / 3
        kind = np.select([a + noise[0] > 0.6, a + noise[0] < -0.6], ["high", "low"], "middle")
        frame = pd.DataFrame({"b": b, "kind": kind, "a": a, "c": c, "d": b + c + noise[1]})
        net = DenoiserNet(max_epochs=8, module__width=64, module__depth=2)
        model = quick(denoiser=net)
        if name == "smoother":
            model = RiemannianKernelSmoother(random_state=0)
        found = conditional_dependence(model.fit(frame), frame)
        assert frame.columns[found[1].argmax()] == "a"
        assert found.shape == (5, 5)

    def test_categories_are_read_where_they_are_in_doubt(self, global_random_seed):
        a, b, same = np.random.default_rng(global_random_seed).random((3, 400))
        a, b = a > 0.5, b > 0.5
        frame = pd.DataFrame({"a": a, "b": b, "copy": np.where(same < 0.9, a, ~a)})
        model = RiemannianKernelSmoother(random_state=0).fit(frame)
        found = conditional_dependence(model, frame, sigma=0.1)
        assert_array_equal(found, conditional_dependence(model, frame, sigma=3.0))
        assert found[0, 2] > 0.4
        assert max(found[0, 1], found[1, 2]) < 0.2

    def test_bounds_symmetry_and_constant_columns(self, chain):
        X = np.column_stack([chain[0], np.full(400, 3.0)])
        sampler = quick().fit(X, (X[:, 0] > 0).astype(int))
        found = conditional_dependence(sampler, X)
        assert_allclose(found, found.T, atol=1e-12)
        assert found.min() == 0
        assert 0 < found.max() <= 1
        assert_array_equal(found[4], 0)
        assert_array_equal(found.diagonal(), 0)
        assert_array_equal(found, conditional_dependence(sampler, X))

    def test_rows_in_parts_are_those_at_once(self, chain, monkeypatch):
        X, _ = chain
        model = RiemannianKernelSmoother(random_state=0).fit(X)
        expected = conditional_dependence(model, X[:50])
        monkeypatch.setattr("skdiffusion.inspection.CHUNK_ENTRIES", 16 * 7)
        assert_allclose(conditional_dependence(model, X[:50]), expected, rtol=1e-9)

    def test_bad_input(self, chain):
        X, _ = chain
        sampler = quick().fit(X)
        with pytest.raises(ValueError, match="sigma must be positive"):
            conditional_dependence(sampler, X, sigma=0)
        with pytest.raises(ValueError, match="Rows must be complete"):
            conditional_dependence(sampler, [[1.0, np.nan, 2.0, 3.0]])
        with pytest.raises(ValueError, match="An embedding took the column in"):
            conditional_dependence(quick(manifold=PCA(2)).fit(X), X)
        with pytest.raises(NotFittedError):
            conditional_dependence(quick(), X)
        with pytest.raises(TypeError, match="GaussianMixture is no estimator with a model"):
            conditional_dependence(GaussianMixture().fit(X), X)


class TestCellSurprise:
    def test_conditional_densities_of_a_gaussian(self, chain):
        X, cov = chain
        precision = np.linalg.inv(cov)
        rows = X[:10] - X.mean(axis=0)
        std = precision.diagonal() ** -0.5
        expected = -norm.logpdf(rows, rows - rows @ precision * std**2, std)
        assert_allclose(cell_surprise(gaussian_sampler(X, cov), X[:10]), expected, atol=0.01)

    def test_of_independent_columns_they_add_up(self, global_random_seed):
        X = np.random.default_rng(global_random_seed).normal(size=(300, 2)) * [1.0, 30.0]
        sampler = gaussian_sampler(X, np.diag(X.var(axis=0)))
        assert_allclose(
            cell_surprise(sampler, X[:5]).sum(axis=1), -sampler.score_samples(X[:5]), atol=0.01
        )

    def test_is_what_a_gap_takes_from_the_log_density(self, chain):
        X, _ = chain
        model = RiemannianKernelSmoother(random_state=0).fit(X)
        found = cell_surprise(model, X[:6])
        for j in range(4):
            gap = X[:6].copy()
            gap[:, j] = np.nan
            assert_allclose(found[:, j], model.score_samples(gap) - model.score_samples(X[:6]))

    def test_probabilities_of_a_category_sum_to_one(self):
        rng = np.random.default_rng(0)
        frame = pd.DataFrame({"kind": rng.choice(list("uvw"), 300, p=[0.6, 0.3, 0.1])})
        frame["count"] = rng.poisson(3, 300)
        frame["x"] = rng.normal(size=300) + (frame["kind"] == "w")
        for model in (quick(), RiemannianKernelSmoother(random_state=0)):
            model.fit(frame)
            rows = pd.DataFrame({"kind": list("uvw"), "count": 2, "x": 0.5})
            assert_allclose(np.exp(-cell_surprise(model, rows)[:, 0]).sum(), 1, atol=1e-6)

    @pytest.mark.parametrize("indicator", [False, True])
    def test_missing_cells_have_none(self, chain, indicator):
        X = chain[0].copy()
        X[::5, 1] = np.nan
        X[:, 3] = 7.0
        encoder = TableEncoder(missing_indicator=indicator)
        found = cell_surprise(quick(encoder=encoder).fit(X), X[:6])
        assert_array_equal(found[[0, 5], 1], 0)
        assert_array_equal(found[:, 3], 0)
        assert (found[1:5, :3] != 0).all()

    def test_that_a_cell_is_there_is_no_part_of_it(self):
        rng = np.random.default_rng(0)
        X = rng.normal(size=(400, 2))
        X[rng.random(400) < 0.9, 1] = np.nan
        there = X[~np.isnan(X[:, 1])]
        plain, told = (
            quick(encoder=TableEncoder(missing_indicator=flag), baseline=None).fit(X)
            for flag in (False, True)
        )
        # one cell in ten is there: its indicator alone would add log 10 = 2.3 nats
        gain = cell_surprise(told, there)[:, 1] - cell_surprise(plain, there)[:, 1]
        assert abs(np.median(gain)) < 0.7

    @pytest.mark.parametrize("library", ["pandas", "polars"])
    def test_containers_and_whole_numbers(self, library):
        frame_type = pytest.importorskip(library).DataFrame
        X = np.random.default_rng(0).poisson(20, size=(200, 3))
        expected = cell_surprise(quick().fit(X), X[:4])
        frame = frame_type(dict(zip("abc", X.T, strict=True)))
        assert_allclose(cell_surprise(quick().fit(frame), frame[:4]), expected)
        assert np.isfinite(expected).all()
        assert (expected > 0).all()

    def test_an_odd_cell_stands_out(self, chain):
        X, _ = chain
        row = X[:1].copy()
        row[0, 2] += 3
        assert cell_surprise(RiemannianKernelSmoother(random_state=0).fit(X), row).argmax() == 2

    def test_bad_input(self, chain):
        X, _ = chain
        with pytest.raises(TypeError, match="OperatorScoreMatching does not score parts of rows"):
            cell_surprise(OperatorScoreMatching().fit(X[:, :2]), X[:, :2])
        with pytest.raises(TypeError, match="GaussianMixture is no estimator with a model"):
            cell_surprise(GaussianMixture().fit(X), X)
