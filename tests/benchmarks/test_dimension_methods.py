"""What the benchmark of dimensions reads from a denoiser."""

import pytest
import torch
from torch.testing import assert_close

from benchmarks._dimension_methods import READINGS, flipd
from skdiffusion.diffusion import GaussianDenoiser, MixtureDenoiser


def normal(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("rank", [1, 3, 6])
@pytest.mark.parametrize("name", READINGS)
def test_rank_of_a_gaussian(name, rank):
    basis = torch.linalg.qr(normal(6, rank)).Q
    flat = GaussianDenoiser(normal(6, seed=1), basis @ basis.mT)
    level = torch.tensor(1e-3, dtype=torch.float64)
    found = READINGS[name](flat, flat.mean[None], level).to(torch.float64)
    assert_close(found, torch.tensor([float(rank)], dtype=torch.float64), atol=1e-3, rtol=0)


@pytest.mark.parametrize("sigma", [0.05, 0.4, 2.0])
def test_flipd_is_the_growth_of_the_density(sigma):
    """``d + d log p_sigma(x) / d log sigma``, by differences of the exact density."""
    root = normal(3, 6, 6, seed=5) / 2
    model = MixtureDenoiser(torch.tensor([1.0, 2.0, 1.0]), normal(3, 6, seed=6), root @ root.mT)
    x, step = normal(5, 6, seed=3), 1e-4
    low, high = (torch.tensor(sigma * f, dtype=torch.float64) for f in (1 - step, 1 + step))
    slope = (model.log_prob(x, high) - model.log_prob(x, low)) / (high / low).log()
    found = flipd(model, x, torch.tensor(sigma, dtype=torch.float64))
    assert_close(found, 6 + slope, atol=1e-5, rtol=1e-5)
