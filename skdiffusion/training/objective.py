"""Weighted denoising loss."""

import torch
from torch import Tensor, nn

from skdiffusion.diffusion.preconditioning import Prepared

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
    """Mean weighted squared error of a denoiser.

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

    def forward(self, x0: Tensor, prepared: Prepared, correction: Tensor) -> Tensor:
        """Return the loss of a batch, a scalar.

        Parameters
        ----------
        x0 : Tensor of shape (n, d)
            Clean rows.
        prepared : Prepared
            The preconditioner's part of the denoiser at the noisy rows.
        correction : Tensor of shape (n, d)
            The network's part, in white units.
        """
        error = self._error(x0, prepared, correction)
        if not self.trim:
            return error.mean()
        by_row = error.mean(1)
        kept = max(1, round((1 - self.trim) * len(by_row)))
        return by_row.topk(kept, largest=False).values.mean()

    def _error(self, x0: Tensor, prepared: Prepared, correction: Tensor) -> Tensor:
        coordinates = prepared.coordinates
        if self.weighting == "edm":
            wanted = coordinates.uncolour(x0.to(torch.float64) - coordinates.mean)
            return (wanted - correction) ** 2
        weight = WEIGHTINGS[self.weighting](prepared.log_sigma.exp())
        mean = coordinates.mean + coordinates.colour(correction.to(torch.float64))
        return weight * (x0 - mean) ** 2
