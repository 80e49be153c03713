"""Distances to the nearest training rows, in several sets of features at once."""

import numpy as np
from sklearn.utils import gen_batches

# Distances below this many standard deviations count alike: copies are not infinitely near
RESOLUTION = 0.01

# Numbers held at once
MAX_ELEMENTS = 2**21

# Rows of which products are taken whole, as single precision rounds a part of them otherwise
BLOCK = 4


class Nearest:
    """The nearest of some training rows for each mask of features, which has rows of its own."""

    def __init__(self, Z, masks, n_rows, n_neighbors=1, dtype=np.float64):
        n = len(Z)
        self.masks = masks
        size = min(n, n_rows)
        order = np.random.RandomState(0).permutation(n)
        starts = size * np.arange(len(masks))[:, None]
        self.rows = order[(starts + np.arange(size)) % n]
        # rows of a mask that are training rows, to leave them out of their own neighbours
        self.position = np.full((n, len(masks)), -1)
        np.put_along_axis(self.position, self.rows.T, np.arange(size)[:, None], axis=0)
        self.n_neighbors = min(max(1, round(n_neighbors * size / n)), size - 1)
        self.memory = Z[self.rows] * masks[:, None]
        halves = 0.5 * (self.memory**2).sum(2, keepdims=True)
        # times a row and a one: half the squared distances, but for what the row itself adds
        products = np.concatenate([-self.memory, halves], axis=2).reshape(-1, Z.shape[1] + 1)
        # in half the time by single precision; distances are exact in any case
        self.products = np.ascontiguousarray(products.T, dtype=dtype)

    def held_out(self, Z):
        """Return the distances of the training rows, each without itself."""
        return self.find(Z, self.position)[0]

    def find(self, Z, position=None):
        """Return root mean square distances of new rows and the nearest rows, both (m, n_masks)."""
        size = max(1, MAX_ELEMENTS // self.products.shape[1])
        distances = np.empty((len(Z), len(self.masks)))
        rows = np.empty(distances.shape, dtype=np.intp)
        for batch in gen_batches(len(Z), size):
            own = None if position is None else position[batch]
            distances[batch], rows[batch] = self._measure(Z[batch], own)
        return distances, rows

    def _measure(self, Z, own):
        n_masks, size, _ = self.memory.shape
        shape = -(-len(Z) // BLOCK) * BLOCK, len(self.products)
        padded = np.zeros(shape, dtype=self.products.dtype)
        padded[: len(Z), :-1], padded[:, -1] = Z, 1.0
        near = (padded @ self.products)[: len(Z)].reshape(-1, n_masks, size)
        if own is not None:
            row, mask = np.nonzero(own >= 0)
            near[row, mask, own[row, mask]] = np.inf
        masks, nearest = np.arange(n_masks), near.argmin(2)
        if self.n_neighbors == 1:
            # expanded squares lose digits, and hide equal rows
            apart = (Z[:, None] - self.memory[masks, nearest]) * self.masks
            means = np.sqrt((apart**2).sum(2))
        else:
            k = self.n_neighbors
            halves = np.partition(near, k - 1, axis=2)[:, :, :k]
            halves += (0.5 * Z**2 @ self.masks.T)[:, :, None]
            means = np.sqrt(2 * np.maximum(halves, 0)).mean(2)
        return means / np.sqrt(self.masks.sum(1)), self.rows[masks, nearest]


def log_distance(distances):
    """Return the logarithm of distances, which count alike below the resolution."""
    return 0.5 * np.log(distances**2 + RESOLUTION**2)
