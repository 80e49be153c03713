"""New rows that start from given ones."""

from dataclasses import replace
from numbers import Real
from typing import Any

import numpy as np
import torch
from sklearn.utils import check_consistent_length, check_random_state

from skdiffusion._utils.checks import Seed
from skdiffusion.model.drawing import by_solver, redraw
from skdiffusion.model.wanted import need_target
from skdiffusion.tables.conditions import Conditions
from skdiffusion.tables.frames import validate_table


class VariationMixin:
    """Mixin of estimators with a `model_`, which draw new rows near given ones."""

    def vary(self, X: Any, noise: Any, *, y: Any = None, random_state: Seed = None) -> Any:
        """Draw new rows near given ones: noised, and integrated back.

        With little noise rows hardly change, with most of what there is they are drawn afresh.
        Rows that are distributed as those of `fit` stay so, as far as the denoiser is right.

        Parameters
        ----------
        X : array-like or data frame of shape (n, n_features)
            Rows to start from. Missing cells are drawn first.
        noise : float
            Noise level, in the units of encoded features: standard deviations of a column, unless
            the encoder has other scales. Within the range of levels of the model.
        y : scalar, array-like of shape (n,) or None, default=None
            Target that the new rows shall have: one for all, or one for each. None leaves it free.
        random_state : int, RandomState instance or None, default=None
            Source of randomness; None draws different rows at every call.

        Returns
        -------
        X : ndarray or data frame of shape (n, n_features)
            New rows, in the container and with the data types of `fit`.

        Raises
        ------
        ValueError
            If the noise is out of range, or a target is given and there was none in `fit`.

        References
        ----------
        Meng, C. et al. (2022). SDEdit: guided image synthesis and editing with stochastic
        differential equations. arXiv:2108.01073.
        """
        model = self.model_
        X = validate_table(self, X, reset=False, allow_missing=self._allow_missing)
        if y is not None:
            need_target(model)
            y = np.full(len(X), y) if np.ndim(y) == 0 else y
            check_consistent_length(X, y)
        return vary(model, X, y, noise, check_random_state(random_state))


def vary(model, X, y, noise, rng):
    """Return rows, noised to a level and integrated back given targets, or with these free."""
    low, high = model.lowest, model.sigma_max
    if not (isinstance(noise, Real) and low < noise <= high):
        raise ValueError(
            f"The noise level must be above sigma_min={low:g} and at most sigma_max={high:g} of "
            f"the model, got {noise!r}."
        )
    generator = torch.Generator(model.device).manual_seed(int(rng.randint(2**31 - 1)))
    Z = np.full((len(X), model.n_features), np.nan)
    Z[:, ~model.is_target] = model.encoder.transform(X)
    if y is not None:
        Z[:, model.is_target] = model.target_encoder.transform(y)
    kept = ~model.is_target | (y is not None)
    if np.isnan(Z[:, kept]).any():
        drawn = model.draw(len(Z), generator, Conditions(Z))
        # what is drawn as missing stays at the centre, and goes missing again by its indicator
        Z = np.nan_to_num(np.where(np.isnan(Z), drawn, Z))
    Z, model = Z[:, kept], by_solver(replace(model.marginal(kept), noise=model.noise))
    own = 0.0 if model.noise is None else np.pad(model.noise, (0, model.is_target.sum()))
    # the noise that rows have is part of their level
    noisy = Z + np.sqrt(float(noise) ** 2 - own**2) * rng.normal(size=Z.shape)
    given = Conditions(np.where(model.is_target, Z, np.nan))
    Z = redraw(model, noisy, given, float(noise), generator)
    return model.encoder.inverse_transform(Z[:, ~model.is_target], random_state=rng)
