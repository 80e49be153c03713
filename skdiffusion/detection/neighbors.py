"""The nearest training rows, a row never among its own."""

import numpy as np
from sklearn.neighbors import NearestNeighbors

__all__ = ["NeighborMemory"]


class NeighborMemory:
    """Distances to the nearest of the rows in memory.

    Parameters
    ----------
    Z : ndarray of shape (n, d)
        Rows, two or more.
    n_neighbors : int
        How many to look up, at most ``n - 1``.

    Attributes
    ----------
    held_out : ndarray of shape (n, n_neighbors)
        Distances of each row in memory to its nearest others, ascending.

    Examples
    --------
    >>> memory = NeighborMemory(np.array([[0.0], [1.0], [3.0]]), n_neighbors=1)
    >>> memory.held_out.ravel().tolist(), memory.distances(np.array([[2.5]])).tolist()
    ([1.0, 1.0, 2.0], [[0.5]])
    """

    def __init__(self, Z, n_neighbors):
        self.Z = Z
        self.n_neighbors = min(n_neighbors, len(Z) - 1)
        self.search = NearestNeighbors(n_neighbors=self.n_neighbors).fit(Z)
        self.held_out = self._measure(Z, self.search.kneighbors(return_distance=False))

    def distances(self, Z):
        """Return the distances of new rows to the nearest in memory.

        Parameters
        ----------
        Z : ndarray of shape (m, d)
            Rows.

        Returns
        -------
        ndarray of shape (m, n_neighbors)
            Distances, ascending.
        """
        return self._measure(Z, self.search.kneighbors(Z, return_distance=False))

    def nearest(self, Z):
        """Return the nearest row in memory of each new row.

        Parameters
        ----------
        Z : ndarray of shape (m, d)
            Rows.

        Returns
        -------
        ndarray of shape (m, d)
            Rows in memory.
        """
        return self.Z[self.search.kneighbors(Z, n_neighbors=1, return_distance=False)[:, 0]]

    def _measure(self, Z, indices):
        # the search expands squares, whose rounding depends on the batch and hides equal rows
        distances = np.empty(indices.shape)
        for k, index in enumerate(indices.T):
            distances[:, k] = np.sqrt(((Z - self.Z[index]) ** 2).sum(1))
        return np.sort(distances, axis=1)
