"""Even noise, and codes drawn from exact denoisers under conditions."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import kstest, norm, qmc

from skdiffusion.diffusion import SOLVERS, GaussianDenoiser, log_linear
from skdiffusion.sampling import drawing
from skdiffusion.sampling.conditions import Conditions
from skdiffusion.sampling.drawing import CodeModel, Integration, draw, draw_known, even_noise

COV = torch.tensor([[1.0, 0.8, 0.0], [0.8, 1.0, 0.4], [0.0, 0.4, 1.0]], dtype=torch.float64)


def seeded(seed):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def model():
    """The exact denoiser of a normal law."""
    law = GaussianDenoiser(torch.zeros(3, dtype=torch.float64), COV)
    return CodeModel(law, law, torch.zeros(3, dtype=torch.bool), 0.005, 20.0)


@pytest.fixture
def integration():
    return Integration(SOLVERS["dpmpp_2m"], log_linear(0.005, 20.0, 40))


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
    def test_conditional_law(self, model, integration):
        known = Conditions(np.array([[1.5, np.nan, np.nan]]))
        codes = draw_known(model, integration, 2000, known, seeded(0))
        assert_array_equal(codes[:, 0], 1.5)
        assert_allclose(codes[:, 1:].mean(axis=0), [1.2, 0.0], atol=0.02)
        assert_allclose(np.cov(codes[:, 1:].T), [[0.36, 0.4], [0.4, 1.0]], atol=0.03)

    def test_rows_without_anything_known_among_others(self, model, integration):
        """They come out as they do alone."""
        values = np.full((6, 3), np.nan)
        values[::2, 0] = 1.0
        start = torch.randn(6, 3, dtype=torch.float64, generator=seeded(3))
        together = draw_known(model, integration, 6, Conditions(values), seeded(0), start)
        alone = draw_known(model, integration, 3, Conditions(values[1::2]), seeded(0), start[1::2])
        assert_allclose(together[1::2], alone, rtol=0, atol=1e-9)

    def test_chunks(self, model, integration, monkeypatch):
        values = np.full((25, 3), np.nan)
        values[:, 1] = np.linspace(-2, 2, 25)
        whole = draw_known(model, integration, 25, Conditions(values), seeded(0))
        monkeypatch.setattr(drawing, "CHUNK_ROWS", 7)
        parts = draw_known(model, integration, 25, Conditions(values), seeded(0))
        assert_allclose(parts, whole, rtol=0, atol=1e-9)


class TestRanges:
    def test_law_inside(self, model, integration):
        wanted = Conditions(np.full((1, 3), np.nan), intervals=[(0, 1.0, np.inf)])
        codes, share = draw(model, integration, 2000, wanted, seeded(0))
        assert (codes[:, 0] >= 1).all()
        assert abs(share - norm.sf(1)) < 0.02
        mean = norm.pdf(1) / norm.sf(1)
        assert_allclose(codes.mean(axis=0), [mean, 0.8 * mean, 0], atol=0.06)
        assert_allclose(codes[:, 0].var(), 1 + mean - mean**2, rtol=0.1)

    def test_each_row_keeps_its_own_known_codes(self, model, integration):
        values = np.full((40, 3), np.nan)
        values[:, 2] = np.linspace(-1, 1, 40)
        wanted = Conditions(values, intervals=[(0, 0.0, 1.0)])
        codes, _ = draw(model, integration, 40, wanted, seeded(0))
        assert_array_equal(codes[:, 2], values[:, 2])
        assert ((codes[:, 0] >= 0) & (codes[:, 0] <= 1)).all()

    def test_a_rare_one_is_guided(self, model, integration):
        wanted = Conditions(np.full((1, 3), np.nan), intervals=[(0, 2.5, np.inf)])
        with pytest.warns(UserWarning, match="approximate"):
            codes, share = draw(model, integration, 1000, wanted, seeded(0))
        assert (codes[:, 0] >= 2.5).all()
        assert share < 0.02
        mean = norm.pdf(2.5) / norm.sf(2.5)
        assert_allclose(codes.mean(axis=0), [mean, 0.8 * mean, 0], atol=0.12)


class TestExemption:
    """Behind a spike the number's code says nothing, and must not decide."""

    vertices = np.array([[1.0], [-1.0]])

    def test_spikes_meet_intervals_of_the_rest(self):
        met = Conditions(
            np.full((1, 2), np.nan), intervals=[(1, 0.0, 1.0)], exempt={1: (0, self.vertices)}
        ).are_met(np.array([[1.0, 0.5], [1.0, 5.0], [-1.0, 0.5], [-0.9, 5.0]]))
        assert_array_equal(met, [True, False, True, True])

    def test_what_is_taken_or_extended_keeps_it(self):
        wanted = Conditions(
            np.full((3, 2), np.nan), [(1, 0.0, 1.0)], [], {0: "cells"}, {1: (0, self.vertices)}
        )
        for other in (wanted.take(np.array([0])), wanted.extended(np.zeros((1, 1)))):
            assert (other.intervals, other.cells) == (wanted.intervals, wanted.cells)
            assert other.exempt is wanted.exempt
