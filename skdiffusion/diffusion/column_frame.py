"""Coordinates for networks that look at rows column by column."""

import torch
from torch import Tensor, nn

from skdiffusion.diffusion.gaussians import GaussianDenoiser
from skdiffusion.diffusion.white import WhiteCoordinates, WhiteFrame


class ColumnFrame(nn.Module):
    """Each entry white by itself, as coordinates that are white together mix the columns.

    Corrections start from the Gaussian of all, in units of what each entry alone leaves open.
    """

    def __init__(self, gaussian: GaussianDenoiser, numbers: Tensor | None = None):
        super().__init__()
        variances = gaussian.cov if gaussian.is_diagonal else gaussian.cov.diagonal()
        self.gaussian = None if gaussian.is_diagonal else gaussian
        self.alone = WhiteFrame(GaussianDenoiser(gaussian.mean, variances), numbers)
        self.n_outputs = self.alone.n_outputs
        self.n_white = self.alone.n_white * (1 if gaussian.is_diagonal else 2)

    def forward(self, x: Tensor, sigma: Tensor) -> WhiteCoordinates:
        """Return the coordinates of noisy rows, in float64."""
        alone = self.alone(x, sigma)
        if self.gaussian is None:
            return alone
        mean = self.gaussian(x.to(torch.float64), sigma).mean
        better, numbers = mean - alone.mean, self.alone.numbers
        own = slice(None) if numbers is None else numbers
        better[:, own] = alone.uncolour(better[:, own])
        return alone._replace(white=torch.cat([alone.white, better], dim=1), mean=mean)
