"""Log-densities against known distributions, and latents against their definition."""

import itertools

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.integrate import trapezoid
from scipy.special import logsumexp
from scipy.stats import kstest, norm

from skdiffusion import TableEncoder


class TestGaussian:
    def test_follows_the_true_log_density(self, gaussian):
        scores = gaussian.sampler.score_samples(gaussian.fresh)
        truth = gaussian.truth.logpdf(gaussian.fresh)
        d = gaussian.fresh.shape[1]
        assert abs(np.mean(scores - truth)) < 0.02 * d
        assert np.mean(np.abs(scores - truth)) < 0.05 * d
        assert np.corrcoef(scores, truth)[0, 1] > 0.98

    def test_score_is_the_mean(self, gaussian):
        scores = gaussian.sampler.score_samples(gaussian.fresh[:20])
        assert scores.shape == (20,)
        assert scores.dtype == np.float64
        score = gaussian.sampler.score(gaussian.fresh[:20])
        assert isinstance(score, float)
        assert_allclose(score, scores.mean())

    def test_prefers_the_truth_to_a_neighbouring_one(self, gaussian):
        shift = 0.5 * gaussian.X.std(axis=0)
        rows = gaussian.fresh[:50]
        assert gaussian.sampler.score(rows + shift) < gaussian.sampler.score(rows)


class TestUnits:
    def test_a_column_in_other_units_shifts_every_score(self, quick, gaussian):
        """A power of two leaves encoded rows as they are, bit for bit."""
        X, factor = gaussian.X[:300], np.array([1.0, 1024.0, 1.0, 2.0**-20, 1.0])
        scores = quick().fit(X).score_samples(X[:20])
        scaled = quick().fit(X * factor).score_samples(X[:20] * factor)
        assert_allclose(scaled, scores - np.log(factor).sum(), rtol=0, atol=1e-9)

    def test_with_a_quantile_transform_too(self, quick, gaussian):
        X = np.exp(gaussian.X[:300, :2])
        sampler = quick(encoder=TableEncoder(numeric_transform="quantile"))
        scores = sampler.fit(X).score_samples(X[:20])
        scaled = sampler.fit(X * 8).score_samples(X[:20] * 8)
        assert_allclose(scaled, scores - 2 * np.log(8), rtol=0, atol=1e-9)

    def test_a_constant_column_changes_nothing(self, quick, gaussian):
        X = gaussian.X[:200]
        wider = np.insert(X, 2, 7.0, axis=1)
        assert_array_equal(
            quick().fit(wider).score_samples(wider[:20]), quick().fit(X).score_samples(X[:20])
        )


class TestNormalisation:
    """A density integrates to one, probabilities of discrete cells sum to one."""

    def test_two_modes(self, trained):
        rng = np.random.default_rng(0)
        x = np.concatenate([rng.normal(-3, 0.5, 600), rng.normal(2, 1, 400)])[:, None]
        grid = np.linspace(-8, 8, 161)
        scores = trained().fit(x).score_samples(grid[:, None])
        assert_allclose(trapezoid(np.exp(scores), grid), 1, atol=0.01)
        truth = 0.6 * norm.pdf(grid, -3, 0.5) + 0.4 * norm.pdf(grid, 2, 1)
        divergence = trapezoid(truth * (np.log(truth) - scores), grid)
        assert -0.01 < divergence < 0.1

    def test_heavy_tail(self, trained):
        """The quantile transform's slope belongs to the density."""
        x = np.random.default_rng(0).lognormal(sigma=1.0, size=(800, 1))
        sampler = trained().fit(x)
        assert sampler.model_.encoder.transforms_ == ["quantile"]
        grid = np.geomspace(1e-3, 1e3, 301)
        density = np.exp(sampler.score_samples(grid[:, None]))
        assert_allclose(trapezoid(density, grid), 1, atol=0.05)

    def test_two_columns_with_a_target(self, blobs):
        axis = np.linspace(-2.5, 6.5, 31)
        grid = np.array(list(itertools.product(axis, axis)))
        density = np.exp(blobs.sampler.score_samples(grid))
        assert_allclose(density.sum() * (axis[1] - axis[0]) ** 2, 1, atol=0.05)

    def test_integers(self, trained, global_random_seed):
        # of so many that none of them is far from the next, as scores of ranks go
        x = np.random.default_rng(global_random_seed).poisson(150, size=(1000, 1))
        sampler = trained().fit(x)
        values = np.arange(90, 220)
        probability = np.exp(sampler.score_samples(values[:, None]))
        assert_allclose(probability.sum(), 1, atol=0.03)
        assert_allclose(probability @ values, x.mean(), atol=4)


