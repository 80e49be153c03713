"""Factors of covariances that rounding leaves short of positive definite."""

import numpy as np
import pytest
import torch

from skdiffusion import DenoiserNet, DiffusionManifoldSampler
from skdiffusion.diffusion.cholesky import stable_cholesky


def gram(*shape, seed=0):
    rows = torch.from_numpy(np.random.default_rng(seed).normal(size=shape))
    return rows.mT @ rows


def test_good_ones_are_as_ever():
    good = torch.stack([gram(9, 4), gram(9, 4, seed=1)])
    torch.testing.assert_close(stable_cholesky(good), torch.linalg.cholesky(good), rtol=0, atol=0)


@pytest.mark.parametrize("scale", [1e-120, 1.0, 1e120])
@pytest.mark.parametrize("seed", range(5))
def test_singular_ones(seed, scale):
    singular = gram(2, 5, seed=seed) - 1e-15 * torch.eye(5)
    both = scale * torch.stack([singular, gram(9, 5, seed=seed)])
    factors = stable_cholesky(both)
    torch.testing.assert_close(factors @ factors.mT / scale, both / scale, rtol=1e-6, atol=1e-6)


def test_what_has_none():
    with pytest.raises(ValueError, match="sigma_min"):
        stable_cholesky(-torch.eye(2))
    with pytest.raises(ValueError, match="diverged"):
        stable_cholesky(torch.full((2, 2), torch.nan))


@pytest.mark.parametrize("sigma_min", [1e-5, 1e-7, 1e-9])
def test_a_sampler_of_columns_that_add_up(sigma_min):
    """Noise of which the square is lost beside the variances of the columns."""
    X = np.random.default_rng(0).normal(size=(40, 3))
    X[:, 2] = X[:, 0] + X[:, 1]
    net = DenoiserNet(max_epochs=1, steps_per_epoch=3, sigma_min=sigma_min)
    sampler = DiffusionManifoldSampler(denoiser=net, random_state=0).fit(X, np.arange(40) % 2)
    assert np.isfinite(sampler.sample(20, random_state=0)).all()
