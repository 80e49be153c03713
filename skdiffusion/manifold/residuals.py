"""What a decoder leaves out of the rows, drawn from rows nearby."""

import numpy as np
from sklearn.neighbors import NearestNeighbors

__all__ = ["ResidualNoise"]

POOL = 3
"""The residuals are those of the first to the third ``n_neighbors`` nearest rows."""


class ResidualNoise:
    """Draws residuals of training rows that are near in the embedding, but not nearest."""

    def __init__(self, W, residuals, n_neighbors):
        self.residuals = residuals
        self.last = min(POOL * n_neighbors, len(W))
        self.first = min(n_neighbors, self.last - 1)
        self.search = NearestNeighbors(n_neighbors=self.last).fit(W)

    def draw(self, W, rng):
        """Draw a residual for each embedded row."""
        near = self.search.kneighbors(W, return_distance=False)[:, self.first :]
        chosen = rng.randint(near.shape[1], size=len(W))
        return self.residuals[near[np.arange(len(W)), chosen]]
