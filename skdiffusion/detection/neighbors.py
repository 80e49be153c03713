"""The nearest training rows, a row never among its own."""

import numpy as np
from sklearn.neighbors import NearestNeighbors

__all__ = ["NeighborMemory"]


class NeighborMemory:
    """Distances to the nearest of the rows in memory."""

    def __init__(self, Z, n_neighbors):
        self.Z = Z
        self.n_neighbors = min(n_neighbors, len(Z) - 1)
        self.search = NearestNeighbors(n_neighbors=self.n_neighbors).fit(Z)
        self.held_out = self._measure(Z, self.search.kneighbors(return_distance=False))

    def distances(self, Z):
        """Return the distances of new rows to the nearest in memory."""
        return self._measure(Z, self.search.kneighbors(Z, return_distance=False))

    def nearest(self, Z):
        """Return the nearest row in memory of each new row."""
        return self.Z[self.search.kneighbors(Z, n_neighbors=1, return_distance=False)[:, 0]]

    def _measure(self, Z, indices):
        # the search expands squares, whose rounding depends on the batch and hides equal rows
        distances = np.empty(indices.shape)
        for k, index in enumerate(indices.T):
            distances[:, k] = np.sqrt(((Z - self.Z[index]) ** 2).sum(1))
        return np.sort(distances, axis=1)
