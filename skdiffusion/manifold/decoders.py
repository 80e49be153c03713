"""The way back from an embedding: a mean of rows given their place, and residuals around it.

The residuals are those of rows that the mean was not fitted to. A mean over few rows is noisy
itself, with ``leverage`` times the variance of the noise: held-out residuals vary by
``1 + leverage``, and draws add ``1 - leverage``, so that they are as noisy as the rows.
"""

import numpy as np
from sklearn.base import clone
from sklearn.neighbors import NearestNeighbors

# The residuals added are those of the first to the third ``n_neighbors`` nearest rows
POOL = 3


class OwnInverse:
    """A learner's ``inverse_transform``, with what a `LocalLinearRegressor` tells of its own."""

    def __init__(self, learner):
        self.learner = learner

    def fit(self, W, X):
        # its rows cannot be left out
        self.loo_, self.leverage_ = self.predict(W, return_leverage=True)
        return self

    def predict(self, W, return_leverage=False):
        mean = np.asarray(self.learner.inverse_transform(W), dtype=np.float64)
        return (mean, np.zeros(len(W))) if return_leverage else mean


class Decoder:
    """A regressor of rows on embedded rows, and the residuals that draws add to it."""

    def __init__(self, regressor, n_neighbors, W, X):
        self.regressor = regressor.fit(W, X)
        self.n_neighbors = n_neighbors
        self.residuals = X - regressor.loo_
        self.noise = self.residuals / np.sqrt(1 + regressor.leverage_)[:, None]
        self.search = NearestNeighbors(n_neighbors=min(POOL * self.n_neighbors, len(W))).fit(W)

    def draw(self, W, rng):
        """Draw a row for each embedded one."""
        mean, leverage = self.regressor.predict(W, return_leverage=True)
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
