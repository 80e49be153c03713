"""The error of one denoising step against closed forms and symmetries."""

import pytest
import torch
from torch.testing import assert_close

from skdiffusion.diffusion import GaussianDenoiser, MixtureDenoiser, denoising_error

F64 = torch.float64
MEAN = torch.tensor([1.0, -2.0, 0.5], dtype=F64)
COV = torch.tensor([[1.0, 0.8, -0.4], [0.8, 0.89, -0.17], [-0.4, -0.17, 0.3125]], dtype=F64)
GAUSSIAN = GaussianDenoiser(MEAN, COV)
WEIGHTS = torch.tensor([0.3, 0.7], dtype=F64)
MEANS = torch.tensor([[-3.0, 0.0, 1.0], [3.0, 1.0, 0.0]], dtype=F64)
COVS = torch.stack([0.3 * COV, 0.5 * torch.eye(3, dtype=F64)])
MIXTURE = MixtureDenoiser(WEIGHTS, MEANS, COVS)
LEVELS = torch.tensor([0.7, 0.1, 2.0], dtype=F64)


def rows_of(density, n=20):
    return density.sample(n, generator=torch.Generator().manual_seed(0), sigma=0.5)


def transformed(matrix):
    """The distribution of ``matrix @ x``."""
    return MixtureDenoiser(WEIGHTS, MEANS @ matrix.mT, matrix @ COVS @ matrix.mT)


def test_of_a_gaussian():
    x = rows_of(GAUSSIAN)
    found = denoising_error(GAUSSIAN, x, LEVELS)
    for index, sigma in enumerate(LEVELS.tolist()):
        noised = COV + sigma**2 * torch.eye(3, dtype=F64)
        change = sigma**2 * torch.linalg.solve(noised, (x - MEAN).mT).mT
        assert_close(found[:, index], change**2, rtol=1e-6, atol=1e-9)


def test_a_row_does_not_depend_on_the_batch():
    x = rows_of(MIXTURE)
    parts = [denoising_error(MIXTURE, part, LEVELS) for part in x.split(7)]
    assert_close(torch.cat(parts), denoising_error(MIXTURE, x, LEVELS), rtol=1e-9, atol=1e-9)


def test_no_gradient_and_nothing_written():
    x = rows_of(MIXTURE).requires_grad_()
    before = x.detach().clone()
    assert not denoising_error(MIXTURE, x, LEVELS).requires_grad
    assert x.grad is None and torch.equal(x, before)


def test_the_far_entry_has_the_largest_error():
    x = torch.stack([MEANS[1], MEANS[1] + torch.tensor([0.0, 0.0, 6.0], dtype=F64)])
    found = denoising_error(MIXTURE, x, LEVELS)
    assert (found[1].sum(1) > found[0].sum(1)).all()
    assert (found[1].argmax(1) == 2).all()


def test_units_and_order_of_columns():
    x, found = rows_of(MIXTURE), denoising_error(MIXTURE, rows_of(MIXTURE), LEVELS)
    scaled = denoising_error(transformed(3 * torch.eye(3, dtype=F64)), 3 * x, 3 * LEVELS)
    assert_close(scaled, 9 * found, rtol=1e-6, atol=1e-8)
    order = torch.tensor([2, 1, 0])
    turned = denoising_error(transformed(torch.eye(3, dtype=F64)[order]), x[:, order], LEVELS)
    assert_close(turned, found[..., order], rtol=1e-8, atol=1e-8)


def test_sums_survive_rotation():
    generator = torch.Generator().manual_seed(0)
    rotation, _ = torch.linalg.qr(torch.randn(3, 3, generator=generator, dtype=F64))
    x = rows_of(MIXTURE)
    turned = denoising_error(transformed(rotation), x @ rotation.mT, LEVELS).sum(2)
    assert_close(turned, denoising_error(MIXTURE, x, LEVELS).sum(2), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("sigmas", [[1.0, 0.0], 1.0, []])
def test_bad_levels(sigmas):
    with pytest.raises(ValueError, match="sigmas must be a vector"):
        denoising_error(MIXTURE, rows_of(MIXTURE), torch.tensor(sigmas))
