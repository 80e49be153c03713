"""The way back from an embedding: a mean of rows given their place, and residuals around it.

A mean over few rows is noisy itself, with ``leverage`` times the variance of the noise: held-out
residuals vary by ``1 + leverage``, and draws add ``1 - leverage`` to be as noisy as the rows.
"""

import numpy as np
from sklearn.base import clone
from sklearn.neighbors import NearestNeighbors

from skdiffusion.manifold.local_maps import LocalLinearRegressor

# The residuals added are those of the first to the third ``n_neighbors`` nearest rows
POOL = 3


class Decoder:
    """Mean rows of embedded ones, by local maps or a learner's inverse, and residuals to draw."""

    def __init__(self, W, X, n_neighbors, learner=None):
        self.learner, self.n_neighbors = learner, n_neighbors
        if learner is None:
            self.maps = LocalLinearRegressor(n_neighbors).fit(W, X)
            mean, leverage = self.maps.loo_, self.maps.leverage_
        else:
            # its rows cannot be left out
            mean, leverage = self.predict(W)
        self.residuals = X - mean
        self.noise = self.residuals / np.sqrt(1 + leverage)[:, None]
        self.search = NearestNeighbors(n_neighbors=min(POOL * n_neighbors, len(W))).fit(W)

    def predict(self, W):
        """Return mean rows and their leverage."""
        if self.learner is None:
            return self.maps.predict(W, return_leverage=True)
        mean = np.asarray(self.learner.inverse_transform(W), dtype=np.float64)
        return mean, np.zeros(len(W))

    def draw(self, W, rng):
        """Draw a row for each embedded one."""
        mean, leverage = self.predict(W)
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
