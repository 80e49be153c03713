"""Local planes of a data set: where it lies near each of its rows, and how far off rows are."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

__all__ = ["LocalPlanes", "local_planes"]

CHUNK = 2**22  # numbers held at once


class LocalPlanes(NamedTuple):
    """Planes of ``k`` dimensions laid through the neighbours of rows in ``d`` columns.

    Parameters
    ----------
    centres : ndarray of shape (m, d)
        Means of the neighbours.
    bases : ndarray of shape (m, d, k)
        Orthonormal, leading direction first.
    floors : ndarray of shape (m,)
        Variance across the plane, in each direction.
    radii : ndarray of shape (m,)
        Distance to the farthest neighbour.

    Examples
    --------
    >>> centre, axis = np.zeros((1, 2)), np.array([[[1.0], [0.0]]])
    >>> LocalPlanes(centre, axis, np.zeros(1), np.ones(1)).distance(np.array([[3.0, -2.0]]))
    array([2.])
    """

    centres: NDArray[np.float64]
    bases: NDArray[np.float64]
    floors: NDArray[np.float64]
    radii: NDArray[np.float64]

    def distance(self, queries: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how far rows are off planes, each off its own.

        Parameters
        ----------
        queries : ndarray of shape (m, d)
            Rows, as many as planes.

        Returns
        -------
        ndarray of shape (m,)
            Distances across the planes.
        """
        rest = queries - self.centres
        along = np.einsum("mdk,md->mk", self.bases, rest)
        across = rest - np.einsum("mdk,mk->md", self.bases, along)
        distance: NDArray[np.float64] = np.linalg.norm(across, axis=1)
        return distance


def local_planes(
    X: NDArray[np.float64],
    dimension: int,
    *,
    n_neighbors: int = 15,
    queries: NDArray[np.float64] | None = None,
) -> LocalPlanes:
    """Lay a plane through the neighbours of each row, by local principal components.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Rows.
    dimension : int
        Dimension of the planes, from 1 to ``d``.
    n_neighbors : int, default=15
        Number of neighbours, the row itself among them. Few follow curvature, many average noise.
    queries : ndarray of shape (m, d) or None, default=None
        Where to lay planes; None is at all rows.

    Returns
    -------
    LocalPlanes
        The planes. The variance across them counts the degrees of freedom that fitting a plane
        takes; with as many dimensions as columns it is zero.

    Raises
    ------
    ValueError
        If there are fewer rows than neighbours, or no more neighbours than dimensions.

    Examples
    --------
    >>> import numpy as np
    >>> angle = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    >>> circle = np.column_stack([np.cos(angle), np.sin(angle)])
    >>> planes = local_planes(circle, 1, n_neighbors=5)
    >>> np.abs(planes.bases[0, :, 0]).round(2)
    array([0., 1.])
    """
    X = np.asarray(X, dtype=np.float64)
    queries = X if queries is None else queries
    n, d = X.shape
    if not dimension < n_neighbors <= n:
        raise ValueError(
            f"n_neighbors={n_neighbors} must be above dimension={dimension} and at most the "
            f"number of rows, {n}."
        )
    if not 1 <= dimension <= d:
        raise ValueError(f"dimension must be from 1 to {d}, got {dimension}.")
    distances, index = NearestNeighbors(n_neighbors=n_neighbors).fit(X).kneighbors(queries)
    size = max(1, CHUNK // (n_neighbors * d))
    parts = [
        _lay(X[index[start : start + size]], distances[start : start + size, -1], dimension)
        for start in range(0, len(queries), size)
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
