"""Local planes of a data set: where it lies near each of its rows, and how far off rows are."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import gen_batches

CHUNK = 2**22  # numbers held at once


class LocalPlanes(NamedTuple):
    """Planes of ``k`` dimensions laid through the neighbours of rows in ``d`` columns."""

    centres: NDArray[np.float64]
    bases: NDArray[np.float64]
    floors: NDArray[np.float64]
    radii: NDArray[np.float64]

    def distance(self, queries: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how far rows are off planes, each off its own."""
        rest = queries - self.centres
        along = np.einsum("mdk,md->mk", self.bases, rest)
        across = rest - np.einsum("mdk,mk->md", self.bases, along)
        return np.linalg.norm(across, axis=1)


def local_planes(
    X: NDArray[np.float64],
    dimension: int,
    *,
    n_neighbors: int,
    queries: NDArray[np.float64] | None = None,
) -> LocalPlanes:
    """Lay a plane through the neighbours of each row, by local principal components."""
    queries = X if queries is None else queries
    distances, index = NearestNeighbors(n_neighbors=n_neighbors).fit(X).kneighbors(queries)
    size = max(1, CHUNK // (n_neighbors * X.shape[1]))
    parts = [
        _lay(X[index[part]], distances[part, -1], dimension)
        for part in gen_batches(len(queries), size)
    ]
    return LocalPlanes(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def _lay(near: NDArray[np.float64], radii: NDArray[np.float64], dimension: int) -> LocalPlanes:
    """Lay planes through neighbours, of shape (m, n_neighbors, d)."""
    centres = near.mean(1)
    _, values, vectors = np.linalg.svd(near - centres[:, None], full_matrices=False)
    freedom = (near.shape[1] - 1 - dimension) * (near.shape[2] - dimension)
    floors = (values[:, dimension:] ** 2).sum(1) / max(freedom, 1)
    bases = np.ascontiguousarray(np.swapaxes(vectors[:, :dimension], 1, 2))
    return LocalPlanes(centres, bases, floors, radii)
