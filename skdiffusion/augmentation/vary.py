"""Synthetic rows of given targets, from noise or from real rows."""

import numpy as np
import torch
from sklearn.base import clone

from skdiffusion.diffusion import GRIDS
from skdiffusion.sampling.drawing import redraw
from skdiffusion.tables.conditions import Conditions

__all__ = ["fit_sampler", "synthesize", "vary"]


def fit_sampler(sampler, X, y, has_classes, rng):
    """Fit a copy of a sampler, told what the target is."""
    sampler, seed = clone(sampler), rng.randint(2**31 - 1)
    known = sampler.get_params(deep=False)
    if "target" in known:
        sampler.set_params(target="categorical" if has_classes else "continuous")
    if "random_state" in known and known["random_state"] is None:
        sampler.set_params(random_state=seed)
    return sampler.fit(X, y)


def synthesize(sampler, X, y, noise_level, rng):
    """Draw one synthetic row for each real row and wanted target."""
    if noise_level is None:
        return sampler.sample(len(y), y=y, random_state=rng)
    return vary(sampler, X, y, noise_level, rng)


def vary(sampler, X, y, noise_level, rng):
    """Noise the codes of real rows and integrate them back given targets."""
    low, high = sampler.sigma_min, sampler.sigma_max
    if isinstance(noise_level, str) or not low < noise_level <= high:
        raise ValueError(
            f"noise_level must be above sigma_min={low} and at most sigma_max={high} of the "
            f"sampler, or None for fresh rows; got {noise_level!r}."
        )
    is_target = sampler.is_target_.numpy()
    codes = np.empty((len(y), len(is_target)))
    codes[:, is_target] = sampler.target_encoder_.transform(y)
    codes[:, ~is_target] = _complete_codes(sampler, X, y, rng)
    noisy = codes + noise_level * rng.normal(size=codes.shape)
    sigmas = GRIDS["karras"](low, float(noise_level), _n_steps(sampler, noise_level))
    codes = redraw(
        sampler._model(),
        sampler._integration()._replace(sigmas=sigmas),
        Conditions(np.where(is_target, codes, np.nan)),
        torch.from_numpy(noisy),
        sampler._generator(rng),
    )
    return sampler.encoder_.inverse_transform(codes[:, ~is_target], random_state=rng)


def _complete_codes(sampler, X, y, rng):
    """Return the codes of rows, drawn where cells are missing."""
    codes = sampler.encoder_.transform(X)
    missing = np.isnan(codes)
    if missing.any():
        drawn = sampler.sample(len(y), y=y, conditions=X, random_state=rng)
        codes = np.where(missing, sampler.encoder_.transform(drawn), codes)
    # what the sampler draws as missing stays at the centre, and goes missing again by its indicator
    return np.nan_to_num(codes)


def _n_steps(sampler, noise_level):
    """Return how many of the sampler's own steps lie below a noise level, at least eight."""
    sigmas = GRIDS["karras"](sampler.sigma_min, sampler.sigma_max, sampler.n_steps)
    return max(8, int((sigmas <= noise_level).sum()) - 1)
