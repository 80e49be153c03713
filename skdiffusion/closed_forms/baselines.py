"""Gaussians and mixtures fitted to encoded rows: what a network starts from."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import block_diag
from sklearn.covariance import OAS, oas
from sklearn.utils import check_random_state

from skdiffusion._utils.mixture import fit_bic_mixture
from skdiffusion._utils.systematic import spread
from skdiffusion.closed_forms.weights import centre, effective_size
from skdiffusion.diffusion.gaussians import GaussianDenoiser, MixtureDenoiser

# a full covariance costs O(d ** 3) per noise pattern of every training step
MAX_FULL_COLUMNS = 256

Rows = NDArray[np.float64]
Seed = int | np.random.RandomState | None


def fit_gaussian(Z: Rows, sample_weight: Rows | None = None) -> GaussianDenoiser:
    """Fit one Gaussian, its covariance shrunk towards a multiple of the identity."""
    mean, centred = centre(Z, sample_weight)
    wide = Z.shape[1] > MAX_FULL_COLUMNS
    cov = (centred**2).mean(0) if wide else oas(centred, assume_centered=True)[0]
    return GaussianDenoiser(torch.from_numpy(mean), torch.from_numpy(cov))


def fit_mixture(
    Z: Rows,
    target: Rows | None = None,
    random_state: Seed = None,
    sample_weight: Rows | None = None,
) -> MixtureDenoiser:
    """Fit a Gaussian mixture, one for each class when there are classes."""
    if target is None:
        classes, member = np.zeros((1, 0)), np.zeros(len(Z), dtype=int)
    else:
        classes, member = np.unique(target, axis=0, return_inverse=True)
    row_weight = np.ones(len(Z)) if sample_weight is None else sample_weight
    weights, means, covs = [], [], []
    for k, vertex in enumerate(classes):
        own = member.ravel() == k
        rows, mass = Z[own], row_weight[own].sum()
        if mass == 0:
            continue
        if sample_weight is not None:
            rng, own_weight = check_random_state(random_state), row_weight[own]
            rows = rows[spread(own_weight, effective_size(own_weight), rng)]
        for weight, mean, cov in _components(rows, Z, random_state):
            weights.append(weight * mass)
            means.append(np.concatenate([mean, vertex]))
            covs.append(block_diag(cov, np.zeros((len(vertex), len(vertex)))))
    tensors = (torch.from_numpy(np.asarray(array)) for array in (weights, means, covs))
    return MixtureDenoiser(*tensors)


def _components(rows: Rows, Z: Rows, random_state: Seed) -> Iterator[tuple[float, Rows, Rows]]:
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
