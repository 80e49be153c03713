"""Coordinates of networks that look at rows column by column."""

import pytest
import torch

from skdiffusion.diffusion import GaussianDenoiser
from skdiffusion.diffusion.column_frame import ColumnFrame

COV = torch.tensor([[2.0, 0.6, 0.3], [0.6, 1.0, -0.4], [0.3, -0.4, 0.5]], dtype=torch.float64)
MEAN = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
SIGMA = torch.tensor([[0.3, 1.0, 0.7]] * 5, dtype=torch.float64)
X = torch.randn(5, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def one_by_one():
    """What each entry says of itself: its white value, its posterior mean and its spread."""
    variances, noise = COV.diagonal(), SIGMA**2
    white = (X - MEAN) / (variances + noise).sqrt()
    mean = MEAN + (X - MEAN) * variances / (variances + noise)
    return white, mean, (variances * noise / (variances + noise)).sqrt()


def joint_mean():
    gain = COV @ torch.linalg.inv(COV + torch.diag(SIGMA[0] ** 2))
    return MEAN + (X - MEAN) @ gain.mT


@pytest.mark.parametrize("numbers", [None, torch.tensor([0, 2])])
def test_what_all_columns_say_stands_beside_each(numbers):
    frame = ColumnFrame(GaussianDenoiser(MEAN, COV), numbers)
    found, (white, mean, spread) = frame(X, SIGMA), one_by_one()
    better = joint_mean() - mean
    own = slice(None) if numbers is None else numbers
    better[:, own] = (better / spread)[:, own]
    torch.testing.assert_close(found.white, torch.cat([white, better], dim=1))
    torch.testing.assert_close(found.mean, joint_mean())
    assert (frame.n_white, frame.n_outputs) == (6, 3 if numbers is None else 2)
    corrections = torch.ones(5, frame.n_outputs, dtype=torch.float64)
    torch.testing.assert_close(found.colour(corrections), spread[:, own])


def test_of_columns_that_say_nothing_of_each_other():
    frame = ColumnFrame(GaussianDenoiser(MEAN, COV.diagonal()))
    found, (white, mean, _) = frame(X, SIGMA), one_by_one()
    torch.testing.assert_close(found.white, white)
    torch.testing.assert_close(found.mean, mean)
    assert frame.n_white == 3
