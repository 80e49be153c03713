"""What encoded rows tell before a network is trained: categories, a Gaussian, and a baseline."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from skdiffusion.closed_forms.baselines import fit_gaussian, fit_mixture
from skdiffusion.closed_forms.noise_floor import fit_factor_mixture, fit_factors
from skdiffusion.diffusion.categories import Levels
from skdiffusion.diffusion.factor_gaussian import FactorGaussian, FactorMixture
from skdiffusion.diffusion.gaussians import GaussianDenoiser, MixtureDenoiser

# with more columns the mixture's matrices would take most of the training time
MAX_MIXTURE_COLUMNS = 32

Rows = NDArray[np.float64]
Block = tuple[NDArray[np.intp], Rows]


def fit_levels(
    Z: Rows, blocks: Sequence[Block], sample_weight: Rows | None = None
) -> Levels | None:
    """Return the categories of encoded rows, with their shares, from columns and vertices."""
    if not blocks:
        return None
    pairs, shares = [], []
    for columns, vertices in blocks:
        pairs.append((torch.from_numpy(columns), torch.from_numpy(vertices)))
        category = cdist(Z[:, columns], vertices).argmin(1)
        counts = np.bincount(category, sample_weight, minlength=len(vertices))
        # a category seen in other cells only must not be impossible
        shares.append(torch.from_numpy(counts + 0.5))
    return Levels(Z.shape[1], pairs, shares)


def fit_prior(
    Z: Rows,
    numbers: NDArray[np.intp],
    n_factors: int,
    baseline: str | None = "auto",
    *,
    is_class: NDArray[np.bool_],
    random_state: int | np.random.RandomState | None = None,
    sample_weight: Rows | None = None,
) -> tuple[GaussianDenoiser, MixtureDenoiser | FactorMixture | None]:
    """Return the Gaussian of encoded rows, and the closed form that a network sees beside it.

    `numbers` are the columns that are no categories, `is_class` marks those of a target's classes.
    """
    d = Z.shape[1]
    if baseline is None:
        return GaussianDenoiser(torch.zeros(d), torch.ones(d)), None
    if n_factors < len(numbers):
        gaussian: GaussianDenoiser = fit_factors(Z, numbers, n_factors, sample_weight)
    else:
        gaussian = fit_gaussian(Z, sample_weight)
    n_others = d - len(numbers)
    is_small = n_others + n_factors - is_class.sum() <= MAX_MIXTURE_COLUMNS
    if baseline == "gaussian" or (baseline == "auto" and not is_small):
        return gaussian, None
    if isinstance(gaussian, FactorGaussian):
        return gaussian, fit_factor_mixture(gaussian, Z, is_class, random_state, sample_weight)
    target = Z[:, is_class] if is_class.any() else None
    return gaussian, fit_mixture(Z[:, ~is_class], target, random_state, sample_weight)
