"""What a decoder leaves out of the rows, drawn from rows nearby."""

import numpy as np
from sklearn.neighbors import NearestNeighbors

__all__ = ["ResidualNoise"]

POOL = 3
"""The residuals are those of the first to the third ``n_neighbors`` nearest rows."""


class ResidualNoise:
    """Draws residuals of training rows that are near in the embedding, but not nearest.

    A whole residual is taken, so that noise keeps its directions, its tails, and its size where
    that changes along the manifold. The nearest rows are left out: with the residual of a row that
    the decoder itself has averaged, a drawn row would lie beside it.

    Parameters
    ----------
    W : ndarray of shape (n, n_components)
        Embedded training rows.
    residuals : ndarray of shape (n, n_features)
        What was left out of each, when it was held out.
    n_neighbors : int
        Neighbours that the decoder averages.

    Examples
    --------
    >>> import numpy as np
    >>> noise = ResidualNoise(np.arange(4.0)[:, None], np.eye(4), n_neighbors=1)
    >>> noise.draw(np.zeros((1, 1)), np.random.RandomState(0))
    array([[0., 1., 0., 0.]])
    """

    def __init__(self, W, residuals, n_neighbors):
        self.residuals = residuals
        self.last = min(POOL * n_neighbors, len(W))
        self.first = min(n_neighbors, self.last - 1)
        self.search = NearestNeighbors(n_neighbors=self.last).fit(W)

    def draw(self, W, rng):
        """Draw a residual for each embedded row.

        Parameters
        ----------
        W : ndarray of shape (m, n_components)
            Embedded rows.
        rng : RandomState
            Source of randomness.

        Returns
        -------
        ndarray of shape (m, n_features)
            Residuals.
        """
        near = self.search.kneighbors(W, return_distance=False)[:, self.first :]
        chosen = rng.randint(near.shape[1], size=len(W))
        return self.residuals[near[np.arange(len(W)), chosen]]
