"""Covariances that rounding may leave neither symmetric nor positive definite."""

import torch
from torch import Tensor

# shares of the variances that are added, the first that will do
JITTERS = (0.0, 1e-15, 1e-13, 1e-11, 1e-9, 1e-7)


def symmetric(matrices: Tensor) -> Tensor:
    """Return the symmetric parts of matrices (..., d, d)."""
    return (matrices + matrices.mT) / 2


def stable_cholesky(covariances: Tensor) -> Tensor:
    """Return lower factors of covariances (..., d, d)."""
    variances = covariances.diagonal(dim1=-2, dim2=-1).clamp_min(0).diag_embed()
    for share in JITTERS:
        jittered = covariances + share * variances if share else covariances
        factors, failed = torch.linalg.cholesky_ex(jittered)
        if not bool(failed.any()):
            return factors
    raise ValueError(
        "A covariance is not positive definite: the least noise level is too small beside its "
        "variances (raise sigma_min), or the network has diverged (lower lr)."
    )
