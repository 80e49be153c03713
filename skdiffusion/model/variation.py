"""Synthetic rows that start from real ones."""

import numpy as np
import torch

from skdiffusion.model.drawing import redraw
from skdiffusion.tables.conditions import Conditions

__all__ = ["vary"]


def vary(model, X, y, noise, rng):
    """Add noise to the encoded rows of a table and integrate them back, given targets.

    A perfect denoiser takes rows noised to any level back to the distribution that they came from.

    Parameters
    ----------
    model : Model
        Model of the table.
    X : ndarray or data frame of shape (n, n_features)
        Real rows; missing cells are drawn first, given the others and the targets.
    y : ndarray of shape (n,)
        Targets that the new rows shall have.
    noise : float
        Noise level to start from, in standard deviations of a column.
    rng : RandomState
        Source of randomness.

    Returns
    -------
    X : ndarray or data frame of shape (n, n_features)
        The rows, in the container and with the data types of `fit`.

    References
    ----------
    Meng, C. et al. (2022). SDEdit: guided image synthesis and editing with stochastic
    differential equations. arXiv:2108.01073, section 3.
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
