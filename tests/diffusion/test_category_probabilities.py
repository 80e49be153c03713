"""Probabilities of categories against the frequencies of data sets whose denoiser is exact."""

import itertools

import pytest
import torch
from torch.testing import assert_close

from skdiffusion.diffusion import EmpiricalDenoiser, MixtureDenoiser
from skdiffusion.diffusion.categories import category_log_prob

TRIANGLE = torch.tensor([[2.0, 0.0], [-1.0, 1.7], [-1.0, -1.7]], dtype=torch.float64)
FLAG = torch.tensor([[-1.0], [1.0]], dtype=torch.float64)
BLOCKS = [(torch.tensor([0, 1]), TRIANGLE), (torch.tensor([2]), FLAG)]
CELLS = list(itertools.product(range(3), range(2)))


def cell_codes(cells):
    return torch.stack([torch.cat([TRIANGLE[a], FLAG[b]]) for a, b in cells])


class TestLevelLogProb:
    def test_dependent_categories_have_their_joint_frequencies(self):
        counts = torch.tensor([30, 10, 5, 25, 20, 10])
        rows = cell_codes(CELLS).repeat_interleave(counts, dim=0)
        found = category_log_prob(EmpiricalDenoiser(rows), cell_codes(CELLS), BLOCKS, 0.01, 1e4)
        assert_close(found.exp(), counts / counts.sum(), atol=1e-3, rtol=0, check_dtype=False)

    def test_a_number_tells_of_a_category(self):
        """Bayes' rule for a flag whose classes are Gaussians in another column."""
        means = torch.tensor([[0.0, -1.0], [2.0, 1.0]])
        covs = torch.diag_embed(torch.tensor([[1.0, 0.0], [1.0, 0.0]]))
        denoiser = MixtureDenoiser(torch.tensor([0.3, 0.7]), means, covs)
        x = torch.tensor([[1.5, 1.0], [-0.5, 1.0]], dtype=torch.float64)
        found = category_log_prob(denoiser, x, [(torch.tensor([1]), FLAG)], 1e-3, 1e4)
        odds = 0.3 / 0.7 * torch.exp(-(x[:, 0] ** 2) / 2 + (x[:, 0] - 2) ** 2 / 2)
        assert_close(found, -torch.log1p(odds), atol=2e-3, rtol=0)

    def test_sums_to_one_whatever_the_denoiser(self):
        means = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
        denoiser = MixtureDenoiser(torch.ones(4), means, torch.ones(4, 3))
        found = category_log_prob(denoiser, cell_codes(CELLS), BLOCKS, 0.01, 20.0)
        assert found.exp().sum().item() == pytest.approx(1.0, abs=1e-9)

    def test_an_impossible_level_is_finite(self):
        denoiser = EmpiricalDenoiser(FLAG[:1].repeat(5, 1))
        found = category_log_prob(denoiser, FLAG, [(torch.tensor([0]), FLAG)], 0.01, 1e4)
        assert torch.isfinite(found).all() and found[1] < -10
