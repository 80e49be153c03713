"""Weighted denoising loss."""

import torch
from torch import Tensor, nn

from skdiffusion.diffusion.preconditioning import Preconditioned, Prepared, WhiteCoordinates

__all__ = ["WEIGHTINGS", "DenoisingLoss"]


def _eps(sigma: Tensor) -> Tensor:
    return 1 / sigma**2


def _x0(sigma: Tensor) -> Tensor:
    return torch.ones_like(sigma)


def _v(sigma: Tensor) -> Tensor:
    return 1 + 1 / sigma**2


def _min_snr(sigma: Tensor) -> Tensor:
    return (1 / sigma**2).clamp_max(5.0)


#: Weights of ``(x0 - D(x, sigma)) ** 2`` as functions of the noise level.
#: The bound's weight is -d(SNR)/d(log sigma) / 2, which happens to be that of "eps".
WEIGHTINGS = {"eps": _eps, "x0": _x0, "v": _v, "min_snr": _min_snr, "vlb": _eps}


class DenoisingLoss(nn.Module):
    """Mean weighted squared error of a denoiser, and cross-entropy of its categories.

    The cross-entropy in nats stands beside the squared error in white units: half of what it would
    weigh as a likelihood, since more takes accuracy from the numbers. What is missing in a clean
    row (NaN) counts for nothing: the error of the cells that are there is measured by the inverse
    of their own covariance.

    Parameters
    ----------
    weighting : str, default="edm"
        ``"edm"`` measures the error in the white coordinates of the preconditioner, in which every
        direction at every noise level counts the same: for an isotropic Gaussian the weight of
        Karras et al. The others weigh ``(x0 - D) ** 2`` in the units of the
        rows: ``"eps"`` (the simple loss of DDPM, ``1 / sigma ** 2``), ``"x0"`` (1), ``"v"``
        (``1 + 1 / sigma ** 2``), ``"min_snr"`` (``min(1 / sigma ** 2, 5)``) and ``"vlb"`` (the
        weight of the variational bound where log noise levels are uniform, as with
        ``schedule="ve"``).
    trim : float, default=0.0
        Share of each batch that is left out: the rows whose error is largest. For training rows
        among which there are anomalies: the model does not learn what it finds least likely.

    Raises
    ------
    ValueError
        If the weighting is unknown, or `trim` is not a share below 1.

    References
    ----------
    Karras et al. (2022), arXiv:2206.00364, equation 8; Ho et al. (2020), arXiv:2006.11239,
    equation 14; Salimans & Ho (2022), arXiv:2202.00512; Hang et al. (2023), arXiv:2303.09556;
    Kingma et al. (2021), arXiv:2107.00630, equation 18. Trimming: Zamberg et al. (2023),
    arXiv:2307.12336, which leaves out the worst part of each batch.
    """

    def __init__(self, weighting: str = "edm", trim: float = 0.0):
        super().__init__()
        if weighting != "edm" and weighting not in WEIGHTINGS:
            raise ValueError(
                f"Unknown weighting {weighting!r}; choose 'edm' or one of {sorted(WEIGHTINGS)}."
            )
        if not 0 <= trim < 1:
            raise ValueError(f"trim must be a share from 0 to below 1, got {trim!r}.")
        self.weighting = weighting
        self.trim = trim

    def forward(
        self, x0: Tensor, denoiser: Preconditioned, prepared: Prepared, correction: Tensor
    ) -> Tensor:
        """Return the loss of a batch, a scalar."""
        x0, levels = x0.to(torch.float64), denoiser.levels
        mean, log_sigma = prepared.coordinates.mean, prepared.log_sigma
        if levels is None:
            parts = [self._error(x0, mean, correction, prepared.coordinates, log_sigma)]
        else:
            surprise = levels.cross_entropy(
                denoiser.level_log_prob(prepared, correction), x0.nan_to_num()
            )
            told = ~x0[:, levels.first].isnan()
            own, numbers = correction[:, : -levels.n_levels], levels.numbers
            error = self._error(
                x0[:, numbers], mean[:, numbers], own, prepared.coordinates, log_sigma[:, numbers]
            )
            parts = [error, (torch.where(told, surprise, 0.0), told)]
        errors, present = zip(*parts, strict=True)
        by_row, counts = torch.cat(errors, 1).sum(1), torch.cat(present, 1).sum(1)
        if not self.trim:
            # no entry of a batch may be there
            return by_row.sum() / counts.sum().clamp_min(1)
        told = counts > 0
        shares = by_row[told] / counts[told] if told.any() else by_row
        kept = max(1, round((1 - self.trim) * len(shares)))
        return shares.topk(kept, largest=False).values.mean()

    def _error(
        self,
        x0: Tensor,
        mean: Tensor,
        correction: Tensor,
        coordinates: WhiteCoordinates,
        log_sigma: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Squared errors of numbers, zero where they are missing, and which are not."""
        present, correction = ~x0.isnan(), correction.to(torch.float64)
        if self.weighting == "edm" and bool(present.all()):
            # in white coordinates from the start: no gradient has to pass through them
            white = coordinates.uncolour(x0 - mean) - correction
            return white**2, torch.ones_like(white, dtype=torch.bool)
        residual = (x0 - mean - coordinates.colour(correction)).nan_to_num()
        if self.weighting == "edm":
            return whiten_present(coordinates, residual, present) ** 2, present
        return WEIGHTINGS[self.weighting](log_sigma.exp()) * residual**2, present


def whiten_present(coordinates: WhiteCoordinates, residual: Tensor, present: Tensor) -> Tensor:
    """Whiten the errors of the entries that are present by their own covariance."""
    root = coordinates.root[coordinates.pattern]
    if root.dim() == 2:
        return residual / root
    here = present.to(root)
    covariance = (root @ root.mT) * here.unsqueeze(2) * here.unsqueeze(1)
    factor = torch.linalg.cholesky(covariance + torch.diag_embed(1 - here))
    return torch.linalg.solve_triangular(factor, residual.unsqueeze(2), upper=False).squeeze(2)
