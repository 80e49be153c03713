"""Weighted denoising loss."""

import torch
from torch import Tensor, nn

from skdiffusion.diffusion.cholesky import stable_cholesky
from skdiffusion.diffusion.preconditioning import Preconditioned, Prepared, WhiteCoordinates


class DenoisingLoss(nn.Module):
    """Mean weighted squared error of a denoiser, and cross-entropy of its categories.

    The cross-entropy in nats stands beside the squared error in white units: half of what it would
    weigh as a likelihood, since more takes accuracy from the numbers. What is missing in a clean
    row (NaN) counts for nothing: the error of the cells that are there is measured by the inverse
    of their own covariance. In white coordinates every direction at every noise level counts the
    same: for an isotropic Gaussian the weight is that of Karras et al.

    References
    ----------
    Karras et al. (2022), arXiv:2206.00364, equation 8.
    """

    def __init__(self) -> None:
        # without it the signature is that of nn.Module, which names any arguments and takes none
        super().__init__()

    def forward(
        self,
        x0: Tensor,
        denoiser: Preconditioned,
        prepared: Prepared,
        correction: Tensor,
        sample_weight: Tensor | None = None,
    ) -> Tensor:
        """Return the loss of a batch, a scalar; rows count by their weights."""
        errors, present = self._errors(x0.to(torch.float64), denoiser, prepared, correction)
        by_row, counts = errors.sum(1), present.sum(1)
        weights = torch.ones_like(by_row) if sample_weight is None else sample_weight.to(by_row)
        # no entry of a batch may be there
        return (weights * by_row).sum() / (weights * counts).sum().clamp_min(1e-12)

    def _errors(
        self, x0: Tensor, denoiser: Preconditioned, prepared: Prepared, correction: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the loss of each number and category, zero where missing, and which are there."""
        levels, coordinates = denoiser.levels, prepared.coordinates
        mean = coordinates.mean
        if levels is None:
            return self._error(x0, mean, correction, coordinates)
        numbers, own = levels.numbers, correction[:, : -levels.n_levels]
        error, present = self._error(x0[:, numbers], mean[:, numbers], own, coordinates)
        surprise = levels.cross_entropy(
            denoiser.category_log_prob(prepared, correction), x0.nan_to_num()
        )
        told = ~x0[:, levels.first].isnan()
        errors = torch.cat([error, torch.where(told, surprise, 0.0)], dim=1)
        return errors, torch.cat([present, told], dim=1)

    def _error(
        self, x0: Tensor, mean: Tensor, correction: Tensor, coordinates: WhiteCoordinates
    ) -> tuple[Tensor, Tensor]:
        """Return the squared errors of numbers, zero where they are missing, and which are not."""
        present, correction = ~x0.isnan(), correction.to(torch.float64)
        if bool(present.all()):
            # in white coordinates from the start: no gradient has to pass through them
            white = coordinates.uncolour(x0 - mean) - correction
            # fewer than the entries where there are factors
            return white**2, torch.ones_like(white, dtype=torch.bool)
        residual = (x0 - mean - coordinates.colour(correction)).nan_to_num()
        return whiten_present(coordinates, residual, present) ** 2, present


def whiten_present(coordinates: WhiteCoordinates, residual: Tensor, present: Tensor) -> Tensor:
    """Whiten the errors of the entries that are present by their own covariance."""
    root = coordinates.root[coordinates.pattern]
    if root.dim() == 2:
        return residual / root
    here = present.to(root)
    covariance = (root @ root.mT) * here.unsqueeze(2) * here.unsqueeze(1)
    factor = stable_cholesky(covariance + torch.diag_embed(1 - here))
    return torch.linalg.solve_triangular(factor, residual.unsqueeze(2), upper=False).squeeze(2)
