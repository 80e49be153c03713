"""Closed-form denoisers fitted to codes: what a network starts from."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import block_diag
from sklearn.covariance import OAS
from sklearn.utils import check_random_state

from skdiffusion._utils.mixture import fit_bic_mixture
from skdiffusion.diffusion.closed_form import GaussianDenoiser, MixtureDenoiser
from skdiffusion.diffusion.kernel import KernelDenoiser
from skdiffusion.diffusion.operator import OperatorDenoiser
from skdiffusion.geometry.row_kernels import KernelOptions, fit_kernels

__all__ = ["fit_gaussian", "fit_kernel", "fit_mixture", "fit_operator"]

# every noise pattern of every training step costs a factorisation for each kernel
MAX_KERNELS = 256
MAX_KERNEL_RANK = 4
# of Hermite polynomials in each column; beyond 6 they fit noise
OPERATOR_DEGREE = 4
# a full covariance costs O(d ** 3) per noise pattern of every training step
MAX_FULL_COLUMNS = 256


def fit_gaussian(Z: NDArray[np.float64]) -> GaussianDenoiser:
    """Fit one Gaussian, its covariance shrunk towards a multiple of the identity."""
    if Z.shape[1] > MAX_FULL_COLUMNS:
        return GaussianDenoiser(torch.from_numpy(Z.mean(0)), torch.from_numpy(Z.var(0)))
    oas = OAS().fit(Z)
    return GaussianDenoiser(torch.from_numpy(oas.location_), torch.from_numpy(oas.covariance_))


def fit_mixture(
    Z: NDArray[np.float64],
    target: NDArray[np.float64] | None = None,
    random_state: int | np.random.RandomState | None = None,
) -> MixtureDenoiser:
    """Fit a Gaussian mixture, one for each class when there are classes."""
    if target is None:
        classes, member = np.zeros((1, 0)), np.zeros(len(Z), dtype=int)
    else:
        classes, member = np.unique(target, axis=0, return_inverse=True)
    weights, means, covs = [], [], []
    for k, code in enumerate(classes):
        rows = Z[member.ravel() == k]
        for weight, mean, cov in _components(rows, Z, random_state):
            weights.append(weight * len(rows))
            means.append(np.concatenate([mean, code]))
            covs.append(block_diag(cov, np.zeros((len(code), len(code)))))
    tensors = (torch.from_numpy(np.asarray(array)) for array in (weights, means, covs))
    return MixtureDenoiser(*tensors)


def fit_kernel(
    Z: NDArray[np.float64], random_state: int | np.random.RandomState | None = None
) -> KernelDenoiser:
    """Fit kernels that follow the rows, with a few Gaussians beneath them."""
    rng = check_random_state(random_state)
    rows = Z[rng.permutation(len(Z))[:MAX_KERNELS]]
    options = KernelOptions(rank=min(Z.shape[1], MAX_KERNEL_RANK))
    kernels = fit_kernels(rows, options, rng)
    parts = kernels.means, kernels.factors, kernels.floors, kernels.weights
    return KernelDenoiser(*(torch.from_numpy(part) for part in parts), variance=False)


def fit_operator(Z: NDArray[np.float64]) -> OperatorDenoiser:
    """Fit the score of each column in the span of Hermite polynomials up to degree four."""
    return OperatorDenoiser.fit(torch.from_numpy(Z), basis="product", degree=OPERATOR_DEGREE)


def _components(
    rows: NDArray[np.float64],
    Z: NDArray[np.float64],
    random_state: int | np.random.RandomState | None,
) -> Iterator[tuple[float, NDArray[np.float64], NDArray[np.float64]]]:
    """Yield the weight, mean and covariance of each component of one class."""
    n, d = rows.shape
    if n < d + 2:
        # too few rows for a covariance of their own: they borrow that of the table, the more the
        # fewer they are
        share = n / (d + 2)
        own = OAS().fit(rows).covariance_ if n > 1 else np.zeros((d, d))
        yield 1.0, rows.mean(0), share * own + (1 - share) * OAS().fit(Z).covariance_
        return
    best = fit_bic_mixture(rows, reg_covar=1e-4, random_state=random_state)
    yield from zip(best.weights_, best.means_, best.covariances_, strict=True)