class TestCategories:
    def check(self, frame, sampler):
        frequency = frame.value_counts(normalize=True)
        cells = frequency.index.to_frame(index=False).astype(frame.dtypes)
        probability = np.exp(sampler.fit(frame).score_samples(cells))
        assert_allclose(probability.sum(), 1, atol=0.1)
        assert_allclose(probability, frequency, atol=0.08)

    def test_dependent_columns(self, trained):
        rng = np.random.default_rng(0)
        level = rng.choice(list("abc"), p=[0.5, 0.3, 0.2], size=500)
        flag = rng.random(500) < np.where(level == "a", 0.8, 0.3)
        self.check(pd.DataFrame({"level": level, "flag": flag}), trained())


class TestTarget:
    def test_the_score_is_the_marginal_one(self, blobs):
        """Of the mixture of all classes."""
        log_joint = [
            np.log(np.mean(blobs.y == name))
            + norm.logpdf(blobs.X, blobs.centres[name], blobs.std).sum(axis=1)
            for name in blobs.classes
        ]
        truth = logsumexp(log_joint, axis=0)
        scores = blobs.sampler.score_samples(blobs.X[:200])
        assert np.corrcoef(scores, truth[:200])[0, 1] > 0.85
        assert abs(np.mean(scores - truth[:200])) < 0.15

    def test_y_of_score_is_ignored(self, blobs):
        X, y = blobs.X[:20], blobs.y[:20]
        assert blobs.sampler.score(X, y) == blobs.sampler.score(X)


class TestLatents:
    def test_of_a_gaussian_are_standard_normal(self, gaussian):
        U = gaussian.sampler.transform(gaussian.fresh)
        n, d = U.shape
        assert_allclose(U.mean(axis=0), 0, atol=4 / np.sqrt(n))
        assert_allclose(U.std(axis=0), 1, atol=4 / np.sqrt(2 * n))
        assert_allclose(np.corrcoef(U.T), np.eye(d), atol=5 / np.sqrt(n))
        for column in U.T:
            assert kstest(column, "norm").pvalue > 1e-3

    def test_inverse(self, gaussian):
        X = gaussian.X[:60]
        back = gaussian.sampler.inverse_transform(gaussian.sampler.transform(X))
        assert np.max(np.abs(back - X) / gaussian.X.std(axis=0)) < 1e-3

    def test_inverse_with_a_target(self, blobs):
        X = blobs.X[:100]
        back = blobs.sampler.inverse_transform(blobs.sampler.transform(X))
        error = np.abs(back - X) / blobs.X.std(axis=0)
        assert np.quantile(error, 0.95) < 1e-3
        # rows between two classes lie where the flow turns sharply
        assert np.max(error) < 0.02

    def test_normal_latents_decode_to_the_distribution(self, gaussian):
        U = np.random.default_rng(0).normal(size=(1000, 5))
        rows = gaussian.sampler.inverse_transform(U)
        scale = np.sqrt(np.diag(gaussian.truth.cov))
        assert_allclose((rows.mean(axis=0) - gaussian.truth.mean) / scale, 0, atol=0.15)
        assert_allclose(
            np.cov(rows.T) / np.outer(scale, scale), np.corrcoef(gaussian.X.T), atol=0.15
        )

    def test_one_latent_more_per_further_category(self, quick, pandas_table):
        # also of columns that others determine
        sampler = quick(encoder=TableEncoder(constraints=None)).fit(pandas_table)
        U = sampler.transform(pandas_table[:7])
        assert U.shape == (7, 4 + 1 + 2 + 1 + 2)
        assert np.isfinite(U).all()
        back = sampler.inverse_transform(U)
        assert (back.dtypes == pandas_table.dtypes).all()

    def test_names_and_set_output(self, quick, pandas_table):
        frame = pandas_table[["size", "city"]]
        sampler = quick(n_likelihood_steps=2).fit(frame)
        names = [f"diffusionmanifoldsampler{k}" for k in range(3)]
        assert_array_equal(sampler.get_feature_names_out(), names)
        plain = sampler.transform(frame[:4])
        codes = sampler.set_output(transform="pandas").transform(frame[:4])
        assert codes.columns.tolist() == names
        assert_array_equal(codes.index, frame.index[:4])
        assert_array_equal(codes.to_numpy(), plain)
        polars_codes = sampler.set_output(transform="polars").transform(frame[:4])
        assert polars_codes.columns == names

    def test_latents_of_other_width(self, gaussian):
        with pytest.raises(ValueError, match="3"):
            gaussian.sampler.inverse_transform(np.zeros((2, 3)))
