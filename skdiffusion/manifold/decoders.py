"""The way back from an embedding: a mean of rows given their place, and residuals around it.

The residuals are those of rows that the mean was not fitted to. A mean over few rows is noisy
itself, with ``leverage`` times the variance of the noise: held-out residuals vary by
``1 + leverage``, and draws add ``1 - leverage``, so that they are as noisy as the rows.
"""

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.neighbors import NearestNeighbors

from skdiffusion.manifold.local_maps import LocalLinearRegressor

N_FOLDS = 5
# The residuals added are those of the first to the third ``n_neighbors`` nearest rows
POOL = 3


class OwnInverse:
    """A learner's ``inverse_transform`` as a regressor, fitted already."""

    def __init__(self, learner):
        self.predict = learner.inverse_transform


class Decoder:
    """A regressor of rows on embedded rows, and the residuals that draws add to it."""

    def __init__(self, regressor, n_neighbors, W, X, rng):
        self.regressor = regressor
        self.n_neighbors = n_neighbors
        self.is_local = isinstance(self.regressor, LocalLinearRegressor)
        if isinstance(self.regressor, OwnInverse):
            held_out = self.predict(W)
        elif self.is_local:
            held_out = self.regressor.fit(W, X).loo_
        else:
            folds = KFold(min(N_FOLDS, len(X)), shuffle=True, random_state=rng)
            held_out = cross_val_predict(self.regressor, W, X, cv=folds).reshape(len(X), -1)
            self.regressor.fit(W, X)
        self.noise = self.residuals = X - held_out
        if self.is_local:
            self.noise = self.residuals / np.sqrt(1 + self.regressor.leverage_)[:, None]
        self.search = NearestNeighbors(n_neighbors=min(POOL * self.n_neighbors, len(W))).fit(W)

    def predict(self, W):
        """Return the mean rows of embedded ones."""
        return np.asarray(self.regressor.predict(W), dtype=np.float64).reshape(len(W), -1)

    def draw(self, W, rng):
        """Draw a row for each embedded one."""
        if self.is_local:
            mean, leverage = self.regressor.predict(W, return_leverage=True)
        else:
            mean, leverage = self.predict(W), np.zeros(len(W))
        first = min(self.n_neighbors, self.search.n_neighbors - 1)
        near = self.search.kneighbors(W, return_distance=False)[:, first:]
        chosen = near[np.arange(len(W)), rng.randint(near.shape[1], size=len(W))]
        return mean + np.sqrt(np.maximum(0, 1 - leverage))[:, None] * self.noise[chosen]


def seeded(estimator, rng):
    """Copy an estimator, with a seed where it takes one and has none."""
    copy = clone(estimator)
    seeds = {}
    for name, value in sorted(copy.get_params().items()):
        if (name == "random_state" or name.endswith("__random_state")) and value is None:
            seeds[name] = rng.randint(2**31 - 1)
    return copy.set_params(**seeds)
