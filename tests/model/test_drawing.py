"""Even noise, and encoded rows drawn from exact denoisers under conditions."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import kstest, norm, qmc

from skdiffusion import TableEncoder
from skdiffusion.diffusion import GaussianDenoiser
from skdiffusion.model import drawing
from skdiffusion.model.drawing import Sampling, draw_known, even_noise
from skdiffusion.model.table_model import Model
from skdiffusion.tables.conditions import Conditions, read_conditions

COV = torch.tensor([[1.0, 0.8, 0.0], [0.8, 1.0, 0.4], [0.0, 0.4, 1.0]], dtype=torch.float64)


def seeded(seed):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def model():
    """The exact denoiser of a Gaussian, whose encoded rows are those of the table."""
    X = np.random.default_rng(0).multivariate_normal(np.zeros(3), COV.numpy(), 500)
    encoder = TableEncoder(numeric_transform=1.0, clip=False).fit(X - X.mean(0))
    gaussian = GaussianDenoiser(torch.zeros(3, dtype=torch.float64), COV)
    rows = encoder.transform(X - X.mean(0))
    sampling = Sampling("dpmpp_2m", 40)
    return Model(encoder, gaussian, gaussian, 0.005, 20.0, sampling=sampling, rows=rows)


class TestEvenNoise:
    @pytest.mark.parametrize("d", [1, 5, 40])
    def test_is_standard_normal(self, d):
        noise = even_noise(2000, d, seeded(0)).numpy()
        assert noise.shape == (2000, d)
        assert np.isfinite(noise).all()
        for column in noise.T[:10]:
            assert kstest(column, "norm").pvalue > 0.01
        assert_allclose(np.cov(noise.T).reshape(d, d), np.eye(d), atol=0.1)

    def test_rows_are_draws_by_themselves(self):
        """One row of each of many sets: nothing of the order of the points is left."""
        rows = np.stack([even_noise(50, 2, seeded(k))[7].numpy() for k in range(600)])
        for column in rows.T:
            assert kstest(column, "norm").pvalue > 0.001
        assert abs(np.corrcoef(rows.T)[0, 1]) < 0.15

    def test_covers_more_evenly_than_independent_rows(self):
        for seed in range(3):
            even = qmc.discrepancy(norm.cdf(even_noise(256, 4, seeded(seed)).numpy()))
            free = qmc.discrepancy(np.random.default_rng(seed).random((256, 4)))
            assert even < 0.3 * free

    def test_moments_are_closer_than_those_of_independent_rows(self):
        means = np.stack([even_noise(256, 4, seeded(k)).mean(0).numpy() for k in range(20)])
        assert means.std() < 0.3 / np.sqrt(256)

    def test_neighbouring_rows_are_unrelated(self):
        """Points of the sequence alternate between halves; rows must not."""
        x = even_noise(4000, 1, seeded(0)).numpy()[:, 0]
        assert abs(np.corrcoef(x[1:], x[:-1])[0, 1]) < 0.06

    def test_reproducible(self):
        assert torch.equal(even_noise(9, 3, seeded(1)), even_noise(9, 3, seeded(1)))
        assert not torch.equal(even_noise(9, 3, seeded(1)), even_noise(9, 3, seeded(2)))
        generator = seeded(1)
        assert not torch.equal(even_noise(9, 3, generator), even_noise(9, 3, generator))


class TestKnown:
    def test_conditional_distribution(self, model, global_random_seed):
        known = Conditions(np.array([[1.5, np.nan, np.nan]]))
        Z = model.draw(2000, seeded(global_random_seed), known)
        assert_array_equal(Z[:, 0], 1.5)
        assert_allclose(Z[:, 1:].mean(axis=0), [1.2, 0.0], atol=0.03)
        assert_allclose(np.cov(Z[:, 1:].T), [[0.36, 0.4], [0.4, 1.0]], atol=0.05)

    def test_rows_without_anything_known_among_others(self, model):
        """They come out as they do alone."""
        values = np.full((6, 3), np.nan)
        values[::2, 0] = 1.0
        start = torch.randn(6, 3, dtype=torch.float64, generator=seeded(3))
        together = draw_known(model, 6, Conditions(values), seeded(0), start)
        alone = draw_known(model, 3, Conditions(values[1::2]), seeded(0), start[1::2])
        assert_allclose(together[1::2], alone, rtol=0, atol=1e-9)

    def test_chunks(self, model, monkeypatch):
        values = np.full((25, 3), np.nan)
        values[:, 1] = np.linspace(-2, 2, 25)
        whole = draw_known(model, 25, Conditions(values), seeded(0))
        monkeypatch.setattr(drawing, "CHUNK_ROWS", 7)
        parts = draw_known(model, 25, Conditions(values), seeded(0))
        assert_allclose(parts, whole, rtol=0, atol=1e-9)


class TestRanges:
    def test_distribution_inside(self, model, global_random_seed):
        wanted = read_conditions(model.encoder, {0: (1.0, None)})
        Z = model.draw(2000, seeded(global_random_seed), wanted)
        assert (Z[:, 0] >= 1).all()
        mean = norm.pdf(1) / norm.sf(1)
        assert_allclose(Z.mean(axis=0), [mean, 0.8 * mean, 0], atol=0.08)
        assert_allclose(Z[:, 0].var(), 1 + mean - mean**2, rtol=0.15)

    def test_each_row_keeps_its_own_known_features(self, model):
        values = np.full((40, 3), np.nan)
        values[:, 2] = np.linspace(-1, 1, 40)
        wanted = replace(read_conditions(model.encoder, {0: (0.0, 1.0)}), values=values)
        Z = model.draw(40, seeded(0), wanted)
        assert_array_equal(Z[:, 2], values[:, 2])
        assert ((Z[:, 0] >= 0) & (Z[:, 0] <= 1)).all()

    def test_a_rare_one_repeats_values_and_draws_the_others(
        self, model, global_random_seed, monkeypatch
    ):
        monkeypatch.setattr(drawing, "MAX_PROPOSALS", 10_000)
        monkeypatch.setattr(drawing, "MIN_ACCEPTANCE", 0.1)
        wanted = read_conditions(model.encoder, {0: (2.5, None)})
        with pytest.warns(UserWarning, match="repeat"):
            Z = model.draw(1500, seeded(global_random_seed), wanted)
        assert (Z[:, 0] >= 2.5).all()
        mean = norm.pdf(2.5) / norm.sf(2.5)
        assert_allclose(Z.mean(axis=0), [mean, 0.8 * mean, 0], atol=0.12)
        assert len(np.unique(Z[:, 1])) == 1500

    def test_one_that_nothing_meets(self, model, monkeypatch):
        monkeypatch.setattr(drawing, "MAX_PROPOSALS", 500)
        wanted = read_conditions(model.encoder, {0: (50.0, 60.0)})
        with pytest.raises(ValueError, match="widen them"):
            model.draw(5, seeded(0), wanted)
