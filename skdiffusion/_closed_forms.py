"""What is known of coded rows before a network is trained: categories, Gaussians, mixtures."""

import numpy as np
import torch
from scipy.spatial.distance import cdist

from skdiffusion.diffusion import GaussianDenoiser
from skdiffusion.diffusion.categories import Levels
from skdiffusion.training.baseline import fit_gaussian, fit_kernel, fit_mixture, fit_operator
from skdiffusion.training.factors import fit_factor_mixture, fit_factors

__all__ = ["BASELINES", "ClosedForms", "fit_levels"]

BASELINES = ("auto", "mixture", "kernel", "operator", "gaussian", None)
# with more codes the mixture's matrices would take most of the training time; codes of categories
# gain less from it
MAX_MIXTURE_COLUMNS = 100
MAX_MIXTURE_LEVEL_CODES = 32


def fit_levels(encoder, target_encoder, codes):
    """Return the categories among the codes of rows and target."""
    blocks = encoder.level_blocks()
    if target_encoder is not None:
        start = encoder.n_codes_
        own = target_encoder.encoder_.level_blocks()
        blocks = [*blocks, *((columns + start, vertices) for columns, vertices in own)]
    if not blocks:
        return None
    shares = []
    for columns, vertices in blocks:
        level = cdist(codes[:, columns], vertices).argmin(1)
        # a level seen in other cells only must not be impossible
        shares.append(torch.from_numpy(np.bincount(level, minlength=len(vertices)) + 0.5))
    tensors = [tuple(map(torch.from_numpy, block)) for block in blocks]
    return Levels(codes.shape[1], tensors, shares)


class ClosedForms:
    """Fits the Gaussian of the codes, and the closed form that the network sees beside it."""

    def __init__(self, baseline, n_level_codes, is_class, numbers, n_factors):
        self.baseline = baseline
        self.n_level_codes = n_level_codes
        self.is_class = is_class
        self.numbers = numbers
        self.n_factors = n_factors

    def fit(self, codes, rng):
        """Return the Gaussian, and the baseline or None."""
        d = codes.shape[1]
        if self.baseline is None:
            return GaussianDenoiser(torch.zeros(d), torch.ones(d)), None
        has_factors = self.n_factors < len(self.numbers)
        if has_factors:
            gaussian = fit_factors(codes, self.numbers, self.n_factors)
        else:
            gaussian = fit_gaussian(codes)
        if self.baseline == "kernel":
            return gaussian, fit_kernel(codes, rng)
        if self.baseline == "operator":
            return gaussian, fit_operator(codes)
        if not self._wants_mixture(d):
            return gaussian, None
        if has_factors:
            return gaussian, fit_factor_mixture(gaussian, codes, self.is_class, rng)
        if self.is_class.any():
            return gaussian, fit_mixture(codes[:, ~self.is_class], codes[:, self.is_class], rng)
        return gaussian, fit_mixture(codes, random_state=rng)

    def _wants_mixture(self, d):
        d -= len(self.numbers) - self.n_factors
        small = d <= MAX_MIXTURE_COLUMNS and self.n_level_codes <= MAX_MIXTURE_LEVEL_CODES
        return self.baseline == "mixture" or (self.baseline == "auto" and small)
