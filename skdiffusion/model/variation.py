"""Synthetic rows that start from real ones."""

import numpy as np
import torch

from skdiffusion.model.drawing import redraw
from skdiffusion.tables.conditions import Conditions


def vary(model, X, y, noise, rng):
    """Return real rows, noised to the level `noise` and integrated back given targets `y`.

    SDEdit (Meng et al., 2022, arXiv:2108.01073): a perfect denoiser keeps the distribution.
    """
    low, high = model.limits
    if isinstance(noise, str) or not low < noise <= high:
        raise ValueError(
            f"sigma must be above sigma_min={low} and at most sigma_max={high} of the model, or "
            f"None for fresh rows; got {noise!r}."
        )
    generator = torch.Generator(model.device).manual_seed(int(rng.randint(2**31 - 1)))
    Z = np.full((len(y), model.n_features), np.nan)
    Z[:, model.is_target] = model.target_encoder.transform(y)
    Z[:, ~model.is_target] = model.encoder.transform(X)
    if np.isnan(Z).any():
        drawn = model.draw(len(Z), generator, Conditions(Z))
        # what is drawn as missing stays at the centre, and goes missing again by its indicator
        Z = np.nan_to_num(np.where(np.isnan(Z), drawn, Z))
    noisy = Z + float(noise) * rng.normal(size=Z.shape)
    given = Conditions(np.where(model.is_target, Z, np.nan))
    Z = redraw(model, noisy, given, float(noise), generator)
    return model.encoder.inverse_transform(Z[:, ~model.is_target], random_state=rng)
