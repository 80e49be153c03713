"""Few factors and a noise floor, where rows have them."""

import numpy as np
import torch
from numpy.typing import NDArray

from skdiffusion.closed_forms.baselines import fit_mixture
from skdiffusion.closed_forms.weights import centre
from skdiffusion.diffusion.factor_gaussian import FactorGaussian, FactorMixture

# fewer directions alike may be so by chance
MIN_FLOOR = 3
# the distribution of the eigenvalues of pure noise is one of many rows
MIN_ROWS = 20
# of the mean variance: noise that is no more than this is left to a Gaussian
MAX_FLOOR = 0.3
# how far eigenvalues of pure noise may leave the limits that hold for infinitely many rows
SLACK = 1.1
# of the largest variance: what rounding makes of none
EXACTLY = 1e-20
# standard errors of the kurtosis of a Gaussian
MAX_KURTOSIS = 5.0

Rows = NDArray[np.float64]


def n_factors(Z: Rows) -> int:
    """Count the principal directions above an isotropic noise floor."""
    n, d = Z.shape
    if n < MIN_ROWS:
        return d
    centred = Z - Z.mean(0)
    # the rows' mean takes one direction where there are more columns than rows
    rank = min(n - 1, d)
    _, values, vectors = np.linalg.svd(centred, full_matrices=False)
    variances = values[:rank] ** 2 / (n - 1)
    for k in range(1, rank - MIN_FLOOR + 1):
        tail = variances[k:]
        if not tail[-1] > EXACTLY * variances[0]:
            # no noise at all in some direction: no floor to leave to a Gaussian
            return d
        floor, width = tail.sum() / (d - k), np.sqrt((d - k) / n)
        highest, lowest = floor * (1 + width) ** 2, floor * (1 - width) ** 2
        if tail[0] > highest * SLACK or tail[-1] < lowest / SLACK:
            continue
        noise = centred @ vectors[k:rank].T / np.sqrt(tail)
        excess = np.abs((noise**4).mean(0) - 3).max()
        is_thin = floor < MAX_FLOOR * variances.sum() / d
        return k if is_thin and excess < MAX_KURTOSIS * np.sqrt(24 / n) else d
    return d


def fit_factors(
    Z: Rows, numbers: NDArray[np.intp], k: int, sample_weight: Rows | None = None
) -> FactorGaussian:
    """Fit a Gaussian with factors in some of the columns."""
    mean, centred = centre(Z, sample_weight)
    n, d = centred.shape
    _, values, vectors = np.linalg.svd(centred[:, numbers], full_matrices=False)
    floor = (values[k:] ** 2).sum() / (n - 1) / (len(numbers) - k)
    others = np.setdiff1d(np.arange(d), numbers)
    loadings = np.zeros((d, k + len(others)))
    loadings[numbers, :k] = vectors[:k].T
    loadings[others, k + np.arange(len(others))] = 1.0
    factors = centred @ loadings
    parts = [torch.from_numpy(part) for part in (mean, loadings, factors.T @ factors / (n - 1))]
    return FactorGaussian(parts[0], parts[1], parts[2], float(floor))


def fit_factor_mixture(
    gaussian: FactorGaussian,
    Z: Rows,
    is_class: NDArray[np.bool_],
    random_state: int | np.random.RandomState | None = None,
    sample_weight: Rows | None = None,
) -> FactorMixture:
    """Fit a Gaussian mixture of the factors, one for each class when there are classes."""
    factors = (Z - gaussian.mean.numpy()) @ gaussian.loadings.numpy()
    n_classes = int(is_class.sum())
    split = factors.shape[1] - n_classes
    target = factors[:, split:] if n_classes else None
    mixture = fit_mixture(factors[:, :split], target, random_state, sample_weight)
    return FactorMixture(gaussian, mixture.weights, mixture.means, mixture.covs)
